//! Uses of the columns of a table.

use super::names_of_others::{NAMES, TIMES};
use crate::model::{
    Protocol,
    columns::{COLUMNS, Column, Read},
};

/// Use of a column.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// One of ephtrace's own columns.
    Ours(&'static Column),
    /// A time in another format.
    Time,
    /// One of ephtrace's columns under another name; for tshark, which has one for each protocol,
    /// with the protocol.
    Named(&'static Column, Option<Protocol>),
    SynFlag,
    AckFlag,
    ResetFlag,
    /// All flags of TCP as a hexadecimal number.
    Flags,
    Sequence,
    /// Zeek's history of a connection's packets, one letter each.
    History,
    /// tcptracer's event: it connects, accepts, or closes.
    Event,
    /// State that tcpstates saw end.
    OldState,
    Other,
}

/// Returns the roles of the columns with these names.
pub(super) fn roles(header: &[String]) -> Vec<Role> {
    let role = if is_of_servers(header) { servers_role } else { role };
    header.iter().map(|name| role(&name.trim().to_lowercase())).collect()
}

pub(super) fn column(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name == name)
}

fn role(name: &str) -> Role {
    if let Some(column) = column(name).filter(|column| !matches!(column.read, Read::Derived)) {
        return Role::Ours(column);
    }
    let named = NAMES.iter().find(|(other, _)| *other == name).and_then(|(_, ours)| column(ours));
    let of = name.split_once('.').and_then(|(protocol, _)| Protocol::from_name(protocol));
    match (named, name) {
        (Some(column), _) => Role::Named(column, of),
        (None, "tcp.flags.syn") => Role::SynFlag,
        (None, "tcp.flags.ack") => Role::AckFlag,
        (None, "tcp.flags.reset") => Role::ResetFlag,
        (None, "tcp.flags") => Role::Flags,
        (None, "tcp.seq_raw") => Role::Sequence,
        (None, "history") => Role::History,
        (None, "t" | "event" | "type") => Role::Event,
        (None, "oldstate") => Role::OldState,
        (None, _) if TIMES.contains(&name) => Role::Time,
        (None, _) => Role::Other,
    }
}

/// Returns whether a table has the connections that servers accepted, as tcpaccept's: the client's
/// end comes first.
fn is_of_servers(header: &[String]) -> bool {
    let place =
        |wanted: &str| header.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
    place("raddr").zip(place("laddr")).is_some_and(|(remote, local)| remote < local)
}

/// Returns whether a table has sockets, and does not tell which side began.
pub(super) fn is_of_sockets(header: &[String]) -> bool {
    let has = |wanted: &str| header.iter().any(|name| name.trim().eq_ignore_ascii_case(wanted));
    has("laddr") && !has("oldstate") && !is_of_servers(header)
}

/// Returns the role of a column of such a table, whose process is the server.
fn servers_role(name: &str) -> Role {
    match name {
        "raddr" => role("laddr"),
        "rport" => role("lport"),
        "laddr" => role("raddr"),
        "lport" => role("rport"),
        "pid" | "comm" | "task" | "uid" => Role::Other,
        _ => role(name),
    }
}
