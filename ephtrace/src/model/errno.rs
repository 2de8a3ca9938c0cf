//! Errors of a search for a port.

use ephtrace_common::Origin;

/// `EAGAIN`: no port was free for a UDP socket that the kernel binds by itself.
const EAGAIN: u16 = 11;

/// `EADDRINUSE`: no port was free for bind and listen.
const EADDRINUSE: u16 = 98;

/// `EADDRNOTAVAIL`: no port was free for connect.
const EADDRNOTAVAIL: u16 = 99;

/// Returns whether a search failed because no port was free. A port that the program named is
/// taken, not used up; and `bind()` returns EADDRNOTAVAIL for an address that the host lacks.
pub fn is_no_port(origin: Option<Origin>, errno: u16) -> bool {
    match origin {
        Some(Origin::Explicit) => false,
        Some(Origin::Bind | Origin::Udp) => matches!(errno, EAGAIN | EADDRINUSE),
        _ => matches!(errno, EAGAIN | EADDRINUSE | EADDRNOTAVAIL),
    }
}

/// Returns whether `bind()` failed because the address is not one of this machine's: it never came
/// to the port.
pub fn is_no_address(errno: u16) -> bool {
    errno == EADDRNOTAVAIL
}

/// Name of an errno that a search for a port can end with, as in every output.
pub fn errno_name(errno: u16) -> Option<&'static str> {
    Some(match errno {
        1 => "EPERM",
        4 => "EINTR",
        9 => "EBADF",
        EAGAIN => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        14 => "EFAULT",
        16 => "EBUSY",
        19 => "ENODEV",
        22 => "EINVAL",
        88 => "ENOTSOCK",
        93 => "EPROTONOSUPPORT",
        95 => "EOPNOTSUPP",
        97 => "EAFNOSUPPORT",
        EADDRINUSE => "EADDRINUSE",
        EADDRNOTAVAIL => "EADDRNOTAVAIL",
        100 => "ENETDOWN",
        101 => "ENETUNREACH",
        103 => "ECONNABORTED",
        104 => "ECONNRESET",
        105 => "ENOBUFS",
        106 => "EISCONN",
        107 => "ENOTCONN",
        110 => "ETIMEDOUT",
        111 => "ECONNREFUSED",
        113 => "EHOSTUNREACH",
        114 => "EALREADY",
        115 => "EINPROGRESS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_port_that_is_taken_is_no_shortage() {
        for errno in [EAGAIN, EADDRINUSE, EADDRNOTAVAIL] {
            assert!(is_no_port(Some(Origin::Connect), errno) && is_no_port(None, errno));
            assert!(!is_no_port(Some(Origin::Explicit), errno));
        }
        assert!(!is_no_port(Some(Origin::Connect), 101));
    }
}
