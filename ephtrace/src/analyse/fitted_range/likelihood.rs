//! Likelihood of ports under a range: drawn evenly from it, except for a few that programs name.
//!
//! Each default range competes with ranges set by hand and with two mixed defaults; no range counts
//! as known if one of these fits as well.

use super::{super::number::as_f64, systems::SYSTEMS};
use crate::model::PortRange;

/// Shares of ports that programs name, each as likely as the others.
const NAMED: [f64; 4] = [0.002, 0.01, 0.05, 0.15];

/// Number of ports.
const PORTS: f64 = 65_536.0;

/// Shares of the first of two mixed ranges: with less of it, its ports count as outside of the
/// other.
const SHARES: [f64; 3] = [0.3, 0.5, 0.7];

/// Prior probability of each kind. Somebody who sets a range takes round numbers (`ROUND` pairs) as
/// often as others.
const DEFAULT: f64 = 0.6;
const SET_ROUND: f64 = 0.15;
const SET: f64 = 0.15;
const MIXED: f64 = 0.1;
const ROUND: f64 = 4096.0;

/// Maximum number of ports at each end that the kernel may not have chosen.
const MAX_TRIMMED: usize = 8;

/// A range that ports may come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Candidate {
    /// Default ranges that differ by a port at most.
    Default(Vec<PortRange>),
    /// A range that is no system's default.
    Set(PortRange),
    /// A mixture of two defaults.
    Mixed(PortRange, PortRange),
}

impl Candidate {
    /// Returns the smallest range with all its ports.
    fn hull(&self) -> PortRange {
        match self {
            Self::Default(members) => {
                members.iter().copied().reduce(PortRange::hull).unwrap_or(PortRange::ALL)
            }
            Self::Set(range) => *range,
            Self::Mixed(one, other) => one.hull(*other),
        }
    }
}

/// Distinct ports, lowest first.
pub(super) struct Draws<'a>(pub(super) &'a [u16]);

