//! Data for the plots of a run: its last assignments one by one, and a histogram of all its steps.
//!
//! The module collects and does not judge: `output::summary::plots` chooses the view, and
//! [`pattern`](super::pattern) classifies the sequence. Memory is fixed, and [`PlotData::observe`]
//! takes the same few nanoseconds for each assignment and allocates nothing.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::lanes::LaneKey;
use crate::model::{Assignment, Origin, PortRange};

/// Number of last assignments that are kept, in 128 KiB. A plot in a terminal of 80 columns has
/// some 7000 dots: this many points leave a cloud a cloud, while ten lanes still have 200 each.
pub const RECENT: usize = 2048;

/// Maximum step, either way, whose size is counted exactly. Linux moves by 16 at most; a counter
/// that ten destinations share moves by ten or so between two assignments to the same destination.
pub const NEAR: i32 = 40;

/// Number of equal bins over the width of the range that count all steps. A step of more than one
/// bin is a jump. In the default range that is 220 ports: a counter that sixty destinations share
/// hardly ever moves that far between two assignments to the same destination, and chance does 63
/// times out of 64.
pub const BINS: usize = 128;

/// Maximum distance of two ports; stands for half of an unknown range.
const FARTHEST: u32 = 65_536;

/// Number of sizes up to [`NEAR`], either way.
const NEAR_SIZES: usize = 2 * NEAR as usize + 1;

/// One assignment, as far as a plot shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The port.
    pub port: u16,
    /// Destination and origin.
    pub lane: LaneKey,
    /// The range in force.
    pub range: Option<PortRange>,
    /// Step from the previous port in its lane, unless the hash secret changed in between.
    pub step: Option<i32>,
}

/// The last assignments of a run, and the distribution of its steps.
#[derive(Clone, Debug, PartialEq)]
pub struct PlotData {
    recent: Vec<Point>,
    /// Index of the next point, once `recent` is full.
    next: usize,
    assignments: u64,
    steps: StepHistogram,
}

/// Distribution of the steps of a whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct StepHistogram {
    near: [u64; NEAR_SIZES],
    bins: [u64; BINS],
    total: u64,
    width: u32,
}

impl Default for PlotData {
    fn default() -> Self {
        Self {
            recent: Vec::with_capacity(RECENT),
            next: 0,
            assignments: 0,
            steps: StepHistogram::default(),
        }
    }
}

impl PlotData {
    /// Adds one assignment, unless it failed, and thus has no port, or named its port, which says
    /// nothing about the kernel.
    pub fn observe(&mut self, assignment: &Assignment) {
        let Some(port) = assignment.sport else { return };
        if assignment.origin == Some(Origin::Explicit) {
            return;
        }
        let (range, resalted) = (assignment.ports(), assignment.resalted);
        // A step across a change of the hash secret does not reflect the counter.
        let step = assignment.step.filter(|_| resalted != Some(true));
        if let Some(step) = step {
            self.steps.add(step, range);
        }
        self.keep(Point { port, lane: LaneKey::of(assignment), range, step });
        self.assignments += 1;
    }

    /// Number of assignments observed, those no longer kept included.
    pub fn assignments(&self) -> u64 {
        self.assignments
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.recent.len()
    }

