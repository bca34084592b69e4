//! The device definitions that come with the program.
//!
//! A file in `definitions/modbus` becomes one of them by its line here; a test compares the two.

/// Name of the definition, which is that of its file, and its text.
pub(super) const FILES: [(&str, &str); 6] = [
    (
        "abb-b23-b24",
        include_str!("../../../../definitions/modbus/abb-b23-b24.toml"),
    ),
    (
        "carlo-gavazzi-em24-ethernet",
        include_str!("../../../../definitions/modbus/carlo-gavazzi-em24-ethernet.toml"),
    ),
    (
        "carlo-gavazzi-em340",
        include_str!("../../../../definitions/modbus/carlo-gavazzi-em340.toml"),
    ),
    (
        "cfos-power-brain-meter",
        include_str!("../../../../definitions/modbus/cfos-power-brain-meter.toml"),
    ),
    (
        "eastron-sdm120",
        include_str!("../../../../definitions/modbus/eastron-sdm120.toml"),
    ),
    (
        "eastron-sdm630",
        include_str!("../../../../definitions/modbus/eastron-sdm630.toml"),
    ),
];
