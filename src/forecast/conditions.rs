//! Forecasters that are given parameters of the system: what they carry, cost and refuse.

use ndarray::{Array2, Array3, ArrayView3, s};

use super::fitting::tests::try_fit_knowing;
use super::{FORECASTERS, FitContext, FitSize, Fitted, KnownParameters, Result};
use crate::systems::{Domain, Entry, Geometry, Key, Settings, Value};

fn states(cases: usize) -> Array3<f64> {
    Array3::from_shape_vec((cases, 12, 3), Key::new(1, Domain::Data).normals(cases * 12, 3).into_raw_vec_and_offset().0)
        .unwrap()
}

fn names() -> Vec<String> {
    ["of.rho", "of.beta"].map(str::to_owned).to_vec()
}

fn fit(
    entry: &Entry<super::ForecasterBuild>,
    more: &[(&str, Value)],
    data: ArrayView3<f64>,
    own: &Array2<f64>,
) -> Result<Fitted> {
    let names = names();
    let mut given = vec![("steps", Value::Int(4)), ("width", Value::Int(4))];
    given.extend(more.iter().cloned());
    let known = |(key, _): &(&str, Value)| entry.params.iter().any(|param| param.key == *key);
    let given: Vec<_> = given.into_iter().filter(known).collect();
    let parameters = KnownParameters { names: &names, train: own.view(), valid: own.view() };
    try_fit_knowing(entry.name, &given, (Geometry::Unstructured, 3), [data, data], Some(parameters))
}

/// Forecasters that can be given parameters.
fn all() -> impl Iterator<Item = &'static Entry<super::ForecasterBuild>> {
    let can = |entry: &&Entry<super::ForecasterBuild>| entry.params.iter().any(|param| param.key == "condition_on");
    FORECASTERS.iter().filter(|entry| entry.build.is_learned()).filter(can)
}

fn on_parameters() -> (&'static str, Value) {
    ("condition_on", Value::Text("parameters".to_owned()))
}

#[test]
fn a_lead_step_leaves_parameters_as_they_are_heeds_them_and_a_stored_one_does_the_same() {
    let (data, own) = (states(5), Key::new(2, Domain::Data).normals(5, 2) * 3.0 + 20.0);
    let ways = [(1, "fields"), (2, "fields"), (1, "film"), (2, "film")];
    for (entry, (history, by)) in all().flat_map(|entry| ways.map(|way| (entry, way))) {
        let name = entry.name;
        // large steps, so that a few of them make the network heed all that it is given
        let more = [
            on_parameters(),
            ("condition_by", Value::Text(by.to_owned())),
            ("history", Value::Int(history)),
            ("learning_rate", Value::Float(0.3)),
        ];
        let fitted = fit(entry, &more, data.view(), &own).unwrap();
        let dim = 3 * history as usize + 2;
        assert_eq!((fitted.dim(), fitted.history(), fitted.components()), (dim, history as usize, 3), "{name}");
        assert_eq!(fitted.parameters(), names(), "{name}");
        let before = {
            let mut x = Key::new(4, Domain::Data).normals(6, dim);
            x.slice_mut(s![.., dim - 2..]).mapv_inplace(|parameter| 20.0 + 3.0 * parameter);
            x
        };
        let key = Key::new(5, Domain::Method);
        let stepped = |fitted: &Fitted, mut x: Array2<f64>| {
            fitted.step(0, &mut x, key).unwrap();
            x
        };
        let x = stepped(&fitted, before.clone());
        assert!(x.iter().all(|x| x.is_finite()), "{name}");
        assert_eq!(x.slice(s![.., dim - 2..]), before.slice(s![.., dim - 2..]), "{name}");
        assert_eq!(x.slice(s![.., 3..dim - 2]), before.slice(s![.., ..dim - 5]), "{name}");
        let mut other = before.clone();
        other.slice_mut(s![.., dim - 1]).mapv_inplace(|parameter| parameter + 3.0);
        assert_ne!(stepped(&fitted, other).slice(s![.., ..3]), x.slice(s![.., ..3]), "{name} does not heed them");
        let again = entry.build.rebuild(&fitted.model()).unwrap().unwrap();
        assert_eq!((stepped(&again, before), again.parameters()), (x, fitted.parameters()), "{name}");
        for offered in [fitted.denoiser().is_some(), fitted.gaussian().is_some(), fitted.differentiable().is_some()] {
            assert!(!offered, "{name}: that of x_k alone is none of what is carried");
        }
        // a cost that is known before is that of what was made
        let of = |parameters: usize, more: &[(&str, Value)]| {
            let given = [("width", Value::Int(4)), ("history", Value::Int(history))];
            let given = given.iter().chain(more).filter(|(key, _)| entry.params.iter().any(|param| param.key == *key));
            let given = given.map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            let settings = Settings::check("x", entry.params, &given).unwrap();
            let size = FitSize { parameters, ..FitSize::of_states(Geometry::Unstructured, 3) };
            (entry.build.cost.unwrap())(&settings, &size).map(|cost| cost.parameters).map_err(|error| error.to_string())
        };
        let given = [on_parameters(), ("condition_by", Value::Text(by.to_owned()))];
        assert!(of(2, &given) > of(2, &[]), "{name}");
        assert!(of(2, &[given[1].clone()]).is_err() == (by == "film"), "{name}: a film of nothing");
        let refused = of(0, &given).unwrap_err();
        assert!(refused.contains("`condition_on`") && refused.contains("perturb_parameters"), "{refused}");
    }
}

