//! Inflation: what is done to the spread of an analysis ensemble against sampling and model error.
//!
//! With analysis anomalies A (one row a member), forecast anomalies F and their standard deviations s_a and s_f,
//! component by component, in this order:
//! relaxation to prior perturbations (RTPP; Zhang, Snyder and Sun 2004): A <- (1 - a) A + a F;
//! relaxation to prior spread (RTPS; Whitaker and Hamill 2012): A <- A (1 + a (s_f - s_a) / s_a);
//! multiplicative (Anderson and Anderson 1999): A <- inflation A;
//! additive (Mitchell and Houtekamer 2000): A <- A + sd E, E ~ N(0, I) centred over the members.
//! The mean stays as it is.

use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, s};
use scorecast_systems::{Key, Param, Purpose, Settings};

use crate::ensemble::{anomalies, centre, weighted_mean};
use crate::linalg::rotate_anomalies;
use crate::observations::ObservationSet;
use crate::outcome::Outcome;

/// The setting `inflation` of every ensemble method.
pub(crate) const INFLATION: Param =
    Param::positive("inflation", 1.0, "factor of the standard deviation of the analysis anomalies");

/// The setting `rtpp`.
pub(crate) const RTPP: Param = Param::share(
    "rtpp",
    0.0,
    "relaxation to prior perturbations: share of the forecast anomalies in those of the analysis",
);

/// The setting `rtps`.
pub(crate) const RTPS: Param =
    Param::share("rtps", 0.0, "relaxation to prior spread: share of the lost standard deviation that is given back");

/// The setting `additive`.
pub(crate) const ADDITIVE: Param =
    Param::at_least("additive", 0.0, 0.0, "standard deviation of the noise that is added to the analysis members");

/// The inflation of an ensemble method. Nothing is done by its default.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Inflation {
    /// Factor of the analysis anomalies; 1 leaves them.
    pub multiplicative: f64,
    /// Share of the forecast anomalies (Zhang et al. 2004), 0 to 1.
    pub rtpp: f64,
    /// Share of the lost standard deviation (Whitaker and Hamill 2012), 0 to 1.
    pub rtps: f64,
    /// Standard deviation of the noise added to each component, in its unit.
    pub additive: f64,
}

impl std::default::Default for Inflation {
    fn default() -> Self {
        Self { multiplicative: 1.0, rtpp: 0.0, rtps: 0.0, additive: 0.0 }
    }
}

impl Inflation {
    /// From the settings `inflation`, `rtpp`, `rtps` and `additive`.
    pub(crate) fn new(settings: &Settings) -> Self {
        let [multiplicative, rtpp, rtps, additive] =
            [INFLATION, RTPP, RTPS, ADDITIVE].map(|setting| settings.number(setting.key));
        Self { multiplicative, rtpp, rtps, additive }
    }

    /// From the settings `inflation`, `rtpp` and `rtps`: without noise.
    pub(crate) fn without_noise(settings: &Settings) -> Self {
        let [multiplicative, rtpp, rtps] = [INFLATION, RTPP, RTPS].map(|setting| settings.number(setting.key));
        Self { multiplicative, rtpp, rtps, additive: 0.0 }
    }

    /// Multiplication by this factor alone.
    pub fn factor(multiplicative: f64) -> Self {
        Self { multiplicative, ..Self::default() }
    }

    /// Whether the forecast anomalies have a part in those of the analysis.
    pub(crate) fn relaxes(&self) -> bool {
        self.rtpp != 0.0 || self.rtps != 0.0
    }

    /// Relaxes and multiplies analysis anomalies, with columns of zero mean, given the members of the forecast; both
    /// `[member, component]`.
    pub fn spread(&self, forecast: ArrayView2<f64>, mut analysis: ArrayViewMut2<f64>) {
        if !self.relaxes() {
            return self.multiply(analysis);
        }
        let (mut f, mut a) = (vec![0.0; forecast.nrows()], vec![0.0; forecast.nrows()]);
        for (forecast, mut analysis) in forecast.columns().into_iter().zip(analysis.columns_mut()) {
            f.iter_mut().zip(forecast).for_each(|(f, value)| *f = *value);
            a.iter_mut().zip(&analysis).for_each(|(a, value)| *a = *value);
            centre(&mut f);
            self.spread_component(&f, &mut a);
            analysis.iter_mut().zip(&a).for_each(|(value, a)| *value = *a);
        }
    }

