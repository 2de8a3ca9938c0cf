//! What the command line means, checked: numbers for names, limits kept, nothing left to fail
//! later that can be known now.
//!
//! In goes what was typed (`cli`), out comes [`Settings`]. It reads `/etc/passwd`, namespaces and
//! cgroups, but changes nothing and does not touch the kernel half.

pub mod check;
mod lookup;
mod parse;
mod record;
pub mod storm;

use std::{path::PathBuf, time::Duration};

use ephtrace_common::{Cidr, Filter, PortSpan, bounds};
use thiserror::Error;
use zerocopy::FromZeros as _;

use crate::{
    cli::{FilterArgs, FormatArg, HookArg, KernelArgs, PlotArg, TraceArgs},
    event::{Hook, Origin},
    inventory::{Named, Which},
    kernel::filter::origin_bit,
    sink::{Format, Plot, View, parquet},
};

/// Size of the ring buffer unless asked otherwise: 8 MiB hold 50 000 records, a quarter of a second
/// of the fastest storm that one kernel makes.
pub const DEFAULT_RING_BYTES: u32 = 8 << 20;

/// Largest ring buffer: more would sit in kernel memory to no use.
pub const MAX_RING_BYTES: u32 = 1 << 30;

/// Smallest ring buffer: the smallest page. Where pages are larger, the loader rounds up to one.
pub const MIN_RING_BYTES: u32 = 4 << 10;

/// The command line can't be meant like this: exit code 2.
///
/// The text names the flag, what is wrong with it, and what to do.
#[derive(Debug, Error)]
pub enum UsageError {
    /// A value has not the form that its flag takes.
    #[error("'{value}' is no value for {flag}: {reason}")]
    Value {
        /// The flag, with its dashes.
        flag: &'static str,
        /// What was typed.
        value: String,
        /// What is wrong with it, or what it should look like.
        reason: String,
    },
    /// A filter has more values than the kernel half compares.
    #[error("{flag} takes at most {limit} values, not {given}: {advice}")]
    TooMany {
        /// The flag, with its dashes.
        flag: &'static str,
        /// How many it takes.
        limit: usize,
        /// How many were typed.
        given: usize,
        /// What to do.
        advice: &'static str,
    },
    /// There is no terminal to draw on.
    #[error("top draws on a terminal, and standard output is none; `ephtrace trace` writes lines")]
    NoTerminal,
    /// A name stands for nothing on this machine.
    #[error("{flag} {name}: {reason}; {advice}")]
    Unknown {
        /// The flag, with its dashes.
        flag: &'static str,
        /// What was typed.
        name: String,
        /// Why it stands for nothing.
        reason: String,
        /// What to do.
        advice: String,
    },
}

/// What `trace` is to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which assignments to keep. `skip_pid` is left at 0.
    pub filter: Filter,
    /// The hook that was named; `None` for the first that works.
    pub hook: Option<Hook>,
    /// Where to read the kernel's types, if not where the kernel shows them.
    pub btf: Option<PathBuf>,
    /// Size of the ring buffer, in bytes: a power of two, at least [`MIN_RING_BYTES`].
    pub ring_bytes: u32,
    /// How events are shown.
    pub view: View,
    /// Where events go; `None` for standard output.
    pub output: Option<PathBuf>,
    /// Stop after so many events.
    pub count: Option<u64>,
    /// Stop after so long.
    pub duration: Option<Duration>,
    /// The recording to read in place of the kernel.
    pub from: Option<PathBuf>,
    /// Where rows go, in place of `output`.
    pub record: Option<parquet::Options>,
}

impl TryFrom<TraceArgs> for Settings {
    type Error = UsageError;

    fn try_from(args: TraceArgs) -> Result<Self, UsageError> {
        let TraceArgs { from, filter, view, stop, kernel, verbosity } = args;
        let KernelArgs { hook, btf, ring_size } = kernel;
        let ring_bytes = match ring_size {
            Some(size) => parse::ring_bytes("--ring-size", &size)?,
            None => DEFAULT_RING_BYTES,
        };
        let view_settings = View {
            format: format(view.format),
            since_start: view.timestamp || !view.time,
            wall_clock: view.time,
            uid: view.print_uid,
            wide: view.wide,
            explain: verbosity.verbose > 0,
            plot: view.plot.into(),
            quiet: verbosity.quiet,
        };
        let mut built = build_filter(&filter)?;
        if from.is_some() {
            keep_recorded(&mut built, &filter)?;
        }
        Ok(Self {
            filter: built,
            hook: named_hook(hook),
            btf,
            ring_bytes,
            view: view_settings,
            output: view.output,
            count: stop.count,
            duration: stop.duration.map(|d| parse::duration("--duration", &d)).transpose()?,
            from,
            record: None,
        })
    }
}

fn format(format: FormatArg) -> Format {
    match format {
        FormatArg::Text => Format::Text,
        FormatArg::Json => Format::Json,
        FormatArg::Csv => Format::Csv,
    }
}

impl From<PlotArg> for Plot {
    fn from(plot: PlotArg) -> Self {
        match plot {
            PlotArg::Auto => Self::Auto,
            PlotArg::Always => Self::Always,
            PlotArg::Never => Self::Never,
        }
    }
}

fn named_hook(hook: HookArg) -> Option<Hook> {
    match hook {
        HookArg::Auto => None,
        HookArg::Fentry => Some(Hook::Fentry),
        HookArg::Kprobe => Some(Hook::Kprobe),
        HookArg::SockOps => Some(Hook::SockOps),
    }
}

