//! What monthly runs tell others: OpenLineage events, metrics for Prometheus, and the card of every version.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::command::{Ran, json};
use crate::harness::{hyades, tests};
use crate::monthly::{Branch, two_months, with_two_months};

tests!(
    events_of_runs_that_publish,
    events_of_runs_that_do_not,
    #[cfg(feature = "faults")]
    a_run_that_died,
    metrics_of_the_last_run,
    what_cannot_be_written_only_warns,
    names_that_files_cannot_have,
    joined_tables_are_inputs,
    a_run_that_is_interrupted,
    cards_say_what_was_measured,
    cards_have_the_answers,
    cards_of_outcomes_and_attributes,
);

/// The two months, with these lines in `[job]`.
fn told(lines: &str, sections: &str) -> Branch {
    let branch = with_two_months(sections);
    let job = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
    std::fs::write(branch.w.path("job.toml"), job.replace("[job]\n", &format!("[job]\n{lines}"))).expect("a job");
    branch
}

const BOTH: &str =
    "name = \"retail\"\nowner = \"crm@bank.example\"\nlineage = \"lineage.ndjson\"\nmetrics = \"retail.prom\"\n";

fn run(branch: &Branch, as_of: &str, more: &[&str]) -> Ran {
    hyades([&["run", &branch.w.text("job.toml"), "--as-of", as_of], more].concat()).into()
}

fn events(branch: &Branch) -> Vec<Value> {
    let text = std::fs::read_to_string(branch.w.path("lineage.ndjson")).unwrap_or_default();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    events.iter().for_each(vet_event);
    events
}

/// The kinds of the events from `first`, whose runs are all the same.
fn kinds(events: &[Value]) -> Vec<&str> {
    assert!(events.windows(2).all(|pair| pair[0]["run"]["runId"] == pair[1]["run"]["runId"]), "{events:?}");
    events.iter().map(|event| event["eventType"].as_str().expect("a kind")).collect()
}

/// The fields that the published schemas require, and their types; benches/peers/lineage.py compares with the schemas
/// themselves.
fn vet_event(event: &Value) {
    let text = |value: &Value| assert!(value.as_str().is_some_and(|text| !text.is_empty()), "{value} in {event}");
    ["eventTime", "producer", "schemaURL"].iter().for_each(|key| text(&event[key]));
    let id = event["run"]["runId"].as_str().expect("an id");
    assert_eq!((id.len(), id.matches('-').count()), (36, 4), "{id}");
    ["namespace", "name"].iter().for_each(|key| text(&event["job"][key]));
    let mut facets = vec![&event["run"]["facets"], &event["job"]["facets"]];
    for data in ["inputs", "outputs"].iter().flat_map(|key| event[key].as_array().expect("a list")) {
        ["namespace", "name"].iter().for_each(|key| text(&data[key]));
        facets.extend([&data["facets"], &data["inputFacets"], &data["outputFacets"]]);
    }
    for (name, facet) in facets.into_iter().filter_map(Value::as_object).flatten() {
        ["_producer", "_schemaURL"].iter().for_each(|key| text(&facet[key]));
        let required = match name.as_str() {
            "version" => "datasetVersion",
            "test" => "tests",
            "errorMessage" => "programmingLanguage",
            "nominalTime" => "nominalStartTime",
            "processing_engine" => "version",
            "jobType" => "processingType",
            "dataQualityMetrics" => "columnMetrics",
            "dataQualityAssertions" => "assertions",
            "lifecycleStateChange" => "lifecycleStateChange",
            "columnLineage" => "fields",
            _ => "_producer",
        };
        assert!(!facet[required].is_null(), "{name} lacks {required}: {facet}");
    }
}

