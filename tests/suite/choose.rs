//! The search for the number of segments, as users run it.

use std::path::Path;

use arrow::array::ArrayRef;
use serde_json::Value;

use crate::command::{Ran, Workshop, done, json};
use crate::harness::{hyades, tests};
use crate::tables::{batch, f64s, i64s, noise, write_batch};

tests!(
    groups_apart_are_recommended,
    one_even_cloud_has_no_clear_number,
    the_same_report_everywhere,
    the_model_is_that_of_a_fit,
    a_fit_takes_the_first_choice,
    a_choice_is_for_fits_of_one_part,
    the_page_and_the_lines,
    repetitions_may_be_left_out,
    few_distinct_rows_limit_the_range,
    a_search_that_makes_no_sense,
);

/// `groups` groups of rows, each ten times as far from the next as it is wide.
fn groups(groups: usize, rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let column = |seed: u64, place: fn(usize) -> usize| {
        f64s(noise(seed).take(rows).enumerate().map(move |(i, u)| 10.0 * place(i % groups) as f64 + u))
    };
    vec![
        ("customer_id", i64s((0..rows as i64).map(|i| 100 + i))),
        ("x", column(1, |group| group % 3)),
        ("y", column(2, |group| group / 3)),
    ]
}

/// Fewer repetitions than by default, which is enough for small tables.
const QUICK: [&str; 8] = ["--seeds", "3", "--replicates", "4", "--halvings", "3", "--references", "4"];

/// The report, and what the command said.
fn chosen(w: &Workshop, columns: &[(&str, ArrayRef)], more: &[&str]) -> (Value, String) {
    let (input, report) = (w.text("in.parquet"), w.text("choice.json"));
    write_batch(Path::new(&input), &batch(columns), 1000);
    let options = ["choose", &input, "--transform", "none", "--json", &report];
    // Options are given once.
    let quick: Vec<&str> = QUICK.chunks(2).filter(|option| !more.contains(&option[0])).flatten().copied().collect();
    let ran = done([&options[..], &quick, more].concat());
    (json(&report), ran.out + &ran.err)
}

fn groups_apart_are_recommended() {
    let w = Workshop::new();
    let (report, said) = chosen(&w, &groups(5, 1500), &["--k", "2..8"]);
    let of = &report["recommendation"];
    assert_eq!((&of["first"], &of["clear"]), (&Value::from(5), &Value::from(true)), "{of}");
    assert!(said.contains("5 segments, which 6 of 6 criteria name"), "{said}");
    let alternatives = report["alternatives"].as_array().unwrap();
    assert_eq!(alternatives.iter().map(|a| a["k"].as_u64().unwrap()).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 8]);
    let five = &alternatives[3];
    assert_eq!(five["sizes"], serde_json::json!([300, 300, 300, 300, 300]));
    assert_eq!(five["stability"]["jaccard"], serde_json::json!([1.0, 1.0, 1.0, 1.0, 1.0]));
    assert_eq!((&five["prediction_strength"], &five["agreement"]["least"]), (&Value::from(1.0), &Value::from(1.0)));
    // Between any two numbers, all rows go somewhere.
    for (flows, pair) in report["flows"].as_array().unwrap().iter().zip(alternatives.windows(2)) {
        let flows: Vec<Vec<u64>> = serde_json::from_value(flows.clone()).unwrap();
        let sizes: Vec<u64> = flows.iter().map(|line| line.iter().sum()).collect();
        assert_eq!(serde_json::to_value(sizes).unwrap(), pair[0]["sizes"]);
        let into: Vec<u64> = (0..flows[0].len()).map(|j| flows.iter().map(|line| line[j]).sum()).collect();
        assert_eq!(serde_json::to_value(into).unwrap(), pair[1]["sizes"]);
    }
}

fn one_even_cloud_has_no_clear_number() {
    let w = Workshop::new();
    let columns: Vec<(&str, ArrayRef)> =
        [("a", 1), ("b", 2), ("c", 3)].map(|(n, s)| (n, f64s(noise(s).take(1500)))).into();
    let (report, said) = chosen(&w, &columns, &["--k", "2..6"]);
    assert_eq!(report["recommendation"]["clear"], false, "{}", report["recommendation"]);
    assert!(said.contains("no clear number of segments: "), "{said}");
}

