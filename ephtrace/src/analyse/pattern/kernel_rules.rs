//! Rules by which the traced kernel assigns ports: prior knowledge, which a verdict must not
//! contradict.

use super::{
    names::{Algorithm, Pattern},
    stream::Stream,
    verdict::Verdict,
};

/// Facts that determine the rules of a traced kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelFacts<'a> {
    /// Kernel release, as in `uname -r`.
    pub release: Option<&'a str>,
    /// True if `table_perturb` is a pointer: 65,536 counters with random increments, the rule of
    /// Linux 5.18, whatever the release says.
    pub has_large_table: bool,
    /// True if `IP_LOCAL_PORT_RANGE` makes the search step by one (BTF); `None` if the kernel's
    /// types don't show it.
    pub own_range_steps_by_one: Option<bool>,
}

/// Rules by which the traced kernel assigns ports. The default is an unknown kernel, or none at
/// all: a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelRules {
    is_traced: bool,
    connect: Option<Algorithm>,
    socket_range: Option<Algorithm>,
    found: [Option<Found>; Stream::ALL.len()],
}

/// Rule that all assignments of one host were found to follow; each half may be undetermined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) pattern: Pattern,
    pub(super) algorithm: Algorithm,
}

impl KernelRules {
    /// Returns the rules of a kernel that ephtrace's own hooks traced.
    ///
    /// Observations of the kernel itself take precedence: distributions backport rules, so that a
    /// release bounds them from one side only. All releases from 5.18 on have its rule of connect,
    /// and all from 6.8 on its rule of sockets with a range of their own; older ones may. Commits
    /// ca7af0402550, 207184853dbd.
    pub fn new(facts: &KernelFacts<'_>) -> Self {
        let is_since = |version| facts.release.and_then(version_of) >= Some(version);
        let connect =
            (facts.has_large_table || is_since((5, 18))).then_some(Algorithm::LinuxDhash64k);
        let socket_range = match facts.own_range_steps_by_one {
            Some(true) => Some(Algorithm::LinuxLpr),
            None if is_since((6, 8)) => Some(Algorithm::LinuxLpr),
            Some(false) => connect,
            None => None,
        };
        Self { is_traced: true, connect, socket_range, ..Self::default() }
    }

    /// Returns these rules with the rule that all assignments of `stream` together were found to
    /// follow: a verdict on a part of them must not contradict it.
    #[must_use]
    pub fn having_found(mut self, stream: Stream, whole: &Verdict) -> Self {
        let Verdict { pattern, algorithm, .. } = *whole;
        let index = Stream::ALL.iter().position(|one| *one == stream);
        if let Some(slot) = index.and_then(|index| self.found.get_mut(index)) {
            *slot = Some(Found { pattern, algorithm });
        }
        self
    }

    /// Returns the rule that all assignments of `stream` follow; `None` if it was not determined.
    pub(super) fn found(&self, stream: Stream) -> Option<Found> {
        let index = Stream::ALL.iter().position(|one| *one == stream)?;
        self.found.get(index).copied().flatten()
    }

    /// Whether the ports come from a kernel that ephtrace's own hooks traced.
    pub(super) fn is_traced(&self) -> bool {
        self.is_traced
    }

    /// Returns the rule by which the kernel assigns the ports of `stream`; `None` if it is not
    /// known.
    pub fn of(self, stream: Stream) -> Option<Algorithm> {
        match stream {
            Stream::Connect => self.connect,
            Stream::ConnectSocketRange => self.socket_range,
            _ if !self.is_traced => None,
            // These rules are the same in all kernels that the hooks support.
            Stream::Bind => Some(Algorithm::RandomOdd),
            Stream::Udp => Some(Algorithm::RandomUniform),
            Stream::Ping => Some(Algorithm::SeqGlobal),
            Stream::Sctp | Stream::Nat | Stream::Unknown => None,
        }
    }
}

