//! Models from files of any format version.

use std::path::Path;

use super::format::{FORMAT_VERSION, Model};
use super::{envelope, legacy};
use crate::error::{Error, ErrorKind, Result};

impl Model {
    /// Reads and verifies a model.
    ///
    /// # Errors
    /// Not a model, a newer format, damaged (the checksum does not match), or inconsistent.
    pub fn load(path: &Path) -> Result<Self> {
        Self::from_json(&envelope::load_text(path)?)
            .map_err(|why| Error::input(format!("{}: {why}", path.display())).of_kind(ErrorKind::Model).of_file(path))
    }

    fn from_json(text: &str) -> Result<Self, String> {
        let model: Model = match envelope::version(text)? {
            version if version > FORMAT_VERSION => {
                return Err(format!(
                    "its format version is {version}, and this program reads up to {FORMAT_VERSION}; use a newer hyades"
                ));
            }
            FORMAT_VERSION => envelope::open(text)?,
            version => legacy::read(text, version)?,
        };
        model.check()?;
        Ok(model)
    }
}
