//! Compares `tried`, `pass` and `first_candidate` with lengths that are known beforehand, that the
//! kernel counts itself, or that follow from a walk over the range.
//!
//! The count is that of a kprobe event (see `search` of `assign`). If connections to the same
//! destination hold ports, each refused candidate is one call of `__inet_check_established`, on
//! every kernel; the free candidate has no bucket and costs no call.

use std::{collections::VecDeque, fs, net::TcpStream};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    assign::{Assign, Attempt},
    compare::compare_events,
    notes::say,
    setup::Scratch,
    skip::skip,
    tracer::{CONNECT_ONLY, Event, Trace, Tracer},
};

tests! {
    each_hook: each_search_is_as_long_as_told;
}

/// One search: the attempt, the reported event, and the calls that the kernel counted in it.
pub(crate) struct Search<'a> {
    pub(crate) attempt: &'a Attempt,
    pub(crate) event: &'a Event,
    pub(crate) refused: Option<u64>,
}

impl Search<'_> {
    /// Returns the range, which every connect has.
    fn range(&self) -> (u16, u16) {
        self.attempt.range.unwrap_or_default()
    }

    /// Returns the number of ports in the range, less the one that an odd range leaves out.
    pub(crate) fn ports(&self) -> u32 {
        let (low, high) = self.range();
        let ports = u32::from(high - low) + 1;
        if ports > 1 { ports & !1 } else { ports }
    }

    fn tried(&self) -> Result<u32> {
        self.event.tried.context("`tried` is null")
    }

    fn says(&self, tried: u32, pass: Option<&str>) -> Result<()> {
        ensure!(self.tried()? == tried, "{tried} were tried");
        ensure!(self.event.pass.as_deref() == pass, "the pass was {pass:?}");
        Ok(())
    }

    /// Checks that the kernel refused one candidate less than it tried, or all of them.
    fn agrees_with_the_count(&self) -> Result<()> {
        let Some(refused) = self.refused else { return Ok(()) };
        let found = u64::from(self.attempt.errno == 0);
        ensure!(u64::from(self.tried()?) == refused + found, "the kernel refused {refused}");
        Ok(())
    }
}

