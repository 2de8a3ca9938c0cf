//! Output of `bpftool btf dump … format raw` about the kernel's types: a reader of BTF that is not
//! ours.

use std::collections::HashMap;

use anyhow::{Context as _, Result};

/// All types, by their id.
pub(crate) struct Dump(HashMap<u32, Type>);

/// One type: its kind, its name and its attributes.
struct Type {
    kind: String,
    name: String,
    facts: HashMap<String, String>,
    /// Members, parameters or constants.
    parts: Vec<Part>,
}

struct Part {
    name: String,
    facts: HashMap<String, String>,
}

impl Dump {
    /// Reads the lines of a dump: a type begins with `[`, its parts with a tab.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let mut types = HashMap::new();
        let mut last = 0;
        for line in text.lines() {
            if let Some(part) = line.strip_prefix('\t') {
                // Parts of a section have no names, and no structure contains them.
                let Some((name, facts)) = named(part) else { continue };
                let ty: &mut Type = types.get_mut(&last).with_context(|| line.to_owned())?;
                ty.parts.push(Part { name, facts });
            } else if let Some((id, rest)) = line.strip_prefix('[').and_then(|l| l.split_once("] "))
            {
                last = id.parse()?;
                let (kind, rest) = rest.split_once(' ').with_context(|| line.to_owned())?;
                let (name, facts) = named(rest).with_context(|| line.to_owned())?;
                types.insert(last, Type { kind: kind.to_owned(), name, facts, parts: Vec::new() });
            }
        }
        Ok(Self(types))
    }

    /// Returns the bit offset of the member at `path` of a structure.
    pub(crate) fn bit(&self, structure: &str, path: &str) -> Option<u32> {
        Some(self.member(structure, path)?.0)
    }

    /// Returns its size in bytes.
    pub(crate) fn size(&self, structure: &str, path: &str) -> Option<u32> {
        self.size_of(self.member(structure, path)?.1)
    }

    /// Returns the value of an enumeration constant.
    pub(crate) fn constant(&self, name: &str) -> Option<u32> {
        let mut constants = self.of_kind("ENUM").flat_map(|ty| &ty.parts);
        number(&constants.find(|part| part.name == name)?.facts, "val")
    }

    /// Returns the sizes of a function's parameters, and true if it returns a value.
    pub(crate) fn function(&self, name: &str) -> Option<(Vec<u32>, bool)> {
        let function = self.of_kind("FUNC").find(|ty| ty.name == name)?;
        let prototype = self.0.get(&number(&function.facts, "type_id")?)?;
        let size = |part: &Part| self.size_of(number(&part.facts, "type_id")?);
        let sizes = prototype.parts.iter().map(size).collect::<Option<_>>()?;
        Some((sizes, number(&prototype.facts, "ret_type_id")? != 0))
    }

    fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Type> {
        self.0.values().filter(move |ty| ty.kind == kind)
    }

    /// Returns the bit offset and the type of a member.
    fn member(&self, structure: &str, path: &str) -> Option<(u32, u32)> {
        let is_it = |(_, ty): &(&u32, &Type)| ty.kind == "STRUCT" && ty.name == structure;
        let (&id, _) = self.0.iter().filter(is_it).min_by_key(|(id, _)| **id)?;
        path.split('.').try_fold((0, id), |(bits, id), part| {
            let (more, id) = self.member_of(id, part)?;
            Some((bits + more, id))
        })
    }

    fn member_of(&self, id: u32, name: &str) -> Option<(u32, u32)> {
        let ty = self.0.get(&self.behind(id)?)?;
        ty.parts.iter().find_map(|part| {
            let bits = number(&part.facts, "bits_offset")?;
            let id = number(&part.facts, "type_id")?;
            if part.name == "(anon)" {
                let (more, id) = self.member_of(id, name)?;
                return Some((bits + more, id));
            }
            (part.name == name).then_some((bits, id))
        })
    }

    /// Returns the type behind qualifiers and typedefs.
    fn behind(&self, id: u32) -> Option<u32> {
        let ty = self.0.get(&id)?;
        match ty.kind.as_str() {
            "TYPEDEF" | "CONST" | "VOLATILE" | "RESTRICT" | "TYPE_TAG" => {
                self.behind(number(&ty.facts, "type_id")?)
            }
            _ => Some(id),
        }
    }

    fn size_of(&self, id: u32) -> Option<u32> {
        let ty = self.0.get(&self.behind(id)?)?;
        match ty.kind.as_str() {
            "PTR" => Some(8),
            "ARRAY" => {
                let element = self.size_of(number(&ty.facts, "type_id")?)?;
                Some(element * number(&ty.facts, "nr_elems")?)
            }
            _ => number(&ty.facts, "size"),
        }
    }
}

/// Parses `'NAME' KEY=VALUE …`.
fn named(text: &str) -> Option<(String, HashMap<String, String>)> {
    let (name, rest) = text.strip_prefix('\'')?.split_once('\'')?;
    let pairs = rest.split_whitespace().filter_map(|pair| pair.split_once('='));
    let facts = pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Some((name.to_owned(), facts))
}

fn number(facts: &HashMap<String, String>, key: &str) -> Option<u32> {
    facts.get(key)?.parse().ok()
}
