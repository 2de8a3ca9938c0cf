//! A kernel setting that a test changes for a while.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

/// A file of `/proc/sys` with another value until this is dropped or the test is killed, since the
/// machine that it runs on lives on.
pub(crate) struct Changed {
    path: &'static str,
    before: String,
    /// Waits for the end of its input, which comes however this process ends. Guests have no shell,
    /// and end with their tests.
    keeper: Option<Child>,
}

impl Changed {
    /// Sets `path` to `value`.
    pub(crate) fn to(path: &'static str, value: &str) -> Result<Self> {
        let before = fs::read_to_string(path).context(path)?.trim().to_owned();
        let mut keeper = Command::new("sh");
        keeper.args(["-c", "read -r _; printf %s \"$1\" >\"$2\"", "sh", &before, path]);
        // Signals from a terminal are for the tests alone.
        let keeper = keeper.stdin(Stdio::piped()).process_group(0).spawn().ok();
        fs::write(path, value).context(path)?;
        Ok(Self { path, before, keeper })
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        // A value left behind would make the next test fail.
        let _ = fs::write(self.path, &self.before);
        if let Some(keeper) = &mut self.keeper {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}
