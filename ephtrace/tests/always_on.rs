//! Page, dashboard and rules for operators fit the metrics and the findings.
#![expect(clippy::unwrap_used, reason = "a test panics where it fails")]

#[path = "common/queries.rs"]
mod queries;

use std::{collections::BTreeSet, fmt::Write as _, fs};

use ephtrace::{
    analyse::findings::Rule,
    output::metrics::{METRICS, Metric, Type},
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/always-on.md");
const FINDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/analyse/findings");
const MARKS: (&str, &str) = ("<!-- written by the test of the table -->\n", "<!-- end -->");

/// Environment variable that makes the test of the table write it.
const WRITE: &str = "EPHTRACE_WRITE_SCHEMA";

/// Labels that Prometheus adds to each series.
const OF_TARGETS: [&str; 2] = ["instance", "job"];

/// Words of a query before a list of labels.
const GROUPINGS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Length from which on the words of a remedy are looked up in the findings.
const SENTENCE: usize = 25;

fn page() -> String {
    fs::read_to_string(PAGE).unwrap()
}

/// Name of a metric, as in a query.
fn exposed(metric: &Metric) -> String {
    let ending = match metric.kind {
        Type::Counter => "_total",
        Type::Info => "_info",
        Type::Gauge | Type::Histogram => "",
    };
    format!("{}{ending}", metric.name)
}

fn table() -> String {
    let mut text = "| metric | type | labels | says |\n|---|---|---|---|\n".to_owned();
    for metric in METRICS {
        let kind = match metric.kind {
            Type::Counter => "counter",
            Type::Gauge => "gauge",
            Type::Histogram => "histogram",
            Type::Info => "info",
        };
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = labels.join(", ");
        writeln!(text, "| `{}` | {kind} | {labels} | {} |", exposed(metric), metric.help).unwrap();
    }
    text.replace("|  |", "| |")
}

#[test]
fn the_page_has_all_metrics() {
    let page = page();
    let (before, rest) = page.split_once(MARKS.0).unwrap();
    let (old, after) = rest.split_once(MARKS.1).unwrap();
    if std::env::var_os(WRITE).is_some() {
        fs::write(PAGE, [before, MARKS.0, &table(), MARKS.1, after].concat()).unwrap();
        return;
    }
    assert!(old == table(), "docs/always-on.md is not current; {WRITE}=1 writes it");
}

#[test]
fn the_runbook_has_each_rule_and_remedies_of_the_findings() {
    let page = page();
    let said = sentences_of_findings();
    for rule in Rule::ALL.iter().filter(|rule| !matches!(rule, Rule::Cut | Rule::Disorder)) {
        let heading = format!("\n### {rule}\n");
        let section = page.split(&heading).nth(1).unwrap_or_else(|| panic!("no section {rule}"));
        let section = section.split("\n#").next().unwrap();
        assert!(section.contains("ephtrace "), "no command for {rule}");
        // Commands stand between backticks, behind a few words and a colon.
        let items = section.lines().filter_map(|line| line.strip_prefix("- "));
        let prose = items.flat_map(|item| item.split('`').step_by(2));
        let prose = prose.map(str::trim).filter(|words| !words.ends_with(':'));
        for words in prose.filter(|words| words.len() >= SENTENCE) {
            assert!(said.contains(words), "no finding says {words:?}, which stands at {rule}");
        }
    }
}

/// Sources of the findings, without the breaks of their strings.
fn sentences_of_findings() -> String {
    let mut said = String::new();
    for entry in fs::read_dir(FINDINGS).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "rs") {
            for part in fs::read_to_string(path).unwrap().split("\\\n") {
                said.push_str(part.trim_start());
            }
        }
    }
    said
}

/// A name in a query and the labels that stand in its braces.
#[derive(Debug, PartialEq, Eq)]
struct Used {
    name: String,
    labels: Vec<String>,
}

