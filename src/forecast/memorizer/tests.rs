//! `memorizer` against its formulas, and what it can draw.

use super::*;
use crate::systems::noising::sampler::ReverseSde;
use crate::systems::noising::{Karras, sample};
use crate::systems::{Domain, Stream};

const N: usize = 3;
const PAIRS: usize = 50;

fn normals(seed: u64, rows: usize) -> Array2<f64> {
    Key::new(seed, Domain::Data).normals(rows, N)
}

/// Pairs of a noisy linear map in three components.
fn memorizer(successor: bool, bandwidth: f64) -> Memorizer {
    let now = normals(1, PAIRS) * 2.0;
    let next = &now * 0.7 + normals(2, PAIRS);
    Memorizer::new(Pairs { now, next }, successor, bandwidth)
}

fn repeated(state: &Array1<f64>, members: usize) -> Array2<f64> {
    let mut x = Array2::zeros((members, N));
    x.assign(state);
    x
}

/// w of one member by its formula.
fn by_hand(model: &Memorizer, x_t: ArrayView1<f64>, x: ArrayView1<f64>, level: Level) -> Array1<f64> {
    let square = |d: Array1<f64>| d.dot(&d);
    let log = |j: usize| {
        let noised = square(&x_t - &(&model.targets.rows.row(j) * level.alpha)) / (2.0 * level.sigma.powi(2));
        let near = square((&x - &model.pairs.now.row(j)) / &model.states.sd) / (2.0 * model.bandwidth.powi(2));
        (-noised - near).exp()
    };
    let weights: Array1<f64> = (0..PAIRS).map(log).collect();
    let sum = weights.sum();
    weights / sum
}

const LEVELS: [Level; 3] =
    [Level { alpha: 1.0, sigma: 0.3 }, Level { alpha: 0.6, sigma: 0.8 }, Level { alpha: 1.0, sigma: 20.0 }];

#[test]
fn the_denoiser_is_the_weighted_mean_and_its_pullback_agrees_with_finite_differences() {
    for successor in [false, true] {
        let model = memorizer(successor, 0.8);
        // more members than are held at once
        let count = MEMBERS + 5;
        let (x, x_t, v) = (normals(3, count), normals(4, count), normals(5, count));
        let bound = model.bind(0, x.view()).unwrap();
        for level in LEVELS {
            let (denoised, pullback) = bound.denoiser.denoise_vjp(x_t.view(), level).unwrap();
            let pulled = pullback.pull(v.view()).unwrap();
            for member in [0, 7, count - 1] {
                let weights = by_hand(&model, x_t.row(member), x.row(member), level);
                let expected = weights.dot(&model.targets.rows);
                assert!((&denoised.row(member) - &expected).iter().all(|error| error.abs() < 1e-12));
            }
            let h = 1e-5;
            for column in 0..N {
                let at = |shift: f64| {
                    let mut moved = x_t.clone();
                    moved.column_mut(column).mapv_inplace(|value| value + shift);
                    (bound.denoiser.denoise(moved.view(), level).unwrap() * &v).sum_axis(Axis(1))
                };
                let difference = (at(h) - at(-h)) / (2.0 * h);
                for (found, expected) in pulled.column(column).iter().zip(&difference) {
                    assert!((found - expected).abs() < 1e-6 * (1.0 + expected.abs()), "{level:?}: {found} {expected}");
                }
            }
            let subset = bound.denoiser.select(&[7, 0]).unwrap();
            let again = subset.denoise(x_t.select(Axis(0), &[7, 0]).view(), level).unwrap();
            assert!((again - denoised.select(Axis(0), &[7, 0])).iter().all(|error| error.abs() < 1e-12));
        }
    }
}

/// Holds the pairs of draws against the kernel's weights: each count within five standard errors.
fn assert_frequencies(counts: &[f64], weights: &Array1<f64>, what: &str) {
    let draws: f64 = counts.iter().sum();
    for (j, (count, weight)) in counts.iter().zip(weights).enumerate() {
        let se = (draws * weight * (1.0 - weight)).sqrt();
        assert!((count - draws * weight).abs() < 5.0 * se + 1.0, "{what}: pair {j}: {count} of {draws} for {weight}");
    }
}

/// The nearest training increment or next state of each draw, its distance, and how often each is drawn.
fn recalled(model: &Memorizer, x: &Array2<f64>, next: &Array2<f64>) -> (f64, Vec<f64>) {
    let (mut farthest, mut counts) = (0.0f64, vec![0.0; PAIRS]);
    for (x, next) in x.outer_iter().zip(next.outer_iter()) {
        let drawn = if model.successor { next.to_owned() } else { &next - &x };
        let z = (drawn - &model.targets.mean) / &model.targets.sd;
        let distance = |j: usize| (&z - &model.targets.rows.row(j)).mapv(|d| d * d).sum().sqrt();
        let nearest = (0..PAIRS).min_by(|i, j| distance(*i).total_cmp(&distance(*j))).unwrap();
        farthest = farthest.max(distance(nearest));
        counts[nearest] += 1.0;
    }
    (farthest, counts)
}

