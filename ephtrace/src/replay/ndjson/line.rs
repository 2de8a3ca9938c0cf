//! One line, read key by key along the table of columns.

use std::{borrow::Cow, fmt, net::IpAddr, sync::LazyLock};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor},
};

use crate::{
    model::{
        Draft,
        columns::{COLUMNS, NEEDED, RANGE_HIGH, RANGE_LOW, Read},
    },
    replay::names,
};

/// Stores the values of a line in a draft.
pub(super) struct Line<'d>(pub(super) &'d mut Draft);

impl<'de> DeserializeSeed<'de> for Line<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Line<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(draft) = self;
        let (mut seen, mut next) = (0_u64, 0);
        while let Some(key) = map.next_key_seed(Keys { next })? {
            match key {
                Key::Column(at) => {
                    let Some(column) = COLUMNS.get(at) else { continue };
                    if seen & (1 << at) != 0 {
                        return Err(A::Error::duplicate_field(column.name));
                    }
                    seen |= 1 << at;
                    next = at + 1;
                    set(draft, &column.read, &mut map)?;
                }
                Key::Range => {
                    let range: Option<(u16, u16)> = map.next_value()?;
                    let (low, high) = range.unzip();
                    draft.set_range(low, high);
                    seen |= ENDS.bits;
                    next = ENDS.next;
                }
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        if seen != ALL {
            let unseen = COLUMNS.iter().enumerate().filter(|(at, _)| seen & (1 << at) == 0);
            for (_, column) in unseen {
                if NEEDED.contains(&column.name) {
                    return Err(A::Error::missing_field(column.name));
                }
                forget(draft, &column.read);
            }
        }
        Ok(())
    }
}

/// Mask with a bit for each column.
const ALL: u64 = (1 << COLUMNS.len()) - 1;

/// Key of both ends of the range in one value, from recordings before each got a column of its own.
pub(super) const OLD_RANGE: &str = "range";

/// Positions of the columns of both ends of the range.
static ENDS: LazyLock<Ends> = LazyLock::new(|| {
    let names = [RANGE_LOW.name, RANGE_HIGH.name];
    let columns = COLUMNS.iter().enumerate().filter(|(_, column)| names.contains(&column.name));
    columns.fold(Ends { bits: 0, next: 0 }, |ends, (at, _)| Ends {
        bits: ends.bits | 1 << at,
        next: at + 1,
    })
});

struct Ends {
    /// Bits of the two columns.
    bits: u64,
    /// Position of the column behind them.
    next: usize,
}

/// Meaning of a key.
enum Key {
    Column(usize),
    /// [`OLD_RANGE`]: `[low, high]`.
    Range,
    Other,
}

/// Resolves a key: most likely the column at `next`, since ephtrace itself writes them in order.
struct Keys {
    next: usize,
}

impl<'de> DeserializeSeed<'de> for Keys {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Keys {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        if COLUMNS.get(self.next).is_some_and(|column| column.name == key) {
            return Ok(Key::Column(self.next));
        }
        if key == OLD_RANGE {
            return Ok(Key::Range);
        }
        let at = COLUMNS.iter().position(|column| column.name == key);
        Ok(at.map_or(Key::Other, Key::Column))
    }
}

/// Sets a column to unknown.
pub(super) fn forget(draft: &mut Draft, read: &Read) {
    match read {
        Read::Derived => {}
        Read::U64(set) => set(draft, None),
        Read::U32(set) => set(draft, None),
        Read::U16(set) | Read::Port(set) => set(draft, None),
        Read::I32(set) => set(draft, None),
        Read::Address(set) => set(draft, None),
        Read::Text(set) => set(draft, None),
    }
}

fn set<'de, A: MapAccess<'de>>(
    draft: &mut Draft,
    read: &Read,
    map: &mut A,
) -> Result<(), A::Error> {
    match read {
        Read::Derived => {
            map.next_value::<IgnoredAny>()?;
        }
        Read::U64(set) => set(draft, map.next_value()?),
        Read::U32(set) => set(draft, map.next_value()?),
        Read::U16(set) | Read::Port(set) => set(draft, map.next_value()?),
        Read::I32(set) => set(draft, map.next_value()?),
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

/// An address, parsed in place; an IPv4-mapped one becomes IPv4.
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
        let wrong = || E::custom(format_args!("'{text}' is not an IP address"));
        names::address(text).map(Address).ok_or_else(wrong)
    }
}
