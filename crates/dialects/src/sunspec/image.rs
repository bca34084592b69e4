//! The server half: the register image of a chain of models.
//!
//! Holds values, knows no physics. What a client has written is both in the image and in
//! [`Image::take_writes`].

use std::sync::Arc;

use super::block::Block;
use super::model::{Model, Models, Point, PointType};
use crate::modbus::decimal::Decimal;
use crate::modbus::{Exception, Registers};

/// Where the chain begins unless told otherwise.
pub const BASE: u16 = 40_000;
/// `SunS`.
pub(super) const MARK: [u16; 2] = [0x5375, 0x6E53];
/// The model id that ends a chain.
pub(super) const END: u16 = 0xFFFF;

/// One model to put into an image.
#[derive(Clone, Debug)]
pub struct ModelInstance {
    id: u16,
    repeats: u16,
    scales: Vec<(String, i8)>,
}

impl ModelInstance {
    #[must_use]
    pub const fn new(id: u16) -> Self {
        Self {
            id,
            repeats: 0,
            scales: Vec::new(),
        }
    }

    /// How many repeating blocks the model has.
    #[must_use]
    pub const fn repeats(mut self, count: u16) -> Self {
        self.repeats = count;
        self
    }

    /// The power of ten in a scale factor point, where not that of the model file.
    #[must_use]
    pub fn scale(mut self, point: &str, exponent: i8) -> Self {
        self.scales.push((point.to_owned(), exponent));
        self
    }
}

/// Why a value cannot be put into an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("model {model} is not in this image or not in definitions/sunspec")]
    NoModel { model: u16 },
    #[error("model {model} has no point `{point}` for such a value")]
    NoPoint { model: u16, point: String },
    #[error("{digits}e{exponent} does not fit point `{point}` of model {model} at its scale factor")]
    OutOfRange {
        model: u16,
        point: String,
        digits: i64,
        exponent: i8,
    },
    #[error("the chain does not fit 65,536 registers")]
    TooLong,
}

/// A point that a client has written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub model: u16,
    pub point: String,
    pub value: Decimal,
}

#[derive(Clone, Debug)]
struct Placed {
    id: u16,
    model: Arc<Model>,
    /// Index of the model id in the registers.
    start: usize,
    length: usize,
    repeats: u16,
}

/// The registers of a device that speaks SunSpec.
#[derive(Clone, Debug)]
pub struct Image {
    base: u16,
    registers: Vec<u16>,
    placed: Vec<Placed>,
    writes: Vec<Write>,
}

impl Image {
    /// A chain at [`BASE`] in which no value is implemented yet, except scale factors and counts.
    ///
    /// # Errors
    /// When a model or scale factor point is unknown, or the chain is too long.
    pub fn new(models: &[ModelInstance]) -> Result<Self, ImageError> {
        Self::at(BASE, models)
    }

    /// The same with the mark at another address: 40000, 50000 or 0 are the ones that clients look at.
    ///
    /// # Errors
    /// As [`Image::new`].
    pub fn at(base: u16, models: &[ModelInstance]) -> Result<Self, ImageError> {
        let known = Models::built_in();
        let mut image = Self {
            base,
            registers: MARK.to_vec(),
            placed: Vec::new(),
            writes: Vec::new(),
        };
        for instance in models {
            let model = known
                .get(instance.id)
                .ok_or(ImageError::NoModel { model: instance.id })?;
            image.append(instance, model)?;
        }
        image.registers.extend([END, 0]);
        if usize::from(base) + image.registers.len() > 0x1_0000 {
            return Err(ImageError::TooLong);
        }
        Ok(image)
    }

    fn append(&mut self, instance: &ModelInstance, model: &Arc<Model>) -> Result<(), ImageError> {
        let start = self.registers.len();
        let repeat_length = model.repeat.as_ref().map_or(0, |repeat| repeat.length);
        let length = repeat_length
            .checked_mul(instance.repeats)
            .and_then(|repeats| repeats.checked_add(model.length))
            .ok_or(ImageError::TooLong)?;
        self.registers.extend([instance.id, length]);
        self.registers.resize(start + 2 + usize::from(length), 0);
        for point in &model.points {
            self.put_absent(start, point);
            if point.kind == PointType::Sunssf {
                self.put_raw(start, point, i64::from(point.default));
            }
        }
        if let Some(repeat) = &model.repeat {
            for block in 0..usize::from(instance.repeats) {
                let block = start + 2 + usize::from(model.length) + block * usize::from(repeat.length);
                repeat
                    .points
                    .iter()
                    .for_each(|point| self.put_absent(block, point));
            }
            if let Some(count) = model.point(&repeat.count) {
                self.put_raw(start, count, i64::from(instance.repeats));
            }
        }
        for (name, exponent) in &instance.scales {
            let point = model.point(name).filter(|point| point.kind == PointType::Sunssf);
            let point = point.ok_or_else(|| no_point(instance.id, name))?;
            self.put_raw(start, point, i64::from(*exponent));
        }
        self.placed.push(Placed {
            id: instance.id,
            model: Arc::clone(model),
            start,
            length: usize::from(length) + 2,
            repeats: instance.repeats,
        });
        Ok(())
    }

