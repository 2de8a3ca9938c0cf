//! Looks up the numbers of names in the system: users, network namespaces, cgroups.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno::ESRCH,
    sys::{
        signal::kill,
        statfs::{self, NSFS_MAGIC},
    },
    unistd::Pid,
};

use super::error::UsageError;
use crate::host::{
    cgroup2::Cgroup2,
    containers::cgroups_of,
    ns_file::{self, NsFile},
    pid_namespace,
    rights::Account,
};
use crate::model::{
    escape::shown,
    filter::{Cgroup, ContainerName},
};

/// List of users.
const USERS: &str = "/etc/passwd";

/// List of their groups.
const GROUPS: &str = "/etc/group";

/// Folder in which `ip netns` keeps its namespaces.
const NAMED_NETNS: &str = "/run/netns";

/// Returns the number of a user, from number or name.
pub(super) fn uid(text: &str) -> Result<u32, UsageError> {
    if let Ok(uid) = text.parse() {
        return Ok(uid);
    }
    let advice = "`id -u NAME` prints the number of any user; use that";
    let users = fs::read_to_string(USERS)
        .map_err(|e| unknown("--uid", text, no_path(USERS, &e), advice))?;
    user_id(&users, text).ok_or_else(|| unknown("--uid", text, format!("not in {USERS}"), advice))
}

/// Returns the number of user `name` in a file such as `/etc/passwd`.
///
/// Avoids `getpwnam`, which loads libraries at run time and crashes in a static binary.
fn user_id(users: &str, name: &str) -> Option<u32> {
    let mut fields = users.lines().map(|line| line.split(':'));
    fields.find_map(|mut user| if user.next()? == name { user.nth(1)?.parse().ok() } else { None })
}

/// Returns the user named with `--user`, by name or number, with its groups.
pub(crate) fn account(text: Option<&str>) -> Result<Option<Account>, UsageError> {
    let Some(text) = text else { return Ok(None) };
    let advice = "`getent passwd` lists the users";
    let users = fs::read_to_string(USERS)
        .map_err(|e| unknown("--user", text, no_path(USERS, &e), advice))?;
    // Without a list of groups, the user is in no other group.
    let groups = fs::read_to_string(GROUPS).unwrap_or_default();
    let found = account_in(&users, &groups, text);
    let reason = || unknown("--user", text, format!("not in {USERS}"), advice);
    found.map(Some).ok_or_else(reason)
}

/// Returns user `text` of files such as `/etc/passwd` and `/etc/group`, in the way of [`user_id`].
fn account_in(users: &str, groups: &str, text: &str) -> Option<Account> {
    let mut lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|line| line.first() == Some(&text) || line.get(2) == Some(&text))?;
    let [name, _, uid, gid, ..] = line[..] else { return None };
    let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
    let is_member = |line: &&str| {
        line.rsplit(':').next().is_some_and(|members| members.split(',').any(|one| one == name))
    };
    let number = |line: &str| line.split(':').nth(2)?.parse().ok();
    let others = groups.lines().filter(is_member).filter_map(number);
    Some(Account { uid, gid, groups: [gid].into_iter().chain(others).collect() })
}

/// Refuses a process that does not exist, where `/proc` shows the ids that the kernel half
/// compares.
pub(super) fn check_pid(pid: u32) -> Result<(), UsageError> {
    if !pid_namespace::is_initial(Path::new("/proc")).unwrap_or(false) {
        return Ok(());
    }
    // A process that may not be signalled exists, and one that is only in /proc belongs to another
    // PID namespace.
    let exists = i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None) != Err(ESRCH))
        || Path::new("/proc").join(pid.to_string()).exists();
    let advice = "`pgrep NAME` prints ids; --comm NAME keeps processes that start later, too";
    let why = || unknown("--pid", &pid.to_string(), "no such process now".to_owned(), advice);
    if exists { Ok(()) } else { Err(why()) }
}

/// Returns the inode number of a network namespace, from number, path or name.
pub(super) fn netns(text: &str) -> Result<u32, UsageError> {
    if let Ok(inode) = text.parse() {
        return Ok(inode);
    }
    let named = !text.contains('/');
    let path = netns_file(text);
    let advice = if named {
        "`ip netns list` shows the names; a path such as /proc/PID/ns/net also works"
    } else {
        "use a path such as /proc/PID/ns/net or /run/netns/NAME"
    };
    let fail = |reason| unknown("--netns", text, reason, advice);
    let inode = fs::metadata(&path).map_err(|e| fail(no_path(&path.to_string_lossy(), &e)))?.ino();
    match statfs::statfs(&path) {
        Ok(stat) if stat.filesystem_type() == NSFS_MAGIC => {}
        _ => return Err(fail(format!("{} is not a namespace", shown(&path)))),
    }
    let no_namespace = || format!("{} is not a network namespace", shown(&path));
    let inode = u32::try_from(inode).map_err(|_| fail(no_namespace()))?;
    let file = NsFile::new(path.clone()).open(inode);
    let file = file.map_err(|e| fail(no_path(&path.to_string_lossy(), &e)))?;
    if ns_file::is_network(&file) { Ok(inode) } else { Err(fail(no_namespace())) }
}

