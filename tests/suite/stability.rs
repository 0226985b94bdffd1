//! Two ways to keep customers where they are: a limit on how many a warm fit relabels, and hysteresis at borders.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::command::{done, part};
use crate::harness::tests;
use crate::monthly::{Branch, last_line, some_noise, states};
use crate::tables::{f64s, i64s, write};

tests!(
    a_budget_of_nothing_is_the_old_model,
    a_budget_of_everything_is_the_warm_fit,
    a_budget_between,
    budgets_that_make_no_sense,
    customers_at_a_border_stay,
);

/// Customers along a line without gaps, so that a border that moves relabels some: the second month is longer.
fn along_a_line(refit: &str) -> Branch {
    let branch = Branch::new(&format!("[preparation]\nscale = \"none\"\n[refit]\n{refit}\n"));
    for (month, end) in [("2026-09", 100.0), ("2026-10", 160.0)] {
        let x = (0..400u64).map(|id| end * some_noise(id));
        let y = (0..400u64).map(|id| some_noise(id + 4000));
        let columns = [("id", i64s(0..400)), ("x", f64s(x)), ("y", f64s(y))];
        write(&branch.w.path(&format!("{month}.parquet")), &columns);
    }
    branch
}

fn fitted(refit: &str) -> (Branch, Value) {
    let branch = along_a_line(refit);
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    let report = branch.report(2);
    (branch, report)
}

fn a_budget_of_nothing_is_the_old_model() {
    let (branch, report) = fitted("max_relabelled = 0");
    let model = |version: u64| std::fs::read(branch.version(version).join("model.json")).expect("a model");
    assert!(model(1) == model(2), "the same bytes");
    assert_eq!((&report["matched_by"], &report["relabelled"]), (&Value::from("same_model"), &Value::from(0)));
    let budget = &report["refits"][0]["budget"];
    assert_eq!((&budget["step"], &budget["relabelled"]), (&Value::from(0), &Value::from(0.0)));
    assert!(budget["relabelled_at_end"].as_f64() > Some(0.05) && budget["cost"].as_f64() > Some(0.0), "{budget}");
    // Everything but the way there is what the old model gives.
    let assigned = along_a_line("mode = \"assign\"");
    assigned.published("2026-09-30");
    assigned.published("2026-10-31");
    assert_eq!(branch.labels(2), assigned.labels(2));
    done(["history", "verify", &branch.history()]);
}

fn a_budget_of_everything_is_the_warm_fit() {
    let ((all, report), (warm, _)) = (fitted("max_relabelled = \"100%\""), fitted(""));
    for file in ["model.json", "profile.json", "identity.json", "segments/part-00000.parquet"] {
        let bytes = |branch: &Branch| std::fs::read(branch.version(2).join(file)).expect("a file");
        // The run is named in the footers of labels.
        let is_same =
            if file.ends_with("parquet") { all.labels(2) == warm.labels(2) } else { bytes(&all) == bytes(&warm) };
        assert!(is_same, "{file}");
    }
    let budget = &report["refits"][0]["budget"];
    assert_eq!(budget["step"], budget["steps"]);
    assert_eq!(budget["cost"], 0.0);
}

fn a_budget_between() {
    let (branch, report) = fitted("max_relabelled = \"5%\"");
    let budget = &report["refits"][0]["budget"];
    let (step, steps) = (budget["step"].as_u64().expect("a step"), budget["steps"].as_u64().expect("steps"));
    assert!(0 < step && step < steps, "{budget}");
    let share = budget["relabelled"].as_f64().expect("a share");
    assert!(share > 0.0 && share <= 0.05, "{budget}");
    assert_eq!(report["measures"]["relabelled"].as_f64(), Some(share), "what the two models say of all customers");
    assert!(budget["cost"].as_f64() > Some(0.0));
    assert_eq!(part(&branch.version(2))["stop"], "budget");
    let ran = branch.run("2026-10-31", &["--dry-run"]).succeeds();
    assert!(ran.out.contains(" of the fit, which relabels "), "{}", ran.out);
}

fn budgets_that_make_no_sense() {
    let branch = along_a_line("mode = \"fresh\"\nmax_relabelled = \"2%\"");
    let why = "max_relabelled limits what a warm fit changes; leave it out, or set mode = \"warm\"";
    branch.run("2026-09-30", &[]).is_refused(2, &["job.toml:13:18: ", why]);
    let branch = along_a_line("max_relabelled = 2");
    branch.run("2026-09-30", &[]).is_refused(2, &["2 is not a share: give 0 to 1, or a percentage such as \"2%\""]);
    let branch = along_a_line("max_relabelled = 0.02");
    branch.published("2026-09-30");
    let job = std::fs::read_to_string(branch.w.path("job.toml")).expect("a job");
    std::fs::write(branch.w.path("job.toml"), job.replace("k = 3", "k = 4")).expect("a job");
    let why = "k of [clustering] changed since version 1, and max_relabelled compares with that version's segments; leave \
               it out for this month, or undo the change";
    branch.run("2026-10-31", &[]).is_refused(2, &[why]);
    assert_eq!(states(&branch).len(), 1);
}

