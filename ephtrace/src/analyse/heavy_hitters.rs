//! The busiest of any number of keys, in bounded memory.
//!
//! Once the table is full, its quieter half is dropped and counted. Among equals the newer ones go,
//! so that a cycle over more keys than fit keeps some of them whole. A busy newcomer survives until
//! half a table's worth of other newcomers has come.

use std::{cmp::Reverse, collections::HashMap, hash::Hash};

use rustc_hash::FxBuildHasher;

/// The busiest keys, with a value for each.
#[derive(Clone)]
pub(crate) struct HeavyHitters<K, V> {
    kept: HashMap<K, Entry<V>, FxBuildHasher>,
    limit: usize,
    created: u32,
    evicted: u64,
}

/// Entry of one key.
#[derive(Clone)]
pub(crate) struct Entry<V> {
    /// Serial number of the key; a key that was dropped and came back has another.
    pub(crate) serial: u32,
    /// Number of occurrences, failed assignments included.
    pub(crate) count: u64,
    /// True if no occurrence can have been missed.
    pub(crate) complete: bool,
    /// Value of the key.
    pub(crate) value: V,
}

impl<K: Copy + Eq + Hash + Ord, V: Default> HeavyHitters<K, V> {
    /// Creates a table of at most `limit` keys.
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self { kept: HashMap::default(), limit: limit.max(2), created: 0, evicted: 0 }
    }

    /// Returns the entry of `key`, with this occurrence counted.
    pub(crate) fn see(&mut self, key: K) -> &mut Entry<V> {
        if self.kept.len() >= self.limit && !self.kept.contains_key(&key) {
            self.drop_quieter_half();
        }
        let (created, evicted) = (&mut self.created, self.evicted);
        let entry = self.kept.entry(key).or_insert_with(|| {
            *created = created.wrapping_add(1);
            Entry { serial: *created, count: 0, complete: evicted == 0, value: V::default() }
        });
        entry.count += 1;
        entry
    }

    /// Returns the entry of `key`, if it is kept, without counting.
    pub(crate) fn get(&self, key: &K) -> Option<&Entry<V>> {
        self.kept.get(key)
    }

    /// Returns the mutable entry of `key`, if it is kept, without counting.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut Entry<V>> {
        self.kept.get_mut(key)
    }

    /// Iterates over all entries, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &Entry<V>)> {
        self.kept.iter()
    }

    /// Iterates over all values, mutable, in no order.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Entry<V>> {
        self.kept.values_mut()
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns all entries, busiest first.
    pub(crate) fn ranked(&self) -> Vec<(&K, &Entry<V>)> {
        let mut all: Vec<_> = self.kept.iter().collect();
        all.sort_unstable_by_key(|(key, entry)| (Reverse(entry.count), **key));
        all
    }

    /// Number of dropped keys; one that came back counts again.
    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    fn drop_quieter_half(&mut self) {
        let rank = |entry: &Entry<V>| (Reverse(entry.count), entry.serial);
        let mut ranks: Vec<_> = self.kept.values().map(rank).collect();
        let half = (self.limit / 2).min(ranks.len().saturating_sub(1));
        let (_, last, _) = ranks.select_nth_unstable(half);
        let last = *last;
        let before = self.kept.len();
        self.kept.retain(|_, entry| rank(entry) < last);
        self.evicted += (before - self.kept.len()) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_key_stays_whatever_passes() {
        let mut heavy_hitters: HeavyHitters<u32, ()> = HeavyHitters::with_limit(8);
        for n in 1..1000 {
            heavy_hitters.see(0);
            heavy_hitters.see(n);
        }
        let ranked = heavy_hitters.ranked();
        assert_eq!((*ranked[0].0, ranked[0].1.count, ranked[0].1.complete), (0, 999, true));
        assert!(ranked.len() <= 8);
        assert_eq!(heavy_hitters.evicted() + ranked.len() as u64, 1000);
    }

    #[test]
    fn a_round_over_too_many_keeps_some_whole() {
        let mut heavy_hitters: HeavyHitters<u32, ()> = HeavyHitters::with_limit(8);
        for n in 0..200 {
            heavy_hitters.see(n % 20);
        }
        assert!(heavy_hitters.ranked().iter().filter(|(_, entry)| entry.count == 10).count() >= 3);
    }

    #[test]
    fn a_busy_newcomer_gets_in() {
        let mut heavy_hitters: HeavyHitters<u32, ()> = HeavyHitters::with_limit(64);
        for n in 0..160 {
            heavy_hitters.see(n % 80);
        }
        for n in 0..400 {
            heavy_hitters.see(if n % 2 == 0 { 77 } else { 100 + n });
        }
        assert_eq!(*heavy_hitters.ranked()[0].0, 77);
    }
}
