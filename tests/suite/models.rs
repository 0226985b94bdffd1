//! Models of earlier format versions, kept in data/models: their labels are unchanged.

use serde_json::Value;

use crate::command::{Workshop, done, json, labels_hash};
use crate::harness::{root, tests};

tests!(version_1, version_2, version_3, version_4, version_5, what_is_written_is_the_newest);

/// The hashes of the labels are those of the program that made the models.
fn labels_as_before(name: &str, labels: &str) {
    let w = Workshop::new();
    let (models, bank) = (root().join("data/models"), root().join("data/customers.parquet"));
    let model = models.join(name);
    done(["assign", model.to_str().unwrap(), bank.to_str().unwrap(), "--out", &w.text("out")]);
    assert_eq!(labels_hash(&w.out()), labels);
}

fn version_1() {
    labels_as_before("v1.json", "07c097af109710a9b4b1f738cd8054208a076ad42764660afe6d0dd7764ac3bc");
}

fn version_2() {
    labels_as_before("v2.json", "0cdb94eea615739a78b361557496170c58bc5f54f6614f2cef7aa4004fc3ad87");
}

fn version_3() {
    labels_as_before("v3.json", "0cdb94eea615739a78b361557496170c58bc5f54f6614f2cef7aa4004fc3ad87");
}

fn version_4() {
    labels_as_before("v4.json", "0cdb94eea615739a78b361557496170c58bc5f54f6614f2cef7aa4004fc3ad87");
}

fn version_5() {
    labels_as_before("v5.json", "7ab2c077842c73013b9b175c8c2e6538dc2bd41804434e9cc759f31bd16bde19");
}

fn columns_of(part: &mut Value) -> &mut Vec<Value> {
    part["preparation"]["columns"].as_array_mut().unwrap()
}

/// The same fits now: the same labels, in the newest format.
fn what_is_written_is_the_newest() {
    let w = Workshop::new();
    let (models, bank) = (root().join("data/models"), root().join("data/customers.parquet"));
    let features = "current_balance,savings_balance,card_spend_90d,tenure_months";
    let rules = models.join("rules.toml");
    let base = ["fit", bank.to_str().unwrap(), "--k", "2", "--seed", "5", "--effort", "low"];
    done([&base[..], &["--features", features, "--rules", rules.to_str().unwrap(), "--out", &w.text("out")]].concat());
    let (mut now, before) = (json(w.out().join("model.json")), json(models.join("v2.json")));
    // Where nothing was missing, a model says by now that the fill is a sample's median.
    for column in now["model"]["parts"].as_array_mut().unwrap().iter_mut().flat_map(|part| columns_of(part)) {
        let is_whole = column["seen"]["nulls"] == 0;
        assert_eq!(column.as_object_mut().unwrap().remove("fill_is_of_sample"), is_whole.then_some(true.into()));
    }
    assert_eq!((&now["format_version"], &before["format_version"]), (&6.into(), &2.into()));
    let (parts, strata) = (now["model"]["parts"].as_array().unwrap(), before["model"]["strata"].as_array().unwrap());
    assert_eq!(parts.len(), strata.len());
    for (part, stratum) in parts.iter().zip(strata) {
        assert_eq!(part["preparation"], stratum["model"]["recipe"], "{}", part["name"]);
        assert_eq!(part["fitted"]["grid_centers_"], stratum["model"]["grid_centers_"], "{}", part["name"]);
        assert_eq!(part["fitted"]["counts_"], stratum["model"]["counts_"], "{}", part["name"]);
    }
}
