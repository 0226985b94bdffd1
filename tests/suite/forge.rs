//! Parquet files made byte by byte, so that their pages can claim what no writer would write.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::file::metadata::{
    ColumnChunkMetaData, FileMetaData, ParquetMetaData, ParquetMetaDataWriter, RowGroupMetaData,
};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::SchemaDescriptor;

/// Encodings, by their numbers in Parquet.
pub(crate) const PLAIN: i32 = 0;
pub(crate) const DELTA_LENGTHS: i32 = 6;
pub(crate) const DELTA_STRINGS: i32 = 7;
pub(crate) const DICTIONARY_INDICES: i32 = 8;

/// A page: its header, and the bytes that follow.
pub(crate) struct Forged {
    pub(crate) header: Vec<u8>,
    pub(crate) body: Vec<u8>,
    /// The end of the header's general part.
    cut: usize,
}

impl Forged {
    fn new(kind: i32, unpacked: i32, body: Vec<u8>, field: u8, own: &[u8]) -> Self {
        let general = i32s(&[kind, unpacked, body.len() as i32]);
        // `field`: the field of the kind's own part, relative to the field before.
        let header = [&general[..], &[field << 4 | 12], own, &[0, 0]].concat();
        Forged { header, body, cut: general.len() }
    }

    /// With the checksum of its bytes.
    pub(crate) fn sealed(mut self) -> Self {
        let crc = i32s(&[crc32(&self.body) as i32]);
        self.header[self.cut] -= 1 << 4;
        self.header.splice(self.cut..self.cut, crc);
        self
    }
}

/// The CRC of gzip, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let shift = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, b| (0..8).fold(crc ^ u32::from(*b), |crc, _| shift(crc)))
}

pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn i32s(values: &[i32]) -> Vec<u8> {
    let zigzag = |v: i32| u64::from(((v << 1) ^ (v >> 31)) as u32);
    values.iter().flat_map(|&v| [vec![0x15], varint(zigzag(v))].concat()).collect()
}

/// A data page that claims this many values and bytes.
pub(crate) fn data_page(values: i32, encoding: i32, unpacked: i32, body: Vec<u8>) -> Forged {
    Forged::new(0, unpacked, body, 2, &i32s(&[values, encoding, 3, 3]))
}

/// An uncompressed data page of version 2, with definition levels of this many bytes.
pub(crate) fn data_page_v2(values: i32, levels: i32, unpacked: i32, body: Vec<u8>) -> Forged {
    let own = [i32s(&[values, 0, values, PLAIN, levels, 0]), vec![0x12]].concat();
    Forged::new(3, unpacked, body, 5, &own)
}

/// A dictionary that claims this many values and bytes.
pub(crate) fn dictionary_page(values: i32, unpacked: i32, body: Vec<u8>) -> Forged {
    Forged::new(2, unpacked, body, 4, &i32s(&[values, PLAIN]))
}

/// A file of one row group with one column, as `required double x`; `unpacked` is the footer's claim for its chunk.
pub(crate) fn file(column: &str, codec: Compression, rows: i64, unpacked: i64, pages: &[Forged]) -> Vec<u8> {
    let schema = parse_message_type(&format!("message table {{ {column}; }}")).expect("a schema");
    let schema = Arc::new(SchemaDescriptor::new(Arc::new(schema)));
    let mut bytes = b"PAR1".to_vec();
    for page in pages {
        bytes.extend([&page.header[..], &page.body].concat());
    }
    let chunk = ColumnChunkMetaData::builder(schema.column(0))
        .set_compression(codec)
        .set_num_values(rows)
        .set_data_page_offset(4)
        .set_total_compressed_size(bytes.len() as i64 - 4)
        .set_total_uncompressed_size(unpacked)
        .build()
        .expect("a column");
    let group = RowGroupMetaData::builder(schema.clone())
        .set_num_rows(rows)
        .set_total_byte_size(unpacked)
        .set_column_metadata(vec![chunk])
        .build()
        .expect("a row group");
    let file = FileMetaData::new(2, rows, None, None, schema, None);
    ParquetMetaDataWriter::new(&mut bytes, &ParquetMetaData::new(file, vec![group])).finish().expect("a footer");
    bytes
}

/// Zeros in the Zstandard format: a block of 128 KiB takes four bytes.
pub(crate) fn zstd_zeros(length: usize) -> Vec<u8> {
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    let blocks = length.div_ceil(128 << 10);
    for block in 0..blocks {
        let size = (length - block * (128 << 10)).min(128 << 10);
        let head = (size << 3 | 2 | usize::from(block + 1 == blocks)) as u32;
        out.extend(&head.to_le_bytes()[..3]);
        out.push(0);
    }
    out
}

/// Zeros in the Snappy format: a copy of 64 bytes takes three.
pub(crate) fn snappy_zeros(length: usize) -> Vec<u8> {
    let mut out = varint(length as u64);
    out.extend([0, 0]);
    let mut left = length - 1;
    while left > 0 {
        let size = left.min(64);
        out.extend([(size as u8 - 1) << 2 | 2, 1, 0]);
        left -= size;
    }
    out
}
