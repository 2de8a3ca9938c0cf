//! A run in numbers and verdicts, as data: the content of every output.
//!
//! `tally` collects it, `output::summary::words` puts it in words.

use std::net::IpAddr;

use serde::{Serialize, Serializer};

use super::{
    findings::{Finding, NetnsFacts},
    fitted_range::FittedRange,
    overflow::Overflow,
    pattern::{Pattern, Verdict},
    picture::PlotData,
    quantities::{ErrorCount, Latency},
    reuse::Reuse,
    self_connect::SelfConnect,
};
use crate::model::{
    FlowKey, Hook, Origin, PortRange, Protocol,
    losses::{Losses, serialize_losses},
    names::{serialize_origin, serialize_protocol},
    port_range::serialize_known_ends,
};

/// Default number of destinations that a summary lists.
pub const BUSIEST: usize = 10;

/// State of the run that a [`Tally`](super::tally::Tally) can't know.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunContext {
    /// Events that did not reach the output.
    pub losses: Losses,
    /// Counts of the eBPF programs.
    pub kernel: Option<KernelCounts>,
    /// Hook that saw the assignments.
    pub hook: Option<Hook>,
    /// Failing attempts that the hook does not see, in words; `None` if there are none, or for a
    /// recording, which does not tell.
    pub unseen_failures: Option<String>,
    /// CPU time of this process.
    pub cpu: Option<CpuTime>,
    /// Cost of the programs in the kernel; `None` if it was not measured.
    pub kernel_cost: Option<KernelCost>,
    /// Lanes evicted to make room.
    pub lanes_evicted: u64,
    /// Assignments that found no room in the ring buffer, and were only counted.
    pub overflow: Option<Overflow>,
    /// Assignments of a recording that came too late to be sorted.
    pub disordered: u64,
    /// True if the recording is marked as not ended.
    pub is_cut: bool,
    /// The recording does not tell when ports were assigned, but at most in which order.
    pub is_untimed: bool,
    /// Rows of a recording that repeat a connect from the same port; they are not counted.
    pub retried: u64,
    /// Inode number of the network namespace that remedies are typed in.
    pub own_netns: Option<u32>,
    /// Network namespaces that remedies name.
    pub namespaces: Vec<NetnsFacts>,
    /// True if only failed assignments were kept.
    pub failed_only: bool,
}

