//! The table of hooks: what each attaches, needs and gives, best first.

pub use ephtrace_common::Hook;

/// One way to see assignments.
#[derive(Debug, Clone, Copy)]
pub struct HookRow {
    /// Which one.
    pub hook: Hook,
    /// What it attaches to, for people.
    pub attaches: &'static str,
    /// What the kernel must have, for people.
    pub needs: &'static str,
    /// What it can tell, for people.
    pub gives: &'static str,
}

/// All hooks, in the order in which `--hook auto` tries them.
pub const HOOKS: [HookRow; 3] = [
    HookRow {
        hook: Hook::Fentry,
        attaches: "fentry and fexit on __inet_hash_connect",
        needs: "BTF, function tracing",
        gives: "everything",
    },
    HookRow {
        hook: Hook::Kprobe,
        attaches: "kprobe and kretprobe on __inet_hash_connect",
        needs: "kprobes",
        gives: "everything; missed return probes are counted",
    },
    HookRow {
        hook: Hook::SockOps,
        attaches: "raw tracepoint inet_sock_set_state, sock_ops on the root cgroup",
        needs: "tracepoints, cgroup v2",
        gives: "connect assignments, failures (errno inferred), latency; nothing of the search",
    },
];

/// The row of `hook`.
pub fn row(hook: Hook) -> &'static HookRow {
    // The table has a row for each hook, in the order of their numbers.
    let index = usize::from(hook.to_wire()) - 1;
    &HOOKS[index]
}

/// The programs of `hook`: what sees the end of a search, then what sees its start. Attached in this
/// order and detached in reverse, so that no start is seen whose end is not.
///
/// `arguments` is how many the kernel's search function takes; `is_typed` says that the kernel has
/// its own BTF, so that programs may load fields directly.
pub fn programs(hook: Hook, arguments: u32, is_typed: bool) -> [&'static str; 2] {
    match hook {
        Hook::Fentry if arguments == 5 => ["eph_exit5", "eph_enter"],
        Hook::Fentry => ["eph_exit4", "eph_enter"],
        Hook::Kprobe => ["eph_kretprobe", "eph_kprobe"],
        Hook::SockOps if is_typed => ["eph_connected", "eph_state_btf"],
        Hook::SockOps => ["eph_connected", "eph_state"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hook_has_its_row() {
        for hook in [Hook::Fentry, Hook::Kprobe, Hook::SockOps] {
            assert_eq!(row(hook).hook, hook);
        }
    }

    #[test]
    fn program_names_fit_the_kernel_s_limit() {
        for row in &HOOKS {
            for (arguments, is_typed) in [(4, false), (5, true)] {
                for name in programs(row.hook, arguments, is_typed) {
                    assert!(name.len() <= 15, "{name}");
                }
            }
        }
    }
}
