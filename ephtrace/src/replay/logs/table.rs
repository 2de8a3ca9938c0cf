//! Tables with a header of column names: ephtrace's CSV, Zeek's `conn.log`, `tshark -T fields -E
//! header=y`, tcpconnect and tcptracer of bcc and libbpf-tools, and user-defined ones.

use std::str::FromStr;

use super::{
    super::{
        item::Item,
        names,
        told::{Sent, Told},
    },
    clock::Clock,
    roles::{self, Role, column, roles},
    said::Said,
    values::{Separator, values},
};
use crate::model::{
    Draft, FlowKey, PacketKind, Protocol,
    columns::{COLUMNS, Column, NEEDED, Read},
};

/// Columns of a table.
pub(in crate::replay) struct Table {
    separator: Separator,
    roles: Vec<Role>,
    draft: Draft,
    /// Kind of a Zeek log: `conn.log` alone has each connection once.
    zeek: Option<Zeek>,
    has_header: bool,
    /// True if it has all of ephtrace's columns.
    is_ours: bool,
    /// True if it has the sockets of both sides, as tcplife's: those of servers are left out.
    is_of_sockets: bool,
    /// Text in place of a value that is not there.
    unset: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zeek {
    Connections,
    Other,
}

/// Flags of TCP.
const SYN: u32 = 0x02;
const RST: u32 = 0x04;
const ACK: u32 = 0x10;

/// Reason and remedy for a table without the ports of clients, which is refused.
const WITHOUT_PORT: (&str, &str) = (
    "a table without the source ports of connections",
    "it needs a column such as sport, id.orig_p or LPORT (`tcpconnect -L` prints it)",
);

/// Reason and remedy for a table without names.
const NAMELESS: (&str, &str) = (
    "a table without the names of its columns",
    "begin it with a line of names (`tshark -T fields -E header=y`, `zeek-cut -C`), or use \
     `tshark -T ek`",
);

/// Returns whether a line is a row, not a header: it has two addresses, or begins with a number.
fn is_nameless(line: &str, separator: Separator) -> bool {
    let values = values(line.trim_start(), separator, 0, None);
    let is_number = |value: &String| value.trim().parse::<f64>().is_ok();
    let addresses = values.iter().filter(|value| names::address(value.trim()).is_some()).count();
    !line.contains('{')
        && (addresses > 1 || (values.len() > 4 && values.first().is_some_and(is_number)))
}

/// Returns the separator of a log of Zeek by its first line.
fn zeek_separator(first: &str) -> Option<Separator> {
    if first.starts_with("#fields\t") {
        return Some(Separator::Tab);
    }
    let separator = first.strip_prefix("#separator ")?;
    let character = match separator.strip_prefix("\\x") {
        Some(number) => u8::from_str_radix(number, 16).ok().map(char::from)?,
        None => separator.chars().next()?,
    };
    Some(if character == '\t' { Separator::Tab } else { Separator::Plain(character) })
}

impl Table {
    /// Detects a table by its header, or by the first line of a Zeek log; `None` if it is neither.
    pub(super) fn of(first: &str) -> Result<Option<Self>, (&'static str, &'static str)> {
        let first = first.trim_end_matches(['\n', '\r']);
        if let Some(separator) = zeek_separator(first) {
            let mut table = Self::new(separator, Some(Zeek::Other));
            table.take_header(first);
            return Ok(Some(table));
        }
        let separator = Separator::of(first);
        let mut table = Self::new(separator, None);
        table.set_roles(&values(first, separator, 0, None));
        let has = |name: &str| table.place(name).is_some();
        let is_table = has("saddr") && has("daddr") && has("dport") && !first.contains('{');
        match (is_table, has("sport")) {
            (false, _) if is_nameless(first, separator) => Err(NAMELESS),
            (false, _) => Ok(None),
            (true, false) => Err(WITHOUT_PORT),
            (true, true) => Ok(Some(table)),
        }
    }

