//! What was typed, and nothing more: no file is opened, no name looked up, no limit checked.
//!
//! What it means is in `commands`. Nothing else of the library is named here but the formats of
//! `output`, which are listed once.
#![expect(clippy::doc_markdown, reason = "comments of arguments are their help, not markdown")]

mod check;
mod doctor;
mod explain;
mod filter;
mod number;
mod options;
mod ports;
mod record;
mod report;
mod schema;
mod serve;
mod storm;
mod top;
mod trace;
mod whatif;

use clap::{Parser, Subcommand};

pub use self::{
    check::CheckArgs,
    doctor::DoctorArgs,
    explain::ExplainArgs,
    filter::{FilterArgs, OriginArg},
    options::{ByArg, HookArg, KernelArgs, PlotArg, ReadArgs, StopArgs, Verbosity, ViewArgs},
    ports::PortsArgs,
    record::RecordArgs,
    report::ReportArgs,
    schema::SchemaArgs,
    serve::{DEFAULT_ADDRESS, ServeArgs},
    storm::StormArgs,
    top::TopArgs,
    trace::TraceArgs,
    whatif::{Nat, Preset, WhatifArgs},
};

const EXAMPLES: &str = "\
Examples:
  sudo ephtrace                        every port assigned to a socket
  sudo ephtrace -x                     only attempts that got no port
  sudo ephtrace -p 181,204 -P 443      two processes, destination port 443
  sudo ephtrace -c curl -6 -w          curl over IPv6, room for long addresses
  sudo ephtrace --dst 10.0.0.0/8 -P 80,8000-8100
  sudo ephtrace --netns blue -T        in the namespace `blue`, with wall-clock times
  sudo ephtrace --min-latency 100us    only assignments with a long port search
  sudo ephtrace --origin udp,bind      only UDP and bind() to port 0
  sudo ephtrace -o json --duration 60s --output ports.ndjson
  sudo ephtrace top                    live full-screen view
  sudo ephtrace -v                     with an explanation of each assignment
  sudo ephtrace storm                  why connects are slow or fail, and who causes it
  sudo ephtrace ports                  the ports in use now, and who holds them
  ephtrace explain 10.0.0.5:5432       would a connect find a port now? if not, why?
  ephtrace doctor                      what this kernel and user allow
  sudo ephtrace record ports.parquet   for report, DuckDB, Polars and Spark
  sudo ephtrace report ports.parquet   how the ports of a recording were assigned";

/// Trace every ephemeral port that Linux assigns, and find out why none was assigned.
///
/// Without a command, ephtrace traces: `ephtrace -p 181` means `ephtrace trace -p 181`. Events go
/// to standard output, everything else to standard error.
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
    #[command(after_help = trace::EXAMPLES)]
    Trace(TraceArgs),
    /// Count assignments, failures and search cost of each process, in the kernel, and name the
    /// cause of a storm
    #[command(after_help = storm::EXAMPLES)]
    // In errors, clap's own says that what has a default is required.
    #[command(override_usage = "ephtrace storm [OPTIONS] [INTERVAL] [COUNT]")]
    Storm(StormArgs),
    /// Report in one line whether ports are running short, in Nagios plugin format
    #[command(after_help = check::EXAMPLES)]
    Check(CheckArgs),
    /// Calculate how many connections a range, a NAT or more addresses can sustain; needs no root
    #[command(after_help = whatif::EXAMPLES)]
    Whatif(WhatifArgs),
    /// Show a live full-screen view: ports, destinations, processes, failures
    #[command(after_help = top::EXAMPLES)]
    Top(TopArgs),
    /// Check what this kernel and user allow ephtrace to do, and how to allow more
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(DoctorArgs),
    /// Show the ports in use now by destination, state and process, and how full the range is
    #[command(after_help = ports::EXAMPLES)]
    Ports(PortsArgs),
    /// Tell whether a port is free now for a destination, a connection or bind(), and if
    /// not, why, and who has it
    #[command(after_help = explain::EXAMPLES)]
    Explain(ExplainArgs),
    /// Record assignments into a Parquet file, for `report`, DuckDB, Polars and Spark
    #[command(after_help = record::EXAMPLES)]
    Record(RecordArgs),
    /// Analyse a recording: how ports are assigned, what failed, what is missing; needs no root
    #[command(after_help = report::EXAMPLES)]
    Report(ReportArgs),
    /// Serve metrics for Prometheus continuously: assignments, failures, use of the ports, findings
    #[command(after_help = serve::EXAMPLES)]
    Serve(ServeArgs),
    /// Print the JSON Schema (draft 2020-12) of ephtrace's JSON output
    #[command(after_help = schema::EXAMPLES)]
    Schema(SchemaArgs),
}

impl Command {
    /// How much to say on standard error.
    pub fn verbosity(&self) -> Verbosity {
        match self {
            Self::Trace(args) => args.verbosity,
            Self::Storm(args) => args.verbosity,
            // Its one line is all that it says.
            Self::Check(_) => Verbosity { quiet: true, ..Verbosity::default() },
            Self::Whatif(args) => args.verbosity,
            Self::Top(args) => args.verbosity,
            Self::Doctor(args) => args.verbosity,
            Self::Ports(args) => args.verbosity,
            Self::Explain(args) => args.verbosity,
            Self::Record(args) => args.verbosity,
            Self::Report(args) => args.verbosity,
            Self::Serve(args) => args.verbosity,
            Self::Schema(args) => args.verbosity,
        }
    }
}

#[cfg(test)]
mod tests;
