//! The gates: what each one looks at, and how it is put into words.

use super::limit::{AtLeast, AtMost, GateSeverity};
use super::limits::Gates;
use super::measures::{FeatureMeasures, GateSubject, Measures, SegmentMeasures};
use crate::text::{Phrase, percent, quoted, thousands};

/// Which values a limit may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GateRange {
    /// 0 to 1.
    Share,
    /// At least 0.
    NotNegative,
    /// 0, 1, 2, ...
    Whole,
}

/// One gate.
#[derive(Clone, Copy)]
pub(super) struct GateKind {
    pub(super) name: &'static str,
    /// What people call it in Chinese.
    zh: &'static str,
    pub(super) range: GateRange,
    /// Its limit.
    pub(super) bound: LimitField,
    /// Values that were measured.
    pub(super) values: fn(&Measures) -> Vec<(Option<GateSubject>, f64)>,
    /// What the values are, in a sentence after the subject, in English and Chinese: the value goes where `{}` is.
    says: [&'static str; 2],
    /// How a number is shown.
    shown: fn(f64) -> Phrase,
}

/// The field of a gate's limit.
#[derive(Clone, Copy)]
pub(super) enum LimitField {
    Most(fn(&mut Gates) -> &mut Option<AtMost>),
    Least(fn(&mut Gates) -> &mut Option<AtLeast>),
}

impl GateKind {
    /// Its limit and severity.
    pub(super) fn limit(&self, gates: &Gates) -> Option<(f64, GateSeverity)> {
        let mut gates = gates.clone();
        match self.bound {
            LimitField::Most(field) => field(&mut gates).map(|gate| (gate.max, gate.severity)),
            LimitField::Least(field) => field(&mut gates).map(|gate| (gate.min, gate.severity)),
        }
    }

    pub(super) fn set(&self, gates: &mut Gates, limit: f64, severity: GateSeverity) {
        match self.bound {
            LimitField::Most(field) => *field(gates) = Some(AtMost { max: limit, severity }),
            LimitField::Least(field) => *field(gates) = Some(AtLeast { min: limit, severity }),
        }
    }

    /// Whether it sets an upper limit.
    pub(super) fn is_upper(&self) -> bool {
        matches!(self.bound, LimitField::Most(_))
    }

    /// A value that is not a number does not pass.
    pub(super) fn passes(&self, value: f64, limit: f64) -> bool {
        if self.is_upper() { value <= limit } else { value >= limit }
    }

    /// Its name, with that for people.
    pub(super) fn title(&self) -> Phrase {
        Phrase::new(self.name, format!("{}（{}）", self.zh, self.name))
    }

    /// The value in words, such as `segment 12 has 0.40% of the customers`.
    pub(super) fn sentence(&self, subject: Option<&GateSubject>, value: Option<f64>) -> Phrase {
        let value = value.map_or_else(|| Phrase::new("an unknown value", "未知"), self.shown);
        let [en, zh] = self.says;
        let (en, zh) = (en.replacen("{}", &value.en, 1), zh.replacen("{}", &value.zh, 1));
        match subject {
            Some(GateSubject::SegmentId(id)) => Phrase::new(format!("segment {id} {en}"), format!("客群 {id}：{zh}")),
            Some(GateSubject::Feature(name)) => {
                let name = quoted(name);
                Phrase::new(format!("{name} {en}"), format!("字段 {name}：{zh}"))
            }
            None => Phrase::new(en, zh),
        }
    }

    /// The limit in words.
    pub(super) fn allowed(&self, limit: f64) -> Phrase {
        let (side, side_zh) = if self.is_upper() { ("most", "上限") } else { ("least", "下限") };
        let limit = (self.shown)(limit);
        Phrase::new(format!("at {side} {} allowed", limit.en), format!("{side_zh}为 {}", limit.zh))
    }
}

/// The gate of this name.
pub(super) fn named(name: &str) -> Option<&'static GateKind> {
    GATES.iter().find(|kind| kind.name == name)
}