    /// Returns whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.recent.is_empty()
    }

    /// Number of the first point: 1 for the first assignment of the run.
    pub fn first_number(&self) -> u64 {
        self.assignments - self.recent.len() as u64 + 1
    }

    /// Returns the last assignments, at most [`RECENT`], in order.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        let (young, old) = self.recent.split_at(self.next);
        old.iter().chain(young)
    }

    /// Returns, for each of the points in order, the previous port in the same lane.
    pub fn before(&self) -> Vec<Option<u16>> {
        let mut last = HashMap::<LaneKey, u16, FxBuildHasher>::default();
        self.points().map(|point| last.insert(point.lane, point.port)).collect()
    }

    /// Returns, for each of the points in order, the climb of its lane since its first point here
    /// or its last jump; `None` for a jump.
    pub fn climbs(&self) -> Vec<Option<i32>> {
        let mut climbed = HashMap::<LaneKey, i32, FxBuildHasher>::default();
        let mut climb = |point: &Point| {
            let Some(climb) = climbed.get_mut(&point.lane) else {
                climbed.insert(point.lane, 0);
                return Some(0);
            };
            let step = point.step.filter(|step| step.unsigned_abs() as usize <= jump(point.range));
            *climb = step.map_or(0, |step| climb.saturating_add(step));
            step.map(|_| *climb)
        };
        self.points().map(&mut climb).collect()
    }

    /// Returns the plot data of one lane alone, as far as its assignments are among the last ones.
    #[must_use]
    pub fn of_lane(&self, lane: &LaneKey) -> Self {
        let mut one = Self::default();
        for point in self.points().filter(|point| point.lane == *lane) {
            if let Some(step) = point.step {
                one.steps.add(step, point.range);
            }
            one.keep(*point);
            one.assignments += 1;
        }
        one
    }

    /// Distribution of the steps of the whole run.
    pub fn steps(&self) -> &StepHistogram {
        &self.steps
    }

    fn keep(&mut self, point: Point) {
        if self.recent.len() < RECENT {
            self.recent.push(point);
        } else {
            self.recent[self.next] = point;
            self.next = (self.next + 1) % RECENT;
        }
    }
}

impl Default for StepHistogram {
    fn default() -> Self {
        Self { near: [0; NEAR_SIZES], bins: [0; BINS], total: 0, width: width(None) }
    }
}

impl StepHistogram {
    /// Number of steps.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Returns each size up to [`NEAR`], either way, with its number of steps.
    pub fn near(&self) -> impl Iterator<Item = (i32, u64)> {
        (-NEAR..).zip(self.near)
    }

    /// Number of steps of a size up to [`NEAR`].
    pub fn near_total(&self) -> u64 {
        self.near.iter().sum()
    }

    /// Returns the lowest step of each bin and the number of steps in it, near ones included; the
    /// bins divide the width of the last range.
    pub fn bins(&self) -> impl Iterator<Item = (i32, u64)> {
        let lowest = |bin: usize| {
            let below = (self.width as usize * bin).div_ceil(BINS);
            i32::try_from(below).unwrap_or(i32::MAX) - half(self.width)
        };
        self.bins.iter().enumerate().map(move |(bin, &count)| (lowest(bin), count))
    }

    /// Number of steps that were no jump: in the two bins about 0.
    pub fn close(&self) -> u64 {
        self.bins[BINS / 2 - 1] + self.bins[BINS / 2]
    }

    pub(super) fn add(&mut self, step: i32, range: Option<PortRange>) {
        self.total += 1;
        self.width = width(range);
        let near = step.checked_add(NEAR).and_then(|index| usize::try_from(index).ok());
        if let Some(count) = near.and_then(|index| self.near.get_mut(index)) {
            *count += 1;
        }
        // Steps that the range does not explain, as after a change of it, count at the ends.
        let above = u32::try_from(step.saturating_add(half(self.width))).unwrap_or(0);
        let bin = u64::from(above) * BINS as u64 / u64::from(self.width);
        self.bins[usize::try_from(bin).map_or(BINS - 1, |bin| bin.min(BINS - 1))] += 1;
    }
}

/// Number of sizes that a step can have.
fn width(range: Option<PortRange>) -> u32 {
    range.map_or(2 * FARTHEST, PortRange::len).max(1)
}

fn half(width: u32) -> i32 {
    // At most 65,536, so the cast keeps it.
    i32::try_from(width / 2).unwrap_or(i32::MAX)
}

