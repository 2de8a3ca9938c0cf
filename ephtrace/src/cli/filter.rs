//! Which assignments to keep: the filters that `trace`, `top`, `storm` and `record` share.

use std::path::PathBuf;

use clap::{Args, ValueEnum, builder::PossibleValue};
use ephtrace_common::Origin;

use super::number::whole;

/// Which assignments to keep; the kernel drops all others early.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only these processes
    #[arg(short, long, value_name = "PID", value_delimiter = ',',
          value_parser = whole::<u32>(0..=u32::MAX.into()))]
    pub pid: Vec<u32>,

    /// Only processes of these users (number or name)
    #[arg(short, long, value_name = "USER", value_delimiter = ',')]
    pub uid: Vec<String>,

    /// Only processes of these names (as in /proc/PID/comm, at most 15 bytes)
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    pub comm: Vec<String>,

    /// Only these destination ports: numbers, ranges, or services from /etc/services, such as
    /// https,8000-8100
    #[arg(short = 'P', long, value_name = "PORTS", value_delimiter = ',')]
    pub port: Vec<String>,

    /// Only these assigned ports, such as 40000-40999
    #[arg(
        short = 'L',
        long,
        value_name = "PORTS",
        value_delimiter = ',',
        conflicts_with = "failed"
    )]
    pub lport: Vec<String>,

    /// Only destinations in these networks, such as 10.0.0.0/8 or 2001:db8::/32
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub dst: Vec<String>,

    /// Only sources in these networks
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub src: Vec<String>,

    /// Only these network namespaces: inode number, path, or name in `ip netns`
    #[arg(long, value_name = "NETNS", value_delimiter = ',')]
    pub netns: Vec<String>,

    /// Only tasks in this cgroup or below it: absolute path, or path relative to the cgroup v2
    /// mount
    #[arg(long, value_name = "PATH")]
    pub cgroup: Vec<PathBuf>,

    /// Only tasks in this container or in a container inside it: its id as in `docker ps`, a prefix
    /// of the id, or its name
    #[arg(long, value_name = "CONTAINER", value_delimiter = ',', conflicts_with = "cgroup")]
    pub container: Vec<String>,

    /// Only tasks in this pod
    #[arg(long, value_name = "[NAMESPACE/]POD", value_delimiter = ',')]
    pub pod: Vec<String>,

    /// Only tasks in pods of this Kubernetes namespace
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',')]
    pub namespace: Vec<String>,

    /// Only tasks in this systemd unit, such as nginx.service or nginx
    #[arg(long, value_name = "UNIT", value_delimiter = ',')]
    pub unit: Vec<String>,

    /// Only IPv4
    #[arg(short = '4', long)]
    pub ipv4: bool,

    /// Only IPv6
    #[arg(short = '6', long)]
    pub ipv6: bool,

    /// Only assignments from this kind of call
    #[arg(long, value_name = "ORIGIN", value_enum, value_delimiter = ',')]
    pub origin: Vec<OriginArg>,

    /// Only failed assignments: the kernel assigned no port
    #[arg(short = 'x', long)]
    pub failed: bool,

    /// Only assignments with at least this port search latency, such as 100us, 1ms or 0.5 (seconds)
    #[arg(long, value_name = "TIME")]
    pub min_latency: Option<String>,
}

/// Value of `--origin`: any of [`Origin::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginArg(pub Origin);

impl ValueEnum for OriginArg {
    fn value_variants<'a>() -> &'a [Self] {
        const VARIANTS: [OriginArg; Origin::ALL.len()] = all_origins();
        &VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()).help(self.0.description()))
    }
}

const fn all_origins() -> [OriginArg; Origin::ALL.len()] {
    let mut all = [OriginArg(Origin::Connect); Origin::ALL.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = OriginArg(Origin::ALL[i]);
        i += 1;
    }
    all
}
