//! NDJSON: lines of `ephtrace -o json`, and of other tools that write the five keys `ts_ns`,
//! `saddr`, `sport`, `daddr`, `dport`.
//!
//! Unknown keys are skipped, other keys may be missing or null. A value of another tool under a key
//! of ephtrace with another type (the `uid` of Zeek is text) is skipped, too, and counted; numbers
//! may be text, and times fractions. A line without the five keys is left out if it has a `type`:
//! `loss` is added to the losses.

mod foreign;
mod line;
mod ours;
#[cfg(test)]
mod tests;
mod tools;

use std::{
    collections::BTreeMap,
    io::{self, BufRead},
    str::Utf8Error,
};

use serde::{Deserialize, de::DeserializeSeed as _};

use self::{line::Line, tools::Tool};
use super::{
    connections::Connections,
    item::Item,
    lines::{Length, Lines, MAX_LINE_BYTES},
    logs::Clock,
    names,
};
use crate::model::{Assignment, Draft, LeftOut, losses::Losses};

/// Reads assignments from lines.
pub struct Reader<R> {
    lines: Lines<R>,
    said: Said,
    draft: Box<Draft>,
    others: Others,
}

/// Lines of other tools.
#[derive(Default)]
struct Others {
    /// Tool that wrote the previous line.
    tool: Option<Tool>,
    clock: Clock,
    connections: Connections,
    /// Number of lines about something other than the beginning of a connection.
    other: u64,
}

impl Others {
    /// Returns the meaning of a line, if another tool wrote it.
    fn read(&mut self, line: &str) -> Option<tools::Said> {
        let mut tools = self.tool.into_iter().chain(Tool::ALL);
        let (tool, said) =
            tools.find_map(|tool| Some((tool, tool.read(line, &mut self.clock)?)))?;
        self.tool = Some(tool);
        Some(said)
    }

    fn item(&mut self, said: tools::Said) -> Option<Item> {
        let ts_ns = self.clock.now_ns();
        match said {
            tools::Said::Connection(sent) => Some(sent.assignment(ts_ns)),
            tools::Said::Packet(told) => self.connections.assigned(ts_ns, told),
            tools::Said::Other => {
                self.other += 1;
                None
            }
        }
    }

    fn instead(&self) -> Option<String> {
        let (name, packets) = (self.tool?.name(), self.connections.left_out.packets);
        Some(match packets.all() {
            0 => format!(
                "it is {name}, and none of its lines shows the start of a connection (lines: {})",
                self.other
            ),
            _ => format!("it is {name} with {}", packets.in_words()),
        })
    }
}

/// Information in lines other than assignments.
#[derive(Default)]
struct Said {
    losses: Losses,
    /// True if a stream has begun that is to end with a summary.
    is_open: bool,
    /// True if such a stream has not ended.
    is_cut: bool,
    /// Number of lines with a foreign type and without the five keys.
    foreign: u64,
    /// Type of the first of them.
    foreign_type: Option<String>,
    /// Number of values that were left out because of their type, by key.
    left_out: BTreeMap<&'static str, u64>,
    /// True if a line was read that only ephtrace writes.
    is_ours: bool,
    /// Number of beginnings of such streams.
    streams: u64,
}

/// A line that is no assignment.
#[derive(Deserialize)]
struct Other<'a> {
    #[serde(borrow, default)]
    r#type: Option<line::Text<'a>>,
    #[serde(borrow, default)]
    stage: Option<line::Text<'a>>,
    #[serde(default)]
    lost: u64,
    #[serde(default)]
    ends_with_summary: bool,
}

impl Said {
    /// Handles a line that is no assignment.
    fn take(&mut self, other: &Other<'_>) {
        match other.r#type.as_ref().map(line::Text::as_str) {
            Some("loss") => {
                self.is_ours = true;
                let stage = other.stage.as_ref();
                stage
                    .inspect(|stage| names::add_loss(&mut self.losses, stage.as_str(), other.lost));
            }
            Some("stream") => {
                self.is_ours = true;
                self.streams += 1;
                self.is_cut |= self.is_open;
                self.is_open = other.ends_with_summary;
            }
            Some("summary") => (self.is_ours, self.is_open) = (true, false),
            kind => {
                self.foreign += 1;
                self.foreign_type.get_or_insert_with(|| kind.unwrap_or_default().to_owned());
            }
        }
    }
}

impl<R: BufRead> Reader<R> {
    /// Creates a reader at the beginning of the input.
    pub(super) fn new(lines: Lines<R>) -> Self {
        Self { lines, said: Said::default(), draft: Box::default(), others: Others::default() }
    }

    /// Returns whether a stream of ephtrace lacks its end, as far as it was read.
    pub fn is_cut(&self) -> bool {
        self.said.is_cut || self.said.is_open
    }

