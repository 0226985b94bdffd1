//! Target lists: against a naive model of the whole procedure, the same bytes in any order, what people open, refusals.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type};
use serde_json::Value;

use crate::command::{Ran, Workshop, contents, json};
use crate::harness::{folder, hyades, root, tests};
use crate::monthly::{Branch, Groups};
use crate::tables::{batch, i64s, noise, read, write, write_batch};

tests!(
    lists_are_those_of_a_naive_model,
    any_order_of_rows_gives_the_same_lists,
    any_memory_gives_the_same_lists,
    sides_stay_when_the_share_grows,
    control_groups_are_balanced,
    labels_of_a_fit_are_found_by_id,
    labels_of_a_history_are_those_of_its_current_version,
    labels_without_ids_are_refused,
    customers_like_the_seeds_come_first,
    the_next_product_and_the_channel_are_those_of_a_naive_model,
    spreadsheets_run_nothing,
    times_of_any_zone_are_written,
    a_dry_run_writes_nothing,
    files_beside_the_folder_replace_nothing_that_is_read,
    segments_that_are_no_numbers,
    campaigns_that_are_refused,
    customers_that_are_refused,
);

const ROWS: usize = 3000;

/// 3000 customers in five segments and three stages, with ties and gaps in their balance.
fn bank() -> RecordBatch {
    let of = |seed: u64| noise(seed).take(ROWS).collect::<Vec<f64>>();
    let (balance, segment, branch) = (of(1), of(2), of(3));
    let balances = balance.iter().map(|u| (*u > 0.05).then_some((u * 40.0).floor()));
    let segments = segment.iter().map(|u| (*u > 0.02).then_some((u * 5.0) as i32));
    let branches = branch.iter().map(|u| (*u > 0.1).then(|| format!("branch {}", (u * 9.0) as i32)));
    let stages = (0..ROWS).map(|i| (i % 10 > 0).then_some(["new", "grown", "lost"][i % 3]));
    batch(&[
        ("customer", i64s((0..ROWS as i64).map(|i| (i * 7919) % 100_003 - 40_000))),
        ("balance", Arc::new(balances.collect::<Float64Array>())),
        ("segment", Arc::new(segments.collect::<Int32Array>())),
        ("branch", Arc::new(branches.collect::<StringArray>())),
        ("stage", Arc::new(stages.collect::<StringArray>())),
    ])
}

