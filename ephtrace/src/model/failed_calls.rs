//! Failures that a hook sees, and a description of those that it does not.

use ephtrace_common::Hook;

/// Calls whose failure is seen: for lack of a port, or of the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedCalls {
    /// `bind()`, TCP and UDP, for lack of a port.
    pub bind: bool,
    /// `connect()` of an unbound UDP socket.
    pub connect: bool,
    /// The first send of an unbound UDP socket.
    pub send: bool,
    /// `bind()` to an address that the host lacks, which makes no search. Hook `sock_ops` sees it
    /// with `bind`.
    pub absent: Absent,
}

/// Address families for which a `bind()` to an address that the host lacks is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absent {
    /// IPv4.
    pub ipv4: bool,
    /// IPv6.
    pub ipv6: bool,
}

impl Absent {
    /// Both families.
    pub const ALL: Self = Self { ipv4: true, ipv6: true };

    /// Describes the failures that are not seen.
    fn unseen(self) -> Option<&'static str> {
        match (self.ipv4, self.ipv6) {
            (true, true) => None,
            (true, false) => Some("binds to nonexistent IPv6 addresses"),
            (false, true) => Some("binds to nonexistent IPv4 addresses"),
            (false, false) => Some("binds to nonexistent addresses"),
        }
    }
}

impl FailedCalls {
    /// All calls.
    pub const ALL: Self = Self { bind: true, connect: true, send: true, absent: Absent::ALL };

    /// Describes attempts that fail without `hook` seeing it, so that a count of zero says nothing
    /// of them.
    pub fn unseen(self, hook: Hook) -> Option<String> {
        if hook != Hook::SockOps {
            return Some(format!("{} (hook {})", self.absent.unseen()?, hook.name()));
        }
        let kinds =
            [(self.bind, "binds"), (self.connect, "UDP connects"), (self.send, "UDP sends")];
        let list = |wanted: bool, kinds: &[(bool, &'static str)]| -> Vec<&'static str> {
            kinds.iter().filter(|(is_seen, _)| *is_seen == wanted).map(|(_, kind)| *kind).collect()
        };
        // The last one is seen whatever makes the call.
        let (unseen, by_call) = (list(false, &kinds), list(true, &kinds[..2]));
        let mut parts = Vec::new();
        if !unseen.is_empty() {
            parts.push(format!("failed {}", in_words(&unseen)));
        }
        if !by_call.is_empty() {
            let kinds = in_words(&by_call);
            parts.push(format!("failed {kinds} through io_uring or by 32-bit programs"));
        }
        Some(format!("{} (hook {})", parts.join("; "), hook.name()))
    }
}

/// Returns `a`, `a and b`, `a, b and c`.
fn in_words(kinds: &[&str]) -> String {
    match kinds {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        one => one.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unseen(bind: bool, connect: bool, send: bool) -> String {
        let absent = Absent { ipv4: false, ipv6: false };
        FailedCalls { bind, connect, send, absent }.unseen(Hook::SockOps).unwrap()
    }

    #[test]
    fn what_is_not_seen_is_named() {
        assert_eq!(FailedCalls::ALL.unseen(Hook::Fentry), None);
        let absent = Absent { ipv4: true, ipv6: false };
        assert_eq!(
            FailedCalls { absent, ..FailedCalls::ALL }.unseen(Hook::Kprobe).unwrap(),
            "binds to nonexistent IPv6 addresses (hook kprobe)"
        );
        assert_eq!(
            unseen(false, false, false),
            "failed binds, UDP connects and UDP sends (hook sock_ops)"
        );
        assert_eq!(
            unseen(true, false, true),
            "failed UDP connects; failed binds through io_uring or by 32-bit programs (hook \
             sock_ops)"
        );
        assert_eq!(
            unseen(true, true, true),
            "failed binds and UDP connects through io_uring or by 32-bit programs (hook sock_ops)"
        );
    }
}
