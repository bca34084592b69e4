//! Every action asked as a client asks it, signature and all: the bytes of its answer, and the types in it.

use serde_json::Value;

use super::super::actions::{self, Kind, TABLE};
use super::super::error::Refusal;
use super::super::request::{self, Request};
use super::super::want::Want;
use super::super::wire::{self, Dat};
use super::fixtures::{self, BATTERY, CHARGER, METER, PV, STORAGE, World, fetch};
use super::{SECRET, signed};

/// What a proved business call is answered, and what it had wanted.
pub fn ask(world: &World, tail: &str) -> (Result<Dat, Refusal>, Vec<Want>) {
    let query = signed(tail);
    let call = match request::read(&query).request {
        Ok(Request::Business(call)) => call,
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => return (Err(refusal), Vec::new()),
    };
    assert_eq!(call.check(SECRET), Ok(()), "{tail}");
    let scene = world.scene();
    match call.row.wants(call.params(), &scene) {
        Ok(wants) => {
            let got = wants.iter().map(|want| fetch(want, world)).collect();
            (call.row.answer(call.params(), &scene, got), wants)
        }
        Err(refusal) => (Err(refusal), Vec::new()),
    }
}

pub fn body(world: &World, tail: &str) -> String {
    String::from_utf8(wire::envelope(&ask(world, tail).0)).unwrap()
}

