//! What to type, so that it helps and does no harm where it is typed: a sysctl of a network
//! namespace is set inside of it.

use super::{
    DestinationFacts, Facts, NetnsFacts,
    states::{self, Cause},
};
use crate::model::{FlowKey, Origin, PortRange};

/// The widest range that leaves well-known and most registered ports alone.
const WIDE_RANGE: &str = "net.ipv4.ip_local_port_range=\"10240 65535\"";

/// A range of so many ports gains little by [`WIDE_RANGE`], or would shrink.
const WIDE: u32 = 50_000;

pub(super) const POOL: &str = "keep connections and use them again: a pool, HTTP keep-alive";

impl NetnsFacts {
    /// Sets `setting` in it.
    pub(super) fn sysctl(&self, setting: &str) -> String {
        match &self.enter {
            _ if self.is_host => format!("sysctl -w {setting}"),
            Some(enter) => format!("{enter} sysctl -w {setting}"),
            None => format!("inside {}: sysctl -w {setting}", self.name),
        }
    }
}

impl Facts {
    /// What is known of namespace `netns`.
    pub(super) fn namespace(&self, netns: Option<u32>) -> Option<&NetnsFacts> {
        self.namespaces.iter().find(|n| Some(n.netns) == netns)
    }

    /// Sets `setting` in the namespace of `d`.
    fn sysctl(&self, d: &DestinationFacts, setting: &str) -> String {
        let Some(netns) = d.flow.netns.filter(|_| d.flow.netns != self.own_netns) else {
            return format!("sysctl -w {setting}");
        };
        match (self.namespace(d.flow.netns), d.pid) {
            (Some(n), _) => n.sysctl(setting),
            (None, Some(pid)) => format!("nsenter --net=/proc/{pid}/ns/net sysctl -w {setting}"),
            (None, None) => format!("inside netns {netns}: sysctl -w {setting}"),
        }
    }

    /// What gives a destination more ports.
    pub(super) fn more_ports(&self, d: &DestinationFacts) -> Vec<String> {
        // More ports, or connections that live longer, would run out in the same way.
        match states::cause(d) {
            Some(Cause::Unanswered) => return vec![states::CONNECT_TIMEOUT.to_owned()],
            Some(Cause::NotClosed) => return vec![states::CLOSE.to_owned()],
            Some(Cause::PeerNotClosed) => {
                return vec![states::KEEPALIVE.to_owned(), states::FIN_TIMEOUT.to_owned()];
            }
            None => {}
        }
        let mut remedies = vec![POOL.to_owned()];
        remedies.extend(self.wider(d));
        match d.origin {
            Some(Origin::Bind) => remedies.push(
                "setsockopt(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) before bind(): the port is \
                 chosen in connect, and shared between destinations"
                    .to_owned(),
            ),
            Some(Origin::Udp) => {
                remedies.push("one connected socket for many datagrams".to_owned());
            }
            _ => remedies.push(
                "more source addresses (bind() to each in turn, with IP_BIND_ADDRESS_NO_PORT) or \
                 more destination addresses or ports"
                    .to_owned(),
            ),
        }
        remedies
    }

    /// A wider range, unless it is wide.
    pub(super) fn wider(&self, d: &DestinationFacts) -> Option<String> {
        if d.range_ports().is_some_and(|ports| ports >= WIDE) {
            return None;
        }
        let Some(PortRange { low, high }) = d.range.filter(|_| self.has_own_range(d)) else {
            return Some(self.sysctl(d, WIDE_RANGE));
        };
        Some(format!(
            "a wider range of the socket's own than {low} to {high}: setsockopt(IPPROTO_IP, \
             IP_LOCAL_PORT_RANGE, …)"
        ))
    }

    /// A wider range of a namespace, unless it is wide.
    pub(super) fn wider_in(&self, netns: u32) -> Option<String> {
        let range = self.namespace(Some(netns)).and_then(|n| n.range);
        let flow = FlowKey { netns: Some(netns), ..FlowKey::default() };
        self.wider(&DestinationFacts { flow, range, ..DestinationFacts::default() })
    }

    /// Whether a socket option narrows the range: the sysctl does not reach it then.
    fn has_own_range(&self, d: &DestinationFacts) -> bool {
        let netns = self.namespace(d.flow.netns).and_then(|n| n.range);
        let is_narrower = netns
            .zip(d.range)
            .is_some_and(|(netns, own)| netns.intersection(own) == own && own.len() < netns.len());
        d.by_socket || is_narrower
    }
}
