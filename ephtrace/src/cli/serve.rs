//! Arguments of `serve`.

use std::path::PathBuf;

use clap::Args;

use super::{
    filter::FilterArgs,
    number::whole,
    options::{KernelArgs, Verbosity},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo ephtrace serve                            metrics on http://127.0.0.1:19435/metrics
  sudo ephtrace serve --web.listen-address unix:/run/ephtrace/metrics.sock
  sudo ephtrace serve --textfile /var/lib/node_exporter/ephtrace.prom
  sudo ephtrace serve --top-destinations 20      with the busiest destinations as labels
  sudo ephtrace serve --incidents /var/lib/ephtrace     save the last minute when it gets critical
  ephtrace serve --print-config > /etc/ephtrace.toml
  curl -s localhost:19435/metrics | grep ephtrace_finding

The kernel does the counting: each connect costs a little more, and ephtrace itself no more,
however many there are. SIGHUP reads the configuration again.";

/// Address by default.
pub const DEFAULT_ADDRESS: &str = "127.0.0.1:19435";

/// Maximum number of destinations with labels of their own.
pub(super) const MAX_DESTINATIONS: u64 = 50;

/// Arguments of `serve`.
#[derive(Clone, Debug, Default, Args)]
#[command(args_override_self = true)]
pub struct ServeArgs {
    /// Listen here: address:port, or unix:/path; may be repeated. Sockets passed by systemd
    /// replace these
    #[arg(long = "web.listen-address", value_name = "ADDRESS", default_value = DEFAULT_ADDRESS)]
    pub listen: Vec<String>,

    /// Also write the metrics to this file, replaced as a whole, for node_exporter's textfile
    /// collector
    #[arg(long, value_name = "FILE")]
    pub textfile: Option<PathBuf>,

    /// Time between two readings of counts and sockets: seconds, or a time such as 10s
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub interval: String,

    /// Number of the busiest destinations that get series of their own, with address and port;
    /// all others are one series, `other`
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = whole::<usize>(0..=MAX_DESTINATIONS))]
    pub top_destinations: usize,

    /// Flight recorder: keep the last assignments in memory, and write them to a folder in this
    /// directory, with a page and an explanation, when a finding turns critical, and on SIGUSR1
    #[arg(long, value_name = "DIR")]
    pub incidents: Option<PathBuf>,

    /// How much time the flight recorder keeps: seconds, or a time such as 60s; at most 65,536
    /// assignments
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub keep: String,

    /// Maximum number of incidents that findings trigger within 24 hours
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = whole::<usize>(1..=1000))]
    pub incidents_per_day: usize,

    /// Maximum size of all incidents: the oldest ones are removed
    #[arg(long, value_name = "SIZE", default_value = "256M")]
    pub incidents_size: String,

    /// Read options from this TOML file, each under its long name; those of the command line win
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Print the options in force as TOML, and exit
    #[arg(long)]
    pub print_config: bool,

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
