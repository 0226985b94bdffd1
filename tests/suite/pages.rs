//! Pages of monthly runs and of their history, as people get them.

use crate::command::{Ran, Workshop, done};
use crate::harness::{hyades, tests};
use crate::monthly::{Branch, two_months};

tests!(a_month_has_a_page, a_history_has_a_page, pages_that_cannot_be, a_page_tells_no_more_beside_the_one_before,);

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
