//! What a guest has on its disk, which is its memory.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{cpio::Archive, process};

/// Enough for programs that turn user ids into names.
const PASSWD: &str = "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const HOSTS: &str = "127.0.0.1 localhost\n::1 localhost\n";
/// What each command finds in its environment before what the user adds.
const ENVIRONMENT: [&str; 6] = [
    "PATH=/bin",
    "HOME=/tmp",
    "TERM=dumb",
    "RUST_BACKTRACE=1",
    "EPHTRACE_BIN=/bin/ephtrace",
    "EPHTRACE_ASSIGN=/bin/assign",
];

/// Files (path in the guest, path here), and the one command that the init runs.
pub(super) struct Plan {
    pub(super) files: Vec<(String, PathBuf)>,
    pub(super) environment: Vec<String>,
    pub(super) command: Vec<String>,
}

impl Plan {
    /// A file of the host's in /bin, and its shared libraries where they are here.
    pub(super) fn add_with_libraries(&mut self, file: &Path) -> Result<()> {
        let name = file.file_name().with_context(|| format!("{} is no file", file.display()))?;
        let place = format!("/bin/{}", name.to_string_lossy());
        // ldd fails on static programs and on what is no program: those need no libraries.
        if let Ok(libraries) = process::output(Command::new("ldd").arg(file)) {
            for library in libraries.lines().filter_map(library) {
                if !self.files.iter().any(|(place, _)| place == library) {
                    self.files.push((library.to_owned(), PathBuf::from(library)));
                }
            }
        }
        self.files.push((place, file.to_owned()));
        Ok(())
    }

    /// The initramfs.
    pub(super) fn archive(&self) -> Result<Vec<u8>> {
        let mut archive = Archive::default();
        for (place, file) in &self.files {
            archive.copy(place, file)?;
        }
        archive.file("/etc/passwd", 0o644, PASSWD.as_bytes())?;
        archive.file("/etc/hosts", 0o644, HOSTS.as_bytes())?;
        archive.file("/plan", 0o644, self.text()?.as_bytes())?;
        archive.finish()
    }

    /// The init's instructions: environment, an empty line, one word of the command a line.
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

/// The path in a line of ldd: `name => /path (address)` or `/path (address)`.
fn library(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.starts_with('/'))
}
