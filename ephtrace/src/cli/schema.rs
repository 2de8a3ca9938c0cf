//! Arguments of `ephtrace schema`.

use clap::Args;

use super::options::Verbosity;
use crate::output::Kind;

pub(super) const EXAMPLES: &str = "\
Examples:
  ephtrace schema                all kinds in one schema
  ephtrace schema assignment     the line of one assignment
  ephtrace schema ports | jq -r '.properties.netns.description'

What the keys mean, and how they may change: docs/json.md.";

/// Arguments of `schema`.
#[derive(Clone, Debug, Default, Args)]
pub struct SchemaArgs {
    /// One kind of object alone
    #[arg(value_name = "KIND", value_enum)]
    pub kind: Option<Kind>,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
