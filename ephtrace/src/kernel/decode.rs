//! Decoding of `&[u8]` to [`Decoded`]. Never panics, reads no clock.

use std::net::{IpAddr, Ipv6Addr};

use ephtrace_common::{AssignmentRecord, Hook, Origin, Protocol, id_here, known};
use thiserror::Error;
use zerocopy::FromBytes as _;

use super::jiffies;
use crate::{
    analyse::selection::SearchSecrets,
    model::{Assignment, Comm, FlowKey, PortRange, RangeInForce},
};

/// Reason why bytes are not an assignment.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// The number of bytes is not the size of a record.
    #[error("a record has {} bytes, not {got}", size_of::<AssignmentRecord>())]
    Size {
        /// Number of bytes.
        got: usize,
    },
    /// A number without a meaning.
    #[error("{field} has the unknown value {value}")]
    Unknown {
        /// Name of the field.
        field: &'static str,
        /// Value of the field.
        value: u16,
    },
}

/// One record: an assignment, and separately the secrets that must not reach an output.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Assignment, with its search still unknown.
    pub assignment: Assignment,
    /// State of the kernel's search, for `analyse::selection`.
    pub secrets: SearchSecrets,
}

/// Facts about the machine that the decoder needs.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Nanoseconds to add to `CLOCK_MONOTONIC` for Unix time.
    pub unix_offset_ns: u64,
}

/// Decodes one record of the ring buffer.
pub fn decode(bytes: &[u8], machine: &Machine) -> Result<Decoded, DecodeError> {
    let record = AssignmentRecord::read_from_bytes(bytes)
        .map_err(|_| DecodeError::Size { got: bytes.len() })?;
    Ok(Decoded { assignment: assignment(&record, *machine)?, secrets: secrets(&record) })
}

fn assignment(record: &AssignmentRecord, machine: Machine) -> Result<Assignment, DecodeError> {
    let is_known = |bit| record.known & bit != 0;
    let has_port = record.errno == 0;
    Ok(Assignment {
        ts_ns: record.end_ns.wrapping_add(machine.unix_offset_ns),
        pid: id_here(record.pid),
        tid: id_here(record.tid),
        host_pid: (record.host_pid != 0).then_some(record.host_pid),
        comm: is_known(known::COMM).then(|| Comm::from_kernel(record.comm)),
        uid: Some(record.uid),
        cgroup_id: is_known(known::CGROUP).then_some(record.cgroup_id),
        container: None,
        names: None,
        flow: flow(record)?,
        protocol: Some(protocol(record.protocol)?),
        origin: Some(origin(record.origin)?),
        sport: has_port.then_some(record.sport),
        errno: Some(record.errno),
        latency_ns: (!is_known(known::DEFERRED)).then_some(record.latency_ns),
        range: is_known(known::RANGE).then(|| {
            let netns = PortRange::new(record.netns_low, record.netns_high);
            let socket = PortRange::new(record.socket_low, record.socket_high);
            RangeInForce::narrowed(netns, (socket != PortRange::new(0, 0)).then_some(socket))
        }),
        salt_epoch: is_known(known::JIFFIES).then(|| salt_epoch(record)).flatten(),
        word_step: None,
        // The named port is the only candidate.
        first_candidate: (!has_port && record.named_port != 0).then_some(record.named_port),
        tried: None,
        pass: None,
        search_unknown: None,
        step: None,
        resalted: None,
        cookie: is_known(known::COOKIE).then_some(record.cookie),
        hook: Some(hook(record.hook)?),
        recording: 0,
        is_another: false,
    })
}

fn flow(record: &AssignmentRecord) -> Result<FlowKey, DecodeError> {
    let address = |bytes| {
        let v6 = Ipv6Addr::from(bytes);
        match record.family {
            4 => v6.to_ipv4_mapped().map(IpAddr::V4),
            6 => Some(IpAddr::V6(v6)),
            _ => None,
        }
    };
    let unknown = DecodeError::Unknown { field: "family", value: record.family.into() };
    let netns = (record.known & known::NETNS != 0).then_some(record.netns);
    let saddr = address(record.saddr).ok_or(unknown)?;
    let daddr = address(record.daddr).ok_or(unknown)?;
    Ok(FlowKey::from_kernel(netns, saddr, daddr, record.dport))
}

