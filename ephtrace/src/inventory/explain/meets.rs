//! Conflict of two sockets' addresses (`inet_rcv_saddr_equal`).

use std::net::IpAddr;

use crate::inventory::socket::Socket;

/// Returns whether the address of `socket` conflicts with `addr`; `None` if that depends on how an
/// IPv6 socket got its address. A socket bound to `::` conflicts with IPv4 addresses, too.
pub(super) fn meets(addr: IpAddr, socket: &Socket) -> Option<bool> {
    let other = socket.saddr;
    match (addr, other) {
        (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
            Some(addr == other || addr.is_unspecified() || other.is_unspecified())
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => Some(addr.is_unspecified()),
        (IpAddr::V4(_), IpAddr::V6(_)) if other.is_unspecified() => {
            socket.is_v6only.map(|is_only| !is_only)
        }
        // A socket bound to an address of its own blocks IPv6 alone; one that got its address from
        // connect() conflicts with the unspecified address of IPv4, too.
        (IpAddr::V4(_), IpAddr::V6(_)) if addr.is_unspecified() => {
            socket.is_v6only.map(|is_only| !is_only)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) => Some(false),
    }
}
