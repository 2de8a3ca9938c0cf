//! Calls that no program has seen, where the kernel leaves programs out: neither copy of that which
//! sees a search begin, nor of that which sees it end.
//!
//! The kernel counts how often it left a program out (Linux 5.12). With how often the program ran,
//! that is the number of calls; the kernel half counts those that any program has noticed.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
};

use aya::{Ebpf, programs::Program};
use ephtrace_common::Counter;

use super::{
    programs::Attachment,
    sites::{SITES, Traced},
};

/// Programs that see searches begin, the first of two copies each.
pub(super) struct FirstCopies(Vec<OwnedFd>);

impl FirstCopies {
    /// Those among `starts` that have a second copy there.
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

    /// Calls that no program has noticed, once all of these are detached. `counter` tells the value
    /// of a counter, and `ends_alone` how many calls were seen to end alone.
    ///
    /// None where the kernel does not count what it leaves out.
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

/// How often the kernel skipped a program: a line of its file descriptor's text (Linux 5.12), which
/// aya does not read.
pub(super) fn recursion_misses(program: BorrowedFd<'_>) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("recursion_misses:")?.trim().parse().ok())
}
