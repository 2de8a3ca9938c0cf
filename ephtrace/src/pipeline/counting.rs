//! Totals kept by the kernel half, and taken from it.
//!
//! ```text
//! totals (per CPU) ─ switch, wait, take ─→ CumulativeTotals
//! ```

use std::{
    collections::{HashMap, hash_map::Entry},
    path::Path,
};

use anyhow::{Context as _, Result};
use ephtrace_common::{
    id_here,
    totals::{Totals, TotalsKey},
};
use tokio::time::sleep;

use super::{
    counts,
    timing::{GRACE, SETTLE},
};
use crate::{
    analyse::{
        findings::{DestinationFacts, Facts},
        overflow::Overflow,
        storm::{Interval, Period},
    },
    host::{clock::monotonic_ns, containers::Containers, netns, processors},
    kernel::{
        attach,
        hooks::Hook,
        options::{Options, TotalsMode},
        support::Support,
        totals::{self, Taken, TotalsReader},
        tracer::Tracer,
    },
    model::{Filter, filter::NameFilter, grouping::By, losses::Losses, task_names::Membership},
};

/// Size of the unused ring buffer: the minimum.
const RING_BYTES: u32 = 4 << 10;

/// Maximum number of rows that are remembered for the last table; further ones are added to the
/// others. 30 MiB.
const MAX_ROWS: usize = 1 << 16;

/// A tracer that only counts.
pub(crate) struct Counting {
    pub(crate) tracer: Tracer,
    reader: TotalsReader,
    /// Start of the interval that was not taken yet, on the monotonic clock.
    pub(crate) since_ns: u64,
}

/// Final results, once nothing is counted any more.
pub(crate) struct Rest {
    /// Last totals, and those that arrived late in the previous maps.
    pub(crate) taken: [Taken; 2],
    /// All losses.
    pub(crate) losses: Losses,
    /// Time from which on no beginning search was counted, on the clock of [`Counting::since_ns`].
    pub(crate) stopped_ns: u64,
}

/// Options of a counting run.
pub(crate) struct CountingOptions<'a> {
    pub(crate) hook: Option<Hook>,
    pub(crate) btf: Option<&'a Path>,
    pub(crate) filter: &'a Filter,
    /// Number of rows of each map; `None` for as many as fit.
    pub(crate) rows: Option<u32>,
    /// Size in bytes of a ring buffer for copies of the assignments; `None` to count only.
    pub(crate) copies: Option<u32>,
    pub(crate) log_level: u8,
}

impl Counting {
    /// Attaches, and waits until everything is attached. The caller announces the trace, and then
    /// calls [`restrict`](super::rights::restrict).
    pub(crate) async fn start(what: CountingOptions<'_>) -> Result<Self> {
        let options = Options {
            filter: what.filter,
            ring_bytes: what.copies.unwrap_or(RING_BYTES),
            totals: what.copies.map_or(TotalsMode::Only(what.rows), |_| TotalsMode::Both),
            log_level: what.log_level,
        };
        let mut tracer = attach::attach(what.hook, &Support::gather(what.btf), &options)?;
        let reader = tracer.take_totals().context("the eBPF object has no totals")?;
        sleep(SETTLE).await;
        tracer.settle()?;
        let mut counting = Self { tracer, reader, since_ns: 0 };
        // Attaching takes seconds on a slow kernel; totals counted meanwhile cover no known time.
        drop(counting.take().await?);
        Ok(counting)
    }

    /// Returns the totals since the previous call, and the length of that interval, in nanoseconds.
    pub(crate) async fn take(&mut self) -> Result<(Taken, u64)> {
        self.reader.switch()?;
        let now_ns = monotonic_ns()?;
        let duration_ns = now_ns.saturating_sub(self.since_ns);
        self.since_ns = now_ns;
        sleep(totals::GRACE).await;
        Ok((self.reader.take()?, duration_ns))
    }

    /// Returns the losses so far.
    pub(crate) fn losses(&self) -> Result<Losses> {
        Ok(counts::losses(&self.tracer.counts()?))
    }

    /// Detaches, and returns the rest.
    pub(crate) async fn finish(&mut self) -> Result<Rest> {
        self.tracer.detach_start();
        let stopped_ns = monotonic_ns()?;
        sleep(GRACE).await;
        self.tracer.detach_end();
        let taken = [self.take().await?.0, self.take().await?.0];
        let counts = self.tracer.counts()?;
        let mut losses = counts::losses(&counts);
        losses.return_missed += counts::never_ended(&counts);
        Ok(Rest { taken, losses, stopped_ns })
    }
}

