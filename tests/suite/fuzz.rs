//! Small real files, changed at random: opened, prepared and examined, thousands of them.
//!
//! The cases run in a child process, which is this binary with `HYADES_FUZZ_CHILD` set: a failed allocation or a stack
//! overflow ends the whole process. The child has limited address space, keeps the current case as a file, and ends
//! itself when a case takes too long. The suite runs it for some seconds from a fixed seed; `HYADES_FUZZ_SECONDS=600`
//! runs it longer, from a seed based on the clock (or `HYADES_FUZZ_SEED`).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arrow::array::{ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int32Array, StringArray};
use hyades::Error;
use hyades::check::{CheckRequest, check};
use hyades::event::Silent;
use hyades::job::{self, InputOptions, Resources};
use hyades::text::ByteSize;
use hyades::transactions::{RfmRequest, rfm};
use parquet::arrow::ArrowWriter;
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::harness::{folder, tests};
use crate::tables::{batch, f64s, i64s, noise, some_f64s};

tests!(changed_files_are_answered);

/// Address space of the child, in KiB, and seconds for a case.
const ADDRESS_SPACE: u64 = 2 << 20;
const PATIENCE: u64 = 20;

const CHILD: &str = "HYADES_FUZZ_CHILD";

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|v| v.parse().unwrap_or_else(|_| panic!("{variable}={v} is not a number")))
}

/// A table with every kind of column that is read.
fn table(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let draws: Vec<f64> = noise(3).take(rows).collect();
    let some = |every: usize| draws.iter().enumerate().map(move |(i, u)| (i % every != 0).then_some(u * 1e4));
    let decimal = Decimal128Array::from_iter_values((0..rows as i128).map(|i| i * i * 7));
    let days = (0..rows as i32).map(|i| (i % 9 != 0).then_some(19_000 + i));
    vec![
        ("id", i64s((0..rows as i64).map(|i| 100 + 3 * i))),
        ("x", some_f64s(some(7))),
        ("amount", f64s(draws.iter().map(|u| (u * 1e4).round() / 100.0))),
        ("count", Arc::new(Int32Array::from_iter_values((0..rows as i32).map(|i| i % 5)))),
        ("limit", Arc::new(decimal.with_precision_and_scale(12, 2).expect("it fits"))),
        ("since", Arc::new(Date32Array::from_iter(days))),
        ("active", Arc::new((0..rows).map(|i| Some(i % 3 == 0)).collect::<BooleanArray>())),
        ("city", Arc::new(StringArray::from_iter_values((0..rows).map(|i| ["Bonn", "Wien", "Graz"][i % 3])))),
    ]
}

/// Files in each codec, both versions of pages, and the encodings that writers use.
fn seeds() -> Vec<Vec<u8>> {
    let properties = || WriterProperties::builder().set_max_row_group_row_count(Some(30));
    let delta = |name: &str| ColumnPath::from(name);
    let v2 = || properties().set_writer_version(WriterVersion::PARQUET_2_0).set_dictionary_enabled(false);
    let kinds = [
        properties(),
        properties().set_write_page_header_statistics(true),
        properties().set_compression(Compression::SNAPPY).set_data_page_row_count_limit(8),
        properties().set_compression(Compression::GZIP(GzipLevel::default())),
        properties().set_compression(Compression::LZ4_RAW),
        properties().set_compression(Compression::BROTLI(BrotliLevel::default())),
        v2(),
        v2().set_compression(Compression::ZSTD(ZstdLevel::default())),
        v2().set_column_encoding(delta("x"), Encoding::BYTE_STREAM_SPLIT)
            .set_column_encoding(delta("city"), Encoding::DELTA_LENGTH_BYTE_ARRAY),
        properties().set_dictionary_enabled(false).set_column_encoding(delta("city"), Encoding::DELTA_BYTE_ARRAY),
    ];
    let batch = batch(&table(60));
    let write = |properties: parquet::file::properties::WriterPropertiesBuilder| {
        let mut bytes = Vec::new();
        let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties.build())).expect("a writer");
        writer.write(&batch).expect("rows are written");
        writer.close().expect("the footer is written");
        bytes
    };
    kinds.into_iter().map(write).collect()
}

