//! Packets within packets: what a host of a virtual network sent.

use etherparse::{EtherType, LaxSlicedPacket};

/// VXLAN as registered, and as Linux has it unless told otherwise.
const VXLAN_PORTS: [u16; 2] = [4789, 8472];
const GENEVE_PORT: u16 = 6081;
const HEADER_BYTES: usize = 8;

/// The Ethernet type of bridged Ethernet.
const ETHERNET: u16 = 0x6558;

/// The packet in a UDP datagram to port `dport`; `None` if it is no tunnel's.
pub(super) fn content(dport: u16, datagram: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    let header: &[u8; HEADER_BYTES] = datagram.first_chunk()?;
    if VXLAN_PORTS.contains(&dport) {
        // A network is named, and all other flags are reserved.
        let is_vxlan = header[0] == 0x08;
        return is_vxlan.then(|| ethernet(datagram.get(HEADER_BYTES..)?)).flatten();
    }
    if dport != GENEVE_PORT || header[0] >> 6 != 0 {
        return None;
    }
    let options = 4 * usize::from(header[0] & 0x3f);
    let inner = datagram.get(HEADER_BYTES + options..)?;
    match u16::from_be_bytes([header[2], header[3]]) {
        ETHERNET => ethernet(inner),
        ether_type => Some(LaxSlicedPacket::from_ether_type(EtherType(ether_type), inner)),
    }
}

fn ethernet(data: &[u8]) -> Option<LaxSlicedPacket<'_>> {
    LaxSlicedPacket::from_ethernet(data).ok()
}
