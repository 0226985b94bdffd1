//! Malformed files: the corpus in data/bad, a file cut off at every byte, flipped bytes.
//!
//! Every case must end in a result or a refusal. Cut-off files are tried within this process, where a panic fails the
//! test; flipped ones in processes with limited address space, where a claim of gigabytes fails too.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;

use hyades::Error;
use hyades::event::Silent;
use hyades::job::{self, BackendKind, ClusteringOptions, DeviceOptions, FitRequest, InputOptions, Resources};
use hyades::text::ByteSize;

use crate::command::{Ran, Workshop};
use crate::harness::{folder, root, tests};
use crate::tables::{noise, three_groups, write};

tests!(the_corpus_is_refused, a_file_cut_off_at_any_byte, flipped_bytes, lies_in_the_footer);

/// The files in data/bad, and why each is refused.
const CORPUS: [(&str, &[&str]); 5] = [
    ("cut-off.parquet", &["cut-off.parquet", "cut off", "copy it again"]),
    ("empty.parquet", &["empty.parquet", "not a Parquet file", "0 bytes"]),
    ("lying-list.parquet", &["lying-list.parquet", "corrupt footer", "a list claims 2147483647 elements"]),
    ("text.parquet", &["text.parquet", "not a Parquet file"]),
    ("two-schemas", &["20 customers stand in both", "two-schemas/a.parquet", "name one of them as the input"]),
];

fn the_corpus_is_refused() {
    let corpus = root().join("data/bad");
    let entries = std::fs::read_dir(&corpus).expect("data/bad").flatten();
    let mut there: BTreeSet<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    assert!(there.remove("README.md"), "data/bad says how its files were made");
    // Public corpora: see the module `hostile`.
    assert!(there.remove("public"), "data/bad/public has the public corpora");
    let known: BTreeSet<String> = CORPUS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(there, known, "every file in data/bad has a line in CORPUS, and the other way round");
    let readme = std::fs::read_to_string(corpus.join("README.md")).expect("text");
    for (name, parts) in CORPUS {
        assert!(readme.contains(name), "data/bad/README.md does not say how {name} was made");
        let w = Workshop::new();
        w.refused(3, parts, ["fit", corpus.join(name).to_str().expect("text"), "--k", "2"]);
    }
}

pub(crate) fn request(input: PathBuf) -> FitRequest {
    FitRequest {
        input: InputOptions::of([input]),
        clustering: ClusteringOptions { n_init: Some(1), max_iter: Some(10), ..ClusteringOptions::of(3) },
        device: DeviceOptions { backend: Some(BackendKind::Cpu), ..DeviceOptions::default() },
        resources: Resources { threads: Some(1), memory: Some(ByteSize(1 << 30)), ..Resources::default() },
        ..FitRequest::default()
    }
}

/// A small good file, and its bytes.
fn good(folder: &Path) -> (PathBuf, Vec<u8>) {
    let path = folder.join("good.parquet");
    write(&path, &three_groups(60));
    let bytes = std::fs::read(&path).expect("a file");
    (path, bytes)
}

fn a_file_cut_off_at_any_byte() {
    let folder = folder();
    let (path, bytes) = good(folder.path());
    assert!((1000..8000).contains(&bytes.len()), "{} bytes", bytes.len());
    let fit = || job::fit(&request(path.clone()), &Silent, &AtomicBool::new(false));
    fit().expect("the whole file is good");
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).expect("a file");
        match fit() {
            Err(Error::Input(text)) => assert!(text.to_string().contains("good.parquet"), "{length}: {text}"),
            other => panic!("cut off at {length}: {:?}", other.map(|_| "a fit")),
        }
    }
}

/// Address space of a run, in KiB: far more than it needs, far less than a false claim may request.
const ADDRESS_SPACE: u64 = 1 << 20;

