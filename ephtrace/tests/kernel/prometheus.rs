//! A real Prometheus takes what `ephtrace serve` says: metrics, alerts, the dashboard's queries.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    assign::{Assign, Attempt},
    notes::say,
    queries::{self, Query},
    setup::{self, Scratch},
    skip::skip,
    tracer::Tracer,
    wait,
};

tests! {
    anywhere: the_rules_are_right;
    first_hook: a_server_stores_what_the_program_did;
}

/// Rules and their tests.
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/prometheus");

/// Ports of the namespace, and connects: more than there are ports.
const RANGE: &str = "40000-40099";
const PORTS: u64 = 100;
const ATTEMPTS: u64 = 130;

/// Alerts that are due once all ports are taken.
const DUE: [&str; 4] = [
    "EphtraceConnectsFail",
    "EphtraceDestinationFull",
    "EphtraceDestinationPastHalf",
    "EphtraceFindingExhausted",
];

/// Beginnings of the places whose queries may find nothing: there is no forecast once all is full.
const MAY_BE_EMPTY: [&str; 1] = ["panel \"Until a destination is full\""];

/// Folder of Debian's package: `EPHTRACE_PROMETHEUS`, as `cargo xtask test` unpacks it.
fn program(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env::var_os("EPHTRACE_PROMETHEUS")?).join("usr/bin").join(name);
    path.exists().then_some(path)
}

/// Runs promtool, and returns what it says.
fn promtool(args: &[&str], input: &str) -> Result<String> {
    let Some(program) = program("promtool") else { return skip("no promtool here") };
    let mut command = Command::new(program);
    command.args(args).current_dir(RULES).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(output.status.success(), "promtool {args:?}: {said}");
    Ok(said)
}

fn the_rules_are_right() -> Result<()> {
    say(&promtool(&["check", "rules", "ephtrace.rules.yml"], "")?);
    say(&promtool(&["test", "rules", "ephtrace.test.yml"], "")?);
    Ok(())
}

/// Returns an address that nobody listens on at this moment.
fn free() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn get(from: SocketAddr, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(from)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    // This version has no answers in parts.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: here\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
    let status = head.split(' ').nth(1);
    ensure!(status == Some("200"), "{path}: {answer}");
    Ok(body.to_owned())
}

/// Returns the command of a program that goes before others: on a busy machine, a look at the
/// sockets takes seconds, and the next one comes after twenty times as long.
fn preferred(program: &Path) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "-10"]).arg(program);
    command
}

