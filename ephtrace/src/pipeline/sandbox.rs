//! Sandbox for reading a recording, which may come from anybody.

use std::path::PathBuf;

use crate::{host::sandbox::Sandbox, output::stream::parquet::journal_path, replay};

/// Returns the access needed to read the recordings at `from`, besides files that are open already.
pub(crate) fn of(from: &[PathBuf]) -> Sandbox {
    replay::prepare_spool();
    let reads = |sandbox: Sandbox, path: &PathBuf| sandbox.reads(path).reads(&journal_path(path));
    from.iter().fold(Sandbox::default(), reads)
}
