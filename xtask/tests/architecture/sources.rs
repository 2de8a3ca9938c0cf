//! The repository's Rust files, and the targets that Cargo builds from them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// Texts of files, by their path from the repository's root.
pub(crate) type Sources = BTreeMap<String, String>;

/// Folders with the project's Rust files.
const FOLDERS: [&str; 11] = [
    "ephtrace/src",
    "ephtrace/examples",
    "ephtrace/benches",
    "ephtrace/tests",
    "ephtrace-common/src",
    "ephtrace-ebpf/src",
    "xtask/src",
    "xtask/tests",
    "fuzz/fuzz_targets",
    "ephtrace/build.rs",
    "ephtrace-ebpf/build.rs",
];

/// Folders of which each file, and each folder with a `main.rs`, is a target.
const TARGETS: [&str; 7] = [
    "ephtrace/examples",
    "ephtrace/benches",
    "ephtrace/tests",
    "xtask/src/bin",
    "ephtrace-ebpf/src/bin",
    "xtask/tests",
    "fuzz/fuzz_targets",
];

/// Returns the repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Rust file of the project.
pub(crate) static SOURCES: LazyLock<Sources> = LazyLock::new(|| {
    let mut sources = Sources::new();
    for folder in FOLDERS {
        collect(folder, &mut sources);
    }
    sources
});

fn collect(path: &str, sources: &mut Sources) {
    let full = root().join(path);
    if full.is_dir() {
        for entry in fs::read_dir(full).unwrap() {
            let name = entry.unwrap().file_name();
            collect(&format!("{path}/{}", name.to_str().unwrap()), sources);
        }
    } else if path.ends_with(".rs") && full.is_file() {
        sources.insert(path.to_owned(), fs::read_to_string(full).unwrap());
    }
}

/// Returns the root file of each of Cargo's targets: by Cargo's conventions, or as given in a
/// manifest.
pub(crate) fn targets(sources: &Sources) -> BTreeSet<String> {
    let mut targets: BTreeSet<_> = sources.keys().filter(|path| is_target(path)).cloned().collect();
    for (package, manifest) in MANIFESTS.iter() {
        let paths = manifest.lines().filter_map(|line| line.strip_prefix("path = \""));
        targets.extend(paths.map(|path| format!("{package}/{}", path.trim_end_matches('"'))));
    }
    targets
}

/// Cargo.toml of each package, by its folder.
pub(crate) static MANIFESTS: LazyLock<BTreeMap<&str, String>> = LazyLock::new(|| {
    let packages = ["ephtrace", "ephtrace-common", "ephtrace-ebpf", "fuzz", "xtask"];
    let read = |package| fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
    packages.into_iter().map(|package| (package, read(package))).collect()
});

fn is_target(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let parent = folder.rsplit_once('/').map_or("", |(parent, _)| parent);
    if TARGETS.contains(&folder) {
        return true;
    }
    if TARGETS.contains(&parent) {
        return name == "main.rs";
    }
    name == "build.rs" || (folder.ends_with("src") && (name == "main.rs" || name == "lib.rs"))
}
