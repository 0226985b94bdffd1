//! What a store's fault is called: with a remedy, and without anything secret.

use object_store::Error as StoreError;

use crate::error::Error;

/// A fault that can be told more than once.
#[derive(Debug, Clone)]
pub(crate) struct StoreFault {
    kind: fn(String) -> Error,
    text: String,
}

/// The most characters of a server's own words.
const LONGEST: usize = 300;

/// Variables whose values are no matter of a log; what they are called when they are secret.
const PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];
const SECRET: [&str; 6] = ["SECRET", "TOKEN", "KEY", "SAS", "PASSWORD", "CREDENTIAL"];

impl StoreFault {
    pub(crate) fn of(name: &str, error: &StoreError) -> Self {
        let (kind, why): (fn(String) -> Error, String) = match error {
            StoreError::NotFound { .. } => (Error::usage, "there is no such object".into()),
            StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
                let remedy =
                    "permission denied; credentials are taken from the environment (AWS_..., AZURE_..., GOOGLE_...)";
                (Error::environment, remedy.into())
            }
            StoreError::Precondition { .. } => return StoreFault::changed(name),
            StoreError::NotSupported { .. } => (
                Error::environment,
                "the server does not send parts of a file (HTTP ranges); copy the file here".into(),
            ),
            other => match scrubbed(&innermost(other)) {
                // Where machines of a cloud ask who they are.
                text if text.contains("169.254.169.254") => {
                    let why = "there are no credentials in the environment (AWS_..., AZURE_..., GOOGLE_...), and this machine has none";
                    (Error::environment, why.into())
                }
                text => (Error::environment, text),
            },
        };
        StoreFault { kind, text: format!("cannot read {name}: {why}") }
    }

    pub(crate) fn changed(name: &str) -> Self {
        let why = "it was changed while it was read; run again when it is complete";
        StoreFault { kind: Error::input, text: format!("cannot read {name}: {why}") }
    }

    pub(crate) fn short(name: &str, had: u64, wanted: u64) -> Self {
        let text = format!("cannot read {name}: the server sent {had} bytes where {wanted} were asked for");
        StoreFault { kind: Error::environment, text }
    }

    pub(crate) fn other(why: &dyn std::fmt::Display) -> Self {
        StoreFault { kind: Error::environment, text: why.to_string() }
    }

    pub(crate) fn error(&self) -> Error {
        (self.kind)(self.text.clone())
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

/// An error's own words and those of its last cause, which mostly says it best ("Connection refused").
fn innermost(error: &StoreError) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    let (outer, inner) = (error.to_string(), last.to_string());
    if outer.contains(&inner) { outer } else { format!("{outer}: {inner}") }
}

/// Without queries of URLs, which may carry signatures, and without the values of secret variables.
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
        let source = "x".repeat(1000).into();
        let long = StoreFault::of("s3://b/x", &StoreError::Generic { store: "S3", source });
        assert!(long.text().len() < 400, "{}", long.text());
    }
}
