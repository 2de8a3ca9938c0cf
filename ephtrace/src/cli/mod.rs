//! What was typed, and nothing more: no file is opened, no name looked up, no limit checked.
//!
//! What it means is in `settings`. This module names no other of the crate, so that build scripts
//! may include it to write the manual page and the completions.
#![expect(clippy::doc_markdown, reason = "comments of arguments are their help, not markdown")]

mod check;
mod ports;
mod record;
mod storm;
mod top;
mod whatif;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, builder::PossibleValue};

use crate::event::Origin;

pub use self::{
    check::CheckArgs,
    ports::PortsArgs,
    record::RecordArgs,
    storm::StormArgs,
    top::TopArgs,
    whatif::{Nat, Preset, WhatifArgs},
};

const EXAMPLES: &str = "\
Examples:
  sudo ephtrace                        every port that TCP connects are given
  sudo ephtrace -x                     only connects that found no free port
  sudo ephtrace -p 181,204 -P 443      two processes, destination port 443
  sudo ephtrace -c curl -6 -w          curl over IPv6, room for long addresses
  sudo ephtrace --dst 10.0.0.0/8 -P 80,8000-8100
  sudo ephtrace --netns blue -T        in the namespace of `ip netns`, wall clock
  sudo ephtrace --min-latency 100us    only where the search for a port took long
  sudo ephtrace --origin udp,bind      only these ways to get a port
  sudo ephtrace -o json --duration 60s --output ports.ndjson
  sudo ephtrace top                    what happens now, on a whole terminal
  sudo ephtrace -v                     with a sentence on each: where the search began
  sudo ephtrace storm                  connects are slow or fail: who, where to, why
  sudo ephtrace ports                  what is in use now, and who holds it
  ephtrace doctor                      what this kernel and user allow, and why not
  sudo ephtrace record ports.parquet   for report, DuckDB, Polars and Spark
  ephtrace report ports.parquet        how the ports of a recording were handed out";

const TRACE_EXAMPLES: &str = "\
Examples:
  sudo ephtrace trace -c nginx -P 8080         who is given which port by nginx
  sudo ephtrace trace --cgroup system.slice/app.service -o csv
  sudo ephtrace trace -o json --count 1000 | jq .sport
  ephtrace trace --from ports.parquet -x -o csv   the failures of a recording

A flag that takes several values takes them as a list (-P 80,443) and repeated
(-P 80 -P 443). Different flags must all hold.";

const DOCTOR_EXAMPLES: &str = "\
Examples:
  ephtrace doctor            a table, for people
  ephtrace doctor --json     the same as data";

const REPORT_EXAMPLES: &str = "\
Examples:
  ephtrace report ports.ndjson             what `ephtrace -o json` recorded
  ephtrace report ports.parquet            what `ephtrace record` recorded
  ephtrace report host.pcap                the SYN packets of `tcpdump -w` or Wireshark
  zstd -dc ports.zst | ephtrace report -   from standard input
  ephtrace report ports.ndjson --plot | less
  ephtrace report ports.ndjson --json | jq .verdict.algorithm
  ephtrace report ports.ndjson --html ports.html     a page with charts, one file

A recording of another tool or system needs one JSON object a line, with the keys
ts_ns, saddr, sport, daddr, dport (and protocol, netns, errno, origin, range, where
known).";

/// Record every ephemeral port that Linux assigns, and find out why there is none.
///
/// Without a command, ephtrace traces: `ephtrace -p 181` is `ephtrace trace -p 181`. Events go to
/// standard output, everything else to standard error.
#[derive(Clone, Debug, Parser)]
#[command(name = "ephtrace", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    trace: TraceArgs,
}

