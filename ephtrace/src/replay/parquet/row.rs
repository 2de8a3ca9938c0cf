//! One row, and what it means: the same as a line of NDJSON.

use std::{net::IpAddr, sync::Arc};

use super::columns::{Columns, Number, Text};
use crate::{
    model::{Assignment, Comm, Hook, Origin, Pass, Protocol, RangeSource, Unknown},
    replay::names,
};

/// What the texts of the last row mean: neighbours often share them.
#[derive(Default)]
pub(super) struct Words {
    saddr: Memo<Option<IpAddr>>,
    daddr: Memo<Option<IpAddr>>,
    comm: Memo<Option<Comm>>,
    protocol: Memo<Option<Protocol>>,
    origin: Memo<Option<Origin>>,
    range_source: Memo<Option<RangeSource>>,
    pass: Memo<Option<Pass>>,
    unknown: Memo<Option<Unknown>>,
    hook: Memo<Option<Hook>>,
    container: Option<Arc<str>>,
}

/// The last text and what it means.
#[derive(Default)]
struct Memo<T> {
    text: Vec<u8>,
    meaning: T,
}

impl<T: Copy + Default> Memo<T> {
    /// What `text` means; nothing if there is none.
    fn of(&mut self, text: Option<&[u8]>, parse: impl FnOnce(&str) -> T) -> T {
        let Some(text) = text else { return T::default() };
        if self.text != text || text.is_empty() {
            self.meaning = std::str::from_utf8(text).map(parse).unwrap_or_default();
            self.text.clear();
            self.text.extend_from_slice(text);
        }
        self.meaning
    }
}

/// The assignment of a row, or what is wrong with it.
pub(super) fn assignment(
    columns: &Columns,
    row: usize,
    words: &mut Words,
) -> Result<Assignment, String> {
    let cells = Cells { columns, row };
    let sport = cells.port("sport", Number::Sport)?.filter(|&port| port != 0);
    let errno = cells.small(Number::Errno);
    if sport.is_none() && errno == Some(0) {
        return Err("no port (`sport`), but no error (`errno`) either".to_owned());
    }
    let saddr = cells.address("saddr", Text::Saddr, &mut words.saddr)?;
    let daddr = cells.address("daddr", Text::Daddr, &mut words.daddr)?;
    let dport = cells.port("dport", Number::Dport)?;
    let source = words
        .range_source
        .of(cells.text(Text::RangeSource), |text| Some(names::range_source(text)))
        .unwrap_or(RangeSource::Netns);
    let range = cells.small(Number::RangeLow).zip(cells.small(Number::RangeHigh));
    let container = cells.text(Text::Container).and_then(|text| std::str::from_utf8(text).ok());
    Ok(Assignment {
        ts_ns: cells.bits(Number::TsNs).ok_or("no time (`ts_ns`)")?,
        pid: cells.small(Number::Pid),
        tid: cells.small(Number::Tid),
        comm: words.comm.of(cells.text(Text::Comm), |text| Some(Comm::new(text))),
        uid: cells.small(Number::Uid),
        cgroup_id: cells.bits(Number::CgroupId),
        container: container.map(|name| names::shared(name, &mut words.container)),
        flow: names::flow(cells.small(Number::Netns), saddr, daddr, dport),
        protocol: words.protocol.of(cells.text(Text::Protocol), names::protocol),
        origin: words.origin.of(cells.text(Text::Origin), names::origin),
        sport,
        errno,
        latency_ns: cells.bits(Number::LatencyNs),
        range: range.and_then(|ends| names::range(ends, source)),
        word_step: None,
        salt_epoch: cells.bits(Number::SaltEpoch),
        first_candidate: cells.small(Number::FirstCandidate),
        tried: cells.small(Number::Tried),
        pass: words.pass.of(cells.text(Text::Pass), names::pass),
        search_unknown: words.unknown.of(cells.text(Text::SearchUnknown), names::unknown),
        step: cells.small(Number::Step),
        resalted: None,
        cookie: cells.bits(Number::Cookie),
        hook: words.hook.of(cells.text(Text::Hook), names::hook),
    })
}

/// The values of one row.
#[derive(Clone, Copy)]
struct Cells<'a> {
    columns: &'a Columns,
    row: usize,
}

impl<'a> Cells<'a> {
    fn text(self, text: Text) -> Option<&'a [u8]> {
        self.columns.text(text, self.row)
    }

    /// 64 bits without a sign.
    fn bits(self, number: Number) -> Option<u64> {
        self.columns.number(number, self.row).map(i64::cast_unsigned)
    }

    /// Nothing if it is larger than it can be.
    fn small<T: TryFrom<i64>>(self, number: Number) -> Option<T> {
        self.columns.number(number, self.row).and_then(|n| T::try_from(n).ok())
    }

    fn port(self, name: &str, number: Number) -> Result<Option<u16>, String> {
        let port = self.columns.number(number, self.row).map(u16::try_from).transpose();
        port.map_err(|_| format!("`{name}` is not from 0 to 65535"))
    }

    fn address(
        self,
        name: &str,
        text: Text,
        memo: &mut Memo<Option<IpAddr>>,
    ) -> Result<Option<IpAddr>, String> {
        let Some(bytes) = self.text(text) else { return Ok(None) };
        let wrong = || {
            let text: String = String::from_utf8_lossy(bytes).chars().take(60).collect();
            format!("`{name}` '{}' is no IP address", text.escape_debug())
        };
        memo.of(Some(bytes), names::address).map(Some).ok_or_else(wrong)
    }
}
