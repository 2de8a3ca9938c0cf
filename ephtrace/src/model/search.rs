//! The kernel's search for a port, as far as it is known.

use ephtrace_common::Origin;

/// Way in which the kernel finds the port of an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// By walking from a first candidate that the destination's hash and a perturbation word
    /// determine.
    Keyed,
    /// By walking from a first candidate that is drawn at random for each search, in a local
    /// variable.
    Random,
    /// By taking the next number of one counter for all.
    Counted,
    /// Without a search: the program named the port.
    Named,
}

impl Search {
    /// Returns the kind of search for an assignment of `origin`.
    pub fn of(origin: Origin) -> Self {
        match origin {
            Origin::Connect => Self::Keyed,
            Origin::Bind | Origin::Listen | Origin::Udp | Origin::Sctp | Origin::Nat => {
                Self::Random
            }
            Origin::Ping => Self::Counted,
            Origin::Explicit => Self::Named,
        }
    }
}

/// Pass of the search that found the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Ports of the parity that the kernel prefers (that of the low end of the range).
    First,
    /// Ports of the other parity: all of the preferred ones were taken.
    Second,
}

impl Pass {
    /// Both passes.
    pub const ALL: [Self; 2] = [Self::First, Self::Second];

    /// Name, as in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
        }
    }

    /// Returns the pass called `name`, if any.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|pass| pass.as_str() == name)
    }
}

/// Reason why a search can't be reconstructed; see `analyse::selection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// The hook does not see the hash, or the kernel's has 32 bits (before 5.10.119).
    Hash,
    /// The address of the table is not known: no root, or a kernel without `KALLSYMS_ALL`.
    Table,
    /// The first search after boot fills the table itself.
    TableEmpty,
    /// Another search used the same word at the same time.
    Raced,
    /// The range in force could not be read.
    Range,
    /// The observed state contradicts the rule.
    Rule,
    /// `net.ipv4.ip_local_port_step_width` is on: the number of candidates is not known.
    RandomSteps,
    /// bind, listen, UDP and SCTP draw a new start for each search, in a local variable.
    RandomStart,
}

impl Unknown {
    /// All reasons.
    pub const ALL: [Self; 8] = [
        Self::Hash,
        Self::Table,
        Self::TableEmpty,
        Self::Raced,
        Self::Range,
        Self::Rule,
        Self::RandomSteps,
        Self::RandomStart,
    ];

    /// Name, as in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "no_hash",
            Self::Table => "no_table",
            Self::TableEmpty => "table_empty",
            Self::Raced => "raced",
            Self::Range => "no_range",
            Self::Rule => "no_known_rule",
            Self::RandomSteps => "random_steps",
            Self::RandomStart => "random_start",
        }
    }

    /// Returns the reason called `name`, if any.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// Description for a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Hash => "the hook does not see the kernel's hash",
            Self::Table => "the kernel's perturbation table can't be read",
            Self::TableEmpty => "the first search after boot initializes the perturbation table",
            Self::Raced => "another search used the same perturbation word at the same time",
            Self::Range => "the range in force is unknown",
            Self::Rule => "port and perturbation word don't follow the known rule",
            Self::RandomSteps => {
                "the search takes random steps (net.ipv4.ip_local_port_step_width)"
            }
            Self::RandomStart => {
                "the kernel draws a random start for each search, which the hook does not see"
            }
        }
    }
}
