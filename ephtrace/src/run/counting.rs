//! The kernel half adding up, and what it has added up taken from it.
//!
//! ```text
//! totals (per CPU) ─ switch, wait, take
//! ```

use std::path::Path;

use anyhow::{Context as _, Result};
use ephtrace_common::Filter;
use tokio::time::sleep;

use super::{GRACE, SETTLE, counts};
use crate::{
    enrich::clock::monotonic_ns,
    kernel::{
        attach::{self, Options, Totals},
        hooks::Hook,
        support::Support,
        totals::{self, Taken, TotalsReader},
        tracer::Tracer,
    },
    losses::Losses,
};

/// The ring buffer is not used, but there has to be one: the smallest.
const RING_BYTES: u32 = 4 << 10;

/// A tracer that only counts.
pub(super) struct Counting {
    pub(super) tracer: Tracer,
    reader: TotalsReader,
    /// Since when it has been adding up what was not taken yet.
    pub(super) since_ns: u64,
}

/// What to count.
pub(super) struct What<'a> {
    pub(super) hook: Option<Hook>,
    pub(super) btf: Option<&'a Path>,
    pub(super) filter: &'a Filter,
    /// Rows of each map; `None` for as many as fit.
    pub(super) rows: Option<u32>,
    pub(super) log_level: u8,
}

impl Counting {
    /// Attaches, and waits until nothing is attached half any more.
    pub(super) async fn start(what: What<'_>) -> Result<Self> {
        let options = Options {
            filter: what.filter,
            ring_bytes: RING_BYTES,
            totals: Totals::Only(what.rows),
            log_level: what.log_level,
        };
        let mut tracer = attach::attach(what.hook, &Support::gather(what.btf), &options)?;
        let reader = tracer.take_totals().context("the eBPF object has no totals")?;
        sleep(SETTLE).await;
        tracer.settle()?;
        Ok(Self { tracer, reader, since_ns: monotonic_ns()? })
    }

    /// What was added up since the last time, and how long that is, in nanoseconds.
    pub(super) async fn take(&mut self) -> Result<(Taken, u64)> {
        self.reader.switch()?;
        let now_ns = monotonic_ns()?;
        let duration_ns = now_ns.saturating_sub(self.since_ns);
        self.since_ns = now_ns;
        sleep(totals::GRACE).await;
        Ok((self.reader.take()?, duration_ns))
    }

    /// What was lost so far.
    pub(super) fn losses(&self) -> Result<Losses> {
        Ok(counts::losses(&self.tracer.counts()?))
    }

    /// Detaches, and returns the rest: what was added up last, and what came late to the maps before.
    pub(super) async fn finish(&mut self) -> Result<([Taken; 2], Losses)> {
        self.tracer.detach_start();
        sleep(GRACE).await;
        self.tracer.detach_end();
        let rest = [self.take().await?.0, self.take().await?.0];
        let counts = self.tracer.counts()?;
        let mut losses = counts::losses(&counts);
        losses.return_missed += counts::never_ended(&counts);
        Ok((rest, losses))
    }
}
