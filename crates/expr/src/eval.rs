//! Bounded evaluation over a set of named values.
//!
//! Every number on the way is finite, or the evaluation ends with a [`Fault`]. Operands that a `&&`, `||` or
//! choice does not need are not computed, so that a name may be missing where it does not matter.

use crate::ast::{Kind, Node, Operator};
use crate::functions::{Apply, Function};
use crate::{Type, Value};

/// What the names in an expression mean.
pub trait Values {
    fn value(&self, name: &str) -> Option<Value>;

    /// The result of a function that was given to [`crate::Program::parse_with`].
    fn call(&self, function: &str, arguments: &[f64]) -> Option<f64> {
        let _ = (function, arguments);
        None
    }
}

impl<F: Fn(&str) -> Option<Value>> Values for F {
    fn value(&self, name: &str) -> Option<Value> {
        self(name)
    }
}

/// Why there is no result, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {fault}")]
pub struct EvalError {
    /// In characters, from 1.
    pub column: usize,
    pub fault: Fault,
}

/// What can go wrong in a program that was parsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("`{name}` has no value")]
    NoValue { name: String },
    #[error("division by zero")]
    DivisionByZero,
    #[error("the result is not a finite number")]
    NotFinite,
    #[error("{number} is no whole number that has bits")]
    NotWhole { number: Shown },
    #[error("found {found}, expected {expected}")]
    WrongType { found: Type, expected: Type },
}

/// A finite number in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown(u64);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f64::from_bits(self.0).fmt(f)
    }
}

pub(crate) fn eval(node: &Node, values: &impl Values) -> Result<Value, EvalError> {
    match &node.kind {
        Kind::Number(number) => Ok(Value::Number(*number)),
        Kind::Bool(value) => Ok(Value::Bool(*value)),
        Kind::Name(name) => match values.value(name) {
            Some(Value::Number(number)) => finite(node, number),
            Some(value @ Value::Bool(_)) => Ok(value),
            None => Err(fault(node, Fault::NoValue { name: name.clone() })),
        },
        Kind::Negate(inner) => number(inner, values).map(|inner| Value::Number(-inner)),
        Kind::Not(inner) => boolean(inner, values).map(|inner| Value::Bool(!inner)),
        Kind::Binary(operator, left, right) => binary(node, *operator, left, right, values),
        Kind::Choice(parts) => {
            let [condition, yes, no] = parts.as_ref();
            if boolean(condition, values)? {
                eval(yes, values)
            } else {
                eval(no, values)
            }
        }
        Kind::Exists(name) => Ok(Value::Bool(values.value(name).is_some())),
        Kind::Call(function, arguments) => call(node, function, arguments, values),
    }
}

/// Few arguments need no memory of their own: rules run every second.
fn call(
    node: &Node,
    function: &Function,
    arguments: &[Node],
    values: &impl Values,
) -> Result<Value, EvalError> {
    const FEW: usize = 8;
    let mut few = [0.0; FEW];
    let mut many = Vec::new();
    let numbers = if arguments.len() <= FEW {
        few.get_mut(..arguments.len()).unwrap_or_default()
    } else {
        many.resize(arguments.len(), 0.0);
        many.as_mut_slice()
    };
    for (place, argument) in numbers.iter_mut().zip(arguments) {
        *place = number(argument, values)?;
    }
    match function.apply {
        Apply::Numbers(apply) => finite(node, apply(numbers)),
        Apply::Asked => match values.call(function.name, numbers) {
            Some(number) => finite(node, number),
            None => {
                let name = format!("{}()", function.name);
                Err(fault(node, Fault::NoValue { name }))
            }
        },
        // The parser makes something else of them.
        Apply::Choice | Apply::Exists => Err(fault(node, Fault::NotFinite)),
    }
}

