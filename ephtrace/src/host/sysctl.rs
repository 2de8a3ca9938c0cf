//! Settings of a network namespace that concern ports.
//!
//! [`read`] reads the files of `/proc/sys/net`, which show the namespace of the thread that opens
//! them; parsing their texts needs no I/O.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use thiserror::Error;

use super::conntrack;
use crate::{
    inventory::{
        port_set::PortSet,
        sysctls::{Conntrack, Sysctls},
    },
    model::{PortRange, escape::shown},
};

/// Directory of the settings.
pub const PROC_SYS_NET: &str = "/proc/sys/net";

/// Reason why a namespace's settings are not known.
#[derive(Debug, Error)]
pub enum SysctlError {
    /// A file that every kernel has can't be read.
    #[error("can't read {file}: {cause}; mount /proc, and check that /proc/sys is not hidden")]
    Read {
        /// Path of the file.
        file: String,
        /// Error of the system.
        cause: io::Error,
    },
    /// A file has unexpected contents.
    #[error("can't parse {text:?} in {file}; please report it")]
    Text {
        /// Path of the file.
        file: String,
        /// Contents of the file.
        text: String,
    },
}

/// Reads the settings of this thread's namespace, from the files below `root` ([`PROC_SYS_NET`]).
pub fn read(root: &Path) -> Result<Sysctls, SysctlError> {
    let range = required(&root.join("ipv4/ip_local_port_range"), parse_range)?;
    let reserved = required(&root.join("ipv4/ip_local_reserved_ports"), parse_reserved)?;
    let number = |name: &str| -> Option<u64> {
        fs::read_to_string(root.join(name)).ok()?.trim().parse().ok()
    };
    let small = |name| number(name).and_then(|n| u32::try_from(n).ok());
    let (count, max) =
        (number("netfilter/nf_conntrack_count"), number("netfilter/nf_conntrack_max"));
    Ok(Sysctls {
        range,
        reserved,
        step_width: small("ipv4/ip_local_port_step_width"),
        tw_reuse: number("ipv4/tcp_tw_reuse").and_then(|n| u8::try_from(n).ok()),
        tw_reuse_delay_ms: small("ipv4/tcp_tw_reuse_delay"),
        timestamps: number("ipv4/tcp_timestamps").and_then(|n| u8::try_from(n).ok()),
        autobind_reuse: number("ipv4/ip_autobind_reuse").map(|n| n != 0),
        conntrack: count.zip(max).map(|(count, max)| Conntrack {
            count,
            max,
            counts: conntrack::read(),
        }),
    })
}

fn required<T>(path: &Path, parse: impl Fn(&str) -> Option<T>) -> Result<T, SysctlError> {
    let file = || shown(&path).to_string();
    let text = read_at_once(path).map_err(|cause| SysctlError::Read { file: file(), cause })?;
    parse(text.trim()).ok_or_else(|| SysctlError::Text { file: file(), text })
}

/// Buffer size, larger than the longest sysctl: every other port, with a comma each.
const MAX_BYTES: usize = 256 << 10;

/// Reads a file of `/proc/sys` in one call: the kernel returns a list of ports to the first read
/// and nothing to the second, however short the first one was (`proc_do_large_bitmap`).
/// `fs::read_to_string` begins with 32 bytes.
fn read_at_once(path: &Path) -> io::Result<String> {
    let mut bytes = vec![0; MAX_BYTES];
    let read = File::open(path)?.read(&mut bytes)?;
    bytes.truncate(read);
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// Parses two numbers separated by white space.
pub fn parse_range(text: &str) -> Option<PortRange> {
    let mut ends = text.split_whitespace().map(str::parse);
    let (low, high) = (ends.next()?.ok()?, ends.next()?.ok()?);
    (low <= high && ends.next().is_none()).then_some(PortRange::new(low, high))
}

/// Parses a list of ports and spans, such as `8080,9000-9100`; empty for none.
pub fn parse_reserved(text: &str) -> Option<PortSet> {
    let mut set = PortSet::default();
    for span in text.split(',').map(str::trim).filter(|span| !span.is_empty()) {
        let (low, high) = span.split_once('-').unwrap_or((span, span));
        let (low, high): (u16, u16) = (low.parse().ok()?, high.parse().ok()?);
        // A truncated list must not pass for a shorter list.
        if low > high {
            return None;
        }
        set.extend(low..=high);
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sysctls(low: u16, high: u16, reserved: &str) -> Sysctls {
        Sysctls {
            range: PortRange::new(low, high),
            reserved: parse_reserved(reserved).unwrap(),
            step_width: None,
            tw_reuse: None,
            tw_reuse_delay_ms: None,
            timestamps: None,
            autobind_reuse: None,
            conntrack: None,
        }
    }

    #[test]
    fn texts_of_the_kernel() {
        let range = |text| parse_range(text).map(|range| (range.low, range.high));
        assert_eq!(range("32768\t60999"), Some((32768, 60999)));
        assert_eq!(range("1 1"), Some((1, 1)));
        for text in ["", "5", "9 5", "5 70000", "1 2 3"] {
            assert_eq!(range(text), None, "{text:?}");
        }
        let ports =
            |text: &str| Some(parse_reserved(text)?.iter(PortRange::ALL).collect::<Vec<_>>());
        assert_eq!(ports(""), Some(vec![]));
        assert_eq!(ports("8080,9000-9002,65535"), Some(vec![8080, 9000, 9001, 9002, 65535]));
        assert_eq!(ports("8080,x"), None);
    }

    #[test]
    fn reserved_ports_are_not_usable() {
        let all = sysctls(32768, 60999, "");
        assert_eq!((all.usable(), all.tried_first()), (28232, 14116));
        // Outside of the range they cost nothing; inside, each on its own parity.
        let some = sysctls(32768, 60999, "22,80,32768-32770,40001");
        assert_eq!((some.usable(), some.tried_first()), (28228, 14114));
        assert!(!some.is_usable(32769) && some.is_usable(32771) && !some.is_usable(22));
        let count = |list| 10 - sysctls(40_000, 40_009, list).usable();
        assert_eq!(["", "40000", "39999-40001,50000", "1-65535"].map(count), [0, 1, 2, 10]);
        // Ends of equal parity, both odd.
        assert_eq!(sysctls(40001, 40005, "").tried_first(), 3);
        assert_eq!(sysctls(40001, 40005, "40001").tried_first(), 2);
    }

    #[test]
    fn this_machine_has_a_range() {
        let here = read(Path::new(PROC_SYS_NET)).unwrap();
        assert!(here.usable() <= here.range.len() && here.tried_first() > 0, "{here:?}");
        let missing = read(Path::new("/no/such/folder")).unwrap_err().to_string();
        assert!(missing.contains("/no/such/folder/ipv4/ip_local_port_range"), "{missing}");
    }
}
