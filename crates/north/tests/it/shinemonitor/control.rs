//! What is set.

use super::*;

#[tokio::test]
async fn a_control_is_an_intent_of_who_may() {
    let world = house().await;
    account(&world, "looks", "looks", [(site_id("home"), Role::Viewer)]).await;
    let viewer = sign_in(&world, "looks", "looks").await;
    let solar = format!("&action=ctrlDevice&i18n=en_US{STATION}&id=mode&val=1");
    let mode = async || world.view("home").await.evses[0].wish.mode;
    assert_eq!(err(&ask_as(&world, &viewer, &solar).await), 11);
    let head = request("HEAD", &signed(&printed(), &solar), &[], "");
    assert_eq!(world.ask(head).await.status, 200);
    assert_eq!(mode().await, ChargeMode::Fast);

    let answer = ask(&world, &solar).await;
    assert_eq!(answer["dat"], json!({"dat": null, "status": 0}), "{answer}");
    assert_eq!(mode().await, ChargeMode::Solar);
    let value = ask(&world, &format!("&action=queryDeviceCtrlValue{STATION}&id=mode")).await;
    assert_eq!(value["dat"]["val"], "1");
    for (id, val, expected) in [
        ("current", "10", 0),
        ("current", "99", 6),
        ("phases", "1", 9),
        ("fan", "1", 9),
    ] {
        let tail = format!("&action=ctrlDevice{STATION}&id={id}&val={val}");
        let answer = ask(&world, &tail).await;
        assert_eq!(err(&answer), expected, "{id} {val}: {answer}");
    }
    let pv = format!("&action=queryDeviceCtrlField{PV}");
    assert_eq!(err(&ask(&world, &pv).await), 12);
}

#[tokio::test]
async fn what_an_inverter_offers_is_set_with_its_own_words_as_the_answer() {
    let world = house().await;
    offer_controls(&world).await;
    account(&world, "looks", "looks", [(site_id("home"), Role::Viewer)]).await;
    let viewer = sign_in(&world, "looks", "looks").await;
    let fields = ask(&world, &format!("&action=queryDeviceCtrlField{PV}&i18n=de_DE")).await;
    let expected = json!([
        {"id": "output_source_priority", "name": "Vorrang der Versorgung",
         "item": [{"key": "0", "val": "Utility first"}, {"key": "2", "val": "SBU first"}]},
        {"id": "max_charging_current", "name": "Größter Ladestrom", "unit": "A", "hint": "10~120"},
    ]);
    assert_eq!(fields["dat"]["field"], expected);
    let set = |id: &str, val: &str| format!("&action=ctrlDevice{PV}&id={id}&val={val}");
    let priority = set("output_source_priority", "SBU%20first");
    assert_eq!(err(&ask_as(&world, &viewer, &priority).await), 11);
    let command = format!("&action=sendCmdToDevice{PV}&cmd=");
    assert_eq!(err(&ask_as(&world, &viewer, &format!("{command}QMOD")).await), 11);
    let value = format!("&action=queryDeviceCtrlValue{PV}&id=output_source_priority");
    assert_eq!(ask_as(&world, &viewer, &value).await["dat"]["val"], "0");

    let said = json!({"dat": "28 41 43 4B 39 20 0D", "status": 0});
    assert_eq!(ask(&world, &priority).await["dat"], said);
    assert_eq!(ask(&world, &value).await["dat"]["val"], "2");
    let current = ask(&world, &set("max_charging_current", "12.50")).await;
    assert_eq!(err(&current), 0, "{current}");
    let all = ask(&world, &format!("&action=webQueryDeviceCtrlField{PV}")).await;
    assert_eq!(all["dat"]["field"][1]["val"], "12.5");
    for (id, val, expected) in [
        (
            "output_source_priority",
            "1",
            (6, "ERR_FORMAT(can not found val)"),
        ),
        (
            "max_charging_current",
            "9.9",
            (6, "ERR_FORMAT(can not found val)"),
        ),
        (
            "max_charging_current",
            "10.2",
            (6, "ERR_FORMAT(can not found val)"),
        ),
        ("output_source_priority", "0", (1, "ERR_FAIL")),
        ("fan", "1", (9, "ERR_UNSUPPORTED")),
    ] {
        let answer = ask(&world, &set(id, val)).await;
        assert_eq!(
            (err(&answer), answer["desc"].as_str().unwrap()),
            expected,
            "{id} {val}"
        );
    }
    let answer = ask(&world, &format!("{command}QMOD")).await;
    assert_eq!(answer["dat"]["dat"], "28 42", "{answer}");
    assert_eq!(err(&ask(&world, &format!("{command}POP02")).await), 9);
}

#[tokio::test]
async fn each_evse_of_a_charging_station_is_seen_and_controlled() {
    let mut world = house().await;
    let mut settings = world.state.settings.as_ref().clone();
    let DeviceKind::ChargingStation { evses } = &mut settings.sites[0].devices[2].kind else {
        panic!("no charging station");
    };
    let second = Evse {
        id: evse_id("second"),
        name: "Second".to_owned(),
        ..evses[0].clone()
    };
    evses.push(second);
    world.use_settings(settings);
    let add = |view: &mut SiteView| {
        view.evses.push(EvseView {
            id: evse_id("second"),
            power: Watts(3_680),
            ..view.evses[0].clone()
        });
    };
    world.change("home", add).await;
    let found = ask(&world, &format!("&action=queryCollectorDevices&pn={PN}")).await;
    let all = found["dat"]["dev"].as_array().unwrap();
    let is_second = |device: &&Value| device["alias"].as_str().unwrap().ends_with(", Second");
    let device = all.iter().find(is_second).unwrap();
    assert_eq!(device["devcode"], 2_048);
    // What was there before has kept its numbers.
    assert!(
        all.iter()
            .any(|device| device["sn"] == "9900000000003" && device["devaddr"] == 3)
    );
    let second = format!(
        "&pn={PN}&devcode=2048&devaddr={}&sn={}",
        device["devaddr"],
        device["sn"].as_str().unwrap()
    );
    let last = format!("&action=queryDeviceLastData{second}&i18n=en_US");
    let last = world.open(&signed(&printed(), &last)).await.text;
    assert!(last.contains("\"3680\""), "{last}");
    let solar = ask(&world, &format!("&action=ctrlDevice{second}&id=mode&val=1")).await;
    assert_eq!(err(&solar), 0, "{solar}");
    let view = world.view("home").await;
    let mode = |id: &str| {
        view.evses
            .iter()
            .find(|evse| evse.id == evse_id(id))
            .unwrap()
            .wish
            .mode
    };
    assert_eq!(
        (mode("second"), view.evses[0].wish.mode),
        (ChargeMode::Solar, ChargeMode::Fast)
    );
}
