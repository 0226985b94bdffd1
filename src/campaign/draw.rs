//! Who is on which side: a keyed hash of the id.
//!
//! A customer is drawn where the first 64 bits of keyed BLAKE3 of the id's text, as a number, are below the share of
//! 2^64. The sets of two shares are therefore nested: whoever is drawn at a small share is drawn at every larger one.
//! The text of a whole number is its digits, so that 42 and "42" are the same customer. Other keys draw independently:
//! each campaign has its own, and the hold-out has one that campaigns share.

use crate::error::{Error, Result};
use crate::text::{KeySource, unmarked};

const OF_CAMPAIGN: &str = "hyades 2026-11-29 control groups of campaigns";
const OF_HOLD_OUT: &str = "hyades 2026-11-29 hold-out of all campaigns";
/// The shortest secret, in bytes.
const SHORTEST_SECRET: usize = 16;

/// Draws customers.
#[derive(Debug, Clone)]
pub(super) struct SideDraw {
    key: [u8; 32],
}

impl SideDraw {
    /// For a campaign: by its secret and its name.
    pub(super) fn of_campaign(name: &str, secret: Option<&str>) -> Result<Self> {
        // The length keeps secret and name apart.
        let secret = secret.map(|at| read(at, "key")).transpose()?.unwrap_or_default();
        let material = [&(secret.len() as u64).to_le_bytes()[..], &secret, name.as_bytes()].concat();
        Ok(SideDraw { key: blake3::derive_key(OF_CAMPAIGN, &material) })
    }

    /// For the hold-out, which does not depend on the campaign.
    pub(super) fn of_hold_out(secret: Option<&str>) -> Result<Self> {
        let secret = secret.map(|at| read(at, "the key of holdout")).transpose()?.unwrap_or_default();
        Ok(SideDraw { key: blake3::derive_key(OF_HOLD_OUT, &secret) })
    }

    /// Eight digits that tell keys apart without revealing them.
    pub(super) fn key_check(&self) -> String {
        blake3::keyed_hash(&self.key, b"\0the key itself").to_hex()[..8].to_owned()
    }

    /// The number of an id, uniform over 64 bits.
    pub(super) fn of(&self, id: &[u8]) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::keyed_hash(&self.key, id).as_bytes()[..8]);
        u64::from_le_bytes(first)
    }
}

/// The number below which a share of all customers lies.
pub(super) fn threshold(share: f64) -> u64 {
    // A power of two: the product is exact.
    (share * 18_446_744_073_709_551_616.0) as u64
}

fn read(at: &str, what: &'static str) -> Result<Vec<u8>> {
    let (secret, name) = at.parse::<KeySource>()?.read(what)?;
    let secret = unmarked(&secret);
    let secret = secret.strip_suffix(b"\n").unwrap_or(secret);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    if secret.len() < SHORTEST_SECRET {
        return Err(Error::usage(format!(
            "{what} in {name} has {} bytes; at least {SHORTEST_SECRET} are needed, such as from: openssl rand -hex 32",
            secret.len()
        )));
    }
    Ok(secret.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_nested_uniform_and_apart() {
        let (one, other) = (SideDraw::of_campaign("a", None).unwrap(), SideDraw::of_campaign("b", None).unwrap());
        let ids: Vec<String> = (0..20_000).map(|i| i.to_string()).collect();
        let drawn = |draw: &SideDraw, share: f64| {
            ids.iter().map(|id| draw.of(id.as_bytes()) < threshold(share)).collect::<Vec<bool>>()
        };
        let (small, large, of_other) = (drawn(&one, 0.1), drawn(&one, 0.2), drawn(&other, 0.1));
        assert!(small.iter().zip(&large).all(|(small, large)| !small || *large), "nested");
        let count = |of: &[bool]| of.iter().filter(|drawn| **drawn).count() as f64;
        // Four standard deviations of a binomial of 20,000.
        assert!((count(&small) - 2000.0).abs() < 170.0 && (count(&large) - 4000.0).abs() < 227.0);
        let both = small.iter().zip(&of_other).filter(|(a, b)| **a && **b).count() as f64;
        assert!((both - 200.0).abs() < 57.0, "independent: {both}");
        assert_ne!(one.key_check(), other.key_check());
        assert_eq!((threshold(0.5), threshold(0.25)), (1 << 63, 1 << 62));
        // By the definition.
        let key = blake3::derive_key(OF_CAMPAIGN, &[&[0; 8][..], b"a"].concat());
        let hash = blake3::keyed_hash(&key, b"7");
        assert_eq!(one.of(b"7"), u64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap()));
    }
}
