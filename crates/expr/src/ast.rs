//! The tree of an expression.

use std::collections::BTreeSet;

use crate::functions::Function;

/// One operation with the column where it stands, counted in characters from 1.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) column: usize,
    pub(crate) kind: Kind,
}

/// Where it stands does not matter to what it computes.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Not negative: a sign is an operation.
    Number(f64),
    Bool(bool),
    Name(String),
    Negate(Box<Node>),
    Not(Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    Choice(Box<[Node; 3]>),
    Call(&'static Function, Vec<Node>),
    /// Whether a name has a value.
    Exists(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    BitOr,
    BitAnd,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

impl Operator {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 16] = [
        Self::Or,
        Self::And,
        Self::Equal,
        Self::NotEqual,
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::BitOr,
        Self::BitAnd,
        Self::Add,
        Self::Subtract,
        Self::Multiply,
        Self::Divide,
        Self::Remainder,
        Self::Power,
    ];

    /// Higher binds tighter. All but the power associate to the left.
    pub(crate) const fn precedence(self) -> u8 {
        match self {
            Self::Or => 2,
            Self::And => 3,
            Self::Equal | Self::NotEqual => 4,
            Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual => 5,
            Self::BitOr => 6,
            Self::BitAnd => 7,
            Self::Add | Self::Subtract => 8,
            Self::Multiply | Self::Divide | Self::Remainder => 9,
            Self::Power => 11,
        }
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Or => "||",
            Self::And => "&&",
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::BitOr => "|",
            Self::BitAnd => "&",
            Self::Remainder => "%",
            Self::Power => "^",
        }
    }

    /// The least precedence that an operand needs to stand here without parentheses, left and right. A sign
    /// may follow `^`, and binds less tightly before it.
    pub(crate) const fn operands(self) -> (u8, u8) {
        if matches!(self, Self::Power) {
            (ATOM, SIGN)
        } else {
            (self.precedence(), self.precedence() + 1)
        }
    }
}

/// Of a choice `a ? b : c`, the loosest of all.
pub(crate) const CHOICE: u8 = 1;
/// Of `-a` and `!a`.
pub(crate) const SIGN: u8 = 10;
/// Of what needs no parentheses anywhere.
pub(crate) const ATOM: u8 = 12;

impl Kind {
    pub(crate) const fn precedence(&self) -> u8 {
        match self {
            Self::Number(_) | Self::Bool(_) | Self::Name(_) | Self::Call(..) | Self::Exists(_) => ATOM,
            Self::Negate(_) | Self::Not(_) => SIGN,
            Self::Binary(operator, ..) => operator.precedence(),
            Self::Choice(_) => CHOICE,
        }
    }
}

impl Node {
    pub(crate) fn collect_names<'a>(&'a self, names: &mut BTreeSet<&'a str>) {
        match &self.kind {
            Kind::Number(_) | Kind::Bool(_) => {}
            Kind::Name(name) | Kind::Exists(name) => {
                names.insert(name);
            }
            Kind::Negate(inner) | Kind::Not(inner) => inner.collect_names(names),
            Kind::Binary(_, left, right) => {
                left.collect_names(names);
                right.collect_names(names);
            }
            Kind::Choice(parts) => parts.iter().for_each(|part| part.collect_names(names)),
            Kind::Call(_, arguments) => arguments
                .iter()
                .for_each(|argument| argument.collect_names(names)),
        }
    }
}