/// A running Prometheus, and what it scrapes.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(scratch: &Scratch, program: &Path, target: SocketAddr) -> Result<Self> {
        let (config, data) = (scratch.file("yml"), scratch.file("data"));
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{RULES}/ephtrace.rules.yml']\n\
             scrape_configs:\n  - job_name: ephtrace\n    \
             static_configs: [{{targets: ['{target}']}}]\n"
        );
        fs::write(&config, text)?;
        let address = free()?;
        let mut command = preferred(program);
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(scratch.file("log"))?);
        let server = Self { child: command.spawn().context("starting Prometheus")?, address };
        wait::until("a first scrape", || {
            Ok(server.number("ephtrace_up").ok().filter(|up| *up == Some(1.0)))
        })?;
        Ok(server)
    }

    fn api(&self, path: &str) -> Result<Value> {
        let answer: Value = serde_json::from_str(&get(self.address, &format!("/api/v1/{path}"))?)?;
        ensure!(answer["status"] == "success", "{path}: {answer}");
        Ok(answer)
    }

    /// Returns the result of a query at this moment, a vector.
    fn query(&self, expr: &str) -> Result<Vec<Value>> {
        let answer = self.api(&format!("query?query={}", encoded(expr)))?;
        let result = answer["data"]["result"].as_array();
        Ok(result.with_context(|| format!("{expr}: {answer}"))?.clone())
    }

    /// Returns the value of a query with one series, or none.
    fn number(&self, expr: &str) -> Result<Option<f64>> {
        let result = self.query(expr)?;
        ensure!(result.len() < 2, "{expr}: {result:?}");
        let value = |one: &Value| one["value"][1].as_str().and_then(|text| text.parse().ok());
        Ok(result.first().and_then(value))
    }

    /// Waits until a query has this value.
    fn wait(&self, expr: &str, wanted: Option<f64>) -> Result<()> {
        let mut last = None;
        let found = wait::until(expr, || {
            last = self.number(expr)?;
            Ok((last == wanted).then_some(()))
        });
        let scrapes = || self.api("targets").map(|all| all["data"]["activeTargets"].to_string());
        found.with_context(|| format!("{expr}: {last:?}, not {wanted:?}; {:?}", scrapes()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The scratch folder goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a text for the part of an address behind a question mark.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

fn serve(scratch: &Scratch, hook: &str, address: SocketAddr, more: &[&str]) -> Result<Tracer> {
    let output = scratch.file("output");
    let mut command = preferred(&setup::ephtrace());
    command.arg("serve").arg("--incidents").arg(scratch.file("incidents"));
    let address = address.to_string();
    command.args(["--hook", hook, "--interval", "1s", "--top-destinations", "5"]);
    command.args(["--web.listen-address", &address]).args(more);
    let child = command.stdout(File::create(&output)?).stderr(Stdio::piped()).spawn()?;
    Tracer::of(child, output)
}

fn a_server_stores_what_the_program_did(hook: &str) -> Result<()> {
    let Some(prometheus) = program("prometheus") else { return skip("no Prometheus here") };
    let scratch = Scratch::new()?;
    let (name, target, textfile) = ("prom-client", free()?, scratch.file("prom"));
    let text = textfile.to_str().context("no text")?;
    let ephtrace = serve(&scratch, hook, target, &["--comm", name, "--textfile", text])?;
    let server = Server::start(&scratch, &prometheus, target)?;
    let attempts = ATTEMPTS.to_string();
    let args = ["exhaust", "--hold", "--range", RANGE, "--pace", "5", "--attempts", &attempts];
    let mut assign = Assign::start_named(&scratch, name, &args)?;
    let truth = assign.next(ATTEMPTS)?;
    stored(&server, &truth)?;
    alerts(&server)?;
    every_query(&server)?;
    for metrics in [get(target, "/metrics")?, fs::read_to_string(&textfile)?] {
        let said = promtool(&["check", "metrics"], &metrics)?;
        ensure!(said.trim().is_empty(), "{said}");
    }
    let netns = truth.first().context("no attempt")?.netns;
    assign.output()?;
    // The namespace is gone, and with it what was stored of it; what was counted stays.
    server.wait(&format!("count(ephtrace_local_ports{{netns=\"{netns}\"}})"), None)?;
    server.wait("count(ephtrace_destinations_full > 0)", None)?;
    server.wait("sum(ephtrace_assignments_total)", Some(as_f64(PORTS)))?;
    ephtrace.signal(Signal::SIGTERM)?;
    let end = ephtrace.wait()?;
    ensure!(end.status.success(), "{}: {}", end.status, end.stderr);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn as_f64(number: u64) -> f64 {
    number as f64
}

/// Compares what is stored with the program's own books.
fn stored(server: &Server, truth: &[Attempt]) -> Result<()> {
    let count = |errno: i32| truth.iter().filter(|one| one.errno == errno).count() as u64;
    let (assigned, failed) = (count(0), count(libc::EADDRNOTAVAIL));
    ensure!((assigned, failed) == (PORTS, ATTEMPTS - PORTS), "{assigned} and {failed}");
    let here = format!("{{netns=\"{}\"}}", truth.first().context("no attempt")?.netns);
    let full = format!("max_over_time(ephtrace_destination_use_max_ratio{here}[10m])");
    for (expr, due) in [
        ("ephtrace_assignments_total{origin=\"connect\", family=\"4\"}", assigned),
        ("sum(ephtrace_assignment_failures_total{error=\"EADDRNOTAVAIL\"})", failed),
        ("sum(ephtrace_assignments_total)", assigned),
        ("sum(ephtrace_assignment_failures_total)", failed),
        ("sum(ephtrace_destination_assignments_total)", assigned),
        ("sum(ephtrace_destination_failures_total)", failed),
        ("sum(ephtrace_lost_total)", 0),
        (&format!("ephtrace_local_ports{here}"), PORTS),
        (&format!("ephtrace_ports_in_use{here}"), PORTS),
        (&format!("ephtrace_destinations_full{here}"), 1),
        (&full, 1),
    ] {
        server.wait(expr, Some(as_f64(due)))?;
    }
    // The way there is stored, too.
    let steps = server.query(&format!("ephtrace_destination_use_max_ratio{here}[10m]"))?;
    let values = steps.first().and_then(|one| one["values"].as_array()).context("no values")?;
    let values: Vec<f64> = values.iter().filter_map(|one| one[1].as_str()?.parse().ok()).collect();
    let longest = server.number("max_over_time(ephtrace_measuring_seconds[10m])")?;
    say(&format!("use of the range, as stored: {values:?}; longest measurement: {longest:?} s"));
    ensure!(values.is_sorted() && values.iter().any(|&value| value < 0.9), "not the way there");
    Ok(())
}

fn alerts(server: &Server) -> Result<()> {
    for name in DUE {
        // Those that wait for minutes are pending.
        let expr = format!("count(count by (alertname) (ALERTS{{alertname=\"{name}\"}}))");
        server.wait(&expr, Some(1.0))?;
    }
    let rules = server.api("rules")?;
    let groups = rules["data"]["groups"].as_array().context("no groups")?;
    let rules: Vec<&Value> =
        groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
    let wrong = rules.iter().find(|rule| rule["health"] != "ok");
    ensure!(wrong.is_none() && rules.len() == queries::of_rules()?.len(), "{wrong:?}");
    Ok(())
}

/// Runs every query of the dashboard and of the rules; the dashboard's must find something.
fn every_query(server: &Server) -> Result<()> {
    let mut empty: BTreeMap<String, String> = BTreeMap::new();
    for Query { place, expr } in queries::of_dashboard()? {
        let expr = expr.replace("$instance", ".*").replace("$__rate_interval", "1m");
        let may_be_empty = MAY_BE_EMPTY.iter().any(|start| place.starts_with(start));
        if server.query(&expr)?.is_empty() && !may_be_empty {
            empty.insert(expr, place);
        }
    }
    ensure!(empty.is_empty(), "no data for {empty:#?}");
    let rules = queries::of_rules()?;
    for Query { expr, .. } in &rules {
        server.query(expr)?;
    }
    let recorded = rules.iter().filter(|rule| rule.place.contains(':'));
    for Query { place, .. } in recorded {
        ensure!(!server.query(place)?.is_empty(), "nothing is recorded as {place}");
    }
    Ok(())
}
