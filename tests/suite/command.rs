//! Runs the command for tests: its messages, its outputs, and what it must not touch.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::harness::{folder, hyades};

/// The messages of a run, and its exit code.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

impl Ran {
    /// The message has every part, nothing panicked, and the exit code is the one expected.
    pub(crate) fn is_refused(&self, code: i32, parts: &[&str]) {
        assert!(!self.err.contains("panicked"), "it panicked: {}", self.err);
        assert_eq!(self.code, Some(code), "{}", self.err);
        let message = self.err.split_once("error: ").map_or("", |(_, message)| message);
        for part in parts {
            assert!(message.contains(part), "no {part:?} in: {message}");
        }
    }

    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self
    }
}

/// Runs `hyades` in a limited address space (KiB), for a minute at most: a longer run ends with exit code 124.
pub(crate) fn within<S: AsRef<OsStr>>(kib: u64, arguments: impl IntoIterator<Item = S>) -> Ran {
    let script = format!("ulimit -v {kib}; exec timeout 60 \"$0\" \"$@\"");
    let mut run = std::process::Command::new("sh");
    run.args(["-c", &script, env!("CARGO_BIN_EXE_hyades")]).args(arguments).output().expect("sh runs").into()
}

/// Runs `hyades` and expects success.
pub(crate) fn done<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ran {
    Ran::from(hyades(arguments)).succeeds()
}

/// A folder for inputs and an output folder `out` that holds an earlier output.
pub(crate) struct Workshop {
    folder: tempfile::TempDir,
    before: BTreeMap<String, Vec<u8>>,
}

impl Workshop {
    pub(crate) fn new() -> Self {
        let folder = folder();
        let out = folder.path().join("out");
        std::fs::create_dir_all(out.join("segments")).expect("a folder for the output");
        for name in ["segments/part-00000.parquet", "model.json"] {
            std::fs::write(out.join(name), format!("the earlier {name}")).expect("an earlier output");
        }
        let files = r#"["segments/part-00000.parquet", "model.json", "manifest.json"]"#;
        let manifest = format!("{{\"command\": \"assign\", \"files\": {files}}}\n");
        std::fs::write(out.join("manifest.json"), manifest).expect("an earlier output");
        let before = contents(&out);
        Workshop { folder, before }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text, for arguments.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("a path of text").to_owned()
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.path("out")
    }

    /// Runs with `--out` and this output folder.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ran {
        let mut all: Vec<std::ffi::OsString> = arguments.into_iter().map(|a| a.as_ref().to_owned()).collect();
        if all.first().is_some_and(|verb| verb == "assign") {
            self.make_room();
        }
        all.extend(["--out".into(), self.out().into()]);
        hyades(all).into()
    }

    /// Removes the output of a fit, which labels may not replace.
    pub(crate) fn make_room(&self) {
        let is_fit = |text: String| text.contains("\"command\": \"fit\"");
        if std::fs::read_to_string(self.out().join("manifest.json")).is_ok_and(is_fit) {
            std::fs::remove_dir_all(self.out()).expect("removed");
        }
    }

    /// Runs with `--out`; it must be refused, and the earlier output must be unchanged.
    pub(crate) fn refused<S: AsRef<OsStr>>(&self, code: i32, parts: &[&str], arguments: impl IntoIterator<Item = S>) {
        self.run(arguments).is_refused(code, parts);
        self.is_untouched();
    }

    /// The earlier output is unchanged, and nothing else is there.
    pub(crate) fn is_untouched(&self) {
        let now = contents(&self.out());
        assert_eq!(now.keys().collect::<Vec<_>>(), self.before.keys().collect::<Vec<_>>(), "other files in the output");
        assert!(now == self.before, "an earlier output was changed");
    }
}

/// The files of a folder and of those in it, by name.
pub(crate) fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() {
            found
                .extend(contents(&entry.path()).into_iter().map(|(within, bytes)| (format!("{name}/{within}"), bytes)));
        } else {
            found.insert(name, std::fs::read(entry.path()).expect("a file"));
        }
    }
    found
}

/// A JSON file.
pub(crate) fn json(path: impl AsRef<Path>) -> Value {
    let text = std::fs::read_to_string(path.as_ref()).expect("a text file");
    serde_json::from_str(&text).expect("JSON")
}

/// The model in an output folder.
pub(crate) fn model(out: &Path) -> Value {
    json(out.join("model.json"))["model"].take()
}

/// The first part of the model in an output folder, with what was fitted beside its preparation.
pub(crate) fn part(out: &Path) -> Value {
    let mut part = model(out)["parts"][0].take();
    let fitted = part["fitted"].take();
    let part_fields = part.as_object_mut().expect("a part");
    part_fields.extend(fitted.as_object().expect("a result").clone());
    part
}

/// The hash of the labels in an output folder's manifest.
pub(crate) fn labels_hash(out: &Path) -> String {
    json(out.join("manifest.json"))["outcome"]["labels_blake3"].as_str().expect("a hash").to_owned()
}
