//! `ephtrace ports` beside books of the opened sockets, and beside `ss`: the figures must be equal.
//!
//! All run in network namespaces of their own, each of which belongs to a thread.

pub(crate) mod books;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, ErrorKind},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{self, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    mount::{MsFlags, mount},
    sys::stat::Mode,
    unistd::mkfifo,
};
use serde_json::Value;

use self::books::{Books, RANGE, RESERVED, in_new_netns};
use crate::{
    modules,
    mounts::{on_a_thread, own_mounts},
    setup::{self, Scratch},
    skip::skip,
    wait,
};

tests! {
    once: figures_are_those_of_the_books, figures_are_those_of_ss,
        a_recording_tells_who_opened_what_is_closed, a_namespace_without_processes_is_looked_at,
        without_rights_a_namespace_is_listed_with_the_reason,
        the_namespace_of_another_user_is_looked_at, what_lies_over_a_namespace_is_not_opened;
}

/// A user without rights.
const NOBODY: u32 = 65_534;

/// Returns the output of `ephtrace ports --json`, run from this thread's namespace.
fn ports(args: &[&str]) -> Result<Value> {
    ports_by(Command::new(setup::ephtrace()).args(["ports", "--json"]).args(args))
}

fn ports_by(command: &mut Command) -> Result<Value> {
    let output = command.output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}\n{stderr}", output.status);
    ensure!(stderr.lines().all(|line| line.starts_with("ephtrace: not looked at: ")), "{stderr}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Returns the only namespace, once all connections are in their last state.
fn settled(books: &Books, args: &[&str]) -> Result<Value> {
    let mut last = Value::Null;
    let settled = wait::until("connections do not get to their last state", || {
        let mut inventory = ports(args)?;
        let namespace = inventory["namespaces"][0].take();
        let passing = ["fin_wait1", "fin_wait2", "last_ack", "closing", "syn_sent", "syn_recv"];
        let states = &namespace["by_state"];
        let is_settled = passing.iter().all(|state| states[state] == 0)
            && states["time_wait"] == books.in_state("time_wait");
        last = namespace.clone();
        Ok(is_settled.then_some(namespace))
    });
    settled.with_context(|| last.to_string())
}

/// Returns the number of even and of odd ports.
fn parity(ports: &BTreeSet<u16>) -> (usize, usize) {
    let even = ports.iter().filter(|port| port.is_multiple_of(2)).count();
    (even, ports.len() - even)
}

fn same(what: &str, found: &Value, expected: impl Into<Value>) -> Result<()> {
    let expected = expected.into();
    ensure!(*found == expected, "{what}: found {found}, in the books {expected}");
    Ok(())
}

fn list<'a>(value: &'a Value, what: &str) -> Result<&'a Vec<Value>> {
    value[what].as_array().with_context(|| format!("no list {what} in {value}"))
}

/// Returns true if sockets that are only bound are listed: by Linux 6.8 and later, not in `/proc`.
fn lists_bound(namespace: &Value) -> Result<bool> {
    Ok(setup::kernel()? >= (6, 8) && namespace["source"] == "sock_diag")
}

fn compare_destination(
    found: &Value,
    books: &Books,
    to: SocketAddr,
    lists_bound: bool,
) -> Result<()> {
    let ports = books.of(to);
    let (even, odd) = parity(&ports);
    same("in use", &found["in_use"], ports.len())?;
    same("even", &found["even"], even)?;
    same("odd", &found["odd"], odd)?;
    for state in ["established", "time_wait", "close_wait"] {
        let known = books.connected.get(&(to, state)).map_or(0, BTreeSet::len);
        same(state, &found["by_state"][state], known)?;
    }
    let usable = usize::from(RANGE.high - RANGE.low) + 1 - RESERVED.len();
    let share = found["share"].as_f64().context("no share")?;
    let expected = f64::from(u32::try_from(ports.len())?) / f64::from(u32::try_from(usable)?);
    ensure!((share - expected).abs() < 1e-9, "share {share}, not {expected}");
    let is_listed = |state: &str| lists_bound || state == "listen";
    let bound = books.bound.iter().filter(|(port, _)| !RESERVED.contains(port));
    let bound = bound.filter(|(_, state)| is_listed(state)).count();
    same("left", &found["left"], usable - ports.len() - bound)?;
    let gone = books.connected.get(&(to, "time_wait")).map_or(0, BTreeSet::len);
    same("closed, opener unknown", &found["unknown_closed"], gone)?;
    same("holders", &found["holders"][0]["pid"], process::id())?;
    same("held", &found["holders"][0]["open"], ports.len() - gone)
}

