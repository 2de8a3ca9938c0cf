//! Tables of accepted and refused arguments.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, sync::Arc, time::Duration};

use clap::Parser as _;
use proptest::prelude::*;

use super::{lookup, parse, ports, *};
use crate::{
    cli::{Cli, Command},
    host::mounts::cgroup2_mount,
    model::{
        Assignment, Comm, Family, Filter, FlowKey, Origin, PortRange,
        escape::is_unsafe,
        filter::{Cgroup, Network},
        task_names::Names,
    },
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

fn network(text: &str) -> Network {
    parse::network("--dst", text).unwrap()
}

#[test]
fn defaults_keep_all() {
    let TraceSettings { filter, hook, ring_bytes, view, count, duration, output, .. } =
        settings("").unwrap();
    let expected =
        Filter { origins: all_origins(), explicit_failed_only: true, ..Filter::default() };
    assert_eq!(filter, expected);
    assert_eq!((hook, ring_bytes, count, duration, output), (None, 8 << 20, None, None, None));
    assert_eq!(view, View::default());
}

#[test]
fn values_fill_their_lists() {
    let own = std::process::id();
    let others = "-u 1000 -c nginx -P 80,8000-8100 -L 40000 -6 --min-latency 1.5ms";
    let filter = settings(&format!("-p 1,{own} {others}")).unwrap().filter;
    let expected = Filter {
        pids: [1, own].into(),
        uids: [1000].into(),
        comms: vec![Comm::new("nginx")],
        dports: vec![PortRange::new(80, 80), PortRange::new(8000, 8100)],
        lports: vec![PortRange::new(40_000, 40_000)],
        family: Some(Family::V6),
        min_latency: Some(Duration::from_micros(1500)),
        origins: all_origins(),
        explicit_failed_only: true,
        ..Filter::default()
    };
    assert_eq!(filter, expected);
}

#[test]
fn both_families_are_all() {
    for (line, family) in
        [("-4", Some(Family::V4)), ("-6", Some(Family::V6)), ("-4 -6", None), ("", None)]
    {
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
    assert_eq!(settings("-o json").unwrap().format, Format::Json);
}

proptest! {
    #[test]
    fn a_network_holds_its_addresses(bits: u128, length in 0u32..=128) {
        let addr = std::net::Ipv6Addr::from_bits(bits);
        let (_, whole) = network(&addr.to_string()).to_bits();
        prop_assert_eq!(whole, u128::MAX);
        let net = network(&format!("{addr}/{length}"));
        let (first, mask) = net.to_bits();
        prop_assert_eq!(bits & mask, first);
        prop_assert_eq!((mask.leading_ones(), mask.count_ones()), (length, length));
        prop_assert!(net.contains(addr.into()));
        if length > 0 {
            let outside = std::net::Ipv6Addr::from_bits(bits ^ 1 << (128 - length));
            prop_assert!(!net.contains(outside.into()));
        }
    }

    #[test]
    fn nothing_that_is_typed_panics(text in "\\PC{0,20}") {
        let _ = ports::ports("-P", &text);
        let _ = parse::network("--dst", &text);
        let _ = parse::comm("-c", &text);
        let _ = parse::duration("--duration", &text);
        let _ = parse::ring_bytes("--ring-size", &text);
        let _ = cgroup2_mount(text.as_bytes());
    }

    #[test]
    fn ports_as_written(a: u16, b: u16) {
        let range = PortRange::new(a.min(b), a.max(b));
        let text = range.to_string();
        prop_assert_eq!(ports::ports("-P", &text).unwrap(), range);
    }
}

#[test]
fn times_as_people_type_them() {
    for (text, ms) in [
        ("10", 10_000),
        ("0.5", 500),
        ("10s", 10_000),
        ("10 s", 10_000),
        ("250ms", 250),
        ("100000us", 100),
        ("1h30m", 5_400_000),
        ("1h 30m", 5_400_000),
        ("2m 30s", 150_000),
        ("1.5h", 5_400_000),
        ("1d", 86_400_000),
        ("1.5d", 129_600_000),
        ("1d12h", 129_600_000),
        ("1w", 604_800_000),
    ] {
        assert_eq!(parse::time(text), Some(Duration::from_millis(ms)), "{text}");
    }
    assert_eq!(parse::time("0"), Some(Duration::ZERO));
    for text in ["", "s", "-1", "-1s", "1h ago", "x", "nan", "inf", "1e300", "1e18", "1mo", "101y"]
    {
        assert_eq!(parse::time(text), None, "{text}");
    }
}

#[test]
fn each_option_that_takes_a_time_takes_all_of_its_forms() {
    for (text, seconds) in [("10", 10), ("90s", 90), ("1h30m", 5400), ("1d", 86_400)] {
        let time = Some(Duration::from_secs(seconds));
        assert_eq!(settings(&format!("--duration {text}")).unwrap().duration, time);
        assert_eq!(settings(&format!("--min-latency {text}")).unwrap().filter.min_latency, time);
    }
}

#[test]
fn services_by_name() {
    // Container images may lack the list.
    if !Path::new("/etc/services").exists() {
        return;
    }
    let filter = settings("-P https,8000-8100 -L http-alt").unwrap().filter;
    assert_eq!(filter.dports, [PortRange::new(443, 443), PortRange::new(8000, 8100)]);
    assert_eq!(filter.lports, [PortRange::new(8080, 8080)]);
}

#[test]
fn sizes_of_the_ring() {
    for (text, bytes) in [
        ("1", MIN_RING_BYTES),
        ("64K", 64 << 10),
        ("65537", 128 << 10),
        ("3M", 4 << 20),
        ("1024m", MAX_RING_BYTES),
        ("64k", 64 << 10),
        ("0.5GiB", 512 << 20),
    ] {
        assert_eq!(parse::ring_bytes("--ring-size", text).unwrap(), bytes, "{text}");
    }
}

#[test]
fn modes_of_new_files() {
    for (text, mode) in [("640", 0o640), ("0600", 0o600), ("666", 0o666), ("0", 0), ("4", 4)] {
        assert_eq!(parse::mode("--mode", text).unwrap(), mode, "{text}");
    }
    for text in ["", "+640", "-1", "0x1a", "648", "rw-r--r--", "755", "1666", "00640", " 640"] {
        let error = parse::mode("--mode", text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("invalid value '{text}' for '--mode': expected")),
            "{error}"
        );
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
        "-P 70000",
        "-L no-such-service",
        "--dst [::1]:443",
        "--min-latency soon",
        "--duration 0s",
        "--duration 1h30",
        "--ring-size 1025M",
        "--max-memory much",
        "--max-memory 95M",
        "--max-memory 99999999999G",
        "--output f --mode 755",
        "--origin nat",
        "-u no-such-user-here",
        "--netns no-such-netns",
        "--netns /dev/null",
        "--netns /no/such/path",
        "-p 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
        "--dst ::1,::2,::3,::4,::5,::6,::7,::8,::9",
    ];
    let all: Vec<String> = words.iter().map(|line| refused(line)).collect();
    insta::assert_snapshot!(all.join("\n"), @"
    invalid value '80-' for '--port': expected two ports from 1 to 65535, such as 8000-8100
    invalid value '90-80' for '--port': the range is empty; try 80-90
    invalid value '65536' for '--port': expected 1 to 65535
    invalid value '10.0.0.0/33' for '--dst': expected a prefix length from 0 to 32
    invalid value 'example.org' for '--src': expected an address, or a network such as 10.0.0.0/8 or 2001:db8::/32
    invalid value 'a-name-that-is-too-long' for '--comm': the kernel keeps only 15 bytes of a name; try 'a-name-that-is-'
    invalid value '70000' for '--port': expected 1 to 65535
    invalid value 'no-such-service' for '--lport': expected a port (443), a range (8000-8100) or a service (https); /etc/services has no such service
    invalid value '[::1]:443' for '--dst': expected an address without a port; use ::1, and --port 443 for the destination port
    invalid value 'soon' for '--min-latency': expected a time such as 10 (seconds), 100us, 1.5h, 1h30m or 1d, up to 100 years
    invalid value '0s' for '--duration': expected more than 0
    invalid value '1h30' for '--duration': expected a time such as 10 (seconds), 100us, 1.5h, 1h30m or 1d, up to 100 years
    invalid value '1025M' for '--ring-size': expected a size up to 1024M, such as 64k or 8M
    invalid value 'much' for '--max-memory': expected a size such as 512M or 2GiB
    invalid value '95M' for '--max-memory': expected at least 96M, because ephtrace itself needs most of that
    invalid value '99999999999G' for '--max-memory': expected a size such as 512M or 2GiB
    invalid value '755' for '--mode': expected up to three octal digits for owner, group and others (4 read, 2 write, 6 both), such as 640
    invalid value 'nat' for '--origin': no hook sees a NAT choose; `conntrack -E -e NEW -o timestamp` does, and `trace --from` reads its text
    invalid value 'no-such-user-here' for '--uid': not in /etc/passwd; `id -u NAME` prints the number of any user; use that
    invalid value 'no-such-netns' for '--netns': no /run/netns/no-such-netns; `ip netns list` shows the names; a path such as /proc/PID/ns/net also works
    invalid value '/dev/null' for '--netns': /dev/null is not a namespace; use a path such as /proc/PID/ns/net or /run/netns/NAME
    invalid value '/no/such/path' for '--netns': no /no/such/path; use a path such as /proc/PID/ns/net or /run/netns/NAME
    too many values for '--pid': expected at most 16, not 17; use a cgroup, which can hold any number
    too many values for '--dst': expected at most 8, not 9; merge networks into shorter prefixes
    ");
}

#[test]
fn what_was_typed_moves_no_cursor() {
    let bad = "\u{1b}]0;x\u{7}\u{202e}";
    for line in [
        "-P %",
        "--dst %",
        "-u %",
        "--netns %",
        "--netns /%",
        "--cgroup %",
        "--container %",
        "--pod %",
        "--namespace %",
        "--unit %",
    ] {
        let error = refused(&line.replace('%', bad));
        assert!(!error.chars().any(is_unsafe) && error.contains(r"\u{1b}]0;x"), "{error:?}");
    }
}

#[test]
fn a_recording_takes_any_number_of_values() {
    let networks = (1..=9).map(|n| format!("10.0.0.{n}")).collect::<Vec<_>>().join(",");
    assert!(settings(&format!("--dst {networks}")).is_err());
    let filter = settings(&format!("--from f --dst {networks}")).unwrap().filter;
    assert_eq!(filter.dst.len(), 9);
    assert!(settings("--from f --cgroup /").is_err(), "which are below it is not recorded");
}

fn curl() -> Assignment {
    Assignment {
        pid: Some(42),
        uid: Some(1000),
        comm: Some(Comm::new("curl")),
        container: Some("3f8a9c0d1e2b".into()),
        names: Some(Arc::new(Names {
            container_name: Some("nginx".into()),
            image: None,
            pod: Some("web-0".into()),
            pod_namespace: Some("shop".into()),
            unit: Some("nginx.service".into()),
        })),
        flow: FlowKey {
            netns: Some(7),
            saddr: [10, 0, 0, 1].into(),
            daddr: Some([10, 0, 1, 2].into()),
            dport: Some(443),
        },
        origin: Some(Origin::Connect),
        sport: Some(40_000),
        latency_ns: Some(2000),
        ..Assignment::default()
    }
}

fn is_kept(line: &str, assignment: &Assignment) -> bool {
    settings(&format!("--from f {line}")).unwrap().filter.matches(assignment)
}

#[test]
fn each_filter_keeps_what_it_names_and_drops_the_rest() {
    let table = [
        ("-p 41,42", "-p 41"),
        ("-u 1000", "-u 0"),
        ("-c curl", "-c cur"),
        ("-P 80,400-500", "-P 444"),
        ("-L 40000", "-L 40001-65535"),
        ("--dst 10.0.0.0/16", "--dst 10.0.2.0/24"),
        ("--src 10.0.0.1", "--src ::1"),
        ("--netns 7", "--netns 8"),
        ("--container nginx", "--container web"),
        ("--container 3f8a", "--container 3f8b"),
        ("--pod web-0", "--pod web"),
        ("--pod shop/web-0", "--pod default/web-0"),
        ("--namespace shop,x", "--namespace web-0"),
        ("--unit nginx", "--unit ssh"),
        ("-4", "-6"),
        ("--origin connect", "--origin udp"),
        ("--min-latency 2us", "--min-latency 3us"),
        ("", "-x"),
    ];
    for (keeps_it, drops_it) in table {
        assert!(is_kept(keeps_it, &curl()), "{keeps_it}");
        assert!(!is_kept(drops_it, &curl()), "{drops_it}");
    }
}

#[test]
fn what_is_unknown_passes_no_filter_that_asks_for_it() {
    let unknown = Assignment::default();
    assert!(is_kept("", &unknown));
    for line in [
        "-p 1",
        "-u 0",
        "-c a",
        "--pod a",
        "--unit a",
        "--netns 1",
        "--origin connect",
        "--min-latency 1ns",
        "-L 1",
    ] {
        assert!(!is_kept(line, &unknown), "{line}");
    }
    assert!(is_kept("-x", &unknown));
}

#[test]
fn namespaces_by_number_and_path() {
    let inode = fs::metadata("/proc/self/ns/net").unwrap().ino();
    for line in ["--netns /proc/self/ns/net".to_owned(), format!("--netns {inode}")] {
        let filter = settings(&line).unwrap().filter;
        assert_eq!(filter.netns.into_iter().map(u64::from).collect::<Vec<_>>(), [inode]);
    }
}

#[test]
fn users_by_name() {
    assert_eq!(settings("-u root,7").unwrap().filter.uids, [0, 7].into());
}

#[test]
fn cgroups_by_path() {
    let mounts = fs::read("/proc/self/mounts").unwrap();
    // Only if this test sees the whole hierarchy.
    let Some(mount) = cgroup2_mount(&mounts) else { return };
    if fs::metadata(&mount).unwrap().ino() != 1 {
        return;
    }
    let root = Cgroup { id: 1, level: 0 };
    for path in [Path::new("/"), &mount] {
        assert_eq!(lookup::cgroup(path).unwrap(), root, "{}", path.display());
    }
    assert!(lookup::cgroup(Path::new("no/such")).is_err());
    for path in ["../..", "/proc"] {
        let error = lookup::cgroup(Path::new(path)).unwrap_err().to_string();
        assert!(error.contains("is not inside"), "{error}");
    }
}
