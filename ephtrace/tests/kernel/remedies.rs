//! Remedies of a trace, and of its recording: commands for the namespace in which ports run short.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use nix::mount::{MsFlags, mount};

use crate::{
    assign::Assign,
    mounts::{hide, on_a_thread, own_mounts},
    setup::{self, Scratch},
};

tests! {
    first_hook: a_remedy_enters_the_namespace_by_its_name;
}

/// The name of the namespace; `ip netns` keeps the file there.
const NAME: &str = "words";

/// Returns everything that ephtrace said.
fn said(args: &[&str]) -> Result<String> {
    let output = Command::new(setup::ephtrace()).args(args).output()?;
    let [stdout, stderr] = [output.stdout, output.stderr].map(String::from_utf8);
    let said = stdout? + &stderr?;
    ensure!(output.status.success(), "{args:?}: {said}");
    Ok(said)
}

fn a_remedy_enters_the_namespace_by_its_name(hook: &str) -> Result<()> {
    on_a_thread(|| {
        own_mounts()?;
        hide("/run")?;
        let scratch = Scratch::new()?;
        let args = ["exhaust", "--range", "40000-40009", "--pace", "50", "--attempts", "1000000"];
        let mut assign = Assign::start(&scratch, &args)?;
        let tid = assign.next(11)?.first().context("no attempt")?.tid;
        let _starts = assign.follow()?;
        let file = Path::new("/run/netns").join(NAME);
        fs::create_dir("/run/netns")?;
        fs::write(&file, "")?;
        let door = format!("/proc/{}/task/{tid}/ns/net", assign.pid());
        let nothing: Option<&str> = None;
        mount(Some(&*door), &file, nothing, MsFlags::MS_BIND, nothing).context("mounting")?;
        let recording = scratch.file("parquet");
        let recording = recording.to_str().context("no UTF-8")?;
        let live = ["--hook", hook, "--netns", NAME, "--duration", "1s"];
        let remedy = format!("remedy:   ip netns exec {NAME} sysctl -w net.ipv4.ip_local_port");
        for command in [&["trace", "-x"][..], &["record", recording]] {
            let said = said(&[command, &live].concat())?;
            ensure!(said.contains(&remedy), "no {remedy:?}: {said}");
        }
        let report = said(&["report", recording])?;
        ensure!(report.contains(&remedy), "no {remedy:?}: {report}");
        Ok(())
    })
}
