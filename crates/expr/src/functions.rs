//! The built-in functions, one table.

/// One function on numbers.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    /// Fewest and most arguments.
    pub least: usize,
    pub most: usize,
    /// One sentence for people.
    pub about: &'static str,
    pub(crate) apply: Apply,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Apply {
    Numbers(fn(&[f64]) -> f64),
    /// `if(a, b, c)`, another way to write `a ? b : c`: only one of the two is computed.
    Choice,
    /// `exists(a.b)`: of a name, not of its value.
    Exists,
    /// The caller knows.
    Asked,
}

/// There is one of each name.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// As many arguments as there may be.
pub const ANY: usize = crate::MAX_NODES;

/// All of them, by name.
pub static FUNCTIONS: [Function; 10] = [
    numbers("abs", 1, 1, "the number without its sign", |x| at(x, 0).abs()),
    numbers("ceil", 1, 1, "the next whole number above", |x| {
        libm::ceil(at(x, 0))
    }),
    numbers(
        "clamp",
        3,
        3,
        "the first number, kept between the second and the third",
        |x| at(x, 0).max(at(x, 1)).min(at(x, 2)),
    ),
    Function {
        name: "exists",
        least: 1,
        most: 1,
        about: "whether a name has a value now",
        apply: Apply::Exists,
    },
    numbers("floor", 1, 1, "the next whole number below", |x| {
        libm::floor(at(x, 0))
    }),
    Function {
        name: "if",
        least: 3,
        most: 3,
        about: "the second value when the first is true, else the third",
        apply: Apply::Choice,
    },
    numbers("max", 1, ANY, "the largest number", |x| {
        x.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }),
    numbers("min", 1, ANY, "the smallest number", |x| {
        x.iter().copied().fold(f64::INFINITY, f64::min)
    }),
    numbers(
        "round",
        1,
        1,
        "the nearest whole number, halves away from zero",
        |x| libm::round(at(x, 0)),
    ),
    numbers("sqrt", 1, 1, "the square root", |x| libm::sqrt(at(x, 0))),
];

/// Functions of prices, for those who know them: `s` is a second of the day, today or else tomorrow.
pub static PRICES: [Function; 4] = [
    Function::asked(
        "max_price",
        1,
        1,
        "the highest price from now until second s of the day",
    ),
    Function::asked(
        "max_price_second",
        1,
        1,
        "the second of its day at which that begins",
    ),
    Function::asked(
        "min_price",
        1,
        1,
        "the lowest price from now until second s of the day",
    ),
    Function::asked(
        "min_price_second",
        1,
        1,
        "the second of its day at which that begins",
    ),
];

impl Function {
    /// A function on numbers that whoever evaluates answers by [`crate::Values::call`].
    #[must_use]
    pub const fn asked(name: &'static str, least: usize, most: usize, about: &'static str) -> Self {
        Self {
            name,
            least,
            most,
            about,
            apply: Apply::Asked,
        }
    }
}

const fn numbers(
    name: &'static str,
    least: usize,
    most: usize,
    about: &'static str,
    apply: fn(&[f64]) -> f64,
) -> Function {
    Function {
        name,
        least,
        most,
        about,
        apply: Apply::Numbers(apply),
    }
}

/// The parser has counted the arguments; a missing one would give no number and thus an error.
fn at(arguments: &[f64], index: usize) -> f64 {
    arguments.get(index).copied().unwrap_or(f64::NAN)
}

/// The function of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_every_entry_says_what_it_does() {
        assert!(FUNCTIONS.is_sorted_by(|a, b| a.name < b.name));
        assert!(PRICES.is_sorted_by(|a, b| a.name < b.name));
        assert!(PRICES.iter().all(|function| find(function.name).is_none()));
        for function in &FUNCTIONS {
            assert!(
                function.least <= function.most && !function.about.is_empty(),
                "{}",
                function.name
            );
            assert_eq!(find(function.name), Some(function));
        }
    }
}
