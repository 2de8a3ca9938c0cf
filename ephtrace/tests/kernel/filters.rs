//! Each filter keeps exactly the attempts that it should keep.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::{
    assign::{Assign, Attempt},
    compare::compare,
    mounts::mount_points,
    setup::{self, Scratch},
    tracer::{Trace, Tracer},
};

tests! {
    each_hook: a_filter_keeps_exactly_what_it_names;
}

/// A user without rights.
const NOBODY: u32 = 65534;

/// Number of tracers that run at once. The kernel takes 64 programs of a kind on a cgroup, 38 on a
/// function; a small machine takes fewer.
const TRACERS: usize = 8;

/// Processes that the filters tell apart.
struct Cast {
    /// An ordinary process.
    plain: u32,
    /// Name of `plain`.
    name: String,
    /// A process in a network namespace and a cgroup of its own.
    apart: u32,
    /// Network namespace of `apart`.
    netns: u64,
    /// Parent of the cgroup of `apart`.
    cgroup: String,
    /// Container id that its cgroup looks like.
    container: String,
}

/// Arguments of a filter, and the attempts that it keeps.
type Case = (Vec<String>, Box<dyn Fn(&Attempt) -> bool>);

/// Returns a case from literal arguments.
fn case(args: &str, keeps: impl Fn(&Attempt) -> bool + 'static) -> Case {
    (args.split(' ').map(str::to_owned).collect(), Box::new(keeps))
}

fn cases(cast: &Cast) -> Vec<Case> {
    let mut cases = owners(cast);
    cases.extend(addresses());
    cases.extend(outcomes());
    let mut cases: Vec<Case> = cases.into_iter().zip((0..3).cycle()).map(of_origin).collect();
    cases.extend(ports(cast.plain));
    cases.extend(origins());
    cases
}

/// Restricts a case to some of the origins: the code is the same for all, and emulated guests take
/// a second for each hooked function.
fn of_origin(((mut args, keeps), nth): (Case, usize)) -> Case {
    const ORIGINS: [&str; 3] = ["connect", "bind,listen", "udp"];
    args.extend(["--origin".to_owned(), ORIGINS[nth].to_owned()]);
    (args, Box::new(move |a| ORIGINS[nth].split(',').any(|o| o == a.origin) && keeps(a)))
}

fn owners(cast: &Cast) -> Vec<Case> {
    let &Cast { plain, apart, netns, .. } = cast;
    let Cast { name, cgroup, container, .. } = cast;
    let name = name.clone();
    let renamed = "assign (new) \u{e9}";
    vec![
        case(&format!("-p {plain}"), move |a| a.pid == plain),
        case(&format!("-p {plain},{apart}"), move |a| [plain, apart].contains(&a.pid)),
        case(&format!("-u {NOBODY}"), |a| a.uid == NOBODY),
        case("-u 0", |a| a.uid == 0),
        case(&format!("-c {name}"), move |a| a.comm == name),
        (vec!["-c".to_owned(), renamed.to_owned()], Box::new(move |a| a.comm == renamed)),
        case(&format!("--netns {netns}"), move |a| a.netns == netns),
        case(&format!("--netns /proc/{apart}/ns/net"), move |a| a.netns == netns),
        case(&format!("--cgroup {cgroup}"), move |a| [a.pid, a.ppid].contains(&apart)),
        case(&format!("--container {container}"), move |a| [a.pid, a.ppid].contains(&apart)),
    ]
}

fn addresses() -> Vec<Case> {
    let is = |text: &str| {
        let ip: std::net::IpAddr = text.parse().unwrap_or_else(|_| [0, 0, 0, 0].into());
        move |other: std::net::IpAddr| other == ip
    };
    let (local_v6, third) = (is("::1"), is("127.0.0.3"));
    vec![
        case("-4", |a| a.family == 4),
        case("-6", |a| a.family == 6),
        case("-4 -6", |_| true),
        case("--dst 127.0.0.0/8", |a| a.family == 4 && !a.daddr.is_unspecified()),
        case("--dst ::1", move |a| local_v6(a.daddr)),
        case("--src 127.0.0.3,192.0.2.0/24", move |a| third(a.saddr)),
        case("--dst ::/0", |_| true),
    ]
}

fn ports(pid: u32) -> Vec<Case> {
    // The first server of a process listens here, unless another program does.
    let first = u16::try_from(20_000 + pid % 10_000).unwrap_or(20_000);
    let near = first..=first + 2;
    let text = format!("-P {}-{}", near.start(), near.end());
    vec![
        case(&format!("--origin connect {text}"), move |a| {
            a.origin == "connect" && near.contains(&a.dport)
        }),
        case("--origin connect -P 40000,1-100", |a| a.origin == "connect" && a.dport == 40_000),
        case("--origin connect -L 40000-40004", |a| {
            a.origin == "connect" && a.sport.is_some_and(|p| (40_000..=40_004).contains(&p))
        }),
        case("--origin connect -L 40001 -L 40003", |a| {
            a.origin == "connect" && [Some(40_001), Some(40_003)].contains(&a.sport)
        }),
        case("--origin connect -4 -P 40000 -L 40000 -u 0", |a| {
            a.origin == "connect" && a.family == 4 && a.dport == 40_000
        }),
    ]
}

