//! From a URL to objects: one object, the Parquet files under a prefix, or those that match a pattern.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::TryStreamExt;
use glob::{MatchOptions, Pattern};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path as StorePath;
use object_store::{
    ClientConfigKey, ClientOptions, Error as StoreError, ObjectMeta, ObjectStore, ObjectStoreExt, ObjectStoreScheme,
    RetryConfig,
};
use tokio::sync::Semaphore;
use url::Url;

use super::fault::StoreFault;
use super::object::{Input, Object, REQUESTS, runtime};
use crate::error::{Error, ErrorKind, Result};
use crate::input::folders::{is_parquet, is_skipped, shown_url, table_format, table_format_fault};

/// Of a request (at most 2 MiB), and of connecting.
const TIMEOUT: &str = "60 seconds";
const CONNECT_TIMEOUT: &str = "10 seconds";

/// The schemes that are supported.
const SCHEMES: [&str; 8] = ["s3", "s3a", "gs", "az", "abfs", "abfss", "http", "https"];

/// Finds the objects of an input. Objects of one bucket share connections.
pub(crate) struct Finder {
    stores: HashMap<String, Arc<dyn ObjectStore>>,
    input: Arc<Input>,
    found: usize,
    /// Objects below a prefix that are not read.
    passed_over: Vec<PathBuf>,
}

impl Default for Finder {
    fn default() -> Self {
        let permits = Semaphore::new(REQUESTS);
        let input = Input { plans: Default::default(), permits, requests: AtomicU64::new(0), bytes: AtomicU64::new(0) };
        Finder { stores: HashMap::new(), input: Arc::new(input), found: 0, passed_over: Vec::new() }
    }
}

/// Where a URL leads.
struct StorePlace {
    store: Arc<dyn ObjectStore>,
    path: StorePath,
    /// The URL up to the path.
    base: String,
    scheme: ObjectStoreScheme,
}

impl Finder {
    /// The objects that `url` names, sorted by name, each with its own URL.
    ///
    /// # Errors
    /// A URL that is invalid, has a password or a query, or matches nothing; faults of the store.
    pub(crate) fn find(&mut self, url: &Path) -> Result<Vec<(PathBuf, Arc<Object>)>> {
        let text = url.to_str().ok_or_else(|| Error::usage(format!("{} is not a valid URL", url.display())))?;
        let place = self.place(text)?;
        let found = if text.contains('*') {
            let found = self.matches(&place, text)?;
            if found.is_empty() {
                let error = Error::usage(format!("no object matches {text}"));
                return Err(error.of_kind(ErrorKind::NotFound).of_file(url));
            }
            found
        } else if text.ends_with('/') {
            self.below(&place, text)?
        } else {
            self.named(&place, text)?
        };
        if found.is_empty() {
            return Err(Error::usage(format!(
                "{text}: there is no such object, and no Parquet file below it (*.parquet, *.parq, *.pq; names that begin \
                 with . or _ are skipped)"
            ))
            .of_kind(ErrorKind::NotFound)
            .of_file(url));
        }
        Ok(found.into_iter().map(|meta| self.object(&place, meta)).collect())
    }

    /// The objects below prefixes that are not read, since their names are not those of Parquet.
    pub(crate) fn passed_over(self) -> Vec<PathBuf> {
        self.passed_over
    }

