//! All models side by side over one stream of ports: O(1) per event and model.

use lru::LruCache;
use rustc_hash::FxBuildHasher;

use super::{
    counter::Start,
    counts::Counts,
    frame::{Frame, Space},
    kernel::KernelCheck,
    laws,
    mixture::Mixture,
    models::{
        HostDensities, HostModels, HostReference, Lane, LaneDensities, LaneModels, RandomModels,
    },
    observation::Observation,
    simple_hash::{HashCounter, HashOffset, SimpleHash},
};
use crate::analyse::number::as_f64;

/// Maximum number of destinations that a classifier remembers; about 300 bytes each. A return to a
/// forgotten one counts as a first visit, which costs evidence but never makes the verdict wrong.
pub const MAX_DESTINATIONS: usize = 4096;

/// Maximum number of network namespaces, or hosts, whose counters are kept apart; about 200 bytes
/// each. A forgotten one begins anew.
pub const MAX_NAMESPACES: usize = 1024;

/// Groups of models that rest during an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each group rests by itself")]
pub(super) struct Resting {
    pub(super) host: bool,
    pub(super) lanes: bool,
    pub(super) hashes: bool,
    pub(super) random: bool,
    pub(super) mixtures: bool,
}

/// The models over one stream of ports of a single origin.
pub(super) struct Ensemble {
    pub(super) counts: Counts,
    pub(super) kernel: KernelCheck,
    pub(super) host: HostModels,
    pub(super) lanes: LaneModels,
    pub(super) random: RandomModels,
    pub(super) namespaces: Option<Namespaces>,
    /// RFC 6056 Algorithm 3 by one and by two.
    pub(super) hashes: Hashes,
    pub(super) mixtures: Mixtures,
    pub(super) resting: Resting,
    space: Space,
    host_reference: HostReference,
    known: LruCache<u64, Lane, FxBuildHasher>,
    first_netns: Option<u32>,
    forgotten: u64,
}

/// The offsets of the simple hashes by destination.
type Offsets = LruCache<u64, [HashOffset; 2], FxBuildHasher>;

/// The simple hash by one and by two.
pub(super) type Hashes = [SimpleHash; 2];

/// A counter for each network namespace. They begin with the second namespace, since until then
/// they equal the counter of the host.
pub(super) struct Namespaces {
    references: LruCache<u32, HostReference, FxBuildHasher>,
    /// Offsets of destinations within a namespace: several namespaces may have the same addresses.
    offsets: Offsets,
    pub(super) models: HostModels,
    pub(super) hashes: Hashes,
    /// True if these counters score better than a counter for the host; likewise for the hashes.
    better: bool,
    hashes_better: bool,
}

/// Mixtures of a counter with a random policy.
pub(super) struct Mixtures {
    /// Mixtures with a uniform policy: by one, random increments, the simple hashes, the counters
    /// by lane.
    pub(super) uniform: [Mixture; 8],
    /// Mixtures with Linux's bind to port 0: the Linux counters.
    pub(super) odd: [Mixture; 4],
    /// Mixtures in stretches with a uniform policy: the counters of `uniform`.
    pub(super) stretches: [Mixture; 8],
    /// Mixtures of a shared counter with counters by lane.
    pub(super) counters: [Mixture; 4],
    /// Mixtures in stretches of a shared counter with counters by lane: by one and the Linux ones.
    pub(super) changes: [Mixture; 4],
    /// Mixtures in stretches of random increments with counters by lane: the simple hashes, by one
    /// and the even ones.
    pub(super) increments: [Mixture; 4],
}

impl Ensemble {
    /// Creates an ensemble that has seen nothing.
    pub(super) fn new() -> Self {
        Self {
            counts: Counts::default(),
            kernel: KernelCheck::default(),
            host: HostModels::new(),
            lanes: LaneModels::new(),
            random: RandomModels::new(),
            namespaces: None,
            hashes: [
                SimpleHash::new(&laws::PLUS_ONE, 1, Start::Anywhere),
                SimpleHash::new(&laws::PLUS_TWO, 2, Start::LowParity),
            ],
            mixtures: Mixtures {
                uniform: [Mixture::by_chance(); 8],
                odd: [Mixture::by_chance(); 4],
                stretches: [Mixture::in_stretches(); 8],
                counters: [Mixture::by_chance(); 4],
                changes: [Mixture::in_stretches(); 4],
                increments: [Mixture::in_stretches(); 4],
            },
            resting: Resting::default(),
            space: Space::new(),
            host_reference: HostReference::new(),
            known: LruCache::unbounded_with_hasher(FxBuildHasher),
            first_netns: None,
            forgotten: 0,
        }
    }

