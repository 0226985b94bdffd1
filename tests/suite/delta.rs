//! Delta tables as inputs: the rows that other readers see, with names, types, versions and deletions; and logs that
//! cannot be read. `data/delta/README.md` gives the origin of the tables.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::Value;

use crate::command::{Workshop, done, json, labels_hash, part};
use crate::harness::{hyades, root, tests};
use crate::tables::{f64s, i64s, integers, noise, read, write, write_batch};

tests!(
    the_current_version_alone,
    an_older_version,
    partition_values_of_the_log,
    columns_that_older_files_lack,
    checkpoints_of_version_two,
    deleted_rows,
    deleted_rows_of_a_public_table,
    names_in_the_files_are_not_the_tables,
    columns_mapped_by_name_or_by_number,
    types_that_were_widened,
    what_cannot_be_widened,
    features_that_nobody_knows,
    logs_and_files_that_are_damaged,
    an_output_inside_a_table,
);

fn table(name: &str) -> String {
    root().join("data/delta").join(name).to_str().expect("text").to_owned()
}

/// A copy of a table that a test can change.
fn copy(w: &Workshop, name: &str) -> PathBuf {
    fn walk(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().flatten() {
            let to = to.join(entry.file_name());
            match entry.path().is_dir() {
                true => walk(&entry.path(), &to),
                false => drop(std::fs::copy(entry.path(), to).unwrap()),
            }
        }
    }
    let to = w.path("table");
    walk(Path::new(&table(name)), &to);
    to
}

/// The report of `check`, without the parts about files.
fn report(w: &Workshop, input: &str) -> Value {
    done(["check", input, "--json", &w.text("check.json")]);
    let mut report = json(w.path("check.json"));
    report.as_object_mut().unwrap().remove("files");
    report
}

/// The results of a fit: hash of the labels, centers, ids in order.
fn fit(w: &Workshop, arguments: &[&str]) -> (String, Value, Vec<i64>) {
    w.run([&["fit"], arguments, &["--k", "3"]].concat()).succeeds();
    let ids = integers(&read(&w.out().join("segments/part-00000.parquet")), "customer_id");
    (labels_hash(&w.out()), part(&w.out())["grid_centers_"].take(), ids)
}

/// A table and an export of it by another reader are the same: every column, every value, every label.
fn same(table: &str, export: &str) {
    let w = Workshop::new();
    assert_eq!(report(&w, table), report(&w, export), "{table}");
    assert_eq!(fit(&w, &[table]), fit(&w, &[export]), "{table}");
}

