//! Rules of permitted imports.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use crate::{
    graph::{Edge, Graph, circles},
    modules::Modules,
    sources::{self, MANIFESTS, SOURCES},
};

/// Folders of the library, from the bottom up: each may import those below it.
const LEVELS: [&[&str]; 5] = [
    &["model"],
    &["inventory", "analyse"],
    &["kernel", "host", "replay", "output", "tui"],
    &["pipeline"],
    &["commands"],
];

/// Folders whose code reads no clock and does no I/O.
pub(crate) const PURE: [&str; 3] = ["model", "inventory", "analyse"];

/// Prefixes of paths that read clocks or do I/O.
const IMPURE: [&[&str]; 21] = [
    &["std", "fs"],
    &["std", "env"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "os"],
    &["std", "io", "stdin"],
    &["std", "io", "stdout"],
    &["std", "io", "stderr"],
    &["std", "net", "TcpStream"],
    &["std", "net", "TcpListener"],
    &["std", "net", "UdpSocket"],
    &["std", "net", "ToSocketAddrs"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
    &["jiff", "Timestamp", "now"],
    &["jiff", "Zoned", "now"],
    &["nix"],
    &["tokio"],
    &["netlink_sys"],
    &["aya"],
    &["log"],
];

/// Graph of every target, by its root.
static GRAPHS: LazyLock<BTreeMap<String, Graph>> = LazyLock::new(|| {
    let graph = |root: &str| Graph::of(&Modules::read(&SOURCES, root).unwrap());
    sources::targets(&SOURCES).into_iter().map(|root| (root.clone(), graph(&root))).collect()
});

fn library() -> &'static Graph {
    &GRAPHS["ephtrace/src/lib.rs"]
}

/// Returns circles between files of one target, each as a text with its edges.
pub(crate) fn circles_of_files(graph: &Graph) -> Vec<String> {
    let pairs = graph.edges.iter().map(|(from, to, _)| (from.clone(), to.clone())).collect();
    let groups = circles(&pairs).into_iter();
    groups.map(|group| describe(&graph.edges, |file| group.contains(&file.to_owned()))).collect()
}

fn describe(edges: &BTreeSet<Edge>, within: impl Fn(&str) -> bool) -> String {
    let edges = edges.iter().filter(|(from, to, _)| within(from) && within(to));
    edges.map(|(from, to, path)| format!("{from} → {to} ({path})")).collect::<Vec<_>>().join("\n")
}

fn level(folder: &str) -> Option<usize> {
    LEVELS.iter().position(|folders| folders.contains(&folder))
}

/// Returns edges of the library that lead upwards, and circles between its folders.
pub(crate) fn wrong_directions(graph: &Graph) -> Vec<String> {
    let folder = |file: &str| graph.modules[file].first().cloned().unwrap_or_default();
    let mut wrong = Vec::new();
    let mut folders = BTreeSet::new();
    for (from, to, path) in &graph.edges {
        let (a, b) = (folder(from), folder(to));
        if a == b {
            continue;
        }
        if !may_import(&a, &b) {
            wrong.push(format!("{from} → {to} ({path}): {a} must not import {b}"));
        }
        folders.insert((a, b));
    }
    for group in circles(&folders) {
        let edges = describe(&graph.edges, |file| group.contains(&folder(file)));
        let edges = edges.lines().filter(|edge| {
            let mut files = edge.split(' ').filter(|word| word.ends_with(".rs"));
            files.next().map(&folder) != files.next().map(&folder)
        });
        let edges = edges.collect::<Vec<_>>().join("\n  ");
        wrong.push(format!("folders in a circle: {}\n  {edges}", group.join(", ")));
    }
    wrong
}

fn may_import(from: &str, to: &str) -> bool {
    match (level(from), level(to)) {
        (Some(from), Some(to)) => from >= to,
        // The command line is plain data: commands read it, and it reads nothing.
        (Some(_), None) => from == "commands" && matches!(to, "cli" | "messages"),
        // Formats are listed where they are written.
        (None, _) => (from, to) == ("cli", "output"),
    }
}

/// Returns paths in the library's pure folders that read a clock or do I/O.
pub(crate) fn impure(graph: &Graph) -> Vec<String> {
    let pure = |file: &str| graph.modules[file].first().is_some_and(|it| PURE.contains(&&**it));
    let uses = graph.outside.iter().filter(|(file, _)| pure(file));
    uses.filter(|(_, path)| is_impure(path))
        .map(|(file, path)| format!("{file}: {}", path.join("::")))
        .collect()
}

