//! Headers before the IP header.

use super::{content::Content, tunnel, wireless};
use crate::model::PacketKind;

/// Link-layer header (`LINKTYPE_` in the registry of tcpdump.org).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Ethernet, with optional VLAN tags.
    Ethernet,
    /// No header.
    Raw,
    /// Four bytes with the family: loopback on BSD.
    Loopback,
    /// Linux "cooked", as on the interface `any`.
    LinuxSll,
    /// Linux "cooked", version 2.
    LinuxSll2,
    /// Wi-Fi in monitor mode.
    Wireless,
    /// Wi-Fi in monitor mode, behind a radiotap header.
    Radiotap,
    /// PPP, with or without the address and control of HDLC.
    Ppp,
    /// Cisco HDLC: four bytes that end with an `EtherType`.
    CiscoHdlc,
    /// InfiniBand, with the `EtherType` behind its addresses.
    Infiniband,
    /// Apple's header with the number of another link.
    Pktap,
    /// A fibre optic ring, until 2000 or so.
    Fddi,
    /// Packets that the Linux firewall logs (`nflog`).
    Nflog,
}

/// Returns the reason why a capture with this link number can't be read.
pub(super) fn unknown(number: i32) -> String {
    let carries = match number {
        147 | 148 | 150..=162 => "a private-use type, unknown to other tools",
        187 | 201 | 251 | 254 | 255 => "Bluetooth, which has no IP ports",
        186 | 189 | 220 | 249 | 266 => "USB, which has no IP ports",
        195 | 215 | 230 | 283 => "IEEE 802.15.4, which is not supported",
        190 | 227 => "CAN, which has no IP ports",
        _ => return format!("unknown link type {number}"),
    };
    format!("unsupported link type {number}: {carries}")
}

/// Address and control of HDLC, which PPP may leave out.
const HDLC: [u8; 2] = [0xff, 0x03];

impl Link {
    /// Returns the link with this number in a capture.
    pub(super) fn from_number(number: i32) -> Option<Self> {
        Some(match number {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            9 | 50 => Self::Ppp,
            10 => Self::Fddi,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            104 => Self::CiscoHdlc,
            105 => Self::Wireless,
            113 => Self::LinuxSll,
            127 => Self::Radiotap,
            149 | 258 => Self::Pktap,
            239 => Self::Nflog,
            242 => Self::Infiniband,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }

    /// Returns the contents behind the header; `None` if the frame ends before.
    pub(super) fn content(self, frame: &[u8]) -> Option<Content<'_>> {
        match self {
            Self::Ethernet => Some(Content::Ethernet(frame)),
            Self::Raw => Some(Content::Ip(frame)),
            Self::Loopback => Some(Content::Ip(frame.get(4..)?)),
            Self::LinuxSll => of_type(frame, 14, 16),
            Self::LinuxSll2 => of_type(frame, 0, 20),
            Self::CiscoHdlc => of_type(frame, 2, 4),
            // Cisco's routers use their own HDLC on links that are marked as PPP.
            Self::Ppp if matches!(frame, [0x0f | 0x8f, 0, ..]) => of_type(frame, 2, 4),
            Self::Ppp => tunnel::ppp(frame.strip_prefix(&HDLC).unwrap_or(frame)),
            Self::Nflog => Some(nflog(frame)),
            Self::Infiniband => of_type(frame, 40, 44),
            Self::Pktap => pktap(frame),
            // The frame control byte, and two addresses.
            Self::Fddi => {
                let not_ip = Content::Other(PacketKind::NotIp);
                Some(tunnel::snap(frame.get(13..)?).unwrap_or(not_ip))
            }
            Self::Wireless => wireless_content(frame),
            Self::Radiotap => wireless_content(wireless::behind_radiotap(frame)?),
        }
    }
}

/// Returns the frame of another link behind a header that begins with its length; the link's number
/// is its third word.
fn pktap(frame: &[u8]) -> Option<Content<'_>> {
    let word = |at: usize| Some(u32::from_le_bytes(*frame.get(at..)?.first_chunk()?));
    let link = Link::from_number(i32::try_from(word(8)?).ok()?)?;
    let inner = frame.get(usize::try_from(word(0)?).ok()?..)?;
    if link == Link::Pktap { None } else { link.content(inner) }
}

/// Returns the content at `payload`, with its type at `at`.
fn of_type(frame: &[u8], at: usize, payload: usize) -> Option<Content<'_>> {
    let ether_type = u16::from_be_bytes(*frame.get(at..)?.first_chunk()?);
    Some(Content::OfType(ether_type, frame.get(payload..)?))
}

fn wireless_content(frame: &[u8]) -> Option<Content<'_>> {
    match wireless::content(frame) {
        Ok(content) => of_type(content, 0, 2),
        Err(kind) => Some(Content::Other(kind)),
    }
}

/// Parses a header of four bytes and attributes with length and type, in the byte order of the
/// capturing machine: the packet is one of them (`NFULA_PAYLOAD`).
fn nflog(frame: &[u8]) -> Content<'_> {
    const HEADER: usize = 4;
    const PAYLOAD: u16 = 9;
    let mut rest = frame.get(HEADER..).unwrap_or_default();
    while let Some(&[a, b, c, d]) = rest.first_chunk() {
        let (native, other) = ([a, b], [c, d]);
        // All types are below 256, so the byte order shows.
        let is_little = d == 0;
        let number =
            |bytes| if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) };
        let (len, kind) = (usize::from(number(native)), number(other));
        let Some(value) = rest.get(HEADER..len) else { break };
        if kind == PAYLOAD {
            return Content::Ip(value);
        }
        rest = rest.get(len.next_multiple_of(HEADER)..).unwrap_or_default();
    }
    Content::Other(PacketKind::Damaged)
}
