//! Two or more labellings of the same rows: how far they agree, which segments correspond, and what differs.
//!
//! Labellings enter as tables of ids and segments, or as folders of fits and versions (`place`); a [`CompareReport`]
//! leaves. The segment of every row is held in memory in two bytes (`labels`); rows are matched by id in as many rounds
//! as fit the memory, or by their order, and counted by pair (`rows`). Everything else follows from the counts: indices
//! and counterparts (`pair`), what may be told of them (`told`), and sentences (`words`). A row without a segment is in
//! no index, since noise is no cluster.
//!
//! Deliberately absent: a verdict on which labelling is better.

mod labels;
mod page;
mod pair;
mod place;
mod report;
mod request;
mod rows;
mod scores;
mod told;
mod words;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

pub use self::place::{LabellingKind, LabellingOrigin};
pub use self::report::{
    AgreementIndices, CompareReport, ComparedLabelling, ComparedSegment, ContingencyTable, LabellingPair,
    SegmentPartner,
};
pub use self::request::{CompareOutput, CompareRequest};
pub use self::scores::LabellingScores;

use self::labels::RowLabels;
use self::pair::ComparedPair;
use self::place::LabellingPlace;
use self::rows::{LabelledTable, MatchedRows, by_id, bytes_of_pairs, in_order, matched};
use self::told::ToldCounts;
use self::words::differences;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Observer, Stage, Watch};
use crate::input::{Opening, Source};
use crate::output::NewFiles;
use crate::roles::guess_id;
use crate::text::{Phrase, did_you_mean, thousands};
use crate::validity::Validity;

/// Compares labellings of the same rows, and writes the files `json` (unless it is `-`) and `report` of the request.
///
/// # Errors
/// Fewer than two labellings; one that cannot be read, or has no column of segments; ids of different kinds; two
/// without a row in common; an input that no model prepares.
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::compare::{CompareRequest, compare};
/// use hyades::event::Silent;
///
/// let folder = tempfile::tempdir()?;
/// let path = |name: &str| folder.path().join(name);
/// std::fs::write(path("a.csv"), "id,segment\n1,gold\n2,gold\n3,basic\n4,basic\n")?;
/// std::fs::write(path("b.csv"), "id,segment\n4,0\n3,0\n2,1\n1,1\n")?;
/// let request = CompareRequest { labellings: vec![path("a.csv"), path("b.csv")], ..CompareRequest::default() };
/// let report = compare(&request, &Silent, &AtomicBool::new(false))?;
/// assert_eq!(report.pairs[0].agreement.map(|found| found.adjusted_rand), Some(1.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn compare(request: &CompareRequest, observer: &dyn Observer, stop: &AtomicBool) -> Result<CompareReport> {
    let watch = Watch::new(observer, stop);
    request.check()?;
    request.resources.install(|| run(request, watch))
}

fn run(request: &CompareRequest, watch: Watch<'_>) -> Result<CompareReport> {
    let mut files = NewFiles::default();
    let out = &request.output;
    let arguments = request.arguments();
    request.json().into_iter().chain(out.report.as_deref()).try_for_each(|path| files.add(path, &arguments))?;
    let mut notes = Notes::default();
    let (places, mut tables) = opened(request, watch)?;
    let recipe = scores::recipe(request, &places)?;
    let budget = request.resources.budget();
    let rows: u64 = tables.iter().map(|table| table.source.rows()).sum();
    planned(2 * rows, budget)?;
    watch.stage(Stage::Compare, rows, "rows", || read(request, &mut tables, watch))?;
    notes.of_noise(request, &tables);
    let by_id = by_id(&tables)?;
    let held = 2 * rows + bytes_of_pairs(&tables);
    planned(held, budget)?;
    let found = watch.stage(Stage::Compare, rows, "rows", || match by_id {
        true => matched(&tables, (budget - held) / 2, watch),
        false => in_order(&tables, watch),
    })?;
    tables.iter().try_for_each(|table| table.source.vet_unchanged())?;
    notes.of_rows(&tables, &found, by_id);
    vet_common(&tables, &found)?;
    let scored = match &recipe {
        Some(model) => scores::scores(request, model, &tables, budget - held, watch)?,
        None => Vec::new(),
    };
    notes.of_scores(recipe.as_deref());
    let found = ReadLabellings { places: &places, tables: &tables, rows: &found, scores: &scored };
    let report = found.report(request, notes);
    if let Some(path) = request.json() {
        files.text(path, &report.to_json()?)?;
    }
    if let Some(path) = &out.report {
        files.text(path, &page::page(&report, out.lang))?;
    }
    files.commit()?;
    Ok(report)
}

/// Refuses what does not fit the memory, which is known before anything is read.
fn planned(bytes: u64, budget: u64) -> Result<()> {
    if bytes <= budget {
        return Ok(());
    }
    let [needed, allowed] = [bytes, budget].map(|bytes| format!("{} KiB", thousands(bytes.div_ceil(1 << 10))));
    let text = format!(
        "the segments of all rows and the counts of all pairs take {needed} of memory, and {allowed} are allowed; raise \
         --memory, or compare fewer labellings at a time"
    );
    Err(Error::environment(text).of_kind(ErrorKind::Memory).of_option("--memory"))
}

