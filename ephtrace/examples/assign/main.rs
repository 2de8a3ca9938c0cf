//! Makes the kernel assign ephemeral ports, and reports its choices.
//!
//! Every subcommand asks the kernel itself (`getsockname`), so its log is the truth by which a
//! tracer is judged: one JSON object per line, described by [`truth::Attempt`]. All traffic stays
//! on the loopback device.

mod calls;
mod context;
mod cost;
mod crowd;
mod exhaust;
mod gate;
mod net;
mod netns;
mod offspring;
mod pattern;
mod search;
mod skip;
mod storm;
mod truth;
mod ways;

use std::{io, net::SocketAddr, os::fd::AsFd as _, thread, time::Duration};

use anyhow::Result;
use clap::{Parser, Subcommand};
use socket2::Socket;

use truth::{Origin, Truth};

/// Make the kernel assign ephemeral ports, and log which ones it chose
#[derive(Parser)]
#[command(name = "assign", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Go through every way in which a TCP socket gets its port
    Ways(ways::Args),
    /// Connect and reset as fast as possible, then print one line with the rate
    Storm(storm::Args),
    /// Flood by processes that each bind a few sockets and end
    Offspring(offspring::Args),
    /// Connect one after another, then print one line with what a connect takes
    Cost(cost::Args),
    /// Search in many threads at once while one connect waits
    Crowd(crowd::Args),
    /// Use up a narrow range in a network namespace of its own
    Exhaust(exhaust::Args),
    /// Search for ports where some are taken, in a network namespace of its own
    Search(search::Args),
    /// Have ports assigned over and over in one manner, for their pattern
    Pattern(pattern::Args),
    /// Connect once and end: a process that is gone before anyone can look it up
    Connect {
        /// Whom to connect to
        to: SocketAddr,
        /// What the log calls it
        #[arg(long, default_value = "connect")]
        way: String,
        /// Connect the socket that standard input is
        #[arg(long)]
        inherited: bool,
        /// Stay for so many milliseconds before the end
        #[arg(long, default_value_t = 0, value_name = "MS")]
        stay: u64,
    },
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Ways(args) => ways::run(&args),
        Command::Storm(args) => storm::run(&args),
        Command::Offspring(args) => offspring::run(&args),
        Command::Cost(args) => cost::run(&args),
        Command::Crowd(args) => crowd::run(&args),
        Command::Exhaust(args) => exhaust::run(&args),
        Command::Search(args) => search::run(&args),
        Command::Pattern(args) => pattern::run(&args),
        Command::Connect { to, way, inherited, stay } => {
            connect(to, &way, inherited)?;
            thread::sleep(Duration::from_millis(stay));
            Ok(())
        }
    }
}

/// Connects once.
fn connect(to: SocketAddr, way: &str, is_inherited: bool) -> Result<()> {
    let truth = Truth::stdout();
    let client = if is_inherited {
        Socket::from(io::stdin().as_fd().try_clone_to_owned()?)
    } else {
        net::client(to)?
    };
    truth::Probe::new(&truth, way, to).origin(Origin::Connect).connect(&client)?;
    truth.flush()
}
