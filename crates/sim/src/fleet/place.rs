//! Stations in a city, their equipment and its ports, as an operator would describe them.

use std::collections::BTreeMap;

use model::oversight::{Code, CodeError, Decimal, Entity, EntityKind, OperatorCode, Value};
use model::time::Timestamp;

use super::Make;
use crate::draw::{Dice, Draws};

/// Districts of a city, with their codes and a place within, in millionths of a degree (GCJ-02).
const DISTRICTS: [(&str, &str, i64, i64); 6] = [
    ("330102", "上城区", 120_191_000, 30_252_000),
    ("330105", "拱墅区", 120_144_000, 30_322_000),
    ("330106", "西湖区", 120_118_000, 30_272_000),
    ("330108", "滨江区", 120_207_000, 30_198_000),
    ("330109", "萧山区", 120_268_000, 30_182_000),
    ("330110", "余杭区", 119_992_000, 30_278_000),
];
const STREETS: [&str; 16] = [
    "文一路",
    "文三路",
    "学院路",
    "教工路",
    "古墩路",
    "丰潭路",
    "天目山路",
    "莫干山路",
    "江南大道",
    "滨盛路",
    "市心路",
    "建设一路",
    "五常大道",
    "余杭塘路",
    "秋涛路",
    "解放路",
];
const BIKE_PLACES: [&str; 6] = ["小区东门", "小区车棚", "地铁站", "菜场", "人才公寓", "产业园"];
const CAR_PLACES: [&str; 6] = [
    "商场地下车库",
    "公交枢纽",
    "体育馆停车场",
    "科技园",
    "高铁站",
    "服务区",
];

/// One port with what its stations charges.
pub(super) struct Place {
    pub port: Code,
    pub equipment: Code,
    pub make: Make,
    /// In hundredths of the currency per kWh.
    pub energy_price: i64,
    pub service_price: i64,
    pub has_smoke_detector: bool,
    pub has_door: bool,
}

/// What an operator has, parents first, and its ports once more for those who work there.
///
/// # Errors
/// When there are more stations than codes.
pub(super) fn build(
    operator: &OperatorCode,
    seed: u64,
    stations: u32,
    ports: u32,
) -> Result<(Vec<Entity>, Vec<Place>), CodeError> {
    let draws = Draws::new(seed, &format!("stations of {operator}"));
    let (mut entities, mut places) = (Vec::new(), Vec::new());
    for number in 0..stations {
        let mut dice = draws.at(i64::from(number));
        Station::draw(operator, number, &mut dice)?.build(ports, &mut dice, &mut entities, &mut places)?;
    }
    Ok((entities, places))
}

struct Station<'a> {
    operator: &'a OperatorCode,
    code: String,
    id: Code,
    make: Make,
    longitude: Decimal,
    latitude: Decimal,
    district: &'static str,
    name: String,
    address: String,
    energy_price: i64,
    service_price: i64,
    smoke: bool,
}

impl<'a> Station<'a> {
    fn draw(operator: &'a OperatorCode, number: u32, dice: &mut Dice) -> Result<Self, CodeError> {
        let (district, district_name, longitude, latitude) = *pick(&DISTRICTS, dice);
        let make = match dice.between(0, 9) {
            0..6 => Make::Bike,
            6..8 => Make::Slow,
            _ => Make::Fast,
        };
        let places = if make == Make::Bike {
            &BIKE_PLACES
        } else {
            &CAR_PLACES
        };
        let (street, place) = (pick(&STREETS, dice), pick(places, dice));
        let house = dice.between(1, 480);
        let code = format!("{district}{number:05}");
        Ok(Self {
            operator,
            id: Code::new(&code)?,
            code,
            make,
            // Within some three kilometres, denser in the middle.
            longitude: Decimal(longitude + dice.between(-16_000, 16_000) + dice.between(-16_000, 16_000)),
            latitude: Decimal(latitude + dice.between(-14_000, 14_000) + dice.between(-14_000, 14_000)),
            district,
            name: format!("{street}{place}充电站"),
            address: format!("{district_name}{street}{house}号"),
            energy_price: dice.between(55, 95),
            service_price: dice.between(20, 80),
            smoke: dice.happens(700),
        })
    }

