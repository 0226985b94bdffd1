//! `tags` as a user runs it: a dictionary, the table it gives, stages of two months, and refusals.

use arrow::array::AsArray;

use crate::command::{Workshop, done, json};
use crate::harness::{hyades, tests};
use crate::tables::{batch, column, f64s, i64s, integers, read, some_f64s, write_batch};

tests!(
    tags_stages_and_figures,
    the_long_form_has_a_row_for_each_tag,
    any_threads_give_the_same_bytes,
    the_default_dictionary_suits_features_rfm,
    stages_of_two_months,
    faults_of_a_dictionary,
    figures_of_columns_without_values,
    a_single_small_count_does_not_follow,
);

const DICTIONARY: &str = r#"
[[tag]]
code = "often"
zh = "高频"
category = "value"
when = "frequency >= QUANTILE(frequency, 0.8)"
[[tag]]
code = "leaving"
category = "风险信息"
when = "recency > 2 * gap"
[[stage]]
code = "new"
when = "DAY - opened <= 30"
[[stage]]
code = "above"
when = "frequency > AVG(frequency)"
"#;

/// Twenty customers: frequency 0 to 19, a gap of 10 days for every other one, opened on days 100 to 119.
fn customers(w: &Workshop) {
    let opened = arrow::array::Date32Array::from_iter_values(100..120);
    let table = batch(&[
        ("customer_id", i64s(1..=20)),
        ("frequency", i64s(0..20)),
        ("recency", f64s((0..20).map(|i| f64::from(i) * 2.0))),
        ("gap", some_f64s((0..20).map(|i| (i % 2 == 0).then_some(10.0)))),
        ("opened", std::sync::Arc::new(opened)),
    ]);
    write_batch(&w.path("c.parquet"), &table, 7);
}

fn tagged(w: &Workshop, dictionary: &str, more: &[&str]) -> crate::command::Ran {
    std::fs::write(w.path("tags.toml"), dictionary).expect("written");
    let (toml, input, out) = (w.text("tags.toml"), w.text("c.parquet"), w.text("t.parquet"));
    let all: &[&str] = if more.contains(&"--small-cells") { &[] } else { &["--small-cells", "0"] };
    hyades([&["tags", &toml, &input, "--out", &out][..], all, more].concat()).into()
}

fn tags_stages_and_figures() {
    let w = Workshop::new();
    customers(&w);
    // Day 139: customers opened on day 109 or later are new.
    tagged(&w, DICTIONARY, &["--day", "1970-05-20", "--json", &w.text("t.json")]).succeeds();
    let table = read(&w.path("t.parquet"));
    let names: Vec<String> = table.schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["customer_id", "stage", "often", "leaving"]);
    assert_eq!(integers(&table, "customer_id"), (1..=20).collect::<Vec<i64>>());
    // The quantile of 0 to 19 at 0.8 is 15.2.
    let often: Vec<Option<bool>> = table.column_by_name("often").expect("a tag").as_boolean().iter().collect();
    assert_eq!(often, (0..20).map(|i| Some(i >= 16)).collect::<Vec<_>>());
    let leaving: Vec<Option<bool>> = table.column_by_name("leaving").expect("a tag").as_boolean().iter().collect();
    assert_eq!(leaving, (0..20).map(|i| (i % 2 == 0).then_some(i > 10)).collect::<Vec<_>>());
    let stages = table.column_by_name("stage").expect("stages");
    let stages: Vec<Option<&str>> = stages.as_string::<i32>().iter().collect();
    assert_eq!(stages, (0..20).map(|i| (i >= 9).then_some("new")).collect::<Vec<_>>());
    let report = json(w.path("t.json"));
    assert_eq!(report["thresholds"][0]["figure"], "QUANTILE(frequency, 0.8)");
    assert!((report["thresholds"][0]["value"].as_f64().expect("a number") - 15.2).abs() < 1e-12);
    assert_eq!(report["thresholds"][1]["value"], 9.5);
    assert_eq!(report["tags"][1]["unknown"], 10);
    assert_eq!(report["without_stage"], 9);
    assert_eq!((&report["overlaps"][0]["customers"], &report["tags"][0]["category"]), (&2.into(), &"价值信息".into()));
}

