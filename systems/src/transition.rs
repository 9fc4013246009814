//! Exact transitions: laws p(x_{k+1} | x_k) of one lead step that are drawn without error, member by member.

use ndarray::{Array1, Array2, ArrayView2, Axis};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::key::{Key, Stream};
use crate::law::{ConditionalDenoiser, Density, Forecaster};

/// Members in a chunk of the parallel loop.
const CHUNK: usize = 256;

/// The law of one lead step of an autonomous Markov process, as something to draw from.
pub trait ExactTransition: Send + Sync {
    /// The number of components.
    fn dim(&self) -> usize;

    /// Replaces the state `x` (`[component]`) by a draw of p(. | x); what depends on a state that is not finite is not
    /// finite either.
    fn draw(&self, x: &mut [f64], stream: &mut Stream);

    /// The density, where it is known.
    fn density(&self) -> Option<&dyn LogDensity> {
        None
    }

    /// The denoiser of p(. | x), where it is known.
    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        None
    }
}

/// The density of one member's lead step.
pub trait LogDensity: Send + Sync {
    /// log p(next | x), both `[component]`; minus infinity where `next` cannot be reached.
    fn log_density(&self, x: &[f64], next: &[f64]) -> f64;
}

/// A [`ExactTransition`] as a [`Forecaster`]. Lead step k of member i draws from `key.at(k).stream(i)`.
pub struct ExactForecaster<T>(T);

impl<T: ExactTransition> ExactForecaster<T> {
    /// Of any transition.
    pub fn new(transition: T) -> Self {
        Self(transition)
    }
}

impl<T: ExactTransition> Forecaster for ExactForecaster<T> {
    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
        let dim = self.dim();
        assert_eq!(x.ncols(), dim, "states of {} components for a transition of {dim}", x.ncols());
        if !x.is_standard_layout() {
            *x = x.as_standard_layout().into_owned();
        }
        let advance = |(chunk, mut rows): (usize, ndarray::ArrayViewMut2<f64>)| {
            for step in k..k + steps {
                let key = key.at(step as u64);
                for (member, mut row) in rows.outer_iter_mut().enumerate() {
                    let mut stream = key.stream((chunk * CHUNK + member) as u64);
                    if let Some(row) = row.as_slice_mut() {
                        self.0.draw(row, &mut stream);
                    }
                }
            }
        };
        x.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter().enumerate().for_each(advance);
        Ok(())
    }

    fn density(&self) -> Option<&dyn Density> {
        self.0.density().map(|_| self as &dyn Density)
    }

    fn denoiser(&self) -> Option<&dyn ConditionalDenoiser> {
        self.0.denoiser()
    }
}

impl<T: ExactTransition> Density for ExactForecaster<T> {
    fn log_prob(&self, _k: usize, x: ArrayView2<f64>, next: ArrayView2<f64>) -> Result<Array1<f64>> {
        assert_eq!(x.dim(), next.dim(), "one next state for each state");
        let Some(density) = self.0.density() else {
            return Err(Error::Unsupported("the density of this transition is not known in closed form".into()));
        };
        let (x, next) = (x.as_standard_layout(), next.as_standard_layout());
        let rows = x.outer_iter().zip(next.outer_iter());
        let log_density =
            |(x, next): (ndarray::ArrayView1<f64>, ndarray::ArrayView1<f64>)| match (x.to_slice(), next.to_slice()) {
                (Some(x), Some(next)) => density.log_density(x, next),
                _ => f64::NAN,
            };
        Ok(rows.map(log_density).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Domain;

    /// x + z, two components.
    struct Walk;

    impl ExactTransition for Walk {
        fn dim(&self) -> usize {
            2
        }

        fn draw(&self, x: &mut [f64], stream: &mut Stream) {
            x.iter_mut().for_each(|x| *x += stream.normal());
        }
    }

    #[test]
    fn member_i_draws_from_stream_i_in_any_layout() {
        let key = Key::new(4, Domain::Method);
        let mut x = Array2::zeros((2, 600)).reversed_axes();
        ExactForecaster::new(Walk).advance(7, 1, &mut x, key).unwrap();
        assert_eq!(x, key.at(7).normals(600, 2));
        assert!(ExactForecaster::new(Walk).density().is_none());
    }
}
