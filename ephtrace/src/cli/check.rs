//! What `check` was asked for.

use clap::Args;

use super::options::KernelArgs;

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo ephtrace check                       one line; exit 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
  sudo ephtrace check --use 40,80 --failures 0,5 --p99 500us,5ms
  sudo ephtrace check --for 5s --netns all
  ephtrace check --no-trace                 only the ports in use; needs no root
  sudo ephtrace check --json                the same result and all findings as JSON

The output is in Nagios plugin format, with performance data (also for Icinga and Checkmk).";

/// Arguments of `check`.
#[derive(Clone, Debug, Default, Args)]
pub struct CheckArgs {
    /// Ports in use for the fullest destination, as a percentage of the usable ports
    #[arg(long, value_name = "WARN,CRIT", default_value = "50,90")]
    pub r#use: String,

    /// Failed attempts to get a port, as a percentage of the attempts of the same program for the
    /// same destination; 0 warns of any failure
    #[arg(long, value_name = "WARN,CRIT", default_value = "0,1")]
    pub failures: String,

    /// 99th percentile of the port search latency
    #[arg(long, value_name = "WARN,CRIT", default_value = "1ms,10ms")]
    pub p99: String,

    /// How long to count attempts
    #[arg(long = "for", value_name = "TIME", default_value = "2s")]
    pub span: String,

    /// Check only the ports in use, without counting attempts
    #[arg(long)]
    pub no_trace: bool,

    /// Print one JSON object instead of a line
    #[arg(long)]
    pub json: bool,

    /// Check these network namespaces instead of ephtrace's own: inode number, path, name in `ip
    /// netns`, or all
    #[arg(long, value_name = "NETNS", value_delimiter = ',')]
    pub netns: Vec<String>,

    /// How to see assignments.
    #[command(flatten)]
    pub kernel: KernelArgs,
}
