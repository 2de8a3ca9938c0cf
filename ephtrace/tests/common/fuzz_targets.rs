//! Fuzz targets: all code that reads input written by others. Each target takes any bytes, and must
//! neither panic nor take more than its share of memory. The fuzzer includes this file, and so does
//! a test that gives each target the inputs in `corpus/`.

use std::{
    fs,
    io::{Cursor, sink},
    process,
};

use clap::Parser as _;
use ephtrace::{
    cli::{Cli, Command},
    commands::report,
    host::{conntrack, containers, mounts, proc_net, sock_diag, sysctl},
    kernel::{
        btf::Btf,
        decode::{Machine, decode},
        symbols,
    },
    output::{
        Paper, Screen,
        stream::parquet::{Journal, journal_path},
    },
    pipeline::settings::TraceSettings,
    replay::{Item, MaxMemory, Recording, parquet::is_whole_with},
    tui::{About, Input, Key, MIN_HEIGHT, MIN_WIDTH, State, draw},
};
use jiff::tz::TimeZone;
use ratatui::{Terminal, backend::TestBackend};

/// A target and its name.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All targets.
pub(crate) const TARGETS: [Target; 14] = [
    ("ndjson", ndjson),
    ("logs", logs),
    ("parquet", parquet),
    ("pcap", pcap),
    ("compressed", compressed),
    ("journal", journal),
    ("page", page),
    ("top", top),
    ("btf", btf),
    ("decode", decoded),
    ("netlink", netlink),
    ("proc", proc),
    ("symbols", kernel_symbols),
    ("arguments", arguments),
];

fn recording(bytes: &[u8]) -> Option<Recording> {
    Recording::from_reader("fuzz", Cursor::new(bytes.to_vec())).ok()
}

/// Reads lines of unknown origin, and reports on them.
fn ndjson(bytes: &[u8]) {
    if let Some(recording) = recording(bytes)
        && let Ok(report) = report::read(recording, &mut sink())
    {
        let screen = Screen { width: 80, colour: true };
        let _ =
            report.write_text(&mut sink(), Some(screen), Paper { columns: Some(60), colour: true });
        let _ = report.write_json(&mut sink());
    }
}

/// First lines of logs, by which the formats are told apart.
const HEADS: [&str; 8] = [
    "",
    "#separator \\x09\n#path\tconn\n#fields\tts\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\t\
     proto\tconn_state\n",
    "ts_ns,saddr,sport,daddr,dport,protocol,range_low,range_high\n",
    "frame.time_epoch\tip.src\ttcp.srcport\tip.dst\ttcp.dstport\ttcp.flags.syn\t\
     tcp.flags.ack\ttcp.seq_raw\tudp.srcport\tudp.dstport\n",
    "PID COMM IP SADDR LPORT DADDR DPORT\n",
    "T PID COMM IP SADDR DADDR SPORT DPORT\n",
    "1.5 IP 10.0.0.1.40000 > 10.0.0.2.443: Flags [S], seq 77, win 1\n",
    "[1.5] [NEW] tcp 6 120 SYN_SENT src=10.0.0.1 dst=::1 sport=4 dport=443\n",
];

/// Reads logs of other tools, and reports on them. The first byte chooses the format, so that the
/// fuzzer need not guess the first lines.
fn logs(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else { return };
    let head = HEADS[usize::from(*kind) % HEADS.len()];
    if let Some(recording) = recording(&[head.as_bytes(), rest].concat())
        && let Ok(report) = report::read(recording, &mut sink())
    {
        let _ = report.write_json(&mut sink());
    }
}

/// Reads Parquet files of unknown origin, and reports on them.
fn parquet(bytes: &[u8]) {
    if let Ok(recording) = Recording::from_parquet("fuzz", bytes.to_vec())
        && let Ok(report) = report::read(recording, &mut sink())
    {
        let _ = report.write_json(&mut sink());
    }
}

/// Reads captures of unknown origin. The first byte chooses the kind, so that the fuzzer need not
/// guess magic numbers.
fn pcap(bytes: &[u8]) {
    const PCAP: &[u8] = &[0xd4, 0xc3, 0xb2, 0xa1];
    const PCAPNG: &[u8] = &[0x0a, 0x0d, 0x0d, 0x0a];
    let Some((kind, rest)) = bytes.split_first() else { return };
    let magic = if kind % 2 == 0 { PCAP } else { PCAPNG };
    if let Some(recording) = recording(&[magic, rest].concat()) {
        assert!(recording.count() <= bytes.len());
    }
}

/// Reads compressed input of any content.
fn compressed(bytes: &[u8]) {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    let Some((kind, rest)) = bytes.split_first() else { return };
    let magic = if kind % 2 == 0 { GZIP } else { ZSTD };
    if let Some(recording) = recording(&[magic, rest].concat()) {
        let _ = report::read(recording, &mut sink());
    }
}

