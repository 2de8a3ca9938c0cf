//! Arguments of `ephtrace schema`.

use clap::Args;

use super::options::Verbosity;
use crate::output::Kind;

pub(super) const EXAMPLES: &str = "\
Examples:
  ephtrace schema                all kinds in one schema
  ephtrace schema assignment     the line of one assignment
  ephtrace schema ports | jq -r '.properties.netns.description'

docs/json.md explains the keys and how they may change.";

/// Arguments of `schema`.
#[derive(Clone, Debug, Default, Args)]
pub struct SchemaArgs {
    /// Print the schema of this kind of object only
    #[arg(value_name = "KIND", value_enum)]
    pub kind: Option<Kind>,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
