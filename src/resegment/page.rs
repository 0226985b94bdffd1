//! The page of a version: its segments, and what changed since the version that it is based on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::base::BaseVersion;
use super::card_moves::card_moves;
use super::context::text_of;
use super::matching::MatchedMonth;
use super::moves::{self, MoveMatrix};
use super::opened::MonthlyJob;
use super::report::RunReport;
use super::stage::StagedMonth;
use crate::error::{Error, Result};
use crate::gates::{FewCustomers, GateSeverity, few_changed};
use crate::output::NewFiles;
use crate::portrait::{BesideProfile, EarlierPage, made, portrait};
use crate::profile::ProfileReport;
use crate::report::{Language, Page, Table, brief};
use crate::text::percent;

/// The most columns of drift that are listed.
const MOST_COLUMNS: usize = 12;
/// What does not exist.
const DASH: &str = "–";

/// The file of the page; none, if the job does not ask for it.
pub(super) struct VersionPage(Option<(NewFiles, PathBuf)>);

impl VersionPage {
    /// Checks that it can be written.
    ///
    /// # Errors
    /// There is no profile to show, the run reads the file, or its folder is not writable.
    pub(super) fn open(job: &MonthlyJob<'_>) -> Result<Self> {
        let output = &job.opened.fit.output;
        let Some(path) = &output.report else { return Ok(VersionPage(None)) };
        if output.no_profile {
            let text = "[output] report shows the profile; leave out no_profile".into();
            return Err(Error::usage(text).of_file(path).of_option("--report"));
        }
        let mut files = NewFiles::default();
        files.add(path, &job.opened.fit.arguments())?;
        Ok(VersionPage(Some((files, path.clone()))))
    }

    /// Writes the page.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn publish(self, text: Option<&str>) -> Result<()> {
        let (Some((mut files, path)), Some(text)) = (self.0, text) else { return Ok(()) };
        files.text(&path, text)?;
        files.commit()
    }
}

/// The page of a month; None, if the job does not ask for it.
pub(super) fn page(
    job: &MonthlyJob<'_>,
    staged: &StagedMonth,
    (matched, report): (&MatchedMonth, &RunReport),
    base: Option<&BaseVersion>,
) -> Result<Option<String>> {
    let output = &job.opened.fit.output;
    if output.report.is_none() {
        return Ok(None);
    }
    let mut profile = stored(&staged.output.join("profile.json"))?;
    for identity in &matched.identities.segments {
        let name = job.opened.names.get(identity.segment_id);
        let name = name.and_then(|name| match output.lang {
            Language::Zh => name.zh.clone().or(name.en.clone()),
            Language::En => name.en.clone().or(name.zh.clone()),
        });
        if let Some(group) = profile.segments.iter_mut().find(|group| group.segment == Some(identity.segment)) {
            let id = format!("ID {}", identity.segment_id);
            let proposed = group.proposed_name.take();
            let proposed = proposed.map(|name| output.lang.say(&name.en, &name.zh).to_owned());
            group.name = Some([Some(id), name.or(proposed)].into_iter().flatten().collect::<Vec<_>>().join(" "));
        }
    }
    let language = output.lang;
    let title = match language {
        Language::En => format!("Segments as of {}", report.as_of),
        Language::Zh => format!("客群画像报告（{}）", report.as_of),
    };
    let earlier = base.map(|base| earlier(base, matched)).transpose()?.flatten();
    let migration = report.migration.as_ref().zip(base);
    let matrix =
        migration.and_then(|(of, base)| MoveMatrix::told(of, &[base.ids(), report.ids()], profile.small_cells));
    let beside = BesideProfile {
        earlier: earlier.as_ref(),
        moves: matrix.as_ref().map_or_else(BTreeMap::new, |matrix| card_moves(matrix, &report.ids())),
        trees: &[],
    };
    let mut page = portrait(&profile, &beside, &title, language);
    if let Some((migration, _)) = migration {
        moves::add(&mut page, migration, matrix.as_ref(), profile.small_cells);
    }
    let before = base.map_or(0, |base| base.customers);
    drift(&mut page, report, [before, profile.rows], profile.small_cells);
    gates(&mut page, report, &profile);
    made(&mut page, &facts(job, report, &profile, language));
    Ok(Some(page.finish()))
}

/// The profile of the version before, with the segments of the same ids; None, if it has none.
fn earlier(base: &BaseVersion, matched: &MatchedMonth) -> Result<Option<EarlierPage>> {
    let path = base.folder.join("profile.json");
    if !path.is_file() {
        return Ok(None);
    }
    let then: BTreeMap<u64, u32> =
        base.identities.segments.iter().map(|then| (then.segment_id, then.segment)).collect();
    let now = matched.identities.segments.iter();
    let segments = now.filter_map(|now| Some((now.segment, *then.get(&now.segment_id)?))).collect();
    Ok(Some(EarlierPage { report: stored(&path)?, segments }))
}

