//! Cards of segments: the rules of `explain --rules`, and who came and left as the matrix of moves tells.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use serde_json::Value;

use crate::command::{Workshop, done, json};
use crate::harness::tests;
use crate::monthly::{Branch, Groups, groups, two_months};
use crate::tables::{batch, f64s, i64s, noise, write_batch};

tests!(
    cards_have_the_rules_of_explain,
    rules_are_for_pages_only,
    rules_of_parts_and_written_rules,
    small_segments_have_no_rule,
    few_customers_are_not_in_a_rules_figures,
    a_rare_category_is_not_named,
    too_many_segments_have_no_rules,
    cards_of_a_month_have_its_moves,
    moves_that_are_withheld,
);

const ROWS: usize = 3000;

/// Three groups that overlap, so that no short rule tells all customers.
fn bank(rows: usize) -> Vec<(&'static str, ArrayRef)> {
    let value = |seed: u64, step: f64| {
        f64s(noise(seed).take(rows).enumerate().map(move |(i, u)| (40.0 * u).round() + step * (i % 3) as f64))
    };
    let region = noise(9)
        .take(rows)
        .enumerate()
        .map(|(i, u)| Some(["north", "o'hara", "south"][(i + usize::from(u > 0.9)) % 3]));
    vec![
        ("customer_id", i64s((0..rows as i64).map(|i| 100 + i))),
        ("balance", value(1, 30.0)),
        ("visits", value(2, -20.0)),
        ("region", Arc::new(region.collect::<StringArray>())),
    ]
}

/// The arguments of a fit of these columns, in row groups of 700 rows.
fn fit(w: &Workshop, columns: &[(&str, ArrayRef)], more: &[&str]) -> String {
    let (input, out) = (w.text("in.parquet"), w.text("out"));
    write_batch(Path::new(&input), &batch(columns), 700);
    let _ = std::fs::remove_dir_all(&out);
    let recipe = w.text("recipe.toml");
    std::fs::write(&recipe, "[columns.region]\nencode = \"one-hot\"\n").expect("a recipe");
    done([&["fit", &input, "--k", "3", "--recipe", &recipe, "--out", &out, "-q"], more].concat());
    input
}

/// All segments in the report of `explain --rules`.
fn explained(model: &str, input: &str) -> Vec<Value> {
    let ran = done(["explain", model, input, "--rules", "--json", "-", "-q"]);
    let report: Value = serde_json::from_str(&ran.out).expect("JSON");
    let parts = report["parts"].as_array().expect("parts").clone();
    parts.iter().flat_map(|part| part["segments"].as_array().expect("segments").clone()).collect()
}