fn the_same_report_everywhere() {
    let w = Workshop::new();
    let found = |more: &[&str]| chosen(&w, &groups(4, 900), &[&["--k", "3..5"], more].concat()).0;
    let expected = found(&["--threads", "1"]);
    for more in [
        &["--threads", "2"][..],
        &["--threads", "7"],
        &["--backend", "reference"],
        &["--simd", "portable"],
        &["--memory", "100MiB", "--chunk-rows", "64"],
    ] {
        assert_eq!(found(more), expected, "{more:?}");
    }
    assert_ne!(found(&["--seed", "1"]), expected);
}

fn the_model_is_that_of_a_fit() {
    let w = Workshop::new();
    let columns: Vec<(&str, ArrayRef)> = [("a", 1), ("b", 2)].map(|(n, s)| (n, f64s(noise(s).take(2000)))).into();
    let (report, _) = chosen(&w, &columns, &["--k", "4..4", "--seed", "3"]);
    let out = w.text("fitted");
    done(["fit", &w.text("in.parquet"), "--transform", "none", "--k", "4", "--seed", "3", "--out", &out]);
    let fitted = &json(Path::new(&out).join("model.json"))["model"]["parts"][0]["fitted"];
    let of = &report["recommendation"];
    assert_eq!((&of["first"], &of["clear"]), (&Value::from(4), &Value::from(false)), "nothing to compare with: {of}");
    let alternative = &report["alternatives"][0];
    assert_eq!(alternative["sizes"], fitted["counts_"]);
    let [within, inertia] = [&alternative["validity"]["within"], &fitted["inertia_"]].map(|v| v.as_f64().unwrap());
    assert!(within <= inertia && within > 0.999_999 * inertia, "{within} {inertia}");
}

fn a_fit_takes_the_first_choice() {
    let w = Workshop::new();
    let input = w.text("in.parquet");
    write_batch(Path::new(&input), &batch(&groups(5, 1000)), 1000);
    let fitted = |k: &str| {
        let out = w.text(&format!("fitted-{k}"));
        let ran = done(["fit", &input, "--transform", "none", "--k", k, "--out", &out]);
        (json(Path::new(&out).join("manifest.json")), ran.err)
    };
    let (chosen, said) = fitted("4..6");
    let (five, _) = fitted("5");
    assert_eq!(chosen["outcome"]["choice"]["first"], 5);
    assert_eq!(chosen["request"]["clustering"]["k"], 5);
    assert_eq!(chosen["outcome"]["labels_blake3"], five["outcome"]["labels_blake3"]);
    assert_eq!(five["outcome"]["choice"], Value::Null);
    assert!(said.contains("5 segments, which 6 of 6 criteria name"), "{said}");
    let plan = done(["plan", &input, "--k", "auto"]);
    assert!(plan.out.contains("16"), "planned for the most segments: {}", plan.out);
}

fn a_choice_is_for_fits_of_one_part() {
    let w = Workshop::new();
    let (input, rules) = (w.text("in.parquet"), w.text("rules.toml"));
    write_batch(Path::new(&input), &batch(&groups(3, 60)), 1000);
    std::fs::write(&rules, "[[rule]]\nname = \"far\"\nwhen = \"x > 15\"\n").expect("written");
    let fit = ["fit", &input, "--k", "auto"];
    w.refused(2, &["k = 2..16: with --rules, give the number of segments"], [&fit[..], &["--rules", &rules]].concat());
    w.refused(2, &["the starting centroids of --init are for one number"], [&fit[..], &["--init", "random"]].concat());
    let bench = Ran::from(hyades(["bench", &input, "--k", "auto"]));
    bench.is_refused(2, &["k = 2..16: bench times one number of segments; give it"]);
}

