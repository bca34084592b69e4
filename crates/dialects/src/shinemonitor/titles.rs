//! Titles of fields, controls and alarms in the languages of the apps.
//!
//! English titles are the vendor's where it has the field: clients read them, and one makes the names of metrics
//! of them.

use model::alarm::AlarmCode;

/// What titles are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lang {
    En,
    Zh,
    De,
    Ko,
}

impl Lang {
    #[cfg(test)]
    const ALL: [Self; 4] = [Self::En, Self::Zh, Self::De, Self::Ko];

    /// `zh_CN`, `de`, …; every other language is English.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match text.get(..2).map(str::to_ascii_lowercase).as_deref() {
            Some("zh") => Self::Zh,
            Some("de") => Self::De,
            Some("ko") => Self::Ko,
            _ => Self::En,
        }
    }

    const fn of(self, texts: [&'static str; 4]) -> &'static str {
        let [en, zh, de, ko] = texts;
        match self {
            Self::En => en,
            Self::Zh => zh,
            Self::De => de,
            Self::Ko => ko,
        }
    }
}

/// `None`: the key is of a definition that brings its own title.
#[must_use]
pub fn title(key: &str, lang: Lang) -> Option<&'static str> {
    let at = TITLES.binary_search_by(|row| row.0.cmp(key)).ok()?;
    let (_, en, zh, de, ko) = *TITLES.get(at)?;
    Some(lang.of([en, zh, de, ko]))
}

#[must_use]
pub const fn alarm(code: AlarmCode, lang: Lang) -> &'static str {
    lang.of(match code {
        AlarmCode::DeviceOffline => ["Device offline", "设备离线", "Gerät offline", "장치 오프라인"],
        AlarmCode::MeterSilent => ["Meter silent", "电表无数据", "Zähler schweigt", "전력량계 무응답"],
        AlarmCode::NotFollowing => [
            "Setpoint not followed",
            "设备未执行设定值",
            "Vorgabe nicht befolgt",
            "설정값 미이행",
        ],
        AlarmCode::LimitExceeded => ["Limit exceeded", "超出限值", "Grenze überschritten", "한계 초과"],
        AlarmCode::StoreFailing => [
            "Storage failing",
            "存储故障",
            "Speicherung gestört",
            "저장소 오류",
        ],
        AlarmCode::SocStale => [
            "State of charge outdated",
            "车辆电量数据过期",
            "Ladestand veraltet",
            "충전 상태 정보 만료",
        ],
        AlarmCode::RecordsSetAside => [
            "Records set aside",
            "记录已另存",
            "Aufzeichnungen beiseitegelegt",
            "기록 별도 보관",
        ],
        AlarmCode::ForeignWriter => [
            "Changed by another system",
            "设定被其他系统更改",
            "Von anderem System geändert",
            "다른 시스템이 변경함",
        ],
        AlarmCode::PricesStale => [
            "Prices outdated",
            "电价数据过期",
            "Preise veraltet",
            "요금 정보 만료",
        ],
        AlarmCode::LoggerClaimedTwice => [
            "Data logger number claimed twice",
            "采集器编号重复",
            "Datenlogger-Nummer doppelt",
            "데이터로거 번호 중복",
        ],
        AlarmCode::LoggerUnknown => [
            "Unknown data logger",
            "未知采集器",
            "Unbekannter Datenlogger",
            "알 수 없는 데이터로거",
        ],
        AlarmCode::RiskSeen => [
            "Danger at a charging station",
            "充电桩存在风险",
            "Gefahr an einer Ladestation",
            "충전기 위험",
        ],
        AlarmCode::DeviceWarning => ["Device warning", "设备告警", "Warnung des Geräts", "장치 경고"],
    })
}

