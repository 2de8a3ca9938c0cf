//! `ephtrace whatif`: how much a set-up can carry, in closed form, with all assumptions.
//!
//! Needs no root and reads nothing but this namespace's range and reserved ports; the arithmetic is
//! in `analyse::capacity`.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Result;
use serde::Serialize;

use super::settings::{UsageError, parse};
use crate::{
    analyse::capacity::{Ceiling, Setup},
    cli::{Nat, Preset, WhatifArgs},
    host::sysctl::{self, PROC_SYS_NET},
    inventory::sysctls::Sysctls,
    model::PortRange,
    output::{Kind, write_object},
};

/// Time for which Linux keeps a port in `TIME_WAIT`, in seconds: `TCP_TIMEWAIT_LEN`, fixed.
const TIME_WAIT_S: f64 = 60.0;

/// Time for which a NAT keeps a port after a closed connection, in seconds, if its documentation
/// does not give it: the peer's `TIME_WAIT`, for which a NAT must wait. Linux keeps it for 120 s
/// (`nf_conntrack_tcp_timeout_time_wait`).
const NAT_WAIT_S: f64 = 60.0;

/// Default values of a NAT.
struct NatDefaults {
    /// Ports per destination and address.
    ports: u32,
    /// Time that a port waits after a connection, in seconds.
    wait_s: f64,
    /// Maximum number of addresses; `None` if the ports belong to an instance, whatever the number
    /// of addresses.
    most_addresses: Option<u32>,
    /// Source of these values, or the unknown ones among them.
    source: &'static str,
}

/// Returns the documented values.
fn nat_defaults(nat: Nat) -> NatDefaults {
    let (ports, wait_s, most_addresses, source) = match nat {
        Nat::Ports(ports) => {
            (ports, NAT_WAIT_S, Some(256), "other NATs wait from 30 s to four minutes")
        }
        Nat::Preset(Preset::Aws) => {
            (55_000, NAT_WAIT_S, Some(8), "AWS documents 55,000 ports per address, but no time")
        }
        Nat::Preset(Preset::AzureNat) => (
            50_000,
            65.0,
            Some(16),
            "Azure documents 50,000 ports per address and destination, and 65 s after a FIN",
        ),
        Nat::Preset(Preset::AzureLb) => (
            1_024,
            NAT_WAIT_S,
            None,
            "Azure gives each instance 1,024 ports in pools of up to 50 instances",
        ),
        Nat::Preset(Preset::Gcp) => (
            64,
            120.0,
            None,
            "Cloud NAT gives each instance 64 ports and waits 120 s; gateways created since \
             September 2026 wait 30 s",
        ),
    };
    NatDefaults { ports, wait_s, most_addresses, source }
}

/// The answer, with its basis.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Estimate {
    /// The set-up.
    pub setup: Setup,
    /// Limits of the set-up.
    pub ceiling: Ceiling,
    /// Assumptions.
    pub assumptions: Vec<String>,
    /// The result, in a sentence.
    #[serde(rename = "sentence")]
    pub verdict: String,
}

