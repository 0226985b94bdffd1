//! The program's output: tables, plans, logs, help.

use serde_json::Value;

use crate::command::{Ran, Workshop, done, json, labels_hash};
use crate::harness::{folder, hyades, root, tests};

tests!(
    help_fits_80_columns_and_documents_exit_codes,
    quiet_prints_the_table_alone,
    json_lines,
    a_recipe_is_printed,
    a_plan_does_no_work,
    the_doctor_answers,
    a_bench_proves_agreement,
    a_bench_tells_what_a_million_costs,
);

fn bank() -> String {
    root().join("data/customers.parquet").to_str().expect("text").to_owned()
}

fn help_fits_80_columns_and_documents_exit_codes() {
    for verb in [
        "",
        "fit",
        "assign",
        "plan",
        "check",
        "bench",
        "doctor",
        "features rfm",
        "synth",
        "history list",
        "history approve",
    ] {
        for flag in ["-h", "--help"] {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hyades"));
            let words = verb.split_whitespace().chain([flag]);
            let ran = Ran::from(command.args(words).env("COLUMNS", "80").output().expect("it runs")).succeeds();
            let wide = ran.out.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "hyades {verb} {flag}");
            assert!(ran.out.contains("Usage: hyades"));
            for code in [
                "Exit codes:",
                "0  done",
                "2  usage:",
                "3  input refused:",
                "4  environment:",
                "5  interrupted;",
                "6  a limit",
                "7  complete, but waits",
                "8  an input path",
            ] {
                assert!(ran.out.contains(code), "hyades {verb} {flag} does not say {code:?}");
            }
        }
    }
    let ran = Ran::from(hyades(["fit", "--clusters", "3"]));
    assert_eq!(ran.code, Some(2));
    assert!(ran.err.contains("--clusters"), "{}", ran.err);
}

fn quiet_prints_the_table_alone() {
    let w = Workshop::new();
    let ran = w.run(["fit", &bank(), "--k", "3", "--quiet", "--backend", "cpu"]).succeeds();
    assert_eq!(ran.err, "");
    // After a line that says what the numbers are.
    let first = ran.out.lines().nth(2).unwrap_or_default();
    assert!(first.contains("segment") && first.contains("customers") && first.contains("share"), "{}", ran.out);
    // Behind the table, one sentence.
    let (_, last) = ran.out.trim_end().rsplit_once("\n\n").unwrap_or_default();
    assert!(last.starts_with("Of the variance of each column, the segments explain most of: "), "{}", ran.out);
    let counts = json(w.out().join("manifest.json"))["outcome"]["counts"].take();
    for count in counts.as_array().expect("counts") {
        let text = count.to_string();
        let (thousands, rest) = text.split_at(text.len().saturating_sub(3));
        assert!(ran.out.contains(&format!(" {thousands},{rest} ")), "{text} customers are not in: {}", ran.out);
    }

    let loud = w.run(["fit", &bank(), "--k", "3", "--backend", "cpu"]).succeeds();
    assert!(loud.out.contains("20,000 customers, 15 features, 3 segments"), "{}", loud.out);
    assert!(loud.out.contains(&format!("labels blake3 {}", labels_hash(&w.out()))), "{}", loud.out);
    assert!(loud.err.contains("id column: customer_id"), "{}", loud.err);
    assert!(loud.err.contains("(protected attributes): age_years (age); --include to use them"), "{}", loud.err);
    assert!(loud.err.contains("(the planted segment of a synthetic bank): true_segment"), "{}", loud.err);
    // Errors are printed even so.
    w.run(["fit", "/nowhere", "--k", "3", "--quiet"]).is_refused(8, &["/nowhere"]);
}

fn lines(err: &str) -> Vec<Value> {
    let line = |l: &str| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e} in the line {l:?}"));
    err.lines().map(line).collect()
}

fn json_lines() {
    let w = Workshop::new();
    let ran = w.run(["fit", &bank(), "--k", "3", "-v", "--log-format", "json", "--backend", "cpu"]).succeeds();
    let lines_of_fit = lines(&ran.err);
    let has = |key: &str, value: &str| lines_of_fit.iter().any(|l| l["fields"][key] == value);
    assert!(has("stage", "decode") && has("stage", "write"), "{}", ran.err);
    let passes = lines_of_fit.iter().filter(|l| l["fields"]["message"] == "pass").count();
    let manifest = json(w.out().join("manifest.json"));
    assert_eq!(passes, manifest["parts"][0]["passes"].as_array().map_or(0, Vec::len), "a line for every pass");
    assert!(passes > 0);

    let refused = w.run(["fit", "/nowhere", "--k", "3", "--log-format", "json"]);
    assert_eq!(refused.code, Some(8));
    let last = lines(&refused.err).pop().expect("a line");
    assert_eq!(last["level"], "ERROR");
    assert!(last["fields"]["message"].as_str().is_some_and(|m| m.contains("/nowhere")), "{last}");
}

