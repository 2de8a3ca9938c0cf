//! Kinds of recordings beyond a single, completely seen host: each with its own right answer.

use std::net::IpAddr;

use ephtrace::{
    analyse::pattern::{Algorithm, Pattern},
    model::Origin,
};
use fastrand::Rng;

use crate::{
    load::{Load, Tempo},
    policy::{EPOCH_NS, Policy, Rule},
    rules::Class,
    trace::{Row, generate},
    truth::{Right, is_minor, name_of},
    world::{Range, Target, World, address, size},
};
/// A kind of recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Rows in the order in which connections ended, sorted by the reader.
    EndOrderSorted,
    /// Rows in that order, as they are in the file.
    EndOrder,
    /// Many hosts, each judged by itself.
    ManyHosts,
    /// One destination of a counter that also serves others, unseen.
    UnseenRest,
    /// One port that a program names, or a few.
    FixedPort,
    /// A scanner: one source port for each of several sweeps.
    Scanner,
    /// Refused connects that are tried again from the same port.
    Retries,
    /// A destination past half of its range.
    PastHalf,
    /// A destination with nearly no port left.
    NearlyFull,
    /// A counter with 10 to 40 % of another policy.
    Minority,
    /// Namespaces with ranges of their own, recorded live.
    OwnRanges,
}

impl Kind {
    pub(crate) const ALL: [Self; 11] = [
        Self::EndOrderSorted,
        Self::EndOrder,
        Self::ManyHosts,
        Self::UnseenRest,
        Self::FixedPort,
        Self::Scanner,
        Self::Retries,
        Self::PastHalf,
        Self::NearlyFull,
        Self::Minority,
        Self::OwnRanges,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::EndOrderSorted => "order by end of connection, sorted by the reader",
            Self::EndOrder => "order by end of connection, unsorted",
            Self::ManyHosts => "many hosts, each by itself",
            Self::UnseenRest => "one destination of an unseen rest",
            Self::FixedPort => "fixed ports",
            Self::Scanner => "scanners",
            Self::Retries => "retries from the same port",
            Self::PastHalf => "a destination past the half mark",
            Self::NearlyFull => "a destination with nearly no port left",
            Self::Minority => "a minority of 10 to 40 %",
            Self::OwnRanges => "namespaces with ranges of their own, live",
        }
    }
}

/// Rows that one judge sees, and the right answers for them.
pub(crate) struct Case {
    pub(crate) rows: Vec<Row>,
    pub(crate) right: Right,
    /// True if recorded live: origin and epoch of the secret are known.
    pub(crate) live: bool,
}

/// Returns the cases of one recording of `kind` with about `n` rows.
pub(crate) fn cases(kind: Kind, n: usize, seed: u64) -> Vec<Case> {
    let mut rng = Rng::with_seed(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ n as u64);
    rng.u64(..);
    let one = |rows, right| vec![Case { rows, right, live: false }];
    match kind {
        Kind::EndOrderSorted | Kind::EndOrder => {
            let (rows, right) = end_order(&mut rng, n, kind == Kind::EndOrderSorted);
            one(rows, right)
        }
        Kind::ManyHosts => by_host(many_hosts(&mut rng, n)),
        Kind::UnseenRest => unseen_rest(&mut rng, n),
        Kind::FixedPort => one(fixed(&mut rng, n, 3), named()),
        Kind::Scanner => one(scanner(&mut rng, n), named()),
        Kind::Retries => retries(&mut rng, n),
        Kind::PastHalf | Kind::NearlyFull => near_the_end(&mut rng, n, kind == Kind::NearlyFull),
        Kind::Minority => minority(&mut rng, n),
        Kind::OwnRanges => own_ranges(&mut rng, n),
    }
}

fn named() -> Right {
    Right { predictable: Some(true), ..Right::new(Algorithm::Fixed) }
}

