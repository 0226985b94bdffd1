//! Lists: the steps from a campaign's file to its folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::Serialize;

use super::candidates::{CustomerCell, FoundCustomers, Sieve};
use super::customers::CampaignCustomers;
use super::design::{
    CampaignDesign, DESIGN_VERSION, DesignFile, DesignHoldOut, DesignJoin, DesignKey, DesignList, DesignPressure,
    DesignSuppression, DesignTable,
};
use super::draw::SideDraw;
use super::excluded::{Excluded, hashes};
use super::file::CampaignFile;
use super::files::{MemberFiles, WrittenFiles};
use super::page::page;
use super::ranked::RankedLists;
use super::strategy::{StrategyLine, segment_name, strategy};
use super::tables::Workplace;
use super::walk::{Caps, ListWalk};
use super::waterfall::{CellCounts, ListWaterfall, StepCounts, Waterfall};
use crate::error::{Error, Result};
use crate::event::{Observer, Stage, Watch};
use crate::job::Resources;
use crate::output::{MANIFEST, NewFiles, Publication, lies_in};
use crate::report::Language;
use crate::text::quoted;

/// The verb, as manifests name it.
const COMMAND: &str = "campaign lists";
/// Candidates passed between two looks at the stop flag.
const CHECKED: usize = 1 << 16;

/// Which lists to make.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct ListsRequest {
    /// The campaign: TOML with customers, suppression and lists
    #[cfg_attr(feature = "cli", arg(value_name = "FILE"))]
    pub file: PathBuf,
    /// Folder to write; replaces the lists of an earlier run there
    #[cfg_attr(feature = "cli", arg(long, short, value_name = "FOLDER", required_unless_present = "dry_run"))]
    pub out: Option<PathBuf>,
    /// Count only; write nothing
    #[cfg_attr(feature = "cli", arg(long))]
    pub dry_run: bool,
    /// Also write design and waterfall to this file, as JSON; - is the standard output
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub json: Option<PathBuf>,
    /// Also write an HTML page to this file: where customers stayed, and what is offered to
    /// whom
    #[cfg_attr(feature = "cli", arg(long, value_name = "FILE"))]
    pub report: Option<PathBuf>,
    /// Language of the page: en or zh
    #[cfg_attr(feature = "cli", arg(long, value_name = "LANG", default_value_t))]
    pub lang: Language,
    /// Threads, memory and scratch space.
    #[cfg_attr(feature = "cli", command(flatten))]
    pub resources: Resources,
}

/// What the lists came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListsOutcome {
    /// Where customers stayed.
    pub waterfall: Waterfall,
    /// What is offered to whom.
    pub strategy: Vec<StrategyLine>,
    /// What the evaluation needs; None: nothing was written.
    pub design: Option<CampaignDesign>,
}

impl ListsOutcome {
    /// The same as JSON.
    ///
    /// # Errors
    /// Never, but for a fault of this program.
    pub fn to_json(&self) -> Result<String> {
        as_json(self)
    }
}

/// Makes the lists of a campaign, and publishes them as one folder.
///
/// A customer is eligible for a list if its condition is true (unknown is not true) and he has one of its segments and
/// stages. Then, in this order: he is suppressed (the first reason counts), has been contacted often enough, is in the
/// hold-out, or is in an earlier list; else he is a candidate. Candidates are ranked by `order_by`, numbers compared as
/// doubles, what is missing last; ties by id, whole numbers in their order and text in that of a hash. The ranked list
/// is walked until so many customers are contacted as the cap allows. A customer is a control where a keyed hash of
/// campaign and id is below the share: his side depends on nothing else, and grows with the share. Rows and row groups
/// in another order, other threads and other memory give the same bytes; what exceeds the memory goes to scratch files.
///
/// # Errors
/// [`Error::Usage`]: a campaign that is not well described. [`Error::Input`]: tables that cannot be read, ids that are
/// missing or repeated, labels of other customers, or nobody left to contact.
///
/// # Examples
/// ```
/// use std::sync::atomic::AtomicBool;
///
/// use hyades::campaign::{ListsRequest, lists};
/// use hyades::event::Silent;
///
/// let folder = tempfile::tempdir()?;
/// let (file, out) = (folder.path().join("campaign.toml"), folder.path().join("lists"));
/// let input = std::path::absolute("data/customers.parquet")?;
/// let text = format!(
///     "[campaign]\nname = \"spring\"\nday = \"2027-03-01\"\nno_opt_out = \"a test\"\n[customers]\n\
///      input = [{input:?}]\n[[list]]\nname = \"first\"\ncap = 100\ncontrol = 0.2\n"
/// );
/// std::fs::write(&file, text)?;
/// let request = ListsRequest { file, out: Some(out.clone()), ..ListsRequest::default() };
/// let outcome = lists(&request, &Silent, &AtomicBool::new(false))?;
/// assert_eq!(outcome.waterfall.all.contacted, 100);
/// assert!(out.join("lists/first.csv").is_file());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn lists(request: &ListsRequest, observer: &dyn Observer, stop: &AtomicBool) -> Result<ListsOutcome> {
    let watch = Watch::new(observer, stop);
    request.resources.install(|| run(request, watch))
}