fn a_recipe_is_printed() {
    let w = Workshop::new();
    let ran = w.run(["fit", &bank(), "--k", "3", "--print-recipe", "--scale", "robust", "--quiet"]).succeeds();
    let model = json(w.out().join("model.json"));
    let columns = model["model"]["parts"][0]["preparation"]["columns"].as_array().expect("columns");
    assert_eq!(columns.len(), 15);
    for column in columns {
        let name = column["name"].as_str().expect("a name");
        let line = ran.out.lines().find(|l| l.contains(name)).unwrap_or_else(|| panic!("{name} is not in {}", ran.out));
        assert!(line.contains(column["transform"].as_str().expect("a transform")), "{line}");
    }
    assert!(ran.out.contains("grid step 2^"), "{}", ran.out);
}

fn a_plan_does_no_work() {
    let w = Workshop::new();
    let ran = done(["plan", &bank(), "--k", "7", "--threads", "2", "--memory", "1GiB"]);
    for part in ["20,000 rows in 1 files", "15", "in memory", "of 1.0 GiB allowed", "columns  tenure_months, ", "cpu"] {
        assert!(ran.out.contains(part), "no {part:?} in {}", ran.out);
    }
    assert!(!ran.err.contains("decode"), "values were decoded: {}", ran.err);
    w.is_untouched();
    let small = Ran::from(hyades(["plan", &bank(), "--k", "7", "--memory", "1MiB"]));
    small.is_refused(4, &["need at least"]);
    Ran::from(hyades(["plan", &bank(), "--k", "0"])).is_refused(2, &["k = 0"]);
}

fn the_doctor_answers() {
    let text = done(["doctor"]).out;
    for part in ["hyades ", "processors", "memory", "simd", "device"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let found: Value = serde_json::from_str(&done(["doctor", "--json"]).out).expect("JSON");
    assert!(found["simd_available"].as_array().is_some_and(|levels| levels.iter().any(|l| l == "portable")), "{found}");
    assert!(found["processors"].as_u64().is_some_and(|n| n > 0));
}

fn a_bench_proves_agreement() {
    let folder = folder();
    let file = folder.path().join("bench.json");
    let backends = ["--backends", "cpu,reference", "--json", file.to_str().expect("text")];
    let ran = done([&["bench", &bank(), "--k", "8"][..], &backends].concat());
    assert!(ran.out.contains("all backends gave the same labels and the same model"), "{}", ran.out);
    let report = json(&file);
    assert_eq!((&report["agree"], &report["rows"], &report["k"]), (&true.into(), &20_000.into(), &8.into()));
    let runs = report["runs"].as_array().expect("runs");
    assert_eq!(runs.iter().map(|r| r["backend"].clone()).collect::<Vec<_>>(), ["cpu", "reference"]);
    assert_eq!(runs[0]["outcome"]["labels_blake3"], runs[1]["outcome"]["labels_blake3"]);
    assert_eq!(runs[0]["outcome"]["model_blake3"], runs[1]["outcome"]["model_blake3"]);
    assert!(runs.iter().all(|r| r["pass_ms"].as_f64().is_some_and(|ms| ms > 0.0)));
    // Shares of the processor's ceilings; none for a GPU or a price if there is none.
    for rate in ["GB/s", "GFLOP/s"] {
        let after = ran.out.split_once(rate).map_or("", |(_, after)| after);
        let line = after.lines().nth(1).unwrap_or_default();
        assert!(line.contains("of its ceiling") && line.matches('%').count() == 2, "{rate}: {}", ran.out);
    }
    assert!(!ran.out.contains("GPU's ceilings") && !ran.out.contains("cost per million"), "{}", ran.out);
    assert!(runs.iter().all(|r| r.get("device_ceilings").is_none() && r.get("cost_per_million").is_none()), "{runs:?}");
    // Skipped rows do not count as work: a pass stays below the ceilings, except for the noise of a short one.
    for run in runs {
        let share = run["gflops"].as_f64().unwrap() / report["ceilings"]["gflops"].as_f64().unwrap();
        assert!(share < 1.2, "{share} of the ceiling: {run}");
    }
}

fn a_bench_tells_what_a_million_costs() {
    let folder = folder();
    let file = folder.path().join("bench.json");
    let bench = |prices: &str| {
        let backends = ["--backends", "cpu,reference", "--json", file.to_str().expect("text")];
        let ran = done([&["bench", &bank(), "--k", "3", "--price-per-hour", prices][..], &backends].concat());
        let line = ran.out.lines().find(|l| l.contains("cost per million")).expect("a row").to_owned();
        let report = json(&file);
        let costs = report["runs"].as_array().expect("runs").iter().map(|run| {
            let seconds = run["seconds"].as_f64().expect("seconds");
            // Of a million, 20,000 are a fiftieth.
            run.get("cost_per_million").map(|cost| cost.as_f64().expect("a number") / (seconds / 3600.0 * 50.0))
        });
        (line, costs.collect::<Vec<_>>())
    };
    let is = |cost: Option<f64>, price: f64| cost.is_some_and(|cost| (cost - price).abs() < 1e-9);
    let (_, same) = bench("3");
    assert!(is(same[0], 3.0) && is(same[1], 3.0), "{same:?}");
    let (_, each) = bench("reference=0.2,cpu=7");
    assert!(is(each[0], 7.0) && is(each[1], 0.2), "{each:?}");
    let (line, one) = bench("reference=1");
    assert!(one[0].is_none() && is(one[1], 1.0), "{one:?}");
    assert_eq!(line.split_whitespace().nth(3), Some("-"), "{line}");
}
