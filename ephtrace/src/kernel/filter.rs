//! The filter in the kernel half's form: bounded lists of plain numbers.
//!
//! Only here does a user's filter become that of the wire: the bounds are the verifier's, and
//! nothing outside of `kernel` has to respect them.

use std::net::Ipv6Addr;

use ephtrace_common::{Cidr, Filter as WireFilter, Origin, PortSpan};
use thiserror::Error;
use zerocopy::FromZeros as _;

use crate::model::{
    PortRange,
    filter::{Filter, Network},
};

/// Error for a filter with more values than the kernel half compares.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("too many values for '{flag}': expected at most {limit}, not {given}; {advice}")]
pub struct TooManyValues {
    /// The flag, with its dashes.
    pub flag: &'static str,
    /// Maximum number of values.
    pub limit: usize,
    /// Number of values given.
    pub given: usize,
    /// Advice to the user.
    pub advice: &'static str,
}

/// Returns the bit of an origin in the wire's `origins`.
pub fn origin_bit(origin: Origin) -> u32 {
    1 << origin.to_wire()
}

/// Converts the filter for the kernel half; fails if it has too many values.
pub fn to_wire(filter: &Filter) -> Result<WireFilter, TooManyValues> {
    let mut wire = WireFilter::new_zeroed();
    wire.origins = match &*filter.origins {
        [] => u32::MAX,
        origins => origins.iter().fold(0, |bits, &origin| bits | origin_bit(origin)),
    };
    fill_processes(&mut wire, filter)?;
    fill_flows(&mut wire, filter)?;
    wire.family = filter.family.map_or(0, |family| family.number().into());
    wire.failed_only = u32::from(filter.failed_only);
    wire.explicit_failed_only = u32::from(filter.explicit_failed_only);
    wire.min_latency_ns =
        filter.min_latency.map_or(0, |min| u64::try_from(min.as_nanos()).unwrap_or(u64::MAX));
    Ok(wire)
}

fn fill_processes(wire: &mut WireFilter, filter: &Filter) -> Result<(), TooManyValues> {
    let pids = filter.pids.iter().copied();
    wire.pid_count =
        fill(&mut wire.pids, pids, "--pid", "use a cgroup, which can hold any number")?;
    wire.uid_count = fill(&mut wire.uids, filter.uids.iter().copied(), "--uid", "trace all users")?;
    let comms = filter.comms.iter().map(|comm| comm.to_kernel());
    wire.comm_count =
        fill(&mut wire.comms, comms, "--comm", "use a cgroup, which can hold any number")?;
    let netns = filter.netns.iter().copied();
    wire.netns_count = fill(&mut wire.netns, netns, "--netns", "trace all namespaces")?;
    let advice = "name a cgroup that holds them all";
    let ids = filter.cgroups.iter().map(|cgroup| cgroup.id);
    wire.cgroup_count = fill(&mut wire.cgroup_ids, ids, "--cgroup", advice)?;
    let levels = filter.cgroups.iter().map(|cgroup| cgroup.level);
    fill(&mut wire.cgroup_levels, levels, "--cgroup", advice)?;
    Ok(())
}

fn fill_flows(wire: &mut WireFilter, filter: &Filter) -> Result<(), TooManyValues> {
    let (join_ports, join_networks) =
        ("merge ports into ranges", "merge networks into shorter prefixes");
    let (dports, lports) =
        (filter.dports.iter().copied().map(span), filter.lports.iter().copied().map(span));
    let (dst, src) = (filter.dst.iter().map(cidr), filter.src.iter().map(cidr));
    wire.dport_count = fill(&mut wire.dports, dports, "--port", join_ports)?;
    wire.lport_count = fill(&mut wire.lports, lports, "--lport", join_ports)?;
    wire.dst_count = fill(&mut wire.dst, dst, "--dst", join_networks)?;
    wire.src_count = fill(&mut wire.src, src, "--src", join_networks)?;
    Ok(())
}

fn span(range: PortRange) -> PortSpan {
    PortSpan { low: range.low, high: range.high }
}

