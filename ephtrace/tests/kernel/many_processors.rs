//! A machine with many processors, each of which keeps a part of the shared resources: no search is
//! lost.

use anyhow::{Result, ensure};

use crate::{
    assign::Assign,
    notes::say,
    setup::{self, Scratch},
    skip::skip,
    tracer::Tracer,
};

tests! {
    first_hook: many_searches_at_once_on_many_processors_are_all_seen;
}

/// More processors than a workstation has; guests have two unless asked for more.
const MANY: usize = 64;

/// Number of tasks that search at the same time, fewer than the kernel half has places for.
const TASKS: u64 = 12_000;

fn many_searches_at_once_on_many_processors_are_all_seen(hook: &str) -> Result<()> {
    let processors = std::thread::available_parallelism()?.get();
    if processors < MANY {
        return skip(format!("this machine has {processors} processors, {MANY} are wanted"));
    }
    let scratch = Scratch::new()?;
    let crowd = Assign::start(&scratch, &["crowd", "--wait", "--threads", &TASKS.to_string()])?;
    let tracer = Tracer::start(&scratch, hook, &["-c", crowd.name(), "--origin", "connect"])?;
    let report = crowd.storm()?;
    let trace = tracer.stop()?;
    let summary = trace.ended_well()?;
    say(&format!("hook {hook}: {processors} processors, losses {:?}", summary.losses));
    ensure!(summary.losses.values().sum::<u64>() == 0, "losses: {:?}", summary.losses);
    ensure!(summary.assignments == report.connects, "{report:?}, but {summary:?}");
    ensure!(setup::kernel_preempts() || summary.kernel.emitted == report.connects, "{summary:?}");
    Ok(())
}
