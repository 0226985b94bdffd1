//! The services that the kernel needs: list and read files, decode JSON and Parquet, select columns. It reads only logs
//! and never writes; whatever log replay does not need is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use delta_kernel::expressions::Scalar;
use delta_kernel::schema::{ArrayType, DataType, MapType, MetadataColumnSpec, SchemaRef, StructField, StructType};
use delta_kernel::{
    Engine, EngineData, EvaluationHandler, Expression, ExpressionEvaluator, ExpressionRef, FileDataReadResultIterator,
    FileMeta, FileSlice, FilteredEngineData, JsonHandler, KernelError, KernelResult, KernelResultIterator,
    KernelResultIteratorStatic, ParquetFooter, ParquetHandler, PredicateEvaluator, PredicateRef, StorageHandler,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use parquet::arrow::{ProjectionMask, parquet_to_arrow_field_levels};
use url::Url;

use super::rows::{Cell, LogRows, path_of};
use crate::input::file::{BATCH_ROWS, Footer, GuardedGroup, RangeFile, read_footer};

/// Reads logs in local folders, on the calling thread.
pub(crate) struct LocalFiles;

type LogBatches = Box<dyn Iterator<Item = KernelResult<Box<dyn EngineData>>> + Send>;

impl Engine for LocalFiles {
    fn evaluation_handler(&self) -> Arc<dyn EvaluationHandler> {
        Arc::new(LocalFiles)
    }

    fn storage_handler(&self) -> Arc<dyn StorageHandler> {
        Arc::new(LocalFiles)
    }

    fn json_handler(&self) -> Arc<dyn JsonHandler> {
        Arc::new(LocalFiles)
    }

    fn parquet_handler(&self) -> Arc<dyn ParquetHandler> {
        Arc::new(LocalFiles)
    }
}

fn refused<T>(what: &str) -> KernelResult<T> {
    Err(KernelError::unsupported(what))
}

/// The file that a URL names.
pub(crate) fn local(url: &Url) -> KernelResult<PathBuf> {
    let path = (url.scheme() == "file").then(|| url.to_file_path().ok()).flatten();
    path.ok_or_else(|| KernelError::unsupported(format!("{url} is not a local file")))
}

fn io<T>(path: &Path, result: std::io::Result<T>) -> KernelResult<T> {
    result.map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => KernelError::file_not_found(path.display()),
        _ => KernelError::generic(format!("cannot read {}: {e}", path.display())),
    })
}

impl StorageHandler for LocalFiles {
    fn list_from(&self, from: &Url) -> KernelResult<KernelResultIteratorStatic<FileMeta>> {
        let path = local(from)?;
        let folder = if from.path().ends_with('/') { Some(path.as_path()) } else { path.parent() };
        let mut found = Vec::new();
        list(folder.unwrap_or(&path), &mut found)?;
        found.retain(|file| file.location.path() > from.path());
        found.sort_by(|a, b| a.location.path().cmp(b.location.path()));
        Ok(Box::new(found.into_iter().map(Ok)))
    }

    fn read_files(&self, files: Vec<FileSlice>) -> KernelResult<KernelResultIteratorStatic<Bytes>> {
        let read = |(url, range): FileSlice| {
            let path = local(&url)?;
            let bytes = Bytes::from(io(&path, std::fs::read(&path))?);
            match range {
                None => Ok(bytes),
                Some(range) if range.start <= range.end && range.end <= bytes.len() as u64 => {
                    Ok(bytes.slice(range.start as usize..range.end as usize))
                }
                Some(_) => Err(KernelError::generic(format!("{} is shorter than expected", path.display()))),
            }
        };
        Ok(Box::new(files.into_iter().map(read)))
    }

    fn head(&self, url: &Url) -> KernelResult<FileMeta> {
        file_meta(&local(url)?)
    }

    fn copy_atomic(&self, _: &Url, _: &Url) -> KernelResult<()> {
        refused("writing")
    }

    fn put(&self, _: &Url, _: Bytes, _: bool) -> KernelResult<()> {
        refused("writing")
    }

    fn delete(&self, _: &Url) -> KernelResult<()> {
        refused("writing")
    }
}

/// All files below a folder.
fn list(folder: &Path, found: &mut Vec<FileMeta>) -> KernelResult<()> {
    for entry in io(folder, std::fs::read_dir(folder))? {
        let entry = io(folder, entry)?;
        // Links to folders are not followed: they could form a cycle.
        match io(folder, entry.file_type())?.is_dir() {
            true => list(&entry.path(), found)?,
            false => found.push(file_meta(&entry.path())?),
        }
    }
    Ok(())
}