    fn new(separator: Separator, zeek: Option<Zeek>) -> Self {
        let (roles, draft) = (Vec::new(), Draft::default());
        let unset = "-".to_owned();
        Self {
            separator,
            roles,
            draft,
            zeek,
            has_header: false,
            is_ours: false,
            is_of_sockets: false,
            unset,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        let is_of_packets =
            self.roles.iter().any(|role| matches!(role, Role::SynFlag | Role::Flags));
        match self.zeek {
            Some(Zeek::Connections) => "a Zeek connection log",
            Some(Zeek::Other) => "a Zeek log other than conn.log",
            None if is_of_packets => "a table of packets",
            None => "a table of connections",
        }
    }

    /// Returns true if a column has times; those of Zeek's logs do.
    pub(super) fn has_times(&self) -> bool {
        let is_time = |role: &Role| matches!(role, Role::Time);
        self.zeek.is_some() || self.place("ts_ns").is_some() || self.roles.iter().any(is_time)
    }

    /// Returns whether ephtrace wrote it.
    pub(super) fn is_ours(&self) -> bool {
        self.is_ours
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.roles.iter().position(|role| {
            matches!(role, Role::Ours(column) | Role::Named(column, _) if column.name == name)
        })
    }

    fn set_roles(&mut self, header: &[String]) {
        self.roles = roles(header);
        self.is_of_sockets = roles::is_of_sockets(header);
        self.is_ours = COLUMNS.iter().all(|ours| header.iter().any(|name| name == ours.name));
        // Another form of the same time.
        if self.place("ts_ns").is_some() {
            let times = self.roles.iter_mut().filter(|role| matches!(role, Role::Time));
            times.for_each(|role| *role = Role::Other);
        }
    }

    /// Handles a metadata line of Zeek. Several logs may follow each other.
    fn take_header(&mut self, line: &str) {
        let mut words = match self.separator {
            Separator::Plain(character) => line.split(character),
            _ => line.split('\t'),
        };
        match words.next() {
            Some("#path") => {
                let is_of_connections = words.next().is_some_and(|path| path.starts_with("conn"));
                self.zeek = Some(if is_of_connections { Zeek::Connections } else { Zeek::Other });
            }
            Some("#unset_field") => words.next().unwrap_or("-").clone_into(&mut self.unset),
            Some("#fields") => {
                let names: Vec<String> = words.map(str::to_owned).collect();
                if names.iter().any(|name| name == "conn_state") {
                    self.zeek = Some(Zeek::Connections);
                }
                self.set_roles(&names);
                self.has_header = true;
            }
            Some(begin) if begin.starts_with("#separator") => self.zeek = Some(Zeek::Other),
            _ => {}
        }
    }

    pub(super) fn read(&mut self, line: &str, clock: &mut Clock) -> Result<Said, String> {
        if line.trim().is_empty() {
            return Ok(Said::Nothing);
        }
        if self.zeek.is_some() && line.starts_with('#') {
            self.take_header(line);
            return Ok(Said::Nothing);
        }
        if self.zeek == Some(Zeek::Other) {
            return Ok(Said::Nothing);
        }
        if self.zeek.is_none() && !self.has_header {
            self.has_header = true;
            return Ok(Said::Nothing);
        }
        let names = self.place("comm");
        let values = values(line, self.separator, self.roles.len(), names);
        self.row(&values, clock)
    }

    fn row(&mut self, values: &[String], clock: &mut Clock) -> Result<Said, String> {
        let (mut about, mut has_time) = (About::default(), false);
        COLUMNS.iter().try_for_each(|column| set(&mut self.draft, column, None))?;
        for (role, value) in self.roles.iter().zip(values) {
            let value = value.trim();
            if value.is_empty() || value == "-" || value == "(empty)" || value == self.unset {
                continue;
            }
            match *role {
                Role::Named(column, of) => {
                    set(&mut self.draft, column, Some(about.word(column, last(value))))?;
                    about.packet_of = of.or(about.packet_of);
                    about.has_source |= column.name == "saddr";
                }
                Role::Ours(column) => {
                    set(&mut self.draft, column, Some(value))?;
                    has_time |= column.name == "ts_ns";
                    about.has_source |= column.name == "saddr";
                }
                Role::Time => has_time |= clock.set(value).is_some(),
                Role::SynFlag => about.add_flags(u32::from(is_true(value)) * SYN),
                Role::AckFlag => about.other_flags |= u32::from(is_true(value)) * ACK,
                Role::ResetFlag => about.other_flags |= u32::from(is_true(value)) * RST,
                Role::Flags => about.take_flags(value),
                Role::Sequence => about.sequence = last(value).parse().ok(),
                Role::History => about.lacks_syn = !value.contains(['S', 'h']),
                Role::Event => {
                    about.is_other |=
                        !["c", "connect"].iter().any(|it| value.eq_ignore_ascii_case(it));
                }
                Role::OldState => about.is_other |= !value.eq_ignore_ascii_case("SYN_SENT"),
                Role::Other => {}
            }
        }
        if !has_time {
            clock.next();
        }
        self.said(about, clock)
    }

    fn said(&mut self, about: About, clock: &mut Clock) -> Result<Said, String> {
        if about.is_other {
            return Ok(Said::Nothing);
        }
        let has_ns = self.place("ts_ns").is_some();
        if !has_ns {
            let now = clock.now_ns().to_string();
            column("ts_ns").map_or(Ok(()), |ts| set(&mut self.draft, ts, Some(&now)))?;
        }
        let mut assignment = self.draft.assignment()?;
        if has_ns {
            clock.set_ns(assignment.ts_ns);
        }
        let FlowKey { saddr, daddr, dport, .. } = assignment.flow;
        let Some(sport) = assignment.sport else {
            // A failed one has no port, and ICMP has none at all.
            let has_failed = assignment.errno.is_some_and(|errno| errno != 0);
            let row = Item::Assignment(assignment);
            return Ok(if has_failed { Said::Row(row) } else { Said::Nothing });
        };
        if !about.has_source {
            return Err("no source address (of IPv6, tshark has it in ipv6.src)".to_owned());
        }
        assignment.protocol = assignment.protocol.or(about.packet_of);
        let protocol = assignment.protocol.unwrap_or(Protocol::Tcp);
        if about.lacks_syn && protocol == Protocol::Tcp {
            return Ok(Said::Nothing);
        }
        let sent = daddr.zip(dport).map(|(daddr, dport)| {
            let sequence = about.sequence;
            Sent { protocol, saddr, daddr, sport, dport, sequence }
        });
        if self.is_of_sockets && sent.is_some_and(|sent| !sent.may_be_a_client_s()) {
            return Ok(Said::Nothing);
        }
        let Some(sent) = sent.filter(|_| about.packet_of.is_some()) else {
            return Ok(Said::Row(Item::Assignment(assignment)));
        };
        Ok(Said::Packet(about.told(sent)))
    }
}

/// Facts in a row besides the columns of an assignment.
#[derive(Clone, Copy, Default)]
struct About {
    has_source: bool,
    /// Protocol, if the row is a packet.
    packet_of: Option<Protocol>,
    /// Flags of TCP: all, or at least whether it is a SYN.
    flags: Option<u32>,
    /// Flags in columns of their own.
    other_flags: u32,
    sequence: Option<u32>,
    /// True if the beginning of the connection was not seen.
    lacks_syn: bool,
    /// True if no connection begins here, or none with ports.
    is_other: bool,
}

impl About {
    /// Converts a value to ephtrace's form: protocols may be numbers, or without ports.
    fn word<'v>(&mut self, column: &Column, value: &'v str) -> &'v str {
        if column.name != "protocol" {
            return value;
        }
        let name = match value {
            "6" => "tcp",
            "17" => "udp",
            "132" => "sctp",
            _ => Protocol::ALL
                .iter()
                .map(|one| one.name())
                .find(|name| name.eq_ignore_ascii_case(value) && !name.starts_with("icmp"))
                .unwrap_or_default(),
        };
        self.is_other |= name.is_empty();
        name
    }

