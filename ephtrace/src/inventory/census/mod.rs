//! From the sockets of one network namespace and its settings to what is in use there. No I/O.
//!
//! Two steps, for in between somebody has to ask whose sockets are: [`Census::new`] counts and
//! ranks, [`Census::describe`] tells of the first few destinations who holds what.
//!
//! What counts as in use is a connected socket whose local port connect could have chosen: inside
//! the range, not reserved, and not the port of a listener (such a socket was accepted). Where a
//! listener is gone and its connections are not, they can't be told from those that were opened.

mod listing;

use std::{cmp::Reverse, collections::HashMap, ops::Range};

pub use self::listing::Listing;
use super::{
    namespace::{
        Bound, DestinationUse, Held, HeldState, Holder, Mark, Namespace, Others, Place, Settings,
    },
    owners::{Owner, Owners},
    port_set::{Parity, PortSet},
    socket::{ByState, Socket, State},
    sysctls::Sysctls,
};

/// How many holders of a destination are named; the others are counted.
pub const MAX_HOLDERS: usize = 5;

/// How many bound ports are named; the others are counted. One host has some dozen.
pub const MAX_HELD: usize = 1024;

/// What is in use in one namespace, before anybody asked whose it is.
#[derive(Debug)]
pub struct Census {
    place: Place,
    sysctls: Sysctls,
    listing: Listing,
    /// Connected, on usable ports that are no listener's; each destination's together, by port.
    in_use: Vec<Socket>,
    /// Where each destination's are, the fullest first.
    ranked: Vec<Range<usize>>,
    /// Listening or bound, by port.
    bound: Vec<Socket>,
    /// Ports of `bound`: connect leaves them out whatever the destination.
    bound_ports: PortSet,
    accepted: u64,
    on_reserved: u64,
}

impl Census {
    /// Counts and ranks.
    pub fn new(place: Place, sysctls: Sysctls, mut listing: Listing) -> Self {
        let mut in_range = std::mem::take(&mut listing.in_range);
        in_range.retain(|socket| sysctls.range.contains(socket.sport));
        let mut bound: Vec<Socket> =
            in_range.iter().filter(|s| is_bound_only(s.state)).copied().collect();
        bound.sort_unstable_by_key(|s| (s.sport, s.state, s.saddr, s.inode));
        let (mut listened, mut bound_ports) = (PortSet::default(), PortSet::default());
        listened.extend(bound.iter().filter(|s| s.state == State::Listen).map(|s| s.sport));
        bound_ports.extend(bound.iter().map(|s| s.sport));
        let (mut accepted, mut on_reserved) = (0, 0);
        in_range.retain(|socket| {
            let is_accepted = socket.is_connected() && listened.contains(socket.sport);
            let is_usable = sysctls.is_usable(socket.sport);
            accepted += u64::from(is_accepted);
            on_reserved += u64::from(socket.is_connected() && !is_accepted && !is_usable);
            socket.is_connected() && !is_accepted && is_usable
        });
        let key = |s: &Socket| (s.saddr, s.daddr, s.dport, s.sport);
        in_range.sort_unstable_by_key(|s| (key(s), s.state));
        // A socket that changed its state while the kernel listed may have come twice.
        in_range.dedup_by_key(|s| key(s));
        let ranked = rank(&in_range);
        let in_use = in_range;
        Self { place, sysctls, listing, in_use, ranked, bound, bound_ports, accepted, on_reserved }
    }

    /// Inode numbers of the sockets that [`Census::describe`] will tell of with the same `limit`.
    pub fn inodes(&self, limit: usize) -> impl Iterator<Item = u32> {
        let shown = self.ranked.iter().take(limit).flat_map(|range| &self.in_use[range.clone()]);
        shown.chain(&self.bound).map(|socket| socket.inode).filter(|inode| *inode != 0)
    }

    /// What is in use, with the fullest `limit` destinations one by one.
    pub fn describe(self, limit: usize, owners: Owners<'_>) -> Namespace {
        let shown = self.ranked.iter().take(limit);
        let destinations =
            shown.map(|range| self.destination(&self.in_use[range.clone()], owners)).collect();
        let rest = self.ranked.get(limit..).unwrap_or_default();
        let others = (!rest.is_empty()).then(|| self.others(rest));
        let mut by_state = ByState::default();
        let mut ports = PortSet::default();
        for socket in &self.in_use {
            by_state.add(socket.state);
            ports.insert(socket.sport);
        }
        let bound = self.bound(owners);
        let ports = ports.split(self.sysctls.range);
        Namespace {
            settings: Settings::new(&self.sysctls),
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
            source: self.listing.source,
            tcp: self.listing.tcp,
            udp: self.listing.udp,
            place: self.place,
        }
    }