    /// Adds the next event; the models of `resting` skip it.
    pub(super) fn observe(&mut self, event: &Observation, resting: Resting) {
        self.resting = resting;
        self.counts.observe_time(event.clock);
        let repeated = self.random.pool.repeated(event.port);
        let frame = self.space.frame(event.port, event.range.map(|range| range.ports), repeated);
        let key = frame.lane(event.key);
        if self.known.peek_mut(&key).is_some_and(|lane| lane.is_retry(event.port)) {
            self.counts.retries += 1;
            return;
        }
        let host = self.observe_host(event, &frame);
        let mut odd = 0.0;
        if !resting.random {
            odd = self.random.observe(&frame, host.near, host.near_weight);
        }
        let (lane, hashes) = self.observe_lane(event, &frame);
        if !resting.mixtures {
            self.mixtures.observe(&frame, &host, &lane, hashes, odd);
        }
        self.counts.observe(event, &frame, &host, &lane);
    }

    /// Resumes after a gap: the counter of each destination is no longer known.
    pub(super) fn resume(&mut self) {
        self.known.clear();
    }

    /// Number of destinations forgotten for lack of room.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn observe_host(&mut self, event: &Observation, frame: &Frame) -> HostDensities {
        self.tell_namespaces_apart(event.netns);
        let rest = self.resting.host;
        let host = self.host.observe(&mut self.host_reference, event, frame, rest);
        let Some(namespaces) = &mut self.namespaces else { return host };
        let own = namespaces.observe(event, frame, rest);
        let events = self.counts.events;
        if events < 64 || events.is_multiple_of(16) {
            let n = as_f64(events);
            let by_one = |models: &HostModels| models.up.log(n).max(models.down.log(n));
            namespaces.better = by_one(&namespaces.models) > by_one(&self.host);
            let likelier = |hashes: &Hashes| hashes[0].log(n).max(hashes[1].log(n));
            namespaces.hashes_better = likelier(&namespaces.hashes) > likelier(&self.hashes);
        }
        if namespaces.better { own } else { host }
    }

    fn tell_namespaces_apart(&mut self, netns: u32) {
        let first = *self.first_netns.get_or_insert(netns);
        if self.namespaces.is_none() && netns != first {
            let mut references = LruCache::unbounded_with_hasher(FxBuildHasher);
            references.put(first, self.host_reference.clone());
            let mut offsets = LruCache::unbounded_with_hasher(FxBuildHasher);
            for (key, lane) in self.known.iter().rev() {
                offsets.put(within(*key, first), lane.hash_offsets);
            }
            self.namespaces = Some(Namespaces {
                references,
                offsets,
                models: self.host.clone(),
                hashes: self.hashes.clone(),
                better: false,
                hashes_better: false,
            });
        }
    }

    fn observe_lane(&mut self, event: &Observation, frame: &Frame) -> (LaneDensities, [f64; 2]) {
        let key = frame.lane(event.key);
        if self.known.len() >= MAX_DESTINATIONS && !self.known.contains(&key) {
            self.known.pop_lru();
            self.forgotten += 1;
        }
        self.counts.observe_key(event.key);
        let lane = self.known.get_or_insert_mut(key, Lane::new);
        self.counts.crossed = lane.last > 0 && lane.changes != self.counts.changes;
        lane.changes = self.counts.changes;
        self.counts.gap = self.counts.events.checked_sub(lane.last).filter(|_| lane.last > 0);
        lane.last = self.counts.events + 1;
        let seen = self.lanes.observe(lane, frame, event.clock, self.resting.lanes);
        self.kernel.observe(event, frame, &mut lane.search_start, seen.same);
        self.counts.residuals = [None; 2];
        if self.resting.hashes {
            return (seen, [0.0; 2]);
        }
        let (laws, doubts, residuals) = observe_hashes(
            &mut self.hashes,
            &mut self.host_reference.hash_counters,
            &mut lane.hash_offsets,
            (frame, key),
        );
        self.counts.residuals = residuals;
        let counters = &mut self.host_reference.hash_counters;
        let known = &mut self.known;
        for (i, key, excess) in pending(counters, doubts, key) {
            if let Some(lane) = known.peek_mut(&key) {
                lane.hash_offsets[i].doubt(excess);
            }
        }
        (seen, self.observe_own_hashes(event, frame).unwrap_or(laws))
    }

    /// Scores an event with a counter for each namespace; `None` unless that does better than one
    /// for the host.
    fn observe_own_hashes(&mut self, event: &Observation, frame: &Frame) -> Option<[f64; 2]> {
        let key = within(frame.lane(event.key), event.netns);
        let namespaces = self.namespaces.as_mut()?;
        let reference = namespaces.references.get_mut(&event.netns)?;
        if namespaces.offsets.len() >= MAX_DESTINATIONS && !namespaces.offsets.contains(&key) {
            namespaces.offsets.pop_lru();
        }
        let offsets = namespaces.offsets.get_or_insert_mut(key, Default::default);
        let counters = &mut reference.hash_counters;
        let hashes = &mut namespaces.hashes;
        let (laws, doubts, residuals) = observe_hashes(hashes, counters, offsets, (frame, key));
        for (i, key, excess) in pending(counters, doubts, key) {
            if let Some(offsets) = namespaces.offsets.peek_mut(&key) {
                offsets[i].doubt(excess);
            }
        }
        if !namespaces.hashes_better {
            return None;
        }
        self.counts.residuals = residuals;
        Some(laws)
    }
}

