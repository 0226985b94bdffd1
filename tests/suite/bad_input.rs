//! Input that must be refused: exit code, message, no partial output.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float32Array, Int64Array, StringArray};

use crate::command::{Workshop, contents, json, labels_hash, part};
use crate::harness::tests;
use crate::tables::{column, f64s, i64s, noise, read, segments, some_f64s, three_groups, write};

tests!(
    inputs_that_are_not_there,
    files_that_differ,
    no_numeric_column,
    columns_without_variation,
    values_that_are_no_numbers,
    a_large_offset_hides_nothing,
    a_huge_value_among_small_ones,
    more_segments_than_customers,
    one_segment,
    duplicate_and_null_ids,
    ids_of_text,
    weights,
    names_that_do_not_exist,
);

fn inputs_that_are_not_there() {
    let w = Workshop::new();
    let missing = w.text("nothing.parquet");
    w.refused(8, &[&missing, "no such file"], ["fit", &missing, "--k", "2"]);
    let pattern = w.text("part-*.parquet");
    w.refused(8, &["no file matches", &pattern], ["fit", &pattern, "--k", "2"]);
    let empty = w.text("empty");
    std::fs::create_dir(&empty).unwrap();
    std::fs::write(w.path("empty/notes.txt"), "no Parquet").unwrap();
    w.refused(8, &[&empty, "holds neither Parquet (*.parquet", "nor CSV"], ["fit", &empty, "--k", "2"]);
    let twice = w.text("a.parquet");
    write(&w.path("a.parquet"), &three_groups(9));
    w.refused(2, &[&twice, "named twice"], ["fit", &twice, &twice, "--k", "2"]);
}

fn files_that_differ() {
    let w = Workshop::new();
    std::fs::create_dir(w.path("in")).unwrap();
    let mut other = three_groups(9);
    write(&w.path("in/a.parquet"), &other);
    // x becomes text, y is missing, z is new.
    other[1].1 = Arc::new(StringArray::from_iter_values((0..9).map(|i| i.to_string())));
    other[2] = ("z", f64s((0..9).map(f64::from)));
    write(&w.path("in/b.parquet"), &other);
    let (a, b, folder) = (w.text("in/a.parquet"), w.text("in/b.parquet"), w.text("in"));
    let parts = [
        format!("{b} has \"x\" as Utf8, {a} as Float64"),
        format!("{b} has no column \"y\""),
        format!("{a} has no column \"z\""),
        "--exclude".to_owned(),
    ];
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    w.refused(3, &parts, ["fit", &folder, "--k", "2"]);
    w.refused(3, &parts[..1], ["fit", &folder, "--k", "2", "--exclude", "y,z"]);
}

fn no_numeric_column() {
    let w = Workshop::new();
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    write(&w.path("a.parquet"), &[("id", i64s(0..3)), ("name", names)]);
    let input = w.text("a.parquet");
    w.refused(3, &["no numeric column", "id Int64", "name Utf8"], ["fit", &input, "--k", "2"]);
    let ask = ["fit", &input, "--k", "2", "--features", "name"];
    w.refused(2, &["not usable as features", "\"name\" is text"], ask);
}

fn columns_without_variation() {
    let w = Workshop::new();
    let mut table = three_groups(30);
    table.push(("empty", some_f64s(vec![None; 30])));
    table.push(("same", f64s(vec![7.5; 30])));
    write(&w.path("a.parquet"), &table);
    let input = w.text("a.parquet");
    let asked = ["fit", &input, "--k", "3", "--features", "x,empty,same"];
    let why = ["\"empty\": every value is missing", "\"same\": it is constant", "leave them out of --features"];
    w.refused(3, &why, asked);
    w.refused(3, &["nothing to cluster by"], ["fit", &input, "--k", "2", "--exclude", "x,y"]);

    let ran = w.run(["fit", &input, "--k", "3"]).succeeds();
    assert!(ran.err.contains("WARN empty is left out: every value is missing"), "{}", ran.err);
    assert!(ran.err.contains("WARN same is left out: it is constant"), "{}", ran.err);
    assert_eq!(part(&w.out())["feature_names_in_"], serde_json::json!(["x", "y"]));
    assert_eq!(json(w.out().join("manifest.json"))["outcome"]["warnings"].as_array().map(Vec::len), Some(2));
}

fn values_that_are_no_numbers() {
    let w = Workshop::new();
    let mut table = three_groups(300);
    let mut x: Vec<Option<f64>> = noise(3).take(300).map(Some).collect();
    x[10] = None;
    x[20] = Some(f64::NAN);
    x[21] = Some(f64::NAN);
    x[30] = Some(f64::INFINITY);
    x[31] = Some(f64::NEG_INFINITY);
    x[32] = Some(f64::NEG_INFINITY);
    table.push(("gaps", some_f64s(x)));
    write(&w.path("a.parquet"), &table);
    let input = w.text("a.parquet");
    let refuse = ["fit", &input, "--k", "3", "--missing", "refuse"];
    w.refused(3, &["\"gaps\" has 1 nulls, 2 NaN and 3 infinities", "--missing"], refuse);

    w.run(["fit", &input, "--k", "3"]).succeeds();
    let columns = json(w.out().join("manifest.json"))["parts"][0]["columns"].take();
    let gaps = columns.as_array().unwrap().iter().find(|c| c["name"] == "gaps").unwrap();
    assert_eq!((&gaps["nulls"], &gaps["nan"], &gaps["infinite"]), (&1.into(), &2.into(), &3.into()));
    assert_eq!(read(&w.out().join("segments/part-00000.parquet")).num_rows(), 300);
}

