//! What segments are called in all versions of a history, where a model is of one.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};
use crate::identity::{Identities, NameBook};

/// The files of a version.
const IDENTITY: &str = "identity.json";
const NAMES: &str = "names.toml";

/// Ids and names of the segments of a model; of a model that is of no version, none.
#[derive(Debug, Default)]
pub(super) struct NamedSegments {
    ids: Vec<u64>,
    names: NameBook,
}

impl NamedSegments {
    /// Those beside a model, or with the names of another file.
    ///
    /// # Errors
    /// Damaged files, or names for a model that is of no version.
    pub(super) fn beside(model: &Path, names: Option<&Path>) -> Result<Self> {
        let path = model.with_file_name(IDENTITY);
        if !path.is_file() {
            return match names {
                None => Ok(NamedSegments::default()),
                Some(names) => {
                    let text = format!(
                        "--names {}: names are by segment_id, which the segments of {} do not have; name the folder of \
                         a version of a history in its place",
                        names.display(),
                        model.display()
                    );
                    Err(Error::usage(text).of_kind(ErrorKind::Config).of_option("--names"))
                }
            };
        }
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io("read", &path, &e))?;
        let identities = Identities::from_json(&text)
            .map_err(|e| Error::usage(format!("{}: {e}", path.display())).of_kind(ErrorKind::Corrupt).of_file(&path))?;
        let beside = model.with_file_name(NAMES);
        let names = names.or_else(|| beside.is_file().then_some(beside.as_path()));
        let known = (1..identities.next_id).collect();
        let names = names.map(|path| NameBook::read(path, &known)).transpose()?.unwrap_or_default();
        Ok(NamedSegments { ids: identities.ids(), names })
    }

    /// The id of a segment.
    pub(super) fn id(&self, segment: u32) -> Option<u64> {
        self.ids.get(segment as usize).copied()
    }

    /// What people call a segment, in English and in Chinese.
    pub(super) fn called(&self, segment: u32) -> [Option<String>; 2] {
        let name = self.id(segment).and_then(|id| self.names.get(id));
        [name.and_then(|name| name.en.clone()), name.and_then(|name| name.zh.clone())]
    }
}
