//! Sandbox of a process that reads untrusted files: it may read them, and write to the places that
//! its user named.
//!
//! Landlock (Linux 5.13) restricts files, sockets and other processes, seccomp the system calls
//! that Landlock does not cover. A kernel that lacks one of them still has the other; `-v` reports
//! which are in force.

use std::{
    env,
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use nix::sys::statfs::{FsType, fstatfs};

use super::calls::{self, Reason, Threads};

/// Newest Landlock rules that are requested (Linux 6.12); an older kernel has fewer.
const RULES: ABI = ABI::V6;

/// Time zones, which are read again while a replay runs.
const ZONES: [&str; 2] = ["/etc/localtime", "/usr/share/zoneinfo"];

/// Files that are written besides the outputs: the terminal of a live view, and the null device.
const DEVICES: [&str; 2] = ["/dev/tty", "/dev/null"];

/// `PIPEFS_MAGIC` of the kernel's `include/uapi/linux/magic.h`.
const PIPEFS: FsType = FsType(0x5049_5045);

/// Seed sources for hashes in a static binary.
const RANDOM: [&str; 2] = ["/dev/random", "/dev/urandom"];

/// Files with the set of ignored signals, and the system call in which a thread waits.
const OWN: [&str; 2] = ["/proc/self/status", "/proc/self/task"];

/// The access that is left to a process.
#[derive(Clone, Debug, Default)]
pub struct Sandbox {
    read: Vec<PathBuf>,
    written_in: Vec<PathBuf>,
}

impl Sandbox {
    /// Allows reading the file at `path`; it need not exist.
    #[must_use]
    pub fn reads(mut self, path: &Path) -> Self {
        self.read.push(path.to_owned());
        self
    }

    /// Allows creating, writing and removing files in the directory of the file at `path`: it is
    /// written beside itself, or further files follow it.
    #[must_use]
    pub fn writes_beside(mut self, path: &Path) -> Self {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        self.written_in.push(parent.unwrap_or(Path::new(".")).to_owned());
        self
    }

    /// Restricts this thread, and those that it starts, from now on.
    pub fn enter(&self) {
        match self.restrict() {
            Ok(status) => log::info!("Landlock: {}", in_words(&status)),
            Err(error) => log::info!("Landlock: none, because {error}"),
        }
        match filter_calls() {
            Ok(()) => log::info!("seccomp: no network, no other process"),
            Err(error) => log::info!("seccomp: none, because {error}"),
        }
    }

    fn restrict(&self) -> Result<RulesetStatus, RulesetError> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let written = read | AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::RemoveFile;
        let written = written | AccessFs::Truncate;
        let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
        let own = self.read.iter().map(PathBuf::as_path);
        let zones = own_zones();
        let own = own.chain(zones.iter().map(PathBuf::as_path));
        let shared = ZONES.iter().chain(&OWN).chain(&RANDOM).map(Path::new);
        let written_in = self.written_in.iter().map(|path| rule(path, written));
        let rules = own.chain(shared).map(|path| rule(path, read)).chain(written_in);
        let rules = rules.chain(DEVICES.iter().map(|path| rule(Path::new(path), device)));
        let ruleset = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(RULES))?
            .handle_access(AccessNet::from_all(RULES))?
            .scope(Scope::from_all(RULES))?
            .create()?;
        // A file that does not exist can't be opened later either.
        let ruleset = ruleset.add_rules(rules.flatten().map(Ok::<_, RulesetError>))?;
        Ok(ruleset.restrict_self()?.ruleset)
    }
}

/// Returns the user's own time zones: `TZ=/path/to/zone`, and the directory `TZDIR`.
fn own_zones() -> Vec<PathBuf> {
    let named = ["TZ", "TZDIR"].into_iter().filter_map(env::var_os);
    let paths = named.map(|name| {
        let bytes = name.as_bytes();
        PathBuf::from(OsStr::from_bytes(bytes.strip_prefix(b":").unwrap_or(bytes)))
    });
    paths.filter(|path| path.is_absolute()).collect()
}

