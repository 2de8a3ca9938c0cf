//! JSON lines of other tools: Zeek's `conn.log`, Suricata's `eve.json`, packets of `tshark -T ek`
//! and `-T json`. Based on the documentation of each, and on public logs.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::{
    model::{PacketKind, Protocol},
    replay::{
        logs::Clock,
        names,
        told::{Sent, Told},
    },
};

/// Tool that wrote a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Zeek,
    Suricata,
    Tshark,
}

impl Tool {
    pub(super) const ALL: [Self; 3] = [Self::Zeek, Self::Suricata, Self::Tshark];

    /// Name in messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Zeek => "a Zeek connection log",
            Self::Suricata => "a Suricata flow log",
            Self::Tshark => "tshark packets",
        }
    }

    /// Returns the meaning of a line; `None` if this tool did not write it.
    pub(super) fn read(self, line: &str, clock: &mut Clock) -> Option<Said> {
        match self {
            Self::Zeek => zeek(line, clock),
            Self::Suricata => suricata(line, clock),
            Self::Tshark => tshark(line, clock),
        }
    }
}

/// Meaning of a line of another tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A connection, which is logged once.
    Connection(Sent),
    /// A packet.
    Packet(Told),
    /// Something else: an alert, a query, a connection that had begun before.
    Other,
}

#[derive(Deserialize)]
struct Zeek<'a> {
    ts: Value,
    #[serde(rename = "id.orig_h", alias = "id_orig_h", borrow)]
    saddr: Cow<'a, str>,
    #[serde(rename = "id.orig_p", alias = "id_orig_p")]
    sport: u16,
    #[serde(rename = "id.resp_h", alias = "id_resp_h", borrow)]
    daddr: Cow<'a, str>,
    #[serde(rename = "id.resp_p", alias = "id_resp_p")]
    dport: u16,
    #[serde(borrow)]
    proto: Cow<'a, str>,
    #[serde(borrow)]
    history: Option<Cow<'a, str>>,
    /// Present only in `conn.log`: a log of HTTP repeats the connection.
    #[serde(borrow)]
    conn_state: Option<Cow<'a, str>>,
}

fn zeek(line: &str, clock: &mut Clock) -> Option<Said> {
    let one: Zeek<'_> = serde_json::from_str(line).ok()?;
    let Some(protocol) = protocol(&one.proto).filter(|_| one.conn_state.is_some()) else {
        return Some(Said::Other);
    };
    let has_syn = one.history.is_none_or(|history| history.contains(['S', 'h']));
    if protocol == Protocol::Tcp && !has_syn {
        return Some(Said::Other);
    }
    set(clock, &one.ts)?;
    sent(protocol, (&one.saddr, one.sport), (&one.daddr, one.dport)).map(Said::Connection)
}

#[derive(Deserialize)]
struct Suricata<'a> {
    #[serde(borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    src_ip: Option<Cow<'a, str>>,
    src_port: Option<u16>,
    #[serde(borrow)]
    dest_ip: Option<Cow<'a, str>>,
    dest_port: Option<u16>,
    #[serde(borrow)]
    proto: Option<Cow<'a, str>>,
    #[serde(borrow)]
    flow: Option<Flow<'a>>,
    tcp: Option<Flags>,
}

#[derive(Deserialize)]
struct Flow<'a> {
    #[serde(borrow)]
    start: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Flags {
    syn: Option<bool>,
}

fn suricata(line: &str, clock: &mut Clock) -> Option<Said> {
    let one: Suricata<'_> = serde_json::from_str(line).ok()?;
    let protocol = one.proto.as_deref().and_then(protocol);
    let had_begun = one.tcp.is_some_and(|tcp| tcp.syn != Some(true));
    let (Some(protocol), "flow") = (protocol, &*one.event_type) else { return Some(Said::Other) };
    if protocol == Protocol::Tcp && had_begun {
        return Some(Said::Other);
    }
    clock.set(&one.flow?.start?)?;
    sent(protocol, (&one.src_ip?, one.src_port?), (&one.dest_ip?, one.dest_port?))
        .map(Said::Connection)
}

