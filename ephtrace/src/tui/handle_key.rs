//! The effect of each key.

use super::{
    filter::{Filter, MAX_FILTER},
    keys::Key,
    state::{Effect, Page, Panel, State},
    view_model::ViewModel,
};

impl State {
    pub(crate) fn handle_key(&mut self, key: Key) -> Effect {
        if key == Key::Ctrl('c') {
            return Effect::Quit;
        }
        if self.typing.is_some() {
            self.type_filter(key);
            return Effect::None;
        }
        match key {
            Key::Char('q') => return Effect::Quit,
            Key::Char('r') => {
                self.reset();
                return Effect::Reset;
            }
            Key::Char(' ') => self.freeze(),
            Key::Char('?' | 'h') => self.open(Page::Help),
            Key::Char('!') => self.open(Page::Alerts),
            Key::Char('/') => {
                (self.page, self.typing) = (None, Some(self.filter.clone()));
            }
            Key::Char('f') => self.failed_only = !self.failed_only,
            Key::Char('s') => self.sort_next(),
            Key::Char('S') => self.sort_reversed(),
            Key::Tab => self.turn(1),
            Key::BackTab => self.turn(Panel::ALL.len() - 1),
            Key::Char(digit @ '1'..='4') => self.show(Panel::ALL[digit as usize - '1' as usize]),
            Key::Enter => self.enter(),
            Key::Esc => self.back(),
            _ => self.go(key),
        }
        Effect::None
    }

    fn type_filter(&mut self, key: Key) {
        match key {
            Key::Enter => self.typing = None,
            Key::Esc => self.filter = self.typing.take().unwrap_or_default(),
            Key::Backspace => {
                self.filter.text.pop();
            }
            Key::Char(c) if self.filter.text.chars().count() < MAX_FILTER && !c.is_control() => {
                self.filter.text.push(c);
            }
            _ => {}
        }
    }

    fn reset(&mut self) {
        let (now_ns, losses) = (self.seen.now_ns, self.seen.losses);
        let in_use = std::mem::take(&mut self.seen.in_use);
        self.seen = ViewModel::new(now_ns, Some(now_ns));
        (self.seen.losses, self.seen.in_use) = (losses, in_use);
        self.frozen = None;
        self.selected = None;
        self.cursor = 0;
        if matches!(self.page, Some(Page::Destination(_))) {
            self.page = None;
        }
    }

    fn freeze(&mut self) {
        self.frozen = match self.frozen {
            Some(_) => None,
            None => Some(Box::new(self.seen.clone())),
        };
    }

    fn sort_next(&mut self) {
        match self.panel {
            Panel::Destinations => self.by_destination.next(),
            Panel::Processes => self.by_process.next(),
            Panel::Failures | Panel::Plots => {}
        }
    }

    fn sort_reversed(&mut self) {
        match self.panel {
            Panel::Destinations => self.by_destination.reversed ^= true,
            Panel::Processes => self.by_process.reversed ^= true,
            Panel::Failures | Panel::Plots => {}
        }
    }

    fn open(&mut self, page: Page) {
        self.page = if self.page == Some(page) { None } else { Some(page) };
        self.scroll = 0;
    }

    fn show(&mut self, panel: Panel) {
        self.page = None;
        if panel != self.panel {
            (self.panel, self.cursor, self.scroll) = (panel, 0, 0);
        }
    }

    fn turn(&mut self, by: usize) {
        let at = Panel::ALL.iter().position(|panel| *panel == self.panel).unwrap_or(0);
        self.show(Panel::ALL[(at + by) % Panel::ALL.len()]);
    }

    /// Into what the cursor is on: a destination, the destination of a failure, those of a process,
    /// an alert.
    fn enter(&mut self) {
        match self.page {
            Some(Page::Alerts) => {
                let alert = self.seen().alerts.all().get(self.alert_cursor());
                if let Some(serial) = alert.map(|alert| alert.serial) {
                    self.alert = Some(serial);
                    self.open(Page::Alert(serial));
                }
                return;
            }
            Some(_) => return,
            None => {}
        }
        let at = self.cursor();
        match self.panel {
            Panel::Destinations => {
                if let Some(lane) = self.destinations().get(at).map(|(lane, _)| **lane) {
                    self.selected = Some(lane);
                    self.open(Page::Destination(lane));
                }
            }
            Panel::Processes => {
                let name = |pid: Option<u32>| pid.map(|pid| pid.to_string());
                let process = self.processes();
                let process = process.get(at).and_then(|one| name(one.pid).or(one.comm.clone()));
                if let Some(process) = process {
                    self.filter.text = process;
                    self.show(Panel::Destinations);
                }
            }
            Panel::Failures => {
                if let Some(lane) = self.failures().get(at).map(|failure| failure.lane) {
                    self.open(Page::Destination(lane));
                }
            }
            Panel::Plots => {}
        }
    }

    /// Out of a page, from an alert to the list of all, then out of filters, then to where the
    /// cursor was at first.
    fn back(&mut self) {
        if let Some(page) = self.page.take() {
            self.scroll = 0;
            self.page = matches!(page, Page::Alert(_)).then_some(Page::Alerts);
        } else if !self.filter.is_empty() || self.failed_only {
            (self.filter, self.failed_only) = (Filter::default(), false);
        } else {
            (self.selected, self.cursor, self.scroll) = (None, 0, 0);
        }
    }

    fn go(&mut self, key: Key) {
        let page = self.drawn.rows.max(1);
        let (back, by) = match key {
            Key::Up | Key::Char('k') => (true, 1),
            Key::Down | Key::Char('j') => (false, 1),
            Key::PageUp => (true, page),
            Key::PageDown => (false, page),
            Key::Home | Key::Char('g') => (true, usize::MAX),
            Key::End | Key::Char('G') => (false, usize::MAX),
            _ => return,
        };
        let moved =
            |from: usize| if back { from.saturating_sub(by) } else { from.saturating_add(by) };
        if self.page == Some(Page::Alerts) {
            let alerts = self.seen().alerts.all();
            let to = moved(self.alert_cursor()).min(alerts.len().saturating_sub(1));
            self.alert = alerts.get(to).map(|alert| alert.serial);
            return;
        }
        if self.page.is_some() || self.panel == Panel::Plots {
            let to = moved(usize::from(self.scroll)).min(usize::from(self.drawn.last));
            self.scroll = u16::try_from(to).unwrap_or(u16::MAX);
            return;
        }
        let to = moved(self.cursor()).min(self.count().saturating_sub(1));
        self.cursor = to;
        if self.panel == Panel::Destinations {
            self.selected = self.destinations().get(to).map(|(lane, _)| **lane);
        }
    }
}
