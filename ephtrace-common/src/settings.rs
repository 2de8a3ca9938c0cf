//! The loader's settings, written into the eBPF object's read-only data before load.
//!
//! The kernel half reads single fields of it, volatile: the verifier knows the frozen values, so a
//! filter that is off costs nothing.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Maximum numbers of filter values, each of which bounds a loop that the verifier of Linux 5.10
/// walks; and sizes of the kernel half's maps.
pub mod bounds {
    /// Process ids, user ids.
    pub const IDS: usize = 16;
    /// Port ranges.
    pub const PORTS: usize = 16;
    /// Address prefixes.
    pub const CIDRS: usize = 8;
    /// Process names, network namespaces, cgroups.
    pub const NAMES: usize = 8;

    /// Tasks whose searches are followed at the same time, including [`IDLE_TASKS`] that searched
    /// before; a search beyond is counted as lost.
    pub const TASKS: u32 = 8192 + IDLE_TASKS;
    /// Tasks that keep their entry between two searches, which is cheaper.
    pub const IDLE_TASKS: u32 = 4096;
    /// Sockets among them whose connect is followed by the socket, since its end may come in
    /// another task; further ones are followed by the task. The number is small, so that a task
    /// that opens many leaves room for the others.
    pub const WAITING_SOCKETS: u32 = 2048;
    /// Bytes that the kernel half keeps for each task.
    pub const TASK_BYTES: usize = 264;

    /// Bytes that the kernel half keeps for an MPTCP socket.
    pub const PRINCIPAL_BYTES: usize = 56;

    /// Words of `table_perturb` whose use is followed: its size (`CONFIG_INET_TABLE_PERTURB_ORDER`
    /// is 16 unless in expert mode).
    pub const WORDS: u32 = 1 << 16;
    /// Bytes that the kernel half keeps for each word.
    pub const WORD_BYTES: usize = 16;

    /// Rows in which the records of processes are counted while the ring fills up; two processes in
    /// one row share one allowance. 512 KiB.
    pub const SHARES: u32 = 1 << 16;
}

/// All settings that the loader passes to the kernel half.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Settings {
    /// Filter of assignments.
    pub filter: Filter,
    /// Address of the pointer `table_perturb`, 0 if not known.
    pub table_perturb: u64,
    /// Mask from hash offset to table index: `1 << CONFIG_INET_TABLE_PERTURB_ORDER` - 1.
    pub table_mask: u32,
    /// Offsets of fields in kernel structures.
    pub offsets: Offsets,
    /// Features of this kernel.
    pub features: Features,
    /// Assignments that are added up: one of [`crate::totals::mode`].
    pub totals: u32,
    /// ephtrace's own process id in its pid namespace, 0 if not known. Its searches are tests of
    /// the hook: they bypass the filter and end in the map `SELF_TEST`.
    pub own_pid: u32,
    /// Inode number of the pid namespace whose ids are reported; 0 for the initial one.
    pub pid_namespace: u32,
    /// Base-2 logarithm of the ring buffer's size in bytes.
    pub ring_bits: u32,
    /// A random number, by which processes are distributed over the rows of the map `SHARES`.
    pub salt: u32,
}

