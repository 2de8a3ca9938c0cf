//! Failures of connection tracking and a full table are both reported, and told apart.

use std::{
    env, fs,
    io::{ErrorKind, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use socket2::{Socket, Type};

use crate::{
    all_clear::{FIRST, PORTS, check, in_small_netns, ports, socket},
    changed::Changed,
    setup::{self, Scratch},
    skip::skip,
    tracer::Tracer,
    wait,
};

tests! {
    once: a_clash_of_the_nat_is_no_full_table, a_full_table_is_the_cause;
}

/// Counters of this thread's network namespace.
const STATISTICS: &str = "/proc/thread-self/net/stat/nf_conntrack";

/// Number of connections that are to leave from one port.
const CLIENTS: u64 = 5;

/// Returns one of the kernel's counters, summed over all processors.
fn counted(name: &str) -> Result<u64> {
    let text = fs::read_to_string(STATISTICS)?;
    let mut lines = text.lines();
    let mut names = lines.next().context("no names")?.split_ascii_whitespace();
    let column = names.position(|one| one == name).with_context(|| format!("no {name}"))?;
    let value = |line: &str| {
        let text = line.split_ascii_whitespace().nth(column).context("a line is short")?;
        Ok(u64::from_str_radix(text, 16)?)
    };
    lines.map(value).sum()
}

/// Translates the source of all connects to the first destination to one port; returns false if
/// there is no `nft` or the kernel has no NAT.
fn translate() -> Result<bool> {
    let rules = format!(
        "add table ip nat\n\
         add chain ip nat post {{ type nat hook postrouting priority 100; }}\n\
         add rule ip nat post ip daddr 127.0.0.1 tcp dport {FIRST} snat to 127.0.0.1:5000\n"
    );
    add(&rules)
}

/// Makes the kernel track all connections; returns false if there is no `nft` or no connection
/// tracking.
pub(crate) fn track() -> Result<bool> {
    add("add table ip track\n\
         add chain ip track out { type filter hook output priority 0; }\n\
         add rule ip track out ct state new counter\n")
}

/// Adds rules to this network namespace; returns false if there is no `nft` or the kernel lacks a
/// feature that they need.
fn add(rules: &str) -> Result<bool> {
    let mut command = nft();
    command.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut nft = match command.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        nft => nft.context("starting nft")?,
    };
    nft.stdin.take().context("no input")?.write_all(rules.as_bytes())?;
    Ok(nft.wait()?.success())
}

/// Returns the command `nft`: that of the unpacked packet tools where there are any.
fn nft() -> Command {
    let unpacked = env::var_os("EPHTRACE_PACKET_TOOLS").map(PathBuf::from);
    let program = unpacked.as_ref().map(|root| root.join("usr/sbin/nft"));
    match (unpacked, program.filter(|program| program.exists())) {
        (Some(root), Some(program)) => {
            let mut command = Command::new(program);
            command.env("LD_LIBRARY_PATH", root.join(LIBRARIES));
            command
        }
        _ => Command::new("nft"),
    }
}

/// Libraries of unpacked packages.
pub(crate) const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// Maximum number of entries in each namespace: the kernel has one limit for all.
const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// Number of entries of this thread's network namespace.
const ENTRIES: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// Lowers the kernel's limit; returns `None` if there is none, or if others could suffer from it.
fn lowered_to(limit: u64) -> Result<Option<Changed>> {
    if !fs::exists(MAX)? || fs::read_to_string(ENTRIES)?.trim() != "0" {
        return Ok(None);
    }
    Changed::to(MAX, &limit.to_string()).map(Some)
}

/// Starts a connect without waiting for its end.
fn begin_to_connect() -> Result<Socket> {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST)).into();
    let client = socket(false, Type::STREAM)?;
    client.set_nonblocking(true)?;
    let done = client.connect(&to).map_err(|error| error.raw_os_error());
    ensure!(matches!(done, Ok(()) | Err(Some(libc::EINPROGRESS))), "{done:?}");
    Ok(client)
}

