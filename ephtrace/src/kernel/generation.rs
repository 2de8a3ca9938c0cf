//! Generation of this kernel's port selection, derived from its types and its list of symbols. The
//! release does not decide: distributions backport.

use serde::Serialize;

use super::{
    btf::Btf,
    offsets,
    sites::{self, Site},
    symbols::NoTable,
};
use crate::analyse::pattern::Algorithm;

/// Port selection of this kernel, as far as it can be determined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Generation {
    /// The rule of `connect()`; null if unknown.
    pub connect: Option<Algorithm>,
    /// The evidence, or why there is none.
    pub connect_reason: &'static str,
    /// `IP_LOCAL_PORT_RANGE` (Linux 6.3 and 6.1.32): `by_one` searches all ports of the socket's
    /// range (6.8), `by_two` every second one first; null without that option.
    pub socket_range: Option<&'static str>,
    /// True if the kernel has `ip_local_port_step_width` (Linux 7.1).
    #[serde(rename = "has_step_width")]
    pub step_width: bool,
    /// Whether a port used by `bind()` is free for `connect()` again once its last owner is gone
    /// (`SOCK_CONNECT_BIND`, Linux 6.18).
    pub connect_bind: bool,
}

impl Generation {
    /// Determines the generation of the kernel with these types; `table` is the result of looking
    /// up `table_perturb` in its list of symbols.
    pub fn of(btf: &Btf, table: Result<u64, NoTable>) -> Self {
        let has = |structure, member| btf.member(structure, member).is_some();
        let own_range = has("inet_sock", "local_port_range");
        let by_one = offsets::own_range_steps_by_one(btf) == Some(true);
        let (connect, connect_reason) = connect(btf, table);
        Self {
            connect,
            connect_reason,
            socket_range: own_range.then_some(if by_one { "by_one" } else { "by_two" }),
            step_width: has("net", "ipv4.sysctl_ip_local_port_step_width"),
            connect_bind: has("inet_timewait_sock", "tw_connect_bind"),
        }
    }

    /// Describes the generation, a line for each part.
    pub fn lines(&self) -> [(&'static str, String); 4] {
        let yes_no = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let rule = match self.connect {
            Some(rule) => format!("{rule}: {}", self.connect_reason),
            None => format!("unknown: {}", self.connect_reason),
        };
        let range = match self.socket_range {
            Some("by_one") => "yes, and searches all of its ports",
            Some(_) => "yes, and searches every second port first",
            None => "no",
        };
        [
            ("connect", rule),
            ("IP_LOCAL_PORT_RANGE", range.to_owned()),
            ("ip_local_port_step_width", yes_no(self.step_width)),
            ("SOCK_CONNECT_BIND", yes_no(self.connect_bind)),
        ]
    }
}

/// Returns the rule of `connect()`, and the evidence for it.
///
/// `secure_ipv4_port_ephemeral` returns 64 bits since commit b2d057560b81 (Linux 5.18, stable
/// 5.10.119), and a table of 65,536 words, allocated at boot, follows in 4c2c8f03a5ab (5.18, stable
/// 5.10.125). The hash of all ports is an argument since 86c2bc293b81 (6.15), long after both.
fn connect(btf: &Btf, table: Result<u64, NoTable>) -> (Option<Algorithm>, &'static str) {
    let function = btf.function(sites::row(Site::Connect).function);
    let params = function.map(|function| function.params).unwrap_or_default();
    let has_long_hash = params.get(2) == Some(&8);
    match (has_long_hash, table) {
        (true, Ok(_)) => (
            Some(Algorithm::LinuxDhash64k),
            "the counter table is allocated at boot, and the hash has 64 bits",
        ),
        (true, _) if params.len() > 4 => (
            Some(Algorithm::LinuxDhash64k),
            "__inet_hash_connect takes five arguments, as in Linux 6.15 and later, all of \
             which have this rule",
        ),
        (false, Err(NoTable::Array)) => {
            (Some(Algorithm::LinuxDhash256), "the counter table is an array")
        }
        (false, Err(NoTable::Older)) => {
            (Some(Algorithm::LinuxHintEven), "the kernel has no counter table")
        }
        (true, Err(NoTable::Array)) => {
            (None, "the hash has 64 bits, but the counter table is still an array")
        }
        (_, Err(NoTable::Hidden)) => (
            None,
            "the kernel hides its symbols: ephtrace needs CAP_SYSLOG, and kernel.kptr_restrict \
             below 2",
        ),
        (_, Err(NoTable::Absent)) => {
            (None, "the kernel does not list variables (CONFIG_KALLSYMS_ALL)")
        }
        (true, Err(NoTable::Older)) | (false, Ok(_)) => {
            (None, "its types and symbols fit no known rule")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::types::Types;

    /// Determines the rule from types with the search: bytes of its hash, and its number of
    /// arguments.
    fn connect_of(hash_bytes: u32, args: usize, table: Result<u64, NoTable>) -> Option<Algorithm> {
        let mut types = Types::new();
        let (long, hash) = (types.integer(8), types.integer(hash_bytes));
        types.function("__inet_hash_connect", &[long, long, hash, long, long][..args], long);
        Generation::of(&types.btf(), table).connect
    }

    #[test]
    fn the_rule_of_connect_is_told_by_types_and_symbols() {
        use Algorithm::{LinuxDhash64k, LinuxDhash256, LinuxHintEven};
        let table = Ok(0xffff_ffff_8000_0000);
        for (bytes, args, table, expected) in [
            (8, 4, table, Some(LinuxDhash64k)),
            (8, 5, Err(NoTable::Absent), Some(LinuxDhash64k)),
            (8, 5, Err(NoTable::Hidden), Some(LinuxDhash64k)),
            (8, 4, Err(NoTable::Absent), None),
            (8, 4, Err(NoTable::Hidden), None),
            // Stable 5.10.119 to 5.10.124.
            (8, 4, Err(NoTable::Array), None),
            (4, 4, Err(NoTable::Array), Some(LinuxDhash256)),
            (4, 4, Err(NoTable::Older), Some(LinuxHintEven)),
            (4, 4, Err(NoTable::Absent), None),
            (4, 4, Err(NoTable::Hidden), None),
        ] {
            assert_eq!(connect_of(bytes, args, table), expected, "{bytes} {args} {table:?}");
        }
    }
}
