//! Folders: the checkout, and the cache that outlives it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Returns the root of the checkout.
pub(crate) fn root() -> PathBuf {
    // Cargo gives the package's folder at run time, also after the checkout has moved.
    let package = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().map_or_else(|| package.clone(), Path::to_path_buf)
}

/// Returns cargo's target folder.
pub(crate) fn target() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    named.unwrap_or_else(|| root().join("target"))
}

/// Returns the folder for files worth keeping across checkouts: built tools and the guests'
/// kernels. `ephtrace/build.rs` looks for `tools/bin/bpf-linker` in the same folder.
pub(crate) fn cache() -> Result<PathBuf> {
    if let Some(named) = set("EPHTRACE_CACHE") {
        return Ok(named);
    }
    if let Some(caches) = set("XDG_CACHE_HOME") {
        return Ok(caches.join("ephtrace"));
    }
    let home = set("HOME").context("no place for a cache: set EPHTRACE_CACHE, or HOME")?;
    Ok(home.join(".cache/ephtrace"))
}

fn set(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}
