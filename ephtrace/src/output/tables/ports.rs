//! An inventory for people. The first line is the most important result; then comes each namespace.

mod fullest;
pub(super) mod words;

use std::io::{self, Write};

pub(super) use self::fullest::left;
use self::words::{HOLDER_WIDTH, asks, holder, holder_ports, percent, place, reuse, states, to};
use crate::inventory::{
    Inventory,
    asked::{Ask, Asked},
    bound::{Bound, Held},
    namespace::{DestinationUse, Mark, Namespace, NetnsSettings},
};
use crate::model::{Origin, PortRange};
use crate::output::{
    escape::escape_for_terminal,
    paper::Paper,
    width::{Left, width},
};

/// Number of listed bound ports of each namespace.
const LISTED_BOUND: usize = 10;

/// Number of holders in the first line.
const NAMED_HOLDERS: usize = 3;

/// Writes the whole inventory.
pub(crate) fn write(
    out: &mut impl Write,
    inventory: &Inventory,
    limit: usize,
    paper: Paper,
) -> io::Result<()> {
    headline(out, inventory)?;
    let mut inventory = inventory.clone();
    inventory.cut(limit);
    for namespace in &inventory.namespaces {
        writeln!(out)?;
        settings(out, namespace)?;
        in_use(out, namespace)?;
        fullest::write(out, namespace, paper)?;
        bound(out, &namespace.bound)?;
    }
    if !inventory.unreadable.is_empty() {
        writeln!(out)?;
    }
    for one in &inventory.unreadable {
        let name = one.name.as_deref().map(|name| format!(" ({})", escape_for_terminal(name)));
        let (netns, name) = (one.netns, name.unwrap_or_default());
        writeln!(out, "can't read netns {netns}{name}: {}", one.reason)?;
    }
    notes(out, &inventory)
}

/// Writes the first lines: the fullest destination, and shortages of those that ask for a port
/// without a destination, which come before it if it is not as full, or connects can take over most
/// of its ports.
fn headline(out: &mut impl Write, inventory: &Inventory) -> io::Result<()> {
    let fullest = inventory.fullest().filter(|(_, fullest)| fullest.mark != Mark::None);
    let fullest = fullest.map_or(0.0, |(_, fullest)| fullest.share);
    let scarce = inventory
        .namespaces
        .iter()
        .flat_map(|namespace| scarce(namespace).into_iter().map(move |asked| (namespace, asked)));
    let (before, after): (Vec<_>, Vec<_>) = scarce.partition(|(_, asked)| asked.share > fullest);
    for (namespace, asked) in before {
        scarce_line(out, inventory, namespace, asked)?;
    }
    fullest_line(out, inventory)?;
    after.into_iter().try_for_each(|(netns, asked)| scarce_line(out, inventory, netns, asked))
}

fn fullest_line(out: &mut impl Write, inventory: &Inventory) -> io::Result<()> {
    let Some((namespace, fullest)) = inventory.fullest() else {
        return writeln!(out, "no TCP connection uses a port of the range");
    };
    let (share, in_use, usable) =
        (percent(fullest.share), fullest.in_use, namespace.settings.usable);
    write!(out, "{}: {share} of the range in use, {in_use} of {usable} ports", to(fullest))?;
    if inventory.namespaces.len() > 1 {
        write!(out, ", in netns {}", place(namespace))?;
    }
    let DestinationUse { mark, first_left, time_wait_reusable, time_wait_reusable_now, .. } =
        fullest;
    let reusable = time_wait_reusable.unwrap_or(0);
    match (mark, first_left, time_wait_reusable_now.unwrap_or(0)) {
        (Mark::Full, ..) if reusable > 0 => write!(
            out,
            "; FULL: a connect fails unless it can take over one of {reusable} TIME_WAIT sockets"
        )?,
        (Mark::Full, ..) => write!(out, "; FULL: each connect fails with EADDRNOTAVAIL")?,
        (Mark::Half, 0, 0) => {
            let tried = namespace.settings.half_mark;
            write!(
                out,
                "; past the HALF mark: preferred-parity ports exhausted, so every connect scans \
                 {tried} used ports first"
            )?;
        }
        (Mark::Half, left, now) => {
            let left = left + now;
            write!(
                out,
                "; past the HALF mark, with {left} free ports of the parity that connect tries \
                 first"
            )?;
        }
        (Mark::None, ..) => {}
    }
    if reusable > 0 && *mark != Mark::Full {
        write!(out, "; connect can take over {reusable} of them in TIME_WAIT")?;
    }
    writeln!(out, "; {}", held_by(fullest))
}

