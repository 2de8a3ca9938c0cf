//! The signals that end a run.

use std::{fs, future::poll_fn, task::Poll};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Those that a run waits for: from the keyboard, from `kill`, and from a terminal that is gone,
/// such as one of a connection that was dropped.
pub(crate) struct ShutdownSignals(Vec<Signal>);

impl ShutdownSignals {
    /// A hangup that was ignored from the start stays so: `nohup` wants the run to outlive its
    /// terminal. Not so the others: scripts start what is in the background with SIGINT ignored,
    /// and then send it.
    pub(crate) fn new() -> Result<Self> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()];
        let ignored = ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        if !is_in(ignored, libc::SIGHUP) {
            kinds.push(SignalKind::hangup());
        }
        let signals = kinds.into_iter().map(|kind| signal(kind).context("can't wait for signals"));
        signals.collect::<Result<_>>().map(Self)
    }

    /// Waits for one of them.
    pub(crate) async fn wait(&mut self) {
        poll_fn(|cx| {
            let is_there = self.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if is_there { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// The set of ignored signals, as `/proc/PID/status` has it.
fn ignored(status: &str) -> u64 {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

/// Whether a signal is in a set: bit 0 is signal 1.
fn is_in(set: u64, signal: i32) -> bool {
    let bit = u32::try_from(signal - 1).ok().and_then(|bit| 1_u64.checked_shl(bit));
    bit.is_some_and(|bit| set & bit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_that_nohup_ignores_is_found() {
        let set =
            ignored("Name:\tephtrace\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n");
        assert!(is_in(set, libc::SIGHUP) && is_in(set, libc::SIGPIPE));
        assert!(!is_in(set, libc::SIGINT) && !is_in(set, 0) && !is_in(set, 65));
        assert!(!is_in(ignored(""), libc::SIGHUP));
    }
}
