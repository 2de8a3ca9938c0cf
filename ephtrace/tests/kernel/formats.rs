//! One run of a program with known ports, recorded by every tool at once: each recording has the
//! same assignments in the same order, and the same verdict.

use std::{
    collections::BTreeSet,
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::{
    conntrack::{LIBRARIES, track},
    ports::books::in_new_netns,
    setup::{self, Scratch},
    skip::skip,
    tracer::Tracer,
    wait,
};

tests! {
    first_hook: every_tool_tells_the_same;
}

/// Number of connects, and of destinations that they go to in turn.
const CONNECTS: usize = 500;
const DESTINATIONS: &str = "16";

/// Number of entries that connection tracking needs room for: without room, connects wait.
const ROOM: u64 = 10_000;

/// The limit of all network namespaces.
const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// Port without a listener, and the ports that marks come from.
const NOBODY: u16 = 9;
const BEFORE: u16 = 4999;
const AFTER: u16 = 4998;

/// Columns of `tshark -T fields`.
const FIELDS: [&str; 8] = [
    "frame.time_epoch",
    "ip.src",
    "tcp.srcport",
    "ip.dst",
    "tcp.dstport",
    "tcp.flags.syn",
    "tcp.flags.ack",
    "tcp.seq_raw",
];

/// Folder of the tools: `EPHTRACE_PACKET_TOOLS`, as `cargo xtask test` unpacks them.
struct Tools(PathBuf);

impl Tools {
    fn find() -> Option<Self> {
        let root = PathBuf::from(env::var_os("EPHTRACE_PACKET_TOOLS")?);
        root.join("usr/bin/tshark").exists().then_some(Self(root))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.0.join(program));
        command.env("LD_LIBRARY_PATH", self.0.join(LIBRARIES)).stdin(Stdio::null());
        command
    }

    /// Starts a tool. Its standard output goes to `output`, if it does not name a file itself.
    fn start(&self, program: &str, args: &[&str], output: &Path) -> Result<Child> {
        let mut command = self.command(program);
        command.args(args).stdout(File::create(output)?).stderr(Stdio::piped());
        command.spawn().with_context(|| format!("starting {program}"))
    }
}

/// Ends a tool as Ctrl-C does.
pub(crate) fn end(mut child: Child) -> Result<()> {
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
    wait::exit(&mut child).map(drop)
}

/// Waits until tcpdump says that it listens.
fn wait_listening(child: &mut Child) -> Result<()> {
    let stderr = child.stderr.take().context("no standard error")?;
    let mut stderr = BufReader::new(stderr);
    let mut line = String::new();
    while stderr.read_line(&mut line)? > 0 {
        if line.contains("listening on") {
            // The rest is read, so that tcpdump never waits for a reader.
            thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
            return Ok(());
        }
    }
    bail!("tcpdump does not listen: {line}")
}

fn every_tool_tells_the_same(hook: &str) -> Result<()> {
    let Some(tools) = Tools::find() else { return skip("tcpdump, tshark, conntrack: none here") };
    let limit = fs::read_to_string(MAX).ok().and_then(|text| text.trim().parse::<u64>().ok());
    if limit.is_none_or(|limit| limit < ROOM) {
        return skip(format!("connection tracking has room for {limit:?} connections"));
    }
    let scratch = Scratch::new()?;
    let recordings = in_new_netns(|| record(&tools, &scratch, hook))?;
    let Some(recordings) = recordings else { return skip("no connection tracking, or no nft") };
    let truth = truth(&scratch)?;
    let mut algorithms = BTreeSet::new();
    for path in &recordings {
        let report = told_as_it_was(path, &truth)?;
        algorithms.insert(report["verdict"]["algorithm"].to_string());
        let is_own = !report["destinations"][0]["origin"].is_null();
        let is_known = !report["destinations"][0]["range_low"].is_null();
        ensure!(
            is_own == is_known && is_own == report["fitted_range"].is_null(),
            "{}: {report}",
            path.display()
        );
    }
    ensure!(algorithms.len() == 1, "{algorithms:?}");
    Ok(())
}

