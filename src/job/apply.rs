//! Apply: writes the prepared values of customers, as a model's clustering sees them. Rows are read in batches of row
//! groups, as in `assign`; the parts of a divided bank are prepared batch by batch and put back in input order.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, DictionaryArray, Float32Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};

use super::assign::{add_counts, batches, division, roles, tell_unseen, typed};
use super::fitted_model::FittedModel;
use super::missing::MissingValues;
use super::request::ApplyRequest;
use super::{ids, inputs, strata};
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::input::{IdStream, RowGroup, Source};
use crate::model::{Model, PartModel};
use crate::output::{NewFiles, ROW, TableWriter};
use crate::prepare::{ColumnCounts, Design, Placement, Preparation, replay};
use crate::roles::RoleRequest;
use crate::rules::{Division, Membership, UNKNOWN_STRATUM};
use crate::tiles::Layout;

/// Bytes of prepared values held at a time.
const BATCH_BYTES: u64 = 64 << 20;

/// The column that names the part of each row, if there can be several.
const PART_COLUMN: &str = "part";

/// Writes the prepared values of all rows: the id, and one float32 column per feature or component, in scaled units.
/// For a divided bank, another column names the part of each row, and features that a part does not have are null.
/// Returns the number of rows.
///
/// The table is the file `out` of the request; it appears when it is complete.
///
/// # Errors
/// A model that does not verify, columns missing from the input, or values that the preparation refuses.
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::event::Silent;
/// use hyades::job::{ApplyRequest, InputOptions, apply};
///
/// let folder = tempfile::tempdir()?;
/// let request = ApplyRequest {
///     model: "data/models/v1.json".into(),
///     input: InputOptions::of(["data/customers.parquet"]),
///     out: folder.path().join("prepared.parquet"),
///     ..ApplyRequest::default()
/// };
/// assert_eq!(apply(&request, &Silent, &AtomicBool::new(false))?, 20_000);
/// assert!(request.out.is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn apply(request: &ApplyRequest, observer: &dyn Observer, stop: &std::sync::atomic::AtomicBool) -> Result<u64> {
    let watch = Watch::new(observer, stop);
    request.resources.install(|| run(request, watch))
}

fn run(request: &ApplyRequest, watch: Watch<'_>) -> Result<u64> {
    let mut missing = MissingValues::new(request.max_missing)?;
    let FittedModel { model, .. } = FittedModel::read(&request.model)?;
    let publication = NewFiles::of_table(&request.out, &request.arguments())?;
    let id_column = model.provenance.id_column.as_deref();
    let source = inputs::open(
        &request.input,
        request.id.as_deref().or(id_column),
        (&request.resources, request.out.parent()),
        watch,
    )?;
    let preparations: Vec<&Preparation> = model.parts.iter().map(|part| &part.preparation).collect();
    let mut source = typed(source, &preparations);
    let division = division(&model, &request.model, &source)?;
    let asked = RoleRequest { id: request.id.clone(), ..RoleRequest::default() };
    let roles = roles(asked, &preparations, id_column, &source)?;
    let needed = [roles.features, division.columns()].concat();
    inputs::tell_differences(&source, needed.iter().copied().chain(roles.id), watch);
    inputs::join(&mut source, &needed, &request.resources, request.out.parent(), watch)?;
    let known: Vec<Option<String>> = model.parts.iter().map(|part| part.value.clone()).collect();
    let membership = division.divide(&source, Some(&known), watch)?;
    strata::tell(&membership, watch);
    let pseudonym = ids::pseudonym(request.pseudonymise.as_ref(), roles.id)?;
    let ids = roles.id.map(|id| IdStream::new(&source, id).with_pseudonym(pseudonym.as_ref()));
    let columns = Columns::new(&model, &division, ids.as_ref())?;
    let file = publication.file(&request.out)?;
    let writer = TableWriter::new(file, request.out.clone(), columns.schema.clone())?;
    let mut rows = PreparedRows { columns, ids, writer, next_row: 0 };
    let job = ApplyJob { request, source: &source, model: &model, membership: &membership, watch };
    watch.stage(Stage::Prepare, source.rows(), "rows", || match model.parts.as_slice() {
        [part] if division.is_whole() => job.whole(part, &mut rows, &mut missing),
        _ => job.divided(&mut rows, &mut missing),
    })?;
    missing.check(watch)?;
    let (written, _) = rows.writer.finish()?;
    source.vet_unchanged()?;
    watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    Ok(written)
}

