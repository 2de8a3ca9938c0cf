//! Commands of developers and CI: `cargo xtask COMMAND`.
//!
//! A plain `cargo build` never needs them: they prepare the machine, run the parts that need root,
//! boot other kernels and make releases. No other crate of the workspace is linked.

mod apt;
mod artifacts;
mod assets;
mod bench;
mod cpio;
mod dist;
mod fuzz;
mod guest;
mod lint;
mod picture;
mod process;
mod run;
mod say;
mod setup;
mod tally;
mod test;
mod waiting;

mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Set up, run, test and ship ephtrace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what building the eBPF half needs.
    Setup(setup::Args),
    /// Build ephtrace and run it as root.
    Run(run::Args),
    /// Check format, clippy's lints and the documentation, as CI does.
    Lint,
    /// Run every test: the workspace's, and the kernel tests on this kernel and in guests.
    Test(test::Args),
    /// Run the kernel tests, or a command, in small guests with other kernels.
    Guest(guest::Args),
    /// Give what reads the files of others any input, for so many seconds.
    Fuzz(fuzz::Args),
    /// Measure what tracing costs, against untraced and peers.
    Bench(bench::Args),
    /// Write man pages and completions to `assets/`, dashboard and rules to `deploy/`.
    Assets(assets::Args),
    /// Draw `ephtrace top` for the README, from a real run.
    Picture(picture::Args),
    /// Build one static file for other hosts.
    Dist,
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Setup(args) => setup::main(&args),
        Command::Run(args) => run::main(&args),
        Command::Lint => lint::main(),
        Command::Test(args) => test::main(&args),
        Command::Guest(args) => guest::main(&args),
        Command::Fuzz(args) => fuzz::main(&args),
        Command::Bench(args) => bench::main(&args),
        Command::Assets(args) => assets::main(&args),
        Command::Picture(args) => picture::main(&args),
        Command::Dist => dist::main(),
    };
    result.unwrap_or_else(|error| {
        say::error(&error);
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn clap_finds_nothing_wrong() {
        Cli::command().debug_assert();
    }
}
