//! Models from files of any format version.

use std::path::Path;

use super::format::{FORMAT_VERSION, Model};
use super::{envelope, legacy};
use crate::error::{Error, ErrorKind, Result};

impl Model {
    /// Reads and verifies a model.
    ///
    /// Nothing is written.
    ///
    /// # Errors
    /// Not a model, a newer format, damaged (the checksum does not match), or inconsistent.
    ///
    /// # Examples
    /// ```
    /// use hyades::model::Model;
    ///
    /// let model = Model::load("data/models/v1.json".as_ref())?;
    /// assert_eq!(model.segments(), 6);
    /// assert_eq!(model.parts[0].feature_names_in_[0], "current_balance");
    /// # Ok::<(), hyades::Error>(())
    /// ```
    pub fn load(path: &Path) -> Result<Self> {
        Self::load_text(path, &envelope::load_text(path)?)
    }

    /// Verifies the text of the model file `path`.
    pub(crate) fn load_text(path: &Path, text: &str) -> Result<Self> {
        Self::from_json(text)
            .map_err(|why| Error::usage(format!("{}: {why}", path.display())).of_kind(ErrorKind::Model).of_file(path))
    }

    /// The text of the model file `path`.
    pub(crate) fn read_text(path: &Path) -> Result<String> {
        envelope::load_text(path)
    }

    /// The run that published a model file with this text.
    pub(crate) fn run_of(text: &str) -> Option<String> {
        envelope::run(text)
    }

    fn from_json(text: &str) -> Result<Self, String> {
        let model: Model = match envelope::version(text)? {
            version if version > FORMAT_VERSION => {
                return Err(format!(
                    "its format version is {version}, and this program reads up to {FORMAT_VERSION}; use a newer hyades"
                ));
            }
            // Formats 4 and 5 lack fields that may be missing, and algorithms.
            4 | 5 | FORMAT_VERSION => envelope::open(text)?,
            version => legacy::read(text, version)?,
        };
        model.check()?;
        Ok(model)
    }
}
