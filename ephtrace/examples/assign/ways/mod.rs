//! Every way in which a socket gets its port.

mod bound;
mod deferred;
pub(crate) mod fastopen;
mod mptcp;
mod plain;
mod ranges;
mod sctp;
mod tasks;
mod unconnected;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::{context::Context, gate::Gate, netns, skip::Skip, truth::Truth};

/// What `assign ways` takes.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How often to go each way
    #[arg(long, default_value_t = 10)]
    times: u32,
    /// Go these ways only (repeat or separate by commas)
    #[arg(long, value_delimiter = ',', value_name = "WAY")]
    only: Vec<String>,
    /// Write the log to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Go them in a network namespace of their own
    #[arg(long)]
    new_netns: bool,
    #[command(flatten)]
    gate: Gate,
    /// List the ways and end
    #[arg(long)]
    list: bool,
}

/// Name of a way, and the function that uses it.
type Way = (&'static str, fn(&Context<'_>) -> Result<()>);

/// All ways.
const WAYS: &[Way] = &[
    ("ipv4", plain::ipv4),
    ("ipv6", plain::ipv6),
    ("mapped", plain::mapped),
    ("nonblocking", plain::nonblocking),
    ("refused", plain::refused),
    ("refused_retry", plain::refused_retry),
    ("reconnect", plain::reconnect),
    ("unroutable", plain::unroutable),
    ("bind_zero", bound::bind_zero),
    ("bind_zero_refused_retry", bound::bind_zero_refused_retry),
    ("bind_explicit", bound::bind_explicit),
    ("bind_explicit_conflict", bound::bind_explicit_conflict),
    ("bind_address_no_port", bound::bind_address_no_port),
    ("bind_address_no_port_ipv6", bound::bind_address_no_port_ipv6),
    ("socket_range", ranges::socket_range),
    ("socket_range_one_end", ranges::socket_range_one_end),
    ("socket_range_exhausted", ranges::socket_range_exhausted),
    ("exhausted", ranges::exhausted),
    ("exhausted_ipv6", ranges::exhausted_ipv6),
    ("exhausted_retry", ranges::exhausted_retry),
    ("self_connect", ranges::self_connect),
    ("self_connect_ipv6", ranges::self_connect_ipv6),
    ("netns", tasks::netns),
    ("threads", tasks::threads),
    ("thread_name", tasks::thread_name),
    ("process_renamed", tasks::process_renamed),
    ("child_process", tasks::child_process),
    ("fastopen_connect", fastopen::connect),
    ("fastopen_several", fastopen::several),
    ("fastopen_unsent", fastopen::unsent),
    ("fastopen_left", fastopen::left),
    ("fastopen_sendto", fastopen::sendto),
    ("fastopen_other_thread", deferred::other_thread),
    ("fastopen_other_process", deferred::other_process),
    ("fastopen_closed_elsewhere", deferred::closed_elsewhere),
    ("fastopen_second_write", deferred::second_write),
    ("fastopen_reconnected", deferred::reconnected),
    ("tcp_bind", unconnected::tcp_bind),
    ("tcp_bind_address", unconnected::tcp_bind_address),
    ("tcp_bind_ipv6", unconnected::tcp_bind_ipv6),
    ("tcp_bind_mapped", unconnected::tcp_bind_mapped),
    ("tcp_bind_reuse", unconnected::tcp_bind_reuse),
    ("listen", unconnected::listen),
    ("listen_ipv6", unconnected::listen_ipv6),
    ("udp_bind", unconnected::udp_bind),
    ("udp_bind_ipv6", unconnected::udp_bind_ipv6),
    ("udp_connect", unconnected::udp_connect),
    ("udp_connect_ipv6", unconnected::udp_connect_ipv6),
    ("udp_send", unconnected::udp_send),
    ("udp_send_ipv6", unconnected::udp_send_ipv6),
    ("ping_sockets", unconnected::ping_sockets),
    ("exhausted_bind", unconnected::exhausted_bind),
    ("exhausted_udp", unconnected::exhausted_udp),
    ("exhausted_send", unconnected::exhausted_send),
    ("bind_two_threads", unconnected::two_threads),
];

/// Ways that are used on request only: an SCTP socket makes the kernel load a module, a subflow of
/// MPTCP joins at an unknown time, and a bind in between is not logged.
const ON_REQUEST: &[Way] = &[
    ("fastopen_beside_bind", fastopen::beside_bind),
    ("mptcp_join", mptcp::join),
    ("sctp_bind", sctp::bind),
    ("sctp_bind_ipv6", sctp::bind_ipv6),
    ("sctp_bind_second", sctp::bind_second),
    ("sctp_bind_explicit", sctp::bind_explicit),
    ("sctp_listen", sctp::listen),
    ("sctp_listen_ipv6", sctp::listen_ipv6),
    ("sctp_connect", sctp::connect),
    ("sctp_connect_ipv6", sctp::connect_ipv6),
    ("sctp_send", sctp::send),
    ("sctp_send_ipv6", sctp::send_ipv6),
    ("exhausted_sctp", sctp::exhausted),
    ("exhausted_sctp_ipv6", sctp::exhausted_ipv6),
];

/// Uses the requested ways, in the order of the table.
pub(crate) fn run(args: &Args) -> Result<()> {
    let truth = match &args.truth {
        Some(path) => Truth::file(path)?,
        None => Truth::stdout(),
    };
    let ways = selected(&args.only)?;
    if args.list {
        ways.iter().chain(ON_REQUEST).try_for_each(|(way, _)| truth.line(way))?;
        return truth.flush();
    }
    if args.new_netns {
        netns::enter_new()?;
    }
    args.gate.wait()?;
    for (way, go) in ways {
        match go(&Context { truth: &truth, way, times: args.times }) {
            Err(e) if e.is::<Skip>() => truth.skipped(way, &e)?,
            done => done.with_context(|| format!("way {way}"))?,
        }
    }
    truth.flush()
}

fn selected(only: &[String]) -> Result<Vec<Way>> {
    if only.is_empty() {
        return Ok(WAYS.to_vec());
    }
    let all = || WAYS.iter().chain(ON_REQUEST);
    if let Some(unknown) = only.iter().find(|o| !all().any(|(name, _)| name == o)) {
        bail!("there is no way {unknown:?}: `assign ways --list` shows them all");
    }
    Ok(all().filter(|(name, _)| only.iter().any(|o| o == name)).copied().collect())
}
