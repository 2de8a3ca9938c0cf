//! Processes that have sockets open: one pass over `/proc/*/fd`.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{self, File},
    io,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    sync::Arc,
};

use nix::fcntl::readlinkat;
use rustc_hash::FxBuildHasher;

use super::containers::Containers;
use super::names;
use super::netns::processes;
use crate::inventory::owners::{OpenSockets, Process};
use crate::model::Comm;

/// Inode numbers of sockets whose holders are wanted.
pub type Wanted = HashSet<u32, FxBuildHasher>;

/// Holders found.
#[derive(Debug, Default)]
pub struct Holders {
    /// Process that has each socket open; of several, the one with the lowest id.
    pub open: OpenSockets,
    /// Number of processes whose open files may not be read, among those before the last socket was
    /// found.
    pub hidden_processes: u32,
}

/// Searches below `proc` for the holders of the `wanted` sockets, until all are found.
pub fn find(proc: &Path, mut wanted: Wanted) -> io::Result<Holders> {
    let mut holders = Holders::default();
    if wanted.is_empty() {
        return Ok(holders);
    }
    let mut containers = Containers::new(proc).with_names(names::of_host());
    for folder in processes(proc)? {
        match sockets(&folder, &mut wanted) {
            Ok(inodes) if inodes.is_empty() => {}
            Ok(inodes) => {
                let process = Arc::new(describe(&folder, &mut containers));
                holders.open.extend(inodes.into_iter().map(|inode| (inode, Arc::clone(&process))));
            }
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                holders.hidden_processes += 1;
            }
            // The process has ended.
            Err(_) => {}
        }
        if wanted.is_empty() {
            break;
        }
    }
    Ok(holders)
}

/// Removes from `wanted` the sockets that the process in `folder` has open, and returns them.
fn sockets(folder: &Path, wanted: &mut Wanted) -> io::Result<Vec<u32>> {
    let mut found = Vec::new();
    let folder = folder.join("fd");
    // Names are looked up in the open directory: a walk from the root costs half as much again.
    let open = File::open(&folder)?;
    for file in fs::read_dir(folder)? {
        let link = file.map(|file| readlinkat(&open, &*file.file_name()));
        if let Ok(Ok(link)) = link
            && let Some(inode) = socket_inode(&link)
            && wanted.remove(&inode)
        {
            found.push(inode);
        }
    }
    Ok(found)
}

/// Parses `socket:[12345]`.
fn socket_inode(link: &OsStr) -> Option<u32> {
    let number = link.as_bytes().strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

fn describe(folder: &Path, containers: &mut Containers) -> Process {
    let pid = pid(folder);
    let comm = fs::read(folder.join("comm")).ok();
    let comm = comm.map(|name| Comm::new(String::from_utf8_lossy(&name).trim_end()));
    // Each process is asked for once, so that time does not matter.
    Process { pid, comm, of: containers.find(pid, None, 0) }
}

fn pid(folder: &Path) -> u32 {
    folder.file_name().and_then(|name| name.to_str()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, os::fd::AsRawFd as _, path::PathBuf};

    use super::*;

    #[test]
    fn finds_this_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = PathBuf::from(format!("/proc/self/fd/{}", listener.as_raw_fd()));
        let inode = socket_inode(fs::read_link(link).unwrap().as_os_str()).unwrap();
        let nobodys = 1;
        let holders = find(Path::new("/proc"), [inode, nobodys].into_iter().collect()).unwrap();
        let comm = fs::read_to_string("/proc/self/comm").unwrap();
        let process = &holders.open[&inode];
        assert_eq!((process.pid, holders.open.len()), (std::process::id(), 1));
        assert_eq!(process.comm.unwrap().as_str(), comm.trim_end());
    }

    #[test]
    fn other_files_are_no_sockets() {
        let file = File::open("/dev/null").unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        assert_eq!(socket_inode(link.as_os_str()), None);
        assert_eq!(socket_inode(OsStr::new("socket:[x]")), None);
        assert_eq!(socket_inode(OsStr::new("socket:[77]")), Some(77));
    }
}
