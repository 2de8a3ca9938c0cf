//! Where assignments, losses and the summary go.
//!
//! Events on the output, everything else on the notices (standard error). Sinks write whole lines
//! and pass every error of the output on; an error of the notices stops nothing.

pub mod files;
pub(crate) mod notices;
pub mod page;
pub(crate) mod screen;
pub mod stream;
pub mod summary;
pub mod tables;

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd as _,
    path::Path,
};

pub(crate) use self::notices::Span;
pub(crate) use self::stream::text::{printable, shown};
pub use self::{
    files::Prepared,
    notices::Notices,
    screen::{Plot, Screen},
    stream::{
        csv::CsvSink,
        json::JsonSink,
        lines::{Lines, Target},
        text::TextSink,
    },
};
use crate::{
    analyse::summary::Summary,
    model::{Assignment, losses::Losses},
};

/// A destination of everything that ephtrace finds out.
pub trait Sink {
    /// One assignment. It may stay in the buffer until [`Sink::flush`].
    fn event(&mut self, assignment: &Assignment) -> io::Result<()>;

    /// What was lost until `ts_ns` (nanoseconds since the Unix epoch), counted from the start.
    ///
    /// To be called on every tick; where nothing was lost since the last call, nothing is written.
    fn losses(&mut self, ts_ns: u64, losses: &Losses) -> io::Result<()>;

    /// The run in numbers until `ts_ns` (nanoseconds since the Unix epoch).
    fn summary(&mut self, ts_ns: u64, summary: &Summary) -> io::Result<()>;

    /// Hands on what is in the buffer: to be called after each drain of the ring.
    fn flush(&mut self) -> io::Result<()>;

    /// The last call: completes the output and hands it on.
    fn finish(&mut self) -> io::Result<()>;
}

/// How events are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// A table, for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

/// How events are shown.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// Format of the output.
    pub format: Format,
    /// Text: column TIME(s), seconds since the start.
    pub since_start: bool,
    /// Text: column TIME, wall clock.
    pub wall_clock: bool,
    /// Text: column UID.
    pub uid: bool,
    /// Text: room for long addresses from the start.
    pub wide: bool,
    /// Text: each line followed by a sentence that explains it.
    pub explain: bool,
    /// When the summary comes with plots.
    pub plot: Plot,
    /// No summary on the notices.
    pub quiet: bool,
}

impl Default for View {
    fn default() -> Self {
        Self {
            format: Format::Text,
            since_start: true,
            wall_clock: false,
            uid: false,
            wide: false,
            explain: false,
            plot: Plot::Auto,
            quiet: false,
        }
    }
}

/// Where events go as text, NDJSON or CSV.
#[derive(Debug)]
pub enum Output {
    /// Into a file.
    File(Prepared),
    /// To standard output, from where it is.
    Stdout(File),
}

impl Output {
    /// Opens the file at `path`, or takes standard output.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        match path {
            Some(path) => Prepared::open(path).map(Self::File),
            None => Ok(Self::Stdout(File::from(io::stdout().as_fd().try_clone_to_owned()?))),
        }
    }

    /// What to write to: a file is emptied.
    pub fn begin(self) -> io::Result<File> {
        match self {
            Self::File(prepared) => prepared.begin(),
            Self::Stdout(file) => Ok(file),
        }
    }
}

/// The sink for a view. `started_ns`, in nanoseconds since the Unix epoch, is where the seconds
/// since the start begin.
pub fn build<T, N>(view: &View, started_ns: u64, output: T, notices: N) -> Box<dyn Sink>
where
    T: Target + 'static,
    N: Write + 'static,
{
    let notices = Notices::new(notices, view.quiet).with_plots(view.plot);
    match view.format {
        Format::Text => Box::new(TextSink::new(view, started_ns, output, notices)),
        Format::Json => Box::new(JsonSink::new(output, notices)),
        Format::Csv => Box::new(CsvSink::new(output, notices)),
    }
}

#[cfg(test)]
mod tests;