/// What a labelling is called.
fn letter(at: usize) -> String {
    char::from(b'A' + at as u8).to_string()
}

/// Opens all labellings, and finds their columns.
fn opened(request: &CompareRequest, watch: Watch<'_>) -> Result<(Vec<LabellingPlace>, Vec<LabelledTable>)> {
    let access = request.access();
    let scratch = request.resources.existing_scratch_folder(request.first_output().and_then(Path::parent));
    let opening = Opening { access: &access, scratch: &scratch, watch };
    let mut all = (Vec::new(), Vec::new());
    for (at, path) in request.labellings.iter().enumerate() {
        let place = LabellingPlace::of(path)?;
        let source = Source::open_as(&[place.table.clone()], opening)?;
        let called = format!("{} ({})", letter(at), path.display());
        let segment = match CompareRequest::named(&request.segment, at) {
            Some(name) => column(&source, name, &called, ("segments", "--segment"))?,
            // A version may be without identities.
            None => match source.position(place.column()) {
                Some(column) => column,
                None => column(&source, "segment", &called, ("segments", "--segment"))?,
            },
        };
        let remembered = place.made.id.as_deref().and_then(|id| source.position(id));
        let id = match CompareRequest::named(&request.id, at) {
            Some(name) => Some(column(&source, name, &called, ("ids", "--id"))?),
            None => remembered.or_else(|| guess_id(source.columns(), &[source.columns()[segment].name.clone()])),
        };
        all.0.push(place);
        all.1.push(LabelledTable { at: called, source, id, segment, labels: RowLabels::default() });
    }
    Ok(all)
}

fn column(source: &Source, name: &str, at: &str, (what, option): (&str, &'static str)) -> Result<usize> {
    source.position(name).ok_or_else(|| {
        let hint = did_you_mean(name, source.columns().iter().map(|column| column.name.as_str()));
        let text = format!("{at} has no column of {what} {name:?}{hint}; name it with {option}");
        Error::usage(text).of_kind(ErrorKind::Column).of_columns([name]).of_option(option)
    })
}

/// Reads the segments of all rows.
fn read(request: &CompareRequest, tables: &mut [LabelledTable], watch: Watch<'_>) -> Result<()> {
    for table in tables {
        table.labels = RowLabels::read(&table.source, table.segment, &request.noise, &table.at, watch)?;
    }
    Ok(())
}

/// Refuses labellings without a row in common.
fn vet_common(tables: &[LabelledTable], found: &MatchedRows) -> Result<()> {
    let is_apart = |counts: &rows::PairCounts| {
        let within = |line: usize| (0..counts.columns - 1).map(move |column| counts.count(line, column)).sum::<u64>();
        (0..counts.lines() - 1).map(within).sum::<u64>() == 0
    };
    let Some(apart) = found.pairs.iter().find(|counts| is_apart(counts)) else { return Ok(()) };
    let [a, b] = apart.pair.map(|of| &tables[of].at);
    if tables.iter().all(|table| table.source.rows() == 0) {
        return Err(Error::input(format!("{a} and {b} have no rows; name labellings of the same rows")));
    }
    let id = |of: usize| tables[of].id.map_or("", |id| tables[of].source.columns()[id].name.as_str());
    let ids = apart.pair.map(id);
    let text = format!(
        "{a} and {b} have no row in common by the ids {:?} and {:?}; name other columns with --id, or compare labellings \
         of the same rows",
        ids[0], ids[1]
    );
    Err(Error::input(text).of_kind(ErrorKind::Values).of_columns(ids).of_option("--id"))
}

/// What to know before trusting the figures.
#[derive(Default)]
struct Notes(Vec<Phrase>);

impl Notes {
    /// Numbers that look like noise, but count as segments.
    fn of_noise(&mut self, request: &CompareRequest, tables: &[LabelledTable]) {
        for (at, table) in tables.iter().enumerate().filter(|_| request.noise.is_empty()) {
            if table.labels.names.iter().any(|name| name == "-1") {
                let name = letter(at);
                self.0.push(Phrase::new(
                    format!("{name} has the segment -1, which counts as one; if it is noise, say --noise -1"),
                    format!("{name} 中有客群 -1，按普通客群计算；如为噪声，请加 --noise -1"),
                ));
            }
        }
        if tables.iter().any(|table| table.labels.codes.contains(&labels::NO_CODE)) {
            self.0.push(Phrase::new(
                "rows without a segment (noise) are no cluster: they are left out of every index, and their share is told",
                "未归入任何客群的行（噪声）不视为客群：不参与任何指标的计算，其占比单独列示",
            ));
        }
    }

    /// How rows were matched, and which do not count.
    fn of_rows(&mut self, tables: &[LabelledTable], found: &MatchedRows, by_id: bool) {
        if !by_id {
            let without: Vec<String> =
                tables.iter().zip(0..).filter(|(table, _)| table.id.is_none()).map(|(_, at)| letter(at)).collect();
            self.0.push(Phrase::new(
                format!("rows are matched by their order, since there are no ids in {}", without.join(", ")),
                format!("{} 没有客户编号，各表按行的先后顺序逐行对应", without.join("、")),
            ));
        }
        for (at, member) in found.members.iter().enumerate() {
            let (name, [without, repeated]) = (letter(at), [member.without_id, member.repeated].map(thousands));
            if member.without_id > 0 {
                self.0.push(Phrase::new(
                    format!("{name}: {without} rows without an id do not count"),
                    format!("{name}：{without} 行缺少客户编号，未计入"),
                ));
            }
            if member.repeated > 0 {
                self.0.push(Phrase::new(
                    format!("{name}: {repeated} rows repeat the id of one before; the first of each counts"),
                    format!("{name}：{repeated} 行客户编号重复，仅计首行"),
                ));
            }
        }
    }

    /// How rows were prepared, and what internal indices favour.
    fn of_scores(&mut self, model: Option<&Path>) {
        let Some(model) = model else { return };
        let model = model.display();
        self.0.push(Phrase::new(
            format!(
                "internal indices are of the rows as {model} prepares them; they favour compact segments around a mean, \
                 as k-means makes, and so k-means itself"
            ),
            format!(
                "内部指标按 {model} 的数据处理方式计算；这类指标偏好围绕均值的紧凑客群，即 k-means 的结果形态，因而偏向 k-means"
            ),
        ));
    }

    /// What is withheld.
    fn of_told(&mut self, told: &ToldCounts, limit: u64) {
        if told.pairs.iter().any(told::ToldPair::withholds) {
            self.0.push(Phrase::new(
                format!(
                    "counts of fewer than {limit} rows, and others from which they would follow, are withheld; indices of \
                     these pairs have three decimals, Jaccard indices two"
                ),
                format!("少于 {limit} 行的计数及可据以推算的计数不予展示；相应的指标保留三位小数，Jaccard 系数保留两位"),
            ));
        }
    }
}

/// All that is known when everything is read.
struct ReadLabellings<'a> {
    places: &'a [LabellingPlace],
    tables: &'a [LabelledTable],
    rows: &'a MatchedRows,
    /// By labelling; empty without an input.
    scores: &'a [Validity],
}

