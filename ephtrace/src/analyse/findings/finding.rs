//! One finding, and how bad it is.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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

/// A rule that made a finding. Its name is stable, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// No port was free for a search.
    Exhausted,
    /// No port is left for a destination, although nobody has tried yet.
    Full,
    /// Few ports are left for `bind()` to port 0.
    BindFull,
    /// Few ports are left for UDP.
    UdpFull,
    /// Connections are not answered.
    SynSent,
    /// Connections that the peer closed are not closed here.
    CloseWait,
    /// Connections that are closed here are not closed by the peer.
    FinWait,
    /// The ports for a destination run out soon.
    RunsOut,
    /// More than half of the ports for a destination are in use.
    HalfMark,
    /// A process goes on trying although no port is free.
    RetryLoop,
    /// A storm of assignments began or ended.
    Storm,
    /// A process takes ports by `bind()` that it would share by connect.
    BindZero,
    /// A socket is connected to itself, or may become so.
    SelfConnect,
    /// A port came back to the same destination soon.
    ShortReuse,
    /// A long block of reserved ports lies inside the range.
    ReservedBlock,
    /// Ports in `TIME_WAIT` can not be used again.
    TwReuse,
    /// A connection tracker is nearly full.
    Conntrack,
    /// A connection tracker dropped packets.
    ConntrackDrop,
    /// A NAT found no translation that was free.
    NatClash,
    /// The 4-tuple of a connect was taken.
    TupleTaken,
    /// A port that a program named was taken.
    BindRefused,
    /// A listener has a port inside the range that is not reserved.
    ListenerInside,
    /// Both ends of a range are even, or both are odd.
    EqualParity,
    /// A namespace has another range than the host.
    OtherRange,
    /// Assignments failed, and no other rule says why.
    Failures,
    /// Events are missing.
    Losses,
    /// Assignments are not in the order of their times.
    Disorder,
    /// Something was left out to keep memory bounded.
    NoRoom,
}

impl Rule {
    /// As it stands in every output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Full => "full",
            Self::BindFull => "bind-full",
            Self::UdpFull => "udp-full",
            Self::SynSent => "syn-sent",
            Self::CloseWait => "close-wait",
            Self::FinWait => "fin-wait",
            Self::RunsOut => "runs-out",
            Self::HalfMark => "half-mark",
            Self::RetryLoop => "retry-loop",
            Self::Storm => "storm",
            Self::BindZero => "bind-zero",
            Self::SelfConnect => "self-connect",
            Self::ShortReuse => "short-reuse",
            Self::ReservedBlock => "reserved-block",
            Self::TwReuse => "tw-reuse",
            Self::Conntrack => "conntrack",
            Self::ConntrackDrop => "conntrack-drop",
            Self::NatClash => "nat-clash",
            Self::TupleTaken => "tuple-taken",
            Self::BindRefused => "bind-refused",
            Self::ListenerInside => "listener-inside",
            Self::EqualParity => "equal-parity",
            Self::OtherRange => "other-range",
            Self::Failures => "failures",
            Self::Losses => "losses",
            Self::Disorder => "disorder",
            Self::NoRoom => "no-room",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Which rule made it.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one sentence.
    pub sentence: String,
    /// The numbers that say so.
    pub evidence: String,
    /// What to do: lines that can be typed or pasted, or a sentence.
    pub remedies: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_one_name_in_text_and_data() {
        for rule in [Rule::Exhausted, Rule::RunsOut, Rule::TwReuse, Rule::NoRoom] {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.name());
        }
    }
}
