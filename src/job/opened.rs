//! A fit whose input is open: roles of the columns, division, device and plan are known, and no value has been read.

use super::assign::typed;
use super::audit;
use super::base::Beginning;
use super::centroids::Starts;
use super::device::{EXPECTED_PASSES, Size};
use super::inputs;
use super::outputs::{self, OutputColumns};
use super::plan::{Extras, Plan, Planned, PlannedAlgorithm};
use super::recovery::Ladder;
use super::request::{CheckedFit, ClusteringOptions};
use super::strata;
use crate::cluster::Algorithm;
use crate::error::{Error, Result};
use crate::event::Watch;
use crate::input::Source;
use crate::output::Kept;
use crate::prepare::Design;
use crate::roles::{self, Roles};
use crate::rules::Division;

/// The state before any value is read.
pub(super) struct OpenedFit {
    pub(super) source: Source,
    pub(super) roles: Roles,
    pub(super) beside: OutputColumns,
    pub(super) design: Design,
    pub(super) division: Division,
    pub(super) starts: Starts,
    pub(super) ladder: Ladder,
    pub(super) plan: Plan,
}

/// Reads footers, finds columns, chooses the device and plans.
pub(super) fn open(checked: &CheckedFit, beginning: Beginning<'_>, watch: Watch<'_>) -> Result<OpenedFit> {
    let CheckedFit { request, recipe, k, .. } = checked;
    let place = (&request.resources, request.output.out.as_deref());
    let source = match beginning.source {
        Some(source) => source.clone(),
        None => inputs::open(&request.input, request.columns.id.as_deref(), place, watch)?,
    };
    let earlier = beginning.base.map_or(&[][..], |base| &base.model.parts);
    let source = typed(source, &earlier.iter().map(|part| &part.preparation).collect::<Vec<_>>());
    let names = source.columns().iter().map(|c| c.name.as_str());
    let division = Division::read(request.division.rules.as_deref(), &source)?;
    // A recipe can encode columns that are not numbers.
    let asked = request.columns.roles(recipe.encoded(names))?;
    let wanted = match beginning.base {
        Some(base) => base.roles(asked),
        None => outputs::features_of(asked, &request.output, &source),
    };
    let mut roles = wanted.resolve(&source)?;
    if request.output.no_profile {
        (roles.described, roles.products) = (Vec::new(), Vec::new());
    }
    let beside = OutputColumns::new(&request.output, &request.columns.include, &source, &roles, watch)?
        .of_algorithm(request.clustering.algorithm());
    let roles = strata::without_strata(roles, &division, &source)?;
    strata::warn_of_protected(&division, &roles, &source, watch);
    let design = Design::new(&source, &roles, recipe)?;
    if request.output.audits() {
        audit::vet(&source, &roles)?;
    }
    let most = division.most_segments(*k);
    vet_rows(&source, most)?;
    let starts = Starts::read(&request.clustering.init(), &request.input.access())?;
    starts.vet(&division, *k)?;
    tell_roles(&source, &roles, watch);
    let used = [inputs::needed(&design, &roles), division.columns()].concat();
    inputs::tell_differences(&source, used.into_iter().chain(roles.id), watch);
    let algorithm = needs(&request.clustering, most, source.rows());
    let size = Size { rows: source.rows(), dim: design.width(), k: algorithm.compared };
    let chosen = request.device.choose_for(request.clustering.algorithm(), size, request.resources.budget())?;
    audit::warn_of_features(&source, &roles, watch);
    let extras = Extras {
        rules: division.bytes(source.rows(), Kept::BYTES),
        kept: beginning.row_bytes * source.rows(),
        audited: audit::columns(request.output.audits(), &roles),
        fetched: source.fetched_ahead(),
    };
    let planned = Planned {
        source: &source,
        roles: &roles,
        design: &design,
        k: most,
        algorithm,
        resources: &request.resources,
        out: request.output.out.as_deref(),
        extras,
    };
    let plan = planned.plan(&chosen)?;
    let ladder = chosen.ladder(&request.device, size, request.resources.budget())?;
    Ok(OpenedFit { source, roles, beside, design, division, starts, ladder, plan })
}

/// What the algorithm needs for `k` segments of `rows` rows.
fn needs(clustering: &ClusteringOptions, k: usize, rows: u64) -> PlannedAlgorithm {
    let compared = clustering.compared(k, rows);
    match clustering.algorithm() {
        Algorithm::KMeans | Algorithm::Gmm => PlannedAlgorithm { compared, leaves: 0, passes: EXPECTED_PASSES },
        // One pass counts the micro-segments, the other one labels.
        Algorithm::Ward => PlannedAlgorithm { compared, leaves: rows.min(clustering.exact_leaves() as u64), passes: 1 },
    }
}

/// Checks that there are rows, and at least as many as segments.
fn vet_rows(source: &Source, k: usize) -> Result<()> {
    if source.rows() == 0 {
        return Err(Error::input("the input has no rows".into()));
    }
    if k as u64 > source.rows() {
        return Err(Error::input(format!("k = {k}, but there are only {} rows", source.rows())).of_option("--k"));
    }
    Ok(())
}

/// Reports how the id was found, which columns are left out, and which features are likely codes.
fn tell_roles(source: &Source, roles: &Roles, watch: Watch<'_>) {
    inputs::tell_id(source, roles, watch);
    roles::lines(&roles.left_out).into_iter().for_each(|line| watch.note(line));
    if !roles.codes.is_empty() {
        let names: Vec<String> = roles.codes.iter().map(|&i| source.columns()[i].name.clone()).collect();
        watch.note(format!(
            "likely codes, used as quantities: {}; encode them in a recipe (encode), or --exclude them",
            roles::few(&names)
        ));
    }
}
