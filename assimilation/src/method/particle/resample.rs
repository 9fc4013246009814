//! Resampling: N ancestors of normalised weights w, so that ancestor i is taken N w_i times on average (Douc, Cappe and
//! Moulines 2005). With c the cumulative weights and the ancestor of a point v in [0, 1) the first i with c_i > v:
//! systematic: v_j = (j + u) / N with one u; ancestor i is taken N w_i times, rounded down or up (Kitagawa 1996).
//! stratified: v_j = (j + u_j) / N; never a larger variance than multinomial (Kitagawa 1996).
//! residual: floor(N w_i) times, and the rest multinomially by what is left; nor this (Liu and Chen 1998).
//! multinomial: v_j = u_j; the count of ancestor i has variance N w_i (1 - w_i) (Gordon, Salmond and Smith 1993).

use ndarray::Array1;
use scorecast_systems::{Key, Param, Settings, Stream};

use crate::method::particle::weights::systematic;

/// The setting `resampling` of the methods that resample.
pub(crate) const RESAMPLING: Param = Param::choice(
    "resampling",
    "systematic",
    &["systematic", "stratified", "residual", "multinomial"],
    "how ancestors are drawn; systematic is usually the least noisy, multinomial the most",
);

/// How ancestors are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resampling {
    /// One uniform for all.
    #[default]
    Systematic,
    /// One uniform in each of N equal parts.
    Stratified,
    /// Whole copies first, multinomial for the rest.
    Residual,
    /// Independent draws.
    Multinomial,
}

impl Resampling {
    /// From the setting `resampling`.
    pub(crate) fn new(settings: &Settings) -> Self {
        match settings.text(RESAMPLING.key) {
            "stratified" => Self::Stratified,
            "residual" => Self::Residual,
            "multinomial" => Self::Multinomial,
            _ => Self::Systematic,
        }
    }

    /// For each new member its ancestor, ascending, given the logarithms of normalised weights; draws from stream 0 of
    /// `key`.
    pub fn draw(self, log_weights: &Array1<f64>, key: Key) -> Vec<usize> {
        match self {
            Self::Systematic => systematic(log_weights, key),
            other => other.draw_some(log_weights.len(), log_weights, key),
        }
    }

    /// Ancestors of any number of new members: ancestor i is taken `count` w_i times on average.
    pub fn draw_some(self, count: usize, log_weights: &Array1<f64>, key: Key) -> Vec<usize> {
        let mut stream = key.stream(0);
        let weights = log_weights.iter().map(|value| value.exp());
        let points = match self {
            Self::Systematic => {
                let uniform = stream.uniform();
                (0..count).map(|j| (j as f64 + uniform) / count as f64).collect()
            }
            Self::Stratified => (0..count).map(|j| (j as f64 + stream.uniform()) / count as f64).collect(),
            Self::Residual => return residual(count, weights.collect(), &mut stream),
            Self::Multinomial => sorted(count, &mut stream),
        };
        invert(points, weights)
    }
}

fn residual(members: usize, weights: Vec<f64>, stream: &mut Stream) -> Vec<usize> {
    let copies = |weight: &f64| (members as f64 * weight).floor();
    let mut ancestors = Vec::with_capacity(members);
    for (i, weight) in weights.iter().enumerate() {
        ancestors.extend(std::iter::repeat_n(i, copies(weight) as usize));
    }
    // N whole copies of weights that sum to slightly more than 1 by round-off
    ancestors.truncate(members);
    let open = members - ancestors.len();
    if open > 0 {
        let left: Vec<f64> = weights.iter().map(|weight| members as f64 * weight - copies(weight)).collect();
        let sum: f64 = left.iter().sum();
        ancestors.extend(invert(sorted(open, stream), left.iter().map(|rest| rest / sum)));
        ancestors.sort_unstable();
    }
    ancestors
}

/// Ascending independent uniforms.
fn sorted(count: usize, stream: &mut Stream) -> Vec<f64> {
    let mut points: Vec<f64> = (0..count).map(|_| stream.uniform()).collect();
    points.sort_unstable_by(f64::total_cmp);
    points
}

