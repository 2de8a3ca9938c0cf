//! Census of one network namespace: from its sockets and settings to the ports in use. No I/O.
//!
//! A census has two steps, since the owners of sockets have to be looked up in between:
//! [`Census::new`] counts and ranks, [`Census::describe`] names the holders of the first few
//! destinations.
//!
//! In use are connected sockets whose local port a connect could have chosen: inside the range, not
//! reserved, and not the port of a listener (such a socket was accepted). If a listener is gone and
//! its connections are not, they can't be distinguished from outgoing ones.

mod holders;
mod listing;
mod rank;

use std::ops::Range;

use self::holders::holders;
pub use self::listing::Listing;
pub(super) use self::rank::may_reuse;
use self::rank::rank;
use super::{
    asked::{Ask, Asked, Taken},
    bound::{Bound, Held, HeldState},
    namespace::{DestinationUse, Mark, Namespace, NetnsRef, NetnsSettings, Others},
    owners::Owners,
    port_set::{Parity, PortSet},
    socket::{ByState, Socket, TcpState},
    sysctls::Sysctls,
};
use crate::model::PortRange;

/// Maximum number of bound ports that are named; the others are counted. A host has some dozen.
pub const MAX_HELD: usize = 1024;

/// Percentage of ports taken from which on the holders are looked up: below it, no program runs
/// short.
const HOLDERS_FROM_PERCENT: u32 = 50;

/// The ports in use in one namespace, before their holders are looked up.
#[derive(Debug)]
pub struct Census {
    place: NetnsRef,
    sysctls: Sysctls,
    listing: Listing,
    /// Connected sockets on usable ports without a listener; grouped by destination, sorted by
    /// port.
    in_use: Vec<Socket>,
    /// Index range of each destination's sockets, the fullest destination first.
    ranked: Vec<Range<usize>>,
    /// Listening or bound sockets, by port.
    bound: Vec<Socket>,
    /// Ports of `bound`: a connect skips them whatever the destination.
    bound_ports: PortSet,
    /// Ports that TCP sockets block for a bind.
    tcp_taken: Taken,
    /// Connected sockets that no connect of this host could have opened.
    accepted_sockets: Vec<Socket>,
    accepted: u64,
    on_reserved: u64,
}

impl Census {
    /// Counts and ranks the sockets.
    pub fn new(place: NetnsRef, sysctls: Sysctls, mut listing: Listing) -> Self {
        let mut in_range = std::mem::take(&mut listing.in_range);
        in_range.retain(|socket| sysctls.range.contains(socket.sport));
        let mut tcp_taken = Taken::default();
        for socket in &in_range {
            tcp_taken.add(socket, may_reuse(&sysctls, socket));
        }
        let mut bound: Vec<Socket> =
            in_range.iter().filter(|s| is_bound_only(s.state)).copied().collect();
        bound.sort_unstable_by_key(|s| (s.sport, s.state, s.saddr, s.inode));
        let (mut listened, mut bound_ports) = (PortSet::default(), PortSet::default());
        listened.extend(bound.iter().filter(|s| s.state == TcpState::Listen).map(|s| s.sport));
        bound_ports.extend(bound.iter().map(|s| s.sport));
        let (mut accepted_sockets, mut on_reserved) = (Vec::new(), 0);
        in_range.retain(|socket| {
            let is_accepted = socket.is_connected() && listened.contains(socket.sport);
            let is_usable = sysctls.is_usable(socket.sport);
            if is_accepted {
                accepted_sockets.push(*socket);
            }
            on_reserved += u64::from(socket.is_connected() && !is_accepted && !is_usable);
            socket.is_connected() && !is_accepted && is_usable
        });
        let key = |s: &Socket| (s.saddr, s.daddr, s.dport, s.sport);
        in_range.sort_unstable_by_key(|s| (key(s), s.state));
        // A socket that changed its state while the kernel listed may occur twice.
        in_range.dedup_by_key(|s| key(s));
        let ranked = rank(&in_range, &sysctls);
        Self {
            place,
            sysctls,
            listing,
            in_use: in_range,
            ranked,
            bound,
            bound_ports,
            tcp_taken,
            accepted: accepted_sockets.len() as u64,
            accepted_sockets,
            on_reserved,
        }
    }

