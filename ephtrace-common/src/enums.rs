//! Enumerations that both halves know: number on the wire, name in every output.

macro_rules! wire_enum {
    (
        $(#[$meta:meta])*
        $type:ident: $int:ty {
            $($(#[$variant_meta:meta])* $variant:ident = $value:literal, $name:literal;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr($int)]
        pub enum $type { $($(#[$variant_meta])* $variant = $value,)* }

        impl $type {
            /// All variants, in the order in which a user sees them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the variant that `value` stands for, if any.
            pub const fn from_wire(value: $int) -> Option<Self> {
                match value {
                    $($value => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// Returns the integer that stands for it on the wire.
            pub const fn to_wire(self) -> $int {
                self as $int
            }

            /// Name in every output and on the command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Returns the variant called `name`, if any.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

wire_enum! {
    /// Origin of an assignment.
    Origin: u8 {
        /// TCP `connect()` on an unbound socket.
        Connect = 1, "connect";
        /// `bind()` to port 0.
        Bind = 2, "bind";
        /// `listen()` on an unbound socket.
        Listen = 3, "listen";
        /// `bind()` to port 0, `connect()` or first send on an unbound UDP socket.
        Udp = 4, "udp";
        /// `bind()` to 0, `connect()` or first send on a ping socket: the port is an ICMP
        /// identifier.
        Ping = 6, "ping";
        /// `bind()` to port 0, `listen()`, `connect()` or first send on an unbound SCTP socket.
        Sctp = 7, "sctp";
        /// The program named the port itself, or connected with one that it had bound before.
        Explicit = 5, "explicit";
        /// A NAT chose another port than the client has. No hook sees it; recordings may.
        Nat = 8, "nat";
    }
}

impl Origin {
    /// One-line description for the command line's help.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Connect => "TCP connect on an unbound socket",
            Self::Bind => "TCP bind to port 0",
            Self::Listen => "TCP listen on an unbound socket",
            Self::Udp => "UDP: bind to port 0, connect or first send on an unbound socket",
            Self::Ping => "Ping socket: bind to 0, connect or first send",
            Self::Sctp => {
                "SCTP: bind to port 0, listen, connect or first send on an unbound socket"
            }
            Self::Explicit => {
                "The program chose the port itself, or connects from one that it bound before"
            }
            Self::Nat => "In conntrack recordings: a NAT chose another port",
        }
    }
}

wire_enum! {
    /// Transport protocol, by its number.
    Protocol: u16 {
        /// ICMP, of ping sockets.
        Icmp = 1, "icmp";
        /// TCP.
        Tcp = 6, "tcp";
        /// UDP.
        Udp = 17, "udp";
        /// DCCP (kernels before 6.16).
        Dccp = 33, "dccp";
        /// ICMP for IPv6, of ping sockets.
        Icmpv6 = 58, "icmpv6";
        /// SCTP.
        Sctp = 132, "sctp";
        /// UDP-Lite (kernels before 7.1).
        UdpLite = 136, "udplite";
        /// MPTCP, the parent socket.
        Mptcp = 262, "mptcp";
    }
}

wire_enum! {
    /// Way in which the assignment was seen.
    Hook: u8 {
        /// fentry and fexit on the functions that search.
        Fentry = 1, "fentry";
        /// kprobe and kretprobe on these functions.
        Kprobe = 2, "kprobe";
        /// Raw tracepoint `inet_sock_set_state` and programs on the root cgroup.
        SockOps = 3, "sock_ops";
    }
}

wire_enum! {
    /// A kernel function that searches for a port. `kernel::sites` has the table.
    Site: u32 {
        /// TCP connect: `__inet_hash_connect`.
        Connect = 1, "connect";
        /// TCP bind and listen: `inet_csk_get_port`.
        Bind = 2, "bind";
        /// UDP: `udp_lib_get_port`.
        Udp = 3, "udp";
        /// Ping sockets: `ping_get_port`.
        Ping = 4, "ping";
        /// SCTP: `sctp_get_port_local`, in a module.
        Sctp = 5, "sctp";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_back() {
        for &origin in Origin::ALL {
            assert_eq!(Origin::from_wire(origin.to_wire()), Some(origin));
            assert_eq!(Origin::from_name(origin.name()), Some(origin));
        }
        for &protocol in Protocol::ALL {
            assert_eq!(Protocol::from_wire(protocol.to_wire()), Some(protocol));
            assert_eq!(Protocol::from_name(protocol.name()), Some(protocol));
        }
        assert_eq!((Origin::from_wire(0), Origin::from_name("Connect")), (None, None));
    }
}
