//! Scheduling priority of this thread.

use std::io;

use nix::errno::Errno;

/// Nice value ahead of ordinary programs (0), behind those that an administrator puts first (-20):
/// while every processor is busy, such a thread gets nine times the time of an ordinary one.
const READER: libc::c_int = -10;

/// Raises the priority of this thread, which reads the kernel half's records, above the programs
/// that cause them: otherwise these would keep it from a processor, and records would be lost.
/// Fails without `CAP_SYS_NICE`.
pub(crate) fn raise() -> io::Result<()> {
    // SAFETY: the call takes numbers; 0 is the calling thread.
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, READER) };
    Errno::result(done).map(drop).map_err(io::Error::from)
}
