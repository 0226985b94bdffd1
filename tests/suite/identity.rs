//! Segments over the months: what `synth --month` plants is found by matching labels.

use std::path::Path;

use hyades::identity::{Fate, FreshSegment, Identities, IdentityEvent, MatchedBy, Overlap, identify};

use crate::command::{Workshop, done};
use crate::harness::tests;
use crate::tables::segments;

tests!(a_planted_split_and_merge_are_found);

const SEGMENTS: usize = 5;

fn a_planted_split_and_merge_are_found() {
    let w = Workshop::new();
    let labels = |name: &str| segments(&Path::new(&w.text(name)).join("segments/part-00000.parquet"));
    for month in ["1", "2"] {
        let (bank, out) = (w.text(month), w.text(&format!("fit-{month}")));
        let shape = ["--rows", "20000", "--features", "32", "--segments", "5", "--truth", "--out", &bank];
        done([&["synth", "--month", month][..], &shape].concat());
        done(["fit", &bank, "--k", "5", "--backend", "cpu", "--no-profile", "--out", &out]);
    }
    let (model, now) = (w.text("fit-1/model.json"), w.text("assigned"));
    done(["assign", &model, &w.text("2"), "--no-profile", "--out", &now]);

    // All customers of month 2, by the model of month 1 and by that of month 2.
    let mut counts = Overlap::new(SEGMENTS, SEGMENTS);
    for (old, new) in labels("assigned").into_iter().zip(labels("fit-2")) {
        counts.add(usize::try_from(old).ok(), usize::try_from(new).ok(), 1);
    }
    let new = vec![FreshSegment::default(); SEGMENTS];
    let first = Identities::first(&new);
    let second = identify(&first.known(), &new, &counts, MatchedBy::Definition, first.next_id).unwrap();

    // Ids of month 1 are by size: 2 splits, 4 and 5 are one.
    let with = |event: IdentityEvent| {
        let with = second.segments.iter().filter(move |identity| identity.event == event);
        let mut ids: Vec<u64> = with.map(|identity| identity.segment_id).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(with(IdentityEvent::Survived), [1, 3]);
    assert_eq!(with(IdentityEvent::Split), [6, 7]);
    assert_eq!(with(IdentityEvent::Merged), [4]);
    let ended: Vec<_> = second.ended.iter().map(|ended| (ended.segment_id, ended.fate, &ended.into[..])).collect();
    assert_eq!(ended, [(2, Fate::Split, &[6, 7][..]), (5, Fate::Merged, &[4])]);
    assert_eq!(second.unmatched(), 0);
}
