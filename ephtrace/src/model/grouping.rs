//! Grouping of rows.

use std::sync::Arc;

use serde::Serialize;

use super::task_names::Membership;

/// Subject of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Processes of one name, user and container.
    #[default]
    Process,
    /// All tasks of a container.
    Container,
    /// All tasks of a pod.
    Pod,
    /// All tasks of a systemd unit.
    Unit,
}

impl By {
    /// Returns the name of the group that a member belongs to; `None` for [`By::Process`], and for
    /// a task in no such group.
    pub fn group(self, of: &Membership) -> Option<Arc<str>> {
        let names = of.names.as_deref();
        match self {
            Self::Process => None,
            Self::Container => of.label().cloned(),
            Self::Pod => names?.full_pod().map(Arc::from),
            Self::Unit => names?.unit.clone(),
        }
    }

    /// Word for a task that is in no group.
    pub fn nowhere(self) -> &'static str {
        match self {
            Self::Process => "-",
            Self::Container => "(no container)",
            Self::Pod => "(no pod)",
            Self::Unit => "(no unit)",
        }
    }
}
