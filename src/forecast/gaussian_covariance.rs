//! The covariance of the increment z that the network of `gaussian` gives, and how a draw of z depends on what it gives.
//!
//! With m, l and further fields of each component, and normals xi for each component and eta for each direction:
//! `diagonal` z = m + exp(l/2) xi; `low_rank` z = m + exp(l/2) xi + W eta; `full` z = m + e with
//! e_i = sum_f a_{i,f} e_{i-f} + exp(l_i/2) eta_i, that is e = L eta for a lower-triangular L.

use candle_core::Tensor;
use ndarray::{Array2, Array3, ArrayView2, Axis, concatenate, s};
use serde_json::{Value, json};

use super::stored::misfit;
use super::{Error, Result};
use crate::model::Model;
use crate::nn::array;
use crate::nn::objective::{Fields, LIKELIHOOD_FIELDS, RANK, factor_start, full_fields, log_variance, low_rank_fields};
use crate::systems::{Covariance, FactoredCovariance, Key, Param, Settings};

/// The setting of the form of the covariance.
pub(super) const COVARIANCE: Param = Param::choice(
    "covariance",
    DIAGONAL,
    &[DIAGONAL, LOW_RANK, FULL],
    "of the increment given x_k: no correlations, those of a few directions, or (of 64 components at most) all",
);

const DIAGONAL: &str = "diagonal";
const LOW_RANK: &str = "low_rank";
const FULL: &str = "full";

/// The most components of a full covariance: its loss costs n^2 a pair, and its law n^2 numbers a member.
const MOST: usize = 64;

/// What is told of the covariance of z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CovarianceForm {
    /// A variance for each component.
    Diagonal,
    /// diag(exp(l)) + W W^T with so many columns.
    LowRank(usize),
    /// L L^T with a lower-triangular L.
    Full,
}

/// The covariances of some members.
pub(super) enum Spread {
    /// Variances, `[member, component]`.
    Independent(Array2<f64>),
    /// d and W.
    Factored(FactoredCovariance),
}

impl CovarianceForm {
    /// What the settings ask for, of states of so many components.
    ///
    /// # Errors
    /// When a full covariance is asked for of too many components.
    pub fn new(settings: &Settings, components: usize) -> Result<Self> {
        let form = Self::of(settings);
        if form == Self::Full && components > MOST {
            let problem = format!(
                "is \"{FULL}\", which needs {components} fields for each of {components} components, but at most {MOST} are \
                 offered; set it to \"{LOW_RANK}\""
            );
            return Err(settings.mistake(COVARIANCE.key, problem).into());
        }
        Ok(form)
    }

    /// What the settings ask for.
    pub fn of(settings: &Settings) -> Self {
        match settings.text(COVARIANCE.key) {
            LOW_RANK => Self::LowRank(settings.count(RANK.key)),
            FULL => Self::Full,
            _ => Self::Diagonal,
        }
    }

    /// As plain data.
    pub fn record(self) -> Value {
        match self {
            Self::Diagonal => json!({}),
            Self::LowRank(rank) => json!({ COVARIANCE.key: LOW_RANK, RANK.key: rank }),
            Self::Full => json!({ COVARIANCE.key: FULL }),
        }
    }

    /// From plain data; a model that says nothing has a diagonal covariance.
    ///
    /// # Errors
    /// When there is no such form.
    pub fn load(model: &Model) -> Result<Self> {
        let own = &model.config["forecaster"];
        match (own.get(COVARIANCE.key).and_then(Value::as_str), own[RANK.key].as_u64()) {
            (None, _) if own.get(COVARIANCE.key).is_none() => Ok(Self::Diagonal),
            (Some(LOW_RANK), Some(rank @ 1..=1000)) => Ok(Self::LowRank(rank as usize)),
            (Some(FULL), _) => Ok(Self::Full),
            _ => {
                let problem = format!("is {} (rank {}), which is no covariance", own[COVARIANCE.key], own[RANK.key]);
                Err(misfit(model, COVARIANCE.key, &problem))
            }
        }
    }

