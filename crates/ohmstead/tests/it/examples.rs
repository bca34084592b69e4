//! Files that people copy are true.

use sim::settings::WorldSettings;

/// The example is the demo's home itself. `UPDATE_EXAMPLES=1` writes it anew.
#[test]
fn the_example_of_virtual_devices_is_the_home_of_the_demo() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sim.example.toml");
    let home = sim::demo::home(1);
    let text = format!(
        "# The virtual devices of the demo's home, for `ohmstead sim --config FILE`.\n\
         # Powers in W, currents in mA, energies in Wh, spans in ms, shares in per mille, positions in millionths\n\
         # of a degree. `listen = \"127.0.0.1:5020\"` in a device gives it a port of its own; absent, any free one.\n\
         # The cars tell how full they are at GET /vehicles/<EVSE>: `[cars]` has a `listen` and a `broker = \"mqtt://host\"`.\n\
         # A go-e charger is of `generation` v3, v4 or core and may have a `firmware` of its own. `password` opens its WebSocket\n\
         # (/ws on its port), `modbus_listen` is the address of its registers, and `mqtt = {{ broker = \"mqtt://host\" }}` makes\n\
         # it publish its keys (`prefix` in there: in place of `go-eCharger/<serial>/`).\n\n{}",
        toml::to_string(&home).unwrap()
    );
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let there = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(there, text, "run it with UPDATE_EXAMPLES=1");
    assert_eq!(toml::from_str::<WorldSettings>(&there).unwrap(), home);
}

#[test]
fn the_devices_of_the_benchmark_are_ten() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benchmarks/ten-devices.toml");
    let settings: WorldSettings = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(settings.devices.len(), 10);
    sim::world::World::new(settings).unwrap();
}