    fn take_flags(&mut self, value: &str) {
        if let Ok(flags) = u32::from_str_radix(last(value).trim_start_matches("0x"), 16) {
            self.add_flags(flags);
        }
    }

    fn add_flags(&mut self, flags: u32) {
        *self.flags.get_or_insert_default() |= flags;
    }

    fn told(self, sent: Sent) -> Told {
        let is_set = |flag| self.flags.is_some_and(|flags| (flags | self.other_flags) & flag != 0);
        match sent.protocol {
            Protocol::Tcp if self.flags.is_some() => match (is_set(SYN), is_set(ACK)) {
                _ if is_set(RST) => Told::Reset(sent),
                (true, false) => Told::Begun(sent),
                // The sequence number is relative to a beginning that may be missing: the addresses
                // identify it.
                (true, true) => Told::Answered(Sent { sequence: None, ..sent.reversed() }),
                (false, true) => Told::Later(sent),
                (false, false) => Told::Nothing(PacketKind::MidStream),
            },
            _ => Told::Datagram(Sent { sequence: None, ..sent }),
        }
    }
}

/// Parses tshark's form of yes and no.
fn is_true(value: &str) -> bool {
    last(value) == "1" || last(value).eq_ignore_ascii_case("true")
}

/// Returns the last of several values, which is the innermost in a tunnel.
fn last(value: &str) -> &str {
    value.rsplit(',').next().unwrap_or(value).trim()
}

fn set(draft: &mut Draft, column: &Column, value: Option<&str>) -> Result<(), String> {
    match column.read {
        Read::Derived => {}
        Read::U64(set) => set(draft, parsed(column, value)?),
        Read::U32(set) => set(draft, parsed(column, value)?),
        Read::U16(set) | Read::Port(set) => set(draft, parsed(column, value)?),
        Read::I32(set) => set(draft, parsed(column, value)?),
        Read::Text(set) => set(draft, value),
        Read::Address(set) => {
            let address =
                value.map(|value| names::address(value).ok_or_else(|| wrong(column, value)));
            set(draft, address.transpose()?);
        }
    }
    Ok(())
}

/// Parses a number; `None` if it is invalid and not needed.
fn parsed<T: FromStr>(column: &Column, value: Option<&str>) -> Result<Option<T>, String> {
    let Some(value) = value else { return Ok(None) };
    match value.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) if NEEDED.contains(&column.name) => Err(wrong(column, value)),
        Err(_) => Ok(None),
    }
}

fn wrong(column: &Column, value: &str) -> String {
    format!("'{}' is not a valid {} ({})", value.escape_debug(), column.name, column.meaning)
}
