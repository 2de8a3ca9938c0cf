//! An attached hook that sees nothing must never pass for one that works: ephtrace searches for a
//! port itself, and checks that the hook sees it.

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
};

use anyhow::{Result, ensure};

use crate::{
    changed::Changed,
    setup::{self, Scratch},
    skip::skip,
    tracer::{self, CONNECT_ONLY, Tracer, spawn},
};

tests! {
    each_function_hook: a_hook_that_never_runs_is_refused;
    once: the_next_hook_is_taken_and_the_reason_told;
    each_hook: own_searches_are_in_no_output, each_origin_alone_is_proven;
    first_hook: a_hook_that_goes_blind_is_told;
}

/// Setting that makes the kernel call the programs of traced functions.
const FTRACE: &str = "/proc/sys/kernel/ftrace_enabled";

fn a_hook_that_never_runs_is_refused(hook: &str) -> Result<()> {
    if !Path::new(FTRACE).exists() {
        return skip("this kernel has no function tracing to switch off");
    }
    let _off = Changed::to(FTRACE, "0")?;
    let output = tracer::command(hook, &["--duration", "1s"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{}: {said}", output.status);
    ensure!(said.contains("kernel.ftrace_enabled is 0"), "{said}");
    Ok(())
}

fn the_next_hook_is_taken_and_the_reason_told() -> Result<()> {
    if !Path::new(FTRACE).exists() || setup::used_hook("auto")? == "sock_ops" {
        return skip("no hook on functions works here anyway");
    }
    let _off = Changed::to(FTRACE, "0")?;
    let scratch = Scratch::new()?;
    let mut tracer = Tracer::spawn(&scratch, "auto", &["--origin", "connect", "-v"])?;
    let line = tracer.wait_attached()?;
    ensure!(line.contains("sock_ops"), "{line}");
    let server = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(server.local_addr()?)?;
    let trace = tracer.stop()?;
    let port = client.local_addr()?.port();
    ensure!(trace.events.iter().any(|event| event.sport == Some(port)), "{:?}", trace.events);
    ensure!(trace.stderr.contains("kernel.ftrace_enabled is 0"), "{}", trace.stderr);
    Ok(())
}

fn own_searches_are_in_no_output(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let origins = ["--origin", "connect,bind,listen,udp,explicit"];
    let tracer = Tracer::start(&scratch, hook, &origins)?;
    let pid = u32::try_from(tracer.pid().as_raw())?;
    let trace = tracer.stop()?;
    let summary = trace.complete()?;
    let own = trace.events.iter().filter(|event| event.pid == Some(pid)).count();
    let kernel = &summary.kernel;
    ensure!(own == 0, "{own} events of ephtrace's own");
    ensure!(kernel.seen == kernel.filtered + kernel.emitted, "{kernel:?}");
    Ok(())
}

/// The self-test uses another socket for each origin; other tests trace the remaining origins
/// alone.
fn each_origin_alone_is_proven(hook: &str) -> Result<()> {
    // Hook sock_ops does not see ping at all.
    let ping = if setup::used_hook(hook)? == "sock_ops" { None } else { Some("ping") };
    for origin in ["listen", "explicit"].into_iter().chain(ping) {
        let output = tracer::command(hook, &["--duration", "1ms", "--origin", origin]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "--origin {origin}: {}: {said}", output.status);
        ensure!(!said.contains("is not seen"), "--origin {origin}: {said}");
    }
    Ok(())
}

/// Returns true on Linux 5.10 with direct calls to programs, which are permanent users of ftrace.
fn is_busy(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<std::io::Error>();
    cause.and_then(std::io::Error::raw_os_error) == Some(libc::EBUSY)
}

/// A hook is tested again after a minute.
fn a_hook_that_goes_blind_is_told(hook: &str) -> Result<()> {
    if !Path::new(FTRACE).exists() || setup::used_hook(hook)? == "sock_ops" {
        return skip("only hooks on functions can be made blind at will");
    }
    let mut command = tracer::command(hook, &CONNECT_ONLY);
    command.stdout(std::process::Stdio::null());
    let (mut child, mut stderr) = spawn(&mut command)?;
    let told = stderr.wait_for("ephtrace: tracing").and_then(|_| {
        let _off = match Changed::to(FTRACE, "0") {
            Ok(off) => off,
            Err(error) if is_busy(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        stderr.wait_for("ephtrace: __inet_hash_connect is no longer seen").map(Some)
    });
    child.kill()?;
    child.wait()?;
    let Some(line) = told? else {
        return skip("this kernel refuses to switch function tracing off under a program");
    };
    ensure!(line.contains("kernel.ftrace_enabled is 0"), "{line}");
    Ok(())
}
