//! The types that columns of a file are read as: independent of how a writer represented them.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Schema, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::Type;
use parquet::errors::Result;
use parquet::file::metadata::ParquetMetaData;

/// What the arrow reader needs to know about a file. Dictionaries are read as their values, since the key type of one
/// file says nothing about the next (or even about its own row groups). INT96 is read as microseconds: as nanoseconds,
/// which are arrow's default, times end in the year 2262 and wrap.
pub(super) fn reader_metadata(metadata: ParquetMetaData) -> Result<ArrowReaderMetadata> {
    let metadata = Arc::new(metadata);
    let stored = ArrowReaderMetadata::try_new(metadata.clone(), ArrowReaderOptions::new())?;
    let wanted = |(root, field): (usize, &FieldRef)| match read_as(&metadata, root, field.data_type()) {
        Some(data_type) => Arc::new(field.as_ref().clone().with_data_type(data_type)),
        None => field.clone(),
    };
    let fields: Vec<FieldRef> = stored.schema().fields().iter().enumerate().map(wanted).collect();
    if fields.iter().zip(stored.schema().fields()).all(|(a, b)| Arc::ptr_eq(a, b)) {
        return Ok(stored);
    }
    let schema = Schema::new_with_metadata(fields, stored.schema().metadata().clone());
    ArrowReaderMetadata::try_new(metadata, ArrowReaderOptions::new().with_schema(Arc::new(schema)))
}

/// The type to read a column as; None: as it is stored.
fn read_as(metadata: &ParquetMetaData, root: usize, stored: &DataType) -> Option<DataType> {
    match stored {
        DataType::Dictionary(_, values) => Some(values.as_ref().clone()),
        DataType::Timestamp(_, zone) if is_int96(metadata, root) => {
            Some(DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))
        }
        _ => None,
    }
}

/// Whether a column holds INT96, which is always a time, by convention in UTC.
pub(crate) fn is_int96(metadata: &ParquetMetaData, root: usize) -> bool {
    let column = &metadata.file_metadata().schema_descr().root_schema().get_fields()[root];
    column.is_primitive() && column.get_physical_type() == Type::INT96
}
