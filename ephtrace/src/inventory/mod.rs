//! The ports in use now, by network namespace and destination, with their holders. Pure: `host`
//! lists the sockets; this module counts and explains them.
//!
//! ```text
//! host: sysctls, sockets ─→ Census ─→ Namespace ┐
//!       holders ─→ Owners ──┘                   ├─→ Inventory ─→ text, JSON, findings
//!       recording ─→ Openers┘                   ┘
//! ```

pub mod asked;
pub mod bound;
pub mod census;
pub mod explain;
pub mod facts;
pub mod namespace;
mod netns_ref;
pub mod owners;
pub mod past_owners;
pub mod port_set;
pub mod socket;
pub mod sysctls;

use serde::Serialize;

pub use self::{
    namespace::{DestinationUse, Mark, Namespace, Unreadable},
    past_owners::PastOwners,
};

/// Result of taking an inventory.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Inventory {
    /// Time, in nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// Each namespace, the one with the fullest destination first.
    pub namespaces: Vec<Namespace>,
    /// Unreadable namespaces.
    #[serde(rename = "unreadable_namespaces")]
    pub unreadable: Vec<Unreadable>,
    /// Processes whose network namespace is not readable; null unless all were requested, and where
    /// this is unknown (`processes_hidden_by`).
    pub hidden_processes: Option<u32>,
    /// Processes whose open files are not readable, so that holders may be missing; null where this
    /// is unknown.
    pub hidden_holders: Option<u32>,
    /// Why `/proc` may not list all processes; null if it does.
    pub processes_hidden_by: Option<String>,
    /// Whether a recording told who opened connections, so that a TIME_WAIT socket can have a
    /// holder.
    pub openers_known: bool,
    /// Connections of the recording whose state was evicted.
    pub openers_forgotten: u64,
}

impl Inventory {
    /// Creates an inventory of one namespace, without a time.
    pub fn of(namespace: Namespace, hidden_holders: u32) -> Self {
        Self {
            ts_ns: 0,
            namespaces: vec![namespace],
            unreadable: Vec::new(),
            hidden_processes: None,
            hidden_holders: Some(hidden_holders),
            processes_hidden_by: None,
            openers_known: false,
            openers_forgotten: 0,
        }
    }

    /// Returns the destination with the largest share of its range, and its namespace.
    pub fn fullest(&self) -> Option<(&Namespace, &DestinationUse)> {
        let first = self.namespaces.first()?;
        Some((first, first.destinations.first()?))
    }

    /// Keeps the fullest `limit` destinations of each namespace; the rest are added to the others.
    pub fn cut(&mut self, limit: usize) {
        self.namespaces.iter_mut().for_each(|namespace| namespace.cut(limit));
    }
}
