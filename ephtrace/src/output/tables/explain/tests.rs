use std::net::IpAddr;

use super::*;
use crate::{
    inventory::{
        census::tests::sysctls,
        explain::{Hidden, Question, Seen, answer},
        owners::{OpenSockets, Owners, Process},
        past_owners::PastOwners,
        socket::{Socket, TcpState},
    },
    model::{Comm, task_names::Membership},
};

/// Returns three connections of a pool, one TIME_WAIT, a listener, in a range of six.
fn seen() -> Seen {
    let here: IpAddr = [10, 0, 0, 1].into();
    let connected = |sport, state| Socket {
        inode: if state == TcpState::TimeWait { 0 } else { 77 },
        ..Socket::new(here, [10, 0, 0, 2].into(), sport, 5432, state)
    };
    let waiting =
        Socket { time_wait_left_ms: Some(41_000), ..connected(40_003, TcpState::TimeWait) };
    let listening = Socket {
        inode: 78,
        ..Socket::new(here, IpAddr::from([0, 0, 0, 0]), 40_004, 0, TcpState::Listen)
    };
    let open = (40_000..40_003).map(|sport| connected(sport, TcpState::Established));
    Seen {
        netns: 7,
        sysctls: sysctls(40_000, 40_005, &[]),
        tcp: open.chain([waiting, listening]).collect(),
        udp: Vec::new(),
        hidden: Hidden::default(),
        source: Some(Ok(here)),
        is_local: Some(true),
        privileged_below: 1024,
        probed: Vec::new(),
    }
}

fn text(question: &Question) -> String {
    let mut open = OpenSockets::default();
    for (inode, pid, name) in [(77, 181, "pool"), (78, 204, "nginx")] {
        let comm = Some(Comm::new(name));
        open.insert(inode, Process { pid, comm, of: Membership::default() }.into());
    }
    let past_owners = PastOwners::default();
    let owners = Owners::new(&open, &past_owners);
    let answer = answer(question, &seen(), owners);
    let mut out = Vec::new();
    let explained = Explained { answer: &answer, in_use: None, findings: &[] };
    write(&mut out, &explained, Paper::default()).unwrap();
    write_json(&mut out, &explained).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_destination() {
    insta::assert_snapshot!(text(&Question::Destination("10.0.0.2:5432".parse().unwrap())));
}

#[test]
fn a_port() {
    insta::assert_snapshot!(text(&Question::Port { port: 40_004, transport: None }));
}

#[test]
fn a_tuple() {
    let (from, to) = ("10.0.0.1:40003".parse().unwrap(), "10.0.0.2:5432".parse().unwrap());
    insta::assert_snapshot!(text(&Question::Tuple { from, to }));
}
