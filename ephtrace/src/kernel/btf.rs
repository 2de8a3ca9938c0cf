//! BTF, the kernel's own description of its types: offsets of fields, parameters of functions.
//!
//! Hand-written, with only the queries of `kernel::offsets`: aya's reader keeps members private,
//! and other crates take ten times as long. Bytes come from outside, so nothing here indexes
//! unchecked or recurses without a bound.
//!
//! Format: <https://docs.kernel.org/bpf/btf.html>

use thiserror::Error;

/// Reason why BTF could not be read.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BtfError {
    /// Not BTF, or in the other byte order.
    #[error("not BTF of this byte order: it begins with {0:#06x}, not 0xeb9f")]
    Magic(u16),
    /// A length or offset points past the end.
    #[error("truncated: {what} at byte {at} is past the end")]
    Truncated {
        /// Item that was to be read.
        what: &'static str,
        /// Offset at which it should have been.
        at: usize,
    },
    /// A kind of type that this reader does not know, so that it can't find the next one.
    #[error("type {id} is of unknown kind {kind}")]
    Kind {
        /// Id of the type.
        id: usize,
        /// Kind of the type.
        kind: u32,
    },
}

const MAGIC: u16 = 0xeb9f;
/// Maximum depth: no chain of typedefs or nested anonymous members in a kernel is deeper.
const MAX_DEPTH: u32 = 32;

/// Maximum number of anonymous members of a structure; a damaged one may contain itself.
const MAX_ANONYMOUS: u32 = 1024;

mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const PTR: u32 = 2;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const FWD: u32 = 7;
    pub(super) const TYPEDEF: u32 = 8;
    pub(super) const VOLATILE: u32 = 9;
    pub(super) const CONST: u32 = 10;
    pub(super) const RESTRICT: u32 = 11;
    pub(super) const FUNC: u32 = 12;
    pub(super) const FUNC_PROTO: u32 = 13;
    pub(super) const VAR: u32 = 14;
    pub(super) const DATASEC: u32 = 15;
    pub(super) const FLOAT: u32 = 16;
    pub(super) const DECL_TAG: u32 = 17;
    pub(super) const TYPE_TAG: u32 = 18;
    pub(super) const ENUM64: u32 = 19;
}

/// A parsed BTF blob.
#[derive(Debug)]
pub struct Btf {
    data: Vec<u8>,
    /// Byte offset of each type; `types[0]` is type id 1.
    types: Vec<u32>,
    strings: usize,
}

/// Position of a member of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Offset in bytes from the start of the outermost structure.
    pub offset: u32,
    /// Size in bytes; 0 for a flexible array.
    pub size: u32,
}

/// Parameters and result of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Size of each parameter in bytes.
    pub params: Vec<u32>,
    /// True if the function returns nothing.
    pub returns_void: bool,
}

#[derive(Clone, Copy)]
struct Type {
    /// Byte offset behind the three common words.
    tail: usize,
    name: u32,
    kind: u32,
    count: usize,
    has_bitfields: bool,
    size_or_id: u32,
}

impl Btf {
    /// Parses `data`, and keeps it.
    pub fn parse(data: Vec<u8>) -> Result<Self, BtfError> {
        let magic = u16_at(&data, 0, "magic")?;
        if magic != MAGIC {
            return Err(BtfError::Magic(magic));
        }
        let header = usize_at(&data, 4, "header length")?;
        let types_at = header + usize_at(&data, 8, "type offset")?;
        let types_end = types_at + usize_at(&data, 12, "type length")?;
        let strings = header + usize_at(&data, 16, "string offset")?;
        let mut btf = Self { data, types: Vec::new(), strings };
        let mut at = types_at;
        while at < types_end {
            let ty = btf.read(at)?;
            btf.types.push(u32::try_from(at).unwrap_or(u32::MAX));
            at = ty.tail + btf.tail_len(&ty)?;
        }
        Ok(btf)
    }

    /// Returns the member at `path` (`skc_net.net`) of structure `name`, also in anonymous members.
    pub fn member(&self, name: &str, path: &str) -> Option<Member> {
        let (bits, id) = self.place(name, path)?;
        Some(Member { offset: bits / 8, size: self.size(id, 0)? })
    }

    /// Returns the offset of the member at `path` of structure `name`, in bits: for bit fields.
    pub fn bit(&self, name: &str, path: &str) -> Option<u32> {
        self.place(name, path).map(|(bits, _)| bits)
    }

