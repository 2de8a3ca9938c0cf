//! Tables with a header of column names: ephtrace's CSV, Zeek's `conn.log`, `tshark -T fields -E
//! header=y`, tcpconnect and tcptracer of bcc and libbpf-tools, and user-defined ones.

use std::str::FromStr;

use csv_core::{ReadRecordResult, Reader as CsvReader};

use super::{
    super::{
        item::Item,
        names,
        told::{Sent, Told},
    },
    clock::Clock,
    names_of_others::{NAMES, TIMES},
    said::Said,
};
use crate::model::{
    Draft, FlowKey, PacketKind, Protocol,
    columns::{COLUMNS, Column, NEEDED, Read},
};

/// Separator of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    Tab,
    Comma,
    /// Any number of spaces; the name of a process may contain some.
    Spaces,
}

/// Use of a column.
#[derive(Clone, Copy)]
enum Role {
    /// One of ephtrace's own columns.
    Ours(&'static Column),
    /// A time in another format.
    Time,
    /// One of ephtrace's columns under another name; for tshark, which has one for each protocol,
    /// with the protocol.
    Named(&'static Column, Option<Protocol>),
    SynFlag,
    AckFlag,
    Sequence,
    /// Zeek's history of a connection's packets, one letter each.
    History,
    /// tcptracer's event: it connects, accepts, or closes.
    Event,
    Other,
}

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
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zeek {
    Connections,
    Other,
}

/// Reason and remedy for a table without the ports of clients, which is refused.
const WITHOUT_PORT: (&str, &str) = (
    "a table without the source ports of connections",
    "it needs a column such as sport, id.orig_p or LPORT (`tcpconnect -L` prints it)",
);

fn column(name: &str) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.name == name)
}

impl Table {
    /// Detects a table by its header, or by the first line of a Zeek log; `None` if it is neither.
    pub(super) fn of(first: &str) -> Result<Option<Self>, (&'static str, &'static str)> {
        let first = first.trim_end_matches(['\n', '\r']);
        if first.starts_with("#separator \\x09") || first.starts_with("#fields\t") {
            let mut table = Self::new(Separator::Tab, Some(Zeek::Other));
            table.take_header(first);
            return Ok(Some(table));
        }
        let separator = match first {
            _ if first.contains('\t') => Separator::Tab,
            _ if first.contains(',') => Separator::Comma,
            _ => Separator::Spaces,
        };
        let mut table = Self::new(separator, None);
        table.set_roles(&values(first, separator, 0, None));
        let has = |name: &str| table.place(name).is_some();
        let is_table = has("saddr") && has("daddr") && has("dport") && !first.contains('{');
        match (is_table, has("sport")) {
            (false, _) => Ok(None),
            (true, false) => Err(WITHOUT_PORT),
            (true, true) => Ok(Some(table)),
        }
    }

    fn new(separator: Separator, zeek: Option<Zeek>) -> Self {
        let (roles, draft) = (Vec::new(), Draft::default());
        Self { separator, roles, draft, zeek, has_header: false, is_ours: false }
    }

