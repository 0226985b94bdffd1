//! Pages in a real browser, Chromium: every kind of page, in both languages, in light and dark. Nothing is refused or
//! told on the console, the page prints, and its figures are those of the JSON beside it.

use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::command::{Workshop, done, json as read_json};
use crate::harness::{browser_test, root};
use crate::monthly::{Branch, with_two_months};

/// The tests of this module.
pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = Vec::new();
    for language in ["en", "zh"] {
        let name = |what: &str| format!("browser::{what}_{language}");
        tests.push(browser_test(&name("check"), move |browser| check(browser, language)));
        tests.push(browser_test(&name("profile"), move |browser| profile(browser, language)));
        tests.push(browser_test(&name("fit"), move |browser| fit(browser, language)));
        tests.push(browser_test(&name("assign"), move |browser| assign(browser, language)));
        tests.push(browser_test(&name("comparison"), move |browser| comparison(browser, language)));
        tests.push(browser_test(&name("choice"), move |browser| choice(browser, language)));
        tests.push(browser_test(&name("lists"), move |browser| lists(browser, language)));
        tests.push(browser_test(&name("evaluation"), move |browser| evaluation(browser, language)));
        tests.push(browser_test(&name("month"), move |browser| month(browser, language)));
        tests.push(browser_test(&name("history"), move |browser| history(browser, language)));
    }
    tests.push(browser_test("browser::a_script_is_noticed", a_script_is_noticed));
    tests.push(browser_test("browser::figures_from_elsewhere_are_noticed", |_| figures_from_elsewhere_are_noticed()));
    tests
}

fn bank() -> String {
    root().join("data/customers.parquet").to_str().expect("text").to_owned()
}

fn check(browser: &Path, language: &str) {
    let w = Workshop::new();
    let (page, json) = (w.text("page.html"), w.text("page.json"));
    done(["check", &bank(), "--report", &page, "--lang", language, "--json", &json]);
    opens(browser, &w, &read_json(json), language);
}

fn profile(browser: &Path, language: &str) {
    let w = Workshop::new();
    let (page, json) = (w.text("page.html"), w.text("page.json"));
    let labels = ["--label-column", "true_segment"];
    let outputs = ["--report", &page, "--lang", language, "--json", &json];
    done([&["profile", &bank()][..], &labels, &outputs].concat());
    opens(browser, &w, &read_json(json), language);
}

fn fit(browser: &Path, language: &str) {
    let w = Workshop::new();
    let (page, out) = (w.text("page.html"), w.text("out"));
    done(["fit", &bank(), "--k", "4", "--out", &out, "--report", &page, "--lang", language]);
    opens(browser, &w, &read_json(w.path("out/profile.json")), language);
}

fn assign(browser: &Path, language: &str) {
    let w = Workshop::new();
    let (page, out, model) = (w.text("page.html"), w.text("out"), w.text("model"));
    done(["fit", &bank(), "--k", "3", "--out", &model]);
    done(["assign", &model, &bank(), "--out", &out, "--report", &page, "--lang", language]);
    opens(browser, &w, &read_json(w.path("out/profile.json")), language);
}

fn comparison(browser: &Path, language: &str) {
    let w = Workshop::new();
    let (page, json) = (w.text("page.html"), w.text("page.json"));
    let [a, b] = ["4", "6"].map(|k| {
        done(["fit", &bank(), "--k", k, "--no-profile", "--backend", "cpu", "--out", &w.text(k)]);
        w.text(k)
    });
    let columns = ["--segment", "segment,segment,true_segment", "--input", &bank()];
    let outputs = ["--report", &page, "--lang", language, "--json", &json];
    done([&["compare", &a, &b, &bank()][..], &columns, &outputs].concat());
    opens(browser, &w, &read_json(json), language);
}

fn choice(browser: &Path, language: &str) {
    let w = Workshop::new();
    let (page, json) = (w.text("page.html"), w.text("page.json"));
    let few = ["--k", "2..4", "--replicates", "2", "--halvings", "2", "--references", "2"];
    let outputs = ["--report", &page, "--lang", language, "--json", &json];
    done([&["choose", &bank()][..], &few, &outputs].concat());
    opens(browser, &w, &read_json(json), language);
}

fn lists(browser: &Path, language: &str) {
    let w = Workshop::new();
    crate::lists::tables(&w);
    let (page, json, file, out) = (w.text("page.html"), w.text("page.json"), w.text("campaign.toml"), w.text("lists"));
    let outputs = ["--out", &out, "--report", &page, "--lang", language, "--json", &json];
    done([&["campaign", "lists", &file][..], &outputs].concat());
    opens(browser, &w, &read_json(json), language);
}

fn evaluation(browser: &Path, language: &str) {
    let w = Workshop::new();
    crate::campaign::save(&w.path("in.parquet"), 1000);
    let (page, json, input) = (w.text("page.html"), w.text("page.json"), w.text("in.parquet"));
    let arms = ["--arm", "arm", "--control", "none", "--conversion", "bought", "--money", "spent", "--by", "town"];
    let outputs = ["--cost-per-contact", "0.5", "--report", &page, "--lang", language, "--json", &json];
    done([&["campaign", "evaluate", &input][..], &arms, &outputs].concat());
    opens(browser, &w, &read_json(json), language);
}

/// Two months of a job that asks for a page.
fn branch(language: &str) -> Branch {
    let gates = "[gates]\nrows_change = 0.9\nshare_max = { max = 0.1, severity = \"warn\" }\n";
    let branch = with_two_months(&format!("[output]\nreport = \"page.html\"\nlang = \"{language}\"\n{gates}"));
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    branch
}

