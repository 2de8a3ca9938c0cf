//! Each metric once: its name, type, meaning, labels, and where its values come from.
//!
//! Names follow the conventions of Prometheus: base units, `_total` for what only grows (the writer
//! adds it). No process, port or address is a label unless destinations are asked for.

use super::{
    metric::{Metric, Type, Value},
    series::{
        DESTINATION, by_destination, by_netns, findings, latency, of_kind, of_recorder, one,
        seconds, verdict,
    },
};

const KIND: &[&str] = &["origin", "family"];
const NETNS: &[&str] = &["netns", "name"];

/// All metrics, in the order in which they are written.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "ephtrace_up",
        kind: Type::Gauge,
        help: "1 while a hook counts assignments, else 0.",
        labels: &[],
        series: |s| one(Value::Count(u64::from(s.hook.is_some() && s.trouble.is_none()))),
    },
    Metric {
        name: "ephtrace_build",
        kind: Type::Info,
        help: "Version of ephtrace, the hook that it uses, and the kernel's release.",
        labels: &["version", "hook", "kernel"],
        series: |s| {
            let hook = s.hook.map_or("none", |hook| hook.name());
            let texts = [env!("CARGO_PKG_VERSION"), hook, &s.kernel].map(str::to_owned);
            vec![(texts.to_vec(), Value::Count(1))]
        },
    },
    Metric {
        name: "ephtrace_assignments",
        kind: Type::Counter,
        help: "Ports that the kernel assigned, by the call that led to it.",
        labels: KIND,
        series: |s| {
            s.counters.assigned.iter().map(|(kind, &n)| (of_kind(*kind), Value::Count(n))).collect()
        },
    },
    Metric {
        name: "ephtrace_assignment_failures",
        kind: Type::Counter,
        help: "Calls that got an error in place of a port.",
        labels: &["origin", "family", "error"],
        series: |s| {
            let failed = s.counters.failed.iter();
            failed
                .map(|((kind, error), &n)| {
                    ([of_kind(*kind), vec![(*error).to_owned()]].concat(), Value::Count(n))
                })
                .collect()
        },
    },
    Metric {
        name: "ephtrace_search_seconds",
        kind: Type::Histogram,
        help: "Time of the search for a port, waits for a processor included.",
        labels: &[],
        series: |s| one(latency(&s.counters.latency, s.counters.search_ns)),
    },
    Metric {
        name: "ephtrace_candidates",
        kind: Type::Counter,
        help: "Candidates that searches of known length tried.",
        labels: &[],
        series: |s| one(Value::Count(s.counters.candidates)),
    },
    Metric {
        name: "ephtrace_searches_of_known_length",
        kind: Type::Counter,
        help: "Searches whose number of candidates is known (function hooks, with CAP_SYSLOG).",
        labels: &[],
        series: |s| one(Value::Count(s.counters.walked)),
    },
    Metric {
        name: "ephtrace_second_passes",
        kind: Type::Counter,
        help: "Searches of known length that went on to the ports of the other parity.",
        labels: &[],
        series: |s| one(Value::Count(s.counters.second_pass)),
    },
    Metric {
        name: "ephtrace_self_connects",
        kind: Type::Counter,
        help: "Sockets that were connected to themselves.",
        labels: &[],
        series: |s| one(Value::Count(s.counters.self_connects)),
    },
    Metric {
        name: "ephtrace_local_ports",
        kind: Type::Gauge,
        help: "Ports of the ephemeral range (net.ipv4.ip_local_port_range), reserved ones \
               included.",
        labels: NETNS,
        series: |s| by_netns(s, |one| Value::Count(one.range.into())),
    },
    Metric {
        name: "ephtrace_reserved_ports",
        kind: Type::Gauge,
        help: "Ports of the range that are reserved (net.ipv4.ip_local_reserved_ports).",
        labels: NETNS,
        series: |s| by_netns(s, |one| Value::Count(one.reserved.into())),
    },
    Metric {
        name: "ephtrace_ports_in_use",
        kind: Type::Gauge,
        help: "Ports of the range with a connected TCP socket; one port can serve many \
               destinations.",
        labels: NETNS,
        series: |s| by_netns(s, |one| Value::Count(one.in_use.into())),
    },
    Metric {
        name: "ephtrace_ports_bound",
        kind: Type::Gauge,
        help: "Ports of the range taken for every destination by bind() or listen(), as far as \
               the kernel lists them.",
        labels: NETNS,
        series: |s| by_netns(s, |one| Value::Count(one.bound.into())),
    },
    Metric {
        name: "ephtrace_udp_ports",
        kind: Type::Gauge,
        help: "Ports of the range that UDP sockets have.",
        labels: NETNS,
        series: |s| by_netns(s, |one| Value::Count(one.udp.into())),
    },
    Metric {
        name: "ephtrace_time_wait_sockets",
        kind: Type::Gauge,
        help: "TCP sockets in TIME_WAIT, whatever their port.",
        labels: NETNS,
        series: |s| by_netns(s, |one| Value::Count(one.time_wait)),
    },
    Metric {
        name: "ephtrace_destination_use_max_ratio",
        kind: Type::Gauge,
        help: "Largest share of the usable ports that any destination can't be given any more, \
               from 0 to 1.",
        labels: NETNS,
        series: |s| by_netns(s, |one| Value::Number(one.fullest)),
    },
    Metric {
        name: "ephtrace_destinations_past_half",
        kind: Type::Gauge,
        help: "Destinations that use more than half of the usable ports: their searches go on to \
               the other parity.",
        labels: NETNS,
        series: |s| by_netns(s, |one| Value::Count(one.past_half)),
    },
    Metric {
        name: "ephtrace_destinations_full",
        kind: Type::Gauge,
        help: "Destinations without a free port: the next connect fails with EADDRNOTAVAIL.",
        labels: NETNS,
        series: |s| by_netns(s, |one| Value::Count(one.full)),
    },
    Metric {
        name: "ephtrace_exhaustion_forecast_seconds",
        kind: Type::Gauge,
        help: "Shortest time until a destination has no free port, at the present trend; absent \
               without such a trend.",
        labels: &[],
        series: |s| s.full_in_s.map(|s| (Vec::new(), Value::Number(s))).into_iter().collect(),
    },
    Metric {
        name: "ephtrace_finding",
        kind: Type::Gauge,
        help: "1 while a finding of this rule holds; rules and remedies: docs/always-on.md.",
        labels: &["rule", "severity"],
        series: findings,
    },
    Metric {
        name: "ephtrace_verdict",
        kind: Type::Info,
        help: "Verdict on the order of the assignments that the flight recorder keeps \
               (--incidents), and the rule that is expected of this kernel's connects.",
        labels: &["predictable", "pattern", "algorithm", "expected"],
        series: |s| vec![(verdict(s), Value::Count(1))],
    },
    Metric {
        name: "ephtrace_incidents",
        kind: Type::Counter,
        help: "Incidents of the flight recorder: written, failed, or left out by the limits.",
        labels: &["result"],
        series: |s| {
            let incidents = s.recorded.iter().flat_map(|one| one.incidents);
            incidents.map(|(result, n)| (vec![result.to_owned()], Value::Count(n))).collect()
        },
    },
    Metric {
        name: "ephtrace_recorder_assignments",
        kind: Type::Gauge,
        help: "Assignments in the memory of the flight recorder.",
        labels: &[],
        series: |s| of_recorder(s, |one| Value::Count(one.rows)),
    },
    Metric {
        name: "ephtrace_recorder_span_seconds",
        kind: Type::Gauge,
        help: "Age of the oldest assignment in the memory of the flight recorder.",
        labels: &[],
        series: |s| of_recorder(s, |one| Value::Number(seconds(one.span_ns))),
    },
    Metric {
        name: "ephtrace_recorder_rests",
        kind: Type::Gauge,
        help: "1 while the flight recorder is at rest, because there are too many assignments; \
               all of them are counted.",
        labels: &[],
        series: |s| of_recorder(s, |one| Value::Count(u64::from(one.rests))),
    },
    Metric {
        name: "ephtrace_recorder_not_kept",
        kind: Type::Counter,
        help: "Assignments that were counted, but never in the memory of the flight recorder.",
        labels: &[],
        series: |s| of_recorder(s, |one| Value::Count(one.not_kept)),
    },
    Metric {
        name: "ephtrace_lost",
        kind: Type::Counter,
        help: "Assignments that are missing from the other numbers, by the stage that lost them.",
        labels: &["stage"],
        series: |s| {
            let stages = s.losses.stages().into_iter();
            stages.map(|(stage, n)| (vec![stage.to_owned()], Value::Count(n))).collect()
        },
    },
    Metric {
        name: "ephtrace_unlisted_assignments",
        kind: Type::Counter,
        help: "Assignments counted without origin and destination, for lack of room in the \
               kernel's maps.",
        labels: &[],
        series: |s| one(Value::Count(s.counters.unlisted)),
    },
    Metric {
        name: "ephtrace_destination_assignments",
        kind: Type::Counter,
        help: "Ports assigned for connects to the busiest destinations, since each is listed \
               (--top-destinations).",
        labels: DESTINATION,
        series: |s| by_destination(s, |one| one.assigned),
    },
    Metric {
        name: "ephtrace_destination_failures",
        kind: Type::Counter,
        help: "Failed connects to the busiest destinations, since each is listed \
               (--top-destinations).",
        labels: DESTINATION,
        series: |s| by_destination(s, |one| one.failed),
    },
    Metric {
        name: "ephtrace_namespaces_left_out",
        kind: Type::Gauge,
        help: "Network namespaces without series: unreadable, or too many.",
        labels: &[],
        series: |s| one(Value::Count(s.namespaces_left_out)),
    },
    Metric {
        name: "ephtrace_snapshot_timestamp_seconds",
        kind: Type::Gauge,
        help: "Time of these numbers, in seconds since the Unix epoch.",
        labels: &[],
        series: |s| one(Value::Number(seconds(s.ts_ns))),
    },
    Metric {
        name: "ephtrace_sockets_timestamp_seconds",
        kind: Type::Gauge,
        help: "Time of the numbers of namespaces, in seconds since the Unix epoch: sockets are \
               listed less often on a busy host.",
        labels: &[],
        series: |s| s.sockets_ts_ns.map_or_else(Vec::new, |ns| one(Value::Number(seconds(ns)))),
    },
    Metric {
        name: "ephtrace_measuring_seconds",
        kind: Type::Gauge,
        help: "Time that the last reading of counts and sockets took.",
        labels: &[],
        series: |s| one(Value::Number(s.measuring_s)),
    },
    Metric {
        name: "ephtrace_cpu_seconds",
        kind: Type::Counter,
        help: "Processor time of ephtrace itself.",
        labels: &["mode"],
        series: |s| {
            let modes = [("user", s.cpu.user_ns), ("system", s.cpu.system_ns)];
            modes.map(|(mode, ns)| (vec![mode.to_owned()], Value::Number(seconds(ns)))).to_vec()
        },
    },
    Metric {
        name: "ephtrace_resident_memory_bytes",
        kind: Type::Gauge,
        help: "Resident memory of ephtrace itself.",
        labels: &[],
        series: |s| one(Value::Count(s.resident_bytes)),
    },
    Metric {
        name: "ephtrace_kernel_memory_bytes",
        kind: Type::Gauge,
        help: "Memory of the kernel half's maps.",
        labels: &[],
        series: |s| one(Value::Count(s.map_bytes)),
    },
];
