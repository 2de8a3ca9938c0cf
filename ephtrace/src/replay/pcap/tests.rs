//! Captures that are built here, packet by packet.

use std::io::Cursor;

use etherparse::PacketBuilder;
use proptest::prelude::*;

use super::*;
use crate::model::{Assignment, FlowKey, Packets, Protocol};

mod again;
mod beyond_syns;

const SEQUENCE: u32 = 77;

/// Creates a SYN, from the IP header on.
fn ip_syn(sport: u16, sequence: u32) -> Vec<u8> {
    let tcp =
        PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(sport, 443, sequence, 64_240);
    let mut packet = Vec::new();
    tcp.syn().write(&mut packet, &[]).unwrap();
    packet
}

fn ip6_syn(sport: u16) -> Vec<u8> {
    let tcp = PacketBuilder::ipv6([1; 16], [2; 16], 64).tcp(sport, 443, SEQUENCE, 64_240);
    let mut packet = Vec::new();
    tcp.syn().write(&mut packet, &[]).unwrap();
    packet
}

fn other(sport: u16, with_ack: bool) -> Vec<u8> {
    let tcp = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(sport, 443, 1, 64_240);
    let tcp = if with_ack { tcp.syn().ack(1) } else { tcp };
    let mut packet = Vec::new();
    tcp.write(&mut packet, &[]).unwrap();
    packet
}

/// Creates the SYN-ACK to [`ip_syn`].
fn answer(sport: u16, sequence: u32) -> Vec<u8> {
    let tcp = PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64).tcp(443, sport, 7, 64_240);
    let mut packet = Vec::new();
    tcp.syn().ack(sequence + 1).write(&mut packet, &[]).unwrap();
    packet
}

fn behind(header: &[u8], packet: &[u8]) -> Vec<u8> {
    [header, packet].concat()
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    behind(&[[0; 12].as_slice(), &[8, 0]].concat(), packet)
}

fn pcap(link: u32, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 262_144, link] {
        bytes.extend(word.to_le_bytes());
    }
    for (n, packet) in (1_u32..).zip(packets) {
        let len = u32::try_from(packet.len()).unwrap();
        for word in [1_795_000_000 + n, 123_456, len, len] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(packet);
    }
    bytes
}

/// Creates a big-endian capture with times in units of 2^-9 s: `if_tsresol` 0x89.
fn pcapng(link: u16, packets: &[Vec<u8>]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let padding = vec![0; body.len().next_multiple_of(4) - body.len()];
        let len = u32::try_from(12 + body.len() + padding.len()).unwrap().to_be_bytes();
        [kind.to_be_bytes().as_slice(), &len, body, &padding, &len].concat()
    };
    let section = [0x1a, 0x2b, 0x3c, 0x4d, 0, 1, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255];
    let interface =
        [&link.to_be_bytes(), [0; 6].as_slice(), &[0, 9, 0, 1, 0x89, 0, 0, 0, 0, 0, 0, 0]].concat();
    let mut bytes = [block(0x0a0d_0d0a, &section), block(1, &interface)].concat();
    for packet in packets {
        let len = u32::try_from(packet.len()).unwrap().to_be_bytes();
        let units = (1_795_000_000_u64 * 512 + 256).to_be_bytes();
        bytes.extend(block(6, &[&[0; 4], units.as_slice(), &len, &len, packet].concat()));
    }
    bytes
}

/// Returns assignments, messages about broken packets, and the packets that were left out.
fn read(bytes: Vec<u8>) -> (Vec<Assignment>, Vec<String>, LeftOut) {
    let mut recording = super::super::Recording::from_reader("test", Cursor::new(bytes)).unwrap();
    let (mut assignments, mut broken) = (Vec::new(), Vec::new());
    for item in recording.by_ref() {
        match item.unwrap() {
            Item::Assignment(assignment) => assignments.push(assignment),
            Item::Broken(what) => broken.push(what.to_string()),
        }
    }
    assert_eq!(recording.losses().unreadable, broken.len() as u64);
    (assignments, broken, recording.left_out())
}

fn sports(bytes: Vec<u8>) -> Vec<Option<u16>> {
    let (assignments, broken, _) = read(bytes);
    assert!(broken.is_empty(), "{broken:?}");
    assignments.iter().map(|a| a.sport).collect()
}

