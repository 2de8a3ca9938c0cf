//! The programs of the kernel half that make up a hook, in the order in which they are attached.

use ephtrace_common::Hook;

use super::{
    failed_calls::{self, FailedCalls},
    sites::{self, Companion, Kernels, Site, SiteRow, Traced},
};

/// A program of the kernel half, and its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Name of the program.
    pub program: &'static str,
    /// Target: a function, a tracepoint or [`BINDS`]; empty for the root cgroup otherwise.
    pub to: &'static str,
}

/// The programs that make up a hook. Ends are attached first and starts detached first, so that
/// every search whose beginning is seen is also seen to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Programs {
    /// Programs that see the end of a search.
    pub ends: Vec<Attachment>,
    /// Programs that see its start.
    pub starts: Vec<Attachment>,
}

/// Facts that decide which programs fit a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// Number of arguments of the kernel's search function.
    pub arguments: u32,
    /// True if the kernel has its own BTF, so that programs may load fields directly.
    pub is_typed: bool,
    /// True if each program is attached twice: the kernel may preempt one, and skips it for other
    /// tasks meanwhile.
    pub attach_twice: bool,
    /// True if the kernel has MPTCP.
    pub has_mptcp: bool,
    /// State of the root cgroup's attach points for programs that see `bind()`.
    pub binds: Binds,
    /// Calls whose failure is to be seen if the search does not show it.
    pub failed_calls: FailedCalls,
}

/// State of the root cgroup's attach points for programs that see `bind()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binds {
    /// Free, as far as is known.
    Free,
    /// Held by a foreign program, or refused.
    Held,
}

impl Fit {
    /// Number of times that each program is attached.
    fn copies(&self) -> usize {
        if self.attach_twice { 2 } else { 1 }
    }
}

/// Target name of the root cgroup for programs that see `bind()` there.
pub const BINDS: &str = "bind()";

/// Tracepoint of the hook `sock_ops`.
pub const STATE: &str = "inet_sock_set_state";

/// Program that sees tasks end, whatever the hook: the kernel half's state of a task is removed
/// with it.
const TASK_END: Attachment = Attachment { program: "eph_task_end", to: "sched_process_exit" };

/// Returns the programs with which `hook` sees `sites`, without those of modules.
pub fn programs(hook: Hook, sites: &[Site], fit: Fit) -> Programs {
    let mut programs = Programs { ends: vec![TASK_END], starts: Vec::new() };
    let rows = sites.iter().map(|&site| sites::row(site));
    match hook {
        Hook::Fentry | Hook::Kprobe => {
            let rows: Vec<_> = rows.filter(|row| row.module.is_none()).collect();
            for row in &rows {
                programs.add_function(hook, row, fit);
            }
            let absent = fit.failed_calls.absent;
            for (ends, starts, to) in failed_calls::on_functions(hook, &rows, absent, fit.copies())
            {
                programs.add(ends, starts, to);
            }
        }
        Hook::SockOps => programs.add_cgroup(&rows.collect::<Vec<_>>(), fit),
    }
    programs
}

/// Returns the programs that see `site`, which is in a module, for `fentry` and `kprobe` alike: aya
/// can't read the types of modules, which fentry needs.
pub fn module_programs(site: Site) -> Programs {
    let row = sites::row(site);
    let mut programs = Programs::default();
    programs.add(&[row.kprobe.end], &[], row.function);
    // A companion comes before the start that needs it.
    for companion in row.companions {
        programs.add(&[], &[companion.kprobe], companion.function);
    }
    programs.add(&[], &[row.kprobe.start], row.function);
    programs
}

impl Programs {
    fn add_function(&mut self, hook: Hook, row: &'static SiteRow, fit: Fit) {
        let copies = fit.copies();
        if hook == Hook::Kprobe {
            self.add(&[row.kprobe.end], &[row.kprobe.start], row.function);
        } else if let Some(Traced { starts, ends }) = traced(row, fit.arguments) {
            self.add(&ends[..copies], &starts[..copies], row.function);
        }
        let fitting = row.companions.iter().filter(|companion| is_there(companion, fit));
        for companion in fitting {
            if hook == Hook::Kprobe {
                self.add(&[], &[companion.kprobe], companion.function);
            } else {
                let copies = copies.min(companion.fentry.len());
                self.add(&[], &companion.fentry[..copies], companion.function);
            }
        }
    }

