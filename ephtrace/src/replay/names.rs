//! Words of a recording and their meaning: the same in every format.

use std::net::{IpAddr, Ipv4Addr};

use crate::model::losses::Losses;

/// Parses an address; an IPv4-mapped one becomes IPv4, and a link-local one may name its interface.
pub(super) fn address(text: &str) -> Option<IpAddr> {
    // Nearly all are of this form, and each row has two of them.
    if let Some(address) = plain_ipv4(text.as_bytes()) {
        return Some(address.into());
    }
    let address = text.split_once('%').map_or(text, |(address, _)| address);
    address.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// Parses four decimal numbers between dots, with a fifth of the instructions of the standard
/// library; `None` for anything else, which is left to the library.
fn plain_ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let (mut place, mut digits, mut number) = (0, 0, 0_u8);
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            // Leading zeros are refused.
            if digits > 0 && number == 0 {
                return None;
            }
            digits += 1;
            number = number.checked_mul(10)?.checked_add(digit)?;
        } else if byte == b'.' && digits > 0 && place < 3 {
            octets[place] = number;
            (place, digits, number) = (place + 1, 0, 0);
        } else {
            return None;
        }
    }
    if place < 3 || digits == 0 {
        return None;
    }
    octets[place] = number;
    Some(octets.into())
}

/// Adds the losses at a stage; those at a stage of another version count as unreadable.
pub(super) fn add_loss(losses: &mut Losses, stage: &str, lost: u64) {
    let Losses { ring_full, in_flight_full, return_missed, hook_missed, undecodable, unreadable } =
        losses;
    let counter = match stage {
        "ring_full" => ring_full,
        "in_flight_full" => in_flight_full,
        "return_missed" => return_missed,
        "hook_missed" => hook_missed,
        "undecodable" => undecodable,
        _ => unreadable,
    };
    *counter = counter.saturating_add(lost);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read() {
        let read = |text| address(text).map(|address| address.to_string());
        assert_eq!(read("10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(read("::ffff:10.0.0.1").as_deref(), Some("10.0.0.1"));
        assert_eq!(read("fe80::1%eth0").as_deref(), Some("fe80::1"));
        for wrong in
            ["", "1.2.3", "1.2.3.", ".1.2.3", "1..2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4"]
        {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        /// The fast parser never differs from the standard library.
        #[test]
        fn the_short_way_is_the_same_way(
            parts in prop::collection::vec("[0-9]{0,4}", 1..6),
            address: Ipv4Addr,
        ) {
            let text = parts.join(".");
            prop_assert_eq!(plain_ipv4(text.as_bytes()), text.parse().ok());
            prop_assert_eq!(plain_ipv4(address.to_string().as_bytes()), Some(address));
        }
    }
}
