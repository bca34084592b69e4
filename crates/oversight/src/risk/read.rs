//! Text to rules.

use std::collections::BTreeSet;
use std::fmt;

use expr::{Program, Type};
use model::oversight::RiskLevel;
use model::time::Millis;
use serde::Deserialize;
use toml::Spanned;

use super::rules::{Name, Piece, Rule, Rules};

const MOST_TEXT: usize = 256 * 1024;
const MOST_RULES: usize = 200;
const LONGEST_NAME: usize = 24;
/// What is told to operators has an end.
const LONGEST_REASON: usize = 200;
const LONGEST_HOLD_S: i64 = 7 * 24 * 3_600;

/// What is wrong with rules, all of it at once where possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct RulesError {
    pub problems: Vec<Problem>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    pub text: String,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.problems.iter().map(Problem::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.text)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    #[serde(default)]
    offline: Vec<i64>,
    #[serde(default)]
    rule: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: Spanned<String>,
    level: RiskLevel,
    #[serde(default)]
    errors: Vec<i64>,
    when: Option<Spanned<String>>,
    for_s: Option<Spanned<i64>>,
    reason: Spanned<String>,
}

impl Rules {
    /// # Errors
    /// With the place of each mistake and what was expected there.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let mut check = Check {
            text,
            problems: Vec::new(),
        };
        if text.len() > MOST_TEXT {
            check.say(
                0,
                format!("the file has {} bytes, expected at most {MOST_TEXT}", text.len()),
            );
            return Err(check.failed());
        }
        let raw: RawRules = match toml::from_str(text) {
            Ok(raw) => raw,
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                check.say(at, error.message().to_owned());
                return Err(check.failed());
            }
        };
        if raw.rule.len() > MOST_RULES {
            check.say(
                0,
                format!("{} rules, expected at most {MOST_RULES}", raw.rule.len()),
            );
        }
        let mut names = BTreeSet::new();
        let rules: Vec<_> = raw
            .rule
            .into_iter()
            .map(|rule| check.rule(rule, &mut names))
            .collect();
        if !check.problems.is_empty() {
            return Err(check.failed());
        }
        Ok(Self {
            rules: rules.into_iter().flatten().collect(),
            offline: raw.offline,
        })
    }
}

