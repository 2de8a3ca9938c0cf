//! Conversion of log-likelihoods to probabilities: priors, guards, tempering.

use super::{
    counts::Counts,
    ensemble::Ensemble,
    names::{Algorithm, Pattern},
    score::log_sum_exp,
};
use crate::analyse::number::as_f64;

/// One policy, possibly in several variants, with its evidence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) algorithm: Algorithm,
    pub(super) pattern: Pattern,
    pub(super) log: f64,
    pub(super) prior: f64,
}

/// Margin per event that a learned law must win by: it fits anything a little.
const LEARNED: f64 = 0.2;
/// Margin per event for a law with one parameter.
const FITTED: f64 = 0.1;
/// Margin per event for a model of the spread of the ports.
const SPREAD: f64 = 0.3;
/// Prior of a policy that is none of the known ones.
const OPEN_PRIOR: f64 = 0.01;
/// Prior of a window of the range that is used alone.
const WINDOW_PRIOR: f64 = 0.04;
/// Prior of ports that programs name.
const FIXED_PRIOR: f64 = 0.1;
/// Log-odds against a hash secret that never changes.
const FOR_GOOD: f64 = 1.5;
/// Log-odds against the ends found for an unknown range.
const FOUND: f64 = 2.0;
/// Margin per event that a mixture must win by …
const MIXED_MARGIN: f64 = 0.075;
/// … beyond this many events …
const MIXED_FREE: f64 = 36.0;
/// … and altogether.
const MIXED_LEAST: f64 = 1.0;
/// … and if one part is random increments.
const MIXED_WEAK: f64 = 6.0;
/// … over several counters of the same kind.
const MIXED_SEVERAL: f64 = 6.0;
/// Size of the range below which ports are near one another by chance, and searches end far away.
const WIDE: f64 = 2048.0;
/// Prior of a mixture.
const MIXED_PRIOR: f64 = 1.5;
/// Share of switches that follow the last port under one counter for everybody.
const FOLLOWING: f64 = 0.85;
/// Prior factor of a policy that ephtrace's own kernels don't have, or that is younger than the
/// recording: a clock may be wrong.
const FOREIGN: f64 = 1e-4;
/// Margin by which chance must explain the ports better than a rule that is known beforehand, to
/// refute it.
const BETTER: f64 = 2.0;
/// … and for each event: disturbances differ between models.
const BETTER_EACH: f64 = 0.02;
/// Prior of a counter with other, unseen users; the second, after switches to other addresses were
/// seen, since much of the counter is visible then.
const UNSEEN_REST: f64 = 0.5;
const UNSEEN_REST_OF_MANY: f64 = 0.05;
/// Number of switches to other addresses that show whether a counter with gaps is shared.
const TELLING: u64 = 2;
/// Number of returns to a destination, after another port of its address was used, from which on a
/// counter with gaps that both move is everybody's: no known system keeps a counter by address
/// alone.
const RETURNING: u64 = 8;
/// Share of the prior that stays with everybody if nothing shows whether a counter is shared …
const FOR_EVERYBODY: f64 = 0.8;
/// … and the share that stays with Algorithm 5, which looks like any counter seen in part.
const FOR_ITSELF: f64 = 0.6;

/// Prior factor of `IP_LOCAL_PORT_RANGE` if the range is a system's default, or not known.
const USUAL_RANGE: f64 = 0.03;

/// Prior of each policy: its frequency in the field, and how little of a regular stream is enough
/// to imitate it.
fn prior(algorithm: Algorithm) -> f64 {
    match algorithm {
        // No system is known to use it.
        Algorithm::Alg5RandInc => 0.15,
        Algorithm::Mixed => MIXED_PRIOR,
        Algorithm::Fixed => FIXED_PRIOR,
        _ => 1.0,
    }
}

