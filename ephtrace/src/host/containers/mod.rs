//! The container that a task runs in, derived from the path of its cgroup.

use std::{
    fs, io,
    num::NonZeroUsize,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use lru::LruCache;

use super::{
    cgroup2::{Cgroup2, ROOT_ID},
    pid_namespace,
};
use crate::model::filter::ContainerName;

/// Maximum number of remembered cgroups and processes: a big host runs some hundred containers.
const MAX_REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Time for which an answer about a process is valid, in nanoseconds: its id may be reused after
/// that.
const PID_STANDS_NS: u64 = 10_000_000_000;

/// Number of hexadecimal digits of an id.
const FULL_ID: usize = 64;

/// Number of hexadecimal digits of a short id, as shown by `docker ps`.
const SHORT_ID: usize = 12;

/// Finds containers, and remembers results, also negative ones.
#[derive(Debug)]
pub struct Containers {
    /// Directory to look up processes in; `None` if process ids mean others there.
    proc: Option<PathBuf>,
    /// Root directory of cgroup v2.
    cgroup2: Option<PathBuf>,
    /// Open handle of the root, if it is not mounted.
    _root: Option<Cgroup2>,
    remembered: LruCache<Key, Found>,
}

/// Key of a remembered container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Container of all tasks in a cgroup, valid for good: derived from the cgroup's own path.
    Cgroup(u64),
    /// Container of a process in a cgroup, if it has one, valid for a while.
    Pid(u32, Option<u64>),
}

#[derive(Clone, Debug)]
struct Found {
    container: Option<Arc<str>>,
    at_ns: u64,
}

impl Default for Containers {
    fn default() -> Self {
        Self::new("/proc")
    }
}

impl Containers {
    /// Creates a lookup of processes below `proc`.
    pub fn new(proc: impl Into<PathBuf>) -> Self {
        let root = Cgroup2::find();
        let cgroup2 = root.as_ref().map(Cgroup2::folder);
        Self { _root: root, ..Self::below(proc.into(), cgroup2) }
    }

    fn below(proc: PathBuf, cgroup2: Option<PathBuf>) -> Self {
        let remembered = LruCache::new(MAX_REMEMBERED);
        Self { proc: Some(proc), cgroup2, _root: None, remembered }
    }

    /// Creates a lookup of the processes that the kernel half reports; in a pid namespace, none is
    /// found.
    pub fn of_traced() -> Self {
        Self { proc: pid_namespace::proc_of_traced(), ..Self::default() }
    }

    /// Returns the short id of the container of process `pid` in cgroup `cgroup_id` at `now_ns`.
    ///
    /// `/proc/PID/cgroup` is read once for each cgroup whose path names the container. Otherwise
    /// (all tasks are in the root, cgroup v1 names the container, or the process has moved
    /// meanwhile) it is read once for each process.
    pub fn container(&mut self, pid: u32, cgroup_id: Option<u64>, now_ns: u64) -> Option<Arc<str>> {
        // All tasks are in the root on hosts whose controllers are on cgroup v1.
        let cgroup_id = cgroup_id.filter(|id| *id > ROOT_ID);
        let of_cgroup = cgroup_id.map(Key::Cgroup);
        let of_process = Key::Pid(pid, cgroup_id);
        for key in of_cgroup.into_iter().chain([of_process]) {
            if let Some(found) = self.remembered.get(&key).filter(|one| one.stands(key, now_ns)) {
                return found.container.clone();
            }
        }
        // A process that has ended is no answer for its cgroup.
        let (container, of_all) = self.read(pid, cgroup_id).unwrap_or_default();
        let key = of_cgroup.filter(|_| of_all).unwrap_or(of_process);
        self.remembered.put(key, Found { container: container.clone(), at_ns: now_ns });
        container
    }

