//! Detects outcomes by the names of columns: what happened to a customer after the rows were taken, or which group
//! another model gave. A segment made from the outcome explains nothing, so outcomes are not features unless requested.

use super::name::{ColumnName, phrases};

/// What remains of a name without the words beside.
const NAMES: &str = "default, defaulted, bad, good bad, serious dlqin, loan status, churn, churned, churner, exited, attrition, \
    attrited, target, label, labels, outcome, response, responded, converted, conversion, subscribed, fraud, fraudulent, \
    chargeoff, charged off, segment, segments, cluster, clusters, ausfall, ausgefallen, zahlungsausfall, kreditausfall, \
    gekuendigt, kuendigung, abgewandert, abwanderung, zielvariable, defaut, defaut de paiement, resilie, resiliation, cible, \
    etiquette, incumplimiento, impago, fuga, abandono, objetivo, etiqueta, segmento, inadimplencia, inadimplente, evasao, \
    cancelou, alvo, rotulo, insolvenza, inadempienza, abbandono, bersaglio, etichetta";
const BESIDE: &str = "is, has, flag, ind, indicator, yn, status, variable, var, customer, client, cust, kunde, kunden, cliente, \
    account, loan, credit, payment, the, id, no, nr, name, code, kennzeichen, ist, est, es, e, del, de, do, di";
/// What says when, and the units of it.
const WHEN: &str = "in, within, next, future";
const UNITS: &str = "month, months, m, day, days, d, year, years, yr, yrs, quarter";
/// Names of outcomes only as the whole.
const WHOLE: &str = "class, klasse, classe, clase";

/// The same in Chinese and Japanese, without what stands before and after it.
const UNSPACED: &str = "流失, 违约, 違約, 坏账, 逾期违约, 好坏, 目标, 目标变量, 标签, 標籤, 分群, 聚类, 细分, 客群, 响应, 转化, 欺诈, \
    解約, 離反, 離脱, 退会, デフォルト, 債務不履行, ラベル, 目的変数, セグメント, クラスタ, クラスター";
const UNSPACED_BEFORE: [&str; 8] = ["是否", "客户", "客戶", "用户", "会员", "顧客", "会員", "下月"];
const UNSPACED_BEHIND: [&str; 11] =
    ["标志", "標誌", "标识", "标签", "与否", "状态", "客户", "フラグ", "有無", "区分", "编号"];

/// Whether the name is that of an outcome.
pub(crate) fn is_outcome(name: &str) -> bool {
    let name = ColumnName::new(name);
    if let Some(text) = name.unspaced() {
        return is_unspaced_outcome(text);
    }
    let among = |list: &'static str, w: &String| phrases(list).any(|other| other == w);
    let words = name.words();
    let is_when = |w: &String| among(WHEN, w) || w.starts_with(|c: char| c.is_ascii_digit());
    let has_when = words.iter().any(is_when);
    let beside = |w: &String| among(BESIDE, w) || is_when(w) || has_when && among(UNITS, w);
    // A phrase may contain words that otherwise stand beside one: `loan_status`.
    let essential = words.iter().filter(|w| !beside(w)).map(String::as_str).collect::<Vec<_>>().join(" ");
    phrases(NAMES).any(|phrase| phrase == essential || name.is(phrase)) || phrases(WHOLE).any(|phrase| name.is(phrase))
}

fn is_unspaced_outcome(text: &str) -> bool {
    let is = |text: &str| phrases(UNSPACED).any(|phrase| phrase == text);
    let (mut rest, whole) = (text, text);
    while let Some(shorter) = UNSPACED_BEFORE.iter().find_map(|first| rest.strip_prefix(first)) {
        rest = shorter;
    }
    let behind = UNSPACED_BEHIND.iter().find_map(|last| rest.strip_suffix(last));
    is(whole) || is(rest) || behind.is_some_and(is)
}
