//! `campaign evaluate`: what arms did, and what is refused.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Date32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Int64Type};

use crate::command::{Ran, Workshop, done, json};
use crate::harness::{hyades, tests};
use crate::tables::{batch, f64s, i64s, noise, read, write, write_batch};

tests!(
    arms_are_compared_with_the_control,
    nothing_of_an_evaluation_depends_on_threads_or_row_groups,
    customers_assigned_otherwise_than_expected_are_told,
    a_design_is_joined_to_its_outcomes,
    segments_of_a_fit_are_joined,
    events_are_put_together,
    what_are_no_events_is_refused,
    shares_and_costs_are_those_of_the_design,
    an_unknown_cost_is_not_free,
    a_campaign_from_lists_to_evaluation,
    what_cannot_be_evaluated_is_refused,
);

const ROWS: usize = 6000;

fn ran(arguments: Vec<&str>) -> Ran {
    hyades(arguments).into()
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn arm(i: usize) -> &'static str {
    ["none", "mail", "call"][i % 3]
}

/// Three arms in two towns; calls sell, mails do not.
fn columns() -> Vec<(&'static str, ArrayRef)> {
    let bought: Vec<bool> = noise(7).take(ROWS).enumerate().map(|(i, u)| u < [0.10, 0.10, 0.20][i % 3]).collect();
    let spent = bought.iter().zip(noise(8)).map(|(&bought, u)| if bought { (5000.0 * u).round() / 100.0 } else { 0.0 });
    vec![
        ("customer_id", i64s((0..ROWS as i64).map(|i| 10 * i))),
        ("arm", texts((0..ROWS).map(|i| Some(arm(i).into())))),
        ("town", texts((0..ROWS).map(|i| (i % 7 != 0).then(|| ["=Ulm\u{202e}", "Bonn"][i / 3 % 2].into())))),
        ("bought", Arc::new(bought.iter().map(|&b| Some(b)).collect::<BooleanArray>())),
        ("spent", f64s(spent)),
    ]
}

pub(crate) fn save(path: &Path, group_rows: usize) {
    write_batch(path, &batch(&columns()), group_rows);
}

const EVALUATE: [&str; 2] = ["campaign", "evaluate"];
const BY_ARM: [&str; 4] = ["--arm", "arm", "--control", "none"];

fn arms_are_compared_with_the_control() {
    let w = Workshop::new();
    save(&w.path("in.parquet"), 1000);
    let (input, out) = (w.text("in.parquet"), w.text("found.json"));
    let outcomes = ["--conversion", "bought", "--money", "spent", "--by", "town", "--cost-per-contact", "0.5"];
    let arguments = [&EVALUATE[..], &[&input], &BY_ARM, &outcomes, &["--margin", "0.4", "--json", &out]].concat();
    let text = ran(arguments).succeeds().out;
    for part in ["sample ratio: as expected", "call - none", "mail - call", "higher", "not shown", "(missing)", "Bonn"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains('\u{202e}'), "{text}");
    let found = json(&out);
    assert_eq!(found["customers"], ROWS);
    let bought = &found["metrics"][0];
    let call = bought["comparisons"].as_array().unwrap().iter().find(|c| c["arm"]["arm"] == "call").unwrap();
    assert_eq!((call["verdict"].as_str(), call["against"]["arm"].as_str()), (Some("higher"), Some("none")));
    // Counted here again.
    let of = |wanted: usize| {
        noise(7).take(ROWS).enumerate().filter(|(i, u)| i % 3 == wanted && *u < [0.10, 0.10, 0.20][wanted]).count()
    };
    let rates: Vec<f64> = [2, 0].map(|arm| of(arm) as f64 / 2000.0).into();
    assert_eq!(call["arm"]["total"].as_f64().unwrap(), of(2) as f64);
    assert!((call["difference"]["value"].as_f64().unwrap() - (rates[0] - rates[1])).abs() < 1e-12);
    assert_eq!(bought["groups"].as_array().unwrap().len(), 6, "three towns, two arms");
    let spent = &found["metrics"][1]["comparisons"][0];
    assert_eq!(spent["value"]["cost"], 1000.0);
}

