//! The flight recorder of `ephtrace serve`: an incident has what came before it, and the metrics go
//! on whatever becomes of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use crate::{
    assign::Assign,
    mounts::{on_a_thread, own_mounts, small_disk},
    notes::say,
    record::read,
    serve::{ASSIGNED, Served, sum},
    setup::{self, Scratch},
    wait,
};

tests! {
    each_hook: an_incident_has_what_came_before_it;
    first_hook: a_storm_is_counted_while_the_recorder_rests,
        an_incident_that_fails_stops_nothing, a_full_disk_stops_nothing;
}

/// Assignments that the recorder keeps at most.
const MAX_ROWS: u64 = 65_536;

/// Rate above which the recorder rests soon.
const FAST: f64 = 30_000.0;

/// Starts `serve` beside `assign`, with a flight recorder into `folder`.
fn start(scratch: &Scratch, hook: &str, assign: &Assign, folder: &Path) -> Result<Served> {
    let (pid, folder) = (assign.pid().to_string(), folder.to_str().context("no text")?);
    let args = ["-p", &pid, "--origin", "connect", "--interval", "0.2", "--incidents", folder];
    Served::start(scratch, hook, &args)
}

/// Returns the finished incidents, oldest first.
fn incidents(folder: &Path) -> Result<Vec<PathBuf>> {
    let paths: Result<Vec<PathBuf>, _> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(|error: std::io::Error| error)?;
    paths.retain(|path| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"incident-"))
    });
    paths.sort();
    Ok(paths)
}

/// Returns the incident whose explanation has these words: other programs of this host may be in
/// trouble, too.
fn the_one_with(folder: &Path, words: &[&str]) -> Result<PathBuf> {
    wait::until("an incident", || {
        let mut found = incidents(folder)?.into_iter().filter(|incident| {
            let text = fs::read_to_string(incident.join("explain.txt")).unwrap_or_default();
            words.iter().all(|words| text.contains(words))
        });
        Ok(found.next())
    })
}

fn an_incident_has_what_came_before_it(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let folder = scratch.file("incidents");
    let args = ["exhaust", "--wait", "--range", "40000-40009", "--attempts", "25"];
    let assign = Assign::start(&scratch, &args)?;
    let (pid, name) = (assign.pid(), assign.name().to_owned());
    let served = start(&scratch, hook, &assign, &folder)?;
    let given: Vec<_> = assign.truth()?.iter().map(|attempt| attempt.sport).collect();
    // The first failure makes the finding critical.
    let who = format!("{name} ({pid})");
    let first = the_one_with(&folder, &[": exhausted", &who, "[exhausted]"])?;
    let rows = read(&first.join("assignments.parquet"))?;
    let ports: Vec<_> = rows.iter().map(|row| row.sport).collect();
    ensure!(given.starts_with(&ports) && ports.len() > 10, "{ports:?}, not {given:?}");
    // All of them, for who asks.
    wait::until("all attempts", || {
        let counted = sum(&served.metrics()?, "ephtrace_recorder_assignments", "");
        Ok((counted == 25).then_some(()))
    })?;
    served.tracer.signal(Signal::SIGUSR1)?;
    let incident = the_one_with(&folder, &[": asked for (SIGUSR1)"])?;
    let rows = read(&incident.join("assignments.parquet"))?;
    let ports: Vec<_> = rows.iter().map(|row| row.sport).collect();
    ensure!(ports == given, "{ports:?}, not {given:?}");
    let dport = rows.first().and_then(|row| row.flow.dport).context("no destination")?;
    let page = fs::read_to_string(incident.join("report.html"))?;
    for part in [&name, &pid.to_string(), &format!("127.0.0.1:{dport}")] {
        ensure!(page.contains(part.as_str()), "the page has no {part}");
    }
    let metrics = wait::until("both incidents in the metrics", || {
        let now = served.metrics()?;
        Ok((sum(&now, "ephtrace_incidents_total", "written") >= 2).then_some(now))
    })?;
    ensure!(sum(&metrics, "ephtrace_recorder_not_kept_total", "") == 0, "{metrics:?}");
    served.end()
}

fn a_storm_is_counted_while_the_recorder_rests(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let folder = scratch.file("incidents");
    let connects = setup::storm()?.to_string();
    let storm = Assign::start(&scratch, &["storm", "--wait", "--connects", &connects])?;
    let served = start(&scratch, hook, &storm, &folder)?;
    let report = storm.storm()?;
    let metrics = wait::until("all connects", || {
        let now = served.metrics()?;
        Ok((sum(&now, ASSIGNED, "") >= report.connects).then_some(now))
    })?;
    ensure!(sum(&metrics, ASSIGNED, "") == report.connects, "{report:?}, but {metrics:?}");
    ensure!(sum(&metrics, "ephtrace_lost_total", "") == 0, "{metrics:?}");
    let kept = sum(&metrics, "ephtrace_recorder_assignments", "");
    let not_kept = sum(&metrics, "ephtrace_recorder_not_kept_total", "");
    ensure!(kept <= MAX_ROWS && kept + not_kept <= report.connects, "{metrics:?}");
    if report.rate > FAST && report.connects > 2 * MAX_ROWS {
        ensure!(not_kept > 0, "it has followed {report:?}");
    }
    say(&format!("hook {hook}: {:.0}/s, {kept} kept, {not_kept} not kept", report.rate));
    // Once it is quiet again, the recorder goes on.
    wait::until("the end of the rest", || {
        let rests = sum(&served.metrics()?, "ephtrace_recorder_rests", "");
        Ok((rests == 0).then_some(()))
    })?;
    served.end()
}

fn an_incident_that_fails_stops_nothing(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let folder = scratch.file("incidents");
    failing(hook, &folder, "No such file or directory", || Ok(fs::remove_dir(&folder)?))
}

fn a_full_disk_stops_nothing(hook: &str) -> Result<()> {
    on_a_thread(|| {
        own_mounts()?;
        let scratch = Scratch::new()?;
        let folder = scratch.file("incidents");
        fs::create_dir(&folder)?;
        small_disk(&folder)?;
        failing(hook, &folder, "its disk is full", || Ok(()))?;
        ensure!(fs::read_dir(&folder)?.next().is_none(), "half an incident is left");
        Ok(())
    })
}

/// Asks for an incident after `hinder`, by which it can't be written for that `reason`, and expects
/// the metrics to go on.
fn failing(
    hook: &str,
    folder: &Path,
    reason: &str,
    hinder: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let scratch = Scratch::new()?;
    let args = ["exhaust", "--wait", "--range", "40000-40009", "--attempts", "5"];
    let assign = Assign::start(&scratch, &args)?;
    let mut served = start(&scratch, hook, &assign, folder)?;
    hinder()?;
    served.tracer.signal(Signal::SIGUSR1)?;
    let said = served.tracer.wait_for("ephtrace: an incident can't be written")?;
    ensure!(said.contains(reason), "{said}");
    assign.output()?;
    wait::until("the connects", || {
        let now = served.metrics()?;
        let failed = sum(&now, "ephtrace_incidents_total", "failed");
        Ok((failed >= 1 && sum(&now, ASSIGNED, "") == 5).then_some(()))
    })?;
    served.end()
}
