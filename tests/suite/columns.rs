//! Which columns are for what: by name, by shape and by request.

use crate::command::{Workshop, json};
use crate::harness::tests;
use crate::tables::{i64s, three_groups, write};

tests!(outcomes_are_no_features, outcomes_have_no_other_role,);

const ROWS: usize = 90;

/// A table of three groups, with further columns.
fn table(w: &Workshop, more: &[&'static str]) -> String {
    let path = w.path("bank.parquet");
    let mut columns = three_groups(ROWS);
    columns.extend(more.iter().map(|&name| (name, i64s((0..ROWS as i64).map(|i| i % 2)))));
    write(&path, &columns);
    w.text("bank.parquet")
}

/// The columns that a fit left out, from its manifest.
fn left_out(w: &Workshop) -> serde_json::Value {
    json(w.out().join("manifest.json"))["inputs"]["left_out"].take()
}

fn outcomes_are_no_features() {
    let w = Workshop::new();
    let input = table(&w, &["churned", "paid_late"]);
    w.run(["fit", &input, "--k", "3", "--outcome", "paid_late"]).succeeds();
    let told = left_out(&w).to_string();
    assert!(told.contains("churned") && told.contains("likely an outcome, by its name"), "{told}");
    assert!(told.contains(r#"["paid_late","an outcome"]"#), "{told}");
    // A column is used in spite of its name if it is included.
    w.run(["fit", &input, "--k", "3", "--include", "churned"]).succeeds();
    assert!(!left_out(&w).to_string().contains("churned"));
}

fn outcomes_have_no_other_role() {
    let w = Workshop::new();
    let input = table(&w, &["paid_late"]);
    let fit = |options: &[&str], parts: &[&str]| {
        w.refused(2, parts, [&["fit", &input, "--k", "3", "--outcome", "paid_late"], options].concat());
    };
    fit(&["--include", "paid_late"], &["\"paid_late\" is named both in --include and in --outcome"]);
    fit(&["--row-weight", "paid_late"], &["\"paid_late\" has another role and cannot be in --outcome"]);
    fit(&["--outcome", "paid"], &["no column is named \"paid\""]);
}
