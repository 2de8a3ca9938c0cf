//! ephtrace's rights once it has begun: those of docs/security.md and no more. Then each of them is
//! taken away.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    net::{TcpListener, TcpStream},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::{errno::Errno, sys::signal::Signal};

use crate::{
    setup::{self, Scratch},
    skip::skip,
    terminal::OnTerminal,
    tracer::{CONNECT_ONLY, Tracer, spawn},
    wait,
};

tests! {
    each_hook: each_right_taken_away_is_named;
    first_hook: a_run_keeps_what_the_table_says, capabilities_of_the_file_are_enough,
        another_user_is_become_with_its_groups, a_view_keeps_what_it_looks_with;
    once: rights_to_write_and_to_ask_are_named;
}

/// Capability numbers of `linux/capability.h`.
const CHOWN: u64 = 0;
const DAC_OVERRIDE: u64 = 1;
const DAC_READ_SEARCH: u64 = 2;
const FOWNER: u64 = 3;
const NET_BIND_SERVICE: u64 = 10;
const NET_ADMIN: u64 = 12;
const SYS_PTRACE: u64 = 19;
const SYS_ADMIN: u64 = 21;
const SYS_NICE: u64 = 23;
const SYS_RESOURCE: u64 = 24;
const SYSLOG: u64 = 34;
const PERFMON: u64 = 38;
const BPF: u64 = 39;

/// User id of `nobody`.
const NOBODY: u32 = 65_534;

/// Rights of `storm`, `check` and `top` in the table of docs/security.md.
const LOOKING: [u64; 4] = [DAC_READ_SEARCH, NET_ADMIN, SYS_PTRACE, SYS_ADMIN];

fn set(bits: &[u64]) -> u64 {
    bits.iter().fold(0, |set, bit| set | 1 << bit)
}

/// The kernel's status of one thread.
struct Status(BTreeMap<String, String>);

impl Status {
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)?;
        let fields = text.lines().filter_map(|line| line.split_once(":\t"));
        Ok(Self(fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()))
    }

    /// Returns that of the thread at `path` in `/proc`, or `None` if it has ended.
    fn read_of_thread(path: &Path) -> Result<Option<Self>> {
        let read = Self::read(&path.join("status"));
        Ok(if path.exists() { Some(read?) } else { None })
    }

    fn field(&self, name: &str) -> Result<&str> {
        self.0.get(name).map(String::as_str).with_context(|| format!("no {name}"))
    }

    fn set(&self, name: &str) -> Result<u64> {
        Ok(u64::from_str_radix(self.field(name)?, 16)?)
    }
}

/// Checks that the first thread of `pid` has these rights, as do those that look into a namespace
/// and end at once, and the others none, and that no thread can gain any.
fn check(pid: u32, rights: u64) -> Result<()> {
    let own = Status::read(Path::new("/proc/self/status"))?.set("CapEff")?;
    // Up to Linux 5.18, maps can only be read with it.
    let optional = if setup::kernel()? < (5, 19) { set(&[BPF]) } else { 0 };
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let thread = thread?;
        let Some(status) = Status::read_of_thread(&thread.path())? else { continue };
        let is_first = thread.file_name().to_str() == Some(&pid.to_string());
        let may = is_first || status.field("Name")? == "namespace";
        let wanted = if may { rights & own } else { 0 };
        let reads = status.field("Name")? == "names" && !status.field("Uid")?.starts_with("0\t");
        let optional = if reads { set(&[DAC_READ_SEARCH]) } else { optional };
        for name in ["CapPrm", "CapEff"] {
            let has = status.set(name)? & !(optional & !wanted);
            ensure!(has == wanted, "{name} {has:x}, not {wanted:x}: {:?}", status.0);
        }
        ensure!(status.set("CapInh")? == 0 && status.set("CapAmb")? == 0, "{:?}", status.0);
        ensure!(status.field("NoNewPrivs")? == "1", "{:?}", status.0);
        if status.0.contains_key("Seccomp_filters") {
            ensure!(status.field("Seccomp")? == "2", "{:?}", status.0);
        }
    }
    Ok(())
}

/// Connects from this process, and returns its port.
fn connect() -> Result<u16> {
    let server = TcpListener::bind("127.0.0.1:0")?;
    Ok(TcpStream::connect(server.local_addr()?)?.local_addr()?.port())
}

