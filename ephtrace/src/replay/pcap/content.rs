//! The contents of a frame, or of a tunnel.

use crate::model::PacketKind;

/// The contents behind a header.
pub(super) enum Content<'a> {
    /// A frame of Ethernet.
    Ethernet(&'a [u8]),
    /// A packet of this type of Ethernet.
    OfType(u16, &'a [u8]),
    /// An IP packet.
    Ip(&'a [u8]),
    /// Nothing that tells of ports.
    Other(PacketKind),
}
