//! The busiest destinations out of any number, in bounded memory.
//!
//! The table holds [`MAX_TRACKED`] destinations. Once it is full, the quieter half is dropped, and
//! whatever comes later starts from the weight that was dropped last (as in the space-saving
//! algorithm), so that a busy destination stays in and a storm over a million of them costs little
//! and evicts nothing that matters. What a destination shows is counted, never that estimate.

use std::{cmp::Reverse, collections::HashMap};

use rustc_hash::FxBuildHasher;

use crate::event::{Assignment, Destination, PortRange};

/// How many destinations are tracked at once. Each may hold 8 KiB of ports: 8 MiB in all.
const MAX_TRACKED: usize = 1024;

/// How many different ports a destination holds before it gets a bitmap of all.
const MAX_FEW: usize = 32;

/// How many different steps are told apart. Linux draws from 8 (even ones, 2 to 16).
const MAX_STEPS: usize = 16;

/// The busiest destinations.
#[derive(Debug, Default)]
pub(super) struct Busiest {
    tracked: HashMap<Destination, Tracked, FxBuildHasher>,
    /// Weight up to which destinations were dropped.
    floor: u64,
}

/// What is known of one destination.
#[derive(Debug)]
pub(super) struct Tracked {
    floor: u64,
    assignments: u64,
    failures: u64,
    steps: Steps,
    ports: Ports,
    range: Option<PortRange>,
    first_ns: u64,
    last_ns: u64,
}

impl Busiest {
    /// Takes note of one assignment.
    pub(super) fn event(&mut self, assignment: &Assignment) {
        if let Some(tracked) = self.tracked.get_mut(&assignment.destination) {
            tracked.event(assignment);
            return;
        }
        if self.tracked.len() == MAX_TRACKED {
            self.drop_quieter_half();
        }
        let mut tracked = Tracked::new(self.floor, assignment.ts_ns);
        tracked.event(assignment);
        self.tracked.insert(assignment.destination, tracked);
    }

    /// How many destinations are in the table.
    pub(super) fn known(&self) -> u64 {
        self.tracked.len() as u64
    }

    /// Whether the table holds all that there ever were.
    pub(super) fn is_complete(&self) -> bool {
        self.floor == 0
    }

    /// The `n` busiest, busiest first.
    pub(super) fn top(&self, n: usize) -> Vec<(&Destination, &Tracked)> {
        let mut all: Vec<_> = self.tracked.iter().collect();
        all.sort_unstable_by_key(|(d, t)| (Reverse(t.assignments), **d));
        all.truncate(n);
        all
    }

    fn drop_quieter_half(&mut self) {
        let mut weights: Vec<u64> = self.tracked.values().map(Tracked::weight).collect();
        let (_, median, _) = weights.select_nth_unstable(MAX_TRACKED / 2);
        self.floor = *median;
        self.tracked.retain(|_, tracked| tracked.weight() > self.floor);
    }
}

impl Tracked {
    fn new(floor: u64, ts_ns: u64) -> Self {
        Self {
            floor,
            assignments: 0,
            failures: 0,
            steps: Steps::default(),
            ports: Ports::Few { ports: [0; MAX_FEW], len: 0 },
            range: None,
            first_ns: ts_ns,
            last_ns: ts_ns,
        }
    }

    fn event(&mut self, assignment: &Assignment) {
        self.assignments += 1;
        self.first_ns = self.first_ns.min(assignment.ts_ns);
        self.last_ns = self.last_ns.max(assignment.ts_ns);
        self.range = assignment.range.or(self.range);
        match assignment.sport {
            Some(port) => self.ports.insert(port),
            None => self.failures += 1,
        }
        if let Some(step) = assignment.step {
            self.steps.add(step);
        }
    }

    fn weight(&self) -> u64 {
        self.floor + self.assignments
    }

    /// Assignments counted.
    pub(super) fn assignments(&self) -> u64 {
        self.assignments
    }