fn compare(found: &Value, books: &Books) -> Result<()> {
    let all: BTreeSet<u16> = books.connected.values().flatten().copied().collect();
    let (even, odd) = parity(&all);
    same("ports", &found["ports"], all.len())?;
    same("even", &found["even"], even)?;
    same("odd", &found["odd"], odd)?;
    same("sockets", &found["sockets"], books.connected.values().map(BTreeSet::len).sum::<usize>())?;
    same("accepted", &found["accepted"], books.accepted)?;
    same("destinations", &found["destinations_known"], books.destinations().len())?;
    for to in books.destinations() {
        let is_to = |one: &&Value| {
            one["daddr"] == to.ip().to_string().as_str() && one["dport"] == to.port()
        };
        let mut shown = list(found, "destinations")?.iter();
        let one = shown.find(is_to).with_context(|| format!("{to} is not shown"))?;
        compare_destination(one, books, to, lists_bound(found)?)
            .with_context(|| format!("destination {to}"))?;
    }
    compare_bound(found, books)?;
    let (even, odd) = parity(&books.udp);
    same("udp", &found["udp"]["even"], even)?;
    same("udp", &found["udp"]["odd"], odd)?;
    same("udp sockets", &found["udp"]["sockets"], books.udp.len())
}

fn compare_bound(found: &Value, books: &Books) -> Result<()> {
    let lists_bound = lists_bound(found)?;
    let found = &found["bound"];
    let listening = books.bound.values().filter(|state| **state == "listen").count();
    same("listening", &found["listening"], listening)?;
    same("listening, not reserved", &found["listening_unreserved"], 1)?;
    let only = lists_bound.then(|| books.bound.len() - listening);
    same("only bound", &found["bound_only"], only)?;
    let expected = books.bound.iter().filter(|(_, state)| lists_bound || **state == "listen");
    let held = list(found, "held")?;
    let shown: Vec<_> = held.iter().map(|one| (&one["sport"], &one["state"])).collect();
    ensure!(shown.len() == expected.clone().count(), "bound: {shown:?}");
    for ((port, state), (known_port, known_state)) in shown.iter().zip(expected) {
        same("bound port", port, *known_port)?;
        same("bound state", state, *known_state)?;
    }
    held.iter().try_for_each(|one| same("holder", &one["holder"]["pid"], process::id()))
}

/// From `/proc` first, if the kernel can do without the modules that list sockets by netlink.
fn figures_are_those_of_the_books() -> Result<()> {
    if modules::are_here("sock_diag") {
        compare_all(Some("proc"))?;
        modules::load("sock_diag")?;
        return compare_all(Some("sock_diag"));
    }
    compare_all(None)
}

fn compare_all(source: Option<&str>) -> Result<()> {
    in_new_netns(|| {
        let mut books = Books::default();
        books.fill()?;
        let found = settled(&books, &[])?;
        if let Some(source) = source {
            same("source", &found["source"], source)?;
        }
        compare(&found, &books).with_context(|| found.to_string())?;
        // Only the first destination is shown, and the others are summed up.
        let first = settled(&books, &["--limit", "1"])?;
        let (shown, others) = (&first["destinations"][0], &first["others"]);
        let sum = |what| shown[what].as_u64().zip(others[what].as_u64()).map(|(a, b)| a + b);
        for what in ["in_use", "even", "odd"] {
            let all: u64 =
                list(&found, "destinations")?.iter().filter_map(|d| d[what].as_u64()).sum();
            ensure!(sum(what) == Some(all), "{what}: {shown} and {others} are not {all}");
        }
        Ok(())
    })
}

fn figures_are_those_of_ss() -> Result<()> {
    in_new_netns(|| {
        let mut books = Books::default();
        books.fill()?;
        let found = settled(&books, &[])?;
        match Command::new("ss").args(["-Htan"]).output() {
            Err(error) if error.kind() == ErrorKind::NotFound => skip("ss is not installed"),
            Err(error) => Err(error).context("starting ss"),
            Ok(output) => {
                ensure!(output.status.success(), "ss: {}", output.status);
                compare_with_ss(&found, &String::from_utf8(output.stdout)?)
            }
        }
    })
}

