//! Reconstruction of the kernel's search: its first candidate, its length, and the pass that found
//! the port.
//!
//! The rule is that of `__inet_hash_connect` (`net/ipv4/inet_hashtables.c`; the same from Linux
//! 5.18, 5.17.11 and 5.10.125 on to 7.3). With the range `low..=high`:
//!
//! 1. `step` is 2, or 1 for a socket with `IP_LOCAL_PORT_RANGE` on Linux 6.8 and later.
//! 2. `remaining = high + 1 - low`, made even if `step` is 2.
//! 3. `offset = (word + (hash >> 32)) mod 2^32 mod remaining`, made even if `step` is 2, where
//!    `word = table_perturb[hash & mask]`.
//! 4. The search walks from `low + offset` by `step`, going back by `remaining` past `high`,
//!    through `remaining / step` candidates; then, if `step` is 2, once more from `offset + 1`.
//! 5. It adds `step * (1 + max(k, random 0..=7))` to the word, `k` being the number of candidates
//!    that the last pass refused. A failed search adds nothing.
//!
//! Rule 5 serves as a check: if the word moved by an amount that no search can add, another search
//! came in between, and everything is unknown.

use std::fmt;

use crate::model::{Assignment, Pass, RangeInForce, Search, Unknown};

/// Maximum that the random part of rule 5 adds, in steps.
const MAX_RANDOM: u32 = 7;

/// Differences between kernels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// True if `IP_LOCAL_PORT_RANGE` makes the search step by one (Linux 6.8 and later).
    pub own_range_steps_by_one: bool,
}

/// The kernel's own state of one search, as far as the hook sees it.
///
/// Hash and word together predict the ports of the next ten seconds. Therefore they are not in an
/// [`Assignment`], nothing outside of `analyse` can read them, and they are never formatted.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchSecrets {
    /// Keyed hash of the destination (`port_offset`).
    pub(super) hash_offset: Option<u64>,
    /// Perturbation word of the destination's index before the search.
    pub(super) word_before: Option<u32>,
    /// Perturbation word after the search.
    pub(super) word_after: Option<u32>,
    /// `net.ipv4.ip_local_port_step_width`, 0 if off or absent.
    pub(super) step_width: u32,
    /// True if a concurrent search uses the same word.
    pub(super) raced: bool,
}

impl SearchSecrets {
    /// Creates the state from the hash offset, the perturbation word before and after the search
    /// (`None` if it was not read), the step width (0 if off), and whether another search used the
    /// word meanwhile.
    pub fn new(
        hash_offset: Option<u64>,
        (word_before, word_after): (Option<u32>, Option<u32>),
        step_width: u32,
        raced: bool,
    ) -> Self {
        Self { hash_offset, word_before, word_after, step_width, raced }
    }

    /// Growth of the word, if both of its values are known.
    fn word_step(&self) -> Option<u32> {
        self.word_after.zip(self.word_before).map(|(after, before)| after.wrapping_sub(before))
    }
}

impl fmt::Debug for SearchSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SearchSecrets").finish_non_exhaustive()
    }
}

/// One search, reconstructed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// First candidate of the search.
    pub first_candidate: u16,
    /// Pass that found the port; `None` for a failed search, which goes through both.
    pub pass: Option<Pass>,
    /// Number of candidates tried, the chosen one and reserved ones included; `None` if the kernel
    /// walked by random steps and the number is not known.
    pub tried: Option<u32>,
}

/// Reconstructs the search behind `assignment`.
pub fn select(
    assignment: &Assignment,
    secrets: &SearchSecrets,
    rules: Rules,
) -> Result<Selection, Unknown> {
    let SearchSecrets { hash_offset, word_before, word_after, step_width, raced } = *secrets;
    let hash = hash_offset.ok_or(Unknown::Hash)?;
    let before = word_before.ok_or(Unknown::Table)?;
    let after = word_after.ok_or(Unknown::Table)?;
    if before == 0 {
        return Err(Unknown::TableEmpty);
    }
    if raced {
        return Err(Unknown::Raced);
    }
    let walk = Walk::new(assignment.range.ok_or(Unknown::Range)?, rules, hash, before)?;
    let moved = after.wrapping_sub(before);
    match assignment.sport {
        None => walk.failed(moved),
        Some(port) if step_width > 0 => walk.found_by_random_steps(port, moved),
        Some(port) => walk.found(port, moved),
    }
}