impl Cli {
    /// The command that was meant: tracing, unless another was named.
    pub fn into_command(self) -> Command {
        let Self { command, trace } = self;
        command.unwrap_or(Command::Trace(trace))
    }
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Stream every assignment as it happens (what ephtrace does without a command)
    #[command(after_help = TRACE_EXAMPLES)]
    Trace(TraceArgs),
    /// Count in the kernel who connects where, what fails and what it costs; name the cause
    #[command(after_help = storm::EXAMPLES)]
    Storm(StormArgs),
    /// Say in one line whether ports run short, with the exit codes of monitoring plugins
    #[command(after_help = check::EXAMPLES)]
    Check(CheckArgs),
    /// Work out how many connections a range, a NAT or more addresses can carry; needs no root
    #[command(after_help = whatif::EXAMPLES)]
    Whatif(WhatifArgs),
    /// Show what happens now, on a whole terminal: ports, destinations, processes, failures
    #[command(after_help = top::EXAMPLES)]
    Top(TopArgs),
    /// Say what this kernel and user allow, and what would change it
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Say what is in use now: by destination, state and process, and how near the range is to its end
    #[command(after_help = ports::EXAMPLES)]
    Ports(PortsArgs),
    /// Record into a Parquet file, for `report`, DuckDB, Polars and Spark
    #[command(after_help = record::EXAMPLES)]
    Record(RecordArgs),
    /// Judge a recording: how ports are handed out, what failed, what is missing; needs no root
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
}

impl Command {
    /// How much to say on standard error.
    pub fn verbosity(&self) -> Verbosity {
        match self {
            Self::Trace(args) => args.verbosity,
            Self::Storm(args) => args.verbosity,
            // Its one line is all that it says.
            Self::Check(_) => Verbosity { quiet: true, verbose: 0 },
            Self::Whatif(args) => args.verbosity,
            Self::Top(args) => args.verbosity,
            Self::Doctor(args) => args.verbosity,
            Self::Ports(args) => args.verbosity,
            Self::Record(args) => args.verbosity,
            Self::Report(args) => args.verbosity,
        }
    }
}

/// What `trace` was asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct TraceArgs {
    /// Read this recording (NDJSON, Parquet, pcap; - is standard input) in place of the kernel
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hook", "btf", "ring_size"])]
    pub from: Option<PathBuf>,
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
    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// Which assignments to keep; the kernel drops all others before they cost anything.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only these processes
    #[arg(short, long, value_name = "PID", value_delimiter = ',')]
    pub pid: Vec<u32>,

    /// Only processes of these users (number or name)
    #[arg(short, long, value_name = "USER", value_delimiter = ',')]
    pub uid: Vec<String>,

    /// Only processes of these names (as in /proc/PID/comm, at most 15 bytes)
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    pub comm: Vec<String>,

    /// Only these destination ports, such as 80,443,8000-8100
    #[arg(short = 'P', long, value_name = "PORTS", value_delimiter = ',')]
    pub port: Vec<String>,

    /// Only these assigned ports, such as 40000-40999
    #[arg(
        short = 'L',
        long,
        value_name = "PORTS",
        value_delimiter = ',',
        conflicts_with = "failed"
    )]
    pub lport: Vec<String>,

    /// Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub dst: Vec<String>,

    /// Only sources in these networks
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub src: Vec<String>,

    /// Only these network namespaces: inode number, path, or name of `ip netns`
    #[arg(long, value_name = "NETNS", value_delimiter = ',')]
    pub netns: Vec<String>,

    /// Only tasks in this cgroup or below it: absolute path, or relative to the cgroup v2 mount
    #[arg(long, value_name = "PATH")]
    pub cgroup: Vec<PathBuf>,

    /// Only IPv4
    #[arg(short = '4', long)]
    pub ipv4: bool,

    /// Only IPv6
    #[arg(short = '6', long)]
    pub ipv6: bool,

    /// Only assignments that came about in this way
    #[arg(long, value_name = "ORIGIN", value_enum, value_delimiter = ',')]
    pub origin: Vec<OriginArg>,

    /// Only failed assignments: the kernel found no port
    #[arg(short = 'x', long)]
    pub failed: bool,

    /// Only where the search took at least so long, such as 100us or 1ms
    #[arg(long, value_name = "TIME")]
    pub min_latency: Option<String>,
}

