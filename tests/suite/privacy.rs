//! What may leave the bank: the id as it was, or a pseudonym in its place.

use std::collections::HashSet;
use std::path::Path;

use arrow::array::AsArray;

use crate::command::{Ran, Workshop, contents, json};
use crate::harness::{hyades, tests};
use crate::tables::{column, read, segments, three_groups, write};

tests!(pseudonyms_take_the_place_of_ids, keys_that_cannot_be_used);

const SECRET: &str = "correct horse battery staple";

fn pseudonyms(file: &Path) -> Vec<String> {
    column(&read(file), "id").as_string::<i32>().iter().map(|id| id.expect("no null").to_owned()).collect()
}

fn pseudonyms_take_the_place_of_ids() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(300));
    std::fs::write(w.path("key"), format!("{SECRET}\n")).unwrap();
    let (input, key) = (w.text("a.parquet"), w.text("key"));
    let fit = ["fit", &input, "--k", "3"];
    w.run(fit).succeeds();
    let plain = segments(&w.out().join("segments.parquet"));
    w.run([&fit[..], &["--pseudonymise", &key]].concat()).succeeds();
    let labelled = w.out().join("segments.parquet");
    assert_eq!(segments(&labelled), plain, "the rows are the same, in the same order");
    let fitted = pseudonyms(&labelled);
    assert_eq!(fitted.iter().collect::<HashSet<_>>().len(), 300);
    assert!(fitted.iter().all(|p| p.len() == 32 && p.bytes().all(|b| b.is_ascii_hexdigit())), "{}", fitted[0]);
    let manifest = json(w.out().join("manifest.json"));
    assert_eq!(manifest["pseudonym_key_check"].as_str().map(str::len), Some(8));
    for (name, bytes) in contents(&w.out()) {
        assert!(!String::from_utf8_lossy(&bytes).contains(SECRET), "the key is in {name}");
    }
    // The same customers have the same pseudonyms when they are labelled, with the key from the environment.
    let model = w.text("model.json");
    std::fs::copy(w.out().join("model.json"), &model).unwrap();
    let assigned = w.path("assigned");
    let again = std::process::Command::new(env!("CARGO_BIN_EXE_hyades"))
        .args(["assign", &model, &input, "--pseudonymise", "env:BANK_KEY", "--out", assigned.to_str().unwrap()])
        .env("BANK_KEY", SECRET)
        .output()
        .unwrap();
    Ran::from(again).succeeds();
    assert_eq!(pseudonyms(&assigned.join("segments.parquet")), fitted);
    assert_eq!(json(assigned.join("manifest.json"))["pseudonym_key_check"], manifest["pseudonym_key_check"]);
}

fn keys_that_cannot_be_used() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(30));
    write(&w.path("nameless.parquet"), &three_groups(30)[1..]);
    std::fs::write(w.path("short"), "fifteen letters\n").unwrap();
    std::fs::write(w.path("key"), SECRET).unwrap();
    let fit = |input: &str, key: &str| ["fit", &w.text(input), "--k", "3", "--pseudonymise", key].map(str::to_owned);
    let (short, key, missing) = (w.text("short"), w.text("key"), w.text("missing"));
    w.refused(2, &["the key in ", &short, "has 15 bytes; at least 16 are needed"], fit("a.parquet", &short));
    w.refused(2, &["cannot read", &missing, "no such file"], fit("a.parquet", &missing));
    w.refused(2, &["the environment has no variable NO_SUCH_KEY"], fit("a.parquet", "env:NO_SUCH_KEY"));
    w.refused(2, &["the input has no id column; name one with --id"], fit("nameless.parquet", &key));
    let said = Ran::from(hyades(["fit", &w.text("a.parquet"), "--k", "99", "--pseudonymise", &key, "--out", "x"]));
    assert!(!said.err.contains(SECRET) && !said.out.contains(SECRET));
}
