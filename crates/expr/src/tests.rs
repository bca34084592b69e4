//! What expressions mean, what is wrong with the others, and that no text brings the parser down.

use proptest::prelude::*;

use crate::ast::{Kind, Node, Operator};
use crate::functions::{Apply, FUNCTIONS, Function};
use crate::{Fault, MAX_DEPTH, MAX_NODES, MAX_TEXT, Program, Type, Value, Values};

/// `x` is 4, `a.b_1` is 0.5, `on` is true, `nan` is not a number.
fn value(name: &str) -> Option<Value> {
    match name {
        "x" | "evse.garage-1.power" => Some(Value::Number(4.0)),
        "evse.b_2.power" => Some(Value::Number(3.0)),
        "a.b_1" => Some(Value::Number(0.5)),
        "on" => Some(Value::Bool(true)),
        "nan" => Some(Value::Number(f64::NAN)),
        _ => None,
    }
}

fn kind(name: &str) -> Option<Type> {
    // Known, and without a value at the moment.
    if name == "absent" {
        return Some(Type::Number);
    }
    value(name).map(Value::kind)
}

#[track_caller]
fn check(text: &str, expected: f64) {
    let program = Program::parse(text).unwrap();
    assert_eq!(program.check(&kind), Ok(Type::Number), "{text}");
    assert_eq!(program.eval(&value), Ok(Value::Number(expected)), "{text}");
}

#[track_caller]
fn check_bool(text: &str, expected: bool) {
    let program = Program::parse(text).unwrap();
    assert_eq!(program.check(&kind), Ok(Type::Bool), "{text}");
    assert_eq!(program.eval(&value), Ok(Value::Bool(expected)), "{text}");
}

#[test]
fn operators_bind_as_on_paper() {
    check("1 + 2 * 3", 7.0);
    check("(1 + 2) * 3", 9.0);
    check("8 - 3 - 2", 3.0);
    check("8 / 4 / 2", 1.0);
    check("-2 * -3", 6.0);
    check("- x - -x", 0.0);
    check("2 * x + a.b_1", 8.5);
    check("1.5e2 + 2E-1", 150.2);
    check("x > 3 ? 1 : x > 2 ? 2 : 3", 1.0);
    check("x < 3 ? 1 : x > 2 ? 2 : 3", 2.0);
    check("(x > 3 ? 1 : 2) + 10", 11.0);
    check("x > 3 ? 1 : 2 + 10", 1.0);
    check_bool("1 < 2 == true", true);
    check("2 ^ 3 ^ 2 + 2 ^ -1", 512.5);
    check("-2 ^ 2 + (-2) ^ 2", 0.0);
    check("2 * 3 ^ 2 % 4", 2.0);
    check("-7 % 4 + 7.5 % 2", -1.5);
    check("1 + 2 | 8 & 12 + 1", 11.0);
    check_bool("6 & 4 == 4", true);
    check("-1 & 255", 255.0);
    check("evse.\"garage-1\".power + evse.\"b_2\".power", 7.0);
    check_bool("1 + 1 == 2 && 2 >= 2 && 3 != 2", true);
    check_bool("false && true || true", true);
    check_bool("false && (true || true)", false);
    check_bool("!on || x <= 4", true);
    check_bool("!(on && x < 4)", true);
}

#[test]
fn functions_do_what_their_table_says() {
    check("min(3, x, 5)", 3.0);
    check("max(3)", 3.0);
    check("clamp(x, 6, 16) + clamp(x, 0, 2) + clamp(x, 0, 9)", 12.0);
    check("abs(-x) + abs(x)", 8.0);
    check("round(2.5) + round(-2.5) + round(0.49)", 0.0);
    check("floor(-0.5) + ceil(-0.5)", -1.0);
    check("sqrt(x)", 2.0);
    check("if(on, 1, 2)", 1.0);
    check_bool(
        "exists(x) && !exists(absent) && exists(evse.\"garage-1\".power)",
        true,
    );
    check("exists(absent) ? absent : 5", 5.0);
}

