//! Objects of S3, Azure, GCS and plain HTTP as files: found by their URLs, and read in ranges that are planned, merged and
//! fetched ahead.
//!
//! Credentials come from the environment alone, by the names of the vendors' own tools (`AWS_...`, `AZURE_...`,
//! `GOOGLE_...`), and no message repeats them. An object that changes while it is read is refused.

mod ahead;
mod fault;
mod find;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use object_store::path::Path as StorePath;
use object_store::{GetOptions, ObjectMeta, ObjectStore};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

pub(crate) use ahead::Ahead;
pub(super) use ahead::{HELD_BYTES, Reading, ahead};
use fault::Fault;
pub(super) use find::Finder;

use crate::error::{Error, Result};

/// The most requests under way at a time. One connection carries some 80 MB/s.
const REQUESTS: usize = 32;

/// An object that is read like a file.
#[derive(Debug)]
pub(super) struct Object {
    store: Arc<dyn ObjectStore>,
    path: StorePath,
    /// What messages call it.
    name: String,
    size: u64,
    /// What the first answer said of the object: later ones must say the same.
    seen: OnceLock<Version>,
    /// Its number among the objects of an input.
    number: usize,
    input: Arc<Input>,
}

/// What an answer says of an object, by which a change is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    e_tag: Option<String>,
    /// Seconds since 1970.
    modified: i64,
}

impl Version {
    fn of(meta: &ObjectMeta) -> Self {
        Version { e_tag: meta.e_tag.clone(), modified: meta.last_modified.timestamp() }
    }
}

/// What the objects of an input share.
#[derive(Debug)]
struct Input {
    plans: ahead::Plans,
    permits: Semaphore,
    requests: AtomicU64,
    bytes: AtomicU64,
}

impl Object {
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// One request.
    async fn fetch(&self, range: Range<u64>) -> Result<Bytes, Fault> {
        let fail = |e| Fault::of(&self.name, &e);
        let _permit = self.input.permits.acquire().await;
        let length = range.end - range.start;
        // A weak tag (W/"...") never matches.
        let e_tag = self.seen.get().and_then(|seen| seen.e_tag.as_ref()).filter(|tag| !tag.starts_with("W/"));
        let options = GetOptions::new().with_range(Some(range)).with_if_match(e_tag);
        let answer = self.store.get_opts(&self.path, options).await.map_err(fail)?;
        let version = Version::of(&answer.meta);
        if answer.meta.size != self.size || *self.seen.get_or_init(|| version.clone()) != version {
            return Err(Fault::changed(&self.name));
        }
        let bytes = answer.bytes().await.map_err(fail)?;
        self.input.requests.fetch_add(1, Ordering::Relaxed);
        self.input.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        match bytes.len() as u64 == length {
            true => Ok(bytes),
            false => Err(Fault::short(&self.name, bytes.len() as u64, length)),
        }
    }
}

/// Requests that were answered, and their bytes, of the input to which an object belongs.
pub(super) fn fetched(object: &Arc<Object>) -> (u64, u64) {
    (object.input.requests.load(Ordering::Relaxed), object.input.bytes.load(Ordering::Relaxed))
}

/// The threads on which requests wait: two, for decryption takes a core at some 2 GB/s.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        // Another provider that is installed already is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).thread_name("requests").enable_all().build()
    });
    made.as_ref().map_err(|e| Error::Environment(format!("cannot start threads for requests: {e}")))
}
