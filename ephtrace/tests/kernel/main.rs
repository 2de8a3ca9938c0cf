//! Compares ephtrace with a program that knows the truth, on a real kernel.
//!
//! The example `assign` makes the kernel assign ports in every way and asks the kernel for the
//! ports that it chose; ephtrace runs beside it and must report exactly these. Needs root, and a
//! kernel with the hooks under test:
//!
//! ```text
//! cargo test --test kernel -- --ignored --test-threads=1
//! ```
//!
//! [`setup`] lists the environment variables. All traffic stays on loopback devices. Tests have no
//! attribute: each module names its own for [`trial`], by `tests!`.

#[macro_use]
mod trial;

mod all_clear;
mod assign;
mod attacker;
mod attempts;
mod bpf;
mod by_process;
mod cgroups;
mod changed;
mod chaos;
mod check;
mod compare;
mod conntrack;
mod cost;
mod cri;
mod doctor;
mod endings;
mod exclusive;
mod exits;
mod explain;
mod failed_calls;
mod fallback;
mod filters;
mod flood;
mod formats;
mod hidden_table;
mod holding;
mod incidents;
mod judged;
mod live_verdicts;
mod many_processors;
mod memory;
mod modules;
mod mounts;
mod mptcp;
mod names;
mod neighbour;
mod notes;
mod patterns;
mod pid_namespace;
mod ports;
mod prometheus;
#[path = "../common/python.rs"]
mod python;
#[path = "../common/queries.rs"]
mod queries;
mod readme;
mod record;
mod recorded;
mod refusals;
mod remedies;
mod returns;
mod rights;
mod runtimes;
mod schema;
mod sctp;
mod search;
mod self_test;
mod serve;
mod setup;
mod shortage;
#[path = "../common/skip.rs"]
mod skip;
mod step_width;
mod storm;
#[path = "../common/terminal.rs"]
mod terminal;
mod top;
mod totals;
mod tracer;
mod tracing_tools;
mod unseen;
#[path = "../common/validator.rs"]
mod validator;
#[path = "../common/wait.rs"]
mod wait;
mod ways;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let args = Arguments::from_args();
    if args.nocapture {
        notes::show_at_once();
    }
    let tests = [
        all_clear::TESTS,
        attacker::TESTS,
        attempts::TESTS,
        cgroups::TESTS,
        chaos::TESTS,
        check::TESTS,
        conntrack::TESTS,
        cost::TESTS,
        doctor::TESTS,
        endings::TESTS,
        exclusive::TESTS,
        exits::TESTS,
        explain::TESTS,
        failed_calls::TESTS,
        fallback::TESTS,
        filters::TESTS,
        flood::TESTS,
        formats::TESTS,
        hidden_table::TESTS,
        holding::TESTS,
        incidents::TESTS,
        judged::TESTS,
        live_verdicts::TESTS,
        many_processors::TESTS,
        memory::TESTS,
        mptcp::TESTS,
        names::TESTS,
        neighbour::TESTS,
        patterns::TESTS,
        pid_namespace::TESTS,
        ports::TESTS,
        prometheus::TESTS,
        readme::TESTS,
        record::TESTS,
        recorded::TESTS,
        refusals::TESTS,
        remedies::TESTS,
        returns::TESTS,
        rights::TESTS,
        schema::TESTS,
        sctp::TESTS,
        search::TESTS,
        self_test::TESTS,
        serve::TESTS,
        shortage::TESTS,
        step_width::TESTS,
        storm::TESTS,
        top::TESTS,
        totals::TESTS,
        tracing_tools::TESTS,
        ways::TESTS,
    ];
    libtest_mimic::run(&args, trial::trials(&tests)).exit_code()
}
