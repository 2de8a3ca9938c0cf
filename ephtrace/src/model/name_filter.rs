//! Filter by the names of what a task belongs to: container, pod, systemd unit.

use super::task_names::Names;

/// Filter by names. An empty list keeps all; an unknown name passes no list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFilter {
    /// Containers, by id or name.
    pub containers: Vec<ContainerName>,
    /// Pods.
    pub pods: Vec<PodName>,
    /// Kubernetes namespaces.
    pub namespaces: Vec<String>,
    /// systemd units.
    pub units: Vec<UnitName>,
}

impl NameFilter {
    /// Returns whether it keeps all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether tasks in `container`, as outputs call it, with these names are wanted.
    pub fn matches(&self, container: Option<&str>, names: Option<&Names>) -> bool {
        fn any_or_all<T>(list: &[T], holds: impl FnMut(&T) -> bool) -> bool {
            list.is_empty() || list.iter().any(holds)
        }
        let name = names.and_then(|names| names.container_name.as_deref());
        let pod = names.and_then(|names| names.pod.as_deref());
        let namespace = names.and_then(|names| names.pod_namespace.as_deref());
        let unit = names.and_then(|names| names.unit.as_deref());
        any_or_all(&self.containers, |one| {
            container.is_some_and(|known| one.means(known)) || name == Some(one.as_str())
        }) && any_or_all(&self.pods, |one| pod.is_some_and(|pod| one.means(namespace, pod)))
            && any_or_all(&self.namespaces, |one| namespace == Some(one.as_str()))
            && any_or_all(&self.units, |one| unit.is_some_and(|unit| one.means(unit)))
    }
}

/// A container as a user names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerName(String);

/// Number of digits from which on a prefix identifies a container.
const ID_DIGITS: usize = 4;

impl ContainerName {
    /// Creates a name from an id, its beginning, or a name.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it means the container that outputs call `known`: by a short id, or a name.
    pub fn means(&self, known: &str) -> bool {
        let is_id =
            self.0.len() >= ID_DIGITS && self.0.bytes().all(|digit| digit.is_ascii_hexdigit());
        let is_part = known.starts_with(&self.0) || self.0.starts_with(known);
        known == self.0 || is_id && is_short_id(known) && is_part
    }
}

/// Returns whether a container is known by the first digits of its id.
fn is_short_id(known: &str) -> bool {
    known.len() == 12 && known.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// A pod as a user names it: `NAME`, or `NAMESPACE/NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodName {
    namespace: Option<String>,
    pod: String,
}

impl PodName {
    /// Parses a name; `None` if there is none, or more than one slash.
    pub fn new(text: &str) -> Option<Self> {
        let (namespace, pod) = match text.split_once('/') {
            Some((namespace, pod)) => (Some(namespace), pod),
            None => (None, text),
        };
        let is_name = |part: &str| !part.is_empty() && !part.contains('/');
        (is_name(pod) && namespace.is_none_or(is_name))
            .then(|| Self { namespace: namespace.map(str::to_owned), pod: pod.to_owned() })
    }

    /// Returns whether it means `pod` in `namespace`.
    pub fn means(&self, namespace: Option<&str>, pod: &str) -> bool {
        self.pod == pod && self.namespace.as_deref().is_none_or(|one| namespace == Some(one))
    }
}

/// A systemd unit as a user names it: `nginx` is `nginx.service`, as for `systemctl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitName(String);

impl UnitName {
    /// Creates a name.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns whether it means the unit called `known`.
    pub fn means(&self, known: &str) -> bool {
        known == self.0 || known.strip_suffix(".service") == Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            container_name: Some("nginx".into()),
            image: None,
            pod: Some("web-0".into()),
            pod_namespace: Some("shop".into()),
            unit: Some("nginx.service".into()),
        }
    }

    #[test]
    fn a_container_is_meant_by_its_id_or_name() {
        let means = |text: &str, known| ContainerName::new(text).means(known);
        let short = "3f8a9c0d1e2b";
        for text in ["3f8a", short, "3f8a9c0d1e2b77"] {
            assert!(means(text, short), "{text}");
        }
        for text in ["3f8", "3f8b", "f8a9", "", "web", "3f8a9c0d1e2c77"] {
            assert!(!means(text, short), "{text}");
        }
        assert!(means("web", "web") && !means("web", "web-1") && !means("beef", "beefy"));
        let containers = vec![ContainerName::new("web"), ContainerName::new("3f8a9c")];
        let filter = NameFilter { containers, ..NameFilter::default() };
        assert!(filter.matches(Some(short), None) && !filter.matches(None, None));
        let containers = vec![ContainerName::new("nginx")];
        let filter = NameFilter { containers, ..NameFilter::default() };
        assert!(filter.matches(Some(short), Some(&names())) && !filter.matches(Some(short), None));
    }

    #[test]
    fn a_pod_is_meant_with_or_without_its_namespace() {
        let matches = |text: &str| {
            let pods = vec![PodName::new(text).unwrap()];
            NameFilter { pods, ..NameFilter::default() }.matches(None, Some(&names()))
        };
        assert!(matches("web-0") && matches("shop/web-0"));
        assert!(!matches("web") && !matches("default/web-0"));
        for text in ["", "/", "a/", "/a", "a/b/c"] {
            assert_eq!(PodName::new(text), None, "{text}");
        }
    }

    #[test]
    fn each_kind_of_name_must_match() {
        let of = |namespace: &str, unit: &str| NameFilter {
            namespaces: vec![namespace.to_owned()],
            units: vec![UnitName::new(unit), UnitName::new("other")],
            ..NameFilter::default()
        };
        for unit in ["nginx", "nginx.service"] {
            assert!(of("shop", unit).matches(None, Some(&names())), "{unit}");
        }
        for (namespace, unit) in [("shop", "ngin"), ("shop", "nginx.scope"), ("sho", "nginx")] {
            assert!(!of(namespace, unit).matches(None, Some(&names())), "{namespace} {unit}");
        }
        assert!(NameFilter::default().matches(None, None) && NameFilter::default().is_empty());
        assert!(!of("shop", "nginx").matches(Some("3f8a9c0d1e2b"), None), "an unknown name");
    }
}
