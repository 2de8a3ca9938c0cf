use std::net::SocketAddr;

use super::*;
use crate::{
    inventory::{
        census::tests::sysctls,
        owners::{OpenSockets, Owners},
        past_owners::PastOwners,
        socket::{Socket, TcpState},
        sysctls::Sysctls,
    },
    model::{Assignment, FlowKey, Origin},
};

const SERVER: &str = "10.0.0.2:443";

fn to(text: &str) -> Question {
    Question::Destination(text.parse().unwrap())
}

fn socket(sport: u16, remote: &str, state: TcpState) -> Socket {
    let remote: SocketAddr = remote.parse().unwrap();
    Socket::new([10, 0, 0, 1].into(), remote.ip(), sport, remote.port(), state)
}

/// Creates observations of ten ports, 40000 to 40009, of which these sockets have some.
fn seen(tcp: Vec<Socket>) -> Seen {
    Seen {
        netns: 7,
        sysctls: sysctls(40_000, 40_009, &[]),
        tcp,
        udp: Vec::new(),
        hidden: Hidden::default(),
        source: Some(Ok([10, 0, 0, 1].into())),
        is_local: Some(true),
        privileged_below: 1024,
        probed: Vec::new(),
    }
}

fn ask(question: &Question, seen: &Seen, history: &PastOwners) -> Answer {
    answer(question, seen, Owners::new(&OpenSockets::default(), history))
}

fn verdict(question: &Question, seen: &Seen) -> (Verdict, String) {
    let answer = ask(question, seen, &PastOwners::default());
    (answer.verdict, answer.attempts[0].because.clone())
}

/// Returns the assignment that marks a recording as including explicitly named ports.
fn named() -> Assignment {
    Assignment { origin: Some(Origin::Explicit), ..Assignment::default() }
}

fn established(sport: u16) -> Socket {
    socket(sport, SERVER, TcpState::Established)
}

#[test]
fn a_destination_is_full_when_all_its_ports_are_taken() {
    let most: Vec<Socket> = (40_000..40_009).map(established).collect();
    assert_eq!(verdict(&to(SERVER), &seen(most.clone())).0, Verdict::Free);
    let all = seen((40_000..=40_009).map(established).collect());
    let answer = ask(&to(SERVER), &all, &PastOwners::default());
    assert_eq!(
        (answer.verdict, answer.attempts[0].error),
        (Verdict::NotFree, Some("EADDRNOTAVAIL"))
    );
    assert_eq!(answer.attempts[1].error, Some("EADDRINUSE"));
    assert_eq!(answer.attempts[2].verdict, Verdict::Free, "UDP has ports of its own");
}

#[test]
fn how_ports_were_come_by_decides_for_other_destinations() {
    let all = seen((40_000..=40_009).map(established).collect());
    let other = to("10.0.0.3:443");
    let (said, why) = verdict(&other, &all);
    assert_eq!(said, Verdict::Unknown);
    assert!(why.contains("--probe") && why.contains("bound before"), "{why}");
    let by = |origin: Origin, has_explicit: bool| {
        let mut history = PastOwners::default();
        if has_explicit {
            history.observe(&named());
        }
        for socket in &all.tcp {
            let flow = match origin {
                Origin::Bind => FlowKey { daddr: None, dport: None, ..socket.flow(Some(7)) },
                _ => socket.flow(Some(7)),
            };
            let (sport, origin) = (Some(socket.sport), Some(origin));
            let seen = Assignment { pid: Some(1), flow, sport, origin, ..Assignment::default() };
            history.observe(&seen);
        }
        ask(&other, &all, &history).verdict
    };
    assert_eq!(by(Origin::Connect, true), Verdict::Free);
    assert_eq!(by(Origin::Connect, false), Verdict::Unknown, "binds may have been passed over");
    assert_eq!(by(Origin::Bind, true), Verdict::NotFree);
    assert_eq!(by(Origin::Bind, false), Verdict::NotFree);
}

