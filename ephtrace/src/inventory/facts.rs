//! Conversion of the ports in use to the facts of findings, alone or combined with counts of
//! assignments.
//!
//! No other file knows both `inventory` and `analyse`.

use std::path::{Path, PathBuf};

use super::{
    Inventory, Namespace,
    asked::Asked,
    bound::HeldState,
    namespace::{DestinationUse, NetnsRef},
    owners::{Holder, Owner, Program},
    sysctls::TrackerCounts,
};
use crate::{
    analyse::findings::{
        AskedFacts, DestinationFacts, Facts, Listener, NetnsFacts, StateFacts, TrackedFacts,
        Tracker,
    },
    model::{
        Origin, PortRange,
        who::{in_container, process_name},
    },
};

/// Number of holders that a sentence names if none has most of the ports.
const NAMED: usize = 3;

/// Returns the facts in an inventory alone.
pub fn of_inventory(inventory: &Inventory) -> Facts {
    let destinations = inventory.namespaces.iter().flat_map(|namespace| {
        let fullest = namespace.destinations.iter();
        fullest.map(|one| in_use(namespace, one, None))
    });
    let conntrack = inventory.namespaces.iter().filter_map(|n| {
        let conntrack = n.settings.conntrack?;
        Some(Tracker { count: conntrack.count, max: conntrack.max, netns: n.place.netns })
    });
    let own = inventory.namespaces.iter().find(|n| n.place.own);
    let asked = inventory.namespaces.iter().flat_map(|n| n.asked.iter().map(|one| asked(n, one)));
    Facts {
        destinations: destinations.collect(),
        asked: asked.collect(),
        namespaces: inventory.namespaces.iter().map(namespace).collect(),
        own_netns: own.map(|n| n.place.netns),
        conntrack: conntrack.max(),
        ..Facts::default()
    }
}

/// Adds the ports in use to counted facts: of the same destinations, and of those that are past a
/// mark although nothing was assigned.
pub fn add_inventory(facts: &mut Facts, inventory: &Inventory) {
    let Facts { namespaces, asked, own_netns, conntrack, .. } = of_inventory(inventory);
    for namespace in &inventory.namespaces {
        for one in &namespace.destinations {
            add_in_use(facts, namespace, one);
        }
    }
    facts.namespaces.extend(namespaces);
    facts.asked.extend(asked);
    facts.own_netns = facts.own_netns.or(own_netns);
    facts.conntrack = facts.conntrack.max(conntrack);
}

fn add_in_use(facts: &mut Facts, namespace: &Namespace, one: &DestinationUse) {
    let by_itself = in_use(namespace, one, None);
    let mut is_known = false;
    let same = facts.destinations.iter_mut().filter(|mine| mine.is_same(&by_itself));
    let of_tcp = |origin| matches!(origin, Some(Origin::Connect | Origin::Explicit));
    for mine in same.filter(|mine| of_tcp(mine.origin)) {
        let now = in_use(namespace, one, mine.range);
        mine.in_use = now.in_use;
        mine.left = now.left;
        mine.unsure = now.unsure;
        mine.usable = now.usable;
        mine.time_wait = now.time_wait;
        mine.reusable = now.reusable;
        mine.reusable_now = now.reusable_now;
        mine.states = now.states;
        mine.held_by = now.held_by;
        mine.in_container |= now.in_container;
        is_known |= mine.origin == Some(Origin::Connect);
    }
    if !is_known {
        facts.destinations.push(by_itself);
    }
}

