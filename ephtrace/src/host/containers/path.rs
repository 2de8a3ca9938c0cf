//! Facts in the path of a cgroup: container, pod, systemd unit.

use std::sync::Arc;

use crate::{
    host::names::id::{ContainerId, ID_DIGITS, PodUid},
    model::task_names::{MAX_NAME_BYTES, sane},
};

/// Number of hexadecimal digits of a short id, as shown by `docker ps`.
const SHORT_ID: usize = 12;

/// Ends of the names of units that processes run in.
const UNITS: [&str; 2] = [".service", ".scope"];

/// Facts about the tasks in a cgroup, from its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Short id of the container, or its name if the runtime gives no id.
    pub container: Option<Arc<str>>,
    /// Whole id of the container.
    pub id: Option<ContainerId>,
    /// UID of the pod around it.
    pub pod: Option<PodUid>,
    /// systemd unit: for tasks in a container, that of its own systemd.
    pub unit: Option<Arc<str>>,
}

impl Place {
    /// Returns whether the path tells nothing.
    pub fn is_nowhere(&self) -> bool {
        *self == Self::default()
    }
}

/// Returns what the path of a cgroup tells; of nested containers and units, the innermost.
pub fn place_of(path: &str) -> Place {
    let mut place = Place::default();
    let mut parent = "";
    for component in path.split('/').filter(|c| !c.is_empty()) {
        place.pod = pod(component).or(place.pod);
        if let Some(digits) = id(component) {
            place.container = Some(Arc::from(&digits[..SHORT_ID]));
            (place.id, place.unit) = (ContainerId::new(digits), None);
        } else if let Some(name) = name(parent, component) {
            place.container = Some(name);
            (place.id, place.unit) = (None, None);
        } else if UNITS.iter().any(|kind| component.ends_with(kind)) {
            place.unit = sane(component, MAX_NAME_BYTES);
        }
        parent = component;
    }
    place
}

/// Returns the container that a cgroup's path belongs to, the innermost if they are nested: the
/// first 12 digits of its id, or its name if the runtime (LXC, systemd-nspawn) gives no id.
pub fn container_of(path: &str) -> Option<Arc<str>> {
    place_of(path).container
}

/// Matches docker-ID.scope, cri-containerd-ID.scope, crio-ID, libpod-ID.scope,
/// SLICE:cri-containerd:ID, ID.
fn id(component: &str) -> Option<&str> {
    let unit = component.strip_suffix(".scope").unwrap_or(component);
    let (lead, id) = unit.split_at_checked(unit.len().checked_sub(ID_DIGITS)?)?;
    let is_id = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_apart = lead.is_empty() || lead.ends_with(['-', ':']);
    // The monitor of a container runs beside it, not in it.
    (is_id && is_apart && !lead.ends_with("conmon-")).then_some(id)
}

/// Matches podUID, kubepods-podUID.slice, kubepods-burstable-podUID.slice, and the beginning of
/// kubepods-burstable-podUID.slice:cri-containerd:ID.
fn pod(component: &str) -> Option<PodUid> {
    let slice = component.split(':').next().unwrap_or_default();
    let slice = slice.strip_suffix(".slice").unwrap_or(slice);
    let (lead, uid) = slice.rsplit_once("pod").filter(|(lead, _)| !lead.ends_with("libpod"))?;
    (lead.is_empty() || lead.ends_with('-')).then(|| PodUid::new(uid)).flatten()
}

/// Matches lxc/NAME, lxc.payload.NAME, lxc.payload/NAME, systemd-nspawn@NAME.service,
/// machine-NAME.scope.
fn name(parent: &str, component: &str) -> Option<Arc<str>> {
    if matches!(parent, "lxc" | "lxc.payload") {
        return Some(component.into());
    }
    if let Some(name) = component.strip_prefix("lxc.payload.") {
        return Some(name.into());
    }
    let nspawn = component.strip_prefix("systemd-nspawn@").and_then(|c| c.strip_suffix(".service"));
    let machine = component.strip_prefix("machine-").and_then(|c| c.strip_suffix(".scope"));
    // A virtual machine has a kernel of its own, so its connects are not seen here.
    let name = nspawn.or(machine.filter(|m| !m.starts_with("qemu")))?;
    (parent == "machine.slice").then(|| name.replace("\\x2d", "-").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "2f1d2a2e-1f7c-4f5e-9d59-0f3e2a0a6f11";

    fn of(path: &str) -> Place {
        place_of(&path.replace("ID", ID).replace("UUU", UID).replace("VVV", &UID.replace('-', "_")))
    }

    #[test]
    fn a_pod_is_known_by_its_uid() {
        for path in [
            "/kubepods/besteffort/podUUU/ID",
            "/kubepods/podUUU",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podVVV.slice/\
             cri-containerd-ID.scope",
            "/kubepods.slice/kubepods-podVVV.slice/crio-ID.scope/container",
            "/system.slice/containerd.service/kubepods-burstable-podVVV.slice:cri-containerd:ID",
            "/docker/ID/kubelet.slice/kubelet-kubepods-podVVV.slice/cri-containerd-ID.scope",
        ] {
            assert_eq!(of(path).pod, PodUid::new(UID), "{path}");
        }
        for path in ["/kubepods/pod1/ID", "/machine.slice/libpod-ID.scope", "/a/tripodUUU", "/podx"]
        {
            assert_eq!(of(path).pod, None, "{path}");
        }
    }

    #[test]
    fn the_unit_is_the_innermost_that_is_no_container() {
        for (path, unit) in [
            ("/system.slice/nginx.service", Some("nginx.service")),
            ("/user.slice/user-1000.slice/session-3.scope", Some("session-3.scope")),
            ("/user.slice/user@1000.service/app.slice/app-x.service", Some("app-x.service")),
            ("/init.scope", Some("init.scope")),
            ("/system.slice/docker-ID.scope", None),
            ("/system.slice/containerd.service/kubepods-podVVV.slice:cri-containerd:ID", None),
            ("/lxc.payload.web/system.slice/nginx.service", Some("nginx.service")),
            ("/machine.slice/systemd-nspawn@build.service/payload", None),
            ("/machine.slice/libpod-conmon-ID.scope", Some("libpod-conmon-ID.scope")),
            ("/kubepods.slice", None),
            ("/system.slice/a\u{1b}[2J.service", None),
        ] {
            let expected = unit.map(|unit| unit.replace("ID", ID));
            assert_eq!(of(path).unit.as_deref(), expected.as_deref(), "{path}");
        }
    }

    #[test]
    fn the_id_is_that_of_the_innermost_container() {
        let inner = ID.replace("0123", "feed");
        let place = place_of(&format!("/docker/{ID}/docker/{inner}"));
        assert_eq!(place.id, ContainerId::new(&inner));
        assert_eq!(place_of(&format!("/docker/{ID}/lxc/web")).id, None);
        assert!(place_of("/").is_nowhere());
    }
}
