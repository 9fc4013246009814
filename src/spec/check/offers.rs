//! What kinds of forecasters offer of what methods need, as far as that is known before they are fitted, and what to take
//! instead where one does not offer it.

use crate::assimilation::Need;
use crate::forecast::FORECASTERS;
use crate::systems::{Forecaster, Settings};

/// What kinds of forecasters offer; those that are not here offer everything but a lead step without noise.
const OFFERS: &[(&[&str], &[Need])] = &[
    (&["persistence"], &[Need::Noiseless]),
    (&["climatology", "analog", "consistency"], &[]),
    (&["diffusion", "flow_matching", "interpolant", "window", "memorizer"], &[Need::Denoiser]),
    (&["mixture", "molrg"], &[Need::Denoiser, Need::Density, Need::Mixture]),
    (&["normalizing_flow", "autoregressive"], &[Need::Density]),
    (&["crps", "lifting"], &[Need::Derivative]),
    (
        &["gaussian", "mse"],
        &[Need::Denoiser, Need::Density, Need::Kernel, Need::Mixture, Need::Noise, Need::Derivative, Need::MeanAdjoint],
    ),
];

/// Kinds that give back what they were trained on, which nobody is sent to.
const MEMORIZING: [&str; 2] = ["lifting", "memorizer"];

/// Whether a kind of forecaster offers what a method needs, as far as that is known before it is fitted.
fn offers(kind: &str, need: Need, perfect: Option<&dyn Forecaster>) -> bool {
    match (kind, perfect) {
        ("perfect", Some(perfect)) => need.offered_by(perfect),
        ("perfect", None) | ("", _) => true,
        _ => match OFFERS.iter().find(|(kinds, _)| kinds.contains(&kind)) {
            Some((_, offered)) => offered.contains(&need),
            None => need != Need::Noiseless,
        },
    }
}

/// As [`offers`], of a forecaster with these settings; those of a stored one may not be known.
pub(super) fn offers_with(
    kind: &str,
    settings: Option<&Settings>,
    need: Need,
    perfect: Option<&dyn Forecaster>,
) -> bool {
    let Some(settings) = settings else { return offers(kind, need, perfect) };
    match (kind, need) {
        ("mse", Need::Density) => settings.text("noise") != "none",
        ("mse", Need::Noiseless) => ["none", ""].contains(&settings.text("noise")),
        ("analog", Need::Noiseless | Need::Noise) => {
            settings.count("neighbours") <= 1 && settings.optional_number("noise").unwrap_or(0.0) == 0.0
        }
        _ => offers(kind, need, perfect),
    }
}

/// That a method with these settings needs what the forecaster of a label does not offer, and what to take instead.
pub(super) fn refused_need(
    (method, settings): (&str, &Settings),
    need: Need,
    label: &str,
    perfect: Option<&dyn Forecaster>,
) -> String {
    let (what, remedy) = (named(need, settings), remedy(need, settings, perfect));
    format!("`{method}` needs {what}, which `{label}` does not offer; {remedy}")
}

/// What a method with these settings needs, in words that complete "needs ...".
pub(super) fn named(need: Need, settings: &Settings) -> String {
    let what = need.describe();
    match need {
        Need::Noiseless => {
            let set = for_noise(settings).iter().map(|(is, _)| is.clone()).collect::<Vec<_>>();
            format!("{what} with {}", set.join(" and "))
        }
        _ => what.to_owned(),
    }
}

/// The settings of a method that ask for a forecaster without noise: what they are, and what serves one with noise.
fn for_noise(settings: &Settings) -> Vec<(String, &'static str)> {
    let (shift, linearization) = (settings.count("shift"), settings.text("linearization"));
    let shift = (shift > 1).then(|| (format!("`shift` = {shift}"), "`shift` to 1"));
    let bundle = (linearization == "bundle")
        .then(|| ("`linearization` = \"bundle\"".to_owned(), "`linearization` to \"transform\""));
    shift.into_iter().chain(bundle).collect()
}

