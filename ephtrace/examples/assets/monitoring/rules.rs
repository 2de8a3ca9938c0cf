//! Rules for Prometheus, and the tests that promtool makes of them, as YAML.

use std::fmt::Write as _;

use super::alerts::{Alert, TARGET};

/// First line of each file.
const WRITTEN: &str = "# Written by `cargo xtask assets`, from the definitions of the metrics and \
                       docs/always-on.md.\n";

/// Maximum width of folded text.
const WIDTH: usize = 100;

/// Time at which the tests look.
const EVAL: &str = "20m";

/// Rules that record: name, expression. Later ones use earlier ones.
const RECORDED: [(&str, &str); 6] = [
    (
        "instance:ephtrace_assignments:rate5m",
        "sum by (instance, job) (rate(ephtrace_assignments_total[5m]))",
    ),
    (
        "instance:ephtrace_assignment_failures:rate5m",
        "sum by (instance, job) (rate(ephtrace_assignment_failures_total[5m])) or \
         sum by (instance, job) (rate(ephtrace_search_seconds_count[5m])) * 0",
    ),
    (
        "instance:ephtrace_assignment_failures:ratio_rate5m",
        "instance:ephtrace_assignment_failures:rate5m / ((instance:ephtrace_assignments:rate5m + \
         instance:ephtrace_assignment_failures:rate5m) > 0)",
    ),
    (
        "instance:ephtrace_search_seconds:p50_rate5m",
        "histogram_quantile(0.5, \
         sum by (instance, job, le) (rate(ephtrace_search_seconds_bucket[5m])))",
    ),
    (
        "instance:ephtrace_search_seconds:p99_rate5m",
        "histogram_quantile(0.99, \
         sum by (instance, job, le) (rate(ephtrace_search_seconds_bucket[5m])))",
    ),
    (
        "instance:ephtrace_destination_use:max_ratio",
        "max by (instance, job) (ephtrace_destination_use_max_ratio)",
    ),
];

/// Returns the file of the rules.
pub(crate) fn text(alerts: &[Alert]) -> String {
    let mut text = format!("{WRITTEN}groups:\n  - name: ephtrace-recorded\n    rules:\n");
    for (name, expr) in RECORDED {
        let _ = writeln!(text, "      - record: {name}");
        folded(&mut text, 8, "expr", expr);
    }
    text.push_str("  - name: ephtrace-alerts\n    rules:\n");
    for alert in alerts {
        let _ = writeln!(text, "      - alert: {}", alert.name);
        folded(&mut text, 8, "expr", &alert.expr);
        let _ = writeln!(text, "        for: {}", alert.hold);
        if let Some(severity) = alert.severity {
            let _ = writeln!(text, "        labels:\n          severity: {severity}");
        }
        text.push_str("        annotations:\n");
        for (name, words) in annotations(alert) {
            folded(&mut text, 10, name, &words);
        }
    }
    text
}

