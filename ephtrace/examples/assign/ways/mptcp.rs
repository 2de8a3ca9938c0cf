//! MPTCP: a second subflow, which a kernel thread makes some time after the connect.
//!
//! The kernel's own path manager is told by generic netlink (`linux/mptcp_pm.h`) which address to
//! join from.

use std::{
    io::{self, Read as _, Write as _},
    mem,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::AsRawFd as _,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::{
    context::Context,
    net::now_ns,
    netns,
    skip::{self, NO_SUCH_SOCKET},
    truth::{Attempt, Origin},
};

/// `IPPROTO_MPTCP` (linux/in.h).
const MPTCP: i32 = 262;
/// Socket options of MPTCP (linux/mptcp.h), Linux 5.16.
const SOL_MPTCP: i32 = 284;
const MPTCP_SUBFLOW_ADDRS: i32 = 3;

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 20_262);
/// Source address of the second subflow.
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Maximum time for a subflow to join.
const PATIENCE: Duration = Duration::from_secs(20);

/// The first subflow by `connect()`, the second one by the kernel.
pub(super) fn join(context: &Context<'_>) -> Result<()> {
    netns::in_new(None, || {
        let server = socket()?;
        server.set_reuse_address(true)?;
        server.bind(&SockAddr::from(SERVER))?;
        server.listen(16)?;
        path_manager().context("the path manager of MPTCP")?;
        (0..context.times).try_for_each(|_| join_once(context, &server))
    })
}

fn socket() -> Result<Socket> {
    let protocol = Some(Protocol::from(MPTCP));
    Socket::new(Domain::IPV4, Type::STREAM, protocol)
        .map_err(|e| skip::lacking("this kernel has no MPTCP", NO_SUCH_SOCKET, e.into()))
}

fn join_once(context: &Context<'_>, server: &Socket) -> Result<()> {
    let mut client = socket()?;
    let start_ns = now_ns();
    client.connect(&SockAddr::from(SERVER)).context("connect")?;
    let connected_ns = now_ns();
    let (mut peer, _) = server.accept().context("accept")?;
    // Subflows join once both sides have received data.
    let mut byte = [0];
    client.write_all(b"x")?;
    peer.read_exact(&mut byte)?;
    peer.write_all(b"x")?;
    client.read_exact(&mut byte)?;
    let second = second_port(&client)?;
    let end_ns = now_ns();
    let first = client.local_addr()?.as_socket().context("not an internet socket")?;
    let shared = Attempt {
        way: context.way.to_owned(),
        range: Some(netns::range()?),
        start_ns,
        ..Attempt::of_this_thread()?
    };
    context.truth.attempt(&Attempt {
        sport: Some(first.port()),
        daddr: SERVER.ip(),
        dport: SERVER.port(),
        end_ns: connected_ns,
        ..shared.clone()
    })?;
    context.truth.attempt(&Attempt {
        origin: Some(Origin::Bind),
        saddr: SECOND.into(),
        sport: Some(second),
        daddr: Ipv4Addr::UNSPECIFIED.into(),
        dport: 0,
        end_ns,
        ..shared
    })
}

