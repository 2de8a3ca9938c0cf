//! `ephtrace record`: writes a live trace, or another recording, to a Parquet file; or repairs such
//! a file.

use std::{
    fs,
    io::{self, ErrorKind, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};

use super::settings::{UsageError, parse};
use crate::{
    cli::{RecordArgs, TraceArgs},
    model::escape::shown,
    output::{
        PendingFile,
        stream::parquet::{Journal, Options, Rotate, journal_path},
    },
    pipeline::{self, settings::TraceSettings},
    replay::{
        MaxMemory, Recording,
        parquet::{is_whole, is_whole_with},
    },
};

/// Smallest file size for rotation: about that of a row group of a storm.
const MIN_ROTATE_BYTES: u64 = 1 << 20;

impl TryFrom<RecordArgs> for TraceSettings {
    type Error = UsageError;

    fn try_from(args: RecordArgs) -> Result<Self, UsageError> {
        let RecordArgs {
            file,
            rotate,
            mode,
            from,
            repair: _,
            filter,
            stop,
            kernel,
            read,
            verbosity,
        } = args;
        let trace = TraceArgs { from, filter, stop, kernel, read, verbosity, ..Default::default() };
        let rotate = rotate.map(|text| rotation(&text)).transpose()?;
        let mode = mode.map(|text| parse::mode("--mode", &text)).transpose()?;
        let record = Some(Options { path: file, rotate, mode });
        Ok(Self { record, ..Self::try_from(trace)? })
    }
}

/// Parses a size or a time: `10m` is ten minutes, `10M` a size.
fn rotation(text: &str) -> Result<Rotate, UsageError> {
    let size = if text.ends_with('m') { None } else { parse::bytes(text) };
    match (size, parse::time(text)) {
        (Some(bytes), _) if bytes >= MIN_ROTATE_BYTES => Ok(Rotate::Bytes(bytes)),
        (Some(_), _) => Err(bad(text, "expected at least 1M; a bare number is bytes")),
        (None, Some(time)) if !time.is_zero() => Ok(Rotate::Time(time)),
        (None, Some(_)) => Err(bad(text, "expected more than 0")),
        (None, None) => {
            Err(bad(text, "expected a size such as 256M or 2GiB, or a time such as 10m or 1h30m"))
        }
    }
}

fn bad(text: &str, reason: &str) -> UsageError {
    UsageError::Value { flag: "--rotate", value: text.to_owned(), reason: reason.to_owned() }
}

/// Records, converts or repairs. `log_level` is that of the kernel half's own messages.
pub fn run(args: RecordArgs, log_level: u8) -> Result<ExitCode> {
    if args.repair {
        repair(&args.file, parse::max_memory(&args.read)?)?;
    } else {
        pipeline::trace(&TraceSettings::try_from(args)?, log_level)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts the end back into the recording at `path`, if it lacks one.
fn repair(path: &Path, max: MaxMemory) -> Result<()> {
    let name = shown(&path);
    let said = if is_whole(path, max).with_context(|| format!("can't read {name}"))? {
        discard_journal(path)?;
        "is intact: nothing to repair"
    } else if let Some(journal) = Journal::beside(path) {
        let fits = is_whole_with(path, journal.clone(), max);
        if !fits.with_context(|| format!("can't read {name}"))? {
            bail!("{name} can't be repaired: its journal belongs to another file");
        }
        journal.restore(path).with_context(|| format!("can't repair {name}"))?;
        "repaired"
    } else {
        // The error says what is wrong with the file, and that there is no journal.
        Recording::open_within(path, max)?;
        "is not a Parquet file: nothing to repair"
    };
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr(), "ephtrace: {name} {said}");
    Ok(())
}

/// Removes the journal of a file that was replaced completely: its content is outdated.
fn discard_journal(path: &Path) -> Result<()> {
    let journal = journal_path(path);
    if fs::symlink_metadata(&journal).is_err() {
        return Ok(());
    }
    // A running writer is about to need the journal.
    let cannot_remove = || format!("can't remove {}", shown(&journal));
    let _locked = PendingFile::existing(path).with_context(cannot_remove)?;
    match fs::remove_file(&journal) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(cannot_remove),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn sizes_and_times() {
        let is = |text| rotation(text).map_err(|error| error.to_string());
        assert_eq!(is("256M"), Ok(Rotate::Bytes(256 << 20)));
        assert_eq!(is("2G"), Ok(Rotate::Bytes(2 << 30)));
        assert_eq!(is("1048576"), Ok(Rotate::Bytes(1 << 20)));
        assert_eq!(is("10m"), Ok(Rotate::Time(Duration::from_mins(10))));
        assert_eq!(is("1h"), Ok(Rotate::Time(Duration::from_hours(1))));
        assert_eq!(is("1h30m"), Ok(Rotate::Time(Duration::from_mins(90))));
        assert_eq!(is("1d"), Ok(Rotate::Time(Duration::from_hours(24))));
        for text in ["1.5GiB", "1536M", "1.5g", "1572864k"] {
            assert_eq!(is(text), Ok(Rotate::Bytes(3 << 29)), "{text}");
        }
        for text in ["", "M", "10", "1K", "x", "-1M", "99999999999999999999M", "20000000000G", "0s"]
        {
            assert!(
                is(text)
                    .unwrap_err()
                    .starts_with(&format!("invalid value '{text}' for '--rotate': expected")),
                "{text}"
            );
        }
        insta::assert_snapshot!(is("often").unwrap_err(), @"invalid value 'often' for '--rotate': expected a size such as 256M or 2GiB, or a time such as 10m or 1h30m");
    }
}
