//! The typed reading of a status object.
//!
//! Liberal: unknown keys pass, whole numbers may be floats or numeric strings, floats may be whole, older
//! firmware sends integers in `nrg`. A key of the wrong type costs that key and nothing else, and is
//! reported. Bodies that are no JSON at all are refused, except that `NaN` and numbers too large for a
//! double count as null.

use serde_json::{Map, Value};

/// The largest body that is looked at. Real ones have 8 to 12 kB.
pub const MOST_BYTES: usize = 1_000_000;

/// A key that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub key: &'static str,
    pub came: String,
    pub expected: &'static str,
}

/// `car`: what the charger sees of the car.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Car {
    /// 0 or null: internal error.
    Unknown,
    /// 1: no car.
    Idle,
    /// 2.
    Charging,
    /// 3: plugged in, the car does not ask.
    WaitCar,
    /// 4: finished, still plugged in; also during a phase switch and while forced off.
    Complete,
    /// 5.
    Error,
    /// 6, firmware 60.4.
    Initialising,
}

/// `frc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frc {
    Neutral,
    Off,
    On,
}

/// The keys of a status that the model knows, each absent when it was not sent or could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Status {
    pub car: Option<Car>,
    pub err: Option<i64>,
    pub frc: Option<Frc>,
    pub alw: Option<bool>,
    /// A, what was asked for.
    pub amp: Option<i64>,
    /// A, the limit set in the app.
    pub ama: Option<i64>,
    /// A, the limit of temperature; 32 means none.
    pub amt: Option<i64>,
    /// A, rating of the cable.
    pub cbl: Option<i64>,
    /// A 16 A adapter is plugged in.
    pub adi: Option<bool>,
    /// kW: 11 or 22.
    pub var: Option<i64>,
    /// 0 auto, 1 one phase, 2 three phases.
    pub psm: Option<i64>,
    /// The charger's own logic wants one phase.
    pub fsp: Option<bool>,
    /// Behind the contactor L1 to L3, then before it.
    pub pha: Option<[bool; 6]>,
    pub nrg: Option<Nrg>,
    /// Wh, lifetime.
    pub eto: Option<i64>,
    /// Wh since plug-in.
    pub wh: Option<f64>,
    pub model_status: Option<i64>,
    /// Hz.
    pub fhz: Option<f64>,
    /// ms since boot.
    pub rbt: Option<i64>,
    /// Its own watchdog is on.
    pub fse: Option<bool>,
    /// A, what the watchdog falls back to.
    pub fsi: Option<i64>,
    /// A, what it falls back to when a group of chargers loses its head.
    pub lof: Option<i64>,
}

/// `nrg`: voltage L1, L2, L3, N (V), current L1 to L3 (A), power L1, L2, L3, N and total (W), power factors
/// (%). Missing trailing entries, and entries that are no numbers, are absent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Nrg(pub [Option<f64>; 16]);

impl Nrg {
    /// Three entries from `at` on, if the first of them is there; later ones default to zero.
    #[must_use]
    pub fn three(&self, at: usize) -> Option<[f64; 3]> {
        let entry = |index: usize| self.0.get(index).copied().flatten();
        Some([
            entry(at)?,
            entry(at + 1).unwrap_or(0.0),
            entry(at + 2).unwrap_or(0.0),
        ])
    }
}

/// Reads the JSON object of a body.
///
/// # Errors
/// What came instead, in words that fit behind "came".
pub fn object(body: &[u8]) -> Result<Map<String, Value>, String> {
    if body.len() > MOST_BYTES {
        return Err(format!("a body of {} bytes", body.len()));
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let value = serde_json::from_str(text).or_else(|error| {
        serde_json::from_str(&without_odd_numbers(text)).map_err(|_| match text.chars().next() {
            None => "an empty body".to_owned(),
            Some('<') => "an HTML page".to_owned(),
            Some(_) => format!("no JSON ({error})"),
        })
    })?;
    match value {
        Value::Object(object) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(format!("{} instead of a JSON object", kind(&value)))
        }
    }
}

/// Replaces bare words and numbers that JSON does not have (`NaN`, `inf`, `1e999`) by null.
fn without_odd_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut word, mut in_string, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        if !in_string && (c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')) {
            word.push(c);
            continue;
        }
        push_word(&mut out, &mut word);
        out.push(c);
        in_string = if in_string { escaped || c != '"' } else { c == '"' };
        escaped = in_string && !escaped && c == '\\';
    }
    push_word(&mut out, &mut word);
    out
}

fn push_word(out: &mut String, word: &mut String) {
    if !word.is_empty() {
        out.push_str(if serde_json::from_str::<Value>(word).is_ok() {
            word
        } else {
            "null"
        });
        word.clear();
    }
}