/// Checks that the output contains the connect.
fn sees(tracer: Tracer) -> Result<String> {
    let port = connect()?;
    let trace = tracer.stop()?;
    trace.complete()?;
    ensure!(trace.events.iter().any(|event| event.sport == Some(port)), "port {port} is missing");
    Ok(trace.stderr)
}

fn a_run_keeps_what_the_table_says(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let id = |tracer: &Tracer| tracer.pid().as_raw().unsigned_abs();
    let measures = set(&[SYS_ADMIN]);
    let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
    check(id(&tracer), measures)?;
    sees(tracer)?;
    let [origin, connect] = CONNECT_ONLY;
    let tracer = Tracer::start(&scratch, hook, &[origin, connect, "--no-kernel-cost"])?;
    check(id(&tracer), 0)?;
    sees(tracer)?;
    let tracer = Tracer::start_storm(&scratch, hook, &CONNECT_ONLY)?;
    check(id(&tracer), set(&LOOKING))?;
    tracer.stop_text()?;
    // A hook that waits for a module keeps the rights to attach to it.
    if setup::used_hook(hook)? != "sock_ops" && !Path::new("/sys/module/sctp").exists() {
        let tracer = Tracer::start(&scratch, hook, &["--no-kernel-cost"])?;
        check(id(&tracer), set(&[BPF, PERFMON]))?;
        sees(tracer)?;
    }
    writing_keeps_what_it_takes(&scratch, hook)
}

/// ephtrace keeps no right in one's own directory; in another user's, it keeps those needed to
/// write there.
fn writing_keeps_what_it_takes(scratch: &Scratch, hook: &str) -> Result<()> {
    let theirs = scratch.path().join("theirs");
    fs::create_dir(&theirs)?;
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o700))?;
    let own = scratch.file("own");
    let file = theirs.join("x.parquet");
    File::create(&file)?;
    chown(&file, Some(NOBODY), Some(NOBODY))?;
    chown(&theirs, Some(NOBODY), Some(NOBODY))?;
    let others = set(&[DAC_OVERRIDE, CHOWN, FOWNER]);
    for (file, rights) in [(&own, 0), (&file, others)] {
        let mut command = Command::new(setup::ephtrace());
        command.args(["record", "--hook", hook, "--no-kernel-cost"]).args(CONNECT_ONLY);
        command.arg(file).stdout(Stdio::null());
        let (mut child, mut stderr) = spawn(&mut command)?;
        stderr.wait_for("ephtrace: tracing")?;
        check(child.id(), rights)?;
        connect()?;
        nix::sys::signal::kill(crate::tracer::pid(&child), Signal::SIGINT)?;
        let status = wait::exit(&mut child)?;
        ensure!(status.success(), "{status}: {}", stderr.rest());
    }
    let metadata = fs::metadata(&file)?;
    ensure!(metadata.uid() == NOBODY && metadata.len() > 0, "{metadata:?}");
    Ok(())
}

fn a_view_keeps_what_it_looks_with(hook: &str) -> Result<()> {
    let mut command = Command::new(setup::ephtrace());
    command.args(["top", "--no-kernel-cost", "--hook", hook]).args(CONNECT_ONLY);
    let mut top = OnTerminal::start(&mut command)?;
    top.read_until(&format!("hook {}", setup::used_hook(hook)?))?;
    check(top.pid(), set(&LOOKING))?;
    top.press("q")?;
    let status = top.finish("assignments in", &[])?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// Takes rights away from the program that `command` starts, for good.
fn without(command: &mut Command, rights: &'static [u64]) {
    let take = move || {
        for right in rights {
            // SAFETY: the call takes two numbers, and only changes this thread's bounding set.
            let taken = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, *right, 0, 0, 0) };
            if taken != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec, the child only makes system calls.
    unsafe { command.pre_exec(take) };
}

/// Rights that go together, and the right that the message names.
const TAKEN: [(&[u64], &str); 6] = [
    (&[SYS_NICE], "CAP_SYS_NICE"),
    (&[SYSLOG], "CAP_SYSLOG"),
    (&[DAC_OVERRIDE, DAC_READ_SEARCH], "CAP_DAC_READ_SEARCH"),
    (&[SYS_ADMIN], "CAP_SYS_ADMIN"),
    (&[SYS_RESOURCE], "CAP_SYS_RESOURCE"),
    (&[SYS_PTRACE], "CAP_SYS_PTRACE"),
];

fn each_right_taken_away_is_named(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    for (rights, name) in TAKEN {
        // A trace does not look at other programs' sockets.
        let of_storm = name == "CAP_SYS_PTRACE";
        let mut command = Command::new(setup::ephtrace());
        let output = scratch.file("taken");
        command.args(if of_storm { ["storm", "--json"] } else { ["trace", "-ojson"] });
        command.args(["--hook", hook]).args(CONNECT_ONLY).stdout(File::create(&output)?);
        without(command.stdin(Stdio::null()).stderr(Stdio::piped()), rights);
        if name == "CAP_SYS_ADMIN" && hook == "kprobe" && is_paranoid()? {
            let output = command.output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.code() == Some(1), "without {name}: {}: {said}", output.status);
            ensure!(said.contains("kernel.perf_event_paranoid is above 2"), "{said}");
            continue;
        }
        let tracer =
            Tracer::of(command.spawn()?, output).with_context(|| format!("without {name}"))?;
        let said = if of_storm {
            connect()?;
            said_by_storm(tracer)?
        } else {
            sees(tracer).with_context(|| format!("without {name}"))?
        };
        let is_named = said.contains(&format!("without {name}, "));
        let is_due = name != "CAP_SYS_RESOURCE" || setup::kernel()? < (5, 11);
        ensure!(is_named == is_due, "without {name}: {said}");
    }
    without_what_it_takes(hook)
}

