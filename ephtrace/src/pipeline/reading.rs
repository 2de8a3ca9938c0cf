//! From a record of the ring to an assignment: decode → enrich → search.

use anyhow::{Context as _, Result};

use super::{counts, recording_metadata};
use crate::{
    analyse::{
        pattern::{KernelFacts, KernelRules},
        selection::{self, Rules},
    },
    host::{clock::Clock, enrich::Enricher},
    kernel::{
        decode::{Decoded, Machine, decode},
        tracer::{Counts, Tracer},
    },
    model::{Assignment, Filter, filter::NameFilter, losses::Losses},
};

/// Conversion of a record's bytes to an assignment.
pub(crate) struct Reading {
    pub(crate) clock: Clock,
    machine: Machine,
    enricher: Enricher,
    rules: Rules,
    undecodable: u64,
    /// Names that are wanted; the kernel half has compared everything else.
    names: NameFilter,
    /// Number of assignments with other names.
    pub(crate) unwanted: u64,
}

impl Reading {
    /// Creates the conversion of the records that `tracer` makes, of which `filter` wants some.
    pub(crate) fn new(tracer: &Tracer, filter: &Filter) -> Result<Self> {
        let clock = Clock::read().context("can't read the clocks")?;
        Ok(Self {
            clock,
            machine: machine(clock),
            enricher: Enricher::default(),
            rules: Rules { own_range_steps_by_one: tracer.own_range_steps_by_one == Some(true) },
            undecodable: 0,
            names: filter.names.clone(),
            unwanted: 0,
        })
    }

    /// Reads the clocks again: the wall clock may have been set.
    pub(crate) fn follow_clock(&mut self) -> Result<()> {
        self.clock = Clock::read().context("can't read the clocks")?;
        self.machine = machine(self.clock);
        Ok(())
    }

    /// Decodes the assignment in one record; `None`, counted, if it can't be decoded or has other
    /// names than wanted.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Option<Assignment> {
        let decoded = decode(bytes, &self.machine).inspect_err(|error| {
            log::warn!("unreadable record: {error}");
            self.undecodable += 1;
        });
        let Decoded { mut assignment, secrets } = decoded.ok()?;
        self.enricher.enrich(&mut assignment);
        let (container, names) = (assignment.container.as_deref(), assignment.names.as_deref());
        if !self.names.is_empty() && !self.names.matches(container, names) {
            self.unwanted += 1;
            return None;
        }
        selection::apply(&mut assignment, &secrets, self.rules);
        Some(assignment)
    }

    /// Returns all losses, those of undecodable records included.
    pub(crate) fn losses(&self, counts: &Counts) -> Losses {
        Losses { undecodable: self.undecodable, ..counts::losses(counts) }
    }
}

/// Returns the rules by which this kernel assigns ports.
pub(crate) fn kernel_rules(tracer: &Tracer) -> KernelRules {
    let release = recording_metadata::kernel_release();
    KernelRules::new(&KernelFacts {
        release: release.as_deref(),
        has_large_table: tracer.has_large_table,
        own_range_steps_by_one: tracer.own_range_steps_by_one,
    })
}

fn machine(clock: Clock) -> Machine {
    Machine { unix_offset_ns: clock.unix_ns(0) }
}
