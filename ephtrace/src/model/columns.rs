//! Each column once: its name, header, unit, meaning and kind of values, how its value is taken
//! from an assignment, and how a recorded value goes back into one.
//!
//! All outputs, the readers of recordings and the schema use this list, so a field has one name and
//! one meaning everywhere. The output determines how a value is written.

use ephtrace_common::{Hook, Origin, Protocol};

pub use super::{
    column::{Column, Kind, Read, Unit, Value},
    name_columns::{CONTAINER_NAME, IMAGE, POD, POD_NAMESPACE, UNIT},
};
use super::{
    column::{column, never_null, with_unit},
    comm::Comm,
    draft::Draft,
    errno::errno_name,
    port_range::RangeSource,
    search::{Pass, Unknown},
};

const ID32: Kind = Kind::Unsigned(32);
const ID64: Kind = Kind::Unsigned(64);
const PORT: Kind = Kind::Unsigned(16);

/// Time at which the decision was known.
pub const TS: Column = never_null(column(
    "ts",
    "TIME",
    (Kind::Time, "when the result was known, as text"),
    |a| Value::Time(a.ts_ns),
    Read::Derived,
));
/// Time as a number; in text, seconds since the start.
pub const TS_NS: Column = never_null(with_unit(
    column(
        "ts_ns",
        "TIME(s)",
        (ID64, "when the port was assigned"),
        |a| Value::U64(a.ts_ns),
        Read::U64(|d, ns| d.ts_ns = ns),
    ),
    Unit::UnixNs,
));
/// Process id in the pid namespace that ephtrace sees.
pub const PID: Column = column(
    "pid",
    "PID",
    (ID32, "process, in ephtrace's PID namespace"),
    |a| number(a.pid),
    Read::U32(|d, id| d.row.pid = id),
);
/// Thread id, likewise.
pub const TID: Column = column(
    "tid",
    "TID",
    (ID32, "thread, in ephtrace's PID namespace"),
    |a| number(a.tid),
    Read::U32(|d, id| d.row.tid = id),
);
/// Name of the process.
pub const COMM: Column = column(
    "comm",
    "COMM",
    (Kind::Text, "name of the process"),
    |a| a.comm.as_ref().map_or(Value::Null, |c| Value::Str(c.as_str())),
    Read::Text(|d, name| d.row.comm = name.map(Comm::new)),
);
/// Real user id in the initial user namespace.
pub const UID: Column = column(
    "uid",
    "UID",
    (ID32, "real user, in the initial user namespace"),
    |a| number(a.uid),
    Read::U32(|d, id| d.row.uid = id),
);
/// Inode number of the network namespace.
pub const NETNS: Column = column(
    "netns",
    "NETNS",
    (ID32, "network namespace: inode number"),
    |a| number(a.flow.netns),
    Read::U32(|d, inode| d.row.flow.netns = inode.filter(|&inode| inode != 0)),
);
/// cgroup v2 id.
pub const CGROUP_ID: Column = column(
    "cgroup_id",
    "CGROUP",
    (ID64, "cgroup v2 id: inode number"),
    |a| number(a.cgroup_id),
    Read::U64(|d, id| d.row.cgroup_id = id),
);
/// Short id of the container.
pub const CONTAINER: Column = column(
    "container",
    "CONTAINER",
    (Kind::Text, "short id of the container"),
    |a| a.container.as_deref().map_or(Value::Null, Value::Str),
    Read::Text(Draft::set_container),
);
/// Address family: 4 or 6; an IPv4-mapped destination is 4.
pub const FAMILY: Column = never_null(column(
    "family",
    "IP",
    (Kind::Unsigned(8), "4 or 6; IPv4-mapped is 4"),
    |a| Value::U64(a.flow.family().number().into()),
    Read::Derived,
));
/// Transport protocol.
pub const PROTOCOL: Column = column(
    "protocol",
    "PROTO",
    (Kind::Words(protocols), "transport protocol"),
    |a| name(a.protocol.map(Protocol::name)),
    Read::Text(|d, name| d.row.protocol = name.and_then(Protocol::from_name)),
);
/// Origin of the assignment.
pub const ORIGIN: Column = column(
    "origin",
    "ORIGIN",
    (Kind::Words(origins), "which call led to the assignment"),
    |a| name(a.origin.map(Origin::name)),
    Read::Text(|d, name| d.row.origin = name.and_then(Origin::from_name)),
);
/// Source address.
pub const SADDR: Column = never_null(column(
    "saddr",
    "SADDR",
    (Kind::Address, "source address"),
    |a| Value::Ip(a.flow.saddr),
    Read::Address(Draft::set_source),
));
/// Assigned port; null for a failed assignment.
pub const SPORT: Column = column(
    "sport",
    "SPORT",
    (PORT, "the assigned port; null if the kernel found none"),
    |a| number(a.sport),
    // Port 0 is never assigned.
    Read::Port(|d, port| d.row.sport = port.filter(|&port| port != 0)),
);
/// Destination address; null if there is none yet.
pub const DADDR: Column = column(
    "daddr",
    "DADDR",
    (Kind::Address, "destination address; null if there is none yet"),
    |a| a.flow.daddr.map_or(Value::Null, Value::Ip),
    Read::Address(|d, address| d.row.flow.daddr = address),
);
/// Destination port; null if there is none yet.
pub const DPORT: Column = column(
    "dport",
    "DPORT",
    (PORT, "destination port; null if there is none yet"),
    |a| number(a.flow.dport),
    Read::Port(|d, port| d.row.flow.dport = port),
);
/// 0 for success, else the positive errno; in text, its name.
pub const ERRNO: Column = with_unit(
    column(
        "errno",
        "RET",
        (PORT, "0, or the error"),
        |a| number(a.errno),
        Read::U16(|d, errno| d.row.errno = errno),
    ),
    Unit::Errno,
);
/// Name of the errno; null for success.
pub const ERROR: Column = column(
    "error",
    "ERROR",
    (Kind::Text, "name of the error; null if none"),
    |a| name(a.errno.and_then(errno_name)),
    Read::Derived,
);
/// Port search latency, in nanoseconds; in text, in microseconds.
pub const LATENCY_NS: Column = with_unit(
    column(
        "latency_ns",
        "LAT(us)",
        (ID64, "port search latency: time the kernel took to choose the port"),
        |a| number(a.latency_ns),
        Read::U64(|d, ns| d.row.latency_ns = ns),
    ),
    Unit::Ns,
);
/// Lowest port of the range in force: two numbers are easier to query than a list.
pub const RANGE_LOW: Column = column(
    "range_low",
    "RANGE LOW",
    (PORT, "first port of the range in force"),
    |a| number(a.ports().map(|range| range.low)),
    Read::U16(|d, port| d.low = port),
);
/// Highest port of the range in force.
pub const RANGE_HIGH: Column = column(
    "range_high",
    "RANGE HIGH",
    (PORT, "last port of the range in force"),
    |a| number(a.ports().map(|range| range.high)),
    Read::U16(|d, port| d.high = port),
);
/// Setter of the range: the namespace (sysctl) or the socket (`IP_LOCAL_PORT_RANGE`).
pub const RANGE_SOURCE: Column = column(
    "range_source",
    "RANGE OF",
    (Kind::Words(range_sources), "who set the range: netns or socket"),
    |a| name(a.range.map(|range| range.source.as_str())),
    Read::Text(|d, name| d.range_source = name.and_then(RangeSource::from_name)),
);
/// Epoch of the kernel's hash secret; a new one every ten seconds.
pub const SALT_EPOCH: Column = column(
    "salt_epoch",
    "EPOCH",
    (ID64, "epoch of the kernel's hash secret"),
    |a| number(a.salt_epoch),
    Read::U64(|d, epoch| d.row.salt_epoch = epoch),
);
/// First candidate of the search.
pub const FIRST_CANDIDATE: Column = column(
    "first_candidate",
    "FIRST",
    (
        PORT,
        "port at which the search began, or the port that the program asked for (failures of \
         origin `explicit`)",
    ),
    |a| number(a.first_candidate),
    Read::U16(|d, port| d.row.first_candidate = port),
);
/// Number of candidates that the search tried.
pub const TRIED: Column = column(
    "tried",
    "TRIED",
    (ID32, "candidates that the search tried"),
    |a| number(a.tried),
    Read::U32(|d, tried| d.row.tried = tried),
);
/// Pass of the search: whether it stayed with the preferred parity.
pub const PASS: Column = column(
    "pass",
    "PASS",
    (Kind::Words(passes), "pass of the search: first or second"),
    |a| name(a.pass.map(Pass::as_str)),
    Read::Text(|d, name| d.row.pass = name.and_then(Pass::from_name)),
);
/// Reason why the search is not known, or only in part.
pub const SEARCH_UNKNOWN: Column = column(
    "search_unknown",
    "UNKNOWN",
    (Kind::Words(reasons), "why the search is unknown"),
    |a| name(a.search_unknown.map(Unknown::as_str)),
    Read::Text(|d, name| d.row.search_unknown = name.and_then(Unknown::from_name)),
);
/// Difference from the previous port in the same lane, wrap-around undone.
pub const STEP: Column = column(
    "step",
    "STEP",
    (Kind::Signed, "port minus the previous one to this destination"),
    |a| a.step.map_or(Value::Null, |step| Value::I64(step.into())),
    Read::I32(|d, step| d.row.step = step),
);
/// True if the socket would connect to itself.
pub const SELF_CONNECT: Column = never_null(column(
    "self_connect",
    "SELF",
    (Kind::Bool, "whether the socket connects to itself"),
    |a| Value::Bool(a.is_self_connect()),
    Read::Derived,
));
/// Socket cookie.
pub const COOKIE: Column = column(
    "cookie",
    "COOKIE",
    (ID64, "socket cookie"),
    |a| number(a.cookie),
    Read::U64(|d, id| d.row.cookie = id),
);
/// Hook that saw the assignment.
pub const HOOK: Column = column(
    "hook",
    "HOOK",
    (Kind::Words(hooks), "hook that saw it"),
    |a| name(a.hook.map(Hook::name)),
    Read::Text(|d, name| d.row.hook = name.and_then(Hook::from_name)),
);
/// Process id in the initial pid namespace, if ephtrace is in another one.
pub const HOST_PID: Column = column(
    "host_pid",
    "HOST PID",
    (ID32, "process, in the initial PID namespace if different"),
    |a| number(a.host_pid),
    Read::U32(|d, id| d.row.host_pid = id),
);

