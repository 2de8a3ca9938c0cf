//! Holder of a file lock (`flock`).

use std::{
    fs::{self, File},
    io,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
};

use crate::model::Comm;

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LockHolder {
    pub(crate) pid: u32,
    /// Name of the process; `None` if it has ended, and left the lock to a child.
    pub(crate) comm: Option<Comm>,
}

/// Returns the process that has locked the file; `None` if it is not visible from here, such as a
/// process of another pid namespace.
pub(crate) fn holder(file: &File) -> Option<LockHolder> {
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let inode = file.metadata().ok()?.ino();
    let pid = pid_of_lock(&locks, &device(file).ok()?, inode)?;
    let comm = fs::read(format!("/proc/{pid}/comm")).ok();
    let comm = comm.map(|comm| Comm::new(String::from_utf8_lossy(&comm).trim_end()));
    Some(LockHolder { pid, comm })
}

/// Returns the device of a file as `/proc/locks` writes it. On overlayfs and btrfs it is not that
/// of `stat`, but that of the mount.
fn device(file: &File) -> io::Result<String> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:")).unwrap_or_default().trim();
    let of_mount = mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let is_it = words.next() == Some(id);
        words.nth(1).filter(|_| is_it)?.split_once(':')
    });
    let number = |text: &str| text.parse::<u32>().ok();
    let numbers = of_mount.and_then(|(major, minor)| number(major).zip(number(minor)));
    let of_file = file.metadata()?.dev();
    let of_file = (libc::major(of_file), libc::minor(of_file));
    let (major, minor) = numbers.unwrap_or(of_file);
    Ok(format!("{major:02x}:{minor:02x}"))
}

/// Parses lines such as `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`; a waiter has `->` behind
/// the number.
fn pid_of_lock(locks: &str, device: &str, inode: u64) -> Option<u32> {
    let place = format!("{device}:{inode}");
    locks.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let is_lock = words.next() == Some("FLOCK");
        let pid = words.nth(2)?.parse().ok()?;
        (is_lock && pid > 0 && words.next() == Some(&place)).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_file_has_the_process() {
        let locks = "1: POSIX  ADVISORY  WRITE 11 08:01:5678 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 12 08:01:567 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 13 08:01:5678 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 14 08:01:5678 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE x 08:02:9 0 EOF\n5: \n";
        assert_eq!(pid_of_lock(locks, "08:01", 5678), Some(13));
        assert_eq!(pid_of_lock(locks, "08:01", 56), None);
        assert_eq!(pid_of_lock(locks, "08:02", 9), None);
    }

    #[test]
    fn a_lock_of_this_process_is_found() {
        let path = std::env::temp_dir().join(format!("ephtrace-lock-{}", std::process::id()));
        let (first, second) = (File::create(&path).unwrap(), File::open(&path).unwrap());
        assert_eq!(holder(&second), None);
        first.lock().unwrap();
        let found = holder(&second).unwrap();
        assert_eq!(found.pid, std::process::id());
        assert!(found.comm.is_some());
        fs::remove_file(path).unwrap();
    }
}
