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
  ephtrace explain :53/udp             for UDP only
  sudo ephtrace explain EADDRNOTAVAIL  what causes it on this machine now?
  ephtrace explain ranges              default ranges of systems, and the range here
  sudo ephtrace explain 10.0.0.5:5432 --probe
                                       ask the kernel what its socket lists do not show

Exit code: 0 free, 1 not free, 2 usage error, 3 unknown.
Without root, it sees all ports in use, but not which processes of other users hold them.";

/// What `explain` was asked.
#[derive(Clone, Debug, Default, Args)]
pub struct ExplainArgs {
    /// A destination (ADDRESS:PORT), a connection (two addresses with ports, FROM TO), a local port
    /// (:PORT, :PORT/tcp, :PORT/udp), an error (EADDRNOTAVAIL, EADDRINUSE, EAGAIN), or `ranges`
    #[arg(value_name = "WHAT", required = true, num_args = 1..=2)]
    pub what: Vec<String>,

    /// Use this network namespace instead of ephtrace's own: inode number, path, or name in `ip
    /// netns`; `all` too, if WHAT is an error
    #[arg(long, value_name = "NETNS")]
    pub netns: Option<String>,

    /// Ask the kernel with a test socket, which is closed at once
    #[arg(long)]
    pub probe: bool,

    /// Use this recording (`ephtrace -o json`) to tell who opened connections, and how; - is
    /// standard input. To prove that a socket was not bound before it connected, the recording must
    /// cover all processes, with `--origin connect,bind,listen,udp,explicit`
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,

    /// How the recording is read.
    #[command(flatten)]
    pub read: ReadArgs,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
