//! What is typed, and what is made of it.

mod pages;

use clap::CommandFactory as _;

use clap::ValueEnum as _;

use super::*;
use crate::model::Origin;

fn typed(line: &str) -> Result<Command, clap::Error> {
    Cli::try_parse_from(line.split(' ')).map(Cli::into_command)
}

#[test]
fn clap_finds_nothing_wrong() {
    Cli::command().debug_assert();
}

#[test]
fn bare_is_trace() {
    for line in ["ephtrace", "ephtrace trace", "ephtrace -x", "ephtrace trace -x"] {
        assert!(matches!(typed(line), Ok(Command::Trace(_))), "{line}");
    }
}

#[test]
fn flags_work_with_and_without_the_command() {
    let flags = "-p 1,2 -p 3 -c a -u root -P 80,443-445 -L 40000 --dst ::/0 --src 10.0.0.1 \
                 --netns blue --cgroup a -4 -6 --origin connect --min-latency 1ms --hook kprobe \
                 --btf f --ring-size 1M -t -T -U -w -o csv --plot=never \
                 --output f --count 3 --duration 1s -vv";
    let line = flags.split_whitespace().collect::<Vec<_>>().join(" ");
    let bare = typed(&format!("ephtrace {line}")).unwrap();
    let named = typed(&format!("ephtrace trace {line}")).unwrap();
    assert_eq!(format!("{bare:?}"), format!("{named:?}"));
    let Command::Trace(args) = bare else { panic!("not trace") };
    assert_eq!(args.filter.pid, [1, 2, 3]);
    assert_eq!(args.filter.port, ["80", "443-445"]);
    assert_eq!(args.verbosity.level(), log::LevelFilter::Debug);
}

#[test]
fn top_takes_the_filters_of_trace_or_a_recording() {
    let Ok(Command::Top(live)) = typed("ephtrace top -p 1 -x --duration 1s -q") else { panic!() };
    assert_eq!((live.filter.pid, live.filter.failed, live.speed), (vec![1], true, 1.0));
    let Ok(Command::Top(played)) = typed("ephtrace top --from - --speed 0") else { panic!() };
    assert_eq!((played.from, played.speed), (vec!["-".into()], 0.0));
}

#[test]
fn what_contradicts_itself_is_refused() {
    for line in [
        "ephtrace -x -L 40000",
        "ephtrace -q -v",
        "ephtrace -p 1 doctor",
        "ephtrace -p x",
        "ephtrace -p -1",
        "ephtrace --count 0",
        "ephtrace -o xml",
        "ephtrace --plot=big",
        "ephtrace --origin guess",
        "ephtrace --hook uprobe",
        "ephtrace frobnicate",
        "ephtrace report f --html p --json",
        "ephtrace report f --html",
        "ephtrace top --from f -p 1",
        "ephtrace top --from f --hook kprobe",
        "ephtrace top --speed 2",
        "ephtrace top --from f --speed nan",
        "ephtrace top -o json",
    ] {
        assert_eq!(typed(line).map(|_| ()).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[test]
fn origins_are_spelled_as_in_the_output() {
    let mut typed: Vec<String> = OriginArg::value_variants()
        .iter()
        .map(|arg| arg.to_possible_value().unwrap().get_name().to_owned())
        .collect();
    let mut shown: Vec<&str> = Origin::ALL.iter().map(|&o| o.name()).collect();
    typed.sort_unstable();
    shown.sort_unstable();
    assert_eq!(typed, shown);
}

#[test]
fn ports_lists_ten_destinations_unless_asked_otherwise() {
    let Ok(Command::Ports(args)) = typed("ephtrace ports") else { panic!("not ports") };
    assert_eq!((args.limit, args.netns.len(), args.json), (10, 0, false));
    let line = "ephtrace ports --netns all,blue --limit 3 --from f --json";
    let Ok(Command::Ports(args)) = typed(line) else { panic!("not ports") };
    assert_eq!((args.limit, args.json), (3, true));
    assert_eq!(args.netns, ["all", "blue"]);
    assert!(typed("ephtrace ports --limit x").is_err());
}

#[test]
fn storm_ends_after_a_time_or_so_many_reports() {
    let Ok(Command::Storm(args)) = typed("ephtrace storm 2 6") else { panic!("not storm") };
    assert_eq!((&*args.interval, args.count, args.duration), ("2", Some(6), None));
    let line = "ephtrace storm --duration 5";
    let Ok(Command::Storm(args)) = typed(line) else { panic!("not storm") };
    assert_eq!((&*args.interval, args.duration.as_deref()), ("1", Some("5")));
    let error = typed("ephtrace storm --xx").unwrap_err().to_string();
    assert!(error.contains("Usage: ephtrace storm [OPTIONS] [INTERVAL] [COUNT]"), "{error}");
}

#[test]
fn report_takes_one_file() {
    let Command::Report(args) = typed("ephtrace report - --json -q").unwrap() else {
        panic!("not report");
    };
    assert!(
        args.json && args.recordings() == [std::path::PathBuf::from("-")] && args.verbosity.quiet
    );
    assert_eq!(typed("ephtrace report").map(|_| ()).unwrap_err().exit_code(), 2);
}

#[test]
fn doctor_has_its_own_flags() {
    let Command::Doctor(args) = typed("ephtrace doctor --json --btf f -v").unwrap() else {
        panic!("not doctor");
    };
    assert!(args.json && args.btf.is_some() && args.verbosity.verbose == 1);
}
