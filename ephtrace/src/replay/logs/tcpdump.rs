//! Text of `tcpdump -nn`, of any version, with any of its time formats.

use std::net::IpAddr;

use super::{
    super::{
        names,
        pcap::is_tunnel,
        told::{Sent, Told},
    },
    clock::Clock,
    said::Said,
};
use crate::model::{PacketKind, Protocol};

/// Text of tcpdump, as far as it was read.
#[derive(Default)]
pub(in crate::replay) struct Text {
    /// True if a time is the difference from the packet before (`-ttt`).
    has_differences: bool,
    /// True behind an ICMP message (`-v`): lines of the packet that it quotes may follow.
    is_quoting: bool,
}

/// Returns whether a line is one of tcpdump: a packet, IP or not, or a message at its start.
pub(super) fn is_line(line: &str) -> bool {
    let packet = numbered(line).or_else(|| relative(line)).unwrap_or(line);
    let first = packet.split(' ').next().unwrap_or_default();
    let is_timed = first.starts_with(|c: char| c.is_ascii_digit()) && !first.contains(['{', ',']);
    let begins = |word: &str| packet.starts_with(word);
    let has_header = || HEADERS.iter().any(|it| packet.contains(it));
    let has_ip = begins("IP ")
        || begins("IP6 ")
        || is_timed && (packet.contains(" IP ") || packet.contains(" IP6 "));
    // Text of tshark has arrows between its addresses.
    let has_link = || packet.contains(" > ") && !packet.contains(" -> ") && packet.contains(": ");
    (has_ip && (packet.contains(" > ") || has_header()))
        || (is_timed && (has_link() || packet.contains(" ethertype ") || has_header()))
        || OTHERS.iter().any(|word| begins(word) || is_timed && packet.contains(word))
        || ["tcpdump: verbose output suppressed", "reading from file "]
            .iter()
            .any(|words| line.starts_with(words))
}

/// Beginnings of an IP header that is printed (`-v`); the addresses follow on the next line.
const HEADERS: [&str; 4] = [" (tos ", " (class ", " (hlim ", " (flowlabel "];

/// Packets without IP, or with it behind other headers, that may be at the beginning.
const OTHERS: [&str; 7] =
    ["ARP, ", "LLDP, ", "STP 802.1", "CDPv2, ", "IS-IS, ", "MPLS (label ", "PPPoE "];

impl Text {
    pub(super) fn read(&mut self, line: &str, clock: &mut Clock) -> Result<Said, String> {
        let part = numbered_part(line);
        let is_relative = relative(part.unwrap_or(line));
        let packet = is_relative.or_else(|| part.map(str::trim_start)).unwrap_or(line);
        let is_continued = packet.starts_with([' ', '\t']);
        // A packet quoted in another one, as in an ICMP error, is indented further.
        if packet.starts_with('\t') || packet.starts_with("     ") {
            return Ok(Said::Nothing);
        }
        // Bytes of a packet, its text (`-A`), and messages about the program itself.
        if is_continued && packet.trim_start().starts_with("0x")
            || !is_continued && !is_line(packet)
        {
            return Ok(Said::Nothing);
        }
        if is_continued && self.is_quoting {
            return Ok(Said::Nothing);
        }
        if !is_continued {
            self.time(packet, is_relative.is_some(), clock);
        }
        self.is_quoting = [": ICMP ", ": ICMP6, "].iter().any(|word| packet.contains(word));
        self::packet(packet)
    }

    /// Parses the time before ` IP `: time of day, a date (two words), or seconds. Packets come in
    /// order. Times since the first packet, or since the one before, stand behind a space; the
    /// latter go back.
    fn time(&mut self, line: &str, is_relative: bool, clock: &mut Clock) {
        let mut words = line.split(' ');
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let is_date = first.len() == 10 && first.contains('-');
        let before_ns = clock.now_ns();
        if is_relative {
            let mut one = Clock::default();
            let Some(()) = one.set(first) else { return clock.next() };
            self.has_differences |= one.now_ns() < before_ns;
            let base_ns = if self.has_differences { before_ns } else { 0 };
            return clock.set_ns(base_ns.saturating_add(one.now_ns()));
        }
        let is_set =
            if is_date { clock.set(&format!("{first}T{second}")) } else { clock.set(first) };
        if is_set.is_none() {
            clock.next();
        } else if clock.now_ns() < before_ns {
            clock.set_ns(before_ns);
        }
    }
}

