//! `ephtrace report --html`: the report as a page, written to a file.

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::{Context as _, Result, bail};

use super::reading::read_with;
use crate::{
    analyse::charts::Charts,
    model::filter::Filter,
    output::{PendingFile, page::Page},
    replay::{self, Recording},
};

/// Reads `recording`, which is the file at `from`, and writes the page to `path`; `-` is standard
/// output.
pub(super) fn write(
    path: &Path,
    from: &Path,
    recording: Recording,
    filter: Option<Filter>,
) -> Result<()> {
    // Opened first, so that a path that can't be written to is told before minutes of reading.
    let target = open(path, from)?;
    let page = make(recording, filter, &mut io::stderr())?;
    let failed = || format!("can't write {}", path.display());
    if let Some(prepared) = target {
        let mut file = prepared.begin().with_context(failed)?;
        file.write_all(page.as_bytes()).with_context(failed)?;
    } else {
        let mut out = io::stdout().lock();
        out.write_all(page.as_bytes())?;
        out.flush()?;
    }
    Ok(())
}

/// The page.
pub(super) fn make(
    recording: Recording,
    filter: Option<Filter>,
    notices: &mut impl Write,
) -> Result<String> {
    let mut charts = Charts::default();
    let report = read_with(recording, filter, notices, |assignment| charts.observe(assignment))?;
    let page = Page {
        source: &report.source,
        format: report.format,
        repeated: report.repeated,
        summary: &report.summary,
        charts: &charts,
    };
    Ok(page.render())
}

/// The file at `path`, as it is: what is in it is overwritten only once the page is there.
fn open(path: &Path, from: &Path) -> Result<Option<PendingFile>> {
    if path.as_os_str() == "-" {
        return Ok(None);
    }
    let prepared =
        PendingFile::open(path).with_context(|| format!("can't write {}", path.display()))?;
    if prepared.file().metadata().is_ok_and(|page| replay::is_from(from, &page)) {
        bail!("{} is the recording itself; name another file for the page", path.display());
    }
    Ok(Some(prepared))
}