fn nothing_of_an_evaluation_depends_on_threads_or_row_groups() {
    let w = Workshop::new();
    let evaluate = |group_rows: usize, threads: &str, name: &str| {
        save(&w.path("in.parquet"), group_rows);
        let (input, out) = (w.text("in.parquet"), w.text(name));
        let more = ["--conversion", "bought", "--money", "spent", "--by", "town", "--threads", threads, "--json", &out];
        ran([&EVALUATE[..], &[&input], &BY_ARM, &more].concat()).succeeds();
        std::fs::read(out).unwrap()
    };
    assert_eq!(evaluate(ROWS, "1", "one.json"), evaluate(77, "3", "many.json"));
}

fn customers_assigned_otherwise_than_expected_are_told() {
    let w = Workshop::new();
    save(&w.path("in.parquet"), ROWS);
    let input = w.text("in.parquet");
    let run = |shares: &str| {
        let more = ["--conversion", "bought", "--expected-shares", shares];
        ran([&EVALUATE[..], &[&input], &BY_ARM, &more].concat())
    };
    assert!(run("none=1,mail=1,call=1").succeeds().out.contains("sample ratio: as expected"));
    assert!(run("none=0.2,mail=0.4,call=0.4").succeeds().out.contains("WARNING: sample ratio mismatch"));
    run("none=1,mail=1").is_refused(2, &["--expected-shares: the arm \"call\" is missing"]);
    run("none=1,post=1").is_refused(2, &["no customer is in the arm \"post\""]);
    run("none").is_refused(2, &["\"none\" is not a share of an arm; write ARM=SHARE"]);
}

fn a_design_is_joined_to_its_outcomes() {
    let w = Workshop::new();
    let folder = w.path("design");
    std::fs::create_dir(&folder).unwrap();
    let n = 3000;
    let assigned: Vec<(&str, ArrayRef)> = vec![
        ("customer_id", i64s(0..n)),
        ("list", texts((0..n).map(|_| Some("autumn".into())))),
        ("segment", i64s((0..n).map(|i| i % 2))),
        ("arm", texts((0..n).map(|i| Some(["control", "contact"][usize::from(i % 10 > 0)].into())))),
    ];
    write(&folder.join("assignments.parquet"), &assigned);
    // Only those who bought have a row, and one of them is unknown.
    let buyers: Vec<i64> = (0..n).filter(|i| i % 4 == 0).chain([99_999]).collect();
    let count = buyers.len();
    write(&w.path("sales.parquet"), &[("customer_id", i64s(buyers)), ("bought", i64s(vec![1; count]))]);
    let (design, sales, out) = (w.text("design"), w.text("sales.parquet"), w.text("found.json"));
    let lists = r#"{"lists": [{"name": "autumn", "control_share": 0.1, "control_share_of": {}, "contacted": 2700, "control": 300}]}"#;
    std::fs::write(folder.join("design.json"), lists).unwrap();
    let more = ["--conversion", "bought", "--json", &out];
    let known = ran([&EVALUATE[..], &[&design, &sales], &more].concat()).succeeds();
    assert!(known.err.contains("1 of its rows are of customers who are in no arm"), "{}", known.err);
    let found = json(&out);
    assert_eq!(found["by"], serde_json::json!(["list", "segment"]));
    assert_eq!(found["sample_ratio"]["chi_square"], 0.0, "{}", found["sample_ratio"]);
    let totals: f64 =
        found["metrics"][0]["arms"].as_array().unwrap().iter().map(|a| a["total"].as_f64().unwrap()).sum();
    assert_eq!(totals, 750.0);
    ran([&EVALUATE[..], &[&design], &["--conversion", "bought"]].concat())
        .is_refused(2, &["no outcomes: name a table of outcomes after the design"]);
    write(&w.path("twice.parquet"), &[("customer_id", i64s([4, 4])), ("bought", i64s([1, 1]))]);
    let twice = w.text("twice.parquet");
    ran([&EVALUATE[..], &[&design, &twice], &["--conversion", "bought"]].concat()).is_refused(3, &["twice.parquet"]);
}

