//! The ports that are possible, in the range in force or a guess at it, and the resulting
//! densities.

use crate::model::PortRange;

/// Number of ports that named ports are taken to be spread over: 1024 to 65535.
const NAMED_PORTS: f64 = 64512.0;

/// Maximum step that is not checked for a wrap-around.
const UNWRAPPED: i64 = 512;

/// Part of an event's density reserved for a stray port outside the range.
const STRAY: f64 = 0.001;

/// One event as the models see it: the port, its range, and its likelihood without a memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    /// Port of the event.
    pub(super) port: u16,
    /// Low end of the range.
    pub(super) low: i32,
    /// Number of ports in the range.
    pub(super) size: i32,
    /// Identifier of the range; 0 for a guess.
    pub(super) range_id: u32,
    /// Density of a start anywhere in the range.
    pub(super) fresh: f64,
    /// … on the parity of the low end, where Linux's connect starts.
    pub(super) fresh_low: f64,
    /// … on the other parity, where Linux's bind to port 0 starts.
    pub(super) fresh_odd: f64,
    /// … on the other parity in the lower half: the same with `SO_REUSEADDR`.
    pub(super) fresh_reuse: f64,
    /// Density of a port that a program named.
    pub(super) noise: f64,
}

impl Frame {
    /// Returns the step from `earlier` to this port, wrap-around at the ends of the range undone.
    pub(super) fn step_from(&self, earlier: u16) -> i32 {
        let step = i32::from(self.port) - i32::from(earlier);
        if !self.holds(self.port) || !self.holds(earlier) {
            return step;
        }
        self.wrapped(step)
    }

    /// Returns the lane of `key` in this range: the ports that one counter makes in several ranges
    /// can't be compared.
    pub(super) fn lane(&self, key: u64) -> u64 {
        key ^ u64::from(self.range_id).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Returns `step` wrapped into the half range on either side of zero.
    pub(super) fn wrapped(&self, step: i32) -> i32 {
        let step = step.rem_euclid(self.size);
        if step > self.size / 2 { step - self.size } else { step }
    }

    /// Returns the distance that a search walked from port `from` to port `to`, wrap-around undone:
    /// Linux leaves out the last port of a range of odd size.
    pub(super) fn ahead(&self, from: u16, to: u16) -> u32 {
        let ahead = (i32::from(to) - i32::from(from)).rem_euclid(self.size & !1);
        // Not negative.
        u32::try_from(ahead).unwrap_or(0)
    }

    /// Returns the step from position `earlier`, which may have wrapped around many times.
    pub(super) fn step_from_place(&self, earlier: i64) -> i32 {
        let step = i64::from(self.port) - earlier;
        // A small step is taken as it is, since the size may be a guess.
        let step =
            if step.abs() > UNWRAPPED { step.rem_euclid(i64::from(self.size)) } else { step };
        self.wrapped(i32::try_from(step).unwrap_or(0))
    }

    /// Returns whether the range holds `port`.
    pub(super) fn holds(&self, port: u16) -> bool {
        (self.low..self.low + self.size).contains(&i32::from(port))
    }

    /// Returns whether the range is known and is no system's default.
    pub(super) fn is_custom(&self) -> bool {
        let ends = (self.low, self.low + self.size - 1);
        self.range_id != 0 && !USUAL.iter().any(|&(low, high, _)| (low, high) == ends)
    }

    /// Returns whether the port has the parity of the low end.
    pub(super) fn on_low_parity(&self) -> bool {
        (i32::from(self.port) - self.low) % 2 == 0
    }

    fn new(port: u16, low: i32, size: i32, fresh: f64, repeated: f64) -> Self {
        let mut frame = Self {
            port,
            low,
            size: size.max(2),
            range_id: 0,
            fresh,
            fresh_low: fresh * STRAY,
            fresh_odd: fresh * STRAY,
            fresh_reuse: fresh * STRAY,
            noise: 0.45 / NAMED_PORTS + 0.25 * fresh + 0.3 * repeated,
        };
        if frame.on_low_parity() {
            frame.fresh_low = fresh * (2.0 - STRAY);
        } else {
            frame.fresh_odd = fresh * (2.0 - STRAY);
            if i32::from(port) - low < size / 2 {
                frame.fresh_reuse = fresh * (4.0 - 2.0 * STRAY);
            }
        }
        frame
    }
}

/// Known and learned facts about the range.
#[derive(Clone, Debug)]
pub(super) struct Space {
    /// Weight of each of [`USUAL`] and, last, of the learned spread.
    weights: [f64; USUAL.len() + 1],
    /// Number of ports seen, by blocks of 1024.
    spread: [u32; 64],
    seen: u32,
}

/// Common ranges with their frequencies: Linux, IANA (BSD, Windows, macOS), `FreeBSD`, Solaris, old
/// systems. port-selection.md, section 8.
const USUAL: [(i32, i32, f64); 10] = [
    (32768, 60999, 0.40),
    (32768, 61000, 0.10),
    (49152, 65535, 0.15),
    (10000, 65535, 0.07),
    (1024, 65535, 0.07),
    (32768, 65535, 0.03),
    (1024, 49151, 0.03),
    (1025, 5000, 0.02),
    (15000, 65000, 0.01),
    (10000, 65000, 0.01),
];
/// Prior weight of any range but the usual ones.
const UNUSUAL: f64 = 0.11;
/// Share of ports outside of a guessed range that does not refute it.
const OUTSIDE: f64 = 0.03;

impl Space {
    pub(super) fn new() -> Self {
        let mut weights = [UNUSUAL; USUAL.len() + 1];
        for (weight, usual) in weights.iter_mut().zip(USUAL) {
            *weight = usual.2;
        }
        Self { weights, spread: [0; 64], seen: 0 }
    }

