//! Choose: how many segments. One decoding of the input, and for each number of segments a fit of all rows, its
//! indices, and fits of a sample that say how far it is to be trusted.

use std::path::Path;
use std::time::Instant;

use super::base::Beginning;
use super::inputs;
use super::opened::{OpenedFit, open};
use super::part::on_any_device;
use super::request::{
    CheckedFit, CheckedSearch, ChoiceFiles, ChooseRequest, FitRequest, InitRequest, OutputOptions, SearchOptions,
    SegmentCount, SegmentRange,
};
use crate::backend::{Backend, Centroids, Session};
use crate::choose::{Alternative, ChoiceReport, Recommendation, SeedAgreement, page, recommend};
use crate::cluster::{Algorithm, GapReferences, Init, KMeans, Study, distinct, open_session, too_few};
use crate::error::{Error, Result};
use crate::event::{Observer, Of, Stage, Watch};
use crate::numeric::{Contingency, power_of_two};
use crate::output::NewFiles;
use crate::prepare::{Prepared, prepare};
use crate::text::percent;
use crate::tiles::Tiles;
use crate::validity::{PartitionSums, Unit, Validity};

/// The most trials of swaps in a fit of the sample: enough to leave a bad optimum.
const TRIALS: u32 = 6;
/// The segments of a row by two numbers, which are compared.
pub(super) const ROW_BYTES: u64 = 4;
/// The most segments of which the report says where customers go as their number grows.
const MOST_FLOWS: usize = 256;

/// Looks for the number of segments of a table, and says why. Writes the files that the request names.
///
/// The segments of each number are found like those of a fit; of more rows than the sample of a fit, with a shorter
/// search for a better optimum.
///
/// # Errors
/// Whatever a fit refuses, a range above the number of rows, or an interruption.
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::event::Silent;
/// use hyades::job::{ChooseRequest, InputOptions, SearchOptions, choose};
///
/// let search = SearchOptions { k: Some("2..4".parse()?), replicates: Some(0), ..SearchOptions::default() };
/// let input = InputOptions::of(["data/customers.parquet"]);
/// let request = ChooseRequest { input, search, ..ChooseRequest::default() };
/// let report = choose(&request, &Silent, &AtomicBool::new(false))?;
/// assert_eq!(report.alternatives.iter().map(|a| a.k).collect::<Vec<_>>(), [2, 3, 4]);
/// assert!(report.alternatives[0].validity.silhouette.is_some());
/// # Ok::<(), hyades::Error>(())
/// ```
pub fn choose(
    request: &ChooseRequest,
    observer: &dyn Observer,
    stop: &std::sync::atomic::AtomicBool,
) -> Result<ChoiceReport> {
    let watch = Watch::new(observer, stop);
    let search = request.search.check()?;
    let checked = request.fit(search.range.high).check()?;
    request.resources.install(|| run(&request.files, &checked, search, watch))
}

/// The request of a fit with its number of segments: as many as are recommended, if that is to be chosen.
pub(super) fn decided(request: &FitRequest, watch: Watch<'_>) -> Result<(FitRequest, Option<Recommendation>)> {
    let Some(range) = request.clustering.range() else { return Ok((request.clone(), None)) };
    let refuse = |text: &str| Err(Error::usage(format!("k = {range}: {text}")).of_option("--k"));
    if request.division.rules.is_some() {
        return refuse("with --rules, give the number of segments; hyades choose looks at one part at a time");
    }
    if request.clustering.algorithm() != Algorithm::KMeans {
        return refuse("the number is chosen for k-means; give it, or leave out --algorithm");
    }
    if request.clustering.init() != InitRequest::PlusPlus {
        return refuse("the starting centroids of --init are for one number of segments; give it, or leave out --init");
    }
    let search = SearchOptions { k: Some(range), ..SearchOptions::default() }.check()?;
    let mut tried = request.clone();
    tried.clustering.k = Some(SegmentCount::Number(range.high));
    // What is read and where scratch files lie are those of the fit; nothing is written.
    let silent = OutputOptions { no_profile: true, audit: false, max_disparity: None, ..tried.output };
    tried.output = OutputOptions { json: None, report: None, previous_profile: None, ..silent };
    let checked = tried.check()?;
    // The fit will say the same of the input.
    let within = Of::new(watch, "choosing k").without_notes();
    let found = request.resources.install(|| run(&ChoiceFiles::default(), &checked, search, watch.to(&within)));
    let report = found?;
    let choice = report.recommendation;
    let Some(k) = choice.first else {
        let whys = choice.votes.iter().map(|vote| format!("{}: {}", vote.criterion.name(), vote.why));
        let whys = whys.collect::<Vec<String>>().join("; ");
        let text = format!("k = {range}: no criterion names a number of segments ({whys}); try a higher range");
        return Err(Error::input(text).of_option("--k"));
    };
    match choice.clear {
        true => watch.note(choice.summary.en.clone()),
        false => watch.warn(format!("{}; {k} are taken", choice.summary)),
    }
    let mut decided = request.clone();
    decided.clustering.k = Some(SegmentCount::Number(k));
    Ok((decided, Some(choice)))
}

