//! Captures of packets, pcap and pcapng: each connection that a host began, by its first SYN, and
//! each flow of UDP.
//!
//! A SYN without ACK (an INIT of SCTP) shows source, port and destination: an assignment, whoever
//! made it. A SYN-ACK whose SYN is not in the capture shows the same. Whether the kernel chose the
//! port or the program named it is not visible, so the origin is unknown. A SYN that was sent
//! again, or captured on a second interface, has the sequence number of the first one and counts
//! once; so does one that is captured again behind a NAT of the same host. UDP has no first packet:
//! a datagram is a client's unless its ports look like an answer's, and makes one assignment until
//! the flow was quiet for two minutes. Packets in tunnels are those of the hosts that use the
//! tunnel. All other packets are counted by kind.

mod content;
mod link;
mod packet;
mod tunnel;
mod wireless;

use std::io::{self, Read};

use pcap_parser::{
    Block, LegacyPcapReader, PcapBlockOwned, PcapError, PcapNGReader,
    traits::{PcapNGPacketBlock as _, PcapReaderIterator},
};

use self::link::Link;
pub(super) use self::tunnel::has_port as is_tunnel;
use super::{
    connections::Connections,
    item::{Broken, Item},
    told::Told,
};
use crate::model::{LeftOut, losses::Losses};

/// Bytes of a capture that are held at once.
const BUFFER_BYTES: usize = 512 << 10;

/// Maximum length of a block in a capture, in bytes: no packet has more than 256 KiB
/// (`MAXIMUM_SNAPLEN` of libpcap), but keys and names in pcapng may.
const MAX_BLOCK_BYTES: usize = 16 << 20;

/// Maximum number of interfaces in a section; Linux gives a host fewer.
const MAX_INTERFACES: usize = 65_536;

/// Reads assignments from a capture.
pub struct Reader<R: Read> {
    blocks: Blocks<R>,
    interfaces: Vec<Interface>,
    connections: Connections,
    packets: u64,
    unreadable: u64,
    ended: bool,
}

enum Blocks<R: Read> {
    Pcap(LegacyPcapReader<FullReads<R>>),
    Pcapng(PcapNGReader<FullReads<R>>),
}

/// Properties of an interface that are needed to parse its packets.
#[derive(Clone, Copy)]
struct Interface {
    link: Option<Link>,
    number: i32,
    clock: Clock,
}

/// Time format of an interface.
#[derive(Clone, Copy)]
struct Clock {
    /// Number of units in a second.
    per_second: u64,
    /// Offset to add, in seconds.
    offset: i64,
}

/// Reader that fills each buffer completely, as the crate assumes at the beginning.
struct FullReads<R>(R);

impl<R: Read> Read for FullReads<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The bytes read before are used first; the error will occur again.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

/// Type of a block about a process, which macOS writes.
const PROCESS_BLOCK: u32 = 0x8000_0001;

/// Bytes of an empty block: its type, and its length at both ends.
const EMPTY_BLOCK: u32 = 12;

/// Returns whether such a block comes next that is shorter than the minimum: only for this type,
/// pcap-parser 0.17 subtracts from the length without a check.
fn is_short_process_block(data: &[u8]) -> bool {
    let Some(([a, b, c, d, length @ ..], _)) = data.split_first_chunk::<8>() else { return false };
    [u32::from_le_bytes, u32::from_be_bytes]
        .iter()
        .any(|word| word([*a, *b, *c, *d]) == PROCESS_BLOCK && word(*length) < EMPTY_BLOCK)
}

/// Contents of one block, detached from the buffer.
enum Found {
    Nothing,
    Section,
    Interface(Interface),
    Packet { ts_ns: u64, told: Result<Told, String> },
}

impl<R: Read> Reader<R> {
    /// Creates a reader at the beginning of a capture; `None` if it has no valid header.
    pub fn new(input: R, is_pcapng: bool) -> Option<Self> {
        let input = FullReads(input);
        let blocks = if is_pcapng {
            Blocks::Pcapng(PcapNGReader::new(BUFFER_BYTES, input).ok()?)
        } else {
            Blocks::Pcap(LegacyPcapReader::new(BUFFER_BYTES, input).ok()?)
        };
        Some(Self {
            blocks,
            interfaces: Vec::new(),
            connections: Connections::default(),
            packets: 0,
            unreadable: 0,
            ended: false,
        })
    }

    /// Returns the losses so far: packets that can't be read.
    pub fn losses(&self) -> Losses {
        Losses { unreadable: self.unreadable, ..Losses::default() }
    }

    /// Returns all packets so far, and those that were left out.
    pub fn left_out(&self) -> LeftOut {
        self.connections.left_out
    }

    /// Returns the contents of the next block; `None` at the end.
    fn found(&mut self) -> Option<Result<Found, String>> {
        let Self { blocks, interfaces, .. } = self;
        let is_pcapng = matches!(blocks, Blocks::Pcapng(_));
        let reader: &mut dyn PcapReaderIterator = match blocks {
            Blocks::Pcap(reader) => reader,
            Blocks::Pcapng(reader) => reader,
        };
        loop {
            if is_pcapng && is_short_process_block(reader.data()) {
                return Some(Err("damaged; the rest is unreadable".into()));
            }
            let problem = match reader.next() {
                Ok((bytes, block)) => {
                    let found = found(&block, interfaces);
                    reader.consume(bytes);
                    return Some(Ok(found));
                }
                Err(PcapError::Eof) => return None,
                Err(problem) => Problem::from(&problem),
            };
            match problem {
                Problem::NeedsMore => {
                    if let Err(reason) = read_more(reader) {
                        return Some(Err(reason));
                    }
                }
                Problem::CutOff if reader.data().is_empty() => return None,
                Problem::CutOff => return Some(Err("truncated".into())),
                Problem::Damaged => return Some(Err("damaged; the rest is unreadable".into())),
            }
        }
    }

