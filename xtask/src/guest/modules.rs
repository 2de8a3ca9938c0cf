//! Kernel modules that tests need: found in its packages, kept beside it, unpacked and in the order
//! in which they have to be loaded.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Folders, each with the modules that the kernel tests load together: Debian's kernels have SCTP
/// and the listing of sockets by netlink as modules.
pub(super) const SETS: [(&str, &[&str]); 2] =
    [("sctp", &["sctp"]), ("sock_diag", &["tcp_diag", "udp_diag"])];

/// Returns whether the present version of [`keep_all`] made the folder.
pub(super) fn are_kept(folder: &Path) -> bool {
    SETS.iter().all(|(set, _)| folder.join(set).exists())
}

/// Copies the modules of all [`SETS`] and their dependencies from below `unpacked` to `folder`:
/// `set/0-first.ko`, `set/1-second.ko` and so on.
pub(super) fn keep_all(unpacked: &Path, folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    list(unpacked, &mut files)?;
    SETS.iter().try_for_each(|(set, names)| keep(names, &files, &folder.join(set)))
}

fn keep(names: &[&str], files: &[PathBuf], folder: &Path) -> Result<()> {
    let mut order = Vec::new();
    names.iter().try_for_each(|name| require(name, files, &mut order))?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (nth, (name, content)) in order.iter().enumerate() {
        let path = folder.join(format!("{nth}-{name}.ko"));
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Returns the modules in a folder that [`keep_all`] made: relative paths of files in it.
pub(super) fn kept(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    list(folder, &mut files)?;
    files.iter().map(|file| Ok(file.strip_prefix(folder)?.to_owned())).collect()
}

/// Adds a module to `order`, after its dependencies.
fn require(name: &str, files: &[PathBuf], order: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    if order.iter().any(|(known, _)| known == name) {
        return Ok(());
    }
    let file = files.iter().find(|file| module_name(file).as_deref() == Some(name));
    let content = read(file.with_context(|| format!("the kernel has no module {name}"))?)?;
    for other in dependencies(&content) {
        require(&other, files, order)?;
    }
    order.push((name.to_owned(), content));
    Ok(())
}

/// Returns `udp_tunnel` for `udp-tunnel.ko.xz`.
fn module_name(file: &Path) -> Option<String> {
    let (name, end) = file.file_name().and_then(OsStr::to_str)?.split_once('.')?;
    ["ko", "ko.xz"].contains(&end).then(|| name.replace('-', "_"))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let cannot_read = || format!("cannot read {}", file.display());
    if file.extension().is_none_or(|end| end != "xz") {
        return fs::read(file).with_context(cannot_read);
    }
    let mut xz = Command::new("xz");
    let output = xz.arg("--decompress").arg("--stdout").arg(file).output();
    let output = output.context("cannot start xz (package xz-utils)")?;
    if !output.status.success() {
        bail!("{} failed: {}", process::spell(&xz), output.status);
    }
    Ok(output.stdout)
}

/// Returns the names in `depends=`, a NUL-terminated string of the section `.modinfo`.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let text = module[at + KEY.len()..].split(|&byte| byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(text);
    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// Lists all files below a folder.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let cannot_read = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(cannot_read)? {
        let entry = entry.with_context(cannot_read)?;
        if entry.file_type().with_context(cannot_read)?.is_dir() {
            list(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_dependencies_are_read() {
        let name = |file: &str| module_name(Path::new(file));
        assert_eq!(name("/a/ip6-udp-tunnel.ko.xz").as_deref(), Some("ip6_udp_tunnel"));
        assert_eq!(name("/a/sctp.ko").as_deref(), Some("sctp"));
        assert_eq!(name("/a/sctp.c"), None);
        let module = b"ELF\0license=GPL\0depends=udp_tunnel,libcrc32c\0name=sctp\0";
        assert_eq!(dependencies(module), ["udp_tunnel", "libcrc32c"]);
        assert!(dependencies(b"license=GPL\0depends=\0name=x\0").is_empty());
        assert!(dependencies(b"").is_empty());
    }
}