fn file_meta(path: &Path) -> KernelResult<FileMeta> {
    let meta = io(path, std::fs::metadata(path))?;
    let since = meta.modified().ok().and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
    let location =
        Url::from_file_path(path).map_err(|()| KernelError::generic(format!("{} is relative", path.display())))?;
    Ok(FileMeta::new(location, since.map_or(0, |t| t.as_millis() as i64), meta.len()))
}

impl JsonHandler for LocalFiles {
    fn parse_json(&self, _: Box<dyn EngineData>, _: SchemaRef) -> KernelResult<Box<dyn EngineData>> {
        refused("statistics in JSON")
    }

    fn read_json_files(
        &self,
        files: &[FileMeta],
        schema: SchemaRef,
        _: Option<PredicateRef>,
    ) -> KernelResult<FileDataReadResultIterator> {
        let read = move |file: FileMeta| {
            let path = local(&file.location)?;
            let text = io(&path, std::fs::read(&path))?;
            let row_type = DataType::from(schema.clone());
            let row = |(n, line): (usize, &[u8])| {
                let value = serde_json::from_slice(line).map_err(|e| e.to_string());
                let cell = value.and_then(|value| Cell::of_json(&value, &row_type));
                cell.map_err(|why| KernelError::generic(format!("{}, line {}: {why}", path.display(), n + 1)))
            };
            let lines = text.split(|&b| b == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
            let rows = lines.map(row).collect::<KernelResult<Vec<_>>>()?;
            // The first row of a batch identifies its file.
            Ok((!rows.is_empty()).then(|| with_file(LogRows { schema: schema.clone(), rows }, &file.location)))
        };
        Ok(Box::new(Vec::from(files).into_iter().filter_map(move |file| read(file).transpose())))
    }

    fn write_json_file(&self, _: &Url, _: KernelResultIterator<'_, FilteredEngineData>, _: bool) -> KernelResult<u64> {
        refused("writing")
    }
}

impl ParquetHandler for LocalFiles {
    fn read_parquet_files(
        &self,
        files: &[FileMeta],
        schema: SchemaRef,
        _: Option<PredicateRef>,
    ) -> KernelResult<FileDataReadResultIterator> {
        let read = move |file: FileMeta| -> LogBatches {
            batches(&file, &schema).unwrap_or_else(|why| Box::new(std::iter::once(Err(why))))
        };
        Ok(Box::new(Vec::from(files).into_iter().flat_map(read)))
    }

    fn write_parquet_file(&self, _: Url, _: KernelResultIteratorStatic<Box<dyn EngineData>>) -> KernelResult<u64> {
        refused("writing")
    }

