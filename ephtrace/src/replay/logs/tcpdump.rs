//! The text of `tcpdump -nn`, in any of its forms of time.

use std::net::IpAddr;

use super::{
    super::{
        connections::{Sent, Told},
        names,
    },
    clock::Clock,
    said::Said,
};
use crate::model::{PacketKind, Protocol};

/// True for a line of tcpdump's: a packet of IP, or its words at the start.
pub(super) fn is_line(line: &str) -> bool {
    let is_packet = (line.contains(" IP ") || line.contains(" IP6 "))
        && (line.contains(" > ") || line.contains(" (tos ") || line.contains(" (hlim "));
    is_packet && line.starts_with(|c: char| c.is_ascii_digit())
        || line.starts_with("tcpdump: verbose output suppressed")
        || line.starts_with("reading from file ")
}

pub(super) fn read(line: &str, clock: &mut Clock) -> Result<Said, String> {
    let is_continued = line.starts_with([' ', '\t']);
    // Bytes of a packet, and what is said of the program's own work.
    if is_continued && line.trim_start().starts_with("0x")
        || line.starts_with(|c: char| c.is_ascii_alphabetic())
    {
        return Ok(Said::Nothing);
    }
    if !is_continued {
        time(line, clock);
    }
    let Some((from, rest)) = line.split_once(" > ") else { return Ok(Said::Nothing) };
    let from = from.rsplit(' ').next().unwrap_or_default();
    let Some((to, what)) = rest.split_once(": ") else { return Ok(Said::Nothing) };
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

/// The time before ` IP `: of day, of a date (two words), or in seconds; a delta is none.
fn time(line: &str, clock: &mut Clock) {
    let mut words = line.split(' ');
    let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let is_date = first.len() == 10 && first.contains('-');
    let is_set = if is_date { clock.set(&format!("{first}T{second}")) } else { clock.set(first) };
    if is_set.is_none() {
        clock.next();
    }
}

/// An address and the port behind its last dot; nothing if there is no port, an error if it is a
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
            Some("sctp" | "tcp ") => Told::Nothing(PacketKind::MidStream),
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