/// The columns of the output.
struct Columns {
    schema: Arc<Schema>,
    /// The names of the prepared columns, in order.
    values: Vec<String>,
    /// The names of the parts: rules, strata, and rows of an unknown stratum; None if all rows are one part.
    parts: Option<ArrayRef>,
}

impl Columns {
    fn new(model: &Model, division: &Division, ids: Option<&IdStream<'_>>) -> Result<Self> {
        let id = ids.map_or_else(|| Field::new(ROW, DataType::Int64, false), |ids| ids.field().clone());
        let mut values: Vec<String> = Vec::new();
        for name in model.parts.iter().flat_map(value_names) {
            if !values.contains(&name) {
                values.push(name);
            }
        }
        let parts = division.book().map(|book| {
            let rules = book.rules.iter().map(|rule| rule.name.as_str());
            let names = rules.chain(model.parts.iter().map(|part| part.name.as_str())).chain([UNKNOWN_STRATUM]);
            Arc::new(StringArray::from_iter_values(names)) as ArrayRef
        });
        let taken = |name: &String| name == id.name() || (parts.is_some() && name == PART_COLUMN);
        if values.iter().any(taken) || (parts.is_some() && id.name() == PART_COLUMN) {
            let name = values.iter().find(|name| taken(name)).unwrap_or(id.name());
            let text = format!("two columns would be named {name:?}; choose another id with --id");
            return Err(Error::usage(text).of_columns([name]));
        }
        let mut fields = vec![id];
        if parts.is_some() {
            let text = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            fields.push(Field::new(PART_COLUMN, text, false));
        }
        fields.extend(values.iter().map(|name| Field::new(name, DataType::Float32, parts.is_some())));
        Ok(Columns { schema: Arc::new(Schema::new(fields)), values, parts })
    }
}

/// The features of a part, or `component_1`, `component_2` ...
fn value_names(part: &PartModel) -> Vec<String> {
    match &part.preparation.projection {
        Some(p) => (1..=p.components.len()).map(|i| format!("component_{i}")).collect(),
        None => part.feature_names_in_.clone(),
    }
}

/// Writes prepared rows to the table.
struct PreparedRows<'a> {
    columns: Columns,
    ids: Option<IdStream<'a>>,
    writer: TableWriter,
    next_row: i64,
}

impl PreparedRows<'_> {
    /// Writes rows; `parts` are the numbers of their parts, if there can be several.
    fn push(&mut self, rows: usize, parts: Option<Int32Array>, values: Vec<ArrayRef>, watch: Watch<'_>) -> Result<()> {
        watch.check()?;
        let fail = |e| Error::Internal(format!("assembling prepared values: {e}"));
        let mut arrays: Vec<ArrayRef> = vec![match &mut self.ids {
            Some(ids) => ids.take(rows)?,
            None => Arc::new(Int64Array::from_iter_values(self.next_row..self.next_row + rows as i64)),
        }];
        self.next_row += rows as i64;
        if let (Some(parts), Some(names)) = (parts, &self.columns.parts) {
            arrays.push(Arc::new(DictionaryArray::try_new(parts, names.clone()).map_err(fail)?));
        }
        arrays.extend(values);
        let batch = RecordBatch::try_new(self.columns.schema.clone(), arrays).map_err(fail)?;
        watch.advance(Stage::Prepare, rows as u64);
        self.writer.push(batch)
    }
}

/// Shared by both layouts: one part, and several.
struct ApplyJob<'a> {
    request: &'a ApplyRequest,
    source: &'a Source,
    model: &'a Model,
    membership: &'a Membership,
    watch: Watch<'a>,
}

impl<'a> ApplyJob<'a> {
    fn batch_rows(&self) -> u64 {
        let dim = self.model.parts.iter().map(|part| part.preparation.columns.len()).max().unwrap_or(1);
        (BATCH_BYTES / (4 * dim as u64)).max(1)
    }

    /// All rows are one part: a row group larger than a batch goes through a scratch file.
    fn whole(&self, part: &'a PartModel, rows: &mut PreparedRows<'_>, missing: &mut MissingValues<'a>) -> Result<()> {
        let mut totals: Vec<ColumnCounts> = Vec::new();
        let most = self.batch_rows();
        for groups in batches(self.source.row_groups(), most) {
            let folder = (groups[0].rows > most).then(|| self.request.out.parent()).flatten();
            self.replay(self.source, part, groups, folder, &mut totals, &mut |values| {
                let n = values.first().map_or(0, Array::len);
                rows.push(n, None, values.into_iter().map(|v| Arc::new(v) as ArrayRef).collect(), self.watch)
            })?;
        }
        tell_unseen(&totals, &part.preparation, self.source.rows(), self.watch);
        missing.add(part, self.source.rows(), &totals);
        Ok(())
    }

