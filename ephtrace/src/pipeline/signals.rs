//! The signals that end a run, even if its output is stuck.
//!
//! The run's own thread may be blocked in a write, so another one waits for the signals. They
//! communicate through [`Shared`].

use std::{
    fs,
    os::fd::AsFd as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};
use tokio::{io::unix::AsyncFd, sync::Notify};

use super::rights;
use crate::{
    output::stuck::{Stuck, Writer},
    tui::terminal,
};

/// Interval of checking a run that is to end.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Time within which another signal is the same event: when a connection breaks, both the kernel
/// and the shell send SIGHUP.
const SAME_EVENT: Duration = Duration::from_millis(100);

/// Time for a run that has not begun yet to notice the signal.
const PATIENCE: Duration = Duration::from_millis(900);

/// Signals that a run waits for: from the keyboard, from `kill`, and from a vanished terminal, such
/// as one of a dropped connection.
///
/// After the first one, a blocked write is given up; another one ends the process at once.
pub(crate) struct ShutdownSignals(Arc<Shared>);

#[derive(Default)]
struct Shared {
    come: Notify,
    /// True once the run waits for signals.
    has_begun: AtomicBool,
}

impl ShutdownSignals {
    /// Takes the signals from now on. Call it on the thread that writes, before it starts another.
    ///
    /// A hangup that was ignored from the start stays ignored: `nohup` wants the run to outlive its
    /// terminal. The others do not: scripts start background jobs with SIGINT ignored, and then
    /// send it.
    pub(crate) fn new() -> Result<Self> {
        let ignored = ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        let mut signals = ending();
        if !is_in(ignored, libc::SIGHUP) {
            signals.add(Signal::SIGHUP);
        }
        Self::of(signals)
    }

    /// Takes the signals but hangups, which mean something else: see [`Requests`].
    pub(crate) fn besides_hangup() -> Result<Self> {
        Self::of(ending())
    }

    fn of(signals: SigSet) -> Result<Self> {
        let cannot_wait = "can't wait for signals";
        // Blocked signals are kept until they are read, even those that are ignored.
        signals.thread_block().context(cannot_wait)?;
        let incoming = Incoming(
            SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
                .context(cannot_wait)?,
        );
        let (shared, writer) = (Arc::new(Shared::default()), Writer::this_thread());
        let seen = Arc::clone(&shared);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                rights::renounce();
                watch(&incoming, &seen, writer);
            })
            .context(cannot_wait)?;
        Ok(Self(shared))
    }

    /// Waits for one of the signals.
    pub(crate) async fn wait(&mut self) {
        self.0.has_begun.store(true, Ordering::Relaxed);
        self.0.come.notified().await;
    }
}

fn ending() -> SigSet {
    let mut signals = SigSet::empty();
    signals.extend([Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT]);
    signals
}

/// A signal by which an administrator asks a service for something.
pub(crate) struct Requests(AsyncFd<SignalFd>);

impl Requests {
    /// Takes these signals from now on. Call it before another thread starts.
    pub(crate) fn by(signal: Signal) -> Result<Self> {
        let cannot_wait = "can't wait for signals";
        let asked = SigSet::from(signal);
        asked.thread_block().context(cannot_wait)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&asked, flags).context(cannot_wait)?;
        // SAFETY: the value owns its descriptor, which stays the same until both are dropped.
        let signals = unsafe { AsyncFd::register(signals) };
        Ok(Self(signals.context(cannot_wait)?))
    }

    /// Waits for one; forever if they can't be read.
    pub(crate) async fn wait(&mut self) {
        while let Ok(mut ready) = self.0.readable().await {
            let read = self.0.get_ref().read_signal();
            ready.clear_ready();
            if matches!(read, Ok(Some(_))) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }
}

/// Signals as they arrive.
struct Incoming(SignalFd);

impl Incoming {
    /// Returns the next signal; `None` if none arrives within `timeout`.
    fn next(&self, timeout: PollTimeout) -> Option<i32> {
        let mut polled = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        // An interrupted wait brings no signal.
        let _ = poll(&mut polled, timeout);
        let read = self.0.read_signal().ok().flatten()?;
        i32::try_from(read.ssi_signo).ok()
    }
}

/// Reports the first signal to the run, and makes sure that it ends.
fn watch(incoming: &Incoming, shared: &Shared, writer: Writer) {
    let first = loop {
        if let Some(signal) = incoming.next(PollTimeout::NONE) {
            break signal;
        }
    };
    shared.come.notify_one();
    let since = Instant::now();
    let mut stuck = Stuck::new(writer);
    let tick = PollTimeout::try_from(LOOK_EVERY).unwrap_or(PollTimeout::ZERO);
    loop {
        let again = incoming.next(tick).filter(|_| since.elapsed() >= SAME_EVENT);
        if let Some(signal) = again {
            end_now(signal);
        }
        if since.elapsed() >= PATIENCE && !shared.has_begun.load(Ordering::Relaxed) {
            end_now(first);
        }
        if let Some(output) = stuck.output() {
            stuck.let_go(output, first);
        }
    }
}

/// Ends the process as the shell expects after a signal. The kernel half ends with it: its programs
/// are attached by file descriptors.
fn end_now(signal: i32) -> ! {
    terminal::leave_at_once();
    // SAFETY: the call takes a number and does not return; nothing is left that has to be written.
    unsafe { libc::_exit(128 + signal) }
}

/// Returns the set of ignored signals in `/proc/PID/status`.
fn ignored(status: &str) -> u64 {
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

/// Returns whether a signal is in a set: bit 0 is signal 1.
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
