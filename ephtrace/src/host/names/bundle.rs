//! Names in an OCI bundle's `config.json`: annotations of containerd's CRI, CRI-O and nerdctl.
//!
//! containerd (`pkg/cri/annotations`) and CRI-O (`pkg/annotations`) write them for containers and
//! for sandboxes, the containers that hold a pod's namespaces. `ctr` writes none.

use std::collections::HashMap;

use serde::Deserialize;

use super::{
    id::ContainerId,
    index::{Key, Named},
};
use crate::model::task_names::{MAX_IMAGE_BYTES, MAX_NAME_BYTES, Names, sane};

/// The part of a runtime's configuration that is read.
#[derive(Deserialize)]
struct Bundle {
    #[serde(default)]
    annotations: HashMap<String, String>,
}

/// Annotations of the container's name, the first one that is there counts.
const CONTAINER: [&str; 3] =
    ["io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"];

/// Annotations of the image.
const IMAGE: [&str; 3] =
    ["io.kubernetes.cri.image-name", "io.kubernetes.cri-o.ImageName", "io.kubernetes.cri-o.Image"];

/// Annotations of the pod's name.
const POD: [&str; 2] = ["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"];

/// Annotations of the pod's namespace.
const NAMESPACE: [&str; 2] = ["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"];

/// Annotations of the kind of container.
const KIND: [&str; 2] = ["io.kubernetes.cri.container-type", "io.kubernetes.cri-o.ContainerType"];

/// Returns the names in the bundle of container `id`.
pub(super) fn names(id: &str, bytes: &[u8]) -> Option<Named> {
    let id = ContainerId::new(id)?;
    let Bundle { annotations } = serde_json::from_slice(bytes).ok()?;
    let first = |keys: &[&str], max| {
        let mut values = keys.iter().filter_map(|&key| annotations.get(key));
        values.find_map(|value| sane(value, max))
    };
    // CRI-O calls a sandbox's container POD, and its image that of the pause program.
    let is_sandbox = KIND.iter().any(|&key| annotations.get(key).is_some_and(|k| k == "sandbox"));
    let names = Names {
        container_name: first(&CONTAINER, MAX_NAME_BYTES).filter(|_| !is_sandbox),
        image: first(&IMAGE, MAX_IMAGE_BYTES),
        pod: first(&POD, MAX_NAME_BYTES),
        pod_namespace: first(&NAMESPACE, MAX_NAME_BYTES),
        unit: None,
    };
    Some((Key::Container(id), names))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn of(annotations: &str) -> Names {
        let text = format!(
            r#"{{"ociVersion":"1.1.0","process":{{"env":["A=\"b"]}},"annotations":{annotations},
            "linux":{{"cgroupsPath":"kubepods-pod1.slice:cri-containerd:{ID}"}}}}"#
        );
        names(ID, text.as_bytes()).unwrap().1
    }

    #[test]
    fn containerd_s_annotations_are_read() {
        let container = of(r#"{
            "io.kubernetes.cri.container-name": "nginx",
            "io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.image-name": "docker.io/library/nginx:1.25",
            "io.kubernetes.cri.sandbox-id": "ff",
            "io.kubernetes.cri.sandbox-name": "web-0",
            "io.kubernetes.cri.sandbox-namespace": "shop"
        }"#);
        assert_eq!(container.container_name.as_deref(), Some("nginx"));
        assert_eq!(container.image.as_deref(), Some("docker.io/library/nginx:1.25"));
        assert_eq!(container.full_pod().as_deref(), Some("shop/web-0"));
        let sandbox = of(r#"{
            "io.kubernetes.cri.container-type": "sandbox",
            "io.kubernetes.cri.sandbox-name": "web-0",
            "io.kubernetes.cri.sandbox-namespace": "shop"
        }"#);
        assert_eq!(sandbox.full_pod().as_deref(), Some("shop/web-0"));
        assert_eq!((sandbox.container_name, sandbox.image), (None, None));
    }

    #[test]
    fn cri_o_s_annotations_are_read() {
        let container = of(r#"{
            "io.container.manager": "cri-o",
            "io.kubernetes.container.name": "nginx",
            "io.kubernetes.cri-o.ContainerType": "container",
            "io.kubernetes.cri-o.Image": "0f2e",
            "io.kubernetes.cri-o.ImageName": "quay.io/nginx:1.25",
            "io.kubernetes.pod.name": "web-0",
            "io.kubernetes.pod.namespace": "shop"
        }"#);
        assert_eq!(container.container_name.as_deref(), Some("nginx"));
        assert_eq!(container.image.as_deref(), Some("quay.io/nginx:1.25"));
        assert_eq!(container.full_pod().as_deref(), Some("shop/web-0"));
        let sandbox = of(r#"{
            "io.kubernetes.container.name": "POD",
            "io.kubernetes.cri-o.ContainerType": "sandbox",
            "io.kubernetes.pod.name": "web-0"
        }"#);
        assert_eq!((sandbox.container_name, sandbox.pod.as_deref()), (None, Some("web-0")));
    }

    #[test]
    fn what_is_unknown_or_odd_is_none() {
        assert_eq!(of("{}"), Names::default());
        assert_eq!(of(r#"{"nerdctl/name": "a\u001b[2J"}"#), Names::default());
        assert!(names(ID, br#"{"ociVersion":"1.1.0"}"#).unwrap().1.is_empty());
        for bytes in [&b""[..], b"{", b"1", br#"{"annotations":{"a":1}}"#] {
            assert!(names(ID, bytes).is_none());
        }
        assert!(names("web", b"{}").is_none());
    }
}
