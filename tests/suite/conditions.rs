//! Conditions of rules against an independent evaluation row by row: random expressions on tables with nulls, NaN,
//! signed zeros and numbers that f64 cannot distinguish.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, i256};
use hyades::event::Watch;
use hyades::input::Source;
use hyades::rules::{Division, Rule, RuleBook};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::harness::{folder, tests};
use crate::tables::{batch, write_batch};

tests!(random_conditions, every_operator_and_type, numbers_that_f64_cannot_tell_apart, deep_and_long_conditions);

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Bool(bool),
    /// `m / 10^s`; times are seconds.
    Exact(i128, u32),
    Float(f64),
    Text(String),
}

#[derive(Debug, Clone)]
enum Operand {
    Column(usize),
    Literal(String, Value),
    Calculated(char, Box<Operand>, Box<Operand>),
}

#[derive(Debug, Clone)]
enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Constant(bool),
    Is(usize),
    IsNull(Operand, bool),
    Compare(&'static str, Operand, Operand),
    In(Operand, Vec<Operand>, bool),
    Between(Operand, Operand, Operand, bool),
    Like(usize, String, bool),
}

const NAMES: [&str; 10] = ["a", "u", "d", "f", "g", "t", "odd \"name\"", "b", "day", "ts"];
const SMALL_FLOAT: usize = 4;

fn sql_name(i: usize) -> String {
    if NAMES[i].contains(' ') { format!("\"{}\"", NAMES[i].replace('"', "\"\"")) } else { NAMES[i].into() }
}

impl Operand {
    fn sql(&self) -> String {
        match self {
            Operand::Column(i) => sql_name(*i),
            Operand::Literal(text, _) => text.clone(),
            Operand::Calculated(op, l, r) => format!("({} {op} {})", l.sql(), r.sql()),
        }
    }

    fn value(&self, row: &[Value]) -> Value {
        match self {
            Operand::Column(i) => row[*i].clone(),
            Operand::Literal(_, value) => value.clone(),
            Operand::Calculated(op, l, r) => match (l.value(row), r.value(row)) {
                (Value::Null, _) | (_, Value::Null) => Value::Null,
                (Value::Exact(a, s), Value::Exact(b, t)) if *op != '/' => {
                    if *op == '*' {
                        return Value::Exact(a * b, s + t);
                    }
                    let scale = s.max(t);
                    let (x, y) = (a * 10i128.pow(scale - s), b * 10i128.pow(scale - t));
                    Value::Exact(if *op == '+' { x + y } else { x - y }, scale)
                }
                (l, r) => {
                    let (x, y) = (float(&l), float(&r));
                    let result = match op {
                        '+' => x + y,
                        '-' => x - y,
                        '*' => x * y,
                        _ if y == 0.0 => f64::NAN,
                        _ => x / y,
                    };
                    if result.is_nan() { Value::Null } else { Value::Float(result) }
                }
            },
        }
    }

    /// A constant as a column of f32 would hold it.
    fn rounded(&self, row: &[Value], beside: &Operand) -> Value {
        match (self.value(row), beside) {
            (Value::Null, _) => Value::Null,
            (value, Operand::Column(SMALL_FLOAT)) if !has_column(self) => Value::Float(f64::from(float(&value) as f32)),
            (value, _) => value,
        }
    }
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Exact(m, s) => *m as f64 / 10f64.powi(*s as i32),
        Value::Float(x) => *x,
        other => panic!("{other:?} is not a number"),
    }
}

