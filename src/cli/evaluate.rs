//! `campaign evaluate`: its report.

use std::path::Path;

use hyades::Result;
use hyades::campaign::{
    self, ArmComparison, Estimate, EvaluateRequest, EvaluationReport, EventCounts, MetricKind, MetricReport, Verdict,
};
use hyades::report::Language;
use hyades::text::{percent, shown, thousands};

use super::console::Console;
use super::fmt::{compact, figures, wrapped};
use super::report::table;

/// Width of sentences.
const WIDTH: usize = 80;

pub(super) fn evaluate(request: EvaluateRequest, console: &Console) -> Result<()> {
    let request = request.split_lists()?;
    let report = campaign::evaluate(&request, console.observer.as_ref(), &console.stop)?;
    if request.json.as_deref().is_some_and(|path| path == Path::new("-")) {
        return say!("{}", report.to_json()?.trim_end());
    }
    say!("{}", SpokenReport { report: &report, lang: request.lang }.text().trim_end())?;
    match &request.json {
        Some(path) if !console.quiet => say!("{}", path.display()),
        _ => Ok(()),
    }
}

/// A report, in a language.
#[derive(Clone, Copy)]
struct SpokenReport<'a> {
    report: &'a EvaluationReport,
    lang: Language,
}

impl SpokenReport<'_> {
    fn text(self) -> String {
        let mut parts = vec![self.assignment()];
        let events = self.report.events.as_ref().map(EventCounts::phrase);
        parts.extend(events.map(|events| self.sentence(&events.en, &events.zh)));
        parts.extend(self.report.metrics.iter().map(|metric| self.metric(metric)));
        let tables = match self.report.by.is_empty() {
            true => self.lang.say("all arms", "所有组"),
            false => self.lang.say("all arms, or all arms and groups", "所有组，或所有组与分群"),
        };
        parts.push(self.sentence(
            &format!(
                "Customers count in the arm they were assigned to. Differences have 95 % intervals of their own; \
                 p-values are adjusted by Holm's method for the whole table ({tables} of one outcome), and 0.05 or less \
                 counts as shown. Not shown does not mean that there is no difference."
            ),
            &format!(
                "客户按分组计入，不论是否实际触达。差异附各自的95%置信区间；p值按Holm方法对整张表（同一指标的{tables}）校正，\
                 不超过0.05视为显著。不显著不等于没有差异。"
            ),
        ));
        parts.join("\n")
    }

    /// Lines of a sentence.
    fn sentence(self, en: &str, zh: &str) -> String {
        match self.lang {
            Language::En => wrapped(en, WIDTH).into_iter().map(|line| line + "\n").collect(),
            Language::Zh => cut(zh, WIDTH),
        }
    }

    /// The arms, and whether their sizes are plausible.
    fn assignment(self) -> String {
        let SpokenReport { report, lang } = self;
        let header = [("arm", "组"), ("customers", "客户数"), ("share", "占比"), ("expected", "应占")];
        let mut out = table(&header.map(|(en, zh)| lang.say(en, zh)), &[1, 2, 3]);
        for arm in &report.arms {
            let role = if arm.arm == report.control { lang.say(" (control)", "（对照）") } else { "" };
            let share = percent(arm.customers as f64 / report.customers as f64);
            out.add_row(vec![shown(&arm.arm) + role, thousands(arm.customers), share, percent(arm.expected_share)]);
        }
        let ratio = &report.sample_ratio;
        let what = lang.say("chi-square", "卡方");
        let found = format!("{what} {}, p {}", compact(ratio.chi_square), p_value(ratio.p));
        let verdict = match ratio.is_suspicious {
            false => self.sentence(&format!("sample ratio: as expected ({found})"), &format!("样本比例：正常（{found}）")),
            true => self.sentence(
                &format!(
                    "WARNING: sample ratio mismatch ({found}). Customers were not assigned in the expected shares, so \
                     the arms may differ in more than the campaign: trust no figure below before the reason is known. \
                     If other shares were intended, name them with --expected-shares."
                ),
                &format!(
                    "警告：样本比例异常（{found}）。客户未按应有比例分组，各组之间的差异可能不止于活动本身：查明原因之前，\
                     以下数字均不可信。若本来就是其他比例，请用--expected-shares给出。"
                ),
            ),
        };
        format!("{out}\n{verdict}{}", self.groups())
    }

    /// The sample ratios of groups.
    fn groups(self) -> String {
        let SpokenReport { report, lang } = self;
        let tested: Vec<_> = report.group_ratios.iter().filter_map(|of| Some((of, of.ratio.as_ref()?))).collect();
        let Some(smallest) = tested.iter().map(|(_, ratio)| ratio.p).min_by(f64::total_cmp) else {
            return String::new();
        };
        let by: Vec<String> = report.by.iter().map(|name| shown(name)).collect();
        let suspicious: Vec<_> = tested.iter().filter(|(_, ratio)| ratio.is_suspicious).collect();
        if suspicious.is_empty() {
            let (groups, p) = (tested.len(), p_value(smallest));
            return self.sentence(
                &format!("by {}: as expected in all groups tested ({groups}, smallest p {p})", by.join(", ")),
                &format!("按{}：检验的{groups}个分群均正常（最小p {p}）", by.join("、")),
            );
        }
        let mut text = String::new();
        for (of, ratio) in suspicious {
            let group: Vec<String> = of.group.iter().map(|value| self.value(value)).collect();
            let counts: Vec<String> = report
                .arms
                .iter()
                .zip(&of.customers)
                .zip(&of.expected)
                .map(|((arm, n), expected)| {
                    let (n, expected) = (thousands(*n), thousands(expected.round() as u64));
                    format!("{} {n} {} {expected}", shown(&arm.arm), lang.say("of", "/ 应为"))
                })
                .collect();
            let (group, counts, p) = (group.join(", "), counts.join(", "), p_value(ratio.p));
            text += &self.sentence(
                &format!("WARNING: sample ratio mismatch in {} {group}: {counts} expected, p {p}", by.join(", ")),
                &format!("警告：{} {group} 样本比例异常：{counts}，p {p}", by.join("、")),
            );
        }
        text
    }

    fn metric(self, metric: &MetricReport) -> String {
        let lang = self.lang;
        let (what, total) = match metric.kind {
            MetricKind::Conversion => (lang.say("share of customers", "客户占比"), lang.say("conversions", "转化数")),
            MetricKind::Money => (lang.say("a customer", "户均"), lang.say("sum", "合计")),
        };
        let mut arms = table(&[lang.say("arm", "组"), lang.say("customers", "客户数"), total, what], &[1, 2, 3]);
        for arm in &metric.arms {
            let (name, total) = (shown(&arm.arm), compact(arm.total));
            arms.add_row(vec![name, thousands(arm.customers), total, level(arm.mean, metric.kind)]);
        }
        let mut text =
            format!("{}\n{arms}\n{}\n", shown(&metric.column), self.comparisons(metric, &[], &metric.comparisons));
        if !metric.groups.is_empty() {
            let by: Vec<String> = self.report.by.iter().map(|name| shown(name)).collect();
            let column = shown(&metric.column);
            let pair = match &metric.arms[..] {
                [control, arm] => format!("{} - {}", shown(&arm.arm), shown(&control.arm)),
                _ => String::new(),
            };
            let colon = if pair.is_empty() { "" } else { lang.say(": ", "：") };
            text += &match lang {
                Language::En => format!("{column} by {}{colon}{pair}\n", by.join(", ")),
                Language::Zh => format!("{column}，按{}{colon}{pair}\n", by.join("、")),
            };
            text += &format!("{}\n", self.comparisons(metric, &self.report.by, &metric.groups));
        }
        if metric.groups.iter().any(|c| c.verdict == Verdict::TooFew) {
            text += &self.sentence(
                "too few: below 10 customers, or 5 expected conversions, in an arm; the test is not reliable",
                "样本太少：某组不足10位客户，或预期转化不足5个；检验不可靠",
            );
        }
        if metric.groups_left_out > 0 {
            let n = metric.groups_left_out;
            let en = format!("{n} arms in groups have no customer to compare");
            text += &self.sentence(&en, &format!("{n}个分群中的组没有可比较的客户"));
        }
        text
    }

    /// A table of comparisons, with a column for each of `by`.
    fn comparisons(self, metric: &MetricReport, by: &[String], compared: &[ArmComparison]) -> String {
        let lang = self.lang;
        let by_cost = compared.iter().any(|c| c.value.is_some());
        // Of two arms the heading of groups tells which are compared.
        let by_pair = by.is_empty() || metric.arms.len() > 2;
        let names: Vec<String> = by.iter().map(|name| shown(name)).collect();
        let mut header: Vec<&str> = names.iter().map(String::as_str).collect();
        header.extend(by_pair.then(|| lang.say("compared", "比较")));
        let titles = [
            ("difference (95 %)", "差异（95%）"),
            ("relative", "相对"),
            ("extra", "增量"),
            ("p", "p"),
            ("result", "结论"),
        ];
        header.extend(titles.map(|(en, zh)| lang.say(en, zh)));
        if by_cost {
            header.extend([lang.say("profit", "利润"), "ROI"]);
        }
        let first = by.len() + usize::from(by_pair);
        let mut out = table(&header, &[first, first + 1, first + 2, first + 3]);
        for c in compared {
            let mut row: Vec<String> = c.group.iter().map(|value| self.value(value)).collect();
            row.extend(by_pair.then(|| format!("{} - {}", shown(&c.arm.arm), shown(&c.against.arm))));
            row.push(self.difference(&c.difference, metric.kind));
            row.push(c.lift.map_or_else(String::new, |lift| signed(100.0 * lift.value, "%")));
            row.push(signed(c.extra.value, ""));
            row.push(c.holm_p.map_or_else(String::new, p_value));
            row.push(self.result(c.verdict).into());
            if let Some(value) = &c.value {
                let [low, high] = [value.profit.low, value.profit.high].map(compact);
                let profit = compact(value.profit.value);
                row.push(format!("{profit} ({low} {} {high})", lang.say("to", "至")));
                row.push(value.roi.map_or_else(String::new, |roi| signed(100.0 * roi, "%")));
            }
            out.add_row(row);
        }
        out.to_string()
    }

    /// The value of a group.
    fn value(self, value: &Option<String>) -> String {
        value.as_deref().map_or_else(|| self.lang.say("(missing)", "（缺失）").into(), shown)
    }

    fn result(self, verdict: Verdict) -> &'static str {
        let (en, zh) = match verdict {
            Verdict::Higher => ("higher", "较高"),
            Verdict::Lower => ("lower", "较低"),
            Verdict::NotShown => ("not shown", "不显著"),
            Verdict::TooFew => ("too few", "样本太少"),
        };
        self.lang.say(en, zh)
    }

    /// Shares in percentage points.
    fn difference(self, found: &Estimate, kind: MetricKind) -> String {
        let to = self.lang.say("to", "至");
        match kind {
            MetricKind::Conversion => {
                let [value, low, high] = [found.value, found.low, found.high].map(|v| 100.0 * v);
                format!("{value:+.2} ({low:+.2} {to} {high:+.2}) {}", self.lang.say("points", "百分点"))
            }
            MetricKind::Money => {
                let [value, low, high] = [found.value, found.low, found.high].map(|v| signed(v, ""));
                format!("{value} ({low} {to} {high})")
            }
        }
    }
}

/// Lines of a Chinese text, which may be cut anywhere but before a comma or stop: its characters take two columns.
fn cut(text: &str, columns: usize) -> String {
    let (mut lines, mut used) = (String::new(), 0);
    for c in text.chars() {
        let width = if c >= '\u{1100}' { 2 } else { 1 };
        if used + width > columns && !"，。；：、）".contains(c) {
            lines.push('\n');
            used = 0;
        }
        lines.push(c);
        used += width;
    }
    lines + "\n"
}

fn level(mean: f64, kind: MetricKind) -> String {
    match kind {
        MetricKind::Conversion => percent(mean),
        MetricKind::Money if mean == 0.0 => "0".into(),
        MetricKind::Money => format!("{}{}", if mean < 0.0 { "-" } else { "" }, figures(mean.abs())),
    }
}

fn signed(value: f64, unit: &str) -> String {
    let sign = if value < 0.0 { "-" } else { "+" };
    let text = if value == 0.0 { "0".into() } else { figures(value.abs()) };
    format!("{sign}{text}{unit}")
}

fn p_value(p: f64) -> String {
    match p {
        _ if p < 0.0001 => "<0.0001".into(),
        _ => format!("{p:.4}"),
    }
}
