use std::sync::Mutex;

use ndarray::{Array1, ArrayView2, array};
use scorecast_systems::noising::{Run, Sampler, Schedule, Start, Step, Uniform, drive};
use scorecast_systems::{BulkNormals, Denoiser, Domain, Level, Levels};

use super::*;
use crate::observe::{
    Arctan, GaussianError, LinearizedOperator, NoiseLaw, ObservationOperator, OneComponent, Pointwise, Stride,
};

fn filter(prior: PriorScore, steps: usize, clip: f64) -> EnSf {
    EnSf { prior, inflation: 1.0, steps, eps_alpha: 0.5, eps_beta: 0.025, clip }
}

/// The arctangent of each stride-th of so many components, sd .3.
fn arctan(dim: usize, stride: usize) -> Pointwise<Arctan> {
    let selected = Stride::new(dim, stride, 0, &|dim| Ok(Box::new(GaussianError::new(&[0.3], dim)?))).unwrap();
    Pointwise::new(Arctan, selected)
}

/// The filter with its forecast and observations.
struct Problem<'a> {
    filter: &'a EnSf,
    reverse: Reverse<'a>,
    likelihood: LikelihoodScore<'a>,
}

/// D = (z + beta^2 s) / alpha.
impl Denoiser for Problem<'_> {
    fn dim(&self) -> usize {
        self.reverse.forecast.ncols()
    }

    fn denoise(&self, z: ArrayView2<f64>, level: Level) -> scorecast_systems::Result<Array2<f64>> {
        let schedule = self.filter.schedule();
        let c = Coefficients::new(schedule, schedule.time(level.relative()));
        let mut score = Array2::zeros(z.raw_dim());
        for (member, (mut score, z)) in score.outer_iter_mut().zip(z.outer_iter()).enumerate() {
            let single = self.reverse.forecast.row(member).to_owned();
            let centre = if self.reverse.mixture { self.reverse.mean(&c, z) } else { single };
            score.assign(&((centre * c.alpha - z) / c.beta_square));
        }
        score.scaled_add(1.0 - c.t, &self.likelihood.at(z));
        score.mapv_inplace(|score| score.clamp(-self.filter.clip, self.filter.clip));
        Ok((score * c.beta_square + z) / c.alpha)
    }
}

/// Euler-Maruyama in pseudo-time, with noise of its own.
#[derive(Debug)]
struct EulerMaruyama(EnsembleScore, Mutex<Vec<BulkNormals>>);

impl Sampler for EulerMaruyama {
    fn step(&self, step: &Step, d: ArrayView2<f64>, _: &dyn Denoiser) -> scorecast_systems::Result<Array2<f64>> {
        let (from, to) = (self.0.time(step.from[0].relative()), self.0.time(step.to[0].relative()));
        let (c, dt) = (Coefficients::new(self.0, from), from - to);
        let mut score = &d * c.alpha;
        score -= &step.x;
        score /= c.beta_square;
        let mut next = &step.x * (1.0 - dt * c.drift);
        next.scaled_add(dt * c.diffusion_square, &score);
        let noise = drawn(&mut self.1.lock().unwrap(), next.ncols());
        next.scaled_add((c.diffusion_square * dt).sqrt(), &noise);
        Ok(next)
    }
}

fn drawn(streams: &mut [BulkNormals], dim: usize) -> Array2<f64> {
    let mut out = Array2::zeros((streams.len(), dim));
    out.outer_iter_mut().zip(streams).for_each(|(mut row, stream)| stream.fill(row.as_slice_mut().unwrap()));
    out
}

#[test]
fn it_is_the_sampler_of_its_score_along_its_schedule() {
    let (operator, values) = (arctan(3, 1), array![0.6, f64::NAN, -0.4]);
    let observed = ObservationSet { step: 1, time: 0.0, values: values.view(), operator: &operator };
    let (forecast, key) = (Key::new(1, Domain::Score).normals(12, 3), Key::new(2, Domain::Method));
    let sd = weighted_variance(forecast.view(), None).mapv(f64::sqrt);
    for (prior, clip) in [(PriorScore::Single, 1000.0), (PriorScore::Mixture, 1000.0), (PriorScore::Mixture, 5.0)] {
        let mut filter = filter(prior, 50, clip);
        let found = filter.update(forecast.clone(), &observed, key).unwrap().ensemble;
        let key = key.purpose(Purpose::PosteriorDraw).at(1);
        let mixture = prior == PriorScore::Mixture;
        let reverse = Reverse { steps: Vec::new(), clip, forecast: forecast.view().into(), mixture, key };
        let likelihood = LikelihoodScore::new(observed.view()).unwrap();
        let problem = Problem { filter: &filter, reverse, likelihood };
        let levels = Levels::new(&filter.schedule(), &Uniform { from: 1.0, to: 0.0, steps: 50 }).unwrap();
        let mut streams: Vec<_> = (0..12).map(|member| key.bulk_normals(member, 0)).collect();
        let start = drawn(&mut streams, 3) * &sd;
        let sampler = EulerMaruyama(filter.schedule(), Mutex::new(streams));
        let run = Run { denoiser: &problem, sampler: &sampler, levels: &levels, key };
        let driven = drive(&run, Start::At(start), &mut ()).unwrap().x;
        assert!((found - driven).iter().all(|e| e.abs() < 1e-10), "{prior:?} {clip}");
    }
}

/// An operator that does not say which components its values read.
struct Whole<'a>(&'a dyn ObservationOperator);

impl ObservationOperator for Whole<'_> {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn state_dim(&self) -> usize {
        self.0.state_dim()
    }

    fn apply(&self, t: f64, x: ArrayView2<f64>) -> Array2<f64> {
        self.0.apply(t, x)
    }

    fn linearized(&self) -> Option<&dyn LinearizedOperator> {
        self.0.linearized()
    }

    fn one_component(&self) -> Option<&dyn OneComponent> {
        None
    }

    fn error(&self) -> &dyn NoiseLaw {
        self.0.error()
    }
}

#[test]
fn part_by_part_it_is_what_it_is_as_a_whole_for_any_number_of_threads() {
    let dim = 2 * super::super::reverse::PART + 77;
    let forecast = Key::new(1, Domain::Score).normals(5, dim) * 2.0;
    for stride in [1, 3] {
        let operator = arctan(dim, stride);
        let mut values: Array1<f64> = Key::new(2, Domain::Score).normals(1, operator.dim()).row(0).to_owned();
        values[7] = f64::NAN;
        let update = |operator: &dyn ObservationOperator| {
            let observed = ObservationSet { step: 3, time: 0.0, values: values.view(), operator };
            let mut filter = filter(PriorScore::Single, 20, 1000.0);
            filter.update(forecast.clone(), &observed, Key::new(2, Domain::Method)).unwrap().ensemble
        };
        let threads = [1, 3].map(|count| rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap());
        let [one, three] = threads.map(|pool| pool.install(|| update(&operator)));
        assert_eq!(one, three);
        let whole = update(&Whole(&operator));
        assert!((&one - &whole).iter().all(|e| e.abs() < 1e-10), "stride {stride}");
        let apart = (&one - &forecast).mapv(f64::abs).sum() / one.len() as f64;
        assert!(apart > 0.1, "{apart}");
    }
}
