//! Holders of ports: states of sockets, binds and UDP, bound ports, connection tracking.

use insta::assert_snapshot;

use super::{
    super::{
        AskedFacts, DestinationFacts, Facts, NetnsFacts, Rule, Severity, StateFacts, TrackedFacts,
        findings,
    },
    destination, host, text,
};

fn of_states(states: StateFacts) -> String {
    let d = DestinationFacts {
        in_use: Some(100),
        left: Some(0),
        usable: Some(100),
        states: Some(StateFacts { all: 100, ..states }),
        held_by: Some("mostly app (7)".into()),
        ..destination()
    };
    text(&Facts { destinations: vec![d], ..Facts::default() })
}

#[test]
fn a_destination_that_does_not_answer() {
    let states = StateFacts { syn_sent: 100, syn_resent: 95, ..StateFacts::default() };
    assert_snapshot!(of_states(states), @r##"
    critical [full] no free port for 10.0.0.1 -> 10.0.0.2:443: the next connect fails
      100 of 100 ports in use (100 %); mostly app (7)
      -> set a connect timeout in the program (the kernel gives up only after two minutes: net.ipv4.tcp_syn_retries), and wait longer between attempts
    warning [syn-sent] 10.0.0.2:443 does not answer: waiting connects keep their ports
      100 of 100 sockets for 10.0.0.1 -> 10.0.0.2:443 in SYN_SENT, 95 of which have retransmitted their SYN; mostly app (7)
      -> find out why it does not answer: the host, its route, a firewall that drops packets
      -> set a connect timeout in the program (the kernel gives up only after two minutes: net.ipv4.tcp_syn_retries), and wait longer between attempts
    "##);
}

#[test]
fn a_program_that_does_not_close() {
    assert_snapshot!(of_states(StateFacts { close_wait: 60, ..StateFacts::default() }), @r##"
    critical [full] no free port for 10.0.0.1 -> 10.0.0.2:443: the next connect fails
      100 of 100 ports in use (100 %); mostly app (7)
      -> close() in the program when read() returns 0: the peer has closed, and the kernel never times out CLOSE_WAIT
    warning [close-wait] the program does not close connections that 10.0.0.2:443 has closed
      60 of 100 sockets for 10.0.0.1 -> 10.0.0.2:443 in CLOSE_WAIT; mostly app (7)
      -> close() in the program when read() returns 0: the peer has closed, and the kernel never times out CLOSE_WAIT
    "##);
}

#[test]
fn a_peer_that_does_not_close() {
    let states = StateFacts { fin_wait2: 70, orphans: 40, ..StateFacts::default() };
    assert_snapshot!(of_states(states), @"
    critical [full] no free port for 10.0.0.1 -> 10.0.0.2:443: the next connect fails
      100 of 100 ports in use (100 %); mostly app (7)
      -> if the program holds them: close() instead of shutdown() alone, or a read timeout; SO_KEEPALIVE detects a dead peer
      -> if no program holds them: lower net.ipv4.tcp_fin_timeout (seconds in FIN_WAIT2) and net.ipv4.tcp_orphan_retries
    warning [fin-wait] 10.0.0.2:443 does not close connections that this side has closed
      70 of 100 sockets for 10.0.0.1 -> 10.0.0.2:443 in FIN_WAIT2; 40 of the 100 were closed by their program and wait for the peer; mostly app (7)
      -> if the program holds them: close() instead of shutdown() alone, or a read timeout; SO_KEEPALIVE detects a dead peer
      -> if no program holds them: lower net.ipv4.tcp_fin_timeout (seconds in FIN_WAIT2) and net.ipv4.tcp_orphan_retries
    ");
}

#[test]
fn a_few_sockets_in_a_state_are_of_a_moment() {
    let states = StateFacts {
        syn_sent: 9,
        syn_resent: 9,
        close_wait: 9,
        fin_wait2: 9,
        ..StateFacts::default()
    };
    let text = of_states(states);
    for rule in ["syn-sent", "close-wait", "fin-wait"] {
        assert!(!text.contains(rule), "{text}");
    }
    // Without a repeated SYN, nothing shows that the peer does not answer.
    let text = of_states(StateFacts { syn_sent: 90, ..StateFacts::default() });
    assert!(!text.contains("[syn-sent]"), "{text}");
}

fn asked(ask: &'static str, saddr: &str, in_use: u32) -> AskedFacts {
    AskedFacts {
        netns: 1,
        ask,
        error: "EADDRINUSE",
        saddr: saddr.parse().unwrap(),
        in_use,
        usable: 100,
        time_wait_reusable: 0,
        unsure: 0,
        may_share: false,
        held_by: Some("mostly app (7)".into()),
    }
}

#[test]
fn binds_and_udp_that_find_no_port() {
    let all = vec![
        asked("bind", "0.0.0.0", 100),
        asked("bind", "::", 100),
        asked("udp", "0.0.0.0", 10),
        asked("udp", "::", 95),
    ];
    let facts = Facts { asked: all, namespaces: vec![host()], ..Facts::default() };
    assert_snapshot!(text(&facts), @r#"
    critical [bind-full] no free port for bind() to port 0 (TCP) on 0.0.0.0: the next one fails with EADDRINUSE
      TCP sockets use 100 of the 100 ports in the range; mostly app (7)
      -> if a program binds before it connects: setsockopt(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1) before bind(), so that connect() chooses the port and destinations can share it
      -> sysctl -w net.ipv4.ip_local_port_range="10240 65535"
      -> to make it permanent, set it where the namespace is created
    warning [udp-full] few free ports for a UDP socket on ::
      UDP sockets use 95 of the 100 ports in the range; mostly app (7)
      -> use fewer UDP sockets: one unconnected socket can serve many peers; close() unused ones
      -> sysctl -w net.ipv4.ip_local_port_range="10240 65535"
      -> to make it permanent, set it where the namespace is created
    "#);
    let facts = Facts { asked: vec![asked("bind", "0.0.0.0", 89)], ..Facts::default() };
    assert_eq!(findings(&facts), []);
}

#[test]
fn ports_that_are_bound_count_for_every_destination() {
    let d = |left| DestinationFacts {
        in_use: Some(12),
        left: Some(left),
        usable: Some(100),
        ..destination()
    };
    let rules = |left| {
        let found = findings(&Facts { destinations: vec![d(left)], ..Facts::default() });
        found.into_iter().map(|finding| (finding.rule, finding.evidence)).collect::<Vec<_>>()
    };
    assert_eq!(rules(88), []);
    let bound = |count| {
        format!(
            "12 of 100 ports in use (12 %), {count} more bound, so unavailable for every \
             destination; requested by curl (4711)"
        )
    };
    assert_eq!(rules(0), [(Rule::Full, bound(88))]);
    assert_eq!(rules(40), [(Rule::HalfMark, bound(48))]);
}

#[test]
fn without_timestamps_no_time_wait_is_taken_over() {
    let d = DestinationFacts {
        in_use: Some(28_000),
        left: Some(232),
        usable: Some(28_232),
        time_wait: Some(28_000),
        ..destination()
    };
    let n = NetnsFacts { tw_reuse: Some(1), timestamps: Some(0), ..host() };
    let facts = Facts { destinations: vec![d], namespaces: vec![n], ..Facts::default() };
    assert_snapshot!(text(&facts), @r#"
    warning [half-mark] nearly all ports for 10.0.0.1 -> 10.0.0.2:443 are in use
      28000 of 28232 ports in use (99 %), 28000 of them in TIME_WAIT; requested by curl (4711)
      -> reuse connections: a connection pool, HTTP keep-alive
      -> sysctl -w net.ipv4.ip_local_port_range="10240 65535"
      -> to make it permanent, set it where the namespace is created
      -> use more source addresses (bind() to each in turn, with IP_BIND_ADDRESS_NO_PORT), or more destination addresses or ports
    warning [tw-reuse] ports in TIME_WAIT for 10.0.0.1 -> 10.0.0.2:443 can't be reused for 60 seconds
      28000 ports in TIME_WAIT; net.ipv4.tcp_tw_reuse = 1 in the host (needs timestamps, but net.ipv4.tcp_timestamps = 0)
      -> sysctl -w net.ipv4.tcp_timestamps=1 (affects only new connections)
      -> let the peer close first
    "#);
}

#[test]
fn the_nat_is_told_from_the_ports() {
    let tracked = |is_now| TrackedFacts {
        insert_failed: 7,
        drop: 10,
        early_drop: 2,
        search_restart: 20_000,
        is_now,
    };
    let facts = |tracked| {
        let n = NetnsFacts { tracked: Some(tracked), ..host() };
        Facts { namespaces: vec![n], ..Facts::default() }
    };
    assert_snapshot!(text(&facts(tracked(true))), @"
    critical [conntrack-drop] the conntrack table of the host was full: packets of new connections were dropped
      nf_conntrack: drop 10 (includes clashes: insert_failed 7), early_drop 2, during the observed time
      -> raise net.netfilter.nf_conntrack_max
      -> sysctl -w net.netfilter.nf_conntrack_tcp_timeout_time_wait=30
    warning [nat-clash] connections in the host were translated to an address and port already in use: the kernel drops their first packets unless it can resolve the clash (a NAT problem, not the ports of this host)
      nf_conntrack: insert_failed 7, during the observed time; search_restart 20000: net.netfilter.nf_conntrack_buckets may be too low
      -> let the NAT choose random ports: iptables --random-fully, nft masquerade fully-random
      -> give the NAT more addresses or ports (SNAT --to-source FIRST-LAST, --to-ports)
    ");
    let past = findings(&facts(tracked(false)));
    assert!(past.iter().all(|finding| finding.severity == Severity::Note), "{past:?}");
    assert_eq!(findings(&facts(TrackedFacts::default())), []);
}