    fn read_parquet_footer(&self, file: &FileMeta) -> KernelResult<ParquetFooter> {
        let fields =
            footer(file)?.1.metadata.schema().fields().iter().filter_map(|f| kernel_field(f)).collect::<Vec<_>>();
        Ok(ParquetFooter { schema: Arc::new(StructType::try_new(fields)?) })
    }
}

fn footer(file: &FileMeta) -> KernelResult<(PathBuf, Footer)> {
    let path = local(&file.location)?;
    let footer = read_footer(&path, None, None).map_err(KernelError::generic)?;
    Ok((path, footer))
}

/// The rows of a checkpoint, batch by batch, with the columns that the schema names.
fn batches(file: &FileMeta, schema: &SchemaRef) -> KernelResult<LogBatches> {
    let (path, Footer { metadata, .. }) = footer(file)?;
    let wrong = move |why: &dyn std::fmt::Display| KernelError::generic(format!("{}: {why}", path.display()));
    let leaves = metadata.parquet_schema();
    let wanted = (0..leaves.num_columns()).filter(|&leaf| is_named(schema, leaves.column(leaf).path().parts()));
    let mask = ProjectionMask::leaves(leaves, wanted);
    let levels =
        parquet_to_arrow_field_levels(leaves, mask, Some(metadata.schema().fields())).map_err(|e| wrong(&e))?;
    let range = RangeFile::open(&local(&file.location)?, None, 0..0).map_err(|e| wrong(&e))?;
    let groups = metadata.metadata().num_row_groups();
    let open = move |group| {
        let pages = GuardedGroup::new(range.clone(), metadata.metadata().clone(), group);
        ParquetRecordBatchReader::try_new_with_row_groups(&levels, &pages, BATCH_ROWS, None)
    };
    let (schema, location) = (schema.clone(), file.location.clone());
    // A reader that cannot be opened yields an error as a batch.
    let read = (0..groups).flat_map(move |group| {
        let (reader, fault) = match open(group) {
            Ok(reader) => (Some(reader), None),
            Err(e) => (None, Some(Err(e.into()))),
        };
        reader.into_iter().flatten().chain(fault)
    });
    Ok(Box::new(read.map(move |batch| {
        let array = Arc::new(arrow::array::StructArray::from(batch.map_err(|e| wrong(&e))?));
        let rows = Cell::of_array(&(array as _), &DataType::from(schema.clone())).map_err(|e| wrong(&e))?;
        Ok(with_file(LogRows { schema: schema.clone(), rows }, &location))
    })))
}

/// The rows with the name of their file, in the column that the kernel requests it in.
fn with_file(mut rows: LogRows, location: &Url) -> Box<dyn EngineData> {
    let spec = |field: &StructField| field.get_metadata_column_spec() == Some(MetadataColumnSpec::FilePath);
    if let Some(at) = rows.schema.fields().position(spec) {
        for row in &mut rows.rows {
            if let Cell::Struct(cells) = row {
                cells[at] = Cell::Text(location.to_string());
            }
        }
    }
    Box::new(rows)
}

/// Whether a column of a file belongs to a column that the schema names.
fn is_named(schema: &StructType, path: &[String]) -> bool {
    let Some((name, rest)) = path.split_first() else { return false };
    match schema.field(name).map(StructField::data_type) {
        Some(DataType::Struct(fields)) => is_named(fields, rest),
        field => field.is_some(),
    }
}

/// A column of a checkpoint under the kernel's name; None for types that a log does not need.
fn kernel_field(field: &arrow::datatypes::Field) -> Option<StructField> {
    Some(StructField::nullable(field.name(), kernel_type(field.data_type())?))
}

fn kernel_type(data_type: &arrow::datatypes::DataType) -> Option<DataType> {
    use arrow::datatypes::DataType as T;
    Some(match data_type {
        T::Boolean => DataType::BOOLEAN,
        T::Int32 => DataType::INTEGER,
        T::Int64 => DataType::LONG,
        T::Utf8 | T::LargeUtf8 | T::Utf8View => DataType::STRING,
        T::List(element) | T::LargeList(element) => ArrayType::new(kernel_type(element.data_type())?, true).into(),
        T::Map(entries, _) => match entries.data_type() {
            T::Struct(entry) => {
                let of = |at: usize| kernel_type(entry.get(at)?.data_type());
                MapType::new(of(0)?, of(1)?, true).into()
            }
            _ => return None,
        },
        T::Struct(fields) => DataType::try_struct_type(fields.iter().filter_map(|f| kernel_field(f))).ok()?,
        _ => return None,
    })
}

impl EvaluationHandler for LocalFiles {
    fn new_expression_evaluator(
        &self,
        _: SchemaRef,
        expression: ExpressionRef,
        output: DataType,
    ) -> KernelResult<Arc<dyn ExpressionEvaluator>> {
        match output {
            DataType::Struct(schema) => Ok(Arc::new(Picked { expression, schema: Arc::from(schema) })),
            other => refused(&format!("an expression of the type {other}")),
        }
    }

    fn new_predicate_evaluator(&self, _: SchemaRef, _: PredicateRef) -> KernelResult<Arc<dyn PredicateEvaluator>> {
        refused("predicates")
    }

    fn create_many(&self, _: SchemaRef, _: Vec<Vec<Scalar>>) -> KernelResult<Box<dyn EngineData>> {
        refused("writing")
    }
}

/// Columns reordered and renested: all that log replay computes when no statistics are requested.
struct Picked {
    expression: ExpressionRef,
    schema: SchemaRef,
}

impl ExpressionEvaluator for Picked {
    fn evaluate(&self, batch: &dyn EngineData) -> KernelResult<Box<dyn EngineData>> {
        let batch: &LogRows = batch.any_ref().downcast_ref().ok_or_else(|| KernelError::unsupported("foreign rows"))?;
        let pick = Pick::of(&self.expression, &batch.schema)?;
        let rows = batch.rows.iter().map(|row| pick.from(row)).collect();
        Ok(Box::new(LogRows { schema: self.schema.clone(), rows }))
    }
}

/// An expression with its columns resolved.
enum Pick {
    Null,
    Column(Vec<usize>),
    Struct(Vec<Pick>),
}

impl Pick {
    fn of(expression: &Expression, schema: &StructType) -> KernelResult<Pick> {
        Ok(match expression {
            Expression::Literal(Scalar::Null(_)) => Pick::Null,
            Expression::Column(name) => {
                Pick::Column(path_of(schema, name).ok_or_else(|| KernelError::missing_column(name))?)
            }
            Expression::Struct(parts, None) => {
                Pick::Struct(parts.iter().map(|part| Pick::of(part, schema)).collect::<KernelResult<_>>()?)
            }
            other => return refused(&format!("the expression {other}")),
        })
    }

    fn from(&self, row: &Cell) -> Cell {
        match self {
            Pick::Null => Cell::Null,
            Pick::Column(path) => row.at(path).clone(),
            Pick::Struct(parts) => Cell::Struct(parts.iter().map(|part| part.from(row)).collect()),
        }
    }
}