fn salt_epoch(record: &AssignmentRecord) -> Option<u64> {
    let start_ns = record.end_ns.saturating_sub(record.latency_ns);
    record.jiffies.checked_div(jiffies::per_epoch(record.jiffies, start_ns)?)
}

fn secrets(record: &AssignmentRecord) -> SearchSecrets {
    let is_known = |bit| record.known & bit != 0;
    SearchSecrets::new(
        is_known(known::HASH_OFFSET).then_some(record.hash_offset),
        (
            is_known(known::WORD_BEFORE).then_some(record.word_before),
            is_known(known::WORD_AFTER).then_some(record.word_after),
        ),
        record.step_width.into(),
        is_known(known::RACED),
    )
}

fn protocol(value: u16) -> Result<Protocol, DecodeError> {
    Protocol::from_wire(value).ok_or(DecodeError::Unknown { field: "protocol", value })
}

fn origin(value: u8) -> Result<Origin, DecodeError> {
    Origin::from_wire(value).ok_or(DecodeError::Unknown { field: "origin", value: value.into() })
}

fn hook(value: u8) -> Result<Hook, DecodeError> {
    Hook::from_wire(value).ok_or(DecodeError::Unknown { field: "hook", value: value.into() })
}

#[cfg(test)]
mod tests {
    use ephtrace_common::AssignmentRecord;
    use proptest::prelude::*;
    use zerocopy::{FromZeros as _, IntoBytes as _};

    use super::*;
    use crate::model::flow::Family;

    const MACHINE: Machine = Machine { unix_offset_ns: 1_000 };

    fn record() -> AssignmentRecord {
        let mut record = AssignmentRecord::new_zeroed();
        record.saddr = "::ffff:127.0.0.1".parse::<Ipv6Addr>().unwrap().octets();
        record.daddr = "::ffff:127.0.0.2".parse::<Ipv6Addr>().unwrap().octets();
        record.family = 4;
        record.dport = 80;
        record.sport = 32_770;
        (record.protocol, record.origin, record.hook) = (6, 1, 3);
        record.end_ns = 5;
        record
    }

    #[test]
    fn unknown_is_none_and_never_zero() {
        let Decoded { assignment, secrets } = decode(record().as_bytes(), &MACHINE).unwrap();
        assert_eq!(assignment.range, None);
        assert_eq!(assignment.cookie, None);
        assert_eq!(assignment.comm, None);
        assert_eq!(assignment.salt_epoch, None);
        assert!(secrets == SearchSecrets::default());
        assert_eq!(assignment.sport, Some(32_770));
        assert_eq!(assignment.ts_ns, 1_005);
        assert_eq!(assignment.latency_ns, Some(0));
    }

    #[test]
    fn an_end_that_was_seen_late_tells_no_latency() {
        let mut record = record();
        (record.latency_ns, record.known) = (1_500_000_000, known::DEFERRED);
        assert_eq!(decode(record.as_bytes(), &MACHINE).unwrap().assignment.latency_ns, None);
    }

    #[test]
    fn a_failure_has_no_port() {
        let mut record = record();
        (record.errno, record.sport) = (99, 0);
        let assignment = decode(record.as_bytes(), &MACHINE).unwrap().assignment;
        assert!(assignment.is_failed());
        assert_eq!(assignment.errno, Some(99));
    }

    #[test]
    fn a_failure_tells_the_port_that_was_named() {
        let named = |errno| {
            let record = AssignmentRecord { errno, named_port: 443, ..record() };
            decode(record.as_bytes(), &MACHINE).unwrap().assignment.first_candidate
        };
        assert_eq!((named(98), named(0)), (Some(443), None));
    }

    #[test]
    fn a_mapped_address_is_ipv4() {
        let assignment = decode(record().as_bytes(), &MACHINE).unwrap().assignment;
        assert_eq!(assignment.flow.daddr, "127.0.0.2".parse().ok());
        assert_eq!(assignment.flow.family().number(), 4);
    }

