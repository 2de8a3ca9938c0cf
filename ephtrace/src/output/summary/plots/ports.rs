//! The axis of the ports: the range in force, or the part of it that is in use.
//!
//! A search for a port wraps around in the range, and so does the axis: a gap of more than three
//! quarters of that circle is left out, and a counter that passes the end of the range is still one
//! line. There are no plots and no widgets here.

use crate::{analyse::picture::Point, model::PortRange};

/// The visible part of a circle of ports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ports {
    /// The lowest port of the circle.
    low: u32,
    /// Number of ports of the circle.
    len: u32,
    /// Start of the visible part, counted from `low`.
    start: u32,
    /// Number of visible ports.
    shown: u32,
}

impl Ports {
    /// Returns the axis that all of `points` fit on, with the ranges that were in force.
    pub(crate) fn of(points: &[Point]) -> Self {
        let ports: Vec<u16> = points.iter().map(|point| point.port).collect();
        Self::over(&ports, points.iter().filter_map(|point| point.range))
    }

    /// Returns the axis that all of `ports` fit on, with the ranges that were in force.
    pub(crate) fn over(ports: &[u16], ranges: impl Iterator<Item = PortRange>) -> Self {
        let ends = ranges.flat_map(|range| [range.low, range.high]);
        let (low, high) = ends
            .chain(ports.iter().copied())
            .fold((u16::MAX, u16::MIN), |(low, high), port| (low.min(port), high.max(port)));
        let low = u32::from(low.min(high));
        let len = u32::from(high) - low + 1;
        let (start, gap) = widest_gap(ports, low, len);
        if gap > len / 4 * 3 {
            // At least two, so that the axis has two ends.
            Self { low, len, start, shown: (len - gap + 1).max(2) }
        } else {
            Self { low, len, start: 0, shown: len.max(2) }
        }
    }

    /// Returns the number of visible ports.
    pub(crate) fn shown(&self) -> u32 {
        self.shown
    }

    /// Returns the ends of the axis.
    pub(crate) fn ends(&self) -> [f64; 2] {
        [0.0, f64::from(self.shown - 1)]
    }

    /// Describes where the axis passes the end of the range, if it does.
    pub(crate) fn passed_end(&self) -> Option<String> {
        let last = self.low + self.len - 1;
        let passes = self.start + self.shown > self.len;
        passes.then(|| format!("{last} is followed by {}", self.low))
    }

    /// Returns the place of `port` on the axis, counted from its start.
    pub(crate) fn place(&self, port: u16) -> u32 {
        let above = u32::from(port).saturating_sub(self.low);
        (above + self.len - self.start) % self.len
    }

    /// Returns the ports at `n` places from end to end, at least two.
    pub(crate) fn labels(&self, n: u32) -> Vec<String> {
        (0..n)
            .map(|place| (self.shown - 1) * place / (n - 1).max(1))
            .map(|place| (self.low + (self.start + place) % self.len).to_string())
            .collect()
    }
}

/// Returns the end of the widest part of the circle without a point, counted from `low`, and the
/// distance between the two ports on its sides.
fn widest_gap(ports: &[u16], low: u32, len: u32) -> (u32, u32) {
    let mut places: Vec<u32> = ports.iter().map(|&port| u32::from(port) - low).collect();
    places.sort_unstable();
    let (Some(first), Some(last)) = (places.first(), places.last()) else { return (0, 0) };
    let round = (*first, len - last + first);
    let inner = places.windows(2).map(|two| (two[1], two[1] - two[0]));
    inner.fold(round, |widest, gap| if gap.1 > widest.1 { gap } else { widest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analyse::lanes::LaneKey,
        model::{Assignment, PortRange},
    };

    fn ports(ports: &[u16], range: Option<(u16, u16)>) -> Ports {
        let range = range.map(|(low, high)| PortRange::new(low, high));
        let lane = LaneKey::of(&Assignment::default());
        let points: Vec<_> =
            ports.iter().map(|&port| Point { port, lane, range, step: None }).collect();
        Ports::of(&points)
    }

    #[test]
    fn shows_the_range_if_much_of_it_is_in_use() {
        let axis = ports(&[1100, 1300, 1700], Some((1000, 1999)));
        assert_eq!(axis.labels(4), ["1000", "1333", "1666", "1999"]);
        assert_eq!(axis.place(1000), 0);
    }

    #[test]
    fn shows_what_is_in_use_if_that_is_little() {
        let axis = ports(&[1100, 1110, 1160], Some((1000, 1999)));
        assert_eq!(axis.labels(4), ["1100", "1120", "1140", "1160"]);
        assert_eq!((axis.shown(), axis.passed_end()), (61, None));
    }

    #[test]
    fn goes_round() {
        let axis = ports(&[1990, 1999, 1000, 1020], Some((1000, 1999)));
        assert_eq!(axis.labels(4), ["1990", "1000", "1010", "1020"]);
        assert_eq!(axis.passed_end().as_deref(), Some("1999 is followed by 1000"));
        assert_eq!([1990, 1999, 1000, 1020].map(|p| axis.place(p)), [0, 9, 10, 30]);
    }

    #[test]
    fn one_port_is_an_axis_too() {
        assert_eq!(ports(&[7, 7], None).shown(), 2);
        assert_eq!(ports(&[7, 7], Some((1, 65_535))).shown(), 2);
        assert_eq!(ports(&[], None).shown(), 2);
    }
}
