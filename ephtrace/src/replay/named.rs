//! Files that are often mistaken for a recording, by their first bytes.

use super::parquet::MAGIC;

/// Returns the name of such a file, and the remedy.
pub(super) fn refused(magic: &[u8]) -> Option<(&'static str, &'static str)> {
    match magic {
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd] | [0xfd, b'7', b'z', b'X'] => {
            Some(("compressed twice", "take it apart once, such as by `gzip -d` or `zstd -d`"))
        }
        [b'B', b'Z', b'h', _] => Some(("compressed", "use `bzip2 -dc FILE | ephtrace report -`")),
        [0x04, 0x22, 0x4d, 0x18] => Some(("compressed", "use `lz4 -dc FILE | ephtrace report -`")),
        [b'P', b'K', 3 | 5 | 7, _] => {
            Some(("a ZIP archive", "use `unzip -p FILE | ephtrace report -`"))
        }
        [b'7', b'z', 0xbc, 0xaf] => {
            Some(("a 7-Zip archive", "use `7z x -so FILE | ephtrace report -`"))
        }
        b"snoo" => Some((
            "a capture of Solaris's snoop",
            "use `editcap -F pcap FILE - | ephtrace report -`",
        )),
        b"GMBU" | b"RTSS" => Some((
            "a capture of Microsoft Network Monitor",
            "use `editcap -F pcap FILE - | ephtrace report -`",
        )),
        b"TRSN" | b"XCP\0" => Some((
            "a capture of NetXRay or the Sniffer",
            "use `editcap -F pcap FILE - | ephtrace report -`",
        )),
        b"vers" => Some((
            "a pointer of Git LFS in place of the file",
            "fetch the file itself by `git lfs pull`",
        )),
        b"<!DO" | b"<htm" | b"<HTM" | b"<?xm" => Some((
            "HTML or XML, as a server answers in place of a file",
            "download the file itself",
        )),
        b"\x7fELF" => Some(("a program", "name a recording")),
        [0x34, 0xcd, 0xb2, 0xa1] | [0xa1, 0xb2, 0xcd, 0x34] => Some((
            "a capture in the modified format of old versions of Linux's tcpdump",
            "use `tcpdump -r FILE -w - | ephtrace report -`",
        )),
        magic if magic == MAGIC => Some((
            "a Parquet file, which is read from its end",
            "name the file as it is: a pipe, and what is compressed, can't be read backwards",
        )),
        _ => None,
    }
}
