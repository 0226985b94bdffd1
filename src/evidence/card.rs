//! The model card of a version: what was measured, and questions for people about the rest.
//!
//! `card.json` has the fields of the schema of the Model Card Toolkit (v0.0.2); `card.md` is for those who review
//! models, under the headings of the guidance on model risk management of the United States' banking agencies of April
//! 2026 (SR 26-2, OCC Bulletin 2026-13). A card is part of a version, so it has no times, hosts or devices. Nor has it
//! the number of the version, which another run of the same data would not share.

use serde_json::{Map, Value, json};

use super::answers::{CardQuestion, CardTopic, questions};
use super::facts::{CardFacts, FILES_LISTED};
use super::markdown;
use crate::error::{Error, Result};

/// A figure, of a slice of the customers or columns.
#[derive(Debug, Clone, PartialEq)]
struct CardMetric {
    kind: String,
    value: f64,
    slice: Option<String>,
    interval: Option<[f64; 2]>,
}

/// A card, as the texts of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Card {
    pub(crate) json: String,
    pub(crate) markdown: String,
}

impl Card {
    /// # Errors
    /// None expected: it is plain data.
    pub(crate) fn of(facts: &CardFacts<'_>) -> Result<Self> {
        let questions = questions(facts.answers);
        let json = serde_json::to_string_pretty(&facts.json(&questions)).map_err(|e| Error::Internal(e.to_string()))?;
        Ok(Card { json: json + "\n", markdown: markdown::page(facts, &questions) })
    }
}

