//! Debian's kernels, from the registry that this machine's apt already uses.
//!
//! A private apt configuration is used (own sources, lists and cache), so that the machine's own
//! stays unchanged and no root is needed; signatures are checked as always. Downloads are kept as
//! `<cache>/guests/<suite>/{vmlinuz,version,modules}`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{kernel::Kernel, modules};
use crate::{apt, process, say::say, workspace};

/// A Debian suite and its kernel series.
pub(super) struct Suite {
    /// Name of the series for users.
    pub(super) series: &'static str,
    pub(super) name: &'static str,
    archive: Archive,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Archive {
    Main,
    Security,
}

/// One kernel for each change that ephtrace depends on. Versions move inside a suite.
pub(super) const SUITES: [Suite; 4] = [
    Suite { series: "5.10", name: "bullseye-security", archive: Archive::Security },
    Suite { series: "6.1", name: "bookworm-security", archive: Archive::Security },
    Suite { series: "6.12", name: "trixie", archive: Archive::Main },
    Suite { series: "newest", name: "sid", archive: Archive::Main },
];

/// Package that is always the newest kernel of a suite, built for virtual machines: small, and with
/// BTF, kprobes, function tracing and a serial console.
const PACKAGE: &str = "linux-image-cloud-amd64";
const KEYRINGS: [&str; 4] = [
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-removed-keys.pgp",
    "/usr/share/keyrings/debian-archive-removed-keys.gpg",
];

/// Returns a suite's kernel, fetched unless it is available.
pub(super) fn kernel(suite: &Suite, update: bool) -> Result<Kernel> {
    let folder = workspace::cache()?.join("guests").join(suite.name);
    let is_whole = folder.join("version").exists() && modules::are_kept(&folder.join("modules"));
    if update || !is_whole {
        fetch(suite, &folder)
            .with_context(|| format!("cannot fetch the kernel of Debian's {}", suite.name))?;
    }
    let version = std::fs::read_to_string(folder.join("version"))
        .with_context(|| format!("cannot read {}/version", folder.display()))?;
    let modules = Some(folder.join("modules"));
    Ok(Kernel { version, image: folder.join("vmlinuz"), modules })
}

/// Downloads into a folder beside the final one, which is replaced when everything is there.
fn fetch(suite: &Suite, folder: &Path) -> Result<()> {
    let staging = folder.with_extension(format!("new-{}", std::process::id()));
    let fetched = stage(suite, &staging).and_then(|()| {
        if folder.exists() {
            std::fs::remove_dir_all(folder).context("cannot remove the old kernel")?;
        }
        std::fs::rename(&staging, folder)
            .with_context(|| format!("cannot move the kernel to {}", folder.display()))
    });
    if fetched.is_err() {
        let _may_not_exist = std::fs::remove_dir_all(&staging);
    }
    fetched
}

fn stage(suite: &Suite, staging: &Path) -> Result<()> {
    let apt = Apt::new(&staging.join("apt"), suite)?;
    say(format_args!("kernel of Debian's {}: reading its package list", suite.name));
    apt.update().or_else(|error| renew_keys(&error).and_then(|()| apt.update()))?;
    let (packages, version) = apt.resolve()?;
    say(format_args!(
        "kernel of Debian's {}: downloading {} {version}",
        suite.name,
        packages.join(" ")
    ));
    let unpacked = apt.download(&packages)?;
    let image = find(&unpacked, |name| name.starts_with("vmlinuz"))?;
    std::fs::rename(image, staging.join("vmlinuz")).context("cannot move the kernel")?;
    modules::keep_all(&unpacked, &staging.join("modules"))?;
    std::fs::remove_dir_all(staging.join("apt")).context("cannot tidy up")?;
    std::fs::write(staging.join("version"), upstream(&version)).context("cannot write the version")
}

/// Renews the keys: a suite may be signed with a key that is younger than this machine's keyring.
/// Nothing is ever fetched unverified.
fn renew_keys(error: &anyhow::Error) -> Result<()> {
    let text = format!("{error:#}");
    if !["NO_PUBKEY", "not signed", "public key is not available"].iter().any(|s| text.contains(s))
    {
        bail!("{text}");
    }
    say("this machine has no key for that suite's signature: renewing debian-archive-keyring");
    apt::upgrade("debian-archive-keyring").with_context(|| text.clone())
}

/// Returns `6.1.192` for `6.1.192-2`.
fn upstream(version: &str) -> &str {
    version.split('-').next().unwrap_or(version)
}

/// apt with a separate configuration.
struct Apt {
    folder: PathBuf,
}

impl Apt {
    fn new(folder: &Path, suite: &Suite) -> Result<Self> {
        for name in ["lists/partial", "cache/archives/partial", "none", "unpacked"] {
            std::fs::create_dir_all(folder.join(name))
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let keyrings: Vec<_> =
            KEYRINGS.into_iter().filter(|file| Path::new(file).exists()).collect();
        let signed_by = if keyrings.is_empty() {
            String::new()
        } else {
            format!(" signed-by={}", keyrings.join(","))
        };
        let address = address(suite.archive)?;
        let source = format!("deb [arch=amd64{signed_by}] {address} {} main\n", suite.name);
        let apt = Self { folder: folder.to_owned() };
        apt.write("sources.list", &source)?;
        apt.write("status", "")?;
        apt.write("apt.conf", &configuration(folder)?)?;
        Ok(apt)
    }

    fn write(&self, name: &str, content: &str) -> Result<()> {
        let path = self.folder.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.folder.join("apt.conf")).current_dir(&self.folder);
        command
    }

    fn update(&self) -> Result<()> {
        // An unverifiable list is an error, not a warning.
        process::output(self.command("apt-get").args(["update", "--error-on=any"]))?;
        Ok(())
    }

