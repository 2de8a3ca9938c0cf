//! Files for a monitoring system: a dashboard for Grafana, rules for Prometheus, and their tests.
//!
//! ```text
//! docs/always-on.md ─ runbook ─→ alerts ─→ rules ─→ ephtrace.rules.yml, ephtrace.test.yml
//! METRICS ─ helps ─────────────→ dashboard ──────→ ephtrace.json
//! ```

mod alerts;
mod dashboard;
mod own_rows;
mod panels;
mod rows;
mod rules;
mod runbook;

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

/// Writes all of them to folders of `deploy`.
pub(crate) fn write(deploy: &Path) -> Result<()> {
    let alerts = alerts::all()?;
    put(&deploy.join("grafana"), "ephtrace.json", &dashboard::text()?)?;
    let prometheus = deploy.join("prometheus");
    put(&prometheus, "ephtrace.rules.yml", &rules::text(&alerts))?;
    put(&prometheus, "ephtrace.test.yml", &rules::tests(&alerts))
}

fn put(folder: &Path, name: &str, text: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))
}
