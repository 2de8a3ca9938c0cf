//! Calls that no program has seen, because the kernel skipped programs: neither copy of the one
//! that sees a search begin, nor of the one that sees it end.
//!
//! The kernel counts how often it skipped a program (Linux 5.12). Together with the program's runs,
//! that is the number of calls; the kernel half counts those that any program has noticed.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
};

use aya::{Ebpf, programs::Program};
use ephtrace_common::{Counter, Hook};

use super::{
    programs::{Attachment, STATE},
    sites::{SITES, Traced},
    support::Support,
};

/// Programs that see searches begin, the first of two copies each.
pub(super) struct FirstCopies(Vec<OwnedFd>);

impl FirstCopies {
    /// Returns those of `starts` that have a second copy there.
    pub(super) fn of(ebpf: &Ebpf, starts: &[Attachment]) -> Self {
        let is_attached = |name: &str| starts.iter().any(|start| start.program == name);
        let traced = |Traced { starts, .. }: &Traced| starts.iter().all(|name| is_attached(name));
        let mut names: Vec<_> =
            SITES.iter().flat_map(|row| row.fentry).filter(|t| traced(t)).collect();
        names.dedup_by_key(|traced| traced.starts);
        let fd = |traced: &&Traced| match ebpf.program(traced.starts[0])? {
            Program::FEntry(program) => program.fd().ok()?.as_fd().try_clone_to_owned().ok(),
            _ => None,
        };
        Self(names.iter().filter_map(fd).collect())
    }

    /// Returns the number of calls that no program has noticed, once all of these are detached.
    /// `counter` returns the value of a counter; `ends_alone` is the number of calls whose end
    /// alone was seen.
    ///
    /// `None` if the kernel does not count skipped programs.
    pub(super) fn unnoticed(
        &self,
        counter: impl Fn(Counter) -> Option<u64>,
        ends_alone: u64,
    ) -> Option<u64> {
        let left_out: u64 =
            self.0.iter().map(|fd| recursion_misses(fd.as_fd())).sum::<Option<u64>>()?;
        let calls = counter(Counter::FirstCopyRuns)? + left_out;
        Some(calls.saturating_sub(counter(Counter::CallsBegun)? + ends_alone))
    }
}

/// Calls that the kernel kept from a hook without a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// None.
    Nothing,
    /// Upper bound on skipped changes of sockets' states, which may include the start or the
    /// failure of a search. A search that succeeds is always seen to end.
    Changes(u64),
    /// An unknown number of probes.
    Probes,
}

/// First kernel version that counts skipped kprobes.
const COUNTS_PROBES: (u32, u32) = (6, 7);

impl LeftOut {
    /// Returns the calls that kprobes may miss: a kernel skips them only if it preempts its own
    /// code.
    pub(super) fn of_probes(hook: Hook, support: &Support) -> Self {
        let is_counted = version(&support.release).is_some_and(|this| this >= COUNTS_PROBES);
        if hook == Hook::Kprobe && support.is_preemptible && !is_counted {
            Self::Probes
        } else {
            Self::Nothing
        }
    }

    /// Returns the changes of state that neither copy of the program in `starts` may have seen: at
    /// most as many as the copy missed that missed fewer.
    pub(super) fn changes(ebpf: &Ebpf, starts: &[Attachment]) -> Self {
        let copies = starts.iter().filter(|start| start.to == STATE);
        let missed = copies.map(|start| match ebpf.program(start.program) {
            Some(Program::BtfTracePoint(program)) => recursion_misses(program.fd().ok()?.as_fd()),
            Some(Program::RawTracePoint(program)) => recursion_misses(program.fd().ok()?.as_fd()),
            _ => None,
        });
        // A kernel that counts no skips makes none (Linux 6.2).
        match missed.flatten().min() {
            None | Some(0) => Self::Nothing,
            Some(most) => Self::Changes(most),
        }
    }

    /// Describes the unknown calls.
    pub(super) fn in_words(self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::Changes(most) => Some(format!(
                "unknown, because the kernel skipped both copies of a program at the same time: \
                 up to {most} failed connects and listens (hook sock_ops)"
            )),
            Self::Probes => Some(
                "unknown, because a preemptible kernel counts skipped probes only from Linux 6.7 \
                 on: searches with a skipped probe (hook kprobe)"
                    .to_owned(),
            ),
        }
    }
}

/// Returns the first two numbers of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Returns the number of times that the kernel skipped a program: a line of its file descriptor's
/// text (Linux 5.12), which aya does not read.
pub(super) fn recursion_misses(program: BorrowedFd<'_>) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("recursion_misses:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("6.12.0-rc1") > Some(COUNTS_PROBES));
        assert!(version("6.1.192-cloud") < Some(COUNTS_PROBES));
        assert_eq!(version("next"), None);
    }

    #[test]
    fn what_is_not_known_is_said() {
        assert_eq!(LeftOut::Nothing.in_words(), None);
        for unknown in [LeftOut::Changes(3), LeftOut::Probes] {
            assert!(unknown.in_words().unwrap().starts_with("unknown, because "));
        }
    }
}