fn events_of_runs_that_publish() {
    let branch =
        told(BOTH, "[gates]\npsi_max = { max = 0.0, severity = \"warn\" }\n[card]\noverview = \"Retail segments\"\n");
    for as_of in ["2026-09-30", "2026-10-31"] {
        run(&branch, as_of, &[]).succeeds();
    }
    let all = events(&branch);
    assert_eq!((kinds(&all[..2]), kinds(&all[2..])), (vec!["START", "COMPLETE"], vec!["START", "COMPLETE"]));
    assert_ne!(all[0]["run"]["runId"], all[2]["run"]["runId"]);
    let [start, complete] = [&all[2], &all[3]];
    assert_eq!((&start["job"]["namespace"], &start["job"]["name"]), (&"hyades".into(), &"retail".into()));
    assert_eq!(start["job"]["facets"]["ownership"]["owners"][0]["name"], "crm@bank.example");
    assert_eq!(start["job"]["facets"]["documentation"]["description"], "Retail segments");
    assert_eq!(start["run"]["facets"]["nominalTime"]["nominalStartTime"], "2026-10-31T00:00:00Z");
    let input = &start["inputs"][0];
    let path = branch.w.path("2026-10.parquet");
    assert_eq!((&input["namespace"], &input["name"]), (&"file".into(), &path.to_str().expect("text").into()));
    let fields = input["facets"]["schema"]["fields"].as_array().expect("fields").clone();
    let fields: Vec<_> = fields.iter().map(|f| (f["name"].as_str().unwrap(), f["type"].as_str().unwrap())).collect();
    assert_eq!(fields, [("id", "Int64"), ("x", "Float64"), ("y", "Float64")]);
    let bytes = std::fs::metadata(&path).expect("a file").len();
    let statistics = &input["inputFacets"]["inputStatistics"];
    let found = ["rowCount", "size", "fileCount"].map(|key| statistics[key].as_u64());
    assert_eq!(found, [145, bytes, 1].map(Some));
    assert_eq!(start["outputs"], serde_json::json!([]));

    assert_eq!(complete["inputs"][0]["inputFacets"]["dataQualityMetrics"]["columnMetrics"]["x"]["nullCount"], 0);
    let output = &complete["outputs"][0];
    assert_eq!(output["name"].as_str(), Some(branch.history().as_str()));
    assert_eq!(output["facets"]["version"]["datasetVersion"], "2");
    assert_eq!(output["facets"]["lifecycleStateChange"]["lifecycleStateChange"], "OVERWRITE");
    assert_eq!(all[1]["outputs"][0]["facets"]["lifecycleStateChange"]["lifecycleStateChange"], "CREATE");
    assert_eq!(output["outputFacets"]["outputStatistics"]["rowCount"], 145);
    let from = |column: &str| {
        let inputs = output["facets"]["columnLineage"]["fields"][column]["inputFields"].as_array().expect("inputs");
        inputs.iter().map(|input| input["field"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((from("id"), from("segment_id")), (vec!["id".to_owned()], vec!["x".to_owned(), "y".to_owned()]));
    let tags = complete["run"]["facets"]["tags"]["tags"].as_array().expect("tags");
    let tags: BTreeMap<_, _> =
        tags.iter().map(|t| (t["key"].as_str().unwrap(), t["value"].as_str().unwrap())).collect();
    let hash = branch.current()["blake3"].clone();
    let expected = [("blake3", hash.as_str().unwrap()), ("verdict", "published"), ("version", "2")];
    assert_eq!(tags, expected.into());
    // The first is the limit on missing values that every job has.
    let test = &complete["run"]["facets"]["test"]["tests"][1];
    let told = ["name", "status", "severity", "expected"].map(|key| test[key].as_str());
    assert_eq!(told, ["psi_max", "fail", "warn", "0"].map(Some));
}

fn events_of_runs_that_do_not() {
    let branch = told(BOTH, "[gates]\nrows_change = 0.1\n");
    run(&branch, "2026-09-30", &[]).succeeds();
    let before = events(&branch).len();
    let after = |n: usize| events(&branch).split_off(n);
    // Neither a plan, nor an input that is not there yet, nor one without news.
    run(&branch, "2026-10-31", &["--dry-run"]).succeeds();
    run(&branch, "2026-11-30", &[]).is_refused(8, &[]);
    assert_eq!(run(&branch, "2026-09-30", &["--nothing-new", "99"]).code, Some(99));
    assert_eq!(after(before), Vec::<Value>::new());

    run(&branch, "2026-10-31", &[]).is_refused(6, &["rows_change"]);
    let refused = after(before);
    assert_eq!(kinds(&refused), ["START", "FAIL"]);
    let why = refused[1]["run"]["facets"]["errorMessage"]["message"].as_str().expect("a reason").to_owned();
    assert!(why.starts_with("rows_change: the number of rows changed by 20.8%"), "{why}");
    assert_eq!(
        (&refused[1]["run"]["facets"]["test"]["tests"][0]["status"], &refused[1]["outputs"]),
        (&"fail".into(), &serde_json::json!([]))
    );

    // A run that fails before it has a number has its start told too; values of the data are not told.
    std::fs::write(branch.w.path("expect.toml"), "[columns.x]\nrange = [-2, -1]\n").expect("expectations");
    let job = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
    let job = job.replace("[job]\n", "[job]\nexpect = \"expect.toml\"\n");
    std::fs::write(branch.w.path("job.toml"), job).expect("a job");
    run(&branch, "2026-10-31", &[]).is_refused(3, &["expectations are broken"]);
    let failed = after(before + 2);
    assert_eq!(kinds(&failed), ["START", "FAIL"]);
    let text = "the input was refused (columns: x); the messages of the run say why";
    assert_eq!(failed[1]["run"]["facets"]["errorMessage"]["message"], text);
    let assertion = &failed[1]["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"][0];
    assert_eq!((&assertion["assertion"], &assertion["column"]), (&"range".into(), &"x".into()));
    assert_eq!(assertion["success"], false);
}

/// The next run tells the end of one that was killed, if its start was told.
#[cfg(feature = "faults")]
fn a_run_that_died() {
    let branch = told(BOTH, "");
    let killed = |lineage: bool| {
        let path = branch.w.path("job.toml");
        let job = std::fs::read_to_string(&path).expect("a job");
        let other = job.replace("lineage.ndjson", "other.ndjson");
        std::fs::write(&path, if lineage { &job } else { &other }).expect("a job");
        let mut run = crate::harness::command();
        let at = branch.w.text("job.toml");
        let ended = run.env("FAILPOINTS", "history::seal=return(kill)").args(["run", &at, "--as-of", "2026-09-30"]);
        assert_eq!(ended.output().expect("it runs").status.code(), None, "it was killed");
        std::fs::write(&path, job).expect("a job");
    };
    killed(true);
    killed(false);
    run(&branch, "2026-09-30", &[]).succeeds();
    let all = events(&branch);
    let told: Vec<_> = all.iter().map(|event| event["eventType"].as_str().expect("a kind")).collect();
    assert_eq!(told, ["START", "START", "COMPLETE"]);

    killed(true);
    run(&branch, "2026-10-31", &[]).succeeds();
    let all = events(&branch).split_off(3);
    assert_eq!(kinds(&[all[0].clone(), all[1].clone()]), ["START", "ABORT"]);
    assert_eq!(kinds(&all[2..]), ["START", "COMPLETE"]);
    let why = &all[1]["run"]["facets"]["errorMessage"]["message"];
    assert_eq!(why, "the process ended before the run did");
}

fn metrics(branch: &Branch) -> BTreeMap<String, f64> {
    let text = std::fs::read_to_string(branch.w.path("retail.prom")).expect("metrics");
    assert!(text.ends_with('\n'));
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a sample");
        (name.replace("job_name=\"retail\"", "").replace("{}", "").replace("{,", "{"), value.parse().expect("a number"))
    };
    samples.map(sample).collect()
}

fn metrics_of_the_last_run() {
    let branch = told(BOTH, "[gates]\nrows_change = 0.1\n");
    run(&branch, "2026-09-30", &[]).succeeds();
    let first = metrics(&branch);
    let has = |found: &BTreeMap<String, f64>, expected: &[(&str, f64)]| {
        for (name, value) in expected {
            assert_eq!(found.get(*name), Some(value), "{name} in {found:?}");
        }
    };
    let day = 86_400.0 * 20_726.0;
    has(
        &first,
        &[
            ("hyades_run_verdict{verdict=\"published\"}", 1.0),
            ("hyades_run_verdict{verdict=\"failed\"}", 0.0),
            ("hyades_run_customers", 120.0),
            ("hyades_run_segments", 3.0),
            ("hyades_current_version", 1.0),
            ("hyades_current_as_of_timestamp_seconds", day),
        ],
    );
    let success = "hyades_run_last_success_timestamp_seconds";
    let end = "hyades_run_last_completion_timestamp_seconds";
    assert_eq!(first[success], first[end]);
    assert!(first[success] > 1.7e9 && first["hyades_run_duration_seconds"] > 0.0);
    assert!(!first.contains_key("hyades_run_psi_max"), "there is nothing to compare with");

    run(&branch, "2026-10-31", &[]).is_refused(6, &[]);
    let refused = metrics(&branch);
    has(
        &refused,
        &[
            ("hyades_run_verdict{verdict=\"published\"}", 0.0),
            ("hyades_run_verdict{verdict=\"refused\"}", 1.0),
            ("hyades_run_customers", 145.0),
            ("hyades_run_customers_moved", 20.0),
            ("hyades_run_customers_came", 40.0),
            ("hyades_run_customers_left", 15.0),
            ("hyades_run_gates{outcome=\"failed\"}", 1.0),
            ("hyades_current_version", 1.0),
            ("hyades_current_customers", 120.0),
            (success, first[success]),
        ],
    );
    assert!(refused["hyades_run_psi_max"] > 0.0 && refused["hyades_run_wasserstein_max"] > 0.0);
    assert!(refused[end] > first[end]);

    // Runs that find out nothing.
    run(&branch, "2026-11-30", &[]).is_refused(8, &[]);
    has(&metrics(&branch), &[("hyades_run_verdict{verdict=\"no_input\"}", 1.0), (success, first[success])]);
    run(&branch, "2026-08-31", &[]).is_refused(2, &["--backfill"]);
    has(&metrics(&branch), &[("hyades_run_verdict{verdict=\"failed\"}", 1.0), (success, first[success])]);
    run(&branch, "2026-09-30", &["--nothing-new", "0"]).succeeds();
    let last = metrics(&branch);
    has(&last, &[("hyades_run_verdict{verdict=\"nothing_new\"}", 1.0)]);
    assert_eq!(last[success], last[end]);
    let all = std::fs::read_dir(branch.w.path("")).expect("a folder").flatten();
    let unfinished = all.filter(|entry| entry.file_name().to_string_lossy().contains("unfinished"));
    assert_eq!(unfinished.count(), 0);
}

fn what_cannot_be_written_only_warns() {
    let branch = told("lineage = \"none/lineage.ndjson\"\nmetrics = \"other.prom\"\n", "");
    std::fs::write(branch.w.path("other.prom"), "# HELP node_boots ...\n").expect("metrics of others");
    let ran = run(&branch, "2026-09-30", &[]).succeeds();
    assert!(ran.err.contains("the lineage of this run is incomplete: cannot write"), "{}", ran.err);
    let why = "other.prom is not a file of these metrics; name another in [job] metrics";
    assert!(ran.err.contains("the metrics of this run are not written: ") && ran.err.contains(why), "{}", ran.err);
    let kept = std::fs::read_to_string(branch.w.path("other.prom")).expect("metrics");
    assert_eq!(kept, "# HELP node_boots ...\n");
    // Neither is part of a version, or news.
    let plain = with_two_months("");
    run(&plain, "2026-09-30", &[]).succeeds();
    assert_eq!(plain.current(), branch.current());
    let job = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
    std::fs::write(branch.w.path("job.toml"), job.replace("other.prom", "own.prom")).expect("a job");
    assert_eq!(run(&branch, "2026-09-30", &["--nothing-new", "99"]).code, Some(99));
    assert!(branch.w.path("own.prom").is_file());
}

fn names_that_files_cannot_have() {
    let branch = told("lineage = \"{run}.ndjson\"\nmetrics = \"{as_off}.txt\"\n", "");
    let ran = run(&branch, "2026-09-30", &[]);
    ran.is_refused(
        2,
        &[
            ":2:11: lineage: a run that fails early has no number; use {as_of} instead of {run}",
            "metrics: ",
            "no placeholder is named \"as_off\"",
            "the textfile collector reads names that end with .prom",
        ],
    );
    let branch = told("lineage = \"{as_of:%Y}.ndjson\"\nmetrics = \"{as_of}.prom\"\n", "");
    run(&branch, "2026-09-30", &[]).succeeds();
    assert!(branch.w.path("2026.ndjson").is_file() && branch.w.path("2026-09-30.prom").is_file());
}

/// The card of a version, and its text.
fn card(branch: &Branch, version: u64) -> (Value, String) {
    let folder = branch.w.path(&format!("history/versions/{version:06}"));
    (json(folder.join("card.json")), std::fs::read_to_string(folder.join("card.md")).expect("a card"))
}

/// The value of a metric of a card.
fn metric(card: &Value, kind: &str, slice: Option<&str>) -> Option<f64> {
    let all = card["quantitative_analysis"]["performance_metrics"].as_array().expect("metrics");
    let is_it = |metric: &&Value| metric["type"] == kind && metric["slice"].as_str() == slice;
    all.iter().find(is_it).map(|metric| text_of_number(&metric["value"]).expect("a number"))
}

/// The schema has numbers as texts.
fn text_of_number(value: &Value) -> Option<f64> {
    value.as_str()?.parse().ok()
}

fn cards_say_what_was_measured() {
    let branch = told(BOTH, "[gates]\nrows_change = 0.5\npsi_max = { max = 0.1, severity = \"warn\" }\n");
    let names = "[segments.1]\nen = \"A | <b>\"\n";
    run(&branch, "2026-09-30", &[]).succeeds();
    std::fs::write(branch.w.path("history/names.toml"), names).expect("names");
    run(&branch, "2026-10-31", &[]).succeeds();
    let ((first, _), (found, text)) = (card(&branch, 1), card(&branch, 2));
    assert_eq!(first["model_details"]["version"]["diff"], "the first version");
    let keys: Vec<&String> = found.as_object().expect("a card").keys().collect();
    let schema = ["considerations", "model_details", "model_parameters", "quantitative_analysis", "schema_version"];
    assert_eq!(keys, schema, "the schema allows no others");
    let details = &found["model_details"];
    let diff = "based on version 1: 20 customers moved to another segment, 40 came, 15 left";
    assert_eq!((&details["name"], &details["version"]["diff"]), (&"retail".into(), &diff.into()));
    assert_eq!(details["version"]["date"], "2026-10-31");
    assert_eq!(details["owners"][0]["contact"], "crm@bank.example");
    assert_eq!(metric(&found, "customers", None), Some(145.0));
    let report = branch.report(2);
    let measured = &report["measures"]["segments"];
    for segment in measured.as_array().expect("segments") {
        let id = segment["segment_id"].as_u64().expect("an id");
        let title = if id == 1 { "segment 1 (A | <b>)".to_owned() } else { format!("segment {id}") };
        assert_eq!(metric(&found, "share of customers", Some(&title)), segment["share"].as_f64());
        assert_eq!(metric(&found, "retention", Some(&title)), segment["retention"].as_f64());
    }
    for feature in report["measures"]["features"].as_array().expect("features") {
        let slice = format!("feature {}", feature["name"].as_str().expect("a name"));
        assert_eq!(metric(&found, "population stability index", Some(&slice)), feature["psi"].as_f64());
    }
    let data = &found["model_parameters"]["data"][0];
    assert_eq!(data["name"], "2026-10.parquet");
    let content = json(branch.w.path("history/versions/000002/manifest.json"))["inputs"]["files"][0].take();
    let hash = content["content"]["blake3"].as_str().expect("a hash").to_owned();
    assert!(data["description"].as_str().is_some_and(|text| text.ends_with(&hash)), "{data}");

    let question = "Open question: Who uses the segments? (answer: crm@bank.example)";
    assert_eq!(found["considerations"]["users"][0]["description"], question);
    for part in [
        "\n## Conceptual soundness\n",
        "\n## Outcomes analysis\n",
        "\n## Ongoing monitoring\n",
        "\n## Limitations\n",
        "\n## Validation and approval\n",
        "| segment 1 (A \\| \\<b\\>) |",
        "| x | ",
        "20 (19.0% of those who stayed) moved to another segment",
        "psi_max: \"x\" has a population stability index of",
        "- No outcome is named, so segments were not compared with outcomes.\n",
        "| Who uses the segments? | crm@bank.example | `users` |\n",
    ] {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

fn cards_have_the_answers() {
    let answers = "[card]\nusers = \"The campaign team\"\nethical = \"Nobody:\\n# no credit\"\nreferences = [\"https://bank.example/m\"]\n";
    let branch = told("", answers);
    run(&branch, "2026-09-30", &[]).succeeds();
    let (found, text) = card(&branch, 1);
    assert_eq!(found["considerations"]["users"][0]["description"], "The campaign team");
    let references = found["model_details"]["references"].as_array().expect("references").clone();
    assert!(references.iter().any(|reference| reference["reference"] == "https://bank.example/m"));
    assert!(text.contains("**Users.** The campaign team\n") && !text.contains("| Who uses the segments?"), "{text}");
    assert!(text.contains("**Fair treatment.** Nobody:<br>\\# no credit\n"), "{text}");
    assert!(text.contains("Who validated the model independently of its developers, when, and with which result? | no owner is named in the job |"), "{text}");
    // Answers are part of a version, as everything that a reader sees.
    assert!(text.contains("Open question: who owns the model?"), "{text}");
}

/// Outcomes and protected attributes, where the job names them.
fn cards_of_outcomes_and_attributes() {
    let branch = told("", "[output]\naudit = true\n");
    let path = branch.w.path("job.toml");
    let job = std::fs::read_to_string(&path).expect("a job");
    let columns = "[columns]\nid = \"id\"\noutcome = [\"churned\"]\n";
    std::fs::write(&path, job.replace("[columns]\nid = \"id\"\n", columns)).expect("a job");
    let churned = crate::tables::i64s((0..120).map(|row| i64::from(row % 4 == 0)));
    let gender: arrow::array::StringArray = (0..120).map(|row| Some(if row < 50 { "f" } else { "m" })).collect();
    let [before, _] = two_months();
    branch.table("2026-09", &before, &[("churned", churned), ("gender", std::sync::Arc::new(gender))]);
    run(&branch, "2026-09-30", &[]).succeeds();
    let (found, text) = card(&branch, 1);
    let rate = metric(&found, "rate of churned = 1", Some("segment 1"));
    assert_eq!(rate, Some(0.25), "{text}");
    let metrics = found["quantitative_analysis"]["performance_metrics"].as_array().expect("metrics").clone();
    let rate = metrics.iter().find(|m| m["type"] == "rate of churned = 1").expect("a rate");
    let interval = &rate["confidence_interval"];
    let [lower, upper] = ["lower_bound", "upper_bound"].map(|end| text_of_number(&interval[end]));
    assert!(lower < Some(0.25) && upper > Some(0.25), "{interval}");
    assert!(
        metric(&found, "Cramer's V with the segments", Some("attribute gender")).is_some_and(|v| v > 0.5),
        "{found}"
    );
    assert_eq!(found["model_parameters"]["data"][0]["sensitive"]["sensitive_data"], serde_json::json!(["gender"]));
    assert!(text.contains("| gender | no | ") && text.contains("| segment 1 | churned = 1 | 60 | 25.0% |"), "{text}");
    assert!(
        !text.contains("No outcome is named") && !text.contains("Protected attributes were not compared"),
        "{text}"
    );
}

/// Columns of another table make segments too, in every mode, and the events name it.
fn joined_tables_are_inputs() {
    for mode in ["warm", "assign", "fresh"] {
        let branch = told(BOTH, &format!("[refit]\nmode = \"{mode}\"\n"));
        let path = branch.w.path("job.toml");
        let job = std::fs::read_to_string(&path).expect("a job");
        std::fs::write(&path, job.replace("[input]\n", "[input]\njoin = [\"scores.parquet\"]\n")).expect("a job");
        let [before, now] = two_months();
        let ids: std::collections::BTreeSet<i64> = before.keys().chain(now.keys()).copied().collect();
        let score = crate::tables::f64s(ids.iter().map(|id| (*id % 7) as f64).collect::<Vec<_>>());
        let columns = [("id", crate::tables::i64s(ids.iter().copied())), ("score", score)];
        crate::tables::write(&branch.w.path("scores.parquet"), &columns);
        run(&branch, "2026-09-30", &[]).succeeds();
        run(&branch, "2026-10-31", &[]).succeeds();
        let all = events(&branch);
        assert_eq!(kinds(&all[2..]), ["START", "COMPLETE"], "{mode}");
        let [input, joined] = [&all[3]["inputs"][0], &all[3]["inputs"][1]];
        assert_eq!(joined["name"].as_str(), Some(branch.w.text("scores.parquet").as_str()));
        let fields = |data: &Value| data["facets"]["schema"]["fields"].as_array().expect("fields").len();
        assert_eq!((fields(input), fields(joined)), (3, 1), "{mode}");
        let from = &all[3]["outputs"][0]["facets"]["columnLineage"]["fields"]["segment_id"]["inputFields"];
        let score = from.as_array().expect("columns").iter().find(|column| column["field"] == "score");
        assert_eq!(score.expect("a feature")["name"], joined["name"], "{mode}");
        let features = branch.report(2)["measures"]["features"].as_array().expect("features").len();
        assert_eq!(features, 3, "{mode}");
    }
}

fn a_run_that_is_interrupted() {
    let branch = told(BOTH, "");
    let request = hyades::resegment::RunRequest {
        job: branch.w.path("job.toml"),
        as_of: Some("2026-09-30".into()),
        ..Default::default()
    };
    let stop = std::sync::atomic::AtomicBool::new(true);
    let ended = hyades::resegment::run(&request, &hyades::event::Silent, &stop).map(|_| ());
    assert!(matches!(ended, Err(hyades::Error::Interrupted)), "{ended:?}");
    assert_eq!(kinds(&events(&branch)), ["START", "ABORT"]);
    assert_eq!(metrics(&branch)["hyades_run_verdict{verdict=\"interrupted\"}"], 1.0);
}
