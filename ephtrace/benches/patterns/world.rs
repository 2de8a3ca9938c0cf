//! The machine under the policies: namespaces, ranges, destinations, and taken ports.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    net::{IpAddr, Ipv4Addr},
};

use fastrand::Rng;

/// A range of ports, both ends inclusive.
pub(crate) type Range = (u16, u16);

/// A destination of the generated load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Target {
    /// Index of the namespace that connects to it.
    pub(crate) netns: usize,
    pub(crate) saddr: IpAddr,
    pub(crate) daddr: IpAddr,
    pub(crate) dport: u16,
    /// Hash key of the policies.
    pub(crate) key: u64,
}

impl Target {
    pub(crate) fn new(netns: usize, saddr: IpAddr, daddr: IpAddr, dport: u16) -> Self {
        let number = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => u128::from(u32::from(ip)),
            IpAddr::V6(ip) => u128::from(ip),
        };
        let mut key = keyed_hash(1, number(saddr) as u64, u64::from(dport));
        key = keyed_hash(key, number(daddr) as u64, (number(daddr) >> 64) as u64);
        Self { netns, saddr, daddr, dport, key }
    }

    /// Returns a target of the same namespace for a socket that is bound before it has a
    /// destination.
    pub(crate) fn unconnected(self) -> Self {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self::new(self.netns, any, any, 0)
    }
}

/// Returns a random address.
pub(crate) fn address(rng: &mut Rng) -> IpAddr {
    Ipv4Addr::new(rng.u8(11..200), rng.u8(..), rng.u8(..), rng.u8(1..)).into()
}

/// Ranges and taken ports of every namespace.
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) ranges: Vec<Range>,
    pub(crate) targets: Vec<Target>,
    /// Ports that other programs hold by bind: closed to all others in the namespace.
    busy: Vec<HashSet<u16>>,
    reserved: HashSet<u16>,
    /// Ports held by the load itself: the number of sockets, and their destinations.
    held: HashMap<(usize, u16), u32>,
    held_to: HashSet<(u64, u16)>,
    releases: VecDeque<(u64, usize, u16, u64)>,
    /// Number of events for which a port stays taken after use, `TIME_WAIT` included.
    pub(crate) lifetime: u64,
    /// Number of processes.
    pub(crate) processes: u64,
}

pub(crate) fn size(range: Range) -> u32 {
    u32::from(range.1) - u32::from(range.0) + 1
}

impl World {
    pub(crate) fn new(rng: Rng, ranges: Vec<Range>, targets: Vec<Target>, lifetime: u64) -> Self {
        let busy = vec![HashSet::new(); ranges.len()];
        Self {
            rng,
            ranges,
            targets,
            busy,
            reserved: HashSet::new(),
            held: HashMap::new(),
            held_to: HashSet::new(),
            releases: VecDeque::new(),
            lifetime,
            processes: 3,
        }
    }

    /// Occupies about `share` of each namespace's range, one by one and in blocks.
    pub(crate) fn occupy(&mut self, share: f64, blocks: bool) {
        for netns in 0..self.ranges.len() {
            let range = self.ranges[netns];
            let wanted = (f64::from(size(range)) * share) as usize;
            while self.busy[netns].len() < wanted {
                let length = if blocks { self.rng.u16(1..60) } else { 1 };
                let start = self.rng.u16(range.0..=range.1);
                let end = start.saturating_add(length).min(range.1);
                self.busy[netns].extend(start..=end);
            }
        }
    }

    /// Reserves a few blocks of ports, as `ip_local_reserved_ports` does.
    pub(crate) fn reserve(&mut self, blocks: usize, length: u16) {
        let range = self.ranges[0];
        for _ in 0..blocks {
            let start = self.rng.u16(range.0..=range.1);
            self.reserved.extend(start..=start.saturating_add(length).min(range.1));
        }
    }

    /// Returns true if a bind can get the port.
    pub(crate) fn free(&self, netns: usize, port: u16) -> bool {
        !self.reserved.contains(&port)
            && !self.busy[netns].contains(&port)
            && !self.held.contains_key(&(netns, port))
    }

    /// Returns true if a connect can get the port: it shares ports with other destinations.
    pub(crate) fn free_to(&self, netns: usize, port: u16, key: u64) -> bool {
        !self.reserved.contains(&port)
            && !self.busy[netns].contains(&port)
            && !self.held_to.contains(&(key, port))
    }

    pub(crate) fn take(&mut self, event: u64, netns: usize, port: u16, key: u64) {
        *self.held.entry((netns, port)).or_default() += 1;
        self.held_to.insert((key, port));
        let spread = self.rng.u64(0..=self.lifetime / 4);
        self.releases.push_back((event + self.lifetime + spread, netns, port, key));
    }

    pub(crate) fn release(&mut self, event: u64) {
        while let Some(&(due, netns, port, key)) = self.releases.front() {
            if due > event {
                return;
            }
            self.releases.pop_front();
            self.held_to.remove(&(key, port));
            if let Some(count) = self.held.get_mut(&(netns, port)) {
                *count -= 1;
                if *count == 0 {
                    self.held.remove(&(netns, port));
                }
            }
        }
    }
}

/// Returns a keyed hash in place of the kernel's siphash: it only needs to look random.
pub(crate) fn keyed_hash(secret: u64, key: u64, salt: u64) -> u64 {
    let mut hash = secret ^ key.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt.rotate_left(32);
    for _ in 0..3 {
        hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 31;
        hash = hash.wrapping_add(secret.rotate_left(17));
    }
    hash
}