impl ReadLabellings<'_> {
    fn report(&self, request: &CompareRequest, mut notes: Notes) -> CompareReport {
        let ReadLabellings { tables, rows, .. } = self;
        let limit = request.small_cells();
        let told = ToldCounts::of(&rows.pairs, tables.len(), limit);
        notes.of_told(&told, limit);
        let letters: Vec<String> = (0..tables.len()).map(letter).collect();
        let pair = |(counts, told): (&rows::PairCounts, &told::ToldPair)| {
            let [a, b] = counts.pair;
            let names = [a, b].map(|of| tables[of].labels.names.as_slice());
            let pair = ComparedPair::new([&letters[a], &letters[b]], names, told, limit);
            pair.report(differences(&pair))
        };
        let labellings = request.labellings.iter().enumerate();
        CompareReport {
            matched_by_id: tables.iter().all(|table| table.id.is_some()),
            small_cells: limit,
            labellings: labellings.map(|(at, path)| self.labelling((at, path), &told.sizes[at], limit)).collect(),
            pairs: rows.pairs.iter().zip(&told.pairs).map(pair).collect(),
            notes: notes.0,
        }
    }

    /// A labelling by itself; `sizes` has that of no segment last.
    fn labelling(&self, (at, path): (usize, &PathBuf), sizes: &[Option<u64>], limit: u64) -> ComparedLabelling {
        let (place, table, member) = (&self.places[at], &self.tables[at], self.rows.members[at]);
        let names = &table.labels.names;
        let share = |n: u64| n as f64 / member.customers.max(1) as f64;
        let is_numbered = table.source.columns()[table.segment].name == "segment";
        let scores = self.scores.get(at).map(|found| LabellingScores::of(found, limit));
        let segment = |(code, (name, &rows)): (usize, (&String, &Option<u64>))| {
            let number = name.parse::<usize>().ok().filter(|_| is_numbered);
            let silhouette = scores.as_ref().and_then(|scores| scores.by_segment.get(code).copied().flatten());
            ComparedSegment {
                segment: name.clone(),
                rows,
                share: rows.map(share),
                stability: number.and_then(|number| place.made.stability.get(number).copied().flatten()),
                silhouette: silhouette.filter(|_| rows.is_some()),
            }
        };
        let noise = sizes[names.len()];
        ComparedLabelling {
            name: letter(at),
            path: path.display().to_string(),
            kind: place.kind,
            version: place.version,
            rows: member.customers,
            rows_without_id: member.without_id,
            repeated_rows: member.repeated,
            segments: names.iter().zip(sizes).enumerate().map(segment).collect(),
            noise,
            noise_share: noise.map(share),
            smallest: sizes[..names.len()].iter().copied().min().flatten(),
            made: place.made.clone(),
            scores,
        }
    }
}
