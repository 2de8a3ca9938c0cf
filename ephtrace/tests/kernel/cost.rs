//! Cost of ephtrace's programs: its own samples beside the kernel's continuous measurement.

use anyhow::{Result, ensure};

use crate::{
    assign::Assign,
    bpf,
    notes::say,
    setup::Scratch,
    skip::skip,
    tracer::{Cost, Tracer},
};

tests! {
    each_hook: the_cost_of_a_run_is_what_the_kernel_measures;
    first_hook: nothing_is_measured_on_request;
}

/// Maximum number of runs that end after ephtrace has read a window's numbers: those in the middle
/// of which the measurement ended.
const LATE: u64 = 8;

/// Maximum number of runs per search. With hook `sock_ops`, there is one for each state of either
/// end of a connection, twice where the kernel may skip one.
const MOST_RUNS: u64 = 40;

fn the_cost_of_a_run_is_what_the_kernel_measures(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    // The program runs for as long as needed: the first sample is taken when a trace begins.
    let args = ["pattern", "connect", "--times", "2000000", "--seconds", "1000"];
    let mut assign = Assign::start(&scratch, &args)?;
    assign.next(1)?;
    assign.discard()?;
    let pid = assign.pid().to_string();
    let before = bpf::programs()?;
    let tracer = Tracer::start(&scratch, hook, &["-p", &pid, "--origin", "connect"])?;
    let ours = &bpf::programs()? - &before;
    // Nobody but ephtrace makes the kernel measure, so both count the same windows.
    let (run_time_ns, runs) = bpf::once_measured(&ours)?;
    let trace = tracer.stop()?;
    let summary = trace.ended_well()?;
    let Some(cost) = &summary.kernel_cost else {
        return skip("no search began while the kernel measured: this machine is too slow");
    };
    let Cost { run_time_ns: told_ns, runs: told_runs, searches } = *cost;
    say(&format!("hook {hook}: {told_ns} ns in {told_runs} runs told, {run_time_ns} in {runs}"));
    ensure!(searches > 0 && searches <= summary.kernel.seen, "{searches} searches: {summary:?}");
    let is_possible = told_runs + LATE >= searches && told_runs <= (searches + LATE) * MOST_RUNS;
    ensure!(is_possible, "{told_runs} runs for {searches} searches");
    // A later window, which another look began, may add to what is told.
    ensure!(told_runs + LATE >= runs, "{told_runs} runs are told, {runs} measured");
    let is_same = told_runs != runs || told_ns == run_time_ns;
    ensure!(is_same, "{told_ns} ns are told of {runs} runs, {run_time_ns} measured");
    Ok(())
}

fn nothing_is_measured_on_request(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, hook, &["--origin", "connect", "--no-kernel-cost"])?;
    Assign::start(&scratch, &["storm", "--connects", "50"])?.output()?;
    let trace = tracer.stop()?;
    let summary = trace.ended_well()?;
    ensure!(summary.kernel.seen > 0, "nothing was traced: {summary:?}");
    ensure!(summary.kernel_cost.is_none(), "{:?}", summary.kernel_cost);
    Ok(())
}
