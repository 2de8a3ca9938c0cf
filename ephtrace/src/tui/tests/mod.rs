//! The view on a screen: scripted keys and recordings in, pictures out.

mod alerts;
mod containers;
mod keys;
mod properties;

use std::net::{IpAddr, Ipv4Addr};

use fastrand::Rng;
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend, style::Color};

use super::{state::Page, *};
use crate::{
    analyse::{lanes::StepTracker, summary::RunContext, tally::Tally},
    model::{Assignment, Comm, FlowKey, Hook, Origin, Protocol, RangeInForce, losses::Losses},
};

const SECOND_NS: u64 = 1_000_000_000;

/// 2026-01-01 12:00:00 UTC.
const START_NS: u64 = 1_767_268_800 * SECOND_NS;

const RANGE: RangeInForce = RangeInForce::of_netns(32_768, 60_999);

/// A view with all its sources, as in `run`.
struct Scene {
    state: State,
    lanes: StepTracker,
    tally: Tally,
    now_ns: u64,
    effect: Effect,
}

impl Scene {
    fn new() -> Self {
        let about = About {
            source: "hook fentry".to_owned(),
            host: Some("web1".to_owned()),
            started_ns: Some(START_NS),
            now_ns: START_NS,
            zone: TimeZone::UTC,
            colour: true,
            utf8: true,
        };
        Self {
            state: State::new(about),
            lanes: StepTracker::default(),
            tally: Tally::new(Some(START_NS)),
            now_ns: START_NS,
            effect: Effect::None,
        }
    }

    fn event(&mut self, mut assignment: Assignment) {
        self.lanes.follow(&mut assignment);
        self.tally.observe(&assignment);
        self.state.apply(Input::Event(&assignment));
    }

    /// Does the work that `run` does once a second.
    fn look(&mut self, now_ns: u64) {
        self.now_ns = now_ns;
        self.state.apply(Input::Tick(now_ns));
        let losses = Losses { ring_full: 3, ..Losses::default() };
        let around = RunContext { losses, ..RunContext::default() };
        let wanted = self.state.wanted();
        let destinations =
            wanted.iter().filter_map(|lane| Some((*lane, self.tally.destination(lane)?))).collect();
        let summary = self.tally.summary(Some(now_ns), 0, around);
        self.state.apply(Input::TallySnapshot(TallySnapshot { now_ns, summary, destinations }));
    }

    /// Presses the keys of `typed`; `\n`, `\t`, `\x1b` and `\x7f` are keys of their own.
    fn press(&mut self, typed: &str) {
        for c in typed.chars() {
            let key = match c {
                '\n' => Key::Enter,
                '\t' => Key::Tab,
                '\x1b' => Key::Esc,
                '\x7f' => Key::Backspace,
                c => Key::Char(c),
            };
            self.effect = self.state.apply(Input::Key(key));
        }
    }

    fn draw(&mut self, width: u16, height: u16) -> TestBackend {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut drawn = Drawn::default();
        terminal.draw(|frame| drawn = draw(frame, &self.state)).unwrap();
        self.state.set_drawn(drawn);
        terminal.backend().clone()
    }

    /// Returns the picture, without colours. The verdicts on the shown items are made first.
    fn text(&mut self, width: u16, height: u16) -> String {
        self.draw(width, height);
        self.look(self.now_ns);
        let screen = self.draw(width, height);
        let rows = screen.buffer().content.chunks(usize::from(width));
        let text = |row: &[ratatui::buffer::Cell]| {
            row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()
        };
        rows.map(text).collect::<Vec<_>>().join("\n")
    }
}

