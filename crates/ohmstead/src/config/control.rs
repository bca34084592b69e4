//! `[control]`

use model::settings::ControlSettings;
use model::time::Millis;

use super::Read;
use super::section::Section;

pub fn read(root: &Section<'_, '_>) -> Read<ControlSettings> {
    Read::of(root.table("control").map(read_control).unwrap_or_default())
}

fn read_control(section: Section<'_, '_>) -> ControlSettings {
    let default = ControlSettings::default();
    let seconds = |key, range: std::ops::RangeInclusive<i64>, default: Millis| {
        let range_ms = range.start() * 1_000..=range.end() * 1_000;
        let expected = format!("{} to {} seconds", range.start(), range.end());
        section
            .scaled(key, 3, range_ms, &expected)
            .map_or(default, Millis)
    };
    let settings = ControlSettings {
        observe: section.boolean("observe", default.observe),
        period: seconds("period_s", 1..=10, default.period),
        start_delay_solar: seconds("start_delay_solar_s", 0..=3_600, default.start_delay_solar),
        start_delay_grid: seconds("start_delay_grid_s", 0..=3_600, default.start_delay_grid),
        stop_delay: seconds("stop_delay_s", 0..=3_600, default.stop_delay),
        min_on: seconds("min_on_s", 0..=3_600, default.min_on),
        min_off: seconds("min_off_s", 0..=3_600, default.min_off),
        rise_window: seconds("rise_window_s", 5..=600, default.rise_window),
        ack_timeout: seconds("ack_timeout_s", 2..=120, default.ack_timeout),
        station_timeout: seconds("station_timeout_s", 5..=600, default.station_timeout),
        overload_hold: seconds("overload_hold_s", 0..=3_600, default.overload_hold),
        narrow_delay: seconds("one_phase_delay_s", 10..=3_600, default.narrow_delay),
        widen_delay: seconds("three_phases_delay_s", 10..=3_600, default.widen_delay),
        phases_hold: seconds("phases_hold_s", 0..=7_200, default.phases_hold),
        phases_pause: seconds("phases_pause_s", 10..=300, default.phases_pause),
    };
    section.finish();
    settings
}
