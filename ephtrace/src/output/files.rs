//! A file that is to be written to, left as it is until there is something to write.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

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
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        let (file, is_unused) = match options.clone().create_new(true).open(path) {
            // Also where a link leads nowhere yet: what it leads to is created.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                (options.create(true).truncate(false).open(path)?, false)
            }
            opened => (opened?, true),
        };
        Ok(Self { file, created: Created { path: path.to_owned(), is_unused } })
    }

    /// The file, as it is.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.created.path
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
    fn a_device_and_a_bad_path() {
        assert!(PendingFile::open(Path::new("/dev/null")).unwrap().begin().is_ok());
        let error = PendingFile::open(Path::new("/nowhere/at/all")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(PendingFile::open(Path::new("/")).unwrap_err().kind(), ErrorKind::IsADirectory);
    }
}
