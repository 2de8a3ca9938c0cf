//! Which container a task runs in, from the path of its cgroup.

use std::{fs, io, num::NonZeroUsize, path::PathBuf, sync::Arc};

use lru::LruCache;

/// How many cgroups (or processes) are remembered: a big host runs some hundred containers.
const MAX_REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// How often a cgroup is asked for again whose process was gone before it could be looked at.
const MAX_ATTEMPTS: u8 = 3;

/// How long a look at a process stands, in nanoseconds: its id may be another's after that.
const PID_STANDS_NS: u64 = 10_000_000_000;

/// cgroup v2 id of the root, where all tasks are on hosts whose controllers are on cgroup v1.
const ROOT_CGROUP: u64 = 1;

/// Hexadecimal digits of an id.
const FULL_ID: usize = 64;

/// Hexadecimal digits of a short id, as `docker ps` shows it.
const SHORT_ID: usize = 12;

/// Finds containers, and remembers what it found and where there is none.
#[derive(Debug)]
pub struct Containers {
    proc: PathBuf,
    remembered: LruCache<Key, Found>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Cgroup(u64),
    Pid(u32),
}

#[derive(Clone, Debug)]
struct Found {
    container: Option<Arc<str>>,
    at_ns: u64,
    attempts: u8,
}

impl Default for Containers {
    fn default() -> Self {
        Self::new("/proc")
    }
}

impl Containers {
    /// Looks at processes below `proc`.
    pub fn new(proc: impl Into<PathBuf>) -> Self {
        Self { proc: proc.into(), remembered: LruCache::new(MAX_REMEMBERED) }
    }

    /// Short id of the container of process `pid` in cgroup `cgroup_id` at `now_ns`.
    ///
    /// Reads `/proc/PID/cgroup` once for each cgroup. Where the cgroup tells nothing, since all
    /// tasks are in the root or it is unknown, once for each process.
    pub fn container(&mut self, pid: u32, cgroup_id: Option<u64>, now_ns: u64) -> Option<Arc<str>> {
        let key = match cgroup_id {
            Some(id) if id > ROOT_CGROUP => Key::Cgroup(id),
            _ => Key::Pid(pid),
        };
        let attempts = match self.remembered.get(&key) {
            Some(found) if found.stands(key, now_ns) => return found.container.clone(),
            Some(found) => found.attempts,
            None => 0,
        };
        let (container, attempts) = match self.read(pid) {
            Ok(container) => (container, MAX_ATTEMPTS),
            Err(_) => (None, attempts.saturating_add(1)),
        };
        self.remembered.put(key, Found { container: container.clone(), at_ns: now_ns, attempts });
        container
    }

    fn read(&self, pid: u32) -> io::Result<Option<Arc<str>>> {
        let text = fs::read(self.proc.join(pid.to_string()).join("cgroup"))?;
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().filter_map(|line| line.splitn(3, ':').nth(2)).find_map(container_of))
    }
}

impl Found {
    fn stands(&self, key: Key, now_ns: u64) -> bool {
        match key {
            Key::Cgroup(_) => self.attempts >= MAX_ATTEMPTS,
            Key::Pid(_) => now_ns.saturating_sub(self.at_ns) < PID_STANDS_NS,
        }
    }
}

/// The container that a cgroup's path belongs to, the innermost if they are nested: the first 12
/// digits of its id, or its name where the runtime (LXC, systemd-nspawn) gives no id.
pub fn container_of(path: &str) -> Option<Arc<str>> {
    let mut found = None;
    let mut parent = "";
    for component in path.split('/').filter(|c| !c.is_empty()) {
        found = id(component).or_else(|| name(parent, component)).or(found);
        parent = component;
    }
    found
}

/// docker-ID.scope, cri-containerd-ID.scope, crio-ID, libpod-ID.scope, SLICE:cri-containerd:ID, ID.
fn id(component: &str) -> Option<Arc<str>> {
    let unit = component.strip_suffix(".scope").unwrap_or(component);
    let (lead, id) = unit.split_at_checked(unit.len().checked_sub(FULL_ID)?)?;
    let is_id = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_apart = lead.is_empty() || lead.ends_with(['-', ':']);
    // The monitor of a container runs beside it, not in it.
    (is_id && is_apart && !lead.ends_with("conmon-")).then(|| Arc::from(&id[..SHORT_ID]))
}

/// lxc/NAME, lxc.payload.NAME, lxc.payload/NAME, systemd-nspawn@NAME.service, machine-NAME.scope.
fn name(parent: &str, component: &str) -> Option<Arc<str>> {
    if matches!(parent, "lxc" | "lxc.payload") {
        return Some(component.into());
    }
    if let Some(name) = component.strip_prefix("lxc.payload.") {
        return Some(name.into());
    }
    let nspawn = component.strip_prefix("systemd-nspawn@").and_then(|c| c.strip_suffix(".service"));
    let machine = component.strip_prefix("machine-").and_then(|c| c.strip_suffix(".scope"));
    // A virtual machine has a kernel of its own, so its connects are not seen here.
    let name = nspawn.or(machine.filter(|m| !m.starts_with("qemu")))?;
    (parent == "machine.slice").then(|| name.replace("\\x2d", "-").into())
}

#[cfg(test)]
mod tests;