/// One host that keeps connections open for a while: rows come when they end.
fn end_order(rng: &mut Rng, n: usize, sorted: bool) -> (Vec<Row>, Right) {
    let class =
        [Class::SeqUp, Class::SeqUp, Class::Linux2, Class::Linux518, Class::Udp, Class::Alg4]
            [rng.usize(..6)];
    let trace = generate(class, n, rng.u64(..), 0.0);
    let right = Right::of(&trace);
    // Connects per second: 2 to 60; lifetimes of 0.1 to 30 s.
    let gap = 1e9 / (2.0 + 58.0 * rng.f64());
    let life = 1e8 * 300_f64.powf(rng.f64());
    let mut now = trace.rows[0].ts_ns as f64;
    let mut ended: Vec<(u64, Row)> = trace
        .rows
        .iter()
        .map(|row| {
            now += -gap * rng.f64().max(1e-9).ln();
            let end = now - life * rng.f64().max(1e-9).ln();
            (end as u64, Row { ts_ns: now as u64, ..*row })
        })
        .collect();
    ended.sort_by_key(|(end, _)| *end);
    let mut rows: Vec<Row> = ended.into_iter().map(|(_, row)| row).collect();
    if sorted {
        rows.sort_by_key(|row| row.ts_ns);
    }
    (rows, right)
}

/// Clients of one server, or of a few: each is a host with a policy of its own.
fn many_hosts(rng: &mut Rng, n: usize) -> (Vec<Row>, Vec<(IpAddr, Right)>) {
    let hosts = rng.usize(3..=12);
    let common = [Class::SeqUp, Class::SeqUp, Class::Linux518, Class::Alg2, Class::Linux2];
    let mut rows = Vec::new();
    let mut rights = Vec::new();
    for _ in 0..hosts {
        let class = common[rng.usize(..5)];
        let mut trace = generate(class, n / hosts.min(4) + 4, rng.u64(..), 0.3);
        let saddr = address(rng);
        let (start, netns) = (trace.rows[0].ts_ns, trace.rows[0].to.netns);
        trace.rows.retain(|row| row.to.netns == netns);
        for row in &mut trace.rows {
            // A recording of packets has no namespaces.
            row.to = Target::new(row.to.netns, saddr, row.to.daddr, row.to.dport);
            row.ts_ns = 1_780_000_000_000_000_000 + (row.ts_ns - start);
        }
        rights.push((saddr, Right::of(&trace)));
        rows.extend(trace.rows);
    }
    rows.sort_by_key(|row| row.ts_ns);
    for row in &mut rows {
        row.to.netns = 0;
    }
    (rows, rights)
}

fn by_host((rows, rights): (Vec<Row>, Vec<(IpAddr, Right)>)) -> Vec<Case> {
    let of_host = |saddr| rows.iter().filter(move |row| row.to.saddr == saddr).copied();
    rights
        .into_iter()
        .map(|(saddr, right)| Case { rows: of_host(saddr).collect(), right, live: false })
        .collect()
}

/// A counter by one for all destinations, seen at one server only.
fn unseen_rest(rng: &mut Rng, n: usize) -> Vec<Case> {
    let n = n.min(rng.usize(5..80));
    let range = [(32768, 60999), (49152, 65535), (1024, 65535)][rng.usize(..3)];
    let (saddr, daddr) = (address(rng), address(rng));
    let many_ports = rng.bool();
    // The unseen rest takes ports in between: by time, or as a scan that goes round.
    let mean = 3.0 * 100_f64.powf(rng.f64());
    let round = rng.bool();
    let mut counter = rng.u32(0..size(range));
    let mut now = 1_780_000_000_000_000_000;
    let rows = (0..n)
        .map(|_| {
            let share = if round { 0.9 + 0.2 * rng.f64() } else { -rng.f64().max(1e-9).ln() };
            counter += 1 + (mean * share) as u32;
            now += (1e9 * share) as u64;
            let dport = if many_ports { rng.u16(1..) } else { 443 };
            let sport = range.0 + (counter % size(range)) as u16;
            row(Target::new(0, saddr, daddr, dport), sport, range, now)
        })
        .collect();
    let mut right = Right::new(Algorithm::Undetermined);
    right.predictable = Some(true);
    right.patterns.clear();
    if many_ports {
        // Ports at one server are sequential: a right answer, although another server was not seen.
        right.patterns.push(Pattern::Sequential);
        right.algorithms.push(Algorithm::SeqGlobal);
    }
    vec![Case { rows, right, live: false }]
}

/// Rows of at most `ports` ports that programs name.
fn fixed(rng: &mut Rng, n: usize, ports: usize) -> Vec<Row> {
    let range = (32768, 60999);
    let named: Vec<u16> = (0..rng.usize(1..=ports))
        .map(|_| if rng.bool() { rng.u16(1..1024) } else { rng.u16(1024..) })
        .collect();
    let saddr = address(rng);
    let targets = rng.usize(2..=n.max(3));
    let targets: Vec<Target> =
        (0..targets).map(|_| Target::new(0, saddr, address(rng), 80 + rng.u16(..3))).collect();
    let mut now = 1_780_000_000_000_000_000;
    (0..n)
        .map(|_| {
            now += rng.u64(1_000_000..4_000_000_000);
            let port = named[rng.usize(..named.len())];
            row(targets[rng.usize(..targets.len())], port, range, now)
        })
        .collect()
}

