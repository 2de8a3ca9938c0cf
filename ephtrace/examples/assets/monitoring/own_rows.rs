//! Rows of the dashboard about ephtrace itself.

use super::panels::{Panel, Shape::Table, lines};

pub(super) const RECORDER: &[Panel] = &[
    Panel {
        title: "Verdicts, and what is expected",
        about: "ephtrace_verdict",
        shape: Table,
        unit: "none",
        width: 24,
        queries: &[(r#"ephtrace_verdict_info{instance=~"$instance"}"#, "is")],
    },
    lines(
        "Incidents",
        "ephtrace_incidents",
        "none",
        &[(
            r#"increase(ephtrace_incidents_total{instance=~"$instance"}[$__rate_interval])"#,
            "{{instance}} {{result}}",
        )],
    ),
    lines(
        "Assignments in memory",
        "ephtrace_recorder_assignments",
        "none",
        &[(r#"ephtrace_recorder_assignments{instance=~"$instance"}"#, "{{instance}}")],
    ),
    lines(
        "Age of the oldest one, and whether the recorder rests",
        "ephtrace_recorder_span_seconds",
        "s",
        &[
            (r#"ephtrace_recorder_span_seconds{instance=~"$instance"}"#, "{{instance}} age"),
            (r#"ephtrace_recorder_rests{instance=~"$instance"}"#, "{{instance}} rests"),
        ],
    ),
    lines(
        "Assignments not kept",
        "ephtrace_recorder_not_kept",
        "ops",
        &[(
            r#"rate(ephtrace_recorder_not_kept_total{instance=~"$instance"}[$__rate_interval])"#,
            "{{instance}}",
        )],
    ),
];

pub(super) const ITSELF: &[Panel] = &[
    lines(
        "Processor time",
        "ephtrace_cpu_seconds",
        "percentunit",
        &[(
            r#"sum by (instance, mode) (rate(ephtrace_cpu_seconds_total{instance=~"$instance"}[$__rate_interval]))"#,
            "{{instance}} {{mode}}",
        )],
    ),
    lines(
        "Time of a measurement",
        "ephtrace_measuring_seconds",
        "s",
        &[(r#"ephtrace_measuring_seconds{instance=~"$instance"}"#, "{{instance}}")],
    ),
    lines(
        "Age of the numbers of namespaces",
        "ephtrace_sockets_timestamp_seconds",
        "s",
        &[(
            r#"time() - ephtrace_sockets_timestamp_seconds{instance=~"$instance"}"#,
            "{{instance}}",
        )],
    ),
    lines(
        "Memory",
        "ephtrace_resident_memory_bytes",
        "bytes",
        &[
            (r#"ephtrace_resident_memory_bytes{instance=~"$instance"}"#, "{{instance}} process"),
            (r#"ephtrace_kernel_memory_bytes{instance=~"$instance"}"#, "{{instance}} kernel"),
        ],
    ),
    lines(
        "Namespaces left out",
        "ephtrace_namespaces_left_out",
        "none",
        &[(r#"ephtrace_namespaces_left_out{instance=~"$instance"}"#, "{{instance}}")],
    ),
];
