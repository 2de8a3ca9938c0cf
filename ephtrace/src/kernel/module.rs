//! Kernel modules with functions that search, which may be loaded long after ephtrace started:
//! their programs are loaded at the start, and attached once the module is loaded.
//!
//! ephtrace never makes the kernel load a module. A loaded module stays: the kernel's own control
//! sockets use it.

use std::{fs, path::Path};

use super::{error::AttachError, sites::Module};

/// Returns whether the module's functions are in the kernel now, built in or loaded.
///
/// A module has its directory before its init function has run, and reports that state; a built-in
/// one reports none.
pub fn is_loaded(module: Module) -> bool {
    let folder = format!("/sys/module/{}", module.name);
    match fs::read_to_string(format!("{folder}/initstate")) {
        Ok(state) => state.trim_end() == "live",
        Err(_) => Path::new(&folder).exists(),
    }
}

/// Explains why the module's ports are not seen now; `None` if they are.
pub fn absence(module: Module, release: &str) -> Option<String> {
    if is_loaded(module) {
        return None;
    }
    let list = format!("/lib/modules/{release}/modules.dep");
    Some(in_words(module.name, fs::read_to_string(&list).ok().as_deref(), &list))
}

/// Explains the absence; `modules` is depmod's list of all modules, if it can be read.
fn in_words(name: &str, modules: Option<&str>, list: &str) -> String {
    match modules {
        Some(text) if text.contains(&format!("/{name}.ko")) => {
            format!("module {name} is not loaded; ephtrace attaches when it loads")
        }
        Some(_) => format!("unknown module {name} ({list}); ephtrace attaches if it loads"),
        None => format!(
            "module {name} is not loaded, and {list} does not exist; ephtrace attaches if it loads"
        ),
    }
}

/// A module that programs waited for was loaded.
#[derive(Debug)]
pub struct Change {
    /// The module.
    pub module: Module,
    /// Result of hooking its functions.
    pub attached: Result<(), AttachError>,
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn the_reason_depends_on_the_list_of_modules() {
        let words = |modules| in_words("sctp", modules, "LIST");
        let known = "kernel/net/sctp/sctp.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n";
        assert_snapshot!(
            words(Some(known)),
            @"module sctp is not loaded; ephtrace attaches when it loads"
        );
        let other = "kernel/net/sctp/sctp_diag.ko:\n";
        assert_snapshot!(
            words(Some(other)),
            @"unknown module sctp (LIST); ephtrace attaches if it loads"
        );
        assert_snapshot!(
            words(None),
            @"module sctp is not loaded, and LIST does not exist; ephtrace attaches if it loads"
        );
    }
}
