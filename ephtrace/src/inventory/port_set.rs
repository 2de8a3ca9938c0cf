//! A set of ports: one bit each, 8 KiB.

use crate::model::PortRange;

const WORDS: usize = (1 << 16) / 64;

/// Any of the 65,536 ports.
#[derive(Clone, PartialEq, Eq)]
pub struct PortSet {
    words: Box<[u64; WORDS]>,
}

impl Default for PortSet {
    fn default() -> Self {
        Self { words: Box::new([0; WORDS]) }
    }
}

impl std::fmt::Debug for PortSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter(PortRange::ALL)).finish()
    }
}

impl Extend<u16> for PortSet {
    fn extend<I: IntoIterator<Item = u16>>(&mut self, ports: I) {
        ports.into_iter().for_each(|port| {
            self.insert(port);
        });
    }
}

impl PortSet {
    /// Adds `port`; returns whether it is new.
    pub fn insert(&mut self, port: u16) -> bool {
        let (word, bit) = place(port);
        let is_new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        is_new
    }

    /// Keeps the ports for which `is_kept` holds.
    pub fn retain(&mut self, is_kept: impl Fn(u16) -> bool) {
        let gone: Vec<u16> = self.iter(PortRange::ALL).filter(|&port| !is_kept(port)).collect();
        for port in gone {
            let (word, bit) = place(port);
            self.words[word] &= !bit;
        }
    }

    /// Returns whether the set has `port`.
    pub fn contains(&self, port: u16) -> bool {
        let (word, bit) = place(port);
        self.words[word] & bit != 0
    }

    /// Iterates over the ports of `range` in the set.
    pub fn iter(&self, range: PortRange) -> impl Iterator<Item = u16> {
        range.ports().filter(|&port| self.contains(port))
    }

    /// Number of ports of `range` in the set.
    pub fn count(&self, range: PortRange) -> u32 {
        self.split(range).total()
    }

    /// Number of ports of `range` in the set, even and odd.
    pub fn split(&self, range: PortRange) -> Parity {
        let mut parity = Parity::default();
        self.iter(range).for_each(|port| parity.add(port));
        parity
    }

    /// Returns the longest run of adjacent ports inside `range`; among equals, the lowest.
    pub fn longest_run(&self, range: PortRange) -> Option<PortRange> {
        self.runs(range).into_iter().rev().max_by_key(|run| run.len())
    }

    /// Returns the runs of adjacent ports inside `range`.
    pub fn runs(&self, range: PortRange) -> Vec<PortRange> {
        let mut runs: Vec<PortRange> = Vec::new();
        for port in self.iter(range) {
            match runs.last_mut().filter(|run| run.high + 1 == port) {
                Some(run) => run.high = port,
                None => runs.push(PortRange::new(port, port)),
            }
        }
        runs
    }
}

fn place(port: u16) -> (usize, u64) {
    (usize::from(port >> 6), 1 << (port & 63))
}

/// Numbers of even and odd ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parity {
    /// Number of even ports.
    pub even: u32,
    /// Number of odd ports.
    pub odd: u32,
}

impl Parity {
    /// Counts one port.
    pub fn add(&mut self, port: u16) {
        if port.is_multiple_of(2) { self.even += 1 } else { self.odd += 1 }
    }

    /// Sum of both.
    pub fn total(self) -> u32 {
        self.even + self.odd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: PortRange = PortRange::new(1000, 1010);

    #[test]
    fn holds_each_port_once() {
        let mut set = PortSet::default();
        assert!(set.insert(65535) && set.insert(0) && set.insert(1003) && !set.insert(1003));
        assert_eq!(set.split(RANGE), Parity { even: 0, odd: 1 });
        assert!(set.contains(65535) && set.contains(0) && !set.contains(64));
        assert_eq!(set.count(PortRange::new(0, 65535)), 3);
    }

    #[test]
    fn the_longest_run_ends_at_the_range() {
        let mut set = PortSet::default();
        assert_eq!(set.longest_run(RANGE), None);
        set.extend([1000, 1002, 1003, 1006, 1007, 1009, 1010, 1011]);
        assert_eq!(set.longest_run(RANGE), Some(PortRange::new(1002, 1003)));
        set.extend([1008]);
        assert_eq!(set.longest_run(RANGE), Some(PortRange::new(1006, 1010)));
    }
}
