//! A set of ports, small while it has few of them.

use crate::model::PortRange;

/// Maximum number of distinct ports in a set before it becomes a bitmap.
const MAX_FEW: usize = 32;

/// A set of ports: 72 bytes; 8 KiB from the 33rd port on.
#[derive(Debug)]
pub(super) enum Ports {
    /// The first `len` of `ports`.
    Few { ports: [u16; MAX_FEW], len: usize },
    /// One bit a port.
    Many(Box<[u64; 1024]>),
}

impl Default for Ports {
    fn default() -> Self {
        Self::Few { ports: [0; MAX_FEW], len: 0 }
    }
}

impl Ports {
    /// Adds a port, unless the set has it.
    pub(super) fn insert(&mut self, port: u16) {
        match self {
            Self::Few { ports, len } => {
                if ports[..*len].contains(&port) {
                    return;
                }
                if let Some(slot) = ports.get_mut(*len) {
                    *slot = port;
                    *len += 1;
                } else {
                    let mut bits = Box::new([0; 1024]);
                    for port in ports.iter().chain([&port]) {
                        set(&mut bits, *port);
                    }
                    *self = Self::Many(bits);
                }
            }
            Self::Many(bits) => set(bits, port),
        }
    }

    /// Returns all ports, lowest first.
    pub(super) fn sorted(&self) -> Vec<u16> {
        match self {
            Self::Few { ports, len } => {
                let mut sorted = ports[..*len].to_vec();
                sorted.sort_unstable();
                sorted
            }
            Self::Many(bits) => (0..=u16::MAX).filter(|&port| is_set(bits, port)).collect(),
        }
    }

    /// Number of ports in `range`.
    pub(super) fn count(&self, range: PortRange) -> u32 {
        let inside = |port: &u16| range.contains(*port);
        let count = match self {
            Self::Few { ports, len } => ports[..*len].iter().filter(|p| inside(p)).count(),
            Self::Many(bits) => range.ports().filter(|&port| is_set(bits, port)).count(),
        };
        // At most 65,536.
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

fn set(bits: &mut [u64; 1024], port: u16) {
    bits[usize::from(port / 64)] |= 1 << (port % 64);
}

fn is_set(bits: &[u64; 1024], port: u16) -> bool {
    bits[usize::from(port / 64)] & (1 << (port % 64)) != 0
}
