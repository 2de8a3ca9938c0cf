//! Build and boot configuration of the running kernel.

use std::{fs, io::Read as _};

use flate2::read::GzDecoder;

/// Returns whether the kernel may preempt a task in the middle of kernel code, BPF programs
/// included. True if it can't be determined: the price of that is small.
pub(super) fn is_preemptible() -> bool {
    let version = fs::read_to_string("/proc/sys/kernel/version").unwrap_or_default();
    if !version.contains("PREEMPT") {
        return false;
    }
    let read = |path| fs::read_to_string(path).ok();
    let mode = read("/sys/kernel/debug/sched/preempt")
        .and_then(|text| active_mode(&text))
        .or_else(|| read("/proc/cmdline").and_then(|line| booted_mode(&line)))
        .or_else(|| text().and_then(|config| built_mode(&config)));
    !mode.is_some_and(|mode| matches!(mode.as_str(), "none" | "voluntary"))
}

/// Returns the mask from the kernel's hash to an index of `table_perturb`: 1 less than `1 <<
/// CONFIG_INET_TABLE_PERTURB_ORDER`. The order is 16 unless `CONFIG_EXPERT` changed it. If it was
/// changed and the configuration can't be read, the words contradict the rule, and no search is
/// reconstructed.
pub(super) fn table_mask() -> u32 {
    let order = text().and_then(|config| table_order(&config)).unwrap_or(16);
    (1 << order) - 1
}

fn table_order(config: &str) -> Option<u32> {
    let set = |line: &str| line.strip_prefix("CONFIG_INET_TABLE_PERTURB_ORDER=")?.parse().ok();
    // The bounds of `net/ipv4/Kconfig`.
    config.lines().find_map(set).filter(|order| (8..=24).contains(order))
}

/// Returns the mode in parentheses: `none (voluntary) full`.
fn active_mode(text: &str) -> Option<String> {
    Some(text.split('(').nth(1)?.split(')').next()?.to_owned())
}

/// Returns `preempt=` of the kernel's command line.
fn booted_mode(line: &str) -> Option<String> {
    line.split_whitespace().find_map(|word| word.strip_prefix("preempt=")).map(str::to_owned)
}

/// Returns the built-in default (`kernel/Kconfig.preempt`).
fn built_mode(config: &str) -> Option<String> {
    let modes = [
        ("CONFIG_PREEMPT_NONE=y", "none"),
        ("CONFIG_PREEMPT_VOLUNTARY=y", "voluntary"),
        ("CONFIG_PREEMPT_LAZY=y", "lazy"),
        ("CONFIG_PREEMPT=y", "full"),
    ];
    let is_set = |name: &str| config.lines().any(|line| line == name);
    modes.into_iter().find(|(name, _)| is_set(name)).map(|(_, mode)| mode.to_owned())
}

/// Reads the kernel's configuration, if it is available (`CONFIG_IKCONFIG_PROC`, or beside the
/// image).
fn text() -> Option<String> {
    if let Ok(packed) = fs::File::open("/proc/config.gz") {
        let mut text = String::new();
        GzDecoder::new(packed).read_to_string(&mut text).ok()?;
        return Some(text);
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    fs::read_to_string(format!("/boot/config-{}", release.trim_end())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_each_source() {
        assert_eq!(active_mode("none (voluntary) full\n").as_deref(), Some("voluntary"));
        assert_eq!(active_mode("").as_deref(), None);
        assert_eq!(booted_mode("quiet preempt=full ro").as_deref(), Some("full"));
        let config = "CONFIG_PREEMPT_BUILD=y\nCONFIG_PREEMPT_NONE=y\n# CONFIG_PREEMPT is not set\n";
        assert_eq!(built_mode(config).as_deref(), Some("none"));
        assert_eq!(table_order("A=y\nCONFIG_INET_TABLE_PERTURB_ORDER=12\n"), Some(12));
        assert_eq!(table_order("CONFIG_INET_TABLE_PERTURB_ORDER=70\n"), None);
    }
}
