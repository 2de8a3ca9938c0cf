//! Reads the files that are there, and then those that appear: files go when a container ends, so
//! that whoever looks later finds nothing.

use std::{
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
    fs, io,
    os::fd::AsFd as _,
    path::Path,
    sync::{Arc, Weak, mpsc},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor},
};

use super::{
    index::NameIndex,
    sources::{Kind, PLACES},
    trusted::{Folder, Root},
};

/// Maximum number of watched directories, of about a kilobyte in the kernel each: a runtime has one
/// for each container.
const MAX_WATCHES: usize = 8192;

/// Maximum number of watched directories on the way to places: more than there are parents.
const MAX_WAYS: usize = 256;

/// Maximum number of entries of one directory that are looked at.
const MAX_ENTRIES: usize = 1 << 16;

/// Time between two looks for directories that are not there yet: of runtimes that are installed or
/// started later.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Maximum time that the start waits for the first look. A file system may hang.
const PATIENCE: Duration = Duration::from_secs(1);

/// A watched directory.
#[derive(Clone, Debug)]
struct Node {
    /// Position of its root.
    root: usize,
    /// Position of its place in [`PLACES`].
    place: usize,
    /// Path below the place.
    below: Vec<OsString>,
}

impl Node {
    fn child(&self, name: &OsStr) -> Self {
        let mut child = self.clone();
        child.below.push(name.to_owned());
        child
    }
}

/// The watched directories, and those that are to be.
#[derive(Debug)]
pub(super) struct Watcher {
    inotify: Inotify,
    roots: Vec<Root>,
    nodes: HashMap<WatchDescriptor, Node>,
    /// Places whose directory is not there.
    missing: Vec<(usize, usize)>,
    /// Directories on the way to them.
    ways: HashSet<WatchDescriptor>,
    looked: Instant,
}

/// Starts a thread that fills `index` for as long as it lives, and waits until it has looked once.
pub(super) fn start(
    index: &Arc<NameIndex>,
    roots: Vec<Root>,
    begin: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let mut watcher = Watcher::new(roots)?;
    let (tell, told) = mpsc::channel();
    let index = Arc::downgrade(index);
    thread::Builder::new().name("names".to_owned()).spawn(move || {
        begin();
        watcher.look(&index);
        // The starter may have lost its patience.
        let _ = tell.send(());
        while watcher.turn(&index, LOOK_EVERY) {}
    })?;
    if told.recv_timeout(PATIENCE).is_err() {
        log::info!("names of containers come later: the look for them takes its time");
    }
    Ok(())
}

