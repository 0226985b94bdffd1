//! Values that are easily got wrong: at the ends of their types, of weight 0, at the ends of ranges, few and far away.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::Float64Type;

use crate::command::{Ran, Workshop, done, model, part};
use crate::harness::{hyades, root, tests};
use crate::tables::{column, f64s, i64s, noise, read, segments, some_f64s, write};

tests!(
    a_day_as_the_end_of_a_range_is_whole,
    negative_values_of_options_reach_their_check,
    threads_beyond_measure_are_refused,
    a_date_of_the_future_is_told,
    zeros_come_back_as_zeros,
    rows_of_weight_0_count_for_nothing,
    rows_of_weight_0_anywhere,
    weights_of_1_change_nothing,
    values_beyond_f32,
    small_groups_far_away_are_found,
    a_median_of_a_sample_is_told,
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

/// Segments of a fit.
fn labels(w: &Workshop) -> Vec<i32> {
    segments(&w.out().join("segments/part-00000.parquet"))
}

fn rows_of_weight_0_count_for_nothing() {
    let options: [&[&str]; 4] = [
        &[],
        &["--scale", "robust"],
        &["--transform", "quantile"],
        &["--transform", "yeo-johnson", "--scale", "minmax"],
    ];
    for options in options {
        let fit = |name: &str| {
            let w = Workshop::new();
            let input = case(name);
            w.run([&["fit", &input, "--k", "3", "--row-weight", "w"], options].concat()).succeeds();
            (labels(&w), model(&w.out())["parts"][0].take())
        };
        let (mut with, mut part) = fit("zero_weight_outlier.parquet");
        let (without, expected) = fit("zero_weight_without.parquet");
        // The last row is the outlier.
        with.pop();
        assert_eq!(with, without, "{options:?}");
        for column in part["preparation"]["columns"].as_array_mut().expect("columns") {
            let clipped = column["seen"]["clipped"].take();
            assert!(clipped == 0 || clipped == 1, "{clipped}");
            column["seen"]["clipped"] = 0.into();
        }
        assert_eq!(part["preparation"], expected["preparation"], "{options:?}");
        for result in ["grid_centers_", "inertia_", "n_iter_"] {
            assert_eq!(part["fitted"][result], expected["fitted"][result], "{result} with {options:?}");
        }
    }
}

/// A bank of which every third row has weight 0 and strange values, and the same without those rows.
fn rows_of_weight_0_anywhere() {
    let n = 3000;
    let table = |keep: &dyn Fn(usize) -> bool| -> Vec<(&'static str, ArrayRef)> {
        let rows: Vec<usize> = (0..n).filter(|&i| keep(i)).collect();
        let strange = |i: usize| i % 3 == 1;
        let [a, b, c]: [Vec<f64>; 3] = [31, 32, 33].map(|seed| noise(seed).take(n).collect());
        let value = |i: usize, u: f64, far: f64| if strange(i) { 1e6 + 1e6 * u } else { far * (i % 4) as f64 + u };
        let gap = |i: usize| if strange(i) { i % 2 == 0 } else { i % 11 == 3 };
        let tier = |i: usize| if strange(i) { ["odd", "rare"][i % 2] } else { ["gold", "basic", "silver"][i % 3] };
        vec![
            ("id", i64s(rows.iter().map(|&i| i as i64))),
            ("x", f64s(rows.iter().map(|&i| value(i, a[i], 9.0)))),
            ("y", some_f64s(rows.iter().map(|&i| (!gap(i)).then(|| value(i, b[i], -5.0))))),
            ("z", f64s(rows.iter().map(|&i| value(i, c[i], 2.0)))),
            ("tier", Arc::new(rows.iter().map(|&i| (i % 40 != 1).then(|| tier(i))).collect::<StringArray>())),
            ("w", f64s(rows.iter().map(|&i| if strange(i) { 0.0 } else { 1.0 + (i % 2) as f64 }))),
        ]
    };
    let recipe =
        "[columns.tier]\nencode = \"one-hot\"\n\n[columns.z]\nwinsorise = [0.02, 0.98]\n\n[reduce]\ncomponents = 3\n";
    for options in [&[][..], &["--recipe", "recipe.toml"], &["--scale", "robust"], &["--init", "random"]] {
        let fit = |keep: &dyn Fn(usize) -> bool| {
            let w = Workshop::new();
            write(&w.path("bank.parquet"), &table(keep));
            std::fs::write(w.path("recipe.toml"), recipe).expect("a recipe");
            let options: Vec<String> =
                options.iter().map(|o| if o.ends_with(".toml") { w.text(o) } else { (*o).to_owned() }).collect();
            let input = w.text("bank.parquet");
            let fixed = ["fit", &input, "--k", "5", "--row-weight", "w", "--id", "id"];
            w.run(fixed.iter().copied().chain(options.iter().map(String::as_str))).succeeds();
            (labels(&w), model(&w.out())["parts"][0]["fitted"]["grid_centers_"].take())
        };
        let (all, centers) = fit(&|_| true);
        let (some, expected) = fit(&|i| i % 3 != 1);
        let counted: Vec<i32> = all.iter().enumerate().filter(|(i, _)| i % 3 != 1).map(|(_, &s)| s).collect();
        assert_eq!(centers, expected, "{options:?}");
        assert_eq!(counted, some, "{options:?}");
    }
}

fn weights_of_1_change_nothing() {
    let w = Workshop::new();
    let n = 5000;
    let [a, b]: [Vec<f64>; 2] = [41, 42].map(|seed| noise(seed).take(n).collect());
    let table: Vec<(&str, ArrayRef)> = vec![
        ("id", i64s(0..n as i64)),
        ("x", f64s(a.iter().enumerate().map(|(i, u)| u * u * u * 50.0 + (i % 5) as f64))),
        ("y", some_f64s(b.iter().enumerate().map(|(i, u)| (i % 9 != 2).then_some(u * 3.0 - (i % 3) as f64 * 4.0)))),
        (
            "tier",
            Arc::new((0..n).map(|i| (i % 40 != 1).then_some(["a", "b", "c"][i * i % 3])).collect::<StringArray>()),
        ),
        ("w", f64s((0..n).map(|_| 1.0))),
    ];
    write(&w.path("bank.parquet"), &table);
    let recipe = |name: &str, text: &str| std::fs::write(w.path(name), text).expect("a recipe");
    recipe(
        "one.toml",
        "[columns.tier]\nencode = \"one-hot\"\n[columns.x]\ntransform = \"yeo-johnson\"\n[reduce]\ncomponents = 2\n",
    );
    recipe(
        "two.toml",
        "[columns.tier]\nencode = \"frequency\"\n[columns.x]\nwinsorise = [0.01, 0.9]\nscale = \"robust\"\n",
    );
    let input = w.text("bank.parquet");
    for name in ["one.toml", "two.toml"] {
        let fit = |more: &[&str]| {
            let path = w.text(name);
            w.run([&["fit", &input, "--k", "4", "--exclude", "w", "--recipe", &path], more].concat()).succeeds();
            (labels(&w), model(&w.out())["parts"].take())
        };
        let plain = fit(&[]);
        let input_weighs = ["fit", &input, "--k", "4", "--recipe", &w.text(name), "--row-weight", "w"];
        w.run(input_weighs).succeeds();
        assert_eq!((labels(&w), model(&w.out())["parts"].take()), plain, "{name}");
    }
}

fn values_beyond_f32() {
    let fit = |features: &str, more: &[&str]| {
        let w = Workshop::new();
        let input = case("huge_tiny.parquet");
        let fixed = ["fit", &input, "--k", "4", "--features", features];
        let ran = w.run([&fixed[..], more].concat()).succeeds();
        assert!(!ran.err.contains("left out"), "{}", ran.err);
        let labels = labels(&w);
        let model_path = w.out().join("model.json");
        let again = w.text("again");
        done(["assign", model_path.to_str().expect("a path"), &input, "--out", &again]);
        assert_eq!(
            segments(&w.path("again").join("segments/part-00000.parquet")),
            labels,
            "assign, {features} {more:?}"
        );
        let clipped = model(&w.out())["parts"][0]["preparation"]["columns"][0]["seen"]["clipped"].take();
        assert_eq!(clipped, 0, "{features} {more:?}");
        labels
    };
    // The same values at ordinary size.
    let w = Workshop::new();
    let table = read(case("huge_tiny.parquet").as_ref());
    let times = |name: &str, factor: f64| {
        f64s(column(&table, name).as_primitive::<Float64Type>().values().iter().map(|v| v * factor).collect::<Vec<_>>())
    };
    let scaled =
        [("id", i64s(0..500)), ("v", times("huge", 1e-40)), ("u", times("tiny", 1e50)), ("z", times("z", 1.0))];
    write(&w.path("scaled.parquet"), &scaled);
    w.run(["fit", &w.text("scaled.parquet"), "--k", "4", "--features", "v,u,z"]).succeeds();
    assert_eq!(fit("huge,tiny,z", &[]), labels(&w));
    for more in [
        &["--scale", "robust"][..],
        &["--transform", "quantile"],
        &["--scale", "minmax"],
        &["--transform", "none", "--clip", "inf"],
    ] {
        let counts = |labels: &[i32]| (0..4).map(|s| labels.iter().filter(|l| **l == s).count()).collect::<Vec<_>>();
        for feature in ["huge", "tiny"] {
            let found = counts(&fit(feature, more));
            assert!(found.iter().all(|n| *n > 10), "{feature} {more:?}: {found:?}");
        }
    }
}

/// Three groups around (0, 0), (10, 0) and (0, 10), and `far` rows around (300, 300).
fn blobs(rows: usize, far: usize) -> Vec<(&'static str, ArrayRef)> {
    let centers = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]];
    let column = |f: usize| {
        let mut around = vec![-3.0; rows];
        for j in 0..3 {
            around.iter_mut().zip(noise(21 + 3 * f as u64 + j)).for_each(|(sum, u)| *sum += 2.0 * u);
        }
        let is_far = |i: usize| i % (rows / far) == 77;
        f64s(
            around.into_iter().enumerate().map(move |(i, u)| if is_far(i) { 300.0 + u } else { centers[i % 3][f] + u }),
        )
    };
    vec![("id", i64s(0..rows as i64)), ("x", column(0)), ("y", column(1))]
}

