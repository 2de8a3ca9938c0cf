//! The words of a recording and what they mean: the same in every format.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use crate::model::{
    FlowKey, Hook, Origin, Pass, PortRange, Protocol, RangeInForce, RangeSource, Unknown,
    losses::Losses,
};

/// A flow as a recording tells it. Namespace 0, and an unspecified address with port 0 or without a
/// port, stand for unknown.
pub(super) fn flow(
    netns: Option<u32>,
    saddr: Option<IpAddr>,
    daddr: Option<IpAddr>,
    dport: Option<u16>,
) -> FlowKey {
    let is_known = dport.unwrap_or(0) != 0 || daddr.is_some_and(|daddr| !daddr.is_unspecified());
    FlowKey {
        netns: netns.filter(|&netns| netns != 0),
        saddr: saddr.unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
        daddr: daddr.filter(|_| is_known),
        dport: dport.filter(|_| is_known),
    }
}

/// An address; one of IPv4 in IPv6 becomes one of IPv4, and a link-local one may name its
/// interface.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// `name`, taken from `last` if that is the same.
pub(super) fn shared(name: &str, last: &mut Option<Arc<str>>) -> Arc<str> {
    match last {
        Some(known) if **known == *name => Arc::clone(known),
        _ => Arc::clone(last.insert(Arc::from(name))),
    }
}

pub(super) fn range((low, high): (u16, u16), source: RangeSource) -> Option<RangeInForce> {
    let ports = PortRange::new(low, high);
    (!ports.is_empty()).then_some(RangeInForce { ports, source })
}

/// Who set a range; the namespace unless the recording says otherwise.
pub(super) fn range_source(name: &str) -> RangeSource {
    if name == RangeSource::Socket.as_str() { RangeSource::Socket } else { RangeSource::Netns }
}

pub(super) fn protocol(name: &str) -> Option<Protocol> {
    Protocol::ALL.iter().copied().find(|&p| p.name() == name)
}

pub(super) fn origin(name: &str) -> Option<Origin> {
    Origin::ALL.iter().copied().find(|&o| o.name() == name)
}

pub(super) fn hook(name: &str) -> Option<Hook> {
    Hook::ALL.iter().copied().find(|&h| h.name() == name)
}

pub(super) fn pass(name: &str) -> Option<Pass> {
    [Pass::First, Pass::Second].into_iter().find(|&p| p.as_str() == name)
}

pub(super) fn unknown(name: &str) -> Option<Unknown> {
    Unknown::ALL.into_iter().find(|unknown| unknown.as_str() == name)
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
