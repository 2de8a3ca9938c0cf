//! PID 1 of a test guest: makes the kernel usable, runs one command, reports its exit, stops.
//!
//! Input: `/plan`, written by `cargo xtask guest`: lines `NAME=VALUE` for the environment, an empty
//! line, then the command, one word a line. Output: the command's stdout and stderr on the second
//! serial port, then `guest-init: exit N` as the last line. The first serial port belongs to the
//! kernel. The guest stops in every case: a PID 1 that returns is a kernel panic.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    net::UdpSocket,
    os::{
        fd::AsRawFd as _,
        unix::{fs::OpenOptionsExt as _, process::ExitStatusExt as _},
    },
    process::{Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, Result};
use nix::{
    errno::Errno,
    libc,
    mount::{MsFlags, mount},
    sys::{
        reboot::{RebootMode, reboot},
        resource::{Resource, setrlimit},
        termios::{SetArg, cfmakeraw, tcdrain, tcgetattr, tcsetattr},
    },
};

/// Mounts of an ordinary host: kind, place, and whether a failure is an error.
const MOUNTS: [(&str, &str, bool); 10] = [
    ("proc", "/proc", true),
    ("sysfs", "/sys", true),
    ("devtmpfs", "/dev", true),
    ("devpts", "/dev/pts", false),
    ("tmpfs", "/tmp", true),
    ("tmpfs", "/run", true),
    ("cgroup2", "/sys/fs/cgroup", true),
    ("bpf", "/sys/fs/bpf", false),
    ("tracefs", "/sys/kernel/tracing", false),
    ("debugfs", "/sys/kernel/debug", false),
];

/// Maximum number of open files of a process: the kernel's default maximum.
const OPEN_FILES: u64 = 1 << 20;

fn main() {
    let outcome = prepare().and_then(|mut serial| {
        let verdict = match run(&serial) {
            Ok(status) => exit_code(status).to_string(),
            Err(error) => format!("127 {error:#}"),
        };
        writeln!(serial, "\nguest-init: exit {verdict}").context("cannot write the verdict")?;
        tcdrain(&serial).context("cannot drain the serial port")
    });
    if let Err(error) = outcome {
        complain(&error);
    }
    stop();
}

/// Sets up mounts, network and limits; returns the serial port for output.
fn prepare() -> Result<File> {
    for (kind, place, needed) in MOUNTS {
        let mounted = std::fs::create_dir_all(place)
            .map_err(anyhow::Error::from)
            .and_then(|()| Ok(mount(Some(kind), place, Some(kind), MsFlags::empty(), NO_DATA)?))
            .with_context(|| format!("cannot mount {kind} on {place}"));
        match mounted {
            Err(error) if needed => return Err(error),
            Err(error) => complain(&error),
            Ok(()) => {}
        }
    }
    bring_up_loopback().context("cannot bring up lo")?;
    setrlimit(Resource::RLIMIT_MEMLOCK, libc::RLIM_INFINITY, libc::RLIM_INFINITY)
        .context("cannot raise the limit on locked memory, which holds maps before 5.11")?;
    setrlimit(Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES)
        .context("cannot raise the limit on open files")?;
    raw_serial_port("/dev/ttyS1")
}

const NO_DATA: Option<&str> = None;

/// Opens a serial port that passes bytes unchanged.
fn raw_serial_port(path: &str) -> Result<File> {
    let port = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NOCTTY)
        .open(path)
        .with_context(|| format!("cannot open {path}"))?;
    let mut settings = tcgetattr(&port).with_context(|| format!("{path} is no terminal"))?;
    cfmakeraw(&mut settings);
    tcsetattr(&port, SetArg::TCSANOW, &settings)
        .with_context(|| format!("cannot set {path} to raw"))?;
    Ok(port)
}

/// Brings up loopback, which has its address from the start, but is down.
fn bring_up_loopback() -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(*b"lo") {
        *to = libc::c_char::try_from(from)?;
    }
    let flags = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING)?;
    let request = libc::ifreq {
        ifr_name: name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_flags: flags },
    };
    // SAFETY: SIOCSIFFLAGS reads one ifreq, which lives until the call is over.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    Errno::result(result)?;
    Ok(())
}

fn run(serial: &File) -> Result<ExitStatus> {
    let plan = std::fs::read_to_string("/plan").context("cannot read /plan")?;
    let (environment, words) = plan.split_once("\n\n").context("/plan has no command")?;
    let mut words = words.lines();
    let program = words.next().context("/plan has an empty command")?;
    Command::new(program)
        .args(words)
        .envs(environment.lines().filter_map(|line| line.split_once('=')))
        .current_dir("/tmp")
        .stdin(Stdio::null())
        .stdout(serial.try_clone()?)
        .stderr(serial.try_clone()?)
        .status()
        .with_context(|| format!("cannot run {program}"))
}

/// Returns the exit code in the shell's way: 128 and the signal for a command that was killed.
fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// Reports an error to the kernel's own log, which the host keeps: the last resort.
fn complain(error: &anyhow::Error) {
    if let Ok(mut log) = OpenOptions::new().write(true).open("/dev/kmsg") {
        let _nothing_left = writeln!(log, "guest-init: {error:#}");
    }
}

/// Stops the guest. QEMU runs with `-no-reboot`, which makes a restart the surest way to stop: it
/// needs no ACPI.
fn stop() {
    nix::unistd::sync();
    let _never_returns = reboot(RebootMode::RB_AUTOBOOT);
}