/// Byte offsets into kernel structures, from the running kernel's BTF.
///
/// Fields that this kernel lacks are [`Offsets::ABSENT`].
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Offsets {
    /// `sock_common.skc_daddr`.
    pub skc_daddr: u32,
    /// `sock_common.skc_rcv_saddr`.
    pub skc_rcv_saddr: u32,
    /// `sock_common.skc_dport` (network order).
    pub skc_dport: u32,
    /// `sock_common.skc_num` (host order).
    pub skc_num: u32,
    /// `sock_common.skc_state`.
    pub skc_state: u32,
    /// `sock_common.skc_family`.
    pub skc_family: u32,
    /// `sock_common.skc_net.net`.
    pub skc_net: u32,
    /// `sock_common.skc_v6_daddr`; absent without `CONFIG_IPV6`.
    pub skc_v6_daddr: u32,
    /// `sock_common.skc_v6_rcv_saddr`; absent without `CONFIG_IPV6`.
    pub skc_v6_rcv_saddr: u32,
    /// `sock_common.skc_cookie`.
    pub skc_cookie: u32,
    /// `sock.sk_protocol`.
    pub sk_protocol: u32,
    /// `inet_sock.inet_sport` (network order).
    pub inet_sport: u32,
    /// `inet_sock.local_port_range` (low, then high, 16 bits each); Linux 6.3 and 6.1.32.
    pub local_port_range: u32,
    /// `net.ns.inum`.
    pub net_inum: u32,
    /// `net.ipv4.ip_local_ports.range`.
    pub net_range: u32,
    /// `net.ipv4.sysctl_ip_local_port_step_width`; Linux 7.1.
    pub net_step_width: u32,
    /// `task_struct.pid`, which is the thread's id.
    pub task_pid: u32,
    /// `task_struct.tgid`, which is the process's id.
    pub task_tgid: u32,
    /// `task_struct.group_leader`.
    pub task_group_leader: u32,
    /// `task_struct.thread_pid`: the `struct pid` of the thread.
    pub task_thread_pid: u32,
    /// `pid.level`: depth of its namespace.
    pub pid_level: u32,
    /// `pid.numbers`: a `struct upid` for each namespace from the initial one down.
    pub pid_numbers: u32,
    /// `upid.ns`.
    pub upid_ns: u32,
    /// `pid_namespace.ns.inum`.
    pub pid_namespace_inum: u32,
    /// `task_struct.comm`.
    pub task_comm: u32,
    /// `task_struct.cgroups`.
    pub task_cgroups: u32,
    /// `css_set.dfl_cgrp`.
    pub css_set_dfl_cgrp: u32,
    /// `cgroup.level`.
    pub cgroup_level: u32,
    /// `cgroup.ancestor_ids`; up to Linux 6.0.
    pub cgroup_ancestor_ids: u32,
    /// `task_struct.cred`.
    pub task_cred: u32,
    /// `cred.uid`: the real user id in the initial user namespace.
    pub cred_uid: u32,
    /// `task_struct.start_time`, `CLOCK_MONOTONIC` in nanoseconds.
    pub task_start_time: u32,
    /// `task_struct.flags`.
    pub task_flags: u32,
    /// `sock.sk_socket`.
    pub sk_socket: u32,
    /// `socket_alloc.vfs_inode.i_ino`: inode number of a socket's file, relative to the `socket`.
    pub socket_inode: u32,
    /// `inet_connection_sock.icsk_ulp_data`.
    pub icsk_ulp_data: u32,
    /// `mptcp_subflow_context.conn`; absent without `CONFIG_MPTCP`.
    pub subflow_conn: u32,
    /// Byte of `inet_sock` that has the flag `defer_connect`.
    pub defer_connect: u32,
    /// Mask of the flag in that byte.
    pub defer_connect_mask: u32,
    /// Byte of `tcp_sock` that has the flag `fastopen_connect`.
    pub fastopen_connect: u32,
    /// Mask of the flag in that byte.
    pub fastopen_connect_mask: u32,
    /// `task_struct.files`.
    pub task_files: u32,
    /// `files_struct.fdt`.
    pub files_fdt: u32,
    /// `fdtable.max_fds`.
    pub fdtable_max_fds: u32,
    /// `fdtable.fd`.
    pub fdtable_fd: u32,
    /// `file.private_data`.
    pub file_private_data: u32,
    /// `socket.file`.
    pub socket_file: u32,
    /// `socket.sk`.
    pub socket_sk: u32,
    /// Register of `pt_regs` that keeps the first argument of a system call.
    pub pt_regs_first: u32,
}

impl Offsets {
    /// Offset of a field that this kernel does not have.
    pub const ABSENT: u32 = u32::MAX;
}

