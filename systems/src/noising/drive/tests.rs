use ndarray::{Array1, ArrayView2, arr2, array};

use super::*;
use crate::gaussian::{GaussianDenoiser, IndependentDenoiser};
use crate::key::Domain;
use crate::noising::sampler::{DpmSolver2M, Heun, ReverseSde};
use crate::noising::schedule::{Exploding, Rectified};
use crate::noising::{Karras, LogSnr, Schedule, Shifted, Uniform};

const KEY: Key = Key::new(23, Domain::Method);

fn levels(steps: usize) -> Levels {
    Levels::new(&Exploding, &LogSnr { sigma_min: 0.02, sigma_max: 20.0, steps }).unwrap()
}

fn data() -> GaussianDenoiser {
    GaussianDenoiser::new(array![0.5, -1.0], arr2(&[[1.0, 0.3], [0.3, 0.25]]).view()).unwrap()
}

#[test]
fn the_flow_carries_a_member_to_noise_and_back() {
    // x(sigma) - m = (x(s) - m) sqrt((v + sigma^2) / (v + s^2)) along the flow of Gaussian data of variance v
    let data = GaussianDenoiser::new(array![0.5], arr2(&[[0.25]]).view()).unwrap();
    let start = arr2(&[[0.1], [1.4]]);
    let there_and_back = |steps: usize| {
        let (down, up) = (levels(steps), levels(steps).reversed());
        let run = |levels, start| {
            let run = Run { denoiser: &data, sampler: &Heun, levels, key: KEY };
            drive(&run, Start::At(start), &mut ()).unwrap().x
        };
        let noise = run(&up, start.clone());
        (noise.clone(), run(&down, noise))
    };
    let error = |steps| {
        let (noise, _) = there_and_back(steps);
        // the first step, from 0 to .02, moves nothing
        let exact = start.mapv(|x| 0.5 + (x - 0.5) * ((0.25 + 400.0) / (0.25 + 4e-4f64)).sqrt());
        ((&noise - &exact) / &exact).iter().fold(0.0f64, |most, gap| most.max(gap.abs()))
    };
    let order = (error(100) / error(200)).log2();
    assert!((order - 2.0).abs() < 0.2 && error(200) < 2e-3, "{order} {}", error(200));
    let (_, back) = there_and_back(200);
    assert!((&back - &start).iter().all(|gap| gap.abs() < 5e-3), "{back}");
}