fn compare_with_ss(found: &Value, text: &str) -> Result<()> {
    let count = |state: &str| text.lines().filter(|line| line.starts_with(state)).count();
    let tcp = &found["tcp"];
    same("ss: listening", &tcp["listening"], count("LISTEN"))?;
    same("ss: established", &tcp["by_state"]["established"], count("ESTAB"))?;
    same("ss: time_wait", &tcp["by_state"]["time_wait"], count("TIME-WAIT"))?;
    same("ss: close_wait", &tcp["by_state"]["close_wait"], count("CLOSE-WAIT"))?;
    let peer = |line: &str| {
        line.split_whitespace()
            .nth(4)
            .map(|p| p.replace("::ffff:127.0.0.1", "127.0.0.1").replace("[127.0.0.1]", "127.0.0.1"))
    };
    for one in list(found, "destinations")? {
        let daddr: IpAddr = one["daddr"].as_str().context("no daddr")?.parse()?;
        let dport = one["dport"].as_u64().context("no dport")?;
        let to = SocketAddr::new(daddr, u16::try_from(dport)?).to_string();
        let lines = text.lines().filter(|line| peer(line).is_some_and(|peer| peer == to));
        same(&format!("ss: {to}"), &one["in_use"], lines.count())?;
    }
    Ok(())
}

fn a_recording_tells_who_opened_what_is_closed() -> Result<()> {
    in_new_netns(|| {
        let mut books = Books::default();
        let there = books.listen((Ipv4Addr::LOCALHOST, 2001))?;
        books.connect_and_close(there, 5)?;
        let scratch = Scratch::new()?;
        let recording = scratch.file("recording");
        let netns = own_netns()?;
        let mut lines = String::new();
        for sport in books.of(there).into_iter().skip(1) {
            writeln!(
                lines,
                "{{\"type\":\"assignment\",\"ts_ns\":{sport},\"pid\":4242,\"comm\":\"opener\",\
                 \"netns\":{netns},\"protocol\":\"tcp\",\"origin\":\"connect\",\
                 \"saddr\":\"127.0.0.1\",\"sport\":{sport},\"daddr\":\"127.0.0.1\",\
                 \"dport\":2001}}"
            )?;
        }
        fs::write(&recording, lines)?;
        let from = recording.display().to_string();
        let found = settled(&books, &["--from", &from])?;
        let one = &found["destinations"][0];
        same("holder", &one["holders"][0]["pid"], 4242)?;
        same("holder", &one["holders"][0]["comm"], "opener")?;
        same("opened and closed", &one["holders"][0]["closed"], 4)?;
        same("open", &one["holders"][0]["open"], 0)?;
        same("not in the recording", &one["unknown_closed"], 1)
    })
}

fn own_netns() -> Result<u64> {
    Ok(fs::metadata("/proc/thread-self/ns/net")?.ino())
}

/// Makes a namespace without processes: only a file stands for it, and sockets of this process are
/// in it. Call it on a thread in a mount namespace of its own, which takes the file away with it.
fn namespace_without_process(file: &Path) -> Result<(u64, Books)> {
    fs::write(file, "")?;
    in_new_netns(|| {
        let mut books = Books::default();
        books.fill()?;
        let nothing: Option<&str> = None;
        let own = Path::new("/proc/thread-self/ns/net");
        mount(Some(own), file, nothing, MsFlags::MS_BIND, nothing).context("mounting")?;
        Ok((own_netns()?, books))
    })
}

fn find(inventory: &Value, what: &str, netns: u64) -> Result<Value> {
    let mut all = list(inventory, what)?.iter();
    let found = all.find(|one| one["netns"] == netns);
    found.cloned().with_context(|| format!("{netns} is not in {what}: {inventory}"))
}

