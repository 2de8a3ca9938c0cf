//! One captured packet: is it the first of a TCP connection, and between whom.

use std::net::IpAddr;

use etherparse::{EtherType, IpNumber, LaxNetSlice, LaxSlicedPacket};

/// Bytes of a TCP header up to the flags. Captures may be cut off right behind.
const TCP_FLAGS_END: usize = 14;

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
}

/// The first packet of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Syn {
    pub(super) saddr: IpAddr,
    pub(super) daddr: IpAddr,
    pub(super) sport: u16,
    pub(super) dport: u16,
    /// The first sequence number: the same if the packet is sent again.
    pub(super) sequence: u32,
}

impl Link {
    /// By its number in a capture.
    pub(super) fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            113 => Self::LinuxSll,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }
}

/// The SYN in a packet, `None` if it is something else.
pub(super) fn syn(link: Link, data: &[u8]) -> Result<Option<Syn>, &'static str> {
    let cut = "cut off before the addresses";
    let packet = match link {
        Link::Ethernet => LaxSlicedPacket::from_ethernet(data).map_err(|_| cut)?,
        Link::LinuxSll => by_ether_type(data, 14, 16).ok_or(cut)?,
        Link::LinuxSll2 => by_ether_type(data, 0, 20).ok_or(cut)?,
        Link::Raw => return Ok(ip(data).and_then(|packet| syn_of(&packet))),
        Link::Loopback => {
            let data = data.get(4..).ok_or(cut)?;
            return Ok(ip(data).and_then(|packet| syn_of(&packet)));
        }
    };
    Ok(syn_of(&packet))
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

fn syn_of(packet: &LaxSlicedPacket<'_>) -> Option<Syn> {
    let net = packet.net.as_ref()?;
    let (saddr, daddr): (IpAddr, IpAddr) = match net {
        LaxNetSlice::Ipv4(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        LaxNetSlice::Ipv6(ip) => {
            (ip.header().source_addr().into(), ip.header().destination_addr().into())
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let payload = net.ip_payload_ref()?;
    if payload.ip_number != IpNumber::TCP || payload.fragmented {
        return None;
    }
    // By hand, for a header whose options are cut off is as good as a whole one.
    let tcp: &[u8; TCP_FLAGS_END] = payload.payload.first_chunk()?;
    let flags = tcp[13] & (FIN | SYN | RST | ACK);
    let sport = u16::from_be_bytes([tcp[0], tcp[1]]);
    (flags == SYN && sport != 0).then(|| Syn {
        saddr,
        daddr,
        sport,
        dport: u16::from_be_bytes([tcp[2], tcp[3]]),
        sequence: u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]),
    })
}
