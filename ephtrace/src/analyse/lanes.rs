//! Lanes: the assignments to one destination, in order, and the step from each to the next.
//!
//! The kernel's search for a port goes round in the range, so a lane that climbs by two jumps down
//! by the whole range once in a while. [`step`] undoes that: with `len` ports in the range, the
//! difference is taken modulo `len` and written as the number in (-len/2, len/2]. So, in a range of
//! 10 ports from 40000 on, 40008 → 40001 is a step of +3, not of -7, and half of the range is
//! always written as +5. Where the range is unknown, or one of the two ports is outside of it (it
//! was changed in between), the step is the plain difference.
//!
//! A failed assignment has no port and leaves its lane where it was.

use std::{collections::HashMap, mem};

use rustc_hash::FxBuildHasher;

use crate::event::{Assignment, Destination, Origin, PortRange, Protocol};

/// How many lanes are kept: more destinations than a host talks to in a minute, in 8 MiB at most.
/// What was not used for the longest time makes room, and is counted.
pub const MAX_LANES: usize = 65_536;

/// What makes two assignments neighbours: the kernel keeps a search apart by each of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane {
    /// Where to, or for bind from where.
    pub destination: Destination,
    /// Transport protocol.
    pub protocol: Option<Protocol>,
    /// How the assignments came about.
    pub origin: Option<Origin>,
}

impl Lane {
    /// The lane that `assignment` belongs to.
    pub fn of(assignment: &Assignment) -> Self {
        let Assignment { destination, protocol, origin, .. } = *assignment;
        Self { destination, protocol, origin }
    }
}

/// The last port of each lane.
///
/// Two generations, each of half of the limit: a lane that is used moves to the young one, and
/// once that is full, it becomes the old one and what was left in there is forgotten. That costs
/// one look-up for a busy lane, and keeps every lane that was among the last `limit / 2` used.
#[derive(Debug)]
pub struct Lanes {
    young: HashMap<Lane, u16, FxBuildHasher>,
    old: HashMap<Lane, u16, FxBuildHasher>,
    generation: usize,
    evicted: u64,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::with_limit(MAX_LANES)
    }
}

impl Lanes {
    /// Keeps at most `limit` lanes, at least two.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            generation: (limit / 2).max(1),
            evicted: 0,
        }
    }

    /// The step to `assignment` from the one before in its lane, and takes note of it.
    ///
    /// `None` for the first of a lane and for a failed assignment.
    pub fn step(&mut self, assignment: &Assignment) -> Option<i32> {
        let port = assignment.sport?;
        let previous = self.replace(Lane::of(assignment), port)?;
        Some(step(previous, port, assignment.range))
    }

    /// How many lanes were forgotten to make room.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn replace(&mut self, lane: Lane, port: u16) -> Option<u16> {
        if let Some(last) = self.young.get_mut(&lane) {
            return Some(mem::replace(last, port));
        }
        let previous = self.old.remove(&lane);
        if self.young.len() == self.generation {
            mem::swap(&mut self.young, &mut self.old);
            self.evicted += self.young.len() as u64;
            self.young.clear();
        }
        self.young.insert(lane, port);
        previous
    }
}

/// From `previous` to `port`, the wrap-around at the end of `range` undone; see the module's text.
pub fn step(previous: u16, port: u16, range: Option<PortRange>) -> i32 {
    let plain = i32::from(port) - i32::from(previous);
    let Some(range) = range.filter(|r| r.contains(previous) && r.contains(port)) else {
        return plain;
    };
    // Both are inside, so the range has 1 to 65,536 ports and the plain step is less than that.
    let len = i32::from(range.high) - i32::from(range.low) + 1;
    if plain * 2 > len {
        plain - len
    } else if plain * 2 <= -len {
        plain + len
    } else {
        plain
    }
}