struct Check<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn say(&mut self, at: usize, text: String) {
        let before = self.text.get(..at).unwrap_or(self.text);
        self.problems.push(Problem {
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1,
            text,
        });
    }

    fn failed(mut self) -> RulesError {
        self.problems
            .sort_by_key(|problem| (problem.line, problem.column));
        RulesError {
            problems: self.problems,
        }
    }

    fn rule(&mut self, raw: Spanned<RawRule>, names: &mut BTreeSet<String>) -> Option<Rule> {
        let at = raw.span().start;
        let raw = raw.into_inner();
        let (name_at, name) = (raw.name.span().start, raw.name.into_inner());
        let is_name = (1..=LONGEST_NAME).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !is_name {
            self.say(
                name_at,
                format!("name `{name}`, expected 1 to {LONGEST_NAME} characters of a-z, 0-9 and `-`"),
            );
        }
        if !names.insert(name.clone()) {
            self.say(
                name_at,
                format!("name `{name}` is there already, expected one of its own"),
            );
        }
        if raw.errors.is_empty() && raw.when.is_none() {
            self.say(
                at,
                format!("rule `{name}` says neither `errors` nor `when`, expected one of them"),
            );
        }
        let when = raw.when.and_then(|when| self.program(&when));
        let hold = raw.for_s.map_or(0, |hold| {
            let hold_at = hold.span().start;
            let hold = hold.into_inner();
            if !(0..=LONGEST_HOLD_S).contains(&hold) {
                self.say(
                    hold_at,
                    format!("for_s is {hold}, expected 0 to {LONGEST_HOLD_S}"),
                );
            }
            hold
        });
        let reason = self.reason(&raw.reason)?;
        Some(Rule {
            name,
            level: raw.level,
            errors: raw.errors,
            is_timed: when.as_ref().is_some_and(|when| when.names().contains("age_s")),
            when,
            hold: Millis::from_seconds(hold.clamp(0, LONGEST_HOLD_S)),
            reason,
        })
    }

    fn program(&mut self, text: &Spanned<String>) -> Option<Program> {
        let at = text.span().start;
        let program = match Program::parse(text.get_ref()) {
            Ok(program) => program,
            Err(error) => {
                self.say(at, format!("when: {error}"));
                return None;
            }
        };
        match program.check(&|name| Name::find(name).map(Name::kind)) {
            Ok(Type::Bool) => return Some(program),
            Ok(Type::Number) => self.say(at, "when: found a number, expected true or false".to_owned()),
            Err(error) => {
                let names: Vec<_> = Name::ALL.iter().map(|(name, _)| *name).collect();
                self.say(at, format!("when: {error}; values are {}", names.join(", ")));
            }
        }
        None
    }

    fn reason(&mut self, text: &Spanned<String>) -> Option<Vec<Piece>> {
        let at = text.span().start;
        let text = text.get_ref();
        if text.is_empty() || text.chars().count() > LONGEST_REASON {
            self.say(at, format!("reason: expected 1 to {LONGEST_REASON} characters"));
        }
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                self.say(
                    at,
                    "reason: found `{` without `}`, expected the name of a value between them".to_owned(),
                );
                return None;
            };
            let Some(value) = Name::find(name) else {
                let names: Vec<_> = Name::ALL.iter().map(|(name, _)| *name).collect();
                self.say(
                    at,
                    format!("reason: found `{{{name}}}`, expected one of {}", names.join(", ")),
                );
                return None;
            };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Value(value));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Some(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_the_program_are_read() {
        let rules = Rules::built_in();
        assert!(rules.rules.len() >= 15);
        let timed: Vec<_> = rules
            .rules
            .iter()
            .filter(|rule| rule.is_timed)
            .map(|rule| &rule.name)
            .collect();
        assert_eq!(timed, ["offline"]);
    }

    #[test]
    fn a_mistake_says_where_and_what_was_expected() {
        let rule = |text: &str| format!("offline = [1]\n\n[[rule]]\n{text}");
        let check = |text: &str, (line, column): (usize, usize), said: &str| {
            let error = Rules::parse(&rule(text)).unwrap_err();
            let problem = &error.problems[0];
            assert!(
                (problem.line, problem.column) == (line, column) && problem.text.contains(said),
                "{text}: {error}"
            );
        };
        const END: &str = "level = \"low\"\nreason = \"x\"\n";
        check(
            &format!("name = \"Hot!\"\nwhen = \"soc > 1\"\n{END}"),
            (4, 8),
            "expected 1 to 24 characters",
        );
        check(
            &format!("name = \"hot\"\n{END}"),
            (3, 1),
            "neither `errors` nor `when`",
        );
        check(
            &format!("name = \"hot\"\nwhen = \"heat > 1\"\n{END}"),
            (5, 8),
            "values are idle",
        );
        check(
            &format!("name = \"hot\"\nwhen = \"soc +\"\n{END}"),
            (5, 8),
            "column",
        );
        check(
            &format!("name = \"hot\"\nwhen = \"soc + 1\"\n{END}"),
            (5, 8),
            "expected true or false",
        );
        check(
            &format!("name = \"hot\"\nerrors = [1]\nfor_s = -1\n{END}"),
            (6, 9),
            "expected 0 to",
        );
        check(
            &format!("name = \"hot\"\nerror = [1]\n{END}"),
            (5, 1),
            "unknown field `error`",
        );
        check(
            "name = \"hot\"\nerrors = [1]\nlevel = \"huge\"\nreason = \"x\"\n",
            (6, 9),
            "expected one of",
        );
        check(
            "name = \"hot\"\nerrors = [1]\nlevel = \"low\"\nreason = \"{heat}\"\n",
            (7, 10),
            "expected one of idle",
        );
        check(
            "name = \"hot\"\nerrors = [1]\nlevel = \"low\"\nreason = \"{soc\"\n",
            (7, 10),
            "without `}`",
        );
        let twice =
            format!("name = \"hot\"\nerrors = [1]\n{END}[[rule]]\nname = \"hot\"\nerrors = [1]\n{END}");
        check(&twice, (9, 8), "is there already");
    }
}
