//! The pictures as they are read, and properties that hold for all.

use std::net::Ipv4Addr;

use fastrand::Rng;
use proptest::prelude::*;

use super::*;
use crate::{
    analyse::{lanes::StepTracker, picture::PlotData},
    model::{Assignment, FlowKey, Origin, RangeInForce},
};

const RANGE: RangeInForce = RangeInForce::of_netns(32_768, 60_999);

/// Returns a picture of ports, each with the port of its destination.
fn picture(ports: impl IntoIterator<Item = (u16, u16)>) -> PlotData {
    let (mut picture, mut lanes) = (PlotData::default(), StepTracker::default());
    for (sport, dport) in ports {
        let mut assignment = Assignment {
            sport: Some(sport),
            flow: FlowKey { dport: Some(dport), ..FlowKey::default() },
            origin: Some(Origin::Connect),
            range: Some(RANGE),
            ..Assignment::default()
        };
        lanes.follow(&mut assignment);
        picture.observe(&assignment);
    }
    picture
}

/// Returns one counter for three destinations, which passes the end of the range.
fn sequential() -> PlotData {
    let ports = (60_700..=RANGE.ports.high).chain(RANGE.ports.low..33_068);
    picture(ports.zip([80, 443, 5432].into_iter().cycle()))
}

/// Returns a counter for each of three destinations, as in Linux 5.18 and later, with a new secret
/// in the middle.
fn per_destination() -> PlotData {
    let mut rng = Rng::with_seed(1);
    let mut counters = [0; 3];
    picture((0..900).map(|n| {
        if n % 450 == 0 {
            counters = [0; 3].map(|_| rng.u16(16_384..28_000) * 2);
        }
        let to = [0, 0, 0, 0, 1, 1, 2][rng.usize(..7)];
        counters[to] += 2 * rng.u16(1..=8);
        (counters[to], [80, 443, 5432][to])
    }))
}

fn random() -> PlotData {
    let mut rng = Rng::with_seed(1);
    picture((0..900).map(|_| (rng.u16(RANGE.ports.low..=RANGE.ports.high), 443)))
}

fn text(picture: &PlotData, width: u16, colour: bool) -> String {
    let mut text = String::new();
    draw(picture, width, colour, &mut text).unwrap();
    text
}

