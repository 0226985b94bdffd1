//! What may leave the bank: the id unchanged, or a pseudonym instead.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Date32Array, StringArray};
use serde_json::{Value, json as value};

use crate::command::{Ran, Workshop, contents, json, labels_hash, part};
use crate::harness::{hyades, tests};
use crate::tables::{batch, column, i64s, noise, read, segments, some_f64s, three_groups, write, write_batch};

tests!(
    pseudonyms_take_the_place_of_ids,
    keys_that_cannot_be_used,
    protected_and_personal_columns_are_no_features,
    what_is_left_out_can_be_used_all_the_same,
    requests_that_cannot_be_met,
    an_audit_counts_what_a_reader_would,
    nothing_protected_leaves_without_an_audit,
    hostile_names_and_values_are_shown_harmlessly,
);

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
    let plain = segments(&w.out().join("segments/part-00000.parquet"));
    w.run([&fit[..], &["--pseudonymise", &key]].concat()).succeeds();
    let labelled = w.out().join("segments/part-00000.parquet");
    assert_eq!(segments(&labelled), plain, "the rows are the same, in the same order");
    let fitted = pseudonyms(&labelled);
    assert_eq!(fitted.iter().collect::<HashSet<_>>().len(), 300);
    assert!(fitted.iter().all(|p| p.len() == 32 && p.bytes().all(|b| b.is_ascii_hexdigit())), "{}", fitted[0]);
    let manifest = json(w.out().join("manifest.json"));
    assert_eq!(manifest["inputs"]["pseudonym_key_check"].as_str().map(str::len), Some(8));
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
    assert_eq!(pseudonyms(&assigned.join("segments/part-00000.parquet")), fitted);
    assert_eq!(
        json(assigned.join("manifest.json"))["inputs"]["pseudonym_key_check"],
        manifest["inputs"]["pseudonym_key_check"]
    );
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

/// Values that occur nowhere else.
const PLANTED: [&str; 3] = ["Ruritanian", "Sylvanian<b>", "Borduri\u{e9}"];

/// Three groups with personal columns: columns that must not be features by default, next to others that may.
fn people(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let mut table = three_groups(rows);
    let draw = |seed: u64| noise(seed).take(rows).collect::<Vec<_>>();
    let ages = draw(3).into_iter().enumerate();
    // The third group is older.
    let ages =
        ages.map(|(i, u)| (i % 11 != 5).then(|| (20.0 + 40.0 * u).floor() + if i % 3 == 2 { 20.0 } else { 0.0 }));
    let nations = draw(4).into_iter().enumerate().map(|(i, u)| (i % 13 != 2).then(|| PLANTED[(u * u * 3.0) as usize]));
    let married = draw(5).into_iter().map(|u| Some(u < 0.4));
    let born = draw(6).into_iter().map(|u| Some((u * 20_000.0) as i32 - 10_000));
    table.extend([
        ("customerAge", some_f64s(ages)),
        ("sex", i64s(draw(7).into_iter().map(|u| 1 + i64::from(u < 0.3)))),
        ("nationality", Arc::new(nations.collect::<StringArray>()) as ArrayRef),
        ("is_married", Arc::new(married.collect::<BooleanArray>()) as ArrayRef),
        ("birth_date", Arc::new(born.collect::<Date32Array>()) as ArrayRef),
        ("home_phone", i64s((0..rows as i64).map(|i| 4_420_794_600_000 + 7 * i))),
        ("has_email", Arc::new(draw(8).into_iter().map(|u| Some(u < 0.5)).collect::<BooleanArray>()) as ArrayRef),
        ("account_age_days", i64s(draw(9).into_iter().map(|u| (u * 4000.0) as i64))),
    ]);
    table
}

fn bank(w: &Workshop, rows: usize) -> String {
    write_batch(&w.path("people.parquet"), &batch(&people(rows)), 100);
    w.text("people.parquet")
}

fn features(w: &Workshop) -> Value {
    part(&w.out())["feature_names_in_"].take()
}