/// An action with its parameters, once for each.
fn calls() -> Vec<(&'static str, String)> {
    let pv = |rest: &str| format!("{PV}{rest}");
    let battery = |rest: &str| format!("{BATTERY}{rest}");
    let storage = |rest: &str| format!("{STORAGE}{rest}");
    let plain = |text: &str| text.to_owned();
    let rc4 = "673fd90073fce474a2a31718afa9f15ed008f82d5dad475fe01e9d0c6d2b342aca40e6a2f4b4f785";
    let lists = "&device=G0916522248153,512,1,9900000000001;E5000099990001,2341,1,92932004102443";
    vec![
        (
            "addCollectorToPlant",
            plain("&plantid=1&pn=W0011223344556&alias=7431"),
        ),
        (
            "addPlantBrowser",
            format!("&usr=guest&pwd={rc4}&pid=1,2&desc=look"),
        ),
        ("ctrlDevice", storage("&id=bse_output_source&val=Solar")),
        ("editPlant", plain("&plantid=1&name=Home&profit.coal=0.4")),
        ("queryAccountInfo", plain("")),
        ("queryCollectorCount", plain("")),
        ("queryCollectorCountEs", plain("")),
        ("queryCollectorDevices", plain("&pn=G0916522248153")),
        ("queryCollectorInfo", plain("&pn=G0916522248153,E5000099990001")),
        ("queryCollectorStatus", plain("&pn=E5000099990001")),
        ("queryCollectors", plain("&pagesize=20&pn=")),
        ("queryDeviceActiveOuputPowerCurrent", pv("")),
        ("queryDeviceActiveOuputPowerOneDay", pv("&date=2026-06-14")),
        ("queryDeviceActiveOuputPowerOneDay24Hour", pv("&date=2026-06-14")),
        (
            "queryDeviceChartFieldDetailData",
            pv("&field=grid_frequency&precision=5&sdate=2026-06-14%2000:00:00&edate=2026-06-15%2000:00:00"),
        ),
        ("queryDeviceChartsFieldsEs", storage("")),
        ("queryDeviceCount", plain("&plantid=1")),
        ("queryDeviceCtrlField", storage("&i18n=en_US")),
        ("queryDeviceCtrlValue", storage("&id=bat_bulk")),
        ("queryDeviceDataOneDay", pv("&date=2026-06-14&i18n=en_US")),
        (
            "queryDeviceDataOneDayPaging",
            pv("&date=2026-06-14&i18n=en_US&page=0&pagesize=2&oddEvenRow=null"),
        ),
        ("queryDeviceEnergyDay", pv("")),
        ("queryDeviceEnergyMonth", pv("&date=2026-06")),
        ("queryDeviceEnergyMonthPerDay", pv("&date=2026-02")),
        ("queryDeviceEnergyTotal", pv("")),
        ("queryDeviceEnergyTotalPerYear", pv("")),
        ("queryDeviceEnergyYear", pv("&date=2026")),
        ("queryDeviceEnergyYearPerMonth", pv("&date=2026")),
        ("queryDeviceFields", pv("")),
        ("queryDeviceInfo", plain(lists)),
        (
            "queryDeviceKeyParameterMonth",
            pv("&parameter=output_power&date=2026-05"),
        ),
        (
            "queryDeviceKeyParameterOneDay",
            pv("&parameter=ENERGY_TODAY&date=2026-06-14"),
        ),
        ("queryDeviceLastData", pv("&i18n=en_US")),
        ("queryDeviceLastRawData", storage("")),
        ("queryDeviceRawDataOneDay", storage("&date=2026-06-15")),
        ("queryDeviceRealLastData", pv("&date=2026-06-15")),
        ("queryDeviceStatus", plain(lists)),
        ("queryDeviceViewField", pv("&i18n=zh_CN")),
        ("queryDeviceWarning", format!("{METER}&i18n=en_US")),
        ("queryDeviceWarningCount", METER.to_owned()),
        ("queryDevices", plain("&plantid=1&pagesize=2")),
        ("queryPlantActiveOuputPowerCurrent", plain("&plantid=1")),
        (
            "queryPlantActiveOuputPowerOneDay",
            plain("&plantid=1&date=2026-06-14"),
        ),
        ("queryPlantCount", plain("")),
        (
            "queryPlantCurrentData",
            plain(
                "&plantid=1&par=ENERGY_TODAY,ENERGY_MONTH,ENERGY_YEAR,ENERGY_TOTAL,ENERGY_PROCEEDS,ENERGY_CO2,CURRENT_TEMP,CURRENT_RADIANT,BATTERY_SOC,CURRENT_POWER,ENERGY_COAL,ENERGY_SO2",
            ),
        ),
        ("queryPlantDeviceChartsFields", plain("&plantid=1&devtype=512")),
        (
            "queryPlantDeviceChartsFieldsByType",
            plain("&plantid=1&devtype=512&devcode=512&type=1"),
        ),
        (
            "queryPlantDeviceDesignatedInformation",
            plain("&plantid=1&devtype=512&parameter=energy_today,energy_total,output_power,grid_frequency"),
        ),
        ("queryPlantDeviceStatus", plain("&plantid=1")),
        ("queryPlantDeviceView", plain("&plantid=2&pn=E5000099990001")),
        ("queryPlantEnergyDay", plain("&plantid=1&date=2026-06-14")),
        ("queryPlantEnergyMonth", plain("&plantid=1&date=2026-06")),
        ("queryPlantEnergyMonthPerDay", plain("&plantid=1&date=2026-06")),
        ("queryPlantEnergyTotal", plain("&plantid=1")),
        ("queryPlantEnergyTotalPerYear", plain("&plantid=1")),
        ("queryPlantEnergyYear", plain("&plantid=1&date=2026")),
        ("queryPlantEnergyYearPerMonth", plain("&plantid=1&date=2026")),
        ("queryPlantInfo", plain("&plantid=1&date=2026-06")),
        ("queryPlantOwners", plain("&pagesize=10")),
        ("queryPlantWarning", plain("&plantid=1&i18n=de_DE&pagesize=10")),
        ("queryPlantWarningCount", plain("&plantid=1&handle=true")),
        ("queryPlants", plain("&page=0&pagesize=10&i18n=en_US&lang=en_US")),
        ("queryPlantsActiveOuputPowerCurrent", plain("")),
        ("queryPlantsActiveOuputPowerOneDay", plain("&date=2026-06-14")),
        ("queryPlantsEnergyMonthPerDay", plain("&date=2026-02")),
        ("queryPlantsEnergyTotal", plain("")),
        ("queryPlantsEnergyTotalPerYear", plain("")),
        ("queryPlantsEnergyYearPerMonth", plain("&date=2026")),
        ("queryPlantsInfo", plain("")),
        ("queryPlantsWarning", plain("&i18n=ko_KR&pagesize=2&page=1")),
        (
            "querySPDeviceKeyParameterMonthPerDay",
            plain("&parameter=battery_energy_today_discharge&date=2026-02"),
        ),
        (
            "querySPDeviceKeyParameterOneDay",
            battery("&parameter=PV_OUTPUT_POWER&date=2026-06-14&chartStatus=false"),
        ),
        (
            "querySPDeviceKeyParameterTotalPerYear",
            plain("&parameter=LOAD_ENERGY_TOTAL"),
        ),
        ("querySPDeviceLastData", storage("&i18n=en_US")),
        (
            "querySPDevicesKeyParamMonthPerDay",
            plain("&parameter=energy_today&devcode=2304&date=2026-02-01"),
        ),
        ("querySPKeyParameters", battery("")),
        ("sendCmdToDevice", storage("&cmd=QPIGS")),
        ("updatePassword", format!("&newpwd={rc4}")),
        ("updateToken", plain("")),
        ("webQueryCollectorsEs", plain("&pid=2&page=0&pagesize=10")),
        ("webQueryDeviceCtrlField", CHARGER.to_owned()),
        ("webQueryDeviceEnergyFlowEs", battery("")),
        ("webQueryDeviceEs", plain("")),
        ("webQueryPlants", plain("&page=0&pagesize=15")),
        (
            "webQueryPlantsWarning",
            plain("&mode=strict&handle=false&page=0&pagesize=8"),
        ),
        ("queryDeviceParsEs", battery("&i18n=de_DE")),
    ]
}

