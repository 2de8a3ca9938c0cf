//! Compares the answers of `explain` with what the kernel does next: random populations of sockets,
//! and a question after each.
//!
//! A wrong "free" and a wrong "not free" fail the test. "Not known" is counted; `--probe` then asks
//! the kernel and must be right, or a recording tells the answer.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use ephtrace::{
    host::explain::look_here,
    inventory::{
        PastOwners,
        explain::{Attempt, Question, Verdict, Way, answer},
        namespace::NetnsRef,
        owners::{OpenSockets, Owners},
    },
};
use fastrand::Rng;
use socket2::{Domain, Socket, Type};

use crate::{
    all_clear::{ports, set, set_no_port},
    notes,
    ports::books::in_new_netns,
    setup,
};

tests! {
    once: no_answer_is_wrong, a_long_list_of_reserved_ports_is_read_whole;
}

/// Number of populations that share a namespace, each with a range of its own: a TIME_WAIT lasts a
/// minute.
pub(crate) const PER_NAMESPACE: u16 = 100;

/// Start of the ranges, and the distance between them.
pub(crate) const RANGES_FROM: u16 = 10_000;
pub(crate) const APART: u16 = 50;

/// Maximum number of ports in a range.
const MOST: u16 = 24;

/// Servers that connections go to, outside of all ranges.
pub(crate) const SERVERS: [SocketAddr; 4] = [
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4001),
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4002),
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 4001),
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::LOCALHOST), 4001),
];

fn no_answer_is_wrong() -> Result<()> {
    let populations = setup::populations()?;
    let mut tally = Tally::default();
    for first in (0..populations).step_by(usize::from(PER_NAMESPACE)) {
        let last = (first + u64::from(PER_NAMESPACE)).min(populations);
        let one = in_new_netns(|| {
            let mut tally = Tally::default();
            let servers = Servers::new()?;
            for (nth, seed) in (0..).zip(first..last) {
                let mut world = World::new(seed, RANGES_FROM + nth * APART, &servers)?;
                world.populate();
                world.ask_all(&mut tally).with_context(|| format!("population {seed}"))?;
            }
            Ok(tally)
        })?;
        tally.add(one);
    }
    notes::say(&format!("{populations} populations: {:?}", tally.answers));
    for (reason, count) in &tally.unknown {
        notes::say(&format!("not known {count} times: {reason}"));
    }
    ensure!(tally.wrong.is_empty(), "{} wrong: {:#?}", tally.wrong.len(), tally.wrong);
    for verdict in ["Free", "NotFree", "Unknown"] {
        ensure!(tally.answers.contains_key(verdict), "never {verdict}: {:?}", tally.answers);
    }
    Ok(())
}

/// Counts of the answers.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) answers: BTreeMap<String, u32>,
    pub(crate) unknown: BTreeMap<String, u32>,
    pub(crate) wrong: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        for (name, count) in other.answers {
            *self.answers.entry(name).or_default() += count;
        }
        for (name, count) in other.unknown {
            *self.unknown.entry(name).or_default() += count;
        }
        self.wrong.extend(other.wrong);
    }
}

/// Listeners that the populations connect to.
pub(crate) struct Servers(Vec<Socket>);

impl Servers {
    pub(crate) fn new() -> Result<Self> {
        let listen = |addr: &SocketAddr| {
            let server = Socket::new(Domain::for_address(*addr), Type::STREAM, None)?;
            server.set_reuse_address(true)?;
            server.bind(&(*addr).into())?;
            server.listen(1024)?;
            server.set_nonblocking(true)?;
            Ok(server)
        };
        Ok(Self(SERVERS.iter().map(listen).collect::<Result<_>>()?))
    }

    pub(crate) fn accept_all(&self) -> Vec<Socket> {
        let accepted = |server: &Socket| {
            std::iter::from_fn(|| server.accept().ok().map(|(socket, _)| socket))
                .collect::<Vec<_>>()
        };
        self.0.iter().flat_map(accepted).collect()
    }
}

/// One population.
pub(crate) struct World<'a> {
    random: Rng,
    low: u16,
    ports: u16,
    servers: &'a Servers,
    sockets: Vec<Socket>,
    accepted: Vec<Socket>,
    settings: String,
    /// Past owners from a recording; empty without one.
    pub(crate) past_owners: PastOwners,
}

