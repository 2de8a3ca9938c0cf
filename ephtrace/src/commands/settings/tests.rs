//! Tables of what is understood and what is refused.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use clap::Parser as _;
use proptest::prelude::*;

use ephtrace_common::{Cidr, PortSpan};

use super::{lookup, parse, *};
use crate::{
    cli::{Cli, Command},
    output::{Format, View},
    pipeline::settings::{MAX_RING_BYTES, MIN_RING_BYTES, TraceSettings},
};

fn settings(line: &str) -> Result<TraceSettings, UsageError> {
    let words = format!("ephtrace {line}");
    let command = Cli::parse_from(words.split_whitespace()).into_command();
    let Command::Trace(args) = command else { panic!("not trace") };
    TraceSettings::try_from(args)
}

fn refused(line: &str) -> String {
    settings(line).expect_err(line).to_string()
}

fn cidr(text: &str) -> Cidr {
    parse::cidr("--dst", text).unwrap()
}

fn network(bytes: [u8; 16]) -> [u64; 2] {
    zerocopy::transmute!(bytes)
}

#[test]
fn defaults_keep_all() {
    let TraceSettings { mut filter, hook, ring_bytes, view, count, duration, output, .. } =
        settings("").unwrap();
    assert_eq!(filter.origins, 0b1111_1110, "all");
    assert_eq!(filter.explicit_failed_only, 1, "ports that programs name: failures alone");
    (filter.origins, filter.explicit_failed_only) = (0, 0);
    assert!(zerocopy::IntoBytes::as_bytes(&filter).iter().all(|&byte| byte == 0));
    assert_eq!((hook, ring_bytes, count, duration, output), (None, 8 << 20, None, None, None));
    assert_eq!(view, View::default());
}

#[test]
fn values_fill_their_lists() {
    let filter =
        settings("-p 7,8 -u 1000 -c nginx -P 80,8000-8100 -L 40000 -6 --min-latency 1.5ms")
            .unwrap()
            .filter;
    assert_eq!((filter.pid_count, &filter.pids[..3]), (2, &[7, 8, 0][..]));
    assert_eq!((filter.uid_count, filter.uids[0]), (1, 1000));
    assert_eq!((filter.comm_count, &filter.comms[0]), (1, b"nginx\0\0\0\0\0\0\0\0\0\0\0"));
    assert_eq!(filter.dport_count, 2);
    assert_eq!(filter.dports[1], PortSpan { low: 8000, high: 8100 });
    assert_eq!(filter.lports[0], PortSpan { low: 40_000, high: 40_000 });
    assert_eq!((filter.family, filter.failed_only, filter.min_latency_ns), (6, 0, 1_500_000));
}

#[test]
fn both_families_are_all() {
    for (line, family) in [("-4", 4), ("-6", 6), ("-4 -6", 0), ("", 0)] {
        assert_eq!(settings(line).unwrap().filter.family, family);
    }
}

#[test]
fn views() {
    for (line, since_start, wall_clock) in
        [("", true, false), ("-t", true, false), ("-T", false, true), ("-t -T", true, true)]
    {
        let view = settings(line).unwrap().view;
        assert_eq!((view.since_start, view.wall_clock), (since_start, wall_clock), "{line}");
    }
    assert_eq!(settings("-o json").unwrap().view.format, Format::Json);
}

