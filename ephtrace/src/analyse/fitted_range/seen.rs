//! Ports of a host, kept while its range is not known.

use super::super::ports::Ports;
use crate::model::Assignment;

/// Maximum number of first ports to a destination that are kept: enough to tell a range.
const MAX_FIRST: usize = 256;

/// Number of a host's last ports that the first port to another destination is compared with.
const RECENT: usize = 32;

/// Largest step that one counter makes, including its unseen steps.
pub(super) const NEAR: i32 = 64;

/// Smallest step back that is not mere disorder.
const FAR: i32 = 1000;

/// Maximum number of wrap-arounds that are kept.
const MAX_TURNS: usize = 8;

/// The two ports between which a counter wrapped around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) low: u16,
    pub(super) high: u16,
}

/// The ports of a host whose range is not known: up to 9 KiB.
#[derive(Default)]
pub(in crate::analyse) struct PortsSeen {
    pub(super) assignments: u64,
    pub(super) all: Ports,
    /// The first port to each destination, unless it follows a port that was assigned just before:
    /// the rest was drawn anew, whatever the rule.
    pub(super) first: Vec<u16>,
    pub(super) turns: Vec<Turn>,
    recent: [u16; RECENT],
    next: usize,
    last: Option<u16>,
    /// The step before the last one, and the preceding far step, if any.
    step: i32,
    jump: Option<(u16, u16, i32)>,
}

impl PortsSeen {
    /// Adds an assignment, its `step` set, unless its range is known.
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

    /// Detects a wrap-around: small steps one way, one far step back, small steps again.
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
