//! Lines as the tools print them, with other addresses.

use std::io::Cursor;

use proptest::prelude::*;

use crate::{
    model::{Assignment, LeftOut, Origin, Protocol},
    replay::{Format, Item, Recording},
};

mod other_forms;

/// Contents of a log: assignments, broken lines, packets by kind.
struct Read {
    rows: Vec<Assignment>,
    broken: Vec<String>,
    left_out: LeftOut,
    notes: String,
    instead: String,
}

fn read(text: &str) -> Read {
    let mut recording = Recording::from_reader("log", Cursor::new(text.to_owned())).unwrap();
    assert_eq!(recording.format(), Format::Log, "{text}");
    let (mut rows, mut broken) = (Vec::new(), Vec::new());
    for item in recording.by_ref() {
        match item.unwrap() {
            Item::Assignment(assignment) => rows.push(assignment),
            Item::Broken(what) => broken.push(what.to_string()),
        }
    }
    let (left_out, notes) = (recording.left_out(), recording.notes().join("\n"));
    Read { rows, broken, left_out, notes, instead: recording.instead().unwrap_or_default() }
}

/// Formats each assignment as a line.
fn told(rows: &[Assignment]) -> String {
    let line = |a: &Assignment| {
        let to = a.flow.daddr.zip(a.flow.dport).map(|(daddr, dport)| format!("{daddr} {dport}"));
        let protocol = a.protocol.map_or("?", Protocol::name);
        let sport = a.sport.map_or("-".to_owned(), |port| port.to_string());
        let comm = a.comm.as_ref().map_or("", |comm| comm.as_str());
        format!(
            "{} {protocol} {} {sport} > {} {comm}",
            a.ts_ns,
            a.flow.saddr,
            to.unwrap_or_default()
        )
    };
    rows.iter().map(|row| line(row).trim_end().to_owned() + "\n").collect()
}

const ZEEK: &str = "#separator \\x09
#set_separator\t,
#empty_field\t(empty)
#unset_field\t-
#path\tconn
#open\t2026-01-01-00-00-00
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\t\
conn_state\thistory
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tstring
1361916332.020006\tCB\t10.0.0.5\t59856\t192.0.2.43\t80\ttcp\thttp\t0.2\tSF\tShADadfF
1361916331.5\tC1\t10.0.0.5\t59858\t192.0.2.43\t80\ttcp\t-\t-\tOTH\tDd
1361916333.000000001\tC2\t2001:db8::1\t40000\t2001:db8::2\t53\tudp\tdns\t-\tSF\tDd
1361916334\tC3\t10.0.0.1\t8\t10.0.0.2\t0\ticmp\t-\t-\tOTH\t-
#close\t2026-01-01-00-00-00
";