impl Watcher {
    /// Creates one that watches nothing yet.
    pub(super) fn new(roots: Vec<Root>) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let places = |root| (0..PLACES.len()).map(move |place| (root, place));
        let missing = (0..roots.len()).flat_map(places).collect();
        Ok(Self {
            inotify,
            roots,
            nodes: HashMap::new(),
            missing,
            ways: HashSet::new(),
            looked: Instant::now(),
        })
    }

    /// Looks for the places that are missing so far.
    pub(super) fn look(&mut self, index: &Weak<NameIndex>) {
        let Some(index) = index.upgrade() else { return };
        self.looked = Instant::now();
        for (root, place) in std::mem::take(&mut self.missing) {
            self.look_into(&index, &Node { root, place, below: Vec::new() });
        }
    }

    /// Waits for changes for at most `patience`, and reads what is new. Returns false once nobody
    /// has the index any more.
    pub(super) fn turn(&mut self, index: &Weak<NameIndex>, patience: Duration) -> bool {
        let mut fds = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        // An interrupted call is one without changes.
        let _ = poll(&mut fds, timeout);
        let Some(strong) = index.upgrade() else { return false };
        let events = match self.inotify.read_events() {
            Ok(events) => events,
            Err(Errno::EAGAIN | Errno::EINTR) => Vec::new(),
            Err(_) => return false,
        };
        let mut has_way = false;
        for event in &events {
            self.take(&strong, event);
            let is_folder = event.mask.contains(AddWatchFlags::IN_ISDIR);
            has_way |= is_folder && self.ways.contains(&event.wd);
        }
        drop(strong);
        if has_way || self.looked.elapsed() >= LOOK_EVERY {
            self.look(index);
        }
        true
    }

    /// Number of watched directories.
    #[cfg(test)]
    pub(super) fn watched(&self) -> usize {
        self.nodes.len()
    }

    fn take(&mut self, index: &NameIndex, event: &InotifyEvent) {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return self.start_over(index);
        }
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            self.ways.remove(&event.wd);
            if let Some(node) = self.nodes.remove(&event.wd)
                && node.below.is_empty()
            {
                self.missing.push((node.root, node.place));
            }
            return;
        }
        let Some(node) = self.nodes.get(&event.wd).cloned() else { return };
        let Some(name) = &event.name else { return };
        // A file that was only just created is read once it is closed.
        let is_file = !event.mask.contains(AddWatchFlags::IN_ISDIR);
        let is_begun = is_file && event.mask.contains(AddWatchFlags::IN_CREATE);
        self.entry(index, &node, Some(event.wd), name, is_begun);
    }

    /// Looks at everything again after changes were lost.
    fn start_over(&mut self, index: &NameIndex) {
        let all: Vec<Node> = self.nodes.values().filter(|n| n.below.is_empty()).cloned().collect();
        for node in &all {
            self.look_into(index, node);
        }
    }

    fn open(&self, node: &Node) -> io::Result<Folder> {
        let none = || io::Error::from(io::ErrorKind::NotFound);
        let root = self.roots.get(node.root).ok_or_else(none)?;
        let place = PLACES.get(node.place).ok_or_else(none)?;
        let base = root.folder(place.base)?;
        node.below.iter().try_fold(base, |folder, name| folder.folder(name))
    }

    /// Watches a directory, and reads what is in it.
    fn look_into(&mut self, index: &NameIndex, node: &Node) {
        let folder = match self.open(node) {
            Ok(folder) => folder,
            Err(_) if node.below.is_empty() => {
                self.missing.push((node.root, node.place));
                return self.watch_way(node);
            }
            Err(_) => return,
        };
        // Watched first, so that nothing can appear unseen after it was listed.
        let watched = self.watch(&folder.path(), node);
        let Ok(entries) = fs::read_dir(folder.path()) else { return };
        drop(folder);
        for entry in entries.take(MAX_ENTRIES).flatten() {
            self.entry(index, node, watched, &entry.file_name(), false);
        }
    }

    /// Watches the nearest directory on the way to a missing place.
    fn watch_way(&mut self, node: &Node) {
        let Some((root, place)) = self.roots.get(node.root).zip(PLACES.get(node.place)) else {
            return;
        };
        let mut before = None;
        // The next one may appear just before its parent is watched.
        while let Ok((way, length)) = root.nearest(place.base) {
            if before.replace(length) == Some(length) || self.ways.len() >= MAX_WAYS {
                break;
            }
            let changes =
                AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR;
            // Whatever can't be watched is looked for from time to time.
            let Ok(watched) = self.inotify.add_watch(&way.path(), changes) else { break };
            self.ways.insert(watched);
        }
    }

    fn watch(&mut self, path: &Path, node: &Node) -> Option<WatchDescriptor> {
        if self.nodes.len() >= MAX_WATCHES {
            log::warn!("more than {MAX_WATCHES} directories of containers: some names are missing");
            return None;
        }
        let changes = AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_ONLYDIR;
        match self.inotify.add_watch(path, changes) {
            Ok(watched) => {
                self.nodes.insert(watched, node.clone());
                Some(watched)
            }
            Err(error) => {
                log::warn!("names of later containers may be missing: can't watch: {error}");
                None
            }
        }
    }

    /// Looks at an entry of a directory: a file with names, or a directory on the way to some.
    fn entry(
        &mut self,
        index: &NameIndex,
        node: &Node,
        watched: Option<WatchDescriptor>,
        name: &OsStr,
        is_begun: bool,
    ) {
        let child = node.child(name);
        let Some(place) = PLACES.get(node.place) else { return };
        let mut leads_on = false;
        for leaf in place.leaves {
            match leaf.leads_through(&child.below) {
                Some(true) if leaf.kind.is_by_name() => put(index, leaf.kind, &child, &[]),
                Some(true) if !is_begun => {
                    let is_read = self.read(index, node, name, leaf.kind);
                    // Nothing will change there.
                    if let (true, Kind::Bundle, Some(watched)) = (is_read, leaf.kind, watched) {
                        let _gone_with_its_directory = self.inotify.rm_watch(watched);
                        self.nodes.remove(&watched);
                    }
                }
                Some(false) => leads_on = true,
                Some(true) | None => {}
            }
        }
        if leads_on {
            self.look_into(index, &child);
        }
    }

    /// Reads a file with names; returns whether it has any, known or not.
    fn read(&self, index: &NameIndex, node: &Node, name: &OsStr, kind: Kind) -> bool {
        let bytes = self.open(node).and_then(|folder| folder.read(name, kind.max_bytes()));
        let Ok(bytes) = bytes else { return false };
        let names = kind.names(&node.child(name).below, &bytes);
        let is_read = !names.is_empty();
        for (key, names) in names {
            index.put(key, names);
        }
        is_read
    }
}

/// Adds the names that follow from a path.
fn put(index: &NameIndex, kind: Kind, node: &Node, bytes: &[u8]) {
    for (key, names) in kind.names(&node.below, bytes) {
        index.put(key, names);
    }
}
