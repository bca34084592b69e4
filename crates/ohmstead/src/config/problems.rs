//! All that is wrong with a file, with line and column.

use std::cell::RefCell;
use std::fmt;

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    pub line: usize,
    pub column: usize,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.text)
    }
}

/// Collects problems while a file is read.
pub struct Problems {
    source: String,
    found: RefCell<Vec<Problem>>,
}

impl Problems {
    pub fn of(source: &str) -> Self {
        Self {
            source: source.to_owned(),
            found: RefCell::new(Vec::new()),
        }
    }

    /// `position` is a byte offset into the source.
    pub fn add(&self, position: usize, text: impl Into<String>) {
        let before = self
            .source
            .get(..position.min(self.source.len()))
            .unwrap_or(&self.source);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
        self.found.borrow_mut().push(Problem {
            line,
            column,
            text: text.into(),
        });
    }

    pub fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// In the order of the file.
    pub fn into_sorted(self) -> Vec<Problem> {
        let mut found = self.found.into_inner();
        found.sort();
        found.dedup();
        found
    }
}
