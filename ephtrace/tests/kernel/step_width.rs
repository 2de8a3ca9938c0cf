//! `net.ipv4.ip_local_port_step_width` (Linux 7.1): a search walks by a random step of its own,
//! which nobody sees. The number of candidates is given if the search's trace in the kernel's table
//! reveals it; otherwise it is null with the reason. A wrong number is never given.

use anyhow::{Context as _, Result, ensure};

use crate::{
    notes::say,
    search::{Search, fill_the_table, search, searches},
    setup::{self, Scratch},
    skip::skip,
    tracer::{CONNECT_ONLY, Trace, Tracer},
};

tests! {
    each_function_hook: by_random_steps_no_length_is_told_wrong;
}

/// First kernel with the sysctl.
const SINCE: (u32, u32) = (7, 1);

/// Ranges that fill up, by steps of at most the given width, over both families; and a range of
/// which half is held, so that each search goes on to the other half.
const RUNS: [&str; 5] = [
    "--way step_one --range 40000-40099 --attempts 104 --keep --step-width 1",
    "--way step_some --range 40000-40099 --attempts 104 --keep --step-width 10",
    "--way step_many --range 40000-40199 --attempts 204 --keep --step-width 128",
    "--way step_ipv6 --range 40000-40099 --attempts 104 --keep --step-width 10 --to ipv6",
    "--way step_half --range 40000-40199 --hold connect --attempts 20 --keep --step-width 10",
];

fn by_random_steps_no_length_is_told_wrong(hook: &str) -> Result<()> {
    if setup::kernel()? < SINCE {
        return skip("searches don't step at random before Linux 7.1");
    }
    fill_the_table();
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
    let truths = RUNS.iter().map(|args| search(&scratch, args)).collect::<Result<Vec<_>>>()?;
    let trace = tracer.stop()?;
    trace.complete()?;
    for (args, truth) in RUNS.iter().zip(&truths) {
        let all = searches(truth, &trace).with_context(|| (*args).to_owned())?;
        judge(&all, &trace).with_context(|| format!("hook {hook}: {args}"))?;
    }
    Ok(())
}

fn judge(all: &[Search<'_>], trace: &Trace) -> Result<()> {
    let mut told = 0;
    for search in all {
        is_right_or_null(search).with_context(|| {
            format!("{:?}\n{:?}\nrefused: {:?}", search.attempt, search.event, search.refused)
        })?;
        told += usize::from(search.event.tried.is_some());
    }
    let hook = trace.summary.as_ref().and_then(|summary| summary.hook.clone());
    let way = all.last().map(|search| search.attempt.way.clone()).unwrap_or_default();
    say(&format!("hook {hook:?}: {way}: {told} of {} lengths told", all.len()));
    // The first search of an empty range succeeds at once, and the last ones of a full range fail.
    ensure!(told > 0, "no length is told");
    Ok(())
}

fn is_right_or_null(search: &Search<'_>) -> Result<()> {
    let Search { attempt, event, refused } = search;
    let Some(tried) = event.tried else {
        let why = event.search_unknown.as_deref();
        ensure!(why == Some("random_steps"), "no length, and the reason {why:?}");
        return Ok(());
    };
    ensure!(event.search_unknown.is_none(), "a length, and a reason why there is none");
    let found = u64::from(attempt.errno == 0);
    ensure!(found == 1 || tried == search.ports(), "a failed search tries all ports");
    let refused = refused.context("candidates that were refused are not counted")?;
    ensure!(u64::from(tried) == refused + found, "the kernel refused {refused}");
    Ok(())
}
