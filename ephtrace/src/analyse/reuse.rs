//! Reuse: the number of assignments, and the time, after which a port is assigned to the same
//! destination again.
//!
//! Devices and hosts that keep state of a connection (NAT, firewalls, the peer's `TIME_WAIT`) take
//! a new connection for the old one if its port is reused too soon.

use hdrhistogram::Histogram;
use serde::{Serialize, Serializer};

use super::recent::Recent;
use crate::model::{FlowKey, human_duration::HumanDuration};

/// Maximum number of remembered ports of destinations, 40 bytes each at most: every port of the
/// default range for nine destinations at once. Least recently used ports are evicted.
pub const MAX_USES: usize = 1 << 18;

/// Time below which a reuse is worth a warning: a minute, in nanoseconds. Linux keeps a closed
/// connection in `TIME_WAIT` for this long (`TCP_TIMEWAIT_LEN`), and firewalls at least as long.
pub const SOON_NS: u64 = 60_000_000_000;

/// Maximum time of the histogram: a day, in nanoseconds.
const MAX_NS: u64 = 86_400_000_000_000;

/// Maximum number of assignments of the histogram.
const MAX_DISTANCE: u64 = 1 << 32;

/// The last use of each port by each destination.
pub struct Uses {
    last: Recent<u64, Use>,
    reuses: u64,
    assignments: Spread,
    time_ns: Spread,
    soonest: Option<FlowKey>,
}

#[derive(Clone, Copy)]
struct Use {
    nth: u64,
    ts_ns: u64,
}

/// One assignment, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// Number of the destination and the origin; unique to them.
    pub lane: u32,
    /// Number of earlier assignments of this lane.
    pub nth: u64,
    /// Assigned port.
    pub port: u16,
    /// Time of the assignment, in nanoseconds since the Unix epoch; 0 if unknown.
    pub ts_ns: u64,
}

/// Reuse found by [`Uses`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Reuse {
    /// Number of 4-tuple reuses.
    pub reuses: u64,
    /// Number of assignments to that destination until the reuse; 1 is the very next.
    #[serde(rename = "after_assignments")]
    pub assignments: Option<Least>,
    /// Time until the reuse, in nanoseconds.
    #[serde(rename = "after_ns")]
    pub time_ns: Option<Least>,
    /// The destination of the soonest reuse.
    #[serde(serialize_with = "address")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub soonest: Option<FlowKey>,
    /// Uses that were evicted: up to that many reuses may be missing.
    pub forgotten: u64,
    /// Warning, if any.
    pub warning: Option<String>,
}

/// Minimum and median of some numbers; the median to two digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Least {
    /// Minimum.
    pub min: u64,
    /// Median.
    pub median: u64,
}

/// Numbers whose minimum and median are wanted.
#[derive(Default)]
struct Spread {
    histogram: Option<Histogram<u64>>,
    min: Option<u64>,
}

impl Default for Uses {
    fn default() -> Self {
        Self::with_limit(MAX_USES)
    }
}

impl Uses {
    /// Creates a table of at most `limit` uses, at least two.
    pub fn with_limit(limit: usize) -> Self {
        Self {
            last: Recent::with_limit(limit),
            reuses: 0,
            assignments: Spread::up_to(MAX_DISTANCE),
            time_ns: Spread::up_to(MAX_NS),
            soonest: None,
        }
    }

    /// Adds one assignment.
    pub fn observe(&mut self, used: Used, flow: &FlowKey) {
        let Used { lane, nth, port, ts_ns } = used;
        let key = u64::from(lane) << 16 | u64::from(port);
        let Some(last) = self.last.replace(key, Use { nth, ts_ns }) else { return };
        self.reuses += 1;
        self.assignments.add(nth.saturating_sub(last.nth));
        if last.ts_ns > 0 && ts_ns >= last.ts_ns {
            let after = ts_ns - last.ts_ns;
            if self.time_ns.min.is_none_or(|min| after < min) {
                self.soonest = Some(*flow);
            }
            self.time_ns.add(after);
        }
    }

