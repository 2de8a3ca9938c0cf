//! Which failures a hook sees, and in words those that it does not.

use ephtrace_common::Hook;

/// Calls of which it is seen that they failed for want of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedCalls {
    /// `bind()`, TCP and UDP.
    pub bind: bool,
    /// `connect()` of an unbound UDP socket.
    pub connect: bool,
    /// The first send of an unbound UDP socket.
    pub send: bool,
}

impl FailedCalls {
    /// All of them.
    pub const ALL: Self = Self { bind: true, connect: true, send: true };

    /// Attempts that fail without `hook` seeing it, so that its zero says nothing of them.
    pub fn unseen(self, hook: Hook) -> Option<String> {
        if hook != Hook::SockOps {
            return None;
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
            parts.push(format!("failed {kinds} through io_uring or of 32-bit programs"));
        }
        Some(format!("{} (hook {})", parts.join("; "), hook.name()))
    }
}

/// `a`, `a and b`, `a, b and c`.
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
        FailedCalls { bind, connect, send }.unseen(Hook::SockOps).unwrap()
    }

    #[test]
    fn what_is_not_seen_is_named() {
        assert_eq!(FailedCalls::ALL.unseen(Hook::Fentry), None);
        assert_eq!(
            unseen(false, false, false),
            "failed binds, UDP connects and UDP sends (hook sock_ops)"
        );
        assert_eq!(
            unseen(true, false, true),
            "failed UDP connects; failed binds through io_uring or of 32-bit programs (hook \
             sock_ops)"
        );
        assert_eq!(
            unseen(true, true, true),
            "failed binds and UDP connects through io_uring or of 32-bit programs (hook sock_ops)"
        );
    }
}
