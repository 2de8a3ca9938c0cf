//! How much of a long stream is judged: all of its beginning, then a run of it now and again.
//!
//! After some ten thousand assignments nothing is left to find out (`docs/patterns.md`), unless the
//! policy changes; the runs notice that. So a storm of millions costs a sixteenth.

/// One assignment of so many is judged after the beginning.
const SHARE: u64 = 16;

/// Which assignments of a stream are judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct SamplingSchedule {
    whole: u64,
    seen: u64,
    judged: u64,
}

/// What to do with the next assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Judge it.
    Judge,
    /// Judge it; some before it were left out.
    Resume,
    /// Leave it out.
    Rest,
}

impl SamplingSchedule {
    /// Judges all of the first `whole` assignments, and the first sixteenth of each `whole` after
    /// them.
    pub(super) fn new(whole: u64) -> Self {
        Self { whole: whole.max(SHARE), seen: 0, judged: 0 }
    }

    /// Counts the next assignment.
    pub(super) fn next(&mut self) -> Decision {
        let place = self.seen % self.whole;
        let turn = match (self.seen / self.whole, place) {
            (0, _) => Decision::Judge,
            // The beginning and the first run are in one piece.
            (2.., 0) => Decision::Resume,
            _ if place < self.whole / SHARE => Decision::Judge,
            _ => Decision::Rest,
        };
        self.seen += 1;
        self.judged += u64::from(turn != Decision::Rest);
        turn
    }

    /// Assignments so far, judged or left out.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// Says what was left out, if anything was.
    pub(super) fn sentence(&self) -> Option<String> {
        let Self { whole, seen, judged } = *self;
        (judged < seen).then(|| {
            let run = whole / SHARE;
            format!("judged by {judged} of {seen}: the first {whole}, then runs of {run}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_then_runs() {
        let mut schedule = SamplingSchedule::new(32);
        let turns: Vec<Decision> = (0..128).map(|_| schedule.next()).collect();
        let judged = |from: usize, to: usize| turns[from..to].iter().all(|t| *t == Decision::Judge);
        assert!(judged(0, 34), "{turns:?}");
        assert!(turns[34..64].iter().all(|t| *t == Decision::Rest), "{turns:?}");
        assert_eq!(turns[64..67], [Decision::Resume, Decision::Judge, Decision::Rest]);
        assert_eq!(
            schedule.sentence().unwrap(),
            "judged by 38 of 128: the first 32, then runs of 2"
        );
        assert_eq!(SamplingSchedule::new(32).sentence(), None);
    }
}
