//! SCTP's functions, which are in a module that may be loaded long after ephtrace was started: their
//! programs are loaded at the start, and attached as soon as the module is there.
//!
//! Looks, and never makes the kernel load a module. A module that has been loaded stays: the
//! kernel's own control sockets use it.

use std::{fs, path::Path};

use super::{attach::start_late, error::AttachError, hooks, support::Support, tracer::Tracer};

/// Where the kernel tells of the module; also where it is built in.
const MODULE: &str = "/sys/module/sctp";

/// Whether SCTP's functions are in the kernel now.
///
/// A module has its folder before it has run its own start, and says so; what is built in says
/// nothing.
pub fn is_loaded() -> bool {
    match fs::read_to_string(format!("{MODULE}/initstate")) {
        Ok(state) => state.trim_end() == "live",
        Err(_) => Path::new(MODULE).exists(),
    }
}

/// What keeps SCTP's ports from being seen now, in words; `None` if nothing does.
pub fn absence(release: &str) -> Option<String> {
    if is_loaded() {
        return None;
    }
    let list = format!("/lib/modules/{release}/modules.dep");
    Some(in_words(fs::read_to_string(&list).ok().as_deref(), &list))
}

/// `modules` is depmod's list of all modules, if it can be read.
fn in_words(modules: Option<&str>, list: &str) -> String {
    match modules {
        Some(text) if text.contains("/sctp.ko") => {
            "module sctp is not loaded; attached when it loads".to_owned()
        }
        Some(_) => format!("no module sctp known ({list}); attached if one loads"),
        None => format!("module sctp is not loaded, nor is there {list}; attached if it loads"),
    }
}

/// What has become of the module.
#[derive(Debug)]
pub enum Change {
    /// It was loaded, and its functions are hooked.
    Attached,
    /// It was loaded, and its functions can't be hooked.
    Failed(AttachError),
}

/// The programs that wait for the module.
pub(super) struct Waiting {
    support: Support,
}

impl Tracer {
    /// Loads the programs for SCTP, and attaches them if its functions are there.
    pub(super) fn add_module(&mut self, support: &Support) -> Result<(), AttachError> {
        for &attachment in hooks::module_programs().all() {
            start_late(&mut self.ebpf, attachment, support, false)?;
        }
        self.waiting = Some(Waiting { support: support.clone() });
        match self.follow_module() {
            Some(Change::Failed(error)) => Err(error),
            Some(Change::Attached) | None => Ok(()),
        }
    }

    /// Whether anything waits for the module.
    pub fn awaits_module(&self) -> bool {
        self.waiting.is_some()
    }

    /// Attaches what waits for the module, once that is there. Cheap: to be asked often.
    pub fn follow_module(&mut self) -> Option<Change> {
        if self.waiting.is_none() || !is_loaded() {
            return None;
        }
        let Waiting { support } = self.waiting.take()?;
        let programs = hooks::module_programs();
        for &attachment in programs.all() {
            if let Err(error) = start_late(&mut self.ebpf, attachment, &support, true) {
                // None of them without the others: a start whose end is not seen is a loss.
                programs.all().for_each(|attachment| self.unload(attachment.program));
                return Some(Change::Failed(error));
            }
        }
        self.programs.extend(programs);
        Some(Change::Attached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_the_module_is_told() {
        let words = |modules| in_words(modules, "LIST");
        let known = "kernel/net/sctp/sctp.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n";
        insta::assert_snapshot!(words(Some(known)), @"module sctp is not loaded; attached when it loads");
        let other = "kernel/net/sctp/sctp_diag.ko:\n";
        insta::assert_snapshot!(words(Some(other)), @"no module sctp known (LIST); attached if one loads");
        insta::assert_snapshot!(words(None), @"module sctp is not loaded, nor is there LIST; attached if it loads");
    }
}
