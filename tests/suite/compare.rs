//! `compare` as a user runs it: fits, versions and tables of labels side by side, and refusals.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, StringArray};
use serde_json::Value;

use crate::command::{Ran, Workshop, done, json};
use crate::harness::{hyades, root, tests};
use crate::monthly::{Branch, two_months};
use crate::tables::{f64s, i64s, noise, read, segments, some_f64s, three_groups, write, write_batch};

tests!(
    two_fits_of_one_table,
    a_table_of_labels_in_another_order,
    indices_are_those_of_scikit_learn,
    rows_that_only_one_has,
    noise_is_in_no_index,
    texts_as_segments,
    splits_and_merges_are_told,
    rows_by_their_order,
    small_counts_are_withheld,
    small_segments_are_withheld_everywhere,
    three_labellings,
    versions_of_a_history,
    the_page_in_both_languages,
    any_memory_and_threads_give_the_same_bytes,
    what_cannot_be_compared,
    hostile_names_of_segments,
    internal_indices_of_an_input,
    a_narrow_terminal,
);

/// Writes a table of ids and segments; None: no segment.
fn labels(w: &Workshop, name: &str, rows: impl IntoIterator<Item = (i64, Option<i32>)>) -> String {
    let (ids, segments): (Vec<i64>, Vec<Option<i32>>) = rows.into_iter().unzip();
    write(&w.path(name), &[("id", i64s(ids)), ("segment", Arc::new(Int32Array::from(segments)))]);
    w.text(name)
}

/// Compares, and returns the report.
fn compared(w: &Workshop, labellings: &[&str], more: &[&str]) -> Value {
    let out = w.text("compared.json");
    done([&["compare"], labellings, &["--json", &out], more].concat());
    json(&out)
}

/// The same without withheld counts.
fn all_of(w: &Workshop, labellings: &[&str], more: &[&str]) -> Value {
    compared(w, labellings, &[more, &["--small-cells", "0"]].concat())
}

fn near(found: &Value, expected: f64) {
    let value = found.as_f64().unwrap_or(f64::NAN);
    assert!((value - expected).abs() < 1e-12, "{value}, expected {expected}");
}

fn sentences(pair: &Value) -> String {
    let all = pair["differences"].as_array().expect("sentences");
    all.iter().map(|of| format!("{}\n", of.as_str().expect("text"))).collect()
}

fn two_fits_of_one_table() {
    let w = Workshop::new();
    let bank = root().join("data/customers.parquet").to_str().expect("text").to_owned();
    let (a, b) = (w.text("a"), w.text("b"));
    done(["fit", &bank, "--k", "4", "--backend", "cpu", "--stability", "3", "--out", &a]);
    done(["fit", &bank, "--k", "6", "--backend", "cpu", "--no-profile", "--out", &b]);
    let ran = done(["compare", &a, &b, "--json", &w.text("c.json")]);
    let report = json(w.path("c.json"));
    assert_eq!((&report["matched_by_id"], &report["small_cells"]), (&true.into(), &10.into()));
    let [first, second] = [&report["labellings"][0], &report["labellings"][1]];
    assert_eq!(
        (&first["kind"], &first["algorithm"], &first["rows"]),
        (&"fit".into(), &"kmeans".into(), &20_000.into())
    );
    let manifest = json(w.path("b/manifest.json"));
    assert_eq!(second["memory_bytes"], manifest["plan"]["memory_bytes"]);
    let took: f64 = manifest["stages"].as_array().unwrap().iter().filter_map(|stage| stage["seconds"].as_f64()).sum();
    assert_eq!(second["seconds"], took);
    let counts: Vec<&Value> = second["segments"].as_array().unwrap().iter().map(|segment| &segment["rows"]).collect();
    assert_eq!(serde_json::json!(counts), manifest["outcome"]["counts"]);
    assert_eq!(first["replicates"], 3);
    assert!(first["segments"][0]["stability"].as_f64().is_some() && second["segments"][0].get("stability").is_none());
    assert!(first["starts"][0].as_f64().unwrap() <= first["starts"][1].as_f64().unwrap());
    let pair = &report["pairs"][0];
    assert_eq!((&pair["rows"], &pair["only_a"], &pair["left_out"]), (&20_000.into(), &0.into(), &0.into()));
    let agreement = &pair["agreement"];
    assert!(agreement["completeness"].as_f64() < agreement["homogeneity"].as_f64(), "segments were added: {agreement}");
    assert!(ran.out.contains("A: ") && ran.out.contains("(fit, kmeans)"), "{}", ran.out);
    assert!(ran.out.contains("adjusted Rand") && ran.out.contains("alike in B"), "{}", ran.out);
}

