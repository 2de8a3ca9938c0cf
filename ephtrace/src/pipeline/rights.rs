//! Rights of a live run after it is attached: those that the rest of it needs, and no others.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::{Context as _, Result};

use super::{announce::tell, recording_metadata, settings::TraceSettings};
use crate::{
    host::{
        calls::{self, Live},
        hidden,
        rights::{
            self, Account, RIGHTS, Right, Rights, TO_ATTACH, TO_LOOK, TO_WRITE, become_user, held,
        },
    },
    kernel::tracer::Tracer,
};

/// Remaining work of a command.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "kinds of work that have nothing in common")]
pub(crate) struct Later {
    /// True if it looks at sockets in use, in all network namespaces.
    pub(crate) looks: bool,
    /// True if it reads events from the ring buffer, ahead of others.
    pub(crate) reads: bool,
    /// True if it has the kernel measure the programs' cost.
    pub(crate) measures: bool,
    /// True if it writes files in places that are not entirely this user's.
    pub(crate) writes_for_others: bool,
}

impl Later {
    /// Remaining work after counting: `storm` and `check` take inventories.
    pub(crate) const COUNTING: Self =
        Self { looks: true, reads: false, measures: false, writes_for_others: false };

    /// Returns that of `serve`, which may write the file at `path`, too.
    pub(crate) fn serving(path: Option<&Path>) -> Self {
        Self { writes_for_others: path.is_some_and(|path| !is_own(path)), ..Self::COUNTING }
    }

    /// Returns the remaining work of a trace with `settings`; `looks` if it takes inventories.
    pub(crate) fn of_trace(settings: &TraceSettings, looks: bool) -> Self {
        let recorded = settings.record.as_ref().map(|record| &record.path);
        let path = recorded.or(settings.output.as_ref());
        let writes_for_others = path.is_some_and(|path| !is_own(path));
        Self { looks, reads: true, measures: settings.measures_cost, writes_for_others }
    }

    /// Returns the rights needed for it, apart from those of the hook.
    fn rights(self) -> Rights {
        let mut rights = Rights::empty();
        rights.set(Rights::SYS_ADMIN, self.measures);
        if self.looks {
            rights |= TO_LOOK;
        }
        if self.writes_for_others {
            rights |= TO_WRITE;
        }
        // Otherwise names and containers of others' processes would be missing from now on.
        rights.set(Rights::SYS_PTRACE, self.looks || hidden::hides(Path::new("/proc")));
        rights
    }
}

/// Returns whether only this user can create and replace files beside `path`, so that no right is
/// needed for it.
fn is_own(path: &Path) -> bool {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let (uid, gid) = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    let folder = fs::metadata(parent.unwrap_or(Path::new(".")));
    let file = fs::metadata(path);
    folder.is_ok_and(|folder| folder.uid() == uid && folder.mode() & 0o300 == 0o300)
        && match file {
            Ok(file) => file.uid() == uid && file.gid() == gid && file.mode() & 0o200 != 0,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
}

/// Turns the process into one of `user`, if one is named, with the rights that a run needs from
/// start to end. Call it first: files are created by that user, and threads inherit it.
pub(crate) fn begin(user: Option<&Account>) -> Result<()> {
    let Some(account) = user else { return Ok(()) };
    let had = held().unwrap_or(Rights::all());
    become_user(account, TO_ATTACH | TO_LOOK)
        .context("can't become that user (this needs CAP_SETUID and CAP_SETGID: run as root)")?;
    log::info!("user {}, with {} of {} rights", account.uid, count(held().ok()), count(Some(had)));
    Ok(())
}

fn count(rights: Option<Rights>) -> u32 {
    rights.unwrap_or(Rights::empty()).bits().count_ones()
}

/// Rights that a run would use and lacks.
#[must_use]
pub(crate) struct Missing(Vec<&'static Right>);

/// Keeps only the rights that a run needs from now on.
pub(crate) fn restrict(tracer: &Tracer, later: Later) -> Missing {
    let awaits_module = tracer.awaits_module();
    let missing = missing(later);
    let mut rights = later.rights();
    rights.set(Rights::PERFMON, awaits_module);
    // Linux 5.19 and later require no right of a process that has a map open.
    let reads = || tracer.counts().is_ok();
    let needs_bpf = !rights::works_without(Rights::BPF.union(Rights::SYS_ADMIN), reads);
    rights.set(Rights::BPF, awaits_module || needs_bpf);
    match rights::keep(rights) {
        Ok(()) => log::info!("rights kept: {}", names(held().unwrap_or(Rights::all()))),
        Err(error) => log::warn!("can't drop rights: {error}"),
    }
    let live = Live { enters: later.looks, measures: later.measures, awaits_module };
    match calls::restrict_live(live) {
        Ok(()) => log::info!("seccomp: no exec, no mount, no module, no new BPF program"),
        Err(error) => log::info!("seccomp: none, because {error}"),
    }
    missing
}

impl Missing {
    /// Prints a line for each.
    pub(crate) fn tell(&self) {
        for Right { name, lost, .. } in &self.0 {
            tell(&format!("without {name}, {lost}"));
        }
    }
}

/// Keeps only the rights to look at sockets, for commands that attach nothing.
pub(crate) fn look_only(more: Rights) {
    if let Err(error) = rights::keep(TO_LOOK | more) {
        log::warn!("can't drop rights: {error}");
    }
}

/// Drops all rights of the calling thread, which waits for signals.
pub(crate) fn renounce() {
    if let Err(error) = rights::keep(Rights::empty()) {
        log::warn!("can't drop rights: {error}");
    }
}

fn names(held: Rights) -> String {
    let names: Vec<&str> =
        RIGHTS.iter().filter(|one| held.contains(one.right)).map(|one| one.name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn missing(later: Later) -> Missing {
    let held = held().unwrap_or(Rights::all());
    let wanted = wanted(later, nix::unistd::geteuid().is_root(), is_memory_locked());
    let is_missing = |one: &&Right| wanted.contains(one.right) && !one.is_in(held);
    Missing(RIGHTS.iter().filter(is_missing).collect())
}

/// Returns the rights that a run with this remaining work would use. Users other than root have no
/// files of others.
fn wanted(later: Later, is_root: bool, is_memory_locked: bool) -> Rights {
    let mut wanted = TO_ATTACH | later.rights();
    if !is_root {
        wanted -= TO_WRITE;
    }
    if !later.reads {
        wanted -= Rights::SYS_NICE;
    }
    if !is_memory_locked {
        wanted -= Rights::SYS_RESOURCE;
    }
    wanted
}

/// Returns whether maps count as locked memory: in Linux up to 5.10.
pub(crate) fn is_memory_locked() -> bool {
    let release = recording_metadata::kernel_release().unwrap_or_default();
    let mut numbers = release.split('.').map(str::parse::<u32>);
    matches!((numbers.next(), numbers.next()), (Some(Ok(major)), Some(Ok(minor)))
        if (major, minor) < (5, 11))
}
