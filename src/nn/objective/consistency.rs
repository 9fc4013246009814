//! Consistency distillation (Song et al. 2023): a network f(x, s) that takes any point of a flow line of the
//! probability-flow equation to its end at the level e = sigma_min, in one evaluation.
//!
//! f(x, s) = c_skip x + c_out F(c_in x; ln(s) / 4) with c_skip = 1 / ((s - e)^2 + 1), c_out = (s - e) / sqrt(s^2 + 1),
//! c_in = 1 / sqrt(s^2 + 1), so that f(x, e) = x (data of unit variance). On a grid of levels, x = z + s_i eps is taken to the
//! next, s_{i+1} < s_i, by one step of Heun's rule with the denoiser of a teacher, to x'; F is trained towards
//! F* = (f(x', s_{i+1}) - c_skip x) / c_out with f as it is now and without its gradient: the squared error of f, weighted by
//! 1 / c_out^2. F* is a function of x, so that there is no noise in it.
//!
//! That loss is small for a network that is consistent with itself and wrong. So what a validation looks at is another:
//! the energy score of two draws f(s_0 eps, s_0), which is least for the law of the data.
//!
//! No line of the registry: it is made from a teacher, not from settings alone.

use candle_core::{Device, Tensor};
use ndarray::{Array2, ArrayView2};
use scorecast_systems::Level;

use super::preconditioning::Preconditioning;
use super::{Draws, Objective};
use crate::nn::data::Batch;
use crate::nn::{NeuralNetwork, Result, array};

/// f, between a network and the end of a flow line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Boundary {
    /// e.
    pub sigma_min: f64,
}

impl Boundary {
    /// (c_skip, c_out, c_in) at a level.
    fn coefficients(self, sigma: f64) -> (f64, f64, f64) {
        let (above, input) = (sigma - self.sigma_min, 1.0 / (sigma * sigma + 1.0).sqrt());
        (1.0 / (above * above + 1.0), above * input, input)
    }

    /// What the network gives for rows at levels of their own, `[row, component, field]`.
    fn output(self, network: &dyn NeuralNetwork, rows: &Rows) -> Result<Tensor> {
        let input = scaled(rows.x, rows.sigmas.iter().map(|sigma| self.coefficients(*sigma).2));
        let levels: Vec<f64> = rows.sigmas.iter().map(|sigma| sigma.ln() / 4.0).collect();
        network.forward(&network.input(&[input.view(), rows.states])?, Some(&levels))
    }

    /// f of rows at levels of their own, `[row, component]`; arrays, which have no gradient.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn end(self, network: &dyn NeuralNetwork, rows: &Rows) -> Result<Array2<f64>> {
        let mut end = array::field(&self.output(network, rows)?.detach(), 0)?;
        for ((mut end, x), sigma) in end.outer_iter_mut().zip(rows.x.outer_iter()).zip(rows.sigmas) {
            let (skip, out, _) = self.coefficients(*sigma);
            end.zip_mut_with(&x, |f, x| *f = skip * x + out * *f);
        }
        Ok(end)
    }
}

/// Points of flow lines.
pub struct Rows<'a> {
    /// x, `[row, component]`.
    pub x: ArrayView2<'a, f64>,
    /// The scaled x_k, with its history, as in a batch.
    pub states: ArrayView2<'a, f64>,
    /// s, `[row]`.
    pub sigmas: &'a [f64],
}

/// Each row times a factor of its own.
fn scaled(x: ArrayView2<f64>, factors: impl Iterator<Item = f64>) -> Array2<f64> {
    let mut out = x.to_owned();
    out.outer_iter_mut().zip(factors).for_each(|(mut row, factor)| row *= factor);
    out
}

/// The distillation from a teacher.
pub struct Consistency<'a> {
    /// The network of the teacher, trained for a denoiser of increments.
    pub teacher: &'a dyn NeuralNetwork,
    /// From its output to D.
    pub preconditioning: fn(Level) -> Preconditioning,
    /// The levels, from the first, that of the noise a draw starts with, down to sigma_min; at least 2.
    pub sigmas: Vec<f64>,
}

/// What a batch becomes: F is trained at x and s towards F*.
struct Wanted {
    x: Array2<f64>,
    sigmas: Vec<f64>,
    output: Array2<f64>,
}