fn run(asked: &ChoiceFiles, checked: &CheckedFit, search: CheckedSearch, watch: Watch<'_>) -> Result<ChoiceReport> {
    let (began, request) = (Instant::now(), &checked.request);
    let json = asked.json.as_deref().filter(|path| *path != Path::new("-"));
    let wanted = [json, asked.csv.as_deref(), asked.report.as_deref()];
    let (mut files, arguments) = (NewFiles::default(), request.arguments());
    wanted.into_iter().flatten().try_for_each(|path| files.add(path, &arguments))?;
    let mut opened = open(checked, Beginning { row_bytes: ROW_BYTES, ..Beginning::default() }, watch)?;
    opened.plan.summary().into_iter().for_each(|line| watch.note(line));
    let needed = inputs::needed(&opened.design, &opened.roles);
    inputs::join(&mut opened.source, &needed, &request.resources, None, watch)?;
    let OpenedFit { source, roles, design, ladder, plan, .. } = &opened;
    let placement = plan.placement(&request.resources, request.device.simd);
    let prepared = prepare(source, roles, design, &checked.recipe, &placement, watch)?;
    let table = PreparedTable { checked, opened: &opened, prepared: &prepared, search };
    let starter = table.starter();
    let study = Study::of(&prepared.tiles, checked.request.clustering.seed(), search.sample, starter, watch.quiet())?
        .with_trials(TRIALS);
    let report = table.search(&study, began, watch)?;
    source.vet_unchanged()?;
    drop(study);
    ladder.backend().abandon();
    if let Some(path) = json {
        files.text(path, &report.to_json()?)?;
    }
    if let Some(path) = &asked.csv {
        files.text(path, &as_csv(&report))?;
    }
    if let Some(path) = &asked.report {
        files.text(path, &page(&report, asked.lang))?;
    }
    files.commit()?;
    Ok(report)
}

/// The rows, and what is to be tried on them.
struct PreparedTable<'a> {
    checked: &'a CheckedFit,
    opened: &'a OpenedFit,
    prepared: &'a Prepared,
    search: CheckedSearch,
}

/// The segment of each row, and what was found about them.
struct Tried {
    segments: Vec<u16>,
    alternative: Alternative,
}