fn assignment(ts_ns: u64, last_octet: u8, dport: u16, sport: Option<u16>) -> Assignment {
    let address = |d| IpAddr::V4(Ipv4Addr::new(10, 0, 0, d));
    Assignment {
        ts_ns,
        pid: Some(180 + u32::from(last_octet)),
        comm: Some(Comm::new(if last_octet == 9 { "backup" } else { "app" })),
        flow: FlowKey {
            netns: Some(4_026_531_840),
            saddr: address(1),
            daddr: Some(address(last_octet)),
            dport: Some(dport),
        },
        protocol: Some(Protocol::Tcp),
        origin: Some(Origin::Connect),
        sport,
        errno: Some(if sport.is_none() { 99 } else { 0 }),
        latency_ns: Some(1500 + u64::from(dport)),
        range: Some(RANGE),
        tried: Some(1),
        hook: Some(Hook::Fentry),
        ..Assignment::default()
    }
}

/// Forty seconds: three destinations with counters as in Linux 5.18 and later, one with random
/// ports, and failures at the end.
fn recording() -> Scene {
    let (mut scene, mut rng) = (Scene::new(), Rng::with_seed(7));
    let mut counters = [34_000, 42_000, 52_000];
    for second in 0..40 {
        for n in 0..30 {
            let ts_ns = START_NS + second * SECOND_NS + n * 33_000_000;
            let to = [0, 0, 0, 1, 1, 2][rng.usize(..6)];
            counters[to] += 2 * rng.u16(1..=8);
            let (octet, dport) = [(2, 5432), (3, 443), (4, 6379)][to];
            scene.event(assignment(ts_ns, octet, dport, Some(counters[to])));
            if n == 0 {
                scene.event(assignment(
                    ts_ns,
                    9,
                    873,
                    Some(rng.u16(RANGE.ports.low..=RANGE.ports.high)),
                ));
            }
            if second > 34 && n % 10 == 0 {
                scene.event(assignment(ts_ns, 4, 6379, None));
            }
        }
        scene.look(START_NS + (second + 1) * SECOND_NS);
    }
    scene
}