    /// Returns the frame of `port`; `repeated` is the density of ports that come back.
    pub(super) fn frame(&mut self, port: u16, range: Option<PortRange>, repeated: f64) -> Frame {
        match range {
            Some(range) if range.len() >= 2 => known(port, range, repeated),
            _ => self.guessed(port, repeated),
        }
    }

    fn guessed(&mut self, port: u16, repeated: f64) -> Frame {
        let densities = self.densities(port);
        let total: f64 = self.weights.iter().sum();
        let fresh = self.weights.iter().zip(densities).map(|(w, d)| w * d).sum::<f64>() / total;
        let (low, size) = self.likeliest(total);
        let frame = Frame::new(port, low, size, fresh, repeated);
        self.learn(port, densities, fresh);
        frame
    }

    fn densities(&self, port: u16) -> [f64; USUAL.len() + 1] {
        let mut densities = [0.0; USUAL.len() + 1];
        for (density, (low, high, _)) in densities.iter_mut().zip(USUAL) {
            *density = OUTSIDE / NAMED_PORTS;
            if (low..=high).contains(&i32::from(port)) {
                *density += (1.0 - OUTSIDE) / f64::from(high - low + 1);
            }
        }
        let block = f64::from(self.spread[usize::from(port >> 10)]);
        densities[USUAL.len()] = (block + 0.1) / (f64::from(self.seen) + 6.4) / 1024.0;
        densities
    }

    /// Returns the low end and the size of the likeliest range; if none of the usual ones is
    /// likely, ports are taken not to wrap around. All usual low ends but one are even, so that the
    /// parity of the low end is taken as even throughout.
    fn likeliest(&self, total: f64) -> (i32, i32) {
        let best = self.weights[..USUAL.len()]
            .iter()
            .zip(USUAL)
            .max_by(|a, b| a.0.total_cmp(b.0))
            .map_or((0, 0.0), |(weight, _)| (0, *weight));
        if best.1 < 0.3 * total {
            return (0, 65536);
        }
        self.weights[..USUAL.len()]
            .iter()
            .zip(USUAL)
            .find(|(weight, _)| **weight >= best.1)
            .map_or((0, 65536), |(_, (low, high, _))| (low & !1, high - (low & !1) + 1))
    }

    fn learn(&mut self, port: u16, densities: [f64; USUAL.len() + 1], fresh: f64) {
        for (weight, density) in self.weights.iter_mut().zip(densities) {
            // The floor lets a changed range be found again.
            *weight = (*weight * density / fresh).max(1e-12);
        }
        self.spread[usize::from(port >> 10)] += 1;
        self.seen += 1;
    }
}

fn known(port: u16, range: PortRange, repeated: f64) -> Frame {
    let (low, size) = (i32::from(range.low), i32::try_from(range.len()).unwrap_or(65536));
    let fresh =
        if range.contains(port) { (1.0 - STRAY) / f64::from(size) } else { STRAY / NAMED_PORTS };
    let mut frame = Frame::new(port, low, size, fresh, repeated);
    frame.range_id = u32::from(range.low) << 16 | u32::from(range.high);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: Option<PortRange> = Some(PortRange::new(32768, 60999));
    const ODD: Option<PortRange> = Some(PortRange::new(32769, 40000));

    #[test]
    fn steps_wrap_at_the_ends_of_the_range() {
        let frame = Space::new().frame(32770, DEFAULT, 0.0);
        assert_eq!(frame.step_from(60998), 4);
        assert_eq!(frame.step_from(32768), 2);
        assert_eq!(frame.step_from(32774), -4);
        assert_eq!(frame.step_from(8080), 32770 - 8080, "outside: no wrap");
    }

    #[test]
    fn parity_is_that_of_the_low_end() {
        let frame = Space::new().frame(32771, ODD, 0.0);
        assert!(frame.fresh_low > frame.fresh && frame.fresh_odd < frame.fresh);
    }

    #[test]
    fn an_unknown_range_is_guessed() {
        let mut space = Space::new();
        for i in 0..200 {
            space.frame(49152 + i * 81, None, 0.0);
        }
        let frame = space.frame(50000, None, 0.0);
        assert_eq!((frame.low, frame.size), (49152, 16384));
        assert!((frame.fresh * 16384.0 - 1.0).abs() < 0.1);
    }

    #[test]
    fn densities_of_a_known_range_sum_to_one() {
        let mut space = Space::new();
        let sum: f64 = (0..=u16::MAX).map(|p| space.frame(p, DEFAULT, 0.0).fresh_low).sum();
        assert!((sum - 1.0).abs() < 0.01, "{sum}");
    }
}