/// Returns all policies with their evidence.
pub(super) fn members(c: &Ensemble) -> Vec<Member> {
    let n = as_f64(c.counts.events);
    let mut members = known(c, n);
    members.push(mixed(c, n));
    members.extend(open(c, n));
    let (against_lanes, against_one) = (against_lanes(c), against_one(c));
    for member in &mut members {
        match (member.pattern, member.algorithm) {
            (Pattern::PerDestination, _) => member.prior *= against_lanes,
            (_, Algorithm::SeqGlobal) => member.prior *= against_one,
            _ => {}
        }
        if member.algorithm == Algorithm::LinuxLpr && 2 * c.counts.custom < c.counts.events {
            member.prior *= USUAL_RANGE;
        }
        if is_younger(member.algorithm, c.counts.latest_ns) {
            member.prior *= FOREIGN;
        }
    }
    // With unseen users, every switch jumps.
    members.extend(unseen_rest(c, n));
    foreign(c, &mut members);
    told_apart(c, members)
}

/// Lowers the priors of policies that Linux 5.10 and later, seen by ephtrace's own hooks, don't
/// have: connect is never random, however it looks, and ping sockets take the next free port
/// (`ping_get_port`).
fn foreign(c: &Ensemble, members: &mut [Member]) {
    if !c.counts.is_linux() {
        return;
    }
    let pings = c.counts.pings == c.counts.events;
    for member in members {
        let is_ping = pings && member.algorithm == Algorithm::SeqGlobal;
        let is_random = c.counts.is_linux_connect() && member.pattern == Pattern::Random;
        if is_random || !on_linux(member.algorithm) && !is_ping {
            member.prior *= FOREIGN;
        }
    }
}

/// Applies the knowledge that the kernel assigns ports by the rule `known`: other rules are as good
/// as excluded, unless chance explains the ports better. A range of one port is fixed under any
/// rule.
pub(super) fn inform(c: &Ensemble, members: &mut [Member], known: Algorithm) {
    let refuted =
        known.pattern() != Pattern::Random && is_chance(c, best(members, |m| m.algorithm == known));
    let others = members.iter_mut().filter(|m| m.algorithm != known && !refuted);
    others.filter(|m| m.algorithm != Algorithm::Fixed).for_each(|m| m.prior *= FOREIGN);
}

/// Returns whether connects seen by ephtrace's own hooks look random, which no kernel makes them: a
/// counter that does not show is behind them.
pub(super) fn is_hidden(c: &Ensemble, members: &[Member]) -> bool {
    let is_counter = |m: &Member| on_linux(m.algorithm) && m.pattern.is_of_a_counter();
    c.counts.is_linux_connect() && is_chance(c, best(members, is_counter))
}

/// Returns whether chance explains the ports better than a rule with this evidence does.
fn is_chance(c: &Ensemble, rule: f64) -> bool {
    let n = as_f64(c.counts.events);
    // Ports of the parity that connect prefers are chance, too, if none follows another.
    let chance = c.random.uniform(n).max(c.random.odd(n)).max(c.random.low_parity.log(n));
    rule + BETTER + BETTER_EACH * n < chance
}

/// Returns the best evidence of the members that pass `test`.
fn best(members: &[Member], test: impl Fn(&Member) -> bool) -> f64 {
    let evidence = members.iter().filter(|m| test(m)).map(|m| m.log);
    evidence.fold(f64::NEG_INFINITY, f64::max)
}

/// Splits members whose counter may be shared or not. Without switches between destinations, a
/// counter for everybody stands for one of the destination, too; a regular one with gaps, for any
/// with unseen users.
fn told_apart(c: &Ensemble, members: Vec<Member>) -> Vec<Member> {
    members.into_iter().flat_map(|member| shared_out(c, member)).collect()
}

/// Returns whether nothing shows if a counter with gaps is shared: there is one address only, and
/// its destinations don't take turns.
pub(super) fn is_untold(counts: &Counts) -> bool {
    counts.peer_switches < TELLING && counts.interleaved < RETURNING
}

