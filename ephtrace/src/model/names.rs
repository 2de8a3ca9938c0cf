//! Names in every output and on the command line.

use ephtrace_common::{Hook, Origin, Protocol};

/// The name of an origin in every output and on the command line.
pub fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::Connect => "connect",
        Origin::Bind => "bind",
        Origin::Listen => "listen",
        Origin::Udp => "udp",
        Origin::Explicit => "explicit",
        Origin::Ping => "ping",
        Origin::Sctp => "sctp",
    }
}

/// The name of a protocol in every output.
pub fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Icmp => "icmp",
        Protocol::Icmpv6 => "icmpv6",
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Dccp => "dccp",
        Protocol::Sctp => "sctp",
        Protocol::UdpLite => "udplite",
        Protocol::Mptcp => "mptcp",
    }
}

/// The name of a hook in every output and on the command line.
pub fn hook_name(hook: Hook) -> &'static str {
    match hook {
        Hook::Fentry => "fentry",
        Hook::Kprobe => "kprobe",
        Hook::SockOps => "sock_ops",
    }
}
