//! Ports from generators with a known range: the estimate is right, or "not known".

use std::net::{IpAddr, Ipv4Addr};

use super::{
    super::{
        lanes::StepTracker,
        summary::{RunContext, Summary},
        tally::Tally,
    },
    FittedRange, SYSTEMS,
};
use crate::model::{Assignment, FlowKey, PortRange, Protocol};

const LINUX: PortRange = PortRange::new(32768, 60999);
const IANA: PortRange = PortRange::new(49152, 65535);

/// Connects of a capture: host, destination, port.
#[derive(Default)]
struct Capture(Vec<(u8, u32, u16)>);

impl Capture {
    fn add(&mut self, destination: u32, port: u32) {
        self.0.push((1, destination, u16::try_from(port).unwrap()));
    }

    fn summary(&self) -> Summary {
        let (mut tally, mut steps) = (Tally::new(None), StepTracker::default());
        for (nth, &(host, destination, port)) in self.0.iter().enumerate() {
            let daddr: IpAddr = Ipv4Addr::from_bits(0x0a01_0000 + destination).into();
            let mut one = Assignment {
                ts_ns: 1_795_000_000_000_000_000 + nth as u64 * 1_000_000,
                flow: FlowKey {
                    netns: None,
                    saddr: Ipv4Addr::new(10, 0, 0, host).into(),
                    daddr: Some(daddr),
                    dport: Some(443),
                },
                protocol: Some(Protocol::Tcp),
                sport: Some(port),
                ..Assignment::default()
            };
            steps.follow(&mut one);
            tally.observe(&one);
        }
        tally.summary(None, 10, RunContext::default())
    }

    fn fitted(&self) -> FittedRange {
        self.summary().fitted_range.unwrap()
    }
}

fn random(range: PortRange, count: u32, seed: u64) -> Capture {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut capture = Capture::default();
    for _ in 0..count {
        capture.add(rng.u32(0..20), u32::from(rng.u16(range.low..=range.high)));
    }
    capture
}

/// One counter for all destinations, in steps of `by`.
fn counter(range: PortRange, from: u16, count: u32, by: i32) -> Capture {
    let mut capture = Capture::default();
    let len = i64::from(range.len());
    for n in 0..count {
        let at = i64::from(from - range.low) + i64::from(n) * i64::from(by);
        let port = i64::from(range.low) + at.rem_euclid(len);
        capture.add(n % 7, u32::try_from(port).unwrap());
    }
    capture
}

/// A hash of the destination and a counter of each, in even steps.
fn linux(range: PortRange, destinations: u32, count: u32, seed: u64) -> Capture {
    let mut rng = fastrand::Rng::with_seed(seed);
    let half = range.len() / 2;
    let mut offsets: Vec<u32> = (0..destinations).map(|_| rng.u32(0..half)).collect();
    let mut capture = Capture::default();
    for _ in 0..count {
        let to = rng.u32(0..destinations);
        let offset = &mut offsets[to as usize];
        *offset = (*offset + rng.u32(1..=8)) % half;
        capture.add(to, u32::from(range.low) + 2 * *offset);
    }
    capture
}

/// Asserts that the range is right or not named.
fn is_not_wrong(fitted: &FittedRange, truth: PortRange, what: &str) {
    if let Some(range) = fitted.range() {
        let near = |a: u16, b: u16| u32::from(a.abs_diff(b)) * 20 <= truth.len();
        let is_right = near(range.low, truth.low) && near(range.high, truth.high);
        assert!(is_right, "{what}: {range} for {truth}: {}", fitted.sentence);
    }
}

#[test]
fn random_ports_of_each_default_show_it() {
    for system in &SYSTEMS {
        for seed in 0..3 {
            let fitted = random(system.range, 2000, seed).fitted();
            let range =
                fitted.range().unwrap_or_else(|| panic!("{}: {}", system.range, fitted.sentence));
            assert!(range.low.abs_diff(system.range.low) <= 1, "{}", fitted.sentence);
            assert!(range.high.abs_diff(system.range.high) <= 1, "{}", fitted.sentence);
            assert!(fitted.confidence >= 0.9);
        }
    }
}

#[test]
fn few_ports_show_none() {
    for system in &SYSTEMS {
        for seed in 0..20 {
            for count in [1, 2, 5, 20, 60] {
                let fitted = random(system.range, count, seed).fitted();
                assert_eq!(
                    fitted.range(),
                    None,
                    "{count} of {}: {}",
                    system.range,
                    fitted.sentence
                );
                assert!(fitted.sentence.starts_with("unknown, because"), "{}", fitted.sentence);
            }
        }
    }
}

