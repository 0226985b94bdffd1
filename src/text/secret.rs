//! A user's secrets: in a file or in the environment, never on the command line.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The location of a secret.
///
/// # Examples
/// ```
/// use hyades::text::KeySource;
///
/// let key: KeySource = "env:BANK_KEY".parse()?;
/// assert_eq!(key, KeySource::Variable("BANK_KEY".into()));
/// assert_eq!(key.to_string(), "env:BANK_KEY");
/// # Ok::<(), hyades::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file; a line break at its end is ignored.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl FromStr for KeySource {
    type Err = Error;

    /// `env:NAME`, otherwise a file.
    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.strip_prefix("env:") {
            Some(name) => KeySource::Variable(name.to_owned()),
            None => KeySource::File(text.into()),
        })
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySource::File(path) => path.display().fmt(f),
            KeySource::Variable(name) => write!(f, "env:{name}"),
        }
    }
}

impl KeySource {
    /// Its file, if it is in one.
    pub(crate) fn path_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            KeySource::File(path) => Some(path),
            KeySource::Variable(_) => None,
        }
    }

    /// The secret, and its name for messages; `option` is the option that names it.
    pub(crate) fn read(&self, option: &'static str) -> Result<(Vec<u8>, String)> {
        match self {
            KeySource::File(path) => {
                let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, &e).of_option(option))?;
                Ok((bytes, path.display().to_string()))
            }
            KeySource::Variable(name) => {
                let value = std::env::var_os(name).ok_or_else(|| {
                    Error::usage(format!("{option} env:{name}: the environment has no variable {name}"))
                        .of_option(option)
                })?;
                Ok((value.into_encoded_bytes(), format!("env:{name}")))
            }
        }
    }
}
