//! The modules of one target, parsed from its tokens: definitions, imports and names.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter::Peekable,
};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree, token_stream};

use crate::sources::Sources;

type Tokens = Peekable<token_stream::IntoIter>;

/// Keywords that the name of an item follows.
const ITEMS: [&str; 9] =
    ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "macro_rules"];

/// Words between such a keyword and the name.
const QUALIFIERS: [&str; 5] = ["unsafe", "async", "extern", "mut", "fn"];

/// One name that a `use` declaration brings into scope.
#[derive(Debug)]
pub(crate) struct Import {
    /// Path as written.
    pub(crate) path: Vec<String>,
    /// Name in scope; `_` for a trait without one.
    pub(crate) name: String,
    /// True if it imports everything in that module.
    pub(crate) glob: bool,
}

/// A module, in its own file or inline.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) file: String,
    pub(crate) parent: Option<usize>,
    pub(crate) children: BTreeMap<String, usize>,
    pub(crate) items: BTreeSet<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths of at least two segments outside of `use` declarations.
    pub(crate) paths: BTreeSet<Vec<String>>,
    /// Every identifier outside of `use` declarations.
    pub(crate) identifiers: BTreeSet<String>,
    /// Traits that the module defines.
    pub(crate) traits: Vec<String>,
}

/// All modules of one target; the first is its root. Code only for tests is left out.
#[derive(Debug)]
pub(crate) struct Modules {
    pub(crate) all: Vec<Module>,
}

impl Modules {
    /// Reads the target that begins with the file `root`.
    ///
    /// # Errors
    ///
    /// Fails for a file that is not Rust, and for a module without a file.
    pub(crate) fn read(sources: &Sources, root: &str) -> Result<Self, String> {
        let mut reader = Reader { sources, modules: Self { all: Vec::new() } };
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        reader.file(root, &folder, None)?;
        Ok(reader.modules)
    }

    /// Returns the names of the modules from the root down to this one.
    pub(crate) fn path(&self, mut module: usize) -> Vec<&str> {
        let mut names = Vec::new();
        while let Some(parent) = self.all[module].parent {
            let children = &self.all[parent].children;
            names.extend(children.iter().find(|(_, id)| **id == module).map(|(name, _)| &**name));
            module = parent;
        }
        names.reverse();
        names
    }
}

struct Reader<'a> {
    sources: &'a Sources,
    modules: Modules,
}

/// Position in the tree of modules while tokens are read.
#[derive(Clone)]
struct Place {
    module: usize,
    /// Folder with the files of child modules.
    folder: String,
    /// True outside of every function, type and block.
    top: bool,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, folder: &str, parent: Option<usize>) -> Result<usize, String> {
        let text = self.sources.get(path).ok_or_else(|| format!("{path} is not there"))?;
        let tokens: TokenStream = text.parse().map_err(|error| format!("{path}: {error}"))?;
        let module = self.add(path, parent);
        let place = Place { module, folder: folder.to_owned(), top: true };
        self.tokens(tokens, &place)?;
        Ok(module)
    }

    fn add(&mut self, file: &str, parent: Option<usize>) -> usize {
        self.modules.all.push(Module { file: file.to_owned(), parent, ..Module::default() });
        self.modules.all.len() - 1
    }

    fn tokens(&mut self, tokens: TokenStream, place: &Place) -> Result<(), String> {
        let mut tokens = tokens.into_iter().peekable();
        let mut path_attribute = None;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    let Some(attribute) = attribute(&mut tokens) else { continue };
                    if is_for_tests(&attribute) {
                        skip_item(&mut tokens);
                        continue;
                    }
                    path_attribute = path_of(&attribute).or(path_attribute);
                    self.tokens(attribute.stream(), &Place { top: false, ..place.clone() })?;
                }
                TokenTree::Ident(ident) => {
                    let word = ident.to_string();
                    self.word(&word, &mut tokens, place, path_attribute.take())?;
                }
                TokenTree::Group(group) => {
                    self.tokens(group.stream(), &Place { top: false, ..place.clone() })?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn word(
        &mut self,
        word: &str,
        tokens: &mut Tokens,
        place: &Place,
        file: Option<String>,
    ) -> Result<(), String> {
        match word {
            "mod" if place.top => self.child(tokens, place, file),
            "use" if !is_punct(tokens.peek(), '<') => {
                let imports = &mut self.modules.all[place.module].imports;
                use_tree(tokens, Vec::new(), imports);
                Ok(())
            }
            _ => {
                let module = &mut self.modules.all[place.module];
                if place.top && ITEMS.contains(&word) {
                    item(module, word, tokens);
                } else {
                    path(module, word, tokens);
                }
                Ok(())
            }
        }
    }

    fn child(
        &mut self,
        tokens: &mut Tokens,
        place: &Place,
        file: Option<String>,
    ) -> Result<(), String> {
        let Some(TokenTree::Ident(name)) = tokens.next() else { return Ok(()) };
        let name = name.to_string();
        let folder = join(&place.folder, &name);
        let module = if let Some(TokenTree::Group(body)) = tokens.peek() {
            let body = body.stream();
            let module = self.add(&self.modules.all[place.module].file.clone(), Some(place.module));
            self.modules.all[place.module].children.insert(name.clone(), module);
            tokens.next();
            self.tokens(body, &Place { module, folder, top: true })?;
            module
        } else {
            let own = &self.modules.all[place.module].file;
            let beside = own.rsplit_once('/').map_or("", |(folder, _)| folder);
            let path = if let Some(file) = file {
                join(beside, &file)
            } else if self.sources.contains_key(&format!("{folder}.rs")) {
                format!("{folder}.rs")
            } else {
                format!("{folder}/mod.rs")
            };
            self.file(&path, &folder, Some(place.module))?
        };
        self.modules.all[place.module].children.insert(name, module);
        Ok(())
    }
}

