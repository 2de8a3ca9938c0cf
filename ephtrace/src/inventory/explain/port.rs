//! State of a port for bind and UDP sockets (`inet_csk_bind_conflict`, `udp_lib_lport_inuse`).

use std::net::IpAddr;

use super::{
    meets::meets,
    search::{PortState, Unsure},
};
use crate::inventory::socket::Socket;

/// Returns the state of the port that all of `sockets` have, for a bind to `addr`. Without
/// `SO_REUSEADDR` and `SO_REUSEPORT` each of them blocks it, a `TIME_WAIT`, too.
pub(super) fn state(addr: IpAddr, sockets: &mut dyn Iterator<Item = &Socket>) -> PortState {
    let mut state = PortState::Free;
    for socket in sockets {
        match meets(addr, socket) {
            Some(true) => return PortState::Taken,
            Some(false) => {}
            None => state = PortState::Unsure(Unsure::Ipv6History),
        }
    }
    state
}
