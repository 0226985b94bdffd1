//! An object store on this machine: S3 over a folder, with a real server's responses, with or without signatures. It
//! records its requests, and can be made to fail.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, HttpResponse};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::command::Ran;
use crate::harness::command;

pub(crate) const KEY: &str = "AKIAHYADESTESTS";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY";

/// A request to a store.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) range: Option<String>,
}

/// How it responds.
#[derive(Debug, Default)]
pub(crate) struct Mood {
    /// Delay before every response.
    pub(crate) delay: Duration,
    /// How many of the next requests get 503.
    pub(crate) busy: usize,
    /// A file that is replaced by another one after this many requests.
    pub(crate) change: Option<(usize, PathBuf, PathBuf)>,
    /// Whether versions of a file differ only in their time.
    pub(crate) no_tags: bool,
    /// Whether range requests are ignored: the whole file is sent.
    pub(crate) only_whole: bool,
}

pub(crate) struct Store {
    folder: tempfile::TempDir,
    address: SocketAddr,
    state: Arc<State>,
    _runtime: Runtime,
}

#[derive(Default)]
struct State {
    asked: Mutex<Vec<Asked>>,
    mood: Mutex<Mood>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Store {
    /// A store with a bucket `bank`; if `signed`, only for requests signed with [`KEY`] and [`SECRET`].
    pub(crate) fn new(signed: bool) -> Self {
        let folder = crate::harness::folder();
        std::fs::create_dir(folder.path().join("bank")).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        if signed {
            builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        }
        let (service, state) = (builder.build(), Arc::new(State::default()));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = state.clone();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, state) = (service.clone(), shared.clone());
                let answer = hyper::service::service_fn(move |request| answer(service.clone(), state.clone(), request));
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(socket), answer));
            }
        });
        Store { folder, address, state, _runtime: runtime }
    }

    /// The path of an object of the bucket on disk.
    pub(crate) fn path(&self, key: &str) -> PathBuf {
        let path = self.folder.path().join("bank").join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    pub(crate) fn put(&self, key: &str, file: &Path) {
        std::fs::copy(file, self.path(key)).unwrap();
    }

    /// The URL of an object by plain HTTP.
    pub(crate) fn http(&self, key: &str) -> String {
        format!("http://{}/bank/{key}", self.address)
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Mood)) {
        change(&mut self.state.mood.lock().unwrap());
    }

    /// The requests since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.asked.lock().unwrap())
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.state.most_under_way.load(Ordering::Relaxed)
    }

    /// The environment variables that configure access to it.
    pub(crate) fn variables(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ALLOW_HTTP", "true".into()),
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_ACCESS_KEY_ID", KEY.into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.into()),
        ])
    }

    /// Runs `hyades` with these variables.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::from(command().args(arguments).envs(self.variables()).output().unwrap())
    }
}

async fn answer(service: S3Service, state: Arc<State>, request: Request<Incoming>) -> Result<HttpResponse, HttpError> {
    let under_way = state.under_way.fetch_add(1, Ordering::Relaxed) + 1;
    state.most_under_way.fetch_max(under_way, Ordering::Relaxed);
    let answer = consider(service, &state, request).await;
    state.under_way.fetch_sub(1, Ordering::Relaxed);
    answer
}

async fn consider(
    service: S3Service,
    state: &State,
    mut request: Request<Incoming>,
) -> Result<HttpResponse, HttpError> {
    let header = |name: &str| request.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let (range, if_match) = (header("range"), header("if-match"));
    let count = {
        let mut asked = state.asked.lock().unwrap();
        asked.push(Asked { method: request.method().clone(), range });
        asked.len()
    };
    let (delay, busy, no_tags) = {
        let mut mood = state.mood.lock().unwrap();
        if let Some((_, from, to)) = mood.change.take_if(|(after, ..)| count > *after) {
            std::fs::copy(from, to).unwrap();
        }
        if mood.only_whole {
            request.headers_mut().remove("range");
        }
        let busy = mood.busy > 0;
        mood.busy = mood.busy.saturating_sub(1);
        (mood.delay, busy, mood.no_tags)
    };
    tokio::time::sleep(delay).await;
    let plain = |status: StatusCode| {
        let mut response = HttpResponse::new(Body::empty());
        *response.status_mut() = status;
        Ok(response)
    };
    if busy {
        return plain(StatusCode::SERVICE_UNAVAILABLE);
    }
    let mut response = service.call(request.map(Body::from)).await?;
    if no_tags {
        response.headers_mut().remove("etag");
    }
    match (if_match, response.headers().get("etag")) {
        (Some(wanted), Some(tag)) if wanted != tag.to_str().unwrap() => plain(StatusCode::PRECONDITION_FAILED),
        _ => Ok(response),
    }
}
