//! MPTCP: a subflow that the kernel adds belongs to the process that connected.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{
    assign::Assign,
    compare::compare,
    setup::{self, Scratch},
    skip::skip,
    tracer::Tracer,
};

tests! {
    each_function_hook: a_subflow_that_joins_has_its_owner;
}

/// First kernel whose subflows give their ports.
const SINCE: (u32, u32) = (5, 16);

fn a_subflow_that_joins_has_its_owner(hook: &str) -> Result<()> {
    if !Path::new("/proc/sys/net/mptcp").exists() || setup::kernel()? < SINCE {
        return skip("this kernel has no MPTCP that tells of its subflows");
    }
    for by_name in [false, true] {
        let scratch = Scratch::new()?;
        let times = setup::times()?.to_string();
        let args = ["ways", "--wait", "--times", &times, "--only", "mptcp_join"];
        let assign = Assign::start(&scratch, &args)?;
        let name = assign.name().to_owned();
        let filter: &[&str] = if by_name { &["-c", &name] } else { &[] };
        let tracer = Tracer::start(&scratch, hook, filter)?;
        let truth = assign.truth()?;
        let trace = tracer.stop()?;
        trace.complete()?;
        compare(&truth, &trace, |_| true)?;
        let joined = truth.iter().filter(|a| a.origin == "bind").count() as u64;
        ensure!(joined == setup::times()?, "{joined} subflows joined");
        ensure!(
            !by_name || trace.events.len() == truth.len(),
            "others passed the filter: {:?}",
            trace.events
        );
    }
    Ok(())
}
