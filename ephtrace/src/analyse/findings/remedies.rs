//! Remedies, as commands that help and do no harm where they are typed: a sysctl of a network
//! namespace is set inside of it.

use super::{
    DestinationFacts, Facts, NetnsFacts,
    states::{self, Cause},
};
use crate::model::{FlowKey, Origin, PortRange};

/// Widest range that leaves well-known and most registered ports alone.
const WIDE_RANGE: PortRange = PortRange::new(10_240, 65_535);

/// Ports of Kubernetes services: they are firewall rules, which no list of sockets shows.
const NODE_PORTS: PortRange = PortRange::new(30_000, 32_767);

/// Size of a range from which on [`WIDE_RANGE`] gains little, or would shrink it.
const WIDE: u32 = 50_000;

/// Step before a wider range where the listeners are not known: a connect would take the port of
/// one that is down.
const RESERVE_FIRST: &str = " (first put the listeners' ports, from `ss -Hltn` run there, in \
                             net.ipv4.ip_local_reserved_ports)";

/// Way to keep a range for a namespace of which no container is known.
const STAYS_THERE: &str = "to make it permanent, set it where the namespace is created";

pub(super) const POOL: &str = "reuse connections: a connection pool, HTTP keep-alive";
pub(super) const FEWER_UDP_SOCKETS: &str = "use fewer UDP sockets: one unconnected socket can \
                                            serve many peers; close() unused ones";

impl NetnsFacts {
    /// Returns a list for `ip_local_reserved_ports`: the ports reserved already, since the kernel
    /// replaces the list, and `ports`.
    pub(super) fn reserved_with(&self, ports: &[u16]) -> String {
        let run = |run: &PortRange| match run.len() {
            1 => run.low.to_string(),
            _ => run.to_string(),
        };
        let more = ports.iter().map(u16::to_string);
        self.reserved.iter().map(run).chain(more).collect::<Vec<_>>().join(",")
    }

    /// Returns the command that sets `setting` in the namespace.
    pub(super) fn sysctl(&self, setting: &str) -> String {
        self.inside(&format!("sysctl -w {setting}"))
    }

    /// Returns the command that runs `command` in the namespace.
    fn inside(&self, command: &str) -> String {
        match &self.enter {
            _ if self.is_host => command.to_owned(),
            Some(enter) => format!("{enter} {command}"),
            None => format!("inside {}: {command}", self.name),
        }
    }
}

impl Facts {
    /// Returns the facts about namespace `netns`.
    pub(super) fn namespace(&self, netns: Option<u32>) -> Option<&NetnsFacts> {
        self.namespaces.iter().find(|n| Some(n.netns) == netns)
    }

    /// Returns the facts about namespace `netns` that remedies need.
    fn remedied(&self, netns: Option<u32>) -> Option<&NetnsFacts> {
        let further = || self.for_remedies.iter().find(|n| Some(n.netns) == netns);
        self.namespace(netns).or_else(further)
    }

    /// Returns the command that sets `setting` in the namespace of `d`.
    fn sysctl(&self, d: &DestinationFacts, setting: &str) -> String {
        self.inside(d, &format!("sysctl -w {setting}"))
    }

    /// Returns the command that runs `command` in the namespace of `d`.
    pub(super) fn inside(&self, d: &DestinationFacts, command: &str) -> String {
        let Some(netns) = d.flow.netns.filter(|_| d.flow.netns != self.own_netns) else {
            return command.to_owned();
        };
        match (self.remedied(d.flow.netns), d.pid) {
            (Some(n), _) => n.inside(command),
            (None, Some(pid)) => format!("nsenter --net=/proc/{pid}/ns/net {command}"),
            (None, None) => format!("inside netns {netns}: {command}"),
        }
    }

    /// Returns remedies that give a destination more ports.
    pub(super) fn more_ports(&self, d: &DestinationFacts) -> Vec<String> {
        // More ports, or longer-lived connections, would run out in the same way.
        match states::cause(d) {
            Some(Cause::Unanswered) => return vec![states::CONNECT_TIMEOUT.to_owned()],
            Some(Cause::NotClosed) => return vec![states::CLOSE.to_owned()],
            Some(Cause::PeerNotClosed) => {
                return vec![states::KEEPALIVE.to_owned(), states::FIN_TIMEOUT.to_owned()];
            }
            None => {}
        }
        let mut remedies = vec![POOL.to_owned()];
        remedies.extend(self.wider_for_good(d));
        match d.origin {
            Some(Origin::Bind) => remedies.push(
                "setsockopt(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) before bind(), so that \
                 connect() chooses the port and destinations can share it"
                    .to_owned(),
            ),
            Some(Origin::Udp) => {
                remedies.push(FEWER_UDP_SOCKETS.to_owned());
            }
            _ => remedies.push(
                "use more source addresses (bind() to each in turn, with \
                 IP_BIND_ADDRESS_NO_PORT), or more destination addresses or ports"
                    .to_owned(),
            ),
        }
        remedies
    }

