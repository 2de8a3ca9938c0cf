//! The answer to a question, as data: the keys of `ephtrace explain --json`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::Serialize;

use super::{
    attempt::{Attempt, Verdict, Way},
    connect, meets, port, probe,
    question::{Question, Transport},
    search::{self, Outcome, PortState, Walk},
    seen::{Hidden, Seen},
    words,
};
use crate::inventory::{
    namespace::NetnsRef,
    owners::{Owner, Owners},
    socket::{Socket, TcpState},
};
use crate::model::{FlowKey, Origin, names::serialize_origin};

/// Maximum number of listed sockets; the others are counted.
const LISTED: usize = 20;

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Explanation"))]
pub struct Answer {
    /// The question, as given on the command line.
    pub question: String,
    /// Inode number of the network namespace.
    pub netns: u32,
    /// Its name in the manner of `ip netns`, or the path that it is mounted on; null if there is
    /// none, or if several namespaces were looked at.
    pub netns_name: Option<String>,
    /// Whether it is the namespace that ephtrace runs in; also true if several were looked at.
    #[serde(skip)]
    pub is_own_netns: bool,
    /// Source address of a connect, as chosen by routing; null if unknown, or if nothing is
    /// connected.
    pub saddr: Option<IpAddr>,
    /// Lowest ephemeral port; null if several namespaces were looked at.
    pub range_low: Option<u16>,
    /// Highest ephemeral port; likewise.
    pub range_high: Option<u16>,
    /// The answer: the worst of several attempts.
    #[serde(rename = "answer")]
    pub verdict: Verdict,
    /// Each way to get a port that the question covers.
    pub attempts: Vec<Attempt>,
    /// Sockets that have the port in question, listeners first.
    #[serde(rename = "socket_list")]
    pub sockets: Vec<Holding>,
    /// Number of sockets not listed.
    pub more_sockets: usize,
    /// Binding to ports below this needs `CAP_NET_BIND_SERVICE`; null if the port in question is
    /// not below it.
    pub privileged_below: Option<u16>,
    /// Whether the port in question is ephemeral: while it is free, a connect can take it.
    pub is_ephemeral: Option<bool>,
    /// Whether a connect to the destination can be assigned the destination's own port and so reach
    /// itself: an ephemeral port of the same address, on which nothing listens. Null if no
    /// destination was asked about, or if the source address is unknown.
    pub may_self_connect: Option<bool>,
    /// For an error: other causes, which socket lists do not show.
    pub elsewhere: Vec<String>,
}

impl Answer {
    /// Adds the name of the namespace that the answer is about.
    #[must_use]
    pub fn at(self, place: &NetnsRef) -> Self {
        Self { netns_name: place.name.clone(), is_own_netns: place.own, ..self }
    }

    /// Creates an empty answer.
    pub(super) fn empty() -> Self {
        Self {
            question: String::new(),
            netns: 0,
            netns_name: None,
            is_own_netns: true,
            saddr: None,
            range_low: None,
            range_high: None,
            verdict: Verdict::Unknown,
            attempts: Vec::new(),
            sockets: Vec::new(),
            more_sockets: 0,
            privileged_below: None,
            is_ephemeral: None,
            may_self_connect: None,
            elsewhere: Vec::new(),
        }
    }
}

/// A socket and its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Holding {
    /// Transport protocol of the socket.
    pub protocol: Transport,
    /// Local address.
    pub saddr: IpAddr,
    /// Local port.
    pub sport: u16,
    /// Remote address; null if there is none.
    pub daddr: Option<IpAddr>,
    /// Remote port; null if there is none.
    pub dport: Option<u16>,
    /// Its state; `close` for a UDP socket without a peer.
    pub state: TcpState,
    /// Remaining time in `TIME_WAIT`, in milliseconds; null in other states.
    pub time_wait_left_ms: Option<u16>,
    /// Who has it open, or opened it once; null if unknown.
    #[serde(rename = "holder")]
    pub owner: Option<Owner>,
    /// Whether the owner has it open now.
    pub is_open: bool,
    /// Which call assigned its port; null if that was not seen.
    #[serde(serialize_with = "serialize_origin")]
    #[cfg_attr(test, schemars(schema_with = "crate::commands::schema::tests::words::origin"))]
    pub origin: Option<Origin>,
}

