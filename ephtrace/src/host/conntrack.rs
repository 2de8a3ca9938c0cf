//! Statistics of connection tracking: the number of entries that it could not make, by processor,
//! in the network namespace of this thread.
//!
//! The source is `/proc/net/stat/nf_conntrack`, which needs no right; or, if the kernel lacks it
//! (`CONFIG_NF_CONNTRACK_PROCFS`), netlink (`IPCTNL_MSG_CT_GET_STATS_CPU`), which needs
//! `CAP_NET_ADMIN`.

use std::{fs, io, path::Path};

use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_NETFILTER};

use crate::inventory::sysctls::TrackerCounts;

/// File of this thread's namespace.
const STATISTICS: &str = "/proc/thread-self/net/stat/nf_conntrack";

/// `NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET_STATS_CPU`.
const GET_STATISTICS: u16 = 1 << 8 | 4;

/// `NLM_F_REQUEST | NLM_F_DUMP`.
const DUMP: u16 = 0x301;

/// `NLMSG_ERROR` and `NLMSG_DONE`.
const ENDS: [u16; 2] = [2, 3];

/// Length, type, flags, sequence and port id (`struct nlmsghdr`).
const HEADER_BYTES: usize = 16;

/// Family, version and resource id (`struct nfgenmsg`).
const FAMILY_BYTES: usize = 4;

/// Length and kind (`struct nlattr`).
const ATTRIBUTE_BYTES: usize = 4;

/// Size of the receive buffer; the kernel writes at most 32 KiB at once (`netlink_dump`).
const ANSWER_BYTES: usize = 64 << 10;

/// Reads the sum over all processors; `None` without connection tracking, or without the right to
/// ask.
pub fn read() -> Option<TrackerCounts> {
    match fs::read_to_string(Path::new(STATISTICS)) {
        Ok(text) => parse(&text),
        Err(_) => ask().ok().flatten(),
    }
}

/// Parses a line of names, then one of hexadecimal numbers for each processor.
pub fn parse(text: &str) -> Option<TrackerCounts> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.split_ascii_whitespace().collect();
    let column = |name: &str| names.iter().position(|one| *one == name);
    let columns = ["insert_failed", "drop", "early_drop", "search_restart"].map(column);
    let mut all = TrackerCounts::default();
    for line in lines {
        let numbers: Vec<&str> = line.split_ascii_whitespace().collect();
        let value = |column: Option<usize>| u64::from_str_radix(numbers.get(column?)?, 16).ok();
        let [insert_failed, drop, early_drop, search_restart] =
            columns.map(|column| value(column).unwrap_or(0));
        all = all + TrackerCounts { insert_failed, drop, early_drop, search_restart };
    }
    columns[0].map(|_| all)
}

fn ask() -> io::Result<Option<TrackerCounts>> {
    let netlink = Netlink::new(NETLINK_NETFILTER)?;
    netlink.connect(&SocketAddr::new(0, 0))?;
    let length = u32::try_from(HEADER_BYTES + FAMILY_BYTES).unwrap_or(0);
    let mut request = length.to_ne_bytes().to_vec();
    request.extend(GET_STATISTICS.to_ne_bytes());
    request.extend(DUMP.to_ne_bytes());
    request.resize(HEADER_BYTES + FAMILY_BYTES, 0);
    netlink.send(&request, 0)?;
    let (mut all, mut answer) = (None, vec![0; ANSWER_BYTES]);
    loop {
        let read = netlink.recv(&mut &mut answer[..], 0)?;
        if messages(answer.get(..read).unwrap_or_default(), &mut all) {
            return Ok(all);
        }
    }
}

/// Adds up one piece of the answer; returns whether it was the last.
pub fn messages(mut bytes: &[u8], all: &mut Option<TrackerCounts>) -> bool {
    while let Some(length) = number_at(bytes, 0, u32::from_ne_bytes).and_then(as_usize) {
        let kind = number_at(bytes, 4, u16::from_ne_bytes).unwrap_or(0);
        let Some(message) = bytes.get(..length).filter(|_| !ENDS.contains(&kind)) else {
            return true;
        };
        if let Some(attributes) = message.get(HEADER_BYTES + FAMILY_BYTES..) {
            *all = Some(all.unwrap_or_default() + counts(attributes));
        }
        let next = length.max(HEADER_BYTES).next_multiple_of(ATTRIBUTE_BYTES);
        bytes = bytes.get(next..).unwrap_or_default();
    }
    false
}

/// Parses `CTA_STATS_INSERT_FAILED` and similar attributes, big-endian.
fn counts(mut attributes: &[u8]) -> TrackerCounts {
    let mut counts = TrackerCounts::default();
    while let Some(length) = number_at(attributes, 0, u16::from_ne_bytes) {
        let value = number_at(attributes, ATTRIBUTE_BYTES, u32::from_be_bytes).unwrap_or(0).into();
        match number_at(attributes, 2, u16::from_ne_bytes).unwrap_or(0) & 0x3fff {
            9 => counts.insert_failed = value,
            10 => counts.drop = value,
            11 => counts.early_drop = value,
            13 => counts.search_restart = value,
            _ => {}
        }
        let next = usize::from(length).max(ATTRIBUTE_BYTES).next_multiple_of(ATTRIBUTE_BYTES);
        attributes = attributes.get(next..).unwrap_or_default();
    }
    counts
}

fn number_at<const N: usize, T>(bytes: &[u8], at: usize, of: fn([u8; N]) -> T) -> Option<T> {
    bytes.get(at..)?.first_chunk().copied().map(of)
}

fn as_usize(number: u32) -> Option<usize> {
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_by_its_names() {
        let old = r"entries  searched found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000001  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 0000001f 00000002 00000003 00000000  00000000 00000000 00000000 00000004
00000001  00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000001 00000000 00000000 00000000  00000000 00000000 00000000 00000000
";
        let expected =
            TrackerCounts { insert_failed: 32, drop: 2, early_drop: 3, search_restart: 4 };
        assert_eq!(parse(old), Some(expected));
        assert_eq!(parse(""), None);
        assert_eq!(parse("entries found\n1 2\n"), None);
    }

    #[test]
    fn attributes_of_netlink_are_read() {
        let attribute = |kind: u16, value: u32| {
            [&8_u16.to_ne_bytes()[..], &kind.to_ne_bytes(), &value.to_be_bytes()].concat()
        };
        let body = [vec![0; FAMILY_BYTES], attribute(9, 5), attribute(2, 7), attribute(10, 6)];
        let body = body.concat();
        let length = u32::try_from(HEADER_BYTES + body.len()).unwrap();
        let mut message = [&length.to_ne_bytes()[..], &260_u16.to_ne_bytes()].concat();
        message.resize(HEADER_BYTES, 0);
        message.extend(body);
        let twice = [message.clone(), message].concat();
        let mut all = None;
        assert!(!messages(&twice, &mut all));
        let expected = TrackerCounts { insert_failed: 10, drop: 12, ..TrackerCounts::default() };
        assert_eq!(all, Some(expected));
        let mut done = 16_u32.to_ne_bytes().to_vec();
        done.extend(3_u16.to_ne_bytes());
        assert!(messages(&done, &mut all));
    }

    #[test]
    fn both_ways_say_the_same_where_both_work() {
        let (Some(file), Ok(Some(asked))) = (read(), ask()) else { return };
        // Other events may be counted in between.
        assert!(asked.insert_failed >= file.insert_failed && asked.drop >= file.drop);
    }
}
