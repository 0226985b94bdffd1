//! A set of data as OpenLineage names it: a namespace, and a name within it.
//!
//! Names follow the naming conventions of the specification: local paths are absolute and lie in `file`; a URL's
//! namespace is its scheme and authority. Patterns are cut off where they begin. Secrets of URLs are left out.

use std::path::Path;

/// Where data lie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DataPlace {
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl DataPlace {
    /// The place that a path, a pattern or a URL names. A version of a table (`@v12`) is left out.
    pub(crate) fn of(path: &Path) -> Self {
        let text = path.to_string_lossy();
        match text.split_once("://") {
            Some((scheme, rest)) => Self::of_url(scheme, rest),
            None => {
                let whole = if path.exists() { text.as_ref() } else { without_version(without_pattern(&text)) };
                let name = std::path::absolute(whole).unwrap_or_else(|_| whole.into());
                let parts: std::path::PathBuf = name.components().collect();
                DataPlace { namespace: "file".into(), name: parts.to_string_lossy().into_owned() }
            }
        }
    }

    fn of_url(scheme: &str, rest: &str) -> Self {
        let rest = &rest[..rest.find(['?', '#']).unwrap_or(rest.len())];
        let (authority, name) = rest.split_once('/').unwrap_or((rest, ""));
        // In names of Azure's stores the container stands before the @, elsewhere a user and a password.
        let is_web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
        let host = authority.rsplit_once('@').filter(|_| is_web).map_or(authority, |(_, host)| host);
        let name = without_version(without_pattern(name)).trim_end_matches('/');
        DataPlace { namespace: format!("{scheme}://{host}"), name: name.to_owned() }
    }

    /// Whether `other` is this place, or lies in it.
    pub(crate) fn holds(&self, other: &DataPlace) -> bool {
        let within = |rest: &str| rest.is_empty() || rest.starts_with('/') || self.name.is_empty() || self.name == "/";
        self.namespace == other.namespace && other.name.strip_prefix(&self.name).is_some_and(within)
    }

    /// A URI of it.
    pub(crate) fn uri(&self) -> String {
        let start = if self.namespace == "file" { "file://".to_owned() } else { format!("{}/", self.namespace) };
        let mut uri = start;
        for byte in self.name.replace('\\', "/").bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => uri.push(byte as char),
                _ => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        uri
    }
}

/// A path up to the first part that is a pattern.
fn without_pattern(path: &str) -> &str {
    match path.find(['*', '?', '[']) {
        Some(at) => path[..at].rfind('/').map_or(".", |slash| &path[..slash.max(1)]),
        None => path,
    }
}

/// A path without the version of a table.
fn without_version(path: &str) -> &str {
    let is_version = |version: &str| version.strip_prefix('v').unwrap_or(version).bytes().all(|b| b.is_ascii_digit());
    path.rsplit_once('@').filter(|(_, version)| is_version(version)).map_or(path, |(path, _)| path)
}

/// What an event says of data that were read or written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dataset {
    pub(crate) place: DataPlace,
    /// Names and Arrow types of the columns.
    pub(crate) fields: Vec<(String, String)>,
    /// The version of a table, or a hash of what was found.
    pub(crate) version: Option<String>,
    /// The format of a table of files, such as `delta`.
    pub(crate) layer: Option<&'static str>,
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: u64,
    pub(crate) files: u64,
    /// Rows without a value, by column, where they were counted.
    pub(crate) missing: Vec<(String, u64)>,
    /// Expectations of the input: key and column, and whether they hold.
    pub(crate) assertions: Vec<(String, Option<String>, bool)>,
    /// Of an output: the columns of the input that each of its columns comes from, and whether they are replaced by
    /// pseudonyms.
    pub(crate) columns_from: Vec<(String, Vec<String>, bool)>,
}

impl Dataset {
    /// Nothing but a place.
    pub(crate) fn at(place: DataPlace) -> Self {
        Dataset {
            place,
            fields: Vec::new(),
            version: None,
            layer: None,
            rows: None,
            bytes: 0,
            files: 0,
            missing: Vec::new(),
            assertions: Vec::new(),
            columns_from: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_as_the_conventions_say() {
        let of = |path: &str| {
            let place = DataPlace::of(Path::new(path));
            (place.namespace.clone(), place.name.clone(), place.uri())
        };
        let told = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(
            of("/no/bank/2026-10.parquet"),
            told("file", "/no/bank/2026-10.parquet", "file:///no/bank/2026-10.parquet")
        );
        assert_eq!(of("/no/bank/*/a b.parquet"), told("file", "/no/bank", "file:///no/bank"));
        assert_eq!(of("/no/客户"), told("file", "/no/客户", "file:///no/%E5%AE%A2%E6%88%B7"));
        assert_eq!(of("/no/table@v12").1, "/no/table");
        assert_eq!(of("/no/mail@home").1, "/no/mail@home");
        assert_eq!(of("s3://bank/raw/2026-*/x.parquet"), told("s3://bank", "raw", "s3://bank/raw"));
        assert_eq!(
            of("https://user:secret@host/a.parquet?sig=secret"),
            told("https://host", "a.parquet", "https://host/a.parquet")
        );
        assert_eq!(of("abfss://box@account/a").0, "abfss://box@account");
        let here = std::env::current_dir().unwrap().display().to_string();
        assert_eq!(of("none.parquet").1, format!("{here}/none.parquet"));
        assert_eq!(of("*.parquet").1, here);
    }

    #[test]
    fn a_folder_holds_its_files() {
        let of = |path: &str| DataPlace::of(Path::new(path));
        assert!(of("/no/bank").holds(&of("/no/bank/a.parquet")));
        assert!(of("/no/bank").holds(&of("/no/bank")));
        assert!(!of("/no/bank").holds(&of("/no/bank-2/a.parquet")));
        assert!(of("s3://bank").holds(&of("s3://bank/a")));
        assert!(!of("s3://bank").holds(&of("s3://other/a")));
    }
}
