//! `ephtrace serve`: metrics for a monitoring system, until a signal.
//!
//! ```text
//! pipeline::serving::measuring ─→ board ─→ http, textfile
//! ```

mod config;
mod incidents;

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    os::{
        fd::{FromRawFd as _, OwnedFd},
        unix::fs::FileTypeExt as _,
    },
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use nix::sys::{
    signal::Signal,
    socket::{AddressFamily, SockaddrLike as _, SockaddrStorage, getsockname},
};
use sd_notify::NotifyState;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{mpsc, oneshot},
};

use self::incidents::Limits;
use super::settings::{UsageError, account, build_kernel_filter, named_hook, parse};
use crate::{
    analyse::{counters::Counters, summary::CpuTime},
    cli::{Cli, Command, ServeArgs},
    host::rights::Account,
    model::{escape::shown, losses::Losses},
    output::metrics::Snapshot,
    pipeline::{
        announce::tell,
        rights,
        serving::{
            board::Board,
            http::{self, Listener},
            measuring::{Changeable, Measurement, Order, measure},
            recorder::{IncidentCounts, Keeping},
        },
        signals::{Requests, ShutdownSignals},
        timing::block_on,
    },
};

/// Longest time that the flight recorder keeps: its memory is bounded anyway.
const LONGEST: Duration = Duration::from_hours(1);

/// Smallest bound on the size of all incidents: that of one.
const SMALLEST: u64 = 1 << 20;

/// Beginning of the address of a Unix socket.
const UNIX: &str = "unix:";

/// Settings of `serve`.
struct ServeSettings {
    listen: Vec<String>,
    what: Measurement,
    how: Changeable,
    /// Time that the flight recorder keeps, and where incidents go.
    incidents: Option<(Duration, Limits)>,
    user: Option<Account>,
}

impl ServeSettings {
    fn new(args: ServeArgs, log_level: u8) -> Result<Self, UsageError> {
        let incidents = incidents_of(&args)?;
        let ServeArgs { listen, textfile, interval, top_destinations, filter, kernel, .. } = args;
        let interval_is = parse::duration("--interval", &interval)?;
        if interval_is < super::storm::MIN_INTERVAL {
            return Err(UsageError::Value {
                flag: "--interval",
                value: interval,
                reason: "expected at least 100ms".to_owned(),
            });
        }
        Ok(Self {
            listen,
            what: Measurement {
                filter: build_kernel_filter(&filter)?,
                hook: named_hook(kernel.hook),
                btf: kernel.btf,
                top_destinations,
                keeping: None,
                quiet: args.verbosity.quiet,
                log_level,
            },
            how: Changeable { interval: interval_is, textfile },
            incidents,
            user: account(kernel.user.as_deref())?,
        })
    }
}

fn incidents_of(args: &ServeArgs) -> Result<Option<(Duration, Limits)>, UsageError> {
    let Some(folder) = args.incidents.clone() else { return Ok(None) };
    let keep = parse::duration("--keep", &args.keep)?;
    let bad = |flag, value: &str, reason: &str| UsageError::Value {
        flag,
        value: value.to_owned(),
        reason: reason.to_owned(),
    };
    if keep.is_zero() || keep > LONGEST {
        return Err(bad("--keep", &args.keep, "expected more than 0, and at most 1h"));
    }
    let bytes = parse::bytes(&args.incidents_size).filter(|&bytes| bytes >= SMALLEST);
    let bytes = bytes.ok_or_else(|| {
        bad("--incidents-size", &args.incidents_size, "expected a size such as 256M, at least 1M")
    })?;
    Ok(Some((keep, Limits { folder, per_day: args.incidents_per_day, bytes })))
}

