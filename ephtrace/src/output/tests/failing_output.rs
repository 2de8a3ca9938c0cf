//! Content of an output that fails in the middle of a line.

use super::*;

/// Takes a limited number of bytes.
struct Small {
    room: usize,
    taken: Vec<u8>,
}

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(self.room);
        if n == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room -= n;
        self.taken.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Target for Small {
    fn take_back(&mut self, bytes: u64) {
        self.taken.truncate(self.taken.len() - usize::try_from(bytes).unwrap());
    }
}

#[test]
fn a_full_disk_leaves_whole_lines() {
    for room in [0, 1, 700, 1000, 2500] {
        let small = Small { room, taken: Vec::new() };
        let mut sink = JsonSink::new(small, Notices::new(io::sink(), false));
        for _ in 0..10 {
            sink.event(&success()).unwrap();
        }
        assert_eq!(sink.flush().unwrap_err().kind(), io::ErrorKind::StorageFull);
        let text = text_of(&sink.target().taken);
        assert!(text.is_empty() || text.ends_with("}\n"), "{text}");
        text.lines().for_each(|line| assert!(line.ends_with('}')));
    }
}

#[test]
fn a_torn_line_of_a_file_is_taken_back() {
    let path = std::env::temp_dir().join(format!("ephtrace-torn-{}", std::process::id()));
    let mut file = Output::open(Some(&path), None).unwrap().begin().unwrap();
    file.write_all(b"whole\nto").unwrap();
    file.take_back(2);
    file.write_all(b"next\n").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\nnext\n");
    // Data that another process appended stays.
    std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"other\n").unwrap();
    file.take_back(2);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "whole\nnext\nother\n");
    std::fs::remove_file(&path).unwrap();
}
