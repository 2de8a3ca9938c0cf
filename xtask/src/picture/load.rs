//! Programs that connect, for the picture: each a process with a name of its own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

/// A program of the picture.
#[derive(clap::Args)]
pub(super) struct Load {
    /// What the process is called
    name: String,
    /// The port of 127.0.0.1 that it listens on, and connects to
    port: u16,
    /// How often it connects, in a second
    rate: f64,
    /// Keep each connection
    #[arg(long)]
    keep: bool,
}

/// Names, ports, rates, and who keeps its connections.
const PROGRAMS: [(&str, &str, &str, bool); 4] = [
    ("shop-api", "5432", "42", true),
    ("web", "6379", "9", false),
    ("web", "443", "6", false),
    ("mailer", "25", "2", false),
];

/// Running programs, which end with this.
pub(super) struct Programs(Vec<Child>);

impl Programs {
    /// Starts all of them, in the network namespace of this process.
    pub(super) fn start() -> Result<Self> {
        let mut programs = Self(Vec::new());
        for (name, port, rate, keeps) in PROGRAMS {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["picture", "load", name, port, rate]).args(keeps.then_some("--keep"));
            programs.0.push(command.spawn().context("cannot start a program that connects")?);
        }
        Ok(programs)
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        for program in &mut self.0 {
            // One that has ended by itself can't be killed.
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

/// Connects at its rate until it is killed.
pub(super) fn run(load: &Load) -> Result<()> {
    fs::write("/proc/self/comm", &load.name).context("cannot name this process")?;
    let listener = TcpListener::bind(("127.0.0.1", load.port))
        .with_context(|| format!("cannot listen on port {}", load.port))?;
    let to = listener.local_addr()?;
    let (began, mut kept) = (Instant::now(), Vec::new());
    for nth in 0_u32.. {
        let due = began + Duration::from_secs_f64(f64::from(nth) / load.rate);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A connect that finds no port is what the picture is about.
        let Ok(client) = TcpStream::connect(to) else { continue };
        let (server, _) = listener.accept()?;
        if load.keep {
            kept.push((client, server));
        } else {
            // Whoever closes first has the TIME_WAIT, here the client.
            drop(client);
        }
    }
    Ok(())
}
