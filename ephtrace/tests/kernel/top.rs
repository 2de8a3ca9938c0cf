//! `ephtrace top` on a terminal of its own while ports are assigned.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use crate::{
    assign::Assign,
    setup::{self, Scratch},
    terminal::OnTerminal,
};

tests! {
    each_hook: what_happens_is_drawn_and_summed_up;
    first_hook: a_signal_ends_it_like_the_quit_key, a_terminal_that_is_gone_is_no_crash;
}

fn what_happens_is_drawn_and_summed_up(hook: &str) -> Result<()> {
    shown(hook, |top| top.press("q"))
}

fn a_signal_ends_it_like_the_quit_key(hook: &str) -> Result<()> {
    shown(hook, |top| top.signal(Signal::SIGTERM))
}

fn a_terminal_that_is_gone_is_no_crash(hook: &str) -> Result<()> {
    let mut command = Command::new(setup::ephtrace());
    command.args(["top", "--hook", hook, "--origin", "connect"]);
    let mut top = OnTerminal::start(&mut command)?;
    top.read_until(&format!("hook {}", setup::used_hook(hook)?))?;
    let status = top.hang_up()?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}

/// Watches a process some of whose connects fail, and calls `end` once they are on the screen.
fn shown(hook: &str, end: impl FnOnce(&mut OnTerminal) -> Result<()>) -> Result<()> {
    let scratch = Scratch::new()?;
    let times = setup::times()?.to_string();
    let args = ["ways", "--wait", "--times", &times, "--only", "ipv4,exhausted"];
    let assign = Assign::start(&scratch, &args)?;
    let pid = assign.pid().to_string();
    let mut command = Command::new(setup::ephtrace());
    command.args(["top", "--hook", hook, "-p", &pid, "--origin", "connect"]);
    let mut top = OnTerminal::start(&mut command)?;
    // The name of the hook is drawn once it is attached.
    top.read_until(&format!("hook {}", setup::used_hook(hook)?))?;
    let truth = assign.truth()?;
    let failed = truth.iter().filter(|attempt| attempt.errno != 0).count();
    let server = truth.iter().find(|attempt| attempt.way == "ipv4").context("no connect")?;
    top.read_until(&format!("127.0.0.1:{}", server.dport))?;
    end(&mut top)?;
    let status =
        top.finish(&format!("{} assignments in", truth.len()), &[&format!("{failed} failed")])?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}