fn a_table_of_labels_in_another_order() {
    let w = Workshop::new();
    write_batch(&w.path("t.parquet"), &crate::tables::batch(&three_groups(600)), 100);
    done(["fit", &w.text("t.parquet"), "--k", "3", "--backend", "cpu", "--id", "id", "--out", &w.text("a")]);
    let fitted = segments(&w.path("a/segments/part-00000.parquet"));
    let ids = crate::tables::integers(&read(&w.path("t.parquet")), "id");
    // The same segments by other numbers, from the last row to the first.
    let rows: Vec<(i64, Option<i32>)> =
        ids.iter().copied().zip(fitted.iter().map(|&segment| Some(9 - segment))).rev().collect();
    let table = labels(&w, "b.parquet", rows);
    let report = all_of(&w, &[&w.text("a"), &table], &[]);
    let pair = &report["pairs"][0];
    for index in ["adjusted_rand", "adjusted_mutual_information", "homogeneity", "completeness", "v_measure"] {
        assert_eq!(pair["agreement"][index], 1.0, "{index}");
    }
    assert_eq!(sentences(pair), "A and B have the same segments, but perhaps for their names.\n");
    let partner = &pair["segments_of_a"][0];
    assert_eq!((&partner["best"], &partner["matched"], &partner["jaccard"]), (&"9".into(), &"9".into(), &1.0.into()));
    assert_eq!(report["labellings"][1]["kind"], "table");
    assert_eq!(report["labellings"][1]["segments"][0]["segment"], "7");
}

/// 500 labels of 7 and 11 segments by the generator of D. Knuth's MMIX, from which Python made the same ones.
fn indices_are_those_of_scikit_learn() {
    let w = Workshop::new();
    let made = |k: u64, seed: u64| {
        let mut state = seed;
        let next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % k) as i32
        };
        std::iter::repeat_with(next).take(500)
    };
    let of_a: Vec<i32> = made(7, 1).collect();
    let of_b: Vec<i32> =
        made(11, 2).zip(&of_a).enumerate().map(|(i, (b, a))| if i % 5 == 0 { b } else { *a }).collect();
    let table = |name: &str, labels_of: &[i32]| labels(&w, name, (0..500).zip(labels_of.iter().copied().map(Some)));
    let (a, b) = (table("a.parquet", &of_a), table("b.parquet", &of_b));
    let agreement = all_of(&w, &[&a, &b], &[])["pairs"][0]["agreement"].take();
    // scikit-learn 1.9.1.
    near(&agreement["adjusted_rand"], 0.6969471503664887);
    near(&agreement["adjusted_mutual_information"], 0.6702635990311638);
    near(&agreement["homogeneity"], 0.7203553994994778);
    near(&agreement["completeness"], 0.645408803749528);
    near(&agreement["v_measure"], 0.6808257465812443);
}

fn rows_that_only_one_has() {
    let w = Workshop::new();
    // 0 to 99 and 40 to 159; the second repeats the ids 40 to 49, in another segment, and has two rows without an id.
    let a = labels(&w, "a.parquet", (0..100).map(|id| (id, Some((id % 2) as i32))));
    let ids = (40..160).chain(40..50).map(Some).chain([None, None]);
    let of_b: Vec<Option<i32>> = (40..160).map(|id| Some(id % 2)).chain((0..12).map(|_| Some(5))).collect();
    let ids: ArrayRef = Arc::new(ids.collect::<arrow::array::Int64Array>());
    write(&w.path("b.parquet"), &[("id", ids), ("segment", Arc::new(Int32Array::from(of_b)))]);
    let ran = done(["compare", &a, &w.text("b.parquet"), "--small-cells", "0", "--json", &w.text("c.json")]);
    let report = json(w.path("c.json"));
    let pair = &report["pairs"][0];
    assert_eq!((&pair["rows"], &pair["only_a"], &pair["only_b"]), (&60.into(), &40.into(), &60.into()));
    let b = &report["labellings"][1];
    assert_eq!((&b["rows"], &b["rows_without_id"], &b["repeated_rows"]), (&120.into(), &2.into(), &10.into()));
    assert_eq!(pair["agreement"]["adjusted_rand"], 1.0, "the first row of an id counts: {pair}");
    // Lines: 0, 1, not in A. Columns: 0, 1, 5 (no row that counts), not in B.
    assert_eq!(pair["contingency"]["counts"], serde_json::json!([[30, 0, 0, 20], [0, 30, 0, 20], [30, 30, 0, 0]]));
    for part in
        ["Rows that only A has: 40; that only B has: 60.", "B: 2 rows without an id", "B: 10 rows repeat the id"]
    {
        assert!(ran.out.contains(part), "no {part:?} in {}", ran.out);
    }
}

