//! Arguments of `ephtrace trace`.

use std::path::PathBuf;

use clap::Args;

use super::{
    filter::FilterArgs,
    options::{KernelArgs, ReadArgs, StopArgs, Verbosity, ViewArgs},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo ephtrace trace -c nginx -P 8080         which ports nginx is assigned
  sudo ephtrace trace --cgroup system.slice/app.service -o csv
  sudo ephtrace trace -o json --count 1000 | jq .sport
  ephtrace trace --from ports.parquet -x -o csv   the failures of a recording

A flag that takes several values accepts a list (-P 80,443) or can be repeated
(-P 80 -P 443). If several filters are given, an assignment must match all of them.";

/// What `trace` was asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct TraceArgs {
    /// Read this recording, capture or log instead of tracing (- is standard input). Several files
    /// are merged by time
    #[arg(long, value_name = "FILE", num_args = 1..,
          conflicts_with_all = ["hook", "btf", "ring_size", "user"])]
    pub from: Vec<PathBuf>,
    /// Which assignments to keep.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How to show them.
    #[command(flatten)]
    pub view: ViewArgs,
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
