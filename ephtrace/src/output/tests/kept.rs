//! Lines that copy text from the previous line.

use fastrand::Rng;

use super::*;
use crate::model::{Unknown, task_names::Names};

/// Returns an assignment with one of few values for each field, so that neighbours often agree in
/// most.
fn drawn(rng: &mut Rng) -> Assignment {
    let addresses = [
        Ipv4Addr::new(10, 0, 0, 1).into(),
        "2001:db8::7".parse().unwrap(),
        Ipv4Addr::new(192, 168, 100, 200).into(),
    ];
    let names: [&[u8; 16]; 3] =
        [b"curl\0\0\0\0\0\0\0\0\0\0\0\0", b"a\"\\\n\0\0\0\0\0\0\0\0\0\0\0\0", &[0xff; 16]];
    let small = |rng: &mut Rng| rng.bool().then(|| rng.u32(0..3));
    let port = |rng: &mut Rng| rng.bool().then(|| rng.u16(443..446));
    let long = |rng: &mut Rng| rng.bool().then(|| rng.u64(0..3) << 40);
    let ranges = [None, Some(RangeInForce::of_netns(1, 9)), Some(RangeInForce::of_socket(1, 9))];
    Assignment {
        ts_ns: rng.u64(0..3) * 1_500_000_000,
        pid: small(rng),
        tid: small(rng),
        host_pid: small(rng),
        comm: rng.bool().then(|| Comm::from_kernel(*names[rng.usize(0..3)])),
        uid: small(rng),
        cgroup_id: long(rng),
        container: rng.bool().then(|| Arc::from(["a", "b\n", &"c".repeat(90)][rng.usize(0..3)])),
        names: rng.bool().then(|| {
            let mut name = || rng.bool().then(|| Arc::from(["a", "b\n"][rng.usize(0..2)]));
            Arc::new(Names {
                container_name: name(),
                image: name(),
                pod: name(),
                pod_namespace: name(),
                unit: name(),
            })
        }),
        flow: FlowKey {
            netns: small(rng),
            saddr: addresses[rng.usize(0..3)],
            daddr: rng.bool().then(|| addresses[rng.usize(0..3)]),
            dport: port(rng),
        },
        protocol: rng.choice(Protocol::ALL).copied(),
        origin: rng.choice(Origin::ALL).copied(),
        sport: port(rng),
        errno: rng.choice([None, Some(0), Some(98), Some(99)]).flatten(),
        latency_ns: long(rng),
        range: rng.choice(ranges).flatten(),
        word_step: small(rng),
        salt_epoch: long(rng),
        first_candidate: port(rng),
        tried: small(rng),
        pass: rng.choice(Pass::ALL),
        search_unknown: rng.choice(Unknown::ALL),
        step: rng.bool().then(|| rng.i32(-2..3)),
        resalted: rng.bool().then(|| rng.bool()),
        cookie: long(rng),
        hook: rng.choice(Hook::ALL).copied(),
        recording: 0,
        is_another: false,
    }
}

/// Returns the assignment with another value in one field, or in a field of the flow.
fn but_for_one(before: &Assignment, rng: &mut Rng) -> Assignment {
    let (mut next, other) = (before.clone(), drawn(rng));
    match rng.u8(0..29) {
        0 => next.ts_ns = other.ts_ns,
        1 => next.pid = other.pid,
        2 => next.tid = other.tid,
        3 => next.host_pid = other.host_pid,
        4 => next.comm = other.comm,
        5 => next.uid = other.uid,
        6 => next.cgroup_id = other.cgroup_id,
        7 => next.container = other.container,
        8 => next.flow.netns = other.flow.netns,
        9 => next.flow.saddr = other.flow.saddr,
        10 => next.flow.daddr = other.flow.daddr,
        11 => next.flow.dport = other.flow.dport,
        12 => next.protocol = other.protocol,
        13 => next.origin = other.origin,
        14 => next.sport = other.sport,
        15 => next.errno = other.errno,
        16 => next.latency_ns = other.latency_ns,
        17 => next.range = other.range,
        18 => next.salt_epoch = other.salt_epoch,
        19 => next.first_candidate = other.first_candidate,
        20 => next.tried = other.tried,
        21 => next.pass = other.pass,
        22 => next.search_unknown = other.search_unknown,
        23 => next.step = other.step,
        24 => next.cookie = other.cookie,
        25 => next.hook = other.hook,
        26 => next = other,
        27 => next.names = other.names,
        _ => {}
    }
    next
}

/// A sink that has written no line copies nothing.
#[test]
fn a_line_is_the_same_whatever_came_before() {
    let mut rng = Rng::with_seed(11);
    let mut rows = vec![drawn(&mut rng)];
    for _ in 1..20_000 {
        let next = but_for_one(&rows[rows.len() - 1], &mut rng);
        rows.push(next);
    }
    let together = json(&rows);
    for (line, row) in together.lines().zip(&rows) {
        assert_eq!(line, json(std::slice::from_ref(row)).trim_end(), "{row:?}");
    }
    assert_eq!(together.lines().count(), rows.len());
}
