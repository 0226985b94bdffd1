//! Faults of object stores as errors: with a remedy, and without secrets.

use object_store::Error as StoreError;

use std::path::Path;

use crate::error::{Error, ErrorKind};

/// A fault that can be reported more than once.
#[derive(Debug, Clone)]
pub(crate) struct StoreFault {
    class: FaultClass,
    kind: ErrorKind,
    /// The URL; None: the fault concerns no object in particular.
    name: Option<String>,
    text: String,
}

type FaultClass = fn(String) -> Error;

/// The most characters of a server's own message.
const LONGEST: usize = 300;

/// Prefixes of the variables that hold credentials, and words in the names of the secret ones.
const PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];
const SECRET: [&str; 6] = ["SECRET", "TOKEN", "KEY", "SAS", "PASSWORD", "CREDENTIAL"];

impl StoreFault {
    pub(crate) fn of(name: &str, error: &StoreError) -> Self {
        let (class, kind, why): (FaultClass, ErrorKind, String) = match error {
            StoreError::NotFound { .. } => (Error::usage, ErrorKind::NotFound, "there is no such object".into()),
            StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
                let remedy =
                    "permission denied; credentials are taken from the environment (AWS_..., AZURE_..., GOOGLE_...)";
                (Error::environment, ErrorKind::Permission, remedy.into())
            }
            StoreError::Precondition { .. } => return StoreFault::changed(name),
            StoreError::NotSupported { .. } => (
                Error::environment,
                ErrorKind::System,
                "the server does not support HTTP range requests; download the file and name the copy".into(),
            ),
            other => match scrubbed(&innermost(other)) {
                // The metadata server, from which machines in a cloud get their own credentials.
                text if text.contains("169.254.169.254") => {
                    let why = "there are no credentials in the environment (AWS_..., AZURE_..., GOOGLE_...), and this machine has none";
                    (Error::environment, ErrorKind::Permission, why.into())
                }
                text => (Error::environment, ErrorKind::System, text),
            },
        };
        StoreFault::at(name, class, kind, &why)
    }

    fn at(name: &str, class: FaultClass, kind: ErrorKind, why: &str) -> Self {
        StoreFault { class, kind, name: Some(name.to_owned()), text: format!("cannot read {name}: {why}") }
    }

    pub(crate) fn changed(name: &str) -> Self {
        let why = "it was changed while it was read; run again when it is complete";
        StoreFault::at(name, Error::input, ErrorKind::System, why)
    }

    pub(crate) fn short(name: &str, had: u64, wanted: u64) -> Self {
        let why = format!("the server sent {had} of the {wanted} bytes requested");
        StoreFault::at(name, Error::environment, ErrorKind::System, &why)
    }

    pub(crate) fn other(why: &dyn std::fmt::Display) -> Self {
        StoreFault { class: Error::environment, kind: ErrorKind::System, name: None, text: why.to_string() }
    }

    pub(crate) fn error(&self) -> Error {
        let error = (self.class)(self.text.clone()).of_kind(self.kind);
        match &self.name {
            Some(name) => error.of_file(Path::new(name)),
            None => error,
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl From<StoreFault> for Error {
    fn from(fault: StoreFault) -> Self {
        fault.error()
    }
}

/// An error's message and that of its root cause, which is usually the most specific ("Connection refused").
fn innermost(error: &StoreError) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    let (outer, inner) = (error.to_string(), last.to_string());
    if outer.contains(&inner) { outer } else { format!("{outer}: {inner}") }
}

/// The text without query strings, which may contain signatures, and without the values of secret variables.
fn scrubbed(text: &str) -> String {
    let mut clean = text.to_owned();
    for (name, value) in std::env::vars_os() {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
        let secret = PREFIXES.iter().any(|p| name.starts_with(p)) && SECRET.iter().any(|s| name.contains(s));
        if secret && value.len() >= 4 {
            clean = clean.replace(value, "***");
        }
    }
    let words: Vec<&str> = clean.split_whitespace().map(without_query).collect();
    let clean = words.join(" ");
    match clean.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", &clean[..at]),
        None => clean,
    }
}

fn without_query(word: &str) -> &str {
    match (word.contains("://"), word.split_once('?')) {
        (true, Some((url, _))) => url,
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fault_tells_a_secret() {
        let source = "error sending request for url (https://a.blob/x?sv=1&sig=abc%3D): HTTP error".into();
        let fault = StoreFault::of("az://c/x", &StoreError::Generic { store: "Azure", source });
        assert_eq!(
            fault.error().to_string(),
            "cannot read az://c/x: Generic Azure error: error sending request for url (https://a.blob/x HTTP error"
        );
        assert!(matches!(fault.error(), Error::Environment(_)));
        assert_eq!((fault.error().kind(), fault.error().file()), (ErrorKind::System, Some(Path::new("az://c/x"))));
        let source = "x".repeat(1000).into();
        let long = StoreFault::of("s3://b/x", &StoreError::Generic { store: "S3", source });
        assert!(long.text().len() < 400, "{}", long.text());
    }
}
