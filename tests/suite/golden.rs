//! Golden bytes: seven whole jobs whose labels may never change, and whose models change only with the format.
//!
//! A change of `segments` is a change of answers, and needs a reason that users can read. A change of `model` is a
//! change of the file format or of a constant in it. What names the run is left out: the footers of `segments`, and a line
//! of `model.json`.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch, StringArray};

use crate::command::{Ran, Workshop, done, json};
use crate::harness::{hyades, root, tests};
use crate::tables::{batch, f64s, i64s, noise, some_f64s, write_batch};

tests!(plain, without_swaps, rules_and_strata, weights, one_hot_and_components, a_join, streamed);

/// The start of the blake3 of each output.
struct Golden {
    segments: &'static str,
    model: &'static str,
}

const ROWS: usize = 3_000;

/// Customers in five groups, with gaps, text, a flag and weights; row groups of 700.
fn bank() -> RecordBatch {
    let around = |seed: u64, far: f64| -> Vec<f64> {
        noise(seed).take(ROWS).enumerate().map(|(i, u)| far * (i * 7 % 5) as f64 + u * u * 3.0).collect()
    };
    let gaps = around(3, 4.0).into_iter().enumerate().map(|(i, v)| (i % 17 != 4).then_some(v));
    let tiers = ["gold", "silver", "basic", "basic"];
    batch(&[
        ("id", i64s((0..ROWS as i64).map(|i| 50_000 - 3 * i))),
        ("x", f64s(around(1, 9.0))),
        ("y", f64s(around(2, -6.0))),
        ("z", some_f64s(gaps)),
        ("tier", Arc::new((0..ROWS).map(|i| (i % 40 != 9).then(|| tiers[i % 4])).collect::<StringArray>())),
        ("is_staff", Arc::new((0..ROWS).map(|i| (i % 13 != 3).then_some(i % 25 == 0)).collect::<BooleanArray>())),
        ("w", f64s((0..ROWS).map(|i| (i % 4) as f64 * 0.5))),
    ])
}

/// Balances of two customers in three, in another order.
fn balances() -> RecordBatch {
    let ids = (0..ROWS as i64).rev().filter(|i| i % 3 != 1);
    let balance = noise(8).take(ROWS).zip((0..ROWS as i64).rev()).filter(|(_, i)| i % 3 != 1);
    batch(&[
        ("id", i64s(ids.map(|i| 50_000 - 3 * i))),
        ("balance", f64s(balance.map(|(u, i)| 1000.0 * u * (1 + i % 5) as f64).collect::<Vec<_>>())),
    ])
}

/// Runs a fit of the bank with these options, in a folder that holds the files they name.
fn fit_bank(options: &[&str], golden: &Golden) {
    let w = Workshop::new();
    write_batch(&w.path("bank.parquet"), &bank(), 700);
    write_batch(&w.path("balances.parquet"), &balances(), 500);
    std::fs::write(
        w.path("rules.toml"),
        "[[rule]]\nname = \"staff\"\nwhen = \"is_staff = true\"\n\n[strata]\nwithin = \"tier\"\nk = 3\n[strata.k_of]\ngold = 2\n",
    )
    .unwrap();
    std::fs::write(
        w.path("recipe.toml"),
        "[columns.tier]\nencode = \"one-hot\"\n\n[columns.y]\ntransform = \"yeo-johnson\"\n\n[reduce]\ncomponents = 3\n",
    )
    .unwrap();
    let path = |option: &&str| match option.strip_prefix('@') {
        Some(name) => w.text(name),
        None => (*option).to_owned(),
    };
    let options: Vec<String> = options.iter().map(path).collect();
    let bank = w.text("bank.parquet");
    done(["fit", &bank].into_iter().chain(options.iter().map(String::as_str)).chain(["--out", &w.text("out")]));
    compare(&w.out(), golden);
}

fn compare(out: &Path, golden: &Golden) {
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex()[..16].to_owned();
    let labels = std::fs::read(out.join("segments/part-00000.parquet")).unwrap();
    let footer = u32::from_le_bytes(labels[labels.len() - 8..][..4].try_into().unwrap()) as usize;
    let model = std::fs::read_to_string(out.join("model.json")).unwrap();
    let model: String = model.split_inclusive('\n').filter(|line| !line.starts_with("  \"run\": ")).collect();
    let (segments, model) = (hash(&labels[..labels.len() - 8 - footer]), hash(model.as_bytes()));
    assert_eq!(
        (segments.as_str(), model.as_str()),
        (golden.segments, golden.model),
        "(segments/part-00000.parquet, model.json) now and before"
    );
}

fn plain() {
    let w = Workshop::new();
    let input = root().join("data/customers.parquet");
    let base = ["fit", input.to_str().unwrap(), "--k", "8", "--seed", "11", "--margin"];
    done([&base[..], &["--out", &w.text("out")]].concat());
    compare(&w.out(), &Golden { segments: "ef5c267dbb1672da", model: "ec693222debfe5e8" });
}

/// The labels of fits before centroids were swapped.
fn without_swaps() {
    let golden = Golden { segments: "21a7ef9591a879ff", model: "d55ba8d2931bf59e" };
    fit_bank(&["--k", "4", "--features", "x,y,z", "--rules", "@rules.toml", "--effort", "low"], &golden);
}

/// A bank whose tiles do not fit the memory allowed.
fn streamed() {
    let w = Workshop::new();
    let input = w.text("bank.parquet");
    done(["synth", "--rows", "1500000", "--features", "3", "--seed", "9", "--out", &input]);
    let base = ["fit", &input, "--k", "5", "--threads", "2", "--backend", "cpu", "--scratch", &w.text("")];
    let ran = Ran::from(hyades([&base[..], &["--memory", "1MiB", "--out", &w.text("out")]].concat()));
    ran.is_refused(4, &["give --memory "]);
    let (_, rest) = ran.err.split_once("give --memory ").unwrap();
    let least = rest.split(' ').next().unwrap();
    done([&base[..], &["--memory", least, "--out", &w.text("out")]].concat());
    let plan = json(w.out().join("manifest.json"))["plan"].take();
    assert!(plan["place"]["scratch"].is_string(), "it is streamed: {plan}");
    compare(&w.out(), &Golden { segments: "935859c156fca61f", model: "b3a713b1ca07a23d" });
}

fn rules_and_strata() {
    let golden = Golden { segments: "6c366261c7f47850", model: "41fc75eba702ea85" };
    fit_bank(&["--k", "4", "--features", "x,y,z", "--rules", "@rules.toml"], &golden);
}

fn weights() {
    let golden = Golden { segments: "b05d6f023e0bd2b5", model: "3bef81f3a0f35030" };
    fit_bank(&["--k", "5", "--features", "x,y,z", "--row-weight", "w", "--init", "random"], &golden);
}

fn one_hot_and_components() {
    let golden = Golden { segments: "41e9b19264113843", model: "583a7dc1e9ce457a" };
    fit_bank(&["--k", "6", "--features", "x,y,z,tier", "--recipe", "@recipe.toml"], &golden);
}

fn a_join() {
    let golden = Golden { segments: "5a261105b1a97827", model: "04465b427938f411" };
    fit_bank(&["--k", "5", "--features", "x,y,balance", "--join", "@balances.parquet"], &golden);
}
