//! The sockets of one namespace as listed, counted as they arrive.

use crate::inventory::{
    asked::Taken,
    namespace::{Source, TcpTotals, UdpTotals},
    port_set::PortSet,
    socket::{Socket, TcpState},
    sysctls::Sysctls,
};

/// Maximum number of sockets of the range that are kept for one namespace: 48 bytes each, so 48 MiB
/// at most. Further ones are counted (`left_out`).
const MAX_SOCKETS: usize = 1 << 20;

/// The sockets of one namespace, as they were listed.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Time of the list of TCP sockets, in nanoseconds since the Unix epoch: halfway through.
    pub ts_ns: u64,
    /// TCP sockets whose local port is inside the range, in any order; one may occur twice.
    pub in_range: Vec<Socket>,
    /// UDP sockets whose local port is inside the range, likewise.
    pub udp_in_range: Vec<Socket>,
    /// Ports that UDP sockets take from each other.
    pub udp_taken: Taken,
    /// Ports of all TCP listeners, inside the range or not.
    pub listening: PortSet,
    /// All TCP sockets, counted.
    pub tcp: TcpTotals,
    /// All UDP sockets, counted.
    pub udp: UdpTotals,
    /// Source of the list.
    pub source: Source,
    /// True if the kernel lists sockets that are only bound (Linux 6.8 and later).
    pub lists_bound: bool,
}

impl Listing {
    /// Counts a UDP socket, and keeps it if its port is inside the range.
    pub fn add_udp(&mut self, socket: Socket, sysctls: &Sysctls) {
        self.udp.sockets += 1;
        if !sysctls.range.contains(socket.sport) {
            return;
        }
        if self.udp_taken.add(&socket, false) {
            self.udp.ports.add(socket.sport);
        }
        if self.udp_in_range.len() < MAX_SOCKETS {
            self.udp_in_range.push(socket);
        }
    }

    /// Counts a TCP socket, and keeps it if its port is inside the range.
    pub fn add_tcp(&mut self, socket: Socket, sysctls: &Sysctls) {
        self.tcp.sockets += 1;
        match socket.state {
            TcpState::Listen => {
                self.tcp.listening += 1;
                self.listening.insert(socket.sport);
            }
            TcpState::Bound | TcpState::Close => self.tcp.bound_only += 1,
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
