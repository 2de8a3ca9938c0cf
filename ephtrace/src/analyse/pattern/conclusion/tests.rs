//! Remaining certainty of the models, and the count of pairs.

use super::*;

fn ensemble(events: u64, backwards: u64) -> Ensemble {
    let mut ensemble = Ensemble::new();
    (ensemble.counts.events, ensemble.counts.backwards) = (events, backwards);
    ensemble
}

fn is_near(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-9
}

#[test]
fn few_pairs_cost_certainty() {
    let sure = |pairs| certainty(&ensemble(100, 0), pairs);
    let wanted = as_f64(FEWEST_PAIRS + 1);
    assert!(is_near(sure(0), 1.0 / wanted) && is_near(sure(1), 2.0 / wanted));
    assert!(is_near(sure(FEWEST_PAIRS), 1.0) && is_near(sure(1000), 1.0));
}

#[test]
fn disorder_costs_certainty_beyond_a_fiftieth() {
    let sure = |backwards| certainty(&ensemble(100, backwards), 1000);
    assert!(is_near(sure(0), 1.0) && is_near(sure(2), 1.0));
    assert!(is_near(sure(12), 0.7), "{}", sure(12));
    assert!(is_near(sure(100), 0.0), "never below nothing: {}", sure(100));
    assert!(is_near(certainty(&ensemble(0, 0), 1000), 1.0));
}

#[test]
fn pairs_are_what_the_pattern_can_be_told_by() {
    let mut ensemble = Ensemble::new();
    (ensemble.counts.pairs, ensemble.counts.returns, ensemble.counts.resalted) = (1, 2, 4);
    let pairs = |pattern, algorithm| informative_pairs(&ensemble, pattern, algorithm);
    assert_eq!(pairs(Pattern::Sequential, Algorithm::LinuxDhash64k), 1);
    assert_eq!(pairs(Pattern::Fixed, Algorithm::Other), 1);
    // A new secret restarts the counters of these algorithms.
    for restarts in [Algorithm::LinuxDhash64k, Algorithm::LinuxLpr, Algorithm::Mixed] {
        assert_eq!(pairs(Pattern::PerDestination, restarts), 2, "{restarts:?}");
    }
    assert_eq!(pairs(Pattern::PerDestination, Algorithm::LinuxDhash256), 6);
    assert_eq!(pairs(Pattern::Random, Algorithm::RandomUniform), 6);
}
