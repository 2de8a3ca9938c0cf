//! A kernel that hides the address of `table_perturb`: a hook on functions works, but where
//! searches began and how long they were can't be told, and that is said where the user looks.

use std::{fs, process::Command};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    setup::{self, Scratch},
    tracer::{CONNECT_ONLY, Tracer},
};

tests! {
    each_function_hook: a_hidden_table_is_told;
}

const RESTRICT: &str = "/proc/sys/kernel/kptr_restrict";

/// Addresses hidden from everybody, until it is dropped.
struct Hidden(String);

impl Hidden {
    fn new() -> Result<Self> {
        let before = fs::read_to_string(RESTRICT).context(RESTRICT)?;
        fs::write(RESTRICT, "2").context(RESTRICT)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // The tests of searches would fail by it.
        let _ = fs::write(RESTRICT, &self.0);
    }
}

fn a_hidden_table_is_told(hook: &str) -> Result<()> {
    let _hidden = Hidden::new()?;
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
    ensure!(gives.contains("no first candidate and no tried: the kernel hides"), "{told}");
    Ok(())
}
