//! Recordings read by DuckDB, Polars and pyarrow, from their Python packages.
//!
//! Tests are skipped if the packages are not installed. `EPHTRACE_PYTHON` names the interpreter,
//! such as that of a virtual environment with `pip install duckdb polars pyarrow`, which `cargo
//! xtask test` makes. Spark is not run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Result, ensure};
use ephtrace::{
    model::{Assignment, Comm, FlowKey, Hook, Origin, Protocol, RangeInForce, losses::Losses},
    output::{
        Notices, Sink as _,
        stream::parquet::{Options, ParquetSink},
    },
};

use crate::python::python;

/// More rows than one row group has.
const ROWS: u32 = 70_000;

fn assignment(n: u32) -> Assignment {
    let is_failed = n % 100 == 99;
    let sport = u16::try_from(32_768 + n * 2 % 28_000).unwrap_or(0);
    Assignment {
        ts_ns: 1_795_000_000_000_000_000 + u64::from(n) * 20_000,
        pid: Some(100 + n % 2),
        comm: Some(Comm::new(if n.is_multiple_of(2) { "curl" } else { "nginx" })),
        cgroup_id: Some(u64::MAX),
        flow: FlowKey {
            netns: Some(4_026_531_840),
            saddr: [10, 0, 0, 1].into(),
            daddr: Some([10, 0, 1, u8::try_from(n % 5).unwrap_or(0)].into()),
            dport: Some(443),
        },
        protocol: Some(Protocol::Tcp),
        origin: Some(Origin::Connect),
        sport: (!is_failed).then_some(sport),
        errno: Some(if is_failed { 99 } else { 0 }),
        latency_ns: Some(u64::from(n)),
        range: Some(RangeInForce::of_netns(32_768, 60_999)),
        first_candidate: Some(60_000),
        step: Some(-2),
        cookie: Some(u64::from(n)),
        hook: Some(Hook::Fentry),
        ..Assignment::default()
    }
}

/// Writes a recording without finishing it, as `kill -9` leaves it.
fn recording(path: &Path) -> Result<()> {
    let options = Options { path: path.to_owned(), rotate: None, mode: None };
    let mut sink = ParquetSink::create(options, Notices::new(std::io::sink(), true))?;
    (0..ROWS).try_for_each(|n| sink.event(&assignment(n)))?;
    let lost = Losses { ring_full: 3, ..Losses::default() };
    // A checkpoint is due, long after the last event.
    Ok(sink.losses(assignment(ROWS).ts_ns + 10_000_000_000, &lost)?)
}

pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("ephtrace-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn compare(module: &str, query: &str, expected: &str) -> Result<()> {
    let folder = folder(module)?;
    let path = folder.join("ports.parquet");
    recording(&path)?;
    let output = python(module, query, &path);
    fs::remove_dir_all(folder)?;
    let output = output?;
    ensure!(output.trim() == expected, "{module} says\n{output}\nnot\n{expected}");
    Ok(())
}

pub(crate) fn duckdb_reads_it() -> Result<()> {
    let query = r#"
rows = f"'{path}'"
for sql in [
    "count(*), count(sport), min(ts_ns), max(latency_ns), min(sport - first_candidate) FROM f",
    "comm, daddr, count(*) n FROM f WHERE error = 'EADDRNOTAVAIL' GROUP BY ALL ORDER BY ALL",
    "max(cgroup_id), min(step), bool_or(self_connect), max(container) FROM f",
]:
    print(duckdb.sql("SELECT " + sql.replace("FROM f", "FROM " + rows)).fetchall())
losses = f"FROM parquet_kv_metadata({rows}) WHERE decode(key) = 'ephtrace.losses'"
print(duckdb.sql("SELECT decode(value) " + losses).fetchall()[0][0])
"#;
    let expected = "[(70000, 69300, 1795000000000000000, 69999, -27232)]\n\
                    [('nginx', '10.0.1.4', 700)]\n\
                    [(18446744073709551615, -2, False, None)]\n\
                    {\"hook_missed\":0,\"in_flight_full\":0,\"return_missed\":0,\"ring_full\":3,\
                    \"undecodable\":0,\"unreadable\":0}";
    compare("duckdb", query, expected)
}

pub(crate) fn polars_reads_it() -> Result<()> {
    let query = "
frame = polars.scan_parquet(path)
col = polars.col
print(frame.select(polars.len(), col('sport').count(), col('latency_ns').max()).collect().rows())
failed = frame.filter(col('errno') == 99).group_by('comm', 'daddr').len()
print(failed.sort('comm').collect().rows())
names = ('ts_ns', 'sport', 'saddr', 'cookie', 'self_connect')
print({name: str(kind) for name, kind in frame.collect_schema().items() if name in names})
";
    let expected = "[(70000, 69300, 69999)]\n[('nginx', '10.0.1.4', 700)]\n{'ts_ns': 'Int64', \
                    'saddr': 'String', 'sport': 'Int32', 'self_connect': 'Boolean', \
                    'cookie': 'UInt64'}";
    compare("polars", query, expected)
}

pub(crate) fn arrow_reads_it() -> Result<()> {
    let query = "
import pyarrow.parquet
file = pyarrow.parquet.ParquetFile(path)
print(file.metadata.num_rows, file.metadata.num_row_groups, file.read().num_rows)
keys = file.metadata.metadata
print(keys[b'ephtrace.schema_version'].decode(), keys[b'ephtrace.complete'].decode())
";
    compare("pyarrow", query, "70000 2 70000\n1 false")
}
