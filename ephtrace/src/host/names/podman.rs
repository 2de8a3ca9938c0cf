//! Names in the lists of containers that podman keeps: `containers.json`, and
//! `volatile-containers.json` for those of `--rm` (`containers.go` of containers/storage).
//!
//! The lists have no pods: podman keeps these in its database, so that they stay unknown.

use serde::Deserialize;

use super::{
    id::ContainerId,
    index::{Key, Named},
};
use crate::model::task_names::{MAX_IMAGE_BYTES, MAX_NAME_BYTES, Names, sane};

/// The part of an entry that is read.
#[derive(Deserialize)]
struct Container {
    id: String,
    #[serde(default)]
    names: Option<Vec<String>>,
    /// JSON as text, written by whoever uses the storage.
    #[serde(default)]
    metadata: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Metadata {
    image_name: String,
    /// CRI-O's, which has names of another kind here, and the good ones in annotations.
    pod_name: Option<String>,
}

/// Returns the names in a list.
pub(super) fn names(bytes: &[u8]) -> Vec<Named> {
    let list: Vec<Container> = serde_json::from_slice(bytes).unwrap_or_default();
    list.into_iter().filter_map(of_entry).collect()
}

fn of_entry(entry: Container) -> Option<Named> {
    let id = ContainerId::new(&entry.id)?;
    let metadata: Metadata = serde_json::from_str(&entry.metadata).unwrap_or_default();
    if metadata.pod_name.is_some() {
        return None;
    }
    let name = entry.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    let names = Names {
        container_name: sane(&name, MAX_NAME_BYTES),
        image: sane(&metadata.image_name, MAX_IMAGE_BYTES),
        ..Names::default()
    };
    Some((Key::Container(id), names))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn each_container_has_its_name_and_image() {
        let other = ID.replace("01", "10");
        let text = format!(
            r#"[{{"id":"{ID}","names":["web"],"image":"0f2e","layer":"ff",
                "metadata":"{{\"image-name\":\"docker.io/library/nginx:1.25\",\"name\":\"web\"}}"}},
               {{"id":"{other}","image":"","names":null}},
               {{"id":"short","names":["x"]}}]"#
        );
        let found = names(text.as_bytes());
        let [(key, web), (_, bare)] = &found[..] else { panic!("{found:?}") };
        assert_eq!(*key, Key::Container(ContainerId::new(ID).unwrap()));
        assert_eq!(web.container_name.as_deref(), Some("web"));
        assert_eq!(web.image.as_deref(), Some("docker.io/library/nginx:1.25"));
        assert!(bare.is_empty());
    }

    #[test]
    fn cri_o_s_containers_are_left_to_their_annotations() {
        let text = format!(
            r#"[{{"id":"{ID}","names":["k8s_nginx_web-0_shop_1_0"],
                "metadata":"{{\"pod-name\":\"k8s_web-0_shop_1_0\"}}"}}]"#
        );
        assert_eq!(names(text.as_bytes()), []);
        assert_eq!(names(b"{"), []);
    }
}
