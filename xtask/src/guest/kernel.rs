//! Kernels to boot: Debian's by their series, or a user's own image.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A kernel that is available.
pub(super) struct Kernel {
    /// Version of the kernel, as in output.
    pub(super) version: String,
    pub(super) image: PathBuf,
    /// Folder with the modules that tests load into it, if there is one.
    pub(super) modules: Option<PathBuf>,
}

/// Returns the version in a bzImage's header (the x86 boot protocol's `kernel_version`).
pub(super) fn version_of(image: &Path) -> Result<String> {
    let bytes = std::fs::read(image).with_context(|| format!("cannot read {}", image.display()))?;
    header_version(&bytes).with_context(|| format!("{} is no bzImage", image.display()))
}

fn header_version(image: &[u8]) -> Option<String> {
    if image.get(0x202..0x206)? != b"HdrS" {
        return None;
    }
    let offset = image.get(0x20e..0x210)?;
    let start = usize::from(u16::from_le_bytes(offset.try_into().ok()?)) + 0x200;
    let text = image.get(start..)?.split(|byte| *byte == 0).next()?;
    let version = std::str::from_utf8(text).ok()?.split(' ').next()?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::header_version;

    #[test]
    fn the_version_is_where_the_header_points() {
        let mut image = vec![0; 0x300];
        image[0x202..0x206].copy_from_slice(b"HdrS");
        image[0x20e..0x210].copy_from_slice(&0x40_u16.to_le_bytes());
        image[0x240..0x24d].copy_from_slice(b"6.9.1 (a@b) #");
        assert_eq!(header_version(&image).as_deref(), Some("6.9.1"));
        assert_eq!(header_version(b"ELF"), None);
    }
}
