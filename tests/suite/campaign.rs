//! `campaign evaluate`: what arms did, and what is refused.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, StringArray};

use crate::command::{Ran, Workshop, json};
use crate::harness::{hyades, tests};
use crate::tables::{batch, f64s, i64s, noise, write, write_batch};

tests!(
    arms_are_compared_with_the_control,
    nothing_of_an_evaluation_depends_on_threads_or_row_groups,
    customers_assigned_otherwise_than_expected_are_told,
    a_design_is_joined_to_its_outcomes,
    segments_of_a_fit_are_joined,
    what_cannot_be_evaluated_is_refused,
);

const ROWS: usize = 6000;

fn ran(arguments: Vec<&str>) -> Ran {
    hyades(arguments).into()
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn arm(i: usize) -> &'static str {
    ["none", "mail", "call"][i % 3]
}

/// Three arms in two towns; calls sell, mails do not.
fn columns() -> Vec<(&'static str, ArrayRef)> {
    let bought: Vec<bool> = noise(7).take(ROWS).enumerate().map(|(i, u)| u < [0.10, 0.10, 0.20][i % 3]).collect();
    let spent = bought.iter().zip(noise(8)).map(|(&bought, u)| if bought { (5000.0 * u).round() / 100.0 } else { 0.0 });
    vec![
        ("customer_id", i64s((0..ROWS as i64).map(|i| 10 * i))),
        ("arm", texts((0..ROWS).map(|i| Some(arm(i).into())))),
        ("town", texts((0..ROWS).map(|i| (i % 7 != 0).then(|| ["=Ulm\u{202e}", "Bonn"][i / 3 % 2].into())))),
        ("bought", Arc::new(bought.iter().map(|&b| Some(b)).collect::<BooleanArray>())),
        ("spent", f64s(spent)),
    ]
}

fn save(path: &Path, group_rows: usize) {
    write_batch(path, &batch(&columns()), group_rows);
}

const EVALUATE: [&str; 2] = ["campaign", "evaluate"];
const BY_ARM: [&str; 4] = ["--arm", "arm", "--control", "none"];

fn arms_are_compared_with_the_control() {
    let w = Workshop::new();
    save(&w.path("in.parquet"), 1000);
    let (input, out) = (w.text("in.parquet"), w.text("found.json"));
    let outcomes = ["--conversion", "bought", "--money", "spent", "--by", "town", "--cost-per-contact", "0.5"];
    let arguments = [&EVALUATE[..], &[&input], &BY_ARM, &outcomes, &["--margin", "0.4", "--json", &out]].concat();
    let text = ran(arguments).succeeds().out;
    for part in ["sample ratio: as expected", "call - none", "mail - call", "higher", "not shown", "(missing)", "Bonn"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains('\u{202e}'), "{text}");
    let found = json(&out);
    assert_eq!(found["customers"], ROWS);
    let bought = &found["metrics"][0];
    let call = bought["comparisons"].as_array().unwrap().iter().find(|c| c["arm"]["arm"] == "call").unwrap();
    assert_eq!((call["verdict"].as_str(), call["against"]["arm"].as_str()), (Some("higher"), Some("none")));
    // Counted here again.
    let of = |wanted: usize| {
        noise(7).take(ROWS).enumerate().filter(|(i, u)| i % 3 == wanted && *u < [0.10, 0.10, 0.20][wanted]).count()
    };
    let rates: Vec<f64> = [2, 0].map(|arm| of(arm) as f64 / 2000.0).into();
    assert_eq!(call["arm"]["total"].as_f64().unwrap(), of(2) as f64);
    assert!((call["difference"]["value"].as_f64().unwrap() - (rates[0] - rates[1])).abs() < 1e-12);
    assert_eq!(bought["groups"].as_array().unwrap().len(), 6, "three towns, two arms");
    let spent = &found["metrics"][1]["comparisons"][0];
    assert_eq!(spent["value"]["cost"], 1000.0);
}

