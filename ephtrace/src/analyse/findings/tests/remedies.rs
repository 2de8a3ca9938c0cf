//! Remedies: settings in the right namespace, and ports that must stay reserved.

use insta::assert_snapshot;

use super::{
    super::{DestinationFacts, Facts, NetnsFacts, Rule, findings, remedies},
    destination, flow, host,
};
use crate::{analyse::reuse::Reuse, model::PortRange};

#[test]
fn a_block_is_left_out_where_nearly_all_ports_are_beside_it() {
    let remedy = |reserved| {
        let host = NetnsFacts {
            range: Some(PortRange::new(32_768, 60_999)),
            reserved: vec![reserved],
            ..host()
        };
        let found = findings(&Facts { namespaces: vec![host], ..Facts::default() });
        let block = found.into_iter().find(|finding| finding.rule == Rule::ReservedBlock);
        block.map(|block| block.remedies)
    };
    let range = |low, high| {
        let remedies = remedy(PortRange::new(low, high))?;
        let text = remedies.iter().find_map(|remedy| remedy.split_once("port_range="));
        Some(text.map(|(_, range)| range.to_owned()))
    };
    let is = |text: &str| Some(Some(format!("{text:?}")));
    assert_eq!(range(45_000, 60_999), is("32768 44999"));
    assert_eq!(range(45_000, 65_535), is("32768 44999"));
    assert_eq!(range(1024, 40_000), is("40001 60999"));
    assert_eq!(range(34_000, 36_000), is("36001 60999"));
    assert_eq!(range(40_000, 49_999), Some(None));
    assert_eq!(range(1, 65_535), Some(None));
    assert_eq!(range(1024, 33_000), None);
    assert_eq!(range(61_000, 65_535), None);
}

fn of_rule(facts: &Facts, rule: Rule) -> Vec<String> {
    let found = findings(facts).into_iter().find(|finding| finding.rule == rule);
    found.unwrap().remedies
}

fn widened(d: DestinationFacts, facts: Facts) -> Option<String> {
    let facts = Facts { destinations: vec![DestinationFacts { no_port: 20, ..d }], ..facts };
    of_rule(&facts, Rule::Exhausted)
        .into_iter()
        .find(|remedy| remedy.contains("RANGE") || remedy.contains("range"))
}

