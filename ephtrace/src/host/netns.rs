//! The network namespaces of this host, and ways to enter one.
//!
//! A namespace is found by its processes and their threads, by the file that it is mounted on
//! (`ip netns` and container runtimes keep namespaces like this), or by a process that has it open.
//! A namespace that only a socket keeps alive is not found.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    thread,
};

use nix::{
    errno::Errno,
    fcntl::readlinkat,
    sched::{CloneFlags, setns},
};
use thiserror::Error;

use super::{mounts::unescape, ns_file::NsFile};
use crate::model::escape::shown;

/// Namespace of this thread.
const OWN: &str = "/proc/thread-self/ns/net";

/// Directories where `ip netns` keeps its namespaces; the second is a link to the first on most
/// systems.
const NAMED: [&str; 2] = ["/run/netns", "/var/run/netns"];

/// Maximum number of remembered ways into a namespace: a process may end before it is looked at.
const MAX_DOORS: usize = 4;

/// Maximum number of threads, besides the first of each process, whose namespace is read: two links
/// each, a few microseconds.
pub const MAX_THREADS: usize = 65_536;

/// Maximum number of open files that are examined: one link each.
pub const MAX_FILES: usize = 65_536;

/// A network namespace, and ways to enter it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Inode number of the namespace.
    pub netns: u32,
    /// Name of the file in `/run/netns` that it is mounted on, else the path of such a file.
    pub name: Option<String>,
    /// Number of processes of which a thread is in it, as far as they may be read.
    pub processes: u32,
    /// Files that represent it, at most a few.
    pub doors: Vec<NsFile>,
}

/// All namespaces that can be found.
#[derive(Debug, Default)]
pub struct Namespaces {
    /// Namespaces by inode number.
    pub found: BTreeMap<u32, Found>,
    /// Number of processes whose namespace may not be read.
    pub hidden_processes: u32,
    /// True if there are more than [`MAX_THREADS`] threads or [`MAX_FILES`] open files: the others
    /// were not examined.
    pub is_cut: bool,
}

/// Reason why a namespace can't be entered, with the remedy.
#[derive(Debug, Error)]
pub enum EnterError {
    /// The namespace is gone.
    #[error("it no longer exists, or something is mounted over it")]
    Gone,
    /// Opening the file that represents it is not permitted.
    #[error("permission denied for {0}; run as root, or as the owner of that process")]
    Open(String),
    /// Entering it is not permitted.
    #[error("can't enter: this needs CAP_SYS_ADMIN here and in its user namespace: run as root")]
    NotPermitted,
    /// Another reason.
    #[error("can't enter: {0}")]
    Failed(io::Error),
}

/// Returns the inode number of the namespace of this thread.
pub fn own() -> io::Result<u32> {
    inode(Path::new(OWN))
}

/// Returns the name of namespace `netns` in the manner of `ip netns`, if it is mounted where this
/// process sees it.
pub fn name_of(netns: u32) -> Option<String> {
    named().into_iter().find(|(inode, _)| *inode == netns).map(|(_, name)| name)
}

/// Returns all namespaces that are mounted where this process sees them, with their names.
pub fn named() -> Vec<(u32, String)> {
    let mounts = fs::read("/proc/thread-self/mountinfo").unwrap_or_default();
    mounted(&mounts).map(|(inode, path)| (inode, name(&path))).collect()
}

/// Returns the number of network namespaces besides that of this thread, as far as they can be
/// found; 0 if this is not known.
pub fn others() -> usize {
    let Ok((own, all)) = own().and_then(|own| Ok((own, find_all(Path::new("/proc"))?))) else {
        return 0;
    };
    all.found.keys().filter(|&&netns| netns != own).count()
}

/// Finds namespaces by all processes, threads, open files and mounts below `proc`.
pub fn find_all(proc: &Path) -> io::Result<Namespaces> {
    let mut search = Search::default();
    search.all.add_mounts(&proc.join("thread-self"), None);
    search.mount_namespaces.extend(fs::read_link(proc.join("thread-self/ns/mnt")));
    let processes = processes(proc)?;
    for process in &processes {
        match search.task(process) {
            Ok(netns) => search.processes(process, netns),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                search.all.hidden_processes += 1;
            }
            // The process has ended.
            Err(_) => {}
        }
    }
    for process in &processes {
        search.files(process);
    }
    Ok(search.all)
}