/// A run in numbers and verdicts.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Summary {
    /// Duration of the run, in nanoseconds; of a recording, from its first to its last assignment.
    /// 0 where a recording has no times, and so are rates.
    pub duration_ns: u64,
    /// Assignments that reached the output, failed ones included.
    pub assignments: u64,
    /// Failures among them.
    pub failures: u64,
    /// Whether only failed assignments were kept (`--failed`): `assignments` counts no others.
    pub failed_only: bool,
    /// Failed assignments by error, most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Assignments per second, over the whole run.
    pub per_second: f64,
    /// Port search latency: time the kernel took to choose the port.
    pub latency: Option<Latency>,
    /// Time of the first assignment, in nanoseconds since the Unix epoch.
    pub first_ns: Option<u64>,
    /// Time of the last assignment, in nanoseconds since the Unix epoch.
    pub last_ns: Option<u64>,
    /// How ports are assigned, over all.
    pub verdict: Verdict,
    /// Verdicts by origin.
    pub origins: Vec<OriginSummary>,
    /// Verdicts by host.
    pub hosts: HostsSummary,
    /// The range that ports fit, and whose default it is, if the recording does not have it; null
    /// if it has all ranges.
    pub fitted_range: Option<FittedRange>,
    /// Assignments whose port the program chose; they get no verdict.
    pub explicit: u64,
    /// The busiest processes with their verdicts, busiest first.
    pub processes: Vec<ProcessSummary>,
    /// Evictions of quieter processes; one that returns can be evicted again.
    pub processes_evicted: u64,
    /// The busiest destinations, busiest first.
    pub destinations: Vec<DestinationSummary>,
    /// Number of known destinations, including those not listed.
    pub destinations_known: u64,
    /// Evictions of quieter destinations; one that returns can be evicted again.
    pub destinations_evicted: u64,
    /// Assignments to all destinations that are not listed.
    pub other_assignments: u64,
    /// Problems with evidence and remedies, worst first.
    pub findings: Vec<Finding>,
    /// Reuse of 4-tuples.
    pub reuse: Reuse,
    /// Sockets that are connected to themselves.
    pub self_connects: SelfConnect,
    /// Events that did not reach the output.
    #[serde(serialize_with = "serialize_losses")]
    pub losses: Losses,
    /// Assignments of a recording that came too late to be sorted by time.
    pub disordered: u64,
    /// Rows of a recording that repeat a connect from the same port; they are not counted.
    pub retried: u64,
    /// Counts of the eBPF programs.
    #[serde(rename = "kernel_counts")]
    pub kernel: Option<KernelCounts>,
    /// Hook that saw the assignments.
    #[serde(serialize_with = "hook")]
    #[cfg_attr(test, schemars(schema_with = "crate::commands::schema::tests::words::hook"))]
    pub hook: Option<Hook>,
    /// Failing attempts that the hook does not see, in words; `None` if there are none, or for a
    /// recording, which does not tell.
    pub unseen_failures: Option<String>,
    /// CPU time of this process.
    pub cpu: Option<CpuTime>,
    /// Cost of the programs in the kernel; `None` if it was not measured.
    pub kernel_cost: Option<KernelCost>,
    /// Flows whose state was evicted: up to that many steps may be missing.
    pub lanes_evicted: u64,
    /// Assignments that did not fit into the ring buffer and were only counted, by process,
    /// destination and origin; null if none.
    pub overflow: Option<Overflow>,
    /// Data for the plots; not part of the output.
    #[serde(skip)]
    pub picture: PlotData,
}

/// Verdict on one origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OriginSummary {
    /// Name of the origin: `connect`, `connect, socket range` (with `IP_LOCAL_PORT_RANGE`), `bind`
    /// (with listen), `udp`, `ping`, `sctp`, `unknown origin`.
    pub origin: &'static str,
    /// Its assignments; of a long run, only a part is judged.
    pub assignments: u64,
    /// How its ports are assigned.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Verdicts on the hosts: network namespaces of the traced machine, or source addresses.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HostsSummary {
    /// Number of known ones.
    pub known: u64,
    /// Number of them with a verdict: a pattern, or that the next port can be predicted.
    pub judged: u64,
    /// Number of them without a pattern whose next port can certainly be predicted.
    pub only_predictable: u64,
    /// Evictions of quieter hosts; one that returns can be evicted again.
    pub evicted: u64,
    /// Number of hosts per pattern, most frequent first.
    pub patterns: Vec<PatternCount>,
    /// The busiest hosts, busiest first.
    pub busiest: Vec<HostSummary>,
}

/// Number of hosts with one pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PatternCount {
    /// Pattern of the hosts.
    pub pattern: Pattern,
    /// Number of hosts that have it.
    pub count: u64,
}

/// Verdict on one host.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HostSummary {
    /// Inode number of the host's network namespace; null if the source names only its address.
    pub netns: Option<u32>,
    /// Its source address; null if its namespace identifies it.
    pub saddr: Option<IpAddr>,
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Whether `assignments` is exact; otherwise it is a lower bound.
    pub complete: bool,
    /// Failed assignments.
    pub failures: u64,
    /// How its ports are assigned.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The range that its ports fit, if the recording does not have it; null if it has all ranges.
    pub fitted_range: Option<FittedRange>,
}

impl HostSummary {
    /// Name of the host: the address, or the namespace.
    pub fn name(&self) -> String {
        match (self.saddr, self.netns) {
            (Some(saddr), _) => saddr.to_string(),
            (None, Some(netns)) => format!("netns {netns}"),
            (None, None) => "unknown".to_owned(),
        }
    }
}

