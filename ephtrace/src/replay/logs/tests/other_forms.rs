//! Logs in the forms that other versions and options give them.

use super::*;

const SYN: &str = "10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 7, win 64240, length 0";

fn ports(text: &str) -> Vec<Option<u16>> {
    let read = read(text);
    assert!(read.broken.is_empty(), "{text}: {:?}", read.broken);
    read.rows.iter().map(|row| row.sport).collect()
}

#[test]
fn text_of_tcpdump_has_any_link_before_its_addresses() {
    let mac = "00:00:5e:00:53:01";
    for before in [
        "1.5 IP ".to_owned(),
        "MPLS (label 29, tc 6, [S], ttl 255) IP ".to_owned(),
        format!("1.5 {mac} > {mac}, ethertype IPv4 (0x0800), length 74: "),
        format!(
            "1.5 {mac} > {mac}, ethertype 802.1Q (0x8100), length 78: vlan 5, p 0, ethertype \
             IPv4 (0x0800), "
        ),
        format!(
            "1.5 {mac} > {mac}, ethertype MPLS unicast (0x8847), length 62: MPLS (label 29, tc 6, \
             [S], ttl 255) "
        ),
        format!("1.5 eth0  Out ifindex 2 {mac} ethertype IPv4 (0x0800), length 80: "),
        format!("1.5 Out {mac} ethertype IPv4 (0x0800), length 76: "),
        "1.5 rule 1/0(match): pass out on em0: ".to_owned(),
        "1.5 (en0, proc curl:123, svc BE, out, so) IP ".to_owned(),
        "1.5 IP 192.0.2.1 > 192.0.2.2: IP ".to_owned(),
        "1.5 IP 192.0.2.1 > 192.0.2.2: GREv0, length 64: IP ".to_owned(),
        "1.5 PPPoE  [ses 0x1]IP ".to_owned(),
    ] {
        assert_eq!(ports(&format!("{before}{SYN}\n")), [Some(40_000)], "{before}");
    }
    let of_loopback = "1.5 AF IPv4 (2), length 52: (tos 0x0, ttl 64, id 0, flags [DF], proto TCP \
                       (6), length 48, bad cksum 0 (->3cc6)!)\n    ";
    assert_eq!(ports(&format!("{of_loopback}{SYN}\n")), [Some(40_000)]);
    // Frames without addresses of IP come first.
    let arp = format!("1.5 {mac} > {mac}, ethertype ARP (0x0806), length 42: Request who-has\n");
    for first in [&*arp, "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28\n"] {
        assert_eq!(ports(&format!("{first}1.6 IP {SYN}\n")), [Some(40_000)], "{first}");
    }
}

#[test]
fn relative_times_of_tcpdump_are_added_where_they_go_back() {
    let line = |time: &str| {
        let number: String = time.chars().filter(char::is_ascii_digit).collect();
        format!("{time} IP {SYN}\n").replace("seq 7", &format!("seq {number}"))
    };
    let times = |text: &str| -> Vec<u64> {
        let rows = read(text).rows;
        rows.iter().map(|row| row.ts_ns / 1_000_000_000).collect()
    };
    let since_first = [" 00:00:00.0", " 00:00:20.0", " 00:00:31.0"].map(line).concat();
    assert_eq!(times(&since_first.replace(":20", ":19")), [0, 19, 31]);
    let since_last = [" 00:00:00.0", " 00:00:20.0", " 00:00:11.0"].map(line).concat();
    assert_eq!(times(&since_last), [0, 20, 31]);
    let numbered = ["    1   00:00:00.0", "    2   00:00:20.0", "    3   00:00:11.0"];
    assert_eq!(times(&numbered.map(line).concat()), [0, 20, 31]);
}

#[test]
fn a_tunnel_that_tcpdump_does_not_know_has_no_port_of_a_client() {
    let text = "1.5 IP 10.0.0.1.49152 > 10.0.0.2.4789: BCM-LI-SHIM: direction unknown\n";
    assert!(ports(text).is_empty());
}