/// Sweeps over addresses or ports, each from a port of its own.
fn scanner(rng: &mut Rng, n: usize) -> Vec<Row> {
    let range = (1024, 65535);
    let saddr = address(rng);
    let sweeps = rng.usize(1..=(n / 12).clamp(1, 4));
    let mut now = 1_780_000_000_000_000_000;
    let mut rows = Vec::new();
    for _ in 0..sweeps {
        let (sport, daddr, vertical) = (rng.u16(1024..), address(rng), rng.bool());
        for _ in 0..n / sweeps {
            now += rng.u64(10_000..100_000_000);
            let to = if vertical { daddr } else { address(rng) };
            let dport = if vertical { rng.u16(1..) } else { 23 };
            rows.push(row(Target::new(0, saddr, to, dport), sport, range, now));
        }
    }
    rows
}

/// A host that tries each refused connect three times from one port.
fn retries(rng: &mut Rng, n: usize) -> Vec<Case> {
    let class = [Class::SeqUp, Class::SeqUp, Class::Alg4, Class::Alg2][rng.usize(..4)];
    let trace = generate(class, n.div_ceil(2), rng.u64(..), 0.0);
    let right = Right::of(&trace);
    let refused = rng.f64();
    let mut rows = Vec::new();
    for row in trace.rows {
        let times = if rng.f64() < refused { 3 } else { 1 };
        for again in 0..times {
            rows.push(Row { ts_ns: row.ts_ns + again * 500_000_000, ..row });
        }
    }
    for (i, row) in rows.iter_mut().enumerate() {
        row.ts_ns = 1_780_000_000_000_000_000 + i as u64 * 520_000_000;
    }
    vec![Case { rows, right, live: false }]
}

/// A destination whose sockets stay open: past half of its range, or until all ports are taken and
/// come back one by one.
fn near_the_end(rng: &mut Rng, n: usize, full: bool) -> Vec<Case> {
    let low = 2 * rng.u16(10_000..25_000);
    let ports = if full { 64 + rng.u16(0..200) } else { 100 + rng.u16(0..900) };
    let range: Range = (low, low + ports - 1);
    let rule = [
        Rule::Dhash64k { step: 2 },
        Rule::Dhash64k { step: 2 },
        Rule::HintEven,
        Rule::Dhash256,
        Rule::Dhash64k { step: 1 },
    ][rng.usize(..5)]
    .clone();
    let saddr = address(rng);
    let targets: Vec<Target> =
        (0..rng.usize(1..=2)).map(|_| Target::new(0, saddr, address(rng), 443)).collect();
    let before = usize::from(ports) * targets.len();
    let before = if full { before } else { before * rng.usize(45..70) / 100 };
    let lifetime = if full { usize::from(ports) } else { 10 * usize::from(ports) };
    let lifetime = (lifetime * targets.len()) as u64;
    let mut world = World::new(rng.fork(), vec![range], targets, lifetime);
    let tempo = Tempo { rate: Some(50.0 + 1000.0 * rng.f64()), steady: true };
    let mut load = Load::new(rng, tempo);
    let mut policy = Policy::new(rule.clone(), &mut world);
    let mut rows = Vec::new();
    for serial in 0..(before + n) as u64 + 4000 {
        world.release(serial);
        let to = load.next(rng, &world);
        let Some(port) = policy.assign(&mut world, to, load.epoch()) else { continue };
        world.take(serial, 0, port, to.key);
        if serial >= before as u64 {
            rows.push(Row { epoch: load.epoch(), ..row(to, port, range, load.now_ns) });
        }
        if rows.len() == n {
            break;
        }
    }
    let mut right = Right::new(name_of(&rule));
    if world.targets.len() == 1 {
        right.patterns.push(Pattern::Sequential);
        if matches!(rule, Rule::HintEven | Rule::Dhash256) {
            right.algorithms = vec![Algorithm::LinuxHintEven, Algorithm::LinuxDhash256];
        }
    }
    right.predictable = None;
    vec![Case { rows, right, live: false }]
}

