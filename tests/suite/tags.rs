//! `tags` as a user runs it: a dictionary, the table it gives, stages of two months, and refusals.

use arrow::array::AsArray;

use crate::command::{Workshop, done, json};
use crate::harness::{hyades, tests};
use crate::tables::{batch, column, f64s, i64s, integers, noise, read, some_f64s, write_batch};

tests!(
    tags_stages_and_figures,
    the_long_form_has_a_row_for_each_tag,
    any_threads_give_the_same_bytes,
    the_default_dictionary_suits_features_rfm,
    stages_of_two_months,
    faults_of_a_dictionary,
    figures_of_columns_without_values,
    a_single_small_count_does_not_follow,
    tags_keep_the_date_since_when_they_are_held,
    earlier_runs_that_do_not_fit,
    earlier_runs_of_empty_tables,
    an_earlier_run_in_little_memory,
    tags_by_segment,
    very_many_segments,
    quantiles_of_more_than_a_million_rows,
    hostile_names,
    too_little_memory,
    ids_of_any_type_in_two_months,
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
    assert_eq!((&shown["stayed"], &shown["new"], &shown["left"]), (&3.into(), &1.into(), &1.into()));
    assert_eq!(shown["old"][0], serde_json::json!({"stage": "mature", "customers": 2}));
    assert_eq!(shown["now"][2], serde_json::json!({"stage": "new", "customers": 1}));
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

/// The customers of a month: ids, and a number that conditions look at.
fn month(w: &Workshop, name: &str, ids: &[i64], x: &[f64]) {
    let table = batch(&[("customer_id", i64s(ids.iter().copied())), ("x", f64s(x.iter().copied()))]);
    write_batch(&w.path(name), &table, 3);
}

const HIGH_AND_LOW: &str = "[[tag]]\ncode = \"high\"\nwhen = \"x > 5\"\n[[tag]]\ncode = \"low\"\nwhen = \"x < 3\"\n";

fn rows(w: &Workshop, name: &str) -> Vec<String> {
    let table = read(&w.path(name));
    let tags = column(&table, "tag");
    let since = column(&table, "since");
    let since = since.as_primitive::<arrow::datatypes::Date32Type>();
    let ids = integers(&table, "customer_id");
    (0..ids.len()).map(|i| format!("{} {} {}", ids[i], tags.as_string::<i32>().value(i), since.value(i))).collect()
}

fn tags_keep_the_date_since_when_they_are_held() {
    let w = Workshop::new();
    std::fs::write(w.path("tags.toml"), HIGH_AND_LOW).expect("written");
    let tag = |input: &str, out: &str, day: &str, more: &[&str]| {
        let (toml, input, out) = (w.text("tags.toml"), w.text(input), w.text(out));
        let all = ["tags", &toml, &input, "--out", &out, "--day", day, "--format", "long", "--small-cells", "0"];
        done([&all[..], more].concat());
    };
    month(&w, "a.parquet", &[1, 2, 3, 4, 5, 6], &[9.0, 9.0, 1.0, 1.0, 4.0, 9.0]);
    tag("a.parquet", "a.long", "1970-01-11", &[]);
    assert_eq!(rows(&w, "a.long"), ["1 high 10", "2 high 10", "3 low 10", "4 low 10", "6 high 10"]);
    // Another order; 2 falls, 5 rises, 6 is gone, 7 is new, 4 is unknown.
    month(&w, "b.parquet", &[7, 5, 4, 3, 2, 1], &[9.0, 9.0, f64::NAN, 1.0, 1.0, 9.0]);
    tag("b.parquet", "b.long", "1970-01-21", &["--previous", &w.text("a.long"), "--json", &w.text("b.json")]);
    assert_eq!(rows(&w, "b.long"), ["7 high 20", "5 high 20", "3 low 10", "2 low 20", "1 high 10"]);
    let tags = json(w.path("b.json"))["tags"].take();
    let moves = |at: usize| ["kept", "gained", "lost", "left"].map(|what| tags[at]["moves"][what].as_u64().unwrap());
    assert_eq!((moves(0), moves(1)), ([1, 2, 1, 1], [1, 1, 1, 0]));
    // A third month goes on from the second, and little memory changes nothing.
    tag("a.parquet", "c.long", "1970-01-31", &["--previous", &w.text("b.long")]);
    assert_eq!(rows(&w, "c.long"), ["1 high 10", "2 high 30", "3 low 10", "4 low 30", "6 high 30"]);
    let columns = w.text("columns.parquet");
    let all = ["tags", &w.text("tags.toml"), &w.text("b.parquet"), "--out", &columns, "--previous", &w.text("a.long")];
    done([&all[..], &["--json", &w.text("c.json"), "--small-cells", "0"]].concat());
    assert_eq!(json(w.path("c.json"))["tags"], tags);
}

fn earlier_runs_that_do_not_fit() {
    let w = Workshop::new();
    month(&w, "c.parquet", &[1, 2], &[9.0, 1.0]);
    let long = ["--format", "long", "--day", "1970-01-11"];
    tagged(&w, HIGH_AND_LOW, &long).succeeds();
    std::fs::rename(w.path("t.parquet"), w.path("old.parquet")).expect("renamed");
    let (old, input) = (w.text("old.parquet"), w.text("c.parquet"));
    let refused = |more: &[&str], code: i32, part: &str| {
        tagged(&w, HIGH_AND_LOW, &[&["--format", "long"], more].concat()).is_refused(code, &[part]);
    };
    let later = "--previous: a tag is held since 1970-01-11, after --day 1970-01-10; give an earlier run";
    refused(&["--day", "1970-01-10", "--previous", &old], 3, later);
    let shape = "it has no column \"tag\"; give the output of tags --format long";
    refused(&["--day", "1970-01-12", "--previous", &input], 3, shape);
    let words =
        batch(&[("customer_id", std::sync::Arc::new(arrow::array::StringArray::from(vec!["1"]))), ("tag", i64s([1]))]);
    write_batch(&w.path("words.parquet"), &words, 3);
    refused(&["--day", "1970-01-12", "--previous", &w.text("words.parquet")], 3, "it has no column \"since\"");
    let text = |values: [&str; 2]| -> arrow::array::ArrayRef {
        std::sync::Arc::new(arrow::array::StringArray::from(values.to_vec()))
    };
    let earlier = |since: [&str; 2]| {
        let columns = [("customer_id", i64s([1, 2])), ("tag", text(["high", "low"])), ("since", text(since))];
        write_batch(&w.path("since.parquet"), &batch(&columns), 1);
        w.text("since.parquet")
    };
    let day = "--previous: the column \"since\": Cast error: Cannot cast string 'in May' to value of Date32 type";
    refused(&["--day", "1970-01-12", "--previous", &earlier(["1970-01-11", "in May"])], 3, day);
    // Dates that are written as text are dates.
    let written = earlier(["1970-01-10", "1970-01-11"]);
    tagged(&w, HIGH_AND_LOW, &["--format", "long", "--day", "1970-01-12", "--previous", &written]).succeeds();
    assert_eq!(rows(&w, "t.parquet"), ["1 high 9", "2 low 10"]);
    // Another condition under the same code is told, and so is a tag that the dictionary lacks.
    let dictionary = "[[tag]]\ncode = \"high\"\nwhen = \"x > 6\"\n";
    let run = tagged(&w, dictionary, &["--day", "1970-01-12", "--previous", &old]).succeeds();
    assert!(run.err.contains("\"high\" had another condition in the earlier run; its dates are kept"), "{}", run.err);
    assert!(run.err.contains("the dictionary lacks the tags \"low\"; they end"), "{}", run.err);
}

/// No customers now, or no tags then.
fn earlier_runs_of_empty_tables() {
    let w = Workshop::new();
    let old = w.text("old.parquet");
    let run = |ids: &[i64], more: &[&str]| {
        month(&w, "c.parquet", ids, &vec![9.0; ids.len()]);
        let json_file = w.text("t.json");
        let all = ["--format", "long", "--json", &json_file, "--day"];
        tagged(&w, HIGH_AND_LOW, &[&all[..], more].concat())
    };
    for (then, now) in [(&[][..], &[1, 2][..]), (&[1, 2], &[]), (&[], &[])] {
        run(then, &["1970-01-11"]).succeeds();
        std::fs::rename(w.path("t.parquet"), &old).expect("renamed");
        run(now, &["1970-01-21", "--previous", &old]).succeeds();
        let held: Vec<String> = now.iter().map(|id| format!("{id} high 20")).collect();
        assert_eq!(rows(&w, "t.parquet"), held);
        let moves = json(w.path("t.json"))["tags"][0]["moves"].take();
        assert_eq!((&moves["gained"], &moves["left"]), (&now.len().into(), &then.len().into()), "{moves}");
    }
}

fn tags_by_segment() {
    let w = Workshop::new();
    month(&w, "c.parquet", &[1, 2, 3, 4, 5, 6], &[9.0, 9.0, 1.0, 1.0, 4.0, 9.0]);
    let labels = batch(&[("customer_id", i64s([6, 5, 4, 3, 2, 1])), ("segment", i64s([0, 10, 2, 2, 0, 0]))]);
    write_batch(&w.path("l.parquet"), &labels, 2);
    let dictionary = [HIGH_AND_LOW, "[[tag]]\ncode = \"first\"\nwhen = \"segment = 0 AND x > 5\"\n"].concat();
    let labels = w.text("l.parquet");
    tagged(&w, &dictionary, &["--labels", &labels, "--json", &w.text("t.json")]).succeeds();
    let report = json(w.path("t.json"));
    let segment = |at: usize| &report["segments"][at];
    let names: Vec<_> = (0..3).map(|at| segment(at)["segment"].as_str().expect("a label")).collect();
    assert_eq!(names, ["0", "2", "10"]);
    assert_eq!((&segment(0)["customers"], &segment(0)["tags"][0]["customers"]), (&3.into(), &3.into()));
    // 3 of 3 against 3 of 6; nobody of segment 10 is high.
    assert_eq!((&segment(0)["tags"][0]["lift"], &segment(2)["tags"][0]["lift"]), (&2.0.into(), &0.0.into()));
    assert_eq!(report["tags"][2]["customers"], 3);
    let withheld = &["--labels", &labels, "--json", &w.text("t.json"), "--small-cells", "10"];
    tagged(&w, &dictionary, withheld).succeeds();
    assert!(json(w.path("t.json"))["segments"][0]["customers"].is_null());
    month(&w, "c.parquet", &[1, 2, 30, 40, 50], &[9.0; 5]);
    let few = "has no label for 3 of 5 rows (60.0%)";
    tagged(&w, HIGH_AND_LOW, &["--labels", &labels]).is_refused(3, &[few, "--max-unmatched"]);
    tagged(&w, HIGH_AND_LOW, &["--labels", &labels, "--max-unmatched", "0.7"]).succeeds();
    let missing = "has no column of segments \"cluster\"; name it with --label-column";
    tagged(&w, HIGH_AND_LOW, &["--labels", &labels, "--label-column", "cluster"]).is_refused(2, &[missing]);
}

/// Every row group has few labels; all of them together count.
fn very_many_segments() {
    let w = Workshop::new();
    let labelled = |segments: i64| {
        let rows = segments.max(5_000);
        let columns = [
            ("customer_id", i64s(0..rows)),
            ("x", f64s((0..rows).map(|_| 9.0))),
            ("segment", i64s((0..rows).map(|i| i % segments))),
        ];
        write_batch(&w.path("c.parquet"), &batch(&columns[..2]), 700);
        write_batch(&w.path("l.parquet"), &batch(&[columns[0].clone(), columns[2].clone()]), 900);
        let (labels, out) = (w.text("l.parquet"), w.text("t.json"));
        tagged(&w, HIGH_AND_LOW, &["--labels", &labels, "--json", &out])
    };
    labelled(4096).succeeds();
    assert_eq!(json(w.path("t.json"))["segments"].as_array().map(Vec::len), Some(4096));
    let why = "\"segment\" has more than 4096 values; is it the column of segments?";
    labelled(4097).is_refused(3, &[why]);
}

/// Beyond a million rows quantiles come from buckets; the threads change nothing.
fn quantiles_of_more_than_a_million_rows() {
    const ROWS: usize = 1_000_001;
    let w = Workshop::new();
    let values: Vec<f64> = noise(7).take(ROWS).map(|x| (12.0 * x).exp()).collect();
    let table = batch(&[("customer_id", i64s(0..ROWS as i64)), ("x", f64s(values.iter().copied()))]);
    write_batch(&w.path("c.parquet"), &table, 300_000);
    let mut sorted = values;
    sorted.sort_by(f64::total_cmp);
    let dictionary = "[[tag]]\ncode = \"a\"\nwhen = \"x > QUANTILE(x, 0.8) OR x < QUANTILE(x, 0.001)\"\n";
    let report = |threads| {
        tagged(&w, dictionary, &["--threads", threads, "--json", &w.text("t.json")]).succeeds();
        (json(w.path("t.json")), std::fs::read(w.path("t.parquet")).expect("a table"))
    };
    let one = report("1");
    assert!(one == report("2"));
    for (at, p) in [0.8, 0.001].into_iter().enumerate() {
        let expected = sorted[(p * (ROWS - 1) as f64) as usize];
        let found = one.0["thresholds"][at]["value"].as_f64().expect("a number");
        assert!((found / expected - 1.0).abs() <= 1.0 / 1024.0, "{found}, {expected}");
    }
}

/// Names are for people: they go to the footer and the report as they are, and to the terminal in one line.
fn hostile_names() {
    let w = Workshop::new();
    customers(&w);
    let names = ["=cmd|'/c calc'!A0", "\u{202e}evil\u{2066}", "a\nb\r\tc\u{1b}[31m", &"长".repeat(1000)];
    let entry = |(i, name): (usize, &&str)| {
        format!("[[tag]]\ncode = \"t{i}\"\nwhen = 'gap > 1'\nzh = {name:?}\nen = {name:?}\n")
    };
    let escaped = |text: String| {
        text.replace("\\u{202e}", "\\u202e").replace("\\u{2066}", "\\u2066").replace("\\u{1b}", "\\u001b")
    };
    let dictionary: String = names.iter().enumerate().map(entry).map(escaped).collect();
    let run = tagged(&w, &dictionary, &["--json", &w.text("t.json")]).succeeds();
    let report = json(w.path("t.json"));
    for (i, name) in names.iter().enumerate() {
        assert_eq!((&report["tags"][i]["zh"], &report["tags"][i]["en"]), (&(*name).into(), &(*name).into()));
    }
    assert!(!run.out.contains(['\u{202e}', '\u{2066}', '\u{1b}', '\r', '\t']), "{}", run.out);
    assert!(run.out.lines().all(|line| line.chars().count() < 400), "{}", run.out);
    let long = format!("[[tag]]\ncode = \"a\"\nwhen = 'gap > 1'\nen = \"{}\"\n", "x".repeat(10_000));
    tagged(&w, &long, &[]).is_refused(2, &["tags.toml:4:6: en has more than 1000 characters"]);
    // Tags cannot use each other: there is no circle of tags.
    let circle = "[[tag]]\ncode = \"a\"\nwhen = 'b'\n[[tag]]\ncode = \"b\"\nwhen = 'a'\n";
    let refused = [":3:8: \"a\" at 1:1: no column is named \"b\"", ":6:8: \"b\" at 1:1: no column is named \"a\""];
    tagged(&w, circle, &[]).is_refused(2, &refused);
    let nested = format!("[[tag]]\ncode = \"a\"\nwhen = '{}gap > 1{}'\n", "(".repeat(5_000), ")".repeat(5_000));
    tagged(&w, &nested, &[]).is_refused(2, &["tags.toml:3:8: "]);
}

fn too_little_memory() {
    let w = Workshop::new();
    customers(&w);
    let why = "row groups of 7 rows and 4 conditions need at least 60 MiB of memory, but the limit is 32 MiB; raise \
               --memory to 60MiB or more, or write the input in smaller row groups";
    let day = ["--day", "1970-05-20", "--memory"];
    tagged(&w, DICTIONARY, &[&day[..], &["32MiB"]].concat()).is_refused(4, &[why]);
    tagged(&w, DICTIONARY, &[&day[..], &["60MiB"]].concat()).succeeds();
}

/// Customers are the same whatever type their ids have; text and numbers are not compared.
fn ids_of_any_type_in_two_months() {
    use arrow::array::{ArrayRef, Decimal128Array, LargeBinaryArray, StringArray, UInt64Array};
    use std::sync::Arc;
    let w = Workshop::new();
    let decimals = |ids: &[i64]| -> ArrayRef {
        let cents = ids.iter().map(|id| i128::from(*id) * 100);
        Arc::new(Decimal128Array::from_iter_values(cents).with_precision_and_scale(20, 2).expect("fits"))
    };
    let texts = |ids: &[i64]| ids.iter().map(|id| format!("C{id}")).collect::<Vec<_>>();
    let kinds: [(&str, &dyn Fn(&[i64]) -> ArrayRef); 6] = [
        ("whole", &|ids| i64s(ids.iter().copied())),
        ("unsigned", &|ids| Arc::new(UInt64Array::from_iter_values(ids.iter().map(|id| *id as u64)))),
        ("double", &|ids| f64s(ids.iter().map(|id| *id as f64))),
        ("decimal", &decimals),
        ("text", &|ids| Arc::new(StringArray::from(texts(ids)))),
        ("binary", &|ids| Arc::new(LargeBinaryArray::from_iter_values(texts(ids)))),
    ];
    let (before, now) = ([1, 2, 3, 4], [3, 2, 5]);
    let stage = |names: &[Option<&str>]| -> ArrayRef { Arc::new(StringArray::from(names.to_vec())) };
    for (name, ids) in &kinds {
        let old =
            batch(&[("customer_id", ids(&before)), ("stage", stage(&[Some("new"), Some("new"), None, Some("old")]))]);
        let new = batch(&[("customer_id", ids(&now)), ("stage", stage(&[Some("old"), Some("old"), Some("new")]))]);
        write_batch(&w.path(&format!("{name}.old")), &old, 3);
        write_batch(&w.path(&format!("{name}.new")), &new, 2);
    }
    std::fs::write(w.path("text.csv"), "customer_id,stage\nC3,old\nC2,old\nC5,new\n").expect("written");
    let flows = |old: &str, new: &str| {
        let (old, new) = (w.text(&format!("{old}.old")), w.text(new));
        done(["tags", "matrix", &old, &new, "--small-cells", "0", "--json", &w.text("m.json")]);
        let matrix = json(w.path("m.json"));
        let text = |f: &serde_json::Value| format!("{}>{} {}", f["from"], f["to"], f["customers"]).replace('"', "");
        let flows: Vec<String> = matrix["flows"].as_array().expect("flows").iter().map(text).collect();
        let months = ["stayed", "new", "left"].map(|what| matrix[what].as_u64().expect("a count"));
        assert_eq!(months, [2, 1, 2]);
        flows
    };
    let expected = ["(new)>new 1", "(none)>old 1", "new>(left) 1", "new>old 1", "old>(left) 1"];
    for (old, new) in [
        ("whole", "whole.new"),
        ("unsigned", "decimal.new"),
        ("decimal", "double.new"),
        ("double", "unsigned.new"),
        ("text", "text.new"),
        ("binary", "text.new"),
        ("text", "text.csv"),
    ] {
        assert_eq!(flows(old, new), expected, "{old} {new}");
    }
    let run = crate::command::Ran::from(hyades(["tags", "matrix", &w.text("whole.old"), &w.text("text.new")]));
    run.is_refused(3, &["the ids of OLD are Int64, those of NEW Utf8; store them alike"]);
    write_batch(&w.path("word.old"), &batch(&[("customer_id", i64s([1])), ("stage", stage(&[Some("(new)")]))]), 1);
    let run = crate::command::Ran::from(hyades(["tags", "matrix", &w.text("word.old"), &w.text("whole.new")]));
    run.is_refused(3, &["\"stage\" has the value \"(new)\", a word of the matrix; rename it"]);
}

/// The customers are looked up in parts; repeated ids have the same dates in all of them.
fn an_earlier_run_in_little_memory() {
    let w = Workshop::new();
    let n = 60_000;
    let write = |name: &str, step: i64, seed: u64| {
        let ids: Vec<i64> = (0..n).map(|i| i * step % n % 50_000).collect();
        let x: Vec<f64> = noise(seed).take(ids.len()).map(|x| 10.0 * x).collect();
        let table = batch(&[("customer_id", i64s(ids)), ("x", f64s(x))]);
        write_batch(&w.path(name), &table, 5_000);
    };
    write("c.parquet", 7, 1);
    let long = ["--format", "long", "--json", &w.text("t.json"), "--day"];
    tagged(&w, HIGH_AND_LOW, &[&long[..], &["1970-01-11"]].concat()).succeeds();
    std::fs::rename(w.path("t.parquet"), w.path("old.parquet")).expect("renamed");
    write("c.parquet", 11, 2);
    let in_memory = |more: &[&str]| {
        let old = w.text("old.parquet");
        tagged(&w, HIGH_AND_LOW, &[&long[..], &["1970-01-21", "--previous", &old], more].concat()).succeeds();
        (std::fs::read(w.path("t.parquet")).expect("a table"), json(w.path("t.json")))
    };
    let much = in_memory(&[]);
    assert!(much == in_memory(&["--memory", "57MiB", "--threads", "1"]));
    assert!(much.1["tags"][0]["moves"]["kept"].as_u64() > Some(1_000));
}