/// Writes the outcome of [`select`], or the reason why it is unknown, to the assignment itself.
pub fn apply(assignment: &mut Assignment, secrets: &SearchSecrets, rules: Rules) {
    assignment.word_step = secrets.word_step();
    match assignment.origin.map(Search::of) {
        Some(Search::Keyed) | None => {}
        Some(Search::Random) => {
            assignment.search_unknown = Some(Unknown::RandomStart);
            return;
        }
        Some(Search::Counted | Search::Named) => return,
    }
    match select(assignment, secrets, rules) {
        Ok(Selection { first_candidate, pass, tried }) => {
            assignment.first_candidate = Some(first_candidate);
            assignment.pass = pass;
            assignment.tried = tried;
            assignment.search_unknown = tried.is_none().then_some(Unknown::RandomSteps);
        }
        Err(unknown) => assignment.search_unknown = Some(unknown),
    }
}

/// The candidates of one search.
#[derive(Clone, Copy, Debug)]
struct Walk {
    range: RangeInForce,
    step: u32,
    remaining: u32,
    first: u16,
}

impl Walk {
    fn new(range: RangeInForce, rules: Rules, hash: u64, word: u32) -> Result<Self, Unknown> {
        let step = if range.is_by_socket() && rules.own_range_steps_by_one { 1 } else { 2 };
        let mut remaining = range.ports.len();
        if step == 2 && remaining > 1 {
            remaining &= !1;
        }
        let high_half = u32::try_from(hash >> 32).map_err(|_| Unknown::Rule)?;
        let mut offset =
            word.wrapping_add(high_half).checked_rem(remaining).ok_or(Unknown::Range)?;
        if step == 2 {
            offset &= !1;
        }
        let first =
            u16::try_from(u32::from(range.ports.low) + offset).map_err(|_| Unknown::Rule)?;
        Ok(Self { range, step, remaining, first })
    }

    /// Number of candidates of one pass.
    fn per_pass(self) -> u32 {
        self.remaining.div_ceil(self.step)
    }

    /// Number of candidates of both passes; a range of one port has no other parity.
    fn all(self) -> u32 {
        if self.step == 2 && self.remaining > 1 { 2 * self.per_pass() } else { self.per_pass() }
    }

    fn failed(self, moved: u32) -> Result<Selection, Unknown> {
        if moved != 0 {
            return Err(Unknown::Raced);
        }
        Ok(Selection { first_candidate: self.first, pass: None, tried: Some(self.all()) })
    }

    fn found(self, port: u16, moved: u32) -> Result<Selection, Unknown> {
        let (pass, distance) = self.distance(port)?;
        if !distance.is_multiple_of(self.step) {
            return Err(Unknown::Rule);
        }
        let refused = distance / self.step;
        let added = self.added(moved)?;
        if added != refused.max(added.min(MAX_RANDOM)) {
            return Err(Unknown::Raced);
        }
        Ok(self.selection(pass, Some(refused)))
    }

    /// Handles a search with `ip_local_port_step_width` (Linux 7.1), which walks by one random step
    /// of its own that is not seen. The amount added to the word still shows how many candidates
    /// were refused, if they exceed the random part.
    fn found_by_random_steps(self, port: u16, moved: u32) -> Result<Selection, Unknown> {
        let (pass, distance) = self.distance(port)?;
        let added = self.added(moved)?;
        let refused = match (distance, added) {
            (0, ..=MAX_RANDOM) => Some(0),
            (0, _) | (_, 0) => return Err(Unknown::Raced),
            (_, ..=MAX_RANDOM) => None,
            (_, more) if more < self.per_pass() => Some(more),
            _ => return Err(Unknown::Raced),
        };
        Ok(self.selection(pass, refused))
    }

    fn selection(self, pass: Pass, refused: Option<u32>) -> Selection {
        let before = match pass {
            Pass::First => 0,
            Pass::Second => self.per_pass(),
        };
        let tried = refused.map(|refused| before + refused + 1);
        Selection { first_candidate: self.first, pass: Some(pass), tried }
    }

    /// Returns the pass that `port` belongs to, and its distance from that pass's first candidate.
    fn distance(self, port: u16) -> Result<(Pass, u32), Unknown> {
        if !self.range.ports.contains(port) {
            return Err(Unknown::Rule);
        }
        let is_other = self.step == 2 && (port ^ self.range.ports.low) & 1 == 1;
        let pass = if is_other { Pass::Second } else { Pass::First };
        let start = u32::from(self.first) + u32::from(is_other);
        let port = u32::from(port);
        let distance = port.checked_sub(start).unwrap_or(port + self.remaining - start);
        Ok((pass, distance))
    }

    /// Number of steps that the search added to the word, less the one that each search adds.
    fn added(self, moved: u32) -> Result<u32, Unknown> {
        if !moved.is_multiple_of(self.step) {
            return Err(Unknown::Raced);
        }
        (moved / self.step).checked_sub(1).ok_or(Unknown::Raced)
    }
}

#[cfg(test)]
mod tests;
