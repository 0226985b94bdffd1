//! Pages as people get them: those of monthly runs and of their history, in Chinese without English, of bounded size,
//! and harmless whatever names say.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};

use crate::command::{Ran, Workshop, done};
use crate::harness::{hyades, root, tests};
use crate::monthly::{Branch, Groups, groups, two_months};
use crate::tables::{f64s, i64s, noise, some_f64s, write};

tests!(
    a_month_has_a_page,
    a_history_has_a_page,
    pages_that_cannot_be,
    a_page_tells_no_more_beside_the_one_before,
    few_who_moved_came_or_left_are_withheld,
    few_of_many_new_customers_are_withheld,
    sizes_of_small_segments_are_withheld,
    few_missing_values_are_withheld,
    gates_tell_of_no_few_customers,
    chinese_pages_have_no_english,
    english_is_noticed,
    sixty_features_and_twelve_segments,
    very_many_segments,
    very_many_columns,
    very_many_columns_to_check,
    names_are_harmless,
    names_are_harmless_in_campaigns,
    names_are_harmless_in_a_history,
);

/// Two months of a job that asks for a page.
fn branch() -> Branch {
    let branch = Branch::new("[output]\nreport = \"page.html\"\nlang = \"zh\"\n");
    for (month, groups) in ["2026-09", "2026-10"].iter().zip(two_months()) {
        branch.month(month, &groups);
    }
    branch
}

fn a_month_has_a_page() {
    let branch = branch();
    branch.published("2026-09-30");
    let first = std::fs::read_to_string(branch.w.path("page.html")).unwrap();
    assert!(first.contains("客群画像报告（2026-09-30）") && !first.contains("客户迁移"), "{first}");
    branch.published("2026-10-31");
    let page = std::fs::read_to_string(branch.w.path("page.html")).unwrap();
    let report = branch.report(2);
    let stayed = hyades::text::thousands(report["migration"]["stayed"].as_u64().unwrap());
    for part in
        ["客群画像报告（2026-10-31）", "客户迁移", &format!("上期存续客户 {stayed} 位"), "发布检查", "数据分布变化"]
    {
        assert!(page.contains(part), "no {part} in {page}");
    }
    assert!(!page.contains("<script") && !page.contains("http:"), "{page}");
    // The path of a page is no part of a version.
    let files: Vec<_> = std::fs::read_dir(branch.version(2)).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(files.iter().all(|name| name != "page.html"), "{files:?}");
    done(["history", "verify", &branch.history()]);
}

fn a_history_has_a_page() {
    let branch = branch();
    branch.published("2026-09-30");
    branch.published("2026-10-31");
    let out = branch.w.text("history.html");
    for (lang, parts) in [
        ("en", ["2 versions, 2 of them published.", "Sizes by segment id", "<h2>Customers</h2>"]),
        ("zh", ["共 2 个版本，其中已发布 2 个。", "各客群规模", "当前版本"]),
    ] {
        done(["history", "report", &branch.history(), "--out", &out, "--lang", lang]);
        let page = std::fs::read_to_string(&out).unwrap();
        for part in parts {
            assert!(page.contains(part), "no {part} in {page}");
        }
    }
}

fn pages_that_cannot_be() {
    let branch = branch();
    branch.published("2026-09-30");
    let inside = format!("{}/page.html", branch.history());
    let ran = Ran::from(hyades(["history", "report", &branch.history(), "--out", &inside]));
    ran.is_refused(2, &["lies in the history; name a file beside it"]);
    branch.rewrite("lang = \"zh\"", "no_profile = true");
    let ran = branch.run("2026-10-31", &[]);
    ran.is_refused(2, &["report shows the profile; leave out no_profile"]);
}

/// Three segments, of which the first has so many more customers, all with the product.
fn holders(w: &Workshop, name: &str, more: usize) -> String {
    let mut text = "customer_id,segment,has_fund,balance\n".to_owned();
    for i in 0..600 + more {
        let (segment, holds) = if i < 600 { (i % 3, i % 4 == 0) } else { (0, true) };
        text += &format!("C{i},{segment},{holds},{}\n", 100 + 7 * i % 311);
    }
    std::fs::write(w.path(name), text).unwrap();
    w.text(name)
}