#[test]
fn the_text_of_a_packet_moves_no_clock() {
    let text = format!("1.5 IP {SYN}\nE..<....\n1800000000 items\n\n2.5 IP {SYN}\n");
    let text = text.replace("2.5 IP 10.0.0.1.40000", "2.5 IP 10.0.0.1.40002");
    let times: Vec<u64> = read(&text).rows.iter().map(|row| row.ts_ns).collect();
    assert_eq!(times, [1_500_000_000, 2_500_000_000]);
}

#[test]
fn a_packet_that_an_icmp_message_quotes_is_none() {
    let text = "1.5 IP (tos 0x0, ttl 64, id 1, offset 0, flags [none], proto ICMP (1), length 88)
    10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 tcp port 443 unreachable, length 68
\tIP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)
    10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 7, win 64240, length 0
1.6 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)
    10.0.0.1.40002 > 10.0.0.2.443: Flags [S], seq 8, win 64240, length 0
";
    assert_eq!(ports(text), [Some(40_002)]);
    assert_eq!(read(text).left_out.packets.icmp, 1);
    // The labels of MPLS stand on a line of their own.
    let labels = "1.5 MPLS (label 29, tc 6, [S], ttl 255)
\tIP (tos 0xc0, ttl 255, id 0, offset 0, flags [none], proto TCP (6), length 44)
    10.0.0.1.40004 > 10.0.0.2.443: Flags [S], cksum 0xa240 (correct), seq 9, win 4128, length 0
";
    assert_eq!(ports(labels), [Some(40_004)]);
}