/// Returns the ways of asking that find less than half of the ports; IPv6 only if it finds fewer
/// than IPv4, with whose sockets it conflicts, too.
fn scarce(namespace: &Namespace) -> Vec<&Asked> {
    let mut scarce: Vec<&Asked> = Vec::new();
    for asked in namespace.asked.iter().filter(|asked| asked.in_use > asked.left) {
        let is_same = |other: &&Asked| (other.ask, other.in_use) == (asked.ask, asked.in_use);
        if !scarce.iter().any(is_same) {
            scarce.push(asked);
        }
    }
    scarce
}

fn scarce_line(
    out: &mut impl Write,
    inventory: &Inventory,
    namespace: &Namespace,
    asked: &Asked,
) -> io::Result<()> {
    let Asked { ask, saddr, in_use, share, left, .. } = asked;
    let (what, share, usable) = (asks(*ask), percent(*share), namespace.settings.usable);
    write!(out, "{what} on {saddr}: {share} of the range in use, {in_use} of {usable} ports")?;
    if inventory.namespaces.len() > 1 {
        write!(out, ", in netns {}", place(namespace))?;
    }
    if *left == 0 {
        write!(out, "; FULL: the next one fails with {}", ask.error())?;
    }
    if asked.may_share {
        write!(out, "; with SO_REUSEADDR it can share a port")?;
    }
    let named: Vec<String> = asked.holders.iter().take(NAMED_HOLDERS).map(holder_ports).collect();
    if named.is_empty() { writeln!(out) } else { writeln!(out, "; held by {}", named.join(", ")) }
}

/// Returns the holders of a destination's ports, in words.
pub(super) fn held_by(destination: &DestinationUse) -> String {
    let DestinationUse { holders, other_holders, unknown_open, unknown_closed, .. } = destination;
    let named = holders.iter().take(NAMED_HOLDERS);
    let mut named: Vec<String> = named.map(holder_ports).collect();
    let unnamed: u32 = holders.iter().skip(NAMED_HOLDERS).map(|holder| holder.ports).sum();
    if other_holders + unnamed > 0 {
        named.push(format!("others {}", other_holders + unnamed));
    }
    let mut parts = Vec::new();
    if !named.is_empty() {
        parts.push(format!("held by {}", named.join(", ")));
    }
    if *unknown_open > 0 {
        parts.push(format!("{unknown_open} held by unseen processes"));
    }
    if *unknown_closed > 0 {
        parts.push(format!("{unknown_closed} closed, owner gone"));
    }
    parts.join("; ")
}

fn settings(out: &mut impl Write, namespace: &Namespace) -> io::Result<()> {
    let NetnsSettings { range: PortRange { low, high }, usable, half_mark, reserved, .. } =
        namespace.settings;
    line(out, "netns", &place(namespace))?;
    let parity = if namespace.settings.ends_of_equal_parity {
        "; its ends have the same parity, so connect may skip a port"
    } else {
        ""
    };
    let text = format!("{low}-{high}: {usable} ports usable, half mark at {half_mark}{parity}");
    line(out, "range", &text)?;
    let reserved = match namespace.settings.longest_reserved {
        None => "none in the range".to_owned(),
        Some(PortRange { low: port, .. }) if reserved == 1 => format!("1 in the range: {port}"),
        Some(PortRange { low, high }) if low == high => {
            format!("{reserved} in the range, none adjacent")
        }
        Some(PortRange { low, high }) => {
            format!("{reserved} in the range, longest block {low}-{high}")
        }
    };
    line(out, "reserved", &reserved)?;
    line(out, "reuse", reuse(&namespace.settings))?;
    if let Some(width) = namespace.settings.step_width.filter(|width| *width > 0) {
        line(out, "steps", &format!("random, ip_local_port_step_width {width}"))?;
    }
    if let Some(conntrack) = namespace.settings.conntrack {
        let text = format!("{} of {} entries", conntrack.count, conntrack.max);
        line(out, "conntrack", &text)?;
    }
    Ok(())
}

fn in_use(out: &mut impl Write, namespace: &Namespace) -> io::Result<()> {
    let Namespace { ports, even, odd, sockets, .. } = namespace;
    let states = states(&namespace.by_state);
    line(
        out,
        "in use",
        &format!("{ports} ports ({even} even, {odd} odd), {sockets} connections{states}"),
    )?;
    let (accepted, on_reserved) = (namespace.accepted, namespace.on_reserved);
    if accepted + on_reserved > 0 {
        let text = format!("{accepted} accepted by listeners, {on_reserved} on reserved ports");
        line(out, "not counted", &text)?;
    }
    let Bound { ports, listening, listening_unreserved, bound_only, connected, .. } =
        &namespace.bound;
    let only = match bound_only {
        Some(n) => n.to_string(),
        None => "unknown (sock_diag lists them from Linux 6.8 on)".to_owned(),
    };
    let connected = match connected {
        None | Some(0) => String::new(),
        Some(n) => format!("; {n} more bound, then connected"),
    };
    let text = format!(
        "{ports} ports, unavailable for every destination: {listening} listening \
         ({listening_unreserved} not reserved), only bound {only}{connected}"
    );
    line(out, "bound", &text)?;
    let (udp, ports) = (namespace.udp, namespace.udp.ports);
    let text = format!(
        "{} ports of the range ({} even, {} odd), {} sockets in all",
        ports.total(),
        ports.even,
        ports.odd,
        udp.sockets
    );
    line(out, "udp", &text)?;
    for ask in [Ask::Bind, Ask::Udp] {
        line(out, &format!("left to {}", ask.as_str()), &left_to(namespace, ask))?;
    }
    let tcp = namespace.tcp;
    if tcp.left_out > 0 {
        line(out, "left out", &format!("{} sockets, to bound memory", tcp.left_out))?;
    }
    if tcp.interrupted {
        line(
            out,
            "incomplete",
            "the socket list changed while it was read: sockets may be missing",
        )?;
    }
    Ok(())
}