/// A counter, with 10 to 40 % of another policy.
fn minority(rng: &mut Rng, n: usize) -> Vec<Case> {
    let major = [Class::Linux518, Class::Linux518, Class::SeqUp, Class::Alg4, Class::Linux42]
        [rng.usize(..5)];
    let range = (32768, 60999);
    let share = 0.1 + 0.3 * rng.f64();
    let mut maker = crate::trace::Maker::new(major, n, rng.u64(..), 0.0);
    maker.world.ranges.iter_mut().for_each(|own| *own = range);
    let other = if rng.bool() { Rule::BindZero { reuse: false } } else { Rule::RandomRetry };
    let mut second = Policy::new(other, &mut maker.world);
    let mut rows = Vec::new();
    while rows.len() < n {
        let Some(row) = maker.next(rows.len()) else { continue };
        if rng.f64() >= share {
            rows.push(row);
        } else if let Some(sport) = second.assign(&mut maker.world, row.to, 0) {
            rows.push(Row { sport, part: Some(1), origin: Origin::Bind, ..row });
        }
    }
    let lesser = rows.iter().filter(|row| row.part == Some(1)).count();
    let mut trace = maker.finish(rows);
    let mut right = Right::new(Algorithm::Mixed);
    if is_minor(lesser, n) {
        let of_major = Right::of(&trace);
        right.patterns.extend(of_major.patterns);
        right.algorithms.extend(of_major.algorithms);
    }
    let rows = std::mem::take(&mut trace.rows);
    vec![Case { rows, right, live: false }]
}

/// Containers with ranges of their own on one Linux host, with bind and UDP in between; live.
fn own_ranges(rng: &mut Rng, n: usize) -> Vec<Case> {
    let saddr = address(rng);
    let shared: Vec<_> = (0..3).map(|_| address(rng)).collect();
    let namespaces = rng.usize(2..=6);
    let ranges: Vec<Range> = (0..namespaces)
        .map(|_| {
            let low = rng.u16(10_000..50_000);
            if rng.u32(0..3) == 0 { (32768, 60999) } else { (low, low + rng.u16(300..9000)) }
        })
        .collect();
    let targets: Vec<Target> = (0..namespaces * 3)
        .map(|i| Target::new(i % namespaces, saddr, shared[rng.usize(..3)], 443))
        .collect();
    let mut world = World::new(rng.fork(), ranges, targets, 100);
    let rule = [Rule::Dhash64k { step: 2 }, Rule::Dhash64k { step: 2 }, Rule::Dhash256]
        [rng.usize(..3)]
    .clone();
    let rules = [rule.clone(), Rule::BindZero { reuse: false }, Rule::RandomRetry];
    let mut policies: Vec<Policy> =
        rules.iter().map(|rule| Policy::new(rule.clone(), &mut world)).collect();
    let tempo = Tempo { rate: Some(2.0 + 100.0 * rng.f64()), steady: false };
    let mut load = Load::new(rng, tempo);
    let mut rows = Vec::new();
    for serial in 0..8 * n as u64 {
        world.release(serial);
        let to = load.next(rng, &world);
        let which = if rng.u32(0..5) > 1 { 0 } else { rng.usize(1..3) };
        let to = if which > 0 { to.unconnected() } else { to };
        let Some(port) = policies[which].assign(&mut world, to, load.epoch()) else { continue };
        world.take(serial, to.netns, port, to.key);
        let range = world.ranges[to.netns];
        let origin = [Origin::Connect, Origin::Bind, Origin::Udp][which];
        let epoch = (load.now_ns + load.phase_ns) / EPOCH_NS;
        let part = Some(which);
        rows.push(Row { ts_ns: load.now_ns, to, sport: port, range, origin, part, epoch });
        if rows.iter().filter(|row| row.part == Some(0)).count() >= n {
            break;
        }
    }
    // One case for each rule of the kernel, as a live trace has them.
    (0..3)
        .map(|which| {
            let rows: Vec<Row> =
                rows.iter().filter(|row| row.part == Some(which)).copied().collect();
            let mut right = Right::new(name_of(&rules[which]));
            right.predictable = right.predictable.filter(|_| rows.len() > 8);
            Case { rows, right, live: true }
        })
        .filter(|case| case.rows.len() >= 3)
        .collect()
}

fn row(to: Target, sport: u16, range: Range, ts_ns: u64) -> Row {
    Row { ts_ns, to, sport, range, origin: Origin::Connect, part: Some(0), epoch: 0 }
}