fn segments_of_a_fit_are_joined() {
    let w = Workshop::new();
    save(&w.path("in.parquet"), ROWS);
    let (input, out) = (w.text("in.parquet"), w.text("found.json"));
    write(
        &w.path("labels.parquet"),
        &[("customer_id", i64s((0..ROWS as i64).map(|i| 10 * i))), ("segment", i64s((0..ROWS as i64).map(|i| i % 5)))],
    );
    let labels = w.text("labels.parquet");
    let more = ["--conversion", "bought", "--labels", &labels, "--by", "segment", "--json", &out];
    ran([&EVALUATE[..], &[&input], &BY_ARM, &more].concat()).succeeds();
    assert_eq!(json(&out)["metrics"][0]["groups"].as_array().unwrap().len(), 10);
}

fn what_cannot_be_evaluated_is_refused() {
    let w = Workshop::new();
    save(&w.path("in.parquet"), ROWS);
    let input = w.text("in.parquet");
    let refused = |code: i32, parts: &[&str], more: &[&str]| {
        ran([&EVALUATE[..], &[&input], more].concat()).is_refused(code, parts);
    };
    let bought = ["--conversion", "bought"];
    refused(2, &["--arm is missing"], &bought);
    refused(2, &["--control is missing"], &[&bought[..], &["--arm", "arm"]].concat());
    refused(2, &["no outcome: name columns with --conversion (0 or 1) or --money"], &BY_ARM);
    refused(2, &["no column is named \"Bougt\" (--conversion) (did you mean \"bought\"?)"], &{
        [&BY_ARM[..], &["--conversion", "Bougt"]].concat()
    });
    refused(
        3,
        &["no customer's \"arm\" is \"nome\" (--control): it has \"call\", \"mail\", \"none\"; did you mean \"none\"?"],
        &["--arm", "arm", "--control", "nome", "--conversion", "bought"],
    );
    refused(3, &["\"spent\" is ", "a conversion is 0 or 1: name amounts with --money"], &{
        [&BY_ARM[..], &["--conversion", "spent"]].concat()
    });
    refused(3, &["--money \"town\" is Utf8; an outcome is a number, or true or false"], &{
        [&BY_ARM[..], &["--money", "town"]].concat()
    });
    refused(3, &["\"customer_id\" has 6000 values, at most 20 can be arms"], &{
        [&["--arm", "customer_id", "--control", "0"][..], &bought].concat()
    });
    refused(2, &["--margin 3: expected a share from 0 to 1"], &[&BY_ARM[..], &bought, &["--margin", "3"]].concat());
    refused(2, &["--cost-per-contact -1: expected an amount of 0 or more"], &{
        [&BY_ARM[..], &bought, &["--cost-per-contact=-1"]].concat()
    });
    let small = |arms: [Option<&str>; 3], bought: [Option<f64>; 3]| {
        let arms = texts(arms.into_iter().map(|arm| arm.map(str::to_owned)));
        write(&w.path("in.parquet"), &[("arm", arms), ("bought", crate::tables::some_f64s(bought))]);
        ran([&EVALUATE[..], &[&input], &BY_ARM, &["--conversion", "bought"]].concat())
    };
    small([Some("none"), None, Some("mail")], [Some(0.0); 3]).is_refused(3, &["\"arm\" is null in row 1"]);
    small([Some("none"); 3], [Some(0.0); 3]).is_refused(3, &["all customers are in the arm \"none\""]);
    small([Some("none"), Some("mail"), Some("mail")], [Some(0.0), Some(1.0), None])
        .is_refused(3, &["\"bought\" is null in row 2; an outcome is a number, 0 where nothing happened"]);
}

