//! The recommendation: each criterion names a number of segments by a rule of its own, and the votes decide.

use serde::Serialize;

use super::alternative::Alternative;
use crate::text::Phrase;

/// The prediction strength above which segments are found again (Tibshirani and Walther 2005: 0.8 to 0.9).
const STRONG: f64 = 0.8;
/// Below this mean Jaccard index a segment is not to be trusted (`clusterboot`).
const UNSTABLE: f64 = 0.6;
/// From this on it is stable.
const STABLE: f64 = 0.75;
/// Seeds that agree less find other segments (Steinley 2004: poor recovery).
const AGREE: f64 = 0.65;

/// What names a number of segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// The largest Calinski-Harabasz index.
    CalinskiHarabasz,
    /// The largest silhouette of squared distances.
    Silhouette,
    /// The smallest Davies-Bouldin index.
    DaviesBouldin,
    /// The gap statistic, by the rule `firstSEmax` of `clusGap`.
    Gap,
    /// The most segments with a prediction strength of 0.8.
    PredictionStrength,
    /// The most segments of which all are stable under resampling.
    Stability,
}

impl Criterion {
    /// In the order in which they break ties: unequal sizes mislead silhouettes, and more so the Davies-Bouldin index.
    pub(super) const ALL: [Criterion; 6] = [
        Criterion::CalinskiHarabasz,
        Criterion::Silhouette,
        Criterion::Gap,
        Criterion::PredictionStrength,
        Criterion::Stability,
        Criterion::DaviesBouldin,
    ];

    /// Its name.
    pub fn name(self) -> Phrase {
        match self {
            Criterion::CalinskiHarabasz => Phrase::new("Calinski-Harabasz", "Calinski-Harabasz 指数"),
            Criterion::Silhouette => Phrase::new("silhouette", "轮廓系数"),
            Criterion::DaviesBouldin => Phrase::new("Davies-Bouldin", "Davies-Bouldin 指数"),
            Criterion::Gap => Phrase::new("gap statistic", "Gap 统计量"),
            Criterion::PredictionStrength => Phrase::new("prediction strength", "预测强度"),
            Criterion::Stability => Phrase::new("stability", "稳定性"),
        }
    }
}

/// What a criterion says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Vote {
    /// Which one.
    pub criterion: Criterion,
    /// The number of segments that it names; None if it names none.
    pub k: Option<usize>,
    /// Why.
    pub why: Phrase,
}

/// Which number of segments to take.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation {
    /// The first choice; None if no criterion names a number.
    pub first: Option<usize>,
    /// The second choice.
    pub second: Option<usize>,
    /// Whether most criteria agree, and the segments can be trusted.
    pub clear: bool,
    /// In a sentence.
    pub summary: Phrase,
    /// What to know of it.
    pub remarks: Vec<Phrase>,
    /// What each criterion says.
    pub votes: Vec<Vote>,
}

impl Recommendation {
    /// How many criteria name a number.
    pub fn votes_for(&self, k: usize) -> usize {
        self.votes.iter().filter(|vote| vote.k == Some(k)).count()
    }
}

/// What the alternatives, in ascending order, recommend.
pub(crate) fn recommend(alternatives: &[Alternative]) -> Recommendation {
    let votes: Vec<Vote> = Criterion::ALL.into_iter().filter_map(|criterion| vote(criterion, alternatives)).collect();
    let named = |k: usize| votes.iter().filter(|vote| vote.k == Some(k)).count();
    let earliest = |k: usize| votes.iter().position(|vote| vote.k == Some(k)).unwrap_or(votes.len());
    let mut order: Vec<usize> = alternatives.iter().map(|a| a.k).filter(|&k| named(k) > 0).collect();
    order.sort_by_key(|&k| (std::cmp::Reverse(named(k)), earliest(k)));
    let first = order.first().copied();
    let second = order.get(1).copied().or_else(|| runner_up(first?, alternatives));
    let chosen = alternatives.iter().find(|a| Some(a.k) == first);
    let remarks = chosen.map(|chosen| remarks(chosen, alternatives)).unwrap_or_default();
    let agree = |chosen: &Alternative| alternatives.len() > 2 && 2 * named(chosen.k) > votes.len();
    let clear = chosen.is_some_and(|chosen| agree(chosen) && is_trusted(chosen));
    let summary = summary((first, second), clear, &|k| (named(k), votes.len()));
    Recommendation { first, second, clear, summary, remarks, votes }
}

