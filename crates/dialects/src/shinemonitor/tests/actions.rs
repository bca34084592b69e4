//! What actions do beside answering as they are kept: refusals, limits, zones, languages, deeds.

use jiff::tz::TimeZone;
use model::alarm::Severity;
use model::control::Order;
use model::device::ChargeMode;
use model::id::DeviceId;
use model::intent::{Rejection, Wanted};
use model::phases::Phases;
use model::reading::Measured;
use model::time::Timestamp;
use model::units::{MilliAmps, WattHours, Watts};
use serde_json::Value;

use super::super::error::Refusal;
use super::super::request::{self, Request};
use super::super::scene::{Gateway, Role, Sheet};
use super::super::want::{Deed, Done, Got, Per, Want};
use super::fixtures::{self, BATTERY, CHARGER, METER, PV, STORAGE, World, world};
use super::golden::{ask, body};
use super::signed;

fn refused(world: &World, tail: &str) -> String {
    ask(world, tail)
        .0
        .map_or_else(|refusal| refusal.text(), |dat| format!("{dat:?}"))
}

fn dat(world: &World, tail: &str) -> Value {
    match ask(world, tail).0 {
        Ok(dat) => dat.unwrap_or_default(),
        Err(refusal) => panic!("{tail}: {}", refusal.text()),
    }
}

fn can_not_find(name: &str) -> String {
    format!("ERR_FORMAT(can not found {name})")
}

#[test]
fn parameters_that_are_missing_or_wrong_are_named() {
    let world = world();
    for (tail, name) in [
        ("&action=queryPlantInfo".to_owned(), "plantid"),
        ("&action=queryPlantInfo&plantid=one".to_owned(), "plantid"),
        ("&action=queryPlantEnergyDay&plantid=1&date=2026-02-30".to_owned(), "date"),
        ("&action=queryPlantEnergyMonth&plantid=1&date=0000-01".to_owned(), "date"),
        ("&action=queryPlantEnergyYear&plantid=1&date=26".to_owned(), "date"),
        ("&action=queryPlants&orderBy=name".to_owned(), "orderBy"),
        ("&action=queryPlants&status=x".to_owned(), "status"),
        ("&action=queryCollectorInfo".to_owned(), "pn"),
        ("&action=queryDeviceInfo".to_owned(), "device"),
        ("&action=queryDeviceStatus&device=G0916522248153,512,1".to_owned(), "device"),
        ("&action=queryDeviceLastData&pn=G0916522248153".to_owned(), "devcode"),
        (format!("&action=queryDeviceEnergyMonth{PV}"), "date"),
        (format!("&action=queryDeviceActiveOuputPowerOneDay{PV}"), "date"),
        (format!("&action=queryDeviceRealLastData{PV}"), "date"),
        (format!("&action=queryDeviceKeyParameterOneDay{PV}"), "parameter"),
        (format!("&action=queryDeviceKeyParameterOneDay{PV}&parameter=SOC"), "parameter"),
        (format!("&action=querySPDeviceKeyParameterOneDay{BATTERY}&parameter=SOC"), "date"),
        ("&action=querySPDeviceKeyParameterMonthPerDay&parameter=ENERGY_TODAY".to_owned(), "parameter"),
        ("&action=querySPDevicesKeyParamMonthPerDay&parameter=ENERGY_TODAY".to_owned(), "devcode"),
        (format!("&action=queryDeviceCtrlValue{STORAGE}"), "id"),
        (format!("&action=ctrlDevice{STORAGE}&id=bat_bulk"), "val"),
        (format!("&action=ctrlDevice{STORAGE}&id=bse_output_source&val=2"), "val"),
        ("&action=queryPlantWarning&plantid=1&level=4".to_owned(), "level"),
        ("&action=queryPlantWarning&plantid=1&handle=maybe".to_owned(), "handle"),
        ("&action=queryPlantWarning&plantid=1&sdate=2026-06-01%2000:00:00".to_owned(), "edate"),
        ("&action=queryPlantCurrentData&plantid=1&par=ENERGY_TODAY,NOTHING".to_owned(), "par"),
        ("&action=queryPlantEnergyMonthPerDay&plantid=1&customizePeriod=1".to_owned(), "startDate"),
        (
            "&action=queryPlantEnergyMonthPerDay&plantid=1&customizePeriod=1&startDate=2026-01-01&endDate=2027-01-02"
                .to_owned(),
            "endDate",
        ),
        (
            format!("&action=queryDeviceChartFieldDetailData{PV}&field=nothing&precision=5&sdate=2026-06-14%2000:00:00&edate=2026-06-15%2000:00:00"),
            "field",
        ),
        (
            format!("&action=queryDeviceChartFieldDetailData{PV}&field=grid_frequency&precision=0&sdate=2026-06-14%2000:00:00&edate=2026-06-15%2000:00:00"),
            "precision",
        ),
        (
            format!("&action=queryDeviceChartFieldDetailData{PV}&field=grid_frequency&precision=5&sdate=2026-05-14%2000:00:00&edate=2026-06-15%2000:00:00"),
            "edate",
        ),
        (format!("&action=queryDeviceChartFieldDetailData{PV}&field=grid_frequency&precision=5"), "sdate"),
    ] {
        assert_eq!(refused(&world, &tail), can_not_find(name), "{tail}");
    }
}

