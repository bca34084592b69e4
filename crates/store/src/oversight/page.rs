//! Samples of an operator as columns, sorted by port and by time within a port.
//!
//! Sketch: a port reports every five to ten minutes and at every change, so a city of 1.7 million ports makes half a
//! thousand million samples a day. As JSON each is 400 bytes, here it should be 20 at most.
//!
//! The first byte is the form, 2; then the count, the ports with how many samples each has, and columns: times, equipment,
//! states, masks of what samples have, of each kind of number those that are there, charges, and whatever else was sent.
//! Texts are kept once and meant by their place. Within a port times are differences; within a charge energy and duration
//! are, the latter beyond what the clock says. Columns are those of readings, see `history/column.rs`.

use std::collections::{BTreeMap, BTreeSet};

use model::oversight::{Code, PortState, Sample};
use model::time::Timestamp;

use super::names::{put_names, take_names};
use super::parts::{
    self, CHARGE, DURATION, EARLY, ENERGY, MASKS, MORE, NUMBERS, OTHER, has, mask, numbers, state_number,
    take_bytes,
};
use crate::history::column::{self, Unpacker};
use crate::history::varint::{put, take};
use crate::sql::Failure;

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

struct Reader<'a> {
    rest: &'a [u8],
    unpacker: Unpacker,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            unpacker: Unpacker::default(),
        }
    }

    /// How many samples there are, and of which ports.
    fn head(&mut self) -> Result<(usize, Vec<String>), String> {
        self.rest = match self.rest.split_first() {
            Some((&FORM, rest)) => rest,
            Some(_) => return Err("it has a form that nobody knows".to_owned()),
            None => return Err(EARLY.to_owned()),
        };
        let count = self.at_most(LARGEST, "it says that it is too long")?;
        Ok((count, self.names(count)?))
    }

    fn next(&mut self) -> Result<u64, &'static str> {
        take(&mut self.rest).ok_or(EARLY)
    }

    fn at_most(&mut self, most: usize, else_wrong: &'static str) -> Result<usize, &'static str> {
        let found = usize::try_from(self.next()?).ok();
        found.filter(|found| *found <= most).ok_or(else_wrong)
    }

    fn names(&mut self, most: usize) -> Result<Vec<String>, &'static str> {
        take_names(&mut self.rest, most)
    }

    fn column(&mut self, count: usize) -> Result<Vec<i64>, String> {
        let length = self.next()?;
        let bytes = take_bytes(&mut self.rest, length)?;
        let mut values = Vec::new();
        match (count, bytes.len()) {
            (0, 0) => {}
            (0, _) => return Err("it has a column of nothing".to_owned()),
            _ => self.unpacker.unpack_so_many(bytes, count, &mut values)?,
        }
        Ok(values)
    }

    /// A column of places in something that has so many.
    fn places(&mut self, count: usize, of: usize) -> Result<Vec<usize>, String> {
        let column = self.column(count)?.into_iter();
        let places = column.map(|place| usize::try_from(place).ok().filter(|place| *place < of));
        let places: Option<Vec<usize>> = places.collect();
        places.ok_or_else(|| "it means something that it does not have".to_owned())
    }

    /// Texts, and which of them is meant by each of so many.
    fn meant(&mut self, count: usize) -> Result<Meant, String> {
        let names = self.names(count)?;
        let places = self.places(count, names.len())?;
        Ok(Meant { names, places })
    }

    fn more(&mut self, count: usize) -> Result<More, String> {
        let names = self.names(self.rest.len())?;
        let many = self.at_most(count, "it says too many kinds of sample")?;
        let mut shapes: Vec<Vec<usize>> = Vec::with_capacity(many);
        for _ in 0..many {
            let length = self.at_most(names.len().min(self.rest.len()), "it says too many names")?;
            let mut shape: Vec<usize> = Vec::with_capacity(length);
            for _ in 0..length {
                let place = self.at_most(
                    names.len().saturating_sub(1),
                    "it means a name that it does not have",
                )?;
                if shape.last().is_some_and(|before| *before >= place) {
                    return Err("it means a name twice".to_owned());
                }
                shape.push(place);
            }
            shapes.push(shape);
        }
        let used = self.places(count, shapes.len())?;
        let mut counts = vec![0_usize; names.len()];
        let mut pairs = 0;
        for shape in used.iter().filter_map(|shape| shapes.get(*shape)) {
            pairs += shape.len();
            if pairs > TEXT_MOST / PAIR {
                return Err(MUCH_TEXT.to_owned());
            }
            shape.iter().for_each(|place| counts[*place] += 1);
        }
        let values = counts.into_iter().map(|count| self.meant(count));
        let values = values.collect::<Result<_, _>>()?;
        Ok(More {
            names,
            shapes,
            used,
            values,
        })
    }
}

