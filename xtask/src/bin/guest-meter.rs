//! Runs the measurements of `cargo xtask bench --instructions` in a guest, one after another.
//!
//! Input: [`wire::ORDER_FILE`]. Output: a line for each run, [`wire::MARK`] and JSON. The program
//! stops at the first run that fails: a figure of a tracer that did not trace would be worse than
//! none.

#[path = "../bench/instructions/wire.rs"]
mod wire;

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nix::{
    kmod::{ModuleInitFlags, finit_module},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use wire::{Cost, Measured, Order, Ready, Run};

const OUTPUT: &str = "/tmp/output";
const MESSAGES: &str = "/tmp/messages";

/// Folder in which `cargo xtask guest` puts modules, for Debian's kernels.
const MODULES: &str = "/modules/sock_diag";

/// Interval of checking a tracer's messages: waiting takes no instructions.
const LOOK: Duration = Duration::from_millis(20);

/// Timeout for a tracer to start, and to end.
const PATIENCE: Duration = Duration::from_mins(1);

/// Time within which a tracer reads its rest after the last connect.
const DRAIN: Duration = Duration::from_millis(200);

/// Maximum length of a last line; a longer one is truncated at its beginning.
const LONGEST_LINE: u64 = 1 << 20;

/// Number of lines of a tracer's messages that are passed on.
const LAST_WORDS: usize = 6;

fn main() -> Result<()> {
    let order = fs::read_to_string(wire::ORDER_FILE).context("no order")?;
    let order: Order = serde_json::from_str(&order).context("the order can't be read")?;
    load_modules().context("cannot load modules")?;
    thread::sleep(Duration::from_secs(order.settle_s));
    let mut out = std::io::stdout();
    for run in &order.runs {
        let measured =
            measure(run).with_context(|| format!("measuring {}, {}", run.tracer, run.load))?;
        writeln!(out, "{}{}", wire::MARK, serde_json::to_string(&measured)?)?;
    }
    Ok(())
}

/// Loads the modules by which sockets are listed; a host loads them on demand.
fn load_modules() -> Result<()> {
    if !Path::new(MODULES).exists() {
        return Ok(());
    }
    let files = fs::read_dir(MODULES)?.map(|entry| Ok(entry?.path()));
    let mut files = files.collect::<Result<Vec<_>>>()?;
    // The names sort in the order of dependencies.
    files.sort();
    for file in files {
        let module = File::open(&file)?;
        finit_module(&module, c"", ModuleInitFlags::empty())
            .with_context(|| format!("loading {}", file.display()))?;
    }
    Ok(())
}

fn measure(run: &Run) -> Result<Measured> {
    let tracer = run.command.split_first().map(|(program, args)| start(program, args, run.ready));
    let tracer = tracer.transpose()?;
    let cost = cost(&run.cost)?;
    thread::sleep(DRAIN);
    if let Some(tracer) = tracer {
        end(tracer, run.ready)?;
    }
    let (bytes, last_line) = end_of(OUTPUT)?;
    let measured = Measured {
        load: run.load.clone(),
        tracer: run.tracer.clone(),
        is_ephtrace: run.is_ephtrace,
        made: run.made,
        cost,
        last_line,
        said: last_lines(&read(MESSAGES)?),
        bytes,
    };
    for file in fs::read_dir("/tmp").context("cannot list /tmp")? {
        fs::remove_file(file?.path()).context("cannot tidy up")?;
    }
    Ok(measured)
}

/// Starts a tracer and waits until it traces.
fn start(program: &str, args: &[String], ready: Ready) -> Result<Child> {
    let mut tracer = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(File::create(OUTPUT)?)
        .stderr(File::create(MESSAGES)?)
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    match ready {
        Ready::After(seconds) => thread::sleep(Duration::from_secs(seconds)),
        Ready::Says => {
            let start = Instant::now();
            while !read(MESSAGES)?.contains('\n') && start.elapsed() < PATIENCE {
                thread::sleep(LOOK);
            }
        }
    }
    if let Some(status) = tracer.try_wait()? {
        bail!("it ended at once, {status}: {}", read(MESSAGES)?);
    }
    Ok(tracer)
}

/// Ends a tracer that is still running.
fn end(mut tracer: Child, ready: Ready) -> Result<()> {
    if let Some(status) = tracer.try_wait()? {
        bail!("it ended before it was to, {status}: {}", read(MESSAGES)?);
    }
    kill(Pid::from_raw(i32::try_from(tracer.id())?), Signal::SIGINT)?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = tracer.try_wait()? {
            break status;
        }
        if start.elapsed() > PATIENCE {
            tracer.kill()?;
            bail!("it does not end on SIGINT");
        }
        thread::sleep(LOOK);
    };
    // Peers, which do not report that they trace, need not have exit codes either.
    if ready == Ready::Says && !status.success() {
        bail!("{status}: {}", read(MESSAGES)?);
    }
    Ok(())
}

fn cost(args: &[String]) -> Result<Cost> {
    let output = Command::new("/bin/assign").arg("cost").args(args).output()?;
    if !output.status.success() {
        bail!("assign: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("what assign printed can't be read")
}

/// Returns a file's text, empty if there is none.
fn read(path: &str) -> Result<String> {
    if !Path::new(path).exists() {
        return Ok(String::new());
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {path}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns the length of a file, and its last line.
fn end_of(path: &str) -> Result<(u64, String)> {
    if !Path::new(path).exists() {
        return Ok((0, String::new()));
    }
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(LONGEST_LINE)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let end = String::from_utf8_lossy(&end);
    Ok((bytes, end.lines().next_back().unwrap_or_default().to_owned()))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LAST_WORDS)..).unwrap_or_default().join("\n")
}
