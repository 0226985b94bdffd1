//! Findings about the whole table.

use super::across::{MOST_COLUMNS, STRONG};
use super::finding::Finding;
use super::finding::Severity::{Note, Warning};
use super::report::CheckReport;
use super::rows::ROW_BYTES;
use crate::text::{Phrase, percent, quoted};

/// The findings of a report with `numbers` columns of numbers, of which `locked` columns could not be decrypted.
pub(super) fn findings(report: &CheckReport, numbers: usize, locked: usize) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |severity, kind, en: String, zh: String| {
        found.push(Finding::of_table(severity, kind, Phrase::new(en, zh)));
    };
    if report.rows == 0 {
        add(Warning, "no_rows", "there are no rows".into(), "没有数据行".into());
    }
    let differences = report.schema_differences.len();
    if locked > 0 {
        let text = match locked {
            1 => "1 column is encrypted and its key is missing: its values count as missing".to_owned(),
            _ => format!("{locked} columns are encrypted and their keys are missing: their values count as missing"),
        };
        add(Warning, "locked", text, format!("{locked} 个字段已加密且缺少密钥：其值按缺失计"));
    } else if differences > 0 {
        let text = format!("the files differ about their columns in {differences} places");
        add(Warning, "schema", text, format!("各文件的字段存在 {differences} 处差异"));
    }
    if let Some(id) = &report.id {
        let (column, twice, missing) = (quoted(&id.column), id.duplicates, id.nulls);
        if twice > 0 {
            let text = format!("{twice} rows repeat an id ({column}) of an earlier row");
            add(Warning, "duplicate_ids", text, format!("{twice} 行的客户编号（{column}）与之前的行重复"));
        }
        if missing > 0 {
            let text = format!("{missing} rows have no id ({column})");
            add(Warning, "null_ids", text, format!("{missing} 行没有客户编号（{column}）"));
        }
    }
    found.extend(duplicates(report));
    found.extend(correlations(report, numbers));
    found
}

fn duplicates(report: &CheckReport) -> Option<Finding> {
    let Some(n) = report.duplicate_rows else {
        let size = (report.rows * ROW_BYTES).div_ceil(1 << 20);
        let memory = (2 * report.rows * ROW_BYTES).div_ceil(1 << 20);
        let text = Phrase::new(
            format!("duplicate rows were not looked for: that takes {size} MiB; give --memory {memory}MiB or more"),
            format!("未检查重复行：需要 {size} MiB 内存；请指定 --memory {memory}MiB 或更多"),
        );
        return Some(Finding::of_table(Note, "duplicate_rows_left_out", text));
    };
    let (but, but_zh) = if report.id.is_some() { (" but the id", "除客户编号外的") } else { ("", "") };
    let share = percent(n as f64 / report.rows.max(1) as f64);
    let text = || {
        Phrase::new(
            format!("{n} rows ({share}) equal an earlier row in all columns{but}"),
            format!("{n} 行（{share}）{but_zh}所有字段均与之前的行相同"),
        )
    };
    (n > 0).then(|| Finding::of_table(Note, "duplicate_rows", text()))
}

fn correlations(report: &CheckReport, numbers: usize) -> Option<Finding> {
    let Some(pairs) = &report.correlations else {
        let text = Phrase::new(
            format!("correlations were left out: {numbers} number columns, and at most {MOST_COLUMNS} are paired"),
            format!("未计算相关系数：数值字段有 {numbers} 个，最多计算 {MOST_COLUMNS} 个字段之间的相关系数"),
        );
        return Some(Finding::of_table(Note, "correlations_left_out", text));
    };
    let en = match pairs.len() {
        0 => return None,
        1 => format!("1 pair of columns has a correlation of {STRONG} or more"),
        n => format!("{n} pairs of columns have a correlation of {STRONG} or more"),
    };
    let text = Phrase::new(en, format!("{} 对字段的相关系数绝对值不低于 {STRONG}", pairs.len()));
    Some(Finding::of_table(Note, "correlated", text))
}
