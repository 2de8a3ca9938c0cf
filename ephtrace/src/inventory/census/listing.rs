//! The sockets of one namespace as they are listed, counted while they come.

use crate::inventory::{
    namespace::{Source, TcpTotals, UdpTotals},
    port_set::PortSet,
    socket::{Socket, State},
    sysctls::Sysctls,
};

/// Sockets of the range that are kept of one namespace: 48 bytes each, so 48 MiB at most. What is
/// beyond is counted (`left_out`).
const MAX_SOCKETS: usize = 1 << 20;

/// The sockets of one namespace, as they were listed.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// TCP sockets whose local port is inside the range, in any order; one may come twice.
    pub in_range: Vec<Socket>,
    /// All TCP sockets, counted.
    pub tcp: TcpTotals,
    /// All UDP sockets, counted.
    pub udp: UdpTotals,
    /// Where it comes from.
    pub source: Source,
    /// Whether the kernel lists sockets that are bound and nothing else (Linux 6.8 and later).
    pub lists_bound: bool,
}

impl Listing {
    /// Counts a UDP socket; its port goes to `ports`.
    pub fn add_udp(&mut self, socket: Socket, ports: &mut PortSet) {
        self.udp.sockets += 1;
        ports.insert(socket.sport);
    }

    /// Counts a TCP socket, and keeps it if its port is inside the range.
    pub fn add_tcp(&mut self, socket: Socket, sysctls: &Sysctls) {
        self.tcp.sockets += 1;
        match socket.state {
            State::Listen => self.tcp.listening += 1,
            State::Bound | State::Close => self.tcp.bound_only += 1,
            state => self.tcp.connected.add(state),
        }
        if !sysctls.range.contains(socket.sport) {
            return;
        }
        if self.in_range.len() < MAX_SOCKETS {
            self.in_range.push(socket);
        } else {
            self.tcp.left_out += 1;
        }
    }
}