    /// Returns the container of a process, and whether it is that of all tasks in the cgroup.
    fn read(&self, pid: u32, cgroup_id: Option<u64>) -> io::Result<(Option<Arc<str>>, bool)> {
        let proc = self.proc.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let text = fs::read(proc.join(pid.to_string()).join("cgroup"))?;
        let text = String::from_utf8_lossy(&text);
        let paths = || text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        let own = text.lines().find_map(|line| line.strip_prefix("0::"));
        if let Some(own) = own.filter(|own| cgroup_id.is_some_and(|id| self.is_at(own, id))) {
            let container = container_of(own);
            // Without cgroup v1 there is no other source.
            if container.is_some() || paths().count() == 1 {
                return Ok((container, true));
            }
        }
        Ok((paths().find_map(container_of), false))
    }

    /// Returns whether the cgroup at `path` has the id: a process may have moved since it was seen
    /// in it.
    fn is_at(&self, path: &str, id: u64) -> bool {
        let below = Path::new(path).strip_prefix("/").unwrap_or(Path::new(path));
        let folder = self.cgroup2.as_ref().map(|mount| fs::metadata(mount.join(below)));
        folder.is_some_and(|folder| folder.is_ok_and(|folder| folder.ino() == id))
    }
}

impl Found {
    fn stands(&self, key: Key, now_ns: u64) -> bool {
        match key {
            Key::Cgroup(_) => true,
            Key::Pid(..) => now_ns.saturating_sub(self.at_ns) < PID_STANDS_NS,
        }
    }
}

/// Maximum number of directories searched for a container: ten times those of a large host.
const MAX_FOLDERS: usize = 1 << 16;

/// Returns the cgroups of the containers that `name` may mean, with their names: the outermost
/// directory of each, below `mount`, the root of cgroup v2.
pub fn cgroups_of(mount: &Path, name: &ContainerName) -> io::Result<Vec<(PathBuf, Arc<str>)>> {
    let (mut found, mut left) = (Vec::new(), vec![mount.to_owned()]);
    let mut looked = 0;
    while let Some(folder) = left.pop() {
        looked += 1;
        if looked > MAX_FOLDERS {
            return Err(io::Error::other(format!("more than {MAX_FOLDERS} cgroups")));
        }
        let entries = match fs::read_dir(&folder) {
            Err(error) if folder == mount => return Err(error),
            // The directory is gone.
            Err(_) => continue,
            Ok(entries) => entries,
        };
        for entry in entries.flatten().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())) {
            let path = entry.path();
            let below = path.strip_prefix(mount).unwrap_or(&path).to_string_lossy();
            match container_of(&below).filter(|known| name.means(known)) {
                Some(known) => found.push((path, known)),
                None => left.push(path),
            }
        }
    }
    Ok(found)
}

/// Returns the container that a cgroup's path belongs to, the innermost if they are nested: the
/// first 12 digits of its id, or its name if the runtime (LXC, systemd-nspawn) gives no id.
pub fn container_of(path: &str) -> Option<Arc<str>> {
    let mut found = None;
    let mut parent = "";
    for component in path.split('/').filter(|c| !c.is_empty()) {
        found = id(component).or_else(|| name(parent, component)).or(found);
        parent = component;
    }
    found
}

/// Matches docker-ID.scope, cri-containerd-ID.scope, crio-ID, libpod-ID.scope,
/// SLICE:cri-containerd:ID, ID.
fn id(component: &str) -> Option<Arc<str>> {
    let unit = component.strip_suffix(".scope").unwrap_or(component);
    let (lead, id) = unit.split_at_checked(unit.len().checked_sub(FULL_ID)?)?;
    let is_id = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_apart = lead.is_empty() || lead.ends_with(['-', ':']);
    // The monitor of a container runs beside it, not in it.
    (is_id && is_apart && !lead.ends_with("conmon-")).then(|| Arc::from(&id[..SHORT_ID]))
}

/// Matches lxc/NAME, lxc.payload.NAME, lxc.payload/NAME, systemd-nspawn@NAME.service,
/// machine-NAME.scope.
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