/// Answers `question` from the observations `seen` and the owners of sockets.
pub fn answer(question: &Question, seen: &Seen, owners: Owners<'_>) -> Answer {
    let ports = connect::Ports::new(seen, owners.past_owners);
    let mut attempts = match question {
        Question::Destination(to) => {
            vec![connect_to(*to, seen, &ports), any(Way::BindAny, seen), any(Way::UdpAny, seen)]
        }
        Question::Tuple { from, to } => vec![connect_from(*from, *to, seen, &ports)],
        Question::Port { port, transport } => {
            let ways = [(Transport::Tcp, Way::BindPort), (Transport::Udp, Way::UdpPort)];
            let wanted = ways.into_iter().filter(|(one, _)| transport.is_none_or(|it| it == *one));
            wanted.map(|(_, way)| bind_port(way, *port, seen)).collect()
        }
    };
    for attempt in &mut attempts {
        probe::apply(attempt, &seen.probed);
    }
    let judged = match question {
        Question::Port { .. } => &attempts[..],
        Question::Destination(_) | Question::Tuple { .. } => &attempts[..1],
    };
    let verdict = judged.iter().map(|attempt| attempt.verdict).max().unwrap_or(Verdict::Unknown);
    let (sockets, more_sockets) = holdings(question, seen, owners);
    let port = question.port();
    Answer {
        question: question.to_string(),
        netns: seen.netns,
        saddr: match question {
            Question::Destination(_) => seen.source.and_then(Result::ok),
            Question::Tuple { from, .. } => Some(from.ip()),
            Question::Port { .. } => None,
        },
        range_low: Some(seen.sysctls.range.low),
        range_high: Some(seen.sysctls.range.high),
        verdict,
        attempts,
        sockets,
        more_sockets,
        privileged_below: port
            .filter(|&port| port < seen.privileged_below)
            .map(|_| seen.privileged_below),
        is_ephemeral: port.map(|port| seen.sysctls.is_usable(port)),
        may_self_connect: match question {
            Question::Destination(to) => may_self_connect(*to, seen),
            Question::Tuple { .. } | Question::Port { .. } => None,
        },
        ..Answer::empty()
    }
}

fn connect_to(to: SocketAddr, seen: &Seen, ports: &connect::Ports<'_>) -> Attempt {
    let saddr = match seen.source {
        Some(Ok(saddr)) => saddr,
        Some(Err(errno)) => return words::no_route(Way::Connect, to, errno),
        None => return words::no_source(Way::Connect, to),
    };
    let flow = flow(seen, saddr, to);
    let outcome =
        search::search(&seen.sysctls, Walk::Connect, seen.hidden, |port| ports.state(&flow, port));
    chosen(Way::Connect, "EADDRNOTAVAIL", &outcome, seen)
}

/// Evaluates a socket without `SO_REUSEADDR` that is bound to port 0 of every IPv4 address.
fn any(way: Way, seen: &Seen) -> Attempt {
    let (walk, sockets, hidden, error) = match way {
        Way::UdpAny => (Walk::Udp, &seen.udp, Hidden::default(), "EADDRINUSE"),
        _ => (Walk::Bind, &seen.tcp, seen.hidden, "EADDRINUSE"),
    };
    let mut by_port: Vec<&Socket> = sockets.iter().collect();
    by_port.sort_unstable_by_key(|socket| socket.sport);
    let outcome = search::search(&seen.sysctls, walk, hidden, |port| {
        let from = by_port.partition_point(|socket| socket.sport < port);
        let at = by_port[from..].iter().copied().take_while(|socket| socket.sport == port);
        port::state(Ipv4Addr::UNSPECIFIED.into(), &mut { at })
    });
    chosen(way, error, &outcome, seen)
}

fn chosen(way: Way, error: &'static str, outcome: &Outcome, seen: &Seen) -> Attempt {
    Attempt {
        error: (outcome.verdict == Verdict::NotFree).then_some(error),
        ports: Some(outcome.ports),
        candidates: outcome.candidates,
        chance_ends: outcome.chance_ends.clone(),
        ..Attempt::new(way, outcome.verdict, words::chosen(way, outcome, seen))
    }
}

