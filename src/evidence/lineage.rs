//! OpenLineage events of a run: version 2-0-2 of the specification, with the facets that apply.
//!
//! An event has neither values of the data nor ids of customers.

use serde_json::{Map, Value, json};

use super::dataset::Dataset;
use crate::error::{Error, Result};

/// The specification of the events.
const SPEC: &str = "https://openlineage.io/spec";

/// A UUID of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunId(String);

impl RunId {
    /// Of what identifies the run: a UUID of version 8 (RFC 9562), by blake3.
    pub(crate) fn of(parts: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let mut bytes = [0; 16];
        hasher.finalize_xof().fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        RunId(format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// What an event tells.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum RunState {
    Start,
    Complete,
    /// With the reason.
    Fail(String),
    /// With the reason.
    Abort(String),
}

/// A gate and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TestedGate {
    pub(crate) name: String,
    /// None: there was nothing to compare with.
    pub(crate) passed: Option<bool>,
    /// Whether a breach refuses the version.
    pub(crate) refuses: bool,
    pub(crate) text: String,
    pub(crate) value: Option<f64>,
    pub(crate) limit: f64,
}

/// A run, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LineageRun {
    pub(crate) id: RunId,
    pub(crate) namespace: String,
    pub(crate) job: String,
    pub(crate) owner: Option<String>,
    pub(crate) overview: Option<String>,
    /// The day that the data describe.
    pub(crate) as_of: Option<String>,
    /// The run that started this one: namespace, job and run, with slashes between them.
    pub(crate) parent: Option<String>,
    pub(crate) inputs: Vec<Dataset>,
    pub(crate) outputs: Vec<Dataset>,
    /// Whether there was an earlier output.
    pub(crate) replaces: bool,
    pub(crate) gates: Vec<TestedGate>,
    /// Anything else: verdict, version and its hash.
    pub(crate) tags: Vec<(&'static str, String)>,
}

/// A facet of the specification.
fn facet(version: &str, name: &str, mut content: Value) -> Value {
    if let Some(fields) = content.as_object_mut() {
        fields.insert("_producer".into(), producer().into());
        fields.insert("_schemaURL".into(), format!("{SPEC}/facets/{version}/{name}.json#/$defs/{name}").into());
    }
    content
}

/// This program.
fn producer() -> String {
    format!("urn:hyades:{}", env!("CARGO_PKG_VERSION"))
}

/// Facets by name, without those that there are not.
fn facets(all: impl IntoIterator<Item = Option<(&'static str, Value)>>) -> Value {
    Value::Object(all.into_iter().flatten().map(|(name, facet)| (name.to_owned(), facet)).collect())
}

impl LineageRun {
    /// An event as one line of JSON, without a line feed. `time` is RFC 3339.
    ///
    /// # Errors
    /// None expected: it is plain data.
    pub(crate) fn event(&self, state: &RunState, time: &str) -> Result<String> {
        let (kind, why) = match state {
            RunState::Start => ("START", None),
            RunState::Complete => ("COMPLETE", None),
            RunState::Fail(why) => ("FAIL", Some(why)),
            RunState::Abort(why) => ("ABORT", Some(why)),
        };
        let event = json!({
            "eventType": kind,
            "eventTime": time,
            "producer": producer(),
            "schemaURL": format!("{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"),
            "run": { "runId": self.id.text(), "facets": self.run_facets(why) },
            "job": { "namespace": self.namespace, "name": self.job, "facets": self.job_facets() },
            "inputs": self.inputs.iter().map(|data| self.input(data)).collect::<Vec<_>>(),
            "outputs": self.outputs.iter().map(|data| self.output(data)).collect::<Vec<_>>(),
        });
        serde_json::to_string(&event).map_err(|e| Error::Internal(e.to_string()))
    }

    fn run_facets(&self, why: Option<&String>) -> Value {
        let nominal = self.as_of.as_ref().map(|day| json!({ "nominalStartTime": format!("{day}T00:00:00Z") }));
        let engine = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "name": "hyades",
            "openlineageAdapterVersion": env!("CARGO_PKG_VERSION"),
        });
        let failure = why.map(|why| json!({ "message": why, "programmingLanguage": "RUST" }));
        let tag = |(key, value): &(&str, String)| json!({ "key": key, "value": value, "source": "HYADES" });
        let tags = json!({ "tags": self.tags.iter().map(tag).collect::<Vec<_>>() });
        let tests = json!({ "tests": self.gates.iter().map(TestedGate::test).collect::<Vec<_>>() });
        facets([
            Some(("processing_engine", facet("1-1-1", "ProcessingEngineRunFacet", engine))),
            nominal.map(|nominal| ("nominalTime", facet("1-0-1", "NominalTimeRunFacet", nominal))),
            self.parent_run().map(|parent| ("parent", facet("1-2-0", "ParentRunFacet", parent))),
            failure.map(|failure| ("errorMessage", facet("1-0-1", "ErrorMessageRunFacet", failure))),
            (!self.gates.is_empty()).then(|| ("test", facet("1-0-1", "TestRunFacet", tests))),
            (!self.tags.is_empty()).then(|| ("tags", facet("1-0-0", "TagsRunFacet", tags))),
        ])
    }

