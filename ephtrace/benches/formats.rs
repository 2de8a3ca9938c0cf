//! Lines or packets of each format that are read per second of processor time, as a table for
//! docs/performance.md. The machine may be shared: the best of several runs counts.

use std::{
    fmt::Write as _,
    io::{self, Cursor, Write as _},
};

use anyhow::{Context as _, Result, ensure};
use ephtrace::replay::{Item, Recording};
use etherparse::PacketBuilder;
use nix::time::{ClockId, clock_gettime};

/// Number of lines or packets in an input.
const ITEMS: u32 = 200_000;

/// Number of runs of each input; the best one counts.
const RUNS: u32 = 7;

/// One packet in this many begins a connection.
const SYN_EVERY: u32 = 10;

fn main() -> Result<()> {
    let inputs: [(&str, Vec<u8>); 7] = [
        ("pcap: TCP, a tenth of it SYN, and UDP", packets()?),
        ("Zeek's `conn.log`, JSON", lines(zeek_json)),
        ("Zeek's `conn.log`, tabs", [ZEEK_HEADER.as_bytes(), &lines(zeek_tabs)].concat()),
        ("Suricata's `eve.json`, flows", lines(eve)),
        ("tcpdump text, SYN", lines(tcpdump)),
        ("conntrack events", lines(conntrack)),
        ("NDJSON with the five keys", lines(minimal)),
    ];
    let mut table = "| read | a second | assignments among them |\n|---|--:|--:|\n".to_owned();
    for (name, bytes) in inputs {
        let (rate, assignments) = measure(&bytes).with_context(|| name.to_owned())?;
        let share = f64::from(assignments) * 100.0 / f64::from(ITEMS);
        writeln!(table, "| {name} | {} | {share:.0} % |", grouped(rate))?;
    }
    io::stdout().lock().write_all(table.as_bytes())?;
    Ok(())
}

/// Returns the items per second, and the assignments.
fn measure(bytes: &[u8]) -> Result<(f64, u32)> {
    let (mut best, mut assignments) = (f64::MAX, 0);
    for _ in 0..RUNS {
        let copy = bytes.to_vec();
        let begun = processor_seconds()?;
        let mut count = 0;
        for item in Recording::from_reader("bench", Cursor::new(copy))? {
            count += u32::from(matches!(item?, Item::Assignment(_)));
        }
        best = best.min(processor_seconds()? - begun);
        assignments = count;
    }
    ensure!(assignments > 0, "nothing was read");
    Ok((f64::from(ITEMS) / best, assignments))
}

fn processor_seconds() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?;
    Ok(std::time::Duration::from(time).as_secs_f64())
}

/// Formats a rate to three digits: more are not reproducible.
fn grouped(rate: f64) -> String {
    if rate >= 1e6 {
        format!("{:.2} million", rate / 1e6)
    } else {
        format!("{:.0},000", rate / 1e3)
    }
}

fn lines(line: impl Fn(u32) -> String) -> Vec<u8> {
    (0..ITEMS).map(|n| line(n) + "\n").collect::<String>().into_bytes()
}

fn port(n: u32) -> u32 {
    32_768 + n * 14 % 28_232
}

const ZEEK_HEADER: &str = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\t\
                           id.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp_bytes\t\
                           conn_state\tlocal_orig\tlocal_resp\tmissed_bytes\thistory\torig_pkts\t\
                           orig_ip_bytes\tresp_pkts\tresp_ip_bytes\n";

fn zeek_tabs(n: u32) -> String {
    format!(
        "{}.{:06}\tCMdzit1AMNsmfAIiQc\t10.0.0.5\t{}\t192.0.2.{}\t443\ttcp\tssl\t0.066851\t62\t141\t\
         SF\tT\tF\t0\tShADadFf\t2\t118\t2\t197",
        1_591_367_999 + n / 1000,
        n % 1_000_000,
        port(n),
        n % 200
    )
}

fn zeek_json(n: u32) -> String {
    format!(
        "{{\"ts\":{}.{:06},\"uid\":\"CMdzit1AMNsmfAIiQc\",\"id.orig_h\":\"10.0.0.5\",\
         \"id.orig_p\":{},\"id.resp_h\":\"192.0.2.{}\",\"id.resp_p\":443,\"proto\":\"tcp\",\
         \"service\":\"ssl\",\"duration\":0.066851,\"orig_bytes\":62,\"resp_bytes\":141,\
         \"conn_state\":\"SF\",\"local_orig\":true,\"local_resp\":false,\"missed_bytes\":0,\
         \"history\":\"ShADadFf\",\"orig_pkts\":2,\"orig_ip_bytes\":118,\"resp_pkts\":2,\
         \"resp_ip_bytes\":197}}",
        1_591_367_999 + n / 1000,
        n % 1_000_000,
        port(n),
        n % 200
    )
}