/// Serves until a signal. `log_level` is that of the kernel half's own messages.
pub fn run(args: ServeArgs, log_level: u8) -> Result<ExitCode> {
    let typed: Vec<OsString> = env::args_os().collect();
    if args.print_config {
        let all = with_config(args.config.as_deref(), &typed)?;
        io::stdout().lock().write_all(config::in_force(&all)?.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let args = if args.config.is_some() { configured(&typed)? } else { args };
    let settings = ServeSettings::new(args, log_level)?;
    give_memory_back();
    block_on(serve(&settings, &typed, log_level))?;
    Ok(ExitCode::SUCCESS)
}

fn with_config(path: Option<&Path>, typed: &[OsString]) -> Result<Vec<OsString>> {
    path.map_or_else(|| Ok(typed.to_vec()), |path| config::with_file(path, typed))
}

/// Returns the arguments with those of the file that they name.
fn configured(typed: &[OsString]) -> Result<ServeArgs> {
    let Command::Serve(args) = Cli::try_parse_from(typed)?.into_command() else {
        bail!("not `ephtrace serve`");
    };
    let all = with_config(args.config.as_deref(), typed)?;
    match Cli::try_parse_from(all).map_err(|error| config::complaint(&error))?.into_command() {
        Command::Serve(args) => Ok(args),
        _ => bail!("not `ephtrace serve`"),
    }
}

/// Memory, in bytes, from which on glibc gives what is no longer used back to the kernel at once.
#[cfg(target_env = "gnu")]
const GIVEN_BACK: libc::c_int = 128 << 10;

/// Has the allocator give memory back: each look takes some megabytes for a moment, and a service
/// that kept them would have its maximum for good.
fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    for (parameter, value) in [
        (libc::M_ARENA_MAX, 1),
        (libc::M_TRIM_THRESHOLD, GIVEN_BACK),
        (libc::M_MMAP_THRESHOLD, GIVEN_BACK),
    ] {
        // SAFETY: the call takes two numbers; other threads have not been started yet.
        if unsafe { libc::mallopt(parameter, value) } == 0 {
            log::info!("the allocator keeps unused memory");
        }
    }
}

async fn serve(settings: &ServeSettings, typed: &[OsString], log_level: u8) -> Result<()> {
    rights::begin(settings.user.as_ref())?;
    // First: each further thread leaves the signal to this one, or it would end the process.
    let mut hangups = Requests::by(Signal::SIGHUP)?;
    let mut wants = Requests::by(Signal::SIGUSR1)?;
    let mut ends = ShutdownSignals::besides_hangup()?;
    let listeners = listeners(&settings.listen)?;
    let board = Arc::new(Board::new(nothing_yet()));
    let (keeping, writer) = keep(settings)?.unzip();
    let (orders, mut ended) = begin(settings, keeping, &board).await?;
    rights::renounce();
    let room = http::room();
    for listener in listeners {
        if let Some(address) = listener.address().filter(|_| !settings.what.quiet) {
            tell(&format!("metrics: {address}"));
        }
        tokio::spawn(listener.serve(Arc::clone(&board), Arc::clone(&room)));
    }
    tell_systemd(&[NotifyState::Ready]);
    let mut how = settings.how.clone();
    loop {
        tokio::select! {
            biased;
            () = ends.wait() => break,
            result = &mut ended => return result.context("the measuring thread is gone")?,
            () = wants.wait() => match settings.incidents {
                // Without its thread, the run ends anyway.
                Some(_) => drop(orders.send(Order::Incident)),
                None => tell("SIGUSR1: no assignments are kept without --incidents"),
            },
            () = hangups.wait() => {
                tell_systemd(&reloading());
                how = reload(typed, log_level, how, &orders);
                tell_systemd(&[NotifyState::Ready]);
            }
        }
    }
    tell_systemd(&[NotifyState::Stopping]);
    // Without its thread, there is nothing to end.
    let _ = orders.send(Order::End);
    let result = ended.await.context("the measuring thread is gone")?;
    // The last incident is written to its end.
    writer.map(JoinHandle::join);
    result
}

/// Starts the thread that writes incidents, if they are wanted.
fn keep(settings: &ServeSettings) -> Result<Option<(Keeping, JoinHandle<()>)>> {
    let Some((keep, limits)) = &settings.incidents else { return Ok(None) };
    limits.prepare()?;
    let (incidents, received) = mpsc::channel(1);
    let counts = Arc::new(IncidentCounts::default());
    let writer = incidents::start(limits.clone(), received, Arc::clone(&counts))?;
    Ok(Some((Keeping { keep: *keep, incidents, counts }, writer)))
}

type Ended = oneshot::Receiver<Result<()>>;

/// Starts the thread that measures, and waits until it does.
async fn begin(
    settings: &ServeSettings,
    keeping: Option<Keeping>,
    board: &Arc<Board>,
) -> Result<(mpsc::UnboundedSender<Order>, Ended)> {
    let (orders, received) = mpsc::unbounded_channel();
    let (begun, has_begun) = oneshot::channel();
    let (end, mut ended) = oneshot::channel();
    let what = Measurement { keeping, ..settings.what.clone() };
    let (how, board) = (settings.how.clone(), Arc::clone(board));
    thread::Builder::new()
        .name("measuring".to_owned())
        .spawn(move || {
            let result = measure(&what, how, &board, received, begun);
            // Nobody waits any more if the process ends.
            let _ = end.send(result);
        })
        .context("can't start a thread")?;
    match has_begun.await {
        Ok(attached) => attached?,
        Err(_) => (&mut ended).await.context("the measuring thread is gone")??,
    }
    Ok((orders, ended))
}

/// Reads the configuration again, and changes what can be changed. An error changes nothing.
fn reload(
    typed: &[OsString],
    log_level: u8,
    how: Changeable,
    orders: &mpsc::UnboundedSender<Order>,
) -> Changeable {
    let read = configured(typed).and_then(|args| Ok(ServeSettings::new(args, log_level)?));
    match read {
        Ok(settings) => {
            let _ = orders.send(Order::Change(settings.how.clone()));
            tell(
                "the configuration was read again: interval and textfile are in force; other \
                 options need a restart",
            );
            settings.how
        }
        Err(error) => {
            tell(&format!("the configuration stays as it was: {error:#}"));
            how
        }
    }
}

/// Returns what systemd is told before a reload: without the time, it would wait for another one.
fn reloading() -> Vec<NotifyState<'static>> {
    let now = NotifyState::monotonic_usec_now().ok();
    [NotifyState::Reloading].into_iter().chain(now).collect()
}

