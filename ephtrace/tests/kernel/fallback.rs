//! `--hook auto`: where a hook can't be attached, the next one is.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};

use crate::{
    mounts::{hide, on_a_thread, own_mounts, unmount_all},
    setup::{self, Scratch},
    tracer::{Trace, Tracer},
};

tests! {
    once: auto_takes_the_next_hook_where_one_can_not_be_attached;
}

/// Hooks in the order of `auto`.
const HOOKS: [&str; 3] = ["fentry", "kprobe", "sock_ops"];

/// Takes away from this thread what a hook can't do without.
fn take_away(hook: &str) -> Result<()> {
    match hook {
        // aya reads the kernel's types there; the other hooks take a copy of them.
        "fentry" => hide("/sys/kernel/btf"),
        "kprobe" => hide("/sys/bus/event_source/devices"),
        _ => unmount_all("cgroup2"),
    }
}

fn auto_takes_the_next_hook_where_one_can_not_be_attached() -> Result<()> {
    let scratch = Scratch::new()?;
    let btf = scratch.file("btf");
    fs::copy("/sys/kernel/btf/vmlinux", &btf).context("copying the kernel's types")?;
    let works = setup::working_hooks()?;
    on_a_thread(|| {
        own_mounts()?;
        for (taken, hook) in HOOKS.iter().enumerate() {
            let left = &HOOKS[taken..];
            let expected = left.iter().find(|hook| works.iter().any(|one| one == *hook));
            judge(&run(&scratch, &btf)?, expected.copied())
                .with_context(|| format!("{left:?} are left"))?;
            take_away(hook).with_context(|| format!("taking {hook} away"))?;
        }
        judge(&run(&scratch, &btf)?, None).context("none is left")
    })
}

fn run(scratch: &Scratch, btf: &Path) -> Result<Trace> {
    let btf = btf.display().to_string();
    let args = ["--btf", &btf, "--origin", "connect", "--duration", "100ms", "-v"];
    Tracer::spawn(scratch, "auto", &args)?.wait()
}

/// The hook is the expected one, and each before it has its reason; without any, all of them.
fn judge(trace: &Trace, expected: Option<&str>) -> Result<()> {
    let said = &trace.stderr;
    let passed_over = HOOKS.iter().take_while(|hook| Some(**hook) != expected);
    let Some(expected) = expected else {
        ensure!(trace.status.code() == Some(1), "{}\n{said}", trace.status);
        ensure!(said.contains("no hook can be used here:"), "{said}");
        for hook in passed_over {
            let has_reason = said.lines().any(|line| {
                line.trim().strip_prefix(hook).is_some_and(|rest| rest.starts_with(": "))
            });
            ensure!(has_reason, "no reason for {hook}:\n{said}");
        }
        return Ok(());
    };
    ensure!(trace.status.success(), "{}\n{said}", trace.status);
    let used = trace.summary.as_ref().and_then(|summary| summary.hook.as_deref());
    ensure!(used == Some(expected), "{used:?} in place of {expected}:\n{said}");
    ensure!(said.contains(&format!("tracing with hook {expected}")), "{said}");
    let told = "`ephtrace doctor` says why no better hook";
    ensure!(said.contains(told) == (expected != HOOKS[0]), "{said}");
    for hook in passed_over {
        let reason = format!("hook {hook} can't be used: ");
        ensure!(said.contains(&reason), "no {reason:?}:\n{said}");
    }
    Ok(())
}