/// Evaluates a socket without `SO_REUSEADDR` that is bound to `from` and connected to `to`.
fn connect_from(
    from: SocketAddr,
    to: SocketAddr,
    seen: &Seen,
    ports: &connect::Ports<'_>,
) -> Attempt {
    if seen.is_local == Some(false) {
        return words::not_local(from.ip());
    }
    let flow = flow(seen, from.ip(), to);
    let bind = port::state(from.ip(), &mut ports.at(from.port()));
    let others = ports.at(from.port()).filter(|s| meets::meets(from.ip(), s) != Some(false));
    let is_there = ports.at(from.port()).any(|socket| socket.flow(flow.netns) == flow);
    let tuple = is_there.then(|| ports.unique(&flow, from.port()));
    named(Way::ConnectFrom, bind, seen, words::tuple(tuple, others.count()))
}

/// Evaluates a socket without `SO_REUSEADDR` that is bound to `port` of every address.
fn bind_port(way: Way, port: u16, seen: &Seen) -> Attempt {
    let sockets = if way == Way::UdpPort { &seen.udp } else { &seen.tcp };
    let at = || sockets.iter().filter(|socket| socket.sport == port);
    let state = port::state(Ipv4Addr::UNSPECIFIED.into(), &mut at());
    named(way, state, seen, words::taken(at().count()))
}

/// Evaluates a bind to one port; `taken` is the reason if it is taken.
fn named(way: Way, state: PortState, seen: &Seen, taken: String) -> Attempt {
    let is_hidden = way != Way::UdpPort && seen.hidden.sockets > 0;
    let (verdict, because) = match state {
        PortState::Taken => (Verdict::NotFree, taken),
        PortState::Unsure(why) => (Verdict::Unknown, words::unsure(why)),
        PortState::Free if is_hidden => (Verdict::Unknown, words::hidden(seen.hidden)),
        PortState::Free => (Verdict::Free, "no socket has the port".to_owned()),
    };
    let error = (verdict == Verdict::NotFree).then_some("EADDRINUSE");
    Attempt { error, ..Attempt::new(way, verdict, because) }
}

fn flow(seen: &Seen, saddr: IpAddr, to: SocketAddr) -> FlowKey {
    FlowKey {
        netns: Some(seen.netns),
        saddr,
        daddr: Some(to.ip().to_canonical()),
        dport: Some(to.port()),
    }
}

fn may_self_connect(to: SocketAddr, seen: &Seen) -> Option<bool> {
    let saddr = seen.source?.ok()?;
    let is_own = saddr == to.ip() && seen.sysctls.is_usable(to.port());
    let is_taken = |socket: &Socket| socket.sport == to.port() && !socket.is_connected();
    Some(is_own && !seen.tcp.iter().any(is_taken))
}

/// Returns the sockets that the question is about, and the number of further ones.
fn holdings(question: &Question, seen: &Seen, owners: Owners<'_>) -> (Vec<Holding>, usize) {
    let is_meant = |protocol: Transport, socket: &Socket| match *question {
        // A destination may have thousands: the census names their holders.
        Question::Destination(_) => false,
        Question::Tuple { from, .. } => protocol == Transport::Tcp && socket.sport == from.port(),
        Question::Port { port, transport } => {
            socket.sport == port && transport.is_none_or(|it| it == protocol)
        }
    };
    let of = |protocol, sockets: &[Socket]| {
        let meant = sockets.iter().filter(|socket| is_meant(protocol, socket));
        meant.map(|socket| (protocol, *socket)).collect::<Vec<_>>()
    };
    let mut all = of(Transport::Tcp, &seen.tcp);
    all.extend(of(Transport::Udp, &seen.udp));
    all.sort_by_key(|(_, socket)| (socket.state != TcpState::Listen, socket.inode == 0));
    let more = all.len().saturating_sub(LISTED);
    let listed = all.into_iter().take(LISTED);
    (
        listed.map(|(protocol, socket)| holding(protocol, &socket, seen.netns, owners)).collect(),
        more,
    )
}

fn holding(protocol: Transport, socket: &Socket, netns: u32, owners: Owners<'_>) -> Holding {
    let owned = owners.of(netns, socket);
    let flow = socket.flow(Some(netns));
    Holding {
        protocol,
        saddr: socket.saddr,
        sport: socket.sport,
        daddr: flow.daddr,
        dport: flow.dport,
        state: socket.state,
        time_wait_left_ms: socket.time_wait_left_ms,
        is_open: owned.as_ref().is_some_and(|owned| owned.is_open),
        owner: owned.map(|owned| owned.by),
        origin: owners.origin_of(netns, socket),
    }
}
