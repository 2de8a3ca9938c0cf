//! Offsets of this kernel's fields, and features that follow from its types.

use ephtrace_common::{Features, Offsets};
use thiserror::Error;

use super::{
    btf::Btf,
    sites::{self, Site},
};

/// Error for types that lack something that no hook can do without.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the kernel's BTF has no `{structure}.{member}`: this kernel is not supported")]
pub struct MissingField {
    structure: &'static str,
    member: &'static str,
}

/// Returns the offsets of every field that the eBPF half reads.
pub fn offsets(btf: &Btf) -> Result<Offsets, MissingField> {
    let found = |structure, member| btf.member(structure, member).map(|m| m.offset);
    let needed =
        |structure, member| found(structure, member).ok_or(MissingField { structure, member });
    let optional = |structure, member| found(structure, member).unwrap_or(Offsets::ABSENT);
    let (defer_connect, defer_connect_mask) = byte_and_mask(defer_connect(btf));
    let (fastopen_connect, fastopen_connect_mask) =
        byte_and_mask(btf.bit("tcp_sock", "fastopen_connect"));
    Ok(Offsets {
        skc_daddr: needed("sock_common", "skc_daddr")?,
        skc_rcv_saddr: needed("sock_common", "skc_rcv_saddr")?,
        skc_dport: needed("sock_common", "skc_dport")?,
        skc_num: needed("sock_common", "skc_num")?,
        skc_state: needed("sock_common", "skc_state")?,
        skc_family: needed("sock_common", "skc_family")?,
        skc_net: needed("sock_common", "skc_net.net")?,
        skc_v6_daddr: optional("sock_common", "skc_v6_daddr"),
        skc_v6_rcv_saddr: optional("sock_common", "skc_v6_rcv_saddr"),
        skc_cookie: needed("sock_common", "skc_cookie")?,
        sk_protocol: needed("sock", "sk_protocol")?,
        inet_sport: needed("inet_sock", "inet_sport")?,
        local_port_range: optional("inet_sock", "local_port_range"),
        net_inum: needed("net", "ns.inum")?,
        net_range: needed("net", "ipv4.ip_local_ports.range")?,
        net_step_width: optional("net", "ipv4.sysctl_ip_local_port_step_width"),
        task_pid: needed("task_struct", "pid")?,
        task_tgid: needed("task_struct", "tgid")?,
        task_group_leader: needed("task_struct", "group_leader")?,
        task_thread_pid: needed("task_struct", "thread_pid")?,
        pid_level: needed("pid", "level")?,
        pid_numbers: needed("pid", "numbers")?,
        upid_ns: needed("upid", "ns")?,
        pid_namespace_inum: needed("pid_namespace", "ns.inum")?,
        task_comm: needed("task_struct", "comm")?,
        task_cgroups: optional("task_struct", "cgroups"),
        css_set_dfl_cgrp: optional("css_set", "dfl_cgrp"),
        cgroup_level: optional("cgroup", "level"),
        cgroup_ancestor_ids: optional("cgroup", "ancestor_ids"),
        task_cred: optional("task_struct", "cred"),
        cred_uid: optional("cred", "uid"),
        task_start_time: optional("task_struct", "start_time"),
        task_flags: optional("task_struct", "flags"),
        sk_socket: optional("sock", "sk_socket"),
        socket_inode: optional("socket_alloc", "vfs_inode.i_ino"),
        icsk_ulp_data: optional("inet_connection_sock", "icsk_ulp_data"),
        subflow_conn: optional("mptcp_subflow_context", "conn"),
        defer_connect,
        defer_connect_mask,
        fastopen_connect,
        fastopen_connect_mask,
        task_files: optional("task_struct", "files"),
        files_fdt: optional("files_struct", "fdt"),
        fdtable_max_fds: optional("fdtable", "max_fds"),
        fdtable_fd: optional("fdtable", "fd"),
        file_private_data: optional("file", "private_data"),
        socket_file: optional("socket", "file"),
        socket_sk: optional("socket", "sk"),
        pt_regs_first: first_argument(btf).unwrap_or(Offsets::ABSENT),
    })
}

/// Returns the byte that a bit is in, and its mask there.
fn byte_and_mask(bit: Option<u32>) -> (u32, u32) {
    bit.map_or((Offsets::ABSENT, 0), |bit| (bit / 8, 1 << (bit % 8)))
}

/// Registers that keep the first argument of a system call until it returns: of x86-64, arm64 and
/// RISC-V.
const FIRST_ARGUMENT: [&str; 3] = ["di", "orig_x0", "orig_a0"];

/// Returns the offset of that register in a task's registers.
fn first_argument(btf: &Btf) -> Option<u32> {
    let mut members = FIRST_ARGUMENT.iter().filter_map(|name| btf.member("pt_regs", name));
    members.next().map(|member| member.offset)
}

/// Returns whether programs can find the socket of a system call, given the helper.
pub(super) fn leads_to_socket(offsets: &Offsets) -> bool {
    let steps = [
        offsets.task_files,
        offsets.files_fdt,
        offsets.fdtable_max_fds,
        offsets.fdtable_fd,
        offsets.file_private_data,
        offsets.socket_file,
        offsets.socket_sk,
        offsets.pt_regs_first,
    ];
    !steps.contains(&Offsets::ABSENT)
}

/// Returns the bit of `inet_sock` that is set while the SYN waits for the first write (TCP Fast
/// Open): a bit field, or from Linux 6.6 on one of `inet_flags`, numbered by an enumeration.
fn defer_connect(btf: &Btf) -> Option<u32> {
    let flags = btf.bit("inet_sock", "inet_flags");
    match flags {
        Some(first) => first.checked_add(btf.constant("INET_FLAGS_DEFER_CONNECT")?),
        None => btf.bit("inet_sock", "defer_connect"),
    }
}

/// Returns the features that follow from the kernel's types. The caller sets those that only a
/// trial can show.
pub fn features(btf: &Btf) -> Features {
    let search = btf.function(sites::row(Site::Connect).function);
    let params = search.as_ref().map_or(&[][..], |f| &f.params);
    let range = btf.member("net", "ipv4.ip_local_ports.range");
    Features {
        hash_connect_args: u32::try_from(params.len()).unwrap_or(0),
        hash_offset_bytes: params.get(2).copied().unwrap_or(0),
        range_is_packed: u32::from(range.is_some_and(|m| m.size == 4)),
        cookie_in_tracing: 0,
        ancestor_cgroup: 0,
        typed_task: u32::from(has_typed_task(btf)),
        typed_tcp: u32::from(btf.function("bpf_skc_to_tcp_sock").is_some()),
        attach_twice: 0,
        own_range_by_one: u32::from(own_range_steps_by_one(btf) == Some(true)),
        bind_exit: 0,
        call_arguments: 0,
    }
}

/// Returns whether programs get the current task with its type, and so its user.
fn has_typed_task(btf: &Btf) -> bool {
    btf.function("bpf_get_current_task_btf").is_some()
        && btf.member("task_struct", "cred").is_some()
        && btf.member("cred", "uid").is_some()
}

/// Returns whether `IP_LOCAL_PORT_RANGE` makes the search step by one and walk both parities (Linux
/// 6.8); `None` if the kernel's types have no such function.
///
/// `inet_sk_get_local_port_range` returns this to its caller since then; before, it returned
/// nothing.
pub fn own_range_steps_by_one(btf: &Btf) -> Option<bool> {
    btf.function("inet_sk_get_local_port_range").map(|f| !f.returns_void)
}

#[cfg(test)]
mod tests;
