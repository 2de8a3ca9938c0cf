//! Files that ephtrace writes, as a user without root sees them: who may read them, which warnings
//! there are about files that others write to, and what a failed run leaves.

#[path = "common/recording.rs"]
mod recording;
#[path = "common/wait.rs"]
mod wait;

use std::{
    fs,
    io::{self, Write as _},
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    process::{Child, ChildStdin, Command, Output, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    sys::{
        signal::{Signal, kill},
        stat::{Mode, umask},
    },
    unistd::Pid,
};

use recording::{Scratch, line};
use wait::Changes;

const EPHTRACE: &str = env!("CARGO_BIN_EXE_ephtrace");

fn ephtrace(args: &[&str]) -> Result<Output> {
    Ok(Command::new(EPHTRACE).args(args).output()?)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes a recording of some rows.
fn source(scratch: &Scratch) -> Result<String> {
    let path = scratch.path("in.ndjson");
    fs::write(&path, (0..10).map(|n| line(n, 1_000_000)).collect::<String>())?;
    Ok(path)
}

/// Returns the permission bits of a file.
fn mode(path: &str) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o7777)
}

#[test]
fn a_new_file_is_its_owners_alone_unless_asked() {
    let scratch = Scratch::new("mode").unwrap();
    let from = source(&scratch).unwrap();
    let ways: [(&[&str], &str, &str); 4] = [
        (&["trace", "--output"], "a", "a"),
        (&["report", "--html"], "a.html", "a.html"),
        (&["record"], "a.parquet", "a.parquet"),
        (&["record", "--rotate", "1M"], "b.parquet", "b-000001.parquet"),
    ];
    for (args, name, written) in ways {
        let (path, written) = (scratch.path(name), scratch.path(written));
        for (mask, asked, is) in
            [(0, None, 0o600), (0, Some("664"), 0o664), (0o77, Some("0644"), 0o644)]
        {
            let mut command = Command::new(EPHTRACE);
            command.args(args).args([&path, "-q", "--from", &from]);
            command.args(asked.iter().flat_map(|mode| ["--mode", mode]));
            // SAFETY: the call sets a number of the new process, and allocates nothing.
            unsafe {
                command.pre_exec(move || {
                    umask(Mode::from_bits_truncate(mask));
                    Ok(())
                })
            };
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", said(&output));
            assert_eq!(mode(&written).unwrap(), is, "{args:?} {asked:?}");
            fs::remove_file(&written).unwrap();
        }
        // A file that already exists keeps its mode.
        if path == written {
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
            let words = [args, &[&path, "-q", "--from", &from, "--mode", "660"]].concat();
            let output = ephtrace(&words).unwrap();
            assert!(output.status.success(), "{}", said(&output));
            assert_eq!(mode(&path).unwrap(), 0o604, "{args:?}");
        }
    }
}

/// A run that reads from its standard input, which the test writes to.
struct Fed {
    child: Child,
    input: ChildStdin,
}

impl Fed {
    fn start(args: &[&str]) -> Result<Self> {
        let mut command = Command::new(EPHTRACE);
        command.args(args).args(["--from", "-", "-q"]);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("no standard input")?;
        Ok(Self { child, input })
    }

    /// Feeds it some rows, and waits until the file has content.
    fn begin(&mut self, scratch: &Scratch, path: &str) -> Result<()> {
        let changes = Changes::of(scratch.folder())?;
        (0..3).try_for_each(|n| self.input.write_all(line(n, 1_000_000).as_bytes()))?;
        let has_some = || Ok(fs::metadata(path).is_ok_and(|file| file.len() > 0).then_some(()));
        changes.until("nothing in the file", has_some)
    }

    /// Returns its exit code and messages, once it has ended by itself.
    fn end(mut self) -> Result<(Option<i32>, String)> {
        let status = wait::exit(&mut self.child)?;
        let stderr = self.child.stderr.take().context("no standard error")?;
        Ok((status.code(), io::read_to_string(stderr)?))
    }
}

