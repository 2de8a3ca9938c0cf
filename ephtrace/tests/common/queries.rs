//! Queries of the dashboard and of the rules in `deploy`.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Folder of the files.
const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy");

/// Indent of the lines of an expression.
const FOLDED: &str = "          ";

/// A query, and the panel or the rule that it belongs to.
pub(crate) struct Query {
    pub(crate) place: String,
    pub(crate) expr: String,
}

/// Returns the queries of the dashboard's panels.
pub(crate) fn of_dashboard() -> Result<Vec<Query>> {
    let panels = dashboard()?["panels"].take();
    let mut queries = Vec::new();
    for panel in panels.as_array().context("no panels")? {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expr = target["expr"].as_str().context("no expression")?.to_owned();
            queries.push(Query { place: format!("panel {}", panel["title"]), expr });
        }
    }
    Ok(queries)
}

/// Returns the dashboard.
pub(crate) fn dashboard() -> Result<Value> {
    Ok(serde_json::from_str(&read("grafana/ephtrace.json")?)?)
}

/// Returns the expressions of the rules, which are folded blocks of YAML.
pub(crate) fn of_rules() -> Result<Vec<Query>> {
    let text = read("prometheus/ephtrace.rules.yml")?;
    let mut queries: Vec<Query> = Vec::new();
    let mut is_expr = false;
    for line in text.lines() {
        let words = line.trim_start();
        let name = words.strip_prefix("- alert: ").or_else(|| words.strip_prefix("- record: "));
        if let Some(name) = name {
            queries.push(Query { place: name.to_owned(), expr: String::new() });
        }
        if line.starts_with(FOLDED)
            && let Some(query) = queries.last_mut().filter(|_| is_expr)
        {
            if !query.expr.is_empty() {
                query.expr.push(' ');
            }
            query.expr.push_str(words);
        } else {
            is_expr = words == "expr: >-";
        }
    }
    Ok(queries)
}

fn read(name: &str) -> Result<String> {
    let path = Path::new(DEPLOY).join(name);
    fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}