/// Returns the local port of the subflow from [`SECOND`], once there is one.
fn second_port(client: &Socket) -> Result<u16> {
    let end = Instant::now() + PATIENCE;
    loop {
        let locals = subflows(client).context("MPTCP_SUBFLOW_ADDRS")?;
        let second = locals.iter().find(|(ip, port)| *ip == SECOND && *port != 0);
        if let Some((_, port)) = second {
            return Ok(*port);
        }
        ensure!(Instant::now() < end, "no subflow from {SECOND} joined: {locals:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Maximum number of subflows to ask for.
const SUBFLOWS: usize = 4;

/// `struct mptcp_subflow_data`, and two `sockaddr_storage` for each subflow.
#[repr(C)]
struct SubflowAddrs {
    size_subflow_data: u32,
    num_subflows: u32,
    size_kernel: u32,
    size_user: u32,
    pairs: [[libc::sockaddr_storage; 2]; SUBFLOWS],
}

/// Returns local addresses and ports of all subflows.
fn subflows(client: &Socket) -> io::Result<Vec<(Ipv4Addr, u16)>> {
    // SAFETY: the structure holds integers and arrays of them, for which zero is a value.
    let mut addrs: SubflowAddrs = unsafe { mem::zeroed() };
    addrs.size_subflow_data = 16;
    addrs.size_user = 2 * u32::try_from(size_of::<libc::sockaddr_storage>()).unwrap_or(0);
    let mut len = libc::socklen_t::try_from(size_of::<SubflowAddrs>()).unwrap_or(0);
    // SAFETY: the kernel writes no more than `len` bytes to `addrs`, which outlives the call.
    let done = unsafe {
        let (fd, to) = (client.as_raw_fd(), (&raw mut addrs).cast());
        libc::getsockopt(fd, SOL_MPTCP, MPTCP_SUBFLOW_ADDRS, to, &raw mut len)
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    let count = usize::try_from(addrs.num_subflows).unwrap_or(0).min(SUBFLOWS);
    let locals = addrs.pairs.iter().take(count).map(|[local, _]| {
        // SAFETY: all subflows here are of IPv4, and `sockaddr_in` fits into the storage.
        let local = unsafe { &*(&raw const *local).cast::<libc::sockaddr_in>() };
        (Ipv4Addr::from(u32::from_be(local.sin_addr.s_addr)), u16::from_be(local.sin_port))
    });
    Ok(locals.collect())
}

/// `GENL_ID_CTRL`, `CTRL_CMD_GETFAMILY` and its attributes (linux/genetlink.h).
const CONTROL: (u16, u8) = (16, 3);
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// Commands, attributes and the flag of `linux/mptcp_pm.h`.
const ADD_ADDR: u8 = 1;
const SET_LIMITS: u8 = 5;
const ATTR_ADDR: u16 = 1 | NESTED;
const ATTR_SUBFLOWS: u16 = 3;
const ADDR_FAMILY: u16 = 1;
const ADDR_ADDR4: u16 = 3;
const ADDR_FLAGS: u16 = 6;
const FLAG_SUBFLOW: u32 = 1 << 1;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;

/// Makes this namespace's path manager let each connection join from [`SECOND`] as well.
fn path_manager() -> Result<()> {
    let generic = Some(Protocol::from(libc::NETLINK_GENERIC));
    let netlink = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, generic)?;
    netlink.set_read_timeout(Some(PATIENCE))?;
    let name = attribute(CTRL_ATTR_FAMILY_NAME, b"mptcp_pm\0");
    let answer = ask(&netlink, CONTROL.0, CONTROL.1, &name)?;
    let family = find(answer.get(4..).unwrap_or_default(), CTRL_ATTR_FAMILY_ID)
        .and_then(|id| id.get(..2)?.try_into().ok())
        .map(u16::from_ne_bytes)
        .context("no family mptcp_pm")?;
    let limits = attribute(ATTR_SUBFLOWS, &2_u32.to_ne_bytes());
    ask(&netlink, family, SET_LIMITS, &limits).context("limits")?;
    let address = [
        attribute(ADDR_FAMILY, &2_u16.to_ne_bytes()),
        attribute(ADDR_ADDR4, &SECOND.octets()),
        attribute(ADDR_FLAGS, &FLAG_SUBFLOW.to_ne_bytes()),
    ];
    ask(&netlink, family, ADD_ADDR, &attribute(ATTR_ADDR, &address.concat())).context("address")?;
    Ok(())
}

/// Returns a netlink attribute: length, kind, value, and padding to four bytes.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Returns the value of the first attribute of this kind.
fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let len = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?);
        if kind == wanted {
            return attributes.get(4..len);
        }
        attributes = attributes.get(len.max(4).next_multiple_of(4)..)?;
    }
}

/// Sends one request, and returns the answer after its header, up to the acknowledgement.
fn ask(netlink: &Socket, family: u16, command: u8, attributes: &[u8]) -> Result<Vec<u8>> {
    /// `NLM_F_REQUEST | NLM_F_ACK`.
    const FLAGS: u16 = 1 | 4;
    const ERROR: u16 = 2;
    let len = u32::try_from(20 + attributes.len())?;
    let mut request = len.to_ne_bytes().to_vec();
    request.extend(family.to_ne_bytes());
    request.extend(FLAGS.to_ne_bytes());
    // Number and port of the sender, then command, version 1, reserved.
    request.extend([0; 8]);
    request.extend([command, 1, 0, 0]);
    request.extend(attributes);
    netlink.send(&request)?;
    let mut payload = Vec::new();
    let mut reader = netlink;
    loop {
        let mut buffer = [0; 8192];
        let count = reader.read(&mut buffer)?;
        let mut messages = &buffer[..count];
        while let [l0, l1, l2, l3, k0, k1, _, _, _, _, _, _, _, _, _, _, ..] = *messages {
            let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3]))?;
            let body = messages.get(16..len).context("a message that is cut short")?;
            if u16::from_ne_bytes([k0, k1]) == ERROR {
                let errno = i32::from_ne_bytes(body.get(..4).context("no errno")?.try_into()?);
                if errno != 0 {
                    bail!(io::Error::from_raw_os_error(-errno));
                }
                return Ok(payload);
            }
            payload = body.to_vec();
            messages = messages.get(len.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}