#[test]
fn what_is_not_there_is_told_apart() {
    let world = world();
    let unknown_device = PV.replace("devcode=512", "devcode=513");
    let long = |entry: &str, between: &str| vec![entry; 257].join(between);
    let wrong = format!(
        "{};G0916522248153,512,1,nothing",
        vec!["G0916522248153,512,1,9900000000001"; 255].join(";")
    );
    for (tail, expected) in [
        ("&action=queryPlantInfo&plantid=3".to_owned(), "ERR_NO_PERMISSION"),
        (
            "&action=queryPlantInfo&plantid=4".to_owned(),
            "ERR_NOT_FOUND_PLANT",
        ),
        (
            "&action=queryPlants&plantName=castle".to_owned(),
            "ERR_NOT_FOUND_PLANT",
        ),
        (
            "&action=queryPlantCount&status=3".to_owned(),
            "ERR_NOT_FOUND_PLANT",
        ),
        (
            "&action=queryDeviceCount&plantid=4".to_owned(),
            "ERR_NOT_FOUND_PLANT",
        ),
        (
            "&action=queryPlantDeviceStatus&plantid=1&pn=E5000099990001".to_owned(),
            "ERR_NOT_FOUND_COLLECTOR",
        ),
        (
            "&action=queryCollectors&pn=zzz".to_owned(),
            "ERR_NOT_FOUND_COLLECTOR",
        ),
        (
            "&action=queryCollectorInfo&pn=G0916522248153,X".to_owned(),
            "ERR_NOT_FOUND_COLLECTOR",
        ),
        (
            format!("&action=queryCollectorStatus&pn={}", long("G0916522248153", ",")),
            "ERR_OVER_LIMITED",
        ),
        (
            format!(
                "&action=queryDeviceStatus&device={}",
                long("G0916522248153,512,1,9900000000001", ";")
            ),
            "ERR_OVER_LIMITED",
        ),
        // 256 devices, one of them wrong.
        (
            format!("&action=queryDeviceStatus&device={wrong}"),
            "ERR_NOT_FOUND_DEVICE",
        ),
        (
            "&action=queryDeviceStatus&device=X,512,1,9900000000001".to_owned(),
            "ERR_NOT_FOUND_COLLECTOR",
        ),
        (
            "&action=queryDevices&alias=zzz".to_owned(),
            "ERR_NOT_FOUND_DEVICE",
        ),
        (
            format!("&action=queryDeviceLastData{unknown_device}"),
            "ERR_NOT_FOUND_DEVICE",
        ),
        (
            "&action=queryPlantEnergyDay&plantid=2".to_owned(),
            "ERR_NO_RECORD",
        ),
        (
            "&action=queryPlantEnergyTotal&plantid=2".to_owned(),
            "ERR_NO_RECORD",
        ),
        (
            "&action=queryPlantActiveOuputPowerCurrent&plantid=2".to_owned(),
            "ERR_NO_RECORD",
        ),
        (
            "&action=queryPlantActiveOuputPowerOneDay&plantid=2".to_owned(),
            "ERR_NO_RECORD",
        ),
        (format!("&action=queryDeviceEnergyDay{STORAGE}"), "ERR_NO_RECORD"),
        (
            format!("&action=queryDeviceEnergyTotal{STORAGE}"),
            "ERR_NO_RECORD",
        ),
        (
            format!("&action=queryDeviceEnergyMonthPerDay{STORAGE}"),
            "ERR_NO_RECORD",
        ),
        (
            format!("&action=queryDeviceEnergyTotalPerYear{STORAGE}"),
            "ERR_NO_RECORD",
        ),
        (format!("&action=queryDeviceDataOneDay{STORAGE}"), "ERR_NO_RECORD"),
        (
            format!("&action=queryDeviceRealLastData{PV}&date=2026-06-14"),
            "ERR_NO_RECORD",
        ),
        (format!("&action=queryDeviceLastRawData{PV}"), "ERR_NO_RECORD"),
        (
            format!("&action=queryDeviceRawDataOneDay{STORAGE}&date=2026-06-14"),
            "ERR_NO_RECORD",
        ),
        (format!("&action=queryDeviceCtrlField{PV}"), "ERR_NO_RECORD"),
        (
            format!("&action=queryDeviceCtrlValue{PV}&id=x"),
            "ERR_UNSUPPORTED",
        ),
        (
            "&action=queryPlantWarning&plantid=2".to_owned(),
            "ERR_NOT_FOUND_DEVICE_WARNING",
        ),
        (
            "&action=webQueryPlantsWarning&pn=E5000099990001".to_owned(),
            "ERR_NOT_FOUND_DEVICE_WARNING",
        ),
        (
            "&action=webQueryDeviceEs&status=1".to_owned(),
            "ERR_NOT_FOUND_DEVICE",
        ),
        (
            "&action=webQueryCollectorsEs&pid=9".to_owned(),
            "ERR_NOT_FOUND_COLLECTOR",
        ),
        (
            "&action=queryPlantDeviceDesignatedInformation&plantid=2&devtype=512".to_owned(),
            "ERR_NOT_FOUND_DEVICE",
        ),
        (
            "&action=querySPDevicesKeyParamMonthPerDay&parameter=ENERGY_TODAY&devcode=1".to_owned(),
            "ERR_NOT_FOUND_DEVICE",
        ),
        ("&action=queryAccountInfo&uid=8".to_owned(), "ERR_NO_PERMISSION"),
        ("&action=queryPlantOwners".to_owned(), "ERR_NO_PERMISSION"),
        (
            format!(
                "&action=queryDeviceChartFieldDetailData{PV}&field=pv1_voltage&precision=5&sdate=2026-06-14%2000:00:00&edate=2026-06-15%2000:00:00"
            ),
            "ERR_NO_RECORD",
        ),
        (
            format!(
                "&action=queryDeviceChartFieldDetailData{PV}&field=grid_frequency&precision=1&sdate=2026-06-01%2000:00:00&edate=2026-06-15%2000:00:00"
            ),
            "ERR_OVER_LIMITED",
        ),
    ] {
        assert_eq!(refused(&world, &tail), expected, "{tail}");
    }
    // Lists and counts for which nothing is an answer.
    assert_eq!(
        dat(
            &world,
            "&action=queryPlantDeviceChartsFields&plantid=2&devtype=512"
        ),
        serde_json::json!([])
    );
    assert_eq!(dat(&world, "&action=queryDeviceCount&devtype=1536")["count"], 0);
    assert_eq!(
        dat(&world, "&action=queryPlantWarningCount&plantid=2")["count"],
        0
    );
    assert_eq!(
        dat(&world, "&action=queryPlantEnergyTotalPerYear&plantid=2")["peryear"][0]["val"],
        "0.0000"
    );

    let mut nobody = fixtures::world();
    nobody.plants.clear();
    for action in [
        "queryPlants",
        "queryPlantsInfo",
        "webQueryPlants",
        "queryPlantsWarning",
        "queryPlantsEnergyTotal",
        "queryPlantsEnergyMonthPerDay",
        "queryPlantsEnergyTotalPerYear",
        "queryPlantsActiveOuputPowerCurrent",
        "queryPlantsActiveOuputPowerOneDay",
    ] {
        assert_eq!(
            refused(&nobody, &format!("&action={action}")),
            "ERR_NOT_FOUND_PLANT",
            "{action}"
        );
    }
}

