//! `&[u8]` → [`Decoded`]. Never panics, reads no clock.

use std::net::{IpAddr, Ipv6Addr};

use ephtrace_common::{AssignmentRecord, Hook, Origin, Protocol, known};
use thiserror::Error;
use zerocopy::FromBytes as _;

use super::jiffies;
use crate::{
    analyse::selection::SearchSecrets,
    model::{Assignment, Comm, FlowKey, PortRange, RangeInForce},
};

/// Why bytes are not an assignment.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Not the size of a record.
    #[error("a record has {} bytes, not {got}", size_of::<AssignmentRecord>())]
    Size {
        /// How many there are.
        got: usize,
    },
    /// A number that stands for nothing.
    #[error("{field} is {value}, which stands for nothing")]
    Unknown {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u16,
    },
}

/// One record: an assignment, and apart from it the secrets that must not reach an output.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The assignment, its search still unknown.
    pub assignment: Assignment,
    /// The state of the kernel's search, for `analyse::selection`.
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
        pid: Some(record.pid),
        tid: Some(record.tid),
        comm: is_known(known::COMM).then(|| Comm::from_kernel(record.comm)),
        uid: Some(record.uid),
        cgroup_id: is_known(known::CGROUP).then_some(record.cgroup_id),
        container: None,
        flow: flow(record)?,
        protocol: Some(protocol(record.protocol)?),
        origin: Some(origin(record.origin)?),
        sport: has_port.then_some(record.sport),
        errno: u16::try_from(record.errno).ok(),
        latency_ns: (!is_known(known::DEFERRED)).then_some(record.latency_ns),
        range: is_known(known::RANGE).then(|| {
            let netns = PortRange::new(record.netns_low, record.netns_high);
            let socket = PortRange::new(record.socket_low, record.socket_high);
            RangeInForce::narrowed(netns, (socket != PortRange::new(0, 0)).then_some(socket))
        }),
        salt_epoch: is_known(known::JIFFIES).then(|| salt_epoch(record)).flatten(),
        word_step: None,
        first_candidate: None,
        tried: None,
        pass: None,
        search_unknown: None,
        step: None,
        resalted: None,
        cookie: is_known(known::COOKIE).then_some(record.cookie),
        hook: Some(hook(record.hook)?),
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
        record.step_width,
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
    fn a_mapped_address_is_ipv4() {
        let assignment = decode(record().as_bytes(), &MACHINE).unwrap().assignment;
        assert_eq!(assignment.flow.daddr, "127.0.0.2".parse().ok());
        assert_eq!(assignment.flow.family(), 4);
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
        fn any_record_gives_an_answer(bytes in prop::collection::vec(any::<u8>(), 152)) {
            let _ = decode(&bytes, &MACHINE);
        }
    }
}
