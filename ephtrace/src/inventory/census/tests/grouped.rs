//! Holders in groups that were asked for.

use super::*;
use crate::model::{grouping::By, task_names::Names};

#[test]
fn holders_are_grouped_by_pod() {
    let sockets: Vec<Socket> = (0..30).map(|nth| open(9, 40000 + nth)).collect();
    let process = |pid, pod: Option<&str>| {
        let names = Names {
            pod: pod.map(Arc::from),
            pod_namespace: pod.map(|_| "shop".into()),
            ..Names::default()
        };
        let of = Membership { container: None, names: Some(Arc::new(names)) };
        Arc::new(Process { pid, comm: Some(Comm::new("worker")), of })
    };
    let owner = |nth: u32| match nth {
        0..14 => process(100 + nth / 2, Some("web-0")),
        14..20 => process(100 + nth / 2, Some("web-1")),
        _ => process(7, None),
    };
    let open: OpenSockets = (0..30).map(|nth| (41000 + nth, owner(nth))).collect();
    let past_owners = PastOwners::default();
    let owners = Owners { by: By::Pod, ..Owners::new(&open, &past_owners) };
    let found = census(sysctls(40000, 40099, &[]), sockets).describe(1, owners);
    let holders = found.destinations[0].holders.iter();
    let holders: Vec<_> = holders.map(|h| (h.group.as_deref(), h.processes, h.ports)).collect();
    assert_eq!(holders, [(Some("shop/web-0"), 7, 14), (None, 1, 10), (Some("shop/web-1"), 3, 6)]);
}