/// With mapping by name, the field ids in a file are ignored; with mapping by id, the names are.
fn columns_mapped_by_name_or_by_number() {
    for (mode, first) in [("name", 0.0), ("id", 1000.0)] {
        let w = Workshop::new();
        let folder = w.path("mapped");
        std::fs::create_dir_all(folder.join("_delta_log")).unwrap();
        // In the file, the second column has the id that the table gives the first.
        let numbered = |name: &str, id: i32| {
            let id = HashMap::from([("PARQUET:field_id".to_owned(), id.to_string())]);
            Field::new(name, DataType::Float64, true).with_metadata(id)
        };
        let schema = Schema::new(vec![numbered("col-a", 2), numbered("col-b", 1)]);
        let values = |from: i64| f64s((0..90).map(|i| (from + i % 3) as f64));
        let batch = RecordBatch::try_new(Arc::new(schema), vec![values(0), values(1000)]).unwrap();
        write_batch(&folder.join("part.parquet"), &batch, 90);
        let column = |name: &str, physical: &str, id: i32| {
            serde_json::json!({"name": name, "type": "double", "nullable": true, "metadata":
                {"delta.columnMapping.id": id, "delta.columnMapping.physicalName": physical}})
        };
        let fields = [column("a", "col-a", 1), column("b", "col-b", 2)];
        let schema = serde_json::json!({"type": "struct", "fields": fields}).to_string();
        let configuration =
            serde_json::json!({"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "2"});
        let size = std::fs::metadata(folder.join("part.parquet")).unwrap().len();
        let log = [
            serde_json::json!({"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}}),
            serde_json::json!({"metaData": {"id": "m", "format": {"provider": "parquet", "options": {}},
                "schemaString": schema, "partitionColumns": [], "configuration": configuration, "createdTime": 0}}),
            serde_json::json!({"add": {"path": "part.parquet", "partitionValues": {}, "size": size,
                "modificationTime": 0, "dataChange": true}}),
        ];
        let text: String = log.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(folder.join("_delta_log/00000000000000000000.json"), text).unwrap();
        let report = report(&w, folder.to_str().unwrap());
        assert_eq!(report["columns"][0]["name"], "a");
        assert_eq!(report["columns"][0]["numbers"]["min"], first, "{mode}: {:#}", report["columns"][0]);
    }
}

fn the_current_version_alone() {
    same(&table("appended"), &table("appended.parquet"));
    let w = Workshop::new();
    let said = w.run(["fit", &table("appended"), "--k", "3"]).succeeds();
    assert!(said.err.contains("appended is read as of version 3"), "{}", said.err);
    let inputs = json(w.out().join("manifest.json"))["inputs"]["files"].take();
    assert_eq!(inputs.as_array().unwrap().len(), 2);
    assert_eq!((&inputs[1]["table"], &inputs[1]["table_version"]), (&table("appended").into(), &3.into()));
    assert_eq!(inputs[1]["footer_blake3"].as_str().unwrap().len(), 64);
}

fn an_older_version() {
    let w = Workshop::new();
    let input = |version: u64| format!("{}@v{version}", table("appended"));
    let (.., mut ids) = fit(&w, &[&input(1)]);
    ids.sort_unstable();
    assert_eq!(ids, (1000..1006).chain(2000..2006).collect::<Vec<_>>());
    assert_eq!(json(w.out().join("manifest.json"))["inputs"]["files"][0]["table_version"], 1);
    assert_eq!(fit(&w, &[&input(3)]), fit(&w, &[&table("appended")]));
    hyades_refuses(&input(9), &["appended: this Delta table has no version 9"]);
    // Only tables have versions.
    hyades_refuses(&table("public@v1"), &["public@v1", "no such file"]);
}

fn hyades_refuses(input: &str, parts: &[&str]) {
    let ran: crate::command::Ran = hyades(["check", input]).into();
    ran.is_refused(
        if parts.iter().any(|p| p.contains("no such file") || p.contains("no version")) { 8 } else { 3 },
        parts,
    );
}

/// Nulls, slashes and percent signs, in columns of six types.
fn partition_values_of_the_log() {
    same(&table("partitioned"), &table("partitioned.parquet"));
    // The folders' names are ignored: the values come from the log.
    let w = Workshop::new();
    let log = copy(&w, "partitioned").join("_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replace("\"tier\":\"1\"", "\"tier\":\"7\"")).unwrap();
    let tier = |report: &Value| {
        let columns = report["columns"].as_array().unwrap();
        columns.iter().find(|c| c["name"] == "tier").unwrap()["numbers"]["max"].as_f64()
    };
    assert_eq!((tier(&report(&w, &w.text("table"))), tier(&report(&w, &table("partitioned")))), (Some(7.0), Some(1.0)));
    std::fs::write(&log, text.replace("\"tier\":\"1\"", "\"tier\":\"70000\"")).unwrap();
    hyades_refuses(&w.text("table"), &["\"tier\"", "70000", "Int16"]);
}

/// A classic checkpoint, with earlier log entries removed.
fn columns_that_older_files_lack() {
    same(&table("evolved"), &table("evolved.parquet"));
    let w = Workshop::new();
    let score = report(&w, &table("evolved"))["columns"][3].take();
    assert_eq!((&score["name"], &score["nulls"]), (&"score".into(), &12.into()));
}

fn checkpoints_of_version_two() {
    let w = Workshop::new();
    let log = copy(&w, "evolved").join("_delta_log");
    std::fs::remove_file(log.join("00000000000000000002.checkpoint.parquet")).unwrap();
    std::fs::remove_file(log.join("_last_checkpoint")).unwrap();
    hyades_refuses(&w.text("table"), &["cannot read the log of this Delta table"]);
    let json = "00000000000000000002.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json";
    let sidecar = "_sidecars/3a0d65cd-4056-49b8-937b-95f9e3ee90e5.parquet";
    std::fs::create_dir(log.join("_sidecars")).unwrap();
    for file in [json, sidecar] {
        std::fs::copy(format!("{}/{file}", table("evolved-sidecars")), log.join(file)).unwrap();
    }
    same(&w.text("table"), &table("evolved.parquet"));
}

/// Two files; in one, the first of two row groups is deleted completely. Also with joins and rules.
fn deleted_rows() {
    let (deleted, export) = (table("deleted"), table("deleted.parquet"));
    same(&deleted, &export);
    let w = Workshop::new();
    let ids = integers(&read(Path::new(&export)), "customer_id");
    assert_eq!(ids.len(), 9);
    write(&w.path("beside.parquet"), &[("customer_id", i64s(ids.clone())), ("z", f64s(noise(3).take(9)))]);
    let rules = "[[rule]]\nname = \"idle\"\nwhen = \"visits < 1\"\n";
    std::fs::write(w.path("rules.toml"), rules).unwrap();
    let beside = ["--join", &w.text("beside.parquet")];
    assert_eq!(
        fit(&w, &[&[deleted.as_str()][..], &beside].concat()),
        fit(&w, &[&[export.as_str()][..], &beside].concat())
    );
    let labels = |input: &str| {
        w.run([&["fit", input, "--k", "2", "--rules", &w.text("rules.toml")][..], &beside].concat()).succeeds();
        (labels_hash(&w.out()), integers(&read(&w.out().join("segments/part-00000.parquet")), "customer_id"))
    };
    assert_eq!(labels(&deleted), labels(&export));
    // As the joined table.
    let left = w.text("beside.parquet");
    assert_eq!(fit(&w, &[&left, "--join", &deleted]), fit(&w, &[&left, "--join", &export]));
    assert_eq!(json(w.out().join("manifest.json"))["inputs"]["joins"][0]["matched"], 9);
}

/// The smallest and largest value of a column of a report.
fn range(column: &Value) -> [f64; 2] {
    ["min", "max"].map(|end| column["numbers"][end].as_f64().unwrap())
}

/// Ten rows from 0 to 9; a deletion vector in a file deletes the first and the last.
fn deleted_rows_of_a_public_table() {
    let w = Workshop::new();
    let report = report(&w, &table("public/table-with-dv-small"));
    let value = &report["columns"][0];
    assert_eq!((&report["rows"], &value["name"]), (&8.into(), &"value".into()));
    assert_eq!(range(value), [1.0, 8.0]);
}

/// Mapped by id and by name; one file has a column that the table does not name.
fn names_in_the_files_are_not_the_tables() {
    let w = Workshop::new();
    let mapped = copy(&w, "public/cdf-column-mapping-id-mode");
    let check = || {
        let report = report(&w, &w.text("table"));
        let names: Vec<&str> =
            report["columns"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!((names, &report["rows"]), (vec!["id", "name", "value"], &3.into()));
        assert_eq!(range(&report["columns"][2]), [150.0, 450.0]);
    };
    check();
    let logs = || std::fs::read_dir(mapped.join("_delta_log")).unwrap().flatten().map(|e| e.path());
    let before: Vec<(PathBuf, String)> =
        logs().map(|log| (log.clone(), std::fs::read_to_string(log).unwrap())).collect();
    let rewrite = |from: &str, to: &str| {
        assert!(before.iter().any(|(_, text)| text.contains(from)));
        before.iter().for_each(|(log, text)| std::fs::write(log, text.replace(from, to)).unwrap());
    };
    // Field ids take precedence, and names are used where ids do not apply.
    rewrite("col-", "other-");
    check();
    rewrite("\"delta.columnMapping.mode\":\"id\"", "\"delta.columnMapping.mode\":\"name\"");
    check();
}

/// Each of the 13 type changes of the protocol; the older file has the narrower types.
fn types_that_were_widened() {
    let w = Workshop::new();
    let widened = table("public/type-widening");
    done(["check", &widened, "--json", &w.text("check.json")]);
    let report = json(w.path("check.json"));
    assert_eq!((&report["schema_differences"], &report["rows"]), (&Value::Array(Vec::new()), &2.into()));
    let smallest: Vec<(&str, f64)> = report["columns"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| Some((c["name"].as_str()?, c["numbers"]["min"].as_f64()?)))
        .collect();
    assert_eq!(
        smallest,
        [
            ("byte_long", 1.0),
            ("int_long", 2.0),
            ("float_double", 1.234567890123),
            ("byte_double", 1.234567890123),
            ("short_double", 1.234567890123),
            ("int_double", 1.234567890123),
            ("decimal_decimal_same_scale", 123.45),
            ("decimal_decimal_greater_scale", 67.89),
            ("byte_decimal", 1.0),
            ("short_decimal", 2.0),
            ("int_decimal", 3.0),
            ("long_decimal", 4.0),
        ]
    );
}

fn what_cannot_be_widened() {
    let w = Workshop::new();
    let log = copy(&w, "appended").join("_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&log).unwrap();
    let (visits, day) = ("visits\\\",\\\"type\\\":\\\"integer", "visits\\\",\\\"type\\\":\\\"date");
    assert!(text.contains(visits));
    std::fs::write(&log, text.replace(visits, day)).unwrap();
    let input = w.text("table");
    w.refused(3, &["visits", "Int32", "Date32"], ["fit", &input, "--k", "3", "--include", "visits"]);
}

fn features_that_nobody_knows() {
    let w = Workshop::new();
    let log = copy(&w, "appended").join("_delta_log/00000000000000000004.json");
    let protocol = "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"rowsFromTheFuture\"],\"writerFeatures\":[\"rowsFromTheFuture\"]}}";
    std::fs::write(&log, protocol).unwrap();
    let input = w.text("table");
    w.refused(3, &["table", "rowsFromTheFuture", "export"], ["fit", &input, "--k", "3"]);
}

fn logs_and_files_that_are_damaged() {
    let w = Workshop::new();
    let input = w.text("table");
    let damaged = |name: &str, file: &str, change: &dyn Fn(Vec<u8>) -> Vec<u8>, parts: &[&str]| {
        let path = copy(&w, name).join(file);
        std::fs::write(&path, change(std::fs::read(&path).unwrap())).unwrap();
        w.refused(3, parts, ["fit", &input, "--k", "3"]);
        std::fs::remove_dir_all(&input).unwrap();
    };
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let replaced = |from: &'static str, to: &'static str| {
        move |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.contains(from), "{text}");
            text.replace(from, to).into_bytes()
        }
    };
    damaged("appended", "_delta_log/00000000000000000003.json", &cut, &["00000000000000000003.json, line"]);
    damaged("evolved", "_delta_log/00000000000000000002.checkpoint.parquet", &cut, &["checkpoint.parquet", "PAR1"]);
    damaged(
        "deleted",
        "_delta_log/00000000000000000002.json",
        &replaced("\"storageType\": \"i\"", "\"storageType\": \"u\""),
        &["cannot read the log of this Delta table"],
    );
    // A row beyond the end of the file.
    damaged(
        "deleted",
        "_delta_log/00000000000000000002.json",
        &|bytes| {
            let text = String::from_utf8(bytes).unwrap();
            let mut vectors: Vec<&str> =
                text.split("pathOrInlineDv\": \"").skip(1).map(|t| t.split('"').next().unwrap()).collect();
            vectors.sort_by_key(|v| v.len());
            let (short, long) = (vectors[0], vectors[1]);
            text.replace(short, "#")
                .replace(long, short)
                .replace('#', long)
                .replace("\"sizeInBytes\": 38", "\"sizeInBytes\": 1")
                .replace("\"sizeInBytes\": 48", "\"sizeInBytes\": 38")
                .into_bytes()
        },
        &["deletes its row 11", "part-00000", "version 2"],
    );
    let gone = copy(&w, "appended");
    for entry in std::fs::read_dir(&gone).unwrap().flatten().filter(|e| e.path().extension().is_some()) {
        std::fs::remove_file(entry.path()).unwrap();
    }
    w.refused(3, &["table, version 3", "is gone", "VACUUM"], ["fit", &input, "--k", "3"]);
}

fn an_output_inside_a_table() {
    let w = Workshop::new();
    copy(&w, "appended");
    for input in [w.text("table"), w.text("table") + "@v1"] {
        let ran: crate::command::Ran = hyades(["fit", &input, "--k", "3", "--out", &w.text("table/out")]).into();
        ran.is_refused(2, &["lies inside the input"]);
        assert!(!w.path("table/out").exists());
    }
}
