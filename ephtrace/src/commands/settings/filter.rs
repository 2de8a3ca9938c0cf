//! From the filter that was typed to the one that the kernel half compares.

use std::path::PathBuf;

use ephtrace_common::{Cidr, Filter, PortSpan, bounds};
use zerocopy::FromZeros as _;

use super::{error::UsageError, lookup, parse};
use crate::{
    cli::{FilterArgs, HookArg},
    host::snapshot::{Named, Which},
    kernel::filter::origin_bit,
    model::{Hook, Origin},
};

pub(in crate::commands) fn named_hook(hook: HookArg) -> Option<Hook> {
    match hook {
        HookArg::Auto => None,
        HookArg::Fentry => Some(Hook::Fentry),
        HookArg::Kprobe => Some(Hook::Kprobe),
        HookArg::SockOps => Some(Hook::SockOps),
    }
}

pub(in crate::commands) fn build_filter(args: &FilterArgs) -> Result<Filter, UsageError> {
    let mut filter = Filter::new_zeroed();
    filter.explicit_failed_only = u32::from(args.origin.is_empty());
    filter.origins = if args.origin.is_empty() {
        all_origins()
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
pub(in crate::commands) fn which(netns: &[String]) -> Result<Which, UsageError> {
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
pub(in crate::commands) fn keep_recorded(
    filter: &mut Filter,
    args: &FilterArgs,
) -> Result<(), UsageError> {
    if args.origin.is_empty() {
        filter.origins = u32::MAX;
        filter.explicit_failed_only = 0;
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

/// Bits of all origins; of `explicit`, where the kernel chose nothing, failures alone are kept.
pub fn all_origins() -> u32 {
    Origin::ALL.iter().fold(0, |bits, &origin| bits | origin_bit(origin))
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
