//! What keys do, and what colours and sizes change.

use super::*;

#[test]
fn a_frozen_view_stands_and_nothing_is_missed() {
    let mut scene = recording();
    scene.press(" ");
    let frozen = scene.text(80, 24);
    assert!(frozen.contains(" FROZEN "), "{frozen}");
    for n in 0..500 {
        scene.event(assignment(START_NS + 41 * SECOND_NS + n, 7, 80, Some(40_000)));
    }
    scene.look(START_NS + 42 * SECOND_NS);
    assert_eq!(scene.text(80, 24), frozen);
    scene.press(" ");
    let on = scene.text(80, 24);
    assert!(on.contains("10.0.0.7:80") && !on.contains("FROZEN"), "{on}");
}

#[test]
fn a_filter_holds_while_it_is_typed_and_esc_drops_it() {
    let mut scene = recording();
    let shown = |scene: &Scene| scene.state.destinations().len();
    scene.press("/backuX\x7f");
    assert_eq!(shown(&scene), 1);
    assert!(scene.text(80, 24).ends_with("filter: backu   Enter keep  Esc drop"));
    scene.press("\x1b");
    assert_eq!(shown(&scene), 4);
    scene.press("/443 10.0.0.3 app\n");
    assert_eq!((shown(&scene), scene.effect), (1, Effect::None));
    scene.press("\x1bf");
    assert_eq!(shown(&scene), 1);
    scene.press("\x1b/q");
    assert_eq!((shown(&scene), scene.effect), (0, Effect::None));
}

#[test]
fn the_cursor_goes_where_its_destination_goes() {
    let mut scene = recording();
    scene.draw(80, 24);
    scene.press("jj");
    let under = |scene: &Scene| {
        let rows = scene.state.destinations();
        filter::title(rows[scene.state.cursor_in(&rows)].0)
    };
    assert_eq!(under(&scene), "10.0.0.3:443");
    scene.press("S");
    assert_eq!(under(&scene), "10.0.0.3:443");
    scene.press("\n");
    assert!(
        matches!(scene.state.page, Some(Page::Destination(lane)) if lane.flow.dport == Some(443))
    );
}

#[test]
fn reset_begins_anew_and_keys_end_it() {
    let mut scene = recording();
    scene.press("r");
    assert_eq!((scene.effect, scene.state.destinations().len()), (Effect::Reset, 0));
    scene.press("q");
    assert_eq!(scene.effect, Effect::Quit);
    scene.press("/");
    assert_eq!(scene.state.apply(Input::Key(Key::Ctrl('c'))), Effect::Quit);
}

#[test]
fn without_colour_letters_tell_destinations_apart() {
    let mut scene = recording();
    let coloured = |screen: &TestBackend| {
        screen.buffer().content.iter().filter(|cell| cell.fg != Color::Reset).count()
    };
    let in_colour = scene.draw(80, 24);
    assert!(coloured(&in_colour) > 100);
    scene.state.about.colour = false;
    let plain = scene.draw(80, 24);
    assert_eq!(coloured(&plain), 0);
    let right = |y| plain.buffer().cell((79, y)).map(|cell| cell.symbol().to_owned());
    let letters: String = (4..14).filter_map(right).collect();
    assert_eq!(letters.split_whitespace().collect::<String>().len(), 4, "{letters:?}");
}

#[test]
fn colours_are_those_that_show_on_black_and_on_white() {
    let mut scene = recording();
    for keys in ["", "\t", "\t", "\t", "1\n"] {
        scene.press(keys);
        for cell in &scene.draw(120, 40).buffer().content {
            assert!(!matches!(cell.fg, Color::White | Color::Black | Color::Gray), "{cell:?}");
            assert_eq!(cell.bg, Color::Reset);
        }
    }
}

#[test]
fn a_small_terminal_is_told_so() {
    let mut scene = recording();
    assert!(
        scene.text(79, 24).starts_with("ephtrace top needs 80 columns and 24 lines;\nhere are 79")
    );
}