fn build_filter(args: &FilterArgs) -> Result<Filter, UsageError> {
    let mut filter = Filter::new_zeroed();
    filter.origins = if args.origin.is_empty() {
        chosen_by_kernel()
    } else {
        args.origin.iter().fold(0, |bits, &arg| bits | origin_bit(arg.0))
    };
    fill_processes(&mut filter, args)?;
    fill_addresses(&mut filter, args)?;
    fill_places(&mut filter, args)?;
    filter.family = match (args.ipv4, args.ipv6) {
        (true, false) => 4,
        (false, true) => 6,
        _ => 0,
    };
    filter.failed_only = u32::from(args.failed);
    if let Some(text) = &args.min_latency {
        let min = parse::duration("--min-latency", text)?;
        filter.min_latency_ns = u64::try_from(min.as_nanos()).unwrap_or(u64::MAX);
    }
    Ok(filter)
}

/// Which namespaces `--netns` means.
pub(crate) fn which(netns: &[String]) -> Result<Which, UsageError> {
    if netns.is_empty() {
        return Ok(Which::Own);
    }
    if netns.iter().any(|text| text == "all") {
        return Ok(Which::All);
    }
    let named = netns.iter().map(|text| {
        let (netns, path) = namespace(text)?;
        Ok(Named { text: text.clone(), netns, path })
    });
    Ok(Which::These(named.collect::<Result<_, UsageError>>()?))
}

/// Of a recording all origins are kept that were recorded, unless asked otherwise.
fn keep_recorded(filter: &mut Filter, args: &FilterArgs) -> Result<(), UsageError> {
    if args.origin.is_empty() {
        filter.origins = u32::MAX;
    }
    args.cgroup.first().map_or(Ok(()), |path| {
        Err(UsageError::Value {
            flag: "--cgroup",
            value: path.display().to_string(),
            reason:
                "a recording does not tell which cgroups are below it; filter by --pid, --comm \
                     or --uid"
                    .to_owned(),
        })
    })
}

/// Bits of all origins but `explicit`: there the kernel chose nothing.
pub fn chosen_by_kernel() -> u32 {
    let origins = Origin::ALL.iter().filter(|origin| **origin != Origin::Explicit);
    origins.fold(0, |bits, &origin| bits | origin_bit(origin))
}

fn fill_processes(filter: &mut Filter, args: &FilterArgs) -> Result<(), UsageError> {
    let uids = each(&args.uid, |user| lookup::uid(user))?;
    let comms = each(&args.comm, |name| parse::comm("--comm", name))?;
    filter.pid_count = fill(&mut filter.pids, &args.pid, "--pid", "a cgroup can hold any number")?;
    filter.uid_count = fill(&mut filter.uids, &uids, "--uid", "trace all users")?;
    filter.comm_count = fill(&mut filter.comms, &comms, "--comm", "a cgroup can hold any number")?;
    Ok(())
}

fn fill_addresses(filter: &mut Filter, args: &FilterArgs) -> Result<(), UsageError> {
    let ports = |flag, texts: &[String]| -> Result<Vec<PortSpan>, UsageError> {
        each(texts, |text| parse::ports(flag, text))
    };
    let cidrs = |flag, texts: &[String]| -> Result<Vec<Cidr>, UsageError> {
        each(texts, |text| parse::cidr(flag, text))
    };
    let (dports, lports) = (ports("--port", &args.port)?, ports("--lport", &args.lport)?);
    let (dst, src) = (cidrs("--dst", &args.dst)?, cidrs("--src", &args.src)?);
    filter.dport_count = fill(&mut filter.dports, &dports, "--port", "join ports to ranges")?;
    filter.lport_count = fill(&mut filter.lports, &lports, "--lport", "join ports to ranges")?;
    filter.dst_count = fill(&mut filter.dst, &dst, "--dst", "join networks to shorter prefixes")?;
    filter.src_count = fill(&mut filter.src, &src, "--src", "join networks to shorter prefixes")?;
    Ok(())
}

fn fill_places(filter: &mut Filter, args: &FilterArgs) -> Result<(), UsageError> {
    let netns = each(&args.netns, |name| lookup::netns(name))?;
    let cgroups = each(&args.cgroup, |path| lookup::cgroup(path))?;
    let (ids, levels): (Vec<u64>, Vec<u32>) = cgroups.iter().map(|c| (c.id, c.level)).unzip();
    filter.netns_count = fill(&mut filter.netns, &netns, "--netns", "trace all namespaces")?;
    let advice = "name a cgroup that holds them all";
    filter.cgroup_count = fill(&mut filter.cgroup_ids, &ids, "--cgroup", advice)?;
    fill(&mut filter.cgroup_levels, &levels, "--cgroup", advice)?;
    Ok(())
}

/// Network namespaces as `--netns` names them: inode number, and the file that stands for it unless
/// a number was given.
pub fn namespace(text: &str) -> Result<(u32, Option<PathBuf>), UsageError> {
    let is_number = text.parse::<u32>().is_ok();
    Ok((lookup::netns(text)?, (!is_number).then(|| lookup::netns_file(text))))
}

fn each<A, T, F>(texts: &[A], parse: F) -> Result<Vec<T>, UsageError>
where
    F: FnMut(&A) -> Result<T, UsageError>,
{
    texts.iter().map(parse).collect()
}

/// Copies `values` to the front of `slots` and says how many there are.
fn fill<T: Copy>(
    slots: &mut [T],
    values: &[T],
    flag: &'static str,
    advice: &'static str,
) -> Result<u32, UsageError> {
    let (limit, given) = (slots.len(), values.len());
    let too_many = UsageError::TooMany { flag, limit, given, advice };
    let Some(front) = slots.get_mut(..given) else { return Err(too_many) };
    front.copy_from_slice(values);
    u32::try_from(given).map_err(|_| too_many)
}

// The limits that the help names are those of the wire.
const _: () = assert!(bounds::IDS == 16 && bounds::PORTS == 16);

#[cfg(test)]
mod tests;
