//! `conntrack -E -o timestamp`: connections that the kernel's tracker begins to follow; and
//! `conntrack -L`: the connections of one moment, in no order.
//!
//! The second half of a line is the expected answer: if the NAT of this host changed the source
//! port, that is an assignment, too.

use std::{net::IpAddr, str::SplitWhitespace};

use super::{
    super::{names, told::Sent},
    clock::Clock,
    said::Said,
};
use crate::model::{LeftOut, Origin, Protocol};

/// Returns whether a line is one of conntrack.
pub(super) fn is_line(line: &str) -> bool {
    let has_two = |key: &str| line.matches(key).count() > 1;
    (has_two(" src=") && has_two(" dst=") || is_event(line) && line.contains(" src="))
        && !line.trim_start().starts_with('{')
}

/// Returns whether a line is one of a list: no event in brackets precedes the protocol.
pub(super) fn is_list(line: &str) -> bool {
    !is_event(line)
}

fn is_event(line: &str) -> bool {
    ["[NEW]", "[UPDATE]", "[DESTROY]"].iter().any(|event| line.contains(event))
}

/// One direction of a connection.
#[derive(Clone, Copy)]
struct Tuple {
    src: IpAddr,
    dst: IpAddr,
    sport: u16,
    dport: u16,
}

/// Returns the assignments in a line of events or, if `is_list`, of a list.
pub(super) fn read(
    line: &str,
    is_list: bool,
    clock: &mut Clock,
    left_out: &mut LeftOut,
) -> Result<Said, String> {
    if !is_list && !line.contains("[NEW]") {
        return Ok(Said::Nothing);
    }
    let time = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']'));
    if time.and_then(|(time, _)| clock.set(time.trim())).is_none() {
        clock.next();
    }
    let mut words = line.split_whitespace();
    let has_ports = |protocol: &Protocol| !protocol.name().starts_with("icmp");
    let protocol = words.clone().find_map(Protocol::from_name);
    let Some(protocol) = protocol.filter(has_ports) else { return Ok(Said::Nothing) };
    let Some(original) = tuple(&mut words) else {
        return Err("no addresses and ports (src=, dst=, sport=, dport=)".to_owned());
    };
    let row = original.sent(protocol).assignment(clock.now_ns());
    // The answer goes to the source as translated by the NAT.
    let Some(answer) = tuple(&mut words).filter(|answer| answer.dst != original.src) else {
        return Ok(Said::Row(row));
    };
    left_out.translated += 1;
    if answer.dport == original.sport {
        left_out.translated_kept_port += 1;
        return Ok(Said::Row(row));
    }
    let by_nat = answer.sent(protocol).reversed().assignment_by(Some(Origin::Nat), clock.now_ns());
    Ok(Said::Rows(Box::new((row, by_nat))))
}

impl Tuple {
    fn sent(self, protocol: Protocol) -> Sent {
        let Self { src: saddr, dst: daddr, sport, dport } = self;
        Sent { protocol, saddr, daddr, sport, dport, sequence: None }
    }
}

/// Parses the next four values with their keys; others may be in between.
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
