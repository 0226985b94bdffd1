use std::collections::BTreeSet;

use proptest::prelude::*;

use super::assignment::pairs;
use super::*;
use crate::numeric::partial::laws;

/// Old segments without rules and strata.
fn known(ids: &[u64]) -> Vec<KnownSegment> {
    ids.iter().map(|&segment_id| KnownSegment { segment_id, rule: None, stratum: None }).collect()
}

fn overlap(rows: &[&[u64]], new: usize) -> Overlap {
    let mut counts = Overlap::new(rows.len(), new);
    for (o, row) in rows.iter().enumerate() {
        row.iter().enumerate().for_each(|(n, &customers)| counts.add(Some(o), Some(n), customers));
    }
    counts
}

/// Identities of old segments 1, 2, ... by shared customers.
fn matched<const NEW: usize>(rows: &[[u64; NEW]]) -> Identities {
    let rows: Vec<&[u64]> = rows.iter().map(|row| &row[..]).collect();
    let ids: Vec<u64> = (1..=rows.len() as u64).collect();
    let next_id = ids.len() as u64 + 1;
    let new = vec![FreshSegment::default(); NEW];
    let all = identify(&known(&ids), &new, &overlap(&rows, NEW), MatchedBy::Definition, next_id).unwrap();
    assert_eq!(Identities::from_json(&all.to_json().unwrap()).unwrap(), all);
    all
}

fn ids(all: &Identities) -> Vec<u64> {
    all.segments.iter().map(|identity| identity.segment_id).collect()
}

fn events(all: &Identities) -> Vec<IdentityEvent> {
    all.segments.iter().map(|identity| identity.event).collect()
}

fn follows(all: &Identities) -> Vec<Option<u64>> {
    all.segments.iter().map(|identity| identity.follows).collect()
}

fn parents(all: &Identities) -> Vec<Vec<u64>> {
    all.segments.iter().map(|identity| identity.parents.iter().map(|parent| parent.segment_id).collect()).collect()
}

fn ended(id: u64, fate: Fate, into: &[u64]) -> Ended {
    Ended { segment_id: id, fate, into: into.to_vec() }
}

use IdentityEvent::{Merged, Moved, New, Split, Survived};

#[test]
fn ids_follow_segments_whose_numbers_swap() {
    let all = matched(&[[0, 2577, 13], [9000, 10, 0], [5, 0, 1700]]);
    assert_eq!(ids(&all), [2, 1, 3]);
    assert_eq!(events(&all), [Survived; 3]);
    assert_eq!((all.ended.len(), all.next_id, all.unmatched()), (0, 4, 0));
    let parent = &all.segments[1].parents[0];
    assert_eq!((parent.customers, parent.of_old), (Some(2577), Some(2577.0 / 2590.0)));
    assert_eq!(parent.of_new, Some(2577.0 / 2587.0));
}

/// The greedy choice is 10 (first row and column), then 1 and 1: 12 together. The best sum is 9 + 9 + 1.
#[test]
fn the_greedy_choice_is_not_the_best() {
    let shared = [[10, 9, 0], [9, 1, 0], [0, 0, 1u64]];
    let best = pairs(&[0, 1, 2], &[0, 1, 2], |o, n| shared[o][n]);
    assert_eq!(best, [(0, 1), (1, 0), (2, 2)]);
    // None of the pairs holds 0.7 of its old segment, so only the correspondence follows it.
    let all = matched(&[[10, 9, 0], [9, 5, 0], [0, 0, 1]]);
    assert_eq!(follows(&all), [Some(2), Some(1), Some(3)]);
    assert_eq!(ids(&all), [4, 5, 3]);
}

/// The sum of shared customers is largest with 1-1 and 2-0, whose shares are too small for any id to go on.
#[test]
fn a_pair_that_carries_an_id_is_not_given_up() {
    let all = matched(&[[70, 30], [50, 0]]);
    assert_eq!((ids(&all), follows(&all)), (vec![1, 3], vec![Some(1), None]));
    assert_eq!((events(&all), parents(&all)), (vec![Merged, Split], vec![vec![1, 2], vec![1]]));
    assert_eq!(all.ended, [ended(2, Fate::Merged, &[1])]);
}

