//! Forecasts of a system that depends on time, from starts at different times.
//!
//! x_{k+1} = x_k / 2 + sin(k) + s xi: with s = 0 the true system forecasts a trajectory of its own without error, from every
//! start and at every lead step, if it is advanced from the start's own lead step and from no other.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2};

use super::score::score;
use super::start_blocks::{StartBlocks, lead_step};
use crate::progress::Quiet;
use crate::results::Report;
use crate::spec::{self, Plan};
use crate::stage::experiment::Experiment;
use crate::stage::options::Options;
use crate::systems::{Density, Forecaster, Geometry, Key, Result, Stepping, System};

const SPIN_UP: usize = 3;

/// The system, and its lead step.
#[derive(Clone, Copy)]
struct Driven {
    /// s.
    noise: f64,
    /// What it says of itself; "true" is false of it, and makes forecasts begin at lead step 0 from every start.
    autonomous: bool,
}

impl Driven {
    fn mean(k: usize, x: f64) -> f64 {
        0.5 * x + (k as f64).sin()
    }
}

impl System for Driven {
    fn dim(&self) -> usize {
        1
    }

    fn geometry(&self) -> Geometry {
        Geometry::Unstructured
    }

    fn initial(&self, members: usize, key: Key) -> Array2<f64> {
        key.normals(members, 1)
    }

    fn forecaster(self: Arc<Self>, _stepping: &Stepping) -> Result<Box<dyn Forecaster>> {
        Ok(Box::new(*self))
    }
}

impl Forecaster for Driven {
    fn dim(&self) -> usize {
        1
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        let xi = key.at(k as u64).normals(x.nrows(), 1);
        x.zip_mut_with(&xi, |x, xi| *x = Self::mean(k, *x) + self.noise * xi);
        Ok(())
    }

    fn autonomous(&self) -> bool {
        self.autonomous
    }

    fn density(&self) -> Option<&dyn Density> {
        (self.noise > 0.0).then_some(self as &dyn Density)
    }
}

impl Density for Driven {
    fn log_prob(&self, k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> Result<Array1<f64>> {
        let constant = 0.5 * (std::f64::consts::TAU * self.noise * self.noise).ln();
        let log_prob = |(x, next): (&f64, &f64)| -0.5 * ((next - Self::mean(k, *x)) / self.noise).powi(2) - constant;
        Ok(x.iter().zip(next).map(log_prob).collect())
    }
}

const EXPERIMENT: &str = "[system]\nname = \"ou\"\ndim = 1\n[data]\ndt = 1\ntrajectories = 4\nsteps = 40\nspin_up = 3\n\
                          split = [0.25, 0.25, 0.5]\n[score]\nforecasters = [\"perfect\"]\nlead_steps = 6\nmembers = 4\n\
                          starts = 5\nmetrics = [\"rmse\", \"log_score\"]\n";

/// The plan of an experiment on the system.
fn plan(system: Driven) -> Plan {
    let mut plan = spec::check(EXPERIMENT, "driven.toml", &[]).unwrap_or_else(|found| panic!("{found:?}"));
    plan.system.as_mut().unwrap().system = Arc::new(system);
    plan
}

fn options() -> Options {
    Options::new(1 << 30)
}

/// The forecast table of the true system.
fn scored(system: Driven) -> Report {
    let (plan, options) = (plan(system), options());
    score(&Experiment::prepare(&plan, &options, &Quiet).unwrap(), &Quiet).unwrap()
}

fn values(report: &Report, metric: &str) -> Vec<f64> {
    report.forecast.iter().filter(|row| row.metric == metric).map(|row| row.value.unwrap()).collect()
}

#[test]
fn the_true_system_has_no_error_at_any_lead_step_from_any_start() {
    let errors = values(&scored(Driven { noise: 0.0, autonomous: false }), "rmse");
    assert_eq!(errors, [0.0; 6]);
    // advanced as if its law were the same at every lead step, it misses its own trajectory
    let errors = values(&scored(Driven { noise: 0.0, autonomous: true }), "rmse");
    assert!(errors.iter().all(|error| *error > 0.3), "{errors:?}");
}

#[test]
fn forecasts_that_are_written_begin_at_the_lead_step_of_their_start() {
    let system = Driven { noise: 0.0, autonomous: false };
    let (plan, options) = (plan(system), options());
    let experiment = Experiment::load(&plan, None, &options, &Quiet).unwrap();
    let data = experiment.trajectories().unwrap();
    assert_eq!((data.first_step, lead_step(&system, data, 7)), (SPIN_UP, SPIN_UP + 7));
    let starts = [0, 11, 30];
    let mut blocks = StartBlocks::new(&system, data, 1, &starts, 2, plan.seed);
    for lead in 1..=4 {
        blocks.advance().unwrap();
        for (index, start) in starts.iter().enumerate() {
            let truth = data.test.view()[[1, start + lead, 0]];
            assert_eq!(blocks.ensemble(index).iter().copied().collect::<Vec<_>>(), [truth; 2], "start {start}");
        }
    }
}

#[test]
fn the_density_of_each_lead_step_is_its_own() {
    let noise = 0.7;
    let system = Driven { noise, autonomous: false };
    let report = scored(system);
    let plan = plan(system);
    let options = options();
    let experiment = Experiment::load(&plan, None, &options, &Quiet).unwrap();
    let test = &experiment.trajectories().unwrap().test;
    let (mut sum, mut count) = (0.0, 0.0);
    for trajectory in test.view().into_outer_iter() {
        for time in 0..trajectory.nrows() - 1 {
            let mean = Driven::mean(SPIN_UP + time, trajectory[[time, 0]]);
            sum += 0.5 * ((trajectory[[time + 1, 0]] - mean) / noise).powi(2);
            count += 1.0;
        }
    }
    let expected = sum / count + 0.5 * (std::f64::consts::TAU * noise * noise).ln();
    let found = values(&report, "log_score");
    assert!((found[0] - expected).abs() < 1e-12, "{found:?}, not {expected}");
    // the squares are those of standard normals: nothing is left of the drive
    assert!((sum / count - 0.5).abs() < 0.2, "{}", sum / count);
}