#[test]
fn a_sampler_that_draws_goes_to_noise_by_the_noising_process() {
    let schedule = Rectified;
    let up = Levels::new(&schedule, &Uniform { from: 0.9, to: 0.0, steps: 6 }).unwrap().reversed();
    let members = 40_000;
    let run = Run { denoiser: &data(), sampler: &ReverseSde, levels: &up, key: KEY };
    let x = drive(&run, Start::At(Array2::from_elem((members, 2), 3.0)), &mut ()).unwrap().x;
    // x_t = alpha x_0 + sigma eps whatever the steps between
    let (level, n) = (schedule.level(0.9), members as f64);
    let mean = x.mean_axis(Axis(0)).unwrap();
    let variance = (&x - &mean).mapv(|gap| gap * gap).mean_axis(Axis(0)).unwrap();
    for component in 0..2 {
        assert!((mean[component] - 3.0 * level.alpha).abs() < 5.0 * level.sigma / n.sqrt(), "{mean}");
        assert!((variance[component] / level.sigma.powi(2) - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{variance}");
    }
}

/// Denoises frames of one component each with variance v, by its own level.
struct Frames(Array1<f64>);

impl Denoiser for Frames {
    fn dim(&self) -> usize {
        self.0.len()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        Ok(self.evaluate(x_t, &vec![level; self.dim()])?.guided)
    }

    fn evaluate(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<Denoised> {
        let mut out = x_t.to_owned();
        for ((mut column, level), v) in out.columns_mut().into_iter().zip(levels).zip(&self.0) {
            let gain = level.alpha * v / (level.alpha * level.alpha * v + level.sigma * level.sigma);
            column.mapv_inplace(|x| gain * x);
        }
        Ok(Denoised::free(out))
    }
}

#[test]
fn each_frame_goes_its_own_way() {
    // one to data, one to noise, one at rest from the middle on
    let rest = {
        let all = levels(12);
        let stop = all.before(6)[0];
        Levels::from_rows(Array2::from_shape_fn((13, 1), |(i, _)| if i < 6 { all.before(i)[0] } else { stop }))
    };
    let frames = [levels(12), levels(12).reversed(), rest];
    let start = arr2(&[[3.0, 0.2, 5.0], [-20.0, 1.0, 0.1]]);
    for sampler in [&Heun as &dyn Sampler, &DpmSolver2M] {
        let together = Levels::side_by_side(&frames);
        let all = Frames(array![0.3, 1.0, 2.0]);
        let run = Run { denoiser: &all, sampler, levels: &together, key: KEY };
        let x = drive(&run, Start::At(start.clone()), &mut ()).unwrap().x;
        for (frame, alone) in frames.iter().enumerate() {
            let one = Frames(array![all.0[frame]]);
            let run = Run { denoiser: &one, sampler, levels: alone, key: KEY };
            let own = drive(&run, Start::At(start.slice(s![.., frame..=frame]).to_owned()), &mut ()).unwrap().x;
            assert_eq!(x.column(frame), own.column(0), "{sampler:?} frame {frame}");
        }
        assert!(x.iter().all(|value| value.is_finite()));
    }
    let run = Run { denoiser: &data(), sampler: &Heun, levels: &Levels::side_by_side(&frames[..2]), key: KEY };
    let refused = drive(&run, Start::At(Array2::zeros((1, 2))), &mut ()).unwrap_err();
    assert!(refused.to_string().contains("one noise level for all frames"), "{refused}");
}

/// Resamples once.
struct Resample(usize, Vec<usize>);

impl Observer for Resample {
    fn observe(&mut self, step: &Step, _: Option<&Evaluation>, _: &mut Array2<f64>) -> Result<Option<Vec<usize>>> {
        Ok((step.index == self.0).then(|| self.1.clone()))
    }
}

#[test]
fn ancestors_permute_state_condition_and_memory_alike() {
    // a deterministic sampler with memory: a permutation on the way is one of the result
    let conditions = IndependentDenoiser::new(arr2(&[[0.1, 1.0], [0.5, 2.0], [1.5, 0.2]]));
    let levels = levels(9);
    let run = Run { denoiser: &conditions, sampler: &DpmSolver2M, levels: &levels, key: KEY };
    let plain = drive(&run, Start::Noise(3), &mut ()).unwrap();
    assert!(plain.ancestors.is_none());
    for order in [vec![2, 0, 1], vec![1, 1, 2]] {
        let resampled = drive(&run, Start::Noise(3), &mut Resample(4, order.clone())).unwrap();
        assert_eq!(resampled.x, plain.x.select(Axis(0), &order));
        assert_eq!(resampled.ancestors, Some(order));
    }
}

/// Resamples after every step.
struct Always(Vec<usize>);

impl Observer for Always {
    fn observe(&mut self, _: &Step, _: Option<&Evaluation>, _: &mut Array2<f64>) -> Result<Option<Vec<usize>>> {
        Ok(Some(self.0.clone()))
    }
}

#[test]
fn ancestors_of_several_resamplings_are_rows_of_the_start() {
    let levels = levels(2);
    let run = Run { denoiser: &data(), sampler: &DpmSolver2M, levels: &levels, key: KEY };
    let twice = drive(&run, Start::Noise(3), &mut Always(vec![1, 2, 2])).unwrap();
    assert_eq!(twice.ancestors, Some(vec![2, 2, 2]));
}

/// A denoiser that guides by a constant, and what an observer saw of it.
struct Guided(GaussianDenoiser);

impl Denoiser for Guided {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        Ok(self.0.denoise(x_t, level)? + 0.1)
    }

    fn evaluate(&self, x_t: ArrayView2<f64>, levels: &[Level]) -> Result<Denoised> {
        let free = self.0.denoise(x_t, levels[0])?;
        Ok(Denoised { guided: &free + 0.1, unguided: Some(free) })
    }
}

/// The largest difference between D* - 0.1 with guidance and D* without.
struct Gap(f64);

impl Observer for Gap {
    fn observe(
        &mut self,
        step: &Step,
        evaluation: Option<&Evaluation>,
        next: &mut Array2<f64>,
    ) -> Result<Option<Vec<usize>>> {
        let target = evaluation.unwrap().target();
        let gap = &target.guided - 0.1 - target.without_guidance();
        self.0 = gap.iter().fold(self.0, |most, gap| most.max(gap.abs()));
        if step.index == 1 {
            next.fill(4.0);
        }
        Ok(None)
    }
}

#[test]
fn the_observer_sees_both_values_and_may_change_the_state() {
    let guided = Guided(data());
    let levels = levels(2);
    let run = Run { denoiser: &guided, sampler: &ReverseSde, levels: &levels, key: KEY };
    let mut gap = Gap(0.0);
    let end = drive(&run, Start::Noise(5), &mut gap).unwrap().x;
    assert!(gap.0 < 1e-12 && end.iter().all(|value| *value == 4.0), "{} {end}", gap.0);
}

#[test]
fn the_start_has_the_sd_that_is_asked_for() {
    let sd = arr2(&[[1.0, 2.0], [0.5, 0.0]]);
    let none = Levels::from_rows(arr2(&[[Level::exploding(1.0)]]));
    let run = Run { denoiser: &data(), sampler: &ReverseSde, levels: &none, key: KEY };
    let start = drive(&run, Start::Scaled(sd.clone()), &mut ()).unwrap().x;
    assert_eq!(start, KEY.normals(2, 2) * &sd);
    let own = drive(&run, Start::Noise(2), &mut ()).unwrap().x;
    assert_eq!(own, KEY.normals(2, 2) * 2.0f64.sqrt());
}

/// x_t = (1 - t) z_0 + t z_1 + (1 - t) eps: an interpolant whose noise goes with the known end.
struct Interpolant;

impl Schedule for Interpolant {
    fn level(&self, t: f64) -> Level {
        Level { alpha: 1.0 - t, sigma: t }
    }

    fn time(&self, relative: f64) -> f64 {
        relative / (1.0 + relative)
    }

    fn shift(&self, t: f64) -> f64 {
        t
    }
}

/// The exact denoiser of z_1 ~ N(m, v) in x_t with its shift.
struct Whole {
    inner: GaussianDenoiser,
    known: Array2<f64>,
}

impl Denoiser for Whole {
    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn denoise(&self, x_t: ArrayView2<f64>, level: Level) -> Result<Array2<f64>> {
        self.inner
            .denoise((&x_t - &(&self.known * Interpolant.shift(Interpolant.time(level.relative())))).view(), level)
    }
}

#[test]
fn a_known_shift_is_taken_out_before_the_sampler_sees_the_state() {
    let known = arr2(&[[5.0, -2.0], [1.0, 0.0]]);
    let shifted = Shifted {
        inner: Whole { inner: data(), known: known.clone() },
        schedule: std::sync::Arc::new(Interpolant),
        known,
    };
    let levels = Levels::new(&Interpolant, &Karras { sigma_min: 0.02, sigma_max: 20.0, rho: 7.0, steps: 20 }).unwrap();
    let x = sample(&Heun, &shifted, &levels, 2, KEY).unwrap();
    let without = sample(&Heun, &data(), &levels, 2, KEY).unwrap();
    assert!((&x - &without).iter().all(|gap| gap.abs() < 1e-9), "{x} for {without}");
}
