//! The policy that makes a trace, and its range.

use ephtrace::analyse::pattern::Algorithm;
use fastrand::Rng;

use crate::{
    policy::{Open, Rule},
    world::Range,
};

/// Class of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// One counter upwards, or (every fourth) downwards.
    SeqUp,
    SeqDown,
    /// RFC 6056 Algorithms 1 to 5.
    Alg1,
    Alg2,
    Alg3,
    Alg4,
    Alg5,
    /// UDP on Linux.
    Udp,
    /// bind to port 0 on Linux, without and with `SO_REUSEADDR`.
    Bind,
    BindReuse,
    /// connect on Linux before 4.2, 4.2 to 5.11, 5.12 to 5.17, 5.18 and later.
    Linux2,
    Linux42,
    Linux512,
    Linux518,
    /// The law of Linux 5.18 with a secret that never changes.
    Linux518ForGood,
    /// The law of Linux 5.18 with `IP_LOCAL_PORT_RANGE`.
    LinuxSocketRange,
    /// connect and bind (or UDP) on Linux side by side, with unknown origin.
    MixConnectBind,
    /// Two other policies side by side.
    MixOthers,
    /// `FreeBSD`: random, and sequential for a while under load.
    MixStretches,
    /// One policy, followed by another.
    MixChange,
    /// A policy that is none of the known ones.
    Open,
}

impl Class {
    /// All but [`Class::Open`].
    pub(crate) const KNOWN: [Self; 20] = [
        Self::SeqUp,
        Self::SeqDown,
        Self::Alg1,
        Self::Alg2,
        Self::Alg3,
        Self::Alg4,
        Self::Alg5,
        Self::Udp,
        Self::Bind,
        Self::BindReuse,
        Self::Linux2,
        Self::Linux42,
        Self::Linux512,
        Self::Linux518,
        Self::Linux518ForGood,
        Self::LinuxSocketRange,
        Self::MixConnectBind,
        Self::MixOthers,
        Self::MixStretches,
        Self::MixChange,
    ];

    /// Returns the algorithm that a verdict should name.
    pub(crate) fn algorithm(self) -> Algorithm {
        match self {
            Self::SeqUp | Self::SeqDown => Algorithm::SeqGlobal,
            Self::Alg1 | Self::Alg2 | Self::Udp => Algorithm::RandomUniform,
            Self::Alg3 | Self::Linux2 => Algorithm::Alg3Hash,
            Self::Alg4 => Algorithm::Alg4Dhash,
            Self::Alg5 => Algorithm::Alg5RandInc,
            Self::Bind | Self::BindReuse => Algorithm::RandomOdd,
            Self::Linux42 => Algorithm::LinuxHintEven,
            Self::Linux512 => Algorithm::LinuxDhash256,
            Self::Linux518 | Self::Linux518ForGood => Algorithm::LinuxDhash64k,
            Self::LinuxSocketRange => Algorithm::LinuxLpr,
            Self::MixConnectBind | Self::MixOthers | Self::MixStretches | Self::MixChange => {
                Algorithm::Mixed
            }
            Self::Open => Algorithm::Other,
        }
    }

    /// Returns true for a policy of Linux with Linux's usual range.
    pub(crate) fn is_linux(self) -> bool {
        matches!(
            self,
            Self::Udp
                | Self::Bind
                | Self::BindReuse
                | Self::Linux2
                | Self::Linux42
                | Self::Linux512
                | Self::Linux518
                | Self::Linux518ForGood
                | Self::LinuxSocketRange
                | Self::MixConnectBind
        )
    }
}

/// Returns the rules of one trace: one, or two of a mixture.
pub(crate) fn rules_for(class: Class, rng: &mut Rng) -> Vec<Rule> {
    let by_netns = rng.bool();
    let one = match class {
        Class::SeqUp => Rule::Sequential { down: false, by_netns },
        Class::SeqDown => Rule::Sequential { down: true, by_netns },
        Class::Alg1 => Rule::RandomStart,
        Class::Alg2 | Class::Udp => Rule::RandomRetry,
        Class::Alg3 | Class::Linux2 => Rule::SimpleHash,
        Class::Alg4 => Rule::DoubleHash { table: [16, 64, 256, 1024, 65536][rng.usize(0..5)] },
        Class::Alg5 => Rule::RandomIncrements {
            n: [20, 50, 100, 200, 500, 500, 1000][rng.usize(0..7)],
            by_netns,
        },
        Class::Bind => Rule::BindZero { reuse: false },
        Class::BindReuse => Rule::BindZero { reuse: true },
        Class::Linux42 => Rule::HintEven,
        Class::Linux512 => Rule::Dhash256,
        Class::Linux518 | Class::Linux518ForGood => Rule::Dhash64k { step: 2 },
        Class::LinuxSocketRange => Rule::Dhash64k { step: 1 },
        Class::Open => Rule::Open(an_open_one(rng)),
        Class::MixConnectBind => return connect_beside_bind(rng),
        Class::MixOthers => return two_others(rng),
        Class::MixStretches => {
            return vec![Rule::RandomRetry, Rule::Sequential { down: false, by_netns: false }];
        }
        Class::MixChange => return one_after_the_other(rng),
    };
    vec![one]
}

