//! The attached kernel half: its ring, counters and cost, and how it is detached.

use std::{
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
};

use aya::{
    Ebpf,
    maps::{MapData, PerCpuArray, RingBuf},
    programs::Program,
};
use aya_log::EbpfLogger;
use ephtrace_common::Counter;
use log::Log;

use super::{
    attach::Unseen,
    cost::Cost,
    hooks::{Hook, Programs, Site},
    module::Waiting,
    totals::TotalsReader,
};

/// The loaded and attached kernel half. Dropping it detaches everything.
pub struct Tracer {
    /// How it is attached.
    pub hook: Hook,
    /// Hooks that would have been better, with the reason why each can't be used.
    pub passed_over: Vec<(Hook, String)>,
    /// `IP_LOCAL_PORT_RANGE` makes the search step by one on this kernel.
    pub own_range_steps_by_one: bool,
    /// What the hook was asked to see and can't, with the reason.
    pub unseen: Unseen,
    /// What it sees, but not all of it, with what it misses.
    pub seen_in_part: Vec<(Site, &'static str)>,
    pub(super) programs: Programs,
    pub(super) ebpf: Ebpf,
    /// What is attached once the module with its functions is there.
    pub(super) waiting: Option<Waiting>,
    /// Reads what the kernel half logs; only where that was asked for.
    pub(super) logger: Option<EbpfLogger<&'static dyn Log>>,
    pub(super) counters: PerCpuArray<MapData, u64>,
    pub(super) missed: Missed,
}

/// Searches that ended without a start that the hook saw.
#[derive(Clone, Copy, Debug)]
pub(super) enum Missed {
    /// All but the first `before`, which began while the hook was attached half.
    Counting { before: u64 },
    /// So many, until what sees them begin was detached.
    Stopped { missed: u64 },
}

/// Values of the kernel side's counters, summed over all CPUs.
pub type Counts = [u64; Counter::COUNT as usize];

impl Tracer {
    /// The ring buffer of records. `None` if it was taken before.
    pub fn take_ring(&mut self) -> Option<RingBuf<MapData>> {
        RingBuf::try_from(self.ebpf.take_map("EVENTS")?).ok()
    }

    /// The totals that the kernel half keeps. `None` if they were taken before.
    pub fn take_totals(&mut self) -> Option<TotalsReader> {
        TotalsReader::new(&mut self.ebpf)
    }

    /// Passes the kernel half's own messages on to the `log` crate.
    pub fn flush_log(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// Values of the counters; [`Counter::HookMissed`] since [`Tracer::settle`].
    pub fn counts(&self) -> io::Result<Counts> {
        let mut counts = self.raw_counts()?;
        let count = &mut counts[Counter::HookMissed as usize];
        *count = match self.missed {
            Missed::Counting { before } => count.saturating_sub(before),
            Missed::Stopped { missed } => missed,
        };
        Ok(counts)
    }

    /// From now on, a search that ends without a start was missed; before, it may have begun while
    /// the hook was attached half.
    pub fn settle(&mut self) -> io::Result<()> {
        let before = self.raw_counts()?[Counter::HookMissed as usize];
        self.missed = Missed::Counting { before };
        Ok(())
    }

    fn raw_counts(&self) -> io::Result<Counts> {
        let mut counts = [0; Counter::COUNT as usize];
        for (counter, count) in Counter::ALL.iter().zip(&mut counts) {
            *count = self.counter(*counter)?;
        }
        counts[Counter::HookMissed as usize] += self.starts_left_out();
        Ok(counts)
    }

    /// Summed over all CPUs.
    fn counter(&self, counter: Counter) -> io::Result<u64> {
        let per_cpu = self.counters.get(&(counter as u32), 0).map_err(io::Error::other)?;
        Ok(per_cpu.iter().sum())
    }

    /// How often the kernel left out a kprobe on the start of a search, as its processor was in the
    /// middle of a program or of a change to a map (`bpf_prog_active`): a preemptible kernel may put
    /// that off for another task, whose return probes it leaves out too, so that no program notices.
    /// Searches that no filter would have kept are in the number. `trace_call_bpf` counts since Linux
    /// 6.7.
    fn starts_left_out(&self) -> u64 {
        let starts = self.programs.starts.iter();
        let searches = starts.filter(|start| Site::ALL.iter().any(|s| s.function() == start.to));
        let misses = searches.filter_map(|start| match self.ebpf.program(start.program)? {
            Program::KProbe(program) => recursion_misses(program.fd().ok()?.as_fd()),
            _ => None,
        });
        misses.sum()
    }

    /// Searches that began so far.
    pub fn searches(&self) -> u64 {
        self.counter(Counter::Seen).unwrap_or(0)
    }

    /// The attached programs' totals, as far as the kernel counted them.
    pub fn cost(&self) -> Cost {
        let mut cost = Cost { searches: self.searches(), ..Cost::default() };
        for attachment in self.programs.all() {
            let program = self.ebpf.program(attachment.program);
            let Some(Ok(info)) = program.map(Program::info) else { continue };
            let run_time_ns = u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX);
            cost.run_time_ns = cost.run_time_ns.saturating_add(run_time_ns);
            cost.runs = cost.runs.saturating_add(info.run_count());
        }
        cost
    }

    /// Detaches what sees a search begin. What is in flight may still end; what ends without a start
    /// from now on was not missed.
    pub fn detach_start(&mut self) {
        // Nothing new from now on.
        self.waiting = None;
        let missed = self.counts().map_or(0, |counts| counts[Counter::HookMissed as usize]);
        self.missed = Missed::Stopped { missed };
        let starts = std::mem::take(&mut self.programs.starts);
        for start in starts {
            self.unload(start.program);
        }
    }

    /// Detaches what sees a search end.
    pub fn detach_end(&mut self) {
        let ends = std::mem::take(&mut self.programs.ends);
        for end in ends {
            self.unload(end.program);
        }
    }

    pub(super) fn unload(&mut self, name: &str) {
        let Some(program) = self.ebpf.program_mut(name) else { return };
        let unloaded = match program {
            Program::FEntry(program) => program.unload(),
            Program::FExit(program) => program.unload(),
            Program::KProbe(program) => program.unload(),
            Program::BtfTracePoint(program) => program.unload(),
            Program::RawTracePoint(program) => program.unload(),
            Program::SockOps(program) => program.unload(),
            Program::CgroupSockAddr(program) => program.unload(),
            Program::CgroupSock(program) => program.unload(),
            _ => return,
        };
        if let Err(error) = unloaded {
            log::warn!("{name} can't be detached: {error}; it goes when ephtrace ends");
        }
    }
}

/// How often the kernel left out a program: a line of its file descriptor's text (Linux 5.12), which
/// aya does not read.
fn recursion_misses(program: BorrowedFd<'_>) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).ok()?;
    text.lines().find_map(|line| line.strip_prefix("recursion_misses:")?.trim().parse().ok())
}
