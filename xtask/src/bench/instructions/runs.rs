//! The list of runs: tracers and loads.

use std::path::PathBuf;

use super::wire::{Ready, Run};

/// Name of the row that the others are compared with.
pub(super) const UNTRACED: &str = "untraced";
/// Name of another untraced run at the end, which shows the accuracy of the figures.
pub(super) const UNTRACED_AGAIN: &str = "untraced, once more";

/// ephtrace's hooks.
const HOOKS: [&str; 3] = ["fentry", "kprobe", "sock_ops"];

/// Modes of running ephtrace: name, and arguments without the hook.
const MODES: [(&str, &str); 6] = [
    ("NDJSON", "trace -o json"),
    ("text", "trace"),
    ("Parquet", "record /tmp/recording.parquet"),
    ("storm", "storm 1 --json"),
    ("filtered", "trace -o json --port 1"),
    (SERVE, "serve --web.listen-address unix:/tmp/metrics"),
];

/// Name of the mode whose program tells nobody at its end what it has seen.
const SERVE: &str = "serve";

/// Programs that do nothing, given by the arguments of `floor`.
const FLOORS: [&str; 7] = [
    "fentry",
    "fentry fexit",
    "kprobe",
    "kprobe kretprobe",
    "tracepoint",
    "sock_ops",
    "tracepoint sock_ops",
];

/// Peers of libbpf-tools.
pub(super) const PEERS: [&str; 2] = ["tcpconnect", "tcpstates"];

/// Time for a peer to attach, in seconds: it does not report it.
const PEER_START_S: u64 = 5;

/// Number of destinations of the loads with many.
const MANY: u32 = 100;

/// Rounds of the empty loop that is measured without connects: some ten seconds.
const IDLE_ROUNDS: u64 = 2_000_000_000;
const IDLE: &str = "nothing";

/// Number of connects behind a figure.
#[derive(Clone, Copy)]
struct Size {
    /// Number of measured connects.
    connects: u32,
    /// Number of connects before, of the same process, under the same tracer: it judges the first
    /// ones more thoroughly than the rest.
    warm_up: u32,
}

/// Size that makes the start of a tracer negligible.
const FULL: Size = Size { connects: 100_000, warm_up: 20_000 };
/// Size that is enough to notice a change. The unread rest at the beginning and at the end differs
/// by up to the 20 ms between two drains, a hundredth of this.
const REDUCED: Size = Size { connects: 40_000, warm_up: 12_000 };
/// Size for totals, which are computed once a second, so that some six fall into a run, but judge
/// nothing.
const REDUCED_STORM: Size = Size { connects: 180_000, warm_up: 2_000 };
/// Size for tracers without a growing state: peers, and programs that do nothing.
const SHORT: Size = Size { connects: 10_000, warm_up: 2_000 };

/// Kind and number of destinations.
#[derive(Clone, Copy)]
struct Load {
    ipv6: bool,
    destinations: u32,
}

impl Load {
    fn name(self) -> String {
        let family = if self.ipv6 { "IPv6" } else { "IPv4" };
        match self.destinations {
            1 => format!("{family}, one destination"),
            many => format!("{family}, {many} in turn"),
        }
    }

    fn cost(self, size: Size) -> Vec<String> {
        let mut words = vec![
            format!("--connects={}", size.connects),
            format!("--warm-up={}", size.warm_up),
            format!("--destinations={}", self.destinations),
        ];
        if self.ipv6 {
            words.push("--ipv6".into());
        }
        words
    }

    fn run(self, tracer: &str, command: &str, ready: Ready, size: Size) -> Run {
        let command = command.split_whitespace().map(str::to_owned).collect();
        let (load, tracer, cost) = (self.name(), tracer.to_owned(), self.cost(size));
        let made = Some(u64::from(size.connects) + u64::from(size.warm_up));
        Run { load, tracer, command, ready, cost, made, is_ephtrace: false }
    }

    fn ephtrace(self, hook: &str, (mode, words): (&str, &str), size: Size) -> Run {
        let command = format!("/bin/ephtrace {words} --hook {hook}");
        let run = self.run(&name(hook, mode), &command, Ready::Says, size);
        Run { is_ephtrace: true, made: run.made.filter(|_| mode != SERVE), ..run }
    }
}

