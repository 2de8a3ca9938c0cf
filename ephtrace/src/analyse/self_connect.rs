//! Self-connect: a socket whose own address and port are those that it connects to.
//!
//! TCP allows simultaneous open, so a connect to a local port without a listener succeeds if the
//! search chooses that very port: the socket talks to itself, and the intended listener finds the
//! port taken. Retries to a closed local port inside the range succeed like this sooner or later.

use std::net::SocketAddr;

use serde::Serialize;

use super::askers::Askers;
use crate::model::{Assignment, FlowKey, Origin, escape::escape_for_terminal};

/// Counts self-connects, and connects that could have become one.
#[derive(Clone, Debug, Default)]
pub struct SelfConnects {
    count: u64,
    last: Option<FlowKey>,
    who: Askers,
    at_risk: u64,
    last_at_risk: Option<FlowKey>,
    who_at_risk: Askers,
}

/// Self-connects found by [`SelfConnects`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SelfConnect {
    /// Assignments whose source equals their destination.
    pub count: u64,
    /// Explanation of the self-connects.
    pub explanation: Option<String>,
    /// Assignments to a local destination whose port lies inside the range.
    pub at_risk: u64,
    /// Explanation of the risk.
    pub risk: Option<String>,
}

impl SelfConnect {
    /// Creates an account of `count` sockets that are connected to themselves, one of them at
    /// `socket`, by `process`.
    pub fn of_count(count: u64, socket: SocketAddr, process: String) -> Self {
        let explanation = Some(explanation(count, socket, Some(process)));
        Self { count, explanation, ..Self::default() }
    }
}

impl SelfConnects {
    /// Adds one assignment.
    pub fn observe(&mut self, assignment: &Assignment) {
        if assignment.is_self_connect() && assignment.flow.dport != Some(0) {
            self.count += 1;
            self.last = Some(assignment.flow);
            self.who.observe(assignment);
        }
        if is_at_risk(assignment) {
            self.at_risk += 1;
            self.last_at_risk = Some(assignment.flow);
            self.who_at_risk.observe(assignment);
        }
    }

    /// Returns the self-connects found so far.
    pub fn self_connect(&self) -> SelfConnect {
        let Self { count, last, who, at_risk, last_at_risk, who_at_risk } = self;
        SelfConnect {
            count: *count,
            explanation: last
                .and_then(|flow| Some(explanation(*count, flow.remote()?, who.name()))),
            at_risk: *at_risk,
            risk: last_at_risk
                .and_then(|flow| Some(risk(*at_risk, flow.remote()?, who_at_risk.name()))),
        }
    }
}

/// Returns whether the search may choose the very port that is connected to.
fn is_at_risk(assignment: &Assignment) -> bool {
    let FlowKey { saddr, daddr, dport, .. } = assignment.flow;
    let is_in_range = |dport| assignment.ports().is_some_and(|ports| ports.contains(dport));
    let is_connect = !matches!(assignment.origin, Some(Origin::Bind | Origin::Listen));
    is_connect && Some(saddr) == daddr && !saddr.is_unspecified() && dport.is_some_and(is_in_range)
}

fn explanation(count: u64, socket: SocketAddr, process: Option<String>) -> String {
    let by = by(process);
    let last = format!("(last: {socket}{by})");
    if count == 1 {
        return format!(
            "one socket was assigned the same port that it connected to {last}: it is connected \
             to itself, no service answers, and none can listen on that port meanwhile"
        );
    }
    format!(
        "{count} sockets were assigned the same ports that they connected to {last}: they are \
         connected to themselves, no service answers, and none can listen on those ports meanwhile"
    )
}

/// Returns `, by curl (4711)`, if the process is known.
fn by(process: Option<String>) -> String {
    process.map_or_else(String::new, |who| format!(", by {}", escape_for_terminal(&who)))
}

fn risk(at_risk: u64, socket: SocketAddr, process: Option<String>) -> String {
    let by = by(process);
    let connects = if at_risk == 1 { "connect goes" } else { "connects go" };
    format!(
        "{at_risk} {connects} to a local port inside the ephemeral range (last: {socket}{by}): \
         while nothing listens there, a retry can connect to itself; move the service out of the \
         range, or add its port to net.ipv4.ip_local_reserved_ports"
    )
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::model::RangeInForce;

    fn local(dport: u16, sport: u16) -> Assignment {
        let address = Ipv4Addr::LOCALHOST.into();
        Assignment {
            flow: FlowKey { netns: None, saddr: address, daddr: Some(address), dport: Some(dport) },
            sport: Some(sport),
            range: Some(RangeInForce::of_netns(32_768, 60_999)),
            ..Assignment::default()
        }
    }

    #[test]
    fn tells_risk_from_harm() {
        let mut seen = SelfConnects::default();
        seen.observe(&local(8080, 40_000));
        assert_eq!(seen.self_connect().risk, None);
        seen.observe(&local(40_002, 40_000));
        let found = seen.self_connect();
        assert_eq!((found.count, found.at_risk), (0, 1));
        assert!(found.risk.unwrap().contains("127.0.0.1:40002"));
        seen.observe(&local(40_002, 40_002));
        let found = seen.self_connect();
        assert_eq!((found.count, found.at_risk), (1, 2));
        assert!(found.explanation.unwrap().starts_with("one socket was"));
    }

    #[test]
    fn a_name_moves_no_cursor() {
        let risk = risk(1, (Ipv4Addr::LOCALHOST, 1).into(), Some("\x1b[31m\u{202e}a (7)".into()));
        assert!(risk.contains("by \\u{1b}[31m\\u{202e}a (7)"), "{risk}");
    }

    #[test]
    fn sockets_without_a_destination_are_no_self_connects() {
        let mut seen = SelfConnects::default();
        seen.observe(&Assignment { sport: Some(40_000), ..Assignment::default() });
        assert_eq!(seen.self_connect().count, 0);
    }
}