fn the_long_form_has_a_row_for_each_tag() {
    let w = Workshop::new();
    customers(&w);
    tagged(&w, DICTIONARY, &["--day", "1970-05-20", "--format", "long"]).succeeds();
    let table = read(&w.path("t.parquet"));
    assert_eq!(integers(&table, "customer_id"), [13, 15, 17, 17, 18, 19, 19, 20]);
    let since = column(&table, "since");
    assert!(since.as_primitive::<arrow::datatypes::Date32Type>().values().iter().all(|&day| day == 139));
    tagged(&w, DICTIONARY, &["--format", "long"]).is_refused(2, &["give it with --day YYYY-MM-DD"]);
}

fn any_threads_give_the_same_bytes() {
    let w = Workshop::new();
    customers(&w);
    let bytes = |threads| {
        tagged(&w, DICTIONARY, &["--day", "1970-05-20", "--threads", threads]).succeeds();
        std::fs::read(w.path("t.parquet")).expect("a file")
    };
    assert!(bytes("1") == bytes("3"));
}

fn the_default_dictionary_suits_features_rfm() {
    let w = Workshop::new();
    let journal = batch(&[
        ("customer", i64s((0..2000).map(|i| i * i % 97))),
        ("day", std::sync::Arc::new(arrow::array::Date32Array::from_iter_values(0..2000))),
        ("amount", f64s((0..2000).map(|i| f64::from(i % 13) + 1.0))),
    ]);
    write_batch(&w.path("j.parquet"), &journal, 512);
    let (input, out, toml) = (w.text("j.parquet"), w.text("c.parquet"), w.text("d.toml"));
    let columns = ["--customer", "customer", "--time", "day", "--amount", "amount", "--out", &out];
    done([&["features", "rfm", &input][..], &columns].concat());
    done(["tags", "init", "--out", &toml]);
    let dictionary = std::fs::read_to_string(&toml).expect("a file");
    tagged(&w, &dictionary, &["--id", "customer", "--json", &w.text("t.json")]).succeeds();
    let report = json(w.path("t.json"));
    let tags = report["tags"].as_array().expect("a list");
    assert_eq!(tags.len(), 12);
    // The eight classes divide all customers.
    let classes: u64 = tags[4..].iter().filter_map(|tag| tag["customers"].as_u64()).sum();
    assert_eq!(Some(classes), report["customers"].as_u64());
    assert_eq!(report["without_stage"], 0);
}

fn stages_of_two_months() {
    let w = Workshop::new();
    let stage = |from: i64, names: &[&str]| {
        let names: Vec<&str> = names.to_vec();
        let ids = i64s(from..from + names.len() as i64);
        let stages = std::sync::Arc::new(arrow::array::StringArray::from(names));
        batch(&[("customer_id", ids), ("stage", stages)])
    };
    write_batch(&w.path("a.parquet"), &stage(1, &["new", "new", "mature", "mature"]), 3);
    write_batch(&w.path("b.parquet"), &stage(2, &["mature", "mature", "lost", "new"]), 3);
    let matrix = |limit| {
        let (a, b, out) = (w.text("a.parquet"), w.text("b.parquet"), w.text("m.json"));
        done(["tags", "matrix", &a, &b, "--small-cells", limit, "--json", &out]);
        json(w.path("m.json"))
    };
    let shown = matrix("0");
    let flows: Vec<String> = shown["flows"]
        .as_array()
        .expect("flows")
        .iter()
        .map(|f| format!("{}>{} {}", f["from"].as_str().unwrap(), f["to"].as_str().unwrap(), f["customers"]))
        .collect();
    assert_eq!(flows, ["(new)>new 1", "mature>lost 1", "mature>mature 1", "new>(left) 1", "new>mature 1"]);
    assert_eq!(shown["stayed"], 3);
    assert!(matrix("10")["flows"].as_array().expect("flows").iter().all(|flow| flow["customers"].is_null()));
}