/// MONIC's thresholds are met to the customer, or missed by one.
#[test]
fn thresholds_are_exact() {
    let goes_on = |stays: u64, leaves: u64, comes: u64| ids(&matched(&[[stays, leaves], [comes, 1]]))[0] == 1;
    assert!(goes_on(700, 300, 700));
    assert!(!goes_on(699, 301, 100));
    assert!(!goes_on(700, 300, 701));
    // 2^40 customers and one less, where shares as f64 would still differ but sums of shares might not.
    let all = 10 << 40;
    assert!(goes_on(all / 10 * 7, all / 10 * 3, 0) && !goes_on(all / 10 * 7 - 1, all / 10 * 3 + 1, 0));
}

#[test]
fn a_split_gives_new_ids_with_one_parent() {
    let all = matched(&[[60, 0, 40], [0, 100, 0]]);
    assert_eq!((ids(&all), events(&all)), (vec![3, 2, 4], vec![Split, Survived, Split]));
    assert_eq!(parents(&all), [vec![1], vec![2], vec![1]]);
    assert_eq!(all.ended, [ended(1, Fate::Split, &[3, 4])]);
    assert_eq!((all.next_id, all.unmatched()), (5, 0));
    // The larger piece keeps the id from 0.7 on.
    let all = matched(&[[70, 0, 30], [0, 100, 0]]);
    assert_eq!((ids(&all), events(&all)), (vec![1, 2, 3], vec![Survived, Survived, Split]));
    assert!(all.ended.is_empty());
    // Pieces below 0.3, or 0.7 together, are no split.
    let all = matched(&[[39, 29, 16, 16]]);
    assert_eq!((events(&all), parents(&all)), (vec![New; 4], vec![vec![1]; 4]));
    assert_eq!(all.ended, [ended(1, Fate::Retired, &[2])]);
}

#[test]
fn a_merge_ends_the_smaller_segments() {
    let all = matched(&[[900, 0], [200, 10], [0, 500]]);
    assert_eq!((ids(&all), events(&all)), (vec![1, 3], vec![Merged, Survived]));
    assert_eq!(parents(&all), [vec![1, 2], vec![3]]);
    assert_eq!(all.ended, [ended(2, Fate::Merged, &[1])]);
    // Of three equal ones none makes half of the new segment.
    let all = matched(&[[100], [100], [100]]);
    assert_eq!((ids(&all), events(&all), follows(&all)), (vec![4], vec![Merged], vec![Some(1)]));
    assert_eq!(all.ended.len(), 3);
    // Of two equal ones each makes half: the lower id goes on.
    let all = matched(&[[100], [100]]);
    assert_eq!((ids(&all), all.ended), (vec![1], vec![ended(2, Fate::Merged, &[1])]));
}

#[test]
fn what_nothing_explains_is_new_or_retired() {
    // Old segment 2 and new segment 1 are empty.
    let all = matched(&[[50, 0], [0, 0]]);
    assert_eq!((ids(&all), events(&all)), (vec![1, 3], vec![Survived, New]));
    assert_eq!((&all.ended, all.unmatched()), (&vec![ended(2, Fate::Retired, &[])], 2));
    // A piece of a tenth, carved out of one segment, has it as parent.
    let all = matched(&[[90, 10], [10, 0]]);
    assert_eq!((events(&all), parents(&all)), (vec![Merged, New], vec![vec![1, 2], vec![1]]));
    // No new segments, no old ones.
    assert_eq!(matched::<0>(&[[], []]).ended.len(), 2);
    assert_eq!(ids(&matched::<2>(&[])), [1, 2]);
}

#[test]
fn rules_match_by_name_and_others_within_their_stratum() {
    let rule = |name: &str| Some(name.to_owned());
    let old = [
        KnownSegment { segment_id: 4, rule: rule("staff"), stratum: None },
        KnownSegment { segment_id: 5, rule: rule("minors"), stratum: None },
        KnownSegment { segment_id: 6, rule: None, stratum: rule("north") },
        KnownSegment { segment_id: 7, rule: None, stratum: rule("south") },
    ];
    let new = [
        FreshSegment { rule: rule("expats"), stratum: None },
        FreshSegment { rule: rule("staff"), stratum: None },
        FreshSegment { rule: None, stratum: rule("north") },
        FreshSegment { rule: None, stratum: rule("west") },
    ];
    // All of "minors" are "expats" now, nobody of the staff is, and all of the south lies in the west.
    let rows: [&[u64]; 4] = [&[0, 0, 9, 0], &[100, 0, 0, 0], &[0, 0, 300, 0], &[0, 0, 0, 200]];
    let all = identify(&old, &new, &overlap(&rows, 4), MatchedBy::Members, 8).unwrap();
    assert_eq!(ids(&all), [8, 4, 6, 9]);
    assert_eq!(events(&all), [Merged, Survived, Merged, Merged]);
    assert_eq!(follows(&all), [None, Some(4), Some(6), None]);
    assert_eq!(parents(&all), [vec![5], vec![4], vec![6, 4], vec![7]]);
    assert_eq!(all.ended, [ended(5, Fate::Merged, &[8]), ended(7, Fate::Merged, &[9])]);
    let again = all.known();
    assert_eq!((again[1].segment_id, again[1].rule.as_deref()), (4, Some("staff")));
    assert_eq!(again[3].stratum.as_deref(), Some("west"));
}

