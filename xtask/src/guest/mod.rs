//! `cargo xtask guest`: boots other kernels in QEMU and runs the kernel tests, or one command.
//!
//! Kernels (Debian's, or the user's own) → initramfs (init, static programs) → machines, some at a
//! time → verdicts. Needs no root.

mod choose;
pub(crate) mod counting;
mod initramfs;
mod kernel;
mod machine;
mod modules;
mod registry;
mod verdict;

use std::{path::PathBuf, process::ExitCode, sync::Mutex, thread, time::Duration};

use anyhow::{Context as _, Result, bail};

use self::{
    initramfs::Plan,
    kernel::Kernel,
    machine::{Accelerator, Machine},
    verdict::{Outcome, Verdict},
};
use crate::{artifacts, say::say, setup, tally::Tally};

/// Smaller test sizes: an emulated processor makes about 3000 connects a second, so that a host's
/// moment would take it minutes.
const TEST_SIZES: [&str; 3] =
    ["EPHTRACE_STORM=3000", "EPHTRACE_TIMES=3", "EPHTRACE_POPULATIONS=100"];

/// Other tracers, of libbpf-tools, whose text ephtrace reads.
const TRACING_TOOLS: [&str; 2] = ["tcpconnect", "tcptracer"];

/// Boot other kernels, and run the kernel tests or one command there.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
    /// Also copy this file, and the libraries it needs, into the guests' /bin
    #[arg(long, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// Build nothing of ephtrace: only the init and what --file names
    #[arg(long)]
    bare: bool,
    /// What to run in place of the tests; /bin has ephtrace and assign
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Which guests, and what they are like.
#[derive(Clone, clap::Args)]
pub(crate) struct Options {
    /// A kernel: 5.10, 6.1, 6.12, newest, or the path of a bzImage; all of Debian's by default
    #[arg(short, long, value_name = "KERNEL", value_delimiter = ',')]
    kernel: Vec<String>,
    /// Look for newer versions of Debian's kernels
    #[arg(long)]
    update: bool,
    /// How many guests run at a time
    #[arg(short, long, value_name = "N", default_value_t = 2)]
    jobs: usize,
    /// Memory of each guest
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    memory: u32,
    /// Processors of each guest
    #[arg(long, value_name = "N", default_value_t = 2)]
    processors: u32,
    /// Give up on a guest after this time
    #[arg(long, value_name = "SECONDS", default_value_t = 2700)]
    timeout: u64,
    /// Hooks that the tests in guests go through, with commas
    #[arg(long, value_name = "HOOKS", default_value = "fentry,kprobe,sock_ops")]
    hooks: String,
    /// Set a variable for the tests, or for the command: NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Only the tests in guests whose name has this in it
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
}

impl Options {
    /// Returns whether all tests run on all kernels: nothing was selected.
    pub(crate) fn is_everything(&self) -> bool {
        self.kernel.is_empty() && self.only.is_none()
    }
}

/// Runs the guests and sums up. The exit code is that of the commands, the last one that is not 0.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    if args.command.is_empty() {
        let tests = test(&args.options)?;
        tests.tell();
        return Ok(tests.exit_code());
    }
    let outcomes = boot(&args.options, Prefix::IfMany, &plan(args)?)?;
    let mut exit = ExitCode::SUCCESS;
    for outcome in &outcomes {
        match outcome.verdict {
            Verdict::Exited(0) => {}
            Verdict::Exited(code) => exit = ExitCode::from(u8::try_from(code).unwrap_or(1)),
            _ => exit = ExitCode::FAILURE,
        }
    }
    Ok(exit)
}

/// Runs the kernel tests on every requested kernel.
pub(crate) fn test(options: &Options) -> Result<Tally> {
    let tests = artifacts::kernel_tests()?;
    let programs = artifacts::programs()?;
    let mut plan = Plan::default();
    plan.add_programs(&programs)?;
    plan.files.push(("/bin/kernel-tests".into(), tests.path("kernel")?.clone()));
    let words = ["/bin/kernel-tests", "--ignored", "--test-threads=1"];
    plan.command.extend(words.map(str::to_owned));
    plan.command.extend(options.only.clone());
    plan.environment.push(format!("EPHTRACE_HOOKS={}", options.hooks));
    match setup::unpacked::packet_tools() {
        Ok(root) => {
            for name in TRACING_TOOLS {
                plan.add_unpacked(&root.join("usr/sbin").join(name), &root)?;
            }
            plan.environment.push("EPHTRACE_TRACING_TOOLS=/bin".to_owned());
        }
        // The test that needs them is skipped.
        Err(error) => say(format_args!("no other tracers: {error:#}")),
    }
    plan.environment.extend(TEST_SIZES.map(str::to_owned));
    plan.environment.extend(options.env.iter().cloned());
    Ok(verdict::report(&boot(options, Prefix::Always, &plan)?))
}

/// Runs the test of a machine with many processors, whose number no other test depends on: on the
/// kernel of Debian 12, where each processor reserves most.
pub(crate) fn many_processors(options: &Options) -> Result<Tally> {
    test(&Options {
        kernel: vec!["6.1".to_owned()],
        processors: 68,
        memory: 3072,
        hooks: "sock_ops".to_owned(),
        only: Some("many_processors".to_owned()),
        ..options.clone()
    })
}

/// Boots every requested kernel and returns the outcome of each run.
fn boot(options: &Options, prefix: Prefix, plan: &Plan) -> Result<Vec<Outcome>> {
    let kernels = choose::choose(&options.kernel, options.update)?;
    let Some(first) = kernels.first() else { bail!("no kernel to boot") };
    machine::require_qemu()?;
    let machine = Machine {
        accelerator: Accelerator::choose(&first.image),
        initramfs: plan.write()?,
        memory_mib: options.memory,
        processors: options.processors,
        timeout: Duration::from_secs(options.timeout),
        prefixed: matches!(prefix, Prefix::Always) || kernels.len() > 1,
    };
    let outcomes = boot_all(&machine, kernels, options.jobs);
    std::fs::remove_file(&machine.initramfs).context("cannot remove the initramfs")?;
    outcomes
}

/// Choice of prefixing a guest's lines with its kernel.
#[derive(Clone, Copy)]
enum Prefix {
    Always,
    IfMany,
}

/// Returns the contents of the guests for one command.
fn plan(args: &Args) -> Result<Plan> {
    let mut plan = Plan {
        environment: args.options.env.clone(),
        command: args.command.clone(),
        ..Plan::default()
    };
    if args.bare {
        plan.add_init(&artifacts::guest_init()?)?;
    } else {
        plan.add_programs(&artifacts::programs()?)?;
    }
    for file in &args.file {
        plan.add_with_libraries(file)?;
    }
    Ok(plan)
}

/// Boots some machines at a time, each with the next kernel that is waiting: the newest first,
/// since they take the longest, and a long run at the end would leave the other machines idle.
fn boot_all(machine: &Machine, kernels: Vec<Kernel>, jobs: usize) -> Result<Vec<Outcome>> {
    let jobs = jobs.clamp(1, kernels.len().max(1));
    let waiting = Mutex::new(kernels);
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.pop());
    let work = || {
        let mut outcomes = Vec::new();
        while let Some(kernel) = next() {
            outcomes.push(machine.boot(&kernel, None)?);
        }
        anyhow::Ok(outcomes)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        let mut outcomes = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(some) => outcomes.extend(some?),
                Err(_) => bail!("a thread that watched a guest panicked"),
            }
        }
        Ok(outcomes)
    })
}