/// Sales of customers 0, 10, 20, ... of [`columns`]: several a customer, some before the contact, some of others.
fn events_are_put_together() {
    let w = Workshop::new();
    save(&w.path("in.parquet"), 1000);
    let day = |n: i64| n as i32;
    let contact = 20_000; // 2024-10-04
    let mut sales: Vec<(Option<i64>, Option<i32>, Option<f64>)> = Vec::new();
    for customer in 0..600 {
        let id = Some(10 * customer);
        sales.push((id, Some(contact), Some(12.5)));
        sales.push((id, Some(day(i64::from(contact) + customer % 40)), Some(0.25)));
        sales.push((id, Some(contact - 1), Some(1000.0)));
    }
    // A gift, a missing amount, a customer in no arm, and rows without id or day.
    sales.extend([(Some(6000), Some(contact + 2), Some(0.0)), (Some(6010), Some(contact), None)]);
    sales.extend([(Some(7), Some(contact), Some(5.0)), (Some(7), Some(contact), Some(5.0))]);
    sales.extend([(None, Some(contact), Some(5.0)), (Some(0), None, Some(5.0))]);
    let write_sales = |group_rows: usize, is_reversed: bool| {
        let mut rows = sales.clone();
        if is_reversed {
            rows.reverse();
        }
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("customer_id", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
            ("sold_on", Arc::new(rows.iter().map(|row| row.1).collect::<Date32Array>())),
            ("amount", crate::tables::some_f64s(rows.iter().map(|row| row.2))),
        ];
        write_batch(&w.path("sales.parquet"), &batch(&columns), group_rows);
    };
    let (input, sales_file, out) = (w.text("in.parquet"), w.text("sales.parquet"), w.text("found.json"));
    let events = ["--events", &sales_file, "--event-day", "sold_on", "--contact-day", "2024-10-04"];
    let outcomes = ["--conversion", "amount", "--money", "amount", "--json", &out];
    let run = |more: &[&str]| {
        let ran = ran([&EVALUATE[..], &[&input], &BY_ARM, &events, &outcomes, more].concat()).succeeds();
        (ran.out, std::fs::read(&out).unwrap(), json(&out))
    };
    write_sales(10_000, false);
    let (text, bytes, found) = run(&["--within-days", "30"]);
    let counts = serde_json::json!({"rows": 1806, "used": 1052, "before_contact": 600, "too_late": 150, "incomplete": 2,
        "unknown": 2, "customers": 602, "repeated": 450});
    assert_eq!(found["events"], counts);
    let sentence = "events: 1,052 of 1,806 count, of 602 customers, 450 of them with several; not 600 before the contact, \
                    150 too late, 2 without an id or a day, 2 of customers who are in no arm";
    assert!(text.replace('\n', " ").contains(sentence), "{text}");
    let sum = |metric: usize| -> f64 {
        found["metrics"][metric]["arms"].as_array().unwrap().iter().map(|arm| arm["total"].as_f64().unwrap()).sum()
    };
    assert_eq!((sum(0), sum(1)), (600.0, 600.0 * 12.5 + 450.0 * 0.25), "twice counts once, but money is added up");
    // The order of rows, row groups and threads change nothing.
    write_sales(77, true);
    assert_eq!(run(&["--within-days", "30", "--threads", "3"]).1, bytes);
    assert_eq!(run(&[]).2["events"]["used"], 1202);
    let zh = run(&["--lang", "zh"]).0;
    assert!(zh.contains("样本比例：正常") && zh.contains("事件：1,806条中1,202条计入"), "{zh}");
    let all: Vec<&str> = [&EVALUATE[..], &[&input], &BY_ARM, &events[..2], &outcomes].concat();
    let ran = ran(all).succeeds();
    assert!(ran.err.contains("all events count, whenever they were"), "{}", ran.err);
}

