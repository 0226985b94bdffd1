//! SQL parsing: a single expression, its place in the text, and the meaning of operators.

use sqlparser::ast::{BinaryOperator, Expr};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token};

use super::evaluate::Comparison;
use super::operand::Calculation;

/// Parses one expression that must span the whole text.
pub(super) fn parse(text: &str) -> Result<Expr, (Location, String)> {
    // The parser's own messages end with their place, if they have one.
    let fault = |e: &dyn std::fmt::Display| {
        let text = e.to_string();
        let text = text.trim_start_matches("sql parser error: ");
        let (what, at) = text.rsplit_once(" at Line: ").unwrap_or((text, ""));
        let at = at.split_once(", Column: ").and_then(|(l, c)| Some((l.parse().ok()?, c.parse().ok()?)));
        let at = at.map_or(Location::empty(), |(line, column)| Location { line, column });
        (at, format!("it is no condition in SQL: {}", cut(what)))
    };
    let mut parser = Parser::new(&PostgreSqlDialect {}).try_with_sql(text).map_err(|e| fault(&e))?;
    let expr = parser.parse_expr().map_err(|e| fault(&e))?;
    let next = parser.peek_token();
    if next.token == Token::EOF {
        Ok(expr)
    } else {
        Err((next.span.start, format!("{} is unexpected after the condition", cut(&next.token.to_string()))))
    }
}

/// The conditions joined by one operator, in order.
pub(super) fn chain<'a>(expr: &'a Expr, joined: &BinaryOperator) -> Vec<&'a Expr> {
    let (mut parts, mut rest) = (Vec::new(), expr);
    while let Expr::BinaryOp { left, op, right } = rest
        && op == joined
    {
        parts.push(right.as_ref());
        rest = left;
    }
    parts.push(rest);
    parts.reverse();
    parts
}

pub(super) fn comparison(op: &BinaryOperator) -> Option<Comparison> {
    Some(match op {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

pub(super) fn calculation(op: &BinaryOperator) -> Option<Calculation> {
    Some(match op {
        BinaryOperator::Plus => Calculation::Add,
        BinaryOperator::Minus => Calculation::Subtract,
        BinaryOperator::Multiply => Calculation::Multiply,
        BinaryOperator::Divide => Calculation::Divide,
        _ => return None,
    })
}

/// A part of a condition, as it was parsed.
pub(super) fn shown(expr: &Expr) -> String {
    cut(&expr.to_string())
}

/// The beginning of a text, on one line.
pub(super) fn cut(text: &str) -> String {
    const MOST: usize = 60;
    let line: String = text
        .chars()
        .take(MOST)
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    if text.chars().count() > MOST { format!("{line}...") } else { line }
}
