//! Reference to a network namespace: its number, its name, and the ways in.

use std::path::PathBuf;

use serde::Serialize;

/// Reference to a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NetnsRef {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Its name as in `ip netns`: the name of the file that it is mounted on.
    pub name: Option<String>,
    /// True if ephtrace runs in this namespace.
    pub own: bool,
    /// Visible processes in it; null if not examined.
    #[serde(rename = "process_count")]
    pub processes: Option<u32>,
    /// File by which it can be entered, if one is known.
    #[serde(skip)]
    pub ns_path: Option<PathBuf>,
}

impl NetnsRef {
    /// Returns its name in the manner of `ip netns`, or its inode number.
    pub fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.netns.to_string())
    }

    /// Returns the option with which another command looks there; nothing for ephtrace's own
    /// namespace. Others choose names: one that needs quoting in a shell is left out.
    pub fn option(&self) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/_.:@-".contains(c);
        let name = self.name.as_deref().filter(|name| name.chars().all(is_plain));
        match name {
            _ if self.own => String::new(),
            Some(name) => format!(" --netns {name}"),
            None => format!(" --netns {}", self.netns),
        }
    }
}