fn is_impure(path: &[String]) -> bool {
    // libc's constants are numbers, its functions are calls of the kernel.
    let calls_libc = path[0] == "libc"
        && path.last().is_some_and(|name| name.starts_with(|first: char| first.is_lowercase()));
    calls_libc
        || IMPURE
            .iter()
            .any(|prefix| path.iter().zip(*prefix).filter(|(a, b)| a == b).count() == prefix.len())
}

/// Returns files outside of `kernel/` that name a crate of aya.
pub(crate) fn named_aya(graph: &Graph) -> Vec<String> {
    let outside = graph.outside.iter().filter(|(_, path)| path[0].starts_with("aya"));
    let kernel = |file: &str| graph.modules[file].first().is_some_and(|folder| folder == "kernel");
    outside
        .filter(|(file, _)| !kernel(file))
        .map(|(file, path)| format!("{file}: {}", path.join("::")))
        .collect()
}

#[test]
fn every_file_belongs_to_a_target() {
    let reached: BTreeSet<&String> =
        GRAPHS.values().flat_map(|graph| graph.modules.keys()).collect();
    let tests = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
    let lost: Vec<_> =
        SOURCES.keys().filter(|path| !reached.contains(path) && !tests(path)).collect();
    assert!(lost.is_empty(), "in no target: {lost:#?}");
    assert!(SOURCES.len() > 200, "only {} files were found", SOURCES.len());
}

#[test]
fn no_file_imports_another_that_imports_it() {
    let circles: Vec<_> = GRAPHS.values().flat_map(circles_of_files).collect();
    let edges: usize = GRAPHS.values().map(|graph| graph.edges.len()).sum();
    assert!(circles.is_empty(), "circles between files:\n\n{}", circles.join("\n\n"));
    assert!(edges > 500, "only {edges} edges were found");
}

#[test]
fn imports_lead_downwards() {
    let wrong = wrong_directions(library());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_kernel_side_names_aya() {
    let library = library();
    assert!(library.outside.iter().any(|(_, path)| path[0] == "aya"), "aya was not seen at all");
    let named: Vec<_> = named_aya(library);
    assert!(named.is_empty(), "{named:#?}");
}

#[test]
fn pure_folders_read_no_clock_and_do_no_io() {
    let found = impure(library());
    assert!(found.is_empty(), "{found:#?}");
}

/// Returns the packages of this workspace that each manifest depends on.
fn own_dependencies(manifest: &str) -> BTreeSet<&str> {
    let keys = manifest.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
    keys.filter(|key| ["ephtrace", "ephtrace-common", "ephtrace-ebpf", "xtask"].contains(key))
        .collect()
}

#[test]
fn packages_depend_on_the_wire_alone() {
    let of = |package| own_dependencies(&MANIFESTS[package]);
    let wire = BTreeSet::from(["ephtrace-common"]);
    assert_eq!((of("ephtrace"), of("ephtrace-ebpf")), (wire.clone(), wire));
    assert_eq!((of("ephtrace-common"), of("xtask")), (BTreeSet::new(), BTreeSet::new()));
    assert!(
        MANIFESTS["ephtrace-common"].contains("zerocopy")
            && !MANIFESTS["ephtrace-common"].contains("aya")
    );
}

/// Traits of the library: outputs are `Sink`s, everything that is not open to extension is an enum.
/// `Target` is a file that takes back a torn line, `Column` a sort key of the live view's tables.
const TRAITS: [&str; 3] = ["Column", "Sink", "Target"];

#[test]
fn outputs_share_one_trait() {
    let traits: BTreeSet<&str> = library().traits.iter().map(|(name, _)| &**name).collect();
    assert_eq!(traits, BTreeSet::from(TRAITS), "an enum does; if it does not, say here why");
}

/// Returns lines of the library, without tests, that show a path unescaped.
pub(crate) fn shown_raw(path: &str, text: &str) -> Vec<String> {
    let is_library = path.starts_with("ephtrace/src/") && !path.contains("tests");
    let code = text.split("#[cfg(test)]\nmod tests {").next().filter(|_| is_library);
    let lines = code.unwrap_or_default().lines().enumerate();
    lines
        .filter(|(_, line)| line.contains(".display()"))
        .map(|(i, line)| format!("{path}:{}: {}", i + 1, line.trim()))
        .collect()
}

#[test]
fn paths_are_shown_by_one_function() {
    let raw = |(path, text): (&String, &String)| shown_raw(path, text);
    let found: Vec<_> = SOURCES.iter().flat_map(raw).collect();
    assert!(found.is_empty(), "model::escape::shown escapes what moves the cursor: {found:#?}");
}
