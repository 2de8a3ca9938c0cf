//! The sandbox of whoever reads a recording: it may come from anybody.

use std::path::PathBuf;

use crate::{host::sandbox::Sandbox, output::stream::parquet::journal_path, replay};

/// What reading the recordings at `from` takes, beside what is open already.
pub(crate) fn of(from: &[PathBuf]) -> Sandbox {
    replay::prepare_spool();
    let reads = |sandbox: Sandbox, path: &PathBuf| sandbox.reads(path).reads(&journal_path(path));
    from.iter().fold(Sandbox::default(), reads)
}
