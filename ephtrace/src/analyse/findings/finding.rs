//! One finding and its severity.

use std::fmt;

use serde::{Serialize, Serializer};

use super::facts::Facts;

/// Severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Connects fail now.
    Critical,
    /// Connects are slow, or will fail.
    Warning,
    /// Worth knowing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

macro_rules! rules {
    (
        $(#[$meta:meta])*
        $type:ident { $($(#[$rule_meta:meta])* $rule:ident = $name:literal;)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $type { $($(#[$rule_meta])* $rule,)* }

        impl $type {
            /// All variants, in their order.
            pub const ALL: &[Self] = &[$(Self::$rule,)*];

            /// Name, as in every output.
            pub fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }
        }
    };
}

rules! {
    /// The rule behind a finding. Its name is stable, for programs. Findings of equal severity are
    /// shown in this order, most important first.
    Rule {
        /// No port was free for a search.
        Exhausted = "exhausted";
        /// No port is left for a destination, although nobody has tried yet.
        Full = "full";
        /// Few ports are left for `bind()` to port 0.
        BindFull = "bind-full";
        /// Few ports are left for UDP.
        UdpFull = "udp-full";
        /// The 4-tuple of a connect was taken.
        TupleTaken = "tuple-taken";
        /// A port that a program named was taken.
        BindRefused = "bind-refused";
        /// `bind()` names an address that the host lacks.
        NoAddress = "no-address";
        /// `bindresvport` finds many ports below 1024 taken.
        PrivilegedTaken = "privileged-taken";
        /// Connections are not answered.
        SynSent = "syn-sent";
        /// Connections that the peer closed are not closed here.
        CloseWait = "close-wait";
        /// Connections that are closed here are not closed by the peer.
        FinWait = "fin-wait";
        /// The ports for a destination run out soon.
        RunsOut = "runs-out";
        /// More than half of the ports for a destination are in use.
        HalfMark = "half-mark";
        /// A process keeps retrying although no port is free.
        RetryLoop = "retry-loop";
        /// A storm of assignments began or ended.
        Storm = "storm";
        /// A process takes ports by `bind()` that it would share by connect.
        BindZero = "bind-zero";
        /// A long block of reserved ports lies inside the range.
        ReservedBlock = "reserved-block";
        /// Ports in `TIME_WAIT` can not be used again.
        TwReuse = "tw-reuse";
        /// A connection tracker is nearly full.
        Conntrack = "conntrack";
        /// A connection tracker dropped packets.
        ConntrackDrop = "conntrack-drop";
        /// A NAT found no free translation.
        NatClash = "nat-clash";
        /// A socket is connected to itself, or may become so.
        SelfConnect = "self-connect";
        /// A port was assigned to the same destination again after a short time.
        ShortReuse = "short-reuse";
        /// A listener has a port inside the range that is not reserved.
        ListenerInside = "listener-inside";
        /// Both ends of a range are even, or both are odd.
        EqualParity = "equal-parity";
        /// A namespace has another range than the host.
        OtherRange = "other-range";
        /// Assignments failed, and no other rule explains them.
        Failures = "failures";
        /// Events are missing.
        Losses = "losses";
        /// A recording has not ended.
        Cut = "cut";
        /// Assignments are not in the order of their times.
        Disorder = "disorder";
        /// Entries were evicted to bound memory.
        NoRoom = "no-room";
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Function that applies one rule, or a few that belong together. Each file lists its own in
/// `CHECKS`.
pub(super) type Check = fn(&Facts) -> Vec<Finding>;

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Finding {
    /// Severity.
    pub severity: Severity,
    /// Rule that made the finding.
    pub rule: Rule,
    /// The problem, in one sentence.
    pub sentence: String,
    /// The evidence, in words.
    #[serde(serialize_with = "as_list")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub evidence: String,
    /// Remedies: commands that can be pasted, or sentences.
    pub remedies: Vec<String>,
}

/// Serializes the evidence as a list: a verdict's evidence is one, and a key has one type
/// everywhere.
fn as_list<S: Serializer>(evidence: &str, serializer: S) -> Result<S::Ok, S::Error> {
    [evidence].serialize(serializer)
}