/// A change; positions are shares of the region's length.
#[derive(Debug, Clone)]
enum Change {
    Flip(f64, u8),
    Truncate(f64),
    Splice(f64, f64, usize),
    Remove(f64, usize),
    Overwrite(f64, Vec<u8>),
}

/// Numbers at the ends of their ranges, in the encodings of Thrift and Parquet.
fn extreme() -> impl Strategy<Value = Vec<u8>> {
    let varints = [0, 1, 0x7f, 0x80, 0xfffe, 0xffff_fffe, 0xffff_ffff, 1 << 40, u64::MAX - 1, u64::MAX];
    prop_oneof![
        proptest::sample::select(varints.to_vec()).prop_map(crate::forge::varint),
        proptest::sample::select(vec![0i32, -1, 1, i32::MAX, i32::MIN, 1 << 28]).prop_map(|v| v.to_le_bytes().into()),
        proptest::sample::select(vec![-1i64, i64::MAX, i64::MIN, 1 << 40]).prop_map(|v| v.to_le_bytes().into()),
        any::<u8>().prop_map(|b| vec![b]),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0.0..1.0, 0u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        1 => (0.0..1.0).prop_map(Change::Truncate),
        1 => (0.0..1.0, 0.0..1.0, 1usize..64).prop_map(|(from, to, n)| Change::Splice(from, to, n)),
        1 => (0.0..1.0, 1usize..16).prop_map(|(at, n)| Change::Remove(at, n)),
        4 => (0.0..1.0, extreme()).prop_map(|(at, bytes)| Change::Overwrite(at, bytes)),
    ]
}

/// A case: a seed, where and how it is changed, and whether its end is repaired so that the change is reached.
fn case(seeds: usize) -> impl Strategy<Value = (usize, bool, Vec<Change>, bool)> {
    (0..seeds, any::<bool>(), proptest::collection::vec(change(), 1..4), prop::bool::weighted(0.7))
}

fn footer_length(bytes: &[u8]) -> usize {
    let end = bytes.len() - 8;
    u32::from_le_bytes(bytes[end..end + 4].try_into().expect("four bytes")) as usize
}

/// Applies changes to the data (pages with their headers) or to the footer.
fn mutant(seed: &[u8], in_footer: bool, changes: &[Change], mended: bool) -> Vec<u8> {
    let cut = seed.len() - 8 - footer_length(seed);
    let (mut data, mut footer) = (seed[..cut].to_vec(), seed[cut..seed.len() - 8].to_vec());
    let region = if in_footer { &mut footer } else { &mut data };
    for change in changes {
        let place = |share: &f64| (share * region.len() as f64) as usize;
        match change {
            _ if region.len() < 8 => break,
            Change::Flip(at, bit) => {
                let at = place(at);
                region[at] ^= 1 << bit;
            }
            Change::Truncate(at) => region.truncate(place(at)),
            Change::Splice(from, to, n) => {
                let (from, to) = (place(from), place(to));
                let piece = region[from..(from + n).min(region.len())].to_vec();
                region.splice(to..to, piece);
            }
            Change::Remove(at, n) => {
                let at = place(at);
                region.drain(at..(at + n).min(region.len()));
            }
            Change::Overwrite(at, bytes) => {
                let at = place(at);
                let end = (at + bytes.len()).min(region.len());
                region.splice(at..end, bytes.iter().copied());
            }
        }
    }
    // Data that grew or shrank would only show that the footer's offsets are wrong.
    if mended {
        data.resize(cut, 0);
    }
    let length = if mended { footer.len() as u32 } else { (seed.len() - cut - 8) as u32 };
    [&data[..], &footer, &length.to_le_bytes(), b"PAR1"].concat()
}

fn resources() -> Resources {
    Resources { threads: Some(1), memory: Some(ByteSize(256 << 20)), ..Resources::default() }
}