#[test]
fn states_are_those_of_links_and_alarms() {
    let status = |world: &World| {
        let tree = dat(world, "&action=queryPlantDeviceStatus&plantid=1");
        let device = &tree["collector"][0]["device"][0];
        [&tree["status"], &device["status"], &device["comStatus"]].map(|value| value.as_i64().unwrap())
    };
    let mut world = world();
    assert_eq!(status(&world), [4, 4, 1]);
    world.plants[0].has_open_alarm = false;
    world.device("pv").alarm = Some(Severity::Error);
    assert_eq!(status(&world), [0, 5, 1]);
    world.device("pv").alarm = None;
    world.device("pv").is_fresh = false;
    assert_eq!(status(&world), [0, 0, 0]);
    for device in &mut world.devices {
        device.is_online = false;
    }
    assert_eq!(status(&world), [1, 1, 0]);
    world.gateways[1].is_online = false;
    let found = dat(&world, "&action=queryCollectors&status=1");
    assert_eq!(
        (&found["total"], &found["collector"][0]["pn"]),
        (&1.into(), &fixtures::BARN_PN.into())
    );
}

#[test]
fn plants_are_sorted_and_paged() {
    let mut world = world();
    world.plants[1].sheet.installed = Some(Timestamp(0));
    for (order, first) in [
        ("ascPlantName", "Barn 谷仓"),
        ("descPlantName", "Home"),
        ("ascInstall", "Barn 谷仓"),
        ("descInstall", "Home"),
        ("ascStatus", "Barn 谷仓"),
        ("descStatus", "Home"),
    ] {
        let found = dat(&world, &format!("&action=queryPlants&orderBy={order}"));
        assert_eq!(found["plant"][0]["name"], first, "{order}");
        // The default page has one element.
        assert_eq!(
            (&found["total"], found["plant"].as_array().unwrap().len()),
            (&2.into(), 1)
        );
    }
    let found = dat(&world, "&action=queryPlants&page=1000000000&pagesize=1000000000");
    assert_eq!(
        (&found["pagesize"], &found["plant"]),
        (&50.into(), &serde_json::json!([]))
    );
    let found = dat(&world, "&action=queryPlants&plantName=%E8%B0%B7");
    assert_eq!(found["plant"][0]["pid"], 2);
}

#[test]
fn a_day_is_that_of_the_plant() {
    let mut world = world();
    let points = |world: &World, date: &str| {
        let tail = format!("&action=queryPlantActiveOuputPowerOneDay&plantid=1&date={date}");
        dat(world, &tail)["outputPower"].as_array().unwrap().clone()
    };
    assert_eq!(points(&world, "2026-03-29").len(), 276);
    assert_eq!(points(&world, "2025-10-26").len(), 300);
    world.plants[0].zone = TimeZone::get("Asia/Shanghai").unwrap();
    let day = points(&world, "2026-03-29");
    assert_eq!(
        (day.len(), &day[120]["ts"], &day[120]["val"]),
        (288, &"2026-03-29 10:00:00".into(), &"2.0000".into())
    );
    // It is evening there: what is asked without a date is still today, and midnight is theirs.
    let (_, wants) = ask(&world, "&action=queryPlantEnergyDay&plantid=1");
    let [
        Want::Energy {
            from,
            to,
            per: Per::Day,
            ..
        },
    ] = wants.as_slice()
    else {
        panic!("{wants:?}");
    };
    assert_eq!(
        (from.to_string(), to.to_string()),
        ("2026-06-15".to_owned(), "2026-06-16".to_owned())
    );
    let (_, wants) = ask(&world, "&action=queryPlantActiveOuputPowerOneDay&plantid=1");
    let [Want::Curve { from, .. }] = wants.as_slice() else {
        panic!("{wants:?}");
    };
    assert_eq!(super::super::time::utc_text(*from), "2026-06-14 16:00:00");
}

