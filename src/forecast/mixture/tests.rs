//! The forecaster's draws, density and denoiser, which are of one law.

use ndarray::{Array2, ArrayView3, Axis, s};

use crate::forecast::densities::alternating;
use crate::forecast::fitting::tests::try_fit;
use crate::forecast::{FORECASTERS, Fitted};
use crate::systems::registry::find;
use crate::systems::{Domain, Geometry, Key, Level, Value};

fn fit(kind: &str, given: &[(&str, Value)], geometry: Geometry, data: [ArrayView3<f64>; 2]) -> Fitted {
    try_fit(kind, given, (geometry, 5), data).unwrap()
}

#[test]
fn draws_density_and_denoiser_are_of_one_law_and_survive_a_file() {
    let data = alternating(6, 33, 5);
    let given = [
        ("steps", Value::Int(200)),
        ("width", Value::Int(8)),
        ("components", Value::Int(3)),
        ("covariance", Value::Text("low_rank".to_owned())),
    ];
    let fitted = fit("mixture", &given, Geometry::Ring, [data.view(), data.view()]);
    let members = 100;
    let x = Array2::from_shape_fn((members, 8), |(i, c)| data[[i % 6, 3 + i / 6, c]]);
    let next = &x + &(Key::new(6, Domain::Method).normals(members, 8) * 0.3);
    let density = fitted.density().unwrap();
    let log_prob = density.log_prob(0, x.view(), next.view()).unwrap();
    // the denoiser's score at a small level, in z, is the gradient of the log-density
    let bound = fitted.denoiser().unwrap().bind(0, x.view()).unwrap();
    let z = (&next - &bound.to_state.offset) / &bound.to_state.scale;
    let sigma = 1e-4;
    let denoised = bound.denoiser.denoise(z.view(), Level::exploding(sigma)).unwrap();
    let score = (denoised - &z) / (sigma * sigma) / &bound.to_state.scale;
    let h = 1e-5;
    for c in 0..8 {
        let at = |h: f64| {
            let mut moved = next.clone();
            moved.column_mut(c).mapv_inplace(|x| x + h);
            density.log_prob(0, x.view(), moved.view()).unwrap()
        };
        let gradient = (at(h) - at(-h)) / (2.0 * h);
        for (found, expected) in score.column(c).iter().zip(&gradient) {
            // the level of 1e-4 moves it by 1e-8 of its third derivative
            assert!((found - expected).abs() < 1e-3 * (1.0 + expected.abs()), "{found} {expected}");
        }
    }
    // one by one, a member has the law that it has among all
    let alone = density.log_prob(0, x.slice(s![99.., ..]), next.slice(s![99.., ..])).unwrap();
    assert!((alone[0] - log_prob[99]).abs() < 1e-5 * log_prob[99].abs(), "{} {}", alone[0], log_prob[99]);
    let entry = find(FORECASTERS, "forecaster", "mixture").unwrap().build;
    let model = fitted.model();
    let loaded = entry.rebuild(&model).unwrap().unwrap();
    let step = |model: &Fitted| {
        let mut x = x.clone();
        model.advance(3, 2, &mut x, Key::new(7, Domain::Method)).unwrap();
        x
    };
    assert_eq!(step(&fitted), step(&loaded));
    assert_eq!(loaded.density().unwrap().log_prob(0, x.view(), next.view()).unwrap(), log_prob);
    for (key, value) in [("components", 0), ("rank", 1000), ("components", 2)] {
        let mut damaged = model.clone();
        damaged.config["forecaster"][key] = value.into();
        let message = entry.rebuild(&damaged).unwrap().err().unwrap().to_string();
        assert!(message.contains("is damaged"), "{message}");
    }
}

#[test]
fn draws_have_the_mean_and_the_variance_of_the_law() {
    let data = alternating(6, 33, 5);
    let given = [("steps", Value::Int(100)), ("width", Value::Int(8)), ("components", Value::Int(3))];
    let fitted = fit("mixture", &given, Geometry::Ring, [data.view(), data.view()]);
    let members = 40_000;
    let from = data.slice(s![2, 7..8, ..]).to_owned();
    let bound = fitted.denoiser().unwrap().bind(0, from.view()).unwrap();
    let mut draws = from.select(Axis(0), &vec![0; members]);
    fitted.advance(0, 1, &mut draws, Key::new(8, Domain::Method)).unwrap();
    let mean = draws.mean_axis(Axis(0)).unwrap();
    for c in 0..8 {
        let sd = bound.to_state.scale[[0, c]];
        assert!((mean[c] - bound.to_state.offset[[0, c]]).abs() < 5.0 * sd / (members as f64).sqrt());
        let squares = draws.column(c).mapv(|x| ((x - mean[c]) / sd).powi(2));
        let variance = squares.mean().unwrap();
        let se = (squares.mapv(|s| (s - variance).powi(2)).mean().unwrap() / members as f64).sqrt();
        assert!((variance - 1.0).abs() < 5.0 * se, "component {c}: {variance}");
    }
    assert_ne!(draws.row(0), draws.row(1));
}