fn protected_and_personal_columns_are_no_features() {
    let w = Workshop::new();
    let ran = w.run(["fit", &bank(&w, 300), "--k", "3"]).succeeds();
    assert_eq!(features(&w), value!(["x", "y", "has_email", "account_age_days"]));
    let use_it = "--include to use it, --audit to see its share by segment";
    assert_eq!(
        json(w.out().join("manifest.json"))["inputs"]["left_out"],
        value!([
            ["customerAge", format!("a protected attribute (age); {use_it}")],
            ["sex", format!("a protected attribute (sex); {use_it}")],
            ["nationality", "a protected attribute (nationality or origin); --audit to see its share by segment"],
            ["is_married", format!("a protected attribute (marital status); {use_it}")],
            ["birth_date", format!("a protected attribute (date of birth); {use_it}")],
            ["home_phone", "likely phone numbers, by its name; --include to use it"],
        ])
    );
    assert!(ran.err.contains("(protected attributes): customerAge (age), sex (sex)"), "{}", ran.err);
    assert!(!ran.err.contains("WARN"), "{}", ran.err);
    // Columns named like a national id are not used as an id by default.
    let mut table = people(90);
    table[0] = ("tax_id", i64s(500_000..500_090));
    write(&w.path("tax.parquet"), &table);
    w.run(["fit", &w.text("tax.parquet"), "--k", "3"]).succeeds();
    assert_eq!(read(&w.out().join("segments/part-00000.parquet")).schema().field(0).name(), "row");
}

fn what_is_left_out_can_be_used_all_the_same() {
    let w = Workshop::new();
    let input = bank(&w, 300);
    let fit = |more: &[&str]| w.run([&["fit", &input, "--k", "3"], more].concat()).succeeds().err;
    let said = fit(&["--include", "customerAge,home_phone,birth_date"]);
    assert_eq!(
        features(&w),
        value!(["x", "y", "customerAge", "birth_date", "home_phone", "has_email", "account_age_days"])
    );
    let warning =
        "protected attributes are features, and segments follow them: customerAge (age), birth_date (date of birth)";
    assert!(said.contains(warning), "{said}");
    let warnings = json(w.out().join("manifest.json"))["outcome"]["warnings"].take();
    assert_eq!(warnings, value!([warning]));

    let said = fit(&["--features", "x,sex"]);
    assert_eq!(features(&w), value!(["x", "sex"]));
    assert!(said.contains("segments follow them: sex (sex)"), "{said}");

    fit(&["--protect", "account_age_days"]);
    assert_eq!(features(&w), value!(["x", "y", "has_email"]));
    let left_out = json(w.out().join("manifest.json"))["inputs"]["left_out"].to_string();
    assert!(left_out.contains("a protected attribute (named in --protect); --include to use it"), "{left_out}");
    let said = fit(&["--protect", "account_age_days", "--include", "account_age_days"]);
    assert!(said.contains("account_age_days (named in --protect)"), "{said}");

    // A model uses its features, whatever their names.
    fit(&["--features", "x,sex,customerAge"]);
    std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    let fitted = labels_hash(&w.out());
    w.run(["assign", &w.text("model.json"), &input]).succeeds();
    assert_eq!(labels_hash(&w.out()), fitted);
}

fn requests_that_cannot_be_met() {
    let w = Workshop::new();
    let input = bank(&w, 90);
    write(&w.path("plain.parquet"), &three_groups(90));
    let fit =
        |more: &[&str]| ["fit", &input, "--k", "3"].iter().chain(more).map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let all = [
        "\"customer_age\" (did you mean \"customerAge\"?)",
        "\"sexx\" (did you mean \"sex\"?)",
        "\"zzzzzz\"",
        "the input has: id, x, y",
    ];
    w.refused(2, &all, fit(&["--include", "customer_age", "--protect", "sexx,x", "--exclude", "zzzzzz"]));
    let both = ["--include adds to the default features, and --features replaces them"];
    w.refused(2, &both, fit(&["--include", "sex", "--features", "x"]));
    let both = ["\"sex\" is named both in --include and in --exclude"];
    w.refused(2, &both, fit(&["--include", "sex", "--exclude", "sex"]));
    w.refused(2, &["not usable as features", "\"nationality\" is text"], fit(&["--include", "nationality"]));
    w.refused(2, &["\"id\" is the id and cannot be in --protect"], fit(&["--protect", "id"]));
    let none = ["--audit: no column is named like a protected attribute", "--protect"];
    w.refused(2, &none, ["fit", &w.text("plain.parquet"), "--k", "3", "--audit"]);
}