const MUCH_TEXT: &str = "it has more text than a page may";

struct Meant {
    names: Vec<String>,
    places: Vec<usize>,
}

impl Meant {
    fn get(&self, place: usize) -> Result<&str, &'static str> {
        let name = self.places.get(place).and_then(|place| self.names.get(*place));
        name.map(String::as_str).ok_or(EARLY)
    }
}

/// Pairs of texts: names, which of them come together, which of those each sample has, and the values by name.
struct More {
    names: Vec<String>,
    shapes: Vec<Vec<usize>>,
    used: Vec<usize>,
    values: Vec<Meant>,
}

/// A page taken apart.
struct Page {
    ports: Vec<String>,
    /// How many samples each port has.
    lengths: Vec<usize>,
    earliest: i64,
    times: Vec<i64>,
    equipment: Meant,
    states: Vec<u64>,
    others: Vec<i64>,
    masks: Vec<u64>,
    numbers: [Vec<i64>; NUMBERS],
    charges: Meant,
    more: More,
}

impl Page {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let mut reader = Reader::new(bytes);
        let (count, ports) = reader.head()?;
        let lengths = reader.places(ports.len(), count + 1)?;
        if lengths.iter().sum::<usize>() != count {
            return Err("its ports have more samples than it has, or fewer".to_owned());
        }
        let earliest = reader.next()?.cast_signed();
        let times = reader.column(count)?;
        let equipment = reader.meant(count)?;
        let states: Vec<u64> = reader
            .column(count)?
            .into_iter()
            .map(i64::cast_unsigned)
            .collect();
        let others = reader.column(states.iter().filter(|state| **state == OTHER).count())?;
        let masks: Vec<u64> = reader
            .column(count)?
            .into_iter()
            .map(i64::cast_unsigned)
            .collect();
        if masks.iter().any(|mask| *mask >= MASKS) {
            return Err("it has something that nobody knows".to_owned());
        }
        let having = |bit: u32| masks.iter().filter(|mask| has(**mask, bit)).count();
        let mut numbers: [Vec<i64>; NUMBERS] = Default::default();
        for (bit, numbers) in (0..).zip(&mut numbers) {
            *numbers = reader.column(having(bit))?;
        }
        let charges = reader.meant(having(CHARGE))?;
        let more = reader.more(having(MORE))?;
        if !reader.rest.is_empty() {
            return Err("it goes on behind its end".to_owned());
        }
        Ok(Self {
            ports,
            lengths,
            earliest,
            times,
            equipment,
            states,
            others,
            masks,
            numbers,
            charges,
            more,
        })
    }

    /// Samples of ports that are wanted, at times that are.
    fn samples(
        &self,
        is_port: impl Fn(&str) -> bool,
        is_time: impl Fn(Timestamp) -> bool,
    ) -> Result<Vec<Sample>, String> {
        let mut samples = Vec::new();
        let mut place = Place {
            values: vec![0; self.more.names.len()],
            ..Place::default()
        };
        let mut text = 0;
        for (port, length) in self.ports.iter().zip(&self.lengths) {
            if !is_port(port) {
                (0..*length).for_each(|_| place.pass(self));
                continue;
            }
            let port = parts::code(port.as_bytes())?;
            let mut at = self.earliest;
            let mut foresight = Foresight::default();
            for _ in 0..*length {
                at = at.wrapping_add(*self.times.get(place.row).ok_or(EARLY)?);
                let mut sample = place.sample(self, &port, Timestamp(at), &mut foresight)?;
                if is_time(sample.at) {
                    sample.more = place.more(self)?;
                    text += text_of(&sample);
                    if text > TEXT_MOST {
                        return Err(MUCH_TEXT.to_owned());
                    }
                    samples.push(sample);
                }
                place.pass(self);
            }
        }
        Ok(samples)
    }
}

