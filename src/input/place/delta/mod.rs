//! Delta tables: which files belong to a version, and what the log says about each.
//!
//! The log is read by the `delta_kernel` crate, which implements the protocol and refuses features it does not know;
//! [`engine`] supplies what it needs, on our own Parquet reader. Only the log passes through it: data files are read
//! like all others, as the log specifies (`table`).

mod engine;
mod rows;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{DataType as ArrowType, Field, Fields, IntervalUnit, TimeUnit};
use delta_kernel::scan::state::ScanFile;
use delta_kernel::scan::{Scan, StatsOptions};
use delta_kernel::schema::{ColumnMetadataKey, DataType, MetadataValue, PrimitiveType, StructField};
use delta_kernel::table_features::ColumnMappingMode as Mode;
use delta_kernel::{KernelError, Snapshot};
use rayon::prelude::*;
use url::Url;

use super::table::{FoundFile, Member, TableColumn, TableVersion};
use crate::error::{Error, ErrorKind, Result};
use crate::panics::guarded;
use engine::{LocalFiles, local};

/// The files of a version of the table in `folder` (by default the latest), sorted by path, since the log guarantees no
/// order.
///
/// # Errors
/// A log that cannot be read or uses unsupported features; a version that does not exist.
pub(crate) fn files(folder: &Path, version: Option<u64>) -> Result<Vec<FoundFile>> {
    let absolute = folder.canonicalize().map_err(|e| Error::io("read", folder, &e))?;
    let root = Url::from_directory_path(&absolute)
        .map_err(|()| Error::Internal(format!("{} cannot be a URL", absolute.display())))?;
    let refuse = |why: String| {
        let version = version.map_or_else(String::new, |v| format!(", version {v}"));
        Error::input(format!(
            "{}{version}: cannot read the log of this Delta table: {}; if another program can, use it to export that version to \
             Parquet",
            folder.display(),
            why.trim_end_matches('.')
        ))
        .of_kind(ErrorKind::Corrupt)
        .of_file(folder)
    };
    let found = guarded(|| match read(&root, folder, version) {
        Err(error) if is_missing_version(&error) => Ok(None),
        found => found.map(Some).map_err(plain),
    });
    let Some(found) = found.map_err(refuse)? else {
        let version = version.unwrap_or_default();
        let text = format!("{}: this Delta table has no version {version}", folder.display());
        return Err(Error::input(text).of_kind(ErrorKind::NotFound).of_file(folder));
    };
    if found.is_empty() {
        return Err(Error::input(format!(
            "{}: this version of the Delta table is empty: it has no files",
            folder.display()
        ))
        .of_file(folder));
    }
    Ok(found)
}

/// The message of an error, without the backtrace that the kernel may have added.
fn plain(error: KernelError) -> String {
    match error {
        KernelError::Backtraced { source, .. } => plain(*source),
        KernelError::Generic(text) => text,
        other => other.to_string(),
    }
}

fn is_missing_version(error: &KernelError) -> bool {
    match error {
        KernelError::Backtraced { source, .. } => is_missing_version(source),
        KernelError::MissingVersion(_) => true,
        _ => false,
    }
}