/// Counts of values by segment, computed directly.
fn naive(labels: &[i32], values: &[Option<String>], k: usize) -> Vec<(u64, BTreeMap<String, u64>)> {
    let mut found = vec![(0, BTreeMap::new()); k];
    for (&label, value) in labels.iter().zip(values) {
        let (missing, counts) = &mut found[label as usize];
        match value {
            Some(value) => *counts.entry(value.clone()).or_insert(0) += 1,
            None => *missing += 1,
        }
    }
    found
}

fn an_audit_counts_what_a_reader_would() {
    let w = Workshop::new();
    let input = bank(&w, 700);
    let run = |verb: &[&str], threads: &str| {
        let ran = w
            .run([verb, &["--audit", "--protect", "home_phone", "--small-cells", "0", "--threads", threads]].concat())
            .succeeds();
        (std::fs::read_to_string(w.out().join("audit.json")).unwrap(), ran.out)
    };
    let (text, said) = run(&["fit", &input, "--k", "3"], "1");
    assert_eq!(run(&["fit", &input, "--k", "3"], "3").0, text, "threads show");
    assert_eq!(
        json(w.out().join("manifest.json"))["outcome"]["audit_blake3"],
        blake3::hash(text.as_bytes()).to_hex().as_str(),
        "the manifest knows its audit"
    );
    std::fs::copy(w.out().join("model.json"), w.path("model.json")).unwrap();
    let but_its_run = |text: &str| text.lines().filter(|l| !l.starts_with("  \"run\"")).collect::<Vec<_>>().join("\n");
    let (assigned, _) = run(&["assign", &w.text("model.json"), &input], "2");
    assert_eq!(but_its_run(&assigned), but_its_run(&text), "assign audits the same");

    let report = json(w.out().join("audit.json"));
    let labels = segments(&w.out().join("segments/part-00000.parquet"));
    let table = people(700);
    let of = |name: &str| {
        let attributes = report["attributes"].as_array().expect("attributes").iter();
        attributes.clone().find(|a| a["column"] == name).unwrap_or_else(|| panic!("{name} is not in {report}"))
    };
    let array = |name: &str| table.iter().find(|(n, _)| *n == name).expect("a column").1.clone();
    let nations = array("nationality");
    let sexes = array("sex");
    let married = array("is_married");
    let texts: [(&str, Vec<Option<String>>); 3] = [
        ("nationality", nations.as_string::<i32>().iter().map(|t| t.map(str::to_owned)).collect()),
        ("sex", sexes.as_primitive::<arrow::datatypes::Int64Type>().iter().map(|v| v.map(|v| v.to_string())).collect()),
        ("is_married", married.as_boolean().iter().map(|v| v.map(|v| v.to_string())).collect()),
    ];
    for (name, values) in &texts {
        let shares = &of(name)["shares"];
        let told: Vec<&str> = shares["values"].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        let expected = naive(&labels, values, 3);
        let all = naive(&vec![0; 700], values, 1).remove(0).1;
        let known_of_all: u64 = all.values().sum();
        let mut largest = 0.0f64;
        for (segment, (missing, counts)) in expected.iter().enumerate() {
            let line = &shares["segments"][segment];
            let known: u64 = counts.values().sum();
            assert_eq!(
                (&line["missing"], &line["known"], &line["other"]),
                (&value!(missing), &value!(known), &value!(0))
            );
            for (at, value) in told.iter().enumerate() {
                let n = counts.get(*value).copied().unwrap_or(0);
                assert_eq!(line["counts"][at], n, "{name} {value} in segment {segment}");
                largest = largest.max(n as f64 / known as f64 / (all[*value] as f64 / known_of_all as f64));
            }
        }
        assert_eq!(told.len(), all.len());
        assert!((shares["largest_ratio"]["ratio"].as_f64().unwrap() - largest).abs() < 1e-12, "{shares}");
    }
    let ages = array("customerAge");
    let ages = ages.as_primitive::<arrow::datatypes::Float64Type>();
    for segment in 0..3 {
        let line = &of("customerAge")["numbers"]["segments"][segment];
        let rows = (0..700).filter(|&i| labels[i] == segment as i32);
        let mut mine: Vec<f64> = rows.clone().filter_map(|i| ages.iter().nth(i).unwrap()).collect();
        assert_eq!((&line["known"], &line["missing"]), (&value!(mine.len()), &value!(rows.count() - mine.len())));
        assert_eq!(line["mean"], mine.iter().sum::<f64>() / mine.len() as f64);
        mine.sort_by(f64::total_cmp);
        let quartiles: Vec<f64> = (1..4).map(|q| mine[(mine.len() * q).div_ceil(4) - 1]).collect();
        assert_eq!(line["quartiles"], value!(quartiles));
    }
    assert_eq!(
        (&of("home_phone")["attribute"], &of("sex")["is_feature"]),
        (&"named in --protect".into(), &false.into())
    );
    let born = of("birth_date")["numbers"]["overall"]["quartiles"][1].as_str().expect("a date").to_owned();
    assert!(born.len() == 10 && (born.starts_with("19") || born.starts_with("20")), "{born}");
    assert_eq!(report["labels_blake3"], labels_hash(&w.out()).as_str());
    for part in ["audit of sex (sex)", "audit of nationality", "Ruritanian: ", "most overrepresented: "] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    // The audit does not stay beside the labels of a later run.
    w.run(["fit", &input, "--k", "2"]).succeeds();
    assert!(!w.out().join("audit.json").exists());
}