/// Condition that a search must meet.
type Check = fn(&Search<'_>) -> Result<()>;

/// Arguments of `assign search`, the number of its searches that must fail, and the condition.
struct Case {
    args: &'static str,
    failures: usize,
    check: Check,
}

const fn case(args: &'static str, failures: usize, check: Check) -> Case {
    Case { args, failures, check }
}

const CASES: [Case; 16] = [
    case("--way idle", 0, at_once),
    case("--way idle_ipv6 --to ipv6", 0, at_once),
    case("--way idle_mapped --to mapped", 0, at_once),
    case("--way half_held --range 40000-40099 --hold connect", 0, other_parity),
    case("--way half_held_ipv6 --range 40000-40099 --hold connect --to ipv6", 0, other_parity),
    // The search prefers the parity of the range's low end.
    case("--way half_held_odd_low --range 40001-40020 --hold connect", 0, other_parity),
    case("--way half_bound --range 40000-40099 --hold bind", 0, other_parity_uncounted),
    case("--way filled --range 40000-40099 --attempts 105 --keep", 5, counted),
    case("--way filled_ipv6 --range 40000-40059 --attempts 62 --keep --to ipv6", 2, counted),
    case("--way filled_mapped --range 40000-40019 --attempts 22 --keep --to mapped", 2, counted),
    case("--way one_port --range 40000-40000 --attempts 3 --keep", 2, counted),
    case("--way two_ports --range 40000-40001 --attempts 4 --keep", 2, counted),
    case("--way past_half --range 40000-40999 --hold connect --attempts 20 --keep", 0, past_half),
    case(RESERVED_SOME, 0, reserved_some),
    case(RESERVED_LOW, 0, other_parity_uncounted),
    // The start of the searches decides if one of the 21 ports is left out.
    case("--way odd_range --range 40000-40020 --attempts 25 --keep", usize::MAX, counted),
];

/// Several threads, one destination.
const RACE: &str = "--way race --range 40000-40299 --threads 4 --attempts 60 --keep";

/// Maximum number of its 240 searches whose end a return probe may miss.
const MOST_MISSED: u64 = 24;

/// Holes of both parities, adjacent and alone.
const RESERVED: [(u16, u16); 4] =
    [(40_003, 40_003), (40_010, 40_029), (40_050, 40_050), (40_096, 40_098)];
const RESERVED_SOME: &str = "--way reserved --range 40000-40099 --attempts 60 --keep \
    --reserved 40003,40010-40029,40050,40096-40098";
const RESERVED_LOW: &str = "--way reserved_half --range 40000-40019 --reserved \
    40000,40002,40004,40006,40008,40010,40012,40014,40016,40018";

fn each_search_is_as_long_as_told(hook: &str) -> Result<()> {
    fill_the_table();
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
    // A hook that reports no searches needs only a few cases.
    let cases = if hook == "sock_ops" { &CASES[..2] } else { &CASES[..] };
    let truths = cases.iter().map(|case| search(&scratch, case.args));
    let mut truths = truths.collect::<Result<Vec<_>>>()?;
    truths.push(search(&scratch, RACE)?);
    nothing_is_left_behind()?;
    let trace = tracer.stop()?;
    let left_out = left_out_in_races(&trace, hook)?;
    let wanted = |a: &Attempt| a.is_due() && trace.sees(a);
    compare_events(&truths.concat(), &trace.events, left_out, wanted)?;
    let used = trace.ended_well()?.hook.as_deref().context("no hook is named")?;
    ensure!(hook == "auto" || used == hook, "the hook was {used}");
    if used == "sock_ops" {
        return nothing_is_said(&trace);
    }
    let mut wrong = Vec::new();
    for (case, truth) in cases.iter().zip(&truths) {
        if let Err(e) = judge(case, truth, &trace, hook) {
            wrong.push(format!("{}: {e:#}", case.args));
        }
    }
    let race = truths.last().context("nothing was done")?;
    if let Err(e) = judge_race(race, &trace, hook) {
        wrong.push(format!("{RACE}: {e:#}"));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    if truths.iter().flatten().any(|attempt| attempt.calls.is_none()) {
        return skip("refused candidates are not counted; what is known without is as told");
    }
    Ok(())
}

/// On kernels that don't preempt their own code, a return probe follows as many calls at a time as
/// there are processors: of threads that sleep in the middle of a long search, some are missed, and
/// counted. No other loss is allowed, except those that always are.
fn left_out_in_races(trace: &Trace, hook: &str) -> Result<u64> {
    let losses = &trace.ended_well()?.losses;
    let (lost, missed): (u64, _) = (losses.values().sum(), losses.get("return_missed").copied());
    let are_due = hook == "kprobe" && missed == Some(lost) && lost <= MOST_MISSED;
    if lost == 0 || !are_due {
        trace.complete()?;
        return Ok(trace.left_out());
    }
    say(&format!("hook {hook}: the ends of {lost} searches were missed, and counted"));
    Ok(lost)
}

/// Makes the first search after boot, in which the kernel fills its table: such a search tells
/// nothing.
pub(crate) fn fill_the_table() {
    // Usually nobody listens there; the kernel searches for a port in any case.
    let _ = TcpStream::connect("127.0.0.1:9");
}

pub(crate) fn search(scratch: &Scratch, args: &str) -> Result<Vec<Attempt>> {
    let args: Vec<&str> = ["search"].into_iter().chain(args.split_whitespace()).collect();
    Assign::start(scratch, &args)?.truth()
}

/// Checks that `assign` has removed its kprobe events.
fn nothing_is_left_behind() -> Result<()> {
    let events = fs::read_to_string("/sys/kernel/tracing/kprobe_events").unwrap_or_default();
    ensure!(!events.contains("ephtrace_assign"), "left in the kernel:\n{events}");
    Ok(())
}

/// Checks that a hook that can't see the search says nothing about it.
fn nothing_is_said(trace: &Trace) -> Result<()> {
    let said = |e: &&Event| e.tried.is_some() || e.first_candidate.is_some() || e.pass.is_some();
    let said = trace.events.iter().find(said);
    ensure!(said.is_none(), "this hook cannot know: {said:?}");
    Ok(())
}

/// A kernel without kprobes for ephtrace has none for `assign` either.
fn not_counted(hook: &str) -> Result<()> {
    ensure!(hook != "kprobe", "refused candidates are not counted, though there are kprobes");
    Ok(())
}

fn judge(case: &Case, truth: &[Attempt], trace: &Trace, hook: &str) -> Result<()> {
    if truth.iter().any(|a| a.calls.is_none()) {
        not_counted(hook)?;
    }
    let failures = truth.iter().filter(|a| a.errno == libc::EADDRNOTAVAIL).count();
    ensure!(
        case.failures == usize::MAX || case.failures == failures,
        "{failures} connects failed, not {}",
        case.failures
    );
    for search in &searches(truth, trace)? {
        // Connects that only hold ports go to the same destination, too.
        let check = if search.attempt.way == "hold" { counted } else { case.check };
        check(search).with_context(|| {
            format!("{:?}\n{:?}\nrefused: {:?}", search.attempt, search.event, search.refused)
        })?;
    }
    Ok(())
}

/// If threads use one word of the kernel's table at once, a length is right or missing: no more
/// candidates were refused than the kernel counted, and no fewer if all lengths are known.
fn judge_race(truth: &[Attempt], trace: &Trace, hook: &str) -> Result<()> {
    let pid = truth.first().map(|a| a.pid);
    let events: Vec<&Event> = trace.events.iter().filter(|e| e.pid == pid).collect();
    let unknown = events.iter().filter(|e| e.tried.is_none()).count();
    say(&format!("hook {hook}: {unknown} of {} racing searches unknown", events.len()));
    for event in events.iter().filter(|e| e.tried.is_some()) {
        // All ports are kept, so that each occurs once.
        let attempt = truth.iter().find(|a| a.sport == event.sport).context("an unknown port")?;
        walked(&Search { attempt, event, refused: None })
            .with_context(|| format!("{attempt:?}\n{event:?}"))?;
    }
    let Some(counted) = truth.iter().filter_map(|a| a.calls).max() else {
        return not_counted(hook);
    };
    let told: u64 = events.iter().filter_map(|e| e.tried).map(|n| u64::from(n) - 1).sum();
    ensure!(told <= counted, "{told} refused candidates are told, the kernel counted {counted}");
    let are_all_told = unknown == 0 && events.len() == truth.len();
    ensure!(!are_all_told || told == counted, "of {counted} refused candidates {told} are told");
    Ok(())
}

/// Returns the searches of one thread, in order, without those that the tracer is known to have
/// left out.
pub(crate) fn searches<'a>(truth: &'a [Attempt], trace: &'a Trace) -> Result<Vec<Search<'a>>> {
    let pid = truth.first().map(|a| a.pid);
    let mut events: VecDeque<&Event> = trace.events.iter().filter(|e| e.pid == pid).collect();
    let mut searches = Vec::new();
    let (mut before, mut missed) = (0, 0);
    for attempt in truth {
        let refused = attempt.calls.map(|calls| calls - before);
        before = attempt.calls.unwrap_or(0);
        match events.pop_front_if(|event| event.sport == attempt.sport) {
            Some(event) => searches.push(Search { attempt, event, refused }),
            None => missed += 1,
        }
    }
    ensure!(missed <= trace.left_out() && events.is_empty(), "{missed} are missing");
    Ok(searches)
}

/// Checks that the first candidate was free.
fn at_once(search: &Search<'_>) -> Result<()> {
    search.says(1, Some("first"))?;
    ensure!(search.event.first_candidate == search.event.sport, "it began elsewhere");
    search.agrees_with_the_count()
}

/// Checks that all candidates of the preferred parity were refused, and that the first one of the
/// other parity was free.
fn other_parity(search: &Search<'_>) -> Result<()> {
    other_parity_uncounted(search)?;
    search.agrees_with_the_count()
}

/// Checks the other parity if candidates are refused without a closer look.
fn other_parity_uncounted(search: &Search<'_>) -> Result<()> {
    search.says(search.ports() / 2 + 1, Some("second"))?;
    let after_first = search.event.first_candidate.map(|port| port + 1);
    ensure!(after_first == search.event.sport, "the other half begins after the first candidate");
    Ok(())
}

/// Checks the length against the kernel's count; a failed search must have tried all ports.
fn counted(search: &Search<'_>) -> Result<()> {
    if search.attempt.errno != 0 {
        search.says(search.ports(), None)?;
    } else {
        walked(search)?;
    }
    search.agrees_with_the_count()
}

/// Checks that the search went past half of the range, which comes first.
fn past_half(search: &Search<'_>) -> Result<()> {
    let half = search.ports() / 2;
    ensure!(search.tried()? > half, "half of the range, {half} ports, was taken");
    walked(search)?;
    search.agrees_with_the_count()
}

fn reserved_some(search: &Search<'_>) -> Result<()> {
    let Some(port) = search.attempt.sport else { bail!("there are free ports") };
    ensure!(!is_reserved(port), "a reserved port was assigned");
    walked(search)?;
    // Reserved candidates are tried, but never looked at closely.
    let passed_by = candidates(search)?.filter(|&port| is_reserved(port)).count() as u64;
    let Some(refused) = search.refused else { return Ok(()) };
    let tried = u64::from(search.tried()?);
    ensure!(tried == refused + passed_by + 1, "{refused} were refused, {passed_by} reserved");
    Ok(())
}

/// Checks that the last of the `tried` candidates, from the first one on, is the port.
fn walked(search: &Search<'_>) -> Result<()> {
    let last = candidates(search)?.last();
    ensure!(last == search.attempt.sport, "the search ended at {last:?}");
    let (low, port) = (search.range().0, search.attempt.sport.unwrap_or(0));
    let pass = if (port - low) % 2 == 0 { "first" } else { "second" };
    ensure!(search.event.pass.as_deref() == Some(pass), "the pass was {pass}");
    Ok(())
}

/// Returns the candidates of a search, up to its reported length: by two from the first candidate,
/// past the high end back by the number of ports, then once more from the port after the first.
fn candidates(search: &Search<'_>) -> Result<impl Iterator<Item = u16>> {
    let first = u32::from(search.event.first_candidate.context("no first candidate")?);
    let (ports, high) = (search.ports(), u32::from(search.range().1));
    let per_pass = ports.div_ceil(2);
    let candidate = move |nth: u32| {
        let port = first + nth / per_pass + nth % per_pass * 2;
        u16::try_from(if port > high { port - ports } else { port }).unwrap_or(0)
    };
    Ok((0..search.tried()?).map(candidate))
}

fn is_reserved(port: u16) -> bool {
    RESERVED.iter().any(|&(from, to)| (from..=to).contains(&port))
}
