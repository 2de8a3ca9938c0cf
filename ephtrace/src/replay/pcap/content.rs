//! The contents of a frame, or of a tunnel.

use crate::model::PacketKind;

/// Contents behind a header.
pub(super) enum Content<'a> {
    /// An Ethernet frame.
    Ethernet(&'a [u8]),
    /// A packet with this `EtherType`.
    OfType(u16, &'a [u8]),
    /// An IP packet.
    Ip(&'a [u8]),
    /// Nothing that shows ports.
    Other(PacketKind),
}
