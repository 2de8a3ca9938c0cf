//! Counts calls of a kernel function by a kprobe event of tracefs: the kernel's own count, without
//! any BPF program.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    process,
};

use anyhow::{Context as _, Result};

use crate::skip::Skip;

/// Mount point of tracefs on every system of recent years.
const TRACEFS: &str = "/sys/kernel/tracing";

/// Group of our events.
const GROUP: &str = "ephtrace_assign";

/// Calls of one function from now on, until this is dropped.
pub(crate) struct Calls {
    event: String,
}

impl Calls {
    /// Begins to count the calls of `function` by any task.
    pub(crate) fn of(function: &str) -> Result<Self> {
        if !Path::new(TRACEFS).join("kprobe_events").exists() {
            let why = format!("calls of {function} are not counted: no {TRACEFS}/kprobe_events");
            return Err(Skip(why).into());
        }
        let calls = Self { event: format!("calls_{}", process::id()) };
        append("kprobe_events", &format!("p:{GROUP}/{} {function}", calls.event))?;
        calls.enable(true)?;
        Ok(calls)
    }

    /// Returns the number of calls so far.
    pub(crate) fn so_far(&self) -> Result<u64> {
        let path = Path::new(TRACEFS).join("kprobe_profile");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let counts = lines.find_map(|words| match *words {
            [event, hits, missed] if event == self.event => Some((hits.parse(), missed.parse())),
            _ => None,
        });
        match counts {
            Some((Ok(hits), Ok(0))) => Ok(hits),
            // A call that was not counted makes the count worthless.
            other => anyhow::bail!("{} says {other:?} of {}", path.display(), self.event),
        }
    }

    fn enable(&self, on: bool) -> Result<()> {
        let path = Path::new(TRACEFS).join("events").join(GROUP).join(&self.event).join("enable");
        let value = if on { "1" } else { "0" };
        fs::write(&path, value).with_context(|| format!("writing {value} to {}", path.display()))
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        // If it can't be removed, its name in tracefs shows its owner.
        let _ = self.enable(false);
        let _ = append("kprobe_events", &format!("-:{GROUP}/{}", self.event));
    }
}

/// Appends to a file of tracefs: a plain write to this one would remove the events of all users.
fn append(name: &str, line: &str) -> Result<()> {
    let path = Path::new(TRACEFS).join(name);
    let mut file = OpenOptions::new()
        .append(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    writeln!(file, "{line}").with_context(|| format!("writing {line:?} to {}", path.display()))
}
