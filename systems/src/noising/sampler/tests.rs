use ndarray::{Array1, Array2, ArrayView2, arr2, array};

use super::*;
use crate::gaussian::GaussianDenoiser;
use crate::key::{Domain, Key};
use crate::noising::drive::{Evaluation, Observer, Run, drive_from};
use crate::noising::schedule::{Rectified, VpCosine};

use crate::noising::{Denoiser, Karras, Level};
use crate::noising::{Levels, Schedule, sample};

/// The exact mean and sd that a deterministic sampler makes of data N(mean, sd^2): an affine function of the noise,
/// read off at noise 0 and at its sd.
fn moments(sampler: &dyn Sampler, grid: &Karras, mean: f64, sd: f64) -> (f64, f64) {
    let data = GaussianDenoiser::new(array![mean], arr2(&[[sd * sd]]).view()).unwrap();
    let levels = grid.exploding().unwrap();
    let x = arr2(&[[0.0], [sampler.start_sd(levels.start()[0])]]);
    let run = Run { denoiser: &data, sampler, levels: &levels, key: Key::new(1, Domain::Method) };
    let out = drive_from(&run, x, Vec::new(), true, &mut ()).unwrap().x;
    (out[[0, 0]], out[[1, 0]] - out[[0, 0]])
}

#[test]
fn default_schedules_keep_the_sd_of_gaussian_data() {
    let table = [
        (&DpmSolver2M as &dyn Sampler, [(0.1, 0.944), (0.2, 0.989), (0.5, 1.004), (1.0, 1.008), (2.0, 1.018)]),
        (&Heun, [(0.1, 0.348), (0.2, 0.638), (0.5, 0.959), (1.0, 1.019), (2.0, 1.047)]),
    ];
    for (sampler, row) in table {
        let schedule = usual(sampler);
        assert!(sampler.evaluations(schedule.steps) <= 16);
        assert!((moments(sampler, &schedule, 0.0, 1.0).1 - 1.0).abs() < 0.02, "{sampler:?}");
        for (sd, expected) in row {
            // the table has three digits
            let ratio = moments(sampler, &schedule, 0.0, sd).1 / sd;
            assert!((ratio - expected).abs() < 6e-4, "{sampler:?} sd {sd}: {ratio}");
        }
    }
}

#[test]
fn the_start_costs_the_mean_less_than_one_percent() {
    for sampler in [&DpmSolver2M as &dyn Sampler, &Heun] {
        for sd in [0.2, 0.5, 1.0] {
            let (mean, _) = moments(sampler, &usual(sampler), 1.0, sd);
            assert!((mean - 1.0).abs() < 0.01, "{sampler:?} sd {sd}: {mean}");
        }
    }
}

#[test]
fn published_schedule_fails_with_few_steps() {
    let schedule = |steps| Karras { sigma_min: 0.002, sigma_max: 80.0, rho: 7.0, steps };
    assert!((moments(&Heun, &schedule(6), 0.0, 1.0).1 - 1.68).abs() < 0.01);
    assert!((moments(&DpmSolver2M, &schedule(12), 0.0, 1.0).1 - 1.12).abs() < 0.01);
}

#[test]
fn deterministic_samplers_converge_with_order_two() {
    for sampler in [&DpmSolver2M as &dyn Sampler, &Heun] {
        // sigma_max and sigma_min so extreme that only the step is left of the error
        let error = |steps| {
            let schedule = Karras { sigma_min: 1e-4, sigma_max: 100.0, rho: 7.0, steps };
            (moments(sampler, &schedule, 0.0, 1.0).1 - 1.0).abs()
        };
        let slope = (error(200) / error(400)).log2();
        assert!((slope - 2.0).abs() < 0.15, "{sampler:?}: {slope}");
    }
}

#[test]
fn reverse_sde_makes_the_covariance_of_correlated_data() {
    let covariance = arr2(&[[1.0, 0.8], [0.8, 1.0]]);
    let mean = array![1.0, -0.5];
    let data = GaussianDenoiser::new(mean.clone(), covariance.view()).unwrap();
    let schedule = Karras { sigma_min: 0.01, sigma_max: 40.0, rho: 7.0, steps: 100 };
    let members = 40_000;
    let key = Key::new(11, Domain::Method);
    let x = sample(&ReverseSde, &data, &schedule.exploding().unwrap(), members, key).unwrap();
    let n = members as f64;
    let found = x.mean_axis(ndarray::Axis(0)).unwrap();
    let centred = &x - &found;
    let second = centred.t().dot(&centred) / n;
    for i in 0..2 {
        // five standard errors
        assert!((found[i] - mean[i]).abs() < 5.0 / n.sqrt(), "{found}");
        for j in 0..2 {
            // five standard errors of a covariance, and the 0.5 % that 100 steps leave
            let se = ((1.0 + covariance[[i, j]].powi(2)) / n).sqrt();
            assert!((second[[i, j]] - covariance[[i, j]]).abs() < 5.0 * se + 0.005, "{second}");
        }
    }
}

