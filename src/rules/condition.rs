//! Compiles SQL to conditions on the columns of the input, and reports every fault of every rule with its position.

use arrow::error::ArrowError;
use sqlparser::ast::{BinaryOperator, DataType as SqlType, Expr, Ident, Spanned, UnaryOperator, Value};
use sqlparser::tokenizer::Location;

use super::book::RuleBook;
use super::evaluate::{Comparison, Condition};
use super::operand::{Calculation, Form, Node, Operand, OperandKind, kind};
use super::sql::{calculation, chain, comparison, cut, parse, shown};
use super::terms::{Figure, Terms, Threshold, figure};
use crate::input::{Source, SourceColumn, agreed_where_present};
use crate::text::nearest;

const SUPPORTED: &str = "a condition is made of AND, OR, NOT, =, <>, <, <=, >, >=, IN, BETWEEN, LIKE, IS NULL, + - * /, columns, \
                         numbers, 'text', TRUE, FALSE, DATE '2026-01-31' and TIMESTAMP '2026-01-31 12:00:00'";

/// Most levels of nested brackets and signs; an AND or OR of any number of conditions is one level.
const DEEPEST: usize = 100;

/// A stack large enough to parse and drop the tree of any condition short enough to be read.
const STACK: usize = 128 << 20;

/// The part of a rules file that is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FaultyPart {
    Rule(usize),
    Strata,
}

/// A column that rules use, and the kind of its values.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnKind {
    /// The column.
    pub name: String,
    /// The kind of its values.
    pub kind: OperandKind,
}

/// Rules compiled for a source.
#[derive(Debug)]
pub struct Compiled {
    pub(super) rules: Vec<(String, Condition)>,
    /// The columns that conditions use, as positions in the source.
    pub(super) columns: Vec<usize>,
    /// The column of the strata.
    pub(super) within: Option<usize>,
    kinds: Vec<ColumnKind>,
}

impl Compiled {
    /// Checks rules against the columns of `source`, and returns all faults.
    pub(super) fn new(book: &RuleBook, source: &Source) -> (Self, Vec<(FaultyPart, String)>) {
        Self::with_terms(book, source, None)
    }

    /// The same, where conditions may also use `terms`.
    pub(super) fn with_terms(
        book: &RuleBook,
        source: &Source,
        terms: Option<&mut Terms>,
    ) -> (Self, Vec<(FaultyPart, String)>) {
        let mut faults = Vec::new();
        let mut compiler = Compiler { source, terms, columns: Vec::new(), faults: Vec::new() };
        let mut rules = Vec::new();
        for (i, rule) in book.rules.iter().enumerate() {
            let condition = compiler.rule(&rule.when);
            let faulty = |(at, what): (Location, String)| match at.line {
                0 => (FaultyPart::Rule(i), format!("{:?}: {what}", rule.name)),
                line => (FaultyPart::Rule(i), format!("{:?} at {line}:{}: {what}", rule.name, at.column)),
            };
            faults.extend(compiler.faults.drain(..).map(faulty));
            rules.extend(condition.map(|condition| (rule.name.clone(), condition)));
        }
        let columns = compiler.columns;
        let mut within = None;
        if let Some(strata) = &book.strata {
            match position(source, &strata.within).and_then(|at| divides(&source.columns()[at]).map(|()| at)) {
                Ok(at) => within = Some(at),
                Err(fault) => faults.push((FaultyPart::Strata, fault)),
            }
        }
        let described = |&at: &usize| {
            let column = &source.columns()[at];
            ColumnKind { name: column.name.clone(), kind: kind(&column.data_type).0 }
        };
        let kinds = columns.iter().map(described).collect();
        (Compiled { rules, columns, within, kinds }, faults)
    }

    /// Compiles the rules of a model for the columns of an input.
    ///
    /// # Errors
    /// All mismatches, one per line: columns that are missing, or whose kind has changed since the fit.
    pub(crate) fn again(book: &RuleBook, source: &Source, kinds: &[ColumnKind]) -> Result<Self, String> {
        let (compiled, faults) = Self::new(book, source);
        let mut lines: Vec<String> = faults
            .into_iter()
            .map(|(part, fault)| match part {
                FaultyPart::Rule(_) => format!("rule {fault}"),
                FaultyPart::Strata => format!("strata: {fault}"),
            })
            .collect();
        let other = |k: &&ColumnKind| compiled.kinds.iter().any(|now| now.name == k.name && now.kind != k.kind);
        lines.extend(kinds.iter().filter(other).map(|k| {
            let now = &source.columns()[source.position(&k.name).unwrap_or(0)].data_type;
            format!("rules: {:?} was {} when the model was made, but is now {now}", k.name, k.kind.name())
        }));
        if lines.is_empty() { Ok(compiled) } else { Err(lines.join("\n  ")) }
    }

