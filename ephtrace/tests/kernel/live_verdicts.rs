//! Verdicts at the end of a live trace of several network namespaces with ranges of their own,
//! while sockets with `IP_LOCAL_PORT_RANGE`, bind and UDP come in between: the right rule for each
//! namespace, and no wrong one for the whole.
//!
//! `EPHTRACE_LIVE_SECONDS` is the duration; use ten minutes by hand.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::{
    assign::{self, Assign},
    notes::say,
    setup::{self, Scratch},
    tracer::Tracer,
};

tests! {
    first_hook: each_namespace_and_each_rule_is_called_what_it_is;
}

/// Turns of each process per second.
const A_SECOND: u32 = 20;

/// Number of assignments from which a destination must have a verdict of its own.
const BUSY: u64 = 60;

/// Algorithm and pattern.
type Name = (&'static str, &'static str);

const DOUBLE_HASH: Name = ("linux_dhash64k", "per_destination");
const SOCKET_RANGE: Name = ("linux_lpr", "per_destination");
const RANDOM_ODD: Name = ("random_odd", "random");
const RANDOM_UNIFORM: Name = ("random_uniform", "random");
const UNDETERMINED: &str = "undetermined";
const PER_DESTINATION: Name = (UNDETERMINED, "per_destination");
const NOTHING: Name = (UNDETERMINED, UNDETERMINED);
const MAYBE_DOUBLE_HASH: &[Name] = &[DOUBLE_HASH, PER_DESTINATION, NOTHING];

/// One namespace: its workload and its possible names.
struct Case {
    name: &'static str,
    /// Arguments of `assign pattern`.
    args: &'static str,
    kind: Kind,
}

/// Kind of port use that a namespace shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Connects by plain sockets.
    Plain,
    /// Sockets with ranges of their own beside plain ones.
    TwoRanges,
    /// bind and UDP beside connect.
    ThreeRules,
    /// Destinations that another namespace has, too: one counter of the kernel serves both.
    SharedCounters,
}

const CASES: [Case; 6] = [
    Case {
        name: "usual range",
        args: "connect --destinations 3 --at 127.0.0.2 --netns-range 32768-60999",
        kind: Kind::Plain,
    },
    Case {
        name: "narrow range",
        args: "connect --destinations 2 --at 127.0.0.3 --netns-range 20000-23999",
        kind: Kind::Plain,
    },
    Case {
        name: "socket ranges beside plain sockets",
        args: "connect --at 127.0.0.4 --netns-range 30001-39999 --socket-range 31000-32999 \
               --beside connect",
        kind: Kind::TwoRanges,
    },
    Case {
        name: "bind and UDP beside connect",
        args: "connect --destinations 2 --at 127.0.0.5 --netns-range 40000-49999 --beside bind,udp",
        kind: Kind::ThreeRules,
    },
    Case {
        name: "one of two with the same destinations",
        args: "connect --destinations 2 --at 127.0.0.6 --netns-range 50000-59999",
        kind: Kind::SharedCounters,
    },
    Case {
        name: "the other one",
        args: "connect --destinations 2 --at 127.0.0.6 --netns-range 32768-60999",
        kind: Kind::SharedCounters,
    },
];

impl Kind {
    /// Returns the possible names of a host.
    fn of_host(self) -> Result<&'static [Name]> {
        Ok(match self {
            Self::Plain => &[DOUBLE_HASH],
            Self::TwoRanges if steps_by_one()? => &[PER_DESTINATION, NOTHING],
            Self::TwoRanges | Self::SharedCounters => MAYBE_DOUBLE_HASH,
            Self::ThreeRules => &[("mixed", "mixed"), NOTHING],
        })
    }

    /// Returns the possible names of a destination of connects.
    fn of_destination(self, assignments: u64) -> Result<&'static [Name]> {
        Ok(match self {
            Self::TwoRanges if steps_by_one()? => &[PER_DESTINATION, NOTHING],
            Self::Plain | Self::ThreeRules if assignments >= BUSY => &[DOUBLE_HASH],
            _ => MAYBE_DOUBLE_HASH,
        })
    }
}

/// The fields of the final summary that the test reads.
#[derive(Debug, Deserialize)]
struct Summary {
    verdict: Verdict,
    origins: Vec<Origin>,
    hosts: Hosts,
    destinations: Vec<Destination>,
}

#[derive(Debug, Deserialize)]
struct Hosts {
    busiest: Vec<Host>,
}

#[derive(Debug, Deserialize)]
struct Host {
    netns: Option<u64>,
    #[serde(flatten)]
    verdict: Verdict,
}

