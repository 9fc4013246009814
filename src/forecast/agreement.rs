//! What is wrong with the settings of a forecaster beside each other, before anything is simulated or fitted: those that
//! contradict each other or the layout of a state, and those that others leave without a use.
//!
//! A setting without a use is a mistake only where it is not its default: a resolved experiment has all of them.

use std::collections::BTreeMap;

use super::{Error, FitSize, ForecasterBuild, Result, molrg, pca_linear};
use crate::nn::objective::unused_of_levels;
use crate::systems::{self, Entry, Geometry, Settings};

/// Layouts among which one suits any network, for states of which nothing is known.
const ANY: [(Geometry, usize); 3] =
    [(Geometry::Unstructured, 8), (Geometry::Ring, 8), (Geometry::Torus { rows: 4, columns: 4 }, 16)];

/// All that is wrong with checked settings of a kind of forecaster beside each other, for states of this size if it is
/// known: errors about single settings.
pub fn disagreements(
    entry: &Entry<ForecasterBuild>,
    settings: &Settings,
    size: Option<FitSize>,
) -> Vec<systems::Error> {
    let mut found: Vec<_> = match Settings::check(entry.name, entry.params, &BTreeMap::new()) {
        Ok(usual) => settings.iter().filter_map(|(key, _)| without_use(entry.name, key, settings, &usual)).collect(),
        Err(_) => Vec::new(),
    };
    found.extend(contradiction(entry, settings, size));
    found
}

/// What no layout, or not this one, lets the settings be.
fn contradiction(entry: &Entry<ForecasterBuild>, settings: &Settings, size: Option<FitSize>) -> Option<systems::Error> {
    // what a file has beside its states is not known either
    let one = |&(geometry, components)| FitSize { parameters: 1, ..FitSize::of_states(geometry, components) };
    let any = || ANY.iter().map(one).collect();
    let sizes: Vec<FitSize> = size.map_or_else(any, |size| vec![size]);
    let of = |one: &FitSize| of_layout(entry, settings, one, size.is_some()).err();
    let found: Option<Vec<Error>> = sizes.iter().map(of).collect();
    // what all layouts refuse is no matter of the layout
    match found?.pop()? {
        Error::System(error @ systems::Error::Setting { .. }) => Some(error),
        _ => None,
    }
}

fn of_layout(entry: &Entry<ForecasterBuild>, settings: &Settings, size: &FitSize, known: bool) -> Result<()> {
    if let Some(cost) = entry.build.cost {
        cost(settings, size)?;
    }
    match entry.name {
        "molrg" if known => molrg::check(settings, size.components),
        "pca_linear" if known => pca_linear::check(settings, size.components),
        _ => Ok(()),
    }
}

/// What is wrong with a setting that is not its usual one and that the others leave without a use.
fn without_use(kind: &str, key: &str, settings: &Settings, usual: &Settings) -> Option<systems::Error> {
    if settings.values().get(key) == usual.values().get(key) {
        return None;
    }
    let unless = unless(kind, key, settings)?;
    Some(settings.mistake(key, format!("has no use unless {unless}; change that, or leave `{key}` out")))
}

