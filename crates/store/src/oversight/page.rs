//! Samples of an operator as columns, sorted by port and by time within a port.
//!
//! Sketch: a port reports every five to ten minutes and at every change, so a city of 1.7 million ports makes half a
//! thousand million samples a day. As JSON each is 400 bytes, here it should be 20 at most.
//!
//! The first byte is the form, 2; then the count, the ports with how many samples each has, and columns: times, equipment,
//! states, masks of what samples have, of each kind of number those that are there, charges, and whatever else was sent.
//! Texts are kept once and meant by their place. Within a port times are differences; within a charge energy and duration
//! are, the latter beyond what the clock says. Columns are those of readings, see `history/column.rs`.

mod read;

use std::collections::{BTreeMap, BTreeSet};

use model::oversight::{Code, Sample};
use model::time::Timestamp;

use super::names::put_names;
use super::parts::{DURATION, ENERGY, NUMBERS, mask, numbers, state_number};
use crate::history::column;
use crate::history::varint::put;
use crate::sql::Failure;
use read::{Page, Reader};

const FORM: u8 = 2;
/// Samples in a page.
pub const LARGEST: usize = 4_096;
/// Texts that the samples of a page may have beyond the usual, in bytes, before the next page begins.
const TEXT: usize = 1 << 20;
/// So much of them is handed out of one page; more is damage.
const TEXT_MOST: usize = 64 << 20;
/// What a pair of texts costs beside its letters.
const PAIR: usize = 8;

/// How many of the samples, which are in order, the next page takes.
pub fn end(samples: &[&Sample]) -> usize {
    let mut text = 0;
    let is_full = |sample: &&Sample| {
        text += text_of(sample);
        text > TEXT
    };
    let most = samples.get(..LARGEST).unwrap_or(samples);
    most.iter()
        .position(is_full)
        .map_or(most.len(), |place| place.max(1))
}

/// What the pairs of a sample take.
fn text_of(sample: &Sample) -> usize {
    let pairs = sample.more.iter();
    pairs.map(|(name, value)| name.len() + value.len() + PAIR).sum()
}

/// Packs samples that are in order of port and time.
pub fn pack(samples: &[&Sample]) -> Result<Vec<u8>, Failure> {
    let mut bytes = vec![FORM];
    put(&mut bytes, samples.len() as u64);

    let runs: Vec<&[&Sample]> = samples.chunk_by(|a, b| a.port == b.port).collect();
    put_names(
        &mut bytes,
        runs.iter()
            .map(|run| run.first().map_or("", |sample| sample.port.as_str())),
    );
    let lengths = runs.iter().map(|run| signed(run.len())).collect();
    put_column(&mut bytes, lengths)?;

    let earliest = samples.iter().map(|sample| sample.at.0).min().unwrap_or(0);
    put(&mut bytes, earliest.cast_unsigned());
    let mut times = Vec::with_capacity(samples.len());
    for run in &runs {
        let mut before = earliest;
        for sample in *run {
            times.push(sample.at.0.wrapping_sub(before));
            before = sample.at.0;
        }
    }
    put_column(&mut bytes, times)?;

    put_meant(&mut bytes, samples.iter().map(|sample| sample.equipment.as_str()))?;

    let states = samples.iter().map(|sample| state_number(sample.state));
    put_column(
        &mut bytes,
        states.clone().map(|(state, _)| state.cast_signed()).collect(),
    )?;
    put_column(&mut bytes, states.filter_map(|(_, other)| other).collect())?;

    let numbers: Vec<_> = samples.iter().map(|sample| numbers(sample)).collect();
    let masks = samples.iter().zip(&numbers);
    let masks = masks.map(|(sample, numbers)| mask(sample, numbers).cast_signed());
    put_column(&mut bytes, masks.collect())?;
    let beyond = beyond(&runs, &numbers);
    for place in 0..NUMBERS {
        put_column(
            &mut bytes,
            beyond.iter().filter_map(|numbers| numbers[place]).collect(),
        )?;
    }

    let charges = samples.iter().filter_map(|sample| sample.charge.as_ref());
    put_meant(&mut bytes, charges.map(Code::as_str))?;
    put_more(&mut bytes, samples)?;
    Ok(bytes)
}