/// The number whose silhouette is the largest of those that are larger than their neighbours'.
fn runner_up(first: usize, alternatives: &[Alternative]) -> Option<usize> {
    let peak = |three: &&[Alternative]| {
        let [before, here, after] = [0, 1, 2].map(|i| three[i].validity.silhouette.unwrap_or(-1.0));
        three[1].k != first && here > before && here > after
    };
    let peaks = alternatives.windows(3).filter(peak).map(|three| &three[1]);
    let most = |a: &&Alternative, b: &&Alternative| a.validity.silhouette.partial_cmp(&b.validity.silhouette);
    peaks.max_by(|a, b| most(a, b).unwrap_or(std::cmp::Ordering::Equal)).map(|a| a.k)
}

/// Whether seeds agree, and the segments that could be judged are not unstable.
fn is_trusted(of: &Alternative) -> bool {
    let judged = of.stability.is_none() || of.least_stable().is_some_and(|least| least >= UNSTABLE);
    judged && of.agreement.is_none_or(|seeds| seeds.mean >= AGREE)
}

fn summary(
    (first, second): (Option<usize>, Option<usize>),
    clear: bool,
    votes: &dyn Fn(usize) -> (usize, usize),
) -> Phrase {
    let Some(first) = first else {
        return Phrase::new("no criterion names a number of segments", "没有任何指标给出建议的客群数");
    };
    let (of, all) = votes(first);
    if clear {
        return Phrase::new(
            format!("{first} segments, which {of} of {all} criteria name"),
            format!("建议分为 {first} 个客群：{all} 项指标中有 {of} 项支持"),
        );
    }
    let [en, zh] = match second {
        Some(second) => {
            [format!("{first} or {second} are the most likely"), format!("最可能的客群数为 {first} 或 {second}")]
        }
        None => [format!("{first} is the most likely"), format!("最可能的客群数为 {first}")],
    };
    Phrase::new(
        format!("no clear number of segments: {en}; let the use decide"),
        format!("没有明确的最优客群数：{zh}，请结合业务用途决定"),
    )
}

/// What to know before the first choice is taken.
fn remarks(chosen: &Alternative, alternatives: &[Alternative]) -> Vec<Phrase> {
    let mut remarks = Vec::new();
    if let Some(seeds) = chosen.agreement.filter(|seeds| seeds.mean < AGREE) {
        let mean = format!("{:.2}", seeds.mean);
        remarks.push(Phrase::new(
            format!("other seeds find other segments (adjusted Rand index {mean}, where 1 is the same)"),
            format!("不同随机种子得到的客群差别较大（调整兰德指数 {mean}，1 表示完全一致）"),
        ));
    }
    let judged = chosen.stability.iter().flat_map(|stability| stability.jaccard.iter().flatten());
    let unstable = judged.filter(|jaccard| **jaccard < UNSTABLE).count();
    if unstable > 0 {
        remarks.push(Phrase::new(
            format!("{unstable} of {} segments are unstable in other samples of the customers", chosen.k),
            format!("{} 个客群中有 {unstable} 个在重新抽样时不稳定", chosen.k),
        ));
    }
    if alternatives.len() < 3 {
        remarks.push(Phrase::new(
            "fewer than three numbers were tried, which says little: look at more",
            "本次尝试的客群数不足三个，结论参考价值有限，建议扩大范围再试",
        ));
    } else if chosen.k > 2 && alternatives.first().is_some_and(|first| first.k == chosen.k) {
        remarks.push(Phrase::new(
            "it is the lowest number that was tried: look at fewer",
            "这是本次尝试的最小客群数，建议从更小的客群数开始",
        ));
    }
    if chosen.k == 2 && alternatives.len() > 1 {
        remarks.push(Phrase::new(
            "two segments often only separate the extreme customers from the rest; see what the second choice adds",
            "两个客群往往只是把少数极端客户与其余客户分开，请同时参考第二选择",
        ));
    }
    remarks
}