    pub(super) fn name(&self) -> &'static str {
        let is_of_packets = self.roles.iter().any(|role| matches!(role, Role::SynFlag));
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
        self.roles = header.iter().map(|name| role(&name.trim().to_lowercase())).collect();
        self.is_ours = COLUMNS.iter().all(|ours| header.iter().any(|name| name == ours.name));
        // Another form of the same time.
        if self.place("ts_ns").is_some() {
            let times = self.roles.iter_mut().filter(|role| matches!(role, Role::Time));
            times.for_each(|role| *role = Role::Other);
        }
    }

    /// Handles a metadata line of Zeek.
    fn take_header(&mut self, line: &str) {
        if line.strip_prefix("#path\t").is_some_and(|path| path.starts_with("conn")) {
            self.zeek = Some(Zeek::Connections);
        }
        if let Some(names) = line.strip_prefix("#fields\t") {
            if names.split('\t').any(|name| name == "conn_state") {
                self.zeek = Some(Zeek::Connections);
            }
            self.set_roles(&names.split('\t').map(str::to_owned).collect::<Vec<_>>());
            self.has_header = true;
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
            if value.is_empty() || value == "-" || value == "(empty)" {
                continue;
            }
            match *role {
                Role::Named(column, of) => {
                    // In a tunnel, the last value is the innermost.
                    let value = value.rsplit(',').next().unwrap_or(value);
                    set(&mut self.draft, column, Some(about.word(column, value)))?;
                    about.packet_of = of.or(about.packet_of);
                }
                Role::Ours(column) => {
                    set(&mut self.draft, column, Some(value))?;
                    has_time |= column.name == "ts_ns";
                }
                Role::Time => has_time |= clock.set(value).is_some(),
                Role::SynFlag => about.syn = Some(is_true(value)),
                Role::AckFlag => about.ack = is_true(value),
                Role::Sequence => about.sequence = value.parse().ok(),
                Role::History => about.lacks_syn = !value.contains(['S', 'h']),
                Role::Event => about.is_other = !value.eq_ignore_ascii_case("c"),
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
        assignment.protocol = assignment.protocol.or(about.packet_of);
        let protocol = assignment.protocol.unwrap_or(Protocol::Tcp);
        if about.lacks_syn && protocol == Protocol::Tcp {
            return Ok(Said::Nothing);
        }
        let Some((daddr, dport)) = daddr.zip(dport).filter(|_| about.packet_of.is_some()) else {
            return Ok(Said::Row(Item::Assignment(assignment)));
        };
        let sent = Sent { protocol, saddr, daddr, sport, dport, sequence: about.sequence };
        Ok(Said::Packet(about.told(sent)))
    }
}

/// Facts in a row besides the columns of an assignment.
#[derive(Clone, Copy, Default)]
struct About {
    /// Protocol, if the row is a packet.
    packet_of: Option<Protocol>,
    syn: Option<bool>,
    ack: bool,
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

    fn told(self, sent: Sent) -> Told {
        match (sent.protocol, self.syn, self.ack) {
            (Protocol::Tcp, Some(true), false) => Told::Begun(sent),
            // The sequence number is relative to a beginning that may be missing: the addresses
            // identify it.
            (Protocol::Tcp, Some(true), true) => {
                Told::Answered(Sent { sequence: None, ..sent.reversed() })
            }
            (Protocol::Tcp, Some(false), true) => Told::Later(sent),
            (Protocol::Tcp, Some(false), false) => Told::Nothing(PacketKind::MidStream),
            _ => Told::Datagram(Sent { sequence: None, ..sent }),
        }
    }
}

fn role(name: &str) -> Role {
    if let Some(column) = column(name).filter(|column| !matches!(column.read, Read::Derived)) {
        return Role::Ours(column);
    }
    let named = NAMES.iter().find(|(other, _)| *other == name).and_then(|(_, ours)| column(ours));
    let of = name.split_once('.').and_then(|(protocol, _)| Protocol::from_name(protocol));
    match (named, name) {
        (Some(column), _) => Role::Named(column, of),
        (None, "tcp.flags.syn") => Role::SynFlag,
        (None, "tcp.flags.ack") => Role::AckFlag,
        (None, "tcp.seq_raw") => Role::Sequence,
        (None, "history") => Role::History,
        (None, "t" | "event") => Role::Event,
        (None, _) if TIMES.contains(&name) => Role::Time,
        (None, _) => Role::Other,
    }
}

/// Parses tshark's form of yes and no.
fn is_true(value: &str) -> bool {
    value == "1" || value.eq_ignore_ascii_case("true")
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

/// Splits a line into its values. If spaces separate them, surplus words beyond `columns` belong to
/// the value at `name`.
fn values(line: &str, separator: Separator, columns: usize, name: Option<usize>) -> Vec<String> {
    match separator {
        Separator::Tab => line.split('\t').map(str::to_owned).collect(),
        Separator::Comma => comma_separated(line),
        Separator::Spaces => {
            let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let more = words.len().saturating_sub(columns);
            if let Some(at) = name.filter(|at| more > 0 && columns > 0 && *at < columns) {
                let joined = words[at..=at + more].join(" ");
                words.splice(at..=at + more, [joined]);
            }
            words
        }
    }
}

/// Splits one line of CSV into its values, without their quotes.
fn comma_separated(line: &str) -> Vec<String> {
    let (mut output, mut ends) = (vec![0; line.len()], vec![0; line.len() + 1]);
    let mut reader = CsvReader::new();
    let (_, _, written, mut count) = reader.read_record(line.as_bytes(), &mut output, &mut ends);
    let (mut written, mut result) = (written, ReadRecordResult::InputEmpty);
    // The end of the input ends the line.
    while result == ReadRecordResult::InputEmpty {
        let (next, _, more, ended) =
            reader.read_record(&[], &mut output[written..], &mut ends[count..]);
        (result, written, count) = (next, written + more, count + ended);
    }
    let mut begin = 0;
    let text = |end: &usize| {
        let value = String::from_utf8_lossy(output.get(begin..*end).unwrap_or_default());
        begin = *end;
        value.into_owned()
    };
    ends[..count].iter().map(text).collect()
}
