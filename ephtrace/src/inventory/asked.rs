//! Ports left for a program that asks for one without naming a destination: `bind()` to port 0, and
//! a UDP socket's first use. No I/O.
//!
//! Such a port must be free of every socket whose local address conflicts with the address asked
//! for (`inet_rcv_saddr_equal`), connected ones and `TIME_WAIT`s included, whatever their
//! destination. The unspecified address conflicts with all addresses, so it finds the fewest ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::{
    owners::{Holder, Program},
    port_set::PortSet,
    socket::Socket,
    sysctls::Sysctls,
};

/// Way of asking for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Ask {
    /// A TCP `bind()` to port 0, and `listen()` on an unbound socket.
    Bind,
    /// A UDP `bind()` to port 0, and `connect()` or the first send on an unbound socket.
    Udp,
}

impl Ask {
    /// Name, as in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Udp => "udp",
        }
    }

    /// Error that a program gets when no port is left.
    pub fn error(self) -> &'static str {
        match self {
            Self::Bind => "EADDRINUSE",
            Self::Udp => "EADDRINUSE (bind) or EAGAIN (connect, send)",
        }
    }
}

/// Ports as seen by one way of asking.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Asked {
    /// Kind of request.
    pub ask: Ask,
    /// Address family: 4 or 6.
    pub family: u8,
    /// The address asked for: the unspecified one, which conflicts with all others.
    pub saddr: IpAddr,
    /// Usable ports in use for it.
    pub in_use: u32,
    /// `in_use` divided by the usable ports: 0 to 1.
    pub share: f64,
    /// Ports of `in_use` held only by TIME_WAIT sockets that connect can take over; a bind can't,
    /// and waits for up to a minute.
    pub time_wait_reusable: u32,
    /// Free usable ports.
    pub left: u32,
    /// Ports of `left` that may be in use: connected IPv6 sockets block IPv4 unless they were bound
    /// to their address first, which the kernel does not list.
    pub unsure: u32,
    /// Whether sockets that share a port through `SO_REUSEADDR` can find one although none is free
    /// (`ip_autobind_reuse`).
    pub may_share: bool,
    /// Who has most of `in_use`; empty while less than half of the ports are in use.
    pub holders: Vec<Holder>,
    /// Program that has most of them, over all containers; null likewise.
    pub program: Option<Program>,
}

/// Ports taken by sockets of one transport protocol, as each family sees them.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    v4: PortSet,
    v6: PortSet,
    unsure_v4: PortSet,
    /// Ports with at least one socket that is no `TIME_WAIT` that a connect may take over.
    firm: PortSet,
}

impl Taken {
    /// Counts a socket in any state; `is_reusable` for a `TIME_WAIT` that a connect may take over.
    /// Returns whether its port is new.
    pub fn add(&mut self, socket: &Socket, is_reusable: bool) -> bool {
        if !is_reusable {
            self.firm.insert(socket.sport);
        }
        if socket.saddr.is_ipv4() || meets_ipv4(socket) == Some(true) {
            self.v4.insert(socket.sport);
        } else if meets_ipv4(socket).is_none() {
            self.unsure_v4.insert(socket.sport);
        }
        // The unspecified IPv6 address conflicts with every address, as long as both families are
        // wanted.
        self.v6.insert(socket.sport)
    }

    /// Every port that a socket has.
    pub fn ports(&self) -> &PortSet {
        &self.v6
    }

    /// Returns the ports left for either family.
    pub fn asked(&self, ask: Ask, sysctls: &Sysctls) -> [Asked; 2] {
        let one = |family, saddr, taken: &PortSet, unsure: &PortSet| {
            let usable = sysctls.usable();
            let ports =
                || (sysctls.range.low..=sysctls.range.high).filter(|&p| sysctls.is_usable(p));
            let count = |ports: usize| u32::try_from(ports).unwrap_or(u32::MAX);
            let in_use = count(ports().filter(|&port| taken.contains(port)).count());
            let is_passing = |port: &u16| taken.contains(*port) && !self.firm.contains(*port);
            let is_unsure = |port: &u16| unsure.contains(*port) && !taken.contains(*port);
            Asked {
                ask,
                family,
                saddr,
                in_use,
                share: f64::from(in_use) / f64::from(usable.max(1)),
                time_wait_reusable: count(ports().filter(is_passing).count()),
                left: usable - in_use,
                unsure: count(ports().filter(is_unsure).count()),
                may_share: ask == Ask::Bind && sysctls.autobind_reuse == Some(true),
                holders: Vec::new(),
                program: None,
            }
        };
        [
            one(4, Ipv4Addr::UNSPECIFIED.into(), &self.v4, &self.unsure_v4),
            one(6, Ipv6Addr::UNSPECIFIED.into(), &self.v6, &PortSet::default()),
        ]
    }
}

/// Returns whether an IPv6 socket blocks its port for IPv4; `None` if that is not known. A socket
/// bound to an address of its own blocks IPv6 alone, and one that got its address from `connect()`
/// blocks both.
fn meets_ipv4(socket: &Socket) -> Option<bool> {
    socket.is_v6only.map(|is_only| !is_only)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{census::tests::sysctls, socket::TcpState};

    fn at(saddr: &str, sport: u16, state: TcpState, is_v6only: Option<bool>) -> Socket {
        let saddr: IpAddr = saddr.parse().unwrap();
        Socket { is_v6only, ..Socket::new(saddr, saddr, sport, 1, state) }
    }

    fn asked(sockets: &[Socket]) -> [[u32; 3]; 2] {
        let mut taken = Taken::default();
        for socket in sockets {
            taken.add(socket, socket.state == TcpState::TimeWait);
        }
        taken.asked(Ask::Bind, &sysctls(40_000, 40_009, &[40_009])).map(|asked| {
            assert_eq!(asked.time_wait_reusable, u32::from(asked.in_use == 3));
            [asked.in_use, asked.left, asked.unsure]
        })
    }

    #[test]
    fn every_socket_takes_its_port_from_who_binds() {
        let sockets = [
            at("10.0.0.1", 40_000, TcpState::Established, None),
            at("10.0.0.2", 40_000, TcpState::TimeWait, None),
            at("127.0.0.1", 40_001, TcpState::TimeWait, None),
            at("0.0.0.0", 40_002, TcpState::Listen, None),
            // Reserved, or outside of the range.
            at("0.0.0.0", 40_009, TcpState::Listen, None),
            at("0.0.0.0", 40_010, TcpState::Bound, None),
        ];
        assert_eq!(asked(&sockets), [[3, 6, 0], [3, 6, 0]]);
    }

    #[test]
    fn ipv6_takes_a_port_from_ipv4_unless_it_is_alone() {
        let sockets = [
            at("::", 40_000, TcpState::Listen, Some(false)),
            at("::", 40_001, TcpState::Listen, Some(true)),
            at("2001:db8::1", 40_002, TcpState::Bound, Some(true)),
            at("2001:db8::1", 40_003, TcpState::Established, None),
            at("2001:db8::1", 40_000, TcpState::Established, None),
        ];
        assert_eq!(asked(&sockets), [[1, 8, 1], [4, 5, 0]]);
    }
}
