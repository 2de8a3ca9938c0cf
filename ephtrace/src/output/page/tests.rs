//! Pages of literal events.

use std::fmt::Write as _;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::{
    sheet::{SCRIPT, SCRIPT_HASH},
    *,
};
use crate::{
    analyse::{
        charts::{Charts, MAX_MARKS},
        findings::{Finding, Rule, Severity},
        lanes::StepTracker,
        summary::{RunContext, Summary},
        tally::Tally,
    },
    model::{
        Assignment, Comm, FlowKey, LeftOut, Origin, Protocol, Provenance, RangeInForce,
        losses::Losses,
    },
};

const RANGE: RangeInForce = RangeInForce::of_netns(32_768, 60_999);

/// The `n`th connect of a host with two destinations.
fn connect(n: u32) -> Assignment {
    let port =
        40_000 + u16::try_from(n % 10_000).unwrap() * 2 + u16::try_from(n % 2).unwrap() * 500;
    Assignment {
        ts_ns: 1_795_000_000_000_000_000 + u64::from(n) * 1_000_000,
        pid: Some(181),
        comm: Some(Comm::new("curl")),
        flow: FlowKey {
            netns: Some(7),
            saddr: "10.0.0.1".parse().unwrap(),
            daddr: Some("10.0.1.1".parse().unwrap()),
            dport: Some(443 + u16::try_from(n % 2).unwrap()),
        },
        protocol: Some(Protocol::Tcp),
        origin: Some(Origin::Connect),
        sport: Some(port),
        errno: Some(0),
        latency_ns: Some(1000 + u64::from(n)),
        tried: Some(1 + n % 3),
        range: Some(RANGE),
        ..Assignment::default()
    }
}

fn failure(n: u32, errno: u16) -> Assignment {
    Assignment { sport: None, errno: Some(errno), ..connect(n) }
}

/// What a page of these events is made of.
fn made_of(events: impl IntoIterator<Item = Assignment>) -> (Summary, Charts) {
    let (mut tally, mut lanes, mut charts) =
        (Tally::new(None), StepTracker::default(), Charts::default());
    for mut event in events {
        lanes.follow(&mut event);
        tally.observe(&event);
        charts.observe(&event);
    }
    let losses = Losses { ring_full: 3, ..Losses::default() };
    (tally.summary(None, 100, RunContext { losses, ..RunContext::default() }), charts)
}

fn page_called(source: &str, events: impl IntoIterator<Item = Assignment>) -> String {
    let (summary, charts) = made_of(events);
    render(source, &summary, &charts)
}

fn render(name: &str, summary: &Summary, charts: &Charts) -> String {
    let provenance = Provenance {
        host_names: vec![Some("web-1".to_owned()), None],
        kernel_releases: vec![None],
        hook_names: vec![Some("fentry")],
        tells_losses: true,
        ..Provenance::default()
    };
    let source = Source { name, format: "ndjson", provenance: &provenance, summary };
    Page { source, left_out: LeftOut::default(), charts }.render()
}

fn page(events: impl IntoIterator<Item = Assignment>) -> String {
    page_called("test.ndjson", events)
}

/// The part of `page` from `from` to the next `to`, a line for each tag that begins a block.
fn part(page: &str, from: &str, to: &str) -> String {
    let start = page.find(from).unwrap_or_else(|| panic!("no {from}"));
    let end = start + page[start..].find(to).unwrap_or_else(|| panic!("no {to}")) + to.len();
    let mut text = page[start..end].to_owned();
    for tag in [
        "<li", "<tr", "<div", "<dt", "<p", "<span", "<path", "<details", "<table", "<svg", "<label",
    ] {
        text = text.replace(tag, &format!("\n{tag}"));
    }
    text
}

