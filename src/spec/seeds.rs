//! A plan whose forecasters of several seeds are taken apart: one forecaster for each seed, and one row of each row with such a
//! forecaster, which say of what they are. A pool is left as it is, behind the forecasters that it is made of.

use super::plan::{AssimilatePlan, ForecasterPlan, Plan};

/// The label of one seed, counted from 1.
pub(super) fn of_seed(label: &str, index: usize) -> String {
    format!("{label}{SEED}{}", index + 1)
}

/// What stands between a label and the number of a seed.
const SEED: &str = "-seed-";

/// Whether a label is that of one of the seeds of another.
pub fn is_seed_of(label: &str, of: &str) -> bool {
    let number = label.strip_prefix(of).and_then(|rest| rest.strip_prefix(SEED));
    number.is_some_and(|number| number.parse::<usize>().is_ok())
}

/// Takes the forecasters of several seeds apart.
pub(super) fn take_apart(plan: &mut Plan) {
    // rows and scores with a pool are those of one forecaster
    let separate = |one: &&ForecasterPlan| one.seeds > 1 && one.seed_of.is_none() && !one.pool;
    let several = plan.forecasters.iter().filter(separate);
    let several: Vec<(String, usize)> = several.map(|one| (one.label.clone(), one.seeds)).collect();
    plan.forecasters = plan.forecasters.drain(..).flat_map(forecasters).collect();
    for (label, seeds) in several {
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

#[cfg(test)]
mod tests {
    use crate::spec;

    const TEXT: &str = "[system]\nname = \"ou\"\n[data]\ndt = 0.1\n[[forecaster]]\nname = \"a\"\nkind = \"gaussian\"\nseeds = 2\n\
                        [[forecaster]]\nname = \"b\"\nkind = \"crps\"\nseeds = 3\npool = true\n[observe]\n\
                        [[assimilate]]\nmethod = \"etkf\"\nforecaster = [\"a\", \"b\"]\n";

    #[test]
    fn seeds_become_forecasters_and_rows_and_a_pool_stands_behind_its_own() {
        let plan = spec::check(TEXT, "x.toml", &[]).unwrap();
        let labels: Vec<&str> = plan.forecasters.iter().map(|one| one.label.as_str()).collect();
        assert_eq!(labels[labels.len() - 6..], ["a-seed-1", "a-seed-2", "b-seed-1", "b-seed-2", "b-seed-3", "b"]);
        let rows: Vec<_> = plan.assimilate.iter().map(|row| (&*row.label, &*row.forecaster, row.reported())).collect();
        let a = "etkf / a";
        assert_eq!(
            rows,
            [("etkf / a-seed-1", "a-seed-1", a), ("etkf / a-seed-2", "a-seed-2", a), ("etkf / b", "b", "etkf / b")]
        );
        assert!(plan.forecast.ends_with(&["a-seed-1".to_owned(), "a-seed-2".to_owned(), "b".to_owned()]));
        assert_eq!((plan.reported("a-seed-2"), plan.reported("b-seed-2"), plan.reported("b")), ("a", "b", "b"));
        let again = spec::check(&plan.resolved, "experiment.toml", &[]).unwrap();
        assert_eq!(plan.resolved, again.resolved);
        assert_eq!(plan.forecast, again.forecast);
    }

    #[test]
    fn seeds_of_what_is_not_trained_and_labels_that_seeds_take_are_refused() {
        let refused = |section: &str| {
            let text = format!("[system]\nname = \"ou\"\n[data]\ndt = 0.1\n{section}");
            spec::check(&text, "x.toml", &[])
                .err()
                .unwrap()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        };
        let linear = refused("[[forecaster]]\nname = \"linear\"\nseeds = 2\n");
        assert!(linear.contains("x.toml:7") && linear.contains("is not trained"), "{linear}");
        let pool = refused("[[forecaster]]\nname = \"mse\"\npool = true\n");
        assert!(pool.contains("`seeds` is 1"), "{pool}");
        let stored = refused("[[forecaster]]\nname = \"mse\"\nmodel = \"x.safetensors\"\nseeds = 2\n");
        assert!(stored.contains("leave `seeds` out"), "{stored}");
        let taken = refused(
            "[[forecaster]]\nname = \"mse\"\nseeds = 2\n[[forecaster]]\nname = \"mse-seed-2\"\nkind = \"mse\"\n",
        );
        assert!(taken.contains("is the label of one of the seeds of `mse`"), "{taken}");
    }
}
