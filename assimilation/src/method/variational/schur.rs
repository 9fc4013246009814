//! Covariances of members in state space with localization: P = C o (A^T A) / (N - 1).
//!
//! A are anomalies, one row a member, C the weights of the taper between components (the Schur product of Houtekamer and
//! Mitchell 2001): localization in state space, which suits any operator, also one whose values sit nowhere. C must be a
//! correlation function, or P is no covariance.

use ndarray::Array2;

use crate::error::{Error, Result};
use crate::linalg::dot;
use crate::localize::{Localization, Stencil, Taper};
use crate::observations::ObservationSet;

/// The weights C of the taper between the present components; none where nothing is localized.
///
/// # Errors
/// When the components do not fill the grid or some have no place on it, or the taper is no correlation function.
pub(crate) fn taper(
    localization: Option<Localization>,
    method: &str,
    observed: &ObservationSet,
) -> Result<Option<Stencil>> {
    let Some(local) = localization.filter(|local| local.radius.is_finite()) else { return Ok(None) };
    require_correlation(localization)?;
    if observed.operator.unplaced() > 0 {
        return Err(Error::Unsupported(format!(
            "method `{method}` with a `radius` needs a place on the grid for each component, and those behind what operator \
             `{}` observes have none; leave `radius` out, or use `letkf`, `eakf` or `ensrf`, whose `radius` is one of the \
             observations",
            observed.operator.name()
        )));
    }
    Ok(Some(local.stencil(observed.operator.current_dim())?))
}

/// Refuses the tapers that make no covariance of one.
///
/// # Errors
/// For the step and the cubic, whose Schur product with a covariance is indefinite.
pub(crate) fn require_correlation(localization: Option<Localization>) -> Result<()> {
    match localization.filter(|local| local.radius.is_finite()) {
        Some(Localization { taper: taper @ (Taper::Step | Taper::Cubic), .. }) => Err(Error::Unsupported(format!(
            "the taper `{}` cannot localize a covariance: it is no correlation function, and what it leaves is no covariance; \
             set taper to \"gaspari_cohn\"",
            word(taper)
        ))),
        _ => Ok(()),
    }
}

/// What is wrong where H P H^T + R is not positive definite: the taper, if there is one.
pub(crate) fn blame(localization: Option<Localization>) -> impl Fn(Error) -> Error {
    move |error| match (error, localization.filter(|local| local.radius.is_finite())) {
        (Error::Singular(_), Some(Localization { taper, radius, .. })) => Error::Singular(format!(
            "the members' covariance is indefinite after localization with taper \"{}\" of radius {radius}, which is no \
             correlation function on this grid; set taper to \"gaspari_cohn\" or a smaller `radius`",
            word(taper)
        )),
        (error, _) => error,
    }
}

/// The word of a taper in the settings.
fn word(taper: Taper) -> &'static str {
    Taper::WORDS.iter().find(|word| Taper::named(word) == taper).copied().unwrap_or_default()
}

/// C o (A^T B) / (N - 1), `[component, component]`, for anomalies A and B (`[member, component]`); C is of ones without a
/// stencil. Earlier states behind the present one lie on the same grid, so that C between states is that within one.
pub(crate) fn cross_covariance(a: &Array2<f64>, b: &Array2<f64>, stencil: Option<&Stencil>) -> Array2<f64> {
    let (members, dim) = a.dim();
    let scale = 1.0 / (members as f64 - 1.0);
    let Some(stencil) = stencil else {
        return scale * a.t().dot(b);
    };
    let current = stencil.grid().dim().max(1);
    // turned so that the members of a component are contiguous
    let [a, b] = [a, b].map(|x| x.t().as_standard_layout().into_owned().into_raw_vec_and_offset().0);
    let mut out = Array2::zeros((dim, dim));
    for (i, (mut row, a)) in out.outer_iter_mut().zip(a.chunks_exact(members)).enumerate() {
        stencil.runs(i % current, |run, weights| {
            for state in (0..dim).step_by(current) {
                let from = (state + run.start) * members;
                for ((j, weight), b) in run.clone().zip(weights).zip(b[from..].chunks_exact(members)) {
                    row[state + j] = scale * weight * dot(a, b);
                }
            }
        });
    }
    out
}

#[cfg(test)]
mod tests {
    use scorecast_systems::{Domain, Key};

    use super::*;
    use crate::localize::Layout;

    #[test]
    fn the_schur_product_is_that_of_the_whole_matrices() {
        let (a, b) = (Key::new(1, Domain::Score).normals(5, 12), Key::new(2, Domain::Score).normals(5, 12));
        let plain = a.t().dot(&b) / 4.0;
        assert!((cross_covariance(&a, &b, None) - &plain).iter().all(|e| e.abs() < 1e-14));
        let local = Localization { layout: Layout::Ring, taper: Taper::GaspariCohn, radius: 1.7 };
        let found = cross_covariance(&a, &b, Some(&local.stencil(12).unwrap()));
        for ((i, j), found) in found.indexed_iter() {
            let distance = i.abs_diff(j).min(12 - i.abs_diff(j)) as f64;
            assert!((found - plain[(i, j)] * Taper::GaspariCohn.weight(distance, 1.7)).abs() < 1e-14);
        }
    }

    /// A state of 12 components with the one before it behind it.
    #[test]
    fn earlier_states_lie_on_the_grid_of_the_present_one() {
        let (a, b) = (Key::new(1, Domain::Score).normals(5, 24), Key::new(2, Domain::Score).normals(5, 24));
        let plain = a.t().dot(&b) / 4.0;
        let local = Localization { layout: Layout::Torus { columns: 4 }, taper: Taper::GaspariCohn, radius: 0.5 };
        let found = cross_covariance(&a, &b, Some(&local.stencil(12).unwrap()));
        let weights =
            cross_covariance(&Array2::ones((2, 12)), &Array2::ones((2, 12)), Some(&local.stencil(12).unwrap())) / 2.0;
        assert!(weights.iter().any(|weight| *weight == 0.0));
        for ((i, j), found) in found.indexed_iter() {
            assert!((found - plain[(i, j)] * weights[(i % 12, j % 12)]).abs() < 1e-14, "{i} {j}");
        }
    }
}
