//! Time until the ports for a destination run out: rates, ceilings, forecasts. Pure arithmetic;
//! each formula is stated where it is computed.

use std::collections::VecDeque;

use serde::Serialize;

/// Samples of the ports in use that a forecast is made from: two minutes at one sample a second.
/// Older samples describe another load.
const MAX_SAMPLES: usize = 120;

/// Minimum number of samples for a trend.
const MIN_SAMPLES: usize = 3;

/// Share of the assignments below which releases are noise: the order of sampling explains them.
const NOISE: f64 = 0.05;

/// Forecast horizon, in seconds: no forecast reaches further.
const HORIZON_S: f64 = 24.0 * 3600.0;

/// Number of ports in use for one destination, over time.
#[derive(Clone, Debug, Default)]
pub struct Series {
    samples: VecDeque<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    at_ns: u64,
    taken: Taken,
    assigned: u64,
}

/// Ports that one destination can't have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Ports in use for the destination.
    pub in_use: u32,
    /// Other ports, taken whatever the destination: bound, or bound and connected.
    pub bound: u32,
}

impl Taken {
    /// Returns the sum of both.
    pub fn all(self) -> u32 {
        self.in_use + self.bound
    }
}

/// State and forecast at the end of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Capacity {
    /// Time of the snapshot, in nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// Ports unavailable now: in use for it, or bound for every destination.
    pub in_use: u32,
    /// Usable ports: the range minus the reserved ports.
    pub usable: u32,
    /// `in_use / usable`, from 0 to 1.
    pub share: f64,
    /// Successful assignments per second; null in the first report.
    pub assigned_per_second: Option<f64>,
    /// Releases per second: assignments minus the growth of the use; never below zero.
    pub released_per_second: Option<f64>,
    /// Growth of the ports in use, per second; null without a trend.
    pub growth_per_second: Option<f64>,
    /// Mean time for which a port stays in use, in seconds: use over releases (Little's law). Null
    /// while nothing is released.
    pub hold_s: Option<f64>,
    /// Sustainable assignments per second: usable ports divided by the time that a port stays in
    /// use.
    pub sustainable_per_second: Option<f64>,
    /// Seconds until half of the ports are in use at the present trend, from the end of the
    /// interval or from `at_ns`, whichever is later. 0 if half are in use already; null if the
    /// trend does not lead there within a day.
    pub half_in_s: Option<f64>,
    /// Seconds until no port is free, likewise.
    pub full_in_s: Option<f64>,
}

impl Capacity {
    /// Returns this capacity as of a later time: the forecasts shrink by the time that has passed.
    #[must_use]
    pub fn seen_at(self, now_ns: u64) -> Self {
        let age_s = seconds(self.at_ns, self.at_ns.max(now_ns));
        let nearer = |after_s: f64| (after_s - age_s).max(0.0);
        let (half_in_s, full_in_s) = (self.half_in_s.map(nearer), self.full_in_s.map(nearer));
        Self { half_in_s, full_in_s, ..self }
    }
}