    /// Rows of several parts, put back in input order one batch of row groups at a time. Memory holds the prepared
    /// values of one batch, which has at least one row group.
    fn divided(&self, rows: &mut PreparedRows<'_>, missing: &mut MissingValues<'a>) -> Result<()> {
        let views: Vec<_> = (0..self.model.parts.len()).map(|i| self.membership.view(self.source, i)).collect();
        let mut totals: Vec<Vec<ColumnCounts>> = vec![Vec::new(); views.len()];
        let mut numbers = self.membership.parts();
        let most = self.batch_rows();
        for groups in batches(self.source.row_groups(), most) {
            let folder = (groups[0].rows > most).then(|| self.request.out.parent()).flatten();
            let within = groups[0].number..groups[groups.len() - 1].number + 1;
            let mut values = Vec::new();
            for ((part, view), totals) in self.model.parts.iter().zip(&views).zip(&mut totals) {
                let mut columns: Vec<Vec<f32>> = vec![Vec::new(); value_names(part).len()];
                let here = row_groups_within(view, &within);
                if !here.is_empty() {
                    self.replay(view, part, here, folder, totals, &mut |arrays| {
                        columns.iter_mut().zip(&arrays).for_each(|(c, array)| c.extend_from_slice(array.values()));
                        Ok(())
                    })?;
                }
                values.push(columns);
            }
            let n = groups.iter().map(|g| g.rows as usize).sum();
            let parts: Vec<Option<usize>> = numbers.by_ref().take(n).collect();
            self.weave(&parts, &values, rows)?;
        }
        for ((part, view), totals) in self.model.parts.iter().zip(&views).zip(&totals) {
            tell_unseen(totals, &part.preparation, view.rows(), self.watch);
            missing.add(part, view.rows(), totals);
        }
        Ok(())
    }

    /// Writes rows of several parts; `values` are the prepared columns of each stratum.
    fn weave(&self, parts: &[Option<usize>], values: &[Vec<Vec<f32>>], rows: &mut PreparedRows<'_>) -> Result<()> {
        let rules = self.membership.rules.len();
        let unknown = rules + values.len();
        let numbers = Int32Array::from_iter_values(parts.iter().map(|part| part.unwrap_or(unknown) as i32));
        let names: Vec<Vec<String>> = self.model.parts.iter().map(value_names).collect();
        let column = |name: &String| -> ArrayRef {
            let places: Vec<Option<usize>> = names.iter().map(|names| names.iter().position(|n| n == name)).collect();
            let mut next = vec![0; values.len()];
            let value = |part: &Option<usize>| {
                let stratum = part.and_then(|part| part.checked_sub(rules))?;
                let at = next[stratum];
                next[stratum] += 1;
                places[stratum].map(|place| values[stratum][place][at])
            };
            Arc::new(parts.iter().map(value).collect::<Float32Array>())
        };
        let columns = rows.columns.values.iter().map(column).collect();
        rows.push(parts.len(), Some(numbers), columns, self.watch)
    }

    /// Prepares row groups of a source with the preparation of a part; `folder` is for a scratch file.
    fn replay(
        &self,
        source: &Source,
        part: &PartModel,
        groups: &[RowGroup],
        folder: Option<&Path>,
        totals: &mut Vec<ColumnCounts>,
        sink: &mut dyn FnMut(Vec<Float32Array>) -> Result<()>,
    ) -> Result<()> {
        let step = part.preparation.step();
        let design = Design::of_recipe(source, &part.preparation)?;
        let placement = Placement {
            scratch: folder.map(|folder| self.request.resources.scratch_folder(Some(folder))),
            chunk_rows: Some(Layout::default_chunk_rows(design.width())),
            simd: None,
        };
        let (tiles, counts) = replay(source, &design, &part.preparation, groups, &placement, self.watch.quiet())?;
        add_counts(totals, counts);
        tiles.map_ordered(
            |chunk| {
                let column = |f| (0..chunk.rows).map(move |row| (f64::from(chunk.value(row, f)) * step) as f32);
                Ok((0..chunk.dim).map(|f| Float32Array::from_iter_values(column(f))).collect::<Vec<_>>())
            },
            sink,
        )
    }
}

/// The row groups of a view that correspond to these row groups of the input.
fn row_groups_within<'a>(view: &'a Source, numbers: &Range<usize>) -> &'a [RowGroup] {
    let groups = view.row_groups();
    let start = groups.partition_point(|g| g.number < numbers.start);
    let end = groups.partition_point(|g| g.number < numbers.end);
    &groups[start..end]
}