impl PreparedTable<'_> {
    /// The reference backend starts on itself; every other backend may start on the CPU, with the same result.
    fn starter(&self) -> &dyn Backend {
        let backend = self.opened.ladder.backend();
        if backend.name() == "reference" { backend } else { self.opened.ladder.cpu() }
    }

    /// Tries one number after the other, as long as there is time.
    fn search(&self, study: &Study<'_>, began: Instant, watch: Watch<'_>) -> Result<ChoiceReport> {
        let CheckedSearch { range, seeds, replicates, halvings, references, max_time, .. } = self.search;
        let SegmentRange { low, high } = self.possible(range, watch)?;
        let seed = self.checked.request.clustering.seed();
        let (mut tried, mut flows): (Vec<Tried>, Vec<Vec<Vec<u64>>>) = (Vec::new(), Vec::new());
        watch.stage(Stage::Choose, (low..=high).sum::<usize>() as u64, "segments", || {
            if 2 * high as u64 > study.rows() {
                watch.warn(format!(
                    "a sample of {} rows is small for {high} segments: fits of it may say nothing; give a larger --sample",
                    study.rows()
                ));
            }
            let boxes = study.references(seed, references)?;
            for k in low..=high {
                watch.check()?;
                if k > low && max_time.is_some_and(|limit| began.elapsed() >= limit) {
                    watch.warn(format!("the time is up: {k} to {high} segments were not tried (--max-time)"));
                    break;
                }
                let next = self.try_number(k, (study, &boxes), watch)?;
                watch.note(line(&next.alternative));
                if let Some(before) = tried.last_mut() {
                    flows.extend((high <= MOST_FLOWS).then(|| flow(before, &next)));
                    before.segments = Vec::new();
                }
                tried.push(next);
                watch.advance(Stage::Choose, k as u64);
            }
            Ok(())
        })?;
        let reproducible = tried.len() == high - low + 1;
        let range = [range.low, range.high];
        let alternatives: Vec<Alternative> = tried.into_iter().map(|tried| tried.alternative).collect();
        Ok(ChoiceReport {
            rows: self.prepared.tiles.rows(),
            features: self.prepared.recipe.columns.iter().map(|column| column.name.clone()).collect(),
            range,
            seed,
            sample_rows: study.rows(),
            seeds,
            replicates,
            halvings,
            references,
            reproducible,
            recommendation: recommend(&alternatives),
            alternatives,
            flows,
        })
    }

    /// The numbers that the distinct rows allow.
    fn possible(&self, range: SegmentRange, watch: Watch<'_>) -> Result<SegmentRange> {
        let most = distinct(&self.prepared.tiles, range.high, watch)?;
        if most < range.low {
            return Err(too_few(range.low, most));
        }
        if most < range.high {
            watch.warn(format!("only {most} rows are distinct: no more than {most} segments are tried"));
        }
        Ok(SegmentRange { high: most, ..range })
    }

    /// Fits `k` segments, and measures them.
    fn try_number(&self, k: usize, (study, boxes): (&Study<'_>, &GapReferences), watch: Watch<'_>) -> Result<Tried> {
        let (tiles, quiet) = (&self.prepared.tiles, watch.quiet());
        let kmeans = self.kmeans(k);
        let ladder = &self.opened.ladder;
        let recover = |fault: &Error| ladder.after(fault, watch);
        let (fit, session) = kmeans.fit_briefly(tiles, (ladder.backend(), self.starter()), &recover, quiet)?;
        let mut session = Some(session);
        let reopen = |fault: Error| {
            let other = recover(&fault).ok_or(fault)?;
            open_session(other, tiles, k, &recover, quiet)
        };
        let labelled = |session: &mut dyn Session| labelled(tiles, &fit.centroids, session, quiet);
        let (segments, sums) = on_any_device(&mut session, &reopen, labelled)?;
        drop(session);
        let unit = Unit { step: self.prepared.recipe.step(), weight: power_of_two(self.prepared.weight_exponent) };
        let validity = Validity::of(tiles, &segments, &sums, unit, quiet)?;
        let mut sizes = vec![0u64; k];
        segments.iter().for_each(|&segment| sizes[usize::from(segment)] += 1);
        let CheckedSearch { seeds, replicates, halvings, .. } = self.search;
        let seeds = study.seeds(&kmeans, &fit.centroids, seeds)?;
        let stability = match replicates {
            0 => None,
            replicates => Some(study.stability(&kmeans, &fit.centroids, replicates)?),
        };
        let alternative = Alternative {
            k,
            sizes,
            validity,
            gap: study.gap(&kmeans, boxes, &seeds)?,
            prediction_strength: study.prediction_strength(&kmeans, halvings)?,
            agreement: SeedAgreement::of(&seeds.adjusted_rand),
            stability,
        };
        Ok(Tried { segments, alternative })
    }

    fn kmeans(&self, k: usize) -> KMeans {
        let options = &self.checked.request.clustering;
        let (n_init, init) = (options.n_init_of(k), Init::PlusPlus);
        KMeans { k, n_init, init, effort: options.effort(), limits: options.limits(), seed: options.seed() }
    }
}

