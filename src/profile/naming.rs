//! Names of segments, proposed from what sets them apart: 高余额·低登录频次, "high balance". A function of the report alone.

use std::collections::HashSet;

use super::report::{GroupProfile, Mark, ProposedName, Statistic};
use crate::text::{shown, words};

/// The most characters of a name.
const LONGEST: usize = 20;
/// The most characters of a category in a name.
const LONGEST_CATEGORY: usize = 8;
/// Fewer than this share is none.
const NONE: f64 = 0.05;

/// What words of column names mean: the words, in Chinese, in English, and whether it is a length of time.
const NOUNS: [(&str, &str, &str, bool); 72] = [
    ("balance bal 余额", "余额", "balance", false),
    ("saving savings 储蓄", "储蓄", "savings", false),
    ("deposit deposits 存款", "存款", "deposits", false),
    ("current checking 活期", "活期", "", false),
    ("term fixed 定期", "定期", "term", false),
    ("loan loans 贷款", "贷款", "loans", false),
    ("mortgage mortgages 房贷", "房贷", "mortgage", false),
    ("debt debts 负债", "负债", "debt", false),
    ("owed owing arrears 欠款", "欠款", "arrears", false),
    ("overdue delinquent late 逾期", "逾期", "overdue", false),
    ("default 违约", "违约", "default", false),
    ("credit 信用", "信用", "credit", false),
    ("limit limits 额度", "额度", "limit", false),
    ("utilisation utilization usage 使用率", "使用率", "usage", false),
    ("card cards 卡", "卡", "cards", false),
    ("debit 借记", "借记", "debit", false),
    ("spend spending expenditure 消费", "消费", "spend", false),
    ("purchase purchases order orders 购买", "购买", "orders", false),
    ("payment payments paid pay 付款", "付款", "payments", false),
    ("repayment repayments 还款", "还款", "repaid", false),
    ("bill bills invoice 账单", "账单", "bills", false),
    ("transaction transactions txn txns trans 交易", "交易", "deals", false),
    ("transfer transfers remittance 转账", "转账", "transfers", false),
    ("withdrawal withdrawals 取款", "取款", "cash", false),
    ("cash 现金", "现金", "cash", false),
    ("atm", "ATM", "ATM", false),
    ("pos", "POS", "POS", false),
    ("salary wage wages payroll 工资 代发", "工资", "salary", false),
    ("income earnings 收入", "收入", "income", false),
    ("revenue sales turnover 营收", "营收", "revenue", false),
    ("monetary money amount 金额", "金额", "amount", false),
    ("fee fees charge charges 手续费", "手续费", "fees", false),
    ("interest 利息", "利息", "interest", false),
    ("profit margin 利润", "利润", "profit", false),
    ("asset assets aum wealth 资产", "资产", "assets", false),
    ("fund funds 基金", "基金", "funds", false),
    ("stock stocks shares securities 证券", "证券", "stocks", false),
    ("bond bonds 债券", "债券", "bonds", false),
    ("gold 黄金", "黄金", "gold", false),
    ("investment investments invest 投资 理财", "投资", "invested", false),
    ("insurance premium policy 保险", "保险", "insured", false),
    ("pension retirement 养老", "养老", "pension", false),
    ("foreign fx forex currency 外汇", "外汇", "FX", false),
    ("login logins signin 登录", "登录频次", "logins", false),
    ("visit visits 访问", "访问", "visits", false),
    ("session sessions 会话", "会话", "sessions", false),
    ("page pages view views click clicks 浏览", "浏览", "views", false),
    ("app mobile 手机", "手机", "app", false),
    ("online web internet digital 线上", "线上", "online", false),
    ("branch counter 网点", "网点", "branch", false),
    ("call calls phone 电话", "电话", "calls", false),
    ("complaint complaints 投诉", "投诉", "complaints", false),
    ("email mail mails 邮件", "邮件", "mail", false),
    ("activity active 活跃", "活跃", "activity", false),
    ("frequency freq 频次", "频次", "frequency", false),
    ("recency idle inactive 未交易", "未交易", "absence", true),
    ("tenure seniority vintage 户龄", "户龄", "tenure", true),
    ("age 年龄", "年龄", "age", false),
    ("gap interval 间隔", "间隔", "gap", true),
    ("product products 产品", "产品", "products", false),
    ("account accounts acct 账户", "账户", "accounts", false),
    ("point points reward rewards 积分", "积分", "points", false),
    ("coupon coupons discount discounts 优惠", "优惠", "discounts", false),
    ("return returns refund refunds 退货", "退货", "returns", false),
    ("item items quantity basket 件数", "件数", "items", false),
    ("risk 风险", "风险", "risk", false),
    ("score rating grade 评分", "评分", "score", false),
    ("line lines revolving 循环", "循环", "lines", false),
    ("dependent dependents children family 家庭", "家庭", "family", false),
    ("estate property house home 房产", "房产", "property", false),
    ("vehicle car auto 汽车", "汽车", "car", false),
    ("tax taxes 税", "税", "tax", false),
];

