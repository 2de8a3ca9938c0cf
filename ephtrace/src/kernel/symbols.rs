//! Addresses of kernel symbols, from `/proc/kallsyms`.

use std::{
    fs::File,
    io::{BufRead, BufReader},
};

use thiserror::Error;

/// Symbol of the variable whose words perturb the search.
const TABLE: &[u8] = b" table_perturb";

/// Symbol of a variable that each kernel has, and lists with `CONFIG_KALLSYMS_ALL`.
const VARIABLE: &[u8] = b" jiffies_64";

/// Distance to the next symbol that separates a pointer, which takes 8 bytes, from the array of
/// Linux 5.12 to 5.17, which took 1024.
const POINTER_GAP: u64 = 512;

/// Reason why the address of `table_perturb`, and thus the candidates of a search, are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoTable {
    /// The kernel shows zeros (`kernel.kptr_restrict`), or no list.
    #[error(
        "the kernel hides the address of table_perturb; ephtrace needs CAP_SYSLOG, and \
         kernel.kptr_restrict below 2"
    )]
    Hidden,
    /// Neither the table nor any other variable is in the list.
    #[error("this kernel does not list table_perturb, which needs CONFIG_KALLSYMS_ALL")]
    Absent,
    /// The list has variables, but not the table.
    #[error("this kernel has no table_perturb (Linux before 5.12)")]
    Older,
    /// The symbol is an array, not a pointer.
    #[error(
        "table_perturb is an array in this kernel (Linux 5.12 to 5.17), which ephtrace does not \
         read"
    )]
    Array,
}

/// Returns the address of the pointer `table_perturb`.
///
/// The list needs root (`kptr_restrict`) and a kernel with `CONFIG_KALLSYMS_ALL`.
pub fn table_perturb() -> Result<u64, NoTable> {
    let symbols = File::open("/proc/kallsyms").map_err(|_| NoTable::Hidden)?;
    pointer_address(BufReader::new(symbols))
}

/// Returns the address of `TABLE` in a list of symbols sorted by address, unless the next symbol is
/// so far away that it must be an array.
pub fn pointer_address(mut symbols: impl BufRead) -> Result<u64, NoTable> {
    let (mut table, mut has_variables) = (None, false);
    let mut line = Vec::new();
    // A hundred thousand lines: one buffer for all, and a comparison of each line's end only.
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

/// Parses the number at the beginning of a line, unless it is hidden (zero).
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