#[test]
fn a_sysctl_is_set_inside_of_its_namespace() {
    let here = Facts { own_netns: Some(1), ..Facts::default() };
    let told = |d, facts| widened(d, facts).unwrap().replace("net.ipv4.ip_local_port_range", "R");
    let away = || DestinationFacts { flow: flow(7, [10, 0, 0, 2], 443), ..destination() };
    assert_snapshot!(told(destination(), here.clone()), @r#"sysctl -w R="10240 65535" (first put the listeners' ports, from `ss -Hltn` run there, in net.ipv4.ip_local_reserved_ports)"#);
    assert_snapshot!(told(away(), here.clone()), @r#"inside netns 7: sysctl -w R="10240 65535" (first put the listeners' ports, from `ss -Hltn` run there, in net.ipv4.ip_local_reserved_ports)"#);
    let process = DestinationFacts { pid: Some(4711), ..away() };
    assert_snapshot!(told(process, here.clone()), @r#"nsenter --net=/proc/4711/ns/net sysctl -w R="10240 65535" (first put the listeners' ports, from `ss -Hltn` run there, in net.ipv4.ip_local_reserved_ports)"#);
    let named =
        NetnsFacts { netns: 7, enter: Some("ip netns exec web".into()), ..NetnsFacts::default() };
    let named = Facts { namespaces: vec![named], ..here.clone() };
    assert_snapshot!(told(away(), named.clone()), @r#"ip netns exec web sysctl -w R="10240 65535" (first put the listeners' ports, from `ss -Hltn` run there, in net.ipv4.ip_local_reserved_ports)"#);
    // A summary knows further namespaces, of which it tells nothing else.
    let further = Facts { for_remedies: named.namespaces.clone(), ..here.clone() };
    assert_eq!(told(away(), further), told(away(), named.clone()));
    let unknown = DestinationFacts { flow: destination().flow.in_any_netns(), ..destination() };
    assert_snapshot!(told(unknown, here), @r#"sysctl -w R="10240 65535" (first put the listeners' ports, from `ss -Hltn` run there, in net.ipv4.ip_local_reserved_ports)"#);
}

#[test]
fn what_listens_is_reserved_before_the_range_reaches_it() {
    let n = NetnsFacts {
        range: Some(PortRange::new(32_768, 60_999)),
        reserved: vec![PortRange::new(11_000, 11_009)],
        listening: vec![22, 8080, 11_001, 15_432, 40_000],
        ..host()
    };
    let facts = Facts { namespaces: vec![n], own_netns: Some(1), ..Facts::default() };
    assert_snapshot!(facts.wider_for_good(&destination()).join("\n"), @r#"
    sysctl -w net.ipv4.ip_local_reserved_ports=11000-11009,15432,40000 net.ipv4.ip_local_port_range="10240 65535"
    to make it permanent, put the same settings in /etc/sysctl.d/90-ports.conf; on a Kubernetes node, also reserve 30000-32767
    "#);
    let away = DestinationFacts { flow: flow(7, [10, 0, 0, 2], 443), ..destination() };
    assert_snapshot!(facts.wider_for_good(&away).join("\n"), @r#"
    inside netns 7: sysctl -w net.ipv4.ip_local_port_range="10240 65535" (first put the listeners' ports, from `ss -Hltn` run there, in net.ipv4.ip_local_reserved_ports)
    to make it permanent, set it where the namespace is created
    "#);
    let contained = DestinationFacts { in_container: true, ..away.clone() };
    let told = |facts: &Facts, d| facts.wider_for_good(d).pop().unwrap();
    assert_snapshot!(told(&facts, &contained), @r#"to make it permanent: docker run --sysctl net.ipv4.ip_local_port_range="10240 65535"; in a pod, securityContext: {sysctls: [{name: net.ipv4.ip_local_port_range, value: "10240 65535"}]}"#);
    // What another destination tells about the namespace holds for all of it.
    let beside = Facts { destinations: vec![contained.clone()], ..facts };
    assert_eq!(told(&beside, &away), told(&beside, &contained));
}

#[test]
fn a_block_is_stepped_over_where_the_kernel_can() {
    let told = |step_width| {
        let n = NetnsFacts {
            range: Some(PortRange::new(32_768, 60_999)),
            reserved: vec![PortRange::new(40_000, 42_999)],
            step_width,
            ..host()
        };
        of_rule(&Facts { namespaces: vec![n], ..Facts::default() }, Rule::ReservedBlock)
    };
    assert_snapshot!(told(None).join("\n"), @"Linux 7.1 and later can step over the block at random (net.ipv4.ip_local_port_step_width)");
    assert_snapshot!(told(Some(0)).join("\n"), @"take random steps: sysctl -w net.ipv4.ip_local_port_step_width=12000 (the width must exceed the longest block; searches take longer when few ports are free)");
}

#[test]
fn a_block_that_is_stepped_over_is_no_trouble() {
    let n = NetnsFacts {
        range: Some(PortRange::new(32_768, 60_999)),
        reserved: vec![PortRange::new(40_000, 42_999)],
        step_width: Some(3001),
        ..host()
    };
    let found = findings(&Facts { namespaces: vec![n], ..Facts::default() });
    assert!(found.iter().all(|finding| finding.rule != Rule::ReservedBlock), "{found:?}");
}

#[test]
fn a_socket_s_own_range_is_widened_by_the_socket() {
    let own = DestinationFacts { range: Some(PortRange::new(40_000, 40_099)), ..destination() };
    let expected = "make the socket's own range wider than 40000 to 40099: setsockopt(IPPROTO_IP, \
                    IP_LOCAL_PORT_RANGE, …)";
    let by_socket = DestinationFacts { by_socket: true, ..own.clone() };
    assert_eq!(widened(by_socket, Facts::default()).as_deref(), Some(expected));
    let facts = Facts { namespaces: vec![host()], ..Facts::default() };
    assert_eq!(widened(own, facts).as_deref(), Some(expected));
}

#[test]
fn a_wide_range_is_not_made_narrower() {
    let wide = DestinationFacts { range: Some(PortRange::new(1024, 65_535)), ..destination() };
    assert_eq!(widened(wide.clone(), Facts::default()), None);
    let reuse = Reuse {
        reuses: 1,
        assignments: None,
        time_ns: None,
        soonest: Some(wide.flow),
        forgotten: 0,
        warning: Some("too soon".into()),
    };
    let facts = |d| Facts {
        destinations: vec![d],
        reuse: Some(reuse.clone()),
        own_netns: Some(1),
        for_remedies: vec![NetnsFacts { range: destination().range, ..host() }],
        ..Facts::default()
    };
    assert_eq!(of_rule(&facts(wide), Rule::ShortReuse), [remedies::POOL]);
    let narrow = of_rule(&facts(destination()), Rule::ShortReuse);
    assert_eq!(narrow, ["sysctl -w net.ipv4.ip_local_port_range=\"10240 65535\""]);
}
