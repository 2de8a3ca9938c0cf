//! Any keys, events and sizes: the view never breaks.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

/// Keys with an effect, and one without.
fn key() -> impl Strategy<Value = Key> {
    let chars = prop::sample::select(
        "q?/sSfr jkgG1234h443a\u{202e}".chars().map(Key::Char).collect::<Vec<_>>(),
    );
    let others = prop::sample::select(vec![
        Key::Enter,
        Key::Esc,
        Key::Tab,
        Key::BackTab,
        Key::Backspace,
        Key::Up,
        Key::Down,
        Key::PageUp,
        Key::PageDown,
        Key::Home,
        Key::End,
        Key::Ctrl('x'),
    ]);
    prop_oneof![chars, others]
}

fn any_assignment() -> impl Strategy<Value = Assignment> {
    let address = prop_oneof![
        any::<u32>().prop_map(|n| IpAddr::V4(n.into())),
        any::<u128>().prop_map(|n| IpAddr::V6(n.into()))
    ];
    let range = prop::option::of((any::<u16>(), any::<u16>()));
    let place = (address.clone(), address, any::<u16>(), any::<u32>());
    let numbers = (
        prop::option::of(any::<u32>()),
        prop::option::of(any::<u64>()),
        prop::option::of(any::<u32>()),
    );
    let times = prop_oneof![Just(0), Just(u64::MAX), START_NS..START_NS + 90 * SECOND_NS];
    (times, place, prop::option::of(any::<u16>()), range, numbers, any::<[u8; 16]>()).prop_map(
        |(ts_ns, (saddr, daddr, dport, netns), sport, range, (pid, latency_ns, tried), comm)| {
            Assignment {
                ts_ns,
                pid,
                comm: Some(Comm::from_kernel(comm)),
                flow: FlowKey { netns: Some(netns), saddr, daddr: Some(daddr), dport: Some(dport) },
                sport,
                latency_ns,
                tried,
                range: range.map(|(low, high)| RangeInForce::of_netns(low, high)),
                ..Assignment::default()
            }
        },
    )
}

#[derive(Clone, Debug)]
enum Doing {
    Press(Key),
    See(Box<Assignment>),
    Look(u64),
    Draw(u16, u16),
}

fn doing() -> impl Strategy<Value = Doing> {
    let sizes =
        prop_oneof![(1_u16..=200, 1_u16..=60), Just((80, 24)), Just((120, 40)), Just((1, 1)),];
    let times = prop_oneof![Just(0), Just(u64::MAX), START_NS..START_NS + 200 * SECOND_NS];
    prop_oneof![
        4 => key().prop_map(Doing::Press),
        4 => any_assignment().prop_map(|assignment| Doing::See(Box::new(assignment))),
        1 => times.prop_map(Doing::Look),
        2 => sizes.prop_map(|(width, height)| Doing::Draw(width, height)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_breaks_it(doings in prop::collection::vec(doing(), 1..80)) {
        let mut scene = Scene::new();
        for doing in doings {
            match doing {
                Doing::Press(key) => {
                    scene.state.apply(Input::Key(key));
                }
                Doing::See(assignment) => scene.event(*assignment),
                Doing::Look(now_ns) => scene.look(now_ns),
                Doing::Draw(width, height) => {
                    scene.draw(width, height);
                }
            }
        }
        scene.draw(80, 24);
    }
}