/// Returns the ports in use as a socket with `range` sees them: other ports don't count.
fn in_use(
    namespace: &Namespace,
    one: &DestinationUse,
    range: Option<PortRange>,
) -> DestinationFacts {
    let part = namespace.settings.part(range);
    let (in_use, time_wait) = one.in_use_in(part);
    DestinationFacts {
        flow: one.flow,
        origin: Some(Origin::Connect),
        held_by: held_by(&one.holders, one.program.as_ref(), one.in_use),
        in_container: one.holders.iter().any(|holder| holder.owner.container.is_some()),
        range: Some(namespace.settings.range),
        in_use: Some(in_use),
        left: Some(namespace.left_in(one, part)),
        unsure: Some(one.left - one.left_least),
        usable: Some(namespace.settings.usable_in(part)),
        time_wait: Some(time_wait),
        // Either all of one destination may be taken over, or none.
        reusable: one.time_wait_reusable.map(|all| all.min(time_wait)),
        reusable_now: one.time_wait_reusable_now.map(|all| all.min(time_wait)),
        states: Some(StateFacts {
            syn_sent: one.by_state.syn_sent,
            syn_resent: one.syn_resent.into(),
            close_wait: one.by_state.close_wait,
            fin_wait2: one.by_state.fin_wait2,
            orphans: one.orphans.into(),
            all: one.in_use.into(),
        }),
        ..DestinationFacts::default()
    }
}

fn asked(namespace: &Namespace, asked: &Asked) -> AskedFacts {
    AskedFacts {
        netns: namespace.place.netns,
        ask: asked.ask.as_str(),
        error: asked.ask.error(),
        saddr: asked.saddr,
        in_use: asked.in_use,
        usable: namespace.settings.usable,
        time_wait_reusable: asked.time_wait_reusable,
        unsure: asked.unsure,
        may_share: asked.may_share,
        held_by: held_by(&asked.holders, asked.program.as_ref(), asked.in_use),
    }
}

/// Returns `mostly php-fpm (25 processes in 2 containers)` if one program has more than half of the
/// `ports`; else the holders with their numbers.
fn held_by(holders: &[Holder], program: Option<&Program>, ports: u32) -> Option<String> {
    if let Some(program) = program.filter(|program| 2 * program.ports > ports) {
        let is_all = |holder: &&Holder| {
            holder.owner.comm.as_deref() == Some(&*program.comm) && holder.ports == program.ports
        };
        let container = holders.iter().find(is_all).and_then(|all| all.owner.container_label());
        let name = many(&program.comm, program.pid, program);
        return Some(format!("mostly {}", in_container(name, container)));
    }
    let named =
        holders.iter().take(NAMED).map(|holder| format!("{} {}", who(holder), holder.ports));
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| format!("held by {}", named.join(", ")))
}

/// Returns `curl (4711)`, `php-fpm (25 processes)` or `php-fpm (25 processes in 2 containers)`.
fn many(name: &str, pid: Option<u32>, program: &Program) -> String {
    match (program.processes, program.containers, pid) {
        (0 | 1, _, Some(pid)) => format!("{name} ({pid})"),
        (0 | 1, _, None) => name.to_owned(),
        (processes, 0 | 1, _) => format!("{name} ({processes} processes)"),
        (processes, containers, _) => {
            format!("{name} ({processes} processes in {containers} containers)")
        }
    }
}

fn who(holder: &Holder) -> String {
    if let Some(group) = &holder.group {
        return match holder.processes {
            0 | 1 => group.clone(),
            many => format!("{group} ({many} processes)"),
        };
    }
    let (comm, container) = (&holder.owner.comm, holder.owner.container_label());
    if holder.processes < 2 {
        return owner(&holder.owner);
    }
    let name = comm.as_deref().unwrap_or("a program");
    in_container(format!("{name} ({} processes)", holder.processes), container)
}

fn namespace(namespace: &Namespace) -> NetnsFacts {
    let settings = &namespace.settings;
    let listening = namespace.bound.held.iter().filter(|held| held.state == HeldState::Listen);
    let name = match (&namespace.place.name, namespace.place.own) {
        (_, true) => "this namespace".to_owned(),
        (Some(name), _) => format!("namespace {name}"),
        (None, _) => format!("netns {}", namespace.place.netns),
    };
    let mut listeners: Vec<Listener> = listening
        .filter(|held| !held.reserved)
        .map(|held| Listener { port: held.port, process: held.holder.as_ref().map(owner) })
        .collect();
    listeners.dedup_by_key(|listener| listener.port);
    NetnsFacts {
        netns: namespace.place.netns,
        name,
        is_host: namespace.place.own,
        enter: enter(&namespace.place),
        range: Some(settings.range),
        reserved: settings.reserved_runs.clone(),
        tw_reuse: settings.tw_reuse,
        timestamps: settings.timestamps,
        tracked: settings.conntrack.and_then(|conntrack| conntrack.counts).map(tracked),
        listeners,
        listening: namespace.listening.clone(),
        step_width: settings.step_width,
        bound: Some(namespace.bound.ports),
    }
}

