//! Accounts, and who makes them.

use super::*;

#[tokio::test]
async fn an_owner_lets_others_look() {
    let world = house().await;
    let pwd = rc4::encode(SECRET, &PasswordHash::of_password("look"));
    let add = |name: &str, pids: &str| format!("&action=addPlantBrowser&usr={name}&pwd={pwd}&pid={pids}");
    assert_eq!(err(&ask(&world, &add("guest", "1")).await), 0);
    assert_eq!(err(&ask(&world, &add("guest", "1")).await), 24);
    assert_eq!(err(&ask(&world, &add("other", "2")).await), 11);
    let guest = sign_in(&world, "guest", "look").await;
    let info = ask_as(&world, &guest, "&action=queryAccountInfo").await;
    assert_eq!(
        (&info["dat"]["role"], &info["dat"]["usr"]),
        (&json!(3), &json!("guest"))
    );
    let plants = ask_as(&world, &guest, "&action=queryPlantsInfo").await;
    assert_eq!(plants["dat"]["info"].as_array().unwrap().len(), 1);
    assert_eq!(plants["dat"]["info"][0]["usr"], "vplant");
    let shown = ask(&world, "&action=queryAccountInfo&uid=2").await;
    assert_eq!(shown["dat"]["usr"], "guest");
    assert_eq!(
        err(&ask_as(&world, &guest, "&action=queryAccountInfo&uid=1").await),
        11
    );
}

#[tokio::test]
async fn a_number_and_its_code_make_an_account_where_that_is_wanted() {
    let mut world = house().await;
    let new = PasswordHash::of_password("123456");
    let number = "W0011223344556";
    let pwd = rc4::encode(PasswordHash::of_password(number).expose(), &new);
    let path = |name: &str, code: &str| {
        let tail = format!("&action=reg&usr={name}&pwd={pwd}&sn={number}&code={code}&company-key={KEY}");
        let sign = hex_text(&digest(&[SALT, pwd.as_str(), &tail].map(str::as_bytes)));
        format!("/public/?sign={sign}&salt={SALT}{tail}")
    };
    let answer = world.open(&path("new", "x")).await.json();
    assert_eq!(err(&answer), 8, "{answer}");

    let mut settings = world.state.settings.as_ref().clone();
    settings.shinemonitor.registration = true;
    world.use_settings(settings);
    let console = Principal::console();
    let by = By::new(&console, "console");
    let gate = world.state.gate.clone();
    let yard = Thing::Site(site_id("yard"));
    let code = gate.make_code(&by, &DIALECT, number, &yard, Millis(HOUR)).await;
    let code = code.unwrap().expose().to_owned();
    for (name, code, expected) in [
        ("new", "wrong", 259),
        ("vplant", code.as_str(), 24),
        ("new", code.as_str(), 0),
        ("newer", code.as_str(), 259),
    ] {
        let answer = world.open(&path(name, code)).await.json();
        assert_eq!(err(&answer), expected, "{name} {code}: {answer}");
    }
    let pair = sign_in(&world, "new", "123456").await;
    let plants = ask_as(&world, &pair, "&action=queryPlantsInfo").await;
    let expected = json!([{"uid": 2, "usr": "new", "pid": 2, "pname": "YARD", "status": 0}]);
    assert_eq!(plants["dat"]["info"], expected);
}

#[tokio::test]
async fn a_number_and_its_code_become_the_logger_of_a_plant_where_that_is_wanted() {
    let mut world = house().await;
    let number = "W0011223344556";
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let accepts = Arc::clone(&accepted);
    world.state = world.state.clone().with_loggers(Loggers {
        accept: Arc::new(move |logger: AcceptedLogger| accepts.lock().unwrap().push(logger)),
        ..Loggers::default()
    });
    let mut settings = world.state.settings.as_ref().clone();
    let shed: GatewayId = "shed".parse().unwrap();
    settings.gateways = vec![Gateway {
        id: shed.clone(),
        name: "Shed".to_owned(),
        link: GatewayLink::Logger {
            pn: None,
            pass_on: PassOn::Nothing,
        },
    }];
    settings.sites[0].devices[1].link = LinkSettings::Via {
        gateway: shed.clone(),
        unit: Unit::named("1/pv"),
        definition: Some("smg".to_owned()),
    };
    world.use_settings(settings.clone());
    let add = async |world: &World, pn: &str, code: &str| {
        err(&ask(
            world,
            &format!("&action=addCollectorToPlant&plantid=1&pn={pn}&code={code}"),
        )
        .await)
    };
    assert_eq!(add(&world, number, "x").await, 8);
    settings.shinemonitor.registration = true;
    world.use_settings(settings);

    let console = Principal::console();
    let by = By::new(&console, "console");
    let gate = world.state.gate.clone();
    let code_of = async |site: &str, pn: &str| {
        let thing = Thing::Site(site_id(site));
        let code = gate.make_code(&by, &DIALECT, pn, &thing, Millis(HOUR)).await;
        code.unwrap().expose().to_owned()
    };
    let yard = code_of("yard", "W0011223344557").await;
    let code = code_of("home", number).await;
    for (pn, code, expected) in [
        (number, "wrong", 259),
        ("W0011223344557", yard.as_str(), 259),
        ("short", code.as_str(), 259),
        (number, code.as_str(), 0),
        (number, code.as_str(), 259),
    ] {
        assert_eq!(add(&world, pn, code).await, expected, "{pn} {code}");
    }
    let logger = AcceptedLogger {
        gateway: shed,
        pn: number.to_owned(),
    };
    assert_eq!(*accepted.lock().unwrap(), std::slice::from_ref(&logger));
    assert_eq!(world.store.list::<AcceptedLogger>().await.unwrap(), [logger]);
}

