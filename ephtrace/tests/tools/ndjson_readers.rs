//! Streams of NDJSON, read by Polars and DuckDB without options: a key has the same type in all
//! lines.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::{parquet_readers::folder, python::python};

/// Returns rows of a recording of another tool. Every fiftieth is a failure, except for the first
/// 150 rows: readers infer types from the first lines, and find nulls there.
fn recording() -> String {
    let row = |n: u64| {
        let (sport, errno) = match n % 50 {
            49 if n > 150 => ("null".to_owned(), 99),
            _ => ((32_768 + n * 2).to_string(), 0),
        };
        let ts_ns = 1_795_000_000_000_000_000 + n * 20_000;
        format!(
            r#"{{"ts_ns":{ts_ns},"saddr":"10.0.0.1","sport":{sport},"daddr":"10.0.1.1","dport":443,"errno":{errno},"latency_ns":{n},"range":[32768,60999]}}"#
        )
    };
    (0..3000).map(row).collect::<Vec<_>>().join("\n")
}

/// Compares ephtrace's output: the first line, a line for each row, and the summary.
fn compare(module: &str, query: &str, expected: &str) -> Result<()> {
    let folder = folder(&format!("ndjson-{module}"))?;
    let (input, output) = (folder.join("in.ndjson"), folder.join("out.ndjson"));
    std::fs::write(&input, recording())?;
    let mut ephtrace = Command::new(env!("CARGO_BIN_EXE_ephtrace"));
    ephtrace.args(["trace", "-o", "json", "--from"]).arg(&input).arg("--output").arg(&output);
    let said = ephtrace.output().context("running ephtrace")?;
    ensure!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let read = python(module, query, &output);
    std::fs::remove_dir_all(folder)?;
    let read = read?;
    ensure!(read.trim() == expected, "{module} says\n{read}\nnot\n{expected}");
    Ok(())
}

pub(crate) fn polars_reads_a_stream() -> Result<()> {
    let query = "
frame = polars.read_ndjson(path)
col = polars.col
rows = frame.filter(col('type') == 'assignment')
counts = [polars.len(), col('sport').count(), col('error').count(), col('latency_ns').max()]
print(rows.select(counts).rows())
print(frame.height, rows.select(col('range_low').max(), col('range_high').min()).rows())
";
    compare("polars", query, "[(3000, 2943, 57, 2999)]\n3002 [(32768, 60999)]")
}

pub(crate) fn duckdb_reads_a_stream() -> Result<()> {
    let query = r#"
rows = f"read_ndjson_auto('{path}')"
columns = "type, count(*), count(sport), max(latency_ns), min(range_low), max(latency.p50_ns)"
print(duckdb.sql(f"SELECT {columns} FROM {rows} GROUP BY type ORDER BY type").fetchall())
"#;
    let expected = "[('assignment', 3000, 2943, 2999, 32768, None), \
                    ('stream', 1, 1, 0, 0, None), ('summary', 1, 0, None, None, 1503)]";
    compare("duckdb", query, expected)
}
