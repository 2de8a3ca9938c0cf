//! The words of a recording and what they mean: the same in every format.

use std::net::IpAddr;

use crate::model::losses::Losses;

/// An address; one of IPv4 in IPv6 becomes one of IPv4, and a link-local one may name its
/// interface.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// Adds what was lost at a stage; at one of another version to what can't be read.
pub(super) fn add_loss(losses: &mut Losses, stage: &str, lost: u64) {
    let Losses { ring_full, in_flight_full, return_missed, hook_missed, undecodable, unreadable } =
        losses;
    let counter = match stage {
        "ring_full" => ring_full,
        "in_flight_full" => in_flight_full,
        "return_missed" => return_missed,
        "hook_missed" => hook_missed,
        "undecodable" => undecodable,
        _ => unreadable,
    };
    *counter = counter.saturating_add(lost);
}
