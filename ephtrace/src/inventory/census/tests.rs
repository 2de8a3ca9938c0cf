//! Ports that count as in use, the marks, and sums that hold for any sockets.

mod grouped;

use std::{net::IpAddr, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    inventory::{
        owners::{OpenSockets, Process},
        past_owners::PastOwners,
    },
    model::{Assignment, Comm, Origin, PortRange, task_names::Membership},
};

const NETNS: u32 = 7;

pub(crate) fn sysctls(low: u16, high: u16, reserved: &[u16]) -> Sysctls {
    let mut set = PortSet::default();
    set.extend(reserved.iter().copied());
    Sysctls {
        range: PortRange::new(low, high),
        reserved: set,
        step_width: None,
        tw_reuse: Some(2),
        tw_reuse_delay_ms: None,
        timestamps: Some(1),
        autobind_reuse: Some(false),
        conntrack: None,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Creates a socket from 10.0.0.1 to 10.0.0.`last`, port 443.
pub(crate) fn socket(last: u8, sport: u16, state: TcpState, inode: u32) -> Socket {
    let (saddr, daddr) = (ip("10.0.0.1"), IpAddr::from([10, 0, 0, last]));
    Socket { inode, ..Socket::new(saddr, daddr, sport, 443, state) }
}

pub(crate) fn open(last: u8, sport: u16) -> Socket {
    socket(last, sport, TcpState::Established, 1000 + u32::from(sport))
}

pub(crate) fn bound(sport: u16, state: TcpState, inode: u32) -> Socket {
    Socket { daddr: ip("0.0.0.0"), dport: 0, ..socket(0, sport, state, inode) }
}

fn census(sysctls: Sysctls, in_range: Vec<Socket>) -> Census {
    let place = NetnsRef { netns: NETNS, ..NetnsRef::default() };
    Census::new(place, sysctls, Listing { in_range, lists_bound: true, ..Listing::default() })
}

pub(crate) fn describe(sysctls: Sysctls, in_range: Vec<Socket>, limit: usize) -> Namespace {
    let (open, past_owners) = (OpenSockets::default(), PastOwners::default());
    census(sysctls, in_range).describe(limit, Owners::new(&open, &past_owners))
}

#[test]
fn only_what_connect_could_have_chosen_is_in_use() {
    let sockets = vec![
        open(9, 40000),
        open(8, 40000),
        socket(9, 40003, TcpState::TimeWait, 0),
        // Outside of the range, reserved, of a listener, and the listener itself.
        open(9, 39999),
        open(9, 40005),
        bound(40006, TcpState::Listen, 5),
        open(9, 40006),
        // A socket that is only bound.
        bound(40008, TcpState::Bound, 6),
    ];
    let found = describe(sysctls(40000, 40009, &[40005]), sockets, 10);
    assert_eq!((found.sockets, found.ports, found.even, found.odd), (3, 2, 1, 1));
    assert_eq!((found.accepted, found.on_reserved), (1, 1));
    assert_eq!((found.by_state.established, found.by_state.time_wait), (2, 1));
    assert_eq!((found.settings.usable, found.settings.half_mark), (9, 5));
    let Bound { ports, listening, listening_unreserved, bound_only, .. } = found.bound;
    assert_eq!((ports, listening, listening_unreserved, bound_only), (2, 1, 1, Some(1)));
    let [nine, eight] = &*found.destinations else { panic!("{:?}", found.destinations) };
    assert_eq!((nine.in_use, nine.even, nine.odd, eight.in_use), (2, 1, 1, 1));
    // 40001, 2, 4, 7 and 9; of the even ones 2 and 4.
    assert_eq!((nine.left, nine.first_left, nine.unknown_open, nine.unknown_closed), (5, 2, 1, 1));
    assert_eq!(nine.flow.daddr, Some(ip("10.0.0.9")));
}

#[test]
fn a_listener_on_a_reserved_port_is_no_risk() {
    let sockets = vec![bound(40005, TcpState::Listen, 5), bound(40006, TcpState::Listen, 6)];
    let found = describe(sysctls(40000, 40009, &[40005]), sockets, 10).bound;
    assert_eq!((found.listening, found.listening_unreserved), (2, 1));
    assert_eq!(found.held.iter().map(|held| held.reserved).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn sockets_that_share_a_port_are_one_entry() {
    let sockets = vec![bound(40006, TcpState::Listen, 5), bound(40006, TcpState::Listen, 6)];
    let found = describe(sysctls(40000, 40009, &[]), sockets, 10).bound;
    assert_eq!((found.ports, found.held.len(), found.held[0].sockets), (1, 1, 2));
}

#[test]
fn a_socket_that_the_kernel_lists_twice_counts_once() {
    let sockets = vec![
        open(9, 40000),
        socket(9, 40000, TcpState::TimeWait, 0),
        socket(9, 40002, TcpState::SynSent, 3),
    ];
    let found = describe(sysctls(40000, 40009, &[]), sockets, 10);
    assert_eq!((found.sockets, found.destinations[0].in_use), (2, 2));
}

#[test]
fn marks_come_at_half_and_at_the_end() {
    let mark = |ports: Range<u16>, bound_port: Option<u16>| {
        let mut sockets: Vec<Socket> =
            ports.map(|nth| open(9, 40000 + nth * 2 % 10 + nth / 5)).collect();
        sockets.extend(bound_port.map(|port| bound(port, TcpState::Listen, 1)));
        describe(sysctls(40000, 40009, &[]), sockets, 10).destinations[0].mark
    };
    assert_eq!(mark(0..4, None), Mark::None);
    assert_eq!(mark(0..5, None), Mark::Half);
    assert_eq!(mark(0..9, None), Mark::Half);
    assert_eq!(mark(0..10, None), Mark::Full);
    // A bound port is taken for every destination.
    assert_eq!(mark(0..4, Some(40008)), Mark::Half);
    assert_eq!(mark(0..9, Some(40009)), Mark::Full);
}

#[test]
fn at_the_half_mark_none_of_the_preferred_parity_is_left() {
    let even = (0..5).map(|nth| open(9, 40000 + 2 * nth)).collect();
    let found = describe(sysctls(40000, 40009, &[]), even, 1).destinations.remove(0);
    assert_eq!((found.mark, found.left, found.first_left), (Mark::Half, 5, 0));
    // Half as many, but of both parities: connects are still quick.
    let both = (0..5).map(|nth| open(9, 40000 + nth)).collect();
    let found = describe(sysctls(40000, 40009, &[]), both, 1).destinations.remove(0);
    assert_eq!((found.mark, found.left, found.first_left), (Mark::Half, 5, 2));
}

#[test]
fn the_parity_that_connect_prefers_is_that_of_the_low_end() {
    let found = describe(sysctls(40001, 40010, &[]), vec![open(9, 40001), open(9, 40002)], 10);
    let one = &found.destinations[0];
    // 40003, 5, 7 and 9 of the odd ones.
    assert_eq!((one.left, one.first_left), (8, 4));
}

#[test]
fn ports_are_told_with_whether_they_only_wait() {
    let sockets = vec![open(9, 40000), socket(9, 40003, TcpState::TimeWait, 0)];
    let found = describe(sysctls(40000, 40009, &[]), sockets, 10);
    let mut ports = found.destinations[0].ports.clone();
    ports.sort_unstable();
    assert_eq!(ports, [(40000, false), (40003, true)]);
}

#[test]
fn time_waits_may_be_taken_over_where_the_sysctl_says() {
    let here = |daddr: &str, tw_reuse| {
        let one = Socket { daddr: ip(daddr), ..socket(9, 40000, TcpState::TimeWait, 0) };
        let sysctls = Sysctls { tw_reuse, ..sysctls(40000, 40009, &[]) };
        describe(sysctls, vec![one, Socket { sport: 40002, state: TcpState::FinWait2, ..one }], 1)
            .destinations[0]
            .time_wait_reusable
    };
    assert_eq!(here("10.0.0.9", Some(1)), Some(1));
    assert_eq!(here("10.0.0.9", Some(2)), Some(0));
    assert_eq!(here("127.0.0.9", Some(2)), Some(1));
    assert_eq!(here("127.0.0.9", Some(0)), Some(0));
    assert_eq!(here("127.0.0.9", None), None);
}

#[test]
fn a_time_wait_that_can_be_taken_over_takes_no_port() {
    let all = |left_ms: u16, timestamps| {
        let here = |nth: u16| Socket {
            saddr: ip("127.0.0.1"),
            daddr: ip("127.0.0.1"),
            time_wait_left_ms: Some(left_ms),
            ..socket(9, 40000 + nth, TcpState::TimeWait, 0)
        };
        let sysctls = Sysctls { timestamps, ..sysctls(40000, 40009, &[]) };
        let found = describe(sysctls, (0..10).map(here).collect(), 1);
        let one = &found.destinations[0];
        let now = (one.time_wait_reusable, one.time_wait_reusable_now);
        (one.mark, now, one.blocked(&found.settings), one.left)
    };
    assert_eq!(all(50_000, Some(1)), (Mark::None, (Some(10), Some(10)), 0, 0));
    // Too young: a connect fails for up to a second.
    assert_eq!(all(59_500, Some(1)), (Mark::Full, (Some(10), Some(0)), 0, 0));
    assert_eq!(all(50_000, Some(0)), (Mark::Full, (Some(0), Some(0)), 10, 0));
}

#[test]
fn ports_that_may_have_been_bound_are_told_apart() {
    let sockets = || vec![open(9, 40000), open(8, 40001), open(8, 40002), open(8, 40000)];
    let left = |past_owners: &PastOwners| {
        let open = OpenSockets::default();
        let owners = Owners::new(&open, past_owners);
        let found = census(sysctls(40000, 40009, &[]), sockets()).describe(9, owners);
        let to_nine = found.destinations.iter().find(|d| d.flow.daddr == Some(ip("10.0.0.9")));
        let one = to_nine.unwrap().clone();
        (one.left, one.left_least, found.bound.connected_ports, found.taken)
    };
    // 40001 and 40002 may be closed to others; 40000 is in use for it anyway.
    assert_eq!(left(&PastOwners::default()), (9, 7, None, vec![]));
    let mut past_owners = PastOwners::default();
    for (sport, origin) in [(40001, Origin::Bind), (40002, Origin::Connect)] {
        past_owners.observe(&Assignment {
            pid: Some(1),
            flow: open(8, sport).flow(Some(NETNS)),
            sport: Some(sport),
            origin: Some(origin),
            ..Assignment::default()
        });
    }
    // A bind to a named port was not seen, and may have had the port of a connect.
    assert_eq!(left(&past_owners), (8, 7, Some(1), vec![40001]));
    past_owners.observe(&Assignment { origin: Some(Origin::Explicit), ..Assignment::default() });
    assert_eq!(left(&past_owners), (8, 8, Some(1), vec![40001]));
}

#[test]
fn a_pool_of_workers_is_one_holder() {
    let sockets: Vec<Socket> = (0..30).map(|nth| open(9, 40000 + nth)).collect();
    let process = |pid, name, container: Option<&str>| {
        let container = container.map(Arc::from);
        Arc::new(Process {
            pid,
            comm: Some(Comm::new(name)),
            of: Membership { container, names: None },
        })
    };
    // Ten workers of two ports each, in two containers, and a job with ten.
    let owner = |nth: u32| match nth {
        0..14 => process(100 + nth / 2, "worker", Some("aaaaaaaaaaaa")),
        14..20 => process(100 + nth / 2, "worker", Some("bbbbbbbbbbbb")),
        _ => process(7, "job", None),
    };
    let open: OpenSockets = (0..30).map(|nth| (41000 + nth, owner(nth))).collect();
    let past_owners = PastOwners::default();
    let owners = Owners::new(&open, &past_owners);
    let found = census(sysctls(40000, 40099, &[]), sockets).describe(1, owners);
    let one = &found.destinations[0];
    let holders: Vec<_> = one
        .holders
        .iter()
        .map(|h| (h.owner.comm.as_deref(), h.owner.container.as_deref(), h.processes, h.ports))
        .collect();
    let expected = [
        (Some("worker"), Some("aaaaaaaaaaaa"), 7, 14),
        (Some("job"), None, 1, 10),
        (Some("worker"), Some("bbbbbbbbbbbb"), 3, 6),
    ];
    assert_eq!(holders, expected);
    let program = one.program.as_ref().unwrap();
    let numbers = (program.processes, program.containers, program.ports);
    assert_eq!((program.comm.as_str(), numbers), ("worker", (10, 2, 20)));
}

fn process(pid: u32) -> Arc<Process> {
    Arc::new(Process {
        pid,
        comm: Some(Comm::new("app")),
        of: Membership { container: Some("c0ffee".into()), names: None },
    })
}

#[test]
fn holders_are_who_has_it_open_else_who_opened_it() {
    let mut past_owners = PastOwners::default();
    let mut opened = |ts_ns, pid, sport, origin, saw: Socket| {
        past_owners.observe(&Assignment {
            ts_ns,
            pid: Some(pid),
            comm: Some(Comm::new("gone")),
            flow: saw.flow(Some(NETNS)),
            sport: Some(sport),
            origin: Some(origin),
            ..Assignment::default()
        });
    };
    let closed = socket(9, 40002, TcpState::TimeWait, 0);
    opened(1, 66, 40002, Origin::Connect, closed);
    // Another process has this one open now: the observation of the port is older.
    opened(1, 66, 40000, Origin::Connect, open(9, 40000));
    opened(1, 66, 40009, Origin::Bind, bound(40009, TcpState::Listen, 5));
    opened(1, 66, 40004, Origin::Bind, bound(40004, TcpState::Bound, 5));
    let sockets = vec![
        open(9, 40000),
        closed,
        open(9, 40004),
        socket(9, 40006, TcpState::TimeWait, 0),
        bound(40009, TcpState::Listen, 5),
    ];
    let found: OpenSockets =
        [(open(9, 40000).inode, process(55)), (5, process(5))].into_iter().collect();
    let census = census(sysctls(40000, 40009, &[]), sockets);
    assert_eq!(census.inodes(1).collect::<Vec<_>>(), [1000 + 40000, 1000 + 40004, 5]);
    // Half of the ports are taken from binds: all holders are wanted, whatever is shown.
    assert_eq!(census.inodes(0).collect::<Vec<_>>(), [1000 + 40000, 1000 + 40004, 5]);
    let all = census.describe(1, Owners::new(&found, &past_owners));
    let one = &all.destinations[0];
    let holders: Vec<_> = one.holders.iter().map(|h| (h.owner.pid, h.open, h.closed)).collect();
    assert_eq!(holders, [(Some(55), 1, 0), (Some(66), 0, 1)]);
    assert_eq!((one.unknown_open, one.unknown_closed, one.other_holders), (1, 1, 0));
    assert_eq!(one.holders[0].owner.container.as_deref(), Some("c0ffee"));
    let held = &all.bound.held[0];
    assert_eq!(
        (held.origin, held.holder.as_ref().and_then(|h| h.pid)),
        (Some(Origin::Bind), Some(5))
    );
    assert_eq!(all.bound.connected, Some(1), "40004 was bound before");
}

#[test]
fn without_a_recording_nothing_is_said_of_how_a_port_came_about() {
    let found = describe(sysctls(40000, 40009, &[]), vec![open(9, 40000)], 1);
    assert_eq!(found.bound.connected, None);
}

#[test]
fn old_kernels_do_not_list_bound_sockets() {
    let listing = Listing { lists_bound: false, ..Listing::default() };
    let (open, past_owners) = (OpenSockets::default(), PastOwners::default());
    let census = Census::new(NetnsRef::default(), sysctls(1, 9, &[]), listing);
    let found = census.describe(1, Owners::new(&open, &past_owners));
    assert_eq!((found.bound.bound_only, found.others, found.fullest()), (None, None, 0.0));
}

fn any_socket() -> impl Strategy<Value = Socket> {
    let state = (1..=13_u8).prop_filter_map("no state", TcpState::from_kernel);
    (1..5_u8, 39_990..40_030_u16, state, 0..40_u32).prop_map(|(last, sport, state, inode)| {
        if is_bound_only(state) {
            bound(sport, state, inode)
        } else {
            socket(last, sport, state, inode)
        }
    })
}

proptest! {
    #[test]
    fn sums_hold(
        sockets in prop::collection::vec(any_socket(), 0..200),
        reserved in prop::collection::vec(39_995..40_020_u16, 0..8),
        limit in 0..6_usize,
        held in prop::collection::vec((1..40_u32, 1..9_u32), 0..30),
    ) {
        let sysctls = sysctls(40_000, 40_019, &reserved);
        let usable = sysctls.usable();
        let open = held.iter().map(|(inode, pid)| (*inode, process(*pid))).collect();
        let past_owners = PastOwners::default();
        let (sysctls_again, again) = (sysctls.clone(), sockets.clone());
        let owners = || Owners::new(&open, &past_owners);
        let all = census(sysctls, sockets).describe(limit, owners());
        let mut cut = census(sysctls_again, again).describe(usize::MAX, owners());
        cut.cut(limit);
        prop_assert_eq!(&cut, &all);
        prop_assert_eq!(all.by_state.total(), all.sockets);
        prop_assert_eq!(all.even + all.odd, all.ports);
        prop_assert!(all.ports <= usable && u64::from(all.ports) <= all.sockets);
        prop_assert_eq!(all.destinations.len(), limit.min(all.destinations_known));
        let others = all.others.unwrap_or_default();
        prop_assert_eq!(all.destinations.len() + others.destinations, all.destinations_known);
        prop_assert_eq!(others.even + others.odd, others.in_use);
        prop_assert_eq!(others.by_state.total(), others.in_use);
        let shown: u64 = all.destinations.iter().map(|one| u64::from(one.in_use)).sum();
        prop_assert_eq!(shown + others.in_use, all.sockets);
        for one in &all.destinations {
            prop_assert_eq!(one.even + one.odd, one.in_use);
            prop_assert_eq!(one.by_state.total(), u64::from(one.in_use));
            let named: u32 = one.holders.iter().map(|holder| holder.ports).sum();
            let unknown = one.unknown_open + one.unknown_closed;
            prop_assert_eq!(named + one.other_holders + unknown, one.in_use);
            prop_assert!(one.in_use + one.left <= usable && one.first_left <= one.left);
            prop_assert!(one.in_use + one.left + all.bound.ports >= usable);
            prop_assert_eq!(one.mark == Mark::Full, one.left == 0);
        }
        let sizes: Vec<u32> = all.destinations.iter().map(|one| one.in_use).collect();
        prop_assert!(sizes.is_sorted_by(|a, b| a >= b));
    }
}