/// Returns true if kprobes need `CAP_SYS_ADMIN`, as on Debian's kernels.
fn is_paranoid() -> Result<bool> {
    let level = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid")?;
    Ok(level.trim().parse::<i32>()? > 2)
}

/// Returns the messages on standard error before the first look.
fn said_by_storm(mut tracer: Tracer) -> Result<String> {
    let said = tracer.wait_for("ephtrace: without")?;
    tracer.stop_text()?;
    Ok(said)
}

/// Nothing is traced, and the message names the missing right.
fn without_what_it_takes(hook: &str) -> Result<()> {
    let needed: [(&[u64], &str); 3] = [
        (&[SYS_ADMIN, BPF], "CAP_BPF"),
        (&[SYS_ADMIN, PERFMON], "CAP_PERFMON"),
        (&[SYS_ADMIN, NET_ADMIN], "CAP_NET_ADMIN"),
    ];
    for (rights, name) in needed {
        let mut command = Command::new(setup::ephtrace());
        command.args(["trace", "--duration", "1ms", "--hook", hook]).args(CONNECT_ONLY);
        without(&mut command, rights);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(1), "without {name}: {}: {said}", output.status);
        ensure!(said.contains(&format!("lacks {name};")), "without {name}: {said}");
    }
    Ok(())
}

/// Writing into a directory of another user takes three rights; asking for a low port takes one.
fn rights_to_write_and_to_ask_are_named() -> Result<()> {
    let scratch = Scratch::new()?;
    let folder = scratch.file("another's");
    fs::create_dir(&folder)?;
    chown(&folder, Some(NOBODY), Some(NOBODY))?;
    let needed: [(&[u64], &str, i32); 3] = [
        (&[DAC_OVERRIDE], "CAP_DAC_OVERRIDE", 1),
        (&[CHOWN], "CAP_CHOWN", 0),
        (&[FOWNER], "CAP_FOWNER", 0),
    ];
    for (rights, name, code) in needed {
        let mut command = Command::new(setup::ephtrace());
        command.args(["trace", "--duration", "1ms", "--output"]).arg(folder.join(name));
        without(command.args(CONNECT_ONLY), rights);
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(code), "without {name}: {}: {said}", output.status);
        ensure!(said.contains(&format!("without {name}, ")), "without {name}: {said}");
    }
    let mut command = Command::new(setup::ephtrace());
    without(command.args(["explain", "--probe", ":1"]), &[NET_BIND_SERVICE]);
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(said.contains("free: no socket has the port; "), "{said}");
    ensure!(said.contains("ephtrace lacks CAP_NET_BIND_SERVICE"), "{said}");
    Ok(())
}

