//! Frames of a wireless network, captured in monitor mode.

use crate::model::PacketKind;

/// Bytes of destination, source and base station, with the frame's own control fields.
const HEADER_BYTES: usize = 24;
/// Bytes of the fourth address in a frame between base stations.
const FOURTH_ADDRESS: usize = 6;
const QUALITY_OF_SERVICE: usize = 2;
const HIGH_THROUGHPUT: usize = 4;

/// LLC and SNAP; an `EtherType` follows.
const SNAP: [u8; 6] = [0xaa, 0xaa, 3, 0, 0, 0];

/// Returns the data behind the radiotap header, whose length is its second pair of bytes.
pub(super) fn behind_radiotap(data: &[u8]) -> Option<&[u8]> {
    let len: &[u8; 2] = data.get(2..)?.first_chunk()?;
    data.get(usize::from(u16::from_le_bytes(*len))..)
}

/// Returns the content of a frame, from its `EtherType` on; fails if it has none that can be read:
/// a frame without data, or an encrypted one.
pub(super) fn content(frame: &[u8]) -> Result<&[u8], PacketKind> {
    let &[control, flags] = frame.first_chunk().ok_or(PacketKind::Damaged)?;
    let is_data = control & 0x0c == 0x08 && control & 0x40 == 0;
    let is_encrypted = flags & 0x40 != 0;
    if !is_data {
        return Err(PacketKind::NotIp);
    }
    if is_encrypted {
        return Err(PacketKind::Encrypted);
    }
    let has_quality = control & 0x80 != 0;
    let mut header = HEADER_BYTES;
    header += if flags & 0x03 == 0x03 { FOURTH_ADDRESS } else { 0 };
    header += if has_quality { QUALITY_OF_SERVICE } else { 0 };
    header += if has_quality && flags & 0x80 != 0 { HIGH_THROUGHPUT } else { 0 };
    // Some cards pad the header to four bytes.
    let at = |start: usize| frame.get(start..)?.strip_prefix(&SNAP);
    at(header).or_else(|| at(header.next_multiple_of(4))).ok_or(PacketKind::NotIp)
}
