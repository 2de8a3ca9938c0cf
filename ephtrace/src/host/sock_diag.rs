//! The kernel's list of sockets (`sock_diag`), in the namespace of this thread.
//!
//! One request for each family is answered in pieces of bounded size, each of which is passed on
//! before the next is requested. No right is needed.

use std::{io, net::IpAddr};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, Parseable as _,
};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP},
    inet::{ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags, Timer},
};
use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use thiserror::Error;

use crate::inventory::socket::{Socket, TcpState};

/// Size of the receive buffer; the kernel writes at most 32 KiB at once (`netlink_dump`).
const ANSWER_BYTES: usize = 64 << 10;

/// `NLMSG_ERROR`: the kernel refuses.
const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of the list.
const DONE: u16 = 3;
/// Alignment of messages (`NLMSG_ALIGNTO`).
const ALIGN: usize = 4;

/// Length and kind before an attribute's value (`struct nlattr`).
const ATTRIBUTE_HEAD_BYTES: usize = 4;

/// Bytes of an error number at the start of the payload.
const ERRNO_BYTES: usize = 4;

/// Transport protocols that are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Address families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// Reason why there is no list.
#[derive(Debug, Error)]
pub enum DiagError {
    /// No netlink socket can be opened.
    #[error("can't list the kernel's sockets: {0}; this needs CONFIG_INET_DIAG")]
    Open(io::Error),
    /// The kernel does not list sockets of this protocol.
    #[error("the kernel does not list its {protocol} sockets; `sudo modprobe {module}` may help")]
    Missing {
        /// Name of the protocol.
        protocol: &'static str,
        /// The kernel module that lists them.
        module: &'static str,
    },
    /// Asking or reading failed.
    #[error("the kernel's socket list was interrupted: {0}; try again")]
    Broken(io::Error),
    /// The answer is not understood.
    #[error("can't parse the kernel's socket list: {0}; please report it")]
    Form(String),
}

