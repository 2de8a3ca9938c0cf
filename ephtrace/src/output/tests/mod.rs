//! Every format on literal assignments.

mod failing_output;
mod kept;
mod narrow;
mod properties;
mod summaries;

use std::{
    cell::RefCell,
    io::{self, Write},
    net::{Ipv4Addr, Ipv6Addr},
    rc::Rc,
    sync::Arc,
};

use clap::ValueEnum as _;
use jiff::tz::TimeZone;

use super::*;
use crate::{
    analyse::{
        summary::{CpuTime, KernelCost, KernelCounts, RunContext, Summary},
        tally::Tally,
    },
    model::{
        Assignment, Comm, FlowKey, Hook, Origin, Pass, Protocol, RangeInForce, columns::COLUMNS,
        losses::Losses, task_names::Names,
    },
};

const START: u64 = 1_795_000_000_000_000_000;

/// Standard error of a test.
#[derive(Clone, Default)]
struct Said(Rc<RefCell<Vec<u8>>>);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Said {
    fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }
}

fn success() -> Assignment {
    Assignment {
        ts_ns: START + 1_000_200_300,
        pid: Some(4242),
        tid: Some(4243),
        comm: Some(Comm::new("nginx")),
        uid: Some(33),
        cgroup_id: Some(8123),
        container: Some(Arc::from("0123456789ab")),
        names: Some(Names::full()),
        flow: FlowKey {
            netns: Some(4_026_531_840),
            saddr: Ipv4Addr::new(10, 0, 0, 1).into(),
            daddr: Some(Ipv4Addr::new(192, 168, 100, 200).into()),
            dport: Some(443),
        },
        protocol: Some(Protocol::Tcp),
        origin: Some(Origin::Connect),
        sport: Some(40_002),
        errno: Some(0),
        latency_ns: Some(1850),
        range: Some(RangeInForce::of_netns(32_768, 60_999)),
        word_step: None,
        salt_epoch: Some(1),
        first_candidate: Some(40_002),
        tried: Some(1),
        pass: Some(Pass::First),
        search_unknown: None,
        step: Some(8),
        resalted: None,
        cookie: Some(77),
        host_pid: Some(40_711),
        hook: Some(Hook::Fentry),
        recording: 0,
        is_another: false,
    }
}

fn failure() -> Assignment {
    Assignment {
        sport: None,
        errno: Some(99),
        latency_ns: Some(1_200_000),
        tried: Some(28_232),
        first_candidate: None,
        pass: None,
        search_unknown: None,
        step: None,
        resalted: None,
        container: None,
        names: None,
        ..success()
    }
}

fn ipv6() -> Assignment {
    let saddr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into();
    let daddr = "2001:db8:1234:5678:9abc:def0:1234:5678".parse().unwrap();
    let flow = FlowKey { saddr, daddr: Some(daddr), ..success().flow };
    Assignment { flow, ..success() }
}

fn unknown() -> Assignment {
    Assignment {
        ts_ns: START,
        pid: None,
        tid: None,
        comm: None,
        uid: None,
        cgroup_id: None,
        container: None,
        names: None,
        flow: FlowKey { netns: None, ..success().flow },
        protocol: None,
        origin: None,
        errno: None,
        latency_ns: None,
        range: None,
        salt_epoch: None,
        first_candidate: None,
        tried: None,
        pass: None,
        search_unknown: None,
        step: None,
        resalted: None,
        cookie: None,
        host_pid: None,
        hook: None,
        ..success()
    }
}

fn hostile() -> Assignment {
    let comm = Some(Comm::new("a\"b\n<script>,\u{1b}[2"));
    Assignment { comm, errno: Some(4095), sport: None, step: Some(-3), ..success() }
}

fn all() -> [Assignment; 5] {
    [success(), failure(), ipv6(), unknown(), hostile()]
}

fn text_of(target: &[u8]) -> String {
    String::from_utf8(target.to_vec()).unwrap()
}

fn json(assignments: &[Assignment]) -> String {
    let mut sink = JsonSink::new(Vec::new(), Notices::new(io::sink(), false));
    for assignment in assignments {
        sink.event(assignment).unwrap();
    }
    sink.finish().unwrap();
    let text = text_of(sink.target());
    let (begin, lines) = text.split_once('\n').unwrap();
    let begin: serde_json::Value = serde_json::from_str(begin).unwrap();
    assert_eq!((&begin["type"], &begin["schema_version"]), (&"stream".into(), &1.into()));
    assert_eq!(begin["version"], env!("CARGO_PKG_VERSION"));
    // Readers that infer types from the first lines need a value in each column that may be null.
    let untyped =
        COLUMNS.iter().filter(|column| column.is_optional && begin[column.name].is_null());
    assert_eq!(untyped.count(), 0, "{begin}");
    lines.to_owned()
}

