//! The sandbox of whoever reads a recording: it may come from anybody.

use std::path::Path;

use crate::{host::sandbox::Sandbox, output::stream::parquet::journal_path, replay};

/// What reading the recording at `from` takes, beside what is open already.
pub(crate) fn of(from: &Path) -> Sandbox {
    replay::prepare_spool();
    Sandbox::default().reads(from).reads(&journal_path(from))
}