fn what_are_no_events_is_refused() {
    let w = Workshop::new();
    save(&w.path("in.parquet"), ROWS);
    let (input, sales) = (w.text("in.parquet"), w.text("sales.parquet"));
    let refused = |code: i32, parts: &[&str], more: &[&str]| {
        let outcomes = ["--money", "amount", "--events", &sales];
        ran([&EVALUATE[..], &[&input], &BY_ARM, &outcomes, more].concat()).is_refused(code, parts);
    };
    let days = |n: usize| -> ArrayRef { Arc::new((0..n).map(|_| Some(20_000)).collect::<Date32Array>()) };
    let save_sales = |id: ArrayRef, amount: ArrayRef| {
        let sold_on = days(id.len());
        write(&w.path("sales.parquet"), &[("customer_id", id), ("sold_on", sold_on), ("amount", amount)]);
    };
    save_sales(i64s([0, 10]), f64s([1.0, 2.0]));
    refused(2, &["--contact-day is missing: events before it do not count; a design would tell the day"], &{
        ["--event-day", "sold_on"]
    });
    refused(2, &["the day of the contact is \"4 Oct\"; expected a date such as 2027-03-01"], &{
        ["--event-day", "sold_on", "--contact-day", "4 Oct"]
    });
    let of_day = ["--contact-day", "2024-10-04"];
    refused(2, &["no column is named \"sold\" (--event-day)"], &{ [&of_day[..], &["--event-day", "sold"]].concat() });
    refused(3, &["--event-day \"amount\" is Float64, not a date or a timestamp"], &{
        [&of_day[..], &["--event-day", "amount"]].concat()
    });
    refused(2, &["--within-days 0: expected at least one day, that of the contact"], &{
        [&of_day[..], &["--event-day", "sold_on", "--within-days", "0"]].concat()
    });
    let of_sold = [&of_day[..], &["--event-day", "sold_on"]].concat();
    refused(2, &["no column is named \"spent\" (--money)"], &[&of_sold[..], &["--money", "spent"]].concat());
    refused(2, &["no column is named \"kunde\" (--id)"], &[&of_sold[..], &["--id", "kunde"]].concat());
    save_sales(i64s([0, 10]), f64s([1.0, f64::INFINITY]));
    refused(3, &["\"amount\" is inf in row 1 of the events; an outcome is a number"], &of_sold);
    save_sales(texts(["0", "10"].into_iter().map(|id| Some(id.into()))), f64s([1.0, 2.0]));
    refused(
        3,
        &[
            "--events: its ids in column \"customer_id\" are Utf8, those of the customers Int64, so that none would match",
        ],
        &of_sold,
    );
    save_sales(i64s([0, 10]), f64s([1.0, 2.0]));
    let arms = || texts((0..4).map(|i| Some(arm(i).into())));
    write(&w.path("in.parquet"), &[("customer_id", i64s([0, 10, 10, 20])), ("arm", arms())]);
    refused(3, &["1 of 4 rows repeat an id in column \"customer_id\"; events are of customers, who have one row"], &{
        of_sold.clone()
    });
    write(&w.path("in.parquet"), &[("arm", arms())]);
    refused(2, &["no column of the customers is named like an id, by which events are found"], &of_sold);
}

/// The shares of control groups and the costs of contacts by list and segment, as a design says them.
fn shares_and_costs_are_those_of_the_design() {
    let w = Workshop::new();
    let folder = w.path("design");
    std::fs::create_dir(&folder).unwrap();
    // Three cells of 1,000 customers: gold by segments 0 and 1, silver in segment 0.
    let n = 3000;
    let list = |i: i64| if i < 2000 { "gold" } else { "silver" };
    let segment = |i: i64| i64::from((1000..2000).contains(&i));
    let shares = |i: i64| [5, 2, 4][(i / 1000) as usize];
    let save_arms = |is_control: &dyn Fn(i64) -> bool| {
        write(
            &folder.join("assignments.parquet"),
            &[
                ("key", i64s(0..n)),
                ("list", texts((0..n).map(|i| Some(list(i).into())))),
                ("segment", i64s((0..n).map(segment))),
                ("arm", texts((0..n).map(|i| Some(["contact", "control"][usize::from(is_control(i))].into())))),
            ],
        );
    };
    let design = r#"{"day": "2024-10-04", "id": "key", "lists": [
        {"name": "gold", "control_share": 0.2, "control_share_of": {"1": 0.5}, "cost_per_contact": 2.0},
        {"name": "silver", "control_share": 0.25, "control_share_of": {}, "cost_per_contact": 0.5}]}"#;
    std::fs::write(folder.join("design.json"), design).unwrap();
    let sold_on: ArrayRef = Arc::new((0..n).map(|_| Some(20_010)).collect::<Date32Array>());
    write(
        &w.path("sales.parquet"),
        &[("key", i64s(0..n)), ("sold_on", sold_on), ("amount", f64s((0..n).map(|i| (i % 7) as f64)))],
    );
    let (at, sales, out) = (w.text("design"), w.text("sales.parquet"), w.text("found.json"));
    let run = |more: &[&str]| {
        let events = ["--events", &sales, "--event-day", "sold_on", "--money", "amount", "--json", &out];
        let ran = ran([&EVALUATE[..], &[&at], &events, more].concat()).succeeds();
        (ran, json(&out))
    };
    save_arms(&|i| i % shares(i) == 0);
    let (told, found) = run(&[]);
    assert!(told.err.contains("the shares of the control groups differ by list or segment"), "{}", told.err);
    assert_eq!(found["sample_ratio"]["chi_square"], 0.0);
    assert_eq!(found["arms"][0]["customers"], 200 + 500 + 250);
    let ratios = found["group_ratios"].as_array().unwrap();
    assert_eq!(ratios.len(), 3);
    assert_eq!(ratios[1]["expected"], serde_json::json!([500.0, 500.0]));
    assert_eq!(found["list_costs"], serde_json::json!({"gold": 2.0, "silver": 0.5}));
    let of = |found: &serde_json::Value, table: &str| -> Vec<f64> {
        let rows = found["metrics"][0][table].as_array().unwrap();
        rows.iter().map(|c| c["value"]["cost"].as_f64().unwrap()).collect()
    };
    assert_eq!((of(&found, "groups"), of(&found, "comparisons")), (vec![1600.0, 1000.0, 375.0], vec![2975.0]));
    assert!(
        told.out.contains("by list, segment: as expected in all groups tested (3, smallest p 1.0000)"),
        "{}",
        told.out
    );
    // By segment only, costs and shares are still those of the lists.
    let (_, found) = run(&["--by", "segment"]);
    assert_eq!((of(&found, "groups"), &found["group_ratios"][0]["expected"][0]), (vec![1975.0, 1000.0], &450.0.into()));
    assert_eq!(of(&run(&["--cost-per-contact", "1"]).1, "comparisons"), [2050.0]);
    // In one group too many are left alone, in another as many too few.
    save_arms(&|i| if i < 2000 { (i % 1000) % 20 < [5, 9][(i / 1000) as usize] } else { i % 4 == 0 });
    let (told, found) = run(&[]);
    assert_eq!(found["sample_ratio"]["is_suspicious"], false);
    let suspicious: Vec<bool> =
        found["group_ratios"].as_array().unwrap().iter().map(|r| r["ratio"]["is_suspicious"] == true).collect();
    assert_eq!(suspicious, [true, false, false], "{}", found["group_ratios"]);
    let text =
        "WARNING: sample ratio mismatch in list, segment gold, 0: control 250 of 200, contact 750 of 800 expected,";
    assert!(told.out.replace('\n', " ").contains(text), "{}", told.out);
}

