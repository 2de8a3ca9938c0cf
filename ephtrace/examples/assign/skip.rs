//! Features that this machine lacks, told apart from failures.

use std::{fmt, io};

use nix::errno::Errno;

/// Reason why something can't be done on this machine, as an error.
#[derive(Debug)]
pub(crate) struct Skip(pub(crate) String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// Errnos of `socket()` for a protocol that the kernel does not know: not built in, disabled, or
/// with a number beyond the known ones.
pub(crate) const NO_SUCH_SOCKET: &[i32] = &[
    libc::EPROTONOSUPPORT,
    libc::ESOCKTNOSUPPORT,
    libc::EAFNOSUPPORT,
    libc::ENOPROTOOPT,
    libc::EINVAL,
];

/// Turns `error` into a [`Skip`] that says `what` is lacking, if its errno is one of `errnos`;
/// returns any other error unchanged.
pub(crate) fn lacking(what: &str, errnos: &[i32], error: anyhow::Error) -> anyhow::Error {
    let errno = error.chain().find_map(|cause| {
        let io = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        io.or_else(|| cause.downcast_ref::<Errno>().map(|errno| *errno as i32))
    });
    match errno {
        Some(errno) if errnos.contains(&errno) => Skip(format!("{what}: {error:#}")).into(),
        _ => error.context(what.to_owned()),
    }
}