/// Key, then English, Chinese, German, Korean; sorted by key.
#[rustfmt::skip]
const TITLES: &[(&str, &str, &str, &str, &str)] = &[

    ("battery_active_power", "Battery power", "电池功率", "Batterieleistung", "배터리 전력"),
    ("battery_current", "Battery current", "电池电流", "Batteriestrom", "배터리 전류"),
    ("battery_power", "Battery power", "电池功率", "Batterieleistung", "배터리 전력"),
    ("battery_voltage", "Battery voltage", "电池电压", "Batteriespannung", "배터리 전압"),
    ("bc_load_active_power", "Load active power", "负载有功功率", "Lastwirkleistung", "부하 유효 전력"),
    ("bt_ac_output_apparent_power", "AC output apparent power", "交流输出视在功率", "AC-Ausgangsscheinleistung", "교류 출력 피상 전력"),
    ("bt_ac_output_voltage", "AC output voltage", "交流输出电压", "AC-Ausgangsspannung", "교류 출력 전압"),
    ("bt_battery_capacity", "Battery capacity", "电池容量", "Batterieladestand", "배터리 잔량"),
    ("bt_battery_charging_current", "Battery charging current", "电池充电电流", "Batterieladestrom", "배터리 충전 전류"),
    ("bt_battery_discharge_current", "Battery discharge current", "电池放电电流", "Batterieentladestrom", "배터리 방전 전류"),
    ("bt_battery_voltage", "Battery voltage", "电池电压", "Batteriespannung", "배터리 전압"),
    ("bt_grid_AC_frequency", "AC output frequency", "交流输出频率", "AC-Ausgangsfrequenz", "교류 출력 주파수"),
    ("bt_grid_frequency", "Grid frequency", "电网频率", "Netzfrequenz", "계통 주파수"),
    ("bt_grid_voltage", "Grid voltage", "电网电压", "Netzspannung", "계통 전압"),
    ("bt_input_power", "PV input power", "光伏输入功率", "PV-Eingangsleistung", "태양광 입력 전력"),
    ("bt_load_active_power_sole", "AC output active power", "交流输出有功功率", "AC-Ausgangswirkleistung", "교류 출력 유효 전력"),
    ("bt_output_load_percent", "Output load percent", "输出负载百分比", "Auslastung", "출력 부하율"),
    ("bt_voltage_1", "PV input voltage", "光伏输入电压", "PV-Eingangsspannung", "태양광 입력 전압"),
    ("buzzer_mode", "Buzzer mode", "蜂鸣器模式", "Summer", "부저 모드"),
    ("cabinet_temperature", "Cabinet temperature", "机箱温度", "Gehäusetemperatur", "함체 온도"),
    ("charge_current", "Charge current", "充电电流", "Ladestrom", "충전 전류"),
    ("charge_current_l1", "Charge current L1", "充电电流L1", "Ladestrom L1", "충전 전류 L1"),
    ("charge_current_l2", "Charge current L2", "充电电流L2", "Ladestrom L2", "충전 전류 L2"),
    ("charge_current_l3", "Charge current L3", "充电电流L3", "Ladestrom L3", "충전 전류 L3"),
    ("charge_power", "Charge power", "充电功率", "Ladeleistung", "충전 전력"),
    ("charge_stop_soc", "Charge stop SOC", "充电停止电量", "Ladeende bei Ladestand", "충전 종료 잔량"),
    ("charged_total", "Total charged energy", "累计充电量", "Geladene Energie gesamt", "총 충전량"),
    ("charger_source_priority", "Charger source priority", "充电优先级", "Vorrang beim Laden", "충전 우선순위"),
    ("dc_current", "DC current", "直流电流", "DC-Strom", "직류 전류"),
    ("dc_power", "DC power", "直流功率", "DC-Leistung", "직류 전력"),
    ("dc_voltage", "DC voltage", "直流电压", "DC-Spannung", "직류 전압"),
    ("discharge_resume_soc_with_mains", "Discharge resume SOC with mains", "市电模式电池恢复放电电量", "Entladen wieder ab Ladestand mit Netz", "계통 연결 시 방전 재개 잔량"),
    ("discharge_stop_soc_with_mains", "Discharge stop SOC with mains", "市电模式电池停止放电电量", "Entladen bis Ladestand mit Netz", "계통 연결 시 방전 종료 잔량"),
    ("discharge_stop_soc_without_mains", "Discharge stop SOC without mains", "离网模式电池停止放电电量", "Entladen bis Ladestand ohne Netz", "독립 운전 시 방전 종료 잔량"),
    ("discharged_total", "Total discharged energy", "累计放电量", "Entladene Energie gesamt", "총 방전량"),
    ("energy_export", "Energy export", "反向有功电量", "Energieeinspeisung", "송전 전력량"),
    ("energy_import", "Energy import", "正向有功电量", "Energiebezug", "수전 전력량"),
    ("energy_today", "Energy today", "当日发电量", "Energie heute", "금일 발전량"),
    ("energy_total", "Energy total", "累计发电量", "Energie gesamt", "총 발전량"),
    ("gd_ac_output_rating_active_power", "AC output rating active power", "交流输出额定有功功率", "AC-Ausgangsnennwirkleistung", "교류 출력 정격 유효 전력"),
    ("gd_ac_output_rating_apparent_power", "AC output rating apparent power", "交流输出额定视在功率", "AC-Ausgangsnennscheinleistung", "교류 출력 정격 피상 전력"),
    ("gd_ac_output_rating_current", "AC output rating current", "交流输出额定电流", "AC-Ausgangsnennstrom", "교류 출력 정격 전류"),
    ("gd_battery_rating_voltage", "Battery rating voltage", "电池额定电压", "Batterienennspannung", "배터리 정격 전압"),
    ("gd_bse_input_voltage_read", "AC output rating voltage", "交流输出额定电压", "AC-Ausgangsnennspannung", "교류 출력 정격 전압"),
    ("gd_bse_output_frequency_read", "AC output rating frequency", "交流输出额定频率", "AC-Ausgangsnennfrequenz", "교류 출력 정격 주파수"),
    ("gd_grid_rating_current", "Grid rating current", "电网额定电流", "Netznennstrom", "계통 정격 전류"),
    ("gd_grid_rating_voltage", "Grid rating voltage", "电网额定电压", "Netznennspannung", "계통 정격 전압"),
    ("grid_active_power", "Grid power", "电网功率", "Netzleistung", "계통 전력"),
    ("grid_current_l1", "Grid R current", "电网R相电流", "Netzstrom L1", "계통 R상 전류"),
    ("grid_current_l2", "Grid S current", "电网S相电流", "Netzstrom L2", "계통 S상 전류"),
    ("grid_current_l3", "Grid T current", "电网T相电流", "Netzstrom L3", "계통 T상 전류"),
    ("grid_frequency", "Grid frequency", "电网频率", "Netzfrequenz", "계통 주파수"),
    ("grid_power_l1", "Grid R power", "电网R相功率", "Netzleistung L1", "계통 R상 전력"),
    ("grid_power_l2", "Grid S power", "电网S相功率", "Netzleistung L2", "계통 S상 전력"),
    ("grid_power_l3", "Grid T power", "电网T相功率", "Netzleistung L3", "계통 T상 전력"),
    ("grid_voltage_l1", "Grid R voltage", "电网R相电压", "Netzspannung L1", "계통 R상 전압"),
    ("grid_voltage_l2", "Grid S voltage", "电网S相电压", "Netzspannung L2", "계통 S상 전압"),
    ("grid_voltage_l3", "Grid T voltage", "电网T相电压", "Netzspannung L3", "계통 T상 전압"),
    ("heat_sink_temperature", "Heat sink temperature", "散热器温度", "Kühlkörpertemperatur", "방열판 온도"),
    ("input_voltage_range", "Input voltage range", "输入电压范围", "Eingangsspannungsbereich", "입력 전압 범위"),
    ("inverter_state", "Inverter state", "逆变器状态", "Wechselrichterstatus", "인버터 상태"),
    ("load_active_power", "Load power", "负载功率", "Lastleistung", "부하 전력"),
    ("max_ac_charging_current", "Maximum mains charging current", "最大市电充电电流", "Größter Ladestrom aus dem Netz", "최대 계통 충전 전류"),
    ("max_charging_current", "Maximum charging current", "最大充电电流", "Größter Ladestrom", "최대 충전 전류"),
    ("mode", "Mode", "模式", "Modus", "모드"),
    ("mode_fast", "Fast", "快速", "Schnell", "고속"),
    ("mode_min_solar", "Minimum and solar", "最小加太阳能", "Minimum und Sonne", "최소 및 태양광"),
    ("mode_off", "Off", "关闭", "Aus", "꺼짐"),
    ("mode_solar", "Solar", "太阳能", "Sonne", "태양광"),
    ("output_apparent_power", "Output apparent power", "输出视在功率", "Scheinleistung", "출력 피상 전력"),
    ("output_power", "Output power", "输出功率", "Ausgangsleistung", "출력 전력"),
    ("output_reactive_power", "Output reactive power", "输出无功功率", "Blindleistung", "출력 무효 전력"),
    ("output_source_priority", "Output source priority", "输出源优先级", "Vorrang der Versorgung", "출력 우선순위"),
    ("phases", "Phases", "相数", "Phasen", "상 수"),
    ("phases_auto", "Automatic", "自动", "Automatisch", "자동"),
    ("phases_one", "One phase", "单相", "Eine Phase", "단상"),
    ("phases_three", "Three phases", "三相", "Drei Phasen", "삼상"),
    ("pilot", "Control pilot", "控制导引", "Pilotsignal", "제어 파일럿"),
    ("power", "Active power", "有功功率", "Wirkleistung", "유효 전력"),
    ("power_factor", "Power factor", "功率因数", "Leistungsfaktor", "역률"),
    ("pv1_current", "PV1 current", "PV1电流", "PV1 Strom", "PV1 전류"),
    ("pv1_energy", "PV1 energy", "PV1发电量", "PV1 Energie", "PV1 발전량"),
    ("pv1_power", "PV1 power", "PV1功率", "PV1 Leistung", "PV1 전력"),
    ("pv1_voltage", "PV1 voltage", "PV1电压", "PV1 Spannung", "PV1 전압"),
    ("pv2_current", "PV2 current", "PV2电流", "PV2 Strom", "PV2 전류"),
    ("pv2_energy", "PV2 energy", "PV2发电量", "PV2 Energie", "PV2 발전량"),
    ("pv2_power", "PV2 power", "PV2功率", "PV2 Leistung", "PV2 전력"),
    ("pv2_voltage", "PV2 voltage", "PV2电压", "PV2 Spannung", "PV2 전압"),
    ("pv3_current", "PV3 current", "PV3电流", "PV3 Strom", "PV3 전류"),
    ("pv3_energy", "PV3 energy", "PV3发电量", "PV3 Energie", "PV3 발전량"),
    ("pv3_power", "PV3 power", "PV3功率", "PV3 Leistung", "PV3 전력"),
    ("pv3_voltage", "PV3 voltage", "PV3电压", "PV3 Spannung", "PV3 전압"),
    ("pv4_current", "PV4 current", "PV4电流", "PV4 Strom", "PV4 전류"),
    ("pv4_energy", "PV4 energy", "PV4发电量", "PV4 Energie", "PV4 발전량"),
    ("pv4_power", "PV4 power", "PV4功率", "PV4 Leistung", "PV4 전력"),
    ("pv4_voltage", "PV4 voltage", "PV4电压", "PV4 Spannung", "PV4 전압"),
    ("pv_input_current", "PV input current", "光伏输入电流", "PV-Eingangsstrom", "태양광 입력 전류"),
    ("pv_output_power", "PV power", "光伏功率", "PV-Leistung", "태양광 전력"),
    ("session_energy", "Session energy", "本次充电量", "Energie dieser Ladung", "이번 충전량"),
    ("soc", "Battery capacity", "电池容量", "Batterieladestand", "배터리 잔량"),
    ("solar_power_priority", "Solar power priority", "太阳能优先级", "Vorrang des Sonnenstroms", "태양광 우선순위"),
    ("sy_main_cpu1_firmware_version", "Main CPU1 firmware version", "主CPU1固件版本", "Firmware Haupt-CPU1", "주 CPU1 펌웨어 버전"),
    ("sy_main_cpu2_firmware_version", "Main CPU2 firmware version", "主CPU2固件版本", "Firmware Haupt-CPU2", "주 CPU2 펌웨어 버전"),
    ("sy_model", "Model", "型号", "Modell", "모델"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_are_found_in_every_language() {
        assert!(TITLES.is_sorted_by(|a, b| a.0 < b.0));
        for (key, ..) in TITLES {
            for lang in Lang::ALL {
                assert!(title(key, lang).is_some_and(|text| !text.is_empty()), "{key}");
            }
        }
        assert_eq!(title("grid_frequency", Lang::Zh), Some("电网频率"));
        assert_eq!(title("nothing", Lang::En), None);
    }

    #[test]
    fn english_titles_make_names_of_metrics() {
        for (key, en, ..) in TITLES {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == ' ';
            assert!(
                en.starts_with(|c: char| c.is_ascii_alphabetic()) && en.chars().all(fits),
                "{key}"
            );
        }
    }

    #[test]
    fn languages_go_by_their_prefix() {
        for (text, lang) in [
            ("en_US", Lang::En),
            ("zh_CN", Lang::Zh),
            ("zh", Lang::Zh),
            ("de_DE", Lang::De),
            ("ko_KR", Lang::Ko),
            ("DE", Lang::De),
            ("pt_BR", Lang::En),
            ("", Lang::En),
            ("中", Lang::En),
        ] {
            assert_eq!(Lang::read(text), lang, "{text}");
        }
        let texts = Lang::ALL.map(|lang| alarm(AlarmCode::DeviceOffline, lang));
        assert!(
            texts
                .iter()
                .enumerate()
                .all(|(nth, text)| !texts[..nth].contains(text))
        );
        let stored = serde_json::to_value(AlarmCode::SocStale).unwrap();
        assert_eq!(stored, AlarmCode::SocStale.name());
    }
}
