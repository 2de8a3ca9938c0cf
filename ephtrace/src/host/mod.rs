//! State of this host: everything that is read from /proc, /sys and netlink.

pub mod calls;
pub mod cgroup2;
pub mod clock;
pub mod conntrack;
pub mod containers;
pub mod enrich;
pub mod explain;
pub(crate) mod file_lock;
pub mod hidden;
pub mod holders;
pub mod mounts;
pub mod names;
pub mod netns;
pub mod ns_file;
pub mod pid_namespace;
pub(crate) mod priority;
mod probe;
pub mod proc_net;
pub mod processors;
pub mod rights;
pub mod sandbox;
pub mod snapshot;
pub mod sock_diag;
pub mod sysctl;
pub mod taken_by;