fn a_page_tells_no_more_beside_the_one_before() {
    let w = Workshop::new();
    let (old, new, json, page) =
        (holders(&w, "old.csv", 0), holders(&w, "new.csv", 3), w.text("old.json"), w.text("p.html"));
    let products = |input: &str, more: &[&str]| {
        done([&["profile", input, "--product", "has_fund", "--report", &page, "-q"], more].concat());
        let page = std::fs::read_to_string(w.path("p.html")).unwrap();
        let rows = page.split("<th scope=\"row\">has_fund</th>").skip(1);
        rows.filter(|row| row.starts_with("<td>")).map(|row| row.starts_with("<td>–")).collect::<Vec<bool>>()
    };
    assert_eq!(products(&old, &["--json", &json]), [false; 3]);
    assert_eq!(products(&new, &[]), [false; 3]);
    // The three who came hold the product; and of two counts neither follows from all customers.
    let withheld = products(&new, &["--previous-profile", &json]);
    assert_eq!(withheld, [true; 3], "the bank itself grew by three");
    let many = holders(&w, "many.csv", 60);
    assert_eq!(products(&many, &["--previous-profile", &json]), [false; 3]);
    let ran = Ran::from(hyades(["profile", &new, "--report", &page, "--previous-profile", &old]));
    ran.is_refused(3, &["old.csv: not a profile.json of hyades"]);
}

/// A job whose page is in English, with more sections.
fn in_english(sections: &str) -> Branch {
    Branch::new(&format!("[output]\nreport = \"page.html\"\n{sections}"))
}

/// The page of the last month.
fn page_of(branch: &Branch) -> String {
    std::fs::read_to_string(branch.w.path("page.html")).unwrap()
}

/// The page of all versions.
fn history_of(branch: &Branch) -> String {
    let out = branch.w.text("history.html");
    done(["history", "report", &branch.history(), "--out", &out]);
    std::fs::read_to_string(out).unwrap()
}

/// The part of that page with a row for each version.
fn versions(page: &str) -> &str {
    page.split_once("<h2>All versions</h2>").expect("a table").1
}

/// The cells of the row with this heading.
fn row(page: &str, heading: &str) -> Vec<String> {
    let start = format!("<th scope=\"row\" class=\"l\">{heading}</th>");
    let (_, row) = page.split_once(&start).unwrap_or_else(|| panic!("no row {heading:?} in {page}"));
    let (row, _) = row.split_once("</tr>").unwrap();
    let cells = row.split("</td>").filter_map(|cell| Some(cell.split_once('>')?.1.to_owned()));
    cells.collect()
}

/// Sixty customers in each group; then, one month each: three come, three leave, three move, and many come and move.
fn few_who_moved_came_or_left_are_withheld() {
    let branch = in_english("");
    let mut now: Groups = groups(100, [60; 3]);
    branch.month("2026-01", &now);
    branch.published("2026-01-31");
    assert!(!page_of(&branch).contains("Who moved"));
    now.extend((500..503).map(|id| (id, 0)));
    branch.month("2026-02", &now);
    now.retain(|id, _| !(100..103).contains(id));
    branch.month("2026-03", &now);
    now.extend((110..113).map(|id| (id, 2)));
    branch.month("2026-04", &now);
    let few = "<p>Fewer than 10 customers came, left, stayed, moved or kept their segment: withheld.</p>";
    let told = ["customers were there before", "of those who stayed", "from \\ to"];
    for (month, day, count) in [("02", 28, "came"), ("03", 31, "left"), ("04", 30, "moved")] {
        let line = branch.published(&format!("2026-{month}-{day}"));
        let counts = ["came", "left", "moved"].map(|what| line[what].as_u64());
        assert_eq!(counts, ["came", "left", "moved"].map(|what| Some(if what == count { 3 } else { 0 })));
        let page = page_of(&branch);
        assert!(page.contains(few) && told.iter().all(|part| !page.contains(part)), "{count}: {page}");
    }
    now.extend((120..140).map(|id| (id, 1)));
    now.extend((600..640).map(|id| (id, 2)));
    branch.month("2026-05", &now);
    branch.published("2026-05-31");
    let page = page_of(&branch);
    let sentences = [
        "180 customers were there before; 40 came and 0 left.",
        "20 of those who stayed (11.1%) are in another segment now.",
    ];
    assert!(!page.contains(few) && sentences.iter().chain(&told).all(|part| page.contains(part)), "{page}");
    let page = history_of(&branch);
    let moved = ["1", "2", "3", "4", "5"].map(|version| row(versions(&page), version)[4].clone());
    assert_eq!(moved, ["–", "0.00%", "0.00%", "–", "11.1%"], "{page}");
    assert!(!page.contains("1.67%"), "three of 180: {page}");
}

