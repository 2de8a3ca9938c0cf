//! Capabilities that this user has, and the losses without the others.

use std::io::{self, Write};

use serde::Serialize;

use crate::host::rights::{RIGHTS, Right, Rights};

/// One capability in doctor's report.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RightReport {
    /// Name of the capability.
    pub name: &'static str,
    /// Whether this user has it here, or a capability that implies it; null if unknown.
    pub is_held: Option<bool>,
    /// The purpose.
    pub purpose: &'static str,
    /// Loss without it.
    pub lost_without: &'static str,
}

impl RightReport {
    /// Returns each right that this kernel may require, given those in force.
    pub(super) fn all(held: Option<Rights>, is_memory_locked: bool) -> Vec<Self> {
        let report = |right: &Right| {
            let Right { name, purpose, lost, .. } = *right;
            let is_held = held.map(|held| right.is_in(held));
            Self { name, is_held, purpose, lost_without: lost }
        };
        let is_required = |right: &&Right| is_memory_locked || right.right != Rights::SYS_RESOURCE;
        RIGHTS.iter().filter(is_required).map(report).collect()
    }
}

/// Writes a line for each missing right; nothing if none is missing.
pub(super) fn write_missing(out: &mut impl Write, rights: &[RightReport]) -> io::Result<()> {
    let mut missing = rights.iter().filter(|one| one.is_held == Some(false)).peekable();
    if missing.peek().is_some() {
        writeln!(out, "\n{:<24} LOST WITHOUT IT", "MISSING RIGHT")?;
    }
    missing.try_for_each(|one| writeln!(out, "{:<24} {}", one.name, one.lost_without))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_missing_only_where_the_kernel_requires_it() {
        let missing = |is_memory_locked| {
            let mut text = Vec::new();
            let rights = RightReport::all(Some(Rights::empty()), is_memory_locked);
            write_missing(&mut text, &rights).unwrap();
            String::from_utf8(text).unwrap().contains("CAP_SYS_RESOURCE")
        };
        assert_eq!([missing(true), missing(false)], [true, false]);
    }
}
