//! An object in a store, read like a file: one request per call, with its version checked against the first response.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use bytes::Bytes;
use object_store::path::Path as StorePath;
use object_store::{GetOptions, ObjectMeta, ObjectStore};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::fault::StoreFault;
use crate::error::{Error, Result};

/// The most concurrent requests. One connection carries some 80 MB/s.
pub(super) const REQUESTS: usize = 32;

/// An object that is read like a file.
#[derive(Debug)]
pub(crate) struct Object {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: StorePath,
    /// Its name in messages.
    pub(super) name: String,
    pub(super) size: u64,
    /// The version in the first response; later ones must have the same.
    pub(super) seen: OnceLock<Version>,
    /// Its number among the objects of an input.
    pub(super) number: usize,
    pub(super) input: Arc<Input>,
}

/// The version of an object in a response, used to detect changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    e_tag: Option<String>,
    /// Seconds since 1970.
    modified: i64,
}

impl Version {
    pub(super) fn of(meta: &ObjectMeta) -> Self {
        Version { e_tag: meta.e_tag.clone(), modified: meta.last_modified.timestamp() }
    }
}

/// State shared by the objects of an input.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) plans: Plans,
    pub(super) permits: Semaphore,
    pub(super) requests: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// The active plans of an input.
#[derive(Debug, Default)]
pub(super) struct Plans(pub(super) Mutex<Vec<Arc<FetchPlan>>>);

#[derive(Debug)]
pub(super) struct FetchPlan {
    /// In the order in which they are needed.
    pub(super) pieces: Vec<FetchPiece>,
    /// For each piece, how many chunks have not been read yet, and its state.
    pub(super) states: Mutex<Vec<(usize, PieceState)>>,
    pub(super) arrived: Condvar,
    /// The pieces of each chunk, by object and first byte, until a reader claims the chunk.
    pub(super) chunks: Mutex<HashMap<(usize, u64), Vec<usize>>>,
    /// Bytes that are fetched ahead of each reader.
    pub(super) window: u64,
}

#[derive(Debug)]
pub(super) struct FetchPiece {
    pub(super) object: Arc<Object>,
    pub(super) range: Range<u64>,
}

#[derive(Debug)]
pub(super) enum PieceState {
    Planned,
    Asked,
    Here(Bytes),
    Failed(StoreFault),
    Done,
}

impl Object {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// One request.
    pub(super) async fn fetch(&self, range: Range<u64>) -> Result<Bytes, StoreFault> {
        let fail = |e| StoreFault::of(&self.name, &e);
        let _permit = self.input.permits.acquire().await;
        let length = range.end - range.start;
        // A weak tag (W/"...") never matches.
        let e_tag = self.seen.get().and_then(|seen| seen.e_tag.as_ref()).filter(|tag| !tag.starts_with("W/"));
        let options = GetOptions::new().with_range(Some(range)).with_if_match(e_tag);
        let answer = self.store.get_opts(&self.path, options).await.map_err(fail)?;
        let version = Version::of(&answer.meta);
        if answer.meta.size != self.size || *self.seen.get_or_init(|| version.clone()) != version {
            return Err(StoreFault::changed(&self.name));
        }
        let bytes = answer.bytes().await.map_err(fail)?;
        self.input.requests.fetch_add(1, Ordering::Relaxed);
        self.input.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(StoreFault::short(&self.name, bytes.len() as u64, length)),
        }
    }
}

/// Completed requests and their bytes, for the whole input that an object belongs to.
pub(crate) fn fetched(object: &Arc<Object>) -> (u64, u64) {
    (object.input.requests.load(Ordering::Relaxed), object.input.bytes.load(Ordering::Relaxed))
}

/// The threads that handle requests: two, since decryption takes a core at some 2 GB/s.
pub(super) fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        // A provider that is already installed works just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("requests").enable_all().build()
    });
    made.as_ref().map_err(|e| Error::environment(format!("cannot start threads for network requests: {e}")))
}
