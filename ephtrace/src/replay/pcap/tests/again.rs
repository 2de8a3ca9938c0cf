//! A port that a client uses again for the same destination, soon after.

use super::*;
use crate::replay::retries::Retries;

/// Flags of a packet.
const RST: &str = "R";
const RST_ACK: &str = "R.";
const FIN_ACK: &str = "F.";
const ACK: &str = ".";

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];

fn segment(from: ([u8; 4], u16), to: ([u8; 4], u16), flags: &str) -> Vec<u8> {
    let mut tcp = PacketBuilder::ipv4(from.0, to.0, 64).tcp(from.1, to.1, 5, 64_240);
    if flags.contains('F') {
        tcp = tcp.fin();
    }
    if flags.contains('R') {
        tcp = tcp.rst();
    }
    if flags.contains('.') {
        tcp = tcp.ack(5);
    }
    let mut packet = Vec::new();
    tcp.write(&mut packet, &[]).unwrap();
    packet
}

/// Creates a packet of the client of [`ip_syn`].
fn client(flags: &str) -> Vec<u8> {
    segment((CLIENT, 40_000), (SERVER, 443), flags)
}

/// Creates a packet of its server.
fn server(flags: &str) -> Vec<u8> {
    segment((SERVER, 443), (CLIENT, 40_000), flags)
}

fn syn(sequence: u32) -> Vec<u8> {
    ip_syn(40_000, sequence)
}

fn accepted(sequence: u32) -> Vec<u8> {
    answer(40_000, sequence)
}

/// Returns the number of assignments of a capture, one packet a second, without retries.
fn counted(packets: &[Vec<u8>]) -> usize {
    counted_of(pcap(101, packets))
}

fn counted_of(bytes: Vec<u8>) -> usize {
    let (rows, broken, _) = read(bytes);
    assert!(broken.is_empty(), "{broken:?}");
    let mut retries = Retries::default();
    rows.iter().filter(|row| !retries.is_repeat(row)).count()
}

#[test]
fn connections_one_after_the_other_count_each() {
    let one = |n: u32, end: &[Vec<u8>]| [&[syn(n), accepted(n), client(ACK)], end].concat();
    for end in [
        vec![client(FIN_ACK), server(FIN_ACK)],
        vec![server(FIN_ACK), client(FIN_ACK)],
        vec![client(RST)],
        vec![server(RST_ACK)],
    ] {
        let packets: Vec<_> = (0..4).flat_map(|n| one(n * 1_000_000, &end)).collect();
        assert_eq!(counted(&packets), 4);
    }
}

#[test]
fn connections_whose_middle_a_filter_left_out_count_each() {
    let numbers = [1_000_000, 2_000_000, 3_000_000];
    // Only packets with SYN, as the filter in the documentation keeps them.
    let both = numbers.map(|n| [syn(n), accepted(n)]).concat();
    assert_eq!(counted(&both), 3);
    // One direction each.
    let asked = numbers.map(|n| [syn(n), client(ACK), client(FIN_ACK)]).concat();
    assert_eq!(counted(&asked), 3);
    let answered = numbers.map(|n| [accepted(n), accepted(n), server(FIN_ACK)]).concat();
    assert_eq!(counted(&answered), 3);
}

#[test]
fn a_packet_that_is_sent_again_begins_nothing() {
    let all = [syn(7), syn(7), accepted(7), syn(7), accepted(7), client(ACK), client(FIN_ACK)];
    assert_eq!(counted(&all), 1);
    // A copy of another interface comes late, and an answer before its SYN.
    assert_eq!(counted(&[&all[..], &[syn(7), accepted(7), client(ACK)]].concat()), 1);
    assert_eq!(counted(&[accepted(7), syn(7), client(ACK)]), 1);
    // Data in a SYN is acknowledged with it, or not at all.
    assert_eq!(counted(&[syn(7), accepted(607), accepted(7), client(ACK)]), 1);
    assert_eq!(counted(&[accepted(607), syn(7), client(ACK)]), 1);
}

#[test]
fn a_retry_of_a_refused_connect_is_none() {
    let refused = |n: u32| [syn(n), server(RST_ACK)];
    assert_eq!(counted(&[refused(1), refused(1), refused(1)].concat()), 1);
    assert_eq!(counted(&[refused(1), refused(1_000_000), refused(2_000_000)].concat()), 1);
    // A SYN after the retries is another connect.
    let later = [refused(1), refused(2_000_000)].concat();
    assert_eq!(counted(&[&later[..], &[syn(3_000_000), accepted(3_000_000)]].concat()), 1);
    let accepted = [syn(4_000_000), accepted(4_000_000), syn(5_000_000)];
    assert_eq!(counted(&[&later[..], &accepted].concat()), 2);
}

#[test]
fn a_refusal_is_retried_at_once_or_not() {
    let pause = vec![other(50_000, false); 4];
    let packets = [&[syn(1), server(RST_ACK)], &pause[..], &[syn(1_000_000)]].concat();
    assert_eq!(counted(&packets), 2);
    // Nothing refused the first one: it may be a retry whose refusal is not there.
    let packets = [&[syn(1)], &pause[..], &[syn(1_000_000)]].concat();
    assert_eq!(counted(&packets), 1);
}

#[test]
fn a_reset_of_the_client_refuses_nothing() {
    // A server with an old connection is reset, and the SYN is sent again.
    assert_eq!(counted(&[syn(7), server(ACK), client(RST), syn(7), accepted(7)]), 1);
}

#[test]
fn associations_of_sctp_one_after_the_other_count_each() {
    let chunk = |is_client: bool, kind: u8, tag: u32| {
        let mut packet = if is_client { client(ACK) } else { server(ACK) };
        packet.resize(20 + 40, 0);
        packet[2..4].copy_from_slice(&60_u16.to_be_bytes());
        packet[9] = 132;
        packet[20 + 12..].fill(0);
        packet[20 + 12] = kind;
        packet[20 + 16..20 + 20].copy_from_slice(&tag.to_be_bytes());
        packet
    };
    let one = |tag| [chunk(true, 1, tag), chunk(false, 2, 9), chunk(true, 10, 0)];
    assert_eq!(counted(&[one(1), one(2)].concat()), 2);
    let refused = |tag| [chunk(true, 1, tag), chunk(false, 6, 0)];
    assert_eq!(counted(&[refused(1), refused(2)].concat()), 1);
}
