//! Several GPUs as one backend: each holds a share of the tiles in proportion to its speed, and the partials are
//! merged.
//!
//! Integers merge in any order, so the result does not depend on the shares.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::opened::Gpu;
use super::session::GpuSession;
use crate::backend::{Backend, CentroidSums, Centroidal, Centroids, DeviceWork, Farthest, Labels, Session};
use crate::error::{Error, Result};
use crate::event::{Stage, Watch};
use crate::tiles::{GRID_MAX, TILE_ROWS, Tiles};

/// Tiles for measuring the speeds of devices: 2^18 rows.
const PROBE_TILES: u64 = 1 << 12;

/// Two or more GPUs.
pub(crate) struct Gpus {
    members: Vec<Gpu>,
    /// Speeds measured so far, by features and segments.
    speeds: Mutex<HashMap<(usize, usize), Vec<f64>>>,
}

impl Gpus {
    /// The devices, in the order of their shares.
    pub(crate) fn new(members: Vec<Gpu>) -> Self {
        Gpus { members, speeds: Mutex::default() }
    }

    /// Rows per second of every device, measured once, on the first tiles while all devices work.
    fn speeds(&self, tiles: &Tiles, k: usize, watch: Watch<'_>) -> Result<Vec<f64>> {
        let shape = (tiles.dim(), k);
        if let Some(speeds) = self.speeds.lock().unwrap_or_else(PoisonError::into_inner).get(&shape) {
            return Ok(speeds.clone());
        }
        let range = 0..PROBE_TILES.min(tiles.rows().div_ceil(TILE_ROWS as u64));
        let centroids = spread(tiles.dim(), k)?;
        let speeds = at_once(&self.members, |gpu| {
            let mut session = GpuSession::open(gpu, tiles, range.clone(), k, watch.quiet())?;
            // The first pass includes compilation.
            session.pass(&centroids, watch.quiet())?;
            let (start, before) = (Instant::now(), seconds(&session));
            session.pass(&centroids, watch.quiet())?;
            // By the device's own clock if it has one: a probe is short, and the round trip is not work.
            let own = seconds(&session).zip(before).map(|(after, before)| after - before);
            Ok(range.end as f64 / own.unwrap_or(start.elapsed().as_secs_f64()).max(1e-6))
        })?;
        self.speeds.lock().unwrap_or_else(PoisonError::into_inner).insert(shape, speeds.clone());
        Ok(speeds)
    }
}

/// Seconds that a session's kernels have taken so far.
fn seconds(session: &GpuSession<'_>) -> Option<f64> {
    session.device_work()?.kernels.iter().map(|work| work.seconds).sum()
}

/// Arbitrary distinct centroids.
fn spread(dim: usize, k: usize) -> Result<Centroids> {
    let value = |j: usize| (j as i64 * 2 * i64::from(GRID_MAX) / k as i64 - i64::from(GRID_MAX)) as i32;
    Centroids::new(dim, (0..k).flat_map(|j| std::iter::repeat_n(value(j), dim)).collect())
}

/// Runs `work` for every member on a thread of its own; returns the first error.
fn at_once<M: Send, T: Send>(
    members: impl IntoIterator<Item = M>,
    work: impl Fn(M) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let threads: Vec<_> = members.into_iter().map(|member| scope.spawn(|| work(member))).collect();
        let panicked = |_| Err(Error::Internal("a thread that feeds a GPU panicked".into()));
        threads.into_iter().map(|t| t.join().unwrap_or_else(panicked)).collect()
    })
}

/// Divides `total` tiles into consecutive ranges in proportion to the speeds.
fn parts(total: u64, speeds: &[f64]) -> Vec<Range<u64>> {
    let sum: f64 = speeds.iter().sum();
    let mut before = 0.0;
    let mut start = 0;
    let mut parts: Vec<Range<u64>> = speeds
        .iter()
        .map(|speed| {
            before += speed;
            let end = ((total as f64 * before / sum) as u64).clamp(start, total);
            std::mem::replace(&mut start, end)..end
        })
        .collect();
    if let Some(last) = parts.last_mut() {
        last.end = total;
    }
    parts
}

