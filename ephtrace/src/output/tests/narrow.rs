//! Tables of assignments on terminals of several widths.

use super::*;

fn on(columns: usize, colour: bool, view: View, assignments: &[Assignment]) -> String {
    let notices = Notices::new(io::sink(), false);
    let paper = Paper { columns: Some(columns), colour };
    let sink = TextSink::new(&view, START, Vec::new(), notices);
    let mut sink = sink.on(paper).with_zone(TimeZone::UTC);
    for assignment in assignments {
        sink.event(assignment).unwrap();
    }
    sink.finish().unwrap();
    text_of(sink.target())
}

#[test]
fn at_80_columns() {
    insta::assert_snapshot!(on(80, false, View::default(), &[success(), failure(), success()]), @"
    TIME(s)     PID     COMM            SPORT DADDR           DPORT RET
    1.000200    4242    nginx           40002 192.168.100.200 443   0
    1.000200    4242    nginx           -     192.168.100.200 443   EADDRNOTAVAIL
    1.000200    4242    nginx           40002 192.168.100.200 443   0
    ");
}

#[test]
fn at_120_columns() {
    insta::assert_snapshot!(on(120, false, View::default(), &[success(), failure()]), @"
    TIME(s)     PID     COMM            CONTAINER    SPORT DADDR           DPORT   STEP TRIED  LAT(us) RET
    1.000200    4242    nginx           web          40002 192.168.100.200 443        8     1      1.9 0
    1.000200    4242    nginx           -            -     192.168.100.200 443        - 28232   1200.0 EADDRNOTAVAIL
    ");
}

#[test]
fn ipv6_and_sentences_at_80_columns() {
    let view = View { explain: true, ..View::default() };
    insta::assert_snapshot!(on(80, false, view, &[success(), ipv6()]), @"
    TIME(s)     PID     COMM            SPORT DADDR           DPORT RET
    1.000200    4242    nginx           40002 192.168.100.200 443   0
        40002: +8 from the previous port to this destination; the search began at
            40002 and took it at once (range 32768-60999)
    TIME(s)     COMM            SPORT DADDR                                   DPORT
        RET
    1.000200    nginx           40002 2001:db8:1234:5678:9abc:def0:1234:5678  443
        0
        40002: +8 from the previous port to this destination; the search began at
            40002 and took it at once (range 32768-60999)
    ");
}

#[test]
fn a_failure_is_red() {
    let text = on(80, true, View::default(), &[success(), failure()]);
    assert_eq!(text.matches('\x1b').count(), 2, "{text}");
    assert!(text.contains("\x1b[31mEADDRNOTAVAIL\x1b[0m"), "{text}");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for columns in 60..130 {
        let text = on(columns, false, View::default(), &[success(), failure(), ipv6()]);
        let widest = text.lines().map(str::len).max();
        assert!(widest.is_some_and(|widest| widest <= columns), "{columns}:\n{text}");
    }
}
