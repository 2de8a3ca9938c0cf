//! Names of containers and pods, with real runtimes: each container connects, and its events must
//! have its own name or none.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::{
    assign::Assign,
    cri::Cri,
    mounts::mount_points,
    notes::say,
    runtimes::{Daemon, IMAGE, PROGRAM, ROOT, Runtimes, daemon, make_image, output, with_runtimes},
    setup::Scratch,
    tracer::{CONNECT_ONLY, Event, Trace, Tracer},
    wait,
};

tests! {
    first_hook: containers_of_a_tenth_of_a_second_are_named,
        five_hundred_containers_have_no_wrong_name,
        containerd_s_containers_are_named, a_pod_of_containerd_s_cri_is_named,
        docker_s_containers_are_named, podman_s_containers_are_named,
        units_are_known_and_filtered;
}

/// Bundles of containerd's tasks.
const TASKS: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";

/// A listener that all containers connect to: they are in the host's network.
struct Server(SocketAddr);

impl Server {
    fn new() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        // More clients come than may wait; the thread ends with the tests.
        thread::spawn(move || listener.incoming().for_each(drop));
        Ok(Self(address))
    }

    /// Command line of a container that connects once and stays for some milliseconds.
    fn args(&self, stay: u32) -> [String; 5] {
        let to = self.0.to_string();
        [PROGRAM.into(), "connect".into(), to, "--stay".into(), stay.to_string()]
    }

    /// Events of connects to it.
    fn events<'t>(&self, trace: &'t Trace) -> Vec<&'t Event> {
        let port = self.0.port();
        trace.events.iter().filter(|event| event.dport == Some(port)).collect()
    }
}

/// Whole id of container `n`, which the first 12 digits tell.
fn id(n: u32) -> String {
    format!("{n:012x}{:052x}", std::process::id())
}

/// Number of the container that an event is from.
fn number(event: &Event) -> Option<u32> {
    u32::from_str_radix(event.container.as_deref()?, 16).ok()
}

/// Runs a container by runc alone, with the files that containerd leaves for its tasks.
fn run_with_runc(runtimes: &Runtimes, args: &[String], n: u32) -> Result<()> {
    let (id, bundle) = (id(n), PathBuf::from(TASKS).join(id(n)));
    let config = json!({
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": args, "cwd": "/", "env": ["A=b"]},
        "root": {"path": ROOT, "readonly": true},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            // Of each container's own: runc makes links in it.
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
        ],
        "annotations": {
            "io.kubernetes.cri.container-name": format!("c{n}"),
            "io.kubernetes.cri.image-name": IMAGE,
            "io.kubernetes.cri.sandbox-name": format!("pod-{n}"),
            "io.kubernetes.cri.sandbox-namespace": "shop",
        },
        "linux": {
            "cgroupsPath": format!("/k8s.io/{id}"),
            "namespaces": [{"type": "mount"}, {"type": "pid"}],
        },
    });
    fs::create_dir_all(&bundle)?;
    fs::write(bundle.join("config.json"), config.to_string())?;
    let mut runc = runtimes.command("runc");
    output(runc.args(["--root", "/run/runc", "run", "-b"]).arg(&bundle).arg(&id))?;
    fs::remove_dir_all(bundle)?;
    Ok(())
}

/// Counts the events with the container's own names and those without; any other name is an error.
fn named_and_not(events: &[&Event]) -> Result<(usize, usize)> {
    let mut named = 0;
    for event in events {
        let Some(name) = &event.container_name else { continue };
        let n = number(event).with_context(|| format!("a name without a container: {event:?}"))?;
        ensure!(*name == format!("c{n}"), "container {n} is called {name}");
        let pod = (event.pod.as_deref(), event.pod_namespace.as_deref());
        ensure!(pod == (Some(&format!("pod-{n}")), Some("shop")), "container {n}: {pod:?}");
        ensure!(event.image.as_deref() == Some(IMAGE), "container {n}: {:?}", event.image);
        named += 1;
    }
    Ok((named, events.len() - named))
}