impl Status {
    /// Reads the keys the model knows, and says which of them it could not read.
    #[must_use]
    pub fn read(object: &Map<String, Value>) -> (Self, Vec<Fault>) {
        let mut reader = Reader {
            object,
            faults: Vec::new(),
        };
        let this = Self {
            car: reader.car(),
            err: reader.integer("err"),
            frc: reader.frc(),
            alw: reader.flag("alw"),
            amp: reader.integer("amp"),
            ama: reader.integer("ama"),
            amt: reader.integer("amt"),
            cbl: reader.integer("cbl"),
            adi: reader.flag("adi"),
            var: reader.integer("var"),
            psm: reader.integer("psm"),
            fsp: reader.flag("fsp"),
            pha: reader.pha(),
            nrg: reader.nrg(),
            eto: reader.integer("eto"),
            wh: reader.number("wh"),
            model_status: reader.integer("modelStatus"),
            fhz: reader.number("fhz"),
            rbt: reader.integer("rbt"),
            fse: reader.flag("fse"),
            fsi: reader.integer("fsi"),
            lof: reader.integer("lof"),
        };
        (this, reader.faults)
    }
}

impl Status {
    /// What is known with what was said since: `fresh` is the reading of `object`, keys that are not in it keep
    /// their value.
    #[must_use]
    pub fn updated(self, object: &Map<String, Value>, fresh: &Self) -> Self {
        let has = |key: &str| object.contains_key(key);
        macro_rules! newest {
            ($($field:ident: $key:literal),* $(,)?) => {
                Self { $($field: if has($key) { fresh.$field } else { self.$field }),* }
            };
        }
        newest! {
            car: "car", err: "err", frc: "frc", alw: "alw", amp: "amp", ama: "ama", amt: "amt", cbl: "cbl",
            adi: "adi", var: "var", psm: "psm", fsp: "fsp", pha: "pha", nrg: "nrg", eto: "eto", wh: "wh",
            model_status: "modelStatus", fhz: "fhz", rbt: "rbt", fse: "fse", fsi: "fsi", lof: "lof",
        }
    }

    /// What is known of the charger with what it said just now: settings may be older, what changes from
    /// second to second may not.
    #[must_use]
    pub fn with_live(self, fresh: &Self) -> Self {
        Self {
            car: fresh.car,
            err: fresh.err,
            frc: fresh.frc,
            alw: fresh.alw,
            amp: fresh.amp,
            pha: fresh.pha,
            nrg: fresh.nrg,
            wh: fresh.wh,
            model_status: fresh.model_status,
            ..self
        }
    }
}

struct Reader<'a> {
    object: &'a Map<String, Value>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    /// The value of a key that is there and not null, through `read`.
    fn get<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        read: fn(&Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.object.get(key).filter(|value| !value.is_null())?;
        let read = read(value);
        if read.is_none() {
            let came: String = value.to_string().chars().take(80).collect();
            self.faults.push(Fault { key, came, expected });
        }
        read
    }

    fn number(&mut self, key: &'static str) -> Option<f64> {
        self.get(key, "a number", number)
    }

    fn integer(&mut self, key: &'static str) -> Option<i64> {
        self.get(key, "a number", |value| {
            value.as_i64().or_else(|| number(value).map(rounded))
        })
    }

    fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.get(key, "true or false", flag)
    }

    fn car(&mut self) -> Option<Car> {
        if self.object.get("car").is_some_and(Value::is_null) {
            return Some(Car::Unknown);
        }
        let code = self.integer("car")?;
        let car = match code {
            0 => Car::Unknown,
            1 => Car::Idle,
            2 => Car::Charging,
            3 => Car::WaitCar,
            4 => Car::Complete,
            5 => Car::Error,
            6 => Car::Initialising,
            _ => {
                self.faults.push(Fault {
                    key: "car",
                    came: code.to_string(),
                    expected: "0 to 6",
                });
                return None;
            }
        };
        Some(car)
    }

    fn frc(&mut self) -> Option<Frc> {
        match self.integer("frc")? {
            0 => Some(Frc::Neutral),
            1 => Some(Frc::Off),
            2 => Some(Frc::On),
            other => {
                self.faults.push(Fault {
                    key: "frc",
                    came: other.to_string(),
                    expected: "0 to 2",
                });
                None
            }
        }
    }

    fn pha(&mut self) -> Option<[bool; 6]> {
        self.get("pha", "six times true or false", |value| {
            let flags: Option<Vec<bool>> = value.as_array()?.iter().map(flag).collect();
            flags?.try_into().ok()
        })
    }

    fn nrg(&mut self) -> Option<Nrg> {
        self.get("nrg", "16 numbers", |value| {
            let mut nrg = Nrg::default();
            for (slot, entry) in nrg.0.iter_mut().zip(value.as_array()?) {
                *slot = number(entry);
            }
            Some(nrg)
        })
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.filter(|number| number.is_finite())
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(_) | Value::String(_) => match (value.as_str(), number(value)) {
            (Some("true"), _) => Some(true),
            (Some("false"), _) => Some(false),
            (_, Some(0.0)) => Some(false),
            (_, Some(1.0)) => Some(true),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The nearest whole number, halves away from zero; too large ones are clamped, NaN is zero.
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    reason = "float to integer casts clamp, which is what is wanted"
)]
pub fn rounded(number: f64) -> i64 {
    libm::round(number) as i64
}

