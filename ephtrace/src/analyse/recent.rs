//! A table of the most recently used keys, of bounded size.

use std::{collections::HashMap, hash::Hash, mem};

use rustc_hash::FxBuildHasher;

/// The last value of each key.
///
/// The table has two generations, each of half of the limit. A key that is used moves to the young
/// one. Once that is full, it becomes the old one, and the entries of the previous old one are
/// dropped. A busy key costs one look-up, and every key among the last `limit / 2` used is kept.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V, FxBuildHasher>,
    old: HashMap<K, V, FxBuildHasher>,
    generation: usize,
    evicted: u64,
}

impl<K: Eq + Hash, V> Recent<K, V> {
    /// Creates a table of at most `limit` keys, at least two.
    pub(super) fn with_limit(limit: usize) -> Self {
        let (young, old) = (HashMap::default(), HashMap::default());
        Self { young, old, generation: (limit / 2).max(1), evicted: 0 }
    }

    /// Sets the value of `key`; returns its previous one.
    pub(super) fn replace(&mut self, key: K, value: V) -> Option<V> {
        if let Some(last) = self.young.get_mut(&key) {
            return Some(mem::replace(last, value));
        }
        let previous = self.old.remove(&key);
        if self.young.len() == self.generation {
            mem::swap(&mut self.young, &mut self.old);
            self.evicted += self.young.len() as u64;
            self.young.clear();
        }
        self.young.insert(key, value);
        previous
    }

    /// Number of keys dropped to make room.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_goes_is_counted() {
        let mut recent = Recent::with_limit(4);
        assert_eq!(recent.replace('a', 0), None);
        for n in 1..100 {
            assert_eq!(recent.replace('a', n), Some(n - 1), "in use all the time");
            assert_eq!(recent.replace(char::from_u32(1000 + n).unwrap(), 0), None);
            assert!(recent.young.len() + recent.old.len() <= 4);
        }
        let kept = (recent.young.len() + recent.old.len()) as u64;
        assert_eq!(recent.evicted() + kept, 100);
    }
}