    /// Returns the kind of the lines, if none is an assignment; `None` if ephtrace traced nothing.
    pub fn instead(&self) -> Option<String> {
        let other = self.others.instead();
        if other.is_some() {
            return other;
        }
        let Said { foreign, foreign_type, is_ours, .. } = &self.said;
        match foreign_type {
            _ if *is_ours => None,
            None => Some("it is empty".to_owned()),
            Some(kind) => {
                let kind = kind.escape_debug().to_string();
                Some(format!(
                    "it has {foreign} lines with a type such as '{kind}', but none with ts_ns, \
                     saddr, sport, daddr, dport"
                ))
            }
        }
    }

    /// Returns the packets of a log of packets, and those that were left out.
    pub fn left_out(&self) -> LeftOut {
        self.others.connections.left_out
    }

    /// Notes on how it was read, one sentence each.
    pub fn notes(&self) -> Vec<String> {
        let tool = self.others.tool.map(|tool| {
            format!("read as {}: it does not tell whether the kernel chose a port", tool.name())
        });
        let values = self.said.left_out.iter().map(|(key, n)| {
            format!("{n} values of '{key}' have an unexpected type and were ignored")
        });
        tool.into_iter().chain(values).collect()
    }

    /// Whether a line says what is missing, as those of ephtrace do, as far as it was read.
    pub fn tells_losses(&self) -> bool {
        self.said.is_ours
    }

    /// Returns whether it is one stream of ephtrace, as far as it was read.
    pub(super) fn is_one_of_ours(&self) -> bool {
        self.said.streams == 1
    }

    /// Returns the losses so far: those in `loss` lines, and unreadable lines.
    pub fn losses(&self) -> Losses {
        self.said.losses
    }

    fn item(&mut self) -> Option<Item> {
        let text = self.lines.line();
        if text.trim_ascii().is_empty() {
            return None;
        }
        // The tool that wrote the previous line has most likely written this one.
        if self.others.tool.is_some()
            && let Some(said) = str::from_utf8(text).ok().and_then(|text| self.others.read(text))
        {
            return self.others.item(said);
        }
        let reason = match parse(text, &mut self.draft, &mut self.said.left_out) {
            Ok(assignment) => return Some(Item::Assignment(assignment)),
            Err(reason) => reason,
        };
        if !self.said.is_ours
            && let Some(said) = str::from_utf8(text).ok().and_then(|text| self.others.read(text))
        {
            return self.others.item(said);
        }
        match other(text) {
            Some(other) => {
                self.said.take(&other);
                None
            }
            None => Some(self.broken(reason)),
        }
    }

    fn broken(&mut self, reason: String) -> Item {
        self.lines.broken(reason, &mut self.said.losses)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.lines.next() {
                Ok(None) => return None,
                Ok(Some(Length::Whole)) => {
                    if let Some(item) = self.item() {
                        return Some(Ok(item));
                    }
                }
                Ok(Some(Length::TooLong)) => {
                    let reason = format!("longer than {MAX_LINE_BYTES} bytes");
                    return Some(Ok(self.broken(reason)));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Parses the assignment of a line; values that are left out are counted by key.
fn parse(
    text: &[u8],
    draft: &mut Draft,
    left_out: &mut BTreeMap<&'static str, u64>,
) -> Result<Assignment, String> {
    // UTF-8 is checked once, not for each string in it.
    let text = std::str::from_utf8(text).map_err(|e| not_utf8(&e))?;
    if ours::read(text, draft).is_some() {
        return draft.assignment();
    }
    if text.trim() == "{" {
        return Err("an object over several lines: use `jq -c . FILE | ephtrace report -`".into());
    }
    if let Err(error) = draft_of(text, draft) {
        let (fitting, keys) = foreign::fitting(text).ok_or_else(|| in_words(&error))?;
        draft_of(&fitting, draft).map_err(|_| in_words(&error))?;
        for key in keys {
            *left_out.entry(key).or_default() += 1;
        }
    }
    draft.assignment()
}

/// Stores a line in the draft.
fn draft_of(text: &str, draft: &mut Draft) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_str(text);
    Line(draft).deserialize(&mut json)?;
    json.end()
}

/// Parses a line of another type.
fn other(text: &[u8]) -> Option<Other<'_>> {
    let other: Other<'_> = serde_json::from_slice(text).ok()?;
    (other.r#type.as_ref()?.as_str() != "assignment").then_some(other)
}

/// Returns serde's message without its line number: it sees only one line.
fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(&*text, |(reason, _)| reason);
    // serde quotes the value that it found, which can be long.
    let reason = reason.replace("expected u16", "expected 0 to 65535");
    let visible = |c: char| if c.is_control() { '?' } else { c };
    let reason: String = reason.chars().take(200).map(visible).collect();
    match error.column() {
        0 => reason,
        column => format!("{reason}, column {column}"),
    }
}

fn not_utf8(error: &Utf8Error) -> String {
    format!("invalid UTF-8 at byte {}", error.valid_up_to() + 1)
}