/// What would give a setting a use that it has not: a clause.
fn unless(kind: &str, key: &str, settings: &Settings) -> Option<String> {
    let text = |key: &str, needed: &str| {
        let used = settings.text(key) == needed;
        (!used).then(|| format!("`{key}` is \"{needed}\""))
    };
    match (kind, key) {
        ("diffusion", "p_mean" | "p_std" | "time_law") => unused_of_levels(key, settings.text("objective"), settings),
        ("consistency", "p_mean" | "p_std" | "time_law") => unused_of_levels(key, "denoising", settings),
        (_, "mean_steps") => text("target", "residual"),
        (_, "rollout_steps") => (settings.count("rollout") <= 1).then(|| "`rollout` is above 1".to_owned()),
        ("gaussian" | "mixture", "rank") => text("covariance", "low_rank"),
        ("pca_linear", "variance") => settings.has("rank").then(|| "`rank` is unset".to_owned()),
        (_, "kernel") => (settings.text("network") == "mlp").then(|| "`network` is one that convolves".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::FORECASTERS;
    use crate::systems::Value;
    use crate::systems::registry::find;

    /// Settings that are given.
    type Given<'a> = &'a [(&'a str, Value)];

    /// What is said of a forecaster with these settings on a ring of 40, and where nothing is known of a state.
    fn said(kind: &str, given: Given, layout: Option<(Geometry, usize)>) -> Vec<String> {
        let entry = find(FORECASTERS, "forecaster", kind).unwrap();
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let settings = Settings::check(kind, entry.params, &given).unwrap();
        disagreements(entry, &settings, layout.map(|(geometry, components)| FitSize::of_states(geometry, components)))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    fn text(word: &str) -> Value {
        Value::Text(word.to_owned())
    }

    #[test]
    fn usual_settings_agree_whatever_the_layout() {
        for entry in FORECASTERS {
            for layout in ANY.into_iter().map(Some).chain([None]) {
                let none: [String; 0] = [];
                assert_eq!(said(entry.name, &[], layout), none, "{} {layout:?}", entry.name);
            }
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_told_without_any_data() {
        let steps = |of: i64, all: i64, key: &'static str| vec![(key, Value::Int(of)), ("steps", Value::Int(all))];
        let residual = |of: i64| [steps(of, 100, "mean_steps"), vec![("target", text("residual"))]].concat();
        for (kind, given, says) in [
            (
                "diffusion",
                residual(100),
                "`mean_steps` is 100 of the 100 of `steps`, but both trainings need one at least",
            ),
            ("flow_matching", residual(500), "`mean_steps` is 500 of the 100 of `steps`"),
            ("consistency", steps(100, 100, "teacher_steps"), "`teacher_steps` is 100 of the 100 of `steps`"),
            (
                "diffusion",
                vec![("sigma_min", Value::Float(100.0))],
                "`sigma_min` is 100, but must be below `sigma_max`",
            ),
            (
                "diffusion",
                vec![("sigma_max", Value::Float(1e-5))],
                "`sigma_max` is 0.00001, but must be above `sigma_min`",
            ),
            (
                "consistency",
                vec![("sigma_min", Value::Float(40.0))],
                "`sigma_min` is 40, but must be below `sigma_max`",
            ),
            (
                "window",
                vec![("history", Value::Int(3)), ("frames", Value::Int(3))],
                "`frames` is 3, but must be more than `history`, which is 3",
            ),
            (
                "window",
                vec![("sorted_share", Value::Float(0.7))],
                "`sorted_share` is 0.7, but with `forecast_share`, which is 0.5, at most 1 is shared",
            ),
            ("gaussian", vec![("kernel", Value::Int(4))], "`kernel` is 4, but a convolution needs an odd number"),
        ] {
            for layout in [None, Some((Geometry::Ring, 40)), Some((Geometry::Unstructured, 3))] {
                let said = said(kind, &given, layout);
                assert!(said.len() == 1 && said[0].contains(says), "{kind} {given:?}: {said:?}");
            }
        }
    }

    #[test]
    fn settings_that_contradict_the_layout_are_told_where_it_is_known() {
        let free = Some((Geometry::Unstructured, 100));
        for (kind, given, says) in [
            ("gaussian", ("network", text("conv")), "`network` is \"conv\", but the 100 components are not"),
            ("gaussian", ("covariance", text("full")), "`covariance` is \"full\", which needs 100 fields"),
            ("molrg", ("dimension", Value::Int(200)), "`dimension` is 200, but pairs of states of 100 components"),
            ("pca_linear", ("rank", Value::Int(101)), "`rank` is 101, but a state has 100 components"),
        ] {
            let found = said(kind, std::slice::from_ref(&given), free);
            assert!(found.len() == 1 && found[0].contains(says), "{kind}: {found:?}");
            assert!(said(kind, &[given], None).is_empty(), "{kind}");
        }
    }

    #[test]
    fn a_setting_that_others_leave_without_a_use_is_told_and_its_default_is_not() {
        let cases: [(&str, Given, &str); 9] = [
            ("diffusion", &[("mean_steps", Value::Int(5))], "`mean_steps` has no use unless `target` is \"residual\""),
            ("gaussian", &[("rank", Value::Int(3))], "`rank` has no use unless `covariance` is \"low_rank\""),
            ("mixture", &[("rank", Value::Int(3))], "`rank` has no use unless `covariance` is \"low_rank\""),
            (
                "diffusion",
                &[("p_mean", Value::Float(0.0)), ("objective", text("noise"))],
                "`p_mean` has no use unless `noise_schedule` is \"edm\", and here it is that of `noise`; change that",
            ),
            (
                "diffusion",
                &[("p_std", Value::Float(1.0)), ("noise_schedule", text("rectified"))],
                "`p_std` has no use unless `noise_schedule` is \"edm\"; change that",
            ),
            (
                "diffusion",
                &[("time_law", text("logit_normal"))],
                "`time_law` has no use unless `noise_schedule` is \"vp_linear\"",
            ),
            ("consistency", &[("time_law", text("logit_normal"))], "`time_law` has no use unless `noise_schedule` is"),
            ("pca_linear", &[("rank", Value::Int(2)), ("variance", Value::Float(0.9))], "unless `rank` is unset"),
            ("crps", &[("network", text("mlp")), ("kernel", Value::Int(7))], "`kernel` has no use unless `network` is"),
        ];
        for (kind, given, says) in cases {
            let found = said(kind, given, Some((Geometry::Ring, 40)));
            assert!(found.len() == 1 && found[0].contains(says), "{kind} {given:?}: {found:?}");
        }
        let used: [(&str, Given); 6] = [
            ("diffusion", &[("mean_steps", Value::Int(5)), ("target", text("residual"))]),
            ("diffusion", &[("p_mean", Value::Float(-1.2)), ("objective", text("velocity"))]),
            (
                "diffusion",
                &[("p_mean", Value::Float(0.0)), ("objective", text("flow")), ("noise_schedule", text("edm"))],
            ),
            ("diffusion", &[("time_law", text("logit_normal")), ("objective", text("data"))]),
            ("flow_matching", &[("time_law", text("logit_normal"))]),
            ("gaussian", &[("rank", Value::Int(3)), ("covariance", text("low_rank"))]),
        ];
        for (kind, given) in used {
            assert!(said(kind, given, Some((Geometry::Ring, 40))).is_empty(), "{kind} {given:?}");
        }
    }
}
