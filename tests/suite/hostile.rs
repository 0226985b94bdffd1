//! Malicious files: the public corpora of malformed Parquet, decompression bombs, and pages with false claims.
//!
//! Every run is a separate process with little address space and little time: it must end in a result or a refusal.

use std::collections::BTreeSet;

use parquet::basic::{Compression, ZstdLevel};

use crate::command::{Ran, Workshop, within};
use crate::forge::{
    DELTA_LENGTHS, DELTA_STRINGS, DICTIONARY_INDICES, Forged, PLAIN, data_page, data_page_v2, dictionary_page, file,
    snappy_zeros, varint, zstd_zeros,
};
use crate::harness::{folder, root, tests};
use crate::tables::{f64s, i64s, write};

tests!(
    the_public_corpora_are_answered,
    pages_that_claim_too_much,
    dictionaries_that_claim_too_much,
    values_that_are_repeated,
    levels_and_runs_that_go_on,
    lengths_that_are_not_there,
    values_of_a_fixed_length_that_is_not,
    schemas_without_a_floor,
    real_bombs_within_the_limits_are_read,
    files_made_by_hand_are_read,
    checksums_are_verified,
);

/// Address space of a run, in KiB.
const ADDRESS_SPACE: u64 = 1 << 20;

fn check(path: &str) -> Ran {
    within(ADDRESS_SPACE, ["check", path, "--threads", "1", "--quiet"])
}

fn fit(path: &str, out: &str) -> Ran {
    within(ADDRESS_SPACE, ["fit", path, "--k", "2", "--threads", "1", "--backend", "cpu", "--quiet", "--out", out])
}

fn rfm(path: &str, out: &str) -> Ran {
    let columns = ["--customer", "id", "--time", "t", "--amount", "x"];
    within(ADDRESS_SPACE, [&["features", "rfm", path, "--threads", "1", "--out", out][..], &columns].concat())
}

fn is_answered(ran: &Ran, what: &str) {
    assert!(matches!(ran.code, Some(0 | 2 | 3)), "{what}: exit {:?}: {}", ran.code, ran.err);
    assert!(!ran.err.contains("panicked"), "{what}: {}", ran.err);
}

/// data/bad/public/expected.tsv: file, exit code of `check`, and its message.
fn the_public_corpora_are_answered() {
    let corpus = root().join("data/bad/public");
    let table = std::fs::read_to_string(corpus.join("expected.tsv")).expect("a table");
    let mut there = BTreeSet::new();
    for origin in ["parquet-testing", "arrow-testing"] {
        for entry in std::fs::read_dir(corpus.join(origin)).expect("a folder").flatten() {
            there.insert(format!("{origin}/{}", entry.file_name().to_string_lossy()));
        }
    }
    let out = folder();
    let out = out.path().to_str().expect("text");
    let mut known = BTreeSet::new();
    for line in table.lines().skip(1) {
        let mut parts = line.splitn(3, '\t');
        let mut next = || parts.next().unwrap_or_else(|| panic!("three parts in {line:?}"));
        let (name, code, said) = (next(), next(), next());
        let path = corpus.join(name);
        let path = path.to_str().expect("text");
        let ran = check(path);
        if code == "0" {
            ran.succeeds();
        } else {
            ran.is_refused(code.parse().expect("a number"), &[&format!("{path}{said}")]);
        }
        is_answered(&fit(path, &format!("{out}/fit")), name);
        is_answered(&rfm(path, &format!("{out}/rfm.parquet")), name);
        known.insert(name.to_owned());
    }
    assert_eq!(there, known, "every file in data/bad/public has a line in expected.tsv, and the other way round");
}

/// Writes a forged file; `check` and `fit` refuse it with this message, or `fit` does not use its column.
fn refused(bytes: &[u8], said: &str) {
    let w = Workshop::new();
    let path = w.text("forged.parquet");
    std::fs::write(&path, bytes).expect("a file");
    check(&path).is_refused(3, &["forged.parquet", said]);
    is_answered(&fit(&path, &w.text("elsewhere")), said);
}

const X: &str = "required double x";
const TEXT: &str = "required binary x (UTF8)";

fn zstd() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