#[test]
fn one_counter_is_a_line() {
    insta::assert_snapshot!(text(&sequential(), 80, false), @r"
    Port by order of assignment: 600
    one line: a counter; several: by destination; cloud: random
    33067│                                                                   ⣀⣀⠤⠤⠒⠒⠉
         │                                                           ⢀⣀⡠⠤⠖⠒⠉⠉⠁
         │                                                    ⣀⣀⠤⠤⠒⠚⠉⠁
    32867│                                            ⢀⣀⡠⠤⠒⠒⠊⠉⠁
         │                                     ⣀⣀⠤⠴⠒⠊⠉⠁
         │                             ⢀⣀⡤⠤⠒⠒⠋⠉
    60899│                     ⢀⣀⣀⠤⠴⠒⠊⠉⠁
         │              ⣀⣀⠤⠤⠒⠒⠋⠉
         │      ⢀⣀⣠⠤⠔⠒⠊⠉⠁
    60700│⣀⠤⠤⠖⠒⠉⠉
         └──────────────────────────────────────────────────────────────────────────
         1                                   300                                 600
    3 destinations; 60999 is followed by 32768

    Port (y) against the previous port (x) to the same destination
    a diagonal: counters; cloud: random
    33067│                                                                  ⢀⣀⣠⠤⠔⠒⠊⠁
         │                                                           ⣀⣀⠤⠤⠒⠚⠉⠉
         │                                                   ⢀⣀⣠⠤⠔⠒⠊⠉⠁
    32867│                                            ⣀⣀⠤⠴⠒⠒⠉⠉
         │                                    ⢀⣀⡠⠤⠔⠒⠋⠉⠁
         │                             ⣀⣀⠤⠴⠒⠒⠉⠉
    60899│                     ⢀⣀⡠⠤⠔⠒⠉⠉⠁
         │              ⣀⣠⠤⠔⠒⠒⠉⠁
         │      ⢀⣀⡠⠤⠖⠒⠉⠉
    60700│⡠⠤⠤⠒⠚⠉⠁
         └──────────────────────────────────────────────────────────────────────────
         60700                              60999                              33067

    Steps between ports of the same destination: 597
    farther than 40 ports: 0 (0.0 %)
    +3 597 100.0 % █████████████████████████████████████████████████████████████████
    ");
}

#[test]
fn counters_of_destinations_are_lines_that_rise_together() {
    insta::assert_snapshot!(text(&per_destination(), 80, false), @"
    Port by order of assignment: 900
    one line: a counter; several: by destination; cloud: random
    60999│
         │
         │⠐⠁⠈⠉⠁⠉⠁⠉⠉  ⠈ ⠁⠉⠉ ⠉⠉  ⠉ ⠈⠉ ⠁⠈ ⠈⠈⠉⠉ ⠈⠁⠈
    51588│       ⢀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⣀⡤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠴⠒⠒⠒⠒⠒
         │⠤⠄⠖⠒⠒⠐⠐⠒⠒⠒⠂⠒⠐⠒⠒⠒⠒⠒⠒⠒⠂⠒⠋ ⠉⠉⠈⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⣠⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠤⠔⠒⠒⠒⠒⠒⠒⠒⠒⠒⠒⠚⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉⠉
         │
    42178│
         │                                     ⠤⠤⠤⠂⠒⠒⠂⠒⠒⠒⠒⠒⠒⠒⠒⠂⠒⠒⠒⠒⠐⠒ ⠒⠒⠒⠒⠃⠉⠉⠉⠉⠉⠉⠉⠉⠉
         │                                     ⡀⣀⡀⣀⢀⡀ ⢀⣀⢀⣀⣀⣀⣀⢀⢀⠄⠤⠄⠄ ⠤ ⠤ ⠤⠠⠠⠄⠠⠄⠤⠤⠠⠤ ⠄
    32768│
         └──────────────────────────────────────────────────────────────────────────
         1                                   450                                 900
    3 destinations; all ports are even

    Each destination from its start or last jump
    rising: counter; one slope: shared; all fall: random
    +2226│                                 ⢀⡤⠔⠋                                  ⢀⣠⠔
         │                              ⢀⡠⠔⠋                                ⢀⡠⠤⠔⠚⠁
         │                          ⢀⣠⠤⠚⠁                               ⢀⡤⠴⠚⠁
    +1484│                       ⣀⠤⠖⠃       ⢀⣀⠤                      ⣠⠒⠚⠁
         │                   ⣀⣠⠔⠚⠁     ⢀⣀⡤⠔⠚⠉                     ⣀⡴⠋⠁            ⣀⣀
         │              ⢀⣀⡤⠔⠋⠁     ⣀⢠⠴⠚⠉                      ⣀⡤⠖⠋⠁        ⢀⣀⣠⠤⠖⠋⠉⠁
     +742│          ⢀⣀⡴⠋⠉    ⢀⡀⡔⠚ ⠉                      ⢀⣀⠤⠖⠋⠁   ⢀⢀⣀ ⠤⠔⠒⠒⠁⠁
         │        ⣠⠔⠋   ⢀⣠⠤⠖⠚⠉                       ⢀⡤⠖⠚⠉  ⣀⣀⡀⠤⠒⠋⠁     ⣀⢀⢀⡀⠠⠄⠴⠒⠐⠊ ⠁
         │    ⢀⡤⠖⣀⣀⠤⠆⠒⠈⠉⣀⣀ ⣀⠤  ⠤ ⠐⠒ ⠂⠐ ⠐⠐⠊⠉ ⠈⠁⠈   ⣀⠤⠒⡀⣠⠤⠖⠒⠋⣀⣀⠠⠠⠄⠔⠂⠂ ⠒ ⠋ ⠁
        0│⢀⡀⢠⠤⠄⠔⠂⠒⠉  ⠈ ⠁                       ⢀⣀⠄⠤⠠⠂ ⠐⠚⠈⠉⠉
         └──────────────────────────────────────────────────────────────────────────
         1                                   450                                 900

    Port (y) against the previous port (x) to the same destination
    a diagonal: counters; cloud: random
    60999│
         │
         │                                                         ⠈⠉
    51588│                                            ⢀⣀⡤⠤⠖⠂
         │                                      ⢠⠤⠰⠒⠚⠉⠁    ⡀
         │
    42178│
         │                 ⠠⠖⠒⠋                       ⠄
         │        ⣠⠤                                                ⢀
    32768│
         └──────────────────────────────────────────────────────────────────────────
         32768                              46883                              60999

    Steps between ports of the same destination: 897
    farther than 40 ports: 3 (0.3 %)
     +2 115  12.8 % ██████████████████████████████████████████████████████████████
     +4 115  12.8 % ██████████████████████████████████████████████████████████████
     +6 118  13.2 % ████████████████████████████████████████████████████████████████
     +8 101  11.3 % ██████████████████████████████████████████████████████
    +10 105  11.7 % ████████████████████████████████████████████████████████
    +12 118  13.2 % ████████████████████████████████████████████████████████████████
    +14 108  12.0 % ██████████████████████████████████████████████████████████
    +16 114  12.7 % █████████████████████████████████████████████████████████████
    ");
}

#[test]
fn chance_is_a_cloud() {
    insta::assert_snapshot!(text(&random(), 80, false), @"
    Port by order of assignment: 900
    one line: a counter; several: by destination; cloud: random
    60999│⠄ ⠄⠂  ⡀ ⠄ ⠰⠠⡀⡀⠄⠄⢀⢂⠁⠆⡂ ⢀⢠ ⠠⠐      ⠐⡡⡀ ⡈⠰ ⢂⢂⠤⠐⠂⠁  ⢐ ⠣⠂⠤⡂ ⠠⠃  ⡉⠠⡄⠔ ⠐ ⡐⠂⢀⣀ ⠁ ⠈
         │⠈⠰⡀ ⢂ ⢀ ⢀⠈⠁⠠⠌ ⠘⠎ ⢃⠠   ⠁  ⠄⠈⠄⠁⠐⢀⠠⢀⠈⠰⢐⡀⠁⠂⡠⠒⡄⠂⠄  ⢃ ⡀⠂⠈ ⠂⠠ ⢄⡂  ⠘⠐ ⡀⠂⠐⠐⠙   ⢁⠁⠁⠂
         │⡈⠂⢐ ⠁ ⠁⡀⠪⠅  ⠂⢠⠁⢀⠂⠈⢐⠢⠌⢀ ⠌ ⣄⠁⠄⡀⠂⠌    ⠠⠰⢀⠁ ⢁⠐⡐⠁⠢⠄⠐⠁ ⠄⠐⡠⠤ ⡀⠂⠈⠈⠁⢉ ⠁⠂⢄⠄⡄ ⣘⠑⠂ ⡀ ⠑
    51588│⠂⠁⢀⠤⠄ ⠌⠂ ⠄⢀  ⠂ ⡠⠒⠠ ⠈ ⢮⢅⠅⠒⠄ ⠂⠄  ⠥⠠ ⠈⠁⠈⢀⠈⡀⠠ ⠠⠴⠠⠨⠡⢤⠍ ⠠⠄⠈⠠⡈⠑⡈  ⠅⠅⡀⡊⠂ ⠊ ⡑⠄⣀⢐⠠⢐⠅
         │ ⠔⠄⠂⠠⢰⠠⢈⡀⢀⠄⠄⠐⠠⠈⡉ ⠈⠤⢠⡄⠑  ⠴⢑⣀  ⠁⢂⠢⢆⢁ ⠘ ⠡⠈ ⠂⢐⠠⠌⠄⠐⡀⠂  ⠄⢘  ⡠⡀⠐⢤⠆ ⠤⢠ ⠂⠔⡤ ⢂⠁⠒⠄⠔⠁
         │⠈⠐⠁⡀⠈⡀   ⢺⠢⠑⠠⣀⠁ ⡀⠈ ⡀⠉⠒⠦⢠⠠ ⡊⠎⠐ ⢘⠌⠂ ⠠⡀⠂⠤⢂⢁   ⠤⡈⠠⠠ ⠐⡀ ⠂⢀⠡⠊⠐⠂ ⠸  ⢀⠰ ⠉ ⡐ ⠈ ⢢ ⠑
    42178│⣈⡑⠈⠉⢄⡁⠁⡠   ⠂⡄ ⡈ ⠈⠐⡒   ⠁⠁⢀⠐⠈⡈⠄⠌⢄⠈⡚⢂⠁⢀⢂ ⠁  ⠠   ⢀⠤⠜⠰⠴⡀ ⣉⠑⠥⠂ ⠄⠠⠄⠒⢀ ⠈⠈   ⢀⠪ ⠲⠁⢁
         │  ⠄ ⠈⠤⣀⡂⡈⠄⢁⣀⠈⠠⡠ ⠅  ⡈ ⠁⠈ ⠂ ⡄⠠⢌⠦ ⣀⠐⡂⠒  ⠄⡀⠢⠅  ⠠⠘⠊  ⠂⠠⠡⠤ ⠐  ⠈⡍⠖⢀⠈⠢⠠⢔⠈⡐  ⠉⡀⠉⠄⠋⡀
         │⠠ ⠈⢴⠌⡈⠄⠐⢀ ⠃⠂⠈⢄⢀ ⠁⡄⠂⠁⢈⠌⢠⣁⠐⠄   ⠠ ⠁⡀ ⠁⡀⣀⡐⡀⠐⢈⠂ ⠄⡊⡆⠈⢰⠂⠑⠁  ⠄ ⠐  ⠐ ⠉ ⠂  ⢀⠃ ⠁⠤⡀⠈⠐
    32768│    ⠒⠠⠨⠡⡰⠁⢀⢤⠄⠂⠁⠈⢐⠁⠁ ⠠   ⠁⠐ ⠰⠹⢠⠆  ⢂⠁⠂⠃  ⡳ ⠁⣄    ⡀⠁⠂⢀⣀⠁⠂ ⠠⡈⠤⡀  ⠈⠈⠠⡂⠠ ⠡⠢   ⠐⠠
         └──────────────────────────────────────────────────────────────────────────
         1                                   450                                 900
    1 destination

    Port (y) against the previous port (x) to the same destination
    a diagonal: counters; cloud: random
    60999│⠠⠄ ⠠ ⠂⠌⠁ ⠐⡀⠢⠰  ⢀ ⠠ ⢄  ⡀⠠⢂⡄⠠⠐⣔⢀⣀⠚⠁ ⠂⠂ ⠐⠐⠂⠥⠂⠂⣂  ⡄⢂⠁⠄⢒⢀⠑  ⠐⡀⠄⠤   ⠠ ⠁⠠ ⠁  ⢂⠄⡈
         │⠐⢀⡤⡐  ⠐⢀⠊⠁⢀  ⠑⠃ ⠅ ⠄  ⠨⡁⠈ ⠨⡀⡘⠐ ⡀⠁⢠ ⠂⡀ ⠠⠐⠈⠄ ⠈ ⢁⠐ ⡀⠃⠢ ⠈⠇⠐ ⠂⠠⠈⡂⡀⠄ ⠄ ⡂⡐⠊  ⠠ ⠊⠈
         │ ⠢⣀  ⡀⢈⠁⡁⠑  ⠄ ⠔⠌⠁⡍ ⠠⠋ ⠐  ⠂⡈⣂⡁  ⠣ ⠈⠠ ⠄⠒⠈ ⠝   ⡆⣀⢋⠸ ⠠⠂⢀ ⠈⣀⠘⠐⠠⢀⠠ ⠔⢀  ⡀ ⠊ ⠐⠤⠂
    51588│⢀ ⠈⢀⠆ ⠂⠡   ⠅⠂⢁⡄⠕ ⠂⠌ ⠎⡠ ⠁⠠ ⢈ ⠄⡈⠈⠤⠂⠶⠈⠂⠐⠐⠠⠉⠠⠠⡤⡀⠄⠂⠐ ⡀  ⠨⢐ ⠁⠁⠠⡠⠄⠁⡠⠠⠄⠠⢉⠠ ⠂⠢⢈⠠ ⢉⡁
         │ ⠂⡀⠨⠠⠒⡑⠈⠢⠄⢀⠄ ⠂⠄ ⠁⣀⠠⢠⠤⢅⠄ ⠖⠅ ⡀⠄ ⠠⠂⢐⠙⠐⠔⡠⢄⡄⢀ ⠂ ⠂ ⠐⠠⠅⠠⢐⠂⢂⡤⢀⠁⣂⣀⢀⠈ ⠌⠈⡄⠂ ⠃⠌⠔  ⠦⢀⠁⠠
         │⠐⠂ ⡀⢂⠂⡀⠠ ⢀⠲⠄ ⠈⡠⠒⢑⠕⠨⠠ ⢐⢂⠤⠁⠆  ⠐⠁ ⢀ ⣁⠄⡐ ⠁⠲⠈ ⠈  ⠡⠂⠠⠄  ⢠⠠  ⢐ ⡀ ⠩⠑⢈ ⠂ ⠐⠆⠐⠊⡉⠠⢀⠅
    42178│⢠⠠⡙⠤⡈⠈ ⠐⠁⠈⡊⠠⠠⠄⠓ ⠰⠌⢡  ⢀⠁ ⠄⠠ ⠂⡄ ⢠ ⠉⠰⢡⢑⠁⢤ ⢄⢀⡘⠆ ⠈  ⢀   ⢌  ⢀ ⠂⠁   ⠁⠂⠃⠂⡱⠅   ⣀⠂⠊⠐
         │⢀⠄⠃⠲  ⡀⠄⡈  ⡀⠈ ⢀⠉  ⠠⡐⠤  ⠔⠠ ⠂⠁⠠⠁⡀⠄⠐  ⢀⠃⠄ ⡥⡈⠨⢄⠂  ⠨⢰⠁⠑⠅⢅  ⠂⠁⡆ ⠁ ⠢⠂⠠ ⠒⠈⠠⢠⠈ ⣂⡉ ⢐
         │⠠⡀⢄ ⢄⠔ ⠄⠂⡀⠊⢋⢀⢀⡀ ⡀ ⢀ ⠁⠁⠄ ⠠⠐⡘⢈⠡⢀⠒⢠⠁⠐⡂ ⠈ ⢀⠑⠃ ⠃⡀ ⠂ ⠈⠦   ⠐⢈⢁ ⠈⢂⠈⠐   ⠈ ⢄ ⢄⢉  ⢂ ⠄
    32768│⠐ ⠐ ⡂⢀⠘  ⠂⠄⠁ ⠒ ⠄⢀⠙⠔ ⠊⠄⠈⡃⠁ ⠐⠈⠂⠂    ⠈⠄⠁⣄⡀⢀⠘⠆⠠ ⠘⡀⠑⢈ ⠐⠘ ⠠⠁⠐  ⠠⠢⠄ ⣀⠠⠉⢈⡄  ⡈⠤⠄⢀ ⠄
         └──────────────────────────────────────────────────────────────────────────
         32768                              46883                              60999

    Steps between ports of the same destination: 899
    even bars: random; within 40 ports: 0.0 %
    -14116 to -10588 123  13.7 % █████████████████████████████████████████████████
     -10587 to -7059 113  12.6 % █████████████████████████████████████████████
      -7058 to -3530 109  12.1 % ███████████████████████████████████████████
         -3529 to -1 106  11.8 % ██████████████████████████████████████████
          0 to +3528 100  11.1 % ████████████████████████████████████████
      +3529 to +7057 127  14.1 % ███████████████████████████████████████████████████
     +7058 to +10586 109  12.1 % ███████████████████████████████████████████
    +10587 to +14116 112  12.5 % ████████████████████████████████████████████
    ");
}

#[test]
fn says_that_there_is_too_little() {
    assert_eq!(text(&PlotData::default(), 80, false), "0 assignments: too few to draw\n");
    let once_each = picture((0..20).map(|n| (40_000 + n, n)));
    let text = text(&once_each, 80, false);
    assert_eq!(text.matches("\ntoo few to draw: 0\n").count(), 2, "{text}");
}

#[test]
fn names_the_colours() {
    let text = text(&per_destination(), 80, true);
    for name in ["\x1b[36m● \x1b[0m0.0.0.0:80 ", "\x1b[35m● \x1b[0m0.0.0.0:443 "] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn names_as_many_as_fit() {
    let many = picture((0..900).map(|n| (40_000 + n, 50_000 + n % 50)));
    let text = text(&many, 60, true);
    let legend = text.lines().find(|line| line.contains('●')).unwrap();
    assert_eq!(legend.matches('●').count(), 2, "{legend}");
    assert!(legend.ends_with("and 48 others"), "{legend}");
}

#[test]
fn names_sources_where_destinations_are_the_same() {
    let mut picture = PlotData::default();
    for n in 0..20 {
        let mut assignment = Assignment { sport: Some(40_000 + n), ..Assignment::default() };
        assignment.flow.dport = Some(443);
        assignment.flow.saddr = Ipv4Addr::from([127, 0, 0, u8::from(n % 2 == 0)]).into();
        picture.observe(&assignment);
    }
    let text = text(&picture, 80, true);
    assert!(text.contains("127.0.0.1 -> 0.0.0.0:443  "), "{text}");
}

#[test]
fn a_wide_terminal_has_two_in_a_row() {
    let picture = per_destination();
    let (narrow, wide) = (text(&picture, 119, false), text(&picture, 120, false));
    assert!(wide.lines().count() * 3 < narrow.lines().count() * 2);
    let first = wide.lines().next().unwrap();
    assert!(first.starts_with("Port by order") && first.contains("  Each destination"), "{first}");
}

#[test]
fn says_what_parity_hides() {
    let odd = picture((0..900).map(|n| (40_001 + 2 * n, 443)));
    assert!(text(&odd, 80, false).contains("1 destination; all ports are odd\n"));
}

#[test]
fn little_of_a_range_is_enlarged() {
    let text = text(&sequential(), 80, false);
    assert!(text.contains("60999 is followed by 32768"), "{text}");
}

fn any_assignment() -> impl Strategy<Value = Assignment> {
    let range = proptest::option::of((1_u16.., 1_u16..))
        .prop_map(|ends| ends.map(|(low, high)| RangeInForce::of_netns(low, high)));
    let step = prop_oneof![Just(None), (-50..50).prop_map(Some), any::<Option<i32>>()];
    (proptest::option::weighted(0.9, 1_u16..), 0..9_u16, range, step).prop_map(
        |(sport, dport, range, step)| Assignment {
            sport,
            flow: FlowKey { dport: Some(dport), ..FlowKey::default() },
            origin: (dport == 0).then_some(Origin::Bind),
            range,
            step,
            ..Assignment::default()
        },
    )
}

proptest! {
    #[test]
    fn draws_whatever_comes(
        assignments in proptest::collection::vec(any_assignment(), 0..200),
        width in any::<u16>(),
        colour in any::<bool>(),
    ) {
        let mut picture = PlotData::default();
        for assignment in &assignments {
            picture.observe(assignment);
        }
        let text = text(&picture, width, colour);
        prop_assert!(text.ends_with('\n'));
        prop_assert!(colour || !text.contains('\x1b'));
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        prop_assert!(colour || widest <= usize::from(width.clamp(MIN_WIDTH, MAX_WIDTH)));
    }
}
