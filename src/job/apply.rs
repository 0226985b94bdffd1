//! Apply: the values that a clustering sees of some customers, by the recipe of a model. Rows flow through in batches of
//! row groups, as in `assign`.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};

use super::assign::{Asked, add_counts, batches, roles, tell_unseen};
use super::{Resources, ids, inputs};
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::input::{Access, IdStream};
use crate::model::Model;
use crate::output::{Publication, TableWriter};
use crate::prepare::{ColumnCounts, Design, Placement, replay};
use crate::text::KeySource;
use crate::tiles::Layout;

/// What to prepare.
#[derive(Debug, Clone)]
pub struct ApplyRequest {
    /// The model's file.
    pub model: PathBuf,
    /// Files, folders and patterns.
    pub inputs: Vec<PathBuf>,
    /// Tables, each a file, a folder or a pattern, whose columns are joined by the id.
    pub joins: Vec<PathBuf>,
    /// How inputs and joined tables are opened.
    pub access: Access,
    /// The id column; by default the model's, if the input has it.
    pub id: Option<String>,
    /// Threads and memory.
    pub resources: Resources,
    /// The Parquet file to write: the id, and one float32 column a feature, or a component, in scaled units.
    pub out: PathBuf,
    /// The key to replace ids by pseudonyms in the output.
    pub pseudonymise: Option<KeySource>,
}

/// Bytes of prepared values that are held at a time.
const BATCH_BYTES: u64 = 64 << 20;

/// Writes the prepared values; returns the rows.
///
/// # Errors
/// A model that does not verify, columns that the input lacks, values that the recipe refuses.
pub fn apply(request: &ApplyRequest, observer: &dyn Observer, stop: &std::sync::atomic::AtomicBool) -> Result<u64> {
    let watch = Watch::new(observer, stop);
    request.resources.install(|| run(request, watch))
}

fn run(request: &ApplyRequest, watch: Watch<'_>) -> Result<u64> {
    let model = Model::load(&request.model)?;
    let (mut publication, name) = Publication::of_table(&request.out, &inputs::all(&request.inputs, &request.joins))?;
    let id_column = model.provenance.id_column.as_deref();
    let mut source =
        inputs::open(&request.inputs, &request.joins, &request.access, request.id.as_deref().or(id_column), watch)?;
    let recipe = &model.recipe;
    let asked = Asked { id: request.id.as_ref(), protect: &[] };
    let id = roles(asked, &[recipe], id_column, &source)?.id;
    let design = Design::of_recipe(&source, recipe)?;
    inputs::join(&mut source, &design.columns(), &request.resources, request.out.parent(), watch)?;
    let pseudonym = ids::pseudonym(request.pseudonymise.as_ref(), id)?;
    let mut stream = id.map(|id| IdStream::new(&source, id).with_pseudonym(pseudonym.as_ref()));
    let schema = Arc::new(schema(&model, stream.as_ref())?);
    let mut writer = TableWriter::new(publication.file(&name)?, request.out.clone(), schema.clone())?;
    let mut totals: Vec<ColumnCounts> = Vec::new();
    let step = recipe.step();
    watch.stage(Stage::Prepare, source.rows(), "rows", || {
        let mut first_row = 0;
        let most = (BATCH_BYTES / (4 * design.width() as u64)).max(1);
        for groups in batches(source.row_groups(), most) {
            let large = groups[0].rows > most;
            let scratch = large.then(|| request.resources.scratch_folder(request.out.parent()));
            let chunk_rows = Some(Layout::default_chunk_rows(design.width()));
            let placement = Placement { scratch, chunk_rows, simd: None };
            let (tiles, counts) = replay(&source, &design, recipe, groups, &placement, watch.quiet())?;
            add_counts(&mut totals, counts);
            tiles.map_ordered(
                |chunk| {
                    let column = |f| (0..chunk.rows).map(move |row| (f64::from(chunk.value(row, f)) * step) as f32);
                    Ok((0..chunk.dim).map(|f| Float32Array::from_iter_values(column(f))).collect::<Vec<_>>())
                },
                |columns| {
                    watch.check()?;
                    let rows = columns.first().map_or(0, |c| c.len());
                    let mut arrays: Vec<ArrayRef> = vec![match &mut stream {
                        Some(ids) => ids.take(rows)?,
                        None => Arc::new(Int64Array::from_iter_values(first_row..first_row + rows as i64)),
                    }];
                    first_row += rows as i64;
                    arrays.extend(columns.into_iter().map(|c| Arc::new(c) as ArrayRef));
                    let batch = RecordBatch::try_new(schema.clone(), arrays)
                        .map_err(|e| Error::Internal(format!("putting prepared values together: {e}")))?;
                    watch.advance(Stage::Prepare, rows as u64);
                    writer.push(batch)
                },
            )?;
        }
        Ok(())
    })?;
    tell_unseen(&totals, recipe, source.rows(), watch);
    let (rows, _) = writer.finish()?;
    watch.stage(Stage::Write, 0, "files", || publication.commit())?;
    Ok(rows)
}

/// The id, and the features or `component_1`, `component_2` ...
fn schema(model: &Model, ids: Option<&IdStream<'_>>) -> Result<Schema> {
    let id = ids.map_or_else(|| Field::new("row", DataType::Int64, false), |ids| ids.field().clone());
    let names: Vec<String> = match &model.recipe.projection {
        Some(p) => (1..=p.components.len()).map(|i| format!("component_{i}")).collect(),
        None => model.feature_names_in_.clone(),
    };
    if names.contains(id.name()) {
        return Err(Error::usage(format!("{:?} is both the id and a feature; choose another with --id", id.name())));
    }
    let features = names.into_iter().map(|name| Field::new(name, DataType::Float32, false));
    Ok(Schema::new(std::iter::once(id).chain(features).collect::<Vec<_>>()))
}
