//! Parquet files made byte by byte, with false claims that no library would write.

/// Compression codecs of the format, by number.
pub(crate) mod codec {
    pub(crate) const NONE: i64 = 0;
    pub(crate) const SNAPPY: i64 = 1;
    pub(crate) const GZIP: i64 = 2;
    pub(crate) const ZSTD: i64 = 6;
}

/// Encodings of values, by number.
pub(crate) mod encoding {
    pub(crate) const PLAIN: i64 = 0;
    pub(crate) const RLE: i64 = 3;
    pub(crate) const DELTA_LENGTH: i64 = 6;
    pub(crate) const DELTA: i64 = 7;
    pub(crate) const DICTIONARY: i64 = 8;
}

/// Physical types, by number.
const INT64: i64 = 2;
const BYTE_ARRAY: i64 = 6;

/// Writer of Thrift's compact protocol.
#[derive(Default)]
pub(crate) struct Thrift {
    pub(crate) bytes: Vec<u8>,
    /// Number of the last field of each open structure.
    last: Vec<u8>,
}

impl Thrift {
    pub(crate) fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.bytes.push(n.to_le_bytes()[0] | 0x80);
            n >>= 7;
        }
        self.bytes.push(n.to_le_bytes()[0]);
    }

    fn header(&mut self, id: u8, kind: u8) {
        let before = self.last.pop().unwrap_or(0);
        self.last.push(id);
        self.bytes.push((id - before) << 4 | kind);
    }

    fn number(&mut self, n: i64) {
        self.varint(((n << 1) ^ (n >> 63)).cast_unsigned());
    }

    /// Writes a field of 64 bits; it has the same form as one of 32 bits.
    pub(crate) fn int(&mut self, id: u8, n: i64) {
        self.header(id, 6);
        self.number(n);
    }

    pub(crate) fn text(&mut self, id: u8, text: &str) {
        self.header(id, 8);
        self.varint(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn structure(&mut self, id: u8, fill: impl FnOnce(&mut Self)) {
        self.header(id, 12);
        self.element(fill);
    }

    /// Writes a structure in a list, or the outermost structure.
    pub(crate) fn element(&mut self, fill: impl FnOnce(&mut Self)) {
        self.last.push(0);
        fill(self);
        self.last.pop();
        self.bytes.push(0);
    }

    /// Writes the head of a list of structures (12) or of numbers (5) that claims `claimed`
    /// elements.
    pub(crate) fn list(&mut self, id: u8, kind: u8, claimed: u64) {
        self.header(id, 9);
        self.bytes.push(0xf0 | kind);
        self.varint(claimed);
    }
}

/// A page: the claims of its header, and its content.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) values: i64,
    pub(crate) encoding: i64,
    pub(crate) is_dictionary: bool,
    pub(crate) uncompressed: i64,
    pub(crate) content: Vec<u8>,
}

impl Page {
    /// Returns a page of plain, uncompressed values.
    pub(crate) fn plain(values: i64, content: Vec<u8>) -> Self {
        let (uncompressed, encoding) = (content.len().cast_signed() as i64, encoding::PLAIN);
        Self { values, encoding, is_dictionary: false, uncompressed, content }
    }

    fn write(&self, file: &mut Vec<u8>) {
        let mut thrift = Thrift::default();
        thrift.element(|header| {
            header.int(1, if self.is_dictionary { 2 } else { 0 });
            header.int(2, self.uncompressed);
            header.int(3, self.content.len().cast_signed() as i64);
            header.structure(if self.is_dictionary { 7 } else { 5 }, |page| {
                page.int(1, self.values);
                page.int(2, self.encoding);
                if !self.is_dictionary {
                    page.int(3, encoding::RLE);
                    page.int(4, encoding::RLE);
                }
            });
        });
        file.extend(thrift.bytes);
        file.extend(&self.content);
    }
}

/// A column of the only row group.
#[derive(Clone)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) is_text: bool,
    pub(crate) can_be_null: bool,
    pub(crate) codec: i64,
    pub(crate) pages: Vec<Page>,
}

