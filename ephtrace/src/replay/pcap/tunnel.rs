//! Packets within packets, sent by a host of a virtual network, or behind a tunnel.

use std::ops::RangeInclusive;

use super::{content::Content, wireless};
use crate::model::PacketKind;

/// VXLAN ports: the registered one, and Linux's default.
const VXLAN_PORTS: [u16; 2] = [4789, 8472];
const GENEVE_PORT: u16 = 6081;
/// Port of GRE in UDP (RFC 8086).
const GRE_PORT: u16 = 4754;
/// Port of VXLAN with a protocol field (draft-ietf-nvo3-vxlan-gpe).
const VXLAN_GPE_PORT: u16 = 4790;
/// Port of GTP-U, the user data of mobile networks (3GPP TS 29.281).
const GTP_PORT: u16 = 2152;
const HEADER_BYTES: usize = 8;

/// `EtherType` values.
const BRIDGED: u16 = 0x6558;
const MPLS: [u16; 2] = [0x8847, 0x8848];
const PPPOE_SESSION: u16 = 0x8864;
/// Provider backbone bridging, Ethernet in Ethernet behind four bytes (IEEE 802.1ah).
const BACKBONE: u16 = 0x88e7;
/// Cisco's `FabricPath`, Ethernet in Ethernet behind two bytes.
const FABRIC_PATH: u16 = 0x8903;
/// Tag of a virtual interface (IEEE 802.1BR): four bytes, then an `EtherType`.
const INTERFACE_TAG: u16 = 0x8926;
/// Limit below which the number is a length, and LLC follows (IEEE 802.3).
const TYPES_BEGIN: u16 = 0x600;
/// LLC and SNAP; an `EtherType` follows.
const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];
/// Mirrors of a switch, behind headers of 8 and 12 bytes (draft-foschiano-erspan).
const ERSPAN_II: u16 = 0x88be;
const ERSPAN_III: u16 = 0x22eb;
/// Wireless frames of Aruba's access points; the lower bits number their queues.
const ARUBA: RangeInclusive<u16> = 0x8200..=0x8270;

/// Returns whether a tunnel in UDP has this port.
pub(in crate::replay) fn has_port(dport: u16) -> bool {
    [GENEVE_PORT, GRE_PORT, VXLAN_GPE_PORT, GTP_PORT].contains(&dport)
        || VXLAN_PORTS.contains(&dport)
}

/// Returns the contents of a UDP datagram to port `dport`; `None` if it is no tunnel's.
pub(super) fn in_udp(dport: u16, datagram: &[u8]) -> Option<Content<'_>> {
    let header: [u8; HEADER_BYTES] = *datagram.first_chunk()?;
    let inner = datagram.get(HEADER_BYTES..)?;
    match dport {
        // A network id is given; whoever receives ignores the other flags (RFC 7348, section 5).
        _ if VXLAN_PORTS.contains(&dport) => {
            (header[0] & 0x08 != 0).then_some(Content::Ethernet(inner))
        }
        VXLAN_GPE_PORT => vxlan_gpe(header, inner),
        GTP_PORT => gtp(header, inner),
        GRE_PORT => gre(datagram),
        GENEVE_PORT if header[0] >> 6 == 0 => {
            let options = 4 * usize::from(header[0] & 0x3f);
            Some(of_type(u16::from_be_bytes([header[2], header[3]]), inner.get(options..)?))
        }
        _ => None,
    }
}

fn vxlan_gpe(header: [u8; HEADER_BYTES], inner: &[u8]) -> Option<Content<'_>> {
    /// Flags of a header with a network id, and with the protocol of the content.
    const NETWORK: u8 = 0x08;
    const PROTOCOL: u8 = 0x04;
    match (header[0] & (NETWORK | PROTOCOL), header[3]) {
        (NETWORK, _) | (_, 3) => Some(Content::Ethernet(inner)),
        (_, 1 | 2) => Some(Content::Ip(inner)),
        (_, 5) => mpls(inner),
        _ => None,
    }
}

/// Returns the packet of a subscriber, after the extensions of GTP version 1.
fn gtp(header: [u8; HEADER_BYTES], mut inner: &[u8]) -> Option<Content<'_>> {
    /// Version 1 of GTP, not of GTP'.
    const VERSION: u8 = 0x30;
    const USER_DATA: u8 = 0xff;
    if header[0] & 0xf0 != VERSION || header[1] != USER_DATA {
        return None;
    }
    if header[0] & 0x07 != 0 {
        // A sequence number, an N-PDU number, and the type of the first extension.
        let (fields, mut rest) = inner.split_first_chunk::<4>()?;
        let mut next = if header[0] & 0x04 == 0 { 0 } else { fields[3] };
        while next != 0 {
            let len = 4 * usize::from(*rest.first()?);
            let extension = rest.get(..len)?;
            next = *extension.last()?;
            rest = &rest[len..];
        }
        inner = rest;
    }
    Some(Content::Ip(inner))
}