#[test]
fn the_first_screen() {
    insta::assert_snapshot!(recording().text(80, 24), @"
    ephtrace top  hook fentry  web1                        3 lost  0:00:40  12:00:40
        34/s ██████████  1255 assignments, 15 failed: EADDRNOTAVAIL
    verdict per_destination, linux_dhash64k 99.9 %            p50 6.9 us, p99 7.9 us
    port by time
    60999│                                 ⢀               ⡀     ⠄       ⠂
         │                              ⠄⠄⡀                  ⡀    ⡀
         │                                  ⠠        ⢀⣀⣀⡀⣀⣀⣀⣀⣀⣀⠠ ⣀⣀⣀⣀⡀⣀⣀ ⣀⣠⠤⠤⠄⠤⠄⠤⠄ b
    51588│                        ⠉⠉⠉⠉⠉⠉⠉⠉⠈⠁⠉⠉⠉⠁⠉⠠⠐⠉⠉⠁ ⠐               ⠄    ⢀ ⠄
         │                          ⠄           ⠂  ⠠          ⢀           ⠈
         │                        ⡀  ⢀⠠       ⠁⡀              ⣀⣀⣀⣀⣀⣀⣀⢀⠤⠤⠁⠤⠤⠤⠤⠤⠴⠒⠒⠒ c
    42178│                        ⠤⠤⠤⠤⠤⠤⠤⠤⠖⠒⠒⠒⠒⠒⠒⠒⠒⠉⠉⠉⠉⠉⠉⠠⠉⠉⠂⠉⠁                ⠄
         │                                                         ⠄  ⣀⣀⣀⣀⣀⣀⣀⠤⠤⠤⠤⠤ a
         │                         ⠂        ⢀⣀⣀⣀⣀⣀⣀⣠⠤⠤⠤⠤⠤⠖⠒⠒⠒⠒⠒⠚⠉⠉⠉⠉⢀⠉
    32768│                        ⠒⠒⠒⠒⠚⠉⠉⠉⠉⠉⠉        ⠂⡀ ⠐                  ⠐    ⠠  d
         └─────────────────────────────────────────────────────────────────××××××─
         -60 s                              -30 s                              now
    [destinations 4] processes 4  failures 15  plots                       by RATE/s
      DESTINATION           RATE/s FAILED   USE   STEP TRIED LAT(us) VERDICT
    a 10.0.0.2:5432             16      0     –    +10   1.0     6.9 linux_dhash64k
    b 10.0.0.4:6379            9.0     15     –    +10   1.0     7.9 linux_dhash64k
    c 10.0.0.3:443             8.0      0     –     +8   1.0     1.9 linux_dhash64k
    d 10.0.0.9:873             1.0      0     –   +754   1.0     2.4 undetermined

    q quit ? help / filter f failed s sort Tab list Enter open Space freeze r reset
    ");
}

#[test]
fn the_header_is_of_the_moment_of_the_rows() {
    let mut scene = recording();
    scene.draw(80, 24);
    scene.event(assignment(scene.now_ns, 4, 6379, None));
    let screen = scene.draw(80, 24);
    let text: String = screen.buffer().content.iter().map(ratatui::buffer::Cell::symbol).collect();
    let row = text.split("b 10.0.0.4:6379").nth(1).unwrap();
    assert_eq!(row.split_whitespace().nth(1), Some("16"), "{row}");
    assert!(text.contains("1256 assignments, 16 failed"), "{text}");
    assert!(text.contains(" failures 16 "), "{text}");
}

#[test]
fn with_more_room_more_is_shown() {
    insta::assert_snapshot!(recording().text(120, 40), @"
    ephtrace top  hook fentry  web1                                                                3 lost  0:00:40  12:00:40
        34/s ██████████  1255 assignments, 15 failed: EADDRNOTAVAIL
    verdict per_destination, linux_dhash64k 99.9 %                                                    p50 6.9 us, p99 7.9 us
    port by time                                                                    port by previous port  a line: counter
    60999│                                                             ⢀            60999│                ⢀
         │                                ⢀              ⢀     ⠐                         │           ⡀             ⠂ ⢀
         │                                                                               │
         │                             ⠄⠄                                                │              ⠠             ⠠
         │                               ⠈                  ⠄   ⠐                        │            ⠄               ⠈   ⠂
         │                                                                               │
         │                                 ⠐            ⢀⣀⣀⣀⣀⣀⠁⢀⡤⠤⠤⠄⠠⠤⠄⠤⠤⠔⠒⠒⠒⠒⠒⠂ b       │                 ⠁      ⡴⠂     ⠂
         │                       ⠠⠤⠤⠤⠤⠤⠤⠖⠐⠂⠒⠒⠒⠂⠂⠂⠠⠉⠉⠉⠉⠉⠉⠉                                │                     ⠄ ⠞⠁
    51588│                                      ⡀     ⠁              ⠂      ⠄       51588│⠈            ⠐     ⡀⠠
         │                                                              ⠠  ⠂             │ ⠐                              ⠠
         │                                     ⠁                                         │              ⠁
         │                         ⠐              ⠈          ⡀                           │     ⠂                 ⠁   ⡀
         │                                   ⠂                        ⠁          c       │                     ⠈  ⠐
         │                            ⠄       ⡀                   ⢀⣀⣀⠤⠤⠤⠖⠒⠒⠒⠊⠉⠉⠉         │             ⠠⣰⠋⡀
         │                       ⠂  ⠐             ⣀⣀⣀⣀⣀⠠⠤⠤⠤⠴⠒⠒⠚⠉⠉⠉⠉ ⠂                    │   ⠐        ⢀⡞⠁  ⠐
         │                         ⢀⣀⣀⣀⣀⠤⠤⠤⠖⠒⠒⠚⠉⠉⠉⠁       ⠐                  ⠄           │           ⣠⠏        ⠠         ⠂
    42178│                       ⠉⠉⠉                    ⠈                           42178│ ⠈         ⠁
         │                                                                       a       │
         │                                                       ⠠      ⣀⣀⡤⠤⠖⠒⠒⠋         │       ⡴⠃                  ⠠
         │                                                  ⢀⣀⣀⣀⡤⠤⠖⠒⠒⠉⠉⠉⠁                │     ⢀⡞⠁
         │                        ⠐                 ⣀⣀⠤⠴⠒⠒⠋⠉⠉                            │    ⣠⠋       ⠐
         │                               ⣀⣀⣠⠤⠤⠴⠒⠒⠉⠉⠉⠁              ⠂                     │  ⢀⡼⠁  ⠐
         │                       ⣀⡤⠤⠴⠒⠚⠉⠉⠁         ⠐   ⡀                 ⢀       d       │ ⢠⠞               ⠂ ⡀ ⡀
    32768│                                           ⠄                        ⠈     32768│  ⠄        ⠈
         └───────────────────────────────────────────────────────────────××××××─         └──────────────────────────────────
         -60 s                            -30 s                              now         32768                         60999
    [destinations 4] processes 4  failures 15  plots                                                               by RATE/s
      DESTINATION                       RATE/s    COUNT FAILED   USE   STEP TRIED LAT(us) VERDICT         LAST PROCESS
    a 10.0.0.2:5432                         16      608      0     –    +10   1.0     6.9 linux_dhash64k  182 app
    b 10.0.0.4:6379                        9.0      204     15     –    +10   1.0     7.9 linux_dhash64k  184 app
    c 10.0.0.3:443                         8.0      403      0     –     +8   1.0     1.9 linux_dhash64k  183 app
    d 10.0.0.9:873                         1.0       40      0     –   +754   1.0     2.4 undetermined    189 backup



    q quit  ? help  / filter  f failed  s sort  Tab list  Enter open  Space freeze  r reset
    ");
}

#[test]
fn one_destination() {
    let mut scene = recording();
    scene.press("/3:443\n\n");
    insta::assert_snapshot!(scene.text(80, 24), @"
    ephtrace top  hook fentry  web1                        3 lost  0:00:40  12:00:40
        34/s ██████████  1255 assignments, 15 failed: EADDRNOTAVAIL
    verdict per_destination, linux_dhash64k 99.9 %            p50 6.9 us, p99 7.9 us
    c 10.0.0.3:443  from 10.0.0.1  tcp connect  netns 4026531840
    403 assignments, 8.0/s now, 0 failed; 403 of 28232 different ports so far
    port search latency 1.9 us, tried 1.0, median step +8; in use now: unknown
    last used by 183 app

    each port follows the last one assigned to the same destination
      (per_destination, 99.9 %): double hash with random increments, Linux 5.18 or
      later (linux_dhash64k, 99.9 %)
      predictable: yes (99.9 %), the ports follow a counter
      63 of 63 repeat connects landed 2 to 16 ports above the previous one (0.06 %
        expected by chance); small steps ignoring destination: 63 of 63; 64 of 64
        even: double hash with random increments, Linux 5.18 or later
      an attacker who knows the last port needs about 8 guesses for the next one
        (3.0 bits)
      judged from the last 64 of 403 assignments

    Port by order of assignment: 403
    one line: a counter; several: by destination; cloud: random
    45666│                                                                   ⢀⣀⡠⠤⠒⠒⠉
         │                                                            ⢀⣀⡠⠤⠖⠒⠉⠁
    q quit Esc back j k scroll Space freeze ? help               38 more lines below
    ");
}

#[test]
fn processes_by_count_and_failures() {
    let mut scene = recording();
    scene.press("\tsf");
    let list = |scene: &mut Scene| {
        let text = scene.text(80, 24);
        text.lines().skip(14).map(|line| line.to_owned() + "\n").collect::<String>()
    };
    insta::assert_snapshot!(list(&mut scene), @"
         └─────────────────────────────────────────────────────────────────××××××─
         -60 s                              -30 s                              now
     destinations 4 [processes 4] failures 15  plots                 failed by COUNT
         PID COMM             RATE/s    COUNT FAILED VERDICT         CONFIDENCE
         184 app                 9.0      204     15 linux_dhash64k  99.9 %




    q quit ? help / filter f failed s sort Tab list Enter open Space freeze r reset
    ");
    scene.press("\t");
    insta::assert_snapshot!(list(&mut scene), @r##"
         └─────────────────────────────────────────────────────────────────××××××─
         -60 s                              -30 s                              now
     destinations 4  processes 4 [failures 15] plots             failed newest first
    TIME             PID COMM        DESTINATION               ERROR         LAT(us)
    12:00:39.660     184 app         10.0.0.4:6379             EADDRNOTAVAIL     7.9
    12:00:39.330     184 app         10.0.0.4:6379             EADDRNOTAVAIL     7.9
    12:00:39.000     184 app         10.0.0.4:6379             EADDRNOTAVAIL     7.9
    12:00:38.660     184 app         10.0.0.4:6379             EADDRNOTAVAIL     7.9
    12:00:38.330     184 app         10.0.0.4:6379             EADDRNOTAVAIL     7.9
    q quit ? help / filter f failed s sort Tab list Enter open Space freeze r reset
    "##);
}

#[test]
fn help_fits_the_smallest_screen() {
    let mut scene = Scene::new();
    scene.press("?");
    insta::assert_snapshot!(scene.text(80, 24), @"
    ephtrace top  hook fentry  web1                        3 lost  0:00:00  12:00:00
         0/s             0 assignments, 0 failed
    verdict waiting for the first assignment
    Keys
       q Ctrl-C  quit and print the summary of the run
         Ctrl-Z  suspend until the shell's `fg`
    Tab 1 2 3 4  next list: destinations, processes, failures, plots
        j k g G  move (also arrows, PgUp, PgDn, Home, End)
              !  problems; Enter opens one, with evidence and remedies
          Enter  open the selected row; for a process, its destinations
            Esc  go back; from the list, drop the filter
              /  filter by address, port, process name or process id
          f s S  failures only; sort by the next column; reverse the order
          Space  freeze or resume the display; nothing is missed meanwhile
              r  reset all counts, also those of the final summary
    Columns
          a … e  the busiest destinations; right of the plot: their last port
         RATE/s  assignments in the last second, failed ones included
            USE  share of the range now; ½: searches scan half of it first; !: all
           STEP  from port to port of the same destination, median of the last 16
          TRIED  candidates tried per search, mean of the last second
        LAT(us)  port search latency, mean of the last second
        VERDICT  how ports are assigned, judged by the last 64
    q quit Esc back j k scroll Space freeze ? help                 1 more line below
    ");
}

#[test]
fn use_has_two_marks_and_findings_come_up() {
    let mut scene = recording();
    let of = |octet, dport| assignment(0, octet, dport, None).flow;
    let use_of = |ports| InUse { ports, of: 28_232 };
    scene.state.apply(Input::InUse(vec![
        (of(2, 5432), use_of(14_116)),
        (of(3, 443), use_of(1000)),
        (of(4, 6379), use_of(28_232)),
    ]));
    scene.state.apply(Input::Notice("10.0.0.4:6379 has no port left".to_owned()));
    let text = scene.text(80, 24);
    let line = |text: &str, start: &str| {
        text.lines().find(|line| line.starts_with(start)).map(str::to_owned)
    };
    assert_eq!(line(&text, "!").as_deref(), Some("! 10.0.0.4:6379 has no port left (! says more)"));
    let found = |word: &str| text.contains(word);
    assert!(found(" 50%½ ") && found("  4%") && found(" 100%! ") && found(" –  "), "{text}");
    scene.press("ss");
    let by_use: Vec<String> = {
        let destinations = scene.state.destinations();
        destinations.iter().map(|(lane, _)| filter::title(lane)).collect()
    };
    assert_eq!(by_use, ["10.0.0.4:6379", "10.0.0.2:5432", "10.0.0.3:443", "10.0.0.9:873"]);
}