/// Returns the facts about another namespace of which only the name is known, for remedies.
pub fn of_name(netns: u32, name: &str) -> NetnsFacts {
    let ns_path = name.starts_with('/').then(|| PathBuf::from(name));
    let place = NetnsRef { netns, name: Some(name.to_owned()), ns_path, ..NetnsRef::default() };
    NetnsFacts {
        netns,
        name: format!("namespace {name}"),
        enter: enter(&place),
        ..NetnsFacts::default()
    }
}

/// Returns the command prefix that enters the namespace. Others choose its names, so one that needs
/// quoting in a shell is left out.
fn enter(place: &NetnsRef) -> Option<String> {
    let ns_path = place.ns_path.as_deref();
    let name = place.name.as_deref().filter(|name| !name.contains('/'));
    if let Some(name) = name.filter(|name| is_plain(name) && !ns_path.is_some_and(is_elsewhere)) {
        return Some(format!("ip netns exec {name}"));
    }
    let ns_path = ns_path?.to_str().filter(|ns_path| is_plain(ns_path))?;
    Some(format!("nsenter --net={ns_path}"))
}

/// Returns whether it is mounted where only another process sees it: `/proc/PID/root/…`.
fn is_elsewhere(ns_path: &Path) -> bool {
    ns_path.starts_with("/proc") && ns_path.iter().nth(3).is_some_and(|part| part == "root")
}

fn is_plain(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "/_.:@-".contains(c))
}

fn tracked(counts: TrackerCounts) -> TrackedFacts {
    let TrackerCounts { insert_failed, drop, early_drop, search_restart } = counts;
    TrackedFacts { insert_failed, drop, early_drop, search_restart, is_now: false }
}