/// How to show assignments.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct ViewArgs {
    /// Column TIME(s), seconds since the start (default, unless -T)
    #[arg(short = 't', long)]
    pub timestamp: bool,

    /// Column TIME, wall clock; together with -t both
    #[arg(short = 'T', long)]
    pub time: bool,

    /// Column UID
    #[arg(short = 'U', long)]
    pub print_uid: bool,

    /// Room for long IPv6 addresses from the start
    #[arg(short, long)]
    pub wide: bool,

    /// Format of the events
    #[arg(short = 'o', long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: FormatArg,

    /// Draw the ports with the summary: on a terminal (auto), always, or never; --plot alone is always
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, num_args = 0..=1,
          require_equals = true, default_missing_value = "always", hide_possible_values = true)]
    pub plot: PlotArg,

    /// Write the events to this file, not to standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// When to stop.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct StopArgs {
    /// Stop after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,

    /// Stop after so long, such as 30s or 5m
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
}

/// How to see assignments.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Kernel")]
pub struct KernelArgs {
    /// How to see assignments; `ephtrace doctor` says what works here
    #[arg(long, value_name = "HOOK", value_enum, default_value_t)]
    pub hook: HookArg,

    /// Read the kernel's types from this BTF file, not from /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,

    /// Size of the ring buffer between kernel and ephtrace, in bytes, with suffix K or M
    #[arg(long, value_name = "BYTES", hide = true)]
    pub ring_size: Option<String>,
}

/// What `doctor` was asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct DoctorArgs {
    /// Print data (one JSON object), not a table
    #[arg(long)]
    pub json: bool,

    /// Read the kernel's types from this BTF file, not from /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// What `report` was asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct ReportArgs {
    /// The recording: Parquet, NDJSON or a capture; - is standard input
    #[arg(value_name = "FILE", required_unless_present = "from")]
    pub file: Option<PathBuf>,

    /// The same, as other commands take it
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub from: Option<PathBuf>,

    /// Print data (one JSON object), not text
    #[arg(long)]
    pub json: bool,

    /// Write a page with charts to this file, in place of the text; - is standard output
    #[arg(long, value_name = "OUT", conflicts_with_all = ["json", "plot"])]
    pub html: Option<PathBuf>,

    /// Draw the ports above the text: on a terminal (auto), always, or never; --plot alone is always
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, num_args = 0..=1,
          require_equals = true, default_missing_value = "always", hide_possible_values = true)]
    pub plot: PlotArg,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

impl ReportArgs {
    /// The recording, however it was named; clap asks for one of the two.
    pub fn recording(&self) -> PathBuf {
        self.file.clone().or_else(|| self.from.clone()).unwrap_or_default()
    }
}

/// How much to say on standard error.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Messages")]
pub struct Verbosity {
    /// Explain each line of the table in a sentence, and say more on standard error; -vv and -vvv
    /// say yet more
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Only errors and losses on standard error: no notices, no summary
    #[arg(short, long)]
    pub quiet: bool,
}

impl Verbosity {
    /// The least urgent log messages to show.
    pub fn level(self) -> log::LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => log::LevelFilter::Error,
            (false, 0) => log::LevelFilter::Warn,
            (false, 1) => log::LevelFilter::Info,
            (false, 2) => log::LevelFilter::Debug,
            (false, _) => log::LevelFilter::Trace,
        }
    }
}

/// Value of `--origin`: any of [`Origin::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginArg(pub Origin);

impl ValueEnum for OriginArg {
    fn value_variants<'a>() -> &'a [Self] {
        const VARIANTS: [OriginArg; Origin::ALL.len()] = all_origins();
        &VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()).help(self.0.description()))
    }
}

const fn all_origins() -> [OriginArg; Origin::ALL.len()] {
    let mut all = [OriginArg(Origin::Connect); Origin::ALL.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = OriginArg(Origin::ALL[i]);
        i += 1;
    }
    all
}

/// Value of `--format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// A table, for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
    /// Comma-separated values with a header
    Csv,
}

/// Value of `--plot`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PlotArg {
    /// On a terminal
    #[default]
    Auto,
    /// Into pipes and files, too
    Always,
    /// Not at all
    Never,
}

/// Value of `--hook`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum HookArg {
    /// The first of the others that works here
    #[default]
    Auto,
    /// fentry and fexit on the search; needs BTF
    Fentry,
    /// kprobe and kretprobe on the search
    Kprobe,
    /// Tracepoint and sock_ops program; tells less
    #[value(name = "sock_ops", alias = "sock-ops")]
    SockOps,
}

#[cfg(test)]
mod tests;
