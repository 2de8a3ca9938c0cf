//! Contents of a guest's disk, which is its memory.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, Result, bail};

use super::{kernel::Kernel, modules};
use crate::{artifacts::Executables, cpio::Archive, process, say::say, workspace};

/// Number of the next initramfs.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// User database, enough for programs that print user names.
const PASSWD: &str = "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";
/// Folder of libraries in an unpacked Debian package.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// Environment of each command, before the user's additions.
const ENVIRONMENT: [&str; 6] = [
    "PATH=/bin",
    "HOME=/tmp",
    "TERM=dumb",
    "RUST_BACKTRACE=1",
    "EPHTRACE_BIN=/bin/ephtrace",
    "EPHTRACE_ASSIGN=/bin/assign",
];

/// Files (path in the guest, path on the host), and the one command that the init runs.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) files: Vec<(String, PathBuf)>,
    pub(super) environment: Vec<String>,
    pub(super) command: Vec<String>,
}

impl Plan {
    /// Adds PID 1.
    pub(super) fn add_init(&mut self, programs: &Executables) -> Result<()> {
        self.files.push(("/init".into(), programs.path("guest-init")?.clone()));
        Ok(())
    }

    /// Adds PID 1, ephtrace, and the program that makes the kernel assign ports.
    pub(super) fn add_programs(&mut self, programs: &Executables) -> Result<()> {
        self.add_init(programs)?;
        for name in ["ephtrace", "assign"] {
            self.files.push((format!("/bin/{name}"), programs.path(name)?.clone()));
        }
        Ok(())
    }

    /// Adds a file of the host to /bin, and its shared libraries as far as the host has them.
    pub(super) fn add_with_libraries(&mut self, file: &Path) -> Result<()> {
        self.add_unpacked(file, Path::new("/"))
    }

    /// Adds a file of a package that is unpacked in `root`, and its shared libraries from there.
    pub(super) fn add_unpacked(&mut self, file: &Path, root: &Path) -> Result<()> {
        let name = file.file_name().with_context(|| format!("{} is no file", file.display()))?;
        let place = format!("/bin/{}", name.to_string_lossy());
        // ldd fails on static programs and on other files: those need no libraries.
        let mut ldd = Command::new("ldd");
        ldd.arg(file).env("LD_LIBRARY_PATH", root.join(LIBRARIES));
        if let Ok(libraries) = process::output(&mut ldd) {
            for library in libraries.lines().filter_map(library) {
                let inside = Path::new("/").join(library.strip_prefix(root).unwrap_or(library));
                let place = inside.display().to_string();
                if !self.files.iter().any(|(other, _)| *other == place) {
                    self.files.push((place, library.to_owned()));
                }
            }
        }
        self.files.push((place, file.to_owned()));
        Ok(())
    }

    /// Writes the initramfs and returns its path.
    pub(super) fn write(&self) -> Result<PathBuf> {
        let folder = workspace::target().join("guest");
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        // Named by process and number, so that parallel runs do not collide.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("guest-{}-{number}.cpio", std::process::id()));
        let archive = self.archive()?;
        say(format_args!("initramfs: {} MiB, {} files", archive.len() >> 20, self.files.len()));
        std::fs::write(&path, archive)
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn archive(&self) -> Result<Vec<u8>> {
        let mut archive = Archive::default();
        for (place, file) in &self.files {
            archive.copy(place, file)?;
        }
        archive.file("/etc/passwd", 0o644, PASSWD.as_bytes())?;
        archive.file("/etc/hosts", 0o644, HOSTS.as_bytes())?;
        archive.file("/plan", 0o644, self.text()?.as_bytes())?;
        archive.finish()
    }

    /// Returns the init's instructions: environment, an empty line, one word of the command a line.
    fn text(&self) -> Result<String> {
        let environment =
            ENVIRONMENT.into_iter().chain(self.environment.iter().map(String::as_str));
        let words = self.command.iter().map(String::as_str);
        let lines: Vec<_> = environment.chain([""]).chain(words).collect();
        if lines.iter().any(|line| line.contains('\n')) {
            bail!("a line break in the command or its environment cannot go into a guest");
        }
        Ok(lines.join("\n"))
    }
}

/// Copies an initramfs, and adds the kernel's modules in /modules: two archives in a row, both of
/// which the kernel unpacks.
pub(super) fn with_modules(initramfs: &Path, kernel: &Kernel) -> Result<PathBuf> {
    let cannot_read = || format!("cannot read {}", initramfs.display());
    let mut bytes = std::fs::read(initramfs).with_context(cannot_read)?;
    let mut archive = Archive::default();
    if let Some(folder) = &kernel.modules {
        for path in modules::kept(folder)? {
            archive.copy(&format!("/modules/{}", path.display()), &folder.join(path))?;
        }
    }
    bytes.extend(archive.finish()?);
    let path = initramfs.with_extension(format!("{}.cpio", kernel.version));
    std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Returns the path in a line of ldd: `name => /path (address)` or `/path (address)`.
fn library(line: &str) -> Option<&Path> {
    line.split_whitespace().find(|word| word.starts_with('/')).map(Path::new)
}