#[test]
fn one_end_of_a_range_of_an_odd_number_is_left_out() {
    let with_free = |free: &[u16]| {
        let taken = (40_000..=40_010).filter(|port| !free.contains(port)).map(established);
        let mut seen = seen(taken.collect());
        seen.sysctls = sysctls(40_000, 40_010, &[]);
        verdict(&to(SERVER), &seen)
    };
    for end in [40_000, 40_010] {
        let (said, why) = with_free(&[end]);
        assert_eq!(said, Verdict::Unknown, "{why}");
        assert!(why.contains("an end of a range of 11 ports"), "{why}");
    }
    assert_eq!(with_free(&[40_000, 40_010]).0, Verdict::Free);
    assert_eq!(with_free(&[40_001]).0, Verdict::Free);
    assert_eq!(with_free(&[]).0, Verdict::NotFree);
}

#[test]
fn a_probe_that_found_an_end_proves_nothing() {
    let mut seen = seen((40_000..40_010).map(established).collect());
    seen.sysctls = sysctls(40_000, 40_010, &[]);
    for (errno, port) in [(0, Some(40_010)), (libc::EADDRNOTAVAIL, None)] {
        seen.probed = vec![Probed { way: Way::Connect, errno, port }];
        let (said, why) = verdict(&to(SERVER), &seen);
        assert_eq!(said, Verdict::Unknown, "{why}");
        assert!(why.contains("40010"), "{why}");
    }
}

#[test]
fn the_kernel_has_the_last_word() {
    let mut all = seen((40_000..=40_009).map(established).collect());
    let other = to("10.0.0.3:443");
    let with = |seen: &mut Seen, errno, port| {
        seen.probed = vec![Probed { way: Way::Connect, errno, port }];
        ask(&other, seen, &PastOwners::default()).attempts.swap_remove(0)
    };
    let free = with(&mut all, 0, Some(40_004));
    assert_eq!((free.verdict, free.probed, free.error), (Verdict::Free, true, None));
    let taken = with(&mut all, libc::EADDRNOTAVAIL, None);
    assert_eq!((taken.verdict, taken.error), (Verdict::NotFree, Some("EADDRNOTAVAIL")));
}

/// Without the right to ask, the answer from the lists stands.
#[test]
fn a_refusal_of_ephtrace_is_none_of_the_port() {
    let mut free = seen(Vec::new());
    let before = verdict(&to(SERVER), &free).0;
    for errno in [libc::EACCES, libc::EPERM, libc::EMFILE, libc::ENOBUFS] {
        free.probed = vec![Probed { way: Way::Connect, errno, port: None }];
        let answer = ask(&to(SERVER), &free, &PastOwners::default());
        let attempt = &answer.attempts[0];
        assert_eq!((attempt.verdict, attempt.probed, attempt.error), (before, false, None));
        assert!(attempt.because.contains("for another reason: "), "{}", attempt.because);
    }
}

#[test]
fn sockets_that_are_not_listed_may_have_what_looks_free() {
    let mut seen = seen((40_000..40_007).map(established).collect());
    let hidden = |sockets| Hidden { sockets, why: HiddenWhy::BoundOnly };
    let port = Question::Port { port: 8080, transport: Some(Transport::Tcp) };
    for (sockets, expected) in [(2, Verdict::Free), (3, Verdict::Unknown)] {
        seen.hidden = hidden(sockets);
        let (said, why) = verdict(&to(SERVER), &seen);
        assert_eq!(said, expected, "{why}");
        assert_eq!(verdict(&port, &seen).0, Verdict::Unknown);
    }
    let udp = Question::Port { port: 8080, transport: Some(Transport::Udp) };
    assert_eq!(verdict(&udp, &seen).0, Verdict::Free, "all UDP sockets are listed");
}