fn stored(path: &Path) -> Result<ProfileReport> {
    let damaged = |why: String| Error::input(format!("{}: {why}", path.display())).of_file(path);
    let text = text_of(path)?;
    serde_json::from_str(&text).map_err(|e| damaged(e.to_string()))
}

/// The shares of missing values before and now, of so many rows, unless they tell of few customers.
fn missing(shares: [f64; 2], rows: [u64; 2], small_cells: u64) -> [String; 2] {
    // Both are shown, and so is their difference.
    let hides_both = few_changed(shares, rows, small_cells);
    [0, 1].map(|at| {
        let (share, rows) = (shares[at], rows[at]);
        let n = (share * rows as f64).round() as u64;
        let few = [n, rows.saturating_sub(n)].iter().any(|n| (1..small_cells).contains(n));
        if few || hides_both { DASH.to_owned() } else { percent(share) }
    })
}

/// The columns that changed most; `rows` are those before and now.
fn drift(page: &mut Page, report: &RunReport, rows: [u64; 2], small_cells: u64) {
    let language = page.language();
    let Some(drift) = report.drift.as_ref().filter(|drift| !drift.features.is_empty()) else { return };
    let header = [
        ("column", "字段"),
        ("distance (sd)", "分布距离（标准差）"),
        ("PSI", "PSI"),
        ("by chance", "随机水平"),
        ("missing before", "上期缺失率"),
        ("now", "本期缺失率"),
    ];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 1);
    for feature in drift.features.iter().take(MOST_COLUMNS) {
        let [before, now] = missing([feature.missing.reference, feature.missing.now], rows, small_cells);
        table.row([
            feature.name.clone(),
            feature.distance.map_or_else(|| DASH.to_owned(), brief),
            format!("{:.3}", feature.figures.psi),
            format!("{:.3}", feature.figures.psi_noise),
            before,
            now,
        ]);
    }
    page.table(language.say("What changed in the data", "数据分布变化"), &table);
}

fn gates(page: &mut Page, report: &RunReport, profile: &ProfileReport) {
    let language = page.language();
    let few = FewCustomers {
        measures: &report.measures,
        limit: profile.small_cells,
        sizes_are_withheld: profile.segments.iter().any(|group| group.withheld),
    };
    let header = [("gate", "检查项"), ("result", "结论"), ("what was found", "说明")];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 3);
    for gate in &report.gates {
        let result = match (gate.passed, gate.severity) {
            (true, _) => language.say("passed", "通过"),
            (false, GateSeverity::Warn) => language.say("warning", "警告"),
            (false, GateSeverity::Error) => language.say("refused", "不通过"),
        };
        let told = gate.told_without_few(&few).map_or_else(String::new, |told| language.of(&told).to_owned());
        table.row([language.of(&gate.title()).to_owned(), result.to_owned(), told]);
    }
    page.table(language.say("Gates", "发布检查"), &table);
}

fn facts(
    job: &MonthlyJob<'_>,
    report: &RunReport,
    profile: &ProfileReport,
    language: Language,
) -> Vec<(String, String)> {
    let facts = [
        ("job", "任务", Some(report.job.clone())),
        ("owner", "负责人", report.owner.clone()),
        ("as of", "数据日期", Some(report.as_of.clone())),
        ("based on version", "基于版本", report.based_on.map(|version| version.to_string())),
        ("history", "版本库", Some(job.file.history().display().to_string())),
        ("small counts are withheld below", "小样本隐藏阈值", Some(profile.small_cells.to_string())),
        ("hash of the labels", "标签哈希", Some(profile.labels_blake3.clone())),
    ];
    facts.into_iter().filter_map(|(en, zh, text)| Some((language.say(en, zh).to_owned(), text?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_shares_tell_of_no_few_customers() {
        let told = |shares, limit| missing(shares, [1000, 1000], limit);
        // Three more are missing, ten more, three, and all but three.
        assert_eq!(told([0.1, 0.103], 10), [DASH, DASH]);
        assert_eq!(told([0.1, 0.11], 10), ["10.0%", "11.0%"]);
        assert_eq!(told([0.003, 0.5], 10), [DASH, "50.0%"]);
        assert_eq!(told([0.5, 0.997], 10), ["50.0%", DASH]);
        assert_eq!(told([0.1, 0.1], 10), ["10.0%", "10.0%"]);
        assert_eq!(told([0.1, 0.103], 0), ["10.0%", "10.3%"]);
    }
}