#[test]
fn a_parameter_that_does_not_vary_is_refused_and_so_is_a_model_that_is_given_others() {
    let (data, own) = (states(5), Key::new(2, Domain::Data).normals(5, 2));
    let entry = all().find(|entry| entry.name == "gaussian").unwrap();
    let mut same = own.clone();
    same.column_mut(1).fill(2.5);
    let said = fit(entry, &[on_parameters()], data.view(), &same).err().unwrap().to_string();
    assert!(said.contains("`of.beta` is the same in all 5 training trajectories"), "{said}");
    let mut model = fit(entry, &[on_parameters()], data.view(), &own).unwrap().model();
    for damaged in [serde_json::json!("of.rho"), serde_json::json!([]), serde_json::json!(["of.rho", 3])] {
        model.config["parameters"] = damaged;
        let said = entry.build.rebuild(&model).unwrap().err().unwrap().to_string();
        assert!(said.contains("parameters") && said.contains("must be a list"), "{said}");
    }
    model.config["parameters"] = serde_json::json!(["of.rho"]);
    assert!(entry.build.rebuild(&model).unwrap().is_err());
    // a training goes on from a model that is given the same, and from no other
    let model = fit(entry, &[on_parameters()], data.view(), &own).unwrap().model();
    let started = |condition: &str| {
        let given =
            [("steps", Value::Int(4)), ("width", Value::Int(4)), ("condition_on", Value::Text(condition.to_owned()))];
        let given = given.map(|(key, value)| (key.to_owned(), value)).into_iter().collect();
        let settings = Settings::check("x", entry.params, &given).unwrap();
        let names = names();
        let context = FitContext {
            system: None,
            geometry: Geometry::Unstructured,
            train: data.view(),
            valid: data.view(),
            held_by: None,
            parameters: Some(KnownParameters { names: &names, train: own.view(), valid: own.view() }),
            key: Key::new(9, Domain::Training),
            progress: &crate::progress::Quiet,
            checkpoints: None,
            start: Some(&model),
            processor: &crate::nn::ops::Processor::Cpu,
        };
        (entry.build.fit)(&settings, &context).map(|fitted| fitted.parameters().to_vec())
    };
    assert_eq!(started("parameters").unwrap(), names());
    let said = started("state").unwrap_err().to_string();
    assert!(
        said.contains("is given of.rho, of.beta, but the training gives no parameters; set `condition_on`"),
        "{said}"
    );
}
