//! A few lines of each text format that ephtrace reads, as the tools print them, with other
//! addresses.

/// Name of a format, and lines of it.
pub(crate) type Sample = (&'static str, &'static str);

/// All samples.
pub(crate) const SAMPLES: [Sample; 13] = [
    ("zeek", ZEEK),
    ("zeek_json", ZEEK_JSON),
    ("suricata", SURICATA),
    ("tshark_ek", TSHARK_EK),
    ("tshark_json", TSHARK_JSON),
    ("tshark_fields", TSHARK_FIELDS),
    ("tcpdump", TCPDUMP),
    ("conntrack", CONNTRACK),
    ("conntrack-list", CONNTRACK_LIST),
    ("tcpconnect", TCPCONNECT),
    ("tcptracer", TCPTRACER),
    ("csv", CSV),
    ("ndjson", NDJSON),
];

const ZEEK: &str = "#separator \\x09
#unset_field\t-
#path\tconn
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tconn_state\thistory
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tstring
1361916332.020006\tCB\t10.0.0.5\t59856\t192.0.2.43\t80\ttcp\tSF\tShADadfF
1361916331.5\tC1\t10.0.0.5\t59858\t192.0.2.43\t80\ttcp\tOTH\tDd
1361916333.000000001\tC2\t2001:db8::1\t40000\t2001:db8::2\t53\tudp\tSF\tDd
#close\t2026-01-01-00-00-00
";

const ZEEK_JSON: &str = r#"{"ts":1591367999.305988,"uid":"C1","id.orig_h":"10.0.0.7","id.orig_p":36844,"id.resp_h":"10.0.0.1","id.resp_p":53,"proto":"udp","conn_state":"SF","history":"Dd"}
{"ts":"2020-06-05T14:39:59.512593Z","uid":"C5","id.orig_h":"10.0.0.7","id.orig_p":46378,"id.resp_h":"192.0.2.3","id.resp_p":80,"proto":"tcp","conn_state":"SF","history":"ShADadFf"}
"#;

const SURICATA: &str = r#"{"timestamp":"2017-04-07T22:24:37.251547+0100","flow_id":1,"event_type":"alert","src_ip":"10.0.0.1","src_port":40000,"dest_ip":"10.0.0.2","dest_port":443,"proto":"TCP"}
{"timestamp":"2017-04-07T22:24:47.251547+0100","flow_id":1,"event_type":"flow","src_ip":"10.0.0.1","src_port":40000,"dest_ip":"10.0.0.2","dest_port":443,"proto":"TCP","flow":{"pkts_toserver":1,"start":"2017-04-07T22:24:37.000001+0100"},"tcp":{"tcp_flags":"1b","syn":true,"ack":true}}
"#;

const TSHARK_EK: &str = r#"{"index":{"_index":"packets-2023-11-14","_type":"doc"}}
{"timestamp":"1700000000000","layers":{"frame":{"frame_frame_time_epoch":"1700000000.000000001"},"ip":{"ip_ip_src":"10.0.0.1","ip_ip_dst":"10.0.0.2"},"tcp":{"tcp_tcp_srcport":"40000","tcp_tcp_dstport":"443","tcp_tcp_flags":"0x0002","tcp_tcp_seq_raw":"77"}}}
{"timestamp":"1700000000200","layers":{"frame":{"frame_frame_time_epoch":"1700000000.2"},"ipv6":{"ipv6_ipv6_src":["2001:db8::1","::2"],"ipv6_ipv6_dst":"2001:db8::2"},"udp":{"udp_udp_srcport":"40001","udp_udp_dstport":"53"}}}
"#;

const TSHARK_JSON: &str = r#"[
  {
    "_index": "packets-2023-11-14",
    "_source": {
      "layers": {
        "frame": {"frame.time_epoch": "1700000000.000000001"},
        "ip": {"ip.src": "10.0.0.1", "ip.dst": "10.0.0.2"},
        "tcp": {"tcp.srcport": "40000", "tcp.dstport": "443", "tcp.flags_tree": {"tcp.flags.syn": "1"}}
      }
    }
  }
]
"#;

