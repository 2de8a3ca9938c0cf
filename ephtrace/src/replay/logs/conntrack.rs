//! `conntrack -E -o timestamp`: a connection that the kernel's tracker has begun to follow.
//!
//! The second half of a line is what the answer will look like: where the NAT of this host changed
//! the source, its choice of a port.

use std::{net::IpAddr, str::SplitWhitespace};

use super::{
    super::{connections::Sent, names},
    clock::Clock,
    said::Said,
};
use crate::model::{LeftOut, Protocol};

/// A list of connections: the reason why it is refused, and the way out.
pub(super) const LIST: (&str, &str) = (
    "a list of connections (`conntrack -L`), which tells who has which port, but not in which \
     order they were given",
    "use `conntrack -E -e NEW -o timestamp`",
);

/// True for a line of conntrack's.
pub(super) fn is_line(line: &str) -> bool {
    ["src=", "dst=", "sport=", "dport="].iter().all(|key| line.contains(key))
        && (line.contains("tcp") || line.contains("udp") || line.contains("sctp"))
        && !line.trim_start().starts_with('{')
}

/// True for a line of a list: no event stands in brackets before the protocol.
pub(super) fn is_list(line: &str) -> bool {
    !["[NEW]", "[UPDATE]", "[DESTROY]"].iter().any(|event| line.contains(event))
}

/// One direction of a connection.
struct Tuple {
    src: IpAddr,
    dst: IpAddr,
    sport: u16,
    dport: u16,
}

pub(super) fn read(line: &str, clock: &mut Clock, left_out: &mut LeftOut) -> Result<Said, String> {
    if !line.contains("[NEW]") {
        return Ok(Said::Nothing);
    }
    let time = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
    if time.and_then(|(time, _)| clock.set(time.trim())).is_none() {
        clock.next();
    }
    let words = line.split_whitespace();
    let Some(protocol) = words.clone().find_map(Protocol::from_name) else {
        return Ok(Said::Nothing);
    };
    let mut words = words;
    let Some(original) = tuple(&mut words) else {
        return Err("no addresses and ports (src=, dst=, sport=, dport=)".to_owned());
    };
    // The answer goes to what the NAT made of the source.
    if let Some(answer) = tuple(&mut words)
        && answer.dst != original.src
    {
        left_out.translated += 1;
        left_out.translated_kept_port += u64::from(answer.dport == original.sport);
    }
    let Tuple { src: saddr, dst: daddr, sport, dport } = original;
    let sent = Sent { protocol, saddr, daddr, sport, dport, sequence: None };
    Ok(Said::Row(sent.assignment(clock.now_ns())))
}

/// The next four values with their keys; others may stand between.
fn tuple(words: &mut SplitWhitespace<'_>) -> Option<Tuple> {
    let (mut src, mut dst, mut sport) = (None, None, None);
    for word in words {
        match word.split_once('=') {
            Some(("src", text)) => src = names::address(text),
            Some(("dst", text)) => dst = names::address(text),
            Some(("sport", text)) => sport = text.parse().ok(),
            Some(("dport", text)) => {
                let dport = text.parse().ok()?;
                return Some(Tuple { src: src?, dst: dst?, sport: sport?, dport });
            }
            _ => {}
        }
    }
    None
}
