//! Values that are easily got wrong: at the ends of their types, of weight 0, at the ends of ranges, few and far away.

use std::sync::Arc;

use arrow::array::{ArrayRef, TimestampMicrosecondArray};

use crate::command::{Ran, Workshop, done, model};
use crate::harness::{hyades, root, tests};
use crate::tables::{f64s, i64s, noise, write};

tests!(
    a_day_as_the_end_of_a_range_is_whole,
    negative_values_of_options_reach_their_check,
    threads_beyond_measure_are_refused,
    a_date_of_the_future_is_told,
    zeros_come_back_as_zeros,
);

/// A file of `data/cases`.
fn case(name: &str) -> String {
    root().join("data/cases").join(name).to_str().expect("a path of text").to_owned()
}

fn a_day_as_the_end_of_a_range_is_whole() {
    let w = Workshop::new();
    let (input, expect) = (case("range_day.parquet"), w.text("expect.toml"));
    // The times are 19 October 10:00, 20 October 00:00 and 10:00, 21 October 00:00.
    let outside = |range: &str| {
        std::fs::write(&expect, format!("[columns.ts]\nrange = {range}\n")).expect("a file");
        Ran::from(hyades(["check", &input, "--expect", &expect]))
    };
    for (range, values, shown) in [
        (r#"["2026-10-01", "2026-10-20"]"#, 1, "2026-10-01 to 2026-10-20"),
        ("[2026-10-20, 2026-10-20]", 2, "2026-10-20 to 2026-10-20"),
        (r#"["2026-10-01", "2026-10-20T00:00:00Z"]"#, 2, "2026-10-01 to 2026-10-20"),
        (r#"["2026-10-19 10:00:01", "2026-10-20T12:00"]"#, 2, "2026-10-19 10:00:01 to 2026-10-20 12:00:00"),
        (r#"["2026-10-19T10:00:00Z", "2026-10-21T01:00:00+02:00"]"#, 1, "2026-10-19 10:00:00 to 2026-10-20 23:00:00"),
    ] {
        outside(range).is_refused(3, &[&format!("{values} values lie outside {shown}")]);
    }
    outside(r#"["2026-10-19", "2026-10-21"]"#).succeeds();
    outside(r#"["2026-10-19", "noon"]"#).is_refused(2, &["dates such as", "times such as \"2026-10-01T12:00:00Z\""]);
    Ran::from(hyades(["check", &input, "--expect", &case("range_day.toml")])).is_refused(3, &["1 values lie outside"]);
}

fn negative_values_of_options_reach_their_check() {
    let w = Workshop::new();
    let input = root().join("data/customers.parquet").to_str().expect("a path of text").to_owned();
    w.run(["fit", &input, "--k", "3", "--features", "savings_balance", "--missing", "-1"]).succeeds();
    assert!(model(&w.out())["parts"][0]["preparation"]["columns"][0]["fill"].is_number());
    for (option, value, why) in [
        ("--clip", "-1", "clip"),
        ("--tol", "-0.5", "tol"),
        ("--n-init", "-3", "invalid value '-3' for '--n-init"),
        ("--threads", "-2", "invalid value '-2' for '--threads"),
    ] {
        let ran = w.run(["fit", &input, "--k", "3", option, value]);
        assert_eq!(ran.code, Some(2), "{}", ran.err);
        assert!(ran.err.contains(why) && !ran.err.contains("unexpected argument"), "{}", ran.err);
    }
}

fn threads_beyond_measure_are_refused() {
    let w = Workshop::new();
    let input = root().join("data/customers.parquet").to_str().expect("a path of text").to_owned();
    w.refused(2, &["--threads 10000: at most "], ["fit", &input, "--k", "3", "--threads", "10000"]);
}

fn a_date_of_the_future_is_told() {
    let w = Workshop::new();
    let day = 86_400_000_000i64;
    let journal = |last: i64| -> Vec<(&'static str, ArrayRef)> {
        let times = (0..100).map(|i| if i == 40 { last } else { (15_000 + i) * day });
        vec![
            ("who", i64s((0..100).map(|i| i % 7))),
            ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(times))),
            ("sum", f64s((0..100).map(f64::from))),
        ]
    };
    let (input, out) = (w.text("journal.parquet"), w.text("customers.parquet"));
    let usual = ["features", "rfm", &input, "--customer", "who", "--time", "at", "--amount", "sum", "--out", &out];
    // 47481 is 2099-12-31 and 15099 is 2011-05-05.
    write(&w.path("journal.parquet"), &journal(47_481 * day));
    let told = done(usual);
    let said = "1 transaction lies in the future, and the newest, 2099-12-31, determines the reference date; to leave \
                them out, set --reference-date 2011-05-06";
    assert!(told.err.contains(said), "{}", told.err);
    let given = done([&usual[..], &["--reference-date", "2011-05-06"]].concat());
    assert!(!given.err.contains("future"), "{}", given.err);
    write(&w.path("journal.parquet"), &journal(15_000 * day));
    assert!(!done(usual).err.contains("future"));
}

fn zeros_come_back_as_zeros() {
    let w = Workshop::new();
    let input = case("zero_inflated.parquet");
    w.run(["fit", &input, "--k", "3", "--features", "loan", "--transform", "yeo-johnson"]).succeeds();
    let model = model(&w.out());
    let centers = &model["parts"][0]["fitted"]["cluster_centers_"];
    let loans: Vec<f64> =
        centers.as_array().expect("a list").iter().map(|c| c[0].as_f64().expect("a number")).collect();
    // 1,800 of 2,000 loans are 0, and make the largest segment.
    assert_eq!(loans[0], 0.0, "{loans:?}");
    assert!(loans[1..].iter().all(|loan| *loan > 1.0), "{loans:?}");
    // Values near 0 are not 0 where the grid tells them apart.
    let near = noise(3).take(300).enumerate().map(|(i, u)| if i % 2 == 0 { 1e-3 + u * 1e-9 } else { 1.0 + u });
    write(&w.path("near.parquet"), &[("id", i64s(0..300)), ("x", f64s(near.collect::<Vec<_>>()))]);
    w.run(["fit", &w.text("near.parquet"), "--k", "2"]).succeeds();
    let model = crate::command::model(&w.out());
    let centers = &model["parts"][0]["fitted"]["cluster_centers_"];
    let small =
        centers.as_array().expect("a list").iter().map(|c| c[0].as_f64().expect("a number")).fold(9.0, f64::min);
    assert!((small - 1e-3).abs() < 1e-4, "{centers}");
}
