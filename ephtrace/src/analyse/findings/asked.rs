//! Rules about ports that are asked for without a destination: `bind()` to port 0, and UDP.
//! Sources: `inet_csk_find_open_port`, `udp_lib_get_port` (Linux 6.12).

use std::fmt::Write as _;

use super::{
    facts::{AskedFacts, Facts},
    finding::{Check, Finding, Rule, Severity},
    remedies::FEWER_UDP_SOCKETS,
};

/// The checks of this file.
pub(super) const CHECKS: &[Check] = &[asked];

/// Share of the usable ports in use from which on few are left.
const NEARLY_FULL: f64 = 0.9;

/// Returns `1 bind() call`, `2 bind() calls`.
pub(super) fn binds_in_words(count: u64) -> String {
    format!("{count} bind() call{}", if count == 1 { "" } else { "s" })
}

/// Returns whether few ports are left.
pub(super) fn is_scarce(asked: &AskedFacts) -> bool {
    f64::from(asked.in_use) >= NEARLY_FULL * f64::from(asked.usable.max(1))
}

fn asked(facts: &Facts) -> Vec<Finding> {
    let scarce = facts.asked.iter().filter(|asked| is_scarce(asked));
    // An IPv6 socket conflicts with IPv4 ones, too: if IPv4 alone is full, report only that.
    let is_said = |asked: &&AskedFacts| {
        let mut others = facts.asked.iter().filter(|other| {
            (other.netns, other.ask) == (asked.netns, asked.ask) && other.saddr.is_ipv4()
        });
        asked.saddr.is_ipv4() || !others.any(|other| other.in_use == asked.in_use)
    };
    scarce.filter(is_said).map(|asked| finding(facts, asked)).collect()
}

fn finding(facts: &Facts, asked: &AskedFacts) -> Finding {
    let AskedFacts { ask, saddr, in_use, usable, time_wait_reusable, .. } = asked;
    let is_bind = *ask == "bind";
    let is_full = in_use >= usable;
    let (what, next) = if is_bind {
        ("bind() to port 0 (TCP)", "the next one")
    } else {
        ("a UDP socket", "the next one")
    };
    let namespace = match facts.namespace(Some(asked.netns)) {
        Some(n) if !n.is_host => format!(" in {}", n.name),
        _ => String::new(),
    };
    let sentence = match (is_full, asked.may_share) {
        (true, false) => {
            format!(
                "no free port for {what} on {saddr}{namespace}: {next} fails with {}",
                asked.error
            )
        }
        (true, true) => format!(
            "no free port for {what} on {saddr}{namespace}: {next} fails with {}, unless it can \
             share a port through SO_REUSEADDR",
            asked.error
        ),
        (false, _) => format!("few free ports for {what} on {saddr}{namespace}"),
    };
    let protocol = if is_bind { "TCP" } else { "UDP" };
    let mut evidence =
        format!("{protocol} sockets use {in_use} of the {usable} ports in the range");
    if *time_wait_reusable > 0 {
        let _ = write!(evidence, ", {time_wait_reusable} of them in TIME_WAIT, for up to a minute");
    }
    if let Some(who) = &asked.held_by {
        let _ = write!(evidence, "; {who}");
    }
    Finding {
        rule: if is_bind { Rule::BindFull } else { Rule::UdpFull },
        // Connects go on, and no process is known to bind.
        severity: if is_full && *time_wait_reusable == 0 {
            Severity::Critical
        } else {
            Severity::Warning
        },
        sentence,
        evidence,
        remedies: remedies(facts, asked, is_bind),
    }
}

fn remedies(facts: &Facts, asked: &AskedFacts, is_bind: bool) -> Vec<String> {
    let mut remedies = if is_bind {
        vec![
            "if a program binds before it connects: setsockopt(IPPROTO_IP, \
             IP_BIND_ADDRESS_NO_PORT, 1) before bind(), so that connect() chooses the port and \
             destinations can share it"
                .to_owned(),
        ]
    } else {
        vec![FEWER_UDP_SOCKETS.to_owned()]
    };
    remedies.extend(facts.wider_in(asked.netns));
    remedies
}
