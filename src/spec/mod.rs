//! What the user typed (a TOML text and overrides) and, once checked, what it means ([`Plan`]).
//!
//! text -> [`document`] (a tree with lines) -> [`presets`] and `overrides` -> `check` (against [`keys`] and the
//! registries) -> [`Plan`], or every [`Mistake`] at once.

pub mod document;
pub mod keys;
pub mod needs;
pub mod presets;
pub mod schema;
mod seeds;
pub mod size;
pub mod suites;

mod check;
mod estimable;
mod hold;
mod jump;
mod layout;
mod mistake;
mod nested;
mod overrides;
mod plan;
mod read;
mod resolved;

use document::Item;
use mistake::Mistakes;

pub use check::{Cell, KindOfModel, matrix, nearest_steps};
pub use hold::Hold;
pub use jump::{Jump, JumpSize};
pub use layout::Layout;
pub use mistake::{Mistake, failure};
pub use overrides::path_step;
pub use plan::{
    AssimilatePlan, DataPlan, DataSource, ExpectedPlan, ForecasterPlan, Initial, ObservePlan, Plan, ScorePlan,
    SecondsBudget, SystemPlan,
};
pub use presets::PRESETS;
pub use seeds::is_seed_of;

/// Checks an experiment: `text` is TOML, `origin` the file's name (or the preset's) for messages and for the default
/// name of the experiment, `overrides` are texts `a.b=c` applied in order before anything is checked.
///
/// # Errors
/// Every mistake at once, each with its key and line, in the order of the file.
pub fn check(text: &str, origin: &str, overrides: &[String]) -> Result<Plan, Vec<Mistake>> {
    check_with(text, origin, overrides, &|_| None)
}

/// As [`check`], where `kind_of_model` looks into the files of models for the kinds that the experiment leaves to them:
/// without it, what a method needs of such a forecaster is only known when it is loaded.
///
/// # Errors
/// As [`check`].
pub fn check_with(
    text: &str,
    origin: &str,
    overrides: &[String],
    kind_of_model: KindOfModel,
) -> Result<Plan, Vec<Mistake>> {
    checked(text, origin, overrides, kind_of_model, true)
}

/// As [`check_with`], of what concerns the trajectories: whatever is said of scores is not looked at, and stands as it is
/// unless said.
///
/// # Errors
/// As [`check`].
pub fn check_unscored(
    text: &str,
    origin: &str,
    overrides: &[String],
    kind_of_model: KindOfModel,
) -> Result<Plan, Vec<Mistake>> {
    checked(text, origin, overrides, kind_of_model, false)
}

fn checked(
    text: &str,
    origin: &str,
    overrides: &[String],
    kind_of_model: KindOfModel,
    scored: bool,
) -> Result<Plan, Vec<Mistake>> {
    let mistakes = Mistakes::default();
    if let Some(root) = document::parse(text, origin, &mistakes) {
        let mut root = presets::inherit(root, &mistakes);
        overrides.iter().for_each(|text| overrides::apply(&mut root, text, &mistakes));
        if let Item::Table(table) = &root.item
            && let Some(plan) = check::run(table, &root.place, origin, (kind_of_model, scored), &mistakes)
        {
            return Ok(plan);
        }
    }
    Err(mistakes.into_sorted())
}

