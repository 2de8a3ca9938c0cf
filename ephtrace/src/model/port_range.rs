//! A range of ports.

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
