//! What people and CI run: `cargo xtask COMMAND`.
//!
//! Never needed by a plain `cargo build`: it prepares the machine, runs the parts that need root,
//! boots other kernels and makes what is shipped. Links no other crate of the workspace.

mod artifacts;
mod cpio;
mod guest;
mod process;
mod say;
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
    /// Run the kernel tests, or a command, in small guests with other kernels.
    Guest(guest::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Guest(args) => guest::main(&args),
    };
    result.unwrap_or_else(|error| {
        say::error(&error);
        ExitCode::FAILURE
    })
}