fn containers_of_a_tenth_of_a_second_are_named(hook: &str) -> Result<()> {
    with_runtimes(|runtimes| {
        // Others may have the processors for a tenth of a second.
        let named = match a_hundred_named(runtimes, hook)? {
            few @ ..99 => few.max(a_hundred_named(runtimes, hook)?),
            enough => enough,
        };
        ensure!(named >= 99, "{named} of 100 are named");
        Ok(())
    })
}

/// Runs a hundred containers, one after the other, and returns the number of those with a name.
fn a_hundred_named(runtimes: &Runtimes, hook: &str) -> Result<usize> {
    let (scratch, server) = (Scratch::new()?, Server::new()?);
    let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
    let args = server.args(100);
    for n in 1..=100 {
        run_with_runc(runtimes, &args, n)?;
    }
    let trace = tracer.stop()?;
    let events = server.events(&trace);
    let (named, unnamed) = named_and_not(&events)?;
    say(&format!("{named} of 100 containers that live 100 ms are named, {unnamed} are not"));
    ensure!(events.len() == 100, "{} events", events.len());
    Ok(named)
}

fn five_hundred_containers_have_no_wrong_name(hook: &str) -> Result<()> {
    const AT_ONCE: u32 = 5;
    with_runtimes(|runtimes| {
        let (scratch, server) = (Scratch::new()?, Server::new()?);
        let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
        let args = server.args(0);
        let run = |first: u32| -> Result<()> {
            (first..=500)
                .step_by(AT_ONCE as usize)
                .try_for_each(|n| run_with_runc(runtimes, &args, n))
        };
        thread::scope(|scope| {
            let all: Vec<_> = (1..=AT_ONCE).map(|n| scope.spawn(move || run(n))).collect();
            all.into_iter()
                .try_for_each(|one| one.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?)
        })?;
        let trace = tracer.stop()?;
        let events = server.events(&trace);
        let (named, unnamed) = named_and_not(&events)?;
        say(&format!("{named} of 500 containers that end at once are named, {unnamed} unknown"));
        ensure!(events.len() == 500 && named > 0, "{named} of {} are named", events.len());
        Ok(())
    })
}

/// Waits until there is an event of the server's, and returns those that there are.
fn first_events(tracer: Tracer, server: &Server, expected: usize) -> Result<Vec<Event>> {
    let port = server.0.port();
    wait::until("events of all containers", || {
        let text = fs::read_to_string(tracer.output())?;
        let count =
            text.lines().filter(|line| line.contains(&format!("\"dport\":{port},"))).count();
        Ok((count >= expected).then_some(()))
    })?;
    let trace = tracer.stop()?;
    Ok(server.events(&trace).into_iter().cloned().collect())
}

/// Socket of containerd.
const SOCKET: &str = "/run/containerd/containerd.sock";

/// Returns `ctr`, which talks to containerd.
fn ctr(runtimes: &Runtimes) -> Command {
    let mut ctr = runtimes.command("ctr");
    ctr.args(["-a", SOCKET, "-n", "k8s.io"]);
    ctr
}

/// Starts containerd with the image at `image`.
fn containerd(runtimes: &Runtimes, image: &Path) -> Result<Daemon> {
    let config = format!(
        "version = 2\nroot = \"/run/cd\"\nstate = \"/run/containerd\"\n\
         [plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = {IMAGE:?}\n\
         restrict_oom_score_adj = true\n\
         [plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n"
    );
    fs::write("/run/containerd.toml", config)?;
    let mut containerd = runtimes.command("containerd");
    containerd.args(["-c", "/run/containerd.toml"]);
    let running = daemon(&mut containerd, ctr(runtimes).arg("version"))?;
    let mut import = ctr(runtimes);
    output(import.args(["images", "import", "--snapshotter", "native"]).arg(image))?;
    Ok(running)
}