/// One of two lists says what a contact costs.
fn an_unknown_cost_is_not_free() {
    let w = Workshop::new();
    let folder = w.path("design");
    std::fs::create_dir(&folder).unwrap();
    let n = 2000;
    let is_gold = |i: i64| i < 1000;
    write(
        &folder.join("assignments.parquet"),
        &[
            ("key", i64s(0..n)),
            ("list", texts((0..n).map(|i| Some(if is_gold(i) { "gold" } else { "silver" }.into())))),
            ("arm", texts((0..n).map(|i| Some(if i % 4 == 0 { "control" } else { "contact" }.into())))),
        ],
    );
    write(&w.path("sales.parquet"), &[("key", i64s(0..n)), ("amount", f64s((0..n).map(|i| (i % 7) as f64)))]);
    let (at, sales, out, page) = (w.text("design"), w.text("sales.parquet"), w.text("found.json"), w.text("p.html"));
    let run = |costs: [&str; 2], more: &[&str]| {
        let [gold, silver] = costs;
        let design = format!(
            r#"{{"day": "2024-10-04", "id": "key", "lists": [
            {{"name": "gold", "control_share": 0.25, "control_share_of": {{}}{gold}}},
            {{"name": "silver", "control_share": 0.25, "control_share_of": {{}}{silver}}}]}}"#
        );
        std::fs::write(folder.join("design.json"), design).unwrap();
        let outcomes = ["--money", "amount", "--json", &out, "--report", &page];
        let told = ran([&EVALUATE[..], &[&at, &sales], &outcomes, more].concat()).succeeds().out;
        let found = json(&out)["metrics"][0].take();
        let of = |table: &str| -> Vec<Option<f64>> {
            found[table].as_array().unwrap().iter().map(|c| c["value"]["cost"].as_f64()).collect()
        };
        let page = std::fs::read_to_string(&page).unwrap();
        (told.contains("profit"), page.contains(">profit<"), of("comparisons"), of("groups"))
    };
    let (known, free, unknown) = (r#", "cost_per_contact": 2.0"#, r#", "cost_per_contact": 0.0"#, "");
    assert_eq!(run([known, known], &[]), (true, true, vec![Some(3000.0)], vec![Some(1500.0); 2]));
    // What all contacts cost is not known either.
    assert_eq!(run([known, unknown], &[]), (true, true, vec![None], vec![Some(1500.0), None]));
    assert_eq!(run([free, unknown], &[]), (true, true, vec![None], vec![Some(0.0), None]));
    assert_eq!(run([unknown, unknown], &[]), (false, false, vec![None], vec![None, None]));
    let asked = run([known, unknown], &["--cost-per-contact", "1"]);
    assert_eq!(asked, (true, true, vec![Some(1500.0)], vec![Some(750.0); 2]));
}

