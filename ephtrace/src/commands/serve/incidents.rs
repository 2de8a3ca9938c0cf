//! Incidents of the flight recorder as folders: the assignments, the page, and what `explain` says.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail, ensure};
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::{
    analyse::summary::RunContext,
    commands::{explain, report},
    host::rights::Rights,
    inventory::PastOwners,
    model::escape::shown,
    output::{
        Notices, Paper, PendingFile,
        stream::parquet::{Options, PreparedRecording},
        tables::storm::write_findings,
    },
    pipeline::{
        announce::tell,
        rights,
        serving::recorder::{Incident, IncidentCounts},
        stages::Stages,
    },
    replay::Recording,
};

/// Beginning of the folders' names, and of those that are being written.
const FOLDER: &str = "incident-";
const UNFINISHED: &str = ".incident-";

/// Names of the files in a folder.
const ROWS: &str = "assignments.parquet";
const PAGE: &str = "report.html";
const TEXT: &str = "explain.txt";

/// Time in which [`Limits::per_day`] counts.
const DAY: Duration = Duration::from_hours(24);

/// Mode of a folder: the files name programs and their peers.
const OWN: u32 = 0o700;

/// Place of the incidents, and bounds on them.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) folder: PathBuf,
    /// Maximum number of incidents by findings within 24 hours.
    pub(super) per_day: usize,
    /// Maximum size of all incidents, in bytes: the oldest ones go.
    pub(super) bytes: u64,
}

impl Limits {
    /// Creates the folder, if need be, and checks that nobody else can change what is in it.
    pub(super) fn prepare(&self) -> Result<()> {
        let folder = shown(&self.folder);
        let made = fs::DirBuilder::new().recursive(true).mode(OWN).create(&self.folder);
        made.with_context(|| format!("can't create {folder} for incidents"))?;
        let metadata = fs::metadata(&self.folder).with_context(|| folder.to_string())?;
        ensure!(
            metadata.uid() == nix::unistd::geteuid().as_raw() && metadata.mode() & 0o022 == 0,
            "{folder} is not for incidents: it must belong to the user that ephtrace runs as, and \
             nobody else may write to it (`chmod go-w`)"
        );
        for (unfinished, _) in self.folders(UNFINISHED)? {
            // What a killed run has left.
            let _ = fs::remove_dir_all(unfinished);
        }
        Ok(())
    }

    /// Returns the folders whose names begin so, with the times of their last change, oldest first.
    fn folders(&self, begin: &str) -> io::Result<Vec<(PathBuf, SystemTime)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(begin));
            if is_ours && entry.file_type()?.is_dir() {
                found.push((entry.path(), entry.metadata()?.modified()?));
            }
        }
        found.sort_by(|(path, at), (other, other_at)| at.cmp(other_at).then(path.cmp(other)));
        Ok(found)
    }

    /// Returns whether one more incident by a finding is within the bound of a day.
    fn has_room(&self) -> io::Result<bool> {
        let is_recent = |at: &SystemTime| at.elapsed().is_ok_and(|age| age < DAY);
        let recent = self.folders(FOLDER)?.iter().filter(|(_, at)| is_recent(at)).count();
        Ok(recent < self.per_day)
    }

    /// Removes the oldest incidents until `more` bytes fit beside the others.
    fn make_room(&self, more: u64) -> Result<()> {
        if more > self.bytes {
            bail!("it has {more} bytes, more than --incidents-size allows for all");
        }
        let folders = self.folders(FOLDER)?;
        let sizes: Vec<u64> = folders.iter().map(|(path, _)| size(path)).collect();
        let mut all: u64 = sizes.iter().sum();
        for ((path, _), size) in folders.iter().zip(sizes) {
            if all + more <= self.bytes {
                break;
            }
            fs::remove_dir_all(path).with_context(|| format!("can't remove {}", shown(path)))?;
            all -= size;
        }
        Ok(())
    }
}

/// Returns the bytes of the files in a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

/// Starts the thread that writes incidents, until nobody sends any more.
pub(super) fn start(
    limits: Limits,
    mut incidents: mpsc::Receiver<Incident>,
    counts: Arc<IncidentCounts>,
) -> Result<JoinHandle<()>> {
    let run = move || {
        rights::look_only(Rights::empty());
        while let Some(incident) = incidents.blocking_recv() {
            let (count, said) = match take(&limits, &incident) {
                Ok(Some(folder)) => (&counts.written, format!("incident: {}", shown(&folder))),
                Ok(None) => (
                    &counts.left_out,
                    "an incident was left out: --incidents-per-day are written".to_owned(),
                ),
                Err(error) => (&counts.failed, format!("an incident can't be written: {error:#}")),
            };
            count.fetch_add(1, Ordering::Relaxed);
            tell(&said);
        }
    };
    thread::Builder::new().name("incidents".to_owned()).spawn(run).context("can't start a thread")
}

