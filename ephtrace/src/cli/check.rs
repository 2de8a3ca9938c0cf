//! What `check` was asked for.

use clap::Args;

use super::options::KernelArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo ephtrace check                       one line; exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
  sudo ephtrace check --use 40,80 --failures 0,5 --p99 500us,5ms
  sudo ephtrace check --for 5s --netns all
  ephtrace check --no-trace                 only what is in use; needs no root
  sudo ephtrace check --json                the same answer, and all findings, as data

For Nagios, Icinga, Checkmk and others: the line ends with performance data.";

/// Arguments of `check`.
#[derive(Clone, Debug, Default, Args)]
pub struct CheckArgs {
    /// Ports in use for the fullest destination, in percent of those that can be used
    #[arg(long, value_name = "WARN,CRIT", default_value = "50,90")]
    pub r#use: String,

    /// Assignments that fail, in percent of all; 0 warns of any
    #[arg(long, value_name = "WARN,CRIT", default_value = "0,1")]
    pub failures: String,

    /// Time that 99 of 100 searches for a port stay below
    #[arg(long, value_name = "WARN,CRIT", default_value = "1ms,10ms")]
    pub p99: String,

    /// How long to count assignments
    #[arg(long = "for", value_name = "TIME", default_value = "2s")]
    pub span: String,

    /// Look at what is in use only, and count nothing
    #[arg(long)]
    pub no_trace: bool,

    /// Print data (one JSON object), not a line
    #[arg(long)]
    pub json: bool,

    /// These network namespaces, not that of ephtrace: inode number, path, name of `ip netns`, or
    /// all
    #[arg(long, value_name = "NETNS", value_delimiter = ',')]
    pub netns: Vec<String>,

    /// How to see assignments.
    #[command(flatten)]
    pub kernel: KernelArgs,
}