/// Checks that a recording has the assignments of `truth`, and is judged so; returns its report.
pub(crate) fn told_as_it_was(path: &Path, truth: &[(u16, u16)]) -> Result<Value> {
    let name = path.file_name().unwrap_or_default().display().to_string();
    let ports = ports_of(truth);
    let seen = assignments(path, &ports).with_context(|| name.clone())?;
    let differs = seen.iter().zip(truth).position(|(a, b)| a != b);
    ensure!(
        seen == truth,
        "{name}: {} assignments for {}, the first that differs is {differs:?}",
        seen.len(),
        truth.len()
    );
    let report = report(path, &ports).with_context(|| name.clone())?;
    ensure!(report["verdict"]["predictable"] == "yes", "{name}: {}", report["verdict"]);
    ensure!(report["verdict"]["pattern"] == "per_destination", "{name}: {}", report["verdict"]);
    Ok(report)
}

/// Runs all tools, and the program beside them; returns `None` if connections can't be tracked.
fn record(tools: &Tools, scratch: &Scratch, hook: &str) -> Result<Option<Vec<PathBuf>>> {
    for (name, value) in [("ip_local_port_range", "32768 60999"), ("ip_local_reserved_ports", "\n")]
    {
        fs::write(format!("/proc/sys/net/ipv4/{name}"), value)?;
    }
    if !track()? {
        return Ok(None);
    }
    let file = |name: &str| scratch.path().join(name);
    let (pcap, text) = (file("capture.pcap"), file("tcpdump.txt"));
    let (events, ids) = (file("conntrack.txt"), file("conntrack-id.txt"));
    let pcap_name = pcap.display().to_string();
    let live = ["-i", "lo", "-Z", "root", "-B", "8192"];
    let to_file = [&live[..], &["-s", "128", "-U", "-w", &pcap_name, "tcp"]].concat();
    let to_text = [&live[..], &["-nn", "-tt", "-l", "tcp[tcpflags] & tcp-syn != 0"]].concat();
    let mut dumps = [
        tools.start("usr/bin/tcpdump", &to_file, &file("nothing"))?,
        tools.start("usr/bin/tcpdump", &to_text, &text)?,
    ];
    dumps.iter_mut().try_for_each(wait_listening)?;
    let buffer = ["-b", "8388608"];
    let stamped = [&["-E", "-e", "NEW", "-o", "timestamp"][..], &buffer].concat();
    let with_id = [&["-E", "-e", "NEW", "-o", "timestamp,id"][..], &buffer].concat();
    let tracks = [
        tools.start("usr/sbin/conntrack", &stamped, &events)?,
        tools.start("usr/sbin/conntrack", &with_id, &ids)?,
    ];
    let (tracers, own) = trace(scratch, hook)?;
    // conntrack does not say when it listens.
    mark(BEFORE, &[&events, &ids])?;
    storm(&file("truth"))?;
    mark(AFTER, &[&events, &ids, &text, &pcap])?;
    for tracer in tracers {
        tracer.stop_text().map(drop)?;
    }
    dumps.into_iter().chain(tracks).try_for_each(end)?;
    let mut all = vec![text, events, ids];
    all.extend(own);
    all.extend(tshark(tools, scratch, &pcap)?);
    all.push(pcap);
    Ok(Some(all))
}

/// Connects from `port` to a port without a listener, until each file contains the connect.
fn mark(port: u16, files: &[&PathBuf]) -> Result<()> {
    let (from, to) = ((Ipv4Addr::LOCALHOST, port), (Ipv4Addr::LOCALHOST, NOBODY));
    let raw = [port.to_be_bytes(), NOBODY.to_be_bytes()].concat();
    let words = [
        format!("127.0.0.1.{port} > 127.0.0.1.{NOBODY}: Flags [S]").into_bytes(),
        format!("sport={port} dport={NOBODY} [UNREPLIED]").into_bytes(),
        raw,
    ];
    let has = |bytes: &[u8]| {
        words.iter().any(|word| bytes.windows(word.len()).any(|one| one == word.as_slice()))
    };
    wait::until("all tools have seen a connect", || {
        let client = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        client.bind(&SocketAddr::from(from).into())?;
        // The connect is refused.
        let _ = client.connect(&SocketAddr::from(to).into());
        let mut is_there = true;
        for path in files {
            is_there &= has(&fs::read(path)?);
        }
        Ok(is_there.then_some(()))
    })
}

