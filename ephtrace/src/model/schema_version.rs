//! Which version of the keys, columns and their types this is.

/// Version of the schema, of rows and of JSON alike: a key or column that is added leaves it, one
/// that changes its meaning or its type, or that goes, raises it.
pub const SCHEMA_VERSION: u32 = 1;