fn faults_of_a_dictionary() {
    let w = Workshop::new();
    customers(&w);
    let refused = |dictionary: &str, parts: &[&str]| tagged(&w, dictionary, &[]).is_refused(2, parts);
    refused("", &["it has neither [[tag]] nor [[stage]]; `hyades tags init` writes a dictionary to start from"]);
    let twice = "[[tag]]\ncode = \"a\"\nwhen = \"gap > 1\"\n[[tag]]\ncode = \"A\"\nwhen = \"gap > 2\"\ncolour = 1\n";
    let both =
        [":5:8: two tags have the code \"A\"; upper and lower case are not told apart", "a tag has no key \"colour\""];
    refused(twice, &both);
    let one = |code: &str, when: &str| format!("[[tag]]\ncode = {code:?}\nwhen = {when:?}\n");
    refused(&one("gap", "gap > 1"), &["the code \"gap\" is also the column \"gap\" of the input; choose another"]);
    refused(&one("stage", "gap > 1"), &["the code \"stage\" is the name of a column of the output; choose another"]);
    refused(&one("a", "frequncy > 1"), &["no column is named \"frequncy\"; did you mean \"frequency\"?"]);
    let share = "QUANTILE(gap, 1.5): the share is 1.5, but must be a number from 0 to 1";
    refused(&one("a", "gap > QUANTILE(gap, 1.5)"), &[share]);
    refused(
        &one("a", "gap > MAX(gap)"),
        &["MAX(gap) is not supported; the functions are QUANTILE(column, 0.8) and AVG(column)"],
    );
    refused(&one("a", "DAY - opened < 3"), &["DAY is the reference date; give it with --day YYYY-MM-DD"]);
    refused(&one("a", "gap > AVG(opened)"), &["\"opened\" (Date32) is not a column of numbers"]);
    let hostile = "\u{202e}x\n".repeat(5_000);
    refused(&format!("[[tag]]\ncode = '''{hostile}'''\nwhen = 'gap > 1'\n"), &["code has more than 1000 characters"]);
    refused("[[tag]]\ncode = \"a\"\nwhen = \"gap > 1\"\nlevel = 6\n", &["level must be a whole number from 1 to 5"]);
    let category = "[[tag]]\ncode = \"a\"\nwhen = \"gap > 1\"\ncategory = \"valu\"\n";
    refused(category, &["category has no value \"valu\"; did you mean \"value\"?"]);
    let many: String = (0..4096).map(|i| one(&format!("t{i}"), "gap > 1")).collect();
    tagged(&w, &many, &[]).succeeds();
    refused(&(many + &one("more", "gap > 1")), &["4097 tags; at most 4096 are supported"]);
    tagged(&w, &one("a", "gap > 1"), &["--day", "yesterday"]).is_refused(2, &["--day is \"yesterday\"; write a date"]);
}

fn figures_of_columns_without_values() {
    let w = Workshop::new();
    let table = batch(&[("customer_id", i64s(1..=3)), ("gap", some_f64s([None, None, None]))]);
    write_batch(&w.path("c.parquet"), &table, 3);
    let dictionary = "[[tag]]\ncode = \"a\"\nwhen = \"gap > QUANTILE(gap, 0.5)\"\n";
    let why = "QUANTILE(gap, 0.5): the column \"gap\" has no values; leave out what uses it";
    tagged(&w, dictionary, &[]).is_refused(3, &[why]);
}

/// Three tags divide all customers, and one of them is small: the smaller of the others is withheld with it.
fn a_single_small_count_does_not_follow() {
    let w = Workshop::new();
    write_batch(&w.path("c.parquet"), &batch(&[("customer_id", i64s(0..300)), ("x", i64s(0..300))]), 100);
    let tag = |code: &str, when: &str| format!("[[tag]]\ncode = \"{code}\"\nwhen = \"{when}\"\n");
    let dictionary = [tag("few", "x < 5"), tag("some", "x >= 5 AND x < 100"), tag("most", "x >= 100")].concat();
    let report = |limit: &str| {
        tagged(&w, &dictionary, &["--json", &w.text("t.json"), "--small-cells", limit]).succeeds();
        let tags = json(w.path("t.json"))["tags"].take();
        tags.as_array().expect("tags").iter().map(|tag| tag["customers"].as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(report("0"), [Some(5), Some(95), Some(200)]);
    assert_eq!(report("10"), [None, None, Some(200)]);
}
