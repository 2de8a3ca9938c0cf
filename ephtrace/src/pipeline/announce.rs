//! Notices about the hook on standard error: its name, its blind spots, modules loaded later.

use std::{
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use super::settings::TraceSettings;
use crate::{
    host::{netns, pid_namespace},
    kernel::{
        hooks::{self, Hook},
        module::Change,
        sites::{self, Site},
        tracer::Tracer,
    },
    model::{Origin, escape::shown, filter::NameFilter, human_duration::HumanDuration},
    output::{Paper, stream::parquet::Options},
};

/// Returns requested origins that can't be seen.
fn unseen(tracer: &Tracer) -> Vec<&'static str> {
    for (site, why) in &tracer.unseen {
        log::info!("{}: {why}", sites::row(*site).function);
    }
    for (site, what) in &tracer.seen_in_part {
        log::info!("{}: {what}", sites::row(*site).function);
    }
    let origins = tracer.unseen.iter().flat_map(|(site, _)| sites::row(*site).origins);
    let chosen = origins.filter(|&&origin| origin != Origin::Explicit);
    let mut names: Vec<&str> = chosen.map(|&origin| origin.name()).collect();
    if tracer.seen_in_part.iter().any(|(site, _)| *site == Site::Udp) {
        names.push("udp without bind");
    }
    names
}

/// Prints a line if names are compared, which the kernel half can't do.
pub(crate) fn tell_names(names: &NameFilter) {
    if !names.is_empty() {
        tell(
            "names are compared outside the kernel: all else is read, too; containers that start \
             later count",
        );
    }
}

/// Returns the other network namespaces, in words, for an answer that is about one; `None` if there
/// are none.
pub(crate) fn not_looked_at() -> Option<String> {
    match netns::others() {
        0 => None,
        1 => Some("1 other network namespace (--netns all looks there)".to_owned()),
        several => Some(format!("{several} other network namespaces (--netns all looks there)")),
    }
}

/// Tells that an answer is about one of several network namespaces, if so.
pub(crate) fn tell_not_looked_at() {
    if let Some(others) = not_looked_at() {
        tell(&format!("not looked at: {others}"));
    }
}

/// Prints a line on standard error; on a terminal, it is broken between words.
pub(crate) fn tell(line: &str) {
    let text = format!("ephtrace: {line}\n");
    // A closed standard error is no reason to fail.
    let _ = io::stderr().write_all(&Paper::of(&io::stderr(), false).fit(text.as_bytes()));
}

/// Prints a line once a module that was waited for is loaded.
pub(crate) fn tell_module(change: Option<Change>, quiet: bool) {
    if let Some(change) = change.filter(|_| !quiet) {
        tell(&about_module(&change));
    }
}

pub(crate) fn about_module(change: &Change) -> String {
    let outcome = match &change.attached {
        Ok(()) => "its ports are seen from now on, through kprobes".to_owned(),
        Err(error) => format!("its ports are not seen: {error}"),
    };
    format!("module {} was loaded: {outcome}", change.module.name)
}

/// Prints a line for each site that the hook has gone blind to.
pub(crate) fn tell_blinded(blinded: &[(Site, String)]) {
    for line in about_blinded(blinded) {
        tell(&line);
    }
}

pub(crate) fn about_blinded(blinded: &[(Site, String)]) -> impl Iterator<Item = String> {
    blinded.iter().map(|(site, why)| {
        format!("{} is no longer seen: the hook {why}", sites::row(*site).function)
    })
}

/// Prints a line with the file that is recorded to, and the end of the recording.
pub(crate) fn tell_recording(settings: &TraceSettings) {
    if let Some(record) = &settings.record {
        tell(&about_recording(record, settings.count, settings.duration));
    }
}

fn about_recording(record: &Options, count: Option<u64>, duration: Option<Duration>) -> String {
    let numbered = match record.rotate {
        Some(_) => ", in numbered files",
        None => "",
    };
    let mut ends = vec!["Ctrl-C".to_owned()];
    ends.extend(count.map(|count| format!("{count} events")));
    ends.extend(duration.map(|time| {
        let time = HumanDuration(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        format!("{time} have passed")
    }));
    format!("recording to {}{numbered} until {}", shown(&record.path), ends.join(" or "))
}

/// Prints a line with the hook, and what it can't see.
pub(crate) fn announce(tracer: &Tracer) {
    let row = hooks::row(tracer.hook);
    let mut line = format!("tracing with hook {}", tracer.hook.name());
    let unseen = unseen(tracer);
    if !unseen.is_empty() {
        line = format!("{line} (not seen here: {})", unseen.join(", "));
    }
    if tracer.hook == Hook::SockOps {
        line += ", which can't see the port search itself: TRIED is unknown";
    }
    if let Some(why) = tracer.no_table {
        line = format!("{line}; TRIED is unknown: {why}");
    }
    if let Some(why) = &tracer.no_binds {
        line = format!("{line}; {why}");
    }
    for (better, why) in &tracer.passed_over {
        log::info!("can't use hook {}: {why}", better.name());
    }
    if !tracer.passed_over.is_empty() {
        line += "; `ephtrace doctor` explains why no better hook works";
    }
    log::info!("attached: {}", row.attaches());
    tell(&line);
    if let Some(notice) = pid_namespace::notice(Path::new("/proc")) {
        tell(notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::stream::parquet::Rotate;

    #[test]
    fn a_recording_says_where_it_goes_and_how_it_ends() {
        let mut record = Options { path: "/x/ports.parquet".into(), rotate: None, mode: None };
        let line = about_recording(&record, None, None);
        assert_eq!(line, "recording to /x/ports.parquet until Ctrl-C");
        record.rotate = Some(Rotate::Time(Duration::from_mins(1)));
        let line = about_recording(&record, Some(5), Some(Duration::from_mins(1)));
        let expected = "recording to /x/ports.parquet, in numbered files until Ctrl-C or 5 events \
                        or 60.0 s have passed";
        assert_eq!(line, expected);
    }
}