/// The segments of a profile.
fn profiled(path: impl AsRef<Path>) -> Vec<Value> {
    json(path)["segments"].as_array().expect("segments").clone()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The rules of a profile are those of `explain`, and a page has them.
fn agree(profile: &[Value], explained: &[Value], page: &str, [lang, before]: [&str; 2]) {
    let mut found = 0;
    for (of, rule) in profile.iter().filter_map(|segment| Some((segment, segment.get("rule")?))) {
        let Some(told) = explained.iter().find(|told| told["segment"] == of["segment"]) else { continue };
        assert_eq!((&rule["en"], &rule["zh"]), (&told["en"], &told["zh"]));
        for key in ["told", "precision", "recall"] {
            assert_eq!(rule["figures"][key], told[key], "{key}");
        }
        let right: u64 =
            told["paths"].as_array().expect("paths").iter().filter_map(|path| path["right"].as_u64()).sum();
        assert_eq!(rule["figures"]["right"], right);
        let (paths, any_of) = (told["paths"].as_array().expect("paths"), rule["any_of"].as_array());
        let texts = |of: &[Value]| -> Vec<(Value, Value)> {
            of.iter().map(|path| (path["en"].clone(), path["zh"].clone())).collect()
        };
        let sentence = |of: &Value| escaped(of[lang].as_str().expect("a sentence"));
        let expected = match any_of {
            None => format!("<p>{before}{}</p>", sentence(rule)),
            Some(any_of) => {
                assert!(paths.len() > 1 && texts(any_of) == texts(paths), "{rule}");
                let lines: String = any_of.iter().map(|of| format!("<li>{}</li>", sentence(of))).collect();
                format!("<p>{before}{}</p><ul>{lines}</ul>", if lang == "zh" { "满足以下任一条件" } else { "any of" })
            }
        };
        assert!(page.contains(&expected), "no {expected} in {page}");
        found += 1;
    }
    assert_eq!(found, explained.len());
}

fn page(w: &Workshop) -> String {
    std::fs::read_to_string(w.path("page.html")).expect("a page")
}

/// What a card says of its rule.
fn figures(rule: &Value) -> String {
    let whole = |key: &str| format!("{:.0}", 100.0 * rule["figures"][key].as_f64().expect("a share"));
    let (precision, recall) = (whole("precision"), whole("recall"));
    format!(
        "<p class=\"soft\">About {precision} % of the customers that it holds for are in the segment; it holds for about \
         {recall} % of the segment.</p>"
    )
}

/// Customers that the rule of a segment tells rightly, tells wrongly, and misses.
fn counts(segment: &Value) -> [u64; 3] {
    let n = |of: &Value| of.as_u64().expect("a count");
    let right = n(&segment["rule"]["figures"]["right"]);
    [right, n(&segment["rule"]["figures"]["told"]) - right, n(&segment["customers"]) - right]
}

/// The page has the figures of rules, unless they tell of fewer than `small` customers; of how many segments it does.
fn figures_are_told(page: &str, profile: &[Value], small: u64) -> usize {
    for segment in profile {
        let is_told = counts(segment).iter().all(|n| *n == 0 || *n >= small);
        assert_eq!(page.contains(&figures(&segment["rule"])), is_told, "{:?} with {small}", counts(segment));
    }
    page.matches("About ").count()
}

fn cards_have_the_rules_of_explain() {
    let w = Workshop::new();
    let input = fit(&w, &bank(ROWS), &["--report", &w.text("page.html")]);
    let (out, labelled) = (w.text("out"), w.text("labelled"));
    let expected = explained(&out, &input);
    let profile = profiled(w.path("out/profile.json"));
    agree(&profile, &expected, &page(&w), ["en", "Rule: "]);
    assert!(figures_are_told(&page(&w), &profile, 10) > 0);
    let outputs = ["--report", &w.text("page.html"), "--lang", "zh"];
    done([&["assign", &out, &input, "--out", &labelled, "--threads", "1"][..], &outputs].concat());
    agree(&profiled(w.path("labelled/profile.json")), &expected, &page(&w), ["zh", "规则："]);
    assert!(page(&w).contains("符合规则的客户中约 "));
    let file = w.text("profile.json");
    done([&["profile", &input, "--labels", &out, "--json", &file][..], &outputs].concat());
    agree(&profiled(&file), &expected, &page(&w), ["zh", "规则："]);
}

fn rules_are_for_pages_only() {
    let w = Workshop::new();
    let input = fit(&w, &bank(ROWS), &[]);
    let has_rule = |path: &str| std::fs::read_to_string(w.path(path)).expect("a profile").contains("\"rule\"");
    assert!(!has_rule("out/profile.json"));
    done(["profile", &input, "--labels", &w.text("out"), "--json", &w.text("profile.json")]);
    assert!(!has_rule("profile.json"));
    // Such a profile, as earlier versions wrote it, is read.
    let earlier = ["--report", &w.text("page.html"), "--previous-profile", &w.text("profile.json")];
    done([&["profile", &input, "--labels", &w.text("out"), "--json", &w.text("new.json")][..], &earlier].concat());
    assert!(has_rule("new.json"));
}

fn rules_of_parts_and_written_rules() {
    let w = Workshop::new();
    let mut columns = bank(ROWS);
    columns.push(("branch", Arc::new((0..ROWS).map(|i| [Some("o'north"), None][i / 3 % 2]).collect::<StringArray>())));
    let rules = w.text("rules.toml");
    let text =
        "[[rule]]\nname = \"few\"\nwhen = \"visits < -30 AND balance > 1\"\n\n[strata]\nwithin = \"branch\"\nk = 3\n";
    std::fs::write(&rules, text).expect("rules");
    let input = fit(&w, &columns, &["--rules", &rules, "--report", &w.text("page.html")]);
    let expected = explained(&w.text("out"), &input);
    let profile = profiled(w.path("out/profile.json"));
    let of = |part: &str| -> Vec<Value> {
        let is_of = |told: &&Value| told["name"].as_str().is_some_and(|name| name.starts_with(part));
        expected.iter().filter(is_of).cloned().collect()
    };
    agree(&profile, &of("o'north"), &page(&w), ["en", "Rule, within o'north: "]);
    agree(&profile, &of("(null)"), &page(&w), ["en", "Rule, within (null): "]);
    assert_eq!(expected.len(), 6);
    assert_eq!(profile[0]["rule"]["en"], "visits < -30 AND balance > 1");
    assert!(page(&w).contains("<p>Rule, as written: visits &lt; -30 AND balance &gt; 1</p>"), "{}", page(&w));
    // Such a rule says who its customers are.
    std::fs::write(&rules, text.replace("balance > 1", "customer_id > 1")).expect("rules");
    fit(&w, &columns, &["--rules", &rules, "--report", &w.text("page.html")]);
    let profile = profiled(w.path("out/profile.json"));
    assert!(profile[0].get("rule").is_none() && profile[1].get("rule").is_some());
    assert!(!page(&w).contains("customer_id &gt;") && page(&w).contains("<p>There is no short rule to show.</p>"));
}

fn small_segments_have_no_rule() {
    let w = Workshop::new();
    let small = "1100";
    fit(&w, &bank(ROWS), &["--report", &w.text("page.html"), "--small-cells", small]);
    let profile = profiled(w.path("out/profile.json"));
    let withheld: Vec<bool> = profile.iter().map(|segment| segment["withheld"] == true).collect();
    assert!(withheld.contains(&true), "{profile:?}");
    for segment in &profile {
        assert_eq!(segment.get("rule").is_some(), segment["withheld"] != true, "{segment}");
    }
    assert_eq!(page(&w).matches("<p>Rule: ").count(), withheld.iter().filter(|withheld| !**withheld).count());
}

fn few_customers_are_not_in_a_rules_figures() {
    let w = Workshop::new();
    let told = |small: u64| {
        fit(&w, &bank(ROWS), &["--report", &w.text("page.html"), "--small-cells", &small.to_string()]);
        let profile = profiled(w.path("out/profile.json"));
        let told = figures_are_told(&page(&w), &profile, small);
        (told, counts(&profile[0]).into_iter().filter(|n| *n > 0).min())
    };
    let (all, least) = told(0);
    assert_eq!(all, 3);
    let (some, _) = told(least.expect("a count") + 1);
    assert!(some < 3, "{some}");
}

fn a_rare_category_is_not_named() {
    let w = Workshop::new();
    let mut columns = bank(ROWS);
    let region = |i: usize| if i % 350 == 0 { "rare" } else { ["north", "south", "west"][i % 3] };
    columns[3] = ("region", Arc::new(StringArray::from_iter_values((0..ROWS).map(region))));
    let input = fit(&w, &columns, &[]);
    // One segment has the north, and the nine of the rare region.
    std::fs::create_dir(w.path("given")).expect("a folder");
    std::fs::copy(w.path("out/model.json"), w.path("given/model.json")).expect("a model");
    let segment = i64s((0..ROWS).map(|i| i64::from(["north", "rare"].contains(&region(i)))));
    let labels = [("customer_id", columns[0].1.clone()), ("segment", segment)];
    write_batch(&w.path("given/segments.parquet"), &batch(&labels), 700);
    for (small, is_named) in [("0", true), ("9", true), ("10", false)] {
        let outputs = ["--report", &w.text("page.html"), "--json", &w.text("p.json"), "--small-cells", small];
        done([&["profile", &input, "--labels", &w.text("given")][..], &outputs].concat());
        let rules: Vec<bool> = profiled(w.path("p.json")).iter().map(|segment| segment.get("rule").is_some()).collect();
        assert_eq!(rules, [is_named; 2], "{small}");
        let page = page(&w);
        assert_eq!(page.contains("<p>Rule: region is none of north, rare</p>"), is_named, "{page}");
        assert!(is_named || !page.contains("rare"), "{page}");
    }
}

fn too_many_segments_have_no_rules() {
    let w = Workshop::new();
    let columns = bank(ROWS);
    write_batch(&w.path("in.parquet"), &batch(&columns), 700);
    let (input, out, report) = (w.text("in.parquet"), w.text("many"), w.text("page.html"));
    let ran = done(["fit", &input, "--k", "65", "--out", &out, "--report", &report]);
    let text =
        "the page has no rules for 65 segments, only for up to 64; hyades explain MODEL INPUT --rules finds them";
    assert!(ran.err.contains(text), "{}", ran.err);
    assert!(profiled(w.path("many/profile.json")).iter().all(|segment| segment.get("rule").is_none()));
}

/// The cells of a table of moves: by segment before and now.
fn matrix(page: &str) -> BTreeMap<(String, String), String> {
    let (_, table) = page.split_once("from \\ to").expect("a matrix");
    let (table, _) = table.split_once("</table>").expect("its end");
    let texts = |html: &str| -> Vec<String> {
        let pieces = html.split('<').filter_map(|piece| Some(piece.split_once('>')?.1));
        pieces.filter(|text| !text.trim().is_empty()).map(str::to_owned).collect()
    };
    let mut lines = table.split("<tr>");
    let heads = texts(lines.next().expect("a head"));
    let mut cells = BTreeMap::new();
    for line in lines {
        let line = texts(line);
        let pairs = heads.iter().zip(&line[1..]);
        cells.extend(pairs.map(|(to, n)| ((line[0].clone(), to.clone()), n.clone())));
    }
    cells
}

/// What the card of a segment should say of one way, from the cells of its line or column: the end and the count.
fn said(cells: &[(String, String)], word: &str, [outside, shown]: [&str; 2]) -> String {
    let number = |text: &str| text.replace(',', "").parse::<u64>().ok();
    let mut named: Vec<(u64, &String)> =
        cells.iter().filter(|(end, _)| end.starts_with("ID ")).filter_map(|(end, n)| Some((number(n)?, end))).collect();
    named.retain(|(n, _)| *n > 0);
    named.sort_by_key(|(n, _)| std::cmp::Reverse(*n));
    let mut parts: Vec<String> = named.iter().take(3).map(|(n, end)| format!("{n} {word} {end}")).collect();
    let new = cells.iter().find(|(end, _)| end == outside).and_then(|(_, n)| number(n));
    parts.extend(new.filter(|n| *n > 0).map(|n| format!("{n} {shown}")));
    let all: Option<u64> = cells.iter().map(|(_, n)| number(n)).sum();
    match (all, parts.is_empty()) {
        (Some(all), true) => format!("{all} customers"),
        (Some(all), false) => format!("{all} customers: {}", parts.join(", ")),
        (None, true) => "withheld".to_owned(),
        (None, false) => format!("{}; the rest is withheld", parts.join(", ")),
    }
}

/// The cards of a page say what its matrix says; how many counts of the matrix are withheld.
fn moves_agree(page: &str) -> usize {
    let cells = matrix(page);
    let cards: Vec<&str> = page.split("<section class=\"card\"").skip(1).collect();
    assert_eq!(cards.len(), 3);
    for card in cards {
        let (_, id) = card.split_once("ID ").expect("an id");
        let id = format!("ID {}", id.split([' ', '<']).next().expect("a number"));
        let came: Vec<(String, String)> = cells
            .iter()
            .filter(|((from, to), _)| *to == id && *from != id)
            .map(|((from, _), n)| (from.clone(), n.clone()))
            .collect();
        let left: Vec<(String, String)> = cells
            .iter()
            .filter(|((from, to), _)| *from == id && *to != id)
            .map(|((_, to), n)| (to.clone(), n.clone()))
            .collect();
        for (what, text) in
            [("came in", said(&came, "from", ["new", "new"])), ("left", said(&left, "to", ["left", "gone"]))]
        {
            let expected = format!("<dt>{what}</dt><dd>{text}</dd>");
            assert!(card.contains(&expected), "no {expected} in {card}");
        }
    }
    cells.values().filter(|n| *n == "–").count()
}

fn months(lang: &str, months: [Groups; 2]) -> (Branch, String) {
    let branch = Branch::new(&format!("[output]\nreport = \"page.html\"\nlang = \"{lang}\"\n"));
    for ((month, day), groups) in [("2026-09", "2026-09-30"), ("2026-10", "2026-10-31")].iter().zip(months) {
        branch.month(month, &groups);
        branch.published(day);
    }
    let page = page(&branch.w);
    (branch, page)
}

fn cards_of_a_month_have_its_moves() {
    let (branch, page) = months("en", two_months());
    assert_eq!(moves_agree(&page), 0);
    for text in ["60 customers: 20 from ID ", ", 40 new</dd>", "35 customers: 20 to ID ", ", 15 gone</dd>"] {
        assert!(page.contains(text), "no {text} in {page}");
    }
    // The version has the rules, and is made again with them.
    let profile = profiled(branch.version(2).join("profile.json"));
    let input = branch.w.text("2026-10.parquet");
    let expected = explained(branch.version(2).to_str().expect("text"), &input);
    agree(&profile, &expected, &page, ["en", "Rule: "]);
    done(["history", "reproduce", &branch.history(), "2"]);
    let (_, page) = months("zh", two_months());
    for text in ["<dt>迁入</dt><dd>60 位客户：来自 ID ", " 的 20 位，新增 40 位</dd>", "，流失 15 位</dd>", "<p>规则："]
    {
        assert!(page.contains(text), "no {text} in {page}");
    }
}

fn moves_that_are_withheld() {
    // Only three go from the second group to the first.
    let before = groups(100, [200, 200, 200]);
    let mut now = before.clone();
    now.extend((100..140).map(|id| (id, 2)).chain((140..170).map(|id| (id, 1))));
    now.extend((300..303).map(|id| (id, 0)).chain((303..328).map(|id| (id, 2))));
    now.extend((500..520).map(|id| (id, 0)).chain((520..555).map(|id| (id, 1))));
    now.extend(groups(800, [45, 30, 20]));
    now.retain(|id, _| !(600..612).contains(id));
    let (_, page) = months("en", [before.clone(), now.clone()]);
    let withheld = moves_agree(&page);
    assert!((4..10).contains(&withheld) && page.contains("; the rest is withheld</dd>"), "{page}");
    // Of few who came, nothing is told.
    now.retain(|id, _| *id < 803);
    let (_, page) = months("en", [before, now]);
    assert!(
        page.contains("Fewer than 10 customers came, left, stayed, moved or kept") && !page.contains("came in"),
        "{page}"
    );
}