#[test]
fn whoever_evaluates_may_bring_functions() {
    static GIVEN: [Function; 1] = [Function::asked(
        "price_at",
        1,
        2,
        "what it costs in so many seconds",
    )];
    struct Prices;
    impl Values for Prices {
        fn value(&self, name: &str) -> Option<Value> {
            value(name)
        }
        fn call(&self, function: &str, arguments: &[f64]) -> Option<f64> {
            (function == "price_at").then(|| arguments.iter().sum::<f64>() * 2.0)
        }
    }
    let parse = |text: &str| Program::parse_with(text, &GIVEN);
    let program = parse("price_at(x, 1) + 1").unwrap();
    assert_eq!(program.check(&kind), Ok(Type::Number));
    assert_eq!(program.number(&Prices), Ok(11.0));
    let fault = program.number(&value).unwrap_err();
    assert_eq!(fault.to_string(), "column 1: `price_at()` has no value");
    let wrong = parse("price_at(1, 2, 3)").unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "column 1: found 3 arguments of `price_at`, expected 1 to 2"
    );
    assert!(
        parse("sin(1)")
            .unwrap_err()
            .to_string()
            .ends_with("sqrt, price_at")
    );
    // Many arguments are as good as few.
    check(&format!("max({}9)", "1, ".repeat(40)), 9.0);
}

#[test]
fn a_program_may_be_asked_for_one_type() {
    let checked = |text: &str, wanted| Program::checked(text, &[], &kind, wanted).map_err(|e| e.to_string());
    assert!(checked("x + 1", Type::Number).is_ok());
    assert_eq!(
        checked("x +", Type::Number),
        Err("column 4: found the end, expected a number, a name or `(`".to_owned())
    );
    assert_eq!(
        checked("x + 1", Type::Bool),
        Err("column 3: found a number, expected true or false".to_owned())
    );
}

#[test]
fn only_what_is_needed_is_computed() {
    for text in ["true || gone", "true ? true : gone", "if(false, gone, true)"] {
        assert_eq!(
            Program::parse(text).unwrap().eval(&value),
            Ok(Value::Bool(true)),
            "{text}"
        );
    }
    assert_eq!(
        Program::parse("false && gone").unwrap().eval(&value),
        Ok(Value::Bool(false))
    );
}

#[track_caller]
fn check_parse_error(text: &str, expected: &str) {
    assert_eq!(Program::parse(text).unwrap_err().to_string(), expected, "{text}");
}

#[test]
fn a_wrong_text_says_where_and_what_was_expected() {
    check_parse_error("", "column 1: found the end, expected a number, a name or `(`");
    check_parse_error("1 +", "column 4: found the end, expected a number, a name or `(`");
    check_parse_error("1 2", "column 3: found `2`, expected an operator or the end");
    check_parse_error("(1", "column 3: found the end, expected an operator or `)`");
    check_parse_error("1)", "column 2: found `)`, expected an operator or the end");
    check_parse_error(
        "max(1",
        "column 6: found the end, expected an operator, `,` or `)`",
    );
    check_parse_error(
        "max()",
        "column 1: found 0 arguments of `max`, expected at least 1",
    );
    check_parse_error(
        "1 + abs(1, 2)",
        "column 5: found 2 arguments of `abs`, expected 1",
    );
    check_parse_error("if(on, 1)", "column 1: found 2 arguments of `if`, expected 3");
    check_parse_error(
        "x ? 1",
        "column 6: found the end, expected `:` and what else it is",
    );
    check_parse_error(
        "x = 1",
        "column 3: found `=`, expected a number, a name, an operator or a parenthesis",
    );
    check_parse_error(
        "ü",
        "column 1: found `ü`, expected a number, a name, an operator or a parenthesis",
    );
    check_parse_error("1e999", "column 1: found `1e999`, expected a finite number");
    check_parse_error(
        "exists(1 + x)",
        "column 10: found no name, expected the name that may have a value",
    );
    check_parse_error(
        "1 + a.\"b c\"",
        "column 7: found `\"b `, expected letters, digits, `_` and `-` in quotes",
    );
    check_parse_error(
        "a.\"\"",
        "column 3: found `\"\"`, expected letters, digits, `_` and `-` in quotes",
    );
    check_parse_error("2 ^", "column 4: found the end, expected a number, a name or `(`");
    check_parse_error("a..b", "column 1: found `a..b`, expected a name after each point");
    check_parse_error(
        "sin(1)",
        "column 1: found function `sin`, expected one of abs, ceil, clamp, exists, floor, if, max, min, round, sqrt",
    );
}