fn nothing_of_an_evaluation_depends_on_threads_or_row_groups() {
    let w = Workshop::new();
    let evaluate = |group_rows: usize, threads: &str, name: &str| {
        save(&w.path("in.parquet"), group_rows);
        let (input, out) = (w.text("in.parquet"), w.text(name));
        let more = ["--conversion", "bought", "--money", "spent", "--by", "town", "--threads", threads, "--json", &out];
        ran([&EVALUATE[..], &[&input], &BY_ARM, &more].concat()).succeeds();
        std::fs::read(out).unwrap()
    };
    assert_eq!(evaluate(ROWS, "1", "one.json"), evaluate(77, "3", "many.json"));
}

fn customers_assigned_otherwise_than_expected_are_told() {
    let w = Workshop::new();
    save(&w.path("in.parquet"), ROWS);
    let input = w.text("in.parquet");
    let run = |shares: &str| {
        let more = ["--conversion", "bought", "--expected-shares", shares];
        ran([&EVALUATE[..], &[&input], &BY_ARM, &more].concat())
    };
    assert!(run("none=1,mail=1,call=1").succeeds().out.contains("sample ratio: as expected"));
    assert!(run("none=0.2,mail=0.4,call=0.4").succeeds().out.contains("WARNING: sample ratio mismatch"));
    run("none=1,mail=1").is_refused(2, &["--expected-shares: the arm \"call\" is missing"]);
    run("none=1,post=1").is_refused(2, &["no customer is in the arm \"post\""]);
    run("none").is_refused(2, &["\"none\" is not a share of an arm; write ARM=SHARE"]);
}

fn a_design_is_joined_to_its_outcomes() {
    let w = Workshop::new();
    let folder = w.path("design");
    std::fs::create_dir(&folder).unwrap();
    let n = 3000;
    let assigned: Vec<(&str, ArrayRef)> = vec![
        ("customer_id", i64s(0..n)),
        ("list", texts((0..n).map(|_| Some("autumn".into())))),
        ("segment", i64s((0..n).map(|i| i % 2))),
        ("arm", texts((0..n).map(|i| Some(["control", "contact"][usize::from(i % 10 > 0)].into())))),
    ];
    write(&folder.join("assignments.parquet"), &assigned);
    // Only those who bought have a row, and one of them is unknown.
    let buyers: Vec<i64> = (0..n).filter(|i| i % 4 == 0).chain([99_999]).collect();
    let count = buyers.len();
    write(&w.path("sales.parquet"), &[("customer_id", i64s(buyers)), ("bought", i64s(vec![1; count]))]);
    let (design, sales, out) = (w.text("design"), w.text("sales.parquet"), w.text("found.json"));
    let lists = r#"{"lists": [{"name": "autumn", "control_share": 0.1, "control_share_of": {}, "contacted": 2700, "control": 300}]}"#;
    std::fs::write(folder.join("design.json"), lists).unwrap();
    let more = ["--conversion", "bought", "--json", &out];
    let known = ran([&EVALUATE[..], &[&design, &sales], &more].concat()).succeeds();
    assert!(known.err.contains("1 of its rows are of customers who are in no arm"), "{}", known.err);
    let found = json(&out);
    assert_eq!(found["by"], serde_json::json!(["list", "segment"]));
    assert_eq!(found["sample_ratio"]["chi_square"], 0.0, "{}", found["sample_ratio"]);
    let totals: f64 =
        found["metrics"][0]["arms"].as_array().unwrap().iter().map(|a| a["total"].as_f64().unwrap()).sum();
    assert_eq!(totals, 750.0);
    ran([&EVALUATE[..], &[&design], &["--conversion", "bought"]].concat())
        .is_refused(2, &["no outcomes: name a table of outcomes after the design"]);
    write(&w.path("twice.parquet"), &[("customer_id", i64s([4, 4])), ("bought", i64s([1, 1]))]);
    let twice = w.text("twice.parquet");
    ran([&EVALUATE[..], &[&design, &twice], &["--conversion", "bought"]].concat()).is_refused(3, &["twice.parquet"]);
}