fn connect_beside_bind(rng: &mut Rng) -> Vec<Rule> {
    let connect = match rng.u32(0..8) {
        0 => Rule::HintEven,
        1 => Rule::Dhash256,
        2 => Rule::Dhash64k { step: 1 },
        _ => Rule::Dhash64k { step: 2 },
    };
    let other = if rng.u32(0..4) == 0 {
        Rule::RandomRetry
    } else {
        Rule::BindZero { reuse: rng.u32(0..4) == 0 }
    };
    vec![connect, other]
}

fn two_others(rng: &mut Rng) -> Vec<Rule> {
    let sequential = Rule::Sequential { down: false, by_netns: false };
    match rng.u32(0..8) {
        0 => vec![Rule::DoubleHash { table: 256 }, Rule::RandomRetry],
        1 => vec![Rule::SimpleHash, Rule::RandomStart],
        2 => vec![Rule::Dhash64k { step: 2 }, sequential],
        _ => vec![Rule::RandomStart, sequential],
    }
}

fn one_after_the_other(rng: &mut Rng) -> Vec<Rule> {
    let sequential = Rule::Sequential { down: false, by_netns: false };
    let of_linux = [Rule::Dhash64k { step: 2 }, Rule::HintEven, Rule::Dhash256];
    match rng.u32(0..5) {
        0 => vec![sequential, Rule::RandomStart],
        1 => vec![Rule::RandomRetry, sequential],
        2 => vec![Rule::RandomRetry, of_linux[rng.usize(..3)].clone()],
        3 => vec![of_linux[rng.usize(..3)].clone(), sequential],
        _ => vec![sequential, of_linux[rng.usize(..3)].clone()],
    }
}

fn an_open_one(rng: &mut Rng) -> Open {
    match rng.u32(0..11) {
        0 => Open::Stride([3, 7, 10, 16, 100, 257][rng.usize(0..6)]),
        1 => Open::LaneStride([3, 5, 7, 32, 101][rng.usize(0..5)]),
        2 => Open::Falling([10, 100, 500][rng.usize(0..3)]),
        3 => Open::Pool(rng.u16(3..40)),
        4 => Open::Cycle(rng.u16(3..40)),
        5 | 6 => Open::Window(rng.u16(200..1500)),
        7 => Open::ByProcess,
        8 => Open::EvenRandom,
        9 => Open::LaneRandom([30, 100, 500][rng.usize(0..3)]),
        _ => Open::BitReversed,
    }
}

/// Returns a range in which the rules can work.
pub(crate) fn range_for(rng: &mut Rng, class: Class, rules: &[Rule]) -> Range {
    let usual: [Range; 6] = [
        (32768, 60999),
        (32768, 61000),
        (49152, 65535),
        (10000, 65535),
        (1024, 65535),
        (15000, 64999),
    ];
    loop {
        let range = match rng.u32(0..10) {
            0 => {
                let low = rng.u16(10_000..50_000);
                (low, low + rng.u16(499..9999))
            }
            1..=6 if class.is_linux() && class != Class::LinuxSocketRange => usual[0],
            1..=9 if class == Class::LinuxSocketRange => {
                let low = 2 * rng.u16(16_384..25_000);
                (low, low + 2 * rng.u16(250..5000) - 1)
            }
            _ => usual[rng.usize(..usual.len())],
        };
        let size = u32::from(range.1 - range.0) + 1;
        // Increments of a good part of the range are as good as random.
        let too_small =
            |rule: &Rule| matches!(rule, Rule::RandomIncrements { n, .. } if size < 8 * n);
        if !rules.iter().any(too_small) {
            return range;
        }
    }
}
