//! From what is in use now to the facts that findings are made of, alone or beside what was counted.
//!
//! The only place that knows both `inventory` and `analyse`.

use std::path::Path;

use crate::{
    analyse::findings::{DestinationFacts, Facts, Listener, NetnsFacts, Tracker},
    event::PortRange,
    inventory::{
        Inventory, Namespace,
        namespace::{Destination, Place},
        owners::Owner,
    },
};

/// What an inventory says by itself.
pub fn of_inventory(inventory: &Inventory) -> Facts {
    let destinations = inventory.namespaces.iter().flat_map(|namespace| {
        let fullest = namespace.destinations.iter();
        fullest.map(|one| in_use(namespace, one))
    });
    let conntrack = inventory.namespaces.iter().filter_map(|n| {
        let conntrack = n.settings.conntrack?;
        Some(Tracker { count: conntrack.count, max: conntrack.max, netns: n.place.netns })
    });
    let own = inventory.namespaces.iter().find(|n| n.place.own);
    Facts {
        destinations: destinations.collect(),
        namespaces: inventory.namespaces.iter().map(namespace).collect(),
        own_netns: own.map(|n| n.place.netns),
        conntrack: conntrack.max(),
        ..Facts::default()
    }
}

/// Adds to what was counted what is in use: of the same destinations, and of those that are past a
/// mark although nothing was assigned.
pub fn add_inventory(facts: &mut Facts, inventory: &Inventory) {
    let Facts { destinations, namespaces, own_netns, conntrack, .. } = of_inventory(inventory);
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
    facts.own_netns = facts.own_netns.or(own_netns);
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
        enter: enter(&namespace.place),
        range: Some((settings.range[0], settings.range[1])),
        reserved: settings.reserved_runs.iter().copied().map(<(u16, u16)>::from).collect(),
        tw_reuse: settings.tw_reuse,
        listeners,
        bound: Some(namespace.bound.ports),
    }
}

/// What to type before a command so that it runs in there. Names are others' choice: one that a shell
/// would not take as it is, is left out.
fn enter(place: &Place) -> Option<String> {
    let door = place.door.as_deref();
    let name = place.name.as_deref().filter(|name| !name.contains('/'));
    if let Some(name) = name.filter(|name| is_plain(name) && !door.is_some_and(is_elsewhere)) {
        return Some(format!("ip netns exec {name}"));
    }
    let door = door?.to_str().filter(|door| is_plain(door))?;
    Some(format!("nsenter --net={door}"))
}

/// Whether it is mounted where only another process sees it: `/proc/PID/root/…`.
fn is_elsewhere(door: &Path) -> bool {
    door.starts_with("/proc") && door.iter().nth(3).is_some_and(|part| part == "root")
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "/_.:@-".contains(c))
}

fn who(owner: &Owner) -> String {
    let name = owner.comm.as_deref().unwrap_or("a process");
    owner.pid.map_or_else(|| name.to_owned(), |pid| format!("{name} ({pid})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_entered_by_its_name_or_its_door() {
        let enter = |name: Option<&str>, door: &str| {
            let name = name.map(str::to_owned);
            enter(&Place { name, door: Some(door.into()), ..Place::default() })
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(enter(Some("blue"), "/run/netns/blue"), is("ip netns exec blue"));
        assert_eq!(enter(Some("blue"), "/proc/7/ns/net"), is("ip netns exec blue"));
        assert_eq!(enter(None, "/proc/7/ns/net"), is("nsenter --net=/proc/7/ns/net"));
        assert_eq!(enter(Some("/x/y"), "/x/y"), is("nsenter --net=/x/y"));
        let elsewhere = "/proc/7/root/run/netns/blue";
        assert_eq!(enter(Some("blue"), elsewhere), is(&format!("nsenter --net={elsewhere}")));
        assert_eq!(enter(Some("a;b"), "/run/netns/a;b"), None);
    }
}
