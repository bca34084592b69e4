//! Text to tokens.

use crate::ast::Operator;
use crate::parse::ParseError;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Number(f64),
    Name(String),
    Operator(Operator),
    Not,
    Question,
    Colon,
    Comma,
    Open,
    Close,
    End,
}

impl Token {
    /// For messages.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Number(number) => format!("`{number}`"),
            Self::Name(name) => format!("`{}`", crate::print::quoted(name)),
            Self::Operator(operator) => format!("`{}`", operator.text()),
            Self::Not => "`!`".to_owned(),
            Self::Question => "`?`".to_owned(),
            Self::Colon => "`:`".to_owned(),
            Self::Comma => "`,`".to_owned(),
            Self::Open => "`(`".to_owned(),
            Self::Close => "`)`".to_owned(),
            Self::End => "the end".to_owned(),
        }
    }
}

/// All tokens with their columns, `End` last.
pub(crate) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ParseError> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(character) = characters.get(at).copied() {
        if character.is_whitespace() {
            at += 1;
            continue;
        }
        let rest = characters.get(at..).unwrap_or_default();
        let (token, length) = match character {
            '0'..='9' => number(rest, at + 1)?,
            'a'..='z' | 'A'..='Z' | '_' => name(rest, at + 1)?,
            _ => sign(rest).ok_or_else(|| ParseError {
                column: at + 1,
                found: format!("`{character}`"),
                expected: "a number, a name, an operator or a parenthesis".to_owned(),
            })?,
        };
        tokens.push((at + 1, token));
        at += length;
    }
    tokens.push((at + 1, Token::End));
    Ok(tokens)
}

fn count(characters: &[char], belongs: impl Fn(char) -> bool) -> usize {
    characters
        .iter()
        .take_while(|character| belongs(**character))
        .count()
}

fn digits(characters: &[char], from: usize) -> usize {
    count(characters.get(from..).unwrap_or_default(), |character| {
        character.is_ascii_digit()
    })
}

/// Digits, then perhaps a point with digits, then perhaps an exponent.
fn number(rest: &[char], column: usize) -> Result<(Token, usize), ParseError> {
    let mut length = digits(rest, 0);
    if rest.get(length) == Some(&'.') && digits(rest, length + 1) > 0 {
        length += 1 + digits(rest, length + 1);
    }
    if matches!(rest.get(length), Some('e' | 'E')) {
        let sign = usize::from(matches!(rest.get(length + 1), Some('+' | '-')));
        let exponent = digits(rest, length + 1 + sign);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    let text: String = rest.iter().take(length).collect();
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok((Token::Number(number), length)),
        Ok(_) | Err(_) => Err(ParseError {
            column,
            found: format!("`{text}`"),
            expected: "a finite number".to_owned(),
        }),
    }
}

/// Letters, digits and `_`, in parts joined by single points; later parts may stand in quotes and then have
/// `-` too.
fn name(rest: &[char], column: usize) -> Result<(Token, usize), ParseError> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut name = String::new();
    let mut length = 0;
    loop {
        let part = rest.get(length..).unwrap_or_default();
        let quotes = usize::from(length > 0 && part.first() == Some(&'"'));
        let inner = part.get(quotes..).unwrap_or_default();
        let count_inner = count(inner, |c| is_word(c) || (quotes > 0 && c == '-'));
        if quotes > 0 && (count_inner == 0 || inner.get(count_inner) != Some(&'"')) {
            let shown = inner.iter().take(count_inner + 1);
            return Err(ParseError {
                column: column + length,
                found: format!("`\"{}`", shown.collect::<String>()),
                expected: "letters, digits, `_` and `-` in quotes".to_owned(),
            });
        }
        if count_inner == 0 {
            let end = count(rest, |c| is_word(c) || c == '.' || c == '"');
            let text: String = rest.iter().take(end).collect();
            return Err(ParseError {
                column,
                found: format!("`{text}`"),
                expected: "a name after each point".to_owned(),
            });
        }
        name.extend(inner.iter().take(count_inner));
        length += count_inner + 2 * quotes;
        if rest.get(length) != Some(&'.') {
            return Ok((Token::Name(name), length));
        }
        name.push('.');
        length += 1;
    }
}

fn sign(rest: &[char]) -> Option<(Token, usize)> {
    let two = match (rest.first()?, rest.get(1)) {
        ('|', Some('|')) => Some(Operator::Or),
        ('&', Some('&')) => Some(Operator::And),
        ('=', Some('=')) => Some(Operator::Equal),
        ('!', Some('=')) => Some(Operator::NotEqual),
        ('<', Some('=')) => Some(Operator::LessOrEqual),
        ('>', Some('=')) => Some(Operator::GreaterOrEqual),
        _ => None,
    };
    if let Some(operator) = two {
        return Some((Token::Operator(operator), 2));
    }
    let token = match rest.first()? {
        '<' => Token::Operator(Operator::Less),
        '>' => Token::Operator(Operator::Greater),
        '+' => Token::Operator(Operator::Add),
        '-' => Token::Operator(Operator::Subtract),
        '*' => Token::Operator(Operator::Multiply),
        '/' => Token::Operator(Operator::Divide),
        '%' => Token::Operator(Operator::Remainder),
        '^' => Token::Operator(Operator::Power),
        '|' => Token::Operator(Operator::BitOr),
        '&' => Token::Operator(Operator::BitAnd),
        '!' => Token::Not,
        '?' => Token::Question,
        ':' => Token::Colon,
        ',' => Token::Comma,
        '(' => Token::Open,
        ')' => Token::Close,
        _ => return None,
    };
    Some((token, 1))
}
