//! Sampling of a long stream: all of its beginning is judged, then a run of it now and again.
//!
//! After some ten thousand assignments nothing is left to find out (`docs/patterns.md`), unless the
//! policy changes; the runs notice that. Judging a storm of millions costs a forty-eighth.

/// After the beginning, the last run of each period of this many beginnings is judged …
const PERIOD: u64 = 3;
/// … and a run is this part of the beginning long.
const RUN: u64 = 16;

/// Schedule of the assignments of a stream that are judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct SamplingSchedule {
    whole: u64,
    seen: u64,
    judged: u64,
}

/// Decision on the next assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Judge it.
    Judge,
    /// Judge it; some assignments before it were skipped.
    Resume,
    /// Skip it.
    Rest,
}

impl SamplingSchedule {
    /// Creates a schedule that judges all of the first `whole` assignments, and the last
    /// forty-eighth of each `3 * whole` after them.
    pub(super) fn new(whole: u64) -> Self {
        Self { whole: whole.max(RUN), seen: 0, judged: 0 }
    }

    /// Counts the next assignment.
    pub(super) fn next(&mut self) -> Decision {
        let decision = match self.seen.checked_sub(self.whole) {
            None => Decision::Judge,
            Some(after) => self.later(after % (PERIOD * self.whole)),
        };
        self.seen += 1;
        self.judged += u64::from(decision != Decision::Rest);
        decision
    }

    /// Returns the decision on the `place`th assignment of a period.
    fn later(&self, place: u64) -> Decision {
        match place.checked_sub(PERIOD * self.whole - self.whole / RUN) {
            None => Decision::Rest,
            Some(0) => Decision::Resume,
            Some(_) => Decision::Judge,
        }
    }

    /// Number of assignments so far, judged or skipped.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Returns a sentence on the skipped assignments, if there are any.
    pub(super) fn sentence(&self) -> Option<String> {
        let Self { whole, seen, judged } = *self;
        (judged < seen).then(|| {
            let run = whole / RUN;
            format!(
                "judged from {judged} of {seen} assignments: the first {whole}, then runs of {run}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_then_runs() {
        let mut schedule = SamplingSchedule::new(32);
        let decisions: Vec<Decision> = (0..224).map(|_| schedule.next()).collect();
        assert!(decisions[..32].iter().all(|t| *t == Decision::Judge), "{decisions:?}");
        assert!(decisions[32..126].iter().all(|t| *t == Decision::Rest), "{decisions:?}");
        assert_eq!(decisions[126..129], [Decision::Resume, Decision::Judge, Decision::Rest]);
        assert_eq!(
            schedule.sentence().unwrap(),
            "judged from 36 of 224 assignments: the first 32, then runs of 2"
        );
        assert_eq!(SamplingSchedule::new(32).sentence(), None);
    }
}