/// What to take instead: forecasters that offer it, the true system where the experiment has one, methods without the need.
fn remedy(need: Need, settings: &Settings, perfect: Option<&dyn Forecaster>) -> String {
    let system = perfect.map(|perfect| of_system(need, perfect));
    if need == Need::Noiseless {
        let set = for_noise(settings).iter().map(|(_, serves)| *serves).collect::<Vec<_>>();
        let instead: Vec<String> = ["`mse` with `noise` = \"none\"".to_owned()].into_iter().chain(system).collect();
        return format!("set {}, or take {}", set.join(" and "), alternatives(&instead));
    }
    let kinds = FORECASTERS.iter().filter(|entry| entry.build.load.is_some()).map(|entry| entry.name);
    let offering = kinds.filter(|kind| offers(kind, need, None) && !MEMORIZING.contains(kind));
    let method = if need == Need::MeanAdjoint { "ienks" } else { "etkf" };
    let method = format!("a method of members such as `{method}`");
    let instead: Vec<String> = offering.map(|kind| format!("`{kind}`")).chain(system).chain([method]).collect();
    format!("take {}", alternatives(&instead))
}

/// The true system, or what it must be like.
fn of_system(need: Need, perfect: &dyn Forecaster) -> String {
    let like = match need {
        _ if need.offered_by(perfect) => return "the true system, `perfect`".to_owned(),
        Need::LinearGaussian => "a linear one such as `ou`, and `perfect`",
        Need::Noiseless => "one without noise, and `perfect`",
        Need::Derivative => "one whose derivative is written, and `perfect`",
        Need::Noise | Need::MeanAdjoint => {
            "one without noise, or with additive noise and one integration step a lead step, and `perfect`"
        }
        Need::Denoiser | Need::Density | Need::Kernel | Need::Mixture => {
            "one with additive noise and one integration step a lead step, and `perfect`"
        }
    };
    format!("another system, {like}")
}

/// "a, b or c".
fn alternatives(all: &[String]) -> String {
    match all {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} or {last}", before.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ndarray::s;

    use super::*;
    use crate::assimilation::METHODS;
    use crate::forecast::FitContext;
    use crate::progress::Quiet;
    use crate::systems::{Domain, Geometry, Key, Value};

    const NEEDS: [Need; 9] = [
        Need::LinearGaussian,
        Need::Denoiser,
        Need::Density,
        Need::Kernel,
        Need::Mixture,
        Need::Noise,
        Need::Derivative,
        Need::MeanAdjoint,
        Need::Noiseless,
    ];

    #[test]
    fn what_is_advised_offers_what_is_needed() {
        let none = Settings::check("a method", &[], &BTreeMap::new()).unwrap();
        for need in NEEDS.into_iter().filter(|need| *need != Need::Noiseless) {
            let said = remedy(need, &none, None);
            let named: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
            let kinds = named.iter().filter(|name| FORECASTERS.iter().any(|entry| entry.name == **name));
            assert!(kinds.clone().all(|kind| offers(kind, need, None)) && kinds.count() > 0, "{said}");
            let methods = named.iter().filter_map(|name| METHODS.iter().find(|entry| entry.name == *name));
            assert!(methods.clone().all(|method| method.build.needs.is_empty()), "{said}");
            assert!(!said.contains("system"), "there is none: {said}");
        }
    }

    #[test]
    fn a_kind_offers_what_is_said_of_it_before_it_is_fitted() {
        let data = Key::new(1, Domain::Data).normals(12 * 20, 2).into_shape_with_order((12, 20, 2)).unwrap();
        for entry in FORECASTERS.iter().filter(|entry| entry.build.load.is_some()) {
            let few = [("steps", 4), ("width", 4)].map(|(key, count)| (key.to_owned(), Value::Int(count)));
            let known = |(key, _): &(String, Value)| entry.params.iter().any(|param| param.key == key.as_str());
            let given = few.into_iter().filter(known).collect();
            let settings = Settings::check(entry.name, entry.params, &given).unwrap();
            let context = FitContext {
                system: None,
                geometry: Geometry::Unstructured,
                train: data.slice(s![..10, .., ..]),
                valid: data.slice(s![10.., .., ..]),
                held_by: None,
                parameters: None,
                key: Key::new(2, Domain::Training),
                progress: &Quiet,
                checkpoints: None,
                start: None,
                processor: &crate::nn::ops::Processor::Cpu,
            };
            let fitted = (entry.build.fit)(&settings, &context).unwrap();
            for need in NEEDS {
                // a lead step that draws nothing is found by a look at it
                let asked = if need == Need::Noise { Need::Kernel } else { need };
                let found = asked.offered_by(fitted.as_forecaster());
                // far from all it was trained on, it has one increment to give back
                if entry.name == "memorizer" && need == Need::Noiseless {
                    continue;
                }
                assert_eq!(offers_with(entry.name, Some(&settings), need, None), found, "{} {need:?}", entry.name);
            }
        }
    }
}