fn owner(owner: &Owner) -> String {
    let name = process_name(owner.comm.as_deref(), owner.pid, owner.container_label());
    name.unwrap_or_else(|| "a process".to_owned())
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;
    use crate::{
        inventory::sysctls::Sysctls,
        inventory::{
            PastOwners,
            census::{Census, Listing},
            owners::{OpenSockets, Owners},
            port_set::PortSet,
            socket::{Socket, TcpState},
        },
        model::{FlowKey, PortRange},
    };

    /// Creates an inventory with the default range; 5000 ports in use at its upper end, 10 in
    /// `TIME_WAIT` from 40000 on.
    fn inventory() -> Inventory {
        let to = |sport, state| {
            Socket::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), sport, 443, state)
        };
        let open = (55_000..60_000).map(|port| to(port, TcpState::Established));
        let waiting = (40_000..40_010).map(|port| to(port, TcpState::TimeWait));
        let in_range = open.chain(waiting).collect();
        let mut reserved = PortSet::default();
        reserved.extend(40_090..40_200);
        let sysctls = Sysctls {
            range: PortRange::new(32_768, 60_999),
            reserved,
            step_width: None,
            tw_reuse: Some(1),
            tw_reuse_delay_ms: None,
            timestamps: Some(1),
            autobind_reuse: Some(false),
            conntrack: None,
        };
        let (open, past_owners) = (OpenSockets::default(), PastOwners::default());
        let listing = Listing { in_range, ..Listing::default() };
        let census = Census::new(NetnsRef { netns: 7, ..NetnsRef::default() }, sysctls, listing);
        Inventory {
            ts_ns: 0,
            namespaces: vec![census.describe(10, Owners::new(&open, &past_owners))],
            unreadable: Vec::new(),
            hidden_processes: None,
            hidden_holders: Some(0),
            processes_hidden_by: None,
            openers_known: false,
            openers_forgotten: 0,
        }
    }

    #[test]
    fn a_socket_with_its_own_range_finds_only_what_is_in_there() {
        let with = |range| {
            let one = DestinationFacts {
                flow: FlowKey {
                    netns: Some(7),
                    saddr: [10, 0, 0, 1].into(),
                    daddr: Some([10, 0, 0, 2].into()),
                    dport: Some(443),
                },
                origin: Some(Origin::Connect),
                range: Some(range),
                ..DestinationFacts::default()
            };
            let mut facts = Facts { destinations: vec![one], ..Facts::default() };
            add_inventory(&mut facts, &inventory());
            let [one] = &*facts.destinations else { panic!("{facts:?}") };
            [one.in_use, one.usable, one.time_wait, one.reusable].map(Option::unwrap)
        };
        assert_eq!(with(PortRange::new(40_000, 40_099)), [10, 90, 10, 10]);
        assert_eq!(with(PortRange::new(40_005, 40_006)), [2, 2, 2, 2]);
        assert_eq!(with(PortRange::new(50_000, 50_099)), [0, 100, 0, 0]);
        assert_eq!(with(PortRange::new(32_768, 60_999)), [5010, 28_122, 10, 10]);
        // The range was another when it connected.
        assert_eq!(with(PortRange::new(1024, 2000)), [5010, 28_122, 10, 10]);
        assert_eq!(with(PortRange::new(1024, 65_535)), [5010, 28_122, 10, 10]);
    }

    #[test]
    fn who_has_the_ports_is_named_with_its_container() {
        let holder = |comm: &str, container: Option<&str>, ports| Holder {
            owner: Owner {
                pid: Some(7),
                comm: Some(comm.to_owned()),
                container: container.map(str::to_owned),
                ..Owner::default()
            },
            group: None,
            processes: 1,
            ports,
            open: ports,
            closed: 0,
        };
        let program = |containers, ports| Program {
            comm: "pool".to_owned(),
            pid: Some(7),
            processes: 1,
            containers,
            ports,
        };
        let said = |holders: &[Holder], program: Option<Program>| {
            held_by(holders, program.as_ref(), 100).unwrap()
        };
        let inside = holder("pool", Some("4f3a9c1be2d7"), 90);
        assert_eq!(
            said(slice::from_ref(&inside), Some(program(1, 90))),
            "mostly pool (7) in 4f3a9c1be2d7"
        );
        // Some of its ports are elsewhere.
        assert_eq!(said(slice::from_ref(&inside), Some(program(1, 95))), "mostly pool (7)");
        let others = [holder("web", None, 20), holder("job", Some("aaaaaaaaaaaa"), 9)];
        assert_eq!(said(&others, None), "held by web (7) 20, job (7) in aaaaaaaaaaaa 9");
    }

    #[test]
    fn a_namespace_is_entered_by_its_name_or_its_door() {
        let enter = |name: Option<&str>, ns_path: &str| {
            let name = name.map(str::to_owned);
            enter(&NetnsRef { name, ns_path: Some(ns_path.into()), ..NetnsRef::default() })
        };
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(enter(Some("blue"), "/run/netns/blue"), is("ip netns exec blue"));
        assert_eq!(enter(Some("blue"), "/proc/7/ns/net"), is("ip netns exec blue"));
        assert_eq!(enter(None, "/proc/7/ns/net"), is("nsenter --net=/proc/7/ns/net"));
        assert_eq!(enter(Some("/x/y"), "/x/y"), is("nsenter --net=/x/y"));
        let elsewhere = "/proc/7/root/run/netns/blue";
        assert_eq!(enter(Some("blue"), elsewhere), is(&format!("nsenter --net={elsewhere}")));
        assert_eq!(enter(Some("a;b"), "/run/netns/a;b"), None);
        assert_eq!(of_name(7, "blue").enter, is("ip netns exec blue"));
        assert_eq!(of_name(7, "/x/y").enter, is("nsenter --net=/x/y"));
    }
}
