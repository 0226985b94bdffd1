//! Requests in TOML files: read with all paths relative to the file, and overridden by the command line.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::text::utf8;

/// A request with paths in it.
pub(in crate::job) trait HasPaths: Sized {
    /// All paths that may be relative.
    fn paths(&mut self) -> Vec<&mut PathBuf>;

    /// The same request for a manifest, which is text: bytes of paths that are not UTF-8 are replaced.
    fn readable(mut self) -> Self {
        for path in self.paths() {
            if path.to_str().is_none() {
                *path = path.to_string_lossy().into_owned().into();
            }
        }
        self
    }
}

/// Reads a request.
pub(super) fn read<R: DeserializeOwned + HasPaths>(path: &Path) -> Result<R> {
    let fault = |text: String| Error::usage(text).of_kind(ErrorKind::Config).of_file(path);
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e))?;
    let text = utf8(bytes).map_err(|why| fault(format!("{}: {why}", path.display())))?;
    let mut request: R = toml::from_str(&text).map_err(|e| fault(format!("{}: {e}", path.display())))?;
    rebase(&mut request, path);
    Ok(request)
}

/// Makes paths that are relative to the file `path` relative to the working folder.
pub(super) fn rebase(request: &mut impl HasPaths, path: &Path) {
    for given in request.paths() {
        *given = beside(path, given);
    }
}

/// A path that is relative to the folder of the file `of`.
pub(super) fn beside(of: &Path, path: &Path) -> PathBuf {
    // A URL is not relative to anything; joining leaves absolute paths as they are.
    match path.to_string_lossy().contains("://") {
        true => path.to_path_buf(),
        false => of.parent().unwrap_or(Path::new("")).join(path),
    }
}

/// `over`, with missing fields taken from `under`.
pub(super) fn overlay<R: Serialize + DeserializeOwned>(over: &R, under: &R) -> Result<R> {
    let fault =
        |e: serde_json::Error| Error::usage(format!("options and a configuration file cannot be combined: {e}"));
    let (over, mut merged) = (serde_json::to_value(over).map_err(fault)?, serde_json::to_value(under).map_err(fault)?);
    lay(over, &mut merged);
    serde_json::from_value(merged).map_err(fault)
}

/// Fields that were not given are not serialised, so whatever is present was given.
fn lay(over: Value, under: &mut Value) {
    match (over, under) {
        (Value::Object(over), Value::Object(under)) => {
            for (key, value) in over {
                lay(value, under.entry(key).or_insert(Value::Null));
            }
        }
        (over, under) => *under = over,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ClusteringOptions, FitRequest, InputOptions, RecipeSource};
    use super::*;

    #[test]
    fn what_is_said_wins_and_the_rest_is_taken_over() {
        let mut under = FitRequest { clustering: ClusteringOptions::of(8), ..FitRequest::default() };
        under.clustering.seed = Some(3);
        under.columns.features = vec!["a".into(), "b".into()];
        under.output.margin = true;
        under.preparation.clip = Some(f64::INFINITY);
        let mut over = FitRequest { clustering: ClusteringOptions::of(5), ..FitRequest::default() };
        over.columns.features = vec!["c".into()];
        over.input = InputOptions::of(["x.parquet"]);
        let merged = over.clone().or(under).unwrap();
        assert_eq!((merged.clustering.number(), merged.clustering.seed), (Some(5), Some(3)));
        assert_eq!(merged.columns.features, ["c"]);
        assert_eq!(merged.input, over.input);
        assert!(merged.output.margin);
        assert_eq!(merged.preparation.clip, Some(f64::INFINITY), "which JSON cannot write as a number");
        assert_eq!(over.clone().or(FitRequest::default()).unwrap(), over);
        assert_eq!(FitRequest::default().or(over.clone()).unwrap(), over);
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fit.toml");
        let text = "[input]\npaths = [\"a/*.parquet\", \"s3://bank/b\", \"/c\"]\n[preparation]\nrecipe = \"r.toml\"\n\
                    [clustering]\nk = 3\ninit = \"random\"\n[resources]\nmemory = \"2GiB\"\n";
        std::fs::write(&file, text).unwrap();
        let request = FitRequest::from_toml(&file).unwrap();
        let here = |name: &str| folder.path().join(name);
        assert_eq!(request.input.paths, [here("a/*.parquet"), "s3://bank/b".into(), "/c".into()]);
        assert_eq!(request.preparation.recipe, Some(RecipeSource::File(here("r.toml"))));
        assert_eq!(request.resources.memory.map(|size| size.0), Some(2 << 30));
        std::fs::write(&file, "[clustering]\nkk = 3\n").unwrap();
        let refused = FitRequest::from_toml(&file).unwrap_err();
        assert!(refused.to_string().contains("unknown field `kk`"), "{refused}");
        assert!(refused.to_string().contains("line 2, column 1"), "{refused}");
        assert_eq!((refused.kind(), refused.file()), (ErrorKind::Config, Some(file.as_path())));
    }
}