fn read(root: &Url, folder: &Path, version: Option<u64>) -> Result<Vec<FoundFile>, KernelError> {
    let builder = Snapshot::builder_for(root.as_str());
    let builder = match version {
        Some(version) => builder.at_version(version),
        None => builder,
    };
    let snapshot = builder.build(&LocalFiles)?;
    let (version, scan) = (snapshot.version(), snapshot.scan_builder());
    let scan = scan.with_stats(StatsOptions::none()).without_row_transforms().build()?;
    let table = Arc::new(TableVersion { folder: folder.to_path_buf(), version, columns: columns(&scan) });
    let mut files: Vec<ScanFile> = Vec::new();
    for part in scan.scan_metadata(&LocalFiles)? {
        files = part?.visit_scan_files(files, |files, file| files.push(file))?;
    }
    let found = |file: ScanFile| -> Result<FoundFile, KernelError> {
        let url =
            scan.table_root().join(&file.path).map_err(|e| KernelError::generic(format!("{}: {e}", file.path)))?;
        let absolute = local(&url)?;
        let path = absolute.strip_prefix(local(root)?).map_or_else(|_| absolute.clone(), |inside| folder.join(inside));
        let deleted = file.dv_info.get_row_indexes(&LocalFiles, scan.table_root())?.unwrap_or_default();
        // By the protocol, an empty text is null too.
        let values = file.partition_values.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        let member = Some(Member { table: table.clone(), values, deleted });
        Ok(FoundFile { path, object: None, partitions: Vec::new(), member, converted: None })
    };
    let mut found = files.into_par_iter().map(found).collect::<Result<Vec<_>, _>>()?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The columns of the table, and how its files name them.
fn columns(scan: &Scan) -> Vec<TableColumn> {
    let mode = scan.snapshot().table_properties().column_mapping_mode;
    let column = |field: &StructField| {
        // A physical name counts only with column mapping on.
        let mapped = match field.get_config_value(&ColumnMetadataKey::ColumnMappingPhysicalName) {
            Some(MetadataValue::String(name)) if matches!(mode, Some(Mode::Id | Mode::Name)) => name,
            _ => field.name(),
        };
        let own = scan.physical_schema().field(mapped);
        let id = own.and_then(|f| f.get_config_value(&ColumnMetadataKey::ParquetFieldId));
        TableColumn {
            field: Arc::new(arrow_field(field).with_metadata(comment(field))),
            physical: mapped.clone(),
            // When columns map by name, field ids of the files are ignored.
            id: match id {
                Some(MetadataValue::Number(id)) if mode == Some(Mode::Id) => i32::try_from(*id).ok(),
                _ => None,
            },
            is_partition: own.is_none(),
        }
    };
    scan.logical_schema().fields().map(column).collect()
}

/// The comment on a column, if there is one.
fn comment(field: &StructField) -> HashMap<String, String> {
    match field.metadata().get("comment") {
        Some(MetadataValue::String(text)) => HashMap::from([("comment".into(), text.clone())]),
        _ => HashMap::new(),
    }
}

fn arrow_field(field: &StructField) -> Field {
    Field::new(field.name(), arrow_type(field.data_type()), field.is_nullable())
}

/// The arrow type of a Delta type.
fn arrow_type(data_type: &DataType) -> ArrowType {
    use PrimitiveType as P;
    let fields = |fields: &delta_kernel::schema::StructType| Fields::from_iter(fields.fields().map(arrow_field));
    match data_type {
        DataType::Primitive(kind) => match kind {
            P::String => ArrowType::Utf8,
            P::Long => ArrowType::Int64,
            P::Integer => ArrowType::Int32,
            P::Short => ArrowType::Int16,
            P::Byte => ArrowType::Int8,
            P::Float => ArrowType::Float32,
            P::Double => ArrowType::Float64,
            P::Boolean => ArrowType::Boolean,
            P::Binary => ArrowType::Binary,
            P::Date => ArrowType::Date32,
            P::Timestamp => ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            P::TimestampNtz => ArrowType::Timestamp(TimeUnit::Microsecond, None),
            P::Void => ArrowType::Null,
            P::IntervalYearMonth => ArrowType::Interval(IntervalUnit::YearMonth),
            P::IntervalDayTime => ArrowType::Duration(TimeUnit::Microsecond),
            P::Decimal(decimal) => ArrowType::Decimal128(decimal.precision(), decimal.scale() as i8),
        },
        DataType::Struct(inner) | DataType::Variant(inner) => ArrowType::Struct(fields(inner)),
        DataType::Array(array) => {
            ArrowType::List(Arc::new(Field::new("element", arrow_type(array.element_type()), array.contains_null())))
        }
        DataType::Map(map) => {
            let key = Field::new("key", arrow_type(map.key_type()), false);
            let value = Field::new("value", arrow_type(map.value_type()), map.value_contains_null());
            let entries = Field::new("key_value", ArrowType::Struct(Fields::from(vec![key, value])), false);
            ArrowType::Map(Arc::new(entries), false)
        }
    }
}
