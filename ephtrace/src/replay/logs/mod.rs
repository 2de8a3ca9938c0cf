//! Text written by other tools: tables of connections or packets, `tcpdump`, `conntrack -E`.
//!
//! The first line identifies the tool. If a tool writes no times, the order of the lines is the
//! order of the assignments; if it writes only the time of day, a new day begins where the time
//! goes back.

mod clock;
mod conntrack;
mod names_of_others;
mod roles;
mod said;
mod table;
mod tcpdump;
#[cfg(test)]
mod tests;
mod values;

use std::io::{self, BufRead};

pub(super) use self::clock::Clock;
use self::{said::Said, table::Table};
use super::{
    connections::Connections,
    item::{Chronology, Item},
    lines::{Length, Lines, MAX_LINE_BYTES},
};
use crate::model::{LeftOut, losses::Losses};

/// The tool that wrote a log.
pub(super) enum Log {
    Table(Box<Table>),
    Tcpdump(tcpdump::Text),
    Conntrack,
    /// The connections of one moment, in no order.
    ConntrackList,
}

impl Log {
    /// Detects the log by the first line that is not empty; fails for a log that can't be judged.
    pub(super) fn of(first: &str) -> Result<Option<Self>, (&'static str, &'static str)> {
        if conntrack::is_line(first) {
            let is_list = conntrack::is_list(first);
            return Ok(Some(if is_list { Self::ConntrackList } else { Self::Conntrack }));
        }
        if tcpdump::is_line(first) {
            return Ok(Some(Self::Tcpdump(tcpdump::Text::default())));
        }
        Ok(Table::of(first)?.map(|table| Self::Table(Box::new(table))))
    }

    /// Name in messages.
    fn name(&self) -> &'static str {
        match self {
            Self::Table(table) => table.name(),
            Self::Tcpdump(_) => "tcpdump text",
            Self::Conntrack => "conntrack events",
            Self::ConntrackList => "a conntrack list",
        }
    }
}

/// Reads assignments from a log.
pub struct Reader<R> {
    lines: Lines<R>,
    log: Log,
    clock: Clock,
    connections: Connections,
    /// Next item: the other assignment of the last line.
    second: Option<Item>,
    rows: u64,
    losses: Losses,
}

impl<R: BufRead> Reader<R> {
    pub(super) fn new(lines: Lines<R>, log: Log) -> Self {
        let (connections, losses) = (Connections::default(), Losses::default());
        Self { lines, log, clock: Clock::default(), connections, second: None, rows: 0, losses }
    }

    /// Returns the lines that can't be read so far.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// Returns whether it is CSV of ephtrace.
    pub(super) fn is_ours(&self) -> bool {
        matches!(&self.log, Log::Table(table) if table.is_ours())
    }

    /// Returns the packets of a log of packets, and those that were left out.
    pub fn left_out(&self) -> LeftOut {
        self.connections.left_out
    }

    /// Describes the contents other than assignments.
    pub fn instead(&self) -> String {
        let packets = self.left_out().packets;
        let (rows, name) = (self.rows, self.log.name());
        if packets.all() > 0 {
            return format!("it is {name} with {}", packets.in_words());
        }
        format!(
            "it is {name}, and none of its lines shows the start of a connection (lines: {rows})"
        )
    }

    /// Its lines' times and order, as far as its format has them.
    pub fn chronology(&self) -> Chronology {
        match &self.log {
            Log::Table(table) if !table.has_times() => Chronology::Order,
            Log::ConntrackList => Chronology::Nothing,
            Log::Table(_) | Log::Tcpdump(_) | Log::Conntrack => Chronology::Times,
        }
    }

    /// Returns a note with the detected format, and the information that it lacks.
    pub fn note(&self) -> String {
        if self.chronology() == Chronology::Nothing {
            return format!(
                "read as {}: it does not tell whether the kernel chose a port, when, and in which \
                 order; `conntrack -E -e NEW -o timestamp` shows the order",
                self.log.name()
            );
        }
        let times = if self.clock.has_times() { "" } else { " or when" };
        format!(
            "read as {}: it does not tell whether the kernel chose a port{times}",
            self.log.name()
        )
    }

    fn item(&mut self) -> Option<Item> {
        let Self { lines, log, clock, .. } = self;
        let said = match std::str::from_utf8(lines.line()) {
            Err(error) => Err(format!("invalid UTF-8 at byte {}", error.valid_up_to() + 1)),
            Ok(line) => {
                let line = line.trim_end_matches(['\n', '\r']);
                match log {
                    Log::Table(table) => table.read(line, clock),
                    Log::Tcpdump(text) => text.read(line, clock),
                    Log::Conntrack | Log::ConntrackList => {
                        let is_list = matches!(log, Log::ConntrackList);
                        conntrack::read(line, is_list, clock, &mut self.connections.left_out)
                    }
                }
            }
        };
        match said {
            Ok(Said::Nothing) => {
                self.rows += 1;
                None
            }
            Ok(Said::Row(item)) => Some(item),
            Ok(Said::Rows(rows)) => {
                let (item, second) = *rows;
                self.second = Some(second);
                Some(item)
            }
            Ok(Said::Packet(told)) => {
                let ts_ns = self.clock.now_ns();
                self.connections.assigned(ts_ns, told)
            }
            Err(reason) => Some(self.broken(reason)),
        }
    }

    fn broken(&mut self, reason: String) -> Item {
        self.lines.broken(reason, &mut self.losses)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(second) = self.second.take() {
            return Some(Ok(second));
        }
        loop {
            match self.lines.next() {
                Ok(None) => return None,
                Ok(Some(Length::TooLong)) => {
                    return Some(Ok(self.broken(format!("longer than {MAX_LINE_BYTES} bytes"))));
                }
                Ok(Some(Length::Whole)) => {
                    if let Some(item) = self.item() {
                        return Some(Ok(item));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