/// A noun in both languages, and whether it is a length of time.
struct Noun {
    zh: String,
    en: String,
    is_time: bool,
}

impl Noun {
    fn of(column: &str) -> Self {
        let words = words(column);
        let is_chinese = |key: &str| !key.is_ascii();
        let found = |(keys, ..): &&(&str, &str, &str, bool)| {
            let at = |key: &str| match is_chinese(key) {
                true => column.find(key),
                false => words.iter().position(|word| word == key),
            };
            keys.split(' ').filter_map(at).min()
        };
        let mut found: Vec<_> = NOUNS.iter().filter_map(|noun| Some((found(&noun)?, noun))).collect();
        found.sort_by_key(|(at, _)| *at);
        let zh: String = found.iter().take(3).map(|(_, noun)| noun.1).collect();
        let en = found.iter().map(|(_, noun)| noun.2).find(|en| !en.is_empty()).map(str::to_owned);
        let is_time = found.iter().any(|(_, noun)| noun.3);
        // Other names stand for themselves, without the length of a period such as 90d.
        let own: Vec<String> = words.into_iter().filter(|w| !w.starts_with(|c: char| c.is_ascii_digit())).collect();
        let own = shown(&own.join(" "));
        Noun { zh: if zh.is_empty() { own.clone() } else { zh }, en: en.unwrap_or(own), is_time }
    }
}

/// A mark in words, in Chinese and English.
fn said(mark: &Mark) -> [String; 2] {
    let Noun { zh, en, is_time } = Noun::of(&mark.column);
    let more = mark.effect > 0.0;
    let with = |zh_level: &str, en_level: &str| [format!("{zh_level}{zh}"), format!("{en_level} {en}")];
    match (&mark.statistic, more) {
        (Statistic::Mean | Statistic::Median, true) if is_time => with("长", "long"),
        (Statistic::Mean | Statistic::Median, false) if is_time => with("短", "short"),
        (Statistic::Mean | Statistic::Median, true) => with("高", "high"),
        (Statistic::Mean | Statistic::Median, false) => with("低", "low"),
        (Statistic::ShareTrue | Statistic::ShareNotZero, true) if mark.here >= 0.5 => with("有", "has"),
        (Statistic::ShareTrue | Statistic::ShareNotZero, true) => with("多", "more"),
        (Statistic::ShareTrue | Statistic::ShareNotZero, false) if mark.here < NONE => with("无", "no"),
        (Statistic::ShareTrue | Statistic::ShareNotZero, false) => with("少", "less"),
        (Statistic::ShareMissing, true) => [format!("{zh}不详"), format!("{en} unknown")],
        (Statistic::ShareMissing, false) => [format!("{zh}已知"), format!("{en} known")],
        (Statistic::ShareOf(value), _) => {
            let value: String = shown(value).chars().take(LONGEST_CATEGORY).collect();
            if more { [value.clone(), value] } else { [format!("非{value}"), format!("not {value}")] }
        }
    }
}

/// Proposes a name for every segment with figures. Names differ from each other in each language.
pub(super) fn propose<'a>(segments: impl Iterator<Item = &'a mut GroupProfile>) {
    let mut taken = [HashSet::new(), HashSet::new()];
    for group in segments.filter(|group| group.segment.is_some() && !group.withheld && group.customers > 0) {
        let said: Vec<[String; 2]> = group.apart.iter().map(said).collect();
        let one = |language: usize, separator: &str, average: &str| {
            let said: Vec<&str> = said.iter().map(|both| both[language].as_str()).collect();
            proposed(&said, separator, average)
        };
        let [zh, en] = [one(0, "·", "普通客户"), one(1, ", ", "average")];
        let [zh, en] = [first_free(&zh, &mut taken[0]), first_free(&en, &mut taken[1])];
        group.proposed_name = Some(ProposedName { zh, en });
    }
}

