//! Systems with their default ranges, the rules by which they assign ports, and the commands that
//! show and set the range: one table for verdicts, `ephtrace explain ranges` and `docs/ranges.md`.
//!
//! Each row states its source: the system's own code if it is public, else its manufacturer's
//! documentation. Facts without a source are unknown, and rule nothing out.

use serde::Serialize;

use super::super::pattern::Algorithm;
use crate::model::{PortRange, port_range::serialize_ends};

/// A system and its default range.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct System {
    /// Name and versions of the system.
    pub system: &'static str,
    /// Default range.
    #[serde(flatten, serialize_with = "serialize_ends")]
    #[cfg_attr(test, schemars(with = "crate::model::port_range::Ends<u16>"))]
    pub range: PortRange,
    /// The rule by which it assigns ports of the range, as far as a source tells.
    pub rule: &'static str,
    /// Rules that a verdict can name on the system; empty if no source names the rule.
    #[serde(skip)]
    pub algorithms: &'static [Algorithm],
    /// The command that shows the range.
    pub shown_by: &'static str,
    /// The command that sets the range.
    pub set_by: &'static str,
    /// Source of the range and the rule.
    pub source: &'static str,
}

use Algorithm::{
    LinuxDhash64k, LinuxDhash256, LinuxHintEven, LinuxLpr, RandomOdd, RandomUniform, SeqGlobal,
};

/// Rules that no other system has: any one of them identifies Linux.
pub(super) const OF_LINUX: [Algorithm; 5] =
    [LinuxHintEven, LinuxDhash256, LinuxDhash64k, LinuxLpr, RandomOdd];

const LINUX_SHOW: &str = "sysctl net.ipv4.ip_local_port_range";
const LINUX_SET: &str = "sysctl -w net.ipv4.ip_local_port_range='LOW HIGH'";
const BSD_SHOW: &str = "sysctl net.inet.ip.portrange.first net.inet.ip.portrange.last";
const BSD_SET: &str =
    "sysctl net.inet.ip.portrange.first=LOW; sysctl net.inet.ip.portrange.last=HIGH";
const BUILT_IN: &str = "none: built in";

