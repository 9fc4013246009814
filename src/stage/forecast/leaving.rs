//! When free rollouts leave the range of the training states.

use ndarray::{Array1, Array2, ArrayView3, Axis, Zip};

/// The share of its length by which the range of a component is widened on either side: fresh states of the same law go
/// beyond the extremes of a sample, but hardly so far.
const WIDENED: f64 = 0.25;

/// The range of the training states, and when each member first left it.
pub struct Leaving {
    /// The least and the greatest value, `[component]`.
    range: [Array1<f64>; 2],
    /// The lead step, from 1, `[member]`.
    first: Vec<Option<usize>>,
}

impl Leaving {
    /// Of training states `[case, time, component]`, before the first lead step.
    pub fn new(train: ArrayView3<f64>, members: usize) -> Self {
        let extreme = |pick: fn(f64, f64) -> f64, from: f64| {
            train
                .map_axis(Axis(0), |cases| cases.iter().copied().fold(from, pick))
                .fold_axis(Axis(0), from, |a, b| pick(*a, *b))
        };
        let (least, greatest) = (extreme(f64::min, f64::INFINITY), extreme(f64::max, f64::NEG_INFINITY));
        // a component that never varied has no range to leave
        let more = (&greatest - &least).mapv(|range| if range > 0.0 { WIDENED * range } else { f64::INFINITY });
        Self { range: [least - &more, greatest + &more], first: vec![None; members] }
    }

    /// Notes which of the members, `[member, component]`, are outside after a lead step; what is not finite is.
    pub fn note(&mut self, lead_step: usize, members: &Array2<f64>) {
        let [low, high] = &self.range;
        for (first, x) in self.first.iter_mut().zip(members.outer_iter()).filter(|(first, _)| first.is_none()) {
            // of the states that a member carries the newest comes first
            let newest = x.slice(ndarray::s![..low.len()]);
            let inside = Zip::from(newest).and(low).and(high).all(|x, low, high| x >= low && x <= high);
            *first = (!inside).then_some(lead_step);
        }
    }

    /// How many members left, and the lead step by which half of those had.
    pub fn found(&self) -> (usize, Option<usize>) {
        let mut left: Vec<usize> = self.first.iter().copied().flatten().collect();
        left.sort_unstable();
        (left.len(), left.get(left.len().saturating_sub(1) / 2).copied())
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;

    #[test]
    fn a_member_leaves_when_any_component_is_beyond_the_widened_range() {
        let train = Array3::from_shape_fn((2, 3, 2), |(case, time, j)| (case * 3 + time) as f64 * (1.0 + j as f64));
        // ranges of 0 to 5 and 0 to 10: -1.25 to 6.25, and -2.5 to 12.5
        let mut leaving = Leaving::new(train.view(), 5);
        assert_eq!(leaving.found(), (0, None));
        let beyond = f64::INFINITY;
        leaving.note(
            1,
            &array![[6.25, 12.5, beyond], [0.0, 0.0, 0.0], [0.0, -2.6, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]],
        );
        assert_eq!(leaving.found(), (1, Some(1)), "what comes after the newest state does not count");
        leaving.note(
            4,
            &array![[6.26, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [f64::NAN, 1.0, 0.0], [0.0, 0.0, 0.0]],
        );
        leaving.note(9, &array![[0.0, 0.0, 0.0], [0.0, 12.6, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]);
        assert_eq!(leaving.found(), (4, Some(4)));
    }
}
