//! `ephtrace report --html`: the report as a page, written to a file.

use std::{
    fs::Metadata,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};

use super::reading::{Report, read_in_order, read_with};
use crate::{
    analyse::charts::Charts,
    model::{Assignment, escape::shown, filter::Filter},
    output::{PendingFile, page::Page},
    pipeline::sandbox,
    replay::{self, MaxMemory, Recording, sorting::Reach},
};

/// Reads the recordings at `from`, within that memory, and writes the page to `path`, a new file
/// with that mode or for its owner alone; `-` is standard output.
pub(super) fn write(
    (path, mode): (&Path, Option<u32>),
    from: (&[PathBuf], MaxMemory),
    filter: Option<&Filter>,
) -> Result<()> {
    // Opened first, so that a path that can't be written to is told before minutes of reading.
    let target = open(path, mode, from.0)?;
    let sandbox = sandbox::of(from.0);
    if target.is_some() { sandbox.writes_beside(path) } else { sandbox }.enter();
    let (report, charts) = read_in_order(from, filter, &mut io::stderr(), Charts::observe)?;
    if let Some(why) = report.instead {
        bail!(why);
    }
    let page = render(&report, &charts);
    let failed = || format!("can't write {}", shown(&path));
    if let Some(prepared) = target {
        prepared.put(page.as_bytes()).with_context(failed)?;
    } else {
        let mut out = io::stdout().lock();
        out.write_all(page.as_bytes())?;
        out.flush()?;
    }
    report.unread.map_or(Ok(()), |why| Err(anyhow!(why)))
}

/// The page of `recording`, read once; what can't be read is said on `notices`.
pub fn page_of(recording: Recording, notices: &mut impl Write) -> Result<String> {
    let mut charts = Charts::default();
    let watch = |assignment: &Assignment| charts.observe(assignment);
    let report = read_with(recording.into(), Reach::Automatic, None, notices, watch)?;
    Ok(render(&report, &charts))
}

/// The page.
pub(super) fn render(report: &Report, charts: &Charts) -> String {
    let page = Page {
        source: &report.source,
        format: report.format,
        left_out: report.left_out,
        summary: &report.summary,
        charts,
    };
    page.render()
}

/// The file at `path`, as it is: what is in it is overwritten only once the page is there.
fn open(path: &Path, mode: Option<u32>, from: &[PathBuf]) -> Result<Option<PendingFile>> {
    if path.as_os_str() == "-" {
        return Ok(None);
    }
    let prepared =
        PendingFile::open(path, mode).with_context(|| format!("can't write {}", shown(&path)))?;
    let is_one = |page: &Metadata| from.iter().any(|one| replay::is_from(one, page));
    if prepared.file().metadata().is_ok_and(|page| is_one(&page)) {
        bail!("{} is the recording itself; name another file for the page", shown(&path));
    }
    Ok(Some(prepared))
}
