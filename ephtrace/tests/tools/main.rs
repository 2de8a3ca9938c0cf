//! ephtrace beside other programs. A machine may lack each of them: the test is then skipped, and
//! counted.

mod btf_dump;
mod btf_offsets;
mod full_disk;
mod ndjson_readers;
mod parquet_readers;
#[path = "../common/python.rs"]
mod python;
#[path = "../common/recording.rs"]
mod recording;
#[path = "../common/skip.rs"]
mod skip;

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let trial = |name: &str, test: fn() -> Result<()>| {
        Trial::ignorable_test(name, move || skip::completion(test()))
    };
    let trials = vec![
        trial("offsets_are_those_of_bpftool", btf_offsets::are_those_of_bpftool),
        trial("a_full_disk_ends_the_recording", full_disk::ends_the_recording),
        trial("a_full_disk_ends_the_events", full_disk::ends_the_events),
        trial("a_full_disk_keeps_what_is_there", full_disk::keeps_what_is_there),
        trial("duckdb_reads_a_recording", parquet_readers::duckdb_reads_it),
        trial("polars_reads_a_recording", parquet_readers::polars_reads_it),
        trial("duckdb_reads_a_stream", ndjson_readers::duckdb_reads_a_stream),
        trial("polars_reads_a_stream", ndjson_readers::polars_reads_a_stream),
        trial("arrow_reads_a_recording", parquet_readers::arrow_reads_it),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