const CAMPAIGN: &str = "
[campaign]
name = \"spring\"
day = \"2027-03-01\"
holdout = { share = 0.1 }
[customers]
input = [\"bank.parquet\"]
id = \"customer\"
[[suppress]]
files = [\"objected.parquet\"]
reason = \"opt-out\"
[[suppress]]
files = [\"complained.parquet\"]
reason = \"complaint\"
id = \"who\"
[pressure]
contacts = [\"contacts.parquet\"]
day = \"sent\"
window_days = 30
most = 2
[[list]]
name = \"gold\"
segment = [1, 3]
condition = \"balance > 8\"
order_by = \"balance\"
cap = 200
control = 0.2
control_of = { 3 = 0.5 }
channel = \"call\"
[[list]]
name = \"branches\"
stage = [\"new\", \"lost\"]
order_by = \"balance\"
ascending = true
cap_per = { column = \"branch\", most = 20 }
control = 0.3
[[list]]
name = \"others\"
condition = \"balance IS NULL OR balance < 30\"
control = 0.1
cost_per_contact = 0.5
";

/// Days since 1970 of 2027-03-01.
const DAY: i32 = 20_878;

/// Writes the tables of the campaign; returns who objected, who complained, and all contacts.
pub(crate) fn tables(w: &Workshop) -> (Vec<i64>, Vec<i64>, Vec<(i64, i32)>) {
    let bank = bank();
    write_batch(&w.path("bank.parquet"), &bank, 700);
    let ids: Vec<i64> = bank["customer"].as_primitive::<Int64Type>().values().to_vec();
    let objected: Vec<i64> = ids.iter().copied().step_by(9).chain([999_999, ids[0]]).collect();
    let complained: Vec<i64> = ids.iter().copied().step_by(6).collect();
    let contact = |i: usize| (ids[i * 3 % ROWS], DAY - (i as i32 * 7) % 45 + 3);
    let contacts: Vec<(i64, i32)> = (0..4000).map(contact).collect();
    write(&w.path("objected.parquet"), &[("customer", i64s(objected.iter().copied()))]);
    write(&w.path("complained.parquet"), &[("who", i64s(complained.iter().copied()))]);
    let days: ArrayRef = Arc::new(Date32Array::from(contacts.iter().map(|(_, day)| *day).collect::<Vec<i32>>()));
    write(&w.path("contacts.parquet"), &[("customer", i64s(contacts.iter().map(|(id, _)| *id))), ("sent", days)]);
    std::fs::write(w.path("campaign.toml"), CAMPAIGN).unwrap();
    (objected, complained, contacts)
}

fn lists(w: &Workshop, file: &str, out: &str) -> Ran {
    hyades(["campaign", "lists", &w.text(file), "--out", &w.text(out)]).into()
}

/// Rows of the table of sides: id, list, arm, rank.
fn sides(w: &Workshop, out: &str) -> Vec<(i64, String, String, i64)> {
    let table = read(&w.path(out).join("assignments.parquet"));
    let text = |name: &str, row: usize| table[name].as_string::<i64>().value(row).to_owned();
    let number = |name: &str, row: usize| table[name].as_primitive::<Int64Type>().value(row);
    let id = table.schema().field(0).name().clone();
    (0..table.num_rows()).map(|i| (number(&id, i), text("list", i), text("arm", i), number("rank", i))).collect()
}

fn drawn(key: &[u8; 32], id: i64) -> f64 {
    let hash = blake3::keyed_hash(key, id.to_string().as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap()) as f64 / 2f64.powi(64)
}

/// One list of the model.
struct ModelList {
    takes: fn(&Customer) -> bool,
    ascending: Option<bool>,
    cap: usize,
    per_branch: usize,
    share: fn(&Customer) -> f64,
}

#[derive(Clone)]
struct Customer {
    id: i64,
    balance: Option<f64>,
    segment: Option<i32>,
    branch: Option<String>,
    stage: Option<String>,
}

fn model_lists() -> [ModelList; 3] {
    [
        ModelList {
            takes: |c| c.balance.is_some_and(|b| b > 8.0) && matches!(c.segment, Some(1 | 3)),
            ascending: Some(false),
            cap: 200,
            per_branch: usize::MAX,
            share: |c| if c.segment == Some(3) { 0.5 } else { 0.2 },
        },
        ModelList {
            takes: |c| matches!(c.stage.as_deref(), Some("new" | "lost")),
            ascending: Some(true),
            cap: usize::MAX,
            per_branch: 20,
            share: |_| 0.3,
        },
        ModelList {
            takes: |c| c.balance.is_none_or(|b| b < 30.0),
            ascending: None,
            cap: usize::MAX,
            per_branch: usize::MAX,
            share: |_| 0.1,
        },
    ]
}

fn customers() -> Vec<Customer> {
    let bank = bank();
    let text = |name: &str, i: usize| {
        let of = bank[name].as_string::<i32>();
        of.is_valid(i).then(|| of.value(i).to_owned())
    };
    let (balance, segment) =
        (bank["balance"].as_primitive::<Float64Type>(), bank["segment"].as_primitive::<Int32Type>());
    let customer = |i: usize| Customer {
        id: bank["customer"].as_primitive::<Int64Type>().value(i),
        balance: balance.is_valid(i).then(|| balance.value(i)),
        segment: segment.is_valid(i).then(|| segment.value(i)),
        branch: text("branch", i),
        stage: text("stage", i),
    };
    (0..ROWS).map(customer).collect()
}

/// Every step by its definition, one customer after the other.
fn lists_are_those_of_a_naive_model() {
    let w = Workshop::new();
    let (objected, complained, contacts) = tables(&w);
    let said = lists(&w, "campaign.toml", "made").succeeds();
    let own = blake3::derive_key("hyades 2026-11-29 control groups of campaigns", &[&[0; 8][..], b"spring"].concat());
    let shared = blake3::derive_key("hyades 2026-11-29 hold-out of all campaigns", b"");
    let stop = |c: &Customer| {
        let recent = |&&(id, day): &&(i64, i32)| id == c.id && day <= DAY && day > DAY - 30;
        match () {
            () if objected.contains(&c.id) => Some("opt-out"),
            () if complained.contains(&c.id) => Some("complaint"),
            () if contacts.iter().filter(recent).count() >= 2 => Some("pressure"),
            () if drawn(&shared, c.id) < 0.1 => Some("holdout"),
            () => None,
        }
    };
    let (all, mut taken, mut expected) = (customers(), HashSet::new(), Vec::new());
    let waterfall = json(w.path("made/waterfall.json"));
    for (list, (of, name)) in model_lists().iter().zip(["gold", "branches", "others"]).enumerate() {
        let eligible: Vec<&Customer> = all.iter().filter(|c| (of.takes)(c)).collect();
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for reason in eligible.iter().filter_map(|c| stop(c)) {
            *counts.entry(reason).or_default() += 1;
        }
        let free: Vec<&&Customer> = eligible.iter().filter(|c| stop(c).is_none()).collect();
        let mut ranked: Vec<&&&Customer> = free.iter().filter(|c| !taken.contains(&c.id)).collect();
        counts.insert("earlier", (free.len() - ranked.len()) as u64);
        ranked.sort_by(|a, b| {
            let sign = if of.ascending == Some(true) { 1.0 } else { -1.0 };
            let key = |c: &Customer| of.ascending.map_or(0.0, |_| c.balance.map_or(f64::INFINITY, |b| sign * b));
            key(a).total_cmp(&key(b)).then(a.id.cmp(&b.id))
        });
        let (mut rank, mut contacted, mut by_branch) = (0, 0, HashMap::new());
        for c in &ranked {
            let here: &mut usize = by_branch.entry(c.branch.clone()).or_default();
            if contacted == of.cap || *here == of.per_branch {
                continue;
            }
            let arm = if drawn(&own, c.id) < (of.share)(c) { "control" } else { "contact" };
            (*here, contacted) = if arm == "contact" { (*here + 1, contacted + 1) } else { (*here, contacted) };
            rank += 1;
            taken.insert(c.id);
            expected.push((c.id, name.to_owned(), arm.to_owned(), rank));
        }
        counts.insert("capped", ranked.len() as u64 - rank as u64);
        counts.insert("contacted", contacted as u64);
        counts.insert("control", rank as u64 - contacted as u64);
        let found = &waterfall["lists"][list];
        adds_up(found, eligible.len() as u64);
        for (step, n) in &counts {
            let reasons = found["suppressed"].as_array().unwrap();
            let suppressed = reasons.iter().find(|of| of["reason"] == *step).map(|of| &of["customers"]);
            assert_eq!(suppressed.unwrap_or(&found[*step]).as_u64(), Some(*n), "{name}: {step}");
        }
    }
    assert_eq!(sides(&w, "made"), expected);
    let eligible = all.iter().filter(|c| model_lists().iter().any(|of| (of.takes)(c))).count() as u64;
    adds_up(&waterfall["all"], eligible);
    assert_eq!(waterfall["not_eligible"], ROWS as u64 - eligible);
    let design = json(w.path("made/design.json"));
    assert_eq!((&design["design_version"], &design["assignments"]["rows"]), (&1.into(), &expected.len().into()));
    let made = std::fs::read(w.path("made/assignments.parquet")).unwrap();
    assert_eq!(design["assignments"]["blake3"], blake3::hash(&made).to_hex().as_str());
    let table = said.out.split("assignments blake3").next().unwrap();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
}

/// Steps, and cells, add up to the eligible customers.
fn adds_up(counts: &Value, eligible: u64) {
    let sum = |of: &Value| {
        let steps = ["pressure", "holdout", "earlier", "capped", "control", "contacted"];
        let reasons = of["suppressed"].as_array().unwrap().iter().map(|of| of["customers"].as_u64().unwrap());
        steps.iter().map(|step| of[*step].as_u64().unwrap()).chain(reasons).sum::<u64>()
    };
    assert_eq!((counts["eligible"].as_u64(), sum(counts)), (Some(eligible), eligible));
    let Some(cells) = counts["cells"].as_array() else { return };
    for step in ["eligible", "capped", "contacted", "control"] {
        let all: u64 = cells.iter().map(|cell| cell[step].as_u64().unwrap()).sum();
        assert_eq!(counts[step].as_u64(), Some(all), "cells of {step}");
    }
    assert!(cells.iter().all(|cell| Some(sum(cell)) == cell["eligible"].as_u64()));
}

fn any_order_of_rows_gives_the_same_lists() {
    let w = Workshop::new();
    tables(&w);
    lists(&w, "campaign.toml", "made").succeeds();
    let bank = read(&w.path("bank.parquet"));
    let mut order: Vec<u32> = (0..ROWS as u32).collect();
    let keys: Vec<f64> = noise(11).take(ROWS).collect();
    order.sort_by(|a, b| keys[*a as usize].total_cmp(&keys[*b as usize]));
    let order = UInt32Array::from(order);
    let arrays = bank.columns().iter().map(|c| take(c, &order, None).unwrap()).collect();
    write_batch(&w.path("bank.parquet"), &RecordBatch::try_new(bank.schema(), arrays).unwrap(), 191);
    let text = w.text("campaign.toml");
    Ran::from(hyades(["campaign", "lists", &text, "--out", &w.text("again"), "--threads", "1"])).succeeds();
    let (made, mut again) = (contents(&w.path("made")), contents(&w.path("again")));
    again.insert("design.json".into(), made["design.json"].clone());
    assert!(made == again, "other rows, row groups and threads");
    // The same folder again: it is replaced as a whole.
    lists(&w, "campaign.toml", "again").succeeds();
}

/// With so little memory, candidates are sorted in a scratch file, and members are written in several passes.
fn any_memory_gives_the_same_lists() {
    let w = Workshop::new();
    tables(&w);
    lists(&w, "campaign.toml", "much").succeeds();
    let text = w.text("campaign.toml");
    Ran::from(hyades(["campaign", "lists", &text, "--out", &w.text("little"), "--memory", "1MB"])).succeeds();
    assert!(contents(&w.path("much")) == contents(&w.path("little")));
}

/// Products and channels of the bank, beside it; a column of money says who holds the second product.
fn offers(w: &Workshop) -> Vec<(u64, Option<&'static str>)> {
    let mut draws = (0..4).map(|seed| noise(40 + seed).take(ROWS).collect::<Vec<f64>>());
    let mut draw = || draws.next().unwrap();
    let (card, fund, loan, channel) = (draw(), draw(), draw(), draw());
    let customers = customers();
    let held: Vec<u64> = (0..ROWS)
        .map(|i| {
            let segment = f64::from(customers[i].segment.unwrap_or(2));
            let bit = |product: u64, holds: bool| u64::from(holds) << product;
            bit(0, card[i] < 0.5) | bit(1, fund[i] < 0.1 + 0.15 * segment) | bit(2, loan[i] < 0.9 - 0.2 * segment)
        })
        .collect();
    let channels = channel.iter().map(|u| match *u {
        u if u < 0.3 => None,
        u if u < 0.35 => Some(""),
        u if u < 0.6 => Some("app"),
        _ => Some("call"),
    });
    let channels: Vec<Option<&str>> = channels.collect();
    let has = |product: u32| held.iter().map(move |mask| mask >> product & 1 == 1);
    let money = has(1).enumerate().map(|(i, holds)| if holds { Some(1.5) } else { (i % 2 == 0).then_some(0.0) });
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("customer", i64s(customers.iter().map(|c| c.id))),
        ("card", Arc::new(BooleanArray::from(has(0).collect::<Vec<bool>>()))),
        ("fund", Arc::new(money.collect::<Float64Array>())),
        ("loan", Arc::new(has(2).map(|holds| holds.then_some("signed")).collect::<StringArray>())),
        ("used", Arc::new(channels.iter().copied().collect::<StringArray>())),
    ];
    write(&w.path("offers.parquet"), &columns);
    held.into_iter().zip(channels.into_iter().map(|channel| channel.filter(|channel| !channel.is_empty()))).collect()
}

fn the_next_product_and_the_channel_are_those_of_a_naive_model() {
    let w = Workshop::new();
    tables(&w);
    let (offers, all) = (offers(&w), customers());
    let text = "[campaign]\nname = \"o\"\nday = \"2027-03-01\"\nno_opt_out = \"test\"\nproducts = [\"card\", \"fund\", \
                \"loan\"]\nchannel = \"used\"\n[customers]\ninput = [\"bank.parquet\"]\njoin = [\"offers.parquet\"]\nid = \
                \"customer\"\n[[list]]\nname = \"funds\"\ncondition = \"next_product = 'fund' AND next_channel <> \
                'app'\"\ncontrol = 0.3\nproduct = \"a fund\"\nchannel = \"letter\"\n[[list]]\nname = \"all\"\ncontrol = \
                0.1\nproduct = \"next\"\nscript = \"=hello\"\n";
    std::fs::write(w.path("o.toml"), text).unwrap();
    let said = lists(&w, "o.toml", "o").succeeds();
    let names = ["card", "fund", "loan"];
    let cell = |i: usize| all[i].segment.map(|segment| (segment, all[i].stage.clone()));
    let holders = |cell_of: Option<&Option<(i32, Option<String>)>>, product: usize| {
        let here = (0..ROWS).filter(|&i| cell_of.is_none_or(|of| cell(i) == *of));
        here.filter(|&i| offers[i].0 >> product & 1 == 1).count() as f64
    };
    let mut ranked: HashMap<Option<(i32, Option<String>)>, Vec<usize>> = HashMap::new();
    for of in (0..ROWS).map(cell).collect::<HashSet<_>>() {
        let mut products: Vec<usize> = (0..3).filter(|&p| of.is_some() && holders(Some(&of), p) >= 50.0).collect();
        let lift = |p: usize| holders(Some(&of), p) / holders(None, p);
        products.sort_by(|&a, &b| lift(b).total_cmp(&lift(a)));
        ranked.insert(of, products);
    }
    let next = |i: usize| ranked[&cell(i)].iter().find(|&&p| offers[i].0 >> p & 1 == 0).map(|&p| names[p]);
    let channel = |i: usize| {
        let common = |here: &dyn Fn(usize) -> bool| {
            let count = |name: &str| (0..ROWS).filter(|&j| here(j) && offers[j].1 == Some(name)).count();
            if count("app") >= count("call") { "app" } else { "call" }
        };
        let segment = all[i].segment;
        offers[i].1.unwrap_or_else(|| common(&|j| segment.is_none() || all[j].segment == segment))
    };
    let mut expected: HashMap<i64, (&str, Option<&str>, &str)> = HashMap::new();
    for i in 0..ROWS {
        let (next, channel) = (next(i), channel(i));
        match next {
            Some("fund") if channel != "app" => _ = expected.insert(all[i].id, ("funds", Some("a fund"), "letter")),
            Some(_) => _ = expected.insert(all[i].id, ("all", next, channel)),
            None => {}
        }
    }
    let table = read(&w.path("o/assignments.parquet"));
    let text = |name: &str, i: usize| table[name].as_string::<i64>().value(i);
    assert_eq!(table.num_rows(), expected.len());
    let mut strategy: BTreeMap<(&str, Option<i32>, &str, &str), u64> = BTreeMap::new();
    for i in 0..table.num_rows() {
        let id = table["customer"].as_primitive::<Int64Type>().value(i);
        assert_eq!((text("list", i), Some(text("product", i)), text("channel", i)), expected[&id], "{id}");
        let segment = table["segment"].is_valid(i).then(|| table["segment"].as_primitive::<Int32Type>().value(i));
        *strategy.entry((text("list", i), segment, text("product", i), text("channel", i))).or_default() += 1;
    }
    let design = json(w.path("o/design.json"));
    let mut told: BTreeMap<(&str, Option<i32>, &str, &str), u64> = BTreeMap::new();
    for line in design["strategy"].as_array().unwrap() {
        let text = |name: &str| line[name].as_str().unwrap();
        let segment = line["segment"].as_i64().map(|segment| segment as i32);
        let n = line["contacted"].as_u64().unwrap() + line["control"].as_u64().unwrap();
        *told.entry((text("list"), segment, text("product"), text("channel"))).or_default() += n;
        assert_eq!(line["reason"].is_string(), text("list") == "all");
    }
    assert_eq!(told, strategy);
    let sheet = std::fs::read_to_string(w.path("o/lists/all.csv")).unwrap();
    let header = "\u{feff}position,customer,segment,stage,channel,product,next_product_reason,script\r\n";
    assert!(sheet.starts_with(header), "{}", &sheet[..200]);
    assert!(sheet.lines().nth(1).unwrap().ends_with(",'=hello"), "{}", &sheet[..400]);
    assert!(said.out.contains("  lift 1."), "{}", said.out);
    assert!(said.out.lines().all(|line| line.chars().count() <= 110), "{}", said.out);
}

fn sides_stay_when_the_share_grows() {
    let w = Workshop::new();
    tables(&w);
    let mut before: HashSet<i64> = HashSet::new();
    for share in [0.05, 0.1, 0.35] {
        let text = format!(
            "[campaign]\nname = \"x\"\nday = \"2027-03-01\"\nno_opt_out = \"test\"\n[customers]\ninput = \
             [\"bank.parquet\"]\nid = \"customer\"\n[[list]]\nname = \"a\"\ncontrol = {share}\n"
        );
        std::fs::write(w.path("x.toml"), text).unwrap();
        let said = lists(&w, "x.toml", "x").succeeds();
        assert!(said.err.contains("no list of customers who object to marketing is used: test"), "{}", said.err);
        let controls: HashSet<i64> = sides(&w, "x").iter().filter(|s| s.2 == "control").map(|s| s.0).collect();
        assert!(controls.is_superset(&before) && controls.len() > before.len());
        before = controls;
    }
}

/// The shares of control groups do not depend on the segment: chi-square of 5 degrees of freedom at 0.001.
fn control_groups_are_balanced() {
    let w = Workshop::new();
    let input = root().join("data/customers.parquet");
    let text = format!(
        "[campaign]\nname = \"balance\"\nday = \"2027-03-01\"\nno_opt_out = \"test\"\n[customers]\ninput = [{input:?}]\n\
         [[list]]\nname = \"a\"\ncontrol = 0.2\ncolumns = [\"true_segment\"]\n"
    );
    std::fs::write(w.path("x.toml"), text).unwrap();
    lists(&w, "x.toml", "x").succeeds();
    let bank = read(&input);
    let (ids, segments) = (&bank["customer_id"], &bank["true_segment"]);
    let (ids, segments) =
        (ids.as_primitive::<Int64Type>(), arrow::compute::cast(segments, &arrow::datatypes::DataType::Int64).unwrap());
    let of: HashMap<i64, i64> =
        ids.values().iter().copied().zip(segments.as_primitive::<Int64Type>().values().iter().copied()).collect();
    let mut counts: BTreeMap<i64, [f64; 2]> = BTreeMap::new();
    for (id, _, arm, _) in sides(&w, "x") {
        counts.entry(of[&id]).or_default()[usize::from(arm == "control")] += 1.0;
    }
    let chi: f64 = counts
        .values()
        .map(|[contact, control]| {
            let n = contact + control;
            (control - 0.2 * n).powi(2) / (0.2 * n) + (contact - 0.8 * n).powi(2) / (0.8 * n)
        })
        .sum();
    assert!(counts.len() == 6 && chi < 22.5, "{chi}: {counts:?}");
}

fn labels_of_a_fit_are_found_by_id() {
    let w = Workshop::new();
    let input = root().join("data/customers.parquet");
    let input = input.to_str().unwrap();
    w.run(["fit", input, "--k", "4"]).succeeds();
    let text = format!(
        "[campaign]\nname = \"x\"\nday = \"2027-03-01\"\nno_opt_out = \"test\"\n[customers]\ninput = [{input:?}]\n\
         segments = \"out\"\n[[list]]\nname = \"a\"\nsegment = [0, 2]\ncontrol = 0.1\n"
    );
    std::fs::write(w.path("x.toml"), &text).unwrap();
    lists(&w, "x.toml", "x").succeeds();
    let labels = read(&w.path("out/segments/part-00000.parquet"));
    let segments = labels["segment"].as_primitive::<Int32Type>().values();
    let expected = segments.iter().filter(|s| matches!(s, 0 | 2)).count() as u64;
    let waterfall = json(w.path("x/waterfall.json"));
    assert_eq!(waterfall["lists"][0]["eligible"], expected);
    assert_eq!(waterfall["lists"][0]["cells"].as_array().unwrap().len(), 2);
    // Customers whom the labels do not know.
    let bank = read(input.as_ref());
    let more = concat_batches(&bank.schema(), [&bank.slice(0, 19_000), &shifted(&bank.slice(0, 1000))]).unwrap();
    write_batch(&w.path("more.parquet"), &more, 5000);
    std::fs::write(w.path("y.toml"), text.replace(&format!("{input:?}"), "\"more.parquet\"")).unwrap();
    lists(&w, "y.toml", "y").is_refused(
        3,
        &["segments has no label for 1,000 of 20,000 customers (5.00%); check id and segments in [customers], or raise \
           max_unmatched in [campaign]"],
    );
}

fn labels_of_a_history_are_those_of_its_current_version() {
    let branch = Branch::new("");
    let groups: Groups = (0..600).map(|id| (id, id as usize % 3)).collect();
    branch.month("2027-01", &groups);
    branch.published("2027-01-31");
    let moved = groups.iter().map(|(id, group)| (*id, if id % 50 == 0 { (group + 1) % 3 } else { *group })).collect();
    branch.month("2027-02", &moved);
    branch.published("2027-02-28");
    let (before, labels) = (branch.labels(1), branch.labels(2));
    let one = labels[&1].1;
    let text = format!(
        "[campaign]\nname = \"x\"\nday = \"2027-03-01\"\nno_opt_out = \"test\"\n[customers]\ninput = \
         [\"2027-02.parquet\"]\nsegments = \"history\"\n[[list]]\nname = \"a\"\nsegment_id = [{one}]\ncontrol = 0.1\n"
    );
    std::fs::write(branch.w.path("x.toml"), text).unwrap();
    lists(&branch.w, "x.toml", "x").succeeds();
    let mut found: Vec<i64> = sides(&branch.w, "x").into_iter().map(|side| side.0).collect();
    found.sort_unstable();
    let of = |labels: &crate::monthly::Labels| {
        labels.iter().filter(|(_, label)| label.1 == one).map(|(id, _)| *id).collect::<Vec<i64>>()
    };
    assert_eq!(found, of(&labels));
    assert_ne!(found, of(&before));
}

fn labels_without_ids_are_refused() {
    let w = Workshop::new();
    tables(&w);
    write(&w.path("labels.parquet"), &[("segment", i64s((0..ROWS as i64).map(|i| i % 3)))]);
    let text = CAMPAIGN.replace("id = \"customer\"\n", "id = \"customer\"\nsegments = \"labels.parquet\"\n");
    std::fs::write(w.path("campaign.toml"), text).unwrap();
    let message = "labels.parquet have no column \"customer\", so that nobody knows whose they are; label the customers \
                   again with this column as their id (--id)";
    lists(&w, "campaign.toml", "made").is_refused(3, &[message]);
}

/// One micro-segment for 30 seeds: it is their mean, and the nearest customers come first.
fn customers_like_the_seeds_come_first() {
    let w = Workshop::new();
    let input = root().join("data/customers.parquet");
    let input = input.to_str().unwrap();
    w.run(["fit", input, "--k", "4"]).succeeds();
    let labels = read(&w.path("out/segments/part-00000.parquet"));
    let bank = read(input.as_ref());
    let ids = bank["customer_id"].as_primitive::<Int64Type>().values().to_vec();
    let segments = labels["segment"].as_primitive::<Int32Type>().values().to_vec();
    let seeds: Vec<i64> = (0..ids.len()).filter(|&i| segments[i] == 2).map(|i| ids[i]).take(30).collect();
    write(&w.path("seeds.parquet"), &[("customer_id", i64s(seeds.iter().copied().chain([-1])))]);
    let text = format!(
        "[campaign]\nname = \"x\"\nday = \"2027-03-01\"\nno_opt_out = \"test\"\n[customers]\ninput = [{input:?}]\n\
         segments = \"out\"\n[[list]]\nname = \"alike\"\nlike = \"seeds.parquet\"\ncap = 300\ncontrol = 0.1\n"
    );
    std::fs::write(w.path("x.toml"), &text).unwrap();
    let said = lists(&w, "x.toml", "x").succeeds();
    assert!(said.err.contains("seeds.parquet: 30 of 31 seeds are customers"), "{}", said.err);
    let of: HashMap<i64, i32> = ids.iter().copied().zip(segments.iter().copied()).collect();
    let found = sides(&w, "x");
    assert!(found.iter().all(|(id, ..)| !seeds.contains(id)));
    assert_eq!(json(w.path("x/waterfall.json"))["not_eligible"], 30);
    let alike = found.iter().filter(|(id, ..)| of[id] == 2).count();
    assert!(alike * 10 > found.len() * 9, "{alike} of {}", found.len());
    let sheet = std::fs::read_to_string(w.path("x/lists/alike.csv")).unwrap();
    assert!(sheet.lines().next().unwrap().ends_with(",like_distance"));
    let distances: Vec<f64> =
        sheet.lines().skip(1).map(|line| line.rsplit(',').next().unwrap().parse().unwrap()).collect();
    assert!(distances.len() == 300 && distances.is_sorted());
    // Threads and memory change nothing; neither does the table's order.
    let (file, out) = (w.text("x.toml"), w.text("y"));
    Ran::from(hyades(["campaign", "lists", &file, "--out", &out, "--threads", "1", "--memory", "1MB"])).succeeds();
    assert!(contents(&w.path("x")) == contents(&w.path("y")));
    // Without a model, and seeds that are nobody.
    std::fs::write(w.path("z.toml"), text.replace("segments = \"out\"\n", "")).unwrap();
    let no_model = "like needs the model of a fit; name it in [customers]: model = \"FOLDER/model.json\"";
    lists(&w, "z.toml", "z").is_refused(2, &[no_model]);
    write(&w.path("seeds.parquet"), &[("customer_id", i64s([-1, -2]))]);
    lists(&w, "x.toml", "z").is_refused(3, &["seeds.parquet: none of its 2 ids is that of a customer"]);
}

/// The same rows of other customers.
fn shifted(batch: &RecordBatch) -> RecordBatch {
    let ids = batch["customer_id"].as_primitive::<Int64Type>();
    let ids: ArrayRef = Arc::new(ids.values().iter().map(|id| id + 50_000_000).collect::<Int64Array>());
    let at = batch.schema().index_of("customer_id").unwrap();
    let mut columns = batch.columns().to_vec();
    columns[at] = ids;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

fn spreadsheets_run_nothing() {
    let w = Workshop::new();
    let long = "x".repeat(10_000);
    let names = ["=cmd|' /C calc'!A0", "a\r\nb", "\u{202e}moc", &long, "plain, \"quoted\"", "@x"];
    write(
        &w.path("bank.parquet"),
        &[("id", i64s(-3..3)), ("name", Arc::new(StringArray::from(names.to_vec()))), ("balance", i64s(-3..3))],
    );
    let text = "[campaign]\nname = \"x\"\nday = \"2027-03-01\"\nno_opt_out = \"test\"\n[customers]\n\
                input = [\"bank.parquet\"]\n[[list]]\nname = \"a\"\ncontrol = 1e-9\nchannel = \"=1\"\n\
                columns = [\"name\", \"balance\"]\n";
    std::fs::write(w.path("x.toml"), text).unwrap();
    let said = lists(&w, "x.toml", "x").succeeds();
    assert!(said.err.contains("list \"a\": its control group is empty, so that nothing can be measured"));
    let csv = std::fs::read_to_string(w.path("x/lists/a.csv")).unwrap();
    let expected = format!(
        "\u{feff}position,id,channel,name,balance\r\n1,-3,'=1,'=cmd|' /C calc'!A0,-3\r\n2,-2,'=1,\"a\r\nb\",-2\r\n\
         3,-1,'=1,\u{202e}moc,-1\r\n4,0,'=1,{long},0\r\n5,1,'=1,\"plain, \"\"quoted\"\"\",1\r\n6,2,'=1,'@x,2\r\n"
    );
    assert_eq!(csv, expected);
}

/// Times in a zone with a name are told in UTC, as Spark and pandas write it.
fn times_of_any_zone_are_written() {
    let w = Workshop::new();
    let moments = TimestampMicrosecondArray::from(vec![Some(0), Some(86_399_250_000), None, Some(0)]);
    let of = |zone: &str| -> ArrayRef { Arc::new(moments.clone().with_timezone(zone)) };
    let zones = [("utc", of("UTC")), ("named", of("Asia/Shanghai")), ("offset", of("+08:00"))];
    let columns = [&[("id", i64s(1..5)), ("plain", Arc::new(moments.clone()) as ArrayRef)][..], &zones].concat();
    write(&w.path("bank.parquet"), &columns);
    let text = "[campaign]\nname = \"x\"\nday = \"2027-03-01\"\nno_opt_out = \"test\"\n[customers]\n\
                input = [\"bank.parquet\"]\n[[list]]\nname = \"a\"\ncontrol = 1e-9\n\
                columns = [\"plain\", \"utc\", \"named\", \"offset\"]\ncap_per = { column = \"utc\", most = 1 }\n";
    std::fs::write(w.path("x.toml"), text).unwrap();
    lists(&w, "x.toml", "x").succeeds();
    let csv = std::fs::read_to_string(w.path("x/lists/a.csv")).unwrap();
    let lines: Vec<&str> = csv.trim_start_matches('\u{feff}').lines().collect();
    let expected = [
        "position,id,plain,utc,named,offset",
        "1,1,1970-01-01T00:00:00,1970-01-01T00:00:00Z,1970-01-01T00:00:00Z,1970-01-01T08:00:00+08:00",
        "2,2,1970-01-01T23:59:59.250,1970-01-01T23:59:59.250Z,1970-01-01T23:59:59.250Z,1970-01-02T07:59:59.250+08:00",
        "3,3,,,,",
    ];
    assert_eq!(lines, expected, "one customer of each time");
}

fn a_dry_run_writes_nothing() {
    let w = Workshop::new();
    tables(&w);
    let file = w.text("campaign.toml");
    let names = |w: &Workshop| std::fs::read_dir(w.path("")).unwrap().flatten().count();
    let before = names(&w);
    let said = Ran::from(hyades(["campaign", "lists", &file, "--dry-run"])).succeeds();
    assert!(said.out.contains("= contacted") && said.out.contains("dry run: nothing was written"), "{}", said.out);
    let said = Ran::from(hyades(["campaign", "lists", &file, "--dry-run", "--json", "-"])).succeeds();
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((&found["waterfall"]["customers"], &found["design"]), (&ROWS.into(), &Value::Null));
    assert_eq!(names(&w), before);
}

/// The JSON and the page are no input, do not lie in the folder, and are not one file.
fn files_beside_the_folder_replace_nothing_that_is_read() {
    let w = Workshop::new();
    tables(&w);
    write(&w.path("seeds.parquet"), &[("customer", i64s([1, 2]))]);
    let (file, out) = (w.text("campaign.toml"), w.text("made"));
    lists(&w, "campaign.toml", "made").succeeds();
    let before = contents(&w.path(""));
    let refused = |more: &[&str], message: &str| {
        let all = [&["campaign", "lists", &file, "--out", &out][..], more].concat();
        Ran::from(hyades(all)).is_refused(2, &[message]);
        assert!(contents(&w.path("")) == before, "{more:?}: a file was changed");
    };
    for option in ["--json", "--report"] {
        for name in ["campaign.toml", "bank.parquet", "objected.parquet", "complained.parquet", "contacts.parquet"] {
            let path = w.text(name);
            let message = format!("cannot write {path}: this run reads it; choose another name");
            refused(&[option, &path], &message);
            refused(&["--dry-run", option, &path], &message);
        }
        for name in ["made/design.json", "made/lists/gold.csv", "made/page.html"] {
            let path = w.text(name);
            let message = format!(
                "{option} {path} lies in the output folder, which is replaced as a whole; name a file beside it"
            );
            refused(&[option, &path], &message);
        }
    }
    let both = w.text("both");
    let message = format!("cannot write {both}: it is named for two outputs; choose another name");
    refused(&["--json", &both, "--report", &both], &message);
    let (json_file, page) = (w.text("lists.json"), w.text("lists.html"));
    let all = ["campaign", "lists", &file, "--out", &out, "--json", &json_file, "--report", &page];
    Ran::from(hyades(all)).succeeds();
    assert_eq!(json(&json_file)["waterfall"], json(w.path("made/waterfall.json")));
    assert!(std::fs::read_to_string(page).unwrap().contains("<h1>Target lists · spring</h1>"));
}

/// Doubles that are whole numbers are numbers of segments, as pandas makes them; anything else is not.
fn segments_that_are_no_numbers() {
    let w = Workshop::new();
    let text = "[campaign]\nname = \"x\"\nday = \"2027-03-01\"\nno_opt_out = \"test\"\n[customers]\n\
                input = [\"bank.parquet\"]\n[[list]]\nname = \"a\"\nsegment = [1]\ncontrol = 0.1\n";
    std::fs::write(w.path("x.toml"), text).unwrap();
    let of = |segments: ArrayRef| {
        write_batch(&w.path("bank.parquet"), &batch(&[("id", i64s(0..60)), ("segment", segments)]), 25);
        lists(&w, "x.toml", "made")
    };
    let eligible = || json(w.path("made/waterfall.json"))["lists"][0]["eligible"].as_u64();
    let doubles =
        |of: fn(usize) -> f64| -> ArrayRef { Arc::new((0..60).map(|i| Some(of(i))).collect::<Float64Array>()) };
    of(doubles(|i| if i % 3 == 0 { f64::NAN } else { (i % 3) as f64 })).succeeds();
    assert_eq!(eligible(), Some(20));
    let texts =
        |of: fn(usize) -> &'static str| -> ArrayRef { Arc::new((0..60).map(|i| Some(of(i))).collect::<StringArray>()) };
    of(texts(|i| ["1", "2"][i % 2])).succeeds();
    assert_eq!(eligible(), Some(30));
    let refused = |segments: ArrayRef, value: &str| {
        let message = format!(
            "column \"segment\" has the value {value}, which is not the number of a segment; store whole numbers there, or \
             give the column another name"
        );
        of(segments).is_refused(3, &[&message]);
    };
    refused(texts(|i| if i == 40 { "gold" } else { "1" }), "\"gold\"");
    refused(texts(|_| ""), "\"\"");
    refused(doubles(|i| if i == 40 { 1.5 } else { 1.0 }), "\"1.5\"");
    refused(doubles(|_| f64::INFINITY), "\"inf\"");
}

fn campaigns_that_are_refused() {
    let folder = folder();
    let path = folder.path().join("x.toml");
    let good = "[campaign]\nname = \"x\"\nday = \"2027-03-01\"\nno_opt_out = \"test\"\n[customers]\n\
                input = [\"bank.parquet\"]\n[[list]]\nname = \"a\"\ncontrol = 0.1\n";
    write(&folder.path().join("bank.parquet"), &[("id", i64s(0..50)), ("x", i64s(0..50))]);
    for (from, to, message) in [
        ("control = 0.1", "", "x.toml:8:1: [list] lacks the key \"control\""),
        (
            "control = 0.1",
            "control = 0",
            "x.toml:9:11: list \"a\": control must be above 0 and below 1, since without a control group nothing can be measured; it is 0",
        ),
        (
            "control = 0.1",
            "control = 1.0",
            "control must be above 0 and below 1, since without a control group nothing can be measured; it is 1",
        ),
        ("control = 0.1", "contrl = 0.1", "has no key \"contrl\"; did you mean \"control\"?"),
        (
            "no_opt_out = \"test\"\n",
            "",
            "x.toml:1:1: no [[suppress]] has reason = \"opt-out\": name the customers who object to marketing, or say in [campaign] why there are none: no_opt_out = \"...\"",
        ),
        ("2027-03-01", "today", "x.toml:3:7: day must be a date such as 2027-03-01; it is \"today\""),
        ("name = \"a\"", "name = \"../a\"", "its name is that of a file, and must not begin with a dot, dash or space"),
        ("name = \"a\"", "name = \"a\\u202eb\"", "its name is that of a file, and must not contain \"\\u{202e}\""),
        (
            "control = 0.1\n",
            "control = 0.1\n[[list]]\nname = \"A\"\ncontrol = 0.1\n",
            "x.toml:11:8: list \"A\": another list has this name, and they would be one file",
        ),
        (
            "control = 0.1\n",
            "control = 0.1\nproduct = \"next\"\n",
            "x.toml:10:11: list \"a\": product = \"next\" needs the columns of products: [campaign] products = [...]",
        ),
        ("day = ", "products = [\"x\", \"x\"]\nday = ", "x.toml:3:18: products of [campaign] names \"x\" twice"),
        (
            "control = 0.1\n",
            "control = 0.1\nlike = \"s.parquet\"\norder_by = \"x\"\n",
            "list \"a\": like ranks customers itself; remove order_by and ascending, or like",
        ),
        (
            "control = 0.1\n",
            "control = 0.1\ncontrol_of = { \"03\" = 0.5 }\n",
            "x.toml:10:23: list \"a\": control_of names segments by number; \"03\" is not one",
        ),
        (
            "control = 0.1\n",
            "control = 0.1\ncontrol_of = { \"+3\" = 0.5 }\n",
            "list \"a\": control_of names segments by number; \"+3\" is not one",
        ),
        (
            "control = 0.1\n",
            "control = 0.1\ncolumns = [\"x\", \"id\", \"x\"]\n",
            "x.toml:10:23: list \"a\": columns names \"x\" twice",
        ),
        ("control = 0.1\n", "control = 0.1\ncap = 0\n", "x.toml:10:7: list \"a\": a cap of 0 leaves nobody to contact"),
        (
            "control = 0.1\n",
            "control = 0.1\ncondition = \"balence > 3\"\n",
            "condition of list \"a\" at 1:1: no column is named \"balence\"",
        ),
        (
            "control = 0.1\n",
            "control = 0.1\norder_by = \"z\"\ncolumns = [\"idd\"]\n",
            "columns of list \"a\": no column is named \"idd\" (did you mean \"id\"?)",
        ),
        (
            "control = 0.1\n",
            "control = 0.1\nsegment = [1]\n",
            "list \"a\" needs the column \"segment\"; name the labels in [customers]: segments = \"FOLDER\"",
        ),
        (
            "control = 0.1\n",
            "control = 0.1\nstage = [\"new\"]\n",
            "list \"a\" needs the column \"stage\"; join a table that has it",
        ),
        (
            "name = \"x\"",
            "name = \"x\"\nkey = \"env:HYADES_NO_SUCH_KEY\"",
            "the environment has no variable HYADES_NO_SUCH_KEY",
        ),
    ] {
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        let out = folder.path().join("out");
        let said = Ran::from(hyades(["campaign", "lists", path.to_str().unwrap(), "--out", out.to_str().unwrap()]));
        said.is_refused(2, &[message]);
        assert!(!out.exists(), "{message}");
    }
}

fn customers_that_are_refused() {
    let w = Workshop::new();
    let text = "[campaign]\nname = \"x\"\nday = \"2027-03-01\"\n[customers]\ninput = [\"bank.parquet\"]\n[[suppress]]\n\
                files = [\"no.parquet\"]\nreason = \"opt-out\"\n[[list]]\nname = \"a\"\ncontrol = 0.1\n";
    std::fs::write(w.path("x.toml"), text).unwrap();
    let words = |words: &[&str]| -> ArrayRef { Arc::new(StringArray::from(words.to_vec())) };
    let some = |ids: &[Option<i64>]| -> ArrayRef { Arc::new(Int64Array::from(ids.to_vec())) };
    let run = |ids: ArrayRef, no: ArrayRef| {
        write(&w.path("bank.parquet"), &[("id", ids)]);
        write(&w.path("no.parquet"), &[("id", no)]);
        lists(&w, "x.toml", "made")
    };
    run(i64s([1, 2, 2]), i64s([1])).is_refused(
        3,
        &["1 of 3 rows repeat an id in column \"id\"; a campaign needs one row for each customer; repair the input"],
    );
    run(some(&[Some(1), None, Some(3)]), i64s([1])).is_refused(3, &["1 of 3 rows have no id in column \"id\""]);
    run(i64s(0..9), words(&["1"])).is_refused(
        3,
        &["[[suppress]] \"opt-out\": its ids in column \"id\" are Utf8, those of the customers Int64, so that none would \
           match; convert one of them"],
    );
    run(i64s(0..9), i64s(0..9)).is_refused(
        3,
        &["nobody is left to contact: of 9 customers, 9 are eligible; 9 of these are suppressed, 0 were contacted often \
           enough, 0 are in the hold-out and 0 in control groups"],
    );
    let said = run(i64s(0..99), i64s([1000])).succeeds();
    let warning = "suppression \"opt-out\": none of its 1 ids is that of a customer; check its column of ids";
    assert!(said.err.contains(warning), "{}", said.err);
}
