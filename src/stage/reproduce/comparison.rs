//! One row, held against what is known of it.

use serde::Serialize;

use crate::results::AssimilationRow;
use crate::score::statistics::{fisher_exact, least_p, z};
use crate::spec::ExpectedPlan;
use crate::stage::score_table::Survivors;

/// The largest difference of figures that agree, in combined standard errors.
pub(super) const BOUND: f64 = 2.5;

/// The two-sided probability beyond it.
pub(super) const LEVEL: f64 = 0.0124;

/// One row, held against what is known of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Comparison {
    pub(super) experiment: String,
    pub(super) row: String,
    pub(super) verdict: Verdict,
    /// Our analysis rmse over the runs that did not diverge, its standard error and the number of analyses.
    pub(super) rmse: Option<f64>,
    pub(super) se: Option<f64>,
    pub(super) n: usize,
    pub(super) diverged: usize,
    pub(super) replicates: usize,
    /// Seconds for each analysis, all runs together.
    pub(super) seconds_per_cycle: f64,
    /// The known figures.
    pub(super) expected: Option<Known>,
    /// Column, ours and theirs, of what is not judged.
    pub(super) beside: Vec<(&'static str, Option<f64>, Option<f64>)>,
    /// (ours - theirs) in combined standard errors.
    pub(super) z: Option<f64>,
    /// The p-value of equal rates of divergence.
    pub(super) p_diverged: Option<f64>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct Known {
    pub(super) rmse: Option<f64>,
    pub(super) se: Option<f64>,
    pub(super) published: Option<f64>,
    pub(super) diverged: usize,
    pub(super) runs: usize,
    pub(super) source: String,
    pub(super) explained: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Agrees,
    Differs,
    /// There are too few runs to tell, or no value to compare.
    Undecided,
    /// It differs, and the reason is known.
    Explained,
    /// There is nothing to judge it by.
    Shown,
}

/// One row of ours.
pub(super) struct ReproducedRow<'a> {
    pub(super) experiment: &'a str,
    pub(super) label: &'a str,
    pub(super) columns: &'a [&'a AssimilationRow],
    /// Seconds for each analysis.
    pub(super) seconds: f64,
    /// The analysis rmse of the runs that did not diverge.
    pub(super) survivors: Option<Survivors>,
}

impl ReproducedRow<'_> {
    /// Holds the row against what is expected of it.
    pub(super) fn compare(&self, expected: Option<&ExpectedPlan>) -> Comparison {
        let column = |name: &str| self.columns.iter().find(|row| row.metric == name);
        let rmse = column("rmse");
        let (diverged, replicates) = rmse.map_or((0, 0), |row| (row.diverged, row.replicates));
        let ours = self.survivors.map(|survivors| (survivors.value, survivors.se));
        let beside = ExpectedPlan::BESIDE.iter().map(|name| {
            let theirs =
                expected.and_then(|plan| plan.beside.iter().find(|(key, _)| key == name)).map(|(_, value)| *value);
            (*name, column(name).and_then(|row| row.value), theirs)
        });
        let beside: Vec<_> = beside.filter(|(_, ours, theirs)| ours.is_some() || theirs.is_some()).collect();
        let mut compared = Comparison {
            experiment: self.experiment.to_owned(),
            row: self.label.to_owned(),
            verdict: Verdict::Shown,
            rmse: ours.map(|ours| ours.0),
            se: ours.map(|ours| ours.1),
            n: rmse.map_or(0, |row| row.n),
            diverged,
            replicates,
            seconds_per_cycle: self.seconds,
            expected: None,
            beside,
            z: None,
            p_diverged: None,
        };
        let Some(plan) = expected else { return compared };
        if diverged > 0 || plan.diverged > 0 {
            let (ours, theirs) = ((diverged as u64, replicates as u64), (plan.diverged as u64, plan.runs as u64));
            compared.p_diverged = Some(fisher_exact(ours, theirs)).filter(|_| least_p(ours.1, theirs.1) < LEVEL);
        }
        if let (Some(ours), Some(value), Some(se), 0) = (ours, plan.rmse, plan.se, plan.diverged) {
            compared.z = Some(z(ours, (value, se)));
        }
        compared.verdict = verdict(compared.z, compared.p_diverged, plan);
        compared.expected = Some(Known {
            rmse: plan.rmse,
            se: plan.se,
            published: plan.published,
            diverged: plan.diverged,
            runs: plan.runs,
            source: plan.source.clone(),
            explained: plan.explained.clone(),
        });
        compared
    }
}