/// Evaluates a bound socket whose 4-tuple is held only by a `TIME_WAIT` of this age.
fn time_wait(is_loopback: bool, age_ms: u16, set: impl Fn(&mut Sysctls)) -> Verdict {
    let remote = if is_loopback { "127.0.0.1:443" } else { SERVER };
    let mut waiting = socket(40_000, remote, TcpState::TimeWait);
    waiting.time_wait_left_ms = Some(60_000 - age_ms);
    let mut seen = seen(vec![waiting]);
    seen.sysctls = Sysctls { range: crate::model::PortRange::new(40_000, 40_000), ..seen.sysctls };
    set(&mut seen.sysctls);
    let mut history = PastOwners::default();
    history.observe(&named());
    let flow = waiting.flow(Some(7));
    let (sport, origin) = (Some(40_000), Some(Origin::Connect));
    history.observe(&Assignment { pid: Some(1), flow, sport, origin, ..Assignment::default() });
    ask(&to(remote), &seen, &history).verdict
}

#[test]
fn a_time_wait_is_taken_over_when_the_kernel_lets_it() {
    let on = |reuse, stamps, delay| {
        move |s: &mut Sysctls| {
            (s.tw_reuse, s.timestamps, s.tw_reuse_delay_ms) = (Some(reuse), Some(stamps), delay);
        }
    };
    assert_eq!(time_wait(true, 2000, on(2, 1, Some(1000))), Verdict::Free);
    assert_eq!(time_wait(true, 2000, on(1, 1, None)), Verdict::Free);
    assert_eq!(time_wait(true, 2000, on(0, 1, None)), Verdict::NotFree);
    assert_eq!(time_wait(true, 2000, on(2, 0, None)), Verdict::NotFree);
    assert_eq!(time_wait(true, 500, on(2, 1, Some(1000))), Verdict::NotFree);
    assert_eq!(time_wait(true, 1000, on(2, 1, Some(1000))), Verdict::Unknown, "too close");
    assert_eq!(time_wait(true, 500, on(2, 1, None)), Verdict::Unknown, "full seconds");
    assert_eq!(time_wait(false, 2000, on(2, 1, Some(1000))), Verdict::NotFree, "not loopback");
    assert_eq!(time_wait(false, 2000, on(1, 1, Some(1000))), Verdict::Unknown, "the peer's stamps");
}

#[test]
fn a_tuple_tells_the_address_from_the_port() {
    let tuple = |sport: u16| Question::Tuple {
        from: SocketAddr::from(([10, 0, 0, 1], sport)),
        to: SERVER.parse().unwrap(),
    };
    let mut seen =
        seen(vec![established(40_000), socket(40_001, "10.0.0.9:1", TcpState::Established)]);
    let said = |seen: &Seen, sport| {
        let attempt = ask(&tuple(sport), seen, &PastOwners::default()).attempts.swap_remove(0);
        (attempt.error, attempt.because)
    };
    assert!(said(&seen, 40_000).1.contains("the 4-tuple is in use"));
    assert!(said(&seen, 40_001).1.contains("the 4-tuple is free"));
    assert_eq!(said(&seen, 40_002).0, None);
    seen.is_local = Some(false);
    assert_eq!(said(&seen, 40_002).0, Some("EADDRNOTAVAIL"));
    assert!(said(&seen, 40_002).1.contains("the address is the problem"));
}

#[test]
fn without_a_route_ports_are_no_matter() {
    let mut seen = seen(Vec::new());
    seen.source = Some(Err(libc::ENETUNREACH));
    let answer = ask(&to(SERVER), &seen, &PastOwners::default());
    assert_eq!((answer.verdict, answer.attempts[0].error), (Verdict::NotFree, Some("ENETUNREACH")));
    seen.source = None;
    assert_eq!(verdict(&to(SERVER), &seen).0, Verdict::Unknown);
}

