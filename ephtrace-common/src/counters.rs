//! Counters of the kernel half: every search that it saw, by outcome.

/// Index into the per-CPU array `COUNTERS`. Each slot only grows during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Counter {
    /// Searches begun: the hook fired for a socket without a port.
    Seen = 0,
    /// Searches that the filter does not select, at the start or at the end.
    Filtered = 1,
    /// Records that reached the ring buffer.
    Emitted = 2,
    /// Lost: no room in the ring buffer, or none for that process in a nearly full one.
    RingFull = 3,
    /// Lost: no room for the state of a search in flight.
    InFlightFull = 4,
    /// Lost: a search whose end was never seen, as the same task's next search shows, or the end of
    /// a search other than the one in flight.
    ReturnMissed = 5,
    /// Not an assignment: the socket had its port before it connected.
    AlreadyBound = 6,
    /// A field of a record could not be read and is shown as unknown.
    ReadFailed = 7,
    /// Lost: the end of a search whose start was not seen because the kernel skipped the hook.
    /// Counted on preemptible kernels only, since others skip none.
    HookMissed = 8,
    /// Added to the totals, in the mode that emits nothing.
    Totalled = 9,
    /// ephtrace's own searches, by which the hook proves itself; in no other counter.
    SelfTest = 10,
    /// Runs of the first copy of a program that sees searches begin. This counter and the next two
    /// are kept if such programs have two copies, and cover the calls of all processes.
    FirstCopyRuns = 11,
    /// Calls whose beginning either copy has seen.
    CallsBegun = 12,
    /// Calls whose end was seen, but whose beginning neither copy has seen.
    EndsAlone = 13,
}

impl Counter {
    /// Number of slots in `COUNTERS`.
    pub const COUNT: u32 = 14;

    /// All counters, in the order of their slots.
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
