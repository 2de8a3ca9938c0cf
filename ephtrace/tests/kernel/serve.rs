//! `ephtrace serve`: what it serves equals the counts of the program, whatever its clients do.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use nix::sys::signal::Signal;

use crate::{
    assign::Assign,
    notes::say,
    setup::{self, Scratch},
    tracer::Tracer,
    wait,
};

tests! {
    each_hook: what_is_served_is_what_the_program_did;
    first_hook: clients_hold_nothing_up, a_hangup_reads_the_configuration_again,
        a_long_run_stays_small;
}

/// A running `ephtrace serve`.
pub(crate) struct Served {
    pub(crate) tracer: Tracer,
    socket: PathBuf,
}

/// Series by name and labels, as written.
pub(crate) type Metrics = BTreeMap<String, f64>;

impl Served {
    pub(crate) fn start(scratch: &Scratch, hook: &str, args: &[&str]) -> Result<Self> {
        let socket = scratch.file("socket");
        let address = format!("unix:{}", socket.display());
        let mut command = Command::new(setup::ephtrace());
        command.args(["serve", "--hook", hook, "--web.listen-address", &address]).args(args);
        let output = scratch.file("output");
        let child = command.stdout(File::create(&output)?).stderr(Stdio::piped()).spawn()?;
        let tracer = Tracer::of(child, output)?;
        let served = Self { tracer, socket };
        wait::until("readiness", || {
            Ok(served.get("/-/ready").ok().filter(|answer| answer.starts_with("HTTP/1.1 200")))
        })?;
        Ok(served)
    }

    fn get(&self, path: &str) -> Result<String> {
        get(&self.socket, path)
    }

    pub(crate) fn metrics(&self) -> Result<Metrics> {
        let answer = self.get("/metrics")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{head}");
        series(body)
    }

    /// Ends it like systemd does.
    pub(crate) fn end(self) -> Result<()> {
        self.tracer.signal(Signal::SIGTERM)?;
        let trace = self.tracer.wait()?;
        ensure!(trace.status.success(), "{}: {}", trace.status, trace.stderr);
        Ok(())
    }
}

fn get(socket: &Path, path: &str) -> Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn series(text: &str) -> Result<Metrics> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let parsed = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').with_context(|| format!("no value: {line}"))?;
        Ok((name.to_owned(), value.parse()?))
    });
    parsed.collect()
}

/// Returns the sum of the series of a counter whose labels contain `label`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers")]
pub(crate) fn sum(metrics: &Metrics, name: &str, label: &str) -> u64 {
    let is_of = |key: &str| key.split('{').next() == Some(name) && key.contains(label);
    let sum: f64 = metrics.iter().filter(|(key, _)| is_of(key)).map(|(_, value)| value).sum();
    sum.round() as u64
}

pub(crate) const ASSIGNED: &str = "ephtrace_assignments_total";
const FAILED: &str = "ephtrace_assignment_failures_total";

