//! What an hour costs: `2.5` for all backends, or `cpu=0.10,gpu=2.5`.

use std::str::FromStr;

use clap::ValueEnum;
use hyades::bench::Price;
use hyades::job::BackendKind;
use hyades::{Error, Result};

/// The prices of the backends to compare.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Prices {
    /// The same for all.
    Same(Price),
    /// One for each that is named.
    Each(Vec<(BackendKind, Price)>),
}

impl Prices {
    /// The price of a backend, if it has one.
    pub(super) fn of(&self, backend: BackendKind) -> Option<Price> {
        match self {
            Prices::Same(price) => Some(*price),
            Prices::Each(prices) => prices.iter().find(|(b, _)| *b == backend).map(|(_, price)| *price),
        }
    }

    /// Fails if a price would be ignored.
    pub(super) fn check(&self, compared: &[BackendKind]) -> Result<()> {
        let Prices::Each(prices) = self else { return Ok(()) };
        match prices.iter().find(|(backend, _)| !compared.contains(backend)) {
            None => Ok(()),
            Some((backend, _)) => Err(Error::usage(format!(
                "--price-per-hour names {}, but the backends compared are {}; add it to --backends, or remove its \
                 price",
                backend.name(),
                compared.iter().map(|b| b.name()).collect::<Vec<_>>().join(", ")
            ))),
        }
    }
}

impl FromStr for Prices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.contains('=') {
            return price(text).map(Prices::Same);
        }
        let mut prices: Vec<(BackendKind, Price)> = Vec::new();
        for part in text.split(',') {
            let (name, amount) = part.split_once('=').ok_or_else(|| no_price(part))?;
            let name = name.trim();
            let backend = BackendKind::from_str(name, true)
                .map_err(|_| format!("{name:?} is not a backend; use cpu, gpu, reference or auto"))?;
            if prices.iter().any(|(b, _)| *b == backend) {
                return Err(format!("{} has two prices", backend.name()));
            }
            prices.push((backend, price(amount)?));
        }
        Ok(Prices::Each(prices))
    }
}

fn price(text: &str) -> Result<Price, String> {
    let amount = text.trim().parse().map_err(|_| no_price(text))?;
    Price::per_hour(amount).map_err(|e| e.to_string())
}

fn no_price(text: &str) -> String {
    format!("{text:?} is not a price; write 2.5 for all backends, or cpu=0.10,gpu=2.5")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Prices, String> {
        text.parse()
    }

    #[test]
    fn one_price_or_one_for_each() {
        let (cheap, dear) = (Price::per_hour(0.1).unwrap(), Price::per_hour(2.5).unwrap());
        assert_eq!(parsed(" 2.5"), Ok(Prices::Same(dear)));
        let each = parsed("cpu=0.10, GPU = 2.5").unwrap();
        assert_eq!(each, Prices::Each(vec![(BackendKind::Cpu, cheap), (BackendKind::Gpu, dear)]));
        assert_eq!((each.of(BackendKind::Gpu), each.of(BackendKind::Reference)), (Some(dear), None));
        assert_eq!(Prices::Same(cheap).of(BackendKind::Reference), Some(cheap));
        assert!(each.check(&[BackendKind::Gpu, BackendKind::Auto, BackendKind::Cpu]).is_ok());
        assert!(Prices::Same(cheap).check(&[]).is_ok());
        let text = each.check(&[BackendKind::Cpu]).unwrap_err().to_string();
        assert!(text.starts_with("--price-per-hour names gpu, but the backends compared are cpu;"), "{text}");
    }

    #[test]
    fn nonsense_is_named() {
        let no_price =
            |part: &str| Err(format!("{part:?} is not a price; write 2.5 for all backends, or cpu=0.10,gpu=2.5"));
        for text in ["", "cheap", "0,10", "1 EUR"] {
            assert_eq!(parsed(text), no_price(text));
        }
        assert_eq!(parsed("cpu=0.1,"), no_price(""));
        assert_eq!(parsed("cpu=0.1,2"), no_price("2"));
        assert_eq!(parsed("cpu="), no_price(""));
        for text in ["0", "-1", "inf", "NaN", "1e999"] {
            let why = parsed(&format!("gpu={text}")).unwrap_err();
            assert!(why.starts_with("a price per hour is a number above 0, not "), "{why}");
            assert_eq!(parsed(text), Err(why));
        }
        assert_eq!(parsed("tpu=1"), Err("\"tpu\" is not a backend; use cpu, gpu, reference or auto".into()));
        assert_eq!(parsed("cpu=1,CPU=2"), Err("cpu has two prices".into()));
    }
}