/// The ancestor of each point; points ascend, weights sum to 1.
fn invert(points: Vec<f64>, weights: impl Iterator<Item = f64>) -> Vec<usize> {
    let mut ancestors = Vec::with_capacity(points.len());
    let (mut cumulative, mut last) = (0.0, 0);
    for (ancestor, weight) in weights.enumerate() {
        cumulative += weight;
        while points.get(ancestors.len()).is_some_and(|point| *point < cumulative) {
            ancestors.push(ancestor);
            last = ancestor;
        }
    }
    // round-off in the sum may leave the last places open
    ancestors.resize(points.len(), last);
    ancestors
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::{Domain, Purpose};

    use super::*;

    const ALL: [Resampling; 4] =
        [Resampling::Systematic, Resampling::Stratified, Resampling::Residual, Resampling::Multinomial];

    /// Mean and variance of each ancestor's count over many draws, in order of [`ALL`].
    fn counts(weights: &Array1<f64>, draws: u64) -> Vec<Vec<(f64, f64)>> {
        let log_weights = weights.mapv(f64::ln);
        let of = |scheme: &Resampling| {
            let mut sums = vec![(0.0, 0.0); weights.len()];
            for draw in 0..draws {
                let ancestors = scheme.draw(&log_weights, Key::new(3, Domain::Method).at(draw));
                assert!(ancestors.len() == weights.len() && ancestors.is_sorted());
                for (i, sum) in sums.iter_mut().enumerate() {
                    let count = ancestors.iter().filter(|a| **a == i).count() as f64;
                    *sum = (sum.0 + count, sum.1 + count * count);
                }
            }
            let n = draws as f64;
            sums.iter().map(|(a, b)| (a / n, (b - a * a / n) / (n - 1.0))).collect()
        };
        ALL.iter().map(of).collect()
    }

    #[test]
    fn counts_are_unbiased_and_their_variances_are_the_known_ones() {
        let weights = array![0.03, 0.22, 0.0, 0.31, 0.24, 0.17, 0.02, 0.01];
        let draws = 40_000;
        let found = counts(&weights, draws);
        let per_root = 1.0 / (draws as f64).sqrt();
        for (i, weight) in weights.iter().enumerate() {
            let (n, share) = (8.0, 8.0 * weight);
            let multinomial = share * (1.0 - weight);
            for (scheme, of) in ALL.iter().zip(&found) {
                // five standard errors; none has a larger variance than multinomial's
                assert!((of[i].0 - share).abs() <= 5.0 * per_root * multinomial.sqrt(), "{scheme:?} {i}");
            }
            let [systematic, stratified, residual, plain] = [0, 1, 2, 3].map(|scheme| found[scheme][i].1);
            // a sample variance has a relative standard error of sqrt((kurtosis - 1) / draws), kurtosis 3 + 1 / variance
            // at most for sums of indicators
            let within = |v: f64| 5.0 * per_root * (2.0 * v * v + v).sqrt() + 1e-12;
            assert!((plain - multinomial).abs() < within(multinomial), "{i}: {plain} for {multinomial}");
            let rest = share.fract();
            assert!((systematic - rest * (1.0 - rest)).abs() < within(0.25), "{i}: {systematic}");
            // Douc, Cappe and Moulines 2005: the rest R = N - sum floor(N w) falls multinomially by rest / R
            let left: f64 = weights.iter().map(|w| (n * w).fract()).sum();
            let exact = rest * (1.0 - rest / left);
            assert!((residual - exact).abs() < within(exact), "{i}: {residual} for {exact}");
            assert!(residual <= plain + within(multinomial) && stratified <= plain + within(multinomial), "{i}");
        }
        // the whole of it, where the differences are many standard errors
        let total = |scheme: usize| found[scheme].iter().map(|(_, variance)| variance).sum::<f64>();
        println!("total variances {:?}", [0, 1, 2, 3].map(total));
        assert!(total(1) < total(3) && total(2) < total(3) && total(0) < total(2));
    }

    #[test]
    fn the_same_key_gives_the_same_ancestors_and_another_key_others() {
        let log_weights = Array1::from_iter((1..=50).map(|i| (f64::from(i) / 1275.0).ln()));
        for scheme in ALL {
            let draw =
                |step| scheme.draw(&log_weights, Key::new(4, Domain::Method).purpose(Purpose::Resampling).at(step));
            assert_eq!(draw(1), draw(1));
            assert_ne!(draw(1), draw(2), "{scheme:?}");
        }
    }

    #[test]
    fn any_number_of_members_is_drawn_without_bias() {
        let weights = array![0.05, 0.4, 0.3, 0.25];
        let log_weights = weights.mapv(f64::ln);
        let draws = 20_000;
        for scheme in ALL {
            for count in [1, 3, 10] {
                let mut counts = [0usize; 4];
                for draw in 0..draws {
                    let ancestors = scheme.draw_some(count, &log_weights, Key::new(7, Domain::Method).at(draw));
                    assert_eq!(ancestors.len(), count);
                    ancestors.iter().for_each(|a| counts[*a] += 1);
                }
                for (taken, weight) in counts.iter().zip(&weights) {
                    // five standard errors of the multinomial count, which is the widest
                    let error = (count as f64 * weight * (1.0 - weight) / draws as f64).sqrt();
                    assert!((*taken as f64 / draws as f64 - count as f64 * weight).abs() < 5.0 * error, "{scheme:?}");
                }
            }
        }
    }

    #[test]
    fn one_weight_of_1_and_equal_weights_are_served() {
        let one = array![f64::NEG_INFINITY, 0.0, f64::NEG_INFINITY];
        for scheme in ALL {
            assert_eq!(scheme.draw(&one, Key::new(5, Domain::Method)), [1, 1, 1], "{scheme:?}");
        }
        let equal = crate::method::particle::weights::equal(7);
        for scheme in [Resampling::Systematic, Resampling::Stratified] {
            assert_eq!(scheme.draw(&equal, Key::new(6, Domain::Method)), [0, 1, 2, 3, 4, 5, 6], "{scheme:?}");
        }
    }
}