fn noise_is_in_no_index() {
    let w = Workshop::new();
    let a = labels(&w, "a.parquet", (0..90).map(|id| (id, Some((id % 3) as i32))));
    // The same, but every fourth row is noise: null in one table, -1 in the other.
    let is_noise = |id: i64| id % 4 == 0;
    let b = labels(&w, "b.parquet", (0..90).map(|id| (id, (!is_noise(id)).then_some((id % 3) as i32))));
    let c = labels(&w, "c.parquet", (0..90).map(|id| (id, Some(if is_noise(id) { -1 } else { (id % 3) as i32 }))));
    let report = all_of(&w, &[&a, &b, &c], &["--noise=-1"]);
    for pair in report["pairs"].as_array().unwrap() {
        assert_eq!((&pair["agreement"]["adjusted_rand"], &pair["left_out"]), (&1.0.into(), &23.into()), "{pair}");
    }
    near(&report["pairs"][0]["left_out_share"], 23.0 / 90.0);
    assert_eq!((&report["labellings"][2]["noise"], &report["labellings"][0]["noise"]), (&23.into(), &0.into()));
    assert_eq!(
        report["notes"][0].as_str().unwrap().split(':').next(),
        Some("rows without a segment (noise) are no cluster")
    );
    let told = done(["compare", &a, &c]);
    assert!(told.out.contains("note: C has") || told.out.contains("note: B has the segment -1"), "{}", told.out);
    let counted = all_of(&w, &[&a, &c], &[]);
    assert!(counted["pairs"][0]["agreement"]["adjusted_rand"].as_f64() < Some(0.8));
    // Nothing but noise.
    let all = labels(&w, "d.parquet", (0..90).map(|id| (id, None)));
    let report = all_of(&w, &[&a, &all], &[]);
    assert_eq!((&report["pairs"][0]["agreement"], &report["pairs"][0]["left_out"]), (&Value::Null, &90.into()));
}

fn texts_as_segments() {
    let w = Workshop::new();
    let names = ["gold", "basic", "小微"];
    let of_a: ArrayRef = Arc::new((0..60).map(|i| Some(names[i % 3])).collect::<StringArray>());
    write(&w.path("a.parquet"), &[("customer_id", i64s(0..60)), ("tier", of_a)]);
    // Numbers with a gap are doubles, as pandas writes them.
    let of_b = some_f64s((0..60).map(|i| (i != 7).then_some(f64::from(i % 3))));
    write(&w.path("b.parquet"), &[("cust", i64s(0..60)), ("cluster", of_b)]);
    let (a, b) = (w.text("a.parquet"), w.text("b.parquet"));
    let more = ["--id", "customer_id,cust", "--segment", "tier,cluster"];
    let report = all_of(&w, &[&a, &b], &more);
    let names: Vec<&Value> =
        report["labellings"][0]["segments"].as_array().unwrap().iter().map(|s| &s["segment"]).collect();
    assert_eq!(serde_json::json!(names), serde_json::json!(["basic", "gold", "小微"]));
    assert_eq!(report["labellings"][1]["segments"][1]["segment"], "1");
    let pair = &report["pairs"][0];
    assert_eq!((&pair["agreement"]["adjusted_rand"], &pair["left_out"]), (&1.0.into(), &1.into()));
    assert_eq!(
        (&pair["segments_of_a"][1]["best"], &pair["segments_of_b"][2]["matched"]),
        (&"0".into(), &"小微".into())
    );
    write(&w.path("b.parquet"), &[("cust", i64s(0..60)), ("cluster", f64s((0..60).map(|i| f64::from(i) / 4.0)))]);
    let refused =
        ["column \"cluster\" has values that are not whole numbers", "name the column of segments with --segment"];
    Ran::from(hyades([&["compare", &a, &b][..], &more].concat())).is_refused(2, &refused);
    std::fs::write(w.path("c.csv"), "cust;cluster\n1;x\n2;y\n3;x\n4;\n").expect("written");
    let more = ["--id", "customer_id,cust", "--segment", "tier,cluster"];
    let report = all_of(&w, &[&a, &w.text("c.csv")], &more);
    assert_eq!((&report["pairs"][0]["rows"], &report["labellings"][1]["noise"]), (&4.into(), &1.into()));
}