impl Backend for Gpus {
    fn name(&self) -> &'static str {
        "gpu"
    }

    fn device(&self) -> String {
        self.members.iter().map(Backend::device).collect::<Vec<_>>().join(" + ")
    }

    fn abandon(&self) {
        self.members.iter().for_each(Backend::abandon);
    }

    fn open<'a>(&'a self, tiles: &'a Tiles, k: usize, watch: Watch<'_>) -> Result<Box<dyn Session + 'a>> {
        let speeds = self.speeds(tiles, k, watch)?;
        let parts = parts(tiles.rows().div_ceil(TILE_ROWS as u64), &speeds);
        let sessions = watch.stage(Stage::Upload, 0, "bytes", || {
            at_once(self.members.iter().zip(parts.clone()), |(gpu, part)| {
                GpuSession::open(gpu, tiles, part, k, watch.quiet())
            })
        })?;
        Ok(Box::new(Together { sessions, parts }))
    }
}

struct Together<'a> {
    sessions: Vec<GpuSession<'a>>,
    parts: Vec<Range<u64>>,
}

impl Session for Together<'_> {
    fn centroidal(&mut self) -> &mut dyn Centroidal {
        self
    }

    fn remark(&self) -> Option<String> {
        let tiles: u64 = self.parts.iter().map(|part| part.end - part.start).sum();
        let share =
            |part: &Range<u64>| format!("{:.0} %", 100.0 * (part.end - part.start) as f64 / tiles.max(1) as f64);
        let shares: Vec<String> = self.parts.iter().map(share).collect();
        let own = self.sessions.iter().filter_map(Session::remark);
        let lines = std::iter::once(format!("shared by measured speed: {}", shares.join(", "))).chain(own);
        Some(lines.collect::<Vec<_>>().join("; "))
    }

    fn device_work(&self) -> Option<DeviceWork> {
        self.sessions.iter().filter_map(Session::device_work).reduce(DeviceWork::plus)
    }
}

impl Centroidal for Together<'_> {
    fn pass(&mut self, centroids: &Centroids, watch: Watch<'_>) -> Result<CentroidSums> {
        let partials = at_once(&mut self.sessions, |session| session.pass(centroids, watch))?;
        let mut sum = CentroidSums::empty(centroids.k(), centroids.dim());
        partials.iter().for_each(|partial| sum.merge(partial));
        Ok(sum)
    }

    /// One device after the other, since labels are delivered in row order.
    fn label(
        &mut self,
        centroids: &Centroids,
        margin: bool,
        watch: Watch<'_>,
        sink: &mut dyn FnMut(Labels) -> Result<()>,
    ) -> Result<()> {
        self.sessions.iter_mut().try_for_each(|session| session.label(centroids, margin, watch, sink))
    }

    fn farthest(&mut self, centroids: &Centroids, watch: Watch<'_>) -> Result<Vec<Option<Farthest>>> {
        let mut farthest = vec![None; centroids.k()];
        for found in at_once(&mut self.sessions, |session| session.farthest(centroids, watch))? {
            farthest.iter_mut().zip(found).for_each(|(best, found)| {
                if let Some(found) = found {
                    found.offer_to(best);
                }
            });
        }
        Ok(farthest)
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_cover_everything_in_proportion() {
        assert_eq!(parts(100, &[1.0, 3.0]), [0..25, 25..100]);
        assert_eq!(parts(1, &[1.0, 1.0, 1.0]), [0..0, 0..0, 0..1]);
        assert_eq!(parts(0, &[1.0, 2.0]), [0..0, 0..0]);
        assert_eq!(parts(7, &[5.0]).first(), Some(&(0..7)));
    }
}
