//! Orders for devices: within their limits, answered by the device.

use super::*;

fn offered() -> Controls {
    let choice = |key: &str, label: &str| Choice {
        key: key.to_owned(),
        label: label.to_owned(),
    };
    let control = |id: &str, range| Control {
        id: id.to_owned(),
        title: id.to_owned(),
        unit: "A".to_owned(),
        range,
        value: Some("1".to_owned()),
    };
    Controls {
        list: Arc::new([
            control(
                "priority",
                Range::Choices {
                    choices: vec![choice("0", "Utility"), choice("1", "Solar")],
                },
            ),
            control(
                "current",
                Range::Number {
                    least: 50,
                    most: 600,
                    step: 1,
                    decimals: 1,
                },
            ),
        ]),
        takes_questions: true,
    }
}

fn order(device: &str, order: Order) -> Wanted {
    Wanted::Order {
        device: DeviceId::new(device).unwrap(),
        order,
    }
}

fn set(control: &str, value: &str) -> Order {
    Order::Set {
        control: control.to_owned(),
        value: value.to_owned(),
    }
}

fn question() -> Order {
    Order::Question {
        text: "QMOD".to_owned(),
    }
}

/// The meter at the grid is what orders can be given to.
fn ready() -> Core {
    let mut core = core(Restored::default());
    report(&mut core, "grid", Report::Link(LinkState::Online), 0);
    report(&mut core, "grid", Report::Controls(offered()), 0);
    core
}

#[test]
fn only_what_a_device_offers_is_ordered_and_within_its_limits() {
    let mut core = ready();
    assert_eq!(
        core.view(now(0))
            .devices
            .iter()
            .filter(|device| device.controls == offered())
            .count(),
        1
    );
    let check = |core: &Core, device: &str, asked: Order, expected: &str| {
        let said = match weigh(core, order(device, asked)) {
            Ok(Change::Order {
                order: Order::Set { control, value },
                ..
            }) => format!("{control} = {value}"),
            Ok(Change::Order {
                order: Order::Question { text },
                ..
            }) => text,
            Ok(other) => panic!("{other:?}"),
            Err(rejection) => rejection.to_string(),
        };
        assert_eq!(said, expected);
    };
    check(&core, "grid", set("priority", "solar"), "priority = 1");
    check(&core, "grid", set("current", "12.50"), "current = 12.5");
    check(&core, "grid", question(), "QMOD");
    check(
        &core,
        "grid",
        set("priority", "2"),
        "priority is 2, expected one of 0, 1",
    );
    check(
        &core,
        "grid",
        set("current", "60.1"),
        "current is 60.1, expected 5 to 60 A in steps of 0.1",
    );
    check(
        &core,
        "grid",
        set("mode", "1"),
        "control `mode` is not supported by this device",
    );
    check(&core, "nobody", set("mode", "1"), "there is no device `nobody`");
    check(
        &core,
        "station",
        question(),
        "a question in its own language is not supported by this device",
    );
    let problem = "unplugged".to_owned();
    report(
        &mut core,
        "grid",
        Report::Link(LinkState::Offline { problem }),
        1_000,
    );
    let refused = weigh(&core, order("grid", set("priority", "1")));
    assert!(matches!(refused, Err(Rejection::Offline { .. })), "{refused:?}");
}

#[test]
fn the_device_has_the_last_word_and_time_for_it() {
    let mut core = ready();
    let file = |core: &mut Core, at: i64| {
        let change = weigh(core, order("grid", set("priority", "1"))).unwrap();
        let ticket = core.apply(change, now(at)).unwrap();
        let sent = std::iter::from_fn(|| core.poll_setpoint());
        let sent = sent.filter_map(|setpoint| {
            let device = setpoint.device.to_string();
            if let Action::Order { ticket, order } = setpoint.action {
                Some((device, ticket, order))
            } else {
                None
            }
        });
        let expected = ("grid".to_owned(), ticket, set("priority", "1"));
        assert_eq!(sent.collect::<Vec<_>>(), [expected]);
        ticket
    };
    let ticket = file(&mut core, 0);
    let answer = Ok(b"(ACK".to_vec());
    for device in ["station", "grid", "grid"] {
        let answer = answer.clone();
        report(&mut core, device, Report::VendorAnswer { ticket, answer }, 9_000);
    }
    let verdict = core.poll_verdict().unwrap();
    assert_eq!((verdict.ticket, verdict.answer), (ticket, Ok(b"(ACK".to_vec())));
    assert_eq!(core.poll_verdict(), None);
    let ticket = file(&mut core, 10_000);
    let answer = Err("it says no".to_owned());
    report(&mut core, "grid", Report::VendorAnswer { ticket, answer }, 10_100);
    let said = "it says no".to_owned();
    assert_eq!(
        core.poll_verdict().unwrap().answer,
        Err(Rejection::Device { said })
    );
    // A line is slow: other questions may be in front of it.
    file(&mut core, 20_000);
    core.handle_timeout(now(31_999));
    assert_eq!(core.poll_verdict(), None);
    core.handle_timeout(now(32_000));
    let late = core.poll_verdict().unwrap().answer;
    assert!(matches!(late, Err(Rejection::Busy { .. })), "{late:?}");
}
