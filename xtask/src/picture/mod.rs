//! `cargo xtask picture`: the picture of `ephtrace top` in the README, from a real run.
//!
//! In a network namespace of its own, whose range has 2000 ports, some programs connect, one of
//! which uses the ports up. `ephtrace top` runs beside them in tmux, which is the terminal here,
//! and tells what is on it.

mod load;
mod screen;
mod svg;

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::Subcommand;

use crate::{apt, artifacts, process, say::result, setup, workspace};

/// Draw `ephtrace top` for the README.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How long the programs run before the picture is taken
    #[arg(long, default_value_t = 62, value_name = "SECONDS")]
    after: u64,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program starts itself for.
#[derive(Subcommand)]
enum Part {
    /// Take the picture, in the namespaces that are there for it
    #[command(hide = true)]
    Take { ephtrace: PathBuf, picture: PathBuf },
    /// Connect
    #[command(hide = true)]
    Load(load::Load),
}

const PICTURE: &str = "docs/images/top.svg";
const TITLE: &str = "ephtrace top: shop-api has used up the ports for 127.0.0.1:5432";

const COLUMNS: usize = 100;
const LINES: usize = 30;

/// The ports of the namespace, and the name of the host.
const RANGE: &str = "40000 41999";
const HOST: &str = "web1";

/// Builds ephtrace and takes the picture; root is needed to trace and for namespaces.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    match &args.part {
        Some(Part::Load(load)) => load::run(load)?,
        Some(Part::Take { ephtrace, picture }) => take(ephtrace, picture, args.after)?,
        None => return start(args),
    }
    Ok(ExitCode::SUCCESS)
}

fn start(args: &Args) -> Result<ExitCode> {
    setup::ensure()?;
    apt::require("a terminal for the picture, and its network", &["tmux", "iproute2"])?;
    let built = artifacts::ephtrace()?;
    let mut unshare = process::as_root("unshare");
    unshare.args(["--net", "--uts"]).arg(std::env::current_exe()?);
    unshare.args(["picture", "--after", &args.after.to_string(), "take"]);
    unshare.arg(built.path("ephtrace")?).arg(workspace::root().join(PICTURE));
    // The exit code is that of the part.
    Err(unshare.exec()).with_context(|| format!("cannot run {}", process::spell(&unshare)))
}

fn take(ephtrace: &Path, picture: &Path, after: u64) -> Result<()> {
    process::output(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    // Both are those of the namespaces that this process is in.
    for (path, value) in [("net/ipv4/ip_local_port_range", RANGE), ("kernel/hostname", HOST)] {
        let path = Path::new("/proc/sys").join(path);
        fs::write(&path, value).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let terminal = Terminal::start(ephtrace)?;
    let programs = load::Programs::start()?;
    thread::sleep(Duration::from_secs(after));
    let shown = terminal.screen()?;
    drop(programs);
    let lines = screen::read(&shown)?;
    fs::write(picture, svg::picture(&lines, COLUMNS, TITLE))
        .with_context(|| format!("cannot write {}", picture.display()))?;
    result(format_args!("{}", picture.display()));
    Ok(())
}

/// A terminal on which ephtrace runs: a server of tmux that nobody else uses.
struct Terminal {
    socket: String,
}

impl Terminal {
    fn start(ephtrace: &Path) -> Result<Self> {
        let terminal = Self { socket: format!("ephtrace-picture-{}", std::process::id()) };
        let mut tmux = terminal.tmux("new-session");
        tmux.args(["-d", "-x", &COLUMNS.to_string(), "-y", &LINES.to_string(), "--"]);
        tmux.arg(ephtrace).args(["top", "--netns", "/proc/self/ns/net"]);
        // All lines are ephtrace's.
        process::output(tmux.args([";", "set-option", "-g", "status", "off"]))?;
        Ok(terminal)
    }

    fn screen(&self) -> Result<String> {
        process::output(self.tmux("capture-pane").args(["-e", "-p"]))
    }

    /// A command for this server, without the user's own configuration.
    fn tmux(&self, command: &str) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.args(["-u", "-f", "/dev/null", "-L", &self.socket, command]);
        tmux.env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR").env_remove("TMUX");
        tmux
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // With it ends what runs on it.
        let _ = process::output(&mut self.tmux("kill-server"));
    }
}