/// Lists all sockets of `transport` with a local port, in any state. Returns whether the kernel
/// noticed that the list changed while it wrote it.
pub fn list(transport: Transport, mut each: impl FnMut(Socket)) -> Result<bool, DiagError> {
    let mut interrupted = false;
    for family in [Family::V4, Family::V6] {
        match list_family(transport, family, &mut each) {
            Ok(changed) => interrupted |= changed,
            // A kernel without IPv6 still has IPv4.
            Err(DiagError::Missing { .. }) if family == Family::V6 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(interrupted)
}

fn list_family(
    transport: Transport,
    family: Family,
    each: &mut impl FnMut(Socket),
) -> Result<bool, DiagError> {
    let netlink = Netlink::new(NETLINK_SOCK_DIAG).map_err(DiagError::Open)?;
    netlink.connect(&SocketAddr::new(0, 0)).map_err(DiagError::Open)?;
    let request = request(transport, family);
    retry(|| netlink.send(&request, 0)).map_err(DiagError::Broken)?;
    let mut answer = vec![0; ANSWER_BYTES];
    let mut interrupted = false;
    loop {
        let read = retry(|| netlink.recv(&mut &mut answer[..], 0)).map_err(DiagError::Broken)?;
        let answer = answer.get(..read).ok_or_else(|| form(format!("{read} bytes at once")))?;
        if messages(answer, transport, each, &mut interrupted)? {
            return Ok(interrupted);
        }
    }
}

/// Retries a call that a signal interrupted: the kernel keeps its position in the list.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

fn request(transport: Transport, family: Family) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let (family, socket_id) = match family {
        Family::V4 => (AF_INET, SocketId::new_v4()),
        Family::V6 => (AF_INET6, SocketId::new_v6()),
    };
    let request = InetRequest {
        family,
        protocol: match transport {
            Transport::Tcp => IPPROTO_TCP,
            Transport::Udp => IPPROTO_UDP,
        },
        extensions: ExtensionFlags::empty(),
        // All states, even those without a name in the crate: TCP_BOUND_INACTIVE is bit 13.
        states: StateFlags::from_bits_retain(u32::MAX),
        socket_id,
    };
    let payload = NetlinkPayload::from(SockDiagMessage::InetRequest(request));
    let mut message = NetlinkMessage::new(header, payload);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Passes on the sockets of one piece of the answer; returns whether it was the last.
fn messages(
    mut bytes: &[u8],
    transport: Transport,
    each: &mut impl FnMut(Socket),
    interrupted: &mut bool,
) -> Result<bool, DiagError> {
    while !bytes.is_empty() {
        let message = NetlinkBuffer::new_checked(bytes).map_err(|error| form(error.to_string()))?;
        *interrupted |= message.flags() & NLM_F_DUMP_INTR != 0;
        match message.message_type() {
            DONE | ERROR => return end(message.payload(), transport).map(|()| true),
            _ => {
                if let Some(socket) = socket(message.payload())? {
                    each(socket);
                }
            }
        }
        let length = usize::try_from(message.length()).unwrap_or(usize::MAX);
        bytes = bytes.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
    }
    Ok(false)
}

/// Parses the last message, which has an error number, negative, or 0.
fn end(payload: &[u8], transport: Transport) -> Result<(), DiagError> {
    let errno = payload.first_chunk::<ERRNO_BYTES>().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    match -errno {
        0 => Ok(()),
        libc::ENOENT => {
            let (protocol, module) = match transport {
                Transport::Tcp => ("TCP", "tcp_diag"),
                Transport::Udp => ("UDP", "udp_diag"),
            };
            Err(DiagError::Missing { protocol, module })
        }
        errno => Err(DiagError::Broken(io::Error::from_raw_os_error(errno))),
    }
}

/// Offset of a timer's remaining time, in milliseconds, in `struct inet_diag_msg`.
const EXPIRES_AT: usize = 52;

/// Size of `struct inet_diag_msg`; attributes follow.
const HEADER_BYTES: usize = 72;

/// `INET_DIAG_SKV6ONLY`: sent for IPv6 sockets without a peer, requested or not.
const V6ONLY: u16 = 11;

/// Parses one message of the kernel's list; `None` if the socket has no port.
pub fn socket(payload: &[u8]) -> Result<Option<Socket>, DiagError> {
    let header = InetResponseHeader::parse(payload).map_err(|error| form(error.to_string()))?;
    let SocketId { source_port, destination_port, source_address, destination_address, .. } =
        header.socket_id;
    // A newer, unknown state holds a port in some way that is not known.
    let state = TcpState::from_kernel(header.state).unwrap_or(TcpState::Close);
    let expires = payload.get(EXPIRES_AT..).and_then(|rest| rest.first_chunk());
    let expires_ms = expires.map(|bytes| u32::from_ne_bytes(*bytes));
    let attributes = payload.get(HEADER_BYTES..).unwrap_or_default();
    Ok((source_port != 0).then(|| Socket {
        inode: header.inode,
        is_v6only: attribute(attributes, V6ONLY).and_then(|value| value.first()).map(|&on| on != 0),
        retransmits: match header.timer {
            Some(Timer::Retransmit(_, times)) => times,
            _ => 0,
        },
        time_wait_left_ms: expires_ms
            .filter(|_| state == TcpState::TimeWait && header.timer == Some(Timer::TimeWait))
            .map(|left| u16::try_from(left).unwrap_or(u16::MAX)),
        ..Socket::new(
            canonical(source_address),
            canonical(destination_address),
            source_port,
            destination_port,
            state,
        )
    }))
}

/// Returns the value of the attribute `kind`: each begins with its length, header included, and its
/// kind.
fn attribute(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let (head, _) = bytes.split_at_checked(ATTRIBUTE_HEAD_BYTES)?;
        let number = |at: usize| Some(u16::from_ne_bytes(*head.get(at..)?.first_chunk()?));
        let (length, found) = (usize::from(number(0)?), number(2)?);
        if found == kind {
            return bytes.get(ATTRIBUTE_HEAD_BYTES..length);
        }
        bytes = bytes.get(length.max(ATTRIBUTE_HEAD_BYTES).next_multiple_of(ALIGN)..)?;
    }
}

fn canonical(addr: IpAddr) -> IpAddr {
    addr.to_canonical()
}

fn form(what: String) -> DiagError {
    DiagError::Form(what)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Builds a message: length, type, flags, sequence, port id; then the payload.
    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
        bytes
    }

    /// Returns the kernel's message for an IPv4 socket in `TIME_WAIT`.
    fn time_wait() -> Vec<u8> {
        let mut payload = vec![AF_INET, 6, 3, 0, 0x9c, 0x40, 0x01, 0xbb];
        payload.extend([10, 0, 0, 1]);
        payload.resize(24, 0);
        payload.extend([10, 0, 0, 9]);
        payload.resize(EXPIRES_AT, 0);
        payload.extend(59_000_u32.to_ne_bytes());
        payload.resize(HEADER_BYTES, 0);
        payload
    }

    #[test]
    fn an_ipv6_socket_tells_whether_it_takes_ipv4() {
        let with = |attributes: &[u8]| {
            let mut payload = vec![AF_INET6, 10, 0, 0, 0x9c, 0x40, 0, 0];
            payload.resize(HEADER_BYTES, 0);
            payload.extend(attributes);
            socket(&payload).unwrap().unwrap().is_v6only
        };
        let shutdown = [5, 0, 8, 0, 3, 0, 0, 0];
        let only = |on| [5, 0, 11, 0, on, 0, 0, 0];
        assert_eq!(with(&[]), None);
        assert_eq!(with(&shutdown), None);
        assert_eq!(with(&[shutdown, only(1)].concat()), Some(true));
        assert_eq!(with(&[shutdown, only(0)].concat()), Some(false));
        // Wrong lengths.
        for length in [0, 1, 4, 200] {
            with(&[length, 0, 11, 0, 1]);
            with(&[length, 0, 8, 0, 1]);
        }
    }

    #[test]
    fn a_syn_that_was_sent_again_says_so() {
        let mut payload = time_wait();
        (payload[1], payload[2], payload[3]) = (2, 1, 5);
        let found = socket(&payload).unwrap().unwrap();
        let expected = (TcpState::SynSent, 5, None);
        assert_eq!((found.state, found.retransmits, found.time_wait_left_ms), expected);
    }

    fn read(bytes: &[u8]) -> (Result<bool, DiagError>, Vec<Socket>, bool) {
        let (mut sockets, mut interrupted) = (Vec::new(), false);
        let done = messages(bytes, Transport::Tcp, &mut |s| sockets.push(s), &mut interrupted);
        (done, sockets, interrupted)
    }

    #[test]
    fn sockets_until_the_end() {
        let one = message(20, 0, &time_wait());
        let (done, sockets, interrupted) = read(&one);
        assert!(!done.unwrap() && !interrupted);
        let [found] = &*sockets else { panic!("{sockets:?}") };
        assert_eq!((found.sport, found.dport), (40000, 443));
        assert_eq!((found.saddr, found.daddr), ([10, 0, 0, 1].into(), [10, 0, 0, 9].into()));
        assert_eq!((found.state, found.inode), (TcpState::TimeWait, 0));
        assert_eq!((found.time_wait_left_ms, found.time_wait_age_ms()), (Some(59_000), Some(1000)));
        let all = [one, message(DONE, NLM_F_DUMP_INTR, &[0; 4])].concat();
        let (done, sockets, interrupted) = read(&all);
        assert_eq!((done.unwrap(), sockets.len(), interrupted), (true, 1, true));
    }

    #[test]
    fn refusals_say_what_to_do() {
        let refused = |errno: i32| {
            read(&message(ERROR, 0, &(-errno).to_ne_bytes())).0.unwrap_err().to_string()
        };
        assert!(refused(libc::ENOENT).contains("modprobe tcp_diag"), "{}", refused(libc::ENOENT));
        assert!(refused(libc::EPERM).contains("not permitted"), "{}", refused(libc::EPERM));
        let cut = message(20, 0, &time_wait()[..50]);
        assert!(matches!(read(&cut).0, Err(DiagError::Form(_))));
    }

    proptest! {
        #[test]
        fn nothing_panics(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            kind in 0..25_u16,
            is_framed: bool,
        ) {
            let bytes = if is_framed { message(kind, 0, &bytes) } else { bytes };
            let _ = read(&bytes);
        }
    }
}
