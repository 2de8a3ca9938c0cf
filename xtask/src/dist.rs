//! `cargo xtask dist`: one static file for other hosts.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{artifacts, process, say::result, setup, workspace};

/// `e_phoff`, `e_phentsize`, `e_phnum` of a 64-bit ELF header.
const TABLE: (usize, usize, usize) = (32, 54, 56);
const ELF64_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x02\x01";
/// Type of the segment that names the dynamic loader.
const PT_INTERP: u32 = 3;

/// Builds the binary, checks it, and puts it in `target/dist`.
pub(crate) fn main() -> Result<std::process::ExitCode> {
    setup::ensure()?;
    let built = artifacts::static_ephtrace()?;
    let built = built.path("ephtrace")?;
    let bytes = std::fs::read(built).with_context(|| format!("cannot read {}", built.display()))?;
    match needs_loader(&bytes) {
        Some(false) => {}
        Some(true) => bail!("{} needs a dynamic loader: it is not static", built.display()),
        None => bail!("{} is no 64-bit ELF program", built.display()),
    }
    let folder = workspace::target().join("dist");
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))?;
    let shipped = folder.join(concat!("ephtrace-", env!("CARGO_PKG_VERSION"), "-x86_64-linux"));
    std::fs::copy(built, &shipped)
        .with_context(|| format!("cannot write {}", shipped.display()))?;
    result(format_args!("{}: {}", shipped.display(), describe(&shipped, bytes.len())?));
    Ok(std::process::ExitCode::SUCCESS)
}

/// Runs the binary in an empty environment, and describes it.
fn describe(program: &Path, size: usize) -> Result<String> {
    let version = process::output(Command::new(program).arg("--version").env_clear())?;
    Ok(format!("{}, static, {} KiB", version.trim(), size >> 10))
}

/// Returns whether an ELF program needs a dynamic loader; `None` if it is something else.
fn needs_loader(elf: &[u8]) -> Option<bool> {
    if !elf.starts_with(ELF64_LITTLE_ENDIAN) {
        return None;
    }
    let start = usize::try_from(u64::from_le_bytes(bytes(elf, TABLE.0)?)).ok()?;
    let size = usize::from(u16::from_le_bytes(bytes(elf, TABLE.1)?));
    let count = usize::from(u16::from_le_bytes(bytes(elf, TABLE.2)?));
    for segment in 0..count {
        let at = start.checked_add(segment * size)?;
        if u32::from_le_bytes(bytes(elf, at)?) == PT_INTERP {
            return Some(true);
        }
    }
    Some(false)
}

fn bytes<const SIZE: usize>(elf: &[u8], at: usize) -> Option<[u8; SIZE]> {
    elf.get(at..at.checked_add(SIZE)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::needs_loader;

    #[test]
    fn this_test_is_dynamic_and_text_is_no_program() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(needs_loader(&own), Some(!cfg!(target_feature = "crt-static")));
        assert_eq!(needs_loader(b"#!/bin/sh"), None);
        assert_eq!(needs_loader(b"\x7fELF\x02\x01"), None);
    }
}
