//! A recording that is read aside, in a thread of its own: a pipe may have nothing to say for a while,
//! and keys must work meanwhile.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, SyncSender, TryRecvError},
    },
    thread,
};

use anyhow::{Context as _, Result};

use crate::{
    event::Assignment,
    losses::Losses,
    replay::{Item, Recording, ReplayError},
};

/// Assignments that are read ahead, of some hundred bytes each.
const AHEAD: usize = 4096;

/// What comes out of a recording.
pub(super) enum Next {
    /// An assignment.
    Assignment(Box<Assignment>),
    /// Nothing yet.
    Later,
    /// Nothing any more.
    End,
}

/// A recording that is being read.
pub(super) struct Reader {
    name: String,
    items: Receiver<Result<Box<Assignment>, ReplayError>>,
    losses: Arc<Mutex<Losses>>,
}

impl Reader {
    /// Opens the recording at `path` and begins to read.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let (opened, name) = mpsc::sync_channel(1);
        let (items, received) = mpsc::sync_channel(AHEAD);
        let losses = Arc::new(Mutex::new(Losses::default()));
        let (path, counted) = (path.to_owned(), losses.clone());
        thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || read(&path, &opened, &items, &counted))
            .context("can't start a thread that reads the recording")?;
        let name = name.recv().context("the recording can't be read")??;
        Ok(Self { name, items: received, losses })
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What is missing so far.
    pub(super) fn losses(&self) -> Losses {
        *self.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next assignment; `None` at the end.
    pub(super) fn wait(&self) -> Result<Option<Box<Assignment>>> {
        self.items.recv().ok().transpose().map_err(Into::into)
    }

    /// The next assignment, if it is there.
    pub(super) fn next(&self) -> Result<Next> {
        match self.items.try_recv() {
            Ok(item) => Ok(Next::Assignment(item?)),
            Err(TryRecvError::Empty) => Ok(Next::Later),
            Err(TryRecvError::Disconnected) => Ok(Next::End),
        }
    }
}

/// Reads all of it, until nobody listens any more; what can't be read is counted.
fn read(
    path: &Path,
    opened: &SyncSender<Result<String, ReplayError>>,
    items: &SyncSender<Result<Box<Assignment>, ReplayError>>,
    losses: &Mutex<Losses>,
) {
    let mut recording = match Recording::open(path) {
        Ok(recording) => recording,
        Err(error) => {
            // Whoever opened it waits for this.
            let _ = opened.send(Err(error));
            return;
        }
    };
    if opened.send(Ok(recording.name().to_owned())).is_err() {
        return;
    }
    let mut known = Losses::default();
    while let Some(item) = recording.next() {
        let now = recording.losses();
        if now != known {
            known = now;
            *losses.lock().unwrap_or_else(PoisonError::into_inner) = now;
        }
        let item = match item {
            Ok(Item::Assignment(assignment)) => Ok(Box::new(assignment)),
            Ok(Item::Broken(_)) => continue,
            Err(error) => Err(error),
        };
        if items.send(item).is_err() {
            return;
        }
    }
    *losses.lock().unwrap_or_else(PoisonError::into_inner) = recording.losses();
}
