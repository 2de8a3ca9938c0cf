//! All models side by side over one stream of ports: O(1) per event and model.

use lru::LruCache;
use rustc_hash::FxBuildHasher;

use super::{
    attention::Attention,
    counter::Start,
    facts::Facts,
    frame::{Frame, Space},
    kernel::KernelCheck,
    laws,
    mixture::Mixture,
    models::{HostModels, HostReference, HostSeen, Lane, LaneModels, LaneSeen, RandomModels},
    observation::Observation,
    posterior::{self, Member},
    simple_hash::SimpleHash,
    verdict::Verdict,
};

/// Destinations that a classifier remembers; about 300 bytes each. A return to one that was
/// forgotten counts as a first visit, which costs evidence but never makes it wrong.
pub const MAX_DESTINATIONS: usize = 4096;

/// Network namespaces, or hosts, whose counters are told apart; about 200 bytes each. One that was
/// forgotten begins anew.
pub const MAX_NAMESPACES: usize = 1024;

/// Judges one stream of ports of a single origin.
pub struct Classifier {
    pub(super) facts: Facts,
    pub(super) kernel: KernelCheck,
    pub(super) host: HostModels,
    pub(super) lanes: LaneModels,
    pub(super) random: RandomModels,
    pub(super) namespaces: Option<Namespaces>,
    /// RFC 6056 Algorithm 3 by one and by two.
    pub(super) hashes: [SimpleHash; 2],
    pub(super) mixtures: Mixtures,
    pub(super) attention: Attention,
    space: Space,
    host_reference: HostReference,
    known: LruCache<u64, Lane, FxBuildHasher>,
    first_netns: Option<u32>,
    forgotten: u64,
}

/// A counter for each network namespace; begins with the second one, for up to then it is the
/// same as a counter for the host.
pub(super) struct Namespaces {
    references: LruCache<u32, HostReference, FxBuildHasher>,
    pub(super) models: HostModels,
    /// Whether they do better than a counter for the host.
    better: bool,
}

/// Mixtures of a counter with a random policy.
pub(super) struct Mixtures {
    /// With a uniform one: by one, random increments, the simple hashes, the counters by lane.
    pub(super) uniform: [Mixture; 8],
    /// With Linux's bind to port 0: the Linux ones.
    pub(super) odd: [Mixture; 4],
    /// In stretches, with a uniform one: by one, random increments.
    pub(super) stretches: [Mixture; 2],
    /// A counter for everybody with counters by lane.
    pub(super) counters: [Mixture; 4],
}

impl Default for Classifier {
    fn default() -> Self {
        Self::new()
    }
}

impl Classifier {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self {
            facts: Facts::default(),
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
                stretches: [Mixture::in_stretches(); 2],
                counters: [Mixture::by_chance(); 4],
            },
            attention: Attention::default(),
            space: Space::new(),
            host_reference: HostReference::new(),
            known: LruCache::unbounded_with_hasher(FxBuildHasher),
            first_netns: None,
            forgotten: 0,
        }
    }

    /// Takes the next event in.
    pub fn observe(&mut self, event: &Observation) {
        self.attention = Attention::next(self);
        let attention = self.attention;
        let repeated = self.random.pool.repeated(event.port);
        let frame = self.space.frame(event.port, event.range.map(|range| range.ports), repeated);
        let host = self.observe_host(event.netns, &frame);
        let mut odd = 0.0;
        if !attention.random_rests {
            odd = self.random.observe(&frame, host.near, host.near_weight);
        }
        let (lane, hashes) = self.observe_lane(event, &frame);
        if !attention.mixtures_rest {
            self.mixtures.observe(&frame, &host, &lane, hashes, odd);
        }
        self.facts.observe(event, &frame, &host, &lane);
    }

    /// Goes on after a gap: where each destination had got to is no longer known.
    pub(super) fn resume(&mut self) {
        self.known.clear();
    }

    /// The verdict on what was seen so far.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self)
    }

    /// Number of events.
    pub fn len(&self) -> u64 {
        self.facts.events
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Destinations that were forgotten for lack of room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn members(&self) -> Vec<Member> {
        posterior::members(self)
    }

    fn observe_host(&mut self, netns: u32, frame: &Frame) -> HostSeen {
        self.tell_namespaces_apart(netns);
        let rest = self.attention.host_rests;
        let host = self.host.observe(&mut self.host_reference, frame, rest);
        let Some(namespaces) = &mut self.namespaces else { return host };
        let own = namespaces.observe(netns, frame, rest);
        let events = self.facts.events;
        if events < 64 || events.is_multiple_of(16) {
            let n = super::facts::real(events);
            namespaces.better = namespaces.models.up.log(n) > self.host.up.log(n);
        }
        if namespaces.better { own } else { host }
    }

    fn tell_namespaces_apart(&mut self, netns: u32) {
        let first = *self.first_netns.get_or_insert(netns);
        if self.namespaces.is_none() && netns != first {
            let mut references = LruCache::unbounded_with_hasher(FxBuildHasher);
            references.put(first, self.host_reference.clone());
            self.namespaces =
                Some(Namespaces { references, models: self.host.clone(), better: false });
        }
    }

    fn observe_lane(&mut self, event: &Observation, frame: &Frame) -> (LaneSeen, [f64; 2]) {
        if self.known.len() >= MAX_DESTINATIONS && !self.known.contains(&event.key) {
            self.known.pop_lru();
            self.forgotten += 1;
        }
        let lane = self.known.get_or_insert_mut(event.key, Lane::new);
        self.facts.gap = self.facts.events.checked_sub(lane.last).filter(|_| lane.last > 0);
        lane.last = self.facts.events + 1;
        let seen = self.lanes.observe(lane, frame, event.clock, self.attention.lanes_rest);
        self.kernel.observe(event, frame, &mut lane.begun, seen.same);
        self.facts.residuals = [None; 2];
        let mut laws = [0.0; 2];
        if self.attention.hashes_rest {
            return (seen, laws);
        }
        let mut doubts = [None; 2];
        for (i, hash) in self.hashes.iter_mut().enumerate() {
            let outcome = hash.observe(frame, event.key, &mut lane.places[i]);
            laws[i] = outcome.law;
            doubts[i] = outcome.doubt;
            self.facts.residuals[i] = outcome.residual;
        }
        for (i, doubt) in doubts.into_iter().enumerate() {
            let Some(excess) = doubt else { continue };
            for key in self.hashes[i].take_pending() {
                if let Some(lane) = self.known.peek_mut(&key).filter(|_| key != event.key) {
                    lane.places[i].doubt(excess);
                }
            }
        }
        (seen, laws)
    }
}

impl Namespaces {
    fn observe(&mut self, netns: u32, frame: &Frame, rest: bool) -> HostSeen {
        if self.references.len() >= MAX_NAMESPACES && !self.references.contains(&netns) {
            self.references.pop_lru();
        }
        let reference = self.references.get_or_insert_mut(netns, HostReference::new);
        self.models.observe(reference, frame, rest)
    }
}

impl Mixtures {
    fn observe(
        &mut self,
        frame: &Frame,
        host: &HostSeen,
        lane: &LaneSeen,
        hashes: [f64; 2],
        odd: f64,
    ) {
        let counters = [
            host.up,
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
            mixture.observe(host.among, density, frame.noise);
        }
        for (mixture, density) in self.stretches.iter_mut().zip([host.up, host.random_up]) {
            mixture.observe(density, frame.fresh, frame.noise);
        }
    }
}
