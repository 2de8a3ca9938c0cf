//! The kernel's list of sockets (`sock_diag`), of the namespace of this thread.
//!
//! One request for each family, answered in pieces of bounded size, each of which is
//! handed on before the next is asked for. Needs no right.

use std::{io, net::IpAddr};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkBuffer, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, Parseable as _,
};
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP},
    inet::{ExtensionFlags, InetRequest, InetResponseHeader, SocketId, StateFlags},
};
use netlink_sys::{Socket as Netlink, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use thiserror::Error;

use super::socket::{Socket, State};

/// The kernel writes at most 32 KiB at once (`netlink_dump`).
const ANSWER_BYTES: usize = 64 << 10;

/// `NLMSG_ERROR`: the kernel refuses.
const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of the list.
const DONE: u16 = 3;
/// Messages begin at multiples of this (`NLMSG_ALIGNTO`).
const ALIGN: usize = 4;

/// Bytes of an error number in front of the payload.
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

/// Why there is no list.
#[derive(Debug, Error)]
pub enum DiagError {
    /// No socket to ask through.
    #[error("can't ask the kernel for its sockets: {0}; it needs CONFIG_INET_DIAG")]
    Open(io::Error),
    /// The kernel does not list sockets of this protocol.
    #[error("the kernel does not list its {protocol} sockets; `sudo modprobe {module}` may help")]
    Missing {
        /// Which.
        protocol: &'static str,
        /// The kernel module that lists them.
        module: &'static str,
    },
    /// Asking or reading failed.
    #[error("the kernel's list of sockets broke off: {0}; try again")]
    Broken(io::Error),
    /// The answer is not understood.
    #[error("the kernel's list of sockets is not understood: {0}; please report it")]
    Form(String),
}

/// Lists all sockets of `transport` with a local port, in any state. Says whether the kernel noticed
/// that the list changed while it wrote it.
pub fn list(transport: Transport, mut each: impl FnMut(Socket)) -> Result<bool, DiagError> {
    let mut interrupted = false;
    for family in [Family::V4, Family::V6] {
        match list_family(transport, family, &mut each) {
            Ok(changed) => interrupted |= changed,
            // A kernel without IPv6 has IPv4 at least.
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

/// A signal is no reason to begin again: the kernel keeps the place.
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
        // All, also the ones that the crate has no name for: TCP_BOUND_INACTIVE is bit 13.
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

/// Hands on the sockets of one piece of the answer; says whether it was the last.
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

/// The last message has an error number, negative, or 0.
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

/// Its attributes, which follow, are not needed.
fn socket(payload: &[u8]) -> Result<Option<Socket>, DiagError> {
    let header = InetResponseHeader::parse(payload).map_err(|error| form(error.to_string()))?;
    let SocketId { source_port, destination_port, source_address, destination_address, .. } =
        header.socket_id;
    // A state that came after this was written holds a port in some way that is not known.
    let state = State::from_kernel(header.state).unwrap_or(State::Close);
    Ok((source_port != 0).then_some(Socket {
        saddr: canonical(source_address),
        daddr: canonical(destination_address),
        sport: source_port,
        dport: destination_port,
        state,
        inode: header.inode,
    }))
}

fn canonical(addr: IpAddr) -> IpAddr {
    addr.to_canonical()
}

fn form(what: String) -> DiagError {
    DiagError::Form(what)
}