#[test]
fn reverse_sde_default_keeps_the_sd() {
    for (sd, expected) in [(0.1, 0.995), (0.2, 1.015), (0.5, 1.017), (1.0, 1.015), (2.0, 1.012)] {
        let data = GaussianDenoiser::new(array![0.0], arr2(&[[sd * sd]]).view()).unwrap();
        let ratio = stationary_sd(&data, &usual(&ReverseSde)) / sd;
        assert!((ratio - expected).abs() < 6e-4, "sd {sd}: {ratio}");
    }
}

/// The exact sd that the stochastic sampler makes of centred one-dimensional Gaussian data: the response to the
/// start and to each step's noise, by feeding one unit of each.
fn stationary_sd(data: &GaussianDenoiser, grid: &Karras) -> f64 {
    let levels = grid.exploding().unwrap();
    let run = Run { denoiser: data, sampler: &Mean(ReverseSde), levels: &levels, key: Key::new(1, Domain::Method) };
    let response = |source: usize| {
        let start = if source == 0 { ReverseSde.start_sd(levels.start()[0]) } else { 0.0 };
        let mut kick = Kick { after: source.checked_sub(1), sampler: ReverseSde };
        drive_from(&run, arr2(&[[start]]), Vec::new(), false, &mut kick).unwrap().x[[0, 0]]
    };
    (0..grid.steps).map(|source| response(source) * response(source)).sum::<f64>().sqrt()
}

/// A sampler without its noise.
#[derive(Debug)]
struct Mean(ReverseSde);

impl Sampler for Mean {
    fn memory(&self) -> usize {
        self.0.memory()
    }

    fn target(&self, step: &Step, denoised: ArrayView2<f64>, past: &[Past]) -> Option<Array2<f64>> {
        self.0.target(step, denoised, past)
    }

    fn step(&self, step: &Step, target: ArrayView2<f64>, denoiser: &dyn Denoiser) -> Result<Array2<f64>> {
        self.0.step(step, target, denoiser)
    }
}

/// One unit of the noise of one step.
struct Kick {
    after: Option<usize>,
    sampler: ReverseSde,
}

impl Observer for Kick {
    fn observe(&mut self, step: &Step, _: Option<&Evaluation>, next: &mut Array2<f64>) -> Result<Option<Vec<usize>>> {
        if Some(step.index) == self.after && step.to[0].sigma > 0.0 {
            *next += self.sampler.kernel(step.from[0], step.to[0]).unwrap().sd;
        }
        Ok(None)
    }
}

#[test]
fn degenerate_data_come_out_on_their_set() {
    let data = GaussianDenoiser::new(Array1::from(vec![0.5, 2.0]), arr2(&[[1.0, 0.0], [0.0, 0.0]]).view()).unwrap();
    for entry in SAMPLERS {
        let RegisteredSampler { sampler, grid } = entry.build;
        let key = Key::new(3, Domain::Method);
        let x = sample(sampler, &data, &grid.exploding().unwrap(), 20, key).unwrap();
        assert!(x.column(1).iter().all(|value| (value - 2.0).abs() < 1e-12), "{}", entry.name);
        assert!(x.iter().all(|value| value.is_finite()));
    }
}

#[test]
fn mistakes_are_sentences() {
    assert_eq!(named("huen").unwrap_err().to_string(), "unknown sampler `huen`; did you mean `heun`?");
    let wrong = Karras { sigma_min: 2.0, sigma_max: 1.0, rho: 7.0, steps: 10 };
    assert!(wrong.sigmas().unwrap_err().to_string().contains("sigma_max 1 to sigma_min 2"));
}

fn usual(sampler: &dyn Sampler) -> Karras {
    let name = format!("{sampler:?}");
    SAMPLERS.iter().find(|entry| format!("{:?}", entry.build.sampler) == name).unwrap().build.grid
}