/// All known systems. Systems with the same range are adjacent.
pub const SYSTEMS: [System; 17] = [
    System {
        system: "Linux 5.18 or later",
        range: PortRange::new(32768, 60999),
        rule: "TCP connect: double hash with random increments (also in 5.10.125 and later 5.10 \
               releases); bind to port 0: random, odd; UDP: random",
        algorithms: &[LinuxDhash64k, LinuxLpr, RandomOdd, RandomUniform],
        shown_by: LINUX_SHOW,
        set_by: LINUX_SET,
        source: "Linux, net/ipv4/af_inet.c and inet_hashtables.c",
    },
    System {
        system: "Linux 5.12 to 5.17",
        range: PortRange::new(32768, 60999),
        rule: "TCP connect: double hash with 256 counters; bind to port 0: random, odd; \
               UDP: random",
        algorithms: &[LinuxDhash256, RandomOdd, RandomUniform],
        shown_by: LINUX_SHOW,
        set_by: LINUX_SET,
        source: "Linux, net/ipv4/af_inet.c and inet_hashtables.c",
    },
    System {
        system: "Linux 4.2 to 5.11",
        range: PortRange::new(32768, 60999),
        rule: "TCP connect: simple hash with one counter, in steps of two; bind to port 0: \
               random, odd; UDP: random",
        algorithms: &[LinuxHintEven, RandomOdd, RandomUniform],
        shown_by: LINUX_SHOW,
        set_by: LINUX_SET,
        source: "Linux, net/ipv4/af_inet.c and inet_hashtables.c",
    },
    System {
        system: "Linux 2.4 to 4.1",
        range: PortRange::new(32768, 61000),
        rule: "TCP connect: simple hash with one counter since 2.6.15, one counter before",
        algorithms: &[],
        shown_by: LINUX_SHOW,
        set_by: LINUX_SET,
        source: "RFC 6056, A.2; Linux, net/ipv4/inet_connection_sock.c",
    },
    System {
        system: "Solaris, illumos",
        range: PortRange::new(32768, 65535),
        rule: "random start, then upwards (tcp_random_anon_port)",
        algorithms: &[RandomUniform],
        shown_by: "ipadm show-prop -p smallest_anon_port,largest_anon_port tcp",
        set_by: "ipadm set-prop -p smallest_anon_port=LOW tcp; ipadm set-prop -p \
                 largest_anon_port=HIGH tcp",
        source: "RFC 6056, A.5; illumos, tcp_bind.c",
    },
    System {
        system: "AIX",
        range: PortRange::new(32768, 65535),
        rule: "not published",
        algorithms: &[],
        shown_by: "no -o tcp_ephemeral_low -o tcp_ephemeral_high",
        set_by: "no -o tcp_ephemeral_low=LOW -o tcp_ephemeral_high=HIGH",
        source: "SAS note 43946",
    },
    System {
        system: "Windows Vista, Server 2008 or later",
        range: PortRange::new(49152, 65535),
        rule: "not published",
        algorithms: &[],
        shown_by: "netsh int ipv4 show dynamicport tcp",
        set_by: "netsh int ipv4 set dynamicport tcp start=LOW num=COUNT",
        source: "Microsoft, article 929851",
    },
    System {
        system: "macOS",
        range: PortRange::new(49152, 65535),
        rule: "TCP: one counter, upwards, unless net.inet.tcp.randomize_ports is set; UDP: random \
               start; unknown for the newest releases",
        algorithms: &[],
        shown_by: BSD_SHOW,
        set_by: BSD_SET,
        source: "XNU, bsd/netinet/in_pcb.c",
    },
    System {
        system: "NetBSD",
        range: PortRange::new(49152, 65535),
        rule: "one counter, downwards, unless net.inet.ip.anonportalgo says otherwise",
        algorithms: &[SeqGlobal],
        shown_by: "sysctl net.inet.ip.anonportmin net.inet.ip.anonportmax",
        set_by: "sysctl -w net.inet.ip.anonportmin=LOW net.inet.ip.anonportmax=HIGH",
        source: "NetBSD, sys/netinet/in.h, in_pcb.c; rfc6056(7)",
    },
    System {
        system: "FreeBSD with IP_PORTRANGE_HIGH, and FreeBSD 4.6 until its default became 10000",
        range: PortRange::new(49152, 65535),
        rule: "random start, then upwards; one counter in the oldest",
        algorithms: &[RandomUniform, SeqGlobal],
        shown_by: "sysctl net.inet.ip.portrange.hifirst net.inet.ip.portrange.hilast",
        set_by: "sysctl net.inet.ip.portrange.hifirst=LOW net.inet.ip.portrange.hilast=HIGH",
        source: "FreeBSD, sys/netinet/in.h, in_pcb.c",
    },
    System {
        system: "lwIP (microcontrollers)",
        range: PortRange::new(49152, 65535),
        rule: "one counter, upwards",
        algorithms: &[SeqGlobal],
        shown_by: BUILT_IN,
        set_by: "TCP_LOCAL_PORT_RANGE_START and _END, at build time",
        source: "lwIP, src/core/tcp.c",
    },
    System {
        system: "FreeBSD",
        range: PortRange::new(10000, 65535),
        rule: "random start, then upwards (net.inet.ip.portrange.randomized)",
        algorithms: &[RandomUniform],
        shown_by: BSD_SHOW,
        set_by: BSD_SET,
        source: "FreeBSD, sys/netinet/in.h, in_pcb.c",
    },
    System {
        system: "gVisor",
        range: PortRange::new(16000, 65535),
        rule: "not examined",
        algorithms: &[],
        shown_by: "cat /proc/sys/net/ipv4/ip_local_port_range",
        set_by: "echo LOW HIGH > /proc/sys/net/ipv4/ip_local_port_range",
        source: "gVisor, pkg/tcpip/ports/ports.go",
    },
    System {
        system: "OpenBSD",
        range: PortRange::new(1024, 49151),
        rule: "random start, then upwards",
        algorithms: &[RandomUniform],
        shown_by: "sysctl net.inet.ip.portfirst net.inet.ip.portlast",
        set_by: "sysctl net.inet.ip.portfirst=LOW net.inet.ip.portlast=HIGH",
        source: "RFC 6056, A.4; OpenBSD, sys/netinet/in_pcb.c",
    },
    System {
        system: "a Linux NAT that changes the port, or a program that picks its own ports",
        range: PortRange::new(1024, 65535),
        rule: "a NAT keeps the port where it can; masquerade with --random-fully: random",
        algorithms: &[],
        shown_by: "nft list ruleset",
        set_by: "nft: masquerade to :LOW-HIGH",
        source: "Linux, net/netfilter/nf_nat_core.c",
    },
    System {
        system: "Windows 2000, XP, Server 2003",
        range: PortRange::new(1025, 5000),
        rule: "not published",
        algorithms: &[],
        shown_by: r"reg query HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters /v MaxUserPort",
        set_by: r"MaxUserPort in HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters",
        source: "Microsoft, article 929851",
    },
    System {
        system: "DragonFly BSD, and 4.4BSD and its derivatives before 2002",
        range: PortRange::new(1024, 5000),
        rule: "one counter, upwards, in the oldest; unknown for the others",
        algorithms: &[],
        shown_by: BSD_SHOW,
        set_by: BSD_SET,
        source: "DragonFly BSD, sys/netinet/in.h; FreeBSD of 1996, sys/netinet/in_pcb.c",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_range_is_one() {
        for system in &SYSTEMS {
            assert!(!system.range.is_empty() && system.range.low >= 1024, "{}", system.system);
            assert!(!system.source.is_empty() && !system.shown_by.is_empty());
        }
    }
}
