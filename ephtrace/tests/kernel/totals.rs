//! `ephtrace storm`: the totals of the kernel half equal the counts of the program.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::{
    assign::Assign,
    notes::say,
    setup::{self, Scratch},
    tracer::Tracer,
};

tests! {
    each_hook: totals_are_the_program_s_own, exhaustion_is_counted_and_found,
        what_finds_no_room_is_counted_too;
}

/// One line of `storm --json`.
#[derive(Clone, Debug, Deserialize)]
struct Look {
    #[serde(rename = "type")]
    kind: String,
    hook: String,
    all: Numbers,
    rows: Vec<Row>,
    other: Option<Numbers>,
    findings: Vec<Finding>,
    losses: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Row {
    pid: u32,
    dport: Option<u16>,
    #[serde(flatten)]
    numbers: Numbers,
}

#[derive(Clone, Debug, Deserialize)]
struct Numbers {
    assignments: u64,
    failures: u64,
    errors: Vec<ErrorCount>,
    searches_known: u64,
    tried_max: Option<u32>,
    latency: Option<Latency>,
}

#[derive(Clone, Debug, Deserialize)]
struct Latency {
    max_ns: u64,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
struct ErrorCount {
    error: Option<String>,
    count: u64,
}

#[derive(Clone, Debug, Deserialize)]
struct Finding {
    rule: String,
    evidence: Vec<String>,
}

/// All looks, and the whole at the end.
struct Looks {
    parts: Vec<Look>,
    whole: Look,
}

impl Looks {
    /// Runs `ephtrace storm` beside `assign`, which waits to be let go.
    fn beside(
        scratch: &Scratch,
        hook: &str,
        assign: Assign,
        more: &[&str],
    ) -> Result<(Self, String)> {
        let pid = assign.pid().to_string();
        let args = [&["-p", &pid, "--origin", "connect"], more].concat();
        let tracer = Tracer::start_storm(scratch, hook, &args)?;
        let output = assign.output()?;
        Ok((Self::read(&tracer.stop_text()?)?, output))
    }

    fn read(text: &str) -> Result<Self> {
        let looks = text.lines().map(serde_json::from_str).collect::<Result<Vec<Look>, _>>()?;
        let (whole, parts) = looks.split_last().context("no look at all")?;
        ensure!(whole.kind == "storm_total", "the last line is {whole:?}");
        ensure!(parts.iter().all(|look| look.kind == "storm"), "{parts:?}");
        let sum = |of: fn(&Numbers) -> u64| parts.iter().map(|look| of(&look.all)).sum::<u64>();
        // Assignments after the last look are only in the whole.
        ensure!(sum(|all| all.assignments) <= whole.all.assignments, "{text}");
        for look in &looks {
            look.adds_up()?;
        }
        Ok(Self { parts: parts.to_vec(), whole: whole.clone() })
    }
}

impl Look {
    fn adds_up(&self) -> Result<()> {
        let other = self.other.as_ref();
        let rows: u64 = self.rows.iter().map(|row| row.numbers.assignments).sum();
        let failed: u64 = self.rows.iter().map(|row| row.numbers.failures).sum();
        let errors: u64 = self.all.errors.iter().map(|one| one.count).sum();
        let others = other.map_or((0, 0), |other| (other.assignments, other.failures));
        ensure!(rows + others.0 == self.all.assignments, "{self:?}");
        let all = self.all.failures;
        ensure!(failed + others.1 == all && errors == all, "{self:?}");
        Ok(())
    }

    /// Returns the losses, of which there may be a few on preemptible kernels.
    fn lost(&self) -> Result<u64> {
        let lost: u64 = self.losses.values().sum();
        let allowed = if setup::kernel_preempts() { 2 + self.all.assignments / 100 } else { 0 };
        ensure!(lost <= allowed, "{:?}", self.losses);
        Ok(lost)
    }
}

fn totals_are_the_program_s_own(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let connects = setup::storm()?;
    let count = connects.to_string();
    let args = ["storm", "--wait", "--threads", "4", "--destinations", "3", "--connects", &count];
    let assign = Assign::start(&scratch, &args)?;
    let pid = assign.pid();
    let (looks, _) = Looks::beside(&scratch, hook, assign, &["0.2"])?;
    let Looks { parts, whole } = looks;
    ensure!(!parts.is_empty(), "no look in between");
    let lost = whole.lost()?;
    ensure!(whole.all.assignments + lost == connects, "{connects}, but {:?}", whole.all);
    ensure!((whole.all.failures, whole.other.is_none()) == (0, true), "{:?}", whole.all);
    ensure!(whole.rows.len() == 12, "12 destinations, but {:?}", whole.rows);
    ensure!(whole.rows.iter().all(|row| row.pid == pid && row.dport.is_some()), "{whole:?}");
    ensure!(
        whole.all.latency.as_ref().is_some_and(|latency| latency.max_ns > 0),
        "{:?}",
        whole.all
    );
    let known = whole.all.searches_known;
    say(&format!(
        "hook {hook}: {} looks, {known} of {connects} searches known, {lost} lost",
        parts.len()
    ));
    match whole.hook.as_str() {
        "sock_ops" => ensure!((known, whole.all.tried_max) == (0, None), "{:?}", whole.all),
        // Without KALLSYMS_ALL there is no table to read; all kernels of the matrix have it.
        _ => ensure!(known * 2 > connects && whole.all.tried_max >= Some(1), "{:?}", whole.all),
    }
    Ok(())
}

fn exhaustion_is_counted_and_found(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let args = ["exhaust", "--wait", "--range", "40000-40009", "--attempts", "25"];
    let assign = Assign::start(&scratch, &args)?;
    let (looks, _) = Looks::beside(&scratch, hook, assign, &["0.2"])?;
    let whole = looks.whole;
    let expected = vec![ErrorCount { error: Some("EADDRNOTAVAIL".to_owned()), count: 15 }];
    ensure!((whole.all.assignments, &whole.all.errors) == (25, &expected), "{:?}", whole.all);
    let found = whole.findings.iter().find(|finding| finding.rule == "exhausted");
    let found = found.with_context(|| format!("{:?}", whole.findings))?;
    ensure!(found.evidence[0].starts_with("15 of 25 assignments failed"), "{found:?}");
    Ok(())
}

/// Each connect goes to another destination; the kernel's map has no room for all of them.
fn what_finds_no_room_is_counted_too(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let connects = setup::storm()?.min(20_000);
    let count = connects.to_string();
    let args = ["storm", "--wait", "--spread", "--connects", &count];
    let assign = Assign::start(&scratch, &args)?;
    let (looks, _) = Looks::beside(&scratch, hook, assign, &["60", "--rows", "64"])?;
    let whole = looks.whole;
    let lost = whole.lost()?;
    ensure!(whole.all.assignments + lost == connects, "{connects}, but {:?}", whole.all);
    let other = whole.other.as_ref().context("no others")?;
    // Two pairs of maps, each with room for 64.
    ensure!(whole.rows.len() <= 128, "{} rows", whole.rows.len());
    ensure!(other.assignments + 128 + lost >= connects, "{other:?}");
    Ok(())
}
