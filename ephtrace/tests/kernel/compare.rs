//! Compares the truth with the trace: each assignment once, every field right, nothing else.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    fmt::{Debug, Write as _},
    net::IpAddr,
};

use anyhow::{Result, bail};

use crate::{
    assign::Attempt,
    tracer::{Event, Trace},
};

/// Maximum number of lines of each kind in a failure message.
const SHOWN: usize = 5;

/// Tolerance between both clocks: ephtrace converts from the monotonic clock.
const CLOCK_TOLERANCE_NS: u64 = 100_000_000;

/// Maximum delay after the attempt for a hook that waits for a write of another thread; a busy
/// guest may delay that thread.
const LATE_NS: u64 = 1_000_000_000;

/// Identity of an assignment.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    pid: Option<u32>,
    tid: Option<u32>,
    netns: Option<u64>,
    family: u8,
    saddr: IpAddr,
    sport: Option<u16>,
    daddr: Option<IpAddr>,
    dport: Option<u16>,
}

impl From<&Attempt> for Key {
    fn from(a: &Attempt) -> Self {
        let Attempt { family, saddr, sport, .. } = *a;
        let daddr = Some(a.daddr).filter(|daddr| !daddr.is_unspecified());
        let dport = Some(a.dport).filter(|dport| *dport != 0);
        let (pid, tid, netns) = (Some(a.pid), Some(a.tid), Some(a.netns));
        Self { pid, tid, netns, family, saddr, sport, daddr, dport }
    }
}

impl From<&Event> for Key {
    fn from(e: &Event) -> Self {
        let Event { pid, tid, netns, family, saddr, sport, daddr, dport, .. } = *e;
        Self { pid, tid, netns, family, saddr, sport, daddr, dport }
    }
}

/// Compares the attempts with the reported events.
///
/// Of `truth`, only attempts that are due and that `wanted` keeps count; of the events, only those
/// of the processes in `truth`. As many may be missing as were counted as left out.
pub(crate) fn compare(
    truth: &[Attempt],
    trace: &Trace,
    wanted: impl Fn(&Attempt) -> bool,
) -> Result<()> {
    let wanted = |a: &Attempt| a.is_due() && trace.sees(a) && wanted(a);
    compare_events(truth, &trace.events, trace.left_out(), wanted)
}

/// Compares attempts and events with another number that may be missing, for callers that know what
/// is due.
pub(crate) fn compare_events(
    truth: &[Attempt],
    events: &[Event],
    left_out: u64,
    wanted: impl Fn(&Attempt) -> bool,
) -> Result<()> {
    let pids: BTreeSet<u32> = truth.iter().map(|a| a.pid).collect();
    let mut due: HashMap<Key, VecDeque<&Attempt>> = HashMap::new();
    for attempt in truth.iter().filter(|a| wanted(a)) {
        due.entry(attempt.into()).or_default().push_back(attempt);
    }
    let (mut extra, mut wrong) = (Vec::new(), Vec::new());
    for event in events.iter().filter(|e| e.pid.is_some_and(|pid| pids.contains(&pid))) {
        match due.get_mut(&event.into()).and_then(|alike| taken(alike, event)) {
            Some(attempt) => wrong.extend(differences(attempt, event)),
            None => extra.push(event),
        }
    }
    let mut missing: Vec<&Attempt> = due.into_values().flatten().collect();
    missing.sort_by_key(|a| a.start_ns);
    if missing.len() as u64 <= left_out {
        missing.clear();
    }
    let report = report("missing", &missing) + &report("extra", &extra) + &report("wrong", &wrong);
    if report.is_empty() { Ok(()) } else { bail!("the trace is not the truth:\n{report}") }
}

/// Returns the attempt that the event describes, out of equal ones: a port may have been assigned
/// twice to the same destination, and the first of them left out.
fn taken<'a>(alike: &mut VecDeque<&'a Attempt>, event: &Event) -> Option<&'a Attempt> {
    let right = alike.iter().position(|attempt| differences(attempt, event).is_none());
    alike.remove(right.unwrap_or(0))
}