#[test]
fn a_syn_is_an_assignment_and_nothing_else_is() {
    let packets = [
        ethernet(&ip_syn(40_000, 1)),
        ethernet(&answer(40_000, 1)),
        ethernet(&other(40_000, false)),
    ];
    let (assignments, broken, _) = read(pcap(1, &packets));
    assert!(broken.is_empty(), "{broken:?}");
    let flow = FlowKey {
        netns: None,
        saddr: [10, 0, 0, 1].into(),
        daddr: Some([10, 0, 0, 2].into()),
        dport: Some(443),
    };
    let expected = Assignment {
        ts_ns: 1_795_000_001_123_456_000,
        flow,
        protocol: Some(Protocol::Tcp),
        sport: Some(40_000),
        ..Assignment::default()
    };
    assert_eq!(assignments, [expected]);
}

#[test]
fn an_answer_tells_of_a_connection_whose_syn_is_missing() {
    let whole = [ip_syn(40_000, 1), answer(40_000, 1), answer(40_000, 1)];
    let (assignments, _, left_out) = read(pcap(101, &whole));
    assert_eq!((assignments.len(), left_out.repeated, left_out.known_by_answer), (1, 0, 0));
    let half = [answer(40_002, 1), answer(40_002, 1), answer(40_004, 5)];
    let (assignments, _, left_out) = read(pcap(101, &half));
    let ends = |a: &Assignment| (a.flow.saddr, a.sport, a.flow.dport);
    let client = [10, 0, 0, 1].into();
    let known = [(client, Some(40_002), Some(443)), (client, Some(40_004), Some(443))];
    assert_eq!(assignments.iter().map(ends).collect::<Vec<_>>(), known);
    assert_eq!(left_out.known_by_answer, 2);
    assert!(left_out.lines()[0].starts_with("2 connections are known only from their SYN-ACK"));
    // Data in a SYN (TCP Fast Open) is acknowledged with it.
    assert_eq!(sports(pcap(101, &[ip_syn(40_006, 1), answer(40_006, 9)])), [Some(40_006)]);
    // Captured on two interfaces, the answer may come first.
    assert_eq!(sports(pcap(101, &[answer(40_008, 1), ip_syn(40_008, 1)])), [Some(40_008)]);
}

#[test]
fn what_packets_were_is_counted() {
    let mut arp = vec![0; 12];
    arp.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    arp.extend([0; 20]);
    let icmp = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).icmpv4_echo_request(1, 1);
    let mut echo = Vec::new();
    icmp.write(&mut echo, &[]).unwrap();
    let mut later = ip_syn(40_000, 1);
    later[6..8].copy_from_slice(&[0, 100]);
    let mut esp = ip_syn(40_000, 1);
    esp[9] = 50;
    let mut other_ip = ip_syn(40_000, 1);
    other_ip[9] = 103;
    let cut = ip_syn(40_000, 1)[..24].to_vec();
    let mut packets: Vec<Vec<u8>> = [&other(40_000, false), &echo, &later, &esp, &other_ip, &cut]
        .map(|packet| ethernet(packet))
        .into();
    packets.push(arp);
    let (assignments, broken, left_out) = read(pcap(1, &packets));
    assert_eq!((assignments.len(), broken.len()), (0, 0));
    let counted = Packets {
        mid_stream: 1,
        icmp: 1,
        fragments: 1,
        encrypted: 1,
        other_ip: 1,
        damaged: 1,
        not_ip: 1,
        ..Packets::default()
    };
    assert_eq!(left_out.packets, counted);
    assert_eq!(left_out.packets.all(), 7);
}

#[test]
fn a_syn_that_is_sent_again_counts_once() {
    let again = ethernet(&ip_syn(40_000, 1));
    let anew = ethernet(&ip_syn(40_000, 2));
    let (assignments, _, left_out) = read(pcap(1, &[again.clone(), again.clone(), anew, again]));
    assert_eq!((assignments.len(), left_out.repeated), (2, 2));
}

/// Creates a SYN from `saddr`, on the interface `any`.
fn syn_from(saddr: [u8; 4], sport: u16, sequence: u32) -> Vec<u8> {
    syn_between(saddr, [192, 0, 2, 1], sport, sequence)
}

fn syn_between(saddr: [u8; 4], daddr: [u8; 4], sport: u16, sequence: u32) -> Vec<u8> {
    let tcp = PacketBuilder::ipv4(saddr, daddr, 64).tcp(sport, 443, sequence, 64_240);
    let mut packet = Vec::new();
    tcp.syn().write(&mut packet, &[]).unwrap();
    behind(&[[0; 14].as_slice(), &[8, 0]].concat(), &packet)
}

