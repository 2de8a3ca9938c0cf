//! Headers before the IP header.

use super::{content::Content, tunnel, wireless};
use crate::model::PacketKind;

/// The header of a link (`LINKTYPE_` in the registry of tcpdump.org).
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
    /// PPP, with or without the address and control of HDLC.
    Ppp,
    /// HDLC of Cisco's: four bytes that end with a type of Ethernet.
    CiscoHdlc,
    /// InfiniBand, with the type of Ethernet behind its addresses.
    Infiniband,
    /// Apple's header with the number of another link.
    Pktap,
    /// A ring of glass fibre, until 2000 or so.
    Fddi,
    /// Packets that the firewall of Linux logs (`nflog`).
    Nflog,
}

/// The reason why a capture with a link of this number can't be read.
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
    /// By its number in a capture.
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

    /// The contents behind the header; `None` if the frame ends before.
    pub(super) fn content(self, frame: &[u8]) -> Option<Content<'_>> {
        match self {
            Self::Ethernet => Some(Content::Ethernet(frame)),
            Self::Raw => Some(Content::Ip(frame)),
            Self::Loopback => Some(Content::Ip(frame.get(4..)?)),
            Self::LinuxSll => of_type(frame, 14, 16),
            Self::LinuxSll2 => of_type(frame, 0, 20),
            Self::CiscoHdlc => of_type(frame, 2, 4),
            // Cisco's routers have their own HDLC on lines that are called PPP.
            Self::Ppp if matches!(frame, [0x0f | 0x8f, 0, ..]) => of_type(frame, 2, 4),
            Self::Ppp => tunnel::ppp(frame.strip_prefix(&HDLC).unwrap_or(frame)),
            Self::Nflog => Some(nflog(frame)),
            Self::Infiniband => of_type(frame, 40, 44),
            Self::Pktap => pktap(frame),
            // Its control, and two addresses.
            Self::Fddi => {
                let not_ip = Content::Other(PacketKind::NotIp);
                Some(tunnel::snap(frame.get(13..)?).unwrap_or(not_ip))
            }
            Self::Wireless => wireless_content(frame),
            Self::Radiotap => wireless_content(wireless::behind_radiotap(frame)?),
        }
    }
}

/// The frame of another link behind a header whose length comes first; the link's number is its
/// third word.
fn pktap(frame: &[u8]) -> Option<Content<'_>> {
    let word = |at: usize| Some(u32::from_le_bytes(*frame.get(at..)?.first_chunk()?));
    let link = Link::from_number(i32::try_from(word(8)?).ok()?)?;
    let inner = frame.get(usize::try_from(word(0)?).ok()?..)?;
    if link == Link::Pktap { None } else { link.content(inner) }
}

/// A frame with the type of its content at `at`, and the content at `payload`.
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

/// A header of four bytes and values behind their length and type, in the order of the machine that
/// captured: the packet is one of them (`NFULA_PAYLOAD`).
fn nflog(frame: &[u8]) -> Content<'_> {
    const HEADER: usize = 4;
    const PAYLOAD: u16 = 9;
    let mut rest = frame.get(HEADER..).unwrap_or_default();
    while let Some(&[a, b, c, d]) = rest.first_chunk() {
        let (native, other) = ([a, b], [c, d]);
        // No type is as large as 256, so that the order shows.
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