fn splits_and_merges_are_told() {
    let w = Workshop::new();
    // 0 is split into 10 and 11, but for a few rows; 1 and 2 become 12; 3 stays, as 13; 4 is scattered.
    let of_b = |id: i64| match (id / 100, id % 100) {
        (0, n) if n < 60 => 10,
        (0, n) if n < 95 => 11,
        (0, _) => 13,
        (1 | 2, _) => 12,
        (3, _) => 13,
        (_, n) => 10 + (n % 4) as i32,
    };
    let a = labels(&w, "a.parquet", (0..500).map(|id| (id, Some((id / 100) as i32))));
    let b = labels(&w, "b.parquet", (0..500).map(|id| (id, Some(of_b(id)))));
    let report = all_of(&w, &[&a, &b], &[]);
    assert_eq!(
        sentences(&report["pairs"][0]),
        "1 of 5 segments of A are found again in B (Jaccard index of 0.75 or more): 3.\n\
         Segment 0 of A is split into 10 (60.0%) and 11 (35.0%) of B.\n\
         Segments 1 and 2 of A are merged in segment 12 of B.\n\
         Segment 4 of A has no counterpart in B: its rows are in 10 (25.0%), 11 (25.0%), 12 (25.0%) and 13 (25.0%).\n"
    );
    let matched: Vec<&Value> =
        report["pairs"][0]["segments_of_a"].as_array().unwrap().iter().map(|of| &of["matched"]).collect();
    assert_eq!(serde_json::json!(matched), serde_json::json!(["10", "12", null, "13", "11"]));
    let back = all_of(&w, &[&b, &a], &[]);
    assert!(sentences(&back["pairs"][0]).contains("Segment 12 of A is split into 1 (44.4%) and 2 (44.4%) of B."));
    for (there, here) in [("homogeneity", "completeness"), ("completeness", "homogeneity")] {
        near(&back["pairs"][0]["agreement"][there], report["pairs"][0]["agreement"][here].as_f64().unwrap());
    }
}

fn rows_by_their_order() {
    let w = Workshop::new();
    let plain = |name: &str, rows: i64, shift: i64| {
        let of: Vec<Option<i32>> = (0..rows).map(|i| Some(((i + shift) % 3) as i32)).collect();
        write(&w.path(name), &[("segment", Arc::new(Int32Array::from(of)))]);
        w.text(name)
    };
    let (a, b) = (plain("a.parquet", 300, 0), plain("b.parquet", 300, 1));
    let with_ids = labels(&w, "c.parquet", (0..300).map(|id| (id, Some((id % 3) as i32))));
    let report = all_of(&w, &[&a, &b, &with_ids], &[]);
    assert_eq!(report["matched_by_id"], false);
    assert_eq!(report["pairs"][0]["agreement"]["adjusted_rand"], 1.0);
    assert_eq!(report["notes"][0], "rows are matched by their order, since there are no ids in A, B");
    let other = plain("d.parquet", 299, 0);
    let expected = ["has no column of ids, and 300 rows where D", "has 299; name the id with --id"];
    let ran: Ran = hyades(["compare", &a, &b, &with_ids, &other]).into();
    ran.is_refused(3, &expected);
}

