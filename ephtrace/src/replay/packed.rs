//! Compact encoding of assignments, for a spool that only this process writes and reads: some 40
//! bytes for a row of a flow log, 120 with all fields.
//!
//! ```text
//! time · which numbers are known · those numbers · addresses · names
//! ```

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use crate::model::{
    Assignment, Comm, FlowKey, Hook, Origin, Pass, PortRange, Protocol, RangeInForce, RangeSource,
    Unknown, task_names::Names,
};

/// Number of numeric fields.
const NUMBERS: usize = 25;

/// Appends `assignment` to `out`.
pub(super) fn pack(assignment: &Assignment, out: &mut Vec<u8>) {
    number(assignment.ts_ns, out);
    let numbers = numbers(assignment);
    let known = numbers.iter().enumerate().filter(|(_, n)| n.is_some());
    number(known.map(|(index, _)| 1_u64 << index).sum(), out);
    numbers.into_iter().flatten().for_each(|n| number(n, out));
    address(Some(assignment.flow.saddr), out);
    address(assignment.flow.daddr, out);
    text(assignment.comm.as_ref().map(Comm::as_str), out);
    text(assignment.container.as_deref(), out);
    let no_names = Names::default();
    let names = assignment.names.as_deref().unwrap_or(&no_names);
    for name in [&names.container_name, &names.image, &names.pod, &names.pod_namespace, &names.unit]
    {
        text(name.as_deref(), out);
    }
}

/// Decodes the first assignment of `bytes`; `None` if there is no whole one.
pub(super) fn unpack(bytes: &mut &[u8]) -> Option<Assignment> {
    let ts_ns = take_number(bytes)?;
    let known = take_number(bytes)?;
    let mut numbers = [None; NUMBERS];
    for (index, n) in numbers.iter_mut().enumerate() {
        if known >> index & 1 == 1 {
            *n = Some(take_number(bytes)?);
        }
    }
    let (saddr, daddr) = (take_address(bytes)??, take_address(bytes)?);
    let comm = take_text(bytes)?.map(Comm::new);
    let container = take_text(bytes)?.map(Arc::from);
    let mut name = || take_text(bytes).map(|text| text.map(Arc::from));
    let names = Names {
        container_name: name()?,
        image: name()?,
        pod: name()?,
        pod_namespace: name()?,
        unit: name()?,
    };
    let names = (!names.is_empty()).then(|| Arc::new(names));
    let flow = FlowKey { netns: None, saddr, daddr, dport: None };
    Some(Assignment { ts_ns, comm, container, names, ..from_numbers(&numbers, flow) })
}

fn numbers(a: &Assignment) -> [Option<u64>; NUMBERS] {
    let small = |n: Option<u16>| n.map(u64::from);
    let medium = |n: Option<u32>| n.map(u64::from);
    let index = |all: &[Unknown], one: Unknown| all.iter().position(|&u| u == one);
    [
        medium(a.pid),
        medium(a.tid),
        medium(a.uid),
        a.cgroup_id,
        medium(a.flow.netns),
        small(a.flow.dport),
        a.protocol.map(|protocol| protocol.to_wire().into()),
        a.origin.map(|origin| origin.to_wire().into()),
        small(a.sport),
        small(a.errno),
        a.latency_ns,
        a.range.map(|range| range.ports.low.into()),
        a.range.map(|range| range.ports.high.into()),
        a.range.map(|range| range.is_by_socket().into()),
        medium(a.word_step),
        a.salt_epoch,
        small(a.first_candidate),
        medium(a.tried),
        a.pass.map(|pass| (pass == Pass::Second).into()),
        a.search_unknown.and_then(|one| index(&Unknown::ALL, one)).map(|index| index as u64),
        a.step.map(|step| u64::from(step.cast_unsigned())),
        a.cookie,
        a.hook.map(|hook| hook.to_wire().into()),
        medium(a.host_pid),
        Some(u64::from(a.recording) << 1 | u64::from(a.is_another)).filter(|source| *source > 0),
    ]
}

fn from_numbers(numbers: &[Option<u64>; NUMBERS], flow: FlowKey) -> Assignment {
    let [
        pid,
        tid,
        uid,
        cgroup_id,
        netns,
        dport,
        protocol,
        origin,
        sport,
        errno,
        latency_ns,
        low,
        high,
        by_socket,
        word_step,
        salt_epoch,
        first_candidate,
        tried,
        pass,
        search_unknown,
        step,
        cookie,
        hook,
        host_pid,
        source,
    ] = *numbers;
    let range = fit(low).zip(fit(high)).map(|(low, high)| RangeInForce {
        ports: PortRange::new(low, high),
        source: if by_socket == Some(1) { RangeSource::Socket } else { RangeSource::Netns },
    });
    let unknown = |index| usize::try_from(index).ok().and_then(|i| Unknown::ALL.get(i).copied());
    Assignment {
        pid: fit(pid),
        host_pid: fit(host_pid),
        tid: fit(tid),
        uid: fit(uid),
        cgroup_id,
        flow: FlowKey { netns: fit(netns), dport: fit(dport), ..flow },
        protocol: fit(protocol).and_then(Protocol::from_wire),
        origin: fit(origin).and_then(Origin::from_wire),
        sport: fit(sport),
        errno: fit(errno),
        latency_ns,
        range,
        word_step: fit(word_step),
        salt_epoch,
        first_candidate: fit(first_candidate),
        tried: fit(tried),
        pass: pass.map(|second| if second == 1 { Pass::Second } else { Pass::First }),
        search_unknown: search_unknown.and_then(unknown),
        step: fit(step).map(u32::cast_signed),
        cookie,
        hook: fit(hook).and_then(Hook::from_wire),
        recording: fit(source.map(|source| source >> 1)).unwrap_or_default(),
        is_another: source.is_some_and(|source| source & 1 == 1),
        ..Assignment::default()
    }
}