    /// Returns the inode numbers of the sockets that [`Census::describe`] covers with the same
    /// `limit`.
    pub fn inodes(&self, limit: usize) -> impl Iterator<Item = u32> {
        let scarce = |ask| self.asked(ask).iter().any(is_scarce);
        let (is_scarce_bind, is_scarce_udp) = (scarce(Ask::Bind), scarce(Ask::Udp));
        let shown = self.ranked.iter().take(if is_scarce_bind { 0 } else { limit });
        let shown = shown.flat_map(|range| &self.in_use[range.clone()]);
        let of_bind = self.in_use.iter().chain(&self.accepted_sockets);
        let of_bind = of_bind.filter(move |_| is_scarce_bind);
        let of_udp = self.listing.udp_in_range.iter().filter(move |_| is_scarce_udp);
        let all = shown.chain(of_bind).chain(&self.bound).chain(of_udp);
        all.map(|socket| socket.inode).filter(|inode| *inode != 0)
    }

    /// Describes the ports in use, with the fullest `limit` destinations one by one.
    pub fn describe(self, limit: usize, owners: Owners<'_>) -> Namespace {
        let shown = self.ranked.iter().take(limit);
        let taken = self.closed_to_connect(owners);
        let destinations = shown
            .map(|range| self.destination(&self.in_use[range.clone()], &taken, owners))
            .collect();
        let rest = self.ranked.get(limit..).unwrap_or_default();
        let others = (!rest.is_empty()).then(|| self.others(rest));
        let mut by_state = ByState::default();
        let mut ports = PortSet::default();
        for socket in &self.in_use {
            by_state.add(socket.state);
            ports.insert(socket.sport);
        }
        let bound = self.bound(owners);
        let asked = [Ask::Bind, Ask::Udp].into_iter().flat_map(|ask| self.asked_of(ask, owners));
        let asked = asked.collect();
        let ports = ports.split(self.sysctls.range);
        Namespace {
            listed_ns: self.listing.ts_ns,
            settings: NetnsSettings::new(&self.sysctls),
            sockets: by_state.total(),
            by_state,
            ports: ports.total(),
            even: ports.even,
            odd: ports.odd,
            accepted: self.accepted,
            on_reserved: self.on_reserved,
            destinations_known: self.ranked.len(),
            destinations,
            others,
            bound,
            asked,
            source: self.listing.source,
            tcp: self.listing.tcp,
            udp: self.listing.udp,
            taken: taken
                .bound
                .iter(self.sysctls.range)
                .filter(|&port| self.sysctls.is_usable(port))
                .collect(),
            listening: self.listing.listening.iter(PortRange::ALL).collect(),
            place: self.place,
        }
    }

    /// Returns the ports that a connect skips whatever the destination, known and possible ones.
    fn closed_to_connect(&self, owners: Owners<'_>) -> ClosedToConnect {
        let mut bound = self.bound_ports.clone();
        let (mut unsure, mut chosen) = (PortSet::default(), PortSet::default());
        for socket in &self.in_use {
            match owners.is_bound(self.place.netns, socket) {
                Some(true) => bound.insert(socket.sport),
                Some(false) => chosen.insert(socket.sport),
                None => unsure.insert(socket.sport),
            };
        }
        // Sockets that share a port got it in the same way.
        unsure.retain(|port| !bound.contains(port) && !chosen.contains(port));
        ClosedToConnect { bound, unsure }
    }