fn the_page_and_the_lines() {
    let w = Workshop::new();
    let (page, lines) = (w.text("page.html"), w.text("lines.csv"));
    chosen(&w, &groups(5, 600), &["--k", "3..7", "--report", &page, "--csv", &lines, "--lang", "zh"]);
    let text = std::fs::read_to_string(&page).unwrap();
    for part in ["建议分为 5 个客群", "客群如何拆分", "class=\"flow\"", "k = 4"] {
        assert!(text.contains(part), "no {part} in the page");
    }
    let text = std::fs::read_to_string(&lines).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("k,smallest,explained,within,calinski_harabasz,"), "{text}");
    assert_eq!(lines.len(), 6);
    assert!(lines.iter().all(|line| line.split(',').count() == 15), "{text}");
    let stdout = done(["choose", &w.text("in.parquet"), "--k", "2..3", "--json", "-", "--replicates", "0"]);
    let report: Value = serde_json::from_str(&stdout.out).expect("nothing but JSON");
    assert_eq!(report["rows"], 600);
}

fn repetitions_may_be_left_out() {
    let w = Workshop::new();
    let none = ["--seeds", "0", "--replicates", "0", "--halvings", "0", "--references", "0"];
    let (report, _) = chosen(&w, &groups(5, 600), &[&["--k", "4..6"], &none[..]].concat());
    let five = &report["alternatives"][1];
    for figure in ["gap", "prediction_strength", "agreement", "stability"] {
        assert_eq!(five[figure], Value::Null, "{figure}");
    }
    let votes = report["recommendation"]["votes"].as_array().unwrap();
    assert_eq!(votes.iter().map(|vote| &vote["k"]).collect::<Vec<_>>(), [5, 5, 5], "indices of all rows remain");
}

fn few_distinct_rows_limit_the_range() {
    let w = Workshop::new();
    let columns = vec![("a", f64s((0..500).map(|i| f64::from(i % 4))))];
    let (report, said) = chosen(&w, &columns, &["--k", "2..8"]);
    assert!(said.contains("only 4 rows are distinct: no more than 4 segments are tried"), "{said}");
    assert_eq!(report["alternatives"].as_array().unwrap().len(), 3);
    assert_eq!(report["alternatives"][2]["validity"]["explained"], 1.0);
    let same =
        vec![("a", f64s((0..500).map(|i| f64::from(i / 499)))), ("b", f64s((0..500).map(|i| f64::from(i / 499))))];
    write_batch(Path::new(&w.text("in.parquet")), &batch(&same), 1000);
    let message = "k = 3, but only 2 rows are distinct after preparation; choose k up to 2";
    Ran::from(hyades(["choose", &w.text("in.parquet"), "--k", "3..8"])).is_refused(3, &[message]);
}

fn a_search_that_makes_no_sense() {
    let w = Workshop::new();
    let input = w.text("in.parquet");
    write_batch(Path::new(&input), &batch(&groups(3, 60)), 1000);
    let ran = |more: &[&str]| Ran::from(hyades([&["choose", input.as_str()], more].concat()));
    let refused = |parts: &[&str], more: &[&str]| ran(more).is_refused(2, parts);
    refused(&["a sample of 5 rows: between 100 and 1048576 are possible"], &["--sample", "5"]);
    refused(&["one reference has no deviation: give 2 or more, or 0"], &["--references", "1"]);
    refused(&["compares references with the fits of --seeds: give a seed, or --references 0"], &["--seeds", "0"]);
    refused(&["1001 is too many: at most 1000 are possible"], &["--seeds", "1001"]);
    for (range, message) in [
        ("5..2", "5..2: the range is empty; the lower end comes first"),
        ("0..3", "0..3: between 1 and 4096 segments are possible"),
        ("2..5000", "2..5000: between 1 and 4096 segments are possible"),
        ("five", "\"five\" is no range of segments; write it as 2..16, which includes both ends"),
    ] {
        let ran = ran(&["--k", range]);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(ran.err.contains(message), "{}", ran.err);
    }
    let said = ran(&["--max-time", "soon"]);
    assert!(
        said.code == Some(2) && said.err.contains("\"soon\" is no time; write it as 90s, 10m or 2h"),
        "{}",
        said.err
    );
    ran(&["--k", "2..90"]).is_refused(3, &["k = 90, but there are only 60 rows"]);
    assert_eq!(ran(&["--k", "2..3", "--json", &input]).code, Some(2), "the input is not overwritten");
}