fn containerd_s_containers_are_named(hook: &str) -> Result<()> {
    with_runtimes(|runtimes| {
        let (scratch, server, image) = (Scratch::new()?, Server::new()?, make_image(&[])?);
        let _daemon = containerd(runtimes, &image)?;
        let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
        let mut run = ctr(runtimes);
        run.args(["run", "--rm", "--net-host", "--snapshotter", "native"]);
        for text in [
            "io.kubernetes.cri.container-name=c7",
            "io.kubernetes.cri.image-name=localhost/ephtrace/assign:1",
            "io.kubernetes.cri.sandbox-name=pod-7",
            "io.kubernetes.cri.sandbox-namespace=shop",
        ] {
            run.args(["--annotation", text]);
        }
        output(run.args([IMAGE, &id(7)]).args(server.args(200)))?;
        let events = first_events(tracer, &server, 1)?;
        let (named, unnamed) = named_and_not(&events.iter().collect::<Vec<_>>())?;
        ensure!((named, unnamed) == (1, 0), "{events:?}");
        Ok(())
    })
}

/// A pod as the kubelet makes it: both its sandbox and its container connect.
fn a_pod_of_containerd_s_cri_is_named(hook: &str) -> Result<()> {
    with_runtimes(|runtimes| {
        let (scratch, server) = (Scratch::new()?, Server::new()?);
        let image = make_image(&server.args(60_000))?;
        let _daemon = containerd(runtimes, &image)?;
        let [origin, connect] = CONNECT_ONLY;
        let tracer = Tracer::start(&scratch, hook, &["--pod", "shop/web-0", origin, connect])?;
        let mut cri = Cri::connect(Path::new(SOCKET))?;
        let uids = ["2f1d2a2e-1f7c-4f5e-9d59-0f3e2a0a6f11", "3f1d2a2e-1f7c-4f5e-9d59-0f3e2a0a6f11"];
        let pod = ["shop", "web-0", uids[0]];
        let other = cri.run_pod("default", "web-0", uids[1])?;
        let sandbox = cri.run_pod(pod[0], pod[1], pod[2])?;
        let args = server.args(60_000);
        let id = cri.run_container((&sandbox, pod), "nginx", IMAGE, &args)?;
        let events = first_events(tracer, &server, 2)?;
        cri.remove_pod(&sandbox)?;
        cri.remove_pod(&other)?;
        for (event, id, name) in [(&events[0], &sandbox, None), (&events[1], &id, Some("nginx"))] {
            ensure!(event.container.as_deref() == id.get(..12), "{id}: {event:?}");
            let pod = (event.pod_namespace.as_deref(), event.pod.as_deref());
            ensure!(pod == (Some("shop"), Some("web-0")), "{event:?}");
            ensure!(event.container_name.as_deref() == name, "{event:?}");
        }
        ensure!(events.len() == 2, "of the other pod: {events:?}");
        ensure!(events[1].image.as_deref() == Some(IMAGE), "{:?}", events[1]);
        Ok(())
    })
}

/// A cgroup that is called like a unit; removed at the end of the test.
struct Unit(PathBuf);

