//! Sums and quantiles of the kernel's rows.

use ephtrace_common::totals::{ERRNOS, LATENCY_SLOTS, TRIED_SLOTS, Totals, latency_end_ns};
use serde::{Serialize, Serializer};

use crate::{
    analyse::quantities::{ErrorCount, Latency},
    model::{PortRange, errno_name, port_range::serialize_known_ends},
};

/// An observed time, and the machine.
#[derive(Clone, Copy, Debug)]
pub struct Period {
    /// End of the interval, in nanoseconds since the Unix epoch.
    pub end_ns: u64,
    /// Duration, in nanoseconds.
    pub duration_ns: u64,
    /// Number of online processors: searches can't keep more of them busy.
    pub processors: u32,
}

/// Sums and quantiles.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Numbers {
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Failed assignments.
    #[serde(rename = "failures")]
    pub failed: u64,
    /// Failures by error; the entry without an errno has all other errors.
    #[serde(serialize_with = "serialize_errors")]
    #[cfg_attr(test, schemars(with = "Vec<ErrorCount>"))]
    pub errors: Vec<(Option<u16>, u64)>,
    /// Assignments per second.
    pub per_second: f64,
    /// Failures per second.
    #[serde(rename = "failures_per_second")]
    pub failed_per_second: f64,
    /// Total time of the searches, in nanoseconds: wall time, including waits for a CPU.
    pub search_ns: u64,
    /// Upper bound on the CPUs busy with port searches: `search_ns` divided by the duration, at
    /// most the CPUs of the machine.
    pub search_cpus_at_most: f64,
    /// Sockets connected to themselves: they were assigned the same port that they connect to.
    #[serde(rename = "self_connect_count")]
    pub self_connects: u64,
    /// Port search latency, in nanoseconds of wall time; null if no search has one.
    pub latency: Option<Latency>,
    /// Searches of known length.
    pub searches_known: u64,
    /// Median of the candidates tried; null if unknown.
    pub tried_p50: Option<u32>,
    /// 99th percentile of the candidates tried.
    pub tried_p99: Option<u32>,
    /// Maximum, exact.
    pub tried_max: Option<u32>,
    /// Mean number of candidates.
    pub tried_mean: Option<f64>,
    /// Number of known searches that went on to the other parity, past the half mark.
    pub second_pass: u64,
    /// Lowest and highest port of the range in force, if known.
    #[serde(flatten, serialize_with = "serialize_known_ends")]
    #[cfg_attr(test, schemars(with = "crate::model::port_range::Ends<Option<u16>>"))]
    pub range: Option<PortRange>,
    /// Port of the latest failure, for the origin `explicit`.
    pub refused_port: Option<u16>,
    /// Whether other ports failed as well.
    pub refused_ports_differ: bool,
}

/// Name of the errno slot for all other errors.
const OTHER_ERROR: &str = "other";

impl Numbers {
    #[expect(clippy::cast_precision_loss, reason = "rates, for people")]
    pub(super) fn of(totals: &Totals, period: Period) -> Self {
        let Period { duration_ns, processors, .. } = period;
        let seconds = duration_ns.max(1) as f64 / 1e9;
        let (failed, walked) = (totals.failed(), totals.walked());
        let errors = ERRNOS.iter().zip(totals.failures).filter(|(_, count)| *count > 0);
        let is_known = walked > 0;
        let is_timed = totals.latency.iter().any(|count| *count > 0);
        Self {
            assignments: totals.assignments,
            failed,
            errors: errors.map(|(&errno, count)| (known_errno(errno), count)).collect(),
            per_second: totals.assignments as f64 / seconds,
            failed_per_second: failed as f64 / seconds,
            search_ns: totals.search_ns,
            search_cpus_at_most: (totals.search_ns as f64 / duration_ns.max(1) as f64)
                .min(f64::from(processors)),
            self_connects: totals.self_connects,
            latency: is_timed.then(|| Latency {
                p50_ns: latency(totals, 0.5),
                p99_ns: latency(totals, 0.99),
                max_ns: totals.longest_ns(),
            }),
            searches_known: walked,
            tried_p50: is_known.then(|| tried(totals, 0.5)),
            tried_p99: is_known.then(|| tried(totals, 0.99)),
            tried_max: is_known.then_some(totals.most_tried()),
            tried_mean: is_known.then(|| totals.candidates as f64 / walked as f64),
            second_pass: totals.second_pass,
            range: (totals.range != [0, 0])
                .then(|| PortRange::new(totals.range[0], totals.range[1])),
            refused_port: (totals.refused_port != 0).then_some(totals.refused_port),
            refused_ports_differ: totals.refused_ports_differ != 0,
        }
    }
}

fn known_errno(errno: u32) -> Option<u16> {
    u16::try_from(errno).ok().filter(|&errno| errno_name(errno).is_some())
}

/// Name of an error of [`Numbers::errors`], as in every output.
pub fn error_name(errno: Option<u16>) -> &'static str {
    errno.and_then(errno_name).unwrap_or(OTHER_ERROR)
}

fn serialize_errors<S: Serializer>(
    errors: &[(Option<u16>, u64)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let shown = |&(errno, count): &(Option<u16>, u64)| ErrorCount {
        errno,
        error: errno.and_then(errno_name),
        count,
    };
    serializer.collect_seq(errors.iter().map(shown))
}

/// Upper bound of the latency for the given share of the searches.
fn latency(totals: &Totals, share: f64) -> u64 {
    let slot = slot_at::<LATENCY_SLOTS>(&totals.latency, share);
    let end = slot.and_then(latency_end_ns).unwrap_or(u64::MAX);
    end.min(totals.longest_ns())
}

/// Upper bound of the number of candidates for the given share of the searches.
fn tried(totals: &Totals, share: f64) -> u32 {
    let slot = slot_at::<TRIED_SLOTS>(&totals.tried, share).unwrap_or(0);
    let end = u32::try_from((2_u64 << slot) - 1).unwrap_or(u32::MAX);
    end.min(totals.most_tried())
}

/// Returns the slot of the value at `share` of all; `None` if there are no values.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank among counts"
)]
fn slot_at<const N: usize>(counts: &[u32; N], share: f64) -> Option<usize> {
    let all: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    let rank = ((all as f64 * share).ceil() as u64).max(1);
    let mut below = 0;
    counts.iter().position(|&count| {
        below += u64::from(count);
        below >= rank
    })
}
