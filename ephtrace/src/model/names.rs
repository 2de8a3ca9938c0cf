//! Names in every output and on the command line.

use ephtrace_common::{Origin, Protocol};
use serde::{Serialize as _, Serializer};

/// Serializes an origin as its name, or null.
pub fn serialize_origin<S: Serializer>(
    origin: &Option<Origin>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    origin.map(Origin::name).serialize(serializer)
}

/// Serializes a protocol as its name, or null.
pub fn serialize_protocol<S: Serializer>(
    protocol: &Option<Protocol>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    protocol.map(Protocol::name).serialize(serializer)
}