/// Whether rows of one of the three groups, and only they, have the same segment.
fn groups_are_found(w: &Workshop) -> bool {
    let found = segments(&w.out().join("segments/part-00000.parquet"));
    let first: Vec<i32> = found[..3].to_vec();
    let distinct = first[0] != first[1] && first[1] != first[2] && first[0] != first[2];
    distinct && found.iter().enumerate().all(|(i, s)| *s == first[i % 3])
}

fn a_large_offset_hides_nothing() {
    let w = Workshop::new();
    // Three groups within a spread of 1, a billion from zero.
    let u: Vec<f64> = noise(4).take(300).collect();
    let x = |i: usize| 1e9 + 0.5 * (i % 3) as f64 + 0.1 * u[i];
    write(&w.path("a.parquet"), &[("id", i64s(0..300)), ("x", f64s((0..300).map(x)))]);
    w.run(["fit", &w.text("a.parquet"), "--k", "3"]).succeeds();
    assert!(groups_are_found(&w));
    let centers = part(&w.out())["cluster_centers_"].take();
    for center in centers.as_array().unwrap() {
        let within = center[0].as_f64().unwrap() - 1e9;
        let nearest = [0.05, 0.55, 1.05].iter().map(|c| (c - within).abs()).fold(f64::INFINITY, f64::min);
        assert!(nearest < 0.02, "a centroid at {within}");
    }
}

fn a_huge_value_among_small_ones() {
    let w = Workshop::new();
    let mut table = three_groups(300);
    // Its cube overflows float32, but it is a number: it is kept, and the other columns still count.
    table.push(("huge", f64s((0..300).map(|i| if i == 150 { 1e38 } else { 0.0 }))));
    write(&w.path("a.parquet"), &table);
    let ran = w.run(["fit", &w.text("a.parquet"), "--k", "4"]).succeeds();
    assert!(!ran.err.contains("panicked"));
    let found = segments(&w.out().join("segments/part-00000.parquet"));
    assert_eq!(found.iter().filter(|s| **s == found[150]).count(), 1, "the huge value is not alone");
    let centers = part(&w.out())["cluster_centers_"].to_string();
    assert!(!centers.contains("null"), "a centroid is not finite: {centers}");

    // Without a segment of its own it joins one of the groups, and f32 does not overflow.
    table[3].1 = Arc::new(Float32Array::from_iter_values((0..300).map(|i| if i % 2 == 0 { 3e38 } else { -3e38 })));
    write(&w.path("b.parquet"), &table);
    w.run(["fit", &w.text("b.parquet"), "--k", "2", "--transform", "none"]).succeeds();
    let found = segments(&w.out().join("segments/part-00000.parquet"));
    assert_eq!(found.len(), 300);
}

fn more_segments_than_customers() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(30));
    let input = w.text("a.parquet");
    w.refused(2, &["k = 0", "between 1 and 4096"], ["fit", &input, "--k", "0"]);
    w.refused(3, &["k = 31", "only 30 rows"], ["fit", &input, "--k", "31"]);

    // Forty rows of which four are distinct.
    write(&w.path("b.parquet"), &[("id", i64s(0..40)), ("x", f64s((0..40).map(|i| f64::from(i % 4))))]);
    let input = w.text("b.parquet");
    w.refused(3, &["k = 5", "only 4 rows are distinct", "k up to 4"], ["fit", &input, "--k", "5"]);
    w.run(["fit", &input, "--k", "4"]).succeeds();
    assert_eq!(json(w.out().join("manifest.json"))["outcome"]["counts"], serde_json::json!([10, 10, 10, 10]));

    let w = Workshop::new();
    write(&w.path("none.parquet"), &three_groups(0));
    w.refused(3, &["no rows"], ["fit", &w.text("none.parquet"), "--k", "1"]);
    write(&w.path("one.parquet"), &three_groups(1));
    w.refused(3, &["nothing to cluster by", "\"x\": it is constant"], ["fit", &w.text("one.parquet"), "--k", "1"]);
    write(&w.path("same.parquet"), &[("id", i64s(0..50)), ("x", f64s(vec![2.0; 50]))]);
    w.refused(3, &["\"x\": it is constant"], ["fit", &w.text("same.parquet"), "--k", "2"]);
}