/// Two of 42 moved; that they are 4.8 % of 342 would be more.
fn few_of_many_new_customers_are_withheld() {
    let branch = in_english("");
    let mut now = groups(100, [14; 3]);
    branch.month("2026-01", &now);
    branch.published("2026-01-31");
    now.extend((100..102).map(|id| (id, 1)));
    now.extend(groups(500, [100; 3]));
    branch.month("2026-02", &now);
    let line = branch.published("2026-02-28");
    assert_eq!(["came", "left", "moved"].map(|what| line[what].as_u64()), [Some(300), Some(0), Some(2)]);
    let page = history_of(&branch);
    assert_eq!(row(versions(&page), "2")[4], "–", "{page}");
    assert!(!page.contains("4.76%"), "{page}");
}

/// Four customers of 104 are a segment of their own.
fn sizes_of_small_segments_are_withheld() {
    let warns = |gate: &str| format!("{gate}, severity = \"warn\" }}\n");
    let limits = [
        "smallest_segment = { min = 50",
        "share_min = { min = 0.5",
        "share_max = { max = 0.1",
        "share_change = { max = 0",
    ];
    let branch = in_english(&format!("[gates]\n{}", limits.map(warns).concat()));
    let now = groups(100, [60, 40, 4]);
    branch.month("2026-01", &now);
    branch.month("2026-02", &now);
    branch.month("2026-03", &now);
    branch.published("2026-01-31");
    branch.published("2026-02-28");
    let withheld = "the figures of a small segment are withheld";
    let page = page_of(&branch);
    for gate in ["smallest_segment", "share_min", "share_max", "share_change"] {
        assert_eq!(row(&page, gate)[1], withheld, "{page}");
    }
    assert!(!page.contains("has 4 customers") && !page.contains("3.85%"), "{page}");
    branch.rewrite("share_min = { min = 0.5, severity = \"warn\" }", "share_min = 0.5");
    assert_eq!(branch.run("2026-03-31", &[]).code, Some(6));
    let page = history_of(&branch);
    // The sum is known, so the next smallest is withheld, too.
    let mut found: Vec<Vec<String>> = (1..=3).map(|id| row(&page, &id.to_string())).collect();
    found.sort();
    assert_eq!(found, [["&lt; 10"; 2], ["60"; 2], ["–"; 2]], "{page}");
    assert!(page.contains(&format!("refused: share_min: {withheld}")), "{page}");
    assert!(!page.contains("3.85%") && !page.contains(">40<") && !page.contains(">4<"), "{page}");
    // With larger segments, gates and sizes are told.
    let branch = in_english("[gates]\nshare_min = 0.5\n");
    branch.month("2026-01", &groups(100, [60, 40, 20]));
    assert_eq!(branch.run("2026-01-31", &[]).code, Some(6));
    assert!(history_of(&branch).contains("has 16.7% of the customers, at least 50.0% allowed"));
}

/// Three of 60 customers leave their segment, then three more, then twenty.
fn gates_tell_of_no_few_customers() {
    let branch = in_english("[gates]\nretention_min = { min = 1, severity = \"warn\" }\n");
    let mut now = groups(100, [60; 3]);
    branch.month("2026-01", &now);
    branch.published("2026-01-31");
    now.extend((100..103).map(|id| (id, 2)));
    branch.month("2026-02", &now);
    branch.published("2026-02-28");
    let withheld = "the figure of few customers is withheld";
    let page = page_of(&branch);
    assert_eq!(row(&page, "retention_min")[..2], ["warning", withheld], "{page}");
    assert!(!page.contains("95.0%"), "{page}");
    branch.rewrite("retention_min = { min = 1, severity = \"warn\" }", "retention_min = 1");
    now.extend((103..106).map(|id| (id, 2)));
    branch.month("2026-03", &now);
    assert_eq!(branch.run("2026-03-31", &[]).code, Some(6));
    let page = history_of(&branch);
    assert!(page.contains(&format!("refused: retention_min: {withheld}")) && !page.contains("94.7%"), "{page}");
    now.extend((106..126).map(|id| (id, 2)));
    branch.month("2026-04", &now);
    assert_eq!(branch.run("2026-04-30", &[]).code, Some(6));
    let page = history_of(&branch);
    // 23 of 57: version 3 was refused.
    assert!(page.contains("kept 59.6% of its customers, at least 100.0% allowed"), "{page}");
}

