//! The packets of a capture, by kind.

use serde::Serialize;

/// Packets that show no port selection, and SYN packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketKind {
    /// Beginning of a TCP or SCTP connection.
    Syn,
    /// Answer to the beginning of a connection.
    SynAck,
    /// TCP or SCTP packet of an established connection.
    MidStream,
    /// UDP.
    Udp,
    /// `ICMP`, and `ICMPv6`.
    Icmp,
    /// Other IP protocols, and tunnels that are not decoded.
    OtherIp,
    /// ARP, spanning tree, and other packets without IP.
    NotIp,
    /// Fragments other than the first: they have no ports.
    Fragment,
    /// Encrypted frames of Wi-Fi, and ESP.
    Encrypted,
    /// Truncated, or damaged, before the ports.
    Damaged,
}

/// The packets of a capture, counted by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Packets {
    /// Packets that begin a TCP or SCTP connection.
    pub syn: u64,
    /// Answers to the beginning of a connection.
    pub syn_ack: u64,
    /// TCP or SCTP packets of established connections.
    pub mid_stream: u64,
    /// UDP.
    pub datagrams: u64,
    /// `ICMP`, and `ICMPv6`.
    pub icmp: u64,
    /// Other IP protocols, and tunnels that are not decoded.
    pub other_ip: u64,
    /// Not IP.
    pub not_ip: u64,
    /// Fragments other than the first.
    pub fragments: u64,
    /// Encrypted packets.
    pub encrypted: u64,
    /// Packets truncated, or damaged, before the ports.
    pub damaged: u64,
}

impl Packets {
    /// Counts one packet.
    pub fn count(&mut self, kind: PacketKind) {
        let counter = match kind {
            PacketKind::Syn => &mut self.syn,
            PacketKind::SynAck => &mut self.syn_ack,
            PacketKind::MidStream => &mut self.mid_stream,
            PacketKind::Udp => &mut self.datagrams,
            PacketKind::Icmp => &mut self.icmp,
            PacketKind::OtherIp => &mut self.other_ip,
            PacketKind::NotIp => &mut self.not_ip,
            PacketKind::Fragment => &mut self.fragments,
            PacketKind::Encrypted => &mut self.encrypted,
            PacketKind::Damaged => &mut self.damaged,
        };
        *counter += 1;
    }

    /// Returns the sum with others.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        Self {
            syn: self.syn + others.syn,
            syn_ack: self.syn_ack + others.syn_ack,
            mid_stream: self.mid_stream + others.mid_stream,
            datagrams: self.datagrams + others.datagrams,
            icmp: self.icmp + others.icmp,
            other_ip: self.other_ip + others.other_ip,
            not_ip: self.not_ip + others.not_ip,
            fragments: self.fragments + others.fragments,
            encrypted: self.encrypted + others.encrypted,
            damaged: self.damaged + others.damaged,
        }
    }

    /// Number of all packets.
    pub fn all(&self) -> u64 {
        self.by_kind().iter().map(|(count, _)| count).sum()
    }

    /// Describes them: "9 packets: 6 of UDP between …, 3 of …", the most frequent first.
    pub fn in_words(&self) -> String {
        let all = self.all();
        let mut kinds = self.by_kind();
        kinds.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let kinds: Vec<_> = kinds
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        match (all, kinds.as_slice()) {
            (0, _) => "no packets".to_owned(),
            (1, [_]) => format!("1 packet: {}", kinds.join(", ")),
            _ => format!("{all} packets: {}", kinds.join(", ")),
        }
    }

    fn by_kind(&self) -> [(u64, &'static str); 10] {
        let Self { syn, syn_ack, mid_stream, datagrams, icmp, .. } = *self;
        let Self { other_ip, not_ip, fragments, encrypted, damaged, .. } = *self;
        [
            (syn, "SYN"),
            (syn_ack, "SYN-ACK"),
            (mid_stream, "of connections that began earlier"),
            (datagrams, "UDP without a client port"),
            (icmp, "ICMP"),
            (other_ip, "of other protocols"),
            (not_ip, "without IP"),
            (fragments, "fragments"),
            (encrypted, "encrypted"),
            (damaged, "truncated before the ports"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_by_kind_the_most_first() {
        let mut packets = Packets::default();
        assert_eq!(packets.in_words(), "no packets");
        packets.count(PacketKind::Icmp);
        assert_eq!(packets.in_words(), "1 packet: 1 ICMP");
        packets.count(PacketKind::Udp);
        packets.count(PacketKind::Udp);
        assert_eq!(packets.in_words(), "3 packets: 2 UDP without a client port, 1 ICMP");
    }
}
