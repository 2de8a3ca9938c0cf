//! The kernel memory that ephtrace reports agrees with the kernel's accounting.

use std::{collections::BTreeMap, fs};

use anyhow::{Context as _, Result, ensure};
use nix::unistd::Pid;

use crate::{
    notes::say,
    setup::{self, Scratch},
    skip::skip,
    tracer::Tracer,
};

tests! {
    first_hook: memory_is_what_the_kernel_says;
}

/// Tolerance in percent: the kernel rounds up to pages.
const TOLERANCE: u64 = 5;

fn memory_is_what_the_kernel_says(hook: &str) -> Result<()> {
    if setup::kernel()? < (6, 4) {
        return skip("the kernel only estimates what maps take before 6.4");
    }
    let scratch = Scratch::new()?;
    let tracer = Tracer::start(&scratch, hook, &[])?;
    let kernel = map_bytes(tracer.pid())?;
    let trace = tracer.stop()?;
    let told = trace.complete()?.kernel.map_bytes;
    say(&format!("hook {hook}: {told} bytes told, {kernel} by the kernel's account"));
    ensure!(told.abs_diff(kernel) * 100 <= kernel * TOLERANCE, "{told}, but the kernel: {kernel}");
    let doctor = &setup::doctor()?["kernel_memory"];
    let most = doctor["trace_bytes"].as_u64().with_context(|| format!("doctor: {doctor}"))?;
    ensure!(told <= most, "{told}, but doctor says at most {most}");
    Ok(())
}

/// Returns the memory of all maps of a process, from the kernel's information about its file
/// descriptors.
fn map_bytes(pid: Pid) -> Result<u64> {
    let mut maps = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let text = fs::read_to_string(entry?.path())?;
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix(name))?;
            value.trim().parse::<u64>().ok()
        };
        if let Some((id, bytes)) = field("map_id:").zip(field("memlock:")) {
            maps.insert(id, bytes);
        }
    }
    ensure!(maps.len() > 10, "not all maps: {maps:?}");
    Ok(maps.values().sum())
}