/// Writes an incident. Returns its folder, or `None` if there are too many.
fn take(limits: &Limits, incident: &Incident) -> Result<Option<PathBuf>> {
    if !incident.rules.is_empty() && !limits.has_room()? {
        return Ok(None);
    }
    let time = Timestamp::from_nanosecond(incident.ts_ns.into())?.strftime("%Y%m%dT%H%M%S%3fZ");
    let unfinished = limits.folder.join(format!("{UNFINISHED}{time}"));
    let folder = limits.folder.join(format!("{FOLDER}{time}"));
    let make = || fs::DirBuilder::new().mode(OWN).create(&unfinished);
    make().with_context(|| format!("can't create {}", shown(&unfinished)))?;
    let written = write(&unfinished, incident)
        .and_then(|()| limits.make_room(size(&unfinished)))
        .and_then(|()| fs::rename(&unfinished, &folder).context("can't rename its folder"));
    if let Err(error) = written {
        // Half an incident would pass for one.
        let _ = fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    Ok(Some(folder))
}

fn write(folder: &Path, incident: &Incident) -> Result<()> {
    let rows = folder.join(ROWS);
    record(&rows, incident).context("can't write the recording")?;
    let recording = Recording::from_parquet(ROWS, fs::read(&rows)?)?;
    let page = report::page_of(recording, &mut io::sink())?;
    put(&folder.join(PAGE), page.as_bytes()).context("can't write the page")?;
    put(&folder.join(TEXT), &explained(incident)?).context("can't write the text")
}

fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    PendingFile::open(path, None)?.put(content)
}

/// Writes the assignments as `ephtrace record` does.
fn record(path: &Path, incident: &Incident) -> Result<()> {
    let options = Options { path: path.to_owned(), rotate: None, mode: None };
    let prepared = PreparedRecording::open(options, Notices::new(io::sink(), true))?;
    let sink = prepared.begin(incident.facts.clone())?;
    let began_ns = incident.rows.first().map(|row| row.ts_ns);
    let mut stages = Stages::new(began_ns, None, sink).knowing(incident.kernel);
    for row in &incident.rows {
        stages.take(&mut row.clone())?;
    }
    let summary = stages.summary(Some(incident.ts_ns), 0, RunContext::default());
    Ok(stages.finish(incident.ts_ns, &summary)?)
}