/// Returns the errors of an event, if there are any.
fn differences(attempt: &Attempt, event: &Event) -> Option<String> {
    let failed = match attempt.errno {
        0 => None,
        libc::EADDRNOTAVAIL => Some("EADDRNOTAVAIL".to_owned()),
        libc::EADDRINUSE => Some("EADDRINUSE".to_owned()),
        libc::EAGAIN => Some("EAGAIN".to_owned()),
        other => Some(format!("errno {other}")),
    };
    let is_self = attempt.saddr == attempt.daddr && attempt.sport == Some(attempt.dport);
    let fields = [
        field("comm", &Some(&attempt.comm), &event.comm.as_ref()),
        field("uid", &Some(attempt.uid), &event.uid),
        field("errno", &Some(attempt.errno), &event.errno),
        field("error", &failed, &event.error),
        field("protocol", &Some(&attempt.protocol), &event.protocol.as_ref()),
        field("origin", &Some(&attempt.origin), &event.origin.as_ref()),
        field("range", &attempt.range, &event.range()),
        field("self_connect", &is_self, &event.self_connect),
        cookie_difference(attempt, event),
        field("ts_ns", &true, &in_time(attempt, event)),
        field("search", &true, &search_is_possible(event)),
    ];
    let wrong: Vec<String> = fields.into_iter().flatten().collect();
    let text = || format!("{}\n      {attempt:?}\n      {event:?}", wrong.join(", "));
    (!wrong.is_empty()).then(text)
}

fn field<T: PartialEq + Debug>(name: &str, truth: &T, trace: &T) -> Option<String> {
    (truth != trace).then(|| format!("{name} is {trace:?}, not {truth:?}"))
}

/// Checks that the cookie is right, and that it is given if it existed before the attempt.
fn cookie_difference(attempt: &Attempt, event: &Event) -> Option<String> {
    // A storm does not ask for the cookie.
    let known = Some(attempt.cookie?);
    let is_told =
        event.cookie.is_some() || attempt.cookie_before && !is_seen_at_its_end(attempt, event);
    field("cookie", &known, &if is_told { event.cookie } else { known })
}

/// Returns true if the search is seen at the end of its socket; hook `sock_ops` gets no cookie
/// there.
fn is_seen_at_its_end(attempt: &Attempt, event: &Event) -> bool {
    let is_unsent = attempt.errno != 0 || UNSENT_WAYS.contains(&&*attempt.way);
    event.hook.as_deref() == Some("sock_ops") && is_unsent
}

/// Ways in which there may never be a write.
const UNSENT_WAYS: [&str; 4] =
    ["fastopen_unsent", "fastopen_left", "fastopen_closed_elsewhere", "fastopen_reconnected"];

/// Ways in which the SYN waits for the first write.
const LATE_WAYS: [&str; 10] = [
    "fastopen_connect",
    "fastopen_several",
    "fastopen_unsent",
    "fastopen_left",
    "fastopen_beside_bind",
    "fastopen_other_thread",
    "fastopen_other_process",
    "fastopen_closed_elsewhere",
    "fastopen_second_write",
    "fastopen_reconnected",
];

/// Returns true if the event lies within the attempt and its search took no longer than the
/// attempt.
fn in_time(attempt: &Attempt, event: &Event) -> bool {
    // A storm records no times.
    if attempt.start_ns == 0 {
        return true;
    }
    let from = attempt.start_ns.saturating_sub(CLOCK_TOLERANCE_NS);
    let took = attempt.end_ns.saturating_sub(attempt.start_ns);
    // A hook on the sending of the SYN waits for the first write, for a time that can't be known
    // here; so does a hook on the end of a call.
    let is_late = event.hook.as_deref() == Some("sock_ops")
        && (LATE_WAYS.contains(&attempt.way.as_str()) || attempt.errno == libc::EAGAIN);
    let to = attempt.end_ns + if is_late { LATE_NS } else { CLOCK_TOLERANCE_NS };
    (from..=to).contains(&event.ts_ns)
        && event.latency_ns.map(|ns| ns > 0 && ns <= took) == (!is_late).then_some(true)
}

/// Returns true if the reported search agrees with the port and the range.
fn search_is_possible(event: &Event) -> bool {
    // The port that the program named may be any port, and each failure gives it.
    if event.origin.as_deref() == Some("explicit") {
        let is_failed = event.errno != Some(0);
        return event.first_candidate.is_some_and(|port| port > 0) == is_failed;
    }
    let Some((low, high)) = event.range() else { return true };
    let ports = u32::from(high) + 1 - u32::from(low);
    let first = event.first_candidate.is_none_or(|first| (low..=high).contains(&first));
    let tried = event.tried.is_none_or(|tried| (1..=ports).contains(&tried));
    let pass = event.pass.as_deref().is_none_or(|pass| ["first", "second"].contains(&pass));
    let at_once = event.tried != Some(1) || event.sport.is_none() || {
        event.first_candidate.is_none() || event.first_candidate == event.sport
    };
    first && tried && pass && at_once
}

fn report(what: &str, lines: &[impl Debug]) -> String {
    let mut text = String::new();
    if !lines.is_empty() {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {} {what}, the first of them:", lines.len());
        for line in lines.iter().take(SHOWN) {
            let _ = writeln!(text, "    {}", format!("{line:?}").replace("\\n", "\n"));
        }
    }
    text
}
