//! Reasons why a port can be had or not, in words.

use std::net::{IpAddr, SocketAddr};

use super::{
    attempt::{Attempt, PortCount, Verdict, Way},
    search::{Outcome, PortState, Unknown, Unsure},
    seen::{Hidden, HiddenWhy, Seen},
};
use crate::model::errno::errno_name;

/// Explains the outcome if the kernel chooses the port.
pub(super) fn chosen(way: Way, outcome: &Outcome, seen: &Seen) -> String {
    let PortCount { usable, free, unsure } = outcome.ports;
    let range = seen.sysctls.range;
    let whose = if way == Way::Connect { "for this destination" } else { "for bind()" };
    match outcome.unknown {
        Some(Unknown::End(port)) => format!(
            "only port {port} is free {whose}, and it is an end of a range of {} ports: a search \
             over an odd number skips one end",
            range.len()
        ),
        Some(Unknown::Hidden) => {
            format!("{free} ports look free {whose}, but {}", hidden(seen.hidden))
        }
        Some(Unknown::Unsure(why)) => {
            format!("no port is certain to be free {whose}; {unsure} may be: {}", self::unsure(why))
        }
        None if usable == 0 => format!("all {} ports of the range are reserved", range.len()),
        None if free == 0 => format!("all {usable} usable ports of {range} are in use {whose}"),
        None => {
            let least = if unsure > 0 { "at least " } else { "" };
            format!("{least}{free} of {usable} usable ports are free {whose}")
        }
    }
}

pub(super) fn unsure(why: Unsure) -> String {
    match why {
        Unsure::BindHistory => {
            "connect can share a port with other destinations unless a socket on it was bound \
             before it connected, which the kernel does not list (`--probe` asks the kernel; \
             `--from` reads it from a recording of all processes and origins, `explicit` included)"
        }
        Unsure::TimeWait => {
            "connect takes over a TIME_WAIT socket that is old enough if its peer sent \
             timestamps, which the kernel does not list (`--probe` asks the kernel)"
        }
        Unsure::Ipv6History => {
            "an IPv6 socket blocks its port for IPv4 unless it was bound to an address before it \
             connected, which the kernel does not list (`--probe` asks the kernel)"
        }
    }
    .to_owned()
}

pub(super) fn hidden(hidden: Hidden) -> String {
    let Hidden { sockets, why } = hidden;
    let how_many = match sockets {
        u32::MAX => "sockets".to_owned(),
        1 => "one socket".to_owned(),
        _ => format!("up to {sockets} sockets"),
    };
    match why {
        HiddenWhy::TooMany => format!("{how_many} did not fit into bounded memory"),
        HiddenWhy::BoundOnly | HiddenWhy::None => format!(
            "{how_many} on this machine may be bound without being listed (Linux 6.8 and later \
             list them; `--probe` asks the kernel)"
        ),
    }
}

/// Explains why a port that the program names is taken.
pub(super) fn taken(sockets: usize) -> String {
    match sockets {
        1 => "a socket has the port".to_owned(),
        _ => format!("{sockets} sockets have the port"),
    }
}

/// Explains why a port can't be bound for a 4-tuple: by the state of the 4-tuple, if a socket has
/// it.
pub(super) fn tuple(tuple: Option<PortState>, sockets: usize) -> String {
    match tuple {
        Some(PortState::Taken) => "the 4-tuple is in use: even a connect that shares the port \
                                   (SO_REUSEADDR) fails with EADDRNOTAVAIL"
            .to_owned(),
        Some(PortState::Free) => {
            "the 4-tuple is in TIME_WAIT, which only a socket that shares the port (SO_REUSEADDR \
             on both) can take over"
                .to_owned()
        }
        Some(PortState::Unsure(why)) => format!("the 4-tuple is in TIME_WAIT: {}", unsure(why)),
        None => format!(
            "{} on that address, but the 4-tuple is free: a socket that shares the port \
             (SO_REUSEADDR on all of them) can connect",
            taken(sockets)
        ),
    }
}

/// Explains that there is no route to the destination, whatever the port.
pub(super) fn no_route(way: Way, to: SocketAddr, errno: i32) -> Attempt {
    let name = u16::try_from(errno).ok().and_then(errno_name).unwrap_or("another error");
    let because =
        format!("there is no route to {}: the route is the problem, not the ports", to.ip());
    Attempt { error: Some(name), ..Attempt::new(way, Verdict::NotFree, because) }
}

/// Explains that the source address of a connect is not known.
pub(super) fn no_source(way: Way, to: SocketAddr) -> Attempt {
    let because = format!(
        "the source address for {} is unknown: finding it needs a UDP port, and none is free",
        to.ip()
    );
    Attempt { error: None, ..Attempt::new(way, Verdict::Unknown, because) }
}

/// Explains that the source address is not one of this machine's.
pub(super) fn not_local(addr: IpAddr) -> Attempt {
    let because = format!(
        "{addr} is not an address of this machine: the address is the problem, not the port"
    );
    Attempt {
        error: Some("EADDRNOTAVAIL"),
        ..Attempt::new(Way::ConnectFrom, Verdict::NotFree, because)
    }
}
