//! Counters of the kernel half: every search that it saw, by what became of it.

/// Index into the per-CPU array `COUNTERS`. Each slot only grows during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Counter {
    /// Searches begun: the hook fired for a socket without a port.
    Seen = 0,
    /// Not wanted by the filter, at the start or at the end.
    Filtered = 1,
    /// Records that reached the ring buffer.
    Emitted = 2,
    /// Lost: no room in the ring buffer, or none for that process in one that is nearly full.
    RingFull = 3,
    /// Lost: no room for the state of a search in flight.
    InFlightFull = 4,
    /// Lost: a search whose end was never seen, as the same task's next search shows, or the end of
    /// a search that was not the one under way.
    ReturnMissed = 5,
    /// Not an assignment: the socket had its port before it connected.
    AlreadyBound = 6,
    /// A field of a record could not be read and is shown as unknown.
    ReadFailed = 7,
    /// Lost: the end of a search whose start was not seen, as the kernel skipped the hook. Counted
    /// on preemptible kernels only, as others skip none.
    HookMissed = 8,
    /// Added to the totals, in the mode that emits nothing.
    Totalled = 9,
    /// ephtrace's own searches, by which the hook proves itself: in no other counter.
    SelfTest = 10,
    /// Runs of the first copy of a program that sees searches begin. This counter and the next two
    /// are counted where such programs have two copies, of all calls, whoever's they are.
    FirstCopyRuns = 11,
    /// Calls that either copy has seen begin.
    CallsBegun = 12,
    /// Calls that neither copy has seen begin, and that were seen to end.
    EndsAlone = 13,
}

impl Counter {
    /// How many slots `COUNTERS` has.
    pub const COUNT: u32 = 14;

    /// All of them, in the order of their slots.
    pub const ALL: [Self; Self::COUNT as usize] = [
        Self::Seen,
        Self::Filtered,
        Self::Emitted,
        Self::RingFull,
        Self::InFlightFull,
        Self::ReturnMissed,
        Self::AlreadyBound,
        Self::ReadFailed,
        Self::HookMissed,
        Self::Totalled,
        Self::SelfTest,
        Self::FirstCopyRuns,
        Self::CallsBegun,
        Self::EndsAlone,
    ];
}