/// The plan as TOML with every default filled in: what checking it again makes the plan of.
pub fn resolve(plan: &Plan) -> String {
    resolved::toml(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::systems::registry::Value;

    fn plan(text: &str, overrides: &[&str]) -> Plan {
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        check(text, "x.toml", &overrides).unwrap_or_else(|mistakes| panic!("{}", failure(&mistakes)))
    }

    fn mistakes(text: &str) -> Vec<String> {
        match check(text, "x.toml", &[]) {
            Ok(plan) => panic!("no mistake in\n{}", plan.resolved),
            Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn checking_a_resolved_preset_changes_nothing() {
        for preset in PRESETS {
            let first = check(preset.text, preset.name, &[]).unwrap_or_else(|m| panic!("{}", failure(&m)));
            assert_eq!(first.name, preset.name);
            let again = check(&first.resolved, "experiment.toml", &[]).unwrap_or_else(|m| panic!("{}", failure(&m)));
            assert_eq!(first.resolved, again.resolved);
        }
    }

    #[test]
    fn every_default_is_in_the_resolved_experiment() {
        let text = plan("[system]\nname = \"ou\"\n[data]\ndt = 1\n[observe]\n", &[]).resolved;
        for line in [
            "seed = 1",
            "coupling = 1.0",
            "dt = 1.0",
            "substeps = 10",
            "integrator = \"rk4\"",
            "noise = { name = \"gaussian\", sd = [1.0] }",
            "burn_in = 100",
            "lead_steps = 40",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_file_starts_from_a_preset_and_replaces_keys() {
        let short = plan("preset = \"sakov2008\"\nseed = 7\n[observe]\nsteps = 500\n", &["assimilate.etkf.members=30"]);
        assert_eq!(
            (short.seed, short.name.as_str(), short.observe[0].steps, short.observe[0].burn_in),
            (7, "x", 500, 400)
        );
        assert_eq!(short.assimilate[0].settings.count("members"), 30);
        let other = plan("preset = \"linear\"\n[system]\nname = \"ou\"\ndim = 5\n", &[]);
        assert_eq!(other.system.unwrap().system.dim(), 5);
        let renamed = mistakes("preset = \"lorenz96\"\n[system]\nname = \"lorenz63\"\n[data]\nd = 1\n");
        assert!(renamed.iter().all(|mistake| !mistake.contains("forcing")), "{renamed:?}");
    }

    #[test]
    fn a_file_that_starts_from_any_preset_and_says_no_more_is_that_preset() {
        for preset in PRESETS {
            let own = plan(&format!("name = \"{0}\"\npreset = \"{0}\"\n", preset.name), &[]);
            assert_eq!(own.resolved, plan(preset.text, &[&format!("name=\"{}\"", preset.name)]).resolved);
        }
    }

    #[test]
    fn a_preset_with_a_system_inside_is_changed_key_by_key() {
        let text = "[system]\nname = \"embed\"\n[system.of]\nname = \"lorenz96\"\ndim = 8\n";
        let inside = |overrides: &[&str]| plan(text, overrides).system.unwrap().settings;
        let of = |overrides: &[&str]| inside(overrides).system("of").map(|(name, of)| (name.to_owned(), of.clone()));
        let (name, settings) = of(&["system.of.forcing=9"]).unwrap();
        assert_eq!((name.as_str(), &settings["forcing"]), ("lorenz96", &Value::Float(9.0)));
        assert_eq!(settings["dim"], Value::Int(8));
        let (name, settings) = of(&["system.of=ou", "system.of.dim=5"]).unwrap();
        assert_eq!((name.as_str(), &settings["dim"]), ("ou", &Value::Int(5)));
        assert_eq!(plan(text, &["system.of=ou"]).data.stepping.dt, 0.1);
    }

    #[test]
    fn one_section_becomes_a_row_for_each_forecaster_and_network() {
        let text = "[system]\nname = \"ou\"\n[data]\ndt = 0.1\n[[observe]]\nname = \"a\"\n[[observe]]\nname = \"b\"\n\
                    [[assimilate]]\nmethod = \"enkf\"\nforecaster = [\"perfect\", \"persistence\"]\n";
        let labels: Vec<String> = plan(text, &[]).assimilate.into_iter().map(|row| row.label).collect();
        let expected = ["enkf / perfect / a", "enkf / perfect / b", "enkf / persistence / a", "enkf / persistence / b"];
        assert_eq!(labels, expected);
    }

    #[test]
    fn all_mistakes_come_at_once_in_the_order_of_their_lines() {
        let text = "seed = -1\n[system]\nname = \"lorenz96\"\nforcin = 8\n[data]\nsplit = [0.5, 0.1]\n[observ]\n";
        let expected = [
            "x.toml:1: the experiment: `seed` is -1, but must be an integer of at least 0",
            "x.toml:4: [system] has no key `forcin`; did you mean `forcing`?",
            "x.toml:6: [data]: `split` has 2 shares, but must have 3: training, validation, test",
            "x.toml:7: unknown section `observ`; did you mean `observe`?",
        ];
        assert_eq!(mistakes(text), expected);
    }

    #[test]
    fn no_setting_of_an_entry_hides_a_key_of_its_section() {
        fn free<B>(section: &keys::Section, entries: &[crate::systems::Entry<B>]) {
            for entry in entries {
                for param in entry.params {
                    assert!(section.keys().all(|key| key != param.key), "{} has `{}`", entry.name, param.key);
                }
            }
        }
        free(&keys::SYSTEM, crate::systems::catalogue::SYSTEMS);
        free(&keys::FORECASTER, crate::forecast::FORECASTERS);
        free(&keys::ASSIMILATE, crate::assimilation::METHODS);
    }
}