fn pages_that_claim_too_much() {
    let claims = |codec, chunk, unpacked, body| file(X, codec, 100, chunk, &[data_page(100, PLAIN, unpacked, body)]);
    let most = "at byte 4 claims 2147483647 bytes when decompressed; at most 268435456 are accepted";
    refused(&claims(Compression::SNAPPY, i64::MAX, i32::MAX, vec![0; 30]), most);
    let ratio = "claims 200000000 bytes when decompressed, and its 30 bytes of Snappy hold at most 2005";
    refused(&claims(Compression::SNAPPY, 200_000_000, 200_000_000, vec![0; 30]), ratio);
    let footer = "claims 200000000 bytes when decompressed, the footer 900 for its whole column chunk";
    refused(&claims(Compression::SNAPPY, 900, 200_000_000, vec![0; 30]), footer);
    // Real ones: 32 KiB that expand to a gibibyte, and 16 MiB that expand to 341.
    let gibi = claims(zstd(), 1 << 30, 1 << 30, zstd_zeros(1 << 30));
    assert!(gibi.len() < 40_000);
    refused(&gibi, "claims 1073741824 bytes when decompressed; at most 268435456 are accepted");
    let snappy = claims(Compression::SNAPPY, 341 << 20, 341 << 20, snappy_zeros(341 << 20));
    refused(&snappy, "claims 357564416 bytes when decompressed; at most 268435456 are accepted");
    refused(&claims(Compression::SNAPPY, 800, -1, vec![0; 30]), "claims -1 bytes when decompressed");
    let values = file(X, Compression::UNCOMPRESSED, 100, 800, &[data_page(i32::MAX, PLAIN, 800, vec![0; 800])]);
    refused(&values, "claims 2147483647 values where its row group has 100 rows left");
    // The next page would lie outside the chunk.
    let mut long = data_page(100, PLAIN, 800, vec![0; 800]);
    long.body.truncate(700);
    refused(
        &file(X, Compression::UNCOMPRESSED, 100, 800, &[long]),
        "claims 800 bytes where its column chunk has 700 left",
    );
}

fn dictionaries_that_claim_too_much() {
    let dictionary = dictionary_page(1_000_000_000, 8, vec![0; 8]);
    let bytes =
        file(X, Compression::UNCOMPRESSED, 100, 900, &[dictionary, data_page(100, DICTIONARY_INDICES, 2, vec![1, 3])]);
    refused(&bytes, "claims a dictionary of 1000000000 values in 8 bytes, which hold 1");
    let dictionary = dictionary_page(-5, 8, vec![0; 8]);
    refused(&file(X, Compression::UNCOMPRESSED, 100, 900, &[dictionary]), "claims -5 values");
}

/// A value of 200,000 bytes that ten thousand rows repeat: 2 GB of text from 200 KB.
fn values_that_are_repeated() {
    let text = |length: u32| [&length.to_le_bytes()[..], &vec![b'a'; length as usize]].concat();
    let bytes = |length: u32, rows: i32| {
        let pages = [
            dictionary_page(1, length as i32 + 4, text(length)),
            data_page(rows, DICTIONARY_INDICES, 5, [vec![1], varint((rows as u64) << 1), vec![0]].concat()),
        ];
        file(TEXT, Compression::UNCOMPRESSED, i64::from(rows), i64::from(length) + 99, &pages)
    };
    let said =
        "is a dictionary with a value of 200000 bytes, which 8192 rows at a time could repeat; at most 131072 bytes";
    refused(&bytes(200_000, 10_000), said);
    read(&bytes(200_000, 100), 0);
    read(&bytes(200, 10_000), 0);
}

fn levels_and_runs_that_go_on() {
    let optional = "optional double x";
    let levels = |length: u32| [&length.to_le_bytes()[..], &[200, 1, 1], &[0; 800]].concat();
    let v1 =
        |length| file(optional, Compression::UNCOMPRESSED, 100, 900, &[data_page(100, PLAIN, 807, levels(length))]);
    read(&v1(3), 0);
    refused(&v1(i32::MAX as u32), "not enough data to read levels");
    refused(&v1(u32::MAX), "invalid level length");
    let v2 = file(optional, Compression::UNCOMPRESSED, 100, 900, &[data_page_v2(100, i32::MAX, 803, vec![0; 803])]);
    refused(&v2, "claims 2147483647 and 0 bytes of levels in 803 bytes");
    // A run of 2^31 - 1 values in a page of a hundred: the hundred are there.
    let run = |value: u8| [vec![1], varint((i32::MAX as u64) << 1), vec![value]].concat();
    let runs = |value| {
        let pages = [dictionary_page(1, 8, vec![0; 8]), data_page(100, DICTIONARY_INDICES, 7, run(value))];
        file(X, Compression::UNCOMPRESSED, 100, 900, &pages)
    };
    read(&runs(0), 0);
    refused(&runs(1), "cannot be decoded");
}

/// `check` ends with this exit code.
fn read(bytes: &[u8], code: i32) {
    let w = Workshop::new();
    let path = w.text("forged.parquet");
    std::fs::write(&path, bytes).expect("a file");
    let ran = check(&path);
    assert_eq!(ran.code, Some(code), "{}", ran.err);
    is_answered(&fit(&path, &w.text("elsewhere")), "forged");
}

/// The head of a delta-encoded list: values in a block, parts of a block, count, first value.
fn delta_head(count: u64) -> Vec<u8> {
    [varint(128), varint(4), varint(count), varint(0)].concat()
}