fn annotations(alert: &Alert) -> [(&'static str, String); 4] {
    let says = &alert.says;
    let has_netns = alert.labels.iter().any(|(name, _)| *name == "netns");
    let of = if has_netns { ", namespace {{ $labels.netns }}" } else { "" };
    [
        ("summary", format!("{{{{ $labels.instance }}}}{of}: {}", says.headline())),
        ("description", says.meaning.clone()),
        ("remedy", says.remedies.join("; ")),
        ("runbook_url", says.url.clone()),
    ]
}

/// Returns the tests: each alert fires for its sample, and not without.
pub(crate) fn tests(alerts: &[Alert]) -> String {
    let mut text =
        format!("{WRITTEN}rule_files:\n  - ephtrace.rules.yml\nevaluation_interval: 1m\ntests:\n");
    for alert in alerts {
        begin(&mut text, &alert.name);
        series(&mut text, alert, alert.sample.fires);
        if alert.sample.metric != "ephtrace_up" {
            text.push_str(UP);
        }
        text.push_str("    alert_rule_test:\n");
        let _ = writeln!(text, "      - eval_time: {EVAL}\n        alertname: {}", alert.name);
        text.push_str("        exp_alerts:\n          - exp_labels:\n");
        let severity = alert.severity.map(|severity| ("severity", severity));
        let own = alert.labels.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in TARGET.into_iter().chain(severity).chain(own) {
            let _ = writeln!(text, "              {name}: {}", quoted(value));
        }
        text.push_str("            exp_annotations:\n");
        for (name, words) in annotations(alert) {
            folded(&mut text, 14, name, &expanded(&words, alert));
        }
    }
    begin(&mut text, "quiet");
    for alert in alerts {
        series(&mut text, alert, alert.sample.quiet);
    }
    text.push_str("    alert_rule_test:\n");
    for alert in alerts {
        let _ = writeln!(text, "      - eval_time: {EVAL}\n        alertname: {}", alert.name);
    }
    text.push_str(RECORDS);
    text
}

/// The target of the samples has been there for long.
const UP: &str = r#"      - series: 'ephtrace_up{instance="host:19435",job="ephtrace"}'
        values: 1x30
"#;

/// Tests of the rules that record.
const RECORDS: &str = r#"  - name: recorded
    interval: 1m
    input_series:
      - series: 'ephtrace_assignments_total{instance="a",job="j",origin="connect",family="4"}'
        values: 0+180x30
      - series: 'ephtrace_assignments_total{instance="a",job="j",origin="udp",family="6"}'
        values: 0+60x30
      - series: 'ephtrace_assignment_failures_total{instance="a",job="j",origin="connect",family="4",error="EADDRNOTAVAIL"}'
        values: 0+60x30
      - series: 'ephtrace_assignments_total{instance="b",job="j",origin="connect",family="4"}'
        values: 0+60x30
      - series: 'ephtrace_search_seconds_count{instance="b",job="j"}'
        values: 0+60x30
      - series: 'ephtrace_search_seconds_bucket{instance="a",job="j",le="0.001"}'
        values: 0+90x30
      - series: 'ephtrace_search_seconds_bucket{instance="a",job="j",le="0.002"}'
        values: 0+99x30
      - series: 'ephtrace_search_seconds_bucket{instance="a",job="j",le="+Inf"}'
        values: 0+100x30
      - series: 'ephtrace_destination_use_max_ratio{instance="a",job="j",netns="1",name=""}'
        values: 0.25x30
      - series: 'ephtrace_destination_use_max_ratio{instance="a",job="j",netns="2",name=""}'
        values: 0.75x30
    promql_expr_test:
      - expr: instance:ephtrace_assignments:rate5m
        eval_time: 20m
        exp_samples:
          - {labels: 'instance:ephtrace_assignments:rate5m{instance="a",job="j"}', value: 4}
          - {labels: 'instance:ephtrace_assignments:rate5m{instance="b",job="j"}', value: 1}
      - expr: instance:ephtrace_assignment_failures:ratio_rate5m
        eval_time: 20m
        exp_samples:
          - {labels: 'instance:ephtrace_assignment_failures:ratio_rate5m{instance="a",job="j"}', value: 0.2}
          - {labels: 'instance:ephtrace_assignment_failures:ratio_rate5m{instance="b",job="j"}', value: 0}
      - expr: instance:ephtrace_search_seconds:p99_rate5m
        eval_time: 20m
        exp_samples:
          - {labels: 'instance:ephtrace_search_seconds:p99_rate5m{instance="a",job="j"}', value: 0.002}
      - expr: instance:ephtrace_destination_use:max_ratio
        eval_time: 20m
        exp_samples:
          - {labels: 'instance:ephtrace_destination_use:max_ratio{instance="a",job="j"}', value: 0.75}
"#;

fn begin(text: &mut String, name: &str) {
    let _ = writeln!(text, "  - name: {name}\n    interval: 1m\n    input_series:");
}

fn series(text: &mut String, alert: &Alert, values: &str) {
    let labels = TARGET.into_iter().map(|(name, value)| (name, value.to_owned()));
    let labels = labels.chain(alert.sample.labels.iter().cloned());
    let labels: Vec<String> = labels.map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let _ = writeln!(text, "      - series: '{}{{{}}}'", alert.sample.metric, labels.join(","));
    let _ = writeln!(text, "        values: {values}");
}

/// Returns a text with the sample's labels in place of templates.
fn expanded(words: &str, alert: &Alert) -> String {
    let own = alert.labels.iter().map(|(name, value)| (*name, value.as_str()));
    TARGET.into_iter().chain(own).fold(words.to_owned(), |words, (name, value)| {
        words.replace(&format!("{{{{ $labels.{name} }}}}"), value)
    })
}

fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}

/// Writes a text as a folded block, whose lines YAML joins by blanks.
fn folded(text: &mut String, indent: usize, key: &str, words: &str) {
    let _ = writeln!(text, "{:indent$}{key}: >-", "");
    let indent = indent + 2;
    let mut line = String::new();
    for word in words.split(' ') {
        if !line.is_empty() && indent + line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(text, "{:indent$}{line}", "");
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    let _ = writeln!(text, "{:indent$}{line}", "");
}