    /// The name of the objective that it is trained by.
    pub fn objective(self) -> &'static str {
        match self {
            Self::Diagonal => "likelihood",
            Self::LowRank(_) => "low_rank_likelihood",
            Self::Full => "full_likelihood",
        }
    }

    /// What its network takes and gives, of states of so many components.
    pub fn fields(self, components: usize) -> Fields {
        match self {
            Self::Diagonal => LIKELIHOOD_FIELDS,
            Self::LowRank(rank) => low_rank_fields(rank),
            Self::Full => full_fields(components),
        }
    }

    /// How many normals a draw takes of a member.
    pub fn normals(self, components: usize) -> usize {
        match self {
            Self::Diagonal => components,
            Self::LowRank(rank) => components + rank,
            Self::Full => 2 * components,
        }
    }

    /// The covariances of z for each member, times the squares of `sd` (`[component]`), from the network's output.
    ///
    /// # Errors
    /// When Candle fails.
    pub fn spread(self, out: &Tensor, sd: ArrayView2<f64>) -> Result<Spread> {
        let variance = array::field(out, 1)?.mapv(|raw| log_variance(raw).0.exp());
        let factored = |diagonal, factor| Spread::Factored(FactoredCovariance::new(diagonal, factor).scaled(sd));
        Ok(match self {
            Self::Diagonal => Spread::Independent(variance * sd * sd),
            Self::LowRank(rank) => factored(variance, low_rank_factor(out, rank)?),
            Self::Full => {
                let factor = full_factor(&further_fields(out)?, variance.mapv(f64::sqrt).view());
                factored(Array2::zeros(variance.raw_dim()), factor)
            }
        })
    }

    /// Whatever is weighted by `g` (`[member, component]`) in a draw of z, as weights of the fields of the network's output,
    /// in their order: (dz/dfields)^T g, where the draw takes `normals` (`[member, component and then direction]`).
    ///
    /// # Errors
    /// When Candle fails.
    pub fn pull(self, out: &Tensor, g: &Array2<f64>, normals: ArrayView2<f64>) -> Result<Vec<Array2<f64>>> {
        let n = g.ncols();
        let (xi, eta) = normals.split_at(Axis(1), n);
        // d exp(l/2) / d raw
        let slope = array::field(out, 1)?.mapv(|raw| {
            let (l, slope) = log_variance(raw);
            0.5 * (0.5 * l).exp() * slope
        });
        let by_raw = |g: &Array2<f64>, noise: ArrayView2<f64>| slope.clone() * &(g * &noise);
        Ok(match self {
            Self::Diagonal => vec![g.clone(), by_raw(g, xi)],
            Self::LowRank(rank) => {
                let columns = (0..rank).map(|j| g * &eta.column(j).insert_axis(Axis(1)));
                [g.clone(), by_raw(g, xi)].into_iter().chain(columns).collect()
            }
            Self::Full => {
                let fields = further_fields(out)?;
                let sd = array::field(out, 1)?.mapv(|raw| (0.5 * log_variance(raw).0).exp());
                let e = residuals(&fields, (sd * eta).view());
                let back = residuals_back(&fields, g.view());
                let before = (1..n).map(|f| {
                    let mut field = Array2::zeros(g.raw_dim());
                    field.slice_mut(s![.., f..]).assign(&(&back.slice(s![.., f..]) * &e.slice(s![.., ..n - f])));
                    field
                });
                [g.clone(), by_raw(&back, eta)].into_iter().chain(before).collect()
            }
        })
    }
}

/// W, `[member, component, direction]`.
fn low_rank_factor(out: &Tensor, rank: usize) -> Result<Array3<f64>> {
    let mut factor = further_fields(out)?;
    for (j, mut column) in factor.axis_iter_mut(Axis(2)).enumerate().take(rank) {
        column += factor_start(j);
    }
    Ok(factor)
}