/// Returns the contents behind a GRE header (RFC 2784, RFC 2890), including mirrors of a switch.
pub(super) fn gre(packet: &[u8]) -> Option<Content<'_>> {
    let &[flags, version, high, low] = packet.first_chunk()?;
    if version & 0x07 != 0 {
        return None;
    }
    // Checksum, key and sequence number: four bytes each, if present.
    let fields = usize::try_from((flags & 0b1011_0000).count_ones()).ok()?;
    let inner = packet.get(4 + 4 * fields..)?;
    match u16::from_be_bytes([high, low]) {
        // Without a sequence number it has no header of its own (type I).
        ERSPAN_II if flags & 0x10 == 0 => Some(Content::Ethernet(inner)),
        ERSPAN_II => Some(Content::Ethernet(inner.get(8..)?)),
        ERSPAN_III => {
            let has_more = inner.get(11)? & 1 == 1;
            Some(Content::Ethernet(inner.get(if has_more { 20 } else { 12 }..)?))
        }
        ether_type if ARUBA.contains(&ether_type) => match wireless::content(inner) {
            Ok(content) => typed(content),
            Err(kind) => Some(Content::Other(kind)),
        },
        ether_type => Some(of_type(ether_type, inner)),
    }
}

/// Returns the contents of an `EtherType` that wraps others; `None` if it wraps nothing.
pub(super) fn in_type(ether_type: u16, payload: &[u8]) -> Option<Content<'_>> {
    match ether_type {
        BRIDGED => Some(Content::Ethernet(payload)),
        PPPOE_SESSION => ppp(payload.get(6..)?),
        BACKBONE => Some(Content::Ethernet(payload.get(4..)?)),
        FABRIC_PATH => Some(Content::Ethernet(payload.get(2..)?)),
        INTERFACE_TAG => typed(payload.get(4..)?),
        ..TYPES_BEGIN => snap(payload),
        _ if MPLS.contains(&ether_type) => mpls(payload),
        _ => None,
    }
}

/// Returns the contents behind LLC and SNAP.
pub(super) fn snap(frame: &[u8]) -> Option<Content<'_>> {
    typed(frame.strip_prefix(&SNAP)?)
}

/// Returns the contents behind their `EtherType`.
fn typed(data: &[u8]) -> Option<Content<'_>> {
    let (ether_type, payload) = data.split_first_chunk()?;
    Some(of_type(u16::from_be_bytes(*ether_type), payload))
}

/// Returns the contents behind the PPP protocol number, which has one byte if it is odd.
pub(super) fn ppp(frame: &[u8]) -> Option<Content<'_>> {
    const IPV4: u16 = 0x21;
    const IPV6: u16 = 0x57;
    const MPLS: [u16; 2] = [0x281, 0x283];
    let (number, payload) = match *frame {
        [short, ref payload @ ..] if short & 1 == 1 => (u16::from(short), payload),
        [high, low, ref payload @ ..] => (u16::from_be_bytes([high, low]), payload),
        _ => return None,
    };
    match number {
        IPV4 | IPV6 => Some(Content::Ip(payload)),
        _ if MPLS.contains(&number) => mpls(payload),
        _ => Some(Content::Other(PacketKind::NotIp)),
    }
}

/// Returns the contents behind the last label (RFC 3032); their kind shows only in their first
/// bits.
fn mpls(mut labels: &[u8]) -> Option<Content<'_>> {
    loop {
        let (label, rest) = labels.split_first_chunk::<4>()?;
        labels = rest;
        if label[2] & 1 == 1 {
            break;
        }
    }
    match labels.first()? >> 4 {
        4 | 6 => Some(Content::Ip(labels)),
        // A control word before an Ethernet frame (RFC 4448).
        0 => Some(Content::Ethernet(labels.get(4..)?)),
        _ => None,
    }
}

fn of_type(ether_type: u16, payload: &[u8]) -> Content<'_> {
    if ether_type == BRIDGED {
        Content::Ethernet(payload)
    } else {
        Content::OfType(ether_type, payload)
    }
}