/// Parses a packet. `-T ek` has the layers at the top, `-T json` in `_source`; a value may be in a
/// list, and `-T ek` has its protocol twice in the key.
fn tshark(line: &str, clock: &mut Clock) -> Option<Said> {
    let packet: Value = serde_json::from_str(line).ok()?;
    let Some(layers) = packet.get("layers").or_else(|| packet.get("_source")?.get("layers")) else {
        // The index line of `-T ek` before each packet.
        return packet.get("index").map(|_| Said::Other);
    };
    let text = |layer: &str, key: &str| field(self::layer(layers, layer), layer, key);
    let time = text("frame", "time_epoch").map(Cow::into_owned);
    if time.and_then(|time| clock.set(&time)).is_none() {
        clock.next();
    }
    let protocols = text("frame", "protocols").unwrap_or_default();
    let place = |name: &str| protocols.split(':').rev().position(|protocol| protocol == name);
    // Of a tunnel, the inner one counts.
    let is_v4_inside = place("ip").zip(place("ipv6")).is_some_and(|(v4, v6)| v4 < v6);
    let version = if text("ipv6", "src").is_some() && !is_v4_inside { "ipv6" } else { "ip" };
    let Some((saddr, daddr)) = text(version, "src").zip(text(version, "dst")) else {
        return Some(Said::Packet(Told::Nothing(PacketKind::NotIp)));
    };
    let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let Some(protocol) = known.into_iter().find(|one| text(one.name(), "srcport").is_some()) else {
        return Some(Said::Packet(Told::Nothing(PacketKind::OtherIp)));
    };
    let port = |key: &str| text(protocol.name(), key)?.parse::<u16>().ok();
    let sent = sent(protocol, (&saddr, port("srcport")?), (&daddr, port("dstport")?))?;
    let number = |key: &str| text("tcp", key)?.parse::<u32>().ok();
    let flags = text("tcp", "flags").and_then(|flags| hexadecimal(&flags));
    let flags = flags.or_else(|| {
        let tcp = layer(layers, "tcp");
        let tree = tcp.get("tcp.flags_tree").unwrap_or(tcp);
        field(tree, "tcp", "flags.syn")?;
        let is_set = |key: &str| field(tree, "tcp", key).is_some_and(|value| is_true(&value));
        Some(u32::from(is_set("flags.syn")) * SYN + u32::from(is_set("flags.ack")) * ACK)
    });
    let sequence = number("seq_raw");
    Some(Said::Packet(match (protocol, flags.map(|flags| flags & (FIN | SYN | RST | ACK))) {
        (Protocol::Tcp, Some(SYN)) => Told::Begun(Sent { sequence, ..sent }),
        (Protocol::Tcp, Some(SYN_ACK)) => {
            let sequence = number("ack_raw").map(|ack| ack.wrapping_sub(1));
            Told::Answered(Sent { sequence, ..sent.reversed() })
        }
        (Protocol::Tcp, Some(flags)) if flags & RST != 0 => Told::Reset(sent),
        (Protocol::Tcp, Some(flags)) if flags & (SYN | ACK) == ACK => Told::Later(sent),
        (Protocol::Tcp, Some(_)) => Told::Nothing(PacketKind::MidStream),
        _ => Told::Datagram(sent),
    }))
}

const FIN: u32 = 0x01;
const SYN: u32 = 0x02;
const RST: u32 = 0x04;
const ACK: u32 = 0x10;
const SYN_ACK: u32 = SYN | ACK;

/// Returns the layer of this name, of several the innermost. Fields that were asked for by name
/// (`-e`) are in no layer.
fn layer<'v>(layers: &'v Value, name: &str) -> &'v Value {
    let layer = layers.get(name).unwrap_or(layers);
    layer.as_array().and_then(|list| list.last()).unwrap_or(layer)
}

/// Returns `tcp.srcport`, `tcp_tcp_srcport` or, outside of its layer, `tcp_srcport`.
fn field<'v>(layer: &'v Value, name: &str, key: &str) -> Option<Cow<'v, str>> {
    let dotted = format!("{name}.{key}");
    let value = layer.get(&dotted).or_else(|| {
        let key = key.replace('.', "_");
        let in_layer = layer.get(format!("{name}_{name}_{key}"));
        in_layer.or_else(|| layer.get(format!("{name}_{key}")))
    })?;
    // In a tunnel, the last value is the innermost.
    let value = value.as_array().and_then(|list| list.last()).unwrap_or(value);
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(is_set) => Some(Cow::Borrowed(if *is_set { "1" } else { "0" })),
        _ => None,
    }
}

fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

fn is_true(text: &str) -> bool {
    text == "1" || text.eq_ignore_ascii_case("true")
}

/// Returns the protocol, if it is one with ports.
fn protocol(name: &str) -> Option<Protocol> {
    let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    known.into_iter().find(|one| one.name().eq_ignore_ascii_case(name))
}

fn set(clock: &mut Clock, time: &Value) -> Option<()> {
    match time {
        Value::String(text) => clock.set(text),
        Value::Number(number) => clock.set(&number.to_string()),
        _ => None,
    }
}

fn sent(protocol: Protocol, from: (&str, u16), to: (&str, u16)) -> Option<Sent> {
    let (saddr, daddr) = (names::address(from.0)?, names::address(to.0)?);
    Some(Sent { protocol, saddr, daddr, sport: from.1, dport: to.1, sequence: None })
}
