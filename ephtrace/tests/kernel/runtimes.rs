//! Container runtimes of Debian's packages, unpacked in a folder, on a host of their own: /run,
//! /var/lib and /var/log are empty, and nobody else sees what is put there.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::{Signal, kill};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    conntrack::LIBRARIES,
    mounts::{hide, on_a_thread, own_mounts},
    setup,
    skip::skip,
    tracer::pid,
    wait,
};

/// Name of the image that the tests make.
pub(crate) const IMAGE: &str = "localhost/ephtrace/assign:1";

/// Program in the image.
pub(crate) const PROGRAM: &str = "/assign";

/// Unpacked runtimes, and a root file system for containers.
pub(crate) struct Runtimes {
    unpacked: PathBuf,
}

impl Runtimes {
    /// Returns the runtimes of `EPHTRACE_RUNTIMES`, as `cargo xtask test` unpacks them.
    fn find() -> Option<Self> {
        let unpacked = PathBuf::from(env::var_os("EPHTRACE_RUNTIMES")?);
        unpacked.join("usr/sbin/runc").exists().then_some(Self { unpacked })
    }

    /// Returns a command of the packages.
    pub(crate) fn command(&self, program: &str) -> Command {
        let folders = ["usr/sbin", "usr/bin"].map(|folder| self.unpacked.join(folder));
        let places = folders.iter().map(|folder| folder.join(program));
        let found = places.into_iter().find(|place| place.exists());
        let mut command = Command::new(found.unwrap_or_else(|| PathBuf::from(program)));
        let system = env::var("PATH").unwrap_or_default();
        let path = folders.iter().fold(String::new(), |mut path, folder| {
            let _ = write!(path, "{}:", folder.display());
            path
        });
        command.env("PATH", path + &system);
        command.env("LD_LIBRARY_PATH", self.unpacked.join(LIBRARIES)).env("HOME", "/run/home");
        command
    }

    /// Path of a program of the packages.
    pub(crate) fn path(&self, program: &str) -> PathBuf {
        self.unpacked.join(program)
    }
}

/// A daemon, ended with the test.
pub(crate) struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        let _ = kill(pid(&self.0), Signal::SIGTERM);
        let _ = wait::exit(&mut self.0);
    }
}

/// Starts a daemon whose output goes to a file, and waits until `ready` succeeds.
pub(crate) fn daemon(command: &mut Command, ready: &mut Command) -> Result<Daemon> {
    let log = fs::File::create("/run/daemon.log")?;
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
    let daemon = Daemon(child.with_context(|| format!("starting {command:?}"))?);
    let answers = || {
        let said = ready.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        Ok(said.success().then_some(()))
    };
    wait::until("a daemon that answers", answers)
        .with_context(|| fs::read_to_string("/run/daemon.log").unwrap_or_default())?;
    Ok(daemon)
}

/// Runs `work` with runtimes on a host of their own, or skips the test where there are none.
pub(crate) fn with_runtimes(work: impl FnOnce(&Runtimes) -> Result<()> + Send) -> Result<()> {
    let Some(runtimes) = Runtimes::find() else {
        return skip("no container runtimes: `cargo xtask test` unpacks them");
    };
    on_a_thread(|| {
        own_mounts()?;
        for folder in ["/run", "/var/lib", "/var/log"] {
            hide(folder)?;
        }
        for folder in ["/run/home", "/var/lib/docker", "/var/lib/containers", "/var/log/pods"] {
            fs::create_dir_all(folder)?;
        }
        make_root(Path::new(ROOT))?;
        work(&runtimes)
    })
}

/// Root file system of containers: the program and its libraries.
pub(crate) const ROOT: &str = "/run/rootfs";

fn make_root(root: &Path) -> Result<()> {
    let program = setup::assign()?;
    let listed = Command::new("ldd").arg(&program).output().context("no ldd")?;
    let listed = String::from_utf8_lossy(&listed.stdout);
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    for folder in ["proc", "dev", "sys", "etc"] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::copy(&program, root.join(&PROGRAM[1..]))?;
    for library in libraries {
        let copy = root.join(library.trim_start_matches('/'));
        fs::create_dir_all(copy.parent().context("a library at the root")?)?;
        fs::copy(library, copy)?;
    }
    Ok(())
}

/// Makes an archive with an image of one layer, as `docker save` writes it, that runs `command`;
/// returns its path.
pub(crate) fn make_image(command: &[String]) -> Result<PathBuf> {
    let folder = Path::new("/run/image");
    fs::create_dir_all(folder)?;
    tar(folder.join("layer.tar"), ROOT, &["."])?;
    let layer = Sha256::digest(fs::read(folder.join("layer.tar"))?);
    let digest = layer.iter().fold(String::new(), |mut digest, byte| {
        let _ = write!(digest, "{byte:02x}");
        digest
    });
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Cmd": command},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
    });
    let manifest = json!([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]);
    fs::write(folder.join("config.json"), config.to_string())?;
    fs::write(folder.join("manifest.json"), manifest.to_string())?;
    let archive = PathBuf::from("/run/image.tar");
    tar(&archive, "/run/image", &["manifest.json", "config.json", "layer.tar"])?;
    Ok(archive)
}

fn tar(archive: impl AsRef<Path>, folder: &str, names: &[&str]) -> Result<()> {
    let mut command = Command::new("tar");
    output(command.arg("-C").arg(folder).arg("-cf").arg(archive.as_ref()).args(names)).map(drop)
}

/// Runs a command to its end, and returns what it writes.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&stderr);
    ensure!(status.success(), "{command:?}: {status}: {said}");
    Ok(String::from_utf8_lossy(&stdout).trim().to_owned())
}
