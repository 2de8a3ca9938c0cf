//! What `whatif` was asked for.

use clap::{Args, ValueEnum};

use super::{
    number::{number, whole},
    options::Verbosity,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  ephtrace whatif                              this host as it is
  ephtrace whatif --rate 800 --lifetime 200ms  800 connections/s, 200 ms each
  ephtrace whatif --range 10240-65535 --sources 4
  ephtrace whatif --rate 800 --requests 50     keep-alive: 50 requests per connection
  ephtrace whatif --nat aws --rate 2000        behind an AWS NAT gateway
  ephtrace whatif --nat aws --nat-addresses 3 --rate 2000
  ephtrace whatif --tw-reuse --json";

/// Arguments of `whatif`.
#[derive(Clone, Debug, Default, Args)]
pub struct WhatifArgs {
    /// The range, such as 10240-65535; by default, the range of this network namespace
    #[arg(long, value_name = "LOW-HIGH")]
    pub range: Option<String>,

    /// Number of reserved ports in the range; by default, as many as here
    #[arg(long, value_name = "N", value_parser = whole::<u32>(0..=65_536))]
    pub reserved: Option<u32>,

    /// Number of source addresses that connects use
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = whole::<u32>(1..=65536))]
    pub sources: u32,

    /// Number of destinations (address and port) that connects use
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = whole::<u32>(1..=1_000_000))]
    pub destinations: u32,

    /// Requests per second to sustain
    #[arg(long, value_name = "PER-SECOND", value_parser = number,
          allow_negative_numbers = true)]
    pub rate: Option<f64>,

    /// Requests per connection; 1 without keep-alive
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = number,
          allow_negative_numbers = true)]
    pub requests: f64,

    /// How long a connection lives: 0.2 (seconds), 200ms, 1h30m
    #[arg(long, value_name = "TIME", default_value = "100ms", allow_negative_numbers = true)]
    pub lifetime: String,

    /// Share of the connections that this side closes first, from 0 to 1; these keep their port for
    /// another 60 seconds (TIME_WAIT)
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = number,
          allow_negative_numbers = true)]
    pub closes_first: f64,

    /// Assume net.ipv4.tcp_tw_reuse=1: connect can reuse ports in TIME_WAIT after a second
    #[arg(long)]
    pub tw_reuse: bool,

    /// Value of net.ipv4.tcp_tw_reuse_delay (Linux 6.14 and later): a time such as 500ms or 2s; a
    /// bare number is milliseconds, as in the sysctl
    #[arg(long, value_name = "TIME", requires = "tw_reuse", default_value = "1000")]
    pub tw_reuse_delay: String,

    /// A NAT in the path: aws, azure-nat, azure-lb, gcp, or the NAT's number of ports per
    /// destination and address
    #[arg(long, value_name = "NAT")]
    pub nat: Option<Nat>,

    /// Number of addresses that the NAT translates to
    #[arg(long, value_name = "N", requires = "nat", default_value_t = 1,
          value_parser = whole::<u32>(1..=256))]
    pub nat_addresses: u32,

    /// Print one JSON object instead of text
    #[arg(long)]
    pub json: bool,

    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// Value of `--nat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// One that clouds offer.
    Preset(Preset),
    /// So many ports for one destination.
    Ports(u32),
}

/// NATs of clouds, with what their documentation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// AWS NAT gateway: 55,000 ports per destination and address
    Aws,
    /// Azure NAT gateway: 50,000 ports per destination and address
    AzureNat,
    /// Azure load balancer: 1,024 ports per instance by default
    #[value(alias = "azure")]
    AzureLb,
    /// GCP Cloud NAT: 64 ports per instance by default
    Gcp,
}

impl std::str::FromStr for Nat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(preset) = Preset::from_str(text, true) {
            return Ok(Self::Preset(preset));
        }
        match text.parse() {
            Ok(ports @ 1..=65_535) => Ok(Self::Ports(ports)),
            _ => Err("expected aws, azure-nat, azure-lb, gcp or a number of ports, 1 to 65535"
                .to_owned()),
        }
    }
}
