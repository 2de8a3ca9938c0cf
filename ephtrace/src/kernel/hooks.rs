//! The table of hooks: targets, needs and merits of each, best first.

pub use ephtrace_common::Hook;

use super::sites::SITES;

/// One way to see assignments.
#[derive(Debug, Clone, Copy)]
pub struct HookRow {
    /// The hook.
    pub hook: Hook,
    /// Kernel features that it needs, for people.
    pub needs: &'static str,
    /// Information that it provides, for people.
    pub gives: &'static str,
}

/// All hooks, in the order in which `--hook auto` tries them.
pub const HOOKS: [HookRow; 3] = [
    HookRow { hook: Hook::Fentry, needs: "BTF, function tracing", gives: "everything" },
    HookRow {
        hook: Hook::Kprobe,
        needs: "kprobes",
        gives: "everything; missed return probes are counted",
    },
    HookRow {
        hook: Hook::SockOps,
        needs: "tracepoints, cgroup v2",
        gives: "assignments, latency, failures of connect and listen (errno inferred); no search \
                details",
    },
];

/// Returns the row of `hook`.
pub fn row(hook: Hook) -> &'static HookRow {
    // The table has a row for each hook, in the order of their numbers.
    let index = usize::from(hook.to_wire()) - 1;
    &HOOKS[index]
}

impl HookRow {
    /// Attachment targets, for people.
    pub fn attaches(&self) -> String {
        let functions = |in_module: bool| {
            let rows = SITES.iter().filter(|row| row.module.is_some() == in_module);
            rows.map(|row| row.function).collect::<Vec<_>>().join(", ")
        };
        match self.hook {
            Hook::Fentry => format!(
                "fentry and fexit on {}; kprobe and kretprobe on {}",
                functions(false),
                functions(true)
            ),
            Hook::Kprobe => "kprobe and kretprobe on the same functions".to_owned(),
            Hook::SockOps => {
                "tracepoint inet_sock_set_state; sock_ops, bind and post_bind programs on the \
                 root cgroup, where others can meanwhile attach only with `multi`"
                    .to_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hook_has_its_row() {
        for &hook in Hook::ALL {
            assert_eq!(row(hook).hook, hook);
        }
    }

    #[test]
    fn a_site_is_told_by_its_function() {
        assert_eq!(
            row(Hook::Fentry).attaches(),
            "fentry and fexit on __inet_hash_connect, inet_csk_get_port, udp_lib_get_port, \
             ping_get_port; kprobe and kretprobe on sctp_get_port_local"
        );
    }
}