    /// Whether none can have been missed.
    pub(super) fn is_complete(&self) -> bool {
        self.floor == 0
    }

    /// Failed ones among them.
    pub(super) fn failures(&self) -> u64 {
        self.failures
    }

    /// The range in force last.
    pub(super) fn range(&self) -> Option<PortRange> {
        self.range
    }

    /// The most frequent step, how often it was taken at least, and how many steps there were.
    pub(super) fn usual_step(&self) -> Option<(i32, u64, u64)> {
        let slots = &self.steps.slots[..self.steps.used];
        let usual = slots.iter().max_by_key(|s| (s.certain(), Reverse(s.step)))?;
        Some((usual.step, usual.certain(), self.steps.total))
    }

    /// How many different ports of the range it was given; of all ports if there is no range.
    pub(super) fn distinct_ports(&self) -> u32 {
        self.ports.count(self.range.map_or((0, u16::MAX), |r| (r.low, r.high)))
    }

    /// Time of the first assignment, in nanoseconds since the Unix epoch.
    pub(super) fn first_ns(&self) -> u64 {
        self.first_ns
    }

    /// Time of the last one, in nanoseconds since the Unix epoch.
    pub(super) fn last_ns(&self) -> u64 {
        self.last_ns
    }
}

/// How often each step was taken: exact up to [`MAX_STEPS`] different ones, then by the
/// space-saving algorithm, in which a newcomer takes over the count of the rarest.
#[derive(Debug, Default)]
struct Steps {
    slots: [StepCount; MAX_STEPS],
    used: usize,
    total: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct StepCount {
    step: i32,
    count: u64,
    taken_over: u64,
}

impl StepCount {
    fn certain(&self) -> u64 {
        self.count - self.taken_over
    }
}

impl Steps {
    fn add(&mut self, step: i32) {
        self.total += 1;
        let used = &mut self.slots[..self.used];
        if let Some(slot) = used.iter_mut().find(|s| s.step == step) {
            slot.count += 1;
        } else if let Some(slot) = self.slots.get_mut(self.used) {
            *slot = StepCount { step, count: 1, taken_over: 0 };
            self.used += 1;
        } else if let Some(rarest) = self.slots.iter_mut().min_by_key(|s| s.count) {
            *rarest = StepCount { step, count: rarest.count + 1, taken_over: rarest.count };
        }
    }
}

/// A set of ports.
#[derive(Debug)]
enum Ports {
    /// The first `len` of `ports`.
    Few { ports: [u16; MAX_FEW], len: usize },
    /// One bit a port.
    Many(Box<[u64; 1024]>),
}

impl Ports {
    fn insert(&mut self, port: u16) {
        match self {
            Self::Few { ports, len } => {
                if ports[..*len].contains(&port) {
                    return;
                }
                if let Some(slot) = ports.get_mut(*len) {
                    *slot = port;
                    *len += 1;
                } else {
                    let mut bits = Box::new([0; 1024]);
                    for port in ports.iter().chain([&port]) {
                        set(&mut bits, *port);
                    }
                    *self = Self::Many(bits);
                }
            }
            Self::Many(bits) => set(bits, port),
        }
    }

    /// How many are from `low` to `high`.
    fn count(&self, (low, high): (u16, u16)) -> u32 {
        let inside = |port: &u16| (low..=high).contains(port);
        let count = match self {
            Self::Few { ports, len } => ports[..*len].iter().filter(|p| inside(p)).count(),
            Self::Many(bits) => (low..=high).filter(|&port| is_set(bits, port)).count(),
        };
        // At most 65,536.
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

fn set(bits: &mut [u64; 1024], port: u16) {
    bits[usize::from(port / 64)] |= 1 << (port % 64);
}

fn is_set(bits: &[u64; 1024], port: u16) -> bool {
    bits[usize::from(port / 64)] & (1 << (port % 64)) != 0
}
