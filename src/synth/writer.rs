//! Writes a bank as Parquet: columns are made and encoded in parallel and written in order by a separate thread.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use arrow::datatypes::{DataType, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression as Codec, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;

use super::bank::Customers;
use super::payments::Payments;
use super::spec::{Compression, SynthSpec, SynthSummary};
use super::table::{BankTable, ID_COLUMN};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::output::{NewFiles, PartedTable};

/// Columns queued per thread, so that few threads idle at the end of a batch.
const COLUMNS_A_THREAD: usize = 4;

/// A row group, ready to be appended to a file.
struct EncodedGroup {
    rows: u64,
    columns: Vec<ArrowColumnChunk>,
    segment_rows: Vec<u64>,
}

/// Makes the bank of a checked spec.
pub(super) fn write(spec: &SynthSpec, watch: Watch<'_>) -> Result<SynthSummary> {
    let job = Job::new(spec, watch)?;
    let bank = &job.table.bank;
    let table = PartedTable::new(&spec.out, spec.files)?;
    let mut files = NewFiles::default();
    spec.transactions.as_ref().map_or(Ok(()), |path| files.add(path, &[]))?;
    let mut summary = watch.stage(Stage::Write, bank.rows(), "rows", || job.run(&table))?;
    if let Some(path) = &spec.transactions {
        let payments = Payments { bank, month: spec.month, watch };
        summary.transactions = payments.write(files.file(path)?, path)?;
    }
    watch.check()?;
    table.commit()?;
    files.commit()?;
    Ok(summary)
}

struct Job<'a> {
    spec: &'a SynthSpec,
    watch: Watch<'a>,
    table: BankTable,
    properties: Arc<WriterProperties>,
    encoders: ArrowRowGroupWriterFactory,
}

impl<'a> Job<'a> {
    fn new(spec: &'a SynthSpec, watch: Watch<'a>) -> Result<Self> {
        let table = BankTable::new(spec);
        let properties = properties(table.schema(), spec.compression);
        let nowhere = ArrowWriter::try_new(io::sink(), table.schema().clone(), Some(properties.clone()));
        let (_, encoders) = nowhere.and_then(|w| w.into_serialized_writer()).map_err(internal)?;
        Ok(Job { spec, watch, table, properties: Arc::new(properties), encoders })
    }

    fn run(&self, table: &PartedTable) -> Result<SynthSummary> {
        std::thread::scope(|scope| {
            // No buffer: one batch is made while the previous one is written.
            let (sender, receiver) = sync_channel(0);
            let writer = scope.spawn(move || self.write_files(table, &receiver));
            let made = self.make_row_groups(&sender);
            drop(sender);
            let written = writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            made.and(written)
        })
    }

    /// Makes all row groups in order, a batch at a time.
    fn make_row_groups(&self, sender: &SyncSender<Vec<EncodedGroup>>) -> Result<()> {
        let wanted = COLUMNS_A_THREAD * rayon::current_num_threads();
        let batch = wanted.div_ceil(self.table.schema().fields().len()) as u64;
        let groups = self.spec.row_groups(self.table.bank.rows());
        for first in (0..groups).step_by(batch as usize) {
            self.watch.check()?;
            let made = self.make_batch(first..groups.min(first + batch))?;
            if sender.send(made).is_err() {
                // The writer has failed and reports the error itself.
                return Ok(());
            }
        }
        Ok(())
    }

    fn make_batch(&self, groups: Range<u64>) -> Result<Vec<EncodedGroup>> {
        let size = self.spec.row_group_rows as u64;
        let rows = groups.clone().map(|group| group * size..self.table.bank.rows().min((group + 1) * size));
        let customers: Vec<Customers> = rows.map(|rows| self.table.bank.customers(rows)).collect();
        let mut tasks = Vec::new();
        for customers in &customers {
            // The index matters only for encrypted files.
            let encoders = self.encoders.create_column_writers(0).map_err(internal)?;
            tasks.extend(encoders.into_iter().enumerate().map(|(column, encoder)| (customers, column, encoder)));
        }
        let encoded: Vec<ArrowColumnChunk> = tasks
            .into_par_iter()
            .with_max_len(1)
            .map(|(customers, column, encoder)| self.encode(customers, column, encoder).map_err(internal))
            .collect::<Result<_>>()?;
        let mut encoded = encoded.into_iter();
        let columns = self.table.schema().fields().len();
        let group = |customers: &Customers| EncodedGroup {
            rows: customers.segments.len() as u64,
            columns: encoded.by_ref().take(columns).collect(),
            segment_rows: count(&customers.segments, self.table.bank.segments()),
        };
        Ok(customers.iter().map(group).collect())
    }

