//! Truth against trace: each assignment once, every field right, nothing else.

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

/// How many lines of each kind a failure shows.
const SHOWN: usize = 5;

/// How far the clocks of both may be apart: ephtrace converts from the monotonic clock.
const CLOCK_TOLERANCE_NS: u64 = 100_000_000;

/// What makes an assignment the one that it is.
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

/// Compares what happened with what was reported.
///
/// Of `truth` those attempts count that are due and that `wanted` keeps; of the events those of the
/// processes in `truth`. As many may be missing as were counted as left out.
pub(crate) fn compare(
    truth: &[Attempt],
    trace: &Trace,
    wanted: impl Fn(&Attempt) -> bool,
) -> Result<()> {
    let wanted = |a: &Attempt| a.is_due() && trace.sees(a) && wanted(a);
    compare_events(truth, &trace.events, trace.left_out(), wanted)
}

/// The same with another number that may be missing, and where it is known what is due.
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

/// The attempt that the event tells of, out of those alike: a port may have been assigned twice to the
/// same destination, and the first of them left out.
fn taken<'a>(alike: &mut VecDeque<&'a Attempt>, event: &Event) -> Option<&'a Attempt> {
    let right = alike.iter().position(|attempt| differences(attempt, event).is_none());
    alike.remove(right.unwrap_or(0))
}