/// Opens, prepares, fits, checks, and makes features. Returns whether all of it succeeded.
fn examine(path: &Path, out: &Path) -> bool {
    let stop = AtomicBool::new(false);
    let inputs = vec![path.to_path_buf()];
    let fitted = {
        let mut request = crate::bad_files::request(path.to_path_buf());
        request.resources = resources();
        job::fit(&request, &Silent, &stop).map(|_| ())
    };
    let request =
        CheckRequest { input: InputOptions::of(inputs.clone()), resources: resources(), ..CheckRequest::default() };
    let checked = check(&request, &Silent, &stop).map(|_| ());
    let mut request = RfmRequest::new(inputs, "id", "since", "amount", out);
    request.resources = resources();
    let featured = rfm(&request, &Silent, &stop).map(|_| ());
    let results = [fitted, checked, featured];
    for result in &results {
        // A count that exceeds memory is refused, not a crash.
        let answered = matches!(result, Ok(()) | Err(Error::Input(_) | Error::Usage(_) | Error::Environment(_)));
        assert!(answered, "{result:?}");
    }
    results.iter().all(Result::is_ok)
}

/// The child: works on cases until its time is over. Reports how many there were, and how many succeeded.
#[allow(clippy::print_stdout, reason = "it is read by its parent")]
pub(crate) fn child(folder: &Path) {
    let seconds = number("HYADES_FUZZ_SECONDS").unwrap_or(1);
    let seed = number("HYADES_FUZZ_SEED").unwrap_or(0);
    let cases = number("HYADES_FUZZ_CASES").unwrap_or(u64::MAX);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let seeds = seeds();
    let strategy = case(seeds.len());
    let (path, out) = (folder.join("mutant.parquet"), folder.join("features.parquet"));
    for seed in &seeds {
        std::fs::write(&path, seed).expect("a file");
        assert!(examine(&path, &out), "a file that was not changed is refused");
    }
    let begun = Instant::now();
    let under_way = Arc::new(AtomicU64::new(0));
    let watched = under_way.clone();
    std::thread::spawn(move || {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let now = watched.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > Duration::from_secs(PATIENCE) {
                std::process::abort();
            }
        }
    });
    let (mut n, mut done) = (0u64, 0u64);
    while n < cases && begun.elapsed() < Duration::from_secs(seconds) {
        let (at, in_footer, changes, mended) = strategy.new_tree(&mut runner).expect("a case").current();
        std::fs::write(&path, mutant(&seeds[at], in_footer, &changes, mended)).expect("a file");
        done += u64::from(examine(&path, &out));
        n += 1;
        under_way.store(n, Ordering::Relaxed);
    }
    println!("{n} cases, {done} of them read");
}

/// Whether this process is the child.
pub(crate) fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

#[allow(clippy::print_stdout, reason = "the figures of a long run")]
fn changed_files_are_answered() {
    let folder = folder();
    let long = number("HYADES_FUZZ_SECONDS");
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let seed = number("HYADES_FUZZ_SEED").unwrap_or_else(|| if long.is_some() { clock() } else { 1 });
    let mut run = Command::new("sh");
    run.args(["-c", &format!("ulimit -v {ADDRESS_SPACE}; exec \"$0\"")]).arg(std::env::current_exe().expect("a path"));
    run.env(CHILD, folder.path()).env("HYADES_FUZZ_SEED", seed.to_string());
    if long.is_none() {
        // By count, so that a slow machine tries the same files.
        run.env("HYADES_FUZZ_CASES", "1500").env("HYADES_FUZZ_SECONDS", "120");
    }
    let ran = crate::command::Ran::from(run.output().expect("sh runs"));
    if ran.code != Some(0) || ran.err.contains("panicked") {
        let kept = std::env::temp_dir().join(format!("hyades-mutant-{seed}.parquet"));
        std::fs::copy(folder.path().join("mutant.parquet"), &kept).expect("the file can be kept");
        panic!("seed {seed}: exit {:?} at the file kept as {}: {}", ran.code, kept.display(), ran.err);
    }
    if long.is_some() {
        println!("seed {seed}: {}", ran.out.trim());
    }
    let words: Vec<u64> = ran.out.split(' ').filter_map(|w| w.parse().ok()).collect();
    let [cases, done] = words[..] else { panic!("two numbers in {:?}", ran.out) };
    assert!(cases > 0 && done > 0 && done < cases, "{}", ran.out);
}