fn run(request: &ListsRequest, watch: Watch<'_>) -> Result<ListsOutcome> {
    let file = CampaignFile::read(&request.file)?;
    let out = request.out.as_deref().filter(|_| !request.dry_run);
    if out.is_none() && !request.dry_run {
        return Err(Error::usage("lists need a folder: --out FOLDER".into()).of_option("--out"));
    }
    let arguments = [file.paths(), vec![request.file.clone()]].concat();
    let publication = out.map(|out| Publication::new(out, COMMAND, &arguments)).transpose()?;
    let mut beside = files_beside(request, out, &arguments)?;
    let scratch = request.resources.existing_scratch_folder(out.or(Some(Path::new("."))));
    let place = Workplace { resources: &request.resources, scratch: &scratch, watch };
    let customers = CampaignCustomers::open(&file, place)?;
    let excluded = Excluded::read(&file, (&customers.source, customers.id), place)?;
    let holdout = file.campaign.holdout.as_ref();
    let sieve = Sieve {
        file: &file,
        customers: &customers,
        excluded: &excluded,
        draw: SideDraw::of_campaign(&file.campaign.name, file.campaign.key.as_deref())?,
        hold_out: holdout.map(|of| SideDraw::of_hold_out(of.key.as_deref())).transpose()?,
        reasons: file.suppress.iter().map(|suppress| suppress.reason.clone()).collect(),
    };
    let memory = request.resources.budget();
    let (mut found, mut ranked) = sieve.run(place, memory / 2)?;
    let mut files = publication.as_ref().map(|of| MemberFiles::new(&file, &customers, of, memory / 4)).transpose()?;
    let rows = customers.source.rows();
    watch.stage(Stage::Write, 0, "files", || walk(&file, (&mut found, &mut ranked), files.as_mut(), rows, watch))?;
    let strategy = strategy(&file, &found.cells, &found.lists, customers.names.as_deref());
    let waterfall = waterfall(&file, found, rows, customers.names.as_deref());
    warn(&waterfall, &file, &excluded, watch);
    if waterfall.all.contacted == 0 {
        return Err(Error::input(nobody(&waterfall)));
    }
    let mut outcome = ListsOutcome { waterfall, strategy, design: None };
    let written = files.map(MemberFiles::finish).transpose()?;
    if let Some((publication, written)) = publication.zip(written) {
        customers.source.vet_unchanged()?;
        let design = design(&sieve, &outcome, written);
        publication.text("waterfall.json", &as_json(&outcome.waterfall)?)?;
        publication.text("design.json", &as_json(&design)?)?;
        let manifest = serde_json::json!({"command": COMMAND, "files": publication.names()});
        publication.text(MANIFEST, &as_json(&manifest)?)?;
        publication.commit()?;
        outcome.design = Some(design);
    }
    if let Some(path) = json_file(request) {
        beside.text(path, &outcome.to_json()?)?;
    }
    if let Some(path) = &request.report {
        beside.text(path, &page(&file, &outcome.waterfall, &outcome.strategy, request.lang))?;
    }
    beside.commit()?;
    Ok(outcome)
}