fn small_counts_are_withheld() {
    let w = Workshop::new();
    // 4 of 200 rows change from 0 to 1, and 30 from 1 to 0.
    let of_b = |id: i64| if id < 4 || (id >= 100 && id < 170) { 1 } else { 0 };
    let a = labels(&w, "a.parquet", (0..200).map(|id| (id, Some((id / 100) as i32))));
    let b = labels(&w, "b.parquet", (0..200).map(|id| (id, Some(of_b(id)))));
    let report = compared(&w, &[&a, &b], &[]);
    let pair = &report["pairs"][0];
    assert_eq!(pair["contingency"]["counts"], serde_json::json!([[null, null, 0], [null, null, 0], [0, 0, 0]]));
    assert_eq!(report["labellings"][0]["segments"][0]["rows"], 100, "sizes are told");
    assert_eq!(
        pair["segments_of_a"][0],
        serde_json::json!({"segment": "0", "best": "0", "jaccard": null, "matched": "0"})
    );
    // scikit-learn 1.9.1, from all counts: 0.4381156597...
    let rounded = pair["agreement"]["adjusted_rand"].as_f64().unwrap();
    assert_eq!((rounded * 1e3).round() / 1e3, rounded);
    assert!(report["notes"].to_string().contains("counts of fewer than 10 rows, and others"), "{}", report["notes"]);
    let ran = done(["compare", &a, &b, "--report", &w.text("p.html")]);
    let page = std::fs::read_to_string(w.path("p.html")).unwrap();
    for text in [&ran.out, &page] {
        assert!(!text.contains("4.0%") && !text.contains(">4<") && !text.contains(" 4 "), "{text}");
    }
    let all = all_of(&w, &[&a, &b], &[]);
    assert_eq!(all["pairs"][0]["contingency"]["counts"][0], serde_json::json!([96, 4, 0]));
}

fn small_segments_are_withheld_everywhere() {
    let w = Workshop::new();
    // Segment 2 has five rows.
    let of_a = |id: i64| Some(if id < 5 { 2 } else { (id % 2) as i32 });
    let a = labels(&w, "a.parquet", (0..300).map(|id| (id, of_a(id))));
    let b = labels(&w, "b.parquet", (0..300).map(|id| (id, Some((id % 2) as i32))));
    let c = labels(&w, "c.parquet", (0..300).map(|id| (id, Some((id % 3) as i32))));
    let report = compared(&w, &[&a, &b, &c], &[]);
    let sizes: Vec<Option<u64>> =
        report["labellings"][0]["segments"].as_array().unwrap().iter().map(|s| s["rows"].as_u64()).collect();
    assert_eq!(sizes[2], None);
    assert!(sizes.iter().filter(|size| size.is_none()).count() > 1, "the sum of all sizes is known: {sizes:?}");
    assert_eq!(report["labellings"][0]["smallest"], Value::Null);
    for pair in report["pairs"].as_array().unwrap().iter().filter(|pair| pair["a"] == "A") {
        let counts = pair["contingency"]["counts"].as_array().unwrap();
        let lines = counts.iter().zip(&sizes);
        for (line, size) in lines.filter(|(_, size)| size.is_none()) {
            assert!(line.as_array().unwrap().iter().any(Value::is_null), "{line} tells the size {size:?}");
        }
    }
    let all = all_of(&w, &[&a, &b, &c], &[]);
    assert_eq!(all["labellings"][0]["smallest"], 5);
}

