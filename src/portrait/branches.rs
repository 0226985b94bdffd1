//! The tree that the segments were cut from: its last merges.

use super::segment::short;
use crate::cluster::TreeTop;
use crate::profile::ProfileReport;
use crate::report::{Dendrogram, Language, Page, dendrogram};

/// The most segments whose tree is shown.
const MOST_SEGMENTS: usize = 100;

/// The tree of a part.
pub(crate) struct SegmentTree {
    /// The name of the part, if the bank is divided.
    pub(crate) part: Option<String>,
    /// The number of its first segment.
    pub(crate) first_segment: usize,
    /// Segments.
    pub(crate) segments: usize,
    pub(crate) top: TreeTop,
}

pub(super) fn add(page: &mut Page, report: &ProfileReport, trees: &[SegmentTree]) {
    let language = page.language();
    let shown: Vec<&SegmentTree> = trees.iter().filter(|tree| (2..=MOST_SEGMENTS).contains(&tree.segments)).collect();
    if shown.is_empty() {
        return;
    }
    let title = language.say("Tree of the segments", "客群层次结构");
    page.section(title, None);
    page.explain(language.say(
        "The last merges of the hierarchical clustering, read from right to left: the farther right two branches meet, the \
         more their customers differ. The dashed line is the cut: every branch that it meets is a segment. Heights are \
         drawn by their square root.",
        "层次聚类最后若干次合并，自右向左阅读：两个分支汇合处越靠右，差异越大。虚线为切分位置，与之相交的每个分支即一个客群。\
         横轴按合并高度的平方根绘制。",
    ));
    for tree in shown {
        if let Some(part) = &tree.part {
            page.paragraph(&crate::report::name(part));
        }
        let drawn = drawn(tree, report, language);
        let merges = tree.top.merges.len();
        let text = match language {
            Language::En => format!("{} segments, the last {merges} merges", tree.segments),
            Language::Zh => format!("{} 个客群，最后 {merges} 次合并", tree.segments),
        };
        page.add(dendrogram(&drawn, [title, &text]));
    }
}

/// The tree with its branches in an order in which no lines cross.
fn drawn(tree: &SegmentTree, report: &ProfileReport, language: Language) -> Dendrogram {
    let TreeTop { merges, segments } = &tree.top;
    let branches = segments.len();
    let (mut order, mut stack) = (Vec::new(), vec![branches + merges.len() - 1]);
    while let Some(node) = stack.pop() {
        match node.checked_sub(branches) {
            None => order.push(node),
            Some(merge) => stack.extend([merges[merge].1, merges[merge].0]),
        }
    }
    let mut place = vec![0; branches];
    order.iter().enumerate().for_each(|(at, &branch)| place[branch] = at);
    let moved = |node: usize| place.get(node).copied().unwrap_or(node);
    let label = |segment: u32| {
        let number = tree.first_segment + segment as usize;
        let group = report.segments.iter().find(|group| group.segment == Some(number as u32));
        let number = group.map_or_else(|| number.to_string(), |group| short(group, language));
        format!("{} {number}", language.say("segment", "客群"))
    };
    let mut before = None;
    let leaves = order.iter().map(|&branch| {
        let segment = segments[branch];
        (before.replace(segment) != Some(segment)).then(|| label(segment))
    });
    let leaves = leaves.collect();
    // Below the cut are all merges but those that would join segments.
    let below = merges.len() + 1 - tree.segments;
    let highest = |at: usize| merges.get(at).map_or(0.0, |merge| merge.2);
    let roots = [below.checked_sub(1).map_or(0.0, highest).sqrt(), highest(below).sqrt()];
    let cut = f64::midpoint(roots[0], roots[1]).powi(2);
    Dendrogram { leaves, merges: merges.iter().map(|&(a, b, height)| (moved(a), moved(b), height)).collect(), cut }
}
