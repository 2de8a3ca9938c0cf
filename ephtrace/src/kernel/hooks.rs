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

/// The programs that make up a hook. Attached ends first and detached starts first, so that no start
/// is seen whose end is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Programs {
    /// What sees the end of a search; the second one is a spare copy of the first.
    pub ends: &'static [&'static str],
    /// What sees its start; likewise.
    pub starts: &'static [&'static str],
}

/// What decides which programs fit a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// How many arguments the kernel's search function takes.
    pub arguments: u32,
    /// The kernel has its own BTF, so that programs may load fields directly.
    pub is_typed: bool,
    /// The kernel may preempt a program, and leaves it out for other tasks meanwhile.
    pub is_preemptible: bool,
}

/// The programs of `hook` on a kernel.
pub fn programs(hook: Hook, fit: Fit) -> Programs {
    let Fit { arguments, is_typed, is_preemptible } = fit;
    let (ends, starts): (&[_], &[_]) = match hook {
        Hook::Fentry if arguments == 5 => {
            (&["eph_exit5", "eph_exit5_spare"], &["eph_enter", "eph_enter_spare"])
        }
        Hook::Fentry => (&["eph_exit4", "eph_exit4_spare"], &["eph_enter", "eph_enter_spare"]),
        // Probes run with preemption off.
        Hook::Kprobe => (&["eph_kretprobe"], &["eph_kprobe"]),
        // The kernel leaves out no program on a cgroup, but tracepoints.
        Hook::SockOps if is_typed => (&["eph_connected"], &["eph_state_btf", "eph_state_btf2"]),
        Hook::SockOps => (&["eph_connected"], &["eph_state", "eph_state_spare"]),
    };
    if is_preemptible {
        return Programs { ends, starts };
    }
    Programs { ends: &ends[..1], starts: &starts[..1] }
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
                let fit = Fit { arguments, is_typed, is_preemptible: true };
                let Programs { ends, starts } = programs(row.hook, fit);
                for name in ends.iter().chain(starts) {
                    assert!(name.len() <= 15, "{name}");
                }
            }
        }
    }
}