/// A small fit on one thread; the output folder follows.
const CAREFULLY: [&str; 14] = [
    "--k",
    "3",
    "--threads",
    "1",
    "--backend",
    "cpu",
    "--n-init",
    "1",
    "--max-iter",
    "10",
    "--quiet",
    "--memory",
    "512MiB",
    "--out",
];

/// Fits `path` in `kib` KiB of address space.
fn fit_within(kib: u64, path: &Path) -> Ran {
    let out = folder();
    let script = format!("ulimit -v {kib}; exec \"$0\" \"$@\"");
    let mut run = Command::new("sh");
    run.args(["-c", &script, env!("CARGO_BIN_EXE_hyades"), "fit"]).arg(path).args(CAREFULLY);
    run.arg(out.path().join("out")).output().expect("sh runs").into()
}

fn is_answered(ran: &Ran) -> bool {
    matches!(ran.code, Some(0 | 3)) && !ran.err.contains("panicked")
}

/// Fits every one of `files`; each must be processed or refused. Returns how many were refused.
fn survives(files: impl Iterator<Item = Vec<u8>>) -> usize {
    let folder = folder();
    let path = folder.path().join("mutant.parquet");
    let mut refused = 0;
    for (n, bytes) in files.enumerate() {
        std::fs::write(&path, &bytes).expect("a file");
        let ran = fit_within(ADDRESS_SPACE, &path);
        if !is_answered(&ran) {
            let kept = std::env::temp_dir().join("hyades-mutant.parquet");
            std::fs::copy(&path, &kept).expect("the file can be kept");
            panic!("file {n} (kept as {}): exit {:?}: {}", kept.display(), ran.code, ran.err);
        }
        refused += usize::from(ran.code == Some(3));
    }
    refused
}

fn flipped_bytes() {
    let folder = folder();
    let (path, bytes) = good(folder.path());
    assert_eq!(fit_within(ADDRESS_SPACE, &path).code, Some(0));
    assert!(!is_answered(&fit_within(16 << 10, &path)), "the address space is not limited at all");
    let mut random = noise(11);
    let mut upto = |n: usize| (random.next().expect("endless") * n as f64) as usize;
    let mutants: Vec<Vec<u8>> = (0..200)
        .map(|i| {
            let mut mutant = bytes.clone();
            for _ in 0..1 + i % 4 {
                let at = upto(bytes.len());
                mutant[at] ^= 1 << upto(8);
            }
            mutant
        })
        .collect();
    let refused = survives(mutants.into_iter());
    assert!(refused > 50, "only {refused} of 200 were refused: were they changed at all?");
}

fn lies_in_the_footer() {
    let folder = folder();
    let (_, bytes) = good(folder.path());
    let end = bytes.len() - 8;
    let length = u32::from_le_bytes(bytes[end..end + 4].try_into().expect("four bytes")) as usize;
    let mut random = noise(12);
    let mut upto = |n: usize| (random.next().expect("endless") * n as f64) as usize;
    // Larger numbers in the footer and in page headers, and footers of another length.
    let mut mutants: Vec<Vec<u8>> = (0..180)
        .map(|i| {
            let mut mutant = bytes.clone();
            let at = if i % 3 == 0 { 4 + upto(end - length - 12) } else { end - length + upto(length - 8) };
            let lie: &[u8] = [&[0xff, 0xff, 0xff, 0xff, 0x07][..], &[0xfe, 0xff, 0xff, 0x7f], &[0x7f], &[0x00]][i % 4];
            mutant[at..at + lie.len()].copy_from_slice(lie);
            mutant
        })
        .collect();
    for claim in [0, 1, length as u32 - 1, length as u32 + 1, end as u32, u32::MAX] {
        let mut mutant = bytes.clone();
        mutant[end..end + 4].copy_from_slice(&claim.to_le_bytes());
        mutants.push(mutant);
    }
    let refused = survives(mutants.into_iter());
    assert!(refused > 50, "only {refused} were refused");
}
