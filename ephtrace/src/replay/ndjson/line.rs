//! One line, walked key by key along the table of columns.

use std::{borrow::Cow, fmt, net::IpAddr};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor},
};

use crate::{
    model::{
        Draft,
        columns::{COLUMNS, NEEDED, Read},
    },
    replay::names,
};

/// Puts the values of a line into a draft, and says whether they are an assignment's: the line may
/// have a type, and that may be another.
pub(super) struct Line<'d>(pub(super) &'d mut Draft);

impl<'de> DeserializeSeed<'de> for Line<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Line<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let Self(draft) = self;
        draft.clear();
        let mut is_assignment = true;
        let mut seen = [false; COLUMNS.len()];
        let mut next = 0;
        while let Some(key) = map.next_key::<Text<'de>>()? {
            let key = key.as_str();
            if let Some(at) = position(key, next) {
                if std::mem::replace(&mut seen[at], true) {
                    return Err(A::Error::duplicate_field(COLUMNS[at].name));
                }
                next = at + 1;
                set(draft, COLUMNS[at].read, &mut map)?;
            } else if key == "type" {
                let kind = map.next_value::<Option<Text<'de>>>()?;
                is_assignment = kind.is_none_or(|kind| kind.as_str() == "assignment");
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        let is_missing = |name: &&str| !COLUMNS.iter().zip(seen).any(|(c, s)| s && c.name == *name);
        match NEEDED.into_iter().find(is_missing) {
            Some(name) => Err(A::Error::missing_field(name)),
            None => Ok(is_assignment),
        }
    }
}

/// The column called `key`, most likely the one at `next`: ephtrace itself writes them in order.
fn position(key: &str, next: usize) -> Option<usize> {
    let is_next = COLUMNS.get(next).is_some_and(|column| column.name == key);
    if is_next { Some(next) } else { COLUMNS.iter().position(|column| column.name == key) }
}

fn set<'de, A: MapAccess<'de>>(draft: &mut Draft, read: Read, map: &mut A) -> Result<(), A::Error> {
    match read {
        Read::Derived => {
            map.next_value::<IgnoredAny>()?;
        }
        Read::U64(set) => set(draft, map.next_value()?),
        Read::U32(set) => set(draft, map.next_value()?),
        Read::U16(set) | Read::Port(set) => set(draft, map.next_value()?),
        Read::I32(set) => set(draft, map.next_value()?),
        Read::Range(set) => set(draft, map.next_value()?),
        Read::Address(set) => set(draft, map.next_value::<Option<Address>>()?.map(|a| a.0)),
        Read::Text(set) => {
            set(draft, map.next_value::<Option<Text<'de>>>()?.as_ref().map(Text::as_str));
        }
    }
    Ok(())
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
