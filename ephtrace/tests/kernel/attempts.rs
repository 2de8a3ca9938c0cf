//! Attempts that fail for another reason than a lack of ports, and their owners: `storm` and a
//! trace of failures must agree with the program's own books.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use socket2::{Domain, Socket, Type};

use crate::{
    assign::{Assign, Attempt},
    cgroups::Containers,
    ports::books::{RANGE, in_new_netns},
    setup::{self, Scratch},
    tracer::Tracer,
};

tests! {
    each_hook: failures_of_bound_sockets_are_told, self_connects_are_counted,
        each_container_has_a_row;
}

/// Returns the last line of a storm, which covers all of it.
fn whole(text: &str) -> Result<Value> {
    let last = text.lines().last().context("nothing was said")?;
    let whole: Value = serde_json::from_str(last)?;
    ensure!(whole["type"] == "storm_total", "{whole}");
    Ok(whole)
}

fn finding(whole: &Value, rule: &str) -> Result<Value> {
    let all = whole["findings"].as_array().context("no findings")?;
    let found = all.iter().find(|finding| finding["rule"] == rule);
    found.cloned().with_context(|| format!("no {rule} in {}", whole["findings"]))
}

fn failures_of_bound_sockets_are_told(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let trace = Tracer::start(&scratch, hook, &["--failed"])?;
    let storm = Tracer::start_storm(&scratch, hook, &["60"])?;
    let times = setup::times()?;
    let args = ["ways", "--times", &times.to_string(), "--only", "bind_explicit_conflict"];
    let assign = Assign::start(&scratch, &args)?;
    let name = assign.name().to_owned();
    let is_failed = |attempt: &&Attempt| attempt.errno == libc::EADDRNOTAVAIL;
    let failed = assign.truth()?.iter().filter(is_failed).count();
    ensure!(failed as u64 == times, "{failed} connects failed in {times} times");
    let trace = trace.stop()?;
    let told = trace.events.iter().filter(|event| {
        event.comm.as_deref() == Some(&*name)
            && event.origin.as_deref() == Some("explicit")
            && event.errno == Some(libc::EADDRNOTAVAIL)
    });
    ensure!(told.count() == failed, "{:?}", trace.events);
    let whole = whole(&storm.stop_text()?)?;
    let rows = whole["rows"].as_array().context("no rows")?;
    let mine = |row: &&Value| row["comm"] == name.as_str() && row["origin"] == "explicit";
    let connects = rows.iter().filter(mine).filter(|row| !row["dport"].is_null());
    let counted: u64 = connects.filter_map(|row| row["failures"].as_u64()).sum();
    ensure!(counted == times, "{counted} counted, {times} failed: {whole}");
    let finding = finding(&whole, "tuple-taken")?;
    ensure!(finding["sentence"].to_string().contains(&name), "{finding}");
    let unseen = &whole["unseen_failures"];
    ensure!(unseen.is_null() == (whole["hook"] != "sock_ops"), "{unseen}");
    Ok(())
}

/// Connects to a closed port of the range until sockets have connected to themselves.
fn connect_to_itself(times: usize) -> Result<u64> {
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, RANGE.low + 20));
    let mut count = 0;
    for _ in 0..times {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if socket.connect(&to.into()).is_ok() {
            ensure!(socket.local_addr()? == socket.peer_addr()?, "somebody listens there");
            count += 1;
            // Without this, a TIME_WAIT would keep the port.
            socket.set_linger(Some(Duration::ZERO))?;
        }
    }
    Ok(count)
}

fn self_connects_are_counted(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let pid = std::process::id().to_string();
    let storm = Tracer::start_storm(&scratch, hook, &["60", "-p", &pid])?;
    let count = in_new_netns(|| connect_to_itself(1000))?;
    ensure!(count > 0, "none of 1000 sockets was connected to itself");
    let whole = whole(&storm.stop_text()?)?;
    ensure!(whole["all"]["self_connect_count"] == count, "{count} in the books: {whole}");
    let told = finding(&whole, "self-connect")?;
    ensure!(told["evidence"].to_string().contains(&format!("{count} socket")), "{told}");
    Ok(())
}

fn each_container_has_a_row(hook: &str) -> Result<()> {
    let containers = Containers::new()?;
    let scratch = Scratch::new()?;
    // ephtrace looks while they run: a process that has ended is no longer in a container.
    let storm = Tracer::start_storm(&scratch, hook, &["0.1"])?;
    let mut truth = Vec::new();
    for (path, times, pace) in [(&containers.0[0], "20", "20"), (&containers.0[1], "3", "3")] {
        let args =
            ["exhaust", "--wait", "--range", "40000-40099", "--attempts", times, "--pace", pace];
        let assign = Assign::start_named(&scratch, "in-container", &args)?;
        assign.move_to(path)?;
        truth.push(assign.truth()?.iter().filter(|attempt| attempt.errno == 0).count());
    }
    let whole = whole(&storm.stop_text()?)?;
    let rows = whole["rows"].as_array().context("no rows")?;
    for (container, count) in ["aaaaaaaaaaaa", "bbbbbbbbbbbb"].into_iter().zip(truth) {
        let mine = |row: &&Value| {
            row["comm"] == "in-container"
                && row["container"] == container
                && row["origin"] == "connect"
        };
        let found: u64 = rows.iter().filter(mine).filter_map(|r| r["assignments"].as_u64()).sum();
        ensure!(
            found == count as u64,
            "{container}: {found} counted, {count} in the books: {whole}"
        );
    }
    Ok(())
}
