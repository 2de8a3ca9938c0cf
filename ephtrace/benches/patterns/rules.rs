//! Which policy, and which range it works in.

use ephtrace::{analyse::pattern::Algorithm, model::PortRange};
use fastrand::Rng;

use crate::{
    policy::{Open, Rule},
    trace::Class,
};

/// A range that the rules can work in.
pub(crate) fn range_for(rng: &mut Rng, rules: &[Rule]) -> PortRange {
    loop {
        let range = a_range(rng, rules);
        if !too_small(range, rules) {
            return range;
        }
    }
}

/// The rules of one trace: one, or two of a mixture.
pub(crate) fn rules_for(class: Class, rng: &mut Rng) -> Vec<Rule> {
    let Class::Known(algorithm) = class else { return vec![Rule::Open(an_open_one(rng))] };
    if algorithm == Algorithm::Mixed {
        return a_mixture(rng);
    }
    vec![known(algorithm, rng)]
}

fn known(algorithm: Algorithm, rng: &mut Rng) -> Rule {
    match algorithm {
        Algorithm::SeqGlobal => Rule::Sequential { down: rng.u32(0..4) == 0, by_netns: rng.bool() },
        Algorithm::Alg5RandInc => Rule::RandomIncrements {
            n: [20, 50, 100, 200, 500, 500, 500, 1000][rng.usize(0..8)],
            by_netns: rng.bool(),
        },
        Algorithm::RandomUniform if rng.bool() => Rule::RandomStart,
        Algorithm::RandomUniform => Rule::RandomRetry,
        Algorithm::RandomOdd => Rule::BindZero { reuse: rng.bool() },
        Algorithm::Alg3Hash => Rule::SimpleHash,
        Algorithm::LinuxHintEven => Rule::HintEven,
        Algorithm::Alg4Dhash => {
            Rule::DoubleHash { table: [16, 64, 256, 1024, 65536][rng.usize(0..5)] }
        }
        Algorithm::LinuxDhash256 => Rule::Dhash256,
        Algorithm::LinuxLpr => Rule::Dhash64k { step: 1 },
        _ => Rule::Dhash64k { step: 2 },
    }
}

fn a_mixture(rng: &mut Rng) -> Vec<Rule> {
    let bind = Rule::BindZero { reuse: rng.bool() };
    let sequential = Rule::Sequential { down: false, by_netns: false };
    match rng.u32(0..16) {
        0..=4 => vec![Rule::Dhash64k { step: 2 }, bind],
        5 => vec![Rule::Dhash256, bind],
        6 => vec![Rule::HintEven, bind],
        7 => vec![Rule::Dhash64k { step: 1 }, bind],
        8 => vec![Rule::Dhash64k { step: 2 }, Rule::RandomRetry],
        9 => vec![Rule::DoubleHash { table: 256 }, Rule::RandomRetry],
        10 => vec![Rule::SimpleHash, Rule::RandomStart],
        11 => vec![Rule::Dhash64k { step: 2 }, sequential],
        _ => vec![Rule::RandomStart, sequential],
    }
}

fn an_open_one(rng: &mut Rng) -> Open {
    match rng.u32(0..11) {
        0 => Open::Stride([3, 7, 10, 16, 100, 257][rng.usize(0..6)]),
        1 => Open::LaneStride([3, 5, 7, 32, 101][rng.usize(0..5)]),
        2 => Open::Pinned,
        3 => Open::Pool(rng.u16(3..40)),
        4 => Open::Cycle(rng.u16(3..40)),
        5 => Open::Window(rng.u16(200..1500)),
        6 => Open::FallingRandom([10, 100, 500][rng.usize(0..3)]),
        7 => Open::ByProcess,
        8 => Open::EvenRandom,
        9 => Open::LaneRandom([30, 100, 500][rng.usize(0..3)]),
        _ => Open::BitReversed,
    }
}

fn a_range(rng: &mut Rng, rules: &[Rule]) -> PortRange {
    let usual: [(u16, u16); 6] = [
        (32768, 60999),
        (32768, 61000),
        (49152, 65535),
        (10000, 65535),
        (1024, 65535),
        (15000, 64999),
    ];
    let linux = rules.iter().any(|rule| {
        matches!(
            rule,
            Rule::HintEven | Rule::Dhash256 | Rule::Dhash64k { .. } | Rule::BindZero { .. }
        )
    });
    let lpr = matches!(rules, [Rule::Dhash64k { step: 1 }, ..]);
    let (low, high) = match rng.u32(0..10) {
        0 => {
            let low = rng.u16(10_000..50_000);
            (low, low + rng.u16(999..9999))
        }
        1..=6 if linux && !lpr => usual[0],
        1..=4 if lpr => {
            let low = 2 * rng.u16(16_384..25_000);
            (low, low + 2 * rng.u16(250..5000) - 1)
        }
        _ => usual[rng.usize(..usual.len())],
    };
    PortRange::new(low, high)
}

/// Increments of a good part of the range are as good as random.
fn too_small(range: PortRange, rules: &[Rule]) -> bool {
    rules.iter().any(|rule| match rule {
        Rule::RandomIncrements { n, .. } => range.len() < 8 * n,
        _ => false,
    })
}