/// Returns the file that stands for a network namespace, from path or name.
pub(super) fn netns_file(text: &str) -> PathBuf {
    if text.contains('/') { PathBuf::from(text) } else { Path::new(NAMED_NETNS).join(text) }
}

/// Returns a cgroup v2, from its absolute path or from its path below the mount.
///
/// `/system.slice` works too, as `/proc/PID/cgroup` writes it.
pub(super) fn cgroup(path: &Path) -> Result<Cgroup, UsageError> {
    let typed = shown(path).to_string();
    match Cgroup2::find() {
        Some(root) => cgroup_below(&root, path),
        None => Err(no_cgroup2("--cgroup", &typed)),
    }
}

fn cgroup_below(root: &Cgroup2, path: &Path) -> Result<Cgroup, UsageError> {
    let typed = shown(path).to_string();
    let advice = "`systemd-cgls` shows the paths, and so does the line 0:: in /proc/PID/cgroup";
    let fail = |reason| unknown("--cgroup", &typed, reason, advice);
    let full = root.locate(path);
    let found = root.id_and_level(&full).map_err(|e| fail(no_path(&root.shown(&full), &e)))?;
    let Some((id, level)) = found else {
        return Err(fail(format!("{} is not inside {}", shown(&full), root.name())));
    };
    if !root.is_whole {
        return Err(unknown(
            "--cgroup",
            &typed,
            format!("{} is not the root of the hierarchy", root.name()),
            "run ephtrace outside the cgroup namespace (docker run --cgroupns=host)",
        ));
    }
    Ok(Cgroup { id, level })
}

fn no_cgroup2(flag: &'static str, name: &str) -> UsageError {
    unknown(
        flag,
        name,
        "no cgroup v2 is mounted, and ephtrace can't mount it".to_owned(),
        "run ephtrace as root, or run `mount -t cgroup2 none DIR`",
    )
}

/// Returns the cgroups of a running container, from its id, the beginning of its id, or its name if
/// the runtime gives no id; none if no cgroup is called so.
pub(super) fn container(text: &str) -> Result<Vec<Cgroup>, UsageError> {
    let advice = "use an id from `docker ps`, `crictl ps` or `podman ps` (`docker inspect -f \
                  {{.Id}} NAME` prints it), or a name of LXC or systemd-nspawn";
    let fail = |reason| unknown("--container", text, reason, advice);
    let root = Cgroup2::find().ok_or_else(|| no_cgroup2("--container", text))?;
    let found = cgroups_of(&root.folder(), &ContainerName::new(text))
        .map_err(|error| fail(no_path(&root.name(), &error)))?;
    let names: BTreeSet<&str> = found.iter().map(|(_, name)| &**name).collect();
    match names.len() {
        0 => Ok(Vec::new()),
        1 => found.iter().map(|(path, _)| cgroup_below(&root, path)).collect(),
        _ => {
            let names: Vec<&str> = names.into_iter().collect();
            Err(fail(format!("it matches {}", names.join(", "))))
        }
    }
}

fn no_path(path: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("no {path}"),
        io::ErrorKind::PermissionDenied => format!("permission denied for {path}"),
        _ => format!("can't read {path} ({error})"),
    }
}

fn unknown(flag: &'static str, name: &str, reason: String, advice: &str) -> UsageError {
    UsageError::Unknown { flag, name: name.to_owned(), reason, advice: advice.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_gone_is_refused_where_ids_are_the_kernels() {
        let is_known = pid_namespace::is_initial(Path::new("/proc")).unwrap();
        check_pid(std::process::id()).unwrap();
        // More than Linux ever gives.
        assert_eq!(check_pid(1 << 23).is_err(), is_known);
        assert_eq!(check_pid(u32::MAX).is_err(), is_known);
    }

    #[test]
    fn a_user_has_the_groups_that_name_it() {
        let users = "root:x:0:0::/root:/bin/sh\ntracer:x:990:991::/:/usr/sbin/nologin\nbroken:x\n";
        let groups = "root:x:0:\nadm:x:4:syslog,tracer\nother:x:5:tracers\ntracer:x:991:\n";
        let tracer = Account { uid: 990, gid: 991, groups: vec![991, 4] };
        for text in ["tracer", "990"] {
            assert_eq!(account_in(users, groups, text).as_ref(), Some(&tracer), "{text}");
        }
        assert_eq!(account_in(users, "", "tracer").unwrap().groups, [991]);
        for text in ["", "nobody", "991", "broken", "x"] {
            assert_eq!(account_in(users, groups, text), None, "{text}");
        }
    }
}
