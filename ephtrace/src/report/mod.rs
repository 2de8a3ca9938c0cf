//! `ephtrace report`: a recording, judged: how ports are handed out, over all and to each
//! destination, what failed, what is missing.
//!
//! ```text
//! replay ─→ Analysis (host judge, destinations, processes, reuse, self-connects, tally) ─→ Report ─→ text, JSON
//! ```
//!
//! One pass, in bounded memory however long the recording: [`MAX_DESTINATIONS`], [`MAX_PROCESSES`].

mod destinations;
mod processes;
mod text;
mod top;

use std::io::{self, Write};

use anyhow::{Result, bail};
use serde::Serialize;

use self::{destinations::Destinations, processes::Processes};
pub use self::{
    destinations::{DestinationReport, MAX_DESTINATIONS},
    processes::{MAX_JUDGED, MAX_PROCESSES, ProcessReport},
};
use crate::{
    analyse::{
        pattern::{Judge, Observation, Verdict},
        reuse::Reuse,
        self_connect::{SelfConnect, SelfConnects},
        summary::{Circumstances, Summary, Tally},
    },
    cli::ReportArgs,
    event::Assignment,
    losses::Losses,
    replay::{Broken, Item, Recording},
};

/// How many broken lines are shown; the others are only counted.
const MAX_TOLD: u64 = 10;

/// Everything that is worked out while a recording goes by.
pub struct Analysis {
    host: Judge,
    destinations: Destinations,
    processes: Processes,
    self_connects: SelfConnects,
    tally: Tally,
}

/// What is said of a recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// What the recording is called.
    pub source: String,
    /// Its format.
    pub format: &'static str,
    /// How ports are handed out, over all of it.
    pub verdict: Verdict,
    /// The same by origin.
    pub origins: Vec<OriginReport>,
    /// The same for each of the busiest processes, busiest first.
    pub processes: Vec<ProcessReport>,
    /// Processes that were left out, those that came back counted again.
    pub processes_evicted: u64,
    /// The same for each destination, busiest first.
    pub destinations: Vec<DestinationReport>,
    /// Destinations that were left out, those that came back counted again.
    pub destinations_evicted: u64,
    /// Packets of a capture that were left out because they were sent again.
    pub repeated: u64,
    /// Assignments whose port the program named, on which no verdict is given.
    pub explicit: u64,
    /// Ports that come back to the same destination.
    pub reuse: Reuse,
    /// Sockets that are connected to themselves.
    pub self_connects: SelfConnect,
    /// The recording in numbers.
    #[serde(flatten)]
    pub numbers: Numbers,
}

/// A recording in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Numbers {
    /// Assignments, failed ones included.
    pub assignments: u64,
    /// Failed ones.
    pub failures: u64,
    /// The failed ones by error, most frequent first.
    pub errors: Vec<crate::analyse::summary::ErrorCount>,
    /// Time that the kernel spent choosing.
    pub latency_ns: Option<crate::analyse::summary::Latency>,
    /// Time of the first assignment, in nanoseconds since the Unix epoch.
    pub first_ns: Option<u64>,
    /// Time of the last one, in nanoseconds since the Unix epoch.
    pub last_ns: Option<u64>,
    /// Time from the first to the last, in nanoseconds.
    pub duration_ns: u64,
    /// What is missing, by the stage that lost it.
    #[serde(serialize_with = "losses")]
    pub losses: Losses,
}

/// What is said of one origin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OriginReport {
    /// Which: `connect`, `bind` (with listen), `udp`, `unknown origin`.
    pub origin: &'static str,
    /// How its ports are handed out.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl Default for Analysis {
    fn default() -> Self {
        Self::new()
    }
}