/// Names from marks, the best first; all are short enough.
fn proposed(said: &[&str], separator: &str, average: &str) -> Vec<String> {
    // What is said twice is said once.
    let mut different: Vec<&str> = Vec::new();
    said.iter().for_each(|mark| {
        if !different.contains(mark) {
            different.push(mark)
        }
    });
    let pick = |places: &[usize]| {
        let picked: Option<Vec<&str>> = places.iter().map(|&i| different.get(i).copied()).collect();
        picked.map(|picked| picked.join(separator))
    };
    let orders: [&[usize]; 7] = [&[0, 1], &[0, 2], &[0, 1, 2], &[0], &[1, 2], &[1], &[2]];
    let mut names: Vec<String> = orders.iter().filter_map(|places| pick(places)).collect();
    names.retain(|name| !name.trim().is_empty() && name.chars().count() <= LONGEST);
    if names.is_empty() {
        let cut = different.first().map(|mark| mark.chars().take(LONGEST).collect::<String>());
        names.push(cut.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| average.to_owned()));
    }
    names
}

/// The first name that is not taken; if all are, the first with a number.
fn first_free(names: &[String], taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|n: u32| {
        let number = format!(" {n}");
        let kept: String = names[0].chars().take(LONGEST - number.len()).collect();
        kept + &number
    });
    let mut all = names.iter().cloned().chain(numbered);
    let free = all.find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(column: &str, statistic: Statistic, here: f64, effect: f64) -> Mark {
        Mark { column: column.into(), statistic, here, all: 0.3, effect, v: None }
    }

    fn names(segments: Vec<Vec<Mark>>) -> Vec<[String; 2]> {
        let group = |(number, apart): (usize, Vec<Mark>)| GroupProfile {
            segment: Some(number as u32),
            name: None,
            proposed_name: None,
            customers: 100,
            share: 0.1,
            withheld: false,
            columns: Vec::new(),
            apart,
            outcomes: Vec::new(),
            products: Vec::new(),
            pairs: Vec::new(),
            stability: None,
            rule: None,
        };
        let mut groups: Vec<GroupProfile> = segments.into_iter().enumerate().map(group).collect();
        propose(groups.iter_mut());
        groups.into_iter().filter_map(|group| group.proposed_name).map(|name| [name.zh, name.en]).collect()
    }

    #[test]
    fn two_markers_make_a_name() {
        let rich = vec![
            mark("current_balance", Statistic::Median, 9e4, 2.0),
            mark("logins_30d", Statistic::Mean, 0.1, -1.0),
            mark("tenure_months", Statistic::Mean, 200.0, 0.5),
        ];
        let none = vec![
            mark("salary_amount", Statistic::ShareNotZero, 0.01, -1.5),
            mark("loan_outstanding", Statistic::ShareNotZero, 0.0, -1.0),
        ];
        let other = vec![mark("渠道", Statistic::ShareOf("手机银行".into()), 0.9, 1.0)];
        let found = names(vec![rich.clone(), none, other, Vec::new(), rich]);
        let expected = [
            ["高活期余额·低登录频次", "high balance"],
            ["无工资金额·无贷款", "no salary, no loans"],
            ["手机银行", "手机银行"],
            ["普通客户", "average"],
            ["高活期余额·长户龄", "low logins"],
        ];
        assert_eq!(found, expected.map(|pair| pair.map(str::to_owned)));
    }

    #[test]
    fn names_are_short_and_differ_whatever_the_columns() {
        let hostile = "x".repeat(10_000) + "\u{202e}<b>\n";
        let all: Vec<Vec<Mark>> =
            (0..60).map(|_| vec![mark(&hostile, Statistic::ShareOf(hostile.clone()), 0.5, 1.0)]).collect();
        let long: Vec<Vec<Mark>> = (0..60).map(|_| vec![mark(&hostile, Statistic::Mean, 0.5, 1.0)]).collect();
        let found = names([all, long].concat());
        for language in 0..2 {
            let different: HashSet<&String> = found.iter().map(|both| &both[language]).collect();
            assert_eq!(different.len(), 120);
            assert!(different.iter().all(|name| (1..=LONGEST).contains(&name.chars().count())));
        }
    }

    #[test]
    fn nouns_are_in_the_dictionary_once() {
        let mut seen = HashSet::new();
        for key in NOUNS.iter().flat_map(|(keys, ..)| keys.split(' ')) {
            assert!(seen.insert(key), "{key}");
        }
    }
}
