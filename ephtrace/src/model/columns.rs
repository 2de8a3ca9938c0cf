//! Each column once: its name, its header, its unit, where its value comes from, and how a value
//! that was recorded goes back into an assignment.
//!
//! All outputs and the readers of recordings walk this, so a field has one name and one meaning
//! everywhere. How a value is written is the business of the output.

use std::net::IpAddr;

use ephtrace_common::{Hook, Origin, Protocol};

use super::{
    assignment::Assignment,
    comm::Comm,
    draft::Draft,
    errno::errno_name,
    port_range::RangeSource,
    search::{Pass, Unknown},
};

/// What an assignment has in one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Not known, or none.
    Null,
    /// A count, an id, a port.
    U64(u64),
    /// A difference.
    I64(i64),
    /// Yes or no.
    Bool(bool),
    /// Text from outside, which may hold anything.
    Str(&'a str),
    /// One of a few words of our own.
    Name(&'static str),
    /// An address.
    Ip(IpAddr),
    /// A point in time, in nanoseconds since the Unix epoch.
    Time(u64),
}

/// What a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Itself.
    None,
    /// A point in time, in nanoseconds since the Unix epoch.
    UnixNs,
    /// A length of time, in nanoseconds.
    Ns,
    /// 0 or the positive number of an error.
    Errno,
}

/// Puts a value into an assignment that is being read; `None` is one that is not known.
type Set<T> = fn(&mut Draft, Option<T>);

/// How a recorded value is read back, by what it is.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    /// Not at all: it follows from other columns.
    Derived,
    /// A number of 64 bits.
    U64(Set<u64>),
    /// A number of 32 bits.
    U32(Set<u32>),
    /// A number of 16 bits.
    U16(Set<u16>),
    /// A difference.
    I32(Set<i32>),
    /// A port: a row with another number is broken.
    Port(Set<u16>),
    /// An address: a row with anything else is broken.
    Address(Set<IpAddr>),
    /// Text. What is no word of ours is not known.
    Text(fn(&mut Draft, Option<&str>)),
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Key in JSON, header in CSV.
    pub name: &'static str,
    /// Header in text, its unit in parentheses where text has another than the value.
    pub header: &'static str,
    /// Unit of the value.
    pub unit: Unit,
    /// Takes the value from an assignment.
    pub value: for<'a> fn(&'a Assignment) -> Value<'a>,
    /// Takes a recorded value back.
    pub read: Read,
}

const fn column(
    name: &'static str,
    header: &'static str,
    value: for<'a> fn(&'a Assignment) -> Value<'a>,
    read: Read,
) -> Column {
    Column { name, header, unit: Unit::None, value, read }
}

const fn with_unit(column: Column, unit: Unit) -> Column {
    Column { unit, ..column }
}

/// When the decision was known.
pub const TS: Column = column("ts", "TIME", |a| Value::Time(a.ts_ns), Read::Derived);
/// The same as a number; in text, seconds since the start.
pub const TS_NS: Column = with_unit(
    column("ts_ns", "TIME(s)", |a| Value::U64(a.ts_ns), Read::U64(|d, ns| d.ts_ns = ns)),
    Unit::UnixNs,
);
/// Process id in the pid namespace that ephtrace sees.
pub const PID: Column = column("pid", "PID", |a| number(a.pid), Read::U32(|d, id| d.row.pid = id));
/// Thread id, likewise.
pub const TID: Column = column("tid", "TID", |a| number(a.tid), Read::U32(|d, id| d.row.tid = id));
/// Name of the process.
pub const COMM: Column = column(
    "comm",
    "COMM",
    |a| a.comm.as_ref().map_or(Value::Null, |c| Value::Str(c.as_str())),
    Read::Text(|d, name| d.row.comm = name.map(Comm::new)),
);
/// Real user id in the initial user namespace.
pub const UID: Column = column("uid", "UID", |a| number(a.uid), Read::U32(|d, id| d.row.uid = id));
/// Inode number of the network namespace.
pub const NETNS: Column = column(
    "netns",
    "NETNS",
    |a| number(a.flow.netns),
    Read::U32(|d, inode| d.row.flow.netns = inode.filter(|&inode| inode != 0)),
);
/// cgroup v2 id.
pub const CGROUP_ID: Column =
    column("cgroup_id", "CGROUP", |a| number(a.cgroup_id), Read::U64(|d, id| d.row.cgroup_id = id));
/// Short id of the container.
pub const CONTAINER: Column = column(
    "container",
    "CONTAINER",
    |a| a.container.as_deref().map_or(Value::Null, Value::Str),
    Read::Text(Draft::set_container),
);
/// 4 or 6; an IPv4-mapped destination is 4.
pub const FAMILY: Column =
    column("family", "IP", |a| Value::U64(a.flow.family().number().into()), Read::Derived);
/// Transport protocol.
pub const PROTOCOL: Column = column(
    "protocol",
    "PROTO",
    |a| name(a.protocol.map(Protocol::name)),
    Read::Text(|d, name| d.row.protocol = name.and_then(Protocol::from_name)),
);
/// How the assignment came about.
pub const ORIGIN: Column = column(
    "origin",
    "ORIGIN",
    |a| name(a.origin.map(Origin::name)),
    Read::Text(|d, name| d.row.origin = name.and_then(Origin::from_name)),
);
/// Source address.
pub const SADDR: Column =
    column("saddr", "SADDR", |a| Value::Ip(a.flow.saddr), Read::Address(Draft::set_source));
