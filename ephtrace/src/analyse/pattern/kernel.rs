//! State of the kernel's own search, as the hook sees it: the perturbation word and the first
//! candidate. This state is proof; ports only suggest.
//!
//! A recording does not contain the word, since it predicts ports. But while the hash secret stays
//! the same, two searches for one destination begin as far apart as the word moved in between.

use super::{frame::Frame, names::Algorithm, observation::Observation};
use crate::analyse::number::as_f64;

/// Minimum number of checks.
const ENOUGH: u64 = 3;
/// Share of words that may be off: another CPU may have used the same word in between.
const RACED: f64 = 0.1;

/// Counts of how often the kernel's own state followed each rule.
#[derive(Clone, Debug, Default)]
pub(super) struct KernelCheck {
    /// Searches that found a port at once and whose word was seen before and after, or whose step
    /// was derived.
    words: u64,
    /// The word grew by 2 to 16, evenly (Linux 5.18 and later).
    even: u64,
    /// … by 1 to 8.
    any: u64,
    /// … by 2 or 4 (Linux 5.12 to 5.17).
    two_or_four: u64,
    /// Searches whose first candidate is known.
    pub(super) candidates: u64,
    /// … and equals the port, or precedes it on the way of the search.
    pub(super) on_the_way: u64,
}

/// Start of the previous search for the same destination: it shows how far the word has moved
/// since.
#[derive(Clone, Copy, Debug)]
pub(super) struct SearchStart {
    first: u16,
    /// True if the search found a port at once, so that the word moved by the random part alone.
    at_once: bool,
}

/// Probability above which no new hash secret came in between.
const SAME_SECRET: f64 = 0.9;

impl KernelCheck {
    /// Checks one search; `same` is the probability that the hash secret is that of the search
    /// `before`.
    pub(super) fn observe(
        &mut self,
        event: &Observation,
        frame: &Frame,
        before: &mut Option<SearchStart>,
        same: f64,
    ) {
        let Some(search) = event.search else { return };
        let at_once = search.tried == Some(1);
        let before = match search.first_candidate {
            Some(first) => before.replace(SearchStart { first, at_once }),
            None => before.take(),
        };
        if let Some(first) = search.first_candidate {
            let step = frame.step_from(first);
            let tried = search.tried.unwrap_or(1).max(1);
            self.candidates += 1;
            self.on_the_way += u64::from(step == 0 || tried > 1 || step > 0);
        }
        // A long search moves the word by its length instead (`selection`, rule 5).
        let seen = search.word_step.filter(|_| search.tried.unwrap_or(1) == 1);
        let told = || {
            let before = before.filter(|before| before.at_once && same > SAME_SECRET)?;
            Some(frame.ahead(before.first, search.first_candidate?))
        };
        if let Some(step) = seen.or_else(told) {
            self.word(step);
        }
    }

    fn word(&mut self, step: u32) {
        self.words += 1;
        self.even += u64::from(step.is_multiple_of(2) && (2..=16).contains(&step));
        self.any += u64::from((1..=8).contains(&step));
        self.two_or_four += u64::from(step == 2 || step == 4);
    }

    /// Returns the algorithm that the words follow.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        if self.words < ENOUGH {
            return None;
        }
        let obeyed = |count: u64| as_f64(count) >= (1.0 - RACED) * as_f64(self.words);
        // Later kernels make only 2 or 4 by chance once in 4^n.
        if obeyed(self.two_or_four) && self.words >= 8 {
            Some(Algorithm::LinuxDhash256)
        } else if obeyed(self.even) {
            Some(Algorithm::LinuxDhash64k)
        } else if obeyed(self.any) {
            Some(Algorithm::LinuxLpr)
        } else {
            Some(Algorithm::Other)
        }
    }

    /// Number of searches that were checked.
    pub(super) fn checked(&self) -> u64 {
        self.words
    }
}