/// The segment of every row, and the sums of the segments.
fn labelled(
    tiles: &Tiles,
    centroids: &Centroids,
    session: &mut dyn Session,
    watch: Watch<'_>,
) -> Result<(Vec<u16>, PartitionSums)> {
    let mut segments = Vec::with_capacity(tiles.rows() as usize);
    let mut about = vec![(0u64, 0u128); centroids.k()];
    session.centroidal().label(centroids, false, watch, &mut |part| {
        // A segment is below `MAX_K`.
        segments.extend(part.labels.iter().map(|&label| label as u16));
        let rows = part.labels.iter().zip(&part.distance2);
        match tiles.weights() {
            None => rows.for_each(|(&label, &distance2)| {
                let (rows, sum) = &mut about[label as usize];
                (*rows, *sum) = (*rows + 1, *sum + u128::from(distance2));
            }),
            Some(weights) => {
                rows.zip(&weights[part.first_row as usize..]).for_each(|((&label, &distance2), &weight)| {
                    let (rows, sum) = &mut about[label as usize];
                    (*rows, *sum) = (*rows + u64::from(weight > 0), *sum + u128::from(weight) * u128::from(distance2));
                })
            }
        }
        Ok(())
    })?;
    let pass = session.centroidal().pass(centroids, watch)?;
    Ok((segments, PartitionSums::of_pass(&pass, centroids, &about)))
}

/// Rows by segment of one number and of the next.
fn flow(before: &Tried, next: &Tried) -> Vec<Vec<u64>> {
    let mut counts = Contingency::new(before.alternative.k, next.alternative.k);
    let pairs = before.segments.iter().zip(&next.segments);
    pairs.for_each(|(&a, &b)| counts.add(usize::from(a), usize::from(b)));
    counts.lines().map(<[u64]>::to_vec).collect()
}

/// What was found, for those who watch.
fn line(of: &Alternative) -> String {
    let silhouette = of.validity.silhouette.map_or_else(String::new, |v| format!(", silhouette {v:.3}"));
    format!("k = {}: {} of the variance explained{silhouette}", of.k, percent(of.validity.explained))
}

/// A line for each number of segments.
fn as_csv(report: &ChoiceReport) -> String {
    let head = "k,smallest,explained,within,calinski_harabasz,davies_bouldin,silhouette,simplified_silhouette,gap,\
                gap_error,prediction_strength,seeds_mean,seeds_least,jaccard_least,votes\n";
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let line = |a: &Alternative| {
        let validity = &a.validity;
        let cells = [
            a.k.to_string(),
            validity.smallest.to_string(),
            validity.explained.to_string(),
            validity.within.to_string(),
            number(validity.calinski_harabasz),
            number(validity.davies_bouldin),
            number(validity.silhouette),
            number(validity.simplified_silhouette),
            number(a.gap.map(|gap| gap.gap)),
            number(a.gap.map(|gap| gap.error)),
            number(a.prediction_strength),
            number(a.agreement.map(|seeds| seeds.mean)),
            number(a.agreement.map(|seeds| seeds.least)),
            number(a.least_stable()),
            report.recommendation.votes_for(a.k).to_string(),
        ];
        cells.join(",") + "\n"
    };
    head.to_owned() + &report.alternatives.iter().map(line).collect::<String>()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::*;
    use crate::event::Silent;
    use crate::job::{InputOptions, TimeLimit};

    #[test]
    fn when_the_time_is_up_the_report_says_so() {
        let search = SearchOptions {
            k: Some(SegmentRange { low: 2, high: 5 }),
            max_time: Some(TimeLimit(Duration::from_nanos(1))),
            replicates: Some(0),
            ..SearchOptions::default()
        };
        let input = InputOptions::of(["data/customers.parquet"]);
        let request = ChooseRequest { input, search, ..ChooseRequest::default() };
        let report = choose(&request, &Silent, &AtomicBool::new(false)).unwrap();
        assert_eq!((report.alternatives.len(), report.flows.len(), report.reproducible), (1, 0, false));
        assert_eq!(report.range, [2, 5]);
    }
}
