//! What a frame, or a tunnel, holds.

use crate::model::PacketKind;

/// What is behind a header.
pub(super) enum Content<'a> {
    /// A frame of Ethernet.
    Ethernet(&'a [u8]),
    /// What its type of Ethernet says.
    OfType(u16, &'a [u8]),
    /// An IP packet.
    Ip(&'a [u8]),
    /// Nothing that tells of ports.
    Other(PacketKind),
}
