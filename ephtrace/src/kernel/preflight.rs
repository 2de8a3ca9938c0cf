//! Checks whether a hook can work here, as far as that shows without a trial.

use ephtrace_common::Hook;

use super::{
    btf::Btf,
    error::AttachError,
    sites::{self, SITES, Site, SiteRow, Unseen},
    support::Support,
};

/// Checks the rights that every hook needs.
pub fn check_rights(support: &Support) -> Result<(), AttachError> {
    if support.missing_rights.is_empty() {
        return Ok(());
    }
    let rights = support.missing_rights.join(", ");
    Err(AttachError::NotPermitted(format!("this process lacks {rights}; run `sudo ephtrace`")))
}

/// Checks the parts of the kernel that `hook` needs.
pub fn check_hook(hook: Hook, support: &Support) -> Result<(), AttachError> {
    let unsupported = |why: String| Err(AttachError::Unsupported(why));
    match hook {
        Hook::Kprobe if !support.has_kprobes => unsupported(
            "this kernel has no kprobes; they need CONFIG_KPROBES and CONFIG_PERF_EVENTS".into(),
        ),
        Hook::SockOps => match &support.cgroup2 {
            Some(root) if root.is_whole => Ok(()),
            Some(_) => unsupported(
                "this is a cgroup namespace, in which the hook would see only one cgroup of the \
                 host; run ephtrace outside it (docker run --cgroupns=host, nsenter -t 1 -C)"
                    .into(),
            ),
            None => unsupported(
                "no cgroup v2 is mounted, and ephtrace can't mount it; run as root".into(),
            ),
        },
        Hook::Fentry | Hook::Kprobe => Ok(()),
    }
}

/// Checks whether `hook` can see the assignments of `site`.
pub fn check_site(hook: Hook, site: Site, support: &Support, btf: &Btf) -> Result<(), String> {
    let row = sites::row(site);
    match hook {
        Hook::SockOps => row.sock_ops.blind.map_or(Ok(()), |why| Err(why.to_owned())),
        Hook::Fentry | Hook::Kprobe => match row.module {
            // A module is in no BTF that ephtrace reads, and maybe not in the kernel yet.
            Some(_) if support.has_kprobes => Ok(()),
            Some(module) => Err(format!(
                "functions of the module {} need kprobes, which this kernel lacks",
                module.name
            )),
            None => check_function(row, btf),
        },
    }
}

fn check_function(row: &SiteRow, btf: &Btf) -> Result<(), String> {
    let name = row.function;
    match btf.function(name) {
        Some(function) if row.arguments.contains(&function.params.len()) => Ok(()),
        Some(function) => Err(format!(
            "{name} takes {} arguments in this kernel, a form unknown to ephtrace",
            function.params.len()
        )),
        None => Err(format!("{name} is not in the kernel's BTF")),
    }
}

/// Divides the sites that `hook` is to see for `origins` (bits of `Filter::origins`) into those
/// that it can see and those that it can't. Fails if it can see none.
pub(super) fn divide(
    hook: Hook,
    support: &Support,
    btf: &Btf,
    origins: u32,
) -> Result<(Vec<Site>, Unseen), AttachError> {
    let (mut seen, mut unseen) = (Vec::new(), Unseen::new());
    for row in SITES.iter().filter(|row| row.is_wanted(origins)) {
        match check_site(hook, row.site, support, btf) {
            Ok(()) => seen.push(row.site),
            Err(why) => unseen.push((row.site, why)),
        }
    }
    match unseen.first() {
        Some((_, why)) if seen.is_empty() => Err(AttachError::Unsupported(why.clone())),
        Some(_) | None => Ok((seen, unseen)),
    }
}
