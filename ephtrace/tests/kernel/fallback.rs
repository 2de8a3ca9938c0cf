//! `--hook auto` attaches the next hook if one can't be attached.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, unshare};

use crate::{
    mounts::{hide, mount_points, on_a_thread, own_mounts, unmount_all},
    setup::{self, Scratch},
    skip::skip,
    tracer::{Trace, Tracer},
};

tests! {
    once: auto_takes_the_next_hook_where_one_can_not_be_attached,
        cgroups_that_are_not_mounted_are_used;
}

/// Hooks in the order of `auto`.
const HOOKS: [&str; 3] = ["fentry", "kprobe", "sock_ops"];

/// Takes away from this thread what a hook can't do without.
fn take_away(hook: &str) -> Result<()> {
    match hook {
        // aya reads the kernel's types there; the other hooks use a copy of them.
        "fentry" => hide("/sys/kernel/btf"),
        "kprobe" => hide("/sys/bus/event_source/devices"),
        _ => hide_the_root_cgroup(),
    }
}

/// Hides all cgroups but one from this thread, as in a container.
fn hide_the_root_cgroup() -> Result<()> {
    let root = mount_points("cgroup2")?.into_iter().next().context("no cgroup v2")?;
    let cgroup = root.join(format!("ephtrace-test-{}", std::process::id()));
    fs::create_dir(&cgroup)?;
    // 0 stands for the process that writes.
    fs::write(cgroup.join("cgroup.procs"), "0")?;
    let alone = unshare(CloneFlags::CLONE_NEWCGROUP);
    fs::write(root.join("cgroup.procs"), "0")?;
    fs::remove_dir(&cgroup)?;
    alone.context("making a cgroup namespace")?;
    unmount_all("cgroup2")?;
    // ephtrace would use the mounts of process 1.
    hide("/proc/1")
}

/// `ip netns exec` mounts /sys anew, without them.
fn cgroups_that_are_not_mounted_are_used() -> Result<()> {
    if !setup::working_hooks()?.iter().any(|hook| hook == "sock_ops") {
        return skip("hook sock_ops does not work here anyway");
    }
    let scratch = Scratch::new()?;
    on_a_thread(|| {
        own_mounts()?;
        unmount_all("cgroup2")?;
        // Only a mount of ephtrace's own is left.
        hide("/proc/1")?;
        let tracer = Tracer::start(&scratch, "sock_ops", &["--origin", "connect"])?;
        let server = TcpListener::bind("127.0.0.1:0")?;
        let client = TcpStream::connect(server.local_addr()?)?;
        let trace = tracer.stop()?;
        let port = client.local_addr()?.port();
        trace.complete()?;
        ensure!(trace.events.iter().any(|e| e.sport == Some(port)), "{port} was not seen");
        Ok(())
    })
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

/// Checks that the hook is the expected one and that each hook before it has its reason; if none is
/// expected, all hooks have one.
fn judge(trace: &Trace, expected: Option<&str>) -> Result<()> {
    let said = &trace.stderr;
    let passed_over = HOOKS.iter().take_while(|hook| Some(**hook) != expected);
    let Some(expected) = expected else {
        ensure!(trace.status.code() == Some(1), "{}\n{said}", trace.status);
        ensure!(said.contains("no hook works here:"), "{said}");
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
    let told = "`ephtrace doctor` explains why no better hook works";
    ensure!(said.contains(told) == (expected != HOOKS[0]), "{said}");
    for hook in passed_over {
        let reason = format!("can't use hook {hook}: ");
        ensure!(said.contains(&reason), "no {reason:?}:\n{said}");
    }
    Ok(())
}
