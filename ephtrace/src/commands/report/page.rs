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
    output::{PendingFile, counted::counted, page::Page},
    pipeline::sandbox,
    replay::{self, MaxMemory, Meter, Recording, sorting::Reach},
};

/// Reads the recordings at `from`, within that memory, and writes the page to `path`, a new file
/// with that mode or for its owner alone; `-` is standard output. Unless `quiet`, a line on
/// standard error tells of the file.
pub(super) fn write(
    (path, mode): (&Path, Option<u32>),
    from: (&[PathBuf], MaxMemory),
    filter: Option<&Filter>,
    quiet: bool,
) -> Result<()> {
    // Opened first, so that a path that can't be written to is told before minutes of reading.
    let target = open(path, mode, from.0)?;
    let sandbox = sandbox::of(from.0);
    if target.is_some() { sandbox.writes_beside(path) } else { sandbox }.enter();
    let (report, charts) = read_in_order(from, filter, &mut io::stderr(), Charts::observe)?;
    if let Some(why) = report.instead {
        bail!(why);
    }
    let is_told = target.is_some() && !quiet;
    put(target, path, &render(&report, &charts))?;
    if is_told {
        // A closed standard error is no reason to fail.
        let all = counted(report.summary.assignments, "assignment");
        let _ = writeln!(io::stderr(), "ephtrace: {}: {all}", shown(&path));
    }
    report.unread.map_or(Ok(()), |why| Err(anyhow!(why)))
}

/// Writes `page` to the file that was opened at `path`, or to standard output.
pub(super) fn put(target: Option<PendingFile>, path: &Path, page: &str) -> Result<()> {
    if let Some(prepared) = target {
        return prepared
            .put(page.as_bytes())
            .with_context(|| format!("can't write {}", shown(&path)));
    }
    let mut out = io::stdout().lock();
    out.write_all(page.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// The page of `recording`, read once; what can't be read is said on `notices`.
pub fn page_of(recording: Recording, notices: &mut impl Write) -> Result<String> {
    let mut charts = Charts::default();
    let watch = |assignment: &Assignment| charts.observe(assignment);
    let how = (Reach::Automatic, Meter::default(), None);
    let report = read_with(recording.into(), how, None, notices, watch)?;
    Ok(render(&report, &charts))
}

/// The page.
pub(super) fn render(report: &Report, charts: &Charts) -> String {
    Page { source: report.as_source(), left_out: report.left_out, charts }.render()
}

/// The file at `path`, as it is: what is in it is overwritten only once the page is there.
pub(super) fn open(
    path: &Path,
    mode: Option<u32>,
    from: &[PathBuf],
) -> Result<Option<PendingFile>> {
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
