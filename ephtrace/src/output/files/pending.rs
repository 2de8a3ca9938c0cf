//! A file that is to be written to, unchanged until there is something to write.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, ErrorKind, Write as _},
    path::Path,
};

use super::{
    created::{Created, set_mode},
    existing::existing,
    lock::lock,
    open_file::{self, OpenFile},
    place::Place,
    reserve::{self, Reserve},
};

/// Maximum number of attempts to open a file that another process is just replacing.
const MAX_TRIES: u32 = 8;

/// A file that can be written to, and is still unchanged.
///
/// Opening it early reports a bad path early, and does not cost the file's content if the rest
/// fails. A missing file is created by `PendingFile::begin` or [`PendingFile::put`] and not before:
/// however ephtrace is killed, it leaves no empty file.
#[derive(Debug)]
pub struct PendingFile {
    place: Place,
    /// The existing file; or the new file that was made as a test and has no name any more.
    file: File,
    /// For a new file, the mode with which to make it again.
    is_new: Option<Mode>,
}

/// Permissions of a new file; for its owner alone by default.
type Mode = Option<u32>;

impl PendingFile {
    /// Opens the file at `path`, or checks that it can be created, for its owner alone unless
    /// `mode` gives its permissions.
    ///
    /// Root may be told to write into a folder of another user. Therefore no open blocks, and a
    /// symbolic link is an error, as is a file that another process is writing to in this way.
    pub fn open(path: &Path, mode: Option<u32>) -> io::Result<Self> {
        let place = Place::of(path)?;
        for _ in 0..MAX_TRIES {
            match Self::create(place.clone(), mode) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                created => return created,
            }
            match Self::open_existing(place.clone()) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Ok(None) => {}
                Ok(Some(pending)) => return Ok(pending),
                Err(error) => return Err(error),
            }
        }
        let why = "another program keeps replacing it: name another file";
        Err(io::Error::new(ErrorKind::ResourceBusy, why))
    }

    /// Opens the file at `path`, which must exist.
    pub(crate) fn existing(path: &Path) -> io::Result<Self> {
        let place = Place::of(path)?;
        for _ in 0..MAX_TRIES {
            if let Some(pending) = Self::open_existing(place.clone())? {
                return Ok(pending);
            }
        }
        Err(ErrorKind::NotFound.into())
    }

    /// Checks that the file can be created; fails if anything is there.
    pub(crate) fn create(place: Place, mode: Option<u32>) -> io::Result<Self> {
        let (_, file) = new(place.clone(), mode)?;
        Ok(Self { place, file, is_new: Some(mode) })
    }

    /// Opens the file at `place`; returns `None` if it was replaced or removed since it was opened.
    fn open_existing(place: Place) -> io::Result<Option<Self>> {
        let file = existing(&place)?;
        let metadata = file.metadata()?;
        if metadata.is_file() {
            lock(&file)?;
            if !Created::before(place.clone(), &metadata).is_there()? {
                return Ok(None);
            }
        }
        Ok(Some(Self { place, file, is_new: None }))
    }

    /// Returns the file, unchanged so far.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes the whole content at once: until all `bytes` are written, the old content stays
    /// whole.
    pub fn put(self, bytes: &[u8]) -> io::Result<()> {
        let before = self.file.metadata()?;
        // ephtrace must not replace a file that the shell has opened, nor a device.
        if !before.is_file() || self.place.may_be_link() {
            return self.begin()?.file().write_all(bytes);
        }
        Reserve::default().take(&self.file, bytes.len() as u64)?;
        let Self { place, file, is_new } = self;
        let beside = place.beside(new_name(&place));
        let (mut created, mut new) = Created::like(beside, &file).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("can't create a temporary file beside it: {error}"),
            )
        })?;
        new.write_all(bytes)?;
        if is_new.is_some() {
            // Dropping `created` removes its other name.
            return created.place.link_to(&place).map_err(in_words);
        }
        open_file::check(&file, &place, before.len())?;
        created.place.rename_to(&place)?;
        created.is_unused = false;
        Ok(())
    }

    /// Returns the file, emptied or new.
    pub(crate) fn begin(self) -> io::Result<OpenFile> {
        let Self { place, file, is_new } = self;
        let (created, file) = match is_new {
            Some(mode) => new(place, mode).map_err(in_words)?,
            None => (Created::before(place, &file.metadata()?), file),
        };
        // A device has no length, and a file that the shell has opened may have content (`>>
        // FILE`).
        let is_watched = file.metadata()?.is_file() && !created.place.may_be_link();
        if is_watched {
            reserve::check_once_emptied(&file)?;
            file.set_len(0)?;
        }
        Ok(OpenFile::new(created, file, is_watched))
    }

    /// Returns its place.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}

/// Creates a locked file; fails if anything is there.
fn new(place: Place, mode: Mode) -> io::Result<(Created, File)> {
    let (mut created, file) = Created::open(place)?;
    if let Some(mode) = mode {
        set_mode(&file, mode)?;
    }
    // If another process has opened and locked it since then, the file belongs to that process.
    let locked = lock(&file);
    created.is_unused = locked.is_ok();
    locked?;
    Ok((created, file))
}

/// Returns the error of a new file that another process has created meanwhile, in words.
fn in_words(error: io::Error) -> io::Error {
    if error.kind() != ErrorKind::AlreadyExists {
        return error;
    }
    let why = "another program created it after ephtrace started: name another file";
    io::Error::new(ErrorKind::AlreadyExists, why)
}