fn outcomes() -> Vec<Case> {
    vec![
        case("-x", |a| a.errno != 0),
        case("-x -6", |a| a.errno != 0 && a.family == 6),
        case("--min-latency 10s", |_| false),
    ]
}

fn origins() -> Vec<Case> {
    vec![
        case("--origin ping,listen", |a| ["ping", "listen"].contains(&a.origin.as_str())),
        // Without connect and udp: if the SYN waits for a write, or a send fails, hook sock_ops
        // knows no latency.
        case("--origin bind,listen --min-latency 1ns", |a| {
            ["bind", "listen"].contains(&a.origin.as_str())
        }),
        case("--origin udp -4", |a| a.origin == "udp" && a.family == 4),
    ]
}

fn a_filter_keeps_exactly_what_it_names(hook: &str) -> Result<()> {
    // The code is the same for all hooks, so that they share the cases.
    let share = setup::share(hook);
    let mut begin = 0;
    while run(hook, begin, share)? {
        begin += TRACERS;
    }
    Ok(())
}

/// Runs a batch of a hook's share of the cases, all at once; returns false if there are no more.
fn run(hook: &str, begin: usize, (hooks, index): (usize, usize)) -> Result<bool> {
    let scratch = Scratch::new()?;
    let cgroup = Cgroup::new()?;
    let ways = ["ways", "--wait", "--times", "1"];
    let plain = Assign::start(&scratch, &ways)?;
    let nobody = Assign::start_as(&scratch, Some(NOBODY), &ways)?;
    let apart = Assign::start(&scratch, &[&ways[..], &["--new-netns"]].concat())?;
    apart.move_to(&cgroup.inner())?;
    let cast = Cast {
        plain: plain.pid(),
        name: plain.name().to_owned(),
        apart: apart.pid(),
        netns: apart.own_netns()?,
        cgroup: cgroup.outer.display().to_string(),
        container: cgroup.container.clone(),
    };
    let all = cases(&cast);
    let all: Vec<&Case> = all.iter().skip(index).step_by(hooks).collect();
    let some = all.iter().copied().skip(begin).take(TRACERS);
    let mut tracers =
        some.clone().map(|case| start(&scratch, hook, case)).collect::<Result<Vec<_>>>()?;
    tracers.iter_mut().try_for_each(|tracer| tracer.wait_attached().map(drop))?;
    // One after the other, so that no process waits for a port.
    let truth: Vec<Attempt> =
        [plain, nobody, apart].map(Assign::truth).into_iter().collect::<Result<Vec<_>>>()?.concat();
    for (tracer, (args, keeps)) in tracers.into_iter().zip(some) {
        let trace = tracer.stop()?;
        judge(&truth, &trace, keeps).with_context(|| args.join(" "))?;
        let ours = trace.events.iter().filter(|e| e.pid == Some(cast.apart));
        let wrong = ours.filter(|e| e.cgroup_id != Some(cgroup.inner_id)).count();
        ensure!(wrong == 0, "{wrong} events have another cgroup than {}", cgroup.inner_id);
    }
    Ok(begin + TRACERS < all.len())
}

fn start(scratch: &Scratch, hook: &str, case: &Case) -> Result<Tracer> {
    let args: Vec<&str> = case.0.iter().map(String::as_str).collect();
    Tracer::spawn(scratch, hook, &[args.as_slice(), &["--ring-size", "1M"]].concat())
}

fn judge(truth: &[Attempt], trace: &Trace, keeps: &dyn Fn(&Attempt) -> bool) -> Result<()> {
    let summary = trace.complete()?;
    compare(truth, trace, keeps)?;
    // The counter also covers other processes' connects, so that it may be higher.
    let is_ours = |a: &&Attempt| a.is_due() && trace.sees(a) && keeps(a);
    let due = truth.iter().filter(is_ours).count() as u64;
    let kernel = &summary.kernel;
    let unseen_ends = summary.losses["return_missed"];
    ensure!(kernel.seen + trace.left_out() >= due, "{summary:?}");
    ensure!(kernel.seen == kernel.filtered + kernel.emitted + unseen_ends, "{summary:?}");
    Ok(())
}

/// A cgroup in a cgroup; removed at the end of the test.
struct Cgroup {
    outer: PathBuf,
    /// Short id of the container.
    container: String,
    inner_id: u64,
}

impl Cgroup {
    fn new() -> Result<Self> {
        let root = mount_points("cgroup2")?.into_iter().next().context("no cgroup v2")?;
        // The name has the form that container runtimes use.
        let container = format!("{:06x}{:06x}", std::process::id() & 0xff_ffff, setup::next());
        let outer = root.join(format!("docker-{container}{:052}.scope", 0));
        let inner = outer.join("inner");
        fs::create_dir_all(&inner).with_context(|| format!("making {}", inner.display()))?;
        let inner_id = fs::metadata(&inner)?.ino();
        Ok(Self { outer, container, inner_id })
    }

    fn inner(&self) -> PathBuf {
        self.outer.join("inner")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // The cgroups are empty unless the test failed.
        let _ = fs::remove_dir(self.inner());
        let _ = fs::remove_dir(&self.outer);
    }
}