/// What the files of a version say.
fn files_of(branch: &Branch, version: u64) -> Value {
    let files = ["profile.json", "report.json", "drift.json"].map(|name| branch.version(version).join(name));
    Value::Array(files.iter().filter(|path| path.is_file()).map(read_json).collect())
}

fn month(browser: &Path, language: &str) {
    let branch = branch(language);
    opens(browser, &branch.w, &files_of(&branch, 2), language);
}

fn history(browser: &Path, language: &str) {
    let branch = branch(language);
    let page = branch.w.text("page.html");
    done(["history", "report", &branch.history(), "--out", &page, "--lang", language]);
    opens(browser, &branch.w, &Value::Array((1..=2).map(|version| files_of(&branch, version)).collect()), language);
}

/// What the browser made of a page.
struct Opened {
    /// The page after it was read.
    html: String,
    /// What it said on the console.
    console: Vec<String>,
    picture: Vec<u8>,
    print: Vec<u8>,
}

/// Opens a page, takes a picture of it and prints it.
fn open(browser: &Path, folder: &Path, page: &Path, dark: bool) -> Opened {
    let (picture, print) = (folder.join("page.png"), folder.join("page.pdf"));
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]);
    command.args(["--window-size=1200,1600", "--dump-dom"]);
    command.arg(format!("--blink-settings=preferredColorScheme={}", if dark { 0 } else { 1 }));
    command.arg(format!("--user-data-dir={}", folder.join("browser").display()));
    command.arg(format!("--screenshot={}", picture.display()));
    command.arg(format!("--print-to-pdf={}", print.display()));
    let ran = command.arg(format!("file://{}", page.display())).output().expect("the browser runs");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{said}");
    Opened {
        html: String::from_utf8(ran.stdout).expect("a page"),
        console: said.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect(),
        picture: std::fs::read(picture).expect("a picture"),
        print: std::fs::read(print).expect("a print"),
    }
}

/// Opens the page of a workshop in light and in dark, and compares its figures with the JSON.
fn opens(browser: &Path, w: &Workshop, json: &Value, language: &str) {
    let page: PathBuf = w.path("page.html");
    let [light, dark] = [false, true].map(|dark| open(browser, &w.path(""), &page, dark));
    for opened in [&light, &dark] {
        assert!(opened.console.is_empty(), "{:?}", opened.console);
        assert!(opened.print.starts_with(b"%PDF") && opened.print.len() > 10_000, "{} bytes", opened.print.len());
    }
    assert!(light.picture != dark.picture, "dark is as light");
    let code = if language == "zh" { "lang=\"zh" } else { "lang=\"en" };
    assert!(light.html.contains(code), "{code}");
    assert!(light.html.len() < 500_000, "{} bytes", light.html.len());
    let foreign = foreign(&light.html, json);
    assert!(foreign.is_empty(), "these figures are not in the JSON: {foreign:?}");
}

/// The figures of a page of at least four digits, the texts of charts among them, that are no number of the JSON, rounded
/// or as a share in percent.
fn foreign(html: &str, json: &Value) -> Vec<String> {
    let mut known = Vec::new();
    collect(json, &mut known);
    let is_known = |text: &str| {
        let plain = text.replace(',', "");
        let Ok(value) = plain.parse::<f64>() else { return true };
        let decimals = plain.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let step = 0.5 * 10f64.powi(-(decimals as i32)) * (1.0 + 1e-9) + 1e-12;
        known.iter().any(|of| (of - value).abs() <= step || (100.0 * of - value).abs() <= step)
    };
    let (_, body) = html.split_once("<main").expect("a body");
    let texts = body.split('<').filter_map(|piece| Some(piece.split_once('>')?.1));
    let words = texts.flat_map(|text| text.split(|c: char| !(c.is_ascii_alphanumeric() || "._,-".contains(c))));
    let words = words.map(|word| word.trim_matches(|c: char| ",.-".contains(c)));
    let is_figure = |word: &&str| word.chars().all(|c| c.is_ascii_digit() || ",.".contains(c));
    let is_long = |word: &&str| word.chars().filter(char::is_ascii_digit).count() >= 4;
    words.filter(is_figure).filter(is_long).filter(|word| !is_known(word)).map(str::to_owned).collect()
}

/// All numbers of a JSON, without their signs, those in texts among them.
fn collect(json: &Value, found: &mut Vec<f64>) {
    match json {
        Value::Number(n) => found.extend(n.as_f64().map(f64::abs)),
        Value::String(text) => {
            // A sentence has `50,000`.
            let text = text.replace(',', "");
            let words = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
            found.extend(words.filter_map(|word| word.trim_matches('.').parse::<f64>().ok()));
        }
        Value::Array(all) => all.iter().for_each(|of| collect(of, found)),
        Value::Object(all) => all.values().for_each(|of| collect(of, found)),
        Value::Bool(_) | Value::Null => {}
    }
}

fn a_script_is_noticed(browser: &Path) {
    let w = Workshop::new();
    let page = w.text("page.html");
    done(["check", &bank(), "--report", &page]);
    let html = std::fs::read_to_string(&page).expect("a page").replace("</main>", "<script>alert(1)</script></main>");
    std::fs::write(&page, html).expect("it is written");
    let opened = open(browser, &w.path(""), Path::new(&page), false);
    assert!(opened.console.iter().any(|line| line.contains("Content Security Policy")), "{:?}", opened.console);
}

fn figures_from_elsewhere_are_noticed() {
    let json = serde_json::json!({ "customers": 12_345, "share": 0.123_44, "day": "2026-11-29" });
    let page = |text: &str| foreign(&format!("<html><main><p>{text}</p></main></html>"), &json);
    assert_eq!(page("12,345 customers, 12.34%; 2026-11-29, 0.1234"), [""; 0]);
    assert_eq!(page("12,346 customers, 12.35%"), ["12,346", "12.35"]);
}
