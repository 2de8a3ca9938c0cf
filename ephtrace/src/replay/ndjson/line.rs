//! One line as serde reads it, and what it means.

use std::{borrow::Cow, fmt, net::IpAddr, sync::Arc};

use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use crate::{
    model::{Assignment, Comm, RangeSource},
    replay::names,
};

/// The keys that are read. What has a `deserialize_with` must be there, if only as null.
#[derive(Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow, default)]
    r#type: Option<Text<'a>>,
    ts_ns: u64,
    #[serde(default)]
    pid: Option<u32>,
    #[serde(default)]
    tid: Option<u32>,
    #[serde(borrow, default)]
    comm: Option<Text<'a>>,
    #[serde(default)]
    uid: Option<u32>,
    #[serde(default)]
    netns: Option<u32>,
    #[serde(default)]
    cgroup_id: Option<u64>,
    #[serde(borrow, default)]
    container: Option<Text<'a>>,
    #[serde(borrow, default)]
    protocol: Option<Text<'a>>,
    #[serde(borrow, default)]
    origin: Option<Text<'a>>,
    #[serde(deserialize_with = "Option::deserialize")]
    saddr: Option<Address>,
    #[serde(deserialize_with = "Option::deserialize")]
    sport: Option<u16>,
    #[serde(deserialize_with = "Option::deserialize")]
    daddr: Option<Address>,
    #[serde(deserialize_with = "Option::deserialize")]
    dport: Option<u16>,
    #[serde(default)]
    errno: Option<u16>,
    #[serde(default)]
    latency_ns: Option<u64>,
    #[serde(default)]
    range: Option<(u16, u16)>,
    #[serde(borrow, default)]
    range_source: Option<Text<'a>>,
    #[serde(default)]
    salt_epoch: Option<u64>,
    #[serde(default)]
    first_candidate: Option<u16>,
    #[serde(default)]
    tried: Option<u32>,
    #[serde(borrow, default)]
    pass: Option<Text<'a>>,
    #[serde(borrow, default)]
    search_unknown: Option<Text<'a>>,
    #[serde(default)]
    step: Option<i32>,
    #[serde(default)]
    cookie: Option<u64>,
    #[serde(borrow, default)]
    hook: Option<Text<'a>>,
}

impl Line<'_> {
    /// It has a type, and that is not `assignment`.
    pub(super) fn is_other(&self) -> bool {
        self.r#type.as_ref().is_some_and(|kind| kind.as_str() != "assignment")
    }

    /// What it means, or what is wrong with it.
    pub(super) fn assignment(self, last: &mut Option<Arc<str>>) -> Result<Assignment, String> {
        // Nobody is given port 0.
        let sport = self.sport.filter(|&port| port != 0);
        if sport.is_none() && self.errno == Some(0) {
            return Err("no port (`sport`), but no error (`errno`) either".into());
        }
        let source =
            self.range_source.map_or(RangeSource::Netns, |name| names::range_source(name.as_str()));
        let container = self.container.map(|name| names::shared(name.as_str(), last));
        Ok(Assignment {
            ts_ns: self.ts_ns,
            pid: self.pid,
            tid: self.tid,
            comm: self.comm.map(|comm| Comm::new(comm.as_str())),
            uid: self.uid,
            cgroup_id: self.cgroup_id,
            container,
            flow: names::flow(
                self.netns,
                self.saddr.map(|a| a.0),
                self.daddr.map(|a| a.0),
                self.dport,
            ),
            protocol: self.protocol.and_then(|text| names::protocol(text.as_str())),
            origin: self.origin.and_then(|text| names::origin(text.as_str())),
            sport,
            errno: self.errno,
            latency_ns: self.latency_ns,
            range: self.range.and_then(|ends| names::range(ends, source)),
            word_step: None,
            salt_epoch: self.salt_epoch,
            first_candidate: self.first_candidate,
            tried: self.tried,
            pass: self.pass.and_then(|text| names::pass(text.as_str())),
            search_unknown: self.search_unknown.and_then(|text| names::unknown(text.as_str())),
            step: self.step,
            resalted: None,
            cookie: self.cookie,
            hook: self.hook.and_then(|text| names::hook(text.as_str())),
        })
    }
}

/// Text that is borrowed from the line unless it has escapes; serde alone would copy it.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An address, parsed where it stands; one of IPv4 in IPv6 becomes one of IPv4.
struct Address(IpAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AddressVisitor)
    }
}

struct AddressVisitor;

impl Visitor<'_> for AddressVisitor {
    type Value = Address;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an IP address")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Address, E> {
        let wrong = || E::custom(format_args!("'{text}' is no IP address"));
        names::address(text).map(Address).ok_or_else(wrong)
    }
}