/// Starts ephtrace for each of its own formats.
fn trace(scratch: &Scratch, hook: &str) -> Result<(Vec<Tracer>, Vec<PathBuf>)> {
    let mut all = (Vec::new(), Vec::new());
    for (words, name) in [
        ("-o json --output", "own.ndjson"),
        ("-o csv --output", "own.csv"),
        ("record", "own.parquet"),
    ] {
        let path = scratch.path().join(name);
        let mut command = Command::new(setup::ephtrace());
        command.args(words.split(' ')).arg(&path).args(["--hook", hook, "-c", "assign"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        // Standard output stays empty, so that the tracer reads an empty file.
        let nothing = scratch.file("nothing");
        File::create(&nothing)?;
        all.0.push(Tracer::of(child, nothing)?);
        all.1.push(path);
    }
    Ok(all)
}

pub(crate) fn storm(truth: &Path) -> Result<()> {
    let mut command = Command::new(setup::assign()?);
    command.args(["storm", "--threads", "1", "--destinations", DESTINATIONS]);
    let done =
        command.args(["--connects", &CONNECTS.to_string(), "--truth"]).arg(truth).output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// Returns the capture in three text forms of tshark.
fn tshark(tools: &Tools, scratch: &Scratch, pcap: &Path) -> Result<Vec<PathBuf>> {
    let fields: Vec<&str> = FIELDS.iter().flat_map(|field| ["-e", field]).collect();
    let header: &[&str] = &["-T", "fields", "-E", "header=y"];
    let syns: &[&str] = &["-Y", "tcp.flags.syn==1", "-T"];
    let forms = [
        ("tshark.json", [syns, &["json"][..]].concat()),
        ("tshark-ek.json", [syns, &["ek"][..]].concat()),
        ("tshark.txt", [header, &fields[..]].concat()),
    ];
    let mut paths = Vec::new();
    for (name, args) in forms {
        let path = scratch.path().join(name);
        let mut command = tools.command("usr/bin/tshark");
        command.env("WIRESHARK_DATA_DIR", tools.0.join("usr/share/wireshark"));
        let said = command.arg("-r").arg(pcap).args(args).stdout(File::create(&path)?).output()?;
        ensure!(said.status.success(), "tshark: {}", String::from_utf8_lossy(&said.stderr));
        paths.push(path);
    }
    Ok(paths)
}

/// Returns the program's ports and the ports that it connected to, in its order.
pub(crate) fn truth(scratch: &Scratch) -> Result<Vec<(u16, u16)>> {
    let text = fs::read_to_string(scratch.path().join("truth"))?;
    let all = text.lines().map(pair).collect::<Result<Vec<_>>>()?;
    ensure!(all.len() == CONNECTS, "{} connects", all.len());
    Ok(all)
}

/// Returns the ports that the program connected to, as an option takes them.
fn ports_of(truth: &[(u16, u16)]) -> String {
    let ports: BTreeSet<u16> = truth.iter().map(|(_, dport)| *dport).collect();
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    ports.join(",")
}

fn pair(line: &str) -> Result<(u16, u16)> {
    let one: Value = serde_json::from_str(line)?;
    let port = |name: &str| one[name].as_u64().and_then(|port| u16::try_from(port).ok());
    port("sport").zip(port("dport")).with_context(|| format!("no ports: {line}"))
}

/// Returns the same pairs from a recording.
fn assignments(path: &Path, ports: &str) -> Result<Vec<(u16, u16)>> {
    let mut command = Command::new(setup::ephtrace());
    command.args(["trace", "-o", "json", "-q", "-P", ports, "--from"]).arg(path);
    let done = command.output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout)?;
    text.lines().filter(|line| line.contains(r#""type":"assignment""#)).map(pair).collect()
}

fn report(path: &Path, ports: &str) -> Result<Value> {
    let mut command = Command::new(setup::ephtrace());
    let done = command.args(["report", "--json", "-P", ports]).arg(path).output()?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(serde_json::from_slice(&done.stdout)?)
}
