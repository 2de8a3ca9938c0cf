//! Cause of an error, as far as sockets show it.

use super::{
    answer::Answer,
    attempt::{Attempt, PortCount, Verdict, Way},
};
use crate::inventory::{
    DestinationUse, Inventory, Mark, Namespace,
    asked::{Ask, Asked},
    namespace::NetnsRef,
};

/// An error of a search for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortage {
    /// `EADDRNOTAVAIL`: no port was free for a connect.
    NotAvailable,
    /// `EADDRINUSE`: no port was free for a bind.
    InUse,
    /// `EAGAIN`: no port was free for an unbound UDP socket.
    Again,
}

impl Shortage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NotAvailable, Self::InUse, Self::Again];

    /// Name of the error.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAvailable => "EADDRNOTAVAIL",
            Self::InUse => "EADDRINUSE",
            Self::Again => "EAGAIN",
        }
    }

    /// Returns the error called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|error| error.name() == name)
    }

    /// Other causes of the error that lists of sockets do not show; `netns` is the option that
    /// names the namespace.
    fn elsewhere(self, netns: &str) -> Vec<String> {
        match self {
            Self::NotAvailable => vec![
                format!(
                    "connect() of a bound socket with its 4-tuple in use: `ephtrace -x{netns}` \
                     shows it when it happens, and who has the 4-tuple; `ephtrace explain FROM \
                     TO{netns}` checks now"
                ),
                format!(
                    "bind() to an address that this machine does not have: `ephtrace -x{netns}` \
                     shows it (with the hook sock_ops, only where tracefs is mounted: see \
                     `ephtrace doctor`); `ip address` lists the addresses"
                ),
            ],
            Self::InUse => vec![
                format!(
                    "bind() to a specific port that is in use: `ephtrace explain :PORT{netns}` \
                     tells who has it"
                ),
                "listen() on a port that another socket already listens on".to_owned(),
            ],
            Self::Again => {
                vec!["a UDP send or receive that would block, which is unrelated to ports".into()]
            }
        }
    }
}

/// Returns the shortages now that end with `error`. If there are none, that proves nothing: the
/// error may have another cause, or may have passed.
pub fn shortage(error: Shortage, inventory: &Inventory) -> Answer {
    let mut attempts: Vec<Attempt> = Vec::new();
    for namespace in &inventory.namespaces {
        // With one namespace, the answer names it once.
        let place = match inventory.namespaces.len() {
            1 => String::new(),
            _ => format!(" in netns {}", namespace.place.shown()),
        };
        match error {
            Shortage::NotAvailable => attempts.extend(connects(namespace, &place)),
            Shortage::InUse => attempts.extend(asks(namespace, Ask::Bind, &place)),
            Shortage::Again => attempts.extend(asks(namespace, Ask::Udp, &place)),
        }
    }
    let several = inventory.namespaces.len() > 1;
    let only = inventory.namespaces.first().filter(|_| !several).map(|one| &one.place);
    let is_short = attempts.iter().any(|attempt| attempt.verdict == Verdict::NotFree);
    let answer = Answer {
        question: error.name().to_owned(),
        netns: inventory.namespaces.first().map_or(0, |namespace| namespace.place.netns),
        verdict: if is_short { Verdict::NotFree } else { Verdict::Unknown },
        attempts,
        elsewhere: error.elsewhere(&only.map(NetnsRef::option).unwrap_or_default()),
        ..Answer::empty()
    };
    match only {
        Some(place) => answer.at(place),
        None => answer,
    }
}

/// Returns the destinations of a namespace, the fullest first.
fn connects(namespace: &Namespace, place: &str) -> Vec<Attempt> {
    let netns = namespace.place.option();
    let usable = namespace.settings.usable;
    let attempt = |one: &DestinationUse| {
        let reusable = one.time_wait_reusable.unwrap_or(0);
        let to = one.flow.remote().map_or_else(String::new, |to| to.to_string());
        let (verdict, because) = match (one.mark, one.left_least) {
            (Mark::Full, _) if one.left + reusable == 0 => {
                (Verdict::NotFree, format!("{to}{place}: all {usable} usable ports are in use"))
            }
            (_, 0) => (
                Verdict::Unknown,
                format!(
                    "{to}{place}: no port is certain to be free; see `ephtrace explain {to}{netns}`"
                ),
            ),
            (_, left) => {
                // As the column LEFT of `ports`.
                let left = if left == one.left {
                    left.to_string()
                } else {
                    format!("{left}..{}", one.left)
                };
                (Verdict::Free, format!("{to}{place}: {left} of {usable} ports are left"))
            }
        };
        Attempt {
            error: (verdict == Verdict::NotFree).then_some(Shortage::NotAvailable.name()),
            ports: Some(PortCount {
                usable,
                free: one.left_least,
                unsure: one.left - one.left_least,
            }),
            ..Attempt::new(Way::Connect, verdict, because)
        }
    };
    namespace.destinations.iter().map(attempt).collect()
}

fn asks(namespace: &Namespace, ask: Ask, place: &str) -> Vec<Attempt> {
    let usable = namespace.settings.usable;
    let way = if ask == Ask::Bind { Way::BindAny } else { Way::UdpAny };
    let attempt = |asked: &Asked| {
        let Asked { saddr, left, unsure, in_use, .. } = asked;
        let verdict = match left.saturating_sub(*unsure) {
            _ if *left == 0 => Verdict::NotFree,
            0 => Verdict::Unknown,
            _ => Verdict::Free,
        };
        Attempt {
            error: (verdict == Verdict::NotFree).then_some(ask.error()),
            ports: Some(PortCount { usable, free: left - unsure, unsure: *unsure }),
            ..Attempt::new(
                way,
                verdict,
                format!("{in_use} of {usable} ports are in use on {saddr}{place}"),
            )
        }
    };
    namespace.asked.iter().filter(|asked| asked.ask == ask).map(attempt).collect()
}
