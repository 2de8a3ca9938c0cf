//! Edges between the files of one target, and circles among them.
//!
//! An edge leads from a file that names an item (in a `use` declaration or by an inline path) to
//! the file that defines it: re-exports are followed. An import counts only if its file uses the
//! name itself, so that a `mod.rs` that re-exports its children's items imports none of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{Import, Modules};

/// Maximum number of re-exports that are followed, in case two of them name each other.
const MAX_REEXPORTS: usize = 16;

/// An edge: file, file, and the path by which the second is named.
pub(crate) type Edge = (String, String, String);

/// Meaning of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// An item defined in this module.
    Item(usize),
    /// A module.
    Module(usize),
    /// A path into another crate.
    Outside(Vec<String>),
}

/// All names used in a target's files.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// Edges between files of this target.
    pub(crate) edges: BTreeSet<Edge>,
    /// Module path of each file of this target.
    pub(crate) modules: BTreeMap<String, Vec<String>>,
    /// Paths into other crates, by file.
    pub(crate) outside: BTreeSet<(String, Vec<String>)>,
    /// Traits and their files.
    pub(crate) traits: Vec<(String, String)>,
}

impl Graph {
    pub(crate) fn of(modules: &Modules) -> Self {
        let mut graph = Self::default();
        for id in 0..modules.all.len() {
            graph.add(modules, id);
        }
        graph
    }

    fn add(&mut self, modules: &Modules, id: usize) {
        let module = &modules.all[id];
        let path = modules.path(id).into_iter().map(str::to_owned).collect();
        self.modules.entry(module.file.clone()).or_insert(path);
        self.traits.extend(module.traits.iter().map(|name| (name.clone(), module.file.clone())));
        for import in &module.imports {
            if import.glob {
                self.glob(modules, id, &import.path);
            } else if import.name == "_" || module.identifiers.contains(&import.name) {
                self.edge(modules, id, &import.path);
            }
        }
        for path in &module.paths {
            self.edge(modules, id, path);
        }
    }

    fn edge(&mut self, modules: &Modules, id: usize, path: &[String]) {
        let file = &modules.all[id].file;
        match resolve(modules, id, path, MAX_REEXPORTS) {
            Some(Target::Item(to)) if modules.all[to].file != *file => {
                let edge = (file.clone(), modules.all[to].file.clone(), path.join("::"));
                self.edges.insert(edge);
            }
            Some(Target::Outside(path)) => {
                self.outside.insert((file.clone(), path));
            }
            _ => {}
        }
    }

    fn glob(&mut self, modules: &Modules, id: usize, path: &[String]) {
        let Some(Target::Module(from)) = resolve(modules, id, path, MAX_REEXPORTS) else {
            self.edge(modules, id, path);
            return;
        };
        let names = modules.all[id].identifiers.iter();
        let paths = names.map(|name| [path, std::slice::from_ref(name)].concat());
        for path in paths.filter(|path| defines(modules, from, &path[path.len() - 1])) {
            self.edge(modules, id, &path);
        }
    }
}

fn defines(modules: &Modules, id: usize, name: &String) -> bool {
    let module = &modules.all[id];
    module.items.contains(name) || module.imports.iter().any(|import| import.name == *name)
}

/// Returns the meaning of `path` in module `id`; `None` if this crate has no such name.
fn resolve(modules: &Modules, id: usize, path: &[String], depth: usize) -> Option<Target> {
    let depth = depth.checked_sub(1)?;
    let mut at = Some(Target::Module(id));
    let mut rest = path;
    while let [name, tail @ ..] = rest {
        let Some(Target::Module(module)) = at else { break };
        at = match &**name {
            "crate" => Some(Target::Module(0)),
            "self" => Some(Target::Module(module)),
            "super" => modules.all[module].parent.map(Target::Module),
            _ if rest.len() == path.len() => lookup(modules, module, name, tail.is_empty(), depth)
                .or_else(|| Some(Target::Outside(vec![name.clone()]))),
            // An unknown name comes from a macro in that module.
            _ => {
                lookup(modules, module, name, tail.is_empty(), depth).or(Some(Target::Item(module)))
            }
        };
        rest = tail;
    }
    match at {
        Some(Target::Outside(mut start)) => {
            start.extend(rest.iter().cloned());
            Some(Target::Outside(start))
        }
        at => at,
    }
}

fn lookup(modules: &Modules, id: usize, name: &str, last: bool, depth: usize) -> Option<Target> {
    let module = &modules.all[id];
    let child = module.children.get(name).copied().map(Target::Module);
    let item = module.items.contains(name).then_some(Target::Item(id));
    let own = if last { item.or(child) } else { child.or(item) };
    own.or_else(|| {
        let mut named = module.imports.iter().filter(|import| !import.glob && import.name == name);
        named.find_map(|import| imported(modules, id, import, depth))
    })
    .or_else(|| {
        module.imports.iter().filter(|import| import.glob).find_map(|import| {
            match resolve(modules, id, &import.path, depth)? {
                Target::Module(from) if from != id => {
                    lookup(modules, from, name, last, depth.checked_sub(1)?)
                }
                _ => None,
            }
        })
    })
}

fn imported(modules: &Modules, id: usize, import: &Import, depth: usize) -> Option<Target> {
    // `use fs;` style imports of a crate name themselves: the crate is outside.
    if import.path.len() == 1 && import.path[0] == import.name {
        return Some(Target::Outside(import.path.clone()));
    }
    resolve(modules, id, &import.path, depth)
}

/// Returns groups of nodes that all lead to each other, each group sorted.
pub(crate) fn circles(edges: &BTreeSet<(String, String)>) -> Vec<Vec<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().push(to);
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        next.keys().map(|from| (*from, reachable(&next, from))).collect();
    let together =
        |a: &str, b: &str| reach[a].contains(b) && reach.get(b).is_some_and(|r| r.contains(a));
    let mut groups: Vec<Vec<String>> = Vec::new();
    for from in next.keys().filter(|from| reach[**from].contains(**from)) {
        match groups.iter_mut().find(|group| together(&group[0], from)) {
            Some(group) => group.push((*from).to_owned()),
            None => groups.push(vec![(*from).to_owned()]),
        }
    }
    groups
}

fn reachable<'a>(next: &BTreeMap<&'a str, Vec<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut waiting = next.get(from).cloned().unwrap_or_default();
    while let Some(node) = waiting.pop() {
        if seen.insert(node) {
            waiting.extend(next.get(node).into_iter().flatten());
        }
    }
    seen
}
