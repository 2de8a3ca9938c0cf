//! Names in every output and on the command line.

use ephtrace_common::{Hook, Origin, Protocol};
use serde::{Serialize as _, Serializer};

/// The name of an origin in every output and on the command line.
pub fn origin_name(origin: Origin) -> &'static str {
    origin.name()
}

/// The name of a protocol in every output.
pub fn protocol_name(protocol: Protocol) -> &'static str {
    protocol.name()
}

/// The name of a hook in every output and on the command line.
pub fn hook_name(hook: Hook) -> &'static str {
    hook.name()
}

/// An origin as data has it: its name, or null.
pub fn serialize_origin<S: Serializer>(
    origin: &Option<Origin>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    origin.map(origin_name).serialize(serializer)
}

/// A protocol as data has it: its name, or null.
pub fn serialize_protocol<S: Serializer>(
    protocol: &Option<Protocol>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    protocol.map(protocol_name).serialize(serializer)
}

/// Attempts that fail without `hook` seeing it, so that its zero says nothing of them.
pub fn unseen_failures(hook: Hook) -> Option<&'static str> {
    match hook {
        Hook::SockOps => Some("failed binds and UDP sends (hook sock_ops)"),
        _ => None,
    }
}
