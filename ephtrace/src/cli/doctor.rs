//! Arguments of `ephtrace doctor`.

use std::path::PathBuf;

use clap::Args;

use super::options::Verbosity;

pub(super) const EXAMPLES: &str = "\
Examples:
  ephtrace doctor            a table, for people
  ephtrace doctor --json     the same as data
  ephtrace doctor --probe    what a search of ephtrace's own shows, for each hook";

/// What `doctor` was asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct DoctorArgs {
    /// Print data (one JSON object), not a table
    #[arg(long)]
    pub json: bool,

    /// Search for a port with each hook that works, and say whether it saw that
    #[arg(long)]
    pub probe: bool,

    /// Read the kernel's types from this BTF file, not from /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
