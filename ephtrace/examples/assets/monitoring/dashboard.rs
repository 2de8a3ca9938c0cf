//! The dashboard: what Grafana is to know beside the panels.

use anyhow::Result;
use serde_json::json;

use super::{
    panels::{laid_out, source},
    rows::ROWS,
};

/// Version of Grafana's schema: that of Grafana 10.0.
const SCHEMA: u32 = 38;

/// Returns the dashboard as JSON.
pub(crate) fn text() -> Result<String> {
    let instances = "label_values(ephtrace_up, instance)";
    let dashboard = json!({
        "uid": "ephtrace",
        "title": "ephtrace: ephemeral ports",
        "description": "Ports that the kernel assigns, failures, and what is left. Runbook: \
                        docs/always-on.md.",
        "tags": ["ephtrace", "network"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [
            {
                "name": "datasource", "label": "Data source", "type": "datasource",
                "query": "prometheus", "current": {}, "hide": 0,
            },
            {
                "name": "instance", "label": "Instance", "type": "query",
                "datasource": source(),
                "query": {"query": instances, "refId": "instances"},
                "definition": instances,
                "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": ".*",
                "current": {"text": "All", "value": "$__all"}, "hide": 0,
            },
        ]},
        "annotations": {"list": []},
        "panels": laid_out(&ROWS)?,
    });
    Ok(serde_json::to_string_pretty(&dashboard)? + "\n")
}
