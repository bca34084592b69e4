//! Questions are answered from the last cycle and change nothing.

use model::device::ChargeMode;
use model::limit::LimitSource;
use model::phases::Phase;
use model::question::{Change, Finding, Question};

use super::*;

fn ask(core: &Core, evse: &str, at_s: i64) -> Result<Vec<(Change, i64)>, Rejection> {
    let question = Question::WhatHelps {
        evse: evse.parse().unwrap(),
    };
    let Finding::WhatHelps(helps) = core.find(&question, now(at_s * 1_000))?;
    let helps = helps.into_iter();
    Ok(helps
        .map(|help| (help.change, help.granted.or_zero().0))
        .collect())
}

#[test]
fn a_car_without_room_is_told_what_would_make_some() {
    let mut core = core(Restored::default());
    assert!(matches!(ask(&core, "left", 0), Err(Rejection::Busy { .. })));
    // The house takes all but 3 A of L1 and L2 and L3.
    let most = core.site.circuits[0].limit.l1.0;
    run(&mut core, 0, 90, |core, at| {
        grid(core, most - 3_000, at);
        report(core, "station", Report::Link(LinkState::Online), at);
        car(core, PilotState::B, ChargeCurrent::PAUSED, 0, at);
    });
    let before = core.view(now(90_000));
    assert_eq!(before.evses[0].setpoint.or_zero().0, 0);
    let helps = ask(&core, "left", 90).unwrap();
    let more = |phase| Change::MoreRoom {
        at: LimitSource::Circuit {
            circuit: "house".parse().unwrap(),
            phase,
        },
        by: MilliAmps(3_000),
    };
    assert!(
        helps.contains(&(more(None), 6_000)) || helps.contains(&(more(Some(Phase::L1)), 6_000)),
        "{helps:?}"
    );
    assert!(!helps.iter().any(|(change, _)| *change
        == Change::Mode {
            mode: ChargeMode::Fast
        }));
    assert_eq!(core.view(now(90_000)), before);
    assert!(matches!(ask(&core, "nobody", 90), Err(Rejection::Unknown { .. })));
}