fn a_namespace_without_processes_is_looked_at() -> Result<()> {
    let scratch = Scratch::new()?;
    let file = scratch.file("netns");
    on_a_thread(|| {
        own_mounts()?;
        let (netns, books) = namespace_without_process(&file)?;
        let path = file.display().to_string();
        let found = settled(&books, &["--netns", &path])?;
        compare(&found, &books).with_context(|| found.to_string())?;
        let all = ports(&["--netns", "all"])?;
        let found = find(&all, "namespaces", netns)?;
        compare(&found, &books).with_context(|| found.to_string())?;
        same("processes", &found["process_count"], 0)?;
        same("name", &found["name"], path)?;
        same("own", &found["own"], false)?;
        let by_number = settled(&books, &["--netns", &netns.to_string()])?;
        same("by number", &by_number["sockets"], found["sockets"].clone())
    })
}

/// Opening a FIFO would block for ever.
fn what_lies_over_a_namespace_is_not_opened() -> Result<()> {
    let scratch = Scratch::new()?;
    let (file, fifo) = (scratch.file("netns"), scratch.file("fifo"));
    mkfifo(&fifo, Mode::S_IRUSR)?;
    on_a_thread(|| {
        own_mounts()?;
        let (netns, _books) = namespace_without_process(&file)?;
        let nothing: Option<&str> = None;
        mount(Some(&fifo), &file, nothing, MsFlags::MS_BIND, nothing).context("mounting")?;
        let mut command = Command::new(setup::ephtrace());
        command.args(["ports", "--json", "--netns", "all"]);
        let written = scratch.file("inventory");
        let mut child = command.stdout(fs::File::create(&written)?).spawn()?;
        ensure!(wait::exit(&mut child)?.success(), "it failed");
        let inventory: Value = serde_json::from_slice(&fs::read(&written)?)?;
        let found = find(&inventory, "unreadable_namespaces", netns)?;
        let reason = found["reason"].as_str().unwrap_or_default();
        ensure!(reason.contains("something is mounted over it"), "{found}");
        Ok(())
    })
}

fn without_rights_a_namespace_is_listed_with_the_reason() -> Result<()> {
    let scratch = Scratch::new()?;
    let ephtrace = scratch.program(&setup::ephtrace(), "ephtrace")?;
    let file = scratch.file("netns");
    on_a_thread(|| {
        own_mounts()?;
        let (netns, _books) = namespace_without_process(&file)?;
        let run = |netns: &str| {
            let mut command = Command::new(&ephtrace);
            command.args(["ports", "--json", "--netns", netns]).uid(NOBODY).gid(NOBODY);
            command
        };
        let all = ports_by(&mut run("all"))?;
        let found = find(&all, "unreadable_namespaces", netns)?;
        let reason = found["reason"].as_str().unwrap_or_default();
        ensure!(reason.contains("root"), "{found}");
        let hidden = all["hidden_processes"].as_u64();
        ensure!(hidden.is_some_and(|n| n > 0), "processes of root can be looked at: {all}");
        // Naming it is an error.
        let output = run(&file.display().to_string()).output()?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1), "{}\n{stderr}", output.status);
        ensure!(stderr.contains("root") && output.stdout.is_empty(), "{stderr}");
        Ok(())
    })
}

fn the_namespace_of_another_user_is_looked_at() -> Result<()> {
    // The command says when the namespace is there, and keeps it until its input ends.
    let child = Command::new("unshare")
        .args(["--user", "--net", "sh", "-c", "echo there; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .uid(NOBODY)
        .gid(NOBODY)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return skip("unshare is not installed");
        }
        Err(error) => return Err(error).context("starting unshare"),
    };
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    if line != "there\n" {
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        return skip(format!("users may not make namespaces here: {said}"));
    }
    let looked = look_at(&PathBuf::from(format!("/proc/{}/ns/net", child.id())));
    drop(child.stdin.take());
    child.wait()?;
    looked
}

fn look_at(door: &Path) -> Result<()> {
    let netns = fs::metadata(door)?.ino();
    ensure!(netns != own_netns()?, "{} is this namespace", door.display());
    let named = find(&ports(&["--netns", &door.display().to_string()])?, "namespaces", netns)?;
    same("range", &named["settings"]["range_low"], 32_768)?;
    same("range", &named["settings"]["range_high"], 60_999)?;
    let all = find(&ports(&["--netns", "all"])?, "namespaces", netns)?;
    same("processes", &all["process_count"], 1)
}