#[tokio::test]
async fn administrators_make_accounts_and_codes() {
    let world = house().await;
    let path = "/api/v1/shinemonitor/accounts";
    let body = |more: Value| {
        let mut body = json!({"name": "solar home", "kind": "owner", "sites": {"yard": "operator"}});
        let more = more.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(more);
        body.to_string()
    };
    for (more, status) in [
        (json!({}), 422),
        (json!({"password": ""}), 422),
        (json!({"password": "one", "sites": {"nowhere": "operator"}}), 404),
        (json!({"password": "one", "sites": {"yard": "admin"}}), 422),
        (json!({"password": "one", "name": "vplant"}), 409),
        (json!({"password": "one", "kind": "admin"}), 422),
    ] {
        let answer = world.post(path, &body(more.clone())).await;
        assert_eq!(answer.status, status, "{more}: {}", answer.text);
    }
    let made = world.post(path, &body(json!({"password": "one"}))).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let expected = json!({"number": 2, "name": "solar home", "kind": "owner", "sites": {"yard": "operator"},
        "enabled": true, "created_ms": BEGIN.wall.0});
    assert_eq!(made.json(), expected);
    let listed = world.get(path).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    assert_eq!(listed["items"][0]["name"], "vplant");

    let one = format!("{path}/2");
    let pair = sign_in(&world, "solar%20home", "one").await;
    assert_eq!(err(&ask_as(&world, &pair, "&action=queryPlants").await), 0);
    let changed = body(json!({"kind": "browser", "sites": {"home": "viewer"}}));
    assert_eq!(world.put(&one, &changed).await.json()["kind"], "browser");
    let plants = ask_as(&world, &pair, "&action=queryPlantsInfo").await;
    assert_eq!(plants["dat"]["info"][0]["pid"], 1);
    assert_eq!(
        world.put(&one, &body(json!({"password": "two"}))).await.status,
        200
    );
    assert_eq!(err(&ask_as(&world, &pair, "&action=queryPlants").await), 10);
    sign_in(&world, "solar%20home", "two").await;
    assert_eq!(world.delete(&one).await.status, 204);
    assert_eq!(world.delete(&one).await.status, 404);
    let gone = world.open(&login("solar%20home", "two", KEY)).await.json();
    assert_eq!(err(&gone), 16);

    let codes = "/api/v1/shinemonitor/codes";
    let code = world
        .post(codes, r#"{"pn":"W0011223344556","site":"yard"}"#)
        .await;
    assert_eq!(code.status, 201, "{}", code.text);
    assert_eq!(code.json()["expires_ms"], BEGIN.wall.0 + 7 * 24 * HOUR);
    for (body, status) in [
        (r#"{"pn":"W 1","site":"yard"}"#, 422),
        (r#"{"pn":"W0011223344556","site":"x"}"#, 404),
    ] {
        assert_eq!(world.post(codes, body).await.status, status, "{body}");
    }
    for (method, path) in [
        ("GET", path),
        ("POST", path),
        ("PUT", one.as_str()),
        ("DELETE", one.as_str()),
        ("POST", codes),
    ] {
        let body = match path {
            _ if method == "GET" || method == "DELETE" => String::new(),
            _ if path == codes => r#"{"pn":"W0011223344556","site":"yard"}"#.to_owned(),
            _ => body(json!({"password": "one"})),
        };
        let answer = world.call(VIEWER, method, path, &body).await;
        assert_eq!(answer.status, 403, "{method} {path}: {}", answer.text);
    }
}
