//! Other tools that record connections, whose recordings ephtrace reads: from Debian's packages,
//! unpacked in the cache, so that nothing is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{apt, process, say::say, workspace};

const PACKAGES: [&str; 5] = ["tcpdump", "tshark", "conntrack", "libbpf-tools", "nftables"];

/// Returns the folder that they are unpacked in, with the libraries that this machine lacks;
/// creates it if needed. ephtrace itself does not need it.
pub(crate) fn ensure() -> Result<PathBuf> {
    let home = workspace::cache()?.join("packet-tools");
    let (root, whole) = (home.join("root"), home.join("whole"));
    let wanted = PACKAGES.join(" ");
    if fs::read_to_string(&whole).is_ok_and(|made| made == wanted) {
        return Ok(root);
    }
    ensure!(apt::is_here(), "{} come through apt", PACKAGES.join(", "));
    let archives = home.join("archives");
    let _may_not_exist = fs::remove_dir_all(&home);
    for folder in [&root, &archives.join("partial")] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    say(format_args!("downloading {}, to try their recordings with", PACKAGES.join(", ")));
    if download(&archives).is_err() {
        // Outdated lists name files that no longer exist.
        apt::update("a package could not be fetched")?;
        download(&archives)?;
    }
    for entry in fs::read_dir(&archives).context("nothing was downloaded")? {
        let path = entry?.path();
        if path.extension().is_some_and(|name| name == "deb") {
            process::output(Command::new("dpkg-deb").arg("-x").arg(&path).arg(&root))?;
        }
    }
    let _not_needed_any_more = fs::remove_dir_all(&archives);
    fs::write(&whole, wanted).with_context(|| format!("cannot write {}", whole.display()))?;
    Ok(root)
}

fn download(archives: &Path) -> Result<()> {
    let mut apt = Command::new("apt-get");
    // Also what is installed here: it is unpacked beside the others.
    apt.args(["install", "--reinstall", "-y", "-q", "--no-install-recommends", "--download-only"])
        .args(["-o", "Debug::NoLocking=true", "-o"])
        .arg(format!("Dir::Cache::archives={}", archives.display()))
        .args(PACKAGES);
    process::output(&mut apt).map(drop)
}
