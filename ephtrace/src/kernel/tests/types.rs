//! Hand-written kernel types, for tests.

use crate::kernel::btf::Btf;

/// Writes BTF (<https://docs.kernel.org/bpf/btf.html>), type by type; ids count from 1.
pub(in crate::kernel) struct Types {
    pub(in crate::kernel) words: Vec<u32>,
    pub(in crate::kernel) strings: Vec<u8>,
    pub(in crate::kernel) count: u32,
}

impl Types {
    pub(in crate::kernel) fn new() -> Self {
        Self { words: Vec::new(), strings: vec![0], count: 0 }
    }

    pub(in crate::kernel) fn string(&mut self, text: &str) -> u32 {
        let at = u32::try_from(self.strings.len()).unwrap();
        self.strings.extend(text.bytes().chain([0]));
        at
    }

    fn add(&mut self, words: &[u32]) -> u32 {
        self.words.extend(words);
        self.count += 1;
        self.count
    }

    /// Adds an integer of `bytes` bytes.
    pub(in crate::kernel) fn integer(&mut self, bytes: u32) -> u32 {
        self.add(&[0, 1 << 24, bytes, 8 * bytes])
    }

    /// Adds a structure, with the type of each member and the bit at which it begins.
    pub(in crate::kernel) fn structure(&mut self, name: &str, members: &[(&str, u32, u32)]) -> u32 {
        let name = self.string(name);
        let mut words = vec![name, 4 << 24 | u32::try_from(members.len()).unwrap(), 999];
        for (member, ty, bit) in members {
            words.extend([self.string(member), *ty, *bit]);
        }
        self.add(&words)
    }

    /// Adds a constant, the second one of an enumeration.
    pub(in crate::kernel) fn constant(&mut self, name: &str, value: u32) -> u32 {
        let (other, name) = (self.string("OTHER"), self.string(name));
        self.add(&[0, 6 << 24 | 2, 4, other, 77, name, value])
    }

    /// Adds a function, with the types of its parameters and that of its result, 0 for none.
    pub(in crate::kernel) fn function(&mut self, name: &str, params: &[u32], result: u32) {
        let mut words = vec![0, 13 << 24 | u32::try_from(params.len()).unwrap(), result];
        words.extend(params.iter().flat_map(|ty| [0, *ty]));
        let prototype = self.add(&words);
        let name = self.string(name);
        self.add(&[name, 12 << 24, prototype]);
    }

    pub(in crate::kernel) fn btf(self) -> Btf {
        let types = u32::try_from(4 * self.words.len()).unwrap();
        let strings = u32::try_from(self.strings.len()).unwrap();
        let mut data = vec![0x9f, 0xeb, 1, 0];
        let header = [24, 0, types, types, strings];
        data.extend(header.iter().chain(&self.words).flat_map(|word| word.to_ne_bytes()));
        data.extend(self.strings);
        Btf::parse(data).unwrap()
    }
}
