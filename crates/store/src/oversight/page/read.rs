//! Takes a page apart.

use std::collections::BTreeMap;

use model::oversight::{Code, PortState, Sample};
use model::time::Timestamp;

use super::super::names::take_names;
use super::super::parts::{
    self, CHARGE, DURATION, EARLY, ENERGY, MASKS, MORE, NUMBERS, OTHER, has, take_bytes,
};
use super::{FORM, Foresight, LARGEST, PAIR, TEXT_MOST, text_of};
use crate::history::column::Unpacker;
use crate::history::varint::take;

pub(super) struct Reader<'a> {
    rest: &'a [u8],
    unpacker: Unpacker,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            unpacker: Unpacker::default(),
        }
    }

    /// How many samples there are, and of which ports.
    pub(super) fn head(&mut self) -> Result<(usize, Vec<String>), String> {
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
pub(super) struct Page {
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
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
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
    pub(super) fn samples(
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