impl Column {
    pub(crate) fn text(name: &'static str, codec: i64, pages: Vec<Page>) -> Self {
        Self { name, is_text: true, can_be_null: false, codec, pages }
    }
}

/// Returns the five columns that every recording needs, plain, with `rows` rows.
pub(crate) fn needed(rows: u16) -> Vec<Column> {
    let number = |name, n: i64| {
        let values = (0..i64::from(rows)).flat_map(|row| (n + row % 1000).to_le_bytes()).collect();
        let pages = vec![Page::plain(rows.into(), values)];
        Column { name, is_text: false, can_be_null: false, codec: codec::NONE, pages }
    };
    let address = |name| {
        let value = [&8_u32.to_le_bytes()[..], b"10.0.0.1"].concat();
        let values = value.repeat(rows.into());
        Column::text(name, codec::NONE, vec![Page::plain(rows.into(), values)])
    };
    vec![
        number("ts_ns", 1_795_000_000_000_000_000),
        address("saddr"),
        number("sport", 40_000),
        address("daddr"),
        number("dport", 443),
    ]
}

/// Returns a whole file with one row group that claims `rows` rows.
pub(crate) fn file(columns: &[Column], rows: i64) -> Vec<u8> {
    let mut file = b"PAR1".to_vec();
    let mut places = Vec::new();
    for column in columns {
        let start = file.len();
        column.pages.iter().for_each(|page| page.write(&mut file));
        places.push((start, file.len() - start));
    }
    let footer = footer(|thrift| {
        schema(thrift, columns);
        thrift.int(3, rows);
        thrift.list(4, 12, 1);
        thrift.element(|group| {
            group.list(1, 12, columns.len() as u64);
            for (column, &place) in columns.iter().zip(&places) {
                chunk(group, column, place, rows);
            }
            group.int(2, 1);
            group.int(3, rows);
        });
    });
    [file, footer].concat()
}

/// Returns the end of a file, with the fields that `fill` writes after the version.
pub(crate) fn footer(fill: impl FnOnce(&mut Thrift)) -> Vec<u8> {
    let mut thrift = Thrift::default();
    thrift.element(|all| {
        all.int(1, 1);
        fill(all);
    });
    let len = thrift.bytes.len().to_le_bytes();
    [&thrift.bytes[..], &len[..4], b"PAR1"].concat()
}

/// Writes the schema of flat columns.
pub(crate) fn schema(thrift: &mut Thrift, columns: &[Column]) {
    thrift.list(2, 12, columns.len() as u64 + 1);
    thrift.element(|root| {
        root.text(4, "s");
        root.int(5, columns.len().cast_signed() as i64);
    });
    for column in columns {
        thrift.element(|leaf| {
            leaf.int(1, if column.is_text { BYTE_ARRAY } else { INT64 });
            leaf.int(3, column.can_be_null.into());
            leaf.text(4, column.name);
        });
    }
}

fn chunk(group: &mut Thrift, column: &Column, (start, len): (usize, usize), rows: i64) {
    let (start, len) = (start.cast_signed() as i64, len.cast_signed() as i64);
    group.element(|chunk| {
        chunk.int(2, 0);
        chunk.structure(3, |about| {
            about.int(1, if column.is_text { BYTE_ARRAY } else { INT64 });
            about.list(2, 5, 0);
            about.list(3, 8, 0);
            about.int(4, column.codec);
            about.int(5, rows);
            about.int(6, len);
            about.int(7, len);
            about.int(9, start);
            if column.pages.iter().any(|page| page.is_dictionary) {
                about.int(11, start);
            }
        });
    });
}

/// Returns a zstd frame of `head` and `zeros` zeros; each 128 KiB of zeros take four bytes.
pub(crate) fn zstd(head: &[u8], zeros: u32) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0xa0];
    frame.extend(&(head.len() + zeros as usize).to_le_bytes()[..4]);
    frame.extend(&(head.len() << 3).to_le_bytes()[..3]);
    frame.extend(head);
    let mut left = zeros;
    while left > 0 {
        let block = left.min(128 << 10);
        left -= block;
        frame.extend(&(u32::from(left == 0) | 1 << 1 | block << 3).to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}
