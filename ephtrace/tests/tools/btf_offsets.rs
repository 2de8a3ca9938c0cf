//! Offsets of the kernel's fields: ephtrace's reader of BTF beside bpftool's.

use std::{env, fs, io::ErrorKind, process::Command};

use anyhow::{Context as _, Result, ensure};
use ephtrace::kernel::{btf::Btf, offsets};
use ephtrace_common::Offsets;

use crate::{btf_dump::Dump, skip::skip};

/// The running kernel's BTF.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Checks that both find the same offsets, sizes, arguments and constants.
pub(crate) fn are_those_of_bpftool() -> Result<()> {
    let data = match fs::read(VMLINUX) {
        Err(e) if e.kind() == ErrorKind::NotFound => return skip(format!("no {VMLINUX}")),
        data => data.context(VMLINUX)?,
    };
    let bpftool = env::var_os("EPHTRACE_BPFTOOL").unwrap_or_else(|| "bpftool".into());
    let dump = match Command::new(bpftool)
        .args(["btf", "dump", "file", VMLINUX, "format", "raw"])
        .output()
    {
        Err(e) if e.kind() == ErrorKind::NotFound => return skip("bpftool is not installed"),
        dump => dump.context("starting bpftool")?,
    };
    ensure!(dump.status.success(), "bpftool: {}", String::from_utf8_lossy(&dump.stderr));
    let dump = Dump::read(&String::from_utf8(dump.stdout)?)?;
    let btf = Btf::parse(data)?;
    let found = offsets::offsets(&btf)?;
    for (structure, path, offset) in fields(&found) {
        let theirs = dump.bit(structure, path).map_or(Offsets::ABSENT, |bit| bit / 8);
        ensure!(offset == theirs, "{structure}.{path} is at {theirs}, not {offset}");
        let sizes = (btf.member(structure, path).map(|m| m.size), dump.size(structure, path));
        ensure!(sizes.0 == sizes.1, "{structure}.{path}: {sizes:?} bytes");
    }
    deferral(&found, &dump)?;
    functions(&btf, &dump)
}

/// Returns each field that the kernel half reads, and the offset that ephtrace found.
fn fields(found: &Offsets) -> [(&'static str, &'static str, u32); 42] {
    [
        ("sock_common", "skc_daddr", found.skc_daddr),
        ("sock_common", "skc_rcv_saddr", found.skc_rcv_saddr),
        ("sock_common", "skc_dport", found.skc_dport),
        ("sock_common", "skc_num", found.skc_num),
        ("sock_common", "skc_state", found.skc_state),
        ("sock_common", "skc_family", found.skc_family),
        ("sock_common", "skc_net.net", found.skc_net),
        ("sock_common", "skc_v6_daddr", found.skc_v6_daddr),
        ("sock_common", "skc_v6_rcv_saddr", found.skc_v6_rcv_saddr),
        ("sock_common", "skc_cookie", found.skc_cookie),
        ("sock", "sk_protocol", found.sk_protocol),
        ("sock", "sk_socket", found.sk_socket),
        ("socket", "file", found.socket_file),
        ("socket", "sk", found.socket_sk),
        ("task_struct", "thread_pid", found.task_thread_pid),
        ("pid", "level", found.pid_level),
        ("pid", "numbers", found.pid_numbers),
        ("upid", "ns", found.upid_ns),
        ("pid_namespace", "ns.inum", found.pid_namespace_inum),
        ("task_struct", "files", found.task_files),
        ("files_struct", "fdt", found.files_fdt),
        ("fdtable", "max_fds", found.fdtable_max_fds),
        ("fdtable", "fd", found.fdtable_fd),
        ("file", "private_data", found.file_private_data),
        ("pt_regs", "di", found.pt_regs_first),
        ("inet_sock", "inet_sport", found.inet_sport),
        ("inet_sock", "local_port_range", found.local_port_range),
        ("net", "ns.inum", found.net_inum),
        ("net", "ipv4.ip_local_ports.range", found.net_range),
        ("net", "ipv4.sysctl_ip_local_port_step_width", found.net_step_width),
        ("task_struct", "pid", found.task_pid),
        ("task_struct", "tgid", found.task_tgid),
        ("task_struct", "group_leader", found.task_group_leader),
        ("task_struct", "comm", found.task_comm),
        ("task_struct", "cgroups", found.task_cgroups),
        ("task_struct", "flags", found.task_flags),
        ("css_set", "dfl_cgrp", found.css_set_dfl_cgrp),
        ("cgroup", "level", found.cgroup_level),
        ("cgroup", "ancestor_ids", found.cgroup_ancestor_ids),
        ("socket_alloc", "vfs_inode.i_ino", found.socket_inode),
        ("inet_connection_sock", "icsk_ulp_data", found.icsk_ulp_data),
        ("mptcp_subflow_context", "conn", found.subflow_conn),
    ]
}

/// Checks the bit that marks a deferred SYN: one of `inet_flags`, or a bit field before Linux 6.6.
fn deferral(found: &Offsets, dump: &Dump) -> Result<()> {
    let flags = dump.bit("inet_sock", "inet_flags");
    let bit = match (flags, dump.constant("INET_FLAGS_DEFER_CONNECT")) {
        (Some(first), Some(nth)) => Some(first + nth),
        (Some(_), None) => None,
        (None, _) => dump.bit("inet_sock", "defer_connect"),
    };
    let theirs = bit.map_or((Offsets::ABSENT, 0), |bit| (bit / 8, 1 << (bit % 8)));
    let ours = (found.defer_connect, found.defer_connect_mask);
    ensure!(ours == theirs, "byte and mask of defer_connect are {theirs:?}, not {ours:?}");
    Ok(())
}

/// Checks the parameters and the result of functions that are hooked or that reveal the version.
fn functions(btf: &Btf, dump: &Dump) -> Result<()> {
    const FUNCTIONS: [&str; 5] = [
        "__inet_hash_connect",
        "inet_csk_get_port",
        "udp_lib_get_port",
        "ping_get_port",
        "inet_sk_get_local_port_range",
    ];
    for name in FUNCTIONS {
        let ours = btf.function(name).map(|function| (function.params, !function.returns_void));
        let theirs = dump.function(name);
        ensure!(ours == theirs, "{name} takes and returns {theirs:?}, not {ours:?}");
    }
    let range = dump.size("net", "ipv4.ip_local_ports.range");
    let features = offsets::features(btf);
    ensure!(features.range_is_packed == u32::from(range == Some(4)), "the range has {range:?}");
    let search = dump.function(FUNCTIONS[0]).context("no search")?.0;
    let taken = (features.hash_connect_args, features.hash_offset_bytes);
    let theirs = (u32::try_from(search.len())?, search.get(2).copied().unwrap_or(0));
    ensure!(taken == theirs, "the search takes {theirs:?}, not {taken:?}");
    Ok(())
}
