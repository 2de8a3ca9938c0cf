//! A real terminal: reads keys, shows the view, and restores everything at the end.
//!
//! Only this part of the view does I/O. However the run ends, the terminal is restored: by
//! [`Drop`], by the panic hook, and on a signal by the loop, which then drops it.

use std::{
    io::{self, IsTerminal as _},
    mem::ManuallyDrop,
    os::fd::AsFd as _,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use log::LevelFilter;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{Signal, raise},
};
use ratatui::{
    DefaultTerminal,
    crossterm::{
        event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
        execute,
        terminal::{EnterAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

use super::{
    draw::draw,
    keys::Key,
    state::{Drawn, Input, State},
};
use crate::output::screen::{shows_utf8, wants_colour};

/// Maximum number of keys that are read at once, so that pasted text does not block the rest.
const MAX_KEYS: usize = 64;

/// True while a view has the terminal to itself.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Leaves the view without waiting for anything, for a process that is about to end.
pub(crate) fn leave_at_once() {
    if !IS_TAKEN.load(Ordering::Relaxed) {
        return;
    }
    let _ = disable_raw_mode();
    let stdout = io::stdout();
    let mut polled = [PollFd::new(stdout.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut polled, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
        // Bypasses the lock of `stdout`, which the drawing thread may hold: leaves the alternate
        // screen and shows the cursor.
        let _ = nix::unistd::write(&stdout, b"\x1b[?1049l\x1b[?25h");
    }
}

/// A terminal that belongs to the view until this is dropped.
pub struct Terminal {
    /// Never dropped: if the terminal is gone, its drop would write to standard error, which may be
    /// gone as well, and panic.
    terminal: ManuallyDrop<DefaultTerminal>,
    log_level: LevelFilter,
}

impl Terminal {
    /// Whether standard output is a terminal.
    pub fn is_there() -> bool {
        io::stdout().is_terminal()
    }

    /// Whether that terminal says that it can't move its cursor, which a view takes.
    pub fn is_dumb() -> bool {
        std::env::var_os("TERM").is_some_and(|term| term == "dumb")
    }

    /// Whether it shows UTF-8, by the locale.
    pub fn has_utf8() -> bool {
        shows_utf8()
    }

    /// Returns true if the terminal has colours and the user wants them.
    pub fn has_colour() -> bool {
        wants_colour()
    }

    /// Takes over the terminal.
    ///
    /// Log messages would appear in the middle of the view, so they are off meanwhile, unless
    /// standard error goes elsewhere; losses that they would report are counted and shown.
    pub fn open() -> io::Result<Self> {
        let log_level = log::max_level();
        IS_TAKEN.store(true, Ordering::Relaxed);
        let terminal = ratatui::try_init().map_err(|error| {
            // Restores silently: if the terminal is gone, standard error may be gone, too.
            let _ = ratatui::try_restore();
            if is_gone() { gone() } else { error }
        })?;
        if io::stderr().is_terminal() {
            log::set_max_level(LevelFilter::Off);
        }
        Ok(Self { terminal: ManuallyDrop::new(terminal), log_level })
    }

    /// Returns the keys typed since the last call, without waiting for more.
    pub fn inputs(&mut self) -> io::Result<Vec<Input<'static>>> {
        let mut inputs = Vec::new();
        // On a closed terminal, crossterm would read nothing for ever.
        while inputs.len() < MAX_KEYS && !is_gone() && event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key) if translate(key) == Some(Key::Ctrl('z')) => {
                    self.suspend()?;
                    inputs.push(Input::Resize);
                }
                Event::Key(key) => inputs.extend(translate(key).map(Input::Key)),
                Event::Resize(..) => inputs.push(Input::Resize),
                _ => {}
            }
        }
        if is_gone() { Err(gone()) } else { Ok(inputs) }
    }

    /// Gives the terminal back and stops, as Ctrl-Z does elsewhere; takes it again once the shell
    /// continues the process (`fg`). Events that meanwhile find no room in the ring buffer are
    /// counted as lost.
    fn suspend(&mut self) -> io::Result<()> {
        ratatui::try_restore()?;
        IS_TAKEN.store(false, Ordering::Relaxed);
        // `kill` is not used, because the sandbox of readers refuses it.
        raise(Signal::SIGTSTP)?;
        IS_TAKEN.store(true, Ordering::Relaxed);
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen)?;
        self.terminal.clear()
    }

    /// Draws the view.
    pub fn show(&mut self, state: &mut State) -> io::Result<()> {
        let mut drawn = Drawn::default();
        let shown = self.terminal.draw(|frame| drawn = draw(frame, state));
        shown.map_err(|error| if is_gone() { gone() } else { error })?;
        state.set_drawn(drawn);
        Ok(())
    }
}

/// Returns the error of a closed terminal, which is that of a closed pipe.
fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the terminal was closed")
}

/// Returns true if the terminal was closed: by its window, or by a broken connection.
fn is_gone() -> bool {
    let stdout = io::stdout();
    let mut watched = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
    let polled = poll(&mut watched, PollTimeout::ZERO);
    polled.is_ok() && watched[0].revents().is_some_and(|told| !told.is_empty())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = self.terminal.show_cursor();
        // The panic hook has already restored it: a second time would move the cursor up over the
        // panic's message.
        if !thread::panicking() {
            let _ = ratatui::try_restore();
        }
        IS_TAKEN.store(false, Ordering::Relaxed);
        log::set_max_level(self.log_level);
    }
}

fn translate(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    Some(match event.code {
        KeyCode::Char(c) if event.modifiers.contains(KeyModifiers::CONTROL) => Key::Ctrl(c),
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
