//! `ephtrace doctor`: its text agrees with its data, and both with what ephtrace then does.

use std::{
    net::TcpListener, os::fd::AsRawFd as _, os::unix::process::CommandExt as _, path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use nix::errno::Errno;
use serde_json::Value;

use crate::{
    setup::{self, Scratch},
    tracer::Tracer,
};

tests! {
    once: doctor_agrees_with_auto, each_hook_that_works_can_be_named,
        text_and_data_say_the_same, without_rights_hooks_are_unknown,
        port_selection_is_what_the_kernel_does, each_hook_that_works_proves_itself;
}

/// A user without rights.
const NOBODY: u32 = 65_534;

fn doctor_agrees_with_auto() -> Result<()> {
    let scratch = Scratch::new()?;
    let report = setup::doctor()?;
    let trace = Tracer::start(&scratch, "auto", &[])?.stop()?;
    let used = trace.complete()?.hook.clone();
    ensure!(report["auto"].as_str() == used.as_deref(), "auto took {used:?}, but\n{report:#}");
    Ok(())
}

/// Checks options and settings that the kernel takes; `patterns` judges its rule of connect.
fn port_selection_is_what_the_kernel_does() -> Result<()> {
    let report = setup::doctor()?;
    let selection = &report["port_selection"];
    let socket = TcpListener::bind("127.0.0.1:0")?;
    // The highest port, then the lowest one.
    let range: u32 = 0x4000_5000;
    // SAFETY: the socket is live, and the kernel reads the option as 32 bits.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            IP_LOCAL_PORT_RANGE,
            (&raw const range).cast(),
            4,
        )
    };
    // Kernels that know the option refuse a range that ends before it begins.
    let is_known = set == -1 && Errno::last() == Errno::EINVAL;
    ensure!(selection["socket_range"].is_string() == is_known, "{set}: {selection}");
    let width = Path::new("/proc/sys/net/ipv4/ip_local_port_step_width").exists();
    ensure!(selection["has_step_width"] == width, "{selection}");
    // All kernels that these tests run on select ports this way.
    ensure!(selection["connect"] == "linux_dhash64k", "{selection}");
    Ok(())
}

/// `IP_LOCAL_PORT_RANGE` (linux/in.h).
const IP_LOCAL_PORT_RANGE: libc::c_int = 51;

fn each_hook_that_works_proves_itself() -> Result<()> {
    let output = Command::new(setup::ephtrace()).args(["doctor", "--json", "--probe"]).output()?;
    let report: Value = serde_json::from_slice(&output.stdout)?;
    for hook in hooks(&report)?.iter().filter(|hook| hook["available"] == true) {
        let tests = hook["tests"].as_array().context("no tests")?;
        let is = |test: &&Value, outcome: &str| test["outcome"] == outcome;
        let of_connect = tests.iter().find(|test| test["function"] == "__inet_hash_connect");
        ensure!(of_connect.is_some_and(|test| is(&test, "proven")), "connect: {hook}");
        ensure!(!tests.iter().any(|test| is(&test, "blind")), "blind: {hook}");
    }
    Ok(())
}

/// A hook that does not work is refused with the reason that doctor gives.
fn each_hook_that_works_can_be_named() -> Result<()> {
    let scratch = Scratch::new()?;
    for hook in hooks(&setup::doctor()?)? {
        let name = text(&hook, "hook")?;
        let mut tracer = Tracer::spawn(&scratch, name, &["--origin", "connect"])?;
        if hook["available"] == true {
            tracer.wait_attached()?;
            let used = tracer.stop()?.complete()?.hook.clone();
            ensure!(used.as_deref() == Some(name), "{name} was named, {used:?} used");
            continue;
        }
        let trace = tracer.wait()?;
        let reason = text(&hook, "reason")?;
        ensure!(trace.status.code() == Some(1), "{name}: {}\n{}", trace.status, trace.stderr);
        ensure!(trace.stderr.contains(reason), "{name}: not {reason:?}:\n{}", trace.stderr);
    }
    Ok(())
}