#[test]
fn a_second_writer_is_told_who_writes() {
    let scratch = Scratch::new("second").unwrap();
    let (from, path) = (source(&scratch).unwrap(), scratch.path("a.parquet"));
    let mut first = Fed::start(&["record", &path]).unwrap();
    first.begin(&scratch, &path).unwrap();
    let second = ephtrace(&["record", &path, "--from", &from]).unwrap();
    assert_eq!(second.status.code(), Some(1));
    let who = format!("process {} (ephtrace) is writing to it", first.child.id());
    assert!(said(&second).contains(&who), "{}", said(&second));
    drop(first.input);
    assert!(wait::exit(&mut first.child).unwrap().success());
    assert!(ephtrace(&["record", &path, "--from", &from]).unwrap().status.success());
}

#[test]
fn what_others_do_to_a_file_of_events_is_said_at_once() {
    let scratch = Scratch::new("others").unwrap();
    let path = scratch.path("a.ndjson");
    let (there, elsewhere) = (Path::new(&path), scratch.path("a.ndjson.1"));
    let open = || fs::OpenOptions::new().write(true).open(there);
    let deeds: [(&dyn Fn() -> io::Result<()>, &str); 5] = [
        (&|| fs::remove_file(there), "removed or renamed"),
        (&|| fs::rename(there, &elsewhere), "removed or renamed"),
        (
            &|| fs::write(&elsewhere, "").and_then(|()| fs::rename(&elsewhere, there)),
            "replaced by another file",
        ),
        (&|| open()?.set_len(0), "truncated"),
        (
            &|| fs::OpenOptions::new().append(true).open(there)?.write_all(b"x\n"),
            "modified by another program",
        ),
    ];
    let commands = [&["trace", "-o", "json", "--output", &path][..], &["record", &path]];
    for (command, (deed, told)) in commands.iter().flat_map(|one| deeds.map(|deed| (one, deed))) {
        let mut run = Fed::start(command).unwrap();
        run.begin(&scratch, &path).unwrap();
        deed().unwrap();
        // No more input comes: the run looks by itself.
        let (code, stderr) = run.end().unwrap();
        assert_eq!(code, Some(1), "{command:?} {told}: {stderr}");
        assert!(stderr.contains(&format!("it was {told} while")), "{command:?} {told}: {stderr}");
        let _ = fs::remove_file(there);
    }
}

#[test]
fn a_journal_is_left_to_who_is_writing() {
    let scratch = Scratch::new("repair").unwrap();
    let path = scratch.path("a.parquet");
    let mut run = Fed::start(&["record", &path]).unwrap();
    run.begin(&scratch, &path).unwrap();
    let journal = format!("{path}.journal");
    fs::write(&journal, "of the writer").unwrap();
    let refused = ephtrace(&["record", "--repair", &path]).unwrap();
    assert!(said(&refused).contains("is writing to it"), "{}", said(&refused));
    assert!(fs::exists(&journal).unwrap());
    drop(run.input);
    assert!(wait::exit(&mut run.child).unwrap().success());
    assert!(ephtrace(&["record", "--repair", &path]).unwrap().status.success());
    assert!(!fs::exists(&journal).unwrap());
}

/// A copy lacks everything that the recording lacks; so does an unfinished copy.
#[test]
fn a_copy_of_a_part_says_so() {
    let scratch = Scratch::new("part").unwrap();
    let (from, copy) = (scratch.path("in.ndjson"), scratch.path("copy.parquet"));
    fs::write(&from, (0..400_000).map(|n| line(n, 1_000_000)).collect::<String>()).unwrap();
    let mut command = Command::new(EPHTRACE);
    let mut child = command.args(["record", "--from", &from, &copy, "-q"]).spawn().unwrap();
    let changes = Changes::of(scratch.folder()).unwrap();
    let has_some = || Ok(fs::metadata(&copy).is_ok_and(|file| file.len() > 0).then_some(()));
    changes.until("nothing in the file", has_some).unwrap();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
    assert!(wait::exit(&mut child).unwrap().success());
    let again = scratch.path("again.parquet");
    assert!(ephtrace(&["record", "--from", &copy, &again, "-q"]).unwrap().status.success());
    for part in [&copy, &again] {
        let report = ephtrace(&["report", part]).unwrap();
        let text = String::from_utf8_lossy(&report.stdout);
        assert!(text.contains("the recording is incomplete"), "{part}: {text}");
    }
}

