//! Events as text, NDJSON or CSV: the output they go to, and the sink for a view.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd as _,
    path::Path,
};

use super::{
    files::Prepared,
    notices::Notices,
    sink::Sink,
    stream::{csv::CsvSink, json::JsonSink, lines::Target, text::TextSink},
    view::{Format, View},
};

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
