//! `ephtrace record`: a live trace, or another recording, into a Parquet file; and the repair of one.

use std::{
    fs,
    io::{self, ErrorKind, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result};

use crate::{
    cli::RecordArgs,
    replay::{Recording, parquet::is_whole},
    run,
    settings::Settings,
    sink::parquet::{Journal, journal_path},
};

/// Records, converts or repairs. `log_level` is that of the kernel half's own messages.
pub fn run(args: RecordArgs, log_level: u8) -> Result<()> {
    if args.repair {
        return repair(&args.file);
    }
    run::trace(&Settings::try_from(args)?, log_level)
}

/// Puts the end back into the recording at `path`, if it lacks one.
fn repair(path: &Path) -> Result<()> {
    let name = path.display();
    let said = if is_whole(path).with_context(|| format!("can't read {name}"))? {
        discard_journal(path)?;
        "is whole: nothing to repair"
    } else if let Some(journal) = Journal::beside(path) {
        journal.restore(path).with_context(|| format!("can't repair {name}"))?;
        "has its end again"
    } else {
        // Says what is wrong with it, and that there is no journal.
        Recording::open(path)?;
        "is no Parquet file: nothing to repair"
    };
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "ephtrace: {name} {said}");
    Ok(())
}

/// The file was replaced completely: what the journal has is older.
fn discard_journal(path: &Path) -> Result<()> {
    let journal = journal_path(path);
    match fs::remove_file(&journal) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("can't remove {}", journal.display()))
        }
        _ => Ok(()),
    }
}