/// A number as the charger prints it: whole numbers without `.0`, at most three decimals.
#[must_use]
pub fn decimal(thousandths: i64) -> Value {
    if thousandths % 1_000 == 0 {
        Value::from(thousandths / 1_000)
    } else {
        Value::from(thousandths as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> (Status, Vec<Fault>) {
        Status::read(value.as_object().unwrap())
    }

    #[test]
    fn ints_floats_and_numeric_strings_are_the_same() {
        for amp in [json!(16), json!(16.0), json!("16"), json!(" 16 "), json!(15.6)] {
            assert_eq!(
                read(json!({"amp": amp})),
                (
                    Status {
                        amp: Some(16),
                        ..Status::default()
                    },
                    vec![]
                ),
                "{amp}"
            );
        }
        for alw in [json!(true), json!(1), json!("1"), json!("true")] {
            assert_eq!(read(json!({"alw": alw})).0.alw, Some(true), "{alw}");
        }
    }

    #[test]
    fn a_wrong_type_costs_that_key_and_is_reported() {
        let (status, faults) =
            read(json!({"amp": [16], "car": 2, "frc": 7, "nrg": "x", "pha": [true], "xyz": {}}));
        assert_eq!(
            status,
            Status {
                car: Some(Car::Charging),
                ..Status::default()
            }
        );
        let keys: Vec<_> = faults.iter().map(|fault| fault.key).collect();
        assert_eq!(keys, ["frc", "amp", "pha", "nrg"]);
        assert_eq!(
            faults[1],
            Fault {
                key: "amp",
                came: "[16]".to_owned(),
                expected: "a number"
            }
        );
    }

    #[test]
    fn a_null_car_is_an_internal_error_and_other_nulls_are_absent() {
        let (status, faults) = read(json!({"car": null, "acu": null, "cbl": null, "pha": null, "nrg": null}));
        assert_eq!(
            status,
            Status {
                car: Some(Car::Unknown),
                ..Status::default()
            }
        );
        assert!(faults.is_empty());
    }

    #[test]
    fn nan_and_huge_numbers_count_as_null() {
        let body =
            br#"{"nrg":[NaN,-inf,1e999,Infinity,16.5],"fna":"NaN \" inf","amp":1e999,"car":2,"wh":1e300}"#;
        let object = object(body).unwrap();
        assert_eq!(object["nrg"], json!([null, null, null, null, 16.5]));
        assert_eq!(object["fna"], "NaN \" inf");
        let (status, faults) = Status::read(&object);
        assert_eq!((status.amp, status.car), (None, Some(Car::Charging)));
        assert!(faults.is_empty());
        assert_eq!(status.wh.map(rounded), Some(i64::MAX));
    }

    #[test]
    fn what_is_no_object_is_named() {
        for (body, came) in [
            ("", "an empty body"),
            (" \n", "an empty body"),
            ("<!DOCTYPE html><html>", "an HTML page"),
            ("[1]", "an array instead of a JSON object"),
            ("12", "a number instead of a JSON object"),
        ] {
            assert_eq!(object(body.as_bytes()), Err(came.to_owned()), "{body}");
        }
        assert!(object(b"{\"amp\":").unwrap_err().starts_with("no JSON"));
        assert_eq!(
            object(&vec![b' '; 10_000_000]).unwrap_err(),
            "a body of 10000000 bytes"
        );
    }

    proptest! {
        #[test]
        fn reading_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(object) = object(&body) {
                let _ = Status::read(&object);
            }
        }

        #[test]
        fn reading_odd_values_never_panics(
            key in prop::sample::select(vec!["car", "amp", "nrg", "pha", "wh", "eto", "frc"]),
            value in prop::sample::select(vec!["NaN", "1e999", "-1", "[]", "{}", "[[1]]", "\"x\"", "null", "1e18"]),
        ) {
            let object = object(format!("{{\"{key}\":{value}}}").as_bytes()).unwrap();
            let _ = Status::read(&object);
        }
    }
}
