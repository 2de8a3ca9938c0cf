//! Names in docker's `config.v2.json` of a container (`container/container.go` of moby).

use std::collections::HashMap;

use serde::Deserialize;

use super::{
    id::ContainerId,
    index::{Key, Named},
};
use crate::model::task_names::{MAX_IMAGE_BYTES, MAX_NAME_BYTES, Names, sane};

/// The part of the file that is read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    #[serde(rename = "ID")]
    id: String,
    /// Name with a slash ahead.
    #[serde(default)]
    name: String,
    #[serde(default)]
    config: Config,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Config {
    image: String,
    labels: Option<HashMap<String, String>>,
}

/// Returns the names of container `id`, whose directory has the file.
pub(super) fn names(id: &str, bytes: &[u8]) -> Option<Named> {
    let Container { id: own, name, config } = serde_json::from_slice(bytes).ok()?;
    let id = ContainerId::new(id).filter(|_| own == id)?;
    let labels = config.labels.unwrap_or_default();
    let label = |key| sane(labels.get(key).map_or("", String::as_str), MAX_NAME_BYTES);
    // Pods that cri-dockerd makes: the kubelet's labels name the container within its pod.
    let pod = label("io.kubernetes.pod.name");
    let is_sandbox = labels.get("io.kubernetes.docker.type").is_some_and(|t| t == "podsandbox");
    let container_name = match &pod {
        Some(_) if is_sandbox => None,
        Some(_) => label("io.kubernetes.container.name"),
        None => sane(name.strip_prefix('/').unwrap_or(&name), MAX_NAME_BYTES),
    };
    let pod_namespace = label("io.kubernetes.pod.namespace");
    let image = sane(&config.image, MAX_IMAGE_BYTES);
    Some((Key::Container(id), Names { container_name, image, pod, pod_namespace, unit: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn of(id: &str, config: &str) -> Option<Names> {
        let text = format!(
            r#"{{"StreamConfig":{{}},"State":{{"Running":true}},"ID":"{ID}","Name":"/web",
            "Config":{config},"Image":"sha256:0f2e"}}"#
        );
        names(id, text.as_bytes()).map(|(_, names)| names)
    }

    #[test]
    fn a_container_has_its_name_and_the_image_as_asked_for() {
        let names = of(ID, r#"{"Image":"nginx:1.25","Labels":{"a":"b"}}"#).unwrap();
        assert_eq!(names.container_name.as_deref(), Some("web"));
        assert_eq!(names.image.as_deref(), Some("nginx:1.25"));
        assert_eq!(names.pod, None);
        let bare = of(ID, r#"{"Labels":null}"#).unwrap();
        assert_eq!((bare.container_name.as_deref(), bare.image), (Some("web"), None));
    }

    #[test]
    fn a_pod_is_in_the_kubelet_s_labels() {
        let labels = |kind| {
            format!(
                r#"{{"Image":"i","Labels":{{"io.kubernetes.docker.type":"{kind}",
                "io.kubernetes.container.name":"nginx","io.kubernetes.pod.name":"web-0",
                "io.kubernetes.pod.namespace":"shop"}}}}"#
            )
        };
        let names = of(ID, &labels("container")).unwrap();
        assert_eq!(names.container_name.as_deref(), Some("nginx"));
        assert_eq!(names.full_pod().as_deref(), Some("shop/web-0"));
        assert_eq!(of(ID, &labels("podsandbox")).unwrap().container_name, None);
    }

    #[test]
    fn the_file_of_another_container_tells_nothing() {
        assert_eq!(of(&ID.replace("01", "10"), "{}"), None);
        for bytes in [&b""[..], b"{", b"null", b"{}"] {
            assert!(names(ID, bytes).is_none());
        }
    }
}