#[test]
fn flags_of_old_versions_of_tcpdump_are_read() {
    let text = "1.1 IP 10.0.0.1.40000 > 10.0.0.2.443: S 12345:12345(0) win 5840 <mss 1460>
1.2 IP 10.0.0.2.443 > 10.0.0.1.40000: S 5:5(0) ack 12346 win 5840
1.3 IP 10.0.0.1.40000 > 10.0.0.2.443: . ack 1 win 5840
1.4 IP 10.0.0.1.40000 > 10.0.0.2.443: P 1:5(4) ack 1 win 5840
1.5 10.0.0.1.40000 > 10.0.0.2.443: S 99999999:99999999(0) win 5840 (DF)
1.6 IP 10.0.0.1.40002 > 10.0.0.2.53:  1+ A? example.com. (28)
";
    let read = read(text);
    insta::assert_snapshot!(told(&read.rows), @"
    1100000000 tcp 10.0.0.1 40000 > 10.0.0.2 443
    1500000000 tcp 10.0.0.1 40000 > 10.0.0.2 443
    1600000000 udp 10.0.0.1 40002 > 10.0.0.2 53
    ");
    assert!(read.rows[1].is_another);
}

const FIELDS: [&str; 8] = [
    "frame.time_epoch",
    "ip.src",
    "ipv6.src",
    "tcp.srcport",
    "ip.dst",
    "ipv6.dst",
    "tcp.dstport",
    "tcp.flags",
];

#[test]
fn tables_of_tshark_may_have_other_separators_and_all_flags_in_one_column() {
    let rows = [
        ["1.0", "", "2001:db8::1", "40000", "", "2001:db8::2", "443", "0x0002"],
        ["1.1", "", "2001:db8::2", "443", "", "2001:db8::1", "40000", "0x0012"],
        ["1.2", "", "2001:db8::1", "40000", "", "2001:db8::2", "443", "0x0010"],
        ["9.0", "10.0.0.1", "", "40002", "10.0.0.2", "", "443", "0x00000018"],
        ["9.5", "", "2001:db8::1", "40000", "", "2001:db8::2", "443", "0x0002"],
    ];
    for separator in ["\t", ",", ";", "|"] {
        for quote in ["", "\""] {
            if separator == "\t" && !quote.is_empty() {
                continue;
            }
            let line = |values: &[&str]| -> String {
                let quoted: Vec<_> =
                    values.iter().map(|it| format!("{quote}{it}{quote}")).collect();
                quoted.join(separator) + "\n"
            };
            let all: String =
                std::iter::once(line(&FIELDS)).chain(rows.map(|it| line(&it))).collect();
            insta::allow_duplicates! {
                insta::assert_snapshot!(told(&read(&all).rows), @"
                1000000000 tcp 2001:db8::1 40000 > 2001:db8::2 443
                9500000000 tcp 2001:db8::1 40000 > 2001:db8::2 443
                ");
            }
        }
    }
}

#[test]
fn a_packet_without_its_address_is_said() {
    let row = "1.5\t\t40000\t\t443\t1\t0\n";
    let text = "frame.time_epoch\tip.src\ttcp.srcport\tip.dst\ttcp.dstport\ttcp.flags.syn\t\
tcp.flags.ack\n";
    let read = read(&(text.to_owned() + row));
    assert!(read.rows.is_empty());
    insta::assert_snapshot!(read.broken.join("\n"), @"line 2: no source address (of IPv6, tshark has it in ipv6.src)");
}

#[test]
fn a_table_has_times_in_any_unit() {
    for time in ["1700000000.5", "1700000000500", "1700000000500000", "1700000000500000000"] {
        let text = format!("ts,saddr,sport,daddr,dport\n{time},10.0.0.1,1,10.0.0.2,2\n");
        assert_eq!(read(&text).rows[0].ts_ns, 1_700_000_000_500_000_000, "{time}");
    }
    let with_commas = "ts;saddr;sport;daddr;dport\n1700000000,5;10.0.0.1;1;10.0.0.2;2\n";
    assert_eq!(read(with_commas).rows[0].ts_ns, 1_700_000_000_500_000_000);
}

#[test]
fn zeek_s_logs_may_have_another_separator_and_follow_each_other() {
    let row = "1361916333.5\tC1\t10.0.0.5\t59860\t192.0.2.43\t80\ttcp\t-\t-\tSF\t-\n";
    for (name, separator) in [(",", ","), ("|", "|"), ("\\x2c", ","), ("\\x20", " ")] {
        let other = (ZEEK.to_owned() + row).replace('\t', separator).replace("\\x09", name);
        assert_eq!(ports(&other), [Some(59_856), Some(40_000), Some(59_860)], "{name}");
    }
    let unset = ZEEK.replace("#unset_field\t-", "#unset_field\tNA") + &row.replace("\t-", "\tNA");
    assert_eq!(ports(&unset), [Some(59_856), Some(40_000), Some(59_860)]);
    // A log of HTTP repeats connections, whether it comes first or last.
    let http = ZEEK.replace("#path\tconn", "#path\thttp").replace("conn_state", "method");
    for both in [ZEEK.to_owned() + &http, http + ZEEK] {
        assert_eq!(ports(&both), [Some(59_856), Some(40_000)]);
    }
}

#[test]
fn the_side_that_accepts_has_no_assignment_in_tables_of_bcc() {
    let tcptracer =
        "TIME(ns) TYPE         PID    COMM     IP SADDR       DADDR       SPORT  DPORT  NETNS
0        connect      28943  telnet   4  192.168.1.2 192.168.1.1 59306  23     4026531957
9        accept       28944  sshd     4  192.168.1.2 192.168.1.1 22     40000  4026531957
";
    let tcplife = "PID   COMM             LADDR      LPORT RADDR      RPORT TX_KB RX_KB MS
22597 recordProg       127.0.0.1  46644 127.0.0.1  28527     0     0 0.23
3277  redis-serv       127.0.0.1  28527 127.0.0.1  46644     0     0 0.28
";
    let tcpstates = "SKADDR PID C-COMM LADDR LPORT RADDR RPORT OLDSTATE -> NEWSTATE MS
ffff9fd7e8192000 22384 curl 10.0.0.1 0     192.0.2.1 80 CLOSE -> SYN_SENT 0.000
ffff9fd7e8192000 0     swap 10.0.0.1 63446 192.0.2.1 80 SYN_SENT -> ESTABLISHED 1.373
ffff9fd7e8192000 22384 curl 10.0.0.1 63446 192.0.2.1 80 ESTABLISHED -> FIN_WAIT1 176.0
";
    for (table, sport) in [(tcptracer, 59_306), (tcplife, 46_644), (tcpstates, 63_446)] {
        assert_eq!(ports(table), [Some(sport)], "{table}");
    }
    // Servers name the clients, whose ports were assigned elsewhere.
    let tcpaccept = "PID     COMM         IP RADDR            RPORT LADDR            LPORT
907     sshd         4  192.168.56.1     32324 192.168.56.102   22
";
    insta::assert_snapshot!(told(&read(tcpaccept).rows), @"1 ? 192.168.56.1 32324 > 192.168.56.102 22");
}

#[test]
fn a_list_of_conntrack_may_begin_with_any_protocol() {
    let tcp = "tcp      6 9 TIME_WAIT src=10.0.0.1 dst=192.0.2.1 sport=40002 dport=443 \
               src=192.0.2.1 dst=10.0.0.1 sport=443 dport=40002 [ASSURED] mark=0 use=1\n";
    for first in [
        "icmp     1 29 src=10.0.0.1 dst=192.0.2.1 type=8 code=0 id=1 src=192.0.2.1 dst=10.0.0.1 \
         type=0 code=0 id=1 mark=0 use=1",
        "ipv4     2 unknown  2 599 src=10.0.0.1 dst=224.0.0.22 [UNREPLIED] src=224.0.0.22 \
         dst=10.0.0.1 mark=0 use=1",
        "gre      47 29 timeout=30, stream_timeout=180 src=10.0.0.1 dst=192.0.2.1 srckey=0x0 \
         dstkey=0x0 src=192.0.2.1 dst=10.0.0.1 srckey=0x0 dstkey=0x0 [ASSURED] mark=0 use=1",
    ] {
        assert_eq!(ports(&format!("{first}\n{tcp}")), [Some(40_002)], "{first}");
        let event = format!("[1.5]\t    [NEW] {first}\n[1.6]\t    [NEW] {tcp}");
        assert_eq!(ports(&event), [Some(40_002)], "{event}");
    }
}

#[test]
fn what_is_no_recording_is_called_by_its_name() {
    let refused = |text: &'static [u8]| {
        let refusal = Recording::from_reader("log", Cursor::new(text)).err();
        refusal.map(|error| error.to_string()).unwrap_or_default()
    };
    let all = [
        "1361916332.020006\t10.0.0.5\t40000\t192.0.2.43\t80\ttcp\n",
        "    1   0.000000     10.0.0.1 → 10.0.0.2     TCP 74 40000 → 443 [SYN] Seq=0 Win=64240\n",
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n",
        "version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
    ]
    .map(|text| refused(text.as_bytes()));
    let wide = refused(b"\xff\xfet\0s\0");
    assert!(wide.starts_with("log is text in UTF-16, as PowerShell writes it; use `iconv"));
    insta::assert_snapshot!(all.join("\n"), @"
    log is a table without the names of its columns; begin it with a line of names (`tshark -T fields -E header=y`, `zeek-cut -C`), or use `tshark -T ek`
    log is a table without the names of its columns; begin it with a line of names (`tshark -T fields -E header=y`, `zeek-cut -C`), or use `tshark -T ek`
    log is XML; write it in another form (`conntrack` without `-o xml`, `tshark -T ek` in place of `-T pdml`)
    log is a Git LFS pointer, not the file itself; fetch the file with `git lfs pull`
    ");
}