/// What a difference of figures and the probability of equal rates of divergence say, where there are such.
fn verdict(z: Option<f64>, p_diverged: Option<f64>, plan: &ExpectedPlan) -> Verdict {
    let judged = [z.map(|z| z.abs() <= BOUND), p_diverged.map(|p| p >= LEVEL)];
    let agrees = judged.iter().flatten().all(|agrees| *agrees);
    match judged {
        [None, None] if plan.rmse.is_none() && plan.diverged == 0 => Verdict::Shown,
        [None, None] => Verdict::Undecided,
        _ if agrees => Verdict::Agrees,
        _ if plan.explained.is_empty() => Verdict::Differs,
        _ => Verdict::Explained,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict, z and p of a row with `diverged` of `replicates` and an rmse of the others, held against a figure.
    fn judged(
        (diverged, replicates): (usize, usize),
        survivors: Option<(f64, f64, usize)>,
        known: (Option<f64>, usize, usize),
        explained: &str,
    ) -> (Verdict, Option<f64>, Option<f64>) {
        let column = AssimilationRow {
            metric: "rmse".into(),
            value: None,
            se: None,
            n: 100,
            diverged,
            replicates,
            ..AssimilationRow::default()
        };
        let expected = ExpectedPlan {
            row: "row".into(),
            rmse: known.0,
            se: known.0.map(|_| 0.004),
            beside: Vec::new(),
            published: None,
            diverged: known.1,
            runs: known.2,
            source: String::new(),
            explained: explained.into(),
        };
        let columns = [&column];
        let survivors = survivors.map(|(value, se, replicates)| Survivors { value, se, replicates });
        let row = ReproducedRow { experiment: "x", label: "row", columns: &columns, seconds: 0.0, survivors };
        let compared = row.compare(Some(&expected));
        (compared.verdict, compared.z, compared.p_diverged)
    }

    #[test]
    fn figures_are_judged_by_combined_standard_errors() {
        let ours = Some((0.2, 0.003, 20));
        let (verdict, z, p) = judged((0, 20), ours, (Some(0.21), 0, 1), "");
        assert_eq!((verdict, p), (Verdict::Agrees, None));
        assert!((z.unwrap() + 2.0).abs() < 1e-9);
        assert_eq!(judged((0, 20), ours, (Some(0.22), 0, 1), "").0, Verdict::Differs);
        assert_eq!(judged((0, 20), ours, (Some(0.22), 0, 1), "another law").0, Verdict::Explained);
        assert_eq!(judged((0, 20), ours, (None, 0, 1), "").0, Verdict::Shown);
    }

    #[test]
    fn divergence_is_judged_by_rates_and_survivors_by_survivors() {
        let ours = Some((0.2, 0.003, 19));
        // one run there tells no rate, but its figure is that of a survivor
        let (verdict, z, p) = judged((1, 20), ours, (Some(0.201), 0, 1), "");
        assert_eq!((verdict, z.is_some(), p), (Verdict::Agrees, true, None));
        assert_eq!(judged((1, 20), ours, (Some(0.3), 0, 1), "").0, Verdict::Differs);
        // both must agree
        let (verdict, _, p) = judged((1, 20), ours, (Some(0.201), 0, 20), "");
        assert_eq!(verdict, Verdict::Agrees);
        assert!(p.unwrap() > 0.99);
        assert_eq!(judged((9, 20), ours, (Some(0.201), 0, 20), "").0, Verdict::Differs);
        // a figure with a diverged run in it is no survivor's
        let (verdict, z, _) = judged((1, 20), ours, (Some(1.7), 2, 20), "");
        assert_eq!((verdict, z), (Verdict::Agrees, None));
        assert_eq!(judged((0, 20), ours, (Some(1.7), 1, 1), "").0, Verdict::Undecided);
        assert_eq!(judged((0, 20), ours, (None, 20, 20), "").0, Verdict::Differs);
        assert_eq!(judged((20, 20), None, (Some(0.2), 0, 20), "").0, Verdict::Differs);
    }
}
