//! Several forecasters as one: a deep ensemble (Lakshminarayanan, Pritzel and Blundell 2017). Member i is advanced by
//! forecaster i mod S at every lead step, so that the members of an ensemble disagree as the forecasters do; the density of
//! a lead step is the mean of theirs.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::{Fitted, Training};
use crate::systems::{self, Density, Forecaster, Key};

/// The forecasters, at least one, all of one size.
struct Pool(Vec<Arc<dyn Forecaster>>);

/// Where the streams of the draws of each forecaster begin.
const STREAMS: u64 = 1 << 40;

/// Some fitted forecasters of one kind as one of that kind, which is not stored; none where there is none.
pub fn pool(fitted: &[&Fitted]) -> Option<Fitted> {
    let first = fitted.first()?;
    let of = |count: fn(&Training) -> usize| fitted.iter().map(|one| count(one.training())).sum::<usize>();
    let training = Training {
        parameters: of(|training| training.parameters),
        steps: fitted.iter().map(|one| one.training().steps).sum(),
        curve: Vec::new(),
        best_valid: f64::NAN,
        ..first.training().clone()
    };
    Some(Fitted::pooled(first.kind(), Pool(fitted.iter().map(|one| one.shared()).collect()), training))
}

impl Pool {
    /// Members that a forecaster advances.
    fn members(&self, index: usize, members: usize) -> Vec<usize> {
        (index..members).step_by(self.0.len()).collect()
    }
}

impl Forecaster for Pool {
    fn dim(&self) -> usize {
        self.0[0].dim()
    }

    fn history(&self) -> usize {
        self.0[0].history()
    }

    fn parameters(&self) -> &[String] {
        self.0[0].parameters()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> systems::Result<()> {
        for (index, forecaster) in self.0.iter().enumerate() {
            let members = self.members(index, x.nrows());
            let mut own = x.select(Axis(0), &members);
            // members that are advanced together must not draw what those of another forecaster draw
            forecaster.step(k, &mut own, key.members_from(index as u64 * STREAMS))?;
            members.iter().zip(own.outer_iter()).for_each(|(member, state)| x.row_mut(*member).assign(&state));
        }
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        self.0.iter().all(|forecaster| forecaster.density().is_some()).then_some(self)
    }
}

impl Density for Pool {
    fn log_prob(&self, k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> systems::Result<Array1<f64>> {
        let mut all: Vec<Array1<f64>> = Vec::new();
        for density in self.0.iter().filter_map(|forecaster| forecaster.density()) {
            all.push(density.log_prob(k, x, next)?);
        }
        let mean = |row: usize| {
            let largest = all.iter().map(|one| one[row]).fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = all.iter().map(|one| (one[row] - largest).exp()).sum();
            if largest.is_finite() { largest + (sum / all.len() as f64).ln() } else { largest }
        };
        Ok(Array1::from_shape_fn(x.nrows(), mean))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;
    use crate::forecast::fitting::tests::try_fit;
    use crate::systems::{Domain, Geometry, Value};

    #[test]
    fn members_are_dealt_out_and_densities_averaged() {
        let states = |seed| {
            Array3::from_shape_vec((4, 20, 2), Key::new(seed, Domain::Data).normals(80, 2).into_raw_vec_and_offset().0)
        };
        let data = states(1).unwrap();
        let given = [("steps", Value::Int(3)), ("width", Value::Int(4)), ("learning_rate", Value::Float(0.3))];
        let of =
            |seed| try_fit("gaussian", &given, (Geometry::Unstructured, seed), [data.view(), data.view()]).unwrap();
        let (a, b) = (of(1), of(2));
        let both = pool(&[&a, &b]).unwrap();
        assert_eq!(both.training().parameters, 2 * a.training().parameters);
        let x = Key::new(3, Domain::Data).normals(5, 2);
        let key = Key::new(4, Domain::Method);
        let mut drawn = x.clone();
        both.step(0, &mut drawn, key).unwrap();
        let (mut even, mut odd) = (x.select(Axis(0), &[0, 2, 4]), x.select(Axis(0), &[1, 3]));
        a.step(0, &mut even, key).unwrap();
        b.step(0, &mut odd, key.members_from(STREAMS)).unwrap();
        assert_eq!((drawn.select(Axis(0), &[0, 2, 4]), drawn.select(Axis(0), &[1, 3])), (even, odd));
        let [p, q, mixed] =
            [&a, &b, &both].map(|one| one.density().unwrap().log_prob(0, x.view(), drawn.view()).unwrap());
        for ((p, q), mixed) in p.iter().zip(&q).zip(&mixed) {
            assert!((0.5 * (p.exp() + q.exp()) - mixed.exp()).abs() < 1e-14);
        }
    }
}