fn name(hook: &str, mode: &str) -> String {
    format!("{mode}, {hook}")
}

/// Returns all runs, by guest.
pub(super) fn full(peers: &[PathBuf]) -> Vec<Vec<Run>> {
    let mut guests = Vec::new();
    for ipv6 in [false, true] {
        for destinations in [1, MANY] {
            // Peers don't look at the destination.
            let peers = if ipv6 || destinations > 1 { &[] } else { peers };
            guests.extend(complete(Load { ipv6, destinations }, peers));
        }
    }
    guests.push(idle());
    guests
}

/// Returns the runs of all tracers under one load, in two guests.
fn complete(load: Load, peers: &[PathBuf]) -> [Vec<Run>; 2] {
    let modes = |hook| MODES.map(|mode| load.ephtrace(hook, mode, FULL));
    let untraced = load.run(UNTRACED, "", Ready::Says, FULL);
    let [fentry, kprobe, sock_ops] = HOOKS.map(modes);
    let mut first = vec![untraced.clone()];
    first.extend(fentry);
    first.extend(FLOORS.map(|hooks| floor(load, hooks)));
    for peer in peers {
        let name = peer.file_name().unwrap_or_default().to_string_lossy();
        let ready = Ready::After(PEER_START_S);
        first.push(load.run(&name, &format!("/bin/{name}"), ready, SHORT));
    }
    let mut second = vec![untraced];
    second.extend(kprobe);
    second.extend(sock_ops);
    second.push(load.run(UNTRACED_AGAIN, "", Ready::Says, FULL));
    [first, second]
}

fn floor(load: Load, hooks: &str) -> Run {
    let name = format!("does nothing, {}", hooks.replace(' ', " and "));
    load.run(&name, &format!("/bin/floor {hooks}"), Ready::Says, SHORT)
}

/// Returns runs without connects, which show a tracer's work nevertheless.
fn idle() -> Vec<Run> {
    let run = |tracer: String, command: String| Run {
        load: IDLE.into(),
        tracer,
        command: command.split_whitespace().map(str::to_owned).collect(),
        ready: Ready::Says,
        cost: vec![format!("--spin={IDLE_ROUNDS}")],
        made: None,
        is_ephtrace: true,
    };
    let mut runs = vec![run(UNTRACED.into(), String::new())];
    for hook in HOOKS {
        for (mode, words) in [MODES[0], MODES[3]] {
            runs.push(run(name(hook, mode), format!("/bin/ephtrace {words} --hook {hook}")));
        }
    }
    runs
}

/// Returns the runs that are compared with each change: one destination, and the most used modes.
/// Two guests.
pub(super) fn reduced() -> Vec<Vec<Run>> {
    let load = Load { ipv6: false, destinations: 1 };
    let [ndjson, _, _, storm, filtered, serve] = MODES;
    let guest = |runs: &[(&str, (&str, &str))]| {
        let totals = [storm, serve];
        let size = |mode| if totals.contains(&mode) { REDUCED_STORM } else { REDUCED };
        let traced = runs.iter().map(|&(hook, mode)| load.ephtrace(hook, mode, size(mode)));
        std::iter::once(load.run(UNTRACED, "", Ready::Says, REDUCED)).chain(traced).collect()
    };
    vec![
        guest(&[("fentry", ndjson), ("fentry", storm), ("fentry", filtered), ("fentry", serve)]),
        guest(&[("kprobe", ndjson), ("sock_ops", ndjson), ("sock_ops", storm)]),
    ]
}

/// Returns the runs of some tracers, with the untraced ones that they are compared with.
pub(super) fn only(guests: Vec<Vec<Run>>, tracers: &[&str]) -> Vec<Vec<Run>> {
    let is_wanted = |run: &Run| tracers.contains(&run.tracer.as_str());
    let mut guests: Vec<_> = guests.into_iter().filter(|runs| runs.iter().any(is_wanted)).collect();
    for runs in &mut guests {
        runs.retain(|run| run.tracer == UNTRACED || is_wanted(run));
    }
    guests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_again_is_measured_untraced_too() {
        let again = only(reduced(), &["storm, fentry"]);
        let tracers: Vec<_> = again.iter().flatten().map(|run| run.tracer.as_str()).collect();
        assert_eq!(tracers, [UNTRACED, "storm, fentry"]);
    }
}
