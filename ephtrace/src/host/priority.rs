//! Priority of this thread among all that want a processor.

use std::io;

use nix::errno::Errno;

/// Ahead of ordinary programs (0), behind what an administrator puts in front (-20): where every
/// processor is wanted, such a thread gets nine times the time of an ordinary one.
const READER: libc::c_int = -10;

/// Puts this thread, which reads what the kernel half writes, ahead of the programs that make it
/// write: or these would keep it from a processor, and records would be lost. An error if this user
/// may not (`CAP_SYS_NICE`).
pub(crate) fn raise() -> io::Result<()> {
    // SAFETY: takes numbers; 0 is the thread that calls.
    let done = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, READER) };
    Errno::result(done).map(drop).map_err(io::Error::from)
}