/// A search for namespaces, with its bounds.
#[derive(Default)]
struct Search {
    all: Namespaces,
    mount_namespaces: HashSet<PathBuf>,
    threads: usize,
    files: usize,
}

impl Search {
    /// Adds the namespace of a task, and those mounted where it sees them. Returns the former.
    fn task(&mut self, task: &Path) -> io::Result<u32> {
        if let Ok(mount_namespace) = fs::read_link(task.join("ns/mnt"))
            && self.mount_namespaces.insert(mount_namespace)
        {
            self.all.add_mounts(task, Some(&task.join("root")));
        }
        let ns_path = task.join("ns/net");
        let netns = inode(&ns_path)?;
        self.all.at(netns).add_door(NsFile::new(ns_path));
        Ok(netns)
    }

    /// Counts the process in each of the namespaces of its threads; that of the first is `first`.
    fn processes(&mut self, process: &Path, first: u32) {
        let mut all = self.threads(process);
        all.insert(first);
        for netns in all {
            self.all.at(netns).processes += 1;
        }
    }

    /// Adds the namespaces of all threads but the first, and returns them.
    fn threads(&mut self, process: &Path) -> BTreeSet<u32> {
        let mut namespaces = BTreeSet::new();
        let folder = process.join("task");
        // The folder has a link to itself, one from above, and one for each thread.
        if fs::metadata(&folder).is_ok_and(|folder| folder.nlink() == 3) {
            return namespaces;
        }
        let threads = fs::read_dir(folder).into_iter().flatten().flatten();
        for thread in threads.filter(|thread| Some(&*thread.file_name()) != process.file_name()) {
            if self.threads == MAX_THREADS {
                self.all.is_cut = true;
                break;
            }
            self.threads += 1;
            // An error means that the thread has ended.
            namespaces.extend(self.task(&thread.path()));
        }
        namespaces
    }

    /// Adds the namespaces that a process has open.
    fn files(&mut self, process: &Path) {
        let folder = process.join("fd");
        let Ok(open) = File::open(&folder) else { return };
        for file in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if self.files == MAX_FILES {
                self.all.is_cut = true;
                return;
            }
            self.files += 1;
            let link = readlinkat(&open, &*file.file_name());
            if let Some(netns) = link.ok().and_then(|link| netns_of(link.as_bytes())) {
                self.all.at(netns).add_door(NsFile::new(file.path()));
            }
        }
    }
}

impl Namespaces {
    fn at(&mut self, netns: u32) -> &mut Found {
        self.found.entry(netns).or_insert_with(|| Found { netns, ..Found::default() })
    }

    /// Adds namespaces that are mounted where `process` sees them; its root is `root`, unless that
    /// is this process's own.
    fn add_mounts(&mut self, process: &Path, root: Option<&Path>) {
        let Ok(mounts) = fs::read(process.join("mountinfo")) else { return };
        for (netns, path) in mounted(&mounts) {
            let found = self.at(netns);
            found.name.get_or_insert_with(|| name(&path));
            found.add_door(match root {
                Some(root) => NsFile::below(root.to_owned(), path),
                None => NsFile::new(path),
            });
        }
    }
}

impl Found {
    fn add_door(&mut self, door: NsFile) {
        if self.doors.len() < MAX_DOORS {
            self.doors.push(door);
        }
    }

    fn open(&self) -> Result<File, EnterError> {
        let mut problem = EnterError::Gone;
        for door in &self.doors {
            match door.open(self.netns) {
                Ok(file) => return Ok(file),
                Err(error) => match error.kind() {
                    // Another file is mounted over it, or another process has its id.
                    io::ErrorKind::NotFound => {}
                    io::ErrorKind::PermissionDenied => {
                        problem = EnterError::Open(shown(&door.path()).to_string());
                    }
                    _ => problem = EnterError::Failed(error),
                },
            }
        }
        Err(problem)
    }

    /// Runs `work` in this namespace, on a thread of its own.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, EnterError> {
        let file = self.open()?;
        thread::scope(|scope| {
            let thread = thread::Builder::new()
                .name("namespace".into())
                .spawn_scoped(scope, || setns(file, CloneFlags::CLONE_NEWNET).map(|()| work()));
            let done = thread.map_err(EnterError::Failed)?.join();
            match done {
                Ok(Ok(result)) => Ok(result),
                Ok(Err(Errno::EPERM)) => Err(EnterError::NotPermitted),
                Ok(Err(errno)) => Err(EnterError::Failed(errno.into())),
                Err(_) => Err(EnterError::Failed(io::Error::other("its thread failed"))),
            }
        })
    }
}

