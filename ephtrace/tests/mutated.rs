//! Mutated files of each format: none makes ephtrace panic, run for ever, or take much memory.
//!
//! `EPHTRACE_MUTATIONS` is the number of files of each format; use 20,000 by hand, in an optimised
//! build.

#![expect(clippy::unwrap_used, reason = "a test ends where its files can't be made")]

#[path = "common/counted.rs"]
mod counted;
#[path = "common/samples.rs"]
mod samples;

use std::{
    env, fs,
    io::{Cursor, Write as _, sink},
    path::Path,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use ephtrace::{commands::report, output::Paper, replay::Recording};
use fastrand::Rng;

/// Default number of files of each format.
const MUTATIONS: u32 = 100;

/// Maximum memory for one file.
const MAX_BYTES: usize = 64 << 20;

/// Maximum time for one file, in a build without optimisation, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn count() -> u32 {
    let said = env::var("EPHTRACE_MUTATIONS").ok();
    said.map_or(MUTATIONS, |text| text.parse().unwrap())
}

/// Returns names and whole files of each format.
fn seeds() -> Vec<(String, Vec<Vec<u8>>)> {
    let mut seeds: Vec<(String, Vec<Vec<u8>>)> = samples::SAMPLES
        .iter()
        .map(|(name, text)| ((*name).to_owned(), vec![text.as_bytes().to_vec()]))
        .collect();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/pcap");
    let magic: [&[u8]; 2] = [&[0xd4, 0xc3, 0xb2, 0xa1], &[0x0a, 0x0d, 0x0d, 0x0a]];
    for (kind, name) in [(0, "pcap"), (1, "pcapng")] {
        let mut files = Vec::new();
        for entry in fs::read_dir(&corpus).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            let Some((first, rest)) = bytes.split_first() else { continue };
            if first % 2 == kind {
                files.push([magic[usize::from(kind)], rest].concat());
            }
        }
        files.sort();
        assert!(!files.is_empty(), "no {name}");
        seeds.push((name.to_owned(), files));
    }
    let packed: Vec<Vec<u8>> = seeds.iter().map(|(_, files)| gzip(&files[0])).collect();
    seeds.push(("gzip".to_owned(), packed));
    seeds
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Numbers that break arithmetic, and pieces with a meaning.
const PIECES: [&str; 18] = [
    "0",
    "-1",
    "65536",
    "4294967296",
    "18446744073709551616",
    "1e400",
    "null",
    "\"",
    "\\",
    "{",
    "[",
    "]",
    "\t",
    "\n",
    ",",
    " > ",
    "::",
    "\u{0}\u{fe}",
];

/// Damages a file as on its way from the tool to the reader.
fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.usize(1..8) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.usize(..bytes.len());
        let end = (at + rng.usize(1..40)).min(bytes.len());
        match rng.u8(..9) {
            0 => bytes[at] ^= 1 << rng.u8(..8),
            1 => bytes[at] = rng.u8(..),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            4 => drop(bytes.splice(at..at, PIECES[rng.usize(..PIECES.len())].bytes())),
            5 => drop(bytes.splice(at..end, PIECES[rng.usize(..PIECES.len())].bytes())),
            6 => bytes.truncate(at),
            7 => {
                let again = bytes[at..end].repeat(rng.usize(1..300));
                bytes.splice(at..at, again);
            }
            _ => {
                let fill = rng.u8(..);
                bytes[at..end].fill(fill);
            }
        }
    }
}

fn read(bytes: Vec<u8>) {
    if let Ok(recording) = Recording::from_reader("mutated", Cursor::new(bytes))
        && let Ok(report) = report::read(recording, &mut sink())
    {
        let _ = report.write_text(&mut sink(), None, Paper::default());
        let _ = report.write_json(&mut sink());
    }
}

#[test]
fn mutated_files_of_each_format_are_survived() {
    let (sender, done) = channel();
    let work = thread::spawn(move || {
        for (name, files) in seeds() {
            for nth in 0..count() {
                let mut rng = Rng::with_seed(u64::from(nth));
                let mut bytes = files[nth as usize % files.len()].clone();
                mutate(&mut bytes, &mut rng);
                sender.send(format!("{name}, seed {nth}")).unwrap();
                let peak = counted::peak(|| read(bytes));
                assert!(peak <= MAX_BYTES, "{name}, seed {nth}: {peak} bytes");
            }
        }
    });
    let mut last = "the first one".to_owned();
    loop {
        match done.recv_timeout(PATIENCE) {
            Ok(begun) => last = begun,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => panic!("{last} takes longer than {PATIENCE:?}"),
        }
    }
    assert!(work.join().is_ok(), "{last} is not survived");
}