/// Values of fewer than ten customers are not counted, so those of the last column are all missing in the end.
fn few_missing_values_are_withheld() {
    let branch = in_english("[gates]\nmissing_rise = 1\n");
    for (month, missing) in [("2026-01", [60, 3, 3]), ("2026-02", [3, 70, 117])] {
        let now = groups(100, [40; 3]);
        let gaps = |missing: usize| {
            some_f64s(noise(7).take(120).enumerate().map(|(i, v)| (i * 7 % 120 >= missing).then_some(v)))
        };
        let [fewer, more, most] = missing.map(gaps);
        branch.table(month, &now, &[("fewer", fewer), ("more", more), ("most", most)]);
    }
    branch.published("2026-01-31");
    branch.published("2026-02-28");
    let page = page_of(&branch);
    let (_, drift) = page.split_once("What changed in the data").unwrap();
    for (column, before, now) in
        [("fewer", "50.0%", "–"), ("more", "–", "58.3%"), ("most", "–", "100.0%"), ("x", "0.00%", "0.00%")]
    {
        assert_eq!(row(drift, column)[3..], [before, now], "{column}: {drift}");
    }
}

/// Runs of three or more English words in the text of a page.
fn english(html: &str) -> Vec<String> {
    let (_, body) = html.split_once("<main").expect("a body");
    let texts = body.split('<').filter_map(|piece| Some(piece.split_once('>')?.1));
    let mut found = Vec::new();
    for text in texts {
        let mut run: Vec<&str> = Vec::new();
        // The last word ends the last run.
        for word in text.split_whitespace().chain(["-"]) {
            let plain = word.trim_end_matches([',', '.', ';', ':', '?']);
            let is_word = plain.len() > 1 && plain.bytes().all(|b| b.is_ascii_alphabetic());
            if is_word {
                run.push(word);
            }
            // A list is no sentence.
            if !is_word || word.ends_with(',') {
                if run.len() >= 3 {
                    found.push(run.join(" "));
                }
                run.clear();
            }
        }
    }
    found
}

fn english_is_noticed() {
    let page = |text: &str| english(&format!("<html><main><p>{text}</p></main>"));
    assert_eq!(page("字段 a_b c 缺失，of the <b>same</b> id"), [""; 0]);
    assert_eq!(page("字段 every value is missing; 缺失"), ["every value is missing;"]);
}

/// A table with something to say about most columns, a second file that differs, and expectations that are broken.
fn with_findings(w: &Workshop) -> [String; 3] {
    let header =
        "customer_id,email,phone,gender,birth_date,churned,code_type,score,status,opened,amount,share,flag,empty\n";
    let line = |i: usize| {
        let score = if i % 9 == 0 { "-999".to_owned() } else { i.to_string() };
        format!(
            "{i},a{i}@example.org,+4420794609{:02},{},1980-01-{:02},{},{},{score},same,{},\"1.234,{:02}\",{}%,{},\n",
            i % 100,
            ["m", "f"][i % 2],
            1 + i % 28,
            i % 2,
            i % 5,
            20_200_101 + i % 28,
            i % 100,
            i % 90,
            if i == 0 { "b" } else { "a" },
        )
    };
    let text: String = std::iter::once(header.to_owned()).chain((0..400).map(line)).collect();
    std::fs::write(w.path("one.csv"), text).expect("written");
    let columns = [("customer_id", i64s(0..50)), ("score", f64s((0..50).map(|i| f64::from(i) + 0.5)))];
    write(&w.path("two.parquet"), &columns);
    write(
        &w.path("three.parquet"),
        &[("customer_id", i64s(0..50)), ("score", texts("a", 50)), ("nan", f64s([f64::NAN; 50]))],
    );
    let expected = "[table]\nrow_count = [1, 2]\n[columns.score]\nrange = [0, 10]\nallowed = [1]\nunique = true\n\
                    [columns.empty]\nnot_null = true\nmax_null_share = 0.1\n";
    std::fs::write(w.path("expected.toml"), expected).expect("written");
    ["one.csv", "two.parquet", "three.parquet"].map(|name| w.text(name))
}

