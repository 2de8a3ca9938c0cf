//! Version of the keys, the columns and their types.

/// Version of the schema, for rows and JSON alike. Adding a key or column does not change it;
/// changing its meaning or type, or removing it, does.
pub const SCHEMA_VERSION: u32 = 1;
