//! The attached kernel half: its ring, counters and cost, and how it is detached.

use std::{io, os::fd::AsFd as _};

use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray, RingBuf},
    programs::Program,
};
use aya_log::EbpfLogger;
use ephtrace_common::Counter;
use log::Log;

use super::{
    cost::RunTime,
    error::AttachError,
    failed_calls::FailedCalls,
    hooks::Hook,
    load::{start_late, unload},
    module::{self, Change},
    programs::{self, Programs},
    self_test::{SelfTest, Sight},
    sites::{self, SITES, Site, Unseen},
    support::Support,
    symbols::NoTable,
    totals::TotalsReader,
    unnoticed::{FirstCopies, LeftOut, recursion_misses},
};

/// The loaded and attached kernel half. Dropping it detaches everything.
pub struct Tracer {
    /// Hook that is attached.
    pub hook: Hook,
    /// Time before its first program was attached, on the monotonic clock: no event is earlier.
    pub began_ns: u64,
    /// Better hooks that can't be used, with the reason for each.
    pub passed_over: Vec<(Hook, String)>,
    /// True if `IP_LOCAL_PORT_RANGE` makes the search step by one on this kernel; `None` if its
    /// types don't show it.
    pub own_range_steps_by_one: Option<bool>,
    /// True if the kernel has a table of 65,536 counters; false if that is not visible.
    pub has_large_table: bool,
    /// Bytes of kernel memory that the maps take.
    pub map_bytes: u64,
    /// Reason why candidates are not known although the hook sees the search; `None` if they are.
    pub no_table: Option<NoTable>,
    /// Reason why programs on the root cgroup can't see `bind()`; `None` if they do, or need not.
    pub no_binds: Option<String>,
    /// Requested sites that the hook can't see, with the reason.
    pub unseen: Unseen,
    /// Sites that the hook sees only in part, with the assignments that it misses.
    pub seen_in_part: Vec<(Site, String)>,
    /// Calls whose failure the hook sees.
    pub failed_calls: FailedCalls,
    pub(super) programs: Programs,
    pub(super) ebpf: Ebpf,
    /// Sites whose programs wait for a module.
    pub(super) awaited: Vec<Awaited>,
    /// Reader of the kernel half's own messages; only if they were requested.
    pub(super) logger: Option<EbpfLogger<&'static dyn Log>>,
    pub(super) counters: PerCpuArray<MapData, u64>,
    pub(super) missed: Missed,
    pub(super) left_out: LeftOut,
    pub(super) self_test: SelfTest,
}

/// A site whose programs are loaded, and attached once its module is loaded.
pub(super) struct Awaited {
    site: Site,
    support: Support,
}

/// Searches that ended without a start that the hook saw.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missed {
    /// All of them except for the first `before`, which began before the hook was fully attached,
    /// as did the calls of the first `ends_alone`.
    Counting { before: u64, ends_alone: u64 },
    /// Final number, taken when the programs on the start were detached.
    Stopped { missed: u64 },
}

/// Values of the kernel side's counters, summed over all CPUs.
pub type Counts = [u64; Counter::COUNT as usize];

impl Tracer {
    /// Takes the ring buffer of records. `None` if it was taken before.
    pub fn take_ring(&mut self) -> Option<RingBuf<MapData>> {
        RingBuf::try_from(self.ebpf.take_map("EVENTS")?).ok()
    }

    /// Takes the totals that the kernel half keeps. `None` if they were taken before.
    pub fn take_totals(&mut self) -> Option<TotalsReader> {
        TotalsReader::new(&mut self.ebpf)
    }

