//! Where a recording comes from, as far as it tells.

use std::collections::BTreeMap;

use ephtrace_common::Hook;
use serde::{Serialize, Serializer};

/// The machines that were traced, and how, as far as recordings tell: each value once.
//
// In memory, `None` among them stands for a recording, or rows, that do not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Provenance {
    /// Names of the hosts; none where no recording tells.
    #[serde(serialize_with = "known")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub host_names: Vec<Option<String>>,
    /// Releases of their kernels, as `uname -r` has them; likewise.
    #[serde(serialize_with = "known")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub kernel_releases: Vec<Option<String>>,
    /// How assignments were seen; none where no row tells.
    #[serde(serialize_with = "known")]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub hook_names: Vec<Option<&'static str>>,
    /// Whether all recordings tell how much is missing in them: those of ephtrace do. Else, nothing
    /// lost means nothing.
    pub tells_losses: bool,
    /// Names of network namespaces by inode number; `None` is the one that ephtrace ran in. Empty
    /// with several hosts: each has numbers of its own.
    #[serde(skip)]
    pub namespaces: BTreeMap<u32, Option<String>>,
}

impl Provenance {
    /// The provenance of one recording, before its rows are read.
    pub fn new(host: Option<&str>, kernel: Option<&str>, tells_losses: bool) -> Self {
        Self {
            host_names: vec![host.map(str::to_owned)],
            kernel_releases: vec![kernel.map(str::to_owned)],
            hook_names: Vec::new(),
            tells_losses,
            namespaces: BTreeMap::new(),
        }
    }

    /// These and those of another recording.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        other.host_names.into_iter().for_each(|name| put_in(&mut self.host_names, name));
        other.kernel_releases.into_iter().for_each(|one| put_in(&mut self.kernel_releases, one));
        other.hook_names.into_iter().for_each(|name| put_in(&mut self.hook_names, name));
        self.tells_losses &= other.tells_losses;
        self.namespaces.extend(other.namespaces);
        if self.host_names.len() > 1 {
            self.namespaces.clear();
        }
        self
    }
}

/// Without the unknown ones.
fn known<T: Serialize, S: Serializer>(all: &[Option<T>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(all.iter().flatten())
}

fn put_in<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// The hooks that rows name.
#[derive(Clone, Debug, Default)]
pub struct HooksSeen {
    /// A bit for each of [`Hook::ALL`], and one for rows that name none.
    bits: u8,
}

impl HooksSeen {
    const NONE: u8 = 1 << 7;

    /// A row names this one.
    pub fn note(&mut self, hook: Option<Hook>) {
        self.bits |= hook.map_or(Self::NONE, |hook| 1 << hook as u8);
    }

    /// Their names, in the order of [`Hook::ALL`].
    pub fn names(&self) -> Vec<Option<&'static str>> {
        let is_seen = |hook: &&Hook| self.bits & (1 << **hook as u8) != 0;
        let named = Hook::ALL.iter().filter(is_seen).map(|hook| Some(hook.name()));
        named.chain((self.bits & Self::NONE != 0).then_some(None)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_recordings_are_told_apart() {
        let one = |host| Provenance::new(host, Some("6.1.0"), true);
        let all = one(Some("web")).and(one(None)).and(one(Some("web")));
        assert_eq!(all.host_names, [Some("web".to_owned()), None]);
        assert_eq!(all.kernel_releases, [Some("6.1.0".to_owned())]);
        assert!(all.tells_losses);
        assert!(!all.and(Provenance::new(None, None, false)).tells_losses);
    }

    #[test]
    fn namespaces_of_several_hosts_have_no_names() {
        let of = |host, netns| Provenance {
            namespaces: [(netns, Some("blue".to_owned()))].into(),
            ..Provenance::new(Some(host), None, true)
        };
        assert_eq!(of("web", 7).and(of("web", 8)).namespaces.len(), 2);
        assert!(of("web", 7).and(of("db", 7)).and(of("web", 8)).namespaces.is_empty());
    }

    #[test]
    fn hooks_of_rows() {
        let mut seen = HooksSeen::default();
        assert!(seen.names().is_empty());
        for hook in [None, Some(Hook::SockOps), Some(Hook::Fentry), None] {
            seen.note(hook);
        }
        assert_eq!(seen.names(), [Some("fentry"), Some("sock_ops"), None]);
    }
}