fn file(name: &str) -> String {
    format!("{}/testdata/shinemonitor/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// `UPDATE_GOLDEN=1` writes what is answered, to be read before it is kept.
#[test]
fn every_action_answers_as_it_is_kept() {
    let mut missing = Vec::new();
    for (action, params) in calls() {
        let mut world = fixtures::world();
        if action == "queryPlantOwners" {
            world.caller.role = super::super::scene::Role::Dealer;
            world.others = vec![fixtures::account(5, "owner5", super::super::scene::Role::Owner)];
        }
        let body = body(&world, &format!("&action={action}{params}")) + "\n";
        let path = file(&format!("answers/{action}.json"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &body).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        if kept != body {
            missing.push(format!("{action}:\n  kept     {kept}  answered {body}"));
        }
        assert!(
            body.starts_with("{\"err\":0,\"desc\":\"ERR_NONE\""),
            "{action}: {body}"
        );
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn every_row_is_sorted_and_asked_by_a_test() {
    assert!(TABLE.is_sorted_by(|a, b| a.name < b.name));
    let asked: Vec<&str> = calls().iter().map(|call| call.0).collect();
    for row in TABLE {
        assert_eq!(actions::row(row.name).map(|found| found.name), Some(row.name));
        let is_business = matches!(row.kind, Kind::Known(_) | Kind::Asking { .. }) && row.name != "addPlant";
        assert_eq!(asked.contains(&row.name), is_business, "{}", row.name);
    }
    let writing: Vec<&str> = TABLE
        .iter()
        .filter(|row| row.writes)
        .map(|row| row.name)
        .collect();
    assert_eq!(
        writing,
        [
            "addCollectorToPlant",
            "addPlantBrowser",
            "ctrlDevice",
            "editPlant",
            "sendCmdToDevice",
            "updatePassword"
        ]
    );
    assert!(actions::row("addplant").is_none() && actions::row("AUTH").is_none());
}

/// Elements at a path like `plant[].address.lon`.
fn at_path<'v>(value: &'v Value, path: &str) -> Vec<Option<&'v Value>> {
    let mut found = vec![Some(value)];
    for part in path.split('.').filter(|part| !part.is_empty()) {
        let name = part.trim_end_matches("[]");
        let mut next = Vec::new();
        for value in found {
            let member = if name.is_empty() {
                value
            } else {
                value.and_then(|value| value.get(name))
            };
            match (part.ends_with("[]"), member) {
                (true, Some(Value::Array(all))) => next.extend(all.iter().map(Some)),
                (_, member) => next.push(member),
            }
        }
        found = next;
    }
    found
}

fn is_of(kind: &str, value: &Value) -> bool {
    let hex = |text: &str, length: usize| {
        text.len() == length
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let decimal = |text: &str| text.parse::<f64>().is_ok() && !text.contains(['e', 'E', '+']);
    let text = value.as_str();
    match kind {
        "int" => value.is_i64() || value.is_u64(),
        "float" => value.is_f64(),
        "bool" => value.is_boolean(),
        "string" => text.is_some(),
        "hex32" => text.is_some_and(|text| hex(text, 32)),
        "hex40" => text.is_some_and(|text| hex(text, 40)),
        "hex64" => text.is_some_and(|text| hex(text, 64)),
        "ts" => text.is_some_and(|text| text.len() == 19 && time_of(text)),
        "date" => text.is_some_and(|text| matches!(text.len(), 4 | 10)),
        "decimal" => text.is_some_and(decimal),
        "decimal|int" => text.is_some_and(decimal) || value.is_i64(),
        "dec4" => text.is_some_and(|text| {
            decimal(text)
                && text
                    .rsplit_once('.')
                    .is_some_and(|(_, fraction)| fraction.len() == 4)
        }),
        "base64" => text.is_some_and(|text| text.len() % 4 == 0),
        "hexbytes" => value.is_null() || text.is_some_and(|text| text.split(' ').all(|pair| pair.len() == 2)),
        other => panic!("unknown type {other}"),
    }
}

fn time_of(text: &str) -> bool {
    super::super::time::read_moment(text, &jiff::tz::TimeZone::UTC).is_some()
}

/// Strict clients stop at a number where they read text, and the other way round.
#[test]
fn members_have_the_types_that_strict_clients_read() {
    let shapes = std::fs::read_to_string(file("shapes.tsv")).unwrap();
    let mut checked = 0;
    for line in shapes.lines().filter(|line| !line.starts_with('#')) {
        let [action, path, kind] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let (kind, is_optional) = kind.strip_suffix('?').map_or((kind, false), |kind| (kind, true));
        let kept = std::fs::read_to_string(file(&format!("answers/{action}.json")));
        let dat = match kept {
            Ok(kept) => serde_json::from_str::<Value>(&kept).unwrap()["dat"].clone(),
            Err(_) if action.starts_with("auth") => {
                actions::login_dat(&fixtures::session(&fixtures::world()))
            }
            Err(error) => panic!("{action}: {error}"),
        };
        for value in at_path(&dat, path) {
            match value {
                Some(value) => assert!(is_of(kind, value), "{line}: {value}"),
                None => assert!(is_optional, "{line}: missing"),
            }
            checked += 1;
        }
    }
    assert!(checked > 1_500, "{checked}");
}
