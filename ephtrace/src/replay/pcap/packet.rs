//! One captured packet: is it one that a client sends with a port of its own, and to whom.

use std::net::IpAddr;

use etherparse::{EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket};

use super::{tunnel, wireless};

/// Bytes of a TCP header up to the flags. Captures may be cut off right behind.
const TCP_FLAGS_END: usize = 14;

/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;

/// Services listen below this port, and nobody is given one of them.
const SERVICES_END: u16 = 1024;

/// Tunnels within tunnels that are opened.
const MAX_TUNNELS: u32 = 4;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// What stands before the IP header (`LINKTYPE_` in the registry of tcpdump.org).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Ethernet, with VLAN tags if need be.
    Ethernet,
    /// Nothing.
    Raw,
    /// Four bytes with the family: loopback on BSD.
    Loopback,
    /// Linux "cooked", as on the interface `any`.
    LinuxSll,
    /// The same, version 2.
    LinuxSll2,
    /// Wi-Fi in monitor mode.
    Wireless,
    /// The same behind a header of the radio's.
    Radiotap,
}

/// A packet that a client sends from a port of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    pub(super) saddr: IpAddr,
    pub(super) daddr: IpAddr,
    pub(super) sport: u16,
    pub(super) dport: u16,
    /// The first sequence number of a TCP connection: the same if the packet is sent again. `None`
    /// for UDP.
    pub(super) sequence: Option<u32>,
}

impl Link {
    /// By its number in a capture.
    pub(super) fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            105 => Self::Wireless,
            113 => Self::LinuxSll,
            127 => Self::Radiotap,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }
}

/// What a packet says of a client's port; `None` if it is something else.
pub(super) fn sent(link: Link, data: &[u8]) -> Result<Option<Sent>, &'static str> {
    let cut = "cut off before the addresses";
    let packet = match link {
        Link::Ethernet => LaxSlicedPacket::from_ethernet(data).map_err(|_| cut)?,
        Link::LinuxSll => by_ether_type(data, 14, 16).ok_or(cut)?,
        Link::LinuxSll2 => by_ether_type(data, 0, 20).ok_or(cut)?,
        Link::Raw => return Ok(ip(data).and_then(|packet| sent_in(&packet, MAX_TUNNELS))),
        Link::Loopback => {
            let data = data.get(4..).ok_or(cut)?;
            return Ok(ip(data).and_then(|packet| sent_in(&packet, MAX_TUNNELS)));
        }
        Link::Wireless | Link::Radiotap => {
            let frame = match link {
                Link::Radiotap => wireless::behind_radiotap(data).ok_or(cut)?,
                _ => data,
            };
            let Some(content) = wireless::content(frame) else { return Ok(None) };
            by_ether_type(content, 0, 2).ok_or(cut)?
        }
    };
    Ok(sent_in(&packet, MAX_TUNNELS))
}

/// Whatever is not IP is none of ours.
fn ip(data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    LaxSlicedPacket::from_ip(data).ok()
}

/// A packet with the type of its content at `at`, and the content at `payload`.
fn by_ether_type(data: &[u8], at: usize, payload: usize) -> Option<LaxSlicedPacket<'_>> {
    let ether_type = u16::from_be_bytes(*data.get(at..)?.first_chunk()?);
    Some(LaxSlicedPacket::from_ether_type(EtherType(ether_type), data.get(payload..)?))
}

fn sent_in(packet: &LaxSlicedPacket<'_>, tunnels: u32) -> Option<Sent> {
    let net = packet.net.as_ref()?;
    let addresses: (IpAddr, IpAddr) = match net {
        LaxNetSlice::Ipv4(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        LaxNetSlice::Ipv6(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let payload = net.ip_payload_ref()?;
    match payload.ip_number {
        _ if payload.fragmented => None,
        IpNumber::TCP => syn(addresses, payload.payload),
        IpNumber::UDP => {
            let datagram = datagram(addresses, payload.payload)?;
            let content = payload.payload.get(UDP_HEADER..)?;
            match tunnel::content(datagram.dport, content) {
                Some(inner) if tunnels > 0 => sent_in(&inner, tunnels - 1),
                _ => Some(datagram).filter(Sent::is_to_service),
            }
        }
        _ => None,
    }
}

fn syn((saddr, daddr): (IpAddr, IpAddr), payload: &[u8]) -> Option<Sent> {
    // By hand, for a header whose options are cut off is as good as a whole one.
    let tcp: &[u8; TCP_FLAGS_END] = payload.first_chunk()?;
    let flags = tcp[13] & (FIN | SYN | RST | ACK);
    let sport = u16::from_be_bytes([tcp[0], tcp[1]]);
    (flags == SYN && sport != 0).then(|| Sent {
        saddr,
        daddr,
        sport,
        dport: u16::from_be_bytes([tcp[2], tcp[3]]),
        sequence: Some(u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]])),
    })
}

fn datagram((saddr, daddr): (IpAddr, IpAddr), payload: &[u8]) -> Option<Sent> {
    let udp: &[u8; UDP_HEADER] = payload.first_chunk()?;
    let [sport, dport] = [[udp[0], udp[1]], [udp[2], udp[3]]].map(u16::from_be_bytes);
    Some(Sent { saddr, daddr, sport, dport, sequence: None })
}

impl Sent {
    /// UDP has no first packet, and an answer looks like a question: what goes to a service's port
    /// comes from a client.
    fn is_to_service(&self) -> bool {
        self.dport < SERVICES_END && self.dport != 0 && self.sport >= SERVICES_END
    }
}