/// Distributes the prior of a member among the names that it may stand for.
fn shared_out(c: &Ensemble, member: Member) -> Vec<Member> {
    let one_peer = c.counts.peer_switches < TELLING;
    let untold = is_untold(&c.counts);
    let no_switch = c.counts.switches == 0;
    let as_if = |algorithm, pattern, share: f64| Member {
        algorithm,
        pattern,
        prior: member.prior * share,
        ..member
    };
    let is_regular = member.pattern.is_of_a_counter();
    let (everybody, lane) = (Pattern::Sequential, Pattern::PerDestination);
    match member.algorithm {
        Algorithm::Alg5RandInc if one_peer && !untold => vec![
            as_if(Algorithm::Alg5RandInc, everybody, FOR_ITSELF),
            as_if(Algorithm::SeqGlobal, everybody, 1.0 - FOR_ITSELF),
        ],
        Algorithm::Alg5RandInc if untold => vec![
            as_if(Algorithm::Alg5RandInc, everybody, FOR_ITSELF),
            as_if(Algorithm::SeqGlobal, everybody, FOR_EVERYBODY - FOR_ITSELF),
            as_if(Algorithm::Alg3Hash, lane, 1.0 - FOR_EVERYBODY),
        ],
        Algorithm::Other if is_regular && one_peer => vec![
            as_if(Algorithm::SeqGlobal, everybody, FOR_EVERYBODY),
            as_if(Algorithm::Alg3Hash, lane, 1.0 - FOR_EVERYBODY),
        ],
        _ if no_switch && member.pattern == everybody => vec![
            as_if(member.algorithm, everybody, FOR_EVERYBODY),
            as_if(member.algorithm, lane, 1.0 - FOR_EVERYBODY),
        ],
        _ => vec![member],
    }
}

/// Factor for first visits that follow the last port of another destination: under a hash, each is
/// a coincidence. Each destination has only one, so that they count in full, besides the tempered
/// evidence.
fn against_lanes(c: &Ensemble) -> f64 {
    let (near, all) = (as_f64(c.counts.near_entries), as_f64(c.counts.entries));
    let odds = |share: f64| near * share.ln() + (all - near) * (1.0 - share).ln();
    // If the range is hardly wider than a near step, this says nothing.
    let chance = c.counts.chance_of_pair().clamp(1e-6, FOLLOWING);
    (odds(chance) - odds(FOLLOWING)).min(0.0).exp()
}

/// Factor for switches to another destination that jump: under one counter for everybody, each is a
/// disturbance. They are evidence however many other events there are, so that they count in full,
/// too.
fn against_one(c: &Ensemble) -> f64 {
    let (near, all) = (as_f64(c.counts.near_switches), as_f64(c.counts.switches));
    let odds = |share: f64| near * share.ln() + (all - near) * (1.0 - share).ln();
    let chance = (3.0 * c.counts.chance_of_pair()).clamp(1e-6, FOLLOWING);
    (odds(FOLLOWING) - odds(chance)).min(0.0).exp()
}

fn on_linux(algorithm: Algorithm) -> bool {
    !matches!(
        algorithm,
        Algorithm::SeqGlobal | Algorithm::Alg5RandInc | Algorithm::Alg3Hash | Algorithm::Alg4Dhash
    )
}

/// Times before this, in nanoseconds since the Unix epoch, are no dates (1990): they count from the
/// boot, or from the start of the recording.
const FIRST_DATE_NS: u64 = 631_152_000_000_000_000;

/// Returns whether everything was recorded before the first kernel with this rule.
fn is_younger(algorithm: Algorithm, latest_ns: u64) -> bool {
    let since_s: u64 = match algorithm {
        // August 2015: Linux 4.2.
        Algorithm::LinuxHintEven => 1_438_387_200,
        // March 2021: release candidates of Linux 5.12.
        Algorithm::LinuxDhash256 => 1_614_556_800,
        // May 2022: release candidates of Linux 5.18.
        Algorithm::LinuxDhash64k => 1_651_363_200,
        // January 2024: release candidates of Linux 6.8.
        Algorithm::LinuxLpr => 1_704_067_200,
        _ => return false,
    };
    latest_ns > FIRST_DATE_NS && latest_ns < since_s * 1_000_000_000
}