    fn destination(&self, sockets: &[Socket], owners: Owners<'_>) -> DestinationUse {
        let count = Count::of(sockets);
        let usable = self.sysctls.usable();
        let (left, first_left) = self.left(sockets);
        let reusable = sockets.iter().filter(|s| s.state == State::TimeWait && self.may_reuse(s));
        let first = &sockets[0];
        let held = holders(sockets, self.place.netns, owners);
        DestinationUse {
            flow: first.flow(Some(self.place.netns)),
            in_use: count.in_use,
            share: f64::from(count.in_use) / f64::from(usable.max(1)),
            even: count.parity.even,
            odd: count.parity.odd,
            by_state: count.by_state,
            left,
            first_left,
            mark: self.mark(left),
            time_wait_reusable: self
                .sysctls
                .tw_reuse
                .map(|_| u32::try_from(reusable.count()).unwrap_or(u32::MAX)),
            holders: held.named,
            other_holders: held.others,
            unknown_open: held.unknown_open,
            unknown_closed: held.unknown_closed,
            ports: sockets.iter().map(|s| (s.sport, s.state == State::TimeWait)).collect(),
        }
    }

    /// Ports that connect could still choose for the destination of `sockets`, and those of them
    /// that it tries first.
    fn left(&self, sockets: &[Socket]) -> (u32, u32) {
        let low = self.sysctls.range.low;
        let mut taken = self.bound_ports.clone();
        taken.extend(sockets.iter().map(|socket| socket.sport));
        let range = self.sysctls.range.ports();
        let left = range.filter(|&port| self.sysctls.is_usable(port) && !taken.contains(port));
        left.fold((0, 0), |(all, first), port| {
            (all + 1, first + u32::from((port ^ low).is_multiple_of(2)))
        })
    }

    fn mark(&self, left: u32) -> Mark {
        let usable = self.sysctls.usable();
        match usable - left {
            _ if left == 0 => Mark::Full,
            taken if taken >= self.sysctls.tried_first() => Mark::Half,
            _ => Mark::None,
        }
    }

    /// Whether `tcp_tw_reuse` lets connect take over this TIME_WAIT, its age and timestamps aside
    /// (`tcp_twsk_unique`).
    fn may_reuse(&self, socket: &Socket) -> bool {
        match self.sysctls.tw_reuse {
            Some(1) => true,
            Some(2) => socket.saddr.is_loopback() || socket.daddr.is_loopback(),
            _ => false,
        }
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

    /// The sockets of one port and address are one entry.
    fn bound(&self, owners: Owners<'_>) -> Bound {
        let alike =
            |a: &Socket, b: &Socket| (a.sport, a.state, a.saddr) == (b.sport, b.state, b.saddr);
        let entries = || self.bound.chunk_by(alike);
        let listens = |s: &Socket| s.state == State::Listen;
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
            held: entries().take(MAX_HELD).map(|entry| self.held(entry, owners)).collect(),
            others: entries().skip(MAX_HELD).count(),
        }
    }

    fn bound_and_connected(&self, owners: Owners<'_>) -> Option<u64> {
        if owners.openers.is_empty() {
            return None;
        }
        let netns = self.place.netns;
        let bound = self.in_use.iter().filter(|socket| owners.was_bound(netns, socket));
        Some(bound.count() as u64)
    }

    fn held(&self, sockets: &[Socket], owners: Owners<'_>) -> Held {
        let first = &sockets[0];
        Held {
            port: first.sport,
            state: if first.state == State::Listen { HeldState::Listen } else { HeldState::Bound },
            reserved: self.sysctls.reserved.contains(first.sport),
            saddr: first.saddr,
            sockets: sockets.len(),
            origin: owners.origin(self.place.netns, first),
            holder: sockets.iter().find_map(|s| owners.holder(s)).map(|owned| owned.by),
        }
    }
}

fn is_bound_only(state: State) -> bool {
    matches!(state, State::Listen | State::Bound | State::Close)
}

/// Where each destination's sockets are, the fullest first.
fn rank(sockets: &[Socket]) -> Vec<Range<usize>> {
    let mut start = 0;
    let alike = |a: &Socket, b: &Socket| a.flow(None) == b.flow(None);
    let mut ranges: Vec<Range<usize>> = sockets
        .chunk_by(alike)
        .map(|group| {
            let range = start..start + group.len();
            start = range.end;
            range
        })
        .collect();
    // Stable, so that equals stay in the order of their addresses.
    ranges.sort_by_key(|range| Reverse(range.len()));
    ranges
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

/// Who has the ports of one destination.
struct DestinationHolders {
    named: Vec<Holder>,
    others: u32,
    unknown_open: u32,
    unknown_closed: u32,
}

fn holders(sockets: &[Socket], netns: u32, owners: Owners<'_>) -> DestinationHolders {
    let mut ports: HashMap<Owner, (u32, u32)> = HashMap::new();
    let (mut unknown_open, mut unknown_closed) = (0, 0);
    for socket in sockets {
        match owners.of(netns, socket) {
            Some(owned) => {
                let (all, open) = ports.entry(owned.by).or_default();
                *all += 1;
                *open += u32::from(owned.is_open);
            }
            None if socket.inode == 0 => unknown_closed += 1,
            None => unknown_open += 1,
        }
    }
    let mut named: Vec<Holder> = ports
        .into_iter()
        .map(|(owner, (ports, open))| Holder { owner, ports, open, closed: ports - open })
        .collect();
    named.sort_unstable_by(|a, b| b.ports.cmp(&a.ports).then_with(|| a.owner.cmp(&b.owner)));
    let others = named.iter().skip(MAX_HOLDERS).map(|holder| holder.ports).sum();
    named.truncate(MAX_HOLDERS);
    DestinationHolders { named, others, unknown_open, unknown_closed }
}

#[cfg(test)]
pub(crate) mod tests;