fn small_groups_far_away_are_found() {
    // scikit-learn 1.9.1: KMeans(4, n_init=10, random_state=0) of the same rows after StandardScaler. A start without
    // the far rows has at least five times as much.
    for (rows, far, best) in [(20_002, 2, 1269.001838402789), (150_000, 5, 11529.951967879491)] {
        let w = Workshop::new();
        write(&w.path("blobs.parquet"), &blobs(rows, far));
        let input = w.text("blobs.parquet");
        // scikit-learn's single start with seed 1 misses the group of the larger table.
        for seed in ["0", "1"] {
            w.run(["fit", &input, "--k", "4", "--transform", "none", "--seed", seed]).succeeds();
            let fitted = model(&w.out())["parts"][0]["fitted"].take();
            let inertia = fitted["inertia_"].as_f64().expect("a number");
            assert!(inertia < 1.001 * best, "{rows} rows, seed {seed}: {inertia}");
            assert_eq!(fitted["counts_"][3], far, "{rows} rows, seed {seed}");
        }
    }
}

fn a_median_of_a_sample_is_told() {
    let w = Workshop::new();
    let gap = |i: usize, u: f64| (i % 7 != 3).then_some(u);
    let columns: [(&str, ArrayRef); 3] = [
        ("id", i64s(0..200)),
        ("whole", f64s(noise(51).take(200))),
        ("gaps", some_f64s(noise(52).take(200).enumerate().map(|(i, u)| gap(i, u)))),
    ];
    write(&w.path("bank.parquet"), &columns);
    let ran = w.run(["fit", &w.text("bank.parquet"), "--k", "2", "--print-recipe"]).succeeds();
    let told =
        |name: &str| ran.out.lines().find(|l| l.contains(name) && l.contains("(median")).unwrap_or_default().to_owned();
    assert!(told("whole").contains("(median of a sample)"), "{}", ran.out);
    assert!(told("gaps").contains("(median)"), "{}", ran.out);
    let stored = |name: &str| {
        let columns = part(&w.out())["preparation"]["columns"].take();
        let column = columns.as_array().unwrap().iter().find(|c| c["name"] == name).cloned().unwrap();
        (column["fill"].is_number(), column["fill_is_of_sample"].clone())
    };
    assert_eq!(stored("whole"), (true, true.into()));
    assert_eq!(stored("gaps"), (true, serde_json::Value::Null), "the median of all");
    // Quartiles of all rows are known where they scale.
    w.run(["fit", &w.text("bank.parquet"), "--k", "2", "--scale", "robust"]).succeeds();
    assert_eq!(stored("whole"), (true, serde_json::Value::Null));
}
