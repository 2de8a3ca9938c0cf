//! Names of what a task belongs to: its container, image and pod, or its systemd unit.

use std::sync::Arc;

use super::escape::is_unsafe;

/// Maximum length of a name, in bytes: Kubernetes allows 253.
pub const MAX_NAME_BYTES: usize = 256;

/// Maximum length of an image's reference, in bytes: a name of 255, a tag of 128, and a digest.
pub const MAX_IMAGE_BYTES: usize = 512;

/// Names that runtimes and systemd give; `None` where unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Names {
    /// Name of the container, within its pod if it has one.
    pub container_name: Option<Arc<str>>,
    /// Image that the container was made from, as its creator named it.
    pub image: Option<Arc<str>>,
    /// Name of the pod.
    pub pod: Option<Arc<str>>,
    /// Kubernetes namespace of the pod.
    pub pod_namespace: Option<Arc<str>>,
    /// systemd unit: a service or scope; in a container, one of its own systemd.
    pub unit: Option<Arc<str>>,
}

/// Container of a task, and the names of what the task belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Short id of the container, or its name if the runtime gives no id.
    pub container: Option<Arc<str>>,
    /// Names; `None` if none is known.
    pub names: Option<Arc<Names>>,
}

impl Membership {
    /// Returns the name of the container, or its id where the name is unknown.
    pub fn label(&self) -> Option<&Arc<str>> {
        let name = self.names.as_ref().and_then(|names| names.container_name.as_ref());
        name.or(self.container.as_ref())
    }
}

impl Names {
    /// Returns whether no name is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns these names, completed by `others` where they are unknown.
    #[must_use]
    pub fn or(self, others: &Self) -> Self {
        let first = |own: Option<Arc<str>>, other: &Option<Arc<str>>| own.or_else(|| other.clone());
        Self {
            container_name: first(self.container_name, &others.container_name),
            image: first(self.image, &others.image),
            pod: first(self.pod, &others.pod),
            pod_namespace: first(self.pod_namespace, &others.pod_namespace),
            unit: first(self.unit, &others.unit),
        }
    }

    /// Returns the pod as `NAMESPACE/NAME`, or its name alone.
    pub fn full_pod(&self) -> Option<String> {
        let pod = self.pod.as_deref()?;
        Some(match self.pod_namespace.as_deref() {
            Some(namespace) => format!("{namespace}/{pod}"),
            None => pod.to_owned(),
        })
    }
}

#[cfg(test)]
impl Names {
    /// Returns names of each kind.
    pub(crate) fn full() -> Arc<Self> {
        Arc::new(Self {
            container_name: Some("web".into()),
            image: Some("nginx:1.25".into()),
            pod: Some("web-0".into()),
            pod_namespace: Some("shop".into()),
            unit: Some("nginx.service".into()),
        })
    }
}

/// Returns `text` if it can be a name: not empty, at most `max` bytes, without white space and
/// control characters.
pub fn sane(text: &str, max: usize) -> Option<Arc<str>> {
    let is_odd = |c: char| c.is_whitespace() || is_unsafe(c);
    (!text.is_empty() && text.len() <= max && !text.contains(is_odd)).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_steer_a_terminal_are_none() {
        for text in ["web", "registry.example:5000/a/b:1.25@sha256:0f", "über"] {
            assert_eq!(sane(text, MAX_NAME_BYTES).as_deref(), Some(text));
        }
        for text in ["", "a b", "a\n", "\u{1b}[2J", "a\u{202e}b"] {
            assert_eq!(sane(text, MAX_NAME_BYTES), None, "{text:?}");
        }
        assert_eq!(sane("abc", 2), None);
    }

    #[test]
    fn a_pod_is_named_with_its_namespace() {
        let pod = Names { pod: Some("web-0".into()), ..Names::default() };
        assert_eq!(pod.full_pod().as_deref(), Some("web-0"));
        let full = Names { pod_namespace: Some("shop".into()), ..pod };
        assert_eq!(full.full_pod().as_deref(), Some("shop/web-0"));
        assert_eq!(Names::default().full_pod(), None);
    }
}
