//! What `storm` was asked for.

use clap::Args;

use super::{
    filter::FilterArgs,
    number::whole,
    options::{ByArg, KernelArgs, Verbosity},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo ephtrace storm                  once a second, until Ctrl-C
  sudo ephtrace storm 5 12             twelve times, every five seconds
  sudo ephtrace storm 10 1 -c nginx    ten seconds, one program only
  sudo ephtrace storm --by pod         a row for each pod
  sudo ephtrace storm --json | jq '.findings[].sentence'

The kernel does all counting: no event is sent to user space, however big the storm.";

/// Arguments of `storm`.
#[derive(Clone, Debug, Default, Args)]
pub struct StormArgs {
    /// Time between reports: seconds, or a time such as 500ms or 1m
    #[arg(value_name = "INTERVAL", default_value = "1")]
    pub interval: String,

    /// Stop after this many reports
    #[arg(value_name = "COUNT", value_parser = whole::<u64>(1..=u64::MAX))]
    pub count: Option<u64>,

    /// Stop after this time: 10 (seconds), 90s, 1h30m, 1d
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,

    /// Number of rows to show; 0 shows all
    #[arg(short = 'n', long, value_name = "ROWS", default_value_t = 10,
          value_parser = whole::<usize>(0..=u64::MAX))]
    pub limit: usize,

    /// Print one JSON object per report, with all rows, instead of tables
    #[arg(long)]
    pub json: bool,

    /// Show all columns and whole lines, even on a narrow terminal
    #[arg(short, long)]
    pub wide: bool,

    /// Unit that each row stands for
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub by: ByArg,

    /// Number of rows that the kernel keeps per report
    #[arg(long, value_name = "ROWS", hide = true, value_parser = whole::<u32>(0..=u32::MAX.into()))]
    pub rows: Option<u32>,

    /// Which assignments to count.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// How to see them.
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
