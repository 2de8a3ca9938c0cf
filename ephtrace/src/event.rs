//! The model of one assignment, as everything behind the decoder sees it.
//!
//! Friendly types only: addresses are `IpAddr`, what is unknown is `None`. No I/O, no clock, no
//! sibling module. The wire format is in `ephtrace-common`, how it becomes this is in `decode`.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

pub use ephtrace_common::{Hook, Origin, Protocol};

/// One decision of the kernel: this socket gets this local port, or none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// When the decision was known, in nanoseconds since the Unix epoch.
    pub ts_ns: u64,
    /// Process id (`tgid`) in the initial pid namespace.
    pub pid: Option<u32>,
    /// Thread id in the initial pid namespace.
    pub tid: Option<u32>,
    /// Name of the process, not of the thread.
    pub comm: Option<Comm>,
    /// Real user id in the initial user namespace.
    pub uid: Option<u32>,
    /// cgroup v2 id: the inode number of its directory.
    pub cgroup_id: Option<u64>,
    /// Short id of the container that the task runs in, if it runs in one.
    pub container: Option<Arc<str>>,
    /// What the kernel's hash is keyed on.
    pub destination: Destination,
    /// Transport protocol.
    pub protocol: Option<Protocol>,
    /// How the assignment came about.
    pub origin: Option<Origin>,
    /// The assigned port; `None` for a failed assignment.
    pub sport: Option<u16>,
    /// 0 for success, else the positive errno; `None` where the source does not tell.
    pub errno: Option<u16>,
    /// Time that the kernel spent choosing, in nanoseconds.
    pub latency_ns: Option<u64>,
    /// The range in force for this socket.
    pub range: Option<PortRange>,
    /// Growth of the kernel's perturbation word during the search; see `analyse::selection`. Two
    /// ports in a row say as much, so that it is no secret.
    pub word_step: Option<u32>,
    /// Epoch of the kernel's hash secret: `jiffies64 / (10 * HZ)`.
    pub salt_epoch: Option<u64>,
    /// Where the search began; see `analyse::selection`.
    pub first_candidate: Option<u16>,
    /// How many candidates the search looked at, the chosen one included.
    pub tried: Option<u32>,
    /// Whether the search stayed with the parity it prefers.
    pub pass: Option<Pass>,
    /// Why the search is not known, or not all of it.
    pub search_unknown: Option<Unknown>,
    /// This port minus the one before in the same lane, wrap-around undone.
    pub step: Option<i32>,
    /// Whether the kernel's hash secret changed since the one before in the same lane, so that the
    /// step is none of the counter's.
    pub resalted: Option<bool>,
    /// Socket cookie (`SO_COOKIE`).
    pub cookie: Option<u64>,
    /// How it was seen; `None` for a foreign recording.
    pub hook: Option<Hook>,
}

impl Assignment {
    /// The kernel found no port.
    pub fn is_failed(&self) -> bool {
        self.sport.is_none()
    }

    /// The socket would connect to itself: source and destination are the same.
    pub fn is_self_connect(&self) -> bool {
        self.destination.saddr == self.destination.daddr
            && self.sport == Some(self.destination.dport)
    }

    /// It is known where to: a port that is chosen in `bind()` or `listen()`, or for a UDP socket, is
    /// chosen before.
    pub fn has_destination(&self) -> bool {
        self.destination.dport != 0 || !self.destination.daddr.is_unspecified()
    }

    /// 4 or 6; an IPv4-mapped destination is 4.
    pub fn family(&self) -> u8 {
        if self.destination.daddr.is_ipv4() { 4 } else { 6 }
    }
}

/// What the kernel's hash is keyed on, and the namespace that holds the ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Destination {
    /// Inode number of the network namespace, 0 where the source does not tell.
    pub netns: u32,
    /// Source address; fixed by routing before the search begins.
    pub saddr: IpAddr,
    /// Destination address; the unspecified one of the family if there is none.
    pub daddr: IpAddr,
    /// Destination port; 0 if there is none.
    pub dport: u16,
}

