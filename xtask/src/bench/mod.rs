//! `cargo xtask bench`: measures the cost of ephtrace and the quality of its verdicts. The results
//! are figures, not pass or fail, except for those that do not depend on the load of the machine:
//! instructions and memory have bounds.

mod callgrind;
mod cargo;
mod document;
mod formats;
pub(crate) mod instructions;
mod patterns;
mod ratchets;
mod rows;
mod storm;
mod tracer;

use std::process::ExitCode;

use anyhow::Result;

use self::cargo::bench;
use crate::process;

/// What `bench` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is measured; the storm, if nothing is named
    #[command(subcommand)]
    what: Option<Benchmark>,
    #[command(flatten)]
    storm: storm::StormArgs,
}

/// What can be measured.
#[derive(clap::Subcommand)]
enum Benchmark {
    /// A storm of connects, untraced, traced, and traced by other tools
    Storm(storm::StormArgs),
    /// What one connect costs, to the instruction: guests whose clock counts them
    #[command(long_flag = "instructions")]
    Instructions(instructions::InstructionsArgs),
    /// What a row of a recording costs, by stage: valgrind's callgrind counts instructions
    Callgrind(callgrind::CallgrindArgs),
    /// How well verdicts tell the patterns: the tables of docs/patterns.md
    Patterns(patterns::PatternsArgs),
    /// Crates, size and build time of a release
    Build(ratchets::BuildArgs),
    /// Ten million rows in bounded memory
    Rows,
    /// How many lines or packets of each format are read in a second: docs/performance.md
    Formats(formats::FormatsArgs),
    /// How many assignments of a recording are judged in a second
    Report,
    /// What one assignment costs between the decoder and NDJSON
    Ndjson,
}

/// Measures. Nobody else may build with cargo meanwhile, since the processor is measured.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    match &args.what {
        Some(Benchmark::Instructions(args)) => return instructions::main(args),
        Some(Benchmark::Callgrind(args)) => callgrind::main(args)?,
        Some(Benchmark::Build(args)) => ratchets::main(args)?,
        Some(Benchmark::Rows) => rows::main()?,
        None => storm::compare(&args.storm)?,
        Some(Benchmark::Storm(args)) => storm::compare(args)?,
        Some(Benchmark::Patterns(args)) => patterns::evaluate(args)?,
        Some(Benchmark::Formats(args)) => formats::measure(args)?,
        Some(Benchmark::Report) => process::run(&mut bench("report", ["--noplot"]))?,
        Some(Benchmark::Ndjson) => process::run(&mut bench("ndjson", ["--noplot"]))?,
    }
    Ok(ExitCode::SUCCESS)
}