    /// Puts a value, given in the unit of the point without prefix, rounded to its scale factor.
    ///
    /// # Errors
    /// When there is no such model or point, or the value does not fit its registers.
    pub fn set(&mut self, model: u16, point: &str, value: impl Into<Decimal>) -> Result<(), ImageError> {
        let placed = self.find(model)?;
        let (layout, start) = (Arc::clone(&placed.model), placed.start);
        let found = layout.point(point).ok_or_else(|| no_point(model, point))?;
        self.put(model, start, start, found, value.into())
    }

    /// The same for a point of a repeating block, counted from 0.
    ///
    /// # Errors
    /// As [`Image::set`].
    pub fn set_in_block(
        &mut self,
        model: u16,
        block: u16,
        point: &str,
        value: impl Into<Decimal>,
    ) -> Result<(), ImageError> {
        let placed = self.find(model)?;
        let (layout, model_start) = (Arc::clone(&placed.model), placed.start);
        let repeat = layout.repeat.as_ref().filter(|_| block < placed.repeats);
        let repeat = repeat.ok_or_else(|| no_point(model, point))?;
        let found = repeat.points.iter().find(|candidate| candidate.name == point);
        let found = found.ok_or_else(|| no_point(model, point))?;
        let fixed = usize::from(layout.length) + 2;
        let start = model_start + fixed + usize::from(block) * usize::from(repeat.length);
        self.put(model, model_start, start, found, value.into())
    }

    /// Puts a text, cut to the size of the point.
    ///
    /// # Errors
    /// When there is no such model or text point.
    pub fn set_text(&mut self, model: u16, point: &str, text: &str) -> Result<(), ImageError> {
        let placed = self.find(model)?;
        let found = placed
            .model
            .point(point)
            .filter(|point| point.kind == PointType::String);
        let found = found.ok_or_else(|| no_point(model, point))?;
        let (start, size) = (
            placed.start + usize::from(found.offset),
            usize::from(found.size()),
        );
        let mut bytes = text.bytes();
        for register in self.registers.iter_mut().skip(start).take(size) {
            *register = u16::from_be_bytes([bytes.next().unwrap_or(0), bytes.next().unwrap_or(0)]);
        }
        Ok(())
    }

    /// Marks a point as not implemented.
    ///
    /// # Errors
    /// When there is no such model or point.
    pub fn clear(&mut self, model: u16, point: &str) -> Result<(), ImageError> {
        let placed = self.find(model)?;
        let (layout, start) = (Arc::clone(&placed.model), placed.start);
        let found = layout.point(point).ok_or_else(|| no_point(model, point))?;
        self.put_absent(start, found);
        Ok(())
    }

    /// The value of a point, scaled, as a client would read it.
    #[must_use]
    pub fn get(&self, model: u16, point: &str) -> Option<Decimal> {
        self.block(model)?.value(point).ok().flatten()
    }