const TSHARK_FIELDS: &str = "frame.time_epoch\tip.src\ttcp.srcport\tip.dst\ttcp.dstport\t\
tcp.flags.syn\ttcp.flags.ack\ttcp.seq_raw\tudp.srcport\tudp.dstport
1700000000.000000001\t10.0.0.1\t40000\t10.0.0.2\t443\t1\t0\t77\t\t
1700000000.1\t10.0.0.2\t443\t10.0.0.1\t40000\tTrue\tTrue\t9\t\t
1700000002.0\t10.0.0.1\t\t10.0.0.2\t\t\t\t\t40001\t53
1700000003.0\t192.0.2.1,10.0.0.1\t40002\t192.0.2.2,10.0.0.2\t443\t1\t0\t80\t\t
";

const TCPDUMP: &str =
    "23:59:59.900000 IP 10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 77, win 64240, length 0
1700000000.000001 IP 10.0.0.2.443 > 10.0.0.1.40000: Flags [S.], seq 9, ack 78, win 65160, length 0
00:00:02.000000 eth0  Out IP6 2001:db8::1.40001 > 2001:db8::2.53: 1234+ A? example.com. (28)
\t0x0000:  4500 003c 0000 4000 4006 0000 0a00 0001  E..<..@.@.......
00:00:05.000000 IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)
    10.0.0.1.40004 > 10.0.0.2.443: Flags [S], seq 80, win 64240, length 0
";

const CONNTRACK: &str = r"[1700000000.000007]	    [NEW] tcp      6 120 SYN_SENT src=10.0.0.1 dst=192.0.2.1 sport=40000 dport=443 [UNREPLIED] src=192.0.2.1 dst=198.51.100.7 sport=443 dport=1024
[1700000001.0]	    [NEW] udp      17 30 src=10.0.0.1 dst=192.0.2.1 sport=40001 dport=53 [UNREPLIED] src=192.0.2.1 dst=198.51.100.7 sport=53 dport=40001
[1700000003.0]	[DESTROY] udp      17 src=10.0.0.1 dst=192.0.2.1 sport=40001 dport=53
";

const CONNTRACK_LIST: &str = r"tcp      6 431999 ESTABLISHED src=10.0.0.1 dst=192.0.2.1 sport=40000 dport=443 src=192.0.2.1 dst=198.51.100.7 sport=443 dport=1025 [ASSURED] mark=0 use=1
udp      17 29 src=10.0.0.1 dst=192.0.2.1 sport=40001 dport=53 src=192.0.2.1 dst=198.51.100.7 sport=53 dport=40001 mark=0 use=1
";

const TCPCONNECT: &str = "PID    COMM         IP SADDR            LPORT  DADDR            DPORT
1479   telnet       4  127.0.0.1        40000  127.0.0.1        23
1469   Web Content  4  10.201.219.236   40002  54.245.105.25    80
1991   telnet       6  ::1              40004  ::1              23
";

const TCPTRACER: &str = "Tracing TCP established connections. Ctrl-C to end.
T  PID    COMM             IP SADDR            DADDR            SPORT  DPORT
C  28943  telnet           4  192.168.1.2      192.168.1.1      59306  23
X  28943  telnet           4  192.168.1.2      192.168.1.1      59306  23
";

const CSV: &str = r#"ts,ts_ns,pid,comm,netns,saddr,sport,daddr,dport,errno,protocol,origin,range_low,range_high
2026-01-01T00:00:00Z,1767225600000000007,5,"a, b",9,10.0.0.1,40000,10.0.0.2,443,0,tcp,connect,32768,60999
2026-01-01T00:00:00Z,1767225600000000008,5,curl,9,10.0.0.1,,10.0.0.2,443,99,tcp,connect,32768,60999
"#;

const NDJSON: &str = r#"{"ts_ns":1767225600000000007,"saddr":"10.0.0.1","sport":40000,"daddr":"10.0.0.2","dport":443,"uid":"x"}
{"ts_ns":"1767225600000000008","saddr":"::ffff:10.0.0.1","sport":40002,"daddr":"10.0.0.2","dport":443,"range":[32768,60999],"comm":"a"}
{"type":"loss","ts_ns":1,"stage":"ring_full","lost":3}
"#;