#[test]
fn samplers_make_the_numbers_that_they_always_made() {
    let data = GaussianDenoiser::new(array![0.5, -1.0], arr2(&[[1.0, 0.3], [0.3, 0.25]]).view()).unwrap();
    let wide = Karras { sigma_min: 0.01, sigma_max: 30.0, rho: 5.0, steps: 9 };
    for (sampler, usual_grid, other) in PINNED {
        // 12 levels were usual when these were written down
        let steps = usual(sampler).steps.min(if sampler.draws() { 32 } else { 12 });
        for (grid, bits) in [(Karras { steps, ..usual(sampler) }, usual_grid), (wide, other)] {
            let key = Key::new(17, Domain::Method).at(4);
            let x = sample(sampler, &data, &grid.exploding().unwrap(), 3, key).unwrap();
            let found: Vec<u64> = x.iter().map(|value| value.to_bits()).collect();
            assert_eq!(found, bits, "{sampler:?} with {} steps", grid.steps);
        }
    }
}

/// The bits of 3 members of 2 components, on the usual grid and on another.
const PINNED: [(&dyn Sampler, [u64; 6], [u64; 6]); 3] = [
    (
        &DpmSolver2M,
        [
            0xbfe4_0059_b8d5_2204,
            0xbfef_0a63_1491_fdaf,
            0xbff4_899e_afe9_e87c,
            0xbffe_2fef_ed01_5f70,
            0x3fc7_b7c0_cfc3_1aa0,
            0xbfdd_f77f_8e00_64ca,
        ],
        [
            0xbfe8_9f8d_335e_5aba,
            0xbfef_14c0_02c2_15d2,
            0xbff8_4421_5587_8b18,
            0xbfff_fb72_7328_3974,
            0x3fc2_d7d7_bf8f_4520,
            0xbfda_0a00_50ec_fc2c,
        ],
    ),
    (
        &Heun,
        [
            0xbfe3_bbe6_df03_004e,
            0xbff0_3515_62b8_9746,
            0xbff4_d9c6_f825_a79b,
            0xbffd_d6c8_3d43_6229,
            0x3fca_54f2_cc7e_3df2,
            0xbfe0_fa7c_da30_821a,
        ],
        [
            0xbfe7_f6b3_dfc0_3390,
            0xbfee_0cb5_0537_28fb,
            0xbff7_55aa_5eaa_158a,
            0xbfff_e6c4_95ec_4b74,
            0x3fc1_bfd5_e8ab_322a,
            0xbfd7_cf9d_cac8_a4f6,
        ],
    ),
    (
        &ReverseSde,
        [
            0xbfe4_73c0_a0ed_f4c4,
            0xbffb_1b15_9425_b91c,
            0x3ffb_71e2_ac39_f07c,
            0xbfe2_5937_0874_e322,
            0x3ff2_1aa7_1bed_0e4e,
            0xbfd1_64b5_a3d5_fd78,
        ],
        [
            0xbfc8_4dfd_fa00_5410,
            0xbff4_38bd_f70c_764a,
            0x3fea_f32a_99ee_718e,
            0xbfdd_300d_4cd6_3ca4,
            0x3ff8_682d_3741_352c,
            0xbfdf_9df9_4f1e_d0ba,
        ],
    ),
];

/// The sd that Euler's steps make of data of sd v, by the closed form of the module. The first evaluation, D = g x, moves the
/// start as well: x -> k (1 + g) x + (1 - k) g x.
fn euler_product(grid: &Karras, v: f64) -> f64 {
    let sigmas = grid.sigmas().unwrap();
    let gain = |r: f64| v * v / (v * v + r * r);
    let (g, k) = (gain(sigmas[0]), sigmas[1] / sigmas[0]);
    let start = Euler.start_sd(Level::exploding(grid.sigma_max)) * (k * (1.0 + g) + (1.0 - k) * g);
    let steps = sigmas.windows(2).take(grid.steps - 1).skip(1);
    let factor: f64 = steps.map(|pair| 1.0 + (pair[1] - pair[0]) * pair[0] / (v * v + pair[0] * pair[0])).product();
    start * factor * gain(sigmas[grid.steps - 1])
}

#[test]
fn euler_makes_the_sd_of_its_closed_form() {
    for (v, expected) in [(0.1, 0.945), (0.2, 0.961), (0.5, 0.969), (1.0, 0.973), (2.0, 0.980)] {
        let (_, sd) = moments(&Euler, &usual(&Euler), 0.0, v);
        assert!((sd / euler_product(&usual(&Euler), v) - 1.0).abs() < 1e-12, "sd {v}: {sd}");
        assert!((sd / v - expected).abs() < 6e-4, "sd {v}: {sd}");
    }
}

