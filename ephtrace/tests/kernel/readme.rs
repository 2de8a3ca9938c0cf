//! The README's commands, from top to bottom, as its reader types them; and what they say is what
//! it shows.

use std::{
    env, fs,
    os::unix::{fs::symlink, process::CommandExt as _},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};

use crate::{
    notes::say,
    setup::{self, Scratch},
    skip::skip,
    terminal::OnTerminal,
    tracer::pid,
    wait,
};

tests! {
    once: the_commands_of_the_readme_work_from_top_to_bottom;
    anywhere: commands_are_found_with_what_they_say;
}

const README: &str = include_str!("../../../README.md");

/// What is not typed here: it fetches the sources, builds what is built already, installs it, gives
/// rights to a file, or reads a capture, of which none is here.
const LEFT_OUT: [&str; 5] = [
    "git clone ",
    "cargo build --example assign",
    "sudo install ",
    "sudo setcap ",
    "ephtrace report capture.pcap",
];

/// What this test types for the beginning of a command, as there is no other build and no sudo.
const TYPED: [(&str, &str); 3] = [
    ("sudo ", ""),
    ("cargo xtask run -- ", "ephtrace "),
    ("target/debug/examples/assign ", "assign "),
];

/// How long a command may take, and one that is interrupted.
const LIMIT: Duration = Duration::from_mins(1);
const ENDING: Duration = Duration::from_secs(10);

/// What a command that goes on until it is interrupted has said by then.
const ATTACHED: &str = "ephtrace: tracing";

/// A recording that the commands make, and the names under which later ones compare it.
const RECORDING: &str = "ports.parquet";
const COMPARED: [&str; 2] = ["before.parquet", "after.parquet"];

/// How lines begin that are said of every run like the one that is shown.
const SAID: [&str; 4] = ["critical: ", "verdict: ", "predictable: ", "an attacker "];

/// A command of the README, and the lines below it.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    typed: String,
    shown: Vec<String>,
}

/// Commands behind prompts and in backticks, in their order.
fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_block = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_block = !is_block;
        } else if !is_block {
            let spans = line.split('`').skip(1).step_by(2);
            let commands = spans
                .filter(|span| span.starts_with("ephtrace ") || span.starts_with("sudo ephtrace"));
            steps.extend(commands.map(|typed| Step { typed: typed.to_owned(), shown: vec![] }));
        } else if let Some(typed) = line.strip_prefix("$ ") {
            // Behind two blanks stands what it does.
            let typed = typed.split("  ").next().unwrap_or(typed).to_owned();
            steps.push(Step { typed, shown: vec![] });
        } else if let Some(step) = steps.last_mut() {
            step.shown.push(line.to_owned());
        }
    }
    steps
}

fn commands_are_found_with_what_they_say() -> Result<()> {
    let page =
        "`ephtrace top`, `top`, `sudo ephtrace -x`\n```console\n$ ephtrace a   b\nsaid\n```\n";
    let step = |typed: &str, shown: &[&str]| Step {
        typed: typed.to_owned(),
        shown: shown.iter().map(|&line| line.to_owned()).collect(),
    };
    let expected =
        [step("ephtrace top", &[]), step("sudo ephtrace -x", &[]), step("ephtrace a", &["said"])];
    ensure!(steps(page) == expected, "{:?}", steps(page));
    ensure!(says("1.5 of 20\n  ports", "3 of 4 ports") && !says("1 of 2", "1 to 2"));
    Ok(())
}

fn the_commands_of_the_readme_work_from_top_to_bottom() -> Result<()> {
    if !Path::new("/bin/sh").exists() {
        return skip("no shell here");
    }
    let scratch = Scratch::new()?;
    let programs = [("ephtrace", setup::ephtrace()), ("assign", setup::assign()?)];
    for (name, program) in programs {
        symlink(fs::canonicalize(program)?, scratch.path().join(name))?;
    }
    let mut background = Vec::new();
    let mut count = 0;
    for step in steps(README) {
        if LEFT_OUT.iter().any(|left_out| step.typed.starts_with(left_out)) {
            continue;
        }
        count += 1;
        prepare(scratch.path(), &step.typed)?;
        run(&scratch, &step, &mut background).with_context(|| format!("`{}`", step.typed))?;
    }
    for (typed, mut group) in background {
        let status = group.ended(LIMIT)?.with_context(|| format!("`{typed}` goes on"))?;
        ensure!(status.success(), "`{typed}`: {status}");
    }
    ensure!(count > 10, "only {count} commands");
    Ok(())
}

