//! The kernel's lists of mounts (`/proc/PID/mounts`, `/proc/PID/mountinfo`), and their encoding of
//! paths.

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

/// Undoes the octal escapes of a path (space, tab, newline, backslash).
pub fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        if let (b'\\', Some(code), Some(after)) = (first, octal(tail), tail.get(3..)) {
            out.push(code);
            rest = after;
        } else {
            out.push(first);
            rest = tail;
        }
    }
    out
}

/// Returns the mount point of cgroup v2, from the text of `/proc/self/mounts`.
pub fn cgroup2_mount(mounts: &[u8]) -> Option<PathBuf> {
    mounts.split(|&b| b == b'\n').find_map(|line| {
        let mut fields = line.split(|&b| b == b' ');
        let (_, path, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == b"cgroup2").then(|| PathBuf::from(OsStr::from_bytes(&unescape(path))))
    })
}

/// Returns `command`, which mounts a kernel file system, as advice.
///
/// `None` if its last word, the mount point, does not exist: the kernel lacks that file system, or
/// `/sys` is another one.
pub(crate) fn advice(command: &str) -> Option<String> {
    let mount_point = command.rsplit(' ').next().unwrap_or_default();
    Path::new(mount_point).is_dir().then(|| format!("`{command}`"))
}

fn octal(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits.get(..3)?).ok()?;
    u8::from_str_radix(digits, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_that_is_not_there_is_not_advised() {
        assert_eq!(advice("mount -t sysfs none /sys").unwrap(), "`mount -t sysfs none /sys`");
        assert_eq!(advice("mount -t sysfs none /sys/kernel/nothing-of-the-kind"), None);
    }

    #[test]
    fn finds_cgroup_v2_beside_v1() {
        let mounts = b"cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(cgroup2_mount(mounts), Some("/sys/fs/cgroup/unified".into()));
        let spaced = b"cgroup2 /mnt/my\\040cgroups cgroup2 rw 0 0";
        assert_eq!(cgroup2_mount(spaced), Some("/mnt/my cgroups".into()));
        assert_eq!(cgroup2_mount(b"tmpfs /tmp tmpfs rw 0 0"), None);
    }
}