fn tell_systemd(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::info!("systemd was not told: {error}");
    }
}

/// Returns a snapshot for the time before the first measurement.
fn nothing_yet() -> Snapshot {
    Snapshot {
        ts_ns: 0,
        hook: None,
        trouble: Some("nothing is measured yet".to_owned()),
        kernel: String::new(),
        counters: Counters::new(0),
        namespaces: Vec::new(),
        sockets_ts_ns: None,
        namespaces_left_out: 0,
        full_in_s: None,
        recorded: None,
        expected: None,
        findings: Vec::new(),
        losses: Losses::default(),
        cpu: CpuTime::default(),
        resident_bytes: 0,
        map_bytes: 0,
        measuring_s: 0.0,
    }
}

/// Returns the sockets that systemd passes; without any, opens those with these addresses.
fn listeners(addresses: &[String]) -> Result<Vec<Listener>> {
    let passed = sd_notify::listen_fds().context("can't take the sockets of systemd")?;
    let passed: Vec<_> = passed.collect();
    if passed.is_empty() {
        return addresses.iter().map(|address| listen(address)).collect();
    }
    // SAFETY: systemd has opened these descriptors for this process, and nobody else owns them.
    passed.into_iter().map(|fd| adopt(unsafe { OwnedFd::from_raw_fd(fd) })).collect()
}

/// Takes over a socket that listens.
fn adopt(fd: OwnedFd) -> Result<Listener> {
    use std::os::fd::AsRawFd as _;
    let address: SockaddrStorage =
        getsockname(fd.as_raw_fd()).context("systemd passed no socket")?;
    if address.family() == Some(AddressFamily::Unix) {
        let listener = std::os::unix::net::UnixListener::from(fd);
        listener.set_nonblocking(true)?;
        return Ok(Listener::Unix(UnixListener::from_std(listener)?));
    }
    let listener = std::net::TcpListener::from(fd);
    listener.set_nonblocking(true)?;
    Ok(Listener::Tcp(TcpListener::from_std(listener)?))
}

fn listen(address: &str) -> Result<Listener> {
    let cannot = || format!("can't listen on {address}");
    if let Some(path) = address.strip_prefix(UNIX) {
        let path = PathBuf::from(path);
        remove_stale(&path)?;
        return Ok(Listener::Unix(UnixListener::bind(&path).with_context(cannot)?));
    }
    let parsed: SocketAddr = address.parse().map_err(|_| UsageError::Value {
        flag: "--web.listen-address",
        value: address.to_owned(),
        reason: "expected ADDRESS:PORT, [IPV6]:PORT or unix:/PATH".to_owned(),
    })?;
    let listener = std::net::TcpListener::bind(parsed).with_context(cannot)?;
    listener.set_nonblocking(true)?;
    Ok(Listener::Tcp(TcpListener::from_std(listener)?))
}

/// Removes a socket that a former run has left, to which nobody listens any more.
fn remove_stale(path: &Path) -> Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        fs::remove_file(path).with_context(|| format!("can't remove {}", shown(path)))?;
    }
    Ok(())
}