    fn build(
        &self,
        ports: u32,
        dice: &mut Dice,
        entities: &mut Vec<Entity>,
        places: &mut Vec<Place>,
    ) -> Result<(), CodeError> {
        let (energy_fee, service_fee) = (
            format!("{}.{:02}元/度", self.energy_price / 100, self.energy_price % 100),
            format!(
                "{}.{:02}元/度",
                self.service_price / 100,
                self.service_price % 100
            ),
        );
        entities.push(Entity {
            kind: EntityKind::Station,
            id: self.id.clone(),
            parent: None,
            fields: fields([
                ("owner", text(self.operator.as_str())),
                ("name", text(&self.name)),
                ("district", text(self.district)),
                ("address", text(&self.address)),
                ("phone", text("0571-85000000")),
                ("type", number(if self.make == Make::Bike { 4 } else { 6 })),
                ("status", number(50)),
                ("ports", number(i64::from(ports))),
                ("longitude", Value::Number(self.longitude)),
                ("latitude", Value::Number(self.latitude)),
                ("canopy", yes(dice.happens(500))),
                ("camera", yes(dice.happens(600))),
                ("smoke_detector", yes(self.smoke)),
                ("fire_extinguisher", number(1)),
                ("fee_type", number(if self.make == Make::Bike { 2 } else { 4 })),
                ("energy_fee", text(&energy_fee)),
                ("service_fee", text(&service_fee)),
            ]),
            unknown: BTreeMap::new(),
            told: Timestamp(0),
        });
        let each = self.make.ports_of_one();
        let is_cabinet = self.make == Make::Bike && dice.happens(350);
        for first in (0..ports).step_by(usize::try_from(each).unwrap_or(1)) {
            let equipment = format!("{}{:03}", self.code, first / each + 1);
            let of_this = each.min(ports - first);
            entities.push(self.equipment(&equipment, of_this, is_cabinet, dice)?);
            for port in 1..=of_this {
                let port = Code::new(&format!("{equipment}{port:02}"))?;
                entities.push(self.port(&port, &equipment, &energy_fee, &service_fee)?);
                places.push(Place {
                    port,
                    equipment: Code::new(&equipment)?,
                    make: self.make,
                    energy_price: self.energy_price,
                    service_price: self.service_price,
                    has_smoke_detector: self.smoke,
                    has_door: is_cabinet,
                });
            }
        }
        Ok(())
    }

    fn equipment(
        &self,
        id: &str,
        ports: u32,
        is_cabinet: bool,
        dice: &mut Dice,
    ) -> Result<Entity, CodeError> {
        let (volts, _, amps, kilowatts) = self.make.rating();
        let year = dice.between(2019, 2025);
        Ok(Entity {
            kind: EntityKind::Equipment,
            id: Code::new(id)?,
            parent: Some(self.id.clone()),
            fields: fields([
                (
                    "name",
                    text(&format!(
                        "{}{}号",
                        self.name,
                        id.get(self.code.len()..).unwrap_or_default()
                    )),
                ),
                ("type", number(if self.make == Make::Fast { 2 } else { 1 })),
                ("category", number(if is_cabinet { 2 } else { 1 })),
                ("usable_ports", number(i64::from(ports))),
                ("rated_voltage", number(volts)),
                ("rated_current", number(amps)),
                ("rated_power", Value::Number(kilowatts)),
                ("longitude", Value::Number(self.longitude)),
                ("latitude", Value::Number(self.latitude)),
                ("model", text(self.make.model())),
                ("made", text(&format!("{year}-03-15"))),
                ("opened", text(&format!("{}-05-01", year + 1))),
            ]),
            unknown: BTreeMap::new(),
            told: Timestamp(0),
        })
    }