/// Reads the first addresses with an arrow between them; the link header (`-e`) has others.
fn packet(line: &str) -> Result<Said, String> {
    let mut name = None;
    for (at, arrow) in line.match_indices(" > ") {
        let from = line[..at].rsplit(' ').next().unwrap_or_default();
        let Some((to, what)) = line[at + arrow.len()..].split_once(": ") else { break };
        match (end(from), end(to)) {
            (Ok(Some(from)), Ok(Some(to))) => return between(from, to, what),
            (Ok(None), Ok(None)) if ["IP ", "IP6 "].iter().any(|it| what.starts_with(it)) => {}
            (Ok(_), Ok(_)) => return outside_ports(what),
            (Err(first), _) | (_, Err(first)) if !to.contains(' ') && first.contains('.') => {
                name = name.or(Some(first));
            }
            _ => {}
        }
    }
    match name {
        None => Ok(Said::Nothing),
        Some(name) => {
            Err(format!("'{name}' is a name, not an address with a port: use `tcpdump -nn`"))
        }
    }
}

/// Returns the meaning of a packet between addresses without ports.
fn outside_ports(what: &str) -> Result<Said, String> {
    if TUNNELS.iter().any(|name| what.starts_with(name)) {
        return inner(what);
    }
    let kind = if what.starts_with("ICMP") { PacketKind::Icmp } else { PacketKind::OtherIp };
    Ok(Said::Packet(Told::Nothing(kind)))
}

fn between(from: (IpAddr, u16), to: (IpAddr, u16), what: &str) -> Result<Said, String> {
    if TUNNELS.iter().any(|name| what.starts_with(name)) {
        return inner(what);
    }
    let ((saddr, sport), (daddr, dport)) = (from, to);
    let sent = Sent { protocol: Protocol::Udp, saddr, daddr, sport, dport, sequence: None };
    Ok(Said::Packet(told(sent, what)))
}

/// Returns the meaning of the packet in a tunnel. It follows on the line, or on lines of its own.
fn inner(what: &str) -> Result<Said, String> {
    let inner = [": IP ", ": IP6 "].iter().find_map(|word| what.split_once(word));
    inner.map_or(Ok(Said::Packet(Told::Nothing(PacketKind::Udp))), |(_, it)| packet(it))
}

/// UDP tunnels, as tcpdump names them.
const TUNNELS: [&str; 4] = ["VXLAN", "Geneve", "GREv", "NSH"];

/// Returns the packet behind its number (`tcpdump -#`), which is right-aligned before two spaces.
fn numbered(line: &str) -> Option<&str> {
    numbered_part(line).map(str::trim_start)
}

fn numbered_part(line: &str) -> Option<&str> {
    let (number, packet) = line.trim_start().split_once("  ")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(packet)
}

/// Returns the packet if its time stands behind a space, as relative ones do (`-ttt`, `-ttttt`).
fn relative(line: &str) -> Option<&str> {
    let packet = line.strip_prefix(' ')?;
    let (time, _) = packet.split_once(' ')?;
    (packet.starts_with(|c: char| c.is_ascii_digit()) && time.contains(':')).then_some(packet)
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
    let Some(flags) = flags(what) else {
        let is_sctp_init = what.starts_with("sctp") && what.contains("[INIT]");
        return match what.get(..4) {
            Some("sctp") if is_sctp_init => Told::Begun(sctp(sent, what)),
            Some("sctp") => Told::Nothing(PacketKind::MidStream),
            // Without its flags (`-q`).
            Some("tcp ") => Told::Datagram(Sent { protocol: Protocol::Tcp, ..sent }),
            Some("DCCP") => Told::Nothing(PacketKind::OtherIp),
            // The source port of a tunnel is a hash of its contents, which tcpdump does not know.
            _ if is_tunnel(sent.dport) => Told::Nothing(PacketKind::Udp),
            _ => Told::Datagram(sent),
        };
    };
    let sequence = number(what, "seq ").or_else(|| number(what, "S "));
    let tcp = Sent { protocol: Protocol::Tcp, sequence, ..sent };
    let has_ack = flags.contains('.') || what.contains(" ack ");
    match (flags.contains('S'), has_ack, flags.contains(['F', 'R'])) {
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

/// Returns the flags of a TCP segment, as tcpdump prints them since 4.0, or before (as OpenBSD's
/// does): `S 7:7(0) win 1`, `. ack 1 win 1`.
fn flags(what: &str) -> Option<&str> {
    if let Some((_, flags)) = what.split_once("Flags [") {
        return flags.split(']').next();
    }
    let (flags, rest) = what.split_once(' ')?;
    let is_range = |text: &str| {
        let (from, to) = text.split(' ').next()?.split_once(':')?;
        Some(!from.is_empty() && from.bytes().all(|b| b.is_ascii_digit()) && to.contains('('))
    };
    let is_old = flags.bytes().all(|byte| b"SFPRUEW.".contains(&byte))
        && (rest.starts_with("ack ") || is_range(rest).unwrap_or(false));
    is_old.then_some(flags)
}

fn sctp(sent: Sent, what: &str) -> Sent {
    Sent { protocol: Protocol::Sctp, sequence: number(what, "init tag: "), ..sent }
}

fn number(text: &str, key: &str) -> Option<u32> {
    let (_, value) = text.split_once(key)?;
    let digits = value.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}