fn nothing_protected_leaves_without_an_audit() {
    let w = Workshop::new();
    let input = bank(&w, 300);
    let is_there = |w: &Workshop, said: &str| {
        let files = contents(&w.out()).into_values().chain([said.as_bytes().to_vec()]);
        let texts: Vec<String> = files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
        PLANTED.iter().any(|value| texts.iter().any(|text| text.contains(value)))
    };
    let model = w.text("model.json");
    for more in [&[][..], &["--protect", "x"], &["--margin", "--print-recipe", "-vv"]] {
        let ran = w.run([&["fit", &input, "--k", "3"], more].concat()).succeeds();
        assert!(!is_there(&w, &(ran.out + &ran.err)), "{more:?}");
    }
    std::fs::copy(w.out().join("model.json"), &model).unwrap();
    let ran = w.run(["assign", &model, &input]).succeeds();
    assert!(!is_there(&w, &(ran.out + &ran.err)));
    // The search works: with an audit, the values are found.
    let ran = w.run(["fit", &input, "--k", "3", "--audit"]).succeeds();
    assert!(is_there(&w, &(ran.out + &ran.err)));
}

fn hostile_names_and_values_are_shown_harmlessly() {
    let w = Workshop::new();
    let mut table = three_groups(60);
    let sexes = (0..60).map(|i| Some(["f\u{1b}[31m", "m\u{202e}"][i % 2]));
    table.push(("sex\u{1b}[2J", Arc::new(sexes.collect::<StringArray>()) as ArrayRef));
    table.push(("age\u{1b}[2J", i64s((0..60).map(|i| i % 40))));
    write(&w.path("a.parquet"), &table);
    let input = w.text("a.parquet");
    let fit = |more: &[&str]| w.run([&["fit", &input, "--k", "3", "--audit", "--print-recipe"], more].concat());
    let ran = [fit(&[]), fit(&["--include", "age\u{1b}[2J"]), fit(&["--include", "agee"])];
    assert_eq!(ran.each_ref().map(|r| r.code), [Some(0), Some(0), Some(2)]);
    for said in ran.iter().flat_map(|r| [&r.out, &r.err]) {
        let bad = said.chars().find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(bad, None, "{said:?}");
    }
    assert!(ran[0].out.contains("f\\u{1b}[31m: 50.0%"), "{}", ran[0].out);
}