#[test]
fn begins_with_policy_what_was_traced_and_findings() {
    let page = page((0..40).map(connect).chain([failure(40, 99), failure(41, 99)]));
    insta::assert_snapshot!(part(&page, "<!DOCTYPE", "<title>").replace(SCRIPT_HASH, "HASH"), @r#"
    <!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-HASH'; base-uri 'none'; form-action 'none'"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
    <link rel="icon" href="data:,"><title>
    "#);
    insta::assert_snapshot!(part(&page, r#"<dl class="about""#, "</dl>"), @r#"
    <dl class="about">
    <dt>Recording</dt><dd>test.ndjson, ndjson</dd>
    <dt>Host</dt><dd>web-1; unknown for a part</dd>
    <dt>Kernel</dt><dd>unknown: the recording does not tell</dd>
    <dt>Hook</dt><dd>fentry</dd>
    <dt>Time span</dt><dd>2026-11-18T11:06:40.000Z to 2026-11-18T11:06:40.041Z, 41.0 ms</dd>
    <dt>Lost</dt><dd>3 events (3 ring_full)</dd></dl>
    "#);
    insta::assert_snapshot!(part(&page, r#"<ul class="findings""#, "</section>"), @r#"
    <ul class="findings">
    <li class="critical"><strong>critical</strong> curl (181) finds no free port (connect) for 10.0.0.1 -&gt; 10.0.1.1:443
    <p>1 of 21 assignments failed: no free port; the range has 28232 ports</p><ul class="remedies" aria-label="What to do">
    <li>reuse connections: a connection pool, HTTP keep-alive</li>
    <li>inside netns 7: <code class="command">sysctl -w net.ipv4.ip_local_port_range=&quot;10240 65535&quot;</code> (first put the listeners' ports, from <code class="command">ss -Hltn</code> run there, in net.ipv4.ip_local_reserved_ports)</li>
    <li>to make it permanent, set it where the namespace is created</li>
    <li>use more source addresses (bind() to each in turn, with IP_BIND_ADDRESS_NO_PORT), or more destination addresses or ports</li></ul></li>
    <li class="critical"><strong>critical</strong> curl (181) finds no free port (connect) for 10.0.0.1 -&gt; 10.0.1.1:444
    <p>1 of 21 assignments failed: no free port; the range has 28232 ports</p>
    <p>What to do: the same as above.</p></li>
    <li class="critical"><strong>critical</strong> 3 events were lost and are missing from the counts here
    <p>3 ring_full</p></li></ul>
    <p>No 4-tuple was reused.</p></section>
    "#);
    insta::assert_snapshot!(part(&page, r#"<dl class="numbers""#, "</dl>"), @r#"
    <dl class="numbers">
    <div>
    <dt>Assignments</dt><dd>42</dd></div>
    <div>
    <dt>Failed</dt><dd>2</dd></div>
    <div>
    <dt>Duration</dt><dd>41.0 ms<small>1024.4/s</small></dd></div>
    <div>
    <dt>Destinations</dt><dd>2</dd></div>
    <div>
    <dt>Port search latency</dt><dd>1.02 µs<small>p99 1.04 µs, max 1.04 µs</small></dd></div></dl>
    "#);
    let order = ["<dl class=\"about\"", "id=\"findings\"", "id=\"verdict\"", "<figure"];
    let places = order.map(|part| page.find(part).unwrap_or_else(|| panic!("no {part}")));
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn a_chart_of_few_events() {
    let page = page((0..3).map(connect));
    insta::assert_snapshot!(part(&page, r#"<figure class="wide" id="by-number""#, "</figure>"), @r#"
    <figure class="wide" id="by-number" aria-labelledby="by-number-title"><figcaption><h3 id="by-number-title">Ports in order of assignment</h3>
    <p>One rising line: one global counter. Several lines: a counter per destination. A cloud: random ports. </p></figcaption>
    <div class="plot" data-x="1 4 linear" data-y="39989.94 40513.06 linear" data-x-unit="count" data-y-unit="port" data-x-name="number of the assignment" data-y-name="port">
    <div class="name up" aria-hidden="true">port</div>
    <div class="axis up" aria-hidden="true">
    <span style="top:98.08%">40000</span>
    <span style="top:78.96%">40100</span>
    <span style="top:59.84%">40200</span>
    <span style="top:40.73%">40300</span>
    <span style="top:21.61%">40400</span>
    <span style="top:2.50%">40500</span></div>
    <div class="frame">
    <div class="area">
    <svg role="img" viewBox="0 0 1000 500" preserveAspectRatio="none" aria-label="Ports in order of assignment: 3 ports, 3 different ones, from 40000 to 40502, of 2 destinations; each one drawn.">

    <path class="lines" d="M0.0 0V500M333.3 0V500M666.7 0V500M1000.0 0V500M0 490.4H1000M0 394.8H1000M0 299.2H1000M0 203.6H1000M0 108.1H1000M0 12.5H1000"></path>

    <path class="m h0" d="M0.00 490.38h0"><title>#1: port 40000, A 10.0.1.1:443, in 1 µs, tried 1, curl (181)</title></path>

    <path class="m h1" d="M333.33 10.57h0"><title>#2: port 40502, B 10.0.1.1:444, in 1 µs, tried 2, curl (181)</title></path>

    <path class="m h0" d="M666.67 486.56h0"><title>#3: port 40004, A 10.0.1.1:443, +4 from 40000, in 1 µs, tried 3, curl (181)</title></path></svg>
    <span class="letter h0" aria-hidden="true" data-at="0.6667 0.9731" style="left:66.67%;top:97.31%">A</span>
    <span class="letter h1" aria-hidden="true" data-at="0.3333 0.0211" style="left:33.33%;top:2.11%">B</span></div></div>
    <div class="axis across" aria-hidden="true">
    <span style="left:0.00%">1</span>
    <span style="left:33.33%">2</span>
    <span style="left:66.67%">3</span>
    <span style="left:100.00%">4</span></div>
    <div class="name across" aria-hidden="true">number of the assignment</div></div>
    <p class="reading">3 ports, 3 different ones, from 40000 to 40502, of 2 destinations; each one drawn.</p>
    <details><summary>The same as a table</summary>
    <div class="scroll" tabindex="0" role="region" aria-label="The same as a table">
    <table><caption>Lowest and highest to the cells of the drawing.</caption><thead>
    <tr><th scope="col">Assignments</th><th scope="col">Events</th><th scope="col">Lowest of the ports</th><th scope="col">Highest</th><th class="text" scope="col">Mostly to</th></tr></thead><tbody>
    <tr><th scope="row">1</th><td>1</td><td>40000</td><td>40001</td><td class="text">10.0.1.1:443</td></tr>
    <tr><th scope="row">2</th><td>1</td><td>40502</td><td>40502</td><td class="text">10.0.1.1:444</td></tr>
    <tr><th scope="row">3</th><td>1</td><td>40004</td><td>40005</td><td class="text">10.0.1.1:443</td></tr></tbody></table></div></details></figure>
    "#);
}

#[test]
fn a_legend_that_switches_destinations() {
    insta::assert_snapshot!(part(&page((0..5).map(connect)), "<fieldset", "</fieldset>"), @r##"
    <fieldset class="legend"><legend>Destinations shown in the charts</legend>
    <div>
    <label class="h0"><input type="checkbox" checked id="show0"><b>A</b>
    <span>10.0.1.1:443</span><small>3</small></label>
    <label class="h1"><input type="checkbox" checked id="show1"><b>B</b>
    <span>10.0.1.1:444</span><small>2</small></label></div></fieldset>
    "##);
    assert!(!page([connect(0), connect(2)]).contains("<fieldset"));
}

#[test]
fn tables_of_destinations_and_processes() {
    let page = page((0..5).map(connect).chain([failure(6, 99)]));
    insta::assert_snapshot!(part(&page, r#"<section id="destinations""#, "</section>"), @r##"
    <section id="destinations" aria-labelledby="destinations-title"><h2 id="destinations-title">Destinations</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Table of destinations">
    <table class="wide"><caption>All 2, busiest first</caption><thead>
    <tr><th scope="col">Destination</th><th scope="col">Assignments</th><th scope="col">Failed</th><th scope="col">Usual step</th><th scope="col">Ports of range</th><th class="text" scope="col">Verdict</th></tr></thead><tbody>
    <tr><th scope="row">10.0.0.1 → 10.0.1.1:443</th><td class="share"><i aria-hidden="true" style="width:100.0%"></i>4</td><td class="bad">1</td><td>+4 (100 %)</td><td>3 of 28,232</td><td class="text"><code>undetermined</code></td></tr>
    <tr><th scope="row">10.0.0.1 → 10.0.1.1:444</th><td class="share"><i aria-hidden="true" style="width:50.0%"></i>2</td><td class="">0</td><td>+4 (100 %)</td><td>2 of 28,232</td><td class="text"><code>undetermined</code></td></tr></tbody></table></div></section>
    "##);
    insta::assert_snapshot!(part(&page, r#"<section id="recording""#, "</section>"), @r#"
    <section id="recording" aria-labelledby="recording-title"><h2 id="recording-title">Recording</h2><dl class="about how">
    <dt>Written by</dt><dd>ephtrace 0.1.0</dd></dl></section>
    "#);
}

#[test]
fn failures_over_time_by_error() {
    let page = page((0..4).map(connect).chain([failure(5, 99), failure(6, 12), failure(7, 12)]));
    let chart = part(&page, r#"id="failures-over-time""#, "</figure>");
    assert!(chart.contains("2 ENOMEM"), "{chart}");
    insta::assert_snapshot!(part(&chart, "<table", "</table>"), @r##"
    <table><thead>

    <tr><th scope="col">Time</th><th scope="col">EADDRNOTAVAIL</th><th scope="col">ENOMEM</th></tr></thead><tbody>

    <tr><th scope="row">0.005 s to 0.005 s</th><td>1</td><td>0</td></tr>

    <tr><th scope="row">0.005 s to 0.005 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.005 s to 0.005 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.005 s to 0.006 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.006 s to 0.006 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.006 s to 0.006 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.006 s to 0.006 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.006 s to 0.006 s</th><td>0</td><td>1</td></tr>

    <tr><th scope="row">0.006 s to 0.006 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.006 s to 0.006 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.006 s to 0.006 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.006 s to 0.007 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.007 s to 0.007 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.007 s to 0.007 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.007 s to 0.007 s</th><td>0</td><td>0</td></tr>

    <tr><th scope="row">0.007 s to 0.007 s</th><td>0</td><td>1</td></tr></tbody></table>
    "##);
}

#[test]
fn says_why_a_chart_is_missing() {
    let page = page([Assignment { latency_ns: None, tried: None, ..connect(0) }]);
    insta::assert_snapshot!(part(&page, r#"<p class="missing""#, "</section>"), @r##"
    <p class="missing">There are fewer than two ports, so there are no steps.</p>
    <p class="missing">There are no repeat assignments to a destination, so there is no return map.</p>
    <p class="missing">The recording has no port search latency.</p>
    <p class="missing">The recording does not tell how many candidates were tried: the hook did not see it.</p>
    <p class="missing">No assignment failed.</p></section>
    "##);
    assert!(self::page([]).contains("there are no ports to judge"));
}

/// Few events are drawn one by one, more by how many there are in each cell: all of them.
#[test]
fn every_event_is_drawn() {
    let few = u32::try_from(MAX_MARKS).unwrap();
    let ports = |page: &str| part(page, r#"id="by-number""#, "</figure>");
    let one_by_one = ports(&page((0..few).map(connect)));
    assert_eq!(one_by_one.matches(r#"class="m h"#).count(), MAX_MARKS);

    let far = Assignment { sport: Some(60_000), ..connect(9000) };
    let dense = ports(&page((0..9000).map(connect).chain([far])));
    assert!(!dense.contains(r#"class="m h"#));
    let counts = part(&dense, "value=\"", "\" data-size");
    let counts = counts.trim_start_matches("value=\"").trim_end_matches("\" data-size");
    let counts = counts.split(',').map(|n| n.parse::<i64>().unwrap());
    assert_eq!(counts.filter(|n| *n > 0).sum::<i64>(), 9001);
    assert!(dense.contains(r#"class="lone h"#), "the one that lies apart is not marked");
}

#[test]
fn the_policy_allows_this_script_and_no_other() {
    let hash = base64(&Sha256::digest(SCRIPT));
    assert_eq!(SCRIPT_HASH, hash, "script.js has changed: this is its hash now");
    let page = page([connect(0)]);
    assert_eq!(page.matches("<script").count(), 1);
    assert!(page.contains(&format!("<script>{SCRIPT}</script>")));
}

#[test]
fn loads_nothing() {
    let page = page((0..9).map(connect).chain([failure(9, 99)]));
    for loads in ["http://", "https://", " src=", "url(", "@import", "srcset", "fetch("] {
        assert!(!page.contains(loads), "{loads}");
    }
    let links = page.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for link in links {
        assert!(link.starts_with('#') || link == "data:,", "{link}");
    }
}

#[test]
fn a_name_that_looks_like_markup_is_shown_as_it_is() {
    let named = |name: &str| {
        let events = (0..3).map(connect);
        page_called(name, events.map(|e| Assignment { comm: Some(Comm::new(name)), ..e }))
    };
    let page = named("<script>alert(1)</script>");
    assert!(page.contains("<h1>Ephemeral ports: &lt;script&gt;alert(1)&lt;/script&gt;</h1>"));
    assert!(page.contains(r#"<th scope="row">&lt;script&gt;alert(1</th>"#), "the process");
    assert!(page.contains("&lt;script&gt;alert(1 (181)</title>"), "the tooltip");
    assert!(!page.contains("<script>alert"));
    let page = named("\"><img src=x>");
    assert!(page.contains(r#"<th scope="row">&quot;&gt;&lt;img src=x&gt;</th>"#));
    assert!(!page.contains("<img"));
    assert!(named("\u{202e}gnp").contains("\\u{202e}gnp"));
}

/// As many tags and quotes as without what could be taken for one.
fn markup(page: &str) -> [usize; 3] {
    ['<', '>', '"'].map(|mark| page.matches(mark).count())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn every_text_is_escaped(
        source in "[ -~]{0,20}",
        comm in "[ -~]{0,15}",
        told in prop::array::uniform3("[ -~]{0,30}"),
    ) {
        let made = |mask: &dyn Fn(&str) -> String| {
            let comm = Comm::new(&mask(&comm));
            let events = (0..4).map(connect).map(|e| Assignment { comm: Some(comm), ..e });
            let (mut summary, charts) = made_of(events);
            let [sentence, evidence, remedy] = told.clone().map(|text| mask(&text));
            let finding = Finding {
                rule: Rule::Failures,
                severity: Severity::Note,
                sentence,
                evidence,
                remedies: vec![remedy],
            };
            summary.findings = vec![finding];
            render(&mask(&source), &summary, &charts)
        };
        let harmless = |text: &str| text.replace(['<', '>', '"', '&', '\''], "x");
        prop_assert_eq!(markup(&made(&str::to_owned)), markup(&made(&harmless)));
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_usize, |bits, &byte| bits << 8 | usize::from(byte));
        let bits = bits << (8 * (3 - three.len()));
        for digit in 0..4 {
            let shown = digit <= three.len();
            let digit = char::from(DIGITS[bits >> (18 - 6 * digit) & 63]);
            let _ = write!(text, "{}", if shown { digit } else { '=' });
        }
    }
    text
}