    fn port(
        &self,
        id: &Code,
        equipment: &str,
        energy_fee: &str,
        service_fee: &str,
    ) -> Result<Entity, CodeError> {
        let (most, least, amps, kilowatts) = self.make.rating();
        Ok(Entity {
            kind: EntityKind::Port,
            id: id.clone(),
            parent: Some(Code::new(equipment)?),
            fields: fields([
                ("type", number(self.make.port_type())),
                ("standard", text(self.make.standard())),
                ("rated_voltage_max", number(most)),
                ("rated_voltage_min", number(least)),
                ("rated_current", number(amps)),
                ("rated_power", Value::Number(kilowatts)),
                ("energy_fee", text(energy_fee)),
                ("service_fee", text(service_fee)),
                ("fire_extinguisher", number(1)),
                ("smoke_detector", yes(self.smoke)),
            ]),
            unknown: BTreeMap::new(),
            told: Timestamp(0),
        })
    }
}

impl Make {
    /// Volts at most and at least, amperes, kilowatts.
    pub(super) const fn rating(self) -> (i64, i64, i64, Decimal) {
        match self {
            Self::Bike => (242, 198, 5, Decimal(1_000_000)),
            Self::Slow => (242, 198, 32, Decimal(7_000_000)),
            Self::Fast => (750, 200, 250, Decimal(120_000_000)),
        }
    }

    const fn ports_of_one(self) -> u32 {
        match self {
            Self::Bike => 10,
            Self::Slow => 1,
            Self::Fast => 2,
        }
    }

    const fn port_type(self) -> i64 {
        match self {
            Self::Bike => 1,
            Self::Slow => 3,
            Self::Fast => 2,
        }
    }

    const fn standard(self) -> &'static str {
        match self {
            Self::Bike => "GB/T 42236.1-2022",
            Self::Slow => "GB/T 20234.2-2015",
            Self::Fast => "GB/T 20234.3-2015",
        }
    }

    const fn model(self) -> &'static str {
        match self {
            Self::Bike => "EB-10",
            Self::Slow => "AC-7",
            Self::Fast => "DC-120",
        }
    }
}

/// One of a list that is not empty.
fn pick<'a, T, const N: usize>(of: &'a [T; N], dice: &mut Dice) -> &'a T {
    const { assert!(N > 0) };
    let last = i64::try_from(N - 1).unwrap_or(0);
    let index = usize::try_from(dice.between(0, last)).unwrap_or(0);
    of.get(index).unwrap_or(&of[0])
}

fn fields<const N: usize>(of: [(&str, Value); N]) -> BTreeMap<String, Value> {
    of.into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

const fn number(number: i64) -> Value {
    Value::Number(Decimal::whole(number))
}

/// As the table has it: 1 yes, 2 no.
const fn yes(is_so: bool) -> Value {
    number(if is_so { 1 } else { 2 })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn parents_come_first_and_codes_are_unique() {
        let operator = OperatorCode::new("MA005DBW1").unwrap();
        let (entities, places) = build(&operator, 1, 40, 12).unwrap();
        let mut known = BTreeSet::new();
        for entity in &entities {
            if let (Some(kind), Some(parent)) = (entity.kind.parent(), &entity.parent) {
                assert!(known.contains(&(kind, parent.clone())), "{entity:?}");
            }
            assert!(known.insert((entity.kind, entity.id.clone())), "{entity:?}");
        }
        assert_eq!(places.len(), 480);
        let ports = entities.iter().filter(|entity| entity.kind == EntityKind::Port);
        assert!(
            ports
                .map(|port| &port.id)
                .eq(places.iter().map(|place| &place.port))
        );
        for make in [Make::Bike, Make::Slow, Make::Fast] {
            assert!(places.iter().any(|place| place.make == make), "{make:?}");
        }
    }
}
