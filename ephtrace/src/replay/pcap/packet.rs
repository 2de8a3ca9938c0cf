//! One captured packet: detects a client's port in it, and its destination.

use std::net::IpAddr;

use etherparse::{EtherType, IpNumber, LaxIpPayloadSlice, LaxNetSlice, LaxSlicedPacket};

use super::{content::Content, link::Link, tunnel};
use crate::{
    model::{PacketKind, Protocol},
    replay::told::{Sent, Told},
};

/// Bytes of a TCP header up to the flags. Captures may be truncated right behind.
const TCP_FLAGS_END: usize = 14;

/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;

/// Bytes of an SCTP header, and of its first chunk up to the sender's initial number.
const SCTP_INIT_END: usize = 12 + 4 + 12;
const SCTP_INIT: u8 = 1;
const SCTP_INIT_ACK: u8 = 2;
const SCTP_ABORT: u8 = 6;

/// Maximum depth of nested tunnels.
const MAX_TUNNELS: u32 = 4;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const SYN_ACK: u8 = SYN | ACK;

/// Returns the information in one packet about a client's port.
pub(super) fn read(link: Link, frame: &[u8]) -> Told {
    link.content(frame).map_or(Told::Nothing(PacketKind::Damaged), |it| inside(&it, MAX_TUNNELS))
}

fn inside(content: &Content<'_>, tunnels: u32) -> Told {
    let damaged = Told::Nothing(PacketKind::Damaged);
    match *content {
        Content::Other(kind) => Told::Nothing(kind),
        Content::Ip(data) => match LaxSlicedPacket::from_ip(data) {
            Ok(packet) => sliced(&packet, tunnels),
            Err(_) => damaged,
        },
        Content::Ethernet(data) => match LaxSlicedPacket::from_ethernet(data) {
            Ok(packet) => sliced(&packet, tunnels),
            Err(_) => damaged,
        },
        Content::OfType(ether_type, data) => match tunnel::in_type(ether_type, data) {
            Some(inner) => deeper(&inner, tunnels),
            None => sliced(&LaxSlicedPacket::from_ether_type(EtherType(ether_type), data), tunnels),
        },
    }
}

/// Parses the packet in a tunnel, unless it is nested too deeply.
fn deeper(content: &Content<'_>, tunnels: u32) -> Told {
    match tunnels.checked_sub(1) {
        Some(left) => inside(content, left),
        None => Told::Nothing(PacketKind::OtherIp),
    }
}

fn sliced(packet: &LaxSlicedPacket<'_>, tunnels: u32) -> Told {
    let (addresses, payload) = match packet.net.as_ref() {
        Some(LaxNetSlice::Ipv4(ip)) => {
            let header = ip.header();
            if header.fragments_offset().value() > 0 {
                return Told::Nothing(PacketKind::Fragment);
            }
            let from_to = (header.source_addr().into(), header.destination_addr().into());
            (from_to, ip.payload())
        }
        Some(LaxNetSlice::Ipv6(ip)) => {
            let header = ip.header();
            if ip.payload().fragmented
                && is_later_fragment(header.next_header(), ip.extensions().slice())
            {
                return Told::Nothing(PacketKind::Fragment);
            }
            let from_to = (header.source_addr().into(), header.destination_addr().into());
            (from_to, ip.payload())
        }
        Some(LaxNetSlice::Arp(_)) => return Told::Nothing(PacketKind::NotIp),
        None => return without_net(packet, tunnels),
    };
    transport(addresses, payload, tunnels)
}

/// Returns whether this IPv6 packet is a fragment other than the first. Parsed by hand: the crate's
/// own walk over the headers (0.21) reads past the end of a packet that is truncated in one of
/// them.
fn is_later_fragment(first: IpNumber, mut headers: &[u8]) -> bool {
    let mut kind = first;
    while let Some(&[next, len, high, low, ..]) = headers.first_chunk::<8>() {
        let bytes = match kind {
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                return u16::from_be_bytes([high, low]) >> 3 > 0;
            }
            IpNumber::AUTHENTICATION_HEADER => 4 * (usize::from(len) + 2),
            _ => 8 * (usize::from(len) + 1),
        };
        (kind, headers) = (IpNumber(next), headers.get(bytes..).unwrap_or_default());
    }
    false
}