/// Joins `folder/path`, with each `..` resolved.
fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

/// Reads the group of an attribute whose `#` has just been read.
fn attribute(tokens: &mut Tokens) -> Option<Group> {
    if is_punct(tokens.peek(), '!') {
        tokens.next();
    }
    match tokens.peek() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            let group = group.clone();
            tokens.next();
            Some(group)
        }
        _ => None,
    }
}

/// Returns whether an attribute is `#[test]`, or a `#[cfg(…)]` that needs `test`.
fn is_for_tests(attribute: &Group) -> bool {
    let text: String = attribute.stream().to_string().split_whitespace().collect();
    text == "test" || text == "cfg(test)" || text.starts_with("cfg(all(test,")
}

/// Returns the file that `#[path = "…"]` names.
fn path_of(attribute: &Group) -> Option<String> {
    let mut tokens = attribute.stream().into_iter();
    let named = matches!(tokens.next(), Some(TokenTree::Ident(ident)) if ident == "path");
    let TokenTree::Literal(literal) = tokens.nth(1)? else { return None };
    named.then(|| literal.to_string().trim_matches('"').to_owned())
}

/// Skips to the end of an item, a statement or a field.
fn skip_item(tokens: &mut Tokens) {
    for token in tokens.by_ref() {
        match token {
            TokenTree::Punct(punct) if matches!(punct.as_char(), ';' | ',') => return,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
            _ => {}
        }
    }
}

fn item(module: &mut Module, keyword: &str, tokens: &mut Tokens) {
    if keyword == "macro_rules" {
        tokens.next();
    }
    while let Some(TokenTree::Ident(ident)) = tokens.peek() {
        let name = ident.to_string();
        tokens.next();
        if !QUALIFIERS.contains(&&*name) {
            if keyword == "trait" {
                module.traits.push(name.clone());
            }
            module.items.insert(name);
            return;
        }
    }
}

fn path(module: &mut Module, first: &str, tokens: &mut Tokens) {
    let mut segments = vec![first.to_owned()];
    while double_colon(tokens) {
        match tokens.peek() {
            Some(TokenTree::Ident(ident)) => segments.push(ident.to_string()),
            _ => break,
        }
        tokens.next();
    }
    module.identifiers.insert(first.to_owned());
    if segments.len() > 1 {
        module.paths.insert(segments);
    }
}

fn use_tree(tokens: &mut Tokens, mut prefix: Vec<String>, imports: &mut Vec<Import>) {
    loop {
        match tokens.next() {
            Some(TokenTree::Ident(ident)) if ident == "as" => {
                let name = tokens.next().map_or_else(String::new, |name| name.to_string());
                imports.push(Import { path: prefix, name, glob: false });
                end_of_tree(tokens);
                return;
            }
            Some(TokenTree::Ident(ident)) => {
                let word = ident.to_string();
                // `{self, …}` is the module itself.
                if word != "self" || prefix.is_empty() {
                    prefix.push(word);
                }
            }
            Some(TokenTree::Group(group)) => {
                let mut inner = group.stream().into_iter().peekable();
                while inner.peek().is_some() {
                    use_tree(&mut inner, prefix.clone(), imports);
                }
                end_of_tree(tokens);
                return;
            }
            Some(TokenTree::Punct(punct)) => match punct.as_char() {
                '*' => {
                    imports.push(Import { path: prefix, name: "*".into(), glob: true });
                    end_of_tree(tokens);
                    return;
                }
                ',' | ';' => {
                    import(prefix, imports);
                    return;
                }
                _ => {}
            },
            Some(TokenTree::Literal(_)) => {}
            None => {
                import(prefix, imports);
                return;
            }
        }
    }
}

fn import(path: Vec<String>, imports: &mut Vec<Import>) {
    if let Some(name) = path.last().cloned() {
        imports.push(Import { path, name, glob: false });
    }
}

fn end_of_tree(tokens: &mut Tokens) {
    if is_punct(tokens.peek(), ',') || is_punct(tokens.peek(), ';') {
        tokens.next();
    }
}

fn is_punct(token: Option<&TokenTree>, char: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == char)
}

/// Reads `::` if it comes next.
fn double_colon(tokens: &mut Tokens) -> bool {
    let Some(TokenTree::Punct(first)) = tokens.peek() else { return false };
    if first.as_char() != ':' || first.spacing() != proc_macro2::Spacing::Joint {
        return false;
    }
    tokens.next();
    tokens.next();
    true
}