impl Unit {
    fn new(name: &str) -> Result<Self> {
        let root = mount_points("cgroup2")?.into_iter().next().context("no cgroup v2")?;
        let path = root.join(name);
        fs::create_dir(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        // At worst, it is left over, empty.
        let _ = fs::remove_dir(&self.0);
    }
}

fn units_are_known_and_filtered(hook: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let name = format!("ephtrace-{}.service", std::process::id());
    let (unit, other) = (Unit::new(&name)?, Unit::new(&name.replace("trace", "other"))?);
    let [origin, connect] = CONNECT_ONLY;
    let wanted = name.strip_suffix(".service").context("no service")?;
    let tracer = Tracer::start(&scratch, hook, &["--unit", wanted, origin, connect])?;
    for unit in [&other, &unit] {
        let args = ["exhaust", "--wait", "--attempts", "3", "--pace", "10"];
        let assign = Assign::start_named(&scratch, "in-unit", &args)?;
        assign.move_to(&unit.0)?;
        assign.truth()?;
    }
    let trace = tracer.stop()?;
    trace.complete()?;
    let units: Vec<_> = trace.events.iter().map(|event| event.unit.as_deref()).collect();
    ensure!(units == [Some(&*name); 3], "{units:?}");
    ensure!(trace.stderr.contains("names are compared outside the kernel"), "{}", trace.stderr);
    Ok(())
}

/// Starts a docker with nothing but what it needs for containers in the host's network.
fn docker(runtimes: &Runtimes) -> impl Fn(&[&str]) -> Command {
    |args| {
        let mut docker = runtimes.command("docker");
        docker.args(["-H", "unix:///run/docker.sock"]).args(args);
        docker
    }
}

fn docker_s_containers_are_named(hook: &str) -> Result<()> {
    with_runtimes(|runtimes| {
        let (scratch, server, image) = (Scratch::new()?, Server::new()?, make_image(&[])?);
        let docker = docker(runtimes);
        let mut dockerd = runtimes.command("dockerd");
        dockerd.args(["--iptables=false", "--ip6tables=false", "--bridge=none"]);
        dockerd.args(["--storage-driver=vfs", "-H", "unix:///run/docker.sock"]);
        let _daemon = daemon(&mut dockerd, &mut docker(&["version"]))?;
        output(docker(&["load", "-i"]).arg(&image))?;
        let args = server.args(100);
        let run = |name: &str| {
            let mut run = docker(&["run", "--network", "host", "--name", name, IMAGE]);
            output(run.args(&args))
        };
        let all = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
        let [origin, connect] = CONNECT_ONLY;
        let one = ["--container", "web", origin, connect];
        let one = Tracer::start(&scratch, hook, &one)?;
        run("web")?;
        run("db")?;
        output(&mut docker(&["rename", "web", "renamed"]))?;
        output(&mut docker(&["start", "-a", "renamed"]))?;
        let names = |events: Vec<Event>| -> Vec<String> {
            events.into_iter().filter_map(|event| event.container_name).collect()
        };
        let events = first_events(all, &server, 3)?;
        let images = events.iter().filter(|event| event.image.as_deref() == Some(IMAGE)).count();
        ensure!(images == 3, "{events:?}");
        let all = names(events);
        ensure!(all == ["web", "db", "renamed"], "{all:?}");
        let one = names(first_events(one, &server, 1)?);
        ensure!(one == ["web"], "{one:?}");
        Ok(())
    })
}

fn podman_s_containers_are_named(hook: &str) -> Result<()> {
    with_runtimes(|runtimes| {
        let (scratch, server, image) = (Scratch::new()?, Server::new()?, make_image(&[])?);
        let settings = "/run/home/.config/containers";
        fs::create_dir_all(settings)?;
        let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
        fs::write(format!("{settings}/policy.json"), policy)?;
        let config = format!(
            "[engine]\ncgroup_manager=\"cgroupfs\"\nevents_logger=\"file\"\nruntime=\"runc\"\n\
             conmon_path=[\"{}\"]\n[engine.runtimes]\nrunc=[\"{}\"]\n[network]\n\
             network_backend=\"cni\"\n",
            runtimes.path("usr/bin/conmon").display(),
            runtimes.path("usr/sbin/runc").display(),
        );
        fs::write("/run/containers.conf", config)?;
        let podman = |args: &[&str]| {
            let mut podman = runtimes.command("podman");
            podman.env("CONTAINERS_CONF", "/run/containers.conf");
            podman.args(["--storage-driver", "vfs"]).args(args);
            podman
        };
        output(podman(&["load", "-i"]).arg(&image))?;
        let tracer = Tracer::start(&scratch, hook, &CONNECT_ONLY)?;
        for (name, more) in [("web", None), ("volatile", Some("--rm"))] {
            let limits = ["--ulimit", "nofile=1000:1000", "--ulimit", "nproc=1000:1000"];
            let mut run = podman(&["run", "--network", "host", "--name", name]);
            run.args(limits).args(more).arg(IMAGE).args(server.args(100));
            output(&mut run)?;
        }
        let events = first_events(tracer, &server, 2)?;
        let named = |event: &Event| (event.container_name.clone(), event.image.clone());
        let named: Vec<_> = events.iter().map(named).collect();
        let expected = ["web", "volatile"].map(|name| (Some(name.to_owned()), Some(IMAGE.into())));
        ensure!(named == expected, "{named:?}");
        Ok(())
    })
}
