//! Names, shares and states in words.

use crate::{
    inventory::{
        asked::Ask,
        bound::Held,
        namespace::{DestinationUse, Namespace, NetnsRef, NetnsSettings},
        owners::{Holder, Owner},
        socket::ByState,
    },
    model::human_share::HumanShare,
    output::escape::escape_for_terminal,
};

pub(super) fn asks(ask: Ask) -> &'static str {
    match ask {
        Ask::Bind => "bind() to port 0",
        Ask::Udp => "a UDP socket",
    }
}

pub(super) fn holder_ports(holder: &Holder) -> String {
    format!("{} {}", group(holder), holder.ports)
}

pub(super) fn reuse(settings: &NetnsSettings) -> &'static str {
    match (settings.tw_reuse, settings.timestamps) {
        (Some(_), Some(0)) => "tcp_timestamps 0: TIME_WAIT keeps a port for a minute",
        (Some(0), _) => "tcp_tw_reuse 0: TIME_WAIT keeps a port for a minute",
        (Some(1), _) => "tcp_tw_reuse 1: connect can take over a TIME_WAIT socket after a second",
        (Some(2), _) => "tcp_tw_reuse 2: connect can take over a TIME_WAIT socket on loopback only",
        _ => "tcp_tw_reuse unknown",
    }
}

pub(in crate::output::tables) fn states(by_state: &ByState) -> String {
    let some = by_state.named().into_iter().filter(|(_, n)| *n > 0);
    let parts: Vec<String> = some.map(|(state, n)| format!("{n} {state}")).collect();
    if parts.is_empty() { String::new() } else { format!(": {}", parts.join(", ")) }
}

pub(super) fn holder(held: &Held) -> String {
    held.holder.as_ref().map_or("-".to_owned(), who)
}

pub(super) fn place(namespace: &Namespace) -> String {
    let NetnsRef { netns, name, own, processes, .. } = &namespace.place;
    let mut about: Vec<String> = name.iter().map(|name| escape_for_terminal(name)).collect();
    if *own {
        about.push("own".to_owned());
    }
    if *processes == Some(0) {
        about.push("no process seen in it".to_owned());
    }
    if about.is_empty() { netns.to_string() } else { format!("{netns} ({})", about.join(", ")) }
}

pub(super) fn to(destination: &DestinationUse) -> String {
    let saddr = destination.flow.saddr;
    destination.flow.remote().map_or_else(|| saddr.to_string(), |to| format!("{saddr} -> {to}"))
}

/// Least width of a holder's name in columns.
pub(super) const HOLDER_WIDTH: usize = 20;

/// Returns a process and its container: `pgbouncer (181)`.
pub(in crate::output::tables) fn who(owner: &Owner) -> String {
    let comm = owner.comm.as_deref().map_or("?".to_owned(), escape_for_terminal);
    let pid = owner.pid.map_or("?".to_owned(), |pid| pid.to_string());
    match owner.container_label() {
        Some(container) => format!("{comm} ({pid}) {}", escape_for_terminal(container)),
        None => format!("{comm} ({pid})"),
    }
}

/// Returns `pgbouncer (181)`, or `php-fpm (25 processes)`, and their container.
pub(super) fn group(Holder { owner, group, processes, .. }: &Holder) -> String {
    if let Some(group) = group {
        let group = escape_for_terminal(group);
        return if *processes < 2 { group } else { format!("{group} ({processes} processes)") };
    }
    if *processes < 2 {
        return who(owner);
    }
    let comm = owner.comm.as_deref().map_or("?".to_owned(), escape_for_terminal);
    match owner.container_label() {
        Some(container) => {
            format!("{comm} ({processes} processes) {}", escape_for_terminal(container))
        }
        None => format!("{comm} ({processes} processes)"),
    }
}

/// Returns a share in percent.
pub(super) fn percent(share: f64) -> String {
    HumanShare(share).to_string()
}
