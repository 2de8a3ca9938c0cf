//! Rules about the settings of a machine. Sources: `__inet_hash_connect` (Linux 6.12) for the
//! effect of a setting, the kernel's `ip-sysctl` for each remedy.

use super::{
    DestinationFacts, Facts, Finding, NetnsFacts, Rule, Severity, Tracker, finding::Check,
    load::HALF,
};
use crate::{analyse::number::as_f64, model::PortRange};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[
    reserved_block,
    time_wait_not_reusable,
    conntrack,
    listener_inside,
    equal_parity,
    other_range,
];

/// Share of entries from which on a tracker is near its limit.
const TRACKER_FULL: f64 = 0.8;

/// Length of a reserved block up to which walking through it takes only some microseconds.
const LONG_BLOCK: u32 = 1000;

/// Maximum share of the usable ports to give up for a range without a reserved block.
const GIVEN_UP: f64 = 0.1;

fn reserved_block(facts: &Facts) -> Vec<Finding> {
    let blocks = facts.namespaces.iter().filter_map(|n| {
        let range = n.range?;
        let inside = n.reserved.iter().map(|run| run.intersection(range));
        let longest = inside.max_by_key(|run| run.len())?;
        // Steps that are longer than the block spread the ports behind it.
        let is_stepped_over = n.step_width.is_some_and(|width| width > longest.len());
        (longest.len() >= LONG_BLOCK && !is_stepped_over).then_some((n, range, longest))
    });
    blocks
        .map(|(n, range, block)| Finding {
            rule: Rule::ReservedBlock,
            severity: Severity::Note,
            sentence: format!(
                "a block of reserved ports inside the range sometimes slows connects in {}",
                n.name
            ),
            evidence: format!(
                "{} ports from {} to {} are reserved: a search that starts among them walks to \
                 their end, and the port after them is used far too often",
                block.len(),
                block.low,
                block.high
            ),
            remedies: beside_block(n, range, block)
                .into_iter()
                .chain([step_over(n, range, block)])
                .collect(),
        })
        .collect()
}

/// Returns the remedy of random steps. The kernel's documentation of `ip_local_port_step_width`
/// asks for more than the longest block, three or four times as much for a large one, and warns of
/// slow searches near exhaustion.
fn step_over(n: &NetnsFacts, range: PortRange, block: PortRange) -> String {
    if n.step_width.is_none() {
        return "Linux 7.1 and later can step over the block at random \
                (net.ipv4.ip_local_port_step_width)"
            .to_owned();
    }
    let width = block.len().saturating_mul(4).min(range.len());
    format!(
        "take random steps: {} (the width must exceed the longest block; searches take longer when \
         few ports are free)",
        n.sysctl(&format!("net.ipv4.ip_local_port_step_width={width}"))
    )
}

/// Returns the part of the range on one side of the block, if nearly all ports are there: giving up
/// many ports for even steps would be a bad trade.
fn beside_block(n: &NetnsFacts, range: PortRange, block: PortRange) -> Option<String> {
    let below = block.low.checked_sub(1).map(|high| PortRange { high, ..range });
    let above = block.high.checked_add(1).map(|low| PortRange { low, ..range });
    let left = below.into_iter().chain(above).filter(|part| !part.is_empty());
    let part = left.max_by_key(|&part| usable(n, part))?;
    let (all, kept) = (usable(n, range), usable(n, part));
    let is_small = f64::from(all - kept) < f64::from(all) * GIVEN_UP;
    is_small.then(|| {
        let setting = format!("net.ipv4.ip_local_port_range=\"{} {}\"", part.low, part.high);
        format!("exclude the block from the range: {}", n.sysctl(&setting))
    })
}

/// Ports of `range` that are not reserved.
fn usable(n: &NetnsFacts, range: PortRange) -> u32 {
    range.len_outside(n.reserved.iter().copied())
}

fn time_wait_not_reusable(facts: &Facts) -> Vec<Finding> {
    let waiting = facts.destinations.iter().filter(|d| !d.is_explicit()).filter_map(|d| {
        let (time_wait, usable) = d.time_wait.zip(d.usable)?;
        let to = d.flow.remote()?;
        let n = facts.namespace(d.flow.netns)?;
        let many = f64::from(time_wait) >= f64::from(usable) * HALF / 2.0;
        let is_loopback = to.ip().is_loopback() || d.flow.saddr.is_loopback();
        let is_on = match n.tw_reuse? {
            0 => false,
            2 => is_loopback,
            _ => true,
        };
        let is_off = !is_on || n.timestamps == Some(0);
        (many && is_off).then(|| not_reusable(d, n, time_wait, is_on))
    });
    waiting.collect()
}