impl<'a> World<'a> {
    pub(crate) fn new(seed: u64, from: u16, servers: &'a Servers) -> Result<Self> {
        let mut random = Rng::with_seed(seed);
        let (low, ports) = (from + random.u16(0..2), random.u16(1..=MOST));
        let high = low + ports - 1;
        set("ip_local_port_range", &format!("{low} {high}"))?;
        let share = if random.bool() { 0.0 } else { random.f64() * 0.5 };
        let reserved = (low..=high).filter(|_| random.f64() < share);
        let reserved: Vec<String> = reserved.map(|port| port.to_string()).collect();
        // An empty write changes nothing.
        set("ip_local_reserved_ports", &format!("{}\n", reserved.join(",")))?;
        let mut settings = format!("{low}-{high} less {reserved:?}");
        for (name, values) in [("tcp_tw_reuse", 3), ("tcp_timestamps", 2), ("ip_autobind_reuse", 2)]
        {
            let value = random.u8(0..values);
            set(name, &value.to_string())?;
            write!(settings, ", {name} {value}")?;
        }
        let width = "/proc/sys/net/ipv4/ip_local_port_step_width";
        if fs::exists(width)? {
            let value = if random.bool() { 0 } else { random.u16(1..ports.max(2)) };
            fs::write(width, value.to_string())?;
            write!(settings, ", step width {value}")?;
        }
        let (sockets, accepted) = (Vec::new(), Vec::new());
        let past_owners = PastOwners::default();
        Ok(Self { random, low, ports, servers, sockets, accepted, settings, past_owners })
    }

    pub(crate) fn populate(&mut self) {
        let most = if self.random.bool() { self.ports / 2 } else { 3 * self.ports };
        for _ in 0..self.random.u16(0..=most) {
            // Actions that the kernel refuses are no part of the population.
            if let Ok(Some(socket)) = self.one() {
                self.sockets.push(socket);
            }
            self.accepted.extend(self.servers.accept_all());
        }
    }

    fn local(&mut self) -> SocketAddr {
        let addr = match self.random.u8(0..4) {
            0 => Ipv4Addr::UNSPECIFIED,
            1 => Ipv4Addr::new(127, 0, 0, 2),
            _ => Ipv4Addr::LOCALHOST,
        };
        let named = self.low + self.random.u16(0..self.ports);
        let port = if self.random.u8(0..3) == 0 { named } else { 0 };
        SocketAddr::from((addr, port))
    }

    fn server(&mut self) -> SocketAddr {
        // Half of the connections go to one server, so that its range fills.
        if self.random.bool() { SERVERS[0] } else { SERVERS[self.random.usize(0..SERVERS.len())] }
    }

