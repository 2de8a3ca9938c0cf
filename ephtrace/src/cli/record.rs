//! Arguments of `record`.

use std::path::PathBuf;

use clap::Args;

use super::{
    filter::FilterArgs,
    options::{KernelArgs, ReadArgs, StopArgs, Verbosity},
};

/// Shown below the help.
pub(super) const EXAMPLES: &str = "\
Examples:
  sudo ephtrace record ports.parquet             until Ctrl-C; only root can read the file
  sudo ephtrace record ports.parquet --mode 644  everyone can read the file
  sudo ephtrace record ports.parquet --rotate 1h --dst 10.0.0.0/8
  ephtrace record --from ports.ndjson ports.parquet
  ephtrace report ports.parquet                  how the ports were assigned
  ephtrace trace --from ports.parquet -x         its failed assignments
  duckdb -c \"SELECT comm, count(*) FROM 'ports.parquet' GROUP BY comm\"

ephtrace can read the file at any time, even after it was killed: at most the last three
seconds are missing. For other programs, see --repair.";

/// What `record` was asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct RecordArgs {
    /// The Parquet file to write; an existing file is overwritten
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Start a new file at this size (256M, 2G) or after this time (10m, 1h). Each file has a
    /// number before its extension, such as ports-000001.parquet; existing files are not
    /// overwritten
    #[arg(long, value_name = "SIZE|TIME", help_heading = "Output")]
    pub rotate: Option<String>,

    /// Permissions of new files, such as 640; by default, only their owner may read and write them
    #[arg(long, value_name = "MODE", help_heading = "Output")]
    pub mode: Option<String>,

    /// Convert this recording, capture or log instead of tracing; needs no root. Repeat --from to
    /// merge several files by time
    #[arg(long, value_name = "FILE", help_heading = "Output",
          conflicts_with_all = ["hook", "btf", "ring_size", "user"])]
    pub from: Vec<PathBuf>,

    /// Restore the footer of FILE from FILE.journal after ephtrace was killed while replacing it
    #[arg(long, help_heading = "Output", conflicts_with_all = ["rotate", "mode", "from"])]
    pub repair: bool,

    /// Which assignments to keep.
    #[command(flatten)]
    pub filter: FilterArgs,

    /// When to stop.
    #[command(flatten)]
    pub stop: StopArgs,

    /// How to see them.
    #[command(flatten)]
    pub kernel: KernelArgs,

    /// How the recording is read.
    #[command(flatten)]
    pub read: ReadArgs,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