fn fit<T: TryFrom<u64>>(n: Option<u64>) -> Option<T> {
    n.and_then(|n| T::try_from(n).ok())
}

/// Encodes seven bits a byte, the lowest first; the top bit marks that more follow.
fn number(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    out.push(n.to_le_bytes()[0]);
}

/// Decodes the number at the beginning of `bytes`; bits beyond 64 are lost. Pages of Parquet have
/// such numbers, too.
pub(super) fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = *bytes.split_off_first()?;
        n |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(n);
        }
    }
    None
}

fn address(address: Option<IpAddr>, out: &mut Vec<u8>) {
    match address {
        None => out.push(0),
        Some(IpAddr::V4(v4)) => {
            out.push(4);
            out.extend_from_slice(&v4.octets());
        }
        Some(IpAddr::V6(v6)) => {
            out.push(6);
            out.extend_from_slice(&v6.octets());
        }
    }
}

/// Decodes an address. The outer `None` is a premature end.
#[expect(clippy::option_option, reason = "an end in the middle is not an unknown address")]
fn take_address(bytes: &mut &[u8]) -> Option<Option<IpAddr>> {
    match bytes.split_off_first()? {
        0 => Some(None),
        4 => {
            let (octets, rest) = bytes.split_first_chunk::<4>()?;
            *bytes = rest;
            Some(Some(Ipv4Addr::from(*octets).into()))
        }
        _ => {
            let (octets, rest) = bytes.split_first_chunk::<16>()?;
            *bytes = rest;
            Some(Some(Ipv6Addr::from(*octets).into()))
        }
    }
}

/// Encodes the length plus one, and the text; zero for none.
fn text(text: Option<&str>, out: &mut Vec<u8>) {
    number(text.map_or(0, |text| text.len() as u64 + 1), out);
    out.extend_from_slice(text.unwrap_or_default().as_bytes());
}

/// Decodes a text. The outer `None` is a premature end.
#[expect(clippy::option_option, reason = "an end in the middle is not an unknown name")]
fn take_text<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a str>> {
    let Some(len) = take_number(bytes)?.checked_sub(1) else { return Some(None) };
    let text = bytes.split_off(..usize::try_from(len).ok()?)?;
    std::str::from_utf8(text).ok().map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn comes_back(assignment: &Assignment) -> bool {
        let mut bytes = Vec::new();
        pack(assignment, &mut bytes);
        let whole = bytes.clone();
        bytes.extend_from_slice(b"next");
        let mut rest = &*bytes;
        let is_same = unpack(&mut rest).as_ref() == Some(assignment) && rest == b"next";
        is_same && (0..whole.len()).all(|len| unpack(&mut &whole[..len]).is_none())
    }

    fn full() -> Assignment {
        Assignment {
            ts_ns: u64::MAX,
            pid: Some(u32::MAX),
            tid: Some(0),
            comm: Some(Comm::new("日本語")),
            uid: Some(1000),
            cgroup_id: Some(u64::MAX),
            container: Some("0123456789ab".into()),
            names: Some(Names::full()),
            flow: FlowKey {
                netns: Some(u32::MAX),
                saddr: "10.0.0.1".parse().unwrap(),
                daddr: Some("2001:db8::1".parse().unwrap()),
                dport: Some(443),
            },
            protocol: Some(Protocol::Mptcp),
            origin: Some(Origin::Sctp),
            sport: Some(u16::MAX),
            errno: Some(0),
            latency_ns: Some(u64::MAX),
            range: Some(RangeInForce::of_socket(0, u16::MAX)),
            word_step: Some(u32::MAX),
            salt_epoch: Some(u64::MAX),
            first_candidate: Some(1),
            tried: Some(u32::MAX),
            pass: Some(Pass::Second),
            search_unknown: Some(Unknown::RandomStart),
            step: Some(i32::MIN),
            resalted: None,
            cookie: Some(u64::MAX),
            hook: Some(Hook::SockOps),
            host_pid: Some(4_194_304),
            recording: u32::MAX,
            is_another: true,
        }
    }

    #[test]
    fn all_fields_and_none_come_back() {
        assert!(comes_back(&full()));
        assert!(comes_back(&Assignment::default()));
        let range = Some(RangeInForce::of_netns(32_768, 60_999));
        assert!(comes_back(&Assignment { range, pass: Some(Pass::First), ..full() }));
    }

    proptest! {
        #[test]
        fn any_numbers_come_back(
            ts_ns: u64, pid: Option<u32>, step: Option<i32>, sport: Option<u16>,
            cookie: Option<u64>, saddr: [u8; 16], name in "\\PC{0,8}", errno: Option<u16>,
        ) {
            let flow = FlowKey { saddr: saddr.into(), ..full().flow };
            let comm = Some(Comm::new(&name));
            let one = Assignment { ts_ns, pid, comm, flow, sport, errno, step, cookie, ..full() };
            prop_assert!(comes_back(&one));
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = unpack(&mut &*bytes);
        }
    }
}