#[test]
fn euler_converges_with_order_one() {
    let error = |steps| {
        let grid = Karras { sigma_min: 1e-4, sigma_max: 100.0, rho: 7.0, steps };
        (moments(&Euler, &grid, 0.0, 1.0).1 - 1.0).abs()
    };
    let slope = (error(400) / error(800)).log2();
    assert!((slope - 1.0).abs() < 0.05, "{slope}");
}

#[test]
fn all_schedules_of_the_same_relative_levels_make_the_same_samples() {
    let data = GaussianDenoiser::new(array![0.5, -1.0], arr2(&[[1.0, 0.3], [0.3, 0.25]]).view()).unwrap();
    let key = Key::new(5, Domain::Method);
    for entry in SAMPLERS {
        let RegisteredSampler { sampler, grid } = entry.build;
        let expected = sample(sampler, &data, &grid.exploding().unwrap(), 4, key).unwrap();
        for schedule in [&VpCosine { offset: 0.008 } as &dyn Schedule, &Rectified] {
            let x = sample(sampler, &data, &Levels::new(schedule, &grid).unwrap(), 4, key).unwrap();
            assert!((&x - &expected).iter().all(|gap| gap.abs() < 1e-9), "{}: {x} for {expected}", entry.name);
        }
    }
}

#[test]
fn a_process_that_ends_with_noise_alone_starts_from_it() {
    // at t = 1 the rectified process has alpha = 0: D is the mean of the data there, and x is noise of sd 1
    let data = GaussianDenoiser::new(array![2.0], arr2(&[[0.25]]).view()).unwrap();
    let levels = Levels::new(&Rectified, &crate::noising::Uniform { from: 1.0, to: 0.0, steps: 400 }).unwrap();
    for sampler in [&Euler as &dyn Sampler, &DpmSolver2M, &ReverseSde] {
        let x = sample(sampler, &data, &levels, 4000, Key::new(5, Domain::Method)).unwrap();
        let mean = x.mean().unwrap();
        let sd = x.mapv(|value| (value - mean) * (value - mean)).mean().unwrap().sqrt();
        assert!((mean - 2.0).abs() < 0.04 && (sd - 0.5).abs() < 0.03, "{sampler:?}: {mean} {sd}");
    }
}

#[test]
fn heun_is_of_second_order_from_noise_alone_as_well() {
    // the flow of data N(m, v^2) takes noise e to m + v e
    let data = GaussianDenoiser::new(array![2.0], arr2(&[[0.25]]).view()).unwrap();
    let error = |steps| {
        let levels = Levels::new(&Rectified, &crate::noising::Stretched { factor: 0.5, steps }).unwrap();
        let run = Run { denoiser: &data, sampler: &Heun, levels: &levels, key: Key::new(1, Domain::Method) };
        let x = drive_from(&run, arr2(&[[1.3]]), Vec::new(), true, &mut ()).unwrap().x[[0, 0]];
        (x - (2.0 + 0.5 * 1.3)).abs()
    };
    let order = (error(200) / error(400)).log2();
    assert!((order - 2.0).abs() < 0.15 && error(400) < 1e-4, "{order} {}", error(400));
}

#[test]
fn kernels_are_those_of_the_steps() {
    for entry in SAMPLERS {
        let sampler = entry.build.sampler;
        let (from, to) = (Level { alpha: 0.6, sigma: 0.8 }, Level { alpha: 0.8, sigma: 0.6 });
        let (x, target, noise) = (arr2(&[[1.3]]), arr2(&[[-0.4]]), arr2(&[[0.7]]));
        let step = Step { index: 0, from: &[from], to: &[to], x: x.view(), noise: Some(noise.view()) };
        let Some(Kernel { keep, gain, sd }) = sampler.kernel(from, to) else {
            assert!(!sampler.draws(), "{}", entry.name);
            continue;
        };
        let data = GaussianDenoiser::new(array![0.0], arr2(&[[1.0]]).view()).unwrap();
        let next = sampler.step(&step, target.view(), &data).unwrap()[[0, 0]];
        assert!((next - (keep * 1.3 - gain * 0.4 + sd * 0.7)).abs() < 1e-14, "{}", entry.name);
    }
}
