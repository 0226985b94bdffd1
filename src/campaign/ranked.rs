//! The candidates of each list in their order, within a limit of memory. What is too much is sorted and goes to a
//! scratch file, one run after the other; the runs are merged when the list is walked. Of a list with a cap, only those
//! are kept who can be reached before it is full.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::file::ListOptions;
use super::walk::ListCandidate;
use crate::error::{Error, Result};
use crate::input::{read_at, write_at};

/// Words of a candidate in the scratch file.
const WORDS: usize = 8;
/// Candidates read or written at a time, if there is room.
const PIECE: usize = 1024;
/// Candidates may always take this much memory.
const LEAST_MEMORY: u64 = 64 << 10;

/// The candidates of all lists.
#[derive(Debug)]
pub(super) struct RankedLists {
    lists: Vec<RankedList>,
    /// The most candidates in memory, of all lists together.
    most: usize,
    folder: PathBuf,
}

/// The candidates of a list.
#[derive(Debug, Default)]
struct RankedList {
    waiting: Vec<ListCandidate>,
    runs: Option<SortedRuns>,
    /// So many to contact are enough, whatever earlier lists take.
    enough: Option<u64>,
}

/// Sorted candidates in an unnamed file.
#[derive(Debug)]
struct SortedRuns {
    file: File,
    /// Candidates of each run, one run after the other.
    lengths: Vec<u64>,
}

impl RankedLists {
    /// No candidates yet, of which about `memory` bytes will be in memory, and the others in a file in `folder`.
    pub(super) fn new(lists: &[ListOptions], memory: u64, folder: &Path) -> Self {
        let list = |at| RankedList { enough: enough(lists, at), ..RankedList::default() };
        let most = (memory.max(LEAST_MEMORY) / size_of::<ListCandidate>() as u64) as usize;
        RankedLists { lists: (0..lists.len()).map(list).collect(), most, folder: folder.to_path_buf() }
    }

    /// Adds candidates of a list.
    pub(super) fn extend(&mut self, list: usize, candidates: impl Iterator<Item = ListCandidate>) {
        self.lists[list].waiting.extend(candidates);
    }

    /// Makes room if too many candidates are in memory.
    ///
    /// # Errors
    /// The scratch file cannot be written.
    pub(super) fn make_room(&mut self) -> Result<()> {
        if self.waiting() <= self.most {
            return Ok(());
        }
        self.lists.iter_mut().for_each(RankedList::sort);
        if self.waiting() <= self.most / 2 {
            return Ok(());
        }
        let folder = &self.folder;
        let spilled = self.lists.iter_mut().try_for_each(|list| list.spill(folder));
        spilled.map_err(|e| Error::io("write a scratch file in", folder, &e))
    }

    fn waiting(&self) -> usize {
        self.lists.iter().map(|list| list.waiting.len()).sum()
    }

    /// The candidates of a list, in order.
    ///
    /// # Errors
    /// The scratch file cannot be read.
    pub(super) fn take(&mut self, list: usize) -> Result<RankedCandidates> {
        let mut list = std::mem::take(&mut self.lists[list]);
        list.sort();
        let (file, lengths) = list.runs.map(|runs| (runs.file, runs.lengths)).unzip();
        let mut pieces = vec![RunPiece { at: 0, rest: 0, read: list.waiting.into_iter() }];
        let mut at = 0;
        for rest in lengths.unwrap_or_default() {
            pieces.push(RunPiece { at, rest, read: Vec::new().into_iter() });
            at += rest;
        }
        let piece = (self.most / pieces.len()).clamp(16, PIECE);
        let mut ranked = RankedCandidates { file, pieces, piece, next: BinaryHeap::new(), folder: self.folder.clone() };
        (0..ranked.pieces.len()).try_for_each(|piece| ranked.advance(piece))?;
        Ok(ranked)
    }
}

/// How many candidates to contact a list can need: its cap, and those whom earlier lists can take from it. None: there
/// is no such number, since a list has no cap, or can take customers as controls who are none here.
fn enough(lists: &[ListOptions], at: usize) -> Option<u64> {
    let shares = |list: &ListOptions| {
        let of = list.control_of.values().copied();
        of.chain([list.control]).fold((1f64, 0f64), |(low, high), share| (low.min(share), high.max(share)))
    };
    let (list, lowest) = (&lists[at], shares(&lists[at]).0);
    if list.cap_per.is_some() || lists[..at].iter().any(|earlier| shares(earlier).1 > lowest) {
        return None;
    }
    lists[..=at].iter().try_fold(0u64, |sum, list| Some(sum.saturating_add(list.cap?)))
}

impl RankedList {
    /// Orders the candidates in memory, and drops those who cannot be reached.
    fn sort(&mut self) {
        self.waiting.par_sort_unstable();
        let Some(enough) = self.enough else { return };
        let mut to_contact = 0;
        let reached = self.waiting.iter().position(|candidate| {
            to_contact += u64::from(!candidate.is_control);
            to_contact >= enough
        });
        if let Some(last) = reached {
            self.waiting.truncate(last + 1);
        }
    }

    /// Moves the ordered candidates to the file.
    fn spill(&mut self, folder: &Path) -> std::io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let runs = match &mut self.runs {
            Some(runs) => runs,
            None => self.runs.insert(SortedRuns { file: tempfile::tempfile_in(folder)?, lengths: Vec::new() }),
        };
        let mut at: u64 = runs.lengths.iter().sum();
        runs.lengths.push(self.waiting.len() as u64);
        for some in self.waiting.chunks(PIECE) {
            let words: Vec<[u64; WORDS]> = some.iter().map(to_words).collect();
            write_at(&runs.file, bytemuck::cast_slice(&words), offset(at))?;
            at += some.len() as u64;
        }
        self.waiting = Vec::new();
        Ok(())
    }
}

