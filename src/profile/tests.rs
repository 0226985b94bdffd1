//! The path of inputs with too many rows for exact quantiles, on few rows.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::order::BUCKET_ERROR;
use super::*;
use crate::event::Watch;
use crate::input::Source;
use crate::numeric::mix;
use crate::survey::{Ride, Segment, SegmentLog};

const ROWS: usize = 3000;
const SEGMENTS: usize = 3;
/// Far fewer than there are, and more.
const COUNTED: u64 = 100;
const EXACT: u64 = 1 << 20;

/// From 0 up to 1.
fn noise(row: usize, of: u64) -> f64 {
    mix(mix(row as u64) ^ of) as f64 / 2f64.powi(64)
}

/// None: the row has no segment.
fn segment(row: usize) -> Option<usize> {
    (row % 11 != 4).then(|| (3.0 * noise(row, 1)) as usize)
}

/// Columns of numbers by name: a heavy tail, both signs with gaps and infinite values, mostly zeros of both signs, tiny
/// values.
fn numbers() -> Vec<(&'static str, Vec<Option<f64>>)> {
    let of = |value: &dyn Fn(usize) -> Option<f64>| (0..ROWS).map(value).collect();
    vec![
        ("heavy", of(&|i| Some((12.0 * noise(i, 2)).exp()))),
        (
            "signed",
            of(&|i| match i % 7 {
                0 => None,
                1 => Some([f64::INFINITY, f64::NAN, f64::NEG_INFINITY][i % 3]),
                _ => Some(1e6 * (noise(i, 3) - 0.7)),
            }),
        ),
        ("rare", of(&|i| Some(if noise(i, 4) < 0.06 { 500.0 * noise(i, 5) } else { [0.0, -0.0][i % 2] }))),
        ("tiny", of(&|i| Some(1e-300 * noise(i, 6)))),
    ]
}

/// Writes the table in row groups of 250 rows.
fn write(path: &Path) {
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("whole", Arc::new((0..ROWS).map(|i| Some((noise(i, 7) * 40.0) as i64)).collect::<Int64Array>())),
        ("day", Arc::new((0..ROWS).map(|i| Some((noise(i, 8) * 9e3) as i32)).collect::<Date32Array>())),
        ("text", Arc::new((0..ROWS).map(|i| Some(["a", "b", "c"][i * i % 3])).collect::<StringArray>())),
    ];
    columns.extend(numbers().into_iter().map(|(name, v)| (name, Arc::new(Float64Array::from(v)) as ArrayRef)));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(250)).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn report(source: &Source, folder: &Path, exact_rows: u64, (threads, memory): (usize, u64)) -> ProfileReport {
    let mut log = SegmentLog::new(folder, SEGMENTS).unwrap();
    let label = |row| segment(row).map_or(Segment::NONE, |number| Segment::new(number as u32));
    log.see(&(0..ROWS).map(label).collect::<Vec<_>>()).unwrap();
    let shown = |column| ShownColumn::new(source, column, false, ColumnRole::Feature).unwrap();
    let columns = (0..source.columns().len()).map(shown).collect();
    let profiling = Profiling {
        source,
        columns,
        products: Vec::new(),
        log: &log,
        segments: SEGMENTS,
        names: None,
        small_cells: 0,
        exact_rows,
        memory,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| profiling.report("", Watch::none())).unwrap().report
}

/// The sorted finite values of a column in a segment.
fn sorted(values: &[Option<f64>], of: Option<u32>) -> Vec<f64> {
    let is_in = |row: usize| of.is_none() || segment(row) == of.map(|number| number as usize);
    let finite = values.iter().map(|v| v.filter(|v| v.is_finite()));
    let mut found: Vec<f64> = finite.enumerate().filter(|(i, _)| is_in(*i)).filter_map(|(_, v)| v).collect();
    found.sort_by(f64::total_cmp);
    found
}

/// As exact as is stated: the values between which a quantile is interpolated have at most this relative error.
fn is_close(found: Option<f64>, sorted: &[f64], q: f64) -> bool {
    let at = q * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    let exact = low + (high - low) * at.fract();
    (found.unwrap() - exact).abs() <= BUCKET_ERROR * low.abs().max(high.abs()) * (1.0 + 1e-9)
}

#[test]
fn counted_quantiles_are_close_and_the_same_for_any_threads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in.parquet");
    write(&path);
    let source = Source::open(&[path]).unwrap();
    let [counted, exact] = [COUNTED, EXACT].map(|rows| report(&source, folder.path(), rows, (2, 1 << 30)));
    assert_eq!((counted.quantiles, exact.quantiles), (QuantileKind::RelativeError(BUCKET_ERROR), QuantileKind::Exact));
    for surroundings in [(1, 1 << 30), (7, 1 << 30), (2, 1), (7, 1)] {
        let again = report(&source, folder.path(), COUNTED, surroundings);
        assert!(again == counted, "another report with threads and memory {surroundings:?}");
    }
    let groups = |report: &ProfileReport| [&report.segments[..SEGMENTS], std::slice::from_ref(&report.all)].concat();
    for (counted, exact) in groups(&counted).iter().zip(&groups(&exact)) {
        for (column, (found, exact)) in source.columns().iter().zip(counted.columns.iter().zip(&exact.columns)) {
            let (ColumnFigures::Numbers(found), ColumnFigures::Numbers(exact)) = (found, exact) else {
                assert_eq!(found, exact);
                continue;
            };
            // An index may be one of medians.
            let same = |figures: &NumberFigures| {
                let NumberFigures { known, missing_share, mean, deviation, non_zero_share, compared, .. } = figures;
                let effects = compared.as_ref().map(|c| (c.effect, c.non_zero_effect, c.v));
                (*known, *missing_share, *mean, *deviation, *non_zero_share, effects)
            };
            assert_eq!(same(found), same(exact), "{}: means and shares do not depend on it", column.name);
            let table = numbers();
            let Some((_, values)) = table.iter().find(|(name, _)| *name == column.name) else { continue };
            let sorted = sorted(values, counted.segment);
            for (q, [found, exact]) in [
                (0.05, [found.p5, exact.p5]),
                (0.25, [found.p25, exact.p25]),
                (0.5, [found.median, exact.median]),
                (0.75, [found.p75, exact.p75]),
                (0.95, [found.p95, exact.p95]),
            ] {
                assert!(is_close(found, &sorted, q), "{} {q}: {found:?}, exactly {exact:?}", column.name);
            }
        }
    }
}
