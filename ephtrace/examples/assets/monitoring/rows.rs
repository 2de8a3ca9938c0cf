//! Rows of the dashboard: which panel stands where, with which queries.

use super::{
    own_rows::{ITSELF, RECORDER},
    panels::{
        Panel, Row,
        Shape::{Heat, Lines, Stacked, Table},
        lines, number,
    },
};

/// All rows, from top to bottom.
pub(crate) const ROWS: [Row; 8] = [
    Row { title: "State", panels: STATE },
    Row { title: "Assignments and failures", panels: ASSIGNMENTS },
    Row { title: "Search for a port", panels: SEARCH },
    Row { title: "Use of the ports, by network namespace", panels: USE },
    Row { title: "Forecast", panels: FORECAST },
    Row { title: "Busiest destinations (--top-destinations)", panels: DESTINATIONS },
    Row { title: "Flight recorder (--incidents)", panels: RECORDER },
    Row { title: "ephtrace itself", panels: ITSELF },
];

const STATE: &[Panel] = &[
    number(
        "Counting",
        "ephtrace_up",
        "bool_yes_no",
        &[(r#"ephtrace_up{instance=~"$instance"}"#, "{{instance}}")],
    ),
    number(
        "Critical findings",
        "ephtrace_finding",
        "none",
        &[(
            r#"count(ephtrace_finding{instance=~"$instance", severity="critical"}) or vector(0)"#,
            "critical",
        )],
    ),
    number(
        "Warnings",
        "ephtrace_finding",
        "none",
        &[(
            r#"count(ephtrace_finding{instance=~"$instance", severity="warning"}) or vector(0)"#,
            "warnings",
        )],
    ),
    number(
        "Age of the numbers",
        "ephtrace_snapshot_timestamp_seconds",
        "s",
        &[(
            r#"time() - ephtrace_snapshot_timestamp_seconds{instance=~"$instance"}"#,
            "{{instance}}",
        )],
    ),
    Panel {
        title: "Findings that hold now",
        about: "ephtrace_finding",
        shape: Table,
        unit: "none",
        width: 12,
        queries: &[(r#"ephtrace_finding{instance=~"$instance"}"#, "holds")],
    },
    lines(
        "Assignments lost",
        "ephtrace_lost",
        "ops",
        &[
            (
                r#"sum by (instance, stage) (rate(ephtrace_lost_total{instance=~"$instance"}[$__rate_interval]))"#,
                "{{instance}} {{stage}}",
            ),
            (
                r#"rate(ephtrace_unlisted_assignments_total{instance=~"$instance"}[$__rate_interval])"#,
                "{{instance}} without origin",
            ),
        ],
    ),
    Panel {
        title: "Versions and hooks",
        about: "ephtrace_build",
        shape: Table,
        unit: "none",
        width: 24,
        queries: &[(r#"ephtrace_build_info{instance=~"$instance"}"#, "is")],
    },
];

const ASSIGNMENTS: &[Panel] = &[
    Panel {
        title: "Ports assigned, by origin",
        about: "ephtrace_assignments",
        shape: Stacked,
        unit: "ops",
        width: 12,
        queries: &[(
            r#"sum by (origin, family) (rate(ephtrace_assignments_total{instance=~"$instance"}[$__rate_interval]))"#,
            "{{origin}} IPv{{family}}",
        )],
    },
    Panel {
        title: "Failures, by origin and error",
        about: "ephtrace_assignment_failures",
        shape: Stacked,
        unit: "ops",
        width: 12,
        queries: &[(
            r#"sum by (origin, error) (rate(ephtrace_assignment_failures_total{instance=~"$instance"}[$__rate_interval]))"#,
            "{{origin}} {{error}}",
        )],
    },
    lines(
        "Share of attempts that failed",
        "ephtrace_assignment_failures",
        "percentunit",
        &[(
            r#"sum by (instance) (rate(ephtrace_assignment_failures_total{instance=~"$instance"}[$__rate_interval])) / (sum by (instance) (rate(ephtrace_assignments_total{instance=~"$instance"}[$__rate_interval])) + sum by (instance) (rate(ephtrace_assignment_failures_total{instance=~"$instance"}[$__rate_interval])))"#,
            "{{instance}}",
        )],
    ),
    lines(
        "Sockets connected to themselves",
        "ephtrace_self_connects",
        "ops",
        &[(
            r#"rate(ephtrace_self_connects_total{instance=~"$instance"}[$__rate_interval])"#,
            "{{instance}}",
        )],
    ),
];

const SEARCH: &[Panel] = &[
    lines(
        "Time of a search",
        "ephtrace_search_seconds",
        "s",
        &[
            (
                r#"histogram_quantile(0.5, sum by (instance, le) (rate(ephtrace_search_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
                "{{instance}} p50",
            ),
            (
                r#"histogram_quantile(0.9, sum by (instance, le) (rate(ephtrace_search_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
                "{{instance}} p90",
            ),
            (
                r#"histogram_quantile(0.99, sum by (instance, le) (rate(ephtrace_search_seconds_bucket{instance=~"$instance"}[$__rate_interval])))"#,
                "{{instance}} p99",
            ),
        ],
    ),
    Panel {
        title: "Searches by their time",
        about: "ephtrace_search_seconds",
        shape: Heat,
        unit: "none",
        width: 12,
        queries: &[(
            r#"sum by (le) (increase(ephtrace_search_seconds_bucket{instance=~"$instance"}[$__rate_interval]))"#,
            "{{le}}",
        )],
    },
    lines(
        "Candidates tried in a search",
        "ephtrace_candidates",
        "none",
        &[(
            r#"rate(ephtrace_candidates_total{instance=~"$instance"}[$__rate_interval]) / rate(ephtrace_searches_of_known_length_total{instance=~"$instance"}[$__rate_interval])"#,
            "{{instance}}",
        )],
    ),
    lines(
        "Searches that took both parities",
        "ephtrace_second_passes",
        "percentunit",
        &[(
            r#"rate(ephtrace_second_passes_total{instance=~"$instance"}[$__rate_interval]) / rate(ephtrace_searches_of_known_length_total{instance=~"$instance"}[$__rate_interval])"#,
            "{{instance}}",
        )],
    ),
    lines(
        "Processors that search",
        "ephtrace_search_seconds",
        "none",
        &[(
            r#"rate(ephtrace_search_seconds_sum{instance=~"$instance"}[$__rate_interval])"#,
            "{{instance}}, at most",
        )],
    ),
    lines(
        "Searches",
        "ephtrace_search_seconds",
        "ops",
        &[(
            r#"rate(ephtrace_search_seconds_count{instance=~"$instance"}[$__rate_interval])"#,
            "{{instance}}",
        )],
    ),
];

const USE: &[Panel] = &[
    lines(
        "Use by the fullest destination",
        "ephtrace_destination_use_max_ratio",
        "percentunit",
        &[(
            r#"ephtrace_destination_use_max_ratio{instance=~"$instance"}"#,
            "{{instance}} {{netns}} {{name}}",
        )],
    ),
    lines(
        "Destinations past half, and full",
        "ephtrace_destinations_past_half",
        "none",
        &[
            (
                r#"ephtrace_destinations_past_half{instance=~"$instance"} > 0"#,
                "{{instance}} {{netns}} {{name}} past half",
            ),
            (
                r#"ephtrace_destinations_full{instance=~"$instance"} > 0"#,
                "{{instance}} {{netns}} {{name}} full",
            ),
        ],
    ),
    lines(
        "Ports of connected sockets",
        "ephtrace_ports_in_use",
        "none",
        &[(r#"ephtrace_ports_in_use{instance=~"$instance"}"#, "{{instance}} {{netns}} {{name}}")],
    ),
    lines(
        "Sockets in TIME_WAIT",
        "ephtrace_time_wait_sockets",
        "none",
        &[(
            r#"ephtrace_time_wait_sockets{instance=~"$instance"}"#,
            "{{instance}} {{netns}} {{name}}",
        )],
    ),
    lines(
        "Ports taken for all destinations",
        "ephtrace_ports_bound",
        "none",
        &[(r#"ephtrace_ports_bound{instance=~"$instance"}"#, "{{instance}} {{netns}} {{name}}")],
    ),
    lines(
        "Ports of UDP sockets",
        "ephtrace_udp_ports",
        "none",
        &[(r#"ephtrace_udp_ports{instance=~"$instance"}"#, "{{instance}} {{netns}} {{name}}")],
    ),
    Panel {
        title: "Now",
        about: "ephtrace_local_ports",
        shape: Table,
        unit: "none",
        width: 24,
        queries: &[
            (r#"ephtrace_local_ports{instance=~"$instance"}"#, "range"),
            (r#"ephtrace_reserved_ports{instance=~"$instance"}"#, "reserved"),
            (r#"ephtrace_ports_in_use{instance=~"$instance"}"#, "in use"),
            (r#"ephtrace_ports_bound{instance=~"$instance"}"#, "bound"),
            (r#"ephtrace_udp_ports{instance=~"$instance"}"#, "UDP"),
            (r#"ephtrace_time_wait_sockets{instance=~"$instance"}"#, "TIME_WAIT"),
            (r#"100 * ephtrace_destination_use_max_ratio{instance=~"$instance"}"#, "fullest, %"),
            (r#"ephtrace_destinations_past_half{instance=~"$instance"}"#, "past half"),
            (r#"ephtrace_destinations_full{instance=~"$instance"}"#, "full"),
        ],
    },
];

const FORECAST: &[Panel] = &[
    number(
        "Until a destination is full",
        "ephtrace_exhaustion_forecast_seconds",
        "s",
        &[(r#"min(ephtrace_exhaustion_forecast_seconds{instance=~"$instance"})"#, "shortest")],
    ),
    Panel {
        title: "Until a destination is full",
        about: "ephtrace_exhaustion_forecast_seconds",
        shape: Lines,
        unit: "s",
        width: 18,
        queries: &[(
            r#"ephtrace_exhaustion_forecast_seconds{instance=~"$instance"}"#,
            "{{instance}}",
        )],
    },
];

const DESTINATIONS: &[Panel] = &[
    lines(
        "Assignments",
        "ephtrace_destination_assignments",
        "ops",
        &[(
            r#"topk(10, sum by (instance, netns, daddr, dport) (rate(ephtrace_destination_assignments_total{instance=~"$instance"}[$__rate_interval])))"#,
            "{{instance}} {{netns}} {{daddr}}:{{dport}}",
        )],
    ),
    lines(
        "Failures",
        "ephtrace_destination_failures",
        "ops",
        &[(
            r#"topk(10, sum by (instance, netns, daddr, dport) (rate(ephtrace_destination_failures_total{instance=~"$instance"}[$__rate_interval])))"#,
            "{{instance}} {{netns}} {{daddr}}:{{dport}}",
        )],
    ),
];
