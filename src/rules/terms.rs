//! What a condition may use besides the values of its row: the reference date, and figures of whole columns.

use std::fmt;

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value};

use super::sql::shown;

/// A figure of all values of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Figure {
    /// `AVG(column)`.
    Average,
    /// `QUANTILE(column, p)`, interpolated as DuckDB's `quantile_cont`.
    Quantile(f64),
}

/// A figure of a column, as a condition asks for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Threshold {
    /// The position of the column in the source.
    pub(crate) column: usize,
    /// Its name.
    pub(crate) name: String,
    pub(crate) figure: Figure,
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.figure {
            Figure::Average => write!(f, "AVG({})", self.name),
            Figure::Quantile(p) => write!(f, "QUANTILE({}, {p})", self.name),
        }
    }
}

/// What conditions may use. Compiling once tells which figures are wanted; compiling again with their values gives
/// conditions that can be evaluated.
#[derive(Debug, Default)]
pub(crate) struct Terms {
    /// The reference date, in days since 1970.
    pub(crate) day: Option<i64>,
    /// Whether a condition uses it.
    pub(crate) uses_day: bool,
    /// The figures, in the order of their first use, with their values once they are known.
    pub(crate) thresholds: Vec<(Threshold, Option<f64>)>,
}

impl Terms {
    /// The value of a figure; 0 until it is known.
    pub(super) fn value(&mut self, threshold: Threshold) -> f64 {
        match self.thresholds.iter().find(|(known, _)| *known == threshold) {
            Some((_, value)) => value.unwrap_or(0.0),
            None => {
                self.thresholds.push((threshold, None));
                0.0
            }
        }
    }
}

/// The column and the figure of a function.
pub(super) fn figure(function: &Function) -> Result<(&Expr, Figure), String> {
    let text = || shown(&Expr::Function(function.clone()));
    let arguments: Vec<&Expr> = match &function.args {
        FunctionArguments::List(list) => list.args.iter().filter_map(argument).collect(),
        _ => Vec::new(),
    };
    match (function.name.to_string().to_uppercase().as_str(), arguments.as_slice()) {
        ("AVG", [column @ Expr::Identifier(_)]) => Ok((column, Figure::Average)),
        ("QUANTILE", [column @ Expr::Identifier(_), share]) => match number(share) {
            Some(p) if (0.0..=1.0).contains(&p) => Ok((column, Figure::Quantile(p))),
            _ => Err(format!("{}: the share is {}, but must be a number from 0 to 1", text(), shown(share))),
        },
        _ => Err(format!("{} is not supported; the functions are QUANTILE(column, 0.8) and AVG(column)", text())),
    }
}

fn argument(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => number(expr).map(|value| -value),
        Expr::Value(value) => match &value.value {
            Value::Number(text, false) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}
