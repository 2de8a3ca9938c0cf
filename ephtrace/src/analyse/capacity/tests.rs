use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

/// Ports in use for the destination, and none bound.
fn used(in_use: u32) -> Taken {
    Taken { in_use, bound: 0 }
}

/// A leak of `rate` ports a second, sampled each second.
fn leak(rate: u32, looks: u64, burst: impl Fn(u64) -> u32) -> Series {
    let mut series = Series::default();
    for n in 0..looks {
        let in_use = rate * u32::try_from(n).unwrap() + burst(n);
        series.push(n * SECOND, used(in_use), u64::from(in_use));
    }
    series
}

/// Half of the range is bound: a leak ends there, and the rest is used in rotation.
#[test]
fn what_is_bound_is_none_of_what_is_left() {
    let mut series = Series::default();
    for n in 0..11_u32 {
        let taken = Taken { in_use: 100 * n, bound: 500 };
        series.push(u64::from(n) * SECOND, taken, u64::from(100 * n));
    }
    let capacity = series.capacity(2000).unwrap();
    assert_eq!((capacity.in_use, capacity.share), (1500, 0.75));
    assert_eq!((capacity.half_in_s, capacity.full_in_s), (Some(0.0), Some(5.0)));
    let mut steady = Series::default();
    for n in 0..11 {
        steady.push(n * SECOND, Taken { in_use: 100, bound: 1000 }, n * 100);
    }
    let capacity = steady.capacity(2000).unwrap();
    assert_eq!((capacity.hold_s, capacity.sustainable_per_second), (Some(1.0), Some(1000.0)));
}

#[test]
fn a_steady_leak_is_foretold() {
    let capacity = leak(100, 11, |_| 0).capacity(2000).unwrap();
    assert_eq!((capacity.half_in_s, capacity.full_in_s), (Some(0.0), Some(10.0)));
    assert_eq!((capacity.hold_s, capacity.sustainable_per_second), (None, None));
    assert_eq!(capacity.released_per_second, Some(0.0));
}

#[test]
fn one_burst_does_not_move_the_trend() {
    let capacity = leak(100, 11, |n| if n == 5 { 900 } else { 0 }).capacity(2000).unwrap();
    assert_eq!(capacity.full_in_s, Some(10.0));
}

#[test]
fn a_steady_load_has_a_ceiling_and_no_end() {
    let mut series = Series::default();
    for n in 0..10 {
        series.push(n * SECOND, used(6000), n * 100);
    }
    let capacity = series.capacity(28_232).unwrap();
    assert_eq!((capacity.hold_s, capacity.full_in_s), (Some(60.0), None));
    assert!((capacity.sustainable_per_second.unwrap() - 470.5).abs() < 0.1);
}

#[test]
fn a_load_that_has_ended_has_no_end() {
    let mut series = leak(100, 11, |_| 0);
    series.push(11 * SECOND, used(1000), 1000);
    let capacity = series.capacity(2000).unwrap();
    assert_eq!((capacity.full_in_s, capacity.hold_s), (None, None));
    assert!(capacity.growth_per_second.unwrap() > 50.0);
}

#[test]
fn one_look_gives_no_trend() {
    let capacity = leak(1, 1, |_| 0).capacity(100).unwrap();
    assert_eq!((capacity.growth_per_second, capacity.assigned_per_second), (None, None));
    assert_eq!(Series::default().capacity(100), None);
}

fn setup() -> Setup {
    Setup {
        ports: 28_232,
        sources: 1,
        destinations: 1,
        lifetime_s: 0.0,
        closes_first: 1.0,
        time_wait_s: 60.0,
        requests_per_second: Some(1000.0),
        requests_per_connection: 10.0,
        nat_ports: None,
        nat_addresses: 1,
        nat_wait_s: 60.0,
    }
}

#[test]
fn the_default_range_carries_470_a_second() {
    let ceiling = setup().ceiling();
    assert!((ceiling.connections_per_second - 470.53).abs() < 0.01);
    assert_eq!(ceiling.needed_ports, Some(6000.0));
    let nat = Setup { nat_ports: Some(1024), ..setup() }.ceiling();
    assert!(nat.is_nat && nat.ports == 1024);
}

#[test]
fn a_nat_waits_whatever_the_host_does() {
    let nat = Setup { nat_ports: Some(64), ..setup() };
    let rate = |setup: Setup| setup.ceiling().connections_per_second;
    let is = |setup: Setup, expected: f64| (rate(setup) - expected).abs() < 1e-9;
    assert!(is(Setup { time_wait_s: 1.0, ..nat }, 64.0 / 60.0));
    assert!(is(Setup { closes_first: 0.0, lifetime_s: 4.0, ..nat }, 1.0));
    // The NAT has more ports than the host, yet is the bottleneck: it holds them longer.
    let many = Setup { nat_ports: Some(30_000), time_wait_s: 1.0, ..setup() };
    assert!(many.ceiling().is_nat && is(many, 500.0));
}

/// Seconds until no port is free, in a simulation of evenly spaced connects.
fn simulated(setup: &Setup, rate: f64) -> f64 {
    let mut held: Vec<f64> = Vec::new();
    let mut share = 0.0;
    for n in 0..1_000_000_u64 {
        let now = as_f64(n) / rate;
        held.retain(|&until| until > now);
        if held.len() == usize::try_from(setup.ports).unwrap() {
            return now;
        }
        share += setup.closes_first;
        let waits = share >= 1.0;
        share -= f64::from(u8::from(waits));
        let wait_s = if waits { setup.time_wait_s } else { 0.0 };
        held.push(now + setup.lifetime_s + wait_s);
    }
    panic!("it lasts");
}

#[test]
fn the_time_until_none_is_left_is_that_of_a_simulation() {
    for (lifetime_s, closes_first, rate) in [
        (0.0, 1.0, 50.0),
        (1.0, 0.5, 60.0),
        (5.0, 0.25, 60.0),
        (100.0, 0.5, 20.0),
        (30.0, 0.0, 50.0),
    ] {
        let setup = Setup {
            ports: 1000,
            lifetime_s,
            closes_first,
            requests_per_second: Some(rate),
            requests_per_connection: 1.0,
            ..setup()
        };
        let told = setup.ceiling().full_in_s.unwrap();
        let seen = simulated(&setup, rate);
        assert!((told - seen).abs() <= seen * 0.02, "{told} {seen}");
    }
    let lasting =
        Setup { requests_per_second: Some(470.0), requests_per_connection: 1.0, ..setup() };
    assert_eq!(lasting.ceiling().full_in_s, None);
}

proptest! {
    /// From halfway on, the forecast of a noisy leak is within a tenth.
    #[test]
    fn a_noisy_leak_is_foretold_within_a_tenth(
        rate in 20_u32..400,
        seed: u64,
    ) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let usable = rate * 40;
        let noise: Vec<u32> = (0..21).map(|_| rng.u32(0..=rate / 2)).collect();
        let series = leak(rate, 21, |n| noise[usize::try_from(n).unwrap()]);
        let told = series.capacity(usable).unwrap().full_in_s.unwrap();
        prop_assert!((told - 20.0).abs() <= 2.0, "{told}");
    }
}