/// What is wrong with an event, if anything.
fn differences(attempt: &Attempt, event: &Event) -> Option<String> {
    let failed = match attempt.errno {
        0 => None,
        libc::EADDRNOTAVAIL => Some("EADDRNOTAVAIL".to_owned()),
        libc::EADDRINUSE => Some("EADDRINUSE".to_owned()),
        libc::EAGAIN => Some("EAGAIN".to_owned()),
        other => Some(format!("errno {other}")),
    };
    let cookie = event.cookie.map(|_| attempt.cookie.unwrap_or_default());
    let is_self = attempt.saddr == attempt.daddr && attempt.sport == Some(attempt.dport);
    let fields = [
        field("comm", &Some(&attempt.comm), &event.comm.as_ref()),
        field("uid", &Some(attempt.uid), &event.uid),
        field("errno", &Some(attempt.errno), &event.errno),
        field("error", &failed, &event.error),
        field("protocol", &Some(&attempt.protocol), &event.protocol.as_ref()),
        field("origin", &Some(&attempt.origin), &event.origin.as_ref()),
        field("range", &attempt.range, &event.range),
        field("self_connect", &is_self, &event.self_connect),
        // A kernel may not tell the cookie, and a storm does not ask for it.
        field("cookie", &attempt.cookie.and(cookie), &attempt.cookie.and(event.cookie)),
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

/// The time of the event is that of the attempt, and the search took no longer than the attempt.
fn in_time(attempt: &Attempt, event: &Event) -> bool {
    // A storm takes no times.
    if attempt.start_ns == 0 {
        return true;
    }
    let from = attempt.start_ns.saturating_sub(CLOCK_TOLERANCE_NS);
    let to = attempt.end_ns + CLOCK_TOLERANCE_NS;
    let took = attempt.end_ns.saturating_sub(attempt.start_ns);
    // A hook on the sending of the SYN waits for the first write, and can't tell how long that is.
    let is_late = event.hook.as_deref() == Some("sock_ops")
        && ["fastopen_connect", "fastopen_unsent", "fastopen_beside_bind"]
            .contains(&attempt.way.as_str());
    (from..=to).contains(&event.ts_ns)
        && event.latency_ns.map(|ns| ns > 0 && ns <= took) == (!is_late).then_some(true)
}

/// What is said of the search agrees with the port and the range.
fn search_is_possible(event: &Event) -> bool {
    let Some((low, high)) = event.range else { return true };
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

/// The judge is judged: these run everywhere.
mod tests {
    use super::*;
    use crate::assign::read;

    const TRUTH: &str = r#"{"way":"ipv4","family":4,"protocol":"tcp","saddr":"127.0.0.1",
        "sport":40000,"daddr":"127.0.0.1","dport":20000,"errno":0,"connect_errno":0,"pid":7,
        "ppid":1,"tid":8,"comm":"as","uid":0,"origin":"connect","netns":3,"range":[40000,40009],
        "cookie":5,"start_ns":1000000000,"end_ns":1000009000}"#;
    const EVENT: &str = r#"{"ts_ns":1000004000,"pid":7,"tid":8,"comm":"as","uid":0,"netns":3,
        "cgroup_id":1,"family":4,"protocol":"tcp","origin":"connect","saddr":"127.0.0.1",
        "sport":40000,"daddr":"127.0.0.1","dport":20000,"errno":0,"error":null,"latency_ns":900,
        "range":[40000,40009],"first_candidate":null,"tried":null,"pass":null,
        "self_connect":false,"cookie":5,"hook":"sock_ops"}"#;

    fn judge(truth: &[(&str, &str)], events: &[Event]) -> Result<()> {
        let truth = truth.iter().fold(TRUTH.replace('\n', ""), |t, (from, to)| t.replace(from, to));
        compare_events(&read(&truth)?, events, 0, Attempt::is_due)
    }

    fn event(changes: &[(&str, &str)]) -> Result<Event> {
        let text = changes.iter().fold(EVENT.to_owned(), |text, (from, to)| text.replace(from, to));
        Ok(serde_json::from_str(&text)?)
    }

    #[test]
    fn the_truth_passes() -> Result<()> {
        judge(&[], &[event(&[])?])?;
        // Other processes' events are nobody's business.
        judge(&[], &[event(&[])?, event(&[(r#""pid":7"#, r#""pid":9"#)])?])?;
        judge(&[(r#""origin":"connect""#, r#""origin":"explicit""#)], &[])
    }

    #[test]
    fn a_missing_and_a_second_event_are_noticed() -> Result<()> {
        assert!(judge(&[], &[]).is_err_and(|e| e.to_string().contains("1 missing")));
        let twice = [event(&[])?, event(&[])?];
        assert!(judge(&[], &twice).is_err_and(|e| e.to_string().contains("1 extra")));
        let bound = (r#""origin":"connect""#, r#""origin":"explicit""#);
        assert!(judge(&[bound], &[event(&[])?]).is_err());
        Ok(())
    }

    #[test]
    fn of_two_alike_the_one_that_was_left_out_is_missing() -> Result<()> {
        let second = TRUTH.replace(r#""cookie":5"#, r#""cookie":6"#).replace(
            r#""start_ns":1000000000,"end_ns":1000009000"#,
            r#""start_ns":3000000000,"end_ns":3000009000"#,
        );
        let truth = read(&format!("{}\n{}", TRUTH.replace('\n', ""), second.replace('\n', "")))?;
        let later = event(&[
            (r#""ts_ns":1000004000"#, r#""ts_ns":3000004000"#),
            (r#""cookie":5"#, r#""cookie":6"#),
        ])?;
        compare_events(&truth, std::slice::from_ref(&later), 1, Attempt::is_due)?;
        assert!(compare_events(&truth, &[later], 0, Attempt::is_due).is_err());
        Ok(())
    }

    #[test]
    fn a_wrong_field_is_noticed() -> Result<()> {
        let wrong = [
            (r#""sport":40000"#, r#""sport":40001"#),
            (r#""sport":40000"#, r#""sport":null"#),
            (r#""saddr":"127.0.0.1""#, r#""saddr":"127.0.0.2""#),
            (r#""tid":8"#, r#""tid":7"#),
            (r#""netns":3"#, r#""netns":null"#),
            (r#""comm":"as""#, r#""comm":"thread""#),
            (r#""uid":0"#, r#""uid":null"#),
            (r#""range":[40000,40009]"#, r#""range":[32768,60999]"#),
            (r#""errno":0"#, r#""errno":99"#),
            (r#""error":null"#, r#""error":"EADDRNOTAVAIL""#),
            (r#""cookie":5"#, r#""cookie":6"#),
            (r#""self_connect":false"#, r#""self_connect":true"#),
            (r#""ts_ns":1000004000"#, r#""ts_ns":2000000000"#),
            (r#""latency_ns":900"#, r#""latency_ns":null"#),
            (r#""latency_ns":900"#, r#""latency_ns":90000"#),
            (r#""first_candidate":null"#, r#""first_candidate":40010"#),
            (r#""tried":null"#, r#""tried":11"#),
        ];
        for change in wrong {
            assert!(judge(&[], &[event(&[change])?]).is_err(), "{change:?} passed");
        }
        Ok(())
    }
}
