//! Programs of others that tests compare with: from Debian's packages, unpacked in the cache, so
//! that nothing is installed. ephtrace itself does not need them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{apt, process, say::say, workspace};

/// Packages that are unpacked together, and what they are for.
struct Unpacked {
    /// Folder in the cache.
    folder: &'static str,
    packages: &'static [&'static str],
    purpose: &'static str,
}

/// Tools that record connections, whose recordings ephtrace reads.
const PACKET_TOOLS: Unpacked = Unpacked {
    folder: "packet-tools",
    packages: &["tcpdump", "tshark", "conntrack", "libbpf-tools", "nftables"],
    purpose: "to try their recordings with",
};

/// The server that scrapes `ephtrace serve`, and the checker of metrics and rules.
const PROMETHEUS: Unpacked = Unpacked {
    folder: "prometheus",
    packages: &["prometheus"],
    purpose: "to scrape the metrics with",
};

/// Container runtimes, whose files ephtrace takes names from.
const RUNTIMES: Unpacked = Unpacked {
    folder: "runtimes",
    packages: &["runc", "containerd", "docker.io", "podman"],
    purpose: "to start containers with names",
};

/// Returns the folder that container runtimes are unpacked in.
pub(crate) fn runtimes() -> Result<PathBuf> {
    RUNTIMES.ensure()
}

/// Returns the folder that the tools which record are unpacked in.
pub(crate) fn packet_tools() -> Result<PathBuf> {
    PACKET_TOOLS.ensure()
}

/// Returns the folder that Prometheus is unpacked in.
pub(crate) fn prometheus() -> Result<PathBuf> {
    PROMETHEUS.ensure()
}

impl Unpacked {
    /// Returns the folder with the packages and the libraries that this machine lacks; creates it
    /// if needed.
    fn ensure(&self) -> Result<PathBuf> {
        let home = workspace::cache()?.join(self.folder);
        let (root, whole) = (home.join("root"), home.join("whole"));
        let wanted = self.packages.join(" ");
        if fs::read_to_string(&whole).is_ok_and(|made| made == wanted) {
            return Ok(root);
        }
        let names = self.packages.join(", ");
        ensure!(apt::is_here(), "{names} come through apt");
        let archives = home.join("archives");
        let _may_not_exist = fs::remove_dir_all(&home);
        for folder in [&root, &archives.join("partial")] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        say(format_args!("downloading {names}, {}", self.purpose));
        if self.download(&archives).is_err() {
            // Outdated lists name files that no longer exist.
            apt::update("a package could not be fetched")?;
            self.download(&archives)?;
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

    fn download(&self, archives: &Path) -> Result<()> {
        let mut apt = Command::new("apt-get");
        // Also what is installed here: it is unpacked beside the others.
        apt.args(["install", "--reinstall", "-y", "-q", "--no-install-recommends"])
            .args(["--download-only", "-o", "Debug::NoLocking=true", "-o"])
            .arg(format!("Dir::Cache::archives={}", archives.display()))
            .args(self.packages);
        process::output(&mut apt).map(drop)
    }
}