#[test]
fn an_error_without_a_shortage_is_not_explained() {
    let inventory = |ports: std::ops::RangeInclusive<u16>| {
        let seen = seen(ports.map(established).collect());
        let listing = crate::inventory::census::Listing {
            in_range: seen.tcp,
            lists_bound: true,
            ..Default::default()
        };
        let place = crate::inventory::namespace::NetnsRef { netns: 7, ..Default::default() };
        let census = crate::inventory::census::Census::new(place, seen.sysctls, listing);
        let (open, past_owners) = (OpenSockets::default(), PastOwners::default());
        let owners = Owners::new(&open, &past_owners);
        crate::inventory::Inventory::of(census.describe(9, owners), 0)
    };
    for (ports, expected) in
        [(40_000..=40_009, Verdict::NotFree), (40_000..=40_004, Verdict::Unknown)]
    {
        for error in [Shortage::NotAvailable, Shortage::InUse] {
            let answer = shortage(error, &inventory(ports.clone()));
            assert_eq!((answer.verdict, answer.elsewhere.is_empty()), (expected, false));
        }
        assert_eq!(shortage(Shortage::Again, &inventory(ports)).verdict, Verdict::Unknown);
    }
}

#[test]
fn hints_name_the_namespace_that_was_asked_about() {
    let inventory = |places: &[(u32, Option<&str>, bool)]| {
        let (open, past_owners) = (OpenSockets::default(), PastOwners::default());
        let owners = Owners::new(&open, &past_owners);
        let mut namespaces = places.iter().map(|(netns, name, own)| {
            let seen = seen((40_000..=40_009).map(established).collect());
            let listing =
                crate::inventory::census::Listing { in_range: seen.tcp, ..Default::default() };
            let name = name.map(str::to_owned);
            let place = crate::inventory::namespace::NetnsRef {
                netns: *netns,
                name,
                own: *own,
                ..Default::default()
            };
            crate::inventory::census::Census::new(place, seen.sysctls, listing).describe(9, owners)
        });
        let first = crate::inventory::Inventory::of(namespaces.next().unwrap(), 0);
        let namespaces = first.namespaces.iter().cloned().chain(namespaces).collect();
        crate::inventory::Inventory { namespaces, ..first }
    };
    let told = |places: &[_]| {
        let answer = shortage(Shortage::NotAvailable, &inventory(places));
        (answer.elsewhere.join("\n"), answer.attempts[0].because.clone(), answer.netns_name)
    };
    let (hints, because, name) = told(&[(7, Some("blue"), false)]);
    for hint in ["`ephtrace -x --netns blue`", "`ephtrace explain FROM TO --netns blue`"] {
        assert!(hints.contains(hint), "{hints}");
    }
    assert_eq!((because.contains("netns"), name.as_deref()), (false, Some("blue")));
    assert!(told(&[(7, None, false)]).0.contains("`ephtrace -x --netns 7`"));
    assert!(told(&[(7, Some("a;b"), false)]).0.contains("`ephtrace -x --netns 7`"));
    assert!(told(&[(7, Some("blue"), true)]).0.contains("`ephtrace -x` shows it"));
    let (hints, because, name) = told(&[(7, Some("blue"), false), (8, None, true)]);
    assert!(hints.contains("`ephtrace -x` shows it"), "{hints}");
    assert!(because.contains(" in netns blue: "), "{because}");
    assert_eq!(name, None);
}

#[test]
fn a_destination_of_ones_own_may_be_reached_by_itself() {
    let may = |remote: &str, tcp: Vec<Socket>| {
        ask(&to(remote), &seen(tcp), &PastOwners::default()).may_self_connect
    };
    assert_eq!(may("10.0.0.1:40001", Vec::new()), Some(true));
    assert_eq!(may("10.0.0.1:443", Vec::new()), Some(false));
    assert_eq!(may("10.0.0.2:40001", Vec::new()), Some(false));
    let listening = socket(40_001, "0.0.0.0:0", TcpState::Listen);
    assert_eq!(may("10.0.0.1:40001", vec![listening]), Some(false));
}