/// Answers on standard output.
pub fn run(args: &WhatifArgs) -> Result<ExitCode> {
    let answer = answer(args, Here::read())?;
    let mut out = io::stdout().lock();
    if args.json {
        write_object(&mut out, Kind::Whatif, &answer)?;
    } else {
        answer.write_text(&mut out)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Settings of this namespace.
#[derive(Clone, Copy, Debug)]
struct Here {
    range: PortRange,
    reserved: u32,
}

impl Here {
    /// Returns `None` if the settings can't be read.
    fn read() -> Option<Self> {
        let Sysctls { range, reserved, .. } = sysctl::read(Path::new(PROC_SYS_NET)).ok()?;
        Some(Self { range, reserved: reserved.count(range) })
    }
}

fn answer(args: &WhatifArgs, here: Option<Here>) -> Result<Estimate, UsageError> {
    check(args)?;
    let lifetime_s = lifetime_s(args)?;
    let nat = args.nat.map(nat_defaults);
    let mut assumptions = Vec::new();
    let all = range(args, here, &mut assumptions)?.len();
    let of_here = here.filter(|_| args.range.is_none()).map(|here| here.reserved);
    let reserved = args.reserved.or(of_here).unwrap_or(0);
    let setup = Setup {
        ports: all.saturating_sub(reserved),
        sources: args.sources,
        destinations: args.destinations,
        lifetime_s,
        closes_first: args.closes_first,
        time_wait_s: if args.tw_reuse { reuse_delay_s(&args.tw_reuse_delay)? } else { TIME_WAIT_S },
        requests_per_second: args.rate,
        requests_per_connection: args.requests,
        nat_ports: nat.as_ref().map(|nat| nat.ports),
        nat_addresses: args.nat_addresses,
        nat_wait_s: nat.as_ref().map_or(NAT_WAIT_S, |nat| nat.wait_s),
    };
    assumptions.push(format!("{reserved} ports of the range are reserved"));
    assumptions.extend(assume(args, &setup, nat.as_ref()));
    let ceiling = setup.ceiling();
    let verdict = verdict(&setup, &ceiling);
    Ok(Estimate { setup, ceiling, assumptions, verdict })
}

fn check(args: &WhatifArgs) -> Result<(), UsageError> {
    let wrong = |flag, value: f64, reason: &str| {
        Err(UsageError::Value { flag, value: value.to_string(), reason: reason.to_owned() })
    };
    if !(args.closes_first >= 0.0 && args.closes_first <= 1.0) {
        return wrong("--closes-first", args.closes_first, "expected 0 to 1");
    }
    if !(args.requests >= 1.0 && args.requests.is_finite()) {
        return wrong("--requests", args.requests, "expected 1 or more");
    }
    if let Some(nat) = args.nat
        && let addresses @ 2.. = args.nat_addresses
        && nat_defaults(nat).most_addresses.is_none_or(|most| addresses > most)
    {
        let reason = match nat_defaults(nat).most_addresses {
            Some(most) => format!("this NAT has at most {most} addresses"),
            None => "this NAT allocates ports per instance, regardless of addresses; give that \
                     number of ports as --nat"
                .to_owned(),
        };
        return wrong("--nat-addresses", addresses.into(), &reason);
    }
    match args.rate {
        Some(rate) if !(rate > 0.0 && rate.is_finite()) => {
            wrong("--rate", rate, "expected more than 0")
        }
        _ => Ok(()),
    }
}

fn lifetime_s(args: &WhatifArgs) -> Result<f64, UsageError> {
    let (flag, text) = ("--lifetime", &args.lifetime);
    let wrong =
        |reason: &str| UsageError::Value { flag, value: text.clone(), reason: reason.to_owned() };
    let seconds = parse::time(text).ok_or_else(|| wrong(parse::TIME))?.as_secs_f64();
    if seconds == 0.0 && args.closes_first == 0.0 {
        return Err(wrong(
            "expected more than 0, because with --closes-first 0 only open connections keep ports",
        ));
    }
    Ok(seconds)
}

/// Parses a delay; a bare number is milliseconds, as in the sysctl.
fn reuse_delay_s(text: &str) -> Result<f64, UsageError> {
    match text.parse::<u32>() {
        Ok(ms) => Ok(f64::from(ms) / 1000.0),
        Err(_) => Ok(parse::duration("--tw-reuse-delay", text)?.as_secs_f64()),
    }
}

fn range(
    args: &WhatifArgs,
    here: Option<Here>,
    assumptions: &mut Vec<String>,
) -> Result<PortRange, UsageError> {
    let range = match (&args.range, here) {
        (Some(text), _) => {
            let ends = text.split_once('-').and_then(|(a, b)| a.parse().ok().zip(b.parse().ok()));
            let range = ends.map(|(low, high)| PortRange::new(low, high));
            range.filter(|range| !range.is_empty() && range.low > 0).ok_or_else(|| {
                UsageError::Value {
                    flag: "--range",
                    value: text.clone(),
                    reason: "expected two ports from 1 to 65535, such as 10240-65535".to_owned(),
                }
            })?
        }
        (None, Some(here)) => here.range,
        (None, None) => {
            assumptions
                .push("the range here can't be read, so the Linux default is used".to_owned());
            PortRange::new(32_768, 60_999)
        }
    };
    assumptions.push(format!("range {} to {}", range.low, range.high));
    Ok(range)
}

/// Returns the assumptions of the answer, beside the range.
fn assume(args: &WhatifArgs, setup: &Setup, nat: Option<&NatDefaults>) -> Vec<String> {
    let mut all = vec![format!(
        "connections live {} s; this side closes {} % of them first and keeps their ports for \
         another {} s",
        setup.lifetime_s,
        setup.closes_first * 100.0,
        setup.time_wait_s
    )];
    if args.tw_reuse {
        all.push("tcp_tw_reuse=1 needs TCP timestamps on both sides".to_owned());
    }
    if setup.sources > 1 {
        all.push(
            "all source addresses are used equally, through bind() with IP_BIND_ADDRESS_NO_PORT"
                .to_owned(),
        );
    }
    if let Some(NatDefaults { ports, wait_s, source, .. }) = nat {
        let addresses = match setup.nat_addresses {
            1 => String::new(),
            n => format!(" on each of {n} addresses"),
        };
        all.push(format!(
            "the NAT has {ports} ports per destination{addresses}, all for this host, and keeps \
             each for {wait_s} s after its connection, whoever closed first ({source})"
        ));
    }
    all.push("the load is even: no bursts, and no ports bound by other programs".to_owned());
    all
}

fn verdict(setup: &Setup, ceiling: &Ceiling) -> String {
    let scarce = if ceiling.is_nat { "the NAT's ports" } else { "the ports" };
    let Some(share) = ceiling.share else {
        return format!(
            "{scarce} sustain {:.0} connections/s ({:.0} without long searches)",
            ceiling.connections_per_second, ceiling.quick_connections_per_second
        );
    };
    let (needed, ports) = (ceiling.needed_ports.unwrap_or(0.0), ceiling.ports);
    let connections = setup.requests_per_second.unwrap_or(0.0) / setup.requests_per_connection;
    if let Some(seconds) = ceiling.full_in_s {
        return format!(
            "no: {needed:.0} ports are needed and there are {ports}; {scarce} run out after about \
             {seconds:.0} s"
        );
    }
    let percent = share * 100.0;
    if connections > ceiling.quick_connections_per_second {
        return format!(
            "yes, but slowly: {needed:.0} of {ports} ports in use ({percent:.0} %); past the half \
             mark, each connect scans half of the range first"
        );
    }
    format!("yes: {needed:.0} of {ports} ports in use ({percent:.0} %)")
}

impl Estimate {
    fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let Ceiling { ports, hold_s, connections_per_second, requests_per_second, .. } =
            self.ceiling;
        writeln!(out, "{}", self.verdict)?;
        writeln!(out)?;
        writeln!(out, "ports for all destinations together    {ports:>12}")?;
        writeln!(out, "a connection keeps its port for        {hold_s:>12.1} s")?;
        writeln!(out, "connections per second, at most        {connections_per_second:>12.1}")?;
        let quick = self.ceiling.quick_connections_per_second;
        writeln!(out, "  without long searches (half mark)    {quick:>12.1}")?;
        if self.setup.requests_per_connection > 1.0 {
            writeln!(out, "requests per second, at most           {requests_per_second:>12.1}")?;
        }
        writeln!(out, "\nassumed:")?;
        self.assumptions.iter().try_for_each(|line| writeln!(out, "  {line}"))
    }
}

#[cfg(test)]
mod tests;
