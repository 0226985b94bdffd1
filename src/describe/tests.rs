//! Trees against the conditions of their leaves, sentences and SQL word for word.

use std::sync::Arc;

use arrow::array::{ArrayRef, TimestampMicrosecondArray};
use proptest::prelude::*;

use super::column::{CutColumn, CutSort};
use super::grow::grown;
use super::reach::{Reach, reaches};
use super::rows::{SampledColumn, SampledRows};
use super::sql::case_of_part;
use super::tree::{CutTest, Tree, TreeCut, TreeNode};
use super::words::Wording;
use crate::report::Language;

/// Rows of two columns of numbers, one of whole numbers, and one of texts.
fn sample(rows: &[(f64, f64, u8, u8, u32)], weights: [u64; 3]) -> SampledRows {
    let known = |v: f64| if v < -0.9 { f64::NAN } else { (v * 8.0).round() / 8.0 };
    let text = |t: u8| (t > 0).then(|| ["a", "b", "c"][t as usize % 3].to_owned());
    let texts: Vec<Option<String>> = rows.iter().map(|row| text(row.3)).collect();
    let columns = vec![
        SampledColumn::of_numbers(rows.iter().map(|row| known(row.0)).collect()),
        SampledColumn::of_numbers(rows.iter().map(|row| row.1).collect()),
        SampledColumn::of_numbers(rows.iter().map(|row| f64::from(row.2)).collect()),
        SampledColumn::of_texts(&texts),
    ];
    let segments = rows.iter().map(|row| row.4).collect();
    SampledRows::new(columns, vec![false, false, true, false], segments, weights.into())
}

fn values(sample: &SampledRows, row: usize) -> impl Fn(usize) -> f64 {
    move |column| sample.columns[column].values[row]
}