fn binary(
    node: &Node,
    operator: Operator,
    left: &Node,
    right: &Node,
    values: &impl Values,
) -> Result<Value, EvalError> {
    let numbers = || Ok((number(left, values)?, number(right, values)?));
    match operator {
        Operator::Or => Ok(Value::Bool(boolean(left, values)? || boolean(right, values)?)),
        Operator::And => Ok(Value::Bool(boolean(left, values)? && boolean(right, values)?)),
        Operator::Equal => same(left, right, values).map(Value::Bool),
        Operator::NotEqual => same(left, right, values).map(|same| Value::Bool(!same)),
        Operator::Less => numbers().map(|(a, b)| Value::Bool(a < b)),
        Operator::LessOrEqual => numbers().map(|(a, b)| Value::Bool(a <= b)),
        Operator::Greater => numbers().map(|(a, b)| Value::Bool(a > b)),
        Operator::GreaterOrEqual => numbers().map(|(a, b)| Value::Bool(a >= b)),
        Operator::Add => numbers().and_then(|(a, b)| finite(node, a + b)),
        Operator::Subtract => numbers().and_then(|(a, b)| finite(node, a - b)),
        Operator::Multiply => numbers().and_then(|(a, b)| finite(node, a * b)),
        Operator::Divide => match numbers()? {
            (_, 0.0) => Err(fault(node, Fault::DivisionByZero)),
            (a, b) => finite(node, a / b),
        },
        Operator::Remainder => match numbers()? {
            (_, 0.0) => Err(fault(node, Fault::DivisionByZero)),
            (a, b) => finite(node, libm::fmod(a, b)),
        },
        Operator::Power => numbers().and_then(|(a, b)| finite(node, libm::pow(a, b))),
        Operator::BitOr => bits(left, right, values, |a, b| a | b),
        Operator::BitAnd => bits(left, right, values, |a, b| a & b),
    }
}

/// Negative numbers have the bits of two's complement.
fn bits(
    left: &Node,
    right: &Node,
    values: &impl Values,
    of: impl Fn(i64, i64) -> i64,
) -> Result<Value, EvalError> {
    let (left, right) = (whole(left, values)?, whole(right, values)?);
    #[allow(clippy::cast_precision_loss, reason = "both are below 2^53")]
    Ok(Value::Number(of(left, right) as f64))
}

fn whole(node: &Node, values: &impl Values) -> Result<i64, EvalError> {
    const MOST: f64 = 9_007_199_254_740_991.0;
    let number = number(node, values)?;
    if number.abs() > MOST || libm::trunc(number).to_bits() != number.to_bits() {
        let number = Shown(number.to_bits());
        return Err(fault(node, Fault::NotWhole { number }));
    }
    #[allow(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
    Ok(number as i64)
}

fn same(left: &Node, right: &Node, values: &impl Values) -> Result<bool, EvalError> {
    match (eval(left, values)?, eval(right, values)?) {
        #[allow(clippy::float_cmp, reason = "the language has exact equality, and says so")]
        (Value::Number(a), Value::Number(b)) => Ok(a == b),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (a @ (Value::Number(_) | Value::Bool(_)), b) => Err(fault(
            right,
            Fault::WrongType {
                found: b.kind(),
                expected: a.kind(),
            },
        )),
    }
}

pub(crate) fn number(node: &Node, values: &impl Values) -> Result<f64, EvalError> {
    match eval(node, values)? {
        Value::Number(number) => Ok(number),
        Value::Bool(_) => Err(fault(
            node,
            Fault::WrongType {
                found: Type::Bool,
                expected: Type::Number,
            },
        )),
    }
}

fn boolean(node: &Node, values: &impl Values) -> Result<bool, EvalError> {
    match eval(node, values)? {
        Value::Bool(value) => Ok(value),
        Value::Number(_) => Err(fault(
            node,
            Fault::WrongType {
                found: Type::Number,
                expected: Type::Bool,
            },
        )),
    }
}

fn finite(node: &Node, number: f64) -> Result<Value, EvalError> {
    if number.is_finite() {
        Ok(Value::Number(number))
    } else {
        Err(fault(node, Fault::NotFinite))
    }
}

const fn fault(node: &Node, fault: Fault) -> EvalError {
    EvalError {
        column: node.column,
        fault,
    }
}