type HashOutcomes = ([f64; 2], [Option<i32>; 2], [Option<i32>; 2]);

/// Scores an event by both hashes; returns the densities of their laws, their doubts and the
/// residuals.
fn observe_hashes(
    hashes: &mut Hashes,
    counters: &mut [HashCounter; 2],
    offsets: &mut [HashOffset; 2],
    (frame, key): (&Frame, u64),
) -> HashOutcomes {
    let mut outcomes: HashOutcomes = Default::default();
    let each = hashes.iter_mut().zip(counters).zip(offsets).enumerate();
    for (i, ((hash, counter), offset)) in each {
        let outcome = hash.observe(counter, frame, key, offset);
        outcomes.0[i] = outcome.law;
        outcomes.1[i] = outcome.doubt;
        outcomes.2[i] = outcome.residual;
    }
    outcomes
}

/// Returns the hash, the destination and the amount of each offset that may be off because events
/// were lost before it was taken.
fn pending(
    counters: &mut [HashCounter; 2],
    doubts: [Option<i32>; 2],
    but: u64,
) -> impl Iterator<Item = (usize, u64, i32)> {
    let doubted = counters.iter_mut().zip(doubts).enumerate();
    doubted
        .filter_map(|(i, (counter, doubt))| Some((i, counter, doubt?)))
        .flat_map(|(i, counter, excess)| counter.take_pending().map(move |key| (i, key, excess)))
        .filter(move |(_, key, _)| *key != but)
}

/// Returns the key of a destination within a namespace.
fn within(key: u64, netns: u32) -> u64 {
    key ^ u64::from(netns).wrapping_mul(0xff51_afd7_ed55_8ccd)
}

impl Namespaces {
    fn observe(&mut self, event: &Observation, frame: &Frame, rest: bool) -> HostDensities {
        let netns = event.netns;
        if self.references.len() >= MAX_NAMESPACES && !self.references.contains(&netns) {
            self.references.pop_lru();
        }
        let reference = self.references.get_or_insert_mut(netns, HostReference::new);
        self.models.observe(reference, event, frame, rest)
    }
}

impl Mixtures {
    fn observe(
        &mut self,
        frame: &Frame,
        host: &HostDensities,
        lane: &LaneDensities,
        hashes: [f64; 2],
        odd: f64,
    ) {
        // If another policy intervenes, the counter may have reached any of the positions.
        let among = 0.5 * host.among;
        let up = host.up.max(among);
        let counters = [
            host.by_one.max(among),
            host.random_up,
            hashes[0],
            hashes[1],
            lane.by_one,
            lane.noisy_two,
            lane.even,
            lane.any,
        ];
        for (mixture, density) in self.uniform.iter_mut().zip(counters) {
            mixture.observe(density, frame.fresh, frame.noise);
        }
        let linux = [hashes[1], lane.noisy_two, lane.even, lane.any];
        for (mixture, density) in self.odd.iter_mut().zip(linux) {
            mixture.observe(density, odd, frame.noise);
        }
        let lanes = [hashes[0], lane.by_one, lane.noisy_two, lane.even];
        for (mixture, density) in self.counters.iter_mut().zip(lanes) {
            mixture.observe(up, density, frame.noise);
        }
        for (mixture, density) in self.stretches.iter_mut().zip(counters) {
            mixture.observe(density, frame.fresh, frame.noise);
        }
        for (mixture, density) in self.changes.iter_mut().zip(linux) {
            mixture.observe(up, density, frame.noise);
        }
        let regular = [hashes[0], hashes[1], lane.by_one, lane.even];
        for (mixture, density) in self.increments.iter_mut().zip(regular) {
            mixture.observe(host.random_up, density, frame.noise);
        }
    }
}
