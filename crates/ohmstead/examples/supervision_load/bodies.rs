//! What is sent, made ahead: the ports of an operator and samples of them.

use std::fmt::Write;

/// Ports of one piece of equipment and of one station.
pub const OF_EQUIPMENT: usize = 12;
pub const OF_STATION: usize = 120;

/// A body with places for a time.
pub struct Body {
    pub bytes: Vec<u8>,
    times: Vec<usize>,
}

/// What stands where a time will be.
const NO_TIME: &str = "0000-00-00 00:00:00";

impl Body {
    /// Samples of ports that follow each other: one as an object, several as a list.
    pub fn samples(operator: &str, first: usize, count: usize, is_list: bool) -> Self {
        let samples: Vec<String> = (first..first + count)
            .map(|port| sample(operator, port))
            .collect();
        let text = if is_list {
            format!("[{}]", samples.join(","))
        } else {
            samples.concat()
        };
        let times = text.match_indices(NO_TIME).map(|(at, _)| at).collect();
        Self {
            bytes: text.into_bytes(),
            times,
        }
    }

    /// All of it is of that time.
    pub fn set(&mut self, time: &str) {
        for at in &self.times {
            self.bytes[*at..*at + NO_TIME.len()].copy_from_slice(time.as_bytes());
        }
    }
}

pub fn station(operator: &str, number: usize) -> String {
    let (longitude, latitude) = (
        120_000_000 + number * 37 % 300_000,
        30_100_000 + number * 71 % 250_000,
    );
    format!(
        "{{\"stationId\":\"S{number:06}\",\"operatorId\":\"{operator}\",\"equipmentOwnerId\":\"{operator}\",\
         \"stationName\":\"文一路{number}号充电站\",\"address\":\"西湖区文一路{number}号\",\"stationType\":4,\
         \"stationStatus\":50,\"chargingNums\":{OF_STATION},\"stationLng\":{}.{:06},\"stationLat\":{}.{:06}}}",
        longitude / 1_000_000,
        longitude % 1_000_000,
        latitude / 1_000_000,
        latitude % 1_000_000
    )
}

pub fn equipment(operator: &str, number: usize) -> String {
    let station = number * OF_EQUIPMENT / OF_STATION;
    format!(
        "{{\"equipmentId\":\"E{number:07}\",\"stationId\":\"S{station:06}\",\"operatorId\":\"{operator}\",\
         \"equipmentName\":\"{number}\",\"equipmentType\":1,\"equipmentCategory\":1}}"
    )
}

pub fn port(operator: &str, number: usize) -> String {
    let equipment = number / OF_EQUIPMENT;
    format!(
        "{{\"cellId\":\"P{number:08}\",\"equipmentId\":\"E{equipment:07}\",\"operatorId\":\"{operator}\",\"cellType\":1,\
         \"cellStandard\":\"GB/T 42236.1-2022\",\"ratedVoltageUpperLimit\":242,\"ratedVoltageLowerLimit\":198,\
         \"ratedCurrent\":5,\"ratedPower\":1,\"electricityFee\":\"0.62元/度\",\"serviceFee\":\"0.40元/度\",\
         \"fireControl\":1,\"smokeSensation\":1}}"
    )
}

/// Of two ports one charges, as in the evening.
fn sample(operator: &str, port: usize) -> String {
    let equipment = port / OF_EQUIPMENT;
    let wobble = port * 7 % 100;
    let mut text = format!(
        "{{\"cellId\":\"P{port:08}\",\"equipmentId\":\"E{equipment:07}\",\"operatorId\":\"{operator}\",\
         \"updateDatetime\":\"{NO_TIME}\",\"cellStatus\":{},\"voltage\":22{}.{},\"temperature\":2{}.{},\"smokeAlarm\":2",
        if port.is_multiple_of(2) { 3 } else { 1 },
        wobble % 10,
        wobble / 10,
        wobble % 7,
        wobble / 10
    );
    if port.is_multiple_of(2) {
        write!(
            text,
            ",\"current\":1.{wobble:02},\"power\":0.2{wobble:02},\"consumption\":0.{wobble:02},\"chargeDuration\":{},\
             \"startChargeSeq\":\"{operator}20261128190000{:04}\"",
            600 + port % 7_200,
            port % 10_000
        )
        .unwrap();
    } else {
        text.push_str(",\"current\":0,\"power\":0");
    }
    text.push('}');
    text
}