    fn encode(
        &self,
        customers: &Customers,
        column: usize,
        mut encoder: ArrowColumnWriter,
    ) -> Result<ArrowColumnChunk, ParquetError> {
        let values = self.table.array(column, customers);
        for leaf in compute_leaves(self.table.schema().field(column), &values)? {
            encoder.write(&leaf)?;
        }
        encoder.close()
    }

    fn write_files(&self, table: &PartedTable, receiver: &Receiver<Vec<EncodedGroup>>) -> Result<SynthSummary> {
        let mut row_groups = receiver.iter().flatten();
        let (groups, files) = (self.spec.row_groups(self.table.bank.rows()), self.spec.files as u64);
        let mut summary = SynthSummary {
            files: table.paths(),
            rows: self.table.bank.rows(),
            columns: self.table.schema().fields().len(),
            row_groups: groups,
            bytes: 0,
            transactions: 0,
            segment_rows: vec![0; self.table.bank.segments()],
        };
        for (part, path) in summary.files.iter().enumerate() {
            let in_file = groups * (part as u64 + 1) / files - groups * part as u64 / files;
            let in_file = row_groups.by_ref().take(in_file as usize).inspect(|group| {
                summary.segment_rows.iter_mut().zip(&group.segment_rows).for_each(|(all, rows)| *all += rows);
            });
            summary.bytes += self.write_file(table.open(part)?, in_file).map_err(|e| disk(path, e))?;
        }
        Ok(summary)
    }

    /// Writes a whole file and syncs it. Returns its size.
    fn write_file(&self, file: File, row_groups: impl Iterator<Item = EncodedGroup>) -> Result<u64, ParquetError> {
        let properties = WriterProperties::clone(&self.properties);
        let writer = ArrowWriter::try_new(file, self.table.schema().clone(), Some(properties))?;
        let (mut writer, _) = writer.into_serialized_writer()?;
        for group in row_groups {
            let mut row_group = writer.next_row_group()?;
            for column in group.columns {
                column.append_to_row_group(&mut row_group)?;
            }
            row_group.close()?;
            self.watch.advance(Stage::Write, group.rows);
        }
        writer.finish()?;
        writer.inner().sync_all()?;
        Ok(writer.bytes_written() as u64)
    }
}

fn properties(schema: &Schema, compression: Compression) -> WriterProperties {
    let codec = match compression {
        Compression::None => Codec::UNCOMPRESSED,
        Compression::Snappy => Codec::SNAPPY,
        Compression::Zstd => Codec::ZSTD(ZstdLevel::default()),
    };
    // Dictionaries suit text, days, and whole numbers, few of which are large. For amounts and rates, which are nearly
    // all unique, the encoder would build one and discard it.
    let mut builder = WriterProperties::builder()
        .set_compression(codec)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for field in schema.fields() {
        let repeats =
            matches!(field.data_type(), DataType::Int32 | DataType::Int64 | DataType::Utf8 | DataType::Date32);
        let repeats = repeats && field.name() != ID_COLUMN;
        builder = builder.set_column_dictionary_enabled(ColumnPath::from(field.name().as_str()), repeats);
    }
    builder.build()
}

fn count(segments: &[u16], of: usize) -> Vec<u64> {
    let mut rows = vec![0; of];
    segments.iter().for_each(|&segment| rows[usize::from(segment)] += 1);
    rows
}

fn disk(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => Error::io("write", path, &source),
            Err(source) => internal(source),
        },
        error => internal(error),
    }
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::Internal(format!("encoding a synthetic bank: {error}"))
}