fn cidr(network: &Network) -> Cidr {
    // The two halves of an address, each in network order.
    let halves =
        |bits: u128| -> [u64; 2] { zerocopy::transmute!(Ipv6Addr::from_bits(bits).octets()) };
    let (address, mask) = network.to_bits();
    Cidr { addr: halves(address), mask: halves(mask) }
}

/// Copies `values` to the front of `slots` and returns their number.
fn fill<T>(
    slots: &mut [T],
    values: impl ExactSizeIterator<Item = T>,
    flag: &'static str,
    advice: &'static str,
) -> Result<u32, TooManyValues> {
    let (limit, given) = (slots.len(), values.len());
    let too_many = TooManyValues { flag, limit, given, advice };
    let count = u32::try_from(given).ok().filter(|_| given <= limit).ok_or(too_many)?;
    slots.iter_mut().zip(values).for_each(|(slot, value)| *slot = value);
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Comm, Family};

    fn network(text: &str, length: u8) -> Network {
        Network::new(text.parse().unwrap(), length).unwrap()
    }

    fn halves(bytes: [u8; 16]) -> [u64; 2] {
        zerocopy::transmute!(bytes)
    }

    #[test]
    fn an_empty_filter_is_all_zero_but_for_origins() {
        let mut wire = to_wire(&Filter::default()).unwrap();
        assert_eq!(wire.origins, u32::MAX);
        wire.origins = 0;
        assert!(zerocopy::IntoBytes::as_bytes(&wire).iter().all(|&byte| byte == 0));
    }

    #[test]
    fn values_fill_their_lists() {
        let filter = Filter {
            pids: [7, 8].into(),
            uids: [1000].into(),
            comms: vec![Comm::new("nginx")],
            dports: vec![PortRange::new(80, 80), PortRange::new(8000, 8100)],
            lports: vec![PortRange::new(40_000, 40_000)],
            origins: vec![Origin::Connect, Origin::Udp],
            family: Some(Family::V6),
            min_latency: Some(Duration::from_micros(1500)),
            ..Filter::default()
        };
        let wire = to_wire(&filter).unwrap();
        assert_eq!((wire.pid_count, &wire.pids[..3]), (2, &[7, 8, 0][..]));
        assert_eq!((wire.uid_count, wire.uids[0]), (1, 1000));
        assert_eq!((wire.comm_count, &wire.comms[0]), (1, b"nginx\0\0\0\0\0\0\0\0\0\0\0"));
        assert_eq!((wire.dport_count, wire.dports[1]), (2, PortSpan { low: 8000, high: 8100 }));
        assert_eq!((wire.lport_count, wire.lports[0]), (1, PortSpan { low: 40_000, high: 40_000 }));
        assert_eq!((wire.family, wire.failed_only, wire.min_latency_ns), (6, 0, 1_500_000));
        assert_eq!(wire.origins, origin_bit(Origin::Connect) | origin_bit(Origin::Udp));
    }

    #[test]
    fn networks() {
        let ones = |n: usize| -> [u8; 16] { std::array::from_fn(|i| if i < n { 0xff } else { 0 }) };
        let v4 = |a, b, c, d| halves([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]);
        for (text, length, addr, mask) in [
            ("10.0.0.0", 8, v4(10, 0, 0, 0), ones(13)),
            ("10.1.2.3", 8, v4(10, 0, 0, 0), ones(13)),
            ("10.1.2.3", 32, v4(10, 1, 2, 3), ones(16)),
            ("0.0.0.0", 0, v4(0, 0, 0, 0), ones(12)),
            ("::ffff:10.0.0.0", 104, v4(10, 0, 0, 0), ones(13)),
            ("::", 0, [0, 0], ones(0)),
            (
                "fe80::1",
                64,
                halves([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
                ones(8),
            ),
        ] {
            let expected = Cidr { addr, mask: halves(mask) };
            assert_eq!(cidr(&network(text, length)), expected, "{text}/{length}");
        }
    }

    #[test]
    fn more_than_the_verifier_allows_is_refused() {
        let networks = (1..=9).map(|n| network(&format!("10.0.0.{n}"), 32)).collect();
        let error = to_wire(&Filter { dst: networks, ..Filter::default() }).unwrap_err();
        assert_eq!((error.flag, error.limit, error.given), ("--dst", 8, 9));
    }
}