    /// Relaxes and multiplies the analysis anomalies of one component, given those of the forecast; both `[member]`.
    pub(crate) fn spread_component(&self, forecast: &[f64], analysis: &mut [f64]) {
        if self.rtpp != 0.0 {
            analysis.iter_mut().zip(forecast).for_each(|(a, f)| *a = (1.0 - self.rtpp) * *a + self.rtpp * f);
        }
        if self.rtps != 0.0 {
            let factor = self.towards(sd(forecast), sd(analysis));
            analysis.iter_mut().for_each(|a| *a *= factor);
        }
        if self.multiplicative != 1.0 {
            analysis.iter_mut().for_each(|a| *a *= self.multiplicative);
        }
    }

    fn multiply(&self, mut analysis: ArrayViewMut2<f64>) {
        if self.multiplicative != 1.0 {
            analysis *= self.multiplicative;
        }
    }

    /// 1 + a (s_f - s_a) / s_a; 1 where the analysis has no spread that a factor could widen.
    fn towards(&self, forecast: f64, analysis: f64) -> f64 {
        if analysis > 0.0 { 1.0 + self.rtps * (forecast - analysis) / analysis } else { 1.0 }
    }

    /// Adds the noise; draws from streams N, N + 1, ... of `key`'s perturbations at lead step `step`, behind those that
    /// perturb observations.
    pub(crate) fn add_noise(&self, mut ensemble: ArrayViewMut2<f64>, step: usize, key: Key) {
        if self.additive != 0.0 {
            let (members, dim) = ensemble.dim();
            let key = key.purpose(Purpose::Perturbation).at(step as u64).members_from(members as u64);
            let mut noise = key.normals(members, dim);
            noise -= &weighted_mean(noise.view(), None);
            ensemble.scaled_add(self.additive, &noise);
        }
    }

    /// All of it, for a method that has whole members: forecast and analysis, `[member, component]`. Earlier states that
    /// a smoother carries are left alone.
    pub(crate) fn finish(
        &self,
        forecast: Array2<f64>,
        mut ensemble: Array2<f64>,
        observed: &ObservationSet,
        key: Key,
    ) -> Outcome {
        let current = s![.., ..observed.operator.current_dim()];
        if (Self { additive: 0.0, ..*self }) != Self::default() {
            let (mean, mut a) = anomalies(ensemble.slice(current), None);
            self.spread(forecast.slice(current), a.view_mut());
            a += &mean;
            ensemble.slice_mut(current).assign(&a);
        }
        self.add_noise(ensemble.slice_mut(current), observed.step, key);
        Outcome::new(forecast, ensemble)
    }

    /// [`Inflation::finish`] for a method that has the mean and the anomalies of its analysis: rotates these where `rotate` is set,
    /// inflates them and adds the mean.
    pub(crate) fn finish_anomalies(
        &self,
        rotate: bool,
        forecast: Array2<f64>,
        (mean, mut ensemble): (Array1<f64>, Array2<f64>),
        observed: &ObservationSet,
        key: Key,
    ) -> Outcome {
        self.finish_in_place(rotate, Some(forecast.view()), (&mean, &mut ensemble), observed, key);
        Outcome::new(forecast, ensemble)
    }

    /// [`Inflation::finish`] in place of the anomalies. Without the members of a forecast nothing is relaxed.
    pub(crate) fn finish_in_place(
        &self,
        rotate: bool,
        forecast: Option<ArrayView2<f64>>,
        (mean, ensemble): (&Array1<f64>, &mut Array2<f64>),
        observed: &ObservationSet,
        key: Key,
    ) {
        let current = s![.., ..observed.operator.current_dim()];
        if rotate {
            rotate_anomalies(ensemble.view_mut(), rotation(observed, key));
        }
        match forecast {
            Some(forecast) => self.spread(forecast.slice(current), ensemble.slice_mut(current)),
            None => self.multiply(ensemble.slice_mut(current)),
        }
        *ensemble += mean;
        self.add_noise(ensemble.slice_mut(current), observed.step, key);
    }
}

/// The key of the random rotation of one analysis.
pub(crate) fn rotation(observed: &ObservationSet, key: Key) -> Key {
    key.purpose(Purpose::Rotation).at(observed.step as u64)
}

/// The standard deviation of some anomalies.
fn sd(anomalies: &[f64]) -> f64 {
    (1.0 / (anomalies.len() as f64 - 1.0) * anomalies.iter().map(|a| a * a).sum::<f64>()).sqrt()
}