#[derive(Debug, Deserialize)]
struct Origin {
    origin: String,
    #[serde(flatten)]
    verdict: Verdict,
}

#[derive(Debug, Deserialize)]
struct Destination {
    netns: Option<u64>,
    origin: Option<String>,
    assignments: u64,
    #[serde(flatten)]
    verdict: Verdict,
}

#[derive(Debug, Deserialize)]
struct Verdict {
    pattern: String,
    algorithm: String,
    #[expect(dead_code, reason = "for whoever reads why a test failed")]
    evidence: Vec<String>,
}

fn each_namespace_and_each_rule_is_called_what_it_is(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, hook, &[])?;
    let seconds = setup::live_seconds()?;
    let (times, seconds) = ((seconds * A_SECOND).to_string(), seconds.to_string());
    let start = |case: &Case| {
        let words = ["pattern", "--times", &times, "--seconds", &seconds];
        let args: Vec<&str> = words.into_iter().chain(case.args.split_whitespace()).collect();
        Assign::start(&scratch, &args)
    };
    let running = CASES.iter().map(start).collect::<Result<Vec<_>>>()?;
    let logs = assign::outputs(running)?;
    let trace = tracer.stop()?;
    trace.complete()?;
    let last = trace.text.lines().last().context("no summary")?;
    let summary: Summary = serde_json::from_str(last).context("reading the summary")?;
    let mut cases = Vec::new();
    for (case, log) in CASES.iter().zip(&logs) {
        if log.contains("\"skipped\"") {
            say(&format!("{}: {}", case.name, log.trim_end()));
            continue;
        }
        let connects = log.lines().filter(|line| line.contains("\"way\"")).collect::<Vec<_>>();
        let netns = assign::read(&connects.join("\n"))?.first().context("no connect")?.netns;
        cases.push((case, netns));
    }
    let wrong =
        [of_hosts(&summary, &cases), of_origins(&summary), of_destinations(&summary, &cases)];
    let wrong: Vec<String> =
        wrong.into_iter().filter_map(|one| Some(format!("{:#}", one.err()?))).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Several hosts with patterns of their own have none together.
    let Verdict { pattern, .. } = &summary.verdict;
    ensure!([UNDETERMINED, "mixed"].contains(&&**pattern), "{:?}", summary.verdict);
    Ok(())
}

fn of_hosts(summary: &Summary, cases: &[(&Case, u64)]) -> Result<()> {
    for (case, netns) in cases {
        let host = summary.hosts.busiest.iter().find(|host| host.netns == Some(*netns));
        let verdict = &host.with_context(|| format!("{} is no host", case.name))?.verdict;
        say(&format!("{}: {} {}", case.name, verdict.pattern, verdict.algorithm));
        one_of(case.kind.of_host()?, verdict).context(case.name)?;
    }
    Ok(())
}

fn one_of(allowed: &[Name], verdict: &Verdict) -> Result<()> {
    let said = (&*verdict.algorithm, &*verdict.pattern);
    ensure!(allowed.contains(&said), "not {allowed:?} but {verdict:?}");
    Ok(())
}

/// Over all hosts: a rule that one host hides may be withheld, but no rule may be wrong.
fn of_origins(summary: &Summary) -> Result<()> {
    for Origin { origin, verdict } in &summary.origins {
        let expected = match &**origin {
            "connect, socket range" if steps_by_one()? => SOCKET_RANGE,
            "connect" | "connect, socket range" => DOUBLE_HASH,
            "bind" => RANDOM_ODD,
            "udp" => RANDOM_UNIFORM,
            _ => continue,
        };
        say(&format!("{origin}: {} {}", verdict.pattern, verdict.algorithm));
        let is_random = expected.1 == "random";
        let allowed = [expected, (UNDETERMINED, expected.1), NOTHING];
        one_of(&allowed[..if is_random { 1 } else { 3 }], verdict).context(origin.clone())?;
    }
    Ok(())
}

fn of_destinations(summary: &Summary, cases: &[(&Case, u64)]) -> Result<()> {
    for Destination { netns, origin, assignments, verdict } in &summary.destinations {
        let case = cases.iter().find(|(_, of_case)| Some(*of_case) == *netns);
        let Some((case, _)) = case.filter(|_| origin.as_deref() == Some("connect")) else {
            continue;
        };
        one_of(case.kind.of_destination(*assignments)?, verdict)
            .with_context(|| format!("{}: {assignments} to a destination", case.name))?;
    }
    Ok(())
}

/// Returns true if a socket's own range makes the search step by one.
fn steps_by_one() -> Result<bool> {
    Ok(setup::kernel()? >= (6, 8))
}