    /// Returns the value of `name`, a constant of an enumeration of 32 bits.
    pub fn constant(&self, name: &str) -> Option<u32> {
        let all = self.types.iter().filter_map(|&at| self.read(usize::try_from(at).ok()?).ok());
        all.filter(|ty| ty.kind == kind::ENUM).find_map(|ty| {
            (0..ty.count).map(|i| ty.tail + 8 * i).find_map(|at| {
                let own = u32_at(&self.data, at, "constant").ok()?;
                let value = u32_at(&self.data, at + 4, "constant").ok()?;
                self.is_named(own, name).then_some(value)
            })
        })
    }

    /// Returns the bit offset and type of the member at `path` of structure `name`.
    fn place(&self, name: &str, path: &str) -> Option<(u32, u32)> {
        let mut id = self.find(name, &[kind::STRUCT])?;
        let mut bits: u32 = 0;
        for part in path.split('.') {
            let (offset, member) = self.member_of(id, part, 0, &mut 0)?;
            bits = bits.checked_add(offset)?;
            id = member;
        }
        Some((bits, id))
    }

    /// Returns the parameters and result of function `name`.
    pub fn function(&self, name: &str) -> Option<Function> {
        let function = self.get(self.find(name, &[kind::FUNC])?)?;
        let proto = self.get(function.size_or_id)?;
        if proto.kind != kind::FUNC_PROTO {
            return None;
        }
        let params = (0..proto.count)
            .map(|i| self.size(u32_at(&self.data, proto.tail + 8 * i + 4, "parameter").ok()?, 0))
            .collect::<Option<_>>()?;
        Some(Function { params, returns_void: proto.size_or_id == 0 })
    }

    fn find(&self, name: &str, kinds: &[u32]) -> Option<u32> {
        (1..=u32::try_from(self.types.len()).ok()?).find(|&id| {
            self.get(id).is_some_and(|ty| kinds.contains(&ty.kind) && self.is_named(ty.name, name))
        })
    }

    /// Returns the bit offset and type of member `name` of struct or union `id`, after `seen`
    /// others.
    fn member_of(&self, id: u32, name: &str, depth: u32, seen: &mut u32) -> Option<(u32, u32)> {
        let ty = self.strip(id)?;
        *seen += 1;
        let is_too_much = *seen > MAX_ANONYMOUS || depth > MAX_DEPTH;
        if is_too_much || !matches!(ty.kind, kind::STRUCT | kind::UNION) {
            return None;
        }
        (0..ty.count).find_map(|i| {
            let at = ty.tail + 12 * i;
            let member = u32_at(&self.data, at + 4, "member type").ok()?;
            let raw = u32_at(&self.data, at + 8, "member offset").ok()?;
            let bits = if ty.has_bitfields { raw & 0x00ff_ffff } else { raw };
            let own = u32_at(&self.data, at, "member name").ok()?;
            if own == 0 {
                let (inner, found) = self.member_of(member, name, depth + 1, seen)?;
                return Some((bits.checked_add(inner)?, found));
            }
            self.is_named(own, name).then_some((bits, member))
        })
    }

    /// Returns the size of type `id`, in bytes.
    fn size(&self, id: u32, depth: u32) -> Option<u32> {
        let ty = self.strip(id)?;
        match ty.kind {
            _ if depth > MAX_DEPTH => None,
            kind::PTR => Some(8),
            kind::ARRAY => {
                let element = u32_at(&self.data, ty.tail, "array").ok()?;
                let count = u32_at(&self.data, ty.tail + 8, "array length").ok()?;
                self.size(element, depth + 1)?.checked_mul(count)
            }
            kind::FWD | kind::FUNC | kind::FUNC_PROTO => None,
            _ => Some(ty.size_or_id),
        }
    }

    /// Returns the type behind typedefs and qualifiers.
    fn strip(&self, mut id: u32) -> Option<Type> {
        for _ in 0..MAX_DEPTH {
            let ty = self.get(id)?;
            match ty.kind {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    id = ty.size_or_id;
                }
                _ => return Some(ty),
            }
        }
        None
    }

    fn get(&self, id: u32) -> Option<Type> {
        let index = usize::try_from(id.checked_sub(1)?).ok()?;
        self.read(usize::try_from(*self.types.get(index)?).ok()?).ok()
    }

    fn read(&self, at: usize) -> Result<Type, BtfError> {
        let info = u32_at(&self.data, at + 4, "type")?;
        Ok(Type {
            tail: at + 12,
            name: u32_at(&self.data, at, "type")?,
            kind: (info >> 24) & 0x1f,
            count: usize::from(u16::try_from(info & 0xffff).unwrap_or(0)),
            has_bitfields: info >> 31 == 1,
            size_or_id: u32_at(&self.data, at + 8, "type")?,
        })
    }

    /// Returns the number of bytes that follow the three common words.
    fn tail_len(&self, ty: &Type) -> Result<usize, BtfError> {
        Ok(match ty.kind {
            kind::PTR
            | kind::FWD
            | kind::TYPEDEF
            | kind::VOLATILE
            | kind::CONST
            | kind::RESTRICT
            | kind::FUNC
            | kind::FLOAT
            | kind::TYPE_TAG => 0,
            kind::INT | kind::VAR | kind::DECL_TAG => 4,
            kind::ARRAY => 12,
            kind::ENUM | kind::FUNC_PROTO => 8 * ty.count,
            kind::STRUCT | kind::UNION | kind::DATASEC | kind::ENUM64 => 12 * ty.count,
            kind => return Err(BtfError::Kind { id: self.types.len() + 1, kind }),
        })
    }

    fn is_named(&self, offset: u32, name: &str) -> bool {
        let start = self.strings.saturating_add(usize::try_from(offset).unwrap_or(usize::MAX));
        let Some(rest) = self.data.get(start..) else { return false };
        rest.strip_prefix(name.as_bytes()).is_some_and(|after| after.first() == Some(&0))
    }
}

