//! Detects and releases a thread that is stuck in a write.
//!
//! If a pipe's reader sleeps, or a terminal was stopped by Ctrl-S or has a dead connection, a write
//! blocks for ever. The kernel says in which system call a thread waits
//! (`/proc/self/task/TID/syscall`), so that writers need no preparation.

use std::{
    fs::File,
    io::IsTerminal as _,
    os::{
        fd::{AsRawFd as _, BorrowedFd, RawFd},
        unix::fs::FileExt as _,
    },
    sync::atomic::{AtomicI32, Ordering},
    time::{Duration, Instant},
};

use nix::{
    sys::{
        pthread::{Pthread, pthread_kill, pthread_self},
        signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
        stat::fstat,
        termios::{FlowArg, FlushArg, tcflow, tcflush},
    },
    unistd::gettid,
};

/// Maximum wait of a single write.
const PATIENCE: Duration = Duration::from_millis(150);

/// Maximum wait of all writes together for a slow reader.
const SLOW_PATIENCE: Duration = Duration::from_millis(600);

/// A signal that nothing else uses, and that is ignored by default.
const NUDGE: Signal = Signal::SIGURG;

/// The signal after which data was left unwritten, because nobody read it; 0 for none.
static UNREAD: AtomicI32 = AtomicI32::new(0);

/// Returns the signal after which a stuck write was given up: the end of the output is missing.
pub fn unread() -> Option<i32> {
    Some(UNREAD.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
}

/// A writing thread.
pub(crate) struct Writer {
    thread: Pthread,
    /// The kernel's file about its system call; `None` without `/proc`.
    syscall: Option<File>,
    status: Option<File>,
}

impl Writer {
    pub(crate) fn this_thread() -> Self {
        let about = |what| File::open(format!("/proc/self/task/{}/{what}", gettid())).ok();
        Self { thread: pthread_self(), syscall: about("syscall"), status: about("status") }
    }

    /// Returns the write in which it waits with the number of its sleeps, as the kernel gives them,
    /// and the file descriptor. A reader that takes data wakes it.
    fn waits_in(&self) -> Option<((String, String), RawFd)> {
        let call = read(self.syscall.as_ref()?)?;
        let fd = written_to(&call)?;
        let status = read(self.status.as_ref()?)?;
        let slept = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches:"));
        Some(((call, slept?.to_owned()), fd))
    }

    /// Makes its system call end with EINTR.
    fn interrupt(&self) {
        extern "C" fn nothing(_: libc::c_int) {}
        let handler = SigHandler::Handler(nothing);
        // Without SA_RESTART, so that the kernel does not restart the call.
        let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing, and no other code handles this signal.
        if unsafe { sigaction(NUDGE, &action) }.is_ok() {
            let _ = pthread_kill(self.thread, NUDGE);
        }
    }
}

fn read(file: &File) -> Option<String> {
    let mut bytes = [0; 4096];
    let len = file.read_at(&mut bytes, 0).ok()?;
    Some(String::from_utf8_lossy(bytes.get(..len)?).into_owned())
}

/// Returns the file descriptor of a write, from the number of the system call and its arguments;
/// `None` for any other call, and for a running thread.
fn written_to(syscall: &str) -> Option<RawFd> {
    let mut words = syscall.split_whitespace();
    let number: libc::c_long = words.next()?.parse().ok()?;
    let is_write = [libc::SYS_write, libc::SYS_writev].contains(&number);
    let fd = words.next()?.strip_prefix("0x")?;
    is_write.then(|| RawFd::from_str_radix(fd, 16).ok()).flatten()
}

/// Checks a writer repeatedly.
pub(crate) struct Stuck {
    writer: Writer,
    waits: Option<((String, String), Instant)>,
    since: Instant,
    /// Terminals whose pending output was already discarded.
    flushed: Vec<RawFd>,
}

impl Stuck {
    pub(crate) fn new(writer: Writer) -> Self {
        // Blocked, so that a process in the background can control the terminal, too.
        let _ = SigSet::from(Signal::SIGTTOU).thread_block();
        Self { writer, waits: None, since: Instant::now(), flushed: Vec::new() }
    }

    /// Returns the output of the writer, if it is not read, or too slowly. A disk may take its
    /// time.
    pub(crate) fn output(&mut self) -> Option<RawFd> {
        let (call, fd) = self.writer.waits_in()?;
        // SAFETY: the writer is in a write to it, and nobody closes it meanwhile.
        let output = unsafe { BorrowedFd::borrow_raw(fd) };
        let is_file = fstat(output).map(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG);
        if is_file != Ok(false) {
            return None;
        }
        let now = Instant::now();
        if now - self.since >= SLOW_PATIENCE {
            return Some(fd);
        }
        match &self.waits {
            Some((before, since)) if *before == call => (now - *since >= PATIENCE).then_some(fd),
            _ => {
                self.waits = Some((call, now));
                None
            }
        }
    }

    /// Ends the write, and sends all later writes to this output nowhere. `signal` is the reason.
    pub(crate) fn let_go(&mut self, fd: RawFd, signal: i32) {
        self.waits = None;
        // First: the run may end as soon as the write is released.
        UNREAD.store(signal, Ordering::Relaxed);
        // SAFETY: the writer is in a write to it, and nobody closes it meanwhile.
        let output = unsafe { BorrowedFd::borrow_raw(fd) };
        if output.is_terminal() && !self.flushed.contains(&fd) {
            // Discards the terminal's pending output, and makes new output visible again.
            self.flushed.push(fd);
            let _ = tcflush(output, FlushArg::TCOFLUSH);
            let _ = tcflow(output, FlowArg::TCOON);
            return;
        }
        let Ok(nowhere) = File::options().write(true).open("/dev/null") else { return };
        let flags = if fd > libc::STDERR_FILENO { libc::O_CLOEXEC } else { 0 };
        // SAFETY: both are open, and the holder of `fd` continues with another file behind it.
        unsafe { libc::dup3(nowhere.as_raw_fd(), fd, flags) };
        self.writer.interrupt();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _, pipe},
        sync::mpsc,
        thread,
    };

    use super::*;

    #[test]
    fn only_a_write_is_one() {
        let write = libc::SYS_write;
        let call =
            |number: libc::c_long| format!("{number} 0x3 0x7f00 0x40000 0x0 0x0 0x0 0x7ffc 0x7f01");
        assert_eq!(written_to(&call(write)), Some(3));
        assert_eq!(written_to(&call(libc::SYS_read)), None);
        for text in ["running\n", "-1 0x7ffc 0x7f01\n", "", "1"] {
            assert_eq!(written_to(text), None, "{text}");
        }
    }

    #[test]
    fn a_write_that_nobody_takes_ends_and_the_next_goes_nowhere() {
        let (mut reader, mut pipe) = pipe().unwrap();
        let (tell, told) = mpsc::channel();
        let writes = thread::spawn(move || {
            tell.send(Writer::this_thread()).unwrap();
            pipe.write_all(&vec![b'x'; 1 << 20]).unwrap();
            pipe.write_all(b"more").unwrap();
        });
        let mut stuck = Stuck::new(told.recv().unwrap());
        let fd = loop {
            match stuck.output() {
                Some(fd) => break fd,
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        stuck.let_go(fd, libc::SIGTERM);
        writes.join().unwrap();
        let mut taken = Vec::new();
        reader.read_to_end(&mut taken).unwrap();
        // The capacity of the pipe.
        assert_eq!((taken.len(), unread()), (65_536, Some(libc::SIGTERM)));
    }
}