#[test]
fn a_first_version_and_one_of_the_same_model() {
    let mut all = Identities::first(&[FreshSegment::default(), FreshSegment::default()]);
    assert_eq!((ids(&all), all.next_id, all.unmatched()), (vec![1, 2], 3, 0));
    assert_eq!(events(&all), [New, New]);
    let old = known(&[7, 3]);
    all = Identities::of_same_model(&old, 9);
    assert_eq!((ids(&all), events(&all), all.next_id), (vec![7, 3], vec![Survived, Survived], 9));
    assert_eq!((all.known(), all.unmatched()), (old, 0));
    all.note_moved(&BTreeSet::from([3, 8]));
    assert_eq!(events(&all), [Survived, Moved]);
}

#[test]
fn impossible_questions_are_refused() {
    let new = [FreshSegment::default()];
    let refused = |old: &[u64], next_id| {
        let counts = Overlap::new(old.len(), 1);
        identify(&known(old), &new, &counts, MatchedBy::Members, next_id).unwrap_err().to_string()
    };
    for (old, next_id) in [(&[1, 1][..], 2), (&[0], 2), (&[5], 5), (&[], 0)] {
        assert!(refused(old, next_id).contains("where the next is"), "{old:?}");
    }
    let counts = Overlap::new(1, 2);
    let error = identify(&known(&[1]), &new, &counts, MatchedBy::Members, 2).unwrap_err();
    assert!(error.to_string().contains("counts of 1 x 2 segments for 1 old and 1 new ones"), "{error}");
}

#[test]
fn damaged_identities_are_refused() {
    let text = matched(&[[60, 0, 40], [0, 100, 0]]).to_json().unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in {text}");
        Identities::from_json(&text.replacen(from, to, 1)).unwrap_err().to_string()
    };
    assert_eq!(
        refused("\"format\": 1", "\"format\": 2"),
        "its format is 2, and this program reads 1; use a newer hyades"
    );
    assert_eq!(refused("\"next_id\": 5", "\"next_id\": 4"), "segment_id 4 is not between 1 and below next_id 4");
    assert_eq!(refused("\"segment_id\": 2", "\"segment_id\": 3"), "segment_id 3 is there twice");
    assert_eq!(refused("\"segment\": 1", "\"segment\": 2"), "segment 2 stands in place 1");
    assert!(refused("\"ended\"", "\"endet\"").starts_with("not identities of segments: unknown field `endet`"));
    assert!(Identities::from_json("{}").unwrap_err().to_string().contains("missing field `format`"));
}

#[test]
fn centroids_match_within_half_the_distance_to_others() {
    let by_distance = |old: &[[i32; 2]], new: &[[i32; 2]]| {
        let ids: Vec<u64> = (1..=old.len() as u64).collect();
        let old: Vec<_> = known(&ids).into_iter().zip(old.iter().map(|place| Some(&place[..]))).collect();
        let new: Vec<_> = new.iter().map(|place| (FreshSegment::default(), Some(&place[..]))).collect();
        identify_by_distance(&old, &new, ids.len() as u64 + 1).unwrap()
    };
    // Swapped numbers.
    let all = by_distance(&[[0, 0], [100, 0], [0, 100]], &[[3, 99], [1, 1], [98, 5]]);
    assert_eq!((ids(&all), follows(&all)), (vec![3, 1, 2], vec![Some(3), Some(1), Some(2)]));
    // The smallest sum of squared distances would match 1 with the far one and give up the pair at 0.
    let all = by_distance(&[[0, 0], [-10, 0]], &[[0, 0], [10, 0]]);
    assert_eq!((ids(&all), events(&all)), (vec![1, 3], vec![Survived, New]));
    assert_eq!((&all.ended, all.unmatched()), (&vec![ended(2, Fate::Retired, &[])], 2));
    // Half the distance is 5: 4 is near enough, 5 is not. Both old and new neighbours count.
    assert_eq!(ids(&by_distance(&[[0, 0], [10, 0]], &[[4, 0], [100, 0]]))[0], 1);
    assert_eq!(ids(&by_distance(&[[0, 0], [10, 0]], &[[5, 0], [100, 0]]))[0], 3);
    assert_eq!(ids(&by_distance(&[[0, 0], [100, 0]], &[[4, 0], [-4, 0]])), [3, 4]);
    // A single one has no neighbours. The ends of the grid do not overflow.
    assert_eq!(ids(&by_distance(&[[i32::MIN, i32::MAX]], &[[i32::MAX, i32::MIN]])), [1]);
    let other = [(FreshSegment::default(), Some(&[1, 2, 3][..]))];
    let error = identify_by_distance(&[(known(&[1])[0].clone(), Some(&[1, 2][..]))], &other, 2).unwrap_err();
    assert!(error.to_string().contains("different dimensions"));
}