#[test]
fn networks() {
    let ones = |n: usize| -> [u8; 16] { std::array::from_fn(|i| if i < n { 0xff } else { 0 }) };
    let v4 = |a, b, c, d| network([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]);
    for (text, addr, mask) in [
        ("10.0.0.0/8", v4(10, 0, 0, 0), ones(13)),
        ("10.1.2.3/8", v4(10, 0, 0, 0), ones(13)),
        ("10.1.2.3", v4(10, 1, 2, 3), ones(16)),
        ("0.0.0.0/0", v4(0, 0, 0, 0), ones(12)),
        ("::ffff:10.0.0.0/104", v4(10, 0, 0, 0), ones(13)),
        ("::/0", [0, 0], ones(0)),
        ("fe80::1/64", network([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), ones(8)),
    ] {
        assert_eq!(cidr(text), Cidr { addr, mask: network(mask) }, "{text}");
    }
}

proptest! {
    #[test]
    fn a_network_holds_its_addresses(bits: u128, length in 0u32..=128) {
        let addr = std::net::Ipv6Addr::from_bits(bits);
        let whole = cidr(&addr.to_string());
        let net = cidr(&format!("{addr}/{length}"));
        prop_assert_eq!([whole.addr[0] & net.mask[0], whole.addr[1] & net.mask[1]], net.addr);
        let ones = net.mask[0].count_ones() + net.mask[1].count_ones();
        prop_assert_eq!(ones, length);
    }

    #[test]
    fn nothing_that_is_typed_panics(text in "\\PC{0,20}") {
        let _ = parse::ports("-P", &text);
        let _ = parse::cidr("--dst", &text);
        let _ = parse::comm("-c", &text);
        let _ = parse::duration("--duration", &text);
        let _ = parse::ring_bytes("--ring-size", &text);
        let _ = lookup::cgroup2_mount(text.as_bytes());
    }

    #[test]
    fn ports_as_written(a: u16, b: u16) {
        let span = PortSpan { low: a.min(b), high: a.max(b) };
        let text = format!("{}-{}", span.low, span.high);
        prop_assert_eq!(parse::ports("-P", &text).unwrap(), span);
    }
}

#[test]
fn sizes_of_the_ring() {
    for (text, bytes) in [
        ("1", MIN_RING_BYTES),
        ("64K", 64 << 10),
        ("65537", 128 << 10),
        ("3M", 4 << 20),
        ("1024m", MAX_RING_BYTES),
    ] {
        assert_eq!(parse::ring_bytes("--ring-size", text).unwrap(), bytes, "{text}");
    }
}

#[test]
fn what_is_refused_says_why() {
    let words = [
        "-P 80-",
        "-P 90-80",
        "-P 65536",
        "--dst 10.0.0.0/33",
        "--src example.org",
        "-c a-name-that-is-too-long",
        "--min-latency 100",
        "--duration 0s",
        "--ring-size 1025M",
        "-u no-such-user-here",
        "--netns no-such-netns",
        "--netns /dev/null",
        "--netns /no/such/path",
        "-p 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
        "--dst ::1,::2,::3,::4,::5,::6,::7,::8,::9",
    ];
    let all: Vec<String> = words.iter().map(|line| refused(line)).collect();
    insta::assert_snapshot!(all.join("\n"), @r##"
    '80-' is no value for --port: it takes a port (80) or a range (8000-8100), each from 0 to 65535
    '90-80' is no value for --port: the range is empty; 80-90?
    '65536' is no value for --port: it takes a port (80) or a range (8000-8100), each from 0 to 65535
    '10.0.0.0/33' is no value for --dst: the prefix length is a number from 0 to 32
    'example.org' is no value for --src: it takes an address, or a network such as 10.0.0.0/8 or 2001:db8::/32
    'a-name-that-is-too-long' is no value for --comm: the kernel keeps 15 bytes of a name; try 'a-name-that-is-'
    '100' is no value for --min-latency: it takes a number with its unit, such as 100us, 1ms, 30s or 5m
    '0s' is no value for --duration: it must be more than nothing
    '1025M' is no value for --ring-size: it takes a number of bytes up to 1024M, with or without suffix K or M
    --uid no-such-user-here: not in /etc/passwd; `id -u NAME` tells the number of any user; give that
    --netns no-such-netns: no /run/netns/no-such-netns; `ip netns list` shows the names; a path such as /proc/PID/ns/net does too
    --netns /dev/null: /dev/null is no namespace; a path such as /proc/PID/ns/net or /run/netns/NAME does
    --netns /no/such/path: no /no/such/path; a path such as /proc/PID/ns/net or /run/netns/NAME does
    --pid takes at most 16 values, not 17: a cgroup can hold any number
    --dst takes at most 8 values, not 9: join networks to shorter prefixes
    "##);
}

#[test]
fn namespaces_by_number_and_path() {
    let inode = fs::metadata("/proc/self/ns/net").unwrap().ino();
    for line in ["--netns /proc/self/ns/net".to_owned(), format!("--netns {inode}")] {
        let filter = settings(&line).unwrap().filter;
        assert_eq!((filter.netns_count, u64::from(filter.netns[0])), (1, inode));
    }
}

#[test]
fn users_by_name() {
    assert_eq!(settings("-u root,7").unwrap().filter.uids[..2], [0, 7]);
}

#[test]
fn cgroups_by_path() {
    let mounts = fs::read("/proc/self/mounts").unwrap();
    // Only where this test may look at the whole hierarchy.
    let Some(mount) = lookup::cgroup2_mount(&mounts) else { return };
    if fs::metadata(&mount).unwrap().ino() != 1 {
        return;
    }
    let root = lookup::Cgroup { id: 1, level: 0 };
    for path in [Path::new("/"), &mount] {
        assert_eq!(lookup::cgroup(path).unwrap(), root, "{}", path.display());
    }
    assert!(lookup::cgroup(Path::new("no/such")).is_err());
    for path in ["../..", "/proc"] {
        let error = lookup::cgroup(Path::new(path)).unwrap_err().to_string();
        assert!(error.contains("is not inside"), "{error}");
    }
}