/// Where a candidate is in the file.
fn offset(candidate: u64) -> u64 {
    candidate * (WORDS * size_of::<u64>()) as u64
}

fn to_words(of: &ListCandidate) -> [u64; WORDS] {
    let cell = u64::from(of.cell) << 1 | u64::from(of.is_control);
    let ([tie, tie_low], [lists, lists_low]) = (halves(of.tie), halves(of.lists));
    [of.order, tie, tie_low, of.row, cell, of.place, lists, lists_low]
}

fn of_words([order, tie, tie_low, row, cell, place, lists, lists_low]: [u64; WORDS]) -> ListCandidate {
    let whole = |high: u64, low: u64| u128::from(high) << 64 | u128::from(low);
    ListCandidate {
        order,
        tie: whole(tie, tie_low),
        row,
        is_control: cell & 1 == 1,
        cell: (cell >> 1) as u32,
        place,
        lists: whole(lists, lists_low),
    }
}

fn halves(of: u128) -> [u64; 2] {
    [(of >> 64) as u64, of as u64]
}

/// The candidates of a list in order, merged from the runs.
pub(super) struct RankedCandidates {
    file: Option<File>,
    pieces: Vec<RunPiece>,
    /// Candidates that each reads at a time.
    piece: usize,
    /// The first candidate of each piece, and its piece.
    next: BinaryHeap<Reverse<(ListCandidate, usize)>>,
    folder: PathBuf,
}

/// A part of a run in memory.
struct RunPiece {
    /// The candidate of the file that follows.
    at: u64,
    /// How many follow.
    rest: u64,
    read: std::vec::IntoIter<ListCandidate>,
}

impl RankedCandidates {
    /// Puts the next candidate of a piece forward.
    fn advance(&mut self, piece: usize) -> Result<()> {
        let of = &mut self.pieces[piece];
        if of.read.len() == 0 && of.rest > 0 {
            let Some(file) = &self.file else { return Err(Error::Internal("a run without a file".into())) };
            let mut words = vec![[0u64; WORDS]; of.rest.min(self.piece as u64) as usize];
            read_at(file, bytemuck::cast_slice_mut(&mut words), offset(of.at))
                .map_err(|e| Error::io("read the scratch file in", &self.folder, &e))?;
            (of.at, of.rest) = (of.at + words.len() as u64, of.rest - words.len() as u64);
            of.read = words.into_iter().map(of_words).collect::<Vec<_>>().into_iter();
        }
        self.next.extend(of.read.next().map(|candidate| Reverse((candidate, piece))));
        Ok(())
    }
}

impl Iterator for RankedCandidates {
    type Item = Result<ListCandidate>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((candidate, piece)) = self.next.pop()?;
        Some(self.advance(piece).map(|()| candidate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::numeric::mix;

    fn candidate(row: u64) -> ListCandidate {
        let (order, tie) = (mix(row) % 50, u128::from(mix(row)) << 70);
        let lists = u128::MAX << (row % 100);
        ListCandidate { order, tie, row, is_control: row % 3 == 0, cell: row as u32 ^ u32::MAX, place: !row, lists }
    }

    #[test]
    fn any_memory_gives_the_same_order() {
        let folder = tempfile::tempdir().unwrap();
        let lists = [ListOptions { control: 0.1, ..ListOptions::default() }];
        let mut all: Vec<ListCandidate> = (0..60_000).map(candidate).collect();
        assert_eq!(all.iter().map(to_words).map(of_words).collect::<Vec<_>>(), all);
        let ranked = |memory, all: &[ListCandidate]| {
            let mut ranked = RankedLists::new(&lists, memory, folder.path());
            for some in all.chunks(7_000) {
                ranked.extend(0, some.iter().copied());
                ranked.make_room().unwrap();
            }
            let runs = ranked.lists[0].runs.as_ref().map_or(0, |runs| runs.lengths.len());
            (runs, ranked.take(0).unwrap().collect::<Result<Vec<_>>>().unwrap())
        };
        let ((runs, little), (none, much)) = (ranked(0, &all), ranked(1 << 30, &all));
        assert_eq!((runs, none), (9, 0), "runs");
        all.sort_unstable();
        assert!(little == all && much == all);
    }

    #[test]
    fn a_list_keeps_what_it_can_need() {
        let list = |cap, control| ListOptions { cap, control, ..ListOptions::default() };
        let mut lists = [list(Some(10), 0.1), list(Some(5), 0.2), list(None, 0.3), list(Some(7), 0.3)];
        let of = |lists: &[ListOptions]| (0..lists.len()).map(|at| enough(lists, at)).collect::<Vec<_>>();
        assert_eq!(of(&lists), [Some(10), Some(15), None, None]);
        lists[0].control_of = [("3".to_owned(), 0.5)].into();
        assert_eq!(of(&lists)[..2], [Some(10), None], "controls of the first list need not be controls of the second");

        let mut kept = RankedList { enough: Some(4), ..RankedList::default() };
        kept.waiting = (0..100).map(|row| ListCandidate { order: 100 - row, ..candidate(row) }).collect();
        kept.sort();
        // 99 is a control, and so is 96.
        assert_eq!(kept.waiting.iter().map(|of| of.row).collect::<Vec<_>>(), [99, 98, 97, 96, 95, 94]);
    }
}
