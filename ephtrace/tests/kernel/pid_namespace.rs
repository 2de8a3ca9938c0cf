//! In a pid namespace, the kernel half sees other process ids than one types and reads there.

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, unshare};

use crate::{mounts::on_a_thread, tracer::command};

tests! {
    each_hook: ids_of_another_pid_namespace_are_not_taken_for_the_kernel_s;
}

fn ids_of_another_pid_namespace_are_not_taken_for_the_kernel_s(hook: &str) -> Result<()> {
    on_a_thread(|| {
        // What this thread starts is process 1 there.
        unshare(CloneFlags::CLONE_NEWPID).context("making a pid namespace")?;
        let refused = command(hook, &["--duration", "1ms", "-p", "1"]).output()?;
        let said = String::from_utf8_lossy(&refused.stderr);
        ensure!(refused.status.code() == Some(1), "{}: {said}", refused.status);
        ensure!(said.contains("--pid: in this pid namespace"), "{said}");
        Ok(())
    })?;
    on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWPID).context("making a pid namespace")?;
        let traced = command(hook, &["--duration", "1ms"]).output()?;
        let said = String::from_utf8_lossy(&traced.stderr);
        ensure!(traced.status.success(), "{}: {said}", traced.status);
        ensure!(said.contains("process ids are the host's"), "{said}");
        Ok(())
    })
}
