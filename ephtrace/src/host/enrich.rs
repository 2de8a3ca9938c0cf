//! Facts that the kernel half does not report: container, pod and unit with their names, and the
//! process name if it is missing.

use std::{fs, num::NonZeroUsize, path::PathBuf};

use lru::LruCache;

use super::{containers::Containers, pid_namespace};
use crate::model::{Assignment, Comm};

/// Maximum number of remembered names; only hooks that don't report the name need them.
const MAX_NAMES: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// Time for which a name is valid, in nanoseconds: the process may execute another program after
/// that.
const NAME_STANDS_NS: u64 = 1_000_000_000;

/// Fills in fields that the kernel half left unknown, at the cost of at most one small file for
/// each new cgroup and each nameless process.
#[derive(Debug)]
pub struct Enricher {
    /// Directory to look up processes in; `None` if process ids mean others there.
    proc: Option<PathBuf>,
    containers: Containers,
    names: LruCache<u32, (Option<Comm>, u64)>,
}

impl Default for Enricher {
    fn default() -> Self {
        Self {
            proc: pid_namespace::proc_of_traced(),
            containers: Containers::of_traced(),
            names: LruCache::new(MAX_NAMES),
        }
    }
}

impl Enricher {
    /// Creates an enricher that looks up processes below `proc`.
    pub fn new(proc: impl Into<PathBuf>) -> Self {
        let proc = proc.into();
        let containers = Containers::new(proc.clone());
        Self { proc: Some(proc), containers, names: LruCache::new(MAX_NAMES) }
    }

    /// Sets container and name if they are unknown and can be found.
    pub fn enrich(&mut self, assignment: &mut Assignment) {
        let Some(pid) = assignment.pid else { return };
        let now_ns = assignment.ts_ns;
        if assignment.container.is_none() {
            let found = self.containers.find(pid, assignment.cgroup_id, now_ns);
            (assignment.container, assignment.names) = (found.container, found.names);
        }
        if assignment.comm.is_none() {
            assignment.comm = self.name(pid, now_ns);
        }
    }

    fn name(&mut self, pid: u32, now_ns: u64) -> Option<Comm> {
        match self.names.get(&pid) {
            Some((name, at_ns)) if now_ns.saturating_sub(*at_ns) < NAME_STANDS_NS => *name,
            _ => {
                let text = fs::read(self.proc.as_ref()?.join(pid.to_string()).join("comm"));
                let name = text.ok().map(|t| Comm::new(String::from_utf8_lossy(&t).trim_end()));
                self.names.put(pid, (name, now_ns));
                name
            }
        }
    }
}
