//! Builds the eBPF half for its own target and puts the object where `kernel/object.rs` finds it.
//!
//! Needs bpf-linker and a compiler with a core library for `bpfel-unknown-none`; `cargo xtask
//! setup` installs both. Without them, an empty object takes its place: `cargo check`, clippy and
//! an IDE still work, and a real build stops with the reason (see `kernel/object.rs`). Nothing is
//! downloaded here.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use object::{build::elf, elf::SHT_STRTAB};

type Result<T> = std::result::Result<T, Problem>;

/// The eBPF half.
const OBJECT: &str = "ephtrace-ebpf";
/// Programs that do nothing, for `examples/floor.rs`.
const FLOOR: &str = "floor";

#[expect(clippy::print_stderr, reason = "a build script has no better place for an error")]
fn main() -> ExitCode {
    println!("cargo::rustc-check-cfg=cfg(ephtrace_no_bpf)");
    // PATH is not watched: two shells with different values would rebuild everything in turn. The
    // tools found in it are watched instead, see `watch`.
    for name in ["EPHTRACE_BPF_RUSTC", "EPHTRACE_CACHE"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Problem::Missing(what)) => {
            println!("cargo::warning=the eBPF half is missing: {what}; run `cargo xtask setup`");
            println!("cargo::rustc-cfg=ephtrace_no_bpf");
            ExitCode::SUCCESS
        }
        Err(Problem::Broken(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Reason why there is no eBPF half.
enum Problem {
    /// A tool is missing: only a real build needs it.
    Missing(String),
    /// The tools exist, but the code does not compile: a reason to stop.
    Broken(String),
}

impl<T: Into<String>> From<T> for Problem {
    fn from(what: T) -> Self {
        Self::Missing(what.into())
    }
}

fn build() -> Result<()> {
    let out = PathBuf::from(var("OUT_DIR")?);
    // Empty objects first: code that includes them must compile whatever happens below.
    for object in [OBJECT, FLOOR].map(|name| out.join(name)) {
        fs::write(&object, []).map_err(|e| format!("can't write {}: {e}", object.display()))?;
    }
    let root = PathBuf::from(var("CARGO_MANIFEST_DIR")?).join("..");
    for path in ["ephtrace-ebpf", "ephtrace-common", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    let linker = find_linker()?;
    let compiler = find_compiler()?;
    let built = compile(&root, &out, &linker, &compiler)?;
    for name in [OBJECT, FLOOR] {
        let built = built.join(name);
        without_dwarf(&built, &out.join(name))
            .map_err(|e| Problem::Broken(format!("{}: {e}", built.display())))?;
    }
    Ok(())
}

/// Makes cargo run this again when the file changes or goes away. To cargo, a missing file has
/// changed. Therefore a place where a tool could appear is named only as long as none was found:
/// the script then runs, and fails at once, in each build until one is installed.
fn watch(file: &Path) {
    println!("cargo::rerun-if-changed={}", file.display());
}

/// Returns the first place whose file exists, and watches this file; if none exists, watches all
/// files.
fn first_there<T>(places: Vec<(PathBuf, T)>) -> Option<(PathBuf, T)> {
    if places.iter().all(|(file, _)| !file.exists()) {
        for (file, _) in &places {
            watch(file);
        }
    }
    let found = places.into_iter().find(|(file, _)| file.exists())?;
    watch(&found.0);
    Some(found)
}

/// A compiler that can build for the eBPF target.
struct Compiler {
    rustc: PathBuf,
    /// True if the compiler has the core library as source only.
    build_std: bool,
}

/// Returns the compiler named by `EPHTRACE_BPF_RUSTC`, else cargo's own, else the system's, else a
/// nightly.
fn find_compiler() -> Result<Compiler> {
    let mut candidates: Vec<PathBuf> =
        env::var_os("EPHTRACE_BPF_RUSTC").into_iter().map(Into::into).collect();
    candidates.extend(env::var_os("RUSTC").map(PathBuf::from));
    candidates.push("/usr/bin/rustc".into());
    candidates.extend(nightly());
    let places = candidates.iter().flat_map(|rustc| core_libraries(rustc)).collect();
    let found = first_there(places).map(|(_, compiler)| compiler);
    found.ok_or_else(|| "no compiler has a core library for bpfel-unknown-none".into())
}

/// Returns the places of a compiler's core library for the eBPF target: built, else as source.
fn core_libraries(rustc: &Path) -> Vec<(PathBuf, Compiler)> {
    let out = Command::new(rustc).args(["--print", "sysroot"]).output();
    let sysroot = out.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    // A compiler that can't run is not installed; if installed, it would come with the system's
    // packages.
    let lib = Path::new(sysroot.as_deref().unwrap_or("/usr")).join("lib/rustlib");
    let compiler = |build_std| Compiler { rustc: rustc.into(), build_std };
    vec![
        (lib.join("bpfel-unknown-none/lib"), compiler(false)),
        (lib.join("src/rust/library/Cargo.lock"), compiler(true)),
    ]
}

fn nightly() -> Option<PathBuf> {
    let out =
        Command::new("rustup").args(["which", "--toolchain", "nightly", "rustc"]).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().into())
}

/// Returns the bpf-linker on the path, or the one installed by `cargo xtask setup`.
fn find_linker() -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let tools = cache_dir().map(|dir| dir.join("tools/bin"));
    let folders = tools.into_iter().chain(env::split_paths(&path));
    let found = first_there(folders.map(|folder| (folder.join("bpf-linker"), ())).collect());
    found.map(|(file, ())| file).ok_or_else(|| "bpf-linker is not installed".into())
}

fn cache_dir() -> Option<PathBuf> {
    let dir = |name| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    dir("EPHTRACE_CACHE")
        .or_else(|| dir("XDG_CACHE_HOME").map(|d| d.join("ephtrace")))
        .or_else(|| dir("HOME").map(|d| d.join(".cache/ephtrace")))
}

/// Returns the folder that has the objects.
fn compile(root: &Path, out: &Path, linker: &Path, compiler: &Compiler) -> Result<PathBuf> {
    let target_dir = out.join("bpf");
    let mut cargo = Command::new(var("CARGO")?);
    cargo
        .current_dir(root)
        .args(["build", "--package", OBJECT, "--profile", "bpf", "--locked"])
        .args(["--target", "bpfel-unknown-none", "--target-dir"])
        .arg(&target_dir);
    if compiler.build_std {
        cargo.arg("-Zbuild-std=core");
    }
    // Variables that the outer cargo set for the host must not reach the inner cargo.
    for name in [
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CLIPPY_ARGS",
    ] {
        cargo.env_remove(name);
    }
    cargo
        .env("RUSTC", &compiler.rustc)
        // Both routes use options that stable compilers keep for their own core library.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", linker)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(root)?);
    let done = cargo.output().map_err(|e| format!("can't run cargo: {e}"))?;
    if done.status.success() {
        return Ok(target_dir.join("bpfel-unknown-none/bpf"));
    }
    let rustc = compiler.rustc.display();
    let said = String::from_utf8_lossy(&done.stderr);
    Err(Problem::Broken(format!("the eBPF half does not build with {rustc}:\n{said}")))
}

/// Copies an object without DWARF, which is three quarters of it: bpf-linker has turned it into
/// BTF, and nobody reads it at run time.
fn without_dwarf(from: &Path, to: &Path) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let bytes = fs::read(from)?;
    let mut object = elf::Builder::read(&*bytes)?;
    for section in &mut object.sections {
        let name = section.name.as_slice();
        section.delete = name.starts_with(b".debug_") || name.starts_with(b".rel.debug_");
    }
    // LLVM stores the names of sections together with those of symbols, `object` separately.
    let names = object.sections.add();
    names.name = b".shstrtab"[..].into();
    names.sh_type = SHT_STRTAB;
    names.data = elf::SectionData::SectionString;
    let mut rest = Vec::new();
    object.write(&mut rest)?;
    Ok(fs::write(to, rest)?)
}

fn flags(root: &Path) -> Result<String> {
    let root = root.canonicalize().map_err(|e| e.to_string())?;
    Ok([
        &format!("--cfg=bpf_target_arch=\"{}\"", var("CARGO_CFG_TARGET_ARCH")?),
        // BTF names its source files: no path of the build machine belongs in the object.
        &format!("--remap-path-prefix={}=.", root.display()),
        "-Clink-arg=--btf",
        // Keeps zeroing inline; bpf-linker would turn each into a call of a loop over bytes.
        "-Clink-arg=--disable-expand-memcpy-in-order",
    ]
    .join("\x1f"))
}

fn var(name: &str) -> Result<String> {
    env::var(name).map_err(|e| format!("{name}: {e}").into())
}