/// From a synthetic bank to what its campaign brought: contacts add 10 points to the sales of those who hold no fund.
fn a_campaign_from_lists_to_evaluation() {
    let w = Workshop::new();
    let (bank, fitted, lists, sales) =
        (w.text("bank.parquet"), w.text("fitted"), w.text("lists"), w.path("sales.parquet"));
    done(["synth", "--rows", "8000", "--segments", "4", "--business-columns", "--out", &bank]);
    done(["fit", &bank, "--k", "4", "--product", "has_fund,has_wealth", "--out", &fitted]);
    std::fs::write(w.path("no.csv"), "customer_id\n5\n").unwrap();
    let file = r#"
        [campaign]
        name = "funds 2026"
        day = "2026-02-10"
        [customers]
        input = ["bank.parquet"]
        segments = "fitted"
        [[suppress]]
        files = ["no.csv"]
        reason = "opt-out"
        [[list]]
        name = "mobile"
        condition = "NOT has_fund AND preferred_channel = 'mobile'"
        order_by = "current_balance"
        control = 0.3
        cost_per_contact = 0.1
        [[list]]
        name = "branch"
        condition = "NOT has_fund AND preferred_channel = 'branch'"
        control = 0.3
        cost_per_contact = 5.0
    "#;
    std::fs::write(w.path("campaign.toml"), file).unwrap();
    done(["campaign", "lists", &w.text("campaign.toml"), "--out", &lists]);
    let assigned = read(&Path::new(&lists).join("assignments.parquet"));
    let ids = assigned.column_by_name("customer_id").unwrap().as_primitive::<Int64Type>().values().to_vec();
    let arms: Vec<bool> = {
        let arms = arrow::compute::cast(assigned.column_by_name("arm").unwrap(), &DataType::Utf8).unwrap();
        arms.as_string::<i32>().iter().map(|arm| arm == Some("contact")).collect()
    };
    let bought = arms.iter().zip(noise(3)).map(|(&contact, u)| u < if contact { 0.15 } else { 0.05 });
    let buyers: Vec<i64> = ids.iter().zip(bought).filter(|(_, bought)| *bought).map(|(id, _)| *id).collect();
    let days: ArrayRef = Arc::new(buyers.iter().map(|_| Some(20_500)).collect::<Date32Array>());
    let amounts = f64s(buyers.iter().map(|id| 20.0 + (id % 50) as f64));
    write(&sales, &[("customer_id", i64s(buyers)), ("sold_on", days), ("amount", amounts)]);
    let (sales, out) = (w.text("sales.parquet"), w.text("found.json"));
    let events = ["--events", &sales, "--event-day", "sold_on", "--conversion", "amount", "--money", "amount"];
    let told = done([&EVALUATE[..], &[&lists], &events, &["--json", &out]].concat());
    let found = json(&out);
    assert_eq!(found["customers"], ids.len());
    assert_eq!(found["list_costs"], serde_json::json!({"mobile": 0.1, "branch": 5.0}));
    assert_eq!(
        (&found["sample_ratio"]["is_suspicious"], &found["by"]),
        (&false.into(), &serde_json::json!(["list", "segment"]))
    );
    let uplift = &found["metrics"][0]["comparisons"][0];
    let [low, high] = ["low", "high"].map(|end| uplift["difference"][end].as_f64().unwrap());
    assert!(uplift["verdict"] == "higher" && low < 0.1 && 0.1 < high && high - low < 0.06, "{uplift}");
    let worth = |list: &str| -> Vec<bool> {
        let groups = found["metrics"][1]["groups"].as_array().unwrap().iter().filter(|c| c["group"][0] == list);
        groups.map(|c| c["value"]["roi"].as_f64().unwrap() > 0.0).collect()
    };
    assert!(worth("mobile").iter().any(|&gains| gains) && !worth("branch").iter().all(|&gains| gains), "{}", told.out);
}
