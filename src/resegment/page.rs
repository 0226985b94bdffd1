//! The page of a version: its segments, and what changed since the version that it is based on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::base::BaseVersion;
use super::context::text_of;
use super::matching::MatchedMonth;
use super::opened::MonthlyJob;
use super::report::{MigrationReport, RunReport};
use super::stage::StagedMonth;
use crate::audit::withhold;
use crate::error::{Error, Result};
use crate::gates::{GateResult, GateSeverity};
use crate::output::NewFiles;
use crate::portrait::{EarlierPage, made, portrait};
use crate::profile::ProfileReport;
use crate::report::{Language, Page, Table, brief};
use crate::text::{percent, thousands};

/// The most columns of drift that are listed.
const MOST_COLUMNS: usize = 12;
/// A count that is withheld.
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
    let mut page = portrait(&profile, earlier.as_ref(), &title, language);
    if let (Some(migration), Some(base)) = (&report.migration, base) {
        moves(&mut page, report, migration, base, profile.small_cells);
    }
    drift(&mut page, report);
    gates(&mut page, &report.gates);
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

/// Who came, left and moved, and the matrix of moves by id.
fn moves(page: &mut Page, report: &RunReport, migration: &MigrationReport, base: &BaseVersion, small_cells: u64) {
    let language = page.language();
    page.section(language.say("Who moved", "客户迁移"), None);
    let [stayed, came, left, moved] =
        [migration.stayed, migration.came, migration.left, migration.moved].map(thousands);
    let share = percent(migration.moved as f64 / migration.stayed.max(1) as f64);
    page.paragraph(&match language {
        Language::En => format!(
            "{stayed} customers were there before, of whom {moved} ({share}) are in another segment now; {came} came and \
             {left} left."
        ),
        Language::Zh => {
            format!("上期存续客户 {stayed} 位，其中 {moved} 位（{share}）迁移至其他客群；新增 {came} 位，流失 {left} 位。")
        }
    });
    let old: Vec<u64> = base.identities.segments.iter().map(|identity| identity.segment_id).collect();
    let new: Vec<u64> = report.segments.iter().map(|segment| segment.identity.segment_id).collect();
    // Rows and columns beyond the segments: without one, and new or gone.
    let mut counts = vec![vec![0u64; new.len() + 2]; old.len() + 2];
    for flow in &migration.flows {
        let from = if flow.is_new { old.len() + 1 } else { flow.before.map_or(old.len(), |at| at as usize) };
        let to = if flow.has_left { new.len() + 1 } else { flow.now.map_or(new.len(), |at| at as usize) };
        counts[from][to] += flow.customers;
    }
    let mut told: Vec<Vec<Option<u64>>> = counts.iter().map(|row| row.iter().copied().map(Some).collect()).collect();
    let total = (0..new.len() + 2).map(|to| Some(counts.iter().map(|row| row[to]).sum())).collect();
    told.push(total);
    withhold(&mut told, small_cells);
    let heads = |ids: &[u64], last: &str| -> Vec<String> {
        let ids = ids.iter().map(|id| format!("ID {id}"));
        ids.chain([language.say("none", "未分").to_owned(), last.to_owned()]).collect()
    };
    let columns = heads(&new, language.say("left", "流失"));
    let from = language.say("from \\ to", "由 \\ 至").to_owned();
    let mut table = Table::new(std::iter::once(from).chain(columns), 1);
    for (i, name) in heads(&old, language.say("new", "新增")).into_iter().enumerate() {
        if counts[i].iter().sum::<u64>() > 0 {
            let cell = |n: &Option<u64>| n.map_or_else(|| DASH.to_owned(), thousands);
            table.row(std::iter::once(name).chain(told[i].iter().map(cell)).collect::<Vec<_>>());
        }
    }
    page.add(&table);
    page.explain(language.say(
        "Customers by the segment before (rows) and now (columns), by id.",
        "行为上期客群，列为本期客群（按客群 ID）。",
    ));
}

/// The columns that changed most.
fn drift(page: &mut Page, report: &RunReport) {
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
        table.row([
            feature.name.clone(),
            feature.distance.map_or_else(|| DASH.to_owned(), brief),
            format!("{:.3}", feature.figures.psi),
            format!("{:.3}", feature.figures.psi_noise),
            percent(feature.missing.reference),
            percent(feature.missing.now),
        ]);
    }
    page.table(language.say("What changed in the data", "数据分布变化"), &table);
}

fn gates(page: &mut Page, gates: &[GateResult]) {
    let language = page.language();
    let header = [("gate", "检查项"), ("result", "结论"), ("what was found", "说明")];
    let mut table = Table::new(header.map(|(en, zh)| language.say(en, zh)), 3);
    for gate in gates {
        let result = match (gate.passed, gate.severity) {
            (true, _) => language.say("passed", "通过"),
            (false, GateSeverity::Warn) => language.say("warning", "警告"),
            (false, GateSeverity::Error) => language.say("refused", "不通过"),
        };
        table.row([gate.gate.clone(), result.to_owned(), gate.text()]);
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