/// Reports ports in `TIME_WAIT` that can't be reused; `is_on` if only timestamps are missing.
fn not_reusable(d: &DestinationFacts, n: &NetnsFacts, time_wait: u32, is_on: bool) -> Finding {
    let value = n.tw_reuse.unwrap_or(0);
    let has_timestamps = n.timestamps != Some(0);
    let why = match value {
        _ if !has_timestamps => "needs timestamps, but net.ipv4.tcp_timestamps = 0",
        2 => "2 means loopback only",
        _ => "0 means off",
    };
    let timestamps = (!has_timestamps)
        .then(|| n.sysctl("net.ipv4.tcp_timestamps=1") + " (affects only new connections)");
    let reuse = (!is_on).then(|| {
        n.sysctl("net.ipv4.tcp_tw_reuse=1")
            + " (needs TCP timestamps on both sides; never use the old tcp_tw_recycle)"
    });
    Finding {
        rule: Rule::TwReuse,
        severity: Severity::Warning,
        sentence: format!("ports in TIME_WAIT for {d} can't be reused for 60 seconds"),
        evidence: format!(
            "{time_wait} ports in TIME_WAIT; net.ipv4.tcp_tw_reuse = {value} in {} ({why}){}",
            n.name,
            d.held_by.as_ref().map_or_else(String::new, |who| format!("; {who}"))
        ),
        remedies: timestamps
            .into_iter()
            .chain(reuse)
            .chain(["let the peer close first".to_owned()])
            .collect(),
    }
}

fn conntrack(facts: &Facts) -> Vec<Finding> {
    let Some(tracker) = facts.conntrack.filter(|tracker| tracker.max > 0) else {
        return Vec::new();
    };
    let Tracker { count, max, netns } = tracker;
    let timeout = "net.netfilter.nf_conntrack_tcp_timeout_time_wait=30";
    let share = as_f64(count) / as_f64(max);
    if share < TRACKER_FULL {
        return Vec::new();
    }
    vec![Finding {
        rule: Rule::Conntrack,
        severity: if share >= 1.0 { Severity::Critical } else { Severity::Warning },
        sentence: if share >= 1.0 {
            "the conntrack table is full: new connections are dropped"
        } else {
            "the conntrack table is nearly full: at its limit, new connections are dropped"
        }
        .to_owned(),
        evidence: format!("{count} of {max} entries ({:.0} %)", share * 100.0),
        remedies: vec![
            // The limit is host-wide, and can be set only on the host.
            format!("sysctl -w net.netfilter.nf_conntrack_max={}", max * 2),
            facts
                .namespace(Some(netns))
                .map_or_else(|| format!("sysctl -w {timeout}"), |n| n.sysctl(timeout)),
        ],
    }]
}

fn listener_inside(facts: &Facts) -> Vec<Finding> {
    let namespaces = facts.namespaces.iter().filter(|n| !n.listeners.is_empty());
    namespaces
        .map(|n| {
            let named = n.listeners.iter().map(|listener| match &listener.process {
                Some(process) => format!("{} ({process})", listener.port),
                None => listener.port.to_string(),
            });
            let ports: Vec<u16> = n.listeners.iter().map(|listener| listener.port).collect();
            Finding {
                rule: Rule::ListenerInside,
                severity: Severity::Note,
                sentence: format!(
                    "services in {} listen on ports of the ephemeral range: while one restarts, a \
                     connect may take its port",
                    n.name
                ),
                evidence: format!(
                    "listening and not reserved: {}",
                    named.collect::<Vec<_>>().join(", ")
                ),
                remedies: vec![n.sysctl(&format!(
                    "net.ipv4.ip_local_reserved_ports={}",
                    n.reserved_with(&ports)
                ))],
            }
        })
        .collect()
}

fn equal_parity(facts: &Facts) -> Vec<Finding> {
    let equal = facts.namespaces.iter().filter_map(|n| Some((n, n.range?)));
    equal
        .filter(|(_, PortRange { low, high })| low < high && low % 2 == high % 2)
        .map(|(n, PortRange { low, high })| Finding {
            rule: Rule::EqualParity,
            severity: Severity::Note,
            sentence: format!(
                "the range of {} has both ends even, or both odd: each connect skips one port \
                 of it",
                n.name
            ),
            evidence: format!(
                "net.ipv4.ip_local_port_range = {low} {high} has an odd number of ports, and a \
                 search covers an even number"
            ),
            remedies: vec![n.sysctl(&format!(
                "net.ipv4.ip_local_port_range=\"{low} {}\"",
                high.checked_add(1).unwrap_or(high - 1)
            ))],
        })
        .collect()
}

fn other_range(facts: &Facts) -> Vec<Finding> {
    let host = facts.namespaces.iter().find(|n| n.is_host).and_then(|n| n.range);
    let Some(host) = host else { return Vec::new() };
    let others = facts.namespaces.iter().filter(|n| !n.is_host);
    let others = others.filter_map(|n| Some((n, n.range.filter(|&range| range != host)?)));
    others
        .map(|(n, PortRange { low, high })| Finding {
            rule: Rule::OtherRange,
            severity: Severity::Note,
            sentence: format!(
                "{} has a different range than the host: sysctl on the host does not affect it",
                n.name
            ),
            evidence: format!("{low} to {high} there, {} to {} on the host", host.low, host.high),
            remedies: vec![
                "set it when the namespace is created (for a container: --sysctl \
                 net.ipv4.ip_local_port_range=…)"
                    .to_owned(),
            ],
        })
        .collect()
}
