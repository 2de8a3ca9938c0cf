//! The kinds of JSON objects that ephtrace writes, and how one begins.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;

use super::escape::write_json;
use crate::model::SCHEMA_VERSION;

/// A kind of JSON object, by the `type` that it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// First line of a stream (`-o json`): the version of the schema
    Stream,
    /// Line of a stream: one assignment, or one failure
    Assignment,
    /// Line of a stream: events that were lost
    Loss,
    /// Last line of a stream: numbers and verdicts of the run
    Summary,
    /// Line of `storm --json`; the last one covers the whole time and has type `storm_total`
    Storm,
    /// `ports --json`: the ports in use now
    Ports,
    /// `explain --json`: one question, one answer
    Explain,
    /// `explain ranges --json`: default ranges of systems, and the range here
    Ranges,
    /// `check --json`: the result for monitoring
    Check,
    /// `report --json`: analysis of a recording
    Report,
    /// `report --compare --json`: two recordings side by side
    Comparison,
    /// `doctor --json`: what this kernel and user allow
    Doctor,
    /// `whatif --json`: what a set-up can sustain
    Whatif,
}

impl Kind {
    /// Returns its name, as in every output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Assignment => "assignment",
            Self::Loss => "loss",
            Self::Summary => "summary",
            Self::Storm => "storm",
            Self::Ports => "ports",
            Self::Explain => "explain",
            Self::Ranges => "ranges",
            Self::Check => "check",
            Self::Report => "report",
            Self::Comparison => "comparison",
            Self::Doctor => "doctor",
            Self::Whatif => "whatif",
        }
    }
}

/// The written object: its type, the version of its schema, and its body.
#[derive(Serialize)]
struct Object<'a, T> {
    r#type: &'static str,
    schema_version: u32,
    #[serde(flatten)]
    body: &'a T,
}

/// Writes one JSON object on a line of its own.
pub fn write_object(out: &mut impl Write, kind: Kind, body: &impl Serialize) -> io::Result<()> {
    write_typed(out, kind.name(), body)
}

/// Writes one JSON object of a kind that has more than one type.
pub fn write_typed(
    out: &mut impl Write,
    r#type: &'static str,
    body: &impl Serialize,
) -> io::Result<()> {
    let object = Object { r#type, schema_version: SCHEMA_VERSION, body };
    write_json(&mut *out, &object)?;
    writeln!(out)
}