impl Draws<'_> {
    fn inside(&self, range: PortRange) -> &[u16] {
        let from = self.0.partition_point(|&port| port < range.low);
        let to = self.0.partition_point(|&port| port <= range.high);
        self.0.get(from..to).unwrap_or(&[])
    }

    /// Returns the number of independent draws from `range` that carry as much information as the
    /// ports inside: fewer than there are, if counters have left gaps wider than chance makes them.
    pub(super) fn independent(&self, range: PortRange) -> f64 {
        let inside = self.inside(range);
        let count = as_f64(inside.len() as u64);
        let gap = inside.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(1).max(1);
        (f64::from(range.len()) / f64::from(gap) * (count.ln() + 3.0)).min(count)
    }

    /// Log-likelihood of all ports under `range`.
    fn under(&self, range: PortRange, weight: f64) -> f64 {
        let inside = as_f64(self.inside(range).len() as u64);
        let outside = as_f64(self.0.len() as u64) - inside;
        let by_share = NAMED.map(|named| {
            let anywhere = named / PORTS;
            let drawn = (1.0 - named) / f64::from(range.len()) + anywhere;
            weight * (inside * drawn.ln() + outside * anywhere.ln())
        });
        log_mean(&by_share)
    }

    /// Log-likelihood under a mixture of two ranges.
    fn under_both(&self, one: PortRange, other: PortRange, weight: f64) -> f64 {
        let (a, b) = (self.inside(one).len(), self.inside(other).len());
        let both = self.inside(one.intersection(other)).len();
        let neither = self.0.len() + both - a - b;
        let counts = [a - both, b - both, both, neither].map(|count| as_f64(count as u64));
        let anywhere = NAMED[1] / PORTS;
        let by_share = SHARES.map(|share| {
            let first = (1.0 - NAMED[1]) * share / f64::from(one.len());
            let second = (1.0 - NAMED[1]) * (1.0 - share) / f64::from(other.len());
            let densities = [first, second, first + second, 0.0].map(|d| (d + anywhere).ln());
            weight * counts.iter().zip(densities).map(|(n, d)| n * d).sum::<f64>()
        });
        log_mean(&by_share)
    }

    /// Log-likelihood under a range set by hand, and the range that the ports show of it.
    fn under_any(&self, weight: f64) -> Option<(f64, PortRange)> {
        let most = MAX_TRIMMED.min(self.0.len() / 8);
        let pairs = (0..=most).flat_map(|low| (0..=most - low).map(move |high| (low, high)));
        let scored = pairs.filter_map(|(low, high)| {
            let kept = self.0.get(low..self.0.len() - high)?;
            let range = PortRange::new(*kept.first()?, *kept.last()?);
            Some((self.set_to(range, weight), range))
        });
        scored.max_by(|(a, _), (b, _)| a.total_cmp(b))
    }

    /// Log-likelihood under all ranges about `shown`, weighted by how likely any and round ones
    /// are.
    fn set_to(&self, shown: PortRange, weight: f64) -> f64 {
        let span = f64::from(shown.len());
        let draws = weight * as_f64(self.0.len() as u64);
        let about = 2.0 * (span / draws.max(1.0)).ln();
        let any = self.under(shown, weight) + about + (SET * 2.0 / (PORTS * PORTS)).ln();
        let low = (shown.low / 1000 * 1000).max(shown.low / 1024 * 1024);
        let high = (u32::from(shown.high).div_ceil(1000) * 1000).min(65_535);
        let round = PortRange::new(low, u16::try_from(high).unwrap_or(u16::MAX));
        let is_default = families().iter().any(|family| family.contains(&round));
        let at_round = self.under(round, weight) + (SET_ROUND / ROUND).ln();
        if is_default { any } else { log_sum(&[any, at_round]) }
    }

    /// Returns all candidates with their probabilities, likeliest first. Each port counts in
    /// proportion to the independent draws under the candidate that is likeliest if all ports are
    /// independent.
    pub(super) fn ranked(&self) -> Vec<(Candidate, f64)> {
        let plain = self.weighted(1.0);
        let Some((best, _)) = plain.first() else { return plain };
        let range = best.hull();
        let inside = as_f64(self.inside(range).len() as u64);
        let weight = if inside > 0.0 { self.independent(range) / inside } else { 1.0 };
        if weight < 1.0 { self.weighted(weight) } else { plain }
    }

    fn weighted(&self, weight: f64) -> Vec<(Candidate, f64)> {
        let families = families();
        let each = (DEFAULT / as_f64(families.len() as u64)).ln();
        let mut scored = Vec::new();
        for family in &families {
            let by_member: Vec<f64> =
                family.iter().map(|range| self.under(*range, weight)).collect();
            scored.push((Candidate::Default(family.clone()), each + log_mean(&by_member)));
        }
        let firsts: Vec<PortRange> = families.iter().filter_map(|f| f.first().copied()).collect();
        let pairs = as_f64((firsts.len() * (firsts.len() - 1) / 2) as u64);
        for (nth, one) in firsts.iter().enumerate() {
            for other in firsts.iter().skip(nth + 1) {
                let score = self.under_both(*one, *other, weight) + (MIXED / pairs).ln();
                scored.push((Candidate::Mixed(*one, *other), score));
            }
        }
        if let Some((score, range)) = self.under_any(weight) {
            scored.push((Candidate::Set(range), score));
        }
        let total = log_sum(&scored.iter().map(|(_, score)| *score).collect::<Vec<_>>());
        let mut ranked: Vec<_> = scored
            .into_iter()
            .map(|(candidate, score)| (candidate, (score - total).exp()))
            .collect();
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        ranked
    }

    /// Returns whether the ports inside are spread over `range` as evenly as chance spreads them.
    /// One even recording in a thousand fails this test.
    pub(super) fn is_even_in(&self, range: PortRange) -> bool {
        const PARTS: u32 = 16;
        const LIMIT: f64 = 37.7;
        let inside = self.inside(range);
        let mut counts = [0_u32; PARTS as usize];
        for &port in inside {
            let part = u32::from(port - range.low) * PARTS / range.len();
            if let Some(count) = counts.get_mut(part as usize) {
                *count += 1;
            }
        }
        let expected = as_f64(inside.len() as u64) / f64::from(PARTS);
        let off = counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected);
        off.sum::<f64>() <= LIMIT
    }
}

/// Returns the default ranges, grouped if they differ by a port at most: no ports tell those apart.
pub(super) fn families() -> Vec<Vec<PortRange>> {
    let mut families: Vec<Vec<PortRange>> = Vec::new();
    for range in SYSTEMS.iter().map(|system| system.range) {
        let is_near = |family: &&mut Vec<PortRange>| {
            family.iter().all(|other| {
                other.low.abs_diff(range.low) <= 1 && other.high.abs_diff(range.high) <= 1
            })
        };
        match families.iter_mut().find(is_near) {
            Some(family) if family.contains(&range) => {}
            Some(family) => family.push(range),
            None => families.push(vec![range]),
        }
    }
    families
}

fn log_sum(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + logs.iter().map(|log| (log - most).exp()).sum::<f64>().ln()
}

fn log_mean(logs: &[f64]) -> f64 {
    log_sum(logs) - as_f64(logs.len().max(1) as u64).ln()
}
