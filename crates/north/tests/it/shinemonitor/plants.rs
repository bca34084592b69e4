//! What is seen of plants and devices, and what people say of them.

use super::*;

#[tokio::test]
async fn plants_devices_and_their_latest_data_are_those_of_the_house() {
    let world = house().await;
    world
        .change("home", |view| {
            view.devices[1].measured = Measured {
                power: Some(Watts(-4_321)),
                energy_out: Some(WattHours(12_345_678)),
                ..Measured::default()
            };
        })
        .await;
    let plants = ask(&world, "&action=queryPlants&page=0&pagesize=10").await;
    assert_eq!(plants["dat"]["total"], 1);
    let plant = &plants["dat"]["plant"][0];
    assert_eq!(
        (&plant["pid"], &plant["uid"], &plant["name"], &plant["status"]),
        (&json!(1), &json!(1), &json!("HOME"), &json!(0))
    );

    let devices = ask(&world, "&action=queryDevices&plantid=1&pagesize=10").await;
    let shown: Vec<Value> = devices["dat"]["device"]
        .as_array()
        .unwrap()
        .iter()
        .map(|device| {
            json!([
                device["pn"],
                device["devcode"],
                device["devaddr"],
                device["sn"],
                device["alias"],
                device["status"]
            ])
        })
        .collect();
    assert_eq!(
        shown,
        [
            json!([PN, 1024, 1, "9900000000001", "grid", 0]),
            json!([PN, 512, 2, "9900000000002", "pv", 0]),
            json!([PN, 2048, 3, "9900000000003", "left-station", 0]),
        ]
    );

    let last = ask(&world, &format!("&action=queryDeviceLastData&i18n=en_US{PV}")).await;
    assert_eq!(err(&last), 0, "{last}");
    let rows: Vec<(&str, &str)> = last["dat"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["title"].as_str().unwrap(), row["val"].as_str().unwrap()))
        .collect();
    assert_eq!(rows[0].0, "id");
    assert_eq!(rows[1], ("Timestamp", "2025-11-22 01:00:00"));
    let values: Vec<&str> = rows.iter().map(|row| row.1).collect();
    assert!(
        values.contains(&"4321") && values.contains(&"12345.678"),
        "{rows:?}"
    );

    for (tail, expected) in [
        ("&action=queryPlantInfo&plantid=1", 0),
        ("&action=queryPlantInfo&plantid=2", 11),
        ("&action=queryPlantInfo&plantid=3", 260),
        (
            "&action=queryDeviceLastData&pn=G0916522248153&devcode=512&devaddr=1&sn=9900000000002",
            258,
        ),
        ("&action=queryCollectorInfo&pn=G0000000000002", 257),
        ("&action=queryAccountInfo", 0),
        ("&action=queryPlantWarning&plantid=1", 264),
    ] {
        assert_eq!(err(&ask(&world, tail).await), expected, "{tail}");
    }
}

#[tokio::test]
async fn a_house_that_has_not_begun_or_stands_still_is_offline() {
    let world = house().await;
    world.step(61_000);
    let status = ask(&world, "&action=queryPlantDeviceStatus&plantid=1").await;
    assert_eq!(status["dat"]["status"], 1, "{status}");
    assert_eq!(status["dat"]["collector"][0]["status"], 1);
    let devices = status["dat"]["collector"][0]["device"].as_array().unwrap();
    assert_eq!(devices.len(), 3);
    for device in devices {
        assert_eq!((&device["status"], &device["comStatus"]), (&json!(1), &json!(0)));
    }
}

#[tokio::test]
async fn names_stay_as_they_were_assigned() {
    let mut world = house().await;
    let before = ask(&world, "&action=queryPlantDeviceView&plantid=1").await;
    let mut settings = world.state.settings.as_ref().clone();
    settings.shinemonitor.plants.clear();
    settings.sites[0].devices.reverse();
    settings.sites.reverse();
    world.use_settings(settings);
    let after = ask(&world, "&action=queryPlantDeviceView&plantid=1").await;
    let sorted = |answer: &Value| {
        let devices = answer["dat"]["collector"][0]["device"].as_array().unwrap();
        let mut devices: Vec<String> = devices.iter().map(Value::to_string).collect();
        devices.sort();
        devices
    };
    assert_eq!(sorted(&before), sorted(&after));
    assert_eq!(after["dat"]["collector"][0]["pn"], PN);
}

