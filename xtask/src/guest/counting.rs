//! Guests whose clock counts instructions: one processor, an instruction a nanosecond, no time for
//! waiting. Measurements in them do not depend on the load of the host.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail};

use super::{
    choose,
    initramfs::Plan,
    kernel::Kernel,
    machine::{self, Accelerator, Listener, Machine},
    verdict::Verdict,
};
use crate::{artifacts::Executables, process};

/// Memory of such a guest, which also holds the output of tracers.
const MEMORY_MIB: u32 = 2048;

/// Command of a guest, and its files besides PID 1.
pub(crate) struct Task<'task> {
    /// Files: path in the guest, and path on the host.
    pub(crate) files: Vec<(String, PathBuf)>,
    /// Programs of the host, which go to /bin with their shared libraries.
    pub(crate) host_programs: &'task [PathBuf],
    /// The command and its arguments.
    pub(crate) command: Vec<String>,
    /// Timeout of the command.
    pub(crate) timeout: Duration,
}

/// Common setup of such guests.
pub(crate) struct Guests {
    kernel: Kernel,
}

impl Guests {
    /// Fetches a kernel if it is missing; `kernel` is one of [`super::Options`].
    pub(crate) fn new(kernel: &str) -> Result<Self> {
        machine::require_qemu()?;
        let kernels = choose::choose(&[kernel.to_owned()], false)?;
        let kernel = kernels.into_iter().next().context("no kernel to boot")?;
        Ok(Self { kernel })
    }

    /// Version of their kernel.
    pub(crate) fn kernel(&self) -> &str {
        &self.kernel.version
    }

    /// Returns the first line of QEMU's version.
    pub(crate) fn emulator() -> Result<String> {
        let text = process::output(Command::new(machine::QEMU).arg("--version"))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }

    /// Runs one guest to its end. Its lines go to `listener`; anything but success is an error.
    pub(crate) fn run(
        &self,
        programs: &Executables,
        task: Task<'_>,
        listener: Listener<'_>,
    ) -> Result<()> {
        let mut plan = Plan { files: task.files, command: task.command, ..Plan::default() };
        plan.add_init(programs)?;
        for program in task.host_programs {
            plan.add_with_libraries(program)?;
        }
        let machine = Machine {
            initramfs: plan.write()?,
            accelerator: Accelerator::Counting,
            memory_mib: MEMORY_MIB,
            processors: 1,
            timeout: task.timeout,
            prefixed: false,
        };
        let outcome = machine.boot(&self.kernel, Some(listener));
        std::fs::remove_file(&machine.initramfs).context("cannot remove the initramfs")?;
        let outcome = outcome?;
        match outcome.verdict {
            Verdict::Exited(0) => Ok(()),
            _ => bail!("{outcome}"),
        }
    }
}
