//! Text of `tcpdump -nn`, with any of its time formats.

use std::net::IpAddr;

use super::{
    super::{
        names,
        told::{Sent, Told},
    },
    clock::Clock,
    said::Said,
};
use crate::model::{PacketKind, Protocol};

/// Returns whether a line is one of tcpdump: a packet, IP or not, or a message at its start.
pub(super) fn is_line(line: &str) -> bool {
    let packet = numbered(line).unwrap_or(line);
    let first = packet.split(' ').next().unwrap_or_default();
    let is_time = first.starts_with(|c: char| c.is_ascii_digit()) && !first.contains(['{', ',']);
    let has = |word: &str| packet.starts_with(word) || packet.contains(&format!(" {word}"));
    let is_ip = (has("IP ") || has("IP6 "))
        && [" > ", " (tos ", " (class ", " (hlim ", " (flowlabel "]
            .iter()
            .any(|it| packet.contains(it));
    (is_ip && (is_time || packet.starts_with("IP")))
        || (is_time && packet.contains(ETHERTYPE_IP))
        || (is_time && OTHERS.iter().any(|word| has(word)))
        || ["tcpdump: verbose output suppressed", "reading from file "]
            .iter()
            .any(|words| line.starts_with(words))
}

/// Mark of an IP packet in the link header (`-e`).
const ETHERTYPE_IP: &str = ", ethertype IPv";

/// Packets without IP that may be at the beginning.
const OTHERS: [&str; 5] = ["ARP, ", "LLDP, ", "STP 802.1", "CDPv2, ", "IS-IS, "];

pub(super) fn read(line: &str, clock: &mut Clock) -> Result<Said, String> {
    let (line, is_continued) = match numbered(line) {
        Some(packet) => (packet, false),
        None => (line, line.starts_with([' ', '\t'])),
    };
    // A packet quoted in another one, as in an ICMP error, is indented further.
    if line.starts_with('\t') || line.starts_with("     ") {
        return Ok(Said::Nothing);
    }
    let is_packet = ["IP ", "IP6 "].iter().any(|word| line.starts_with(word));
    // Bytes of a packet, and messages about the program itself.
    if is_continued && line.trim_start().starts_with("0x")
        || (line.starts_with(|c: char| c.is_ascii_alphabetic()) && !is_packet)
    {
        return Ok(Said::Nothing);
    }
    if !is_continued {
        time(line, clock);
    }
    packet(line)
}

fn packet(line: &str) -> Result<Said, String> {
    let link = line.split_once(ETHERTYPE_IP).and_then(|(_, rest)| rest.split_once(": "));
    let line = link.map_or(line, |(_, packet)| packet);
    let Some((from, rest)) = line.split_once(" > ") else { return Ok(Said::Nothing) };
    let from = from.rsplit(' ').next().unwrap_or_default();
    let Some((to, what)) = rest.split_once(": ") else { return Ok(Said::Nothing) };
    // The packet in a tunnel follows on the line, or on a line of its own.
    if TUNNELS.iter().any(|name| what.starts_with(name)) {
        let inner = [": IP ", ": IP6 "].iter().find_map(|word| what.split_once(word));
        return inner
            .map_or(Ok(Said::Packet(Told::Nothing(PacketKind::Udp))), |(_, it)| packet(it));
    }
    match (end(from), end(to)) {
        (Ok(Some((saddr, sport))), Ok(Some((daddr, dport)))) => {
            let sent = Sent { protocol: Protocol::Udp, saddr, daddr, sport, dport, sequence: None };
            Ok(Said::Packet(told(sent, what)))
        }
        (Ok(_), Ok(_)) => Ok(Said::Packet(Told::Nothing(PacketKind::OtherIp))),
        (Err(name), _) | (_, Err(name)) => {
            Err(format!("'{name}' is a name, not an address with a port: use `tcpdump -nn`"))
        }
    }
}

/// UDP tunnels, as tcpdump names them.
const TUNNELS: [&str; 4] = ["VXLAN", "Geneve", "GREv", "NSH"];

/// Returns the packet behind its number (`tcpdump -#`), which is right-aligned before two spaces.
fn numbered(line: &str) -> Option<&str> {
    let (number, packet) = line.trim_start().split_once("  ")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| packet.trim_start())
}

/// Parses the time before ` IP `: time of day, a date (two words), or seconds. Packets come in
/// order, but a difference to the previous packet (`-ttt`) looks like a time of day that goes back.
fn time(line: &str, clock: &mut Clock) {
    let mut words = line.split(' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_date = first.len() == 10 && first.contains('-');
    let before_ns = clock.now_ns();
    let is_set = if is_date { clock.set(&format!("{first}T{second}")) } else { clock.set(first) };
    if is_set.is_none() {
        clock.next();
    } else if clock.now_ns() < before_ns {
        clock.set_ns(before_ns);
    }
}

/// Parses an address and the port behind its last dot; `None` if there is no port. Fails for a host
/// name.
fn end(text: &str) -> Result<Option<(IpAddr, u16)>, String> {
    if names::address(text).is_some() {
        return Ok(None);
    }
    let is_end = text
        .rsplit_once('.')
        .and_then(|(address, port)| Some((names::address(address)?, port.parse().ok()?)));
    is_end.map(Some).ok_or_else(|| text.escape_debug().to_string())
}

fn told(sent: Sent, what: &str) -> Told {
    let Some((_, flags)) = what.split_once("Flags [") else {
        let is_sctp_init = what.starts_with("sctp") && what.contains("[INIT]");
        return match what.get(..4) {
            Some("sctp") if is_sctp_init => Told::Begun(sctp(sent, what)),
            Some("sctp") => Told::Nothing(PacketKind::MidStream),
            // Without its flags (`-q`).
            Some("tcp ") => Told::Datagram(Sent { protocol: Protocol::Tcp, ..sent }),
            Some("DCCP") => Told::Nothing(PacketKind::OtherIp),
            _ => Told::Datagram(sent),
        };
    };
    let flags = flags.split(']').next().unwrap_or_default();
    let tcp = Sent { protocol: Protocol::Tcp, sequence: number(what, "seq "), ..sent };
    match (flags.contains('S'), flags.contains('.'), flags.contains(['F', 'R'])) {
        (true, false, false) => Told::Begun(tcp),
        (true, true, false) => {
            let sequence = number(what, "ack ").map(|ack| ack.wrapping_sub(1));
            Told::Answered(Sent { sequence, ..tcp.reversed() })
        }
        (false, _, _) if flags.contains('R') => Told::Reset(tcp),
        (false, true, _) => Told::Later(tcp),
        _ => Told::Nothing(PacketKind::MidStream),
    }
}

fn sctp(sent: Sent, what: &str) -> Sent {
    Sent { protocol: Protocol::Sctp, sequence: number(what, "init tag: "), ..sent }
}

fn number(text: &str, key: &str) -> Option<u32> {
    let (_, value) = text.split_once(key)?;
    let digits = value.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}