/// The squared distances to the centroid of every segment, by a model of two features without transforms.
fn distances(branch: &Branch, version: u64, x: f64, y: f64) -> Vec<f64> {
    let part = part(&branch.version(version));
    let centers = part["cluster_centers_"].as_array().expect("centroids").clone();
    let of = |center: &Value, at: usize, value: f64| (center[at].as_f64().expect("a number") - value).powi(2);
    centers.iter().map(|center| of(center, 0, x) + of(center, 1, y)).collect()
}

fn customers_at_a_border_stay() {
    ["assign", "warm"].into_iter().for_each(border_under);
}

fn border_under(mode: &str) {
    let sections =
        |hysteresis: &str| format!("[preparation]\nscale = \"none\"\n[refit]\nmode = \"{mode}\"\n{hysteresis}\n");
    let run = |hysteresis: &str| {
        let branch = Branch::new(&sections(hysteresis));
        for (month, seed) in [("2026-09", 0), ("2026-10", 10_000), ("2026-11", 20_000)] {
            // Everybody moves a little to and fro.
            let x: Vec<f64> = (0..300u64).map(|id| id as f64 / 3.0 + 6.0 * some_noise(id + seed)).collect();
            let y: Vec<f64> = (0..300u64).map(|id| some_noise(id + 4000 + seed)).collect();
            let columns = [("id", i64s(0..300)), ("x", f64s(x)), ("y", f64s(y))];
            write(&branch.w.path(&format!("{month}.parquet")), &columns);
        }
        branch.published("2026-09-30");
        let second = last_line(&branch.run("2026-10-31", &[]).succeeds());
        let third = branch.run("2026-11-30", &[]).succeeds();
        (branch, second, third)
    };
    let (plain, second, _) = run("");
    let (held, held_second, third) = run("hysteresis = \"20%\"");
    assert!(held_second["moved"].as_u64() < second["moved"].as_u64(), "{second} {held_second}");
    assert!(third.out.contains(" kept their segment by hysteresis"), "{}", third.out);
    let [before, nearest, labels] = [held.labels(1), plain.labels(2), held.labels(2)];
    let report = held.report(2);
    let segments = report["segments"].as_array().expect("segments");
    let id_of = |segment: &Value| segment["segment_id"].as_i64().expect("an id");
    let number_of: BTreeMap<i64, usize> = segments.iter().enumerate().map(|(n, segment)| (id_of(segment), n)).collect();
    let mut kept = 0;
    for (id, (number, identity)) in &labels {
        assert_eq!(*number, nearest[id].0, "the segment is the nearest one");
        let x = *id as f64 / 3.0 + 6.0 * some_noise(*id as u64 + 10_000);
        let distances = distances(&held, 2, x, some_noise(*id as u64 + 14_000));
        let own = number_of[&before[id].1];
        let stays = own != *number as usize && distances[*number as usize].sqrt() > 0.8 * distances[own].sqrt();
        let expected = if stays { before[id].1 } else { nearest[id].1 };
        assert_eq!(*identity, expected, "customer {id}: {distances:?}");
        kept += u64::from(stays);
    }
    assert!(kept > 0 && report["held"] == kept, "{}", report["held"]);
    assert_eq!(report["migration"]["moved"].as_u64(), held_second["moved"].as_u64());
    if mode == "assign" {
        assert_eq!(report["migration"]["moved_by_behaviour"], report["migration"]["moved"], "the model is the same");
        assert_eq!(report["relabelled"], 0);
    }
    let stays = |id: &i64| before[id].1 == labels[id].1;
    assert!(held.changes(2).iter().all(|(id, ..)| !stays(id)), "whoever stays did not move");
    let card = std::fs::read_to_string(held.version(2).join("card.md")).expect("a card");
    assert!(card.contains(&format!("Hysteresis: {kept} customers keep the segment")), "{card}");
    let changed: std::collections::BTreeSet<i64> = held.changes(2).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(changed.len() as u64, report["migration"]["moved"].as_u64().expect("a count"));
    // The next month begins where customers were held.
    let stayed: BTreeMap<i64, i64> = labels.iter().map(|(id, label)| (*id, label.1)).collect();
    let moved = held.labels(3).iter().filter(|(id, label)| stayed[id] != label.1).count();
    assert_eq!(held.report(3)["migration"]["moved"], moved);
    let sizes: u64 =
        report["segments"].as_array().expect("segments").iter().filter_map(|s| s["customers"].as_u64()).sum();
    assert_eq!(sizes, 300);
    done(["history", "verify", &held.history()]);
}