fn lengths_that_are_not_there() {
    let page = |encoding, body: Vec<u8>| {
        let size = body.len() as i32;
        file(TEXT, Compression::UNCOMPRESSED, 100, 900, &[data_page(100, encoding, size, body)])
    };
    let said = "claims 1099511627776 lengths for 100 values";
    refused(&page(DELTA_LENGTHS, delta_head(1 << 40)), said);
    refused(&page(DELTA_STRINGS, delta_head(1 << 40)), said);
    // Valid prefixes: a hundred empty ones, in one block. Then suffixes.
    let prefixes = [delta_head(100), vec![0], vec![0; 4]].concat();
    refused(&page(DELTA_STRINGS, [prefixes.clone(), delta_head(1 << 40)].concat()), said);
    read(&page(DELTA_STRINGS, [prefixes.clone(), prefixes.clone()].concat()), 0);
    read(&page(DELTA_LENGTHS, prefixes), 0);
    refused(&page(DELTA_LENGTHS, vec![0x80; 40]), "ends within its lengths");
}

fn values_of_a_fixed_length_that_is_not() {
    let column = "optional fixed_len_byte_array(1000000000) x";
    let nulls = || data_page(100, PLAIN, 7, vec![3, 0, 0, 0, 200, 1, 0]);
    let bytes = file(column, Compression::UNCOMPRESSED, 100, 900, &[nulls()]);
    refused(&bytes, "its type claims 1000000000 bytes per value; expected 1 to 32768");
}

fn schemas_without_a_floor() {
    // Elements of a schema as Thrift has them: a root and groups with one child each, then a required double.
    let (root, group) = (&[0x48, 1, b'g', 0x15, 2, 0][..], &[0x35, 0, 0x18, 1, b'g', 0x15, 2, 0][..]);
    let leaf = &[0x15, 10, 0x25, 0, 0x18, 1, b'x', 0][..];
    let deep = |depth: usize| {
        let list = [&[0x19, 0xfc][..], &varint(depth as u64 + 2), root, &group.repeat(depth), leaf].concat();
        let footer = [&[0x15, 4][..], &list, &[0x16, 0, 0x19, 0x0c, 0]].concat();
        let length = (footer.len() as u32).to_le_bytes();
        [b"PAR1", &footer[..], &length, b"PAR1"].concat()
    };
    read(&deep(60), 0);
    refused(&deep(65), "corrupt footer: its columns are nested more than 64 deep");
    refused(&deep(200_000), "corrupt footer: its columns are nested more than 64 deep");
}

fn real_bombs_within_the_limits_are_read() {
    // 2 KiB that expand to 8 million zeros, as the footer says.
    let rows = 8 << 20;
    let page = data_page(rows, PLAIN, rows * 8, zstd_zeros(rows as usize * 8));
    let bytes = file(X, zstd(), i64::from(rows), i64::from(rows) * 8, &[page]);
    assert!(bytes.len() < 4096);
    read(&bytes, 0);
}

/// The tools of this file are correct: files without false claims are read.
fn files_made_by_hand_are_read() {
    let plain: Vec<u8> = (0..100).flat_map(|i| f64::from(i).to_le_bytes()).collect();
    let pages = |pages: &[Forged]| read(&file(X, Compression::UNCOMPRESSED, 100, 900, pages), 0);
    pages(&[data_page(100, PLAIN, 800, plain.clone())]);
    pages(&[data_page_v2(100, 0, 800, plain)]);
    let w = Workshop::new();
    write(&w.path("good.parquet"), &[("id", i64s(0..9)), ("x", f64s((0..9).map(f64::from)))]);
    fit(&w.text("good.parquet"), &w.text("elsewhere")).succeeds();
    let starved = within(8 << 10, ["check", &w.text("good.parquet")]);
    assert_ne!(starved.code, Some(0), "the address space is not limited at all");
}

fn checksums_are_verified() {
    let plain: Vec<u8> = (0..100).flat_map(|i| f64::from(i).to_le_bytes()).collect();
    let sealed = || file(X, Compression::UNCOMPRESSED, 100, 900, &[data_page(100, PLAIN, 800, plain.clone()).sealed()]);
    read(&sealed(), 0);
    let mut flipped = sealed();
    flipped[500] ^= 4;
    let said = "row group 0, column \"x\": cannot be decoded: Parquet argument error: Parquet error: \
                the page at byte 4 does not match its checksum (CRC); write or copy the file again";
    refused(&flipped, said);
    // Without a checksum, the change is undetectable.
    let mut open = file(X, Compression::UNCOMPRESSED, 100, 900, &[data_page(100, PLAIN, 800, plain)]);
    open[500] ^= 4;
    read(&open, 0);
}
