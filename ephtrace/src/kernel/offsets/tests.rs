//! Hand-written types: each field has an offset of its own.

mod distributions;

use super::*;
use crate::kernel::tests::types::Types;

/// Features of a kernel.
#[derive(Clone, Copy)]
struct Kernel {
    /// True for IPv6, MPTCP, cgroups and ranges of sockets.
    has_all: bool,
    /// True if `defer_connect` is one of `inet_flags` (Linux 6.6), and the range one word (6.10).
    is_new: bool,
}

/// Returns the types of a kernel. Members begin at the byte that their number gives.
fn types(kernel: Kernel) -> Types {
    let Kernel { has_all, is_new } = kernel;
    let mut types = Types::new();
    let (word, long) = (types.integer(4), types.integer(8));
    let mut put = |name: &str, members: &[(&str, u32, u32)], optional: &[(&str, u32, u32)]| {
        let all = members.iter().chain(optional.iter().filter(|_| has_all));
        let bits: Vec<_> = all.map(|&(name, ty, byte)| (name, ty, 8 * byte)).collect();
        types.structure(name, &bits)
    };
    let net_pointer = put("possible_net_t", &[("net", word, 3)], &[]);
    let common = [
        ("skc_daddr", word, 100),
        ("skc_rcv_saddr", word, 104),
        ("skc_dport", word, 108),
        ("skc_num", word, 110),
        ("skc_state", word, 113),
        ("skc_family", word, 116),
        ("skc_net", net_pointer, 120),
        ("skc_cookie", long, 128),
    ];
    put("sock_common", &common, &[("skc_v6_daddr", word, 140), ("skc_v6_rcv_saddr", word, 156)]);
    put("sock", &[("sk_protocol", word, 200)], &[("sk_socket", word, 208)]);
    let mut inet = vec![("inet_sport", word, 300)];
    inet.extend(is_new.then_some(("inet_flags", word, 310)));
    put("inet_sock", &inet, &[("local_port_range", word, 304)]);
    let range = put("local_ports", &[("range", if is_new { word } else { long }, 7)], &[]);
    let ipv4 = [("ip_local_ports", range, 30)];
    let ipv4 = put("netns_ipv4", &ipv4, &[("sysctl_ip_local_port_step_width", word, 50)]);
    let ns = put("ns_common", &[("inum", word, 5)], &[]);
    put("net", &[("ns", ns, 400), ("ipv4", ipv4, 440)], &[]);
    let task = [
        ("pid", word, 500),
        ("tgid", word, 504),
        ("group_leader", long, 512),
        ("comm", long, 520),
        ("thread_pid", long, 540),
    ];
    put("pid", &[("level", word, 550), ("numbers", long, 560)], &[]);
    put("upid", &[("ns", long, 8)], &[]);
    put("pid_namespace", &[("ns", ns, 570)], &[]);
    put("task_struct", &task, &[("cgroups", long, 528), ("flags", word, 536)]);
    if has_all {
        put("css_set", &[("dfl_cgrp", long, 600)], &[]);
        put("cgroup", &[("level", word, 604), ("ancestor_ids", long, 608)], &[]);
        let inode = put("inode", &[("i_ino", long, 9)], &[]);
        put("socket_alloc", &[("vfs_inode", inode, 700)], &[]);
        put("inet_connection_sock", &[("icsk_ulp_data", long, 720)], &[]);
        put("mptcp_subflow_context", &[("conn", long, 730)], &[]);
    }
    types.constant("INET_FLAGS_DEFER_CONNECT", 21);
    types
}

fn found(kernel: Kernel) -> Offsets {
    offsets(&types(kernel).btf()).unwrap()
}

