//! Arguments of `ephtrace report`.

use std::path::PathBuf;

use clap::Args;

use super::{
    filter::FilterArgs,
    options::{PlotArg, ReadArgs, Verbosity},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  ephtrace report ports.ndjson             what `ephtrace -o json` recorded
  ephtrace report ports.parquet            what `ephtrace record` recorded
  ephtrace report host.pcap                the clients in a `tcpdump -w` or Wireshark capture
  ephtrace report rotated.pcap*            several files, merged by time
  zstd -dc ports.zst | ephtrace report -   from standard input
  ephtrace report ports.ndjson --plot | less
  ephtrace report ports.ndjson --json | jq .verdict.algorithm
  ephtrace report ports.ndjson --html ports.html     a page with charts, one file
  ephtrace report --compare before.parquet after.parquet
                                           did the fix work?
  ephtrace report --compare before.pcap after.pcap --html both.html
  ephtrace report server.pcap --src 192.0.2.7        one client of many

For a tool or system that ephtrace can't read, write one JSON object per line with the keys
ts_ns, saddr, sport, daddr, dport (and, where known, protocol, netns, errno, origin,
range).";

/// What `report` was asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct ReportArgs {
    /// A recording, a packet capture, or a log of another tool; - is standard input. Several files
    /// are merged by time
    #[arg(value_name = "FILE", required_unless_present_any = ["from", "compare"])]
    pub files: Vec<PathBuf>,

    /// The same as FILE, as in other commands
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "files")]
    pub from: Vec<PathBuf>,

    /// Did the fix work? Compare two recordings: failures, port search latency, verdicts, fullest
    /// destinations, resolved and new findings
    #[arg(long, num_args = 2, value_names = ["BEFORE", "AFTER"],
          conflicts_with_all = ["files", "from", "plot"])]
    pub compare: Vec<PathBuf>,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,

    /// Write an HTML page with charts to this file instead of text; - is standard output
    #[arg(long, value_name = "OUT", conflicts_with_all = ["json", "plot"])]
    pub html: Option<PathBuf>,

    /// Permissions of that page if it is new, such as 644; by default, only its owner may read and
    /// write it
    #[arg(long, value_name = "MODE", requires = "html")]
    pub mode: Option<String>,

    /// Draw the ports above the text: on a terminal with UTF-8 (auto), always, or never; --plot
    /// alone means always
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, num_args = 0..=1,
          require_equals = true, default_missing_value = "always", hide_possible_values = true)]
    pub plot: PlotArg,

    /// Show all columns and whole lines, even on a narrow terminal
    #[arg(short, long)]
    pub wide: bool,

    /// Which assignments to report on.
    #[command(flatten)]
    pub filter: FilterArgs,

    /// How the recording is read.
    #[command(flatten)]
    pub read: ReadArgs,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

impl ReportArgs {
    /// The recordings, however they were named; clap asks for one of the two.
    pub fn recordings(&self) -> Vec<PathBuf> {
        self.files.iter().chain(&self.from).cloned().collect()
    }
}