#[test]
fn sums_are_over_what_produces() {
    let mut world = world();
    let power = |world: &World| refused(world, "&action=queryPlantActiveOuputPowerCurrent&plantid=1");
    assert!(power(&world).contains("4.3210"), "{}", power(&world));
    // Stale: nothing now, but it has been heard.
    world.device("pv").is_fresh = false;
    assert!(power(&world).contains("0.0000"));
    world.device("pv").measured = Measured::default();
    assert_eq!(power(&world), "ERR_NO_RECORD");
    // A counter that is not among the latest readings is looked up.
    let total = dat(&world, "&action=queryPlantEnergyTotal&plantid=1");
    assert_eq!(total["energy"], "4500.5000");
    // At night an inverter may draw a little: that is no production.
    world.device("pv").measured.power = Some(Watts(12));
    world.device("pv").is_fresh = true;
    assert!(power(&world).contains("\"0.0000\""));
    // Without inverters, meters of production count.
    world.device("pv").kind = super::super::scene::DeviceType::Meter(model::device::MeterRole::Production);
    let day = dat(&world, "&action=queryPlantEnergyDay&plantid=1&date=2026-06-14");
    assert_eq!(day["energy"], "11.4000");
    let days = dat(
        &world,
        "&action=queryPlantEnergyMonthPerDay&plantid=1&customizePeriod=1&startDate=2026-06-13&endDate=2026-06-14",
    );
    assert_eq!(
        (&days["energyTotal"], days["perday"].as_array().unwrap().len()),
        (&serde_json::json!(22.7), 2)
    );
    let month = dat(
        &world,
        "&action=queryPlantEnergyMonthPerDay&plantid=1&date=2026-06&customizePeriod=1",
    );
    let perday = month["perday"].as_array().unwrap();
    assert_eq!(
        (perday.len(), &perday[29]["val"], &month["energyTotal"]),
        (30, &"0.0000".into(), &serde_json::json!(0.0))
    );
}

/// Plants under the same clock are asked for together, others by their own.
#[test]
fn sums_over_plants_follow_the_clock_of_each() {
    let mut world = world();
    // Its history is that of any device of another name.
    let barn = world.device("storage");
    barn.kind = super::super::scene::DeviceType::Inverter;
    barn.id = DeviceId::new("roof").unwrap();
    let ask_all = |world: &World| {
        let (days, wants) = ask(world, "&action=queryPlantsEnergyMonthPerDay&date=2026-02");
        let (power, _) = ask(world, "&action=queryPlantsActiveOuputPowerOneDay&date=2026-06-14");
        let (years, _) = ask(world, "&action=queryPlantsEnergyTotalPerYear");
        let [days, power, years] = [days, power, years].map(|result| result.unwrap().unwrap());
        let first = days["perday"][0]["val"].as_str().unwrap().to_owned();
        let ten = power["outputPower"][120]["val"].as_str().unwrap().to_owned();
        let year = years["peryear"][0]["val"].as_str().unwrap().to_owned();
        (wants.len(), first, ten, year)
    };
    let expected = |wants| {
        (
            wants,
            "20.2000".to_owned(),
            "4.0000".to_owned(),
            "2004.0500".to_owned(),
        )
    };
    assert_eq!(ask_all(&world), expected(1));
    world.plants[1].zone = TimeZone::get("Asia/Shanghai").unwrap();
    assert_eq!(ask_all(&world), expected(2));
    let total = dat(&world, "&action=queryPlantsEnergyTotal");
    assert_eq!(total["energy"], "16846.1780");
}

