//! A user without rights owns a directory that root is told to write into: whatever the user puts
//! there, root writes to the named file or to none, and waits for nothing.

use std::{
    fs::{self, File, Permissions},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio, id},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, OFlag, RenameFlags, open, renameat2},
    sys::stat::Mode,
    unistd::mkfifo,
};

use crate::{
    neighbour::become_attacker,
    setup::{self, Scratch},
    wait,
};

tests! {
    once: what_is_planted_is_not_written_to, what_is_swapped_is_not_written_to;
}

/// User id of the attacker, `nobody`.
const ATTACKER: u32 = 65_534;

/// Content of root's file.
const SECRET: &str = "of root\n";

/// Number of rows in the recording that is converted.
const ROWS: u32 = 300;

/// Number of runs while names are swapped.
const RUNS: u32 = 6;

/// Ways in which root writes a file, and the file's name.
const EVENTS: (&[&str], &str) = (&["trace", "-q", "-o", "json", "--output"], "x");
const RECORDING: (&[&str], &str) = (&["record", "-q"], "x.parquet");
const PAGE: (&[&str], &str) = (&["report", "-q", "--html"], "x.html");
const WAYS: [(&[&str], &str); 3] = [EVENTS, RECORDING, PAGE];

/// The attacker's directory, and root's beside it.
struct Stage {
    scratch: Scratch,
    own: PathBuf,
    root: PathBuf,
}

impl Stage {
    fn new() -> Result<Self> {
        let scratch = Scratch::new()?;
        fs::set_permissions(scratch.path(), Permissions::from_mode(0o755))?;
        let (own, root) = (scratch.path().join("own"), scratch.path().join("root"));
        for (folder, mode) in [(&own, 0o755), (&root, 0o700)] {
            fs::create_dir(folder)?;
            fs::set_permissions(folder, Permissions::from_mode(mode))?;
        }
        chown(&own, Some(ATTACKER), Some(ATTACKER))?;
        let line = |n: u32| {
            format!(
                "{{\"ts_ns\":{},\"saddr\":\"10.0.0.1\",\"sport\":{},\"daddr\":\"10.0.1.2\",\
                 \"dport\":443,\"protocol\":\"tcp\",\"origin\":\"connect\"}}\n",
                1_795_000_000_000_000_000 + u64::from(n) * 1_000_000,
                32_768 + n
            )
        };
        fs::write(scratch.path().join("in"), (0..ROWS).map(line).collect::<String>())?;
        let stage = Self { scratch, own, root };
        fs::write(stage.secret(), SECRET)?;
        fs::set_permissions(stage.secret(), Permissions::from_mode(0o600))?;
        Ok(stage)
    }

    fn secret(&self) -> PathBuf {
        self.root.join("secret")
    }