fn known(c: &Ensemble, n: f64) -> Vec<Member> {
    let scopes = || std::iter::once(&c.host).chain(c.namespaces.iter().map(|own| &own.models));
    let seq = log_sum_exp(scopes().flat_map(|m| [m.up.log(n), m.down.log(n) - 1.5]));
    let alg5 = log_sum_exp(scopes().map(|m| m.random_up.log(n)));
    let hash = |i: usize| {
        let own = c.namespaces.iter().map(|own| own.hashes[i].log(n));
        log_sum_exp(std::iter::once(c.hashes[i].log(n)).chain(own))
    };
    let uniform = c.random.uniform(n);
    let found = range_found(c, uniform, n);
    let for_good = c.lanes.even_for_good.log(n) - FOR_GOOD;
    let even = log_sum_exp([c.lanes.even.log(n), for_good].into_iter());
    let known =
        |algorithm, pattern, log| Member { algorithm, pattern, log, prior: prior(algorithm) };
    let lane = Pattern::PerDestination;
    vec![
        known(Algorithm::SeqGlobal, Pattern::Sequential, seq),
        known(Algorithm::Alg5RandInc, Pattern::Sequential, alg5),
        known(Algorithm::RandomUniform, Pattern::Random, uniform + found),
        known(Algorithm::RandomOdd, Pattern::Random, c.random.odd(n) + found),
        known(Algorithm::Alg3Hash, lane, hash(0)),
        known(Algorithm::LinuxHintEven, lane, hash(1)),
        known(Algorithm::Alg4Dhash, lane, c.lanes.by_one.log(n)),
        known(Algorithm::LinuxDhash256, lane, c.lanes.noisy_two.log(n)),
        known(Algorithm::LinuxDhash64k, lane, even),
        known(Algorithm::LinuxLpr, lane, c.lanes.any.log(n)),
        known(Algorithm::Fixed, Pattern::Fixed, fixed(c, n)),
    ]
}

/// Evidence for ports that programs name: few, used again and again.
fn fixed(c: &Ensemble, n: f64) -> f64 {
    let few = 3 * u64::from(c.random.fixed.distinct()) <= c.counts.events;
    if few { c.random.fixed.log(n) } else { f64::NEG_INFINITY }
}

/// Members for a counter by one of which only some ports are seen. Only switches to other addresses
/// show whether it is shared; without them it may be anybody's.
fn unseen_rest(c: &Ensemble, n: f64) -> Vec<Member> {
    let log = c.host.gaps.evidence(n);
    let rest = |algorithm, pattern, log, prior| Member { algorithm, pattern, log, prior };
    if c.counts.peer_switches >= TELLING {
        return vec![rest(Algorithm::SeqGlobal, Pattern::Sequential, log, UNSEEN_REST_OF_MANY)];
    }
    if !is_untold(&c.counts) {
        return vec![rest(Algorithm::SeqGlobal, Pattern::Sequential, log, UNSEEN_REST)];
    }
    let (most, half) = (UNSEEN_REST * 0.8, UNSEEN_REST * 0.2);
    let mut members = vec![
        rest(Algorithm::SeqGlobal, Pattern::Sequential, log, most),
        rest(Algorithm::Alg3Hash, Pattern::PerDestination, log, half),
    ];
    if c.counts.low_parity == c.counts.events {
        let even = log + (n - 1.0).max(0.0) * std::f64::consts::LN_2;
        members.push(rest(Algorithm::LinuxHintEven, Pattern::PerDestination, even, half));
    }
    members
}

