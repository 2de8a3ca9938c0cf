//! A file that is to be written to, left as it is until there is something to write.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// A file that can be written to, and that nothing was done to yet.
///
/// Whoever opens it early says early that a path is bad, and still costs nobody what is in the file
/// if the rest comes to nothing. Dropped without [`PendingFile::begin`], a file that was not there
/// before goes again.
#[derive(Debug)]
pub struct PendingFile {
    file: File,
    created: Created,
}

/// A path, and whether the file there is to be removed.
#[derive(Debug)]
struct Created {
    path: PathBuf,
    is_unused: bool,
}

impl PendingFile {
    /// Opens the file at `path`; creates it if there is none.
    ///
    /// Root may be told to write into a folder of somebody else. So nothing is waited for, a
    /// symbolic link is an error, and so is a file that another process is writing to in this way.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (file, is_unused) = match OpenOptions::new().write(true).create_new(true).open(path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => (existing(path)?, false),
            opened => (opened?, true),
        };
        let pending = Self { file, created: Created { path: path.to_owned(), is_unused } };
        if pending.file.metadata()?.is_file() {
            lock(&pending.file)?;
        }
        Ok(pending)
    }

    /// The file, as it is.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.created.path
    }

    /// Writes all of it at once: whatever happens meanwhile, what was there before stays whole
    /// until `bytes` are.
    pub fn put(self, bytes: &[u8]) -> io::Result<()> {
        let before = self.file.metadata()?;
        if !before.is_file() {
            return self.begin()?.write_all(bytes);
        }
        let beside = beside(self.path());
        let mut options = OpenOptions::new();
        let mut new = options.write(true).create_new(true).mode(before.mode()).open(&beside)?;
        let mut created = Created { path: beside, is_unused: true };
        // Of the owner at best: without the right to, it is of whoever writes it.
        let _ = fchown(&new, Some(before.uid()), Some(before.gid()));
        new.write_all(bytes)?;
        fs::rename(&created.path, self.path())?;
        created.is_unused = false;
        let Self { created: mut replaced, .. } = self;
        replaced.is_unused = false;
        Ok(())
    }

    /// The file, emptied.
    pub fn begin(self) -> io::Result<File> {
        let Self { file, mut created } = self;
        // A device, such as /dev/null, has no length.
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        created.is_unused = false;
        Ok(file)
    }
}

/// The file at `path`, which is there.
fn existing(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true);
    let is_device = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
    // `/dev/stdout` is a link, and nobody but root can put another one there.
    let no_link = if is_device { 0 } else { libc::O_NOFOLLOW };
    // A FIFO that nobody reads would be waited for.
    let opened = options.custom_flags(no_link | libc::O_NONBLOCK).open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => {
            let why = "it is a symbolic link, which is not followed: name the file itself";
            io::Error::new(ErrorKind::InvalidInput, why)
        }
        Some(libc::ENXIO) => {
            io::Error::new(ErrorKind::InvalidInput, "it is a FIFO that nobody reads from")
        }
        _ => error,
    })?;
    if file.metadata()?.file_type().is_fifo() {
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_WRONLY))?;
    }
    Ok(file)
}

/// Keeps others that do the same from writing to the file, until it is closed.
fn lock(file: &File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let why = "another ephtrace is writing to it";
            Err(io::Error::new(ErrorKind::ResourceBusy, why))
        }
        // Some file systems have no locks.
        Err(TryLockError::Error(_)) | Ok(()) => Ok(()),
    }
}

/// A name beside the file at `path` that no other process takes.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

impl Drop for Created {
    fn drop(&mut self) {
        if self.is_unused {
            // Nobody asked for an empty file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("ephtrace-prepared-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder.join("file")
    }

    #[test]
    fn a_file_stays_as_it_is_until_it_is_begun() {
        let path = scratch("stays");
        fs::write(&path, "what was there").unwrap();
        drop(PendingFile::open(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"what was there");
        drop(PendingFile::open(&path).unwrap().begin().unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_new_file_goes_again_unless_it_is_begun() {
        let path = scratch("goes");
        drop(PendingFile::open(&path).unwrap());
        assert!(!path.exists());
        drop(PendingFile::open(&path).unwrap().begin().unwrap());
        assert!(path.exists());
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_link_is_not_followed_wherever_it_leads() {
        let path = scratch("link");
        for to in ["nowhere", "target"] {
            let target = path.with_file_name("target");
            fs::write(&target, "of root").unwrap();
            std::os::unix::fs::symlink(path.with_file_name(to), &path).unwrap();
            let error = PendingFile::open(&path).unwrap_err().to_string();
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
        let error = PendingFile::open(&path).unwrap_err().to_string();
        assert!(error.contains("nobody reads"), "{error}");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_second_writer_is_refused() {
        let path = scratch("two");
        let first = PendingFile::open(&path).unwrap();
        let error = PendingFile::open(&path).unwrap_err().to_string();
        assert!(error.contains("another ephtrace"), "{error}");
        drop(first.begin().unwrap());
        PendingFile::open(&path).unwrap();
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_was_there_stays_until_the_new_is_whole() {
        let path = scratch("put");
        fs::write(&path, "before").unwrap();
        PendingFile::open(&path).unwrap().put(b"after").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        let pending = PendingFile::open(&path).unwrap();
        // The place beside it is taken: nothing can be written.
        fs::create_dir(beside(&path)).unwrap();
        pending.put(b"lost").unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), b"after");
        fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_device_and_a_bad_path() {
        assert!(PendingFile::open(Path::new("/dev/null")).unwrap().begin().is_ok());
        let error = PendingFile::open(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(PendingFile::open(Path::new("/")).unwrap_err().kind(), ErrorKind::IsADirectory);
    }
}