fn compare(op: &str, l: &Value, r: &Value) -> Option<bool> {
    let order = match (l, r) {
        (Value::Null, _) | (_, Value::Null) => return None,
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Text(a), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Exact(a, s), Value::Exact(b, t)) => {
            let scale = *s.max(t);
            let wide = |m: i128, s: u32| i256::from_i128(m) * i256::from_i128(10i128.pow(scale - s));
            wide(*a, *s).cmp(&wide(*b, *t))
        }
        (a, b) => float(a).partial_cmp(&float(b)).expect("no NaN is left"),
    };
    Some(match op {
        "=" => order.is_eq(),
        "<>" | "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|i| like(&text[i..], rest)),
        ['_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        ['\\', c @ ('%' | '_' | '\\'), rest @ ..] => text.first() == Some(c) && like(&text[1..], rest),
        [c, rest @ ..] => text.first() == Some(c) && like(&text[1..], rest),
    }
}

fn and(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let parts: Vec<_> = parts.collect();
    if parts.contains(&Some(false)) {
        return Some(false);
    }
    if parts.contains(&None) { None } else { Some(true) }
}

fn or(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    and(parts.map(|p| p.map(|p| !p))).map(|p| !p)
}

impl Expr {
    fn sql(&self) -> String {
        let join = |parts: &[Expr], word: &str| {
            format!("({})", parts.iter().map(Expr::sql).collect::<Vec<_>>().join(&format!(" {word} ")))
        };
        let not = |negated: &bool| if *negated { "NOT " } else { "" };
        match self {
            Expr::All(parts) => join(parts, "AND"),
            Expr::Any(parts) => join(parts, "or"),
            Expr::Not(part) => format!("NOT ({})", part.sql()),
            Expr::Constant(value) => value.to_string(),
            Expr::Is(i) => sql_name(*i),
            Expr::IsNull(operand, negated) => format!("{} IS {}NULL", operand.sql(), not(negated)),
            Expr::Compare(op, l, r) => format!("{} {op} {}", l.sql(), r.sql()),
            Expr::In(value, list, negated) => {
                let list = list.iter().map(Operand::sql).collect::<Vec<_>>().join(", ");
                format!("{} {}IN ({list})", value.sql(), not(negated))
            }
            Expr::Between(value, low, high, negated) => {
                format!("{} {}BETWEEN {} AND {}", value.sql(), not(negated), low.sql(), high.sql())
            }
            Expr::Like(i, pattern, negated) => {
                format!("{} {}LIKE '{}'", sql_name(*i), not(negated), pattern.replace('\'', "''"))
            }
        }
    }

    fn value(&self, row: &[Value]) -> Option<bool> {
        let compared = |op: &str, l: &Operand, r: &Operand| compare(op, &l.rounded(row, r), &r.rounded(row, l));
        let negate = |negated: &bool, value: Option<bool>| value.map(|v| v != *negated);
        match self {
            Expr::All(parts) => and(parts.iter().map(|p| p.value(row))),
            Expr::Any(parts) => or(parts.iter().map(|p| p.value(row))),
            Expr::Not(part) => part.value(row).map(|v| !v),
            Expr::Constant(value) => Some(*value),
            Expr::Is(i) => match &row[*i] {
                Value::Bool(value) => Some(*value),
                _ => None,
            },
            Expr::IsNull(operand, negated) => Some((operand.value(row) == Value::Null) != *negated),
            Expr::Compare(op, l, r) => compared(op, l, r),
            Expr::In(value, list, negated) => negate(negated, or(list.iter().map(|one| compared("=", value, one)))),
            Expr::Between(value, low, high, negated) => {
                negate(negated, and([compared(">=", value, low), compared("<=", value, high)].into_iter()))
            }
            Expr::Like(i, pattern, negated) => match &row[*i] {
                Value::Text(text) => {
                    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
                    Some(like(&text, &pattern) != *negated)
                }
                _ => None,
            },
        }
    }
}

const BIG: i64 = 1 << 53;

fn columns() -> impl Strategy<Value = Vec<Vec<Value>>> {
    let int = prop_oneof![-3i64..4, Just(BIG), Just(BIG + 1), Just(-BIG - 1), Just(i64::MAX), Just(i64::MIN)];
    let unsigned = prop_oneof![0u64..4, Just(u64::MAX), Just(u64::MAX - 1)];
    let real = prop_oneof![
        Just(0.0f64),
        Just(-0.0),
        Just(f64::NAN),
        Just(-f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(0.1),
        (-30i32..31).prop_map(|v| f64::from(v) / 10.0),
    ];
    let text = prop_oneof![Just(String::new()), "[aB%_\\\\' \u{e9}]{0,3}", Just("line\nbreak".to_owned())];
    let reals = |x: f64| if x.is_nan() { Value::Null } else { Value::Float(x) };
    let row = (
        proptest::option::of(int),
        proptest::option::of(unsigned),
        proptest::option::of(-300i128..301),
        proptest::option::of(real.clone()),
        proptest::option::of(real),
        (proptest::option::of(text.clone()), proptest::option::of(text)),
        proptest::option::of(any::<bool>()),
        proptest::option::of(-2i64..3),
        proptest::option::of(-200_000_000i64..200_000_000),
    )
        .prop_map(move |(a, u, d, f, g, (t, c), b, day, ts)| {
            let or_null = |value: Option<Value>| value.unwrap_or(Value::Null);
            vec![
                or_null(a.map(|v| Value::Exact(v.into(), 0))),
                or_null(u.map(|v| Value::Exact(v.into(), 0))),
                or_null(d.map(|v| Value::Exact(v, 2))),
                or_null(f.map(reals)),
                or_null(g.map(|v| reals(f64::from(v as f32)))),
                or_null(t.map(Value::Text)),
                or_null(c.map(Value::Text)),
                or_null(b.map(Value::Bool)),
                or_null(day.map(|v| Value::Exact(i128::from(v) * 86_400, 0))),
                or_null(ts.map(|v| Value::Exact(v.into(), 3))),
            ]
        });
    proptest::collection::vec(row, 1..40)
}

/// The rows as a table. A null float is alternately a null and a NaN.
fn table(rows: &[Vec<Value>]) -> RecordBatch {
    let exact = |i: usize| rows.iter().map(move |r| if let Value::Exact(m, _) = r[i] { Some(m) } else { None });
    let float = |i: usize| {
        rows.iter().enumerate().map(move |(n, r)| match r[i] {
            Value::Float(x) => Some(x),
            _ if n % 2 == 0 => Some(f64::NAN),
            _ => None,
        })
    };
    let text = |i: usize| rows.iter().map(move |r| if let Value::Text(t) = &r[i] { Some(t.clone()) } else { None });
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(exact(0).map(|v| v.map(|v| v as i64)).collect::<Int64Array>()),
        Arc::new(exact(1).map(|v| v.map(|v| v as u64)).collect::<UInt64Array>()),
        Arc::new(exact(2).collect::<Decimal128Array>().with_precision_and_scale(12, 2).unwrap()),
        Arc::new(float(3).collect::<Float64Array>()),
        Arc::new(float(4).map(|v| v.map(|v| v as f32)).collect::<Float32Array>()),
        Arc::new(text(5).collect::<StringArray>()),
        Arc::new(text(6).collect::<Vec<_>>().iter().map(|t| t.as_deref()).collect::<DictionaryArray<Int32Type>>()),
        Arc::new(rows.iter().map(|r| if let Value::Bool(b) = r[7] { Some(b) } else { None }).collect::<BooleanArray>()),
        Arc::new(exact(8).map(|v| v.map(|v| (v / 86_400) as i32)).collect::<Date32Array>()),
        Arc::new(exact(9).map(|v| v.map(|v| v as i64)).collect::<TimestampMillisecondArray>()),
    ];
    batch(&NAMES.into_iter().zip(arrays).collect::<Vec<_>>())
}

fn number() -> impl Strategy<Value = Operand> {
    let literal = prop_oneof![
        (-3i64..4).prop_map(|v| (v.to_string(), Value::Exact(v.into(), 0))),
        Just((BIG + 1).to_string()).prop_map(|t| (t.clone(), Value::Exact(t.parse().unwrap(), 0))),
        Just(("18446744073709551615".to_owned(), Value::Exact(u64::MAX.into(), 0))),
        (-300i128..301).prop_map(|m| {
            let sign = if m < 0 { "-" } else { "" };
            (format!("{sign}{}.{:02}", m.abs() / 100, m.abs() % 100), Value::Exact(m, 2))
        }),
        Just(("0.1".to_owned(), Value::Exact(1, 1))),
        Just(("1e1".to_owned(), Value::Exact(10, 0))),
        Just(("1e60".to_owned(), Value::Float(1e60))),
    ];
    let leaf =
        prop_oneof![3 => (0usize..5).prop_map(Operand::Column), 2 => literal.prop_map(|(t, v)| Operand::Literal(t, v))];
    leaf.prop_recursive(2, 4, 2, |inner| {
        (prop_oneof![Just('+'), Just('-'), Just('*'), Just('/')], inner.clone(), inner)
            .prop_map(|(op, l, r)| Operand::Calculated(op, Box::new(l), Box::new(r)))
    })
}

fn has_column(operand: &Operand) -> bool {
    match operand {
        Operand::Column(_) => true,
        Operand::Literal(..) => false,
        Operand::Calculated(_, l, r) => has_column(l) || has_column(r),
    }
}

/// Three operands of one kind; the first uses a column.
fn operands() -> impl Strategy<Value = (Operand, Operand, Operand)> {
    let text = |t: &str| Operand::Literal(format!("'{}'", t.replace('\'', "''")), Value::Text(t.into()));
    let literals = prop_oneof![Just(""), Just("a"), Just("aB"), Just("'"), Just("line\nbreak"), Just("\u{e9}")];
    let texts = prop_oneof![(5usize..7).prop_map(Operand::Column), literals.prop_map(text)];
    let bools = prop_oneof![
        Just(Operand::Column(7)),
        any::<bool>().prop_map(|b| Operand::Literal(b.to_string(), Value::Bool(b)))
    ];
    let times = prop_oneof![
        (8usize..10).prop_map(Operand::Column),
        Just(Operand::Literal("DATE '1970-01-02'".into(), Value::Exact(86_400, 0))),
        Just(Operand::Literal("TIMESTAMP '1970-01-01 06:00:00.25'".into(), Value::Exact(21_600_250, 3))),
    ];
    let three = |one: BoxedStrategy<Operand>| (one.clone(), one.clone(), one);
    prop_oneof![
        4 => three(number().boxed()),
        1 => three(texts.boxed()),
        1 => three(bools.boxed()),
        1 => three(times.boxed()),
    ]
    .prop_filter("a comparison looks at a column", |(first, ..)| has_column(first))
}

fn expr() -> impl Strategy<Value = Expr> {
    let ops = prop_oneof![Just("="), Just("<>"), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
    let patterns =
        prop_oneof![Just("%".to_owned()), "[aB%_\u{e9}]{0,4}", Just("\\%%".to_owned()), Just("'%".to_owned())];
    let leaf = prop_oneof![
        6 => (ops, operands()).prop_map(|(op, (l, r, _))| Expr::Compare(op, l, r)),
        2 => (operands(), any::<bool>()).prop_map(|((v, a, b), not)| Expr::In(v, vec![a, b], not)),
        2 => (operands(), any::<bool>()).prop_map(|((v, a, b), not)| Expr::Between(v, a, b, not)),
        1 => ((5usize..7), patterns, any::<bool>()).prop_map(|(i, p, not)| Expr::Like(i, p, not)),
        1 => ((0usize..10).prop_map(Operand::Column), any::<bool>()).prop_map(|(v, not)| Expr::IsNull(v, not)),
        1 => Just(Expr::Is(7)),
        1 => any::<bool>().prop_map(Expr::Constant),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let some = proptest::collection::vec(inner.clone(), 2..4);
        prop_oneof![
            some.clone().prop_map(Expr::All),
            some.prop_map(Expr::Any),
            inner.prop_map(|e| Expr::Not(Box::new(e)))
        ]
    })
}

/// The rows that a condition takes.
fn taken(source: &Source, condition: &str) -> Result<Vec<bool>, String> {
    let rule = Rule { name: "it".into(), when: condition.into() };
    let book = RuleBook { rules: vec![rule], strata: None };
    let division = Division::again(&book, &[], source)?;
    let membership = division.divide(source, None, Watch::none()).map_err(|e| e.to_string())?;
    Ok(membership.parts().map(|part| part == Some(0)).collect())
}

fn source(rows: &RecordBatch, group_rows: usize) -> (tempfile::TempDir, Source) {
    let folder = folder();
    let path = folder.path().join("a.parquet");
    write_batch(&path, rows, group_rows);
    let source = Source::open(&[path]).unwrap();
    (folder, source)
}

fn random_conditions() {
    // Deterministic: a failure on one machine is a failure on all.
    let config = Config { cases: 500, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&(columns(), proptest::collection::vec(expr(), 4)), |(rows, expressions)| {
        let (_folder, source) = source(&table(&rows), 7);
        for expr in expressions {
            match taken(&source, &expr.sql()) {
                Ok(found) => {
                    let expected: Vec<bool> = rows.iter().map(|row| expr.value(row) == Some(true)).collect();
                    prop_assert_eq!(found, expected, "{}", expr.sql());
                }
                // Products of several 64-bit numbers may exceed the supported digits, and are refused.
                Err(why) => {
                    prop_assert!(why.contains("38 digits") || why.contains("76 digits"), "{}: {why}", expr.sql())
                }
            }
        }
        Ok(())
    });
    outcome.unwrap();
    // Once more, to check that the expressions distinguish rows.
    let mut runner = TestRunner::deterministic();
    let (mut some, mut all) = (0, 0);
    for _ in 0..200 {
        let rows = columns().new_tree(&mut runner).unwrap().current();
        let expr = expr().new_tree(&mut runner).unwrap().current();
        let (_folder, source) = source(&table(&rows), 7);
        if taken(&source, &expr.sql()).is_err() {
            continue;
        }
        let n = rows.iter().filter(|row| expr.value(row) == Some(true)).count();
        some += usize::from(n > 0 && n < rows.len());
        all += 1;
    }
    assert!(some * 3 > all, "{some} of {all} conditions take some rows and not all");
}

fn every_operator_and_type() {
    let rows = 4;
    let ints = Int64Array::from(vec![Some(1), Some(2), None, Some(-1)]);
    let types = [
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Float16,
        DataType::Float32,
        DataType::Decimal32(9, 2),
        DataType::Decimal64(18, 4),
        DataType::Decimal128(38, 0),
        DataType::Decimal256(60, 20),
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int64)),
    ];
    let take = |array: ArrayRef, condition: &str| {
        assert_eq!(array.len(), rows);
        let (_folder, source) = source(&batch(&[("v", array)]), 3);
        taken(&source, condition).unwrap_or_else(|e| panic!("{condition}: {e}"))
    };
    for data_type in types {
        let array = cast(&ints, &data_type).unwrap();
        let is = |condition: &str, expected: [bool; 4]| {
            assert_eq!(take(array.clone(), condition), expected, "{data_type}: {condition}");
        };
        is("v = 1", [true, false, false, false]);
        is("v <> 1", [false, true, false, true]);
        is("v < 1.5", [true, false, false, true]);
        is("NOT v < 1.5", [false, true, false, false]);
        is("v >= -1", [true, true, false, true]);
        is("v IN (2, -1)", [false, true, false, true]);
        is("v NOT IN (2, -1)", [true, false, false, false]);
        is("v BETWEEN 1 AND 2", [true, true, false, false]);
        is("v IS NULL", [false, false, true, false]);
        if !matches!(data_type, DataType::Decimal256(..)) {
            is("-v > 0", [false, false, false, true]);
            is("v * 2 + 0.5 = 2.5", [true, false, false, false]);
        }
        is("v / 2 = 0.5", [true, false, false, false]);
        is("v / 0 = 1 OR v IS NULL", [false, false, true, false]);
    }
    let texts = StringArray::from(vec![Some("north"), Some("South"), None, Some("100% _ \u{fc}")]);
    for data_type in [
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Utf8View,
        DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8)),
    ] {
        let array = cast(&texts, &data_type).unwrap();
        let is = |condition: &str, expected: [bool; 4]| {
            assert_eq!(take(array.clone(), condition), expected, "{data_type}: {condition}");
        };
        is("v = 'north'", [true, false, false, false]);
        is("v = 'North'", [false; 4]);
        is("v > 'T'", [true, false, false, false]);
        is("v LIKE '%th'", [true, true, false, false]);
        is("v NOT LIKE '_o%'", [false, false, false, true]);
        is("v LIKE '%\\% \\_ _'", [false, false, false, true]);
        is("v IN ('South', 'west')", [false, true, false, false]);
        is("v IS NOT NULL", [true, true, false, true]);
    }
    let days = Date32Array::from(vec![Some(0), Some(20_484), None, Some(-1)]);
    for data_type in [
        DataType::Date32,
        DataType::Date64,
        DataType::Timestamp(arrow::datatypes::TimeUnit::Second, None),
        DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, Some("Europe/Berlin".into())),
    ] {
        let array = match &data_type {
            // This build of arrow has no time zone database, so Berlin is unknown; the instants are in UTC anyway.
            DataType::Timestamp(unit, Some(zone)) => {
                let plain = cast(&days, &DataType::Timestamp(*unit, None)).unwrap();
                let plain = plain.as_primitive::<arrow::datatypes::TimestampNanosecondType>().clone();
                Arc::new(plain.with_timezone(zone.clone())) as ArrayRef
            }
            _ => cast(&days, &data_type).unwrap(),
        };
        let is = |condition: &str, expected: [bool; 4]| {
            assert_eq!(take(array.clone(), condition), expected, "{data_type}: {condition}");
        };
        is("v = DATE '2026-01-31'", [false, true, false, false]);
        is("v < DATE '1970-01-01'", [false, false, false, true]);
        is("v BETWEEN DATE '1970-01-01' AND TIMESTAMP '2026-01-30 23:59:59'", [true, false, false, false]);
        is("v IS NULL", [false, false, true, false]);
    }
    let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), Some(false), None, Some(true)]));
    for (condition, expected) in [
        ("v", [true, false, false, true]),
        ("NOT v", [false, true, false, false]),
        ("v = true", [true, false, false, true]),
        ("v <> TRUE", [false, true, false, false]),
        ("v OR TRUE", [true; 4]),
        ("v AND FALSE", [false; 4]),
        ("(v = false) OR (v IS NULL)", [false, true, true, false]),
        ("true", [true; 4]),
    ] {
        assert_eq!(take(flags.clone(), condition), expected, "{condition}");
    }
    let binary: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&b"x"[..]), None, None, Some(b"")]));
    assert_eq!(take(binary, "v IS NULL"), [false, true, true, false]);
}

