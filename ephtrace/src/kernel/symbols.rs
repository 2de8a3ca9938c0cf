//! Addresses of kernel symbols, from `/proc/kallsyms`.

use std::{
    fs::File,
    io::{BufRead, BufReader},
};

use thiserror::Error;

/// The variable whose words the search is perturbed by.
const TABLE: &[u8] = b" table_perturb";

/// A variable that each kernel has, and lists with `CONFIG_KALLSYMS_ALL`.
const VARIABLE: &[u8] = b" jiffies_64";

/// A table that is a pointer takes 8 bytes; the array of Linux 5.12 to 5.17 took 1024.
const POINTER_GAP: u64 = 512;

/// Why the address of `table_perturb` is not known, so that the candidates of a search are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoTable {
    /// The kernel shows zeros (`kernel.kptr_restrict`), or no list.
    #[error(
        "the kernel hides the address of table_perturb; ephtrace needs CAP_SYSLOG, and \
         kernel.kptr_restrict below 2"
    )]
    Hidden,
    /// Not in the list, nor is any other variable.
    #[error("this kernel does not list table_perturb, which needs CONFIG_KALLSYMS_ALL")]
    Absent,
    /// Not in the list, which has variables.
    #[error("this kernel has no table_perturb (Linux before 5.12)")]
    Older,
    /// The symbol is of another kind.
    #[error(
        "table_perturb is an array in this kernel (Linux 5.12 to 5.17), which ephtrace does not \
         read"
    )]
    Array,
}

/// Address of the pointer `table_perturb`.
///
/// Needs root (`kptr_restrict`) and a kernel with `CONFIG_KALLSYMS_ALL`.
pub fn table_perturb() -> Result<u64, NoTable> {
    let symbols = File::open("/proc/kallsyms").map_err(|_| NoTable::Hidden)?;
    pointer_address(BufReader::new(symbols))
}

/// The address of `TABLE` in a list of symbols in the order of their addresses, unless the symbol
/// after it is so far away that it must be an array.
pub fn pointer_address(mut symbols: impl BufRead) -> Result<u64, NoTable> {
    let (mut table, mut has_variables) = (None, false);
    let mut line = Vec::new();
    // A hundred thousand lines: one buffer for all, and a look at the end of each.
    while symbols.read_until(b'\n', &mut line).map_err(|_| NoTable::Hidden)? > 0 {
        let text = line.trim_ascii_end();
        match table {
            None if text.ends_with(TABLE) => table = Some(address(text)?),
            Some(table) if address(text)? > table => {
                let is_pointer = address(text)? - table < POINTER_GAP;
                return if is_pointer { Ok(table) } else { Err(NoTable::Array) };
            }
            Some(_) => {}
            None => has_variables |= text.ends_with(VARIABLE),
        }
        line.clear();
    }
    Err(if has_variables { NoTable::Older } else { NoTable::Absent })
}

/// The number that a line begins with, unless it is hidden (zero).
fn address(line: &[u8]) -> Result<u64, NoTable> {
    let hex = line.split(|&byte| byte == b' ').next().and_then(|hex| str::from_utf8(hex).ok());
    let address = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
    address.filter(|&address| address != 0).ok_or(NoTable::Hidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_pointer_from_an_array() {
        let pointer = "ff00 b before\nff10 b table_perturb\nff10 b alias\nff18 b after\n";
        assert_eq!(pointer_address(pointer.as_bytes()), Ok(0xff10));
        let array = "ff10 b table_perturb\n10310 b after\n";
        assert_eq!(pointer_address(array.as_bytes()), Err(NoTable::Array));
    }

    #[test]
    fn tells_hidden_from_absent() {
        let hidden = "0 b table_perturb\n0 b after\n";
        assert_eq!(pointer_address(hidden.as_bytes()), Err(NoTable::Hidden));
        let absent = "ff10 T tcp_v4_connect\n";
        assert_eq!(pointer_address(absent.as_bytes()), Err(NoTable::Absent));
        let older = "ff10 T tcp_v4_connect\nff20 D jiffies_64\n";
        assert_eq!(pointer_address(older.as_bytes()), Err(NoTable::Older));
    }
}