    /// Returns the packages with the image and its modules, and its version, through the suite's
    /// dependencies.
    fn resolve(&self) -> Result<(Vec<String>, String)> {
        let meta = self.show(PACKAGE)?;
        let image = dependency(&meta, "linux-image-")
            .with_context(|| format!("{PACKAGE} names no image"))?;
        let image = self.show(&image)?;
        let version = field(&image, "Version").context("the image has no version")?.to_owned();
        // From 7.x on the image and the modules are in separate packages.
        let own = field(&image, "Package").context("the image has no name")?;
        let parts = ["linux-binary-", "linux-modules-"];
        let mut packages: Vec<_> =
            parts.iter().filter_map(|part| dependency(&image, part)).collect();
        if packages.is_empty() {
            packages.push(own.to_owned());
        }
        Ok((packages, version))
    }

    fn show(&self, package: &str) -> Result<String> {
        process::output(self.command("apt-cache").args(["show", "--no-all-versions", package]))
    }

    /// Downloads packages, and returns the folder with their contents.
    fn download(&self, packages: &[String]) -> Result<PathBuf> {
        let unpacked = self.folder.join("unpacked");
        for package in packages {
            process::output(self.command("apt-get").args(["-q", "download", package]))?;
            let archive = find(&self.folder, |name| {
                name.starts_with(package.as_str())
                    && name.rsplit_once('.').is_some_and(|(_, kind)| kind == "deb")
            })?;
            process::output(Command::new("dpkg-deb").arg("-x").arg(&archive).arg(&unpacked))?;
        }
        Ok(unpacked)
    }
}

/// Returns the only settings that differ from the machine's own.
fn configuration(folder: &Path) -> Result<String> {
    let mut text = String::from(
        "#clear APT::Update::Post-Invoke;\n\
         #clear APT::Update::Post-Invoke-Success;\n\
         #clear Acquire::IndexTargets::deb::DEP-11;\n\
         APT::Architecture \"amd64\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n",
    );
    let places = [
        ("Dir::State", ""),
        ("Dir::State::lists", "/lists"),
        ("Dir::State::status", "/status"),
        ("Dir::Cache", "/cache"),
        ("Dir::Etc::sourcelist", "/sources.list"),
        ("Dir::Etc::sourceparts", "/none"),
        ("Dir::Etc::preferences", "/none/none"),
        ("Dir::Etc::preferencesparts", "/none"),
    ];
    for (setting, place) in places {
        writeln!(text, "{setting} \"{}{place}\";", folder.display())?;
    }
    Ok(text)
}

/// Returns the address from which this machine's own apt gets Debian's packages.
fn address(archive: Archive) -> Result<String> {
    let Some(main) = known_address("Debian")? else {
        bail!(
            "this machine's apt has no lists of Debian's packages: run apt-get update, \
             or name kernels by their path: --kernel PATH"
        );
    };
    if archive == Archive::Main {
        return Ok(main);
    }
    if let Some(security) = known_address("Debian-Security")? {
        return Ok(security);
    }
    let beside = main.trim_end_matches('/').to_owned() + "-security";
    say("this machine's apt has no source for security updates: trying beside the main one");
    Ok(beside)
}

fn known_address(label: &str) -> Result<Option<String>> {
    let format = "$(LABEL)\t$(REPO_URI)";
    let mut apt = Command::new("apt-get");
    apt.args(["indextargets", "--format", format, "Created-By: Packages"]);
    let lines = process::output(&mut apt).context(
        "Debian's kernels come through apt: elsewhere name kernels by their path, --kernel PATH",
    )?;
    let mut sources = lines.lines().filter_map(|line| line.split_once('\t'));
    Ok(sources.find(|(name, _)| *name == label).map(|(_, address)| address.to_owned()))
}

/// Returns one field of a package's description.
fn field<'text>(description: &'text str, name: &str) -> Option<&'text str> {
    let mut fields = description.lines().filter_map(|line| line.split_once(": "));
    fields.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// Returns the first dependency of this package whose name has this beginning.
fn dependency(description: &str, start: &str) -> Option<String> {
    let names = field(description, "Depends")?.split([',', '|']);
    let mut names = names.filter_map(|entry| entry.split_whitespace().next());
    names.find(|name| name.starts_with(start)).map(str::to_owned)
}

/// Finds the first file below a folder whose name fits.
fn find(folder: &Path, fits: impl Fn(&str) -> bool + Copy) -> Result<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let cannot_read = || format!("cannot read {}", folder.display());
        for entry in std::fs::read_dir(&folder).with_context(cannot_read)? {
            let entry = entry.with_context(cannot_read)?;
            if entry.file_type().with_context(cannot_read)?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_str().is_some_and(fits) {
                return Ok(entry.path());
            }
        }
    }
    bail!("nothing fitting in {}", folder.display())
}

#[cfg(test)]
mod tests {
    use super::{dependency, field, upstream};

    const IMAGE: &str = "Package: linux-image-9.9-cloud-amd64\nVersion: 9.9.3-1\n\
        Depends: dracut | initramfs-tools (>= 0.1), linux-base-9.9 (= 9.9.3-1), \
        linux-binary-9.9-cloud-amd64 (= 9.9.3-1)\n";

    #[test]
    fn descriptions_are_read() {
        assert_eq!(field(IMAGE, "Version").map(upstream), Some("9.9.3"));
        let binary = dependency(IMAGE, "linux-binary-");
        assert_eq!(binary.as_deref(), Some("linux-binary-9.9-cloud-amd64"));
        assert_eq!(dependency(IMAGE, "linux-image-"), None);
    }
}