/// Returns the free ports by address: `40 on 0.0.0.0, 38 on ::, of 100 ports`.
fn left_to(namespace: &Namespace, ask: Ask) -> String {
    let asked = namespace.asked.iter().filter(|asked| asked.ask == ask);
    let parts = asked.map(|Asked { saddr, left, unsure, .. }| match unsure {
        0 => format!("{left} on {saddr}"),
        unsure => format!("{} to {left} on {saddr}", left - unsure),
    });
    let parts: Vec<String> = parts.collect();
    format!("{}, of {} ports", parts.join(", "), namespace.settings.usable)
}

fn bound(out: &mut impl Write, bound: &Bound) -> io::Result<()> {
    if bound.held.is_empty() {
        return Ok(());
    }
    let listed = bound.held.iter().take(LISTED_BOUND);
    let columns = widest(listed.clone().map(holder));
    writeln!(out, "\nbound in the range:")?;
    writeln!(
        out,
        "{:>7} {:6} {:8} {:8} {:columns$} ADDRESS",
        "PORT", "STATE", "RESERVED", "ORIGIN", "HELD BY"
    )?;
    for held in listed {
        let Held { port, state, reserved, saddr, origin, sockets, .. } = held;
        let reserved = if *reserved { "yes" } else { "no" };
        let (origin, holder) = (origin.map_or("-", Origin::name), holder(held));
        let holder = Left(&holder, columns);
        write!(out, "{port:>7} {:6} {reserved:8} {origin:8} {holder} {saddr}", state.as_str())?;
        if *sockets > 1 {
            write!(out, " ({sockets} sockets)")?;
        }
        writeln!(out)?;
    }
    match bound.held.len().saturating_sub(LISTED_BOUND) + bound.others {
        0 => Ok(()),
        more => writeln!(out, "{more} more; --json lists them"),
    }
}

/// Returns the columns of the widest of `texts`.
fn widest(texts: impl Iterator<Item = String>) -> usize {
    texts.map(|text| width(&text)).fold(HOLDER_WIDTH, usize::max)
}

fn notes(out: &mut impl Write, inventory: &Inventory) -> io::Result<()> {
    let Inventory { hidden_processes, hidden_holders, openers_forgotten, .. } = inventory;
    let mut note = |text: String| writeln!(out, "\n{text}");
    if let Some(reason) = &inventory.processes_hidden_by {
        note(format!("Some port holders may be unknown: {reason}."))?;
    }
    if let Some(hidden) = hidden_processes.filter(|hidden| *hidden > 0) {
        note(format!("The namespaces of {hidden} processes are not readable; most need root."))?;
    }
    if let Some(hidden) = hidden_holders.filter(|hidden| *hidden > 0) {
        note(format!(
            "The open files of {hidden} processes are not readable, so holders may be missing; \
             most need root."
        ))?;
    }
    if *openers_forgotten > 0 {
        note(format!("State for {openers_forgotten} connections of the recording was evicted."))?;
    }
    let shown = inventory.namespaces.iter().flat_map(|one| &one.destinations);
    if shown.clone().any(|one| one.left_least < one.left) {
        note(
            "LEFT is a range because connected sockets may have been bound first, which uses up \
             their port for every destination. The kernel does not list this; a recording does: \
             --from FILE."
                .to_owned(),
        )?;
    }
    let closed: u64 = shown.map(|one| u64::from(one.unknown_closed)).sum();
    if closed > 0 && !inventory.openers_known {
        note(format!(
            "No process holds {closed} of the listed ports any more (they are in TIME_WAIT or \
             FIN_WAIT); a recording tells who opened them: --from FILE."
        ))?;
    }
    Ok(())
}

fn line(out: &mut impl Write, name: &str, text: &str) -> io::Result<()> {
    writeln!(out, "{name:<11} {text}")
}

#[cfg(test)]
mod tests;
