//! Types of an expression before it runs.

use crate::Type;
use crate::ast::{Kind, Node, Operator};
use crate::parse::ParseError;
use crate::print;

/// What does not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: found {found}, expected {expected}")]
pub struct CheckError {
    /// In characters, from 1.
    pub column: usize,
    pub found: String,
    pub expected: String,
}

impl From<ParseError> for CheckError {
    fn from(error: ParseError) -> Self {
        let ParseError {
            column,
            found,
            expected,
        } = error;
        Self {
            column,
            found,
            expected,
        }
    }
}

type Kinds<'a> = &'a dyn Fn(&str) -> Option<Type>;

pub(crate) fn check(node: &Node, kind_of: Kinds<'_>) -> Result<Type, CheckError> {
    match &node.kind {
        Kind::Number(_) => Ok(Type::Number),
        Kind::Bool(_) => Ok(Type::Bool),
        Kind::Name(name) => known(node, name, kind_of),
        // A name that can never have a value is a typing error.
        Kind::Exists(name) => known(node, name, kind_of).map(|_| Type::Bool),
        Kind::Negate(inner) => expect(inner, Type::Number, kind_of),
        Kind::Not(inner) => expect(inner, Type::Bool, kind_of),
        Kind::Binary(operator, left, right) => match operator {
            Operator::Or | Operator::And => both(left, right, Type::Bool, kind_of),
            Operator::Equal | Operator::NotEqual => {
                let kind = check(left, kind_of)?;
                expect(right, kind, kind_of).map(|_| Type::Bool)
            }
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                both(left, right, Type::Number, kind_of).map(|_| Type::Bool)
            }
            Operator::Add
            | Operator::Subtract
            | Operator::Multiply
            | Operator::Divide
            | Operator::Remainder
            | Operator::Power
            | Operator::BitOr
            | Operator::BitAnd => both(left, right, Type::Number, kind_of),
        },
        Kind::Choice(parts) => {
            let [condition, yes, no] = parts.as_ref();
            expect(condition, Type::Bool, kind_of)?;
            let kind = check(yes, kind_of)?;
            expect(no, kind, kind_of)
        }
        Kind::Call(_, arguments) => {
            arguments
                .iter()
                .try_for_each(|argument| expect(argument, Type::Number, kind_of).map(|_| ()))?;
            Ok(Type::Number)
        }
    }
}

fn known(node: &Node, name: &str, kind_of: Kinds<'_>) -> Result<Type, CheckError> {
    kind_of(name).ok_or_else(|| CheckError {
        column: node.column,
        found: format!("`{}`", print::quoted(name)),
        expected: "a name that has a value here".to_owned(),
    })
}

pub(crate) fn expect(node: &Node, expected: Type, kind_of: Kinds<'_>) -> Result<Type, CheckError> {
    let found = check(node, kind_of)?;
    if found == expected {
        return Ok(found);
    }
    Err(CheckError {
        column: node.column,
        found: found.to_string(),
        expected: expected.to_string(),
    })
}

fn both(left: &Node, right: &Node, expected: Type, kind_of: Kinds<'_>) -> Result<Type, CheckError> {
    expect(left, expected, kind_of)?;
    expect(right, expected, kind_of)
}
