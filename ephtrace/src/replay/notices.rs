//! Sentences on a recording that can't be read, or not all of it.

use std::io::Write;

use super::{item::Broken, recording::Format};

/// How many broken pieces are shown; the others are only counted.
pub(crate) const MAX_TOLD: u64 = 10;

/// Says what can't be read, the first times. Where standard error is closed there is nobody to
/// tell.
pub(crate) fn tell(notices: &mut impl Write, name: &str, nth: u64, broken: &Broken) {
    if nth <= MAX_TOLD {
        let _ = writeln!(notices, "ephtrace: {name}: {broken}");
    }
    if nth == MAX_TOLD {
        let _ = writeln!(notices, "ephtrace: further errors suppressed");
    }
}

/// Why a recording is none: nothing in it can be read, `broken` first of all.
pub(crate) fn unreadable(name: &str, broken: &Broken) -> String {
    format!(
        "{name}: no readable records ({broken}); expected a packet capture (pcap, pcapng), a log \
         with a header (Zeek, a table), or Parquet or NDJSON with at least ts_ns, saddr, sport, \
         daddr, dport, as written by `ephtrace record` and `ephtrace -o json`"
    )
}

/// Why a recording is none: it has `instead` of assignments.
pub(crate) fn without_assignments(name: &str, format: Format, instead: &str) -> String {
    let advice = match format {
        Format::Pcap | Format::Pcapng => {
            "only the start of a connection shows a port assignment: start the capture earlier, \
             with `tcpdump -i any -w FILE 'tcp[tcpflags] & tcp-syn != 0 or udp or sctp'`, or \
             trace on the host with `sudo ephtrace record FILE`"
        }
        Format::Ndjson | Format::Parquet | Format::Log | Format::Several => {
            "make a recording with `sudo ephtrace record FILE`"
        }
    };
    format!("{name} has no assignments: {instead}; {advice}")
}
