//! Properties of every assignment in every format.

use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::model::columns::COLUMNS;

fn any_assignment() -> impl Strategy<Value = Assignment> {
    let numbers = (any::<u64>(), any::<[u8; 16]>(), any::<Option<u16>>(), any::<Option<i32>>());
    let addresses = (any::<IpAddr>(), any::<IpAddr>(), ".{0,300}");
    (numbers, addresses).prop_map(|((n, comm, port, step), (saddr, daddr, container))| Assignment {
        ts_ns: n,
        comm: Some(Comm::from_kernel(comm)),
        cgroup_id: Some(n),
        cookie: Some(n),
        latency_ns: Some(n),
        container: Some(container.into()),
        flow: FlowKey { netns: Some(1), saddr, daddr: Some(daddr), dport: Some(1) },
        sport: port,
        errno: port,
        step,
        ..success()
    })
}

proptest! {
    #[test]
    fn a_line_is_json_with_all_keys(assignment in any_assignment()) {
        let line = json(std::slice::from_ref(&assignment));
        prop_assert!(line.ends_with('\n') && line.lines().count() == 1);
        let object: serde_json::Map<String, Value> = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(object.len(), COLUMNS.len() + 1);
        for column in COLUMNS {
            prop_assert!(object.contains_key(column.name));
        }
        prop_assert_eq!(object["ts_ns"].as_u64(), Some(assignment.ts_ns));
        prop_assert_eq!(object["comm"].as_str(), assignment.comm.as_ref().map(Comm::as_str));
        prop_assert_eq!(object["container"].as_str(), assignment.container.as_deref());
        prop_assert_eq!(object["saddr"].as_str(), Some(&*assignment.flow.saddr.to_string()));
        prop_assert_eq!(object["step"].as_i64(), assignment.step.map(i64::from));
        let time: jiff::Timestamp = object["ts"].as_str().unwrap().parse().unwrap();
        prop_assert_eq!(time.as_nanosecond(), i128::from(assignment.ts_ns));
    }

    #[test]
    fn a_row_has_all_fields(assignment in any_assignment()) {
        let text = csv(&[assignment]);
        let mut rows = ::csv::Reader::from_reader(text.as_bytes());
        let row = rows.records().next().unwrap().unwrap();
        prop_assert_eq!(row.len(), COLUMNS.len());
    }

    #[test]
    fn a_table_has_one_line_each(assignment in any_assignment()) {
        let text = table(View::default(), &[assignment]);
        prop_assert!(matches!(text.lines().count(), 2), "{}", text);
        prop_assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{}", text);
    }
}

#[test]
fn ipv4_addresses_are_written_as_the_standard_library_does() {
    for n in 0..=255u8 {
        let addr = IpAddr::from([n, 255 - n, n, n]);
        let flow = FlowKey { daddr: Some(addr), ..success().flow };
        let line = json(&[Assignment { flow, ..success() }]);
        assert!(line.contains(&format!("\"daddr\":\"{addr}\"")), "{line}");
    }
}
