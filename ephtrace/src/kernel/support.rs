//! Features of this machine: kernel, rights, lockdown, BTF, cgroup v2. Read-only.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{btf::Btf, config};
use crate::host::cgroup2::Cgroup2;
use crate::model::escape::shown;

/// File with the running kernel's BTF.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Facts about this machine, as far as they can be seen with the rights at hand.
#[derive(Debug, Clone)]
pub struct Support {
    /// Kernel release (`uname -r`).
    pub release: String,
    /// True if the effective user id is 0.
    pub is_root: bool,
    /// Capabilities that tracing needs and this process lacks.
    pub missing_rights: Vec<&'static str>,
    /// Active lockdown mode (`integrity`, `confidentiality`), `None` if off; an error if securityfs
    /// is not mounted.
    pub lockdown: Result<Option<String>, LockdownUnknown>,
    /// BTF file in use, or why there is none.
    pub btf: Result<PathBuf, String>,
    /// True if the kernel has kprobes that BPF programs can be attached to.
    pub has_kprobes: bool,
    /// True if the kernel may preempt a task in the middle of a program, as far as is known.
    pub is_preemptible: bool,
    /// Root of the cgroup v2 hierarchy.
    pub cgroup2: Option<Cgroup2>,
}

/// Error for an unreadable lockdown mode: securityfs is not mounted, or hidden.
#[derive(Debug, Clone, Copy)]
pub struct LockdownUnknown;

/// `CAP_*` bits; [`missing_rights`] has the use of each.
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

impl Support {
    /// Examines the running system. `btf` is a file to use in place of the kernel's own.
    pub fn gather(btf: Option<&Path>) -> Self {
        let path = btf.unwrap_or(Path::new(VMLINUX));
        let usable = fs::metadata(path).map(|_| path.to_path_buf()).map_err(|error| {
            let name = shown(&path);
            if btf.is_some() {
                return format!("can't read {name}: {error}; pass another file with --btf");
            }
            format!(
                "{name}: {error}; this kernel was built without CONFIG_DEBUG_INFO_BTF: pass a BTF \
                 file with --btf"
            )
        });
        Self {
            release: read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".into()),
            is_root: effective_uid() == Some(0),
            // Without /proc, a trial decides.
            missing_rights: effective_capabilities().map_or_else(Vec::new, missing_rights),
            lockdown: read("/sys/kernel/security/lockdown")
                .map(|text| active_lockdown(&text))
                .ok_or(LockdownUnknown),
            btf: usable,
            has_kprobes: Path::new("/sys/bus/event_source/devices/kprobe/type").exists(),
            is_preemptible: config::is_preemptible(),
            cgroup2: Cgroup2::find(),
        }
    }

    /// Returns the parsed BTF.
    pub fn load_btf(&self) -> Result<Btf, String> {
        let path = self.btf.clone()?;
        let data = fs::read(&path)
            .map_err(|error| format!("can't read {}: {error}; run as root", shown(&path)))?;
        Btf::parse(data).map_err(|error| format!("{} is unusable: {error}", shown(&path)))
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned())
}

fn status_field(name: &str) -> Option<String> {
    let status = read("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches(':').trim().to_owned())
}

fn effective_uid() -> Option<u32> {
    status_field("Uid")?.split_whitespace().nth(1)?.parse().ok()
}

fn effective_capabilities() -> Option<u64> {
    u64::from_str_radix(&status_field("CapEff")?, 16).ok()
}

/// Returns the rights that tracing needs and that are not in `caps` (`CapEff`).
///
/// `CAP_BPF` and `CAP_PERFMON` came with Linux 5.8, both split off from `CAP_SYS_ADMIN`.
fn missing_rights(caps: u64) -> Vec<&'static str> {
    let has = |bit: u32| caps >> bit & 1 == 1;
    let admin = has(CAP_SYS_ADMIN);
    let needed = [
        ("CAP_BPF", admin || has(CAP_BPF)),
        ("CAP_PERFMON", admin || has(CAP_PERFMON)),
        ("CAP_NET_ADMIN", admin || has(CAP_NET_ADMIN)),
    ];
    needed.into_iter().filter(|(_, is_there)| !is_there).map(|(name, _)| name).collect()
}

/// Returns the mode in brackets: `none [integrity] confidentiality`.
fn active_lockdown(text: &str) -> Option<String> {
    let mode = text.split('[').nth(1)?.split(']').next()?;
    (mode != "none").then(|| mode.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_lockdown_mode() {
        assert_eq!(active_lockdown("none [integrity] confidentiality"), Some("integrity".into()));
        assert_eq!(active_lockdown("[none] integrity confidentiality"), None);
        assert_eq!(active_lockdown(""), None);
    }

    #[test]
    fn names_missing_rights() {
        assert!(missing_rights(u64::MAX).is_empty());
        assert!(missing_rights(1 << CAP_SYS_ADMIN).is_empty());
        assert_eq!(missing_rights(0), ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"]);
        assert_eq!(missing_rights(1 << CAP_BPF | 1 << CAP_PERFMON), ["CAP_NET_ADMIN"]);
    }
}