/// Handles an Ethernet frame without IP.
fn without_net(packet: &LaxSlicedPacket<'_>, tunnels: u32) -> Told {
    if packet.stop_err.is_some() {
        return Told::Nothing(PacketKind::Damaged);
    }
    let inner = packet.ether_payload().and_then(|it| tunnel::in_type(it.ether_type.0, it.payload));
    inner.map_or(Told::Nothing(PacketKind::NotIp), |inner| deeper(&inner, tunnels))
}

fn transport(addresses: (IpAddr, IpAddr), packet: &LaxIpPayloadSlice<'_>, tunnels: u32) -> Told {
    let data = packet.payload;
    let cut = Told::Nothing(PacketKind::Damaged);
    match packet.ip_number {
        IpNumber::TCP => tcp(addresses, data).unwrap_or(cut),
        IpNumber::UDP => udp(addresses, data, tunnels).unwrap_or(cut),
        IpNumber::SCTP => sctp(addresses, data).unwrap_or(cut),
        IpNumber::ICMP | IpNumber::IPV6_ICMP => Told::Nothing(PacketKind::Icmp),
        IpNumber::ENCAPSULATING_SECURITY_PAYLOAD => Told::Nothing(PacketKind::Encrypted),
        IpNumber::IPV4 | IpNumber::IPV6 => deeper(&Content::Ip(data), tunnels),
        IpNumber::GRE => tunnel::gre(data)
            .map_or(Told::Nothing(PacketKind::OtherIp), |inner| deeper(&inner, tunnels)),
        _ => Told::Nothing(PacketKind::OtherIp),
    }
}

fn tcp(addresses: (IpAddr, IpAddr), data: &[u8]) -> Option<Told> {
    // Parsed by hand, since a header with truncated options is as good as a whole one.
    let tcp: &[u8; TCP_FLAGS_END] = data.first_chunk()?;
    let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
    let acknowledged = u32::from_be_bytes([tcp[8], tcp[9], tcp[10], tcp[11]]);
    let sent = sent(Protocol::Tcp, addresses, data, Some(sequence))?;
    Some(match tcp[13] & (FIN | SYN | RST | ACK) {
        _ if sent.sport == 0 || sent.dport == 0 => Told::Nothing(PacketKind::MidStream),
        SYN => Told::Begun(sent),
        SYN_ACK => {
            let sequence = Some(acknowledged.wrapping_sub(1));
            Told::Answered(Sent { sequence, ..sent.reversed() })
        }
        flags if flags & RST != 0 => Told::Reset(sent),
        flags if flags & (SYN | ACK) == ACK => Told::Later(sent),
        _ => Told::Nothing(PacketKind::MidStream),
    })
}

fn sctp(addresses: (IpAddr, IpAddr), data: &[u8]) -> Option<Told> {
    // The chunk's type comes first behind the common header of 12 bytes (RFC 9260, section 3.3.2).
    let &kind = data.get(12)?;
    let later = || sent(Protocol::Sctp, addresses, data, None);
    match kind {
        SCTP_INIT => {}
        SCTP_ABORT => return later().map(Told::Reset),
        // A packet of the server alone does not show that its client received it.
        SCTP_INIT_ACK => return Some(Told::Nothing(PacketKind::MidStream)),
        _ => return later().map(Told::Later),
    }
    let init: &[u8; SCTP_INIT_END] = data.first_chunk()?;
    let tag = u32::from_be_bytes([init[16], init[17], init[18], init[19]]);
    Some(Told::Begun(sent(Protocol::Sctp, addresses, data, Some(tag))?))
}

fn udp(addresses: (IpAddr, IpAddr), data: &[u8], tunnels: u32) -> Option<Told> {
    let datagram = sent(Protocol::Udp, addresses, data, None)?;
    if !tunnel::has_port(datagram.dport) {
        return Some(Told::Datagram(datagram));
    }
    // The source port of a tunnel is a hash of its contents.
    let inner = tunnel::in_udp(datagram.dport, data.get(UDP_HEADER..)?);
    Some(inner.map_or(Told::Nothing(PacketKind::Udp), |inner| deeper(&inner, tunnels)))
}

/// Parses the ports, with which the headers of all three protocols begin.
fn sent(
    protocol: Protocol,
    (saddr, daddr): (IpAddr, IpAddr),
    data: &[u8],
    sequence: Option<u32>,
) -> Option<Sent> {
    let ports: &[u8; 4] = data.first_chunk()?;
    let [sport, dport] = [[ports[0], ports[1]], [ports[2], ports[3]]].map(u16::from_be_bytes);
    Some(Sent { protocol, saddr, daddr, sport, dport, sequence })
}