    fn destination(
        &self,
        sockets: &[Socket],
        taken: &ClosedToConnect,
        owners: Owners<'_>,
    ) -> DestinationUse {
        let count = Count::of(sockets);
        let usable = self.sysctls.usable();
        let (left, first_left, unsure) = self.left(sockets, taken);
        let reusable = sockets.iter().filter(|s| may_reuse(&self.sysctls, s));
        let now = reusable.clone().filter(|s| self.is_old_enough(s)).count();
        let reusable = self.sysctls.tw_reuse.map(|_| as_u32(reusable.count()));
        let now = self.sysctls.tw_reuse.map(|_| as_u32(now));
        let resent = |s: &&Socket| s.state == TcpState::SynSent && s.retransmits > 0;
        let first = &sockets[0];
        let held = holders(sockets, self.place.netns, owners);
        DestinationUse {
            flow: first.flow(Some(self.place.netns)),
            in_use: count.in_use,
            share: f64::from(count.in_use) / f64::from(usable.max(1)),
            even: count.parity.even,
            odd: count.parity.odd,
            by_state: count.by_state,
            syn_resent: as_u32(sockets.iter().filter(resent).count()),
            orphans: as_u32(sockets.iter().filter(|s| s.is_orphan()).count()),
            left,
            left_least: left - unsure,
            first_left,
            mark: self.mark(left + now.unwrap_or(0)),
            time_wait_reusable: reusable,
            time_wait_reusable_now: now,
            holders: held.named,
            program: held.program,
            other_holders: held.others,
            unknown_open: held.unknown_open,
            unknown_closed: held.unknown_closed,
            ports: sockets.iter().map(|s| (s.sport, s.state == TcpState::TimeWait)).collect(),
        }
    }

    /// Returns the number of ports that a connect could still choose for the destination of
    /// `sockets`, of those that it tries first, and of those that may be taken.
    fn left(&self, sockets: &[Socket], taken: &ClosedToConnect) -> (u32, u32, u32) {
        let low = self.sysctls.range.low;
        let mut own = PortSet::default();
        own.extend(sockets.iter().map(|socket| socket.sport));
        let is_left = |port: &u16| {
            self.sysctls.is_usable(*port) && !taken.bound.contains(*port) && !own.contains(*port)
        };
        let left = self.sysctls.range.ports().filter(is_left);
        left.fold((0, 0, 0), |(all, first, unsure), port| {
            let is_first = (port ^ low).is_multiple_of(2);
            (all + 1, first + u32::from(is_first), unsure + u32::from(taken.unsure.contains(port)))
        })
    }

    /// Returns the mark for `to_have` ports that a connect can have.
    fn mark(&self, to_have: u32) -> Mark {
        let usable = self.sysctls.usable();
        match usable.saturating_sub(to_have) {
            _ if to_have == 0 => Mark::Full,
            taken if taken >= self.sysctls.tried_first() => Mark::Half,
            _ => Mark::None,
        }
    }

    /// Returns whether a `TIME_WAIT` may be taken over now; one of unknown age may be.
    fn is_old_enough(&self, socket: &Socket) -> bool {
        let delay_ms = self.sysctls.reuse_delay_ms();
        socket.time_wait_age_ms().is_none_or(|age_ms| u32::from(age_ms) > delay_ms)
    }

    fn asked(&self, ask: Ask) -> [Asked; 2] {
        let taken = match ask {
            Ask::Bind => &self.tcp_taken,
            Ask::Udp => &self.listing.udp_taken,
        };
        taken.asked(ask, &self.sysctls)
    }

    /// Returns the ports left, with their holders if they are scarce.
    fn asked_of(&self, ask: Ask, owners: Owners<'_>) -> Vec<Asked> {
        let mut all = self.asked(ask).to_vec();
        for asked in all.iter_mut().filter(|asked| is_scarce(asked)) {
            let mut sockets: Vec<Socket> = match ask {
                Ask::Bind => {
                    let connected = self.in_use.iter().chain(&self.accepted_sockets);
                    connected.chain(&self.bound).copied().collect()
                }
                Ask::Udp => self.listing.udp_in_range.clone(),
            };
            sockets.retain(|s| {
                let is_met = asked.family == 6 || s.saddr.is_ipv4() || s.is_v6only == Some(false);
                self.sysctls.is_usable(s.sport) && is_met
            });
            // Of several sockets with one port, an open one identifies the holder.
            sockets.sort_unstable_by_key(|s| (s.sport, s.inode == 0, s.inode));
            sockets.dedup_by_key(|s| s.sport);
            let held = holders(&sockets, self.place.netns, owners);
            (asked.holders, asked.program) = (held.named, held.program);
        }
        all
    }