/// Makes the files that a command compares, of the recording that another one made.
fn prepare(folder: &Path, typed: &str) -> Result<()> {
    for name in COMPARED.iter().filter(|name| typed.contains(**name)) {
        fs::copy(folder.join(RECORDING), folder.join(name)).context("no recording so far")?;
    }
    Ok(())
}

fn run(scratch: &Scratch, step: &Step, background: &mut Vec<(String, Group)>) -> Result<()> {
    let line = TYPED.iter().fold(step.typed.clone(), |line, (from, to)| line.replace(from, to));
    say(&line);
    if let Some(args) = line.strip_prefix("ephtrace top") {
        return watch(scratch, args);
    }
    if let Some(line) = line.strip_suffix(" &") {
        let group = Group::start(scratch, line, &scratch.file("background"))?;
        background.push((step.typed.clone(), group));
        return Ok(());
    }
    let output = scratch.file("output");
    let mut group = Group::start(scratch, &line, &output)?;
    if goes_on(&line) {
        wait::until("the line that names the hook", || {
            Ok(fs::read_to_string(&output)?.contains(ATTACHED).then_some(()))
        })?;
        group.signal(Signal::SIGINT)?;
        group.ended(ENDING)?.context("goes on after an interrupt")?;
    }
    let status = group.ended(LIMIT)?.context("does not end")?;
    let said = fs::read_to_string(output)?;
    let fine: &[i32] = match line.split(' ').nth(1) {
        // What they say is in their exit codes, too.
        Some("check") => &[0, 1, 2],
        Some("explain") => &[0, 1, 3],
        _ => &[0],
    };
    let code = status.code().with_context(|| format!("{status}: {said}"))?;
    let is_error = said.lines().any(|line| line.starts_with("error: "));
    ensure!(fine.contains(&code) && !is_error, "exit {code}: {said}");
    let due = step.shown.iter().filter(|line| SAID.iter().any(|it| line.trim().starts_with(it)));
    for shown in due {
        ensure!(says(&said, shown), "the README shows {shown:?}, and it says:\n{said}");
    }
    Ok(())
}

/// Returns whether a command is a live trace, or a service, that only an interrupt ends.
fn goes_on(line: &str) -> bool {
    let mut words = line.split(' ').skip(1);
    let is_endless = words.next().is_none_or(|word| word.starts_with('-') || word == "serve");
    let ends = ["--count", "--duration", "--from", "--help", "--version"];
    is_endless && line.starts_with("ephtrace") && !ends.iter().any(|end| line.contains(end))
}

/// Whether a text has a line with the same words; numbers may be others.
fn says(text: &str, line: &str) -> bool {
    let words = |text: &str| {
        // A bound may be none in another run.
        let is_number = |c: char| c.is_ascii_digit() || ".<>".contains(c);
        let parts = text.split(is_number).filter(|part| !part.is_empty());
        let plain = parts.collect::<Vec<_>>().join("0");
        plain.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    words(text).contains(&words(line))
}

/// Looks at the live view until it is drawn, and leaves it.
fn watch(scratch: &Scratch, args: &str) -> Result<()> {
    let mut command = Command::new(setup::ephtrace());
    command.arg("top").args(args.split_whitespace()).current_dir(scratch.path());
    let mut top = OnTerminal::start(&mut command)?;
    top.read_until("destinations")?;
    top.press("q")?;
    // The screen has words of the summary, but not this line.
    let status = top.finish("lost 0 events", &[])?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}

/// What a line of the shell starts; nothing of it stays behind where a test fails.
struct Group {
    child: Child,
    id: Pid,
}

impl Group {
    fn start(scratch: &Scratch, line: &str, output: &Path) -> Result<Self> {
        let out = fs::File::create(output)?;
        let others = env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("/bin/sh");
        shell
            // An interrupt is for the programs: the shell's exit code is that of the last one.
            .args(["-c", &format!("trap : INT; {line}")])
            .current_dir(scratch.path())
            .env("PATH", format!("{}:{others}", scratch.path().display()))
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            .process_group(0);
        let child = shell.spawn()?;
        let id = pid(&child);
        Ok(Self { child, id })
    }

    /// How it ended, if it did within so long.
    fn ended(&mut self, within: Duration) -> Result<Option<ExitStatus>> {
        let end = Instant::now() + within;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        killpg(self.id, signal).with_context(|| format!("sending {signal}"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // All of it may have ended long ago.
        let _ = self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
