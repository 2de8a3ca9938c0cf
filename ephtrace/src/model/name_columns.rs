//! Columns with the names of what a task belongs to.

use std::sync::Arc;

use super::{
    assignment::Assignment,
    column::{Column, Kind, Read, Value, column},
    task_names::Names,
};

/// Name of the container.
pub const CONTAINER_NAME: Column = column(
    "container_name",
    "CONTAINER NAME",
    (Kind::Text, "name of the container; in a pod, its name there"),
    |a| text(a, |names| &names.container_name),
    Read::Text(|d, name| d.set_name("container_name", name, |names| &mut names.container_name)),
);
/// Image of the container.
pub const IMAGE: Column = column(
    "image",
    "IMAGE",
    (Kind::Text, "image of the container, as its creator named it"),
    |a| text(a, |names| &names.image),
    Read::Text(|d, name| d.set_name("image", name, |names| &mut names.image)),
);
/// Name of the pod.
pub const POD: Column = column(
    "pod",
    "POD",
    (Kind::Text, "name of the pod"),
    |a| text(a, |names| &names.pod),
    Read::Text(|d, name| d.set_name("pod", name, |names| &mut names.pod)),
);
/// Kubernetes namespace of the pod.
pub const POD_NAMESPACE: Column = column(
    "pod_namespace",
    "POD NAMESPACE",
    (Kind::Text, "Kubernetes namespace of the pod"),
    |a| text(a, |names| &names.pod_namespace),
    Read::Text(|d, name| d.set_name("pod_namespace", name, |names| &mut names.pod_namespace)),
);
/// systemd unit.
pub const UNIT: Column = column(
    "unit",
    "UNIT",
    (Kind::Text, "systemd unit: service or scope; in a container, one of its own systemd"),
    |a| text(a, |names| &names.unit),
    Read::Text(|d, name| d.set_name("unit", name, |names| &mut names.unit)),
);
fn text(assignment: &Assignment, of: fn(&Names) -> &Option<Arc<str>>) -> Value<'_> {
    let name = assignment.names.as_deref().and_then(|names| of(names).as_deref());
    name.map_or(Value::Null, Value::Str)
}