#[test]
fn a_run_that_fails_leaves_no_file() {
    let scratch = Scratch::new("none").unwrap();
    let (text, nowhere) = (scratch.path("a.txt"), scratch.path("nowhere"));
    fs::write(&text, "no recording\n").unwrap();
    let folder = scratch.folder().display().to_string();
    let ways: [&[&str]; 4] = [
        &["trace", "--output", "FILE"],
        &["report", "--html", "FILE"],
        &["record", "FILE"],
        &["record", "FILE", "--rotate", "1M"],
    ];
    for way in ways {
        for from in [&text, &nowhere, &folder] {
            let path = scratch.path("new");
            let mut args: Vec<&str> =
                way.iter().map(|&arg| if arg == "FILE" { &path } else { arg }).collect();
            args.extend(["-q", "--from", from]);
            let failed = ephtrace(&args).unwrap();
            assert_eq!(failed.status.code(), Some(1), "{args:?}: {}", said(&failed));
            only(&scratch, &["a.txt"]).unwrap();
        }
    }
    for args in [["trace", "--output"].as_slice(), &["record"]] {
        let failed = ephtrace(&[args, &[&scratch.path("new"), "--btf", "/nowhere"]].concat());
        assert_eq!(failed.unwrap().status.code(), Some(1));
        only(&scratch, &["a.txt"]).unwrap();
    }
}

/// Checks that the folder contains exactly these files.
fn only(scratch: &Scratch, names: &[&str]) -> Result<()> {
    let found: io::Result<Vec<_>> =
        fs::read_dir(scratch.folder())?.map(|entry| Ok(entry?.file_name())).collect();
    let found = found?;
    ensure!(found == names, "{found:?}");
    Ok(())
}

#[test]
fn whatever_kills_it_before_anything_came_leaves_no_file() {
    let scratch = Scratch::new("signal").unwrap();
    let ways = [["trace", "--output"].as_slice(), &["record"], &["report", "--html"]];
    for (args, signal) in ways.into_iter().zip([Signal::SIGTERM, Signal::SIGKILL, Signal::SIGINT]) {
        let path = scratch.path("new");
        let mut run = Fed::start(&[args, &[&path]].concat()).unwrap();
        wait::until("it does not read", || Ok(reads(run.child.id())?.then_some(()))).unwrap();
        kill(Pid::from_raw(run.child.id().cast_signed()), signal).unwrap();
        wait::exit(&mut run.child).unwrap();
        only(&scratch, &[]).unwrap();
    }
}

/// Returns true if a thread of the process waits for standard input.
fn reads(pid: u32) -> Result<bool> {
    let mut tasks = fs::read_dir(format!("/proc/{pid}/task"))?;
    Ok(tasks.any(|task| {
        let call = task.and_then(|task| fs::read_to_string(task.path().join("syscall")));
        call.is_ok_and(|call| call.starts_with("0 0x0 "))
    }))
}

#[test]
fn names_move_no_cursor() {
    let scratch = Scratch::new("names").unwrap();
    let (from, bad) = (source(&scratch).unwrap(), "\u{1b}]0;x\u{7}\u{202e}\n");
    let folder = scratch.path(bad);
    fs::create_dir(&folder).unwrap();
    let commands: [&[&str]; 5] = [
        &["trace", "--from", &from, "--output", &folder],
        &["record", "--from", &from, &folder],
        &["report", &from, "--html", &folder],
        &["trace", "--btf", &folder],
        &["trace", bad],
    ];
    for args in commands {
        let failed = ephtrace(args).unwrap();
        let said = said(&failed);
        assert!(
            !failed.status.success() && said.contains(r"\u{1b}]0;x\u{7}\u{202e}\n"),
            "{said:?}"
        );
        assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");
    }
}

