//! Laws of increment: the distance of the next port from the one that it follows.
//!
//! A law is three densities over the step: undisturbed, after lost events or occupied ports, and
//! for an event that a later one overtook.

use std::sync::LazyLock;

/// Maximum step down that is considered.
pub(super) const BACK: i32 = 64;
/// Steps up to this, exclusive, are considered.
pub(super) const AHEAD: i32 = 160;
const LEN: usize = 224;

/// Densities of a step, each summing to at most one.
pub(super) struct Law {
    clean: [f64; LEN],
    skip: [f64; LEN],
    late: [f64; LEN],
}

/// `[undisturbed, after a skip, late]` of one step.
pub(super) type Densities = [f64; 3];

impl Law {
    /// Returns the densities of `step`; zero far away.
    pub(super) fn at(&self, step: i32) -> Densities {
        let Ok(index) = usize::try_from(step + BACK) else { return [0.0; 3] };
        if index >= LEN {
            return [0.0; 3];
        }
        [self.clean[index], self.skip[index], self.late[index]]
    }

    /// Creates a law from the probabilities of each increment. Lost events add increments up;
    /// occupied ports add `stride` each.
    fn new(increments: &[(i32, f64)], stride: i32) -> Self {
        let mut clean = [0.0; LEN];
        for &(step, probability) in increments {
            put(&mut clean, step, probability);
        }
        let mut law = Self { clean, skip: [0.0; LEN], late: [0.0; LEN] };
        law.fill_skip(increments, stride);
        law.fill_late(increments);
        law
    }

    /// Adds densities for two to six increments at once, and for occupied ports in the way.
    fn fill_skip(&mut self, increments: &[(i32, f64)], stride: i32) {
        let mut sum = self.clean;
        let mut share = 0.42;
        for _ in 2..=6 {
            sum = convolve(&sum, increments);
            for (skip, density) in self.skip.iter_mut().zip(sum) {
                *skip += share * density;
            }
            share *= 0.4;
        }
        // Occupied ports: geometric in candidates, from the smallest increment on.
        let (mut step, mut density) = (increments[0].0 + stride, 0.30 * 0.12);
        while step < AHEAD {
            put(&mut self.skip, step, density);
            density *= 0.88;
            step += stride;
        }
    }

    /// Adds densities for one to three increments back: the head has already moved past the port.
    fn fill_late(&mut self, increments: &[(i32, f64)]) {
        let once = self.clean;
        let twice = convolve(&once, increments);
        let thrice = convolve(&twice, increments);
        for step in 1..=BACK {
            let density =
                0.7 * get(&once, step) + 0.2 * get(&twice, step) + 0.1 * get(&thrice, step);
            put(&mut self.late, -step, density);
        }
    }
}

fn put(table: &mut [f64; LEN], step: i32, density: f64) {
    if let Some(slot) = usize::try_from(step + BACK).ok().and_then(|i| table.get_mut(i)) {
        *slot += density;
    }
}

fn get(table: &[f64; LEN], step: i32) -> f64 {
    usize::try_from(step + BACK).ok().and_then(|i| table.get(i)).copied().unwrap_or(0.0)
}

fn convolve(table: &[f64; LEN], increments: &[(i32, f64)]) -> [f64; LEN] {
    let mut sum = [0.0; LEN];
    for step in 0..AHEAD {
        let density = get(table, step);
        if density > 0.0 {
            for &(more, probability) in increments {
                put(&mut sum, step + more, density * probability);
            }
        }
    }
    sum
}

/// Returns eight equally likely increments, `stride` to `8 * stride`.
fn one_of_eight(stride: i32) -> [(i32, f64); 8] {
    std::array::from_fn(|i| ((i32::try_from(i).unwrap_or(0) + 1) * stride, 0.125))
}

/// +1: RFC 6056 Algorithms 3 and 4, BSD.
pub(super) static PLUS_ONE: LazyLock<Law> = LazyLock::new(|| Law::new(&[(1, 1.0)], 1));
/// +2: `__inet_hash_connect`, Linux 4.2 to 5.11.
pub(super) static PLUS_TWO: LazyLock<Law> = LazyLock::new(|| Law::new(&[(2, 1.0)], 2));
/// +2, one time in 16 +4: Linux 5.12 to 5.17.
pub(super) static NOISY_TWO: LazyLock<Law> =
    LazyLock::new(|| Law::new(&[(2, 15.0 / 16.0), (4, 1.0 / 16.0)], 2));
/// 2, 4, … 16, equally likely: Linux 5.18 and later (commit ca7af0402550).
pub(super) static EVEN_TO_16: LazyLock<Law> = LazyLock::new(|| Law::new(&one_of_eight(2), 2));
/// 1, 2, … 8, equally likely: Linux 6.8 and later with `IP_LOCAL_PORT_RANGE`.
pub(super) static ANY_TO_8: LazyLock<Law> = LazyLock::new(|| Law::new(&one_of_eight(1), 1));

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(law: &Law) -> [f64; 3] {
        [law.clean.iter().sum(), law.skip.iter().sum(), law.late.iter().sum()]
    }

    #[test]
    fn densities_are_densities() {
        for law in [&PLUS_ONE, &PLUS_TWO, &NOISY_TWO, &EVEN_TO_16, &ANY_TO_8] {
            let [clean, skip, late] = sums(law);
            assert!((clean - 1.0).abs() < 1e-9);
            assert!(skip > 0.8 && skip <= 1.0 + 1e-9, "{skip}");
            assert!(late > 0.8 && late <= 1.0 + 1e-9, "{late}");
        }
    }

    #[test]
    fn linux_5_18_moves_by_an_even_step_of_2_to_16() {
        for step in -BACK..AHEAD {
            let expected = if (2..=16).contains(&step) && step % 2 == 0 { 0.125 } else { 0.0 };
            assert!((EVEN_TO_16.at(step)[0] - expected).abs() < 1e-12, "{step}");
        }
        assert!(EVEN_TO_16.at(20)[1] > 0.0, "two increments at once after a lost event");
        assert!(EVEN_TO_16.at(-8)[2] > 0.0, "overtaken");
    }

    #[test]
    fn local_port_range_moves_by_1_to_8() {
        assert!((ANY_TO_8.at(1)[0] - 0.125).abs() < 1e-12);
        assert!((ANY_TO_8.at(8)[0] - 0.125).abs() < 1e-12);
        assert!(ANY_TO_8.at(9)[0].abs() < 1e-12);
    }

    #[test]
    fn linux_5_12_moves_by_2_and_sometimes_by_4() {
        assert!((NOISY_TWO.at(2)[0] - 0.9375).abs() < 1e-12);
        assert!((NOISY_TWO.at(4)[0] - 0.0625).abs() < 1e-12);
    }

    #[test]
    fn far_steps_have_no_density() {
        assert!(PLUS_ONE.at(-100_000).iter().sum::<f64>() <= 0.0);
        assert!(PLUS_ONE.at(100_000).iter().sum::<f64>() <= 0.0);
    }
}
