//! Options that several commands share: output, end, hook, messages.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::number::whole;
use crate::output::Format;

/// How to show assignments.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct ViewArgs {
    /// Show the column TIME(s), seconds since ephtrace began to trace, or since the first row of a
    /// recording (default, unless -T)
    #[arg(short = 't', long)]
    pub timestamp: bool,

    /// Show the column TIME, wall clock; add -t for both
    #[arg(short = 'T', long)]
    pub time: bool,

    /// Show the column UID
    #[arg(short = 'U', long)]
    pub print_uid: bool,

    /// Show all columns, with room for long IPv6 addresses, even on a narrow terminal
    #[arg(short, long)]
    pub wide: bool,

    /// Format of the events
    #[arg(short = 'o', long, value_name = "FORMAT", value_enum, default_value_t)]
    pub format: Format,

    /// Write CSV text unchanged; by default, control characters are escaped, and an apostrophe
    /// precedes text that a spreadsheet would take for a formula
    #[arg(long)]
    pub raw: bool,

    /// Plot the ports in the summary: on a terminal with UTF-8 (auto), always, or never; --plot
    /// alone means always
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, num_args = 0..=1,
          require_equals = true, default_missing_value = "always", hide_possible_values = true)]
    pub plot: PlotArg,

    /// Write the events to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Permissions of the output file if it is new, such as 640; by default, only its owner may
    /// read and write it
    #[arg(long, value_name = "MODE", requires = "output")]
    pub mode: Option<String>,
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

/// How a recording is read.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Recording")]
pub struct ReadArgs {
    /// Limit the memory for reading a recording, such as 512M or 2GiB (default 256M); parts that
    /// need more are skipped and reported
    #[arg(long, value_name = "SIZE")]
    pub max_memory: Option<String>,
}

/// When to stop.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct StopArgs {
    /// Stop after N events
    #[arg(long, value_name = "N", value_parser = whole::<u64>(1..=u64::MAX))]
    pub count: Option<u64>,

    /// Stop after this time: 10 (seconds), 90s, 1h30m, 1d
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
}

/// Grouping of the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ByArg {
    /// Processes of one name in one container
    #[default]
    Process,
    /// A container
    Container,
    /// A pod of Kubernetes
    Pod,
    /// A systemd unit
    Unit,
}

/// How to see assignments.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Kernel")]
pub struct KernelArgs {
    /// Kernel hook to use; `ephtrace doctor` shows which work here
    #[arg(long, value_name = "HOOK", value_enum, default_value_t)]
    pub hook: HookArg,

    /// Read the kernel's types from this BTF file instead of /sys/kernel/btf/vmlinux
    #[arg(long, value_name = "FILE")]
    pub btf: Option<PathBuf>,

    /// Do not measure the cost of ephtrace's BPF programs: measuring makes the kernel patch its
    /// code every ten seconds, which briefly interrupts all CPUs
    #[arg(long)]
    pub no_kernel_cost: bool,

    /// Switch to this user (name or number), keeping only the capabilities that tracing needs; new
    /// files belong to that user
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,

    /// Size of the ring buffer between kernel and ephtrace, in bytes, such as 8M
    #[arg(long, value_name = "BYTES", hide = true)]
    pub ring_size: Option<String>,
}

/// Value of `--hook`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum HookArg {
    /// The first of the hooks below that works here
    #[default]
    Auto,
    /// fentry and fexit on the port search; needs BTF
    Fentry,
    /// kprobe and kretprobe on the port search
    Kprobe,
    /// Tracepoint and sock_ops program; does not show the candidates tried
    #[value(name = "sock_ops", alias = "sock-ops")]
    SockOps,
}

/// How much to say on standard error.
#[derive(Clone, Copy, Debug, Default, Args)]
#[command(next_help_heading = "Messages")]
pub struct Verbosity {
    /// Log more to standard error, and explain each line of a trace in a sentence; -vv and -vvv log
    /// even more
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Colour failures and severities: on a colour terminal unless NO_COLOR is set (auto), always,
    /// or never
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, hide_possible_values = true)]
    pub color: PlotArg,

    /// Write only errors and losses to standard error: no notices, no summary
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