    fn others(&self, ranges: &[Range<usize>]) -> Others {
        let mut all = Others { destinations: ranges.len(), ..Others::default() };
        for range in ranges {
            let sockets = &self.in_use[range.clone()];
            let count = Count::of(sockets);
            all.in_use += u64::from(count.in_use);
            all.even += u64::from(count.parity.even);
            all.odd += u64::from(count.parity.odd);
            all.by_state.add_all(&count.by_state);
        }
        all
    }

    /// Returns the bound ports. The sockets of one port and address are one entry.
    fn bound(&self, owners: Owners<'_>) -> Bound {
        let alike =
            |a: &Socket, b: &Socket| (a.sport, a.state, a.saddr) == (b.sport, b.state, b.saddr);
        let entries = || self.bound.chunk_by(alike);
        let listens = |s: &Socket| s.state == TcpState::Listen;
        let (mut listening, mut unreserved, mut only_bound) =
            (PortSet::default(), PortSet::default(), PortSet::default());
        for socket in &self.bound {
            if listens(socket) { &mut listening } else { &mut only_bound }.insert(socket.sport);
            if listens(socket) && !self.sysctls.reserved.contains(socket.sport) {
                unreserved.insert(socket.sport);
            }
        }
        let range = self.sysctls.range;
        let lists_bound = self.listing.lists_bound;
        Bound {
            ports: self.bound_ports.count(range),
            listening: listening.count(range),
            listening_unreserved: unreserved.count(range),
            bound_only: lists_bound.then(|| only_bound.count(range)),
            connected: self.bound_and_connected(owners),
            connected_ports: (!owners.past_owners.is_empty()).then(|| {
                self.closed_to_connect(owners).bound.count(range) - self.bound_ports.count(range)
            }),
            held: entries().take(MAX_HELD).map(|entry| self.held(entry, owners)).collect(),
            others: entries().skip(MAX_HELD).count(),
        }
    }

    fn bound_and_connected(&self, owners: Owners<'_>) -> Option<u64> {
        if owners.past_owners.is_empty() {
            return None;
        }
        let netns = self.place.netns;
        let bound = self.in_use.iter().filter(|s| owners.is_bound(netns, s) == Some(true));
        Some(bound.count() as u64)
    }

    fn held(&self, sockets: &[Socket], owners: Owners<'_>) -> Held {
        let first = &sockets[0];
        Held {
            port: first.sport,
            state: if first.state == TcpState::Listen {
                HeldState::Listen
            } else {
                HeldState::Bound
            },
            reserved: self.sysctls.reserved.contains(first.sport),
            saddr: first.saddr,
            sockets: sockets.len(),
            origin: owners.origin(self.place.netns, first),
            holder: sockets.iter().find_map(|s| owners.holder(s)).map(|owned| owned.by),
        }
    }
}

fn is_bound_only(state: TcpState) -> bool {
    matches!(state, TcpState::Listen | TcpState::Bound | TcpState::Close)
}

fn is_scarce(asked: &Asked) -> bool {
    let usable = asked.in_use + asked.left;
    usable > 0 && 100 * asked.in_use >= HOLDERS_FROM_PERCENT * usable
}

fn as_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Ports that sockets of other destinations block for a connect.
struct ClosedToConnect {
    /// Ports that are bound, listening, or were seen to be bound before their socket connected.
    bound: PortSet,
    /// Ports of connected sockets whose origin was not seen.
    unsure: PortSet,
}

#[derive(Default)]
struct Count {
    in_use: u32,
    parity: Parity,
    by_state: ByState,
}

impl Count {
    fn of(sockets: &[Socket]) -> Self {
        let mut count = Self::default();
        for socket in sockets {
            count.in_use += 1;
            count.parity.add(socket.sport);
            count.by_state.add(socket.state);
        }
        count
    }
}

#[cfg(test)]
pub(crate) mod tests;
