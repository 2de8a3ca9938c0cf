//! Notices about the hook on standard error: its name, its blind spots, modules loaded later.

use std::{
    io::{self, Write as _},
    path::Path,
};

use crate::{
    host::pid_namespace,
    kernel::{
        hooks::{self, Hook},
        module::Change,
        sites::{self, Site},
        tracer::Tracer,
    },
    model::Origin,
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

/// Prints a line once a module that was waited for is loaded.
pub(crate) fn tell_module(change: Option<Change>, quiet: bool) {
    if let Some(change) = change.filter(|_| !quiet) {
        // A closed standard error is no reason to fail.
        let _ = writeln!(io::stderr(), "ephtrace: {}", about_module(&change));
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
        // A closed standard error is no reason to fail.
        let _ = writeln!(io::stderr(), "ephtrace: {line}");
    }
}

pub(crate) fn about_blinded(blinded: &[(Site, String)]) -> impl Iterator<Item = String> {
    blinded.iter().map(|(site, why)| {
        format!("{} is no longer seen: the hook {why}", sites::row(*site).function)
    })
}

/// Prints a line with the hook, and what it can't see.
pub(crate) fn announce(tracer: &Tracer) {
    let row = hooks::row(tracer.hook);
    let mut line = format!("ephtrace: tracing with hook {}", tracer.hook.name());
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
    // A closed standard error is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
    if let Some(notice) = pid_namespace::notice(Path::new("/proc")) {
        let _ = writeln!(io::stderr(), "ephtrace: {notice}");
    }
}