    /// The run that started this one, if it is named as `namespace/job/run`.
    fn parent_run(&self) -> Option<Value> {
        let (job, run) = self.parent.as_ref()?.rsplit_once('/')?;
        let (namespace, name) = job.rsplit_once('/')?;
        is_uuid(run).then(|| json!({ "run": { "runId": run }, "job": { "namespace": namespace, "name": name } }))
    }

    fn job_facets(&self) -> Value {
        let kind = json!({ "processingType": "BATCH", "integration": "HYADES", "jobType": "JOB" });
        let owner = self.owner.as_ref().map(|owner| json!({ "owners": [{ "name": owner, "type": "OWNER" }] }));
        let overview = self.overview.as_ref().map(|text| json!({ "description": text }));
        facets([
            Some(("jobType", facet("2-0-4", "JobTypeJobFacet", kind))),
            owner.map(|owner| ("ownership", facet("1-0-1", "OwnershipJobFacet", owner))),
            overview.map(|text| ("documentation", facet("1-1-0", "DocumentationJobFacet", text))),
        ])
    }

    fn input(&self, data: &Dataset) -> Value {
        let mut statistics = json!({ "size": data.bytes, "fileCount": data.files });
        let mut quality = json!({ "bytes": data.bytes, "fileCount": data.files });
        if let Some(rows) = data.rows {
            (statistics["rowCount"], quality["rowCount"]) = (rows.into(), rows.into());
        }
        let missing = data.missing.iter().map(|(name, rows)| (name.clone(), json!({ "nullCount": rows })));
        quality["columnMetrics"] = Value::Object(missing.collect::<Map<_, _>>());
        let assertion = |(key, column, holds): &(String, Option<String>, bool)| {
            let mut assertion = json!({ "assertion": key, "success": holds, "severity": "error" });
            if let Some(column) = column {
                assertion["column"] = column.as_str().into();
            }
            assertion
        };
        let assertions = json!({ "assertions": data.assertions.iter().map(assertion).collect::<Vec<_>>() });
        let has_assertions = !data.assertions.is_empty();
        json!({
            "namespace": data.place.namespace,
            "name": data.place.name,
            "facets": of_data(data, []),
            "inputFacets": facets([
                Some(("inputStatistics", facet("1-0-0", "InputStatisticsInputDatasetFacet", statistics))),
                (!data.missing.is_empty())
                    .then(|| ("dataQualityMetrics", facet("1-0-3", "DataQualityMetricsInputDatasetFacet", quality))),
                has_assertions
                    .then(|| ("dataQualityAssertions", facet("1-1-0", "DataQualityAssertionsDatasetFacet", assertions))),
            ]),
        })
    }