fn bytes_at<const N: usize>(
    data: &[u8],
    at: usize,
    what: &'static str,
) -> Result<[u8; N], BtfError> {
    let end = at.checked_add(N).ok_or(BtfError::Truncated { what, at })?;
    data.get(at..end)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or(BtfError::Truncated { what, at })
}

fn u16_at(data: &[u8], at: usize, what: &'static str) -> Result<u16, BtfError> {
    bytes_at(data, at, what).map(u16::from_ne_bytes)
}

fn u32_at(data: &[u8], at: usize, what: &'static str) -> Result<u32, BtfError> {
    bytes_at(data, at, what).map(u32::from_ne_bytes)
}

fn usize_at(data: &[u8], at: usize, what: &'static str) -> Result<usize, BtfError> {
    let value = u32_at(data, at, what)?;
    usize::try_from(value).map_err(|_| BtfError::Truncated { what, at })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns `struct s { int a; struct { int b; } [anonymous]; }`, `void f(int)`, `enum { K = 19
    /// }`.
    fn sample() -> Vec<u8> {
        let strings = b"\0s\0a\0b\0int\0f\0K\0";
        let types: &[u32] = &[
            7,
            1 << 24,
            4,
            32, // 1: int
            0,
            (4 << 24) | 1,
            4,
            5,
            1,
            0, // 2: struct { int b; }
            1,
            (4 << 24) | 2,
            8,
            3,
            1,
            0,
            0,
            2,
            32, // 3: struct s
            0,
            (13 << 24) | 1,
            0,
            0,
            1, // 4: void (int)
            11,
            12 << 24,
            4, // 5: f
            0,
            (6 << 24) | 1,
            4,
            13,
            19, // 6: enum
        ];
        let len = u32::try_from(types.len() * 4).unwrap();
        let mut data = vec![0x9f, 0xeb, 1, 0];
        for word in [24, 0, len, len, u32::try_from(strings.len()).unwrap()] {
            data.extend(u32::to_ne_bytes(word));
        }
        data.extend(types.iter().flat_map(|word| word.to_ne_bytes()));
        data.extend(strings);
        data
    }

    #[test]
    fn finds_members_through_anonymous_structures() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!(btf.member("s", "a"), Some(Member { offset: 0, size: 4 }));
        assert_eq!(btf.member("s", "b"), Some(Member { offset: 4, size: 4 }));
        assert_eq!(btf.member("s", "c"), None);
        assert_eq!(btf.member("t", "a"), None);
        assert_eq!((btf.bit("s", "b"), btf.bit("s", "c")), (Some(32), None));
    }

    #[test]
    fn knows_constants() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!((btf.constant("K"), btf.constant("int")), (Some(19), None));
    }

    #[test]
    fn describes_functions() {
        let btf = Btf::parse(sample()).unwrap();
        assert_eq!(btf.function("f"), Some(Function { params: vec![4], returns_void: true }));
        assert_eq!(btf.function("g"), None);
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(Btf::parse(vec![1, 2]).unwrap_err(), BtfError::Magic(0x0201));
        let mut short = sample();
        short.truncate(60);
        assert!(matches!(Btf::parse(short), Err(BtfError::Truncated { .. })));
    }

    proptest! {
        #[test]
        fn survives_any_change_of_bytes(
            changes in prop::collection::vec((0_usize..200, any::<u8>()), 1..8),
        ) {
            let mut data = sample();
            for (at, byte) in changes {
                let len = data.len();
                data[at % len] = byte;
            }
            if let Ok(btf) = Btf::parse(data) {
                let _ = btf.member("s", "b");
                let _ = btf.function("f");
                let _ = btf.constant("K");
            }
        }
    }
}
