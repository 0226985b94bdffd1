//! Paths in the manifest of a version, which are the same for the same files, however a job or its user names them.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::job::FitRequest;

/// The folder of a job file.
pub(super) struct JobFolder(PathBuf);

impl JobFolder {
    /// That of the job file at this path.
    pub(super) fn of(job: &Path) -> Self {
        let mut folder = plain(job);
        folder.pop();
        JobFolder(folder)
    }

    /// A path relative to this folder if it lies in it; otherwise an absolute one. URLs stay as they are.
    fn place(&self, path: &str) -> String {
        if path.contains("://") {
            return path.to_owned();
        }
        let path = plain(Path::new(path));
        match path.strip_prefix(&self.0) {
            Ok(within) if within.as_os_str().is_empty() => ".".to_owned(),
            Ok(within) => within.display().to_string(),
            Err(_) => path.display().to_string(),
        }
    }

    /// Names all files in the manifest of a fit, or of an assignment, in this way.
    pub(super) fn settle(&self, manifest: &mut Value, fit: &FitRequest) {
        let named: HashSet<String> = fit.named_paths().iter().map(|path| path.display().to_string()).collect();
        if let Some(request) = manifest.get_mut("request") {
            each_text(request, &mut |text| {
                if named.contains(text.as_str()) {
                    *text = self.place(text);
                }
            });
        }
        let settle = |value: Option<&mut Value>| {
            if let Some(Value::String(text)) = value {
                *text = self.place(text);
            }
        };
        settle(manifest.pointer_mut("/request/model"));
        for (list, keys) in
            [("/documents", &["path"][..]), ("/inputs/files", &["path", "table"]), ("/inputs/joins", &["path"])]
        {
            for entry in manifest.pointer_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                keys.iter().for_each(|key| settle(entry.get_mut(*key)));
            }
        }
    }

    /// The place of a path that [`settle`](Self::settle) wrote.
    pub(super) fn find(&self, path: &str) -> PathBuf {
        if path.contains("://") { path.into() } else { self.0.join(path) }
    }
}

/// A path without `.` and `..`, from the root. Links are not followed: where they lead may change.
pub(super) fn plain(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut plain = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            other => plain.push(other),
        }
    }
    plain
}

fn each_text(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(values) => values.iter_mut().for_each(|value| each_text(value, change)),
        Value::Object(values) => values.values_mut().for_each(|value| each_text(value, change)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_has_one_name() {
        let folder = JobFolder::of(Path::new("/bank/jobs/job.toml"));
        for (path, expected) in [
            ("/bank/jobs/a.parquet", "a.parquet"),
            ("/bank/jobs/./in/../a.parquet", "a.parquet"),
            ("/bank/jobs/in/*.parquet", "in/*.parquet"),
            ("/bank/jobs", "."),
            ("/bank/a.parquet", "/bank/a.parquet"),
            ("/bank/jobs/../a.parquet", "/bank/a.parquet"),
            ("s3://bank/./a.parquet", "s3://bank/./a.parquet"),
        ] {
            assert_eq!(folder.place(path), expected, "{path}");
        }
        let here = std::env::current_dir().unwrap();
        let relative = JobFolder::of(Path::new("job.toml"));
        assert_eq!(relative.0, here);
        assert_eq!(relative.place("./a.parquet"), "a.parquet");
        assert_eq!(relative.find("a.parquet"), here.join("a.parquet"));
    }
}
