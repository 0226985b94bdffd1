//! Sums that can leave the process: what is known of some rows, merged with what is known of others.
//!
//! A [`Partial`] obeys two laws, which property tests hold for every type: merging is commutative and associative. So
//! rows may be cut anywhere and merged in any order, by threads, processes or machines, and the bytes are the same.
//! Sums of f64 are not associative; [`Ordered`](super::Ordered) makes a partial of them.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};

/// What is known of some rows.
pub trait Partial: Serialize + DeserializeOwned {
    /// What it is called where it is sent or stored.
    const NAME: &'static str;
    /// Changes whenever the meaning of its bytes does.
    const VERSION: u32;

    /// Adds what is known of other rows.
    ///
    /// # Errors
    /// A partial of another shape, such as one of fewer segments.
    fn merge(&mut self, other: &Self) -> Result<()>;

    /// The partial as bytes. `context` says what it is about, such as the hash of a design: only partials of one
    /// context can be read back for it.
    ///
    /// # Errors
    /// None expected: a partial is plain data. Its floats must be finite, since JSON has no others.
    fn to_bytes(&self, context: &str) -> Result<Vec<u8>> {
        let sealed = Sealed { partial: Self::NAME.into(), version: Self::VERSION, context: context.into(), body: self };
        serde_json::to_vec(&sealed).map_err(|e| Error::Internal(format!("a partial {} as bytes: {e}", Self::NAME)))
    }

    /// A partial from its bytes.
    ///
    /// # Errors
    /// Bytes that are not a partial, or one of another type, version or context.
    fn from_bytes(bytes: &[u8], context: &str) -> Result<Self> {
        let refuse = |why: String| Error::input(why).of_kind(ErrorKind::Corrupt);
        let head: SealedHead =
            serde_json::from_slice(bytes).map_err(|e| refuse(format!("not a partial {}: {e}", Self::NAME)))?;
        let found = (head.partial.as_str(), head.version, head.context.as_str());
        if found != (Self::NAME, Self::VERSION, context) {
            return Err(refuse(format!(
                "a partial {} version {} of {:?} cannot be merged into {} version {} of {context:?}",
                found.0,
                found.1,
                found.2,
                Self::NAME,
                Self::VERSION
            )));
        }
        // Not by way of a JSON value, which has no integers of 128 bits.
        let sealed: Sealed<Self> =
            serde_json::from_slice(bytes).map_err(|e| refuse(format!("a damaged partial {}: {e}", Self::NAME)))?;
        Ok(sealed.body)
    }
}

/// What every version has.
#[derive(Deserialize)]
struct SealedHead {
    partial: String,
    version: u32,
    context: String,
}

#[derive(Serialize, Deserialize)]
struct Sealed<B> {
    partial: String,
    version: u32,
    context: String,
    body: B,
}

/// The error of partials whose shapes differ.
pub(crate) fn other_shape<P: Partial>() -> Error {
    Error::Internal(format!("partials {} of different shapes cannot be merged", P::NAME))
}

#[cfg(test)]
pub(crate) mod laws {
    use std::fmt::Debug;

    use super::*;

    /// Merging is commutative and associative, and bytes keep everything.
    pub(crate) fn hold<P: Partial + Clone + PartialEq + Debug>(a: &P, b: &P, c: &P) {
        let merged = |x: &P, y: &P| {
            let mut sum = x.clone();
            sum.merge(y).unwrap();
            sum
        };
        assert_eq!(merged(a, b), merged(b, a), "commutative");
        assert_eq!(merged(&merged(a, b), c), merged(a, &merged(b, c)), "associative");
        let bytes = a.to_bytes("here").unwrap();
        assert_eq!(&P::from_bytes(&bytes, "here").unwrap(), a, "bytes");
        let refused = P::from_bytes(&bytes, "there").unwrap_err().to_string();
        assert!(refused.contains("cannot be merged into"), "{refused}");
    }
}
