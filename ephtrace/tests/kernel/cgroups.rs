//! Filters by cgroup and container, and names of containers, without a visible mount of cgroup v2:
//! `ip netns exec` mounts /sys anew, without the cgroups below it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use crate::{
    assign::Assign,
    mounts::{hide, mount_points, on_a_thread, own_mounts, unmount_all},
    setup::Scratch,
    tracer::{CONNECT_ONLY, Tracer, command},
    wait,
};

tests! {
    each_hook: cgroups_are_found_without_a_mount, containers_are_known_without_a_mount;
}

/// Two cgroups with names in the style of container runtimes; removed at the end of the test.
pub(crate) struct Containers(pub(crate) [PathBuf; 2]);

impl Containers {
    pub(crate) fn new() -> Result<Self> {
        let root = mount_points("cgroup2")?.into_iter().next().context("no cgroup v2")?;
        let paths = ["a", "b"].map(|digit| {
            let id = format!("{}{:052}", digit.repeat(12), std::process::id());
            root.join(format!("docker-{id}.scope"))
        });
        for path in &paths {
            fs::create_dir(path).with_context(|| format!("making {}", path.display()))?;
        }
        Ok(Self(paths))
    }
}

impl Drop for Containers {
    fn drop(&mut self) {
        for path in &self.0 {
            // At worst, it is left over, empty.
            let _ = fs::remove_dir(path);
        }
    }
}

/// Remains of the file systems in which cgroups are found, after `ip netns exec`: the best and the
/// worst case.
#[derive(Clone, Copy, Debug)]
enum Left {
    /// The root of process 1 leads to its mount.
    Process1,
    /// Nothing.
    Nothing,
}

/// Runs `work` while no cgroup v2 is mounted.
fn without_cgroup2<T: Send>(left: Left, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    on_a_thread(|| {
        own_mounts()?;
        unmount_all("cgroup2")?;
        if matches!(left, Left::Nothing) {
            hide("/proc/1")?;
        }
        work()
    })
    .with_context(|| format!("{left:?} is left"))
}

/// Connects in a cgroup, and returns the number of connects.
fn connects_in(scratch: &Scratch, cgroup: &Path, pace: &[&str]) -> Result<usize> {
    let args = ["exhaust", "--wait", "--range", "40000-40099", "--attempts", "3"];
    let assign = Assign::start_named(scratch, "in-cgroup", &[&args, pace].concat())?;
    assign.move_to(cgroup)?;
    Ok(assign.truth()?.iter().filter(|attempt| attempt.errno == 0).count())
}

fn cgroups_are_found_without_a_mount(hook: &str) -> Result<()> {
    let containers = Containers::new()?;
    let [wanted, other] = &containers.0;
    let name = wanted.file_name().and_then(|name| name.to_str()).context("no name")?;
    let as_mounted = wanted.to_str().context("no path")?;
    let below = format!("/{name}");
    let by_path = |path| ["--cgroup", path];
    let by_id = ["--container", "aaaaaaaaaaaa"];
    for (left, filter) in [
        (Left::Process1, by_path(&below)),
        (Left::Process1, by_path(as_mounted)),
        (Left::Process1, by_id),
        (Left::Nothing, by_path(name)),
        (Left::Nothing, by_id),
    ] {
        let scratch = Scratch::new()?;
        let args = [&CONNECT_ONLY[..], &filter].concat();
        let tracer = without_cgroup2(left, || Tracer::start(&scratch, hook, &args))
            .with_context(|| filter.join(" "))?;
        let expected = connects_in(&scratch, wanted, &[])?;
        connects_in(&scratch, other, &[])?;
        let trace = tracer.stop()?;
        trace.complete()?;
        let told = trace.events.len();
        ensure!(told == expected, "{filter:?}: {told} events of {expected}, {left:?} is left");
    }
    for left in [Left::Process1, Left::Nothing] {
        let args = ["--duration", "1ms", "--cgroup", "no/such"];
        let refused = without_cgroup2(left, || Ok(command(hook, &args).output()?))?;
        let said = String::from_utf8_lossy(&refused.stderr);
        ensure!(refused.status.code() == Some(2), "{}: {said}", refused.status);
        ensure!(said.contains("for '--cgroup': no "), "{said}");
    }
    Ok(())
}

/// Once one process of a cgroup has shown its path, the path tells the container of all processes
/// in the cgroup, ended ones included.
fn containers_are_known_without_a_mount(hook: &str) -> Result<()> {
    let containers = Containers::new()?;
    for left in [Left::Process1, Left::Nothing] {
        let scratch = Scratch::new()?;
        let tracer = without_cgroup2(left, || Tracer::start(&scratch, hook, &CONNECT_ONLY))?;
        let is_named = || {
            let text = fs::read_to_string(tracer.output())?;
            Ok(text.contains("\"container\":\"aaaaaaaaaaaa\"").then_some(()))
        };
        let known = connects_in(&scratch, &containers.0[0], &["--pace", "10"])?;
        wait::until("an event in a container", is_named)?;
        tracer.signal(Signal::SIGSTOP)?;
        let stat = format!("/proc/{}/stat", tracer.pid());
        let is_stopped = || Ok(fs::read_to_string(&stat)?.contains(") T ").then_some(()));
        wait::until("ephtrace stops", is_stopped)?;
        let gone = connects_in(&scratch, &containers.0[0], &[])?;
        tracer.signal(Signal::SIGCONT)?;
        let trace = tracer.stop()?;
        trace.complete()?;
        let inside = trace.events.iter().filter(|e| e.comm.as_deref() == Some("in-cgroup"));
        let in_container =
            inside.filter(|event| event.container.as_deref() == Some("aaaaaaaaaaaa")).count();
        ensure!(in_container == known + gone, "{in_container} of {known} and {gone}: {left:?}");
    }
    Ok(())
}
