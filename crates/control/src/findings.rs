//! What somebody should know of, and the room left for the page.

use model::phases::PerPhase;
use model::time::Monotonic;
use model::units::MilliAmps;

use crate::Finding;
use crate::failsafe::{self, Watch};
use crate::lane::{Lane, Standing};
use crate::sane;
use crate::snapshot::{Circuit, Snapshot};
use crate::tree::Tree;

/// Room left at each circuit after what its EVSEs draw; `None` where a meter on its path is silent.
pub(crate) fn headroom(
    snapshot: &Snapshot,
    tree: &Tree,
    watch: &[Watch],
    out: &mut Vec<Option<PerPhase<MilliAmps>>>,
) {
    out.clear();
    out.extend(snapshot.circuits.iter().enumerate().map(|(index, circuit)| {
        if watch[index].path.is_silent() {
            return None;
        }
        let ours = draw_below(snapshot, tree, index);
        let current = measured(circuit, ours)?;
        let (reserve, credit) = (sane(circuit.reserve).max(0), sane(circuit.credit).max(0));
        Some(PerPhase::from_array(std::array::from_fn(|phase| {
            let limit = sane(circuit.limit.into_array()[phase]);
            let base = (current[phase] - ours[phase]).max(-credit);
            MilliAmps(limit - reserve - base - ours[phase])
        })))
    }));
}

pub(crate) fn findings(
    snapshot: &Snapshot,
    tree: &Tree,
    lanes: &[Lane],
    started: Monotonic,
    now: Monotonic,
    out: &mut Vec<Finding>,
) {
    out.clear();
    for (index, circuit) in snapshot.circuits.iter().enumerate() {
        if let Some(meter) = &circuit.meter
            && failsafe::is_reported(meter, failsafe::age(meter, Some(started), now))
        {
            out.push(Finding::MeterSilent { circuit: index });
            continue;
        }
        let Some(current) = measured(circuit, draw_below(snapshot, tree, index)) else {
            continue;
        };
        let limit = circuit.limit.into_array();
        let excess: [i64; 3] = std::array::from_fn(|phase| (current[phase] - sane(limit[phase])).max(0));
        if excess != [0; 3] {
            let excess = PerPhase::from_array(excess.map(MilliAmps));
            out.push(Finding::LimitExceeded {
                circuit: index,
                excess,
            });
        }
    }
    for (evse, lane) in lanes.iter().enumerate() {
        if !snapshot.evses[evse].enabled {
            continue;
        }
        match lane.standing {
            Standing::Silent => out.push(Finding::StationSilent { evse }),
            Standing::Defiant => out.push(Finding::NotFollowing { evse }),
            Standing::Known | Standing::Unheard => {}
        }
    }
}

/// What the meter says, or without a meter what the EVSEs say; `None` if the meter never spoke.
fn measured(circuit: &Circuit, ours: [i64; 3]) -> Option<[i64; 3]> {
    match &circuit.meter {
        Some(meter) => meter.current.map(|current| current.into_array().map(sane)),
        None => Some(ours),
    }
}

fn draw_below(snapshot: &Snapshot, tree: &Tree, circuit: usize) -> [i64; 3] {
    let mut sum = [0; 3];
    for member in tree.below(circuit) {
        let drawn = snapshot.evses[*member].drawn.into_array();
        for (sum, phase) in sum.iter_mut().zip(drawn) {
            *sum += sane(phase).max(0);
        }
    }
    sum
}