    /// Returns the command that root runs to write `file`.
    fn command(&self, args: &[&str], file: &Path) -> Command {
        let mut command = Command::new(setup::ephtrace());
        command.args(args).arg(file).arg("--from").arg(self.scratch.path().join("in"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Runs `command` to its end, which must come; returns true if it succeeded, and its messages.
    fn run(&self, command: &mut Command) -> Result<(bool, String)> {
        let mut child = command.spawn()?;
        let status = wait::exit(&mut child)?;
        let said = std::io::read_to_string(child.stderr.take().context("no standard error")?)?;
        ensure!(matches!(status.code(), Some(0 | 1)), "{status}: {said}");
        self.check().with_context(|| said.clone())?;
        Ok((status.success(), said))
    }

    /// Checks that root's directory is unchanged.
    fn check(&self) -> Result<()> {
        let names: Vec<_> =
            fs::read_dir(&self.root)?.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
        ensure!(names == ["secret"], "root's directory has {names:?}");
        let metadata = fs::metadata(self.secret())?;
        ensure!(metadata.mode() & 0o7777 == 0o600 && metadata.uid() == 0, "{metadata:?}");
        let text = fs::read_to_string(self.secret())?;
        ensure!(text == SECRET, "root's file was written to: {:?}", text.get(..40));
        Ok(())
    }

    /// Empties the attacker's directory.
    fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.own)? {
            let path = entry?.path();
            let is_folder = fs::symlink_metadata(&path)?.is_dir();
            if is_folder { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
        Ok(())
    }

    /// Makes a link that belongs to the attacker.
    fn link(&self, target: &Path, name: &str) -> Result<()> {
        let link = self.own.join(name);
        symlink(target, &link)?;
        Ok(lchown(link, Some(ATTACKER), Some(ATTACKER))?)
    }

    /// Makes a FIFO that belongs to the attacker.
    fn fifo(&self, name: &str) -> Result<PathBuf> {
        let fifo = self.own.join(name);
        mkfifo(&fifo, Mode::from_bits_truncate(0o666))?;
        chown(&fifo, Some(ATTACKER), Some(ATTACKER))?;
        Ok(fifo)
    }

    /// Root writes `name` in the attacker's directory, and must be refused for the reason `why`.
    fn refused(&self, args: &[&str], name: &str, why: &str) -> Result<()> {
        let (is_written, said) = self.run(&mut self.command(args, &self.own.join(name)))?;
        ensure!(!is_written && said.contains(why), "{args:?} {name}: not {why:?}: {said}");
        self.clear()
    }
}

fn what_is_planted_is_not_written_to() -> Result<()> {
    let stage = Stage::new()?;
    links_to_files(&stage)?;
    names_of_files_beside(&stage)?;
    what_is_no_file(&stage)?;
    directories_on_the_way(&stage)?;
    directories_for_everybody(&stage)
}

/// 12 attacks: links to existing and missing files, hard links, devices.
fn links_to_files(stage: &Stage) -> Result<()> {
    for (args, name) in WAYS {
        stage.link(&stage.secret(), name)?;
        stage.refused(args, name, "symbolic link")?;
        stage.link(&stage.root.join("new"), name)?;
        stage.refused(args, name, "symbolic link")?;
        stage.link(Path::new("/dev/null"), name)?;
        stage.refused(args, name, "symbolic link")?;
        // Linux allows a user this if `fs.protected_hardlinks` is 0.
        fs::hard_link(stage.secret(), stage.own.join(name))?;
        stage.refused(args, name, "hard links")?;
    }
    Ok(())
}

/// 6 attacks: the journal, the next file, and the page that is to replace the old page.
fn names_of_files_beside(stage: &Stage) -> Result<()> {
    let (args, name) = RECORDING;
    let journal = format!("{name}.journal");
    for target in ["secret", "new"] {
        stage.link(&stage.root.join(target), &journal)?;
        let (is_written, said) = stage.run(&mut stage.command(args, &stage.own.join(name)))?;
        ensure!(is_written && !stage.own.join(&journal).exists(), "{said}");
        stage.clear()?;
    }
    stage.fifo(&journal)?;
    let (is_written, said) = stage.run(&mut stage.command(args, &stage.own.join(name)))?;
    ensure!(is_written, "{said}");
    stage.clear()?;
    for target in ["secret", "new"] {
        stage.link(&stage.root.join(target), "x-000001.parquet")?;
        let mut command = stage.command(args, &stage.own.join(name));
        let (is_written, said) = stage.run(command.args(["--rotate", "1M"]))?;
        ensure!(is_written && stage.own.join("x-000002.parquet").exists(), "{said}");
        stage.clear()?;
    }
    let (args, name) = PAGE;
    let (own, secret) = (stage.own.clone(), stage.secret());
    let mut command = stage.command(args, &stage.own.join(name));
    let plant = move || symlink(&secret, own.join(format!(".{name}.{}.new", id())));
    // SAFETY: the child makes one link; it has one thread, and frees its own allocations.
    unsafe { command.pre_exec(plant) };
    let (is_written, said) = stage.run(&mut command)?;
    ensure!(!is_written && said.contains("beside it"), "{said}");
    stage.clear()
}

/// 9 attacks: FIFOs that nobody reads, or that the attacker holds open without reading;
/// directories.
fn what_is_no_file(stage: &Stage) -> Result<()> {
    for (args, name) in WAYS {
        stage.fifo(name)?;
        stage.refused(args, name, "FIFO without a reader")?;
        let fifo = stage.fifo(name)?;
        let reader = open(&fifo, OFlag::O_RDONLY | OFlag::O_NONBLOCK, Mode::empty())?;
        stage.refused(args, name, "FIFO of user 65534")?;
        drop(reader);
        fs::create_dir(stage.own.join(name))?;
        stage.refused(args, name, "Is a directory")?;
    }
    Ok(())
}

/// 6 attacks: a link to root's directory, and a link of root's own that leads to such a link.
fn directories_on_the_way(stage: &Stage) -> Result<()> {
    for (args, name) in WAYS {
        stage.link(&stage.root, "way")?;
        stage.refused(args, &format!("way/{name}"), "is a symbolic link of user 65534")?;
        stage.link(&stage.root, "way")?;
        symlink("way", stage.own.join("of-root"))?;
        stage.refused(args, &format!("of-root/../of-root/{name}"), "of user 65534")?;
    }
    // The link leads to a directory of the attacker's own, where the attacker may do anything.
    fs::create_dir(stage.own.join("real"))?;
    chown(stage.own.join("real"), Some(ATTACKER), Some(ATTACKER))?;
    stage.link(Path::new("real"), "way")?;
    let (args, name) = EVENTS;
    let (is_written, said) =
        stage.run(&mut stage.command(args, &stage.own.join("way").join(name)))?;
    ensure!(is_written && stage.own.join("real").join(name).exists(), "{said}");
    stage.clear()
}

/// 4 attacks: the attacker's file in place of root's, to read it; a link below `/dev`.
fn directories_for_everybody(stage: &Stage) -> Result<()> {
    let common = stage.scratch.path().join("common");
    fs::create_dir(&common)?;
    fs::set_permissions(&common, Permissions::from_mode(0o1777))?;
    for (args, name) in WAYS {
        let file = common.join(name);
        File::create(&file)?;
        chown(&file, Some(ATTACKER), Some(ATTACKER))?;
        let (is_written, said) = stage.run(&mut stage.command(args, &file))?;
        ensure!(!is_written && said.contains("belongs to user 65534"), "{said}");
        ensure!(fs::metadata(&file)?.len() == 0, "the attacker's file was written to");
    }
    let shared = Path::new("/dev/shm");
    if shared.is_dir() {
        let link = shared.join(format!("ephtrace-test-{}", id()));
        symlink(stage.secret(), &link)?;
        let (args, _) = EVENTS;
        let ran = stage.run(&mut stage.command(args, &link));
        fs::remove_file(&link)?;
        let (is_written, said) = ran?;
        ensure!(!is_written && said.contains("symbolic link"), "{said}");
    }
    Ok(())
}

fn what_is_swapped_is_not_written_to() -> Result<()> {
    let stage = Stage::new()?;
    for (args, name) in WAYS {
        // Swaps the file and a link to root's file.
        File::create(stage.own.join(name))?;
        chown(stage.own.join(name), Some(ATTACKER), Some(ATTACKER))?;
        stage.link(&stage.secret(), "link")?;
        while_swapped(&stage, name, "link", |stage| {
            stage.run(&mut stage.command(args, &stage.own.join(name))).map(|_| ())
        })?;
        stage.clear()?;
        // Swaps the file's directory and a link to root's directory.
        fs::create_dir(stage.own.join("way"))?;
        stage.link(&stage.root, "link")?;
        while_swapped(&stage, "way", "link", |stage| {
            stage.run(&mut stage.command(args, &stage.own.join("way").join(name))).map(|_| ())
        })?;
        stage.clear()?;
    }
    Ok(())
}

/// Runs `run` repeatedly while the attacker swaps two names all the time.
fn while_swapped(
    stage: &Stage,
    one: &str,
    other: &str,
    run: impl Fn(&Stage) -> Result<()>,
) -> Result<()> {
    let is_over = AtomicBool::new(false);
    let (one, other) = (stage.own.join(one), stage.own.join(other));
    thread::scope(|scope| {
        let attacker = scope.spawn(|| -> Result<()> {
            become_attacker()?;
            while !is_over.load(Ordering::Relaxed) {
                match renameat2(AT_FDCWD, &one, AT_FDCWD, &other, RenameFlags::RENAME_EXCHANGE) {
                    // Root has just removed or replaced its file.
                    Ok(()) | Err(Errno::ENOENT) => {}
                    swapped => swapped?,
                }
            }
            Ok(())
        });
        let ran = (0..RUNS).try_for_each(|_| run(stage));
        is_over.store(true, Ordering::Relaxed);
        let attacked = attacker.join();
        ran?;
        attacked.map_err(|_| anyhow::anyhow!("the attacker panicked"))?
    })
}
