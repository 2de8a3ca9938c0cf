//! Arguments of `ephtrace doctor`.

use std::path::PathBuf;

use clap::Args;

use super::options::Verbosity;

pub(super) const EXAMPLES: &str = "\
Examples:
  ephtrace doctor            a readable table
  ephtrace doctor --json     the same as JSON
  ephtrace doctor --probe    whether each hook sees a test search";

/// What `doctor` was asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct DoctorArgs {
    /// Print one JSON object instead of a table
    #[arg(long)]
    pub json: bool,

    /// Make a test search with each working hook, and report whether the hook saw it
    #[arg(long)]
    pub probe: bool,

    /// Read the kernel's types from this BTF file instead of /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