#[test]
fn standard_output_can_be_named_as_a_file() {
    let scratch = Scratch::new("stdout").unwrap();
    let (from, path) = (source(&scratch).unwrap(), scratch.path("out"));
    for name in ["/dev/stdout", "/proc/self/fd/1"] {
        let args = ["trace", "-q", "-o", "json", "--from", &from, "--output", name];
        let piped = ephtrace(&args).unwrap();
        assert!(piped.status.success(), "{name}: {}", said(&piped));
        let file = fs::File::create(&path).unwrap();
        let into_file = Command::new(EPHTRACE).args(args).stdout(file).output().unwrap();
        assert!(into_file.status.success(), "{name}: {}", said(&into_file));
        assert_eq!(fs::read(&path).unwrap(), piped.stdout);
        assert_eq!(String::from_utf8(piped.stdout).unwrap().lines().count(), 11);
    }
}

/// The file is the shell's: nothing is put in its place, and its earlier content stays.
#[test]
fn a_page_goes_behind_what_the_shell_has_opened() {
    let scratch = Scratch::new("page").unwrap();
    let (from, path) = (source(&scratch).unwrap(), scratch.path("out"));
    for name in ["/dev/stdout", "/proc/self/fd/1"] {
        fs::write(&path, "before").unwrap();
        let out = fs::OpenOptions::new().append(true).open(&path).unwrap();
        let mut command = Command::new(EPHTRACE);
        let done = command.args(["report", &from, "--html", name]).stdout(out).output().unwrap();
        assert!(done.status.success(), "{name}: {}", said(&done));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("before<!DOCTYPE html>") && text.ends_with("</html>"), "{name}");
        assert!(fs::symlink_metadata("/dev/stdout").unwrap().is_symlink());
    }
    let out = fs::File::create(&path).unwrap();
    let mut command = Command::new(EPHTRACE);
    command.args(["record", "--from", &from, "/dev/stdout"]);
    let refused = command.stdout(out).output().unwrap();
    assert!(said(&refused).contains("its journal is a file beside it"), "{}", said(&refused));
    assert!(!fs::exists("/dev/stdout.journal").unwrap());
}

#[test]
fn what_the_shell_has_opened_is_not_watched() {
    let scratch = Scratch::new("shell").unwrap();
    let path = scratch.path("out");
    let out = || fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let mut command = Command::new(EPHTRACE);
    command.args(["trace", "--from", "-", "--output", "/dev/stdout"]);
    // Messages go to the file, too.
    command.stdin(Stdio::piped()).stdout(out()).stderr(out());
    let mut child = command.spawn().unwrap();
    let mut run = Fed { input: child.stdin.take().unwrap(), child };
    run.begin(&scratch, &path).unwrap();
    run.input.write_all(format!("no line\n{}", line(3, 1_000_000)).as_bytes()).unwrap();
    drop(run.input);
    let status = wait::exit(&mut run.child).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(
        status.success() && text.contains("line 4") && text.contains("4 assignments in"),
        "{text}"
    );
}

#[test]
fn a_run_that_finds_nothing_leaves_its_file() {
    let scratch = Scratch::new("nothing").unwrap();
    let from = source(&scratch).unwrap();
    for (args, name) in [(["trace", "--output"].as_slice(), "a"), (&["record"], "a.parquet")] {
        let path = scratch.path(name);
        let output = ephtrace(&[args, &[&path, "-q", "-p", "1", "--from", &from]].concat());
        assert!(output.unwrap().status.success());
        assert!(Path::new(&path).exists(), "{name}");
    }
}
