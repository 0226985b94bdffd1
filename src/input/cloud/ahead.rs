//! Ranges that will be read: planned, merged, and fetched ahead of the decoders.
//!
//! A plan holds the ranges of column chunks in the order in which they are needed. Chunks close to each other form one
//! piece; large ones are split into several. Reading a piece starts the requests for those that follow it, so decoding
//! waits only at the start, wherever in the plan it begins. A piece is released once all its chunks have been read.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use parquet::errors::{ParquetError, Result as ParquetResult};

use super::fault::StoreFault;
use super::object::{FetchPiece, FetchPlan, Object, PieceState, runtime};
use crate::error::Error;

/// Bytes fetched ahead, for all readers together.
const WINDOW: u64 = 32 << 20;
/// The most bytes held: the window, and what is being read.
pub(crate) const HELD_BYTES: u64 = 2 * WINDOW;
/// The largest piece: about what one connection carries (80 MB/s) in the time that a store takes to answer (30 ms).
const MOST: u64 = 2 << 20;
/// The smallest piece when many ranges are read at once.
const LEAST: u64 = 64 << 10;
/// A gap between two ranges that is cheaper to fetch than another request.
const GAP: u64 = 512 << 10;
/// Bytes fetched at a time without a plan.
const BLOCK: u64 = 1 << 20;
/// Pieces that a reader holds: page headers are read once before the page and once with it.
const HELD: usize = 2;

/// Keeps fetching ahead as long as it lives.
#[derive(Debug)]
#[must_use = "nothing is fetched ahead once it is dropped"]
pub(crate) struct Ahead(Option<(Arc<Object>, Arc<FetchPlan>)>);

/// Announces that these ranges of objects of one input will be read, each once, by `readers` readers at a time, each of
/// which reads `side_by_side` ranges of one row group together. Each range comes with the number of its row group.
pub(crate) fn ahead(mut ranges: Vec<(&Arc<Object>, usize, Range<u64>)>, readers: usize, side_by_side: usize) -> Ahead {
    let window = WINDOW / readers.max(1) as u64;
    let most = (window / (2 * side_by_side as u64).max(8)).clamp(LEAST, MOST);
    ranges.sort_by_key(|(object, _, range)| (object.number, range.start));
    ranges.dedup_by_key(|(object, _, range)| (object.number, range.start));
    let Some((first, ..)) = ranges.first() else { return Ahead(None) };
    let input = (*first).clone();
    let mut drafts: Vec<Draft> = Vec::new();
    for (object, group, range) in ranges {
        let near = |last: &&mut Draft| {
            let FetchPiece { object: other, range: before } = &last.piece;
            let same = other.number == object.number;
            same && range.start.saturating_sub(before.end) <= GAP && range.end.saturating_sub(before.start) <= most
        };
        let chunk = (object.number, range.start);
        if let Some(last) = drafts.last_mut().filter(near) {
            last.piece.range.end = last.piece.range.end.max(range.end);
            last.chunks.push(chunk);
            continue;
        }
        let length = range.end - range.start;
        let parts = length.div_ceil(most).max(1);
        let cut = |part: u64| range.start + length * part / parts;
        drafts.extend((0..parts).map(|part| Draft {
            piece: FetchPiece { object: object.clone(), range: cut(part)..cut(part + 1) },
            chunks: vec![chunk],
            place: (group, part),
        }));
    }
    if side_by_side > 1 {
        drafts.sort_by_key(|draft| draft.place);
    }
    let mut chunks: HashMap<_, Vec<usize>> = HashMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        draft.chunks.iter().for_each(|chunk| chunks.entry(*chunk).or_default().push(at));
    }
    let states = drafts.iter().map(|draft| (draft.chunks.len(), PieceState::Planned)).collect();
    let pieces = drafts.into_iter().map(|draft| draft.piece).collect();
    let (states, chunks) = (Mutex::new(states), Mutex::new(chunks));
    let plan = Arc::new(FetchPlan { pieces, states, arrived: Condvar::new(), chunks, window });
    lock(&input.input.plans.0).push(plan.clone());
    Ahead(Some((input, plan)))
}

/// A piece whose position in the plan is not known yet.
struct Draft {
    piece: FetchPiece,
    /// The chunks that lie in it.
    chunks: Vec<(usize, u64)>,
    /// Its row group and its position in its chunk: the order in which pieces are needed when chunks are read side by
    /// side.
    place: (usize, u64),
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some((object, plan)) = &self.0 {
            lock(&object.input.plans.0).retain(|other| !Arc::ptr_eq(other, plan));
            lock(&plan.states).iter_mut().for_each(|(_, state)| *state = PieceState::Done);
            plan.arrived.notify_all();
        }
    }
}

