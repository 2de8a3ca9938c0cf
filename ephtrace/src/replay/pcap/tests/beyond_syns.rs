//! UDP, tunnels and wireless links.

use super::*;

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];

fn udp(from: ([u8; 4], u16), to: ([u8; 4], u16), content: &[u8]) -> Vec<u8> {
    let udp = PacketBuilder::ipv4(from.0, to.0, 64).udp(from.1, to.1);
    let mut packet = Vec::new();
    udp.write(&mut packet, content).unwrap();
    packet
}

fn query(sport: u16, dport: u16) -> Vec<u8> {
    udp((CLIENT, sport), (SERVER, dport), b"?")
}

/// Packets with the seconds at which they were captured.
fn at(packets: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let bare: Vec<Vec<u8>> = packets.iter().map(|(_, packet)| packet.clone()).collect();
    let mut bytes = pcap(101, &bare);
    let mut place = 24;
    for (second, packet) in packets {
        bytes[place..place + 4].copy_from_slice(&(1_795_000_000 + second).to_le_bytes());
        place += 16 + packet.len();
    }
    bytes
}

#[test]
fn a_query_is_an_assignment_and_its_answer_is_none() {
    let answer = udp((SERVER, 53), (CLIENT, 40_001), b"!");
    let (assignments, broken, left_out) = read(pcap(101, &[query(40_001, 53), answer]));
    assert!(broken.is_empty(), "{broken:?}");
    let [one] = assignments.as_slice() else { panic!("{assignments:?}") };
    assert_eq!((one.sport, one.flow.dport), (Some(40_001), Some(53)));
    assert_eq!((one.protocol, one.origin), (Some(Protocol::Udp), None));
    assert_eq!(left_out, LeftOut::default());
}

#[test]
fn udp_between_equals_has_no_client() {
    let packets = [query(5353, 5353), query(123, 123), query(40_001, 50_000), query(68, 67)];
    assert!(sports(pcap(101, &packets)).is_empty());
}

#[test]
fn a_flow_of_udp_is_one_assignment_until_it_was_quiet() {
    let (one, other) = (query(40_001, 443), query(40_002, 443));
    let packets =
        [(0, one.clone()), (1, other), (100, one.clone()), (219, one.clone()), (340, one)];
    assert_eq!(sports(at(&packets)), [Some(40_001), Some(40_002), Some(40_001)]);
}

#[test]
fn packets_in_a_tunnel_are_those_of_its_hosts() {
    let inner = ethernet(&ip_syn(40_000, 1));
    let vxlan = [&[8, 0, 0, 0, 0, 0, 1, 0], inner.as_slice()].concat();
    let geneve = [&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 9, 9, 9, 9], inner.as_slice()].concat();
    for (dport, content) in [(4789, &vxlan), (8472, &vxlan), (6081, &geneve)] {
        assert_eq!(
            sports(pcap(101, &[udp((CLIENT, 50_000), (SERVER, dport), content)])),
            [Some(40_000)]
        );
    }
    let plain = [&[1, 0, 8, 0, 0, 0, 1, 0, 9, 9, 9, 9], ip_syn(40_000, 1).as_slice()].concat();
    let packet = udp((CLIENT, 50_000), (SERVER, 6081), &plain);
    assert_eq!(sports(pcap(101, &[packet])), [Some(40_000)]);
    // Other flags are another protocol's.
    let other = [&[9, 0, 0, 0, 0, 0, 1, 0], inner.as_slice()].concat();
    assert!(sports(pcap(101, &[udp((CLIENT, 50_000), (SERVER, 4789), &other)])).is_empty());
}

#[test]
fn tunnels_within_tunnels_end() {
    let mut packet = ip_syn(40_000, 1);
    let wrapped = |packet: &[u8]| {
        let content = [&[8, 0, 0, 0, 0, 0, 1, 0], ethernet(packet).as_slice()].concat();
        udp((CLIENT, 50_000), (SERVER, 4789), &content)
    };
    for depth in 1..=5 {
        packet = wrapped(&packet);
        assert_eq!(
            sports(pcap(101, std::slice::from_ref(&packet))).len(),
            usize::from(depth <= 4),
            "{depth}"
        );
    }
}

/// A data frame of `control` and `flags`, with a header of this length.
fn frame(control: u8, flags: u8, header: usize, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; header];
    frame[..2].copy_from_slice(&[control, flags]);
    [&frame, [0xaa, 0xaa, 3, 0, 0, 0, 8, 0].as_slice(), packet].concat()
}

#[test]
fn wireless_frames_are_read() {
    let packet = ip_syn(40_000, 1);
    for (control, flags, header) in [
        (0x08, 0x01, 24),
        (0x08, 0x03, 30),
        (0x88, 0x01, 26),
        (0x88, 0x81, 30),
        // Filled up to four bytes.
        (0x88, 0x01, 28),
    ] {
        let frame = frame(control, flags, header, &packet);
        assert_eq!(
            sports(pcap(105, std::slice::from_ref(&frame))),
            [Some(40_000)],
            "{control:x} {header}"
        );
        let radio = [&[0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0], frame.as_slice()].concat();
        assert_eq!(sports(pcap(127, &[radio])), [Some(40_000)], "{control:x} {header}");
    }
    let nothing = [frame(0x80, 0, 24, &packet), frame(0x88, 0x41, 26, &packet), vec![0xc8, 1]];
    assert!(sports(pcap(105, &nothing)).is_empty(), "a beacon, an encrypted one, one without data");
}
