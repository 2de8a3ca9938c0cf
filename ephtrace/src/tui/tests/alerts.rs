//! Alerts: two lines beside everything else, and a page with all of them.

use insta::assert_snapshot;

use super::*;
use crate::analyse::findings::{Finding, Rule, Severity};

fn finding(severity: Severity, rule: Rule, sentence: &str, remedies: &[&str]) -> Input<'static> {
    Input::Finding(Finding {
        rule,
        severity,
        sentence: sentence.to_owned(),
        evidence: "28232 of 28232 ports in use (100 %); mostly pool (181)".to_owned(),
        remedies: remedies.iter().map(|&remedy| remedy.to_owned()).collect(),
    })
}

#[test]
fn the_worst_is_seen_first_and_all_of_it_on_request() {
    let mut scene = recording();
    let reserved = "a block of reserved ports inside the range makes connects slow now and then";
    scene.state.apply(finding(Severity::Note, Rule::ReservedBlock, reserved, &[]));
    scene.state.apply(Input::Notice("hook kprobe sees no bind any more".to_owned()));
    let full = "no free port for 10.0.0.1 -> 10.0.0.4:6379: the next connect fails";
    let remedies = [
        "reuse connections: a connection pool, HTTP keep-alive",
        "sysctl -w net.ipv4.ip_local_reserved_ports=8080 \
         net.ipv4.ip_local_port_range=\"10240 65535\"",
    ];
    scene.state.apply(finding(Severity::Critical, Rule::Full, full, &remedies));
    let text = scene.text(80, 24);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('!')).collect();
    assert_snapshot!(lines.join("\n"), @"
    ! no free port for 10.0.0.1 -> 10.0.0.4:6379: the next connect fails
    ! hook kprobe sees no bind any more (! has 1 more)
    ");
    scene.press("!");
    assert_snapshot!(scene.text(80, 24), @r#"
    ephtrace top  hook fentry  web1                        3 lost  0:00:40  12:00:40
        34/s ██████████  1255 assignments, 15 failed: EADDRNOTAVAIL
    verdict per_destination, linux_dhash64k 99.9 %            p50 6.9 us, p99 7.9 us
    ! no free port for 10.0.0.1 -> 10.0.0.4:6379: the next connect fails
    ! hook kprobe sees no bind any more (! has 1 more)
    critical no free port for 10.0.0.1 -> 10.0.0.4:6379: the next connect fails
    warning  hook kprobe sees no bind any more
    note     a block of reserved ports inside the range makes connects slow now and…

    critical: no free port for 10.0.0.1 -> 10.0.0.4:6379: the next connect fails
      [full]
      28232 of 28232 ports in use (100 %); mostly pool (181)
      remedy: reuse connections: a connection pool, HTTP keep-alive
      remedy: sysctl -w net.ipv4.ip_local_reserved_ports=8080
        net.ipv4.ip_local_port_range="10240 65535"








    q quit Esc back j k move Enter open ? help
    "#);
    let list = scene.text(80, 24);
    // One whole, in a view that is too low for it beside the list.
    scene.press("\n");
    assert_snapshot!(scene.text(60, 18), @r#"
    ephtrace top  hook fentry  web1    3 lost  0:00:40  12:00:40
        34/s  1255 assignments, 15 failed: EADDRNOTAVAIL
    verdict per_destination, linux_dhash64k 99.9 %
    ! no free port for 10.0.0.1 -> 10.0.0.4:6379… (! has 2 more)
    critical: no free port for 10.0.0.1 -> 10.0.0.4:6379: the
      next connect fails [full]
      28232 of 28232 ports in use (100 %); mostly pool (181)
      remedy: reuse connections: a connection pool, HTTP
        keep-alive
      remedy: sysctl -w net.ipv4.ip_local_reserved_ports=8080
        net.ipv4.ip_local_port_range="10240 65535"






    q quit Esc back j k scroll Space freeze ? help
    "#);
    scene.press("\x1bj\n");
    assert!(scene.text(60, 18).contains("warning: hook kprobe sees no bind any more"));
    scene.press("\x1bk");
    assert_eq!(scene.text(80, 24), list);
    scene.press("\x1b");
    assert_eq!(scene.text(80, 24), text);
}

/// The cursor stays with its alert when a worse one comes.
#[test]
fn the_cursor_goes_where_its_alert_goes() {
    let mut scene = recording();
    scene.state.apply(finding(Severity::Warning, Rule::RunsOut, "ports run out", &[]));
    scene.press("!j");
    scene.state.apply(finding(Severity::Critical, Rule::Full, "no port is left", &[]));
    scene.press("\n");
    let text = scene.text(80, 24);
    assert!(text.contains("warning: ports run out [runs-out]"), "{text}");
    scene.press("\x1bk\n");
    let text = scene.text(80, 24);
    assert!(text.contains("critical: no port is left [full]"), "{text}");
}

/// Each character of a view without UTF-8 is one of ASCII.
#[test]
fn without_utf8_all_is_ascii() {
    let mut scene = recording();
    scene.state.about.utf8 = false;
    for (keys, width, height) in
        [("", 120, 40), ("", 80, 24), ("4", 80, 24), ("?", 80, 24), ("\x1b1\n", 120, 40)]
    {
        scene.press(keys);
        let text = scene.text(width, height);
        assert!(text.is_ascii(), "{text}");
    }
}

#[test]
fn without_alerts_the_page_says_so() {
    let mut scene = recording();
    scene.press("!");
    assert!(scene.text(80, 24).contains("no known problems"));
}

#[test]
fn what_is_past_has_its_age_in_the_list() {
    let mut scene = recording();
    scene.state.apply(finding(Severity::Critical, Rule::Full, "no port is left", &[]));
    scene.press("!");
    assert!(scene.text(80, 24).contains("\ncritical no port is left"));
    scene.now_ns += 20 * SECOND_NS;
    let text = scene.text(80, 24);
    assert!(text.contains("\ncritical 20 s ago: no port is left"), "{text}");
}

/// Each word of the help is on a narrow screen, too, on some line of a screen that is long enough.
#[test]
fn the_help_is_not_cut() {
    let mut scene = recording();
    scene.press("?");
    let text = scene.text(60, 60);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (_, means) in HELP {
        assert!(words.contains(means), "{means:?} is not in:\n{text}");
    }
}
