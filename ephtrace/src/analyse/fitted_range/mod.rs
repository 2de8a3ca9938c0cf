//! Estimate of the range that ports come from, for recordings without it, with the confidence that
//! the ports allow.
//!
//! Two things show a range. Ports that were each drawn anew, independent of one another, fill it:
//! enough of them leave no room for a smaller or a larger range (`likelihood`). And a counter that
//! wraps around jumps from one end to the other. A counter that does not wrap shows nothing of its
//! range, however long it is followed.

mod likelihood;
mod seen;
mod systems;
#[cfg(test)]
mod tests;

use serde::{Serialize, Serializer};

pub(super) use self::seen::PortsSeen;
pub use self::systems::{SYSTEMS, System};
use self::{
    likelihood::{Candidate, Draws, families},
    seen::{NEAR, Turn},
    systems::OF_LINUX,
};
use super::{
    number::as_f64,
    pattern::{Algorithm, CONFIDENT, Pattern, Verdict, percent},
};
use crate::model::PortRange;

/// Number of draws below which no range is named: with this many, an end that is a twentieth of the
/// range too far out shows in all but one of 2,000 recordings.
const FEWEST_DRAWS: f64 = 150.0;

/// Maximum number of listed ports outside of the range.
const LISTED: usize = 8;

/// Number of ports outside of the range up to which programs named them; more may be another
/// host's.
const FEW_NAMED: usize = 8;

/// Confidence of a range at both of whose ends a counter wrapped: by chance that happens in fewer
/// than one recording in a hundred.
const TURN_CONFIDENCE: f64 = 0.99;

/// The range that fits the ports, as far as they show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FittedRange {
    /// Lowest port of the range; null if it is not known.
    pub range_low: Option<u16>,
    /// Highest port of the range; null if it is not known.
    pub range_high: Option<u16>,
    /// Probability of the range, or of the likeliest one if none is given.
    #[serde(serialize_with = "rounded")]
    pub confidence: f64,
    /// Systems that have this range by default and assign ports by the rule of the verdict or by an
    /// unknown rule; empty if no system is known, or if the range is unknown.
    pub systems: Vec<&'static str>,
    /// Number of distinct ports that were seen.
    pub distinct_ports: u64,
    /// Lowest of the ports seen; null if there is none.
    pub lowest_port: Option<u16>,
    /// Highest of the ports seen; null if there is none.
    pub highest_port: Option<u16>,
    /// Different ports outside the range: programs chose them, or, where they are many, another
    /// host behind the same address uses them.
    pub outside_count: u64,
    /// The first eight ports outside of the range.
    pub outside_ports: Vec<u16>,
    /// Summary in one sentence: the range and whose default it is, or why it is unknown.
    pub sentence: String,
}

/// A range that is named, with its confidence.
struct Told {
    members: Vec<PortRange>,
    confidence: f64,
    is_default: bool,
    because: String,
}

impl FittedRange {
    /// Returns the range, if it is known.
    pub fn range(&self) -> Option<PortRange> {
        self.range_low.zip(self.range_high).map(|(low, high)| PortRange::new(low, high))
    }

    /// Returns the range that all hosts with a known range agree on; `None` if no host has ports of
    /// an unknown range.
    pub(super) fn over(hosts: &[&Self], others: u64) -> Option<Self> {
        let first = *hosts.first()?;
        if hosts.len() == 1 && others == 0 {
            return Some(first.clone());
        }
        let known: Vec<&Self> =
            hosts.iter().copied().filter(|one| one.range_low.is_some()).collect();
        let unknown = (hosts.len() - known.len()) as u64 + others;
        let Some(best) = known.first() else {
            let sentence = format!("unknown, because none of the {unknown} hosts shows its range");
            return Some(Self { sentence, ..Self::nothing() });
        };
        let is_same = |one: &&Self| one.range() == best.range() && one.systems == best.systems;
        if !known.iter().all(is_same) {
            let sentence = format!(
                "no common range: {} hosts show different ranges or systems, and {unknown} show \
                 none",
                known.len()
            );
            return Some(Self { sentence, ..Self::nothing() });
        }
        let confidence = known.iter().map(|one| one.confidence).fold(1.0, f64::min);
        let range = best.range().map(|range| range.to_string()).unwrap_or_default();
        let sentence = format!(
            "{range} on {} hosts, {}; {unknown} hosts show none",
            known.len(),
            whose(&best.systems)
        );
        let systems = best.systems.clone();
        let (range_low, range_high) = (best.range_low, best.range_high);
        Some(Self { range_low, range_high, confidence, systems, sentence, ..Self::nothing() })
    }