    /// Passes the kernel half's own messages on to the `log` crate.
    pub fn flush_log(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// Returns the values of the counters; [`Counter::HookMissed`] since [`Tracer::settle`].
    pub fn counts(&self) -> io::Result<Counts> {
        let mut counts = self.raw_counts()?;
        let count = &mut counts[Counter::HookMissed as usize];
        *count = match self.missed {
            Missed::Counting { before, .. } => count.saturating_sub(before),
            Missed::Stopped { missed } => missed,
        };
        Ok(counts)
    }

    /// Starts counting searches that end without a start as missed; until now, they may have begun
    /// before the hook was fully attached.
    pub fn settle(&mut self) -> io::Result<()> {
        let counts = self.raw_counts()?;
        let ends_alone = counts[Counter::EndsAlone as usize];
        self.missed = Missed::Counting { before: counts[Counter::HookMissed as usize], ends_alone };
        Ok(())
    }

    fn raw_counts(&self) -> io::Result<Counts> {
        let mut counts = [0; Counter::COUNT as usize];
        for (counter, count) in Counter::ALL.iter().zip(&mut counts) {
            *count = self.counter(*counter)?;
        }
        counts[Counter::HookMissed as usize] += self.starts_skipped();
        Ok(counts)
    }

    /// Returns a counter, summed over all CPUs.
    fn counter(&self, counter: Counter) -> io::Result<u64> {
        let per_cpu = self.counters.get(&(counter as u32), 0).map_err(io::Error::other)?;
        Ok(per_cpu.iter().sum())
    }

    /// Returns the number of times that the kernel skipped a kprobe on the start of a search
    /// because its processor was in the middle of a program or of a change to a map
    /// (`bpf_prog_active`). A preemptible kernel may suspend that for another task, whose return
    /// probes it skips too, so that no program notices. The number includes searches that no filter
    /// would have kept. `trace_call_bpf` counts since Linux 6.7.
    fn starts_skipped(&self) -> u64 {
        let starts = self.programs.starts.iter();
        let searches = starts.filter(|start| SITES.iter().any(|row| row.function == start.to));
        let misses = searches.filter_map(|start| match self.ebpf.program(start.program)? {
            Program::KProbe(program) => recursion_misses(program.fd().ok()?.as_fd()),
            _ => None,
        });
        misses.sum()
    }

    /// Describes attempts that fail without being seen.
    ///
    /// They include those that the kernel kept from the hook without a count.
    pub fn unseen_failures(&self) -> Option<String> {
        let known = self.failed_calls.unseen(self.hook);
        let parts: Vec<_> = known.into_iter().chain(self.left_out().in_words()).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Returns the calls that the kernel kept from the hook without a count.
    fn left_out(&self) -> LeftOut {
        match self.left_out {
            LeftOut::Nothing => LeftOut::changes(&self.ebpf, &self.programs.starts),
            known => known,
        }
    }

    /// Returns the number of searches that began so far.
    pub fn searches(&self) -> u64 {
        self.counter(Counter::Seen).unwrap_or(0)
    }

    /// Returns the attached programs' run time so far.
    pub fn run_time(&self) -> RunTime {
        let mut total = RunTime::default();
        for attachment in self.programs.all() {
            let program = self.ebpf.program(attachment.program);
            let Some(Ok(info)) = program.map(Program::info) else { continue };
            let ns = u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX);
            total.ns = total.ns.saturating_add(ns);
            total.runs = total.runs.saturating_add(info.run_count());
        }
        total
    }

    /// Loads the programs for a site in a module, and attaches them if its functions are loaded.
    pub(super) fn add_module(&mut self, site: Site, support: &Support) -> Result<(), AttachError> {
        for &attachment in programs::module_programs(site).all() {
            start_late(&mut self.ebpf, attachment, support, false)?;
        }
        self.awaited.push(Awaited { site, support: support.clone() });
        self.follow_module().map_or(Ok(()), |change| change.attached)
    }

    /// Tests once a minute whether the hook still sees its targets. Returns sites that it has gone
    /// blind to, each once, with the reason. Call it often.
    pub fn blinded(&mut self) -> Vec<(Site, String)> {
        self.self_test.run_if_due()
    }

    /// Tests each site that the hook sees once more, and returns the outcomes.
    pub fn test(&mut self) -> Vec<(Site, Sight)> {
        self.self_test.outcomes()
    }

    /// Returns whether any programs wait for a module.
    pub fn awaits_module(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Attaches the programs that wait for a module, once one is loaded. Cheap; call it often.
    pub fn follow_module(&mut self) -> Option<Change> {
        let loaded = |awaited: &Awaited| {
            sites::row(awaited.site).module.filter(|&module| module::is_loaded(module))
        };
        let (index, module) = self
            .awaited
            .iter()
            .enumerate()
            .find_map(|(index, awaited)| Some((index, loaded(awaited)?)))?;
        let Awaited { site, support } = self.awaited.swap_remove(index);
        Some(Change { module, attached: self.attach_module(site, &support) })
    }

    fn attach_module(&mut self, site: Site, support: &Support) -> Result<(), AttachError> {
        let programs = programs::module_programs(site);
        for &attachment in programs.all() {
            if let Err(error) = start_late(&mut self.ebpf, attachment, support, true) {
                // Detach all of them if one fails: a start whose end is not seen is a loss.
                programs.all().for_each(|one| unload(&mut self.ebpf, one.program));
                return Err(error);
            }
        }
        self.programs.extend(programs);
        Ok(())
    }

    /// Detaches the programs on the start of a search. Searches in flight may still end; from now
    /// on, one that ends without a start was not missed.
    pub fn detach_start(&mut self) {
        self.awaited.clear();
        let counts = self.counts().unwrap_or_default();
        let missed = counts[Counter::HookMissed as usize];
        let ends_alone = match self.missed {
            Missed::Counting { ends_alone, .. } => {
                counts[Counter::EndsAlone as usize].saturating_sub(ends_alone)
            }
            Missed::Stopped { .. } => 0,
        };
        let starts = std::mem::take(&mut self.programs.starts);
        if self.left_out == LeftOut::Nothing {
            self.left_out = LeftOut::changes(&self.ebpf, &starts);
        }
        let first_copies = FirstCopies::of(&self.ebpf, &starts);
        // Detach a second copy before the first: a call that only the second one sees would be one
        // too many.
        for start in starts.iter().rev() {
            unload(&mut self.ebpf, start.program);
        }
        let counter = |counter| self.counter(counter).ok();
        let unnoticed = first_copies.unnoticed(counter, ends_alone).unwrap_or(0);
        self.missed = Missed::Stopped { missed: missed + unnoticed };
    }

    /// Detaches the programs on the end of a search.
    pub fn detach_end(&mut self) {
        let ends = std::mem::take(&mut self.programs.ends);
        for end in ends {
            unload(&mut self.ebpf, end.program);
        }
    }
}
