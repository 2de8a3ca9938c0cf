//! What a verdict over all is checked against: the verdicts on its busiest destinations, and what
//! the running kernel is known to do. Where they contradict it, it is withheld, and says so.

use super::{
    judge::Stream,
    names::{Algorithm, Pattern},
    verdict::{CONFIDENT, Verdict, hedged},
};

/// One in so many destinations that contradict is enough.
const FEW: usize = 3;

impl Verdict {
    /// Withholds what a third or more of the destinations contradict whose verdicts are given.
    pub fn check_destinations<'a>(&mut self, destinations: impl IntoIterator<Item = &'a Verdict>) {
        let given: Vec<&Self> = destinations
            .into_iter()
            .filter(|one| one.algorithm != Algorithm::Undetermined)
            .collect();
        let against: Vec<&Self> =
            given.iter().copied().filter(|one| self.is_contradicted_by(one)).collect();
        let Some(first) = against.first() else { return };
        if against.len() * FEW < given.len() {
            return;
        }
        let said = format!(
            "withheld: {} of the {} busiest destinations that were judged say otherwise, such as {}",
            against.len(),
            given.len(),
            first.algorithm
        );
        self.withhold(said);
    }

    fn is_contradicted_by(&self, one: &Self) -> bool {
        use Algorithm as A;
        // What one destination sees of a counter that all share looks like many things.
        let is_shared = matches!(self.algorithm, A::SeqGlobal | A::Alg5RandInc | A::Alg3Hash);
        let is_random = |pattern: Pattern| pattern == Pattern::Random;
        let is_counter =
            |pattern: Pattern| matches!(pattern, Pattern::Sequential | Pattern::PerDestination);
        let by_pattern = is_random(self.pattern) && is_counter(one.pattern)
            || is_counter(self.pattern) && is_random(one.pattern);
        // One destination can't tell whose a counter by one is.
        let tells = |algorithm: A| {
            !matches!(
                algorithm,
                A::Undetermined | A::Mixed | A::Other | A::SeqGlobal | A::Alg3Hash | A::Alg4Dhash
            )
        };
        let differs = self.algorithm != one.algorithm;
        let by_algorithm = tells(self.algorithm) && tells(one.algorithm) && differs;
        by_pattern || by_algorithm && !is_shared
    }

    /// Withholds an algorithm that the running kernel does not have; `expected` is the one it has.
    pub fn check_kernel(&mut self, expected: Option<Algorithm>) {
        let Some(expected) = expected else { return };
        if matches!(self.algorithm, Algorithm::Undetermined | Algorithm::Mixed | Algorithm::Fixed)
            || self.algorithm == expected
        {
            return;
        }
        self.withhold(format!(
            "withheld: the running kernel gives ports by {expected}, and {} was found",
            self.algorithm
        ));
    }

    /// Takes so much of the certainty that nothing is left to answer with.
    fn withhold(&mut self, why: String) {
        let sure = 0.9 * CONFIDENT;
        self.patterns = hedged(std::mem::take(&mut self.patterns), sure);
        self.algorithms = hedged(std::mem::take(&mut self.algorithms), sure);
        self.decide();
        self.next_port_bits = None;
        self.evidence.retain(|sentence| !sentence.starts_with("predictable"));
        self.evidence.insert(0, why);
    }
}

/// The rule by which a kernel gives the ports of `stream`; `None` where its release does not tell.
///
/// `release` is as `uname -r` has it. Distributions backport the rule of 5.18, so that an older
/// release tells nothing about connect. Sources: commits 07f4c90062f8, ca7af0402550, 207184853dbd.
pub fn rule_of(release: &str, stream: Stream) -> Option<Algorithm> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let version = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    match stream {
        Stream::Connect if version >= (5, 18) => Some(Algorithm::LinuxDhash64k),
        Stream::ConnectSocketRange if version >= (6, 8) => Some(Algorithm::LinuxLpr),
        Stream::ConnectSocketRange if version >= (5, 18) => Some(Algorithm::LinuxDhash64k),
        Stream::Bind => Some(Algorithm::RandomOdd),
        Stream::Udp => Some(Algorithm::RandomUniform),
        Stream::Ping => Some(Algorithm::SeqGlobal),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_tells_the_rule_of_connect() {
        let connect = |release| rule_of(release, Stream::Connect);
        assert_eq!(connect("6.18.44"), Some(Algorithm::LinuxDhash64k));
        assert_eq!(connect("5.18.0-rc7+"), Some(Algorithm::LinuxDhash64k));
        assert_eq!(connect("5.10.0-30-amd64"), None, "either of three");
        assert_eq!(connect("next"), None);
        assert_eq!(rule_of("6.1.0-18", Stream::ConnectSocketRange), Some(Algorithm::LinuxDhash64k));
        assert_eq!(rule_of("6.8.0", Stream::ConnectSocketRange), Some(Algorithm::LinuxLpr));
    }
}