/// All ports but a tenth are free, and yet nothing can connect.
fn a_full_table_is_the_cause() -> Result<()> {
    let limit = u64::try_from(PORTS / 10)?;
    let Some(_lowered) = lowered_to(limit)? else {
        return skip("no connection tracking, or somebody uses it");
    };
    let mut is_there = true;
    in_small_netns(|_listeners| {
        is_there = track()?;
        if !is_there {
            return Ok(());
        }
        let scratch = Scratch::new()?;
        let storm = Tracer::start_storm(&scratch, &setup::some_hook(), &["60"])?;
        let mut clients = Vec::new();
        for _ in 0..2 * limit {
            clients.push(begin_to_connect()?);
        }
        let dropped = counted("drop")?;
        ensure!(dropped > 0, "the table is not full");
        let said = ports(&[])?;
        let (code, line) = check()?;
        let whole = storm.stop_text()?;
        let whole: Value = serde_json::from_str(whole.lines().last().context("nothing said")?)?;
        for findings in [&said["findings"], &whole["findings"]] {
            let all = findings.as_array().context("no findings")?;
            let full = all.iter().find(|finding| finding["rule"] == "conntrack");
            let full = full.with_context(|| format!("no full table in {findings}"))?;
            ensure!(full["severity"] == "critical", "{full}");
            ensure!(full["evidence"][0] == format!("{limit} of {limit} entries (100 %)"), "{full}");
            let remedy = format!("nf_conntrack_max={}", 2 * limit);
            ensure!(full["remedies"].to_string().contains(&remedy), "{full}");
            ensure!(!all.iter().any(|finding| finding["rule"] == "nat-clash"), "{findings}");
        }
        let drops = said["findings"].as_array().into_iter().flatten();
        let mut drops = drops.filter(|finding| finding["rule"] == "conntrack-drop");
        let told = drops.next().with_context(|| format!("no drops in {}", said["findings"]))?;
        // A client without an answer tries again, and is dropped again.
        let is_told = |drop| told["evidence"].to_string().contains(&format!("drop {drop},"));
        ensure!((dropped..=counted("drop")?).any(is_told), "{dropped} dropped: {told}");
        ensure!(code == Some(2), "exit {code:?}: {line}");
        ensure!(line.contains("the conntrack table is full"), "{line}");
        Ok(())
    })?;
    if is_there { Ok(()) } else { skip("no nft, or no connection tracking in this kernel") }
}

fn a_clash_of_the_nat_is_no_full_table() -> Result<()> {
    let mut is_there = true;
    in_small_netns(|_listeners| {
        is_there = fs::exists(STATISTICS)? && translate()?;
        if !is_there {
            return Ok(());
        }
        let clients: Result<Vec<_>> = (0..CLIENTS).map(|_| begin_to_connect()).collect();
        let _clients = clients?;
        // The first client has the port. Clients without an answer try again, so that there may be
        // more failures.
        let failed = wait::until("clashes", || {
            Ok(Some(counted("insert_failed")?).filter(|&failed| failed >= CLIENTS - 1))
        })?;
        let said = ports(&[])?;
        let findings = said["findings"].as_array().context("no findings")?;
        let clash = findings.iter().find(|finding| finding["rule"] == "nat-clash");
        let clash = clash.with_context(|| format!("no clash in {}", said["findings"]))?;
        let told =
            |failed| clash["evidence"].to_string().contains(&format!("insert_failed {failed},"));
        let after = counted("insert_failed")?;
        ensure!((failed..=after).any(told), "{failed} to {after} clashes: {clash}");
        let is_full = findings.iter().any(|finding| finding["rule"] == "conntrack-drop");
        ensure!(!is_full, "the table is not full: {}", said["findings"]);
        Ok(())
    })?;
    if is_there { Ok(()) } else { skip("no nft, or no NAT in this kernel") }
}