/// What a criterion says; None if it was not asked.
fn vote(criterion: Criterion, alternatives: &[Alternative]) -> Option<Vote> {
    match criterion {
        Criterion::CalinskiHarabasz => extreme(criterion, alternatives, |a| a.validity.calinski_harabasz),
        Criterion::Silhouette => extreme(criterion, alternatives, |a| a.validity.silhouette),
        Criterion::DaviesBouldin => extreme(criterion, alternatives, |a| a.validity.davies_bouldin.map(|v| -v)),
        Criterion::Gap => gap(alternatives),
        Criterion::PredictionStrength => {
            let why = [
                "the most segments with a strength of at least 0.8",
                "强度不低于 0.8 的最大客群数",
                "no strength reaches 0.8",
                "没有客群数的强度达到 0.8",
            ];
            most(criterion, alternatives, why, |a| Some(a.prediction_strength? >= STRONG))
        }
        Criterion::Stability => {
            let why = [
                "the most segments of which all are stable in other samples (Jaccard index of at least 0.75)",
                "所有客群在重新抽样时均稳定（Jaccard 系数不低于 0.75）的最大客群数",
                "with every number some segment is not stable, or too small to judge",
                "任何客群数下都有不稳定或因过小而无法评估的客群",
            ];
            let is_stable = |a: &Alternative| {
                let jaccard = &a.stability.as_ref()?.jaccard;
                Some(jaccard.iter().all(|jaccard| jaccard.is_some_and(|jaccard| jaccard >= STABLE)))
            };
            most(criterion, alternatives, why, is_stable)
        }
    }
}

/// The alternative where a value is largest. The highest number of segments gets no vote: the value may go on rising.
fn extreme(
    criterion: Criterion,
    alternatives: &[Alternative],
    value: impl Fn(&Alternative) -> Option<f64>,
) -> Option<Vote> {
    let mut best: Option<(usize, f64)> = None;
    for (k, value) in alternatives.iter().filter_map(|a| Some((a.k, value(a)?))) {
        if best.is_none_or(|(_, most)| value > most) {
            best = Some((k, value));
        }
    }
    let (k, _) = best?;
    let [en, zh] = match criterion {
        Criterion::DaviesBouldin => ["the smallest value", "取值最小"],
        _ => ["the largest value", "取值最大"],
    };
    if alternatives.len() > 2 && alternatives.last().is_some_and(|last| last.k == k) {
        let why = Phrase::new(
            format!("{en} is that of the highest number that was tried"),
            format!("{zh}出现在本次尝试的最大客群数处，可能尚未到达极值"),
        );
        return Some(Vote { criterion, k: None, why });
    }
    Some(Vote { criterion, k: Some(k), why: Phrase::new(en, zh) })
}

/// The first number whose gap is within one standard error of the first local maximum.
fn gap(alternatives: &[Alternative]) -> Option<Vote> {
    let known: Vec<(usize, f64, f64)> =
        alternatives.iter().filter_map(|a| Some((a.k, a.gap?.gap, a.gap?.error))).collect();
    let criterion = Criterion::Gap;
    let peak = (0..known.len()).find(|&i| known.get(i + 1).is_none_or(|next| next.1 <= known[i].1))?;
    if peak + 1 == known.len() && known.len() > 2 {
        let why = Phrase::new("the gap still rises", "Gap 仍在上升");
        return Some(Vote { criterion, k: None, why });
    }
    let (_, highest, error) = known[peak];
    let k = known.iter().find(|(_, gap, _)| *gap >= highest - error)?.0;
    let why = Phrase::new(
        "the first within one standard error of the first maximum",
        "与首个局部最大值相差不超过一个标准误的最小客群数",
    );
    Some(Vote { criterion, k: Some(k), why })
}

/// The most segments that are as they should be.
fn most(
    criterion: Criterion,
    alternatives: &[Alternative],
    why: [&'static str; 4],
    is_good: impl Fn(&Alternative) -> Option<bool>,
) -> Option<Vote> {
    let known: Vec<(usize, bool)> = alternatives.iter().filter_map(|a| Some((a.k, is_good(a)?))).collect();
    if known.is_empty() {
        return None;
    }
    let k = known.iter().filter(|(k, good)| *good && *k > 1).map(|(k, _)| *k).next_back();
    let [yes_en, yes_zh, no_en, no_zh] = why;
    if k.is_some() && alternatives.len() > 2 && alternatives.last().map(|last| last.k) == k {
        let why =
            Phrase::new("even the highest number that was tried reaches the limit", "本次尝试的最大客群数仍达到要求");
        return Some(Vote { criterion, k: None, why });
    }
    let why = if k.is_some() { Phrase::new(yes_en, yes_zh) } else { Phrase::new(no_en, no_zh) };
    Some(Vote { criterion, k, why })
}
