//! Addresses of kernel symbols, from `/proc/kallsyms`.

use std::{
    fs::File,
    io::{BufRead, BufReader},
};

/// The variable whose words the search is perturbed by.
const TABLE: &[u8] = b" table_perturb";

/// A table that is a pointer takes 8 bytes; the array of Linux 5.12 to 5.17 took 1024.
const POINTER_GAP: u64 = 512;

/// Address of the pointer `table_perturb`, if this kernel tells it and it is a pointer.
///
/// Needs root (`kptr_restrict`) and a kernel with `CONFIG_KALLSYMS_ALL`.
pub fn table_perturb() -> Option<u64> {
    pointer_address(BufReader::new(File::open("/proc/kallsyms").ok()?))
}

/// The address of [`TABLE`] in a list of symbols in the order of their addresses, unless the symbol
/// after it is so far away that it must be an array.
fn pointer_address(mut symbols: impl BufRead) -> Option<u64> {
    let mut table = None;
    let mut line = Vec::new();
    // A hundred thousand lines: one buffer for all, and a look at the end of each.
    while symbols.read_until(b'\n', &mut line).ok()? > 0 {
        let text = line.trim_ascii_end();
        match table {
            None if text.ends_with(TABLE) => table = Some(address(text)?),
            Some(table) if address(text)? > table => {
                return (address(text)? - table < POINTER_GAP).then_some(table);
            }
            _ => {}
        }
        line.clear();
    }
    None
}

/// The number that a line begins with; `None` where it is hidden (zero).
fn address(line: &[u8]) -> Option<u64> {
    let hex = line.split(|&byte| byte == b' ').next()?;
    u64::from_str_radix(str::from_utf8(hex).ok()?, 16).ok().filter(|&address| address != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_pointer_from_an_array() {
        let pointer = "ff00 b before\nff10 b table_perturb\nff10 b alias\nff18 b after\n";
        assert_eq!(pointer_address(pointer.as_bytes()), Some(0xff10));
        assert_eq!(pointer_address("ff10 b table_perturb\n10310 b after\n".as_bytes()), None);
    }

    #[test]
    fn hidden_or_absent_is_none() {
        assert_eq!(pointer_address("0 b table_perturb\n0 b after\n".as_bytes()), None);
        assert_eq!(pointer_address("ff10 T tcp_v4_connect\n".as_bytes()), None);
    }
}