fn segments_of_a_fit_are_joined() {
    let w = Workshop::new();
    save(&w.path("in.parquet"), ROWS);
    let (input, out) = (w.text("in.parquet"), w.text("found.json"));
    write(
        &w.path("labels.parquet"),
        &[("customer_id", i64s((0..ROWS as i64).map(|i| 10 * i))), ("segment", i64s((0..ROWS as i64).map(|i| i % 5)))],
    );
    let labels = w.text("labels.parquet");
    let more = ["--conversion", "bought", "--labels", &labels, "--by", "segment", "--json", &out];
    ran([&EVALUATE[..], &[&input], &BY_ARM, &more].concat()).succeeds();
    assert_eq!(json(&out)["metrics"][0]["groups"].as_array().unwrap().len(), 10);
}

fn what_cannot_be_evaluated_is_refused() {
    let w = Workshop::new();
    save(&w.path("in.parquet"), ROWS);
    let input = w.text("in.parquet");
    let refused = |code: i32, parts: &[&str], more: &[&str]| {
        ran([&EVALUATE[..], &[&input], more].concat()).is_refused(code, parts);
    };
    let bought = ["--conversion", "bought"];
    refused(2, &["--arm is missing"], &bought);
    refused(2, &["--control is missing"], &[&bought[..], &["--arm", "arm"]].concat());
    refused(2, &["no outcome: name columns with --conversion (0 or 1) or --money"], &BY_ARM);
    refused(2, &["no column is named \"Bougt\" (--conversion) (did you mean \"bought\"?)"], &{
        [&BY_ARM[..], &["--conversion", "Bougt"]].concat()
    });
    refused(
        3,
        &["no customer's \"arm\" is \"nome\" (--control): it has \"call\", \"mail\", \"none\"; did you mean \"none\"?"],
        &["--arm", "arm", "--control", "nome", "--conversion", "bought"],
    );
    refused(3, &["\"spent\" is ", "a conversion is 0 or 1: name amounts with --money"], &{
        [&BY_ARM[..], &["--conversion", "spent"]].concat()
    });
    refused(3, &["--money \"town\" is Utf8; an outcome is a number, or true or false"], &{
        [&BY_ARM[..], &["--money", "town"]].concat()
    });
    refused(3, &["\"customer_id\" has 6000 values, at most 20 can be arms"], &{
        [&["--arm", "customer_id", "--control", "0"][..], &bought].concat()
    });
    refused(2, &["--margin 3: expected a share from 0 to 1"], &[&BY_ARM[..], &bought, &["--margin", "3"]].concat());
    refused(2, &["--cost-per-contact -1: expected an amount of 0 or more"], &{
        [&BY_ARM[..], &bought, &["--cost-per-contact=-1"]].concat()
    });
    let small = |arms: [Option<&str>; 3], bought: [Option<f64>; 3]| {
        let arms = texts(arms.into_iter().map(|arm| arm.map(str::to_owned)));
        write(&w.path("in.parquet"), &[("arm", arms), ("bought", crate::tables::some_f64s(bought))]);
        ran([&EVALUATE[..], &[&input], &BY_ARM, &["--conversion", "bought"]].concat())
    };
    small([Some("none"), None, Some("mail")], [Some(0.0); 3]).is_refused(3, &["\"arm\" is null in row 1"]);
    small([Some("none"); 3], [Some(0.0); 3]).is_refused(3, &["all customers are in the arm \"none\""]);
    small([Some("none"), Some("mail"), Some("mail")], [Some(0.0), Some(1.0), None])
        .is_refused(3, &["\"bought\" is null in row 2; an outcome is a number, 0 where nothing happened"]);
}
