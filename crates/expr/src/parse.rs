//! Tokens to tree, by precedence climbing. Errors point at the column.
//!
//! From loose to tight: `a ? b : c` (right to left), `||`, `&&`, `== !=`, `< <= > >=`, `|`, `&`, `+ -`, `* / %`
//! (all left to right), `-a !a`, `^` (the power, right to left), calls and parentheses.

use crate::ast::{CHOICE, Kind, Node, Operator, SIGN};
use crate::functions::{self, ANY, Apply, FUNCTIONS, Function};
use crate::token::{Token, tokens};
use crate::{MAX_DEPTH, MAX_NODES, MAX_TEXT};

/// Where a text stops being an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: found {found}, expected {expected}")]
pub struct ParseError {
    /// In characters, from 1.
    pub column: usize,
    pub found: String,
    pub expected: String,
}

pub(crate) fn parse(text: &str, given: &'static [Function]) -> Result<Node, ParseError> {
    if text.len() > MAX_TEXT {
        let found = format!("{} bytes", text.len());
        return Err(ParseError {
            column: 1,
            found,
            expected: format!("at most {MAX_TEXT}"),
        });
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        given,
        next: 0,
        nodes: 0,
        depth: 0,
    };
    let root = parser.expression(0)?;
    parser.expect(&Token::End, "an operator or the end")?;
    Ok(root)
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    given: &'static [Function],
    next: usize,
    nodes: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.next).map_or(&Token::End, |(_, token)| token)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.next).map_or(1, |(column, _)| *column)
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn unexpected(&self, expected: &str) -> ParseError {
        ParseError {
            column: self.column(),
            found: self.peek().text(),
            expected: expected.to_owned(),
        }
    }

    fn expect(&mut self, token: &Token, expected: &str) -> Result<(), ParseError> {
        if self.peek() != token {
            return Err(self.unexpected(expected));
        }
        self.next += 1;
        Ok(())
    }

    fn node(&mut self, column: usize, kind: Kind) -> Result<Node, ParseError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let found = "a longer expression".to_owned();
            return Err(ParseError {
                column,
                found,
                expected: format!("at most {MAX_NODES} operations"),
            });
        }
        Ok(Node { column, kind })
    }

    /// An expression whose operators all bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<Node, ParseError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let found = "a deeper expression".to_owned();
            let expected = format!("at most {MAX_DEPTH} levels");
            return Err(ParseError {
                column: self.column(),
                found,
                expected,
            });
        }
        let mut left = self.operand()?;
        loop {
            let column = self.column();
            if let Token::Operator(operator) = *self.peek()
                && operator.precedence() >= least
            {
                self.next += 1;
                let right = self.expression(operator.operands().1)?;
                left = self.node(column, Kind::Binary(operator, Box::new(left), Box::new(right)))?;
            } else if *self.peek() == Token::Question && CHOICE >= least {
                self.next += 1;
                let yes = self.expression(0)?;
                self.expect(&Token::Colon, "`:` and what else it is")?;
                let no = self.expression(CHOICE)?;
                left = self.node(column, Kind::Choice(Box::new([left, yes, no])))?;
            } else {
                break;
            }
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operand(&mut self) -> Result<Node, ParseError> {
        let column = self.column();
        match self.take() {
            Token::Number(number) => self.node(column, Kind::Number(number)),
            Token::Name(name) if *self.peek() == Token::Open => self.call(column, &name),
            Token::Name(name) => {
                let kind = match name.as_str() {
                    "true" => Kind::Bool(true),
                    "false" => Kind::Bool(false),
                    _ => Kind::Name(name),
                };
                self.node(column, kind)
            }
            Token::Operator(Operator::Subtract) => {
                let inner = self.expression(SIGN)?;
                self.node(column, Kind::Negate(Box::new(inner)))
            }
            Token::Not => {
                let inner = self.expression(SIGN)?;
                self.node(column, Kind::Not(Box::new(inner)))
            }
            Token::Open => {
                let inner = self.expression(0)?;
                self.expect(&Token::Close, "an operator or `)`")?;
                Ok(inner)
            }
            Token::Operator(_)
            | Token::Question
            | Token::Colon
            | Token::Comma
            | Token::Close
            | Token::End => {
                self.next -= 1;
                Err(self.unexpected("a number, a name or `(`"))
            }
        }
    }

    fn call(&mut self, column: usize, name: &str) -> Result<Node, ParseError> {
        let given = || self.given.iter().find(|function| function.name == name);
        let function = functions::find(name).or_else(given).ok_or_else(|| {
            let all = FUNCTIONS.iter().chain(self.given);
            let names: Vec<_> = all.map(|function| function.name).collect();
            let expected = format!("one of {}", names.join(", "));
            ParseError {
                column,
                found: format!("function `{name}`"),
                expected,
            }
        })?;
        self.next += 1;
        let mut arguments = Vec::new();
        if *self.peek() != Token::Close {
            arguments.push(self.expression(0)?);
            while *self.peek() == Token::Comma {
                self.next += 1;
                arguments.push(self.expression(0)?);
            }
        }
        self.expect(&Token::Close, "an operator, `,` or `)`")?;
        self.called(column, function, arguments)
    }

    fn called(
        &mut self,
        column: usize,
        function: &'static Function,
        arguments: Vec<Node>,
    ) -> Result<Node, ParseError> {
        let count = arguments.len();
        let wrong_count = || {
            let expected = match (function.least, function.most) {
                (1, 1) => "1".to_owned(),
                (least, most) if least == most => least.to_string(),
                (least, ANY) => format!("at least {least}"),
                (least, most) => format!("{least} to {most}"),
            };
            ParseError {
                column,
                found: format!("{count} arguments of `{}`", function.name),
                expected,
            }
        };
        if !(function.least..=function.most).contains(&count) {
            return Err(wrong_count());
        }
        let kind = match function.apply {
            Apply::Numbers(_) | Apply::Asked => Kind::Call(function, arguments),
            Apply::Exists => {
                let mut arguments = arguments.into_iter();
                match arguments.next() {
                    Some(Node {
                        kind: Kind::Name(name),
                        ..
                    }) => Kind::Exists(name),
                    argument => {
                        return Err(ParseError {
                            column: argument.map_or(column, |node| node.column),
                            found: "no name".to_owned(),
                            expected: "the name that may have a value".to_owned(),
                        });
                    }
                }
            }
            Apply::Choice => {
                let parts: [Node; 3] = arguments.try_into().map_err(|_| wrong_count())?;
                Kind::Choice(Box::new(parts))
            }
        };
        self.node(column, kind)
    }
}
