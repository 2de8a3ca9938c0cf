//! Set-ups as arguments, and the answers.

use clap::Parser as _;
use insta::assert_snapshot;

use super::*;
use crate::cli::{Cli, Command};

const HERE: Here = Here { range: PortRange::new(32_768, 60_999), reserved: 232 };

fn ask(line: &str) -> Result<Estimate, UsageError> {
    let words = format!("ephtrace whatif {line}");
    let command = Cli::parse_from(words.split_whitespace()).into_command();
    let Command::Whatif(args) = command else { panic!("not whatif") };
    answer(&args, Some(HERE))
}

fn text(line: &str) -> String {
    let mut text = Vec::new();
    ask(line).unwrap().write_text(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn this_host_as_it_is() {
    assert_snapshot!(text("--lifetime 0"), @"
    the ports sustain 467 connections/s (233 without long searches)

    ports for all destinations together           28000
    a connection keeps its port for                60.0 s
    connections per second, at most               466.7
      without long searches (half mark)           233.3

    assumed:
      range 32768 to 60999
      232 ports of the range are reserved
      connections live 0 s; this side closes 100 % of them first and keeps their ports for another 60 s
      the load is even: no bursts, and no ports bound by other programs
    ");
}

#[test]
fn behind_a_nat() {
    assert_snapshot!(text("--rate 800 --requests 10 --nat azure --sources 4"), @"
    no: 4808 ports are needed and there are 1024; the NAT's ports run out after about 13 s

    ports for all destinations together            1024
    a connection keeps its port for                60.1 s
    connections per second, at most                17.0
      without long searches (half mark)            17.0
    requests per second, at most                  170.4

    assumed:
      range 32768 to 60999
      232 ports of the range are reserved
      connections live 0.1 s; this side closes 100 % of them first and keeps their ports for another 60 s
      all source addresses are used equally, through bind() with IP_BIND_ADDRESS_NO_PORT
      the NAT has 1024 ports per destination, all for this host, and keeps each for 60 s after its connection, whoever closed first (Azure gives each instance 1,024 ports in pools of up to 50 instances)
      the load is even: no bursts, and no ports bound by other programs
    ");
}

#[test]
fn addresses_and_waits_of_a_nat_count() {
    let per_second = |line: &str| ask(line).unwrap().ceiling.connections_per_second;
    let one = per_second("--lifetime 0 --tw-reuse --nat aws");
    let three = per_second("--lifetime 0 --tw-reuse --nat aws --nat-addresses 3");
    assert!((one - 55_000.0 / 60.0).abs() < 1e-9, "{one}");
    assert!((three - 3.0 * one).abs() < 1e-9, "{three}");
    let gcp = per_second("--lifetime 0 --nat gcp");
    assert!((gcp - 64.0 / 120.0).abs() < 1e-9, "{gcp}");
    for delay in ["100", "100ms", "0.1s"] {
        let quick = per_second(&format!("--lifetime 0 --tw-reuse --tw-reuse-delay {delay}"));
        assert!((quick - 28_000.0 / 0.1).abs() < 1e-6, "{quick}");
    }
}

#[test]
fn verdicts_say_yes_slowly_and_no() {
    let verdict = |line| ask(line).unwrap().verdict;
    assert_snapshot!(verdict("--lifetime 0s --rate 100"), @"yes: 6000 of 28000 ports in use (21 %)");
    assert_snapshot!(verdict("--lifetime 0 --rate 400"), @"yes, but slowly: 24000 of 28000 ports in use (86 %); past the half mark, each connect scans half of the range first");
    assert_snapshot!(verdict("--lifetime 0 --rate 700"), @"no: 42000 ports are needed and there are 28000; the ports run out after about 40 s");
    assert_snapshot!(verdict("--lifetime 0 --rate 700 --tw-reuse"), @"yes: 700 of 28000 ports in use (2 %)");
    assert_snapshot!(verdict("--nat gcp --tw-reuse --rate 50"), @"no: 6005 ports are needed and there are 64; the NAT's ports run out after about 1 s");
    assert_snapshot!(verdict("--nat gcp --closes-first 0 --rate 50"), @"no: 6005 ports are needed and there are 64; the NAT's ports run out after about 1 s");
    assert_snapshot!(verdict("--lifetime 10 --closes-first 0.25 --rate \
                              1500"), @"no: 37500 ports are needed and there are 28000; the ports run out after about 45 s");
}

#[test]
fn what_can_t_be_meant_is_refused() {
    for line in [
        "--closes-first 2",
        "--lifetime=-1",
        "--requests 0",
        "--rate 0",
        "--rate -5",
        "--range 9-1",
        "--nat aws --nat-addresses 9",
        "--nat gcp --nat-addresses 2",
    ] {
        assert!(ask(line).is_err(), "{line}");
    }
    assert!(ask("--lifetime 0 --closes-first 0").is_err());
}
