//! What `storm` was asked for.

use clap::Args;

use super::{
    filter::FilterArgs,
    number::whole,
    options::{KernelArgs, Verbosity},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo ephtrace storm                  once a second, until Ctrl-C
  sudo ephtrace storm 5 12             twelve times, every five seconds
  sudo ephtrace storm 10 1 -c nginx    ten seconds of one program
  sudo ephtrace storm --json | jq '.findings[].sentence'

All counting is done in the kernel: what it costs does not grow with the storm.";

/// Arguments of `storm`.
#[derive(Clone, Debug, Default, Args)]
pub struct StormArgs {
    /// How often to look: seconds, or a time such as 500ms or 1m
    #[arg(value_name = "INTERVAL", default_value = "1")]
    pub interval: String,

    /// Stop after so many looks
    #[arg(value_name = "COUNT", value_parser = whole::<u64>(1..=u64::MAX))]
    pub count: Option<u64>,

    /// How many rows to show; 0 for all
    #[arg(short = 'n', long, value_name = "ROWS", default_value_t = 10,
          value_parser = whole::<usize>(0..=u64::MAX))]
    pub limit: usize,

    /// Print data (one JSON object for each look, with all rows), not tables
    #[arg(long)]
    pub json: bool,

    /// All columns and whole lines, however narrow the terminal is
    #[arg(short, long)]
    pub wide: bool,

    /// How many rows the kernel keeps room for in each look
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
