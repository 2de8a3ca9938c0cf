//! State of a port for a connect (`__inet_hash_connect`, `__inet_check_established`).

use std::{collections::HashMap, net::IpAddr};

use super::{
    search::{PortState, Unsure},
    seen::Seen,
};
use crate::inventory::{
    census::may_reuse,
    owners::{OpenSockets, Owners},
    past_owners::PastOwners,
    socket::{Socket, TcpState},
    sysctls::Sysctls,
};
use crate::model::FlowKey;

/// Accuracy of the age of a `TIME_WAIT`, in milliseconds: its timer counts jiffies, and the answer
/// takes a moment.
const AGE_ERROR_MS: u32 = 100;

/// Sockets by port, to be queried for one destination.
pub(super) struct Ports<'a> {
    by_port: HashMap<u16, Vec<&'a Socket>>,
    seen: &'a Seen,
    history: &'a PastOwners,
}

impl<'a> Ports<'a> {
    pub(super) fn new(seen: &'a Seen, history: &'a PastOwners) -> Self {
        let mut by_port: HashMap<u16, Vec<&Socket>> = HashMap::new();
        for socket in &seen.tcp {
            by_port.entry(socket.sport).or_default().push(socket);
        }
        Self { by_port, seen, history }
    }

    /// Returns the state of `port` for a connect from `saddr` to `flow`, if the kernel chooses the
    /// port.
    pub(super) fn state(&self, flow: &FlowKey, port: u16) -> PortState {
        let Some(sockets) = self.by_port.get(&port) else { return PortState::Free };
        // The port is bound: a connect skips it whatever the destination.
        if sockets.iter().any(|socket| is_unconnected(socket)) {
            return PortState::Taken;
        }
        let open = OpenSockets::default();
        let owners = Owners::new(&open, self.history);
        let bound = |socket: &&&Socket| owners.is_bound(self.seen.netns, socket);
        if sockets.iter().any(|socket| bound(&socket) == Some(true)) {
            return PortState::Taken;
        }
        match self.unique(flow, port) {
            PortState::Taken => PortState::Taken,
            _ if sockets.iter().any(|socket| bound(&socket).is_none()) => {
                PortState::Unsure(Unsure::BindHistory)
            }
            unique => unique,
        }
    }

    /// Returns whether the holder of the port can have the 4-tuple of `flow` and `port`.
    pub(super) fn unique(&self, flow: &FlowKey, port: u16) -> PortState {
        let sockets = self.by_port.get(&port).into_iter().flatten();
        let same = |socket: &&&Socket| {
            !is_unconnected(socket) && socket.flow(flow.netns).remote() == flow.remote()
        };
        let mut state = PortState::Free;
        for socket in sockets.filter(same).filter(|socket| socket.saddr == flow.saddr) {
            match takeover(&self.seen.sysctls, socket) {
                Takeover::Yes => {}
                Takeover::No => return PortState::Taken,
                Takeover::Unsure => state = PortState::Unsure(Unsure::TimeWait),
            }
        }
        state
    }

    /// Returns the sockets with `port`.
    pub(super) fn at(&self, port: u16) -> impl Iterator<Item = &'a Socket> + use<'_, 'a> {
        self.by_port.get(&port).into_iter().flatten().copied()
    }
}

fn is_unconnected(socket: &Socket) -> bool {
    !socket.is_connected()
}

/// Possibility for a connect to take over the 4-tuple of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takeover {
    Yes,
    No,
    Unsure,
}

/// Returns whether a connect takes over `socket` (`tcp_twsk_unique`).
fn takeover(sysctls: &Sysctls, socket: &Socket) -> Takeover {
    // Up to Linux 6.8 or so, a FIN_WAIT2 that no program has open counts as a TIME_WAIT.
    let is_fin_wait2 = socket.state == TcpState::FinWait2 && socket.inode == 0;
    if socket.state != TcpState::TimeWait && !is_fin_wait2 {
        return Takeover::No;
    }
    let is_allowed = may_reuse(sysctls, &Socket { state: TcpState::TimeWait, ..*socket });
    if !is_allowed && (sysctls.tw_reuse.is_some() || sysctls.timestamps == Some(0)) {
        return Takeover::No;
    }
    // Both sides of a loopback connection follow the same sysctl; other peers may not.
    let has_timestamps =
        sysctls.timestamps.is_some() && (is_loopback(socket.saddr) || is_loopback(socket.daddr));
    match is_old(sysctls, socket) {
        Some(false) => Takeover::No,
        Some(true) if is_allowed && has_timestamps && !is_fin_wait2 => Takeover::Yes,
        _ => Takeover::Unsure,
    }
}

/// Returns whether a `TIME_WAIT` is old enough; `None` if it is too close to the limit.
fn is_old(sysctls: &Sysctls, socket: &Socket) -> Option<bool> {
    let age_ms = u32::from(socket.time_wait_age_ms()?);
    let delay_ms = sysctls.reuse_delay_ms();
    if age_ms > delay_ms.saturating_add(AGE_ERROR_MS) {
        return Some(true);
    }
    // Without a delay sysctl, full seconds are compared: the next one may begin at any time.
    let is_exact = sysctls.tw_reuse_delay_ms.is_some();
    (is_exact && age_ms.saturating_add(AGE_ERROR_MS) < delay_ms).then_some(false)
}

fn is_loopback(addr: IpAddr) -> bool {
    addr.to_canonical().is_loopback()
}
