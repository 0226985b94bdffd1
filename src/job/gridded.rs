//! All rows of an input on the grid of a model, for whoever looks at them as its clustering did.

use std::path::Path;

use super::assign::{roles, tell_unseen, typed};
use super::fitted_model::FittedModel;
use super::inputs;
use super::missing::MissingValues;
use super::request::{InputOptions, Resources};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Watch;
use crate::input::Source;
use crate::numeric::power_of_two;
use crate::prepare::{Placement, prepare_again};
use crate::roles::RoleRequest;
use crate::tiles::{Layout, Tiles};

/// Rows and their prepared values.
pub(crate) struct GriddedInput {
    pub(crate) source: Source,
    /// The column of ids, if there is one.
    pub(crate) id: Option<usize>,
    pub(crate) tiles: Tiles,
    /// A step of the grid in scaled units.
    pub(crate) step: f64,
    /// What an integer weight has to be divided by.
    pub(crate) weight: f64,
}

/// Where rows are read, and what may be used.
#[derive(Clone, Copy)]
pub(crate) struct GriddedRequest<'a> {
    /// The file of a model, or the folder of a fit.
    pub(crate) model: &'a Path,
    pub(crate) input: &'a InputOptions,
    /// The column of ids [default: that of the fit, or one named like an id].
    pub(crate) id: Option<&'a str>,
    pub(crate) resources: &'a Resources,
    /// Bytes of memory for prepared values; beyond them they lie in a scratch file.
    pub(crate) memory: u64,
    /// The folder of the output.
    pub(crate) out: Option<&'a Path>,
}

impl GriddedInput {
    /// Reads all rows and prepares them by the recipe of the model, with the weights of its fit if the input has them.
    ///
    /// # Errors
    /// A model with rules or strata, columns missing from the input, or values that the preparation refuses.
    pub(crate) fn read(request: GriddedRequest<'_>, watch: Watch<'_>) -> Result<Self> {
        let GriddedRequest { model: path, input, id, resources, memory, out } = request;
        let FittedModel { model, .. } = FittedModel::read(path)?;
        let [part] = model.parts.as_slice() else { return Err(divided(path)) };
        if model.division.is_some() {
            return Err(divided(path));
        }
        let remembered = model.provenance.id_column.as_deref();
        let source = inputs::open(input, id.or(remembered), (resources, out), watch)?;
        let recipe = &part.preparation;
        let mut source = typed(source, &[recipe]);
        let asked = RoleRequest { id: id.map(str::to_owned), ..RoleRequest::default() };
        let roles = roles(asked, &[recipe], remembered, &source)?;
        inputs::tell_differences(&source, roles.features.iter().copied().chain(roles.id), watch);
        inputs::join(&mut source, &roles.features, resources, out, watch)?;
        let weight = model.provenance.weight_column.as_deref().and_then(|name| source.position(name));
        let layout = Layout::new(source.rows(), recipe.columns.len(), Layout::default_chunk_rows(recipe.columns.len()));
        let folder = (layout.bytes() > memory).then(|| resources.existing_scratch_folder(out));
        let placement = Placement { scratch: folder, ..Placement::default() };
        let (prepared, counts) = prepare_again(&source, weight, recipe, &placement, watch)?;
        tell_unseen(&counts, recipe, source.rows(), watch);
        let mut missing = MissingValues::new(None)?;
        missing.add(part, source.rows(), &counts);
        missing.check(watch)?;
        source.vet_unchanged()?;
        let weight = power_of_two(prepared.weight_exponent);
        Ok(GriddedInput { id: roles.id, tiles: prepared.tiles, step: recipe.step(), weight, source })
    }
}

fn divided(path: &Path) -> Error {
    let text = format!(
        "{} has rules or strata, whose parts have scales of their own; name a model without them with --model",
        path.display()
    );
    Error::usage(text).of_kind(ErrorKind::Model).of_file(path).of_option("--model")
}