impl FetchPlan {
    /// The bytes of a piece, after starting the requests for those that follow. None: it has been released.
    fn take(self: &Arc<Self>, at: usize) -> Result<Option<Bytes>, StoreFault> {
        let mut states = lock(&self.states);
        self.ask(&mut states, at);
        loop {
            match &states[at].1 {
                PieceState::Here(bytes) => return Ok(Some(bytes.clone())),
                PieceState::Failed(fault) => return Err(fault.clone()),
                PieceState::Done => return Ok(None),
                PieceState::Planned | PieceState::Asked => {
                    states = self.arrived.wait(states).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Sends requests for a piece and for those that follow it.
    fn ask(self: &Arc<Self>, states: &mut [(usize, PieceState)], first: usize) {
        let mut ahead = 0;
        for (at, (_, state)) in states.iter_mut().enumerate().skip(first) {
            if at > first && ahead >= self.window {
                break;
            }
            match state {
                PieceState::Done | PieceState::Failed(_) => continue,
                PieceState::Asked | PieceState::Here(_) => {}
                PieceState::Planned => *state = self.send(at),
            }
            let range = &self.pieces[at].range;
            ahead += if at > first { range.end - range.start } else { 0 };
        }
    }

    fn send(self: &Arc<Self>, at: usize) -> PieceState {
        let runtime = match runtime() {
            Ok(runtime) => runtime,
            Err(e) => return PieceState::Failed(StoreFault::other(&e)),
        };
        let plan = self.clone();
        runtime.spawn(async move {
            let FetchPiece { object, range } = &plan.pieces[at];
            // Waiting readers must be notified whatever happens.
            let fetched = AssertUnwindSafe(object.fetch(range.clone())).catch_unwind().await;
            let state = match fetched.unwrap_or_else(|_| Err(StoreFault::other(&"a request ended in a panic"))) {
                Ok(bytes) => PieceState::Here(bytes),
                Err(fault) => PieceState::Failed(fault),
            };
            let mut states = lock(&plan.states);
            if matches!(states[at].1, PieceState::Asked) {
                states[at].1 = state;
            }
            drop(states);
            plan.arrived.notify_all();
        });
        PieceState::Asked
    }

    /// Notes that a chunk is finished with a piece.
    fn release(&self, at: usize) {
        let (takers, state) = &mut lock(&self.states)[at];
        *takers = takers.saturating_sub(1);
        if *takers == 0 {
            *state = PieceState::Done;
        }
    }
}

/// Reads one range of an object, usually from its start to its end.
#[derive(Debug)]
pub(crate) struct Reading {
    object: Arc<Object>,
    range: Range<u64>,
    /// The plan, and the range's pieces in order.
    plan: Option<(Arc<FetchPlan>, Vec<usize>)>,
    state: Mutex<HeldPieces>,
}

#[derive(Debug, Default)]
struct HeldPieces {
    /// The offset of each block, and its bytes.
    blocks: VecDeque<(u64, Bytes)>,
    /// How many of the pieces have been released.
    released: usize,
    fault: Option<StoreFault>,
}

impl Reading {
    pub(crate) fn open(object: &Arc<Object>, range: Range<u64>) -> Arc<Self> {
        let key = (object.number, range.start);
        let claim = |plan: &Arc<FetchPlan>| lock(&plan.chunks).remove(&key).map(|pieces| (plan.clone(), pieces));
        let plan = lock(&object.input.plans.0).iter().find_map(claim);
        Arc::new(Reading { object: object.clone(), range, plan, state: Mutex::default() })
    }

    /// Where the range ends.
    pub(crate) fn end(&self) -> u64 {
        self.range.end
    }

    /// The fault behind the last failure.
    pub(crate) fn fault(&self) -> Option<Error> {
        lock(&self.state).fault.as_ref().map(StoreFault::error)
    }

    /// Bytes within the object.
    pub(crate) fn bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        let mut held = lock(&self.state);
        let mut parts: Vec<Bytes> = Vec::new();
        let (mut at, end) = (start, start + length as u64);
        while at < end {
            let found = held.blocks.iter().find(|(from, bytes)| (*from..*from + bytes.len() as u64).contains(&at));
            let Some((from, bytes)) = found else {
                let block = self.load(&mut held, at, end).map_err(|fault| {
                    let text = fault.text().to_owned();
                    held.fault = Some(fault);
                    ParquetError::General(text)
                })?;
                held.blocks.push_back(block);
                if held.blocks.len() > HELD {
                    held.blocks.pop_front();
                }
                continue;
            };
            let skip = (at - from) as usize;
            let part = bytes.slice(skip..bytes.len().min(skip + (end - at) as usize));
            at += part.len() as u64;
            parts.push(part);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => parts
                .iter()
                .fold(BytesMut::with_capacity(length), |mut all, part| {
                    all.extend_from_slice(part);
                    all
                })
                .freeze(),
        })
    }

    /// The block at an offset: a piece of the plan, or a separate fetch.
    fn load(&self, held: &mut HeldPieces, at: u64, end: u64) -> Result<(u64, Bytes), StoreFault> {
        if let Some((plan, pieces)) = &self.plan
            && let Some(i) = pieces.iter().position(|&piece| plan.pieces[piece].range.contains(&at))
        {
            // All but the last two are released.
            while held.released + HELD <= i {
                plan.release(pieces[held.released]);
                held.released += 1;
            }
            if let Some(bytes) = plan.take(pieces[i])? {
                return Ok((plan.pieces[pieces[i]].range.start, bytes));
            }
        }
        let most = self.range.end.max(end).min(self.object.size);
        let runtime = runtime().map_err(|e| StoreFault::other(&e))?;
        Ok((at, runtime.block_on(self.object.fetch(at..end.max(at + BLOCK).min(most)))?))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some((plan, pieces)) = &self.plan {
            let released = lock(&self.state).released;
            pieces[released..].iter().for_each(|&at| plan.release(at));
        }
    }
}

/// The locked data is consistent at every step, so a panic elsewhere does no harm.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