fn texts(value: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(value, rows)))
}

fn chinese_pages_have_no_english() {
    let w = Workshop::new();
    let [one, two, three] = with_findings(&w);
    let page = w.text("page.html");
    let outputs = ["--report", &page, "--lang", "zh"];
    let check = |name: &str, arguments: &[&str]| {
        let ran = Ran::from(hyades([arguments, &outputs].concat()));
        assert!(ran.code == Some(0) || arguments.contains(&"--expect"), "{name}: {}", ran.err);
        let html = std::fs::read_to_string(&page).expect("a page");
        assert_eq!(english(&html), [""; 0], "{name}");
        html
    };
    let html = check("check", &["check", &one, "--expect", &w.text("expected.toml")]);
    for part in [
        "疑似电子邮箱地址",
        "受保护属性（性别）",
        "疑似表示未知的代码：-999",
        "全部值缺失",
        "以文本存储的百分比",
        "行，预期 1 至 2 行",
    ] {
        assert!(html.contains(part), "no {part} in {html}");
    }
    check("check of files", &["check", &two, &three]);
    let bank = root().join("data/customers.parquet");
    let bank = bank.to_str().expect("text");
    check("profile", &["profile", bank, "--label-column", "true_segment"]);
    check("profile with outcomes", &["profile", &one, "--label-column", "code_type", "--outcome", "churned"]);
    crate::campaign::save(&w.path("arms.parquet"), 1000);
    let arms = ["--arm", "arm", "--control", "none", "--conversion", "bought", "--money", "spent", "--by", "town"];
    check("evaluation", &[&["campaign", "evaluate", &w.text("arms.parquet")][..], &arms].concat());
    crate::lists::tables(&w);
    check("lists", &["campaign", "lists", &w.text("campaign.toml"), "--out", &w.text("lists")]);
    check("fit", &["fit", bank, "--k", "3", "--out", &w.text("out2")]);
    let columns = ["--segment", "segment,true_segment", "--noise", "2", "--input", bank];
    check("comparison", &[&["compare", &w.text("out2"), bank][..], &columns].concat());
    let branch = branch();
    branch
        .rewrite("[output]", "[gates]\nrows_change = 0.01\nshare_max = { max = 0.01, severity = \"warn\" }\n[output]");
    branch.published("2026-09-30");
    assert_eq!(branch.run("2026-10-31", &[]).code, Some(6));
    branch.rewrite("rows_change = 0.01", "rows_change = 0.9\npsi_max = 99\nshare_change = 1\nretention_min = 0.01");
    branch.published("2026-10-31");
    let html = std::fs::read_to_string(branch.w.path("page.html")).expect("a page");
    assert_eq!(english(&html), [""; 0], "month");
    assert!(html.contains("客群最大占比（share_max）") && html.contains("，上限为 1.00%"), "{html}");
    done(["history", "report", &branch.history(), "--out", &page, "--lang", "zh"]);
    let html = std::fs::read_to_string(&page).expect("a page");
    assert_eq!(english(&html), [""; 0], "history");
    assert!(html.contains("未通过：行数变化（rows_change）：行数变化 20.8%，上限为 1.00%"), "{html}");
}

/// Rows of `segments` segments, the last of which has one customer, and `columns` columns of noise around them.
fn many(w: &Workshop, rows: usize, segments: usize, columns: usize) -> String {
    let label = |row: usize| if row + 1 == rows { segments - 1 } else { row % (segments - 1) };
    let mut table = vec![("label".to_owned(), i64s((0..rows).map(|row| label(row) as i64)))];
    for at in 0..columns {
        let values = noise(at as u64).take(rows).enumerate().map(|(row, v)| 20.0 * v + ((label(row) + at) % 7) as f64);
        table.push((format!("monthly_average_{at}"), f64s(values.collect::<Vec<_>>())));
    }
    let path = w.path("many.parquet");
    write(&path, &table.iter().map(|(name, values)| (name.as_str(), values.clone())).collect::<Vec<_>>());
    path.to_str().expect("text").to_owned()
}

