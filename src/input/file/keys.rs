//! The keys of encrypted Parquet (modular encryption), and the footers that they decrypt.
//!
//! ```toml
//! footer = "..."        # 16 or 32 bytes in hex or base64
//! aad_prefix = "..."    # if the files were written with one
//! [columns]             # columns with keys of their own; the others use the footer's
//! balance = "..."
//! [ids]                 # keys by the id that files refer to them by
//! kf = "..."
//! ```
//!
//! No message and no `Debug` shows a key.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use parquet::encryption::decrypt::{FileDecryptionProperties, KeyRetriever};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::column_crypto_metadata::{ColumnCryptoMetaData, EncryptionWithColumnKey};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Result;
use crate::input::csv::CsvOptions;
use crate::panics::guarded;
use crate::text::{KeySource, TomlFaults, TomlText};

/// How inputs are opened, in addition to their paths. The default opens only what is not encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The location of the keys of encrypted Parquet: TOML, see README.md.
    pub keys: Option<KeySource>,
    /// How CSV files are written. Default: found from the files.
    pub csv: CsvOptions,
}

impl Access {
    /// Reads the keys.
    ///
    /// # Errors
    /// A file that cannot be read, and all faults in it at once, each with line and column.
    pub(crate) fn keys(&self) -> Result<Option<Arc<Keys>>> {
        self.keys.as_ref().map(|source| Keys::read(source).map(Arc::new)).transpose()
    }
}

/// Keys, by column and by id.
#[derive(Default)]
pub(crate) struct Keys {
    /// The name of their source in messages.
    name: String,
    footer: Option<Vec<u8>>,
    aad_prefix: Option<Vec<u8>>,
    columns: BTreeMap<String, Vec<u8>>,
    ids: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:?})", self.name)
    }
}

/// A decoded footer.
pub(crate) struct Decoded {
    pub(crate) metadata: ParquetMetaData,
    /// Leaf columns that stay locked, and why, phrased to follow their name.
    pub(crate) locked: BTreeMap<usize, String>,
}

impl Decoded {
    /// Every encrypted column stays locked.
    fn closed(metadata: ParquetMetaData, why: &str) -> Self {
        let columns = metadata.row_groups().iter().flat_map(|g| g.columns().iter().enumerate());
        let encrypted = columns.filter(|(_, column)| column.crypto_metadata().is_some());
        Decoded { locked: encrypted.map(|(leaf, _)| (leaf, why.to_owned())).collect(), metadata }
    }
}

impl Keys {
    fn read(source: &KeySource) -> Result<Self> {
        let text = TomlText::read_secret(source, "--keys")?;
        let mut toml = TomlFaults::new(&text);
        let mut keys = Keys { name: text.name().to_owned(), ..Keys::default() };
        if let Some(table) = toml.table() {
            keys.fill(&table, &mut toml);
        }
        toml.finish(keys)
    }

    fn fill(&mut self, file: &DeTable<'_>, toml: &mut TomlFaults<'_>) {
        for (key, value) in file {
            match key.get_ref().as_ref() {
                "footer" => self.footer = key_of("the footer's key", value, toml),
                "aad_prefix" => self.aad_prefix = toml.text(key, value).map(|text| text.as_bytes().to_vec()),
                "columns" => self.columns = keys_of("the key of column", toml.subtable(key, value, "columns"), toml),
                "ids" => self.ids = keys_of("the key with the id", toml.subtable(key, value, "ids"), toml),
                _ => toml.unknown_key(key, "the file", &["footer", "aad_prefix", "columns", "ids"]),
            }
        }
        if self.footer.is_none() && self.ids.is_empty() && toml.is_empty() {
            toml.fault(0, "every encrypted file has a key for its footer; give it as footer = \"...\" or under [ids]");
        }
    }

    fn by_id(&self, id: &[u8]) -> Option<&Vec<u8>> {
        self.ids.get(std::str::from_utf8(id).ok()?)
    }

    fn of_column(&self, column: &EncryptionWithColumnKey) -> Option<&Vec<u8>> {
        let own = self.columns.get(&column.path_in_schema.join("."));
        own.or_else(|| self.by_id(column.key_metadata.as_deref()?))
    }