/// Verdict on one process.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProcessSummary {
    /// Process id; null if it is outside ephtrace's PID namespace.
    pub pid: Option<u32>,
    /// Name of the process, if known.
    pub comm: Option<String>,
    /// Short id of the process's container, if it is in one.
    pub container: Option<String>,
    /// Name of that container; null if unknown.
    pub container_name: Option<String>,
    /// Name of its pod; null if unknown.
    pub pod: Option<String>,
    /// Kubernetes namespace of that pod; null if unknown.
    pub pod_namespace: Option<String>,
    /// systemd unit of the process; null if unknown.
    pub unit: Option<String>,
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Whether `assignments` is exact; otherwise it is a lower bound.
    pub complete: bool,
    /// Failed assignments.
    pub failures: u64,
    /// How its ports are assigned.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Verdict on one destination.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DestinationSummary {
    /// Source and destination.
    #[serde(flatten)]
    pub flow: FlowKey,
    /// Transport protocol, if known.
    #[serde(serialize_with = "serialize_protocol")]
    #[cfg_attr(test, schemars(schema_with = "crate::commands::schema::tests::words::protocol"))]
    pub protocol: Option<Protocol>,
    /// Origin of the assignments, if known.
    #[serde(serialize_with = "serialize_origin")]
    #[cfg_attr(test, schemars(schema_with = "crate::commands::schema::tests::words::origin"))]
    pub origin: Option<Origin>,
    /// Assignments to the destination, failed ones included.
    pub assignments: u64,
    /// Whether `assignments` is exact; otherwise it is a lower bound, because the destination
    /// appeared late among very many others.
    pub complete: bool,
    /// Failed assignments.
    pub failures: u64,
    /// Failures among them with no free port.
    pub no_port: u64,
    /// Searches of known length.
    pub searches_known: u64,
    /// Number of these searches that found their port in the other parity, past the half mark.
    pub second_pass: u64,
    /// Most frequent step in the destination's lane.
    pub usual_step: Option<UsualStep>,
    /// Lowest and highest port of the range in force last.
    #[serde(flatten, serialize_with = "serialize_known_ends")]
    #[cfg_attr(test, schemars(with = "crate::model::port_range::Ends<Option<u16>>"))]
    pub range: Option<PortRange>,
    /// Number of ports in the range.
    pub range_ports: Option<u32>,
    /// Number of different ports of the range that it was assigned.
    pub distinct_ports: u32,
    /// Time of the first assignment, in nanoseconds since the Unix epoch.
    pub first_ns: u64,
    /// Time of the last assignment, in nanoseconds since the Unix epoch.
    pub last_ns: u64,
    /// How its ports are assigned.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// The most frequent step of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UsualStep {
    /// Step from one port to the next.
    pub step: i32,
    /// Its share of all steps, from 0 to 1; a lower bound if there are more than 16 different
    /// steps.
    pub share: f64,
}

/// Counts of the kernel half, one number for each `ephtrace_common::Counter` that is no loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KernelCounts {
    /// Searches begun.
    pub seen: u64,
    /// Rejected by the filter.
    pub filtered: u64,
    /// Records handed to user space.
    pub emitted: u64,
    /// Connects of sockets that were already bound.
    pub already_bound: u64,
    /// Fields that could not be read and are unknown.
    pub read_failed: u64,
    /// Bytes of kernel memory that the maps and the ring buffer take, from start to end.
    pub map_bytes: u64,
}

/// Processor time of this process, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CpuTime {
    /// In user mode.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
}

/// Cost of the programs in the kernel, as the kernel measured it in samples of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KernelCost {
    /// Run time of the programs in the samples, in nanoseconds.
    pub run_time_ns: u64,
    /// Number of runs in the samples.
    pub runs: u64,
    /// Searches that began in the samples.
    pub searches: u64,
}

impl KernelCost {
    /// Returns the nanoseconds for each search, over all programs and runs.
    pub fn ns_per_search(&self) -> u64 {
        self.run_time_ns.checked_div(self.searches).unwrap_or(0)
    }
}

// Serde requires this signature.
#[expect(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde calls it so")]
fn hook<S: Serializer>(hook: &Option<Hook>, serializer: S) -> Result<S::Ok, S::Error> {
    hook.map(Hook::name).serialize(serializer)
}