fn three_labellings() {
    let w = Workshop::new();
    let by = |name: &str, k: i64| labels(&w, name, (0..360).map(|id| (id, Some((id % k) as i32))));
    let tables = [by("a.parquet", 2), by("b.parquet", 4), by("c.parquet", 3), by("d.parquet", 6)];
    let tables: Vec<&str> = tables.iter().map(String::as_str).collect();
    let report = all_of(&w, &tables, &[]);
    let pairs: Vec<String> = report["pairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| format!("{}{}", pair["a"].as_str().unwrap(), pair["b"].as_str().unwrap()))
        .collect();
    assert_eq!(pairs, ["AB", "AC", "AD", "BC", "BD", "CD"]);
    assert_eq!(report["pairs"][0]["agreement"]["homogeneity"], 1.0, "every segment of B is in one of A");
    assert!(sentences(&report["pairs"][0]).contains("Segment 0 of A is split into 0 (50.0%) and 2 (50.0%) of B."));
    let ran = done([&["compare"], &tables[..]].concat());
    assert!(ran.out.contains("The segments of all pairs are in --json and --report."), "{}", ran.out);
}

fn versions_of_a_history() {
    let branch = Branch::new("");
    for (month, groups) in ["2026-09", "2026-10"].iter().zip(two_months()) {
        branch.month(month, &groups);
    }
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    let history = branch.history();
    let first = format!("{history}@v1");
    let report = all_of(&branch.w, &[&first, &history], &[]);
    let [one, two] = [&report["labellings"][0], &report["labellings"][1]];
    assert_eq!((&one["kind"], &one["version"], &two["version"]), (&"version".into(), &1.into(), &2.into()));
    let folder = branch.version(2).to_str().unwrap().to_owned();
    let same = all_of(&branch.w, &[&history, &folder], &[]);
    assert_eq!(same["labellings"][1]["kind"], "version");
    assert_eq!(same["pairs"][0]["agreement"]["adjusted_rand"], 1.0);
    // Segments are called by their lasting ids.
    let ids: Vec<&str> = two["segments"].as_array().unwrap().iter().map(|s| s["segment"].as_str().unwrap()).collect();
    let of_version = json(branch.version(2).join("identity.json"));
    let mut known: Vec<u64> =
        of_version["segments"].as_array().unwrap().iter().map(|s| s["segment_id"].as_u64().unwrap()).collect();
    known.sort_unstable();
    assert_eq!(ids, known.iter().map(u64::to_string).collect::<Vec<_>>());
    Ran::from(hyades(["compare", &history, &format!("{history}@v9")]))
        .is_refused(2, &["version 9 of", "there is none"]);
}

fn the_page_in_both_languages() {
    let w = Workshop::new();
    let a = labels(&w, "a.parquet", (0..400).map(|id| (id, Some((id / 100) as i32))));
    let b = labels(&w, "b.parquet", (0..400).map(|id| (id, (id >= 40).then_some((id / 200) as i32))));
    let page = |lang: &str| {
        done(["compare", &a, &b, "--report", &w.text("p.html"), "--lang", lang, "--small-cells", "0"]);
        std::fs::read_to_string(w.path("p.html")).unwrap()
    };
    let (en, zh) = (page("en"), page("zh"));
    for part in [
        "<h1>Segments compared</h1>",
        "adjusted Rand index",
        "Segments 0 and 1 of A are merged in segment 0 of B.",
        "<td class=\"u4\">100</td>",
        "no segment",
        "Rows without a segment (noise) are no cluster",
    ] {
        assert!(en.contains(part), "no {part} in {en}");
    }
    for part in [
        "<h1>客群划分对比</h1>",
        "调整兰德指数（ARI）",
        "A 的客群 0 和 1 在 B 中合并为客群 0。",
        "未归群",
        "未归入任何客群的行（噪声）不视为客群",
    ] {
        assert!(zh.contains(part), "no {part} in {zh}");
    }
    for page in [&en, &zh] {
        assert!(!page.contains("<script") && !page.contains("http:"), "{page}");
    }
}

fn any_memory_and_threads_give_the_same_bytes() {
    let w = Workshop::new();
    let n = 40_000;
    let random: Vec<f64> = noise(5).take(n).collect();
    let a =
        labels(&w, "a.parquet", (0..n as i64).map(|id| (id * 7 % n as i64, Some((random[id as usize] * 30.0) as i32))));
    let b = labels(&w, "b.parquet", (0..n as i64).rev().map(|id| (id, Some((id % 17) as i32))));
    let bytes = |more: &[&str]| {
        done([&["compare", &a, &b, "--json", &w.text("c.json")], more].concat());
        std::fs::read(w.path("c.json")).unwrap()
    };
    let one = bytes(&["--threads", "1"]);
    // Ids are matched in several rounds.
    assert!(one == bytes(&["--threads", "3", "--memory", "1MiB"]) && one == bytes(&["--threads", "7"]));
    let refused: Ran = hyades(["compare", &a, &b, "--memory", "100KiB"]).into();
    refused.is_refused(4, &["take 157 KiB of memory, and 100 KiB are allowed; raise --memory"]);
}

fn what_cannot_be_compared() {
    let w = Workshop::new();
    let a = labels(&w, "a.parquet", (0..50).map(|id| (id, Some((id % 2) as i32))));
    let refused = |code: i32, parts: &[&str], arguments: &[&str]| {
        Ran::from(hyades([&["compare"], arguments].concat())).is_refused(code, parts);
    };
    refused(2, &["one labelling has nothing to be compared with: name two or more, as in hyades compare A B"], &[&a]);
    refused(2, &["13 labellings: at most 12 are compared at a time"], &[a.as_str(); 13]);
    let apart = labels(&w, "b.parquet", (1000..1050).map(|id| (id, Some(1))));
    refused(3, &["have no row in common by the ids \"id\" and \"id\"; name other columns with --id"], &[&a, &apart]);
    let texts: ArrayRef = Arc::new((0..50).map(|i| Some(format!("c{i}"))).collect::<StringArray>());
    write(&w.path("c.parquet"), &[("id", texts), ("segment", i64s(0..50))]);
    refused(3, &["the ids of A", "are Int64, those of B", "Utf8; store them alike"], &[&a, &w.text("c.parquet")]);
    write(&w.path("d.parquet"), &[("id", i64s(0..50)), ("segmnt", i64s(0..50))]);
    let missing = ["B (", "has no column of segments \"segment\"", "segmnt", "name it with --segment"];
    refused(2, &missing, &[&a, &w.text("d.parquet")]);
    refused(2, &["has no column of ids \"customer\"", "name it with --id"], &[&a, &apart, "--id", "customer"]);
    refused(
        2,
        &["--id names 2 columns for 3 labellings; name one for all, or one for each"],
        &[&a, &a, &a, "--id", "id,id"],
    );
    write(&w.path("e.parquet"), &[("id", i64s(0..5000)), ("segment", i64s(0..5000))]);
    refused(
        2,
        &["column \"segment\" has more than 4096 values; name the column of segments"],
        &[&a, &w.text("e.parquet")],
    );
    refused(8, &["nowhere"], &[&a, "/nowhere"]);
    let empty = labels(&w, "f.parquet", []);
    refused(3, &["have no rows; name labellings of the same rows"], &[&empty, &empty]);
    refused(3, &["have no row in common by the ids"], &[&a, &empty]);
    let onto = ["is read by this run", "a.parquet"];
    let ran: Ran = hyades(["compare", &a, &a, "--json", &a]).into();
    ran.is_refused(2, &onto[1..]);
}

fn hostile_names_of_segments() {
    let w = Workshop::new();
    let long = "x".repeat(500);
    let names = ["<script>alert(1)</script>", "(none)", "\u{202e}evil", long.as_str()];
    let of: ArrayRef = Arc::new((0..80).map(|i| Some(names[i % 4])).collect::<StringArray>());
    write(&w.path("a.parquet"), &[("id", i64s(0..80)), ("segment", of)]);
    let b = labels(&w, "b.parquet", (0..80).map(|id| (id, Some((id % 2) as i32))));
    let ran = done(["compare", &w.text("a.parquet"), &b, "--report", &w.text("p.html"), "--small-cells", "0"]);
    let page = std::fs::read_to_string(w.path("p.html")).unwrap();
    assert!(!page.contains("<script>") && !page.contains('\u{202e}') && !page.contains(&long), "{page}");
    assert!(!ran.out.contains('\u{202e}') && !ran.out.contains(&long), "{}", ran.out);
}

fn internal_indices_of_an_input() {
    let w = Workshop::new();
    write_batch(&w.path("t.parquet"), &crate::tables::batch(&three_groups(150)), 100);
    let (table, a) = (w.text("t.parquet"), w.text("a"));
    done(["fit", &table, "--k", "3", "--backend", "cpu", "--id", "id", "--out", &a]);
    done(["recipe", "apply", &a, &table, "--out", &w.text("p.parquet")]);
    let prepared = read(&w.path("p.parquet"));
    let ids = crate::tables::integers(&prepared, "id");
    let value = |name: &str| -> Vec<f64> {
        let column = crate::tables::column(&prepared, name);
        arrow::array::AsArray::as_primitive::<arrow::datatypes::Float32Type>(&column)
            .iter()
            .map(|v| f64::from(v.unwrap()))
            .collect()
    };
    let (x, y) = (value("x"), value("y"));
    // Two groups in one segment; every tenth row has none.
    let of = |row: usize| (row % 10 != 9).then_some((row % 3).min(1));
    let rows = ids.iter().enumerate().map(|(row, &id)| (id, of(row).map(|segment| segment as i32)));
    let b = labels(&w, "b.parquet", rows.rev());
    let report = all_of(&w, &[&a, &b], &["--input", &table]);
    let kept: Vec<usize> = (0..ids.len()).filter(|&row| of(row).is_some()).collect();
    let d2 = |i: usize, j: usize| (x[i] - x[j]).powi(2) + (y[i] - y[j]).powi(2);
    let silhouette = |&i: &usize| {
        let mean = |segment: usize| {
            let others: Vec<f64> =
                kept.iter().filter(|&&j| j != i && of(j) == Some(segment)).map(|&j| d2(i, j)).collect();
            others.iter().sum::<f64>() / others.len() as f64
        };
        let own = of(i).unwrap();
        let (inside, outside) = (mean(own), mean(1 - own));
        (outside - inside) / inside.max(outside)
    };
    let expected = kept.iter().map(silhouette).sum::<f64>() / kept.len() as f64;
    let scores = &report["labellings"][1]["scores"];
    assert!((scores["silhouette"].as_f64().unwrap() - expected).abs() < 1e-6, "{scores}, expected {expected}");
    assert_eq!(scores["rows"], 135);
    let of_fit = &report["labellings"][0]["scores"];
    assert!(of_fit["explained"].as_f64() > scores["explained"].as_f64(), "{report}");
    assert!(of_fit["silhouette"].as_f64() > Some(0.9) && of_fit["davies_bouldin"].as_f64() < Some(0.2), "{of_fit}");
    assert!(report["labellings"][0]["segments"][0]["silhouette"].as_f64() > Some(0.9));
    let notes = report["notes"].to_string();
    assert!(notes.contains("prepares them; they favour compact segments around a mean, as k-means makes"), "{notes}");
    let ran = done(["compare", &a, &b, "--input", &table, "--report", &w.text("p.html")]);
    let page = std::fs::read_to_string(w.path("p.html")).unwrap();
    assert!(ran.out.contains("Calinski-Harabasz") && page.contains("<h2>Internal indices</h2>"), "{}", ran.out);
    // Rows in another order are found by id.
    let back: Vec<i64> = (0..150).rev().collect();
    let turned = arrow::compute::take_record_batch(&read(&w.path("t.parquet")), &arrow::array::Int64Array::from(back));
    write_batch(&w.path("u.parquet"), &turned.unwrap(), 40);
    let again = all_of(&w, &[&a, &b], &["--input", &w.text("u.parquet")]);
    assert_eq!(again["labellings"][1]["scores"], *scores);
    let ran: Ran = hyades(["compare", &b, &b, "--input", &table]).into();
    ran.is_refused(2, &["--input needs a model whose recipe prepares the rows, and no labelling has one"]);
    let ran: Ran = hyades(["compare", &a, &b, "--model", &a]).into();
    ran.is_refused(2, &["--model says how the rows of --input are prepared; name an input, or leave it out"]);
    done(["compare", &b, &b, "--input", &table, "--model", &a]);
}

fn a_narrow_terminal() {
    let w = Workshop::new();
    let a = labels(&w, "a.parquet", (0..9000).map(|id| (id, Some((id % 7) as i32))));
    let b = labels(&w, "b.parquet", (0..9000).map(|id| (id, Some((id % 11) as i32))));
    let ran = done(["compare", &a, &b, "-q"]);
    let wide = ran.out.lines().find(|line| line.chars().count() > 100);
    assert_eq!(wide, None);
    let command = std::process::Command::new(env!("CARGO_BIN_EXE_hyades"))
        .args(["compare", "--help"])
        .env("COLUMNS", "80")
        .output();
    let help = Ran::from(command.expect("it runs")).succeeds();
    assert!(help.out.lines().all(|line| line.chars().count() <= 80), "{}", help.out);
}
