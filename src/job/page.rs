//! The page of a job's segments: where it goes, and what it says of how they were made.

use std::path::{Path, PathBuf};

use super::request::OutputOptions;
use crate::error::{Error, Result};
use crate::input::Source;
use crate::model::PartModel;
use crate::output::{NewFiles, lies_in};
use crate::portrait::{BesideProfile, EarlierPage, SegmentTree, made, portrait};
use crate::profile::ProfileReport;
use crate::report::Language;
use crate::roles::few;

/// The file of the page; none, if nobody asked for it.
pub(crate) struct PageFile(Option<OpenPage>);

struct OpenPage {
    files: NewFiles,
    path: PathBuf,
    earlier: Option<EarlierPage>,
    language: Language,
}

impl PageFile {
    /// Checks that it can be written.
    ///
    /// # Errors
    /// There is no profile to show, the file is read by the run, it lies in the folder of the output, which is replaced
    /// as a whole, or its folder is not writable; a profile before that is none.
    pub(crate) fn open(output: &OutputOptions, arguments: &[PathBuf]) -> Result<Self> {
        let Some(path) = &output.report else { return Ok(PageFile(None)) };
        let refused = |text: String| Err(Error::usage(text).of_file(path).of_option("--report"));
        if output.no_profile {
            return refused("--report shows the profile; leave out --no-profile".into());
        }
        if output.out.as_deref().is_some_and(|out| lies_in(path, out)) {
            return refused(format!(
                "--report {} lies in the output folder, which is replaced as a whole; name a file beside it",
                path.display()
            ));
        }
        let mut files = NewFiles::default();
        files.add(path, arguments)?;
        let earlier = earlier(output.previous_profile.as_deref())?;
        Ok(PageFile(Some(OpenPage { files, path: path.clone(), earlier, language: output.lang })))
    }

    /// Publishes the page, after the outputs that it tells of.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn publish(self, profile: Option<&ProfileReport>, made_of: &MadeOf<'_>) -> Result<()> {
        let (Some(mut page), Some(profile)) = (self.0, profile) else { return Ok(()) };
        page.files.text(&page.path, &page_of(profile, made_of, page.earlier.as_ref(), page.language))?;
        page.files.commit()
    }
}

/// The profile that was published before, from its file.
///
/// # Errors
/// It cannot be read, or is not a profile.
pub(crate) fn earlier(path: Option<&Path>) -> Result<Option<EarlierPage>> {
    let Some(path) = path else { return Ok(None) };
    let text =
        std::fs::read_to_string(path).map_err(|e| Error::io("read", path, &e).of_option("--previous-profile"))?;
    let report = serde_json::from_str(&text).map_err(|why| {
        let text = format!("{}: not a profile.json of hyades ({why})", path.display());
        Error::input(text).of_file(path).of_option("--previous-profile")
    })?;
    Ok(Some(EarlierPage::of_same_segments(report)))
}

/// How segments were made.
pub(crate) struct MadeOf<'a> {
    pub(crate) source: &'a Source,
    /// The folder of the output, or where the labels are.
    pub(crate) labels: Option<&'a Path>,
    /// Other choices: in English, in Chinese, and the value.
    pub(crate) choices: Vec<(&'static str, &'static str, String)>,
    /// The trees that segments were cut from.
    pub(crate) trees: Vec<SegmentTree>,
}

/// Merges of a tree that a page shows.
const SHOWN_MERGES: usize = 30;

/// The trees of a model's parts, as far as they have any.
pub(super) fn trees(parts: &[PartModel], is_whole: bool) -> Vec<SegmentTree> {
    let tree = |part: &PartModel| {
        let tree = part.fitted.tree()?;
        Some(SegmentTree {
            part: (!is_whole).then(|| part.name.clone()),
            first_segment: part.first_segment,
            segments: tree.n_clusters,
            top: tree.top(SHOWN_MERGES),
        })
    };
    parts.iter().filter_map(tree).collect()
}

/// The page of a profile.
pub(crate) fn page_of(
    profile: &ProfileReport,
    made_of: &MadeOf<'_>,
    earlier: Option<&EarlierPage>,
    language: Language,
) -> String {
    let files: Vec<String> = made_of.source.files().iter().map(|file| file.path.display().to_string()).collect();
    let features: Vec<String> = profile
        .columns
        .iter()
        .filter(|column| column.role == crate::profile::ColumnRole::Feature)
        .map(|column| column.name.clone())
        .collect();
    let mut facts = vec![(language.say("input", "输入数据"), few(&files))];
    if let Some(labels) = made_of.labels {
        facts.push((language.say("output", "结果目录"), labels.display().to_string()));
    }
    facts.extend(made_of.choices.iter().map(|(en, zh, text)| (language.say(en, zh), text.clone())));
    facts.push((language.say("columns of features", "特征字段"), few(&features)));
    facts.push((language.say("small counts are withheld below", "小样本隐藏阈值"), profile.small_cells.to_string()));
    facts.push((language.say("hash of the labels", "标签哈希"), profile.labels_blake3.clone()));
    let beside = BesideProfile { earlier, trees: &made_of.trees, ..BesideProfile::default() };
    let mut page = portrait(profile, &beside, language.say("Segments", "客群画像报告"), language);
    let facts: Vec<(String, String)> = facts.into_iter().map(|(what, text)| (what.to_owned(), text)).collect();
    made(&mut page, &facts);
    page.finish()
}
