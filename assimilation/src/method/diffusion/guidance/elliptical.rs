//! Elliptical slices (Murray, Adams and MacKay 2010) of z ~ N(m, diag(s^2)) under any likelihood, for all members at once.
//!
//! With f = z - m and nu of the prior, points m + f cos a + nu sin a are tried from a bracket of a that shrinks towards f until one is
//! above the slice. Blocks of components whose likelihoods are factors are tried each for itself, so that how many there are
//! makes no slice longer. Neither a step nor a derivative is asked for, and the ellipse leads from mode to mode.

use ndarray::{Array1, Array2};
use scorecast_systems::Stream;

use crate::method::diffusion::bracket::{Bracket, SHRINKS};

/// The law before the likelihood.
pub(super) struct Prior<'a> {
    /// m, `[member, component]`.
    pub mean: &'a Array2<f64>,
    /// s, `[component]`.
    pub sd: &'a Array1<f64>,
}

impl Prior<'_> {
    /// A draw, `[member, component]`.
    pub fn draw(&self, streams: &mut [Stream]) -> Array2<f64> {
        self.mean + &self.noise(streams)
    }

    fn noise(&self, streams: &mut [Stream]) -> Array2<f64> {
        let mut noise = Array2::zeros(self.mean.raw_dim());
        for (mut row, stream) in noise.outer_iter_mut().zip(streams) {
            row.zip_mut_with(self.sd, |noise, sd| *noise = sd * stream.normal());
        }
        noise
    }
}

/// Moves `z` (`[member, component]`) once. `log_likelihood` gives `[member, block]`; a block is a component where there are as many,
/// and all components where there is one. No number is no likelihood; a member that has none may go anywhere.
pub(super) fn slice(
    z: &mut Array2<f64>,
    prior: &Prior,
    streams: &mut [Stream],
    log_likelihood: impl Fn(&Array2<f64>) -> Array2<f64>,
) {
    let of = |z: &Array2<f64>| log_likelihood(z).mapv_into(|log| if log.is_nan() { f64::NEG_INFINITY } else { log });
    let mut least = of(z);
    let blocks = least.ncols();
    let block = |component: usize| if blocks == 1 { 0 } else { component };
    let (from, nu) = (&*z - prior.mean, prior.noise(streams));
    let mut brackets = Vec::with_capacity(least.len());
    for (mut least, stream) in least.outer_iter_mut().zip(&mut *streams) {
        for least in &mut least {
            *least += stream.uniform().ln();
            brackets.push(Bracket::new(stream));
        }
    }
    let mut open = Array2::from_elem(least.raw_dim(), true);
    for _ in 0..SHRINKS {
        let mut tried = z.clone();
        for ((member, component), tried) in tried.indexed_iter_mut() {
            let at = (member, block(component));
            if open[at] {
                let (sin, cos) = brackets[member * blocks + at.1].angle.sin_cos();
                *tried =
                    prior.mean[(member, component)] + from[(member, component)] * cos + nu[(member, component)] * sin;
            }
        }
        let found = of(&tried);
        for ((member, component), z) in z.indexed_iter_mut() {
            let at = (member, block(component));
            if open[at] && found[at] >= least[at] {
                *z = tried[(member, component)];
            }
        }
        for (member, stream) in streams.iter_mut().enumerate() {
            for block in 0..blocks {
                let at = (member, block);
                open[at] = open[at] && found[at] < least[at];
                if open[at] {
                    brackets[member * blocks + block].shrink(stream);
                }
            }
        }
        if open.iter().all(|open| !open) {
            return;
        }
    }
}