/// Multiplies the anomalies of an ensemble around its (weighted) mean.
pub(crate) fn inflate(mut ensemble: ArrayViewMut2<f64>, weights: Option<&Array1<f64>>, inflation: f64) {
    if inflation != 1.0 {
        let mean = weighted_mean(ensemble.view(), weights);
        for mut row in ensemble.outer_iter_mut() {
            row.zip_mut_with(&mean, |value, centre| *value = centre + inflation * (*value - centre));
        }
    }
}

#[cfg(test)]
mod tests {
    use scorecast_systems::Domain;

    use super::*;
    use crate::ensemble::weighted_variance;
    use crate::observe::{GaussianError, Identity, NoiseLaw};

    fn pair() -> (Array2<f64>, Array2<f64>) {
        let forecast = Key::new(1, Domain::Score).normals(9, 4) * 2.0 + 1.0;
        let analysis = Key::new(2, Domain::Score).normals(9, 4) * 0.5 - 3.0;
        (forecast, analysis)
    }

    fn finish_pair(inflation: Inflation, forecast: Array2<f64>, analysis: Array2<f64>) -> Outcome {
        let law = |dim| Ok(Box::new(GaussianError::new(&[1.0], dim)?) as Box<dyn NoiseLaw>);
        let operator = Identity::new(forecast.ncols(), &law).unwrap();
        let values = Array1::zeros(forecast.ncols());
        let observed = ObservationSet { step: 3, time: 0.0, values: values.view(), operator: &operator };
        inflation.finish(forecast, analysis, &observed, Key::new(4, Domain::Method))
    }

    fn finish(inflation: Inflation) -> Array2<f64> {
        let (forecast, analysis) = pair();
        finish_pair(inflation, forecast, analysis).ensemble
    }

    #[test]
    fn the_default_changes_no_bit() {
        assert_eq!(finish(Inflation::default()), pair().1);
    }

    #[test]
    fn rtpp_mixes_anomalies_and_rtps_mixes_standard_deviations() {
        let (forecast, analysis) = pair();
        let ((_, f), (mean, a)) = (anomalies(forecast.view(), None), anomalies(analysis.view(), None));
        let mixed = finish(Inflation { rtpp: 0.3, ..Inflation::default() });
        assert!((mixed - (0.7 * &a + 0.3 * &f + &mean)).iter().all(|e| e.abs() < 1e-14));
        let relaxed = finish(Inflation { rtps: 0.6, multiplicative: 1.1, ..Inflation::default() });
        let [s_f, s_a, found] =
            [&forecast, &analysis, &relaxed].map(|x| weighted_variance(x.view(), None).mapv(f64::sqrt));
        assert!((found - 1.1 * (0.4 * &s_a + 0.6 * &s_f)).iter().all(|e| e.abs() < 1e-13));
        // the direction of each column of anomalies stays
        let (centre, r) = anomalies(relaxed.view(), None);
        assert!((centre - mean).iter().all(|e| e.abs() < 1e-13));
        let ratio = &r / &a;
        assert!((&ratio - &ratio.row(0)).iter().all(|e| e.abs() < 1e-12));
    }

    #[test]
    fn full_relaxation_gives_the_forecast_anomalies_and_the_forecast_spread() {
        let (forecast, _) = pair();
        let spread = |x: &Array2<f64>| weighted_variance(x.view(), None);
        for inflation in
            [Inflation { rtpp: 1.0, ..Inflation::default() }, Inflation { rtps: 1.0, ..Inflation::default() }]
        {
            assert!((spread(&finish(inflation)) - spread(&forecast)).iter().all(|e| e.abs() < 1e-12));
        }
    }

    #[test]
    fn additive_noise_has_its_variance_and_leaves_the_mean() {
        let members = 20_000;
        let x = Array2::from_elem((members, 2), 1.5);
        let inflation = Inflation { additive: 0.4, ..Inflation::default() };
        let outcome = finish_pair(inflation, x.clone(), x);
        assert!(outcome.mean().iter().all(|m| (m - 1.5).abs() < 1e-12));
        // five standard errors of a sample variance
        assert!(outcome.variance().iter().all(|v| (v / 0.16 - 1.0).abs() < 5.0 * (2.0 / members as f64).sqrt()));
    }

    #[test]
    fn a_component_without_analysis_spread_stays_as_it_is() {
        let (forecast, mut analysis) = pair();
        analysis.column_mut(1).fill(2.0);
        let inflation = Inflation { rtps: 0.5, ..Inflation::default() };
        let found = finish_pair(inflation, forecast, analysis).ensemble;
        assert!(found.column(1).iter().all(|value| *value == 2.0));
    }
}
