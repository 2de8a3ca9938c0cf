//! The questions of `explain` with a recording made while the sockets were opened: the recording
//! remembers how they got their ports, which the kernel hides.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Cursor},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use anyhow::{Context as _, Result, bail, ensure};
use ephtrace::{
    host::explain::look_here,
    inventory::{
        PastOwners,
        explain::{Attempt, Question, answer},
        owners::{OpenSockets, Owners},
        socket::TcpState,
    },
    model::Origin,
    replay::{Item, Recording},
};

use crate::{
    explain::{APART, PER_NAMESPACE, RANGES_FROM, SERVERS, Servers, Tally, World, here},
    notes,
    ports::books::in_new_netns,
    setup::{self, Scratch},
    tracer::Tracer,
    wait,
};

tests! {
    each_hook: a_recording_knows_what_the_kernel_hides;
    first_hook: half_a_recording_makes_no_answer_wrong, a_time_wait_is_told_with_who_left_it;
}

/// Divisor of the number of populations: each waits until its events have been recorded.
const SHARE: u64 = 4;

/// Address that marks connect to: nobody listens there.
const MARK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// All origins that a recording can have, and those that it has by default. Without ports that
/// programs name, it can't tell that a socket was not bound.
const ALL: &str = "connect,bind,listen,udp,explicit";
const USUAL: &str = "connect,bind,listen,udp";

/// Reason, without numbers, that no answer with a recording may give.
const HIDDEN: &str = "unless a socket on it was bound before it connected";

fn a_recording_knows_what_the_kernel_hides(hook: &str) -> Result<()> {
    let (tally, without) = recorded(hook, ALL)?;
    let open: u32 =
        tally.unknown.iter().filter(|(why, _)| why.contains(HIDDEN)).map(|(_, count)| count).sum();
    ensure!(open == 0, "{open} answers lack what was recorded: {:#?}", tally.unknown);
    ensure!(without > 0, "nothing was hidden without the recording");
    Ok(())
}

fn half_a_recording_makes_no_answer_wrong(hook: &str) -> Result<()> {
    recorded(hook, USUAL).map(drop)
}

/// Returns the answers with a recording that has `origins`, none of them wrong, and the number of
/// answers that would be unknown without it.
fn recorded(hook: &str, origins: &str) -> Result<(Tally, usize)> {
    let populations = setup::populations()?.div_ceil(SHARE);
    let (scratch, pid) = (Scratch::new()?, std::process::id().to_string());
    let tracer = Tracer::start(&scratch, hook, &["--origin", origins, "-p", &pid])?;
    let mut recorded = Recorded::new(File::open(tracer.output())?);
    let mut tally = Tally::default();
    for first in (0..populations).step_by(usize::from(PER_NAMESPACE)) {
        let last = (first + u64::from(PER_NAMESPACE)).min(populations);
        let one = in_new_netns(|| ask(first..last, &mut recorded))?;
        tally.add(one);
    }
    notes::say(&format!("{populations} recorded populations: {:?}", tally.answers));
    for (reason, count) in &tally.unknown {
        notes::say(&format!("not known {count} times: {reason}"));
    }
    ensure!(tally.wrong.is_empty(), "{} wrong: {:#?}", tally.wrong.len(), tally.wrong);
    tracer.stop()?;
    Ok((tally, recorded.without))
}

