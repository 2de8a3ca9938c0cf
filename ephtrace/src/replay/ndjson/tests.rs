//! Lines of other tools, as they write them, with other addresses.

use std::io::Cursor;

use crate::{
    model::Protocol,
    replay::{Format, Item, Recording},
};

/// Returns each assignment as a line, and the final notes.
fn read(text: &str) -> String {
    let mut recording = Recording::from_reader("log", Cursor::new(text.to_owned())).unwrap();
    assert_eq!(recording.format(), Format::Ndjson);
    let mut told = String::new();
    for item in recording.by_ref() {
        let line = match item.unwrap() {
            Item::Assignment(a) => {
                let to = a.flow.daddr.zip(a.flow.dport);
                let to = to.map(|(daddr, dport)| format!("{daddr} {dport}")).unwrap_or_default();
                let (protocol, sport) = (a.protocol.map_or("?", Protocol::name), a.sport.unwrap());
                format!("{} {protocol} {} {sport} > {to}\n", a.ts_ns, a.flow.saddr)
            }
            Item::Broken(broken) => format!("{broken}\n"),
        };
        told.push_str(&line);
    }
    if told.is_empty() {
        return recording.instead().unwrap();
    }
    told + &recording.notes().join("\n")
}

#[test]
fn zeek_s_connections_are_read() {
    let log = r#"{"ts":1591367999.305988,"uid":"CMdzit1AMNsmfAIiQc","id.orig_h":"192.168.4.76","id.orig_p":36844,"id.resp_h":"192.168.4.1","id.resp_p":53,"proto":"udp","service":"dns","duration":0.066,"conn_state":"SF","history":"Dd"}
{"ts":"2020-06-05T14:39:59.512593Z","uid":"C5","id.orig_h":"192.168.4.76","id.orig_p":46378,"id.resp_h":"31.3.245.133","id.resp_p":80,"proto":"tcp","conn_state":"SF","history":"ShADadFf"}
{"ts":1591368000.1,"uid":"C6","id.orig_h":"192.168.4.76","id.orig_p":46380,"id.resp_h":"31.3.245.133","id.resp_p":80,"proto":"tcp","conn_state":"OTH","history":"DdA"}
{"ts":1591368000.2,"uid":"C7","id.orig_h":"192.168.4.76","id.orig_p":8,"id.resp_h":"192.168.4.1","id.resp_p":0,"proto":"icmp","conn_state":"OTH"}
{"ts":1591368000.3,"uid":"C5","id.orig_h":"192.168.4.76","id.orig_p":46378,"id.resp_h":"31.3.245.133","id.resp_p":80,"proto":"tcp","method":"GET"}
"#;
    insta::assert_snapshot!(read(log), @"
    1591367999305988000 udp 192.168.4.76 36844 > 192.168.4.1 53
    1591367999512593000 tcp 192.168.4.76 46378 > 31.3.245.133 80
    read as a Zeek connection log: it does not tell whether the kernel chose a port
    ");
}

#[test]
fn suricata_s_flows_are_read() {
    let log = r#"{"timestamp":"2017-04-07T22:24:37.251547+0100","flow_id":1,"event_type":"alert","src_ip":"10.0.0.1","src_port":40000,"dest_ip":"10.0.0.2","dest_port":443,"proto":"TCP"}
{"timestamp":"2017-04-07T22:24:47.251547+0100","flow_id":1,"event_type":"flow","src_ip":"10.0.0.1","src_port":40000,"dest_ip":"10.0.0.2","dest_port":443,"proto":"TCP","flow":{"pkts_toserver":1,"start":"2017-04-07T22:24:37.000001+0100","state":"closed"},"tcp":{"tcp_flags":"1b","syn":true,"ack":true}}
{"timestamp":"2017-04-07T22:24:47.251547+0100","event_type":"flow","src_ip":"10.0.0.1","src_port":40002,"dest_ip":"10.0.0.2","dest_port":443,"proto":"TCP","flow":{"start":"2017-04-07T22:24:38.000001+0100"},"tcp":{"tcp_flags":"18","ack":true}}
{"timestamp":"2017-04-07T22:24:47.251547+0100","event_type":"flow","src_ip":"2001:db8::1","src_port":40004,"dest_ip":"2001:db8::2","dest_port":53,"proto":"UDP","flow":{"start":"2017-04-07T22:24:39.000001+0100"}}
{"timestamp":"2017-04-07T22:24:47.251547+0100","event_type":"stats","stats":{"uptime":8}}
"#;
    insta::assert_snapshot!(read(log), @"
    1491600277000001000 tcp 10.0.0.1 40000 > 10.0.0.2 443
    1491600279000001000 udp 2001:db8::1 40004 > 2001:db8::2 53
    read as a Suricata flow log: it does not tell whether the kernel chose a port
    ");
    let alerts = log.lines().next().unwrap();
    insta::assert_snapshot!(read(alerts), @"it is a Suricata flow log, and none of its lines shows the start of a connection (lines: 1)");
}

#[test]
fn packets_of_tshark_are_read_in_both_forms() {
    let ek = r#"{"index":{"_index":"packets-2023-11-14","_type":"doc"}}
{"timestamp":"1700000000000","layers":{"frame":{"frame_frame_time_epoch":"1700000000.000000001"},"ip":{"ip_ip_src":"10.0.0.1","ip_ip_dst":"10.0.0.2"},"tcp":{"tcp_tcp_srcport":"40000","tcp_tcp_dstport":"443","tcp_tcp_flags":"0x0002","tcp_tcp_seq_raw":"77"}}}
{"index":{"_index":"packets-2023-11-14","_type":"doc"}}
{"timestamp":"1700000000100","layers":{"frame":{"frame_frame_time_epoch":"2023-11-14T22:13:20.100000000Z"},"ip":{"ip_ip_src":["192.0.2.9","10.0.0.2"],"ip_ip_dst":["192.0.2.8","10.0.0.1"]},"tcp":{"tcp_tcp_srcport":"443","tcp_tcp_dstport":"40000","tcp_tcp_flags":"0x0012","tcp_tcp_ack_raw":"78"}}}
{"timestamp":"1700000000200","layers":{"frame":{"frame_frame_time_epoch":"1700000000.2"},"ipv6":{"ipv6_ipv6_src":"2001:db8::1","ipv6_ipv6_dst":"2001:db8::2"},"udp":{"udp_udp_srcport":"40001","udp_udp_dstport":"53"}}}
{"timestamp":"1700000000300","layers":{"frame":{"frame_frame_time_epoch":"1700000000.3"},"arp":{}}}
"#;
    insta::assert_snapshot!(read(ek), @"
    1700000000000000001 tcp 10.0.0.1 40000 > 10.0.0.2 443
    1700000000200000000 udp 2001:db8::1 40001 > 2001:db8::2 53
    read as tshark packets: it does not tell whether the kernel chose a port
    ");
    let json = r#"[
  {
    "_index": "packets-2023-11-14",
    "_source": {
      "layers": {
        "frame": {"frame.time_epoch": "1700000000.000000001"},
        "ip": {"ip.src": "10.0.0.1", "ip.dst": "10.0.0.2"},
        "tcp": {"tcp.srcport": "40000", "tcp.dstport": "443", "tcp.flags_tree": {"tcp.flags.syn": "1", "tcp.flags.ack": "0"}}
      }
    }
  },
  {
    "_source": {"layers": {"frame": {}, "ip": {"ip.src": "10.0.0.1", "ip.dst": "10.0.0.2"}, "icmp": {}}}
  }
]
"#;
    insta::assert_snapshot!(read(json), @"
    1700000000000000001 tcp 10.0.0.1 40000 > 10.0.0.2 443
    read as tshark packets: it does not tell whether the kernel chose a port
    ");
}

#[test]
fn fields_of_tshark_may_be_in_no_layer_and_layers_may_be_nested() {
    let names = ["frame.time_epoch", "ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "tcp.flags"];
    let values = ["1700000000.5", "10.0.0.1", "10.0.0.2", "40000", "443", "0x0002"];
    let fields: Vec<String> =
        names.iter().zip(values).map(|(name, value)| format!("\"{name}\":[\"{value}\"]")).collect();
    let flat = fields.join(",");
    let json = format!("[{{\"_source\":{{\"layers\":{{{flat}}}}}}}]\n");
    let ek = json.replace("[{\"_s", "{\"_s").replace("}}}]", "}}}");
    let ek = names.iter().fold(ek, |ek, name| ek.replace(name, &name.replace('.', "_")));
    let flags = "\"tcp_flags_syn\":[\"1\"],\"tcp_flags_ack\":[\"0\"]";
    let split = ek.replace("\"tcp_flags\":[\"0x0002\"]", flags);
    let v4 = |ends: [&str; 2]| format!(r#"{{"ip.src":"{}","ip.dst":"{}"}}"#, ends[0], ends[1]);
    let (outer, inner) = (v4(["192.0.2.1", "192.0.2.2"]), v4(["10.0.0.1", "10.0.0.2"]));
    let tcp = r#"{"tcp.srcport":"40000","tcp.dstport":"443","tcp.flags":"0x0002"}"#;
    let layers = |protocols: &str, more: &str| {
        let frame =
            format!(r#"{{"frame.time_epoch":"1700000000.5","frame.protocols":"{protocols}"}}"#);
        format!("{{\"layers\":{{\"frame\":{frame},{more},\"tcp\":{tcp}}}}}\n")
    };
    let twice = layers("eth:ip:gre:ip:tcp", &format!("\"ip\":[{outer},{inner}]"));
    let v6 = r#""ipv6":{"ipv6.src":"2001:db8::1","ipv6.dst":"2001:db8::2"}"#;
    let in_v6 = layers("eth:ethertype:ipv6:ip:tcp", &format!("{v6},\"ip\":{inner}"));
    for text in [json, ek, split, twice, in_v6] {
        let first = read(&text).lines().next().unwrap_or_default().to_owned();
        assert_eq!(first, "1700000000500000000 tcp 10.0.0.1 40000 > 10.0.0.2 443", "{text}");
    }
    let in_v4 = layers("eth:ethertype:ip:ipv6:tcp", &format!("{v6},\"ip\":{outer}"));
    assert!(read(&in_v4).contains("tcp 2001:db8::1 40000 > 2001:db8::2 443"));
}
