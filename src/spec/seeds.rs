//! A plan whose forecasters of several seeds are taken apart: one forecaster for each seed, and one row of each row with such a
//! forecaster, which say of what they are. A pool is left as it is, behind the forecasters that it is made of.

use super::plan::{AssimilatePlan, ForecasterPlan, Plan};

/// The label of one seed, counted from 1.
fn of_seed(label: &str, index: usize) -> String {
    format!("{label} seed {}", index + 1)
}

/// Takes the forecasters of several seeds apart.
pub(super) fn take_apart(plan: &mut Plan) {
    let several: Vec<(String, usize, bool)> = plan
        .forecasters
        .iter()
        .filter(|one| one.seeds > 1)
        .map(|one| (one.label.clone(), one.seeds, one.pool))
        .collect();
    plan.forecasters = plan.forecasters.drain(..).flat_map(forecasters).collect();
    // rows and scores with a pool are those of one forecaster
    for (label, seeds, _) in several.into_iter().filter(|(.., pool)| !pool) {
        let labels = |one: String| -> Vec<String> {
            if one == label { (0..seeds).map(|index| of_seed(&label, index)).collect() } else { vec![one] }
        };
        plan.forecast = plan.forecast.drain(..).flat_map(labels).collect();
        let rows = |row: AssimilatePlan| if row.forecaster == label { rows(&row, seeds) } else { vec![row] };
        plan.assimilate = plan.assimilate.drain(..).flat_map(rows).collect();
    }
}

fn forecasters(one: ForecasterPlan) -> Vec<ForecasterPlan> {
    if one.seeds == 1 {
        return vec![one];
    }
    let of = |index: usize| ForecasterPlan {
        label: of_seed(&one.label, index),
        seed_of: Some((one.label.clone(), index)),
        seeds: 1,
        pool: false,
        ..one.clone()
    };
    (0..one.seeds).map(of).chain(one.pool.then(|| one.clone())).collect()
}

fn rows(row: &AssimilatePlan, seeds: usize) -> Vec<AssimilatePlan> {
    let of = |index: usize| AssimilatePlan {
        label: of_seed(&row.label, index),
        forecaster: of_seed(&row.forecaster, index),
        seed_of: Some((row.label.clone(), index)),
        ..row.clone()
    };
    (0..seeds).map(of).collect()
}
