//! Which columns are for what: by name, by shape and by request.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use hyades::input::Source;
use hyades::roles::{LeftOutColumn, RoleRequest, Roles};

use crate::command::{Workshop, done, json, model, part};
use crate::harness::{folder, root, tests};
use crate::tables::{batch, f64s, i64s, noise, read, some_f64s, three_groups, write, write_batch};

tests!(
    outcomes_are_no_features,
    outcomes_have_no_other_role,
    names_mean_what_they_mean,
    a_chinese_bank,
    ids_by_shape,
    few_rows_have_no_shape,
    ids_of_pandas,
    an_id_that_is_missing_is_warned_of,
    comments_are_read,
    words_of_a_bank,
    one_line_for_each_reason,
    commas_in_names,
    check_and_recipe_decide_as_fit_does,
);

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

/// Opens a table and resolves its roles.
fn resolved(path: &Path, request: &RoleRequest) -> (Source, Roles) {
    let source = Source::open(&[path.to_path_buf()]).unwrap();
    let roles = request.resolve(&source).unwrap();
    (source, roles)
}

fn feature_names(source: &Source, roles: &Roles) -> Vec<String> {
    roles.features.iter().map(|&f| source.columns()[f].name.clone()).collect()
}

/// What was decided about a column, as in data/names.tsv.
fn verdict(source: &Source, roles: &Roles, name: &str) -> String {
    let at = source.position(name).unwrap();
    let Some(left) = roles.left_out.iter().find(|left| left.column == name) else {
        return if roles.codes.contains(&at) { "code".into() } else { "feature".into() };
    };
    let why = left.why();
    match why.strip_prefix("a protected attribute (").and_then(|rest| rest.split_once(')')) {
        Some((attribute, _)) => format!("protected:{attribute}"),
        None if why.starts_with("an id, by its name") => "id".into(),
        None if why.starts_with("row numbers of pandas") => "index".into(),
        None if why.starts_with("likely an outcome") => "outcome".into(),
        None if why.ends_with("by its name; --include to use it") => "personal".into(),
        None => why,
    }
}

