//! `cargo xtask guest`: boots other kernels in QEMU and runs the kernel tests, or one command.
//!
//! kernels (Debian's, or the user's own) → initramfs (init, static programs) → machines, some at
//! a time → verdicts. Needs no root.

mod initramfs;
mod kernel;
mod machine;
mod registry;
mod verdict;

use std::{
    collections::VecDeque, path::PathBuf, process::ExitCode, sync::Mutex, thread, time::Duration,
};

use anyhow::{Context as _, Result, bail};

use self::{
    initramfs::Plan,
    kernel::Kernel,
    machine::{Accelerator, Machine, Prefix},
    verdict::{Outcome, Verdict},
};
use crate::{
    artifacts,
    say::{result, say},
    workspace,
};

/// Boot other kernels, and run the kernel tests or one command there.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A kernel: 5.10, 6.1, 6.12, newest, or the path of a bzImage; all of Debian's by default
    #[arg(short, long, value_name = "KERNEL", value_delimiter = ',')]
    pub(crate) kernel: Vec<String>,
    /// Look for newer versions of Debian's kernels
    #[arg(long)]
    pub(crate) update: bool,
    /// How many guests run at a time
    #[arg(short, long, value_name = "N", default_value_t = 2)]
    pub(crate) jobs: usize,
    /// Memory of each guest
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    pub(crate) memory: u32,
    /// Give up on a guest after this time
    #[arg(long, value_name = "SECONDS", default_value_t = 400)]
    pub(crate) timeout: u64,
    /// Hooks that the tests go through, with commas
    #[arg(long, value_name = "HOOKS", default_value = "fentry,kprobe,sock_ops")]
    pub(crate) hooks: String,
    /// Also copy this file, and the libraries it needs, into the guests' /bin
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Vec<PathBuf>,
    /// Build nothing of ephtrace: only the init and what --file names
    #[arg(long)]
    pub(crate) bare: bool,
    /// Set a variable for the command: NAME=VALUE
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// What to run in place of the tests; /bin has ephtrace and assign
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// Runs the guests and sums up. With one guest and a command, its exit code is ours.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let outcomes = run(args)?;
    if args.command.is_empty() {
        let total = verdict::report(&outcomes);
        result(total);
        return Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let mut worst = ExitCode::SUCCESS;
    for outcome in &outcomes {
        if outcomes.len() > 1 || !matches!(outcome.verdict, Verdict::Exited(_)) {
            say(outcome);
        }
        match outcome.verdict {
            Verdict::Exited(0) => {}
            Verdict::Exited(code) => worst = ExitCode::from(u8::try_from(code).unwrap_or(1)),
            _ => worst = ExitCode::FAILURE,
        }
    }
    Ok(worst)
}

/// Boots every kernel that was asked for and returns how each run ended.
pub(crate) fn run(args: &Args) -> Result<Vec<Outcome>> {
    if args.command.is_empty() && args.bare {
        bail!("--bare has no tests to run: name a command after --");
    }
    let kernels = kernel::choose(&args.kernel, args.update)?;
    machine::require_qemu()?;
    let image = write_initramfs(args)?;
    let accelerator = match kernels.first() {
        Some(kernel) => Accelerator::choose(&kernel.image),
        None => bail!("no kernel to boot"),
    };
    let machine = Machine {
        initramfs: image,
        accelerator,
        memory_mib: args.memory,
        timeout: Duration::from_secs(args.timeout),
        prefix: if args.command.is_empty() || kernels.len() > 1 {
            Prefix::Kernel
        } else {
            Prefix::None
        },
    };
    let outcomes = boot_all(&machine, kernels, args.jobs);
    std::fs::remove_file(&machine.initramfs).context("cannot remove the initramfs")?;
    outcomes
}

/// What the guests have, and what they run.
fn write_initramfs(args: &Args) -> Result<PathBuf> {
    let mut plan =
        Plan { files: Vec::new(), environment: args.env.clone(), command: args.command.clone() };
    let init = if args.bare {
        artifacts::guest_init()?
    } else {
        let programs = artifacts::programs()?;
        plan.files.push(("/bin/ephtrace".into(), programs.path("ephtrace")?.clone()));
        plan.files.push(("/bin/assign".into(), programs.path("assign")?.clone()));
        programs
    };
    plan.files.push(("/init".into(), init.path("guest-init")?.clone()));
    if args.command.is_empty() {
        let tests = artifacts::kernel_tests()?;
        plan.files.push(("/bin/kernel-tests".into(), tests.path("kernel")?.clone()));
        let words = ["/bin/kernel-tests", "--ignored", "--test-threads=1"];
        plan.command.extend(words.map(str::to_owned));
        plan.environment.push(format!("EPHTRACE_HOOKS={}", args.hooks));
    }
    for file in &args.file {
        plan.add_with_libraries(file)?;
    }
    let folder = workspace::target().join("guest");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    // Named by process, so that two runs beside each other do not meet.
    let path = folder.join(format!("initramfs-{}.cpio", std::process::id()));
    let archive = plan.archive()?;
    say(format_args!("initramfs: {} MiB, {} files", archive.len() >> 20, plan.files.len()));
    std::fs::write(&path, archive).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Some machines at a time, each with the next kernel that nobody has taken yet.
fn boot_all(machine: &Machine, kernels: Vec<Kernel>, jobs: usize) -> Result<Vec<Outcome>> {
    let jobs = jobs.clamp(1, kernels.len().max(1));
    let waiting = Mutex::new(VecDeque::from(kernels));
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.pop_front());
    let work = || {
        let mut outcomes = Vec::new();
        while let Some(kernel) = next() {
            outcomes.push(machine.boot(&kernel)?);
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
