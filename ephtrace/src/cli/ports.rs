//! What `ephtrace ports` was asked for.

use std::path::PathBuf;

use clap::Args;

use super::{
    number::whole,
    options::{ByArg, ReadArgs, Verbosity},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  sudo ephtrace ports                  the fullest destinations, and who holds the ports
  sudo ephtrace ports --netns all      in all network namespaces, those of containers too
  sudo ephtrace ports --netns blue,/proc/181/ns/net
  sudo ephtrace ports --netns all --by pod
                                       which pods hold the ports
  sudo ephtrace ports --from ports.ndjson
                                       also who opened what is now in TIME_WAIT
  ephtrace ports --json | jq '.namespaces[0].destinations[0].mark'

Without root, it sees all ports in use, but not which processes of other users hold them.";

/// What `ports` was asked for.
#[derive(Clone, Debug, Default, Args)]
pub struct PortsArgs {
    /// Show these network namespaces instead of ephtrace's own: inode number, path, name in `ip
    /// netns`, or all
    #[arg(long, value_name = "NETNS", value_delimiter = ',')]
    pub netns: Vec<String>,

    /// Unit that counts as one holder of ports
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub by: ByArg,

    /// List at most N destinations per namespace; the others are summed up
    #[arg(long, value_name = "N", default_value_t = 10,
          value_parser = whole::<usize>(0..=u64::MAX))]
    pub limit: usize,

    /// Use this recording (`ephtrace -o json`) to tell who opened connections; - is standard input
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,

    /// Show all columns and whole lines, even on a narrow terminal
    #[arg(short, long)]
    pub wide: bool,

    /// How the recording is read.
    #[command(flatten)]
    pub read: ReadArgs,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