#[test]
fn titles_come_in_the_language_of_the_caller_but_the_first_two() {
    let world = world();
    let titles = |lang: &str| {
        let found = dat(&world, &format!("&action=queryDeviceLastData{PV}&i18n={lang}"));
        let title = |nth: usize| found[nth]["title"].as_str().unwrap().to_owned();
        [title(0), title(1), title(2), title(3)]
    };
    assert_eq!(titles("en"), ["id", "Timestamp", "Output power", "Energy today"]);
    assert_eq!(titles("zh_CN"), ["id", "Timestamp", "输出功率", "当日发电量"]);
    assert_eq!(
        titles("de_DE"),
        ["id", "Timestamp", "Ausgangsleistung", "Energie heute"]
    );
    assert_eq!(titles("ko_KR"), ["id", "Timestamp", "출력 전력", "금일 발전량"]);
    assert_eq!(titles("pt_BR"), titles("en_US"));
    let warning = |lang: &str| {
        let tail = format!("&action=queryDeviceWarning{METER}&i18n={lang}");
        dat(&world, &tail)["warning"][0]["desc"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (warning("zh_CN"), warning("de")),
        ("电表无数据".to_owned(), "Zähler schweigt".to_owned())
    );
    let field = |lang: &str| {
        let tail = format!("&action=queryDeviceCtrlField{CHARGER}&i18n={lang}");
        dat(&world, &tail)["field"][0]["item"][1]["val"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (field("en"), field("ko")),
        ("Solar".to_owned(), "태양광".to_owned())
    );
}

#[test]
fn an_alarm_of_no_device_is_one_of_the_gateway_of_its_plant() {
    let mut world = world();
    let logger = Gateway {
        pn: "E5000099990007".to_owned(),
        ..world.gateways[0].clone()
    };
    world.gateways.insert(0, logger);
    let found = dat(&world, "&action=queryPlantWarning&plantid=1&level=1");
    assert_eq!(found["warning"][0]["code"], "store_failing");
    assert_eq!(found["warning"][0]["pn"], "G0916522248153");
}

#[test]
fn a_logger_of_two_plants_is_listed_once_and_with_each_of_them() {
    let mut world = world();
    let shared = Gateway {
        pid: 1,
        ..world.gateways[1].clone()
    };
    world.gateways.push(shared);
    for (tail, expected) in [
        ("queryCollectors&pagesize=50", 2),
        ("queryCollectors&plantid=1&pagesize=50", 2),
        ("queryCollectors&plantid=2&pagesize=50", 1),
        ("webQueryCollectorsEs", 2),
        ("webQueryCollectorsEs&pid=1", 2),
    ] {
        assert_eq!(
            dat(&world, &format!("&action={tail}"))["total"],
            expected,
            "{tail}"
        );
    }
    assert_eq!(dat(&world, "&action=queryCollectorCount")["count"], 2);
}

#[test]
fn warnings_are_filtered() {
    let world = world();
    let codes = |tail: &str| {
        let (result, _) = ask(&world, &format!("&action={tail}&pagesize=50"));
        let dat = result.ok().flatten().unwrap_or_default();
        let all = dat["warning"].as_array().cloned().unwrap_or_default();
        let code = |warning: &Value| warning["code"].as_str().unwrap().to_owned();
        all.iter().map(code).collect::<Vec<_>>()
    };
    let all = ["not_following", "store_failing", "meter_silent"];
    assert_eq!(codes("queryPlantWarning&plantid=1"), all);
    assert_eq!(codes("queryPlantWarning&plantid=1&level=0"), all[..1]);
    assert_eq!(codes("queryPlantWarning&plantid=1&level=1"), all[1..2]);
    assert_eq!(codes("queryPlantWarning&plantid=1&level=3"), all[2..]);
    assert_eq!(codes("webQueryPlantsWarning&mode=strict&handle=false"), all[..1]);
    assert_eq!(codes("queryPlantWarning&plantid=1&handle=true"), all[1..]);
    // By the plant's clock the end is the moment itself; by UTC it is two hours later.
    let span = "&sdate=2026-06-10%2010:00:00&edate=2026-06-12%2010:00:00";
    assert_eq!(codes(&format!("queryPlantWarning&plantid=1{span}")), all[2..]);
    assert_eq!(codes(&format!("queryPlantsWarning{span}")), all[1..2]);
    assert_eq!(
        codes(&format!(
            "queryDeviceWarning&device={}",
            "G0916522248153,1024,2,9900000000002"
        )),
        all[2..]
    );
    assert_eq!(codes("queryPlantsWarning&devtype=1024"), all[2..]);
    assert_eq!(codes("queryPlantsWarning&search=pv"), all[..1]);
    assert_eq!(codes("queryPlantsWarning&city=muster"), all);
    assert!(
        codes("queryPlantsWarning&city=other").is_empty()
            && codes("queryPlantsWarning&pname=barn").is_empty()
    );
    assert_eq!(codes("webQueryPlantsWarning&pn=G0916522248153"), [all[0], all[2]]);
    let counted = dat(
        &world,
        &format!("&action=queryDeviceWarningCount{METER}&handle=false"),
    );
    assert_eq!(counted["count"], 0);
}

#[test]
fn plants_are_not_made_here_and_whoever_asks_is_told_why() {
    let mut world = world();
    let add = |world: &World, rest: &str| refused(world, &format!("&action=addPlant{rest}"));
    let right = "&name=Barn&address.timezone=3600&nominalPower=5";
    let long = format!("&name={}&address.timezone=3600", "a".repeat(65));
    for (rest, expected) in [
        ("", can_not_find("name")),
        ("&name=%20&address.timezone=0", can_not_find("name")),
        (long.as_str(), can_not_find("name")),
        ("&name=Barn", can_not_find("address.timezone")),
        (
            "&name=Barn&address.timezone=Vienna",
            can_not_find("address.timezone"),
        ),
        (
            "&name=Barn&address.timezone=64801",
            can_not_find("address.timezone"),
        ),
        (right, "ERR_UNSUPPORTED".to_owned()),
    ] {
        assert_eq!(add(&world, rest), expected, "{rest}");
    }
    world.caller.role = Role::Vendor;
    assert_eq!(add(&world, right), "ERR_NO_PERMISSION", "owners only");
    world.caller.role = Role::Owner;
    world.caller.may_edit = false;
    assert_eq!(add(&world, right), "ERR_NO_PERMISSION");
}

fn deed(world: &World, tail: &str) -> Result<Deed, String> {
    match ask(world, tail) {
        (Ok(_), wants) => match wants.into_iter().next() {
            Some(Want::Do(deed)) => Ok(deed),
            other => panic!("{tail}: {other:?}"),
        },
        (Err(refusal), _) => Err(refusal.text()),
    }
}

#[test]
fn controls_of_a_charging_station_become_wishes() {
    let mut world = world();
    let evse = || model::id::EvseId::new("charger").unwrap();
    let wanted = |world: &World, id: &str, value: &str| match deed(
        world,
        &format!("&action=ctrlDevice{CHARGER}&id={id}&val={value}"),
    ) {
        Ok(Deed::Wanted { wanted, .. }) => Ok(wanted),
        Ok(other) => panic!("{other:?}"),
        Err(text) => Err(text),
    };
    let mode = |mode| Ok(Wanted::Mode { evse: evse(), mode });
    assert_eq!(wanted(&world, "mode", "0"), mode(ChargeMode::Off));
    assert_eq!(
        wanted(&world, "mode", "minimum%20and%20solar"),
        mode(ChargeMode::MinSolar)
    );
    let current = |ma| {
        Ok(Wanted::Current {
            evse: evse(),
            current: MilliAmps(ma),
        })
    };
    assert_eq!(wanted(&world, "current", "6"), current(6_000));
    assert_eq!(wanted(&world, "current", "15.5"), current(15_500));
    let phases = |phases| Ok(Wanted::Phases { evse: evse(), phases });
    assert_eq!(wanted(&world, "phases", "0"), phases(None));
    assert_eq!(wanted(&world, "phases", "1"), phases(Some(Phases::One)));
    assert_eq!(
        wanted(&world, "phases", "Three+phases"),
        phases(Some(Phases::Three))
    );
    for (id, value) in [
        ("mode", "4"),
        ("current", "5.9"),
        ("current", "17"),
        ("current", "x"),
        ("phases", "2"),
    ] {
        assert_eq!(
            wanted(&world, id, value),
            Err(can_not_find("val")),
            "{id} {value}"
        );
    }
    assert_eq!(wanted(&world, "nothing", "1"), Err("ERR_UNSUPPORTED".to_owned()));
    // The desk decides whether its station can be reached.
    world.device("charger").is_online = false;
    assert_eq!(wanted(&world, "mode", "0"), mode(ChargeMode::Off));
    world.caller.may_control = false;
    assert_eq!(wanted(&world, "mode", "0"), Err("ERR_NO_PERMISSION".to_owned()));
    let charger = world.device("charger").charger.as_mut().unwrap();
    charger.switches_phases = false;
    let fields = dat(&world, &format!("&action=webQueryDeviceCtrlField{CHARGER}"));
    assert_eq!(fields["field"].as_array().unwrap().len(), 2);
    assert_eq!(fields["field"][1]["val"], "16");
}

#[test]
fn what_a_logger_carries_is_refused_where_it_can_not_arrive() {
    let mut world = world();
    let set = format!("&action=ctrlDevice{STORAGE}&id=bse_output_source&val=1");
    let ordered = |id: &str, value: &str, tail: &str| {
        let order = Order::Set {
            control: id.to_owned(),
            value: value.to_owned(),
        };
        let device = DeviceId::new("storage").unwrap();
        let Ok(Deed::Wanted { wanted, .. }) = deed(&world, tail) else {
            panic!("{tail}: {:?}", deed(&world, tail));
        };
        assert_eq!(wanted, Wanted::Order { device, order }, "{tail}");
    };
    ordered("bse_output_source", "1", &set);
    for (val, expected) in [("50", "50"), ("48.50", "48.5")] {
        let tail = format!("&action=ctrlDevice{STORAGE}&id=bat_bulk&val={val}");
        ordered("bat_bulk", expected, &tail);
    }
    for val in ["47.9", "58.1", "48.55", "Solar"] {
        let tail = format!("&action=ctrlDevice{STORAGE}&id=bat_bulk&val={val}");
        assert_eq!(refused(&world, &tail), can_not_find("val"), "{val}");
    }
    for (cmd, is_read) in [
        ("QPIGS", true),
        ("%5EP005GS", true),
        ("POP00", false),
        ("^S006LON0", false),
        ("QPIGS%0D", false),
        ("Q%20", false),
        ("0103%2000CA%2000%2003%2025F5", true),
        ("01%2006%2001%202D%2000%2001%20D8%203F", false),
    ] {
        let answer = refused(&world, &format!("&action=sendCmdToDevice{STORAGE}&cmd={cmd}"));
        assert_eq!(answer == "ERR_UNSUPPORTED", !is_read, "{cmd}: {answer}");
    }
    assert_eq!(
        refused(&world, &format!("&action=sendCmdToDevice{PV}&cmd=QPIGS")),
        "ERR_UNSUPPORTED"
    );
    let value = format!("&action=queryDeviceCtrlValue{STORAGE}&id=bse_output_source");
    assert_eq!(dat(&world, &value)["val"], "--");
    let command = format!("&action=sendCmdToDevice{STORAGE}&cmd=QMOD");
    for (logger, device, expected) in [
        (true, false, "ERR_DEVICE_OFFLINE"),
        (false, true, "ERR_COLLECTOR_OFFLINE"),
    ] {
        world.gateways[1].is_online = logger;
        world.device("storage").is_online = device;
        for tail in [&set, &value, &command] {
            assert_eq!(refused(&world, tail), expected, "{tail}");
        }
    }
}

#[test]
fn a_refusal_of_the_desk_is_worded_here() {
    let world = world();
    let query = signed(&format!("&action=ctrlDevice{CHARGER}&id=mode&val=0"));
    let Ok(Request::Business(call)) = request::read(&query).request else {
        panic!("no call");
    };
    let scene = world.scene();
    let answer = |done| call.row.answer(call.params(), &scene, vec![Got::Done(done)]);
    let busy = Rejection::Busy {
        why: "wait".to_owned(),
    };
    assert_eq!(
        answer(Err(Refusal::from(&busy))).unwrap_err().text(),
        "ERR_TIMEOUT"
    );
    let bytes = answer(Ok(Done::Answered(Some(vec![1, 0xAB])))).unwrap().unwrap();
    assert_eq!(bytes, serde_json::json!({"dat": "01 AB", "status": 0}));
    // What was fetched for something else is nobody's answer.
    let odd = call
        .row
        .answer(call.params(), &scene, vec![Got::Newest(Vec::new())]);
    assert_eq!(odd.unwrap_err().text(), "ERR_SYSTEM_EXCEPTION");
    assert_eq!(
        call.row
            .answer(call.params(), &scene, Vec::new())
            .unwrap_err()
            .text(),
        "ERR_SYSTEM_EXCEPTION"
    );
}

#[test]
fn only_what_is_passed_of_a_plant_is_changed() {
    let mut world = world();
    let edit = |world: &World, rest: &str| match deed(world, &format!("&action=editPlant&plantid=1{rest}")) {
        Ok(Deed::EditPlant {
            name,
            position,
            sheet,
            ..
        }) => Ok((name, position, *sheet)),
        Ok(other) => panic!("{other:?}"),
        Err(text) => Err(text),
    };
    let old = world.plants[0].sheet.clone();
    assert_eq!(edit(&world, ""), Ok((None, None, old.clone())));
    let rest = "&name=My%20roof&address.city=&address.address=Road+1&profit.coal=0.5&profit.soldProfit=0.1&nominalPower=9.9\
                &energyYearEstimate=9000&install=2020-06-01%2000:00:00&designCompany=me&address.timezone=3600\
                &address.lat=48.5";
    let (name, position, sheet) = edit(&world, rest).unwrap();
    assert_eq!(name.as_deref(), Some("My roof"));
    let position = position.unwrap();
    assert_eq!(
        (position.latitude_udeg, position.longitude_udeg),
        (48_500_000, -1_404_954)
    );
    let mut expected = Sheet {
        coal: 500,
        nominal: Some(Watts(9_900)),
        year_estimate: WattHours(9_000_000),
        installed: Some(Timestamp(1_590_962_400_000)),
        design_company: "me".to_owned(),
        ..old
    };
    expected.address.city = String::new();
    expected.address.street = "Road 1".to_owned();
    expected.prices.sold = model::money::PerKwh(100_000);
    assert_eq!(sheet, expected);
    for (rest, name) in [
        ("&name=", "name"),
        (&*format!("&name={}", "a".repeat(65)), "name"),
        ("&address.city=a%0Ab", "address.city"),
        ("&profit.co2=-1", "profit.co2"),
        ("&profit.unitProfit=cheap", "profit.unitProfit"),
        ("&nominalPower=-1", "nominalPower"),
        ("&install=2020-06-31%2000:00:00", "install"),
        ("&address.timezone=7200", "address.timezone"),
        ("&address.lat=91", "address.lat"),
        ("&address.lon=-180.1", "address.lon"),
        ("&nominalPower=1000000.001", "nominalPower"),
        ("&energyYearEstimate=1000000001", "energyYearEstimate"),
        ("&profit.coal=1000.001", "profit.coal"),
        ("&profit.feedProfit=1000001", "profit.feedProfit"),
        ("&profit.currencyCountry=euro", "profit.currencyCountry"),
        ("&install=2199-01-01%2000:00:00", "install"),
    ] {
        assert_eq!(edit(&world, rest).unwrap_err(), can_not_find(name), "{rest}");
    }
    assert_eq!(
        body(&world, "&action=editPlant&plantid=1&picBig=x"),
        r#"{"err":0,"desc":"ERR_NONE"}"#
    );
    world.plants[0].position = None;
    assert_eq!(
        edit(&world, "&address.lat=1").unwrap_err(),
        can_not_find("address.lon")
    );
    world.caller.may_edit = false;
    assert_eq!(edit(&world, "").unwrap_err(), "ERR_NO_PERMISSION");
}

#[test]
fn accounts_are_changed_by_those_who_may() {
    let mut world = world();
    let sent = "673fd90073fce474a2a31718afa9f15ed008f82d5dad475fe01e9d0c6d2b342aca40e6a2f4b4f785";
    let browser = format!("&action=addPlantBrowser&usr=guest&pwd={sent}");
    let Ok(Deed::AddBrowser {
        name,
        plants,
        is_enabled,
        ..
    }) = deed(&world, &format!("{browser}&pid=1,2&enable=false"))
    else {
        panic!("no browser");
    };
    assert_eq!((name.as_str(), plants, is_enabled), ("guest", vec![1, 2], false));
    for (tail, expected) in [
        (format!("{browser}&pid=3"), "ERR_NO_PERMISSION".to_owned()),
        (format!("{browser}&pid=x"), can_not_find("pid")),
        (
            browser.replace("673f", "zz3f"),
            "ERR_PASSWORD_FORMAT_ERROR".to_owned(),
        ),
        (
            "&action=addPlantBrowser&usr=guest".to_owned(),
            can_not_find("pwd"),
        ),
        (
            "&action=updatePassword&newpwd=short".to_owned(),
            "ERR_PASSWORD_FORMAT_ERROR".to_owned(),
        ),
        (
            "&action=addCollectorToPlant&plantid=1&pn=W0".to_owned(),
            "ERR_INVALID_PN".to_owned(),
        ),
        (
            "&action=addCollectorToPlant&plantid=1&pn=G0916522248153&code=1".to_owned(),
            "ERR_COLLECTOR_EXISTED".to_owned(),
        ),
    ] {
        assert_eq!(refused(&world, &tail), expected, "{tail}");
    }
    let logger = |rest: &str| match deed(
        &world,
        &format!("&action=addCollectorToPlant&plantid=1&pn=W0{rest}"),
    ) {
        Ok(Deed::AddLogger { code, .. }) => code,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (logger("&alias=12"), logger("&alias=12&code=34")),
        ("12".to_owned(), "34".to_owned())
    );
    assert_eq!(dat(&world, "&action=queryAccountInfo&uid=7")["usr"], "solar home");
    world.caller.may_edit = false;
    assert_eq!(refused(&world, &browser), "ERR_NO_PERMISSION");
    world.caller.role = Role::Vendor;
    assert_eq!(
        refused(&world, "&action=queryAccountInfo&uid=8"),
        "ERR_NOT_FOUND_USR"
    );
    assert_eq!(refused(&world, "&action=queryPlantOwners"), "ERR_NOT_FOUND_USR");
    let numbers = [Role::Owner, Role::Dealer, Role::Vendor, Role::Browser].map(Role::number);
    assert_eq!(numbers, [0, 1, 2, 3]);
}

/// A client of storage stops when one of these is missing or does not fit the width that it reads.
#[test]
fn storage_shows_every_field_that_strict_clients_need() {
    let mut world = world();
    world.plants[1].flow.pv = Some(Watts(-1_000_000));
    world.plants[1].flow.house = Some(Watts(9_000));
    let found = dat(&world, &format!("&action=querySPDeviceLastData{STORAGE}"));
    let value = |id: &str| {
        let group = &id[..3];
        let all = found["pars"][group].as_array().unwrap();
        let entry = all.iter().find(|entry| entry["id"] == id);
        entry.unwrap_or_else(|| panic!("{id}"))["val"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for id in [
        "gd_grid_rating_voltage",
        "gd_grid_rating_current",
        "gd_battery_rating_voltage",
        "gd_bse_input_voltage_read",
        "gd_ac_output_rating_current",
        "gd_bse_output_frequency_read",
        "pv_input_current",
        "bt_grid_voltage",
        "bt_grid_frequency",
        "bt_voltage_1",
        "bt_battery_voltage",
        "bt_battery_charging_current",
        "bt_battery_discharge_current",
        "bt_ac_output_voltage",
        "bt_grid_AC_frequency",
    ] {
        assert!(value(id).parse::<f32>().is_ok(), "{id}");
    }
    for id in [
        "gd_ac_output_rating_apparent_power",
        "gd_ac_output_rating_active_power",
    ] {
        assert_eq!(value(id).parse::<u16>(), Ok(3_000));
    }
    assert_eq!(value("bt_input_power").parse::<i16>(), Ok(i16::MAX));
    assert_eq!(value("bt_battery_capacity").parse::<i8>(), Ok(90));
    assert_eq!(value("bt_output_load_percent").parse::<i8>(), Ok(100));
    assert_eq!(value("bt_load_active_power_sole"), "9000");
    assert_eq!(
        (
            value("bt_battery_discharge_current"),
            value("bt_battery_charging_current")
        ),
        ("5.8".into(), "0".into())
    );
    assert_eq!(value("bt_battery_voltage"), "52.1");
    for id in [
        "sy_model",
        "sy_main_cpu1_firmware_version",
        "sy_main_cpu2_firmware_version",
    ] {
        assert!(!value(id).is_empty());
    }
    world.device("storage").last_seen = None;
    for action in [
        "querySPDeviceLastData",
        "queryDeviceParsEs",
        "webQueryDeviceEnergyFlowEs",
        "queryDeviceLastData",
    ] {
        assert_eq!(
            refused(&world, &format!("&action={action}{STORAGE}")),
            "ERR_NO_RECORD",
            "{action}"
        );
    }
}

#[test]
fn parameters_are_curves_and_energies_of_what_they_name() {
    let world = world();
    let last = |name: &str| {
        let tail =
            format!("&action=querySPDeviceKeyParameterOneDay{BATTERY}&parameter={name}&date=2026-06-14");
        let found = dat(&world, &tail);
        found["detail"].as_array().unwrap().last().unwrap()["val"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    for (name, expected) in [
        ("pv_output_power", "2.2000"),
        ("LOAD_ACTIVE_POWER", "0.6200"),
        ("GRID_ACTIVE_POWER", "-2.2000"),
        ("BATTERY_ACTIVE_POWER", "-2.2000"),
        ("SOC", "51.0000"),
        ("BT_BATTERY_CAPACITY", "51.0000"),
        ("BATTERY_ENERGY_TOTAL_CHARGE", "5000.3000"),
        ("BATTERY_ENERGY_TODAY_DISCHARGE", "0.3000"),
        ("ENERGY_TODAY_TO_GRID", "0.3000"),
        ("ENERGY_TOTAL_FROM_GRID", "5000.3000"),
    ] {
        assert_eq!(last(name), expected, "{name}");
    }
    let month = |name: &str, device: &str| {
        let tail = format!("&action=queryDeviceKeyParameterMonth{device}&parameter={name}&date=2026-05");
        dat(&world, &tail)["info"][0]["val"].as_str().unwrap().to_owned()
    };
    assert_eq!(month("ENERGY_TOTAL", PV), "10.5000");
    assert_eq!(month("OUTPUT_POWER", PV), "2.2000");
    assert_eq!(month("ACTIVE_ENERGY", METER), "10.5000");
    assert_eq!(month("ACTIVE_POWER", METER), "-2.0000");
    let keys = dat(&world, &format!("&action=querySPKeyParameters{METER}"));
    assert_eq!(
        keys["keys"],
        serde_json::json!([
            "OUTPUT_POWER",
            "ENERGY_TODAY",
            "ENERGY_TOTAL",
            "ACTIVE_POWER",
            "ACTIVE_ENERGY"
        ])
    );
    // One day of both plants with storage, then of the plant of one device.
    let first = |rest: &str| {
        let tail = format!(
            "&action=querySPDeviceKeyParameterMonthPerDay&parameter=LOAD_ENERGY_TODAY&date=2026-02{rest}"
        );
        dat(&world, &tail)["option"][0]["val"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (first(""), first(BATTERY)),
        ("20.2000".to_owned(), "10.1000".to_owned())
    );
}
