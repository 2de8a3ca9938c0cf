//! A kernel that hides the address of `table_perturb`: a hook on functions works, but the start and
//! length of searches can't be known, and ephtrace says so where the user looks.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    changed::Changed,
    setup::{self, Scratch},
    tracer::{CONNECT_ONLY, Tracer},
};

tests! {
    each_function_hook: a_hidden_table_is_told;
}

const RESTRICT: &str = "/proc/sys/kernel/kptr_restrict";

fn a_hidden_table_is_told(hook: &str) -> Result<()> {
    let _hidden = Changed::to(RESTRICT, "2")?;
    let scratch = Scratch::new()?;
    let mut tracer = Tracer::spawn(&scratch, hook, &CONNECT_ONLY)?;
    let line = tracer.wait_attached()?;
    tracer.stop()?;
    ensure!(line.contains("TRIED is unknown: the kernel hides the address"), "{line}");
    let output = Command::new(setup::ephtrace()).args(["doctor", "--json"]).output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    let hooks = report["hooks"].as_array().context("no hooks")?;
    let told = hooks.iter().find(|one| one["hook"] == hook).context("no such hook")?;
    ensure!(told["available"] == true, "{told}");
    let gives = told["gives"].as_str().unwrap_or_default();
    ensure!(
        gives.contains(
            "neither the first candidate nor the number of candidates tried: the kernel hides"
        ),
        "{told}"
    );
    Ok(())
}
