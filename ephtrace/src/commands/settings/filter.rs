//! Builds filters from arguments.

use std::path::PathBuf;

use ephtrace_common::bounds;

use super::{error::UsageError, lookup, parse, ports};
use crate::{
    cli::{ByArg, FilterArgs, HookArg},
    host::snapshot::{Named, Which},
    kernel::filter::to_wire,
    model::{
        Family, Filter, Hook, Origin,
        escape::shown,
        filter::{ContainerName, NameFilter, UnitName},
        grouping::By,
    },
};

pub(in crate::commands) fn named_hook(hook: HookArg) -> Option<Hook> {
    match hook {
        HookArg::Auto => None,
        HookArg::Fentry => Some(Hook::Fentry),
        HookArg::Kprobe => Some(Hook::Kprobe),
        HookArg::SockOps => Some(Hook::SockOps),
    }
}

pub(in crate::commands) fn grouping(by: ByArg) -> By {
    match by {
        ByArg::Process => By::Process,
        ByArg::Container => By::Container,
        ByArg::Pod => By::Pod,
        ByArg::Unit => By::Unit,
    }
}

/// Returns the requested filter, with any number of values.
fn build_filter(args: &FilterArgs) -> Result<Filter, UsageError> {
    let port_ranges = |flag, texts: &[String]| each(texts, |text| ports::ports(flag, text));
    let networks = |flag, texts: &[String]| each(texts, |text| parse::network(flag, text));
    let origins: Vec<Origin> = args.origin.iter().map(|arg| arg.0).collect();
    Ok(Filter {
        pids: args.pid.iter().copied().collect(),
        uids: each(&args.uid, |user| lookup::uid(user))?,
        comms: each(&args.comm, |name| parse::comm("--comm", name))?,
        dports: port_ranges("--port", &args.port)?,
        lports: port_ranges("--lport", &args.lport)?,
        dst: networks("--dst", &args.dst)?,
        src: networks("--src", &args.src)?,
        netns: each(&args.netns, |name| lookup::netns(name))?,
        cgroups: each(&args.cgroup, |path| lookup::cgroup(path))?,
        names: NameFilter {
            pods: each(&args.pod, |pod| parse::pod(pod))?,
            namespaces: each(&args.namespace, |text| parse::name("--namespace", text))?,
            units: each(&args.unit, |text| parse::name("--unit", text).map(UnitName::new))?,
            ..NameFilter::default()
        },
        explicit_failed_only: origins.is_empty(),
        origins: if origins.is_empty() { all_origins() } else { origins },
        family: match (args.ipv4, args.ipv6) {
            (true, false) => Some(Family::V4),
            (false, true) => Some(Family::V6),
            _ => None,
        },
        failed_only: args.failed,
        min_latency: args
            .min_latency
            .as_ref()
            .map(|text| parse::duration("--min-latency", text))
            .transpose()?,
    })
}

/// Returns the filter of a live trace: the kernel half must have room for all values.
pub(in crate::commands) fn build_live_filter(args: &FilterArgs) -> Result<Filter, UsageError> {
    let mut filter = build_filter(args)?;
    if args.origin.iter().any(|arg| arg.0 == Origin::Nat) {
        return Err(UsageError::Value {
            flag: "--origin",
            value: Origin::Nat.name().to_owned(),
            reason: "no hook sees a NAT choose; `conntrack -E -e NEW -o timestamp` does, and \
                     `trace --from` reads its text"
                .to_owned(),
        });
    }
    add_containers(&mut filter, &args.container)?;
    to_wire(&filter)?;
    filter.pids.iter().try_for_each(|&pid| lookup::check_pid(pid))?;
    Ok(filter)
}

/// Adds the wanted containers. The kernel half compares cgroups, if each container is known by the
/// name of one. Other names are those that runtimes give: of any container that has it, also later.
fn add_containers(filter: &mut Filter, containers: &[String]) -> Result<(), UsageError> {
    let mut cgroups = Vec::new();
    for name in containers {
        let found = lookup::container(&parse::name("--container", name)?)?;
        if found.is_empty() {
            filter.names.containers = containers.iter().map(ContainerName::new).collect();
            return Ok(());
        }
        cgroups.extend(found);
    }
    filter.cgroups.extend(cgroups);
    Ok(())
}

/// Returns the filter of a run that is only counted: the kernel half compares all of it.
pub(in crate::commands) fn build_kernel_filter(args: &FilterArgs) -> Result<Filter, UsageError> {
    let filter = build_live_filter(args)?;
    let flags = [("--pod", &args.pod), ("--namespace", &args.namespace), ("--unit", &args.unit)];
    let named = flags.into_iter().chain([("--container", &args.container)]);
    let mut named = named.filter_map(|(flag, values)| Some((flag, values.first()?)));
    match named.next().filter(|_| !filter.names.is_empty()) {
        Some((flag, value)) => Err(UsageError::Value {
            flag,
            value: value.clone(),
            reason:
                "the kernel counts for this command, and it compares cgroups: use --cgroup, or \
                     --container with the id of a container that runs"
                    .to_owned(),
        }),
        None => Ok(filter),
    }
}

/// Returns the namespaces that `--netns` names.
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

/// Returns the filter of a recording: all recorded origins are kept, unless `--origin` is given.
pub(in crate::commands) fn build_recorded_filter(args: &FilterArgs) -> Result<Filter, UsageError> {
    let mut filter = build_filter(args)?;
    if args.origin.is_empty() {
        filter.origins.clear();
        filter.explicit_failed_only = false;
    }
    filter.names.containers = args.container.iter().map(ContainerName::new).collect();
    args.cgroup.first().map_or(Ok(filter), |path| {
        Err(UsageError::Value {
            flag: "--cgroup",
            value: shown(&path).to_string(),
            reason:
                "a recording does not have the cgroup hierarchy; filter by --pid, --comm or --uid"
                    .to_owned(),
        })
    })
}

/// All origins that hooks see; of `explicit`, where the kernel chose nothing, failures alone are
/// kept.
pub fn all_origins() -> Vec<Origin> {
    Origin::ALL.iter().copied().filter(|&origin| origin != Origin::Nat).collect()
}

/// Returns a network namespace named by `--netns`: its inode number, and the file that stands for
/// it unless a number was given.
pub fn namespace(text: &str) -> Result<(u32, Option<PathBuf>), UsageError> {
    let is_number = text.parse::<u32>().is_ok();
    Ok((lookup::netns(text)?, (!is_number).then(|| lookup::netns_file(text))))
}

fn each<A, T, C: FromIterator<T>>(
    texts: &[A],
    parse: impl FnMut(&A) -> Result<T, UsageError>,
) -> Result<C, UsageError> {
    texts.iter().map(parse).collect()
}

// The help gives the limits of the wire format.
const _: () = assert!(bounds::IDS == 16 && bounds::PORTS == 16);