    /// The columns that conditions use.
    pub(crate) fn kinds(&self) -> &[ColumnKind] {
        &self.kinds
    }

    /// Positions in the source of all columns in use.
    pub(crate) fn columns(&self) -> Vec<usize> {
        self.columns.iter().copied().chain(self.within).collect()
    }

    /// The column of the strata: its position in the source.
    pub(crate) fn within(&self) -> Option<usize> {
        self.within
    }
}

/// The position of a column by its exact name; all files must agree about it.
fn position(source: &Source, name: &str) -> Result<usize, String> {
    let Some(at) = source.position(name) else {
        let names: Vec<&str> = source.columns().iter().map(|c| c.name.as_str()).collect();
        let hint = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("the input has: {}", names.iter().map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ")),
        };
        return Err(format!("no column is named {name:?}; {hint}"));
    };
    match agreed_where_present([&source.columns()[at]], &format!("{name:?}"), None) {
        Err(why) => Err(why.to_string()),
        Ok(()) => Ok(at),
    }
}

/// Whether the values of a column can name strata.
fn divides(column: &SourceColumn) -> Result<(), String> {
    match kind(&column.data_type) {
        _ if column.is_partition => Ok(()),
        (OperandKind::Other, _) | (OperandKind::Number, Form::Float) => Err(format!(
            "{:?} ({}) cannot define strata; use a column of text, whole numbers, decimals, dates or booleans",
            column.name, column.data_type
        )),
        _ => Ok(()),
    }
}

/// Compiles conditions and collects all faults.
struct Compiler<'a> {
    source: &'a Source,
    terms: Option<&'a mut Terms>,
    columns: Vec<usize>,
    faults: Vec<(Location, String)>,
}

