//! The meaning of a line of a log.

use super::super::{item::Item, told::Told};

/// Meaning of a line.
pub(super) enum Said {
    /// A packet, or a connection that is logged once.
    Packet(Told),
    /// An assignment.
    Row(Item),
    /// Two assignments: the client's, and that of the NAT, which chose another port.
    Rows(Box<(Item, Item)>),
    /// Nothing: a header, a comment, an event of another kind.
    Nothing,
}
