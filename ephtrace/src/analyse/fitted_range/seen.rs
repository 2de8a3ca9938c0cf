//! Ports of a host that are kept while its range is not known.

use super::super::ports::Ports;
use crate::model::Assignment;

/// Ports that are kept apart as the first to a destination: as many as tell a range.
const MAX_FIRST: usize = 256;

/// The last ports of a host, which the first one to another destination is compared with.
const RECENT: usize = 32;

/// A step that one counter makes, over what was not seen of it.
pub(super) const NEAR: i32 = 64;

/// A step back that is no mere disorder.
const FAR: i32 = 1000;

/// Turns of a counter that are kept.
const MAX_TURNS: usize = 8;

/// The two ports between which a counter came round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) low: u16,
    pub(super) high: u16,
}

/// The ports of a host of which no range is known: up to 9 KiB.
#[derive(Default)]
pub(in crate::analyse) struct PortsSeen {
    pub(super) assignments: u64,
    pub(super) all: Ports,
    /// The first port to each destination, unless it follows one that was given just before: what
    /// is left was drawn anew, whatever the rule.
    pub(super) first: Vec<u16>,
    pub(super) turns: Vec<Turn>,
    recent: [u16; RECENT],
    next: usize,
    last: Option<u16>,
    /// The step before the last one, and the far step behind it, if any.
    step: i32,
    jump: Option<(u16, u16, i32)>,
}

impl PortsSeen {
    /// Takes note of an assignment, its `step` set, unless its range is known.
    pub(in crate::analyse) fn observe(&mut self, assignment: &Assignment) {
        let Assignment { range: None, sport: Some(port), step, .. } = *assignment else { return };
        self.assignments += 1;
        self.all.insert(port);
        if step.is_none() && self.first.len() < MAX_FIRST && !self.follows_recent(port) {
            self.first.push(port);
        }
        self.follow(port);
        self.recent[self.next % RECENT] = port;
        self.next += 1;
    }

    fn follows_recent(&self, port: u16) -> bool {
        let near = |other: &u16| (i32::from(port) - i32::from(*other)).abs() <= NEAR;
        self.recent[..self.next.min(RECENT)].iter().any(near)
    }

    /// Looks whether a counter came round: small steps one way, one far step back, small steps
    /// again.
    fn follow(&mut self, port: u16) {
        let Some(last) = self.last.replace(port) else { return };
        let step = i32::from(port) - i32::from(last);
        let is_small = (1..=NEAR).contains(&step.abs());
        if let Some((from, to, before)) = self.jump.take()
            && is_small
            && step.signum() == before.signum()
            && self.turns.len() < MAX_TURNS
        {
            self.turns.push(Turn { low: from.min(to), high: from.max(to) });
        }
        let before = self.step;
        let is_turn = step.abs() > FAR && before != 0 && step.signum() != before.signum();
        self.jump = is_turn.then_some((last, port, before));
        self.step = if is_small { step } else { 0 };
    }
}