    /// Withdraws the range, because the assignments are out of order: a shuffled counter looks like
    /// independent random ports.
    pub(super) fn withhold(&mut self) {
        let sentence =
            "not known, because the assignments are not in the order in which they came".to_owned();
        let Self { distinct_ports, lowest_port, highest_port, .. } = *self;
        *self = Self { distinct_ports, lowest_port, highest_port, sentence, ..Self::nothing() };
    }

    fn nothing() -> Self {
        Self {
            range_low: None,
            range_high: None,
            confidence: 0.0,
            systems: Vec::new(),
            distinct_ports: 0,
            lowest_port: None,
            highest_port: None,
            outside_count: 0,
            outside_ports: Vec::new(),
            sentence: String::new(),
        }
    }

    /// Returns the range of a host's ports, which are assigned by the rule of `verdict`; `None` if
    /// every range is known.
    pub(super) fn of(seen: &PortsSeen, verdict: &Verdict) -> Option<Self> {
        if seen.assignments == 0 {
            return None;
        }
        let all = seen.all.sorted();
        let about = Self {
            distinct_ports: all.len() as u64,
            lowest_port: all.first().copied(),
            highest_port: all.last().copied(),
            ..Self::nothing()
        };
        Some(match by_turn(seen, &all).map_or_else(|| by_draws(seen, &all, verdict), Ok) {
            Ok(told) => about.telling(told, &all, verdict.algorithm),
            Err((confidence, why)) => {
                Self { confidence, sentence: format!("unknown, because {why}"), ..about }
            }
        })
    }

    fn telling(self, told: Told, all: &[u16], algorithm: Algorithm) -> Self {
        let Told { members, confidence, is_default, because } = told;
        let widest = members.iter().copied().reduce(PortRange::hull).unwrap_or(PortRange::ALL);
        let outside: Vec<u16> = all.iter().copied().filter(|&p| !widest.contains(p)).collect();
        // If two ranges fit that one port tells apart: the one with all ports, and then the smaller
        // one.
        let has_all =
            |range: &&PortRange| all.iter().all(|p| range.contains(*p) || !widest.contains(*p));
        let range = members.iter().filter(has_all).min_by_key(|range| range.len());
        let range = range.or(members.first()).copied().unwrap_or(widest);
        let systems = if is_default { systems(&members, algorithm) } else { Vec::new() };
        let whose = match (is_default, OF_LINUX.contains(&algorithm) && systems.is_empty()) {
            (_, true) => {
                "set by net.ipv4.ip_local_port_range, because the rule is that of Linux".into()
            }
            (true, _) => whose(&systems),
            (false, _) => "not the default of any known system".to_owned(),
        };
        let names: Vec<String> = members.iter().map(ToString::to_string).collect();
        let mut sentence =
            format!("{} ({}), {whose}: {because}", names.join(" or "), percent(confidence));
        if !outside.is_empty() {
            let listed: Vec<String> = outside.iter().take(LISTED).map(u16::to_string).collect();
            let more = if outside.len() > LISTED { ", …" } else { "" };
            let count = outside.len();
            let whose = if count <= FEW_NAMED && count * 50 <= all.len() {
                "were chosen by programs"
            } else {
                "were chosen by programs, or belong to another host behind the same address"
            };
            let listed = listed.join(", ");
            let outside = format!("; {count} ports outside it {whose}: {listed}{more}");
            sentence.push_str(&outside);
        }
        Self {
            range_low: Some(range.low),
            range_high: Some(range.high),
            confidence,
            systems,
            outside_count: outside.len() as u64,
            outside_ports: outside.into_iter().take(LISTED).collect(),
            sentence,
            ..self
        }
    }
}

/// Returns the systems with one of these defaults, and that rule or an unknown one.
fn systems(members: &[PortRange], algorithm: Algorithm) -> Vec<&'static str> {
    let is_told = !matches!(
        algorithm,
        Algorithm::Undetermined | Algorithm::Mixed | Algorithm::Other | Algorithm::Fixed
    );
    let fits = |system: &&System| {
        let rules = system.algorithms;
        members.contains(&system.range)
            && (!is_told
                || rules.contains(&algorithm)
                || (rules.is_empty() && !OF_LINUX.contains(&algorithm)))
    };
    SYSTEMS.iter().filter(fits).map(|system| system.system).collect()
}

/// Returns `the default of A; of B`.
fn whose(systems: &[&str]) -> String {
    match systems {
        [] => "not the default of any system known to use this rule".to_owned(),
        several => format!("the default of {}", several.join("; of ")),
    }
}