#[test]
fn zeek_s_connections_are_read_but_for_those_that_had_begun() {
    let read = read(ZEEK);
    insta::assert_snapshot!(told(&read.rows), @"
    1361916332020006000 tcp 10.0.0.5 59856 > 192.0.2.43 80
    1361916333000000001 udp 2001:db8::1 40000 > 2001:db8::2 53
    ");
    assert!(read.broken.is_empty(), "{:?}", read.broken);
    insta::assert_snapshot!(read.notes, @"read as a Zeek connection log: it does not tell whether the kernel chose a port");
}

#[test]
fn other_logs_of_zeek_s_have_connections_twice() {
    let header = "# saved by somebody\n#separator \\x09\n#path\tweird\n";
    let fields = "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tname\n";
    let row = "1.5\tC1\t10.0.0.5\t59858\t192.0.2.43\t80\tbad_TCP_checksum\n";
    let read = read(&[header, fields, row].concat());
    assert!(read.rows.is_empty());
    insta::assert_snapshot!(read.instead, @"it is a Zeek log other than conn.log, and none of its lines shows the start of a connection (lines: 4)");
    let conn = "#fields\tts\tid_orig_h\tid_orig_p\tid_resp_h\tid_resp_p\tconn_state\n";
    let row = "1.5\t10.0.0.5\t59858\t192.0.2.43\t80\tSF\n";
    assert_eq!(self::read(&[conn, row].concat()).rows.len(), 1);
}

#[test]
fn a_table_of_packets_of_tshark_s_counts_connections() {
    let text = "frame.time_epoch\tip.src\ttcp.srcport\tip.dst\ttcp.dstport\ttcp.flags.syn\t\
tcp.flags.ack\ttcp.seq_raw\tudp.srcport\tudp.dstport
1700000000.000000001\t10.0.0.1\t40000\t10.0.0.2\t443\t1\t0\t77\t\t
1700000000.1\t10.0.0.2\t443\t10.0.0.1\t40000\tTrue\tTrue\t9\t\t
1700000000.2\t10.0.0.1\t40000\t10.0.0.2\t443\t0\t1\t78\t\t
1700000001.0\t10.0.0.1\t40000\t10.0.0.2\t443\t1\t0\t77\t\t
1700000002.0\t10.0.0.1\t\t10.0.0.2\t\t\t\t\t40001\t53
1700000002.1\t10.0.0.2\t\t10.0.0.1\t\t\t\t\t53\t40001
1700000003.0\t192.0.2.1,10.0.0.1\t40002\t192.0.2.2,10.0.0.2\t443\t1\t0\t80\t\t
1700000004.0\t\t\t\t\t\t\t\t\t
";
    let read = read(text);
    insta::assert_snapshot!(told(&read.rows), @"
    1700000000000000001 tcp 10.0.0.1 40000 > 10.0.0.2 443
    1700000002000000000 udp 10.0.0.1 40001 > 10.0.0.2 53
    1700000003000000000 tcp 10.0.0.1 40002 > 10.0.0.2 443
    ");
    assert!(read.broken.is_empty(), "{:?}", read.broken);
    assert_eq!((read.left_out.repeated, read.left_out.packets.mid_stream), (1, 1));
}

#[test]
fn a_table_of_packets_without_flags_counts_flows() {
    let text = "frame.time_epoch,ip.src,tcp.srcport,ip.dst,tcp.dstport
1700000000.1,10.0.0.1,40000,10.0.0.2,443
1700000000.2,10.0.0.2,443,10.0.0.1,40000
1700000000.3,10.0.0.1,40000,10.0.0.2,443
1700000000.4,10.0.0.1,40002,10.0.0.2,443
";
    insta::assert_snapshot!(told(&read(text).rows), @"
    1700000000100000000 tcp 10.0.0.1 40000 > 10.0.0.2 443
    1700000000400000000 tcp 10.0.0.1 40002 > 10.0.0.2 443
    ");
}

#[test]
fn packets_without_sequence_numbers_are_told_apart_by_what_lies_between() {
    let text =
        "frame.time_epoch\tip.src\ttcp.srcport\tip.dst\ttcp.dstport\ttcp.flags.syn\ttcp.flags.ack
1700000000\t10.0.0.1\t40000\t10.0.0.2\t443\t1\t0
1700000000.1\t10.0.0.3\t40000\t10.0.0.2\t443\t1\t0
1700000001\t10.0.0.1\t40000\t10.0.0.2\t443\t1\t0
1700000001.1\t10.0.0.2\t443\t10.0.0.1\t40000\t1\t1
1700000001.2\t10.0.0.1\t40000\t10.0.0.2\t443\t0\t1
1700000004\t10.0.0.1\t40000\t10.0.0.2\t443\t1\t0
1700000500\t10.0.0.1\t40000\t10.0.0.2\t443\t1\t0
";
    let read = read(text);
    insta::assert_snapshot!(told(&read.rows), @"
    1700000000000000000 tcp 10.0.0.1 40000 > 10.0.0.2 443
    1700000000100000000 tcp 10.0.0.3 40000 > 10.0.0.2 443
    1700000004000000000 tcp 10.0.0.1 40000 > 10.0.0.2 443
    1700000500000000000 tcp 10.0.0.1 40000 > 10.0.0.2 443
    ");
    let others: Vec<bool> = read.rows.iter().map(|row| row.is_another).collect();
    assert_eq!(others, [false, false, true, false]);
    assert_eq!((read.left_out.repeated, read.left_out.translated), (1, 0));
}

#[test]
fn ephtrace_s_own_csv_is_read_as_it_was() {
    let text = r#"ts,ts_ns,pid,tid,comm,uid,netns,saddr,sport,daddr,dport,errno,protocol,origin,range_low,range_high
2026-01-01T00:00:00Z,1767225600000000007,5,5,"a, b",0,9,10.0.0.1,40000,10.0.0.2,443,0,tcp,connect,32768,60999
2026-01-01T00:00:00Z,1767225600000000008,5,5,curl,0,9,10.0.0.1,,10.0.0.2,443,99,tcp,connect,32768,60999
"#;
    let read = read(text);
    insta::assert_snapshot!(told(&read.rows), @"
    1767225600000000007 tcp 10.0.0.1 40000 > 10.0.0.2 443 a, b
    1767225600000000008 tcp 10.0.0.1 - > 10.0.0.2 443 curl
    ");
    let [one, failed] = read.rows.as_slice() else { panic!("{:?}", read.broken) };
    assert_eq!((one.pid, one.flow.netns, failed.errno), (Some(5), Some(9), Some(99)));
    assert_eq!(one.range.map(|range| (range.ports.low, range.ports.high)), Some((32_768, 60_999)));
}

#[test]
fn tables_of_bcc_are_read_with_spaces_in_names() {
    let tcpconnect = "PID    COMM         IP SADDR            LPORT  DADDR            DPORT
1479   telnet       4  127.0.0.1        40000  127.0.0.1        23
1469   Web Content  4  10.201.219.236   40002  54.245.105.25    80
1991   telnet       6  ::1              40004  ::1              23
";
    let first = read(tcpconnect);
    insta::assert_snapshot!(told(&first.rows), @"
    1 ? 127.0.0.1 40000 > 127.0.0.1 23 telnet
    2 ? 10.201.219.236 40002 > 54.245.105.25 80 Web Content
    3 ? ::1 40004 > ::1 23 telnet
    ");
    insta::assert_snapshot!(first.notes, @"read as a table of connections: it does not tell whether the kernel chose a port or when");
    let tcptracer = "Tracing TCP established connections. Ctrl-C to end.
T  PID    COMM             IP SADDR            DADDR            SPORT  DPORT
C  28943  telnet           4  192.168.1.2      192.168.1.1      59306  23
A  28942  ncat             4  127.0.0.1        127.0.0.1        9000   59307
X  28943  telnet           4  192.168.1.2      192.168.1.1      59306  23
";
    insta::assert_snapshot!(told(&read(tcptracer).rows), @"1 ? 192.168.1.2 59306 > 192.168.1.1 23 telnet");
}

#[test]
fn text_of_tcpdump_is_read_with_any_time() {
    let text =
        "23:59:59.900000 IP 10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 77, win 64240, length 0
23:59:59.950000 IP 10.0.0.2.443 > 10.0.0.1.40000: Flags [S.], seq 9, ack 78, win 65160, length 0
00:00:00.100000 IP 10.0.0.1.40000 > 10.0.0.2.443: Flags [.], ack 1, win 502, length 0
00:00:01.000000 IP 10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 77, win 64240, length 0
00:00:02.000000 eth0  Out IP6 2001:db8::1.40001 > 2001:db8::2.53: 1234+ A? example.com. (28)
00:00:03.000000 IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 1, seq 1, length 64
00:00:04.000000 ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28
\t0x0000:  4500 003c 0000 4000 4006 0000 0a00 0001  E..<..@.@.......
00:00:05.000000 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)
    10.0.0.1.40004 > 10.0.0.2.443: Flags [S], seq 80, win 64240, length 0
";
    let read = read(text);
    insta::assert_snapshot!(told(&read.rows), @"
    86399900000000 tcp 10.0.0.1 40000 > 10.0.0.2 443
    86402000000000 udp 2001:db8::1 40001 > 2001:db8::2 53
    86405000000000 tcp 10.0.0.1 40004 > 10.0.0.2 443
    ");
    assert!(read.broken.is_empty(), "{:?}", read.broken);
    assert_eq!((read.left_out.repeated, read.left_out.packets.mid_stream), (1, 1));
    let numbered = "    1  00:00:01.5 IP 10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 1, length 0
    2  IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)
    10.0.0.1.40004 > 10.0.0.2.443: Flags [S], seq 80, win 64240, length 0
";
    assert_eq!(self::read(numbered).rows.len(), 2);
    let with_link = "00:00:01.5 00:00:5e:00:53:01 > 00:00:5e:00:53:02, ethertype IPv4 (0x0800), \
                     length 74: 10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 1, length 0\n";
    assert_eq!(self::read(with_link).rows[0].sport, Some(40_000));
    assert_eq!(self::read("IP 10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 1\n").rows.len(), 1);
    for time in ["1700000000.000001", "2023-11-14 22:13:20.000001", "0.000001"] {
        let line = format!("{time} IP 10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 1\n");
        assert_eq!(self::read(&line).rows[0].ts_ns % 1_000_000_000, 1_000, "{time}");
    }
}

#[test]
fn names_in_place_of_addresses_are_said() {
    let read = read("1.5 IP host.40000 > server.https: Flags [S], seq 1\n");
    insta::assert_snapshot!(read.broken.join("\n"), @"line 1: 'host.40000' is a name, not an address with a port: use `tcpdump -nn`");
    assert!(read.rows.is_empty());
}

#[test]
fn events_of_conntrack_count_once_and_a_nat_s_choice_is_of_an_origin_of_its_own() {
    let text = r"[1700000000.000007]	    [NEW] tcp      6 120 SYN_SENT src=10.0.0.1 dst=192.0.2.1 sport=40000 dport=443 [UNREPLIED] src=192.0.2.1 dst=198.51.100.7 sport=443 dport=1024
[1700000000.1]	 [UPDATE] tcp      6 60 SYN_RECV src=10.0.0.1 dst=192.0.2.1 sport=40000 dport=443 src=192.0.2.1 dst=198.51.100.7 sport=443 dport=1024
[1700000001.0]	    [NEW] udp      17 30 src=10.0.0.1 dst=192.0.2.1 sport=40001 dport=53 [UNREPLIED] src=192.0.2.1 dst=198.51.100.7 sport=53 dport=40001
[1700000002.0]	    [NEW] icmp     1 30 src=10.0.0.1 dst=192.0.2.1 type=8 code=0 id=1 [UNREPLIED] src=192.0.2.1 dst=10.0.0.1 type=0 code=0 id=1
[1700000003.0]	[DESTROY] udp      17 src=10.0.0.1 dst=192.0.2.1 sport=40001 dport=53
";
    let read = read(text);
    insta::assert_snapshot!(told(&read.rows), @"
    1700000000000007000 tcp 10.0.0.1 40000 > 192.0.2.1 443
    1700000000000007000 tcp 198.51.100.7 1024 > 192.0.2.1 443
    1700000001000000000 udp 10.0.0.1 40001 > 192.0.2.1 53
    ");
    let origins: Vec<_> = read.rows.iter().map(|row| row.origin).collect();
    assert_eq!(origins, [None, Some(Origin::Nat), None]);
    assert_eq!((read.left_out.translated, read.left_out.translated_kept_port), (2, 1));
}

#[test]
fn a_list_of_conntrack_has_connections_in_no_order() {
    let text = r"tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=192.0.2.1 sport=40000 dport=443 src=192.0.2.1 dst=198.51.100.7 sport=443 dport=1025 [ASSURED] mark=0 use=1
ipv4     2 tcp      6 117 TIME_WAIT src=10.0.0.1 dst=192.0.2.1 sport=40002 dport=443 src=192.0.2.1 dst=10.0.0.1 sport=443 dport=40002 [ASSURED] mark=0 use=1
icmp     1 29 src=10.0.0.1 dst=192.0.2.1 type=8 code=0 id=1 src=192.0.2.1 dst=10.0.0.1 type=0 code=0 id=1 mark=0 use=1
";
    let read = read(text);
    insta::assert_snapshot!(told(&read.rows), @"
    1 tcp 10.0.0.1 40000 > 192.0.2.1 443
    1 tcp 198.51.100.7 1025 > 192.0.2.1 443
    2 tcp 10.0.0.1 40002 > 192.0.2.1 443
    ");
    insta::assert_snapshot!(read.notes, @"read as a conntrack list: it does not tell whether the kernel chose a port, when, and in which order; `conntrack -E -e NEW -o timestamp` shows the order");
}

#[test]
fn what_has_no_ports_is_refused_with_the_way_out() {
    let refused = |text: &'static str| {
        let refusal = Recording::from_reader("log", Cursor::new(text)).err();
        refusal.map(|error| error.to_string()).unwrap_or_default()
    };
    insta::assert_snapshot!(refused("PID    COMM         IP SADDR            DADDR            DPORT\n1 a 4 10.0.0.1 10.0.0.2 80\n"), @"log is a table without the source ports of connections; it needs a column such as sport, id.orig_p or LPORT (`tcpconnect -L` prints it)");
}

#[test]
fn a_log_without_a_beginning_says_what_it_has() {
    let tcpdump = "1.5 IP 10.0.0.1.40000 > 10.0.0.2.443: Flags [.], ack 1\n";
    insta::assert_snapshot!(read(tcpdump).instead, @"it is tcpdump text with 1 packet: 1 of connections that began earlier");
    let conntrack = "[1.5]\t[DESTROY] udp 17 src=10.0.0.1 dst=192.0.2.1 sport=40001 dport=53\n";
    insta::assert_snapshot!(read(conntrack).instead, @"it is conntrack events, and none of its lines shows the start of a connection (lines: 1)");
}

proptest! {
    /// A damaged log is read to its end.
    #[test]
    fn damaged_logs_do_not_panic(
        which in 0_usize..4,
        at in prop::collection::vec((0_usize..800, any::<u8>()), 0..20),
        cut in 1_usize..900,
    ) {
        let conntrack = "[1.5] [NEW] tcp 6 120 SYN_SENT src=10.0.0.1 dst=::1 sport=4 dport=443\n";
        let tcpdump = "23:59:59.9 IP 10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 77, win 1\n";
        let csv = "ts_ns,saddr,sport,daddr,dport\n7,10.0.0.1,40,10.0.0.2,4\n\"8\",::1,4,::2,5\n";
        let mut bytes = [ZEEK, conntrack, tcpdump, csv][which].repeat(3).into_bytes();
        let len = bytes.len();
        for (at, byte) in at {
            bytes[at % len] = byte;
        }
        bytes.truncate(cut);
        if let Ok(recording) = Recording::from_reader("log", Cursor::new(bytes)) {
            prop_assert!(recording.count() < 1000);
        }
    }
}
