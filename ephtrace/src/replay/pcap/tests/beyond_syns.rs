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

/// Creates a capture of packets at the given seconds.
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
    let packets = Packets { datagrams: 2, ..Packets::default() };
    assert_eq!(left_out, LeftOut { packets, ..LeftOut::default() });
}

#[test]
fn udp_from_a_port_that_a_program_names_is_none() {
    let packets = [query(5353, 5353), query(123, 123), query(68, 67), query(3478, 50_000)];
    assert!(sports(pcap(101, &packets)).is_empty());
}

#[test]
fn udp_to_any_port_is_an_assignment_of_who_sends_first() {
    let answer = udp((SERVER, 4433), (CLIENT, 40_001), b"!");
    let packets = [query(40_001, 4433), answer, query(40_001, 4433), query(40_003, 50_000)];
    assert_eq!(sports(pcap(101, &packets)), [Some(40_001), Some(40_003)]);
    let back = udp((SERVER, 50_000), (CLIENT, 40_003), b"!");
    assert_eq!(sports(pcap(101, &[query(40_003, 50_000), back])), [Some(40_003)]);
}

#[test]
fn an_init_of_sctp_is_an_assignment() {
    let sctp = |kind: u8, tag: u32| {
        let mut packet = udp((CLIENT, 40_001), (SERVER, 36_412), &[0; 24]);
        packet[9] = 132;
        packet[20 + 12] = kind;
        packet[20 + 16..20 + 20].copy_from_slice(&tag.to_be_bytes());
        packet
    };
    let packets = [sctp(1, 7), sctp(1, 7), sctp(0, 1), sctp(1, 8)];
    let (assignments, broken, left_out) = read(pcap(101, &packets));
    assert!(broken.is_empty(), "{broken:?}");
    let [one, _] = assignments.as_slice() else { panic!("{assignments:?}") };
    assert_eq!((one.protocol, one.sport), (Some(Protocol::Sctp), Some(40_001)));
    assert_eq!((left_out.repeated, left_out.packets.mid_stream), (1, 1));
}

/// Creates an IP packet with `content` of this protocol.
fn carrying(number: u8, content: &[u8]) -> Vec<u8> {
    // UDP has the content behind eight bytes.
    let mut packet = udp((CLIENT, 1), (SERVER, 2), content);
    packet.drain(20..28);
    let len = u16::try_from(packet.len()).unwrap().to_be_bytes();
    packet[2..4].copy_from_slice(&len);
    packet[9] = number;
    packet
}

#[test]
fn packets_in_tunnels_of_ip_and_ethernet_are_read() {
    let (inner, frame) = (ip_syn(40_000, 1), ethernet(&ip_syn(40_000, 1)));
    let gre = |header: &[u8], content: &[u8]| carrying(47, &[header, content].concat());
    let tunnels = [
        ("IPIP", carrying(4, &inner)),
        ("6in4", carrying(41, &ip6_syn(40_000))),
        ("GRE", gre(&[0, 0, 8, 0], &inner)),
        ("GRE with key", gre(&[0x20, 0, 8, 0, 0, 0, 0, 9], &inner)),
        ("GRE with Ethernet", gre(&[0, 0, 0x65, 0x58], &frame)),
        ("ERSPAN", gre(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], &frame)),
        ("Aruba's GRE", gre(&[0, 0, 0x82, 0], &self::frame(0x88, 0x01, 28, &inner))),
        (
            "ERSPAN III",
            gre(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &frame),
        ),
    ];
    for (name, packet) in &tunnels {
        assert_eq!(sports(pcap(101, std::slice::from_ref(packet))), [Some(40_000)], "{name}");
    }
    let in_udp = [&[0, 0, 8, 0], inner.as_slice()].concat();
    let in_udp = udp((CLIENT, 50_000), (SERVER, 4754), &in_udp);
    assert_eq!(sports(pcap(101, &[in_udp])), [Some(40_000)]);
    let fddi = [[0; 13].as_slice(), &[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner].concat();
    assert_eq!(sports(pcap(10, &[fddi])), [Some(40_000)]);
    let of_type =
        |ether_type: [u8; 2], content: &[u8]| [&[0; 12], ether_type.as_slice(), content].concat();
    let two_labels = [&[0, 1, 0, 0x40, 0, 2, 1, 0x40], inner.as_slice()].concat();
    let with_word = [&[0, 1, 1, 0x40, 0, 0, 0, 0], frame.as_slice()].concat();
    let session = [&[0x11, 0, 0, 1, 0, 42, 0, 0x21], inner.as_slice()].concat();
    let frames = [
        ("MPLS", of_type([0x88, 0x47], &two_labels)),
        ("MPLS with Ethernet", of_type([0x88, 0x47], &with_word)),
        ("802.1ah", of_type([0x88, 0xe7], &[&[0, 0, 0, 9], frame.as_slice()].concat())),
        ("FabricPath", of_type([0x89, 3], &behind(&[0, 0], &frame))),
        ("802.1BR", of_type([0x89, 0x26], &behind(&[0, 0, 0, 51, 0x81, 0, 0, 250, 8, 0], &inner))),
        ("802.3", of_type([0, 48], &behind(&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &inner))),
        ("PPPoE", of_type([0x88, 0x64], &session)),
        (
            "PPPoE in a VLAN",
            of_type([0x81, 0], &[&[0, 5, 0x88, 0x64], session.as_slice()].concat()),
        ),
    ];
    for (name, packet) in &frames {
        assert_eq!(sports(pcap(1, std::slice::from_ref(packet))), [Some(40_000)], "{name}");
    }
}

