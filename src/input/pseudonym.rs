//! Pseudonyms: ids replaced by keyed hashes, the same for the same id and key in every file and month, and useless
//! without the key.
//!
//! A pseudonym is the first 128 bits of keyed BLAKE3 of the id's text, as 32 hexadecimal digits: the chance that any
//! two of a billion ids collide is 10^-21. The text of an integer is its decimal digits, so 42 and "42" are the same
//! customer.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::OffsetBuffer;
use arrow::error::ArrowError;
use rayon::prelude::*;

use super::id_keys::id_bytes;
use crate::error::{Error, Result};
use crate::text::{KeySource, is_utf16, unmarked};

/// The context string of BLAKE3's key derivation: other uses of the same secret get different keys.
const PURPOSE: &str = "hyades 2026-11-22 pseudonyms of customers";
/// The shortest secret, in bytes.
const SHORTEST_SECRET: usize = 16;
/// Hexadecimal digits of a pseudonym.
const DIGITS: usize = 32;
/// Ids that a thread processes at a time.
const BATCH: usize = 1 << 12;

/// Turns ids into pseudonyms.
#[derive(Clone)]
pub(crate) struct Pseudonym {
    key: [u8; 32],
}

impl Pseudonym {
    /// Reads the secret, which has at least 16 bytes.
    ///
    /// # Errors
    /// A file that cannot be read, a variable that is not set, a secret that is too short. Messages never show the
    /// secret.
    pub(crate) fn new(source: &KeySource) -> Result<Self> {
        let (secret, name) = source.read("--pseudonymise")?;
        // The same key, saved by another editor.
        let secret = unmarked(&secret);
        if is_utf16(secret) && 3 * secret.iter().filter(|&&byte| byte == 0).count() > secret.len() {
            let text = format!("the key in {name} is UTF-16, which would give other pseudonyms; save it as UTF-8");
            return Err(Error::usage(text).of_option("--pseudonymise"));
        }
        let secret = secret.strip_suffix(b"\n").unwrap_or(secret);
        let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
        if secret.len() < SHORTEST_SECRET {
            return Err(Error::usage(format!(
                "the key in {name} has {} bytes; at least {SHORTEST_SECRET} are needed, such as from: openssl rand -hex 32",
                secret.len()
            ))
            .of_option("--pseudonymise"));
        }
        Ok(Pseudonym { key: blake3::derive_key(PURPOSE, secret) })
    }

    /// Eight digits that show whether two runs used the same key, without revealing it.
    pub(crate) fn key_check(&self) -> String {
        blake3::keyed_hash(&self.key, b"\0the key itself").to_hex()[..8].to_owned()
    }

    /// The pseudonyms of ids; nulls stay nulls.
    ///
    /// # Errors
    /// Ids of a type that has no bytes.
    pub(crate) fn of(&self, ids: &ArrayRef) -> std::result::Result<ArrayRef, ArrowError> {
        let bytes = id_bytes(ids)?;
        let bytes = bytes.as_binary::<i64>();
        // All have the same length, so each thread knows where to write.
        let mut digits = vec![0u8; DIGITS * bytes.len()];
        digits.par_chunks_mut(DIGITS * BATCH).enumerate().for_each(|(batch, digits)| {
            for (i, digits) in digits.chunks_exact_mut(DIGITS).enumerate() {
                // The bytes of a null are never shown.
                self.write(bytes.value(BATCH * batch + i), digits);
            }
        });
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(DIGITS, bytes.len()));
        let pseudonyms = StringArray::try_new(offsets, digits.into(), bytes.nulls().cloned())?;
        Ok(Arc::new(pseudonyms))
    }

    fn write(&self, id: &[u8], digits: &mut [u8]) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let hash = blake3::keyed_hash(&self.key, id);
        for (pair, byte) in digits.chunks_exact_mut(2).zip(hash.as_bytes()) {
            pair.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, LargeStringArray};

    use super::*;

    fn pseudonym(secret: &str) -> Pseudonym {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), secret).unwrap();
        Pseudonym::new(&KeySource::File(file.path().into())).unwrap()
    }

    #[test]
    fn pseudonyms_follow_the_text_and_the_key() {
        let ours = pseudonym("0123456789abcdef");
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(42), None, Some(-1)]));
        let texts: ArrayRef = Arc::new(LargeStringArray::from(vec![Some("42"), None, Some("-1")]));
        let found = ours.of(&numbers).unwrap();
        assert_eq!(&found, &ours.of(&texts).unwrap());
        let found = found.as_string::<i32>();
        // By the definition: keyed BLAKE3, the key derived from the secret.
        let key = blake3::derive_key(PURPOSE, b"0123456789abcdef");
        assert_eq!(found.value(0), &blake3::keyed_hash(&key, b"42").to_hex()[..32]);
        assert!(found.is_null(1) && found.value(0) != found.value(2));
        let same = pseudonym("0123456789abcdef\r\n");
        assert_eq!((same.key, same.key_check()), (ours.key, ours.key_check()), "the line break does not count");
        assert_ne!(pseudonym("0123456789abcdeF").key_check(), ours.key_check());
    }

    #[test]
    fn many_ids_keep_their_order() {
        let ours = pseudonym("0123456789abcdef");
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..10_000));
        let all = ours.of(&ids).unwrap();
        for row in [0, BATCH - 1, BATCH, 9_999] {
            let expected = blake3::keyed_hash(&ours.key, row.to_string().as_bytes()).to_hex();
            assert_eq!(all.as_string::<i32>().value(row), &expected[..32]);
        }
    }
}