/// Sum of all totals taken.
pub(crate) struct CumulativeTotals {
    began_ns: u64,
    most_rows: usize,
    rows: HashMap<TotalsKey, Totals>,
    other: Option<Totals>,
}

impl CumulativeTotals {
    /// Creates an empty sum that begins at `began_ns`.
    pub(crate) fn since(began_ns: u64) -> Self {
        Self { began_ns, ..Self::bounded(MAX_ROWS) }
    }

    /// Creates an empty sum without a start time; rows beyond `most_rows` are added to the others.
    pub(crate) fn bounded(most_rows: usize) -> Self {
        Self { began_ns: 0, most_rows, rows: HashMap::new(), other: None }
    }

    pub(crate) fn add(&mut self, taken: &Taken) {
        for (key, sums) in &taken.rows {
            let has_room = self.rows.len() < self.most_rows;
            match self.rows.entry(*key) {
                Entry::Occupied(mut mine) => mine.get_mut().merge(sums),
                Entry::Vacant(place) if has_room => drop(place.insert(*sums)),
                Entry::Vacant(_) => self.add_other(sums),
            }
        }
        if let Some(other) = &taken.other {
            self.add_other(other);
        }
    }

    fn add_other(&mut self, sums: &Totals) {
        match &mut self.other {
            Some(other) => other.merge(sums),
            None => self.other = Some(*sums),
        }
    }

    /// Returns the interval that ends at `end_ns` on the wall clock; `now_ns` is that moment on the
    /// clock of `began_ns`.
    pub(crate) fn interval(&self, end_ns: u64, now_ns: u64, naming: &mut Naming) -> Interval {
        let duration_ns = now_ns.saturating_sub(self.began_ns);
        interval(end_ns, duration_ns, &self.rows(), self.other.as_ref(), naming)
    }

    /// Returns the losses until `end_ns`, on the wall clock; `None` if there are none.
    pub(crate) fn overflow(&self, end_ns: u64, naming: &mut Naming) -> Option<Overflow> {
        if self.rows.is_empty() && self.other.is_none() {
            return None;
        }
        let of = naming.membership(end_ns);
        Some(Overflow::new(period(end_ns, 0), &self.rows(), self.other.as_ref(), of))
    }

    fn rows(&self) -> Vec<(TotalsKey, Totals)> {
        self.rows.iter().map(|(key, sums)| (*key, *sums)).collect()
    }
}

/// Returns the facts about destinations of an interval.
pub(crate) fn facts(interval: &Interval) -> Facts {
    let destinations = interval.rows.iter().map(DestinationFacts::of_row).collect();
    let self_connects = interval.self_connects();
    Facts { destinations, own_netns: netns::own().ok(), self_connects, ..Facts::default() }
}

/// Names of the rows, the filter of those that are wanted, and their grouping.
pub(crate) struct Naming {
    containers: Containers,
    filter: NameFilter,
    by: By,
}

impl Naming {
    /// Keeps rows whose names pass `filter`. Call it before rights are dropped.
    pub(crate) fn new(filter: &Filter, by: By) -> Self {
        Self { containers: Containers::of_traced(), filter: filter.names.clone(), by }
    }

    /// Returns what a row's process belongs to; `None` if it is not wanted.
    fn membership(&mut self, now_ns: u64) -> impl FnMut(&TotalsKey, &Totals) -> Option<Membership> {
        move |key, sums| {
            let cgroup = Some(sums.cgroup_id);
            let of = id_here(key.pid).map(|pid| self.containers.find(pid, cgroup, now_ns));
            let of = of.unwrap_or_default();
            self.filter.matches(of.container.as_deref(), of.names.as_deref()).then_some(of)
        }
    }
}

/// Creates an interval from the kernel's rows, with names and the number of processors added.
pub(crate) fn interval(
    end_ns: u64,
    duration_ns: u64,
    rows: &[(TotalsKey, Totals)],
    other: Option<&Totals>,
    naming: &mut Naming,
) -> Interval {
    let by = naming.by;
    Interval::new(period(end_ns, duration_ns), rows, other, by, naming.membership(end_ns))
}

fn period(end_ns: u64, duration_ns: u64) -> Period {
    Period { end_ns, duration_ns, processors: processors::online() }
}
