//! What `ephtrace top` takes.

use std::path::PathBuf;

use clap::Args;

use super::{
    filter::FilterArgs,
    options::{KernelArgs, ReadArgs, StopArgs, Verbosity, ViewArgs},
    trace::TraceArgs,
};

/// Shown under the help.
pub(super) const EXAMPLES: &str = "\
Examples:
  sudo ephtrace top                          the whole host
  sudo ephtrace top -P 5432 -c app           only what the filters match
  ephtrace top --from ports.ndjson           a recording, at its original speed
  ephtrace top --from host.pcap --speed 10   ten times as fast
  ephtrace top --from ports.ndjson --speed 0 the end of a recording, at once

? shows the keys.";

/// What `top` was asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct TopArgs {
    /// Play this recording instead of tracing; - is standard input. Several files are merged by
    /// time
    #[arg(long, value_name = "FILE", num_args = 1..,
          conflicts_with_all = ["FilterArgs", "KernelArgs", "StopArgs"])]
    pub from: Vec<PathBuf>,

    /// Play the recording N times as fast as it happened; 0 is as fast as possible
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = speed, requires = "from")]
    pub speed: f64,

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

impl From<TopArgs> for TraceArgs {
    /// What `trace` would be asked for to see the same.
    fn from(args: TopArgs) -> Self {
        let TopArgs { filter, stop, kernel, read, verbosity, .. } = args;
        Self { filter, view: ViewArgs::default(), stop, kernel, read, verbosity, from: Vec::new() }
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed >= 0.0 => Ok(speed),
        _ => Err("expected 0 or more, such as 10 or 0.5".to_owned()),
    }
}