/// The fields after m and l, `[member, component, field]`.
fn further_fields(out: &Tensor) -> Result<Array3<f64>> {
    let (members, components, fields) = out.dims3().map_err(Error::from)?;
    let mut all = Array3::zeros((members, components, fields - 2));
    for (at, mut field) in all.axis_iter_mut(Axis(2)).enumerate() {
        field.assign(&array::field(out, at + 2)?);
    }
    Ok(all)
}

/// e_i = sum_f a_{i,f} e_{i-f} + `noise`_i of each member, `[member, component]`, with `a` `[member, component, f - 1]`.
fn residuals(a: &Array3<f64>, noise: ArrayView2<f64>) -> Array2<f64> {
    let mut e = noise.to_owned();
    for (mut e, a) in e.outer_iter_mut().zip(a.outer_iter()) {
        for i in 1..e.len() {
            e[i] += (1..=i).map(|f| a[[i, f - 1]] * e[i - f]).sum::<f64>();
        }
    }
    e
}

/// The transpose of [`residuals`]: b_i = sum_f a_{i+f,f} b_{i+f} + `g`_i.
fn residuals_back(a: &Array3<f64>, g: ArrayView2<f64>) -> Array2<f64> {
    let mut back = g.to_owned();
    for (mut b, a) in back.outer_iter_mut().zip(a.outer_iter()) {
        let n = b.len();
        for i in (0..n).rev() {
            b[i] += (1..n - i).map(|f| a[[i + f, f - 1]] * b[i + f]).sum::<f64>();
        }
    }
    back
}

/// L, `[member, component, component]`, whose column j is what eta_j alone makes of the residuals.
fn full_factor(a: &Array3<f64>, sd: ArrayView2<f64>) -> Array3<f64> {
    let (members, n) = sd.dim();
    let mut factor = Array3::zeros((members, n, n));
    for (j, mut column) in factor.axis_iter_mut(Axis(2)).enumerate() {
        let mut alone = Array2::zeros((members, n));
        alone.column_mut(j).assign(&sd.column(j));
        column.assign(&residuals(a, alone.view()));
    }
    factor
}

impl Spread {
    /// A draw of what is spread around a mean of 0, `[member, component]`; member i from stream i.
    pub fn draw(&self, key: Key) -> Array2<f64> {
        match self {
            Self::Independent(variance) => variance.mapv(f64::sqrt) * key.normals(variance.nrows(), variance.ncols()),
            Self::Factored(covariance) => {
                let members = covariance.diagonal().nrows();
                covariance.draw(key.normals(members, covariance.normals()).view())
            }
        }
    }