/// A root mean squared distance of 10 among 7 customers: 3 steps are a move, 2 are none.
#[test]
fn a_move_is_a_third_of_the_spread() {
    assert!(has_moved(&[5, 5], &[5, 8], 700, 7) && !has_moved(&[5, 5], &[5, 7], 700, 7));
    assert!(!has_moved(&[5], &[5], 0, 1) && has_moved(&[5], &[6], 0, 1));
}

#[test]
fn thousands_of_segments_take_seconds() {
    const K: usize = 4096;
    let ids_of: Vec<u64> = (1..=K as u64).collect();
    let mut counts = Overlap::new(K, K);
    for o in 0..K {
        // Every fourth pair of neighbours splits evenly; numbers are reversed.
        let n = K - 1 - o;
        counts.add(Some(o), Some(n), if o % 8 == 0 { 40 } else { 90 });
        counts.add(Some(o), Some(n ^ 1), if o % 8 == 0 { 40 } else { 3 });
    }
    let all =
        identify(&known(&ids_of), &vec![FreshSegment::default(); K], &counts, MatchedBy::Definition, 5000).unwrap();
    assert_eq!(all.segments[K - 2].segment_id, 2);
    assert_eq!(all.ended.len(), K / 8);
    assert!(all.segments.iter().all(|identity| identity.follows.is_some()));
}

fn small_counts() -> impl Strategy<Value = Vec<Vec<u64>>> {
    (1usize..=6, 1usize..=6).prop_flat_map(|(old, new)| prop::collection::vec(prop::collection::vec(0u64..6, new), old))
}

/// The largest sum over all ways to pair rows with columns.
fn brute_force(rows: &[Vec<u64>], taken: u32) -> u64 {
    let Some((row, rest)) = rows.split_first() else { return 0 };
    let free = (0..row.len()).filter(|n| taken & 1 << n == 0);
    let with = free.map(|n| row[n] + brute_force(rest, taken | 1 << n));
    with.chain([brute_force(rest, taken)]).max().unwrap()
}