    /// Adds a tracepoint, and programs on the root cgroup, which the kernel never skips.
    fn add_cgroup(&mut self, rows: &[&SiteRow], fit: Fit) {
        if rows.iter().any(|row| row.sock_ops.by_state) {
            let state = if fit.is_typed {
                ["eph_state_btf", "eph_state_btf_2"]
            } else {
                ["eph_state", "eph_state_2"]
            };
            self.add(&["eph_connected"], &[], "");
            self.add(&[], &state[..fit.copies()], STATE);
        }
        if fit.binds == Binds::Free && rows.iter().any(|row| row.sock_ops.by_bind) {
            self.add(&["eph_cbound4"], &["eph_cbind4"], BINDS);
            self.add(&["eph_cbound6"], &["eph_cbind6"], BINDS);
            for (program, to) in failed_calls::programs(rows, fit.failed_calls) {
                self.add(&[program], &[], to);
            }
        }
    }

    /// Adds programs on `to`, each one once.
    fn add(&mut self, ends: &[&'static str], starts: &[&'static str], to: &'static str) {
        for (names, attachments) in [(ends, &mut self.ends), (starts, &mut self.starts)] {
            for &program in names {
                let attachment = Attachment { program, to };
                if !attachments.contains(&attachment) {
                    attachments.push(attachment);
                }
            }
        }
    }

    /// Adds `more`, attached after these.
    pub(super) fn extend(&mut self, more: Self) {
        self.ends.extend(more.ends);
        self.starts.extend(more.starts);
    }

    /// Returns all programs, in the order in which they are attached.
    pub fn all(&self) -> impl Iterator<Item = &Attachment> {
        self.ends.iter().chain(&self.starts)
    }
}

/// Returns the set of programs for a search function with this many arguments; the only set, if
/// there is one.
fn traced(row: &SiteRow, arguments: u32) -> Option<Traced> {
    let position = row.arguments.iter().position(|&count| count == arguments as usize);
    let fitting = position.and_then(|index| row.fentry.get(index));
    fitting.or(row.fentry.first()).copied()
}

fn is_there(companion: &Companion, fit: Fit) -> bool {
    match companion.on {
        Kernels::All => true,
        Kernels::WithMptcp => fit.has_mptcp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::object;

    fn fit(arguments: u32, is_typed: bool) -> Fit {
        let failed_calls = FailedCalls::ALL;
        Fit {
            arguments,
            is_typed,
            attach_twice: true,
            has_mptcp: true,
            binds: Binds::Free,
            failed_calls,
        }
    }

    /// Returns all programs that any hook attaches to any kernel.
    fn all() -> Vec<&'static str> {
        let fits = [fit(4, false), fit(5, true)];
        let by_hook =
            Hook::ALL.iter().flat_map(|&hook| fits.map(|fit| programs(hook, Site::ALL, fit)));
        let modules = Site::ALL.iter().filter(|&&site| sites::row(site).module.is_some());
        let every = by_hook.chain(modules.map(|&site| module_programs(site)));
        let mut names: Vec<_> =
            every.flat_map(|set| set.all().map(|one| one.program).collect::<Vec<_>>()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    #[test]
    fn names_fit_the_kernel_s_limit() {
        assert!(all().iter().all(|name| name.len() <= 15), "{:?}", all());
    }

    #[test]
    fn the_tables_name_every_program_of_the_object_and_no_other() {
        // Symbols are separated by NULs, and only names of programs begin like this.
        let words = object::bytes().split(|&byte| byte == 0);
        let symbols = words.filter_map(|word| str::from_utf8(word).ok());
        let mut programs: Vec<_> = symbols.filter(|name| name.starts_with("eph_")).collect();
        programs.sort_unstable();
        programs.dedup();
        assert_eq!(all(), programs);
    }

    #[test]
    fn every_program_is_attached_once() {
        let programs = programs(Hook::Fentry, Site::ALL, fit(5, true));
        let mut names: Vec<_> = programs.all().map(|attachment| attachment.program).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!((names.len(), count), (25, 25));
    }

    #[test]
    fn a_module_s_start_comes_last() {
        let to: Vec<_> =
            module_programs(Site::Sctp).all().map(|attachment| attachment.to).collect();
        assert_eq!(to, ["sctp_get_port_local", "sctp_bind", "sctp_get_port_local"]);
    }
}