/// Features of this kernel; each is 0 or 1 unless said otherwise.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Features {
    /// Number of arguments of `__inet_hash_connect`: 4, or 5 from Linux 6.15 on.
    pub hash_connect_args: u32,
    /// Bytes of its third argument, the hash offset: 8, or 4 before 5.10.119.
    pub hash_offset_bytes: u32,
    /// 1 if `net.ipv4.ip_local_ports.range` is one `u32` (low | high << 16), not two `int`s.
    pub range_is_packed: u32,
    /// 1 if `bpf_get_socket_cookie` works in fexit programs (Linux 5.12).
    pub cookie_in_tracing: u32,
    /// 1 if `bpf_get_current_ancestor_cgroup_id` works in tracing programs.
    pub ancestor_cgroup: u32,
    /// 1 if each program that sees a search begin or end is attached twice: on a preemptible
    /// kernel, the first copy is skipped while another task is in the middle of it on the same
    /// processor.
    pub attach_twice: u32,
    /// 1 if `IP_LOCAL_PORT_RANGE` makes the search walk both parities at once (Linux 6.8).
    pub own_range_by_one: u32,
    /// 1 if programs with types get the current task with its type (`bpf_get_current_task_btf`,
    /// Linux 5.11).
    pub typed_task: u32,
    /// 1 if programs with types get a TCP socket with its type (`bpf_skc_to_tcp_sock`, Linux 5.9).
    pub typed_tcp: u32,
    /// 1 if programs see `bind()` return, failed or not.
    pub bind_exit: u32,
    /// 1 if the arguments of a system call can be read as it returns (`bpf_task_pt_regs`, Linux
    /// 5.15).
    pub call_arguments: u32,
}

/// Filter of assignments. An empty list keeps all.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Filter {
    /// Minimum port search latency, in nanoseconds.
    pub min_latency_ns: u64,
    /// cgroup v2 ids; tasks in them or below are kept.
    pub cgroup_ids: [u64; bounds::NAMES],
    /// Depth of each cgroup in the hierarchy; the root is 0.
    pub cgroup_levels: [u32; bounds::NAMES],
    /// Process ids.
    pub pids: [u32; bounds::IDS],
    /// User ids.
    pub uids: [u32; bounds::IDS],
    /// Inode numbers of network namespaces.
    pub netns: [u32; bounds::NAMES],
    /// Names of processes, NUL-padded.
    pub comms: [[u8; 16]; bounds::NAMES],
    /// Destination prefixes.
    pub dst: [Cidr; bounds::CIDRS],
    /// Source prefixes.
    pub src: [Cidr; bounds::CIDRS],
    /// Destination ports.
    pub dports: [PortSpan; bounds::PORTS],
    /// Assigned ports.
    pub lports: [PortSpan; bounds::PORTS],
    /// Number of values in force, see `cgroup_ids`.
    pub cgroup_count: u32,
    /// Number of values in force, see `pids`.
    pub pid_count: u32,
    /// Number of values in force, see `uids`.
    pub uid_count: u32,
    /// Number of values in force, see `netns`.
    pub netns_count: u32,
    /// Number of values in force, see `comms`.
    pub comm_count: u32,
    /// Number of values in force, see `dst`.
    pub dst_count: u32,
    /// Number of values in force, see `src`.
    pub src_count: u32,
    /// Number of values in force, see `dports`.
    pub dport_count: u32,
    /// Number of values in force, see `lports`.
    pub lport_count: u32,
    /// Origins to keep: bit 1 << number of the `Origin`.
    pub origins: u32,
    /// Address family to keep: 4 or 6, or 0 for both.
    pub family: u32,
    /// 1 to keep only failed assignments.
    pub failed_only: u32,
    /// 1 to keep only failed assignments of origin `Explicit`: the kernel does not decide a
    /// success.
    pub explicit_failed_only: u32,
    /// Always 0: keeps the size a multiple of 8.
    pub padding: u32,
}

/// An address prefix, IPv4 in its IPv4-mapped form (prefix length + 96).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(C)]
pub struct Cidr {
    /// Address in network order, host bits zero.
    pub addr: [u64; 2],
    /// Mask in network order.
    pub mask: [u64; 2],
}

/// A range of ports, both ends inclusive, host order.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, PartialEq, Eq)]
#[repr(C)]
pub struct PortSpan {
    /// First port.
    pub low: u16,
    /// Last port.
    pub high: u16,
}
