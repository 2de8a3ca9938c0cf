//! SCTP: a module that is loaded after ephtrace has started.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{
    assign::Assign,
    compare::{compare, compare_events},
    modules,
    notes::say,
    setup::{self, Scratch},
    skip::skip,
    tracer::{Event, Tracer},
};

tests! {
    each_hook: every_way_of_sctp_is_reported_once;
    each_function_hook: named_ports_of_sctp_are_told_on_request;
}

/// Message of ephtrace once it sees the module.
const ATTACHED_LATE: &str = "ephtrace: module sctp was loaded";

fn is_loaded() -> bool {
    Path::new("/sys/module/sctp").exists()
}

/// Starts ephtrace, and makes sure that the module is loaded and seen.
fn start(scratch: &Scratch, hook: &str, args: &[&str]) -> Result<Tracer> {
    let was_loaded = is_loaded();
    if !was_loaded && !modules::are_here("sctp") {
        return skip("no module sctp here that a test may load");
    }
    let mut tracer = Tracer::start(scratch, hook, args)?;
    if !was_loaded {
        modules::load("sctp")?;
        ensure!(is_loaded(), "the module is not there");
        if setup::used_hook(hook)? != "sock_ops" {
            let line = tracer.wait_for(ATTACHED_LATE)?;
            ensure!(line.contains("seen from now on"), "{line}");
            say(&format!("hook {hook}: attached after the module was loaded"));
        }
    }
    Ok(tracer)
}

const WAYS: &str = "sctp_bind,sctp_bind_ipv6,sctp_bind_second,sctp_bind_explicit,sctp_listen,\
    sctp_listen_ipv6,sctp_connect,sctp_connect_ipv6,sctp_send,sctp_send_ipv6,exhausted_sctp,\
    exhausted_sctp_ipv6";

fn ways(scratch: &Scratch) -> Result<Vec<crate::assign::Attempt>> {
    let times = setup::times()?.to_string();
    Assign::start(scratch, &["ways", "--times", &times, "--only", WAYS])?.truth()
}

fn every_way_of_sctp_is_reported_once(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let tracer = start(&scratch, hook, &[])?;
    let truth = ways(&scratch)?;
    let trace = tracer.stop()?;
    trace.complete()?;
    compare(&truth, &trace, |_| true)?;
    let sctp = || trace.events.iter().filter(|e| e.origin.as_deref() == Some("sctp"));
    if trace.summary.as_ref().and_then(|s| s.hook.as_deref()) == Some("sock_ops") {
        ensure!(sctp().count() == 0, "sock_ops saw SCTP");
        return Ok(());
    }
    let failures = sctp().filter(|e| e.sport.is_none()).count();
    let assigned = sctp().count() - failures;
    ensure!(failures > 10 && assigned > 10, "{assigned} assigned, {failures} failed");
    ensure!(sctp().all(|e| e.hook.as_deref() == Some("kprobe")), "seen by another hook");
    say(&format!("hook {hook}: {assigned} ports of SCTP assigned, {failures} not"));
    Ok(())
}

/// `--origin sctp` alone, and `explicit` alone.
fn named_ports_of_sctp_are_told_on_request(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    for origin in ["sctp", "explicit"] {
        let args = ["--origin", origin];
        let tracer = start(&scratch, hook, &args)?;
        let truth = ways(&scratch)?;
        let trace = tracer.stop()?;
        trace.complete()?;
        let sctp = |e: &&Event| e.protocol.as_deref() == Some("sctp");
        let events: Vec<Event> = trace.events.iter().filter(sctp).cloned().collect();
        let pid = truth.first().map(|a| a.pid);
        // Servers name their port, too, and `assign` does not log it.
        let events: Vec<Event> =
            events.into_iter().filter(|e| e.pid == pid && e.sport != Some(SERVER_PORT)).collect();
        compare_events(&truth, &events, trace.left_out(), |a| a.origin == origin)?;
        ensure!(!events.is_empty(), "no event of origin {origin}");
    }
    Ok(())
}

/// Port of `assign`'s SCTP server.
const SERVER_PORT: u16 = 20_132;
