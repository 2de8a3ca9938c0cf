//! Files that are often mistaken for a recording, by their first bytes.

use super::parquet::MAGIC;

/// Returns the name of such a file, and the remedy.
pub(super) fn refused(magic: &[u8]) -> Option<(&'static str, &'static str)> {
    match magic {
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd] | [0xfd, b'7', b'z', b'X'] => Some((
            "compressed twice",
            "decompress it once, for example with `gzip -d` or `zstd -d`",
        )),
        [b'B', b'Z', b'h', _] => Some(("compressed", "use `bzip2 -dc FILE | ephtrace report -`")),
        [0x04, 0x22, 0x4d, 0x18] => Some(("compressed", "use `lz4 -dc FILE | ephtrace report -`")),
        [b'P', b'K', 3 | 5 | 7, _] => {
            Some(("a ZIP archive", "use `unzip -p FILE | ephtrace report -`"))
        }
        [b'7', b'z', 0xbc, 0xaf] => {
            Some(("a 7-Zip archive", "use `7z x -so FILE | ephtrace report -`"))
        }
        b"snoo" => {
            Some(("a Solaris snoop capture", "use `editcap -F pcap FILE - | ephtrace report -`"))
        }
        b"GMBU" | b"RTSS" => Some((
            "a Microsoft Network Monitor capture",
            "use `editcap -F pcap FILE - | ephtrace report -`",
        )),
        b"TRSN" | b"XCP\0" => Some((
            "a NetXRay or Sniffer capture",
            "use `editcap -F pcap FILE - | ephtrace report -`",
        )),
        b"<!DO" | b"<htm" | b"<HTM" => {
            Some(("HTML, perhaps an error page of a server", "download the file itself"))
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some((
            "text in UTF-16, as PowerShell writes it",
            "use `iconv -f UTF-16 -t UTF-8 FILE | ephtrace report -`",
        )),
        b"<?xm" => Some((
            "XML",
            "write it in another form (`conntrack` without `-o xml`, `tshark -T ek` in place of \
             `-T pdml`)",
        )),
        b"\x7fELF" => Some(("a program", "name a recording")),
        [0x34, 0xcd, 0xb2, 0xa1] | [0xa1, 0xb2, 0xcd, 0x34] => Some((
            "a capture in a modified format of old Linux tcpdump versions",
            "use `tcpdump -r FILE -w - | ephtrace report -`",
        )),
        magic if magic == MAGIC => Some((
            "a Parquet file, which must be read from its end",
            "name the uncompressed file itself: a pipe or a compressed file can't be read \
             backwards",
        )),
        _ => None,
    }
}

/// Returns the same for a text, by its first line.
pub(super) fn refused_text(first: &[u8]) -> Option<(&'static str, &'static str)> {
    first
        .starts_with(b"version https://git-lfs")
        .then_some(("a Git LFS pointer, not the file itself", "fetch the file with `git lfs pull`"))
}