/// The kernel forgets the owner of a closed connection.
fn a_time_wait_is_told_with_who_left_it(hook: &str) -> Result<()> {
    let (scratch, pid) = (Scratch::new()?, std::process::id());
    let tracer = Tracer::start(&scratch, hook, &["-p", &pid.to_string()])?;
    let mut recorded = Recorded::new(File::open(tracer.output())?);
    let to = SERVERS[0];
    let told = in_new_netns(|| {
        let servers = Servers::new()?;
        let client = TcpStream::connect(to)?;
        let from = client.local_addr()?;
        // The client closes first, so that the TIME_WAIT stays on its side.
        drop(client);
        drop(servers.accept_all());
        let question = Question::Tuple { from, to };
        recorded.catch_up()?;
        let open = OpenSockets::default();
        let owners = Owners::new(&open, &recorded.past_owners);
        wait::until("a TIME_WAIT", || {
            let seen = look_here(here()?, &question, false)?.seen;
            let told = answer(&question, &seen, owners).sockets.into_iter().next();
            Ok(told.filter(|socket| socket.state == TcpState::TimeWait))
        })
    })?;
    let owner = told.owner.as_ref().with_context(|| format!("nobody left {told:?}"))?;
    ensure!(owner.pid == Some(pid) && owner.comm.is_some() && !told.is_open, "{told:?}");
    ensure!(told.origin == Some(Origin::Connect), "{told:?}");
    ensure!(told.time_wait_left_ms.is_some_and(|left| left > 50_000), "{told:?}");
    tracer.stop().map(drop)
}

/// Asks about each population with its recorded events, and counts the answers that would be hidden
/// without them.
fn ask(seeds: std::ops::Range<u64>, recorded: &mut Recorded) -> Result<Tally> {
    let mut tally = Tally::default();
    let servers = Servers::new()?;
    for (nth, seed) in (0..).zip(seeds) {
        let mut world = World::new(seed, RANGES_FROM + nth * APART, &servers)?;
        world.populate();
        for to in SERVERS {
            let answered = world.answer(&Question::Destination(to), false)?;
            let is_hidden = |one: &&Attempt| one.because.contains(HIDDEN);
            recorded.without += answered.iter().filter(is_hidden).count();
        }
        recorded.catch_up()?;
        world.past_owners = std::mem::take(&mut recorded.past_owners);
        world.ask_all(&mut tally).with_context(|| format!("population {seed}"))?;
        recorded.past_owners = world.past_owners;
    }
    Ok(tally)
}

/// Events that a running trace has recorded so far.
struct Recorded {
    lines: BufReader<File>,
    past_owners: PastOwners,
    marks: Marks,
    /// Number of marks made, and of marks read.
    made: u32,
    read: u32,
    /// Beginning of a line whose end is not yet there.
    begun: String,
    /// Number of answers that needed the recording.
    without: usize,
}

impl Recorded {
    fn new(file: File) -> Self {
        let (lines, marks) = (BufReader::new(file), Marks::new());
        let past_owners = PastOwners::default();
        Self { lines, past_owners, marks, made: 0, read: 0, begun: String::new(), without: 0 }
    }

    /// Makes a mark, and reads until it appears: all earlier events have been read then.
    fn catch_up(&mut self) -> Result<()> {
        self.marks.make()?;
        self.made += 1;
        wait::until("what was recorded", || {
            while self.lines.read_line(&mut self.begun)? > 0 && self.begun.ends_with('\n') {
                self.observe()?;
            }
            Ok((self.read >= self.made).then_some(()))
        })
    }

    fn observe(&mut self) -> Result<()> {
        let line = Cursor::new(std::mem::take(&mut self.begun).into_bytes());
        for item in Recording::from_reader("what was recorded", line)? {
            match item? {
                Item::Assignment(one) => {
                    self.read += u32::from(one.flow.remote() == Some(MARK));
                    self.past_owners.observe(&one);
                }
                Item::Broken(broken) => bail!("{broken}"),
            }
        }
        Ok(())
    }
}

/// Connects outside of the namespaces in question, where they take no port.
struct Marks {
    wanted: SyncSender<()>,
    done: Receiver<()>,
}

impl Marks {
    fn new() -> Self {
        let (wanted, orders) = sync_channel::<()>(1);
        let (sender, done) = sync_channel(1);
        thread::spawn(move || {
            for () in orders {
                // The connect is refused.
                let _ = TcpStream::connect(MARK);
                let _ = sender.send(());
            }
        });
        Self { wanted, done }
    }

    fn make(&self) -> Result<()> {
        self.wanted.send(())?;
        Ok(self.done.recv()?)
    }
}
