//! The load: sources, destinations and times of connects.

use std::net::IpAddr;

use fastrand::Rng;

use crate::world::{Target, World, address};

/// Pace and choice of destinations of one trace.
pub(crate) struct Load {
    pub(crate) now_ns: u64,
    mean_gap: f64,
    /// Mean length of a burst of connects to one destination.
    burst: f64,
    skew: bool,
    current: usize,
    left: usize,
    /// Phase of the kernel's secret, within its epoch, at the start of the trace.
    pub(crate) phase_ns: u64,
    idle: f64,
}

/// Settings of a load; the others are random.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tempo {
    /// Connects per second.
    pub(crate) rate: Option<f64>,
    /// True for a load without pauses.
    pub(crate) steady: bool,
}

impl Load {
    pub(crate) fn new(rng: &mut Rng, tempo: Tempo) -> Self {
        // From 1 to 10,000 per second.
        let rate = tempo.rate.unwrap_or_else(|| 10_f64.powf(rng.f64() * 4.0));
        Self {
            now_ns: 1_780_000_000_000_000_000 + rng.u64(0..3_600_000_000_000),
            mean_gap: 1e9 / rate,
            burst: [1.0, 1.0, 2.0, 4.0][rng.usize(0..4)],
            skew: rng.bool(),
            current: 0,
            left: 0,
            phase_ns: rng.u64(0..crate::policy::EPOCH_NS),
            idle: if tempo.steady { 0.0 } else { 0.0025 },
        }
    }

    /// Returns the number of the current epoch of the kernel's secret.
    pub(crate) fn epoch(&self) -> u64 {
        (self.now_ns + self.phase_ns) / crate::policy::EPOCH_NS
    }

    /// Returns the next destination, and advances the time to its connect.
    pub(crate) fn next(&mut self, rng: &mut Rng, world: &World) -> Target {
        let within = self.left > 0;
        let gap = -self.mean_gap * rng.f64().max(1e-9).ln();
        let gap = if within { gap / 20.0 } else { gap };
        let idle = if rng.f64() < self.idle { rng.u64(0..8_000_000_000) } else { 0 };
        self.now_ns += gap as u64 + idle + 1;
        if within {
            self.left -= 1;
        } else {
            let n = world.targets.len();
            let uniform = rng.f64();
            let place = if self.skew { uniform * uniform } else { uniform };
            self.current = ((place * n as f64) as usize).min(n - 1);
            self.left = (-(self.burst - 1.0) * rng.f64().max(1e-9).ln()).round() as usize;
        }
        world.targets[self.current]
    }
}

/// Returns the destinations of a trace with `n` events: some namespaces, some addresses.
pub(crate) fn some_targets(rng: &mut Rng, n: usize) -> (Vec<Target>, usize) {
    let namespaces = if rng.u32(0..10) < 6 { 1 } else { rng.usize(2..6) };
    let most = (n / 3).clamp(2, 60);
    let destinations = match rng.u32(0..12) {
        0 => 1,
        1..=3 => 2,
        4..=6 => rng.usize(2..=most.min(6)),
        7..=9 => rng.usize(2..=most.min(15)),
        _ => rng.usize(2..=most.max(16)),
    };
    let saddrs: Vec<IpAddr> = {
        // Each namespace has an address of its own, or all share the host's.
        let own = rng.bool();
        let host = address(rng);
        (0..namespaces).map(|_| if own { address(rng) } else { host }).collect()
    };
    let daddrs: Vec<IpAddr> = (0..=destinations.div_ceil(2)).map(|_| address(rng)).collect();
    let targets = (0..destinations)
        .map(|_| {
            let netns = rng.usize(..namespaces);
            let dport = [80, 443, 443, 443, 53, 22, 5432, 3306, 6379, 8080][rng.usize(..10)];
            Target::new(netns, saddrs[netns], daddrs[rng.usize(..daddrs.len())], dport)
        })
        .collect();
    (targets, namespaces)
}