    #[test]
    fn an_ipv6_address_is_itself() {
        let mut record = record();
        let (from, to) = ("2001:db8::1".parse::<Ipv6Addr>(), "2001:db8::2".parse::<Ipv6Addr>());
        (record.saddr, record.daddr) = (from.unwrap().octets(), to.unwrap().octets());
        let error = DecodeError::Unknown { field: "family", value: 4 };
        assert_eq!(decode(record.as_bytes(), &MACHINE).unwrap_err(), error);
        record.family = 6;
        let assignment = decode(record.as_bytes(), &MACHINE).unwrap().assignment;
        assert_eq!(assignment.flow.saddr, "2001:db8::1".parse::<IpAddr>().unwrap());
        assert_eq!(assignment.flow.daddr, "2001:db8::2".parse::<IpAddr>().ok());
        assert_eq!(assignment.flow.family(), Family::V6);
        record.family = 5;
        let error = DecodeError::Unknown { field: "family", value: 5 };
        assert_eq!(decode(record.as_bytes(), &MACHINE).unwrap_err(), error);
    }

    #[test]
    fn each_bit_tells_of_its_own_field() {
        let mut record = record();
        (record.cookie, record.cgroup_id, record.netns) = (11, 12, 13);
        (record.netns_low, record.netns_high) = (32_768, 60_999);
        record.comm[..2].copy_from_slice(b"as");
        let of = |bits: u32| {
            let record = AssignmentRecord { known: bits, ..record };
            decode(record.as_bytes(), &MACHINE).unwrap().assignment
        };
        let plain = of(0);
        let range = RangeInForce::of_netns(32_768, 60_999);
        let netns = FlowKey { netns: Some(13), ..plain.flow };
        for (bit, expected) in [
            (known::COOKIE, Assignment { cookie: Some(11), ..plain.clone() }),
            (known::CGROUP, Assignment { cgroup_id: Some(12), ..plain.clone() }),
            (known::COMM, Assignment { comm: Some(Comm::new("as")), ..plain.clone() }),
            (known::RANGE, Assignment { range: Some(range), ..plain.clone() }),
            (known::NETNS, Assignment { flow: netns, ..plain.clone() }),
            (known::DEFERRED, Assignment { latency_ns: None, ..plain.clone() }),
            (known::HASH_OFFSET | known::WORD_BEFORE | known::WORD_AFTER, plain.clone()),
        ] {
            assert_eq!(of(bit), expected, "bit {bit:#x}");
        }
    }

    #[test]
    fn secrets_are_what_the_record_knows() {
        let mut record = record();
        (record.hash_offset, record.word_before, record.word_after) = (1, 2, 3);
        record.step_width = 4;
        let of = |known: u32| {
            let record = AssignmentRecord { known, ..record };
            decode(record.as_bytes(), &MACHINE).unwrap().secrets
        };
        assert!(of(0) == SearchSecrets::new(None, (None, None), 4, false));
        assert!(of(known::HASH_OFFSET) == SearchSecrets::new(Some(1), (None, None), 4, false));
        assert!(of(known::WORD_BEFORE) == SearchSecrets::new(None, (Some(2), None), 4, false));
        assert!(of(known::WORD_AFTER) == SearchSecrets::new(None, (None, Some(3)), 4, false));
        assert!(of(known::RACED) == SearchSecrets::new(None, (None, None), 4, true));
    }

    #[test]
    fn the_epoch_is_of_the_search_s_start() {
        let mut record = record();
        // 1,000 s after boot at 250 Hz, at the start of the search: 2,500 jiffies are an epoch.
        record.jiffies = (1 << 32) - 300 * 250 + 1_000 * 250;
        record.latency_ns = 20_000_000_000;
        record.end_ns = 1_020_000_000_000;
        let epoch_of = |known: u32| {
            let record = AssignmentRecord { known, ..record };
            decode(record.as_bytes(), &MACHINE).unwrap().assignment.salt_epoch
        };
        assert_eq!(epoch_of(known::JIFFIES), Some(record.jiffies / 2_500));
        assert_eq!(epoch_of(0), None);
    }

    #[test]
    fn names_what_stands_for_nothing() {
        let mut record = record();
        record.origin = 77;
        let error = decode(record.as_bytes(), &MACHINE).unwrap_err();
        assert_eq!(error, DecodeError::Unknown { field: "origin", value: 77 });
        assert_eq!(decode(&[0; 3], &MACHINE).unwrap_err(), DecodeError::Size { got: 3 });
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes, &MACHINE);
        }

        #[test]
        fn any_record_gives_an_answer(
            bytes in prop::collection::vec(any::<u8>(), size_of::<AssignmentRecord>())
        ) {
            let _ = decode(&bytes, &MACHINE);
        }
    }
}
