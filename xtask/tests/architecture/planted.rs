//! The rules, tested on small crates that break them.

use crate::{
    graph::Graph,
    modules::Modules,
    rules::{circles_of_files, impure, named_aya, shown_raw, wrong_directions},
    sources::Sources,
};

fn graph(files: &[(&str, &str)]) -> Graph {
    let sources: Sources =
        files.iter().map(|(path, text)| (format!("src/{path}"), (*text).to_owned())).collect();
    Graph::of(&Modules::read(&sources, "src/lib.rs").unwrap())
}

fn circles(files: &[(&str, &str)]) -> usize {
    circles_of_files(&graph(files)).len()
}

#[test]
fn two_files_that_import_each_other() {
    let root = ("lib.rs", "mod a; mod b;");
    let b = ("b.rs", "use crate::a::A; pub struct B(A);");
    assert_eq!(circles(&[root, ("a.rs", "use crate::b::B; pub struct A; fn f(_: B) {}"), b]), 1);
    assert_eq!(circles(&[root, ("a.rs", "pub struct A;"), b]), 0);
}

#[test]
fn three_files_round_about() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "pub fn f() { crate::b::f() }"),
        ("b.rs", "use super::c; pub fn f() { c::f() }"),
        ("c.rs", "use crate::a::f as g; pub fn f() { g() }"),
    ];
    assert_eq!(circles(&files), 1);
}

#[test]
fn a_path_inside_of_a_macro_counts() {
    let root = ("lib.rs", "mod a; mod b;");
    let a = ("a.rs", "pub fn f() { println!(\"{}\", crate::b::g()) }");
    assert_eq!(circles(&[root, a, ("b.rs", "pub fn g() { crate::a::f() }")]), 1);
}

#[test]
fn a_parent_that_uses_what_its_child_takes_from_it() {
    let child = ("a/b.rs", "use super::A; pub struct B(A);");
    let root = ("lib.rs", "mod a;");
    let uses = ("a/mod.rs", "mod b; use self::b::B; pub struct A; fn f(_: B) {}");
    assert_eq!(circles(&[root, uses, child]), 1);
    // A `mod.rs` that only re-exports uses nothing of it.
    let hands_on = ("a/mod.rs", "mod b; pub use self::b::B; pub struct A;");
    assert_eq!(circles(&[root, hands_on, child]), 0);
}

#[test]
fn a_reexport_leads_to_the_file_that_defines() {
    let files = [
        ("lib.rs", "mod a; mod c;"),
        ("a/mod.rs", "mod b; pub use self::b::B; use crate::c::C; pub fn f(_: C) {}"),
        ("a/b.rs", "pub struct B;"),
        ("c.rs", "use crate::a::B; pub struct C(B);"),
    ];
    let graph = graph(&files);
    assert!(circles_of_files(&graph).is_empty());
    let edge = ("src/c.rs".into(), "src/a/b.rs".into(), "crate::a::B".into());
    assert!(graph.edges.contains(&edge), "{:?}", graph.edges);
}

#[test]
fn code_for_tests_is_left_out() {
    let root = ("lib.rs", "mod a; mod b;");
    let a = ("a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; fn f(_: B) {} }");
    assert_eq!(circles(&[root, a, ("b.rs", "use crate::a::A; pub struct B(A);")]), 0);
}

#[test]
fn a_step_upwards() {
    let files = [
        ("lib.rs", "mod model; mod analyse; mod pipeline;"),
        ("model.rs", "use crate::pipeline::P; pub struct M(P);"),
        ("analyse.rs", "use crate::model::M; pub struct A(M);"),
        ("pipeline.rs", "pub struct P;"),
    ];
    let wrong = wrong_directions(&graph(&files));
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("model must not import pipeline"), "{wrong:?}");
}

#[test]
fn folders_of_one_level_in_a_circle() {
    let files = [
        ("lib.rs", "mod output; mod tui;"),
        ("output/mod.rs", "mod a; mod b;"),
        ("output/a.rs", "use crate::tui::f; pub fn g() { f() }"),
        ("output/b.rs", "pub fn h() {}"),
        ("tui.rs", "pub fn f() { crate::output::b::h() }"),
    ];
    let graph = graph(&files);
    assert!(circles_of_files(&graph).is_empty());
    let wrong = wrong_directions(&graph);
    assert_eq!(wrong.len(), 1, "{wrong:?}");
    assert!(wrong[0].contains("circle: output, tui"), "{wrong:?}");
}

#[test]
fn a_clock_in_a_pure_folder() {
    let text = "use std::time::{self, Duration}; fn f() -> Duration { time::Instant::now(); }";
    let found = impure(&graph(&[("lib.rs", "mod analyse;"), ("analyse.rs", text)]));
    assert_eq!(found, ["src/analyse.rs: std::time::Instant::now"]);
    let numbers = "fn f() -> i32 { libc::EAGAIN }";
    let calls = "fn f() { libc::close(3); }";
    assert!(impure(&graph(&[("lib.rs", "mod model;"), ("model.rs", numbers)])).is_empty());
    assert_eq!(impure(&graph(&[("lib.rs", "mod model;"), ("model.rs", calls)])).len(), 1);
}

#[test]
fn aya_outside_of_the_kernel_side() {
    let text = "use aya::Ebpf; fn f(_: Ebpf) {}";
    let files = [("lib.rs", "mod kernel; mod host;"), ("kernel.rs", text), ("host.rs", text)];
    assert_eq!(named_aya(&graph(&files)), ["src/host.rs: aya::Ebpf"]);
}

#[test]
fn a_path_that_is_shown_raw() {
    let text = "fn a(p: &Path) { p.display() }\n#[cfg(test)]\nmod tests {\n    b.display()\n}";
    assert_eq!(shown_raw("ephtrace/src/host/a.rs", text).len(), 1);
    assert!(shown_raw("ephtrace/src/host/tests.rs", text).is_empty());
    assert!(shown_raw("xtask/src/a.rs", text).is_empty());
}