    /// Returns the command for a wider range, unless the range is wide.
    pub(super) fn wider(&self, d: &DestinationFacts) -> Option<String> {
        if d.range_ports().is_some_and(|ports| ports >= WIDE) {
            return None;
        }
        if let Some(PortRange { low, high }) = d.range.filter(|_| self.has_own_range(d)) {
            return Some(format!(
                "make the socket's own range wider than {low} to {high}: setsockopt(IPPROTO_IP, \
                 IP_LOCAL_PORT_RANGE, …)"
            ));
        }
        let known = self.remedied(d.flow.netns).filter(|n| n.range.is_some());
        let keep = known.map(kept_in_wide_range).unwrap_or_default();
        let first = if known.is_some() { "" } else { RESERVE_FIRST };
        let PortRange { low, high } = WIDE_RANGE;
        let setting = format!("{keep}net.ipv4.ip_local_port_range=\"{low} {high}\"");
        Some(self.sysctl(d, &setting) + first)
    }

    /// Returns the command for a wider range, and the way to make it permanent for the machine, the
    /// container or another namespace.
    pub(super) fn wider_for_good(&self, d: &DestinationFacts) -> Vec<String> {
        let is_here = d.flow.netns.is_none() || d.flow.netns == self.own_netns;
        let wider = self.wider(d);
        let is_sysctl = wider.as_ref().is_some_and(|wider| wider.contains("sysctl -w"));
        let stays = is_sysctl.then(|| {
            if is_here {
                stays_here()
            } else if self.is_in_container(d) {
                stays_in_container()
            } else {
                STAYS_THERE.to_owned()
            }
        });
        wider.into_iter().chain(stays).collect()
    }

    /// Returns whether a container is known in the namespace of `d`.
    fn is_in_container(&self, d: &DestinationFacts) -> bool {
        let mut same = self.destinations.iter().filter(|one| one.flow.netns == d.flow.netns);
        d.in_container || same.any(|one| one.in_container)
    }

    /// Returns the commands that widen a namespace's range permanently, unless it is wide.
    pub(super) fn wider_in(&self, netns: u32) -> Vec<String> {
        let range = self.namespace(Some(netns)).and_then(|n| n.range);
        let flow = FlowKey { netns: Some(netns), ..FlowKey::default() };
        self.wider_for_good(&DestinationFacts { flow, range, ..DestinationFacts::default() })
    }

    /// Returns whether a socket option narrows the range: the sysctl has no effect on it then.
    fn has_own_range(&self, d: &DestinationFacts) -> bool {
        let netns = self.remedied(d.flow.netns).and_then(|n| n.range);
        let is_narrower = netns
            .zip(d.range)
            .is_some_and(|(netns, own)| netns.intersection(own) == own && own.len() < netns.len());
        d.by_socket || is_narrower
    }
}

/// Returns the command that reserves the ports of listeners in the newly covered part of the wide
/// range; a connect would take such a port while its listener is down. The list includes the ports
/// reserved already, since the kernel replaces it.
fn kept_in_wide_range(n: &NetnsFacts) -> String {
    let is_reserved = |port: u16| n.reserved.iter().any(|run| run.contains(port));
    let is_new = |port: &&u16| WIDE_RANGE.contains(**port) && !is_reserved(**port);
    let ports: Vec<u16> = n.listening.iter().filter(is_new).copied().collect();
    if ports.is_empty() {
        return String::new();
    }
    format!("net.ipv4.ip_local_reserved_ports={} ", n.reserved_with(&ports))
}

/// Returns the way to keep a range across a reboot of the machine.
fn stays_here() -> String {
    let PortRange { low, high } = NODE_PORTS;
    format!(
        "to make it permanent, put the same settings in /etc/sysctl.d/90-ports.conf; on a \
         Kubernetes node, also reserve {low}-{high}"
    )
}

/// Returns the way to keep a range for a container.
fn stays_in_container() -> String {
    let PortRange { low, high } = WIDE_RANGE;
    format!(
        "to make it permanent: docker run --sysctl net.ipv4.ip_local_port_range=\"{low} {high}\"; \
         in a pod, securityContext: {{sysctls: [{{name: net.ipv4.ip_local_port_range, value: \
         \"{low} {high}\"}}]}}"
    )
}