    /// Decodes the footer of a file that may be encrypted; `tail` is the file from its footer on.
    ///
    /// A decrypted footer is not walked like other footers: the crate does not expose its bytes, and only someone with
    /// the key can have written them. A plaintext footer with a signature is protected in the same way, in addition to
    /// its walk.
    ///
    /// # Errors
    /// A remedy for the user, or that the footer is corrupt.
    pub(crate) fn decode(self: &Arc<Self>, tail: &Bytes) -> Result<Decoded, String> {
        // First with the footer's key alone: only then does a file reveal which other keys it needs.
        let asked = Arc::new(FooterKey { keys: self.clone(), found: OnceLock::new() });
        let mut first = FileDecryptionProperties::with_key_retriever(asked.clone());
        if let Some(prefix) = &self.aad_prefix {
            first = first.with_aad_prefix(prefix.clone());
        }
        let opened = decrypted(tail, first.build());
        let footer_key = match asked.found.get() {
            None => return opened.map(unencrypted).map_err(|why| self.told(&why)),
            Some(Err(id)) if tail.ends_with(b"PARE") => {
                return Err(format!(
                    "its footer is encrypted with a key{id} that {} lacks; add it there as footer = \"...\" or under [ids]",
                    self.name
                ));
            }
            Some(Err(id)) => {
                let metadata = plain(tail).map_err(|why| self.told(&why))?;
                let why = format!(
                    "is encrypted, and {} lacks the key{id} that signs its file's footer; add it there as footer = \"...\" or \
                     under [ids]",
                    self.name
                );
                return Ok(Decoded::closed(metadata, &why));
            }
            Some(Ok(key)) => key,
        };
        let metadata = opened.map_err(|why| self.told(&why))?;
        let (mut found, mut locked) = (HashMap::new(), BTreeMap::new());
        for (leaf, column) in metadata.row_groups().iter().flat_map(|g| g.columns().iter().enumerate()) {
            let Some(ColumnCryptoMetaData::ENCRYPTION_WITH_COLUMN_KEY(column)) = column.crypto_metadata() else {
                continue;
            };
            match self.of_column(column) {
                Some(key) => {
                    found.insert(column.path_in_schema.join("."), key);
                }
                None => {
                    let id = named(column.key_metadata.as_deref());
                    let why = format!(
                        "is encrypted with a key of its own{id} that {} lacks; add it there under [columns] or [ids]",
                        self.name
                    );
                    locked.insert(leaf, why);
                }
            }
        }
        if found.is_empty() {
            return Ok(Decoded { metadata, locked });
        }
        let mut second = FileDecryptionProperties::builder(footer_key.clone());
        if let Some(prefix) = &self.aad_prefix {
            second = second.with_aad_prefix(prefix.clone());
        }
        let second = found.into_iter().fold(second, |keys, (column, key)| keys.with_column_key(&column, key.clone()));
        let metadata = decrypted(tail, second.build()).map_err(|why| self.told(&why))?;
        Ok(Decoded { metadata, locked })
    }

    /// The parquet crate's message, with a remedy.
    fn told(&self, text: &str) -> String {
        const OTHER: &str = "the key or the aad_prefix is wrong, or the file was altered";
        let name = &self.name;
        let column = text.split_once("Unable to decrypt column '").and_then(|(_, rest)| rest.rsplit_once("', "));
        match () {
            () if text.contains("unable to decrypt parquet footer") => {
                format!("its footer cannot be decrypted with {name}: {OTHER}")
            }
            () if text.contains("signature verification failed") => {
                format!("the signature of its footer does not verify with {name}: {OTHER}")
            }
            () if text.contains("no AAD prefix was provided") => {
                format!(
                    "it was encrypted with an AAD prefix that is not stored in the file; add aad_prefix = \"...\" to {name}"
                )
            }
            () if text.contains("AES_GCM_CTR_V1") => {
                "it is encrypted with AES_GCM_CTR_V1, which is not supported; write it with AES_GCM_V1".into()
            }
            () => match column {
                Some((column, _)) => format!("its column {column:?} cannot be decrypted with {name}: {OTHER}"),
                None => format!("corrupt footer: {text}"),
            },
        }
    }
}

/// A footer without keys; columns that need one stay locked.
pub(crate) fn without_keys(tail: &Bytes) -> Result<Decoded, String> {
    let metadata = plain(tail).map_err(|e| format!("corrupt footer: {e}"))?;
    Ok(Decoded::closed(metadata, "is encrypted; supply the keys with --keys FILE"))
}

/// A file that needs no key. Without this check, pages of a column that claims to be encrypted would be read unchecked.
fn unencrypted(metadata: ParquetMetaData) -> Decoded {
    Decoded::closed(metadata, "claims to be encrypted in a file that is not; write the file again")
}

/// A plaintext footer, without the eight bytes that end a file.
fn plain(tail: &Bytes) -> Result<ParquetMetaData, String> {
    guarded(|| ParquetMetaDataReader::decode_metadata(&tail[..tail.len() - 8]))
}

fn decrypted(tail: &Bytes, keys: ParquetResult<Arc<FileDecryptionProperties>>) -> Result<ParquetMetaData, String> {
    guarded(|| {
        ParquetMetaDataReader::new()
            .with_page_index_policy(PageIndexPolicy::Skip)
            .with_decryption_properties(Some(keys?))
            .parse_and_finish(tail)
    })
}