#[test]
fn a_connection_counts_once_before_and_behind_nat() {
    let (inside, outside) = ([10, 0, 0, 1], [198, 51, 100, 7]);
    let packets = [
        syn_from(inside, 40_001, 7_000_000),
        syn_from(outside, 40_001, 7_000_000),
        syn_from(inside, 40_002, 8_000_000),
        // Another client has that port of the outside address.
        syn_from(outside, 1_024, 8_000_000),
        // The packet is sent again, and is captured twice again.
        syn_from(inside, 40_002, 8_000_000),
        syn_from(outside, 1_024, 8_000_000),
    ];
    let (assignments, _, left_out) = read(pcap(113, &packets));
    let sources: Vec<_> = assignments.iter().map(|a| (a.flow.saddr, a.sport)).collect();
    assert_eq!(sources, [(inside.into(), Some(40_001)), (inside.into(), Some(40_002))]);
    let seen = (left_out.repeated, left_out.translated, left_out.translated_kept_port);
    assert_eq!(seen, (2, 2, 1));
}

#[test]
fn a_connection_counts_once_before_and_behind_a_redirection() {
    let (client, host, container) = ([10, 0, 0, 1], [192, 0, 2, 1], [172, 17, 0, 2]);
    let packets = [
        syn_between(client, host, 40_001, 7_000_000),
        syn_between(client, container, 40_001, 7_000_000),
        // The address of the host is put in front of it, too.
        syn_between([172, 17, 0, 1], container, 40_001, 7_000_000),
    ];
    let at_once = |packets: &[Vec<u8>]| {
        let mut bytes = pcap(113, packets);
        let mut place = 24;
        for packet in packets {
            bytes[place..place + 4].copy_from_slice(&1_795_000_000_u32.to_le_bytes());
            place += 16 + packet.len();
        }
        let (rows, _, left_out) = read(bytes);
        let seen: Vec<_> = rows.iter().map(|row| (row.flow.saddr, row.flow.daddr)).collect();
        (seen, left_out.translated)
    };
    assert_eq!(at_once(&packets), (vec![(client.into(), Some(host.into()))], 2));
    // A scanner has one port and one number for a whole network.
    let scanner: Vec<_> =
        (1..=9).map(|n| syn_between(client, [192, 0, 2, n], 40_001, 7_000_000)).collect();
    assert_eq!(at_once(&scanner).0.len(), 8);
}

#[test]
fn what_only_looks_like_nat_counts() {
    let one = [10, 0, 0, 1];
    // A scanner has one sequence number for all of its ports.
    let scanner = [syn_from(one, 40_001, 7_000_000), syn_from(one, 40_002, 7_000_000)];
    assert_eq!(read(pcap(113, &scanner)).0.len(), 2);
    // A number that a program made up, for all clients.
    let made_up = [syn_from(one, 40_001, 100), syn_from([10, 0, 0, 2], 40_001, 100)];
    assert_eq!(read(pcap(113, &made_up)).0.len(), 2);
    // Equal sequence numbers by chance, seconds later.
    let later = [
        syn_from(one, 40_001, 7_000_000),
        syn_from(one, 40_002, 8_000_000),
        syn_from(one, 40_003, 9_000_000),
        syn_from([10, 0, 0, 2], 40_001, 7_000_000),
    ];
    assert_eq!(read(pcap(113, &later)).0.len(), 4);
}

#[test]
fn every_link_is_known() {
    let packet = ip_syn(40_000, 1);
    let sll = [[0; 14].as_slice(), &[8, 0]].concat();
    let len = u16::try_from(4 + packet.len()).unwrap().to_le_bytes();
    let nflog = [2, 0, 0, 0, 5, 0, 10, 0, 0, 0, 0, 0, len[0], len[1], 9, 0].to_vec();
    let sll2 = [[8, 0].as_slice(), &[0; 18]].concat();
    let tagged = [[0; 12].as_slice(), &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 7, 8, 0]].concat();
    for (link, header) in [
        (0, vec![2, 0, 0, 0]),
        (108, vec![0, 0, 0, 2]),
        (1, tagged),
        (101, vec![]),
        (12, vec![]),
        (228, vec![]),
        (9, vec![0, 0x21]),
        (9, vec![0x21]),
        (50, vec![0xff, 3, 0, 0x21]),
        (104, vec![0x0f, 0, 8, 0]),
        (9, vec![0x02, 0x81, 0, 1, 1, 0x40]),
        (239, nflog),
        (242, [[0; 40].as_slice(), &[8, 0, 0, 0]].concat()),
        (258, vec![12, 0, 0, 0, 1, 0, 0, 0, 101, 0, 0, 0]),
        (113, sll),
        (276, sll2),
    ] {
        assert_eq!(sports(pcap(link, &[behind(&header, &packet)])), [Some(40_000)], "{link}");
    }
    assert_eq!(sports(pcap(101, &[ip6_syn(40_001)])), [Some(40_001)]);
    let mut ethernet = vec![0; 12];
    ethernet.extend([0x86, 0xdd]);
    assert_eq!(sports(pcap(1, &[behind(&ethernet, &ip6_syn(40_001))])), [Some(40_001)]);
}