/// The assigned port; null for a failed assignment.
pub const SPORT: Column = column(
    "sport",
    "SPORT",
    |a| number(a.sport),
    // Nobody is given port 0.
    Read::Port(|d, port| d.row.sport = port.filter(|&port| port != 0)),
);
/// Destination address; null where there is none yet.
pub const DADDR: Column = column(
    "daddr",
    "DADDR",
    |a| a.flow.daddr.map_or(Value::Null, Value::Ip),
    Read::Address(|d, address| d.row.flow.daddr = address),
);
/// Destination port; null where there is none yet.
pub const DPORT: Column = column(
    "dport",
    "DPORT",
    |a| number(a.flow.dport),
    Read::Port(|d, port| d.row.flow.dport = port),
);
/// 0 for success, else the positive errno; in text, its name.
pub const ERRNO: Column = with_unit(
    column("errno", "RET", |a| number(a.errno), Read::U16(|d, errno| d.row.errno = errno)),
    Unit::Errno,
);
/// Name of the errno; null for success.
pub const ERROR: Column =
    column("error", "ERROR", |a| name(a.errno.and_then(errno_name)), Read::Derived);
/// Time that the kernel spent choosing, in nanoseconds; in text, in microseconds.
pub const LATENCY_NS: Column = with_unit(
    column(
        "latency_ns",
        "LAT(us)",
        |a| number(a.latency_ns),
        Read::U64(|d, ns| d.row.latency_ns = ns),
    ),
    Unit::Ns,
);
/// Lowest port of the range in force: two numbers are easier to query than a list.
pub const RANGE_LOW: Column = column(
    "range_low",
    "RANGE LOW",
    |a| number(a.ports().map(|range| range.low)),
    Read::U16(|d, port| d.low = port),
);
/// Highest port of the range in force.
pub const RANGE_HIGH: Column = column(
    "range_high",
    "RANGE HIGH",
    |a| number(a.ports().map(|range| range.high)),
    Read::U16(|d, port| d.high = port),
);
/// Who set the range: the namespace (sysctl) or the socket (`IP_LOCAL_PORT_RANGE`).
pub const RANGE_SOURCE: Column = column(
    "range_source",
    "RANGE OF",
    |a| name(a.range.map(|range| range.source.as_str())),
    Read::Text(|d, name| d.range_source = name.and_then(RangeSource::from_name)),
);
/// Epoch of the kernel's hash secret; a new one every ten seconds.
pub const SALT_EPOCH: Column = column(
    "salt_epoch",
    "EPOCH",
    |a| number(a.salt_epoch),
    Read::U64(|d, epoch| d.row.salt_epoch = epoch),
);
/// Where the search began.
pub const FIRST_CANDIDATE: Column = column(
    "first_candidate",
    "FIRST",
    |a| number(a.first_candidate),
    Read::U16(|d, port| d.row.first_candidate = port),
);
/// How many candidates the search looked at.
pub const TRIED: Column =
    column("tried", "TRIED", |a| number(a.tried), Read::U32(|d, tried| d.row.tried = tried));
/// Whether the search stayed with the parity it prefers.
pub const PASS: Column = column(
    "pass",
    "PASS",
    |a| name(a.pass.map(Pass::as_str)),
    Read::Text(|d, name| d.row.pass = name.and_then(Pass::from_name)),
);
/// Why the search is not known, or not all of it.
pub const SEARCH_UNKNOWN: Column = column(
    "search_unknown",
    "UNKNOWN",
    |a| name(a.search_unknown.map(Unknown::as_str)),
    Read::Text(|d, name| d.row.search_unknown = name.and_then(Unknown::from_name)),
);
/// This port minus the one before in the same lane, wrap-around undone.
pub const STEP: Column = column(
    "step",
    "STEP",
    |a| a.step.map_or(Value::Null, |step| Value::I64(step.into())),
    Read::I32(|d, step| d.row.step = step),
);
/// The socket would connect to itself.
pub const SELF_CONNECT: Column =
    column("self_connect", "SELF", |a| Value::Bool(a.is_self_connect()), Read::Derived);
/// Socket cookie.
pub const COOKIE: Column =
    column("cookie", "COOKIE", |a| number(a.cookie), Read::U64(|d, id| d.row.cookie = id));
/// How it was seen.
pub const HOOK: Column = column(
    "hook",
    "HOOK",
    |a| name(a.hook.map(Hook::name)),
    Read::Text(|d, name| d.row.hook = name.and_then(Hook::from_name)),
);
/// Process id in the initial pid namespace, where ephtrace is in another one.
pub const HOST_PID: Column =
    column("host_pid", "HOST PID", |a| number(a.host_pid), Read::U32(|d, id| d.row.host_pid = id));

/// Without these it is no recording.
pub const NEEDED: [&str; 5] = [TS_NS.name, SADDR.name, SPORT.name, DADDR.name, DPORT.name];

/// All of them, in the order in which JSON and CSV have them.
pub static COLUMNS: [Column; 32] = [
    TS,
    TS_NS,
    PID,
    TID,
    COMM,
    UID,
    NETNS,
    CGROUP_ID,
    CONTAINER,
    FAMILY,
    PROTOCOL,
    ORIGIN,
    SADDR,
    SPORT,
    DADDR,
    DPORT,
    ERRNO,
    ERROR,
    LATENCY_NS,
    RANGE_LOW,
    RANGE_HIGH,
    RANGE_SOURCE,
    SALT_EPOCH,
    FIRST_CANDIDATE,
    TRIED,
    PASS,
    SEARCH_UNKNOWN,
    STEP,
    SELF_CONNECT,
    COOKIE,
    HOOK,
    HOST_PID,
];

fn number(n: Option<impl Into<u64>>) -> Value<'static> {
    n.map_or(Value::Null, |n| Value::U64(n.into()))
}

fn name(name: Option<&'static str>) -> Value<'static> {
    name.map_or(Value::Null, Value::Name)
}