/// Names in eight languages, with those that only look like one of the words.
fn names_mean_what_they_mean() {
    let text = std::fs::read_to_string(root().join("data/names.tsv")).unwrap();
    let names: Vec<(&str, &str)> = text.lines().map(|line| line.split_once('\t').unwrap()).collect();
    assert!(names.len() >= 300);
    let folder = folder();
    let path = folder.path().join("names.parquet");
    let mut columns: Vec<(&str, ArrayRef)> = names.iter().map(|(name, _)| (*name, i64s([3, 1, 2, 3]))).collect();
    columns.push(("the row", i64s([1, 2, 3, 4])));
    write(&path, &columns);
    let (source, roles) = resolved(&path, &RoleRequest { id: Some("the row".into()), ..RoleRequest::default() });
    let wrong: Vec<String> = names
        .iter()
        .map(|(name, expected)| (name, expected, verdict(&source, &roles, name)))
        .filter(|(_, expected, found)| *expected != found)
        .map(|(name, expected, found)| format!("{name}: {found}, expected {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A bank that speaks Chinese is clustered by balances and transactions.
fn a_chinese_bank() {
    let w = Workshop::new();
    let path = w.path("bank.parquet");
    let n = 1200;
    let count = |seed, groups: [i64; 3], spread: f64| {
        i64s(noise(seed).take(n).enumerate().map(|(i, u)| groups[i % 3] + (u * spread) as i64).collect::<Vec<_>>())
    };
    let flag = |every: i64| i64s((0..n as i64).map(|i| i64::from(i % every == 0)));
    write(
        &path,
        &[
            ("客户号", i64s((0..n as i64).map(|i| 880_000 + 7 * i))),
            ("年龄", count(1, [20, 40, 60], 15.0)),
            ("性别", flag(2)),
            ("民族", flag(5)),
            ("婚姻状况", flag(3)),
            ("手机号", i64s((0..n as i64).map(|i| 13_800_000_000 + 31 * i))),
            ("是否流失", flag(7)),
            ("余额", count(2, [1000, 50_000, 900_000], 500.0)),
            ("交易次数", count(3, [3, 40, 12], 3.0)),
            ("月均消费金额", count(4, [200, 2500, 9000], 150.0)),
            ("手机银行登录次数", count(5, [30, 5, 1], 4.0)),
        ],
    );
    let ran = w.run(["fit", &w.text("bank.parquet"), "--k", "3", "--audit"]).succeeds();
    let features = part(&w.out())["feature_names_in_"].take();
    assert_eq!(features, serde_json::json!(["余额", "交易次数", "月均消费金额", "手机银行登录次数"]));
    assert_eq!(model(&w.out())["provenance"]["id_column"], "客户号");
    for told in ["年龄 (age)", "性别 (sex)", "民族 (nationality or origin)", "手机号 (phone numbers)", "是否流失"]
    {
        assert!(ran.err.contains(told), "{told}: {}", ran.err);
    }
}

fn whys(roles: &Roles) -> Vec<(String, String)> {
    roles.left_out.iter().map(|left: &LeftOutColumn| (left.column.clone(), left.why())).collect()
}

/// Whole numbers, none missing, all different, in a narrow range; with statistics in the footer and without.
fn ids_by_shape() {
    let folder = folder();
    let n = 3000i64;
    let shuffled = |step: i64, wide: i64| (0..n).map(move |i| i * step % wide);
    let mut columns = vec![
        ("wide", i64s(shuffled(4001, 12_007 * 4).map(|v| v * 5))),
        ("dense", i64s(shuffled(1009, 3001))),
        ("as_double", f64s(shuffled(1009, 3001).map(|v| v as f64))),
        ("with_null", some_f64s(shuffled(1009, 3001).map(|v| (v != 5).then_some(v as f64)))),
        ("with_fraction", f64s(shuffled(1009, 3001).map(|v| v as f64 + if v == 2990 { 0.5 } else { 0.0 }))),
        ("repeats_once", i64s((0..n).map(|i| if i == n - 1 { 0 } else { i }))),
        ("amount", i64s((0..n).map(|i| i * i % 977))),
    ];
    columns.push(("id", i64s((0..n).map(|i| 10 * i))));
    let path = folder.path().join("shape.parquet");
    write_batch(&path, &batch(&columns), 700);
    let (source, roles) = resolved(&path, &RoleRequest::default());
    let features = ["wide", "with_null", "with_fraction", "repeats_once", "amount"];
    assert_eq!(feature_names(&source, &roles), features);
    let why = "likely an id: whole numbers, each of them different; --id to use it as the id, --include as a feature";
    assert_eq!(whys(&roles), [("dense".into(), why.into()), ("as_double".into(), why.into())]);
    // What is asked for is a feature, whatever its shape.
    let include = vec!["dense".to_owned(), "as_double".into()];
    let (_, roles) = resolved(&path, &RoleRequest { include, ..RoleRequest::default() });
    assert_eq!(roles.features.len(), 7);
}

/// Incomes of a small table are all different, too.
fn few_rows_have_no_shape() {
    let folder = folder();
    let path = folder.path().join("small.parquet");
    let income = |rows: i64| i64s((0..rows).map(|i| 1000 + i * 7 % rows));
    write(&path, &[("income", income(999)), ("x", f64s((0..999).map(|i| f64::from(i % 10))))]);
    let (source, roles) = resolved(&path, &RoleRequest::default());
    assert_eq!(feature_names(&source, &roles), ["income", "x"]);
    write(&path, &[("income", income(1000)), ("x", f64s((0..1000).map(|i| f64::from(i % 10))))]);
    let (source, roles) = resolved(&path, &RoleRequest::default());
    assert_eq!(feature_names(&source, &roles), ["x"]);
}

/// Files of pandas: an id with a blank in its name, an id that became a double, an index as a column.
fn ids_of_pandas() {
    let case = |name: &str| root().join("data/cases").join(name);
    let (source, roles) = resolved(&case("id_customer_space_id.parquet"), &RoleRequest::default());
    assert_eq!(roles.id.map(|id| source.columns()[id].name.as_str()), Some("Customer ID"));
    assert!(!feature_names(&source, &roles).contains(&"Customer ID".to_owned()));
    let (source, roles) = resolved(&case("id_pandas_index.parquet"), &RoleRequest::default());
    assert!(!feature_names(&source, &roles).iter().any(|name| name.starts_with("__index")));
    assert!(
        whys(&roles).contains(&("__index_level_0__".into(), "row numbers of pandas; --include to use them".into()))
    );
    let (source, roles) = resolved(&case("float_customer_id.parquet"), &RoleRequest::default());
    assert_eq!(roles.id.map(|id| source.columns()[id].name.as_str()), Some("CustomerID"));
}

fn an_id_that_is_missing_is_warned_of() {
    let w = Workshop::new();
    let columns = three_groups(ROWS);
    write(&w.path("bank.parquet"), &columns[1..]);
    let ran = w.run(["fit", &w.text("bank.parquet"), "--k", "3"]).succeeds();
    assert!(ran.err.contains("WARN no id column: rows are numbered; --id NAME"), "{}", ran.err);
}

/// What a table says of its columns counts like their names.
fn comments_are_read() {
    let folder = folder();
    let path = folder.path().join("bank.parquet");
    let values: ArrayRef = Arc::new(Int64Array::from(vec![3, 1, 2, 3]));
    let comments = [
        ("id", ""),
        ("c1", "Gender of the customer"),
        ("c2", "客户年龄"),
        ("c3", "phone number"),
        ("c4", "age of the account, in days"),
        ("c5", "balance at the end of the month of all accounts that the customer and the family hold"),
    ];
    let field = |(name, comment): &(&str, &str)| {
        let metadata = HashMap::from([("comment".to_owned(), (*comment).to_owned())]);
        Field::new(*name, DataType::Int64, true).with_metadata(metadata)
    };
    let schema = Arc::new(Schema::new(comments.iter().map(field).collect::<Vec<_>>()));
    write_batch(&path, &RecordBatch::try_new(schema, vec![values; 6]).unwrap(), 100);
    let (source, roles) = resolved(&path, &RoleRequest::default());
    assert_eq!(feature_names(&source, &roles), ["c4", "c5"]);
    assert_eq!(verdict(&source, &roles, "c1"), "protected:sex");
    assert_eq!(verdict(&source, &roles, "c2"), "protected:age");
    let why = "likely phone numbers, by its comment; --include to use it";
    assert_eq!(verdict(&source, &roles, "c3"), why);
    let w = Workshop::new();
    let input = path.to_str().unwrap();
    let ran = w.run(["fit", input, "--k", "2", "--duplicate-ids", "keep"]).succeeds();
    let line = "not features (likely personal data, by their comments): c3 (phone numbers); --include to use them";
    assert!(ran.err.contains(line), "{}", ran.err);
    let carry = ["fit", input, "--k", "2", "--carry", "c3"];
    w.run(carry).is_refused(2, &["--carry c3: it is likely phone numbers, by its comment"]);
    done(["check", input, "--json", &w.text("check.json")]);
    let findings = json(w.text("check.json"))["findings"].to_string();
    for found in ["a protected attribute (sex), by its comment; a fit", "likely phone numbers, by its comment; a fit"] {
        assert!(findings.contains(found), "no {found} in {findings}");
    }
}

fn words_of_a_bank() {
    let w = Workshop::new();
    let input = table(&w, &["kz_gs_cd", "milieu"]);
    let words = w.text("words.txt");
    std::fs::write(&words, "# ours\nkz_gs = sex\n\nMilieu\n").unwrap();
    let ran = w.run(["fit", &input, "--k", "3", "--audit", "--protected-words", &words]).succeeds();
    assert!(ran.err.contains("kz_gs_cd (sex), milieu (by --protected-words)"), "{}", ran.err);
    let audit = json(w.out().join("audit.json"));
    assert_eq!(audit["attributes"][0]["attribute"], "sex");
    std::fs::write(&words, "sex\n = sex\nx =\n").unwrap();
    let refused = w.run(["fit", &input, "--k", "3", "--protected-words", &words]);
    refused.is_refused(2, &["words.txt: line 2, 3: expected \"word\" or \"word = attribute\""]);
}

fn one_line_for_each_reason() {
    let w = Workshop::new();
    let input = table(&w, &["sex", "age", "churned", "EDUCATION"]);
    let ran = w.run(["fit", &input, "--k", "3"]).succeeds();
    assert!(ran.err.contains("not features (protected attributes): sex (sex), age (age); --include"), "{}", ran.err);
    assert!(ran.err.contains("not features (likely outcomes, by their names): churned; --include"), "{}", ran.err);
    assert!(ran.err.contains("likely codes, used as quantities: EDUCATION; encode them"), "{}", ran.err);
    assert_eq!(left_out(&w).as_array().map(Vec::len), Some(3), "all of them are in the manifest");
    // Text is no feature, so nothing offers to include it.
    let mut columns = three_groups(ROWS);
    let text =
        |of: &[&str]| -> ArrayRef { Arc::new((0..ROWS).map(|i| Some(of[i % of.len()])).collect::<StringArray>()) };
    columns.push(("gender", text(&["f", "m"])));
    columns.push(("churned", text(&["yes", "no"])));
    write(&w.path("text.parquet"), &columns);
    let ran = w.run(["fit", &w.text("text.parquet"), "--k", "3"]).succeeds();
    assert!(!ran.err.contains("--include"), "{}", ran.err);
    assert!(ran.err.contains("not features (likely outcomes, by their names): churned\n"), "{}", ran.err);
    let whys: Vec<String> =
        left_out(&w).as_array().unwrap().iter().map(|left| left.to_string()).filter(|l| l.contains("--inc")).collect();
    assert_eq!(whys, Vec::<String>::new());
}

/// A comma belongs to a name behind a backslash or within quotes.
fn commas_in_names() {
    let w = Workshop::new();
    let input = table(&w, &["balance, EUR", "calls"]);
    for list in ["x,balance\\, EUR", "x,\"balance, EUR\""] {
        w.run(["fit", &input, "--k", "3", "--features", list, "--carry", list]).succeeds();
        let labels = read(&w.out().join("segments/part-00000.parquet"));
        assert!(labels.column_by_name("balance, EUR").is_some());
        assert_eq!(part(&w.out())["feature_names_in_"], serde_json::json!(["x", "balance, EUR"]));
    }
    let refused = w.run(["fit", &input, "--k", "3", "--features", "x,balance, EUR"]);
    refused.is_refused(2, &["no column is named \"balance\"", "a comma in a name is written as \\,"]);
}

/// `check` and `recipe init` see the same ids, outcomes and codes.
fn check_and_recipe_decide_as_fit_does() {
    let w = Workshop::new();
    let path = w.path("bank.parquet");
    let n = 1500;
    let mut columns = three_groups(n);
    columns.push(("serial", i64s((0..n as i64).map(|i| 5 + i))));
    columns.push(("branch_id", i64s((0..n as i64).map(|i| i % 9))));
    columns.push(("churned", i64s((0..n as i64).map(|i| i % 2))));
    columns.push(("product_code", i64s((0..n as i64).map(|i| i % 4))));
    write(&path, &columns);
    let (report, input) = (w.text("check.json"), w.text("bank.parquet"));
    done(["check", &input, "--json", &report]);
    let kind = |column: &str| {
        let findings = json(&report)["findings"].take();
        let found = findings.as_array().unwrap().iter().find(|f| f["column"] == column).map(|f| f["kind"].clone());
        found.unwrap_or_default()
    };
    let kinds = ["serial", "branch_id", "churned", "product_code"].map(kind);
    assert_eq!(kinds, ["likely_id", "second_id", "outcome", "code"]);
    let recipe = done(["recipe", "init", &input]).out;
    for (column, why) in [
        ("serial", "no feature: likely an id"),
        ("branch_id", "no feature: an id, by its name"),
        ("churned", "no feature: likely an outcome"),
        ("product_code", "# encode = \"one-hot\""),
    ] {
        let after = recipe.split_once(&format!("# {column}: ")).unwrap().1;
        let paragraph = after.split("\n\n").next().unwrap();
        assert!(paragraph.contains(why), "{column}: {paragraph}");
    }
    w.run(["fit", &input, "--k", "3"]).succeeds();
    assert_eq!(part(&w.out())["feature_names_in_"], serde_json::json!(["x", "y", "product_code"]));
}
