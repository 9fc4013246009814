//! The rank histogram filter (Anderson 2010; with bounds 2022).
//!
//! Prior: mass 1 / (N + 1) spread evenly between neighbouring members, and as much in each tail, normal with the standard
//! deviation of the members and cut off at a bound. The likelihood of an interval is the mean of those at its ends, that of a
//! tail is the one at its end. Member k of the sorted ones goes to the quantile k / (N + 1) of the product.

use statrs::distribution::{ContinuousCDF, Normal};

use super::bounds::Bounds;

/// The room of the filter.
#[derive(Default)]
pub(super) struct RankHistogram {
    order: Vec<usize>,
    sorted: Vec<f64>,
    likelihood: Vec<f64>,
    /// The mass below each member, and in all.
    cumulative: Vec<f64>,
}

/// A normal tail of mass 1 that ends at a member.
struct Tail {
    normal: Normal,
    sd: f64,
    /// The member.
    end: f64,
    /// Its z, below 0, and Phi of it and of the bound.
    z: f64,
    at_end: f64,
    at_bound: f64,
}

impl Tail {
    /// Below `end`; that above is one of -x.
    fn below(end: f64, bound: f64, sd: f64, members: usize) -> Self {
        let normal = Normal::standard();
        let at_end = 1.0 / (members as f64 + 1.0);
        let z = normal.inverse_cdf(at_end);
        let at_bound = normal.cdf((bound - end) / sd + z);
        Self { normal, sd, end, z, at_end, at_bound }
    }

    /// Where the share `share` of the tail is below.
    fn quantile(&self, share: f64) -> f64 {
        let z = self.normal.inverse_cdf(self.at_bound + share * (self.at_end - self.at_bound));
        self.end + (self.sd * (z - self.z)).min(0.0)
    }
}

impl RankHistogram {
    /// Writes to `moved` where the members `x` go.
    pub fn map(&mut self, sd: f64, bounds: Bounds, x: &[f64], log_likelihood: impl Fn(f64) -> f64, moved: &mut [f64]) {
        let members = x.len();
        let Self { order, sorted, likelihood, cumulative } = self;
        order.clear();
        order.extend(0..members);
        order.sort_by(|&a, &b| x[a].total_cmp(&x[b]));
        sorted.clear();
        sorted.extend(order.iter().map(|&member| x[member]));
        likelihood.clear();
        likelihood.extend(sorted.iter().map(|x| log_likelihood(*x)));
        let [most, least] = [f64::max, f64::min].map(|best| likelihood.iter().copied().fold(likelihood[0], best));
        if most == least || !most.is_finite() {
            return;
        }
        likelihood.iter_mut().for_each(|log| *log = (*log - most).exp());
        cumulative.clear();
        let mut sum = likelihood[0];
        cumulative.push(sum);
        for pair in likelihood.windows(2) {
            sum += 0.5 * (pair[0] + pair[1]);
            cumulative.push(sum);
        }
        let total = sum + likelihood[members - 1];
        let (lower, upper) = bounds.ends();
        let left = Tail::below(sorted[0], lower, sd, members);
        let right = Tail::below(-sorted[members - 1], -upper, sd, members);
        for (rank, &member) in order.iter().enumerate() {
            let mass = total * (rank as f64 + 1.0) / (members as f64 + 1.0);
            let interval = cumulative.partition_point(|below| *below < mass);
            let value = match interval {
                0 => left.quantile(mass / likelihood[0]),
                _ if interval == members => -right.quantile((total - mass) / likelihood[members - 1]),
                _ => {
                    let (from, to) = (cumulative[interval - 1], cumulative[interval]);
                    let share = (mass - from) / (to - from);
                    sorted[interval - 1] + share * (sorted[interval] - sorted[interval - 1])
                }
            };
            moved[member] = value.max(lower).min(upper);
        }
    }
}
