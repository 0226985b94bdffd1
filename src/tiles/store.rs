//! Where the chunks are stored: in memory, or in a scratch file that disappears with the process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::arena::Arena;
use super::layout::{Buffer, Layout};
use crate::error::{Error, Result};
use crate::input::{read_at, write_at};

/// Chunks to read ahead of the workers when streaming.
const READ_AHEAD: usize = 2;

/// The chunks of a [`Layout`], in memory or in a scratch file.
#[derive(Debug)]
pub(crate) struct Store {
    layout: Layout,
    place: Backing,
}

#[derive(Debug)]
enum Backing {
    Memory(Arena),
    Scratch { file: File, folder: PathBuf },
}

impl Store {
    /// Zeroed chunks in memory.
    ///
    /// # Errors
    /// The system refuses that much memory.
    pub(crate) fn memory(layout: Layout) -> Result<Self> {
        Ok(Store { layout, place: Backing::Memory(Arena::new(layout)?) })
    }

    /// An unnamed file in `folder`, which disappears when it is closed, even if the process is killed.
    pub(crate) fn scratch(layout: Layout, folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|e| Error::io("create a scratch file in", folder, &e))?;
        Ok(Store { layout, place: Backing::Scratch { file, folder: folder.to_path_buf() } })
    }

    /// The layout of the values.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// Whether the chunks are in memory.
    pub(crate) fn is_resident(&self) -> bool {
        matches!(self.place, Backing::Memory(_))
    }

    /// Bytes of memory that the chunks hold at one time, including read-ahead.
    pub(crate) fn streaming_bytes(layout: Layout, threads: usize) -> u64 {
        (layout.chunk_floats() * 4 * (threads + READ_AHEAD + 1)) as u64
    }

    /// The memory of all chunks, for concurrent writes. None for a scratch file.
    pub(crate) fn arena_mut(&mut self) -> Option<&mut Arena> {
        match &mut self.place {
            Backing::Memory(arena) => Some(arena),
            Backing::Scratch { .. } => None,
        }
    }

    /// Writes a whole chunk.
    pub(crate) fn write(&mut self, chunk: usize, values: &[f32]) -> Result<()> {
        match &mut self.place {
            Backing::Memory(arena) => {
                let start = chunk * arena.stride();
                arena.values_mut()[start..start + values.len()].copy_from_slice(values);
                Ok(())
            }
            Backing::Scratch { file, folder } => {
                write_at(file, bytemuck::cast_slice(values), offset(&self.layout, chunk))
                    .map_err(|e| Error::io("write the scratch file in", folder, &e))
            }
        }
    }

    /// Reads one chunk; `buffer` is used if it comes from a file.
    pub(crate) fn read<'a>(&'a self, chunk: usize, buffer: &'a mut Buffer) -> Result<&'a [f32]> {
        match &self.place {
            Backing::Memory(arena) => Ok(arena.chunk(&self.layout, chunk)),
            Backing::Scratch { file, folder } => {
                buffer.resize(self.layout.floats_in(chunk));
                read_at(file, bytemuck::cast_slice_mut(&mut buffer[..]), offset(&self.layout, chunk))
                    .map_err(|e| Error::io("read the scratch file in", folder, &e))?;
                Ok(buffer)
            }
        }
    }

    /// Calls `work` for every chunk from as many workers as the thread pool has, in no particular order. Each worker
    /// owns a state made by `init`; the states are returned. A scratch file is read ahead by a separate thread, so that
    /// reading and work overlap.
    pub(crate) fn scan<T: Send>(
        &self,
        init: impl Fn() -> T + Sync,
        work: impl Fn(&mut T, usize, &[f32]) -> Result<()> + Sync,
    ) -> Result<Vec<T>> {
        let workers = rayon::current_num_threads().min(self.layout.chunks()).max(1);
        match &self.place {
            Backing::Memory(arena) => {
                let next = AtomicUsize::new(0);
                run_workers(workers, |_| {
                    let mut state = init();
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        if i >= self.layout.chunks() {
                            return Ok(state);
                        }
                        work(&mut state, i, arena.chunk(&self.layout, i))?;
                    }
                })
            }
            Backing::Scratch { .. } => std::thread::scope(|scope| {
                let (full_tx, full_rx) = sync_channel::<Result<(usize, Buffer)>>(READ_AHEAD);
                let (free_tx, free_rx) = sync_channel::<Buffer>(workers + READ_AHEAD + 1);
                for _ in 0..workers + READ_AHEAD + 1 {
                    // The channel has room for every buffer, so this does not block.
                    let _ = free_tx.send(Buffer::default());
                }
                scope.spawn(move || self.read_ahead(&free_rx, &full_tx));
                let full = Mutex::new(full_rx);
                let result = run_workers(workers, |_| {
                    let mut state = init();
                    loop {
                        let received = lock(&full).recv();
                        let Ok(next) = received else { return Ok(state) };
                        let (i, buffer) = next?;
                        work(&mut state, i, &buffer)?;
                        let _ = free_tx.send(buffer);
                    }
                });
                // If a worker fails, closing the channel ends the reader.
                drop(full);
                drop(free_tx);
                result
            }),
        }
    }

    fn read_ahead(&self, free: &Receiver<Buffer>, full: &SyncSender<Result<(usize, Buffer)>>) {
        for i in 0..self.layout.chunks() {
            let Ok(mut buffer) = free.recv() else { return };
            let read = self.read(i, &mut buffer).map(|_| ());
            let failed = read.is_err();
            if full.send(read.map(|()| (i, buffer))).is_err() || failed {
                return;
            }
        }
    }

    /// Rewrites every chunk in place, in parallel. `work` gets the chunk's number and values, which it may change; the
    /// chunk then holds its first `layout.floats_in(i)` values, where `layout` must not have more features than now.
    pub(crate) fn rewrite(
        &mut self,
        layout: Layout,
        work: impl Fn(usize, &mut [f32]) -> Result<()> + Sync,
    ) -> Result<()> {
        use rayon::prelude::*;
        let old = std::mem::replace(&mut self.layout, layout);
        match &mut self.place {
            Backing::Memory(arena) => {
                let stride = arena.stride();
                let chunks = arena.values_mut().par_chunks_mut(stride).enumerate().take(old.chunks());
                chunks.try_for_each(|(i, chunk)| work(i, &mut chunk[..old.floats_in(i)]))
            }
            Backing::Scratch { file, folder } => {
                // A narrower chunk moves towards the start of the file, over chunks that have already been read: one
                // wave of chunks at a time is read, processed and written.
                let wave = rayon::current_num_threads();
                let mut buffers: Vec<Buffer> = Vec::new();
                for first in (0..old.chunks()).step_by(wave) {
                    let here = wave.min(old.chunks() - first);
                    buffers.resize_with(here, Buffer::default);
                    let fail = |action: &str, e: std::io::Error| Error::io(action, folder, &e);
                    buffers.par_iter_mut().enumerate().try_for_each(|(j, buffer)| {
                        let i = first + j;
                        buffer.resize(old.floats_in(i));
                        read_at(file, bytemuck::cast_slice_mut(&mut buffer[..]), offset(&old, i))
                            .map_err(|e| fail("read the scratch file in", e))?;
                        work(i, buffer)
                    })?;
                    buffers.par_iter().enumerate().try_for_each(|(j, buffer)| {
                        let i = first + j;
                        let values = &buffer[..layout.floats_in(i)];
                        write_at(file, bytemuck::cast_slice(values), offset(&layout, i))
                            .map_err(|e| fail("write the scratch file in", e))
                    })?;
                }
                Ok(())
            }
        }
    }
}

fn offset(layout: &Layout, chunk: usize) -> u64 {
    chunk as u64 * layout.chunk_floats() as u64 * 4
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` once on each of `workers` threads of the pool and collects the results, or the first error.
fn run_workers<T: Send>(workers: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    use rayon::prelude::*;
    (0..workers).into_par_iter().with_max_len(1).map(&work).collect()
}
