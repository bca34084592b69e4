//! The expression language of rules and device formulas: text to checked program to value.
//!
//! Arithmetic on finite 64-bit floats, comparisons, logic, a choice and a few functions. No loops, no
//! assignment, no text, no clock: a program always ends, costs what its length says, and gives the same
//! result on every machine. What the names in it mean is up to whoever evaluates it ([`Values`]).
//!
//! ```
//! use expr::{Program, Value};
//!
//! let program = Program::parse("max(meter.power - 500, 0) / 3")?;
//! let power = |name: &str| (name == "meter.power").then_some(Value::Number(2_000.0));
//! assert_eq!(program.number(&power), Ok(500.0));
//! # Ok::<(), expr::ParseError>(())
//! ```
//!
//! Names are words joined by points. A part that is no word stands in quotes: `evse."garage-1".power`.
//!
//! Units are not checked: a formula works on numbers in the base units of its caller.

mod ast;
mod check;
mod eval;
pub mod functions;
mod parse;
mod print;
mod token;

use std::collections::BTreeSet;

pub use check::CheckError;
pub use eval::{EvalError, Fault, Shown, Values};
pub use parse::ParseError;

use ast::Node;
use functions::Function;

/// Longest text of a program, in bytes.
pub const MAX_TEXT: usize = 4_096;
/// Most operators, names, numbers and calls in a program.
pub const MAX_NODES: usize = 500;
/// Deepest nesting of parentheses, choices, signs and calls.
pub const MAX_DEPTH: usize = 64;

/// What an expression can be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    Number(f64),
    Bool(bool),
}

/// The type of a [`Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Number,
    Bool,
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Number => "a number",
            Self::Bool => "true or false",
        })
    }
}

impl Value {
    #[must_use]
    pub const fn kind(self) -> Type {
        match self {
            Self::Number(_) => Type::Number,
            Self::Bool(_) => Type::Bool,
        }
    }
}

/// A parsed expression. Two are equal when they compute the same in the same way, however they are laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    root: Node,
}

impl Program {
    /// # Errors
    /// With the column and what was expected there; also when the text is too long or too deep.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_with(text, &[])
    }

    /// The same with functions of the caller's beside the built-in ones.
    ///
    /// # Errors
    /// As [`Program::parse`].
    pub fn parse_with(text: &str, functions: &'static [Function]) -> Result<Self, ParseError> {
        parse::parse(text, functions).map(|root| Self { root })
    }

    /// Reads a program that has to give `wanted`, and checks it.
    ///
    /// # Errors
    /// As [`Program::parse`] and [`Program::check`], and when its result is of the other type.
    pub fn checked(
        text: &str,
        functions: &'static [Function],
        kind_of: &dyn Fn(&str) -> Option<Type>,
        wanted: Type,
    ) -> Result<Self, CheckError> {
        let program = Self::parse_with(text, functions)?;
        check::expect(&program.root, wanted, kind_of)?;
        Ok(program)
    }

    /// The names that it needs, sorted, each once.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.root.collect_names(&mut names);
        names
    }

    /// Its type, when all names are known and all operands fit their operators.
    ///
    /// # Errors
    /// For the first name or operand that does not fit, with its column.
    pub fn check(&self, kind_of: &dyn Fn(&str) -> Option<Type>) -> Result<Type, CheckError> {
        check::check(&self.root, kind_of)
    }

    /// # Errors
    /// When a name has no value, an operand does not fit, something is divided by zero, or a result is not
    /// finite.
    pub fn eval(&self, values: &impl Values) -> Result<Value, EvalError> {
        eval::eval(&self.root, values)
    }

    /// The same for a program that has to give a number.
    ///
    /// # Errors
    /// As [`Program::eval`], and when the result is true or false.
    pub fn number(&self, values: &impl Values) -> Result<f64, EvalError> {
        eval::number(&self.root, values)
    }
}

#[cfg(test)]
mod tests;