/// Supplies the footer's key, which a file requests first, and no other: columns without their key are skipped.
struct FooterKey {
    keys: Arc<Keys>,
    /// The key, or the name of the requested id.
    found: OnceLock<Result<Vec<u8>, String>>,
}

impl KeyRetriever for FooterKey {
    fn retrieve_key(&self, id: &[u8]) -> ParquetResult<Vec<u8>> {
        let key = self.keys.by_id(id).or(self.keys.footer.as_ref()).cloned().ok_or_else(|| named(Some(id)));
        let asked_before = self.found.set(key.clone()).is_err();
        key.ok().filter(|_| !asked_before).ok_or_else(|| ParquetError::General("no key".into()))
    }
}

/// A key's id for a message: ` (id "kf")`. Where a key management service has wrapped the key, its id is a JSON object.
fn named(id: Option<&[u8]>) -> String {
    const SHOWN: usize = 60;
    let id = id.unwrap_or_default();
    let wrapped: Option<serde_json::Value> = serde_json::from_slice(id).ok();
    if let Some(master) = wrapped.as_ref().and_then(|key| key["masterKeyID"].as_str()) {
        return format!(" (wrapped with the master key {master:?})");
    }
    let text = String::from_utf8_lossy(id);
    let shown: String = text.chars().take(SHOWN).collect();
    match shown.len() {
        0 => String::new(),
        n if n < text.len() => format!(" (id {shown:?}...)"),
        _ => format!(" (id {shown:?})"),
    }
}

fn keys_of(what: &str, table: Option<&DeTable<'_>>, toml: &mut TomlFaults<'_>) -> BTreeMap<String, Vec<u8>> {
    let named = table.into_iter().flatten().map(|(name, value)| (name.get_ref().to_string(), value));
    named.filter_map(|(name, value)| Some((name.clone(), key_of(&format!("{what} {name:?}"), value, toml)?))).collect()
}

/// A key. Messages about it never contain it.
fn key_of(what: &str, value: &Spanned<DeValue<'_>>, toml: &mut TomlFaults<'_>) -> Option<Vec<u8>> {
    let DeValue::String(text) = value.get_ref() else {
        let hint = match value.get_ref() {
            DeValue::Table(_) => "; put a name that contains a dot in quotes",
            _ => "",
        };
        toml.fault(value.span().start, format!("{what} must be text, in hex or base64{hint}"));
        return None;
    };
    let why = match bytes_of(text) {
        Some(key) if [16, 32].contains(&key.len()) => return Some(key),
        Some(key) => format!("has {} bytes", key.len()),
        None => "is neither hex nor base64".to_owned(),
    };
    let wanted = "16 or 32 bytes are needed (AES-128 or AES-256), in hex or base64";
    toml.fault(value.span().start, format!("{what} {why}; {wanted}"));
    None
}

/// Bytes written in hex or base64, of either alphabet. Text that could be both is hex if its length fits a key in hex.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    if [32, 48, 64].contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect();
    }
    let alphabet = if text.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
    let padding = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet, padding).decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Keys> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Keys::read(&KeySource::File(file.path().into()))
    }

    #[test]
    fn keys_are_hex_or_base64() {
        let bytes: Vec<u8> = (0xf0..=0xff).collect();
        for text in [
            "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
            "F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF",
            "8PHy8/T19vf4+fr7/P3+/w==",
            "8PHy8/T19vf4+fr7/P3+/w",
            "8PHy8_T19vf4-fr7_P3-_w==",
        ] {
            assert_eq!(read(&format!("footer = {text:?}")).unwrap().footer.as_ref(), Some(&bytes), "{text}");
        }
    }

    #[test]
    fn faults_are_placed_and_show_no_key() {
        let text = "foter = \"00\"\naad_prefix = 3\nids = 1\n[columns]\nx = \"0123456789abcdef0123456789abcdef0123456789abcdef\"\n\
                    \"a b\" = \"not a key!\"\ny = 7\n";
        let said = read(text).unwrap_err().to_string();
        for part in [
            ":1:1: the file has no key \"foter\"; did you mean \"footer\"?",
            ":2:14: aad_prefix must be text",
            ":3:1: ids must be a table, [ids]",
            ":5:5: the key of column \"x\" has 24 bytes; 16 or 32 bytes are needed",
            ":6:9: the key of column \"a b\" is neither hex nor base64",
            ":7:5: the key of column \"y\" must be text",
        ] {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
        assert!(!said.contains("not a key") && !said.contains("0123"), "{said}");
        assert!(
            read("[columns]\n")
                .unwrap_err()
                .to_string()
                .contains(":1:1: every encrypted file has a key for its footer")
        );
        let keys = read("footer = \"f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff\"").unwrap();
        assert!(!format!("{keys:?}").to_lowercase().contains("f1") && !format!("{keys:?}").contains("241"));
    }
}
