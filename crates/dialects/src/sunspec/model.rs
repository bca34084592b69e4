//! SunSpec models as data: which point sits where, in which type, with which scale factor.
//!
//! The data is in `definitions/sunspec`, one file per model, embedded. Only models that something of ours
//! uses are there; the walk along a chain steps over all others by their length.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

const FILES: [&str; 8] = [
    include_str!("../../../../definitions/sunspec/001-common.toml"),
    include_str!("../../../../definitions/sunspec/103-inverter-three-phase.toml"),
    include_str!("../../../../definitions/sunspec/113-inverter-three-phase-float.toml"),
    include_str!("../../../../definitions/sunspec/124-storage.toml"),
    include_str!("../../../../definitions/sunspec/160-mppt.toml"),
    include_str!("../../../../definitions/sunspec/203-meter-three-phase.toml"),
    include_str!("../../../../definitions/sunspec/213-meter-three-phase-float.toml"),
    include_str!("../../../../definitions/sunspec/802-battery.toml"),
];

/// The types of the information model that our models use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PointType {
    Int16,
    Uint16,
    Count,
    Acc32,
    Uint32,
    Enum16,
    Bitfield16,
    Bitfield32,
    Float32,
    Sunssf,
    String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Access {
    #[default]
    R,
    Rw,
}

/// One value of a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    pub name: String,
    /// Registers from the model id, or from the start of the repeating block.
    pub offset: u16,
    #[serde(rename = "type")]
    pub kind: PointType,
    /// Registers of a text.
    #[serde(default, rename = "size")]
    text_size: u16,
    /// The point that holds the power of ten.
    pub scale: Option<String>,
    /// As the standard writes it.
    #[serde(default)]
    pub unit: String,
    #[serde(default)]
    access: Access,
    /// The power of ten that our servers use.
    #[serde(default)]
    pub default: i8,
}

impl Point {
    /// How many registers it takes.
    #[must_use]
    pub const fn size(&self) -> u16 {
        match self.kind {
            PointType::Int16
            | PointType::Uint16
            | PointType::Count
            | PointType::Enum16
            | PointType::Bitfield16
            | PointType::Sunssf => 1,
            PointType::Acc32 | PointType::Uint32 | PointType::Bitfield32 | PointType::Float32 => 2,
            PointType::String => self.text_size,
        }
    }

    #[must_use]
    pub const fn is_writable(&self) -> bool {
        matches!(self.access, Access::Rw)
    }
}

/// Blocks of the same shape behind the fixed part of a model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    /// The point that says how many.
    pub count: String,
    pub length: u16,
    pub points: Vec<Point>,
}

/// One model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    pub id: u16,
    pub label: String,
    /// Other ids with the same points at the same places, some of them never implemented.
    #[serde(default)]
    pub same_layout: Vec<u16>,
    /// Registers behind id and length, without repeating blocks.
    pub length: u16,
    pub points: Vec<Point>,
    pub repeat: Option<Repeat>,
    #[serde(skip)]
    by_name: BTreeMap<String, usize>,
}

impl Model {
    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let mut model: Self = toml::from_str(text)?;
        model.by_name = model
            .points
            .iter()
            .enumerate()
            .map(|(i, point)| (point.name.clone(), i))
            .collect();
        Ok(model)
    }

    /// A point of the fixed part.
    #[must_use]
    pub fn point(&self, name: &str) -> Option<&Point> {
        self.by_name.get(name).and_then(|index| self.points.get(*index))
    }

    /// How many registers, from the model id on, hold these points and their scale factors.
    #[must_use]
    pub fn span(&self, names: &[&str]) -> u16 {
        let end = |name: &str| self.point(name).map(|point| point.offset + point.size());
        names
            .iter()
            .filter_map(|name| self.point(name))
            .flat_map(|point| [end(&point.name), point.scale.as_deref().and_then(end)])
            .flatten()
            .max()
            .unwrap_or(2)
            .max(2)
    }
}

/// The models that we know, by id.
#[derive(Clone, Debug)]
pub struct Models(BTreeMap<u16, Arc<Model>>);

impl Models {
    /// Reads the embedded files.
    ///
    /// # Panics
    /// Never: a test reads them all.
    #[must_use]
    pub fn built_in() -> Self {
        let mut models = BTreeMap::new();
        for text in FILES {
            let model = Arc::new(Model::parse(text).expect("embedded model files are checked by a test"));
            for id in model.same_layout.iter().chain([&model.id]) {
                models.insert(*id, Arc::clone(&model));
            }
        }
        Self(models)
    }

    #[must_use]
    pub fn get(&self, id: u16) -> Option<&Arc<Model>> {
        self.0.get(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn check_points(what: &str, points: &[Point], end: u16, scales: &Model) {
        let mut names = BTreeSet::new();
        let mut used = BTreeSet::new();
        for point in points {
            assert!(names.insert(&point.name), "{what}: {} twice", point.name);
            assert!(point.size() > 0, "{what}: {} has no size", point.name);
            for register in point.offset..point.offset + point.size() {
                assert!(used.insert(register), "{what}: {} overlaps", point.name);
                assert!(register < end, "{what}: {} is outside", point.name);
            }
            if let Some(scale) = &point.scale {
                let kind = scales.point(scale).map(|point| point.kind);
                assert_eq!(kind, Some(PointType::Sunssf), "{what}: scale of {}", point.name);
            }
        }
    }

    #[test]
    fn every_file_is_embedded_and_sound() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../definitions/sunspec");
        let mut on_disk = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            on_disk.insert(std::fs::read_to_string(entry.unwrap().path()).unwrap());
        }
        assert_eq!(on_disk, FILES.map(str::to_owned).into());
        for text in FILES {
            let model = Model::parse(text).unwrap();
            let what = format!("model {}", model.id);
            check_points(&what, &model.points, model.length + 2, &model);
            assert!(model.points.iter().all(|point| point.offset >= 2), "{what}");
            if let Some(repeat) = &model.repeat {
                assert!(model.point(&repeat.count).is_some(), "{what}");
                check_points(&what, &repeat.points, repeat.length, &model);
            }
        }
    }

    #[test]
    fn a_span_holds_points_and_their_scale_factors() {
        let models = Models::built_in();
        let check = |id, names: &[&str], span| assert_eq!(models.get(id).unwrap().span(names), span, "{id}");
        check(203, &["W"], 23);
        check(203, &["TotWhImp", "TotWhExp", "AphA"], 55);
        check(213, &["TotWhImp"], 70);
        check(802, &["SoC"], 57);
        check(124, &[], 2);
    }
}