impl Default for Destination {
    fn default() -> Self {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self { netns: 0, saddr: any, daddr: any, dport: 0 }
    }
}

/// Lowest and highest ephemeral port in force, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    /// First port.
    pub low: u16,
    /// Last port.
    pub high: u16,
    /// The socket set `IP_LOCAL_PORT_RANGE`, which on Linux 6.8 and later also makes the search
    /// walk both parities at once, even where neither end is inside the namespace's range.
    pub by_socket: bool,
}

/// Number of ports from the first to the second, both inclusive; 0 if they are the wrong way round.
pub fn ports_between((low, high): (u16, u16)) -> u32 {
    (u32::from(high) + 1).saturating_sub(u32::from(low))
}

/// Number of ports of `part` that are in none of the `runs`, which do not overlap.
pub fn ports_outside(part: (u16, u16), runs: impl IntoIterator<Item = (u16, u16)>) -> u32 {
    let inside = runs.into_iter().map(|(low, high)| (low.max(part.0), high.min(part.1)));
    ports_between(part).saturating_sub(inside.map(ports_between).sum())
}

impl PortRange {
    /// The namespace's range, narrowed by the socket's `IP_LOCAL_PORT_RANGE` (0, 0 if unset).
    ///
    /// Each end of the socket's range counts only if it is inside the namespace's
    /// (`inet_sk_get_local_port_range`, Linux 6.3 and later).
    pub fn narrowed(netns: (u16, u16), socket: (u16, u16)) -> Self {
        let (mut low, mut high) = netns;
        if (low..=high).contains(&socket.0) {
            low = socket.0;
        }
        if (low..=high).contains(&socket.1) {
            high = socket.1;
        }
        Self { low, high, by_socket: socket != (0, 0) }
    }

    /// Number of ports in it.
    pub fn len(&self) -> u32 {
        ports_between((self.low, self.high))
    }

    /// Who narrowed it last: `socket` (`IP_LOCAL_PORT_RANGE`) or `netns` (the sysctl), as it stands
    /// in every output.
    pub fn source(self) -> &'static str {
        if self.by_socket { "socket" } else { "netns" }
    }

    /// Whether no port is in it, which the kernel does not allow.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether `port` is in it.
    pub fn contains(&self, port: u16) -> bool {
        (self.low..=self.high).contains(&port)
    }
}

/// Which half of the search found the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Ports of the parity that the kernel prefers (that of the low end of the range).
    First,
    /// Ports of the other parity: all of the preferred ones were taken.
    Second,
}

impl Pass {
    /// As it stands in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
        }
    }
}

/// Why a search can't be worked out; see `analyse::selection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unknown {
    /// The hook does not see the hash, or the kernel's is of the 32-bit kind (before 5.10.119).
    Hash,
    /// The address of the table is not known: no root, or a kernel without `KALLSYMS_ALL`.
    Table,
    /// The first search after boot fills the table itself.
    TableEmpty,
    /// Another search used the same word at the same time.
    Raced,
    /// The range in force could not be read.
    Range,
    /// What was read contradicts the rule.
    Rule,
    /// `net.ipv4.ip_local_port_step_width` is on: the number of candidates can't be told.
    RandomSteps,
    /// bind, listen, UDP and SCTP draw where to begin for each search anew, in a local variable.
    RandomStart,
}

