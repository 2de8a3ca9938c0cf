//! Effects of keys, colours and sizes.

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
fn colours_are_those_that_show_on_every_background() {
    // Solarized has greys in place of bright colours; one of them is its background.
    let shown = [Color::Reset, Color::Red, Color::Green, Color::Blue, Color::Magenta, Color::Cyan];
    let mut scene = recording();
    for keys in ["", "\t", "\t", "\t", "1\n"] {
        scene.press(keys);
        for cell in &scene.draw(120, 40).buffer().content {
            assert!(shown.contains(&cell.fg), "{cell:?}");
            assert_eq!(cell.bg, Color::Reset);
        }
    }
}

#[test]
fn a_narrow_header_has_no_half_words() {
    let mut scene = recording();
    scene.state.seen.own_cost = Some(0.053);
    let header = |scene: &mut Scene, width| scene.text(width, 24).lines().next().map(str::to_owned);
    assert!(header(&mut scene, 80).unwrap().contains("own cost 5.3 %"));
    scene.state.seen.own_cost = Some(0.053);
    let narrow = header(&mut scene, 60).unwrap();
    assert!(narrow.starts_with("ephtrace top  hook fentry  web1   "), "{narrow}");
}

#[test]
fn a_small_terminal_shows_less() {
    let mut scene = recording();
    insta::assert_snapshot!(scene.text(60, 18), @"
    ephtrace top  hook fentry  web1    3 lost  0:00:40  12:00:40
        34/s  1255 assignments, 15 failed: EADDRNOTAVAIL
    verdict per_destination, linux_dhash64k 99.9 %
    port by time
    60999│                     ⠠⠠⡀⠂          ⠂ ⡀ ⠐⢀    ⠈       d
    51588│                 ⠐⠒⡀⠒⠒⠒⠐⠒⠁⠒⠠⠠⠂⡀⠉⠐⠉⠉⠉⠉⠉⡈⠈⠉⠉⠉⠈⠂⠉⠠⠉⠄⠂⠉⠉ b
    42178│                 ⠂⠤⠐⠈⠤⠤⠤⠤⠤⠑⠤⠖⠒⠒⠒⠒⠒⠠⠒⠄⠒⠒⠒⠒⠒⠒⠂⠈⠋⠉⠉⠉⠉⠄⠉ a
    32768│                 ⠤⠂⠤⠤⠤⠤⠤⠤⠤⠤⠖⠒⠒⠒⠄⡀⠠⠒⠒⠒⠒⠚⠉⠉⠁⠂⠉⠉⠉⠉⠄⠉⠉⢀  c
         └──────────────────────────────────────────────×××××─
         -60 s                   -30 s                     now
    [destinations 4] processes 4  failures 15  plots   by RATE/s
      DESTINATION            RATE/s FAILED   USE VERDICT
    a 10.0.0.2:5432              16      0     – linux_dhash64k
    b 10.0.0.4:6379             9.0     15     – linux_dhash64k
    c 10.0.0.3:443              8.0      0     – linux_dhash64k
    d 10.0.0.9:873              1.0      0     – undetermined

    q quit ? help / filter f failed s sort Tab list Enter open
    ");
    insta::assert_snapshot!(scene.text(44, 10), @"
    ephtrace top  hook 3 lost  0:00:40  12:00:40
        34/s  1255 assignments, 15 failed: EADD
    verdict per_destination, linux_dhash64k 99.
    [destinations 4] processes 4  failures 15  p
      DESTINATION            RATE/s FAILED   USE
    a 10.0.0.2:5432              16      0     –
    b 10.0.0.4:6379             9.0     15     –
    c 10.0.0.3:443              8.0      0     –
    d 10.0.0.9:873              1.0      0     –
    q quit ? help / filter f failed s sort
    ");
    scene.press("2");
    insta::assert_snapshot!(scene.text(60, 10), @"
    ephtrace top  hook fentry  web1    3 lost  0:00:40  12:00:40
        34/s  1255 assignments, 15 failed: EADDRNOTAVAIL
    verdict per_destination, linux_dhash64k 99.9 %
     destinations 4 [processes 4] failures 15  plots   by RATE/s
         PID COMM             RATE/s FAILED VERDICT
         182 app                  16      0 linux_dhash64k
         184 app                 9.0     15 linux_dhash64k
         183 app                 8.0      0 linux_dhash64k
         189 backup              1.0      0 undetermined
    q quit ? help / filter f failed s sort Tab list Enter open
    ");
    scene.press("3");
    insta::assert_snapshot!(scene.text(60, 10), @"
    ephtrace top  hook fentry  web1    3 lost  0:00:40  12:00:40
        34/s  1255 assignments, 15 failed: EADDRNOTAVAIL
    verdict per_destination, linux_dhash64k 99.9 %
     destinations 4  processes 4 [failures 15] plots
    TIME         DESTINATION                       ERROR
    12:00:39.660 10.0.0.4:6379                     EADDRNOTAVAIL
    12:00:39.330 10.0.0.4:6379                     EADDRNOTAVAIL
    12:00:39.000 10.0.0.4:6379                     EADDRNOTAVAIL
    12:00:38.660 10.0.0.4:6379                     EADDRNOTAVAIL
    q quit ? help / filter f failed s sort Tab list Enter open
    ");
    assert!(scene.text(39, 24).starts_with("ephtrace top needs 40 columns"));
}