/// Returns the step above which a move is a jump: one bin, or in a narrow range the near steps.
fn jump(range: Option<PortRange>) -> usize {
    let width = width(range) as usize;
    (width / BINS).max((NEAR_SIZES / 2).min(width / 4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FlowKey, RangeInForce};

    const RANGE: RangeInForce = RangeInForce::of_netns(32_768, 60_999);

    fn assignment(port: u16, dport: u16, step: Option<i32>) -> Assignment {
        Assignment {
            sport: Some(port),
            flow: FlowKey { dport: Some(dport), ..FlowKey::default() },
            range: Some(RANGE),
            step,
            ..Assignment::default()
        }
    }

    fn picture(assignments: &[(u16, u16, Option<i32>)]) -> PlotData {
        let mut picture = PlotData::default();
        for &(port, dport, step) in assignments {
            picture.observe(&assignment(port, dport, step));
        }
        picture
    }

    #[test]
    fn keeps_the_last_in_order() {
        let mut picture = PlotData::default();
        let room = picture.recent.capacity();
        let all = u16::try_from(RECENT).unwrap() + 5;
        for n in 0..all {
            picture.observe(&assignment(40_000 + n, 80, None));
        }
        assert_eq!(picture.assignments(), u64::from(all));
        assert_eq!((picture.len(), picture.recent.capacity()), (RECENT, room));
        assert_eq!(picture.first_number(), 6);
        let ports: Vec<u16> = picture.points().map(|point| point.port).collect();
        assert_eq!(ports, (40_005..40_000 + all).collect::<Vec<_>>());
    }

    #[test]
    fn leaves_out_what_the_kernel_did_not_choose() {
        let mut picture = PlotData::default();
        picture.observe(&Assignment { errno: Some(99), ..Assignment::default() });
        let named =
            Assignment { origin: Some(Origin::Explicit), ..assignment(40_000, 80, Some(2)) };
        picture.observe(&named);
        assert!(picture.is_empty());
        assert_eq!((picture.assignments(), picture.steps().total()), (0, 0));
    }

    #[test]
    fn knows_the_port_before_in_the_lane() {
        let picture = picture(&[
            (1000, 80, None),
            (2000, 443, None),
            (1002, 80, Some(2)),
            (1006, 80, Some(4)),
        ]);
        assert_eq!(picture.before(), [None, None, Some(1000), Some(1002)]);
    }

    #[test]
    fn climbs_from_the_last_jump() {
        let picture = picture(&[
            (40_000, 80, None),
            (50_000, 443, None),
            (40_002, 80, Some(2)),
            (40_018, 80, Some(16)),
            (33_000, 80, Some(-7018)),
            (33_004, 80, Some(4)),
            (49_999, 443, Some(-1)),
        ]);
        assert_eq!(
            picture.climbs(),
            [Some(0), Some(0), Some(2), Some(18), None, Some(4), Some(-1)]
        );
    }

    #[test]
    fn counts_steps_near_and_far() {
        let mut steps = StepHistogram::default();
        for step in [-40, -1, 2, 2, 40, 41, -41, 14_116, -14_115, i32::MIN, i32::MAX] {
            steps.add(step, Some(RANGE.ports));
        }
        assert_eq!((steps.total(), steps.near_total(), steps.close()), (11, 5, 7));
        let near: Vec<_> = steps.near().filter(|&(_, count)| count > 0).collect();
        assert_eq!(near, [(-40, 1), (-1, 1), (2, 2), (40, 1)]);
        let bins: Vec<_> = steps.bins().filter(|&(_, count)| count > 0).collect();
        assert_eq!(bins, [(-14_116, 2), (-220, 3), (0, 4), (13_896, 2)]);
        assert_eq!(steps.bins().map(|(_, count)| count).sum::<u64>(), 11);
    }

    #[test]
    fn counts_steps_of_an_unknown_range() {
        let mut steps = StepHistogram::default();
        for step in [65_534, -65_534] {
            steps.add(step, None);
        }
        let bins: Vec<_> = steps.bins().collect();
        assert_eq!((bins[0], bins[BINS - 1]), ((-65_536, 1), (64_512, 1)));
    }

    #[test]
    fn a_range_of_one_port_is_no_trouble() {
        let one = Some(PortRange::new(5000, 5000));
        let none = Some(PortRange::new(5001, 5000));
        let mut steps = StepHistogram::default();
        steps.add(0, one);
        steps.add(0, none);
        assert_eq!((steps.total(), steps.near_total()), (2, 2));
    }
}