#[test]
fn a_lead_step_is_a_training_increment_drawn_by_the_kernel() {
    for successor in [false, true] {
        let model = memorizer(successor, 0.8);
        let x = repeated(&normals(3, 1).row(0).to_owned(), 20_000);
        let mut next = x.clone();
        model.step(3, &mut next, Key::new(1, Domain::Method)).unwrap();
        let (farthest, counts) = recalled(&model, &x, &next);
        assert!(farthest < 1e-12, "{farthest}");
        // without any information in x_t: the kernel alone
        let weights = by_hand(&model, Array1::zeros(N).view(), x.row(0), Level { alpha: 1.0, sigma: 1e9 });
        assert_frequencies(&counts, &weights, "drawn at once");
    }
}

#[test]
fn the_reverse_process_of_its_denoiser_ends_at_training_increments_with_the_same_frequencies() {
    let model = memorizer(false, 0.8);
    let members = 4000;
    let x = repeated(&normals(3, 1).row(0).to_owned(), members);
    let bound = model.bind(0, x.view()).unwrap();
    let sigma_min = 0.01;
    // the start is forgotten to (1 / 100)^2, and 300 steps leave less than a standard error of the frequencies
    let grid = Karras { sigma_min, sigma_max: 100.0, rho: 7.0, steps: 300 };
    let key = Key::new(2, Domain::Method);
    let z = sample(&ReverseSde, &*bound.denoiser, &grid.exploding().unwrap(), members, key).unwrap();
    let (farthest, counts) = recalled(&model, &x, &bound.to_state.apply(&z));
    // the last step takes the noise of sigma_min away: what is left of three normals is below 6 of its sd
    assert!(farthest < 6.0 * sigma_min, "{farthest}");
    let weights = by_hand(&model, Array1::zeros(N).view(), x.row(0), Level { alpha: 1.0, sigma: 1e9 });
    assert_frequencies(&counts, &weights, "reverse process");
}

#[test]
fn the_interpolant_with_the_optimal_drift_ends_at_training_increments_too() {
    // from 0 to z: dX = (2 t D - sqrt(t) E[xi | X]) dt + (1 - t) dW with X = t^2 z + (1 - t) sqrt(t) xi
    let model = memorizer(false, 0.8);
    let members = 2000;
    let x = repeated(&normals(3, 1).row(0).to_owned(), members);
    let bound = model.bind(0, x.view()).unwrap();
    let steps = 500;
    let dt = 1.0 / f64::from(steps);
    let mut streams: Vec<Stream> = (0..members).map(|i| Key::new(4, Domain::Method).stream(i as u64)).collect();
    let mut z = Array2::zeros((members, N));
    for step in 0..steps {
        let t = f64::from(step) * dt;
        if step > 0 {
            let (alpha, sigma) = (t * t, (1.0 - t) * t.sqrt());
            let d = bound.denoiser.denoise(z.view(), Level { alpha, sigma }).unwrap();
            let noise = (&z - &(&d * alpha)) / sigma;
            z += &((d * (2.0 * t) - noise * t.sqrt()) * dt);
        }
        for (mut row, stream) in z.outer_iter_mut().zip(&mut streams) {
            row.mapv_inplace(|value| value + (1.0 - t) * dt.sqrt() * stream.normal());
        }
    }
    let (farthest, counts) = recalled(&model, &x, &bound.to_state.apply(&z));
    // the last step adds dt^(3/2) a component, and the drift of the one before is off by as much as it moves in dt
    assert!(farthest < 0.05, "{farthest}");
    let weights = by_hand(&model, Array1::zeros(N).view(), x.row(0), Level { alpha: 1.0, sigma: 1e9 });
    assert_frequencies(&counts, &weights, "interpolant");
}

#[test]
fn the_usual_bandwidth_is_the_median_distance_to_the_nearest_other_state() {
    let model = memorizer(false, 1.0);
    let scaled = &model.states.rows;
    let distance = |i: usize, j: usize| (&scaled.row(i) - &scaled.row(j)).mapv(|d| d * d).sum().sqrt();
    let nearest = |i: usize| (0..PAIRS).filter(|j| *j != i).map(|j| distance(i, j)).fold(f64::INFINITY, f64::min);
    let mut all: Vec<f64> = (0..PAIRS).map(nearest).collect();
    all.sort_by(f64::total_cmp);
    let found = model.states.usual_bandwidth().unwrap();
    assert!((found - all[PAIRS / 2]).abs() < 1e-9, "{found} {}", all[PAIRS / 2]);
    // copies are no others, and where there is nothing else there is no bandwidth
    let twice = ndarray::concatenate(Axis(0), &[model.pairs.now.view(), model.pairs.now.view()]).unwrap();
    assert!((Scaled::new(&twice).usual_bandwidth().unwrap() - found).abs() < 1e-6);
    assert!(Scaled::new(&Array2::ones((5, N))).usual_bandwidth().is_none());
}

#[test]
fn a_state_far_from_all_takes_its_nearest_and_one_that_diverged_stays() {
    let model = memorizer(false, 0.05);
    let mut x = Array2::from_elem((2, N), 300.0);
    x.row_mut(1).fill(f64::NAN);
    let before = x.clone();
    model.step(0, &mut x, Key::new(1, Domain::Method)).unwrap();
    let (farthest, _) = recalled(&model, &before.slice(s![..1, ..]).to_owned(), &x.slice(s![..1, ..]).to_owned());
    assert!(farthest < 1e-10 && x.row(1).iter().all(|value| value.is_nan()), "{farthest}");
}
