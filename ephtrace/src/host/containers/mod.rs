//! The container, pod and unit that a task belongs to, derived from the path of its cgroup, and
//! their names.

mod path;

use std::{
    fs, io,
    num::NonZeroUsize,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use lru::LruCache;

pub use self::path::{Place, container_of, place_of};
use super::{
    cgroup2::{Cgroup2, ROOT_ID},
    names::{self, NameIndex},
    pid_namespace,
};
use crate::model::{
    filter::ContainerName,
    task_names::{Membership, Names},
};

/// Maximum number of remembered cgroups and processes: a big host runs some hundred containers.
const MAX_REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Time for which an answer about a process is valid, in nanoseconds: its id may be reused after
/// that.
const PID_STANDS_NS: u64 = 10_000_000_000;

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
    /// Names of containers and pods, which may become known later; `None` if nobody asks for them.
    names: Option<Arc<NameIndex>>,
}

/// Key of a remembered container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// Container of all tasks in a cgroup, valid for good: derived from the cgroup's own path.
    Cgroup(u64),
    /// Container of a process in a cgroup, if it has one, valid for a while.
    Pid(u32, Option<u64>),
}

#[derive(Debug)]
struct Found {
    place: Place,
    membership: Membership,
    /// Generation of the names.
    generation: u64,
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
        Self { proc: Some(proc), cgroup2, _root: None, remembered, names: None }
    }

    /// Creates a lookup of the processes that the kernel half reports, with the names of this host;
    /// in a pid namespace, none is found.
    pub fn of_traced() -> Self {
        let names = Some(names::of_host());
        Self { proc: pid_namespace::proc_of_traced(), names, ..Self::default() }
    }

    /// Takes names from `names`.
    #[must_use]
    pub fn with_names(self, names: Arc<NameIndex>) -> Self {
        Self { names: Some(names), ..self }
    }

    /// Returns the short id of the container of process `pid` in cgroup `cgroup_id` at `now_ns`.
    pub fn container(&mut self, pid: u32, cgroup_id: Option<u64>, now_ns: u64) -> Option<Arc<str>> {
        self.find(pid, cgroup_id, now_ns).container
    }

    /// Returns what process `pid` in cgroup `cgroup_id` belongs to at `now_ns`.
    ///
    /// `/proc/PID/cgroup` is read once for each cgroup whose path names the container. Otherwise
    /// (all tasks are in the root, cgroup v1 names the container, or the process has moved
    /// meanwhile) it is read once for each process. Names are looked up again once there are new
    /// ones.
    pub fn find(&mut self, pid: u32, cgroup_id: Option<u64>, now_ns: u64) -> Membership {
        // All tasks are in the root on hosts whose controllers are on cgroup v1.
        let cgroup_id = cgroup_id.filter(|id| *id > ROOT_ID);
        let of_cgroup = cgroup_id.map(Key::Cgroup);
        let of_process = Key::Pid(pid, cgroup_id);
        let names = self.names.as_deref();
        for key in of_cgroup.into_iter().chain([of_process]) {
            let found = self.remembered.get_mut(&key);
            if let Some(found) = found.filter(|one| one.stands(key, now_ns)) {
                found.renew(names);
                return found.membership.clone();
            }
        }
        // A process that has ended is no answer for its cgroup.
        let (place, of_all) = self.read(pid, cgroup_id).unwrap_or_default();
        let key = of_cgroup.filter(|_| of_all).unwrap_or(of_process);
        let found = Found::new(place, names, now_ns);
        let membership = found.membership.clone();
        self.remembered.put(key, found);
        membership
    }

    /// Returns the place of a process, and whether it is that of all tasks in the cgroup.
    fn read(&self, pid: u32, cgroup_id: Option<u64>) -> io::Result<(Place, bool)> {
        let proc = self.proc.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        let text = fs::read(proc.join(pid.to_string()).join("cgroup"))?;
        let text = String::from_utf8_lossy(&text);
        let paths = || text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        let own = text.lines().find_map(|line| line.strip_prefix("0::"));
        if let Some(own) = own.filter(|own| cgroup_id.is_some_and(|id| self.is_at(own, id))) {
            let place = place_of(own);
            // Without cgroup v1 there is no other source.
            if place.container.is_some() || paths().count() == 1 {
                return Ok((place, true));
            }
        }
        let mut places: Vec<Place> = paths().map(place_of).collect();
        // A container in any hierarchy counts more than a unit, and that more than nothing.
        places.sort_by_key(|place| (place.container.is_none(), place.is_nowhere()));
        Ok((places.into_iter().next().unwrap_or_default(), false))
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
    fn new(place: Place, index: Option<&NameIndex>, at_ns: u64) -> Self {
        // Taken before the names: what changes in between is found with the next look.
        let generation = index.map_or(0, NameIndex::generation);
        let membership = membership(&place, index);
        Self { place, membership, generation, at_ns }
    }

    /// Looks the names up again if there are new ones.
    fn renew(&mut self, index: Option<&NameIndex>) {
        let Some(index) = index else { return };
        let generation = index.generation();
        if generation == self.generation {
            return;
        }
        self.generation = generation;
        let now = membership(&self.place, Some(index));
        // Names that fell out of the index stay known here.
        let known = self.membership.names.as_deref().cloned().unwrap_or_default();
        let names = now.names.map(|names| Names::clone(&names).or(&known)).unwrap_or_default();
        if names != known {
            self.membership.names = Some(Arc::new(names));
        }
    }

    fn stands(&self, key: Key, now_ns: u64) -> bool {
        match key {
            Key::Cgroup(_) => true,
            Key::Pid(..) => now_ns.saturating_sub(self.at_ns) < PID_STANDS_NS,
        }
    }
}

/// Returns what tasks at `place` belong to, with the names that `index` has.
fn membership(place: &Place, index: Option<&NameIndex>) -> Membership {
    let found = index.map(|index| index.find(place.id, place.pod)).unwrap_or_default();
    // A runtime without ids calls containers by name.
    let own_name = place.container.clone().filter(|_| place.id.is_none());
    let of_path = Names { container_name: own_name, unit: place.unit.clone(), ..Names::default() };
    let names = found.or(&of_path);
    Membership {
        container: place.container.clone(),
        names: (!names.is_empty()).then(|| Arc::new(names)),
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

#[cfg(test)]
mod tests;
