//! Tests of the judge: the errors that [`compare_events`] must notice.

use anyhow::Result;

use crate::{
    assign::{Attempt, read},
    compare::compare_events,
    tracer::Event,
};

tests! {
    anywhere: the_truth_passes, a_missing_and_a_second_event_are_noticed,
        of_two_alike_the_one_that_was_left_out_is_missing, a_wrong_field_is_noticed,
        a_cookie_may_be_unknown_where_nobody_asked;
}

const TRUTH: &str = r#"{"way":"ipv4","family":4,"protocol":"tcp","saddr":"127.0.0.1",
    "sport":40000,"daddr":"127.0.0.1","dport":20000,"errno":0,"connect_errno":0,"pid":7,
    "ppid":1,"tid":8,"comm":"as","uid":0,"origin":"connect","netns":3,"range":[40000,40009],
    "cookie":5,"cookie_before":true,"start_ns":1000000000,"end_ns":1000009000}"#;
const EVENT: &str = r#"{"ts_ns":1000004000,"pid":7,"tid":8,"comm":"as","uid":0,"netns":3,
    "cgroup_id":1,"family":4,"protocol":"tcp","origin":"connect","saddr":"127.0.0.1",
    "sport":40000,"daddr":"127.0.0.1","dport":20000,"errno":0,"error":null,"latency_ns":900,
    "range_low":40000,"range_high":40009,"first_candidate":null,"tried":null,"pass":null,
    "self_connect":false,"cookie":5,"hook":"sock_ops"}"#;

fn judge(truth: &[(&str, &str)], events: &[Event]) -> Result<()> {
    let truth = truth.iter().fold(TRUTH.replace('\n', ""), |t, (from, to)| t.replace(from, to));
    compare_events(&read(&truth)?, events, 0, Attempt::is_due)
}

fn event(changes: &[(&str, &str)]) -> Result<Event> {
    let text = changes.iter().fold(EVENT.to_owned(), |text, (from, to)| text.replace(from, to));
    Ok(serde_json::from_str(&text)?)
}

fn the_truth_passes() -> Result<()> {
    judge(&[], &[event(&[])?])?;
    // Events of other processes are ignored.
    judge(&[], &[event(&[])?, event(&[(r#""pid":7"#, r#""pid":9"#)])?])?;
    judge(&[(r#""origin":"connect""#, r#""origin":"explicit""#)], &[])
}

fn a_missing_and_a_second_event_are_noticed() -> Result<()> {
    assert!(judge(&[], &[]).is_err_and(|e| e.to_string().contains("1 missing")));
    let twice = [event(&[])?, event(&[])?];
    assert!(judge(&[], &twice).is_err_and(|e| e.to_string().contains("1 extra")));
    let bound = (r#""origin":"connect""#, r#""origin":"explicit""#);
    assert!(judge(&[bound], &[event(&[])?]).is_err());
    Ok(())
}

fn of_two_alike_the_one_that_was_left_out_is_missing() -> Result<()> {
    let second = TRUTH.replace(r#""cookie":5"#, r#""cookie":6"#).replace(
        r#""start_ns":1000000000,"end_ns":1000009000"#,
        r#""start_ns":3000000000,"end_ns":3000009000"#,
    );
    let truth = read(&format!("{}\n{}", TRUTH.replace('\n', ""), second.replace('\n', "")))?;
    let later = event(&[
        (r#""ts_ns":1000004000"#, r#""ts_ns":3000004000"#),
        (r#""cookie":5"#, r#""cookie":6"#),
    ])?;
    compare_events(&truth, std::slice::from_ref(&later), 1, Attempt::is_due)?;
    assert!(compare_events(&truth, &[later], 0, Attempt::is_due).is_err());
    Ok(())
}

fn a_wrong_field_is_noticed() -> Result<()> {
    let wrong = [
        (r#""sport":40000"#, r#""sport":40001"#),
        (r#""sport":40000"#, r#""sport":null"#),
        (r#""saddr":"127.0.0.1""#, r#""saddr":"127.0.0.2""#),
        (r#""tid":8"#, r#""tid":7"#),
        (r#""netns":3"#, r#""netns":null"#),
        (r#""comm":"as""#, r#""comm":"thread""#),
        (r#""uid":0"#, r#""uid":null"#),
        (r#""range_low":40000"#, r#""range_low":32768"#),
        (r#""errno":0"#, r#""errno":99"#),
        (r#""error":null"#, r#""error":"EADDRNOTAVAIL""#),
        (r#""cookie":5"#, r#""cookie":6"#),
        (r#""cookie":5"#, r#""cookie":null"#),
        (r#""self_connect":false"#, r#""self_connect":true"#),
        (r#""ts_ns":1000004000"#, r#""ts_ns":2000000000"#),
        (r#""latency_ns":900"#, r#""latency_ns":null"#),
        (r#""latency_ns":900"#, r#""latency_ns":90000"#),
        (r#""first_candidate":null"#, r#""first_candidate":40010"#),
        (r#""tried":null"#, r#""tried":11"#),
    ];
    for change in wrong {
        assert!(judge(&[], &[event(&[change])?]).is_err(), "{change:?} passed");
    }
    Ok(())
}

fn a_cookie_may_be_unknown_where_nobody_asked() -> Result<()> {
    let unknown = event(&[(r#""cookie":5"#, r#""cookie":null"#)])?;
    let later = (r#""cookie_before":true"#, r#""cookie_before":false"#);
    judge(&[later], std::slice::from_ref(&unknown))?;
    assert!(judge(&[], std::slice::from_ref(&unknown)).is_err());
    // The event comes at the end of its socket, without a cookie.
    let unsent = (r#""way":"ipv4""#, r#""way":"fastopen_unsent""#);
    let late = event(&[
        (r#""cookie":5"#, r#""cookie":null"#),
        (r#""latency_ns":900"#, r#""latency_ns":null"#),
    ])?;
    judge(&[unsent], std::slice::from_ref(&late))?;
    let wrong = event(&[
        (r#""cookie":5"#, r#""cookie":6"#),
        (r#""latency_ns":900"#, r#""latency_ns":null"#),
    ])?;
    assert!(judge(&[unsent, later], &[wrong]).is_err());
    Ok(())
}