#[test]
fn a_first_fragment_has_ports_and_a_later_one_has_none() {
    let (mut first, mut later) = (ip_syn(40_000, 1), ip_syn(40_002, 1));
    first[6..8].copy_from_slice(&[0x20, 0]);
    later[6..8].copy_from_slice(&[0, 9]);
    let (assignments, _, left_out) = read(pcap(101, &[first, later]));
    assert_eq!(assignments.iter().map(|a| a.sport).collect::<Vec<_>>(), [Some(40_000)]);
    assert_eq!(left_out.packets.fragments, 1);
    // IPv6 fragments, behind a header of options.
    let fragment = |sport: u16, offset: u16| {
        let syn = ip6_syn(sport);
        let [high, low] = (offset << 3 | 1).to_be_bytes();
        let options = [44, 0, 1, 4, 0, 0, 0, 0];
        let fragment = [6, 0, high, low, 0, 0, 0, 7];
        let mut packet = [&syn[..40], &options, &fragment, &syn[40..]].concat();
        packet[4..6].copy_from_slice(&36_u16.to_be_bytes());
        packet[6] = 0;
        packet
    };
    let packets = [fragment(40_004, 0), fragment(40_006, 90)];
    let (assignments, _, left_out) = read(pcap(101, &packets));
    assert_eq!(assignments.iter().map(|a| a.sport).collect::<Vec<_>>(), [Some(40_004)]);
    assert_eq!(left_out.packets.fragments, 1);
}

#[test]
fn headers_of_ipv6_that_are_cut_off_do_no_harm() {
    for kind in [0, 43, 44, 51, 60, 135] {
        for (len, cut) in
            (0..=255_u8).flat_map(|len| [(len, 41), (len, 42), (len, 44), (len, 47), (len, 55)])
        {
            let mut packet = ip6_syn(40_000);
            packet[6] = kind;
            packet.splice(40..40, [kind, len, 0, 1, 0, 0, 0, 0]);
            packet.truncate(cut);
            let told = packet::read(Link::Raw, &packet);
            assert!(matches!(told, Told::Nothing(_)), "{kind} {len} {cut}: {told:?}");
        }
    }
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
    // The flag of a network id alone counts: a switch may set others, such as that of a group.
    for (flags, expected) in [(0x88, Some(40_000)), (0xff, Some(40_000)), (0x07, None)] {
        let other = [&[flags, 0, 0, 0, 0, 0, 1, 0], inner.as_slice()].concat();
        let seen = sports(pcap(101, &[udp((CLIENT, 50_000), (SERVER, 4789), &other)]));
        assert_eq!(seen, expected.map(Some).into_iter().collect::<Vec<_>>(), "{flags:#x}");
    }
}

#[test]
fn packets_of_mobile_networks_are_those_of_their_subscribers() {
    let inner = ip_syn(40_000, 1);
    let headers: [(&str, &[u8]); 4] = [
        ("no more", &[0x30, 0xff, 0, 40, 0, 0, 0, 1]),
        ("with a number", &[0x32, 0xff, 0, 44, 0, 0, 0, 1, 0, 7, 0, 0]),
        ("with an extension", &[0x34, 0xff, 0, 48, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 1, 0]),
        (
            "with two",
            &[0x34, 0xff, 0, 56, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 1, 0xc0, 2, 0, 0, 0, 0, 0, 0, 0],
        ),
    ];
    let gtp = |header: &[u8]| {
        let content = [header, inner.as_slice()].concat();
        sports(pcap(101, &[udp((CLIENT, 2152), (SERVER, 2152), &content)]))
    };
    for (name, header) in headers {
        assert_eq!(gtp(header), [Some(40_000)], "{name}");
    }
    // An echo, another version, an extension of length zero.
    for header in [
        [0x30, 1, 0, 40, 0, 0, 0, 1].as_slice(),
        &[0x50, 0xff, 0, 40, 0, 0, 0, 1],
        &[0x34, 0xff, 0, 48, 0, 0, 0, 1, 0, 0, 0, 0x85, 0, 0, 1, 0],
    ] {
        assert!(gtp(header).is_empty(), "{header:?}");
    }
}

#[test]
fn vxlan_may_name_what_is_in_it() {
    let (ip, frame) = (ip_syn(40_000, 1), ethernet(&ip_syn(40_000, 1)));
    for (flags, protocol, inner) in [(0x0c, 1, &ip), (0x0c, 3, &frame), (0x08, 0, &frame)] {
        let content = [&[flags, 0, 0, protocol, 0, 0, 1, 0], inner.as_slice()].concat();
        let packet = udp((CLIENT, 50_000), (SERVER, 4790), &content);
        assert_eq!(sports(pcap(101, &[packet])), [Some(40_000)], "{flags:#x} {protocol}");
    }
}

#[test]
fn cisco_s_hdlc_is_read_on_lines_of_ppp_too() {
    for link in [9, 104] {
        let frame = [&[0x0f, 0, 8, 0], ip_syn(40_000, 1).as_slice()].concat();
        assert_eq!(sports(pcap(link, &[frame])), [Some(40_000)], "{link}");
    }
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

/// Creates a data frame of `control` and `flags`, with a header of this length.
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
        // Padded to four bytes.
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
