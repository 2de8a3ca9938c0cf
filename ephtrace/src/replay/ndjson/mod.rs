//! NDJSON: the lines of `ephtrace -o json`, and of anybody who writes the five keys `ts_ns`,
//! `saddr`, `sport`, `daddr`, `dport`.
//!
//! Unknown keys are skipped, other keys may be missing or null. What other tools have under a key
//! of ours with another type (the `uid` of Zeek is text) is skipped, too, and counted; numbers may
//! be text, and times fractions. A line without the five keys is left out if it has a `type`:
//! `loss` is added to the losses.

mod foreign;
mod line;

use std::{
    collections::BTreeMap,
    io::{self, BufRead, Read as _},
    str::Utf8Error,
};

use serde::{Deserialize, de::DeserializeSeed as _};

use self::line::Line;
use super::{
    item::{Broken, Item},
    names,
};
use crate::model::{Assignment, Draft, losses::Losses};

/// Longest line that is read, in bytes: a hundred times as long as ephtrace's own.
pub const MAX_LINE_BYTES: u64 = 64 << 10;

/// Reads assignments from lines.
pub struct Reader<R> {
    input: R,
    line: Vec<u8>,
    number: u64,
    said: Said,
    draft: Box<Draft>,
}

/// What lines say that are no assignments.
#[derive(Default)]
struct Said {
    losses: Losses,
    /// A stream has begun that is to end with a summary.
    is_open: bool,
    /// One that was has not.
    is_cut: bool,
    /// Lines with a type of others and without the five keys.
    foreign: u64,
    /// The type that the first of them has.
    foreign_type: Option<String>,
    /// Values that were left out, as their type is not the one of the key.
    left_out: BTreeMap<&'static str, u64>,
    /// A line that ephtrace alone writes was read.
    is_ours: bool,
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
    /// Takes note of a line that is no assignment.
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
    /// From the beginning of `input`.
    pub fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0, said: Said::default(), draft: Box::default() }
    }

    /// Whether a stream of ephtrace lacks its end, as far as it was read.
    pub fn is_cut(&self) -> bool {
        self.said.is_cut || self.said.is_open
    }

    /// What the lines are, where none is an assignment: nothing to say if ephtrace traced nothing.
    pub fn instead(&self) -> Option<String> {
        let Said { foreign, foreign_type, is_ours, .. } = &self.said;
        match foreign_type {
            _ if *is_ours => None,
            None => Some("it is empty".to_owned()),
            Some(kind) => {
                let kind = kind.escape_debug().to_string();
                Some(format!(
                    "it has {foreign} lines with a type like '{kind}', and none with ts_ns, saddr, \
                     sport, daddr, dport"
                ))
            }
        }
    }

    /// Values that were left out, as their type is not the one of their key: the key, and how many.
    pub fn left_out_values(&self) -> &BTreeMap<&'static str, u64> {
        &self.said.left_out
    }

    /// What is missing so far: what `loss` lines say, and what can't be read.
    pub fn losses(&self) -> Losses {
        self.said.losses
    }

    /// Reads one line into `self.line`; `None` at the end, `Some(false)` if it is too long.
    fn read_line(&mut self) -> io::Result<Option<bool>> {
        self.line.clear();
        let mut input = self.input.by_ref().take(MAX_LINE_BYTES);
        let read = input.read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        let whole = self.line.ends_with(b"\n") || (read as u64) < MAX_LINE_BYTES;
        if !whole {
            skip_line(&mut self.input)?;
        }
        Ok(Some(whole))
    }

    fn item(&mut self) -> Option<Item> {
        let text = match &*self.line {
            [0xef, 0xbb, 0xbf, rest @ ..] if self.number == 1 => rest,
            line => line,
        };
        if text.trim_ascii().is_empty() {
            return None;
        }
        let reason = match parse(text, &mut self.draft, &mut self.said.left_out) {
            Ok(assignment) => return Some(Item::Assignment(assignment)),
            Err(reason) => reason,
        };
        match other(text) {
            Some(other) => {
                self.said.take(&other);
                None
            }
            None => Some(self.broken(reason)),
        }
    }

    fn broken(&mut self, reason: String) -> Item {
        names::add_loss(&mut self.said.losses, "unreadable", 1);
        Item::Broken(Broken { unit: "line", number: self.number, reason })
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read_line() {
                Ok(None) => return None,
                Ok(Some(true)) => {
                    if let Some(item) = self.item() {
                        return Some(Ok(item));
                    }
                }
                Ok(Some(false)) => {
                    let reason = format!("longer than {MAX_LINE_BYTES} bytes");
                    return Some(Ok(self.broken(reason)));
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// The assignment of a line; the values that were left out are counted by their keys.
fn parse(
    text: &[u8],
    draft: &mut Draft,
    left_out: &mut BTreeMap<&'static str, u64>,
) -> Result<Assignment, String> {
    // Checked once, not for each string in it.
    let text = std::str::from_utf8(text).map_err(|e| not_utf8(&e))?;
    if let Err(error) = draft_of(text, draft) {
        let (fitting, keys) = foreign::fitting(text).ok_or_else(|| in_words(&error))?;
        draft_of(&fitting, draft).map_err(|_| in_words(&error))?;
        for key in keys {
            *left_out.entry(key).or_default() += 1;
        }
    }
    draft.assignment()
}

/// Puts a line into the draft.
fn draft_of(text: &str, draft: &mut Draft) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_str(text);
    Line(draft).deserialize(&mut json)?;
    json.end()
}

/// A line of another type.
fn other(text: &[u8]) -> Option<Other<'_>> {
    let other: Other<'_> = serde_json::from_slice(text).ok()?;
    (other.r#type.as_ref()?.as_str() != "assignment").then_some(other)
}

/// What serde says, without its idea of the line: it sees but one.
fn in_words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let reason = text.rsplit_once(" at line ").map_or(&*text, |(reason, _)| reason);
    // serde quotes what it found, which can be long.
    let reason = reason.replace("expected u16", "expected 0 to 65535");
    let visible = |c: char| if c.is_control() { '?' } else { c };
    let reason: String = reason.chars().take(200).map(visible).collect();
    match error.column() {
        0 => reason,
        column => format!("{reason}, column {column}"),
    }
}

fn not_utf8(error: &Utf8Error) -> String {
    format!("no UTF-8, column {}", error.valid_up_to() + 1)
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let (used, done) = match input.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(bytes) => match bytes.iter().position(|&byte| byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (bytes.len(), false),
            },
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}
