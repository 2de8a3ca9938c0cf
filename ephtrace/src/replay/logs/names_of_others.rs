//! Names that other tools use for ephtrace's columns.

/// The other name, and ephtrace's.
pub(super) const NAMES: [(&str, &str); 30] = [
    ("id.orig_h", "saddr"),
    ("id_orig_h", "saddr"),
    ("ip.src", "saddr"),
    ("ipv6.src", "saddr"),
    ("src_ip", "saddr"),
    ("laddr", "saddr"),
    ("id.orig_p", "sport"),
    ("id_orig_p", "sport"),
    ("tcp.srcport", "sport"),
    ("udp.srcport", "sport"),
    ("sctp.srcport", "sport"),
    ("src_port", "sport"),
    ("lport", "sport"),
    ("id.resp_h", "daddr"),
    ("id_resp_h", "daddr"),
    ("ip.dst", "daddr"),
    ("ipv6.dst", "daddr"),
    ("dst_ip", "daddr"),
    ("dest_ip", "daddr"),
    ("raddr", "daddr"),
    ("id.resp_p", "dport"),
    ("id_resp_p", "dport"),
    ("tcp.dstport", "dport"),
    ("udp.dstport", "dport"),
    ("sctp.dstport", "dport"),
    ("dst_port", "dport"),
    ("dest_port", "dport"),
    ("rport", "dport"),
    ("proto", "protocol"),
    ("task", "comm"),
];
/// Names of time columns.
pub(super) const TIMES: [&str; 6] =
    ["ts", "time", "time(s)", "ts(s)", "timestamp", "frame.time_epoch"];
