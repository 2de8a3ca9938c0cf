//! A user without rights beside a running ephtrace of root, who chooses names, mounts and moments:
//! nothing that the user makes controls a terminal, breaks a line of data, is opened, is waited
//! for, or passes for something else.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sys::{
        signal::{Signal, kill},
        stat::Mode,
    },
    unistd::{Pid, mkfifo},
};
use serde_json::Value;

use crate::{
    mounts::{hide, mount_points, on_a_thread, own_mounts},
    setup::{self, Scratch},
    skip::skip,
    tracer::{self, CONNECT_ONLY, Tracer, spawn},
    wait,
};

tests! {
    first_hook: names_of_processes_and_cgroups_steer_nothing, a_process_id_that_comes_back_is_two,
        a_run_can_not_be_looked_into;
    once: what_is_no_network_namespace_is_refused, mounts_of_a_user_namespace_steer_nothing;
}

/// User id of the attacker, `nobody`.
const ATTACKER: u32 = 65_534;

/// Names that move a cursor, end a line, turn the direction, close a text, or begin a formula.
const NAMES: [&str; 6] =
    ["a\x1b[2J\x1b[31m", "a\nb 1 2 3", "\u{202e}txt", "\",\"pid\":1", "=cmd()", "\x7f\x08\x08\t"];

/// Arguments that make `assign` connect once.
const CONNECT: [&str; 5] = ["ways", "--only", "ipv4", "--times", "1"];

/// Returns a command that the attacker runs.
fn as_attacker(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.uid(ATTACKER).gid(ATTACKER);
    command
}

/// Checks that nothing in `text` but line feeds controls a terminal.
fn is_plain(text: &str) -> Result<()> {
    let steers = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}'));
    let found = text.find(steers);
    ensure!(found.is_none(), "at {found:?}: {text:?}");
    Ok(())
}

/// 18 attacks: six names, as text, as data and as CSV.
fn names_of_processes_and_cgroups_steer_nothing(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777))?;
    let cgroup = OwnCgroup::new()?;
    for format in ["text", "json", "csv"] {
        let output = scratch.file(format);
        let mut command = Command::new(setup::ephtrace());
        command.args(["trace", "-o", format, "--hook", hook, "-u", "65534"]).args(CONNECT_ONLY);
        command.stdin(Stdio::null()).stdout(File::create(&output)?).stderr(Stdio::piped());
        let tracer = Tracer::of(command.spawn()?, output)?;
        for name in NAMES {
            let assign = scratch.path().join(name);
            if !assign.exists() {
                fs::copy(setup::assign()?, &assign)?;
            }
            let mut command = as_attacker(&assign);
            command.args(CONNECT).stdout(Stdio::null());
            cgroup.joined_by(&mut command);
            let mut child = command.spawn()?;
            ensure!(wait::exit(&mut child)?.success(), "{name:?} did not connect");
        }
        let text = tracer.stop_text()?;
        is_plain(&text).with_context(|| format!("as {format}"))?;
        let is_event = |line: &&str| line.contains("127.0.0.1") && !line.contains("\"summary\"");
        let lines: Vec<&str> = text.lines().filter(is_event).collect();
        ensure!(lines.len() == NAMES.len(), "{} lines, not {}: {text}", lines.len(), NAMES.len());
        if format == "json" {
            for line in lines {
                let event: Value = serde_json::from_str(line)?;
                ensure!(event["uid"] == ATTACKER && event["pid"] != 1, "{line}");
            }
        }
    }
    Ok(())
}

/// A cgroup of the attacker's whose name contains control sequences and looks like a container's.
struct OwnCgroup(Option<PathBuf>);

impl OwnCgroup {
    fn new() -> Result<Self> {
        let Some(root) = mount_points("cgroup2")?.into_iter().next() else { return Ok(Self(None)) };
        // The kernel refuses line feeds in these names.
        let refused = fs::create_dir(root.join("lxc.payload.a\nb"));
        ensure!(refused.is_err(), "the kernel takes line feeds in names of cgroups");
        let name = format!("lxc.payload.\x1b[31m{}\u{202e}", std::process::id());
        let path = root.join(name);
        fs::create_dir(&path)?;
        Ok(Self(Some(path)))
    }

    /// Makes the process that `command` starts join it.
    fn joined_by(&self, command: &mut Command) {
        let Some(path) = self.0.clone() else { return };
        let Ok(mut procs) = File::options().write(true).open(path.join("cgroup.procs")) else {
            return;
        };
        // SAFETY: between fork and exec, the child makes one system call.
        unsafe { command.pre_exec(move || procs.write_all(b"0")) };
    }
}