impl CardFacts<'_> {
    fn json(&self, questions: &[CardQuestion<'_>]) -> Value {
        let text = |topic: CardTopic| {
            questions.iter().find(|q| q.topic == topic).map(|q| q.text(self.owner)).unwrap_or_default()
        };
        let described =
            |texts: Vec<String>| texts.into_iter().map(|text| json!({ "description": text })).collect::<Vec<_>>();
        let limitations = self.limitations().into_iter().chain([text(CardTopic::Limitations)]).collect();
        let uses = vec![
            text(CardTopic::Use),
            format!("Out of scope: {}", text(CardTopic::OutOfScope)),
            format!("Materiality: {}", text(CardTopic::Materiality)),
        ];
        let metrics: Vec<Value> = self.metrics().into_iter().map(CardMetric::json).collect();
        json!({
            "schema_version": "0.0.2",
            "model_details": self.details(),
            "model_parameters": self.parameters(),
            "quantitative_analysis": { "performance_metrics": metrics },
            "considerations": {
                "users": described(vec![text(CardTopic::Users)]),
                "use_cases": described(uses),
                "limitations": described(limitations),
                "tradeoffs": described(vec![text(CardTopic::Tradeoffs), text(CardTopic::Alternatives)]),
                "ethical_considerations": [
                    { "name": "Unfair treatment of groups", "mitigation_strategy": text(CardTopic::Ethics) },
                    { "name": "Outcomes analysis", "mitigation_strategy": text(CardTopic::Outcomes) },
                    { "name": "Ongoing monitoring", "mitigation_strategy": text(CardTopic::Monitoring) },
                    { "name": "Independent validation", "mitigation_strategy": text(CardTopic::Validation) },
                ],
            },
        })
    }

    fn details(&self) -> Value {
        let mut owner = json!({ "name": self.owner.unwrap_or("Open question: who owns the model? (owner in [job])") });
        if let Some(contact) = self.owner.filter(|owner| owner.contains('@')) {
            owner["contact"] = contact.into();
        }
        // Lloyd's iteration, and its starts.
        let methods = ["https://doi.org/10.1109/TIT.1982.1056489", "https://dl.acm.org/doi/10.5555/1283383.1283494"];
        let references = methods.into_iter().chain(self.answers.references.iter().map(String::as_str));
        json!({
            "name": self.job,
            "overview": self.overview(),
            "documentation": self.method(),
            "owners": [owner],
            "version": { "name": self.as_of, "date": self.as_of, "diff": self.difference() },
            "references": references.map(|reference| json!({ "reference": reference })).collect::<Vec<_>>(),
        })
    }

    fn parameters(&self) -> Value {
        let mut data: Vec<Value> = self.inputs.iter().take(FILES_LISTED).map(|input| {
            json!({ "name": input.name, "description": format!("{} bytes, blake3 {}", input.bytes, input.blake3) })
        }).collect();
        if let Some(more) = self.inputs.len().checked_sub(FILES_LISTED).filter(|&more| more > 0) {
            data.push(json!({ "name": format!("{more} more files"), "description": "manifest.json lists them" }));
        }
        if let Some(first) = data.first_mut().and_then(Value::as_object_mut) {
            let sensitive: Vec<&String> = self.fairness.iter().map(|found| &found.column).collect();
            first.insert("sensitive".into(), json!({ "sensitive_data": sensitive }));
        }
        let features: Vec<String> =
            self.features().into_iter().map(|(name, kind)| format!("{name} ({kind})")).collect();
        json!({
            "model_architecture": self.method(),
            "data": data,
            "input_format": format!("One row per customer, with the columns {}", features.join(", ")),
            "output_format": "One row per customer in segments/ (Parquet): the id, the number of the segment, its \
                              segment_id, which is the same in all versions, and the distance to its centroid",
        })
    }

    fn metrics(&self) -> Vec<CardMetric> {
        let mut all = vec![CardMetric::whole("customers", self.rows as f64)];
        let measures = self.measures;
        let mut add = |kind: &str, value: Option<f64>, slice: Option<String>| {
            all.extend(value.map(|value| CardMetric { kind: kind.into(), value, slice, interval: None }));
        };
        add("inertia per customer", measures.inertia, None);
        add("inertia per customer, version before", measures.inertia_before, None);
        add("share of customers relabelled by the definition", measures.relabelled, None);
        if let Some(moves) = self.moves {
            add("share of customers moved", Some(moves.moved as f64 / moves.stayed.max(1) as f64), None);
        }
        for (segment, measured) in self.segments.iter().zip(&measures.segments) {
            let slice = || Some(segment.title());
            add("customers", Some(segment.customers as f64), slice());
            add("share of customers", Some(measured.share), slice());
            add("retention", measured.retention, slice());
        }
        for feature in &measures.features {
            let slice = || Some(format!("feature {}", feature.name));
            add("population stability index", feature.psi, slice());
            add("Wasserstein distance in standard deviations", feature.w1, slice());
            add("share of missing values", feature.missing, slice());
        }
        for found in &self.fairness {
            add("Cramer's V with the segments", found.cramers_v, Some(format!("attribute {}", found.column)));
            add(
                "largest ratio of selection rates",
                found.disparity.map(|d| d.0),
                Some(format!("attribute {}", found.column)),
            );
        }
        for (segment, group) in self.profiled() {
            all.extend(group.outcomes.iter().filter_map(|outcome| {
                let kind = format!("rate of {} = {}", outcome.column, outcome.value);
                Some(CardMetric {
                    kind,
                    value: outcome.rate?,
                    slice: Some(segment.clone()),
                    interval: outcome.interval,
                })
            }));
        }
        all
    }
}

impl CardMetric {
    fn whole(kind: &str, value: f64) -> Self {
        CardMetric { kind: kind.into(), value, slice: None, interval: None }
    }

    fn json(self) -> Value {
        let mut metric = Map::from_iter([
            ("type".to_owned(), json!(self.kind)),
            ("value".to_owned(), json!(self.value.to_string())),
        ]);
        if let Some(slice) = self.slice {
            metric.insert("slice".into(), slice.into());
        }
        if let Some([lower, upper]) = self.interval {
            metric.insert(
                "confidence_interval".into(),
                json!({ "lower_bound": lower.to_string(), "upper_bound": upper.to_string() }),
            );
        }
        Value::Object(metric)
    }
}