#[test]
fn each_field_is_where_the_types_say() {
    let o = found(Kernel { has_all: true, is_new: true });
    let common = [o.skc_daddr, o.skc_rcv_saddr, o.skc_dport, o.skc_num, o.skc_state, o.skc_family];
    assert_eq!(common, [100, 104, 108, 110, 113, 116]);
    assert_eq!((o.skc_net, o.skc_cookie), (123, 128));
    assert_eq!((o.skc_v6_daddr, o.skc_v6_rcv_saddr), (140, 156));
    assert_eq!(
        (o.sk_protocol, o.sk_socket, o.inet_sport, o.local_port_range),
        (200, 208, 300, 304)
    );
    assert_eq!((o.net_inum, o.net_range, o.net_step_width), (405, 477, 490));
    assert_eq!((o.task_pid, o.task_tgid, o.task_group_leader, o.task_comm), (500, 504, 512, 520));
    assert_eq!((o.task_cgroups, o.task_flags, o.task_thread_pid), (528, 536, 540));
    assert_eq!((o.pid_level, o.pid_numbers, o.upid_ns, o.pid_namespace_inum), (550, 560, 8, 575));
    assert_eq!((o.css_set_dfl_cgrp, o.cgroup_level, o.cgroup_ancestor_ids), (600, 604, 608));
    assert_eq!((o.socket_inode, o.icsk_ulp_data, o.subflow_conn), (709, 720, 730));
    // Bit 21 of the flags is the fifth one of their third byte.
    assert_eq!((o.defer_connect, o.defer_connect_mask), (312, 1 << 5));
}

#[test]
fn a_field_that_a_kernel_lacks_is_absent() {
    let o = found(Kernel { has_all: false, is_new: false });
    for absent in [
        o.skc_v6_daddr,
        o.skc_v6_rcv_saddr,
        o.local_port_range,
        o.net_step_width,
        o.task_cgroups,
        o.css_set_dfl_cgrp,
        o.cgroup_level,
        o.cgroup_ancestor_ids,
        o.task_flags,
        o.sk_socket,
        o.socket_inode,
        o.icsk_ulp_data,
        o.subflow_conn,
        o.defer_connect,
    ] {
        assert_eq!(absent, Offsets::ABSENT);
    }
    assert_eq!((o.defer_connect_mask, o.skc_daddr, o.net_range), (0, 100, 477));
}

#[test]
fn a_field_that_no_hook_can_do_without_is_named() {
    let mut types = Types::new();
    let word = types.integer(4);
    types.structure("sock_common", &[("skc_daddr", word, 0)]);
    let error = offsets(&types.btf()).unwrap_err();
    let said = "the kernel's BTF has no `sock_common.skc_rcv_saddr`: this kernel is not supported";
    assert_eq!(error.to_string(), said);
}

#[test]
fn a_bit_field_may_say_that_a_syn_waits() {
    let mut types = types(Kernel { has_all: true, is_new: false });
    let word = types.integer(4);
    let bits = types.string("defer_connect");
    let (name, sport) = (types.string("inet_sock"), types.string("inet_sport"));
    // The first structure of that name is found: the new one is written in front of the others.
    let mut first = Types::new();
    first.words = vec![name, 1 << 31 | 4 << 24 | 2, 999, sport, word + 1, 8 * 300, bits, word + 1];
    first.words.push(1 << 24 | (8 * 330 + 6));
    first.words.extend(shifted(&types.words));
    first.strings = types.strings;
    let o = offsets(&first.btf()).unwrap();
    assert_eq!((o.defer_connect, o.defer_connect_mask, o.inet_sport), (330, 1 << 6, 300));
}

/// Returns the types behind another one, so that all ids are greater by one.
fn shifted(words: &[u32]) -> Vec<u32> {
    let (mut at, mut all) = (0, words.to_vec());
    while at < words.len() {
        let (kind, count) = (words[at + 1] >> 24, words[at + 1] & 0xffff);
        let count = usize::try_from(count).unwrap();
        at += match kind {
            1 => 4,
            4 => {
                (0..count).for_each(|nth| all[at + 3 + 3 * nth + 1] += 1);
                3 + 3 * count
            }
            6 => 3 + 2 * count,
            other => panic!("kind {other}"),
        };
    }
    all
}

#[test]
fn the_search_tells_the_version() {
    let features = |params: usize, is_new: bool, returns: bool| {
        let mut types = types(Kernel { has_all: true, is_new });
        let (word, long) = (types.integer(4), types.integer(8));
        let all = [long, long, if is_new { long } else { word }, long, long];
        types.function("__inet_hash_connect", &all[..params], word);
        types.function("inet_sk_get_local_port_range", &[long], if returns { word } else { 0 });
        let f = features(&types.btf());
        (f.hash_connect_args, f.hash_offset_bytes, f.range_is_packed, f.own_range_by_one)
    };
    assert_eq!(features(4, false, false), (4, 4, 0, 0));
    assert_eq!(features(4, true, true), (4, 8, 1, 1));
    assert_eq!(features(5, true, true), (5, 8, 1, 1));
}