impl Unknown {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Hash,
        Self::Table,
        Self::TableEmpty,
        Self::Raced,
        Self::Range,
        Self::Rule,
        Self::RandomSteps,
        Self::RandomStart,
    ];

    /// As it stands in every output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hash => "no_hash",
            Self::Table => "no_table",
            Self::TableEmpty => "table_empty",
            Self::Raced => "raced",
            Self::Range => "no_range",
            Self::Rule => "no_known_rule",
            Self::RandomSteps => "random_steps",
            Self::RandomStart => "random_start",
        }
    }

    /// In words, for a sentence.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Hash => "the hook does not see the kernel's hash",
            Self::Table => "the kernel's perturbation table can't be read",
            Self::TableEmpty => "the first search after boot fills the perturbation table itself",
            Self::Raced => "another search used the same perturbation word at the same time",
            Self::Range => "the range in force is not known",
            Self::Rule => "port and perturbation word don't follow the known rule",
            Self::RandomSteps => {
                "with net.ipv4.ip_local_port_step_width the search takes random steps"
            }
            Self::RandomStart => "the kernel draws where to begin each time, unseen",
        }
    }
}

/// Name of a process, at most 15 bytes (`TASK_COMM_LEN` less the NUL).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Comm {
    bytes: [u8; 16],
    len: u8,
}

impl Comm {
    /// From the kernel's NUL-terminated form; bytes that are not UTF-8 become `?`.
    pub fn from_kernel(mut bytes: [u8; 16]) -> Self {
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(16);
        bytes[end..].fill(0);
        if std::str::from_utf8(&bytes[..end]).is_err() {
            bytes[..end].iter_mut().filter(|b| !b.is_ascii()).for_each(|b| *b = b'?');
        }
        // At most 16, so the cast keeps it whole.
        Self { bytes, len: u8::try_from(end).unwrap_or(16) }
    }

    /// The longest prefix of `name` that fits.
    pub fn new(name: &str) -> Self {
        let mut bytes = [0; 16];
        let mut end = name.len().min(15);
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        bytes[..end].copy_from_slice(&name.as_bytes()[..end]);
        Self::from_kernel(bytes)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or("?")
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// How the kernel finds the port of an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// From a first candidate that the destination's hash and a perturbation word give.
    Keyed,
    /// From a first candidate that is drawn at random for each search, in a local variable.
    Random,
    /// The next number of one counter for all.
    Counted,
    /// Not at all: the program named the port.
    Named,
}

impl Search {
    /// The search that an assignment of `origin` comes out of.
    pub fn of(origin: Origin) -> Self {
        match origin {
            Origin::Connect => Self::Keyed,
            Origin::Bind | Origin::Listen | Origin::Udp | Origin::Sctp => Self::Random,
            Origin::Ping => Self::Counted,
            Origin::Explicit => Self::Named,
        }
    }
}

/// The name of an origin in every output and on the command line.
pub fn origin_name(origin: Origin) -> &'static str {
    origin.name()
}

/// The name of a protocol in every output.
pub fn protocol_name(protocol: Protocol) -> &'static str {
    protocol.name()
}

/// The name of a hook in every output and on the command line.
pub fn hook_name(hook: Hook) -> &'static str {
    hook.name()
}

/// The name of an errno that a search for a port can end with, in every output.
pub fn errno_name(errno: u16) -> Option<&'static str> {
    Some(match errno {
        1 => "EPERM",
        4 => "EINTR",
        9 => "EBADF",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        14 => "EFAULT",
        16 => "EBUSY",
        19 => "ENODEV",
        22 => "EINVAL",
        88 => "ENOTSOCK",
        93 => "EPROTONOSUPPORT",
        95 => "EOPNOTSUPP",
        97 => "EAFNOSUPPORT",
        98 => "EADDRINUSE",
        99 => "EADDRNOTAVAIL",
        100 => "ENETDOWN",
        101 => "ENETUNREACH",
        103 => "ECONNABORTED",
        104 => "ECONNRESET",
        105 => "ENOBUFS",
        106 => "EISCONN",
        107 => "ENOTCONN",
        110 => "ETIMEDOUT",
        111 => "ECONNREFUSED",
        113 => "EHOSTUNREACH",
        114 => "EALREADY",
        115 => "EINPROGRESS",
        _ => return None,
    })
}