/// The files beside the folder that are asked for; checked before the work.
fn files_beside(request: &ListsRequest, out: Option<&Path>, arguments: &[PathBuf]) -> Result<NewFiles> {
    let mut files = NewFiles::default();
    for (option, path) in [("--json", json_file(request)), ("--report", request.report.as_deref())] {
        let Some(path) = path else { continue };
        if out.is_some_and(|out| lies_in(path, out)) {
            let text = format!(
                "{option} {} lies in the output folder, which is replaced as a whole; name a file beside it",
                path.display()
            );
            return Err(Error::usage(text).of_file(path).of_option(option));
        }
        files.add(path, arguments)?;
    }
    Ok(files)
}

/// The file of the outcome, unless it is to be printed.
fn json_file(request: &ListsRequest) -> Option<&Path> {
    request.json.as_deref().filter(|path| *path != Path::new("-"))
}

fn as_json(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value).map_err(|e| Error::Internal(e.to_string()))? + "\n")
}

/// Walks along the lists; counts their members, and writes them if there are files.
fn walk(
    file: &CampaignFile,
    (found, ranked): (&mut FoundCustomers, &mut RankedLists),
    mut files: Option<&mut MemberFiles<'_>>,
    rows: u64,
    watch: Watch<'_>,
) -> Result<()> {
    let mut taken = vec![0u64; rows.div_ceil(64) as usize];
    for (list, options) in file.list.iter().enumerate() {
        let mut walk = ListWalk::new(Caps { all: options.cap, by_place: options.cap_per.as_ref().map(|per| per.most) });
        for (passed, candidate) in ranked.take(list)?.enumerate() {
            if walk.is_full() {
                break;
            }
            if passed % CHECKED == 0 {
                watch.check()?;
            }
            let candidate = candidate?;
            let (word, bit) = ((candidate.row / 64) as usize, 1 << (candidate.row % 64));
            if taken[word] & bit != 0 {
                continue;
            }
            if let Some(member) = walk.pass(&candidate) {
                taken[word] |= bit;
                found.member(list, &candidate);
                files.as_mut().map_or(Ok(()), |files| files.push(list, member))?;
            }
        }
    }
    Ok(())
}

/// All counts, cells in the order of segment and stage.
fn waterfall(file: &CampaignFile, found: FoundCustomers, customers: u64, names: Option<&[String]>) -> Waterfall {
    let reasons: Vec<String> = file.suppress.iter().map(|suppress| suppress.reason.clone()).collect();
    let of_list = |(options, list): (&super::ListOptions, BTreeMap<u32, StepCounts>)| {
        let mut counts = StepCounts::new(&reasons);
        let mut cells: BTreeMap<(Option<i64>, Option<&str>), StepCounts> = BTreeMap::new();
        for (cell, of) in list {
            counts.merge(&of);
            let CustomerCell { segment, stage, .. } = &found.cells[cell as usize];
            let known = cells.entry((*segment, stage.as_deref())).or_insert_with(|| StepCounts::new(&reasons));
            known.merge(&of);
        }
        let cell = |((segment, stage), counts): ((_, Option<&str>), _)| CellCounts {
            segment,
            segment_name: segment_name(names, segment),
            stage: stage.map(str::to_owned),
            counts,
        };
        let cells = cells.into_iter().map(cell).collect();
        ListWaterfall { name: options.name.clone(), counts, cells }
    };
    let lists = file.list.iter().zip(found.lists).map(of_list).collect();
    Waterfall { customers, not_eligible: found.not_eligible, all: found.all, lists }
}

/// Tells what is likely a mistake.
fn warn(waterfall: &Waterfall, file: &CampaignFile, excluded: &Excluded, watch: Watch<'_>) {
    if let Some(why) = &file.campaign.no_opt_out {
        watch.warn(format!("no list of customers who object to marketing is used: {why}"));
    }
    if file.campaign.key.is_none() {
        watch.note(
            "control groups are drawn by the name of the campaign; a secret key keeps them unforeseeable".to_owned(),
        );
    }
    for ids in excluded.suppressed.iter().filter(|ids| ids.matched() == 0) {
        let (reason, n) = (quoted(&ids.reason), ids.ids());
        watch.warn(format!("suppression {reason}: none of its {n} ids is that of a customer; check its column of ids"));
    }
    for list in &waterfall.lists {
        let name = quoted(&list.name);
        if list.counts.contacted == 0 {
            watch.warn(format!("list {name}: nobody is contacted"));
        } else if list.counts.control == 0 {
            watch.warn(format!("list {name}: its control group is empty, so that nothing can be measured"));
        }
    }
}

