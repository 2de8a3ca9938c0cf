//! In a pid namespace, ephtrace reads and shows process ids of that namespace.

use std::{
    fs::File,
    io,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use crate::{
    assign::{Assign, Attempt},
    mounts::{on_a_thread, own_mounts},
    setup::Scratch,
    tracer::{CONNECT_ONLY, Event, Trace, Tracer, command},
};

tests! {
    each_hook: ids_are_those_of_the_pid_namespace, ids_are_those_that_proc_shows;
}

const CONNECTS: [&str; 6] = ["ways", "--wait", "--only", "ipv4", "--times", "3"];

/// Two programs connect, one in the namespace and one outside; ephtrace runs inside.
fn ids_are_those_of_the_pid_namespace(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let outside = Assign::start(&scratch, &CONNECTS)?;
    let (all_at, filtered_at) = (scratch.file("all"), scratch.file("filtered"));
    // A thread with such children can't start threads.
    let (first, inside, all, filtered) = on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWPID).context("making a pid namespace")?;
        // Process 1, which must stay alive, and process 2.
        let first = Assign::start(&scratch, &CONNECTS)?;
        let inside = Assign::start(&scratch, &CONNECTS)?;
        let all = start(own_proc(&mut tracing(hook, &[])), &all_at)?;
        let filtered = start(own_proc(&mut tracing(hook, &["-p", "2"])), &filtered_at)?;
        Ok((first, inside, all, filtered))
    })?;
    let (all, filtered) = (Tracer::of(all, all_at)?, Tracer::of(filtered, filtered_at)?);
    let (inside_pid, outside_pid) = (inside.pid(), outside.pid());
    let (inside, outside) = (inside.truth()?, outside.truth()?);
    let (all, filtered) = (all.stop()?, filtered.stop()?);
    ensure!(inside.len() == 3 && outside.len() == 3, "not three: {inside:?}, {outside:?}");
    for attempt in &inside {
        ensure!(attempt.pid == 2, "not the second one: {attempt:?}");
        let expected = (Some(2), Some(2), Some(inside_pid));
        for trace in [&all, &filtered] {
            ensure!(ids(trace, attempt)? == expected, "{attempt:?}: {:?}", ids(trace, attempt));
        }
    }
    for attempt in &outside {
        let seen = ids(&all, attempt)?;
        ensure!(seen == (None, None, Some(outside_pid)), "outside, {attempt:?}: {seen:?}");
    }
    ensure!(filtered.events.len() == 3, "-p 2 keeps {:?}", filtered.events);
    first.truth()?;
    Ok(())
}

/// In a pid namespace that still has the host's `/proc`, the ids are the host's.
fn ids_are_those_that_proc_shows(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let outside = Assign::start(&scratch, &CONNECTS)?;
    let (pid, output) = (outside.pid(), scratch.file("trace"));
    let tracer = on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWPID).context("making a pid namespace")?;
        start(&mut tracing(hook, &["-p", &pid.to_string()]), &output)
    })?;
    let tracer = Tracer::of(tracer, output)?;
    let truth = outside.truth()?;
    let trace = tracer.stop()?;
    ensure!(trace.events.len() == 3, "-p {pid} keeps {:?}", trace.events);
    for attempt in &truth {
        let seen = ids(&trace, attempt)?;
        ensure!(seen == (Some(pid), Some(pid), None), "{attempt:?}: {seen:?}");
    }
    Ok(())
}

/// Returns process, thread, and process on the host of the only event of an attempt, found by its
/// name.
fn ids(trace: &Trace, attempt: &Attempt) -> Result<(Option<u32>, Option<u32>, Option<u32>)> {
    let is_it =
        |event: &&Event| event.sport == attempt.sport && event.comm.as_ref() == Some(&attempt.comm);
    let found: Vec<_> = trace.events.iter().filter(is_it).collect();
    let [event] = found[..] else { bail!("{attempt:?} is seen {} times", found.len()) };
    Ok((event.pid, event.tid, event.host_pid))
}

fn tracing(hook: &str, args: &[&str]) -> Command {
    command(hook, &[&CONNECT_ONLY[..], args].concat())
}

fn start(command: &mut Command, output: &Path) -> Result<Child> {
    command.stdin(Stdio::null()).stderr(Stdio::piped()).stdout(File::create(output)?);
    command.spawn().with_context(|| format!("starting {command:?}"))
}

/// Lets the command see the `/proc` of its own pid namespace.
fn own_proc(command: &mut Command) -> &mut Command {
    let mount_proc = || -> Result<()> {
        own_mounts()?;
        mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>)?;
        Ok(())
    };
    // SAFETY: the closure only makes system calls; it allocates only if one of them fails.
    unsafe { command.pre_exec(move || mount_proc().map_err(io::Error::other)) }
}
