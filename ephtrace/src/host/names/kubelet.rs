//! Names in the logs that the kubelet keeps, for every runtime.
//!
//! `pkg/kubelet/kuberuntime` of Kubernetes names them: `legacyLogSymlink` makes
//! `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`, and `BuildPodLogsDirectory`
//! `/var/log/pods/NAMESPACE_POD_UID`. None of these names can contain an underscore.

use super::{
    id::{ContainerId, ID_DIGITS, PodUid},
    index::{Key, Named},
};
use crate::model::task_names::{MAX_NAME_BYTES, Names, sane};

/// Returns the names in a link of `/var/log/containers`. A link whose name was cut off, as the
/// kubelet does at 255 bytes, has no whole id and tells nothing.
pub(super) fn of_log_link(name: &str) -> Option<Named> {
    let name = name.strip_suffix(".log")?;
    let (names, id) = name.split_at_checked(name.len().checked_sub(ID_DIGITS)?)?;
    let id = ContainerId::new(id)?;
    let [pod, namespace, container] = three(names.strip_suffix('-')?)?;
    let names = Names {
        container_name: sane(container, MAX_NAME_BYTES),
        pod: sane(pod, MAX_NAME_BYTES),
        pod_namespace: sane(namespace, MAX_NAME_BYTES),
        ..Names::default()
    };
    Some((Key::Container(id), names))
}

/// Returns the names of a directory of `/var/log/pods`.
pub(super) fn of_pod_logs(name: &str) -> Option<Named> {
    let [namespace, pod, uid] = three(name)?;
    let uid = PodUid::new(uid)?;
    let names = Names {
        pod: sane(pod, MAX_NAME_BYTES),
        pod_namespace: sane(namespace, MAX_NAME_BYTES),
        ..Names::default()
    };
    Some((Key::Pod(uid), names))
}

/// Splits exactly three parts, none of them empty.
fn three(text: &str) -> Option<[&str; 3]> {
    let mut parts = text.split('_').filter(|part| !part.is_empty());
    let found = [parts.next()?, parts.next()?, parts.next()?];
    (text.matches('_').count() == 2).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_log_link_has_all_names() {
        let link = format!("coredns-5d78c9869d-x2k4v_kube-system_coredns-{ID}.log");
        let (key, names) = of_log_link(&link).unwrap();
        assert_eq!(key, Key::Container(ContainerId::new(ID).unwrap()));
        assert_eq!(names.container_name.as_deref(), Some("coredns"));
        assert_eq!(names.full_pod().as_deref(), Some("kube-system/coredns-5d78c9869d-x2k4v"));
        assert_eq!(names.image, None);
    }

    #[test]
    fn what_is_no_log_link_tells_nothing() {
        let cut = format!("{}_ns_c-{}.log", "p".repeat(200), &ID[..40]);
        for name in [
            "",
            ".log",
            "x.log",
            &cut,
            &format!("{ID}.log"),
            &format!("pod_ns-{ID}.log"),
            &format!("pod_ns_a_b-{ID}.log"),
            &format!("pod__c-{ID}.log"),
            &format!("pod_ns_c{ID}.log"),
            &format!("pod_ns_c-{ID}"),
            &format!("{}ä{ID}.log", "x"),
        ] {
            assert!(of_log_link(name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_folder_of_logs_has_the_pod() {
        let (key, names) = of_pod_logs("shop_web-0_2f1d2a2e-1f7c-4f5e-9d59-0f3e2a0a6f11").unwrap();
        assert_eq!(key, Key::Pod(PodUid::new("2f1d2a2e1f7c4f5e9d590f3e2a0a6f11").unwrap()));
        assert_eq!(names.full_pod().as_deref(), Some("shop/web-0"));
        for name in ["shop_web-0", "shop_web-0_x", "shop_web_0_2f1d2a2e1f7c4f5e9d590f3e2a0a6f11"] {
            assert!(of_pod_logs(name).is_none(), "{name}");
        }
    }
}
