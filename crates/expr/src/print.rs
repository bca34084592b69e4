//! Tree to text, with the fewest parentheses that give the same tree.

use std::borrow::Cow;
use std::fmt;

use crate::Program;
use crate::ast::{CHOICE, Kind, Node, SIGN};

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(&self.root, 0, f)
    }
}

/// A name as it is written.
pub(crate) fn quoted(name: &str) -> Cow<'_, str> {
    let is_word = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if name.split('.').all(is_word) {
        return Cow::Borrowed(name);
    }
    let parts = name.split('.').map(|part| {
        if is_word(part) {
            part.to_owned()
        } else {
            format!("\"{part}\"")
        }
    });
    Cow::Owned(parts.collect::<Vec<_>>().join("."))
}

/// Prints `node` where everything that binds less tightly than `least` needs parentheses.
fn print(node: &Node, least: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if node.kind.precedence() < least {
        f.write_str("(")?;
        print(node, 0, f)?;
        return f.write_str(")");
    }
    match &node.kind {
        // Without an exponent, the largest numbers would have 309 digits.
        Kind::Number(number) if *number != 0.0 && !(1.0e-6..1.0e16).contains(number) => {
            write!(f, "{number:e}")
        }
        Kind::Number(number) => write!(f, "{number}"),
        Kind::Bool(value) => write!(f, "{value}"),
        Kind::Name(name) => f.write_str(&quoted(name)),
        Kind::Exists(name) => write!(f, "exists({})", quoted(name)),
        Kind::Negate(inner) => {
            f.write_str("-")?;
            print(inner, SIGN, f)
        }
        Kind::Not(inner) => {
            f.write_str("!")?;
            print(inner, SIGN, f)
        }
        Kind::Binary(operator, left, right) => {
            let (least_left, least_right) = operator.operands();
            print(left, least_left, f)?;
            write!(f, " {} ", operator.text())?;
            print(right, least_right, f)
        }
        Kind::Choice(parts) => {
            let [condition, yes, no] = parts.as_ref();
            print(condition, CHOICE + 1, f)?;
            f.write_str(" ? ")?;
            print(yes, 0, f)?;
            f.write_str(" : ")?;
            print(no, CHOICE, f)
        }
        Kind::Call(function, arguments) => {
            write!(f, "{}(", function.name)?;
            for (index, argument) in arguments.iter().enumerate() {
                if index > 0 {
                    f.write_str(", ")?;
                }
                print(argument, 0, f)?;
            }
            f.write_str(")")
        }
    }
}
