//! Reasons why `/proc` may not list every process that shares this kernel's sockets.

use std::{fs, os::unix::ffi::OsStrExt as _, path::Path};

use super::{mounts::unescape, pid_namespace};
use crate::model::escape::shown;

/// `CAP_SYS_PTRACE` in the sets of `/proc/PID/status`.
const SYS_PTRACE: u64 = 1 << 19;

/// Returns the reason, and the remedy, if processes may exist that `proc` does not list.
///
/// `hidepid` (`Documentation/filesystems/proc.rst`) hides processes of other users, and a PID
/// namespace those of other namespaces.
pub fn reason(proc: &Path) -> Option<String> {
    let mounts = fs::read(proc.join("self/mountinfo")).unwrap_or_default();
    let status = fs::read_to_string(proc.join("self/status")).unwrap_or_default();
    if let Some(option) = hidepid(&mounts, proc)
        && !may_look(&option, &status)
    {
        let mount = shown(&proc);
        return Some(format!(
            "{mount} is mounted with {}, which hides other users' processes: run as root",
            option.text
        ));
    }
    let is_initial = pid_namespace::is_initial(proc).ok()?;
    (!is_initial).then(|| {
        "this PID namespace shows only its own processes: run ephtrace in the host's PID namespace"
            .to_owned()
    })
}

/// The option of `/proc` that hides processes.
#[derive(Debug, PartialEq, Eq)]
struct HidePid {
    /// Text of the option, as in the mount's options.
    text: String,
    /// True if members of `gid` see all processes.
    has_group: bool,
    /// Group that sees all processes; 0 by default.
    gid: u32,
}

/// Returns whether `proc` is mounted with an option that hides details of a process from some
/// users.
pub fn hides(proc: &Path) -> bool {
    let mounts = fs::read(proc.join("self/mountinfo")).unwrap_or_default();
    let options = options(&mounts, proc).unwrap_or_default();
    let mode = options.split(',').find_map(|option| option.strip_prefix("hidepid="));
    !matches!(mode, None | Some("0" | "off"))
}

/// Returns the options of the last mount on `proc`, which covers earlier ones.
fn options(mounts: &[u8], proc: &Path) -> Option<String> {
    let mut lines = mounts.rsplit(|&b| b == b'\n').filter_map(|line| {
        let fields: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
        let separator = fields.iter().position(|field| *field == b"-")?;
        let is_here = unescape(fields.get(4)?) == proc.as_os_str().as_bytes();
        (is_here).then(|| fields.get(separator + 3).copied().unwrap_or_default())
    });
    Some(String::from_utf8_lossy(lines.next()?).into_owned())
}

fn hidepid(mounts: &[u8], proc: &Path) -> Option<HidePid> {
    let options = options(mounts, proc)?;
    let value = |name: &str| options.split(',').find_map(|option| option.strip_prefix(name));
    let mode = value("hidepid=")?;
    // 0 (off) hides nothing; with 1 (noaccess), processes are listed, but their details are hidden.
    let has_group = match mode {
        "2" | "invisible" => true,
        "4" | "ptraceable" => false,
        _ => return None,
    };
    let gid = value("gid=").and_then(|gid| gid.parse().ok()).unwrap_or(0);
    Some(HidePid { text: format!("hidepid={mode}"), has_group, gid })
}

/// Returns whether this process sees the others in spite of the option (`has_pid_permissions`).
fn may_look(option: &HidePid, status: &str) -> bool {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let capabilities = field("CapEff:").and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    let groups = ["Gid:", "Groups:"].into_iter().filter_map(field);
    let mut groups = groups.flat_map(str::split_whitespace).filter_map(|gid| gid.parse().ok());
    capabilities.is_some_and(|set| set & SYS_PTRACE != 0)
        || option.has_group && groups.any(|gid: u32| gid == option.gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(options: &str) -> Option<HidePid> {
        let text = format!(
            "22 1 0:20 / /proc rw,relatime shared:5 - proc proc rw\n\
             23 22 0:21 / /proc/x rw - proc proc rw,hidepid=2\n\
             24 22 0:22 / /proc rw - proc proc rw{options}\n"
        );
        hidepid(text.as_bytes(), Path::new("/proc"))
    }

    #[test]
    fn the_option_is_read_as_old_and_new_kernels_write_it() {
        let of = |options| mounted(options).map(|option| (option.has_group, option.gid));
        assert_eq!(of(""), None);
        assert_eq!(of(",hidepid=1"), None);
        assert_eq!(of(",hidepid=noaccess"), None);
        assert_eq!(of(",gid=27,hidepid=2"), Some((true, 27)));
        assert_eq!(of(",hidepid=invisible"), Some((true, 0)));
        assert_eq!(of(",hidepid=ptraceable"), Some((false, 0)));
    }

    #[test]
    fn root_and_members_of_the_group_see_all() {
        let status =
            |gid, set| format!("Gid:\t{gid}\t{gid}\nGroups:\t7 27 \nCapEff:\t{set:016x}\n");
        let may = |options, gid, set| may_look(&mounted(options).unwrap(), &status(gid, set));
        assert!(may(",hidepid=invisible", 1000, SYS_PTRACE));
        assert!(may(",hidepid=ptraceable", 1000, SYS_PTRACE));
        assert!(may(",hidepid=invisible,gid=27", 1000, 0));
        assert!(!may(",hidepid=ptraceable,gid=27", 1000, 0));
        assert!(!may(",hidepid=invisible", 1000, 0));
        assert!(may(",hidepid=invisible", 0, 0), "group 0, which is that of root");
    }
}