#[test]
fn a_counter_shows_its_range_when_it_comes_round() {
    for range in [LINUX, IANA, PortRange::new(1025, 5000)] {
        for by in [1, -1, 3] {
            let near_end = if by > 0 { range.high - 300 } else { range.low + 300 };
            let round = counter(range, near_end, 700, by).fitted();
            let shown = round.range().unwrap_or_else(|| panic!("{range}: {}", round.sentence));
            assert!(shown.low.abs_diff(range.low) <= 1, "{}", round.sentence);
            assert!(shown.high.abs_diff(range.high) <= 1, "{}", round.sentence);
            let middle = range.low + u16::try_from(range.len() / 2).unwrap();
            let on = counter(range, middle, 400, by).fitted();
            assert_eq!(on.range(), None, "{range}: {}", on.sentence);
        }
    }
}

#[test]
fn several_systems_are_named_where_several_fit() {
    let fitted = counter(IANA, 65_400, 600, 1).fitted();
    let names = fitted.systems.join("; ");
    assert!(names.contains("Windows Vista") && names.contains("macOS"), "{names}");
    assert!(!names.contains("Linux"), "{names}");
}

#[test]
fn linux_is_told_by_many_destinations() {
    for seed in 0..5 {
        let fitted = linux(LINUX, 200, 3000, seed).fitted();
        let range = fitted.range().unwrap_or_else(|| panic!("{}", fitted.sentence));
        assert!(range.low == 32768 && range.high.abs_diff(60999) <= 1, "{}", fitted.sentence);
        assert!(fitted.systems.iter().all(|name| name.starts_with("Linux")), "{fitted:?}");
        let few = linux(LINUX, 3, 300, seed).fitted();
        is_not_wrong(&few, LINUX, "three destinations");
    }
}

#[test]
fn a_narrowed_range_is_not_taken_for_the_default() {
    for range in
        [(33_000, 60_000), (40_000, 50_000), (32_768, 50_000), (50_000, 65_535), (45_000, 60_999)]
    {
        let range = PortRange::new(range.0, range.1);
        for count in [50, 150, 400, 1500] {
            for seed in 0..4 {
                is_not_wrong(&random(range, count, seed).fitted(), range, "narrowed");
                is_not_wrong(&linux(range, 200, count, seed).fitted(), range, "narrowed, Linux");
            }
        }
    }
}

#[test]
fn two_hosts_behind_one_address_are_not_one_range() {
    for seed in 0..10 {
        for count in [60, 200, 1000] {
            let (mut one, other) = (random(LINUX, count, seed), random(IANA, count, seed + 99));
            let mut rng = fastrand::Rng::with_seed(seed);
            one.0.extend(other.0);
            rng.shuffle(&mut one.0);
            let fitted = one.fitted();
            assert_eq!(fitted.range(), None, "{count}: {}", fitted.sentence);
        }
    }
}

#[test]
fn counters_behind_a_busy_nat_show_none() {
    for hosts in [2_u32, 5, 20, 60] {
        for seed in 0..10 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut at: Vec<u32> = (0..hosts).map(|_| rng.u32(49_152..64_000)).collect();
            let mut capture = Capture::default();
            for _ in 0..3000_u32.min(hosts * 200) {
                let host = rng.u32(0..hosts) as usize;
                at[host] += 1;
                capture.add(rng.u32(0..30), at[host]);
            }
            is_not_wrong(&capture.fitted(), IANA, &format!("{hosts} counters"));
        }
    }
}

#[test]
fn ports_that_programs_name_are_told_apart() {
    for seed in 0..5 {
        let mut capture = random(LINUX, 1000, seed);
        for port in [123, 500, 5060, 4500, 53, 65_000] {
            capture.0.push((1, 3, port));
        }
        let fitted = capture.fitted();
        assert_eq!(fitted.range().map(|range| range.low), Some(32768), "{}", fitted.sentence);
        assert_eq!(fitted.outside_ports, [53, 123, 500, 4500, 5060, 65_000], "{}", fitted.sentence);
    }
}

#[test]
fn each_host_has_a_range_of_its_own() {
    let (mut one, other) = (random(LINUX, 500, 1), random(IANA, 500, 2));
    one.0.extend(other.0.iter().map(|(_, to, port)| (2, *to, *port)));
    let summary = one.summary();
    let ranges: Vec<_> = summary
        .hosts
        .busiest
        .iter()
        .map(|host| host.fitted_range.as_ref().and_then(FittedRange::range))
        .collect();
    assert!(ranges.contains(&Some(IANA)), "{ranges:?}");
    let fitted = summary.fitted_range.unwrap();
    assert_eq!(fitted.range(), None, "{}", fitted.sentence);
}