/// Returns a copy of ephtrace whose file has `rights` (`struct vfs_ns_cap_data`, revision 2,
/// effective), as `setcap` sets them.
fn with_rights(scratch: &Scratch, rights: u64) -> Result<Option<PathBuf>> {
    let copy = scratch.program(&setup::ephtrace(), "ephtrace")?;
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755))?;
    let rights = rights.to_le_bytes();
    let (low, high) = rights.split_at(4);
    let value = [&0x0200_0001_u32.to_le_bytes(), low, &[0; 4], high, &[0; 4]].concat();
    let path = std::ffi::CString::new(copy.as_os_str().as_encoded_bytes())?;
    // SAFETY: path and name end with a NUL, and `value` has as many bytes as its length says.
    let set = unsafe {
        let name = c"security.capability".as_ptr();
        libc::setxattr(path.as_ptr(), name, value.as_ptr().cast(), value.len(), 0)
    };
    match Errno::result(set) {
        Ok(_) => Ok(Some(copy)),
        Err(Errno::ENOTSUP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Checks the README's claim that a user without rights can trace with three capabilities.
fn capabilities_of_the_file_are_enough(hook: &str) -> Result<()> {
    if hook == "kprobe" && is_paranoid()? {
        return skip("this kernel keeps kprobes for CAP_SYS_ADMIN (kernel.perf_event_paranoid)");
    }
    let scratch = Scratch::new()?;
    let rights = set(&[BPF, PERFMON, NET_ADMIN, SYS_RESOURCE]);
    let own = Status::read(Path::new("/proc/self/status"))?.set("CapEff")?;
    let Some(ephtrace) = with_rights(&scratch, rights & own)? else {
        return skip("files have no capabilities here");
    };
    let file = scratch.path().join("of-nobody");
    fs::create_dir(&file)?;
    chown(&file, Some(NOBODY), Some(NOBODY))?;
    let recording = file.join("x.parquet");
    let recording = recording.to_str().context("a path")?;
    let commands: [&[&str]; 4] = [
        &["trace", "-o", "json", "--duration", "1s"],
        &["storm", "0.2", "2", "--json"],
        &["record", recording, "--duration", "1s"],
        &["check", "--for", "200ms"],
    ];
    for args in commands {
        let mut command = Command::new(&ephtrace);
        command.args(args).args(["--hook", hook]).uid(NOBODY).gid(NOBODY);
        let output = command.output().with_context(|| format!("{args:?}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let answer = String::from_utf8_lossy(&output.stdout);
        let is_well = output.status.success() || args[0] == "check" && !answer.contains("UNKNOWN");
        ensure!(is_well, "{args:?}: {}: {answer}{said}", output.status);
        ensure!(args[0] == "check" || said.contains("tracing with hook"), "{args:?}: {said}");
    }
    ensure!(fs::metadata(recording)?.uid() == NOBODY);
    let mut command = Command::new(&ephtrace);
    command.args(["top", "--hook", hook]).args(CONNECT_ONLY).uid(NOBODY).gid(NOBODY);
    let mut top = OnTerminal::start(&mut command)?;
    top.read_until("hook ")?;
    top.press("q")?;
    ensure!(top.finish("assignments in", &[])?.success());
    Ok(())
}

fn another_user_is_become_with_its_groups(hook: &str) -> Result<()> {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    if !users.lines().any(|line| line.starts_with("nobody:")) {
        return skip("there is no user nobody");
    }
    let scratch = Scratch::new()?;
    let folder = scratch.path().join("of-nobody");
    fs::create_dir(&folder)?;
    chown(&folder, Some(NOBODY), Some(NOBODY))?;
    let file = folder.join("x.ndjson");
    let mut command = Command::new(setup::ephtrace());
    command.args(["trace", "-o", "json", "--user", "nobody", "--hook", hook]).args(CONNECT_ONLY);
    command.arg("--output").arg(&file).stdout(Stdio::null());
    let (mut child, mut stderr) = spawn(&mut command)?;
    stderr.wait_for("ephtrace: tracing")?;
    check(child.id(), set(&[SYS_ADMIN]))?;
    let status = Status::read(Path::new(&format!("/proc/{}/status", child.id())))?;
    let ids = format!("{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}");
    ensure!(status.field("Uid")? == ids && status.field("Gid")? == ids, "{:?}", status.0);
    ensure!(status.field("Groups")?.split(' ').all(|gid| gid != "0"), "{:?}", status.0);
    let port = connect()?;
    nix::sys::signal::kill(crate::tracer::pid(&child), Signal::SIGINT)?;
    let ended = wait::exit(&mut child)?;
    ensure!(ended.success(), "{ended}: {}", stderr.rest());
    ensure!(fs::metadata(&file)?.uid() == NOBODY, "the file is not of nobody");
    ensure!(fs::read_to_string(&file)?.contains(&format!("\"sport\":{port}")), "no port {port}");
    Ok(())
}
