//! A recording read by a separate thread: a pipe may be silent for a while, and keys, signals and
//! ticks must be handled meanwhile.

use std::{
    mem,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread, vec,
};

use anyhow::{Context as _, Result};
use tokio::sync::{Notify, oneshot};

use crate::{
    analyse::pattern::{KernelFacts, KernelRules},
    model::{LeftOut, Provenance, losses::Losses},
    replay::{Chronology, Format, Item, MaxMemory, Meter, Recordings, ReplayError},
};

/// Maximum number of items that are read ahead, of some hundred bytes each.
const AHEAD: usize = 4096;

/// Number of waiting items that ends [`Reader::news`]: the consumer is not woken for each.
const WORTH_WAKING: usize = AHEAD / 8;

/// Next item of a recording.
#[expect(clippy::large_enum_variant, reason = "nearly all are items, and none is kept")]
pub(crate) enum Next {
    /// An assignment, or a broken one.
    Item(Item),
    /// Nothing is there yet.
    Later,
    /// The recording has ended.
    End,
}

/// A recording being read.
pub(crate) struct Reader {
    about: About,
    is_several: bool,
    end: End,
    queue: Arc<Queue>,
    /// Items taken out of the queue.
    taken: vec::IntoIter<Read>,
    losses: Losses,
    left_out: LeftOut,
}

/// Facts known once a recording is open.
struct About {
    name: String,
    format: Format,
    is_stream: bool,
    rules: KernelRules,
    is_cut: bool,
    chronology: Chronology,
    provenance: Provenance,
}

impl About {
    fn of(recording: &Recordings) -> Self {
        Self {
            name: recording.name(),
            format: recording.format(),
            is_stream: recording.is_stream(),
            rules: rules_of(recording),
            is_cut: recording.is_cut(),
            chronology: recording.chronology(),
            provenance: recording.provenance(),
        }
    }
}

/// Facts known after all of a recording was read.
#[derive(Default)]
pub(crate) struct End {
    is_cut: bool,
    provenance: Provenance,
    /// See [`Recordings::instead`].
    pub(crate) instead: Option<String>,
    /// See [`Recordings::notes`].
    pub(crate) notes: Vec<String>,
    /// See [`Recordings::unread`].
    pub(crate) unread: Vec<String>,
}

/// Items and facts, in the order in which the thread read them.
enum Read {
    Item(Item),
    /// Losses up to here, and the packets that were left out.
    Losses(Losses, LeftOut),
    /// Everything was read.
    End(End),
    Failed(ReplayError),
}

/// Queue between the thread that reads and the one that takes.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Signals that there is room again, or that nobody listens any more.
    room: Condvar,
    /// Signals that items have arrived.
    news: Notify,
}

#[derive(Default)]
struct Waiting {
    read: Vec<Read>,
    is_over: bool,
    is_left: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room; returns whether anybody still listens.
    fn put(&self, read: Read) -> bool {
        let full = |waiting: &mut Waiting| waiting.read.len() >= AHEAD && !waiting.is_left;
        let waiting = self.room.wait_while(self.waiting(), full);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        waiting.read.push(read);
        if waiting.read.len() == WORTH_WAKING {
            self.news.notify_one();
        }
        !waiting.is_left
    }
}

/// Marks the end of the reading thread, however it ends.
struct Over(Arc<Queue>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.waiting().is_over = true;
        self.0.news.notify_one();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.queue.waiting().is_left = true;
        self.queue.room.notify_one();
    }
}

impl Reader {
    /// Opens the recordings at `paths` and begins to read. A pipe counts as open after its first
    /// bytes; one of several, after its first row.
    pub(crate) async fn open(paths: &[PathBuf], max: MaxMemory) -> Result<Self> {
        Self::open_metered(paths, max, Meter::default()).await
    }