fn hooks(report: &Value) -> Result<Vec<Value>> {
    report["hooks"].as_array().cloned().with_context(|| format!("no hooks: {report}"))
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value[key].as_str().with_context(|| format!("no {key} in {value}"))
}

fn text_and_data_say_the_same() -> Result<()> {
    let doctor = Command::new(setup::ephtrace()).arg("doctor").output()?;
    ensure!(doctor.status.success(), "{}", doctor.status);
    let said = String::from_utf8(doctor.stdout)?;
    let report = setup::doctor()?;
    let (version, kernel) = (text(&report, "version")?, text(&report, "kernel")?);
    let release = setup::release()?;
    ensure!(kernel == release, "{kernel} in place of {release}");
    let auto = text(&report, "auto")?;
    for line in [
        format!("ephtrace {version} on Linux {release}"),
        "rights     all (root)".to_owned(),
        format!("BTF        {}", text(&report, "btf")?),
        format!("cgroup v2  {}", report["cgroup2"].as_str().unwrap_or("not mounted")),
        format!("`ephtrace` uses the hook {auto}."),
    ] {
        ensure!(said.lines().any(|one| one == line), "no line {line:?}:\n{said}");
    }
    for hook in hooks(&report)? {
        hook_is_said(&hook, &said).with_context(|| said.clone())?;
    }
    Ok(())
}

/// Checks the lines about a hook: whether it works, what it sees, and the reason if it doesn't.
fn hook_is_said(hook: &Value, said: &str) -> Result<()> {
    let name = text(hook, "hook")?;
    let works = hook["available"] == true;
    let head = format!("{name:<10} {:<8} ", if works { "yes" } else { "no" });
    let mut lines = said.lines().skip_while(|line| !line.starts_with(&head));
    ensure!(lines.next().is_some(), "no line {head:?}");
    let details: Vec<&str> =
        lines.take_while(|line| line.starts_with(' ')).map(str::trim).collect();
    let origins = hook["origins"].as_array().context("no origins")?;
    let of = |seen: bool| {
        let wanted = origins.iter().filter(|o| (o["is_seen"] != false) == seen);
        wanted.filter_map(|o| o["origin"].as_str()).collect::<Vec<_>>().join(", ")
    };
    let reason = hook["reason"].as_str();
    ensure!(works == reason.is_none(), "{name}: {reason:?}");
    let mut wanted = vec![format!("gives: {}", text(hook, "gives")?)];
    wanted.push(match reason {
        Some(reason) => format!("why: {reason}"),
        None => format!("needs: {}", text(hook, "needs")?),
    });
    wanted.extend(works.then(|| format!("sees: {}", of(true))));
    let unseen = of(false);
    wanted.extend((works && !unseen.is_empty()).then(|| format!("does not see: {unseen}")));
    for line in wanted {
        ensure!(details.contains(&line.as_str()), "{name}: no line {line:?} in {details:?}");
    }
    Ok(())
}

fn without_rights_hooks_are_unknown() -> Result<()> {
    let scratch = Scratch::new()?;
    let ephtrace = scratch.program(&setup::ephtrace(), "ephtrace")?;
    let doctor = Command::new(ephtrace).arg("doctor").uid(NOBODY).gid(NOBODY).output()?;
    let said = String::from_utf8(doctor.stdout)?;
    // Not 0, because tracing can't be judged without these rights.
    ensure!(doctor.status.code() == Some(1), "{}\n{said}", doctor.status);
    let rights = "rights     CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN missing; run `sudo ephtrace`";
    ensure!(said.lines().any(|line| line == rights), "{said}");
    ensure!(said.contains("Run `sudo ephtrace doctor` to test the hooks."), "{said}");
    ensure!(!said.contains(" yes "), "a hook works without rights:\n{said}");
    Ok(())
}
