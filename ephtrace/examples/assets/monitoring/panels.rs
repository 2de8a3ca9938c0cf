//! Parts of a dashboard in Grafana's schema: rows, panels and their queries.

use anyhow::{Context as _, Result};
use ephtrace::output::metrics::METRICS;
use serde_json::{Value, json};

/// Columns of Grafana's grid.
const COLUMNS: u32 = 24;

/// Manner in which a panel shows its queries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Lines,
    /// Lines on top of each other.
    Stacked,
    Number,
    Table,
    Heat,
}

/// A panel.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    /// Metric whose meaning is the panel's description.
    pub(crate) about: &'static str,
    pub(crate) shape: Shape,
    /// Grafana's name of the unit.
    pub(crate) unit: &'static str,
    pub(crate) width: u32,
    /// Each query, and the text of its legend.
    pub(crate) queries: &'static [(&'static str, &'static str)],
}

/// A row of panels.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) panels: &'static [Panel],
}

/// Returns a panel of half the width, with lines.
pub(super) const fn lines(
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, about, shape: Shape::Lines, unit, width: 12, queries }
}

/// Returns a panel of a quarter of the width, with the latest value.
pub(super) const fn number(
    title: &'static str,
    about: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, about, shape: Shape::Number, unit, width: 6, queries }
}

/// The data source that the user chooses.
pub(crate) fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// Returns the panels of all rows, each at its place.
pub(crate) fn laid_out(rows: &[Row]) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut top = 0;
    for row in rows {
        let id = all.len() + 1;
        all.push(json!({
            "id": id, "type": "row", "title": row.title, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1},
        }));
        top += 1;
        let (mut left, mut highest) = (0, 0);
        for panel in row.panels {
            if left + panel.width > COLUMNS {
                top += highest;
                (left, highest) = (0, 0);
            }
            let height = if panel.shape == Shape::Number { 4 } else { 8 };
            let place = json!({"x": left, "y": top, "w": panel.width, "h": height});
            all.push(drawn(panel, all.len() + 1, &place)?);
            left += panel.width;
            highest = highest.max(height);
        }
        top += highest;
    }
    Ok(all)
}

fn drawn(panel: &Panel, id: usize, place: &Value) -> Result<Value> {
    let metric = METRICS.iter().find(|metric| metric.name == panel.about);
    let metric = metric.with_context(|| format!("no metric {}", panel.about))?;
    let targets: Vec<Value> = panel.queries.iter().enumerate().map(target(panel.shape)).collect();
    let mut drawn = json!({
        "id": id,
        "title": panel.title,
        "description": metric.help,
        "type": kind(panel.shape),
        "datasource": source(),
        "gridPos": place,
        "targets": targets,
        "fieldConfig": {"defaults": fields(panel), "overrides": []},
        "options": options(panel.shape),
    });
    if panel.shape == Shape::Table {
        drawn["transformations"] = json!([
            {"id": "merge", "options": {}},
            {"id": "organize", "options": {
                "excludeByName": {"Time": true, "__name__": true, "job": true},
                "renameByName": names(panel),
            }},
        ]);
    }
    Ok(drawn)
}

fn target(shape: Shape) -> impl Fn((usize, &(&str, &str))) -> Value {
    move |(nth, (expr, legend))| {
        let is_instant = matches!(shape, Shape::Table | Shape::Number);
        json!({
            "refId": letter(nth),
            "datasource": source(),
            "expr": expr,
            "legendFormat": legend,
            "instant": is_instant,
            "range": !is_instant,
            "format": match shape {
                Shape::Table => "table",
                Shape::Heat => "heatmap",
                _ => "time_series",
            },
        })
    }
}

/// Names of a table's columns: each query is one.
fn names(panel: &Panel) -> Value {
    let column = |nth: usize| {
        let only = panel.queries.len() == 1;
        if only { "Value".to_owned() } else { format!("Value #{}", letter(nth)) }
    };
    let names = panel.queries.iter().enumerate();
    names
        .map(|(nth, (_, legend))| (column(nth), json!(legend)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn letter(nth: usize) -> String {
    ('A'..='Z').nth(nth).unwrap_or('Z').to_string()
}

fn kind(shape: Shape) -> &'static str {
    match shape {
        Shape::Lines | Shape::Stacked => "timeseries",
        Shape::Number => "stat",
        Shape::Table => "table",
        Shape::Heat => "heatmap",
    }
}

fn fields(panel: &Panel) -> Value {
    let mut fields = json!({"unit": panel.unit});
    match panel.shape {
        Shape::Lines => fields["custom"] = json!({"fillOpacity": 5, "showPoints": "never"}),
        Shape::Stacked => {
            fields["custom"] = json!({
                "fillOpacity": 30, "showPoints": "never",
                "stacking": {"mode": "normal", "group": "A"},
            });
        }
        Shape::Number | Shape::Table | Shape::Heat => {}
    }
    if panel.unit == "percentunit" {
        (fields["min"], fields["max"]) = (json!(0), json!(1));
        fields["thresholds"] = json!({"mode": "absolute", "steps": [
            {"color": "green", "value": null},
            {"color": "orange", "value": 0.5},
            {"color": "red", "value": 0.9},
        ]});
    }
    fields
}

fn options(shape: Shape) -> Value {
    match shape {
        Shape::Lines | Shape::Stacked => json!({
            "legend": {
                "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"],
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        Shape::Number => json!({
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false},
            "colorMode": "value", "graphMode": "none", "textMode": "auto",
        }),
        Shape::Table => json!({"showHeader": true, "cellHeight": "sm"}),
        Shape::Heat => json!({
            "calculate": false, "yAxis": {"unit": "s"}, "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
        }),
    }
}