fn eve(n: u32) -> String {
    let time = format!("2026-01-01T00:{:02}:{:02}", n / 60_000 % 60, n / 1000 % 60);
    format!(
        "{{\"timestamp\":\"{time}.{:06}+0000\",\"flow_id\":{n},\"event_type\":\"flow\",\
         \"src_ip\":\"10.0.0.5\",\"src_port\":{},\"dest_ip\":\"192.0.2.{}\",\"dest_port\":443,\
         \"proto\":\"TCP\",\"app_proto\":\"tls\",\"flow\":{{\"pkts_toserver\":5,\
         \"pkts_toclient\":4,\"start\":\"{time}.{:06}+0000\",\"state\":\"closed\"}},\
         \"tcp\":{{\"tcp_flags\":\"1b\",\"syn\":true,\"fin\":true,\"ack\":true}}}}",
        n % 1_000_000,
        port(n),
        n % 200,
        n % 1_000_000
    )
}

fn tcpdump(n: u32) -> String {
    format!(
        "{}.{:06} IP 10.0.0.5.{} > 192.0.2.{}.443: Flags [S], seq {}, win 64240, options [mss \
         1460,sackOK,TS val 1159975223 ecr 0,nop,wscale 10], length 0",
        1_795_991_031 + n / 1000,
        n % 1_000_000,
        port(n),
        n % 200,
        n + 1
    )
}

fn conntrack(n: u32) -> String {
    let (port, host) = (port(n), n % 200);
    format!(
        "[{}.{:06}]\t    [NEW] tcp      6 120 SYN_SENT src=10.0.0.5 dst=192.0.2.{host} \
         sport={port} dport=443 [UNREPLIED] src=192.0.2.{host} dst=10.0.0.5 sport=443 dport={port}",
        1_795_991_031 + n / 1000,
        n % 1_000_000
    )
}

fn minimal(n: u32) -> String {
    format!(
        "{{\"ts_ns\":{},\"saddr\":\"10.0.0.5\",\"sport\":{},\"daddr\":\"192.0.2.{}\",\
         \"dport\":443}}",
        1_795_991_031_000_000_000_u64 + u64::from(n) * 1_000_000,
        port(n),
        n % 200
    )
}

/// Returns a capture on Ethernet, cut at 128 bytes.
fn packets() -> Result<Vec<u8>> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 128, 1] {
        file.extend(word.to_le_bytes());
    }
    let (client, server) = ([10, 0, 0, 5], [192, 0, 2, 1]);
    for n in 0..ITEMS {
        let flow = n / SYN_EVERY;
        let sport = u16::try_from(port(flow))?;
        let ethernet = PacketBuilder::ethernet2([1; 6], [2; 6]);
        let mut packet = Vec::new();
        match n % SYN_EVERY {
            0 => ethernet
                .ipv4(client, server, 64)
                .tcp(sport, 443, n, 64_240)
                .syn()
                .write(&mut packet, &[])?,
            1 => ethernet
                .ipv4(server, client, 64)
                .tcp(443, sport, 9, 64_240)
                .syn()
                .ack(n)
                .write(&mut packet, &[])?,
            2 => ethernet.ipv4(client, server, 64).udp(sport, 53).write(&mut packet, &[7; 40])?,
            3 => ethernet.ipv4(server, client, 64).udp(53, sport).write(&mut packet, &[7; 70])?,
            4..=6 => ethernet
                .ipv4(client, server, 64)
                .tcp(sport, 443, n, 64_240)
                .ack(9)
                .write(&mut packet, &[7; 70])?,
            _ => ethernet
                .ipv4(server, client, 64)
                .tcp(443, sport, n, 64_240)
                .ack(9)
                .write(&mut packet, &[7; 70])?,
        }
        let len = u32::try_from(packet.len())?;
        for word in [1_795_000_000 + n / 10_000, n % 10_000 * 100, len.min(128), len] {
            file.extend(word.to_le_bytes());
        }
        packet.truncate(128);
        file.extend(packet);
    }
    Ok(file)
}