fn numbers_that_f64_cannot_tell_apart() {
    let values = [BIG, BIG + 1, BIG + 2, i64::MAX, i64::MAX - 1];
    let (_folder, source) = source(&batch(&[("v", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef)]), 2);
    for (i, value) in values.iter().enumerate() {
        let found = taken(&source, &format!("v = {value}")).unwrap();
        assert_eq!(found, (0..values.len()).map(|j| i == j).collect::<Vec<_>>(), "{value}");
        let found = taken(&source, &format!("v - {value} = 0 AND v + 0.00 >= {value}.0")).unwrap();
        assert_eq!(found, (0..values.len()).map(|j| i == j).collect::<Vec<_>>(), "{value}");
    }
}

fn deep_and_long_conditions() {
    let (_folder, source) = source(&batch(&[("v", Arc::new(Int64Array::from(vec![1, 2, 7000])) as ArrayRef)]), 2);
    let chain = (0..4000).map(|i| format!("v = {i}")).collect::<Vec<_>>().join(" OR ");
    assert_eq!(taken(&source, &chain).unwrap(), [true, true, false]);
    let list = (0..8000).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(taken(&source, &format!("v IN ({list})")).unwrap(), [true; 3]);
    let sum = vec!["v"; 20_000].join("+");
    assert!(taken(&source, &format!("{sum} > 1")).unwrap_err().contains("more than 100 levels"));
    let brackets = format!("{}v = 1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(taken(&source, &brackets).unwrap_err().contains("not a valid SQL condition"));
    let nots = format!("{}(v = 1)", "NOT ".repeat(8000));
    taken(&source, &nots).unwrap_err();
    let nulls = format!("v{}", " IS NULL".repeat(5000));
    taken(&source, &nulls).unwrap_err();
}