/// Returns the directories of all processes below `proc`, by process id.
pub(super) fn processes(proc: &Path) -> io::Result<Vec<PathBuf>> {
    let mut pids: Vec<u32> = fs::read_dir(proc)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    Ok(pids.into_iter().map(|pid| proc.join(pid.to_string())).collect())
}

fn inode(path: &Path) -> io::Result<u32> {
    // Read the link, not its target: that is quicker and needs no further rights.
    let link = fs::read_link(path)?;
    if link.as_os_str().is_empty() {
        // Linux 5.10 returns an empty link in place of an error (`proc_ns_readlink`).
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    netns_of(link.as_os_str().as_bytes())
        .ok_or_else(|| io::Error::other(format!("{} is not a namespace", shown(&path))))
}

/// Parses `net:[4026531840]`.
fn netns_of(text: &[u8]) -> Option<u32> {
    let number = text.strip_prefix(b"net:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Returns the namespaces in the text of a `mountinfo`, with the paths that they are mounted on.
fn mounted(mounts: &[u8]) -> impl Iterator<Item = (u32, PathBuf)> {
    mounts.split(|&b| b == b'\n').filter_map(|line| {
        let mut fields = line.split(|&b| b == b' ').skip(3);
        let netns = netns_of(fields.next()?)?;
        Some((netns, PathBuf::from(OsStr::from_bytes(&unescape(fields.next()?)))))
    })
}

fn name(path: &Path) -> String {
    let is_named = path.parent().is_some_and(|parent| NAMED.iter().any(|n| parent == Path::new(n)));
    let name = path.file_name().filter(|_| is_named).unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use nix::sched::unshare;

    use super::*;

    #[test]
    fn mounted_namespaces_are_found_with_their_names() {
        let mounts = b"22 1 0:20 / /proc rw - proc proc rw\n36 35 0:4 net:[4026532281] \
                       /run/netns/blue rw shared:1 - nsfs nsfs rw\n37 35 0:4 mnt:[4026532282] \
                       /run/x rw - nsfs nsfs rw\n38 35 0:4 net:[4026532283] /tmp/a\\040b/ns rw - \
                       nsfs nsfs rw\n39 35 0:4 net:[";
        let found: Vec<_> = mounted(mounts).map(|(netns, path)| (netns, name(&path))).collect();
        let expected = [(4_026_532_281, "blue"), (4_026_532_283, "/tmp/a b/ns")];
        assert_eq!(found, expected.map(|(netns, name)| (netns, name.to_owned())));
    }

    #[test]
    fn this_process_is_in_a_namespace() {
        let own = own().unwrap();
        let all = find_all(Path::new("/proc")).unwrap();
        let found = &all.found[&own];
        assert!(found.processes > 0 && !found.doors.is_empty(), "{found:?}");
    }

    #[test]
    fn what_only_a_thread_or_an_open_file_has_is_found() {
        // Only root can create a namespace on a thread; the test does nothing otherwise.
        let (tell, told) = mpsc::channel();
        let (finish, finished) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let own = unshare(CloneFlags::CLONE_NEWNET).ok().and_then(|()| own().ok());
            tell.send(own).unwrap();
            let _ = finished.recv();
        });
        if let Some(netns) = told.recv().unwrap() {
            let find = || find_all(Path::new("/proc")).unwrap().found.remove(&netns);
            let by_thread = find().unwrap();
            assert_eq!(by_thread.processes, 1);
            assert!(by_thread.inside(own).unwrap().is_ok_and(|inside| inside == netns));
            let file = by_thread.open().unwrap();
            drop(finish);
            thread.join().unwrap();
            let by_file = find().unwrap();
            assert!(by_file.inside(own).unwrap().is_ok_and(|inside| inside == netns));
            drop(file);
        }
    }

    #[test]
    fn what_is_gone_is_not_entered() {
        let own = own().unwrap();
        let doors = ["/proc/self/ns/net", "/no/such"].map(|path| NsFile::new(path.into()));
        let stale = Found { netns: own + 1, doors: doors.into(), ..Found::default() };
        assert!(matches!(stale.inside(|| ()), Err(EnterError::Gone)));
    }
}
