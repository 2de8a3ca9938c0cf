//! What `ephtrace explain` was asked.

use std::path::PathBuf;

use clap::Args;

use super::options::{ReadArgs, Verbosity};

pub(super) const EXAMPLES: &str = "\
Examples:
  ephtrace explain 10.0.0.5:5432       would a connect find a port now?
  ephtrace explain 10.0.0.2:41000 10.0.0.5:5432
                                       who has this connection; can another have it?
  sudo ephtrace explain :8080          who has the port; could I bind to it?
  ephtrace explain :53/udp             for UDP alone
  sudo ephtrace explain EADDRNOTAVAIL  where does it come from, on this machine, now?
  ephtrace explain ranges              which ports do systems give by default, and this one?
  sudo ephtrace explain 10.0.0.5:5432 --probe
                                       ask the kernel what its lists do not tell

Exit code: 0 free, 1 not free, 2 usage, 3 not known.
Without root it sees all ports in use, but not who holds those of other users.";

/// What `explain` was asked.
#[derive(Clone, Debug, Default, Args)]
pub struct ExplainArgs {
    /// A destination (ADDRESS:PORT), a connection (two of them, from and to), a local port (:PORT,
    /// :PORT/tcp, :PORT/udp), an error (EADDRNOTAVAIL, EADDRINUSE, EAGAIN), or `ranges`
    #[arg(value_name = "WHAT", required = true, num_args = 1..=2)]
    pub what: Vec<String>,

    /// In this network namespace, not that of ephtrace: inode number, path, or name of `ip netns`
    #[arg(long, value_name = "NETNS")]
    pub netns: Option<String>,

    /// Ask the kernel, by a socket of ephtrace's own that is closed at once
    #[arg(long)]
    pub probe: bool,

    /// Tell who opened connections, and how, by this recording (`ephtrace -o json`; that a socket
    /// was not bound, only one of all processes, with `--origin connect,bind,listen,udp,explicit`);
    /// - is standard input
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// Print data (one JSON object), not text
    #[arg(long)]
    pub json: bool,

    /// How the recording is read.
    #[command(flatten)]
    pub read: ReadArgs,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
