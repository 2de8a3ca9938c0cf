//! A program on a terminal of its own, whose state is compared before and after.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::process::CommandExt as _,
    },
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Result, bail, ensure};
use nix::{
    errno::Errno,
    fcntl::{FcntlArg, FdFlag, fcntl},
    pty::{OpenptyResult, Winsize, openpty},
    sys::{
        signal::{Signal, kill},
        termios::{Termios, tcgetattr},
    },
    unistd::{Pid, setsid},
};

/// Sequences that switch to the alternate screen and back.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
/// Sequences that show and hide the cursor.
const SHOW: &str = "\x1b[?25h";
const HIDE: &str = "\x1b[?25l";

/// A running program and its terminal of 120 columns and 40 rows.
pub(crate) struct OnTerminal {
    child: Child,
    master: fs::File,
    slave: OwnedFd,
    before: Termios,
    text: String,
}

impl OnTerminal {
    /// Starts the program.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let size = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(Some(&size), None)?;
        // A child that inherited the master would keep the terminal alive.
        fcntl(&master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        let before = tcgetattr(&slave)?;
        let end = || slave.as_fd().try_clone_to_owned().map(Stdio::from);
        command.env("TERM", "xterm-256color").stdin(end()?).stdout(end()?).stderr(end()?);
        let controls = || {
            setsid()?;
            // SAFETY: the call takes the descriptor of standard input, which is the terminal, and
            // no memory.
            Errno::result(unsafe { libc::ioctl(libc::STDIN_FILENO, libc::TIOCSCTTY, 0) })?;
            Ok(())
        };
        // SAFETY: between fork and exec, the child makes two system calls and does nothing else.
        unsafe { command.pre_exec(controls) };
        let child = command.spawn()?;
        Ok(Self { child, master: master.into(), slave, before, text: String::new() })
    }

    /// Reads the output until `end` is in it.
    pub(crate) fn read_until(&mut self, end: &str) -> Result<()> {
        let mut bytes = [0; 4096];
        while !self.text.contains(end) {
            let n = self.master.read(&mut bytes)?;
            ensure!(n > 0, "ended without {end:?}: {}", self.text);
            self.text += &String::from_utf8_lossy(&bytes[..n]);
        }
        Ok(())
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) -> Result<()> {
        Ok(self.master.write_all(keys.as_bytes())?)
    }

    /// Takes the terminal away, as a broken connection does, and waits for the end.
    pub(crate) fn hang_up(mut self) -> Result<ExitStatus> {
        let nowhere = fs::File::options().read(true).write(true).open("/dev/null")?;
        drop(std::mem::replace(&mut self.slave, nowhere.try_clone()?.into()));
        drop(std::mem::replace(&mut self.master, nowhere));
        for _ in 0..6000 {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("it goes on without its terminal")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.pid().cast_signed()), signal)?)
    }

    /// Waits for the summary and for the end of the program, and checks that the terminal is as
    /// before. The summary begins with `summary` and contains all of `parts`; it stands where the
    /// prompt will be, not on the alternate screen.
    pub(crate) fn finish(mut self, summary: &str, parts: &[&str]) -> Result<ExitStatus> {
        // The last line of the summary contains these words.
        self.read_until("lost 0 events")?;
        let status = self.child.wait()?;
        ensure!(tcgetattr(&self.slave)? == self.before, "the terminal is not as before");
        let text = &self.text;
        // The view may have shown the same words.
        let at = text.rfind(summary);
        ensure!(at.is_some(), "no {summary:?}: {text}");
        let end = text.get(at.unwrap_or(0)..).unwrap_or_default();
        ensure!(parts.iter().all(|part| end.contains(part)), "not {parts:?}: {end}");
        ensure!(text.find(ENTER).is_some(), "no screen of its own: {text}");
        ensure!(text.find(ENTER) < text.rfind(LEAVE) && text.rfind(LEAVE) < at, "{text}");
        let before = text.get(..at.unwrap_or(0)).unwrap_or_default();
        ensure!(before.rfind(SHOW) > before.rfind(HIDE), "the cursor is hidden: {text}");
        Ok(status)
    }
}

/// Kills the program, so that a failed test leaves nothing behind.
impl Drop for OnTerminal {
    fn drop(&mut self) {
        // The program has already ended unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
