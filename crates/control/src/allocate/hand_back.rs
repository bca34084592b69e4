//! Stage 3: what rounding left over goes back in whole steps.
//!
//! First at most one step each in the order of service, then as many as fit. Afterwards nobody can be
//! raised by its own step without breaking a limit.

use crate::lane::Lane;
use crate::tree::Tree;

pub(crate) fn hand_back(tree: &Tree, lanes: &mut [Lane], class: &[usize], room: &mut [i64]) {
    for at_most in [1, i64::MAX] {
        for index in class {
            let lane = &mut lanes[*index];
            let steps = (lane.max - lane.granted).div_euclid(lane.step).min(at_most);
            if steps <= 0 {
                continue;
            }
            let steps = steps.min(lane.slack(tree, room).div_euclid(lane.step));
            if steps > 0 {
                let more = steps * lane.step;
                lane.granted += more;
                lane.rows(tree, |row, k| room[row] -= k * more);
            }
        }
    }
}
