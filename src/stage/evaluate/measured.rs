//! The scores of the cases of one file.

use std::sync::Arc;

use ndarray::{ArrayView1, s};

use super::missing::{Missing, There};
use crate::score::{Column, Of};
use crate::stage::forecast::lead_tables::LeadTables;
use crate::stage::score_table::ScoreTable;
use crate::store::netcdf::{ScoredAnalyses, ScoredForecasts};

/// Trajectory, start and lead.
type Case = (usize, usize, usize);

/// The scores of forecasts, a table a lead in the order of the file.
pub fn forecasts(columns: &Arc<[Column]>, found: &ScoredForecasts, missing: &mut Missing) -> LeadTables {
    let (cases, starts, _, leads, _) = found.values.dim();
    let there = |(case, start, lead): Case, missing: &mut Missing| {
        let truth = found.truth.slice(s![case, start, lead, ..]);
        let members = found.values.slice(s![case, start, .., lead, ..]);
        let weights = uneven(found.weights.as_ref().map(|weights| weights.slice(s![case, start, ..])));
        missing.take_out(truth, members, weights)
    };
    let mut tables = LeadTables::new(columns, leads);
    each([cases, starts, leads], missing, &there, |(case, start, lead), there, alone| {
        let ensemble = there.ensemble();
        match alone {
            true => tables.single(lead + 1, case, start, &ensemble),
            false => tables.measure(lead + 1, case, start, &ensemble),
        }
    });
    tables
}

/// The scores of analyses.
pub fn analyses(columns: &Arc<[Column]>, found: &ScoredAnalyses, missing: &mut Missing) -> ScoreTable {
    let (cases, times, _, _) = found.values.dim();
    let there = |(case, time, _): Case, missing: &mut Missing| {
        let truth = found.truth.slice(s![case, time, ..]);
        let members = found.values.slice(s![case, time, .., ..]);
        let weights = uneven(found.weights.as_ref().map(|weights| weights.slice(s![case, time, ..])));
        missing.take_out(truth, members, weights)
    };
    let mut table = ScoreTable::new(columns);
    each([cases, times, 1], missing, &there, |(case, time, _), there, alone| {
        if there.members.iter().any(|value| !value.is_finite()) {
            table.mark_diverged(case);
        }
        let ensemble = there.ensemble();
        match alone {
            true => table.single(Of::Analysis, case, time, &ensemble),
            false => table.ensemble(Of::Analysis, case, time, &ensemble),
        }
    });
    table
}

/// Measures each case of which there is something, and says whether it is one member alone that is left, where others have more.
fn each<'a>(
    [cases, starts, leads]: [usize; 3],
    missing: &mut Missing,
    there: &dyn Fn(Case, &mut Missing) -> Option<There<'a>>,
    mut measure: impl FnMut(Case, &There<'a>, bool),
) {
    let (mut several, mut left) = (false, Vec::new());
    for case in 0..cases {
        for place in (0..starts).flat_map(|start| (0..leads).map(move |lead| (case, start, lead))) {
            match there(place, missing) {
                Some(found) if found.single => left.push(place),
                Some(found) => {
                    several |= found.members.nrows() > 1;
                    measure(place, &found, false);
                }
                None => {}
            }
        }
    }
    missing.single = if several { left.len() } else { 0 };
    for place in left {
        // what is missing there has been counted
        if let Some(found) = there(place, &mut Missing::default()) {
            measure(place, &found, several);
        }
    }
}

/// Weights that are not all equal.
fn uneven(weights: Option<ArrayView1<f64>>) -> Option<ArrayView1<f64>> {
    weights.filter(|weights| weights.iter().any(|w| *w != weights[0]))
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, Array5};

    use super::*;
    use crate::score::{Context, Pool};
    use crate::store::netcdf::Resolution;

    /// Spread, fair CRPS and RMSE with their estimators and cases, of two members a start and the truth 2.
    fn scored(members: [[f64; 2]; 2]) -> (Vec<(f64, String, usize)>, usize) {
        let context = Context::plain(Pool::All);
        let columns =
            ["spread", "crps_fair", "rmse"].map(|name| Column::registered(Of::Analysis, name, &context).unwrap());
        let found = ScoredForecasts {
            label: None,
            values: Array5::from_shape_fn((1, 2, 2, 1, 1), |(_, start, member, ..)| members[start][member]),
            weights: None,
            truth: Array4::from_elem((1, 2, 1, 1), 2.0),
            resolution: Resolution::default(),
            time: None,
            timed_cases: false,
            lead: None,
        };
        let mut missing = Missing::default();
        let rows = forecasts(&columns.into(), &found, &mut missing).rows("a");
        (rows.into_iter().map(|row| (row.value.unwrap(), row.estimator, row.n)).collect(), missing.single)
    }

    /// By hand: 1 and 3 have the variance 2 and, about the truth 2, the score 1 - 2/2; the mean of their errors' squares is 0,
    /// and that of the member 1 alone is 1.
    #[test]
    fn one_member_of_several_that_is_left_has_no_spread_and_no_fair_score() {
        let (rows, single) = scored([[1.0, f64::NAN], [1.0, 3.0]]);
        assert_eq!(single, 1);
        assert_eq!(rows[0], (f64::sqrt(2.0), "unbiased variance".into(), 1));
        assert_eq!(rows[1], (0.0, "fair".into(), 1));
        assert_eq!((rows[2].0, rows[2].2), (f64::sqrt(0.5), 2));
    }

    #[test]
    fn one_member_everywhere_is_scored_as_such() {
        let (rows, single) = scored([[1.0, f64::NAN], [f64::NAN, 2.5]]);
        assert_eq!(single, 0);
        assert_eq!(rows[1], (0.75, "absolute error, one member".into(), 2));
        assert_eq!((rows[0].0, rows[0].2), (0.0, 2));
    }
}