impl Consistency<'_> {
    /// f.
    pub fn boundary(&self) -> Boundary {
        Boundary { sigma_min: self.sigmas[self.sigmas.len() - 1] }
    }

    /// (x - D) / s, the slope dx/ds of the probability-flow equation.
    fn slope(&self, rows: &Rows) -> Result<Array2<f64>> {
        let of = |sigma: &f64| (self.preconditioning)(Level::exploding(*sigma));
        let input = scaled(rows.x, rows.sigmas.iter().map(|sigma| of(sigma).input));
        let levels: Vec<f64> = rows.sigmas.iter().map(|sigma| of(sigma).feature).collect();
        let fields = self.teacher.input(&[input.view(), rows.states])?;
        let mut slope = array::field(&self.teacher.forward(&fields, Some(&levels))?, 0)?;
        for ((mut slope, x), sigma) in slope.outer_iter_mut().zip(rows.x.outer_iter()).zip(rows.sigmas) {
            let p = of(sigma);
            slope.zip_mut_with(&x, |f, x| *f = (x - (p.skip * x + p.out * *f)) / sigma);
        }
        Ok(slope)
    }

    /// x' from x, by one step of Heun's rule.
    fn heun(&self, from: &Rows, to: &[f64]) -> Result<Array2<f64>> {
        let lengths = || to.iter().zip(from.sigmas).map(|(to, from)| to - from);
        let first = self.slope(from)?;
        let ahead = &from.x + &scaled(first.view(), lengths());
        let second = self.slope(&Rows { x: ahead.view(), states: from.states, sigmas: to })?;
        Ok(&from.x + &scaled((first + second).view(), lengths().map(|length| 0.5 * length)))
    }

    /// x, s and F* of a batch, for the network as it is.
    fn wanted(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Wanted> {
        let mut x = batch.increments.clone();
        let (mut high, mut low) = (Vec::new(), Vec::new());
        for (i, mut row) in x.outer_iter_mut().enumerate() {
            let mut numbers = draws.row(i);
            let steps = self.sigmas.len() - 1;
            let at = ((numbers.uniform() * steps as f64) as usize).min(steps - 1);
            high.push(self.sigmas[at]);
            low.push(self.sigmas[at + 1]);
            row.mapv_inplace(|z| z + self.sigmas[at] * numbers.stream.normal());
        }
        let states = batch.states.view();
        let next = self.heun(&Rows { x: x.view(), states, sigmas: &high }, &low)?;
        let boundary = self.boundary();
        let mut output = boundary.end(network, &Rows { x: next.view(), states, sigmas: &low })?;
        for ((mut output, x), sigma) in output.outer_iter_mut().zip(x.outer_iter()).zip(&high) {
            let (skip, out, _) = boundary.coefficients(*sigma);
            output.zip_mut_with(&x, |f, x| *f = (*f - skip * x) / out);
        }
        Ok(Wanted { x, sigmas: high, output })
    }

    /// The mean squared error of F.
    fn error(&self, network: &dyn NeuralNetwork, batch: &Batch, wanted: &Wanted) -> Result<Tensor> {
        let rows = Rows { x: wanted.x.view(), states: batch.states.view(), sigmas: &wanted.sigmas };
        let output = self.boundary().output(network, &rows)?;
        let target = array::interleave(&[wanted.output.view()], network.dtype())?;
        Ok(candle_nn::loss::mse(&output, &target)?)
    }

    /// The mean over rows of (|f_1 - z| + |f_2 - z| - |f_1 - f_2|) / 2 / sqrt(n), for two draws each.
    fn energy_score(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<f64> {
        let (rows, dim) = batch.increments.dim();
        let mut noise = [(); 2].map(|()| Array2::<f64>::zeros((rows, dim)));
        for row in 0..rows {
            let mut stream = draws.row(row).stream;
            noise.iter_mut().for_each(|noise| noise.row_mut(row).mapv_inplace(|_| self.sigmas[0] * stream.normal()));
        }
        let sigmas = vec![self.sigmas[0]; rows];
        let ends = noise.each_ref().map(|noise| {
            self.boundary().end(network, &Rows { x: noise.view(), states: batch.states.view(), sigmas: &sigmas })
        });
        let [first, second] = ends;
        let (first, second) = (first?, second?);
        let distances =
            |a: &Array2<f64>, b: &Array2<f64>| -> f64 { (a - b).outer_iter().map(|row| row.dot(&row).sqrt()).sum() };
        let z = &batch.increments;
        let sum = distances(&first, z) + distances(&second, z) - distances(&first, &second);
        Ok(sum / (2.0 * rows.max(1) as f64 * (dim as f64).sqrt()))
    }
}

impl Objective for Consistency<'_> {
    fn loss(&self, network: &dyn NeuralNetwork, batch: &Batch, draws: Draws) -> Result<Tensor> {
        // in a validation, and only there, all steps have been taken
        if draws.progress() >= 1.0 {
            return Ok(Tensor::new(self.energy_score(network, batch, draws)?, &Device::Cpu)?);
        }
        self.error(network, batch, &self.wanted(network, batch, draws)?)
    }

    fn draws(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::DType;
    use ndarray::{Axis, array, concatenate};
    use scorecast_systems::noising::Karras;
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::nn::NetworkConfig;
    use crate::nn::network::Operations;
    use crate::nn::network::tests::config;
    use crate::nn::objective::OBJECTIVES;
    use crate::nn::ops::differences::check;

    /// Gives for one component what a function says of (c_in x, ln(s) / 4).
    struct Exact(NetworkConfig, fn(f64, f64) -> f64);

    impl std::fmt::Debug for Exact {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.fmt(f)
        }
    }

    impl NeuralNetwork for Exact {
        fn config(&self) -> &NetworkConfig {
            &self.0
        }

        fn forward(&self, x: &Tensor, levels: Option<&[f64]>) -> Result<Tensor> {
            let input = array::field(x, 0)?;
            let levels = levels.unwrap();
            let output =
                Array2::from_shape_fn(input.dim(), |(i, c)| self.1(input[[i, c]], levels[i.min(levels.len() - 1)]));
            array::interleave(&[output.view()], DType::F64)
        }

        fn tensors(&self) -> Vec<&Tensor> {
            Vec::new()
        }

        fn operations(&self) -> Operations {
            Operations { evaluation: 0.0, level: 0.0, training: 0.0 }
        }

        fn chunk(&self) -> usize {
            64
        }

        fn dtype(&self) -> DType {
            DType::F64
        }
    }

    const V: f64 = 0.3;
    const GRID: Karras = Karras { sigma_min: 0.01, sigma_max: 20.0, rho: 7.0, steps: 30 };

    fn sigmas(steps: usize) -> Vec<f64> {
        Karras { steps, ..GRID }.sigmas().unwrap()[..steps].to_vec()
    }

    /// The teacher of z ~ N(0, V^2), by the preconditioning of `denoising`: D = V^2 x / (V^2 + s^2).
    fn teacher() -> Exact {
        Exact(config("mlp", true), |input, level| {
            let s = (4.0 * level).exp();
            let x = input * (s * s + 1.0).sqrt();
            let d = V * V * x / (V * V + s * s);
            (d - x / (s * s + 1.0)) * (s * s + 1.0).sqrt() / s
        })
    }

    /// The student of the same law: f = x ((V^2 + e^2) / (V^2 + s^2))^(1/2).
    fn student() -> Exact {
        Exact(config("mlp", true), |input, level| {
            let s = (4.0 * level).exp();
            let x = input * (s * s + 1.0).sqrt();
            let (skip, out, _) = Boundary { sigma_min: GRID.sigma_min }.coefficients(s);
            let f = x * ((V * V + GRID.sigma_min.powi(2)) / (V * V + s * s)).sqrt();
            if out == 0.0 { 0.0 } else { (f - skip * x) / out }
        })
    }

    fn of<'a>(teacher: &'a dyn NeuralNetwork, steps: usize) -> Consistency<'a> {
        let denoising = OBJECTIVES.iter().find(|entry| entry.name == "denoising").unwrap();
        let preconditioning = denoising.build.preconditioning.unwrap();
        Consistency { teacher, preconditioning, sigmas: sigmas(steps) }
    }

    fn batch(rows: usize) -> Batch {
        let key = Key::new(4, Domain::Data);
        Batch {
            states: key.normals(rows, 1),
            increments: key.at(1).normals(rows, 1) * V,
            later: Vec::new(),
            pairs: (0..rows).collect(),
        }
    }

    fn draws() -> Draws {
        Draws::new(Key::new(1, Domain::Training), 0).after(0.5)
    }

    #[test]
    fn at_the_last_level_the_end_is_the_point_itself() {
        let x = array![[0.4], [-3.0]];
        let at = [GRID.sigma_min; 2];
        let rows = Rows { x: x.view(), states: x.view(), sigmas: &at };
        let (network, boundary) = (teacher(), Boundary { sigma_min: GRID.sigma_min });
        assert_eq!(boundary.end(&network, &rows).unwrap(), x);
    }

    #[test]
    fn the_flow_map_of_gaussian_data_is_consistent_up_to_the_error_of_heuns_steps() {
        let (teacher, student) = (teacher(), student());
        let error = |steps: usize| {
            let loss = of(&teacher, steps).loss(&student, &batch(256), draws()).unwrap();
            loss.to_scalar::<f64>().unwrap().sqrt()
        };
        // one step's error is of third order, over a coefficient c_out that does not depend on the step
        let order = (error(60) / error(120)).log2();
        assert!((order - 3.0).abs() < 0.6 && error(120) < 1e-3, "{order} {}", error(120));
        // a student of another law is inconsistent, although the levels are close to each other
        let wrong = Exact(config("mlp", true), |_, _| 0.0);
        let loss = of(&teacher, 60).loss(&wrong, &batch(256), draws()).unwrap();
        assert!(loss.to_scalar::<f64>().unwrap() > 1e4 * error(60).powi(2), "{loss}");
    }

    #[test]
    fn a_validation_is_the_energy_score_of_draws() {
        // for z and f of one law N(0, V^2) it is E|f - z| / 2 = V / sqrt(pi); a network that gives 0 has more
        let (teacher, student) = (teacher(), student());
        let of_law = |network: &dyn NeuralNetwork| {
            let draws = Draws::new(Key::new(1, Domain::Training), 0);
            of(&teacher, 30).loss(network, &batch(20_000), draws).unwrap().to_scalar::<f64>().unwrap()
        };
        let exact = V / std::f64::consts::PI.sqrt();
        // the sd of (|f1 - z| + |f2 - z| - |f1 - f2|) / 2 is below V; five standard errors
        assert!((of_law(&student) - exact).abs() < 5.0 * V / 20_000f64.sqrt(), "{} {exact}", of_law(&student));
        let narrow = Exact(config("mlp", true), |input, level| {
            let (s, x) = ((4.0 * level).exp(), input * ((8.0 * level).exp() + 1.0).sqrt());
            let (skip, out, _) = Boundary { sigma_min: GRID.sigma_min }.coefficients(s);
            if out == 0.0 { 0.0 } else { -skip * x / out }
        });
        assert!(of_law(&narrow) > 1.2 * exact, "{}", of_law(&narrow));
    }

    #[test]
    fn the_gradient_is_that_of_the_squared_error_with_its_target_held() {
        let network = NetworkConfig { inputs: 2, outputs: 1, ..config("mlp", true) };
        let mut weights = network.seeded(Key::new(1, Domain::Training)).unwrap();
        weights.values.iter_mut().enumerate().for_each(|(i, w)| *w += 0.4 * (i as f32 * 1.3).sin());
        let (paths, tensors): (Vec<_>, Vec<_>) = weights.frozen(DType::F64).unwrap().into_iter().unzip();
        let components = network.components;
        let key = Key::new(4, Domain::Data);
        let batch = Batch {
            states: key.normals(3, components),
            increments: key.at(1).normals(3, components),
            later: Vec::new(),
            pairs: vec![0, 1, 2],
        };
        let made = |tensors: &[Tensor]| {
            let named: BTreeMap<_, _> = paths.iter().cloned().zip(tensors.iter().cloned()).collect();
            network.from_tensors(&named).unwrap()
        };
        let teacher = teacher();
        let consistency = of(&teacher, 12);
        let wanted = consistency.wanted(made(&tensors).as_ref(), &batch, draws()).unwrap();
        check(&tensors, |tensors| {
            consistency.error(made(tensors).as_ref(), &batch, &wanted).map_err(candle_core::Error::wrap)
        });
        // and the whole loss has this value and no other gradient
        let tracked = weights.tracked(DType::F64).unwrap();
        let network = network.from_tensors(&tracked).unwrap();
        let own = consistency.loss(network.as_ref(), &batch, draws()).unwrap();
        let held = consistency.error(network.as_ref(), &batch, &wanted).unwrap();
        let gradients = [&own, &held].map(|loss| loss.backward().unwrap());
        for tensor in tracked.values() {
            let of = |i: usize| gradients[i].get(tensor).map(|g| g.flatten_all().unwrap().to_vec1::<f64>().unwrap());
            assert_eq!(of(0), of(1));
        }
    }

    #[test]
    fn draws_of_a_batch_do_not_depend_on_what_else_is_in_it() {
        let (teacher, consistency) = (teacher(), batch(8));
        let of_all = of(&teacher, 12).wanted(&student(), &consistency, draws()).unwrap();
        let part = Batch {
            states: consistency.states.select(Axis(0), &[0, 1]),
            increments: consistency.increments.select(Axis(0), &[0, 1]),
            later: Vec::new(),
            pairs: vec![0, 1],
        };
        let of_part = of(&teacher, 12).wanted(&student(), &part, draws()).unwrap();
        let first = concatenate(Axis(0), &[of_part.output.view(), of_all.output.slice(ndarray::s![2.., ..])]).unwrap();
        assert_eq!(first, of_all.output);
    }
}
