//! Packets of a capture that are no assignments of their own.

use serde::Serialize;

use super::packets::Packets;

/// The packets of a capture, and those that were left out because their connection was already
/// seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LeftOut {
    /// Packets that were retransmitted, or captured twice.
    pub repeated: u64,
    /// Packets captured a second time with their source translated by a NAT.
    pub translated: u64,
    /// Those whose source port the NAT kept.
    pub translated_kept_port: u64,
    /// Connections known only from their SYN-ACK: the capture lacks the SYN.
    pub known_by_answer: u64,
    /// All packets, by kind.
    pub packets: Packets,
}

impl LeftOut {
    /// Returns the sum with another capture.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            repeated: self.repeated + other.repeated,
            translated: self.translated + other.translated,
            translated_kept_port: self.translated_kept_port + other.translated_kept_port,
            known_by_answer: self.known_by_answer + other.known_by_answer,
            packets: self.packets.and(&other.packets),
        }
    }

    /// Describes them, a line for each kind.
    pub fn lines(&self) -> Vec<String> {
        let Self { repeated, translated, translated_kept_port: kept, known_by_answer, .. } = *self;
        let mut lines = Vec::new();
        if repeated > 0 {
            lines.push(format!("{repeated} retransmitted packets are not counted"));
        }
        if translated > 0 {
            lines.push(format!(
                "{translated} connections went through a NAT of this host: it kept the port of \
                 {kept}, and chose another for {}",
                translated - kept
            ));
        }
        if known_by_answer > 0 {
            lines.push(format!(
                "{known_by_answer} connections are known only from their SYN-ACK: their SYN is \
                 not in the capture"
            ));
        }
        lines
    }
}