    /// Returns the reuse found so far.
    pub fn reuse(&self) -> Reuse {
        let time_ns = self.time_ns.least();
        Reuse {
            reuses: self.reuses,
            assignments: self.assignments.least(),
            time_ns,
            soonest: self.soonest,
            forgotten: self.last.evicted(),
            warning: time_ns.filter(|time| time.min < SOON_NS).map(|time| warning(time.min)),
        }
    }
}

impl Spread {
    fn up_to(most: u64) -> Self {
        Self { histogram: Histogram::new_with_bounds(1, most, 2).ok(), min: None }
    }

    fn add(&mut self, n: u64) {
        self.min = Some(self.min.map_or(n, |min| min.min(n)));
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(n);
        }
    }

    fn least(&self) -> Option<Least> {
        let min = self.min?;
        // The histogram rounds up, to two digits.
        let median = self.histogram.as_ref().map_or(min, |h| h.value_at_quantile(0.5));
        Some(Least { min, median: median.max(min) })
    }
}

fn warning(after_ns: u64) -> String {
    format!(
        "4-tuple reused after {}: NAT and firewalls may still track the previous connection (they \
         keep state for 60 s or longer) and drop the new one",
        HumanDuration(after_ns)
    )
}

// Serde requires this signature.
#[expect(clippy::ref_option, reason = "serde calls it so")]
fn address<S: Serializer>(flow: &Option<FlowKey>, serializer: S) -> Result<S::Ok, S::Error> {
    flow.and_then(|flow| Some(flow.remote()?.to_string())).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn observe(uses: &mut Uses, lane: u32, nth: u64, port: u16, ts_ns: u64) {
        let flow = FlowKey { dport: Some(u16::try_from(lane).unwrap()), ..FlowKey::default() };
        uses.observe(Used { lane, nth, port, ts_ns }, &flow);
    }

    #[test]
    fn counts_by_destination() {
        let mut uses = Uses::default();
        observe(&mut uses, 1, 0, 40_000, S);
        observe(&mut uses, 2, 0, 40_000, 2 * S);
        observe(&mut uses, 1, 1, 40_002, 3 * S);
        assert_eq!(uses.reuse().reuses, 0);
        observe(&mut uses, 1, 2, 40_000, 101 * S);
        let reuse = uses.reuse();
        assert_eq!(reuse.reuses, 1);
        assert_eq!(reuse.assignments, Some(Least { min: 2, median: 2 }));
        assert_eq!(reuse.time_ns.map(|time| time.min), Some(100 * S));
        assert_eq!(reuse.soonest.and_then(|flow| flow.dport), Some(1));
        assert_eq!(reuse.warning, None);
    }

    #[test]
    fn warns_if_it_is_soon() {
        let mut uses = Uses::default();
        observe(&mut uses, 1, 0, 40_000, S);
        observe(&mut uses, 1, 1, 40_000, S + 1_234_000_000);
        let warning = uses.reuse().warning.unwrap();
        assert!(warning.contains("after 1.2 s"), "{warning}");
    }

    #[test]
    fn unknown_times_warn_of_nothing() {
        let mut uses = Uses::default();
        observe(&mut uses, 1, 0, 40_000, 0);
        observe(&mut uses, 1, 1, 40_000, 0);
        let reuse = uses.reuse();
        assert_eq!((reuse.reuses, reuse.time_ns, reuse.warning), (1, None, None));
    }

    #[test]
    fn is_bounded_and_says_so() {
        let mut uses = Uses::with_limit(10);
        for n in 0..100 {
            observe(&mut uses, 1, n, 1000 + u16::try_from(n).unwrap(), S);
        }
        assert_eq!(uses.reuse().forgotten, 90);
    }
}