/// Numbers with what is foreseen taken away from them.
fn beyond(runs: &[&[&Sample]], numbers: &[[Option<i64>; NUMBERS]]) -> Vec<[Option<i64>; NUMBERS]> {
    let mut all = numbers.iter();
    let mut beyond = Vec::with_capacity(numbers.len());
    for run in runs {
        let mut foresight = Foresight::default();
        for (sample, numbers) in run.iter().zip(&mut all) {
            let charge = sample.charge.as_ref().map(Code::as_str);
            let (energy, duration) = foresight.of(charge, sample.at);
            foresight.learn(charge, sample.at, numbers);
            let mut rest = *numbers;
            rest[ENERGY] = rest[ENERGY].map(|number| number.wrapping_sub(energy));
            rest[DURATION] = rest[DURATION].map(|number| number.wrapping_sub(duration));
            beyond.push(rest);
        }
    }
    beyond
}

/// What energy and duration of a charge will be, by the sample of the port before.
#[derive(Default)]
struct Foresight<'a> {
    charge: Option<&'a str>,
    energy: i64,
    duration: Option<(Timestamp, i64)>,
}

impl<'a> Foresight<'a> {
    fn of(&self, charge: Option<&str>, at: Timestamp) -> (i64, i64) {
        if charge != self.charge {
            return (0, 0);
        }
        let duration = self
            .duration
            .map(|(then, duration)| duration.wrapping_add(at.0.wrapping_sub(then.0) / 1_000));
        (self.energy, duration.unwrap_or(0))
    }

    fn learn(&mut self, charge: Option<&'a str>, at: Timestamp, numbers: &[Option<i64>; NUMBERS]) {
        if charge != self.charge {
            *self = Self::default();
        }
        self.charge = charge;
        self.energy = numbers[ENERGY].unwrap_or(self.energy);
        self.duration = numbers[DURATION].map(|duration| (at, duration)).or(self.duration);
    }
}

/// Texts once, in order, and the place of each that is meant.
fn put_meant<'a>(bytes: &mut Vec<u8>, texts: impl Iterator<Item = &'a str> + Clone) -> Result<(), Failure> {
    let distinct: BTreeSet<&str> = texts.clone().collect();
    put_names(bytes, distinct.iter().copied());
    let places: BTreeMap<&str, i64> = distinct.into_iter().zip(0..).collect();
    put_column(
        bytes,
        texts.filter_map(|text| places.get(text).copied()).collect(),
    )
}

/// Which names samples have together, and the values of each name.
fn put_more(bytes: &mut Vec<u8>, samples: &[&Sample]) -> Result<(), Failure> {
    let more = || {
        samples
            .iter()
            .map(|sample| &sample.more)
            .filter(|more| !more.is_empty())
    };
    let names: BTreeMap<&str, Vec<&str>> = more()
        .flat_map(|more| more.keys())
        .map(|name| (name.as_str(), Vec::new()))
        .collect();
    put_names(bytes, names.keys().copied());
    let places: BTreeMap<&str, u64> = names.keys().copied().zip(0..).collect();
    let shape = |more: &BTreeMap<String, String>| -> Vec<u64> {
        more.keys()
            .filter_map(|name| places.get(name.as_str()).copied())
            .collect()
    };
    let shapes: BTreeSet<Vec<u64>> = more().map(shape).collect();
    put(bytes, shapes.len() as u64);
    for shape in &shapes {
        put(bytes, shape.len() as u64);
        shape.iter().for_each(|place| put(bytes, *place));
    }
    let shapes: BTreeMap<Vec<u64>, i64> = shapes.into_iter().zip(0..).collect();
    put_column(
        bytes,
        more()
            .filter_map(|more| shapes.get(&shape(more)).copied())
            .collect(),
    )?;
    let mut values = names;
    for (name, value) in more().flatten() {
        if let Some(values) = values.get_mut(name.as_str()) {
            values.push(value);
        }
    }
    values
        .values()
        .try_for_each(|values| put_meant(bytes, values.iter().copied()))
}