proptest! {
    #[test]
    fn no_permutation_shares_more(rows in small_counts()) {
        let (old, new): (Vec<usize>, Vec<usize>) = ((0..rows.len()).collect(), (0..rows[0].len()).collect());
        let found = pairs(&old, &new, |o, n| rows[o][n]);
        let unique = |side: fn(&(usize, usize)) -> usize| found.iter().map(side).collect::<BTreeSet<_>>().len();
        prop_assert_eq!((unique(|p| p.0), unique(|p| p.1)), (found.len(), found.len()));
        prop_assert!(found.iter().all(|&(o, n)| rows[o][n] > 0));
        prop_assert_eq!(found.iter().map(|&(o, n)| rows[o][n]).sum::<u64>(), brute_force(&rows, 0));
    }

    /// Ids do not depend on the numbers that the old segments had.
    #[test]
    fn the_order_of_old_segments_does_not_matter(rows in small_counts(), turn in 0usize..6) {
        let new = vec![FreshSegment::default(); rows[0].len()];
        let mut numbered: Vec<(u64, &[u64])> = (1..).zip(rows.iter().map(|row| &row[..])).collect();
        let of = |numbered: &[(u64, &[u64])]| {
            let (ids, rows): (Vec<u64>, Vec<&[u64]>) = numbered.iter().copied().unzip();
            identify(&known(&ids), &new, &overlap(&rows, new.len()), MatchedBy::Members, 10).unwrap()
        };
        let first = of(&numbered);
        numbered.rotate_left(turn % rows.len());
        prop_assert_eq!(&of(&numbered), &first);
        numbered.reverse();
        prop_assert_eq!(&of(&numbered), &first);
        // Every old id goes on or ends, and none is there twice.
        let gone = first.ended.iter().map(|ended| ended.segment_id);
        let all: Vec<u64> = ids(&first).into_iter().chain(gone).collect();
        let unique: BTreeSet<u64> = all.iter().copied().collect();
        prop_assert_eq!(unique.len(), all.len());
        prop_assert!((1..=rows.len() as u64).all(|id| unique.contains(&id)));
    }

    #[test]
    fn counts_obey_the_laws(a in prop::collection::vec(0u64..1 << 40, 12), b in prop::collection::vec(0u64..9, 12)) {
        let counts = |values: &[u64]| {
            let mut counts = Overlap::new(2, 3);
            for (at, &customers) in values.iter().enumerate() {
                let (old, new) = (at / 4, at % 4);
                counts.add((old < 2).then_some(old), (new < 3).then_some(new), customers);
            }
            counts
        };
        laws::hold(&counts(&a), &counts(&b), &counts(&[&a[6..], &b[6..]].concat()));
        prop_assert!(counts(&a).merge_refuses());
        prop_assert_eq!(counts(&a).shared() + counts(&a).left() + counts(&a).came() + a[11], a.iter().sum::<u64>());
    }

    /// Any name comes back, whatever it is made of.
    #[test]
    fn names_come_back(zh in any::<String>(), note in "[\\PC\"'\\\\\n\u{202e}]*", id in 1u64..) {
        let mut book = NameBook::default();
        book.set(id, SegmentName { zh: Some(zh), note: Some(note), ..SegmentName::default() });
        let text = book.to_toml(&BTreeSet::from([1, 2]));
        prop_assert_eq!(read_names(&text, &[id, 1, 2]).unwrap(), book, "{}", text);
    }
}

impl Overlap {
    fn merge_refuses(&mut self) -> bool {
        use crate::numeric::Partial;
        self.merge(&Overlap::new(3, 2)).unwrap_err().to_string().contains("different shapes")
    }
}

fn read_names(text: &str, known: &[u64]) -> Result<NameBook, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("names.toml");
    std::fs::write(&path, text).unwrap();
    let read = NameBook::read(&path, &known.iter().copied().collect());
    read.map_err(|e| e.to_string().replace(&format!("{}:", path.display()), ""))
}

#[test]
fn names_are_read_by_id() {
    let book = read_names("[segments.12]\nzh = \"高净值\"\nen = \"Wealthy\"\nowner = \"M. Li\"\n", &[3, 12]).unwrap();
    let name = book.get(12).unwrap();
    assert_eq!((name.zh.as_deref(), name.en.as_deref(), name.note.as_deref()), (Some("高净值"), Some("Wealthy"), None));
    assert_eq!(book.iter().count(), 1);
    let text = book.to_toml(&BTreeSet::from([3, 12]));
    assert!(
        text.contains("\n# [segments.3]\n# zh = \"\"\n# en = \"\"\n") && text.contains("\n[segments.12]\nzh = "),
        "{text}"
    );
}

#[test]
fn every_fault_of_names_is_told_with_its_place() {
    let text =
        "title = 1\n[segments.12]\nzh = 5\nname = \"x\"\n[segments.14]\nen = \"y\"\n[segments.012]\n[segments.x]\n";
    assert_eq!(
        read_names(text, &[3, 12]).unwrap_err(),
        "1:1: no section is named \"title\"; there are: \"segments\"\n\
         3:6: zh must be text\n\
         4:1: segment 12 has no key \"name\"; there are: \"zh\", \"en\", \"note\", \"owner\"\n\
         5:11: no segment has the segment_id 14; the nearest is 12\n\
         7:11: \"012\" is not a segment_id, a whole number such as 12\n\
         8:11: \"x\" is not a segment_id, a whole number such as 12"
    );
    assert_eq!(read_names("[segments.1]", &[]).unwrap_err(), "1:11: no segment has the segment_id 1; there are none");
    assert!(read_names("segments = 3", &[]).unwrap_err().contains("segments must be a table, [segments]"));
    assert!(read_names("[segments", &[]).unwrap_err().starts_with("1:"));
}
