//! Destination of a run's events: opened before anything is attached, begun once there is something
//! to write.

use std::io;

use anyhow::Result;

use super::{announce::tell, settings::TraceSettings};
use crate::{
    host::rights::{self, Rights},
    model::escape::shown,
    output::{
        self, Events, Notices, Paper, Sink,
        stream::parquet::{Fact, PreparedRecording},
    },
    replay::parquet::rows_of,
};

/// Output of events. An existing file is unchanged until the output begins.
pub(crate) enum Output {
    /// Text, NDJSON or CSV.
    Events(output::Output),
    /// A recording of rows, and the number of rows that it replaces.
    Recording(Box<PreparedRecording>, Option<u64>),
}

impl Output {
    /// Returns the sink of a run that began at `started_ns`, in nanoseconds since the Unix epoch;
    /// `facts` are for the metadata of a recording. The file is emptied.
    pub(crate) fn begin(
        self,
        settings: &TraceSettings,
        started_ns: u64,
        facts: impl FnOnce() -> Vec<Fact>,
    ) -> Result<Box<dyn Sink>> {
        let sink = match self {
            Self::Events(output) => output.begin().map(|file| {
                let paper = match &file {
                    Events::Stdout(stdout) => Paper::of(stdout, settings.view.wide),
                    Events::File(_) => Paper::default(),
                };
                let view = (&settings.view, paper);
                output::build(settings.format, view, started_ns, file, io::stderr())
            }),
            Self::Recording(prepared, replaced) => {
                if let Some(rows) = replaced.filter(|_| !settings.view.quiet) {
                    let path = output_name(settings);
                    tell(&format!("{path} had {rows} rows, which are replaced"));
                }
                prepared.begin(facts()).map(|sink| Box::new(sink) as Box<dyn Sink>)
            }
        };
        sink.map_err(|error| not_opened(settings, error.into()))
    }
}

/// Opens the output of the events.
pub(crate) fn open(settings: &TraceSettings) -> Result<Output> {
    let opened = match &settings.record {
        Some(options) => {
            let notices = Notices::new(io::stderr(), settings.view.quiet);
            let notices = notices.with_plots(settings.view.plot);
            let prepared = PreparedRecording::open(options.clone(), notices);
            prepared.map(|prepared| {
                // Now: the file may be unreadable once rights are dropped.
                let before = prepared.to_read().ok();
                let rows = before.and_then(|file| rows_of(file, settings.max_memory));
                Output::Recording(Box::new(prepared), rows.filter(|rows| *rows > 0))
            })
        }
        None => output::Output::open(settings.output.as_deref(), settings.mode).map(Output::Events),
    };
    opened.map_err(|error| not_opened(settings, error.into()))
}

/// Returns an error that names the output, and the right needed to open it.
fn not_opened(settings: &TraceSettings, error: anyhow::Error) -> anyhow::Error {
    let output = output_name(settings);
    let is_denied = error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied);
    let lacks_right = || rights::held().is_ok_and(|held| !held.contains(Rights::DAC_OVERRIDE));
    if is_denied && lacks_right() {
        return error.context(format!(
            "can't open {output} for writing: without CAP_DAC_OVERRIDE, ephtrace can write files \
             only in its own user's directories"
        ));
    }
    error.context(format!("can't open {output} for writing"))
}

fn output_name(settings: &TraceSettings) -> String {
    let recorded = settings.record.as_ref().map(|record| &record.path);
    let path = recorded.or(settings.output.as_ref());
    path.map_or_else(|| "standard output".to_owned(), |path| shown(&path).to_string())
}

pub(crate) fn not_written(settings: &TraceSettings) -> String {
    let output = output_name(settings);
    if settings.record.is_some() {
        return format!(
            "can't record to {output} (everything up to a few seconds ago is readable if the file \
             still exists; make room, or name another file)"
        );
    }
    format!("can't write events to {output} (it ends with a complete line; try another --output)")
}
