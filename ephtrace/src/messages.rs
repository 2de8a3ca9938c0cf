//! What ephtrace says about itself on standard error: log messages, and the error that it ends
//! with.

use std::{
    io::{self, ErrorKind, Write as _},
    process::ExitCode,
};

use log::LevelFilter;

/// Says why ephtrace ends. Where standard error is closed there is nobody to tell.
pub fn tell(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "ephtrace: {}", without_numbers(&format!("{error:#}")));
}

/// Says that the end of the output has gone nowhere.
pub fn tell_unread() {
    let _ = writeln!(
        io::stderr(),
        "ephtrace: nobody reads the output, or too slowly: its end is missing, the last line may \
         be cut"
    );
}

/// The command line can't be understood, or asks for help. To a monitoring system 2 would mean
/// something else.
pub fn misunderstood(error: &clap::Error) -> ExitCode {
    let is_check = std::env::args_os().nth(1).is_some_and(|command| command == "check");
    let code = if is_check && error.exit_code() != 0 { 3 } else { error.exit_code() };
    // Where nobody listens there is nobody to tell.
    let _ = error.print();
    ExitCode::from(u8::try_from(code).unwrap_or(2))
}

/// Messages go to standard error; those of libraries only when everything is asked for.
pub fn init_log(level: LevelFilter) {
    let libraries = if level == LevelFilter::Trace { level } else { LevelFilter::Error };
    env_logger::Builder::new()
        .filter_level(libraries)
        .filter_module("ephtrace", level)
        .format_target(false)
        .init();
}

/// The kernel half logs from `-vv` on; below, its messages are not even compiled in by the kernel.
pub fn kernel_log_level(level: LevelFilter) -> u8 {
    if level < LevelFilter::Debug { 0 } else { level as u8 }
}

/// Drops what the standard library puts behind the system's own words: `(os error 28)`.
fn without_numbers(message: &str) -> String {
    let mut parts = message.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once(')').map_or("", |(_, rest)| rest))
}

/// Whoever read the output has seen enough: no error.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|e| e.downcast_ref::<io::Error>())
        .any(|e| e.kind() == ErrorKind::BrokenPipe)
}
