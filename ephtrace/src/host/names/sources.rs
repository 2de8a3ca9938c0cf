//! Files that names are in, by runtime.

use std::ffi::OsString;

use super::{bundle, docker, index::Named, kubelet, podman};

/// A directory, and what is in it.
#[derive(Debug)]
pub(super) struct Place {
    /// Path below a root.
    pub(super) base: &'static str,
    /// Files and directories with names.
    pub(super) leaves: &'static [Leaf],
}

/// A file or directory with names.
#[derive(Debug)]
pub(super) struct Leaf {
    /// Path below the place; [`ANY`] is one name of any kind.
    pub(super) path: &'static [&'static str],
    /// Format.
    pub(super) kind: Kind,
}

/// Any name in a [`Leaf`]'s path.
pub(super) const ANY: &str = "*";

/// Format of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The name of a link to a log.
    LogLink,
    /// The name of a directory of logs.
    PodLogs,
    /// The configuration of a container that is about to run, which never changes.
    Bundle,
    /// docker's configuration of a container.
    Docker,
    /// podman's list of containers.
    Podman,
}

const BUNDLES: &[Leaf] = &[Leaf { path: &[ANY, ANY, "config.json"], kind: Kind::Bundle }];

const fn list(path: &'static [&'static str]) -> Leaf {
    Leaf { path, kind: Kind::Podman }
}

/// podman's lists, in a directory for each driver of its storage.
const LISTS: &[Leaf] = &[
    list(&["overlay-containers", "containers.json"]),
    list(&["overlay-containers", "volatile-containers.json"]),
    list(&["vfs-containers", "containers.json"]),
    list(&["vfs-containers", "volatile-containers.json"]),
    list(&["btrfs-containers", "containers.json"]),
    list(&["btrfs-containers", "volatile-containers.json"]),
];

/// All of them, the kubelet's logs first, which every runtime has.
pub(super) const PLACES: [Place; 9] = [
    Place { base: "var/log/containers", leaves: &[Leaf { path: &[ANY], kind: Kind::LogLink }] },
    Place { base: "var/log/pods", leaves: &[Leaf { path: &[ANY], kind: Kind::PodLogs }] },
    Place { base: "run/containerd/io.containerd.runtime.v2.task", leaves: BUNDLES },
    Place { base: "run/k3s/containerd/io.containerd.runtime.v2.task", leaves: BUNDLES },
    Place { base: "run/k0s/containerd/io.containerd.runtime.v2.task", leaves: BUNDLES },
    Place {
        base: "var/snap/microk8s/common/run/containerd/io.containerd.runtime.v2.task",
        leaves: BUNDLES,
    },
    Place {
        base: "var/lib/docker/containers",
        leaves: &[Leaf { path: &[ANY, "config.v2.json"], kind: Kind::Docker }],
    },
    Place { base: "var/lib/containers/storage", leaves: LISTS },
    Place {
        base: "run/containers/storage",
        leaves: &[
            list(&["overlay-containers", "containers.json"]),
            list(&["overlay-containers", "volatile-containers.json"]),
            list(&["vfs-containers", "volatile-containers.json"]),
            Leaf {
                path: &["overlay-containers", ANY, "userdata", "config.json"],
                kind: Kind::Bundle,
            },
        ],
    },
];

impl Leaf {
    /// Returns whether the path begins with `below`, and then whether it ends there.
    pub(super) fn leads_through(&self, below: &[OsString]) -> Option<bool> {
        let is_same = |(part, name): (&&str, &OsString)| *part == ANY || name == *part;
        let begins = self.path.len() >= below.len() && self.path.iter().zip(below).all(is_same);
        begins.then_some(self.path.len() == below.len())
    }
}

impl Kind {
    /// Returns whether the name of the file tells, and not its content.
    pub(super) fn is_by_name(self) -> bool {
        matches!(self, Self::LogLink | Self::PodLogs)
    }

    /// Maximum size of a file, in bytes: lists grow with the number of containers.
    pub(super) fn max_bytes(self) -> u64 {
        if self == Self::Podman { 8 << 20 } else { 1 << 20 }
    }

    /// Returns the names in a file at `path` below its place.
    pub(super) fn names(self, path: &[OsString], bytes: &[u8]) -> Vec<Named> {
        let part = |from_end: usize| {
            let part = path.len().checked_sub(from_end).and_then(|at| path.get(at));
            part.and_then(|name| name.to_str()).unwrap_or_default()
        };
        let named = match self {
            Self::LogLink => kubelet::of_log_link(part(1)),
            Self::PodLogs => kubelet::of_pod_logs(part(1)),
            Self::Bundle if part(2) == "userdata" => bundle::names(part(3), bytes),
            Self::Bundle => bundle::names(part(2), bytes),
            Self::Docker => docker::names(part(2), bytes),
            Self::Podman => return podman::names(bytes),
        };
        named.into_iter().collect()
    }
}