/// What the rows weigh that the tree gives their segment.
fn right(tree: &Tree, sample: &SampledRows) -> u64 {
    let rows = 0..sample.segments.len();
    let of = |row: usize| tree.leaf_below(0, values(sample, row)).1 == sample.segments[row];
    rows.filter(|&row| of(row)).map(|row| sample.weight(row as u32)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_row_meets_the_conditions_of_its_leaf_and_of_no_other(
        rows in prop::collection::vec((-1.0f64..1.0, -1e6f64..1e6, 0u8..6, 0u8..4, 0u32..3), 1..120),
        leaves in 3usize..12,
    ) {
        let sample = sample(&rows, [3, 1, 2]);
        let tree = grown(&sample, leaves);
        prop_assert!(tree.leaves.len() <= leaves);
        let conditions: Vec<Vec<Reach>> = tree.paths().iter().map(|path| reaches(path)).collect();
        for row in 0..rows.len() {
            let value = values(&sample, row);
            let (leaf, segment) = tree.leaf_below(0, &value);
            prop_assert_eq!(tree.leaves[leaf], segment);
            for (number, all) in conditions.iter().enumerate() {
                let meets = all.iter().all(|reach| reach.holds(value(reach.column)));
                prop_assert_eq!(meets, number == leaf, "row {} and leaf {}", row, number);
            }
        }
        // No worse than calling every row by the segment that weighs most.
        let of = |s: u32| sample.segments.iter().filter(|other| **other == s).count() as u64 * sample.weights[s as usize];
        prop_assert!(right(&tree, &sample) >= (0..3).map(of).max().unwrap_or(0) / 2);
        let mut turned = rows.clone();
        turned.reverse();
        prop_assert_eq!(grown(&self::sample(&turned, [3, 1, 2]), leaves), tree, "whatever the order of the rows");
    }
}

#[test]
fn segments_that_one_column_divides_have_a_leaf_each() {
    let near = |segment: u32, i: u32| (f64::from(segment) / 4.0, f64::from(segment * 1000 + i * 7), 0, 0, segment);
    let rows: Vec<_> = (0..300).map(|i| near(i % 3, i / 3)).collect();
    let sample = sample(&rows, [1, 1, 1]);
    for leaves in [3, 6] {
        let tree = grown(&sample, leaves);
        assert_eq!((tree.leaves.len(), right(&tree, &sample)), (3, 300));
        let cuts: Vec<CutTest> = tree.paths().concat().iter().map(|(cut, _)| cut.test).collect();
        // Between 0 and 0.25, and 0.25 and 0.5: at the roundest numbers.
        assert!(cuts.iter().all(|test| matches!(test, CutTest::Above(v) if [0.0, 0.3, 0.4].contains(v))), "{cuts:?}");
    }
}

#[test]
fn a_small_segment_keeps_its_leaf() {
    // Two rows of segment 2 among five of segment 0 at the top.
    let row = |i: u32| (0.0, f64::from(i), 0, 0, if i >= 995 { [0, 2][i as usize % 2] } else { u32::from(i >= 500) });
    let rows: Vec<_> = (0..1000).map(row).collect();
    let sample = sample(&rows, [1, 1, 1]);
    let mut found = grown(&sample, 3).leaves;
    found.sort_unstable();
    assert_eq!(found, [0, 1, 2]);
}

fn column(name: &str, sort: CutSort, missing: &[f64]) -> CutColumn {
    CutColumn { position: 0, name: name.into(), sort, missing: missing.to_vec() }
}

fn columns() -> Vec<CutColumn> {
    vec![
        column("balance", CutSort::Real { is_float: true, casts: false }, &[]),
        column("lo\"gins", CutSort::Whole, &[-1.0, 999.0]),
        column("opened", CutSort::Day { zoned: true }, &[]),
        column("region", CutSort::Text, &[]),
        column("is_active", CutSort::Flag, &[]),
        column("rate", CutSort::Real { is_float: false, casts: true }, &[]),
        column("branch", CutSort::Code, &[]),
    ]
}

fn above(column: usize, value: f64, missing_above: bool) -> TreeCut {
    TreeCut { column, test: CutTest::Above(value), missing_above }
}

/// A chain: the leaf above each cut has the next segment, and the last is below all of them.
fn chain(cuts: &[TreeCut]) -> Tree {
    let mut nodes = Vec::new();
    for (i, cut) in cuts.iter().enumerate() {
        nodes.push(TreeNode::Branch { cut: *cut, below: 2 * i + 2, above: 2 * i + 1 });
        nodes.push(TreeNode::Leaf { number: i, segment: i as u32 });
    }
    let last = cuts.len();
    nodes.push(TreeNode::Leaf { number: last, segment: last as u32 });
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let none = Vec::new;
    let named = vec![none(), none(), none(), names(&["it's", "南"]), none(), none(), names(&["17", "4"])];
    Tree { nodes, leaves: (0..=last as u32).collect(), named }
}

fn is(column: usize, category: u32) -> TreeCut {
    TreeCut { column, test: CutTest::Is(category), missing_above: false }
}

/// The sentence of each leaf.
fn sentences(tree: &Tree, gaps: bool, language: Language) -> Vec<String> {
    let (columns, gaps) = (columns(), vec![gaps; 7]);
    let words = Wording { columns: &columns, named: &tree.named, gaps: &gaps, language };
    tree.paths().iter().map(|path| words.sentence(&[reaches(path)])).collect()
}

#[test]
fn sentences_say_what_is_so() {
    let tree = chain(&[above(0, 50_000.0, false), above(1, 3.0, true), above(2, 20_727.0, false)]);
    assert_eq!(
        sentences(&tree, false, Language::En),
        [
            "balance > 50,000",
            "balance <= 50,000 and lo\"gins > 3",
            "balance <= 50,000 and lo\"gins <= 3 and opened > 2026-10-01",
            "balance <= 50,000 and lo\"gins <= 3 and opened <= 2026-10-01",
        ]
    );
    assert_eq!(
        sentences(&tree, true, Language::Zh)[1..],
        [
            "(balance <= 50,000 或缺失) 且 (lo\"gins > 3 或缺失)",
            "(balance <= 50,000 或缺失) 且 lo\"gins <= 3 且 opened > 2026-10-01",
            "(balance <= 50,000 或缺失) 且 lo\"gins <= 3 且 (opened <= 2026-10-01 或缺失)",
        ]
    );
    let tree = chain(&[is(3, 1), is(3, 0), above(4, 0.0, false), above(1, 3.0, false), above(1, 2.0, false)]);
    assert_eq!(
        sentences(&tree, false, Language::En),
        [
            "region = 南",
            "region = it's",
            "region is none of it's, 南 and is_active is true",
            "region is none of it's, 南 and is_active is false and lo\"gins > 3",
            "region is none of it's, 南 and is_active is false and lo\"gins = 3",
            "region is none of it's, 南 and is_active is false and lo\"gins <= 2",
        ]
    );
    assert_eq!(sentences(&tree, false, Language::Zh)[2], "region 不是 it's、南 之一 且 is_active 为真");
    let tree = chain(&[above(0, f64::NEG_INFINITY, false)]);
    assert_eq!(sentences(&tree, true, Language::En), ["balance is known", "balance is missing"]);
    assert_eq!(sentences(&tree, true, Language::Zh), ["balance 有值", "balance 缺失"]);
    assert_eq!(sentences(&chain(&[]), true, Language::Zh), ["所有客户"]);
    let tree = chain(&[above(0, 1e-9, true), above(0, -1234.5, false)]);
    assert_eq!(sentences(&tree, true, Language::En)[..2], ["balance > 1e-9 or missing", "-1,234.5 < balance <= 1e-9"]);
    let tree = chain(&[above(1, 60.0, false), above(1, 60.0, true)]);
    assert_eq!(sentences(&tree, true, Language::En)[1], "lo\"gins is missing", "nothing is between the cuts");
    let (columns, gaps) = (columns(), [false; 7]);
    let words = Wording { columns: &columns, named: &tree.named, gaps: &gaps, language: Language::En };
    let paths: Vec<Vec<Reach>> =
        chain(&[above(0, 7.0, false), above(1, 3.0, false)]).paths().iter().map(|p| reaches(p)).collect();
    let both = [paths[0].clone(), paths[1].clone()];
    assert_eq!(words.sentence(&both), "balance > 7 or (balance <= 7 and lo\"gins > 3)");
}

#[test]
fn sql_says_the_same() {
    let cuts = [above(0, 50_000.0, false), above(1, 3.0, false), above(2, 20_727.0, true), above(5, 0.25, false)];
    assert_eq!(
        case_of_part(&chain(&cuts), &columns(), 0, ""),
        r#"CASE
  WHEN "balance" > 50000e0 AND isfinite("balance") THEN 0
  WHEN ("balance" <= 50000e0 OR "balance" IS NULL OR NOT isfinite("balance")) AND "lo""gins" > 3 AND "lo""gins" NOT IN (999) THEN 1
  WHEN ("balance" <= 50000e0 OR "balance" IS NULL OR NOT isfinite("balance")) AND ("lo""gins" <= 3 OR "lo""gins" IS NULL OR "lo""gins" IN (-1, 999)) AND (CAST("opened" AT TIME ZONE 'UTC' AS DATE) > DATE '2026-10-01' OR "opened" IS NULL) THEN 2
  WHEN ("balance" <= 50000e0 OR "balance" IS NULL OR NOT isfinite("balance")) AND ("lo""gins" <= 3 OR "lo""gins" IS NULL OR "lo""gins" IN (-1, 999)) AND CAST("opened" AT TIME ZONE 'UTC' AS DATE) <= DATE '2026-10-01' AND CAST("rate" AS DOUBLE) > 0.25e0 THEN 3
  WHEN ("balance" <= 50000e0 OR "balance" IS NULL OR NOT isfinite("balance")) AND ("lo""gins" <= 3 OR "lo""gins" IS NULL OR "lo""gins" IN (-1, 999)) AND CAST("opened" AT TIME ZONE 'UTC' AS DATE) <= DATE '2026-10-01' AND (CAST("rate" AS DOUBLE) <= 0.25e0 OR "rate" IS NULL) THEN 4
END"#
    );
    let cuts = [is(3, 0), is(6, 0), is(6, 1), above(4, 0.0, false), above(3, f64::NEG_INFINITY, false)];
    assert_eq!(
        case_of_part(&chain(&cuts), &columns(), 7, "    "),
        r#"CASE
      WHEN "region" = 'it''s' THEN 7
      WHEN ("region" NOT IN ('it''s') OR "region" IS NULL) AND "branch" = 17 THEN 8
      WHEN ("region" NOT IN ('it''s') OR "region" IS NULL) AND "branch" = 4 THEN 9
      WHEN ("region" NOT IN ('it''s') OR "region" IS NULL) AND ("branch" NOT IN (17, 4) OR "branch" IS NULL) AND "is_active" = true THEN 10
      WHEN "region" NOT IN ('it''s') AND ("branch" NOT IN (17, 4) OR "branch" IS NULL) AND ("is_active" = false OR "is_active" IS NULL) THEN 11
      WHEN "region" IS NULL AND ("branch" NOT IN (17, 4) OR "branch" IS NULL) AND ("is_active" = false OR "is_active" IS NULL) THEN 12
    END"#
    );
    assert_eq!(case_of_part(&chain(&[]), &columns(), 0, ""), "CASE\n  WHEN true THEN 0\nEND");
    let void = case_of_part(&chain(&[above(1, 60.0, true), above(1, 60.0, false)]), &columns(), 0, "");
    assert!(void.contains("WHEN false THEN 1"), "{void}");
    let large = case_of_part(&chain(&[above(1, 1e17, false)]), &columns(), 0, "");
    assert!(large.contains(r#"WHEN CAST("lo""gins" AS DOUBLE) > 1e17 THEN 0"#), "{large}");
}

/// As in SQL, a time is its day before it is compared with those that stand for missing values.
#[test]
fn any_hour_of_a_day_that_stands_for_missing_is_missing() {
    const DAY: i64 = 86_400_000_000;
    let times = [Some(-25_567 * DAY), Some(-25_567 * DAY + 3_600_000_000), Some(-25_566 * DAY), Some(-1), None];
    let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(times.to_vec()));
    let numbers = column("noted", CutSort::Day { zoned: false }, &[-25_567.0]).array_numbers(&times).unwrap();
    let known: Vec<Option<f64>> = numbers.into_iter().map(|v| Some(v).filter(|v| !v.is_nan())).collect();
    assert_eq!(known, [None, None, Some(-25_566.0), Some(-1.0), None]);
}