    fn item(&mut self, found: Found) -> Option<Item> {
        match found {
            Found::Nothing => None,
            Found::Section => {
                self.interfaces.clear();
                None
            }
            Found::Interface(interface) => {
                if self.interfaces.len() < MAX_INTERFACES {
                    self.interfaces.push(interface);
                }
                None
            }
            Found::Packet { ts_ns, told } => {
                self.packets += 1;
                match told {
                    Ok(told) => self.connections.assigned(ts_ns, told),
                    Err(reason) => Some(self.broken(self.packets, reason)),
                }
            }
        }
    }

    fn broken(&mut self, number: u64, reason: String) -> Item {
        self.unreadable += 1;
        Item::Broken(Broken { unit: "packet", number, reason })
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = io::Result<Item>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.found()? {
                Ok(found) => {
                    if let Some(item) = self.item(found) {
                        return Some(Ok(item));
                    }
                }
                Err(reason) => {
                    self.ended = true;
                    return Some(Ok(self.broken(self.packets + 1, reason)));
                }
            }
        }
        None
    }
}

/// Reason why there is no next block.
enum Problem {
    NeedsMore,
    CutOff,
    Damaged,
}

impl Problem {
    fn from<I>(error: &PcapError<I>) -> Self {
        match error {
            PcapError::Incomplete(_) | PcapError::BufferTooSmall => Self::NeedsMore,
            PcapError::Eof | PcapError::UnexpectedEof => Self::CutOff,
            _ => Self::Damaged,
        }
    }
}

/// Reads on, into a larger buffer if this one is full.
fn read_more(reader: &mut dyn PcapReaderIterator) -> Result<(), String> {
    let before = reader.data().len();
    let failed = |_: PcapError<&[u8]>| "reading failed; the rest is missing".to_owned();
    reader.refill().map_err(failed)?;
    if reader.data().len() > before || reader.reader_exhausted() {
        return Ok(());
    }
    if before >= MAX_BLOCK_BYTES {
        return Err(format!("longer than {MAX_BLOCK_BYTES} bytes; the rest is unreadable"));
    }
    reader.grow((2 * before).max(BUFFER_BYTES));
    reader.refill().map_err(failed)
}

fn found(block: &PcapBlockOwned<'_>, interfaces: &[Interface]) -> Found {
    match block {
        PcapBlockOwned::LegacyHeader(header) => {
            let per_second =
                if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
            // The upper half may describe checksums behind the packets.
            let number = header.network.0 & 0xffff;
            Found::Interface(Interface::new(number, Clock { per_second, offset: 0 }))
        }
        PcapBlockOwned::Legacy(packet) => {
            let unit = interfaces.first().map_or(1, |one| 1_000_000_000 / one.clock.per_second);
            let seconds = u64::from(packet.ts_sec) * 1_000_000_000;
            let ts_ns = seconds + u64::from(packet.ts_usec) * unit;
            Found::Packet { ts_ns, told: told(interfaces, 0, packet.data) }
        }
        PcapBlockOwned::NG(Block::SectionHeader(_)) => Found::Section,
        PcapBlockOwned::NG(Block::InterfaceDescription(one)) => {
            let clock = Clock { per_second: per_second(one.if_tsresol), offset: one.if_tsoffset };
            Found::Interface(Interface::new(one.linktype.0, clock))
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let index = usize::try_from(packet.if_id).unwrap_or(usize::MAX);
            let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
            let ts_ns = interfaces.get(index).map_or(0, |one| one.clock.unix_ns(units));
            Found::Packet { ts_ns, told: told(interfaces, index, packet.packet_data()) }
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
            Found::Packet { ts_ns: 0, told: told(interfaces, 0, packet.packet_data()) }
        }
        PcapBlockOwned::NG(_) => Found::Nothing,
    }
}

fn told(interfaces: &[Interface], index: usize, data: &[u8]) -> Result<Told, String> {
    let Some(Interface { link, number, .. }) = interfaces.get(index) else {
        return Err("from an interface that the capture does not describe".into());
    };
    match link {
        Some(link) => Ok(packet::read(*link, data)),
        None => Err(link::unknown(*number)),
    }
}

/// Returns the units of a second from `if_tsresol`: a power of ten, or of two if the upper bit is
/// set. (The crate's own function does not support powers of two.) A value that overflows counts as
/// microseconds.
fn per_second(resolution: u8) -> u64 {
    let exponent = u32::from(resolution & 0x7f);
    let power = if resolution & 0x80 == 0 {
        10_u64.checked_pow(exponent)
    } else {
        1_u64.checked_shl(exponent)
    };
    power.unwrap_or(1_000_000)
}

impl Interface {
    fn new(number: i32, clock: Clock) -> Self {
        Self { link: Link::from_number(number), number, clock }
    }
}

impl Clock {
    /// Converts to nanoseconds since the Unix epoch; 0 if the time is before it.
    fn unix_ns(self, units: u64) -> u64 {
        let ns = i128::from(units) * 1_000_000_000 / i128::from(self.per_second.max(1));
        u64::try_from(ns + i128::from(self.offset) * 1_000_000_000).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
