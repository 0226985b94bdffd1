//! Evaluates conditions on whole arrays with arrow's kernels: true, false, or null for unknown.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Datum, Float64Array, Scalar};
use arrow::compute::kernels::{boolean, cmp, comparison, numeric};
use arrow::compute::nullif;
use arrow::error::ArrowError;

use super::operand::{Calculation, Node, convert, tidy};

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A condition that has been checked against the columns.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Not(Box<Condition>),
    /// The same for every row.
    Constant(bool),
    /// A boolean column.
    Is(Node),
    IsNull(Node),
    /// Both sides have one arrow type.
    Compare(Comparison, Node, Node),
    /// A text column and a pattern of `%`, `_`, and `\` before either.
    Like(Node, Node),
}

impl Condition {
    /// The values for `rows` rows; `columns` must be [`plain`](super::operand::plain).
    pub(super) fn evaluate(&self, columns: &[ArrayRef], rows: usize) -> Result<BooleanArray, ArrowError> {
        let fold = |parts: &[Condition], empty: bool, merge: fn(&BooleanArray, &BooleanArray) -> _| {
            let mut parts = parts.iter().map(|part| part.evaluate(columns, rows));
            let first = parts.next().unwrap_or_else(|| Ok(constant(empty, rows)))?;
            parts.try_fold(first, |all, part| merge(&all, &part?))
        };
        match self {
            Condition::All(parts) => fold(parts, true, boolean::and_kleene),
            Condition::Any(parts) => fold(parts, false, boolean::or_kleene),
            Condition::Not(part) => boolean::not(&part.evaluate(columns, rows)?),
            Condition::Constant(value) => Ok(constant(*value, rows)),
            Condition::Is(node) => Ok(node.evaluate(columns)?.as_boolean().clone()),
            Condition::IsNull(node) => boolean::is_null(&node.evaluate(columns)?),
            Condition::Compare(comparison, left, right) => {
                let (left, right) = (left.datum(columns)?, right.datum(columns)?);
                let compare = match comparison {
                    Comparison::Equal => cmp::eq,
                    Comparison::NotEqual => cmp::neq,
                    Comparison::Less => cmp::lt,
                    Comparison::LessOrEqual => cmp::lt_eq,
                    Comparison::Greater => cmp::gt,
                    Comparison::GreaterOrEqual => cmp::gt_eq,
                };
                compare(left.as_ref(), right.as_ref())
            }
            Condition::Like(text, pattern) => {
                comparison::like(text.datum(columns)?.as_ref(), pattern.datum(columns)?.as_ref())
            }
        }
    }
}

fn constant(value: bool, rows: usize) -> BooleanArray {
    BooleanArray::from(vec![value; rows])
}

impl Node {
    /// The values: one per row, or a single one for constants.
    pub(super) fn evaluate(&self, columns: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
        match self {
            Node::Column(i) => Ok(columns[*i].clone()),
            Node::Constant(value) => Ok(value.clone()),
            Node::Converted(node, to) => convert(&node.evaluate(columns)?, to),
            Node::Calculated(calculation, left, right) => {
                let (left, right) = (left.datum(columns)?, right.datum(columns)?);
                let (left, right) = (left.as_ref(), right.as_ref());
                tidy(match calculation {
                    Calculation::Add => numeric::add(left, right),
                    Calculation::Subtract => numeric::sub(left, right),
                    Calculation::Multiply => numeric::mul(left, right),
                    Calculation::Divide => divide(left, right),
                }?)
            }
        }
    }

    fn datum(&self, columns: &[ArrayRef]) -> Result<Box<dyn Datum>, ArrowError> {
        let values = self.evaluate(columns)?;
        Ok(if matches!(self, Node::Constant(_)) { Box::new(Scalar::new(values)) } else { Box::new(values) })
    }
}

/// Divides f64 by f64; division by zero gives null.
fn divide(left: &dyn Datum, right: &dyn Datum) -> Result<ArrayRef, ArrowError> {
    let (divisors, single) = right.get();
    let zero = cmp::eq(&divisors, &Scalar::new(Arc::new(Float64Array::from(vec![0.0])) as ArrayRef))?;
    let divisors = nullif(divisors, &zero)?;
    if single { numeric::div(left, &Scalar::new(divisors)) } else { numeric::div(left, &divisors) }
}