/// How far a page has been read: the row, and the next of each column that not all rows are in.
#[derive(Default)]
struct Place {
    row: usize,
    other: usize,
    numbers: [usize; NUMBERS],
    charge: usize,
    more: usize,
    values: Vec<usize>,
}

impl Place {
    /// The sample of the row, without its pairs.
    fn sample<'a>(
        &self,
        page: &'a Page,
        port: &Code,
        at: Timestamp,
        foresight: &mut Foresight<'a>,
    ) -> Result<Sample, String> {
        let equipment = parts::code(page.equipment.get(self.row)?.as_bytes())?;
        let (Some(mask), Some(state)) = (page.masks.get(self.row), page.states.get(self.row)) else {
            return Err(EARLY.to_owned());
        };
        let state = match page.others.get(self.other) {
            Some(other) if *state == OTHER => PortState::Other(*other),
            Some(_) | None => parts::state(*state).ok_or("it says a state that there is not")?,
        };
        let charge = if has(*mask, CHARGE) {
            Some(page.charges.get(self.charge)?)
        } else {
            None
        };
        let mut numbers = [None; NUMBERS];
        let columns = page.numbers.iter().zip(self.numbers);
        for ((bit, number), (column, place)) in (0..).zip(&mut numbers).zip(columns) {
            if has(*mask, bit) {
                *number = column.get(place).copied();
            }
        }
        let (energy, duration) = foresight.of(charge, at);
        numbers[ENERGY] = numbers[ENERGY].map(|number| number.wrapping_add(energy));
        numbers[DURATION] = numbers[DURATION].map(|number| number.wrapping_add(duration));
        foresight.learn(charge, at, &numbers);
        let mut sample = parts::sample(port.clone(), equipment, at, state, numbers);
        sample.charge = charge.map(|charge| parts::code(charge.as_bytes())).transpose()?;
        Ok(sample)
    }

    /// The pairs of the row.
    fn more(&self, page: &Page) -> Result<BTreeMap<String, String>, String> {
        let more = &page.more;
        let mut pairs = BTreeMap::new();
        for name in self.shape(page) {
            let (Some(values), Some(value)) = (more.values.get(*name), self.values.get(*name)) else {
                return Err(EARLY.to_owned());
            };
            let text = more.names.get(*name).ok_or(EARLY)?;
            pairs.insert(text.clone(), values.get(*value)?.to_owned());
        }
        Ok(pairs)
    }

    /// The names that the row has.
    fn shape<'a>(&self, page: &'a Page) -> &'a [usize] {
        let has_more = page.masks.get(self.row).is_some_and(|mask| has(*mask, MORE));
        let shape = page.more.used.get(self.more).filter(|_| has_more);
        shape
            .and_then(|shape| page.more.shapes.get(*shape))
            .map_or(&[], Vec::as_slice)
    }

    /// Goes on to the next row.
    fn pass(&mut self, page: &Page) {
        let mask = page.masks.get(self.row).copied().unwrap_or(0);
        for name in self.shape(page) {
            self.values[*name] += 1;
        }
        for (bit, place) in (0..).zip(&mut self.numbers) {
            *place += usize::from(has(mask, bit));
        }
        self.other += usize::from(page.states.get(self.row) == Some(&OTHER));
        self.charge += usize::from(has(mask, CHARGE));
        self.more += usize::from(has(mask, MORE));
        self.row += 1;
    }
}

#[cfg(test)]
mod tests {
    use model::oversight::Decimal;
    use proptest::prelude::*;

    use super::parts::any::any_sample;
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
                    [last.clone()]
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
