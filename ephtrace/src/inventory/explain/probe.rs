//! Results of asking the kernel, which replace the conclusions from its lists.

use super::{
    attempt::{Attempt, Verdict},
    seen::Probed,
};
use crate::model::errno::errno_name;

/// Returns the reason for an error that concerns ephtrace, not the port.
fn about_ephtrace(errno: i32) -> Option<&'static str> {
    match errno {
        libc::EACCES => {
            Some("because ephtrace lacks CAP_NET_BIND_SERVICE, or a security module forbids it")
        }
        libc::EPERM => Some("because a firewall or a security module forbids it"),
        libc::EMFILE | libc::ENFILE => Some("because too many files are open"),
        libc::ENOMEM | libc::ENOBUFS => Some("because the kernel is short of memory"),
        _ => None,
    }
}

/// Applies the kernel's answer for the same way to `attempt`.
pub(super) fn apply(attempt: &mut Attempt, probed: &[Probed]) {
    let Some(probe) = probed.iter().find(|probe| probe.way == attempt.way) else { return };
    let number = u16::try_from(probe.errno).unwrap_or(u16::MAX);
    if let Some(why) = about_ephtrace(probe.errno) {
        let error = errno_name(number).unwrap_or("another error");
        attempt.because = format!(
            "{}; the kernel refused ephtrace's test socket for another reason: {error}, {why}",
            attempt.because
        );
        return;
    }
    attempt.probed = true;
    let thought = attempt.verdict;
    let is_by_chance = match probe.port {
        Some(port) => attempt.chance_ends.contains(&port),
        None => !attempt.chance_ends.is_empty(),
    };
    if thought == Verdict::Unknown && is_by_chance {
        let ends: Vec<String> = attempt.chance_ends.iter().map(u16::to_string).collect();
        let found = if probe.errno == 0 { "found a port" } else { "found none" };
        attempt.because = format!(
            "{}; ephtrace's test search {found}, but the range has an odd number of ports, so one \
             search may find its end ({}) and the next one skip it",
            attempt.because,
            ends.join(", ")
        );
        return;
    }
    (attempt.verdict, attempt.error) = match probe.errno {
        0 => (Verdict::Free, None),
        _ => (Verdict::NotFree, errno_name(number).or(Some("another error"))),
    };
    let said = match attempt.error {
        None => "the kernel assigned the port to ephtrace's test socket".to_owned(),
        Some(error) => format!("the kernel refused ephtrace's test socket: {error}"),
    };
    attempt.because = match thought {
        // The reason from the lists still holds.
        same if same == attempt.verdict => format!("{}; {said}", attempt.because),
        _ => said,
    };
}