/// Gain of random policies if the range is not known: the window that the ports fill is then the
/// range.
fn range_found(c: &Ensemble, uniform: f64, n: f64) -> f64 {
    if c.counts.range_is_known() {
        return 0.0;
    }
    (c.random.window.log(n) - uniform - FOUND).max(0.0)
}

/// Returns the mixture of two policies, unless one of them explains the other's events as well.
fn mixed(c: &Ensemble, n: f64) -> Member {
    let mixtures = &c.mixtures;
    let all = mixtures.uniform.iter().chain(&mixtures.odd).chain(&mixtures.stretches);
    let all = all.chain(&mixtures.changes);
    // Random increments within a random stream: a few ports close together suffice for them.
    let weak = |index: usize| if index == 1 || index == 13 { MIXED_WEAK } else { 0.0 };
    let logs: Vec<f64> =
        all.enumerate().map(|(index, mixture)| mixture.evidence(n) - weak(index)).collect();
    // Several counters of the same kind are not two policies.
    let several = MIXED_SEVERAL + MIXED_MARGIN * n;
    let counters = mixtures.counters.iter().map(|mixture| mixture.evidence(n) - several);
    let weak = mixtures.increments.iter().map(|mixture| mixture.evidence(n) - MIXED_WEAK);
    let log = log_sum_exp(logs.into_iter().chain(counters).chain(weak));
    Member {
        algorithm: Algorithm::Mixed,
        pattern: Pattern::Mixed,
        log: log - MIXED_LEAST - MIXED_MARGIN * (n - MIXED_FREE).max(0.0),
        prior: prior(Algorithm::Mixed) * (c.counts.mean_size() / WIDE).min(1.0).powi(3),
    }
}

/// Returns the open set.
fn open(c: &Ensemble, n: f64) -> Vec<Member> {
    let open = |pattern, log: f64, margin: f64| Member {
        algorithm: Algorithm::Other,
        pattern,
        log: log - margin * n,
        prior: OPEN_PRIOR,
    };
    // A part of the range differs from the whole only if the range is known.
    let of_range = |log| if c.counts.range_is_known() { log } else { f64::NEG_INFINITY };
    let scopes = || std::iter::once(&c.host).chain(c.namespaces.iter().map(|own| &own.models));
    let stride = log_sum_exp(scopes().map(|m| m.stride.unknown(n)));
    let falling = log_sum_exp(scopes().map(|m| m.random_down.log(n)));
    vec![
        open(Pattern::Sequential, stride, LEARNED),
        open(Pattern::Sequential, c.host.many.evidence(n), LEARNED),
        open(Pattern::Sequential, falling, FITTED),
        open(Pattern::PerDestination, c.lanes.stride.unknown(n), LEARNED),
        open(Pattern::PerDestination, c.lanes.random_up.log(n), FITTED),
        open(Pattern::Random, c.random.low_parity.log(n), FITTED),
        open(Pattern::Random, c.random.pool.log(n), LEARNED),
        Member {
            prior: WINDOW_PRIOR,
            ..open(Pattern::Random, of_range(c.random.window.log(n)), FITTED)
        },
        open(Pattern::Random, of_range(c.random.spread.log(n)), SPREAD),
    ]
}

/// Exponent of the evidence after `n` events. Models are never exact, and they miss the same things
/// again and again; a few events have had less time for that. Fitted on the tuning seeds of the
/// evaluation (`docs/patterns.md`).
pub(super) fn temper(n: f64) -> f64 {
    let n = n.max(1.0);
    (1.8 / n.sqrt() * (1.0 + 1.0 / n)).clamp(0.02, 1.0)
}

/// Returns the probability of each member.
pub(super) fn probabilities(members: &[Member], n: f64) -> Vec<f64> {
    let exponent = temper(n);
    let best = members.iter().map(|m| m.log).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> =
        members.iter().map(|m| m.prior * (exponent * (m.log - best)).exp()).collect();
    let total: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / total).collect()
}
