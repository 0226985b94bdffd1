//! Sizes in bytes as people write them.

use std::fmt;
use std::str::FromStr;

/// A number of bytes.
///
/// # Examples
/// ```
/// use hyades::text::ByteSize;
///
/// assert_eq!("1.5g".parse(), Ok(ByteSize(3 << 29)));
/// assert_eq!(ByteSize(300 << 20).to_string(), "300MiB");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u64); 4] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

impl FromStr for ByteSize {
    type Err = String;

    /// `300MiB`, `2GB`, `1.5g`, `1073741824`.
    fn from_str(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(split);
        let wrong = || format!("{text:?} is not a size; write 300MiB, 2GB or a number of bytes");
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let factor = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1.0,
            "kb" => 1e3,
            "mb" => 1e6,
            "gb" => 1e9,
            "tb" => 1e12,
            "k" | "kib" => 1024.0,
            "m" | "mib" => 1048576.0,
            "g" | "gib" => 1073741824.0,
            "t" | "tib" => 1099511627776.0,
            _ => return Err(wrong()),
        };
        Ok(ByteSize((number * factor) as u64))
    }
}

impl fmt::Display for ByteSize {
    /// In the largest unit in which it is whole.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, unit)| self.0 > 0 && self.0.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(f, "{}{name}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let size = |text: &str| text.parse().map(|ByteSize(bytes)| bytes);
        assert_eq!(size("300MiB"), Ok(300 << 20));
        assert_eq!(size("1.5 g"), Ok(3 << 29));
        assert_eq!(size("2GB"), Ok(2_000_000_000));
        assert_eq!(size("77"), Ok(77));
        assert!(size("much").is_err());
        assert!(size("-1MiB").is_err());
        for bytes in [0, 77, 1 << 20, 3 << 29, 2_000_000_000] {
            assert_eq!(ByteSize(bytes).to_string().parse(), Ok(ByteSize(bytes)));
        }
    }
}
