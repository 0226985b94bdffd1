//! What footers and tables say of a column besides its type: the range of its values, and the comment of whoever made
//! the table. Claims only: no value has been read.

use arrow::datatypes::{DataType, Field};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;

use super::place::ColumnPlace;
use super::source::{Source, SourceFile};

/// What the footers say of a column's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FooterRange {
    /// Some are null, or have a fraction.
    Unfit,
    /// None is null, and the smallest and the largest are these.
    Of((i64, i64)),
    /// Too little.
    Unknown,
}

/// The metadata that Spark puts into the footer: the table's schema as JSON.
const SPARK_SCHEMA: &str = "org.apache.spark.sql.parquet.row.metadata";
/// Where Spark, Delta and Arrow keep comments.
const COMMENT: &str = "comment";

impl Source {
    /// What the footer of the first file says under a key.
    pub(crate) fn fact(&self, key: &str) -> Option<&str> {
        fact(self.files().first()?, key)
    }

    /// The range of a column of numbers, from statistics of all row groups. Doubles within it may have fractions.
    pub(crate) fn footer_range(&self, column: usize) -> FooterRange {
        let description = &self.columns()[column];
        if description.joined.is_some() || !(description.data_type.is_integer() || description.data_type.is_floating())
        {
            return FooterRange::Unknown;
        }
        let mut all: Option<(i64, i64)> = None;
        for group in self.row_groups() {
            let file = &self.files()[group.file];
            // Statistics count rows that were deleted or not selected.
            if file.live(group.index).is_some() || self.kept(group).is_some() {
                return FooterRange::Unknown;
            }
            match chunk(file, group.index, &description.name).map_or(FooterRange::Unknown, range) {
                FooterRange::Of((min, max)) => all = Some(all.map_or((min, max), |(a, b)| (a.min(min), b.max(max)))),
                other => return other,
            }
        }
        all.map_or(FooterRange::Unknown, FooterRange::Of)
    }

    /// The comment on a column, of a field, or of the table that Spark wrote.
    pub(crate) fn comment(&self, column: usize) -> Option<String> {
        let description = &self.columns()[column];
        let files = match description.joined {
            Some((table, _)) => self.joined()[table].source.files(),
            None => self.files(),
        };
        let own = files.iter().find_map(|file| own_comment(&file.column(&description.name)?.field));
        // Spark repeats the schema in every file; the last one has the columns that were added.
        own.or_else(|| {
            spark_comment(files.iter().rev().find(|file| fact(file, SPARK_SCHEMA).is_some())?, &description.name)
        })
    }
}

/// The metadata of a column in a row group.
fn chunk<'a>(file: &'a SourceFile, group: usize, name: &str) -> Option<(&'a ColumnChunkMetaData, DataType)> {
    let column = file.column(name)?;
    let ColumnPlace::Root(root) = column.place else { return None };
    let metadata = &file.footer.metadata;
    let leaves = metadata.parquet_schema();
    let leaf = (0..leaves.num_columns()).find(|&leaf| leaves.get_column_root_idx(leaf) == root)?;
    let own = metadata.schema().field(root).data_type().clone();
    Some((metadata.metadata().row_group(group).column(leaf), own))
}

fn range((chunk, data_type): (&ColumnChunkMetaData, DataType)) -> FooterRange {
    let is_signed = data_type.is_signed_integer();
    let Some(statistics) = chunk.statistics() else { return FooterRange::Unknown };
    match statistics.null_count_opt() {
        Some(0) => {}
        Some(_) => return FooterRange::Unfit,
        None => return FooterRange::Unknown,
    }
    let ends = match statistics {
        Statistics::Int32(s) => s.min_opt().zip(s.max_opt()).map(|(&min, &max)| {
            let wide = |v: i32| if is_signed { i64::from(v) } else { i64::from(v as u32) };
            (wide(min), wide(max))
        }),
        Statistics::Int64(s) => s.min_opt().zip(s.max_opt()).map(|(&min, &max)| (min, max)),
        Statistics::Float(s) => return float_range(s.min_opt().map(|&v| v.into()), s.max_opt().map(|&v| v.into())),
        Statistics::Double(s) => return float_range(s.min_opt().copied(), s.max_opt().copied()),
        _ => None,
    };
    // Unsigned numbers beyond i64 look negative.
    let ends = ends.filter(|(min, max)| min <= max && (is_signed || *min >= 0));
    ends.map_or(FooterRange::Unknown, FooterRange::Of)
}

fn float_range(min: Option<f64>, max: Option<f64>) -> FooterRange {
    let (Some(min), Some(max)) = (min, max) else { return FooterRange::Unknown };
    let is_whole = |v: f64| v.fract() == 0.0 && v.abs() < (1u64 << 53) as f64;
    if is_whole(min) && is_whole(max) { FooterRange::Of((min as i64, max as i64)) } else { FooterRange::Unfit }
}

fn own_comment(field: &Field) -> Option<String> {
    let found = field.metadata().iter().find(|(key, _)| key.eq_ignore_ascii_case(COMMENT));
    found.map(|(_, comment)| comment.clone()).filter(|comment| !comment.trim().is_empty())
}

/// What the footer of a file says under a key.
fn fact<'f>(file: &'f SourceFile, key: &str) -> Option<&'f str> {
    let metadata = file.footer.metadata.metadata().file_metadata().key_value_metadata()?;
    metadata.iter().find(|pair| pair.key == key)?.value.as_deref()
}

fn spark_comment(file: &SourceFile, name: &str) -> Option<String> {
    let schema: serde_json::Value = serde_json::from_str(fact(file, SPARK_SCHEMA)?).ok()?;
    let field = schema["fields"].as_array()?.iter().find(|field| field["name"] == name)?;
    let comment = field["metadata"][COMMENT].as_str()?;
    (!comment.trim().is_empty()).then(|| comment.to_owned())
}
