//! Everything that the metrics say, at one moment.

use crate::{
    analyse::{
        counters::Counters,
        findings::Severity,
        pattern::{Algorithm, Verdict},
        summary::CpuTime,
    },
    model::{Hook, losses::Losses},
};

/// State of a run for a monitoring system.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Time, in nanoseconds since the Unix epoch; 0 if nothing was measured yet.
    pub ts_ns: u64,
    /// Hook that counts; `None` if none works.
    pub hook: Option<Hook>,
    /// Reason why nothing is counted, or why the hook is blind; `None` if all is well.
    pub trouble: Option<String>,
    /// Release of the kernel.
    pub kernel: String,
    /// Sums since the start.
    pub counters: Counters,
    /// Namespaces, the one with the fullest destination first; empty if not examined.
    pub namespaces: Vec<NetnsUse>,
    /// Time of the numbers of namespaces, in nanoseconds since the Unix epoch; `None` if they were
    /// not examined yet.
    pub sockets_ts_ns: Option<u64>,
    /// Number of namespaces that were left out to bound the number of series, or not readable.
    pub namespaces_left_out: u64,
    /// Shortest time until a destination has no port left, in seconds; `None` without a trend that
    /// leads there within a day.
    pub full_in_s: Option<f64>,
    /// State of the flight recorder; `None` without one.
    pub recorded: Option<Recorded>,
    /// Rule by which this kernel assigns the ports of connects; `None` if it is not known.
    pub expected: Option<Algorithm>,
    /// Names of the rules that hold now, and their severities.
    pub findings: Vec<(&'static str, Severity)>,
    /// Losses since the start.
    pub losses: Losses,
    /// Processor time of ephtrace itself.
    pub cpu: CpuTime,
    /// Resident memory of ephtrace itself, in bytes.
    pub resident_bytes: u64,
    /// Memory of the kernel half's maps, in bytes.
    pub map_bytes: u64,
    /// Time that the last measurement took, in seconds.
    pub measuring_s: f64,
}

/// State of the flight recorder.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Verdict on the assignments in memory; `None` before the first one.
    pub verdict: Option<Verdict>,
    /// Assignments in memory.
    pub rows: u64,
    /// Age of the oldest one, in nanoseconds.
    pub span_ns: u64,
    /// Assignments since the start that were counted, but not kept.
    pub not_kept: u64,
    /// True if it is at rest, because there are too many assignments.
    pub rests: bool,
    /// Numbers of incidents, by what became of them.
    pub incidents: [(&'static str, u64); 3],
}

/// Use of ports in a network namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetnsUse {
    /// Inode number.
    pub netns: u32,
    /// Name as in `ip netns`, empty without one.
    pub name: String,
    /// Ports of the range.
    pub range: u32,
    /// Those of them that are reserved.
    pub reserved: u32,
    /// Ports of connected sockets in the range.
    pub in_use: u32,
    /// Ports of the range taken for every destination, by bind or listen, as far as the kernel
    /// lists them.
    pub bound: u32,
    /// Ports of the range that UDP sockets have.
    pub udp: u32,
    /// TCP sockets in `TIME_WAIT`, whatever their port.
    pub time_wait: u64,
    /// Share of the usable ports that the fullest destination can't be given, from 0 to 1.
    pub fullest: f64,
    /// Destinations past the half mark.
    pub past_half: u64,
    /// Destinations without a free port.
    pub full: u64,
}
