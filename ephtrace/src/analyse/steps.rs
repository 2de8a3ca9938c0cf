//! The most frequent step of a destination, among any number of distinct steps.

use std::cmp::Reverse;

use super::number::as_f64;

/// Maximum number of distinct steps that are counted. Linux draws from 8 (even ones, 2 to 16).
const MAX_STEPS: usize = 16;

/// Counts of each step: exact up to [`MAX_STEPS`] distinct ones, then by the space-saving
/// algorithm, in which a newcomer takes over the count of the rarest.
#[derive(Debug, Default)]
pub(super) struct StepCounts {
    slots: [StepCount; MAX_STEPS],
    used: usize,
    total: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct StepCount {
    step: i32,
    count: u64,
    taken_over: u64,
}

impl StepCount {
    fn certain(&self) -> u64 {
        self.count - self.taken_over
    }
}

impl StepCounts {
    /// Adds one step.
    pub(super) fn add(&mut self, step: i32) {
        self.total += 1;
        let used = &mut self.slots[..self.used];
        if let Some(slot) = used.iter_mut().find(|s| s.step == step) {
            slot.count += 1;
        } else if let Some(slot) = self.slots.get_mut(self.used) {
            *slot = StepCount { step, count: 1, taken_over: 0 };
            self.used += 1;
        } else if let Some(rarest) = self.slots.iter_mut().min_by_key(|s| s.count) {
            *rarest = StepCount { step, count: rarest.count + 1, taken_over: rarest.count };
        }
    }

    /// Returns the most frequent step, and its share of all steps, 0 to 1; a lower bound if there
    /// are more than [`MAX_STEPS`] distinct ones.
    pub(super) fn usual(&self) -> Option<(i32, f64)> {
        let slots = &self.slots[..self.used];
        let usual = slots.iter().max_by_key(|s| (s.certain(), Reverse(s.step)))?;
        Some((usual.step, as_f64(usual.certain()) / as_f64(self.total)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rare_step_does_not_hide_the_usual_one() {
        let mut steps = StepCounts::default();
        for n in 0..3000 {
            steps.add(if n % 3 == 0 { n } else { 2 });
        }
        let (step, share) = steps.usual().unwrap();
        assert_eq!(step, 2);
        assert!((0.66..0.67).contains(&share), "{share}");
    }
}