/// Returns the metrics that a query names, and the labels by which it groups.
fn used(expr: &str) -> (Vec<Used>, Vec<String>) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let (mut metrics, mut groups) = (Vec::new(), Vec::new());
    // Strings are every second part.
    let bare: String = expr.split('"').step_by(2).collect();
    let mut rest = bare.as_str();
    while let Some(start) = rest.find(is_word) {
        let word = &rest[start..];
        let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(end);
        rest = after;
        if GROUPINGS.contains(&word) {
            let (list, after) = after.trim_start()[1..].split_once(')').unwrap();
            groups.extend(list.split(',').map(|label| label.trim().to_owned()));
            rest = after;
        } else if word == "up" || word.starts_with("ephtrace_") || word.contains(':') {
            let braces = after.strip_prefix('{').and_then(|after| after.split_once('}'));
            let (matchers, after) = braces.unwrap_or(("", after));
            let names = matchers.split(',').map(|one| one.split(['=', '!']).next().unwrap());
            let labels = names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
            metrics.push(Used { name: word.to_owned(), labels: labels.collect() });
            rest = after;
        }
    }
    (metrics, groups)
}

/// Labels of what a query names; `None` if there is no such metric.
fn labels(name: &str, recorded: &[String]) -> Option<Vec<&'static str>> {
    let own = match METRICS.iter().find(|metric| exposed(metric) == name) {
        Some(metric) if metric.kind != Type::Histogram => metric.labels.to_vec(),
        _ if name == "up" || recorded.iter().any(|known| known == name) => Vec::new(),
        _ => {
            let of = |metric: &&Metric| {
                let ending = name.strip_prefix(metric.name);
                metric.kind == Type::Histogram
                    && matches!(ending, Some("_bucket" | "_sum" | "_count"))
            };
            let metric = METRICS.iter().find(of)?;
            [metric.labels, if name.ends_with("_bucket") { &["le"] } else { &[] }].concat()
        }
    };
    Some([own, OF_TARGETS.to_vec()].concat())
}

/// Errors in a query.
fn wrong(expr: &str, recorded: &[String]) -> Option<String> {
    let (metrics, groups) = used(expr);
    let mut known = BTreeSet::new();
    for Used { name, labels: matched } in &metrics {
        let Some(labels) = labels(name, recorded) else { return Some(format!("no metric {name}")) };
        if let Some(label) = matched.iter().find(|label| !labels.contains(&label.as_str())) {
            return Some(format!("{name} has no label {label}"));
        }
        known.extend(labels);
    }
    let label = groups.iter().find(|label| !known.contains(label.as_str()));
    let none = metrics.is_empty().then(|| "no metric".to_owned());
    none.or_else(|| label.map(|label| format!("nothing has the label {label}")))
}

#[test]
fn queries_take_metrics_and_labels_that_there_are() {
    let (dashboard, rules) = (queries::of_dashboard().unwrap(), queries::of_rules().unwrap());
    assert!(dashboard.len() > 40 && rules.len() > 30, "{} {}", dashboard.len(), rules.len());
    let recorded: Vec<String> =
        rules.iter().map(|rule| rule.place.clone()).filter(|name| name.contains(':')).collect();
    for query in dashboard.iter().chain(&rules) {
        let wrong = wrong(&query.expr, &recorded);
        assert_eq!(wrong, None, "{}: {}", query.place, query.expr);
    }
}

#[test]
fn the_dashboard_shows_every_metric() {
    let queries = queries::of_dashboard().unwrap();
    let shown: Vec<Used> = queries.iter().flat_map(|query| used(&query.expr).0).collect();
    for metric in METRICS {
        let is_shown = shown.iter().any(|used| used.name.starts_with(metric.name));
        assert!(is_shown, "no panel shows {}", metric.name);
    }
    let instances = &queries::dashboard().unwrap()["templating"]["list"][1]["definition"];
    assert_eq!(instances, "label_values(ephtrace_up, instance)");
}

#[test]
fn a_wrong_query_is_found() {
    let recorded = ["instance:ephtrace_x:rate5m".to_owned()];
    for (expr, expected) in [
        ("ephtrace_up == 0 and on (job) up{job=~\".*a.*\"}", None),
        ("instance:ephtrace_x:rate5m * 2", None),
        ("sum by (le) (rate(ephtrace_search_seconds_bucket[5m]))", None),
        ("sum by (le) (rate(ephtrace_search_seconds_count[5m]))", Some("nothing has the label le")),
        ("ephtrace_lost > 0", Some("no metric ephtrace_lost")),
        ("ephtrace_up{rule=\"x\"}", Some("ephtrace_up has no label rule")),
        ("vector(0)", Some("no metric")),
    ] {
        assert_eq!(wrong(expr, &recorded).as_deref(), expected, "{expr}");
    }
}