#[test]
fn an_unknown_link_is_said() {
    let (assignments, broken, _) = read(pcap(147, &[ip_syn(40_000, 1)]));
    assert!(assignments.is_empty());
    let private = "a private-use type, unknown to other tools";
    assert_eq!(broken, [format!("packet 1: unsupported link type 147: {private}")]);
}

#[test]
fn the_newer_format_with_its_clock() {
    let (assignments, broken, _) = read(pcapng(1, &[ethernet(&ip_syn(40_000, 1))]));
    assert!(broken.is_empty(), "{broken:?}");
    assert_eq!(assignments[0].ts_ns, 1_795_000_000_500_000_000);
    assert_eq!(assignments[0].sport, Some(40_000));
}

#[test]
fn packets_that_are_cut_off_behind_the_flags_will_do() {
    let mut packet = ethernet(&ip_syn(40_000, 1));
    packet.truncate(14 + 20 + 14);
    assert_eq!(sports(pcap(1, &[packet])), [Some(40_000)]);
}

#[test]
fn a_capture_that_is_cut_off_is_used_as_far_as_it_goes() {
    let whole = pcap(1, &[ethernet(&ip_syn(40_000, 1)), ethernet(&ip_syn(40_002, 2))]);
    let (assignments, broken, _) = read(whole[..whole.len() - 3].to_vec());
    assert_eq!((assignments.len(), broken), (1, vec!["packet 2: truncated".to_owned()]));
}

#[test]
fn more_than_one_buffer_is_read() {
    let large = behind(&ethernet(&other(40_000, false)), &vec![0; 60_000]);
    let mut packets = vec![large; 30];
    packets.push(ethernet(&ip_syn(40_000, 1)));
    assert_eq!(sports(pcap(1, &packets)), [Some(40_000)]);
    assert_eq!(sports(pcapng(1, &packets)), [Some(40_000)]);
}

#[test]
fn a_block_larger_than_the_buffer_is_read() {
    let huge = behind(&ethernet(&other(40_000, false)), &vec![0; 3 * BUFFER_BYTES]);
    let packets = [huge, ethernet(&ip_syn(40_000, 1))];
    assert_eq!(sports(pcapng(1, &packets)), [Some(40_000)]);
}

proptest! {
    #[test]
    fn damaged_captures_do_not_panic(
        newer: bool,
        link in prop::sample::select(vec![0_u16, 1, 101, 105, 113, 127, 276]),
        at in prop::collection::vec((0_usize..400, any::<u8>()), 0..12),
        cut in 24_usize..500,
    ) {
        let packets = [ethernet(&ip_syn(40_000, 1)), ip6_syn(1), ethernet(&other(1, true))];
        let mut bytes =
            if newer { pcapng(link, &packets) } else { pcap(link.into(), &packets) };
        let len = bytes.len();
        for (at, byte) in at {
            bytes[at % len] = byte;
        }
        bytes.truncate(cut);
        if let Ok(recording) = super::super::Recording::from_reader("test", Cursor::new(bytes)) {
            prop_assert!(recording.count() < 1000);
        }
    }

    #[test]
    fn arbitrary_bytes_behind_a_header_do_not_panic(
        newer: bool,
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut all = if newer { pcapng(1, &[]) } else { pcap(1, &[]) };
        all.extend(bytes);
        if let Ok(recording) = super::super::Recording::from_reader("test", Cursor::new(all)) {
            prop_assert!(recording.count() < 1000);
        }
    }

    #[test]
    fn arbitrary_packets_do_not_panic(
        number in 0_i32..300,
        bytes in prop::collection::vec(any::<u8>(), 0..120),
    ) {
        if let Some(link) = Link::from_number(number) {
            let _ = packet::read(link, &bytes);
        }
    }
}
