//! Names by container and pod: bounded, written by the thread that watches, read by others.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use lru::LruCache;

use super::id::{ContainerId, PodUid};
use crate::model::task_names::Names;

/// Maximum number of containers and of pods that are remembered, those that are gone included: a
/// big host runs some hundred. With names as long as they may be, 6 MiB.
const MAX_REMEMBERED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Owner of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// A container.
    Container(ContainerId),
    /// A pod.
    Pod(PodUid),
}

/// Names, and what they belong to.
pub type Named = (Key, Names);

/// Names that are known. Those of containers that are gone stay until newer ones need the room: an
/// id never comes back.
#[derive(Debug)]
pub struct NameIndex {
    known: Mutex<LruCache<Key, Arc<Names>>>,
    /// Number of changes so far.
    generation: AtomicU64,
}

impl Default for NameIndex {
    fn default() -> Self {
        let known = Mutex::new(LruCache::new(MAX_REMEMBERED));
        Self { known, generation: AtomicU64::new(0) }
    }
}

impl NameIndex {
    fn known(&self) -> MutexGuard<'_, LruCache<Key, Arc<Names>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds names; what they leave open stays as it is known from other sources.
    pub fn put(&self, key: Key, names: Names) {
        let mut known = self.known();
        let before = known.get(&key).cloned().unwrap_or_default();
        let names = names.or(&before);
        if names != *before {
            known.put(key, Arc::new(names));
            drop(known);
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Returns a number that changes with each new or changed name.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Returns the names of a container and of its pod, each as far as known.
    pub fn find(&self, container: Option<ContainerId>, pod: Option<PodUid>) -> Names {
        let mut known = self.known();
        let mut of = |key| known.get(&key).cloned().unwrap_or_default();
        let of_container = container.map(|id| of(Key::Container(id))).unwrap_or_default();
        let of_pod = pod.map(|uid| of(Key::Pod(uid))).unwrap_or_default();
        Names::clone(&of_container).or(&of_pod)
    }

    /// Returns all containers that are known, with their names.
    pub fn containers(&self) -> Vec<(ContainerId, Arc<Names>)> {
        let known = self.known();
        let of_container = |(key, names): (&Key, &Arc<Names>)| match key {
            Key::Container(id) => Some((*id, Arc::clone(names))),
            Key::Pod(_) => None,
        };
        known.iter().filter_map(of_container).collect()
    }

    /// Number of containers and pods that are known.
    pub fn len(&self) -> usize {
        self.known().len()
    }

    /// Returns whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: usize) -> ContainerId {
        ContainerId::new(&format!("{n:064x}")).unwrap()
    }

    fn named(name: &str) -> Names {
        Names { container_name: Some(name.into()), ..Names::default() }
    }

    #[test]
    fn sources_complete_each_other() {
        let index = NameIndex::default();
        let key = Key::Container(id(1));
        index.put(key, named("web"));
        let image = Names { image: Some("nginx".into()), ..Names::default() };
        index.put(key, image.clone());
        assert_eq!(index.find(Some(id(1)), None), named("web").or(&image));
        assert!(index.find(Some(id(2)), None).is_empty());
        let before = index.generation();
        index.put(key, named("web"));
        assert_eq!(index.generation(), before, "nothing new");
        index.put(key, named("renamed"));
        assert!(index.generation() > before);
        assert_eq!(index.find(Some(id(1)), None).container_name.as_deref(), Some("renamed"));
    }

    #[test]
    fn a_container_has_the_names_of_its_pod() {
        let index = NameIndex::default();
        let uid = PodUid::new(&"1".repeat(32)).unwrap();
        let pod = Names { pod: Some("web-0".into()), ..Names::default() };
        index.put(Key::Pod(uid), pod.clone());
        assert_eq!(index.find(Some(id(1)), Some(uid)), pod);
        index.put(Key::Container(id(1)), named("nginx"));
        assert_eq!(index.find(Some(id(1)), Some(uid)), named("nginx").or(&pod));
    }

    #[test]
    fn ten_thousand_containers_take_no_more_room_than_the_bound() {
        let index = NameIndex::default();
        for n in 0..10_000 {
            index.put(Key::Container(id(n)), named(&format!("c{n}")));
            assert!(index.len() <= MAX_REMEMBERED.get());
        }
        let name = |n| index.find(Some(id(n)), None).container_name;
        assert_eq!(name(9_999).as_deref(), Some("c9999"));
        assert_eq!(name(0), None, "unknown, not another's");
    }
}