/// Names a range by a counter that wrapped: at both ends of a default once, or twice at the same
/// ends.
fn by_turn(seen: &PortsSeen, all: &[u16]) -> Option<Told> {
    let close = |a: u16, b: u16| i32::from(a.abs_diff(b)) <= NEAR;
    let at = |turn: &Turn, range: &PortRange| {
        close(turn.low, range.low)
            && close(turn.high, range.high)
            && turn.low >= range.low
            && turn.high <= range.high
    };
    let ends = |turn: &Turn| format!("a counter wrapped around from {} to {}", turn.high, turn.low);
    let mostly_inside = |range: PortRange| {
        let inside = all.iter().filter(|port| range.contains(**port)).count();
        inside * 20 >= all.len() * 19
    };
    for turn in &seen.turns {
        let families = families();
        let fits = |family: &&Vec<PortRange>| family.iter().any(|range| at(turn, range));
        if let Some(family) = families.iter().find(fits)
            && family.iter().copied().any(mostly_inside)
        {
            let members = family.iter().copied().filter(|range| at(turn, range)).collect();
            let because = ends(turn);
            return Some(Told { members, confidence: TURN_CONFIDENCE, is_default: true, because });
        }
    }
    let again = |turn: &&Turn| {
        let same = |other: &&Turn| close(turn.low, other.low) && close(turn.high, other.high);
        seen.turns.iter().filter(same).count() > 1
    };
    let turn = seen.turns.iter().find(again)?;
    let same: Vec<&Turn> = seen.turns.iter().filter(|other| close(turn.low, other.low)).collect();
    let low = same.iter().map(|one| one.low).min()?;
    let high = same.iter().map(|one| one.high).max()?;
    let range = PortRange::new(low, high);
    let because = format!("{}, more than once", ends(turn));
    mostly_inside(range).then_some(Told {
        members: vec![range],
        confidence: TURN_CONFIDENCE,
        is_default: false,
        because,
    })
}

/// Names a range by ports that were drawn anew. The error has the probability of the likeliest
/// range, and why it is not enough.
fn by_draws(seen: &PortsSeen, all: &[u16], verdict: &Verdict) -> Result<Told, (f64, String)> {
    let is_random = verdict.pattern == Pattern::Random;
    let mut first = seen.first.clone();
    first.sort_unstable();
    first.dedup();
    let ports: &[u16] = if is_random { all } else { &first };
    let draws = Draws(ports);
    let ranked = draws.ranked();
    let Some((best, confidence)) = ranked.first().cloned() else {
        return Err((0.0, "there are no ports".to_owned()));
    };
    let (range, members, is_default) = match best {
        Candidate::Default(members) => (members[0], members, true),
        Candidate::Set(range) => (range, vec![range], false),
        Candidate::Mixed(one, other) => {
            let enough = as_f64(ports.len() as u64) >= FEWEST_DRAWS;
            return Err((
                confidence,
                if enough && confidence >= CONFIDENT {
                    format!("ports of {one} and {other} seem to be mixed")
                } else {
                    few(ports.len(), all.len(), is_random)
                },
            ));
        }
    };
    let count = draws.independent(range);
    if count < FEWEST_DRAWS {
        return Err((confidence, few(ports.len(), all.len(), is_random)));
    }
    if confidence < CONFIDENT {
        let others: Vec<String> = ranked
            .iter()
            .take(3)
            .map(|(one, p)| format!("{} ({})", named(one), percent(*p)))
            .collect();
        return Err((
            confidence,
            format!("the ports do not distinguish {}", others.join(" from ")),
        ));
    }
    if !draws.is_even_in(range) {
        let why = format!(
            "the ports are not spread evenly over {range}, the best fit: several hosts or rules \
             may be mixed"
        );
        return Err((confidence, why));
    }
    let (low, high) = (ports.first().copied().unwrap_or(0), ports.last().copied().unwrap_or(0));
    let kind = if is_random { "different ports" } else { "first ports to destinations" };
    let because = format!(
        "{} {kind} from {low} to {high}; a range narrower by up to {:.1} % would fit as well",
        ports.len(),
        100.0 * 100_f64.ln() / count
    );
    Ok(Told { members, confidence, is_default, because })
}

fn named(candidate: &Candidate) -> String {
    match candidate {
        Candidate::Default(members) => {
            members.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
        }
        Candidate::Set(range) => format!("a range near {range}"),
        Candidate::Mixed(one, other) => format!("{one} mixed with {other}"),
    }
}

fn few(draws: usize, all: usize, is_random: bool) -> String {
    if is_random {
        return format!(
            "{draws} different ports are too few: at least {FEWEST_DRAWS} independent ones are \
             needed"
        );
    }
    format!(
        "only {draws} of {all} different ports were drawn independently, and {FEWEST_DRAWS} are \
         needed; the others follow an earlier port, and no counter was seen to wrap around"
    )
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn rounded<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    ((number * 1e6).round() / 1e6).serialize(serializer)
}
