//! The archive format of an initramfs: cpio `newc`, written straight into memory.
//!
//! Format: Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's source.

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::{Context as _, Result};

const FOLDER: u32 = 0o040_755;
const FILE: u32 = 0o100_000;
const PERMISSIONS: u32 = 0o777;

/// An archive that grows by one entry at a time. Paths are absolute in the guest; their folders are
/// created as needed.
#[derive(Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    folders: BTreeSet<String>,
    entries: u32,
}

impl Archive {
    /// Adds a folder and those above it.
    pub(crate) fn folder(&mut self, path: &str) -> Result<()> {
        let mut above = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if !above.is_empty() {
                above.push('/');
            }
            above.push_str(name);
            if self.folders.insert(above.clone()) {
                self.entry(&above, FOLDER, &[])?;
            }
        }
        Ok(())
    }

    /// Adds a file with this content.
    pub(crate) fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> Result<()> {
        let path = path.trim_start_matches('/');
        if let Some((folder, _)) = path.rsplit_once('/') {
            self.folder(folder)?;
        }
        self.entry(path, FILE | (permissions & PERMISSIONS), content)
    }

    /// Adds a copy of one of the host's files, with its permissions.
    pub(crate) fn copy(&mut self, path: &str, from: &Path) -> Result<()> {
        let cannot_read = || format!("cannot read {}", from.display());
        let content = std::fs::read(from).with_context(cannot_read)?;
        let permissions = from.metadata().with_context(cannot_read)?.permissions().mode();
        self.file(path, permissions, &content)
    }

    /// Returns the finished archive.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, &[])?;
        Ok(self.bytes)
    }

    fn entry(&mut self, path: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.entries += 1;
        let size = u32::try_from(content.len()).with_context(|| format!("{path} is over 4 GiB"))?;
        let name_size = u32::try_from(path.len() + 1).context("a path is over 4 GiB")?;
        // inode, mode, uid, gid, links, mtime, size, device ×2, special device ×2, name, checksum
        let fields = [self.entries, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
        Ok(())
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn folders_come_once_and_first_and_everything_is_aligned() {
        let mut archive = Archive::default();
        archive.file("/etc/a/one", 0o755, b"12345").unwrap();
        archive.file("/etc/a/two", 0o644, b"").unwrap();
        let bytes = archive.finish().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        let names = ["etc\0", "etc/a\0", "etc/a/one\0", "etc/a/two\0", "TRAILER!!!\0"];
        let places: Vec<_> = names.iter().map(|name| text.find(name).unwrap()).collect();
        assert!(places.is_sorted());
        assert_eq!(text.matches("etc/a\0").count(), 1);
        assert_eq!(bytes.len() % 4, 0);
        for (at, _) in text.match_indices("070701") {
            assert_eq!(at % 4, 0);
        }
    }
}