impl Series {
    /// Adds a sample: ports taken at `at_ns`, and the total of assignments until then.
    pub fn push(&mut self, at_ns: u64, taken: Taken, assigned: u64) {
        if self.samples.len() == MAX_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at_ns, taken, assigned });
    }

    /// Returns the capacity at the end of the series, given the number of usable ports; `None`
    /// before the first sample.
    pub fn capacity(&self, usable: u32) -> Option<Capacity> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let seconds = seconds(first.at_ns, last.at_ns);
        let growth = self.growth();
        let assigned = (seconds > 0.0).then(|| as_f64(last.assigned - first.assigned) / seconds);
        // Bound ports are neither assigned nor released for this destination.
        let in_use = |sample: &Sample| f64::from(sample.taken.in_use);
        let grown = in_use(last) - in_use(first);
        let released =
            assigned.map(|rate| (rate - grown / seconds).max(0.0)).filter(|rate| rate.is_finite());
        let mean = self.samples.iter().map(in_use).sum::<f64>() / as_f64(self.samples.len() as u64);
        let least = assigned.unwrap_or(0.0) * NOISE;
        let hold_s = released.filter(|&rate| rate > least).map(|rate| mean / rate);
        let taken = last.taken.all();
        let until = |mark: f64| until(f64::from(taken), mark, self.trend());
        let to_go_round = f64::from(usable.saturating_sub(last.taken.bound));
        Some(Capacity {
            at_ns: last.at_ns,
            in_use: taken,
            usable,
            share: f64::from(taken) / f64::from(usable.max(1)),
            assigned_per_second: assigned,
            released_per_second: released,
            growth_per_second: growth,
            hold_s,
            sustainable_per_second: hold_s
                .filter(|&hold| hold > 0.0)
                .map(|hold| to_go_round / hold),
            half_in_s: until(f64::from(usable) / 2.0),
            full_in_s: until(f64::from(usable)),
        })
    }

    /// Slope for the forecast: the growth, unless it has ended.
    fn trend(&self) -> Option<f64> {
        let recent = self.samples.len().saturating_sub(MIN_SAMPLES);
        let grows =
            self.samples.iter().skip(recent).is_sorted_by(|a, b| a.taken.all() < b.taken.all());
        self.growth().filter(|_| grows)
    }

    /// Median of the slopes between any two samples (Theil–Sen): a burst or a gap moves it little,
    /// but would drag a least-squares line along.
    fn growth(&self) -> Option<f64> {
        if self.samples.len() < MIN_SAMPLES {
            return None;
        }
        let mut slopes = Vec::with_capacity(MAX_SAMPLES * MAX_SAMPLES / 2);
        for (n, a) in self.samples.iter().enumerate() {
            for b in self.samples.iter().skip(n + 1).filter(|b| b.at_ns > a.at_ns) {
                let grown = f64::from(b.taken.all()) - f64::from(a.taken.all());
                slopes.push(grown / seconds(a.at_ns, b.at_ns));
            }
        }
        let middle = slopes.len() / 2;
        (!slopes.is_empty()).then(|| *slopes.select_nth_unstable_by(middle, f64::total_cmp).1)
    }
}

fn until(in_use: f64, mark: f64, growth: Option<f64>) -> Option<f64> {
    if in_use >= mark {
        return Some(0.0);
    }
    let growth = growth.filter(|&growth| growth > 0.0)?;
    Some((mark - in_use) / growth).filter(|&seconds| seconds <= HORIZON_S)
}

fn seconds(from_ns: u64, to_ns: u64) -> f64 {
    as_f64(to_ns.saturating_sub(from_ns)) / 1e9
}

use super::number::as_f64;

/// A setup whose capacity is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Setup {
    /// Usable ports of the range.
    pub ports: u32,
    /// Number of source addresses that connects use.
    #[serde(rename = "source_count")]
    pub sources: u32,
    /// Number of destinations (address and port) that connects use.
    #[serde(rename = "destination_count")]
    pub destinations: u32,
    /// Lifetime of a connection, in seconds.
    pub lifetime_s: f64,
    /// Share of the connections that this side closes first, from 0 to 1.
    pub closes_first: f64,
    /// Time that a port is blocked after such a connection (TIME_WAIT), in seconds.
    pub time_wait_s: f64,
    /// Requests per second.
    pub requests_per_second: Option<f64>,
    /// Requests per connection: 1 without keep-alive.
    pub requests_per_connection: f64,
    /// Ports of a NAT in the path per destination and address; `None` without a NAT.
    pub nat_ports: Option<u32>,
    /// Addresses that the NAT translates to.
    pub nat_addresses: u32,
    /// Time that the NAT keeps a port after a connection, whoever closed first, in seconds.
    pub nat_wait_s: f64,
}

