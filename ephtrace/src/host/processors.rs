//! Number of processors of this machine.

use std::{fs, thread};

/// Processors that are online.
const ONLINE: &str = "/sys/devices/system/cpu/online";

/// Returns the number of online processors; if the kernel does not show it, the number that this
/// process may use.
pub fn online() -> u32 {
    let listed = fs::read_to_string(ONLINE).ok().and_then(|text| count(text.trim()));
    let own = || thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    listed.filter(|&count| count > 0).unwrap_or_else(own)
}

/// Counts the processors in a list such as `0-3,8`.
fn count(list: &str) -> Option<u32> {
    let mut all = 0;
    for span in list.split(',').filter(|span| !span.is_empty()) {
        let (low, high) = span.split_once('-').unwrap_or((span, span));
        let (low, high): (u32, u32) = (low.parse().ok()?, high.parse().ok()?);
        all += high.checked_sub(low)? + 1;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_processors() {
        let lists = ["0", "0-3", "0-3,8", "0,2,4-5", "", "3-1", "x"];
        assert_eq!(lists.map(count), [Some(1), Some(4), Some(5), Some(4), Some(0), None, None]);
        assert!(online() > 0);
    }
}
