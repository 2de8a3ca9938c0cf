//! Lanes: the assignments to one destination, in order, and the step from each to the next.
//!
//! The kernel's search wraps around in the range, so a lane that climbs by two jumps down by the
//! whole range once in a while. [`step`] undoes that: with `len` ports in the range, the difference
//! is taken modulo `len` and written as the number in (-len/2, len/2]. So, in a range of 10 ports
//! from 40000 on, 40008 → 40001 is a step of +3, not of -7, and half of the range is always written
//! as +5. If the range is unknown, or one of the two ports is outside of it (the range changed in
//! between), the step is the plain difference.
//!
//! A failed assignment has no port and leaves its lane unchanged.
//!
//! Every ten seconds Linux draws a new secret for its hash, and each lane goes on at an unrelated
//! port. The step across such a change is given, and marked as not being the counter's.

use super::recent::Recent;
use crate::model::{Assignment, FlowKey, Origin, PortRange, Protocol};

/// Maximum number of lanes kept: more destinations than a host talks to in a minute, in 10.2 MiB at
/// most (two tables of 65,536 slots, of which a table fills seven in eight). Least recently used
/// lanes are evicted, and counted.
pub const MAX_LANES: usize = 65_536;

/// Key that makes two assignments neighbours: the kernel keeps searches apart by each of these
/// fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneKey {
    /// Destination, or the source for a bind.
    pub flow: FlowKey,
    /// Transport protocol.
    pub protocol: Option<Protocol>,
    /// Origin of the assignments.
    pub origin: Option<Origin>,
}

impl LaneKey {
    /// Returns the lane that `assignment` belongs to.
    pub fn of(assignment: &Assignment) -> Self {
        let Assignment { flow, protocol, origin, .. } = *assignment;
        Self { flow, protocol, origin }
    }
}

/// The last assignment of a lane.
#[derive(Clone, Copy, Debug)]
struct Last {
    port: u16,
    salt_epoch: Option<u64>,
}

/// The last port of each lane; computes steps.
#[derive(Debug)]
pub struct StepTracker(Recent<LaneKey, Last>);

impl Default for StepTracker {
    fn default() -> Self {
        Self::with_limit(MAX_LANES)
    }
}

impl StepTracker {
    /// Creates a tracker of at most `limit` lanes, at least two.
    pub fn with_limit(limit: usize) -> Self {
        Self(Recent::with_limit(limit))
    }

    /// Sets the step to `assignment` from the previous one in its lane, and whether the hash secret
    /// changed in between; then remembers the assignment.
    ///
    /// Both stay unknown for the first of a lane and for a failed assignment. A step given by a
    /// recording stays: its writer may have known assignments that the recording lacks.
    pub fn follow(&mut self, assignment: &mut Assignment) {
        let Some(port) = assignment.sport else { return };
        let salt_epoch = assignment.salt_epoch;
        let Some(last) = self.0.replace(LaneKey::of(assignment), Last { port, salt_epoch }) else {
            return;
        };
        assignment.step.get_or_insert(step(last.port, port, assignment.ports()));
        assignment.resalted = last.salt_epoch.zip(salt_epoch).map(|(last, now)| last != now);
    }

    /// Number of lanes evicted to make room.
    pub fn evicted(&self) -> u64 {
        self.0.evicted()
    }
}

/// Returns the step from `previous` to `port`, the wrap-around at the end of `range` undone; see
/// the module's documentation.
pub fn step(previous: u16, port: u16, range: Option<PortRange>) -> i32 {
    let plain = i32::from(port) - i32::from(previous);
    let Some(range) = range.filter(|r| r.contains(previous) && r.contains(port)) else {
        return plain;
    };
    // Both are inside, so the range has 1 to 65,536 ports and the plain step is smaller than
    // that.
    let len = i32::from(range.high) - i32::from(range.low) + 1;
    if plain * 2 > len {
        plain - len
    } else if plain * 2 <= -len {
        plain + len
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The memory stated at `MAX_LANES` is that of the tables.
    #[test]
    fn all_lanes_take_10_mebibytes() {
        // Each slot of a table has a control byte.
        let slot = size_of::<(LaneKey, Last)>() + 1;
        let slots = (MAX_LANES / 2 * 8 / 7).next_power_of_two();
        let tenths = (2 * slots * slot * 10).div_ceil(1 << 20);
        assert_eq!((slots, tenths), (65_536, 102), "{slot} bytes a slot");
    }
}
