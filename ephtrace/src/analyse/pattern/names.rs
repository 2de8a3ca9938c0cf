//! The words of a verdict: the coarse pattern and the fine algorithm.

use std::fmt;

use serde::{Serialize, Serializer};

/// The coarse verdict on a sequence of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// The next port follows the last one assigned to anybody.
    Sequential,
    /// The next port follows the last one assigned to the same destination.
    PerDestination,
    /// The next port does not depend on the earlier ones.
    Random,
    /// Two policies in one stream.
    Mixed,
    /// The program named the port, or a few: none of them is ephemeral.
    Fixed,
    /// The data does not decide.
    Undetermined,
}

/// Predictability of the next port for somebody who knows the ports so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Predictable {
    /// A counter determines the ports, whoever uses it; or they are fixed.
    Yes,
    /// The ports are random.
    No,
    /// The data does not decide, or only a part can be predicted.
    Unknown,
}

impl Predictable {
    /// Name, as in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Predictable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Predictable {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Pattern {
    /// Every pattern that a sequence can have; `Undetermined` is the lack of one.
    pub const ALL: [Self; 5] =
        [Self::Sequential, Self::PerDestination, Self::Random, Self::Mixed, Self::Fixed];

    /// Name, as in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::PerDestination => "per_destination",
            Self::Random => "random",
            Self::Mixed => "mixed",
            Self::Fixed => "fixed",
            Self::Undetermined => "undetermined",
        }
    }

    /// Returns whether a counter determines the ports.
    pub(in crate::analyse) fn is_of_a_counter(self) -> bool {
        matches!(self, Self::Sequential | Self::PerDestination)
    }
}

/// The rule that best explains a sequence of ports, as precisely as ports can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// One counter for everybody, up or down by one (BSD, `NetBSD`, old Windows).
    SeqGlobal,
    /// RFC 6056, 3.3.5 (Algorithm 5): one counter, random increments 1 to N.
    Alg5RandInc,
    /// RFC 6056, 3.3.1 and 3.3.2 (Algorithms 1 and 2), and UDP on Linux.
    RandomUniform,
    /// Linux `bind(0)`: uniform on the parity that `connect` leaves alone.
    RandomOdd,
    /// RFC 6056, 3.3.3 (Algorithm 3): hash of the destination plus one counter; Linux before 4.2.
    Alg3Hash,
    /// RFC 6056 Algorithm 3 in steps of two on the parity of the low end: Linux 4.2 to 5.11.
    LinuxHintEven,
    /// RFC 6056, 3.3.4 (Algorithm 4): hash of the destination plus a counter from a table.
    Alg4Dhash,
    /// Linux 5.12 to 5.17: 256 counters, +2, one time in 16 +4.
    LinuxDhash256,
    /// Linux 5.18 and later, and its stable backports: 65 536 counters, random +2 to +16,
    /// a new hash secret every ten seconds.
    LinuxDhash64k,
    /// Linux 6.8 and later with `IP_LOCAL_PORT_RANGE`: as `LinuxDhash64k`, with +1 to +8.
    LinuxLpr,
    /// Two policies in one stream.
    Mixed,
    /// One port, named by the program, or a few.
    Fixed,
    /// A regular policy, but none of these.
    Other,
    /// The data does not decide.
    Undetermined,
}

impl Algorithm {
    /// Every algorithm that a verdict can name, in the order of the tables.
    pub const ALL: [Self; 13] = [
        Self::SeqGlobal,
        Self::Alg5RandInc,
        Self::RandomUniform,
        Self::RandomOdd,
        Self::Alg3Hash,
        Self::LinuxHintEven,
        Self::Alg4Dhash,
        Self::LinuxDhash256,
        Self::LinuxDhash64k,
        Self::LinuxLpr,
        Self::Mixed,
        Self::Fixed,
        Self::Other,
    ];

    /// Name, as in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SeqGlobal => "seq_global",
            Self::Alg5RandInc => "alg5_randinc",
            Self::RandomUniform => "random_uniform",
            Self::RandomOdd => "random_odd",
            Self::Alg3Hash => "alg3_hash",
            Self::LinuxHintEven => "linux_hint_even",
            Self::Alg4Dhash => "alg4_dhash",
            Self::LinuxDhash256 => "linux_dhash256",
            Self::LinuxDhash64k => "linux_dhash64k",
            Self::LinuxLpr => "linux_lpr",
            Self::Mixed => "mixed",
            Self::Fixed => "fixed",
            Self::Other => "other",
            Self::Undetermined => "undetermined",
        }
    }

    /// Returns the pattern that the algorithm makes; undetermined for `Other` and `Undetermined`.
    pub fn pattern(self) -> Pattern {
        match self {
            Self::SeqGlobal | Self::Alg5RandInc => Pattern::Sequential,
            Self::RandomUniform | Self::RandomOdd => Pattern::Random,
            Self::Mixed => Pattern::Mixed,
            Self::Fixed => Pattern::Fixed,
            Self::Other | Self::Undetermined => Pattern::Undetermined,
            Self::Alg3Hash
            | Self::LinuxHintEven
            | Self::Alg4Dhash
            | Self::LinuxDhash256
            | Self::LinuxDhash64k
            | Self::LinuxLpr => Pattern::PerDestination,
        }
    }

    /// Description for a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::SeqGlobal => {
                "one counter for all destinations, in steps of one (BSD, old Windows)"
            }
            Self::Alg5RandInc => "one counter with random increments (RFC 6056 Algorithm 5)",
            Self::RandomUniform => {
                "uniformly random (RFC 6056 Algorithms 1 and 2, BSD, UDP on Linux)"
            }
            Self::RandomOdd => "random on one parity (bind to port 0 on Linux)",
            Self::Alg3Hash => {
                "simple hash with one counter (RFC 6056 Algorithm 3, Linux before 4.2)"
            }
            Self::LinuxHintEven => {
                "simple hash with one counter in steps of two, Linux 4.2 to 5.11"
            }
            Self::Alg4Dhash => "double hash with counters in steps of one (RFC 6056 Algorithm 4)",
            Self::LinuxDhash256 => "double hash with 256 counters, Linux 5.12 to 5.17",
            Self::LinuxDhash64k => "double hash with random increments, Linux 5.18 or later",
            Self::LinuxLpr => {
                "double hash with random increments over both parities, Linux 6.8 or later with \
                 IP_LOCAL_PORT_RANGE"
            }
            Self::Mixed => "two policies in one stream",
            Self::Fixed => "not ephemeral: the program chooses the port",
            Self::Other => "a regular policy, but none of the known ones",
            Self::Undetermined => "undetermined",
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