    fn place(&mut self, text: &str) -> Result<StorePlace> {
        let refuse = |why: &str| {
            let shown = shown_url(text);
            Error::usage(format!("{shown}: {why}")).of_file(Path::new(&shown))
        };
        let url = Url::parse(text).map_err(|e| refuse(&format!("not a valid URL: {e}")))?;
        let is_http = url.scheme().starts_with("http");
        if url.password().is_some() || (is_http && !url.username().is_empty()) {
            return Err(refuse("a password in a URL would appear in logs; pass credentials in the environment"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse(
                "the query of a URL may hold a signature, which would appear in logs; pass credentials in the environment",
            ));
        }
        if !SCHEMES.contains(&url.scheme()) {
            return Err(refuse(&format!(
                "unsupported URL scheme; supported are {}",
                SCHEMES.map(|s| format!("{s}://")).join(", ")
            )));
        }
        let (scheme, path) = ObjectStoreScheme::parse(&url).map_err(|e| refuse(&e.to_string()))?;
        // The part of the URL's path that precedes the store's paths: the bucket, in vendors' HTTPS URLs.
        let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
        let own = segments[..segments.len().saturating_sub(path.parts().count())].iter();
        let base =
            format!("{}/", &url[..url::Position::BeforePath]) + &own.map(|s| format!("{s}/")).collect::<String>();
        let store = match self.stores.get(&base) {
            Some(store) => store.clone(),
            None => {
                // Starting the threads also installs the cryptography provider that connections need.
                runtime()?;
                let store = open(&url, &scheme).map_err(|e| Error::from(StoreFault::of(text, &e)))?;
                self.stores.insert(base.clone(), store.clone());
                store
            }
        };
        Ok(StorePlace { store, path, base, scheme })
    }

    /// One object, or the Parquet files below it; tries first what the name looks like.
    fn named(&mut self, place: &StorePlace, text: &str) -> Result<Vec<ObjectMeta>> {
        if place.scheme == ObjectStoreScheme::Http {
            return self.one(place, text);
        }
        let is_file = is_parquet(Path::new(text));
        let first = if is_file { self.one(place, text)? } else { self.below(place, text)? };
        match first.is_empty() {
            true if is_file => self.below(place, text),
            true => self.one(place, text),
            false => Ok(first),
        }
    }

    /// The object of exactly this name, if there is one.
    fn one(&self, place: &StorePlace, text: &str) -> Result<Vec<ObjectMeta>> {
        match runtime()?.block_on(place.store.head(&place.path)) {
            Ok(meta) => Ok(vec![meta]),
            Err(StoreError::NotFound { .. }) => Ok(Vec::new()),
            Err(e) => Err(StoreFault::of(text, &e).into()),
        }
    }

    /// The Parquet files below a prefix, as in a folder.
    fn below(&mut self, place: &StorePlace, text: &str) -> Result<Vec<ObjectMeta>> {
        let depth = place.path.parts().count();
        let mut files = self.list(place, &place.path)?;
        if let Some((folder, kind)) = table_format(files.iter().map(|meta| inside(meta, depth).join("/"))) {
            return Err(table_format_fault(&format!("{}/{folder}", text.trim_end_matches('/')), kind));
        }
        files.retain(|meta| self.takes(place, meta, depth));
        Ok(files)
    }

    /// The files that a pattern matches, and the Parquet files below the folders that it matches.
    fn matches(&mut self, place: &StorePlace, text: &str) -> Result<Vec<ObjectMeta>> {
        let pattern = Pattern::new(place.path.as_ref())
            .map_err(|e| Error::usage(format!("invalid pattern {text}: {e}")).of_file(Path::new(text)))?;
        let fixed: StorePath = place.path.parts().take_while(|part| !part.as_ref().contains(['*', '['])).collect();
        let options = MatchOptions { require_literal_separator: true, ..MatchOptions::new() };
        let depth = place.path.parts().count();
        let mut files = self.list(place, &fixed)?;
        files.retain(|meta| {
            let folder: StorePath = meta.location.parts().take(depth).collect();
            let named = pattern.matches_with(folder.as_ref(), options);
            named && (inside(meta, depth).is_empty() || self.takes(place, meta, depth))
        });
        Ok(files)
    }

    /// Whether an object in a folder `depth` segments deep counts as input.
    fn takes(&mut self, place: &StorePlace, meta: &ObjectMeta, depth: usize) -> bool {
        let names = inside(meta, depth);
        let is_hidden = names.iter().any(|name| is_skipped(name));
        let is_taken = !is_hidden && names.last().is_some_and(|name| is_parquet(Path::new(name)));
        if !is_hidden && !is_taken {
            self.passed_over.push(format!("{}{}", place.base, meta.location).into());
        }
        is_taken
    }

    fn list(&self, place: &StorePlace, below: &StorePath) -> Result<Vec<ObjectMeta>> {
        let text = format!("{}{below}", place.base);
        if place.scheme == ObjectStoreScheme::Http {
            let error = Error::usage(format!("{text}: plain HTTP cannot list files; name each file"));
            return Err(error.of_file(Path::new(&text)));
        }
        let list = place.store.list(Some(below)).try_collect::<Vec<ObjectMeta>>();
        let mut files = runtime()?.block_on(list).map_err(|e| Error::from(StoreFault::of(&text, &e)))?;
        // In the order in which local folders are walked.
        files.sort_by(|a, b| a.location.parts().cmp(b.location.parts()));
        // Some tools mark a folder by an empty object of its name, which sorts right before its contents.
        let is_folder = |i: usize| {
            let next = files.get(i + 1).is_some_and(|next| next.location.prefix_matches(&files[i].location));
            files[i].size == 0 && next
        };
        let folders: Vec<bool> = (0..files.len()).map(is_folder).collect();
        let mut folders = folders.into_iter();
        files.retain(|_| !folders.next().unwrap_or(false));
        Ok(files)
    }

    fn object(&mut self, place: &StorePlace, meta: ObjectMeta) -> (PathBuf, Arc<Object>) {
        let name = format!("{}{}", place.base, meta.location);
        let object = Object {
            store: place.store.clone(),
            path: meta.location,
            name: name.clone(),
            size: meta.size,
            seen: OnceLock::new(),
            number: self.found,
            input: self.input.clone(),
        };
        self.found += 1;
        (name.into(), Arc::new(object))
    }
}

/// The path segments of an object after the first `depth`.
fn inside(meta: &ObjectMeta, depth: usize) -> Vec<String> {
    meta.location.parts().skip(depth).map(|part| part.as_ref().to_owned()).collect()
}

/// The store of a URL, configured from the environment variables of its vendor's tools.
fn open(url: &Url, scheme: &ObjectStoreScheme) -> Result<Arc<dyn ObjectStore>, StoreError> {
    // Retry for a minute if a server is busy or the network is down.
    let retry = RetryConfig { max_retries: 60, retry_timeout: Duration::from_secs(60), ..RetryConfig::default() };
    let (whole, connect) = (ClientConfigKey::Timeout, ClientConfigKey::ConnectTimeout);
    Ok(match scheme {
        ObjectStoreScheme::AmazonS3 => {
            let builder = AmazonS3Builder::from_env().with_url(url.as_str()).with_retry(retry);
            let builder = builder.with_config(AmazonS3ConfigKey::Client(whole), TIMEOUT);
            Arc::new(builder.with_config(AmazonS3ConfigKey::Client(connect), CONNECT_TIMEOUT).build()?)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let builder = MicrosoftAzureBuilder::from_env().with_url(url.as_str()).with_retry(retry);
            let builder = builder.with_config(AzureConfigKey::Client(whole), TIMEOUT);
            Arc::new(builder.with_config(AzureConfigKey::Client(connect), CONNECT_TIMEOUT).build()?)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str()).with_retry(retry);
            let builder = builder.with_config(GoogleConfigKey::Client(whole), TIMEOUT);
            Arc::new(builder.with_config(GoogleConfigKey::Client(connect), CONNECT_TIMEOUT).build()?)
        }
        _ => {
            // An http:// URL says itself that it is unencrypted.
            let options = ClientOptions::new().with_allow_http(true).with_config(whole, TIMEOUT);
            let options = options.with_config(connect, CONNECT_TIMEOUT);
            let server = &url[..url::Position::BeforePath];
            Arc::new(HttpBuilder::new().with_url(server).with_client_options(options).with_retry(retry).build()?)
        }
    })
}