/// Why there is no one to contact.
fn nobody(waterfall: &Waterfall) -> String {
    let all = &waterfall.all;
    let suppressed: u64 = all.suppressed.iter().map(|of| of.customers).sum();
    format!(
        "nobody is left to contact: of {} customers, {} are eligible; {suppressed} of these are suppressed, {} were \
         contacted often enough, {} are in the hold-out and {} in control groups",
        waterfall.customers, all.eligible, all.pressure, all.holdout, all.control
    )
}

fn key(draw: &SideDraw, secret: bool, otherwise: &str) -> DesignKey {
    DesignKey {
        from: if secret { "secret".into() } else { otherwise.to_owned() },
        check: draw.key_check(),
        method: "keyed blake3 of the id's text; drawn where the first 64 bits, little-endian, are below share * 2^64"
            .into(),
    }
}

fn files(found: &[(String, String)]) -> Vec<DesignFile> {
    found.iter().cloned().map(Into::into).collect()
}

/// A list as the design tells it.
fn design_list(options: &super::ListOptions, of: &ListWaterfall, file: DesignFile) -> DesignList {
    DesignList {
        name: options.name.clone(),
        control_share: options.control,
        control_share_of: options.control_of.clone(),
        channel: options.channel.clone(),
        product: options.product.clone(),
        script: options.script.clone(),
        cost_per_contact: options.cost_per_contact,
        condition: options.condition.clone(),
        order_by: options.order_by.clone(),
        like: options.like.as_ref().map(|path| path.display().to_string()),
        cap: options.cap,
        contacted: of.counts.contacted,
        control: of.counts.control,
        file,
    }
}

/// What was decided, and what was written.
fn design(sieve: &Sieve<'_>, outcome: &ListsOutcome, written: WrittenFiles) -> CampaignDesign {
    let waterfall = &outcome.waterfall;
    let Sieve { file, customers, excluded, .. } = sieve;
    let campaign = &file.campaign;
    let list = |((options, of), file)| design_list(options, of, file);
    let suppressed = excluded.suppressed.iter().map(|of| DesignSuppression {
        reason: of.reason.clone(),
        ids: of.ids(),
        matched: of.matched(),
        files: files(&of.files),
    });
    let holdout = campaign.holdout.as_ref().zip(sieve.hold_out.as_ref());
    let pressure = file.pressure.as_ref();
    let source = &customers.source;
    let of_tables = source.joined_files().map(|f| (f.path.display().to_string(), f.footer_hash().to_owned()));
    let mut inputs: Vec<_> = hashes(source).into_iter().chain(of_tables).map(Into::into).collect();
    inputs.dedup();
    let joined = customers.joins.iter().map(|join| DesignJoin {
        path: join.path.clone(),
        matched: join.matched,
        unmatched: join.unmatched,
    });
    CampaignDesign {
        design_version: DESIGN_VERSION,
        hyades: env!("CARGO_PKG_VERSION").into(),
        campaign: campaign.name.clone(),
        day: campaign.day.clone(),
        key: key(&sieve.draw, campaign.key.is_some(), "name"),
        holdout: holdout
            .map(|(of, draw)| DesignHoldOut { share: of.share, key: key(draw, of.key.is_some(), "default") }),
        no_opt_out: campaign.no_opt_out.clone(),
        id: source.columns()[customers.id].name.clone(),
        customers: waterfall.customers,
        lists: file.list.iter().zip(&waterfall.lists).zip(written.lists).map(list).collect(),
        suppressed: suppressed.collect(),
        pressure: pressure.map(|of| DesignPressure {
            window_days: of.window_days,
            most: of.most,
            files: files(&excluded.contacts),
        }),
        inputs,
        joined: joined.collect(),
        products: campaign.products.clone(),
        channel: campaign.channel.clone(),
        strategy: outcome.strategy.clone(),
        assignments: DesignTable { path: "assignments.parquet".into(), rows: written.rows, blake3: written.blake3 },
    }
}
