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
  sudo ephtrace record ports.parquet             until Ctrl-C; one file, for root alone
  sudo ephtrace record ports.parquet --mode 644  which everybody may read
  sudo ephtrace record ports.parquet --rotate 1h --dst 10.0.0.0/8
  ephtrace record --from ports.ndjson ports.parquet
  ephtrace report ports.parquet                  how the ports were handed out
  ephtrace trace --from ports.parquet -x         its failed assignments
  duckdb -c \"SELECT comm, count(*) FROM 'ports.parquet' GROUP BY comm\"

The file can be read at any time, also while it is written and after ephtrace was
killed: at most the last three seconds are missing.";

/// What `record` was asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct RecordArgs {
    /// The Parquet file to write; one that is there is overwritten
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Begin a new file at this size (256M, 2G) or after this time (10m, 1h): FILE-000001 and so
    /// on, before the extension; none is overwritten
    #[arg(long, value_name = "SIZE|TIME", help_heading = "Output")]
    pub rotate: Option<String>,

    /// Who may read and write new files, such as 640; without, their owner alone
    #[arg(long, value_name = "MODE", help_heading = "Output")]
    pub mode: Option<String>,

    /// Convert this recording, capture or log in place of tracing; needs no root. Several, each
    /// with --from, are merged by time
    #[arg(long, value_name = "FILE", help_heading = "Output",
          conflicts_with_all = ["hook", "btf", "ring_size", "user"])]
    pub from: Vec<PathBuf>,

    /// Put back the end of FILE that was being replaced when ephtrace was killed, from FILE.journal
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