    /// Of several groups of members, one after the other, in `dim` components.
    pub fn stacked(groups: Vec<Self>, dim: usize) -> Covariance {
        let (mut diagonals, mut factors) = (Vec::new(), Vec::new());
        for group in groups {
            match group {
                Self::Independent(variance) => diagonals.push(variance),
                Self::Factored(covariance) => {
                    let (diagonal, factor) = covariance.into_factors();
                    diagonals.push(diagonal);
                    factors.push(factor);
                }
            }
        }
        let diagonal = super::learned::stacked(&diagonals, dim);
        let views: Vec<_> = factors.iter().map(|factor| factor.view()).collect();
        match concatenate(Axis(0), &views) {
            Ok(factor) => Covariance::Factored(FactoredCovariance::new(diagonal, factor)),
            // there is none where components are independent
            Err(_) => Covariance::Diagonal(diagonal),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::*;
    use crate::forecast::gaussian::tests::untrained;
    use crate::forecast::learned::tests::DIM;
    use crate::systems::gaussian::SymmetricEigen;
    use crate::systems::{Domain, Forecaster, Level};

    const CORRELATED: [CovarianceForm; 3] =
        [CovarianceForm::LowRank(1), CovarianceForm::LowRank(3), CovarianceForm::Full];

    fn normals(seed: u64, members: usize) -> Array2<f64> {
        Key::new(seed, Domain::Data).normals(members, DIM)
    }

    /// The mean and the covariance of the first member.
    fn first(model: &dyn Forecaster, x: &Array2<f64>) -> (Array1<f64>, Array2<f64>) {
        let (mean, covariance) = model.gaussian().unwrap().moments(0, x.view()).unwrap();
        let Covariance::Factored(covariance) = covariance else { panic!("components are correlated") };
        (mean.row(0).to_owned(), covariance.of(0))
    }

    /// -(log det C + e^T C^-1 e + n ln 2 pi) / 2.
    fn log_normal(e: &Array1<f64>, c: &Array2<f64>) -> f64 {
        let eigen = SymmetricEigen::new(c.view()).unwrap();
        let rotated = e.dot(&eigen.vectors);
        let constant = (&eigen.values * std::f64::consts::TAU).mapv(f64::ln).sum();
        -0.5 * ((&rotated * &rotated / eigen.values).sum() + constant)
    }

    #[test]
    fn draws_have_the_moments_of_the_law() {
        for form in CORRELATED {
            let model = untrained("mlp", form);
            let members = 40_000;
            let mut x = Array2::zeros((members, DIM));
            x.assign(&normals(1, 1).row(0));
            let (mean, covariance) = first(&model, &x.slice(s![..1, ..]).to_owned());
            let covered = SymmetricEigen::new(covariance.view()).unwrap();
            assert!(covered.values.iter().all(|value| *value > 0.0), "{form:?}: an inverse");
            model.step(3, &mut x, Key::new(2, Domain::Method)).unwrap();
            let found_mean = x.mean_axis(Axis(0)).unwrap();
            let centred = &x - &found_mean;
            let found = centred.t().dot(&centred) / members as f64;
            for ((i, j), c) in covariance.indexed_iter() {
                let se = ((c * c + covariance[[i, i]] * covariance[[j, j]]) / members as f64).sqrt();
                assert!((found[[i, j]] - c).abs() < 5.0 * se, "{form:?}: {i} {j}: {} for {c}", found[[i, j]]);
            }
            for i in 0..DIM {
                let se = (covariance[[i, i]] / members as f64).sqrt();
                assert!((found_mean[i] - mean[i]).abs() < 5.0 * se, "{form:?}: mean {i}");
            }
            let correlation = covariance[[0, 1]] / (covariance[[0, 0]] * covariance[[1, 1]]).sqrt();
            assert!(correlation.abs() > 0.01, "{form:?}: a test that a diagonal would pass");
        }
    }

    #[test]
    fn the_density_is_that_of_the_covariance_and_the_denoiser_has_its_score() {
        for form in CORRELATED {
            let model = untrained("conv", form);
            let x = normals(1, 1);
            let (mean, covariance) = first(&model, &x);
            let next = &mean + &normals(3, 1).row(0) * &covariance.diag().mapv(f64::sqrt);
            let next = next.insert_axis(Axis(0));
            let found = model.density().unwrap().log_prob(0, x.view(), next.view()).unwrap()[0];
            let expected = log_normal(&(&next.row(0) - &mean), &covariance);
            assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{form:?}: {found} {expected}");
            // (D - z) / sigma^2 is the gradient of log N(z; 0, R + sigma^2 I), R the correlation
            let sd = covariance.diag().mapv(f64::sqrt);
            let sigma = 0.4;
            let noised = Array2::from_shape_fn(covariance.dim(), |(i, j)| {
                covariance[[i, j]] / (sd[i] * sd[j]) + if i == j { sigma * sigma } else { 0.0 }
            });
            let z = normals(4, 1);
            let bound = model.denoiser().unwrap().bind(0, x.view()).unwrap();
            let denoised = bound.denoiser.denoise(z.view(), Level::exploding(sigma)).unwrap();
            for i in 0..DIM {
                let at = |shift: f64| {
                    let mut moved = z.row(0).to_owned();
                    moved[i] += shift;
                    log_normal(&moved, &noised)
                };
                let gradient = (at(1e-5) - at(-1e-5)) / 2e-5;
                let score = (denoised[[0, i]] - z[[0, i]]) / (sigma * sigma);
                assert!((score - gradient).abs() < 1e-6 * (1.0 + gradient.abs()), "{form:?}: {score} {gradient}");
            }
        }
    }
}