/// The page of a profile of these rows.
fn profiled(rows: usize, segments: usize, columns: usize, more: &[&str]) -> String {
    let w = Workshop::new();
    let (input, page) = (many(&w, rows, segments, columns), w.text("page.html"));
    done([&["profile", &input, "--label-column", "label", "--report", &page][..], more].concat());
    std::fs::read_to_string(&page).expect("a page")
}

fn sixty_features_and_twelve_segments() {
    let page = profiled(1200, 12, 60, &[]);
    assert!(page.len() < 500_000, "{} bytes", page.len());
    assert!(page.contains("Too few customers"), "the segment of one customer");
}

fn very_many_segments() {
    for small_cells in ["10", "0"] {
        let page = profiled(8191, 4096, 3, &["--small-cells", small_cells]);
        assert!(page.len() < 500_000, "{} bytes", page.len());
        assert!(page.contains("largest segments are shown; profile.json has the other"), "{page}");
    }
}

fn very_many_columns() {
    // Pairs are correlated, so their number counts.
    let page = profiled(120, 3, 700, &["--lang", "zh"]);
    assert!(page.len() < 500_000, "{} bytes", page.len());
    assert!(page.contains("另有 640 行见 profile.json"), "{page}");
}

fn very_many_columns_to_check() {
    let w = Workshop::new();
    let (input, page) = (many(&w, 120, 3, 2000), w.text("page.html"));
    done(["check", &input, "--report", &page]);
    let page = std::fs::read_to_string(&page).expect("a page");
    assert!(page.len() < 2_000_000, "{} bytes", page.len());
    assert!(page.contains("1601 more columns are in the report as JSON"), "{page}");
}

const HOSTILE: [&str; 5] =
    ["<script>alert(1)</script>", "\u{202e}desrever", "a\nb\u{0}c", "=cmd|' /C calc'!A0", "\"><img src=x>"];

/// A page opens no tag that names contain, turns no text round, and is not as long as they are.
fn is_harmless(page: &str, what: &str) {
    let html = std::fs::read_to_string(page).expect("a page");
    for part in ["<script", "<img", "\u{202e}", "\u{0}", &"n".repeat(1001)] {
        assert!(!html.contains(part), "{what}: {part:?}");
    }
    assert!(html.contains("&lt;script&gt;alert(1)"), "{what}: the name is not shown");
}

fn names_are_harmless() {
    let hostile = HOSTILE;
    let long = "n".repeat(10_000);
    let w = Workshop::new();
    let mut columns = vec![("label".to_owned(), i64s((0..90).map(|row| row % 3)))];
    for (at, name) in hostile.iter().chain([&long.as_str()]).enumerate() {
        columns.push(((*name).to_owned(), f64s((0..90).map(|row| f64::from(row % 3) + at as f64))));
        columns.push((format!("text {name}"), texts(name, 90)));
    }
    write(&w.path("in.parquet"), &columns.iter().map(|(n, v)| (n.as_str(), v.clone())).collect::<Vec<_>>());
    let (input, page, out) = (w.text("in.parquet"), w.text("page.html"), w.text("out2"));
    for lang in ["en", "zh"] {
        let outputs = ["--report", &page, "--lang", lang];
        done([&["check", &input][..], &outputs].concat());
        is_harmless(&page, "check");
        done([&["profile", &input, "--label-column", "label"][..], &outputs].concat());
        is_harmless(&page, "profile");
        done([&["fit", &input, "--k", "3", "--exclude", "label", "--out", &out][..], &outputs].concat());
        is_harmless(&page, "fit");
        done([&["assign", &out, &input, "--out", &w.text("labels")][..], &outputs].concat());
        is_harmless(&page, "assign");
    }
    let branch = branch();
    let owner = "\"<script>alert(1)</script>\\u202e\"";
    branch.rewrite("[job]\n", &format!("[job]\nowner = {owner}\n"));
    branch.published("2026-09-30");
    let names = format!("[segments.1]\nzh = {owner}\n");
    std::fs::write(branch.w.path("history/names.toml"), names).expect("names");
    branch.published("2026-10-31");
    std::fs::copy(branch.w.path("page.html"), &page).expect("a page");
    is_harmless(&page, "run");
}

