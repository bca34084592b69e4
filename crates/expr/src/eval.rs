//! Bounded evaluation over a set of named values.
//!
//! Every number on the way is finite, or the evaluation ends with a [`Fault`]. Operands that a `&&`, `||` or
//! choice does not need are not computed, so that a name may be missing where it does not matter.

use crate::ast::{Kind, Node, Operator};
use crate::functions::Apply;
use crate::{Type, Value};

/// What the names in an expression mean.
pub trait Values {
    fn value(&self, name: &str) -> Option<Value>;
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
    #[error("found {found}, expected {expected}")]
    WrongType { found: Type, expected: Type },
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
        Kind::Call(function, arguments) => {
            let numbers: Vec<f64> = arguments
                .iter()
                .map(|argument| number(argument, values))
                .collect::<Result<_, _>>()?;
            match function.apply {
                Apply::Numbers(apply) => finite(node, apply(&numbers)),
                // The parser makes a choice of it.
                Apply::Choice => Err(fault(node, Fault::NotFinite)),
            }
        }
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
    }
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