/// Returns the findings, and what `explain` says about the error that programs get.
fn explained(incident: &Incident) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let at = Timestamp::from_nanosecond(incident.ts_ns.into())?;
    let why: Vec<&str> = incident.rules.iter().map(|rule| rule.name()).collect();
    let why = if why.is_empty() { "asked for (SIGUSR1)".to_owned() } else { why.join(", ") };
    writeln!(text, "incident at {}: {why}", at.strftime("%Y-%m-%d %H:%M:%S UTC"))?;
    let count = incident.rows.len();
    writeln!(text, "{count} assignments before it: `ephtrace report {ROWS}`, or {PAGE}")?;
    if incident.rests {
        writeln!(
            text,
            "the recorder is at rest, because there are too many assignments: the last \
                        of them are missing"
        )?;
    }
    if incident.not_kept > 0 {
        writeln!(text, "{} assignments since the start were never kept", incident.not_kept)?;
    }
    writeln!(text)?;
    let paper = Paper::default();
    write_findings(&mut text, &incident.findings, paper)?;
    writeln!(text)?;
    let mut past_owners = PastOwners::default();
    incident.rows.iter().for_each(|row| past_owners.observe(row));
    explain::about_findings(&mut text, &incident.rules, &past_owners, paper)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analyse::{findings::Rule, pattern::KernelRules},
        model::{Assignment, Comm, FlowKey},
    };

    const START_NS: u64 = 1_800_000_000_000_000_000;

    /// A directory of a test, removed in the end.
    struct Scratch(PathBuf);

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn limits(test: &str) -> (Scratch, Limits) {
        let name = format!("ephtrace-incidents-{test}-{}", std::process::id());
        let scratch = Scratch(std::env::temp_dir().join(name));
        fs::create_dir(&scratch.0).unwrap();
        let limits = Limits { folder: scratch.0.join("incidents"), per_day: 2, bytes: 1 << 20 };
        (scratch, limits)
    }

    fn incident(after_ns: u64, rules: Vec<Rule>) -> Incident {
        let flow =
            FlowKey { daddr: Some([192, 0, 2, 1].into()), dport: Some(443), ..FlowKey::default() };
        let row = |n: u16| Assignment {
            ts_ns: START_NS + u64::from(n),
            sport: Some(40_000 + n),
            pid: Some(7),
            comm: Some(Comm::new("curl")),
            errno: Some(0),
            flow,
            ..Assignment::default()
        };
        Incident {
            ts_ns: START_NS + after_ns,
            rules,
            findings: Vec::new(),
            rows: (0..100).map(row).collect(),
            not_kept: 7,
            rests: true,
            kernel: KernelRules::default(),
            facts: Vec::new(),
        }
    }

    fn names(limits: &Limits) -> Vec<String> {
        let entries = fs::read_dir(&limits.folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_incident_is_a_folder_with_all_of_it() {
        let (_scratch, limits) = limits("whole");
        limits.prepare().unwrap();
        let folder = take(&limits, &incident(1000, vec![Rule::Exhausted])).unwrap().unwrap();
        assert_eq!(folder.file_name().unwrap(), "incident-20270115T080000000Z");
        let report =
            report::read(Recording::open(&folder.join(ROWS)).unwrap(), &mut io::sink()).unwrap();
        assert_eq!(report.summary.assignments, 100);
        let page = fs::read_to_string(folder.join(PAGE)).unwrap();
        assert!(page.contains("curl") && page.contains("192.0.2.1:443"));
        let text = fs::read_to_string(folder.join(TEXT)).unwrap();
        let head: Vec<&str> = text.lines().take(5).collect();
        let expected = [
            "incident at 2027-01-15 08:00:00 UTC: exhausted",
            "100 assignments before it: `ephtrace report assignments.parquet`, or report.html",
            "the recorder is at rest, because there are too many assignments: the last of them are \
             missing",
            "7 assignments since the start were never kept",
            "",
        ];
        assert_eq!(head, expected);
        for file in [ROWS, PAGE, TEXT] {
            assert_eq!(fs::metadata(folder.join(file)).unwrap().mode() & 0o777, 0o600, "{file}");
        }
        assert_eq!(names(&limits).len(), 1, "nothing else stays");
    }

    #[test]
    fn a_day_has_a_bound_for_findings_and_none_for_requests() {
        let (_scratch, limits) = limits("day");
        limits.prepare().unwrap();
        for n in 0..3 {
            let taken = take(&limits, &incident(n * 1_000_000, vec![Rule::Full])).unwrap();
            assert_eq!(taken.is_some(), n < 2);
        }
        assert!(take(&limits, &incident(9_000_000, Vec::new())).unwrap().is_some());
        assert_eq!(names(&limits).len(), 3);
    }

    #[test]
    fn the_oldest_ones_make_room() {
        let (_scratch, limits) = limits("room");
        limits.prepare().unwrap();
        let first = take(&limits, &incident(0, Vec::new())).unwrap().unwrap();
        let limits = Limits { bytes: 2 * size(&first) + size(&first) / 2, ..limits };
        for n in 1..4 {
            take(&limits, &incident(n * 1_000_000, Vec::new())).unwrap();
        }
        let left = ["incident-20270115T080000002Z", "incident-20270115T080000003Z"];
        assert_eq!(names(&limits), left);
        let limits = Limits { bytes: 10, ..limits };
        let error = take(&limits, &incident(9_000_000, Vec::new())).unwrap_err().to_string();
        assert!(error.ends_with("more than --incidents-size allows for all"), "{error}");
        assert_eq!(names(&limits), left, "what is there stays");
    }

    #[test]
    fn a_folder_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_scratch, limits) = limits("others");
        limits.prepare().unwrap();
        fs::create_dir(limits.folder.join(".incident-x")).unwrap();
        limits.prepare().unwrap();
        assert!(names(&limits).is_empty(), "what a killed run has left goes");
        fs::set_permissions(&limits.folder, fs::Permissions::from_mode(0o777)).unwrap();
        let error = limits.prepare().unwrap_err().to_string();
        assert!(error.contains("nobody else may write to it"), "{error}");
    }

    #[test]
    fn a_folder_that_is_gone_is_an_error() {
        let (_scratch, limits) = limits("gone");
        let error = take(&limits, &incident(0, Vec::new())).unwrap_err().to_string();
        assert!(error.starts_with("can't create "), "{error}");
    }
}