/// Reads and repairs a recording whose end was being replaced, with its journal. Two bytes are the
/// place where the end begins, two the length of the recording.
fn journal(bytes: &[u8]) {
    let _ = Journal::parse(bytes);
    let Some(([a, b, c, d], rest)) = bytes.split_first_chunk() else { return };
    let length = usize::from(u16::from_le_bytes([*c, *d])).min(rest.len());
    let (file, tail) = rest.split_at(length);
    let at = u64::from(u16::from_le_bytes([*a, *b]));
    let path = std::env::temp_dir().join(format!("ephtrace-fuzz-{}", process::id()));
    if fs::write(&path, file).is_err() || fs::write(journal_path(&path), tail).is_err() {
        return;
    }
    if let Ok(recording) = Recording::open(&path) {
        let _ = report::read(recording, &mut sink());
    }
    let journal = Journal { at, tail: tail.to_vec() };
    let _ = is_whole_with(&path, journal.clone(), MaxMemory::default());
    let _ = journal.restore(&path);
    let _ = fs::remove_file(journal_path(&path));
    let _ = fs::remove_file(&path);
}

/// Writes a page for a browser: whatever the names contain, the page has one script, and it is
/// closed.
fn page(bytes: &[u8]) {
    if let Some(recording) = recording(bytes)
        && let Ok(page) = report::page_of(recording, &mut sink())
    {
        assert_eq!(page.matches("<script").count(), 1, "a script that is not the page's");
        assert!(page.trim_end().ends_with("</html>"), "the page is cut");
    }
}

/// Shows a recording in the live view, with keys and sizes. The first byte is the number of keys,
/// which are one byte each.
fn top(bytes: &[u8]) {
    let Some((&count, rest)) = bytes.split_first() else { return };
    let (keys, rest) = rest.split_at(usize::from(count % 32).min(rest.len()));
    let about = About {
        source: "recording fuzz".to_owned(),
        host: None,
        started_ns: None,
        now_ns: 0,
        zone: TimeZone::UTC,
        colour: true,
        utf8: true,
    };
    let mut state = State::new(about);
    let Some(recording) = recording(rest) else { return };
    let mut keys = keys.iter();
    let read = recording.filter_map(|item| match item {
        Ok(Item::Assignment(assignment)) => Some(assignment),
        Ok(Item::Broken(_)) | Err(_) => None,
    });
    for mut assignment in read.take(64) {
        assignment.step = None;
        state.apply(Input::Event(&assignment));
        state.apply(Input::Tick(assignment.ts_ns));
        if let Some(&key) = keys.next() {
            state.apply(Input::Key(as_key(key)));
            show(&mut state, key);
        }
    }
    state.apply(Input::End);
    for &key in keys {
        state.apply(Input::Key(as_key(key)));
    }
    show(&mut state, 0);
}

fn as_key(byte: u8) -> Key {
    const KEYS: [Key; 8] =
        [Key::Enter, Key::Esc, Key::Tab, Key::Backspace, Key::Up, Key::Down, Key::Home, Key::End];
    KEYS.get(usize::from(byte)).copied().unwrap_or(Key::Char(char::from(byte)))
}

fn show(state: &mut State, size: u8) {
    let (width, height) = (MIN_WIDTH - 4 + u16::from(size), MIN_HEIGHT - 4 + u16::from(size) / 4);
    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
    let mut drawn = None;
    let _ = terminal.draw(|frame| drawn = Some(draw(frame, state)));
    if let Some(drawn) = drawn {
        state.set_drawn(drawn);
    }
}

/// Reads the kernel's types, as a file named by `--btf` may contain them.
fn btf(bytes: &[u8]) {
    if let Ok(btf) = Btf::parse(bytes.to_vec()) {
        let _ = btf.member("sock", "__sk_common.skc_num");
        let _ = btf.function("__inet_hash_connect");
    }
}

/// Decodes records, as the ring buffer may contain them.
fn decoded(bytes: &[u8]) {
    let _ = decode(bytes, &Machine { unix_offset_ns: 0 });
}

/// Reads the kernel's answers about sockets and connection tracking.
fn netlink(bytes: &[u8]) {
    let _ = sock_diag::socket(bytes);
    let _ = conntrack::messages(bytes, &mut None);
}

/// Reads files of `/proc` and `/sys`; other users choose some of their words.
fn proc(bytes: &[u8]) {
    let _ = mounts::cgroup2_mount(bytes);
    let _ = mounts::unescape(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = conntrack::parse(&text);
    let _ = sysctl::parse_range(&text);
    let _ = sysctl::parse_reserved(&text);
    for line in text.lines() {
        let _ = proc_net::parse(line);
        let _ = containers::container_of(line);
    }
}

/// Reads the kernel's list of symbols.
fn kernel_symbols(bytes: &[u8]) {
    let _ = symbols::pointer_address(bytes);
}

/// Reads words of a command line, one on each line: filters, times, sizes.
fn arguments(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let words = ["ephtrace", "trace", "--from", "fuzz"].into_iter().chain(text.lines());
    if let Ok(cli) = Cli::try_parse_from(words)
        && let Command::Trace(args) = cli.into_command()
    {
        let _ = TraceSettings::try_from(args).map_err(|error| error.to_string());
    }
}