    /// The registers of a model, from its id on.
    #[must_use]
    pub fn block(&self, model: u16) -> Option<Block<'_>> {
        let placed = self.find(model).ok()?;
        let registers = self.registers.get(placed.start..placed.start + placed.length)?;
        Some(Block {
            model: &placed.model,
            registers,
        })
    }

    /// Whether the chain has this model.
    #[must_use]
    pub fn has(&self, model: u16) -> bool {
        self.find(model).is_ok()
    }

    /// What clients have written since the last call, the newest value of each point.
    pub fn take_writes(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.writes)
    }

    fn find(&self, model: u16) -> Result<&Placed, ImageError> {
        self.placed
            .iter()
            .find(|placed| placed.id == model)
            .ok_or(ImageError::NoModel { model })
    }

    fn put(
        &mut self,
        model: u16,
        model_start: usize,
        block_start: usize,
        point: &Point,
        value: Decimal,
    ) -> Result<(), ImageError> {
        let out_of_range = || ImageError::OutOfRange {
            model,
            point: point.name.clone(),
            digits: value.digits,
            exponent: value.exponent,
        };
        let raw = match point.kind {
            PointType::String => return Err(no_point(model, &point.name)),
            PointType::Float32 => {
                #[allow(clippy::cast_possible_truncation, reason = "the wire has single precision")]
                let float = value.to_f64() as f32;
                Some(i64::from(float.to_bits()))
            }
            PointType::Int16
            | PointType::Uint16
            | PointType::Count
            | PointType::Acc32
            | PointType::Uint32
            | PointType::Enum16
            | PointType::Bitfield16
            | PointType::Bitfield32
            | PointType::Sunssf => {
                let exponent = self.scale_of(model_start, point);
                let steps = value.in_steps_of(exponent);
                steps.filter(|steps| allowed(point.kind).contains(steps))
            }
        };
        self.put_raw(block_start, point, raw.ok_or_else(out_of_range)?);
        Ok(())
    }

    fn scale_of(&self, model_start: usize, point: &Point) -> i8 {
        let placed = self.placed.iter().find(|placed| placed.start == model_start);
        let scale = placed.zip(point.scale.as_ref()).and_then(|(placed, scale)| {
            let registers = self.registers.get(placed.start..)?;
            Block {
                model: &placed.model,
                registers,
            }
            .scale(scale)
            .ok()
            .flatten()
        });
        scale.unwrap_or(0)
    }

    fn put_raw(&mut self, start: usize, point: &Point, value: i64) {
        let [.., a, b, c, d] = value.to_be_bytes();
        let words = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        let size = usize::from(point.size()).min(2);
        let at = start + usize::from(point.offset);
        for (register, word) in self
            .registers
            .iter_mut()
            .skip(at)
            .take(size)
            .zip(&words[2 - size..])
        {
            *register = *word;
        }
    }

    fn put_absent(&mut self, start: usize, point: &Point) {
        let mark = match point.kind {
            PointType::Int16 | PointType::Sunssf => 0x8000,
            PointType::Uint16 | PointType::Count | PointType::Enum16 | PointType::Bitfield16 => 0xFFFF,
            PointType::Uint32 | PointType::Bitfield32 => 0xFFFF_FFFF,
            PointType::Float32 => 0x7FC0_0000,
            PointType::Acc32 | PointType::String => 0,
        };
        self.put_raw(start, point, mark);
    }

    fn index(&self, address: u16) -> Result<usize, Exception> {
        address
            .checked_sub(self.base)
            .map(usize::from)
            .ok_or(Exception::IllegalAddress)
    }
}

/// What fits the registers of a type and is not its mark for not implemented.
const fn allowed(kind: PointType) -> std::ops::RangeInclusive<i64> {
    match kind {
        PointType::Int16 => -0x7FFF..=0x7FFF,
        PointType::Uint16 | PointType::Count | PointType::Enum16 | PointType::Bitfield16 => 0..=0xFFFE,
        PointType::Acc32 | PointType::Uint32 | PointType::Bitfield32 => 0..=0xFFFF_FFFE,
        PointType::Sunssf => -10..=10,
        PointType::Float32 | PointType::String => 0..=0,
    }
}

fn no_point(model: u16, point: &str) -> ImageError {
    ImageError::NoPoint {
        model,
        point: point.to_owned(),
    }
}

impl Registers for Image {
    fn read_holding(&self, address: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let start = self.index(address)?;
        let registers = self.registers.get(start..start + usize::from(count));
        registers.map(<[u16]>::to_vec).ok_or(Exception::IllegalAddress)
    }

    /// Only whole points that the standard lets a client write, in the fixed part of a model.
    fn write_holding(&mut self, address: u16, values: &[u16]) -> Result<(), Exception> {
        let start = self.index(address)?;
        let end = start + values.len();
        let placed = self
            .placed
            .iter()
            .find(|placed| (placed.start..placed.start + placed.length).contains(&start));
        let placed = placed.filter(|placed| end <= placed.start + placed.length);
        let placed = placed.ok_or(Exception::IllegalAddress)?.clone();
        let mut next = start - placed.start;
        let mut points = Vec::new();
        while placed.start + next < end {
            let point = placed
                .model
                .points
                .iter()
                .find(|point| usize::from(point.offset) == next);
            let point = point
                .filter(|point| point.is_writable())
                .ok_or(Exception::IllegalAddress)?;
            next += usize::from(point.size());
            points.push(point);
        }
        if placed.start + next != end {
            return Err(Exception::IllegalAddress);
        }
        let registers = self
            .registers
            .get_mut(start..end)
            .ok_or(Exception::IllegalAddress)?;
        registers.copy_from_slice(values);
        for point in points {
            if let Some(value) = self.get(placed.id, &point.name) {
                self.writes
                    .retain(|write| write.model != placed.id || write.point != point.name);
                self.writes.push(Write {
                    model: placed.id,
                    point: point.name.clone(),
                    value,
                });
            }
        }
        Ok(())
    }
}
