//! Assignments as they come, one row each: text, NDJSON, CSV, Parquet.

mod cell_writer;
pub(crate) mod csv;
mod explain;
pub(crate) mod json;
mod kept;
pub(crate) mod lines;
pub mod parquet;
pub(crate) mod text;
mod value_writer;

use std::io::Write;

use clap::ValueEnum;

use super::{notices::Notices, paper::Paper, sink::Sink, view::View};

/// How events are written; also the value of `--format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table
    #[default]
    Text,
    /// One JSON object per line
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// Returns the sink for a format and a view. `started_ns`, in nanoseconds since the Unix epoch, is
/// the zero of the seconds since the start; `paper` is the medium of text.
pub fn build<T, N>(
    format: Format,
    (view, paper): (&View, Paper),
    started_ns: u64,
    output: T,
    notices: N,
) -> Box<dyn Sink>
where
    T: lines::Target + 'static,
    N: Write + 'static,
{
    let notices = Notices::new(notices, view.quiet).with_plots(view.plot).wide(view.wide);
    match format {
        Format::Text => Box::new(text::TextSink::new(view, started_ns, output, notices).on(paper)),
        Format::Json => Box::new(json::JsonSink::new(output, notices)),
        Format::Csv => Box::new(csv::CsvSink::new(output, notices).raw(view.raw)),
    }
}
