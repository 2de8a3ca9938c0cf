//! Validates the JSON of every command against the output of `ephtrace schema`.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::{
    assign::{self, Assign},
    ports::books::{Books, in_new_netns},
    python::python,
    setup::{self, Scratch},
    tracer::Tracer,
    validator::Validator,
};

tests! {
    first_hook: what_is_written_is_what_the_schema_says, another_validator_agrees;
}

/// All kinds of objects, by the type of each.
const TYPES: [&str; 12] = [
    "assignment",
    "check",
    "doctor",
    "explain",
    "loss",
    "ports",
    "report",
    "storm",
    "storm_total",
    "stream",
    "summary",
    "whatif",
];

/// Returns the lines that a command writes; `check` and `explain` have exit codes of their own.
fn lines(args: &[&str]) -> Result<Vec<Value>> {
    let output = Command::new(setup::ephtrace()).args(args).output()?;
    let text = String::from_utf8(output.stdout)?;
    ensure!(!text.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Value>> {
    let parse = |line| serde_json::from_str(line).with_context(|| format!("reading {line}"));
    text.lines().map(parse).collect()
}

/// Returns the output of a trace and a storm beside a program that gets ports in every way and runs
/// out of them.
fn traced(hook: &str, scratch: &Scratch) -> Result<Vec<Value>> {
    let trace = Tracer::start(scratch, hook, &[])?;
    let storm = Tracer::start_storm(scratch, hook, &["0.1"])?;
    assign::ways(scratch, 2)?;
    let args = ["exhaust", "--range", "40000-40009", "--attempts", "25"];
    Assign::start(scratch, &args)?.truth()?;
    let (trace, storm) = (trace.stop_text()?, storm.stop_text()?);
    let recording = scratch.file("recording");
    // An unreadable line makes a loss.
    fs::write(&recording, format!("{trace}{{\"ts_ns\":1}}\n"))?;
    let recording = recording.to_str().context("a path that is no text")?;
    let mut all = [parse(&trace)?, parse(&storm)?].concat();
    for args in [
        &["report", recording, "--json"][..],
        &["trace", "--from", recording, "-o", "json", "--count", "3"],
        &["trace", "--from", recording, "-o", "json"],
        &["ports", "--from", recording, "--json"],
    ] {
        all.extend(lines(args)?);
    }
    let quiet = lines(&["trace", "--from", recording, "-o", "json", "-q"])?;
    ensure!(quiet.iter().all(|line| line["type"] != "summary"), "-q leaves a summary");
    Ok(all)
}

/// Returns the output about sockets, in a namespace that has some in every state.
fn looked_at(hook: &str) -> Result<Vec<Value>> {
    in_new_netns(|| {
        let mut books = Books::default();
        books.fill()?;
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 2001)).to_string();
        let closed = books.connected.iter().find(|((_, state), _)| *state == "time_wait");
        let port = closed.and_then(|(_, ports)| ports.first()).context("no TIME_WAIT")?;
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, *port)).to_string();
        let mut all = Vec::new();
        for args in [
            &["ports", "--json"][..],
            &["ports", "--json", "--netns", "all", "--limit", "1"],
            &["explain", &to, "--json"],
            &["explain", &to, "--json", "--probe"],
            &["explain", &from, &to, "--json"],
            &["explain", ":40050", "--json"],
            &["explain", ":40050/udp", "--json"],
            &["explain", "EADDRNOTAVAIL", "--json"],
            &["explain", "EADDRINUSE", "--json"],
            &["check", "--no-trace", "--json"],
            &["check", "--for", "200ms", "--json", "--hook", hook],
            &["doctor", "--json"],
            &["doctor", "--json", "--probe"],
            &["whatif", "--json"],
            &["whatif", "--json", "--nat", "aws", "--rate", "2000", "--tw-reuse"],
        ] {
            all.extend(lines(args)?);
        }
        Ok(all)
    })
}

/// Returns at least one object of each type.
fn written(hook: &str) -> Result<Vec<Value>> {
    let mut all = traced(hook, &Scratch::new()?)?;
    all.extend(looked_at(hook)?);
    let types: BTreeMap<&str, &Value> =
        all.iter().filter_map(|one| Some((one["type"].as_str()?, one))).collect();
    ensure!(types.keys().eq(TYPES.iter()), "{:?}", types.keys());
    Ok(all)
}

fn schema() -> Result<Value> {
    let output = Command::new(setup::ephtrace()).arg("schema").output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Returns the object with an unknown key, with a key of another type, and without a key.
fn spoilt(object: &Value) -> Result<[Value; 3]> {
    let object = object.as_object().context("no object")?;
    let key = object.keys().rfind(|key| *key != "type").context("no key")?;
    let mut all = [object.clone(), object.clone(), object.clone()];
    all[0].insert("nobody_knows_it".to_owned(), 1.into());
    all[1].insert(key.clone(), json!([{ "of": "another type" }]));
    all[2].remove(key);
    Ok(all.map(Value::Object))
}

fn what_is_written_is_what_the_schema_says(hook: &str) -> Result<()> {
    let validator = Validator::new(schema()?);
    for object in written(hook)? {
        let problems = validator.problems(&object);
        ensure!(problems.is_empty(), "{problems:#?} in {object}");
        for spoilt in spoilt(&object)? {
            ensure!(!validator.problems(&spoilt).is_empty(), "passes: {spoilt}");
        }
    }
    Ok(())
}

/// Validates each object against the whole schema, and each spoilt object, too.
const VALIDATE: &str = r#"
import json, collections
data = json.load(open(path))
of = jsonschema.Draft202012Validator
of.check_schema(data['schema'])
validator = of(data['schema'])
for kind, schema in data['kinds'].items():
    of.check_schema(schema)
kinds = {kind: of(schema) for kind, schema in data['kinds'].items()}
for one in data['good']:
    kind = one['type'].removesuffix('_total')
    for error in [*validator.iter_errors(one), *kinds[kind].iter_errors(one)]:
        sys.exit(f"{kind}: {error.json_path}: {error.message[:300]}")
for one in data['bad']:
    kind = one['type'].removesuffix('_total')
    if validator.is_valid(one) or kinds[kind].is_valid(one):
        sys.exit(f"passes: {json.dumps(one)[:300]}")
print(len(data['good']), len(data['bad']))
"#;

fn another_validator_agrees(hook: &str) -> Result<()> {
    // Checked first, so that a skipped test costs nothing.
    let scratch = Scratch::new()?;
    python("jsonschema", "", scratch.path())?;
    let good = written(hook)?;
    let mut bad = Vec::new();
    for one in &good {
        bad.extend(spoilt(one)?);
    }
    let (all, wrong) = (good.len(), bad.len());
    let mut kinds = serde_json::Map::new();
    for kind in TYPES.into_iter().filter(|kind| *kind != "storm_total") {
        let output = Command::new(setup::ephtrace()).args(["schema", kind]).output()?;
        kinds.insert(kind.to_owned(), serde_json::from_slice(&output.stdout)?);
    }
    let data = json!({ "schema": schema()?, "kinds": kinds, "good": good, "bad": bad });
    let file = scratch.file("objects");
    fs::write(&file, data.to_string())?;
    let said = python("jsonschema", VALIDATE, &file)?;
    ensure!(said.trim() == format!("{all} {wrong}"), "{said}");
    Ok(())
}