/// Columns that every recording must have.
pub const NEEDED: [&str; 5] = [TS_NS.name, SADDR.name, SPORT.name, DADDR.name, DPORT.name];

/// All columns, in the order of JSON and CSV.
pub static COLUMNS: [Column; 37] = [
    TS,
    TS_NS,
    PID,
    TID,
    COMM,
    UID,
    NETNS,
    CGROUP_ID,
    CONTAINER,
    CONTAINER_NAME,
    IMAGE,
    POD,
    POD_NAMESPACE,
    UNIT,
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

fn protocols() -> Vec<&'static str> {
    Protocol::ALL.iter().map(|protocol| protocol.name()).collect()
}

fn origins() -> Vec<&'static str> {
    Origin::ALL.iter().map(|origin| origin.name()).collect()
}

fn range_sources() -> Vec<&'static str> {
    RangeSource::ALL.iter().map(|source| source.as_str()).collect()
}

fn passes() -> Vec<&'static str> {
    Pass::ALL.iter().map(|pass| pass.as_str()).collect()
}

fn reasons() -> Vec<&'static str> {
    Unknown::ALL.iter().map(|reason| reason.as_str()).collect()
}

fn hooks() -> Vec<&'static str> {
    Hook::ALL.iter().map(|hook| hook.name()).collect()
}
