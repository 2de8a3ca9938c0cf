//! Is it the NAT? What connection tracking could not do is told, and told apart from a table that
//! is full.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use socket2::Type;

use crate::{
    all_clear::{FIRST, in_small_netns, ports, socket},
    skip::skip,
    wait,
};

tests! {
    once: a_clash_of_the_nat_is_no_full_table;
}

/// The counters of this thread's network namespace.
const STATISTICS: &str = "/proc/thread-self/net/stat/nf_conntrack";

/// Connections that are to leave from one port.
const CLIENTS: u64 = 5;

/// One counter, all processors together, as the kernel tells it.
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

/// Translates the source of all connects to the first destination to one port; false if there is no
/// `nft` or no NAT in this kernel.
fn translate() -> Result<bool> {
    let rules = format!(
        "add table ip nat\n\
         add chain ip nat post {{ type nat hook postrouting priority 100; }}\n\
         add rule ip nat post ip daddr 127.0.0.1 tcp dport {FIRST} snat to 127.0.0.1:5000\n"
    );
    let mut command = Command::new("nft");
    command.args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::null());
    let mut nft = match command.spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        nft => nft.context("starting nft")?,
    };
    nft.stdin.take().context("no input")?.write_all(rules.as_bytes())?;
    Ok(nft.wait()?.success())
}

fn a_clash_of_the_nat_is_no_full_table() -> Result<()> {
    let mut is_there = true;
    in_small_netns(|_listeners| {
        is_there = fs::exists(STATISTICS)? && translate()?;
        if !is_there {
            return Ok(());
        }
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST)).into();
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            let client = socket(false, Type::STREAM)?;
            client.set_nonblocking(true)?;
            let done = client.connect(&to).map_err(|error| error.raw_os_error());
            ensure!(matches!(done, Ok(()) | Err(Some(libc::EINPROGRESS))), "{done:?}");
            clients.push(client);
        }
        // The first one has the port. Who gets no answer tries again, so that there may be more.
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