/// A column with its length before it; nothing when it is empty.
fn put_column(bytes: &mut Vec<u8>, values: Vec<i64>) -> Result<(), Failure> {
    let packed = if values.is_empty() {
        Vec::new()
    } else {
        column::pack(&values)?
    };
    put(bytes, packed.len() as u64);
    bytes.extend_from_slice(&packed);
    Ok(())
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Those of one port in a span, in their order.
pub fn of_port(bytes: &[u8], port: &Code, from: Timestamp, to: Timestamp) -> Result<Vec<Sample>, String> {
    let (_, ports) = Reader::new(bytes).head()?;
    if !ports.iter().any(|name| name == port.as_str()) {
        return Ok(Vec::new());
    }
    Page::read(bytes)?.samples(|name| name == port.as_str(), |at| from <= at && at < to)
}

#[cfg(test)]
mod tests {
    use model::oversight::{Decimal, PortState};
    use proptest::prelude::*;

    use super::super::parts;
    use super::super::parts::any::any_sample;
    use super::*;

    /// Every sample of a page, or what is wrong with it.
    fn unpack(bytes: &[u8]) -> Result<Vec<Sample>, String> {
        Page::read(bytes)?.samples(|_| true, |_| true)
    }

    fn in_order(samples: &[Sample]) -> Vec<&Sample> {
        let mut sorted: Vec<&Sample> = samples.iter().collect();
        sorted.sort_by(|a, b| (&a.port, a.at).cmp(&(&b.port, b.at)));
        sorted
    }

    fn noise(seed: i64) -> i64 {
        let mut mixed = seed.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for by in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
            mixed = (mixed ^ mixed >> 29).wrapping_mul(by);
        }
        (mixed >> 40 & 0xffff).cast_signed()
    }

    /// What an operator of so many sockets for bicycles says in some hours: each every five minutes or so.
    fn reported(ports: i64, rounds: i64) -> Vec<Sample> {
        let mut samples = Vec::new();
        for port in 0..ports {
            let phase = noise(port) % 300;
            let mut energy = 0;
            for round in 0..rounds {
                let dice = |what: i64| noise(port * 1_000_003 + round * 101 + what);
                let at = 1_772_323_200 + round * 300 + phase + dice(1) % 9;
                // Four hours of charging, six without.
                let place = (round + noise(port + 7)) % 120;
                let is_charging = place < 48;
                let state = if is_charging {
                    PortState::Charging
                } else {
                    PortState::Idle
                };
                let id = |text: String| Code::new(&text).unwrap();
                let mut sample = parts::sample(
                    id(format!("31010{:07}", 4_000_000 + port * 3)),
                    id(format!("31010E{:05}", port / 10)),
                    Timestamp(at * 1_000),
                    state,
                    [None; NUMBERS],
                );
                let volts = 220_000_000 + dice(2) % 60 * 100_000;
                sample.voltage = Some(Decimal(volts));
                sample.temperature = Some(Decimal(21_000_000 + dice(3) % 40 * 100_000));
                sample.error = Some(0);
                sample.smoke = Some(2);
                sample
                    .more
                    .insert("signal_strength".to_owned(), (14 + dice(4) % 16).to_string());
                if is_charging {
                    let amps = 900_000 + dice(5) % 60 * 10_000;
                    let watts = volts / 1_000_000 * amps / 1_000_000;
                    energy = if place == 0 {
                        0
                    } else {
                        energy + watts * 300 / 3_600 * 1_000
                    };
                    sample.current = Some(Decimal(amps));
                    sample.power = Some(Decimal(watts * 1_000));
                    sample.energy = Some(Decimal(energy / 10_000 * 10_000));
                    sample.duration_s = Some(place * 300 + dice(6) % 3);
                    let begun = round - place;
                    sample.charge = Some(id(format!(
                        "310100123{:014}{:04}",
                        20_260_301_000_000 + begun * 317 % 235_959,
                        noise(port * 31 + begun) % 10_000
                    )));
                }
                samples.push(sample);
            }
        }
        samples
    }

    #[test]
    #[allow(clippy::print_stdout, reason = "the figure is wanted")]
    fn what_an_operator_reports_is_small_and_reads_back() {
        // Few ports for a day, and many that have reported once or twice.
        for (what, ports, rounds, most) in [
            ("a day of 20 ports", 20, 288, 14),
            ("half an hour of 3,000", 3_000, 6, 20),
        ] {
            let samples = reported(ports, rounds);
            let mut rest: &[&Sample] = &in_order(&samples);
            let (mut bytes, mut found) = (0, Vec::new());
            while !rest.is_empty() {
                let (page, after) = rest.split_at(end(rest));
                let packed = pack(page).unwrap();
                bytes += packed.len();
                let last = page[page.len() - 1];
                let of_last: Vec<&Sample> = page
                    .iter()
                    .filter(|sample| sample.port == last.port)
                    .copied()
                    .collect();
                let all = (Timestamp(i64::MIN), Timestamp(i64::MAX));
                assert_eq!(
                    of_port(&packed, &last.port, all.0, all.1)
                        .unwrap()
                        .iter()
                        .collect::<Vec<_>>(),
                    of_last
                );
                assert_eq!(
                    of_port(&packed, &last.port, last.at, all.1).unwrap(),
                    std::slice::from_ref(last)
                );
                assert_eq!(of_port(&packed, &last.equipment, all.0, all.1).unwrap(), []);
                found.extend(unpack(&packed).unwrap());
                rest = after;
            }
            assert_eq!(found, samples);
            let each = bytes as f64 / samples.len() as f64;
            println!("{what}: {each:.2} bytes a sample");
            assert!(bytes <= samples.len() * most, "{what}: {each}");
        }
    }

    #[test]
    fn a_page_ends_by_count_or_by_text() {
        let sample = |text: usize| {
            let mut sample = reported(1, 1).remove(0);
            sample.more.insert("x".to_owned(), "y".repeat(text));
            sample
        };
        for (text, count, expected) in [
            (1, 5_000, LARGEST),
            (1, 3, 3),
            (100_000, 30, 10),
            (TEXT * 2, 3, 1),
        ] {
            let samples: Vec<Sample> = (0..count).map(|_| sample(text)).collect();
            let samples: Vec<&Sample> = samples.iter().collect();
            assert_eq!(end(&samples), expected, "{count} of {text}");
        }
        assert_eq!(end(&[]), 0);
    }

    #[test]
    fn damage_is_reported() {
        let samples = reported(3, 4);
        let whole = pack(&in_order(&samples)).unwrap();
        assert!(unpack(&whole).is_ok());
        let longer = [whole.as_slice(), &[0]].concat();
        for (what, bytes) in [
            ("nothing", &[][..]),
            ("another form", &[9, 0]),
            ("too many", &[FORM, 0xff, 0xff, 0x7f]),
            ("cut off", &whole[..whole.len() - 1]),
            ("longer", &longer),
        ] {
            assert!(unpack(bytes).is_err(), "{what}");
        }
        for place in 0..whole.len() {
            for to in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[place] = to;
                let _ = unpack(&bytes);
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(samples in prop::collection::vec(any_sample(), 0..40)) {
            let sorted = in_order(&samples);
            let found = unpack(&pack(&sorted).unwrap()).unwrap();
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), sorted);
        }

        #[test]
        fn damage_never_panics(
            mut bytes in prop::collection::vec(any::<u8>(), 0..64),
            samples in prop::collection::vec(any_sample(), 1..9),
            place in any::<prop::sample::Index>(),
            to in any::<u8>(),
        ) {
            bytes.insert(0, FORM);
            let _ = unpack(&bytes);
            let mut bytes = pack(&in_order(&samples)).unwrap();
            let place = place.index(bytes.len());
            bytes[place] = to;
            let _ = unpack(&bytes);
        }
    }
}