/// Parses the first two numbers of a release; `None` if it does not begin with them.
fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Begins the sentence on a rule that the kernel decided, not the ports.
const KNOWN: &str = "known from the kernel";
/// Begins the sentence on ports that contradict the rule of the kernel.
const CONTRADICTED: &str = "withheld: the traced kernel";

impl Verdict {
    /// Adds evidence that the rule was known beforehand, and decided.
    pub(super) fn add_known(&mut self) {
        self.evidence.push(format!(
            "{KNOWN}: it assigns these ports by {}, and they fit that rule",
            self.algorithm
        ));
    }

    /// Withholds answers that the kernel's rule, `expected`, contradicts.
    pub(super) fn check_kernel(&mut self, expected: Algorithm) {
        let by_algorithm = self.algorithm != Algorithm::Undetermined && self.algorithm != expected;
        let by_pattern =
            self.pattern != Pattern::Undetermined && self.pattern != expected.pattern();
        // A range of one port is as fixed as a port that the program names.
        if self.pattern == Pattern::Fixed || !by_algorithm && !by_pattern {
            return;
        }
        let found = if by_algorithm { self.algorithm.as_str() } else { self.pattern.as_str() };
        let why = format!(
            "{CONTRADICTED} assigns these ports by {expected}, but they look like \
             {found}"
        );
        let is_random = |pattern: Pattern| pattern == Pattern::Random;
        let doubted = is_random(expected.pattern()) != is_random(self.patterns[0].name);
        self.withhold(why, doubted);
    }

    /// Whether the rule of the kernel decided, and the ports only fit it. The sentence of a part
    /// has a prefix.
    pub(super) fn is_known_from_kernel(&self) -> bool {
        self.evidence.iter().any(|sentence| sentence.contains(KNOWN))
    }

    /// Whether the ports contradict the rule of the kernel.
    pub(super) fn contradicts_kernel(&self) -> bool {
        self.evidence.iter().any(|sentence| sentence.starts_with(CONTRADICTED))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_release(release: &str) -> KernelRules {
        KernelRules::new(&KernelFacts { release: Some(release), ..KernelFacts::default() })
    }

    #[test]
    fn a_release_bounds_the_rules_from_one_side() {
        let connect = |release| of_release(release).of(Stream::Connect);
        assert_eq!(connect("6.18.44"), Some(Algorithm::LinuxDhash64k));
        assert_eq!(connect("5.18.0-rc7+"), Some(Algorithm::LinuxDhash64k));
        assert_eq!(connect("5.10.0-30-amd64"), None, "either of three");
        assert_eq!(connect("5.14.0-570.el9"), None, "a backport has it");
        assert_eq!(connect("next"), None);
        let own = |release| of_release(release).of(Stream::ConnectSocketRange);
        assert_eq!(own("6.8.0"), Some(Algorithm::LinuxLpr));
        assert_eq!(own("6.1.0-18"), None, "a backport may have it");
    }

    #[test]
    fn what_is_seen_of_the_kernel_goes_before_its_release() {
        let backported = KernelFacts {
            release: Some("5.14.0-570.el9"),
            has_large_table: true,
            own_range_steps_by_one: Some(true),
        };
        let rules = KernelRules::new(&backported);
        assert_eq!(rules.of(Stream::Connect), Some(Algorithm::LinuxDhash64k));
        assert_eq!(rules.of(Stream::ConnectSocketRange), Some(Algorithm::LinuxLpr));
        let by_two = KernelFacts { own_range_steps_by_one: Some(false), ..backported };
        let rules = KernelRules::new(&by_two);
        assert_eq!(rules.of(Stream::ConnectSocketRange), Some(Algorithm::LinuxDhash64k));
    }

    #[test]
    fn other_systems_are_bound_by_nothing() {
        let all = [Stream::Connect, Stream::ConnectSocketRange, Stream::Bind, Stream::Udp];
        let rules = KernelRules::default();
        assert!(all.into_iter().chain([Stream::Ping]).all(|stream| rules.of(stream).is_none()));
        assert_eq!(of_release("5.10.0").of(Stream::Bind), Some(Algorithm::RandomOdd));
    }
}
