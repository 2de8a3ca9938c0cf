//! The filters of the kernel half, applied to a recording.
//!
//! What the recording does not tell passes no filter that asks for it.

use std::net::IpAddr;

use ephtrace_common::{Cidr, Filter, PortSpan};

use crate::model::Assignment;

/// Whether `filter` keeps the assignment. cgroups are not looked at: a recording does not tell which
/// are below which.
pub fn keeps(filter: &Filter, assignment: &Assignment) -> bool {
    keeps_owner(filter, assignment)
        && keeps_destination(filter, assignment)
        && keeps_outcome(filter, assignment)
}

fn keeps_owner(filter: &Filter, assignment: &Assignment) -> bool {
    let comm = assignment.comm.map(|comm| {
        let mut padded = [0; 16];
        padded.iter_mut().zip(comm.as_str().bytes()).for_each(|(to, byte)| *to = byte);
        padded
    });
    let origin = assignment.origin.map(|origin| 1_u32 << origin.to_wire());
    is_in(&filter.pids, filter.pid_count, assignment.pid)
        && is_in(&filter.uids, filter.uid_count, assignment.uid)
        && is_in(&filter.comms, filter.comm_count, comm)
        && is_in(&filter.netns, filter.netns_count, assignment.flow.netns)
        && (filter.origins == u32::MAX || origin.is_some_and(|bit| filter.origins & bit != 0))
}

fn keeps_destination(filter: &Filter, assignment: &Assignment) -> bool {
    let flow = &assignment.flow;
    let daddr = flow.remote().map_or(flow.saddr, |to| to.ip());
    (filter.family == 0 || filter.family == u32::from(flow.family()))
        // As the kernel half compares it: no destination is the unspecified address and port 0.
        && in_networks(&filter.dst, filter.dst_count, daddr)
        && in_networks(&filter.src, filter.src_count, flow.saddr)
        && in_spans(&filter.dports, filter.dport_count, Some(flow.dport.unwrap_or(0)))
}

fn keeps_outcome(filter: &Filter, assignment: &Assignment) -> bool {
    let min_ns = filter.min_latency_ns;
    (filter.failed_only == 0 || assignment.is_failed())
        && (min_ns == 0 || assignment.latency_ns.is_some_and(|ns| ns >= min_ns))
        && in_spans(&filter.lports, filter.lport_count, assignment.sport)
}

/// The part of a list that is in force; an empty one keeps all.
fn listed<T>(list: &[T], count: u32) -> &[T] {
    list.get(..count as usize).unwrap_or(list)
}

fn is_in<T: PartialEq>(list: &[T], count: u32, value: Option<T>) -> bool {
    count == 0 || value.is_some_and(|value| listed(list, count).contains(&value))
}

fn in_spans(list: &[PortSpan], count: u32, port: Option<u16>) -> bool {
    let holds =
        |port: u16| listed(list, count).iter().any(|span| (span.low..=span.high).contains(&port));
    count == 0 || port.is_some_and(holds)
}

fn in_networks(list: &[Cidr], count: u32, address: IpAddr) -> bool {
    let bytes = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    };
    let [high, low]: [u64; 2] = zerocopy::transmute!(bytes);
    let holds = |c: &Cidr| high & c.mask[0] == c.addr[0] && low & c.mask[1] == c.addr[1];
    count == 0 || listed(list, count).iter().any(holds)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::{
        cli::{Cli, Command},
        model::{Comm, FlowKey, Origin},
        pipeline::settings::TraceSettings,
    };

    fn filter(line: &str) -> Filter {
        let words = format!("ephtrace trace --from f {line}");
        let Command::Trace(args) = Cli::parse_from(words.split_whitespace()).into_command() else {
            panic!("not trace")
        };
        TraceSettings::try_from(args).unwrap().filter
    }

    fn curl() -> Assignment {
        Assignment {
            pid: Some(42),
            uid: Some(1000),
            comm: Some(Comm::new("curl")),
            flow: FlowKey {
                netns: Some(7),
                saddr: [10, 0, 0, 1].into(),
                daddr: Some([10, 0, 1, 2].into()),
                dport: Some(443),
            },
            origin: Some(Origin::Connect),
            sport: Some(40_000),
            latency_ns: Some(2000),
            ..Assignment::default()
        }
    }

    #[test]
    fn each_filter_keeps_what_it_names_and_drops_the_rest() {
        let table = [
            ("-p 41,42", "-p 41"),
            ("-u 1000", "-u 0"),
            ("-c curl", "-c cur"),
            ("-P 80,400-500", "-P 444"),
            ("-L 40000", "-L 40001-65535"),
            ("--dst 10.0.0.0/16", "--dst 10.0.2.0/24"),
            ("--src 10.0.0.1", "--src ::1"),
            ("--netns 7", "--netns 8"),
            ("-4", "-6"),
            ("--origin connect", "--origin udp"),
            ("--min-latency 2us", "--min-latency 3us"),
            ("", "-x"),
        ];
        for (keeps_it, drops_it) in table {
            assert!(keeps(&filter(keeps_it), &curl()), "{keeps_it}");
            assert!(!keeps(&filter(drops_it), &curl()), "{drops_it}");
        }
    }

    #[test]
    fn what_is_unknown_passes_no_filter_that_asks_for_it() {
        let unknown = Assignment::default();
        assert!(keeps(&filter(""), &unknown));
        for line in
            ["-p 1", "-u 0", "-c a", "--netns 1", "--origin connect", "--min-latency 1ns", "-L 1"]
        {
            assert!(!keeps(&filter(line), &unknown), "{line}");
        }
        assert!(keeps(&filter("-x"), &unknown));
    }
}