/// All gates, in the order in which they are reported.
pub(super) static GATES: [GateKind; 12] = [
    GateKind {
        name: "rows_change",
        zh: "行数变化",
        range: GateRange::NotNegative,
        bound: LimitField::Most(|gates| &mut gates.rows_change),
        values: |m| whole(m.rows_before.map(|before| relative(m.rows as f64, before as f64).abs())),
        says: ["the number of rows changed by {}", "行数变化 {}"],
        shown: share,
    },
    GateKind {
        name: "missing_rise",
        zh: "缺失率上升",
        range: GateRange::Share,
        bound: LimitField::Most(|gates| &mut gates.missing_rise),
        values: |m| features(m, |f| Some(f.missing? - f.missing_before?)),
        says: ["has missing values in {} more of the rows", "缺失行占比增加 {}"],
        shown: points,
    },
    GateKind {
        name: "psi_max",
        zh: "群体稳定性指标（PSI）",
        range: GateRange::NotNegative,
        bound: LimitField::Most(|gates| &mut gates.psi_max),
        values: |m| features(m, |f| f.psi),
        says: ["has a population stability index of {}", "PSI 为 {}"],
        shown: figure,
    },
    GateKind {
        name: "w1_max",
        zh: "分布偏移",
        range: GateRange::NotNegative,
        bound: LimitField::Most(|gates| &mut gates.w1_max),
        values: |m| features(m, |f| f.w1),
        says: ["shifted by {} standard deviations", "分布偏移 {} 个标准差"],
        shown: figure,
    },
    GateKind {
        name: "inertia_rise",
        zh: "人均离差上升",
        range: GateRange::NotNegative,
        bound: LimitField::Most(|gates| &mut gates.inertia_rise),
        values: |m| whole(m.inertia.zip(m.inertia_before).map(|(now, before)| relative(now, before))),
        says: ["the inertia per customer changed by {}", "人均组内离差变化 {}"],
        shown: points,
    },
    GateKind {
        name: "share_min",
        zh: "客群最小占比",
        range: GateRange::Share,
        bound: LimitField::Least(|gates| &mut gates.share_min),
        values: |m| segments(m, |s| Some(s.share)),
        says: ["has {} of the customers", "客户占比为 {}"],
        shown: share,
    },
    GateKind {
        name: "share_max",
        zh: "客群最大占比",
        range: GateRange::Share,
        bound: LimitField::Most(|gates| &mut gates.share_max),
        values: |m| segments(m, |s| Some(s.share)),
        says: ["has {} of the customers", "客户占比为 {}"],
        shown: share,
    },
    GateKind {
        name: "share_change",
        zh: "客群占比变化",
        range: GateRange::Share,
        bound: LimitField::Most(|gates| &mut gates.share_change),
        values: |m| segments(m, |s| Some((s.share - s.share_before?).abs())),
        says: ["has a share of the customers that changed by {}", "客户占比变化 {}"],
        shown: percentage_points,
    },
    GateKind {
        name: "smallest_segment",
        zh: "客群最小规模",
        range: GateRange::Whole,
        bound: LimitField::Least(|gates| &mut gates.smallest_segment),
        values: |m| segments(m, |s| Some(s.customers as f64)),
        says: ["has {} customers", "有 {} 位客户"],
        shown: count,
    },
    GateKind {
        name: "retention_min",
        zh: "客群留存率",
        range: GateRange::Share,
        bound: LimitField::Least(|gates| &mut gates.retention_min),
        values: |m| segments(m, |s| s.retention),
        says: ["kept {} of its customers", "客户留存率为 {}"],
        shown: share,
    },
    GateKind {
        name: "unmatched_max",
        zh: "无法对应的客群",
        range: GateRange::Whole,
        bound: LimitField::Most(|gates| &mut gates.unmatched_max),
        values: |m| whole(m.unmatched.map(|n| n as f64)),
        says: ["segments without an ancestor or a successor: {}", "无前身或无后继的客群数：{}"],
        shown: count,
    },
    GateKind {
        name: "relabelled_max",
        zh: "客群定义变化",
        range: GateRange::Share,
        bound: LimitField::Most(|gates| &mut gates.relabelled_max),
        values: |m| whole(m.relabelled),
        says: ["the definition of their segment changed for {} of the customers", "{} 的客户所属客群的定义发生变化"],
        shown: share,
    },
];

fn whole(value: Option<f64>) -> Vec<(Option<GateSubject>, f64)> {
    value.map(|value| (None, value)).into_iter().collect()
}

fn segments(m: &Measures, value: impl Fn(&SegmentMeasures) -> Option<f64>) -> Vec<(Option<GateSubject>, f64)> {
    m.segments.iter().filter_map(|s| Some((Some(GateSubject::SegmentId(s.segment_id)), value(s)?))).collect()
}

fn features(m: &Measures, value: impl Fn(&FeatureMeasures) -> Option<f64>) -> Vec<(Option<GateSubject>, f64)> {
    m.features.iter().filter_map(|f| Some((Some(GateSubject::Feature(f.name.clone())), value(f)?))).collect()
}

/// The relative rise. From nothing to nothing is none, and from nothing to anything an infinite one.
fn relative(now: f64, before: f64) -> f64 {
    match (now, before) {
        (0.0, 0.0) => 0.0,
        _ => (now - before) / before,
    }
}

/// A difference of shares or a relative rise, which may be negative.
fn points(value: f64) -> Phrase {
    Phrase::alike(signed(value))
}

fn signed(value: f64) -> String {
    if value < 0.0 { format!("-{}", percent(-value)) } else { percent(value) }
}

fn share(value: f64) -> Phrase {
    Phrase::alike(percent(value))
}

/// A difference of shares, which is not a relative change.
fn percentage_points(value: f64) -> Phrase {
    let points = signed(value);
    let points = points.trim_end_matches('%');
    Phrase::new(format!("{points} percentage points"), format!("{points} 个百分点"))
}

fn figure(value: f64) -> Phrase {
    Phrase::alike(format!("{value:.4}"))
}

fn count(value: f64) -> Phrase {
    Phrase::alike(thousands(value as u64))
}
