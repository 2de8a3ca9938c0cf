//! From what is in use now to the facts that findings are made of, alone or beside what was counted.
//!
//! The only place that knows both `inventory` and `analyse`.

use crate::{
    analyse::findings::{DestinationFacts, Facts, Listener, NetnsFacts},
    event::PortRange,
    inventory::{Inventory, Namespace, namespace::Destination, owners::Owner},
};

/// What an inventory says by itself.
pub fn of_inventory(inventory: &Inventory) -> Facts {
    let destinations = inventory.namespaces.iter().flat_map(|namespace| {
        let fullest = namespace.destinations.iter();
        fullest.map(|one| in_use(namespace, one))
    });
    let conntrack = inventory.namespaces.iter().filter_map(|n| n.settings.conntrack);
    Facts {
        destinations: destinations.collect(),
        namespaces: inventory.namespaces.iter().map(namespace).collect(),
        // One table for all: each namespace tells its own share of the same limit.
        conntrack: conntrack.map(|c| (c.count, c.max)).max_by_key(|(count, _)| *count),
        ..Facts::default()
    }
}

/// Adds to what was counted what is in use: of the same destinations, and of those that are past a
/// mark although nothing was assigned.
pub fn add_inventory(facts: &mut Facts, inventory: &Inventory) {
    let Facts { destinations, namespaces, conntrack, .. } = of_inventory(inventory);
    for one in destinations {
        let mut is_known = false;
        let same = facts.destinations.iter_mut().filter(|mine| mine.is_same(&one));
        for mine in same.filter(|mine| mine.origin == Some("connect")) {
            mine.in_use = one.in_use;
            mine.usable = one
                .range
                .zip(one.usable)
                .map(|(netns, usable)| PortRange::usable(mine.range, netns, usable));
            mine.time_wait = one.time_wait;
            mine.reusable = one.reusable;
            is_known = true;
        }
        if !is_known {
            facts.destinations.push(one);
        }
    }
    facts.namespaces.extend(namespaces);
    facts.conntrack = facts.conntrack.max(conntrack);
}

fn in_use(namespace: &Namespace, one: &Destination) -> DestinationFacts {
    DestinationFacts {
        netns: Some(namespace.place.netns),
        saddr: Some(one.saddr),
        to: Some((one.daddr, one.dport)),
        origin: Some("connect"),
        process: one.holders.first().map(|holder| who(&holder.owner)),
        range: Some((namespace.settings.range[0], namespace.settings.range[1])),
        in_use: Some(one.in_use),
        usable: Some(namespace.settings.usable),
        time_wait: u32::try_from(one.by_state.time_wait).ok(),
        reusable: one.time_wait_reusable,
        ..DestinationFacts::default()
    }
}

fn namespace(namespace: &Namespace) -> NetnsFacts {
    let settings = &namespace.settings;
    let listening = namespace.bound.held.iter().filter(|held| held.state == "listen");
    let name = match (&namespace.place.name, namespace.place.own) {
        (_, true) => "this namespace".to_owned(),
        (Some(name), _) => format!("namespace {name}"),
        (None, _) => format!("netns {}", namespace.place.netns),
    };
    let mut listeners: Vec<Listener> = listening
        .filter(|held| !held.reserved)
        .map(|held| Listener { port: held.port, process: held.holder.as_ref().map(who) })
        .collect();
    listeners.dedup_by_key(|listener| listener.port);
    NetnsFacts {
        netns: namespace.place.netns,
        name,
        is_host: namespace.place.own,
        range: Some((settings.range[0], settings.range[1])),
        reserved: settings.reserved_runs.iter().copied().map(<(u16, u16)>::from).collect(),
        tw_reuse: settings.tw_reuse,
        listeners,
        bound: Some(namespace.bound.ports),
    }
}

fn who(owner: &Owner) -> String {
    let name = owner.comm.as_deref().unwrap_or("a process");
    owner.pid.map_or_else(|| name.to_owned(), |pid| format!("{name} ({pid})"))
}