impl Analysis {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self {
            host: Judge::new(),
            destinations: Destinations::new(),
            processes: Processes::new(),
            self_connects: SelfConnects::default(),
            tally: Tally::new(0),
        }
    }

    /// Takes the next assignment in, in constant time and bounded memory.
    pub fn observe(&mut self, assignment: &Assignment) {
        let event = Observation::new(assignment);
        if let Some(event) = &event {
            self.host.observe(event);
        }
        self.destinations.observe(assignment, event.as_ref());
        self.processes.observe(assignment, event.as_ref());
        self.self_connects.observe(assignment);
        self.tally.event(assignment);
    }

    /// How many assignments there were so far.
    pub fn assignments(&self) -> u64 {
        self.tally.assignments()
    }

    /// What is to be said of it all.
    pub fn report(&self, source: &str, format: &'static str, losses: Losses) -> Report {
        let summary =
            self.tally.summary(0, 0, Circumstances { losses, ..Circumstances::default() });
        let origin = |(stream, verdict): (crate::analyse::pattern::Stream, Verdict)| OriginReport {
            origin: stream.as_str(),
            verdict,
        };
        Report {
            source: source.to_owned(),
            format,
            verdict: self.host.verdict(),
            origins: self.host.by_origin().into_iter().map(origin).collect(),
            processes: self.processes.reports(),
            processes_evicted: self.processes.evicted(),
            destinations: self.destinations.reports(),
            destinations_evicted: self.destinations.evicted(),
            repeated: 0,
            explicit: self.host.explicit(),
            reuse: self.destinations.reuse(),
            self_connects: self.self_connects.self_connect(),
            numbers: Numbers::new(summary),
        }
    }
}

impl Numbers {
    fn new(summary: Summary) -> Self {
        let Summary { assignments, failures, errors, latency_ns, first_ns, last_ns, .. } = summary;
        let duration_ns = last_ns.unwrap_or(0).saturating_sub(first_ns.unwrap_or(0));
        let losses = summary.losses;
        Self { assignments, failures, errors, latency_ns, first_ns, last_ns, duration_ns, losses }
    }
}

impl Report {
    /// For people.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        text::write(self, out)
    }

    /// One JSON object.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }
}

/// Reads the recording, and writes the report to `out`; what can't be read is said on `notices`.
pub fn run(args: &ReportArgs, out: &mut impl Write, notices: &mut impl Write) -> Result<()> {
    let report = read(Recording::open(&args.file)?, notices)?;
    if args.json {
        report.write_json(out)?;
    } else {
        report.write_text(out)?;
    }
    Ok(out.flush()?)
}

/// Reads all of `recording`; what can't be read is said on `notices`.
pub fn read(mut recording: Recording, notices: &mut impl Write) -> Result<Report> {
    let mut analysis = Analysis::new();
    let mut first: Option<Broken> = None;
    let mut broken_count = 0;
    while let Some(item) = recording.next() {
        match item? {
            Item::Assignment(assignment) => analysis.observe(&assignment),
            Item::Broken(broken) => {
                broken_count += 1;
                tell(notices, &recording, broken_count, &broken);
                first.get_or_insert(broken);
            }
        }
    }
    if let (0, Some(broken)) = (analysis.assignments(), first) {
        bail!(
            "{}: nothing in it can be read ({broken}); it should be a capture of packets (pcap, \
             pcapng), or NDJSON with at least the keys ts_ns, saddr, sport, daddr, dport, as \
             `ephtrace -o json` writes it",
            recording.name()
        );
    }
    let format = recording.format().as_str();
    let report = analysis.report(recording.name(), format, recording.losses());
    Ok(Report { repeated: recording.repeated(), ..report })
}

/// Where standard error is closed there is nobody to tell.
fn tell(notices: &mut impl Write, recording: &Recording, nth: u64, broken: &Broken) {
    if nth <= MAX_TOLD {
        let _ = writeln!(notices, "ephtrace: {}: {broken}", recording.name());
    }
    if nth == MAX_TOLD {
        let _ = writeln!(notices, "ephtrace: what else can't be read is only counted");
    }
}

fn losses<S: serde::Serializer>(losses: &Losses, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(losses.stages())
}

#[cfg(test)]
mod tests;