fn one_segment() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(30));
    w.run(["fit", &w.text("a.parquet"), "--k", "1", "--margin"]).succeeds();
    assert!(segments(&w.out().join("segments/part-00000.parquet")).iter().all(|s| *s == 0));
    let x: f64 = noise(1).take(30).enumerate().map(|(i, u)| [0.0, 10.0, 20.0][i % 3] + u - 0.5).sum::<f64>() / 30.0;
    let center = part(&w.out())["cluster_centers_"][0][0].as_f64().unwrap();
    assert!((center - x).abs() < 1e-4, "{center} is not the mean {x}");
}

fn duplicate_and_null_ids() {
    let w = Workshop::new();
    let mut table = three_groups(30);
    let mut ids: Vec<Option<i64>> = (0..30).rev().map(Some).collect();
    ids[3] = ids[9];
    ids[4] = ids[9];
    ids[7] = None;
    table[0].1 = Arc::new(Int64Array::from(ids.clone()));
    write(&w.path("a.parquet"), &table);
    let input = w.text("a.parquet");
    let why = ["\"id\" has 1 nulls and 2 duplicates in 30 rows", "--duplicate-ids keep"];
    w.refused(3, &why, ["fit", &input, "--k", "3"]);
    let ran = w.run(["fit", &input, "--k", "3", "--duplicate-ids", "keep"]).succeeds();
    assert!(ran.err.contains("WARN the id column \"id\" has 1 nulls and 2 duplicates"), "{}", ran.err);
    let kept = read(&w.out().join("segments/part-00000.parquet"));
    assert_eq!(kept.column(0).as_ref(), &Int64Array::from(ids) as &dyn Array);

    let model = w.text("out/model.json");
    let labelled = Workshop::new();
    labelled.refused(3, &why, ["assign", &model, &input]);
    labelled.run(["assign", &model, &input, "--duplicate-ids", "keep"]).succeeds();
    assert_eq!(labels_hash(&labelled.out()), labels_hash(&w.out()));
}

fn ids_of_text() {
    let w = Workshop::new();
    let mut table = three_groups(30);
    let mut ids: Vec<String> = (0..30).map(|i| format!("customer {}", (i * 7) % 30)).collect();
    table[0].1 = Arc::new(StringArray::from(ids.clone()));
    write(&w.path("a.parquet"), &table);
    w.run(["fit", &w.text("a.parquet"), "--k", "3"]).succeeds();
    let kept = column(&read(&w.out().join("segments/part-00000.parquet")), "id");
    assert_eq!(kept.as_ref(), &StringArray::from(ids.clone()) as &dyn Array);

    let w = Workshop::new();
    ids[29] = ids[0].clone();
    table[0].1 = Arc::new(StringArray::from(ids));
    write(&w.path("b.parquet"), &table);
    w.refused(3, &["0 nulls and 1 duplicates"], ["fit", &w.text("b.parquet"), "--k", "3"]);
}

fn weights() {
    let w = Workshop::new();
    let mut table = three_groups(30);
    let mut weights = vec![1.0; 30];
    weights[3] = -1.0;
    weights[5] = f64::NAN;
    table.push(("w", f64s(weights)));
    write(&w.path("a.parquet"), &table);
    let why = ["\"w\" has 2 rows that are null, NaN, infinite or negative", "0 or more"];
    w.refused(3, &why, ["fit", &w.text("a.parquet"), "--k", "3", "--row-weight", "w"]);
    table[3].1 = f64s(vec![0.0; 30]);
    write(&w.path("b.parquet"), &table);
    w.refused(3, &["\"w\" has no weight above 0"], ["fit", &w.text("b.parquet"), "--k", "3", "--row-weight", "w"]);
    table[3].1 = Arc::new(StringArray::from(vec!["heavy"; 30]));
    write(&w.path("c.parquet"), &table);
    w.refused(2, &["\"w\"", "weight"], ["fit", &w.text("c.parquet"), "--k", "3", "--row-weight", "w"]);
}

fn names_that_do_not_exist() {
    let w = Workshop::new();
    write(&w.path("a.parquet"), &three_groups(30));
    let input = w.text("a.parquet");
    let why = ["no column is named \"salary\", \"rent\"", "the input has: id, x, y"];
    w.refused(2, &why, ["fit", &input, "--k", "3", "--features", "x,salary,rent"]);
    w.refused(2, &["\"age\""], ["fit", &input, "--k", "3", "--exclude", "age"]);
    w.refused(2, &["\"key\""], ["fit", &input, "--k", "3", "--id", "key"]);
    w.refused(2, &["\"w\""], ["fit", &input, "--k", "3", "--row-weight", "w"]);
    w.refused(2, &["\"x\" is named twice"], ["fit", &input, "--k", "3", "--features", "x,y,x"]);
    w.refused(2, &["both the id and a feature"], ["fit", &input, "--k", "3", "--id", "x", "--features", "x,y"]);

    // A refused run removes the folder that it created.
    let fresh = w.text("new/deep");
    let ran = crate::harness::hyades(["fit", &input, "--k", "99", "--out", &fresh]);
    assert_eq!(ran.status.code(), Some(3));
    assert!(!w.path("new").exists(), "{:?}", contents(w.path("new/deep").as_path()));
}
