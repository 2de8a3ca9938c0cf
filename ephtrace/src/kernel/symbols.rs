//! Addresses of kernel symbols, from `/proc/kallsyms`.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
};

/// The variable whose words the search is perturbed by.
const TABLE: &str = "table_perturb";

/// A table that is a pointer takes 8 bytes; the array of Linux 5.12 to 5.17 took 1024.
const POINTER_GAP: u64 = 512;

/// Address of the pointer `table_perturb`, if this kernel tells it and it is a pointer.
///
/// Needs root (`kptr_restrict`) and a kernel with `CONFIG_KALLSYMS_ALL`.
pub fn table_perturb() -> Option<u64> {
    let file = BufReader::new(File::open("/proc/kallsyms").ok()?);
    let symbols = file.split(b'\n').map_while(Result::ok);
    pointer_address(symbols.map(|line| String::from_utf8_lossy(&line).into_owned()))
}

/// The address of [`TABLE`] among `lines`, unless the symbol after it is so far away that it must
/// be an array.
fn pointer_address(lines: impl Iterator<Item = String>) -> Option<u64> {
    let mut table = None;
    let mut next = u64::MAX;
    // Not sorted by address across sections, so the nearest one behind is searched in a second list.
    let mut behind = Vec::new();
    for line in lines {
        let mut words = line.split_whitespace();
        let (Some(address), Some(kind), Some(name)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Ok(address) = u64::from_str_radix(address, 16) else { continue };
        if name == TABLE && words.next().is_none() {
            table = Some(address);
        } else if matches!(kind, "b" | "B" | "d" | "D") {
            behind.push(address);
        }
    }
    let table = table.filter(|&address| address != 0)?;
    for address in behind {
        if address > table {
            next = next.min(address);
        }
    }
    (next - table < POINTER_GAP).then_some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(lines: &[&str]) -> Option<u64> {
        pointer_address(lines.iter().map(ToString::to_string))
    }

    #[test]
    fn tells_a_pointer_from_an_array() {
        assert_eq!(
            address(&["ff00 b before", "ff10 b table_perturb", "ff18 b after"]),
            Some(0xff10)
        );
        assert_eq!(address(&["ff10 b table_perturb", "10310 b after"]), None);
    }

    #[test]
    fn hidden_or_absent_is_none() {
        assert_eq!(address(&["0 b table_perturb", "0 b after"]), None);
        assert_eq!(address(&["ff10 T tcp_v4_connect"]), None);
    }
}
