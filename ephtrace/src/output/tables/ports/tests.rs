//! The output for people and for programs.

use std::sync::Arc;

use insta::assert_snapshot;
use serde_json::Value;

use super::*;
use crate::{
    host::netns::EnterError,
    inventory::{
        PastOwners, Unreadable,
        census::{
            Census, Listing,
            tests::{bound, describe, open, socket, sysctls},
        },
        namespace::NetnsRef,
        owners::{OpenSockets, Owners, Process},
        socket::{Socket, TcpState},
        sysctls::{Conntrack, Sysctls},
    },
    model::{Assignment, Comm, Origin, task_names::Membership},
};

fn inventory(namespaces: Vec<Namespace>) -> Inventory {
    Inventory {
        ts_ns: 0,
        namespaces,
        unreadable: Vec::new(),
        hidden_processes: None,
        hidden_holders: Some(0),
        processes_hidden_by: None,
        openers_known: false,
        openers_forgotten: 0,
    }
}

fn text(inventory: &Inventory) -> String {
    let mut out = Vec::new();
    write(&mut out, inventory, usize::MAX, Paper::default()).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_first_line_is_of_the_fullest_whatever_is_listed() {
    let mut all = inventory(vec![busy()]);
    let first = |limit| {
        let mut out = Vec::new();
        write(&mut out, &all, limit, Paper::default()).unwrap();
        String::from_utf8(out).unwrap().lines().next().unwrap().to_owned()
    };
    assert_eq!(first(0), first(10));
    assert!(first(0).contains("of the range in use"), "{}", first(0));
    let sockets = all.namespaces[0].sockets;
    all.cut(0);
    assert_eq!(all.namespaces[0].others.unwrap().in_use, sockets);
}

/// Returns half of ten ports to one destination, held by two processes and one that is gone.
fn busy() -> Namespace {
    let mut sockets: Vec<Socket> = (0..4).map(|nth| open(9, 40000 + 2 * nth)).collect();
    sockets.push(socket(9, 40008, TcpState::TimeWait, 0));
    sockets.push(Socket {
        saddr: "2001:db8::1".parse().unwrap(),
        daddr: "2001:db8::2".parse().unwrap(),
        ..open(9, 40001)
    });
    sockets.extend([open(7, 40004), open(6, 40004), bound(40009, TcpState::Listen, 5)]);
    sockets.push(bound(40003, TcpState::Bound, 6));
    let mut past_owners = PastOwners::default();
    past_owners.observe(&Assignment {
        pid: Some(22),
        flow: bound(40003, TcpState::Bound, 6).flow(Some(7)),
        sport: Some(40003),
        origin: Some(Origin::Explicit),
        ..Assignment::default()
    });
    let process = |pid, name, container: Option<&str>| {
        let container = container.map(Arc::from);
        Arc::new(Process {
            pid,
            comm: Some(Comm::new(name)),
            of: Membership { container, names: None },
        })
    };
    let app = process(181, "pgbouncer", Some("4f1d0c9a2b7e"));
    let mut by_inode: OpenSockets =
        (0..3).map(|nth| (open(9, 40000 + 2 * nth).inode, Arc::clone(&app))).collect();
    by_inode.insert(open(9, 40006).inode, process(7, "evil\u{1b}[2J", None));
    by_inode.insert(5, process(22, "nginx", None));
    let mut sysctls = sysctls(40000, 40009, &[40007]);
    sysctls.conntrack = Some(Conntrack { count: 12, max: 262_144, counts: None });
    let place = NetnsRef {
        netns: 7,
        name: Some("blue".into()),
        own: true,
        processes: Some(3),
        ns_path: None,
    };
    let listing = Listing { in_range: sockets, lists_bound: true, ..Listing::default() };
    Census::new(place, sysctls, listing).describe(3, Owners::new(&by_inode, &past_owners))
}

#[test]
fn text_begins_with_what_matters_most() {
    let mut idle = describe(sysctls(40001, 40009, &[]), vec![], 10);
    idle.place = NetnsRef { netns: 8, processes: Some(0), ..NetnsRef::default() };
    idle.settings.tw_reuse = Some(0);
    idle.bound.bound_only = None;
    let mut all = inventory(vec![busy(), idle]);
    let reason = EnterError::NotPermitted.to_string();
    all.unreadable = vec![Unreadable { netns: 9, name: Some("red".into()), reason }];
    all.hidden_processes = Some(2);
    assert_snapshot!(text(&all), @r#"
    bind() to port 0 on 0.0.0.0: 77.8 % of the range in use, 7 of 9 ports, in netns 7 (blue, own); held by pgbouncer (181) 4f1d0c9a2b7e 3, evil\u{1b}[2J (7) 1, ? (22) 1
    bind() to port 0 on ::: 88.9 % of the range in use, 8 of 9 ports, in netns 7 (blue, own); held by pgbouncer (181) 4f1d0c9a2b7e 3, evil\u{1b}[2J (7) 1, ? (22) 1
    10.0.0.1 -> 10.0.0.9:443: 55.6 % of the range in use, 5 of 9 ports, in netns 7 (blue, own); past the HALF mark: preferred-parity ports exhausted, so every connect scans 5 used ports first; held by pgbouncer (181) 4f1d0c9a2b7e 3, evil\u{1b}[2J (7) 1; 1 closed, owner gone

    netns       7 (blue, own)
    range       40000-40009: 9 ports usable, half mark at 5
    reserved    1 in the range: 40007
    reuse       tcp_tw_reuse 2: connect can take over a TIME_WAIT socket on loopback only
    conntrack   12 of 262144 entries
    in use      6 ports (5 even, 1 odd), 8 connections: 7 established, 1 time_wait
    bound       2 ports, unavailable for every destination: 1 listening (1 not reserved), only bound 1
    udp         0 ports of the range (0 even, 0 odd), 0 sockets in all
    left to bind 1 to 2 on 0.0.0.0, 1 on ::, of 9 ports
    left to udp 9 on 0.0.0.0, 9 on ::, of 9 ports

    fullest of 4 destinations:
     IN USE   SHARE MARK   EVEN    ODD   LEFT   ESTAB TIMEWAIT SYNSENT CLOSEWAIT  OTHER  HELD BY                        DESTINATION
          5  55.6 % half      5      0   1..2       4        1       0         0      0  pgbouncer (181) 4f1d0c9a2b7e 3 10.0.0.1 -> 10.0.0.9:443
          1  11.1 % -         1      0   1..6       1        0       0         0      0  pgbouncer (181) 4f1d0c9a2b7e   10.0.0.1 -> 10.0.0.6:443
          1  11.1 % -         1      0   1..6       1        0       0         0      0  pgbouncer (181) 4f1d0c9a2b7e   10.0.0.1 -> 10.0.0.7:443
          1                   0      1              1        0       0         0      0                                 1 others

    bound in the range:
       PORT STATE  RESERVED ORIGIN   HELD BY              ADDRESS
      40003 bound  no       explicit -                    10.0.0.1
      40009 listen no       -        nginx (22)           10.0.0.1

    netns       8 (no process seen in it)
    range       40001-40009: 9 ports usable, half mark at 5; its ends have the same parity, so connect may skip a port
    reserved    none in the range
    reuse       tcp_tw_reuse 0: TIME_WAIT keeps a port for a minute
    in use      0 ports (0 even, 0 odd), 0 connections
    bound       0 ports, unavailable for every destination: 0 listening (0 not reserved), only bound unknown (sock_diag lists them from Linux 6.8 on)
    udp         0 ports of the range (0 even, 0 odd), 0 sockets in all
    left to bind 9 on 0.0.0.0, 9 on ::, of 9 ports
    left to udp 9 on 0.0.0.0, 9 on ::, of 9 ports

    can't read netns 9 (red): can't enter: this needs CAP_SYS_ADMIN here and in its user namespace: run as root

    The namespaces of 2 processes are not readable; most need root.

    LEFT is a range because connected sockets may have been bound first, which uses up their port for every destination. The kernel does not list this; a recording does: --from FILE.

    No process holds 1 of the listed ports any more (they are in TIME_WAIT or FIN_WAIT); a recording tells who opened them: --from FILE.
    "#);
}

#[test]
fn a_range_that_is_full_is_said_to_be() {
    let full = |state| (0..10).map(|nth| socket(9, 40000 + nth, state, 0)).collect();
    let first_line = |state, tw_reuse| {
        let sysctls = Sysctls { tw_reuse, ..sysctls(40000, 40009, &[]) };
        let all = inventory(vec![describe(sysctls, full(state), 10)]);
        text(&all).lines().next().unwrap().to_owned()
    };
    assert_snapshot!(first_line(TcpState::FinWait1, Some(1)), @"10.0.0.1 -> 10.0.0.9:443: 100.0 % of the range in use, 10 of 10 ports; FULL: each connect fails with EADDRNOTAVAIL; 10 closed, owner gone");
    assert_snapshot!(first_line(TcpState::TimeWait, Some(1)), @"bind() to port 0 on 0.0.0.0: 100.0 % of the range in use, 10 of 10 ports; FULL: the next one fails with EADDRINUSE");
}

#[test]
fn nothing_in_use_is_said_too() {
    let all = inventory(vec![describe(sysctls(40000, 40009, &[]), vec![], 10)]);
    assert_eq!(all.fullest(), None);
    assert_snapshot!(text(&all).lines().next().unwrap(), @"no TCP connection uses a port of the range");
}

#[test]
fn json_has_all_keys_whatever_is_known() {
    fn keys(value: &Value, of: &str) -> String {
        let object = value.pointer(of).and_then(Value::as_object).unwrap();
        object.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
    let value = serde_json::to_value(inventory(vec![busy()])).unwrap();
    assert_snapshot!(keys(&value, ""), @"hidden_holders hidden_processes namespaces openers_forgotten openers_known processes_hidden_by ts_ns unreadable_namespaces");
    assert_snapshot!(keys(&value, "/namespaces/0"), @"accepted asked bound by_state destinations destinations_known even name netns odd on_reserved others own ports process_count settings sockets source tcp udp");
    assert_snapshot!(keys(&value, "/namespaces/0/settings"), @"autobind_reuse conntrack ends_of_equal_parity half_mark longest_reserved range_high range_low reserved reserved_runs step_width timestamps tw_reuse tw_reuse_delay_ms usable");
    assert_snapshot!(keys(&value, "/namespaces/0/destinations/0"), @"by_state daddr dport even first_left holders in_use left left_least mark odd orphans other_holders program saddr share syn_resent time_wait_reusable time_wait_reusable_now unknown_closed unknown_open");
    assert_snapshot!(keys(&value, "/namespaces/0/destinations/0/holders/0"), @"closed comm container container_name group open pid pod pod_namespace ports process_count unit");
    assert_snapshot!(keys(&value, "/namespaces/0/bound"), @"bound_only connected connected_ports held listening listening_unreserved more_held ports");
    assert_snapshot!(keys(&value, "/namespaces/0/bound/held/0"), @"holder is_reserved origin saddr sockets sport state");
    let shown = value.pointer("/namespaces/0/settings/step_width");
    assert_eq!(shown, Some(&Value::Null), "unknown is null");
    assert_eq!(value.pointer("/namespaces/0/destinations/0/mark"), Some(&"half".into()));
}
