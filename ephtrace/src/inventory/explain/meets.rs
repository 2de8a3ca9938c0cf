//! Whether two sockets want the same address (`inet_rcv_saddr_equal`).

use std::net::IpAddr;

use crate::inventory::socket::Socket;

/// Whether `socket` has an address that one bound to `addr` wants, too; `None` if that depends on
/// how an IPv6 socket came by its address. A socket bound to `::` wants those of IPv4, too.
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
        // One that is bound to an address of its own takes IPv6 alone; one that got its address
        // from connect() meets the unspecified address of IPv4, too.
        (IpAddr::V4(_), IpAddr::V6(_)) if addr.is_unspecified() => {
            socket.is_v6only.map(|is_only| !is_only)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) => Some(false),
    }
}