impl Compiler<'_> {
    /// None if there are faults.
    fn rule(&mut self, text: &str) -> Option<Condition> {
        // The parser's tree is as deep as a chain of operators is long, and dropping it recurses.
        let on_a_large_stack = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || match parse(text) {
                Ok(expr) => self.condition(&expr, 0),
                Err(fault) => {
                    self.faults.push(fault);
                    None
                }
            });
            thread.map(|thread| thread.join())
        });
        match on_a_large_stack {
            Ok(Ok(condition)) => condition,
            _ => self.fail(Location::empty(), "cannot be read: no thread or memory available for it".into()),
        }
    }

    fn fail<T>(&mut self, at: Location, what: String) -> Option<T> {
        self.faults.push((at, what));
        None
    }

    fn unsupported<T>(&mut self, expr: &Expr) -> Option<T> {
        self.fail(expr.span().start, format!("{} is not supported; {SUPPORTED}", shown(expr)))
    }

    fn condition(&mut self, expr: &Expr, depth: usize) -> Option<Condition> {
        if depth > DEEPEST {
            return self.fail(expr.span().start, format!("nested more than {DEEPEST} levels deep"));
        }
        let deeper = depth + 1;
        match expr {
            Expr::Nested(inner) => self.condition(inner, deeper),
            Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } => {
                self.connected(expr, op, deeper)
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
                Some(Condition::Not(Box::new(self.condition(expr, deeper)?)))
            }
            Expr::IsNull(inner) => Some(Condition::IsNull(self.operand(inner, deeper)?.node)),
            Expr::IsNotNull(inner) => {
                Some(Condition::Not(Box::new(Condition::IsNull(self.operand(inner, deeper)?.node))))
            }
            Expr::BinaryOp { left, op, right } if comparison(op).is_some() => {
                let (left_operand, right_operand) = (self.operand(left, deeper), self.operand(right, deeper));
                self.compare(comparison(op)?, left_operand?, right_operand?, expr, expr)
            }
            Expr::Between { expr: inner, negated, low, high } => {
                Some(negate(*negated, self.between(expr, [inner, low, high], deeper)?))
            }
            Expr::InList { expr: inner, list, negated } => {
                Some(negate(*negated, self.in_list(expr, inner, list, deeper)?))
            }
            Expr::Like { negated, any: false, expr: inner, pattern, escape_char: None } => {
                Some(negate(*negated, self.like(expr, inner, pattern, deeper)?))
            }
            Expr::Value(value) if matches!(value.value, Value::Boolean(_)) => {
                Some(Condition::Constant(value.value == Value::Boolean(true)))
            }
            Expr::Identifier(_) => self.flag(expr, deeper),
            other => self.unsupported(other),
        }
    }

    /// A chain of AND or OR.
    fn connected(&mut self, expr: &Expr, op: &BinaryOperator, depth: usize) -> Option<Condition> {
        let parts: Vec<_> = chain(expr, op).into_iter().map(|part| self.condition(part, depth)).collect();
        let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
        Some(if *op == BinaryOperator::And { Condition::All(parts) } else { Condition::Any(parts) })
    }

    /// `value BETWEEN low AND high`.
    fn between(&mut self, expr: &Expr, operands: [&Expr; 3], depth: usize) -> Option<Condition> {
        let operands = operands.map(|e| self.operand(e, depth));
        let [Some(value), Some(low), Some(high)] = operands else { return None };
        let low = self.compare(Comparison::GreaterOrEqual, value.clone(), low, expr, expr);
        let high = self.compare(Comparison::LessOrEqual, value, high, expr, expr);
        Some(Condition::All(vec![low?, high?]))
    }

    /// `value IN (list)`.
    fn in_list(&mut self, expr: &Expr, value: &Expr, list: &[Expr], depth: usize) -> Option<Condition> {
        let value = self.operand(value, depth);
        let list: Vec<_> = list.iter().map(|e| (self.operand(e, depth), e)).collect();
        let value = value?;
        // Stop at the first that does not fit: thousands of others may have the same fault.
        let any = list
            .into_iter()
            .map(|(one, at)| self.compare(Comparison::Equal, value.clone(), one?, expr, at))
            .collect::<Option<_>>()?;
        Some(Condition::Any(any))
    }

    /// `text LIKE pattern`.
    fn like(&mut self, expr: &Expr, text: &Expr, pattern: &Expr, depth: usize) -> Option<Condition> {
        let (text, pattern) = (self.operand(text, depth), self.operand(pattern, depth));
        let (text, pattern) = (text?, pattern?);
        let are_text = (text.kind, pattern.kind) == (OperandKind::Text, OperandKind::Text);
        if !are_text || text.is_constant() || !pattern.is_constant() {
            let what = "LIKE compares a column of text with a pattern such as 'HY%'";
            return self.fail(expr.span().start, format!("{}: {what}", shown(expr)));
        }
        Some(Condition::Like(text.node, pattern.node))
    }

    /// A boolean column as a condition.
    fn flag(&mut self, expr: &Expr, depth: usize) -> Option<Condition> {
        let operand = self.operand(expr, depth)?;
        if operand.kind != OperandKind::Boolean {
            let what = format!("{} is {}, not a condition", shown(expr), operand.kind.name());
            return self.fail(expr.span().start, format!("{what}; compare it with a value"));
        }
        Some(Condition::Is(operand.node))
    }

    fn operand(&mut self, expr: &Expr, depth: usize) -> Option<Operand> {
        if depth > DEEPEST {
            return self.fail(expr.span().start, format!("nested more than {DEEPEST} levels deep"));
        }
        let deeper = depth + 1;
        let at = || expr.span().start;
        match expr {
            Expr::Nested(inner) => self.operand(inner, deeper),
            Expr::Identifier(name) if self.is_day(name) => self.day(name),
            Expr::Identifier(name) => self.column(name),
            Expr::Function(function) if self.terms.is_some() => match figure(function) {
                Ok((column, of)) => self.threshold(column, of),
                Err(fault) => self.fail(at(), fault),
            },
            Expr::Value(value) => match &value.value {
                Value::Number(text, false) => Operand::number(text)
                    .or_else(|| self.fail(at(), format!("{} is not a number that can be compared", cut(text)))),
                Value::SingleQuotedString(text) => Some(Operand::text(text)),
                Value::Boolean(value) => Some(Operand::boolean(*value)),
                Value::Null => self.fail(at(), "nothing equals NULL; write IS NULL or IS NOT NULL".into()),
                _ => self.unsupported(expr),
            },
            Expr::TypedString(typed) => {
                let Value::SingleQuotedString(text) = &typed.value.value else { return self.unsupported(expr) };
                match &typed.data_type {
                    SqlType::Date => Operand::date(text)
                        .or_else(|| self.fail(at(), format!("{:?} is not a date; write DATE '2026-01-31'", cut(text)))),
                    SqlType::Timestamp(None, _) => Operand::timestamp(text).or_else(|| {
                        let what = format!("{:?} is not a time", cut(text));
                        self.fail(at(), format!("{what}; write TIMESTAMP '2026-01-31 12:00:00'"))
                    }),
                    _ => self.unsupported(expr),
                }
            }
            Expr::UnaryOp { op: UnaryOperator::Plus, expr } => self.operand(expr, deeper),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr: inner } => {
                if let Expr::Value(value) = inner.as_ref()
                    && let Value::Number(text, false) = &value.value
                {
                    return Operand::number(&format!("-{text}"));
                }
                let value = self.operand(inner, deeper)?;
                self.calculate(Calculation::Subtract, Operand::number("0")?, value, expr)
            }
            Expr::BinaryOp { left, op, right } if calculation(op).is_some() => {
                let (left, right) = (self.operand(left, deeper), self.operand(right, deeper));
                self.calculate(calculation(op)?, left?, right?, expr)
            }
            other => self.unsupported(other),
        }
    }

    /// Whether a name means the reference date: a column of this name goes first.
    fn is_day(&self, name: &Ident) -> bool {
        let unquoted = name.quote_style.is_none() && name.value.eq_ignore_ascii_case("day");
        unquoted && self.terms.is_some() && self.source.position(&name.value).is_none()
    }

    /// The reference date.
    fn day(&mut self, name: &Ident) -> Option<Operand> {
        let terms = self.terms.as_deref_mut()?;
        terms.uses_day = true;
        match terms.day {
            Some(day) => Some(Operand::days(day)),
            None => self.fail(name.span.start, "DAY is the reference date; give it with --day YYYY-MM-DD".into()),
        }
    }

    /// A figure of a whole column.
    fn threshold(&mut self, column: &Expr, figure: Figure) -> Option<Operand> {
        let Expr::Identifier(name) = column else { return self.unsupported(column) };
        let at = match position(self.source, &name.value) {
            Ok(at) => at,
            Err(fault) => return self.fail(name.span.start, fault),
        };
        let data_type = &self.source.columns()[at].data_type;
        if kind(data_type).0 != OperandKind::Number {
            let what = format!("{:?} ({data_type}) is not a column of numbers", cut(&name.value));
            return self.fail(name.span.start, what);
        }
        let value = self.terms.as_deref_mut()?.value(Threshold { column: at, name: name.value.clone(), figure });
        Some(Operand::float(value))
    }

    fn column(&mut self, name: &Ident) -> Option<Operand> {
        let at = match position(self.source, &name.value) {
            Ok(at) => at,
            Err(fault) => return self.fail(name.span.start, fault),
        };
        let place = self.columns.iter().position(|&c| c == at).unwrap_or_else(|| {
            self.columns.push(at);
            self.columns.len() - 1
        });
        let stored = &self.source.columns()[at].data_type;
        let (kind, form) = kind(stored);
        Some(Operand { node: Node::Column(place), kind, form, stored: Some(stored.clone()) })
    }

    /// A comparison within `expr`; faults are reported at `at`.
    fn compare(&mut self, how: Comparison, left: Operand, right: Operand, expr: &Expr, at: &Expr) -> Option<Condition> {
        let at = at.span().start;
        if left.kind != right.kind || left.kind == OperandKind::Other {
            let hint = match (left.kind, right.kind) {
                (OperandKind::Time, OperandKind::Text) | (OperandKind::Text, OperandKind::Time) => {
                    "; write a date as DATE '2026-01-31'"
                }
                (OperandKind::Text, OperandKind::Number) | (OperandKind::Number, OperandKind::Text) => {
                    "; put text in quotes, and numbers not"
                }
                (OperandKind::Boolean, _) | (_, OperandKind::Boolean) => "; write TRUE or FALSE",
                _ => "",
            };
            let sides = format!("{} with {}", left.kind.name(), right.kind.name());
            return self.fail(at, format!("{}: cannot compare {sides}{hint}", shown(expr)));
        }
        if left.is_constant() && right.is_constant() {
            return self.fail(at, format!("{} does not use a column", shown(expr)));
        }
        if !matches!(left.kind, OperandKind::Number | OperandKind::Time) {
            return Some(Condition::Compare(how, left.node, right.node));
        }
        let compared = || {
            let (left, right) = (left.clone().rounded_like(&right)?, right.clone().rounded_like(&left)?);
            let Some(form) = left.form.common(right.form) else { return Ok::<_, ArrowError>(None) };
            Ok(Some(Condition::Compare(how, left.to(form)?, right.to(form)?)))
        };
        match compared() {
            Ok(Some(condition)) => Some(condition),
            Ok(None) => self.fail(at, format!("{} would need more than 76 digits", shown(expr))),
            Err(e) => self.fail(at, format!("{}: {e}", shown(expr))),
        }
    }

    fn calculate(&mut self, how: Calculation, left: Operand, right: Operand, expr: &Expr) -> Option<Operand> {
        if (how, left.kind, right.kind) == (Calculation::Subtract, OperandKind::Time, OperandKind::Time) {
            return self.days_between(left, right, expr);
        }
        if (left.kind, right.kind) != (OperandKind::Number, OperandKind::Number) {
            let sides = format!("{} and {}", left.kind.name(), right.kind.name());
            return self.fail(expr.span().start, format!("{}: arithmetic needs numbers, not {sides}", shown(expr)));
        }
        let form = match (left.form, right.form) {
            _ if how == Calculation::Divide => Form::Float,
            (Form::Float, _) | (_, Form::Float) => Form::Float,
            (a, b) => {
                let Some(form) = exactly(how, a, b) else {
                    return self.fail(expr.span().start, format!("{} would need more than 38 digits", shown(expr)));
                };
                form
            }
        };
        // Arithmetic works on decimals of any two scales; integers are converted to decimals.
        let side = |operand: Operand| match (form, operand.form) {
            (Form::Float, _) => operand.to(Form::Float),
            (_, Form::Int) => operand.to(Form::Decimal { whole: 19, scale: 0 }),
            _ => Ok(operand.node),
        };
        let constant = left.is_constant() && right.is_constant();
        let calculated = || {
            let node = Node::Calculated(how, Box::new(side(left)?), Box::new(side(right)?));
            // A calculation without columns is done once.
            Ok::<_, ArrowError>(if constant { Node::Constant(node.evaluate(&[])?) } else { node })
        };
        match calculated() {
            Ok(node) => Some(Operand { node, kind: OperandKind::Number, form, stored: None }),
            Err(_) => self.fail(expr.span().start, format!("{} would need more than 38 digits", shown(expr))),
        }
    }

    /// A time minus a time: days, with a fraction where the times have one.
    fn days_between(&mut self, left: Operand, right: Operand, expr: &Expr) -> Option<Operand> {
        let [left, right] = [left, right].map(|time| Operand { kind: OperandKind::Number, stored: None, ..time });
        let seconds = self.calculate(Calculation::Subtract, left, right, expr)?;
        self.calculate(Calculation::Divide, seconds, Operand::number("86400")?, expr)
    }
}

fn negate(negated: bool, condition: Condition) -> Condition {
    if negated { Condition::Not(Box::new(condition)) } else { condition }
}

/// The form of an exact result; a value that still does not fit is an error when it occurs.
fn exactly(how: Calculation, left: Form, right: Form) -> Option<Form> {
    let digits = |form| match form {
        Form::Decimal { whole, scale } => (whole, scale),
        _ => (19, 0),
    };
    let ((a, s), (b, t)) = (digits(left), digits(right));
    if a + s > 38 || b + t > 38 {
        return None;
    }
    let (whole, scale) = if how == Calculation::Multiply { (a + b, s + t) } else { (a.max(b) + 1, s.max(t)) };
    (scale <= 38).then(|| Form::Decimal { whole: whole.min(38 - scale), scale })
}