impl Drop for OwnCgroup {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // At worst, it is left over, empty.
            let _ = fs::remove_dir(path);
        }
    }
}

/// 10 attacks: other files in place of a namespace, in `/run/netns` and elsewhere.
fn what_is_no_network_namespace_is_refused() -> Result<()> {
    on_a_thread(|| {
        own_mounts()?;
        fs::create_dir_all("/run/netns")?;
        hide("/run/netns")?;
        let place = Path::new("/run/netns");
        mkfifo(&place.join("fifo"), Mode::from_bits_truncate(0o666))?;
        File::create(place.join("file"))?;
        fs::create_dir(place.join("folder"))?;
        symlink("/dev/zero", place.join("device"))?;
        symlink("/proc/self/ns/uts", place.join("uts"))?;
        symlink("loop", place.join("loop"))?;
        symlink("/nowhere", place.join("nowhere"))?;
        File::create(place.join("mnt"))?;
        let nothing: Option<&str> = None;
        let uts = Some("/proc/self/ns/uts");
        mount(uts, &place.join("mnt"), nothing, MsFlags::MS_BIND, nothing)?;
        for name in ["fifo", "file", "folder", "device", "uts", "loop", "nowhere", "mnt"] {
            refused(&["ports", "--netns", name])?;
            refused(&["trace", "--duration", "1ms", "--netns", name])?;
        }
        for path in ["/proc/self/ns/uts", "/proc/self/ns/mnt"] {
            refused(&["trace", "--duration", "1ms", "--netns", path])?;
        }
        // Although all of them are there, the real namespaces are listed.
        let all = run(&mut ephtrace(&["ports", "--json", "--netns", "all"]))?;
        ensure!(all.status.success(), "{}", String::from_utf8_lossy(&all.stderr));
        let all: Value = serde_json::from_slice(&all.stdout)?;
        let namespaces = all["namespaces"].as_array().context("no namespaces")?;
        ensure!(namespaces.iter().all(|one| one["name"] != "mnt"), "{all}");
        Ok(())
    })
}

fn ephtrace(args: &[&str]) -> Command {
    let mut command = Command::new(setup::ephtrace());
    command.args(args);
    command
}

/// Runs `command` to its end, which must come.
fn run(command: &mut Command) -> Result<Output> {
    let scratch = Scratch::new()?;
    let (out, err) = (scratch.file("out"), scratch.file("err"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn()?;
    let status = wait::exit(&mut child)?;
    Ok(Output { status, stdout: fs::read(out)?, stderr: fs::read(err)? })
}

fn refused(args: &[&str]) -> Result<()> {
    let output = run(&mut ephtrace(args))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(2), "{args:?}: {}: {said}", output.status);
    ensure!(said.contains("--netns"), "{args:?}: {said}");
    Ok(())
}

/// Runs a script of the attacker in namespaces of its own; it says when it is done, and stays until
/// its input ends.
fn in_own_namespaces(script: &str) -> Result<Option<Child>> {
    let mut command = as_attacker("unshare");
    let script = format!("set -e\n{script}\necho there\nread line");
    command.args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c", &script]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else { return Ok(None) };
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().context("no output")?).read_line(&mut line)?;
    if line == "there\n" {
        return Ok(Some(child));
    }
    let output = child.wait_with_output()?;
    crate::notes::say(&String::from_utf8_lossy(&output.stderr));
    Ok(None)
}

/// 5 attacks: a mount point of the namespace with control sequences in its name, a FIFO and an
/// empty file system over it, an own `/proc`, and mounts over the files of `/proc/PID` of others.
fn mounts_of_a_user_namespace_steer_nothing() -> Result<()> {
    let scratch = Scratch::new()?;
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777))?;
    let place = scratch.path().display();
    let named = format!(
        "cd {place}; n=$(printf 'x\\033[31m\\n\\342\\200\\256y'); : > \"$n\"; \
         mount --bind /proc/self/ns/net \"$n\""
    );
    let covered = format!(
        "cd {place}; : > door; mount --bind /proc/self/ns/net door; mkfifo fifo; \
         mount --bind fifo door"
    );
    let hidden = format!(
        "cd {place}; mkdir -p way; : > way/door; mount --bind /proc/self/ns/net way/door; \
         mount -t tmpfs none way"
    );
    let planted = format!("cd {place}; mkdir -p p; mount -t tmpfs none /proc/1/fd || true");
    let proc = "mount -t tmpfs none /proc && mkdir -p /proc/1/ns && mkfifo /proc/1/ns/net";
    for script in [named.as_str(), &covered, &hidden, &planted, proc] {
        let Some(mut child) = in_own_namespaces(script)? else {
            return skip("users may not make namespaces here, or there is no unshare");
        };
        let netns = fs::metadata(format!("/proc/{}/ns/net", child.id()))?.ino();
        let text = run(&mut ephtrace(&["ports", "--netns", "all"]))?;
        let data = run(&mut ephtrace(&["ports", "--json", "--netns", "all"]))?;
        drop(child.stdin.take());
        child.wait()?;
        for output in [&text, &data] {
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "{script}: {}: {said}", output.status);
            is_plain(&String::from_utf8_lossy(&output.stdout)).context(script.to_owned())?;
            is_plain(&said).context(script.to_owned())?;
        }
        let data: Value = serde_json::from_slice(&data.stdout)?;
        let listed = data["namespaces"].as_array().context("no namespaces")?;
        ensure!(listed.iter().any(|one| one["netns"] == netns), "{script}: {netns}: {data}");
    }
    Ok(())
}