/// Rates that a setup sustains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ceiling {
    /// Ports for all destinations together: those of the NAT if it is the bottleneck, else of this
    /// host.
    pub ports: u64,
    /// Whether the NAT is the bottleneck.
    pub is_nat: bool,
    /// Average time that a connection keeps its port, in seconds: its lifetime and the wait after
    /// it.
    pub hold_s: f64,
    /// Sustainable connections per second.
    pub connections_per_second: f64,
    /// Connections per second without long searches: those that keep at most half of the host's
    /// ports in use.
    pub quick_connections_per_second: f64,
    /// Sustainable requests per second.
    pub requests_per_second: f64,
    /// Ports in use for the requested rate (Little's law), if one was given.
    pub needed_ports: Option<f64>,
    /// `needed_ports` as a share of `ports`.
    pub share: Option<f64>,
    /// Seconds until no port is free, starting from none in use, at the requested rate; null if
    /// that never happens.
    pub full_in_s: Option<f64>,
}

/// Ports of a host or a NAT, and the time for which connections hold them.
#[derive(Clone, Copy, Debug)]
struct Pool {
    ports: u64,
    lifetime_s: f64,
    /// Share of the connections whose port waits after they are over.
    waiting: f64,
    wait_s: f64,
}

impl Pool {
    fn hold_s(&self) -> f64 {
        self.lifetime_s + self.waiting * self.wait_s
    }

    /// Connections a second that can be sustained: `ports ÷ (lifetime + waiting × wait)`.
    fn rate(&self) -> f64 {
        as_f64(self.ports) / self.hold_s()
    }

    /// Seconds until no port is left at `rate` connections a second, which exceeds the sustainable
    /// rate.
    ///
    /// No port comes back within the first lifetime; from then on only ports that do not wait:
    /// `ports = rate × lifetime + waiting × rate × (t − lifetime)`.
    fn full_in_s(&self, rate: f64) -> f64 {
        let alone = as_f64(self.ports) / rate;
        if alone <= self.lifetime_s || self.waiting <= 0.0 {
            return alone;
        }
        self.lifetime_s + (alone - self.lifetime_s) / self.waiting
    }
}

impl Setup {
    /// Computes `ports × sources × destinations ÷ (lifetime + closes_first × time_wait)`, or the
    /// NAT's rate if that is lower: `ports × addresses × destinations ÷ (lifetime + wait)`.
    ///
    /// A NAT has its ports once for each destination and each of its addresses, however many hosts
    /// are behind it. Its ports wait whichever side closes first, and it knows nothing of the
    /// host's `tcp_tw_reuse`.
    pub fn ceiling(&self) -> Ceiling {
        let own = self.own();
        let nat = self.nat().filter(|nat| nat.rate() < own.rate());
        let scarce = nat.unwrap_or(own);
        let connections = scarce.rate();
        let wanted = self.requests_per_second.map(|rate| rate / self.requests_per_connection);
        let needed = wanted.map(|rate| rate * scarce.hold_s());
        let too_many = wanted.filter(|&rate| rate > connections);
        Ceiling {
            ports: scarce.ports,
            is_nat: nat.is_some(),
            hold_s: scarce.hold_s(),
            connections_per_second: connections,
            quick_connections_per_second: (own.rate() / 2.0).min(connections),
            requests_per_second: connections * self.requests_per_connection,
            needed_ports: needed,
            share: needed.map(|needed| needed / as_f64(scarce.ports.max(1))),
            full_in_s: too_many.map(|rate| scarce.full_in_s(rate)),
        }
    }

    fn own(&self) -> Pool {
        Pool {
            ports: u64::from(self.ports) * u64::from(self.sources) * u64::from(self.destinations),
            lifetime_s: self.lifetime_s,
            waiting: self.closes_first,
            wait_s: self.time_wait_s,
        }
    }

    fn nat(&self) -> Option<Pool> {
        Some(Pool {
            ports: u64::from(self.nat_ports?)
                * u64::from(self.nat_addresses)
                * u64::from(self.destinations),
            lifetime_s: self.lifetime_s,
            waiting: 1.0,
            wait_s: self.nat_wait_s,
        })
    }
}

#[cfg(test)]
mod tests;