/// Returns the rule for a path. A file has no directory rights. A shell's pipe (`<(COMMAND)`) is in
/// no directory: it needs no rule, and can have none.
fn rule(path: &Path, access: BitFlags<AccessFs>) -> Option<PathBeneath<PathFd>> {
    let file = PathFd::new(path).ok()?;
    if fstatfs(&file).is_ok_and(|fs| fs.filesystem_type() == PIPEFS) {
        return None;
    }
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(RULES) };
    Some(PathBeneath::new(file, access))
}

fn in_words(status: &RulesetStatus) -> &'static str {
    match status {
        RulesetStatus::FullyEnforced => "only the recording and the output, no network",
        RulesetStatus::PartiallyEnforced => "only the recording and the output",
        RulesetStatus::NotEnforced => "this kernel lacks it",
    }
}

fn filter_calls() -> Result<(), Reason> {
    let refused = REFUSED.iter().chain(REFUSED_HERE).chain(calls::NEVER).chain(calls::NEVER_HERE);
    calls::refuse(refused.map(|&call| (call, Vec::new())).collect(), Threads::This)
}

/// System calls that reading a file does not need, besides those that ephtrace never makes.
const REFUSED: &[libc::c_long] = &[
    // The network.
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Other processes.
    libc::SYS_kill,
    libc::SYS_tkill,
    // Changes that need only a name.
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    // The kernel, and the data that it shows to processes.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_setns,
    libc::SYS_fsopen,
];

/// Calls of this kind that only older architectures have.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] = &[libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown];

#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File, Permissions},
        io::ErrorKind,
        net::{TcpListener, TcpStream, UdpSocket},
        os::unix::{
            fs::{PermissionsExt as _, symlink},
            net::UnixStream,
        },
        process::Command,
        thread,
    };

    use super::*;

    /// Acts like a reader in a sandbox that tries other things.
    #[test]
    fn a_reader_that_misbehaves_gets_nowhere() {
        let folder = env::temp_dir().join(format!("ephtrace-sandbox-{}", std::process::id()));
        fs::create_dir_all(folder.join("out")).unwrap();
        let [input, secret] = ["input", "secret"].map(|name| folder.join(name));
        fs::write(&input, "events").unwrap();
        fs::write(&secret, "of root").unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        let out = folder.join("out/page");
        let sandbox = Sandbox::default().reads(&input).writes_beside(&out);
        let refused = thread::spawn(move || {
            sandbox.enter();
            assert_eq!(fs::read(&input).unwrap(), b"events");
            fs::write(&out, "page").unwrap();
            fs::rename(&out, out.with_file_name("renamed")).unwrap();
            assert!(thread::spawn(|| 1).join().is_ok(), "no thread");
            assert!(Path::new("/proc/self/task").read_dir().is_ok());
            [
                File::open(&secret).map(drop),
                fs::write(&secret, "mine"),
                fs::write(secret.with_file_name("new"), "mine"),
                fs::remove_file(&secret),
                fs::rename(&secret, out.with_file_name("secret")),
                fs::hard_link(&secret, out.with_file_name("linked")),
                symlink(&secret, out.with_file_name("link")),
                fs::set_permissions(&secret, Permissions::from_mode(0o777)),
                fs::create_dir(out.with_file_name("folder")),
                TcpStream::connect(to).map(drop),
                UdpSocket::bind("127.0.0.1:0").map(drop),
                UnixStream::connect("/run/none").map(drop),
                Command::new("true").status().map(drop),
            ]
            .map(|tried| tried.map_err(|error| error.kind()))
        });
        for (nth, tried) in refused.join().unwrap().into_iter().enumerate() {
            assert!(
                matches!(tried, Err(ErrorKind::PermissionDenied | ErrorKind::CrossesDevices)),
                "try {nth}: {tried:?}"
            );
        }
        assert_eq!(fs::read(folder.join("secret")).unwrap(), b"of root");
        fs::remove_dir_all(&folder).unwrap();
    }
}