/// A process ends, and another gets its number before ephtrace looks at its connect.
fn a_process_id_that_comes_back_is_two(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let first = scratch.program(&setup::assign()?, "first-of-two")?;
    let second = scratch.program(&setup::assign()?, "second-of-two")?;
    let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
    let connect = |program: &Path| -> Result<u32> {
        let mut child = Command::new(program).args(CONNECT).stdout(Stdio::null()).spawn()?;
        let pid = child.id();
        ensure!(wait::exit(&mut child)?.success(), "it did not connect");
        Ok(pid)
    };
    let pid = connect(&first)?;
    let mut again = 0;
    for _ in 0..50 {
        // Other processes may take the number first.
        fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string())?;
        again = connect(&second)?;
        if again == pid {
            break;
        }
    }
    let trace = tracer.stop()?;
    if again != pid {
        return skip("the number was taken by others");
    }
    let names: Vec<_> = trace
        .events
        .iter()
        .filter(|event| event.pid == Some(pid))
        .filter_map(|event| event.comm.as_deref())
        .collect();
    ensure!(names == ["first-of-two", "second-of-two"], "{names:?}");
    Ok(())
}

/// 8 attacks: on a run of root, and on one that has become the attacker's own user.
fn a_run_can_not_be_looked_into(hook: &str) -> Result<()> {
    for user in [None, Some("nobody")] {
        if user.is_some() && !fs::read_to_string("/etc/passwd").is_ok_and(|u| u.contains("nobody:"))
        {
            return skip("there is no user nobody");
        }
        let mut command = Command::new(setup::ephtrace());
        command.args(["trace", "--hook", hook]).args(CONNECT_ONLY).stdout(Stdio::null());
        command.args(user.iter().flat_map(|user| ["--user", user]));
        let (mut child, mut stderr) = spawn(&mut command)?;
        stderr.wait_for("ephtrace: tracing")?;
        let pid = child.id();
        let looked = on_a_thread(|| {
            become_attacker()?;
            for file in ["mem", "environ", "fd", "maps"] {
                let path = format!("/proc/{pid}/{file}");
                let opened = if file == "fd" {
                    fs::read_dir(&path).map(drop)
                } else {
                    File::open(&path).and_then(|mut file| file.read(&mut [0; 16])).map(drop)
                };
                ensure!(opened.is_err(), "{path} can be read beside --user {user:?}");
            }
            Ok(())
        });
        // Another user's signals do not arrive; one's own do, whichever user runs it.
        let signalled = on_a_thread(|| {
            become_attacker()?;
            Ok(kill(Pid::from_raw(pid.cast_signed()), Signal::SIGURG))
        })?;
        kill(tracer::pid(&child), Signal::SIGINT)?;
        let status = wait::exit(&mut child)?;
        looked?;
        ensure!(signalled == Err(Errno::EPERM) || user.is_some(), "{signalled:?}");
        ensure!(status.success(), "{status}: {}", stderr.rest());
    }
    Ok(())
}

/// Drops all rights of this thread only.
pub(crate) fn become_attacker() -> Result<()> {
    let (id, none) = (ATTACKER, libc::c_long::from(0));
    // SAFETY: the call takes numbers, and no list.
    Errno::result(unsafe { libc::syscall(libc::SYS_setgroups, none, none) })?;
    // SAFETY: the call takes numbers; the C library would change all threads.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresgid, id, id, id) })?;
    // SAFETY: as above.
    Errno::result(unsafe { libc::syscall(libc::SYS_setresuid, id, id, id) })?;
    Ok(())
}