/// A text as TOML has it.
fn toml_text(text: &str) -> String {
    serde_json::to_string(text).expect("JSON")
}

fn names_are_harmless_in_campaigns() {
    let long = "n".repeat(10_000);
    let w = Workshop::new();
    let names: Vec<&str> = HOSTILE.into_iter().chain([long.as_str()]).collect();
    let name = |row: usize| names[row % names.len()];
    let each = |rows: usize| -> ArrayRef { Arc::new(StringArray::from_iter_values((0..rows).map(name))) };
    let arms: ArrayRef = Arc::new(StringArray::from_iter_values((0..900).map(|row| name(row * 7 / 6))));
    write(
        &w.path("in.parquet"),
        &[
            ("id", i64s(0..900)),
            ("stage", each(900)),
            ("arm", arms),
            (HOSTILE[0], i64s((0..900).map(|row| i64::from(row % 5 == 0)))),
            (HOSTILE[1], f64s((0..900).map(|row| f64::from(row % 11)))),
            (HOSTILE[3], each(900)),
        ],
    );
    write(&w.path("no.parquet"), &[("id", i64s(0..30))]);
    let (page, input) = (w.text("page.html"), w.text("in.parquet"));
    let mut campaign = format!(
        "[campaign]\nname = {}\nday = \"2027-03-01\"\nno_opt_out = {}\n[customers]\ninput = [\"in.parquet\"]\n",
        toml_text(HOSTILE[0]),
        toml_text(HOSTILE[1])
    );
    for (number, text) in names.iter().map(|name| toml_text(name)).enumerate() {
        campaign += &format!("[[suppress]]\nfiles = [\"no.parquet\"]\nreason = {text}\n");
        campaign += &format!(
            "[[list]]\nname = \"list {number}\"\ncondition = \"id BETWEEN {} AND {}\"\ncontrol = 0.2\n\
             channel = {text}\nproduct = {text}\nscript = {text}\n",
            150 * number,
            150 * number + 149
        );
    }
    std::fs::write(w.path("campaign.toml"), campaign).expect("a campaign");
    for lang in ["en", "zh"] {
        let outputs = ["--report", &page, "--lang", lang];
        let lists = ["campaign", "lists", &w.text("campaign.toml"), "--out", &w.text("lists")];
        done([&lists[..], &outputs].concat());
        is_harmless(&page, "lists");
        let columns = ["--arm", "arm", "--control", HOSTILE[0], "--conversion", HOSTILE[0], "--money", HOSTILE[1]];
        let by = ["--by", HOSTILE[3]];
        let ran = done([&["campaign", "evaluate", &input][..], &columns, &by, &outputs].concat());
        assert!(!ran.out.contains(['\u{202e}', '\u{0}']), "{}", ran.out);
        is_harmless(&page, "evaluate");
    }
}

/// Names of columns are in what gates refuse, and the name of the folder is on the page.
fn names_are_harmless_in_a_history() {
    let branch = Branch { w: Workshop::new() };
    let history = "<img src=x>\\u202e";
    branch.job("job.toml", history, "[gates]\npsi_max = 0.1\n");
    let long = "n".repeat(10_000);
    let months = [("2026-01", 0.0), ("2026-02", 500.0)];
    for (month, shift) in months {
        let now = groups(100, [60; 3]);
        let shifts = [(HOSTILE[0], shift), (HOSTILE[1], 0.1), (HOSTILE[4], 0.1), (long.as_str(), 0.1)];
        let columns = shifts.map(|(name, by)| (name, f64s(noise(7).take(180).map(|v| v + by))));
        branch.table(month, &now, &columns);
    }
    branch.published("2026-01-31");
    assert_eq!(branch.run("2026-02-28", &[]).code, Some(6));
    for lang in ["en", "zh"] {
        let (at, page) = (branch.w.text("<img src=x>\u{202e}"), branch.w.text("page.html"));
        done(["history", "report", &at, "--out", &page, "--lang", lang]);
        is_harmless(&page, "history");
    }
}