fn what_is_served_is_what_the_program_did(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let args = ["exhaust", "--wait", "--range", "40000-40009", "--attempts", "25"];
    let assign = Assign::start(&scratch, &args)?;
    let pid = assign.pid().to_string();
    let textfile = scratch.file("prom");
    let text = textfile.to_str().context("no text")?;
    let which = ["-p", &pid, "--origin", "connect"];
    let how = ["--interval", "0.2", "--top-destinations", "3", "--textfile", text];
    let served = Served::start(&scratch, hook, &[&which[..], &how].concat())?;
    let before = served.metrics()?;
    ensure!(sum(&before, ASSIGNED, "") + sum(&before, FAILED, "") == 0, "{before:?}");
    assign.output()?;
    let mut last = before;
    let all = wait::until("all attempts", || {
        let now = served.metrics()?;
        for (key, value) in last.iter().filter(|(key, _)| key.contains("_total")) {
            let is_less = now.get(key).is_none_or(|now| now < value);
            ensure!(!is_less, "{key} was {value} and is {:?}", now.get(key));
        }
        last.clone_from(&now);
        let seen = sum(&now, ASSIGNED, "") + sum(&now, FAILED, "");
        let is_found =
            now.contains_key(r#"ephtrace_finding{rule="exhausted",severity="critical"}"#);
        Ok((seen >= 25 && is_found).then_some(now))
    });
    let all = all.map_err(|error| anyhow!("{error:#}: {last:?}"))?;
    ensure!((sum(&all, ASSIGNED, "connect"), sum(&all, FAILED, "EADDRNOTAVAIL")) == (10, 15));
    ensure!((sum(&all, ASSIGNED, ""), sum(&all, FAILED, "")) == (10, 15), "{all:?}");
    let listed = ["ephtrace_destination_assignments_total", "ephtrace_destination_failures_total"];
    let by_destination = listed.map(|name| sum(&all, name, "127.0."));
    ensure!(by_destination == [10, 15], "{by_destination:?}: {all:?}");
    ensure!(sum(&all, "ephtrace_lost_total", "") == 0, "{all:?}");
    ensure!(sum(&all, "ephtrace_search_seconds_count", "") <= 25, "{all:?}");
    // The file is written after the page.
    wait::until("the same in the file", || {
        let written = series(&fs::read_to_string(&textfile)?)?;
        Ok((sum(&written, ASSIGNED, "") + sum(&written, FAILED, "") == 25).then_some(()))
    })?;
    say(&format!("hook {hook}: {} series", all.len()));
    served.end()
}

fn clients_hold_nothing_up(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let served = Served::start(&scratch, hook, &["--interval", "0.2"])?;
    // Some that say nothing, half a request, garbage, and too much.
    let mut held = Vec::new();
    for n in 0..40 {
        let mut stream = UnixStream::connect(&served.socket)?;
        // A server that has let go already makes these fail.
        let _ = match n % 4 {
            0 => Ok(()),
            1 => stream.write_all(b"GET /metrics HTTP/1.1\r\nHost"),
            2 => stream.write_all(&[0xff; 512]),
            _ => stream.write_all(&vec![b'x'; 64 << 10]),
        };
        held.push(stream);
    }
    let before = served.metrics()?["ephtrace_snapshot_timestamp_seconds"];
    let began = Instant::now();
    let scrapers: Vec<_> = (0..100)
        .map(|_| {
            let socket = served.socket.clone();
            std::thread::spawn(move || get(&socket, "/metrics"))
        })
        .collect();
    for scraper in scrapers {
        let Ok(answer) = scraper.join() else { bail!("a scraper panicked") };
        ensure!(answer?.starts_with("HTTP/1.1 200"));
    }
    say(&format!("100 scrapes beside 40 held connections: {:?}", began.elapsed()));
    wait::until("a later snapshot", || {
        let now = served.metrics()?["ephtrace_snapshot_timestamp_seconds"];
        Ok((now > before).then_some(()))
    })?;
    for (path, status) in [("/", "200"), ("/-/healthy", "200"), ("/x", "404")] {
        let answer = served.get(path)?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
    }
    drop(held);
    served.end()
}

fn a_hangup_reads_the_configuration_again(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let config = scratch.file("toml");
    let textfile = scratch.file("prom");
    fs::write(&config, "interval = '100s'\n")?;
    let path = config.to_str().context("no text")?;
    let mut served = Served::start(&scratch, hook, &["--config", path])?;
    fs::write(&config, "no-such-option = '1s'\n")?;
    served.tracer.signal(Signal::SIGHUP)?;
    let said = served.tracer.wait_for("ephtrace: the configuration stays as it was")?;
    ensure!(said.contains("'no-such-option' is no option of serve"), "{said}");
    fs::write(&config, format!("interval = '0.2'\ntextfile = '{}'\n", textfile.display()))?;
    served.tracer.signal(Signal::SIGHUP)?;
    served.tracer.wait_for("ephtrace: the configuration was read again")?;
    wait::until("a file with the metrics", || {
        let text = fs::read_to_string(&textfile).unwrap_or_default();
        Ok(text.contains("ephtrace_up 1\n").then_some(()))
    })?;
    served.end()
}

/// Maximum growth of the resident memory in the second half of a run, in bytes.
const MAX_GROWTH: u64 = 8 << 20;

/// Destinations come and go, each connect has another one: sums only grow, and what is remembered
/// does not.
fn a_long_run_stays_small(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let connects = setup::soak()?;
    let number = connects.to_string();
    let storm = Assign::start(&scratch, &["storm", "--wait", "--spread", "--connects", &number])?;
    let (pid, folder) = (storm.pid().to_string(), scratch.file("incidents"));
    let folder = folder.to_str().context("no text")?;
    let args = ["-p", &pid, "--interval", "0.2", "--top-destinations", "20"];
    let served = Served::start(&scratch, hook, &[&args[..], &["--incidents", folder]].concat())?;
    let running = std::thread::spawn(|| storm.storm());
    let (mut last, mut looks) = (served.metrics()?, 0);
    let (mut half_way, mut resident) = (0, 0);
    while sum(&last, ASSIGNED, "") < connects {
        let now = wait::until("a later snapshot", || {
            let now = served.metrics()?;
            let time = |of: &Metrics| of.get("ephtrace_snapshot_timestamp_seconds").copied();
            Ok((time(&now) > time(&last)).then_some(now))
        })?;
        // A destination that is not busy any more is among the others.
        let counters = last
            .iter()
            .filter(|(key, _)| key.contains("_total") && !key.starts_with("ephtrace_destination_"));
        for (key, before) in counters {
            ensure!(now.get(key).is_some_and(|now| now >= before), "{key} fell from {before}");
        }
        ensure!(now.len() <= 2000, "{} series", now.len());
        resident = sum(&now, "ephtrace_resident_memory_bytes", "");
        if half_way == 0 && sum(&now, ASSIGNED, "") >= connects / 2 {
            half_way = resident;
        }
        (last, looks) = (now, looks + 1);
    }
    let Ok(report) = running.join() else { bail!("the storm panicked") };
    let report = report?;
    ensure!(sum(&last, ASSIGNED, "") == report.connects, "{report:?}, but {last:?}");
    ensure!(sum(&last, "ephtrace_lost_total", "") == 0, "{last:?}");
    ensure!(resident <= half_way + MAX_GROWTH, "{half_way} grew to {resident}");
    say(&format!(
        "hook {hook}: {connects} connects, {looks} looks, {} series, resident {half_way} half way, \
         {resident} in the end",
        last.len()
    ));
    served.end()
}