    /// The same; `meter` counts the bytes that are read of them.
    pub(crate) async fn open_metered(
        paths: &[PathBuf],
        max: MaxMemory,
        meter: Meter,
    ) -> Result<Self> {
        let (opened, is_open) = oneshot::channel();
        let queue = Arc::new(Queue::default());
        let is_several = paths.len() > 1;
        let (paths, over) = (paths.to_owned(), Over(queue.clone()));
        let run = move || match Recordings::open_metered(&paths, max, &meter) {
            Ok(recording) => {
                if opened.send(Ok(About::of(&recording))).is_ok() {
                    read(recording, &over.0);
                }
            }
            // The opener waits for this result.
            Err(error) => drop(opened.send(Err(error))),
        };
        thread::Builder::new()
            .name("recording".to_owned())
            .spawn(run)
            .context("can't start a thread that reads the recording")?;
        let about = is_open.await.context("the recording can't be read")??;
        let (taken, losses) = (Vec::new().into_iter(), Losses::default());
        Ok(Self {
            about,
            is_several,
            end: End::default(),
            queue,
            taken,
            losses,
            left_out: LeftOut::default(),
        })
    }

    /// Name in messages.
    pub(crate) fn name(&self) -> &str {
        &self.about.name
    }

    /// Returns whether the recording is marked as not ended.
    pub(crate) fn is_cut(&self) -> bool {
        self.about.is_cut
    }

    /// Times and order of its assignments, as far as it tells.
    pub(crate) fn chronology(&self) -> Chronology {
        self.about.chronology
    }

    /// Where it comes from, as far as it tells and was read.
    pub(crate) fn provenance(&self) -> &Provenance {
        &self.about.provenance
    }

    /// Returns the facts known at its end, once the end was taken.
    pub(crate) fn end(&self) -> &End {
        &self.end
    }

    /// Format of the recording.
    pub(crate) fn format(&self) -> Format {
        self.about.format
    }

    /// Returns whether it may still be written to while it is read.
    pub(crate) fn is_stream(&self) -> bool {
        self.about.is_stream
    }

    /// Returns whether it is several files.
    pub(crate) fn is_several(&self) -> bool {
        self.is_several
    }

    /// Returns the rules by which the traced kernel assigns ports.
    pub(crate) fn kernel_rules(&self) -> KernelRules {
        self.about.rules
    }

    /// Returns the packets of a capture that were left out.
    pub(crate) fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Returns the losses up to the last item taken.
    pub(crate) fn losses(&self) -> Losses {
        self.losses
    }

    /// Returns the next item, if it is there.
    pub(crate) fn next(&mut self) -> Result<Next> {
        loop {
            match self.taken.next() {
                Some(Read::Item(item)) => return Ok(Next::Item(item)),
                Some(Read::Losses(losses, left_out)) => {
                    (self.losses, self.left_out) = (losses, left_out);
                }
                Some(Read::End(end)) => {
                    self.about.is_cut |= end.is_cut;
                    self.about.provenance = end.provenance.clone();
                    self.end = end;
                }
                Some(Read::Failed(error)) => return Err(error.into()),
                None => {
                    let mut waiting = self.queue.waiting();
                    if waiting.read.is_empty() {
                        return Ok(if waiting.is_over { Next::End } else { Next::Later });
                    }
                    self.taken = mem::take(&mut waiting.read).into_iter();
                    self.queue.room.notify_one();
                }
            }
        }
    }

    /// Waits until many items are there, or the end; a few items do not wake the caller.
    pub(crate) async fn news(&self) {
        self.queue.news.notified().await;
    }
}

/// Returns the rules by which the traced kernel assigns ports, as far as the recording contains
/// them.
pub(super) fn rules_of(recording: &Recordings) -> KernelRules {
    let Some(release) = recording.kernel_release() else { return KernelRules::default() };
    KernelRules::new(&KernelFacts { release: Some(release), ..KernelFacts::default() })
}

/// Reads everything, until nobody listens any more.
fn read(mut recording: Recordings, queue: &Queue) {
    let mut known = (Losses::default(), LeftOut::default());
    let mut is_over = false;
    while !is_over {
        let item = recording.next();
        let now = (recording.losses(), recording.left_out());
        if now != known {
            known = now;
            if !queue.put(Read::Losses(now.0, now.1)) {
                return;
            }
        }
        is_over = match item {
            Some(Ok(item)) => !queue.put(Read::Item(item)),
            Some(Err(error)) => !queue.put(Read::Failed(error)),
            None => {
                let (is_cut, instead) = (recording.is_cut(), recording.instead());
                let (notes, unread) = (recording.notes(), recording.unread().to_vec());
                let provenance = recording.provenance();
                queue.put(Read::End(End { is_cut, provenance, instead, notes, unread }));
                true
            }
        };
    }
}
