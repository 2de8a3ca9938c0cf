//! Facts about the host at the start of a recording, for its metadata.

use std::fs;

use serde_json::{Map, Value};

use crate::{
    host::netns,
    model::Hook,
    output::stream::parquet::{Fact, KEY_HOOK, KEY_HOST, KEY_KERNEL, KEY_NETNS},
};

/// Sysctls below `/proc/sys/net/ipv4` that affect the assignment of ports.
const SYSCTLS: [&str; 7] = [
    "ip_local_port_range",
    "ip_local_reserved_ports",
    "ip_local_port_step_width",
    "ip_autobind_reuse",
    "tcp_tw_reuse",
    "tcp_fin_timeout",
    "tcp_max_tw_buckets",
];

/// Gathers host, kernel, hook, and the sysctls of this process's network namespace. Unreadable
/// facts are left out, and a sysctl that the kernel lacks is null.
pub(crate) fn gather(hook: Hook, started_ns: u64) -> Vec<Fact> {
    let sysctl = |name: &str| {
        let value = read(&format!("/proc/sys/net/ipv4/{name}"));
        (format!("net.ipv4.{name}"), value.map_or(Value::Null, Value::String))
    };
    let sysctls: Map<String, Value> = SYSCTLS.into_iter().map(sysctl).collect();
    let known = [
        ("ephtrace.started_ns", Some(started_ns.to_string())),
        (KEY_HOOK, Some(hook.name().to_owned())),
        (KEY_KERNEL, kernel_release()),
        (KEY_HOST, read("/proc/sys/kernel/hostname")),
        (KEY_NETNS, Some(namespaces())),
        ("ephtrace.boot_id", read("/proc/sys/kernel/random/boot_id")),
        ("ephtrace.sysctls", Some(Value::Object(sysctls).to_string())),
    ];
    known.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Network namespaces by inode number: the own one has no name, the others have that of `ip netns`.
fn namespaces() -> String {
    let own = netns::own().ok().map(|own| (own.to_string(), Value::Null));
    let named = netns::named().into_iter().map(|(netns, name)| (netns.to_string(), name.into()));
    Value::Object(named.chain(own).collect()).to_string()
}

/// Kernel release, as in `uname -r`.
pub(crate) fn kernel_release() -> Option<String> {
    read("/proc/sys/kernel/osrelease")
}

fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    // A range is written with a tab.
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}
