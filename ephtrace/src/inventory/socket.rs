//! One socket as the kernel lists it, reduced to the relevant fields. No I/O.

use std::net::IpAddr;

use serde::Serialize;

use crate::model::FlowKey;

/// State of a TCP socket (`include/net/tcp_states.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TcpState {
    /// Open.
    Established,
    /// Connecting.
    SynSent,
    /// Being accepted.
    SynRecv,
    /// Closed here; the peer has not confirmed that.
    FinWait1,
    /// Closed here; the peer has not closed. Also the successor of such a socket that no process
    /// holds.
    FinWait2,
    /// Closed on both sides, first on this one: kept for a minute.
    TimeWait,
    /// Closed.
    Close,
    /// Closed by the peer; the program has not closed.
    CloseWait,
    /// Closed by the peer first, then here.
    LastAck,
    /// Listening.
    Listen,
    /// Closed on both sides at once.
    Closing,
    /// Bound, neither connected nor listening (`TCP_BOUND_INACTIVE`): listed by Linux 6.8 and
    /// later.
    Bound,
}

impl TcpState {
    /// Converts the number in a `sock_diag` answer.
    pub fn from_kernel(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Established,
            2 => Self::SynSent,
            // 12 is TCP_NEW_SYN_RECV, which old kernels report.
            3 | 12 => Self::SynRecv,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            13 => Self::Bound,
            _ => return None,
        })
    }

    /// Name, as `ss` spells it.
    pub fn ss_name(self) -> &'static str {
        match self {
            Self::Established => "ESTAB",
            Self::SynSent => "SYN-SENT",
            Self::SynRecv => "SYN-RECV",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "TIME-WAIT",
            Self::Close => "UNCONN",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::Bound => "BOUND",
        }
    }
}

/// A socket that has a local port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Local address; an IPv4-mapped one is IPv4.
    pub saddr: IpAddr,
    /// Remote address; the unspecified one if there is none.
    pub daddr: IpAddr,
    /// Local port.
    pub sport: u16,
    /// Remote port; 0 if there is none.
    pub dport: u16,
    /// State of the socket.
    pub state: TcpState,
    /// Inode number of the open file; 0 if no process holds one, as with `TIME_WAIT`.
    pub inode: u32,
    /// True for an IPv6 socket that excludes IPv4 (`IPV6_V6ONLY`). `None` if the kernel does not
    /// report it: it does for sockets that have no peer.
    pub is_v6only: Option<bool>,
    /// Number of retransmissions of its oldest unanswered packet; in `SYN_SENT`, of its SYN.
    pub retransmits: u8,
    /// Remaining time in `TIME_WAIT`, in milliseconds; `None` in other states, or if unknown.
    pub time_wait_left_ms: Option<u16>,
}

/// Time for which the kernel keeps a `TIME_WAIT`, in milliseconds (`TCP_TIMEWAIT_LEN`).
pub const TIME_WAIT_MS: u16 = 60_000;

impl Socket {
    /// Returns its flow in namespace `netns`.
    pub fn flow(&self, netns: Option<u32>) -> FlowKey {
        FlowKey::from_kernel(netns, self.saddr, self.daddr, self.dport)
    }

    /// Creates a socket with these fields, without a running timer.
    pub fn new(saddr: IpAddr, daddr: IpAddr, sport: u16, dport: u16, state: TcpState) -> Self {
        Self {
            saddr,
            daddr,
            sport,
            dport,
            state,
            inode: 0,
            is_v6only: None,
            retransmits: 0,
            time_wait_left_ms: None,
        }
    }

    /// Returns whether its program has closed it, and the connection has not ended: no process has
    /// it open, and it is in none of the states that the kernel maintains without a program.
    pub fn is_orphan(&self) -> bool {
        let closing =
            [TcpState::FinWait1, TcpState::FinWait2, TcpState::LastAck, TcpState::Closing];
        self.inode == 0 && closing.contains(&self.state)
    }

    /// Returns the time that it has been in `TIME_WAIT`, in milliseconds, if that is known.
    pub fn time_wait_age_ms(&self) -> Option<u16> {
        self.time_wait_left_ms.map(|left| TIME_WAIT_MS.saturating_sub(left))
    }

    /// Returns whether it has a peer, or had one.
    pub fn is_connected(&self) -> bool {
        self.dport != 0
            && !matches!(self.state, TcpState::Listen | TcpState::Close | TcpState::Bound)
    }
}

/// Number of sockets in each state that holds an ephemeral port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ByState {
    /// Open.
    pub established: u64,
    /// Connecting.
    pub syn_sent: u64,
    /// Being accepted.
    pub syn_recv: u64,
    /// Closed here, not confirmed.
    pub fin_wait1: u64,
    /// Closed here, not by the peer.
    pub fin_wait2: u64,
    /// Closed, kept for a minute.
    pub time_wait: u64,
    /// Closed by the peer, not here: the program forgot it, or is slow.
    pub close_wait: u64,
    /// Closed by the peer, then here.
    pub last_ack: u64,
    /// Closed on both sides at once.
    pub closing: u64,
}

impl ByState {
    /// Counts one connected socket.
    pub fn add(&mut self, state: TcpState) {
        *match state {
            TcpState::Established => &mut self.established,
            TcpState::SynSent => &mut self.syn_sent,
            TcpState::SynRecv => &mut self.syn_recv,
            TcpState::FinWait1 => &mut self.fin_wait1,
            TcpState::FinWait2 => &mut self.fin_wait2,
            TcpState::TimeWait => &mut self.time_wait,
            TcpState::CloseWait => &mut self.close_wait,
            TcpState::LastAck => &mut self.last_ack,
            TcpState::Closing => &mut self.closing,
            TcpState::Close | TcpState::Listen | TcpState::Bound => return,
        } += 1;
    }

    /// Adds another count, state by state.
    pub fn add_all(&mut self, other: &Self) {
        let Self { established, syn_sent, syn_recv, fin_wait1, fin_wait2, .. } = self;
        *established += other.established;
        *syn_sent += other.syn_sent;
        *syn_recv += other.syn_recv;
        *fin_wait1 += other.fin_wait1;
        *fin_wait2 += other.fin_wait2;
        let Self { time_wait, close_wait, last_ack, closing, .. } = self;
        *time_wait += other.time_wait;
        *close_wait += other.close_wait;
        *last_ack += other.last_ack;
        *closing += other.closing;
    }

    /// Returns each state with its name in every output, in the order of a connection's life.
    pub fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("syn_sent", self.syn_sent),
            ("syn_recv", self.syn_recv),
            ("established", self.established),
            ("fin_wait1", self.fin_wait1),
            ("fin_wait2", self.fin_wait2),
            ("close_wait", self.close_wait),
            ("last_ack", self.last_ack),
            ("closing", self.closing),
            ("time_wait", self.time_wait),
        ]
    }

    /// Returns the sum over all states.
    pub fn total(&self) -> u64 {
        self.named().iter().map(|(_, n)| n).sum()
    }
}
