//! Holder of a port, or of a connection, that another socket was refused. The kernel is asked at
//! once, since a `TIME_WAIT` is gone in a minute.

use std::path::{Path, PathBuf};

use super::{
    holders::{self, Wanted},
    netns::{self, Found},
    ns_file::NsFile,
    sock_diag::{self, Transport},
};
use crate::{
    analyse::findings::{DestinationFacts, TakenBy},
    inventory::socket::Socket,
    model::{Comm, FlowKey, who::process_name},
};

/// Maximum number of lookups: findings name no more of one kind.
const MAX_ASKED: usize = 6;

const PROC: &str = "/proc";

/// Fills in the sockets that block those that were refused a port.
pub fn add(destinations: &mut [DestinationFacts]) {
    let refused = destinations.iter_mut().filter(|d| d.refused > d.no_address);
    for one in refused.take(MAX_ASKED) {
        let Some(port) = one.refused_port else { continue };
        one.taken_by = inside(one, || find(&one.flow, port)).flatten();
    }
}

/// Runs `look` inside the namespace of `one`; `None` if it can't be entered.
fn inside<T: Send>(one: &DestinationFacts, look: impl FnOnce() -> T + Send) -> Option<T> {
    let netns = one.flow.netns?;
    if netns::own().ok() == Some(netns) {
        return Some(look());
    }
    let by_process = one.pid.map(|pid| PathBuf::from(format!("{PROC}/{pid}/ns/net")));
    let mut found = Found {
        netns,
        doors: by_process.map(NsFile::new).into_iter().collect(),
        ..Found::default()
    };
    if let Ok(all) = netns::find_all(Path::new(PROC))
        && let Some(other) = all.found.get(&netns)
    {
        found.doors.extend(other.doors.iter().cloned());
    }
    found.inside(look).ok()
}

fn find(flow: &FlowKey, port: u16) -> Option<TakenBy> {
    let by_udp = || find_by(Transport::Udp, flow, port).filter(|_| !flow.has_destination());
    let socket = find_by(Transport::Tcp, flow, port).or_else(by_udp)?;
    let wanted: Wanted = [socket.inode].into_iter().filter(|inode| *inode != 0).collect();
    let holders = holders::find(Path::new(PROC), wanted).ok()?;
    let process = holders.open.get(&socket.inode);
    let who = process.and_then(|process| {
        let comm = process.comm.as_ref().map(Comm::as_str);
        process_name(comm, Some(process.pid), process.of.label().map(|label| &**label))
    });
    Some(TakenBy { state: socket.state.ss_name(), who })
}

fn find_by(transport: Transport, flow: &FlowKey, port: u16) -> Option<Socket> {
    let mut found: Option<Socket> = None;
    let see = |socket: Socket| {
        // Of several sockets, prefer one that a process has open.
        let is_better = found.is_none_or(|before| before.inode == 0 && socket.inode != 0);
        if is_better && is_in_the_way(&socket, flow, port) {
            found = Some(socket);
        }
    };
    sock_diag::list(transport, see).ok()?;
    found
}

fn is_in_the_way(socket: &Socket, flow: &FlowKey, port: u16) -> bool {
    if socket.sport != port {
        return false;
    }
    if flow.has_destination() {
        return (socket.saddr, Some(socket.daddr), Some(socket.dport))
            == (flow.saddr, flow.daddr, flow.dport);
    }
    let is_same = socket.saddr == flow.saddr;
    is_same || socket.saddr.is_unspecified() || flow.saddr.is_unspecified()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::model::Origin;

    fn refused(flow: FlowKey, port: u16) -> TakenBy {
        let one = DestinationFacts {
            flow: FlowKey { netns: netns::own().ok(), ..flow },
            origin: Some(Origin::Explicit),
            refused: 1,
            refused_port: Some(port),
            ..DestinationFacts::default()
        };
        let mut all = [one];
        add(&mut all);
        all[0].taken_by.clone().unwrap()
    }

    #[test]
    fn a_listener_and_a_connection_are_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listener.local_addr().unwrap();
        let client = TcpStream::connect(there).unwrap();
        let own = format!("({})", std::process::id());
        let flow = FlowKey { saddr: there.ip(), ..FlowKey::default() };
        let found = refused(flow, there.port());
        assert!(found.who.unwrap().ends_with(&own));
        let flow = FlowKey { daddr: Some(there.ip()), dport: Some(there.port()), ..flow };
        let found = refused(flow, client.local_addr().unwrap().port());
        assert_eq!(found.state, "ESTAB");
        assert!(found.who.unwrap().ends_with(&own));
    }
}