fn csv(assignments: &[Assignment]) -> String {
    let mut sink = CsvSink::new(Vec::new(), Notices::new(io::sink(), false));
    for assignment in assignments {
        sink.event(assignment).unwrap();
    }
    sink.finish().unwrap();
    text_of(sink.target())
}

fn table(view: View, assignments: &[Assignment]) -> String {
    let notices = Notices::new(io::sink(), false);
    let mut sink = TextSink::new(&view, START, Vec::new(), notices).with_zone(TimeZone::UTC);
    for assignment in assignments {
        sink.event(assignment).unwrap();
    }
    sink.finish().unwrap();
    let text = text_of(sink.target());
    // The margin keeps trailing blanks and an empty first line in the snapshot.
    text.lines().map(|line| format!("|{line}|")).collect::<Vec<_>>().join("\n")
}

#[test]
fn ndjson() {
    insta::assert_snapshot!(json(&all()), @r#"
    {"type":"assignment","ts":"2026-11-18T11:06:41.000200300Z","ts_ns":1795000001000200300,"pid":4242,"tid":4243,"comm":"nginx","uid":33,"netns":4026531840,"cgroup_id":8123,"container":"0123456789ab","container_name":"web","image":"nginx:1.25","pod":"web-0","pod_namespace":"shop","unit":"nginx.service","family":4,"protocol":"tcp","origin":"connect","saddr":"10.0.0.1","sport":40002,"daddr":"192.168.100.200","dport":443,"errno":0,"error":null,"latency_ns":1850,"range_low":32768,"range_high":60999,"range_source":"netns","salt_epoch":1,"first_candidate":40002,"tried":1,"pass":"first","search_unknown":null,"step":8,"self_connect":false,"cookie":77,"hook":"fentry","host_pid":40711}
    {"type":"assignment","ts":"2026-11-18T11:06:41.000200300Z","ts_ns":1795000001000200300,"pid":4242,"tid":4243,"comm":"nginx","uid":33,"netns":4026531840,"cgroup_id":8123,"container":null,"container_name":null,"image":null,"pod":null,"pod_namespace":null,"unit":null,"family":4,"protocol":"tcp","origin":"connect","saddr":"10.0.0.1","sport":null,"daddr":"192.168.100.200","dport":443,"errno":99,"error":"EADDRNOTAVAIL","latency_ns":1200000,"range_low":32768,"range_high":60999,"range_source":"netns","salt_epoch":1,"first_candidate":null,"tried":28232,"pass":null,"search_unknown":null,"step":null,"self_connect":false,"cookie":77,"hook":"fentry","host_pid":40711}
    {"type":"assignment","ts":"2026-11-18T11:06:41.000200300Z","ts_ns":1795000001000200300,"pid":4242,"tid":4243,"comm":"nginx","uid":33,"netns":4026531840,"cgroup_id":8123,"container":"0123456789ab","container_name":"web","image":"nginx:1.25","pod":"web-0","pod_namespace":"shop","unit":"nginx.service","family":6,"protocol":"tcp","origin":"connect","saddr":"2001:db8::1","sport":40002,"daddr":"2001:db8:1234:5678:9abc:def0:1234:5678","dport":443,"errno":0,"error":null,"latency_ns":1850,"range_low":32768,"range_high":60999,"range_source":"netns","salt_epoch":1,"first_candidate":40002,"tried":1,"pass":"first","search_unknown":null,"step":8,"self_connect":false,"cookie":77,"hook":"fentry","host_pid":40711}
    {"type":"assignment","ts":"2026-11-18T11:06:40.000000000Z","ts_ns":1795000000000000000,"pid":null,"tid":null,"comm":null,"uid":null,"netns":null,"cgroup_id":null,"container":null,"container_name":null,"image":null,"pod":null,"pod_namespace":null,"unit":null,"family":4,"protocol":null,"origin":null,"saddr":"10.0.0.1","sport":40002,"daddr":"192.168.100.200","dport":443,"errno":null,"error":null,"latency_ns":null,"range_low":null,"range_high":null,"range_source":null,"salt_epoch":null,"first_candidate":null,"tried":null,"pass":null,"search_unknown":null,"step":null,"self_connect":false,"cookie":null,"hook":null,"host_pid":null}
    {"type":"assignment","ts":"2026-11-18T11:06:41.000200300Z","ts_ns":1795000001000200300,"pid":4242,"tid":4243,"comm":"a\"b\n<script>,\u001b[","uid":33,"netns":4026531840,"cgroup_id":8123,"container":"0123456789ab","container_name":"web","image":"nginx:1.25","pod":"web-0","pod_namespace":"shop","unit":"nginx.service","family":4,"protocol":"tcp","origin":"connect","saddr":"10.0.0.1","sport":null,"daddr":"192.168.100.200","dport":443,"errno":4095,"error":null,"latency_ns":1850,"range_low":32768,"range_high":60999,"range_source":"netns","salt_epoch":1,"first_candidate":40002,"tried":1,"pass":"first","search_unknown":null,"step":-3,"self_connect":false,"cookie":77,"hook":"fentry","host_pid":40711}
    "#);
}

#[test]
fn csv_rows() {
    insta::assert_snapshot!(csv(&all()), @r#"
    ts,ts_ns,pid,tid,comm,uid,netns,cgroup_id,container,container_name,image,pod,pod_namespace,unit,family,protocol,origin,saddr,sport,daddr,dport,errno,error,latency_ns,range_low,range_high,range_source,salt_epoch,first_candidate,tried,pass,search_unknown,step,self_connect,cookie,hook,host_pid
    2026-11-18T11:06:41.000200300Z,1795000001000200300,4242,4243,nginx,33,4026531840,8123,0123456789ab,web,nginx:1.25,web-0,shop,nginx.service,4,tcp,connect,10.0.0.1,40002,192.168.100.200,443,0,,1850,32768,60999,netns,1,40002,1,first,,8,false,77,fentry,40711
    2026-11-18T11:06:41.000200300Z,1795000001000200300,4242,4243,nginx,33,4026531840,8123,,,,,,,4,tcp,connect,10.0.0.1,,192.168.100.200,443,99,EADDRNOTAVAIL,1200000,32768,60999,netns,1,,28232,,,,false,77,fentry,40711
    2026-11-18T11:06:41.000200300Z,1795000001000200300,4242,4243,nginx,33,4026531840,8123,0123456789ab,web,nginx:1.25,web-0,shop,nginx.service,6,tcp,connect,2001:db8::1,40002,2001:db8:1234:5678:9abc:def0:1234:5678,443,0,,1850,32768,60999,netns,1,40002,1,first,,8,false,77,fentry,40711
    2026-11-18T11:06:40.000000000Z,1795000000000000000,,,,,,,,,,,,,4,,,10.0.0.1,40002,192.168.100.200,443,,,,,,,,,,,,,false,,,
    2026-11-18T11:06:41.000200300Z,1795000001000200300,4242,4243,"a""b\n<script>,\u{1b}[",33,4026531840,8123,0123456789ab,web,nginx:1.25,web-0,shop,nginx.service,4,tcp,connect,10.0.0.1,,192.168.100.200,443,4095,,1850,32768,60999,netns,1,40002,1,first,,-3,false,77,fentry,40711
    "#);
}

#[test]
fn a_table() {
    insta::assert_snapshot!(table(View::default(), &[success(), failure(), unknown(), hostile()]), @r#"
    |TIME(s)     PID     COMM            CONTAINER    POD              ORIGIN  IP SADDR           SPORT DADDR           DPORT   STEP TRIED  LAT(us) RET|
    |1.000200    4242    nginx           web          shop/web-0       connect 4  10.0.0.1        40002 192.168.100.200 443        8     1      1.9 0|
    |1.000200    4242    nginx           -            -                connect 4  10.0.0.1        -     192.168.100.200 443        - 28232   1200.0 EADDRNOTAVAIL|
    |0.000000    -       -               -            -                -       4  10.0.0.1        40002 192.168.100.200 443        -     -        - -|
    |TIME(s)     PID     COMM                  CONTAINER    POD              ORIGIN  IP SADDR           SPORT DADDR           DPORT   STEP TRIED  LAT(us) RET|
    |1.000200    4242    a"b\n<script>,\u{1b}[ web          shop/web-0       connect 4  10.0.0.1        -     192.168.100.200 443       -3     1      1.9 4095|
    "#);
}

#[test]
fn wide_characters_keep_the_grid() {
    let mut wide = success();
    wide.comm = Some(Comm::new("日本語"));
    let lines = table(View::default(), &[wide, success()]);
    insta::assert_snapshot!(lines.lines().skip(1).collect::<Vec<_>>().join("\n"), @"
    |1.000200    4242    日本語          web          shop/web-0       connect 4  10.0.0.1        40002 192.168.100.200 443        8     1      1.9 0|
    |1.000200    4242    nginx           web          shop/web-0       connect 4  10.0.0.1        40002 192.168.100.200 443        8     1      1.9 0|
    ");
}

#[test]
fn a_table_that_widens() {
    insta::assert_snapshot!(table(View::default(), &[success(), ipv6(), success()]), @"
    |TIME(s)     PID     COMM            CONTAINER    POD              ORIGIN  IP SADDR           SPORT DADDR           DPORT   STEP TRIED  LAT(us) RET|
    |1.000200    4242    nginx           web          shop/web-0       connect 4  10.0.0.1        40002 192.168.100.200 443        8     1      1.9 0|
    |TIME(s)     PID     COMM            CONTAINER    POD              ORIGIN  IP SADDR                                   SPORT DADDR                                   DPORT   STEP TRIED  LAT(us) RET|
    |1.000200    4242    nginx           web          shop/web-0       connect 6  2001:db8::1                             40002 2001:db8:1234:5678:9abc:def0:1234:5678  443        8     1      1.9 0|
    |1.000200    4242    nginx           web          shop/web-0       connect 4  10.0.0.1                                40002 192.168.100.200                         443        8     1      1.9 0|
    ");
}

#[test]
fn a_wide_table_with_all_columns() {
    let view = View { wall_clock: true, uid: true, wide: true, ..View::default() };
    insta::assert_snapshot!(table(view, &[success(), ipv6()]), @"
    |TIME(s)     TIME            UID   PID     COMM            CONTAINER    POD              ORIGIN  IP SADDR                                   SPORT DADDR                                   DPORT   STEP TRIED  LAT(us) RET|
    |1.000200    11:06:41.000200 33    4242    nginx           web          shop/web-0       connect 4  10.0.0.1                                40002 192.168.100.200                         443        8     1      1.9 0|
    |1.000200    11:06:41.000200 33    4242    nginx           web          shop/web-0       connect 6  2001:db8::1                             40002 2001:db8:1234:5678:9abc:def0:1234:5678  443        8     1      1.9 0|
    ");
}

#[test]
fn nothing_gives_a_header() {
    assert_eq!(json(&[]), "");
    assert_eq!(csv(&[]).lines().count(), 1);
    assert_eq!(table(View::default(), &[]).lines().count(), 1);
}

fn a_summary() -> Summary {
    let mut tally = Tally::new(Some(START));
    for assignment in &all() {
        tally.observe(assignment);
    }
    let losses = Losses { ring_full: 3, ..Losses::default() };
    let around = RunContext {
        losses,
        kernel: Some(KernelCounts {
            seen: 12,
            filtered: 4,
            emitted: 5,
            map_bytes: 14_511_032,
            ..KernelCounts::default()
        }),
        hook: Some(Hook::Fentry),
        cpu: Some(CpuTime { user_ns: 2_000_000, system_ns: 1_500_000 }),
        kernel_cost: Some(KernelCost { run_time_ns: 4_100, runs: 20, searches: 10 }),
        ..RunContext::default()
    };
    tally.summary(Some(START + 2_000_000_000), 10, around)
}

#[test]
fn the_summary_in_words() {
    let said = Said::default();
    let view = View { plot: Plot::Never, ..View::default() };
    let mut sink = build(Format::Text, (&view, Paper::default()), START, Vec::new(), said.clone());
    sink.summary(START, &a_summary()).unwrap();
    insta::assert_snapshot!(said.text(), @r#"
    5 assignments in 2.0 s (2.5/s), 2 failed: 1 EADDRNOTAVAIL, 1 errno 4095
    port search latency: p50 1.9 us, p99 1.2 ms, max 1.2 ms
    critical: a"b\n<script>,\u{1b}[ (4242) finds no free port (connect) for 10.0.0.1 -> 192.168.100.200:443 [exhausted]
      evidence: 1 of 3 assignments failed: no free port; the range has 28232 ports
      remedy:   reuse connections: a connection pool, HTTP keep-alive
      remedy:   inside netns 4026531840: sysctl -w net.ipv4.ip_local_port_range="10240 65535" (first put the listeners' ports, from `ss -Hltn` run there, in net.ipv4.ip_local_reserved_ports)
      remedy:   to make it permanent: docker run --sysctl net.ipv4.ip_local_port_range="10240 65535"; in a pod, securityContext: {sysctls: [{name: net.ipv4.ip_local_port_range, value: "10240 65535"}]}
      remedy:   use more source addresses (bind() to each in turn, with IP_BIND_ADDRESS_NO_PORT), or more destination addresses or ports
    critical: 3 events were lost and are missing from the counts here [losses]
      evidence: 3 ring_full
    verdict: undetermined over all hosts; each has its own verdict
      2 hosts, 0 judged
    range: unknown, because only 1 of 1 different ports were drawn independently, and 150 are needed; the others follow an earlier port, and no counter was seen to wrap around

    by origin:
        COUNT  VERDICT         ORIGIN
            2  undetermined    connect
            1  undetermined    unknown origin

    busiest of 2 hosts:
        COUNT  FAILED  VERDICT         HOST
            4       2  undetermined    netns 4026531840
            1       0  undetermined    10.0.0.1

    busiest of 3 destinations:
        COUNT  FAILED  USUAL STEP  PORTS       VERDICT         DESTINATION
            3       2  -3 (50 %)   1/28232     undetermined    10.0.0.1 -> 192.168.100.200:443 (netns 4026531840)
            1       0  -           1           undetermined    10.0.0.1 -> 192.168.100.200:443 (netns unknown)
            1       0  +8 (100 %)  1/28232     undetermined    2001:db8::1 -> [2001:db8:1234:5678:9abc:def0:1234:5678]:443 (netns 4026531840)

    busiest of 2 processes:
        COUNT  FAILED  VERDICT             PID COMM
            3       1  undetermined       4242 nginx
            1       1  -                  4242 a"b\n<script>,\u{1b}[

    reuse: no 4-tuple was reused
    hook fentry: 12 searches, 4 filtered, 0 connects of bound sockets
    kernel cost: 410 ns per search
    kernel memory: 13.9 MiB
    ephtrace's own cost: 3.5 ms of CPU time
    lost 3 events: 3 ring_full
    "#);
}

#[test]
fn quiet_says_only_what_was_lost() {
    for &format in Format::value_variants() {
        let said = Said::default();
        let view = View { quiet: true, ..View::default() };
        let mut sink = build(format, (&view, Paper::default()), START, Vec::new(), said.clone());
        let lost = |n| Losses { ring_full: n, ..Losses::default() };
        for losses in [lost(0), lost(5), lost(5), lost(7)] {
            sink.losses(START, &losses).unwrap();
        }
        sink.summary(START, &a_summary()).unwrap();
        let more = "; they are only counted in the summary, by process and destination";
        assert_eq!(
            said.text(),
            format!(
                "ephtrace: lost 5 events (ring_full, 5 so far){more}\n\
                 ephtrace: lost 2 events (ring_full, 7 so far){more}\n"
            )
        );
    }
}

#[test]
fn losses_and_summary_as_lines() {
    let mut sink = JsonSink::new(Vec::new(), Notices::new(io::sink(), false));
    let losses = Losses { ring_full: 3, undecodable: 1, ..Losses::default() };
    sink.losses(START, &losses).unwrap();
    sink.losses(START + 1, &Losses { undecodable: 2, ..losses }).unwrap();
    sink.summary(START + 2, &a_summary()).unwrap();
    sink.finish().unwrap();
    let text = text_of(sink.target());
    let (losses, summary) = text.trim_end().rsplit_once('\n').unwrap();
    insta::assert_snapshot!(losses, @r#"
    {"type":"stream","schema_version":1,"version":"0.1.0","ends_with_summary":true,"pid":0,"tid":0,"comm":"","uid":0,"netns":0,"cgroup_id":0,"container":"","container_name":"","image":"","pod":"","pod_namespace":"","unit":"","protocol":"","origin":"","sport":0,"daddr":"","dport":0,"errno":0,"error":"","latency_ns":0,"range_low":0,"range_high":0,"range_source":"","salt_epoch":0,"first_candidate":0,"tried":0,"pass":"","search_unknown":"","step":0,"cookie":0,"hook":"","host_pid":0}
    {"type":"loss","schema_version":1,"ts":"2026-11-18T11:06:40.000000000Z","ts_ns":1795000000000000000,"stage":"ring_full","lost":3,"total":3}
    {"type":"loss","schema_version":1,"ts":"2026-11-18T11:06:40.000000000Z","ts_ns":1795000000000000000,"stage":"undecodable","lost":1,"total":1}
    {"type":"loss","schema_version":1,"ts":"2026-11-18T11:06:40.000000001Z","ts_ns":1795000000000000001,"stage":"undecodable","lost":1,"total":2}
    "#);
    let begin = r#"{"type":"summary","schema_version":1,"ts":"2026-11-18T11:06:40.000000002Z","#;
    assert!(summary.starts_with(begin), "{summary}");
    let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
    assert_eq!((&summary["assignments"], &summary["losses"]["ring_full"]), (&5.into(), &3.into()));
}