/// Returns a name that no other process uses.
fn new_name(place: &Place) -> OsString {
    let mut name = OsString::from(".");
    name.push(place.name());
    name.push(format!(".{}.new", std::process::id()));
    name
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt as _, PermissionsExt as _},
        path::PathBuf,
    };

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("ephtrace-prepared-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder.join("file")
    }

    fn open(path: &Path) -> io::Result<PendingFile> {
        PendingFile::open(path, None)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_file_stays_as_it_is_until_it_is_begun() {
        let path = scratch("stays");
        fs::write(&path, "what was there").unwrap();
        drop(open(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"what was there");
        drop(open(&path).unwrap().begin().unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_new_file_goes_again_unless_it_is_kept() {
        let path = scratch("goes");
        let pending = open(&path).unwrap();
        assert!(!path.exists());
        drop(pending);
        drop(open(&path).unwrap().begin().unwrap());
        assert!(!path.exists());
        open(&path).unwrap().begin().unwrap().keep();
        assert!(path.exists());
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_takes_its_place_meanwhile_stays() {
        let path = scratch("place");
        let (pending, page, begun) =
            (open(&path).unwrap(), open(&path).unwrap(), open(&path).unwrap());
        let begun = begun.begin().unwrap();
        fs::write(path.with_file_name("other"), "of another").unwrap();
        fs::rename(path.with_file_name("other"), &path).unwrap();
        let told = "another program created it";
        assert!(pending.begin().unwrap_err().to_string().contains(told));
        assert!(page.put(b"page").unwrap_err().to_string().contains(told));
        drop(begun);
        assert_eq!(fs::read(&path).unwrap(), b"of another");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_link_is_not_followed_wherever_it_leads() {
        let path = scratch("link");
        for to in ["nowhere", "target"] {
            let target = path.with_file_name("target");
            fs::write(&target, "of root").unwrap();
            std::os::unix::fs::symlink(path.with_file_name(to), &path).unwrap();
            let error = open(&path).unwrap_err().to_string();
            assert!(error.contains("symbolic link"), "{to}: {error}");
            assert_eq!(fs::read(&target).unwrap(), b"of root");
            assert!(!path.with_file_name("nowhere").exists());
            fs::remove_file(&path).unwrap();
        }
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_fifo_that_nobody_reads_is_not_waited_for() {
        let path = scratch("fifo");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains("without a reader"), "{error}");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_second_writer_is_refused() {
        let path = scratch("two");
        let first = open(&path).unwrap().begin().unwrap();
        let error = open(&path).unwrap_err().to_string();
        let own = format!("process {}", std::process::id());
        assert!(error.contains(&own) && error.contains("is writing to it"), "{error}");
        drop(first);
        open(&path).unwrap();
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_was_there_stays_until_the_new_is_whole() {
        let path = scratch("put");
        fs::write(&path, "before").unwrap();
        open(&path).unwrap().put(b"after").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        let pending = open(&path).unwrap();
        // The name beside it is taken: nothing can be written.
        fs::create_dir(path.with_file_name(new_name(&pending.place))).unwrap();
        pending.put(b"lost").unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_new_file_is_its_owners_alone_unless_asked() {
        let path = scratch("mode");
        open(&path).unwrap().put(b"page").unwrap();
        assert_eq!(mode(&path), 0o600);
        for (wanted, is) in [(Some(0o664), 0o664), (Some(0o400), 0o400), (None, 0o600)] {
            fs::remove_file(&path).unwrap();
            PendingFile::open(&path, wanted).unwrap().begin().unwrap().keep();
            assert_eq!(mode(&path), is);
        }
        // An existing file keeps its mode even when it is replaced, but not the right to run as its
        // owner.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4640)).unwrap();
        PendingFile::open(&path, Some(0o666)).unwrap().put(b"next").unwrap();
        assert_eq!(mode(&path), 0o640);
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_file_with_another_name_is_refused() {
        let path = scratch("names");
        let secret = path.with_file_name("secret");
        fs::write(&secret, "of root").unwrap();
        fs::hard_link(&secret, &path).unwrap();
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains("2 hard links"), "{error}");
        assert_eq!(fs::read(&secret).unwrap(), b"of root");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_directory_that_is_renamed_keeps_its_file() {
        let path = scratch("renamed");
        let (folder, moved) =
            (path.parent().unwrap(), path.parent().unwrap().with_extension("moved"));
        let pending = open(&path).unwrap();
        fs::rename(folder, &moved).unwrap();
        fs::create_dir(folder).unwrap();
        pending.put(b"page").unwrap();
        assert_eq!(fs::read(moved.join("file")).unwrap(), b"page");
        assert!(!path.exists());
        fs::remove_dir_all(folder).unwrap();
        fs::remove_dir_all(moved).unwrap();
    }

    #[test]
    fn a_link_on_the_way_is_followed_if_it_is_trusted() {
        let path = scratch("way");
        let link = path.with_file_name("link");
        std::os::unix::fs::symlink(
            "../".to_owned() + path.parent().unwrap().file_name().unwrap().to_str().unwrap(),
            &link,
        )
        .unwrap();
        open(&link.join("link/./file")).unwrap().put(b"page").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"page");
        std::os::unix::fs::symlink("round", path.with_file_name("round")).unwrap();
        let error = open(&path.with_file_name("round").join("file")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
        for (bad, kind) in [("file/x", ErrorKind::NotADirectory), ("none/x", ErrorKind::NotFound)] {
            assert_eq!(open(&path.with_file_name(bad)).unwrap_err().kind(), kind, "{bad}");
        }
        for folder in [".", "..", "link/", "/", "./"] {
            let error = open(&path.parent().unwrap().join(folder)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::IsADirectory, "{folder}");
        }
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_device_and_a_bad_path() {
        assert!(open(Path::new("/dev/null")).unwrap().begin().is_ok());
        let error = open(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(open(Path::new("/")).unwrap_err().kind(), ErrorKind::IsADirectory);
    }
}