    fn output(&self, data: &Dataset) -> Value {
        let mut statistics = json!({ "size": data.bytes, "fileCount": data.files });
        if let Some(rows) = data.rows {
            statistics["rowCount"] = rows.into();
        }
        let change = json!({ "lifecycleStateChange": if self.replaces { "OVERWRITE" } else { "CREATE" } });
        let change = ("lifecycleStateChange", facet("1-0-1", "LifecycleStateChangeDatasetFacet", change));
        let columns = json!({ "fields": self.columns(data) });
        let columns = ("columnLineage", facet("1-2-0", "ColumnLineageDatasetFacet", columns));
        let has_columns = !data.columns_from.is_empty() && !self.inputs.is_empty();
        json!({
            "namespace": data.place.namespace,
            "name": data.place.name,
            "facets": of_data(data, [Some(change), has_columns.then_some(columns)]),
            "outputFacets": facets([
                Some(("outputStatistics", facet("1-0-2", "OutputStatisticsOutputDatasetFacet", statistics))),
            ]),
        })
    }

    /// Where the columns of an output come from: each from the input that has it.
    fn columns(&self, data: &Dataset) -> Value {
        let from = |name: &String, masked: bool, direct: bool| {
            let has = |data: &&Dataset| data.fields.iter().any(|(field, _)| field == name);
            let input = self.inputs.iter().find(has).or(self.inputs.first())?;
            let (kind, subtype) = if direct { ("DIRECT", "IDENTITY") } else { ("DIRECT", "TRANSFORMATION") };
            Some(json!({
                "namespace": input.place.namespace,
                "name": input.place.name,
                "field": name,
                "transformations": [{ "type": kind, "subtype": subtype, "masking": masked }],
            }))
        };
        let fields = data.columns_from.iter().map(|(column, sources, masked)| {
            let is_itself = sources.len() == 1 && sources[0] == *column && !masked;
            let sources: Vec<Value> = sources.iter().filter_map(|name| from(name, *masked, is_itself)).collect();
            (column.clone(), json!({ "inputFields": sources }))
        });
        Value::Object(fields.collect())
    }
}

/// The facets that inputs and outputs share, and more.
fn of_data<const N: usize>(data: &Dataset, more: [Option<(&'static str, Value)>; N]) -> Value {
    let field = |(at, (name, kind)): (usize, &(String, String))| json!({ "name": name, "type": kind, "ordinal_position": at + 1 });
    let fields = json!({ "fields": data.fields.iter().enumerate().map(field).collect::<Vec<_>>() });
    let source = json!({ "name": data.place.namespace, "uri": data.place.uri() });
    let version = data.version.as_ref().map(|version| json!({ "datasetVersion": version }));
    let layer = data.layer.map(|layer| json!({ "storageLayer": layer, "fileFormat": "parquet" }));
    let own = [
        Some(("dataSource", facet("1-0-1", "DatasourceDatasetFacet", source))),
        (!data.fields.is_empty()).then(|| ("schema", facet("1-2-0", "SchemaDatasetFacet", fields))),
        version.map(|version| ("version", facet("1-0-1", "DatasetVersionDatasetFacet", version))),
        layer.map(|layer| ("storage", facet("1-0-1", "StorageDatasetFacet", layer))),
    ];
    facets(own.into_iter().chain(more))
}

impl TestedGate {
    fn test(&self) -> Value {
        let status = match self.passed {
            Some(true) => "pass",
            Some(false) => "fail",
            None => "skip",
        };
        let mut test = json!({
            "name": self.name,
            "status": status,
            "severity": if self.refuses { "error" } else { "warn" },
            "type": "gate",
            "description": self.text,
            "expected": self.limit.to_string(),
        });
        if let Some(value) = self.value {
            test["actual"] = value.to_string().into();
        }
        test
    }
}

fn is_uuid(text: &str) -> bool {
    let is_hyphen = |at: usize| [8, 13, 18, 23].contains(&at);
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| if is_hyphen(at) { b == b'-' } else { b.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_their_parts() {
        let id = RunId::of(&["/bank/history", "42"]);
        assert!(is_uuid(id.text()), "{}", id.text());
        assert_eq!(id.text().as_bytes()[14], b'8');
        assert!(b"89ab".contains(&id.text().as_bytes()[19]));
        assert_eq!(id, RunId::of(&["/bank/history", "42"]));
        assert_ne!(id, RunId::of(&["/bank/history4", "2"]));
        assert!(!is_uuid("7f3c1a2e-1111-4222-8333-44445555666"));
        assert!(!is_uuid("7f3c1a2eb1111-4222-8333-444455556666"));
    }
}