#[tokio::test]
async fn what_people_say_about_a_plant_is_kept() {
    let mut world = house().await;
    account(&world, "looks", "looks", [(site_id("home"), Role::Viewer)]).await;
    let viewer = sign_in(&world, "looks", "looks").await;
    let edit = "&action=editPlant&plantid=1&name=Sun%20%E5%A4%AA&profit.soldProfit=0.082\
                &address.lat=48.21&address.lon=16.37&address.city=Wien";
    assert_eq!(err(&ask_as(&world, &viewer, edit).await), 11);
    assert_eq!(err(&ask(&world, edit).await), 0);
    let again = "&action=editPlant&plantid=1&address.city=Graz";
    assert_eq!(err(&ask(&world, again).await), 0);
    let settings = world.state.settings.as_ref().clone();
    world.use_settings(settings);
    let plant = ask(&world, "&action=queryPlantInfo&plantid=1").await["dat"].clone();
    assert_eq!(
        (
            &plant["name"],
            &plant["address"]["city"],
            &plant["address"]["lat"]
        ),
        (&json!("Sun 太"), &json!("Graz"), &json!("48.210000"))
    );
    assert_eq!(plant["profit"]["soldProfit"].to_string(), "0.082");
    assert_eq!(plant["gts"], "2025-11-22 01:00:00");
    let audit = world.get("/api/v1/audit").await.text;
    assert!(audit.contains("put plant-sheet home"), "{audit}");

    // Our own API and this one speak of the same sheet, at once and both ways.
    let path = "/api/v1/sites/home/plant";
    let mut sheet = world.get(path).await.json()["sheet"].clone();
    assert_eq!(
        (
            &sheet["name"],
            &sheet["prices"]["sold_micros"],
            &sheet["address"]["city"]
        ),
        (&json!("Sun 太"), &json!(82_000), &json!("Graz"))
    );
    sheet["address"]["city"] = json!("Linz");
    assert_eq!(world.put(path, &sheet.to_string()).await.status, 200);
    let plant = ask(&world, "&action=queryPlantInfo&plantid=1").await["dat"].clone();
    assert_eq!(plant["address"]["city"], "Linz");
}

#[tokio::test]
async fn plants_and_devices_have_their_numbers_from_the_start_on() {
    let world = house().await;
    let gate = &world.state.gate;
    let home = Thing::Site(site_id("home"));
    assert_eq!(gate.names_of(&DIALECT, &home), Vec::<String>::new());
    north::begin(&world.state).await;
    assert_eq!(
        gate.names_of(&DIALECT, &home),
        ["plant:1", "pn:G0916522248153"].map(str::to_owned)
    );
    let known = world.store.aliases().await.unwrap();
    assert!(known.len() >= 5, "{known:?}");
    let plant = ask(&world, "&action=queryPlantInfo&plantid=1").await;
    assert_eq!(plant["dat"]["gts"], "2025-11-22 01:00:00");
    assert_eq!(
        err(&ask(&world, &format!("&action=queryDeviceLastData{PV}&i18n=en_US")).await),
        0
    );
    assert_eq!(world.store.aliases().await.unwrap(), known);
}

#[tokio::test]
async fn of_two_who_edit_a_plant_at_once_both_are_heard() {
    let world = house().await;
    // So that both find the names that have been settled, and read the sheet before either has written it.
    ask(&world, "&action=queryPlants").await;
    let edit = |what: &str| format!("&action=editPlant&plantid=1&{what}");
    let (street, coal) = (edit("address.address=Road%201"), edit("profit.coal=0.5"));
    let (street, coal) = tokio::join!(ask(&world, &street), ask(&world, &coal));
    assert_eq!((err(&street), err(&coal)), (0, 0));
    let sheet = world.get("/api/v1/sites/home/plant").await.json()["sheet"].clone();
    assert_eq!(
        (&sheet["address"]["street"], &sheet["coal_g_per_kwh"]),
        (&json!("Road 1"), &json!(500))
    );
}