#[track_caller]
fn check_type_error(text: &str, expected: &str) {
    let program = Program::parse(text).unwrap();
    assert_eq!(program.check(&kind).unwrap_err().to_string(), expected, "{text}");
    assert!(program.eval(&value).is_err(), "{text}");
}

#[test]
fn operands_that_do_not_fit_are_found_before_it_runs() {
    check_type_error("1 + on", "column 5: found true or false, expected a number");
    check_type_error("!x", "column 2: found a number, expected true or false");
    check_type_error("1 < 2 < 3", "column 3: found true or false, expected a number");
    check_type_error("1 == on", "column 6: found true or false, expected a number");
    check_type_error("x ? 1 : 2", "column 1: found a number, expected true or false");
    check_type_error("max(1, on)", "column 8: found true or false, expected a number");
    check_type_error(
        "1 + gone",
        "column 5: found `gone`, expected a name that has a value here",
    );
    let uneven = Program::parse("on ? 1 : on").unwrap();
    assert!(uneven.check(&kind).is_err());
}

#[test]
fn what_has_no_finite_result_is_a_fault() {
    let check = |text: &str, column: usize, fault: Fault| {
        let error = Program::parse(text).unwrap().eval(&value).unwrap_err();
        assert_eq!((error.column, error.fault), (column, fault), "{text}");
    };
    check("1 / (x - 4)", 3, Fault::DivisionByZero);
    check("0 / 0", 3, Fault::DivisionByZero);
    check("5 % (x - 4)", 3, Fault::DivisionByZero);
    check("10 ^ 400", 4, Fault::NotFinite);
    check("(-1) ^ 0.5", 6, Fault::NotFinite);
    check("1e308 * 10", 7, Fault::NotFinite);
    check("1e308 + 1e308", 7, Fault::NotFinite);
    check("1 / 1e-320", 3, Fault::NotFinite);
    check("sqrt(-1)", 1, Fault::NotFinite);
    check("2 + nan", 5, Fault::NotFinite);
    check(
        "2 + gone",
        5,
        Fault::NoValue {
            name: "gone".to_owned(),
        },
    );
    let bits = |text: &str| {
        Program::parse(text)
            .unwrap()
            .eval(&value)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(bits("1 | 2.5"), "column 5: 2.5 is no whole number that has bits");
    assert_eq!(
        bits("1e16 & 1"),
        "column 1: 10000000000000000 is no whole number that has bits"
    );
    let boolean = Program::parse("on").unwrap().number(&value).unwrap_err();
    assert_eq!(
        boolean.fault,
        Fault::WrongType {
            found: Type::Bool,
            expected: Type::Number
        }
    );
}

#[test]
fn size_and_depth_are_bounded() {
    let parses = |text: &str| Program::parse(text).is_ok();
    let nested = |levels: usize| format!("{}1{}", "(".repeat(levels), ")".repeat(levels));
    assert!(parses(&nested(MAX_DEPTH - 1)));
    assert!(!parses(&nested(MAX_DEPTH)));
    assert!(!parses(&nested(10_000)));
    assert!(!parses(&"(".repeat(MAX_TEXT)));
    assert!(!parses(&"2^".repeat(MAX_TEXT / 2)));
    assert!(!parses(&"-".repeat(MAX_TEXT)));
    assert!(!parses(&"1?".repeat(MAX_TEXT / 2)));
    let sum = |terms: usize| vec!["1"; terms].join("+");
    assert!(parses(&sum(MAX_NODES / 2)));
    assert!(!parses(&sum(MAX_NODES / 2 + 1)));
    assert!(!parses(&" ".repeat(MAX_TEXT + 1)));
}

#[test]
fn names_are_listed_once() {
    let program = Program::parse("b + a.b * max(b, c) > 0 ? d : -e").unwrap();
    assert_eq!(
        program.names().into_iter().collect::<Vec<_>>(),
        ["a.b", "b", "c", "d", "e"]
    );
}

#[test]
fn printing_keeps_only_the_parentheses_that_matter() {
    for (text, expected) in [
        ("((1+2))*3", "(1 + 2) * 3"),
        ("1-(2-3)", "1 - (2 - 3)"),
        ("(1-2)-3", "1 - 2 - 3"),
        ("-(1+2)", "-(1 + 2)"),
        ("if(x>1,(2),3)", "x > 1 ? 2 : 3"),
        ("(x ? y : z) ? 1 : (a ? b : c)", "(x ? y : z) ? 1 : a ? b : c"),
        ("1e300*0.0000001", "1e300 * 1e-7"),
        ("(2^3)^2 + 2^(3^2)", "(2 ^ 3) ^ 2 + 2 ^ 3 ^ 2"),
        ("(-2)^2 - 2^(-(3^2))", "(-2) ^ 2 - 2 ^ -3 ^ 2"),
        ("(a|b)&c", "(a | b) & c"),
        (r#"e."a-b".c + exists(e."d")"#, r#"e."a-b".c + exists(e.d)"#),
    ] {
        assert_eq!(Program::parse(text).unwrap().to_string(), expected);
    }
}

fn node(kind: Kind) -> Box<Node> {
    Box::new(Node { column: 1, kind })
}

fn any_kind() -> impl Strategy<Value = Kind> {
    let leaf = prop_oneof![
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|n| Kind::Number(n.abs())),
        any::<bool>().prop_map(Kind::Bool),
        "[a-z_][a-z0-9_]{0,3}(\\.[a-z0-9-]{1,3}){0,2}"
            .prop_filter("no keyword", |name| name != "true" && name != "false")
            .prop_map(Kind::Name),
        "[a-z]{1,3}(\\.[a-z-]{1,3}){0,1}"
            .prop_filter("no keyword", |name| name != "true" && name != "false")
            .prop_map(Kind::Exists),
    ];
    leaf.prop_recursive(5, 60, 3, |inner| {
        let operator = prop::sample::select(Operator::ALL.to_vec());
        let callable: Vec<_> = FUNCTIONS
            .iter()
            .filter(|function| matches!(function.apply, Apply::Numbers(_)))
            .collect();
        prop_oneof![
            inner.clone().prop_map(|a| Kind::Negate(node(a))),
            inner.clone().prop_map(|a| Kind::Not(node(a))),
            (operator, inner.clone(), inner.clone()).prop_map(|(o, a, b)| Kind::Binary(o, node(a), node(b))),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| Kind::Choice(Box::new([
                *node(a),
                *node(b),
                *node(c)
            ]))),
            (prop::sample::select(callable), prop::collection::vec(inner, 3)).prop_map(
                |(function, mut a)| {
                    a.truncate(function.least);
                    Kind::Call(function, a.into_iter().map(|a| *node(a)).collect())
                }
            ),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_parses_or_errs(text in "\\PC{0,200}") {
        let _ = Program::parse(&text);
    }

    #[test]
    fn any_row_of_tokens_parses_or_errs(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "1", "x", "on", "max", "if", "(", ")", ",", "?", ":", "+", "-", "*", "/", "<", "==", "&&", "!",
                "%", "^", "&", "|", "exists",
            ]),
            0..60,
        )
    ) {
        if let Ok(program) = Program::parse(&words.join(" ")) {
            if let Ok(Value::Number(number)) = program.eval(&value) {
                prop_assert!(number.is_finite());
            }
            // What passes the check has no wrong types left.
            if program.check(&kind).is_ok() && let Err(error) = program.eval(&value) {
                prop_assert!(!matches!(error.fault, Fault::WrongType { .. } | Fault::NoValue { .. }), "{}", error);
            }
        }
    }

    #[test]
    fn what_is_printed_parses_to_the_same(kind in any_kind()) {
        let program = Program { root: *node(kind) };
        let text = program.to_string();
        if text.len() <= MAX_TEXT {
            prop_assert_eq!(Program::parse(&text), Ok(program), "{}", text);
        }
    }
}