    /// Does one action that takes a port or gives one back.
    fn one(&mut self) -> Result<Option<Socket>> {
        let (kind, to, local) = (self.random.u8(0..14), self.server(), self.local());
        let tcp = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
        let v4 = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let udp = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        let v6 = |kind, only| -> Result<Socket> {
            let socket = Socket::new(Domain::IPV6, kind, None)?;
            socket.set_only_v6(only)?;
            socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, local.port())).into())?;
            Ok(socket)
        };
        let is_shared = self.random.u8(0..4) == 0;
        v4.set_reuse_address(is_shared)?;
        udp.set_reuse_address(is_shared)?;
        Ok(match kind {
            0..=4 => {
                tcp.connect(&to.into())?;
                Some(tcp)
            }
            5 => {
                v4.bind(&local.into())?;
                Some(v4)
            }
            6 | 7 => {
                v4.bind(&local.into())?;
                v4.connect(&SERVERS[self.random.usize(0..3)].into())?;
                Some(v4)
            }
            8 => {
                set_no_port(&v4)?;
                v4.bind(&SocketAddr::from((local.ip(), 0)).into())?;
                v4.connect(&SERVERS[self.random.usize(0..3)].into())?;
                Some(v4)
            }
            9 => {
                v4.bind(&local.into())?;
                v4.listen(1)?;
                Some(v4)
            }
            10 => {
                udp.bind(&local.into())?;
                if self.random.bool() {
                    udp.connect(&SERVERS[0].into())?;
                }
                Some(udp)
            }
            11 => Some(v6(Type::STREAM, is_shared)?),
            12 => Some(v6(Type::DGRAM, is_shared)?),
            _ if self.sockets.is_empty() => None,
            _ => {
                // The client closes first, so that the connection leaves a TIME_WAIT.
                let gone = self.random.usize(0..self.sockets.len());
                drop(self.sockets.swap_remove(gone));
                if self.random.bool() {
                    self.accepted.clear();
                }
                None
            }
        })
    }

    pub(crate) fn ask_all(&mut self, tally: &mut Tally) -> Result<()> {
        let port = self.low + self.random.u16(0..self.ports);
        let from = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut questions: Vec<Question> = SERVERS.map(Question::Destination).into();
        questions.extend([
            Question::Port { port, transport: None },
            Question::Tuple { from, to: SERVERS[0] },
        ]);
        for question in questions {
            let mut answered = self.answer(&question, false)?;
            for nth in 0..answered.len() {
                let attempt = answered[nth].clone();
                let probed = || -> Result<Attempt> {
                    let all = self.answer(&question, true)?;
                    let one = all.into_iter().find(|one| one.way == attempt.way);
                    one.context("no probe")
                };
                let probed = (attempt.verdict == Verdict::Unknown).then(probed).transpose()?;
                let real = self.try_it(attempt.way, &question);
                self.compare(tally, &question, &attempt, probed.as_ref(), &real);
                // A connect may have taken over a TIME_WAIT, whose port is free afterwards.
                if real.is_ok() && matches!(attempt.way, Way::Connect | Way::ConnectFrom) {
                    answered = self.answer(&question, false)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn answer(&self, question: &Question, probe: bool) -> Result<Vec<Attempt>> {
        let looked = look_here(here()?, question, probe)?;
        let open = OpenSockets::default();
        let owners = Owners::new(&open, &self.past_owners);
        let answer = answer(question, &looked.seen, owners);
        drop(self.servers.accept_all());
        Ok(answer.attempts)
    }

    fn compare(
        &self,
        tally: &mut Tally,
        question: &Question,
        attempt: &Attempt,
        probed: Option<&Attempt>,
        real: &std::io::Result<()>,
    ) {
        let judge = |said: &Attempt| match (said.verdict, real) {
            (Verdict::Free, Err(_)) | (Verdict::NotFree, Ok(())) => Some(format!("{said:?}")),
            (Verdict::NotFree, Err(error)) => {
                let name = error.raw_os_error().and_then(|errno| u16::try_from(errno).ok());
                let name = name.and_then(ephtrace::model::errno::errno_name);
                (name != said.error).then(|| format!("{said:?}"))
            }
            _ => None,
        };
        *tally.answers.entry(format!("{:?}", attempt.verdict)).or_default() += 1;
        if attempt.verdict == Verdict::Unknown {
            let reason = attempt.because.replace(|c: char| c.is_ascii_digit(), "");
            *tally.unknown.entry(format!("{:?}: {reason}", attempt.way)).or_default() += 1;
        }
        for wrong in [judge(attempt), probed.and_then(judge)].into_iter().flatten() {
            let settings = &self.settings;
            tally.wrong.push(format!("{settings}; {question}: {wrong}, but {real:?}"));
        }
    }

    /// Returns the kernel's answer to a plain socket, which is closed at once and leaves nothing.
    fn try_it(&self, way: Way, question: &Question) -> std::io::Result<()> {
        let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into();
        let port = question.port().unwrap_or(0);
        let connect = |from: Option<SocketAddr>, to: SocketAddr| {
            let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
            if let Some(from) = from {
                socket.bind(&from.into())?;
            }
            // No TIME_WAIT stays behind.
            socket.set_linger(Some(Duration::ZERO))?;
            socket.connect(&to.into())
        };
        let done = match (way, *question) {
            (Way::Connect, Question::Destination(to)) => connect(None, to),
            (Way::ConnectFrom, Question::Tuple { from, to }) => connect(Some(from), to),
            (Way::BindAny | Way::BindPort, _) => {
                Socket::new(Domain::IPV4, Type::STREAM, None)?.bind(&any(port))
            }
            (Way::UdpAny | Way::UdpPort, _) => {
                Socket::new(Domain::IPV4, Type::DGRAM, None)?.bind(&any(port))
            }
            _ => unreachable!("{way:?} of {question}"),
        };
        drop(self.servers.accept_all());
        done
    }
}

/// The kernel gives the list in one read; a short read loses the rest.
fn a_long_list_of_reserved_ports_is_read_whole() -> Result<()> {
    in_new_netns(|| {
        let reserved: Vec<u16> = (10_000..30_000).step_by(2).collect();
        let texts: Vec<String> = reserved.iter().map(u16::to_string).collect();
        // The kernel cuts a write of more than a page.
        for some in (1..=texts.len()).rev().filter(|n| n.is_power_of_two()) {
            set("ip_local_port_range", "10000 29999")?;
            if set("ip_local_reserved_ports", &format!("{}\n", texts[..some].join(","))).is_err() {
                continue;
            }
            let said = ports(&[])?;
            let told = &said["namespaces"][0]["settings"]["reserved"];
            ensure!(*told == some, "{told} of {some}");
            return Ok(());
        }
        anyhow::bail!("no list can be set")
    })
}

/// Returns this thread's network namespace.
pub(crate) fn here() -> Result<NetnsRef> {
    let netns = fs::metadata("/proc/thread-self/ns/net")?.ino();
    Ok(NetnsRef { netns: u32::try_from(netns)?, ..NetnsRef::default() })
}
